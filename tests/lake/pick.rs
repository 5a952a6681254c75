//! Which files a query opens: only those that may have a row for it, and never one fewer.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use placido::engine::Engine;
use placido_catalog::catalog::Refresh;
use placido_catalog::identity::IdentityKey;
use placido_catalog::lake::Lake;
use proptest::prelude::*;
use tokio::sync::OnceCell;

use super::{one, rows};
use crate::support::{hospital, run};

/// The hospital's lake, of whose files nothing is remembered and no view is kept.
async fn cold() -> &'static Arc<Engine> {
    static COLD: OnceCell<Arc<Engine>> = OnceCell::const_new();
    let open = async || {
        let settings = &hospital().await.settings;
        let identity = IdentityKey::load_or_create(&settings.identity_file()).unwrap();
        let lake = Lake::open(&settings.lake_folder(), identity, settings.pace()).unwrap();
        Arc::new(Engine::over(settings, Some(Arc::new(lake)), None, Refresh::Never, &|_| {}).await.unwrap())
    };
    COLD.get_or_init(open).await
}

/// What EXPLAIN says of the files of each scan: how many are read, of how many.
async fn files(ctx: &SessionContext, sql: &str) -> Vec<(usize, usize)> {
    let plan = rows(ctx, &format!("explain {sql}")).await;
    let text = plan.iter().map(|row| row[1].as_str()).collect::<Vec<_>>().join("\n");
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
    let found = text.split("files=").skip(1).filter_map(|rest| Some((rest, rest.split_once(" of ")?.1)));
    found.map(|(read, all)| (number(read), number(all))).collect()
}

/// How many files a query opens and how many it leaves out while it runs.
async fn opened(ctx: &SessionContext, sql: &str) -> (usize, usize) {
    let plan = rows(ctx, &format!("explain analyze {sql}")).await;
    let text = plan.iter().map(|row| row[1].as_str()).collect::<Vec<_>>().join("\n");
    let sum = |name: &str| {
        let numbers = text.split(name).skip(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        numbers.map(|number| number.parse::<usize>().unwrap()).sum()
    };
    (sum("files_read="), sum("files_skipped="))
}

#[test]
fn one_exam_opens_its_files_alone() {
    run(async {
        for engine in [cold().await, &hospital().await.engine] {
            let ctx = engine.session();
            let all: usize = one(&ctx, "select count(*) from system.files where device = 'ms39'").await.parse().unwrap();
            let exam = one(&ctx, "select max(exam_id) from raw.ms39").await;
            let of_exam = one(&ctx, &format!("select count(distinct _file_id) from raw.ms39 where exam_id = '{exam}'")).await;
            let expected = vec![(of_exam.parse().unwrap(), all)];
            assert!(expected[0].0 < all / 4);
            for filter in [
                format!("exam_id = '{exam}'"),
                format!("'{exam}' = exam_id"),
                format!("exam_id in ('{exam}', 'E0')"),
                format!("exam_id = 'E0' or exam_id = '{exam}' and eye is not null or exam_id = '{exam}' and eye is null"),
                format!("cast(exam_id as varchar) = '{exam}' and eye_is_odd(eye)"),
                format!("exam_id like '{exam}%'"),
            ] {
                let filter = filter.replace("eye_is_odd(eye)", "coalesce(eye, 'OD') in ('OD', 'OS')");
                for (view, map) in [
                    ("raw.ms39", "corneal_thickness_um"),
                    ("bronze.ms39", "corneal_thickness_um"),
                    ("silver.corneal_maps", "pachy_um"),
                ] {
                    let sql = format!("select {map} from {view} where {filter}");
                    assert_eq!(files(&ctx, &sql).await, expected, "{sql}");
                    assert_eq!(opened(&ctx, &sql).await, (expected[0].0, 0), "{sql}");
                }
            }
            for (filter, view) in [
                ("eye = 'nobody'", "silver.keratometry"),
                ("exam_date > date '2199-01-01'", "silver.zernike"),
                ("patient_id = 'P0'", "bronze.ms39"),
                ("file_id = 'F0'", "bronze.ms39"),
                ("layout = 'of another device'", "bronze.ms39"),
            ] {
                let sql = format!("select * from {view} where {filter}");
                let scans = files(&ctx, &sql).await;
                assert!(scans.contains(&(0, all)) && scans.iter().all(|(kept, _)| *kept == 0), "{sql}: {scans:?}");
                assert!(rows(&ctx, &sql).await.is_empty());
            }
            // What the manifest does not know picks nothing.
            for filter in ["sim_k_flat_radius_mm > 7.5", "exam_id = 'E0' or sim_k_flat_radius_mm > 0", "random() < 0"] {
                assert_eq!(
                    files(&ctx, &format!("select exam_id from bronze.ms39 where {filter}")).await,
                    [(all, all)],
                    "{filter}"
                );
            }
        }
    });
}

/// What the manifest knows is not read again.
#[test]
fn keys_are_answered_without_opening_a_file() {
    run(async {
        let ctx = hospital().await.engine.session();
        for sql in [
            "select count(*) from raw.ms39",
            "select exam_id, eye, exam_date, scan_id, layout from bronze.ms39",
            "select patient_id, count(*) from bronze.corvis_st group by 1",
            "select _file, _row from raw.clinic_visit",
        ] {
            assert_eq!(opened(&ctx, sql).await, (0, 0), "{sql}");
        }
        let all: usize = one(&ctx, "select count(*) from system.files where device = 'ms39'").await.parse().unwrap();
        assert_eq!(opened(&ctx, "select sim_k_flat_radius_mm from bronze.ms39").await, (all, 0));
    });
}

/// A join on keys tells the other side which files it needs, while the query runs.
#[test]
fn one_exam_of_a_computed_gold_view_opens_few_files() {
    run(async {
        let ctx = cold().await.session();
        let exam = one(&ctx, "select max(exam_id) from raw.ms39 where eye is not null").await;
        let sql = format!("select s_pachy_z80_min, cv_a1_time, cl_sph from gold.eye_measurements where exam_id = '{exam}'");
        let expected = rows(&ctx, &format!("{sql} order by eye")).await;
        assert!(!expected.is_empty());
        let whole = sql.replace(&format!("= '{exam}'"), &format!("|| left(cast(random() as text), 0) = '{exam}'"));
        assert_eq!(rows(&ctx, &format!("{whole} order by eye")).await, expected);
        let (few, _) = opened(&ctx, &sql).await;
        let (many, _) = opened(&ctx, &whole).await;
        assert!(few * 4 < many, "{few} files are opened, and {many} without the exam");
    });
}

#[test]
fn a_limit_ends_the_reading() {
    run(async {
        let ctx = hospital().await.engine.session();
        let all: usize = one(&ctx, "select count(*) from system.files where device = 'ms39'").await.parse().unwrap();
        for sql in [
            "select corneal_thickness_um from raw.ms39 limit 2",
            "select corneal_thickness_um from bronze.ms39 where eye in ('OD', 'OS') limit 2",
        ] {
            let (read, _) = opened(&ctx, sql).await;
            assert!(read < all / 2, "{read} of {all} files for {sql}");
        }
    });
}

/// Values that occur in the hospital, by column, and one that does not.
async fn values() -> &'static Vec<(&'static str, Vec<String>)> {
    static VALUES: OnceCell<Vec<(&str, Vec<String>)>> = OnceCell::const_new();
    let read = async || {
        let ctx = hospital().await.engine.session();
        let mut values = Vec::new();
        for column in ["patient_id", "exam_id", "scan_id", "eye", "exam_date"] {
            let sql = format!(
                "select distinct {column}::text from (select {column} from bronze.ms39 union all select {column} from bronze.clinic_visit) \
                 as both where {column} is not null order by 1"
            );
            let mut found: Vec<String> = rows(&ctx, &sql).await.into_iter().flatten().collect();
            found.push(if column == "exam_date" { "1999-12-31".to_owned() } else { "nobody".to_owned() });
            values.push((column, found));
        }
        values
    };
    VALUES.get_or_init(read).await
}

/// A filter over what all views have; `sim` is a condition on a column of which the manifest knows nothing.
fn filters(values: &'static [(&'static str, Vec<String>)]) -> impl Strategy<Value = String> {
    let value = (0..values.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(column, a, b)| {
        let (column, values) = &values[column];
        (*column, a.get(values).clone(), b.get(values).clone())
    });
    let leaf = (value, 0..14usize).prop_map(|((column, a, b), form)| match form {
        0..3 => format!("{column} = '{a}'"),
        3 => format!("{column} in ('{a}', '{b}')"),
        4 => format!("{column} not in ('{a}', '{b}')"),
        5 => format!("{column} is null"),
        6 => format!("{column} is not null"),
        7 => format!("{column} between '{a}' and '{b}'"),
        8 => format!("{column} <> '{a}'"),
        9 => format!("{column}::text like '{}%'", &a[..a.len().min(3)]),
        10 => format!("coalesce({column}::text, 'OD') = '{a}'"),
        11 => format!("case when eye = 'OD' then {column}::text else scan_id end >= '{a}'"),
        // In parentheses: the parser takes what follows for a part of the right side.
        12 => format!("({column} is not distinct from '{a}')"),
        _ => "extract(year from exam_date) = 2023".to_owned(),
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.clone().prop_map(|part| format!("not ({part})")),
            inner.prop_map(|part| format!("({part}) is not true")),
        ]
    })
}

/// A filter that is hidden behind a condition that never holds, and can't be evaluated ahead, picks no files: the answer is the
/// same.
#[test]
fn picking_files_changes_no_answer() {
    let values = run(values());
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(filter in filters(values), engine in 0..2usize)| {
        run(async {
            let engine = if engine == 0 { cold().await } else { &hospital().await.engine };
            let ctx = engine.session();
            for view in ["bronze.ms39", "bronze.corvis_st", "bronze.clinic_visit", "silver.refraction"] {
                let picked = format!("select scan_id, eye, exam_date from {view} where {filter} order by scan_id");
                let whole = format!("select scan_id, eye, exam_date from {view} where ({filter}) or random() < -1 order by scan_id");
                assert_eq!(rows(&ctx, &picked).await, rows(&ctx, &whole).await, "{picked}");
            }
        });
    });
}
