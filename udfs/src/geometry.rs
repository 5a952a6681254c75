//! Grid and unit of a map, as they travel in the metadata of an Arrow field.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use std::sync::Arc;

use crate::args::{Lists, Settings};
use crate::function::{Kind, Parameter};
use crate::optics::grid::{Grid, PolarGrid};
use crate::optics::square::SquareGrid;

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
pub struct Geometry<G = PolarGrid> {
    /// The grid.
    pub grid: G,
    /// UCUM code of the values, where known.
    pub unit: Option<String>,
}

/// The geometry of a map argument of either kind: a raster where the column's metadata say so, else as [`geometry`] finds it.
///
/// # Errors
/// For metadata or arguments that describe no grid, and for a column whose lists have another length.
pub fn any_geometry(settings: &Settings, index: usize) -> Result<Geometry<Grid>> {
    let Some(Geometry { grid, unit }) = raster_geometry(settings, index)? else {
        let Geometry { grid, unit } = geometry(settings, index)?;
        return Ok(Geometry { grid: grid.into(), unit });
    };
    let (rings, meridians, step) = polar_arguments(settings)?;
    if rings.is_some() || meridians.is_some() || step.is_some() {
        return plan_err!(
            "{}: this column holds square rasters; rings, meridians and ring_step_mm do not apply",
            settings.name()
        );
    }
    Ok(Geometry { grid: grid.into(), unit })
}

/// The geometry of a raster, where the column's metadata say that it holds rasters.
///
/// # Errors
/// For metadata that describe no raster, and for a column whose lists have another length.
pub(crate) fn raster_geometry(settings: &Settings, index: usize) -> Result<Option<Geometry<SquareGrid>>> {
    let name = settings.name();
    let Some(field) = settings.field(index).filter(|f| extension(f) == Some(RASTER)) else { return Ok(None) };
    let json = extension_json(name, field)?;
    let size = json.get("size").and_then(serde_json::Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let extent = json.get("extent_mm").and_then(serde_json::Value::as_f64);
    let (Some(size), Some(extent)) = (size, extent) else {
        return plan_err!("{name}: the metadata of a raster need size and extent_mm: {json}");
    };
    let grid = match SquareGrid::new(size, extent) {
        Ok(grid) => grid,
        Err(error) => return plan_err!("{name}: {error}"),
    };
    if let Some(length) = list_length(field).filter(|n| *n != grid.cells()) {
        return plan_err!("{}", wrong_length(name, grid.into(), length));
    }
    Ok(Some(Geometry { grid, unit: unit_of(&json, field) }))
}

fn extension(field: &Field) -> Option<&str> {
    field.metadata().get(EXTENSION_NAME).map(String::as_str)
}

fn extension_json(name: &str, field: &Field) -> Result<serde_json::Value> {
    let text = field.metadata().get(EXTENSION_METADATA).map_or("", String::as_str);
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(json),
        Err(_) => plan_err!("{name}: the metadata of the map are not JSON: {text}"),
    }
}

fn unit_of(json: &serde_json::Value, field: &Field) -> Option<String> {
    let told = json.get("unit").and_then(|u| u.as_str()).map(str::to_owned);
    told.or_else(|| field.metadata().get(UNIT).cloned()).filter(|u| !u.is_empty())
}

fn list_length(field: &Field) -> Option<usize> {
    match field.data_type() {
        DataType::FixedSizeList(_, size) => usize::try_from(*size).ok(),
        _ => None,
    }
}

/// The arguments rings, meridians and ring_step_mm, where the function has them and they were given.
fn polar_arguments(settings: &Settings) -> Result<(Option<usize>, Option<usize>, Option<f64>)> {
    let whole = |name: &str| if settings.has(name) { settings.literal_whole(name) } else { Ok(None) };
    let step = if settings.has("ring_step_mm") { settings.literal_number("ring_step_mm")? } else { None };
    Ok((whole("rings")?, whole("meridians")?, step))
}

/// The geometry of a polar map argument: the column's metadata, else the arguments, else the grid of the MS-39.
///
/// # Errors
/// For metadata or arguments that describe no grid, for arguments that contradict the metadata, for a raster, and for a column
/// whose lists have another length.
pub fn geometry(settings: &Settings, index: usize) -> Result<Geometry> {
    let name = settings.name();
    let field = settings.field(index);
    let (mut grid, mut unit) = (PolarGrid::MS39, field.and_then(|f| f.metadata().get(UNIT)).cloned());
    let (rings, meridians, step) = polar_arguments(settings)?;
    match field.map(|f| (f, extension(f))) {
        Some((_, Some(RASTER))) => {
            return plan_err!("{name}: this column holds square rasters, not polar maps; convert it with cartesian_to_polar(…)");
        }
        Some((field, Some(POLAR_MAP))) => {
            let json = extension_json(name, field)?;
            let whole = |key: &str| json.get(key).and_then(serde_json::Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let step = json.get("ring_step_mm").and_then(serde_json::Value::as_f64);
            let (Some(rings), Some(meridians), Some(step)) = (whole("rings"), whole("meridians"), step) else {
                return plan_err!("{name}: the metadata of the map need rings, meridians and ring_step_mm: {json}");
            };
            grid = shaped(name, rings, meridians, step)?;
            unit = unit_of(&json, field);
            contradiction(settings, &grid)?;
        }
        _ => {}
    }
    let length = field.and_then(list_length);
    if rings.is_some() || step.is_some() || meridians.is_some() {
        let rings = rings.unwrap_or(grid.rings());
        let implied = length.filter(|n| rings > 0 && n % rings == 0).map(|n| n / rings);
        let meridians = meridians.or(implied).unwrap_or(grid.meridians());
        grid = shaped(name, rings, meridians, step.unwrap_or(grid.ring_step_mm()))?;
    }
    if let Some(length) = length.filter(|n| *n != grid.cells()) {
        return plan_err!("{}", wrong_length(name, grid.into(), length));
    }
    Ok(Geometry { grid, unit: unit.filter(|u| !u.is_empty()) })
}

/// Refuses arguments that say something else than the column.
fn contradiction(settings: &Settings, grid: &PolarGrid) -> Result<()> {
    let (rings, meridians, step) = polar_arguments(settings)?;
    let same_step = step.is_none_or(|s| (s - grid.ring_step_mm()).abs() < 1e-9);
    if rings.is_none_or(|n| n == grid.rings()) && meridians.is_none_or(|n| n == grid.meridians()) && same_step {
        return Ok(());
    }
    plan_err!(
        "{}: the column holds maps of {} rings {} mm apart and {} meridians, the arguments say something else; leave them out",
        settings.name(),
        grid.rings(),
        grid.ring_step_mm(),
        grid.meridians()
    )
}

/// The polar grid that the arguments rings, meridians and ring_step_mm describe; what is left out is as on the MS-39.
///
/// # Errors
/// For counts or a step that no device has.
pub(crate) fn given_polar(settings: &Settings) -> Result<PolarGrid> {
    let rings = settings.literal_whole("rings")?.unwrap_or(PolarGrid::MS39.rings());
    let meridians = settings.literal_whole("meridians")?.unwrap_or(PolarGrid::MS39.meridians());
    let step = settings.literal_number("ring_step_mm")?.unwrap_or(PolarGrid::MS39.ring_step_mm());
    shaped(settings.name(), rings, meridians, step)
}

/// The raster that the arguments size and extent_mm describe; what is left out is as in Pentacam exports.
///
/// # Errors
/// For a size or an extent that no device has.
pub(crate) fn given_square(settings: &Settings) -> Result<SquareGrid> {
    let size = settings.literal_whole("size")?.unwrap_or(SquareGrid::PENTACAM.size());
    let extent = settings.literal_number("extent_mm")?.unwrap_or(SquareGrid::PENTACAM.extent_mm());
    match SquareGrid::new(size, extent) {
        Ok(grid) => Ok(grid),
        Err(error) => plan_err!("{}: {error}", settings.name()),
    }
}

fn shaped(name: &str, rings: usize, meridians: usize, step: f64) -> Result<PolarGrid> {
    match PolarGrid::new(rings, meridians, step) {
        Ok(grid) => Ok(grid),
        Err(error) => plan_err!("{name}: {error}"),
    }
}

fn wrong_length(name: &str, grid: Grid, length: usize) -> String {
    match grid {
        Grid::Polar(grid) => format!(
            "{name}: a map of {} rings × {} meridians has {} values, this list has {length}; give rings, ring_step_mm and \
             meridians for another grid, or say with as_raster(…) that it is a square raster",
            grid.rings(),
            grid.meridians(),
            grid.cells()
        ),
        Grid::Square(grid) => {
            format!("{name}: a raster of {0} × {0} pixels has {1} values, this list has {length}", grid.size(), grid.cells())
        }
    }
}

/// Checks the length of a row's map. `Ok(false)` where it is NULL.
///
/// # Errors
/// For a list of another length than the grid has cells.
pub fn check_length(name: &str, grid: impl Into<Grid>, lists: &Lists, row: usize) -> Result<bool> {
    let grid = grid.into();
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
pub fn require_unit<G>(settings: &Settings, geometry: &Geometry<G>, unit: &str) -> Result<()> {
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

/// A field that holds maps on either kind of grid.
pub fn grid_field(grid: Grid, unit: &str) -> Field {
    match grid {
        Grid::Polar(grid) => map_field(grid, unit),
        Grid::Square(grid) => raster_field(grid.size(), grid.extent_mm(), unit),
    }
}

/// A field that holds maps on a polar grid.
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
