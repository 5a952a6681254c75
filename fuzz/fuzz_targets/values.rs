//! Values that are bound to parameters.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_fuzz::values(data));
