//! Statements: transactions, settings, prepared statements, portals, several in one string.

use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::SimpleQueryMessage;

use super::raw::{Raw, kinds};
use super::{TestServer, code, text, texts};

/// The engine computes in the zone that SHOW tells, whichever way it came to be set.
#[test]
fn a_zone_that_is_rolled_back_no_longer_counts() {
    let server = TestServer::start();
    server.run(|client| async move {
        let noon = "select cast(timestamp '2026-01-15 12:00:00' as timestamptz)::text";
        let before = text(&client, noon).await;
        client.batch_execute("begin; set time zone 'Asia/Tokyo'; rollback").await.unwrap();
        assert_eq!(text(&client, noon).await, before);
        client.batch_execute("begin; set local time zone 'Asia/Tokyo'; commit").await.unwrap();
        assert_eq!(text(&client, noon).await, before);
        client.batch_execute("set time zone 'Asia/Tokyo'").await.unwrap();
        assert_ne!(text(&client, noon).await, before);
        client.batch_execute("reset all").await.unwrap();
        assert_eq!(text(&client, noon).await, before);
    });
}

#[test]
fn a_failed_transaction_waits_for_its_end() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("begin").await.unwrap();
        assert_eq!(code(&client.batch_execute("select 1/0").await.unwrap_err()), "22012");
        assert_eq!(code(&client.batch_execute("select 1").await.unwrap_err()), "25P02");
        assert_eq!(code(&client.query("select 1", &[]).await.unwrap_err()), "25P02");
        client.batch_execute("rollback").await.unwrap();
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
        client.batch_execute("begin; savepoint s; select 1; rollback to s; release s; commit").await.unwrap();
    });
}

#[test]
fn several_statements_stop_at_the_first_error() {
    let server = TestServer::start();
    server.run(|client| async move {
        let rows = texts(&client, "select 1; ; select 2 as b, 'x;y'").await;
        assert_eq!(rows, [vec![Some("1".into())], vec![Some("2".into()), Some("x;y".into())]]);
        assert!(texts(&client, "").await.is_empty());
        assert!(texts(&client, " ; ;").await.is_empty());
        // A syntax error anywhere keeps all of it from running.
        assert_eq!(code(&client.simple_query("set application_name = 'seen'; selec").await.unwrap_err()), "42601");
        assert_ne!(text(&client, "show application_name").await.as_deref(), Some("seen"));
        assert_eq!(code(&client.simple_query("set application_name = 'seen'; select 1/0; select 3").await.unwrap_err()), "22012");
        assert_eq!(text(&client, "show application_name").await.as_deref(), Some(""), "the string is one transaction");
    });
}

#[test]
fn settings_belong_to_their_session() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (client, other) = (server.client().await, server.client().await);
        client.batch_execute("set search_path to silver, gold; set datafusion.execution.batch_size = 777").await.unwrap();
        assert_eq!(text(&client, "select count(*) from eyes").await.as_deref(), Some("3"));
        assert_eq!(text(&client, "select count(*) from eye_features").await.as_deref(), Some("3"));
        assert_eq!(text(&client, "select current_schema").await.as_deref(), Some("silver"));
        assert_eq!(text(&client, "select current_setting('search_path')").await.as_deref(), Some("silver, gold"));
        assert_eq!(text(&client, "show search_path").await.as_deref(), Some("silver, gold"));
        assert_eq!(text(&other, "select current_schema()").await.as_deref(), Some("gold"));
        assert_eq!(code(&other.batch_execute("select count(*) from eyes").await.unwrap_err()), "42P01");
        client.batch_execute("discard all").await.unwrap();
        assert_eq!(text(&client, "show search_path").await.as_deref(), Some("\"$user\", gold, public"));
        // A WITH query hides a table of the same name.
        assert_eq!(text(&client, "with eye_features as (select 7 as n) select n from eye_features").await.as_deref(), Some("7"));
    });
}

#[test]
fn who_and_where_is_told() {
    let server = TestServer::start();
    server.run(|client| async move {
        let row =
            texts(&client, "select current_user, session_user, current_database(), current_schema(), version()").await.remove(0);
        assert_eq!(row[0].as_deref(), Some("anna"));
        assert_eq!(row[1].as_deref(), Some("anna"));
        assert_eq!(row[2].as_deref(), Some("placido"));
        assert_eq!(row[3].as_deref(), Some("gold"));
        let version = row[4].clone().unwrap();
        assert!(version.starts_with("PostgreSQL 16.6 (placido "), "{version}");
        assert!(text(&client, "select pg_backend_pid()").await.unwrap().parse::<i32>().unwrap() > 0);
        let tables =
            texts(&client, "select table_schema, table_name from information_schema.tables where table_name = 'eye_features'")
                .await;
        assert_eq!(tables, [vec![Some("gold".to_owned()), Some("eye_features".to_owned())]]);
        let columns = texts(
            &client,
            "select column_name from information_schema.columns where table_name = 'eyes' order by ordinal_position",
        )
        .await;
        assert_eq!(columns.len(), 5);
    });
}

#[test]
fn catalog_queries_of_drivers_are_answered() {
    let server = TestServer::start();
    server.run(|client| async move {
        let oid = text(&client, "select 'gold.eye_features'::regclass::oid").await.unwrap();
        assert_eq!(text(&client, &format!("select {oid}::regclass::text")).await.as_deref(), Some("eye_features"));
        assert_eq!(
            text(&client, &format!("select attname from pg_attribute where attrelid = {oid} and attnum = 3")).await.as_deref(),
            Some("k_max_d")
        );
        assert_eq!(text(&client, "select to_regclass('no.such') is null").await.as_deref(), Some("t"));
        assert_eq!(code(&client.batch_execute("select 'no.such'::regclass").await.unwrap_err()), "3F000");
        let comment = "select description from pg_description d join pg_class c on c.oid = d.objoid \
                       where c.relname = 'eye_features' and d.objsubid = 0";
        assert_eq!(text(&client, comment).await.as_deref(), Some("Features of an eye, one row an exam."));
        assert_eq!(text(&client, "select count(*) from pg_catalog.pg_index").await.as_deref(), Some("0"));
        assert!(texts(&client, "select i.relname from pg_index x join pg_class i on i.oid = x.indexrelid").await.is_empty());
    });
}

#[test]
fn a_portal_gives_its_rows_in_parts() {
    let server = TestServer::start();
    server.run(|mut client| async move {
        let transaction = client.transaction().await.unwrap();
        let portal = transaction.bind("select value from generate_series(1, 10000) as value order by value", &[]).await.unwrap();
        let mut seen = Vec::new();
        loop {
            let rows = transaction.query_portal(&portal, 3333).await.unwrap();
            if rows.is_empty() {
                break;
            }
            assert!(rows.len() <= 3333);
            seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
        }
        assert_eq!(seen, (1..=10_000).collect::<Vec<_>>());
        assert!(transaction.query_portal(&portal, 10).await.unwrap().is_empty());
        transaction.commit().await.unwrap();
    });
}

#[test]
fn rows_of_an_endless_result_arrive_while_it_runs() {
    let server = TestServer::start();
    server.run(|client| async move {
        let rows = client.query_raw("select n from silver.endless", Vec::<String>::new()).await.unwrap();
        let first: Vec<i64> = rows.take(2_000).map(|row| row.unwrap().get::<_, i64>(0)).collect().await;
        assert_eq!(first, (0..2_000).collect::<Vec<_>>());
    });
}

#[test]
fn an_error_in_the_extended_protocol_is_over_at_sync() {
    let server = TestServer::start();
    server.run(|client| async move {
        assert_eq!(code(&client.query("select nothing", &[]).await.unwrap_err()), "42703");
        assert_eq!(code(&client.query("select 1/0 from eye_features", &[]).await.unwrap_err()), "22012");
        assert_eq!(client.query_one("select 5::int", &[]).await.unwrap().get::<_, i32>(0), 5);
        let statement = client.prepare("select 1::int as a").await.unwrap();
        client.batch_execute("deallocate all").await.unwrap();
        assert_eq!(code(&client.query(&statement, &[]).await.unwrap_err()), "26000");
        // Two at once on one connection.
        let (a, b) = tokio::join!(client.query_one("select 1::int", &[]), client.query_one("select 2::int", &[]));
        assert_eq!((a.unwrap().get::<_, i32>(0), b.unwrap().get::<_, i32>(0)), (1, 2));
    });
}

/// asyncpg sends Flush behind what it prepares, and Sync when it has read the answer.
#[test]
fn an_error_does_not_wait_for_sync() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        raw.parse("", "select nothing from eye_features").await;
        raw.of(b'D', 'S', "").await;
        raw.send(b'H', b"").await;
        let (kind, _) = tokio::time::timeout(Duration::from_secs(60), raw.next()).await.unwrap();
        assert_eq!(kind, 'E');
        assert_eq!(kinds(&raw.sync().await), "Z");
    });
}

#[test]
fn tags_and_explain() {
    let server = TestServer::start();
    server.run(|client| async move {
        let messages = client.simple_query("select exam_id from eye_features").await.unwrap();
        assert!(messages.iter().any(|message| matches!(message, SimpleQueryMessage::CommandComplete(3))));
        for explain in [
            "explain select 1",
            "explain (analyze, costs off) select count(*) from eye_features",
            "explain (format json) select 1",
        ] {
            assert!(!texts(&client, explain).await.is_empty(), "{explain}");
        }
        // As in PostgreSQL, a plan in JSON is one value of that type.
        for explain in ["explain (format json) select 1", "explain (analyze, format json) select 1"] {
            let row = client.query_one(explain, &[]).await.unwrap();
            let columns: Vec<_> = row.columns().iter().map(|column| (column.name(), column.type_().clone())).collect();
            assert_eq!(columns, [("QUERY PLAN", tokio_postgres::types::Type::JSON)], "{explain}");
            let plan = text(&client, explain).await.unwrap();
            assert!(plan.starts_with("[\n  {\n    \"Plan\": {") && plan.ends_with(']'), "{plan}");
        }
        // postgres_fdw reads the first line by this pattern.
        let cost = "  (cost=";
        for (explain, actual) in [("explain", false), ("explain verbose", false), ("explain analyze", true)] {
            let lines = texts(&client, &format!("{explain} select exam_id from eye_features order by exam_id limit 2")).await;
            let lines: Vec<String> = lines.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
            let estimate = lines[0].split_once(cost).unwrap().1;
            let (startup, rest) = estimate.split_once("..").unwrap();
            let (total, rest) = rest.split_once(" rows=").unwrap();
            let (rows, width) = rest.split_once(" width=").unwrap();
            let width: String = width.chars().take_while(char::is_ascii_digit).collect();
            assert!(startup.parse::<f64>().unwrap() <= total.parse::<f64>().unwrap(), "{}", lines[0]);
            assert!(rows.parse::<u64>().unwrap() <= 2 && width.parse::<u64>().is_ok(), "{}", lines[0]);
            assert_eq!(lines[0].contains("(actual time="), actual, "{}", lines[0]);
            assert_eq!(lines.iter().any(|line| line.starts_with("Execution Time: ")), actual, "{lines:?}");
            assert_eq!(lines.iter().any(|line| line.trim_start().starts_with("Output: exam_id")), explain == "explain verbose");
            assert!(lines.iter().any(|line| line.trim_start().starts_with("->  ") && line.contains(cost)), "{lines:?}");
        }
        let plain = texts(&client, "explain (costs off) select exam_id from eye_features").await;
        assert!(!plain.iter().flatten().flatten().any(|line| line.contains("cost=")), "{plain:?}");
        // Who asks for the plan of a statement with parameters is told which they are.
        let prepared = client.prepare("explain select exam_id from eye_features where exam_id = $1").await.unwrap();
        assert_eq!((prepared.params().len(), prepared.columns()[0].name()), (1, "QUERY PLAN"));
        assert!(!client.query(&prepared, &[&"1"]).await.unwrap().is_empty());
        assert_eq!(texts(&client, "values (1, 'a'), (2, 'b')").await.len(), 2);
        assert_eq!(texts(&client, "select count(*), count(*), 1 as a, 2 as a from eye_features").await[0].len(), 4);
    });
}
