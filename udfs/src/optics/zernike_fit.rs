//! Least-squares Zernike coefficients of a map on a polar grid.
//!
//! The sums over the meridians separate from the sums over the rings: thirteen angular moments a ring (order 6), then
//! small blocks. On a complete map different angular frequencies do not couple, so the fit is a table of weights. With
//! missing cells the Gram matrix follows from the angular moments of the mask, because a product of two cosines is a sum
//! of two cosines; a Cholesky factorisation then solves it. Both ways give the least-squares solution itself.

use super::{
    grid::{GridError, PolarGrid},
    linalg::Cholesky,
    moments::AngularMoments,
    zernike,
};
use thiserror::Error;

/// What a sample counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weighting {
    /// The area of the cell, clipped to the fitted disc: close to the projection of the continuous surface.
    Area,
    /// One for each sample: the vertex, which the grid repeats for each meridian, counts many times.
    Uniform,
}

/// Whether the coefficients can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitStatus {
    /// The condition number of the Gram matrix is at most 1e4.
    Ok,
    /// The condition number is between 1e4 and 1e7: coefficients are given, to be read with care.
    IllConditioned,
    /// Too little of the disc was measured; there are no coefficients.
    NotFittable,
}

impl FitStatus {
    /// The status of a condition number.
    pub(crate) fn of(condition: f64) -> Self {
        match condition {
            c if c <= CONDITION_OK => Self::Ok,
            c if c <= CONDITION_LIMIT => Self::IllConditioned,
            _ => Self::NotFittable,
        }
    }

    /// The word that tables show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::IllConditioned => "ill_conditioned",
            Self::NotFittable => "not_fittable",
        }
    }
}

/// A fit with what is needed to judge it.
#[derive(Debug, Clone)]
pub struct FitDetail {
    /// Coefficients in OSA/ANSI order, in the unit of the map; `None` where not fittable.
    pub coefficients: Option<Vec<f64>>,
    /// Root mean square of the samples minus the fit, weighted as the fit, in the unit of the map.
    pub residual_rms: Option<f64>,
    /// Measured share of the area of the disc, 0 to 1.
    pub coverage: f64,
    /// 2-norm condition number of the Gram matrix; infinite where it is singular.
    pub condition: f64,
    /// Whether the coefficients can be trusted.
    pub status: FitStatus,
}

/// A fit that cannot be set up.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// The order is beyond what is supported.
    #[error("max_order is 0 to {limit}, got {max_order}")]
    Order {
        /// Order asked for.
        max_order: usize,
        /// Highest order supported.
        limit: usize,
    },
    /// The disc does not fit the grid.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The grid is too coarse for the order.
    #[error("{rings} rings of {meridians} meridians within {radius_mm} mm do not determine Zernike terms of order {max_order}")]
    TooCoarse {
        /// Rings within the disc.
        rings: usize,
        /// Meridians.
        meridians: usize,
        /// Radius of the disc, mm.
        radius_mm: f64,
        /// Order asked for.
        max_order: usize,
    },
    /// The raster is too coarse for the order.
    #[error("{pixels} pixels within {radius_mm} mm do not determine Zernike terms of order {max_order}")]
    RasterTooCoarse {
        /// Pixels within the disc.
        pixels: usize,
        /// Radius of the disc, mm.
        radius_mm: f64,
        /// Order asked for.
        max_order: usize,
    },
    /// The raster is finer than one fit can hold.
    #[error("{pixels} pixels are too many for a fit of order {max_order}; make the raster coarser or the order lower")]
    TooFine {
        /// Pixels within the disc.
        pixels: usize,
        /// Order asked for.
        max_order: usize,
    },
}

/// Condition numbers up to this are unremarkable.
const CONDITION_OK: f64 = 1e4;
/// Condition numbers above this lose too many digits.
const CONDITION_LIMIT: f64 = 1e7;

/// A prepared fit: one grid, one disc, one order, one weighting. Building it costs about as much as ten fits.
pub struct ZernikeFitter {
    grid: PolarGrid,
    rings: usize,
    terms: usize,
    moments: AngularMoments,
    mask_moments: AngularMoments,
    /// Weight of a sample of each ring; the weights of all samples sum to one.
    weights: Vec<f64>,
    /// `N R(n,|m|)(ρ)` of each term on each ring: `terms × rings`.
    radial: Vec<f64>,
    /// Signed `m` of each term.
    frequency: Vec<i32>,
    /// Row of each term that turns the moments of its own `m` into its coefficient: `terms × rings`.
    solve: Vec<f64>,
    condition: f64,
}

/// Buffers that one thread reuses from map to map.
#[derive(Default)]
pub struct Workspace {
    folded: Vec<[f64; 4]>,
    cosine: Vec<f64>,
    sine: Vec<f64>,
    ring: Vec<f64>,
}

impl ZernikeFitter {
    /// Prepares fits of order `max_order` on the disc of `radius_mm`.
    ///
    /// # Errors
    /// Where the disc does not fit the grid, the order is too high, or the grid too coarse for it.
    pub fn new(grid: PolarGrid, radius_mm: f64, max_order: usize, weighting: Weighting) -> Result<Self, FitError> {
        if max_order > zernike::MAX_ORDER {
            return Err(FitError::Order { max_order, limit: zernike::MAX_ORDER });
        }
        let rings = grid.zone_rings(radius_mm)?;
        let too_coarse = FitError::TooCoarse { rings, meridians: grid.meridians(), radius_mm, max_order };
        if grid.meridians() <= 2 * max_order || rings <= max_order / 2 + 1 {
            return Err(too_coarse);
        }
        let terms = zernike::term_count(max_order);
        let per_ring = grid.meridians() as f64;
        let raw: Vec<f64> = match weighting {
            Weighting::Area => (0..rings).map(|i| grid.cell_area_mm2(i, radius_mm)).collect(),
            Weighting::Uniform => vec![1.0; rings],
        };
        let total = raw.iter().sum::<f64>() * per_ring;
        let weights: Vec<f64> = raw.iter().map(|w| w / total).collect();
        let frequency: Vec<i32> = (0..terms).map(|j| zernike::order(j).1).collect();
        let mut radial = Vec::with_capacity(terms * rings);
        for j in 0..terms {
            let (n, m) = zernike::order(j);
            let (norm, absolute) = (zernike::norm(n, m), m.unsigned_abs() as usize);
            radial.extend((0..rings).map(|i| norm * zernike::radial(n, absolute, grid.radius_mm(i) / radius_mm)));
        }
        let mut fitter = Self {
            grid,
            rings,
            terms,
            moments: AngularMoments::new(grid.meridians(), max_order),
            mask_moments: AngularMoments::new(grid.meridians(), 2 * max_order),
            weights,
            radial,
            frequency,
            solve: vec![0.0; terms * rings],
            condition: 1.0,
        };
        let (cosine, sine) = fitter.complete_mask();
        let gram = fitter.gram(&cosine, &sine);
        let factor = Cholesky::new(&gram, terms).ok_or(too_coarse.clone())?;
        fitter.condition = factor.condition(&gram);
        if FitStatus::of(fitter.condition) == FitStatus::NotFittable {
            return Err(too_coarse);
        }
        fitter.prepare_solution(&factor);
        Ok(fitter)
    }

    /// Number of coefficients.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// The grid of the maps.
    pub fn grid(&self) -> PolarGrid {
        self.grid
    }

    /// Number of leading cells of a map that lie within the fitted disc; the others are never read.
    pub fn cells_read(&self) -> usize {
        self.rings * self.grid.meridians()
    }

    /// Writes the coefficients of one map. Cells that are not finite are missing. On [`FitStatus::NotFittable`] the
    /// content of `out` has no meaning.
    pub fn fit(&self, map: &[f64], out: &mut [f64], work: &mut Workspace) -> FitStatus {
        let Some(map) = map.get(..self.cells_read()).filter(|_| out.len() == self.terms) else {
            return FitStatus::NotFittable;
        };
        self.data_moments(map, work);
        let rings = self.rings;
        for (j, c) in out.iter_mut().enumerate() {
            let (m, row) = (self.frequency[j], &self.solve[j * rings..(j + 1) * rings]);
            let at = m.unsigned_abs() as usize * rings;
            let source = if m < 0 { &work.sine } else { &work.cosine };
            *c = dot(row, &source[at..at + rings]);
        }
        // A missing cell makes its ring's moments, and with them these sums, NaN.
        if out.iter().all(|c| c.is_finite()) {
            return FitStatus::of(self.condition);
        }
        self.fit_masked(map, out, work).0
    }

    /// One map with residual, coverage, condition and status.
    pub fn detail(&self, map: &[f64], work: &mut Workspace) -> FitDetail {
        let nothing = FitDetail {
            coefficients: None,
            residual_rms: None,
            coverage: 0.0,
            condition: f64::INFINITY,
            status: FitStatus::NotFittable,
        };
        let Some(map) = map.get(..self.cells_read()) else { return nothing };
        let meridians = self.grid.meridians();
        let last = self.grid.radius_mm(self.rings - 1);
        let (mut measured, mut area) = (0.0, 0.0);
        for (i, ring) in map.chunks_exact(meridians).enumerate() {
            let cell = self.grid.cell_area_mm2(i, last + 0.5 * self.grid.ring_step_mm());
            measured += cell * ring.iter().filter(|z| z.is_finite()).count() as f64;
            area += cell * meridians as f64;
        }
        let coverage = measured / area;
        let mut coefficients = vec![0.0; self.terms];
        let complete = map.iter().all(|z| z.is_finite());
        let (status, condition) = if complete {
            (self.fit(map, &mut coefficients, work), self.condition)
        } else {
            self.fit_masked(map, &mut coefficients, work)
        };
        if status == FitStatus::NotFittable {
            return FitDetail { coverage, condition, ..nothing };
        }
        let residual_rms = self.residual_rms(map, &coefficients);
        FitDetail { coefficients: Some(coefficients), residual_rms: Some(residual_rms), coverage, condition, status }
    }

    fn data_moments(&self, map: &[f64], work: &mut Workspace) {
        let rings = self.rings;
        let size = (self.moments.max_m() + 1) * rings;
        work.cosine.resize(size, 0.0);
        work.sine.resize(size, 0.0);
        let (cosine, sine) = (&mut work.cosine, &mut work.sine);
        for (i, ring) in map.chunks_exact(self.grid.meridians()).enumerate() {
            self.moments.ring(ring, &mut work.folded, |m, c, s| {
                cosine[m * rings + i] = c;
                sine[m * rings + i] = s;
            });
        }
    }

    fn fit_masked(&self, map: &[f64], out: &mut [f64], work: &mut Workspace) -> (FitStatus, f64) {
        let (rings, meridians) = (self.rings, self.grid.meridians());
        self.data_moments(map, work);
        let (mut mask_cosine, mut mask_sine) = self.complete_mask();
        let mut ring_buffer = std::mem::take(&mut work.ring);
        for (i, ring) in map.chunks_exact(meridians).enumerate() {
            if ring.iter().all(|z| z.is_finite()) {
                continue;
            }
            ring_buffer.clear();
            ring_buffer.extend(ring.iter().map(|z| if z.is_finite() { *z } else { 0.0 }));
            let (cosine, sine) = (&mut work.cosine, &mut work.sine);
            self.moments.ring(&ring_buffer, &mut work.folded, |m, c, s| {
                cosine[m * rings + i] = c;
                sine[m * rings + i] = s;
            });
            ring_buffer.clear();
            ring_buffer.extend(ring.iter().map(|z| f64::from(u8::from(z.is_finite()))));
            self.mask_moments.ring(&ring_buffer, &mut work.folded, |m, c, s| {
                mask_cosine[m * rings + i] = c;
                mask_sine[m * rings + i] = s;
            });
        }
        work.ring = ring_buffer;
        for (j, b) in out.iter_mut().enumerate() {
            let m = self.frequency[j];
            let at = m.unsigned_abs() as usize * rings;
            let source = if m < 0 { &work.sine } else { &work.cosine };
            let radial = &self.radial[j * rings..(j + 1) * rings];
            *b = radial.iter().zip(&self.weights).zip(&source[at..at + rings]).map(|((r, w), a)| r * w * a).sum();
        }
        let gram = self.gram(&mask_cosine, &mask_sine);
        let Some(factor) = Cholesky::new(&gram, self.terms) else {
            return (FitStatus::NotFittable, f64::INFINITY);
        };
        factor.solve(out);
        let condition = factor.condition(&gram);
        let status = if out.iter().all(|c| c.is_finite()) { FitStatus::of(condition) } else { FitStatus::NotFittable };
        (status, condition)
    }

    /// The moments of a mask that misses nothing.
    fn complete_mask(&self) -> (Vec<f64>, Vec<f64>) {
        let size = (self.mask_moments.max_m() + 1) * self.rings;
        let mut cosine = vec![0.0; size];
        cosine[..self.rings].fill(self.grid.meridians() as f64);
        (cosine, vec![0.0; size])
    }

    /// The Gram matrix (row-major, symmetric) of the measured cells from the angular moments of the mask.
    fn gram(&self, mask_cosine: &[f64], mask_sine: &[f64]) -> Vec<f64> {
        let (terms, rings) = (self.terms, self.rings);
        let max_m = self.moments.max_m() as i32;
        let mut gram = vec![0.0; terms * terms];
        let mut coupling = vec![0.0; rings];
        let mut product = vec![0.0; rings];
        let by_frequency: Vec<Vec<usize>> =
            (-max_m..=max_m).map(|m| (0..terms).filter(|&j| self.frequency[j] == m).collect()).collect();
        for (p, rows) in by_frequency.iter().enumerate() {
            for (q, columns) in by_frequency[..=p].iter().enumerate() {
                let (a, b) = (p as i32 - max_m, q as i32 - max_m);
                angular_coupling(a, b, rings, mask_cosine, mask_sine, &mut coupling);
                coupling.iter_mut().zip(&self.weights).for_each(|(c, w)| *c *= w);
                for &i in rows {
                    let radial = &self.radial[i * rings..(i + 1) * rings];
                    product.iter_mut().zip(radial).zip(&coupling).for_each(|((x, r), c)| *x = r * c);
                    for &j in columns {
                        let sum = dot(&product, &self.radial[j * rings..(j + 1) * rings]);
                        gram[i * terms + j] = sum;
                        gram[j * terms + i] = sum;
                    }
                }
            }
        }
        gram
    }

    /// Rows that map the moments of a complete map to coefficients: the columns of `G⁻¹` times the weighted radials.
    fn prepare_solution(&mut self, factor: &Cholesky) {
        let (terms, rings) = (self.terms, self.rings);
        let mut column = vec![0.0; terms];
        for j in 0..terms {
            column.fill(0.0);
            column[j] = 1.0;
            factor.solve(&mut column);
            for i in 0..rings {
                let sum: f64 = (0..terms)
                    .filter(|&k| self.frequency[k] == self.frequency[j])
                    .map(|k| column[k] * self.radial[k * rings + i])
                    .sum();
                self.solve[j * rings + i] = sum * self.weights[i];
            }
        }
    }

    fn residual_rms(&self, map: &[f64], coefficients: &[f64]) -> f64 {
        let meridians = self.grid.meridians();
        let max_m = self.moments.max_m();
        let (mut sum, mut total) = (0.0, 0.0);
        let mut cosine = vec![0.0; max_m + 1];
        let mut sine = vec![0.0; max_m + 1];
        for (i, ring) in map.chunks_exact(meridians).enumerate() {
            cosine.fill(0.0);
            sine.fill(0.0);
            for (j, c) in coefficients.iter().enumerate() {
                let m = self.frequency[j];
                let target = if m < 0 { &mut sine } else { &mut cosine };
                target[m.unsigned_abs() as usize] += c * self.radial[j * self.rings + i];
            }
            for (k, z) in ring.iter().enumerate().filter(|(_, z)| z.is_finite()) {
                let (step_sin, step_cos) = self.grid.angle(k).sin_cos();
                let (mut c, mut s, mut fitted) = (1.0, 0.0, 0.0);
                for (a, b) in cosine.iter().zip(&sine) {
                    fitted += a * c + b * s;
                    (c, s) = (c * step_cos - s * step_sin, s * step_cos + c * step_sin);
                }
                sum += self.weights[i] * (z - fitted) * (z - fitted);
                total += self.weights[i];
            }
        }
        if total > 0.0 { (sum / total).sqrt() } else { 0.0 }
    }
}

/// `Σ mask · Θa(t) Θb(t)` on each ring, where `Θm` is `cos mt` for `m ≥ 0` and `sin |m|t` for `m < 0`.
fn angular_coupling(a: i32, b: i32, rings: usize, cosine: &[f64], sine: &[f64], out: &mut [f64]) {
    let (p, q) = (a.abs(), b.abs());
    let at = |m: i32| m.unsigned_abs() as usize * rings;
    let (sum, difference) = (at(p + q), at(p - q));
    let (table, sign_sum, sign_difference) = match (a < 0, b < 0) {
        (false, false) => (cosine, 0.5, 0.5),
        (true, true) => (cosine, -0.5, 0.5),
        // sin p cos q = (sin(p+q) + sin(p−q)) / 2
        (true, false) => (sine, 0.5, 0.5 * f64::from((p - q).signum())),
        // cos p sin q = (sin(p+q) − sin(p−q)) / 2
        (false, true) => (sine, 0.5, -0.5 * f64::from((p - q).signum())),
    };
    let (sums, differences) = (&table[sum..sum + rings], &table[difference..difference + rings]);
    for ((o, s), d) in out.iter_mut().zip(sums).zip(differences) {
        *o = sign_sum * s + sign_difference * d;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a4.zip(b4) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s += x * y;
        }
    }
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}
