//! CSO MS-39: the individual CSV export, one eye and one exam a file, with up to 16 polar maps.

mod cells;
mod checks;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use serde::Deserialize;

use super::columns::pairs_type;
use super::date::Order;
use super::text::Encoding;
use super::{common, layout};
use crate::device::{Confidence, Device, Reading, Request, Sample, Table};
use crate::error::Result;
use crate::field::{PolarGrid, field, polar_map};

pub(crate) const NAME: &str = "ms39";

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| layout::load(NAME, include_str!("layout.toml")));

static TABLES: LazyLock<[Table; 1]> = LazyLock::new(|| [table(&LAYOUT)]);

/// The MS-39 anterior segment tomographer.
#[derive(Debug)]
pub struct Ms39;

impl Device for Ms39 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "CSO MS-39 anterior segment OCT and Placido tomographer: individual CSV export with polar maps, one eye a file"
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
    dates: Dates,
    #[serde(rename = "version")]
    versions: Vec<Version>,
    #[serde(rename = "key")]
    keys: Vec<Key>,
    #[serde(rename = "map")]
    maps: Vec<Map>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    rings: usize,
    meridians: usize,
    ring_step_mm: f64,
}

impl Grid {
    fn cells(self) -> usize {
        self.rings * self.meridians
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cells {
    missing: f64,
    decimals: usize,
    missing_fraction: f64,
    layers_um: f64,
    layers_fraction: f64,
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
    delimiter: char,
    encoding: Encoding,
    missing_text: String,
    marks: Vec<String>,
    preamble: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
    column: String,
    #[serde(default)]
    unit: String,
    range: Option<(f64, f64)>,
    about: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    header: String,
    #[serde(default)]
    aliases: Vec<String>,
    printed: String,
    column: String,
    unit: String,
    rings: usize,
    range: (f64, f64),
    about: String,
}

/// Keys with a comment become columns of their own; the others are the common columns.
fn table(layout: &Layout) -> Table {
    let mut fields = common::fields();
    for key in &layout.keys {
        if let Some(about) = &key.about {
            let data_type = if key.range.is_some() { DataType::Float64 } else { DataType::Utf8 };
            fields.push(field(&key.column, data_type, &key.unit, about));
        }
    }
    fields.push(field(
        "preamble",
        pairs_type(),
        "",
        "All lines before the first map as the file has them, key and value; personal",
    ));
    let Grid { rings, meridians, ring_step_mm } = layout.grid;
    let grid = PolarGrid { rings, meridians, ring_step_mm };
    fields.extend(layout.maps.iter().map(|map| polar_map(&map.column, grid, &map.unit, &map.about)));
    Table {
        name: NAME,
        about: "MS-39 exams, one row a file: identity, pupil, simulated keratometry and 16 polar maps",
        schema: Arc::new(Schema::new(fields)),
    }
}
