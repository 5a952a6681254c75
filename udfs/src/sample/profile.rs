//! A profile of a set of vectors, dimension by dimension, and normalisation with it.
//!
//! The profile is computed once, stored, and used unchanged for later vectors: otherwise the same eye would get other features
//! in another company.

use super::order::ordered;
use super::quantile;
use super::robust::SIGMA_PER_MAD;
use crate::waiting::is_stopped;

/// Statistics of every dimension; those of a dimension without values are `NaN`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Number of values that are not missing.
    pub present: Vec<u64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation with divisor n.
    pub stddev_pop: Vec<f64>,
    /// Median; the mean of the middle two for an even number.
    pub median: Vec<f64>,
    /// Median of the absolute deviations from the median, not scaled.
    pub mad: Vec<f64>,
    /// Smallest value.
    pub min: Vec<f64>,
    /// Largest value.
    pub max: Vec<f64>,
}

/// The profile of vectors of `dimensions` elements, one after the other. The order of the vectors does not matter to the last
/// bit: every dimension is sorted first.
pub fn profile(vectors: &[f64], dimensions: usize) -> Profile {
    let mut result = Profile::default();
    for dimension in 0..dimensions {
        if is_stopped() {
            break;
        }
        let values = vectors.iter().skip(dimension).step_by(dimensions).copied().filter(|v| v.is_finite());
        let mut column: Vec<f64> = ordered(values.collect(), f64::total_cmp);
        result.present.push(column.len() as u64);
        let (min, max) = (column.first().copied().unwrap_or(f64::NAN), column.last().copied().unwrap_or(f64::NAN));
        let (mean, deviation) = moments(&column);
        let median = quantile(&column, 0.5).unwrap_or(f64::NAN);
        column.iter_mut().for_each(|v| *v = (*v - median).abs());
        let column = ordered(column, f64::total_cmp);
        result.min.push(min);
        result.max.push(max);
        // The mean of equal values would carry rounding into the deviation, which then would not be zero.
        result.mean.push(if min == max { min } else { mean });
        result.stddev_pop.push(if min == max { 0.0 } else { deviation });
        result.median.push(median);
        result.mad.push(quantile(&column, 0.5).unwrap_or(f64::NAN));
    }
    result
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / count).sqrt())
}

/// The standard deviation that belongs to a median absolute deviation. It is 0 only for equal values; where more than half of them
/// are equal and the others not, a deviation of 0 says nothing of the spread: `NaN`.
pub fn robust_spread(mad: f64, min: f64, max: f64) -> f64 {
    if mad == 0.0 && min < max { f64::NAN } else { SIGMA_PER_MAD * mad }
}

/// Appends `(v − center)/spread` element by element; missing elements stay `NaN`. A spread of zero leaves the element only centred, as
/// scikit-learn does it. A dimension that the profile does not know (`NaN`) is missing.
pub fn scale(vector: &[f64], center: &[f64], spread: impl Iterator<Item = f64>, out: &mut Vec<f64>) {
    out.extend(vector.iter().zip(center).zip(spread).map(|((v, c), s)| (v - c) / if s == 0.0 { 1.0 } else { s }));
}
