//! Curvature and refractive power of a surface.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::{Result, exec_err, plan_err};

use crate::args::Settings;
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, map_field, require_unit};
use crate::grid::{MAP, each_map, each_map_on};
use crate::optics::{
    curvature::{self, Curvature},
    derivatives::{DerivativeWork, Differentiator, WINDOW_MM},
    grid::PolarGrid,
    resample::MissingRule,
    units::CORNEA_INDEX,
};
use crate::recent::{Held, Recent};
use crate::shape::SAG;

const AXIAL: Parameter = Parameter { about: "axial radii of curvature in mm", ..MAP }.in_unit("mm");
const WINDOW: Parameter = Parameter::optional(
    "window_mm",
    Kind::Number,
    "0.6",
    "radius in mm of the window in which a polynomial of degree four is fitted; a wider one smooths more",
)
.in_unit("mm");
const MISSING: Parameter = Parameter::optional(
    "missing",
    Kind::Text,
    "'strict'",
    "'strict': NULL where a cell of the window is missing; 'lenient': NULL only where half of the window is missing or the rest \
     leaves the slope too uncertain. A missing cell is NULL by either",
);

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "sag_to_radius",
        about: "Radii of curvature in mm of a surface from its elevation, by the definitions of ANSI Z80.23 and ISO 19980. kind \
                'axial' (sagittal: along the meridian's normal to the axis), 'tangential' (instantaneous: the meridian's own \
                curvature), 'gaussian' (geometric mean of the principal radii) or 'mean' (reciprocal of the mean principal \
                curvature). Negative where the surface is concave to the front.",
        parameters: &[
            SAG,
            Parameter::optional("kind", Kind::Text, "'axial'", "'axial', 'tangential', 'gaussian' or 'mean'"),
            WINDOW,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            s.choice("kind", KINDS)?;
            plan(s)
        },
        compute: |call| {
            let s = &call.settings;
            let (kind, geometry) = (s.choice("kind", KINDS)?, geometry::geometry(s, 0)?);
            let (prepared, mut work) = (prepared(s, geometry.grid)?, DerivativeWork::default());
            each_map_on(call, geometry, |_, _, map| Ok(curvature::radius_map(&prepared, map, kind, &mut work)))
        },
        example: Example {
            sql: "round(sag_to_radius(conic_map(7.8, -0.25), 'tangential')[20 * 256 + 1], 6)",
            output: "8.581739",
        },
    },
    Function {
        name: "sag_to_refractive_power",
        about: "Refractive power in D of a surface from its elevation: a ray parallel to the axis is refracted by Snell's law at \
                the surface's own normal, and 1000 n′/f is the power where f is the distance in mm from the vertex to where the \
                ray meets the axis (Klein 1992, Roberts 1994). 1.376 and 1.336 give the posterior surface.",
        parameters: &[
            SAG,
            Parameter::optional("index_from", Kind::Number, "1", "refractive index in front of the surface"),
            Parameter::optional("index_to", Kind::Number, "1.376", "refractive index behind the surface"),
            WINDOW,
            MISSING,
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            indices(s)?;
            Ok(map_field(plan_grid(s)?.grid, "[diop]"))
        },
        compute: |call| {
            let s = &call.settings;
            let ((from, to), geometry) = (indices(s)?, geometry::geometry(s, 0)?);
            let (prepared, mut work) = (prepared(s, geometry.grid)?, DerivativeWork::default());
            each_map_on(call, geometry, |_, _, map| Ok(curvature::refractive_power_map(&prepared, map, from, to, &mut work)))
        },
        example: Example { sql: "round(sag_to_refractive_power(conic_map(7.8))[1], 6)", output: "48.205128" },
    },
    Function {
        name: "axial_to_sag",
        about: "Sag in mm from a map of axial radii in mm: the slopes are integrated outwards along each semi-meridian, from 0 at \
                the vertex. NULL from the first missing radius on, or one smaller than its distance from the axis.",
        parameters: &[AXIAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let grid = radii(s)?.grid;
            if grid.rings() < 4 {
                return plan_err!("{}: a grid of {} rings is too coarse, at least 4 are needed", s.name(), grid.rings());
            }
            Ok(map_field(grid, "mm"))
        },
        compute: |call| each_map(call, |g, map| Ok(curvature::sag_of_axial(g.grid, map))),
        example: Example { sql: "round(axial_to_sag(array_repeat(7.8, 7936))[15 * 256 + 1], 6)", output: "0.6" },
    },
    Function {
        name: "axial_to_tangential",
        about: "Tangential (instantaneous) radii in mm from a map of axial radii in mm, by K_t = d(r K_a)/dr along each meridian \
                (Klein 1992), with a polynomial of degree four through seven samples.",
        parameters: &[
            AXIAL,
            Parameter::optional(
                "missing",
                Kind::Text,
                "'strict'",
                "'strict': NULL where one of the seven samples is missing; 'lenient': where more than two are. A missing cell is \
                 NULL by either",
            ),
            RINGS,
            RING_STEP,
            MERIDIANS,
        ],
        returns: "float8[]",
        result: |s| {
            s.choice("missing", RULES)?;
            let grid = radii(s)?.grid;
            if grid.rings() < 4 || !grid.meridians().is_multiple_of(2) {
                return plan_err!(
                    "{}: {} rings of {} meridians will not do: at least 4 rings and an even number of meridians are needed",
                    s.name(),
                    grid.rings(),
                    grid.meridians()
                );
            }
            Ok(map_field(grid, "mm"))
        },
        compute: |call| {
            let rule = call.settings.choice("missing", RULES)?;
            each_map(call, |g, map| Ok(curvature::tangential_of_axial(g.grid, map, rule)))
        },
        example: Example { sql: "round(axial_to_tangential(array_repeat(7.8, 7936))[9], 6)", output: "7.8" },
    },
];

const KINDS: &[(&str, Curvature)] = &[
    ("axial", Curvature::Axial),
    ("tangential", Curvature::Tangential),
    ("gaussian", Curvature::Gaussian),
    ("mean", Curvature::Mean),
];
const RULES: &[(&str, MissingRule)] = &[("strict", MissingRule::Strict), ("lenient", MissingRule::Lenient)];

fn plan(s: &Settings) -> Result<Field> {
    Ok(map_field(plan_grid(s)?.grid, "mm"))
}

/// Checks map, unit and window while a call is planned.
fn plan_grid(s: &Settings) -> Result<Geometry> {
    let geometry = radii(s)?;
    prepared(s, geometry.grid)?;
    Ok(geometry)
}

/// The geometry of a map in mm.
fn radii(s: &Settings) -> Result<Geometry> {
    let geometry = geometry::geometry(s, 0)?;
    require_unit(s, &geometry, "mm")?;
    Ok(geometry)
}

fn indices(s: &Settings) -> Result<(f64, f64)> {
    let (from, to) = (s.number("index_from", 1.0)?, s.number("index_to", CORNEA_INDEX)?);
    if from < 1.0 || to < 1.0 {
        return exec_err!("{}: refractive indices are 1 or more, got {from} and {to}", s.name());
    }
    Ok((from, to))
}

fn prepared(s: &Settings, grid: PolarGrid) -> Result<Arc<Differentiator>> {
    differentiator(s.name(), grid, s.number("window_mm", WINDOW_MM)?, s.choice("missing", RULES)?)
}

/// The derivatives of a grid, prepared once for all calls with the same window.
pub(crate) fn differentiator(name: &str, grid: PolarGrid, window_mm: f64, missing: MissingRule) -> Result<Arc<Differentiator>> {
    static PREPARED: Recent<(PolarGrid, u64, MissingRule), Differentiator> = Recent::new();
    match PREPARED.get((grid, window_mm.to_bits(), missing), || Differentiator::new(grid, window_mm, missing)) {
        Ok(prepared) => Ok(prepared),
        Err(error) => plan_err!("{name}: {error}"),
    }
}

impl Held for Differentiator {
    fn bytes(&self) -> usize {
        self.held_bytes()
    }
}
