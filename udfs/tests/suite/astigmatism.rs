//! Samples of astigmatisms and of axes against golden values, and what must hold for every sample.
use crate::support::*;
use placido_udfs::optics::astigmatism::{CylinderForm, PowerVector, SpheroCylinder, double_angle};
use placido_udfs::sample::axial::Axial;
use placido_udfs::sample::bivariate::{Bivariate, EllipseKind, Hotelling};
use proptest::prelude::*;
use serde_json::Value;

fn sample(data: &Value) -> Bivariate {
    let mut sample = Bivariate::default();
    for row in data.as_array().unwrap() {
        let row = numbers(row);
        let (x, y) = double_angle(row[0], row[1]);
        sample.add(x, y);
    }
    sample
}

fn same_axis(got: f64, expected: f64, what: &str) {
    close((got - expected + 90.0).rem_euclid(180.0) - 90.0, 0.0, 1e-9, what);
}

#[test]
fn crossed_cylinders_and_matrices() {
    let golden = json("astigmatism.json");
    let lens = |v: &[f64]| SpheroCylinder { sphere: v[0], cylinder: v[1], axis: v[2] };
    for case in golden["crossed_cylinders"].as_array().unwrap() {
        let [a, b] = ["a", "b"].map(|k| PowerVector::of(lens(&numbers(&case[k]))));
        let (got, expected) = ((a + b).sphero_cylinder(CylinderForm::Minus), numbers(&case["sum_minus_cyl"]));
        all_close(&[got.sphere, got.cylinder], &expected[..2], 1e-12, "crossed");
        if got.cylinder.abs() > 1e-9 {
            same_axis(got.axis, expected[2], "crossed");
        }
    }
    // Long's matrix, written with the axis: [S + C sin²A, −C sin A cos A; …, S + C cos²A].
    for case in golden["power_vectors"].as_array().unwrap() {
        let [sphere, cylinder, axis] = ["S", "C", "axis"].map(|k| number(&case[k]));
        let (sin, cos) = axis.to_radians().sin_cos();
        let off = -cylinder * sin * cos;
        let expected = [sphere + cylinder * sin * sin, off, off, sphere + cylinder * cos * cos];
        all_close(&PowerVector::of(SpheroCylinder { sphere, cylinder, axis }).matrix(), &expected, 1e-12, "matrix");
    }
}

#[test]
fn centroid_and_spread() {
    let golden = json("astigmatism.json");
    let set = &golden["double_angle_set"];
    let sample = sample(&set["data"]);
    assert_eq!(sample.count(), number(&set["n"]));
    all_close(&sample.mean().unwrap(), &numbers(&set["centroid_xy"]), 1e-12, "centroid");
    let s = sample.covariance().unwrap();
    all_close(&[s.xx, s.xy], &numbers(&set["cov"][0]), 1e-12, "covariance");
    all_close(&[s.xy, s.yy], &numbers(&set["cov"][1]), 1e-12, "covariance");
    all_close(&[s.xx.sqrt(), s.yy.sqrt()], &["sd_x", "sd_y"].map(|k| number(&set[k])), 1e-12, "sd");
    close(sample.total_sd().unwrap(), number(&set["total_sd"]), 1e-12, "total sd");
    all_close(&s.eigenvalues(), &numbers(&set["eigenvalues"]), 1e-12, "eigenvalues");
    let centroid = placido_udfs::optics::astigmatism::Astigmatism::from_vector(sample.mean().unwrap().into());
    close(centroid.magnitude, number(&set["centroid"][0]), 1e-12, "magnitude");
    same_axis(centroid.axis, number(&set["centroid"][1]), "axis");
}

#[test]
fn three_kinds_of_ellipse() {
    let golden = json("astigmatism.json");
    let set = &golden["double_angle_set"];
    let sample = sample(&set["data"]);
    for (kind, key) in [
        (EllipseKind::Centroid, "confidence_ellipse_centroid"),
        (EllipseKind::Prediction, "prediction_ellipse_F"),
        (EllipseKind::Dataset, "dataset_ellipse_chi2"),
    ] {
        let ellipse = sample.ellipse(kind, 0.95).unwrap();
        let expected = ["semi_major", "semi_minor", "area"].map(|k| number(&set[key][k]));
        all_close(&[ellipse.semi_major, ellipse.semi_minor, ellipse.area], &expected, 1e-11, key);
        close(ellipse.orientation_deg, number(&set["major_axis_double_angle_deg"]), 1e-9, "orientation");
        all_close(&ellipse.center, &numbers(&set["centroid_xy"]), 1e-12, "centre");
    }
}

fn check(got: Hotelling, expected: [&Value; 3], df2: f64) {
    all_close(&[got.t2, got.f, got.p_value], &expected.map(number), 1e-12, "T², F, p");
    assert_eq!((got.df1, got.df2), (2.0, df2));
}

#[test]
fn hotelling_against_statsmodels() {
    let golden = json("astigmatism.json");
    let set = &golden["double_angle_set"];
    let one = sample(&set["data"]).hotelling().unwrap();
    check(one, ["hotelling_T2", "F", "p"].map(|k| &set[k]), 10.0);
    check(one, ["statsmodels_T2", "statsmodels_F", "statsmodels_p"].map(|k| &set[k]), 10.0);
    let set = &golden["hotelling_two_sample"];
    let (a, b) = (sample(&set["a"]), sample(&set["b"]));
    let two = a.hotelling_two(&b).unwrap();
    check(two, ["T2", "F", "p"].map(|k| &set[k]), number(&set["df"][1]));
    close(two.f, number(&set["statsmodels_stat"]), 1e-12, "statsmodels");
    close(two.p_value, number(&set["statsmodels_p"]), 1e-12, "statsmodels");
    let swapped = b.hotelling_two(&a).unwrap();
    close(swapped.t2, two.t2, 1e-12, "the order of the samples does not matter");
}

#[test]
fn quantiles_of_f_and_chi_squared_against_scipy() {
    // A sample with unit covariance and n − 2 degrees of freedom: its ellipses show the quantiles.
    for case in json("vectors.json")["quantiles"].as_array().unwrap() {
        let [level, df, f, chi2, tail] = ["level", "df", "f", "chi2", "tail"].map(|k| number(&case[k]));
        let n = df + 2.0;
        let sample = Bivariate::from_numbers(&[n, 0.0, 0.0, n - 1.0, n - 1.0, 0.0]).unwrap();
        let dataset = sample.ellipse(EllipseKind::Dataset, level).unwrap();
        close(dataset.semi_major.powi(2) / chi2, 1.0, 1e-12, "χ²");
        let centroid = sample.ellipse(EllipseKind::Centroid, level).unwrap();
        close(centroid.semi_minor.powi(2) / (2.0 * (n - 1.0) / (n * df) * f), 1.0, 1e-11, "F");
        // T² with F = 3.7 for the upper tail: a mean vector of the right length.
        let t2: f64 = 3.7 * 2.0 * (n - 1.0) / df;
        let moved = Bivariate::from_numbers(&[n, (t2 / n).sqrt(), 0.0, n - 1.0, n - 1.0, 0.0]).unwrap();
        close(moved.hotelling().unwrap().p_value / tail, 1.0, 1e-10, "tail");
    }
}

#[test]
fn axes_against_golden_values() {
    let set = &json("astigmatism.json")["axis_circular"];
    let data = json("astigmatism.json");
    let mut sample = Axial::default();
    for row in data["double_angle_set"]["data"].as_array().unwrap() {
        sample.add(number(&row[1]));
    }
    close(sample.mean_deg().unwrap(), number(&set["mean_axis"]), 1e-10, "mean axis");
    close(sample.resultant().unwrap(), number(&set["resultant_R"]), 1e-12, "R");
    close(sample.variance().unwrap(), number(&set["circ_var"]), 1e-12, "variance");
    close(sample.rayleigh_z().unwrap(), number(&set["rayleigh_z"]), 1e-12, "z");
    for case in json("vectors.json")["axial"].as_array().unwrap() {
        let mut sample = Axial::default();
        numbers(&case["axes"]).into_iter().for_each(|a| sample.add(a));
        same_axis(sample.mean_deg().unwrap(), number(&case["mean_axis"]), "mean axis");
        close(sample.resultant().unwrap(), number(&case["resultant"]), 1e-12, "R");
        close(sample.rayleigh_z().unwrap(), number(&case["z"]), 1e-10, "z");
        close(sample.rayleigh_p().unwrap() / number(&case["p_pingouin"]), 1.0, 1e-9, "p");
    }
}

#[test]
fn too_little_has_no_answer() {
    let mut sample = Bivariate::default();
    assert_eq!((sample.mean(), sample.total_sd()), (None, None));
    sample.add(1.0, 2.0);
    sample.add(f64::NAN, 2.0);
    assert_eq!((sample.count(), sample.mean(), sample.total_sd()), (1.0, Some([1.0, 2.0]), None));
    sample.add(2.0, 1.0);
    assert!(sample.ellipse(EllipseKind::Dataset, 0.5).is_none() && sample.hotelling().is_none());
    // Three points on a line: an ellipse without width, no test.
    sample.add(3.0, 0.0);
    close(sample.ellipse(EllipseKind::Dataset, 0.5).unwrap().semi_minor, 0.0, 1e-7, "a line has no width");
    assert_eq!(sample.hotelling(), None);
    assert_eq!(sample.hotelling_two(&Bivariate::default()), None);
    let mut axes = Axial::default();
    assert_eq!((axes.mean_deg(), axes.resultant(), axes.rayleigh_p()), (None, None, None));
    axes.add(0.0);
    assert_eq!((axes.mean_deg(), axes.rayleigh_p()), (Some(180.0), None));
    axes.add(90.0);
    assert_eq!(axes.mean_deg(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same(points in proptest::collection::vec((-5.0..5.0f64, -5.0..5.0f64), 3..40), cut in 0usize..40, far in 0.0..1e4f64) {
        let cut = cut.min(points.len());
        let of = |points: &[(f64, f64)]| {
            let mut sample = Bivariate::default();
            points.iter().for_each(|(x, y)| sample.add(x + far, *y));
            sample
        };
        let whole = of(&points);
        let (mut left, right) = (of(&points[..cut]), of(&points[cut..]));
        let mut turned = right;
        turned.merge(&left);
        left.merge(&right);
        for merged in [left, turned] {
            let (a, b) = (merged.covariance().unwrap(), whole.covariance().unwrap());
            prop_assert_eq!(merged.count(), whole.count());
            for (a, b) in [(a.xx, b.xx), (a.xy, b.xy), (a.yy, b.yy)] {
                prop_assert!((a - b).abs() < 1e-8, "{} {}", a, b);
            }
        }
        // Two passes over the numbers as they are.
        let n = points.len() as f64;
        let mean = points.iter().map(|p| p.0 + far).sum::<f64>() / n;
        let variance = points.iter().map(|p| (p.0 + far - mean).powi(2)).sum::<f64>() / (n - 1.0);
        prop_assert!((variance - whole.covariance().unwrap().xx).abs() < 1e-8);
    }

    #[test]
    fn axes_turn_with_their_mean(axes in proptest::collection::vec(0.0..60.0f64, 1..20), turn in -360.0..360.0f64) {
        let (mut still, mut turned) = (Axial::default(), Axial::default());
        for axis in axes {
            still.add(axis);
            turned.add(axis + turn);
        }
        let difference = (turned.mean_deg().unwrap() - still.mean_deg().unwrap() - turn + 90.0).rem_euclid(180.0) - 90.0;
        prop_assert!(difference.abs() < 1e-6);
        prop_assert!((turned.resultant().unwrap() - still.resultant().unwrap()).abs() < 1e-9);
    }

    #[test]
    fn p_values_are_probabilities(points in proptest::collection::vec((-1e3..1e3f64, -1e3..1e3f64), 0..12)) {
        let (mut sample, mut axes) = (Bivariate::default(), Axial::default());
        for (x, y) in points {
            sample.add(x, y);
            axes.add(x);
        }
        for p in [sample.hotelling().map(|t| t.p_value), axes.rayleigh_p()].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&p), "{}", p);
        }
    }
}
