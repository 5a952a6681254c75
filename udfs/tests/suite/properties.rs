//! What must hold for every input.

use placido_udfs::optics::{
    acuity,
    astigmatism::{CylinderForm, PowerVector, SpheroCylinder},
    grid::PolarGrid,
    statistics::ZoneStatistics,
    zernike_fit::{FitStatus, Weighting, Workspace, ZernikeFitter},
    zernike_transform::{self as transform, RmsFamily},
};
use proptest::prelude::*;

use crate::support::*;

fn coefficients() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-2.0..2.0f64, 28)
}

fn near(a: &[f64], b: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        prop_assert!((x - y).abs() <= tolerance, "{} {}", x, y);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn mirror_twice_is_nothing(c in coefficients()) {
        near(&transform::mirror(&transform::mirror(&c)), &c, 0.0)?;
    }

    #[test]
    fn rotations_add(c in coefficients(), a in -7.0..7.0f64, b in -7.0..7.0f64) {
        let twice = transform::rotate(&transform::rotate(&c, a), b);
        near(&twice, &transform::rotate(&c, a + b), 1e-12)?;
        prop_assert!((RmsFamily::Total.rms(&twice) - RmsFamily::Total.rms(&c)).abs() < 1e-12);
    }

    #[test]
    fn rescaling_multiplies(c in coefficients(), a in 0.2..1.0f64, b in 0.2..1.0f64) {
        let twice = transform::rescale(&c, a).and_then(|c| transform::rescale(&c, b)).unwrap();
        near(&twice, &transform::rescale(&c, a * b).unwrap(), 1e-11)?;
    }

    #[test]
    fn a_fit_of_zernike_terms_gives_their_coefficients(c in coefficients(), order in 6usize..9) {
        let map = zernike_map(&c, 3.0);
        let fitter = ZernikeFitter::new(GRID, 3.0, order, Weighting::Area).unwrap();
        let mut out = vec![0.0; fitter.terms()];
        prop_assert_eq!(fitter.fit(&map, &mut out, &mut Workspace::default()), FitStatus::Ok);
        near(&out[..28], &c, 1e-11)?;
        near(&out[28..], &vec![0.0; out.len() - 28], 1e-11)?;
    }

    #[test]
    fn scattered_holes_do_not_move_a_fit(c in coefficients(), seed in 0u64..1000, share in 0.0..0.4f64) {
        let holes: Vec<bool> = (0..7936).map(|i| hash01(seed, i) > share).collect();
        let map = masked(&zernike_map(&c, 3.0), &holes);
        let fitter = ZernikeFitter::new(GRID, 3.0, 6, Weighting::Uniform).unwrap();
        let mut out = vec![0.0; 28];
        prop_assert_eq!(fitter.fit(&map, &mut out, &mut Workspace::default()), FitStatus::Ok);
        near(&out, &c, 1e-10)?;
    }

    #[test]
    fn grids_of_other_shapes_fit_too(meridians in 14usize..70, rings in 8usize..20, seed in 0u64..100) {
        let grid = PolarGrid::new(rings, meridians, 3.0 / (rings as f64 - 1.0)).unwrap();
        let c: Vec<f64> = (0..28).map(|j| hash01(seed, j) - 0.5).collect();
        let map = map_of(grid, |r, t| placido_udfs::optics::zernike::surface(&c, r / 3.0, t));
        let fitter = ZernikeFitter::new(grid, 3.0, 6, Weighting::Area).unwrap();
        let mut out = vec![0.0; 28];
        fitter.fit(&map, &mut out, &mut Workspace::default());
        near(&out, &c, 1e-9)?;
    }

    #[test]
    fn refractions_go_there_and_back(s in -20.0..20.0f64, c in -8.0..8.0f64, axis in 1.0..180.0f64) {
        let refraction = SpheroCylinder { sphere: s, cylinder: c, axis };
        let form = if c < 0.0 { CylinderForm::Minus } else { CylinderForm::Plus };
        let back = PowerVector::of(refraction).sphero_cylinder(form);
        prop_assert!((back.sphere - s).abs() < 1e-9 && (back.cylinder - c).abs() < 1e-9);
        let twice = refraction.transposed().transposed();
        near(&[twice.sphere, twice.cylinder, twice.axis], &[s, c, axis], 1e-9)?;
        let other = PowerVector::of(refraction.transposed());
        let vector = PowerVector::of(refraction);
        near(&[other.m, other.j0, other.j45], &[vector.m, vector.j0, vector.j45], 1e-9)?;
    }

    #[test]
    fn statistics_do_not_depend_on_the_turn_of_the_eye(seed in 0u64..1000, turn in 1usize..255) {
        let map: Vec<f64> = (0..7936).map(|i| 40.0 + 5.0 * hash01(seed, i) + (i % 256) as f64 * 0.01).collect();
        let turned: Vec<f64> = map.chunks(256).flat_map(|r| (0..256).map(move |k| r[(k + turn) % 256])).collect();
        let mut statistics = ZoneStatistics::new(GRID, 8.0).unwrap();
        let (a, b) = (statistics.of(&map).unwrap(), statistics.of(&turned).unwrap());
        near(&a[..13], &b[..13], 1e-9)?;
        prop_assert!(a[2] <= a[4] && a[4..9].is_sorted() && a[8] <= a[3]);
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_reason(text in "\\PC{0,40}") {
        let read = acuity::parse(&text, &acuity::SCHEMES[0], None);
        prop_assert!(read.logmar.is_some_and(f64::is_finite) || read.reason.is_some(), "{:?}", read);
    }

    #[test]
    fn entries_from_their_own_alphabet_too(text in "[0-9.,/+\\- pjflcmhPL()a-e]{0,14}") {
        let read = acuity::parse(&text, &acuity::SCHEMES[0], None);
        prop_assert!(read.logmar.is_none_or(|l| (-0.7..=3.4).contains(&l)), "{:?}", read);
    }
}
