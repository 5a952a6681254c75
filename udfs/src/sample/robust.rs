//! Location and spread that a few wild values do not move: MAD, modified z-score, Tukey's fences, Hampel's filter.

use super::{quantile, sorted};
use crate::waiting::is_stopped;

/// A normal distribution's standard deviation in units of its MAD, 1/Φ⁻¹(3/4).
pub const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;

/// Median of the finite values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// Median and raw median absolute deviation from it (Hampel, 1974).
pub fn median_and_mad(values: &[f64]) -> Option<(f64, f64)> {
    let centre = median(values)?;
    let deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    Some((centre, median(&deviations)?))
}

/// Raw median absolute deviation. Times [`SIGMA_PER_MAD`] it estimates the standard deviation of normal values. `None` without
/// values and where it is 0, which says that more than half of the values are equal and not that there is no spread.
pub fn mad(values: &[f64]) -> Option<f64> {
    median_and_mad(values).map(|(_, mad)| mad).filter(|m| *m > 0.0)
}

/// Modified z-scores `(x − median) / (1.4826 MAD)` (Iglewicz and Hoaglin, 1993, who call more than 3.5 an outlier), `NaN` for a
/// missing value. `None` where the MAD is 0.
pub fn modified_z(values: &[f64]) -> Option<Vec<f64>> {
    let (centre, mad) = median_and_mad(values).filter(|(_, mad)| *mad > 0.0)?;
    let sigma = SIGMA_PER_MAD * mad;
    Some(values.iter().map(|v| if v.is_finite() { (v - centre) / sigma } else { f64::NAN }).collect())
}

/// Tukey's fences (1977): `factor` interquartile ranges below the first and above the third quartile. `None` without values.
pub fn tukey_fences(values: &[f64], factor: f64) -> Option<[f64; 2]> {
    let sorted = sorted(values);
    let (low, high) = (quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?);
    let reach = factor * (high - low);
    Some([low - reach, high + reach]).filter(|f| f.iter().all(|v| v.is_finite()))
}

/// What Hampel's filter says of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hampel {
    /// The value, or the window's median in its place.
    pub value: f64,
    /// Whether it was replaced; `None` where the window's MAD is 0 and there is nothing to compare with.
    pub outlier: Option<bool>,
}

/// Hampel's filter: a value further than `threshold` scaled MADs from the median of the `2 half_window + 1` values around it is
/// replaced by that median (Pearson, 2002). Windows are cut at both ends; missing values count in no window. `None` for a
/// missing value.
pub fn hampel(values: &[f64], half_window: usize, threshold: f64) -> Vec<Option<Hampel>> {
    let (mut window, mut deviations) = (Vec::new(), Vec::new());
    let filtered = |(i, &value): (usize, &f64)| {
        let around = values.get(i.saturating_sub(half_window)..(i + half_window + 1).min(values.len()))?;
        if !value.is_finite() || is_stopped() {
            return None;
        }
        window.clear();
        window.extend(around.iter().copied().filter(|v| v.is_finite()));
        window.sort_unstable_by(f64::total_cmp);
        let centre = quantile(&window, 0.5)?;
        deviations.clear();
        deviations.extend(window.iter().map(|v| (v - centre).abs()));
        deviations.sort_unstable_by(f64::total_cmp);
        let limit = threshold * SIGMA_PER_MAD * quantile(&deviations, 0.5)?;
        if limit > 0.0 {
            let outlier = (value - centre).abs() > limit;
            return Some(Hampel { value: if outlier { centre } else { value }, outlier: Some(outlier) });
        }
        Some(Hampel { value, outlier: None })
    };
    values.iter().enumerate().map(filtered).collect()
}
