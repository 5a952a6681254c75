//! The data of a COPY.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_fuzz::copy(data));
