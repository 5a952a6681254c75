//! The toric asphere (biconic) closest to a cornea.
//!
//! `z = z0 + n / (1 + √(1 − (1+Q₁) c₁² u² − (1+Q₂) c₂² v²))` with `n = c₁ u² + c₂ v²`, where `u, v` are the coordinates from the
//! vertex along the two principal meridians: each meridian through the vertex along an axis is a conic of its own. Least
//! vertical residual by Levenberg and Marquardt's damped Gauss-Newton steps (Marquardt 1963).

use super::{
    astigmatism::wrap_axis,
    grid::{GridError, PolarGrid},
    linalg::NormalEquations,
    shape::{Point, zone_points},
    zernike_fit::Weighting,
};

/// Whether the two principal meridians share one asphericity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asphericity {
    /// Each principal meridian has its own Q (biconic).
    Separate,
    /// One Q for both.
    Common,
}

/// Whether the vertex of the surface may leave the axis of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// Free, in all three directions.
    Float,
    /// On the axis of the map; its height is free.
    Centred,
}

/// A toric asphere fitted to a sag map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Toric {
    /// Apical radius of the flat principal meridian, mm.
    pub flat_mm: f64,
    /// Apical radius of the steep principal meridian, mm.
    pub steep_mm: f64,
    /// The flat principal meridian, degrees in (0, 180].
    pub flat_axis_deg: f64,
    /// Asphericity of the flat meridian.
    pub flat_q: f64,
    /// Asphericity of the steep meridian.
    pub steep_q: f64,
    /// Position of the vertex, mm, to the examiner's right.
    pub x_mm: f64,
    /// Position of the vertex, mm, upwards.
    pub y_mm: f64,
    /// Sag of the vertex in the frame of the map, mm.
    pub z_mm: f64,
    /// Root mean square of the vertical residuals, weighted as the fit, mm.
    pub rms_mm: f64,
}

/// Below this number of points none is left out.
const THINNED: usize = 2000;

/// Parameters in the order: curvature 1 and 2 (1/mm), angle of meridian 1, `1 + Q` of both, x, y, z of the vertex.
const COUNT: usize = 8;
type Parameters = [f64; COUNT];

struct Model {
    asphericity: Asphericity,
    position: Position,
}

impl Model {
    /// Sag at a point and its derivatives by the parameters; `None` beyond the equator.
    fn at(&self, p: &Parameters, (sin, cos): (f64, f64), point: &Point) -> Option<(f64, Parameters)> {
        let [c1, c2, _, s1, s2, x, y, z] = *p;
        let (dx, dy) = (point.x - x, point.y - y);
        let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let (u2, v2) = (u * u, v * v);
        let numerator = c1 * u2 + c2 * v2;
        let square = 1.0 - s1 * c1 * c1 * u2 - s2 * c2 * c2 * v2;
        if square <= 1e-6 {
            return None;
        }
        let root = square.sqrt();
        let inverse = 1.0 / (1.0 + root);
        let sag = numerator * inverse;
        // d sag = d numerator / (1 + root) + gain · d(1 − square)
        let gain = 0.5 * numerator * inverse * inverse / root;
        let by_u = 2.0 * c1 * u * (inverse + gain * s1 * c1);
        let by_v = 2.0 * c2 * v * (inverse + gain * s2 * c2);
        let mut d = [
            u2 * (inverse + 2.0 * gain * s1 * c1),
            v2 * (inverse + 2.0 * gain * s2 * c2),
            by_u * v - by_v * u,
            gain * c1 * c1 * u2,
            gain * c2 * c2 * v2,
            by_v * sin - by_u * cos,
            -by_u * sin - by_v * cos,
            1.0,
        ];
        if self.asphericity == Asphericity::Common {
            d[3] += d[4];
            d[4] = 0.0;
        }
        if self.position == Position::Centred {
            (d[5], d[6]) = (0.0, 0.0);
        }
        Some((z + sag, d))
    }

    fn moved(&self, p: &Parameters, step: &Parameters) -> Parameters {
        let mut to: Parameters = std::array::from_fn(|i| p[i] + step[i]);
        if self.asphericity == Asphericity::Common {
            to[4] = to[3];
        }
        to
    }

    /// The normal equations at a place; `None` where the surface does not cover the points.
    fn linearised(&self, p: &Parameters, points: &[Point]) -> Option<Linearised> {
        let turn = p[2].sin_cos();
        let mut at = Linearised { equations: NormalEquations::new(), diagonal: [0.0; COUNT], cost: 0.0 };
        for point in points {
            let (sag, d) = self.at(p, turn, point)?;
            let residual = point.z - sag;
            at.equations.add(d, residual, point.weight);
            at.diagonal.iter_mut().zip(d).for_each(|(sum, d)| *sum += point.weight * d * d);
            at.cost += point.weight * residual * residual;
        }
        at.cost.is_finite().then_some(at)
    }

    /// Damped Gauss-Newton from a start; the parameters and their cost.
    fn descend(&self, start: Parameters, points: &[Point]) -> Option<(Parameters, f64)> {
        let (mut p, mut at, mut damping) = (start, self.linearised(&start, points)?, 1e-4);
        for _ in 0..100 {
            let Some(step) = at.step(damping) else { break };
            let to = self.moved(&p, &step);
            match self.linearised(&to, points).filter(|next| next.cost <= at.cost) {
                Some(next) => (p, at, damping) = (to, next, (damping * 0.03).max(1e-12)),
                None if damping > 1e8 => break,
                None => damping *= 10.0,
            }
            if step.iter().zip(&p).all(|(s, v)| s.abs() <= 1e-12 * v.abs().max(1.0)) {
                break;
            }
        }
        Some((p, at.cost))
    }
}

/// The problem around one set of parameters.
struct Linearised {
    equations: NormalEquations<COUNT>,
    diagonal: Parameters,
    /// Weighted sum of squared residuals.
    cost: f64,
}

impl Linearised {
    fn step(&self, damping: f64) -> Option<Parameters> {
        // A parameter without influence, such as the axis of a sphere, is held by the damping alone.
        let floor = self.diagonal.iter().fold(0.0f64, |a, b| a.max(*b)) * 1e-18;
        let mut damped = self.equations.clone();
        for (i, d) in self.diagonal.iter().enumerate() {
            damped.add(std::array::from_fn(|k| if k == i { 1.0 } else { 0.0 }), 0.0, damping * d + floor);
        }
        damped.solve()
    }
}

/// The toric asphere of least vertical residual within a zone of that diameter. Two starts 45° apart guard against the other
/// minimum of nearly spherical corneas. On a surface without astigmatism the axis has no meaning. `None` where less than half
/// of the zone was measured or the map is not curved like an eye.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn toric_fit(
    grid: PolarGrid,
    map: &[f64],
    zone_mm: f64,
    asphericity: Asphericity,
    position: Position,
    weighting: Weighting,
) -> Result<Option<Toric>, GridError> {
    let Some(points) = zone_points(grid, map, zone_mm, weighting)? else { return Ok(None) };
    Ok(fit(&Model { asphericity, position }, &points))
}

fn fit(model: &Model, points: &[Point]) -> Option<Toric> {
    // z = z0 + tilt + ½ (xx, xy, yy) + r⁴: the curvature matrix at the vertex, and where the tilt puts the vertex.
    let mut start = NormalEquations::<7>::new();
    for p in points {
        let square = p.x * p.x + p.y * p.y;
        start.add([1.0, p.x, p.y, 0.5 * p.x * p.x, p.x * p.y, 0.5 * p.y * p.y, square * square], p.z, p.weight);
    }
    let [z, tilt_x, tilt_y, xx, xy, yy, _] = start.solve()?;
    let (mean, half) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    if mean < 1e-4 || mean - half < 1e-4 {
        return None;
    }
    let reach = points.iter().map(|p| p.x.hypot(p.y)).fold(0.0, f64::max);
    // The start is kept within the equator of every point that it must cover.
    let limit = 0.8 / reach;
    let flat = 0.5 * xy.atan2(0.5 * (xx - yy)) + std::f64::consts::FRAC_PI_2;
    let (x, y) = match model.position {
        Position::Float => ((-tilt_x / mean).clamp(-0.5, 0.5), (-tilt_y / mean).clamp(-0.5, 0.5)),
        Position::Centred => (0.0, 0.0),
    };
    let start = |axis: f64, half: f64| [(mean - half).min(limit), (mean + half).min(limit), axis, 1.0, 1.0, x, y, z];
    let starts = [start(flat, half), start(flat + std::f64::consts::FRAC_PI_4, 0.0)];
    // Every fourth point tells which start is better; all points then need a few steps only.
    let thinned: Vec<Point> = points.iter().step_by(if points.len() > THINNED { 4 } else { 1 }).copied().collect();
    let best = starts.into_iter().filter_map(|s| model.descend(s, &thinned)).min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.and_then(|(near, _)| model.descend(near, points));
    let ([c1, c2, axis, s1, s2, x_mm, y_mm, z_mm], cost) = best?;
    let weight: f64 = points.iter().map(|p| p.weight).sum();
    // Meridian 1 need not have stayed the flat one.
    let ((flat, flat_shape), (steep, steep_shape), turn) =
        if c1 <= c2 { ((c1, s1), (c2, s2), 0.0) } else { ((c2, s2), (c1, s1), 90.0) };
    let toric = Toric {
        flat_mm: 1.0 / flat,
        steep_mm: 1.0 / steep,
        flat_axis_deg: wrap_axis(axis.to_degrees() + turn),
        flat_q: flat_shape - 1.0,
        steep_q: steep_shape - 1.0,
        x_mm,
        y_mm,
        z_mm,
        rms_mm: (cost / weight).sqrt(),
    };
    (flat > 0.0 && toric.rms_mm.is_finite() && toric.flat_mm.is_finite()).then_some(toric)
}
