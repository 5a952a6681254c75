//! Products of large matrices, piece by piece, so that they end when nobody waits for them: `None` is the answer then.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use crate::waiting::go_on;

/// Multiplications of one piece: some ten milliseconds.
const PIECE: usize = 1 << 27;
/// Rows of a piece, at least: with fewer the processor would mostly read.
const ROWS: usize = 32;
/// Side of the squares in which a matrix is mirrored, so that both of them stay near the processor.
const TILE: usize = 64;

/// Columns of a matrix whose outer products are computed together.
const PANEL: usize = 256;

fn rows(a: usize, b: usize) -> usize {
    (PIECE / a.saturating_mul(b).max(1)).max(ROWS)
}

/// `sum = share · a b + kept · sum`.
pub(crate) fn multiply(
    mut sum: DMatrixViewMut<f64>,
    share: f64,
    a: DMatrixView<f64>,
    b: DMatrixView<f64>,
    kept: f64,
) -> Option<()> {
    let most = rows(a.ncols(), b.ncols());
    for from in (0..a.nrows()).step_by(most) {
        go_on()?;
        let count = most.min(a.nrows() - from);
        sum.rows_mut(from, count).gemm(share, &a.rows(from, count), &b, kept);
    }
    Some(())
}

/// `sum = a' b + kept · sum`.
pub(crate) fn multiply_transposed(
    mut sum: DMatrixViewMut<f64>,
    a: DMatrixView<f64>,
    b: DMatrixView<f64>,
    kept: f64,
) -> Option<()> {
    let most = rows(a.nrows(), b.ncols());
    for from in (0..a.ncols()).step_by(most) {
        go_on()?;
        let count = most.min(a.ncols() - from);
        let part = a.columns(from, count).transpose();
        sum.rows_mut(from, count).gemm(1.0, &part, &b, kept);
    }
    Some(())
}

/// Adds `x x'` to the lower triangle of a square matrix.
pub(crate) fn add_outer(sum: &mut DMatrix<f64>, x: &DMatrix<f64>) -> Option<()> {
    let (size, transposed) = (x.nrows(), x.transpose());
    // Panels of columns, each from the diagonal down: half of the products of the full square.
    for from in (0..size).step_by(PANEL) {
        let width = PANEL.min(size - from);
        let part = sum.view_mut((from, from), (size - from, width));
        multiply(part, 1.0, x.rows(from, size - from), transposed.columns(from, width), 1.0)?;
    }
    Some(())
}

/// The lower triangle of `x' x`.
pub(crate) fn gram(x: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let size = x.ncols();
    let mut sum = DMatrix::zeros(size, size);
    for from in (0..size).step_by(PANEL) {
        let width = PANEL.min(size - from);
        let part = sum.view_mut((from, from), (size - from, width));
        multiply_transposed(part, x.columns(from, size - from), x.columns(from, width), 0.0)?;
    }
    Some(sum)
}

/// Fills the upper triangle with the lower one.
pub(crate) fn mirror(matrix: &mut DMatrix<f64>) -> Option<()> {
    let size = matrix.nrows();
    for left in (0..size).step_by(TILE) {
        go_on()?;
        for top in (left..size).step_by(TILE) {
            for column in left..(left + TILE).min(size) {
                for row in top.max(column + 1)..(top + TILE).min(size) {
                    matrix[(column, row)] = matrix[(row, column)];
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::waiting::Stop;

    fn matrix(rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| ((i * 37 + j * 11) as f64 * 0.61).sin())
    }

    fn near(a: &DMatrix<f64>, b: &DMatrix<f64>) {
        assert_eq!(a.shape(), b.shape());
        assert!((a - b).amax() <= 1e-11, "{}", (a - b).amax());
    }

    #[test]
    fn products_are_those_of_whole_matrices() {
        for (n, m, k) in [(1, 1, 1), (300, 7, 5), (70, 600, 500), (513, 40, 2)] {
            let (a, b, before) = (matrix(n, m), matrix(m, k), matrix(n, k));
            let mut sum = before.clone();
            multiply(sum.as_view_mut(), -1.0, a.as_view(), b.as_view(), 1.0).unwrap();
            near(&sum, &(&before - &a * &b));
            multiply_transposed(sum.as_view_mut(), a.transpose().as_view(), b.as_view(), 0.0).unwrap();
            near(&sum, &(&a * &b));
            let (mut outer, mut inner) = (DMatrix::zeros(n, n), gram(&a).unwrap());
            add_outer(&mut outer, &a).unwrap();
            mirror(&mut outer).unwrap();
            mirror(&mut inner).unwrap();
            near(&outer, &(&a * a.transpose()));
            near(&inner, &(a.transpose() * &a));
        }
    }

    #[test]
    fn they_end_when_nobody_waits() {
        let stop = Stop::new();
        stop.stop();
        let a = matrix(9, 9);
        stop.during(|| {
            assert_eq!(multiply(a.clone().as_view_mut(), 1.0, a.as_view(), a.as_view(), 0.0), None);
            assert_eq!(multiply_transposed(a.clone().as_view_mut(), a.as_view(), a.as_view(), 0.0), None);
            assert_eq!(add_outer(&mut a.clone(), &a), None);
            assert_eq!(gram(&a), None);
            assert_eq!(mirror(&mut a.clone()), None);
        });
    }
}
