//! The clinic's own sheet, typed by people: one line for each patient, visit and eye.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod workbooks;

use super::sheet::{Export, SheetTable};

pub(crate) const NAME: &str = "clinic";
const TABLE: &str = "clinic_visit";

/// Hand-kept clinic sheet: patients, visits and eyes, one line each.
pub static CLINIC: SheetTable = SheetTable::new(NAME, "Hand-kept clinic sheet: patients, visits and eyes, one line each", || {
    Export::new(
        TABLE,
        "Clinic visits, one row a patient, visit and eye: acuity, refraction, diagnosis and risk factors as typed and as read",
        include_str!("layout.toml"),
    )
});
