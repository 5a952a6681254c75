//! The curves of one Corvis ST measurement, frame by frame, in a layout of placido's own: the maker's is not public.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use serde::Deserialize;

use super::super::columns::pairs_type;
use super::super::date::Order;
use super::super::text::Encoding;
use super::super::{common, layout};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::Result;
use crate::field::{field, list};

pub(crate) const NAME: &str = "corvis_st_curve";
const TIME: &str = "exam_time";
const PREAMBLE: &str = "preamble";
const EXTRA: &str = "extra";

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| layout::load(NAME, include_str!("layout.toml")));

static TABLES: LazyLock<[Table; 1]> = LazyLock::new(|| {
    [Table {
        name: NAME,
        about: "Corvis ST curves, one row an exam: time, force, amplitudes, velocity and radius of 140 frames",
        schema: Arc::new(LAYOUT.schema()),
    }]
});

/// Curves of the Corvis ST, one measurement a file.
#[derive(Debug)]
pub struct CorvisCurves;

impl Device for CorvisCurves {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Oculus Corvis ST: curves of one measurement, 140 frames, in placido's own layout"
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
    title: String,
    frames: usize,
    frame: String,
    missing: Vec<String>,
    dates: Dates,
    #[serde(rename = "version")]
    versions: Vec<Version>,
    #[serde(rename = "key")]
    keys: Vec<Key>,
    #[serde(rename = "curve")]
    curves: Vec<Curve>,
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
    /// What stands behind the title.
    mark: String,
    delimiter: char,
    encoding: Encoding,
    decimal_mark: char,
    date_format: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
    column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Curve {
    label: String,
    column: String,
    unit: String,
    range: (f64, f64),
    decimals: usize,
    about: String,
}

impl Layout {
    fn schema(&self) -> Schema {
        let mut fields = common::fields();
        fields.push(field(TIME, DataType::Utf8, "", "Time of the exam as the file has it"));
        fields.push(field(
            PREAMBLE,
            pairs_type(),
            "",
            "All lines before the curves as the file has them, key and value; personal",
        ));
        fields.extend(self.curves.iter().map(|curve| list(&curve.column, self.frames, &curve.unit, &curve.about)));
        fields.push(field(EXTRA, pairs_type(), "", "Columns that the layout does not know: header, and values of all frames"));
        Schema::new(fields)
    }
}
