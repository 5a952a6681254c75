//! Where `predict` may stand in a statement, how inputs are bound, and what errors say.

use super::*;

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
