//! Messages of a client, from its first byte on.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_fuzz::messages(data));
