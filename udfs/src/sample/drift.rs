//! How far a current sample has moved from its reference: population stability index, Kolmogorov-Smirnov, Cramér-von Mises,
//! Wasserstein, Jensen-Shannon, χ², and false discovery rates over many of them.

use super::order::ordered;
use super::{chi_square_quantile, chi_square_tail, quantile, sorted};
use crate::waiting::is_stopped;

/// Share that stands for an empty bin in the population stability index.
const EMPTY: f64 = 1e-6;
/// The population stability index above which a change counts whatever the sample size (Siddiqi, 2006: "slight change").
pub const PSI_THRESHOLD: f64 = 0.1;
/// Current values below which the limit of the population stability index is not trusted.
pub const PSI_MIN_CURRENT: usize = 200;
/// Most bins.
pub const MAX_BINS: usize = 1000;
/// Sample size up to which the p-value of Kolmogorov and Smirnov is exact.
const EXACT: usize = 10_000;

/// Inner edges of `bins` bins that hold equally many reference values each, by linear quantiles. Every bin holds a reference
/// value: there are fewer of them where quantiles coincide, and a reference of which nearly all values are the smallest one is
/// divided into that value and the others. The outer bins are open. `None` where the reference has fewer than two different values.
pub fn quantile_edges(reference: &[f64], bins: usize) -> Option<Vec<f64>> {
    let sorted = sorted(reference);
    let (first, last) = (sorted.first()?, sorted.last()?);
    if first >= last || !(2..=MAX_BINS).contains(&bins) {
        return None;
    }
    let mut edges = Vec::with_capacity(bins - 1);
    let mut below = 0;
    for k in 1..bins {
        let edge = quantile(&sorted, k as f64 / bins as f64)?;
        // An edge with no reference value between it and the one before would make a bin that no reference value can reach.
        let count = sorted.partition_point(|v| *v < edge);
        if count > below {
            edges.push(edge);
            below = count;
        }
    }
    if edges.is_empty() {
        edges.extend(sorted.iter().find(|v| *v > first));
    }
    Some(edges)
}

/// How many finite values fall into each bin; a value on an edge belongs to the bin above.
pub fn bin_counts(values: &[f64], edges: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; edges.len() + 1];
    for v in values.iter().filter(|v| v.is_finite()) {
        if let Some(count) = counts.get_mut(edges.partition_point(|e| e <= v)) {
            *count += 1.0;
        }
    }
    counts
}

/// Counts as shares of their sum. `None` where there is nothing or a count is negative or missing.
fn shares(counts: &[f64]) -> Option<Vec<f64>> {
    let total: f64 = counts.iter().sum();
    let valid = total > 0.0 && total.is_finite() && counts.iter().all(|c| *c >= 0.0);
    valid.then(|| counts.iter().map(|c| c / total).collect())
}

fn both_shares(reference: &[f64], current: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    if reference.len() != current.len() {
        return None;
    }
    Some((shares(reference)?, shares(current)?))
}

/// Population stability index of two lists of counts in the same bins, Σ (q − p) ln(q / p); the share of an empty bin is 1e-6.
pub fn psi_of_counts(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    let term = |(p, q): (&f64, &f64)| {
        let (p, q) = (p.max(EMPTY), q.max(EMPTY));
        (q - p) * (q / p).ln()
    };
    Some(p.iter().zip(&q).map(term).sum())
}

/// Jensen-Shannon divergence of two lists of counts in the same bins, in bits: 0 for equal shares, 1 for disjoint ones. Its
/// square root is a distance.
pub fn js_divergence_of_counts(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    let half = |a: f64, mean: f64| if a > 0.0 { 0.5 * a * (a / mean).log2() } else { 0.0 };
    let term = |(&p, &q): (&f64, &f64)| {
        let mean = 0.5 * (p + q);
        half(p, mean) + half(q, mean)
    };
    Some(p.iter().zip(&q).map(term).sum::<f64>().clamp(0.0, 1.0))
}

/// A population stability index beside what chance alone gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psi {
    /// The index.
    pub psi: f64,
    /// Reference values.
    pub reference: usize,
    /// Current values.
    pub current: usize,
    /// Bins used; fewer than asked for where quantiles of the reference coincide.
    pub bins: usize,
    /// 95 % limit without drift, [`psi_limit`]; `None` with one bin.
    pub limit: Option<f64>,
}

impl Psi {
    /// Whether the index passes both [`PSI_THRESHOLD`] and the limit of the sample sizes.
    pub fn exceeds(&self) -> bool {
        self.psi > self.limit.map_or(PSI_THRESHOLD, |l| l.max(PSI_THRESHOLD))
    }

    /// Whether there are [`PSI_MIN_CURRENT`] current values, below which the limit is too low.
    pub fn enough(&self) -> bool {
        self.current >= PSI_MIN_CURRENT
    }
}

/// Population stability index of two samples in bins that hold equally many reference values each. `None` where one sample is
/// empty or the reference has no spread.
pub fn psi(reference: &[f64], current: &[f64], bins: usize) -> Option<Psi> {
    let edges = quantile_edges(reference, bins)?;
    let (p, q) = (bin_counts(reference, &edges), bin_counts(current, &edges));
    let (n, m) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
    let psi = psi_of_counts(&p, &q)?;
    Some(Psi { psi, reference: n as usize, current: m as usize, bins: p.len(), limit: psi_limit(n, m, p.len(), 0.95) })
}

/// The value that the population stability index of two samples from one distribution stays below with the probability
/// `level`: (1/n + 1/m) χ²(level, bins − 1) (Yurdakul and Naranjo, 2020).
pub fn psi_limit(reference: f64, current: f64, bins: usize, level: f64) -> Option<f64> {
    Some(psi_scale(reference, current, bins)? * chi_square_quantile(level, bins as f64 - 1.0)?)
}

/// The mean of the population stability index of two samples from one distribution: (1/n + 1/m) (bins − 1).
pub fn psi_expected(reference: f64, current: f64, bins: usize) -> Option<f64> {
    Some(psi_scale(reference, current, bins)? * (bins as f64 - 1.0))
}

fn psi_scale(reference: f64, current: f64, bins: usize) -> Option<f64> {
    let scale = 1.0 / reference + 1.0 / current;
    (reference >= 1.0 && current >= 1.0 && bins >= 2 && scale.is_finite()).then_some(scale)
}

/// Jensen-Shannon divergence in bits of two samples in bins that hold equally many reference values each.
pub fn js_divergence(reference: &[f64], current: &[f64], bins: usize) -> Option<f64> {
    let edges = quantile_edges(reference, bins)?;
    js_divergence_of_counts(&bin_counts(reference, &edges), &bin_counts(current, &edges))
}

/// Walks both ascending samples together and reports, for every different value but the last, the shares of each sample up to
/// it and the distance to the next value.
fn walk(a: &[f64], b: &[f64], mut step: impl FnMut(f64, f64, f64)) {
    let (mut i, mut j) = (0, 0);
    loop {
        let value = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(x), None) => *x,
            (None, Some(y)) => *y,
            (None, None) => return,
        };
        while a.get(i).is_some_and(|v| *v <= value) {
            i += 1;
        }
        while b.get(j).is_some_and(|v| *v <= value) {
            j += 1;
        }
        let next = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(v), None) | (None, Some(v)) => *v,
            (None, None) => return,
        };
        step(i as f64 / a.len() as f64, j as f64 / b.len() as f64, next - value);
    }
}

fn both_sorted(reference: &[f64], current: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let (a, b) = (sorted(reference), sorted(current));
    (!a.is_empty() && !b.is_empty()).then_some((a, b))
}

/// Kolmogorov-Smirnov statistic of two samples: the largest difference of their distribution functions, 0 to 1.
pub fn ks_statistic(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (a, b) = both_sorted(reference, current)?;
    let mut largest = 0.0f64;
    walk(&a, &b, |p, q, _| largest = largest.max((p - q).abs()));
    Some(largest)
}

/// Two-sided p-value of the Kolmogorov-Smirnov statistic: exact where both samples have up to 10,000 values (the default of
/// scipy), otherwise from Kolmogorov's limit. With 12,000 values at p = 0.001 that is 0.05 % above the exact value for samples of
/// one size, 2 % for sizes 4 : 1.
pub fn ks_p_value(reference: &[f64], current: &[f64]) -> Option<f64> {
    let count = |values: &[f64]| values.iter().filter(|v| v.is_finite()).count();
    let statistic = ks_statistic(reference, current)?;
    let (m, n) = (count(reference), count(current));
    if m.max(n) <= EXACT {
        return Some(ks_exact(m, n, statistic));
    }
    let effective = m as f64 * n as f64 / (m as f64 + n as f64);
    Some(kolmogorov_tail(effective.sqrt() * statistic))
}

/// The probability that a random lattice path from (0, 0) to (m, n) leaves the band |i/m − j/n| < d: the share of paths that
/// touched the border on their way to each point, from the shares of its two predecessors (Viehmann, 2021). Only sums of positive
/// numbers, so that tiny probabilities keep their digits.
fn ks_exact(m: usize, n: usize, statistic: f64) -> f64 {
    let limit = (statistic * m as f64 * n as f64).round() as i64;
    if limit <= 0 {
        return 1.0;
    }
    // Beyond the smallest number (Massart's bound, with the constant of Wei and Dudley, 2012) there is nothing to count.
    let effective = m as f64 * n as f64 / (m as f64 + n as f64);
    if 2.0 * effective * statistic * statistic > 750.0 {
        return 0.0;
    }
    let (m, n) = (m as i64, n as i64);
    let mut touched = vec![1.0; n as usize + 1];
    for i in 0..=m {
        if is_stopped() {
            break;
        }
        // Inside the band: |i n − j m| < limit.
        let low = (i * n - limit).div_euclid(m) + 1;
        let high = (i * n + limit - 1).div_euclid(m).min(n);
        let mut left = 1.0;
        for j in low.max(0)..=high {
            let Some(cell) = touched.get_mut(j as usize) else { break };
            *cell = match (i, j) {
                (0, 0) => 0.0,
                (0, _) => left,
                (_, 0) => *cell,
                _ => (*cell * i as f64 + left * j as f64) / (i + j) as f64,
            };
            left = *cell;
        }
    }
    touched.last().copied().unwrap_or(1.0).clamp(0.0, 1.0)
}

/// Tail of Kolmogorov's limit distribution, in the one of its two series that converges fast.
fn kolmogorov_tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let sum = if x < 1.0 {
        let exponent = -std::f64::consts::PI.powi(2) / (8.0 * x * x);
        let series: f64 = (0..20).map(|k| f64::from(2 * k + 1).powi(2) * exponent).map(f64::exp).sum();
        1.0 - std::f64::consts::TAU.sqrt() / x * series
    } else {
        let term = |k: i32| f64::from(k % 2 * 2 - 1) * (-2.0 * f64::from(k * k) * x * x).exp();
        2.0 * (1..20).map(term).sum::<f64>()
    };
    sum.clamp(0.0, 1.0)
}

/// Wasserstein distance of order 1, the area between the distribution functions, in the unit of the values.
pub fn wasserstein(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (a, b) = both_sorted(reference, current)?;
    let mut area = 0.0;
    walk(&a, &b, |p, q, width| area += (p - q).abs() * width);
    Some(area).filter(|a: &f64| a.is_finite())
}

/// [`wasserstein`] in standard deviations (`n − 1`) of the reference. `None` where that has no spread.
pub fn wasserstein_standardised(reference: &[f64], current: &[f64]) -> Option<f64> {
    let finite = sorted(reference);
    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
    let variance = finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (finite.len() as f64 - 1.0);
    let sd = Some(variance.sqrt()).filter(|sd| *sd > 0.0 && finite.first() < finite.last())?;
    Some(wasserstein(reference, current)? / sd).filter(|w| w.is_finite())
}

/// Cramér-von Mises statistic of two samples, T of Anderson (1962), with mid-ranks for equal values.
pub fn cvm_statistic(reference: &[f64], current: &[f64]) -> Option<f64> {
    let (a, b) = both_sorted(reference, current)?;
    let (m, n) = (a.len() as f64, b.len() as f64);
    // Twice the mid-rank in the pooled sample: the values below and those up to it.
    let twice_rank = |v: f64| {
        let below = a.partition_point(|x| *x < v) + b.partition_point(|x| *x < v);
        let up_to = a.partition_point(|x| *x <= v) + b.partition_point(|x| *x <= v);
        (below + up_to + 1) as f64
    };
    let squares =
        |own: &[f64]| -> f64 { own.iter().enumerate().map(|(i, v)| (0.5 * twice_rank(*v) - (i + 1) as f64).powi(2)).sum() };
    let u = m * squares(&a) + n * squares(&b);
    Some(u / (m * n * (m + n)) - (4.0 * m * n - 1.0) / (6.0 * (m + n)))
}

/// p-value of the Cramér-von Mises statistic from its limit distribution, with mean and variance of the sample sizes (Anderson,
/// 1962; Csörgő and Faraway, 1996). It is one minus a sum and not resolved below 1e-15. `None` for fewer than two values in a
/// sample.
pub fn cvm_p_value(reference: &[f64], current: &[f64]) -> Option<f64> {
    let statistic = cvm_statistic(reference, current)?;
    let count = |values: &[f64]| values.iter().filter(|v| v.is_finite()).count() as f64;
    let (m, n) = (count(reference), count(current));
    if m < 2.0 || n < 2.0 {
        return None;
    }
    let (all, product) = (m + n, m * n);
    let mean = (1.0 + 1.0 / all) / 6.0;
    let variance =
        (all + 1.0) * (4.0 * product * all - 3.0 * (m * m + n * n) - 2.0 * product) / (45.0 * all * all * 4.0 * product);
    let standardised = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    // Below this the distribution function is 0 to rounding.
    if standardised < 0.003 {
        return Some(1.0);
    }
    // Above it the p-value is less than 1e-80, and the series would need ever more terms.
    if standardised > 40.0 {
        return Some(0.0);
    }
    Some((1.0 - cvm_limit(standardised)).clamp(0.0, 1.0))
}

/// The limit distribution function of the Cramér-von Mises statistic, equation 1.2 of Csörgő and Faraway (1996).
fn cvm_limit(x: f64) -> f64 {
    let mut sum = 0.0;
    // Γ(k + 1/2) / k!, from its recurrence.
    let mut gamma = std::f64::consts::PI.sqrt();
    for k in 0..1000 {
        let y = f64::from(4 * k + 1);
        let q = y * y / (16.0 * x);
        let term = gamma / (std::f64::consts::PI.powf(1.5) * x.sqrt()) * y.sqrt() * bessel_quarter(q);
        sum += term;
        if term < 1e-17 * sum || term == 0.0 {
            break;
        }
        gamma *= (f64::from(k) + 0.5) / f64::from(k + 1);
    }
    sum
}

/// exp(−q) K(q), K the modified Bessel function of the second kind of order 1/4, from its integral
/// ∫ exp(−q (1 + cosh t)) cosh(t/4) dt: the trapezoidal rule converges beyond rounding at this step.
fn bessel_quarter(q: f64) -> f64 {
    const STEP: f64 = 0.0625;
    let integrand = |t: f64| (-q * (1.0 + t.cosh())).exp() * (0.25 * t).cosh();
    let mut sum = 0.5 * integrand(0.0);
    for i in 1..2000 {
        let value = integrand(f64::from(i) * STEP);
        sum += value;
        if value < 1e-18 * sum || value == 0.0 {
            break;
        }
    }
    sum * STEP
}

/// Pearson's χ² test of homogeneity of two lists of counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquareTest {
    /// The statistic, without continuity correction.
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees: f64,
    /// p-value.
    pub p_value: f64,
    /// Cramér's V, the effect size: 0 for equal shares, 1 for disjoint ones.
    pub cramers_v: f64,
}

/// Pearson's χ² test over the categories that occur. `None` with fewer than two of them, or an empty sample.
pub fn chi_square(reference: &[f64], current: &[f64]) -> Option<ChiSquareTest> {
    let (p, q) = both_shares(reference, current)?;
    let (m, n) = (reference.iter().sum::<f64>(), current.iter().sum::<f64>());
    let occur = p.iter().zip(&q).filter(|(p, q)| **p + **q > 0.0).count();
    if occur < 2 {
        return None;
    }
    let degrees = occur as f64 - 1.0;
    let pooled = |a: f64, b: f64| (a * m + b * n) / (m + n);
    let term = |(&a, &b): (&f64, &f64)| if a + b > 0.0 { (a - b).powi(2) / pooled(a, b) } else { 0.0 };
    let statistic = m * n / (m + n) * p.iter().zip(&q).map(term).sum::<f64>();
    let p_value = chi_square_tail(statistic, degrees)?;
    Some(ChiSquareTest { statistic, degrees, p_value, cramers_v: (statistic / (m + n)).sqrt().min(1.0) })
}

/// Adjusted p-values that control the false discovery rate (Benjamini and Hochberg, 1995), in the order of the input. A missing
/// value stays missing and does not count as a test.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().filter(|(_, p)| p.is_finite()).collect();
    // Places tell equal ones apart.
    order = ordered(order, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let tests = order.len() as f64;
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut smallest = 1.0f64;
    for (from_above, (at, p)) in order.into_iter().enumerate() {
        smallest = smallest.min(p * (tests / (tests - from_above as f64)));
        if let Some(cell) = adjusted.get_mut(at) {
            *cell = smallest;
        }
    }
    adjusted
}
