//! A quadric close to a whole map: smooth, with derivatives in closed form.
//!
//! Baker's equation of a conic of revolution, `x² + y² = c + a z + b z²`, with the terms that displace, tilt and flatten it:
//! `+ d x + e y + f (x² − y²) + g xy + h xz + i yz`. It is linear in its nine coefficients and holds exactly on every sphere,
//! ellipsoid and paraboloid in any position.

use super::{derivatives::Derivatives, grid::PolarGrid, linalg::NormalEquations};

/// The equation and the height from which its `z` counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quadric {
    /// `c a b d e f g h i`.
    coefficients: [f64; 9],
    /// Mean of the map, mm: near it the wanted root of the equation is the one that does not cancel.
    height: f64,
}

impl Quadric {
    /// The quadric nearest to all measured cells, by the least residual of the equation weighted by area; where it ends before
    /// the map does, the nearest paraboloid of revolution. `None` where the map is not curved like an eye.
    pub(crate) fn of(grid: PolarGrid, map: &[f64]) -> Option<Self> {
        let mut quadric = NormalEquations::<9>::new();
        let mut paraboloid = NormalEquations::<2>::new();
        let limit = grid.max_radius_mm();
        let directions = grid.directions();
        let (sum, count) = map.iter().filter(|z| z.is_finite()).fold((0.0, 0.0), |(sum, count), z| (sum + z, count + 1.0));
        let height = sum / count;
        for (i, ring) in map.chunks_exact(grid.meridians()).enumerate() {
            let (r, weight) = (grid.radius_mm(i), grid.cell_area_mm2(i, 2.0 * limit));
            for (&z, (sin, cos)) in ring.iter().zip(&directions).filter(|(z, _)| z.is_finite()) {
                let (x, y, z) = (r * cos, r * sin, z - height);
                quadric.add([1.0, z, z * z, x, y, x * x - y * y, x * y, x * z, y * z], r * r, weight);
                paraboloid.add([1.0, z], r * r, weight);
            }
        }
        // Near its equator a quadric helps no longer.
        let covers = |found: &Self| {
            let limit = 0.1 * found.root(0.0, 0.0);
            let steep = |(i, ring): (usize, &[f64])| {
                let r = grid.radius_mm(i);
                ring.iter().zip(&directions).all(|(z, (sin, cos))| !z.is_finite() || found.root(r * cos, r * sin) > limit)
            };
            limit > 0.0 && map.chunks_exact(grid.meridians()).enumerate().all(steep)
        };
        let with = |coefficients| Self { coefficients, height };
        quadric.solve().map(with).filter(covers).or_else(|| {
            let [c, a] = paraboloid.solve()?;
            (a > 1e-3).then(|| with([c, a, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
        })
    }

    /// `A`, `C` and the root of `b z² + A z + C = 0`.
    fn equation(&self, x: f64, y: f64) -> [f64; 3] {
        let [c, a, b, d, e, f, g, h, i] = self.coefficients;
        let linear = a + h * x + i * y;
        let constant = c + d * x + e * y + f * (x * x - y * y) + g * x * y - x * x - y * y;
        [linear, constant, (linear * linear - 4.0 * b * constant).sqrt()]
    }

    fn root(&self, x: f64, y: f64) -> f64 {
        self.equation(x, y)[2]
    }

    /// Sag in mm.
    pub(crate) fn sag_mm(&self, x: f64, y: f64) -> f64 {
        let [linear, constant, root] = self.equation(x, y);
        self.height - 2.0 * constant / (linear + root)
    }

    /// Sag (mm) and its derivatives in a frame turned by the angle of that sine and cosine.
    pub(crate) fn derivatives(&self, x: f64, y: f64, (sin, cos): (f64, f64)) -> (f64, Derivatives) {
        let [_, _, b, d, e, f, g, h, i] = self.coefficients;
        let [linear, constant, root] = self.equation(x, y);
        let z = -2.0 * constant / (linear + root);
        // By implicit differentiation of b z² + A z + C = 0, whose derivative by z is the root.
        let zx = -(h * z + d + 2.0 * f * x + g * y - 2.0 * x) / root;
        let zy = -(i * z + e - 2.0 * f * y + g * x - 2.0 * y) / root;
        let zxx = -(2.0 * f - 2.0 + 2.0 * h * zx + 2.0 * b * zx * zx) / root;
        let zyy = -(-2.0 * f - 2.0 + 2.0 * i * zy + 2.0 * b * zy * zy) / root;
        let zxy = -(g + h * zy + i * zx + 2.0 * b * zx * zy) / root;
        let turned = Derivatives {
            u: zx * cos + zy * sin,
            v: zy * cos - zx * sin,
            uu: zxx * cos * cos + 2.0 * zxy * cos * sin + zyy * sin * sin,
            uv: (zyy - zxx) * cos * sin + zxy * (cos * cos - sin * sin),
            vv: zxx * sin * sin - 2.0 * zxy * cos * sin + zyy * cos * cos,
        };
        (self.height + z, turned)
    }
}
