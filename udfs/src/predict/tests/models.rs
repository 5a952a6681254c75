//! Models at the edge: very wide, contradictory, without rows.

use super::*;

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
    crate::predict::register(&ctx, &(Arc::new(store) as Arc<dyn ModelResolver>));
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
