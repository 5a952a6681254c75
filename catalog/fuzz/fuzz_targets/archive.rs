//! Zip archives whose directories lie, damaged ones, and any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::archive(data));
