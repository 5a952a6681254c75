//! Polar maps as CSO's software exports them: one eye and one exam a file, key and value lines or none, then blocks of a header
//! line and one row a ring. Which keys and maps a device has, and how its versions are written, stands in its `layout.toml`.

mod cells;
mod checks;
mod reader;
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

/// A device whose exports are polar maps.
#[derive(Debug)]
pub struct PolarMaps {
    name: &'static str,
    about: &'static str,
    export: LazyLock<Export>,
}

/// Layout and table of a device; made when they are first asked for.
#[derive(Debug)]
pub(crate) struct Export {
    layout: Layout,
    tables: [Table; 1],
}

impl Export {
    /// The export that `text`, a `layout.toml`, describes.
    pub(crate) fn new(name: &'static str, about: &'static str, text: &str) -> Self {
        let layout: Layout = layout::load(name, text);
        let schema = Arc::new(layout.schema());
        Self { layout, tables: [Table { name, about, schema }] }
    }
}

impl PolarMaps {
    pub(crate) const fn new(name: &'static str, about: &'static str, export: fn() -> Export) -> Self {
        Self { name, about, export: LazyLock::new(export) }
    }
}

impl Device for PolarMaps {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn tables(&self) -> &[Table] {
        &self.export.tables
    }

    fn recognises(&self, sample: &Sample<'_>) -> Confidence {
        reader::recognises(&self.export.layout, sample)
    }

    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading {
        let beginning =
            usize::try_from(Sample::LEN).ok().and_then(|length| bytes.get(..length)).filter(|_| self.head_suffices(request));
        if let Some(reading) = beginning.and_then(|head| self.read_head(head, request)) {
            return reading;
        }
        reader::read(self.name, &self.export.layout, &self.export.tables[0].schema, bytes, request)
    }

    fn head_suffices(&self, request: &Request<'_>) -> bool {
        let Export { layout, tables: [table] } = &*self.export;
        let names = request.columns.iter().filter_map(|column| table.schema.fields().get(*column));
        !request.check && names.map(|field| field.name()).all(|name| layout.maps.iter().all(|map| map.column != *name))
    }

    fn read_head(&self, head: &[u8], request: &Request<'_>) -> Option<Reading> {
        let Export { layout, tables: [table] } = &*self.export;
        reader::read_head(self.name, layout, &table.schema, head, request).filter(|_| self.head_suffices(request))
    }

    fn write(&self, table: &str, rows: &RecordBatch, layout: &str) -> Result<Vec<u8>> {
        layout::check_table(self.name, table, self.name)?;
        writer::write(self.name, &self.export.layout, &self.export.tables[0].schema, rows, layout)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    grid: Grid,
    cells: Cells,
    agreement: Agreement,
    dates: Dates,
    #[serde(default)]
    recognition: Recognition,
    #[serde(rename = "version")]
    pub(super) versions: Vec<Version>,
    #[serde(rename = "key")]
    keys: Vec<Key>,
    #[serde(rename = "map")]
    pub(super) maps: Vec<Map>,
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

/// What the maps of one eye must agree on near the apex.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreement {
    /// Rings from the centre that are compared.
    rings: usize,
    elevation_um: f64,
    anterior_steps: Vec<f64>,
    posterior_steps: Vec<f64>,
    power_fraction: f64,
    sim_k_d: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dates {
    order: Order,
}

/// Which marks tell the device from others of its maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Marks {
    /// Keys of the preamble.
    #[default]
    Keys,
    /// A row with the radius of every ring before the maps.
    Radii,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recognition {
    by: Marks,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub(super) name: String,
    /// For people only.
    #[serde(rename = "about")]
    _about: String,
    delimiter: char,
    encoding: Encoding,
    missing_text: String,
    marks: Vec<String>,
    pub(super) preamble: Vec<String>,
    /// Header of the row of radii; none is written without it.
    radii: Option<String>,
    /// Whether rows end with a delimiter.
    #[serde(default)]
    closed: bool,
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
pub(super) struct Map {
    pub(super) header: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    printed: String,
    pub(super) column: String,
    unit: String,
    rings: usize,
    pub(super) range: (f64, f64),
    about: String,
}

impl Layout {
    /// Keys with a comment become columns of their own; the others are the common columns.
    fn schema(&self) -> Schema {
        let mut fields = common::fields();
        for key in &self.keys {
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
        let Grid { rings, meridians, ring_step_mm } = self.grid;
        let grid = PolarGrid { rings, meridians, ring_step_mm };
        fields.extend(self.maps.iter().map(|map| polar_map(&map.column, grid, &map.unit, &map.about)));
        Schema::new(fields)
    }
}
