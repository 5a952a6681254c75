//! Small dense symmetric systems: Cholesky, condition number.

use crate::waiting::go_on_at;

/// The lower triangular factor of a symmetric positive definite matrix.
pub(crate) struct Cholesky {
    n: usize,
    /// Row-major, `n × n`; the part above the diagonal is unused.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factorises the row-major `n × n` matrix, of which only the lower triangle is read. `None` where it is not
    /// positive definite to rounding, and when nobody waits.
    pub(crate) fn new(matrix: &[f64], n: usize) -> Option<Self> {
        let mut lower = matrix.get(..n * n)?.to_vec();
        for i in 0..n {
            go_on_at(i)?;
            let (above, row) = lower.split_at_mut(i * n);
            for j in 0..i {
                let other = &above[j * n..j * n + j + 1];
                let dot: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
                row[j] = (row[j] - dot) / other[j];
            }
            let norm: f64 = row[..i].iter().map(|a| a * a).sum();
            let pivot = row[i] - norm;
            // Below this the pivot is rounding noise of the subtraction, not information.
            if !(pivot > row[i].abs() * 1e-15 && pivot.is_finite()) {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Self { n, lower })
    }

    /// Solves `L x = b` in place, `L` the factor: the squared norm of `x` is `b · A⁻¹ b`.
    pub(crate) fn whiten(&self, b: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            let row = &self.lower[i * n..i * n + i + 1];
            let dot: f64 = row[..i].iter().zip(&b[..i]).map(|(a, x)| a * x).sum();
            b[i] = (b[i] - dot) / row[i];
        }
    }

    /// Solves `A x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let n = self.n;
        self.whiten(b);
        for i in (0..n).rev() {
            let x = b[i] / self.lower[i * n + i];
            b[i] = x;
            for (target, l) in b[..i].iter_mut().zip(&self.lower[i * n..i * n + i]) {
                *target -= l * x;
            }
        }
    }

    /// Natural logarithm of the factorised matrix's determinant.
    pub(crate) fn log_determinant(&self) -> f64 {
        2.0 * (0..self.n).map(|i| self.lower[i * self.n + i].ln()).sum::<f64>()
    }

    /// The 2-norm condition number of the factorised matrix, by power iteration on it and on its inverse. The estimate
    /// comes from below and is within ten per cent, which is enough for a gate on orders of magnitude.
    pub(crate) fn condition(&self, matrix: &[f64]) -> f64 {
        let n = self.n;
        let largest = dominant(n, |x, y| {
            for (row, y) in matrix.chunks_exact(n).zip(y.iter_mut()) {
                *y = row.iter().zip(x).map(|(a, b)| a * b).sum();
            }
        });
        let inverse = dominant(n, |x, y| {
            y.copy_from_slice(x);
            self.solve(y);
        });
        largest * inverse
    }
}

/// The largest eigenvalue of a symmetric positive definite operator.
fn dominant(n: usize, mut apply: impl FnMut(&[f64], &mut [f64])) -> f64 {
    // A fixed start without symmetry, so that it is orthogonal to no eigenvector in practice.
    let mut x: Vec<f64> = (0..n).map(|i| 1.0 + 0.37 * ((i * i + 3 * i + 1) % 11) as f64).collect();
    let mut y = vec![0.0; n];
    let mut value = 0.0;
    for _ in 0..40 {
        let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !(norm > 0.0 && norm.is_finite()) {
            return f64::INFINITY;
        }
        x.iter_mut().for_each(|v| *v /= norm);
        apply(&x, &mut y);
        let next: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
        std::mem::swap(&mut x, &mut y);
        if (next - value).abs() <= 2e-3 * next.abs() {
            return next;
        }
        value = next;
    }
    value
}

/// Least squares by normal equations: accumulates rows, then solves. For well-scaled problems of a few unknowns.
#[derive(Clone)]
pub(crate) struct NormalEquations<const N: usize> {
    gram: [[f64; N]; N],
    right: [f64; N],
}

impl<const N: usize> NormalEquations<N> {
    pub(crate) fn new() -> Self {
        Self { gram: [[0.0; N]; N], right: [0.0; N] }
    }

    /// Adds the equation `row · x = target` with a weight.
    pub(crate) fn add(&mut self, row: [f64; N], target: f64, weight: f64) {
        for (i, (gram, right)) in self.gram.iter_mut().zip(&mut self.right).enumerate() {
            let scaled = weight * row[i];
            *right += scaled * target;
            for (sum, value) in gram[..=i].iter_mut().zip(&row) {
                *sum += scaled * value;
            }
        }
    }

    /// The solution, or `None` where the equations do not determine it.
    pub(crate) fn solve(&self) -> Option<[f64; N]> {
        // Scaling to a unit diagonal makes the pivots comparable whatever the units of the unknowns.
        let mut scale = [0.0; N];
        for (i, s) in scale.iter_mut().enumerate() {
            let diagonal = self.gram[i][i];
            if !(diagonal > 0.0 && diagonal.is_finite()) {
                return None;
            }
            *s = 1.0 / diagonal.sqrt();
        }
        let mut matrix = vec![0.0; N * N];
        for i in 0..N {
            for j in 0..=i {
                matrix[i * N + j] = self.gram[i][j] * scale[i] * scale[j];
            }
        }
        let factor = Cholesky::new(&matrix, N)?;
        let mut x: [f64; N] = std::array::from_fn(|i| self.right[i] * scale[i]);
        factor.solve(&mut x);
        for (value, s) in x.iter_mut().zip(scale) {
            *value *= s;
        }
        x.iter().all(|v| v.is_finite()).then_some(x)
    }
}
