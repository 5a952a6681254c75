//! Samples of two-component vectors, such as astigmatism in double-angle space: centroid, ellipses, Hotelling's T².
//!
//! The state is six numbers and merges exactly as if the samples had been read in one pass (Chan, Golub and LeVeque 1979, 1983).
//! Bivariate analysis of astigmatism: Næser and Hjortdal 2001; which ellipse is which: Holladay et al. 2022.

/// Count, means and centred sums of squares and products of pairs `(x, y)`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bivariate {
    count: f64,
    mean: [f64; 2],
    sxx: f64,
    syy: f64,
    sxy: f64,
}

/// What an ellipse covers with the wanted probability. The three differ by a factor of three to four at a dozen eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EllipseKind {
    /// The mean of the population: a confidence region, `k = 2(n−1)/(n(n−2)) F(2, n−2)`.
    Centroid,
    /// One further observation: a prediction region, `k = 2(n−1)(n+1)/(n(n−2)) F(2, n−2)`.
    Prediction,
    /// The share of the observations, were mean and covariance known: `k = χ²(2)`.
    Dataset,
}

/// An ellipse in the plane of the components.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipse {
    /// Centre.
    pub center: [f64; 2],
    /// Larger semi-axis, in the unit of the components.
    pub semi_major: f64,
    /// Smaller semi-axis.
    pub semi_minor: f64,
    /// Direction of the larger axis in the plane, degrees in [0, 180). In double-angle space the meridian of the eye is half of it.
    pub orientation_deg: f64,
    /// Area, in the square of the components' unit.
    pub area: f64,
}

/// Hotelling's test that a mean is zero, or that two means agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hotelling {
    /// T².
    pub t2: f64,
    /// T² as a value of the F distribution.
    pub f: f64,
    /// Degrees of freedom of the numerator: 2.
    pub df1: f64,
    /// Degrees of freedom of the denominator.
    pub df2: f64,
    /// Probability of a larger F under the hypothesis.
    pub p_value: f64,
}

/// A sample covariance (divisor n − 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covariance {
    /// Variance of x.
    pub xx: f64,
    /// Covariance of x and y.
    pub xy: f64,
    /// Variance of y.
    pub yy: f64,
}

/// Below this share of the larger eigenvalue the smaller one is rounding noise: the points lie on a line.
const SINGULAR: f64 = 1e-13;

impl Covariance {
    /// Both eigenvalues, the larger first.
    pub fn eigenvalues(self) -> [f64; 2] {
        let (middle, half) = (0.5 * (self.xx + self.yy), (0.5 * (self.xx - self.yy)).hypot(self.xy));
        let largest = middle + half;
        // The difference middle − half would cancel; the determinant does not.
        let smallest = if largest > 0.0 { (self.xx * (self.yy / largest) - self.xy * (self.xy / largest)).max(0.0) } else { 0.0 };
        [largest, smallest]
    }

    /// `v' S⁻¹ v`; `None` where the points lie on a line.
    fn inverse_form(self, v: [f64; 2]) -> Option<f64> {
        let [largest, smallest] = self.eigenvalues();
        if smallest.is_nan() || smallest <= SINGULAR * largest {
            return None;
        }
        let [x, y] = v;
        let value = (self.yy * x * x - 2.0 * self.xy * x * y + self.xx * y * y) / (largest * smallest);
        value.is_finite().then_some(value)
    }
}

/// Upper tail of the F distribution with 2 and `df` degrees of freedom, which has a closed form.
fn f_tail(f: f64, df: f64) -> f64 {
    (-0.5 * df * (2.0 * f / df).ln_1p()).exp()
}

/// Quantile of the F distribution with 2 and `df` degrees of freedom.
fn f_quantile(level: f64, df: f64) -> f64 {
    0.5 * df * (-2.0 / df * (-level).ln_1p()).exp_m1()
}

impl Bivariate {
    /// Adds a pair; one that is not finite is left out.
    pub fn add(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        self.count += 1.0;
        let [dx, dy] = [x - self.mean[0], y - self.mean[1]];
        self.mean[0] += dx / self.count;
        self.mean[1] += dy / self.count;
        self.sxx += dx * (x - self.mean[0]);
        self.syy += dy * (y - self.mean[1]);
        self.sxy += dx * (y - self.mean[1]);
    }

    /// Adds all pairs of another sample.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        let count = self.count + other.count;
        let [dx, dy] = [other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]];
        let weight = self.count * other.count / count;
        self.sxx += other.sxx + dx * dx * weight;
        self.syy += other.syy + dy * dy * weight;
        self.sxy += other.sxy + dx * dy * weight;
        self.mean[0] += dx * other.count / count;
        self.mean[1] += dy * other.count / count;
        self.count = count;
    }

    /// The state as six numbers.
    pub fn to_numbers(self) -> [f64; 6] {
        [self.count, self.mean[0], self.mean[1], self.sxx, self.syy, self.sxy]
    }

    /// The state from [`Bivariate::to_numbers`]; `None` for another length.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let [count, x, y, sxx, syy, sxy] = *numbers else { return None };
        Some(Self { count, mean: [x, y], sxx, syy, sxy })
    }

    /// Number of pairs.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Mean vector; `None` without pairs.
    pub fn mean(&self) -> Option<[f64; 2]> {
        (self.count > 0.0).then_some(self.mean)
    }

    /// Sample covariance; `None` for fewer than two pairs.
    pub fn covariance(&self) -> Option<Covariance> {
        let df = self.count - 1.0;
        (df > 0.0).then(|| Covariance { xx: self.sxx / df, xy: self.sxy / df, yy: self.syy / df })
    }

    /// Total standard deviation `√(s²x + s²y)`; `None` for fewer than two pairs.
    pub fn total_sd(&self) -> Option<f64> {
        self.covariance().map(|s| (s.xx + s.yy).sqrt())
    }

    /// The ellipse of a kind that covers `level`, between 0 and 1. `None` for fewer than three pairs.
    pub fn ellipse(&self, kind: EllipseKind, level: f64) -> Option<Ellipse> {
        let (n, covariance) = (self.count, self.covariance()?);
        if n < 3.0 {
            return None;
        }
        let f = 2.0 * (n - 1.0) / (n * (n - 2.0)) * f_quantile(level, n - 2.0);
        let k = match kind {
            EllipseKind::Centroid => f,
            EllipseKind::Prediction => f * (n + 1.0),
            EllipseKind::Dataset => -2.0 * (-level).ln_1p(),
        };
        let [semi_major, semi_minor] = covariance.eigenvalues().map(|l| (l * k).sqrt());
        let orientation = 0.5 * (2.0 * covariance.xy).atan2(covariance.xx - covariance.yy).to_degrees();
        Some(Ellipse {
            center: self.mean,
            semi_major,
            semi_minor,
            orientation_deg: orientation.rem_euclid(180.0),
            area: std::f64::consts::PI * semi_major * semi_minor,
        })
    }

    /// Tests that the mean vector is zero: `T² = n m' S⁻¹ m`, `F = (n−2)/(2(n−1)) T²` with 2 and n − 2 degrees of freedom
    /// (Hotelling 1931). `None` for fewer than three pairs and for pairs on a line.
    pub fn hotelling(&self) -> Option<Hotelling> {
        let (n, covariance) = (self.count, self.covariance()?);
        if n < 3.0 {
            return None;
        }
        let t2 = n * covariance.inverse_form(self.mean)?;
        Some(tested(t2, (n - 2.0) / (2.0 * (n - 1.0)) * t2, n - 2.0))
    }

    /// Tests that two mean vectors agree, with the pooled covariance: `T² = n₁n₂/(n₁+n₂) d' S⁻¹ d`,
    /// `F = (n₁+n₂−3)/(2(n₁+n₂−2)) T²` with 2 and n₁ + n₂ − 3 degrees of freedom. `None` for a sample of fewer than two pairs and
    /// for pairs on a line.
    pub fn hotelling_two(&self, other: &Self) -> Option<Hotelling> {
        let (a, b) = (self.count, other.count);
        if a < 2.0 || b < 2.0 {
            return None;
        }
        let df = a + b - 2.0;
        let pooled =
            Covariance { xx: (self.sxx + other.sxx) / df, xy: (self.sxy + other.sxy) / df, yy: (self.syy + other.syy) / df };
        let difference = [self.mean[0] - other.mean[0], self.mean[1] - other.mean[1]];
        let t2 = a * b / (a + b) * pooled.inverse_form(difference)?;
        Some(tested(t2, (df - 1.0) / (2.0 * df) * t2, df - 1.0))
    }
}

fn tested(t2: f64, f: f64, df2: f64) -> Hotelling {
    Hotelling { t2, f, df1: 2.0, df2, p_value: f_tail(f, df2) }
}
