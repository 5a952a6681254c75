//! What is computed from Zernike coefficients: RMS families, change of pupil, rotation, mirror image, refraction.

use super::{
    astigmatism::PowerVector,
    zernike::{self, index, norm, order, radial},
};
use crate::waiting::is_stopped;
use std::f64::consts::PI;

/// A named set of terms whose root sum of squares clinicians read as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RmsFamily {
    /// All terms but piston, j ≥ 1.
    Total,
    /// Second order: defocus and astigmatism.
    LowOrder,
    /// Third order and above.
    HighOrder,
    /// Primary coma, j = 7, 8.
    Coma,
    /// Primary and secondary coma, j = 7, 8, 17, 18.
    ComaPrimarySecondary,
    /// All odd orders from the third.
    OddOrders,
    /// Primary trefoil, j = 6, 9.
    Trefoil,
    /// Primary spherical aberration, j = 12; always positive here, the sign is in the coefficient.
    Spherical,
    /// Primary and secondary spherical aberration, j = 12, 24.
    SphericalPrimarySecondary,
    /// All even orders from the fourth.
    EvenOrders,
    /// Quadrafoil, j = 10, 14.
    Quadrafoil,
    /// Secondary astigmatism, j = 11, 13.
    SecondaryAstigmatism,
    /// One radial order.
    Order(usize),
}

impl RmsFamily {
    /// Names that [`RmsFamily::parse`] knows, beside `order0` to `order20`.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("total", Self::Total),
        ("loa", Self::LowOrder),
        ("hoa", Self::HighOrder),
        ("coma", Self::Coma),
        ("coma_primary_secondary", Self::ComaPrimarySecondary),
        ("odd_orders", Self::OddOrders),
        ("trefoil", Self::Trefoil),
        ("spherical", Self::Spherical),
        ("spherical_primary_secondary", Self::SphericalPrimarySecondary),
        ("even_orders", Self::EvenOrders),
        ("quadrafoil", Self::Quadrafoil),
        ("secondary_astigmatism", Self::SecondaryAstigmatism),
    ];

    /// The family of a name such as `hoa` or `order4`.
    pub fn parse(name: &str) -> Option<Self> {
        let by_order = || name.strip_prefix("order")?.parse().ok().filter(|n| *n <= zernike::MAX_ORDER).map(Self::Order);
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, family)| *family).or_else(by_order)
    }

    fn holds(self, j: usize) -> bool {
        let n = order(j).0;
        match self {
            Self::Total => j >= 1,
            Self::LowOrder => n == 2,
            Self::HighOrder => n >= 3,
            Self::Coma => matches!(j, 7 | 8),
            Self::ComaPrimarySecondary => matches!(j, 7 | 8 | 17 | 18),
            Self::OddOrders => n >= 3 && n % 2 == 1,
            Self::Trefoil => matches!(j, 6 | 9),
            Self::Spherical => j == 12,
            Self::SphericalPrimarySecondary => matches!(j, 12 | 24),
            Self::EvenOrders => n >= 4 && n.is_multiple_of(2),
            Self::Quadrafoil => matches!(j, 10 | 14),
            Self::SecondaryAstigmatism => matches!(j, 11 | 13),
            Self::Order(order) => n == order,
        }
    }

    /// Root sum of squares of the family's coefficients, in their unit.
    pub fn rms(self, coefficients: &[f64]) -> f64 {
        coefficients.iter().enumerate().filter(|(j, _)| self.holds(*j)).map(|(_, c)| c * c).sum::<f64>().sqrt()
    }
}

/// Coefficients on a smaller pupil: `ratio = new radius / old radius`, at most 1.
///
/// Form of Janssen and Dirksen (2006), equal to Schwiegerling (2002). `None` for a ratio outside (0, 1] or a list that
/// ends within an order: a larger pupil would need data that were not measured.
pub fn rescale(coefficients: &[f64], ratio: f64) -> Option<Vec<f64>> {
    if !(ratio > 0.0 && ratio <= 1.0) {
        return None;
    }
    let max_order = zernike::order_of_count(coefficients.len())?;
    let scaled = (0..coefficients.len()).map(|j| {
        let (n, m) = order(j);
        (n..=max_order)
            .step_by(2)
            .filter_map(|higher| {
                let c = coefficients.get(index(higher, m)?)?;
                let weight = radial(higher, n, ratio) - radial(higher, n + 2, ratio);
                Some(c * weight * ((higher as f64 + 1.0) / (n as f64 + 1.0)).sqrt())
            })
            .sum()
    });
    Some(scaled.collect())
}

/// Coefficients of the surface turned counter-clockwise by an angle in radians.
pub fn rotate(coefficients: &[f64], angle: f64) -> Vec<f64> {
    let at = |n: usize, m: i32| index(n, m).and_then(|j| coefficients.get(j)).copied().unwrap_or(0.0);
    let turned = coefficients.iter().enumerate().map(|(j, &c)| {
        let (n, m) = order(j);
        let (sin, cos) = (f64::from(m.abs()) * angle).sin_cos();
        let partner = at(n, -m);
        match m.signum() {
            0 => c,
            1 => c * cos - partner * sin,
            _ => partner * sin + c * cos,
        }
    });
    turned.collect()
}

/// Coefficients of the surface mirrored left to right (`x → −x`), which brings a left eye into the frame of a right one.
pub fn mirror(coefficients: &[f64]) -> Vec<f64> {
    let flips = |m: i32| (m > 0 && m % 2 != 0) || (m < 0 && m % 2 == 0);
    coefficients.iter().enumerate().map(|(j, &c)| if flips(order(j).1) { -c } else { c }).collect()
}

/// Coefficients seen from a pupil that is smaller (`ratio`) and decentred by `(dx, dy)`, in units of the old radius.
///
/// The surface is projected again by quadrature that is exact for polynomials of this degree: Gauss-Legendre in `ρ²`,
/// equally spaced angles. `None` where the new pupil leaves the old one or the list ends within an order.
pub fn translate(coefficients: &[f64], ratio: f64, dx: f64, dy: f64) -> Option<Vec<f64>> {
    let max_order = zernike::order_of_count(coefficients.len())?;
    let inside = ratio > 0.0 && dx.hypot(dy) + ratio <= 1.0 + 1e-12;
    // A shift alone asks for values outside the old disc: legitimate for a polynomial, and common in the literature.
    let shift_only = ratio == 1.0 && dx.hypot(dy) <= 1.0;
    if !(inside || shift_only) {
        return None;
    }
    let (nodes, angles) = (max_order + 1, 2 * max_order + 2);
    let mut moved = vec![0.0; coefficients.len()];
    for (x, weight) in gauss_legendre(nodes) {
        let rho = (0.5 * (x + 1.0)).sqrt();
        for k in 0..angles {
            let theta = 2.0 * PI * k as f64 / angles as f64;
            let (old_x, old_y) = (ratio * rho * theta.cos() + dx, ratio * rho * theta.sin() + dy);
            let value = zernike::surface(coefficients, old_x.hypot(old_y), old_y.atan2(old_x));
            let scaled = 0.5 * weight * value / angles as f64;
            for (j, c) in moved.iter_mut().enumerate() {
                *c += scaled * zernike::value(j, rho, theta);
            }
        }
    }
    Some(moved)
}

/// Nodes and weights of Gauss-Legendre quadrature on [−1, 1], by Newton's method on the Legendre recursion.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let node = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..50 {
            let (mut previous, mut current) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (previous, current) = (current, ((2.0 * k - 1.0) * x * current - (k - 1.0) * previous) / k);
            }
            if n == 1 {
                (previous, current) = (1.0, x);
            }
            derivative = n as f64 * (x * current - previous) / (x * x - 1.0);
            let step = current / derivative;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (x, 2.0 / ((1.0 - x * x) * derivative * derivative))
    };
    (0..n).map(node).collect()
}

/// Magnitude and axis (degrees) of the pair `(n, ±m)`, after Campbell (2003): one number and one direction instead of two
/// coefficients. `None` for `m = 0` or a pair beyond the list.
pub fn magnitude_axis(coefficients: &[f64], n: usize, m: i32) -> Option<(f64, f64)> {
    let m = m.abs();
    if m == 0 {
        return None;
    }
    let cosine = *coefficients.get(index(n, m)?)?;
    let sine = *coefficients.get(index(n, -m)?)?;
    let axis = sine.atan2(cosine).to_degrees() / f64::from(m);
    Some((cosine.hypot(sine), axis.rem_euclid(360.0 / f64::from(m))))
}

/// How a refraction is read from a wavefront.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefractionMethod {
    /// The second-order terms alone: the least-squares sphere and cylinder.
    SecondOrder,
    /// The curvature at the pupil's centre (Seidel), with the higher orders of the same frequencies.
    Paraxial,
}

/// Refraction of a wavefront (coefficients in µm, pupil radius in mm) as a power vector in dioptres. Positive defocus is
/// myopia. Thibos et al. (2004). `None` for a radius that is not positive or fewer than six terms.
pub fn refraction(coefficients: &[f64], radius_mm: f64, method: RefractionMethod) -> Option<PowerVector> {
    if radius_mm.is_nan() || radius_mm <= 0.0 || coefficients.len() < 6 {
        return None;
    }
    let orders: &[usize] = match method {
        RefractionMethod::SecondOrder => &[2],
        RefractionMethod::Paraxial => &[2, 4, 6],
    };
    let curvature = |m: i32| {
        let terms = orders.iter().enumerate().filter_map(|(i, &n)| {
            let c = coefficients.get(index(n, m)?)?;
            let factor = match (m, n) {
                (0, 2) => 4.0 * 3f64.sqrt(),
                (0, 4) => 12.0 * 5f64.sqrt(),
                (0, _) => 24.0 * 7f64.sqrt(),
                (_, 2) => 2.0 * 6f64.sqrt(),
                (_, 4) => 6.0 * 10f64.sqrt(),
                _ => 12.0 * 14f64.sqrt(),
            };
            Some(if i.is_multiple_of(2) { -factor * c } else { factor * c })
        });
        terms.sum::<f64>() / (radius_mm * radius_mm)
    };
    Some(PowerVector { m: curvature(0), j0: curvature(2), j45: curvature(-2) })
}

/// The value of a surface, in the unit of its coefficients, on a square raster over the unit disc: row 0 superior, the
/// outermost pixel centres on the rim. `NaN` outside the disc. Its first rows when nobody waits.
pub fn raster(coefficients: &[f64], size: usize) -> Vec<f64> {
    let Some(max_order) = (0..=zernike::MAX_ORDER).find(|&n| zernike::term_count(n) >= coefficients.len()) else {
        return vec![f64::NAN; size * size];
    };
    let at = |i: usize| if size > 1 { 2.0 * i as f64 / (size as f64 - 1.0) - 1.0 } else { 0.0 };
    let mut pixels = Vec::with_capacity(size * size);
    let mut radials = vec![0.0; zernike::term_count(max_order)];
    for row in (0..size).take_while(|_| !is_stopped()) {
        for column in 0..size {
            let (x, y) = (at(column), -at(row));
            let rho = x.hypot(y);
            if rho > 1.0 + 1e-12 {
                pixels.push(f64::NAN);
                continue;
            }
            let theta = y.atan2(x);
            for (j, r) in radials.iter_mut().enumerate() {
                let (n, m) = order(j);
                *r = norm(n, m) * radial(n, m.unsigned_abs() as usize, rho);
            }
            let sum = coefficients.iter().enumerate().map(|(j, c)| {
                let m = order(j).1;
                let angle = f64::from(m.abs()) * theta;
                c * radials[j] * if m < 0 { angle.sin() } else { angle.cos() }
            });
            pixels.push(sum.sum());
        }
    }
    pixels
}
