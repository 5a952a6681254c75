//! Numbers, dates, labels, eyes.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| placido_catalog_fuzz::fields(text));
