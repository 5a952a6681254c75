//! Damaged exports of cso_eyetop, and any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::reader("cso_eyetop", data));
