//! Corneal wavefront error.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use datafusion::common::{Result, plan_err};

use crate::args::{Call, FixedLists, Lists, Numbers, Settings};
use crate::curvature::differentiator;
use crate::function::{Example, Function, Kind, Parameter};
use crate::geometry::{self, Geometry, MERIDIANS, RING_STEP, RINGS, list_type, map_field, require_unit, with_unit};
use crate::grid::each_map_on;
use crate::optics::{
    derivatives::{Differentiator, WINDOW_MM},
    resample::MissingRule,
    wavefront::{self, Cornea, CornealSurface, TotalWork},
    zernike::term_count,
    zernike_fit::{FitStatus, Workspace},
};
use crate::shape::{SAG, fitted};
use crate::zernike::{MAX_ORDER, RADIUS, WEIGHTING, fitter, max_order};

const SURFACE: Parameter = Parameter::optional(
    "surface",
    Kind::Text,
    "'anterior'",
    "'anterior' (air to cornea, 1 to 1.376) or 'posterior' (cornea to aqueous, 1.376 to 1.336)",
);
const APICAL: Parameter = Parameter::optional(
    "apical_radius_mm",
    Kind::Number,
    "that of the closest conic within the disc",
    "apical radius in mm that defines the paraxial focus",
)
.in_unit("mm");
const FRONT: Parameter = Parameter { name: "front", about: "sag of the anterior surface in mm", ..SAG };
const BACK: Parameter = Parameter { name: "back", about: "sag of the posterior surface in mm, from any height", ..SAG };
const THICKNESS: Parameter =
    Parameter::required("thickness_mm", Kind::Number, "distance of the two vertices in mm, 0.05 to 3").in_unit("mm");

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "corneal_wavefront",
        about: "Zernike coefficients in µm, in OSA/ANSI order, of the wavefront error of one corneal surface for a parallel beam \
                along the axis, from its sag: W = n′f − (n z + n′ √(x² + y² + (f − z)²)) with the vertex as origin and the paraxial \
                focus f = n′R/(n′ − n) as the reference point. Positive spherical aberration where marginal rays focus first; \
                positive defocus is myopia. NULL where too little of the disc was measured.",
        parameters: &[SAG, RADIUS, MAX_ORDER, SURFACE, WEIGHTING, APICAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let geometry = plan_one(s)?;
            plan_coefficients(s, geometry)
        },
        compute: |call| {
            let mut surface = OneSurface::new(call, 5)?;
            coefficients(call, |row, map| surface.error(row, map))
        },
        example: Example {
            sql: "round(corneal_wavefront(conic_map(7.8), 3, 6, 'anterior', 'uniform')[13], 6)",
            output: "0.36328",
        },
    },
    Function {
        name: "corneal_wavefront_map",
        about: "The wavefront error of corneal_wavefront in µm at each cell of the disc, without a fit. NULL beyond the disc.",
        parameters: &[SAG, RADIUS, SURFACE, APICAL, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| Ok(map_field(plan_one(s)?.grid, "um")),
        compute: |call| {
            let mut surface = OneSurface::new(call, 3)?;
            each_map_on(call, geometry::geometry(&call.settings, 0)?, |row, _, map| surface.error(row, map))
        },
        example: Example { sql: "round(corneal_wavefront_map(conic_map(7.8))[15 * 256 + 1], 6)", output: "4.654151" },
    },
    Function {
        name: "corneal_wavefront_total",
        about: "Zernike coefficients in µm, in OSA/ANSI order, of the wavefront error of both corneal surfaces together (1, 1.376, \
                1.336) for a parallel beam along the axis, by ray tracing: Snell's law at either surface, optical path to the \
                sphere around the paraxial focus that passes through the posterior vertex, against the ray through the vertices. \
                Signs as corneal_wavefront. The focus is that of the conics closest to the surfaces within the disc. NULL where too \
                little was measured.",
        parameters: &[FRONT, BACK, THICKNESS, RADIUS, MAX_ORDER, WEIGHTING, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| {
            let geometry = plan_two(s)?;
            plan_coefficients(s, geometry)
        },
        compute: |call| {
            let mut cornea = TwoSurfaces::new(call)?;
            coefficients(call, |row, map| cornea.error(row, map))
        },
        example: Example {
            sql: "round(corneal_wavefront_total(conic_map(7.8), conic_map(6.5), 0.55, 3, 6, 'uniform')[13], 6)",
            output: "0.321348",
        },
    },
    Function {
        name: "corneal_wavefront_total_map",
        about: "The wavefront error of corneal_wavefront_total in µm at each cell of the disc, without a fit. NULL beyond the disc.",
        parameters: &[FRONT, BACK, THICKNESS, RADIUS, RINGS, RING_STEP, MERIDIANS],
        returns: "float8[]",
        result: |s| Ok(map_field(plan_two(s)?.grid, "um")),
        compute: |call| {
            let mut cornea = TwoSurfaces::new(call)?;
            each_map_on(call, geometry::geometry(&call.settings, 0)?, |row, _, map| cornea.error(row, map))
        },
        example: Example {
            sql: "round(corneal_wavefront_total_map(conic_map(7.8), conic_map(6.5), 0.55)[15 * 256 + 1], 6)",
            output: "4.125491",
        },
    },
];

const SURFACES: &[(&str, CornealSurface)] = &[("anterior", CornealSurface::Anterior), ("posterior", CornealSurface::Posterior)];

/// Checks map, unit and disc while a call is planned.
fn plan_disc(s: &Settings, index: usize) -> Result<Geometry> {
    let geometry = geometry::geometry(s, index)?;
    require_unit(s, &geometry, "mm")?;
    match geometry.grid.zone_rings(s.number("radius_mm", 3.0)?) {
        Err(_) if !s.is_settled("radius_mm") => Ok(geometry),
        Ok(_) => Ok(geometry),
        Err(error) => plan_err!("{}: {error}", s.name()),
    }
}

fn plan_one(s: &Settings) -> Result<Geometry> {
    s.choice("surface", SURFACES)?;
    plan_disc(s, 0)
}

fn plan_two(s: &Settings) -> Result<Geometry> {
    let (front, back) = (plan_disc(s, 0)?, plan_disc(s, 1)?);
    if front.grid != back.grid {
        return plan_err!("{}: the maps lie on different grids: {:?} and {:?}", s.name(), front.grid, back.grid);
    }
    differentiator(s.name(), front.grid, WINDOW_MM, MissingRule::Lenient)?;
    Ok(front)
}

fn plan_coefficients(s: &Settings, geometry: Geometry) -> Result<Field> {
    fitter(s, &Geometry { grid: geometry.grid.into(), unit: geometry.unit })?;
    Ok(with_unit(Field::new("", list_type(term_count(max_order(s)?)), true), "um"))
}

/// Computes the wavefront error of each map and fits it.
fn coefficients(call: &Call, mut error: impl FnMut(usize, &[f64]) -> Result<Option<Vec<f64>>>) -> Result<ArrayRef> {
    let (s, geometry) = (&call.settings, geometry::geometry(&call.settings, 0)?);
    let fitter = fitter(s, &Geometry { grid: geometry.grid.into(), unit: None })?;
    let (lists, mut buffer, mut work) = (call.lists(0)?, Vec::new(), Workspace::default());
    let mut out = FixedLists::new(s.name(), fitter.terms(), call.rows)?;
    let mut coefficients = vec![0.0; fitter.terms()];
    for row in 0..call.rows {
        let present = geometry::check_length(s.name(), geometry.grid, &lists, row)?;
        let map = match present.then(|| lists.get(row, usize::MAX, &mut buffer)).flatten() {
            Some(map) => error(row, map)?,
            None => None,
        };
        let fitted = map.is_some_and(|map| fitter.fit(&map, &mut coefficients, &mut work) != FitStatus::NotFittable);
        out.push(fitted.then_some(&coefficients));
    }
    out.finish()
}

/// A call of one surface.
struct OneSurface<'a> {
    call: &'a Call<'a>,
    geometry: Geometry,
    disc_mm: f64,
    surface: CornealSurface,
    apical: Numbers,
}

impl<'a> OneSurface<'a> {
    fn new(call: &'a Call<'a>, apical: usize) -> Result<Self> {
        let s = &call.settings;
        Ok(Self {
            call,
            geometry: geometry::geometry(s, 0)?,
            disc_mm: s.number("radius_mm", 3.0)?,
            surface: s.choice("surface", SURFACES)?,
            apical: call.numbers(apical)?,
        })
    }

    fn error(&mut self, row: usize, map: &[f64]) -> Result<Option<Vec<f64>>> {
        let apical = self.apical.get(row);
        if !self.apical.is_null(row) && apical.is_none_or(|radius| radius <= 0.0) {
            return Ok(None);
        }
        fitted(&self.call.settings, wavefront::surface_map(self.geometry.grid, map, self.disc_mm, self.surface, apical))
    }
}

/// A call of both surfaces.
struct TwoSurfaces<'a> {
    call: &'a Call<'a>,
    prepared: std::sync::Arc<Differentiator>,
    disc_mm: f64,
    backs: Lists,
    thickness: Numbers,
    buffer: Vec<f64>,
    work: TotalWork,
}

impl<'a> TwoSurfaces<'a> {
    fn new(call: &'a Call<'a>) -> Result<Self> {
        let s = &call.settings;
        Ok(Self {
            call,
            prepared: differentiator(s.name(), geometry::geometry(s, 0)?.grid, WINDOW_MM, MissingRule::Lenient)?,
            disc_mm: s.number("radius_mm", 3.0)?,
            backs: call.lists(1)?,
            thickness: call.numbers(2)?,
            buffer: Vec::new(),
            work: TotalWork::default(),
        })
    }

    fn error(&mut self, row: usize, front: &[f64]) -> Result<Option<Vec<f64>>> {
        let s = &self.call.settings;
        let present = geometry::check_length(s.name(), self.prepared.grid(), &self.backs, row)?;
        let back = present.then(|| self.backs.get(row, usize::MAX, &mut self.buffer)).flatten();
        let (Some(posterior), Some(thickness_mm)) = (back, self.thickness.get(row)) else { return Ok(None) };
        let cornea = Cornea { anterior: front, posterior, thickness_mm };
        fitted(s, wavefront::total_map(&self.prepared, &cornea, self.disc_mm, &mut self.work))
    }
}
