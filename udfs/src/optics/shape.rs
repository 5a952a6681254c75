//! Reference surfaces: best-fit sphere, conic, and the elevation over them.

use super::{
    grid::{GridError, PolarGrid},
    linalg::NormalEquations,
    zernike_fit::Weighting,
};

/// Which parameters of the sphere are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SphereMode {
    /// Radius, height and position: least squares over all four.
    Float,
    /// Radius and height; the centre stays on the axis of the map.
    FloatCentred,
    /// Radius only; the sphere touches the corneal vertex (ring 0) on the axis of the map.
    ApexTouch,
    /// Radius, height and position by the linear equation `x² + y² + z² = 2ax + 2by + 2cz + d`: the least residual of the
    /// squared distance from the centre, not of the height.
    Algebraic,
    /// As [`SphereMode::Algebraic`], with the centre on the axis of the map.
    AlgebraicCentred,
}

/// A sphere fitted to a sag map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sphere {
    /// Radius, mm.
    pub radius_mm: f64,
    /// Position of the sphere's front vertex, mm, to the examiner's right.
    pub x_mm: f64,
    /// Position of the sphere's front vertex, mm, upwards.
    pub y_mm: f64,
    /// Sag of the sphere's front vertex in the frame of the map, mm.
    pub z_mm: f64,
    /// Root mean square of the vertical residuals, weighted as the fit, mm.
    pub rms_mm: f64,
}

impl Sphere {
    /// Sag of the sphere at a point, mm; `None` beyond its equator.
    pub fn sag_mm(&self, x_mm: f64, y_mm: f64) -> Option<f64> {
        let square = self.radius_mm.powi(2) - (x_mm - self.x_mm).powi(2) - (y_mm - self.y_mm).powi(2);
        (square > 0.0).then(|| self.z_mm + self.radius_mm - square.sqrt())
    }
}

/// A conic of revolution fitted to a sag map by least vertical residual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conic {
    /// Apical radius, mm.
    pub radius_mm: f64,
    /// Asphericity Q: 0 for a sphere, negative for a cornea that flattens outwards.
    pub q: f64,
    /// Sag of the vertex in the frame of the map, mm.
    pub z_mm: f64,
    /// Root mean square of the vertical residuals, weighted as the fit, mm.
    pub rms_mm: f64,
}

/// One measured point: position, sag, weight.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
    pub(crate) weight: f64,
}

/// Sag of the vertex: the mean of the measured copies of it that ring 0 holds, `None` where there is none.
pub(crate) fn vertex_sag(grid: PolarGrid, map: &[f64]) -> Option<f64> {
    let copies = map.iter().take(grid.meridians()).filter(|z| z.is_finite());
    let (sum, count) = copies.fold((0.0, 0.0), |(sum, count), z| (sum + z, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// The cells of the zone, or `None` where less than half of its area was measured.
pub(crate) fn zone_points(
    grid: PolarGrid,
    map: &[f64],
    zone_mm: f64,
    weighting: Weighting,
) -> Result<Option<Vec<Point>>, GridError> {
    let radius = 0.5 * zone_mm;
    let rings = grid.zone_rings(radius)?;
    let meridians = grid.meridians();
    let directions: Vec<(f64, f64)> = (0..meridians).map(|k| grid.angle(k).sin_cos()).collect();
    let mut points = Vec::with_capacity(rings * meridians);
    let (mut measured, mut area) = (0.0, 0.0);
    for (i, ring) in map.chunks_exact(meridians).enumerate().take(rings) {
        let (r, cell) = (grid.radius_mm(i), grid.cell_area_mm2(i, radius));
        let weight = if weighting == Weighting::Area { cell } else { 1.0 };
        area += cell * meridians as f64;
        for (&z, (sin, cos)) in ring.iter().zip(&directions) {
            if z.is_finite() {
                measured += cell;
                points.push(Point { x: r * cos, y: r * sin, z, weight });
            }
        }
    }
    Ok((area > 0.0 && measured >= 0.5 * area).then_some(points))
}

/// Gauss-Newton from a start: `model` gives the sag and its derivatives at a point, `None` where it is not defined.
fn gauss_newton<const N: usize>(
    points: &[Point],
    start: [f64; N],
    model: impl Fn(&[f64; N], &Point) -> Option<(f64, [f64; N])>,
) -> Option<([f64; N], f64)> {
    let mut parameters = start;
    for _ in 0..30 {
        let mut equations = NormalEquations::<N>::new();
        for point in points {
            let (sag, derivative) = model(&parameters, point)?;
            equations.add(derivative, point.z - sag, point.weight);
        }
        let step = equations.solve()?;
        let mut largest = 0.0f64;
        for (value, s) in parameters.iter_mut().zip(step) {
            *value += s;
            largest = largest.max(s.abs());
        }
        if largest < 1e-12 {
            break;
        }
    }
    let (mut sum, mut weight) = (0.0, 0.0);
    for point in points {
        let (sag, _) = model(&parameters, point)?;
        sum += point.weight * (point.z - sag).powi(2);
        weight += point.weight;
    }
    let rms = (sum / weight).sqrt();
    (rms.is_finite() && parameters.iter().all(|p| p.is_finite())).then_some((parameters, rms))
}

/// The sphere closest to a sag map (mm, positive into the eye, any constant offset) within a zone of that diameter, by the
/// least vertical residual except in the algebraic modes. `None` where less than half of the zone was measured or the map is
/// not curved like an eye.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn best_fit_sphere(
    grid: PolarGrid,
    map: &[f64],
    zone_mm: f64,
    mode: SphereMode,
    weighting: Weighting,
) -> Result<Option<Sphere>, GridError> {
    let Some(points) = zone_points(grid, map, zone_mm, weighting)? else { return Ok(None) };
    Ok(sphere_of(grid, map, &points, mode))
}

fn sphere_of(grid: PolarGrid, map: &[f64], points: &[Point], mode: SphereMode) -> Option<Sphere> {
    // Paraxial start z = z0 + r²/2R; the curvature that it finds is close for every cornea.
    let mut start = NormalEquations::<2>::new();
    for p in points {
        start.add([1.0, 0.5 * (p.x * p.x + p.y * p.y)], p.z, p.weight);
    }
    let [offset, curvature] = start.solve()?;
    let reach = points.iter().map(|p| p.x.hypot(p.y)).fold(0.0, f64::max);
    if curvature < 1e-4 {
        return None;
    }
    // The start is kept wide enough to cover the zone, else its first step has no height at the rim.
    let radius = (1.0 / curvature).max(1.1 * reach);
    match mode {
        SphereMode::Float => {
            let ([z_mm, radius_mm, x_mm, y_mm], rms_mm) = gauss_newton(points, [offset, radius, 0.0, 0.0], |p, at| {
                let (dx, dy) = (at.x - p[2], at.y - p[3]);
                let square = p[1] * p[1] - dx * dx - dy * dy;
                (square > 0.0).then(|| {
                    let root = square.sqrt();
                    (p[0] + p[1] - root, [1.0, 1.0 - p[1] / root, -dx / root, -dy / root])
                })
            })?;
            Some(Sphere { radius_mm, x_mm, y_mm, z_mm, rms_mm })
        }
        SphereMode::FloatCentred => {
            let ([z_mm, radius_mm], rms_mm) = gauss_newton(points, [offset, radius], |p, at| {
                let square = p[1] * p[1] - at.x * at.x - at.y * at.y;
                (square > 0.0).then(|| {
                    let root = square.sqrt();
                    (p[0] + p[1] - root, [1.0, 1.0 - p[1] / root])
                })
            })?;
            Some(Sphere { radius_mm, x_mm: 0.0, y_mm: 0.0, z_mm, rms_mm })
        }
        SphereMode::ApexTouch => {
            let z_mm = vertex_sag(grid, map)?;
            let ([radius_mm], rms_mm) = gauss_newton(points, [radius], |p, at| {
                let square = p[0] * p[0] - at.x * at.x - at.y * at.y;
                (square > 0.0).then(|| {
                    let root = square.sqrt();
                    (z_mm + p[0] - root, [1.0 - p[0] / root])
                })
            })?;
            Some(Sphere { radius_mm, x_mm: 0.0, y_mm: 0.0, z_mm, rms_mm })
        }
        SphereMode::Algebraic | SphereMode::AlgebraicCentred => algebraic_sphere(points, mode == SphereMode::AlgebraicCentred),
    }
    .filter(|s| s.radius_mm > 0.0)
}

fn algebraic_sphere(points: &[Point], centred: bool) -> Option<Sphere> {
    let square = |p: &Point| p.x * p.x + p.y * p.y + p.z * p.z;
    let [x_mm, y_mm, centre, constant] = if centred {
        let mut equations = NormalEquations::<2>::new();
        points.iter().for_each(|p| equations.add([2.0 * p.z, 1.0], square(p), p.weight));
        let [centre, constant] = equations.solve()?;
        [0.0, 0.0, centre, constant]
    } else {
        let mut equations = NormalEquations::<4>::new();
        points.iter().for_each(|p| equations.add([2.0 * p.x, 2.0 * p.y, 2.0 * p.z, 1.0], square(p), p.weight));
        equations.solve()?
    };
    let radius_mm = (constant + x_mm * x_mm + y_mm * y_mm + centre * centre).sqrt();
    let mut sphere = Sphere { radius_mm, x_mm, y_mm, z_mm: centre - radius_mm, rms_mm: 0.0 };
    let (mut sum, mut weight) = (0.0, 0.0);
    for p in points {
        sum += p.weight * (p.z - sphere.sag_mm(p.x, p.y)?).powi(2);
        weight += p.weight;
    }
    sphere.rms_mm = (sum / weight).sqrt();
    sphere.rms_mm.is_finite().then_some(sphere)
}

/// Elevation over the best-fit sphere in µm, in the convention of devices: positive where the cornea stands in front of the
/// sphere. The sphere is that of [`best_fit_sphere`]; cells outside the zone get their elevation too, missing cells and cells
/// beyond the sphere's equator are `NaN`. `None` where there is no sphere.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn elevation_residual(
    grid: PolarGrid,
    map: &[f64],
    zone_mm: f64,
    mode: SphereMode,
    weighting: Weighting,
) -> Result<Option<Vec<f64>>, GridError> {
    let Some(sphere) = best_fit_sphere(grid, map, zone_mm, mode, weighting)? else { return Ok(None) };
    let directions: Vec<(f64, f64)> = (0..grid.meridians()).map(|k| grid.angle(k).sin_cos()).collect();
    let mut residual = Vec::with_capacity(map.len());
    for (i, ring) in map.chunks_exact(grid.meridians()).enumerate() {
        let r = grid.radius_mm(i);
        residual.extend(
            ring.iter()
                .zip(&directions)
                .map(|(z, (sin, cos))| sphere.sag_mm(r * cos, r * sin).map_or(f64::NAN, |reference| 1e3 * (reference - z))),
        );
    }
    Ok(Some(residual))
}

/// The conic of revolution around the map's axis that is closest to a sag map within a zone of that diameter. `None` where
/// less than half of the zone was measured or no conic fits.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn conic_fit(grid: PolarGrid, map: &[f64], zone_mm: f64, weighting: Weighting) -> Result<Option<Conic>, GridError> {
    let Some(points) = zone_points(grid, map, zone_mm, weighting)? else { return Ok(None) };
    let Some(sphere) = sphere_of(grid, map, &points, SphereMode::FloatCentred) else { return Ok(None) };
    let fitted = gauss_newton(&points, [sphere.radius_mm, 1.0, sphere.z_mm], |p, at| {
        let s = at.x * at.x + at.y * at.y;
        let square = p[0] * p[0] - p[1] * s;
        (square > 0.0).then(|| {
            let root = square.sqrt();
            let sag = s / (p[0] + root);
            (p[2] + sag, [-sag / root, sag * sag / (2.0 * root), 1.0])
        })
    });
    Ok(fitted.map(|([radius_mm, shape, z_mm], rms_mm)| Conic { radius_mm, q: shape - 1.0, z_mm, rms_mm }))
}
