//! Curvature and refractive power of a corneal surface from its elevation, and elevation from curvature.
//!
//! The definitions are those of ANSI Z80.23 and ISO 19980. The axis is that of the map; a meridional plane contains it.
//! *Axial* (sagittal) radius: from the surface along the normal of the meridian to the axis. *Tangential* (instantaneous,
//! meridional) radius: that of the meridian's own curvature. *Gaussian*: the geometric mean of the two principal radii of the
//! surface, whatever their directions. *Mean*: the reciprocal of the mean of the two principal curvatures. On a surface of
//! revolution axial and tangential are the principal ones (Klein, Optom Vis Sci 1992;69:829; Roberts, J Refract Corneal Surg
//! 1994;10:103); on any other they are not, and neither axial nor tangential knows the slope across the meridian, as no Placido
//! image does.

use super::{
    derivatives::{DerivativeWork, Derivatives, Differentiator},
    grid::PolarGrid,
    linalg::NormalEquations,
    resample::MissingRule,
};

/// Which radius of curvature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curvature {
    /// Sagittal: `r √(1 + z_r²) / z_r`.
    Axial,
    /// Instantaneous, meridional: `(1 + z_r²)^{3/2} / z_rr`.
    Tangential,
    /// `1/√(κ₁κ₂)` of the principal curvatures.
    Gaussian,
    /// `2/(κ₁ + κ₂)` of the principal curvatures.
    Mean,
}

/// A radius of curvature (mm) of a cell at a distance (mm) from the axis. Negative where the surface is concave to the front;
/// `NaN` where it is flat, or for [`Curvature::Gaussian`] where it is a saddle. At the vertex axial and tangential are the
/// curvature in the direction of the cell's meridian.
pub fn radius_mm(kind: Curvature, r_mm: f64, d: &Derivatives) -> f64 {
    let meridional = 1.0 + d.u * d.u;
    let radius = match kind {
        Curvature::Axial if r_mm > 0.0 => r_mm * meridional.sqrt() / d.u,
        Curvature::Axial | Curvature::Tangential => meridional * meridional.sqrt() / d.uu,
        Curvature::Gaussian => {
            // Both principal curvatures have the sign of their sum where their product is positive.
            let sum = (1.0 + d.v * d.v) * d.uu - 2.0 * d.u * d.v * d.uv + meridional * d.vv;
            sum.signum() * (meridional + d.v * d.v) / (d.uu * d.vv - d.uv * d.uv).sqrt()
        }
        Curvature::Mean => {
            let full = meridional + d.v * d.v;
            let numerator = (1.0 + d.v * d.v) * d.uu - 2.0 * d.u * d.v * d.uv + meridional * d.vv;
            2.0 * full * full.sqrt() / numerator
        }
    };
    if radius.is_finite() { radius } else { f64::NAN }
}

/// Refractive power (D) of a cell at `r` mm from the axis, with its sag from the vertex: a ray parallel to the axis is refracted
/// by Snell's law at the surface's own normal, and `1000 n′/f` is the power where `f` is the distance (mm) from the vertex to
/// where the ray, seen across the meridional plane, meets the axis (Klein 1992, Roberts 1994). At the vertex `(n′ − n)/R` along
/// the cell's meridian. `NaN` where light would be reflected.
pub fn refractive_power_d(r_mm: f64, sag_mm: f64, d: &Derivatives, index_from: f64, index_to: f64) -> f64 {
    let power = if r_mm > 0.0 {
        let Some([along, _, forward]) = refract([0.0, 0.0, 1.0], d.u, d.v, index_from / index_to) else { return f64::NAN };
        // The ray sinks by −along for each `forward`: written so that a ray that stays parallel has power 0.
        1e3 * index_to * -along / (r_mm * forward - sag_mm * along)
    } else {
        1e3 * (index_to - index_from) * d.uu / ((1.0 + d.u * d.u) * (1.0 + d.u * d.u).sqrt())
    };
    if power.is_finite() { power } else { f64::NAN }
}

/// A unit direction after refraction at a surface of that slope; `ratio` is the index before over the index behind. `None` where
/// all light is reflected.
pub(crate) fn refract(direction: [f64; 3], slope_u: f64, slope_v: f64, ratio: f64) -> Option<[f64; 3]> {
    let norm = (1.0 + slope_u * slope_u + slope_v * slope_v).sqrt();
    let normal = [-slope_u / norm, -slope_v / norm, 1.0 / norm];
    let cosine: f64 = direction.iter().zip(normal).map(|(a, b)| a * b).sum();
    let square = 1.0 - ratio * ratio * (1.0 - cosine * cosine);
    if !(square >= 0.0 && cosine > 0.0) {
        return None;
    }
    let along_normal = square.sqrt() - ratio * cosine;
    Some(std::array::from_fn(|i| ratio * direction[i] + along_normal * normal[i]))
}

/// Radii of curvature (mm) of every cell of a sag map (mm, positive into the eye); `NaN` where there is none. `None` for a map
/// of another length.
pub fn radius_map(prepared: &Differentiator, map: &[f64], kind: Curvature, work: &mut DerivativeWork) -> Option<Vec<f64>> {
    let grid = prepared.grid();
    let mut radii = Vec::with_capacity(grid.cells());
    let whole = prepared.each(map, grid.rings(), work, |ring, d| {
        radii.push(d.map_or(f64::NAN, |d| radius_mm(kind, grid.radius_mm(ring), &d)));
    });
    whole.then_some(radii)
}

/// Refractive power (D) of every cell of a sag map: see [`refractive_power_d`]. All `NaN` where the vertex, from which focal
/// lengths count, was not measured. `None` for a map of another length.
pub fn refractive_power_map(
    prepared: &Differentiator,
    map: &[f64],
    index_from: f64,
    index_to: f64,
    work: &mut DerivativeWork,
) -> Option<Vec<f64>> {
    let grid = prepared.grid();
    let vertex = super::shape::vertex_sag(grid, map).unwrap_or(f64::NAN);
    let mut power = Vec::with_capacity(grid.cells());
    let mut sags = map.iter();
    let whole = prepared.each(map, grid.rings(), work, |ring, d| {
        // Copies of the vertex that are missing have its sag as much as the others.
        let sag = sags.next().map_or(f64::NAN, |z| if ring == 0 { 0.0 } else { z - vertex });
        let of = |d: Derivatives| refractive_power_d(grid.radius_mm(ring), sag, &d, index_from, index_to);
        power.push(d.filter(|_| vertex.is_finite()).map_or(f64::NAN, of));
    });
    whole.then_some(power)
}

/// Sag (mm, 0 at the vertex) of a map of axial radii (mm), by integration of the slope `r / √(R² − r²)` outwards along each
/// semi-meridian, with a cubic through four samples of the slope. The radius at the vertex is not needed. From the first missing
/// radius on, or one that is smaller than its distance from the axis, a semi-meridian is `NaN`. `None` for a map of another
/// length or a grid of less than four rings.
pub fn sag_of_axial(grid: PolarGrid, radii: &[f64]) -> Option<Vec<f64>> {
    let (rings, meridians, step) = (grid.rings(), grid.meridians(), grid.ring_step_mm());
    if radii.len() != grid.cells() || rings < 4 {
        return None;
    }
    let slope = |i: usize, k: usize| -> f64 {
        let r = grid.radius_mm(i);
        if i == 0 {
            return 0.0;
        }
        let axial = radii.get(i * meridians + k).copied().unwrap_or(f64::NAN);
        if axial.abs() > r { axial.signum() * r / (axial * axial - r * r).sqrt() } else { f64::NAN }
    };
    let mut sag = vec![0.0; meridians];
    sag.reserve(grid.cells());
    // Slopes at four neighbouring rings, of which the integral runs from the second to the third.
    let mut around: Vec<[f64; 4]> = (0..meridians)
        .map(|k| {
            // Through the vertex the meridian goes on as the opposite one, whose slope then has the other sign.
            let opposite = if meridians.is_multiple_of(2) { -slope(1, (k + meridians / 2) % meridians) } else { f64::NAN };
            let before = if opposite.is_finite() { opposite } else { -slope(1, k) };
            [before, 0.0, slope(1, k), slope(2, k)]
        })
        .collect();
    for i in 1..rings {
        let last = i + 1 == rings;
        for (k, s) in around.iter_mut().enumerate() {
            let [a, b, c, d] = *s;
            // Where nothing lies beyond, the cubic runs through the four samples before.
            let cubic = |a: f64, b: f64, c: f64, d: f64| step / 24.0 * (13.0 * (b + c) - a - d);
            let backward = |z: f64| step / 24.0 * (9.0 * c + 19.0 * b - 5.0 * a + z);
            let area = if d.is_finite() && !last {
                cubic(a, b, c, d)
            } else if i >= 3 {
                backward(slope(i - 3, k))
            } else {
                0.5 * step * (b + c)
            };
            sag.push(sag[(i - 1) * meridians + k] + area);
            *s = [b, c, d, if i + 2 < rings { slope(i + 2, k) } else { f64::NAN }];
        }
    }
    Some(sag)
}

/// Samples to each side that a derivative along a meridian uses.
const SIDE: usize = 3;

/// Tangential radii (mm) of a map of axial radii (mm) by `K_t = d(r K_a)/dr` (Klein 1992), with a polynomial of degree four
/// through seven neighbouring samples along the whole meridian, across the vertex. A missing cell has none; beside one the rule
/// decides: strict, or five of the seven at least. `None` for a map of another length, an odd number of meridians or fewer than
/// four rings.
pub fn tangential_of_axial(grid: PolarGrid, radii: &[f64], missing: MissingRule) -> Option<Vec<f64>> {
    let (rings, meridians, step) = (grid.rings(), grid.meridians(), grid.ring_step_mm());
    if radii.len() != grid.cells() || rings <= SIDE || !meridians.is_multiple_of(2) {
        return None;
    }
    let finite = |values: &mut dyn Iterator<Item = &f64>| {
        let (sum, count) = values.filter(|r| r.is_finite()).fold((0.0, 0.0), |(s, n), r| (s + 1.0 / r, n + 1.0));
        sum / count
    };
    // The line of a sphere is taken off: what remains is small.
    let sphere = finite(&mut radii.iter().skip(meridians));
    let count = 2 * rings - 1;
    let weights = line_weights();
    let mut tangential = vec![f64::NAN; radii.len()];
    let mut line = vec![0.0; count];
    for k in 0..meridians / 2 {
        let opposite = k + meridians / 2;
        for (at, value) in line.iter_mut().enumerate() {
            let (ring, side, sign) = if at < rings { (rings - 1 - at, opposite, -1.0) } else { (at + 1 - rings, k, 1.0) };
            let radius = radii.get(ring * meridians + side).copied().unwrap_or(f64::NAN);
            *value = if ring == 0 { 0.0 } else { sign * grid.radius_mm(ring) * (1.0 / radius - sphere) };
        }
        for at in 0..count {
            let measured = line.get(at).is_some_and(|v| v.is_finite());
            // At the ends the window stands still.
            let first = at.saturating_sub(SIDE).min(count - 2 * SIDE - 1);
            let Some(window) = line.get(first..first + 2 * SIDE + 1).filter(|_| measured) else { continue };
            let slope = if window.iter().all(|v| v.is_finite()) {
                let weights = weights.get(at - first).copied().unwrap_or_default();
                Some(window.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>())
            } else if missing == MissingRule::Lenient {
                line_slope(window, at - first)
            } else {
                None
            };
            let radius = slope.map_or(f64::NAN, |s| 1.0 / (s / step + sphere));
            let radius = if radius.is_finite() { radius } else { f64::NAN };
            let (ring, side) = if at < rings { (rings - 1 - at, opposite) } else { (at + 1 - rings, k) };
            let mut put = |side: usize| {
                if let Some(cell) = tangential.get_mut(ring * meridians + side) {
                    *cell = radius;
                }
            };
            put(side);
            if ring == 0 {
                put(k);
            }
        }
    }
    Some(tangential)
}

/// Slope per sample of the polynomial through a window, at one of its samples; `None` for less than five measured ones.
fn line_slope(window: &[f64], at: usize) -> Option<f64> {
    let mut equations = NormalEquations::<5>::new();
    let mut count = 0;
    for (i, v) in window.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let x = (i as f64 - at as f64) / SIDE as f64;
        equations.add([1.0, x, x * x, x * x * x, x * x * x * x], *v, 1.0);
        count += 1;
    }
    (count >= 5).then(|| equations.solve().map(|c| c[1] / SIDE as f64)).flatten()
}

/// Weights of the seven samples for the slope at each of them.
fn line_weights() -> [[f64; 2 * SIDE + 1]; 2 * SIDE + 1] {
    let mut table = [[0.0; 2 * SIDE + 1]; 2 * SIDE + 1];
    for (at, row) in table.iter_mut().enumerate() {
        for (i, weight) in row.iter_mut().enumerate() {
            let mut unit = [0.0; 2 * SIDE + 1];
            if let Some(one) = unit.get_mut(i) {
                *one = 1.0;
            }
            *weight = line_slope(&unit, at).unwrap_or(0.0);
        }
    }
    table
}
