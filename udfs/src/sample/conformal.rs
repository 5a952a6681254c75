//! Split-conformal prediction (Vovk; Papadopoulos, 2002): a threshold from calibration scores, and the sets and intervals it gives.
//!
//! The promise holds for calibration rows that are exchangeable with the new one. Both eyes of a patient are not: take one row
//! a patient. Classes count from 0 here.

/// The `k`-th smallest of `n` scores, `k = ⌈(n + 1)(1 − alpha)⌉`; `None` where `k > n`, for which no threshold is high enough.
pub fn rank(n: usize, alpha: f64) -> Option<usize> {
    // (n + 1)(1 − alpha) may be a whole number that rounding lifted.
    let k = ((n as f64 + 1.0) * (1.0 - alpha) - 1e-9).ceil();
    (k >= 1.0 && k <= n as f64).then_some(k as usize)
}

/// The score below which a new row's score lies with a probability of at least `1 − alpha`. `None` where no threshold is high
/// enough: every class, every value. That is so for too few scores, and where the rank falls on an infinite one.
///
/// Other than elsewhere, an infinite score is a score: that of a row which no threshold covers. Left out, it would lower the
/// threshold and break the promise. `NaN` is missing.
pub fn quantile(scores: &[f64], alpha: f64) -> Option<f64> {
    let sorted = super::order::ordered(scores.iter().copied().filter(|s| !s.is_nan()).collect(), f64::total_cmp);
    sorted.get(rank(sorted.len(), alpha)?.checked_sub(1)?).copied().filter(|s| s.is_finite())
}

/// Score of the least ambiguous classifier: one minus the probability of the true class (Sadinle, 2019).
pub fn lac_score(p: &[f64], class: usize) -> Option<f64> {
    p.get(class).map(|p| 1.0 - p).filter(|s| s.is_finite())
}

/// Classes whose [`lac_score`] does not exceed the threshold; may be empty. `None` where a probability is missing.
pub fn lac_set(p: &[f64], threshold: f64) -> Option<Vec<usize>> {
    let known = p.iter().all(|p| p.is_finite());
    known.then(|| p.iter().enumerate().filter(|(_, p)| 1.0 - **p <= threshold).map(|(class, _)| class).collect())
}

/// Classes from the most probable to the least; equal ones in their order.
fn ranked(p: &[f64]) -> Option<Vec<(usize, f64)>> {
    let mut ranked: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    p.iter().all(|p| p.is_finite()).then_some(ranked)
}

/// Score of adaptive prediction sets without randomisation (Romano, 2020): the probability of the true class and all more
/// probable ones together.
pub fn aps_score(p: &[f64], class: usize) -> Option<f64> {
    let mut mass = 0.0;
    for (k, probability) in ranked(p)? {
        mass += probability;
        if k == class {
            return Some(mass);
        }
    }
    None
}

/// The fewest most probable classes whose probabilities together reach the threshold, in ascending order; all where they never do.
/// `None` where a probability is missing.
pub fn aps_set(p: &[f64], threshold: f64) -> Option<Vec<usize>> {
    let (mut mass, mut set) = (0.0, Vec::new());
    for (class, probability) in ranked(p)? {
        set.push(class);
        mass += probability;
        // Rounding may let the sum of all probabilities reach 1 before the last class.
        if mass >= threshold && threshold < 1.0 {
            break;
        }
    }
    set.sort_unstable();
    Some(set)
}
