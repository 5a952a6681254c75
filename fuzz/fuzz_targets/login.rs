//! A login by SCRAM, and the certificate of a client.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_fuzz::login(data));
