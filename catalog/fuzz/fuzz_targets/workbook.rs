//! Workbooks (XLSX, ODS, XLS) with a damaged part.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| placido_catalog_fuzz::workbook(data));
