//! Reference surfaces and elevation.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StructArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::{Call, FixedLists, Settings, number_fields};
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, map_field, require_unit, with_unit};
use crate::grid::{MAP, each_map};
use crate::optics::{
    astigmatism::wrap_axis,
    conic,
    grid::{GridError, PolarGrid},
    shape::{self, Conic, SphereMode},
    toric::{Asphericity, Position, toric_fit},
    zernike_fit::Weighting,
};
use crate::zernike::WEIGHTINGS;

/// A sag map of which only the shape counts.
pub(crate) const SAG: Parameter =
    Parameter { about: "sag in mm, positive into the eye; a constant offset does not matter", ..MAP }.in_unit("mm");
const ZONE: Parameter = Parameter::optional("zone_mm", Kind::Number, "8", "diameter of the fitted zone in mm");
const MODE: Parameter = Parameter::optional(
    "mode",
    Kind::Text,
    "'float'",
    "'float' (radius and position free), 'float_centred' (on the axis), 'apex_touch' (through the vertex), all by the least \
     vertical residual; 'algebraic', 'algebraic_centred' (by the linear equation of the sphere)",
);
const WEIGHTING: Parameter =
    Parameter::optional("weighting", Kind::Text, "'area'", "'area' (cells count by their area) or 'uniform' (by one)");

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "elevation_residual",
        about: "Elevation over the best-fit sphere of the zone in µm, positive where the cornea stands in front of it, for every \
                measured cell. NULL where less than half of the zone was measured.",
        parameters: &[SAG, ZONE, MODE, WEIGHTING, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| Ok(map_field(plan(s)?.grid, "um")),
        compute: |call| {
            let (zone, mode, weighting) = sphere_settings(&call.settings)?;
            each_map(call, |g, map| fitted(&call.settings, shape::elevation_residual(g.grid, map, zone, mode, weighting)))
        },
        example: Example {
            sql: "round(elevation_residual(conic_map(7.8, -0.25), 8, 'apex_touch', 'uniform')[30 * 256 + 1], 1)",
            output: "115.6",
        },
    },
    Function {
        name: "best_fit_sphere",
        about: "The sphere closest to the surface in the zone: radius, position of its front vertex, RMS residual, all in mm. \
                NULL where less than half of the zone was measured or nothing like a cornea is there.",
        parameters: &[SAG, ZONE, MODE, WEIGHTING, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(radius_mm, x_mm, y_mm, z_mm, rms_mm)",
        result: |s| {
            plan(s)?;
            let fields = ["radius_mm", "x_mm", "y_mm", "z_mm", "rms_mm"].map(|n| (n, "mm"));
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        compute: |call| {
            let (zone, mode, weighting) = sphere_settings(&call.settings)?;
            each_fit(call, |grid, map| {
                let sphere = fitted(&call.settings, shape::best_fit_sphere(grid, map, zone, mode, weighting))?;
                Ok(sphere.map(|s| [s.radius_mm, s.x_mm, s.y_mm, s.z_mm, s.rms_mm].map(Some)))
            })
        },
        example: Example { sql: "round(best_fit_sphere(conic_map(7.8, -0.25))['radius_mm'], 4)", output: "7.9348" },
    },
    Function {
        name: "conic_fit",
        about: "The conic of revolution around the map's axis that is closest in the zone: apical radius in mm, asphericity Q \
                (negative for a cornea that flattens outwards), sag of its vertex and RMS residual in mm. method 'vertical' is the \
                least vertical residual with the height free, 'baker' Baker's linear equation through the map's vertex.",
        parameters: &[
            SAG,
            ZONE,
            WEIGHTING,
            Parameter::optional("method", Kind::Text, "'vertical'", "'vertical' or 'baker'"),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "struct(radius_mm, q, z_mm, rms_mm)",
        result: |s| {
            plan_map(s)?;
            s.choice("weighting", WEIGHTINGS)?;
            s.choice("method", METHODS)?;
            let fields = [("radius_mm", "mm"), ("q", ""), ("z_mm", "mm"), ("rms_mm", "mm")];
            Ok(Field::new("", DataType::Struct(number_fields(&fields)), true))
        },
        compute: |call| {
            let zone = call.settings.number("zone_mm", 8.0)?;
            let weighting = call.settings.choice("weighting", WEIGHTINGS)?;
            let method = call.settings.choice("method", METHODS)?;
            each_fit(call, |grid, map| {
                let conic = fitted(&call.settings, method(grid, map, zone, weighting))?;
                Ok(conic.map(|c| [c.radius_mm, c.q, c.z_mm, c.rms_mm].map(Some)))
            })
        },
        example: Example { sql: "round(conic_fit(conic_map(7.8, -0.25))['q'], 6)", output: "-0.25" },
    },
    Function {
        name: "meridian_conics",
        about: "Apical radius in mm and asphericity Q of each semi-meridian in the zone, by Baker's equation through the map's \
                vertex: one element a semi-meridian, the first at 0°, then counter-clockwise. NULL for a semi-meridian of which \
                less than half was measured.",
        parameters: &[SAG, ZONE, RINGS, RING_STEP, MERIDIANS],
        returns: "struct(radius_mm float8[], q float8[])",
        result: |s| {
            let list = list_type(plan_map(s)?.grid.meridians());
            let radius = with_unit(Field::new("radius_mm", list.clone(), true), "mm");
            Ok(Field::new("", DataType::Struct(vec![radius, Field::new("q", list, true)].into()), true))
        },
        compute: meridian_conics,
        example: Example { sql: "round(meridian_conics(conic_map(7.8, -0.25))['q'][65], 6)", output: "-0.25" },
    },
    Function {
        name: "toric_fit",
        about: "The toric asphere (biconic) of least vertical residual in the zone: apical radii in mm, meridians in degrees and \
                asphericities Q of the flat and the steep principal meridian, position of the vertex and RMS residual in mm. NULL \
                where less than half of the zone was measured or nothing like a cornea is there. Without astigmatism the \
                meridians have no meaning.",
        parameters: &[
            SAG,
            ZONE,
            Parameter::optional("asphericity", Kind::Text, "'separate'", "'separate' (a Q for each meridian) or 'common' (one)"),
            Parameter::optional("position", Kind::Text, "'float'", "'float' (vertex free) or 'centred' (on the axis of the map)"),
            WEIGHTING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "struct(radius_flat_mm, radius_steep_mm, axis_flat_deg, axis_steep_deg, q_flat, q_steep, x_mm, y_mm, z_mm, rms_mm)",
        result: |s| {
            plan_map(s)?;
            toric_settings(s)?;
            Ok(Field::new("", DataType::Struct(number_fields(&TORIC_FIELDS)), true))
        },
        compute: |call| {
            let (zone, asphericity, position, weighting) = toric_settings(&call.settings)?;
            each_fit(call, |grid, map| {
                let toric = fitted(&call.settings, toric_fit(grid, map, zone, asphericity, position, weighting))?;
                Ok(toric.map(|t| {
                    let steep_axis = wrap_axis(t.flat_axis_deg + 90.0);
                    let values = [t.flat_mm, t.steep_mm, t.flat_axis_deg, steep_axis, t.flat_q, t.steep_q];
                    let [a, b, c, d, e, f] = values.map(Some);
                    [a, b, c, d, e, f, Some(t.x_mm), Some(t.y_mm), Some(t.z_mm), Some(t.rms_mm)]
                }))
            })
        },
        example: Example { sql: "round(toric_fit(conic_map(7.8, -0.25))['q_steep'], 6)", output: "-0.25" },
    },
    Function {
        name: "conic_map",
        about: "Sag in mm of a conic of revolution on the polar grid of the MS-39 (31 rings 0.2 mm apart, 256 meridians): a \
                reference surface. NULL beyond its equator.",
        parameters: &[
            Parameter::required("radius_mm", Kind::Number, "apical radius in mm"),
            Parameter::optional("q", Kind::Number, "0", "asphericity, 0 for a sphere"),
        ],
        returns: "float8[]",
        result: |_| Ok(map_field(PolarGrid::MS39, "mm")),
        compute: |call| {
            let (radius, q) = (call.numbers(0)?, call.numbers(1)?);
            let grid = PolarGrid::MS39;
            let mut out = FixedLists::new(call.settings.name(), grid.cells(), call.rows)?;
            for row in 0..call.rows {
                let surface = radius.get(row).filter(|r| *r > 0.0).zip(q.or(row, 0.0)).map(|(radius, q)| {
                    let ring = |i| {
                        let s = grid.radius_mm(i) * grid.radius_mm(i);
                        s / (radius + (radius * radius - (1.0 + q) * s).sqrt())
                    };
                    (0..grid.rings()).flat_map(|i| std::iter::repeat_n(ring(i), grid.meridians())).collect::<Vec<f64>>()
                });
                out.push(surface.as_deref());
            }
            out.finish()
        },
        example: Example { sql: "round(conic_map(7.8)[15 * 256 + 1], 6)", output: "0.6" },
    },
];

const MODES: &[(&str, SphereMode)] = &[
    ("float", SphereMode::Float),
    ("float_centred", SphereMode::FloatCentred),
    ("apex_touch", SphereMode::ApexTouch),
    ("algebraic", SphereMode::Algebraic),
    ("algebraic_centred", SphereMode::AlgebraicCentred),
];

type ConicFit = fn(PolarGrid, &[f64], f64, Weighting) -> Result<Option<Conic>, GridError>;

const METHODS: &[(&str, ConicFit)] = &[("vertical", shape::conic_fit), ("baker", conic::baker_conic)];
const ASPHERICITIES: &[(&str, Asphericity)] = &[("separate", Asphericity::Separate), ("common", Asphericity::Common)];
const POSITIONS: &[(&str, Position)] = &[("float", Position::Float), ("centred", Position::Centred)];
const TORIC_FIELDS: [(&str, &str); 10] = [
    ("radius_flat_mm", "mm"),
    ("radius_steep_mm", "mm"),
    ("axis_flat_deg", "deg"),
    ("axis_steep_deg", "deg"),
    ("q_flat", ""),
    ("q_steep", ""),
    ("x_mm", "mm"),
    ("y_mm", "mm"),
    ("z_mm", "mm"),
    ("rms_mm", "mm"),
];

fn toric_settings(s: &Settings) -> Result<(f64, Asphericity, Position, Weighting)> {
    let (asphericity, position) = (s.choice("asphericity", ASPHERICITIES)?, s.choice("position", POSITIONS)?);
    Ok((s.number("zone_mm", 8.0)?, asphericity, position, s.choice("weighting", WEIGHTINGS)?))
}

fn sphere_settings(s: &Settings) -> Result<(f64, SphereMode, Weighting)> {
    Ok((s.number("zone_mm", 8.0)?, s.choice("mode", MODES)?, s.choice("weighting", WEIGHTINGS)?))
}

/// Checks map, unit and zone while a fit is planned.
fn plan_map(s: &Settings) -> Result<Geometry> {
    let geometry = geometry::geometry(s, 0)?;
    require_unit(s, &geometry, "mm")?;
    match geometry.grid.zone_rings(0.5 * s.number("zone_mm", 8.0)?) {
        Err(_) if !s.is_settled("zone_mm") => Ok(geometry),
        Ok(_) => Ok(geometry),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn plan(s: &Settings) -> Result<Geometry> {
    sphere_settings(s)?;
    plan_map(s)
}

pub(crate) fn fitted<T>(s: &Settings, result: Result<T, GridError>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => exec_err!("{}: {error}", s.name()),
    }
}

fn each_fit<const N: usize>(call: &Call, f: impl Fn(PolarGrid, &[f64]) -> Result<Option<[Option<f64>; N]>>) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    call.each_struct(|row| {
        let present = geometry::check_length(call.settings.name(), geometry.grid, &lists, row)?;
        match present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() {
            Some(map) => f(geometry.grid, map),
            None => Ok(None),
        }
    })
}

fn meridian_conics(call: &Call) -> Result<ArrayRef> {
    let geometry = geometry::geometry(&call.settings, 0)?;
    let DataType::Struct(fields) = call.return_type() else {
        return plan_err!("{} was planned without a struct", call.settings.name());
    };
    let (zone, name, meridians) = (call.settings.number("zone_mm", 8.0)?, call.settings.name(), geometry.grid.meridians());
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    let mut radii = FixedLists::new(name, meridians, call.rows)?;
    let mut q = FixedLists::new(name, meridians, call.rows)?;
    let mut valid = NullBufferBuilder::new(call.rows);
    for row in 0..call.rows {
        let present = geometry::check_length(name, geometry.grid, &lists, row)?;
        let conics = match present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() {
            Some(map) => fitted(&call.settings, conic::meridian_conics(geometry.grid, map, zone))?,
            None => None,
        };
        valid.append(conics.is_some());
        radii.push(conics.as_ref().map(|[radii, _]| radii.as_slice()));
        q.push(conics.as_ref().map(|[_, q]| q.as_slice()));
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), vec![radii.finish()?, q.finish()?], valid.finish())?))
}
