//! Agreement of two measurements of the same eyes: Bland and Altman, Lin, intraclass correlation; and of two labels: Cohen.

use std::collections::BTreeMap;

/// Count, means and squares of the deviations of the differences `a − b` and of the sums `a + b` of pairs, updated one by one and
/// merged (Chan, Golub and LeVeque, 1979). Differences by themselves, because the spread of large measurements would swallow them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pairs {
    count: f64,
    mean: [f64; 2],
    squares: [f64; 2],
}

/// Bias and 95 % limits of agreement (Bland and Altman, 1986).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlandAltman {
    /// Pairs.
    pub count: f64,
    /// Mean of `a − b`.
    pub bias: f64,
    /// Standard deviation (`n − 1`) of `a − b`.
    pub sd: f64,
    /// Bias − 1.96 sd.
    pub lower: f64,
    /// Bias + 1.96 sd.
    pub upper: f64,
}

/// Forms of the intraclass correlation of one measurement (Shrout and Fleiss, 1979).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IccForm {
    /// ICC(1,1): each eye by its own pair of observers.
    OneWay,
    /// ICC(2,1): absolute agreement; the observers are a sample.
    Agreement,
    /// ICC(3,1): consistency; a constant difference does not count.
    Consistency,
}

impl Pairs {
    /// Adds a pair. One with a missing value counts for nothing.
    pub fn add(&mut self, a: f64, b: f64) {
        if a.is_finite() && b.is_finite() {
            self.merge(&Self { count: 1.0, mean: [a - b, a + b], squares: [0.0; 2] });
        }
    }

    /// Adds all pairs of another sample.
    pub fn merge(&mut self, other: &Self) {
        let total = self.count + other.count;
        if other.count <= 0.0 {
            return;
        }
        let weight = self.count * other.count / total;
        let d = [other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]];
        for (i, d) in d.into_iter().enumerate() {
            self.squares[i] += other.squares[i] + weight * d * d;
            self.mean[i] += d * other.count / total;
        }
        self.count = total;
    }

    /// All numbers in a row.
    pub fn to_floats(&self) -> [f64; 5] {
        [self.count, self.mean[0], self.mean[1], self.squares[0], self.squares[1]]
    }

    /// Pairs that [`Self::to_floats`] wrote down.
    pub fn from_floats([count, difference, sum, differences, sums]: [f64; 5]) -> Self {
        Self { count, mean: [difference, sum], squares: [differences, sums] }
    }

    /// Squares of the deviations of `a − b` from its mean.
    fn of_differences(&self) -> f64 {
        self.squares[0]
    }

    /// Squares of the deviations of `a + b` from its mean.
    fn of_sums(&self) -> f64 {
        self.squares[1]
    }

    fn bias(&self) -> f64 {
        self.mean[0]
    }

    /// Bias and limits of agreement. `None` for fewer than two pairs.
    pub fn bland_altman(&self) -> Option<BlandAltman> {
        let sd = (self.of_differences() / (self.count - 1.0)).sqrt();
        let bias = self.bias();
        let (lower, upper) = (bias - 1.96 * sd, bias + 1.96 * sd);
        (self.count >= 2.0 && upper.is_finite() && lower.is_finite()).then_some(BlandAltman {
            count: self.count,
            bias,
            sd,
            lower,
            upper,
        })
    }

    /// Within-subject standard deviation of paired repeats, √(mean (a − b)² / 2) (Bland and Altman, 1996). `None` without pairs.
    pub fn within_subject_sd(&self) -> Option<f64> {
        let squares = self.of_differences() / self.count + self.bias() * self.bias();
        Some((0.5 * squares).sqrt()).filter(|sd| sd.is_finite())
    }

    /// Lin's (1989) concordance correlation coefficient, with variances divided by `n` as he does. `None` without any spread.
    pub fn lin_ccc(&self) -> Option<f64> {
        // Σ a² + Σ b² is half of Σ (a + b)² + Σ (a − b)², and 2 Σ a b half of their difference.
        let (sums, differences) = (0.5 * self.of_sums() / self.count, 0.5 * self.of_differences() / self.count);
        let spread = sums + differences + self.bias() * self.bias();
        (spread > 0.0).then(|| (sums - differences) / spread).filter(|c| c.is_finite())
    }

    /// Intraclass correlation of one measurement, two a subject. `None` for fewer than two pairs or without any spread.
    pub fn icc(&self, form: IccForm) -> Option<f64> {
        let n = self.count;
        let subjects = 0.5 * self.of_sums() / (n - 1.0);
        let error = 0.5 * self.of_differences() / (n - 1.0);
        let observers = 0.5 * n * self.bias() * self.bias();
        let (above, below) = match form {
            IccForm::OneWay => {
                let within = (observers + error * (n - 1.0)) / n;
                (subjects - within, subjects + within)
            }
            IccForm::Agreement => (subjects - error, subjects + error + 2.0 / n * (observers - error)),
            IccForm::Consistency => (subjects - error, subjects + error),
        };
        (n >= 2.0 && below > 0.0).then(|| above / below).filter(|r| r.is_finite())
    }
}

/// Cohen's (1960) kappa of how often two raters gave each pair of labels. `None` without pairs and where chance alone would agree
/// always.
pub fn cohen_kappa<'a>(pairs: impl Iterator<Item = (&'a str, &'a str, f64)>) -> Option<f64> {
    let (mut total, mut agreed) = (0.0, 0.0);
    let mut labels: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for (a, b, count) in pairs {
        total += count;
        agreed += if a == b { count } else { 0.0 };
        labels.entry(a).or_default()[0] += count;
        labels.entry(b).or_default()[1] += count;
    }
    let chance = labels.values().map(|[a, b]| a * b).sum::<f64>() / (total * total);
    (chance < 1.0).then(|| (agreed / total - chance) / (1.0 - chance)).filter(|k| k.is_finite())
}
