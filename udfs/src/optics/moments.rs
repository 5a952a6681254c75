//! Angular moments of a ring: `Σ f(t) cos mt` and `Σ f(t) sin mt` for all `m` at once.
//!
//! They are what the whole Zernike fit needs of the data. With a number of meridians that is a multiple of four the
//! circle folds twice (`t → t+π`, then `t → π−t`), which leaves a quarter of the multiplications; the products then run
//! over `m`, so that the compiler can keep them in vector registers.

/// The cosine and sine moments of one ring, index `m`.
pub(crate) struct AngularMoments {
    meridians: usize,
    max_m: usize,
    /// Multiples of `m` in one group, rounded up to a vector width that is instantiated below.
    lanes: usize,
    /// Per folded angle: even cosines, even sines, odd cosines, odd sines, `lanes` each.
    table: Vec<f64>,
}

impl AngularMoments {
    pub(crate) fn new(meridians: usize, max_m: usize) -> Self {
        let wanted = max_m / 2 + 1;
        let lanes = [4, 8, 12, 16, 24].into_iter().find(|&l| l >= wanted).unwrap_or(wanted);
        let folds = meridians.is_multiple_of(4);
        let angles = if folds { meridians / 4 + 1 } else { meridians };
        let mut table = Vec::with_capacity(angles * 4 * lanes);
        for k in 0..angles {
            // The product m·k is reduced modulo the circle before the multiplication by 2π, which keeps all digits.
            let angle = |m: usize| std::f64::consts::TAU * ((m * k) % meridians) as f64 / meridians as f64;
            let even = |l: usize| 2 * l;
            let odd = |l: usize| 2 * l + 1;
            let keep = |m: usize, value: f64| if m <= max_m { value } else { 0.0 };
            table.extend((0..lanes).map(|l| keep(even(l), angle(even(l)).cos())));
            table.extend((0..lanes).map(|l| keep(even(l), angle(even(l)).sin())));
            table.extend((0..lanes).map(|l| keep(odd(l), angle(odd(l)).cos())));
            table.extend((0..lanes).map(|l| keep(odd(l), angle(odd(l)).sin())));
        }
        Self { meridians, max_m, lanes, table }
    }

    pub(crate) fn max_m(&self) -> usize {
        self.max_m
    }

    /// Writes the moments of one ring; `cosine` and `sine` are strided so that moments of one `m` lie together.
    pub(crate) fn ring(&self, ring: &[f64], scratch: &mut Vec<[f64; 4]>, mut write: impl FnMut(usize, f64, f64)) {
        scratch.clear();
        if self.meridians.is_multiple_of(4) {
            fold(ring, scratch);
        } else {
            scratch.extend(ring.iter().map(|&f| [f, f, f, f]));
        }
        match self.lanes {
            4 => self.accumulate::<4>(scratch, &mut write),
            8 => self.accumulate::<8>(scratch, &mut write),
            12 => self.accumulate::<12>(scratch, &mut write),
            16 => self.accumulate::<16>(scratch, &mut write),
            24 => self.accumulate::<24>(scratch, &mut write),
            _ => self.plain(ring, &mut write),
        }
    }

    fn accumulate<const L: usize>(&self, folded: &[[f64; 4]], write: &mut impl FnMut(usize, f64, f64)) {
        let mut sums = [[0.0f64; L]; 4];
        for (values, rows) in folded.iter().zip(self.table.chunks_exact(4 * L)) {
            for ((sum, &value), row) in sums.iter_mut().zip(values).zip(rows.chunks_exact(L)) {
                for (s, &c) in sum.iter_mut().zip(row) {
                    *s += value * c;
                }
            }
        }
        for m in 0..=self.max_m {
            let group = 2 * (m % 2);
            write(m, sums[group][m / 2], sums[group + 1][m / 2]);
        }
    }

    /// Any number of orders, without tables: only for orders far beyond what a fit uses.
    fn plain(&self, ring: &[f64], write: &mut impl FnMut(usize, f64, f64)) {
        for m in 0..=self.max_m {
            let (mut c, mut s) = (0.0, 0.0);
            for (k, f) in ring.iter().enumerate() {
                let angle = std::f64::consts::TAU * ((m * k) % self.meridians) as f64 / self.meridians as f64;
                c += f * angle.cos();
                s += f * angle.sin();
            }
            write(m, c, s);
        }
    }
}

/// Folds a ring of `4q` samples onto `q + 1` angles: even cosine, even sine, odd cosine, odd sine parts.
fn fold(ring: &[f64], folded: &mut Vec<[f64; 4]>) {
    let half = ring.len() / 2;
    let quarter = ring.len() / 4;
    let (first, second) = ring.split_at(half);
    let even = |k: usize| first[k] + second[k];
    let odd = |k: usize| first[k] - second[k];
    folded.push([even(0), 0.0, odd(0), 0.0]);
    let low = first[1..quarter].iter().zip(&second[1..quarter]);
    let high = first[quarter + 1..].iter().rev().zip(second[quarter + 1..].iter().rev());
    folded.extend(low.zip(high).map(|((a, b), (c, d))| {
        let (even, odd, even_mirror, odd_mirror) = (a + b, a - b, c + d, c - d);
        [even + even_mirror, even - even_mirror, odd - odd_mirror, odd + odd_mirror]
    }));
    folded.push([even(quarter), 0.0, 0.0, odd(quarter)]);
}
