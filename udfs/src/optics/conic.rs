//! Conics by Baker's linear equation: of a whole map and of each semi-meridian.
//!
//! Baker (1943): on a conic with its vertex at the origin `s = 2 R z − (1 + Q) z²` with `s = x² + y²`. The equation is linear in
//! `R` and `Q`, so that no start is needed and nothing diverges. It weighs a residual in `z` by about `2R`, more in the
//! periphery; for the least vertical residual see [`super::shape::conic_fit`].

use super::{
    grid::{GridError, PolarGrid},
    linalg::NormalEquations,
    shape::{Conic, vertex_sag, zone_points},
    zernike_fit::Weighting,
};

/// Apical radius (mm) and `1 + Q` of Baker's equation over points `(s, z, weight)` with the vertex at the origin.
fn baker(points: impl Iterator<Item = (f64, f64, f64)>) -> Option<(f64, f64)> {
    let mut equations = NormalEquations::<2>::new();
    for (square, z, weight) in points {
        equations.add([2.0 * z, -z * z], square, weight);
    }
    equations.solve().filter(|[radius, _]| *radius > 0.0).map(|[radius, shape]| (radius, shape))
}

/// The conic of revolution through the map's vertex that fulfils Baker's equation best within a zone of that diameter. `None`
/// where the vertex is missing, less than half of the zone was measured, or the fitted conic ends within the zone.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn baker_conic(grid: PolarGrid, map: &[f64], zone_mm: f64, weighting: Weighting) -> Result<Option<Conic>, GridError> {
    let Some(points) = zone_points(grid, map, zone_mm, weighting)? else { return Ok(None) };
    let Some(z_mm) = vertex_sag(grid, map) else { return Ok(None) };
    let fitted = baker(points.iter().map(|p| (p.x * p.x + p.y * p.y, p.z - z_mm, p.weight)));
    Ok(fitted.and_then(|(radius_mm, shape)| {
        let (mut sum, mut weight) = (0.0, 0.0);
        for p in &points {
            let square = p.x * p.x + p.y * p.y;
            let sag = square / (radius_mm + (radius_mm * radius_mm - shape * square).sqrt());
            sum += p.weight * (p.z - z_mm - sag).powi(2);
            weight += p.weight;
        }
        let rms_mm = (sum / weight).sqrt();
        rms_mm.is_finite().then_some(Conic { radius_mm, q: shape - 1.0, z_mm, rms_mm })
    }))
}

/// Apical radius (mm) and asphericity Q of each semi-meridian, by Baker's equation through the map's vertex within a zone of
/// that diameter; the rings count alike. `NaN` for a semi-meridian of which less than half of the rings was measured. `None`
/// where the vertex is missing.
///
/// # Errors
/// [`GridError::Zone`] where the zone does not fit the grid.
pub fn meridian_conics(grid: PolarGrid, map: &[f64], zone_mm: f64) -> Result<Option<[Vec<f64>; 2]>, GridError> {
    let rings = grid.zone_rings(0.5 * zone_mm)?;
    let Some(vertex) = vertex_sag(grid, map) else { return Ok(None) };
    let of = |k: usize| {
        let along = map.iter().skip(k).step_by(grid.meridians()).take(rings).enumerate().skip(1);
        let points: Vec<(f64, f64, f64)> =
            along.filter(|(_, z)| z.is_finite()).map(|(i, z)| (grid.radius_mm(i).powi(2), z - vertex, 1.0)).collect();
        if 2 * points.len() < rings - 1 {
            return (f64::NAN, f64::NAN);
        }
        baker(points.into_iter()).map_or((f64::NAN, f64::NAN), |(radius, shape)| (radius, shape - 1.0))
    };
    let (radii, q) = (0..grid.meridians()).map(of).unzip();
    Ok(Some([radii, q]))
}
