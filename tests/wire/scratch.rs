//! Tables and views that clients make: rows that come by COPY, what other sessions see, what lasts.

use std::sync::Arc;

use bytes::Bytes;
use futures::SinkExt;
use placido::server::Limits;
use placido::server::scratch::Scratch;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::raw::{Raw, bodies, kinds, rows, sqlstate, tags};
use super::{TestServer, code, eventually, text, texts};

/// The answers to a COPY FROM whose data are sent at once.
async fn copy_in(raw: &mut Raw, sql: &str, data: &[u8]) -> Vec<super::raw::Answer> {
    raw.query(sql).await;
    raw.send(b'd', data).await;
    raw.send(b'c', b"").await;
    raw.until_ready().await
}

fn field(answers: &[super::raw::Answer], letter: char) -> Option<String> {
    let (_, body) = answers.iter().find(|(kind, _)| *kind == 'E')?;
    let fields = body.split(|byte| *byte == 0);
    fields.filter_map(|field| std::str::from_utf8(field).ok()?.strip_prefix(letter).map(str::to_owned)).next()
}

#[test]
fn rows_are_copied_in_as_text_and_csv() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        raw.ask("create temp table t (a int, b text, c float8, d boolean)").await;
        let text = b"1\tone\t1.5\tt\n2\t\\N\t\\N\tfalse\n-3\ttab\\there\\nand \\x41\\102\t1e3\tyes\n";
        let answers = copy_in(&mut raw, "copy t from stdin", text).await;
        assert_eq!((kinds(&answers).as_str(), tags(&answers)), ("GCZ", vec!["COPY 3".to_owned()]));
        let found = rows(&raw.ask("select * from t order by a desc").await);
        assert_eq!(found, ["2|NULL|NULL|f", "1|one|1.5|t", "-3|tab\there\nand AB|1000|t"]);
        raw.ask("truncate t").await;
        let csv = b"a;b\r\n1;\"quoted; \"\"twice\"\"\r\nand more\"\r\n2;\r\n3;\"\"\r\n";
        let answers = copy_in(&mut raw, "copy t (a, b) from stdin with (format csv, header match, delimiter ';')", csv).await;
        assert_eq!(tags(&answers), ["COPY 3"], "{:?}", field(&answers, 'M'));
        let found = rows(&raw.ask("select a, b from t order by a").await);
        assert_eq!(found, ["1|quoted; \"twice\"\r\nand more", "2|NULL", "3|"]);
        // Byte by byte, with the end marker of old clients, and nothing behind it.
        raw.ask("truncate t").await;
        raw.query("copy t (a) from stdin").await;
        for byte in b"10\n20\n\\.\n30\n" {
            raw.send(b'd', &[*byte]).await;
        }
        raw.send(b'c', b"").await;
        assert_eq!(tags(&raw.until_ready().await), ["COPY 2"]);
    });
}

/// Codes, messages and context are what PostgreSQL 15.18 said to the same.
#[test]
fn data_that_do_not_fit_are_refused_with_their_place() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        raw.ask("create temp table t (a int not null, b varchar(3))").await;
        for (sql, data, code, message, context) in [
            (
                "copy t from stdin",
                &b"1\tx\nten\ty\n"[..],
                "22P02",
                "invalid input syntax for type integer: \"ten\"",
                "COPY t, line 2, column a: \"ten\"",
            ),
            ("copy t from stdin", b"1\tx\n2\n", "22P04", "missing data for column \"b\"", "COPY t, line 2: \"2\""),
            ("copy t from stdin", b"1\tx\ty\n", "22P04", "extra data after last expected column", "COPY t, line 1: \"1\tx\ty\""),
            ("copy t from stdin csv", b"1,\"x\n", "22P04", "unterminated CSV quoted field", "COPY t, line 1: \"1,\"x\n\""),
            (
                "copy t from stdin",
                b"99999999999\tx\n",
                "22003",
                "value \"99999999999\" is out of range for type integer",
                "COPY t, line 1, column a: \"99999999999\"",
            ),
            (
                "copy t from stdin",
                b"1\tx\n\\N\ty\n",
                "23502",
                "null value in column \"a\" of relation \"t\" violates not-null constraint",
                "COPY t, line 2",
            ),
            ("copy t from stdin", b"1\tlong\n", "22001", "value too long for type character varying(3)", "COPY t, line 1"),
            (
                "copy t from stdin (format csv, header match)",
                b"a,z\n",
                "22P04",
                "column name mismatch in header line field 2: got \"z\", expected \"b\"",
                "COPY t, line 1",
            ),
            ("copy t from stdin", b"1\t\xff\n", "22021", "invalid byte sequence for encoding \"UTF8\": 0xff", "COPY t, line 1"),
            (
                "copy t from stdin binary",
                b"not binary at all, but long enough",
                "22P04",
                "COPY file signature not recognized",
                "",
            ),
        ] {
            let answers = copy_in(&mut raw, sql, data).await;
            let found = (sqlstate(&answers).unwrap_or_default(), field(&answers, 'M').unwrap_or_default());
            assert_eq!((found.0.as_str(), found.1.as_str()), (code, message), "{sql}");
            let place = field(&answers, 'W').unwrap_or_default();
            assert!(place.starts_with(context), "{sql}: {place}");
        }
        // Nothing of what failed is there, and the session goes on.
        assert_eq!(rows(&raw.ask("select count(*) from t").await), ["0"]);
        // A client that gives up.
        raw.query("copy t from stdin").await;
        raw.send(b'd', b"1\tx\n").await;
        raw.send(b'f', b"no more\0").await;
        let answers = raw.until_ready().await;
        assert_eq!(field(&answers, 'M').as_deref(), Some("COPY from stdin failed: no more"));
        assert_eq!(sqlstate(&answers).as_deref(), Some("57014"));
        assert_eq!(rows(&raw.ask("select count(*) from t").await), ["0"]);
        for sql in [
            "copy gold.eye_features from stdin",
            "copy raw.nosuch from stdin",
            "copy t (nosuch) from stdin",
            "copy nosuch from stdin",
        ] {
            let answers = raw.ask(sql).await;
            assert!(["42501", "3F000", "42703", "42P01"].contains(&sqlstate(&answers).unwrap().as_str()), "{sql}: {answers:?}");
        }
    });
}

#[test]
fn rows_are_copied_in_and_out_in_binary() {
    let server = TestServer::start();
    server.run(|client| async move {
        client
            .batch_execute("create table t (a int, b text, c float8, d timestamptz, e float8[], f bytea, g timestamp, h boolean)")
            .await
            .unwrap();
        let types = [
            Type::INT4,
            Type::TEXT,
            Type::FLOAT8,
            Type::TIMESTAMPTZ,
            Type::FLOAT8_ARRAY,
            Type::BYTEA,
            Type::TIMESTAMP,
            Type::BOOL,
        ];
        let sink = client.copy_in("copy t from stdin binary").await.unwrap();
        let writer = BinaryCopyInWriter::new(sink, &types);
        futures::pin_mut!(writer);
        let when = std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_704_164_645_123_456);
        for number in 0..10_000_i32 {
            let text = (number % 7 != 0).then(|| format!("row {number}"));
            let list = vec![Some(f64::from(number)), None];
            let row: [&(dyn ToSql + Sync); 8] = [
                &number,
                &text,
                &(f64::from(number) / 4.0),
                &when,
                &list,
                &vec![0_u8, 255],
                &None::<std::time::SystemTime>,
                &true,
            ];
            writer.as_mut().write(&row).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), 10_000);
        let row = client.query_one("select a, b, c, d, e, f, h from t where a = 4321", &[]).await.unwrap();
        assert_eq!(row.get::<_, Option<String>>(1).as_deref(), Some("row 4321"));
        assert_eq!((row.get::<_, f64>(2), row.get::<_, std::time::SystemTime>(3)), (1080.25, when));
        assert_eq!((row.get::<_, Vec<Option<f64>>>(4), row.get::<_, Vec<u8>>(5)), (vec![Some(4321.0), None], vec![0, 255]));
        // What comes out goes in again.
        let stream = client.copy_out("copy t to stdout binary").await.unwrap();
        let data: Vec<Bytes> = futures::TryStreamExt::try_collect(Box::pin(stream)).await.unwrap();
        client.batch_execute("create table again (like t)").await.unwrap();
        let sink = client.copy_in::<_, Bytes>("copy again from stdin binary").await.unwrap();
        futures::pin_mut!(sink);
        for piece in data {
            sink.as_mut().send(piece).await.unwrap();
        }
        assert_eq!(sink.as_mut().finish().await.unwrap(), 10_000);
        let differences = "select count(*) from (select * from t except select * from again) as x";
        assert_eq!(text(&client, differences).await.as_deref(), Some("0"));
    });
}

#[test]
fn parameters_take_the_types_of_the_columns() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("create temp table t (a int primary key, b text, c float8[])").await.unwrap();
        let insert = client.prepare("insert into t (a, b, c) values ($1, $2, $3)").await.unwrap();
        assert_eq!(insert.params(), [Type::INT4, Type::TEXT, Type::FLOAT8_ARRAY]);
        for number in 0..50_i32 {
            assert_eq!(client.execute(&insert, &[&number, &"x", &vec![0.5_f64]]).await.unwrap(), 1);
        }
        assert_eq!(code(&client.execute(&insert, &[&1_i32, &"x", &vec![0.5_f64]]).await.unwrap_err()), "23505");
        let update = client.prepare("update t set b = $2 where a < $1").await.unwrap();
        assert_eq!(client.execute(&update, &[&10_i32, &"small"]).await.unwrap(), 10);
        let delete = client.prepare("delete from t where b = $1").await.unwrap();
        assert_eq!(client.execute(&delete, &[&"small"]).await.unwrap(), 10);
        let count = client.prepare("select count(*) from t where a >= $1").await.unwrap();
        assert_eq!(client.query_one(&count, &[&0_i32]).await.unwrap().get::<_, i64>(0), 40);
        // A prepared query sees the rows of now, and the table of now.
        client.execute("insert into t values (1000, 'y', null)", &[]).await.unwrap();
        assert_eq!(client.query_one(&count, &[&0_i32]).await.unwrap().get::<_, i64>(0), 41);
        client.batch_execute("drop table t; create temp table t (a int, z text)").await.unwrap();
        assert_eq!(client.query_one(&count, &[&0_i32]).await.unwrap().get::<_, i64>(0), 0);
        client.batch_execute("drop table t").await.unwrap();
        assert_eq!(code(&client.query_one(&count, &[&0_i32]).await.unwrap_err()), "42P01");
    });
}

#[test]
fn layers_are_never_written_to() {
    let server = TestServer::start();
    server.run(|client| async move {
        for sql in [
            "insert into gold.eye_features (exam_id) values ('E9')",
            "insert into eye_features select * from eye_features",
            "update gold.eye_features set eye = 'OS'",
            "delete from eye_features",
            "drop view gold.eye_features",
            "drop table silver.eyes cascade",
            "drop schema gold cascade",
            "alter view gold.eye_features rename to x",
            "truncate silver.eyes",
            "comment on view gold.eye_features is 'mine'",
            "comment on column gold.eye_features.eye is 'mine'",
            "comment on schema gold is 'mine'",
            "create table gold.mine (a int)",
            "create view silver.mine as select 1 as a",
            "create table pg_catalog.mine (a int)",
            "prepare p as delete from gold.eye_features",
            "with x as (select 1) insert into gold.eye_features (exam_id) select 'E9' from x",
        ] {
            assert_eq!(code(&client.batch_execute(sql).await.unwrap_err()), "42501", "{sql}");
        }
        assert_eq!(text(&client, "select count(*) from eye_features").await.as_deref(), Some("3"));
    });
}

#[test]
fn a_transaction_sees_one_state_and_others_see_it_when_it_commits() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (a, b) = (server.client().await, server.client().await);
        a.batch_execute("create table shared (n int); insert into shared values (1)").await.unwrap();
        let count = "select count(*) from anna.shared";
        // Both are the user anna, whose schema comes first.
        assert_eq!(text(&b, count).await.as_deref(), Some("1"));
        b.batch_execute("begin; select * from shared").await.unwrap();
        a.batch_execute("begin; insert into shared values (2); create table other (n int)").await.unwrap();
        assert_eq!((text(&a, count).await.as_deref(), text(&b, count).await.as_deref()), (Some("2"), Some("1")));
        a.batch_execute("commit").await.unwrap();
        assert_eq!(text(&b, count).await.as_deref(), Some("1"), "a transaction sees what it saw");
        assert_eq!(code(&b.batch_execute("select * from other").await.unwrap_err()), "42P01");
        b.batch_execute("rollback").await.unwrap();
        assert_eq!(text(&b, count).await.as_deref(), Some("2"));
        // Two that add rows do not disturb each other; two that change the same rows do.
        a.batch_execute("begin; insert into shared values (3)").await.unwrap();
        b.batch_execute("begin; insert into shared values (4)").await.unwrap();
        a.batch_execute("commit").await.unwrap();
        b.batch_execute("commit").await.unwrap();
        assert_eq!(text(&a, count).await.as_deref(), Some("4"));
        a.batch_execute("begin; update shared set n = n + 10 where n = 1").await.unwrap();
        b.batch_execute("begin; delete from shared where n = 2").await.unwrap();
        a.batch_execute("commit").await.unwrap();
        assert_eq!(code(&b.batch_execute("commit").await.unwrap_err()), "40001");
        assert_eq!(
            texts(&a, "select n from shared order by n").await.concat().into_iter().flatten().collect::<Vec<_>>(),
            ["2", "3", "4", "11"]
        );
        // A temporary table is its session's, and hides what it is called like.
        a.batch_execute("create temp table shared as select 'mine' as n").await.unwrap();
        assert_eq!(text(&a, "select n from shared").await.as_deref(), Some("mine"));
        assert_eq!(text(&b, "select count(*) from shared").await.as_deref(), Some("4"));
    });
}

#[test]
fn many_sessions_that_write_at_once_lose_nothing() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let first = server.client().await;
        first
            .batch_execute(
                "create table sums (k int primary key, n int); insert into sums values (0, 0); create table log (n int)",
            )
            .await
            .unwrap();
        let mut writers = Vec::new();
        for writer in 0..4 {
            let client = server.client().await;
            writers.push(tokio::spawn(async move {
                for turn in 0..10 {
                    client.batch_execute(&format!("insert into log values ({})", writer * 100 + turn)).await.unwrap();
                    // Statements of their own are run again where they met another.
                    client.batch_execute("update sums set n = n + 1").await.unwrap();
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(text(&first, "select count(distinct n) from log").await.as_deref(), Some("40"));
        assert_eq!(text(&first, "select n from sums").await.as_deref(), Some("40"));
    });
}

#[test]
fn what_clients_make_lasts_and_temporary_tables_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = || Arc::new(Scratch::open(folder.path()).unwrap());
    {
        let server = TestServer::over(Limits::default(), Some(scratch()));
        server.run(|client| async move {
            client
                .batch_execute(
                    "create schema work; set search_path = work;
                     create table t (a int primary key, b varchar(5) default 'x', c interval, d uuid);
                     insert into t (a, c) select value, '1 mon 2 hours' from generate_series(1, 3000) as value;
                     create view v as select a, c from t where a > 2990;
                     comment on table t is 'numbers'; comment on column t.a is 'a number';
                     create temp table gone as select 1 as a",
                )
                .await
                .unwrap();
        });
    }
    let mut server = TestServer::over(Limits::default(), Some(scratch()));
    server.run(|client| async move {
        client.batch_execute("set search_path = work").await.unwrap();
        assert_eq!(text(&client, "select count(*) from t where b = 'x'").await.as_deref(), Some("3000"));
        assert_eq!(text(&client, "select c from v limit 1").await.as_deref(), Some("1 mon 02:00:00"));
        assert_eq!(code(&client.batch_execute("insert into t values (7)").await.unwrap_err()), "23505");
        assert_eq!(code(&client.batch_execute("insert into t values (0, 'too long')").await.unwrap_err()), "22001");
        assert_eq!(code(&client.batch_execute("select * from gone").await.unwrap_err()), "42P01");
        let about = "select obj_description('work.t'::regclass, 'pg_class'), col_description('work.t'::regclass, 1)";
        assert_eq!(texts(&client, about).await, [[Some("numbers".to_owned()), Some("a number".to_owned())]]);
        client.batch_execute("drop schema work cascade").await.unwrap();
    });
    server.stop();
    drop(server);
    assert_eq!(std::fs::read_dir(folder.path().join("rows")).unwrap().count(), 0, "files of dropped tables");
}

#[test]
fn catalogs_show_what_a_session_has_made() {
    let server = TestServer::start();
    server.run(|client| async move {
        client
            .batch_execute(
                "create table t (a int not null, b text); create view v as select a from t; create temp table tt (x float8);
                 comment on column t.b is 'words'; create table public.everybody (a int)",
            )
            .await
            .unwrap();
        let found = texts(
            &client,
            "select n.nspname like 'pg_temp%', c.relname, c.relkind, c.relpersistence from pg_catalog.pg_class c
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relname in ('t', 'v', 'tt', 'everybody') order by c.relname",
        )
        .await;
        let expected = [["f", "everybody", "r", "p"], ["f", "t", "r", "p"], ["t", "tt", "r", "t"], ["f", "v", "v", "p"]];
        assert_eq!(found, expected.map(|row| row.map(|value| Some(value.to_owned())).to_vec()));
        let columns =
            "select column_name, data_type from information_schema.columns where table_name = 't' order by ordinal_position";
        assert_eq!(texts(&client, columns).await.len(), 2);
        assert_eq!(text(&client, "select 'tt'::regclass::text").await.as_deref(), Some("tt"));
        assert!(text(&client, "select pg_get_viewdef('v'::regclass)").await.is_some_and(|sql| sql.contains("\"t\"")));
    });
    // Another session does not see temporary tables.
    server.run(|client| async move {
        assert_eq!(text(&client, "select count(*) from pg_class where relname = 'tt'").await.as_deref(), Some("0"));
        assert_eq!(text(&client, "select count(*) from pg_class where relname = 't'").await.as_deref(), Some("1"));
    });
}

/// What dbt types for a model that is a table, when it is built for the second time.
#[test]
fn dbt_swaps_a_table_for_a_new_one() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("create schema if not exists \"dbt\"").await.unwrap();
        client.batch_execute("create table \"placido\".\"dbt\".\"m\" as (select 1 as id)").await.unwrap();
        client
            .batch_execute("create view \"placido\".\"dbt\".\"reader\" as (select * from \"placido\".\"dbt\".\"m\")")
            .await
            .unwrap();
        client.batch_execute("BEGIN").await.unwrap();
        client
            .batch_execute("/* {\"app\": \"dbt\"} */ create  table \"placido\".\"dbt\".\"m__dbt_tmp\" as ( select 2 as id );")
            .await
            .unwrap();
        client.batch_execute("alter table \"placido\".\"dbt\".\"m\" rename to \"m__dbt_backup\"").await.unwrap();
        client.batch_execute("alter table \"placido\".\"dbt\".\"m__dbt_tmp\" rename to \"m\"").await.unwrap();
        client
            .batch_execute(
                "comment on table \"placido\".\"dbt\".\"m\" is $dbt_comment_literal_block$a model$dbt_comment_literal_block$",
            )
            .await
            .unwrap();
        client.batch_execute("COMMIT").await.unwrap();
        // As in PostgreSQL, the view reads on what it read.
        assert_eq!(text(&client, "select id from dbt.reader").await.as_deref(), Some("1"));
        client.batch_execute("drop table if exists \"placido\".\"dbt\".\"m__dbt_backup\" cascade").await.unwrap();
        assert_eq!(text(&client, "select id from dbt.m").await.as_deref(), Some("2"));
        assert_eq!(code(&client.batch_execute("select * from dbt.reader").await.unwrap_err()), "42P01");
    });
}

#[test]
fn sessions_hear_each_other() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut ear = Raw::connect(&server).await;
        let mouth = server.client().await;
        ear.ask("listen eyes").await;
        mouth.batch_execute("begin; notify eyes, 'undone'; rollback").await.unwrap();
        mouth.batch_execute("begin; notify eyes, 'once'; notify eyes, 'once'; notify other; commit").await.unwrap();
        // Without having to ask.
        let heard = tokio::time::timeout(std::time::Duration::from_secs(30), ear.next()).await.unwrap();
        assert_eq!((heard.0, &heard.1[4..]), ('A', &b"eyes\0once\0"[..]));
        ear.ask("unlisten *").await;
        mouth.batch_execute("notify eyes").await.unwrap();
        let answers = ear.ask("select 1").await;
        assert!(bodies(&answers, 'A').is_empty(), "{answers:?}");
    });
}

/// More than the memory that the server may use: a table and a sort of it go to disk, and come back the same.
#[test]
fn what_does_not_fit_into_memory_goes_to_disk() {
    let server = TestServer::with_memory(192 * 1024 * 1024, Limits::default());
    server.run(|client| async move {
        client
            .batch_execute(
                "create temp table big as select value as n, repeat(md5(value::text), 4) as t from generate_series(1, 600000) as value",
            )
            .await
            .unwrap();
        assert_eq!(text(&client, "select count(*) from big").await.as_deref(), Some("600000"));
        let sorted = "select n from (select n, t, row_number() over (order by t desc, n) as r from big) as x where r = 600000";
        let last = text(&client, sorted).await.unwrap();
        let least = text(&client, "select n from big where t = (select min(t) from big) order by n desc limit 1").await.unwrap();
        assert_eq!(last, least);
    });
}

#[test]
fn a_copy_can_be_cancelled_and_has_its_time() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        client.batch_execute("create temp table t (a int); set statement_timeout = '300ms'").await.unwrap();
        let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.unwrap();
        futures::pin_mut!(sink);
        sink.as_mut().send(Bytes::from_static(b"1\n")).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        assert_eq!(code(&sink.as_mut().finish().await.unwrap_err()), "57014");
        client.batch_execute("set statement_timeout = 0").await.unwrap();
        let cancel = client.cancel_token();
        let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.unwrap();
        futures::pin_mut!(sink);
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let _ = sink.as_mut().send(Bytes::from_static(b"1\n")).await;
        assert_eq!(code(&sink.as_mut().finish().await.unwrap_err()), "57014");
        assert_eq!(text(&client, "select count(*) from t").await.as_deref(), Some("0"));
        // So can making a table of endless rows, which leaves nothing behind.
        let cancel = client.cancel_token();
        let asked = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        });
        let endless = "create temp table e as select n from silver.endless where n >= 0";
        assert_eq!(code(&client.batch_execute(endless).await.unwrap_err()), "57014");
        asked.await.unwrap();
        let reading = || server.endless.reading.load(std::sync::atomic::Ordering::SeqCst);
        eventually("the work has stopped", || !reading()).await;
        assert_eq!(code(&client.batch_execute("select * from e").await.unwrap_err()), "42P01");
    });
}
