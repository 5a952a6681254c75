//! Oculus Pentacam: the CSV exports of one exam (square grids of curvature, elevation or pachymetry with a header below them)
//! and the tables of exams (`*-LOAD.CSV`), each a device of its own since no file holds both.

mod checks;
mod grid;
mod header;
mod reader;
pub mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use serde::Deserialize;

use super::columns::{Source, pairs_type};
use super::common;
use super::date::Order;
use super::single::{OneTable, Single};
use super::text::Encoding;
use crate::device::{Confidence, Reading, Request, Sample};
use crate::error::Result;
use crate::field::{RasterGrid, field, list, raster};

pub(crate) const NAME: &str = "pentacam";
/// Column that says which of the exports a file is.
const KIND: &str = "export_kind";
const HEADER: &str = "header";
const CONTOUR_X: &str = "pupil_contour_x_mm";
const CONTOUR_Y: &str = "pupil_contour_y_mm";

/// Oculus Pentacam rotating Scheimpflug tomographer: exports of one exam.
#[derive(Debug)]
pub struct Pentacam;

impl Single for Pentacam {
    type Layout = Layout;
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Oculus Pentacam rotating Scheimpflug tomographer: grids of curvature (CUR), elevation (ELE) or pachymetry (PAC), \
         one kind, eye and exam a file";

    fn export() -> &'static OneTable<Layout> {
        const TABLE: &str =
            "Pentacam exams, one row a file: what the header states, and the grids of curvature, elevation or pachymetry";
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
    grid: Grid,
    tolerance: Tolerance,
    header: HeaderLayout,
    dates: Dates,
    #[serde(rename = "version")]
    versions: Vec<Version>,
    #[serde(rename = "export")]
    exports: Vec<Export>,
    #[serde(rename = "map")]
    maps: Vec<Map>,
    #[serde(rename = "key")]
    keys: Vec<Key>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    size: usize,
    step_mm: f64,
}

impl Grid {
    fn cells(self) -> usize {
        self.size * self.size
    }

    fn raster(self) -> RasterGrid {
        RasterGrid { size: self.size, extent_mm: self.half_mm() * 2.0 }
    }

    /// Distance from the centre to the outermost cells.
    fn half_mm(self) -> f64 {
        self.size.saturating_sub(1) as f64 * self.step_mm / 2.0
    }

    /// The index of a coordinate counted from the negative end; `None` off the grid.
    fn index(self, mm: f64) -> Option<usize> {
        let steps = (mm + self.half_mm()) / self.step_mm;
        let nearest = steps.round();
        let on_grid = (steps - nearest).abs() < 0.02 && nearest >= 0.0 && (nearest as usize) < self.size;
        on_grid.then_some(nearest as usize)
    }

    /// The cell nearest to a point that x to the right and y upwards give.
    fn cell_at(self, x_mm: f64, y_mm: f64) -> Option<usize> {
        let near = |mm: f64| self.index((mm / self.step_mm).round() * self.step_mm);
        Some(near(-y_mm)? * self.size + near(x_mm)?)
    }

    /// Centre of a cell: x to the right, y upwards.
    fn place(self, cell: usize) -> (f64, f64) {
        let (row, column) = (cell / self.size.max(1), cell % self.size.max(1));
        (column as f64 * self.step_mm - self.half_mm(), self.half_mm() - row as f64 * self.step_mm)
    }
}

/// How far a grid may be from what the header states.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tolerance {
    thickness_um: f64,
    radius_mm: f64,
    astigmatism_d: f64,
    apex_height_um: f64,
    missing_fraction: f64,
    zone_radius_mm: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLayout {
    missing: Vec<String>,
    contour_points: usize,
    contour_units_per_mm: f64,
    contour_max_mm: f64,
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
    decimal_mark: char,
    date_format: String,
}

/// One of the files that the device writes for an exam.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    name: String,
    /// Whether its numbers have decimals; files with the same labels are told apart by it.
    decimals: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    export: String,
    /// What stands before the coordinates of the first line.
    label: String,
    column: String,
    unit: String,
    decimals: usize,
    range: (f64, f64),
    about: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    section: String,
    key: String,
    /// Column; a key without one is only written.
    column: Option<String>,
    #[serde(default)]
    unit: String,
    range: Option<(f64, f64)>,
    /// Decimals when written.
    #[serde(default)]
    decimals: usize,
    /// What the number in the file is divided by.
    #[serde(default = "one")]
    per_unit: f64,
    about: Option<String>,
    /// What is written where the column is empty.
    #[serde(default)]
    empty: String,
}

fn one() -> f64 {
    1.0
}

impl Layout {
    /// Keys with a comment become columns of their own; the others are the common columns.
    fn schema(&self) -> Schema {
        let mut fields = common::fields();
        fields.push(field(KIND, DataType::Utf8, "", "Which export the file is: curvature, elevation or pachymetry"));
        for key in &self.keys {
            if let (Some(column), Some(about)) = (&key.column, &key.about) {
                let data_type = if key.range.is_some() { DataType::Float64 } else { DataType::Utf8 };
                fields.push(field(column, data_type, &key.unit, about));
            }
        }
        let points = self.header.contour_points;
        fields.push(list(CONTOUR_X, points, "mm", "Edge of the pupil, horizontal, in the order of the file"));
        fields.push(list(CONTOUR_Y, points, "mm", "Edge of the pupil, vertical, in the order of the file"));
        fields.push(field(HEADER, pairs_type(), "", "All lines of the header as the file has them, key and value; personal"));
        let grid = self.grid.raster();
        fields.extend(self.maps.iter().map(|map| raster(&map.column, grid, &map.unit, &map.about)));
        Schema::new(fields)
    }
}
