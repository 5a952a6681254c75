//! Mistakes: the SQLSTATE of PostgreSQL, a sentence about the user's SQL, and the way on.

use super::{TestServer, code, text};

#[test]
fn each_mistake_has_its_sqlstate() {
    let cases = [
        ("selec 1", "42601"),
        ("select (1", "42601"),
        ("select * from eye_feature", "42P01"),
        ("select * from gold.nothing_like_it", "42P01"),
        ("select k_maxd from eye_features", "42703"),
        ("select f.k_maxd from eye_features f", "42703"),
        ("select exam_id from eye_features a, eye_features b", "42702"),
        ("select no_such_function(1)", "42883"),
        ("select 1/0", "22012"),
        ("select k_max_d/0, visit/0 from eye_features", "22012"),
        ("select 'abc'::int", "22P02"),
        ("select 'abc'::float8", "22P02"),
        ("select 300::smallint * 300::smallint::smallint + 99999999999::bigint::smallint", "22003"),
        ("select 99999999999::int", "22003"),
        ("select '2024-13-45'::date", "22008"),
        ("select 'soon'::date", "22007"),
        ("select exam_id, count(*) from eye_features", "42803"),
        ("insert into eye_features values ('E4')", "42501"),
        ("delete from eye_features", "42501"),
        ("create table gold.t (a int)", "42501"),
        ("drop table eye_features", "42501"),
        ("select * from eye_features tablesample system (10)", "0A000"),
        ("select predict_nothing()", "42883"),
        ("select * into gold.t from eye_features", "42501"),
        ("with x as (insert into eye_features values (1) returning 1) select * from x", "0A000"),
        ("set no_such_setting = 1", "42704"),
        ("set timezone = 'Mars/Olympus'", "22023"),
        ("show no_such_setting", "42704"),
        ("select $1", "42P02"),
        ("execute nothing", "26000"),
    ];
    let server = TestServer::start();
    server.run(|client| async move {
        for (sql, expected) in cases {
            match client.simple_query(sql).await {
                Ok(_) => panic!("{sql}: no error"),
                Err(error) => {
                    let told = error
                        .as_db_error()
                        .map(|error| format!("{}: {}", error.code().code(), error.message()))
                        .unwrap_or_default();
                    assert_eq!(code(&error), expected, "{sql}: {told}");
                    assert!(!told.to_lowercase().contains("internal") && !told.contains("DataFusion"), "{sql}: {told}");
                }
            }
        }
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn the_nearest_name_is_offered() {
    let server = TestServer::start();
    server.run(|client| async move {
        for (sql, near) in [
            ("select * from eye_feature", "gold.eye_features"),
            ("select * from eyes", "silver.eyes"),
            ("select k_maxd from eye_features", "k_max_d"),
            ("select uper('a')", "upper"),
            ("set statement_timout = 1", "statement_timeout"),
        ] {
            let error = client.simple_query(sql).await.unwrap_err();
            let error = error.as_db_error().unwrap();
            assert!(error.hint().unwrap_or_default().contains(near), "{sql}: {error:?}");
        }
    });
}

#[test]
fn nothing_reaches_the_files_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stolen.csv");
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        let place = path.display();
        for sql in [
            format!("copy (select 1) to '{place}'"),
            format!("copy eye_features to '{place}' stored as csv"),
            format!("create external table t stored as csv location '{place}'"),
            format!("create external table t (a int) stored as parquet location '{place}'"),
            format!("copy eye_features from '{place}'"),
            "copy (select 1) to program 'touch x'".to_owned(),
        ] {
            let error = client.simple_query(&sql).await.unwrap_err();
            assert!(matches!(code(&error).as_str(), "42501" | "42601" | "0A000"), "{sql}: {error:?}");
            assert!(client.query(&sql, &[]).await.is_err(), "{sql}");
        }
        std::fs::write(&path, "a\n1\n").unwrap();
        assert_eq!(code(&client.simple_query(&format!("select * from '{}'", path.display())).await.unwrap_err()), "42P01");
    });
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1);
}
