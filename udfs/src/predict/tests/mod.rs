//! The whole way from SQL to an answer, against what ONNX Runtime gave in Python for the models of `tests/golden/models`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod answers;
mod models;
mod plans;

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
    crate::predict::register(&ctx, &store());
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
