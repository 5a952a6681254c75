//! Centre, covariance and Mahalanobis distance of vectors; classical and robust (minimum covariance determinant).

use super::order::ordered;
use super::{chi_square_quantile, sorted};
use crate::optics::linalg::Cholesky;
use crate::waiting::{go_on, go_on_at, is_stopped};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Longest vector whose covariance is computed; its matrix holds 8 MB.
pub const MAX_LENGTH: usize = 1000;
/// Longest vector for [`mcd`], whose work grows with the square of the length times 1,000 passes.
pub const MAX_MCD_LENGTH: usize = 50;

/// Count, mean and scatter of vectors, updated one by one and merged (Chan, Golub and LeVeque, 1979).
#[derive(Debug, Clone)]
pub struct Moments {
    count: f64,
    mean: Vec<f64>,
    /// Sum of the outer products of the deviations, row-major, lower triangle.
    scatter: Vec<f64>,
    /// Deviations of the vector that is added, kept for the next one.
    deviation: Vec<f64>,
}

impl Moments {
    /// No vectors yet, of `length` elements each.
    pub fn new(length: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; length], scatter: vec![0.0; length * length], deviation: vec![0.0; length] }
    }

    /// Elements of a vector.
    pub fn length(&self) -> usize {
        self.mean.len()
    }

    /// Vectors so far.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Adds a vector. One of another length or with a missing element counts for nothing.
    pub fn add(&mut self, vector: &[f64]) {
        if vector.len() != self.mean.len() || vector.iter().any(|v| !v.is_finite()) {
            return;
        }
        self.add_mean(vector, 1.0);
    }

    /// Adds a mean of `count` vectors, without the scatter around it.
    fn add_mean(&mut self, mean: &[f64], count: f64) {
        let total = self.count + count;
        for ((d, v), own) in self.deviation.iter_mut().zip(mean).zip(&mut self.mean) {
            *d = v - *own;
            *own += *d * count / total;
        }
        let (weight, deviation) = (self.count * count / total, &self.deviation);
        let rows = self.scatter.chunks_exact_mut(deviation.len().max(1));
        for (i, (row, d)) in rows.zip(deviation).enumerate() {
            let scaled = weight * d;
            for (sum, other) in row.iter_mut().zip(deviation).take(i + 1) {
                *sum += scaled * other;
            }
        }
        self.count = total;
    }

    /// Adds all vectors of another sample. One of another length counts for nothing.
    pub fn merge(&mut self, other: &Self) {
        if other.count <= 0.0 || other.length() != self.length() {
            return;
        }
        for (sum, more) in self.scatter.iter_mut().zip(&other.scatter) {
            *sum += more;
        }
        self.add_mean(&other.mean, other.count);
    }

    /// All numbers in a row; [`Self::from_floats`] reads them.
    pub fn to_floats(&self) -> Vec<f64> {
        let mut all = Vec::with_capacity(1 + self.mean.len() + self.scatter.len());
        all.push(self.count);
        all.extend_from_slice(&self.mean);
        all.extend_from_slice(&self.scatter);
        all
    }

    /// The sample that [`Self::to_floats`] wrote down; `None` for anything else.
    pub fn from_floats(floats: &[f64]) -> Option<Self> {
        let (count, rest) = floats.split_first()?;
        // n + n² numbers follow.
        let length = ((rest.len() as f64 + 0.25).sqrt() - 0.5).round() as usize;
        if length.checked_mul(length + 1)? != rest.len() {
            return None;
        }
        let (mean, scatter) = rest.split_at(length);
        Some(Self { count: *count, mean: mean.to_vec(), scatter: scatter.to_vec(), deviation: vec![0.0; length] })
    }

    /// Centre and covariance, row-major. `unbiased` divides by `n − 1`, otherwise by `n`. `None` for fewer than two vectors.
    pub fn fit(&self, unbiased: bool) -> Option<Fit> {
        let divisor = if unbiased { self.count - 1.0 } else { self.count };
        let n = self.length();
        if self.count < 2.0 || n == 0 {
            return None;
        }
        let at = |i: usize, j: usize| self.scatter.get(i.max(j) * n + i.min(j)).map(|s| s / divisor);
        let covariance = (0..n * n).map(|k| at(k / n, k % n)).collect::<Option<Vec<f64>>>()?;
        let finite = covariance.iter().chain(&self.mean).all(|v| v.is_finite());
        finite.then(|| Fit { center: self.mean.clone(), covariance, count: self.count })
    }
}

/// Centre and covariance of a sample of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Centre.
    pub center: Vec<f64>,
    /// Covariance, row-major.
    pub covariance: Vec<f64>,
    /// Vectors that the covariance rests on.
    pub count: f64,
}

/// A centre and a covariance, ready for distances.
pub struct Ellipsoid {
    center: Vec<f64>,
    factor: Cholesky,
    scale: Vec<f64>,
}

impl Ellipsoid {
    /// `None` where the matrix does not belong to the centre or is not positive definite.
    pub fn new(center: &[f64], covariance: &[f64]) -> Option<Self> {
        let n = center.len();
        if n == 0 || n.checked_mul(n)? != covariance.len() || covariance.iter().chain(center).any(|v| !v.is_finite()) {
            return None;
        }
        // Scaled to a unit diagonal: what is singular does not depend on the units of the elements.
        let scale = (0..n).map(|i| covariance.get(i * n + i).filter(|v| **v > 0.0).map(|v| 1.0 / v.sqrt()));
        let scale = scale.collect::<Option<Vec<f64>>>()?;
        let mut matrix = covariance.to_vec();
        for (row, a) in matrix.chunks_exact_mut(n).zip(&scale) {
            for (cell, b) in row.iter_mut().zip(&scale) {
                *cell *= a * b;
            }
        }
        Some(Self { center: center.to_vec(), factor: Cholesky::new(&matrix, n)?, scale })
    }

    /// Natural logarithm of the covariance's determinant.
    pub fn log_determinant(&self) -> f64 {
        self.factor.log_determinant() - 2.0 * self.scale.iter().map(|s| s.ln()).sum::<f64>()
    }

    /// Squared Mahalanobis distance of a vector; χ² with as many degrees of freedom as elements where vectors are normal.
    /// `None` for another length or a missing element.
    pub fn distance_squared(&self, vector: &[f64]) -> Option<f64> {
        if vector.len() != self.center.len() {
            return None;
        }
        self.distance_with(vector, &mut Vec::new())
    }

    fn distance_with(&self, vector: &[f64], buffer: &mut Vec<f64>) -> Option<f64> {
        buffer.clear();
        buffer.extend(vector.iter().zip(&self.center).zip(&self.scale).map(|((v, c), s)| (v - c) * s));
        self.factor.whiten(buffer);
        let square: f64 = buffer.iter().map(|v| v * v).sum();
        square.is_finite().then_some(square)
    }
}

/// Share of the vectors that [`mcd`] rests on.
const SUPPORT: f64 = 0.75;
/// Random starts.
const STARTS: usize = 500;
/// Starts that survive to the next stage.
const BEST: usize = 10;
/// Up to this many vectors all starts see all vectors.
const SMALL: usize = 600;
/// Size of a group that stands for the whole of a larger sample, and how many there are.
const GROUP: usize = 300;
const GROUPS: usize = 5;
/// Beyond this many vectors only the best start of all is followed further, and not for long.
const LARGE: usize = 5000;

/// The minimum covariance determinant estimate: centre and covariance of the three quarters of the vectors whose covariance has
/// the smallest determinant, found by FAST-MCD (Rousseeuw and Van Driessen, 1999) from a fixed seed, made consistent for normal
/// vectors (Croux and Haesbroeck, 1999) and reweighted: vectors within the 97.5 % quantile of χ² count, the others do not.
///
/// `rows` holds vectors of `length` elements one after another; those with a missing element count for nothing. The answer does
/// not depend on the order of the vectors. `None` for too few vectors, for a length of 0 or beyond [`MAX_MCD_LENGTH`], and where
/// three quarters of the vectors lie in a plane.
pub fn mcd(rows: &[f64], length: usize) -> Option<Fit> {
    if !(1..=MAX_MCD_LENGTH).contains(&length) {
        return None;
    }
    let data = Data::new(rows, length)?;
    let n = data.count();
    let support = ((SUPPORT * n as f64) as usize).max((n + length).div_ceil(2)).min(n);
    if support <= length {
        return None;
    }
    let mut random = Random(0x5EED);
    let mut best = if n <= SMALL { data.starts(STARTS, support, &mut random) } else { data.nested_starts(support, &mut random) };
    if n > LARGE {
        for start in &mut best {
            *start = data.concentrate(start, support, 1)?;
        }
        best.sort_by(|a, b| a.log_determinant.total_cmp(&b.log_determinant));
        best.truncate(1);
    }
    let finished = best.iter().filter_map(|start| data.concentrate(start, support, if n > LARGE { 20 } else { 100 }));
    let raw = finished.min_by(|a, b| a.log_determinant.total_cmp(&b.log_determinant))?;
    data.reweighted(&raw, support)
}

/// The probability mass that a cut at the `share` quantile keeps of a normal variance, inverted.
fn consistency(length: usize, share: f64) -> Option<f64> {
    if share >= 1.0 {
        return Some(1.0);
    }
    let cut = chi_square_quantile(share, length as f64)?;
    let kept = ChiSquared::new(length as f64 + 2.0).ok()?.cdf(cut);
    Some(share / kept).filter(|f| f.is_finite())
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % (limit.max(1) as u64)) as usize
    }
}

/// A centre and a shape on the way to the estimate.
#[derive(Clone)]
struct Candidate {
    fit: Fit,
    log_determinant: f64,
}

/// Complete vectors in lexicographic order, each element shifted and scaled to unit spread.
struct Data {
    length: usize,
    rows: Vec<f64>,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl Data {
    fn new(rows: &[f64], length: usize) -> Option<Self> {
        let complete: Vec<&[f64]> = rows.chunks_exact(length).filter(|r| r.iter().all(|v| v.is_finite())).collect();
        let complete = ordered(complete, |a, b| {
            a.iter().zip(*b).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        let (mut shift, mut scale) = (Vec::with_capacity(length), Vec::with_capacity(length));
        for j in 0..length {
            go_on()?;
            let column: Vec<f64> = complete.iter().filter_map(|r| r.get(j)).copied().collect();
            let (centre, mad) = super::robust::median_and_mad(&column)?;
            let ordered = sorted(&column);
            let spread = if mad > 0.0 { mad } else { ordered.last()? - ordered.first()? };
            if !(spread > 0.0 && spread.is_finite()) {
                return None;
            }
            shift.push(centre);
            scale.push(spread);
        }
        let scaled = |row: &&[f64]| row.iter().zip(&shift).zip(&scale).map(|((v, c), s)| (v - c) / s).collect::<Vec<f64>>();
        let rows = complete.iter().flat_map(scaled).collect();
        Some(Self { length, rows, shift, scale })
    }

    fn count(&self) -> usize {
        self.rows.len() / self.length
    }

    fn row(&self, index: usize) -> &[f64] {
        self.rows.get(index * self.length..(index + 1) * self.length).unwrap_or_default()
    }

    /// Random rows without repetition.
    fn sample(&self, size: usize, random: &mut Random) -> Vec<usize> {
        let n = self.count();
        // Floyd's algorithm: one draw a row, no matter how many there are.
        let mut chosen = std::collections::BTreeSet::new();
        for last in n.saturating_sub(size)..n {
            let drawn = random.below(last + 1);
            if !chosen.insert(drawn) {
                chosen.insert(last);
            }
        }
        chosen.into_iter().collect()
    }

    fn candidate(&self, rows: impl Iterator<Item = usize>) -> Option<Candidate> {
        let mut moments = Moments::new(self.length);
        for (at, i) in rows.enumerate() {
            go_on_at(at)?;
            moments.add(self.row(i));
        }
        let fit = moments.fit(false)?;
        let log_determinant = Ellipsoid::new(&fit.center, &fit.covariance)?.log_determinant();
        Some(Candidate { fit, log_determinant })
    }

    /// The `support` rows nearest to a candidate; equal distances in the order of the rows.
    fn nearest(&self, candidate: &Candidate, support: usize) -> Option<Vec<usize>> {
        let mut distances = self.distances(&candidate.fit)?.into_iter().enumerate().collect::<Vec<(usize, f64)>>();
        if support < distances.len() {
            distances.select_nth_unstable_by(support, |a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            distances.truncate(support);
        }
        let mut rows: Vec<usize> = distances.into_iter().map(|(row, _)| row).collect();
        rows.sort_unstable();
        Some(rows)
    }

    fn distances(&self, fit: &Fit) -> Option<Vec<f64>> {
        let ellipsoid = Ellipsoid::new(&fit.center, &fit.covariance)?;
        let mut buffer = Vec::new();
        let mut distance = |(at, row)| {
            go_on_at(at)?;
            ellipsoid.distance_with(row, &mut buffer)
        };
        self.rows.chunks_exact(self.length).enumerate().map(&mut distance).collect()
    }

    /// Up to `steps` concentration steps, each of which lowers the determinant; fewer once it stays.
    fn concentrate(&self, start: &Candidate, support: usize, steps: usize) -> Option<Candidate> {
        let mut current = start.clone();
        let mut before = f64::INFINITY;
        for _ in 0..steps {
            current = self.candidate(self.nearest(&current, support)?.into_iter())?;
            if current.log_determinant >= before - 1e-12 {
                break;
            }
            before = current.log_determinant;
        }
        Some(current)
    }

    /// The best of random elemental starts after two concentration steps each.
    fn starts(&self, count: usize, support: usize, random: &mut Random) -> Vec<Candidate> {
        let mut found = Vec::new();
        for _ in 0..count {
            if is_stopped() {
                break;
            }
            // A start in a plane gets more rows until it spans the space.
            let mut size = self.length + 1;
            let start = loop {
                match self.candidate(self.sample(size, random).into_iter()) {
                    Some(start) => break Some(start),
                    None if size < self.count() => size = (size * 2).min(self.count()),
                    None => break None,
                }
            };
            found.extend(start.and_then(|s| self.concentrate(&s, support, 2)));
        }
        best(found)
    }

    /// Starts for a large sample: within disjoint groups, then in their union, as in the published algorithm.
    fn nested_starts(&self, support: usize, random: &mut Random) -> Vec<Candidate> {
        let groups = (self.count() / GROUP).clamp(1, GROUPS);
        let mut chosen = self.sample(groups * GROUP, random);
        for i in (1..chosen.len()).rev() {
            chosen.swap(i, random.below(i + 1));
        }
        let share = support as f64 / self.count() as f64;
        let part = |rows: &[usize]| Self {
            length: self.length,
            rows: rows.iter().flat_map(|&i| self.row(i).iter().copied()).collect(),
            shift: Vec::new(),
            scale: Vec::new(),
        };
        let cut = |n: usize| ((share * n as f64) as usize).max(self.length + 1).min(n);
        let found = chosen.chunks(GROUP).flat_map(|rows| {
            let group = part(rows);
            group.starts(STARTS / groups, cut(group.count()), random)
        });
        let found: Vec<Candidate> = found.collect();
        let union = part(&chosen);
        best(found.iter().filter_map(|start| union.concentrate(start, cut(union.count()), 2)).collect())
    }

    /// The one-step reweighted estimate in the units of the caller.
    fn reweighted(&self, raw: &Candidate, support: usize) -> Option<Fit> {
        let factor = consistency(self.length, support as f64 / self.count() as f64)?;
        let cut = chi_square_quantile(0.975, self.length as f64)?;
        let mut moments = Moments::new(self.length);
        for (row, distance) in self.rows.chunks_exact(self.length).zip(self.distances(&raw.fit)?) {
            if distance / factor < cut {
                moments.add(row);
            }
        }
        let mut fit = moments.fit(false)?;
        let factor = consistency(self.length, 0.975)?;
        for (row, a) in fit.covariance.chunks_exact_mut(self.length).zip(&self.scale) {
            for (cell, b) in row.iter_mut().zip(&self.scale) {
                *cell *= factor * a * b;
            }
        }
        for ((c, shift), scale) in fit.center.iter_mut().zip(&self.shift).zip(&self.scale) {
            *c = *c * scale + shift;
        }
        fit.covariance.iter().chain(&fit.center).all(|v| v.is_finite()).then_some(fit)
    }
}

fn best(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_by(|a, b| a.log_determinant.total_cmp(&b.log_determinant));
    // Many starts end in the same place.
    found.dedup_by(|a, b| a.log_determinant == b.log_determinant && a.fit.center == b.fit.center);
    found.truncate(BEST);
    found
}
