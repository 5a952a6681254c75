//! Statistics of axes, which repeat after 180°: the angles are doubled, averaged on the circle and halved (Fisher 1993).

/// Sums over axes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Axial {
    count: f64,
    cos: f64,
    sin: f64,
}

impl Axial {
    /// Adds an axis in degrees; one that is not finite is left out.
    pub fn add(&mut self, degrees: f64) {
        if degrees.is_finite() {
            // Whole turns first: the conversion to radians of a large angle would lose digits.
            let (sin, cos) = (2.0 * degrees.rem_euclid(180.0)).to_radians().sin_cos();
            self.count += 1.0;
            self.cos += cos;
            self.sin += sin;
        }
    }

    /// Adds all axes of another sample.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.cos += other.cos;
        self.sin += other.sin;
    }

    /// The state as three numbers.
    pub fn to_numbers(self) -> [f64; 3] {
        [self.count, self.cos, self.sin]
    }

    /// The state from [`Axial::to_numbers`]; `None` for another length.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let [count, cos, sin] = *numbers else { return None };
        Some(Self { count, cos, sin })
    }

    /// Number of axes.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Length of the mean vector of the doubled angles: 1 for equal axes, 0 for axes that cancel. `None` without axes.
    pub fn resultant(&self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.cos.hypot(self.sin) / self.count).min(1.0))
    }

    /// Mean axis in degrees, in (0, 180]. `None` where the axes cancel, so that no mean is defined.
    pub fn mean_deg(&self) -> Option<f64> {
        // What is left of sums that cancel exactly is rounding noise.
        let resultant = self.resultant().filter(|r| *r > 1e-12);
        resultant.map(|_| crate::optics::astigmatism::wrap_axis(0.5 * self.sin.atan2(self.cos).to_degrees()))
    }

    /// Circular variance of the doubled angles, `1 − R`.
    pub fn variance(&self) -> Option<f64> {
        self.resultant().map(|r| 1.0 - r)
    }

    /// Rayleigh's statistic `z = n R²`.
    pub fn rayleigh_z(&self) -> Option<f64> {
        self.resultant().map(|r| self.count * r * r)
    }

    /// Probability of a larger Rayleigh statistic under axes without preference, by the approximation of Zar (1999, 27.4):
    /// `exp(√(1 + 4n + 4(n² − (nR)²)) − (1 + 2n))`. `None` for fewer than two axes.
    pub fn rayleigh_p(&self) -> Option<f64> {
        let (n, resultant) = (self.count, self.resultant()?);
        // √(a² − b²) − a, written so that large n does not cancel: a = 1 + 2n, b² = 4 (nR)².
        let (a, b) = (1.0 + 2.0 * n, 2.0 * n * resultant);
        let root = (a * a - b * b).max(0.0).sqrt();
        (n >= 2.0).then(|| (-(b * b) / (root + a)).exp())
    }
}
