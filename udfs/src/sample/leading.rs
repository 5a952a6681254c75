//! The largest eigenvalues of a symmetric positive semidefinite matrix with their eigenvectors.
//!
//! Small matrices, and requests for a large part of the spectrum, go to the dense QL algorithm. The others go to a block Krylov
//! method with restarts (Golub and Underwood 1977; Saad 2011, ch. 6): nearly all of its work is products of matrices, and a
//! block of more vectors than are wanted finds multiple eigenvalues. Its start is fixed, so that the same matrix always gives
//! the same answer. Convergence is judged by the residual, which bounds the error of every eigenvalue.

use nalgebra::{DMatrix, DVector};

use super::products::{multiply, multiply_transposed};
use super::symmetric::eigen;
use crate::waiting::{go_on, is_stopped};

/// Matrices up to this size are solved densely.
const DENSE: usize = 384;
/// Requests for more than one of so many eigenvectors are solved densely.
const SHARE: usize = 16;
/// Products with the matrix in one cycle, at least.
const STEPS: usize = 4;
/// Size of the Krylov space that a cycle aims at.
const SPACE: usize = 480;
/// Cycles before the dense method takes over.
const CYCLES: usize = 40;
/// Residual over largest eigenvalue of a converged pair.
const TOLERANCE: f64 = 1e-11;

/// The `k` largest eigenvalues, falling, and their orthonormal eigenvectors as columns. The matrix must be symmetric with finite
/// elements; the dense method works in its place. `None` where even that does not converge, and when nobody waits.
pub(crate) fn leading(matrix: DMatrix<f64>, k: usize) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let size = matrix.nrows();
    let found = if size > DENSE && k <= size / SHARE { krylov(&matrix, k) } else { None };
    match found {
        None if is_stopped() => None,
        None => dense(matrix, k),
        found => found,
    }
}

fn dense(matrix: DMatrix<f64>, k: usize) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let (all, vectors) = eigen(matrix)?;
    let mut order: Vec<(usize, f64)> = all.into_iter().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(k);
    let columns: Vec<DVector<f64>> = order.iter().map(|(i, _)| vectors.column(*i).into_owned()).collect();
    Some((order.into_iter().map(|(_, value)| value).collect(), DMatrix::from_columns(&columns)))
}

fn krylov(matrix: &DMatrix<f64>, k: usize) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let size = matrix.nrows();
    let block = k + (k / 4).max(8);
    let most = SPACE.max(STEPS * block).min(size);
    let mut start = DMatrix::from_fn(size, block, |i, j| noise((i * block + j) as u64));
    for _ in 0..CYCLES {
        // The basis and its image grow in place; a block without new directions ends the cycle.
        let (mut basis, mut image) = (DMatrix::zeros(size, most), DMatrix::zeros(size, most));
        let mut used = 0;
        let mut next = start;
        loop {
            let new = extend(&mut basis, used, next)?;
            if new == 0 {
                break;
            }
            multiply(image.columns_mut(used, new), 1.0, matrix.as_view(), basis.columns(used, new), 0.0)?;
            next = image.columns(used, new).into_owned();
            used += new;
            if used == most {
                break;
            }
        }
        let (basis, image) = (basis.columns(0, used), image.columns(0, used));
        let mut projected = DMatrix::zeros(used, used);
        multiply_transposed(projected.as_view_mut(), basis, image, 0.0)?;
        projected = 0.5 * (&projected + projected.transpose());
        let (values, small) = dense(projected, block)?;
        let mut vectors = DMatrix::zeros(size, small.ncols());
        let mut residual = vectors.clone();
        multiply(vectors.as_view_mut(), 1.0, basis, small.as_view(), 0.0)?;
        multiply(residual.as_view_mut(), 1.0, image, small.as_view(), 0.0)?;
        let top = values.first().copied().filter(|v| *v > 0.0)?;
        let mut converged = values.len() >= k;
        for (j, value) in values.iter().enumerate().take(k) {
            residual.column_mut(j).axpy(-value, &vectors.column(j), 1.0);
            converged &= residual.column(j).norm() <= TOLERANCE * top;
        }
        if converged {
            return Some((values.into_iter().take(k).collect(), vectors.columns(0, k).into_owned()));
        }
        start = vectors;
    }
    None
}

/// Appends the directions of `block` that are new to the first `used` columns of the basis, orthonormal; the number of them.
fn extend(basis: &mut DMatrix<f64>, used: usize, mut block: DMatrix<f64>) -> Option<usize> {
    let known = basis.columns(0, used);
    // Twice is enough (Parlett 1998, § 6.9): the second round takes out what the rounding of the first one left.
    for _ in 0..2 {
        let lengths: Vec<f64> = block.column_iter().map(|c| c.norm()).collect();
        let mut shares = DMatrix::zeros(used, block.ncols());
        multiply_transposed(shares.as_view_mut(), known, block.as_view(), 0.0)?;
        multiply(block.as_view_mut(), -1.0, known, shares.as_view(), 1.0)?;
        let mut new = 0;
        for (j, before) in lengths.into_iter().enumerate() {
            go_on()?;
            let mut column = block.column(j).into_owned();
            let fresh = block.columns(0, new);
            for _ in 0..2 {
                let shares = fresh.tr_mul(&column);
                column.gemv(-1.0, &fresh, &shares, 1.0);
            }
            let length = column.norm();
            // Less than this of a direction is what rounding left of a known one.
            if length > 1e-12 * before {
                block.set_column(new, &(column / length));
                new += 1;
            }
        }
        block = block.columns(0, new).into_owned();
    }
    let new = block.ncols().min(basis.ncols() - used);
    basis.columns_mut(used, new).copy_from(&block.columns(0, new));
    Some(new)
}

/// splitmix64 as a number in [−0.5, 0.5).
fn noise(i: u64) -> f64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::waiting::Stop;

    #[test]
    fn both_methods_agree_and_end_when_nobody_waits() {
        let size = 2 * DENSE;
        let half = DMatrix::from_fn(size, 40, |i, j| noise((i * 40 + j) as u64));
        let matrix = &half * half.transpose();
        let ((some, _), (all, _)) = (krylov(&matrix, 5).unwrap(), dense(matrix.clone(), 5).unwrap());
        for (some, all) in some.iter().zip(&all) {
            assert!((some - all).abs() <= 1e-10 * all, "{some} is not {all}");
        }
        let stop = Stop::new();
        assert!(stop.during(|| leading(matrix.clone(), 5)).is_some());
        stop.stop();
        stop.during(|| {
            assert_eq!(leading(matrix.clone(), 5), None);
            assert_eq!(krylov(&matrix, 5), None);
            assert_eq!(dense(matrix, 5), None);
        });
    }
}
