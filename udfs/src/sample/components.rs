//! Principal components: the eigenvectors of a sample covariance with the largest eigenvalues (Pearson 1901, Hotelling 1933).
//!
//! A [`Fit`] keeps vectors while they are fewer than their dimensions; beyond that it folds them, block by block, into the mean
//! and the scatter matrix (Chan, Golub and LeVeque 1983). So it never holds more than `max(dimensions, 256) + 256` vectors or
//! one matrix and 256 vectors (three matrices while it merges or finishes), merges, and needs one pass. The eigenvectors come from the smaller of the two matrices
//! that share them: scatter (dimensions × dimensions) or Gram (vectors × vectors).

use nalgebra::{DMatrix, DVector};

use super::leading::leading;
use super::products::{add_outer, gram, mirror, multiply};
use crate::waiting::{go_on, is_stopped};

/// Most dimensions of a vector: the scatter matrix of so many takes 512 MiB.
pub const MAX_DIMENSIONS: usize = 8192;
/// Most components of one model.
pub const MAX_COMPONENTS: usize = 256;

/// Loadings whose absolute values differ by less than this share are equal.
const SAME: f64 = 1e-6;

/// Vectors that are folded into the scatter matrix together, so that the work is a product of matrices.
const BLOCK: usize = 256;

/// Why there are no components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComponentsError {
    /// Vectors differ in length.
    #[error("the vectors differ in length: {0} and {1} elements")]
    Length(usize, usize),
    /// More dimensions than can be held.
    #[error("a vector of {0} elements is longer than {MAX_DIMENSIONS}; choose features first")]
    TooLong(usize),
    /// Products of the values overflow.
    #[error("the values are too large for products of them; normalise the vectors first")]
    Overflow,
    /// The eigenvectors did not converge.
    #[error("the eigenvectors did not converge")]
    NotConverged,
    /// Nobody waits for them any more.
    #[error("nobody waits for the components any more")]
    Stopped,
    /// A state that was not written by this program.
    #[error("the state of the aggregate is broken")]
    State,
}

/// Principal components, in order of falling variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Vectors that were used.
    pub count: u64,
    /// Vectors that were left out because of a missing element.
    pub left_out: u64,
    /// Mean vector.
    pub mean: Vec<f64>,
    /// Orthonormal components, one after the other. The loading with the largest absolute value is positive; of several that are equal
    /// within a millionth, the first.
    pub components: Vec<f64>,
    /// Variance of the scores of each component (divisor n − 1).
    pub explained_variance: Vec<f64>,
    /// Its share of the total variance.
    pub explained_variance_ratio: Vec<f64>,
}

/// Mean and scatter of vectors that are no longer held.
#[derive(Debug, Clone)]
struct Folded {
    count: f64,
    mean: DVector<f64>,
    /// `Σ (v − mean)(v − mean)'`; only the lower triangle is kept up to date.
    scatter: DMatrix<f64>,
}

/// A mergeable fit of principal components.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    dimensions: usize,
    left_out: u64,
    /// Vectors that are not folded yet, one after the other.
    pending: Vec<f64>,
    folded: Option<Folded>,
}

impl Fit {
    /// Adds a vector; one with a missing element is counted and left out.
    ///
    /// # Errors
    /// For a vector of another length than the ones before, or of too many dimensions, and when nobody waits.
    pub fn add(&mut self, vector: &[f64]) -> Result<(), ComponentsError> {
        if vector.is_empty() {
            return Ok(());
        }
        self.expect(vector.len())?;
        if vector.iter().all(|v| v.is_finite()) {
            self.pending.extend_from_slice(vector);
            return self.fold_full();
        }
        self.left_out += 1;
        Ok(())
    }

    fn expect(&mut self, length: usize) -> Result<(), ComponentsError> {
        if length > MAX_DIMENSIONS {
            return Err(ComponentsError::TooLong(length));
        }
        if self.dimensions == 0 {
            self.dimensions = length;
        }
        if length == self.dimensions { Ok(()) } else { Err(ComponentsError::Length(self.dimensions, length)) }
    }

    fn fold_full(&mut self) -> Result<(), ComponentsError> {
        let full = if self.folded.is_some() { BLOCK } else { BLOCK.max(self.dimensions) + BLOCK };
        if self.pending.len() >= full * self.dimensions { self.fold() } else { Ok(()) }
    }

    fn fold(&mut self) -> Result<(), ComponentsError> {
        let dimensions = self.dimensions;
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut folded = self.folded.take().unwrap_or_else(|| Folded {
            count: 0.0,
            mean: DVector::zeros(dimensions),
            scatter: DMatrix::zeros(dimensions, dimensions),
        });
        for block in self.pending.chunks(BLOCK * dimensions) {
            let (mean, centred) = centred(block, dimensions);
            add_outer(&mut folded.scatter, &centred).ok_or(ComponentsError::Stopped)?;
            folded.shift(centred.ncols() as f64, &mean);
        }
        // The room for a matrix of vectors is not needed again.
        self.pending = Vec::new();
        self.folded = Some(folded);
        Ok(())
    }

    /// Adds all vectors of another fit.
    ///
    /// # Errors
    /// Where its vectors have another length, and when nobody waits.
    pub fn merge(&mut self, other: Self) -> Result<(), ComponentsError> {
        self.left_out = self.left_out.saturating_add(other.left_out);
        if other.dimensions == 0 {
            return Ok(());
        }
        self.expect(other.dimensions)?;
        match (&mut self.folded, other.folded) {
            (_, None) => {}
            (None, theirs) => self.folded = theirs,
            (Some(ours), Some(theirs)) => {
                ours.scatter += &theirs.scatter;
                ours.shift(theirs.count, &theirs.mean);
            }
        }
        self.pending.extend_from_slice(&other.pending);
        drop(other.pending);
        self.fold_full()
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        let folded = self.folded.as_ref().map_or(0, |f| f.scatter.len() + f.mean.len());
        size_of::<f64>() * (self.pending.capacity() + folded)
    }

    /// The state: dimensions, vectors left out and folded, mean, the lower triangle of the scatter matrix, and what is pending; all as
    /// numbers of eight bytes, little end first. A part of it when nobody waits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let folded = self.folded.as_ref();
        let n = if folded.is_some() { self.dimensions } else { 0 };
        let mut bytes = Vec::with_capacity(size_of::<f64>() * (3 + n + n * (n + 1) / 2 + self.pending.len()));
        let mut put = |v: f64| bytes.extend_from_slice(&v.to_le_bytes());
        [self.dimensions as f64, self.left_out as f64, folded.map_or(0.0, |f| f.count)].into_iter().for_each(&mut put);
        if let Some(folded) = folded {
            folded.mean.iter().copied().for_each(&mut put);
            for (j, column) in folded.scatter.column_iter().enumerate().take_while(|_| !is_stopped()) {
                column.iter().skip(j).copied().for_each(&mut put);
            }
        }
        self.pending.iter().copied().for_each(&mut put);
        bytes
    }

    /// The state from [`Fit::to_bytes`].
    ///
    /// # Errors
    /// For bytes that are no state, and when nobody waits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ComponentsError> {
        let broken = ComponentsError::State;
        let (numbers, []) = bytes.as_chunks::<8>() else { return Err(broken) };
        let [dimensions, left_out, count, rest @ ..] = numbers else { return Err(broken) };
        let whole = |bytes: &[u8; 8]| {
            let n = f64::from_le_bytes(*bytes);
            if n >= 0.0 && n.fract() == 0.0 && n < 9e15 { Ok(n) } else { Err(broken) }
        };
        let read = |numbers: &[[u8; 8]]| numbers.iter().map(|b| f64::from_le_bytes(*b)).collect::<Vec<f64>>();
        let (dimensions, count) = (whole(dimensions)?, whole(count)?);
        if dimensions > MAX_DIMENSIONS as f64 {
            return Err(broken);
        }
        let mut fit = Self { dimensions: dimensions as usize, left_out: whole(left_out)? as u64, ..Self::default() };
        let (n, mut rest) = (fit.dimensions, rest);
        if count > 0.0 {
            let (mean, after) = rest.split_at_checked(n).ok_or(broken)?;
            let (triangle, after) = after.split_at_checked(n * (n + 1) / 2).ok_or(broken)?;
            let (mut scatter, mut triangle) = (DMatrix::zeros(n, n), triangle.iter());
            for j in 0..n {
                go_on().ok_or(ComponentsError::Stopped)?;
                for (cell, bytes) in scatter.view_mut((j, j), (n - j, 1)).iter_mut().zip(triangle.by_ref()) {
                    *cell = f64::from_le_bytes(*bytes);
                }
            }
            fit.folded = Some(Folded { count, mean: DVector::from_vec(read(mean)), scatter });
            rest = after;
        }
        if rest.len() % n.max(1) != 0 || (n == 0 && (count > 0.0 || fit.left_out > 0 || !rest.is_empty())) {
            return Err(broken);
        }
        fit.pending = read(rest);
        Ok(fit)
    }

    /// The first `k` components, fewer where the vectors vary in fewer directions: directions whose variance is rounding noise
    /// beside the largest one are left out. `None` for fewer than two vectors and for vectors that do not vary.
    ///
    /// # Errors
    /// Where products of the values overflow, and when nobody waits.
    pub fn finish(&self, k: usize) -> Result<Option<Components>, ComponentsError> {
        let dimensions = self.dimensions;
        let pending = self.pending.len().checked_div(dimensions).unwrap_or(0);
        if self.folded.is_none() && pending < dimensions {
            if pending < 2 {
                return Ok(None);
            }
            let (mean, centred) = centred(&self.pending, dimensions);
            let mut gram = gram(&centred).ok_or(ComponentsError::Stopped)?;
            mirror(&mut gram).ok_or(ComponentsError::Stopped)?;
            let Some((values, small, total)) = spectrum(gram, k.min(pending - 1), dimensions)? else { return Ok(None) };
            let vectors = turned(&centred, &small).ok_or(ComponentsError::Stopped)?;
            return Ok(Some(self.model(pending as f64, &mean, &values, &vectors, total)));
        }
        let mut whole = self.clone();
        whole.fold()?;
        let Some(mut folded) = whole.folded.filter(|f| f.count >= 2.0) else { return Ok(None) };
        mirror(&mut folded.scatter).ok_or(ComponentsError::Stopped)?;
        let rank = if folded.count <= dimensions as f64 { folded.count as usize - 1 } else { dimensions };
        let found = spectrum(folded.scatter, k.min(rank), dimensions)?;
        Ok(found.map(|(values, vectors, total)| self.model(folded.count, &folded.mean, &values, &vectors, total)))
    }

    fn model(&self, count: f64, mean: &DVector<f64>, values: &[f64], vectors: &DMatrix<f64>, total: f64) -> Components {
        let mut components = Vec::with_capacity(vectors.len());
        for column in vectors.column_iter() {
            // Of equal loadings the first: which of them rounding made the largest depends on the order of the vectors.
            let enough = (1.0 - SAME) * column.amax();
            let sign = if column.iter().find(|v| v.abs() >= enough).is_some_and(|v| *v < 0.0) { -1.0 } else { 1.0 };
            components.extend(column.iter().map(|v| sign * v));
        }
        Components {
            count: count as u64,
            left_out: self.left_out,
            mean: mean.as_slice().to_vec(),
            components,
            explained_variance: values.iter().map(|v| v / (count - 1.0)).collect(),
            explained_variance_ratio: values.iter().map(|v| v / total).collect(),
        }
    }
}

impl Folded {
    /// Adds the mean of `count` further vectors whose own scatter was added before.
    fn shift(&mut self, count: f64, mean: &DVector<f64>) {
        let total = self.count + count;
        let step = mean - &self.mean;
        self.scatter.syger(self.count * count / total, &step, &step, 1.0);
        self.mean.axpy(count / total, &step, 1.0);
        self.count = total;
    }
}

/// Mean of vectors that lie one after the other, and the vectors without it, as columns.
fn centred(vectors: &[f64], dimensions: usize) -> (DVector<f64>, DMatrix<f64>) {
    let mut columns = DMatrix::from_column_slice(dimensions, vectors.len() / dimensions, vectors);
    let mean = columns.column_mean();
    for mut column in columns.column_iter_mut() {
        column -= &mean;
    }
    (mean, columns)
}

type Spectrum = (Vec<f64>, DMatrix<f64>, f64);

/// Largest eigenvalues, eigenvectors and the trace; only eigenvalues above rounding noise.
fn spectrum(matrix: DMatrix<f64>, k: usize, dimensions: usize) -> Result<Option<Spectrum>, ComponentsError> {
    let total = matrix.trace();
    if !matrix.iter().all(|v| v.is_finite()) || !total.is_finite() {
        return Err(ComponentsError::Overflow);
    }
    if total <= 0.0 || k == 0 {
        return Ok(None);
    }
    let size = matrix.nrows().max(dimensions).max(16);
    let missing = || if is_stopped() { ComponentsError::Stopped } else { ComponentsError::NotConverged };
    let (values, vectors) = leading(matrix, k).ok_or_else(missing)?;
    let noise = values.first().copied().unwrap_or(0.0) * f64::EPSILON * size as f64;
    let rank = values.iter().take_while(|v| **v > noise).count();
    let values: Vec<f64> = values.into_iter().take(rank).collect();
    Ok((rank > 0).then(|| (values, vectors.columns(0, rank).into_owned(), total)))
}

/// The directions in which `vectors` turn columns, made orthonormal in their order (Gram-Schmidt, twice). `None` when nobody waits.
fn turned(columns: &DMatrix<f64>, vectors: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let mut turned = DMatrix::zeros(columns.nrows(), vectors.ncols());
    multiply(turned.as_view_mut(), 1.0, columns.as_view(), vectors.as_view(), 0.0)?;
    for j in 0..turned.ncols() {
        go_on()?;
        let (before, mut after) = turned.columns_range_pair_mut(0..j, j..);
        let mut column = after.column_mut(0);
        for _ in 0..2 {
            let shares = before.tr_mul(&column);
            column.gemv(-1.0, &before, &shares, 1.0);
            let length = column.norm();
            if length > 0.0 {
                column /= length;
            }
        }
    }
    Some(turned)
}

/// Appends the scores of a vector: its projections on the components. `components` holds them one after the other.
pub fn scores(vector: &[f64], mean: &[f64], components: &[f64], out: &mut Vec<f64>) {
    let centred: Vec<f64> = vector.iter().zip(mean).map(|(v, m)| v - m).collect();
    out.extend(components.chunks_exact(mean.len().max(1)).map(|c| super::metric::dot(c, &centred)));
}

/// Appends the vector that has these scores and lies in the space of the components. Fewer scores than components restore from the
/// first components only.
pub fn restore(scores: &[f64], mean: &[f64], components: &[f64], out: &mut Vec<f64>) {
    let from = out.len();
    out.extend_from_slice(mean);
    let out = out.get_mut(from..).unwrap_or_default();
    for (score, component) in scores.iter().zip(components.chunks_exact(mean.len().max(1))) {
        for (o, c) in out.iter_mut().zip(component) {
            *o += score * c;
        }
    }
}
