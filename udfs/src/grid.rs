//! Functions of the cells of a map: what they are, extremes, rings, sectors, difference.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{
    self, Geometry, MERIDIANS, RING_STEP, RINGS, UNIT, grid_field, list_type, map_field, raster_field, with_unit,
};
use crate::optics::{
    grid::{Grid, GridError},
    statistics,
    topography::{self, Extreme},
};

pub(crate) const MAP: Parameter = Parameter::required("map", Kind::List, "polar map, ring after ring, NULL where missing");
/// A map on either kind of grid.
pub(crate) const ANY_MAP: Parameter = Parameter::required("map", Kind::List, "polar map or square raster, NULL where missing");
const ZONE: Parameter = Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm");

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "as_polar_map",
        about: "Says how a bare list is to be read: a polar map, ring after ring outwards, each counter-clockwise from the \
                examiner's right, in a unit. The values stay as they are.",
        parameters: &[
            Parameter::required("values", Kind::List, "rings × meridians numbers, NULL where missing"),
            Parameter::optional("rings", Kind::Number, "31", "rings, the vertex included"),
            Parameter::optional("meridians", Kind::Number, "256", "semi-meridians"),
            Parameter::optional("ring_step_mm", Kind::Number, "0.2", "distance between rings in mm"),
            Parameter::optional("unit", Kind::Text, "the column's", "UCUM code of the values"),
        ],
        returns: "float8[]",
        result: |s| Ok(map_field(geometry::given_polar(s)?, &tagged_unit(s)?)),
        compute: |call| tagged(call, geometry::given_polar(&call.settings)?.into()),
        example: Example { sql: "map_at(as_polar_map([5.0, 5, 5, 5, 1, 2, 3, 4], 2, 4, 1.0), 0.5, 0)", output: "3.0" },
    },
    Function {
        name: "as_raster",
        about: "Says how a bare list is to be read: a square raster, row after row from superior, each from the examiner's left, in \
                a unit. The values stay as they are.",
        parameters: &[
            Parameter::required("values", Kind::List, "size × size numbers, NULL where missing"),
            Parameter::optional("size", Kind::Number, "141", "pixels along a side, 2 to 2048"),
            Parameter::optional("extent_mm", Kind::Number, "14", "full width in mm, between outermost pixel centres"),
            Parameter::optional("unit", Kind::Text, "the column's", "UCUM code of the values"),
        ],
        returns: "float8[]",
        result: |s| {
            let grid = geometry::given_square(s)?;
            Ok(raster_field(grid.size(), grid.extent_mm(), &tagged_unit(s)?))
        },
        compute: |call| tagged(call, geometry::given_square(&call.settings)?.into()),
        example: Example { sql: "map_at(as_raster([1.0, 2, 3, 4], 2, 2.0), 0, 0)", output: "2.5" },
    },
    Function {
        name: "map_minimum",
        about: "The smallest value within a zone and where it lies: the thinnest point of a pachymetry map. NULL where less than \
                three quarters of the zone was measured.",
        parameters: &[ANY_MAP, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(value, x_mm, y_mm)",
        result: landmark_field,
        compute: |call| landmark(call, Extreme::Minimum),
        example: Example { sql: "map_minimum(conic_map(7.8), zone_mm => 6)['value']", output: "0.0" },
    },
    Function {
        name: "map_maximum",
        about: "The largest value within a zone and where it lies. NULL where less than three quarters of the zone was measured.",
        parameters: &[ANY_MAP, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(value, x_mm, y_mm)",
        result: landmark_field,
        compute: |call| landmark(call, Extreme::Maximum),
        example: Example { sql: "round(map_maximum(conic_map(7.8), zone_mm => 6)['value'], 6)", output: "0.6" },
    },
    Function {
        name: "map_minus",
        about: "Cell by cell difference of two maps on the same grid and in the same unit; NULL where either is missing.",
        parameters: &[
            Parameter::required("a", Kind::List, "polar map"),
            Parameter::required("b", Kind::List, "polar map that is subtracted"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            let (a, b) = (geometry::any_geometry(s, 0)?, geometry::any_geometry(s, 1)?);
            if a.grid != b.grid {
                return plan_err!("{}: the maps lie on different grids: {:?} and {:?}", s.name(), a.grid, b.grid);
            }
            match (&a.unit, &b.unit) {
                (Some(x), Some(y)) if x != y => plan_err!("{}: a is in '{x}', b in '{y}'", s.name()),
                (x, y) => Ok(grid_field(a.grid, x.as_deref().or(y.as_deref()).unwrap_or(""))),
            }
        },
        compute: |call| {
            let (b, mut buffer) = (call.lists(1)?, Vec::new());
            each_map_on(call, geometry::any_geometry(&call.settings, 0)?, |row, geometry, a| {
                if !geometry::check_length(call.settings.name(), geometry.grid, &b, row)? {
                    return Ok(None);
                }
                let b = b.get(row, usize::MAX, &mut buffer);
                Ok(b.map(|b| a.iter().zip(b).map(|(a, b)| a - b).collect()))
            })
        },
        example: Example {
            sql: "map_minus([5.0, 5, 5, 5, 5, 5, 5, 5], [1.0, 1, 1, 1, 2, 2, NULL, 2], rings => 2, ring_step_mm => 1, meridians => 4)",
            output: "[4.0, 4.0, 4.0, 4.0, 3.0, 3.0, , 3.0]",
        },
    },
    Function {
        name: "map_rings",
        about: "Area-weighted means of rings of equal width from the centre outwards, in the unit of the map; NULL where less \
                than half of a ring was measured.",
        parameters: &[
            MAP,
            Parameter::optional("width_mm", Kind::Number, "0.5", "width of a ring in mm"),
            Parameter::optional("count", Kind::Number, "8", "number of rings, 1 to 64"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| parts_field(s, "count"),
        compute: |call| {
            let width = call.settings.number("width_mm", 0.5)?;
            if width <= 0.0 {
                return exec_err!("map_rings: width_mm must be above 0, got {width}");
            }
            parts(call, |g, map, count| statistics::ring_means(g.grid, map, width, count))
        },
        example: Example { sql: "round(map_rings(array_repeat(7.5, 7936), 0.5, 3)[3], 6)", output: "7.5" },
    },
    Function {
        name: "map_sectors",
        about: "Area-weighted means of equal sectors between two radii, the first centred on 0° and the others following \
                counter-clockwise, in the unit of the map; NULL where less than half of a sector was measured.",
        parameters: &[
            MAP,
            Parameter::optional("inner_mm", Kind::Number, "0.5", "inner radius in mm"),
            Parameter::optional("outer_mm", Kind::Number, "4", "outer radius in mm"),
            Parameter::optional("count", Kind::Number, "8", "number of sectors, 1 to 64"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| parts_field(s, "count"),
        compute: |call| {
            let (inner, outer) = (call.settings.number("inner_mm", 0.5)?, call.settings.number("outer_mm", 4.0)?);
            parts(call, |g, map, count| statistics::sector_means(g.grid, map, inner, outer, count))
        },
        example: Example { sql: "round(map_sectors(array_repeat(7.5, 7936), 0.5, 4, 4)[2], 6)", output: "7.5" },
    },
];

/// Computes a map of each polar map.
pub(crate) fn each_map(call: &Call, f: impl Fn(&Geometry, &[f64]) -> Result<Option<Vec<f64>>>) -> Result<ArrayRef> {
    each_map_on(call, geometry::geometry(&call.settings, 0)?, |_, geometry, map| f(geometry, map))
}

/// Computes a map of each map, on the same grid.
pub(crate) fn each_map_on<G: Copy + Into<Grid>>(
    call: &Call,
    geometry: Geometry<G>,
    mut f: impl FnMut(usize, &Geometry<G>, &[f64]) -> Result<Option<Vec<f64>>>,
) -> Result<ArrayRef> {
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), geometry.grid.into().cells(), call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let result = match present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() {
            Some(map) => f(row, &geometry, map)?,
            None => None,
        };
        out.push(result.as_deref());
    }
    out.finish()
}

/// The unit that is given, else the column's; one that contradicts the column's is refused, for nothing is converted here.
fn tagged_unit(s: &Settings) -> Result<String> {
    let column = s.field(0).and_then(|f| f.metadata().get(UNIT)).filter(|u| !u.is_empty());
    match (s.literal_text("unit")?.filter(|u| !u.is_empty()), column) {
        (Some(given), Some(column)) if given != *column => {
            plan_err!("{}: unit says '{given}', but this column is in '{column}'", s.name())
        }
        (given, column) => Ok(given.or_else(|| column.cloned()).unwrap_or_default()),
    }
}

/// The argument's values under the metadata of the result.
fn tagged(call: &Call, grid: Grid) -> Result<ArrayRef> {
    if let Some((column, false)) = call.column(0)?
        && column.data_type() == call.return_type()
    {
        return Ok(column);
    }
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), grid.cells(), call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), grid, &lists, row)?;
        out.push(present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten());
    }
    out.finish()
}

fn landmark_field(s: &Settings) -> Result<Field> {
    let geometry = geometry::any_geometry(s, 0)?;
    let unit = geometry.unit.as_deref().unwrap_or("");
    let fields = number_fields(&[("value", unit), ("x_mm", "mm"), ("y_mm", "mm")]);
    Ok(Field::new("", arrow::datatypes::DataType::Struct(fields), true))
}

fn landmark(call: &Call, which: Extreme) -> Result<ArrayRef> {
    let geometry = geometry::any_geometry(&call.settings, 0)?;
    let zone = call.settings.number("zone_mm", 8.0)?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    call.each_struct(|row| {
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        let found = map.map(|map| topography::extreme(geometry.grid, map, zone, which));
        let found = match found.transpose() {
            Ok(found) => found.flatten(),
            Err(error) => return exec_err!("{}: {error}", call.settings.name()),
        };
        Ok(found.map(|l| [l.value, l.x_mm, l.y_mm].map(Some)))
    })
}

fn part_count(s: &Settings, parameter: &str) -> Result<usize> {
    match s.literal_whole(parameter)?.unwrap_or(8) {
        count @ 1..=64 => Ok(count),
        count => plan_err!("{}: {parameter} is 1 to 64, got {count}", s.name()),
    }
}

fn parts_field(s: &Settings, parameter: &str) -> Result<Field> {
    let geometry = geometry::geometry(s, 0)?;
    Ok(with_unit(Field::new("", list_type(part_count(s, parameter)?), true), geometry.unit.as_deref().unwrap_or("")))
}

fn parts(call: &Call, f: impl Fn(&Geometry, &[f64], usize) -> Result<Vec<Option<f64>>, GridError>) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let count = part_count(&call.settings, "count")?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), count, call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        let means = match map.map(|map| f(&geometry, map, count)).transpose() {
            Ok(means) => means.map(|m| m.into_iter().map(|m| m.unwrap_or(f64::NAN)).collect::<Vec<_>>()),
            Err(error) => return exec_err!("{}: {error}", call.settings.name()),
        };
        out.push(means.as_deref());
    }
    out.finish()
}
