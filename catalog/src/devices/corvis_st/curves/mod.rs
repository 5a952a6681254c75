//! The curves of one Corvis ST measurement, frame by frame, in a layout of placido's own: the maker's is not public.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use serde::Deserialize;

use super::super::columns::{Source, pairs_type};
use super::super::common;
use super::super::date::Order;
use super::super::single::{OneTable, Single};
use super::super::text::Encoding;
use crate::device::{Confidence, Reading, Request, Sample};
use crate::error::Result;
use crate::field::{field, list};

pub(crate) const NAME: &str = "corvis_st_curve";
const TIME: &str = "exam_time";
const PREAMBLE: &str = "preamble";
const EXTRA: &str = "extra";

/// Curves of the Corvis ST, one measurement a file.
#[derive(Debug)]
pub struct CorvisCurves;

impl Single for CorvisCurves {
    type Layout = Layout;
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Oculus Corvis ST: curves of one measurement, 140 frames, in placido's own layout";

    fn export() -> &'static OneTable<Layout> {
        const TABLE: &str = "Corvis ST curves, one row an exam: time, force, amplitudes, velocity and radius of 140 frames";
        static EXPORT: LazyLock<OneTable<Layout>> =
            LazyLock::new(|| OneTable::new(NAME, TABLE, include_str!("layout.toml"), Layout::schema));
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
