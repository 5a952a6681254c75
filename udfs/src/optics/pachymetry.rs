//! Corneal thickness from its thinnest point outwards, and corneal volume.
//!
//! The corneal thickness spatial profile (CTSP) and the percentage of thickness increase (PTI) follow Ambrósio et al. (2006): 22
//! circles around the thinnest point, 0.4 to 8.8 mm in diameter. The profile of normal eyes that the Pentacam's progression index
//! compares with is not public; [`SpatialProfile::progression`] is a slope without it.

use super::grid::{GridError, PolarGrid};
use super::resample::{Interpolation, MissingRule, RasterError, Sampler};
use super::topography::{Extreme, Landmark, extreme};
use super::zone::{Mean, zone_of};

/// Number of circles.
pub const CIRCLES: usize = 22;
/// Distance between two circles in radius, mm.
pub const CIRCLE_STEP_MM: f64 = 0.2;
/// Directions in which a profile is sampled.
pub const DIRECTIONS: usize = 64;

/// Radius of a circle counted from 0, mm.
pub fn circle_radius_mm(circle: usize) -> f64 {
    CIRCLE_STEP_MM * (circle as f64 + 1.0)
}

/// Diameter of the zone in which the thinnest point is looked for, mm.
pub const THINNEST_ZONE_MM: f64 = 8.0;

/// The thinnest cell within 8 mm of diameter, or on the whole grid where that is smaller. `None` where less than three quarters
/// of the zone was measured: the thinnest point may lie in the rest.
pub fn thinnest(grid: PolarGrid, thickness: &[f64]) -> Option<Landmark> {
    let zone_mm = THINNEST_ZONE_MM.min(2.0 * grid.max_radius_mm());
    extreme(grid, thickness, zone_mm, Extreme::Minimum).ok()?
}

/// Thickness sampled on the circles around a point, in [`DIRECTIONS`] directions.
#[derive(Debug, Clone, PartialEq)]
pub struct SpatialProfile {
    /// Thickness at the centre.
    pub centre: f64,
    /// Thickness of circle after circle; `NaN` where it was not measured.
    samples: Vec<f64>,
}

/// Slopes of the thickness increase along the semi-meridians from the thinnest point, % per mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progression {
    /// Mean of all directions.
    pub average: f64,
    /// Of the direction with the smallest slope.
    pub minimum: f64,
    /// Of the direction with the largest slope.
    pub maximum: f64,
}

impl SpatialProfile {
    /// Samples a thickness around a centre; the function gives the thickness at many points `(x, y)` in mm, `NaN` where it is
    /// unknown. `None` where the centre itself is unknown or not positive.
    pub fn sample(thickness: impl FnOnce(&[(f64, f64)]) -> Vec<f64>, x_mm: f64, y_mm: f64) -> Option<Self> {
        let direction = |k: usize| (std::f64::consts::TAU * k as f64 / DIRECTIONS as f64).sin_cos();
        let on = |circle: usize| {
            (0..DIRECTIONS).map(move |k| {
                let ((sin, cos), r) = (direction(k), circle_radius_mm(circle));
                (x_mm + r * cos, y_mm + r * sin)
            })
        };
        let points: Vec<(f64, f64)> = std::iter::once((x_mm, y_mm)).chain((0..CIRCLES).flat_map(on)).collect();
        let mut values = thickness(&points).into_iter();
        let centre = values.next().filter(|t| t.is_finite() && *t > 0.0)?;
        Some(Self { centre, samples: values.collect() })
    }

    /// Samples a map of thickness, bicubic where the grid allows it and else bilinear; a value beside a missing cell is missing.
    ///
    /// # Errors
    /// Never on a grid of [`PolarGrid::new`].
    pub fn of_map(grid: PolarGrid, map: &[f64], x_mm: f64, y_mm: f64) -> Result<Option<Self>, RasterError> {
        let sampler = match Sampler::new(grid, Interpolation::Bicubic, MissingRule::Strict) {
            Ok(sampler) => sampler,
            Err(_) => Sampler::new(grid, Interpolation::Bilinear, MissingRule::Strict)?,
        };
        Ok(Self::sample(|points| sampler.sample(map, points), x_mm, y_mm))
    }

    /// Corneal thickness spatial profile: the mean thickness of each circle; `None` where less than three quarters of a circle
    /// was measured.
    pub fn ctsp(&self) -> [Option<f64>; CIRCLES] {
        let mut circles = self.samples.chunks_exact(DIRECTIONS).map(|circle| {
            let mut mean = Mean::default();
            circle.iter().for_each(|t| mean.add(*t, 1.0));
            mean.value()
        });
        std::array::from_fn(|_| circles.next().flatten())
    }

    /// Percentage of thickness increase of each circle: `100 (CTSP − centre)/centre`.
    pub fn pti_percent(&self) -> [Option<f64>; CIRCLES] {
        self.ctsp().map(|mean| mean.map(|t| 100.0 * (t - self.centre) / self.centre))
    }

    /// Pachymetric progression, ours: along each direction the least-squares slope through the centre of the thickness increase
    /// (% of the centre) over the distance (mm), from the circles that were measured. A direction needs three quarters of the
    /// circles, and the answer three quarters of the directions. Not the Pentacam's progression index, which relates to a
    /// profile of normal eyes that is not public.
    pub fn progression(&self) -> Option<Progression> {
        let slope = |k: usize| {
            let (mut measured, mut top, mut bottom) = (Mean::default(), 0.0, 0.0);
            for (circle, t) in self.samples.iter().skip(k).step_by(DIRECTIONS).enumerate() {
                measured.add(*t, 1.0);
                if t.is_finite() {
                    let r = circle_radius_mm(circle);
                    top += r * 100.0 * (t - self.centre) / self.centre;
                    bottom += r * r;
                }
            }
            measured.value().map(|_| top / bottom)
        };
        let (mut mean, mut minimum, mut maximum) = (Mean::default(), f64::INFINITY, f64::NEG_INFINITY);
        for slope in (0..DIRECTIONS).map(|k| slope(k).unwrap_or(f64::NAN)) {
            mean.add(slope, 1.0);
            minimum = slope.min(minimum);
            maximum = slope.max(maximum);
        }
        mean.value().map(|average| Progression { average, minimum, maximum })
    }
}

/// Ambrósio relational thickness, µm: the thinnest point over a pachymetric progression index. `None` for an index that is not
/// positive.
pub fn art_um(thinnest_um: f64, progression_index: f64) -> Option<f64> {
    (progression_index > 0.0).then(|| thinnest_um / progression_index).filter(|t| t.is_finite())
}

/// Corneal volume of a zone around the vertex, mm³: the integral of a thickness map (µm) over the disc, each cell by its area. A
/// missing cell counts as the mean of its ring; `Ok(None)` where less than three quarters of a ring was measured. The definition
/// is this project's own: thickness as the map gives it, over the projected area.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn corneal_volume_mm3(grid: PolarGrid, thickness_um: &[f64], zone_mm: f64) -> Result<Option<f64>, GridError> {
    let mut volume = (thickness_um.len() == grid.cells()).then_some(0.0);
    for (_, area, row) in zone_of(grid, thickness_um, zone_mm)? {
        let mut ring = Mean::default();
        row.iter().for_each(|t| ring.add(*t, area));
        volume = volume.zip(ring.value()).map(|(v, mean)| v + 1e-3 * mean * area * row.len() as f64);
    }
    Ok(volume)
}
