//! Whether probabilities mean what they say: proper scores, bins, ranking, logistic recalibration, agreement of labels.
//!
//! Everywhere `p` is the predicted probability of the event and `event` says whether it happened.

use super::order::ordered;
use crate::optics::linalg::NormalEquations;
use crate::waiting::go_on;

/// Predictions over which a regression goes without asking whether anybody waits.
const PART: usize = 1 << 16;

/// Most bins.
pub const MAX_BINS: usize = 10_000;

/// One prediction: the probability, and whether the event happened.
pub type Prediction = (f64, bool);

/// Squared error of a probability.
pub fn brier_score(p: f64, event: bool) -> f64 {
    let outcome = f64::from(u8::from(event));
    (p - outcome) * (p - outcome)
}

/// Negative log-likelihood in nats. A probability is kept a rounding step away from 0 and 1, so that one wrong certainty costs 36
/// and not infinity.
pub fn log_loss(p: f64, event: bool) -> f64 {
    let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    -(if event { p } else { 1.0 - p }).ln()
}

/// Squared error of a list of class probabilities against the true class, summed over the classes (0 to 2). `None` where a
/// probability is missing or the class is not one of the list.
pub fn multiclass_brier_score(p: &[f64], class: usize) -> Option<f64> {
    let sum = p.iter().enumerate().map(|(k, p)| brier_score(*p, k == class)).sum::<f64>();
    (class < p.len() && sum.is_finite()).then_some(sum)
}

/// Negative log-likelihood of the true class in nats, with the bounds of [`log_loss`].
pub fn multiclass_log_loss(p: &[f64], class: usize) -> Option<f64> {
    p.get(class).filter(|p| p.is_finite()).map(|p| log_loss(*p, true))
}

/// Count, sum of probabilities and events in each of equally wide bins of probability, the last of which holds 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins(Vec<[f64; 3]>);

/// Murphy's (1973) parts of the Brier score: score = reliability − resolution + uncertainty, exactly where the probabilities of
/// a bin are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrierParts {
    /// Mean squared gap between mean probability and event rate of the bins; small is good.
    pub reliability: f64,
    /// Variance of the event rate between the bins; large is good.
    pub resolution: f64,
    /// Variance of the outcome.
    pub uncertainty: f64,
}

impl Bins {
    /// Empty bins; at least one, at most [`MAX_BINS`].
    pub fn new(count: usize) -> Self {
        Self(vec![[0.0; 3]; count.clamp(1, MAX_BINS)])
    }

    /// Number of bins.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds a prediction.
    pub fn add(&mut self, p: f64, event: bool) {
        let Some(last) = self.0.len().checked_sub(1) else { return };
        if let Some(bin) = self.0.get_mut(((p * (last + 1) as f64) as usize).min(last)) {
            *bin = [bin[0] + 1.0, bin[1] + p, bin[2] + f64::from(u8::from(event))];
        }
    }

    /// Adds the predictions of other bins of the same count.
    pub fn merge(&mut self, other: &Self) {
        for (bin, more) in self.0.iter_mut().zip(&other.0) {
            *bin = std::array::from_fn(|i| bin[i] + more[i]);
        }
    }

    /// All numbers in a row.
    pub fn to_floats(&self) -> Vec<f64> {
        self.0.iter().flatten().copied().collect()
    }

    /// Bins that [`Self::to_floats`] wrote down.
    pub fn from_floats(floats: &[f64]) -> Self {
        Self(floats.chunks_exact(3).filter_map(|c| c.try_into().ok()).collect())
    }

    fn total(&self) -> Option<f64> {
        Some(self.0.iter().map(|b| b[0]).sum::<f64>()).filter(|n| *n > 0.0)
    }

    fn filled(&self) -> impl Iterator<Item = &[f64; 3]> {
        self.0.iter().filter(|b| b[0] > 0.0)
    }

    /// Expected calibration error (Naeini, 2015): the mean gap between mean probability and event rate, weighted by count.
    pub fn expected_error(&self) -> Option<f64> {
        let total = self.total()?;
        Some(self.filled().map(|b| (b[1] - b[2]).abs()).sum::<f64>() / total)
    }

    /// Maximum calibration error: the largest gap between mean probability and event rate.
    pub fn maximum_error(&self) -> Option<f64> {
        self.total()?;
        Some(self.filled().map(|b| ((b[1] - b[2]) / b[0]).abs()).fold(0.0, f64::max))
    }

    /// Murphy's parts.
    pub fn brier_parts(&self) -> Option<BrierParts> {
        let total = self.total()?;
        let rate = self.filled().map(|b| b[2]).sum::<f64>() / total;
        let weighted = |f: &dyn Fn(&[f64; 3]) -> f64| self.filled().map(|b| b[0] * f(b).powi(2)).sum::<f64>() / total;
        Some(BrierParts {
            reliability: weighted(&|b| (b[1] - b[2]) / b[0]),
            resolution: weighted(&|b| b[2] / b[0] - rate),
            uncertainty: rate * (1.0 - rate),
        })
    }
}

/// Predictions by ascending probability; events last among equals, so that the order does not depend on the input's.
fn ascending(predictions: &[Prediction]) -> Vec<Prediction> {
    let known = predictions.iter().copied().filter(|(p, _)| p.is_finite()).collect();
    ordered(known, |a: &Prediction, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
}

fn split_counts(predictions: &[Prediction]) -> (f64, f64) {
    let events = predictions.iter().filter(|(_, event)| *event).count();
    (events as f64, (predictions.len() - events) as f64)
}

/// Expected calibration error over bins of equal count (adaptive; Nixon, 2019): the first `n mod bins` bins hold one more. Each of
/// several equal probabilities counts with their mean outcome, so that a border between them does not make bins of one outcome.
pub fn adaptive_expected_error(predictions: &[Prediction], bins: usize) -> Option<f64> {
    let sorted = ascending(predictions);
    let n = sorted.len();
    if n == 0 || bins == 0 {
        return None;
    }
    let mut gaps = Vec::with_capacity(n);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let rate = split_counts(ties).0 / ties.len() as f64;
        gaps.extend(ties.iter().map(|(p, _)| p - rate));
    }
    let (each, more) = (n / bins, n % bins);
    let mut rest = gaps.as_slice();
    let mut sum = 0.0;
    for bin in 0..bins.min(n) {
        let (part, after) = rest.split_at((each + usize::from(bin < more)).min(rest.len()));
        sum += part.iter().sum::<f64>().abs();
        rest = after;
    }
    Some(sum / n as f64)
}

/// Area under the receiver operating characteristic: the probability that a random event has a higher score than a random
/// non-event, equal scores counting half. Any score will do, not only a probability. `None` with one class only.
pub fn auc(predictions: &[Prediction]) -> Option<f64> {
    let sorted = ascending(predictions);
    let (events, others) = split_counts(&sorted);
    if events == 0.0 || others == 0.0 {
        return None;
    }
    let (mut below, mut wins) = (0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let (tied_events, tied_others) = split_counts(ties);
        wins += tied_events * (below + 0.5 * tied_others);
        below += tied_others;
    }
    Some(wins / (events * others))
}

/// Average precision: Σ (recall gained) × precision over the thresholds, from the highest; without interpolation. Any score will
/// do. `None` without an event.
pub fn average_precision(predictions: &[Prediction]) -> Option<f64> {
    let sorted = ascending(predictions);
    let (events, _) = split_counts(&sorted);
    if events == 0.0 {
        return None;
    }
    let (mut above, mut hits, mut sum) = (0.0, 0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0).rev() {
        let (tied_events, tied_others) = split_counts(ties);
        hits += tied_events;
        above += tied_events + tied_others;
        sum += tied_events / events * hits / above;
    }
    Some(sum)
}

/// A logistic regression of the outcome on the logit of the prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recalibration {
    /// 0 for calibrated predictions.
    pub intercept: f64,
    /// 1 for calibrated predictions, below it for overconfident ones.
    pub slope: f64,
}

/// Logistic recalibration (Cox, 1958): maximum likelihood of logit P(event) = intercept + slope · logit(p), by iteratively
/// reweighted least squares. Probabilities are kept a rounding step away from 0 and 1. `None` where the likelihood has no maximum:
/// one class, equal predictions, or a threshold that separates the classes.
pub fn recalibration(predictions: &[Prediction]) -> Option<Recalibration> {
    let logit = |p: f64| {
        let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        (p / (1.0 - p)).ln()
    };
    let points: Vec<(f64, f64)> =
        ascending(predictions).into_iter().map(|(p, event)| (logit(p), f64::from(u8::from(event)))).collect();
    let range = |outcome: f64| {
        let own = points.iter().filter(|(_, y)| *y == outcome).map(|(x, _)| *x);
        own.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (events, others) = (range(1.0), range(0.0));
    // The classes have to overlap strictly (Albert and Anderson, 1984); an empty class has an empty range.
    if !(events.0 < others.1 && others.0 < events.1) {
        return None;
    }
    let centre = points.iter().map(|(x, _)| x).sum::<f64>() / points.len() as f64;
    let value = |[a, b]: [f64; 2]| -> Option<f64> {
        let term = |sum: f64, (x, y): &(f64, f64)| {
            let eta = a + b * (x - centre);
            sum + (y * eta - eta.max(0.0) - (-eta.abs()).exp().ln_1p())
        };
        points.chunks(PART).try_fold(0.0, |sum, part| go_on().map(|()| part.iter().fold(sum, term)))
    };
    let mut at = [0.0, 0.0];
    let mut likelihood = value(at)?;
    for _ in 0..200 {
        // One Newton step is a weighted regression of the residuals.
        let mut equations = NormalEquations::<2>::new();
        for part in points.chunks(PART) {
            go_on()?;
            for (x, y) in part {
                let x = x - centre;
                let mean = 1.0 / (1.0 + (-(at[0] + at[1] * x)).exp());
                let weight = (mean * (1.0 - mean)).max(1e-300);
                equations.add([1.0, x], (y - mean) / weight, weight);
            }
        }
        let step = equations.solve()?;
        let next = (0..40).map(|halvings| 0.5f64.powi(halvings)).find_map(|share| {
            let next = [at[0] + share * step[0], at[1] + share * step[1]];
            value(next).filter(|value| *value >= likelihood).map(|value| (next, value))
        });
        // Nothing along the step is better: this is the top, to rounding.
        let Some((next, value)) = next else { break };
        let moved = (next[0] - at[0]).abs().max((next[1] - at[1]).abs());
        (at, likelihood) = (next, value);
        if moved <= 1e-13 * (1.0 + at[0].abs() + at[1].abs()) {
            break;
        }
    }
    let result = Recalibration { intercept: at[0] - at[1] * centre, slope: at[1] };
    (result.intercept.is_finite() && result.slope.is_finite()).then_some(result)
}

/// Counts of a decision at a threshold: true positives, false positives, false negatives, true negatives.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Confusion {
    /// Event, called.
    pub true_positive: f64,
    /// No event, called.
    pub false_positive: f64,
    /// Event, not called.
    pub false_negative: f64,
    /// No event, not called.
    pub true_negative: f64,
}

impl Confusion {
    /// Adds a decision.
    pub fn add(&mut self, called: bool, event: bool) {
        match (called, event) {
            (true, true) => self.true_positive += 1.0,
            (true, false) => self.false_positive += 1.0,
            (false, true) => self.false_negative += 1.0,
            (false, false) => self.true_negative += 1.0,
        }
    }

    /// Matthews' correlation coefficient (1975). `None` where one class or one decision never occurs.
    pub fn matthews(&self) -> Option<f64> {
        let Self { true_positive: tp, false_positive: fp, false_negative: fn_, true_negative: tn } = *self;
        let product = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
        (product > 0.0).then(|| (tp * tn - fp * fn_) / product.sqrt())
    }
}
