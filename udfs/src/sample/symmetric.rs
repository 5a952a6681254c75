//! All eigenvalues and eigenvectors of a symmetric matrix, in steps between which it is asked whether anybody waits for them.
//!
//! Householder's reflections make the matrix tridiagonal (Golub and Van Loan 2013, § 8.3.1), and the implicit QL method makes that
//! diagonal (Bowdler, Martin, Reinsch and Wilkinson 1968; Dubrulle 1970). The columns of the matrix lie one after the other, and every
//! inner loop goes along one.

use nalgebra::DMatrix;

use super::metric::{dot, norm};
use crate::waiting::{go_on, go_on_at};

/// Sweeps for each eigenvalue, on average; two are usual.
const SWEEPS: usize = 60;
/// What is smaller than this beside the largest element of a matrix is nothing: its square is no number any more.
const NOTHING: f64 = 1e-150;

/// The eigenvalues in no order, and their orthonormal eigenvectors as the columns of a matrix, computed in the place of the given
/// one. Only the lower triangle is read; its elements must be finite. `None` where it does not converge, and when nobody waits.
pub(crate) fn eigen(mut matrix: DMatrix<f64>) -> Option<(Vec<f64>, DMatrix<f64>)> {
    let size = matrix.nrows();
    if size == 0 || matrix.ncols() != size {
        return (matrix.ncols() == size).then(|| (Vec::new(), matrix));
    }
    let cells = matrix.as_mut_slice();
    let largest = largest_below(cells, size);
    if largest > 0.0 {
        cells.iter_mut().for_each(|cell| *cell /= largest);
    }
    let (mut diagonal, mut beside) = tridiagonal(cells, size)?;
    reflections(cells, size)?;
    ql(&mut diagonal, &mut beside, cells, size)?;
    diagonal.iter_mut().for_each(|value| *value *= largest);
    Some((diagonal, matrix))
}

/// The largest absolute value on and below the diagonal.
fn largest_below(cells: &[f64], size: usize) -> f64 {
    let below = cells.chunks_exact(size).enumerate().flat_map(|(j, column)| &column[j..]);
    below.fold(0.0, |top: f64, cell| top.max(cell.abs()))
}

/// The diagonal of a tridiagonal matrix that has the same eigenvalues, and what stands beside it (with a 0 behind the last). Leaves
/// below the diagonal of each column the vector `v` of its reflection `1 − v v'`.
fn tridiagonal(cells: &mut [f64], size: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let (mut diagonal, mut beside) = (Vec::with_capacity(size), Vec::with_capacity(size));
    let mut product = vec![0.0; size];
    for i in 0..size {
        go_on()?;
        let (done, rest) = cells.split_at_mut((i + 1) * size);
        let column = &mut done[i * size + i..];
        diagonal.push(column[0]);
        let v = &mut column[1..];
        beside.push(reflection(v));
        if v.first().is_none_or(|first| *first == 0.0) {
            continue;
        }
        let v = &*v;
        let p = &mut product[..v.len()];
        p.fill(0.0);
        // p = A v, of the lower triangle of what is right of this column and below it.
        for (j, column) in rest.chunks_exact(size).enumerate() {
            let own = &column[i + 1 + j..];
            p[j] += dot(own, &v[j..]);
            for (p, a) in p[j + 1..].iter_mut().zip(&own[1..]) {
                *p += v[j] * a;
            }
            go_on_at(j)?;
        }
        // A − v w' − w v' is the reflected matrix, w = p − (v'p / 2) v.
        let half = 0.5 * dot(v, p);
        p.iter_mut().zip(v).for_each(|(p, v)| *p -= half * v);
        for (j, column) in rest.chunks_exact_mut(size).enumerate() {
            for ((a, v_row), w_row) in column[i + 1 + j..].iter_mut().zip(&v[j..]).zip(&p[j..]) {
                *a -= v_row * p[j] + w_row * v[j];
            }
            go_on_at(j)?;
        }
    }
    Some((diagonal, beside))
}

/// Turns `x` into the vector `v` of length √2 whose reflection `1 − v v'` makes all elements of `x` but the first 0; the first one after
/// it. `v` is 0 where there is nothing to make 0.
fn reflection(x: &mut [f64]) -> f64 {
    let Some((first, others)) = x.split_first_mut() else { return 0.0 };
    let (alpha, rest) = (*first, norm(others.iter().copied()));
    if rest < NOTHING {
        x.fill(0.0);
        return alpha;
    }
    let length = alpha.hypot(rest);
    // Away from the first element, so that nothing cancels.
    let after = -length.copysign(alpha);
    let scale = 1.0 / (length * (length + alpha.abs())).sqrt();
    *first = (alpha - after) * scale;
    others.iter_mut().for_each(|x| *x *= scale);
    after
}

/// The product of the reflections, in their place: from the last one on, each fills the column behind its own.
fn reflections(cells: &mut [f64], size: usize) -> Option<()> {
    for i in (0..size - 1).rev() {
        let (done, rest) = cells.split_at_mut((i + 1) * size);
        let v = &done[i * size + i + 1..];
        for (j, column) in rest.chunks_exact_mut(size).enumerate() {
            let own = &mut column[i + 1..];
            // The product so far has a 1 in the corner and nothing beside and below it.
            let share = if j == 0 {
                own.fill(0.0);
                own[0] = 1.0;
                v[0]
            } else {
                own[0] = 0.0;
                dot(v, own)
            };
            if share != 0.0 {
                own.iter_mut().zip(v).for_each(|(own, v)| *own -= share * v);
            }
            go_on_at(j)?;
        }
    }
    for (j, column) in cells.chunks_exact_mut(size).enumerate() {
        match j {
            0 => column.fill(0.0),
            _ => column[0] = 0.0,
        }
    }
    cells[0] = 1.0;
    Some(())
}

/// Makes a tridiagonal matrix diagonal, and turns the columns of `vectors` along.
fn ql(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [f64], size: usize) -> Option<()> {
    let mut sweeps = 0;
    for first in 0..size {
        go_on()?;
        loop {
            // Up to the next element beside the diagonal that is only rounding.
            let negligible = |m: usize| beside[m].abs() <= f64::EPSILON * (diagonal[m].abs() + diagonal[m + 1].abs());
            let last = (first..size - 1).find(|m| negligible(*m)).unwrap_or(size - 1);
            if last == first {
                break;
            }
            sweeps += 1;
            if sweeps > SWEEPS * size {
                return None;
            }
            sweep(diagonal, beside, first, last, |i, c, s| turn(vectors, size, i, c, s))?;
        }
    }
    Some(())
}

/// One sweep over a block, from its last column to its first, with the shift of Wilkinson. `turn` is told of each rotation.
fn sweep(d: &mut [f64], e: &mut [f64], first: usize, last: usize, mut turn: impl FnMut(usize, f64, f64)) -> Option<()> {
    let slope = (d[first + 1] - d[first]) / (2.0 * e[first]);
    let shift = slope + slope.hypot(1.0).copysign(slope);
    let mut g = d[last] - d[first] + e[first] / shift;
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        go_on_at(i)?;
        let (f, b) = (s * e[i], c * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            // The block falls apart here.
            d[i + 1] -= p;
            e[last] = 0.0;
            return Some(());
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let more = (d[i] - g) * s + 2.0 * c * b;
        p = s * more;
        d[i + 1] = g + p;
        g = c * more - b;
        turn(i, c, s);
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0.0;
    Some(())
}

/// Turns columns `i` and `i + 1` into each other.
fn turn(vectors: &mut [f64], size: usize, i: usize, c: f64, s: f64) {
    let (left, right) = vectors.split_at_mut((i + 1) * size);
    for (a, b) in left[i * size..].iter_mut().zip(&mut right[..size]) {
        (*a, *b) = (c * *a - s * *b, s * *a + c * *b);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nalgebra::{DVector, SymmetricEigen};

    use super::*;
    use crate::waiting::Stop;

    fn noise(i: usize) -> f64 {
        ((i as f64 * 12.9898).sin() * 43_758.545_3).fract()
    }

    /// A symmetric matrix with these eigenvalues.
    fn with_values(values: &[f64]) -> DMatrix<f64> {
        let size = values.len();
        let turned = DMatrix::from_fn(size, size, |i, j| noise(1 + i * size + j)).qr().q();
        let matrix = &turned * DMatrix::from_diagonal(&DVector::from_column_slice(values)) * turned.transpose();
        0.5 * (&matrix + matrix.transpose())
    }

    /// Compares with the library, and with what eigenvectors are.
    fn holds(matrix: &DMatrix<f64>) {
        let size = matrix.nrows();
        let (mut values, vectors) = eigen(matrix.clone()).unwrap();
        let largest = matrix.amax().max(f64::MIN_POSITIVE);
        for (value, vector) in values.iter().zip(vectors.column_iter()) {
            let residual = (matrix * vector - *value * vector).amax();
            assert!(residual <= 1e-12 * largest * size as f64, "{residual} of {largest}, {size} columns");
        }
        assert!((vectors.transpose() * &vectors - DMatrix::identity(size, size)).amax() <= 1e-12);
        let mut known: Vec<f64> = SymmetricEigen::new(matrix.clone()).eigenvalues.iter().copied().collect();
        known.sort_by(f64::total_cmp);
        values.sort_by(f64::total_cmp);
        let top = known.iter().fold(f64::MIN_POSITIVE, |top: f64, v| top.max(v.abs()));
        for (value, known) in values.iter().zip(&known) {
            assert!((value - known).abs() <= 1e-12 * top, "{value} is not {known}, beside {top}");
        }
    }

    #[test]
    fn it_gives_what_the_library_gives() {
        for size in [1, 2, 3, 4, 7, 32, 33, 65, 150] {
            let any = DMatrix::from_fn(size, size, |i, j| noise(1 + i.max(j) * size + i.min(j)));
            holds(&any);
            holds(&(&any * any.transpose()));
            holds(&(1e200 * &any));
            holds(&(1e-200 * &any));
        }
    }

    #[test]
    fn eigenvalues_may_be_equal_zero_and_far_apart() {
        holds(&with_values(&[1.0; 20]));
        holds(&with_values(&[5.0, 5.0, 5.0, 2.0, 2.0, 0.0, 0.0, 0.0, -1.0, -1.0]));
        holds(&with_values(&(0..60).map(|i| if i < 6 { 1.0 + f64::from(i) } else { 0.0 }).collect::<Vec<_>>()));
        holds(&with_values(&(0..40).map(|i| 10f64.powi(-i)).collect::<Vec<_>>()));
        holds(&DMatrix::from_diagonal(&DVector::from_vec(vec![3.0, -1.0, 3.0, 0.0, 7.5])));
        holds(&DMatrix::zeros(6, 6));
        holds(&DMatrix::from_element(50, 50, 2.0));
        // Wilkinson's matrix, whose largest eigenvalues agree in all digits.
        let w = |i: usize, j: usize| if i == j { (i as f64 - 10.0).abs() } else { f64::from(u8::from(i.abs_diff(j) == 1)) };
        holds(&DMatrix::from_fn(21, 21, w));
    }

    #[test]
    fn nothing_has_no_eigenvalues() {
        let (values, vectors) = eigen(DMatrix::zeros(0, 0)).unwrap();
        assert_eq!((values.len(), vectors.shape()), (0, (0, 0)));
    }

    #[test]
    fn only_the_lower_triangle_is_read() {
        let whole = with_values(&[4.0, 3.0, 2.0, 1.0]);
        let mut lower = whole.clone();
        lower.fill_upper_triangle(9.0, 1);
        assert_eq!(eigen(lower).unwrap(), eigen(whole).unwrap());
    }

    #[test]
    fn it_ends_in_the_middle() {
        // So many columns take seconds.
        let matrix = DMatrix::from_fn(1_500, 1_500, |i, j| noise(1 + i.max(j) * 1_500 + i.min(j)));
        let (stop, waits) = (Stop::new(), Stop::new());
        let worker = std::thread::spawn({
            let (stop, begun) = (stop.clone(), waits.clone());
            move || {
                begun.stop();
                stop.during(|| eigen(matrix))
            }
        });
        while !waits.during(crate::waiting::is_stopped) {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        stop.stop();
        assert_eq!(worker.join().unwrap(), None);
    }

    #[test]
    fn it_ends_when_nobody_waits() {
        let (stop, matrix) = (Stop::new(), with_values(&[3.0, 2.0, 1.0]));
        assert!(stop.during(|| eigen(matrix.clone())).is_some());
        stop.stop();
        assert_eq!(stop.during(|| eigen(matrix)), None);
        // Every part of it asks.
        let mut cells = vec![1.0; 16];
        stop.during(|| {
            assert_eq!(tridiagonal(&mut cells, 4), None);
            assert_eq!(reflections(&mut cells, 4), None);
            assert_eq!(ql(&mut [1.0, 2.0, 3.0, 4.0], &mut [1.0, 1.0, 1.0, 0.0], &mut cells, 4), None);
        });
    }
}
