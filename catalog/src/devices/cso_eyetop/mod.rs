//! CSO EyeTop: the Placido text export in Italian, radii and heights of one eye.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;

use super::columns::Source;
use super::common;
use super::date::Order;
use super::single::{OneTable, Single};
use super::text::Encoding;
use crate::device::{Confidence, Reading, Request, Sample};
use crate::error::Result;
use crate::field::field;

pub(crate) const NAME: &str = "cso_eyetop";

/// The EyeTop topographer, and others of its maker with the same Placido export.
#[derive(Debug)]
pub struct CsoEyetop;

impl Single for CsoEyetop {
    type Layout = Layout;
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "CSO EyeTop Placido topographer: Italian text export of radii and heights, one eye a file";

    fn export() -> &'static OneTable<Layout> {
        const TABLE: &str = "EyeTop exams, one row a file: simulated keratometry, pupil, radii and heights of 24 rings";
        static EXPORT: LazyLock<OneTable<Layout>> =
            LazyLock::new(|| OneTable::new(NAME, TABLE, include_str!("layout.toml"), schema));
        &EXPORT
    }

    fn recognises(layout: &Layout, sample: &Sample<'_>) -> Confidence {
        reader::recognises(layout, sample)
    }

    fn read(layout: &Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
        reader::read(layout, schema, bytes, request)
    }

    fn write(layout: &Layout, row: &Source<'_>, version: &str) -> Result<Vec<u8>> {
        writer::write(layout, row, version)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
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

fn schema(layout: &Layout) -> Schema {
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
    Schema::new(fields)
}
