//! Statistics of samples through SQL: the golden values, and the same answer however the rows are divided and ordered.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::Value;

use crate::support::*;

/// One partition in the given order; many small batches in four partitions, every second one backwards.
fn sessions(columns: Vec<(&str, ArrayRef)>) -> [SessionContext; 2] {
    let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let all = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, c)| c).collect()).unwrap();
    let backwards = |batch: RecordBatch| {
        let rows = Int64Array::from_iter_values((0..batch.num_rows() as i64).rev());
        let columns = batch.columns().iter().map(|c| take(c, &rows, None).unwrap()).collect();
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    let mut parts = vec![Vec::new(); 4];
    for (k, from) in (0..all.num_rows()).step_by(7).enumerate() {
        let batch = all.slice(from, 7.min(all.num_rows() - from));
        parts[(k * 5 + 2) % 4].push(if k % 2 == 0 { batch } else { backwards(batch) });
    }
    [(1, vec![vec![all]]), (4, parts)].map(|(partitions, data)| {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
        placido_udfs::register_all(&context);
        context.register_table("t", Arc::new(MemTable::try_new(Arc::clone(&schema), data).unwrap())).unwrap();
        context
    })
}

async fn value(context: &SessionContext, sql: &str) -> f64 {
    let query = format!("select {sql} from t");
    let batches = context.sql(&query).await.unwrap_or_else(|e| panic!("{sql}: {e}")).collect().await.unwrap();
    let column = cast(batches[0].column(0), &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().value(0)
}

/// Every expression gives the golden value in both sessions; the same bits where all values are held and sorted.
async fn check(columns: Vec<(&str, ArrayRef)>, expected: &[(&str, f64, bool)]) {
    let [one, many] = sessions(columns);
    for (sql, expected, same) in expected {
        let (a, b) = (value(&one, sql).await, value(&many, sql).await);
        close(a, *expected, 1e-10, sql);
        close(b, *expected, 1e-10, sql);
        assert!(!same || a == b, "{sql} depends on the order: {a}, {b}");
    }
}

fn floats(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

fn of(value: &Value, names: &[&str]) -> Vec<f64> {
    names.iter().map(|n| number(&value[*n])).collect()
}

#[tokio::test]
async fn drift() {
    let golden = &json("stats_drift_calibration.json")["drift"];
    let (reference, current) = (numbers(&golden["ref"]), numbers(&golden["cur"]));
    let flags: Vec<bool> = reference.iter().map(|_| false).chain(current.iter().map(|_| true)).collect();
    let names =
        ["psi", "ks_D", "ks_p_exact_or_auto", "wasserstein1", "wasserstein1_over_ref_sd", "js_distance_base2", "cvm", "cvm_p"];
    let e = of(&golden["results"][0], &names);
    check(
        vec![("x", floats([reference, current].concat())), ("c", Arc::new(BooleanArray::from(flags)))],
        &[
            ("psi(x, c)", e[0], true),
            ("psi_detail(x, c)['psi']", e[0], true),
            ("ks_statistic(x, c)", e[1], true),
            ("ks_p_value(x, c)", e[2], true),
            ("wasserstein(x, c)", e[3], true),
            ("wasserstein(x, c, 'reference_sd')", e[4], true),
            ("js_distance(x, c)", e[5], true),
            ("cvm_statistic(x, c)", e[6], true),
            ("cvm_p_value(x, c)", e[7], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn drift_of_categories() {
    let golden = &json("stats_drift_calibration.json")["drift_categorical"];
    let (mut names, mut flags) = (Vec::new(), Vec::new());
    for (key, current) in [("ref_counts", false), ("cur_counts", true)] {
        for (k, count) in numbers(&golden[key]).into_iter().enumerate() {
            names.extend(std::iter::repeat_n(format!("stage {k}"), count as usize));
            flags.extend(std::iter::repeat_n(current, count as usize));
        }
    }
    let e = of(golden, &["psi", "js_bits", "chi2", "p", "cramers_v"]);
    check(
        vec![("k", Arc::new(StringArray::from(names))), ("c", Arc::new(BooleanArray::from(flags)))],
        &[
            ("category_psi(k, c)", e[0], true),
            ("category_js_distance(k, c)", e[1].sqrt(), true),
            ("chi_square(k, c)", e[2], true),
            ("chi_square_p_value(k, c)", e[3], true),
            ("cramers_v(k, c)", e[4], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn calibration() {
    let golden = &json("stats_drift_calibration.json")["calibration_binary"];
    let names = [
        "brier",
        "log_loss",
        "auc",
        "average_precision",
        "ece10",
        "mce10",
        "ece10_adaptive",
        "murphy_reliability",
        "murphy_resolution",
        "cal_intercept",
        "cal_slope",
        "mcc_at_0_5",
    ];
    let e = of(golden, &names);
    check(
        vec![("p", floats(numbers(&golden["p"]))), ("y", floats(numbers(&golden["y"])))],
        &[
            ("brier(p, y)", e[0], false),
            ("log_loss(p, y)", e[1], false),
            ("auc(p, y)", e[2], true),
            ("average_precision(p, y)", e[3], true),
            ("ece(p, y)", e[4], false),
            ("mce(p, y = 1)", e[5], false),
            ("ece_adaptive(p, y)", e[6], true),
            ("brier_decomposition(p, y)['reliability']", e[7], false),
            ("brier_decomposition(p, y)['resolution']", e[8], false),
            ("calibration_intercept(p, y)", e[9], true),
            ("calibration_slope(p, y)", e[10], true),
            ("mcc(p, y)", e[11], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn classes_and_sets() {
    let golden = &json("stats_drift_calibration.json")["multiclass_conformal"];
    let rows: Vec<Option<Vec<Option<f64>>>> =
        golden["P"].as_array().unwrap().iter().map(|p| Some(numbers(p).into_iter().map(Some).collect())).collect();
    let p: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    let y: Vec<f64> = numbers(&golden["y"]).iter().map(|y| y + 1.0).collect();
    let row = floats((0..300).map(f64::from).collect());
    let names = ["brier_multiclass", "log_loss", "top_label_ece15", "cohen_kappa", "LAC_qhat", "APS_qhat"];
    let e = of(golden, &names);
    let size = of(golden, &["LAC_mean_size", "APS_mean_size"]);
    let lac = format!("avg(cardinality(lac_set(p, {}))::float8) filter (where i >= 200)", e[4]);
    let aps = format!("avg(cardinality(aps_set(p, {}))::float8) filter (where i >= 200)", e[5] - 1e-12);
    check(
        vec![("i", row), ("p", p), ("y", floats(y))],
        &[
            ("multiclass_brier(p, y)", e[0], false),
            ("multiclass_log_loss(p, y)", e[1], false),
            ("ece(array_max(p), array_position(p, array_max(p)) = y, bins => 15)", e[2], false),
            ("cohen_kappa(array_position(p, array_max(p))::text, y::int::text)", e[3], true),
            ("conformal_quantile(lac_score(p, y)) filter (where i < 200)", e[4], true),
            ("conformal_quantile(aps_score(p, y), alpha => 0.1) filter (where i < 200)", e[5], true),
            (&lac, size[0], true),
            (&aps, size[1], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn robust_and_agreement() {
    let golden = json("stats_drift_calibration.json");
    let one = &golden["univariate"];
    let e = of(one, &["mad_raw", "mad_sigma", "tukey_lo", "tukey_hi"]);
    check(
        vec![("x", floats(numbers(&one["x"])))],
        &[
            ("mad(x)", e[0], true),
            ("mad(x, 'sigma')", e[1], true),
            ("tukey_fences(x)[1]", e[2], true),
            ("tukey_fences(x)[2]", e[3], true),
        ],
    )
    .await;
    let two = &golden["agreement"];
    let names = ["bland_altman_bias", "within_subject_sd", "lin_ccc", "coefficient_of_repeatability", "icc_2_1", "icc_3_1"];
    let e = of(two, &names);
    check(
        vec![("a", floats(numbers(&two["a"]))), ("b", floats(numbers(&two["b"])))],
        &[
            ("bland_altman(a, b)['bias']", e[0], false),
            ("bland_altman(a, b)['upper']", numbers(&two["loa"])[1], false),
            ("within_subject_sd(a, b)", e[1], false),
            ("lin_ccc(a, b)", e[2], false),
            ("repeatability_coefficient(a, b)", e[3], false),
            ("icc(a, b)", e[4], false),
            ("icc(a, b, '3,1')", e[5], false),
        ],
    )
    .await;
}

#[tokio::test]
async fn vectors() {
    let golden = &json("stats_drift_calibration.json")["mahalanobis"];
    let rows: Vec<Option<Vec<Option<f64>>>> =
        golden["X"].as_array().unwrap().iter().map(|v| Some(numbers(v).into_iter().map(Some).collect())).collect();
    let v: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    let [one, many] = sessions(vec![("v", v), ("i", floats((0..60).map(f64::from).collect()))]);
    for (fit, key) in [("covariance_fit", "classical_outliers"), ("mcd_fit", "mcd_outliers")] {
        for context in [&one, &many] {
            let sql = format!(
                "select array_agg(i order by i) from (select i, mahalanobis(v, f['center'], f['covariance']) as d from t, \
                 (select {fit}(v) as f from t)) where d * d > chi_square_quantile(0.975, 3)"
            );
            let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
            let outliers = batches[0].column(0).as_list::<i32>().value(0);
            assert_eq!(outliers.as_primitive::<Float64Type>().values().to_vec(), numbers(&golden[key]), "{fit}");
        }
    }
}

/// A group of one row, an empty group and a group of NULLs for each aggregate: an answer or NULL, never an error or NaN.
#[tokio::test]
async fn small_groups_have_an_answer_or_none() {
    let context = SessionContext::new();
    placido_udfs::register_all(&context);
    let families = ["robust", "drift", "calibration", "conformal", "agreement"];
    for family in placido_udfs::FAMILIES.iter().filter(|f| families.contains(&f.name)) {
        for aggregate in family.aggregates {
            let argument = |kind| match kind {
                placido_udfs::Kind::Number if family.name == "calibration" => "p",
                placido_udfs::Kind::Number => "x",
                placido_udfs::Kind::Text => "k",
                placido_udfs::Kind::Flag => "y",
                _ => "v",
            };
            let required = aggregate.parameters.iter().filter(|p| p.default.is_empty());
            let arguments: Vec<&str> = required.map(|p| if p.name == "class" { "one" } else { argument(p.kind) }).collect();
            let call = format!("{}({})", aggregate.name, arguments.join(", "));
            let rows = "(values (1, 1.5, 0.5, 'a', true, [0.25, 0.75], 1), (2, NULL, NULL, NULL, NULL, NULL, NULL), \
                        (3, arrow_cast('NaN', 'Float64'), arrow_cast('NaN', 'Float64'), 'b', false, [NULL, 0.5], 1)) \
                        as t(g, x, p, k, y, v, one)";
            for rest in ["where g > 9", "where g = 1", "where g = 2", "where g = 3", "", "group by g"] {
                let sql = format!("select {call} as answer from {rows} {rest}");
                let batches = context.sql(&sql).await.unwrap().collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
                for batch in &batches {
                    let text = |row| array_value_to_string(batch.column(0), row).unwrap().to_lowercase();
                    let texts: Vec<String> = (0..batch.num_rows()).map(text).collect();
                    assert!(texts.iter().all(|t| !t.contains("nan") && !t.contains("inf")), "{sql}: {texts:?}");
                }
            }
        }
    }
}

/// A frame that slides gives what the rows of the frame give alone.
#[tokio::test]
async fn aggregates_slide() {
    let x: Vec<f64> = (0..40).map(|i| hash01(7, i)).collect();
    let [context, _] = sessions(vec![("x", floats(x)), ("i", floats((0..40).map(f64::from).collect()))]);
    for call in ["psi(x, i % 2 = 0, 3)", "auc(x, i % 3 = 0)", "mad(x)", "lin_ccc(x, i)", "ece(x, i % 2 = 0)"] {
        let sliding = format!(
            "select sum(abs(s - w)), count(s) from (select i as j, {call} over (order by i rows between 9 preceding and current row) as s \
             from t) join (select b.i as k, {} as w from t a, t b where a.i between b.i - 9 and b.i group by b.i) on j = k",
            call.replace("(x", "(a.x").replace(", i", ", a.i")
        );
        let batches = context.sql(&sliding).await.unwrap().collect().await.unwrap();
        let sum = batches[0].column(0).as_primitive::<Float64Type>().value(0);
        assert!(sum < 1e-9, "{call}: {sum}");
        let count = cast(batches[0].column(1), &DataType::Int64).unwrap();
        assert!(count.as_primitive::<arrow::datatypes::Int64Type>().value(0) > 30, "{call}");
    }
}

/// Units travel, and measurements in different units are not compared.
#[tokio::test]
async fn units() {
    let context = SessionContext::new();
    placido_udfs::register_all(&context);
    let unit = |unit: &str| [("unit".to_owned(), unit.to_owned())].into();
    let fields = vec![
        Field::new("a", DataType::Float64, true).with_metadata(unit("um")),
        Field::new("b", DataType::Float64, true).with_metadata(unit("mm")),
    ];
    let columns = vec![floats(vec![531.0, 540.0]), floats(vec![0.53, 0.54])];
    context.register_batch("t", RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()).unwrap();
    let schema = |sql: &str| {
        let (context, sql) = (context.clone(), sql.to_owned());
        async move { context.sql(&sql).await.map(|f| f.schema().field(0).clone()).map_err(|e| e.strip_backtrace()) }
    };
    for call in ["mad(a)", "tukey_fences(a)", "within_subject_sd(a, a)", "total_sd(a, a)", "conformal_quantile(a)"] {
        let field = schema(&format!("select {call} from t")).await.unwrap();
        assert_eq!(field.metadata().get("unit").map(String::as_str), Some("um"), "{call}");
    }
    let of_two = ["total_sd(a, b)", "hotelling_t2(a, b)", "hotelling_t2_2samp_detail(a, b, true)"];
    for call in ["bland_altman(a, b)", "lin_ccc(a, b)", "icc(a, b)", "within_subject_sd(a, b)"].iter().chain(&of_two) {
        let error = schema(&format!("select {call} from t")).await.unwrap_err();
        assert!(error.contains("different units, 'um' and 'mm'"), "{error}");
    }
}
