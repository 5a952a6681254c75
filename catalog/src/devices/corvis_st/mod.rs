//! Oculus Corvis ST: a table of exams. No such export is public; see NOTES.md for what is guessed.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use arrow::array::RecordBatch;

use super::layout;
use super::sheet::{Sheet, reader, writer};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::Result;

pub(crate) const NAME: &str = "corvis_st";
const TABLE: &str = "corvis_st";

static LAYOUT: LazyLock<Sheet> = LazyLock::new(|| layout::load(NAME, include_str!("layout.toml")));

static TABLES: LazyLock<[Table; 1]> = LazyLock::new(|| {
    [Table {
        name: TABLE,
        about: "Corvis ST exams, one row an exam: tonometry and the dynamic response of the cornea",
        schema: LAYOUT.schema(),
    }]
});

/// Oculus Corvis ST dynamic Scheimpflug tonometer: table of exams, one exam a line.
#[derive(Debug)]
pub struct CorvisSt;

impl Device for CorvisSt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Oculus Corvis ST dynamic Scheimpflug tonometer: table of exams, one exam a line"
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
