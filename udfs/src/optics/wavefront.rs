//! Wavefront error of the cornea from its elevation, µm.
//!
//! A parallel beam along the axis of the map enters the cornea. The wavefront error at a point is the optical path of the ray
//! through the vertex minus that of the ray through the point, both to the same end; its place is where the ray meets the first
//! surface. Positive at the rim where marginal rays come to focus before paraxial ones, so that a sphere has positive spherical
//! aberration, and positive defocus stands for myopia (OSA/ANSI, ISO 24157).
//!
//! * One surface: `W = n′f − (n z + n′ √(x² + y² + (f − z)²))`, the exact path to the paraxial focus `f = n′R/(n′ − n)`. It
//!   vanishes on the Cartesian oval, whose apex is the conic of `Q = −n²/n′²`.
//! * Both surfaces: every ray is traced by Snell's law in vector form, through the cornea, to the sphere around the paraxial focus
//!   of both surfaces that passes through the posterior vertex.

use super::{
    curvature::refract,
    derivatives::{DerivativeWork, Differentiator, quadric_derivatives},
    grid::{GridError, PolarGrid},
    quadric::Quadric,
    shape::{conic_fit, vertex_sag},
    units::{AQUEOUS_INDEX, CORNEA_INDEX},
    zernike_fit::Weighting,
};

/// A refracting surface of the cornea by the indices on its two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CornealSurface {
    /// Air to cornea, 1 to 1.376.
    Anterior,
    /// Cornea to aqueous, 1.376 to 1.336.
    Posterior,
}

impl CornealSurface {
    /// Refractive indices before and behind the surface.
    pub fn indices(self) -> (f64, f64) {
        match self {
            Self::Anterior => (1.0, CORNEA_INDEX),
            Self::Posterior => (CORNEA_INDEX, AQUEOUS_INDEX),
        }
    }
}

/// Wavefront error in µm where a surface stands `sag` mm behind its vertex, `r` mm from the axis, for a beam that is parallel
/// before it; `focus` is the paraxial focal length in mm, negative where the surface diverges.
pub fn surface_error_um(r_mm: f64, sag_mm: f64, focus_mm: f64, index_from: f64, index_to: f64) -> f64 {
    let distance = focus_mm.signum() * r_mm.hypot(focus_mm - sag_mm);
    1e3 * (index_to * focus_mm - index_from * sag_mm - index_to * distance)
}

/// Apical radius (mm) of the conic closest to a sag map within a disc of that radius, and the sag of its vertex; `None` where
/// less than half of the disc was measured or no conic fits.
///
/// # Errors
/// [`GridError::Zone`] where the disc does not fit the grid.
pub fn apex(grid: PolarGrid, map: &[f64], disc_mm: f64) -> Result<Option<(f64, f64)>, GridError> {
    Ok(conic_fit(grid, map, 2.0 * disc_mm, Weighting::Area)?.map(|conic| (conic.radius_mm, conic.z_mm)))
}

/// Wavefront error (µm) of one surface from its sag (mm) for the cells within a disc; `NaN` beyond it and where the sag is
/// missing. The paraxial focus is that of `apical_mm`, or of the closest conic's apex where that is `None`. Sags count from the
/// vertex, or from the conic's where it was not measured. `None` where no conic fits.
///
/// # Errors
/// [`GridError::Zone`] where the disc does not fit the grid.
pub fn surface_map(
    grid: PolarGrid,
    map: &[f64],
    disc_mm: f64,
    surface: CornealSurface,
    apical_mm: Option<f64>,
) -> Result<Option<Vec<f64>>, GridError> {
    let rings = grid.zone_rings(disc_mm)?;
    let vertex = vertex_sag(grid, map);
    let (radius, vertex) = match (apical_mm, vertex) {
        (Some(radius), Some(vertex)) => (radius, vertex),
        _ => match apex(grid, map, disc_mm)? {
            Some((radius, z)) => (apical_mm.unwrap_or(radius), vertex.unwrap_or(z)),
            None => return Ok(None),
        },
    };
    let (from, to) = surface.indices();
    let focus = to * radius / (to - from);
    let mut error = vec![f64::NAN; grid.cells()];
    let cells = map.chunks_exact(grid.meridians()).zip(error.chunks_exact_mut(grid.meridians()));
    for (i, (sags, errors)) in cells.enumerate().take(rings) {
        let r = grid.radius_mm(i);
        for (error, z) in errors.iter_mut().zip(sags) {
            *error = surface_error_um(r, z - vertex, focus, from, to);
        }
    }
    Ok(Some(error))
}

/// The two surfaces of a cornea for [`total_map`].
#[derive(Debug, Clone, Copy)]
pub struct Cornea<'a> {
    /// Sag of the anterior surface, mm.
    pub anterior: &'a [f64],
    /// Sag of the posterior surface, mm, from any height.
    pub posterior: &'a [f64],
    /// Distance of the two vertices, mm.
    pub thickness_mm: f64,
}

/// Central thicknesses that a cornea can have, mm.
const THICKNESS_MM: std::ops::RangeInclusive<f64> = 0.05..=3.0;

/// Buffers for [`total_map`] that one thread reuses from map to map.
#[derive(Default)]
pub struct TotalWork {
    anterior: DerivativeWork,
    posterior: DerivativeWork,
}

/// Wavefront error (µm) of both surfaces by ray tracing for the cells within a disc; `NaN` beyond it, where a map is missing and
/// where its slope cannot be found. The paraxial focus is that of the conics closest to the surfaces within the disc. `None`
/// where no conic fits, a vertex was not measured or the thickness is not one of a cornea (0.05 to 3 mm).
///
/// # Errors
/// [`GridError::Zone`] where the disc does not fit the grid.
pub fn total_map(
    prepared: &Differentiator,
    cornea: &Cornea,
    disc_mm: f64,
    work: &mut TotalWork,
) -> Result<Option<Vec<f64>>, GridError> {
    let grid = prepared.grid();
    let rings = grid.zone_rings(disc_mm)?;
    let Cornea { anterior, posterior, thickness_mm } = *cornea;
    let (Some(front), Some(back)) = (apex(grid, anterior, disc_mm)?, apex(grid, posterior, disc_mm)?) else { return Ok(None) };
    let (Some(front_vertex), Some(back_vertex)) = (vertex_sag(grid, anterior), vertex_sag(grid, posterior)) else {
        return Ok(None);
    };
    let complete = THICKNESS_MM.contains(&thickness_mm)
        && prepared.run(anterior, rings, &mut work.anterior)
        && prepared.run(posterior, rings, &mut work.posterior);
    if !complete {
        return Ok(None);
    }
    let tracer = Tracer { thickness_mm, focus_mm: back_focus_mm(front.0, back.0, thickness_mm) };
    let mut error = vec![f64::NAN; grid.cells()];
    let directions = grid.directions();
    let rays = anterior.iter().zip(posterior).zip(work.anterior.residual.iter().zip(&work.posterior.residual));
    let turns = (0..rings).flat_map(|i| directions.iter().map(move |turn| (grid.radius_mm(i), *turn)));
    for ((error, (r, turn)), ((z, back), (front_slopes, back_slopes))) in error.iter_mut().zip(turns).zip(rays) {
        let smooth = quadric_derivatives(work.anterior.quadric.as_ref(), r, turn);
        // The copies of the vertex are one point, whether or not this one was measured.
        let (z, back) = if r == 0.0 { (0.0, thickness_mm) } else { (z - front_vertex, back - back_vertex + thickness_mm) };
        let patch = Patch::new(r, turn, back, back_slopes, work.posterior.quadric.as_ref());
        let [u, v, ..] = front_slopes;
        *error = tracer.error_um(r, z, (u + smooth.u, v + smooth.v), &patch).filter(|w| w.is_finite()).unwrap_or(f64::NAN);
    }
    Ok(Some(error))
}

/// Paraxial focal length (mm) behind the posterior vertex, for a parallel beam in air.
fn back_focus_mm(anterior_mm: f64, posterior_mm: f64, thickness_mm: f64) -> f64 {
    let first = CORNEA_INDEX * anterior_mm / (CORNEA_INDEX - 1.0);
    let vergence = CORNEA_INDEX / (first - thickness_mm) + (AQUEOUS_INDEX - CORNEA_INDEX) / posterior_mm;
    AQUEOUS_INDEX / vergence
}

/// The posterior surface around one cell, in the frame of the cell's meridian: the quadric exactly, what is left of it to second
/// order. Rays meet it within two tenths of a millimetre of the cell.
struct Patch<'a> {
    r: f64,
    /// Sine and cosine of the meridian.
    turn: (f64, f64),
    /// Height of the surface at the cell minus that of the quadric there.
    offset: f64,
    slopes: &'a [f64; 5],
    quadric: Option<&'a Quadric>,
}

impl<'a> Patch<'a> {
    fn new(r: f64, turn: (f64, f64), z: f64, slopes: &'a [f64; 5], quadric: Option<&'a Quadric>) -> Self {
        let smooth = quadric.map_or(0.0, |q| q.sag_mm(r * turn.1, r * turn.0));
        Self { r, turn, offset: z - smooth, slopes, quadric }
    }

    /// Height and both slopes at a point.
    fn at(&self, u: f64, v: f64) -> [f64; 3] {
        let [eu, ev, euu, euv, evv] = *self.slopes;
        let (du, dv) = (u - self.r, v);
        let height = eu * du + ev * dv + 0.5 * (euu * du * du + evv * dv * dv) + euv * du * dv;
        let (slope_u, slope_v) = (eu + euu * du + euv * dv, ev + euv * du + evv * dv);
        let (sin, cos) = self.turn;
        let smooth = |q: &Quadric| {
            let (z, d) = q.derivatives(u * cos - v * sin, u * sin + v * cos, self.turn);
            [z, d.u, d.v]
        };
        let [z, along, across] = self.quadric.map_or([0.0; 3], smooth);
        [self.offset + height + z, slope_u + along, slope_v + across]
    }
}

struct Tracer {
    thickness_mm: f64,
    /// From the posterior vertex.
    focus_mm: f64,
}

impl Tracer {
    /// Wavefront error (µm) of the ray that meets the anterior surface `r` mm from the axis at the height `z` with those slopes.
    /// `None` where it does not reach the posterior surface or is reflected.
    fn error_um(&self, r: f64, z: f64, (slope_u, slope_v): (f64, f64), back: &Patch) -> Option<f64> {
        let [du, dv, dz] = refract([0.0, 0.0, 1.0], slope_u, slope_v, 1.0 / CORNEA_INDEX)?;
        let (mut path, mut surface) = ((back.at(r, 0.0)[0] - z) / dz, [0.0; 3]);
        for _ in 0..20 {
            let (u, v) = (r + path * du, path * dv);
            surface = back.at(u, v);
            let [height, along, across] = surface;
            let step = (height - z - path * dz) / (dz - along * du - across * dv);
            path += step;
            if step.abs() < 1e-14 {
                break;
            }
        }
        let [_, along, across] = surface;
        let [eu, ev, ez] = refract([du, dv, dz], along, across, CORNEA_INDEX / AQUEOUS_INDEX)?;
        // Where the ray crosses the sphere around the focus: of two crossings the one near the vertex.
        let (pu, pv, pz) = (r + path * du, path * dv, z + path * dz - self.thickness_mm - self.focus_mm);
        let half = pu * eu + pv * ev + pz * ez;
        let power = pu * pu + pv * pv + (pz - self.focus_mm) * (pz + self.focus_mm);
        let root = half * half - power;
        if !(root >= 0.0 && path > 0.0) {
            return None;
        }
        let to_sphere = power / (-half - half.signum() * root.sqrt());
        let axis = CORNEA_INDEX * self.thickness_mm;
        Some(1e3 * (axis - z - CORNEA_INDEX * path - AQUEOUS_INDEX * to_sphere))
    }
}
