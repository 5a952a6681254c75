//! Square rasters: the grid on which tomographers export the eye, and values between its pixels.

use super::grid::{Grid, GridError};
use super::resample::{Interpolation, MissingRule, RasterError, Sampler, keys};

/// `size × size` pixels whose outermost centres are `extent_mm` apart, around the corneal vertex; row 0 is superior, column 0
/// at the examiner's left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquareGrid {
    size: usize,
    extent_mm: f64,
}

impl SquareGrid {
    /// The grid of Pentacam exports: 141 × 141 pixels, 0.1 mm apart.
    pub const PENTACAM: Self = Self { size: 141, extent_mm: 14.0 };

    /// A raster of that many pixels along a side.
    ///
    /// # Errors
    /// [`GridError::Square`] for a size or an extent that no device has.
    pub fn new(size: usize, extent_mm: f64) -> Result<Self, GridError> {
        let fits = (2..=2048).contains(&size) && extent_mm > 0.0 && extent_mm <= 100.0;
        if fits { Ok(Self { size, extent_mm }) } else { Err(GridError::Square { size, extent_mm }) }
    }

    /// Pixels along a side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Distance between the outermost pixel centres, mm.
    pub fn extent_mm(&self) -> f64 {
        self.extent_mm
    }

    /// Number of pixels.
    pub fn cells(&self) -> usize {
        self.size * self.size
    }

    /// Distance between neighbouring pixel centres, mm.
    pub fn step_mm(&self) -> f64 {
        self.extent_mm / (self.size as f64 - 1.0)
    }

    /// Radius of the largest disc whose pixels are all there, mm.
    pub fn max_radius_mm(&self) -> f64 {
        0.5 * self.extent_mm
    }

    /// Distance of a column to the examiner's right of the centre, mm; of a row below it.
    fn offset_mm(&self, index: usize) -> f64 {
        // Twice the distance from the centre in steps is a whole number, so that the middle is exactly 0.
        0.5 * (2.0 * index as f64 - (self.size as f64 - 1.0)) * self.step_mm()
    }

    /// Position of a pixel's centre in mm: to the examiner's right and upwards.
    pub fn position_mm(&self, cell: usize) -> (f64, f64) {
        (self.offset_mm(cell % self.size), -self.offset_mm(cell / self.size))
    }

    /// The pixels whose centres lie within the disc of `radius_mm`, with the area of each within that disc, mm².
    ///
    /// # Errors
    /// [`GridError::Zone`] where the disc reaches beyond the raster or holds no pixel.
    pub fn disc(&self, radius_mm: f64) -> Result<Vec<(usize, f64)>, GridError> {
        let mut pixels = Vec::new();
        if radius_mm > 0.0 && radius_mm <= self.max_radius_mm() + 1e-9 {
            for cell in 0..self.cells() {
                let (x, y) = self.position_mm(cell);
                if x.hypot(y) <= radius_mm + 1e-9 {
                    pixels.push((cell, pixel_area_mm2(x, y, self.step_mm(), radius_mm)));
                }
            }
        }
        if pixels.is_empty() { Err(GridError::Zone { radius_mm, limit_mm: self.max_radius_mm() }) } else { Ok(pixels) }
    }

    /// The raster mirrored left to right; `None` for one of another length.
    pub fn mirror(&self, raster: &[f64]) -> Option<Vec<f64>> {
        let mirrored = || raster.chunks_exact(self.size).flat_map(|row| row.iter().rev().copied()).collect();
        (raster.len() == self.cells()).then(mirrored)
    }
}

/// Area of a square pixel within a disc around the origin, mm².
fn pixel_area_mm2(x: f64, y: f64, step: f64, radius: f64) -> f64 {
    let half = 0.5 * step;
    if (x.abs() + half).hypot(y.abs() + half) <= radius {
        return step * step;
    }
    // At the rim: the height within the disc is exact, its integral over the width by midpoints.
    const SLICES: usize = 64;
    let height = |i: usize| {
        let at = x - half + step * (i as f64 + 0.5) / SLICES as f64;
        let reach = (radius * radius - at * at).max(0.0).sqrt();
        ((y + half).min(reach) - (y - half).max(-reach)).max(0.0)
    };
    (0..SLICES).map(height).sum::<f64>() * step / SLICES as f64
}

/// Values of a raster between its pixels: bilinear, or Keys' cubic convolution with a quadratic continuation beyond the edge.
#[derive(Debug, Clone, Copy)]
pub struct SquareSampler {
    grid: SquareGrid,
    method: Interpolation,
    missing: MissingRule,
}

impl SquareSampler {
    /// A sampler of rasters on that grid. Bicubic interpolation needs four pixels along a side; on less it is bilinear.
    pub fn new(grid: SquareGrid, method: Interpolation, missing: MissingRule) -> Self {
        let method = if grid.size() < 4 { Interpolation::Bilinear } else { method };
        Self { grid, method, missing }
    }

    /// The value at a point in mm; `NaN` outside the raster and, by the rule, beside missing pixels.
    pub fn at(&self, raster: &[f64], x_mm: f64, y_mm: f64) -> f64 {
        let last = self.grid.size - 1;
        let place = |mm: f64| {
            let steps = mm / self.grid.step_mm() + 0.5 * last as f64;
            // A pixel that the division by the step misses by rounding is still that pixel.
            let steps = if (steps - steps.round()).abs() < 1e-9 { steps.round() } else { steps };
            let before = steps.floor().clamp(0.0, last.saturating_sub(1) as f64);
            (0.0..=last as f64).contains(&steps).then_some((before as usize, steps - before))
        };
        let (Some((column, u)), Some((row, v))) = (place(x_mm), place(-y_mm)) else { return f64::NAN };
        if raster.len() != self.grid.cells() {
            return f64::NAN;
        }
        match self.method {
            Interpolation::Bilinear => {
                let tap = |i: usize, j: usize| raster.get((row + i) * self.grid.size + column + j).copied().unwrap_or(f64::NAN);
                self.weigh(&[1.0 - v, v], &[1.0 - u, u], tap)
            }
            Interpolation::Bicubic => {
                let tap = |i: usize, j: usize| self.continued(raster, row + i, column + j);
                self.weigh(&keys(v), &keys(u), tap)
            }
        }
    }

    /// The pixel one before `row`, `column`; beyond an edge the quadratic continuation of the three pixels inside.
    fn continued(&self, raster: &[f64], row: usize, column: usize) -> f64 {
        let size = self.grid.size;
        let along = |index: usize, get: &dyn Fn(usize) -> f64| match index {
            0 => 3.0 * get(0) - 3.0 * get(1) + get(2),
            i if i > size => 3.0 * get(size - 1) - 3.0 * get(size - 2) + get(size - 3),
            i => get(i - 1),
        };
        let in_row = |r: usize| along(column, &|c| raster.get(r * size + c).copied().unwrap_or(f64::NAN));
        along(row, &in_row)
    }

    fn weigh(&self, rows: &[f64], columns: &[f64], tap: impl Fn(usize, usize) -> f64) -> f64 {
        let (mut sum, mut valid, mut missing) = (0.0, 0.0, false);
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in columns.iter().enumerate().filter(|(_, b)| **b != 0.0 && *a != 0.0) {
                let value = tap(i, j);
                if value.is_finite() {
                    sum += a * b * value;
                    valid += a * b;
                } else {
                    missing = true;
                }
            }
        }
        match self.missing {
            _ if !missing => sum,
            MissingRule::Lenient if valid >= 0.5 => sum / valid,
            _ => f64::NAN,
        }
    }
}

/// Values of a map between its samples, on either kind of grid.
pub enum GridSampler {
    /// Of a polar map.
    Polar(Sampler),
    /// Of a raster.
    Square(SquareSampler),
}

impl GridSampler {
    /// A sampler of maps on that grid.
    ///
    /// # Errors
    /// [`RasterError::Grid`] where bicubic interpolation is not defined on a polar grid.
    pub fn new(grid: Grid, method: Interpolation, missing: MissingRule) -> Result<Self, RasterError> {
        Ok(match grid {
            Grid::Polar(grid) => Self::Polar(Sampler::new(grid, method, missing)?),
            Grid::Square(grid) => Self::Square(SquareSampler::new(grid, method, missing)),
        })
    }

    /// Values at points `(x, y)` in mm; `NaN` outside the map.
    pub fn sample(&self, map: &[f64], points: &[(f64, f64)]) -> Vec<f64> {
        match self {
            Self::Polar(sampler) => sampler.sample(map, points),
            Self::Square(sampler) => points.iter().map(|(x, y)| sampler.at(map, *x, *y)).collect(),
        }
    }
}
