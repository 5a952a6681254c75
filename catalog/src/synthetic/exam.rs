//! One MS-39 exam: the maps of a cornea with the noise and the gaps of a measurement, and what clinicians would read off them.

use super::eye::{Eye, Repeatability};
use super::maps::{
    CORNEAL_THICKNESS, DIRECTIONS, ELEVATION_ANTERIOR, GAUSSIAN_POSTERIOR, KERATOMETRIC, KINDS, Keratometry, MERIDIANS, Maps,
    RING_STEP_MM, SAGITTAL_ANTERIOR, is_printed_radius,
};
use super::random::Draw;

/// What one exam of one eye gave.
#[derive(Debug, Clone)]
pub(super) struct Exam {
    /// The maps as exported, NaN where missing.
    pub maps: Maps,
    /// Centre of the pupil, mm.
    pub pupil_mm: (f64, f64),
    pub findings: Findings,
}

/// Numbers behind the other records of the same visit: acuity, refraction and biomechanics follow from them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings {
    pub keratometry: Keratometry,
    /// Root mean square of the axial power within 2 mm that neither sphere nor regular cylinder explains, D.
    pub irregularity_d: f64,
    /// Thickness at the apex and the smallest within 3 mm, µm.
    pub apex_um: f64,
    pub thinnest_um: f64,
    /// Relative increase of the thickness from its smallest value to the circle of 2.4 mm.
    pub thickness_growth: f64,
}

impl Exam {
    /// Examines `eye`, `years` after its first visit.
    pub(super) fn new(eye: &Eye, years: f64, draw: &mut Draw) -> Self {
        let error = Repeatability::new(draw, eye.is_irregular());
        let mut maps = eye.cornea(years, &error).maps();
        let findings = Findings::of(&maps);
        add_noise(&mut maps, draw);
        let lid_mm = eye.lid_mm() + draw.normal(0.0, 0.2);
        add_gaps(&mut maps, lid_mm, draw);
        let pupil = eye.pupil_mm();
        let pupil_mm = (pupil.0 + draw.normal(0.0, 0.03), pupil.1 + draw.normal(0.0, 0.03));
        Self { maps, pupil_mm, findings }
    }
}

impl Findings {
    fn of(maps: &Maps) -> Self {
        // A ring that is hollow has no axial radius; the mean cornea stands in for the keratometry of such an eye.
        let keratometry = Keratometry::of(&maps[SAGITTAL_ANTERIOR]).unwrap_or(Keratometry {
            flat_radius_mm: 7.9,
            flat_axis_deg: 180.0,
            steep_radius_mm: 7.7,
            steep_axis_deg: 90.0,
        });
        let thickness = &maps[CORNEAL_THICKNESS];
        let thinnest_um = thickness[..15 * MERIDIANS].iter().copied().fold(f64::INFINITY, f64::min);
        let circle = &thickness[12 * MERIDIANS..13 * MERIDIANS];
        let mean = circle.iter().sum::<f64>() / MERIDIANS as f64;
        Self {
            keratometry,
            irregularity_d: irregularity(&maps[SAGITTAL_ANTERIOR]),
            apex_um: thickness[0],
            thinnest_um,
            thickness_growth: (mean - thinnest_um) / thinnest_um,
        }
    }
}

fn irregularity(sagittal: &[f64]) -> f64 {
    let mut powers = [(0.0, 0.0, 0.0); 10 * MERIDIANS];
    let (mut n, mut mean, mut cosine, mut sine) = (0.0, 0.0, 0.0, 0.0);
    for (i, (slot, radius)) in powers.iter_mut().zip(&sagittal[MERIDIANS..]).enumerate() {
        let weight = (i / MERIDIANS + 1) as f64;
        let power = KERATOMETRIC / radius;
        if !power.is_finite() {
            continue;
        }
        let (cos, sin) = DIRECTIONS[i % MERIDIANS];
        let (double_cos, double_sin) = (cos * cos - sin * sin, 2.0 * sin * cos);
        *slot = (weight, power, 0.0);
        n += weight;
        mean += weight * power;
        cosine += 2.0 * weight * power * double_cos;
        sine += 2.0 * weight * power * double_sin;
    }
    if n == 0.0 {
        return 0.0;
    }
    let (mean, cosine, sine) = (mean / n, cosine / n, sine / n);
    let mut sum = 0.0;
    for (i, (weight, power, _)) in powers.iter().enumerate() {
        let (cos, sin) = DIRECTIONS[i % MERIDIANS];
        let rest = power - mean - cosine * (cos * cos - sin * sin) - sine * 2.0 * sin * cos;
        sum += weight * rest * rest;
    }
    (sum / n).sqrt()
}

/// Adds the noise of [`KINDS`]. Layers keep their sum to better than 3 µm, as the device's do.
fn add_noise(maps: &mut Maps, draw: &mut Draw) {
    for (map, kind) in maps.iter_mut().zip(&KINDS) {
        if kind.noise_relative == 0.0 && kind.noise_absolute == 0.0 {
            continue;
        }
        let apex = draw.noise();
        let cells = kind.rings * MERIDIANS;
        for (i, value) in map[..cells].iter_mut().enumerate() {
            let deviate = if i < MERIDIANS { apex } else { draw.noise() };
            *value += deviate * (kind.noise_relative * *value + kind.noise_absolute);
        }
    }
    // A radius that noise carries out of the device's bounds is missing, as one that lay outside before.
    for radius in maps.iter_mut().take(GAUSSIAN_POSTERIOR + 1).flatten().filter(|radius| !is_printed_radius(**radius)) {
        *radius = f64::NAN;
    }
    // The apex is the origin of the elevations.
    maps[ELEVATION_ANTERIOR][..MERIDIANS].fill(0.0);
    let [.., total, stroma, epithelium, _] = maps.as_mut_slice() else { return };
    let mut deviate = 0.0;
    for (i, ((stroma, total), epithelium)) in stroma.iter_mut().zip(total).zip(epithelium).enumerate() {
        if i == 0 || i >= MERIDIANS {
            deviate = 0.3 * draw.noise();
        }
        *stroma = *total - *epithelium + deviate;
    }
}

/// Takes away what the upper lid covers, and a few single cells outside.
fn add_gaps(maps: &mut Maps, lid_mm: f64, draw: &mut Draw) {
    let lost = 0.012 * draw.unit();
    for ring in 8..KINDS[0].rings {
        let r = ring as f64 * RING_STEP_MM;
        for (k, (cos, sin)) in DIRECTIONS.iter().enumerate() {
            let (x, y) = (r * cos, r * sin);
            let covered = y > 0.0 && y > lid_mm - 0.05 * x * x;
            if covered || draw.chance(lost * r / 5.0) {
                for map in maps.iter_mut() {
                    map[ring * MERIDIANS + k] = f64::NAN;
                }
            }
        }
    }
}
