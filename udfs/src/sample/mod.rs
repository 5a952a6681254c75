//! Floor 0: statistics of samples. Numbers in, numbers out.
//!
//! Nothing here knows of columns, SQL or files. Conventions, everywhere:
//!
//! * A value that is not finite (`NaN`) is missing and counts for nothing.
//! * `None` is the answer where a statistic is not defined: no values, no spread, one class only. Never `NaN`, never infinity.
//! * What is given in any order gives the same answer: functions that need an order sort by themselves.
//! * What takes long ends when nobody waits for it, with any answer at all: see `waiting`.

pub mod agreement;
pub mod axial;
pub mod bivariate;
pub mod calibration;
pub mod components;
pub mod conformal;
pub mod drift;
mod leading;
pub mod metric;
pub mod multivariate;
mod order;
mod products;
pub mod profile;
pub mod robust;
mod symmetric;

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF};

/// The finite values in ascending order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    order::ordered(values.iter().copied().filter(|v| v.is_finite()).collect(), f64::total_cmp)
}

/// The quantile `q` (0 to 1) of ascending values by linear interpolation between order statistics (type 7 of Hyndman and Fan,
/// 1996; the default of numpy, R and `percentile_cont`). `None` without values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = (position.floor() as usize).min(last);
    let (low, high) = (*sorted.get(below)?, *sorted.get((below + 1).min(last))?);
    let share = position - below as f64;
    // From the nearer end, so that both ends are exact.
    Some(if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) })
}

/// The value below which a χ² variable of `degrees` degrees of freedom lies with the given probability. `None` outside
/// `0 < probability < 1` and for degrees that are not positive or more than a million, for which there is no use and no fast series.
pub fn chi_square_quantile(probability: f64, degrees: f64) -> Option<f64> {
    let inside = probability > 0.0 && probability < 1.0 && degrees <= 1e6;
    let distribution = ChiSquared::new(degrees).ok().filter(|_| inside)?;
    // Bisection of the logarithm finds every magnitude; the library's own inverse misses small quantiles.
    let (mut low, mut high) = (-690.0, (2.0 * degrees + 1000.0).ln());
    for _ in 0..50 {
        let middle: f64 = 0.5 * (low + high);
        if distribution.cdf(middle.exp()) < probability { low = middle } else { high = middle }
    }
    let mut quantile = (0.5 * (low + high)).exp();
    for _ in 0..3 {
        let step = (distribution.cdf(quantile) - probability) / distribution.pdf(quantile);
        if step.is_finite() && step.abs() < 0.5 * quantile {
            quantile -= step;
        }
    }
    Some(quantile).filter(|v| v.is_finite())
}

/// The probability that a χ² variable of `degrees` degrees of freedom exceeds the statistic. `None` for degrees that are not
/// positive or a statistic that is not finite.
pub fn chi_square_tail(statistic: f64, degrees: f64) -> Option<f64> {
    let distribution = ChiSquared::new(degrees).ok().filter(|_| statistic.is_finite())?;
    if statistic <= 0.0 {
        return Some(1.0);
    }
    Some(distribution.sf(statistic)).filter(|v| v.is_finite())
}
