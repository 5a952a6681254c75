//! Least-squares Zernike coefficients of a square raster.
//!
//! A raster has no rings, so nothing separates: the right side is one pass over the pixels of the disc, and the Gram matrix of
//! a complete disc is factorised once. Missing pixels are taken out of it, or the measured ones added up where more than half
//! is missing; both give the least-squares solution itself.

use super::linalg::Cholesky;
use super::square::SquareGrid;
use super::zernike;
use super::zernike_fit::{FitDetail, FitError, FitStatus, Weighting};
use crate::waiting::is_stopped;

/// Numbers of a basis that one fit may hold (64 MB).
const LARGEST: usize = 8_000_000;

/// A prepared fit: one raster, one disc, one order, one weighting.
pub struct SquareFitter {
    cells: usize,
    terms: usize,
    /// Pixels within the disc: index, area in mm² and weight; the weights sum to one.
    pixels: Vec<(usize, f64, f64)>,
    /// The terms at each pixel: `pixels × terms`.
    basis: Vec<f64>,
    gram: Vec<f64>,
    factor: Cholesky,
    condition: f64,
}

impl SquareFitter {
    /// Prepares fits of order `max_order` on the disc of `radius_mm`: of the pixels whose centres lie in it.
    ///
    /// # Errors
    /// Where the disc does not fit the raster, the order is too high, or the raster too coarse or too fine for it.
    pub fn new(grid: SquareGrid, radius_mm: f64, max_order: usize, weighting: Weighting) -> Result<Self, FitError> {
        if max_order > zernike::MAX_ORDER {
            return Err(FitError::Order { max_order, limit: zernike::MAX_ORDER });
        }
        let disc = grid.disc(radius_mm)?;
        let terms = zernike::term_count(max_order);
        if disc.len() * terms > LARGEST {
            return Err(FitError::TooFine { pixels: disc.len(), max_order });
        }
        let weight = |area: f64| if weighting == Weighting::Area { area } else { 1.0 };
        let total: f64 = disc.iter().map(|(_, area)| weight(*area)).sum();
        let pixels: Vec<(usize, f64, f64)> = disc.iter().map(|&(cell, area)| (cell, area, weight(area) / total)).collect();
        let mut basis = Vec::with_capacity(pixels.len() * terms);
        for &(cell, ..) in &pixels {
            let (x, y) = grid.position_mm(cell);
            let (rho, theta) = ((x.hypot(y) / radius_mm).min(1.0), y.atan2(x));
            basis.extend((0..terms).map(|j| zernike::value(j, rho, theta)));
        }
        let mut gram = vec![0.0; terms * terms];
        for (row, (.., weight)) in basis.chunks_exact(terms).zip(&pixels).take_while(|_| !is_stopped()) {
            add_outer(&mut gram, row, *weight);
        }
        let too_coarse = FitError::RasterTooCoarse { pixels: pixels.len(), radius_mm, max_order };
        let factor = Cholesky::new(&gram, terms).ok_or(too_coarse.clone())?;
        let condition = factor.condition(&symmetric(&gram, terms));
        if FitStatus::of(condition) == FitStatus::NotFittable {
            return Err(too_coarse);
        }
        Ok(Self { cells: grid.cells(), terms, pixels, basis, gram, factor, condition })
    }

    /// Bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        size_of_val(self.basis.as_slice()) + size_of_val(self.pixels.as_slice()) + 2 * size_of_val(self.gram.as_slice())
    }

    /// Number of coefficients.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// Writes the coefficients of one raster. Pixels that are not finite are missing. On [`FitStatus::NotFittable`] the content
    /// of `out` has no meaning.
    pub fn fit(&self, raster: &[f64], out: &mut [f64]) -> FitStatus {
        self.solve(raster, out).0
    }

    /// One raster with residual, coverage, condition and status.
    pub fn detail(&self, raster: &[f64]) -> FitDetail {
        let mut coefficients = vec![0.0; self.terms];
        let (status, condition) = self.solve(raster, &mut coefficients);
        let (mut measured, mut all, mut squares, mut weights) = (0.0, 0.0, 0.0, 0.0);
        for ((cell, area, weight), row) in self.pixels.iter().zip(self.basis.chunks_exact(self.terms)) {
            all += area;
            let Some(z) = raster.get(*cell).filter(|z| z.is_finite()) else { continue };
            measured += area;
            let residual = z - row.iter().zip(&coefficients).map(|(a, c)| a * c).sum::<f64>();
            squares += weight * residual * residual;
            weights += weight;
        }
        let fitted = status != FitStatus::NotFittable;
        FitDetail {
            coefficients: fitted.then_some(coefficients),
            residual_rms: fitted.then(|| (squares / weights).sqrt()),
            coverage: if raster.len() == self.cells { measured / all } else { 0.0 },
            condition,
            status,
        }
    }

    fn solve(&self, raster: &[f64], out: &mut [f64]) -> (FitStatus, f64) {
        let nothing = (FitStatus::NotFittable, f64::INFINITY);
        if raster.len() != self.cells || out.len() != self.terms {
            return nothing;
        }
        out.fill(0.0);
        let mut missing = Vec::new();
        for (at, ((cell, _, weight), row)) in self.pixels.iter().zip(self.basis.chunks_exact(self.terms)).enumerate() {
            match raster.get(*cell) {
                Some(z) if z.is_finite() => out.iter_mut().zip(row).for_each(|(b, a)| *b += weight * z * a),
                _ => missing.push(at),
            }
        }
        if missing.is_empty() {
            self.factor.solve(out);
            return (FitStatus::of(self.condition), self.condition);
        }
        let gram = self.gram_without(&missing);
        let Some(factor) = Cholesky::new(&gram, self.terms) else { return nothing };
        factor.solve(out);
        let condition = factor.condition(&symmetric(&gram, self.terms));
        let status = if out.iter().all(|c| c.is_finite()) { FitStatus::of(condition) } else { FitStatus::NotFittable };
        (status, condition)
    }

    /// Lower triangle of the Gram matrix of the measured pixels; of some of them when nobody waits, and then it is not factorised.
    fn gram_without(&self, missing: &[usize]) -> Vec<f64> {
        let row = |at: usize| &self.basis[at * self.terms..(at + 1) * self.terms];
        if 2 * missing.len() <= self.pixels.len() {
            let mut gram = self.gram.clone();
            for &at in missing.iter().take_while(|_| !is_stopped()) {
                add_outer(&mut gram, row(at), -self.pixels[at].2);
            }
            return gram;
        }
        let mut gram = vec![0.0; self.terms * self.terms];
        let mut absent = missing.iter().peekable();
        for (at, (.., weight)) in self.pixels.iter().enumerate().take_while(|_| !is_stopped()) {
            if absent.next_if_eq(&&at).is_none() {
                add_outer(&mut gram, row(at), *weight);
            }
        }
        gram
    }
}

/// Adds `weight · a aᵀ` to the lower triangle.
fn add_outer(gram: &mut [f64], a: &[f64], weight: f64) {
    for (i, (line, x)) in gram.chunks_exact_mut(a.len()).zip(a).enumerate() {
        let scaled = weight * x;
        line[..=i].iter_mut().zip(a).for_each(|(sum, y)| *sum += scaled * y);
    }
}

fn symmetric(lower: &[f64], n: usize) -> Vec<f64> {
    let at = |i: usize, j: usize| lower[i.max(j) * n + i.min(j)];
    (0..n * n).map(|cell| at(cell / n, cell % n)).collect()
}
