//! Feature vectors and principal components against golden values of scikit-learn and scipy, and what must hold for all.
use crate::support::*;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use datafusion::prelude::{SessionConfig, SessionContext};
use placido_udfs::sample::components::{self, Components, ComponentsError, Fit};
use placido_udfs::sample::metric::{self, Metric};
use placido_udfs::sample::profile;
use proptest::prelude::*;

/// The vectors of the golden file, by its formula.
fn vectors(n: u64, d: u64, seed: u64) -> Vec<Vec<f64>> {
    let element = |i: u64, j: u64| {
        let factor = |f: u64, weight: f64| weight * (hash01(i + seed * 1000, 200 + f) - 0.5) * (hash01(seed + f + 1, j) - 0.5);
        let factors: f64 = [4.0, 2.0, 1.0].into_iter().zip(0..).map(|(weight, f)| factor(f, weight)).sum();
        10.0 * hash01(seed, j) + factors + 0.2 * (hash01(i + seed * 1000, j) - 0.5)
    };
    (0..n).map(|i| (0..d).map(|j| element(i, j)).collect()).collect()
}

fn fit(vectors: &[Vec<f64>]) -> Fit {
    let mut fit = Fit::default();
    vectors.iter().for_each(|v| fit.add(v).unwrap());
    fit
}

fn scores(vector: &[f64], model: &Components) -> Vec<f64> {
    let mut out = Vec::new();
    components::scores(vector, &model.mean, &model.components, &mut out);
    out
}

fn restored(scores: &[f64], model: &Components) -> Vec<f64> {
    let mut out = Vec::new();
    components::restore(scores, &model.mean, &model.components, &mut out);
    out
}

fn orthonormal(model: &Components) -> f64 {
    let rows: Vec<&[f64]> = model.components.chunks(model.mean.len()).collect();
    let mut worst = 0.0_f64;
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate() {
            worst = worst.max((metric::dot(a, b) - f64::from(i == j)).abs());
        }
    }
    worst
}

#[test]
fn components_are_those_of_scikit_learn() {
    for case in json("vectors.json")["pca"].as_array().unwrap() {
        let [n, d, k, seed] = ["n", "d", "k", "seed"].map(|key| case[key].as_u64().unwrap());
        let rows = vectors(n, d, seed);
        let model = fit(&rows).finish(k as usize).unwrap().unwrap();
        let what = format!("{n} × {d}");
        assert_eq!((model.count, model.left_out), (n, 0));
        all_close(&model.explained_variance, &numbers(&case["explained_variance"]), 1e-11, &what);
        all_close(&model.explained_variance_ratio, &numbers(&case["explained_variance_ratio"]), 1e-11, &what);
        let first = d.min(12) as usize;
        all_close(&model.mean[..first], &numbers(&case["mean"]), 1e-12, &what);
        for (got, expected) in model.components.chunks(d as usize).zip(case["components"].as_array().unwrap()) {
            all_close(&got[..first], &numbers(expected), 1e-9, &what);
        }
        let score = scores(&rows[0], &model);
        all_close(&score, &numbers(&case["scores_0"]), 1e-9, &what);
        all_close(&restored(&score, &model)[..first], &numbers(&case["restored_0"]), 1e-9, &what);
        assert!(orthonormal(&model) < 1e-12, "{what}");
    }
}

#[test]
fn all_components_restore_the_vector() {
    for (n, d) in [(40, 9), (300, 200)] {
        let rows = vectors(n, d, 7);
        let model = fit(&rows).finish(d as usize).unwrap().unwrap();
        assert_eq!(model.explained_variance.len(), d as usize);
        close(model.explained_variance_ratio.iter().sum(), 1.0, 1e-12, "shares");
        for row in &rows {
            all_close(&restored(&scores(row, &model), &model), row, 1e-10, "there and back");
        }
    }
}

#[test]
fn krylov_and_dense_agree() {
    // 24 of 400 eigenvectors come from the iteration, 30 from the dense method; a double eigenvalue among them.
    let d = 400;
    let mut rows = vectors(900, d as u64, 8);
    for (i, row) in rows.iter_mut().enumerate() {
        let turn = 2.0 * std::f64::consts::PI * i as f64 / 900.0;
        row[1] = 30.0 * turn.cos();
        row[2] = 30.0 * turn.sin();
    }
    let fit = fit(&rows);
    let (few, many) = (fit.finish(24).unwrap().unwrap(), fit.finish(30).unwrap().unwrap());
    assert_eq!((few.explained_variance.len(), many.explained_variance.len()), (24, 30));
    assert!(orthonormal(&few) < 1e-11 && orthonormal(&many) < 1e-11);
    for (a, b) in few.explained_variance.iter().zip(&many.explained_variance) {
        close(a / b, 1.0, 1e-9, "variance");
    }
    // The plane of the double eigenvalue is unique, its axes are not.
    for j in [1, 2] {
        let share: f64 = few.components.chunks(d).take(2).map(|c| c[j] * c[j]).sum();
        close(share, 1.0, 1e-3, "the circle spans the first two components");
    }
}

#[test]
fn any_partition_gives_the_same() {
    // 600 vectors of 20: folded into matrices in some partitions, still pending in others.
    let rows = vectors(900, 20, 9);
    let whole = fit(&rows).finish(3).unwrap().unwrap();
    for cuts in [vec![1, 2, 899], vec![450], vec![290, 600, 700], vec![900]] {
        let mut merged = Fit::default();
        let mut from = 0;
        for to in cuts.into_iter().chain([900]) {
            let part = Fit::from_bytes(&fit(&rows[from..to]).to_bytes()).unwrap();
            merged.merge(part).unwrap();
            from = to;
        }
        let merged = merged.finish(3).unwrap().unwrap();
        assert_eq!(merged.count, 900);
        all_close(&merged.explained_variance, &whole.explained_variance, 1e-10, "variance");
        all_close(&merged.components, &whole.components, 1e-9, "components");
        all_close(&merged.mean, &whole.mean, 1e-12, "mean");
    }
}

/// Two z-scored features that move against each other have loadings of equal size: which one rounding makes the larger must not
/// decide the sign.
#[test]
fn equal_loadings_have_one_sign_in_any_partition() {
    let n = 700;
    let raw: Vec<[f64; 2]> = (0..n).map(|i| (hash01(i, 1), hash01(i, 2))).map(|(a, b)| [a + 0.3 * b, 0.3 * b - a]).collect();
    let z = |j: usize| {
        let mean = raw.iter().map(|r| r[j]).sum::<f64>() / n as f64;
        let sd = (raw.iter().map(|r| (r[j] - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        raw.iter().map(|r| (r[j] - mean) / sd).collect::<Vec<f64>>()
    };
    let rows: Vec<Vec<f64>> = z(0).into_iter().zip(z(1)).map(|(a, b)| vec![a, b]).collect();
    let half = 0.5_f64.sqrt();
    for cut in (0..=n as usize).step_by(7) {
        let mut merged = fit(&rows[cut..]);
        merged.merge(fit(&rows[..cut])).unwrap();
        let model = merged.finish(2).unwrap().unwrap();
        all_close(&model.components, &[half, -half, half, half], 1e-7, &format!("cut at {cut}"));
    }
}

#[test]
fn hostile_vectors_are_refused_or_left_out() {
    let mut one = Fit::default();
    one.add(&[1.0, 2.0]).unwrap();
    assert_eq!(one.add(&[1.0]), Err(ComponentsError::Length(2, 1)));
    assert_eq!(one.finish(2).unwrap(), None);
    one.add(&[f64::NAN, 2.0]).unwrap();
    one.add(&[1.0, 2.0]).unwrap();
    assert_eq!(one.finish(2).unwrap(), None, "vectors that do not vary have no components");
    one.add(&[3.0, 2.0]).unwrap();
    let model = one.finish(2).unwrap().unwrap();
    assert_eq!((model.count, model.left_out, model.explained_variance.len()), (3, 1, 1));
    all_close(&model.components, &[1.0, 0.0], 1e-15, "one direction");
    assert_eq!(Fit::default().add(&vec![0.0; 10_000]), Err(ComponentsError::TooLong(10_000)));
    assert_eq!(Fit::default().finish(3).unwrap(), None);
    assert_eq!(one.merge(fit(&[vec![1.0; 3]])), Err(ComponentsError::Length(2, 3)));
    let huge = fit(&[vec![1e200, -1e200], vec![-1e200, 1e200], vec![1e200, 1e200]]);
    assert_eq!(huge.finish(2), Err(ComponentsError::Overflow));
    for state in [
        vec![],
        vec![2.0, 0.0],
        vec![-1.0, 0.0, 0.0],
        vec![2.0, 0.0, 5.0, 1.0],
        vec![2.0, 0.0, 0.0, 1.0],
        vec![1e9, 0.0, 1.0],
        vec![f64::NAN; 9],
    ] {
        let bytes: Vec<u8> = state.iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(Fit::from_bytes(&bytes).err(), Some(ComponentsError::State), "{state:?}");
    }
    assert_eq!(Fit::from_bytes(&[0; 25]).err(), Some(ComponentsError::State), "not whole numbers");
}

#[test]
fn profiles_and_scales_are_those_of_scikit_learn() {
    let golden = json("vectors.json");
    let case = &golden["profile"];
    let mut rows = vectors(11, 4, 6);
    rows.iter_mut().for_each(|r| r[3] = 7.3);
    let got = profile::profile(&rows.concat(), 4);
    assert_eq!(got.present, [11; 4]);
    for (statistic, key) in [
        (&got.mean, "mean"),
        (&got.stddev_pop, "stddev_pop"),
        (&got.median, "median"),
        (&got.mad, "mad"),
        (&got.min, "min"),
        (&got.max, "max"),
    ] {
        all_close(statistic, &numbers(&case[key]), 1e-12, key);
    }
    let vector = numbers(&case["vector"]);
    let scaled = |center: &[f64], spread: Vec<f64>| {
        let mut out = Vec::new();
        profile::scale(&vector, center, spread.into_iter(), &mut out);
        out
    };
    all_close(&scaled(&got.mean, got.stddev_pop.clone()), &numbers(&case["zscore"]), 1e-11, "zscore");
    let width = got.max.iter().zip(&got.min).map(|(max, min)| max - min).collect();
    all_close(&scaled(&got.min, width), &numbers(&case["minmax"]), 1e-11, "minmax");
    let sigma = (0..4).map(|j| profile::robust_spread(got.mad[j], got.min[j], got.max[j])).collect();
    all_close(&scaled(&got.median, sigma), &numbers(&case["robust"]), 1e-10, "robust");
    // More than half of the values are equal, the others not: no spread to divide by.
    assert!(profile::robust_spread(0.0, 1.0, 9.0).is_nan() && profile::robust_spread(0.0, 7.3, 7.3) == 0.0);
    let mut unit = Vec::new();
    metric::unit(&vector, &mut unit);
    all_close(&unit, &numbers(&case["unit"]), 1e-15, "unit");
    rows.reverse();
    assert_eq!(profile::profile(&rows.concat(), 4), got, "to the last bit in any order");
}

#[test]
fn distances_are_those_of_scipy() {
    let golden = json("vectors.json");
    let case = &golden["distances"];
    let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
    for (metric, key) in [
        (Metric::Euclidean, "euclidean"),
        (Metric::Manhattan, "manhattan"),
        (Metric::Chebyshev, "chebyshev"),
        (Metric::Cosine, "cosine"),
    ] {
        close(metric::distance(&a, &b, metric).unwrap(), number(&case[key]), 1e-13, key);
        close(metric::distance(&b, &a, metric).unwrap(), number(&case[key]), 1e-13, key);
    }
    close(metric::dot(&a, &b), number(&case["dot"]), 1e-12, "dot");
    close(metric::norm(a.iter().copied()), number(&case["norm"]), 1e-13, "norm");
    close(metric::norm([3e200, 4e200].into_iter()) / 5e200, 1.0, 1e-15, "no overflow");
    close(metric::norm([3e-200, 4e-200].into_iter()) / 5e-200, 1.0, 1e-15, "no underflow");
    assert_eq!(metric::cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
    assert_eq!(metric::distance(&[f64::NAN], &[1.0], Metric::Chebyshev), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn dot_is_the_sum_of_products(v in proptest::collection::vec((-9.0..9.0f64, -9.0..9.0f64), 0..40)) {
        let (a, b): (Vec<f64>, Vec<f64>) = v.iter().copied().unzip();
        let expected: f64 = v.iter().map(|(a, b)| a * b).sum();
        prop_assert!((metric::dot(&a, &b) - expected).abs() < 1e-11);
    }

    #[test]
    fn scores_have_the_variance_that_the_model_says(n in 3u64..30, d in 1u64..30, seed in 0u64..500) {
        let rows = vectors(n, d, seed);
        let Some(model) = fit(&rows).finish(5).unwrap() else { return Ok(()) };
        prop_assert!(orthonormal(&model) < 1e-11);
        prop_assert!(model.explained_variance.is_sorted_by(|a, b| a >= b));
        for (c, variance) in model.explained_variance.iter().enumerate() {
            let mean_square: f64 = rows.iter().map(|r| scores(r, &model)[c].powi(2)).sum::<f64>() / (n as f64 - 1.0);
            prop_assert!((mean_square - variance).abs() < 1e-9);
        }
        for component in model.components.chunks(d as usize) {
            let largest = component.iter().fold(0.0, |top: f64, v| top.max(v.abs()));
            prop_assert!(*component.iter().find(|v| v.abs() >= 0.999_999 * largest).unwrap() > 0.0);
        }
    }
}

async fn run(sql: &str) -> Result<Vec<arrow::array::RecordBatch>, String> {
    run_with(sql, 4, 7).await
}

async fn run_with(sql: &str, partitions: usize, batch: usize) -> Result<Vec<arrow::array::RecordBatch>, String> {
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch);
    let context = SessionContext::new_with_config(config);
    placido_udfs::register_all(&context);
    let frame = context.sql(sql).await.map_err(|e| e.strip_backtrace())?;
    frame.collect().await.map_err(|e| e.strip_backtrace())
}

const ROWS: &str = "rows as (select i, [sin(i * 1.0), cos(i * 1.7), sin(i * 1.0) + 0.1 * cos(i * 3.1)] as v from \
                    (select unnest(range(1, 101)) as i))";

#[tokio::test]
async fn a_model_as_an_analyst_uses_it() {
    for model in ["(select m from model)", "m"] {
        let from = if model == "m" { "rows, model" } else { "rows" };
        let sql = format!(
            "with {ROWS}, model as (select pca_fit(v, k => 3) as m from rows) \
             select max(vector_distance(v, pca_restore(pca_transform(v, {model}), {model}))) as error, \
             var_samp(pca_transform(v, {model})[1]) / max({model}['explained_variance'][1]) as ratio from {from}"
        );
        let batches = run(&sql).await.unwrap();
        let column = |i: usize| batches[0].column(i).as_primitive::<Float64Type>().value(0);
        assert!(column(0) < 1e-12, "{}", column(0));
        close(column(1), 1.0, 1e-12, "the variance of the scores");
    }
}

#[tokio::test]
async fn partitions_and_batches_do_not_matter() {
    let sql = format!(
        "with {ROWS}, parts as (select i % 3 as g, *, v[1] as x, v[2] as y from rows) select g, \
         pca_fit(v, 2)['components'] as components, pca_fit(v, 2)['explained_variance'] as variance, \
         vector_profile(v)['mad'] as mad, vector_profile(v)['stddev_pop'] as sd, \
         [astigmatism_centroid(x, y)['axis'], astigmatism_ellipse(x, y)['area'], total_sd(x, y), hotelling_t2(x, y), \
         hotelling_t2_2samp_p_value(x, y, i > 50), axial_mean(i), axial_rayleigh_p_value(i)] as others \
         from parts group by g order by g"
    );
    let mut expected: Option<Vec<f64>> = None;
    for (partitions, batch) in [(1, 8192), (4, 7), (3, 1)] {
        let batches = run_with(&sql, partitions, batch).await.unwrap();
        let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        let lists = (1..all.num_columns()).map(|c| all.column(c).as_list::<i32>().values().clone());
        let got: Vec<f64> = lists.flat_map(|l| l.as_primitive::<Float64Type>().values().to_vec()).collect();
        assert_eq!((all.num_rows(), got.len()), (3, 3 * (6 + 2 + 3 + 3 + 7)));
        match &expected {
            None => expected = Some(got),
            Some(expected) => all_close(&got, expected, 1e-9, &format!("{partitions} partitions")),
        }
    }
}

#[tokio::test]
async fn models_in_a_column_may_be_missing() {
    // Struct columns that are sliced and have NULLs, as a join gives them.
    let sql = format!(
        "with {ROWS}, model as (select pca_fit(v, k => 3) as m from rows), \
         joined as (select i, v, case when i % 2 = 0 then m end as m from rows, model order by i offset 3) \
         select i, vector_distance(v, pca_restore(pca_transform(v, m), m)) as error from joined order by i"
    );
    let batches = run(&sql).await.unwrap();
    let mut rows = 0;
    for batch in &batches {
        let numbers = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
        let errors = batch.column(1).as_primitive::<Float64Type>();
        for (i, error) in numbers.iter().zip(errors) {
            assert_eq!(error.is_some(), i.unwrap() % 2 == 0);
            assert!(error.is_none_or(|e| e < 1e-12));
            rows += 1;
        }
    }
    assert_eq!(rows, 97);
}

#[tokio::test]
async fn wrong_vectors_say_what_is_wrong() {
    let model = "(select pca_fit(v) from rows)";
    for (sql, expected) in [
        ("select pca_fit(v, k => 0) from rows".to_owned(), "k is 1 to 256, got 0"),
        ("select pca_fit(v, k => 1000) from rows".to_owned(), "k is 1 to 256, got 1000"),
        ("select pca_fit(w) from (values ([1.0]), ([1.0, 2.0])) as t(w)".to_owned(), "differ in length"),
        ("select vector_profile(w) from (values ([1.0]), ([1.0, 2.0])) as t(w)".to_owned(), "differ in length"),
        (format!("select pca_transform([1.0], {model})"), "the vector has 1 elements, the model 3"),
        (format!("select pca_restore([1, 2, 3, 4], {model})"), "4 scores for a model of 3 components"),
        ("select pca_transform([1.0], named_struct('mean', [1.0]))".to_owned(), "no field components; it must come from pca_fit"),
        (
            "select normalize_vector([1.0], named_struct('mean', [1.0]))".to_owned(),
            "no field stddev_pop; it must come from vector_profile",
        ),
        ("select normalize_vector([1.0], (select vector_profile(v) from rows))".to_owned(), "has 1 elements, the profile 3"),
        ("select normalize_vector([1.0], NULL, 'zoom')".to_owned(), "method is one of 'zscore'"),
        ("select vector_distance([1.0], [1.0], 'taxi')".to_owned(), "metric is one of 'euclidean'"),
        ("select vector_dot([1.0], [1.0, 2.0])".to_owned(), "the vectors have 1 and 2 elements"),
        ("select matvec([1, 2, 3], [1, 2])".to_owned(), "a matrix of 3 elements has no rows of 2"),
        ("select matvec([1, 2, 3], [])".to_owned(), "has no rows of 0"),
        ("select astigmatism_ellipse(1.0, 2.0, level => 95)".to_owned(), "level is between 0 and 1, got 95"),
        ("select astigmatism_ellipse(1.0, 2.0, 0.9, kind => 'both')".to_owned(), "kind is one of 'centroid'"),
    ] {
        let got = run(&format!("with {ROWS} {sql}")).await.expect_err(&sql);
        assert!(got.contains(expected), "{sql}: {got}");
    }
}

#[test]
fn no_function_hides_one_of_the_engine() {
    let state = SessionContext::new().state();
    for entry in placido_udfs::FAMILIES.iter().flat_map(|f| f.entries()) {
        let name = entry.head.name;
        let known = state.scalar_functions().contains_key(name) || state.aggregate_functions().contains_key(name);
        assert!(!known && !state.window_functions().contains_key(name), "{name}");
    }
}
