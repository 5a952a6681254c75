//! The sixteen polar maps of one exam, derived from the surfaces of the cornea.
//!
//! Definitions (formats.md §1.1, math.md §1.6), h the distance from the axis, primes along the meridian:
//!
//! * sagittal radius `h·√(1+z'²)/z'`, tangential radius `(1+z'²)^1.5/z''`, Gaussian radius `1/√(κ₁κ₂)`;
//! * refractive powers by Snell's law for a ray parallel to the axis; the equivalent power by Gullstrand's formula;
//! * elevations from the plane through the anterior apex, thicknesses along the axis.
//!
//! Curvatures of a surface refer to its own normal at the axis: its tilt is taken off first, as the axial radius of a tilted
//! surface has a pole at the centre. Elevations and thicknesses keep the tilt, which is why the posterior elevation differs
//! from the integral of the posterior sagittal map by a plane.

use std::sync::LazyLock;

use super::elementary::sin_cos_deg;
use super::surface::{Jet, Surface};

/// Circles of a map.
pub(super) const RINGS: usize = 31;
/// Cells of a circle.
pub(super) const MERIDIANS: usize = 256;
/// Distance between circles, mm.
pub(super) const RING_STEP_MM: f64 = 0.2;
/// Cells of a map.
pub(super) const CELLS: usize = RINGS * MERIDIANS;
/// Number of maps.
pub(super) const MAPS: usize = 16;

/// A map of the device: its column, how many circles the device fills, and its noise.
#[derive(Debug)]
pub(super) struct MapKind {
    /// Column of the table `ms39`.
    pub column: &'static str,
    /// Circles with values, from the centre.
    pub rings: usize,
    /// Standard deviation of one cell between repeated exams, as a part of the value.
    pub noise_relative: f64,
    /// The same in the unit of the map.
    pub noise_absolute: f64,
}

const fn kind(column: &'static str, rings: usize, noise_relative: f64, noise_absolute: f64) -> MapKind {
    MapKind { column, rings, noise_relative, noise_absolute }
}

/// The maps in the order of the file. The noise is small against the spread between exams, which [`super::exam`] adds to the
/// surfaces themselves: neighbouring cells of a real map come from the same smoothed image.
pub(super) const KINDS: [MapKind; MAPS] = [
    kind("sagittal_anterior_mm", 26, 0.0008, 0.0),
    kind("tangential_anterior_mm", 26, 0.003, 0.0),
    kind("gaussian_anterior_mm", 22, 0.002, 0.0),
    kind("sagittal_posterior_mm", 25, 0.0015, 0.0),
    kind("tangential_posterior_mm", 25, 0.006, 0.0),
    kind("gaussian_posterior_mm", 21, 0.004, 0.0),
    kind("refractive_power_anterior_d", 26, 0.0008, 0.0),
    kind("refractive_power_posterior_d", 26, 0.0015, 0.0),
    kind("refractive_power_equivalent_d", 26, 0.0008, 0.0),
    kind("elevation_anterior_mm", 26, 0.0, 0.0003),
    kind("elevation_posterior_mm", 26, 0.0, 0.0006),
    kind("elevation_stromal_mm", 26, 0.0, 0.0004),
    kind("corneal_thickness_um", 26, 0.0, 0.5),
    kind("stromal_thickness_um", 26, 0.0, 0.0),
    kind("epithelial_thickness_um", 26, 0.0, 0.4),
    kind("anterior_chamber_depth_mm", 25, 0.0, 0.003),
];

/// Places in [`KINDS`] that other code names.
pub(super) const SAGITTAL_ANTERIOR: usize = 0;
pub(super) const SAGITTAL_POSTERIOR: usize = 3;
pub(super) const GAUSSIAN_POSTERIOR: usize = 5;
pub(super) const ELEVATION_ANTERIOR: usize = 9;
pub(super) const ELEVATION_POSTERIOR: usize = 10;
pub(super) const CORNEAL_THICKNESS: usize = 12;
pub(super) const CHAMBER_DEPTH: usize = 15;

/// Refractive indices: cornea and aqueous; the keratometric one is for readings in dioptres alone.
const CORNEA: f64 = 1.376;
const AQUEOUS: f64 = 1.336;
/// Keratometric constant: dioptres of a radius of 1 mm.
pub(super) const KERATOMETRIC: f64 = 337.5;

/// Bounds of a curvature that the device prints, 1/mm: radii of 100 mm and 2 mm. Flatter or hollow places are missing.
const FLATTEST_PER_MM: f64 = 0.01;
const STEEPEST_PER_MM: f64 = 0.5;

/// Whether the device prints this radius, mm.
pub(super) fn is_printed_radius(radius_mm: f64) -> bool {
    (1.0 / STEEPEST_PER_MM..=1.0 / FLATTEST_PER_MM).contains(&radius_mm)
}

/// Cosine and sine of the 256 meridians.
pub(super) static DIRECTIONS: LazyLock<[(f64, f64); MERIDIANS]> = LazyLock::new(|| {
    let mut directions = [(0.0, 0.0); MERIDIANS];
    for (k, direction) in directions.iter_mut().enumerate() {
        let (sin, cos) = sin_cos_deg(360.0 / MERIDIANS as f64 * k as f64);
        *direction = (cos, sin);
    }
    directions
});

/// A cornea with the lens behind it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cornea {
    /// Front of the epithelium.
    pub anterior: Surface,
    /// Thickness of the epithelium along the axis, mm.
    pub epithelium: Surface,
    /// Back of the cornea, from the same origin as `anterior`.
    pub posterior: Surface,
    /// Depth of the anterior chamber on the axis, from the back of the cornea to the lens, mm.
    pub chamber_mm: f64,
    /// Radius of the front of the lens, mm.
    pub lens_radius_mm: f64,
}

/// The maps of one exam, in the order of [`KINDS`]; NaN where the device has no value.
pub(super) type Maps = Vec<Vec<f64>>;

impl Cornea {
    /// The maps without noise and without gaps other than the device's own outer circles.
    pub(super) fn maps(&self) -> Maps {
        let mut maps = vec![vec![f64::NAN; CELLS]; MAPS];
        let frame = Frame::of(self);
        for ring in 0..RINGS {
            for (k, &(cos, sin)) in DIRECTIONS.iter().enumerate() {
                // The device prints the apex 256 times.
                if ring == 0 && k > 0 {
                    for map in &mut maps {
                        map[k] = map[0];
                    }
                    continue;
                }
                let values = self.cell(&frame, ring as f64 * RING_STEP_MM, cos, sin);
                for ((map, kind), value) in maps.iter_mut().zip(&KINDS).zip(values) {
                    if ring < kind.rings {
                        map[ring * MERIDIANS + k] = value;
                    }
                }
            }
            if KINDS.iter().all(|kind| ring + 1 >= kind.rings) {
                break;
            }
        }
        maps
    }

    /// The sixteen values at any place, in the order of [`KINDS`]: what an instrument with another grid would measure.
    pub(super) fn probe(&self) -> impl Fn(f64, f64) -> [f64; MAPS] {
        let frame = Frame::of(self);
        move |x, y| {
            let h = (x * x + y * y).sqrt();
            let (cos, sin) = if h == 0.0 { (1.0, 0.0) } else { (x / h, y / h) };
            self.cell(&frame, h, cos, sin)
        }
    }

    /// The sixteen values at distance `h` in the direction (`cos`, `sin`).
    fn cell(&self, frame: &Frame, h: f64, cos: f64, sin: f64) -> [f64; MAPS] {
        let (x, y) = (h * cos, h * sin);
        let anterior = self.anterior.at(x, y);
        let epithelium = self.epithelium.at(x, y);
        let posterior = self.posterior.at(x, y);

        let front = Section::of(anterior, frame.anterior, h, cos, sin);
        let back = Section::of(posterior, frame.posterior, h, cos, sin);
        let plane = frame.anterior.z + frame.anterior.zx * x + frame.anterior.zy * y;
        let front_height = anterior.z - plane;
        let back_height = posterior.z - plane;
        let thickness = (posterior.z - anterior.z) * 1000.0;
        let front_power = snell(h, front.sagittal, 1.0, CORNEA);
        let back_power = snell(h, back.sagittal, CORNEA, AQUEOUS);
        let chamber = self.chamber_mm + frame.thickness_mm - back_height + h * h / (2.0 * self.lens_radius_mm);
        [
            1.0 / front.sagittal,
            1.0 / front.tangential,
            1.0 / front.gaussian,
            1.0 / back.sagittal,
            1.0 / back.tangential,
            1.0 / back.gaussian,
            front_power,
            back_power,
            front_power + back_power - thickness * 1e-6 / CORNEA * front_power * back_power,
            front_height,
            back_height,
            front_height + epithelium.z,
            thickness,
            thickness - epithelium.z * 1000.0,
            epithelium.z * 1000.0,
            chamber,
        ]
    }

    /// Thickness in µm at a point.
    #[cfg(test)]
    pub(super) fn thickness_um(&self, x: f64, y: f64) -> f64 {
        (self.posterior.at(x, y).z - self.anterior.at(x, y).z) * 1000.0
    }
}

/// What the maps are referred to: both surfaces at the axis.
#[derive(Debug)]
struct Frame {
    anterior: Jet,
    posterior: Jet,
    thickness_mm: f64,
}

impl Frame {
    fn of(cornea: &Cornea) -> Self {
        let (anterior, posterior) = (cornea.anterior.at(0.0, 0.0), cornea.posterior.at(0.0, 0.0));
        Self { anterior, posterior, thickness_mm: posterior.z - anterior.z }
    }
}

/// Curvatures of a surface in one cell, 1/mm.
#[derive(Debug, Clone, Copy)]
struct Section {
    sagittal: f64,
    tangential: f64,
    gaussian: f64,
}

impl Section {
    fn of(jet: Jet, apex: Jet, h: f64, cos: f64, sin: f64) -> Self {
        let (zx, zy) = (jet.zx - apex.zx, jet.zy - apex.zy);
        let along = zx * cos + zy * sin;
        let second = jet.zxx * cos * cos + 2.0 * jet.zxy * sin * cos + jet.zyy * sin * sin;
        let steep = 1.0 + zx * zx + zy * zy;
        let gaussian = ((jet.zxx * jet.zyy - jet.zxy * jet.zxy) / (steep * steep)).max(0.0).sqrt();
        let (sagittal, tangential) = if h == 0.0 {
            // The limit depends on the meridian; the apex has one value, the mean of all.
            let mean = 0.5 * (jet.zxx + jet.zyy);
            (mean, mean)
        } else {
            let slope = (1.0 + along * along).sqrt();
            (along / (h * slope), second / (slope * slope * slope))
        };
        let bound = |curvature: f64| {
            if (FLATTEST_PER_MM..=STEEPEST_PER_MM).contains(&curvature) { curvature } else { f64::NAN }
        };
        Self { sagittal: bound(sagittal), tangential: bound(tangential), gaussian: bound(gaussian) }
    }
}

/// Power in dioptres of a surface whose normal at distance `h` meets the axis at the sagittal radius, for a ray parallel to the
/// axis, from index `before` into index `after`; the distance to the focus is counted from the foot of the ray.
fn snell(h: f64, sagittal_per_mm: f64, before: f64, after: f64) -> f64 {
    let paraxial = 1000.0 * (after - before) * sagittal_per_mm;
    let sin_in = h * sagittal_per_mm;
    let sin_out = sin_in * before / after;
    if !(1e-9..0.99).contains(&sin_in) || sin_out >= 0.99 {
        return paraxial;
    }
    let (cos_in, cos_out) = ((1.0 - sin_in * sin_in).sqrt(), (1.0 - sin_out * sin_out).sqrt());
    // tan of the deviation, from sine and cosine of a difference.
    let tan = (sin_in * cos_out - cos_in * sin_out) / (cos_in * cos_out + sin_in * sin_out);
    1000.0 * after * tan / h
}

/// Simulated keratometry as the preamble has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keratometry {
    /// Radius of the flatter principal meridian, mm, and its direction, degrees in (0, 180].
    pub flat_radius_mm: f64,
    pub flat_axis_deg: f64,
    /// The same for the steeper one.
    pub steep_radius_mm: f64,
    pub steep_axis_deg: f64,
}

impl Keratometry {
    /// First harmonic of the axial power on the circles of 1.4 and 1.6 mm, the 3 mm zone of keratometers (math.md §4).
    /// `None` where a cell is missing.
    pub(super) fn of(sagittal: &[f64]) -> Option<Self> {
        let (mut mean, mut cosine, mut sine) = (0.0, 0.0, 0.0);
        let cells = sagittal.get(7 * MERIDIANS..9 * MERIDIANS)?;
        for (i, radius) in cells.iter().enumerate() {
            let (cos, sin) = DIRECTIONS[i % MERIDIANS];
            let power = KERATOMETRIC / radius;
            mean += power;
            cosine += power * (cos * cos - sin * sin);
            sine += power * 2.0 * sin * cos;
        }
        let n = cells.len() as f64;
        let (mean, cosine, sine) = (mean / n, 2.0 * cosine / n, 2.0 * sine / n);
        if !mean.is_finite() {
            return None;
        }
        let half = (cosine * cosine + sine * sine).sqrt();
        let steep = 0.5 * super::elementary::atan2_deg(sine, cosine);
        let turned = |axis: f64| if axis <= 0.0 { axis + 180.0 } else { axis };
        Some(Self {
            flat_radius_mm: KERATOMETRIC / (mean - half),
            flat_axis_deg: turned(steep - 90.0),
            steep_radius_mm: KERATOMETRIC / (mean + half),
            steep_axis_deg: turned(steep),
        })
    }

    /// Mean power, D.
    pub(super) fn mean_d(&self) -> f64 {
        0.5 * (KERATOMETRIC / self.flat_radius_mm + KERATOMETRIC / self.steep_radius_mm)
    }

    /// Astigmatism, D, positive.
    pub(super) fn cylinder_d(&self) -> f64 {
        KERATOMETRIC / self.steep_radius_mm - KERATOMETRIC / self.flat_radius_mm
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::surface::Term;
    use super::*;

    fn conic(radius_mm: f64, asphericity: f64) -> Surface {
        let per_mm = 1.0 / radius_mm;
        Surface {
            terms: vec![Term::Biconic { flat_per_mm: per_mm, steep_per_mm: per_mm, asphericity, axis_deg: 0.0 }],
            ..Surface::default()
        }
    }

    fn shell(mut surface: Surface, mm: f64) -> Surface {
        surface.polynomial.add(0, 0, mm);
        surface
    }

    fn model() -> Cornea {
        Cornea {
            anterior: conic(7.8, -0.25),
            epithelium: shell(Surface::default(), 0.053),
            posterior: shell(conic(6.5, -0.3), 0.54),
            chamber_mm: 3.0,
            lens_radius_mm: 10.8,
        }
    }

    /// R_axial = √(R²−Q r²), R_tangential = R_axial³/R² for a conic: values of refdata/indices.json, by another library.
    #[test]
    fn curvatures_of_a_conic() {
        for (radius, q, ring, axial, tangential) in [
            (8.4, 0.3, 20, 8.109_253_973_085_318, 7.557_604_042_943_461),
            (7.8, 0.0, 15, 7.8, 7.8),
            (7.8, -0.25, 25, (60.84_f64 + 6.25).sqrt(), (60.84_f64 + 6.25).powf(1.5) / 60.84),
        ] {
            let maps = Cornea { anterior: conic(radius, q), ..model() }.maps();
            for k in [0, 37, 128, 255] {
                let cell = ring * MERIDIANS + k;
                assert!((maps[0][cell] - axial).abs() < 1e-9, "{} {axial}", maps[0][cell]);
                assert!((maps[1][cell] - tangential).abs() < 1e-9, "{} {tangential}", maps[1][cell]);
                if ring < 22 {
                    assert!((maps[2][cell] - (axial * tangential).sqrt()).abs() < 1e-9);
                }
            }
        }
    }

    /// 7.7/6.8 mm and 0.5 mm give 43.053 D, the classical value (math.md §3).
    #[test]
    fn powers_on_the_axis_are_gullstrand_s() {
        let cornea = Cornea { anterior: conic(7.7, -0.2), posterior: shell(conic(6.8, -0.2), 0.5), ..model() };
        let maps = cornea.maps();
        assert!((maps[6][0] - 376.0 / 7.7).abs() < 1e-9);
        assert!((maps[7][0] + 40.0 / 6.8).abs() < 1e-9);
        assert!((maps[8][0] - 43.053).abs() < 5e-4, "{}", maps[8][0]);
        // Off the axis a sphere refracts more strongly, and a Cartesian oval would not.
        assert!(maps[6][20 * MERIDIANS] > maps[6][0]);
    }

    #[test]
    fn heights_and_layers_add_up() {
        let maps = Cornea { anterior: conic(7.8, 0.0), ..model() }.maps();
        // Sphere of 7.8 mm: 1.813 mm at 5 mm (formats.md §1.1).
        assert!((maps[ELEVATION_ANTERIOR][25 * MERIDIANS] - 1.813).abs() < 5e-4);
        for (cell, total) in maps[12][..25 * MERIDIANS].iter().enumerate() {
            let by_surfaces = (maps[10][cell] - maps[9][cell]) * 1000.0;
            assert!((by_surfaces - total).abs() < 1e-9);
            assert!((total - maps[13][cell] - maps[14][cell]).abs() < 1e-9);
            assert!((maps[11][cell] - maps[9][cell] - 0.053).abs() < 1e-12);
        }
        assert_eq!(maps[10][0], 0.54);
        assert!(maps.iter().zip(&KINDS).all(|(map, kind)| {
            map[..kind.rings * MERIDIANS].iter().all(|v| v.is_finite())
                && map[kind.rings * MERIDIANS..].iter().all(|v| v.is_nan())
        }));
    }

    #[test]
    fn keratometry_of_a_toric_cornea() {
        let toric = Surface {
            terms: vec![Term::Biconic {
                flat_per_mm: 43.0 / KERATOMETRIC,
                steep_per_mm: 45.0 / KERATOMETRIC,
                asphericity: 0.0,
                axis_deg: 170.0,
            }],
            ..Surface::default()
        };
        let maps = Cornea { anterior: toric, ..model() }.maps();
        let k = Keratometry::of(&maps[SAGITTAL_ANTERIOR]).unwrap();
        assert!((k.cylinder_d() - 2.0).abs() < 0.05 && (k.mean_d() - 44.0).abs() < 0.05, "{k:?}");
        assert!((k.flat_axis_deg - 170.0).abs() < 1e-6 && (k.steep_axis_deg - 80.0).abs() < 1e-6, "{k:?}");
    }
}
