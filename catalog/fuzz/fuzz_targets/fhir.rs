//! Damaged FHIR resources, and any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::reader("fhir", data));
