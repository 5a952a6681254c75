//! Zernike functions.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, NullBufferBuilder, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, raster_field, with_unit};
use crate::optics::{
    astigmatism::CylinderForm,
    grid::Grid,
    square::SquareGrid,
    square_fit::SquareFitter,
    zernike,
    zernike_fit::{FitDetail, FitError, FitStatus, Weighting, Workspace, ZernikeFitter},
    zernike_transform::{self as transform, RefractionMethod, RmsFamily},
};
use crate::recent::{Held, Recent};

const C: Parameter = Parameter::required("c", Kind::List, "coefficients in OSA/ANSI order, a whole number of orders");
const J: Parameter = Parameter::required("j", Kind::Number, "OSA/ANSI index, from 0");
const MAP: Parameter = Parameter::required("map", Kind::List, "polar map or square raster, NULL where missing");
pub(crate) const RADIUS: Parameter = Parameter::optional("radius_mm", Kind::Number, "3", "radius of the fitted disc in mm");
pub(crate) const MAX_ORDER: Parameter = Parameter::optional("max_order", Kind::Number, "6", "highest radial order, 0 to 20");
pub(crate) const WEIGHTING: Parameter = Parameter::optional(
    "weighting",
    Kind::Text,
    "'area'",
    "'area' (cells count by their area) or 'uniform' (by one, so that the vertex weighs heavily)",
);

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "zernike_fit",
        about: "Zernike coefficients of a map by least squares, in OSA/ANSI order and in the unit of the map. NULL where too \
                little of the disc was measured to fit (condition of the Gram matrix above 1e7).",
        parameters: &[MAP, RADIUS, MAX_ORDER, WEIGHTING, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let (geometry, order) = (plan_fit(s)?, max_order(s)?);
            Ok(with_unit(Field::new("", list_type(zernike::term_count(order)), true), geometry.unit.as_deref().unwrap_or("")))
        },
        compute: fit,
        example: Example { sql: "round(zernike_fit(conic_map(7.8), radius_mm => 3.0)[5], 6)", output: "0.17315" },
    },
    Function {
        name: "zernike_fit_detail",
        about: "The fit of zernike_fit with what is needed to judge it: residual RMS in the unit of the map, measured share of \
                the disc, condition of the Gram matrix, and status 'ok' (up to 1e4), 'ill_conditioned' (up to 1e7) or \
                'not_fittable'.",
        parameters: &[MAP, RADIUS, MAX_ORDER, WEIGHTING, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(coefficients, residual_rms, coverage, condition, status)",
        result: |s| {
            let (geometry, order) = (plan_fit(s)?, max_order(s)?);
            let unit = geometry.unit.as_deref().unwrap_or("");
            let fields = Fields::from(vec![
                with_unit(Field::new("coefficients", list_type(zernike::term_count(order)), true), unit),
                with_unit(Field::new("residual_rms", DataType::Float64, true), unit),
                Field::new("coverage", DataType::Float64, true),
                Field::new("condition", DataType::Float64, true),
                Field::new("status", DataType::Utf8, true),
            ]);
            Ok(Field::new("", DataType::Struct(fields), true))
        },
        compute: fit_detail,
        example: Example { sql: "zernike_fit_detail(conic_map(7.8))['status']", output: "ok" },
    },
    Function {
        name: "zernike_rms",
        about: "Root sum of squares of a family of coefficients, in their unit: total (j from 1), loa (order 2), hoa (orders from 3), \
                coma (j 7, 8), coma_primary_secondary (7, 8, 17, 18), odd_orders (3, 5, …), trefoil (6, 9), spherical (12), \
                spherical_primary_secondary (12, 24), even_orders (4, 6, …), quadrafoil (10, 14), secondary_astigmatism (11, 13), \
                order0 to order20. What papers call coma-like is odd_orders up to 5, spherical-like even_orders up to 6. NULL if a \
                coefficient of the list is NULL.",
        parameters: &[C, Parameter::optional("family", Kind::Text, "'hoa'", "which coefficients")],
        returns: "float8",
        result: |s| Ok(with_unit(Field::new("", DataType::Float64, true), argument_unit(s))),
        compute: rms,
        example: Example { sql: "zernike_rms([0, 0, 0, 0, 9, 0, 0, 3, 4, 0], 'coma')", output: "5.0" },
    },
    Function {
        name: "zernike_index",
        about: "OSA/ANSI index of radial order n and angular frequency m; NULL where there is no such term.",
        parameters: &[
            Parameter::required("n", Kind::Number, "radial order"),
            Parameter::required("m", Kind::Number, "angular frequency, negative for sine"),
        ],
        returns: "int8",
        result: whole_number,
        compute: |call| {
            let (n, m) = (call.numbers(0)?, call.numbers(1)?);
            let index = |row| {
                let n = whole(n.get(row)?)?;
                let m = m.get(row).filter(|m| m.fract() == 0.0 && m.abs() <= 1e6)?;
                zernike::index(n, m as i32).and_then(|j| i64::try_from(j).ok())
            };
            Ok(Arc::new((0..call.rows).map(index).collect::<Int64Array>()))
        },
        example: Example { sql: "zernike_index(4, 0)", output: "12" },
    },
    Function {
        name: "zernike_noll",
        about: "Noll index (from 1) of an OSA/ANSI index.",
        parameters: &[J],
        returns: "int8",
        result: whole_number,
        compute: |call| each_index(call, zernike::noll),
        example: Example { sql: "zernike_noll(12)", output: "11" },
    },
    Function {
        name: "zernike_fringe",
        about: "Fringe index (from 1) of an OSA/ANSI index.",
        parameters: &[J],
        returns: "int8",
        result: whole_number,
        compute: |call| each_index(call, zernike::fringe),
        example: Example { sql: "zernike_fringe(12)", output: "9" },
    },
    Function {
        name: "zernike_value",
        about: "Value of a Zernike term at a point of the unit disc, normalised to an RMS of 1 over the disc. NULL outside the disc \
                and for orders above 20.",
        parameters: &[
            J,
            Parameter::required("rho", Kind::Number, "distance from the centre, 0 to 1"),
            Parameter::required("theta_deg", Kind::Number, "angle, counter-clockwise from the examiner's right").in_unit("deg"),
        ],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        compute: |call| {
            let (j, rho, theta) = (call.numbers(0)?, call.numbers(1)?, call.numbers(2)?);
            let limit = zernike::term_count(zernike::MAX_ORDER);
            call.each_number(|row| {
                let (Some(j), Some(rho), Some(theta)) = (j.get(row), rho.get(row), theta.get(row)) else { return Ok(None) };
                let term = whole(j).filter(|j| *j < limit && (0.0..=1.0).contains(&rho));
                Ok(term.map(|j| zernike::value(j, rho, theta.to_radians())))
            })
        },
        // Z(4,0) = √5 (6ρ⁴ − 6ρ² + 1).
        example: Example { sql: "round(zernike_value(12, 1, 0), 6)", output: "2.236068" },
    },
    Function {
        name: "zernike_name",
        about: "Customary name of a Zernike term.",
        parameters: &[J],
        returns: "text",
        result: |_| Ok(Field::new("", DataType::Utf8, true)),
        compute: |call| {
            let j = call.numbers(0)?;
            let name = |row| j.get(row).and_then(whole).filter(|j| *j <= MAX_INDEX).map(zernike::name);
            Ok(Arc::new((0..call.rows).map(name).collect::<StringArray>()))
        },
        example: Example { sql: "zernike_name(7)", output: "coma (vertical)" },
    },
    Function {
        name: "zernike_rescale",
        about: "Coefficients of the same surface on a smaller disc. NULL for a larger one, which was not measured.",
        parameters: &[
            C,
            Parameter::required("from_mm", Kind::Number, "radius of the disc of the coefficients").in_unit("mm"),
            Parameter::required("to_mm", Kind::Number, "radius of the new disc").in_unit("mm"),
        ],
        returns: "float8[]",
        result: same_list,
        compute: |call| {
            let (from, to) = (call.numbers(1)?, call.numbers(2)?);
            each_list(call, |row, c| transform::rescale(c, to.get(row)? / from.get(row)?))
        },
        example: Example { sql: "zernike_rescale([0, 0, 0, 0, 1, 0], 3.0, 1.5)[5]", output: "0.25" },
    },
    Function {
        name: "zernike_rotate",
        about: "Coefficients of the surface turned counter-clockwise.",
        parameters: &[C, Parameter::required("degrees", Kind::Number, "angle").in_unit("deg")],
        returns: "float8[]",
        result: same_list,
        compute: |call| {
            let degrees = call.numbers(1)?;
            each_list(call, |row, c| Some(transform::rotate(c, degrees.get(row)?.to_radians())))
        },
        example: Example { sql: "round(zernike_rotate([0, 0, 1], 90)[2], 12)", output: "1.0" },
    },
    Function {
        name: "zernike_mirror",
        about: "Coefficients of the surface mirrored left to right, which brings a left eye into the frame of a right one.",
        parameters: &[C],
        returns: "float8[]",
        result: same_list,
        compute: |call| each_list(call, |_, c| Some(transform::mirror(c))),
        example: Example { sql: "zernike_mirror([1, 2, 3])", output: "[1.0, 2.0, -3.0]" },
    },
    Function {
        name: "zernike_translate",
        about: "Coefficients on a disc decentred by (dx, dy) and scaled by ratio, all in units of the old radius. NULL where the \
                new disc leaves the old one, except for a mere shift.",
        parameters: &[
            C,
            Parameter::required("dx", Kind::Number, "shift to the examiner's right"),
            Parameter::required("dy", Kind::Number, "shift upwards"),
            Parameter::optional("ratio", Kind::Number, "1", "new radius / old radius"),
        ],
        returns: "float8[]",
        result: same_list,
        compute: |call| {
            let (dx, dy) = (call.numbers(1)?, call.numbers(2)?);
            let ratio = call.settings.number("ratio", 1.0)?;
            each_list(call, |row, c| transform::translate(c, ratio, dx.get(row)?, dy.get(row)?))
        },
        example: Example { sql: "round(zernike_translate([0, 0, 2], 0.1, 0)[1], 12)", output: "0.4" },
    },
    Function {
        name: "zernike_surface",
        about: "The surface of the coefficients on a square raster over the disc, in their unit; row 0 superior, NULL outside.",
        parameters: &[
            C,
            Parameter::optional("radius_mm", Kind::Number, "3", "radius of the disc; the raster is twice as wide"),
            Parameter::optional("size", Kind::Number, "141", "pixels along a side, 2 to 1024"),
        ],
        returns: "float8[]",
        result: |s| {
            let extent = 2.0 * s.literal_number("radius_mm")?.unwrap_or(3.0);
            match SquareGrid::new(surface_size(s)?, extent) {
                Ok(grid) => Ok(raster_field(grid.size(), grid.extent_mm(), argument_unit(s))),
                Err(_) => plan_err!("{}: radius_mm is above 0 and at most 50, got {}", s.name(), 0.5 * extent),
            }
        },
        compute: |call| {
            let size = surface_size(&call.settings)?;
            let mut out = FixedLists::new(call.settings.name(), size * size, call.rows)?;
            let (lists, mut buffer) = (call.lists(0)?, Vec::new());
            for row in 0..call.rows {
                let c = coefficients(call, &lists, row, &mut buffer)?;
                out.push(c.map(|c| transform::raster(c, size)).as_deref());
            }
            out.finish()
        },
        example: Example { sql: "zernike_surface([1.5], size => 3, radius_mm => 3.0)[5]", output: "1.5" },
    },
    Function {
        name: "zernike_refraction",
        about: "Refraction of a wavefront: coefficients in µm, radius in mm, result in D. method 'second_order' is the \
                least-squares sphere and cylinder, 'paraxial' the curvature at the centre. Cylinder in minus form.",
        parameters: &[
            C.in_unit("um"),
            Parameter::required("radius_mm", Kind::Number, "radius of the pupil").in_unit("mm"),
            Parameter::optional("method", Kind::Text, "'second_order'", "'second_order' or 'paraxial'"),
        ],
        returns: "struct(m, j0, j45, sphere, cylinder, axis)",
        result: |s| {
            s.choice("method", REFRACTION)?;
            let fields = ["m", "j0", "j45", "sphere", "cylinder"].map(|n| (n, "[diop]")).into_iter().chain([("axis", "deg")]);
            Ok(Field::new("", DataType::Struct(number_fields(&fields.collect::<Vec<_>>())), true))
        },
        compute: |call| {
            let method = call.settings.choice("method", REFRACTION)?;
            let (lists, radius, mut buffer) = (call.lists(0)?, call.numbers(1)?, Vec::new());
            call.each_struct(|row| {
                let Some(radius) = radius.get(row) else { return Ok(None) };
                let vector = coefficients(call, &lists, row, &mut buffer)?.and_then(|c| transform::refraction(c, radius, method));
                Ok(vector.map(|v| {
                    let lens = v.sphero_cylinder(CylinderForm::Minus);
                    [v.m, v.j0, v.j45, lens.sphere, lens.cylinder, lens.axis].map(Some)
                }))
            })
        },
        example: Example { sql: "round(zernike_refraction([0, 0, 0, 0, 1, 0], 2.0)['m'], 6)", output: "-1.732051" },
    },
];

const REFRACTION: &[(&str, RefractionMethod)] =
    &[("second_order", RefractionMethod::SecondOrder), ("paraxial", RefractionMethod::Paraxial)];
pub(crate) const WEIGHTINGS: &[(&str, Weighting)] = &[("area", Weighting::Area), ("uniform", Weighting::Uniform)];
/// Indices beyond this are a mistake.
const MAX_INDEX: usize = 100_000;

fn whole(value: f64) -> Option<usize> {
    (value >= 0.0 && value.fract() == 0.0 && value <= 1e6).then_some(value as usize)
}

fn whole_number(_: &Settings) -> Result<Field> {
    Ok(Field::new("", DataType::Int64, true))
}

fn each_index(call: &Call, of: impl Fn(usize) -> usize) -> Result<ArrayRef> {
    let j = call.numbers(0)?;
    let index = |row| j.get(row).and_then(whole).filter(|j| *j <= MAX_INDEX).and_then(|j| i64::try_from(of(j)).ok());
    Ok(Arc::new((0..call.rows).map(index).collect::<Int64Array>()))
}

/// The unit of the first argument's column, empty where it has none.
fn argument_unit<'a>(s: &'a Settings) -> &'a str {
    s.field(0).and_then(|f| f.metadata().get(geometry::UNIT)).map_or("", String::as_str)
}

/// A list result as long as the list argument, with its unit; `List` where the length varies.
fn same_list(s: &Settings) -> Result<Field> {
    let unit = argument_unit(s);
    let data_type = match s.field(0).map(Field::data_type) {
        Some(DataType::FixedSizeList(_, size)) => list_type(usize::try_from(*size).unwrap_or(0)),
        _ => DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true))),
    };
    Ok(with_unit(Field::new("", data_type, true), unit))
}

/// A row's coefficients: `None` for NULL or a list with a NULL in it.
fn coefficients<'a>(
    call: &Call,
    lists: &'a crate::args::Lists,
    row: usize,
    buffer: &'a mut Vec<f64>,
) -> Result<Option<&'a [f64]>> {
    let Some(c) = lists.get(row, usize::MAX, buffer) else { return Ok(None) };
    if zernike::order_of_count(c.len()).is_none() {
        return exec_err!(
            "{}: a list of {} coefficients ends within a radial order; 1, 3, 6, 10, 15, 21, 28, 36, 45, … are complete",
            call.settings.name(),
            c.len()
        );
    }
    Ok(Some(c).filter(|c| c.iter().all(|v| v.is_finite())))
}

fn each_list(call: &Call, f: impl Fn(usize, &[f64]) -> Option<Vec<f64>>) -> Result<ArrayRef> {
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut rows = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        rows.push(coefficients(call, &lists, row, &mut buffer)?.and_then(|c| f(row, c)));
    }
    if let DataType::FixedSizeList(_, size) = call.return_type() {
        let mut out = FixedLists::new(call.settings.name(), usize::try_from(*size).unwrap_or(0), call.rows)?;
        rows.iter().for_each(|r| out.push(r.as_deref()));
        return out.finish();
    }
    let lists = rows.into_iter().map(|r| r.map(|r| r.into_iter().map(Some)));
    Ok(Arc::new(arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>(lists)))
}

fn surface_size(s: &Settings) -> Result<usize> {
    match s.literal_whole("size")?.unwrap_or(141) {
        size @ 2..=1024 => Ok(size),
        size => plan_err!("{}: size is 2 to 1024, got {size}", s.name()),
    }
}

pub(crate) fn max_order(s: &Settings) -> Result<usize> {
    match s.literal_whole("max_order")?.unwrap_or(6) {
        order if order <= zernike::MAX_ORDER => Ok(order),
        order => plan_err!("{}: max_order is 0 to {}, got {order}", s.name(), zernike::MAX_ORDER),
    }
}

/// Checks a fit while it is planned.
fn plan_fit(s: &Settings) -> Result<Geometry<Grid>> {
    let geometry = geometry::any_geometry(s, 0)?;
    s.choice("weighting", WEIGHTINGS)?;
    if s.is_settled("radius_mm") {
        fitter(s, &geometry)?;
    }
    Ok(geometry)
}

/// A prepared fit on either kind of grid.
pub(crate) enum Fitter {
    Polar(ZernikeFitter),
    Square(SquareFitter),
}

impl Fitter {
    fn new(grid: Grid, radius_mm: f64, order: usize, weighting: Weighting) -> Result<Self, FitError> {
        Ok(match grid {
            Grid::Polar(grid) => Self::Polar(ZernikeFitter::new(grid, radius_mm, order, weighting)?),
            Grid::Square(grid) => Self::Square(SquareFitter::new(grid, radius_mm, order, weighting)?),
        })
    }

    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::Polar(fitter) => fitter.terms(),
            Self::Square(fitter) => fitter.terms(),
        }
    }

    /// Leading cells of a map that a fit reads.
    fn cells_read(&self) -> usize {
        match self {
            Self::Polar(fitter) => fitter.cells_read(),
            Self::Square(_) => usize::MAX,
        }
    }

    pub(crate) fn fit(&self, map: &[f64], out: &mut [f64], work: &mut Workspace) -> FitStatus {
        match self {
            Self::Polar(fitter) => fitter.fit(map, out, work),
            Self::Square(fitter) => fitter.fit(map, out),
        }
    }

    fn detail(&self, map: &[f64], work: &mut Workspace) -> FitDetail {
        match self {
            Self::Polar(fitter) => fitter.detail(map, work),
            Self::Square(fitter) => fitter.detail(map),
        }
    }
}

impl Held for Fitter {
    fn bytes(&self) -> usize {
        match self {
            // Tables of terms × rings and terms × terms: nothing beside those of a raster.
            Self::Polar(fitter) => 16 * fitter.terms() * fitter.terms().max(64),
            Self::Square(fitter) => fitter.held_bytes(),
        }
    }
}

/// Grid, radius, order and weighting.
type FitKey = (Grid, u64, usize, Weighting);

pub(crate) fn fitter(s: &Settings, geometry: &Geometry<Grid>) -> Result<Arc<Fitter>> {
    static FITTERS: Recent<FitKey, Fitter> = Recent::new();
    let (radius, order) = (s.number("radius_mm", 3.0)?, max_order(s)?);
    let weighting = s.choice("weighting", WEIGHTINGS)?;
    let key = (geometry.grid, radius.to_bits(), order, weighting);
    match FITTERS.get(key, || Fitter::new(geometry.grid, radius, order, weighting)) {
        Ok(fitter) => Ok(fitter),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn fit(call: &Call) -> Result<ArrayRef> {
    let geometry = geometry::any_geometry(&call.settings, 0)?;
    let fitter = fitter(&call.settings, &geometry)?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut out = FixedLists::new(call.settings.name(), fitter.terms(), call.rows)?;
    let (mut coefficients, mut work) = (vec![0.0; fitter.terms()], Workspace::default());
    for row in 0..call.rows {
        let fitted = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?
            .then(|| lists.get(row, fitter.cells_read(), &mut buffer))
            .flatten()
            .is_some_and(|map| fitter.fit(map, &mut coefficients, &mut work) != FitStatus::NotFittable);
        out.push(fitted.then_some(&coefficients));
    }
    out.finish()
}

fn fit_detail(call: &Call) -> Result<ArrayRef> {
    let geometry = geometry::any_geometry(&call.settings, 0)?;
    let fitter = fitter(&call.settings, &geometry)?;
    let DataType::Struct(fields) = call.return_type() else {
        return plan_err!("{} was planned without a struct", call.settings.name());
    };
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut coefficients = FixedLists::new(call.settings.name(), fitter.terms(), call.rows)?;
    let mut valid = NullBufferBuilder::new(call.rows);
    let mut numbers: [Vec<Option<f64>>; 3] = Default::default();
    let mut status = Vec::with_capacity(call.rows);
    let mut work = Workspace::default();
    for row in 0..call.rows {
        let measured = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        let detail =
            measured.then(|| lists.get(row, fitter.cells_read(), &mut buffer)).flatten().map(|map| fitter.detail(map, &mut work));
        valid.append(detail.is_some());
        coefficients.push(detail.as_ref().and_then(|d| d.coefficients.as_deref()));
        let of = |f: fn(&FitDetail) -> Option<f64>| detail.as_ref().and_then(f).filter(|v| v.is_finite());
        let values = [of(|d| d.residual_rms), of(|d| Some(d.coverage)), of(|d| Some(d.condition))];
        numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        status.push(detail.map(|d| d.status.name()));
    }
    let [residual, coverage, condition] = numbers.map(|n| Arc::new(Float64Array::from(n)) as ArrayRef);
    let columns = vec![coefficients.finish()?, residual, coverage, condition, Arc::new(StringArray::from(status)) as ArrayRef];
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, valid.finish())?))
}

fn rms(call: &Call) -> Result<ArrayRef> {
    let (lists, families, mut buffer) = (call.lists(0)?, call.texts(1)?, Vec::new());
    let given = call.settings.field(1).is_some();
    call.each_number(|row| {
        let name = if given { families.get(row).unwrap_or("hoa") } else { "hoa" };
        let Some(family) = RmsFamily::parse(name) else {
            let known = RmsFamily::NAMES.map(|(n, _)| n).join(", ");
            return exec_err!("zernike_rms: family is one of {known}, order0 … order20; got '{name}'");
        };
        Ok(coefficients(call, &lists, row, &mut buffer)?.map(|c| family.rms(c)))
    })
}
