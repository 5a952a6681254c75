//! The devices, each in a folder of its own with `layout.toml`, `NOTES.md` and, where it is not a plain sheet, reader and
//! writer.
//!
//! What they share: `text` (encodings, lines), `pieces` (text too large for the memory), `number`, `date`, `columns` (Arrow in and out), `common` (identity), `cells`
//! (rows of a map), `resaved` (what spreadsheets do to files), `single` (files of one exam), `polar` (the maps of CSO's software), `sheet` (tables with a header row),
//! `workbook` (those of spreadsheets), `spreadsheet` (what these do to values), `refraction` (one in a cell) and `layout` (the
//! TOML files).

mod cells;
pub mod clinic;
mod columns;
mod common;
pub mod corvis_st;
pub mod cso_eyetop;
mod date;
pub mod fhir;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod layout;
pub mod ms39;
mod number;
pub mod pentacam;
mod pieces;
mod polar;
mod refraction;
mod resaved;
mod sheet;
mod single;
pub mod sirius;
mod spreadsheet;
#[cfg(test)]
mod testing;
mod text;
mod workbook;

use crate::device::Device;

/// Every device that placido knows. A new one is a folder here and a line in this list.
pub static DEVICES: &[&dyn Device] = &[
    &ms39::MS39,
    &corvis_st::CORVIS_ST,
    &corvis_st::curves::CorvisCurves,
    &clinic::CLINIC,
    &fhir::Fhir,
    &cso_eyetop::CsoEyetop,
    &sirius::SIRIUS,
    &pentacam::Pentacam,
    &pentacam::tables::INDICES,
    &pentacam::tables::ECTASIA,
    &pentacam::tables::ZERNIKE,
    &pentacam::tables::SUMMARY,
];

/// The device of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Device> {
    DEVICES.iter().copied().find(|device| device.name() == name)
}

/// Text that is UTF-8 or else Windows-1252, as every device reads it.
pub(crate) fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    text::decode(bytes)
}
