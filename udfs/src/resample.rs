//! Maps on another grid, at points, turned, moved and mirrored.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Settings};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, grid_field, map_field, raster_field, with_unit};
use crate::grid::{ANY_MAP, MAP, each_map_on};
use crate::optics::{
    grid::Grid,
    resample::{Interpolation, MissingRule, Raster},
    square::{GridSampler, SquareGrid, SquareSampler},
};
use crate::recent::{Held, Recent};

const METHOD: Parameter = Parameter::optional("method", Kind::Text, "'bilinear'", "'bilinear' or 'bicubic' (Keys)");
const MISSING: Parameter = Parameter::optional(
    "missing",
    Kind::Text,
    "'strict'",
    "'strict': a value beside a missing cell is NULL; 'lenient': NULL only where half of its weight is missing",
);

const FINE_METHOD: Parameter = Parameter::optional("method", Kind::Text, "'bicubic'", "'bicubic' (Keys) or 'bilinear'");

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
        name: "cartesian_to_polar",
        about: "A square raster on the polar grid, for the functions that need rings and meridians. NULL outside the raster.",
        parameters: &[
            Parameter::required("map", Kind::List, "square raster (as_raster says so of a bare list), NULL where missing"),
            Parameter::optional("rings", Kind::Number, "31", "rings, the vertex included"),
            Parameter::optional("meridians", Kind::Number, "256", "semi-meridians"),
            Parameter::optional("ring_step_mm", Kind::Number, "0.2", "distance between rings in mm"),
            METHOD,
            MISSING,
        ],
        returns: "float8[]",
        result: |s| {
            let (_, unit) = raster_argument(s)?;
            s.choice("method", METHODS)?;
            s.choice("missing", RULES)?;
            Ok(map_field(geometry::given_polar(s)?, unit.as_deref().unwrap_or("")))
        },
        compute: |call| {
            let s = &call.settings;
            let ((square, _), polar) = (raster_argument(s)?, geometry::given_polar(s)?);
            let sampler = SquareSampler::new(square, s.choice("method", METHODS)?, s.choice("missing", RULES)?);
            let points = positions(polar.into());
            each_resampled(call, square.into(), &GridSampler::Square(sampler), polar.cells(), |_| Some(points.clone()))
        },
        example: Example { sql: "round(cartesian_to_polar(polar_to_cartesian(conic_map(7.8)))[15 * 256 + 1], 3)", output: "0.6" },
    },
    Function {
        name: "map_at",
        about: "The map's value at a point, by interpolation, in its unit; x to the examiner's right, y upwards, from the vertex.",
        parameters: &[
            ANY_MAP,
            Parameter::required("x_mm", Kind::Number, "to the examiner's right").in_unit("mm"),
            Parameter::required("y_mm", Kind::Number, "upwards").in_unit("mm"),
            METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8",
        result: |s| {
            let geometry = geometry::any_geometry(s, 0)?;
            sampler(s, &geometry)?;
            Ok(with_unit(Field::new("", arrow::datatypes::DataType::Float64, true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| {
            let geometry = geometry::any_geometry(&call.settings, 0)?;
            let sampler = sampler(&call.settings, &geometry)?;
            let (lists, x, y, mut buffer) = (call.lists(0)?, call.numbers(1)?, call.numbers(2)?, Vec::new());
            call.each_number(|row| {
                let (Some(x), Some(y)) = (x.get(row), y.get(row)) else { return Ok(None) };
                let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
                let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
                Ok(map.and_then(|map| sampler.sample(map, &[(x, y)]).first().copied()))
            })
        },
        example: Example { sql: "round(map_at(conic_map(7.8), 3.0, 0), 6)", output: "0.6" },
    },
    Function {
        name: "map_sample",
        about: "The map's values at a list of points, by interpolation, in its unit; x to the examiner's right, y upwards, from the \
                vertex. NULL outside the map.",
        parameters: &[
            ANY_MAP,
            Parameter::required("x_mm", Kind::List, "to the examiner's right").in_unit("mm"),
            Parameter::required("y_mm", Kind::List, "upwards, as many as x_mm").in_unit("mm"),
            METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            let geometry = geometry::any_geometry(s, 0)?;
            sampler(s, &geometry)?;
            let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
            Ok(with_unit(Field::new("", list, true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: sample,
        example: Example { sql: "map_sample(as_raster([1.0, 2, 3, 4], 2, 2.0), [-1, 0, 5], [1, 0, 0])", output: "[1.0, 2.5, ]" },
    },
    Function {
        name: "map_rotate",
        about: "The map turned counter-clockwise about the vertex, on its grid. NULL where nothing was measured.",
        parameters: &[
            ANY_MAP,
            Parameter::required("degrees", Kind::Number, "angle").in_unit("deg"),
            FINE_METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: same_map,
        compute: |call| {
            let degrees = call.numbers(1)?;
            moved(call, |row, x, y| {
                let (sin, cos) = degrees.get(row)?.to_radians().sin_cos();
                Some((x * cos + y * sin, y * cos - x * sin))
            })
        },
        example: Example {
            sql: "map_rotate(as_polar_map([0.0, 0, 0, 0, 1, 2, 3, 4], 2, 4, 1.0), 90, 'bilinear')",
            output: "[0.0, 0.0, 0.0, 0.0, 4.0, 1.0, 2.0, 3.0]",
        },
    },
    Function {
        name: "map_recenter",
        about: "The map about another centre, on its grid: what was measured at (x, y), such as the centre of the pupil, is at the \
                origin. NULL where the moved grid leaves the measured one.",
        parameters: &[
            ANY_MAP,
            Parameter::required("x_mm", Kind::Number, "new centre, to the examiner's right").in_unit("mm"),
            Parameter::required("y_mm", Kind::Number, "new centre, upwards").in_unit("mm"),
            FINE_METHOD,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: same_map,
        compute: |call| {
            let (dx, dy) = (call.numbers(1)?, call.numbers(2)?);
            moved(call, |row, x, y| Some((x + dx.get(row)?, y + dy.get(row)?)))
        },
        example: Example {
            sql: "map_recenter(as_raster([1.0, 2, 3, 4, 5, 6, 7, 8, 9], 3, 2.0), 1, 0, 'bilinear')",
            output: "[2.0, 3.0, , 5.0, 6.0, , 8.0, 9.0, ]",
        },
    },
    Function {
        name: "map_mirror",
        about: "The map mirrored left to right, which brings a left eye into the frame of a right one.",
        parameters: &[ANY_MAP, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let geometry = geometry::any_geometry(s, 0)?;
            if let Grid::Polar(grid) = geometry.grid
                && !grid.meridians().is_multiple_of(2)
            {
                return plan_err!("{}: a grid with an odd number of meridians has no mirror image", s.name());
            }
            Ok(grid_field(geometry.grid, geometry.unit.as_deref().unwrap_or("")))
        },
        compute: |call| {
            each_map_on(call, geometry::any_geometry(&call.settings, 0)?, |_, geometry, map| Ok(geometry.grid.mirror(map)))
        },
        example: Example {
            sql: "map_mirror([0.0, 0, 0, 0, 1, 2, 3, 4], rings => 2, ring_step_mm => 1, meridians => 4)",
            output: "[0.0, 0.0, 0.0, 0.0, 3.0, 2.0, 1.0, 4.0]",
        },
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

fn sampler(s: &Settings, geometry: &Geometry<Grid>) -> Result<GridSampler> {
    match GridSampler::new(geometry.grid, s.choice("method", METHODS)?, s.choice("missing", RULES)?) {
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
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        pixels.clear();
        out.push(map.map(|map| {
            raster.apply(map, &mut pixels, &mut padded);
            pixels.as_slice()
        }));
    }
    out.finish()
}

impl Held for Raster {
    fn bytes(&self) -> usize {
        self.held_bytes()
    }
}

/// Raster and unit of the first argument.
fn raster_argument(s: &Settings) -> Result<(SquareGrid, Option<String>)> {
    match geometry::raster_geometry(s, 0)? {
        Some(Geometry { grid, unit }) => Ok((grid, unit)),
        _ if s.field(0).is_none_or(|f| f.data_type().is_null()) => Ok((SquareGrid::PENTACAM, None)),
        _ => {
            plan_err!("{}: the map is not a square raster; say that it is one with as_raster(values, size, extent_mm)", s.name())
        }
    }
}

fn same_map(s: &Settings) -> Result<Field> {
    let geometry = geometry::any_geometry(s, 0)?;
    fine_sampler(s, geometry.grid)?;
    Ok(grid_field(geometry.grid, geometry.unit.as_deref().unwrap_or("")))
}

fn fine_sampler(s: &Settings, grid: Grid) -> Result<GridSampler> {
    const FINE: &[(&str, Interpolation)] = &[("bicubic", Interpolation::Bicubic), ("bilinear", Interpolation::Bilinear)];
    match GridSampler::new(grid, s.choice("method", FINE)?, s.choice("missing", RULES)?) {
        Ok(sampler) => Ok(sampler),
        Err(error) => plan_err!("{}: {error}; 'bilinear' works", s.name()),
    }
}

fn positions(grid: Grid) -> Vec<(f64, f64)> {
    (0..grid.cells()).map(|cell| grid.position_mm(cell)).collect()
}

/// Each map on its own grid, with the value that stands at another position. `from` gives that position, `None` for NULL.
fn moved(call: &Call, from: impl Fn(usize, f64, f64) -> Option<(f64, f64)>) -> Result<ArrayRef> {
    let geometry = geometry::any_geometry(&call.settings, 0)?;
    let sampler = fine_sampler(&call.settings, geometry.grid)?;
    let places = positions(geometry.grid);
    let points = |row| places.iter().map(|&(x, y)| from(row, x, y)).collect::<Option<Vec<_>>>();
    each_resampled(call, geometry.grid, &sampler, places.len(), points)
}

fn each_resampled(
    call: &Call,
    grid: Grid,
    sampler: &GridSampler,
    cells: usize,
    points: impl Fn(usize) -> Option<Vec<(f64, f64)>>,
) -> Result<ArrayRef> {
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), cells, call.rows)?;
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        out.push(map.zip(points(row)).map(|(map, points)| sampler.sample(map, &points)).as_deref());
    }
    out.finish()
}

fn sample(call: &Call) -> Result<ArrayRef> {
    let geometry = geometry::any_geometry(&call.settings, 0)?;
    let sampler = sampler(&call.settings, &geometry)?;
    let (lists, x, y) = (call.lists(0)?, call.lists(1)?, call.lists(2)?);
    let (mut buffer, mut x_buffer, mut y_buffer) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let map = present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten();
        let points = x.get(row, usize::MAX, &mut x_buffer).zip(y.get(row, usize::MAX, &mut y_buffer));
        let Some((map, (x, y))) = map.zip(points) else {
            rows.push(None);
            continue;
        };
        if x.len() != y.len() {
            return exec_err!("{}: x_mm has {} points and y_mm {}", call.settings.name(), x.len(), y.len());
        }
        let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
        rows.push(Some(sampler.sample(map, &points)));
    }
    let lists = rows.into_iter().map(|r| r.map(|r| r.into_iter().map(|v| v.is_finite().then_some(v))));
    Ok(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)))
}
