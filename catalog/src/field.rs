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

/// The type of a map on `grid`: a list of fixed length whose missing cells are null.
pub fn map_type(grid: PolarGrid) -> DataType {
    let cells = i32::try_from(grid.cells()).unwrap_or(i32::MAX);
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float64, true)), cells)
}

/// A field that holds a polar map, with grid and unit in its extension metadata.
pub fn polar_map(name: &str, grid: PolarGrid, unit: &str, comment: &str) -> Field {
    let base = field(name, map_type(grid), unit, comment);
    let mut metadata = base.metadata().clone();
    metadata.insert(EXTENSION_NAME.to_owned(), POLAR_MAP.to_owned());
    let grid = serde_json::json!({
        "rings": grid.rings, "meridians": grid.meridians, "ring_step_mm": grid.ring_step_mm, "unit": unit,
    });
    metadata.insert(EXTENSION_METADATA.to_owned(), grid.to_string());
    base.with_metadata(metadata)
}
