//! Keratometry, astigmatism, acuity and units against golden values and real exports.
use std::f64::consts::LOG10_2;

use crate::support::*;
use placido_udfs::optics::{
    acuity::{self, Kind, Notation},
    astigmatism::{self, Astigmatism, CylinderForm, PowerVector, SpheroCylinder},
    keratometry::{self, SimKMethod},
    topography::{self, Extreme},
    units,
};

#[test]
fn sim_k_of_axial_maps() {
    let golden = json("indices.json");
    for (name, case) in golden["topography_indices"]["results"].as_object().unwrap() {
        let radius: Vec<f64> = axial_map_d(&case["params"]).iter().map(|k| 337.5 / k).collect();
        let of = |method| keratometry::sim_k(GRID, &radius, 3.0, method).unwrap().unwrap();
        let (harmonic, expected) = (of(SimKMethod::Harmonic), &case["simk_harmonic"]);
        let keys = ["K_flat", "K_steep", "steep_axis"];
        let got = [harmonic.flat_d, harmonic.steep_d, harmonic.steep_axis_deg];
        all_close(&got, &keys.map(|k| number(&expected[k])), 1e-9, name);
        let vector = harmonic.power_vector();
        let expected = ["Kmean", "J0", "J45"].map(|k| number(&expected[k]));
        all_close(&[vector.m, vector.j0, vector.j45], &expected, 1e-9, name);
        let (meridian, expected) = (of(SimKMethod::Meridian), &case["simk_meridian"]);
        let keys = ["K_perp", "K_steep", "axis"];
        let got = [meridian.flat_d, meridian.steep_d, meridian.steep_axis_deg];
        all_close(&got, &keys.map(|k| number(&expected[k])), 1e-9, name);
    }
}

#[test]
fn landmarks_and_asymmetries() {
    let golden = json("indices.json");
    for (name, case) in golden["topography_indices"]["results"].as_object().unwrap() {
        let map = axial_map_d(&case["params"]);
        let top = topography::extreme(GRID, &map, 8.0, Extreme::Maximum).unwrap().unwrap();
        close(top.value, number(&case["Kmax_r_le_4"]), 1e-9, name);
        all_close(&[top.x_mm, top.y_mm], &numbers(&case["Kmax_xy"]), 1e-9, name);
        close(topography::inferior_superior(GRID, &map).unwrap(), number(&case["I_S"]), 1e-9, name);
        close(topography::srax_deg(GRID, &map).unwrap(), number(&case["SRAX"]), 1e-9, name);
        let radii: Vec<f64> = map.iter().map(|k| 337.5 / k).collect();
        let steepest = topography::extreme(GRID, &radii, 8.0, Extreme::Minimum).unwrap().unwrap();
        close(steepest.value, number(&case["Rmin_mm"]), 1e-9, name);
    }
    let nothing = [f64::NAN; 7936];
    assert!(topography::extreme(GRID, &nothing, 8.0, Extreme::Minimum).unwrap().is_none());
    assert!(topography::inferior_superior(GRID, &nothing).is_none() && topography::srax_deg(GRID, &nothing).is_none());
}

#[test]
fn sim_k_needs_half_a_ring() {
    let part = |keep: usize| (0..256).map(|k| if k < keep { 43.0 } else { f64::NAN }).collect::<Vec<_>>();
    assert!(keratometry::sim_k_of_semi_meridians(&part(127), SimKMethod::Harmonic).is_none());
    let half = keratometry::sim_k_of_semi_meridians(&part(128), SimKMethod::Harmonic).unwrap();
    all_close(&[half.flat_d, half.steep_d], &[43.0, 43.0], 1e-9, "half a ring of 43 D");
    assert!(keratometry::sim_k_of_semi_meridians(&[], SimKMethod::Ring).is_none());
}

#[test]
fn keratometry_of_a_sampled_ellipsoid() {
    // Axial radius of a conic: √(R² − Q r²) (Baker 1943); scattered radii, as a Placido device has them, and its sign.
    let (radius, q) = (7.8, -0.25);
    let rho: Vec<f64> =
        (0..24).flat_map(|i| (0..256).map(move |k| 0.2 * (f64::from(i) + 1.0) + 0.02 * hash01(i as u64, k))).collect();
    let z: Vec<f64> = rho.iter().map(|r| -conic(*r, radius, q)).collect();
    let expected = (radius * radius - q * 2.25f64).sqrt();
    for got in keratometry::axial_radius_from_elevation(&rho, &z, 256, 1.5) {
        close(got, expected, 1e-3, "axial radius");
    }
}

#[test]
fn powers_of_surfaces() {
    let golden = json("astigmatism.json");
    for case in golden["keratometry"].as_array().unwrap() {
        let radius = number(&case["r_mm"]);
        for (key, index) in [("K_1_3375", 1.3375), ("K_1_332", 1.332), ("K_1_3315", 1.3315), ("K_1_376_anterior_true", 1.376)] {
            let got = keratometry::surface_power_d(radius, 1.0, index).unwrap();
            close(got, number(&case[key]), 1e-10, key);
        }
    }
    for case in golden["gullstrand_total_power"].as_array().unwrap() {
        let [ra, rp, t] = ["ra", "rp", "t_um"].map(|k| number(&case[k]));
        let got = keratometry::ThickCornea::new(ra, rp, t / 1000.0).unwrap();
        let powers = [got.anterior_d, got.posterior_d, got.total_d, got.back_vertex_d, got.focal_length_mm / 1000.0];
        let keys = ["Fa", "Fp", "F_gullstrand", "back_vertex", "EFL_from_anterior_n2"];
        all_close(&powers, &keys.map(|k| number(&case[k])), 1e-10, "Gullstrand");
    }
    assert_eq!(keratometry::surface_power_d(0.0, 1.0, 1.3375), None);
    assert_eq!(keratometry::surface_power_d(-7.0, 1.0, 1.3375), None);
}

fn same_axis(got: f64, expected: f64, what: &str) {
    let difference = (got - expected + 90.0).rem_euclid(180.0) - 90.0;
    close(difference, 0.0, 1e-9, what);
}

#[test]
fn power_vectors() {
    let golden = json("astigmatism.json");
    for case in golden["power_vectors"].as_array().unwrap() {
        let [sphere, cylinder, axis] = ["S", "C", "axis"].map(|k| number(&case[k]));
        let refraction = SpheroCylinder { sphere, cylinder, axis };
        let vector = PowerVector::of(refraction);
        let expected = ["M", "J0", "J45"].map(|k| number(&case[k]));
        all_close(&[vector.m, vector.j0, vector.j45], &expected, 1e-12, &format!("{case}"));
        close(vector.blur_strength(), number(&case["blur_strength_B"]), 1e-12, "B");
        for (form, key) in [(CylinderForm::Minus, "minus_cyl"), (CylinderForm::Plus, "plus_cyl")] {
            let (got, expected) = (vector.sphero_cylinder(form), numbers(&case[key]));
            all_close(&[got.sphere, got.cylinder], &expected[..2], 1e-12, key);
            if got.cylinder.abs() > 1e-9 {
                same_axis(got.axis, expected[2], key);
            }
            assert!(got.axis > 0.0 && got.axis <= 180.0);
        }
        let (got, expected) = (refraction.transposed(), numbers(&case["transposed"]));
        all_close(&[got.sphere, got.cylinder], &expected[..2], 1e-12, "transposed");
        same_axis(got.axis, expected[2], "transposed");
    }
    for case in golden["vertex"]["cases"].as_array().unwrap() {
        let [sphere, cylinder, axis, distance] = ["S", "C", "axis", "d_mm"].map(|k| number(&case[k]));
        let got = SpheroCylinder { sphere, cylinder, axis }.vertexed(distance).unwrap();
        let expected = ["corneal_S", "corneal_C", "corneal_axis"].map(|k| number(&case[k]));
        all_close(&[got.sphere, got.cylinder, got.axis], &expected, 1e-12, "vertex");
        let back = got.vertexed(-distance).unwrap();
        all_close(&[back.sphere, back.cylinder], &[sphere, cylinder], 1e-12, "there and back");
    }
}

#[test]
fn alpins_and_naeser() {
    let golden = json("astigmatism.json");
    for case in golden["alpins"]["cases"].as_array().unwrap() {
        let pair = |key: &str| {
            let v = numbers(&case[key]);
            Astigmatism { magnitude: v[0], axis: v[1] }
        };
        let got = astigmatism::alpins(pair("pre"), pair("target"), pair("post"));
        let Some(got) = got else {
            close(pair("TIA").magnitude, 0.0, 1e-12, "only a missing target has no analysis");
            continue;
        };
        for (got, key) in [(got.tia, "TIA"), (got.sia, "SIA"), (got.dv, "DV")] {
            close(got.magnitude, pair(key).magnitude, 1e-12, key);
            if got.magnitude > 1e-9 {
                same_axis(got.axis, pair(key).axis, key);
            }
        }
        close(got.magnitude_error, number(&case["ME"]), 1e-12, "ME");
        close(got.correction_index, number(&case["CI"]), 1e-12, "CI");
        close(got.index_of_success, number(&case["IOS"]), 1e-12, "IOS");
        close(100.0 * (1.0 - got.index_of_success), number(&case["success_pct"]), 1e-10, "success");
        close(got.flattening_effect, number(&case["FE"]), 1e-12, "FE");
        close(got.flattening_index, number(&case["FI"]), 1e-12, "FI");
        close(got.torque, number(&case["torque"]), 1e-12, "torque");
        match case["coefficient_of_adjustment"].as_f64() {
            Some(expected) => close(got.coefficient_of_adjustment.unwrap(), expected, 1e-12, "adjustment"),
            None => assert_eq!(got.coefficient_of_adjustment, None),
        }
        if let (true, Some(expected)) = (got.sia.magnitude > 1e-9, case["AE"].as_f64()) {
            close(got.angle_error, expected, 1e-9, "AE");
        }
    }
    for case in golden["naeser"].as_array().unwrap() {
        let [m, alpha, phi] = ["M", "alpha", "phi"].map(|k| number(&case[k]));
        let (along, across) = astigmatism::naeser(m, alpha, phi);
        close(along, number(&case["KP_phi"]), 1e-12, "KP");
        close(across, number(&case["KP_phi_plus45"]), 1e-12, "KP+45");
    }
}

#[test]
fn conversions() {
    let golden = json("units.json");
    let convert = |v, from, to| units::convert(v, from, to, 1.3375).unwrap().unwrap();
    for (mmhg, kpa) in golden["mmHg_to_kPa"].as_object().unwrap() {
        close(convert(mmhg.parse().unwrap(), "mm[Hg]", "kPa"), number(kpa), 1e-12, "kPa");
    }
    for case in golden["D_to_mm_337.5"].as_array().unwrap() {
        close(convert(number(&case["D"]), "[diop]", "mm"), number(&case["mm"]), 1e-12, "mm");
        close(convert(number(&case["mm"]), "mm", "[diop]"), number(&case["D"]), 1e-12, "D");
    }
    for case in golden["prism"].as_array().unwrap() {
        let got = convert(number(&case["prism_dioptre"]), "[p'diop]", "deg");
        close(got, number(&case["degrees"]), 1e-12, "prism");
    }
    close(convert(0.3, "[logMAR]", "[letters]"), 70.0, 1e-12, "letters");
    close(convert(0.5, "[decimal]", "[logMAR]"), 2f64.log10(), 1e-12, "logMAR");
    assert_eq!(units::convert(0.0, "mm", "[diop]", 1.3375), Ok(None));
    assert_eq!(units::convert(0.0, "[decimal]", "[logMAR]", 1.3375), Ok(None));
    assert!(units::convert(1.0, "mm", "mm[Hg]", 1.3375).is_err());
    assert!(units::convert(1.0, "furlong", "mm", 1.3375).is_err());
}

fn read(text: &str) -> acuity::Acuity {
    acuity::parse(text, &acuity::SCHEMES[0], None)
}

#[test]
fn snellen_and_monoyer() {
    for line in golden("acuity_snellen.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        for text in &cells[..2] {
            let got = read(text);
            close(got.logmar.unwrap(), cells[3].parse().unwrap(), 1e-12, text);
            assert_eq!(got.kind, Kind::Snellen, "{text}");
        }
    }
    for row in json("units.json")["monoyer_decimal_logmar"].as_array().unwrap() {
        let got = read(row[0].as_str().unwrap());
        close(got.logmar.unwrap(), number(&row[2]), 1e-12, &row.to_string());
    }
}

/// Entries of the kinds that the field uses, with the value that its conventions give; `None` is a refusal.
#[test]
fn entries_as_people_write_them() {
    let cases: &[(&str, Option<f64>, Kind)] = &[
        ("5/10 P3", Some(LOG10_2), Kind::Monoyer),
        ("10/10 P2", Some(0.0), Kind::Monoyer),
        ("10/10P2", Some(0.0), Kind::Monoyer),
        ("10/10P", None, Kind::Unreadable),
        ("SC 10/10", Some(0.0), Kind::Monoyer),
        ("10/10 AC", Some(0.0), Kind::Monoyer),
        ("10 / 10 faible", Some(0.0), Kind::Monoyer),
        ("1/20", Some(1.301_029_995_663_981_2), Kind::Monoyer),
        ("20/40+2", Some(LOG10_2 - 0.04), Kind::Snellen),
        ("20 / 30 + 1", Some(0.176_091_259_055_681_2 - 0.02), Kind::Snellen),
        ("6/18-2", Some(0.477_121_254_719_662_5 + 0.04), Kind::Snellen),
        ("20/30-1+6", Some(0.176_091_259_055_681_2 - 0.1), Kind::Snellen),
        ("6/7,5", Some(0.096_910_013_008_056_4), Kind::Snellen),
        ("3/60", Some(1.301_029_995_663_981_2), Kind::Snellen),
        ("75", Some(0.2), Kind::Letters),
        ("79 letters", Some(0.12), Kind::Letters),
        ("81ltrs", Some(0.08), Kind::Letters),
        ("20/20 ETDRS (83 letters)", Some(0.04), Kind::Letters),
        ("logMAR 0,3", Some(0.3), Kind::LogMar),
        ("0.3 logMAR", Some(0.3), Kind::LogMar),
        ("-0.10", Some(-0.1), Kind::LogMar),
        ("0,8 décimal", Some(0.096_910_013_008_056_4), Kind::Decimal),
        ("CF", Some(1.9), Kind::CountingFingers),
        ("CF at 1.5ft", Some(1.9), Kind::CountingFingers),
        ("CF@3", Some(1.9), Kind::CountingFingers),
        ("CLD à 1 m", Some(1.9), Kind::CountingFingers),
        ("Compte les doigts", Some(1.9), Kind::CountingFingers),
        ("HM", Some(2.3), Kind::HandMotion),
        ("VBLM", Some(2.3), Kind::HandMotion),
        ("mouvement de la main", Some(2.3), Kind::HandMotion),
        ("LP", Some(2.7), Kind::LightPerception),
        ("PL", Some(2.7), Kind::LightPerception),
        ("PL+", Some(2.7), Kind::LightPerception),
        ("PL +", Some(2.7), Kind::LightPerception),
        ("PL bien orientée", Some(2.7), Kind::LightPerception),
        ("PL-", Some(3.0), Kind::NoLightPerception),
        ("npl", Some(3.0), Kind::NoLightPerception),
        ("No light perception", Some(3.0), Kind::NoLightPerception),
        ("P2", None, Kind::Near),
        ("J1+", None, Kind::Near),
        ("J4 +2", None, Kind::Near),
        ("", None, Kind::NotMeasured),
        (".", None, Kind::NotMeasured),
        ("n/a", None, Kind::NotMeasured),
        ("non fait", None, Kind::NotMeasured),
        ("EYE NOT PRESENT", None, Kind::NotMeasured),
        ("1", None, Kind::Ambiguous),
        ("0.5", None, Kind::Ambiguous),
        ("1,2", None, Kind::Ambiguous),
        ("CF at 8 feet to 20/400", None, Kind::Ambiguous),
        ("20/30 soft", None, Kind::Unreadable),
        ("barely 20/30", None, Kind::Unreadable),
        ("1) 20/30 and 20/40", None, Kind::Unreadable),
        ("JM", None, Kind::Unreadable),
        ("4/11/2017", None, Kind::Unreadable),
        ("05-oct", None, Kind::Unreadable),
        ("20/0", None, Kind::Unreadable),
        ("0/20", None, Kind::Unreadable),
        ("20/5", None, Kind::Unreadable),
        ("300", None, Kind::Unreadable),
    ];
    for (text, expected, kind) in cases {
        let got = read(text);
        assert_eq!(got.kind, *kind, "{text}: {got:?}");
        match expected {
            Some(expected) => close(got.logmar.unwrap(), *expected, 1e-12, text),
            None => {
                assert_eq!(got.logmar, None, "{text}");
                assert!(got.reason.is_some(), "{text}");
            }
        }
    }
    assert_eq!(read("5/10 P3").parinaud, Some(3.0));
    assert_eq!(read("10/10 parinaud 1,5").parinaud, Some(1.5));
    assert!(read("10/10f").reason.is_some());
    assert_eq!(read(&"9".repeat(500)).kind, Kind::Unreadable);
}

#[test]
fn hints_and_schemes_decide_what_the_text_leaves_open() {
    let with = |text: &str, hint| acuity::parse(text, &acuity::SCHEMES[0], Some(hint));
    close(with("0.5", Notation::Decimal).logmar.unwrap(), 2f64.log10(), 1e-12, "decimal");
    close(with("0.5", Notation::LogMar).logmar.unwrap(), 0.5, 1e-12, "logMAR");
    close(with("3", Notation::Letters).logmar.unwrap(), 1.64, 1e-12, "letters");
    assert!(with("6/9", Notation::LogMar).reason.is_some());
    let golden = json("units.json");
    for (name, key) in [
        ("schulze_bonsel", "schulze_bonsel_2006"),
        ("lange", "lange_2009"),
        ("holladay", "holladay_1997_2004"),
        ("herrero", "herrero_2024_BRVT_median_general"),
        ("bach", "convention_CF1.9_HM2.3_LP2.7_NLP3.0"),
    ] {
        let scheme = acuity::scheme(name).unwrap();
        for word in ["CF", "HM", "LP", "NLP"] {
            let expected = golden["off_chart_logMAR"][key].get(word).and_then(|v| v.as_f64());
            let got = acuity::parse(word, scheme, None).logmar;
            match expected {
                Some(expected) => close(got.unwrap(), expected, 1e-12, name),
                None => assert_eq!(got, None, "{name} {word}"),
            }
        }
    }
}

#[test]
fn sim_k_of_real_exports() {
    for name in ["N01", "S01", "K01"] {
        let Some(text) = real(&format!("cso-eyetop/{name}.txt")) else { return };
        let (rho, z, [flat, steep]) = eyetop(&text);
        let half = 0.5 * (steep.0 - flat.0);
        let (sin, cos) = (2.0 * steep.1).to_radians().sin_cos();
        let device = [0.5 * (steep.0 + flat.0), -half * cos, -half * sin];
        for method in [SimKMethod::Harmonic, SimKMethod::Meridian, SimKMethod::Ring] {
            let ours = keratometry::sim_k_from_elevation(&rho, &z, 256, 3.0, method).unwrap();
            let vector = ours.power_vector();
            let difference = [vector.m - device[0], vector.j0 - device[1], vector.j45 - device[2]];
            println!(
                "{name} {method:?}: {:.2} @ {:.0} / {:.2} @ {:.0}, difference M {:+.3} J0 {:+.3} J45 {:+.3}",
                ours.flat_d, ours.flat_axis_deg, ours.steep_d, ours.steep_axis_deg, difference[0], difference[1], difference[2]
            );
            if name != "K01" && method == SimKMethod::Harmonic {
                assert!(difference.iter().all(|d| d.abs() <= 0.2), "{name}: {difference:?}");
            }
        }
    }
}
