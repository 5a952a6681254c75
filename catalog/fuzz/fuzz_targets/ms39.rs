//! Damaged exports of ms39, and any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::reader("ms39", data));
