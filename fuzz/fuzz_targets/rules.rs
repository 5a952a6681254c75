//! The files of the rules and of the roles.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| placido_fuzz::rules(data));
