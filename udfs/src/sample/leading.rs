//! The largest eigenvalues of a symmetric positive semidefinite matrix with their eigenvectors.
//!
//! Small matrices, and requests for a large part of the spectrum, go to the dense QR algorithm. The others go to a block Krylov
//! method with restarts (Golub and Underwood 1977; Saad 2011, ch. 6): nearly all of its work is products of matrices, and a
//! block of more vectors than are wanted finds multiple eigenvalues. Its start is fixed, so that the same matrix always gives
//! the same answer. Convergence is judged by the residual, which bounds the error of every eigenvalue.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

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
/// elements; the dense method works in its place. `None` where even that does not converge.
pub(crate) fn leading(matrix: DMatrix<f64>, k: usize) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let size = matrix.nrows();
    let found = if size > DENSE && k <= size / SHARE { krylov(&matrix, k) } else { None };
    found.or_else(|| dense(matrix, k))
}

fn dense(matrix: DMatrix<f64>, k: usize) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let rounds = 60 * matrix.nrows().max(1);
    let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, rounds)?;
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    order.truncate(k);
    let values = order.iter().map(|i| eigen.eigenvalues[*i]).collect();
    let columns: Vec<DVector<f64>> = order.iter().map(|i| eigen.eigenvectors.column(*i).into_owned()).collect();
    Some((values, DMatrix::from_columns(&columns)))
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
            let new = extend(&mut basis, used, next);
            if new == 0 {
                break;
            }
            image.columns_mut(used, new).gemm(1.0, matrix, &basis.columns(used, new), 0.0);
            next = image.columns(used, new).into_owned();
            used += new;
            if used == most {
                break;
            }
        }
        let (basis, image) = (basis.columns(0, used), image.columns(0, used));
        let mut projected = basis.transpose() * image;
        projected = 0.5 * (&projected + projected.transpose());
        let (values, small) = dense(projected, block)?;
        let vectors = basis * &small;
        let mut residual = image * &small;
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
fn extend(basis: &mut DMatrix<f64>, used: usize, mut block: DMatrix<f64>) -> usize {
    let known = basis.columns(0, used);
    let transposed = known.transpose();
    // Twice is enough (Parlett 1998, § 6.9): the second round takes out what the rounding of the first one left.
    for _ in 0..2 {
        let lengths: Vec<f64> = block.column_iter().map(|c| c.norm()).collect();
        let shares = &transposed * &block;
        block.gemm(-1.0, &known, &shares, 1.0);
        let mut new = 0;
        for (j, before) in lengths.into_iter().enumerate() {
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
    new
}

/// splitmix64 as a number in [−0.5, 0.5).
fn noise(i: u64) -> f64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}
