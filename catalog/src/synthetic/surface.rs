//! Smooth surfaces as sums of terms, each with its first and second derivatives in closed form.
//!
//! Height z in mm, positive into the eye; x and y in mm in the frame of the examiner, x to the right. All curvatures, powers
//! and elevations of a simulated exam come from these derivatives, so that its maps agree with each other as those of one
//! real surface would.

use std::sync::LazyLock;

use super::elementary::{exp, sin_cos_deg};

/// Height and derivatives of a surface at one point.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Jet {
    /// Height, mm.
    pub z: f64,
    /// Slope along x.
    pub zx: f64,
    /// Slope along y.
    pub zy: f64,
    /// Second derivatives, 1/mm.
    pub zxx: f64,
    pub zxy: f64,
    pub zyy: f64,
}

impl Jet {
    fn add(&mut self, other: Self) {
        self.z += other.z;
        self.zx += other.zx;
        self.zy += other.zy;
        self.zxx += other.zxx;
        self.zxy += other.zxy;
        self.zyy += other.zyy;
    }

    /// This jet, given along axes turned by the angle of (`cos`, `sin`), along x and y.
    fn turned(self, sin: f64, cos: f64) -> Self {
        Self {
            z: self.z,
            zx: self.zx * cos - self.zy * sin,
            zy: self.zx * sin + self.zy * cos,
            zxx: self.zxx * cos * cos - 2.0 * self.zxy * sin * cos + self.zyy * sin * sin,
            zxy: (self.zxx - self.zyy) * sin * cos + self.zxy * (cos * cos - sin * sin),
            zyy: self.zxx * sin * sin + 2.0 * self.zxy * sin * cos + self.zyy * cos * cos,
        }
    }
}

/// One part of a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Term {
    /// A biconic with its vertex at the origin (math.md §1.6).
    Biconic {
        /// Curvature along `axis_deg`, 1/mm.
        flat_per_mm: f64,
        /// Curvature across it, 1/mm.
        steep_per_mm: f64,
        /// Asphericity Q of both principal sections.
        asphericity: f64,
        /// Direction of the flat section, degrees, counter-clockwise from x.
        axis_deg: f64,
    },
    /// `height · exp(−u²/2σu² − v²/2σv²)` around a centre, u along `axis_deg`.
    Bump { height_mm: f64, x_mm: f64, y_mm: f64, width_u_mm: f64, width_v_mm: f64, axis_deg: f64 },
    /// A circular ridge, as of a graft's edge: `height · exp(−(ρ−radius)²/2·width²)`, ρ from the centre of the ridge.
    Ridge { height_mm: f64, x_mm: f64, y_mm: f64, radius_mm: f64, width_mm: f64 },
    /// What a myopic ablation takes away: `depth · (1−s)³(1+s)`, s = ρ²/zone², zero and smooth to the second derivative at
    /// the end of the zone. Its central curvature is 4·depth/zone².
    Ablation { depth_mm: f64, x_mm: f64, y_mm: f64, zone_mm: f64 },
}

impl Term {
    fn at(&self, x: f64, y: f64) -> Jet {
        match *self {
            Self::Biconic { flat_per_mm, steep_per_mm, asphericity, axis_deg } => {
                let (sin, cos) = sin_cos_deg(axis_deg);
                let (u, v) = (x * cos + y * sin, y * cos - x * sin);
                biconic(flat_per_mm, steep_per_mm, asphericity, u, v).turned(sin, cos)
            }
            Self::Bump { height_mm, x_mm, y_mm, width_u_mm, width_v_mm, axis_deg } => {
                let (sin, cos) = sin_cos_deg(axis_deg);
                let (dx, dy) = (x - x_mm, y - y_mm);
                let (u, v) = ((dx * cos + dy * sin) / width_u_mm, (dy * cos - dx * sin) / width_v_mm);
                let z = height_mm * exp(-0.5 * (u * u + v * v));
                Jet {
                    z,
                    zx: -z * u / width_u_mm,
                    zy: -z * v / width_v_mm,
                    zxx: z * (u * u - 1.0) / (width_u_mm * width_u_mm),
                    zxy: z * u * v / (width_u_mm * width_v_mm),
                    zyy: z * (v * v - 1.0) / (width_v_mm * width_v_mm),
                }
                .turned(sin, cos)
            }
            Self::Ridge { height_mm, x_mm, y_mm, radius_mm, width_mm } => {
                let (dx, dy) = (x - x_mm, y - y_mm);
                let distance = (dx * dx + dy * dy).sqrt();
                let s = (distance - radius_mm) / width_mm;
                let z = height_mm * exp(-0.5 * s * s);
                radial(dx, dy, z, -z * s / width_mm, z * (s * s - 1.0) / (width_mm * width_mm))
            }
            Self::Ablation { depth_mm, x_mm, y_mm, zone_mm } => {
                let (dx, dy) = (x - x_mm, y - y_mm);
                let scale = 1.0 / (zone_mm * zone_mm);
                let s = (dx * dx + dy * dy) * scale;
                if s >= 1.0 {
                    return Jet::default();
                }
                let rest = 1.0 - s;
                // f(s) = (1−s)³(1+s), by s: f' = −2(1−s)²(1+2s), f'' = 12 s (1−s).
                let first = depth_mm * (-2.0 * rest * rest * (1.0 + 2.0 * s)) * 2.0 * scale;
                let second = depth_mm * 12.0 * s * rest * 4.0 * scale * scale;
                Jet {
                    z: depth_mm * rest * rest * rest * (1.0 + s),
                    zx: first * dx,
                    zy: first * dy,
                    zxx: first + second * dx * dx,
                    zxy: second * dx * dy,
                    zyy: first + second * dy * dy,
                }
            }
        }
    }
}

fn biconic(c1: f64, c2: f64, q: f64, u: f64, v: f64) -> Jet {
    let (p1, p2) = ((1.0 + q) * c1 * c1, (1.0 + q) * c2 * c2);
    // Far outside any cornea the section would close; the root is kept real there.
    let root = (1.0 - p1 * u * u - p2 * v * v).max(0.05).sqrt();
    let (ru, rv) = (-p1 * u / root, -p2 * v / root);
    let (ruu, rvv, ruv) = (-(p1 + ru * ru) / root, -(p2 + rv * rv) / root, -ru * rv / root);
    let below = 1.0 + root;
    let z = (c1 * u * u + c2 * v * v) / below;
    let (zu, zv) = ((2.0 * c1 * u - z * ru) / below, (2.0 * c2 * v - z * rv) / below);
    Jet {
        z,
        zx: zu,
        zy: zv,
        zxx: (2.0 * c1 - 2.0 * zu * ru - z * ruu) / below,
        zxy: (-zu * rv - zv * ru - z * ruv) / below,
        zyy: (2.0 * c2 - 2.0 * zv * rv - z * rvv) / below,
    }
}

/// The jet of a function of the distance alone, from its value and derivatives by the distance.
fn radial(dx: f64, dy: f64, z: f64, first: f64, second: f64) -> Jet {
    let distance = (dx * dx + dy * dy).sqrt();
    if distance < 1e-9 {
        return Jet { z, zxx: second, zyy: second, ..Jet::default() };
    }
    let (cx, cy) = (dx / distance, dy / distance);
    let across = first / distance;
    Jet {
        z,
        zx: first * cx,
        zy: first * cy,
        zxx: second * cx * cx + across * cy * cy,
        zxy: (second - across) * cx * cy,
        zyy: second * cy * cy + across * cx * cx,
    }
}

/// Terms of a Zernike expansion to order 6.
pub(super) const ZERNIKES: usize = 28;
const DEGREE: usize = 6;

/// A polynomial in x and y of degree 6; `[i][j]` is the factor of xⁱyʲ.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Polynomial([[f64; DEGREE + 1]; DEGREE + 1]);

impl Polynomial {
    /// Σ cⱼ Zⱼ in OSA/ANSI order and norm on a disc of `radius_mm`; the coefficients in mm.
    pub(super) fn zernike(coefficients: &[f64; ZERNIKES], radius_mm: f64) -> Self {
        let mut sum = Self::default();
        for (term, &coefficient) in ZERNIKE_MONOMIALS.iter().zip(coefficients) {
            if coefficient == 0.0 {
                continue;
            }
            let mut scale_i = coefficient;
            for i in 0..=DEGREE {
                let mut scale = scale_i;
                for j in 0..=DEGREE - i {
                    sum.0[i][j] += scale * term.0[i][j];
                    scale /= radius_mm;
                }
                scale_i /= radius_mm;
            }
        }
        sum
    }

    /// Adds `value` to the factor of xⁱyʲ; nothing beyond degree 6.
    pub(super) fn add(&mut self, i: usize, j: usize, value: f64) {
        if i + j <= DEGREE {
            self.0[i][j] += value;
        }
    }

    fn at(&self, x: f64, y: f64) -> Jet {
        let mut jet = Jet::default();
        // Horner along x over polynomials in y; second derivatives carry their factor 2 until the end.
        for i in (0..=DEGREE).rev() {
            let (mut p, mut p1, mut p2) = (0.0, 0.0, 0.0);
            for &factor in self.0[i][..=DEGREE - i].iter().rev() {
                p2 = p2 * y + p1;
                p1 = p1 * y + p;
                p = p * y + factor;
            }
            jet.zxx = jet.zxx * x + jet.zx;
            jet.zx = jet.zx * x + jet.z;
            jet.z = jet.z * x + p;
            jet.zxy = jet.zxy * x + jet.zy;
            jet.zy = jet.zy * x + p1;
            jet.zyy = jet.zyy * x + p2;
        }
        jet.zxx *= 2.0;
        jet.zyy *= 2.0;
        jet
    }
}

/// The 28 terms on the unit disc as polynomials, from the definition in math.md §1.1.
static ZERNIKE_MONOMIALS: LazyLock<[Polynomial; ZERNIKES]> = LazyLock::new(|| {
    let mut terms = [Polynomial::default(); ZERNIKES];
    let mut index = 0;
    for n in 0..=DEGREE as i32 {
        for m in (-n..=n).step_by(2) {
            terms[index] = zernike_monomials(n, m);
            index += 1;
        }
    }
    terms
});

fn zernike_monomials(n: i32, m: i32) -> Polynomial {
    let order = m.abs();
    let norm = (f64::from(if m == 0 { 1 } else { 2 }) * f64::from(n + 1)).sqrt();
    let mut polynomial = Polynomial::default();
    for s in 0..=(n - order) / 2 {
        let sign = if s % 2 == 0 { 1.0 } else { -1.0 };
        let radial = sign * factorial(n - s) / (factorial(s) * factorial((n + order) / 2 - s) * factorial((n - order) / 2 - s));
        // ρ^(n−2s) cos(mθ) = (x²+y²)^k · Re (x+iy)^|m|, with k = (n−2s−|m|)/2; the sine is the imaginary part.
        let k = (n - 2 * s - order) / 2;
        for a in 0..=k {
            for b in 0..=order {
                let real = b % 2 == 0;
                if real != (m >= 0) {
                    continue;
                }
                let turn = if b % 4 < 2 { 1.0 } else { -1.0 };
                let factor = norm * radial * binomial(k, a) * turn * binomial(order, b);
                polynomial.add((2 * (k - a) + order - b) as usize, (2 * a + b) as usize, factor);
            }
        }
    }
    polynomial
}

fn factorial(n: i32) -> f64 {
    (2..=n).map(f64::from).product()
}

fn binomial(n: i32, k: i32) -> f64 {
    factorial(n) / (factorial(k) * factorial(n - k))
}

/// A surface: terms and a polynomial, given for a right eye and mirrored for a left one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Surface {
    pub terms: Vec<Term>,
    pub polynomial: Polynomial,
    /// x changes its sign: the terms say where nasal is, the map has x to the examiner's right.
    pub mirrored: bool,
}

impl Surface {
    /// Height and derivatives at a point in the examiner's frame.
    pub(super) fn at(&self, x: f64, y: f64) -> Jet {
        let x = if self.mirrored { -x } else { x };
        let mut jet = self.polynomial.at(x, y);
        for term in &self.terms {
            jet.add(term.at(x, y));
        }
        if self.mirrored {
            jet.zx = -jet.zx;
            jet.zxy = -jet.zxy;
        }
        jet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Surface {
        let mut coefficients = [0.0; ZERNIKES];
        for (j, c) in coefficients.iter_mut().enumerate() {
            *c = 1e-3 * (j as f64 * 0.7).sin();
        }
        Surface {
            terms: vec![
                Term::Biconic { flat_per_mm: 0.125, steep_per_mm: 0.135, asphericity: -0.3, axis_deg: 25.0 },
                Term::Bump { height_mm: -0.03, x_mm: -0.4, y_mm: -1.0, width_u_mm: 1.1, width_v_mm: 0.8, axis_deg: 40.0 },
                Term::Ridge { height_mm: -0.01, x_mm: 0.2, y_mm: 0.1, radius_mm: 3.8, width_mm: 0.6 },
                Term::Ablation { depth_mm: 0.07, x_mm: 0.1, y_mm: -0.1, zone_mm: 4.0 },
            ],
            polynomial: Polynomial::zernike(&coefficients, 5.0),
            mirrored: false,
        }
    }

    #[test]
    fn derivatives_are_those_of_the_height() {
        for mirrored in [false, true] {
            let surface = Surface { mirrored, ..example() };
            let h = 1e-4;
            for (x, y) in [(0.3, 0.2), (-1.2, -0.9), (2.5, -3.1), (-3.3, 2.0), (0.0, 4.4)] {
                let jet = surface.at(x, y);
                let z = |dx: f64, dy: f64| surface.at(x + dx, y + dy);
                let pairs = [
                    (jet.zx, (z(h, 0.0).z - z(-h, 0.0).z) / (2.0 * h)),
                    (jet.zy, (z(0.0, h).z - z(0.0, -h).z) / (2.0 * h)),
                    (jet.zxx, (z(h, 0.0).zx - z(-h, 0.0).zx) / (2.0 * h)),
                    (jet.zxy, (z(0.0, h).zx - z(0.0, -h).zx) / (2.0 * h)),
                    (jet.zyy, (z(0.0, h).zy - z(0.0, -h).zy) / (2.0 * h)),
                ];
                for (closed, numeric) in pairs {
                    assert!((closed - numeric).abs() < 1e-7, "({x}, {y}): {closed} {numeric}");
                }
            }
        }
    }

    #[test]
    fn a_left_eye_is_the_mirror_image() {
        let right = example();
        let left = Surface { mirrored: true, ..example() };
        let (a, b) = (right.at(1.3, -0.4), left.at(-1.3, -0.4));
        assert_eq!((a.z, a.zx, a.zy, a.zxy), (b.z, -b.zx, b.zy, -b.zxy));
    }

    /// Values of other libraries in tests/golden would need a file; these follow from the definition alone.
    #[test]
    fn zernike_terms_have_unit_rms_and_their_known_forms() {
        let at = |j: usize, x: f64, y: f64| {
            let mut coefficients = [0.0; ZERNIKES];
            coefficients[j] = 1.0;
            Polynomial::zernike(&coefficients, 1.0).at(x, y).z
        };
        let (x, y) = (0.3, -0.5);
        let r2: f64 = x * x + y * y;
        assert!((at(4, x, y) - 3_f64.sqrt() * (2.0 * r2 - 1.0)).abs() < 1e-14);
        assert!((at(7, x, y) - 8_f64.sqrt() * (3.0 * r2 - 2.0) * y).abs() < 1e-14);
        assert!((at(12, x, y) - 5_f64.sqrt() * (6.0 * r2 * r2 - 6.0 * r2 + 1.0)).abs() < 1e-14);
        assert!((at(6, x, y) - 8_f64.sqrt() * (3.0 * x * x * y - y * y * y)).abs() < 1e-14);
        for j in 0..ZERNIKES {
            let n = 300;
            let (mut sum, mut weight) = (0.0, 0.0);
            for ring in 0..n {
                let r = (f64::from(ring) + 0.5) / f64::from(n);
                for k in 0..64 {
                    let (s, c) = (f64::from(k) * std::f64::consts::TAU / 64.0).sin_cos();
                    sum += r * at(j, r * c, r * s).powi(2);
                    weight += r;
                }
            }
            assert!((sum / weight - 1.0).abs() < 5e-3, "Z{j}: {}", sum / weight);
        }
    }
}
