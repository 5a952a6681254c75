//! The polar grid on which corneal topographers sample the eye.

use thiserror::Error;

use super::square::SquareGrid;

/// Rings × meridians around the corneal vertex: ring `i` has the radius `i · step`, meridian `k` the angle `2πk/meridians`.
///
/// Ring 0 is the vertex itself, repeated once for every meridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolarGrid {
    rings: usize,
    meridians: usize,
    ring_step_mm: f64,
}

/// Where the cells of a map lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grid {
    /// Rings and meridians.
    Polar(PolarGrid),
    /// Rows and columns.
    Square(SquareGrid),
}

impl From<PolarGrid> for Grid {
    fn from(grid: PolarGrid) -> Self {
        Self::Polar(grid)
    }
}

impl From<&PolarGrid> for Grid {
    fn from(grid: &PolarGrid) -> Self {
        Self::Polar(*grid)
    }
}

impl From<&Grid> for Grid {
    fn from(grid: &Grid) -> Self {
        *grid
    }
}

impl From<SquareGrid> for Grid {
    fn from(grid: SquareGrid) -> Self {
        Self::Square(grid)
    }
}

impl Grid {
    /// Number of cells of a map.
    pub fn cells(&self) -> usize {
        match self {
            Self::Polar(grid) => grid.cells(),
            Self::Square(grid) => grid.cells(),
        }
    }

    /// Position of a cell in mm: to the examiner's right and upwards.
    pub fn position_mm(&self, cell: usize) -> (f64, f64) {
        match self {
            Self::Polar(grid) => {
                let (sin, cos) = grid.angle(cell % grid.meridians()).sin_cos();
                let radius = grid.radius_mm(cell / grid.meridians());
                (radius * cos, radius * sin)
            }
            Self::Square(grid) => grid.position_mm(cell),
        }
    }

    /// The map mirrored left to right. `None` for a map of another length, and on a polar grid with an odd number of meridians.
    pub fn mirror(&self, map: &[f64]) -> Option<Vec<f64>> {
        match self {
            Self::Polar(grid) => grid.mirror(map),
            Self::Square(grid) => grid.mirror(map),
        }
    }
}

/// A geometry that no map can have.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum GridError {
    /// The counts or the step are outside what a device can deliver.
    #[error(
        "a polar grid has 2 to 4096 rings, 4 to 4096 meridians, at most 1000000 cells and a step above 0 mm; \
         got {rings} rings, {meridians} meridians, {ring_step_mm} mm"
    )]
    Shape {
        /// Rings asked for.
        rings: usize,
        /// Meridians asked for.
        meridians: usize,
        /// Step asked for, mm.
        ring_step_mm: f64,
    },
    /// A raster of no device.
    #[error(
        "a raster has 2 to 2048 pixels along a side and an extent above 0 and up to 100 mm; got {size} pixels, {extent_mm} mm"
    )]
    Square {
        /// Pixels asked for.
        size: usize,
        /// Extent asked for, mm.
        extent_mm: f64,
    },
    /// A band without width.
    #[error("the inner radius of {inner_mm} mm must be at least 0 and below the outer one of {outer_mm} mm")]
    Band {
        /// Inner radius asked for, mm.
        inner_mm: f64,
        /// Outer radius asked for, mm.
        outer_mm: f64,
    },
    /// A zone that contains no ring or reaches beyond the grid.
    #[error("a zone of radius {radius_mm} mm does not fit a grid that ends at {limit_mm} mm")]
    Zone {
        /// Radius asked for, mm.
        radius_mm: f64,
        /// Radius of the last ring, mm.
        limit_mm: f64,
    },
}

/// Radii that differ by less than this (mm) are the same ring: `15 × 0.2` is not `3.0` in binary.
pub(crate) const SAME_RADIUS_MM: f64 = 1e-9;

impl PolarGrid {
    /// The grid of the CSO MS-39 and Sirius exports: 31 rings of 256 meridians, 0.2 mm apart.
    pub const MS39: Self = Self { rings: 31, meridians: 256, ring_step_mm: 0.2 };

    /// A grid of that many rings and meridians, `ring_step_mm` apart.
    ///
    /// # Errors
    /// [`GridError::Shape`] for counts or a step that no device has.
    pub fn new(rings: usize, meridians: usize, ring_step_mm: f64) -> Result<Self, GridError> {
        let fits = (2..=4096).contains(&rings)
            && (4..=4096).contains(&meridians)
            && rings * meridians <= 1_000_000
            && ring_step_mm > 0.0
            && ring_step_mm.is_finite();
        if fits { Ok(Self { rings, meridians, ring_step_mm }) } else { Err(GridError::Shape { rings, meridians, ring_step_mm }) }
    }

    /// Number of rings, the vertex included.
    pub fn rings(&self) -> usize {
        self.rings
    }

    /// Number of semi-meridians.
    pub fn meridians(&self) -> usize {
        self.meridians
    }

    /// Distance between two rings, mm.
    pub fn ring_step_mm(&self) -> f64 {
        self.ring_step_mm
    }

    /// Number of cells of a map on this grid.
    pub fn cells(&self) -> usize {
        self.rings * self.meridians
    }

    /// Radius of a ring, mm.
    pub fn radius_mm(&self, ring: usize) -> f64 {
        ring as f64 * self.ring_step_mm
    }

    /// Radius of the last ring, mm.
    pub fn max_radius_mm(&self) -> f64 {
        self.radius_mm(self.rings - 1)
    }

    /// Angle of a meridian, radians.
    pub fn angle(&self, meridian: usize) -> f64 {
        std::f64::consts::TAU * meridian as f64 / self.meridians as f64
    }

    /// Sine and cosine of the angle of each meridian.
    pub(crate) fn directions(&self) -> Vec<(f64, f64)> {
        (0..self.meridians).map(|k| self.angle(k).sin_cos()).collect()
    }

    /// Number of rings whose radius is at most `radius_mm`.
    pub fn rings_within(&self, radius_mm: f64) -> usize {
        (0..self.rings).take_while(|&i| self.radius_mm(i) <= radius_mm + SAME_RADIUS_MM).count()
    }

    /// Area (mm²) of one cell of a ring, clipped to the disc of `limit_mm`: from halfway to the previous ring to halfway
    /// to the next one.
    pub fn cell_area_mm2(&self, ring: usize, limit_mm: f64) -> f64 {
        let half = 0.5 * self.ring_step_mm;
        let inner = (self.radius_mm(ring) - half).clamp(0.0, limit_mm);
        let outer = (self.radius_mm(ring) + half).min(limit_mm).max(inner);
        std::f64::consts::PI * (outer * outer - inner * inner) / self.meridians as f64
    }

    /// The number of rings of a circular zone.
    ///
    /// # Errors
    /// [`GridError::Zone`] where the zone reaches beyond the last ring or holds no ring but the vertex.
    pub fn zone_rings(&self, radius_mm: f64) -> Result<usize, GridError> {
        let rings = self.rings_within(radius_mm);
        let fits = radius_mm <= self.max_radius_mm() + SAME_RADIUS_MM && rings >= 2;
        if fits { Ok(rings) } else { Err(GridError::Zone { radius_mm, limit_mm: self.max_radius_mm() }) }
    }

    /// The map of the other eye's frame: mirrored left to right, so that meridian `k` holds what `meridians/2 − k` held.
    /// For an odd number of meridians there is no exact mirror image and the answer is `None`.
    pub fn mirror(&self, map: &[f64]) -> Option<Vec<f64>> {
        let m = self.meridians;
        (m.is_multiple_of(2) && map.len() == self.cells())
            .then(|| map.chunks_exact(m).flat_map(|ring| (0..m).map(move |k| ring[(m / 2 + m - k) % m])).collect())
    }
}
