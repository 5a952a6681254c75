//! Grid and unit of a map, as they travel in the metadata of an Arrow field.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use std::sync::Arc;

use crate::args::{Lists, Settings};
use crate::function::{Kind, Parameter};
use crate::optics::grid::PolarGrid;

/// Metadata key of the unit, a UCUM code.
pub const UNIT: &str = "unit";
/// Value of [`EXTENSION_NAME`] on a polar map.
pub const POLAR_MAP: &str = "placido.polar_map";
/// Value of [`EXTENSION_NAME`] on a square raster; its metadata are `size`, `extent_mm` and `unit`.
pub const RASTER: &str = "placido.raster";
/// Arrow's key for the name of an extension type.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";
/// Arrow's key for the parameters of an extension type, JSON here.
pub const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Parameters that every function of a map ends with.
pub(crate) const RINGS: Parameter =
    Parameter::optional("rings", Kind::Number, "from the column, else 31", "rings of the map, where the column does not say");
/// See [`RINGS`].
pub(crate) const RING_STEP: Parameter = Parameter::optional(
    "ring_step_mm",
    Kind::Number,
    "from the column, else 0.2",
    "distance between rings in mm, where the column does not say",
);

/// See [`RINGS`].
pub(crate) const MERIDIANS: Parameter = Parameter::optional(
    "meridians",
    Kind::Number,
    "from the column, else 256",
    "semi-meridians of the map, where neither the column nor its length says",
);

/// What a map column says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// The grid.
    pub grid: PolarGrid,
    /// UCUM code of the values, where known.
    pub unit: Option<String>,
}

/// The geometry of a map argument: arguments first, then the column's metadata, then the grid of the MS-39.
///
/// # Errors
/// For metadata or arguments that describe no grid, and for a column whose lists have another length.
pub fn geometry(settings: &Settings, index: usize) -> Result<Geometry> {
    let name = settings.name();
    let field = settings.field(index);
    let metadata = field.map(Field::metadata);
    let told = metadata.filter(|m| m.get(EXTENSION_NAME).is_some_and(|n| n == POLAR_MAP));
    let (mut grid, mut unit) = (PolarGrid::MS39, metadata.and_then(|m| m.get(UNIT)).cloned());
    if let Some(text) = told.and_then(|m| m.get(EXTENSION_METADATA)) {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else {
            return plan_err!("{name}: the metadata of the map are not JSON: {text}");
        };
        let whole = |key: &str| json.get(key).and_then(serde_json::Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let step = json.get("ring_step_mm").and_then(serde_json::Value::as_f64);
        let (Some(rings), Some(meridians), Some(step)) = (whole("rings"), whole("meridians"), step) else {
            return plan_err!("{name}: the metadata of the map need rings, meridians and ring_step_mm: {text}");
        };
        grid = shaped(name, rings, meridians, step)?;
        unit = json.get("unit").and_then(|u| u.as_str()).map(str::to_owned).or(unit);
    }
    let length = match field.map(Field::data_type) {
        Some(DataType::FixedSizeList(_, size)) => usize::try_from(*size).ok(),
        _ => None,
    };
    let rings = settings.literal_whole("rings")?;
    let step = settings.literal_number("ring_step_mm")?;
    let meridians = settings.literal_whole("meridians")?;
    if rings.is_some() || step.is_some() || meridians.is_some() {
        let rings = rings.unwrap_or(grid.rings());
        let implied = length.filter(|n| rings > 0 && n % rings == 0).map(|n| n / rings);
        let meridians = meridians.or(implied).unwrap_or(grid.meridians());
        grid = shaped(name, rings, meridians, step.unwrap_or(grid.ring_step_mm()))?;
    }
    if let Some(length) = length.filter(|n| *n != grid.cells()) {
        return plan_err!("{}", wrong_length(name, &grid, length));
    }
    Ok(Geometry { grid, unit: unit.filter(|u| !u.is_empty()) })
}

fn shaped(name: &str, rings: usize, meridians: usize, step: f64) -> Result<PolarGrid> {
    match PolarGrid::new(rings, meridians, step) {
        Ok(grid) => Ok(grid),
        Err(error) => plan_err!("{name}: {error}"),
    }
}

fn wrong_length(name: &str, grid: &PolarGrid, length: usize) -> String {
    format!(
        "{name}: a map of {} rings × {} meridians has {} values, this list has {length}; give rings, ring_step_mm and meridians \
         for another grid",
        grid.rings(),
        grid.meridians(),
        grid.cells()
    )
}

/// Checks the length of a row's map. `Ok(false)` where it is NULL.
///
/// # Errors
/// For a list of another length than the grid has cells.
pub fn check_length(name: &str, grid: &PolarGrid, lists: &Lists, row: usize) -> Result<bool> {
    match lists.len(row) {
        None => Ok(false),
        Some(length) if length == grid.cells() => Ok(true),
        Some(length) => exec_err!("{}", wrong_length(name, grid, length)),
    }
}

/// Refuses a map whose column is in another unit than the function computes with.
///
/// # Errors
/// A planning error that names both units.
pub fn require_unit(settings: &Settings, geometry: &Geometry, unit: &str) -> Result<()> {
    match &geometry.unit {
        Some(given) if given != unit => {
            plan_err!("{}: the map must be in '{unit}', this column is in '{given}'", settings.name())
        }
        _ => Ok(()),
    }
}

/// The type of a list of `size` numbers, each of which may be NULL.
pub fn list_type(size: usize) -> DataType {
    let field = Arc::new(Field::new_list_field(DataType::Float64, true));
    DataType::FixedSizeList(field, i32::try_from(size).unwrap_or(i32::MAX))
}

/// A field with a unit in its metadata, unless that is empty.
pub fn with_unit(field: Field, unit: &str) -> Field {
    if unit.is_empty() {
        return field;
    }
    let mut metadata = field.metadata().clone();
    metadata.insert(UNIT.to_owned(), unit.to_owned());
    field.with_metadata(metadata)
}

/// A field that holds maps on a grid.
pub fn map_field(grid: PolarGrid, unit: &str) -> Field {
    let json = serde_json::json!({
        "rings": grid.rings(), "meridians": grid.meridians(), "ring_step_mm": grid.ring_step_mm(), "unit": unit,
    });
    extension_field(list_type(grid.cells()), POLAR_MAP, &json.to_string(), unit)
}

/// A field that holds square rasters.
pub fn raster_field(size: usize, extent_mm: f64, unit: &str) -> Field {
    let json = serde_json::json!({ "size": size, "extent_mm": extent_mm, "unit": unit });
    extension_field(list_type(size * size), RASTER, &json.to_string(), unit)
}

fn extension_field(data_type: DataType, extension: &str, parameters: &str, unit: &str) -> Field {
    let metadata = HashMap::from([
        (EXTENSION_NAME.to_owned(), extension.to_owned()),
        (EXTENSION_METADATA.to_owned(), parameters.to_owned()),
    ]);
    with_unit(Field::new("", data_type, true).with_metadata(metadata), unit)
}
