//! Indices of topography, pachymetry and biomechanics against values that others' libraries computed.
use crate::support::*;
use placido_udfs::optics::{
    asymmetry::{self, Sectors},
    biomechanics::{self, CbiInputs, Direction},
    grid::{GridError, PolarGrid},
    indices::{self, KpiInputs},
    keratoconus, keratometry,
    pachymetry::{self, CIRCLES, SpatialProfile},
    zone,
};
use serde_json::Value;

/// An axial map in D and mm, its golden values and those that numpy gives.
struct Case {
    name: String,
    power: Vec<f64>,
    radius: Vec<f64>,
    golden: Value,
    numpy: Value,
}

/// The three golden maps.
fn maps() -> Vec<Case> {
    let (golden, numpy) = (json("indices.json"), json("indices_numpy.json"));
    let results = golden["topography_indices"]["results"].as_object().unwrap();
    let maps = results.iter().map(|(name, case)| {
        let power = axial_map_d(&case["params"]);
        let radius = power.iter().map(|k| 337.5 / k).collect();
        Case { name: name.clone(), power, radius, golden: case.clone(), numpy: numpy["maps"][name].clone() }
    });
    maps.collect()
}

fn some<T>(answer: Result<Option<T>, GridError>) -> T {
    answer.unwrap().expect("an answer")
}

#[test]
fn topography_of_the_golden_maps() {
    for Case { name, power, radius, golden, numpy } in maps() {
        let check = |got: f64, key: &str| close(got, number(&golden[key]), 1e-9, &format!("{name}: {key}"));
        check(some(asymmetry::isv_like(GRID, &radius, 8.0)), "ISV_like_sd_radius_um_div");
        check(some(asymmetry::vertical_asymmetry(GRID, &power, 8.0)), "IVA_like_mean_abs_K_diff_mirror_y");
        check(some(asymmetry::cki_like(GRID, &radius)), "CKI_like_ratio_radius_periph_over_central");
        check(some(asymmetry::smallest_radius(GRID, &radius, 8.0)), "Rmin_mm");
        check(some(keratoconus::central_k(GRID, &power)), "central_K_rings_2_3_4mm_diam");
        check(some(keratoconus::kisa(GRID, &power)), "KISA_pct");
        let fixed = some(asymmetry::sectors(GRID, &power, 8.0, Sectors::Fixed));
        check(fixed.opposite, "OSI");
        check(fixed.differential, "DSI");

        let check = |got: f64, key: &str| close(got, number(&numpy[key]), 1e-9, &format!("{name}: {key}"));
        let turning = some(asymmetry::sectors(GRID, &power, 8.0, Sectors::Turning));
        check(turning.opposite, "osi_turning");
        check(turning.differential, "dsi_turning");
        check(some(keratoconus::center_surround(GRID, &power)), "csi");
        check(some(asymmetry::sai_like(GRID, &power, 3.0)), "sai_like");
        check(some(asymmetry::iai_like(GRID, &power, 8.0)), "iai_like");
        check(some(asymmetry::symmetry_index(GRID, &power)), "symmetry_index");
        let cone = some(keratoconus::cone(GRID, &power, 8.0));
        let got = [cone.clmi, cone.m1, cone.m2, cone.x_mm, cone.y_mm];
        let expected = ["clmi", "m1", "m2", "x_mm", "y_mm"].map(|key| number(&numpy["cone"][key]));
        all_close(&got, &expected, 1e-9, &format!("{name}: cone"));

        // The golden value counts the semi-meridian at 180° as superior, because its sine is not quite 0 there. Ours counts the
        // horizontal meridian on neither side.
        let ki = some(asymmetry::ki_like(GRID, &radius, 8.0));
        check(ki, "ki_without_horizontal");
        close(ki, number(&golden["KI_like_ratio_mean_radius_sup_over_inf"]), 1e-4, "KI against the golden rule");
    }
}

#[test]
fn heights() {
    let numpy = json("indices_numpy.json");
    for name in ["S3", "S4"] {
        let map = map_of(GRID, |r, t| sag(name, r, t));
        let expected = &numpy["heights"][name];
        let mirrored = some(asymmetry::vertical_asymmetry(GRID, &map, 8.0));
        close(mirrored, number(&expected["mirror_mean_abs_mm"]), 1e-12, name);
        let harmonic = some(asymmetry::height_decentration(GRID, &map));
        close(harmonic, number(&expected["vertical_first_harmonic_mm"]), 1e-12, name);
        // A sphere around the vertex changes neither.
        let residual: Vec<f64> = map.iter().zip(map_of(GRID, |r, _| conic(r, 7.6, 0.0))).map(|(z, s)| s - z).collect();
        close(some(asymmetry::vertical_asymmetry(GRID, &residual, 8.0)), mirrored, 1e-12, "over a sphere");
        close(some(asymmetry::height_decentration(GRID, &residual)), harmonic, 1e-12, "over a sphere");
    }
    // A tilt is a vertical first harmonic of slope × 3 mm, and a gap of an eighth of the circle does not change that.
    let tilt = map_of(GRID, |r, t| 0.01 * r * t.sin() + 0.02 * r * r * (2.0 * t).cos());
    let gap: Vec<f64> = tilt.iter().enumerate().map(|(i, z)| if i % 256 < 32 { f64::NAN } else { *z }).collect();
    close(some(asymmetry::height_decentration(GRID, &gap)), 0.03, 1e-12, "a tilt with a gap");
}

type Index = (&'static str, fn(PolarGrid, &[f64]) -> Result<Option<f64>, GridError>);

/// Every index of one map as a number.
const INDICES: &[Index] = &[
    ("central_k", keratoconus::central_k),
    ("kisa", keratoconus::kisa),
    ("csi", keratoconus::center_surround),
    ("clmi", |g, m| Ok(keratoconus::cone(g, m, 8.0)?.map(|c| c.clmi))),
    ("osi", |g, m| Ok(asymmetry::sectors(g, m, 8.0, Sectors::Turning)?.map(|s| s.opposite))),
    ("dsi", |g, m| Ok(asymmetry::sectors(g, m, 8.0, Sectors::Turning)?.map(|s| s.differential))),
    ("symmetry_index", asymmetry::symmetry_index),
    ("isv", |g, m| asymmetry::isv_like(g, m, 8.0)),
    ("iva", |g, m| asymmetry::vertical_asymmetry(g, m, 8.0)),
    ("ki", |g, m| asymmetry::ki_like(g, m, 8.0)),
    ("cki", asymmetry::cki_like),
    ("ihd", asymmetry::height_decentration),
    ("sai", |g, m| asymmetry::sai_like(g, m, 3.0)),
    ("iai", |g, m| asymmetry::iai_like(g, m, 8.0)),
    ("rmin", |g, m| asymmetry::smallest_radius(g, m, 8.0)),
    ("volume", |g, m| pachymetry::corneal_volume_mm3(g, m, 8.0)),
];

#[test]
fn the_fellow_eye_has_the_same_indices() {
    for Case { name, power, .. } in maps() {
        let mirrored = GRID.mirror(&power).unwrap();
        for (index, of) in INDICES {
            close(some(of(GRID, &mirrored)), some(of(GRID, &power)), 1e-9, &format!("{name}: {index}"));
        }
        let (cone, other) = (some(keratoconus::cone(GRID, &power, 8.0)), some(keratoconus::cone(GRID, &mirrored, 8.0)));
        all_close(&[other.x_mm, other.y_mm], &[-cone.x_mm, cone.y_mm], 1e-9, "the cone's place");
    }
}

#[test]
fn upside_down_signs_turn() {
    for Case { name, power, radius, .. } in maps() {
        let flip = |map: &[f64]| -> Vec<f64> { (0..map.len()).map(|i| map[i / 256 * 256 + (256 - i % 256) % 256]).collect() };
        let (below, above) =
            (some(asymmetry::symmetry_index(GRID, &power)), some(asymmetry::symmetry_index(GRID, &flip(&power))));
        close(above, -below, 1e-9, &name);
        let (ki, flipped) = (some(asymmetry::ki_like(GRID, &radius, 8.0)), some(asymmetry::ki_like(GRID, &flip(&radius), 8.0)));
        close(flipped * ki, 1.0, 1e-12, &name);
        let iva = |map: &[f64]| some(asymmetry::vertical_asymmetry(GRID, map, 8.0));
        close(iva(&flip(&power)), iva(&power), 1e-12, &name);
    }
}

#[test]
fn no_answer_from_half_a_map() {
    let power = maps().swap_remove(0).power;
    let lid = |line: f64| -> Vec<f64> {
        let mask = map_of(GRID, |r, t| if r * t.sin() > line { f64::NAN } else { 0.0 });
        power.iter().zip(mask).map(|(v, m)| v + m).collect()
    };
    let (half, none) = (lid(-0.05), vec![f64::NAN; GRID.cells()]);
    for (index, of) in INDICES {
        assert_eq!(of(GRID, &half), Ok(None), "{index} of a lower half");
        assert_eq!(of(GRID, &none), Ok(None), "{index} of nothing");
        // One missing cell in eighty is not half a map; the ten points of I−S must all be there, so none of them is taken.
        let gaps: Vec<f64> = power.iter().enumerate().map(|(i, v)| if i % 79 == 5 { f64::NAN } else { *v }).collect();
        let (full, got) = (some(of(GRID, &power)), of(GRID, &gaps).unwrap());
        if *index != "kisa" {
            close(got.unwrap(), full, 0.05 * full.abs().max(0.2), index);
        }
    }
    close(zone::analyzed_area_percent(GRID, &power, 8.0).unwrap(), 100.0, 1e-9, "all");
    assert_eq!(zone::analyzed_area_percent(GRID, &none, 8.0), Ok(0.0));
    // Upper half without the horizontal meridian: 127 of 256 semi-meridians, and the vertex.
    let measured = zone::analyzed_area_percent(GRID, &half, 8.0).unwrap();
    assert!((48.0..50.5).contains(&measured), "{measured}");
}

#[test]
fn hostile_grids_and_maps() {
    for (rings, meridians, step) in
        [(2, 4, 0.2), (2, 4, 5.0), (31, 5, 0.2), (9, 7, 1.0), (4096, 4, 1e-3), (4096, 244, 1e-3), (3, 8, 1e9)]
    {
        let grid = PolarGrid::new(rings, meridians, step).unwrap();
        for map in [vec![], vec![7.8; 3], vec![7.8; grid.cells()], vec![f64::INFINITY; grid.cells()], vec![1e300; grid.cells()]] {
            for (index, of) in INDICES {
                if let Ok(Some(value)) = of(grid, &map) {
                    assert!(map.len() == grid.cells() && !value.is_nan(), "{index} on {grid:?}: {value}");
                }
            }
            let _ = SpatialProfile::of_map(grid, &map, 0.1, -0.3).unwrap().map(|p| (p.ctsp(), p.progression()));
        }
    }
    assert!(keratoconus::cone(GRID, &[43.0; 7936], 1.9).is_err(), "a zone narrower than the spot");
    assert!(keratoconus::cone(GRID, &[43.0; 7936], 12.1).is_err(), "a zone wider than the grid");
    let same = some(keratoconus::cone(GRID, &[43.0; 7936], 8.0));
    all_close(&[same.clmi, same.m1, same.x_mm, same.y_mm], &[0.0; 4], 1e-9, "a sphere has its cone at the vertex");
}

#[test]
fn published_regressions() {
    let golden = json("indices.json");
    for case in golden["CBI"].as_array().unwrap() {
        let n = |key: &str| number(&case[key]);
        let got = biomechanics::cbi(CbiInputs {
            a1_velocity_m_s: n("A1V"),
            arth_um: n("ARTh"),
            sp_a1: n("SP_A1"),
            da_ratio_1mm: n("DAratio1"),
            da_ratio_2mm: n("DAratio2"),
            sd_deflection_mm: n("SD_deflA"),
        });
        close(got, n("CBI"), 1e-9, "CBI");
    }
    for case in golden["PPK"].as_array().unwrap() {
        close(indices::ppk(number(&case["CLMI"])), number(&case["PPK"]), 1e-9, "PPK");
    }
    for case in golden["SP_A1"].as_array().unwrap() {
        let [p, iop, amplitude] = ["adjP1", "bIOP", "deflA_A1_mm"].map(|k| number(&case[k]));
        close(biomechanics::sp_a1(p, iop, amplitude).unwrap(), number(&case["SP_A1"]), 1e-9, "SP-A1");
    }
    for case in golden["KPI"].as_array().unwrap() {
        let [k1_d, k2_d, osi_d, dsi_d, csi_d, sai, iai, aa_percent] =
            ["K1", "K2", "OSI", "DSI", "CSI", "SAI", "IAI", "AA"].map(|k| number(&case[k]));
        let got = indices::kpi(KpiInputs { k1_d, k2_d, osi_d, dsi_d, csi_d, sai, iai, aa_percent });
        close(got, number(&case["KPI"]), 1e-9, "KPI");
    }
    for Case { golden: case, .. } in maps() {
        let [k, is, srax] = ["central_K_rings_2_3_4mm_diam", "I_S", "SRAX"].map(|k| number(&case[k]));
        let cylinder = number(&case["simk_meridian"]["cyl"]);
        close(indices::kisa(k, is, cylinder, srax), number(&case["KISA_pct"]), 1e-9, "KISA");
    }
    assert_eq!(indices::z_score(560.0, 540.0, 10.0), Some(2.0));
    assert_eq!(indices::z_score(560.0, 540.0, 0.0), None);
}

#[test]
fn corvis_curves() {
    let (golden, numpy) = (json("indices.json"), json("indices_numpy.json"));
    let (wave, curves) = (&golden["corvis_wave"], &numpy["curves"]);
    let step = 30.11 / 140.0;
    let curve = |f: &dyn Fn(f64) -> f64| -> Vec<f64> { (0..140).map(|k| f(f64::from(k) * step)).collect() };
    let apex = curve(&|t| 1.05 * (-((t - 16.8) / 5.2).powi(2)).exp());
    let beside = curve(&|t| 0.24 * (-((t - 16.8) / 5.6).powi(2)).exp());
    let top = biomechanics::highest_concavity(&apex).unwrap();
    close(top.amplitude_mm, number(&wave["DA_max"]), 1e-12, "DA");
    close(top.frame as f64 * step, number(&wave["t_max"]), 1e-12, "time");
    close(biomechanics::da_ratio(&apex, &beside).unwrap(), number(&wave["DA_ratio_2mm_at_HC"]), 1e-12, "DA ratio");
    for (direction, key) in [(Direction::Inward, "max_velocity_in_m_s"), (Direction::Outward, "max_velocity_out_m_s")] {
        let got = biomechanics::peak_velocity_m_s(&apex, step, direction).unwrap();
        close(got, number(&wave[key]), 1e-12, key);
    }
    let area = biomechanics::deformation_area_mm_ms(&apex, step).unwrap();
    close(area, number(&wave["area_trapz_mm_ms"]), 1e-9, "area");
    let velocity = biomechanics::velocity_at_m_s(&apex, step, 7.36).unwrap();
    close(velocity, number(&curves["apex_velocity_at_7_36_ms"]), 1e-12, "velocity");

    let inverse = curve(&|t| 0.18 * (-((t - 16.8) / 3.5).powi(2)).exp() - 0.02);
    let whole = biomechanics::integrated_inverse_radius(&inverse, step, None).unwrap();
    close(whole, number(&curves["between_crossings_ms_per_mm"]), 1e-12, "between the crossings");
    // The integral itself, which trapezoids come near.
    close(whole, number(&curves["closed_form_between_roots"]), 2e-4, "closed form");
    let part = biomechanics::integrated_inverse_radius(&inverse, step, Some((12.0, 21.0))).unwrap();
    close(part, number(&curves["between_12_and_21_ms_per_mm"]), 1e-12, "between two times");

    let x = |k: i32| -3.5 + 0.1 * f64::from(k);
    let undeformed: Vec<f64> = (0..71).map(|k| conic(x(k).abs(), 7.8, -0.25)).collect();
    let deformed: Vec<f64> = (0..71).map(|k| undeformed[k as usize] + 0.9 * (-(x(k) / 1.8).powi(2)).exp()).collect();
    let area = biomechanics::deflection_area_mm2(&undeformed, &deformed, 0.1).unwrap();
    close(area, number(&numpy["section"]["area_mm2"]), 1e-9, "deflection area");
    let arc = biomechanics::delta_arc_length_mm(&undeformed, &deformed, 0.1).unwrap();
    close(arc, number(&numpy["section"]["delta_arc_mm"]), 1e-9, "arc");
    // An eye that moves back by a third of a millimetre at every frame takes that from the deflection.
    let eye = vec![1.0 / 3.0; 140];
    let deflection = biomechanics::deflection_amplitude_mm(&apex, &eye).unwrap();
    close(deflection, top.amplitude_mm - 1.0 / 3.0, 1e-12, "deflection");
}

#[test]
fn curves_without_an_answer() {
    let gap = [0.0, 0.5, f64::NAN, 0.4, 0.0];
    let full = [0.0, 0.5, 0.9, 0.4, 0.0];
    assert_eq!(biomechanics::highest_concavity(&gap), None);
    assert_eq!(biomechanics::highest_concavity(&[]), None);
    assert_eq!(biomechanics::da_ratio(&full, &gap), None);
    assert_eq!(biomechanics::da_ratio(&full, &full[..4]), None);
    assert_eq!(biomechanics::da_ratio(&full, &[0.0; 5]), None);
    assert_eq!(biomechanics::peak_velocity_m_s(&gap, 0.2, Direction::Inward), None);
    assert_eq!(biomechanics::peak_velocity_m_s(&full, 0.0, Direction::Inward), None);
    assert_eq!(biomechanics::peak_velocity_m_s(&full[..1], 0.2, Direction::Inward), None);
    assert_eq!(biomechanics::velocity_at_m_s(&full, 0.2, 0.81), None, "after the last frame");
    assert_eq!(biomechanics::velocity_at_m_s(&full, 0.2, -0.1), None, "before the first frame");
    assert!(biomechanics::velocity_at_m_s(&full, 0.2, 0.8).is_some(), "the last frame");
    assert_eq!(biomechanics::deformation_area_mm_ms(&gap, 0.2), None);
    let inverse = |values: &[f64]| biomechanics::integrated_inverse_radius(values, 1.0, None);
    assert_eq!(inverse(&[-0.1, -0.1, -0.1]), None, "never concave");
    assert_eq!(inverse(&[0.1, 0.2, -0.1]), None, "concave from the start");
    assert_eq!(inverse(&[-0.1, 0.2, 0.1]), None, "concave to the end");
    // Triangle from 0.5 to 1.5 ms, height 0.1.
    close(inverse(&[-0.1, 0.1, -0.1]).unwrap(), 0.05, 1e-15, "one concave frame");
    for times in [(1.5, 0.5), (0.5, 0.5), (-1.0, 1.0), (0.0, 2.5), (f64::NAN, 1.0)] {
        assert_eq!(biomechanics::integrated_inverse_radius(&[-0.1, 0.1, -0.1], 1.0, Some(times)), None, "{times:?}");
    }
    assert_eq!(biomechanics::deflection_area_mm2(&full, &gap, 0.1), None);
    assert_eq!(biomechanics::delta_arc_length_mm(&full, &full, 0.0), None);
    assert_eq!(biomechanics::delta_arc_length_mm(&full, &full, 0.1), Some(0.0));
}

/// The thickness of a golden profile at a point, µm.
fn thickness(p: &Value, x: f64, y: f64) -> f64 {
    let [t0, a, b, xt, yt] = ["t0", "a", "b", "xt", "yt"].map(|k| number(&p[k]));
    let d = (x - xt).hypot(y - yt);
    t0 + a * d * d + b * d * d * d
}

#[test]
fn pachymetry_profiles() {
    for case in json("indices.json")["pachymetry_profile"].as_array().unwrap() {
        let [xt, yt, t0, a, b] = ["xt", "yt", "t0", "a", "b"].map(|k| number(&case[k]));
        let (ctsp, pti) = (numbers(&case["CTSP_22"]), numbers(&case["PTI_22_pct"]));
        let exact = |points: &[(f64, f64)]| points.iter().map(|(x, y)| thickness(case, *x, *y)).collect();
        let profile = SpatialProfile::sample(exact, xt, yt).unwrap();
        let plain = |values: [Option<f64>; CIRCLES]| values.map(|v| v.unwrap_or(f64::NAN));
        all_close(&plain(profile.ctsp()), &ctsp, 1e-9, "CTSP");
        all_close(&plain(profile.pti_percent()), &pti, 1e-9, "PTI");
        // The thickness is the same in all directions: one slope, Σ r·PTI / Σ r² with PTI = 100 (a r² + b r³)/t0.
        let slope = profile.progression().unwrap();
        let power = |n: i32| -> f64 { (1..=22).map(|i| (0.2 * f64::from(i)).powi(n)).sum() };
        let expected = 100.0 / t0 * (a * power(3) + b * power(4)) / power(2);
        all_close(&[slope.minimum, slope.average, slope.maximum], &[expected; 3], 1e-9, "slope");
        for (key, ppi) in [("ART_with_PPI_1_0", 1.0), ("ART_with_PPI_1_8", 1.8)] {
            close(pachymetry::art_um(profile.centre, ppi).unwrap(), number(&case[key]), 1e-9, key);
        }
        // From samples 0.2 mm apart the interpolation leaves hundredths of a micrometre.
        let map = map_of(GRID, |r, t| thickness(case, r * t.cos(), r * t.sin()));
        let sampled = SpatialProfile::of_map(GRID, &map, xt, yt).unwrap().unwrap();
        all_close(&plain(sampled.ctsp()), &ctsp, 0.05, "CTSP from samples");
    }
    assert_eq!(pachymetry::art_um(540.0, 0.0), None);
    let bowl = map_of(GRID, |r, t| 540.0 + (r * t.cos() - 0.4).powi(2) + (r * t.sin()).powi(2));
    let thinnest = pachymetry::thinnest(GRID, &bowl).unwrap();
    all_close(&[thinnest.value, thinnest.x_mm, thinnest.y_mm], &[540.0, 0.4, 0.0], 1e-12, "thinnest");
    let lid: Vec<f64> = bowl.iter().enumerate().map(|(i, t)| if i % 256 < 80 { f64::NAN } else { *t }).collect();
    assert_eq!(pachymetry::thinnest(GRID, &lid), None, "the thinnest point may be where nothing was measured");
}

#[test]
fn profiles_of_incomplete_maps() {
    let profile = |keep: &dyn Fn(f64, f64) -> bool| {
        let of = |points: &[(f64, f64)]| points.iter().map(|(x, y)| if keep(*x, *y) { 540.0 } else { f64::NAN }).collect();
        SpatialProfile::sample(of, 0.0, 0.0)
    };
    assert_eq!(profile(&|_, _| false), None, "no centre");
    let lid = profile(&|_, y| y < 2.0).unwrap();
    // A circle of radius r keeps 1/2 + asin(2/r)/π of its length below y = 2: three quarters at r = 2.83.
    let known: Vec<bool> = lid.ctsp().iter().map(Option::is_some).collect();
    assert!(known[..14].iter().all(|k| *k) && known[14..].iter().all(|k| !k), "{known:?}");
    assert_eq!(lid.pti_percent()[13], Some(0.0));
    // A slope needs the circles to 17 of 22: upwards they end at 2 mm, so a third of the directions has none.
    assert_eq!(lid.progression(), None);
    let high = profile(&|_, y| y < 3.5).unwrap().progression().unwrap();
    all_close(&[high.minimum, high.average, high.maximum], &[0.0; 3], 1e-12, "one thickness");
}

#[test]
fn volumes() {
    let golden = json("indices.json");
    let numpy = json("indices_numpy.json");
    for case in numpy["volume"].as_array().unwrap() {
        let profiles = golden["pachymetry_profile"].as_array().unwrap();
        let profile = profiles.iter().find(|p| p["name"] == case["name"]).unwrap();
        let map = map_of(GRID, |r, t| thickness(profile, r * t.cos(), r * t.sin()));
        let got = some(pachymetry::corneal_volume_mm3(GRID, &map, number(&case["zone_mm"])));
        close(got, number(&case["cells_mm3"]), 1e-9, "by cells");
        close(got / number(&case["integral_mm3"]), 1.0, 5e-4, "by scipy's integral");
    }
    // A plate: thickness × area; a ring that lost a fifth of its cells counts as its mean.
    let plate: Vec<f64> = (0..7936).map(|i| if i % 256 < 51 { f64::NAN } else { 500.0 }).collect();
    close(some(pachymetry::corneal_volume_mm3(GRID, &plate, 7.0)), 0.5 * std::f64::consts::PI * 12.25, 1e-9, "a plate");
}

#[test]
fn real_exports_in_their_order() {
    // Axial radii 0.2 mm apart from the scattered elevations of a Placido device; the vertex is the mean of the first ring.
    let grid = PolarGrid::new(21, 256, 0.2).unwrap();
    let mut rows = Vec::new();
    for name in ["N01", "S01", "K01"] {
        let Some(text) = real(&format!("cso-eyetop/{name}.txt")) else { return };
        let (rho, z, _) = eyetop(&text);
        let mut radius: Vec<f64> =
            (1..21).flat_map(|i| keratometry::axial_radius_from_elevation(&rho, &z, 256, grid.radius_mm(i))).collect();
        let first: Vec<f64> = radius[..256].iter().copied().filter(|r| r.is_finite()).collect();
        let vertex = first.iter().sum::<f64>() / first.len() as f64;
        radius.splice(0..0, std::iter::repeat_n(vertex, 256));
        let power: Vec<f64> = radius.iter().map(|r| 337.5 / r).collect();
        let zone = 6.0;
        // KISA of the keratoconic eye lacks one of the ten points of its I − S value.
        let row = [
            some(keratoconus::cone(grid, &power, zone)).clmi,
            keratoconus::kisa(grid, &power).unwrap().unwrap_or(f64::NAN),
            some(asymmetry::sectors(grid, &power, zone, Sectors::Turning)).opposite,
            some(asymmetry::isv_like(grid, &radius, zone)),
            some(asymmetry::vertical_asymmetry(grid, &power, zone)),
            some(asymmetry::ki_like(grid, &radius, zone)),
            some(keratoconus::center_surround(grid, &power)),
        ];
        println!("{name}: {row:?}, PPK {}", indices::ppk(row[0]));
        rows.push(row);
    }
    let [normal, suspect, keratoconus] = rows.try_into().unwrap();
    for (i, worst) in keratoconus.iter().enumerate().filter(|(i, _)| *i != 1) {
        assert!(*worst > normal[i] && *worst > suspect[i], "index {i} of the keratoconic eye");
    }
    assert!(indices::ppk(normal[0]) < 0.05 && indices::ppk(keratoconus[0]) > 0.95);
    assert!(normal[1] < 60.0, "KISA of the normal eye");
}
