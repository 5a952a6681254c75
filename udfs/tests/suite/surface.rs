//! Shapes, curvature and wavefronts of corneal surfaces against golden values and against each other.
use crate::support::*;
use placido_udfs::optics::{
    conic::{baker_conic, meridian_conics},
    curvature::{self, Curvature},
    derivatives::{DerivativeWork, Derivatives, Differentiator, WINDOW_MM, WindowError},
    grid::PolarGrid,
    resample::MissingRule,
    shape::{self, SphereMode},
    toric::{Asphericity, Position, toric_fit},
    wavefront::{self, Cornea, CornealSurface, TotalWork},
    zernike_fit::{FitStatus, Weighting, Workspace, ZernikeFitter},
};
use proptest::prelude::*;
use serde_json::Value;

fn weighting(case: &Value) -> Weighting {
    if case["weighting"] == "area" { Weighting::Area } else { Weighting::Uniform }
}

#[test]
fn algebraic_spheres() {
    for case in json("shape_fits.json")["best_fit_sphere"]["cases"].as_array().unwrap() {
        let surface = case["surface"].as_str().unwrap();
        let map = map_of(GRID, |r, t| sag(surface, r, t));
        for (mode, key) in [(SphereMode::Algebraic, "algebraic"), (SphereMode::AlgebraicCentred, "algebraic_centered")] {
            let got = shape::best_fit_sphere(GRID, &map, 8.0, mode, weighting(case)).unwrap().unwrap();
            let expected = ["R", "x0", "y0", "zc"].map(|k| number(&case[key][k]));
            let values = [got.radius_mm, got.x_mm, got.y_mm, got.z_mm + got.radius_mm];
            all_close(&values, &expected, 1e-9, &format!("{surface} {key}"));
        }
    }
}

#[test]
fn an_apex_sphere_through_a_displaced_vertex() {
    // The golden sphere touches z = 0: the same as ours where the vertex is put there.
    for case in json("shape_fits.json")["best_fit_sphere"]["cases"].as_array().unwrap() {
        let surface = case["surface"].as_str().unwrap();
        let map = map_of(GRID, |r, t| if r == 0.0 { 0.0 } else { sag(surface, r, t) });
        let got = shape::best_fit_sphere(GRID, &map, 8.0, SphereMode::ApexTouch, weighting(case)).unwrap().unwrap();
        close(got.radius_mm, number(&case["vertical_apex_touch"]["R"]), 1e-7, surface);
    }
}

#[test]
fn conics_by_bakers_equation() {
    let golden = json("shape_fits.json");
    for case in golden["conic_fit"].as_array().unwrap() {
        let surface = case["surface"].as_str().unwrap();
        // The golden conic has its vertex at z = 0; the copies of the vertex add nothing to the equation.
        let map = map_of(GRID, |r, t| if r == 0.0 { 0.0 } else { sag(surface, r, t) });
        let got = baker_conic(GRID, &map, 8.0, Weighting::Uniform).unwrap().unwrap();
        all_close(&[got.radius_mm, got.q], &["baker_R", "baker_Q"].map(|k| number(&case[k])), 1e-9, surface);
    }
    let map = map_of(GRID, |r, t| sag("S3", r, t) + 0.53);
    let [radii, q] = meridian_conics(GRID, &map, 8.0).unwrap().unwrap();
    assert_eq!((radii.len(), q.len()), (256, 256));
    for row in golden["meridian_baker_fit_S3"]["values"].as_array().unwrap() {
        let row = numbers(row);
        let k = (row[0] / 360.0 * 256.0).round() as usize;
        all_close(&[radii[k], q[k]], &row[1..], 1e-9, &format!("meridian at {}°", row[0]));
    }
}

#[test]
fn toric_aspheres() {
    for case in json("shape_fits.json")["best_fit_toric_asphere"].as_array().unwrap() {
        let surface = case["surface"].as_str().unwrap();
        let map = map_of(GRID, |r, t| sag(surface, r, t) + 0.53);
        let fit = toric_fit(GRID, &map, 8.0, Asphericity::Common, Position::Float, weighting(case)).unwrap().unwrap();
        let got = [fit.flat_mm, fit.steep_mm, fit.flat_q, fit.steep_q, fit.x_mm, fit.y_mm, fit.z_mm - 0.53, fit.rms_mm];
        let expected = ["R_flat", "R_steep", "Q", "Q", "x0", "y0", "z0", "rms_mm"].map(|k| number(&case[k]));
        all_close(&got, &expected, 1e-7, surface);
        close(fit.flat_axis_deg, number(&case["axis_flat_deg"]), 1e-4, surface);
    }
}

#[test]
fn a_biconic_gives_its_parameters_back() {
    for (flat, steep, flat_q, steep_q, axis, x, y) in [
        (7.9, 7.5, -0.2, -0.3, 10.0, 0.0, 0.0),
        (8.3, 7.4, 0.2, -0.6, 135.0, 0.2, -0.15),
        (6.4, 5.9, -0.9, -0.1, 90.0, -0.1, 0.3),
        (7.81, 7.79, -0.1, -0.2, 60.0, 0.0, 0.05),
    ] {
        let (sin, cos) = f64::to_radians(axis).sin_cos();
        let map = map_of(GRID, |r, t| {
            let (dx, dy) = (r * t.cos() - x, r * t.sin() - y);
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let root = 1.0 - (1.0 + flat_q) * (u / flat).powi(2) - (1.0 + steep_q) * (v / steep).powi(2);
            (u * u / flat + v * v / steep) / (1.0 + root.sqrt()) - 0.01
        });
        for area in [Weighting::Area, Weighting::Uniform] {
            let fit = toric_fit(GRID, &map, 8.0, Asphericity::Separate, Position::Float, area).unwrap().unwrap();
            let got = [fit.flat_mm, fit.steep_mm, fit.flat_q, fit.steep_q, fit.x_mm, fit.y_mm, fit.z_mm, fit.rms_mm];
            all_close(&got, &[flat, steep, flat_q, steep_q, x, y, -0.01, 0.0], 1e-7, &format!("{flat} {steep}"));
            close(fit.flat_axis_deg, axis, 1e-4, "axis");
        }
    }
}

#[test]
fn a_toric_fit_of_what_is_not_toric() {
    let fit = |map: &[f64], position| toric_fit(GRID, map, 8.0, Asphericity::Separate, position, Weighting::Area).unwrap();
    let sphere = fit(&map_of(GRID, |r, t| sag("S1", r, t)), Position::Centred).unwrap();
    all_close(&[sphere.flat_mm, sphere.steep_mm, sphere.flat_q, sphere.steep_q], &[7.8, 7.8, 0.0, 0.0], 1e-6, "a sphere");
    // More freedom never fits worse.
    let cone = map_of(GRID, |r, t| sag("S4", r, t));
    let common = toric_fit(GRID, &cone, 8.0, Asphericity::Common, Position::Float, Weighting::Area).unwrap().unwrap();
    let free = fit(&cone, Position::Float).unwrap();
    let conic = shape::conic_fit(GRID, &cone, 8.0, Weighting::Area).unwrap().unwrap();
    assert!(free.rms_mm <= common.rms_mm && common.rms_mm <= conic.rms_mm, "{free:?} {common:?} {conic:?}");
    for nothing in [vec![f64::NAN; 7936], vec![0.0; 7936], map_of(GRID, |r, _| -conic_of(r)), vec![1e300; 7936]] {
        assert_eq!(fit(&nothing, Position::Float), None);
    }
    assert!(toric_fit(GRID, &cone, 14.0, Asphericity::Common, Position::Float, Weighting::Area).is_err());
}

fn conic_of(r: f64) -> f64 {
    conic(r, 7.8, -0.25)
}

/// Derivatives of a surface of revolution from its profile's.
fn revolution(r: f64, slope: f64, second: f64) -> Derivatives {
    Derivatives { u: slope, v: 0.0, uu: second, uv: 0.0, vv: if r > 0.0 { slope / r } else { second } }
}

#[test]
fn curvature_of_conics_in_closed_form() {
    for row in json("indices.json")["conic_curvature"]["rows"].as_array().unwrap() {
        let [radius, q, r] = ["R", "Q", "r"].map(|k| number(&row[k]));
        let expected = ["R_axial", "R_tangential", "R_gaussian"].map(|k| number(&row[k]));
        let root = (radius * radius - (1.0 + q) * r * r).sqrt();
        let d = revolution(r, r / root, radius * radius / root.powi(3));
        let of = |d: &Derivatives, r| {
            [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian].map(|k| curvature::radius_mm(k, r, d))
        };
        all_close(&of(&d, r), &expected, 1e-12, "from exact derivatives");
        close(337.5 / curvature::radius_mm(Curvature::Mean, r, &d), number(&row["mean_curvature_D"]), 1e-11, "mean");
        let map = map_of(GRID, |r, _| conic(r, radius, q));
        let ring = (r / 0.2).round() as usize;
        if (ring as f64 * 0.2 - r).abs() > 1e-9 {
            continue;
        }
        for (kind, expected) in [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian].into_iter().zip(expected) {
            let got = radii(&map, kind, MissingRule::Strict);
            for (k, got) in got[ring * 256..].iter().take(256).enumerate() {
                close(*got, expected, 1e-9, &format!("{kind:?} R {radius} Q {q} r {r} meridian {k}"));
            }
        }
    }
}

fn radii(map: &[f64], kind: Curvature, missing: MissingRule) -> Vec<f64> {
    let prepared = Differentiator::new(GRID, WINDOW_MM, missing).unwrap();
    curvature::radius_map(&prepared, map, kind, &mut DerivativeWork::default()).unwrap()
}

/// S6, a decentred conic with cubic terms: neither rotational nor symmetric.
fn surface(name: &str, r: f64, t: f64) -> f64 {
    if name != "S6" {
        return sag(name, r, t);
    }
    let (x, y) = (r * t.cos(), r * t.sin());
    conic((x - 0.3).hypot(y + 0.2), 6.5, -0.3) + 1e-3 * x.powi(3) - 2e-3 * x * y * y
}

#[test]
fn curvature_of_irregular_surfaces() {
    let golden = json("surface_curvature.json");
    let prepared = Differentiator::new(GRID, WINDOW_MM, MissingRule::Strict).unwrap();
    let mut work = DerivativeWork::default();
    let indices = numbers(&golden["indices"]);
    for name in ["S3", "S4", "S6"] {
        let map = map_of(GRID, |r, t| surface(name, r, t) + 0.53);
        let kinds = [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian, Curvature::Mean];
        let mut powers = kinds.map(|kind| power(&curvature::radius_map(&prepared, &map, kind, &mut work).unwrap())).to_vec();
        powers.push(curvature::refractive_power_map(&prepared, &map, indices[0], indices[1], &mut work).unwrap());
        let rows: Vec<&Value> = golden["rows"].as_array().unwrap().iter().filter(|row| row[0] == name).collect();
        assert_eq!(rows.len(), 72);
        for row in rows {
            let [ring, k] = [1, 2].map(|i| usize::try_from(row[i].as_u64().unwrap()).unwrap());
            // A cone of 1.5 mm is smoothed a little; at the rim the window stands still.
            let tolerance = if ring < 30 { 0.09 } else { 0.6 };
            for (i, power) in powers.iter().enumerate() {
                let expected = number(&row[i + 3]);
                let expected = if i < 4 { 337.5 / expected } else { expected };
                close(power[ring * 256 + k], expected, tolerance, &format!("{name} ring {ring} meridian {k} value {i}"));
            }
        }
    }
}

fn power(radii: &[f64]) -> Vec<f64> {
    radii.iter().map(|r| 337.5 / r).collect()
}

#[test]
fn quadrics_have_exact_curvature() {
    // A tilted and displaced sphere: all curvatures of a sphere, though axial and tangential are none of the axis.
    let map = map_of(GRID, |r, t| {
        let (x, y) = (r * t.cos() - 0.4, r * t.sin() + 0.3);
        -(7.8f64 * 7.8 - x * x - y * y).sqrt()
    });
    for kind in [Curvature::Tangential, Curvature::Gaussian, Curvature::Mean] {
        let got = radii(&map, kind, MissingRule::Strict);
        if kind != Curvature::Tangential {
            let worst = got.iter().map(|r| (r - 7.8).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-7, "{kind:?} {worst}");
        }
    }
    // The meridional section of a sphere is a circle through its centre only where the plane passes there: 36.87° below.
    let through = radii(
        &map_of(GRID, |r, t| {
            let (x, y) = (r * t.cos() - 0.4, r * t.sin());
            -(7.8f64 * 7.8 - x * x - y * y).sqrt()
        }),
        Curvature::Tangential,
        MissingRule::Strict,
    );
    for ring in 0..31 {
        close(through[ring * 256], 7.8, 1e-7, "along the displacement");
        let section = (7.8f64 * 7.8 - 0.16).sqrt();
        close(through[ring * 256 + 64], section, 1e-7, "across it");
    }
}

#[test]
fn curvature_turns_and_mirrors_with_the_map() {
    let map = map_of(GRID, |r, t| surface("S4", r, t) + 1e-4 * hash01((r * 1e3) as u64, (t * 1e3) as u64));
    let turned: Vec<f64> = map.chunks(256).flat_map(|ring| (0..256).map(|k| ring[(k + 37) % 256])).collect();
    for kind in [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian, Curvature::Mean] {
        let [plain, turned, mirrored] =
            [&map, &turned, &GRID.mirror(&map).unwrap()].map(|m| power(&radii(m, kind, MissingRule::Strict)));
        let back: Vec<f64> = plain.chunks(256).flat_map(|ring| (0..256).map(|k| ring[(k + 37) % 256])).collect();
        for (a, b) in [(turned, back), (mirrored, GRID.mirror(&plain).unwrap())] {
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() < 1e-7 || (a.is_nan() && b.is_nan()), "{kind:?} {a} {b}");
            }
        }
    }
}

#[test]
fn missing_cells_and_their_neighbours() {
    let full = map_of(GRID, |r, t| surface("S4", r, t));
    let lid = eyelid();
    let map = masked(&full, &lid);
    let [whole, strict, lenient] = [(&full, MissingRule::Strict), (&map, MissingRule::Strict), (&map, MissingRule::Lenient)]
        .map(|(m, rule)| power(&radii(m, Curvature::Mean, rule)));
    let count = |p: &[f64]| p.iter().filter(|v| v.is_finite()).count();
    let measured = lid.iter().filter(|m| **m).count();
    assert!(count(&strict) < count(&lenient) && count(&lenient) <= measured, "{} {} {measured}", count(&strict), count(&lenient));
    assert!(count(&lenient) > measured * 9 / 10 && count(&strict) > 500, "{} {}", count(&strict), count(&lenient));
    for cell in 0..7936 {
        // The copies of the vertex are one point.
        assert!(lid[cell] || cell < 256 || (strict[cell].is_nan() && lenient[cell].is_nan()), "an answer from nothing at {cell}");
        // Other cells change the quadric that is taken off, so the values agree, but not to rounding.
        assert!(strict[cell].is_nan() || (strict[cell] - whole[cell]).abs() < 0.02, "{cell}: {} {}", strict[cell], whole[cell]);
        assert!(lenient[cell].is_nan() || cell >= 25 * 256 || (lenient[cell] - whole[cell]).abs() < 1.0, "{cell}");
    }
    // A lonely measured cell knows no slope.
    let island = map_of(GRID, |r, t| if (1.9..2.1).contains(&r) && t < 0.1 { conic_of(r) } else { f64::NAN });
    let gone = map_of(GRID, |_, _| f64::NAN);
    for rule in [MissingRule::Strict, MissingRule::Lenient] {
        for map in [&island, &gone] {
            assert_eq!(count(&radii(map, Curvature::Axial, rule)), 0);
        }
    }
    // One missing copy of the vertex is not a missing vertex.
    let mut copy = full.clone();
    copy[7] = f64::NAN;
    assert_eq!(count(&radii(&copy, Curvature::Tangential, MissingRule::Strict)), 7936);
    copy[..256].fill(f64::NAN);
    let centre = radii(&copy, Curvature::Tangential, MissingRule::Lenient);
    assert!(centre[..256].iter().all(|r| r.is_nan()));
    assert!(centre[300].is_finite() && radii(&copy, Curvature::Tangential, MissingRule::Strict)[300].is_nan());
}

#[test]
fn noise_is_smoothed_by_a_wider_window() {
    let noisy = |(i, z): (usize, &f64)| z + 1e-3 * (hash01(7, i as u64) - 0.5);
    let exact = map_of(GRID, |r, _| conic_of(r));
    let map: Vec<f64> = exact.iter().enumerate().map(noisy).collect();
    let mut last = f64::INFINITY;
    for window in [0.6, 0.9, 1.4] {
        let prepared = Differentiator::new(GRID, window, MissingRule::Strict).unwrap();
        let mut work = DerivativeWork::default();
        let mut of = |m: &[f64]| power(&curvature::radius_map(&prepared, m, Curvature::Mean, &mut work).unwrap());
        let (a, b) = (of(&map), of(&exact));
        let zone = 256..20 * 256;
        let rms = (zone.clone().map(|i| (a[i] - b[i]).powi(2)).sum::<f64>() / zone.len() as f64).sqrt();
        assert!(rms < 0.6 * last, "{window} mm: {rms} D after {last} D");
        last = rms;
    }
}

#[test]
fn windows_that_fit_no_grid() {
    let new = |rings, meridians, step, window| {
        Differentiator::new(PolarGrid::new(rings, meridians, step).unwrap(), window, MissingRule::Strict).map(|_| ())
    };
    assert_eq!(new(31, 256, 0.2, 0.6), Ok(()));
    assert_eq!(new(17, 64, 0.25, 0.6), Ok(()));
    assert_eq!(new(31, 256, 0.2, 0.1), Ok(()));
    assert_eq!(new(22, 180, 0.2, 3.0), Ok(()));
    for window in [0.0, -1.0, f64::NAN, f64::INFINITY, 3.1] {
        assert!(matches!(new(31, 256, 0.2, window), Err(WindowError::Size(_))), "{window}");
    }
    for (rings, meridians) in [(2, 4), (31, 4), (2, 4096)] {
        assert!(matches!(new(rings, meridians, 0.2, 0.6), Err(WindowError::TooCoarse { .. })), "{rings} {meridians}");
    }
    assert!(matches!(new(4000, 250, 0.001, 3.0), Err(WindowError::TooWide { .. })));
    assert!(matches!(new(250, 4000, 0.001, 3.0), Err(WindowError::TooWide { .. })));
}

#[test]
fn sag_to_axial_radius_and_back() {
    for name in ["S1", "S2", "S3"] {
        let exact = map_of(GRID, |r, t| surface(name, r, t) + 1e-3 * r.powi(3) * (t - 1.0).cos());
        let axial = radii(&exact, Curvature::Axial, MissingRule::Strict);
        let back = curvature::sag_of_axial(GRID, &axial).unwrap();
        for (cell, (a, b)) in back.iter().zip(&exact).enumerate() {
            let tolerance = if cell < 26 * 256 { 2e-5 } else { 2e-4 };
            close(*a, *b, tolerance, &format!("{name} cell {cell}, mm"));
        }
    }
    // The closed form of a conic goes in: its sag comes out.
    let axial = map_of(GRID, |r, _| (7.8f64 * 7.8 + 0.25 * r * r).sqrt());
    let sag = curvature::sag_of_axial(GRID, &axial).unwrap();
    let error = sag.iter().zip(map_of(GRID, |r, _| conic_of(r))).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error < 1e-5, "{error} mm");
    // A gap ends its semi-meridian, and only that one; a radius shorter than its distance from the axis is none.
    let mut gap = axial.clone();
    gap[10 * 256 + 5] = f64::NAN;
    gap[12 * 256 + 9] = 2.0;
    let broken = curvature::sag_of_axial(GRID, &gap).unwrap();
    for ring in 0..31 {
        assert_eq!(broken[ring * 256 + 5].is_finite(), ring < 10, "ring {ring}");
        assert_eq!(broken[ring * 256 + 9].is_finite(), ring < 12, "ring {ring}");
        close(broken[ring * 256 + 6], sag[ring * 256 + 6], 1e-6, "beside it");
    }
    assert_eq!(curvature::sag_of_axial(GRID, &[7.8; 9]), None);
}

#[test]
fn axial_to_tangential() {
    for (radius, q) in [(7.8, -0.25), (7.5, -0.6), (8.4, 0.3), (7.8, 0.0)] {
        let axial = map_of(GRID, |r, _| f64::sqrt(radius * radius - q * r * r));
        let tangential = curvature::tangential_of_axial(GRID, &axial, MissingRule::Strict).unwrap();
        for (i, (t, a)) in tangential.iter().zip(&axial).enumerate() {
            let tolerance = if i < 28 * 256 { 2e-4 } else { 5e-3 };
            close(337.5 / t, 337.5 * radius * radius / a.powi(3), tolerance, &format!("R {radius} Q {q} cell {i}"));
        }
    }
    // The identity K_t = d(r K_a)/dr holds on any surface whose axis stands on it: two ways to one map.
    let map = map_of(GRID, |r, t| surface("S3", r, t) + 1e-3 * r.powi(3) * (t - 1.0).cos());
    let axial = radii(&map, Curvature::Axial, MissingRule::Strict);
    let direct = power(&radii(&map, Curvature::Tangential, MissingRule::Strict));
    let derived = power(&curvature::tangential_of_axial(GRID, &axial, MissingRule::Strict).unwrap());
    for cell in 0..26 * 256 {
        close(derived[cell], direct[cell], 0.02, &format!("cell {cell}"));
    }
    let mut holed = axial.clone();
    holed[10 * 256] = f64::NAN;
    let finite = |rule| {
        let map = curvature::tangential_of_axial(GRID, &holed, rule).unwrap();
        (0..31).filter(|ring| map[ring * 256].is_finite()).count()
    };
    assert_eq!((finite(MissingRule::Strict), finite(MissingRule::Lenient)), (24, 30));
    assert_eq!(curvature::tangential_of_axial(GRID, &[7.8; 9], MissingRule::Strict), None);
}

fn fitted(map: &[f64], radius_mm: f64, max_order: usize) -> Vec<f64> {
    let fitter = ZernikeFitter::new(GRID, radius_mm, max_order, Weighting::Uniform).unwrap();
    let mut coefficients = vec![0.0; fitter.terms()];
    assert_eq!(fitter.fit(map, &mut coefficients, &mut Workspace::default()), FitStatus::Ok);
    coefficients
}

#[test]
fn wavefront_of_the_anterior_surface() {
    let golden = json("shape_fits.json");
    let cases = golden["corneal_wavefront"]["cases"].as_array().unwrap();
    assert!(cases.len() >= 6);
    for case in cases {
        let [radius, q, disc] = ["R", "Q", "pupil_radius_mm"].map(|k| number(&case[k]));
        let map = map_of(GRID, |r, _| conic(r, radius, q) + 0.53);
        let expected = ["Z20", "Z40", "Z60"].map(|k| number(&case["exact"][k]));
        for apical in [Some(radius), None] {
            let error = wavefront::surface_map(GRID, &map, disc, CornealSurface::Anterior, apical).unwrap().unwrap();
            let c = fitted(&error, disc, 6);
            all_close(&[c[4], c[12], c[24]], &expected, 1e-9, &format!("R {radius} Q {q} disc {disc} {apical:?}"));
            let largest = error.iter().filter(|w| w.is_finite()).fold(0.0f64, |a, w| a.max(w.abs()));
            close(largest, number(&case["exact"]["max_abs_W_um"]), 1e-9, "largest error");
            // Beyond the disc there is nothing.
            let rings = GRID.rings_within(disc);
            assert!(error[rings * 256..].iter().all(|w| w.is_nan()));
        }
    }
}

#[test]
fn stigmatic_surfaces_have_no_error() {
    // A parallel beam is focused by the ellipsoid of e² = 1/n² (Descartes); before the posterior surface by a hyperboloid.
    for (surface, radius) in [(CornealSurface::Anterior, 7.8), (CornealSurface::Posterior, 6.4)] {
        let (from, to) = surface.indices();
        let map = map_of(GRID, |r, _| conic(r, radius, -(from / to) * (from / to)));
        let error = wavefront::surface_map(GRID, &map, 4.0, surface, None).unwrap().unwrap();
        let largest = error.iter().filter(|w| w.is_finite()).fold(0.0f64, |a, w| a.max(w.abs()));
        assert!(largest < 1e-7, "{surface:?}: {largest} µm");
    }
    // Third order: Z40 = (n′ − n)(Q + n²/n′²) r⁴ / (8 R³ 6√5), whatever the sign of n′ − n.
    for (surface, radius, q) in [(CornealSurface::Posterior, 6.4, -0.3), (CornealSurface::Anterior, 7.8, -0.25)] {
        let (from, to) = surface.indices();
        let map = map_of(GRID, |r, _| conic(r, radius, q));
        let error = wavefront::surface_map(GRID, &map, 2.0, surface, None).unwrap().unwrap();
        let third = 1e3 * (to - from) * (q + (from / to) * (from / to)) * 16.0 / (8.0 * radius.powi(3)) / (6.0 * 5f64.sqrt());
        let got = fitted(&error, 2.0, 6)[12];
        assert!((got / third - 1.0).abs() < 0.1, "{surface:?}: {got} µm, third order {third} µm");
    }
}

fn total(front: &[f64], back: &[f64], thickness_mm: f64, disc: f64) -> Option<Vec<f64>> {
    let prepared = Differentiator::new(GRID, WINDOW_MM, MissingRule::Lenient).unwrap();
    let cornea = Cornea { anterior: front, posterior: back, thickness_mm };
    wavefront::total_map(&prepared, &cornea, disc, &mut TotalWork::default()).unwrap()
}

#[test]
fn wavefront_of_both_surfaces() {
    for case in json("corneal_wavefront_total.json")["cases"].as_array().unwrap() {
        let (name, spec) = (case["name"].as_str().unwrap(), numbers(&case["spec"]));
        let irregular = name.starts_with("S3");
        let front = map_of(GRID, |r, t| if irregular { sag("S3", r, t) } else { conic(r, spec[0], spec[1]) });
        let back = map_of(GRID, |r, t| {
            let (x, y) = (r * t.cos(), r * t.sin());
            if irregular { conic((x - spec[2]).hypot(y - spec[3]), spec[0], spec[1]) } else { conic(r, spec[2], spec[3]) }
        });
        let disc = number(&case["radius_mm"]);
        let error = total(&front, &back, number(&case["thickness_mm"]), disc).unwrap();
        // The focus of irregular surfaces comes from a fit, which the golden values repeat to 1e-7.
        let tolerance = if irregular { 2e-5 } else { 1e-9 };
        for point in case["points"].as_array().unwrap() {
            let at = numbers(point);
            close(error[at[0] as usize * 256 + at[1] as usize], at[2], tolerance, &format!("{name} at {at:?}"));
        }
        if let Some(expected) = case["z20_z40_z60_um"].as_array() {
            let c = fitted(&error, disc, 6);
            let expected: Vec<f64> = expected.iter().map(number).collect();
            all_close(&[c[4], c[12], c[24]], &expected, 1e-9, name);
        }
    }
}

#[test]
fn a_posterior_surface_without_effect_leaves_the_anterior_one() {
    // Behind a concentric thin shell the total differs little from the front alone; the posterior takes spherical aberration away.
    let front = map_of(GRID, |r, _| conic(r, 7.8, -0.25));
    let back = map_of(GRID, |r, _| conic(r, 6.5, -0.3));
    let anterior = fitted(&wavefront::surface_map(GRID, &front, 3.0, CornealSurface::Anterior, None).unwrap().unwrap(), 3.0, 6);
    let both = fitted(&total(&front, &back, 0.55, 3.0).unwrap(), 3.0, 6);
    assert!((anterior[12] - both[12]).abs() < 0.02 && both[12] > 0.1, "{} {}", anterior[12], both[12]);
}

#[test]
fn wavefronts_that_are_none() {
    let front = map_of(GRID, |r, _| conic_of(r));
    let half = map_of(GRID, |r, t| if t.sin() > -0.1 { f64::NAN } else { conic_of(r) });
    let surface = |map: &[f64]| wavefront::surface_map(GRID, map, 3.0, CornealSurface::Anterior, None).unwrap();
    assert_eq!(surface(&half), None);
    assert_eq!(surface(&[f64::NAN; 7936]), None);
    assert_eq!(surface(&[0.0; 7936]), None);
    assert!(wavefront::surface_map(GRID, &front, 7.0, CornealSurface::Anterior, None).is_err());
    for thickness in [0.0, -0.5, 5.0, f64::NAN] {
        assert_eq!(total(&front, &front, thickness, 3.0), None, "{thickness}");
    }
    assert_eq!(total(&front, &half, 0.55, 3.0), None);
    // A lid over a part of the disc leaves a fit, and no value where nothing was measured.
    let lid = map_of(GRID, |r, t| if r * t.sin() > 2.0 { f64::NAN } else { conic_of(r) });
    let error = total(&lid, &front, 0.55, 3.0).unwrap();
    assert!(error.iter().zip(&lid).all(|(w, z)| z.is_finite() || w.is_nan()));
    assert!(error[15 * 256 + 192].is_finite());
    // The vertex is the zero of heights: an offset of either map changes nothing.
    let lifted: Vec<f64> = front.iter().map(|z| z - 1.7).collect();
    let plain = total(&front, &front, 0.55, 3.0).unwrap();
    for (a, b) in total(&front, &lifted, 0.55, 3.0).unwrap().iter().zip(&plain).take(4096) {
        close(*a, *b, 1e-8, "offset");
    }
}

/// Numbers that no eye gave: far too large, infinite, missing, or anything.
fn hostile() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(0.0),
        Just(1e300),
        Just(-1e300),
        Just(f64::MIN_POSITIVE),
        -10.0..10.0f64,
        0.0..3.0f64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_map_breaks_anything(values in proptest::collection::vec(hostile(), 1..40), share in 0.0..1.0f64, seed in 0u64..1000) {
        // A cornea of which a share of the cells is replaced.
        let map: Vec<f64> = map_of(GRID, |r, _| conic_of(r))
            .iter()
            .enumerate()
            .map(|(i, z)| if hash01(seed, i as u64) < share { values[i % values.len()] } else { *z })
            .collect();
        let sound = |list: &[f64]| list.iter().all(|v| v.is_finite() || v.is_nan());
        for rule in [MissingRule::Strict, MissingRule::Lenient] {
            for kind in [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian, Curvature::Mean] {
                prop_assert!(sound(&radii(&map, kind, rule)));
            }
            prop_assert!(curvature::tangential_of_axial(GRID, &map, rule).is_some_and(|m| sound(&m)));
        }
        let _ = curvature::sag_of_axial(GRID, &map);
        for asphericity in [Asphericity::Separate, Asphericity::Common] {
            let fit = toric_fit(GRID, &map, 8.0, asphericity, Position::Float, Weighting::Area).unwrap();
            prop_assert!(fit.is_none_or(|f| f.rms_mm.is_finite() && f.flat_mm >= f.steep_mm));
        }
        let _ = (baker_conic(GRID, &map, 8.0, Weighting::Area), meridian_conics(GRID, &map, 8.0));
        let _ = wavefront::surface_map(GRID, &map, 3.0, CornealSurface::Posterior, None).unwrap();
        prop_assert!(total(&map, &map, 0.5, 3.0).is_none_or(|m| sound(&m)));
    }

    #[test]
    fn conics_go_to_radii_and_back(radius in 7.0..9.0f64, q in -0.9..0.2f64, lift in -1.0..1.0f64) {
        let sag = map_of(GRID, |r, _| conic(r, radius, q));
        let lifted: Vec<f64> = sag.iter().map(|z| z + lift).collect();
        let axial = radii(&lifted, Curvature::Axial, MissingRule::Strict);
        let back = curvature::sag_of_axial(GRID, &axial).unwrap();
        for (a, b) in back.iter().zip(&sag).take(26 * 256) {
            prop_assert!((a - b).abs() < 5e-5, "{} {}", a, b);
        }
    }

    #[test]
    fn a_wavefront_turns_with_the_cornea(turn in 1usize..256, seed in 0u64..50) {
        let front = map_of(GRID, |r, t| sag("S3", r, t) + 1e-4 * (r * (t - seed as f64).cos()).powi(3));
        let back = map_of(GRID, |r, t| surface("S6", r, t));
        let turned = |map: &[f64]| -> Vec<f64> { map.chunks(256).flat_map(|ring| (0..256).map(|k| ring[(k + turn) % 256])).collect() };
        let plain = total(&front, &back, 0.55, 3.0).unwrap();
        let other = total(&turned(&front), &turned(&back), 0.55, 3.0).unwrap();
        for (a, b) in turned(&plain).iter().zip(&other).take(16 * 256) {
            prop_assert!((a - b).abs() < 1e-7, "{} {}", a, b);
        }
    }
}

/// A surface that is hollow towards the examiner has negative radii of every kind.
#[test]
fn concave_surfaces_have_negative_radii() {
    let map = map_of(GRID, |r, _| -conic(r, 7.8, 0.0));
    let prepared = Differentiator::new(GRID, WINDOW_MM, MissingRule::Strict).unwrap();
    let mut work = DerivativeWork::default();
    for kind in [Curvature::Axial, Curvature::Tangential, Curvature::Gaussian, Curvature::Mean] {
        let radii = curvature::radius_map(&prepared, &map, kind, &mut work).unwrap();
        close(radii[10 * 256 + 7], -7.8, 1e-3, &format!("{kind:?}"));
    }
}
