//! The clinic's own sheet, typed by people: one line for each patient, visit and eye.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use arrow::array::RecordBatch;

use super::layout;
use super::sheet::{Sheet, reader, writer};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::Result;

pub(crate) const NAME: &str = "clinic";
const TABLE: &str = "clinic_visit";

static LAYOUT: LazyLock<Sheet> = LazyLock::new(|| layout::load(NAME, include_str!("layout.toml")));

static TABLES: LazyLock<[Table; 1]> = LazyLock::new(|| {
    [Table {
        name: TABLE,
        about: "Clinic visits, one row a patient, visit and eye: acuity, refraction, diagnosis and risk factors as typed and as read",
        schema: LAYOUT.schema(),
    }]
});

/// Hand-kept clinic sheet: patients, visits and eyes, one line each.
#[derive(Debug)]
pub struct Clinic;

impl Device for Clinic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Hand-kept clinic sheet: patients, visits and eyes, one line each"
    }

    fn tables(&self) -> &[Table] {
        &*TABLES
    }

    fn recognises(&self, sample: &Sample<'_>) -> Confidence {
        reader::recognises(&LAYOUT, sample)
    }

    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading {
        reader::read(&LAYOUT, &TABLES[0].schema, bytes, request)
    }

    fn write(&self, table: &str, rows: &RecordBatch, layout: &str) -> Result<Vec<u8>> {
        layout::check_table(NAME, table, TABLE)?;
        writer::write(NAME, &LAYOUT, &TABLES[0].schema, rows, layout)
    }
}
