//! Damaged tables of the Pentacam, and any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let names = ["pentacam_index", "pentacam_badisplay", "pentacam_zernike", "pentacam_summary"];
    let Some((first, data)) = data.split_first() else { return };
    placido_catalog_fuzz::reader(names[usize::from(*first) % names.len()], data);
});
