//! Functions of maps on the polar grid: rasters, points, rings, sectors, mirror image, difference.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, map_field, raster_field, with_unit};
use crate::optics::{
    resample::{Interpolation, MissingRule, Raster, Sampler},
    statistics,
    topography::{self, Extreme},
};
use crate::recent::Recent;

pub(crate) const MAP: Parameter = Parameter::required("map", Kind::List, "polar map, ring after ring, NULL where missing");
const METHOD: Parameter = Parameter::optional("method", Kind::Text, "'bilinear'", "'bilinear' or 'bicubic' (Keys)");
const MISSING: Parameter = Parameter::optional(
    "missing",
    Kind::Text,
    "'strict'",
    "'strict': a value beside a missing cell is NULL; 'lenient': NULL only where half of its weight is missing",
);

const ZONE: Parameter = Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the zone in mm");

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "polar_to_cartesian",
        about: "The map on a square raster, row after row, row 0 superior and column 0 at the examiner's left. extent_mm is the \
                full width: the distance between the first and the last column's centres; by default 141 pixels 0.1 mm apart. \
                NULL outside the map.",
        parameters: &[
            MAP,
            Parameter::optional("size", Kind::Number, "141", "pixels along a side, 2 to 2048"),
            Parameter::optional("extent_mm", Kind::Number, "14", "full width in mm, between outermost pixel centres"),
            METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            let raster = raster(s, &geometry)?;
            let extent = s.literal_number("extent_mm")?.unwrap_or(EXTENT_MM);
            Ok(raster_field(raster.size(), extent, geometry.unit.as_deref().unwrap_or("")))
        },
        compute: polar_to_cartesian,
        example: Example {
            sql: "polar_to_cartesian(array_repeat(43.5, 7936), size => 3, extent_mm => 12)",
            output: "[, 43.5, , 43.5, 43.5, 43.5, , 43.5, ]",
        },
    },
    Function {
        name: "map_at",
        about: "The map's value at a point, by interpolation, in its unit; x to the examiner's right, y upwards, from the vertex.",
        parameters: &[
            MAP,
            Parameter::required("x_mm", Kind::Number, "to the examiner's right"),
            Parameter::required("y_mm", Kind::Number, "upwards"),
            METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            sampler(s, &geometry)?;
            Ok(with_unit(Field::new("", arrow::datatypes::DataType::Float64, true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| {
            let geometry = geometry::geometry(&call.settings, 0)?;
            let sampler = sampler(&call.settings, &geometry)?;
            let (lists, x, y, mut buffer) = (call.lists(0)?, call.numbers(1)?, call.numbers(2)?, Vec::new());
            call.each_number(|row| {
                let (Some(x), Some(y)) = (x.get(row), y.get(row)) else { return Ok(None) };
                let present = geometry::check_length(call.settings.name(), &geometry.grid, &lists, row)?;
                let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
                Ok(map.and_then(|map| sampler.sample(map, &[(x, y)]).first().copied()))
            })
        },
        example: Example { sql: "round(map_at(conic_map(7.8), 3.0, 0), 6)", output: "0.6" },
    },
    Function {
        name: "map_minimum",
        about: "The smallest value within a zone and where it lies: the thinnest point of a pachymetry map.",
        parameters: &[MAP, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(value, x_mm, y_mm)",
        result: landmark_field,
        compute: |call| landmark(call, Extreme::Minimum),
        example: Example { sql: "map_minimum(conic_map(7.8), zone_mm => 6)['value']", output: "0.0" },
    },
    Function {
        name: "map_maximum",
        about: "The largest value within a zone and where it lies.",
        parameters: &[MAP, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(value, x_mm, y_mm)",
        result: landmark_field,
        compute: |call| landmark(call, Extreme::Maximum),
        example: Example { sql: "round(map_maximum(conic_map(7.8), zone_mm => 6)['value'], 6)", output: "0.6" },
    },
    Function {
        name: "map_mirror",
        about: "The map mirrored left to right, which brings a left eye into the frame of a right one.",
        parameters: &[MAP, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let geometry = geometry::geometry(s, 0)?;
            if !geometry.grid.meridians().is_multiple_of(2) {
                return plan_err!("{}: a grid with an odd number of meridians has no mirror image", s.name());
            }
            Ok(map_field(geometry.grid, geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| each_map(call, |geometry, map| Ok(geometry.grid.mirror(map))),
        example: Example {
            sql: "map_mirror([0.0, 0, 0, 0, 1, 2, 3, 4], rings => 2, ring_step_mm => 1, meridians => 4)",
            output: "[0.0, 0.0, 0.0, 0.0, 3.0, 2.0, 1.0, 4.0]",
        },
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
            let (a, b) = (geometry::geometry(s, 0)?, geometry::geometry(s, 1)?);
            if a.grid != b.grid {
                return plan_err!("{}: the maps lie on different grids: {:?} and {:?}", s.name(), a.grid, b.grid);
            }
            match (&a.unit, &b.unit) {
                (Some(x), Some(y)) if x != y => plan_err!("{}: a is in '{x}', b in '{y}'", s.name()),
                (unit, _) => Ok(map_field(a.grid, unit.as_deref().unwrap_or(""))),
            }
        },
        compute: |call| {
            let (b, mut buffer) = (call.lists(1)?, Vec::new());
            each_map_row(call, |row, geometry, a| {
                if !geometry::check_length(call.settings.name(), &geometry.grid, &b, row)? {
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

const EXTENT_MM: f64 = 14.0;
const METHODS: &[(&str, Interpolation)] = &[("bilinear", Interpolation::Bilinear), ("bicubic", Interpolation::Bicubic)];
const RULES: &[(&str, MissingRule)] = &[("strict", MissingRule::Strict), ("lenient", MissingRule::Lenient)];

type RasterKey = (usize, usize, u64, usize, u64, Interpolation, MissingRule);

fn raster(s: &Settings, geometry: &Geometry) -> Result<Arc<Raster>> {
    static RASTERS: Recent<RasterKey, Raster> = Recent::new();
    let size = s.literal_whole("size")?.unwrap_or(141);
    let extent = s.literal_number("extent_mm")?.unwrap_or(EXTENT_MM);
    let (method, missing) = (s.choice("method", METHODS)?, s.choice("missing", RULES)?);
    let grid = geometry.grid;
    let key = (grid.rings(), grid.meridians(), grid.ring_step_mm().to_bits(), size, extent.to_bits(), method, missing);
    match RASTERS.get(key, || Raster::new(grid, size, extent, method, missing)) {
        Ok(raster) => Ok(raster),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn sampler(s: &Settings, geometry: &Geometry) -> Result<Sampler> {
    match Sampler::new(geometry.grid, s.choice("method", METHODS)?, s.choice("missing", RULES)?) {
        Ok(sampler) => Ok(sampler),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn polar_to_cartesian(call: &Call) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let raster = raster(&call.settings, &geometry)?;
    let lists = call.lists(0)?;
    let mut out = FixedLists::new(call.settings.name(), raster.size() * raster.size(), call.rows)?;
    let (mut buffer, mut pixels, mut padded) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), &geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        pixels.clear();
        out.push(map.map(|map| {
            raster.apply(map, &mut pixels, &mut padded);
            pixels.as_slice()
        }));
    }
    out.finish()
}

/// Computes a map of each map.
pub(crate) fn each_map(call: &Call, f: impl Fn(&Geometry, &[f64]) -> Result<Option<Vec<f64>>>) -> Result<ArrayRef> {
    each_map_row(call, |_, geometry, map| f(geometry, map))
}

fn each_map_row(call: &Call, mut f: impl FnMut(usize, &Geometry, &[f64]) -> Result<Option<Vec<f64>>>) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), geometry.grid.cells(), call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), &geometry.grid, &lists, row)?;
        let result = match present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() {
            Some(map) => f(row, &geometry, map)?,
            None => None,
        };
        out.push(result.as_deref());
    }
    out.finish()
}

fn landmark_field(s: &Settings) -> Result<Field> {
    let geometry = geometry::geometry(s, 0)?;
    let unit = geometry.unit.as_deref().unwrap_or("");
    let fields = number_fields(&[("value", unit), ("x_mm", "mm"), ("y_mm", "mm")]);
    Ok(Field::new("", arrow::datatypes::DataType::Struct(fields), true))
}

fn landmark(call: &Call, which: Extreme) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let zone = call.settings.number("zone_mm", 8.0)?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    call.each_struct(|row| {
        let present = geometry::check_length(call.settings.name(), &geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        let found = map.and_then(|map| topography::extreme(geometry.grid, map, zone, which));
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

fn parts(call: &Call, f: impl Fn(&Geometry, &[f64], usize) -> Vec<Option<f64>>) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let count = part_count(&call.settings, "count")?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), count, call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), &geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        let means = map.map(|map| f(&geometry, map, count).into_iter().map(|m| m.unwrap_or(f64::NAN)).collect::<Vec<_>>());
        out.push(means.as_deref());
    }
    out.finish()
}
