//! Answers equal those of the frameworks, whatever stands beside a row.

use super::*;

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
    crate::predict::register(&ctx, &(Arc::new(store.clone()) as Arc<dyn ModelResolver>));
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
        crate::predict::register(&ctx, &store());
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
