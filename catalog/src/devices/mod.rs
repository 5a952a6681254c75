//! The devices, each in a folder of its own with `layout.toml`, `NOTES.md` and, where it is not a plain sheet, reader and
//! writer.
//!
//! What they share: `text` (encodings, lines), `number`, `date`, `columns` (Arrow in and out), `common` (identity),
//! `sheet` (tables with a header row) and `layout` (the TOML files).

pub mod clinic;
mod columns;
mod common;
pub mod corvis_st;
pub mod cso_eyetop;
mod date;
mod layout;
pub mod ms39;
mod number;
mod sheet;
#[cfg(test)]
mod testing;
mod text;

use crate::device::Device;

/// Every device that placido knows. A new one is a folder here and a line in this list.
pub const DEVICES: &[&dyn Device] = &[&ms39::Ms39, &corvis_st::CorvisSt, &clinic::Clinic, &cso_eyetop::CsoEyetop];

/// The device of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Device> {
    DEVICES.iter().copied().find(|device| device.name() == name)
}
