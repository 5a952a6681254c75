//! Every export to every reader: files that are somebody else's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::any_reader(data));
