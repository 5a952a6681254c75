//! From the polar grid to a square raster and to single points.

use super::grid::{PolarGrid, SAME_RADIUS_MM};
use thiserror::Error;

/// How values between the samples are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// Linear in radius and angle: four samples, second-order accurate.
    Bilinear,
    /// Keys (1981) cubic convolution, a = −½: sixteen samples, third-order accurate. Rings continue through the centre
    /// (`f(−r, t) = f(r, t+π)`) and a quadratic continuation stands beyond the last ring.
    Bicubic,
}

/// What a missing sample does to a value that would use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissingRule {
    /// The value is missing.
    Strict,
    /// The other samples share the weight, if they hold at least half of it.
    Lenient,
}

/// A raster that cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RasterError {
    /// The size is out of range.
    #[error("the size of a raster is 2 to 2048 pixels, got {0}")]
    Size(usize),
    /// The extent is not a length.
    #[error("extent_mm is the full width of the raster in mm, above 0 and at most 100; got {0}")]
    Extent(f64),
    /// Bicubic interpolation continues rings through the centre, which needs opposite meridians and four rings.
    #[error("bicubic interpolation needs at least 4 rings and an even number of meridians")]
    Grid,
}

/// Where a point lies between the samples.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Cell of the padded map: ring and meridian at or before the point; `OUTSIDE` beyond the last ring.
    base: u32,
    ring_fraction: f64,
    meridian_fraction: f64,
}

const OUTSIDE: u32 = u32::MAX;

/// A prepared raster: `size × size` pixels whose outermost centres are `extent_mm` apart; row 0 is superior, column 0 at the
/// examiner's left.
pub struct Raster {
    sampler: Sampler,
    size: usize,
    /// Places of the pixels within the grid, row after row.
    places: Vec<Place>,
    /// First column and number of the pixels within the grid, for each row.
    rows: Vec<(usize, usize)>,
}

impl Raster {
    /// Prepares the raster.
    ///
    /// # Errors
    /// For a size or an extent out of range, or a grid on which bicubic interpolation is not defined.
    pub fn new(
        grid: PolarGrid,
        size: usize,
        extent_mm: f64,
        method: Interpolation,
        missing: MissingRule,
    ) -> Result<Self, RasterError> {
        if !(2..=2048).contains(&size) {
            return Err(RasterError::Size(size));
        }
        if !(extent_mm > 0.0 && extent_mm <= 100.0) {
            return Err(RasterError::Extent(extent_mm));
        }
        let sampler = Sampler::new(grid, method, missing)?;
        let at = |i: usize| extent_mm * (i as f64 / (size as f64 - 1.0) - 0.5);
        // A row meets the disc in one run of pixels, so that only those need a place.
        let (mut places, mut rows) = (Vec::new(), Vec::with_capacity(size));
        for row in 0..size {
            let inside: Vec<(usize, Place)> =
                (0..size).map(|c| (c, sampler.place(at(c), -at(row)))).filter(|(_, p)| p.base != OUTSIDE).collect();
            rows.push((inside.first().map_or(0, |(column, _)| *column), inside.len()));
            places.extend(inside.into_iter().map(|(_, place)| place));
        }
        Ok(Self { sampler, size, places, rows })
    }

    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        size_of_val(self.places.as_slice()) + size_of_val(self.rows.as_slice())
    }

    /// Pixels along one side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends the pixels of one map, row after row; missing pixels are `NaN`. A map of another length gives only `NaN`.
    pub fn apply(&self, map: &[f64], pixels: &mut Vec<f64>, padded: &mut Vec<f64>) {
        let end = pixels.len() + self.size * self.size;
        if !self.sampler.pad(map, padded) {
            pixels.resize(end, f64::NAN);
            return;
        }
        pixels.reserve(self.size * self.size);
        let (sampler, stride) = (&self.sampler, self.sampler.stride());
        let mut rest = self.places.as_slice();
        for &(first, count) in &self.rows {
            let Some((places, others)) = rest.split_at_checked(count) else { break };
            rest = others;
            let row = pixels.len();
            pixels.resize(row + first, f64::NAN);
            match sampler.method {
                Interpolation::Bilinear => pixels.extend(places.iter().map(|p| sampler.bilinear(padded, p, stride))),
                Interpolation::Bicubic => pixels.extend(places.iter().map(|p| sampler.bicubic(padded, p, stride))),
            }
            pixels.resize(row + self.size, f64::NAN);
        }
    }
}

/// Values of a map between its samples.
pub struct Sampler {
    grid: PolarGrid,
    method: Interpolation,
    missing: MissingRule,
}

impl Sampler {
    /// A sampler of maps on that grid.
    ///
    /// # Errors
    /// [`RasterError::Grid`] where bicubic interpolation is not defined on the grid.
    pub fn new(grid: PolarGrid, method: Interpolation, missing: MissingRule) -> Result<Self, RasterError> {
        let fits = grid.rings() >= 4 && grid.meridians().is_multiple_of(2);
        if method == Interpolation::Bicubic && !fits {
            return Err(RasterError::Grid);
        }
        Ok(Self { grid, method, missing })
    }

    /// Cells before a ring's first sample, in the padded map.
    fn lead(&self) -> usize {
        usize::from(self.method == Interpolation::Bicubic)
    }

    fn stride(&self) -> usize {
        self.grid.meridians() + if self.method == Interpolation::Bicubic { 3 } else { 1 }
    }

    fn place(&self, x: f64, y: f64) -> Place {
        let (rings, meridians) = (self.grid.rings(), self.grid.meridians());
        let outside = Place { base: OUTSIDE, ring_fraction: 0.0, meridian_fraction: 0.0 };
        let radius = x.hypot(y);
        if radius.is_nan() || radius > self.grid.max_radius_mm() + SAME_RADIUS_MM {
            return outside;
        }
        // A sample that the division by the step misses by rounding is still that sample.
        let snap = |v: f64| if (v - v.round()).abs() < 1e-12 * v.abs().max(1.0) { v.round() } else { v };
        let u = snap(radius / self.grid.ring_step_mm());
        let turn = y.atan2(x).rem_euclid(std::f64::consts::TAU) / std::f64::consts::TAU;
        let v = snap(turn * meridians as f64);
        let ring = (u as usize).min(rings - 2);
        let mut meridian = v as usize;
        let meridian_fraction = v - meridian as f64;
        if meridian >= meridians {
            meridian = 0;
        }
        let base = (ring + self.lead()) * self.stride() + meridian + self.lead();
        Place { base: u32::try_from(base).unwrap_or(OUTSIDE), ring_fraction: u - ring as f64, meridian_fraction }
    }

    /// Copies a map with the neighbours that the interpolation needs beyond its seams. False for another length.
    fn pad(&self, map: &[f64], padded: &mut Vec<f64>) -> bool {
        let meridians = self.grid.meridians();
        if map.len() != self.grid.cells() {
            return false;
        }
        padded.clear();
        padded.reserve((self.grid.rings() + 2) * self.stride());
        match self.method {
            Interpolation::Bilinear => {
                for ring in map.chunks_exact(meridians) {
                    padded.extend_from_slice(ring);
                    padded.push(ring[0]);
                }
            }
            Interpolation::Bicubic => {
                let half = meridians / 2;
                let mut push = |ring: &dyn Fn(usize) -> f64| {
                    padded.extend((0..meridians + 3).map(|k| ring((k + meridians - 1) % meridians)));
                };
                push(&|k| map[meridians + (k + half) % meridians]);
                for ring in map.chunks_exact(meridians) {
                    push(&|k| ring[k]);
                }
                let last = map.len() - meridians;
                push(&|k| 3.0 * map[last + k] - 3.0 * map[last - meridians + k] + map[last - 2 * meridians + k]);
            }
        }
        true
    }

    #[inline]
    fn at(&self, padded: &[f64], place: &Place) -> f64 {
        match self.method {
            Interpolation::Bilinear => self.bilinear(padded, place, self.stride()),
            Interpolation::Bicubic => self.bicubic(padded, place, self.stride()),
        }
    }

    #[inline]
    fn bilinear(&self, padded: &[f64], place: &Place, stride: usize) -> f64 {
        let base = place.base as usize;
        let (Some([a, b]), Some([c, d])) = (chunk::<2>(padded, base), chunk::<2>(padded, base.wrapping_add(stride))) else {
            return f64::NAN;
        };
        let (u, v) = (place.ring_fraction, place.meridian_fraction);
        let near = a + v * (b - a);
        let far = c + v * (d - c);
        let value = near + u * (far - near);
        if value.is_finite() { value } else { self.at_missing(padded, place) }
    }

    #[inline]
    fn bicubic(&self, padded: &[f64], place: &Place, stride: usize) -> f64 {
        let rings = keys(place.ring_fraction);
        let [a, b, c, d] = keys(place.meridian_fraction);
        let first = (place.base as usize).wrapping_sub(1 + stride);
        let mut value = 0.0;
        for (i, weight) in rings.iter().enumerate() {
            let from = first.wrapping_add(i * stride);
            let Some([p, q, r, s]) = chunk::<4>(padded, from) else { return f64::NAN };
            value += weight * (a * p + b * q + c * r + d * s);
        }
        if value.is_finite() { value } else { self.at_missing(padded, place) }
    }

    /// The value beside a missing sample: samples without weight do not count, and the rule decides on the others.
    #[cold]
    fn at_missing(&self, padded: &[f64], place: &Place) -> f64 {
        let (u, v) = (place.ring_fraction, place.meridian_fraction);
        let (ring_weights, meridian_weights, from) = match self.method {
            Interpolation::Bilinear => ([1.0 - u, u, 0.0, 0.0], [1.0 - v, v, 0.0, 0.0], place.base as usize),
            Interpolation::Bicubic => (keys(u), keys(v), (place.base as usize).wrapping_sub(1 + self.stride())),
        };
        let (mut sum, mut valid, mut missing) = (0.0, 0.0, false);
        for (i, a) in ring_weights.iter().enumerate() {
            for (k, b) in meridian_weights.iter().enumerate() {
                let weight = a * b;
                if weight == 0.0 {
                    continue;
                }
                match padded.get(from.wrapping_add(i * self.stride() + k)) {
                    Some(v) if v.is_finite() => {
                        sum += weight * v;
                        valid += weight;
                    }
                    _ => missing = true,
                }
            }
        }
        match self.missing {
            _ if !missing => sum,
            MissingRule::Lenient if valid >= 0.5 => sum / valid,
            _ => f64::NAN,
        }
    }

    /// Values at points `(x, y)` in mm; `NaN` outside the grid.
    pub fn sample(&self, map: &[f64], points: &[(f64, f64)]) -> Vec<f64> {
        let mut padded = Vec::new();
        if !self.pad(map, &mut padded) {
            return vec![f64::NAN; points.len()];
        }
        points.iter().map(|&(x, y)| self.at(&padded, &self.place(x, y))).collect()
    }
}

/// `N` neighbours from a position on; their number is known to the compiler, so that reading them needs no check.
#[inline]
fn chunk<const N: usize>(padded: &[f64], from: usize) -> Option<&[f64; N]> {
    padded.get(from..)?.first_chunk()
}

/// Weights of the four samples around a fraction: Keys' cubic convolution with a = −½.
#[inline]
pub(crate) fn keys(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [0.5 * (-t + 2.0 * t2 - t3), 0.5 * (2.0 - 5.0 * t2 + 3.0 * t3), 0.5 * (t + 4.0 * t2 - 3.0 * t3), 0.5 * (-t2 + t3)]
}
