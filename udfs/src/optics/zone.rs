//! Averages over a circular zone of a polar map that know how much of it was measured.
//!
//! An index that averages an area gives no answer where less than [`COVERAGE`] of that area was measured: what a lid hides is
//! not like what it leaves.

use super::grid::{GridError, PolarGrid};

/// Share of an area (or of a ring) that an average needs to have measured.
pub const COVERAGE: f64 = 0.75;

/// A mean that knows how much of what it should hold was measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mean {
    sum: f64,
    measured: f64,
    all: f64,
}

impl Mean {
    /// From a weighted sum of values, its weight, and the weight with the missing values.
    pub(crate) fn of_sums(sum: f64, measured: f64, all: f64) -> Self {
        Self { sum, measured, all }
    }

    /// Of both.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, measured: self.measured + other.measured, all: self.all + other.all }
    }

    /// Of what is not in the other, which is a part of it.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self { sum: self.sum - other.sum, measured: self.measured - other.measured, all: self.all - other.all }
    }

    /// Counts a value with a weight; one that is not finite counts as missing.
    pub(crate) fn add(&mut self, value: f64, weight: f64) {
        self.all += weight;
        if value.is_finite() {
            self.sum += weight * value;
            self.measured += weight;
        }
    }

    /// The mean, where at least [`COVERAGE`] was measured.
    pub(crate) fn value(&self) -> Option<f64> {
        // Rounding of the sums must not decide.
        let enough = self.measured > 0.0 && self.measured >= (COVERAGE - 1e-9) * self.all;
        enough.then(|| self.sum / self.measured)
    }
}

/// The rings of a zone of that diameter, each with its radius (mm), the area of one of its cells clipped to the zone (mm²) and
/// its values. None for a map of another length than the grid has cells.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub(crate) fn zone_of(
    grid: PolarGrid,
    map: &[f64],
    zone_mm: f64,
) -> Result<impl Iterator<Item = (f64, f64, &[f64])> + Clone, GridError> {
    let limit = 0.5 * zone_mm;
    let rings = grid.zone_rings(limit)?;
    let map = if map.len() == grid.cells() { map } else { &[] };
    let rows = map.chunks_exact(grid.meridians()).take(rings).enumerate();
    Ok(rows.map(move |(i, row)| (grid.radius_mm(i), grid.cell_area_mm2(i, limit), row)))
}

/// Share of a zone's area that was measured, %: the analysed area of Maeda et al. (1994), there for 8 mm.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn analyzed_area_percent(grid: PolarGrid, map: &[f64], zone_mm: f64) -> Result<f64, GridError> {
    let (mut measured, mut all) = (0.0, 0.0);
    for (_, area, row) in zone_of(grid, map, zone_mm)? {
        all += area * row.len() as f64;
        measured += area * row.iter().filter(|v| v.is_finite()).count() as f64;
    }
    Ok(if all > 0.0 { 100.0 * measured / all } else { 0.0 })
}
