//! Statistics of samples against scipy's, scikit-learn's and statsmodels' numbers, and what must hold for every sample.

use placido_udfs::sample::{self, agreement, calibration, conformal, drift, multivariate, robust};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::*;

const EXACT: f64 = 1e-10;

fn section(name: &str) -> Value {
    json("stats_drift_calibration.json")[name].take()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn flat(value: &Value) -> Vec<f64> {
    rows(value).concat()
}

fn places(value: &Value) -> Vec<usize> {
    numbers(value).iter().map(|v| *v as usize).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

fn relative(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        assert!((g / e - 1.0).abs() <= tolerance, "{what}: got {g}, expected {e}");
    }
}

#[test]
fn one_variable() {
    let golden = section("univariate");
    let x = numbers(&golden["x"]);
    close(robust::median(&x).unwrap(), number(&golden["median"]), EXACT, "median");
    close(robust::mad(&x).unwrap(), number(&golden["mad_raw"]), EXACT, "mad");
    close(robust::mad(&x).unwrap() * robust::SIGMA_PER_MAD, number(&golden["mad_sigma"]), EXACT, "sigma of mad");
    let z = robust::modified_z(&x).unwrap();
    all_close(&z, &numbers(&golden["modified_z"]), EXACT, "modified z");
    let outliers: Vec<bool> = z.iter().map(|z| z.abs() > 3.5).collect();
    assert_eq!(outliers, flags(&golden["outlier_modz_gt_3_5"]));
    let sorted = sample::sorted(&x);
    close(sample::quantile(&sorted, 0.25).unwrap(), number(&golden["q1"]), EXACT, "q1");
    let fences = robust::tukey_fences(&x, 1.5).unwrap();
    all_close(&fences, &[number(&golden["tukey_lo"]), number(&golden["tukey_hi"])], EXACT, "fences");
}

#[test]
fn hampels_filter() {
    let golden = section("hampel");
    let found = robust::hampel(&numbers(&golden["x"]), 3, 3.0);
    let values: Vec<f64> = found.iter().map(|h| h.unwrap().value).collect();
    all_close(&values, &numbers(&golden["filtered"]), 0.0, "filtered");
    let replaced: Vec<usize> = (0..found.len()).filter(|i| found[*i].unwrap().outlier == Some(true)).collect();
    assert_eq!(replaced, places(&golden["replaced_index"]));
}

#[test]
fn no_spread_and_no_values_have_no_answer() {
    let flat = [5.0, 5.0, 5.0, 5.0, 9.0];
    assert_eq!(robust::mad(&flat), None);
    assert_eq!(robust::modified_z(&flat), None);
    assert_eq!(robust::tukey_fences(&flat, 1.5), Some([5.0, 5.0]));
    let hampel = robust::hampel(&[5.0, 5.0, f64::NAN, 5.0, 9.0, 5.0], 2, 3.0);
    assert_eq!(hampel[2], None);
    assert_eq!(hampel[4], Some(robust::Hampel { value: 9.0, outlier: None }));
    for empty in [&[][..], &[f64::NAN, f64::INFINITY]] {
        assert_eq!(robust::mad(empty), None);
        assert_eq!(robust::tukey_fences(empty, 1.5), None);
        assert_eq!(drift::psi(empty, &[1.0, 2.0], 10), None);
        assert_eq!(drift::psi(&[1.0, 2.0], empty, 10), None);
        assert_eq!(drift::ks_p_value(empty, &[1.0]), None);
        assert_eq!(drift::wasserstein(empty, &[1.0]), None);
        assert_eq!(drift::cvm_statistic(empty, &[1.0]), None);
        assert_eq!(conformal::quantile(empty, 0.1), None);
    }
    assert_eq!(drift::psi(&[2.0; 50], &[3.0; 50], 10), None, "a constant reference has no bins");
    assert_eq!(drift::wasserstein_standardised(&[2.0; 5], &[3.0; 5]), None);
    assert_eq!(drift::cvm_p_value(&[1.0], &[2.0, 3.0]), None);
    assert_eq!(drift::chi_square(&[5.0], &[7.0]), None);
    assert_eq!(calibration::auc(&[(0.1, true), (0.9, true)]), None);
    assert_eq!(calibration::average_precision(&[(0.1, false)]), None);
    assert_eq!(calibration::recalibration(&[(0.1, false), (0.2, false), (0.8, true)]), None, "separated");
    assert_eq!(calibration::recalibration(&[(0.5, false), (0.5, true)]), None, "equal predictions");
    assert_eq!(calibration::Bins::new(10).expected_error(), None);
    let mut one = agreement::Pairs::default();
    assert_eq!((one.bland_altman(), one.lin_ccc(), one.within_subject_sd()), (None, None, None));
    one.add(3.0, 3.0);
    assert_eq!((one.bland_altman(), one.lin_ccc(), one.icc(agreement::IccForm::Agreement)), (None, None, None));
    assert_eq!(agreement::cohen_kappa([("a", "a", 4.0)].into_iter()), None);
}

#[test]
fn classical_mahalanobis() {
    let golden = section("mahalanobis");
    let x = rows(&golden["X"]);
    let mut moments = multivariate::Moments::new(3);
    x.iter().for_each(|row| moments.add(row));
    let fit = moments.fit(true).unwrap();
    all_close(&fit.center, &numbers(&golden["mean"]), EXACT, "mean");
    relative(&fit.covariance, &flat(&golden["cov"]), 1e-12, "covariance");
    let ellipsoid = multivariate::Ellipsoid::new(&fit.center, &fit.covariance).unwrap();
    let d2: Vec<f64> = x.iter().map(|row| ellipsoid.distance_squared(row).unwrap()).collect();
    all_close(&d2, &numbers(&golden["d2"]), EXACT, "d²");
    let limit = sample::chi_square_quantile(0.975, 3.0).unwrap();
    close(limit, number(&golden["chi2_975_3"]), EXACT, "χ²");
    close(sample::chi_square_quantile(0.999, 3.0).unwrap(), number(&golden["chi2_999_3"]), EXACT, "χ²");
    let outliers: Vec<usize> = (0..d2.len()).filter(|i| d2[*i] > limit).collect();
    assert_eq!(outliers, places(&golden["classical_outliers"]));
}

#[test]
fn robust_mahalanobis() {
    let golden = section("mahalanobis");
    let x = rows(&golden["X"]);
    let fit = multivariate::mcd(&x.concat(), 3).unwrap();
    assert_eq!(fit.count, number(&golden["mcd_raw_support_size"]));
    relative(&fit.center, &numbers(&golden["mcd_location"]), 0.05, "centre");
    relative(&fit.covariance, &flat(&golden["mcd_covariance_sklearn_reweighted"]), 0.05, "covariance");
    let ellipsoid = multivariate::Ellipsoid::new(&fit.center, &fit.covariance).unwrap();
    let limit = sample::chi_square_quantile(0.975, 3.0).unwrap();
    let outliers: Vec<usize> = (0..x.len()).filter(|i| ellipsoid.distance_squared(&x[*i]).unwrap() > limit).collect();
    assert_eq!(outliers, places(&golden["mcd_outliers"]));
    let backwards: Vec<f64> = x.iter().rev().flatten().copied().collect();
    assert_eq!(multivariate::mcd(&backwards, 3).unwrap(), fit, "the order of the rows counts");
}

/// Two of five vectors lie far away: the fit of a sample larger than the groups of the algorithm is that of the others.
#[test]
fn a_large_sample_with_many_outliers() {
    let vector = |i: u64| {
        let noise: Vec<f64> = (0..3).map(|k| (0..12).map(|j| hash01(i, 12 * k + j)).sum::<f64>() - 6.0).collect();
        let far = if i.is_multiple_of(5) { 40.0 } else { 0.0 };
        [550.0 + 30.0 * noise[0] + far * 10.0, 43.0 + noise[1] + far, 7.5 + 0.2 * noise[2] + 0.5 * noise[1]]
    };
    let all: Vec<f64> = (0..6000).flat_map(vector).collect();
    let fit = multivariate::mcd(&all, 3).unwrap();
    relative(&fit.center, &[550.0, 43.0, 7.5], 0.01, "centre");
    relative(
        &[fit.covariance[0], fit.covariance[4], fit.covariance[8], fit.covariance[5]],
        &[900.0, 1.0, 0.29, 0.5],
        0.1,
        "spread",
    );
    assert!(fit.count < 4800.0 + 1.0 && fit.count > 4500.0, "{}", fit.count);
}

#[test]
fn singular_and_hostile_matrices_have_no_distance() {
    use multivariate::{Ellipsoid, mcd};
    assert!(Ellipsoid::new(&[0.0, 0.0], &[1.0, 1.0, 1.0, 1.0]).is_none());
    assert!(Ellipsoid::new(&[0.0, 0.0], &[1.0, 0.0, 0.0]).is_none());
    assert!(Ellipsoid::new(&[0.0], &[f64::NAN]).is_none());
    assert!(Ellipsoid::new(&[0.0], &[-1.0]).is_none());
    assert!(Ellipsoid::new(&[], &[]).is_none());
    assert_eq!(mcd(&[], 3), None);
    assert_eq!(mcd(&[1.0; 300], 3), None);
    assert_eq!(mcd(&[1.0, 2.0, 3.0], 0), None);
    assert_eq!(mcd(&[1.0; 51 * 100], 51), None);
    let plane: Vec<f64> = (0..50).flat_map(|i| [f64::from(i), 2.0 * f64::from(i)]).collect();
    assert_eq!(mcd(&plane, 2), None);
    assert!(multivariate::Moments::from_floats(&[1.0, 2.0]).is_none());
}

#[test]
fn drift_of_numbers() {
    let golden = section("drift");
    let reference = numbers(&golden["ref"]);
    for (name, expected) in [("cur", &golden["results"][0]), ("cur2", &golden["results"][1])] {
        let current = numbers(&golden[name]);
        let is = |got: Option<f64>, what: &str| close(got.unwrap(), number(&expected[what]), EXACT, what);
        let edges = drift::quantile_edges(&reference, 10).unwrap();
        all_close(&edges, &numbers(&expected["edges"])[1..10], EXACT, "edges");
        let (p, q) = (drift::bin_counts(&reference, &edges), drift::bin_counts(&current, &edges));
        let psi = drift::psi(&reference, &current, 10).unwrap();
        is(Some(psi.psi), "psi");
        assert_eq!((psi.reference, psi.current, psi.bins), (400, 300, 10));
        is(drift::ks_statistic(&reference, &current), "ks_D");
        is(drift::ks_p_value(&reference, &current), "ks_p_exact_or_auto");
        is(drift::wasserstein(&reference, &current), "wasserstein1");
        is(drift::wasserstein_standardised(&reference, &current), "wasserstein1_over_ref_sd");
        is(drift::js_divergence(&reference, &current, 10), "js_divergence_bits");
        is(drift::js_divergence(&reference, &current, 10).map(f64::sqrt), "js_distance_base2");
        is(drift::cvm_statistic(&reference, &current), "cvm");
        is(drift::cvm_p_value(&reference, &current), "cvm_p");
        let test = drift::chi_square(&p, &q).unwrap();
        is(Some(test.statistic), "chi2_contingency");
        is(Some(test.degrees), "chi2_df");
        is(Some(test.p_value), "chi2_p");
    }
}

/// Samples with many equal values: bins, index and limit by numpy (`unique`, `quantile`, `histogram`) and scipy 1.17 (`chi2.ppf`,
/// `jensenshannon`). Every bin holds a reference value.
#[test]
fn drift_of_zero_inflated_samples() {
    let with_zeros = |zeros: usize, rest: Vec<f64>| [vec![0.0; zeros], rest].concat();
    let ramp = || (1..=300).map(f64::from).collect::<Vec<f64>>();
    for (reference, current, edges, [psi, js, limit]) in [
        (
            with_zeros(950, vec![1.0; 50]),
            vec![1.0; 400],
            vec![1.0],
            [15.921_938_296_056_913, 0.924_660_694_787_462, 0.013_445_105_872_429_435],
        ),
        (
            with_zeros(700, ramp()),
            with_zeros(100, ramp()),
            vec![0.3, 100.2, 200.1],
            [0.875_659_567_074_890_9, 0.389_758_088_046_800_34, 0.027_351_547_661_379_13],
        ),
    ] {
        all_close(&drift::quantile_edges(&reference, 10).unwrap(), &edges, 1e-12, "edges");
        let found = drift::psi(&reference, &current, 10).unwrap();
        close(found.psi, psi, EXACT, "psi");
        close(found.limit.unwrap(), limit, EXACT, "limit");
        assert_eq!(found.bins, edges.len() + 1);
        assert!(found.exceeds());
        close(drift::js_divergence(&reference, &current, 10).unwrap().sqrt(), js, EXACT, "js");
    }
    // The bin between the two values could hold no reference value; it is no degree of freedom.
    let halves = |zeros: usize, ones: usize| with_zeros(zeros, vec![1.0; ones]);
    let found = drift::psi(&halves(50, 50), &halves(30, 70), 10).unwrap();
    close(found.psi, 0.169_459_572_077_440_72, EXACT, "psi");
    close(found.limit.unwrap(), 0.076_829_176_413_882_48, EXACT, "limit");
}

/// Far apart: the series for the p-value of Cramér and von Mises would need more terms than it has (scipy's too).
#[test]
fn samples_that_have_nothing_in_common() {
    for n in [10, 300, 2_000, 40_000] {
        let near: Vec<f64> = (0..n).map(f64::from).collect();
        let far: Vec<f64> = near.iter().map(|v| v + 1e6).collect();
        let p = drift::cvm_p_value(&near, &far).unwrap();
        assert!(p < if n > 10 { 1e-14 } else { 1e-4 }, "{n}: {p}");
    }
}

#[test]
fn drift_of_categories() {
    let golden = section("drift_categorical");
    let (p, q) = (numbers(&golden["ref_counts"]), numbers(&golden["cur_counts"]));
    let is = |got: Option<f64>, what: &str| close(got.unwrap(), number(&golden[what]), EXACT, what);
    is(drift::psi_of_counts(&p, &q), "psi");
    is(drift::js_divergence_of_counts(&p, &q), "js_bits");
    let test = drift::chi_square(&p, &q);
    is(test.map(|t| t.statistic), "chi2");
    is(test.map(|t| t.degrees), "df");
    is(test.map(|t| t.p_value), "p");
    is(test.map(|t| t.cramers_v), "cramers_v");
}

#[test]
fn the_limit_of_the_stability_index() {
    for line in golden("psi_null.csv").lines().skip(1) {
        let row: Vec<f64> = line.split(',').map(|c| c.parse().unwrap()).collect();
        let (n, m, bins) = (row[0], row[1], row[2] as usize);
        close(drift::psi_expected(n, m, bins).unwrap(), row[3], 1e-12, "mean");
        close(drift::psi_limit(n, m, bins, 0.95).unwrap(), row[5], 1e-12, "95 %");
        close(drift::psi_limit(n, m, bins, 0.99).unwrap(), row[7], 1e-12, "99 %");
    }
    assert_eq!(drift::psi_limit(0.0, 10.0, 10, 0.95), None);
    assert_eq!(drift::psi_limit(10.0, 10.0, 1, 0.95), None);
    assert_eq!(drift::psi_limit(10.0, 10.0, 10, 1.0), None);
}

/// Quantiles of every magnitude: scipy 1.17 (`chi2.ppf`).
#[test]
fn quantiles_of_chi_square() {
    for (p, degrees, expected) in [
        (1e-12, 1.0, 1.570_796_326_794_893e-24),
        (1e-6, 0.5, 1.349_939_578_622_339_4e-24),
        (0.01, 3.0, 0.114_831_801_899_117_07),
        (0.5, 999.0, 998.333_412_482_588),
        (0.999_999, 9.0, 44.810_937_870_625_94),
    ] {
        relative(&[sample::chi_square_quantile(p, degrees).unwrap()], &[expected], 1e-9, "quantile");
    }
    for (p, degrees) in [(0.0, 3.0), (1.0, 3.0), (f64::NAN, 3.0), (0.5, 0.0), (0.5, -1.0), (0.5, f64::NAN), (0.5, 1e7)] {
        assert_eq!(sample::chi_square_quantile(p, degrees), None);
    }
}

/// Ties, unequal sizes and tails: scipy 1.17 (`ks_2samp`, `cramervonmises_2samp`, `wasserstein_distance`, `jensenshannon`,
/// `false_discovery_control`, `chi2`, `chi2_contingency`, `kolmogorov`).
#[test]
fn small_samples_with_ties() {
    let (a, b) = ([1.0, 2.0, 2.0, 3.0, 5.0, 8.0], [2.0, 4.0, 4.0, 6.0, 7.0, 9.0, 10.0, 12.0]);
    close(drift::ks_statistic(&a, &b).unwrap(), 0.541_666_666_666_666_6, EXACT, "D");
    close(drift::ks_p_value(&a, &b).unwrap(), 0.192_474_192_474_192_48, EXACT, "p of D");
    close(drift::cvm_statistic(&a, &b).unwrap(), 0.363_095_238_095_238_13, EXACT, "T");
    close(drift::cvm_p_value(&a, &b).unwrap(), 0.092_544_128_735_795_87, EXACT, "p of T");
    close(drift::wasserstein(&a, &b).unwrap(), 3.25, EXACT, "W");
    let x: Vec<f64> = (1..13).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| 0.7 * x + 3.35).collect();
    close(drift::ks_p_value(&x, &y).unwrap(), 0.536_097_769_507_380_5, EXACT, "equal sizes");
    let low: Vec<f64> = (0..40).map(f64::from).collect();
    let high: Vec<f64> = (100..130).map(f64::from).collect();
    relative(&[drift::ks_p_value(&low, &high).unwrap()], &[3.613_517_007_015_958_6e-20], 1e-9, "disjoint");
    let js = drift::js_divergence_of_counts(&[5.0, 0.0, 3.0, 2.0], &[1.0, 4.0, 0.0, 5.0]).unwrap();
    close(js.sqrt(), 0.709_155_183_656_703_5, EXACT, "js");
    let adjusted = drift::benjamini_hochberg(&[0.01, 0.04, 0.03, f64::NAN, 0.02, 0.5, 0.9, 0.005]);
    let expected = [0.035, 0.056, 0.0525, f64::NAN, 0.046_666_666_666_666_67, 0.583_333_333_333_333_3, 0.9, 0.035];
    for (got, expected) in adjusted.iter().zip(expected) {
        assert!((got - expected).abs() < EXACT || got.is_nan() && expected.is_nan(), "{got} {expected}");
    }
    let test = drift::chi_square(&[10.0, 20.0, 30.0], &[25.0, 15.0, 20.0]).unwrap();
    close(test.statistic, 9.142_857_142_857_142, EXACT, "χ²");
    close(test.p_value, 0.010_343_173_196_618_252, EXACT, "p of χ²");
    relative(&[sample::chi_square_tail(200.0, 9.0).unwrap()], &[3.312_992_39e-38], 1e-8, "far tail");
}

/// Samples beyond the exact method, against scipy 1.17's exact p-values (`ks_2samp`, method `exact`).
#[test]
fn large_samples() {
    let a: Vec<f64> = (0..20_000).map(|i| (f64::from(i) + 0.5) / 20_000.0).collect();
    let b: Vec<f64> = (0..15_000).map(|i| ((f64::from(i) + 0.5) / 15_000.0).powf(1.02)).collect();
    close(drift::ks_statistic(&a, &b).unwrap(), 0.007_333_333_333_333_358, EXACT, "D");
    relative(&[drift::ks_p_value(&a, &b).unwrap()], &[0.743_401_041_226_22], 4e-3, "p");
    let grid = |n: u32, shift: f64| (0..n).map(|i| f64::from(i) / f64::from(n) + shift).collect::<Vec<f64>>();
    let equal = drift::ks_p_value(&grid(12_000, 0.0), &grid(12_000, 0.025)).unwrap();
    relative(&[equal], &[0.001_051_630_571_586_431_4], 1e-3, "p of equal sizes");
    let unequal = drift::ks_p_value(&grid(12_000, 0.0), &grid(3_000, 0.04)).unwrap();
    relative(&[unequal], &[0.000_879_226_876_554_047_2], 2e-2, "p of unequal sizes");
    let far: Vec<f64> = b.iter().map(|v| v + 0.5).collect();
    assert!(drift::ks_p_value(&a, &far).unwrap() < 1e-200);
}

fn predictions() -> (Value, Vec<calibration::Prediction>) {
    let golden = section("calibration_binary");
    let pairs = numbers(&golden["p"]).into_iter().zip(numbers(&golden["y"])).map(|(p, y)| (p, y == 1.0)).collect();
    (golden, pairs)
}

#[test]
fn binary_calibration() {
    let (golden, pairs) = predictions();
    let is = |got: f64, what: &str| close(got, number(&golden[what]), EXACT, what);
    let mean = |f: fn(f64, bool) -> f64| pairs.iter().map(|(p, y)| f(*p, *y)).sum::<f64>() / pairs.len() as f64;
    is(mean(calibration::brier_score), "brier");
    is(mean(calibration::log_loss), "log_loss");
    is(calibration::auc(&pairs).unwrap(), "auc");
    is(calibration::average_precision(&pairs).unwrap(), "average_precision");
    is(calibration::adaptive_expected_error(&pairs, 10).unwrap(), "ece10_adaptive");
    let mut bins = calibration::Bins::new(10);
    pairs.iter().for_each(|(p, y)| bins.add(*p, *y));
    is(bins.expected_error().unwrap(), "ece10");
    is(bins.maximum_error().unwrap(), "mce10");
    let parts = bins.brier_parts().unwrap();
    is(parts.reliability, "murphy_reliability");
    is(parts.resolution, "murphy_resolution");
    is(parts.uncertainty, "murphy_uncertainty");
    let logistic = calibration::recalibration(&pairs).unwrap();
    is(logistic.intercept, "cal_intercept");
    is(logistic.slope, "cal_slope");
    let mut confusion = calibration::Confusion::default();
    pairs.iter().for_each(|(p, y)| confusion.add(*p >= 0.5, *y));
    is(confusion.matthews().unwrap(), "mcc_at_0_5");
}

/// Equal predictions: scikit-learn 1.9 (`roc_auc_score`, `average_precision_score`, `log_loss`, `brier_score_loss`).
#[test]
fn equal_predictions() {
    let pairs = [(0.1, false), (0.4, false), (0.35, true), (0.8, true), (0.4, true), (0.4, false), (0.9, true)];
    close(calibration::auc(&pairs).unwrap(), 0.75, EXACT, "auc");
    close(calibration::average_precision(&pairs).unwrap(), 0.816_666_666_666_666_7, EXACT, "average precision");
    close((calibration::log_loss(0.0, true) + calibration::log_loss(0.2, false)) / 2.0, 18.133_398_470_215_68, EXACT, "certain");
}

/// A constant that is calibrated has no error, however many bins there are; the other number by numpy (`array_split`).
#[test]
fn adaptive_bins_share_equal_predictions() {
    let constant: Vec<(f64, bool)> = (0..1000).map(|i| (0.3, i % 10 < 3)).collect();
    for bins in [1, 7, 10, 1000] {
        close(calibration::adaptive_expected_error(&constant, bins).unwrap(), 0.0, 1e-12, "calibrated");
    }
    let mixed: Vec<(f64, bool)> = (0..23).map(|k| (f64::from(k % 5) / 10.0 + 0.1, k * 7 % 3 == 0)).collect();
    close(calibration::adaptive_expected_error(&mixed, 4).unwrap(), 0.139_130_434_782_608_7, EXACT, "ties");
    let mut backwards = mixed.clone();
    backwards.reverse();
    assert_eq!(calibration::adaptive_expected_error(&backwards, 4), calibration::adaptive_expected_error(&mixed, 4));
}

#[test]
fn several_classes() {
    let golden = section("multiclass_conformal");
    let (p, y) = (rows(&golden["P"]), places(&golden["y"]));
    let mean =
        |f: fn(&[f64], usize) -> Option<f64>| p.iter().zip(&y).map(|(p, y)| f(p, *y).unwrap()).sum::<f64>() / p.len() as f64;
    close(mean(calibration::multiclass_brier_score), number(&golden["brier_multiclass"]), EXACT, "brier");
    close(mean(calibration::multiclass_log_loss), number(&golden["log_loss"]), EXACT, "log loss");
    let top = |p: &[f64]| (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
    let (mut bins, names) = (calibration::Bins::new(15), ["0", "1", "2", "3", "4", "5", "6"]);
    for (p, y) in p.iter().zip(&y) {
        bins.add(p[top(p)], top(p) == *y);
    }
    close(bins.expected_error().unwrap(), number(&golden["top_label_ece15"]), EXACT, "ece of the top label");
    let labels = p.iter().zip(&y).map(|(p, y)| (names[top(p)], names[*y], 1.0));
    close(agreement::cohen_kappa(labels).unwrap(), number(&golden["cohen_kappa"]), EXACT, "kappa");
}

#[test]
fn conformal_sets() {
    let golden = section("multiclass_conformal");
    let (p, y) = (rows(&golden["P"]), places(&golden["y"]));
    let alpha = number(&golden["alpha"]);
    assert_eq!(conformal::rank(200, alpha), Some(181));
    let check = |score: fn(&[f64], usize) -> Option<f64>, set: fn(&[f64], f64) -> Option<Vec<usize>>, name: &str| {
        let scores: Vec<f64> = (0..200).map(|i| score(&p[i], y[i]).unwrap()).collect();
        let threshold = conformal::quantile(&scores, alpha).unwrap();
        close(threshold, number(&golden[format!("{name}_qhat")]), EXACT, name);
        let expected: Vec<Vec<usize>> = golden[format!("{name}_sets")].as_array().unwrap().iter().map(places).collect();
        let sets: Vec<Vec<usize>> = p[200..].iter().map(|p| set(p, threshold).unwrap()).collect();
        assert_eq!(sets, expected);
        let covered = sets.iter().zip(&y[200..]).filter(|(set, y)| set.contains(y)).count();
        close(covered as f64 / 100.0, number(&golden[format!("{name}_coverage")]), EXACT, name);
    };
    check(conformal::lac_score, conformal::lac_set, "LAC");
    check(conformal::aps_score, conformal::aps_set, "APS");
}

#[test]
fn conformal_edges() {
    assert_eq!(conformal::rank(8, 0.1), None, "nine scores are the fewest for 90 %");
    assert_eq!(conformal::rank(9, 0.1), Some(9));
    assert_eq!(conformal::rank(99, 0.1), Some(90));
    assert_eq!(conformal::lac_set(&[0.5, 0.3, 0.2], 0.4), Some(vec![]), "no class is sure enough");
    assert_eq!(conformal::lac_set(&[0.5, 0.3, 0.2], 1.0), Some(vec![0, 1, 2]));
    assert_eq!(conformal::aps_set(&[0.5, 0.3, 0.2], 1.0), Some(vec![0, 1, 2]));
    assert_eq!(conformal::aps_set(&[0.2, 0.3, 0.5], 0.6), Some(vec![1, 2]));
    assert_eq!(conformal::aps_set(&[0.2, f64::NAN, 0.5], 0.6), None);
    assert_eq!(conformal::aps_score(&[0.2, 0.8], 2), None);
    assert_eq!(conformal::lac_score(&[0.2, 0.8], 2), None);
}

/// A row that no threshold covers counts: left out, it would lower the threshold.
#[test]
fn infinite_scores_count() {
    let mut scores: Vec<f64> = (1..=16).map(f64::from).collect();
    scores.extend([f64::INFINITY; 3]);
    // 19 scores: ⌈20 · 0.8⌉ = 16 and ⌈20 · 0.9⌉ = 18.
    assert_eq!(conformal::quantile(&scores, 0.2), Some(16.0));
    assert_eq!(conformal::quantile(&scores, 0.1), None);
    scores.push(f64::NAN);
    assert_eq!(conformal::quantile(&scores, 0.2), Some(16.0), "NaN is missing");
}

#[test]
fn conformal_regression() {
    let golden = section("regression_conformal");
    let residuals: Vec<f64> = numbers(&golden["y"]).iter().zip(numbers(&golden["pred"])).map(|(y, p)| (y - p).abs()).collect();
    let threshold = conformal::quantile(&residuals[..100], number(&golden["alpha"])).unwrap();
    close(threshold, number(&golden["qhat"]), EXACT, "threshold");
    let covered = residuals[100..].iter().filter(|r| **r <= threshold).count();
    close(covered as f64 / 50.0, number(&golden["coverage"]), EXACT, "coverage");
}

#[test]
fn two_measurements() {
    let golden = section("agreement");
    let mut pairs = agreement::Pairs::default();
    numbers(&golden["a"]).into_iter().zip(numbers(&golden["b"])).for_each(|(a, b)| pairs.add(a, b));
    let is = |got: f64, what: &str| close(got, number(&golden[what]), EXACT, what);
    let limits = pairs.bland_altman().unwrap();
    is(limits.bias, "bland_altman_bias");
    all_close(&[limits.lower, limits.upper], &numbers(&golden["loa"]), EXACT, "limits");
    is(pairs.within_subject_sd().unwrap(), "within_subject_sd");
    is(pairs.within_subject_sd().unwrap() * 2.77, "coefficient_of_repeatability");
    is(pairs.lin_ccc().unwrap(), "lin_ccc");
    is(pairs.icc(agreement::IccForm::Agreement).unwrap(), "icc_2_1");
    is(pairs.icc(agreement::IccForm::Consistency).unwrap(), "icc_3_1");
}

/// Seconds of measurement instants on two clocks: differences of quarters of a second beside 1.7e9. By Python's exact fractions.
#[test]
fn differences_of_large_measurements() {
    let mut pairs = agreement::Pairs::default();
    for i in 0..200 {
        let a = 1.7e9 + 86_400.0 * f64::from(i);
        pairs.add(a, a - f64::from(i * 37 % 11) * 0.25);
    }
    let found = pairs.bland_altman().unwrap();
    close(found.bias, 1.2425, 1e-12, "bias");
    close(found.sd, 0.793_705_608_500_295_4, 1e-12, "sd");
    close(pairs.within_subject_sd().unwrap(), 1.041_783_326_800_731_5, 1e-12, "within subjects");
    close(pairs.lin_ccc().unwrap(), 1.0, 1e-12, "ccc");
}

/// Shrout and Fleiss (1979), table 2, the first two of four judges: one-way value by their formula.
#[test]
fn one_way_correlation() {
    let mut pairs = agreement::Pairs::default();
    let judges = [(9.0, 2.0), (6.0, 1.0), (8.0, 4.0), (7.0, 1.0), (10.0, 5.0), (6.0, 2.0)];
    judges.into_iter().for_each(|(a, b)| pairs.add(a, b));
    let (between, within) = {
        let means = judges.map(|(a, b)| 0.5 * (a + b));
        let grand = means.iter().sum::<f64>() / 6.0;
        let between = 2.0 * means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / 5.0;
        (between, judges.iter().map(|(a, b)| 0.5 * (a - b) * (a - b)).sum::<f64>() / 6.0)
    };
    let expected = (between - within) / (between + within);
    close(pairs.icc(agreement::IccForm::OneWay).unwrap(), expected, EXACT, "icc(1,1)");
}

fn sample_of(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    // Few different values make ties, many digits make none.
    prop_oneof![
        proptest::collection::vec(-50.0..50.0f64, size.clone()),
        proptest::collection::vec((0..7i32).prop_map(f64::from), size)
    ]
}

fn guesses() -> impl Strategy<Value = Vec<(f64, bool)>> {
    proptest::collection::vec(((0..=20i32).prop_map(|p| f64::from(p) / 20.0), any::<bool>()), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sample_has_not_drifted_from_itself(x in sample_of(2..80), bins in 2usize..30) {
        if let Some(psi) = drift::psi(&x, &x, bins) {
            prop_assert_eq!(psi.psi, 0.0);
            prop_assert!(!psi.exceeds());
        }
        prop_assert_eq!(drift::ks_statistic(&x, &x), Some(0.0));
        prop_assert_eq!(drift::ks_p_value(&x, &x), Some(1.0));
        prop_assert_eq!(drift::wasserstein(&x, &x), Some(0.0));
        prop_assert_eq!(drift::js_divergence(&x, &x, bins).unwrap_or(0.0), 0.0);
    }

    #[test]
    fn drift_is_symmetric_and_bounded(x in sample_of(2..60), y in sample_of(2..60)) {
        let ks = drift::ks_statistic(&x, &y).unwrap();
        prop_assert!((0.0..=1.0).contains(&ks) && drift::ks_statistic(&y, &x) == Some(ks));
        let (p, back) = (drift::ks_p_value(&x, &y).unwrap(), drift::ks_p_value(&y, &x).unwrap());
        prop_assert!((0.0..=1.0).contains(&p) && (p - back).abs() < 1e-12);
        let p = drift::cvm_p_value(&x, &y).unwrap();
        prop_assert!((0.0..=1.0).contains(&p));
        let distance = drift::wasserstein(&x, &y).unwrap();
        prop_assert!((distance - drift::wasserstein(&y, &x).unwrap()).abs() < 1e-9);
        let shifted: Vec<f64> = x.iter().map(|v| v + 3.0).collect();
        prop_assert!((drift::wasserstein(&x, &shifted).unwrap() - 3.0).abs() < 1e-9);
        let edges = drift::quantile_edges(&x, 8).unwrap_or_default();
        let (p, q) = (drift::bin_counts(&x, &edges), drift::bin_counts(&y, &edges));
        let js = drift::js_divergence_of_counts(&p, &q).unwrap();
        prop_assert!((0.0..=1.0).contains(&js));
        prop_assert!((js - drift::js_divergence_of_counts(&q, &p).unwrap()).abs() < 1e-12);
        prop_assert!(drift::psi_of_counts(&p, &q).unwrap() >= 0.0);
    }

    /// The number of orders of the pooled sample that reach the statistic, counted one by one.
    #[test]
    fn the_exact_p_value_counts_orders(m in 1usize..6, n in 1usize..6, order in any::<u32>()) {
        let all = m + n;
        let statistic = |mask: u32| {
            let values = |own: bool| (0..all).filter(|i| (mask >> i & 1 == 1) == own).map(|i| i as f64).collect::<Vec<_>>();
            drift::ks_statistic(&values(true), &values(false)).unwrap()
        };
        let masks: Vec<u32> = (0..1u32 << all).filter(|mask| mask.count_ones() as usize == m).collect();
        let mask = masks[order as usize % masks.len()];
        let reached = masks.iter().filter(|other| statistic(**other) >= statistic(mask) - 1e-12).count();
        let values = |own: bool| (0..all).filter(|i| (mask >> i & 1 == 1) == own).map(|i| i as f64).collect::<Vec<_>>();
        let p = drift::ks_p_value(&values(true), &values(false)).unwrap();
        prop_assert!((p - reached as f64 / masks.len() as f64).abs() < 1e-12, "{} {}", p, reached);
    }

    #[test]
    fn adjusted_p_values_keep_their_order(p in proptest::collection::vec(0.0..1.0f64, 1..40)) {
        let adjusted = drift::benjamini_hochberg(&p);
        for i in 0..p.len() {
            prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
            prop_assert!((0..p.len()).all(|j| p[i] > p[j] || adjusted[i] <= adjusted[j]));
        }
    }

    #[test]
    fn the_opposite_prediction_has_the_opposite_area(pairs in guesses()) {
        let opposite: Vec<(f64, bool)> = pairs.iter().map(|(p, y)| (1.0 - p, *y)).collect();
        match (calibration::auc(&pairs), calibration::auc(&opposite)) {
            (Some(a), Some(b)) => prop_assert!((a + b - 1.0).abs() < 1e-12),
            (a, b) => prop_assert!(a.is_none() && b.is_none()),
        }
    }

    /// The score falls apart into Murphy's parts where every bin holds one probability.
    #[test]
    fn the_parts_make_the_score(pairs in guesses()) {
        let mut bins = calibration::Bins::new(21);
        pairs.iter().for_each(|(p, y)| bins.add(*p * 20.0 / 21.0 + 1e-9, *y));
        let score = |p: f64, y: bool| calibration::brier_score(p * 20.0 / 21.0 + 1e-9, y);
        let brier = pairs.iter().map(|(p, y)| score(*p, *y)).sum::<f64>() / pairs.len() as f64;
        let parts = bins.brier_parts().unwrap();
        prop_assert!((parts.reliability - parts.resolution + parts.uncertainty - brier).abs() < 1e-9);
    }

    #[test]
    fn recalibration_of_a_recalibrated_prediction_is_nothing(pairs in guesses()) {
        if let Some(found) = calibration::recalibration(&pairs) {
            let again: Vec<(f64, bool)> = pairs.iter().map(|(p, y)| {
                let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
                let eta = found.intercept + found.slope * (p / (1.0 - p)).ln();
                (1.0 / (1.0 + (-eta).exp()), *y)
            }).collect();
            // The maximum: residuals have no mean and no slope.
            let residual: f64 = again.iter().map(|(p, y)| p - f64::from(u8::from(*y))).sum();
            prop_assert!(residual.abs() < 1e-6, "{residual} {found:?}");
        }
    }

    #[test]
    fn parts_of_a_sample_merge_in_any_order(x in sample_of(6..60), cut in 1usize..5) {
        let vectors: Vec<&[f64]> = x.chunks_exact(2).collect();
        let of = |vectors: &[&[f64]]| {
            let (mut moments, mut pairs) = (multivariate::Moments::new(2), agreement::Pairs::default());
            for v in vectors {
                moments.add(v);
                pairs.add(v[0], v[1]);
            }
            (moments, pairs)
        };
        let (left, right) = vectors.split_at(cut.min(vectors.len()));
        let (whole, (mut a, pa), (mut b, pb)) = (of(&vectors), of(left), of(right));
        let back = multivariate::Moments::from_floats(&a.to_floats()).unwrap();
        prop_assert_eq!(back.to_floats(), a.to_floats());
        a.merge(&b);
        b.merge(&back);
        for merged in [a, b] {
            for (m, w) in merged.to_floats().iter().zip(whole.0.to_floats()) {
                prop_assert!((m - w).abs() < 1e-8, "{} {}", m, w);
            }
        }
        for (mut first, second) in [(pa, pb), (pb, pa)] {
            first.merge(&agreement::Pairs::from_floats(second.to_floats()));
            for (m, w) in first.to_floats().iter().zip(whole.1.to_floats()) {
                prop_assert!((m - w).abs() < 1e-8, "{} {}", m, w);
            }
        }
    }

    #[test]
    fn conformal_thresholds_keep_their_promise(x in sample_of(1..60), alpha in 0.02..0.9f64) {
        match conformal::quantile(&x, alpha) {
            Some(threshold) => {
                let within = x.iter().filter(|v| **v <= threshold).count() as f64;
                prop_assert!(within + 1e-9 >= (x.len() as f64 + 1.0) * (1.0 - alpha));
            }
            None => prop_assert!((x.len() as f64 + 1.0) * (1.0 - alpha) > x.len() as f64),
        }
    }

    #[test]
    fn hampel_leaves_lines_alone(a in -5.0..5.0f64, b in 0.1..5.0f64, k in 1usize..6) {
        let line: Vec<f64> = (0..30).map(|i| a + b * f64::from(i)).collect();
        let filtered: Vec<f64> = robust::hampel(&line, k, 3.0).into_iter().map(|h| h.unwrap().value).collect();
        prop_assert_eq!(filtered, line);
    }
}
