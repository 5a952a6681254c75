//! Square rasters against numpy and scipy, and against what the same surface gives on the polar grid.
use crate::support::*;
use placido_udfs::optics::{
    grid::{Grid, PolarGrid},
    resample::{Interpolation, MissingRule, Raster},
    square::{GridSampler, SquareGrid, SquareSampler},
    square_fit::SquareFitter,
    statistics::{NAMES, ZoneStatistics},
    topography::{self, Extreme},
    zernike,
    zernike_fit::{FitStatus, Weighting},
};
use proptest::prelude::*;
use serde_json::Value;

const SQUARE: SquareGrid = SquareGrid::PENTACAM;

/// A closed form on the raster; missing above a lid line.
fn raster_of(grid: SquareGrid, lid_mm: Option<f64>, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let value = |cell| {
        let (x, y) = grid.position_mm(cell);
        if lid_mm.is_some_and(|lid| y > lid + 1e-9) { f64::NAN } else { f(x, y) }
    };
    (0..grid.cells()).map(value).collect()
}

fn keratoconus(x: f64, y: f64) -> f64 {
    sag("S4", x.hypot(y), y.atan2(x))
}

fn lid(case: &Value) -> Option<f64> {
    case["lid_mm"].as_f64()
}

#[test]
fn fits_agree_with_lstsq() {
    let golden = json("square.json");
    let cases = golden["fits"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let weighting = if case["weighting"] == "area" { Weighting::Area } else { Weighting::Uniform };
        let fitter = SquareFitter::new(SQUARE, number(&case["radius_mm"]), 6, weighting).unwrap();
        let raster = raster_of(SQUARE, lid(case), keratoconus);
        let detail = fitter.detail(&raster);
        let what = format!("{} mm {weighting:?} {:?}", case["radius_mm"], lid(case));
        // Uniform weights are exact; areas at the rim are sums of 64 slices here and an adaptive quadrature there.
        let tolerance = match (weighting, lid(case)) {
            (Weighting::Uniform, None) => 1e-12,
            (Weighting::Uniform, Some(_)) => 1e-9,
            (Weighting::Area, _) => 2e-6,
        };
        all_close(detail.coefficients.as_deref().unwrap(), &numbers(&case["coefficients"]), tolerance, &what);
        close(detail.residual_rms.unwrap(), number(&case["residual_rms"]), tolerance, &what);
        close(detail.coverage, number(&case["coverage"]), 1e-5, &what);
        let condition = number(&case["condition"]);
        close(detail.condition / condition, 1.0, 0.1, &what);
        let expected = if condition > 1e4 { FitStatus::IllConditioned } else { FitStatus::Ok };
        assert_eq!(detail.status, expected, "{what}");
    }
}

#[test]
fn more_than_half_missing_is_fitted_from_what_is_there_or_refused() {
    let fitter = SquareFitter::new(SQUARE, 3.0, 4, Weighting::Uniform).unwrap();
    let truth: Vec<f64> = (0..15).map(|j| hash01(3, j) - 0.5).collect();
    let surface = |x: f64, y: f64| zernike::surface(&truth, x.hypot(y) / 3.0, y.atan2(x));
    let mut out = vec![0.0; 15];
    for (limit, expected) in [(-0.3, FitStatus::IllConditioned), (-2.6, FitStatus::NotFittable)] {
        let status = fitter.fit(&raster_of(SQUARE, Some(limit), surface), &mut out);
        assert_eq!(status, expected, "lid at {limit}");
        if status != FitStatus::NotFittable {
            all_close(&out, &truth, 1e-8, "half a disc");
        }
    }
    assert_eq!(fitter.fit(&vec![f64::NAN; SQUARE.cells()], &mut out), FitStatus::NotFittable);
    assert_eq!(fitter.fit(&[1.0; 5], &mut out), FitStatus::NotFittable);
    for (grid, radius, order) in [(SQUARE, 7.5, 6), (SQUARE, 3.0, 21), (SquareGrid::new(5, 4.0).unwrap(), 2.0, 8)] {
        assert!(SquareFitter::new(grid, radius, order, Weighting::Area).is_err(), "{radius} {order}");
    }
    let fine = SquareFitter::new(SquareGrid::new(2048, 14.0).unwrap(), 7.0, 6, Weighting::Area);
    assert!(fine.err().unwrap().to_string().contains("too many"), "a fit of millions of pixels");
}

#[test]
fn statistics_agree_with_numpy() {
    let golden = json("square.json");
    for case in golden["statistics"].as_array().unwrap() {
        let mut statistics = ZoneStatistics::new(SQUARE, number(&case["zone_mm"])).unwrap();
        let got = statistics.of(&raster_of(SQUARE, lid(case), keratoconus)).unwrap();
        for ((g, expected), name) in got.iter().zip(numbers(&case["values"])).zip(NAMES) {
            close(*g, expected, 1e-5 * expected.abs().max(0.1), &format!("{name} of {case}"));
        }
    }
    let mut statistics = ZoneStatistics::new(SQUARE, 8.0).unwrap();
    assert!(statistics.of(&raster_of(SQUARE, Some(-0.2), keratoconus)).is_none(), "less than half");
    assert!(statistics.of(&[1.0; 100]).is_none());
}

#[test]
fn samples_agree_with_scipy_and_bicubic_comes_closer() {
    let golden = json("square.json");
    let raster = raster_of(SQUARE, None, keratoconus);
    let linear = SquareSampler::new(SQUARE, Interpolation::Bilinear, MissingRule::Strict);
    let cubic = SquareSampler::new(SQUARE, Interpolation::Bicubic, MissingRule::Strict);
    for case in golden["samples"].as_array().unwrap() {
        let (x, y) = (number(&case["x"]), number(&case["y"]));
        let got = linear.at(&raster, x, y);
        match case["bilinear"].as_f64() {
            Some(expected) => {
                close(got, expected, 1e-12, "bilinear");
                let exact = number(&case["exact"]);
                assert!((cubic.at(&raster, x, y) - exact).abs() <= 0.05 * (got - exact).abs() + 1e-9, "{case}");
            }
            None => assert!(got.is_nan(), "{case}"),
        }
    }
    assert!(linear.at(&raster, 7.01, 0.0).is_nan() && linear.at(&raster, 0.0, -7.01).is_nan());
    let (x, y) = SQUARE.position_mm(140);
    assert_eq!((x, y), (7.0, 7.0));
    assert_eq!(cubic.at(&(0..SQUARE.cells()).map(|c| c as f64).collect::<Vec<_>>(), x, y), 140.0);
}

#[test]
fn there_and_back_between_the_grids() {
    let polar = PolarGrid::MS39;
    let map = map_of(polar, |r, t| sag("S4", r, t));
    let raster = Raster::new(polar, 281, 14.0, Interpolation::Bicubic, MissingRule::Strict).unwrap();
    let (mut pixels, mut padded) = (Vec::new(), Vec::new());
    raster.apply(&map, &mut pixels, &mut padded);
    let square = SquareGrid::new(281, 14.0).unwrap();
    let sampler = GridSampler::new(square.into(), Interpolation::Bicubic, MissingRule::Strict).unwrap();
    let grid = Grid::from(polar);
    let points: Vec<(f64, f64)> = (0..27 * 256).map(|cell| grid.position_mm(cell)).collect();
    for (cell, value) in sampler.sample(&pixels, &points).iter().enumerate() {
        close(*value, map[cell], 2e-4, &format!("cell {cell}"));
    }
    // The thinnest point is found where it is on either grid.
    let valley = |x: f64, y: f64| 540.0 + 4.0 * ((x - 0.5).powi(2) + (y + 0.7).powi(2));
    let found = topography::extreme(SQUARE, &raster_of(SQUARE, None, valley), 8.0, Extreme::Minimum).unwrap().unwrap();
    all_close(&[found.value, found.x_mm, found.y_mm], &[540.0, 0.5, -0.7], 1e-9, "thinnest point");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_fit_of_zernike_terms_gives_their_coefficients(seed in 0u64..1000, order in 2usize..9, share in 0.0..0.6f64) {
        let grid = SquareGrid::new(61, 6.5).unwrap();
        let c: Vec<f64> = (0..zernike::term_count(order)).map(|j| hash01(seed, j as u64) - 0.5).collect();
        let mut raster = raster_of(grid, None, |x, y| zernike::surface(&c, x.hypot(y) / 3.0, y.atan2(x)));
        raster.iter_mut().enumerate().for_each(|(i, v)| if hash01(seed + 1, i as u64) < share { *v = f64::NAN });
        let mut out = vec![0.0; c.len()];
        let fitter = SquareFitter::new(grid, 3.0, order, Weighting::Area).unwrap();
        prop_assert_eq!(fitter.fit(&raster, &mut out), FitStatus::Ok);
        for (a, b) in out.iter().zip(&c) {
            prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b);
        }
    }

    #[test]
    fn mirror_twice_is_nothing(seed in 0u64..1000, size in 2usize..40) {
        let grid = SquareGrid::new(size, 3.0).unwrap();
        let raster: Vec<f64> = (0..grid.cells()).map(|i| hash01(seed, i as u64)).collect();
        prop_assert_eq!(grid.mirror(&grid.mirror(&raster).unwrap()).unwrap(), raster);
    }
}
