//! The whole way from SQL to an answer, against what ONNX Runtime gave in Python for the models of `tests/golden/models`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    RecordBatchOptions, StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::ColumnarValue;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::answer::Status;
use super::inputs::Binding;
use super::scores::evaluate;
use crate::models::format::ModelFiles;
use crate::models::{Model, ModelResolver, ModelStore};

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models").join(folder)
}

fn store() -> Arc<dyn ModelResolver> {
    let mut store = ModelStore::from_folder(&golden("")).unwrap();
    // Another version of one model: the same network under other words, so that versions can be told apart.
    let files = ModelFiles::from_folder(&golden("screening")).unwrap();
    let text = files.text("MLmodel").unwrap();
    let text = text.replace("version: 2", "version: 1").replace("\"normal\"", "\"healthy\"");
    let onnx = files.get("model.onnx").unwrap().to_vec();
    let old = ModelFiles::embedded([("MLmodel".to_owned(), text.leak().as_bytes()), ("model.onnx".to_owned(), &*onnx.leak())]);
    store.add(Model::from_files("screening", &old).unwrap());
    store.set_alias("screening", "champion", 2).unwrap();
    store.set_alias("screening", "previous", 1).unwrap();
    Arc::new(store)
}

/// Header and rows of a table; an empty field is `None`.
fn table_of(path: &Path) -> (Vec<String>, Vec<Vec<Option<f64>>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let rows = lines.map(|line| line.split(',').map(|field| field.parse().ok()).collect()).collect();
    (header, rows)
}

fn expected(folder: &str) -> (Vec<String>, Vec<Vec<Option<f64>>>) {
    table_of(&golden(folder).join("expected.csv"))
}

fn column(rows: &[Vec<Option<f64>>], index: usize) -> Vec<Option<f64>> {
    rows.iter().map(|row| row[index]).collect()
}

fn doubles(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// A table with a row number.
fn batch_of(header: &[String], rows: &[Vec<Option<f64>>]) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> =
        header.iter().enumerate().map(|(i, name)| (name.clone(), doubles(&column(rows, i)))).collect();
    columns.push(("id".into(), Arc::new(Int64Array::from_iter_values(0..rows.len() as i64))));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn batch(folder: &str) -> RecordBatch {
    let (header, rows) = expected(folder);
    batch_of(&header, &rows)
}

fn context() -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    super::register(&ctx, &store());
    for folder in ["screening", "sphere", "wide", "two_class", "merged"] {
        ctx.register_batch(folder, batch(folder)).unwrap();
    }
    ctx
}

async fn rows(ctx: &SessionContext, sql: &str) -> RecordBatch {
    let frame = ctx.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

async fn error(ctx: &SessionContext, sql: &str) -> String {
    let frame = match ctx.sql(sql).await {
        Ok(frame) => frame,
        Err(error) => return error.strip_backtrace(),
    };
    match frame.collect().await {
        Ok(_) => panic!("no error: {sql}"),
        Err(error) => error.strip_backtrace(),
    }
}

async fn texts(ctx: &SessionContext, sql: &str) -> Vec<Option<String>> {
    let batch = rows(ctx, sql).await;
    let array = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
    array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

async fn numbers(ctx: &SessionContext, sql: &str) -> Vec<Option<f64>> {
    let batch = rows(ctx, sql).await;
    batch.column(0).as_primitive::<Float64Type>().iter().collect()
}

async fn plan(ctx: &SessionContext, sql: &str) -> String {
    let batch = rows(ctx, &format!("explain {sql}")).await;
    let plans = batch.column(1).as_string::<i32>();
    plans.iter().flatten().collect::<Vec<_>>().join("\n")
}

fn close(got: &[Option<f64>], wanted: &[Option<f64>], tolerance: f64) {
    assert_eq!(got.len(), wanted.len());
    for (row, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        match (got, wanted) {
            (Some(got), Some(wanted)) => assert!((got - wanted).abs() <= tolerance, "row {row}: {got} and not {wanted}"),
            other => assert_eq!(other.0, other.1, "row {row}"),
        }
    }
}

#[tokio::test]
async fn probabilities_equal_onnx_runtime() {
    let ctx = context();
    for (folder, order) in [("screening", "id"), ("wide", "id"), ("two_class", "id"), ("merged", "id")] {
        let (header, table) = expected(folder);
        for (index, name) in header.iter().enumerate().filter(|(_, name)| name.starts_with("p_")) {
            let sql = format!("select predict_proba('{folder}', class => '{}') from {folder} order by {order}", &name[2..]);
            close(&numbers(&ctx, &sql).await, &column(&table, index), 1e-5);
        }
    }
}

/// Every shipped model brings rows with the answers of the framework that trained it.
#[tokio::test]
async fn shipped_models_equal_their_golden_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let store = ModelStore::from_folder(&folder).unwrap();
    assert_eq!(store.problems().count(), 0);
    let ctx = SessionContext::new();
    super::register(&ctx, &(Arc::new(store.clone()) as Arc<dyn ModelResolver>));
    for model in store.models() {
        let (header, table) = table_of(&folder.join(model.name()).join("golden.csv"));
        assert!(table.len() >= 10, "{}: {} rows", model.name(), table.len());
        ctx.register_batch(model.name(), batch_of(&header, &table)).unwrap();
        for class in model.signature().classes().unwrap() {
            let answers = header.iter().position(|name| *name == format!("p_{class}")).unwrap();
            let sql = format!("select predict_proba('{0}', class => '{class}') from {0} order by id", model.name());
            close(&numbers(&ctx, &sql).await, &column(&table, answers), 1e-5);
        }
    }
}

#[tokio::test]
async fn numbers_equal_onnx_runtime_and_carry_their_unit() {
    let ctx = context();
    let (header, table) = expected("sphere");
    let batch = rows(&ctx, "select predict('sphere') as power from sphere order by id").await;
    let got: Vec<Option<f64>> = batch.column(0).as_primitive::<Float64Type>().iter().collect();
    close(&got, &column(&table, header.iter().position(|name| name == "power_d").unwrap()), 1e-4);
    assert_eq!(batch.schema().field(0).metadata().get("unit").map(String::as_str), Some("[diop]"));
}

#[tokio::test]
async fn labels_are_the_most_probable_class() {
    let ctx = context();
    let classes = ["normal", "subclinical_keratoconus", "keratoconus"];
    let (_, table) = expected("screening");
    let wanted: Vec<Option<String>> = table
        .iter()
        .map(|row| {
            let scores: Vec<f64> = row[4..7].iter().map(|p| p.unwrap()).collect();
            let best = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
            Some(classes[best].to_owned())
        })
        .collect();
    assert_eq!(texts(&ctx, "select predict('screening') from screening order by id").await, wanted);
    assert!(classes.iter().all(|class| wanted.contains(&Some((*class).to_owned()))), "the sample holds all classes");
}

#[tokio::test]
async fn a_map_of_probabilities_reads_as_a_map() {
    let ctx = context();
    let sql = "select predict_proba('screening')['keratoconus'][1] = predict_proba('screening', 'keratoconus') from screening";
    let sql = if ctx.sql(sql).await.is_ok() { sql.to_owned() } else { sql.replace("[1]", "") };
    let batch = rows(&ctx, &sql).await;
    assert_eq!(batch.num_rows(), 60);
    assert!(batch.column(0).as_boolean().iter().all(|same| same == Some(true)));
}

#[tokio::test]
async fn a_picture_is_bound_from_a_list_column() {
    let ctx = context();
    let (_, table) = expected("picture");
    let flat: Vec<f64> = table.iter().flat_map(|row| row[..64].iter().map(|v| v.unwrap())).collect();
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let fixed: ArrayRef =
        Arc::new(FixedSizeListArray::new(Arc::clone(&item), 64, Arc::new(Float64Array::from(flat.clone())), None));
    let offsets = OffsetBuffer::new(ScalarBuffer::from((0..=10).map(|i| i * 64).collect::<Vec<i32>>()));
    let variable: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(Float64Array::from(flat)), None));
    for (name, maps) in [("fixed", fixed), ("variable", variable)] {
        let table_batch = RecordBatch::try_from_iter([("map", maps), ("age_years", doubles(&column(&table, 64)))]).unwrap();
        // A slice checks that offsets in the arrays are respected.
        ctx.register_batch(name, table_batch.slice(3, 7)).unwrap();
        for (class, index) in [("a", 65), ("b", 66), ("c", 67)] {
            let got = numbers(&ctx, &format!("select predict_proba('picture', '{class}') from {name}")).await;
            close(&got, &column(&table, index)[3..], 1e-5);
        }
    }
    let wrong = "select predict('picture') from (select [1.0, 2.0] as map, 3.0 as age_years)";
    assert!(error(&ctx, wrong).await.contains("takes a list of 64 numbers, and a row has 2"));
}

#[tokio::test]
async fn missing_values_pass_or_withhold_the_answer() {
    let ctx = context();
    // The age may be missing, the curvature may not.
    let age = "select predict('screening') from (select k_max_d, pachy_min_um, i_s_d, null::double as age_years from screening)";
    assert!(texts(&ctx, age).await.iter().all(Option::is_some));
    let curvature = "select predict('screening'), predict_proba('screening', 'normal'), predict_detail('screening')['status'], \
         predict_proba('screening') from (select null::double as k_max_d, pachy_min_um, i_s_d, age_years from screening)";
    let batch = rows(&ctx, curvature).await;
    for column in [0, 1, 3] {
        assert_eq!(batch.column(column).null_count(), batch.num_rows(), "column {column}");
    }
    assert!(batch.column(2).as_string::<i32>().iter().all(|status| status == Some("abstain_missing")));
    for infinite in ["'inf'::double", "1e300", "'-inf'::double"] {
        let sql = format!(
            "select predict_detail('screening')['status'] from (select {infinite} as k_max_d, 500.0 as pachy_min_um, \
             1 as i_s_d, 30 as age_years)"
        );
        assert_eq!(texts(&ctx, &sql).await, [Some("abstain_invalid".to_owned())], "{infinite}");
    }
    // NaN is a missing value too.
    let nan = "select predict_detail('screening')['status'] from (select 'nan'::double as k_max_d, 500.0 as pachy_min_um, \
               1 as i_s_d, 30 as age_years)";
    assert_eq!(texts(&ctx, nan).await, [Some("abstain_missing".to_owned())]);
}

#[tokio::test]
async fn a_low_probability_withholds_the_label_and_keeps_the_number() {
    let ctx = context();
    let (_, table) = expected("two_class");
    let batch = rows(
        &ctx,
        "select predict('two_class'), predict_proba('two_class', 'yes'), predict_detail('two_class')['status'] \
         from two_class order by id",
    )
    .await;
    let (label, yes, status) =
        (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Float64Type>(), batch.column(2).as_string::<i32>());
    let mut withheld = 0;
    for (row, wanted) in table.iter().enumerate() {
        let p = wanted[3].unwrap();
        assert!((yes.value(row) - p).abs() < 1e-5);
        let low = p.max(1.0 - p) < 0.7;
        withheld += usize::from(low);
        assert_eq!(label.is_null(row), low, "row {row}: {p}");
        assert_eq!(status.value(row), if low { "abstain_low_confidence" } else { "ok" });
        if !low {
            assert_eq!(label.value(row), if p > 0.5 { "yes" } else { "no" });
        }
    }
    assert!(withheld > 0 && withheld < table.len(), "{withheld} of {} were withheld", table.len());
}

#[test]
fn bytes_under_a_null_are_never_read() {
    let model = store().resolve("wide").unwrap();
    let rows = 130;
    let args = |garbage: f64| -> Vec<ColumnarValue> {
        (0..196_u32)
            .map(|input| {
                let missing = |row: usize| (row * 7 + input as usize * 13).is_multiple_of(11);
                let values: Vec<f64> =
                    (0..rows).map(|row| if missing(row) { garbage } else { (row as f64 + f64::from(input)).sin() }).collect();
                let nulls: NullBuffer = (0..rows).map(|row| !missing(row)).collect();
                ColumnarValue::Array(Arc::new(Float64Array::new(values.into(), Some(nulls))))
            })
            .collect()
    };
    let clean = evaluate(&model, &Binding::Columns, &args(0.0), rows).unwrap();
    for garbage in [f64::NAN, 1e30, f64::INFINITY, -7.25] {
        let dirty = evaluate(&model, &Binding::Columns, &args(garbage), rows).unwrap();
        assert_eq!(clean.to_data(), dirty.to_data(), "garbage {garbage}");
    }
    let status = clean.as_struct().column(0);
    assert!(status.as_primitive::<arrow::datatypes::UInt8Type>().iter().any(|code| code == Some(Status::Missing as u8)));
}

/// Values that differ from row to row, without two equal rows.
fn wide_args(range: std::ops::Range<usize>) -> Vec<ColumnarValue> {
    args_of(196, range)
}

fn args_of(inputs: u32, range: std::ops::Range<usize>) -> Vec<ColumnarValue> {
    (0..inputs)
        .map(|input| {
            let values = range.clone().map(|row| ((row * 31 + 7) as f64 * 0.37 + f64::from(input) * 1.7).sin() * 1.3);
            ColumnarValue::Array(Arc::new(Float64Array::from_iter_values(values)))
        })
        .collect()
}

fn score_bits(array: &ArrayRef) -> Vec<u64> {
    let lists = array.as_struct().column(1).as_fixed_size_list().clone();
    lists.values().as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn an_answer_does_not_depend_on_the_rows_beside_it() {
    // The softmax of `merged` is not at its end and cannot be taken off.
    for (name, inputs, classes) in [("wide", 196, 7), ("merged", 24, 3)] {
        let model = store().resolve(name).unwrap();
        let total = 8193;
        let bits = |range: std::ops::Range<usize>| {
            let rows = range.len();
            score_bits(&evaluate(&model, &Binding::Columns, &args_of(inputs, range), rows).unwrap())
        };
        let whole = bits(0..total);
        assert_eq!(whole.len(), total * classes);
        for size in [1_usize, 63, 64, 65, 1000, 8192] {
            // One row at a time is tried on a part of the rows.
            let end = if size == 1 { 300 } else { total };
            let mut parts = Vec::new();
            for start in (0..end).step_by(size) {
                parts.extend(bits(start..(start + size).min(end)));
            }
            // Not assert_eq: it would print every number.
            assert!(parts == whole[..end * classes], "{name} in batches of {size}");
        }
        let none = evaluate(&model, &Binding::Columns, &args_of(inputs, 0..0), 0).unwrap();
        assert_eq!(none.len(), 0);
    }
}

#[tokio::test]
async fn partitions_and_batch_sizes_change_no_bit() {
    let rows_total = 2500;
    let columns: Vec<(String, ArrayRef)> = wide_args(0..rows_total)
        .into_iter()
        .enumerate()
        .map(|(i, value)| (format!("f{i:03}"), value.into_array(rows_total).unwrap()))
        .chain([("id".to_owned(), Arc::new(Int64Array::from_iter_values(0..rows_total as i64)) as ArrayRef)])
        .collect();
    let whole = RecordBatch::try_from_iter(columns).unwrap();
    let mut answers = Vec::new();
    for (partitions, size) in [(1, rows_total), (7, 13), (4, 1000)] {
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions).with_batch_size(size));
        super::register(&ctx, &store());
        let mut parts = vec![Vec::new(); partitions];
        for (i, start) in (0..rows_total).step_by(size).enumerate() {
            parts[i % partitions].push(whole.slice(start, size.min(rows_total - start)));
        }
        ctx.register_table("t", Arc::new(MemTable::try_new(whole.schema(), parts).unwrap())).unwrap();
        let got = numbers(&ctx, "select predict_proba('wide', 'class_3') from t order by id").await;
        answers.push(got.into_iter().map(|p| p.unwrap().to_bits()).collect::<Vec<_>>());
    }
    assert!(answers[0] == answers[1] && answers[0] == answers[2], "a bit changed");
}

#[tokio::test]
async fn many_threads_share_a_model() {
    let model = store().resolve("wide").unwrap();
    let wanted = score_bits(&evaluate(&model, &Binding::Columns, &wide_args(0..500), 500).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let got = score_bits(&evaluate(&model, &Binding::Columns, &wide_args(0..500), 500).unwrap());
                    assert_eq!(got, wanted);
                }
            });
        }
    });
}

#[tokio::test]
async fn predict_works_wherever_an_expression_does() {
    let ctx = context();
    let all = texts(&ctx, "select predict('screening') from screening order by id").await;
    let keratoconus = all.iter().filter(|label| label.as_deref() == Some("keratoconus")).count() as f64;
    for sql in [
        "select count(*)::double from screening where predict('screening') = 'keratoconus'",
        "select count(*) filter (where predict('screening') = 'keratoconus')::double from screening",
        "select n::double from (select predict('screening') as label, count(*) as n from screening group by 1) where label = 'keratoconus'",
        "select n::double from (select predict('screening') as label, count(*) as n from screening group by predict('screening')) where label = 'keratoconus'",
        "select sum(case when predict('screening') = 'keratoconus' then 1.0::double else 0.0::double end) from screening",
        "with labelled as (select id, predict('screening') as label from screening) select count(*)::double from labelled where label = 'keratoconus'",
        "select count(*)::double from screening where id in (select id from screening where predict('screening') = 'keratoconus')",
        "select count(*)::double from screening a where exists (select 1 from screening b where b.id = a.id and predict('screening', b.*) = 'keratoconus')",
        "select count(*)::double from screening s join (values ('keratoconus')) as wanted(label) on predict('screening') = wanted.label",
        "select count(*)::double from sphere x join screening s using (id) where predict('screening') = 'keratoconus'",
        "select max(r)::double from (select row_number() over (order by id) as r from screening where predict('screening') = 'keratoconus')",
    ] {
        let wanted = if sql.contains("sphere") {
            all.iter().take(40).filter(|label| label.as_deref() == Some("keratoconus")).count() as f64
        } else {
            keratoconus
        };
        assert_eq!(numbers(&ctx, sql).await, [Some(wanted)], "{sql}");
    }
    let frame = ctx.sql("create view labelled as select id, predict('screening') as label from screening").await.unwrap();
    frame.collect().await.unwrap();
    assert_eq!(texts(&ctx, "select label from labelled order by id").await, all);
    // A view over the view, and the view as what predict reads.
    let frame = ctx.sql("create view features as select * from screening where id < 1000").await.unwrap();
    frame.collect().await.unwrap();
    assert_eq!(texts(&ctx, "select predict('screening') from features order by id").await, all);
}

#[tokio::test]
async fn order_by_may_use_columns_that_the_select_list_leaves_out() {
    let ctx = context();
    let got =
        numbers(&ctx, "select id::double from screening order by predict_proba('screening', 'keratoconus') desc limit 60").await;
    let (_, table) = expected("screening");
    let sorted: Vec<f64> = got.iter().map(|id| table[id.unwrap() as usize][6].unwrap()).collect();
    assert_eq!(sorted.len(), 60);
    // Python's probabilities are singles: rows that are equal there may come in either order.
    assert!(sorted.windows(2).all(|pair| pair[0] >= pair[1] - 1e-6), "{sorted:?}");
    assert!(sorted[0] > 0.99 && sorted[59] < 0.01);
    let batch = rows(&ctx, "select id from screening order by predict('screening') limit 3").await;
    assert_eq!(batch.num_columns(), 1, "nothing is added to what was asked for");
    let batch = rows(&ctx, "select predict('screening') as label from screening order by label desc, id limit 1").await;
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "subclinical_keratoconus");
}

#[tokio::test]
async fn several_models_and_forms_in_one_select() {
    let ctx = context();
    let sql = "select predict('screening'), predict('screening@v1'), predict('screening@previous'), predict('two_class'), \
               predict_proba('screening', class => 'normal'), predict_proba('screening', 'keratoconus') \
               from screening order by id";
    let batch = rows(&ctx, sql).await;
    let (new, old) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    let mut normal = 0;
    for row in 0..batch.num_rows() {
        if new.value(row) == "normal" {
            normal += 1;
            assert_eq!(old.value(row), "healthy");
        } else {
            assert_eq!(old.value(row), new.value(row));
        }
    }
    assert!(normal > 0);
    assert_eq!(batch.column(1).to_data(), batch.column(2).to_data());
    // Three answers of one model: one evaluation.
    let text =
        plan(&ctx, "select predict('wide'), predict_proba('wide', 'class_1'), predict_proba('wide', 'class_2') from wide").await;
    let physical = text.split("ProjectionExec").skip(1).collect::<Vec<_>>().join("ProjectionExec");
    assert_eq!(physical.matches("scores[wide@v1").count(), 1, "{text}");
}

#[tokio::test]
async fn a_plan_shows_the_weights_and_reads_only_the_signature() {
    let ctx = context();
    let digest = store().resolve("screening").unwrap().digest().to_owned();
    let text = plan(&ctx, "select id, predict('screening') from screening").await;
    assert!(text.contains(&format!("scores[screening@v2 sha256:{}]", &digest[..12])), "{text}");
    let (schema, batch) = (batch("screening").schema(), batch("screening"));
    ctx.register_table("memory", Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
    let text = plan(&ctx, "select predict('screening') from (select *, p_normal * 2 as extra from memory)").await;
    let scan = text.lines().find(|line| line.contains("TableScan: memory")).unwrap();
    assert_eq!(scan.split("projection=").nth(1), Some("[k_max_d, pachy_min_um, i_s_d, age_years]"), "{text}");
}

#[tokio::test]
async fn explicit_inputs_equal_bound_columns() {
    let ctx = context();
    let bound = numbers(&ctx, "select predict_proba('screening', 'normal') from screening order by id").await;
    for input in [
        "named_struct('age_years', age_years, 'i_s_d', i_s_d, 'extra', 'x', 'k_max_d', k_max_d, 'pachy_min_um', pachy_min_um)",
        "[k_max_d, pachy_min_um, i_s_d, age_years]",
        "screening.*",
        "*",
    ] {
        let sql = format!("select predict_proba('screening', 'normal', {input}) from screening order by id");
        assert_eq!(numbers(&ctx, &sql).await, bound, "{input}");
    }
    // A model whose graph has one input a column takes a list as well.
    let bound = numbers(&ctx, "select predict('sphere') from sphere order by id").await;
    assert_eq!(
        numbers(&ctx, "select predict('sphere', [axial_length_mm, k_mean_d, acd_mm]) from sphere order by id").await,
        bound
    );
    // Integers, decimals and singles are numbers.
    let single = numbers(
        &ctx,
        "select predict('sphere') from (select 23 as axial_length_mm, 43.5::decimal(5,2) as k_mean_d, 3.1::real as acd_mm)",
    )
    .await;
    let double =
        numbers(&ctx, "select predict('sphere', named_struct('axial_length_mm', 23.0, 'k_mean_d', 43.5, 'acd_mm', 3.1))").await;
    close(&single, &double, 1e-5);
    // A missing struct and a missing list are rows without any input.
    let null = "select predict('screening', [k_max_d, null, i_s_d, age_years]) from screening";
    assert!(texts(&ctx, null).await.iter().all(Option::is_none));
    for (sql, words) in [
        ("select predict('screening', [1.0, 2.0])", "a list of 4 numbers, and a row has 2"),
        ("select predict('screening', ['a', 'b'])", "takes a list of numbers, and not of Utf8"),
        ("select predict('screening', 4)", "is a struct such as named_struct('k_max_d'"),
        ("select predict('screening', 'normal')", "predict_proba('screening', class =>"),
        ("select predict('screening', named_struct('k_max_d', 1.0))", "the struct does not have: \"pachy_min_um\""),
    ] {
        let message = error(&ctx, sql).await;
        assert!(message.contains(words), "{sql}: {message}");
    }
}

#[tokio::test]
async fn a_join_binds_what_is_clear_and_refuses_what_is_not() {
    let ctx = context();
    let message = error(&ctx, "select predict('screening') from screening a join screening b on a.id = b.id").await;
    assert!(message.contains("\"k_max_d\" of model screening@v2 is ambiguous"), "{message}");
    assert!(message.contains("a.k_max_d or b.k_max_d") && message.contains("predict('screening', a.*)"), "{message}");
    let one =
        texts(&ctx, "select predict('screening', b.*) from screening a join screening b on a.id + 1 = b.id order by b.id").await;
    let all = texts(&ctx, "select predict('screening') from screening order by id").await;
    assert_eq!(one, all[1..]);
    // Inputs from both sides.
    let split = "select predict('screening') from (select id, k_max_d, i_s_d from screening) a \
                 join (select id, pachy_min_um, age_years from screening) b on a.id = b.id order by a.id";
    assert_eq!(texts(&ctx, split).await, all);
    // The column of a join … using is one column.
    let using = "select predict('screening') from (select id, k_max_d, i_s_d, age_years from screening) a \
                 join (select id, k_max_d, pachy_min_um from screening) b using (id, k_max_d) order by id";
    assert_eq!(texts(&ctx, using).await, all);
}

#[tokio::test]
async fn errors_say_what_and_where() {
    let ctx = context();
    let metadata = |unit: &str| HashMap::from([("unit".to_owned(), unit.to_owned())]);
    let fields: Vec<Field> = ["k_max_d", "pachy_min_um", "i_s_d", "age_years"]
        .iter()
        .map(|name| {
            Field::new(*name, DataType::Float64, true).with_metadata(metadata(if *name == "k_max_d" { "mm" } else { "1" }))
        })
        .collect();
    let mut fields = fields;
    fields[1] = fields[1].clone().with_metadata(metadata("um"));
    fields[2] = fields[2].clone().with_metadata(HashMap::new());
    let columns = vec![doubles(&[Some(1.0)]); 4];
    ctx.register_batch("units", RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()).unwrap();
    for (sql, words) in [
        ("select predict('screning') from screening", &["no model 'screning'", "nearest is 'screening'", "sphere"][..]),
        ("select predict('screening@v9') from screening", &["no version v9", "v1, v2"]),
        ("select predict('screening@canary') from screening", &["no alias 'canary'", "champion, previous"]),
        ("select predict('screening@sha256:00000000') from screening", &["no version of model screening has the digest"]),
        ("select predict('screening@sha256:zz') from screening", &["8 to 64 hexadecimal digits"]),
        ("select predict('') from screening", &["the name is empty"]),
        ("select predict(null) from screening", &["is a model reference"]),
        ("select predict(4) from screening", &["is a model reference"]),
        ("select predict(id::text) from screening", &["the model of predict is fixed before rows are read"]),
        ("select predict() from screening", &["predict"]),
        ("select predict('screening', 1, 2, 3) from screening", &["predict takes 1 to 2 arguments", "4 were given"]),
        (
            "select predict_proba('screening', class => 'glaucoma') from screening",
            &["no class 'glaucoma'", "subclinical_keratoconus"],
        ),
        ("select predict_proba('sphere') from sphere", &["predicts a number and has no probabilities"]),
        ("select predict('screening')", &["inputs that the relation in scope does not have", "k_max_d"]),
        (
            "select predict('screening') from (select k_max_d, pachy_min_umm, i_s_d, age_years from (select *, pachy_min_um as pachy_min_umm from screening))",
            &["an input that the relation in scope does not have", "\"pachy_min_um\" in um (nearest column: \"pachy_min_umm\")"],
        ),
        (
            "select predict('screening') from (select k_max_d::text as k_max_d, pachy_min_um, i_s_d, age_years from screening)",
            &["\"k_max_d\" of model screening@v2 takes a number", "Utf8"],
        ),
        (
            "select predict('screening') from units",
            &["\"k_max_d\" of model screening@v2 is in [diop], and column units.k_max_d is in mm"],
        ),
        ("select predict('wide') from screening", &["f000", "and 191 more"]),
    ] {
        let message = error(&ctx, sql).await;
        for word in words {
            assert!(message.contains(word), "{sql}: {message:?} lacks {word:?}");
        }
        assert!(!message.to_lowercase().contains("internal"), "{sql}: {message}");
    }
}

#[tokio::test]
async fn a_bind_parameter_names_the_model() {
    let ctx = context();
    let all = texts(&ctx, "select predict('screening') from screening order by id").await;
    let frame = ctx.sql("select predict($1) as label, predict_proba($1, $2) as p from screening order by id").await.unwrap();
    let bound = frame
        .with_param_values(vec![
            datafusion::common::ScalarValue::Utf8(Some("screening".into())),
            datafusion::common::ScalarValue::Utf8(Some("normal".into())),
        ])
        .unwrap();
    let batches = bound.collect().await.unwrap();
    let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let got: Vec<Option<String>> = batch.column(0).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect();
    assert_eq!(got, all);
    assert_eq!(batch.column(1).data_type(), &DataType::Float64);
    // A number where the type was not known yet.
    let frame = ctx.sql("select predict($1) as power from sphere").await.unwrap();
    let values = vec![datafusion::common::ScalarValue::Utf8(Some("sphere".into()))];
    let batches = frame.with_param_values(values).unwrap().collect().await.unwrap();
    assert_eq!(batches[0].column(0).data_type(), &DataType::Float64);
}

#[tokio::test]
async fn names_match_in_exact_case_first() {
    let ctx = context();
    let sql = "select predict('sphere') from (select axial_length_mm as \"Axial_Length_MM\", k_mean_d, acd_mm from sphere order by id) limit 5";
    assert!(numbers(&ctx, sql).await.iter().all(Option::is_some));
    let both = "select predict('sphere') from (select 1.0 as \"Axial_Length_MM\", axial_length_mm, k_mean_d, acd_mm, id from sphere) order by id";
    assert_eq!(numbers(&ctx, both).await, numbers(&ctx, "select predict('sphere') from sphere order by id").await);
}

#[tokio::test]
async fn a_detail_tells_which_version_answered() {
    let ctx = context();
    let model = store().resolve("screening@v1").unwrap();
    let batch = rows(
        &ctx,
        "select d['prediction'], d['score'], d['model'], d['version'], d['digest'], p from \
         (select predict_detail('screening@v1') as d, predict_proba('screening@v1', 'healthy') as p from screening)",
    )
    .await;
    for row in 0..batch.num_rows() {
        if batch.column(0).as_string::<i32>().value(row) == "healthy" {
            let (score, p) = (batch.column(1).as_primitive::<Float64Type>(), batch.column(5).as_primitive::<Float64Type>());
            assert_eq!(score.value(row), p.value(row));
        }
        assert_eq!(batch.column(2).as_string::<i32>().value(row), "screening");
        assert_eq!(batch.column(3).as_primitive::<Int32Type>().value(row), 1);
        assert_eq!(batch.column(4).as_string::<i32>().value(row), model.digest());
    }
}

/// A model of one folder's graph under a signature of our own.
fn described(name: &str, onnx: &Path, description: String) -> Model {
    let onnx = std::fs::read(onnx).unwrap();
    let files =
        ModelFiles::embedded([("MLmodel".to_owned(), description.leak().as_bytes()), ("model.onnx".to_owned(), &*onnx.leak())]);
    Model::from_files(name, &files).unwrap()
}

fn signature_of(names: impl Iterator<Item = String>, placido: &str) -> String {
    let columns: Vec<String> = names.map(|name| format!("{{\"type\": \"double\", \"name\": \"{name}\"}}")).collect();
    format!(
        "flavors: {{onnx: {{data: model.onnx}}}}\nsignature:\n  inputs: '[{}]'\nmetadata: {{placido: {placido}}}\n",
        columns.join(", ")
    )
}

#[tokio::test]
async fn four_thousand_inputs() {
    let text = signature_of((0..4000).map(|i| format!("c{i}")), "{task: regression}");
    let mut store = ModelStore::new();
    store.add(described("mean", &golden("mean_4000.onnx"), text));
    let ctx = SessionContext::new();
    super::register(&ctx, &(Arc::new(store) as Arc<dyn ModelResolver>));
    let columns = (0..4000_i32).map(|i| {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![f64::from(i), 2.0, f64::from(i % 2)]));
        (format!("c{i}"), values)
    });
    ctx.register_batch("t", RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    let got = numbers(&ctx, "select predict('mean') from t").await;
    close(&got, &[Some(1999.5), Some(2.0), Some(0.5)], 1e-2);
}

#[test]
fn a_graph_that_contradicts_its_signature_is_refused() {
    let wide = golden("wide").join("model.onnx");
    let names = |count: usize| (0..count).map(|i| format!("c{i}"));
    for (onnx, count, placido, words) in [
        (wide.clone(), 12, "{classes: [a, b]}", "takes [196] numbers a row, the signature gives 12"),
        (wide.clone(), 196, "{classes: [a, b]}", "has 7 numbers a row, and the signature 2 classes"),
        (wide.clone(), 196, "{task: regression}", "for a classification declare metadata.placido.classes"),
        (wide.clone(), 196, "{output: label}", "no Float32 output \"label\"; it has probabilities"),
        (golden("two_class").join("model.onnx"), 2, "{classes: [a, b]}", "is not made of probabilities"),
        (
            golden("sphere").join("model.onnx"),
            3,
            "{task: regression}",
            "an input \"axial_length_mm\" that the signature does not name",
        ),
        (golden("make.py"), 3, "{task: regression}", "the network cannot be opened"),
    ] {
        let model = described("odd", &onnx, signature_of(names(count), placido));
        let reason = model.check().unwrap_err().to_string();
        assert!(reason.starts_with("model odd@v1 cannot run: ") && reason.contains(words), "{reason:?} lacks {words:?}");
        // The second call gives the same answer.
        assert_eq!(model.check().unwrap_err().to_string(), reason);
    }
}

#[tokio::test]
async fn an_empty_relation_gives_no_rows() {
    let ctx = context();
    let batches = ctx.sql("select predict('screening') from screening where false").await.unwrap().collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    // A batch without rows, as some operators pass on.
    let empty = RecordBatch::try_new_with_options(
        batch("sphere").schema(),
        batch("sphere").slice(0, 0).columns().to_vec(),
        &RecordBatchOptions::new(),
    )
    .unwrap();
    let table = MemTable::try_new(empty.schema(), vec![vec![empty, batch("sphere")]]).unwrap();
    ctx.register_table("holes", Arc::new(table)).unwrap();
    assert_eq!(numbers(&ctx, "select predict('sphere') from holes").await.len(), 40);
}

#[tokio::test]
async fn singles_and_constants_give_what_doubles_give() {
    let ctx = context();
    let (_, table) = expected("sphere");
    let single = |index: usize| -> ArrayRef {
        Arc::new(Float32Array::from_iter(column(&table, index).into_iter().map(|value| value.map(|value| value as f32))))
    };
    let batch = RecordBatch::try_from_iter([
        ("axial_length_mm", single(0)),
        ("k_mean_d", single(1)),
        ("acd_mm", single(2)),
        ("note", Arc::new(StringArray::from(vec!["x"; table.len()])) as ArrayRef),
    ])
    .unwrap();
    ctx.register_batch("singles", batch).unwrap();
    let got = numbers(&ctx, "select predict('sphere') from singles").await;
    close(&got, &column(&table, 3), 1e-4);
    let (a, k, d) = (table[0][0].unwrap(), table[0][1].unwrap(), table[0][2].unwrap());
    let constant = numbers(
        &ctx,
        &format!("select predict('sphere') from (select {a:?} as axial_length_mm, {k:?} as k_mean_d, {d:?} as acd_mm)"),
    )
    .await;
    assert_eq!(constant[0], got[0]);
    // One input varies, the others are constants of the statement.
    let mixed = format!(
        "select predict('sphere') from (select axial_length_mm, {k:?} as k_mean_d, {d:?} as acd_mm from sphere order by id)"
    );
    assert_eq!(numbers(&ctx, &mixed).await[0], got[0]);
}
