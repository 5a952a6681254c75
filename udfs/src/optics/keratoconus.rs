//! Indices of keratoconus that are read off an axial power map and whose definition is public. As in [`super::zone`], an average
//! needs three quarters of its area measured.

use std::f64::consts::TAU;

use super::grid::{GridError, PolarGrid, SAME_RADIUS_MM};
use super::indices;
use super::keratometry::{SimKMethod, interpolate_ring, sim_k_of_power};
use super::topography::{inferior_superior, srax_deg};
use super::zone::{Mean, zone_of};

/// Central keratometry: the mean power of the rings of 2, 3 and 4 mm diameter (as KISA takes it; PMC7853137, table 1a), in the
/// unit of the map; linear between rings. `None` where less than three quarters of one of them was measured.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 2 mm.
pub fn central_k(grid: PolarGrid, power_d: &[f64]) -> Result<Option<f64>, GridError> {
    let mut total = Some(0.0);
    for radius in [1.0, 1.5, 2.0] {
        let mut ring = Mean::default();
        interpolate_ring(grid, power_d, radius)?.into_iter().for_each(|k| ring.add(k, 1.0));
        total = total.zip(ring.value()).map(|(sum, mean)| sum + mean / 3.0);
    }
    Ok(total)
}

/// KISA % of an axial power map: [`indices::kisa`] of its [`central_k`], [`inferior_superior`], [`srax_deg`] and the difference
/// of its simulated keratometry by [`SimKMethod::Meridian`]. `None` where one of the four is.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 2 mm.
pub fn kisa(grid: PolarGrid, power_d: &[f64]) -> Result<Option<f64>, GridError> {
    let (Some(central), Some(k)) = (central_k(grid, power_d)?, sim_k_of_power(grid, power_d, 3.0, SimKMethod::Meridian)?) else {
        return Ok(None);
    };
    let skew = inferior_superior(grid, power_d).zip(srax_deg(grid, power_d));
    Ok(skew.map(|(is, srax)| indices::kisa(central, is, k.steep_d - k.flat_d, srax)))
}

/// Centre/surround index of Maeda et al. (1994), in the unit of the map: the mean within 3 mm diameter minus the mean of the
/// annulus from 3 to 6 mm, both weighted by area. `None` where less than three quarters of one of the two was measured.
///
/// # Errors
/// [`GridError::Zone`] for a grid that ends before 3 mm.
pub fn center_surround(grid: PolarGrid, power_d: &[f64]) -> Result<Option<f64>, GridError> {
    let (mut centre, mut surround) = (Mean::default(), Mean::default());
    for (i, (_, area, row)) in zone_of(grid, power_d, 6.0)?.enumerate() {
        let inner = grid.cell_area_mm2(i, 1.5);
        for k in row {
            centre.add(*k, inner);
            surround.add(*k, area - inner);
        }
    }
    Ok(centre.value().zip(surround.value()).map(|(c, s)| c - s))
}

/// Diameter of the spot that the cone location and magnitude index looks for, mm.
pub const SPOT_MM: f64 = 2.0;

/// Least distance in radius between two spots that it looks at, mm.
const CENTRE_STEP_MM: f64 = 0.05;

/// The steepest spot of a power map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cone {
    /// Cone location and magnitude index, in the unit of the map.
    pub clmi: f64,
    /// Mean of the steepest spot minus the mean of the rest of the zone.
    pub m1: f64,
    /// The same for the spot opposite to it.
    pub m2: f64,
    /// Centre of the steepest spot, to the examiner's right, mm.
    pub x_mm: f64,
    /// Centre of the steepest spot, upwards, mm.
    pub y_mm: f64,
}

/// Cone location and magnitude index of a power map (Mahmoud et al. 2008, as the SmartKC project computes it).
///
/// The steepest 2 mm spot within a zone (8 mm by custom) is found; `M1` is its mean minus the mean of the zone outside it, `M2`
/// the same for the spot mirrored in the vertex. CLMI is `M1 − M2`, or `M1 − (d/r) M2` where the spot's centre lies nearer to the
/// vertex than its radius r, at the distance d. Spots are centred on cells and lie within the zone as a whole; cells weigh by
/// area. Centres lie at least 0.05 mm apart in radius. The first of equals, from the vertex outwards. Spots that were measured to less than three quarters are not looked at;
/// `None` where that is so of the opposite spot or of the rest of the zone.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid or is narrower than the spot.
pub fn cone(grid: PolarGrid, power_d: &[f64], zone_mm: f64) -> Result<Option<Cone>, GridError> {
    let (meridians, spot) = (grid.meridians(), 0.5 * SPOT_MM);
    let reach = 0.5 * zone_mm - spot;
    if reach < 0.0 {
        return Err(GridError::Zone { radius_mm: 0.5 * zone_mm, limit_mm: grid.max_radius_mm() });
    }
    let rings: Vec<RunningRing> =
        zone_of(grid, power_d, zone_mm)?.map(|(radius, area, row)| RunningRing::new(radius, area, row)).collect();
    let whole = rings.iter().fold(Mean::default(), |total, ring| total.plus(ring.window(0, meridians)));
    let at = |centre: &[Option<usize>], k: usize| {
        let parts = rings.iter().zip(centre).filter_map(|(ring, half)| half.map(|h| (ring, h)));
        parts.fold(Mean::default(), |total, (ring, half)| {
            let count = (2 * half + 1).min(meridians);
            total.plus(ring.window(k + meridians - half.min(meridians / 2), count))
        })
    };
    let mut best: Option<(f64, Mean, usize, usize)> = None;
    // A finer search costs more than it finds.
    let stride = (CENTRE_STEP_MM / grid.ring_step_mm()).ceil().max(1.0) as usize;
    for i in (0..grid.rings_within(reach).min(rings.len())).step_by(stride) {
        let reaches: Vec<Option<usize>> = rings.iter().map(|r| r.half_width(grid.radius_mm(i), spot, meridians)).collect();
        // The vertex is one point, however often the grid repeats it.
        for k in 0..if i == 0 { 1 } else { meridians } {
            let here = at(&reaches, k);
            if let Some(mean) = here.value()
                && best.is_none_or(|(steepest, ..)| mean > steepest + 1e-12 * steepest.abs())
            {
                best = Some((mean, here, i, k));
            }
        }
    }
    let Some((mean, here, i, k)) = best else { return Ok(None) };
    let reaches: Vec<Option<usize>> = rings.iter().map(|r| r.half_width(grid.radius_mm(i), spot, meridians)).collect();
    // An odd number of meridians has none exactly opposite; the next one stands for it.
    let opposite = at(&reaches, (k + meridians / 2) % meridians);
    let against_rest = |spot: Mean, mean: f64| whole.minus(spot).value().map(|rest| mean - rest);
    let (Some(m1), Some(m2)) = (against_rest(here, mean), opposite.value().and_then(|m| against_rest(opposite, m))) else {
        return Ok(None);
    };
    let distance = grid.radius_mm(i);
    let share = if distance + SAME_RADIUS_MM < spot { distance / spot } else { 1.0 };
    let (sin, cos) = grid.angle(k).sin_cos();
    Ok(Some(Cone { clmi: m1 - share * m2, m1, m2, x_mm: distance * cos, y_mm: distance * sin }))
}

/// A ring with running sums twice around, so that the sum of any run of cells is one subtraction.
struct RunningRing {
    radius_mm: f64,
    area: f64,
    /// Sum and count of the measured cells before each cell.
    before: Vec<(f64, f64)>,
}

impl RunningRing {
    fn new(radius_mm: f64, area: f64, row: &[f64]) -> Self {
        let mut running = (0.0, 0.0);
        let mut before = Vec::with_capacity(2 * row.len() + 1);
        before.push(running);
        for v in row.iter().chain(row) {
            if v.is_finite() {
                running = (running.0 + v, running.1 + 1.0);
            }
            before.push(running);
        }
        Self { radius_mm, area, before }
    }

    /// Sums of `count` cells from a cell on, which may lie up to one turn beyond the first.
    fn window(&self, from: usize, count: usize) -> Mean {
        let from = from % (self.before.len() / 2).max(1);
        let (Some(a), Some(b)) = (self.before.get(from), self.before.get(from + count)) else { return Mean::default() };
        Mean::of_sums(self.area * (b.0 - a.0), self.area * (b.1 - a.1), self.area * count as f64)
    }

    /// How many cells on either side of a meridian lie within a spot that is centred on it; `None` where not even the cell on
    /// the meridian does.
    fn half_width(&self, centre_mm: f64, spot_mm: f64, meridians: usize) -> Option<usize> {
        if (self.radius_mm - centre_mm).abs() > spot_mm + SAME_RADIUS_MM {
            return None;
        }
        if self.radius_mm + centre_mm <= spot_mm + SAME_RADIUS_MM {
            return Some(meridians / 2);
        }
        let (a, b, c) = (self.radius_mm, centre_mm, spot_mm);
        let angle = ((a * a + b * b - c * c) / (2.0 * a * b)).clamp(-1.0, 1.0).acos();
        Some(((angle / TAU * meridians as f64 + 1e-9) as usize).min(meridians / 2))
    }
}
