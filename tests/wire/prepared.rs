//! PREPARE, EXECUTE, DEALLOCATE. The codes are those of PostgreSQL 15.18 for the same statements.

use super::raw::{Raw, kinds, rows, sqlstate, tags};
use super::{TestServer, code, text, texts};

#[test]
fn statements_are_prepared_and_executed_in_sql() {
    let server = TestServer::start();
    server.run(|client| async move {
        client
            .batch_execute(
                "prepare plain as select count(*) from eye_features; \
                 prepare eyes as select exam_id from eye_features where visit = $1 and k_max_d > $2 order by 1; \
                 prepare typed (int, text, float8[], unknown) as select $1 + 1, $2 || '!', $3, $4; \
                 prepare day (date) as select $1",
            )
            .await
            .unwrap();
        assert_eq!(text(&client, "execute plain").await.as_deref(), Some("3"));
        assert_eq!(texts(&client, "execute eyes(1, 43)").await, [[Some("E2".to_owned())]]);
        assert_eq!(texts(&client, "execute eyes(1, 42.5)").await.len(), 2);
        // Expressions, literals of the wanted type, NULL.
        assert_eq!(texts(&client, "execute eyes('1', 40 + abs(-2.5))").await.len(), 2);
        assert!(texts(&client, "execute eyes(null, 1)").await.is_empty());
        assert_eq!(
            texts(&client, "execute typed(41, upper('a'), '{1.5,2}', 'x')").await,
            [[Some("42".to_owned()), Some("A!".into()), Some("{1.5,2}".into()), Some("x".into())]]
        );
        assert_eq!(text(&client, "execute day('2024-02-29')").await.as_deref(), Some("2024-02-29"));
        client.batch_execute("deallocate day").await.unwrap();
        assert_eq!(code(&client.batch_execute("execute day('2024-02-29')").await.unwrap_err()), "26000");
        // EXECUTE through a driver: typed columns, values in binary.
        let row = client.query_one("execute typed(1, 'b', null, null)", &[]).await.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, Option<Vec<f64>>>(2)), (2, "b!", None));
        client.batch_execute("deallocate all").await.unwrap();
        assert_eq!(code(&client.batch_execute("execute plain").await.unwrap_err()), "26000");
    });
}

#[test]
fn sql_and_protocol_share_their_names() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        raw.ask("prepare a as select value from generate_series(1, 10) as value where value > $1 order by value").await;
        raw.of(b'D', 'S', "a").await;
        raw.bind("", "a", &["7"], 0).await;
        raw.execute("", 2).await;
        raw.execute("", 2).await;
        let answers = raw.sync().await;
        assert_eq!((kinds(&answers).as_str(), rows(&answers)), ("tT2DDsDCZ", vec!["8".to_owned(), "9".into(), "10".into()]));

        raw.parse("b", "select $1::int + 1").await;
        raw.sync().await;
        assert_eq!(rows(&raw.ask("execute b(1)").await), ["2"]);
        assert_eq!(sqlstate(&raw.ask("prepare b as select 1").await).as_deref(), Some("42P05"));
        // EXECUTE is described as what it executes, and gives its rows in parts.
        raw.parse("", "execute a(5)").await;
        raw.bind("", "", &[], 0).await;
        raw.of(b'D', 'P', "").await;
        raw.execute("", 3).await;
        raw.execute("", 3).await;
        let answers = raw.sync().await;
        assert_eq!((kinds(&answers).as_str(), rows(&answers).len()), ("12TDDDsDDCZ", 5));
        assert_eq!(
            tags(&raw.ask("execute b(5); deallocate prepare b; deallocate a").await),
            ["SELECT 1", "DEALLOCATE", "DEALLOCATE"]
        );
        raw.bind("", "a", &["7"], 0).await;
        assert_eq!(sqlstate(&raw.sync().await).as_deref(), Some("26000"));
        // PREPARE by the extended protocol.
        raw.parse("", "prepare c as select 'c'").await;
        raw.bind("", "", &[], 0).await;
        raw.of(b'D', 'P', "").await;
        raw.execute("", 0).await;
        assert_eq!(kinds(&raw.sync().await), "12nCZ");
        assert_eq!(rows(&raw.ask("execute c").await), ["c"]);
    });
}

#[test]
fn a_session_sees_its_own_prepared_statements() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (client, mut raw) = (server.client().await, Raw::connect(&server).await);
        raw.ask("prepare a (int, double precision[], date) as select $1, $2, $3").await;
        raw.parse("b", "select exam_id from eye_features where visit = $1").await;
        raw.sync().await;
        let shown = "select name, from_sql, parameter_types, prepare_time <= now() from pg_prepared_statements order by name";
        assert_eq!(rows(&raw.ask(shown).await), ["a|t|{integer,\"double precision[]\",date}|t", "b|f|{bigint}|t"]);
        let text = rows(&raw.ask("select statement from pg_catalog.pg_prepared_statements where name = 'b'").await);
        assert_eq!(text, ["select exam_id from eye_features where visit = $1"]);
        assert!(texts(&client, shown).await.is_empty());
        raw.ask("deallocate a").await;
        assert_eq!(rows(&raw.ask("select count(*) from pg_prepared_statements").await), ["1"]);
    });
}

#[test]
fn mistakes_with_prepared_statements_have_the_codes_of_postgres() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("prepare p as select $1::int").await.unwrap();
        for (sql, expected) in [
            ("execute nothing", "26000"),
            ("execute nothing(1)", "26000"),
            ("deallocate nothing", "26000"),
            ("execute p", "42601"),
            ("execute p(1, 2)", "42601"),
            ("execute p('a')", "22P02"),
            ("execute p((select 1))", "0A000"),
            ("execute p(1/0)", "22012"),
            ("execute p($1)", "42P02"),
            ("execute p(1", "42601"),
            ("execute p(1) 2", "42601"),
            ("execute p(nothing)", "42703"),
            ("prepare p as select 2", "42P05"),
            ("prepare q(klingon) as select $1", "42704"),
            ("prepare q as set timezone = 'utc'", "42601"),
            ("prepare q as", "42601"),
            ("prepare q as select nothing from eye_features", "42703"),
            ("prepare q as delete from eye_features", "42501"),
        ] {
            match client.simple_query(sql).await {
                Ok(_) => panic!("{sql}: no error"),
                Err(error) => assert_eq!(code(&error), expected, "{sql}: {error:?}"),
            }
        }
        assert_eq!(text(&client, "execute p(7)").await.as_deref(), Some("7"));
        client.batch_execute("begin").await.unwrap();
        assert!(client.batch_execute("select 1/0").await.is_err());
        for sql in
            ["execute p(1)", "prepare q as select 1", "copy (select 1) to stdout", "declare c cursor for select 1", "close all"]
        {
            assert_eq!(code(&client.simple_query(sql).await.unwrap_err()), "25P02", "{sql}");
        }
        client.batch_execute("rollback").await.unwrap();
    });
}
