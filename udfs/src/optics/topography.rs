//! Landmarks and asymmetries of a curvature map with a public definition.

use super::grid::{Grid, GridError, PolarGrid};
use super::keratometry::interpolate_ring;
use super::zone::COVERAGE;

/// A cell of a map: its value and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmark {
    /// Value, in the unit of the map.
    pub value: f64,
    /// To the examiner's right, mm.
    pub x_mm: f64,
    /// Upwards, mm.
    pub y_mm: f64,
}

/// Which extreme is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    /// The smallest value, as for the thinnest point.
    Minimum,
    /// The largest value.
    Maximum,
}

/// The extreme cell within a zone of that diameter. `None` where less than three quarters of the zone's area was measured: the
/// extreme may lie in the rest. Where several are equal it is the innermost of a polar map, the first in reading order of a
/// raster.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn extreme(grid: impl Into<Grid>, map: &[f64], zone_mm: f64, which: Extreme) -> Result<Option<Landmark>, GridError> {
    let (grid, radius) = (grid.into(), 0.5 * zone_mm);
    let mut search = Search { which, best: None, measured: 0.0, all: 0.0 };
    match grid {
        Grid::Polar(polar) => {
            let rings = polar.zone_rings(radius)?;
            for (i, ring) in map.chunks_exact(polar.meridians()).enumerate().take(rings) {
                let area = polar.cell_area_mm2(i, radius);
                ring.iter().enumerate().for_each(|(k, v)| search.add(i * polar.meridians() + k, *v, area));
            }
        }
        Grid::Square(square) => {
            for (cell, area) in square.disc(radius)? {
                search.add(cell, map.get(cell).copied().unwrap_or(f64::NAN), area);
            }
        }
    }
    let enough = search.measured >= (COVERAGE - 1e-9) * search.all;
    Ok(search.best.filter(|_| enough).map(|(cell, value)| {
        let (x_mm, y_mm) = grid.position_mm(cell);
        Landmark { value, x_mm, y_mm }
    }))
}

/// The extreme cell so far, and the areas that were looked at.
struct Search {
    which: Extreme,
    best: Option<(usize, f64)>,
    measured: f64,
    all: f64,
}

impl Search {
    fn add(&mut self, cell: usize, value: f64, area: f64) {
        self.all += area;
        if !value.is_finite() {
            return;
        }
        self.measured += area;
        let better = self.best.is_none_or(|(_, best)| match self.which {
            Extreme::Minimum => value < best,
            Extreme::Maximum => value > best,
        });
        if better {
            self.best = Some((cell, value));
        }
    }
}

/// Inferior − superior value in the unit of the map: the mean of five points 30° apart on the 3 mm circle below (210° to 330°)
/// minus that of the five above (30° to 150°), after Rabinowitz (1995). Linear between samples. `None` where the map does not
/// reach 3 mm or one of the ten points is missing.
pub fn inferior_superior(grid: PolarGrid, map: &[f64]) -> Option<f64> {
    let circle = interpolate_ring(grid, map, 3.0).ok()?;
    let at = |degrees: f64| {
        let position = degrees / 360.0 * circle.len() as f64;
        let (before, fraction) = (position as usize, position.fract());
        let (a, b) = (circle.get(before)?, circle.get((before + 1) % circle.len())?);
        let value = if fraction == 0.0 { *a } else { a + fraction * (b - a) };
        value.is_finite().then_some(value)
    };
    let mean = |from: f64| (0..5).map(|i| at(from + 30.0 * f64::from(i))).sum::<Option<f64>>().map(|s| s / 5.0);
    Some(mean(210.0)? - mean(30.0)?)
}

/// Skew of the steepest radial axes in degrees: 180 minus the smaller angle between the steepest superior and the steepest
/// inferior semi-meridian of a power map (Rabinowitz and Rasheed 1999). The power of a semi-meridian is its mean from 0.5 to
/// 2.5 mm. `None` where fewer than three quarters of the semi-meridians of a side were measured over three quarters of that
/// length: the steepest may be among the others.
pub fn srax_deg(grid: PolarGrid, power_d: &[f64]) -> Option<f64> {
    let meridians = grid.meridians();
    let rings: Vec<usize> = (0..grid.rings()).filter(|&i| (0.5..=2.5).contains(&grid.radius_mm(i))).collect();
    let mean = |k: usize| {
        let values = rings.iter().filter_map(|i| power_d.get(i * meridians + k)).filter(|v| v.is_finite());
        let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), v| (sum + v, count + 1));
        (count > 0 && f64::from(count) >= COVERAGE * rings.len() as f64).then(|| sum / f64::from(count))
    };
    let steepest = |side: std::ops::Range<usize>| {
        let all = side.len();
        let known: Vec<(usize, f64)> = side.filter_map(|k| mean(k).map(|power| (k, power))).collect();
        let best = known.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (known.len() as f64 >= COVERAGE * all as f64).then(|| grid.angle(best.0).to_degrees())
    };
    let apart = steepest(meridians / 2 + 1..meridians)? - steepest(1..meridians.div_ceil(2))?;
    Some(180.0 - apart.min(360.0 - apart))
}
