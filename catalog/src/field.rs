//! Arrow fields that carry what a number means: unit, grid and comment.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

/// Metadata key of the unit, a UCUM code such as `mm`, `um`, `[diop]`, `mm[Hg]`, `deg`.
pub const UNIT: &str = "unit";
/// Metadata key of the comment for people, shown by `\d+`.
pub const COMMENT: &str = "comment";
/// Value of `ARROW:extension:name` on a polar map.
pub const POLAR_MAP: &str = "placido.polar_map";

/// Value of `ARROW:extension:name` on a square raster.
pub const RASTER: &str = "placido.raster";

const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// A regular polar grid: `rings` circles `ring_step_mm` apart, the first at radius 0, each of `meridians` cells, counter-
/// clockwise from 3 o'clock as the examiner sees the eye (TABO). Cells are stored ring by ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolarGrid {
    /// Number of circles, the centre included.
    pub rings: usize,
    /// Cells of one circle.
    pub meridians: usize,
    /// Distance between circles in mm.
    pub ring_step_mm: f64,
}

impl PolarGrid {
    /// Cells of a map.
    pub fn cells(&self) -> usize {
        self.rings * self.meridians
    }
}

/// A nullable field with a comment, and a unit unless it is empty.
pub fn field(name: &str, data_type: DataType, unit: &str, comment: &str) -> Field {
    let mut metadata = HashMap::from([(COMMENT.to_owned(), comment.to_owned())]);
    if !unit.is_empty() {
        metadata.insert(UNIT.to_owned(), unit.to_owned());
    }
    Field::new(name, data_type, true).with_metadata(metadata)
}

/// A square raster: `size` rows of `size` cells whose outermost centres are `extent_mm` apart. Row 0 is superior, column 0 at the
/// examiner's left. Cells are stored row by row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RasterGrid {
    /// Rows, and cells of a row.
    pub size: usize,
    /// Distance between the first and the last cell of a row in mm.
    pub extent_mm: f64,
}

impl RasterGrid {
    /// Cells of a map.
    pub fn cells(&self) -> usize {
        self.size * self.size
    }
}

/// The type of a map of so many cells: a list of fixed length whose missing cells are null.
fn cells_type(cells: usize) -> DataType {
    let cells = i32::try_from(cells).unwrap_or(i32::MAX);
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float64, true)), cells)
}

/// The type of a map on `grid`: a list of fixed length whose missing cells are null.
pub fn map_type(grid: PolarGrid) -> DataType {
    cells_type(grid.cells())
}

/// A field that holds a list of `length` numbers, missing ones null.
pub fn list(name: &str, length: usize, unit: &str, comment: &str) -> Field {
    field(name, cells_type(length), unit, comment)
}

/// A field that holds a polar map, with grid and unit in its extension metadata.
pub fn polar_map(name: &str, grid: PolarGrid, unit: &str, comment: &str) -> Field {
    let json = serde_json::json!({
        "rings": grid.rings, "meridians": grid.meridians, "ring_step_mm": grid.ring_step_mm, "unit": unit,
    });
    extension(field(name, map_type(grid), unit, comment), POLAR_MAP, &json)
}

/// A field that holds a square raster, with grid and unit in its extension metadata.
pub fn raster(name: &str, grid: RasterGrid, unit: &str, comment: &str) -> Field {
    let json = serde_json::json!({ "size": grid.size, "extent_mm": grid.extent_mm, "unit": unit });
    extension(field(name, cells_type(grid.cells()), unit, comment), RASTER, &json)
}

fn extension(base: Field, name: &str, parameters: &serde_json::Value) -> Field {
    let mut metadata = base.metadata().clone();
    metadata.insert(EXTENSION_NAME.to_owned(), name.to_owned());
    metadata.insert(EXTENSION_METADATA.to_owned(), parameters.to_string());
    base.with_metadata(metadata)
}
