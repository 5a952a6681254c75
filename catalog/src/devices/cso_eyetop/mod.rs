//! CSO EyeTop: the Placido text export in Italian, radii and heights of one eye.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use serde::Deserialize;

use super::date::Order;
use super::text::Encoding;
use super::{common, layout};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::Result;
use crate::field::field;

pub(crate) const NAME: &str = "cso_eyetop";

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| layout::load(NAME, include_str!("layout.toml")));

static TABLES: LazyLock<[Table; 1]> = LazyLock::new(|| [table(&LAYOUT)]);

/// The EyeTop topographer, and others of its maker with the same Placido export.
#[derive(Debug)]
pub struct CsoEyetop;

impl Device for CsoEyetop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "CSO EyeTop Placido topographer: Italian text export of radii and heights, one eye a file"
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
        layout::check_table(NAME, table, NAME)?;
        writer::write(&LAYOUT, &TABLES[0].schema, rows, layout)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    grid: Grid,
    cells: Cells,
    header: Header,
    eye: EyeFlag,
    dates: Dates,
    #[serde(rename = "version")]
    versions: Vec<Version>,
    #[serde(rename = "field")]
    fields: Vec<HeaderField>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    rings: usize,
    meridians: usize,
}

impl Grid {
    fn cells(self) -> usize {
        self.rings * self.meridians
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cells {
    missing: Vec<f64>,
    rho_range: (f64, f64),
    z_range: (f64, f64),
    missing_fraction: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    missing: f64,
}

/// What the flag of the eye means: an eye as [`crate::device::Eye::parse`] reads it, or nothing where it is not known.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EyeFlag {
    when_true: String,
    when_false: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dates {
    order: Order,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    name: String,
    /// For people only.
    #[serde(rename = "about")]
    _about: String,
    encoding: Encoding,
    decimal_mark: char,
    date_format: String,
    separator: String,
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Number,
    Count,
    Flag,
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderField {
    column: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    unit: String,
    range: Option<(f64, f64)>,
    /// Decimals when written; without it, as many as the number has.
    decimals: Option<usize>,
    about: String,
}

fn table(layout: &Layout) -> Table {
    let mut fields = common::fields();
    for header in &layout.fields {
        let data_type = match header.kind {
            Kind::Number => DataType::Float64,
            Kind::Count => DataType::Int32,
            Kind::Flag => DataType::Boolean,
            Kind::Text => DataType::Utf8,
        };
        fields.push(field(&header.column, data_type, &header.unit, &header.about));
    }
    let length = i32::try_from(layout.grid.cells()).unwrap_or(i32::MAX);
    let cells = || DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float64, true)), length);
    fields.push(field("rho_mm", cells(), "mm", "Distance of each cell from the axis, ring by ring, 256 cells a ring"));
    fields.push(field("z_mm", cells(), "mm", "Height of each cell, negative below the apex, in the order of rho_mm"));
    Table {
        name: NAME,
        about: "EyeTop exams, one row a file: simulated keratometry, pupil, radii and heights of 24 rings",
        schema: Arc::new(Schema::new(fields)),
    }
}
