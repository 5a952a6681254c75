//! Zernike terms, fits and transforms against golden values.
use crate::support::*;
use placido_udfs::optics::{
    zernike,
    zernike_fit::{FitStatus, Weighting, Workspace, ZernikeFitter},
    zernike_transform::{self as transform, RefractionMethod, RmsFamily},
};

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).filter(|l| !l.is_empty()).map(|l| l.split(',').collect())
}

#[test]
fn indices_and_norms() {
    let mut seen = 0;
    for row in rows(&golden("zernike_index_table.csv")) {
        let j: usize = row[0].parse().unwrap();
        let (n, m): (usize, i32) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        assert_eq!(zernike::order(j), (n, m));
        assert_eq!(zernike::index(n, m), Some(j));
        assert_eq!(zernike::noll(j).to_string(), row[3], "Noll of {j}");
        assert_eq!(zernike::fringe(j).to_string(), row[4], "Fringe of {j}");
        close(zernike::norm(n, m).powi(2), row[6].parse().unwrap(), 1e-12, "norm");
        seen += 1;
    }
    assert_eq!(seen, 28);
    assert_eq!(zernike::index(2, 1), None);
    assert_eq!(zernike::index(1, 3), None);
}

#[test]
fn values() {
    for row in rows(&golden("zernike_values.csv")) {
        let at: Vec<f64> = row[3..].iter().map(|v| v.parse().unwrap()).collect();
        let got = zernike::value(row[0].parse().unwrap(), at[0], at[1].to_radians());
        close(got, at[2], 1e-13, &row.join(","));
    }
}

#[test]
fn high_orders_stay_bounded_and_exact_at_the_rim() {
    for n in 0..=20 {
        for m in (n % 2..=n).step_by(2) {
            close(zernike::radial(n, m, 1.0), 1.0, 1e-12, "R(1)");
            assert!(zernike::radial(n, m, 0.0).is_finite());
            for i in 0..=100 {
                assert!(zernike::radial(n, m, f64::from(i) / 100.0).abs() <= 1.0 + 1e-12, "R({n},{m})");
            }
        }
    }
}

#[test]
fn fits_agree_with_lstsq() {
    let golden = json("zernike_fits.json");
    let truth = numbers(&golden["truth_S5"]);
    let lid = eyelid();
    let mut work = Workspace::default();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 61);
    for case in cases {
        let surface = case["surface"].as_str().unwrap();
        let radius = number(&case["R_fit_mm"]);
        let weighting = if case["weighting"] == "area" { Weighting::Area } else { Weighting::Uniform };
        let what = format!("{surface} R={radius} {weighting:?} {}", case["mask"]);
        let mut map = match surface.get(..2) {
            Some("S5") => zernike_map(&truth, radius),
            _ => map_of(GRID, |r, t| sag(surface, r, t)),
        };
        if surface.contains("noise") {
            let noise = (0..31).flat_map(|i| (0..256).map(move |k| 0.002 * (hash01(i, k) - 0.5)));
            map.iter_mut().zip(noise).for_each(|(z, n)| *z += n);
        }
        let full = case["mask"] == "none";
        if !full {
            map = masked(&map, &lid);
        }
        let fitter = ZernikeFitter::new(GRID, radius, 6, weighting).unwrap();
        let detail = fitter.detail(&map, &mut work);
        let expected = numbers(&case["coeffs"]);
        let tolerance = if full { 1e-12 } else { 1e-9 };
        all_close(&detail.coefficients.unwrap(), &expected, tolerance, &what);
        close(detail.residual_rms.unwrap(), number(&case["residual_rms"]), 1e-11, &what);
        let condition = number(&case["cond_G"]);
        close(detail.condition / condition, 1.0, 0.1, &format!("{what} condition"));
        let mut fast = vec![0.0; 28];
        assert_eq!(fitter.fit(&map, &mut fast, &mut work), FitStatus::Ok, "{what}");
        all_close(&fast, &expected, tolerance, &what);
    }
}

#[test]
fn the_gate_follows_the_lid() {
    let golden = json("zernike_transforms.json");
    let mut work = Workspace::default();
    let mut seen = [0; 3];
    for case in golden["condition_vs_lid_cut"].as_array().unwrap() {
        let radius = number(&case["R_fit_mm"]);
        let cut = number(&case["cut_above_y_over_R"]) * radius;
        // The lid hides what lies above it.
        let map = map_of(GRID, |r, t| if r * t.sin() > cut + 1e-9 { f64::NAN } else { 0.1 * r * r });
        let fitter = ZernikeFitter::new(GRID, radius, 6, Weighting::Uniform).unwrap();
        let detail = fitter.detail(&map, &mut work);
        let expected = number(&case["cond_G"]);
        if expected < 1e9 {
            close(detail.condition / expected, 1.0, 0.1, &format!("{case}"));
        }
        let (status, slot) = match expected {
            c if c <= 1e4 => (FitStatus::Ok, 0),
            c if c <= 1e7 => (FitStatus::IllConditioned, 1),
            _ => (FitStatus::NotFittable, 2),
        };
        seen[slot] += 1;
        assert_eq!(detail.status, status, "{case}");
        assert_eq!(detail.coefficients.is_none(), status == FitStatus::NotFittable);
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
}

#[test]
fn nothing_comes_out_of_nothing() {
    let fitter = ZernikeFitter::new(GRID, 3.0, 6, Weighting::Area).unwrap();
    let mut out = vec![0.0; 28];
    let mut work = Workspace::default();
    for empty in [vec![f64::NAN; 7936], vec![f64::INFINITY; 7936], vec![1e300; 7936], vec![], vec![0.0; 100]] {
        let status = fitter.fit(&empty, &mut out, &mut work);
        let sane = status == FitStatus::NotFittable || out.iter().all(|c| c.is_finite());
        assert!(sane, "{status:?}");
    }
    assert!(ZernikeFitter::new(GRID, 6.5, 6, Weighting::Area).is_err());
    assert!(ZernikeFitter::new(GRID, 0.6, 6, Weighting::Area).is_err());
    assert!(ZernikeFitter::new(GRID, 3.0, 21, Weighting::Area).is_err());
}

#[test]
fn transforms() {
    let golden = json("zernike_transforms.json");
    for case in golden["rescale"]["cases"].as_array().unwrap() {
        let input = numbers(&golden["rescale"]["input_coeffs_um"]);
        let got = transform::rescale(&input, number(&case["eps"])).unwrap();
        all_close(&got, &numbers(&case["coeffs"]), 1e-12, "rescale");
    }
    let input = numbers(&golden["rescale"]["input_coeffs_um"]);
    assert_eq!(transform::rescale(&input, 1.2), None);
    assert_eq!(transform::rescale(&input[..27], 0.5), None);
    for case in golden["rotate"]["cases"].as_array().unwrap() {
        let got = transform::rotate(&input, number(&case["deg"]).to_radians());
        all_close(&got, &numbers(&case["coeffs"]), 1e-12, "rotate");
    }
    for case in golden["scale_translate"]["cases"].as_array().unwrap() {
        let [eps, dx, dy] = ["eps", "dx", "dy"].map(|k| number(&case[k]));
        let got = transform::translate(&input, eps, dx, dy).unwrap();
        all_close(&got, &numbers(&case["coeffs"]), 1e-12, "translate");
    }
    all_close(&transform::mirror(&input), &numbers(&golden["mirror_x"]["coeffs"]), 1e-15, "mirror");
}

#[test]
fn rms_families_and_axes() {
    let golden = json("zernike_transforms.json");
    let input = numbers(&golden["rescale"]["input_coeffs_um"]);
    for (key, name) in [
        ("total_RMS_j1..27", "total"),
        ("LOA_j3..5", "loa"),
        ("HOA_j6..27", "hoa"),
        ("coma_7_8", "coma"),
        ("coma_like_7_8_17_18", "coma_primary_secondary"),
        ("coma_like_odd_orders_3_5", "odd_orders"),
        ("trefoil_6_9", "trefoil"),
        ("spherical_12", "spherical"),
        ("spherical_12_24", "spherical_primary_secondary"),
        ("spherical_like_even_orders_4_6", "even_orders"),
        ("quadrafoil_10_14", "quadrafoil"),
        ("sec_astig_11_13", "secondary_astigmatism"),
        ("order3", "order3"),
        ("order4", "order4"),
        ("order5", "order5"),
        ("order6", "order6"),
    ] {
        close(RmsFamily::parse(name).unwrap().rms(&input), number(&golden["rms"][key]), 1e-12, key);
    }
    assert_eq!(RmsFamily::parse("nonsense"), None);
    for (name, pair) in golden["magnitude_axis"].as_object().unwrap() {
        let digits: Vec<usize> = name.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize).collect();
        let (magnitude, axis) = transform::magnitude_axis(&input, digits[0], digits[1] as i32).unwrap();
        all_close(&[magnitude, axis], &numbers(pair), 1e-11, name);
    }
}

#[test]
fn refraction() {
    let golden = json("zernike_transforms.json");
    let input = numbers(&golden["refraction"]["coeffs_um"]);
    for case in golden["refraction"]["cases"].as_array().unwrap() {
        let method = if case["method"] == "seidel" { RefractionMethod::Paraxial } else { RefractionMethod::SecondOrder };
        let got = transform::refraction(&input, number(&case["pupil_radius_mm"]), method).unwrap();
        let expected = ["M", "J0", "J45"].map(|k| number(&case[k]));
        all_close(&[got.m, got.j0, got.j45], &expected, 1e-12, "refraction");
    }
}

/// A complete map on few rings is as ill conditioned as the Gram matrix says, and refused beyond the limit.
#[test]
fn the_gate_holds_for_complete_maps_too() {
    let mut work = Workspace::default();
    let detail = |rings: usize, order: usize, work: &mut Workspace| {
        let radius = GRID.radius_mm(rings - 1);
        let map = zernike_map(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0], radius);
        ZernikeFitter::new(GRID, radius, order, Weighting::Area).map(|f| f.detail(&map, work))
    };
    let coarse = detail(12, 20, &mut work).unwrap();
    assert!(coarse.condition > 1e4 && coarse.status == FitStatus::IllConditioned, "{coarse:?}");
    let fine = detail(31, 20, &mut work).unwrap();
    assert!(fine.condition < 1e4 && fine.status == FitStatus::Ok, "{fine:?}");
}
