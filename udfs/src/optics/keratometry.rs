//! Simulated keratometry, from curvature maps and from elevations.

use super::{
    astigmatism::{PowerVector, wrap_axis},
    grid::{GridError, PolarGrid},
    linalg::NormalEquations,
    units::KERATOMETRIC_INDEX,
};

/// How two principal readings are taken from the powers around a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SimKMethod {
    /// The second harmonic `a + b cos 2t + c sin 2t` by least squares over the ring.
    Harmonic,
    /// The steepest meridian and the one perpendicular to it, on the ring alone. A meridian's power is the mean of its two
    /// opposite semi-meridians.
    Ring,
    /// As [`SimKMethod::Ring`], but with the mean power of each semi-meridian from two thirds of the ring's radius to half
    /// a sample beyond it (1.0 to 1.6 mm for the 3 mm ring).
    Meridian,
}

/// Simulated keratometry, in keratometric dioptres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimK {
    /// Flat reading, D.
    pub flat_d: f64,
    /// Steep reading, D.
    pub steep_d: f64,
    /// Meridian of the flat reading, degrees in (0, 180].
    pub flat_axis_deg: f64,
    /// Meridian of the steep reading, degrees in (0, 180].
    pub steep_axis_deg: f64,
}

impl SimK {
    /// The readings as a power vector: `M` the mean, `J0 = −(C/2) cos 2a`, `J45 = −(C/2) sin 2a` with `C` the difference and
    /// `a` the steep meridian; positive `J0` is with-the-rule.
    pub fn power_vector(&self) -> PowerVector {
        let half = 0.5 * (self.steep_d - self.flat_d);
        let (sin, cos) = (2.0 * self.steep_axis_deg).to_radians().sin_cos();
        PowerVector { m: 0.5 * (self.steep_d + self.flat_d), j0: -half * cos, j45: -half * sin }
    }
}

/// Power of a refracting surface, `1000 (n₂ − n₁)/r` dioptres for a radius in mm. `None` for a radius that is not positive.
pub fn surface_power_d(radius_mm: f64, index_from: f64, index_to: f64) -> Option<f64> {
    // The indices are scaled before they are subtracted: 1337.5 − 1000 is exactly 337.5, 1.3375 − 1 is not 0.3375.
    let power = (1000.0 * index_to - 1000.0 * index_from) / radius_mm;
    (radius_mm > 0.0 && power.is_finite()).then_some(power)
}

/// The cornea as a thick lens between air and aqueous.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThickCornea {
    /// Power of the anterior surface, D.
    pub anterior_d: f64,
    /// Power of the posterior surface, D.
    pub posterior_d: f64,
    /// Power of both together (Gullstrand): `F = Fa + Fp − (t/n) Fa Fp`, D.
    pub total_d: f64,
    /// Power as it acts at the posterior vertex: `Fa/(1 − (t/n) Fa) + Fp`, D.
    pub back_vertex_d: f64,
    /// Distance from the second principal plane to the focus in the aqueous, `1336/F`, mm.
    pub focal_length_mm: f64,
}

impl ThickCornea {
    /// From the radii of curvature and the thickness in mm, with the indices of cornea and aqueous. `None` for a radius that is
    /// not positive and for powers without a focus.
    pub fn new(anterior_mm: f64, posterior_mm: f64, thickness_mm: f64) -> Option<Self> {
        use super::units::{AQUEOUS_INDEX, CORNEA_INDEX};
        let anterior_d = surface_power_d(anterior_mm, 1.0, CORNEA_INDEX)?;
        let posterior_d = surface_power_d(posterior_mm, CORNEA_INDEX, AQUEOUS_INDEX)?;
        let reduced = 1e-3 * thickness_mm / CORNEA_INDEX;
        let total_d = anterior_d + posterior_d - reduced * anterior_d * posterior_d;
        let back_vertex_d = anterior_d / (1.0 - reduced * anterior_d) + posterior_d;
        let focal_length_mm = 1000.0 * AQUEOUS_INDEX / total_d;
        let cornea = Self { anterior_d, posterior_d, total_d, back_vertex_d, focal_length_mm };
        (total_d + back_vertex_d + focal_length_mm).is_finite().then_some(cornea)
    }
}

/// Readings from the powers (D) of equally spaced semi-meridians, the first at 0°; a missing power is not finite. `None` where
/// fewer than half were measured, or where no semi-meridian stands perpendicular to another. How the powers were collected
/// makes the difference between [`SimKMethod::Ring`] and [`SimKMethod::Meridian`]; here the two are the same.
pub fn sim_k_of_semi_meridians(power_d: &[f64], method: SimKMethod) -> Option<SimK> {
    let count = power_d.len();
    let measured = power_d.iter().filter(|p| p.is_finite()).count();
    if count < 4 || !count.is_multiple_of(4) || 2 * measured < count {
        return None;
    }
    let degrees = |k: usize| 360.0 * k as f64 / count as f64;
    if method == SimKMethod::Harmonic {
        let mut equations = NormalEquations::<3>::new();
        for (k, p) in power_d.iter().enumerate().filter(|(_, p)| p.is_finite()) {
            let (sin, cos) = (2.0 * degrees(k)).to_radians().sin_cos();
            equations.add([1.0, cos, sin], *p, 1.0);
        }
        let [mean, b, c] = equations.solve()?;
        let (half, steep) = (b.hypot(c), 0.5 * c.atan2(b).to_degrees());
        return Some(SimK {
            flat_d: mean - half,
            steep_d: mean + half,
            flat_axis_deg: wrap_axis(steep + 90.0),
            steep_axis_deg: wrap_axis(steep),
        });
    }
    let (first, second) = power_d.split_at(count / 2);
    let meridian: Vec<f64> = first.iter().zip(second).map(|(a, b)| 0.5 * (a + b)).collect();
    let known = || meridian.iter().enumerate().filter(|(_, p)| p.is_finite());
    let (steepest, steep_d) = known().max_by(|a, b| a.1.total_cmp(b.1))?;
    let across = (steepest + count / 4) % meridian.len();
    let flat_d = meridian.get(across).filter(|p| p.is_finite())?;
    Some(SimK {
        flat_d: *flat_d,
        steep_d: *steep_d,
        flat_axis_deg: wrap_axis(degrees(across)),
        steep_axis_deg: wrap_axis(degrees(steepest)),
    })
}

/// Radii (mm) at which a method reads a ring of that radius, `step_mm` apart.
fn reading_radii(method: SimKMethod, radius_mm: f64, step_mm: f64) -> Vec<f64> {
    match method {
        SimKMethod::Harmonic | SimKMethod::Ring => vec![radius_mm],
        SimKMethod::Meridian => {
            let first = (radius_mm / 1.5 / step_mm - 1e-9).ceil().max(1.0);
            let last = ((radius_mm + 0.5 * step_mm) / step_mm + 1e-9).floor().max(first);
            (first as usize..=last as usize).map(|i| i as f64 * step_mm).collect()
        }
    }
}

/// Mean of the finite values at each place; `NaN` where there is none.
fn mean_profile(profiles: &[Vec<f64>], count: usize) -> Vec<f64> {
    let mean = |k: usize| {
        let (sum, n) =
            profiles.iter().filter_map(|p| p.get(k).filter(|v| v.is_finite())).fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        sum / n
    };
    (0..count).map(mean).collect()
}

/// Values of a map along a circle, by linear interpolation between the two nearest rings.
///
/// # Errors
/// [`GridError::Zone`] where the circle lies outside the grid.
pub fn interpolate_ring(grid: PolarGrid, map: &[f64], radius_mm: f64) -> Result<Vec<f64>, GridError> {
    let limit_mm = grid.max_radius_mm();
    if !(radius_mm > 0.0 && radius_mm <= limit_mm + 1e-9) {
        return Err(GridError::Zone { radius_mm, limit_mm });
    }
    let meridians = grid.meridians();
    let position = radius_mm / grid.ring_step_mm();
    let snapped = if (position - position.round()).abs() < 1e-9 { position.round() } else { position };
    let ring = (snapped as usize).min(grid.rings() - 2);
    let fraction = snapped - ring as f64;
    let at = |i: usize| map.get(i * meridians..(i + 1) * meridians).unwrap_or(&[]);
    let between = |(a, b): (&f64, &f64)| match fraction {
        // A ring that is hit exactly does not need its neighbour.
        0.0 => *a,
        1.0 => *b,
        t => a + t * (b - a),
    };
    Ok(at(ring).iter().zip(at(ring + 1)).map(between).collect())
}

/// Simulated keratometry of an axial radius map (mm) on the ring of that diameter (3 mm by custom). Powers, not radii, are
/// interpolated between rings. `Ok(None)` where less than half of the ring was measured.
///
/// # Errors
/// [`GridError::Zone`] where the ring lies outside the grid.
pub fn sim_k(grid: PolarGrid, radius_mm: &[f64], diameter_mm: f64, method: SimKMethod) -> Result<Option<SimK>, GridError> {
    let power: Vec<f64> = radius_mm.iter().map(|&r| surface_power_d(r, 1.0, KERATOMETRIC_INDEX).unwrap_or(f64::NAN)).collect();
    sim_k_of_power(grid, &power, diameter_mm, method)
}

/// [`sim_k`] of an axial power map (D).
///
/// # Errors
/// [`GridError::Zone`] where the ring lies outside the grid.
pub fn sim_k_of_power(grid: PolarGrid, power: &[f64], diameter_mm: f64, method: SimKMethod) -> Result<Option<SimK>, GridError> {
    let radii = reading_radii(method, 0.5 * diameter_mm, grid.ring_step_mm());
    let profiles = radii.iter().map(|&r| interpolate_ring(grid, power, r)).collect::<Result<Vec<_>, _>>()?;
    Ok(sim_k_of_semi_meridians(&mean_profile(&profiles, grid.meridians()), method))
}

/// Distance (mm) between the radii that [`SimKMethod::Meridian`] averages over scattered points.
const SCATTERED_STEP_MM: f64 = 0.2;

/// Points of one semi-meridian that the local slope is fitted to.
const SLOPE_POINTS: usize = 7;

/// Axial radius of curvature (mm) on the ring of that radius from scattered elevations of a Placido device.
///
/// `rho_mm` and `z_mm` hold one ring after the other, `meridians` points each, every point with its own distance from the
/// vertex; the vertex itself is at height 0. Heights may have either sign. Along each semi-meridian a cubic is fitted to the
/// seven points nearest to the ring (least squares, which smooths the noise of single points), and its slope there gives
/// `R = r √(1 + z'²) / z'`. A semi-meridian with fewer points, or none beyond the ring, is `NaN`.
pub fn axial_radius_from_elevation(rho_mm: &[f64], z_mm: &[f64], meridians: usize, radius_mm: f64) -> Vec<f64> {
    let finite = || rho_mm.iter().zip(z_mm).filter(|(r, z)| r.is_finite() && z.is_finite());
    let sign = if finite().map(|(_, z)| z).sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
    let slope_at = |k: usize| -> Option<f64> {
        let along = rho_mm.iter().zip(z_mm).skip(k).step_by(meridians);
        let mut points: Vec<(f64, f64)> =
            along.filter(|(r, z)| r.is_finite() && z.is_finite() && **r > 0.0).map(|(r, z)| (r - radius_mm, sign * z)).collect();
        points.push((-radius_mm, 0.0));
        if !points.iter().any(|p| p.0 >= 0.0) {
            return None;
        }
        points.sort_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
        points.truncate(SLOPE_POINTS);
        if points.len() < SLOPE_POINTS {
            return None;
        }
        let mut equations = NormalEquations::<4>::new();
        for (d, z) in points {
            equations.add([1.0, d, d * d, d * d * d], z, 1.0);
        }
        equations.solve().map(|[_, slope, ..]| slope)
    };
    let radius = |k| slope_at(k).filter(|s| *s > 0.0).map_or(f64::NAN, |s| radius_mm * (1.0 + s * s).sqrt() / s);
    (0..meridians).map(radius).collect()
}

/// Simulated keratometry from scattered elevations, on the ring of that diameter: see [`axial_radius_from_elevation`]. `None`
/// where less than half of the ring can be read.
pub fn sim_k_from_elevation(
    rho_mm: &[f64],
    z_mm: &[f64],
    meridians: usize,
    diameter_mm: f64,
    method: SimKMethod,
) -> Option<SimK> {
    if meridians == 0 || rho_mm.len() != z_mm.len() {
        return None;
    }
    let power = |radius_mm: f64| -> Vec<f64> {
        let radii = axial_radius_from_elevation(rho_mm, z_mm, meridians, radius_mm);
        radii.iter().map(|&r| surface_power_d(r, 1.0, KERATOMETRIC_INDEX).unwrap_or(f64::NAN)).collect()
    };
    let radii = reading_radii(method, 0.5 * diameter_mm, SCATTERED_STEP_MM);
    let profiles: Vec<Vec<f64>> = radii.into_iter().map(power).collect();
    sim_k_of_semi_meridians(&mean_profile(&profiles, meridians), method)
}
