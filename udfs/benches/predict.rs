//! `predict` over 196 columns and seven classes: rows a second and the time of one row, beside the same network written by
//! hand with `ndarray`, in the same run. With `PLACIDO_ONNXRUNTIME` set, ONNX Runtime takes the place of tract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use ndarray::{Array1, Array2, Axis};
use placido_udfs::models::{ModelResolver, ModelStore, runtime_kind};
use placido_udfs::predict::register;

const INPUTS: usize = 196;
const HIDDEN: usize = 32;
const CLASSES: usize = 7;

/// Reproducible numbers between -1 and 1.
fn noise(i: usize) -> f64 {
    ((i as f64 + 0.5) * 12.9898).sin()
}

fn table(rows: usize) -> RecordBatch {
    let column =
        |input: usize| -> ArrayRef { Arc::new(Float64Array::from_iter_values((0..rows).map(|row| noise(row * INPUTS + input)))) };
    RecordBatch::try_from_iter((0..INPUTS).map(|input| (format!("f{input:03}"), column(input)))).unwrap()
}

/// The peer: columns to a matrix of singles, two products, softmax, the label's place.
struct Peer {
    first: Array2<f32>,
    first_bias: Array1<f32>,
    second: Array2<f32>,
    second_bias: Array1<f32>,
}

impl Peer {
    fn new() -> Self {
        Self {
            first: Array2::from_shape_fn((INPUTS, HIDDEN), |(i, j)| noise(i * HIDDEN + j) as f32),
            first_bias: Array1::from_shape_fn(HIDDEN, |i| noise(i) as f32),
            second: Array2::from_shape_fn((HIDDEN, CLASSES), |(i, j)| noise(i * CLASSES + j) as f32),
            second_bias: Array1::from_shape_fn(CLASSES, |i| noise(i) as f32),
        }
    }

    fn labels(&self, batch: &RecordBatch) -> Vec<usize> {
        let mut rows = Array2::<f32>::zeros((batch.num_rows(), INPUTS));
        for (column, mut target) in batch.columns().iter().zip(rows.axis_iter_mut(Axis(1))) {
            let column = column.as_any().downcast_ref::<Float64Array>().unwrap();
            target.iter_mut().zip(column.values()).for_each(|(target, &value)| *target = value as f32);
        }
        let hidden = (rows.dot(&self.first) + &self.first_bias).mapv_into(|value| value.max(0.0));
        let mut scores = hidden.dot(&self.second) + &self.second_bias;
        scores
            .axis_iter_mut(Axis(0))
            .map(|mut row| {
                let highest = row.fold(f32::MIN, |a, &b| a.max(b));
                row.mapv_inplace(|value| (value - highest).exp());
                let sum = row.sum();
                row.mapv_inplace(|value| value / sum);
                (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
            })
            .collect()
    }
}

fn bench(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models");
    let store: Arc<dyn ModelResolver> = Arc::new(ModelStore::from_folder(&folder).unwrap());
    store.resolve("wide").unwrap().check().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1).with_batch_size(8192));
    register(&ctx, &store);
    let peer = Peer::new();
    let mut group = criterion.benchmark_group(format!("predict, 196 columns, {:?}", runtime_kind().unwrap()));
    for rows in [1, 8192] {
        let batch = table(rows);
        let name = format!("t{rows}");
        ctx.register_batch(&name, batch.clone()).unwrap();
        let plan: Arc<dyn ExecutionPlan> = runtime
            .block_on(async {
                ctx.sql(&format!("select predict('wide') from {name}")).await.unwrap().create_physical_plan().await
            })
            .unwrap();
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows} rows, planned"), |bencher| {
            bencher.iter(|| runtime.block_on(collect(Arc::clone(&plan), ctx.task_ctx())).unwrap());
        });
        group.bench_function(format!("{rows} rows, ndarray by hand"), |bencher| bencher.iter(|| peer.labels(&batch)));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
