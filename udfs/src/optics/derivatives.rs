//! First and second derivatives of a sag map at its cells.
//!
//! A quadric close to the whole map is taken off first; its derivatives are known in closed form. To what remains, a polynomial
//! of degree four in both directions is fitted by least squares in a round window around each cell (Savitzky and Golay's idea,
//! 1964, in two dimensions), in Cartesian coordinates, so that the vertex, where polar derivatives divide by zero, is a cell
//! like any other. The polar grid looks the same from every meridian, so the fit is one table of weights a ring.
//!
//! At the rim the window stands still and the polynomial is read off its centre. Curvatures are exact on ellipsoids in any
//! position; on a bump of 50 µm and 0.9 mm (standard deviation) they are within 0.1 D, at the last ring within 0.6 D.

use super::{grid::PolarGrid, linalg::Cholesky, quadric::Quadric, resample::MissingRule, shape::vertex_sag};
use crate::waiting::is_stopped;
use thiserror::Error;

/// Derivatives of the sag at a cell, in the frame of its meridian: `u` away from the axis, `v` counter-clockwise across it, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derivatives {
    /// `∂z/∂u`.
    pub u: f64,
    /// `∂z/∂v`.
    pub v: f64,
    /// `∂²z/∂u²`, 1/mm.
    pub uu: f64,
    /// `∂²z/∂u∂v`, 1/mm.
    pub uv: f64,
    /// `∂²z/∂v²`, 1/mm.
    pub vv: f64,
}

/// A window that does not suit the grid.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum WindowError {
    /// Not a sensible length.
    #[error("window_mm is the radius of the window in mm, above 0 and at most 3; got {0}")]
    Size(f64),
    /// The samples in the window do not determine the derivatives.
    #[error("{rings} rings of {meridians} meridians are too coarse for a window of {window_mm} mm: curvature is not determined")]
    TooCoarse {
        /// Rings of the grid.
        rings: usize,
        /// Meridians of the grid.
        meridians: usize,
        /// Radius of the window, mm.
        window_mm: f64,
    },
    /// More work than any eye is worth.
    #[error("a window of {window_mm} mm holds too many cells of {rings} rings × {meridians} meridians; make it smaller")]
    TooWide {
        /// Rings of the grid.
        rings: usize,
        /// Meridians of the grid.
        meridians: usize,
        /// Radius of the window, mm.
        window_mm: f64,
    },
}

/// Radius of the window where nobody asks for another, mm: three rings of the MS-39 to each side.
pub const WINDOW_MM: f64 = 0.6;
/// Degree of the local polynomial; beside missing cells also one less.
const DEGREE: usize = 4;
/// Terms of a polynomial of two variables.
const fn terms(degree: usize) -> usize {
    (degree + 1) * (degree + 2) / 2
}
const TERMS: usize = terms(DEGREE);
/// Taps of all stencils together; the MS-39 needs two thousand.
const MAX_TAPS: usize = 200_000;
/// How much noisier than in a full window (as a variance) a derivative beside missing cells may be.
const MAX_NOISE: f64 = 9.0;

/// A sample of the window together with its mirror image across the meridian of the cell.
struct Tap {
    ring: usize,
    /// Meridians away from the cell's own.
    offset: usize,
    /// False where the sample is its own mirror image.
    paired: bool,
    /// Position from the cell, mm.
    u: f64,
    v: f64,
    weight: f64,
    /// What the sum (`u`, `uu`, `vv`) or the difference (`v`, `uv`) of the pair counts for in each derivative.
    gains: [f64; 5],
}

struct Stencil {
    taps: Vec<Tap>,
    /// The normal equations of the full window.
    fit: LocalFit,
    /// Sum of all weights.
    weight: f64,
    /// Variance of each derivative for samples of variance one.
    noise: [f64; 5],
}

/// Prepared derivatives of maps on one grid.
pub struct Differentiator {
    grid: PolarGrid,
    missing: MissingRule,
    stencils: Vec<Stencil>,
}

/// Buffers that one thread reuses from map to map, and the derivatives of the last map.
#[derive(Default)]
pub struct DerivativeWork {
    /// Map minus quadric, half a circle repeated on both sides of each ring.
    padded: Vec<f64>,
    /// `u, v, uu, uv, vv` of the map minus quadric, cell after cell.
    pub(crate) residual: Vec<[f64; 5]>,
    pub(crate) quadric: Option<Quadric>,
}

impl Differentiator {
    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        self.stencils.iter().map(|s| size_of::<Stencil>() + size_of_val(s.taps.as_slice())).sum()
    }

    /// Prepares a window of that radius for every ring. Where rings or meridians lie far apart the window is widened to three
    /// rings and two meridians to each side.
    ///
    /// # Errors
    /// [`WindowError`] where the window is no length, or too small or too large for the grid.
    pub fn new(grid: PolarGrid, window_mm: f64, missing: MissingRule) -> Result<Self, WindowError> {
        if !(window_mm > 0.0 && window_mm <= 3.0) {
            return Err(WindowError::Size(window_mm));
        }
        let (rings, meridians, step) = (grid.rings(), grid.meridians(), grid.ring_step_mm());
        let mut stencils = Vec::with_capacity(rings);
        let mut count = 0;
        for ring in 0..rings {
            let across = 2.2 * grid.radius_mm(ring) * grid.angle(1);
            let window = window_mm.max(3.0 * step).max(across);
            let Some(taps) = taps(grid, ring, window, MAX_TAPS - count) else {
                return Err(WindowError::TooWide { rings, meridians, window_mm });
            };
            count += taps.len();
            let Some(stencil) = Stencil::new(taps, window) else {
                return Err(WindowError::TooCoarse { rings, meridians, window_mm });
            };
            stencils.push(stencil);
        }
        Ok(Self { grid, missing, stencils })
    }

    /// The grid of the maps.
    pub fn grid(&self) -> PolarGrid {
        self.grid
    }

    /// Computes the derivatives of the first `rings` rings of a map into `work`. False for a map of another length, and when nobody
    /// waits.
    ///
    /// A missing cell has none, and neither has, by [`MissingRule::Strict`], a cell with a missing one in its window. By
    /// [`MissingRule::Lenient`] the fit uses what was measured if that is half of the window or more and leaves a derivative no
    /// more than three times as noisy as a full window does. The copies of the vertex count as one point.
    pub(crate) fn run(&self, map: &[f64], rings: usize, work: &mut DerivativeWork) -> bool {
        let meridians = self.grid.meridians();
        work.residual.clear();
        if map.len() != self.grid.cells() {
            return false;
        }
        self.pad(map, work);
        work.residual.reserve(rings * meridians);
        for (stencil, ring) in self.stencils.iter().zip(map.chunks_exact(meridians)).take(rings) {
            if is_stopped() {
                return false;
            }
            let first = work.residual.len();
            let vertex = first == 0 && ring.iter().any(|z| z.is_finite());
            let mut k = 0;
            while k + 8 <= meridians {
                stencil.apply::<8>(&work.padded, meridians, k, &mut work.residual);
                k += 8;
            }
            for k in k..meridians {
                stencil.apply::<1>(&work.padded, meridians, k, &mut work.residual);
            }
            for (k, (values, z)) in work.residual.iter_mut().skip(first).zip(ring).enumerate() {
                if !(z.is_finite() || vertex) {
                    *values = [f64::NAN; 5];
                } else if values.iter().any(|v| !v.is_finite()) {
                    let refit = match self.missing {
                        MissingRule::Strict => None,
                        MissingRule::Lenient => stencil.refit(&work.padded, meridians, k),
                    };
                    *values = refit.unwrap_or([f64::NAN; 5]);
                }
            }
        }
        true
    }

    /// Computes the derivatives of the first `rings` rings of a map and gives each cell's ring and derivatives, `None` where
    /// there are none, to `each`, in the order of the cells. False for a map of another length, and when nobody waits.
    pub fn each(
        &self,
        map: &[f64],
        rings: usize,
        work: &mut DerivativeWork,
        mut each: impl FnMut(usize, Option<Derivatives>),
    ) -> bool {
        if !self.run(map, rings, work) {
            return false;
        }
        let directions = self.grid.directions();
        for (i, ring) in work.residual.chunks_exact(self.grid.meridians()).enumerate() {
            let r = self.grid.radius_mm(i);
            for (&[u, v, uu, uv, vv], &turn) in ring.iter().zip(&directions) {
                let of = |d: Derivatives| Derivatives { u: u + d.u, v: v + d.v, uu: uu + d.uu, uv: uv + d.uv, vv: vv + d.vv };
                each(i, u.is_finite().then(|| of(quadric_derivatives(work.quadric.as_ref(), r, turn))));
            }
        }
        true
    }

    fn pad(&self, map: &[f64], work: &mut DerivativeWork) {
        let meridians = self.grid.meridians();
        let half = meridians / 2;
        work.quadric = Quadric::of(self.grid, map);
        work.padded.clear();
        work.padded.reserve(2 * map.len());
        let vertex = vertex_sag(self.grid, map).unwrap_or(f64::NAN);
        let directions = self.grid.directions();
        for (i, ring) in map.chunks_exact(meridians).enumerate() {
            let r = self.grid.radius_mm(i);
            let smooth = |(sin, cos): &(f64, f64)| work.quadric.map_or(0.0, |q| q.sag_mm(r * cos, r * sin));
            let from = work.padded.len();
            work.padded.resize(from + half, 0.0);
            // The copies of the vertex are one point; an infinite cell is as missing as one that is no number.
            let height = |z: f64| {
                if i == 0 {
                    vertex
                } else if z.is_finite() {
                    z
                } else {
                    f64::NAN
                }
            };
            work.padded.extend(ring.iter().zip(&directions).map(|(&z, turn)| height(z) - smooth(turn)));
            work.padded.extend_from_within(from + half..from + meridians);
            work.padded.copy_within(from + meridians..from + meridians + half, from);
        }
    }
}

/// Derivatives of the quadric at a distance from the axis, in the frame of a meridian.
pub(crate) fn quadric_derivatives(quadric: Option<&Quadric>, r: f64, turn: (f64, f64)) -> Derivatives {
    let flat = Derivatives { u: 0.0, v: 0.0, uu: 0.0, uv: 0.0, vv: 0.0 };
    quadric.map_or(flat, |q| q.derivatives(r * turn.1, r * turn.0, turn).1)
}

/// The samples within the window of a ring's cells; `None` for more than `limit`.
fn taps(grid: PolarGrid, ring: usize, window_mm: f64, limit: usize) -> Option<Vec<Tap>> {
    let (step, meridians) = (grid.ring_step_mm(), grid.meridians());
    let at = grid.radius_mm(ring);
    let centre = at.min((grid.max_radius_mm() - window_mm).max(0.0));
    let reach = window_mm + 1e-9;
    let first = ((centre - reach) / step).ceil().max(0.0) as usize;
    let last = (((centre + reach) / step).floor() as usize).min(grid.rings() - 1);
    let mut taps = Vec::new();
    for j in first..=last {
        let r = grid.radius_mm(j);
        // Near the vertex the meridians stand closer than any window needs: every second, fourth, … is enough.
        let wanted = if j == 0 { meridians } else { (0.25 * step / (r * grid.angle(1))) as usize };
        let stride = (1..=wanted.clamp(1, meridians)).rev().find(|s| meridians.is_multiple_of(*s)).unwrap_or(1);
        let area = stride as f64 * grid.cell_area_mm2(j, 2.0 * grid.max_radius_mm());
        let mut offset = 0;
        while 2 * offset <= meridians && (j > 0 || offset == 0) {
            let (sin, cos) = if 2 * offset == meridians { (0.0, -1.0) } else { grid.angle(offset).sin_cos() };
            let distance = (r * cos - centre).hypot(r * sin);
            if distance > reach {
                break;
            }
            if taps.len() >= limit {
                return None;
            }
            let taper = 1.0 - (distance / (window_mm + step)).powi(2);
            taps.push(Tap {
                ring: j,
                offset,
                paired: offset > 0 && 2 * offset < meridians,
                u: r * cos - at,
                v: r * sin,
                weight: area * taper,
                gains: [0.0; 5],
            });
            offset += stride;
        }
    }
    Some(taps)
}

/// Monomials up to degree four, by degree: 1, u, v, uu, uv, vv, …
fn monomials(u: f64, v: f64) -> [f64; TERMS] {
    let (u2, v2) = (u * u, v * v);
    [1.0, u, v, u2, u * v, v2, u2 * u, u2 * v, u * v2, v2 * v, u2 * u2, u2 * u * v, u2 * v2, u * v2 * v, v2 * v2]
}

/// The normal equations of a local polynomial. The terms of a lower degree are their leading part.
#[derive(Clone)]
struct LocalFit {
    scale: f64,
    /// `Σ w φ φᵀ` over the samples, of which the lower triangle counts.
    gram: [[f64; TERMS]; TERMS],
    /// `Σ w² φ φᵀ`: the noise of the solution.
    squares: [[f64; TERMS]; TERMS],
}

/// What a polynomial makes of its samples.
struct Solution {
    /// For each derivative the combination of the monomials that, times a sample's weight, is the sample's gain.
    rows: [[f64; TERMS]; 5],
    /// Variance of each derivative for samples of variance one.
    noise: [f64; 5],
}

impl LocalFit {
    fn new(window_mm: f64) -> Self {
        Self { scale: 1.0 / window_mm, gram: [[0.0; TERMS]; TERMS], squares: [[0.0; TERMS]; TERMS] }
    }

    fn basis(&self, u: f64, v: f64) -> [f64; TERMS] {
        monomials(u * self.scale, v * self.scale)
    }

    /// Adds a sample, or with the sign −1 takes it away again.
    fn add(&mut self, basis: &[f64; TERMS], weight: f64, sign: f64) {
        for (i, (gram, squares)) in self.gram.iter_mut().zip(&mut self.squares).enumerate() {
            let first = sign * weight * basis[i];
            let second = weight * first;
            for ((g, s), b) in gram.iter_mut().zip(squares.iter_mut()).zip(basis).take(i + 1) {
                *g += first * b;
                *s += second * b;
            }
        }
    }

    fn solve(&self, degree: usize) -> Option<Solution> {
        let count = terms(degree);
        let matrix: Vec<f64> = self.gram.iter().take(count).flat_map(|row| row.iter().take(count).copied()).collect();
        let factor = Cholesky::new(&matrix, count)?;
        let (first, second) = (self.scale, self.scale * self.scale);
        let mut solution = Solution { rows: [[0.0; TERMS]; 5], noise: [0.0; 5] };
        let factors = [first, first, 2.0 * second, second, 2.0 * second];
        for (((row, noise), term), value) in solution.rows.iter_mut().zip(&mut solution.noise).zip(1..).zip(factors) {
            row[term] = value;
            factor.solve(&mut row[..count]);
            for (i, squares) in self.squares.iter().enumerate().take(count) {
                let below: f64 = squares.iter().zip(row.iter()).take(i).map(|(s, y)| s * y).sum();
                *noise += row[i] * (2.0 * below + squares[i] * row[i]);
            }
        }
        solution.noise.iter().all(|v| v.is_finite()).then_some(solution)
    }
}

/// The largest noise of a second derivative, times the square of the window, for noise of one in a full window: beyond it the
/// samples hardly determine the polynomial.
const MAX_GAIN: f64 = 1e4;

impl Stencil {
    fn new(mut taps: Vec<Tap>, window_mm: f64) -> Option<Self> {
        let mut fit = LocalFit::new(window_mm);
        let mut weight = 0.0;
        for tap in &taps {
            for v in tap.sides() {
                fit.add(&fit.basis(tap.u, v), tap.weight, 1.0);
                weight += tap.weight;
            }
        }
        let Solution { rows, noise } = fit.solve(DEGREE)?;
        for tap in &mut taps {
            // Alone a sample stands in the sum twice.
            let weight = if tap.paired { tap.weight } else { 0.5 * tap.weight };
            let basis = fit.basis(tap.u, tap.v);
            tap.gains = rows.map(|row| weight * row.iter().zip(&basis).map(|(a, b)| a * b).sum::<f64>());
        }
        let determined = [noise[2], noise[4]].iter().all(|n| n * window_mm.powi(4) < MAX_GAIN * MAX_GAIN);
        determined.then_some(Self { taps, fit, weight, noise })
    }

    /// Appends the derivatives of `L` neighbouring cells.
    #[inline]
    fn apply<const L: usize>(&self, padded: &[f64], meridians: usize, k: usize, out: &mut Vec<[f64; 5]>) {
        let mut sums = [[0.0f64; L]; 5];
        for tap in &self.taps {
            let at = 2 * meridians * tap.ring + meridians / 2 + k;
            let ahead = padded.get(at + tap.offset..).and_then(|p| p.first_chunk::<L>());
            let behind = padded.get(at - tap.offset..).and_then(|p| p.first_chunk::<L>());
            let (Some(ahead), Some(behind)) = (ahead, behind) else { continue };
            let [u, v, uu, uv, vv] = tap.gains;
            for l in 0..L {
                let (sum, difference) = (ahead[l] + behind[l], ahead[l] - behind[l]);
                sums[0][l] += u * sum;
                sums[1][l] += v * difference;
                sums[2][l] += uu * sum;
                sums[3][l] += uv * difference;
                sums[4][l] += vv * sum;
            }
        }
        out.extend((0..L).map(|l| sums.map(|s| s[l])));
    }

    /// The derivatives of a cell from what was measured in its window: what is missing is taken from the normal equations.
    #[cold]
    fn refit(&self, padded: &[f64], meridians: usize, k: usize) -> Option<[f64; 5]> {
        let (mut fit, mut right, mut weight) = (self.fit.clone(), [0.0; TERMS], self.weight);
        for tap in &self.taps {
            let at = 2 * meridians * tap.ring + meridians / 2 + k;
            for (v, place) in tap.sides().zip([at + tap.offset, at - tap.offset]) {
                let basis = fit.basis(tap.u, v);
                match padded.get(place).filter(|z| z.is_finite()) {
                    Some(z) => right.iter_mut().zip(basis).for_each(|(sum, b)| *sum += tap.weight * z * b),
                    None => {
                        weight -= tap.weight;
                        if weight < 0.5 * self.weight {
                            return None;
                        }
                        fit.add(&basis, tap.weight, -1.0);
                    }
                }
            }
        }
        [DEGREE, DEGREE - 1].into_iter().find_map(|degree| {
            let Solution { rows, noise } = fit.solve(degree)?;
            let certain = noise.iter().zip(&self.noise).all(|(n, full)| *n <= MAX_NOISE * full);
            certain.then(|| rows.map(|row| row.iter().zip(&right).map(|(a, b)| a * b).sum()))
        })
    }
}

impl Tap {
    /// The second coordinate of the sample and, where it has one, of its mirror image.
    fn sides(&self) -> impl Iterator<Item = f64> + use<> {
        std::iter::once(self.v).chain(self.paired.then_some(-self.v))
    }
}
