//! COPY … TO STDOUT. What is expected was written by PostgreSQL 15.18 for the same statements over the same rows.

use std::sync::atomic::Ordering;

use futures::{StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::binary_copy::BinaryCopyOutStream;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

use super::raw::{Raw, bodies, kinds, sqlstate, tags};
use super::{TestServer, code, eventually, text};

/// All that a COPY gives, by the extended protocol.
async fn copied(client: &Client, sql: &str) -> Result<Vec<u8>, tokio_postgres::Error> {
    let chunks: Vec<_> = client.copy_out(sql).await?.try_collect().await?;
    Ok(chunks.concat())
}

#[test]
fn text_and_csv_are_written_as_postgres_writes_them() {
    let cases = [
        (
            "copy eye_features to stdout",
            "E1\tOD\t43\t1\t2024-01-02 03:04:05.12+00\nE2\tOS\t58.25\t1\t\\N\nE3\tOD\t\\N\t2\t1970-01-01 00:00:00+00\n",
        ),
        (
            "copy (select exam_id, k_max_d, visit from eye_features order by 1) to stdout with (format csv, header)",
            "exam_id,k_max_d,visit\nE1,43,1\nE2,58.25,1\nE3,,2\n",
        ),
        ("copy eye_features (visit, exam_id) to stdout csv header", "visit,exam_id\n1,E1\n1,E2\n2,E3\n"),
        (
            "copy (select e'a\\tb\\\\c\\nd\\re\\x08\\x0b\\x0c', e'x\\x01y', '', null, '\\N') to stdout",
            "a\\tb\\\\c\\nd\\re\\b\\v\\f\tx\u{1}y\t\t\\N\t\\\\N\n",
        ),
        ("copy (select 'a|b', 'c') to stdout delimiter '|' null 'nil'", "a\\|b|c\n"),
        ("copy (select 'a|b', null, 'nil') to stdout with delimiter as '|' null as 'nil' csv", "\"a|b\"|nil|\"nil\"\n"),
        (
            "copy (select 'a,b', 'say \"hi\"', e'two\\nlines', '', null, 'plain', 1.5, true) to stdout (format csv)",
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"\",,plain,1.5,t\n",
        ),
        ("copy (select 'it''s', 'a\\b', 'q\"q') to stdout (format csv, quote '''', escape '\\')", "'it\\'s',a\\b,q\"q\n"),
        ("copy (select '\\.' as a) to stdout csv", "\"\\.\"\n"),
        ("copy (select '\\.' as a, 1 as b) to stdout csv", "\\.,1\n"),
        ("copy (select 'x' as a, 2 as b, null as c) to stdout (format csv, force_quote *, header)", "a,b,c\n\"x\",\"2\",\n"),
        ("copy (select 'x' as a, 2 as b) to stdout csv force quote b", "x,\"2\"\n"),
        (
            "copy (select 'x' as \"A b\", 2 as \"c,d\") to stdout (format csv, header true, force_quote (\"A b\"))",
            "A b,\"c,d\"\n\"x\",2\n",
        ),
        ("copy (select e'tab\\there' as \"t\tab\", true as b) to stdout (header)", "t\\tab\tb\ntab\\there\tt\n"),
        ("copy (select 1 where false) to stdout (format csv, header)", "?column?\n"),
        ("copy (select 1 where false) to stdout", ""),
        ("copy (select array['a,b','c'], array[1,2]) to stdout csv", "\"{\"\"a,b\"\",c}\",\"{1,2}\"\n"),
        ("copy (select decode('00ff5c', 'hex')) to stdout", "\\\\x00ff5c\n"),
        ("copy (values (1, 'a'), (2, null)) to stdout (format csv, null 'NULL', encoding 'utf-8')", "1,a\n2,NULL\n"),
        ("copy (select 'ä€', 'ß') to stdout with (delimiter ';', format 'csv')", "ä€;ß\n"),
        ("copy (select 'x') to stdout (format csv, freeze)", "x\n"),
        ("copy eye_features (visit, exam_id) to stdout using delimiters ';'", "1;E1\n1;E2\n2;E3\n"),
        ("copy gold.eye_features (eye) to stdout with delimiter '|' null 'x' csv encoding 'UTF8' header", "eye\nOD\nOS\nOD\n"),
    ];
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (client, mut raw) = (server.client().await, Raw::connect(&server).await);
        for (sql, expected) in cases {
            let found = copied(&client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{sql}");
            let answers = raw.ask(sql).await;
            assert_eq!(String::from_utf8(bodies(&answers, 'd')).unwrap(), expected, "{sql}");
        }
    });
}

#[test]
fn the_messages_of_a_copy() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        let answers = raw.ask("copy (select exam_id, visit from eye_features) to stdout; select 1").await;
        // One CopyData a row, as PostgreSQL sends them.
        assert_eq!(kinds(&answers), "HdddcCTDCZ");
        assert_eq!(bodies(&answers, 'H'), [0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(tags(&answers), ["COPY 3", "SELECT 1"]);
        let answers = raw.ask("copy (select exam_id, visit from eye_features) to stdout (format binary)").await;
        assert_eq!(bodies(&answers, 'H'), [1, 0, 2, 0, 1, 0, 1]);
        assert_eq!(tags(&answers), ["COPY 3"]);

        // Extended: nothing to describe, and the limit of an Execute means nothing.
        raw.parse("", "copy eye_features to stdout csv").await;
        raw.bind("", "", &[], 0).await;
        raw.of(b'D', 'P', "").await;
        raw.execute("", 1).await;
        let answers = raw.sync().await;
        assert_eq!(kinds(&answers), "12nHdddcCZ");
        // An error after the first rows ends the copy, not the session.
        let answers = raw.ask("copy (select 1/(2 - visit) from eye_features) to stdout").await;
        assert_eq!(sqlstate(&answers).as_deref(), Some("22012"));
        assert!(kinds(&answers).ends_with("EZ"), "{}", kinds(&answers));
        assert_eq!(tags(&raw.ask("select 1").await), ["SELECT 1"]);
    });
}

#[test]
fn binary_is_postgres_byte_by_byte() {
    let cases = [
        (
            "select exam_id, k_max_d, visit, examined_at from eye_features order by exam_id",
            "5047434f50590aff0d0a0000000000000000000004000000024531000000084045800000000000000000080000000000000001\
             000000080002b0ec8517c800000400000002453200000008404d200000000000000000080000000000000001ffffffff000400\
             0000024533ffffffff00000008000000000000000200000008fffca2fec4c82000ffff",
        ),
        (
            "select true, 1::int2, 2::int4, 1.5::float4, 12.50::numeric(6,2), date '2000-01-02', time '00:00:01', \
             timestamp '2000-01-01 00:00:01', 'ä'::text, decode('00ff','hex'), array['a',null], array[1.5::float8]",
            "5047434f50590aff0d0a000000000000000000000c00000001010000000200010000000400000002000000043fc000000000\
             000c0002000000000002000c138800000004000000010000000800000000000f42400000000800000000000f424000000002\
             c3a40000000200ff0000001d00000001000000010000001900000002000000010000000161ffffffff000000200000000100\
             000000000002bd0000000100000001000000083ff8000000000000ffff",
        ),
        ("select 1 where false", "5047434f50590aff0d0a000000000000000000ffff"),
    ];
    let server = TestServer::start();
    server.run(|client| async move {
        for (sql, expected) in cases {
            let found = copied(&client, &format!("copy ({sql}) to stdout (format binary)")).await.unwrap();
            let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected, "{sql}");
        }
        // The three ways to ask for it.
        let first = copied(&client, "copy eye_features to stdout (format binary)").await.unwrap();
        assert_eq!(copied(&client, "copy eye_features to stdout with binary").await.unwrap(), first);
        assert_eq!(copied(&client, "copy binary eye_features to stdout").await.unwrap(), first);
    });
}

#[test]
fn binary_is_read_by_a_driver() {
    let server = TestServer::start();
    server.run(|client| async move {
        let sql = "copy (select value, value * 0.5, 'row ' || value::text, case when value % 2 = 0 then value end \
                   from generate_series(1, 20000) as value order by value) to stdout (format binary)";
        let stream = client.copy_out(sql).await.unwrap();
        let rows = BinaryCopyOutStream::new(stream, &[Type::INT4, Type::FLOAT8, Type::TEXT, Type::INT4]);
        pin_mut!(rows);
        let mut number = 0;
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            number += 1;
            assert_eq!(row.get::<i32>(0), number);
            assert_eq!(row.get::<f64>(1), f64::from(number) * 0.5);
            assert_eq!(row.get::<&str>(2), format!("row {number}"));
            assert_eq!(row.get::<Option<i32>>(3), (number % 2 == 0).then_some(number));
        }
        assert_eq!(number, 20_000);
    });
}

#[test]
fn a_copy_can_be_stopped() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        // Rows arrive while it runs, and a cancel request ends it.
        let stream = client.copy_out("copy silver.endless to stdout").await.unwrap();
        pin_mut!(stream);
        for number in 0..2_000 {
            assert_eq!(stream.next().await.unwrap().unwrap().as_ref(), format!("{number}\n").as_bytes());
        }
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        let error = loop {
            if let Err(error) = stream.next().await.unwrap() {
                break error;
            }
        };
        assert_eq!(code(&error), "57014");
        eventually("the work has stopped", || !server.endless.reading.load(Ordering::SeqCst)).await;

        client.batch_execute("set statement_timeout = '150ms'").await.unwrap();
        let waiting = copied(&client, "copy (select n from silver.endless where n < 0) to stdout").await;
        assert_eq!(code(&waiting.unwrap_err()), "57014");
        client.batch_execute("set statement_timeout = 0").await.unwrap();
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));

        // A client that is gone takes nothing more.
        let mut raw = Raw::connect(&server).await;
        raw.query("copy silver.endless to stdout csv").await;
        eventually("the work has begun again", || server.endless.reading.load(Ordering::SeqCst)).await;
        drop(raw);
        eventually("the work has stopped again", || !server.endless.reading.load(Ordering::SeqCst)).await;
    });
}

#[test]
fn mistakes_in_a_copy_have_the_codes_of_postgres() {
    let to_stdout = [
        ("(format parquet)", "22023"),
        ("(colour)", "42601"),
        ("(format csv, format text)", "42601"),
        ("csv csv", "42601"),
        ("(format binary, delimiter ',')", "42601"),
        ("(format binary, null '')", "42601"),
        ("(format binary, header)", "0A000"),
        ("(delimiter 'ab')", "0A000"),
        ("(delimiter 'ä')", "0A000"),
        ("(delimiter '')", "0A000"),
        ("(delimiter 'a')", "22023"),
        ("(delimiter e'\\n')", "22023"),
        ("(null e'a\\nb')", "22023"),
        ("(null 'a|b', delimiter '|')", "0A000"),
        ("(quote '\"')", "0A000"),
        ("(escape '\"')", "0A000"),
        ("(force_quote *)", "0A000"),
        ("(format csv, delimiter '\"')", "22023"),
        ("(format csv, null 'a\"b')", "0A000"),
        ("(format csv, quote 'ab')", "0A000"),
        ("(format csv, force_quote (nothing))", "42703"),
        ("(format csv, force_quote x)", "22023"),
        ("(format csv, force_not_null (exam_id))", "0A000"),
        ("(format csv, force_null (exam_id))", "0A000"),
        ("(header maybe)", "42601"),
        ("(header match)", "0A000"),
        ("(encoding 'klingon')", "22023"),
        ("(delimiter)", "42601"),
        ("(format)", "42601"),
        ("nonsense", "42601"),
    ];
    let mut cases: Vec<_> =
        to_stdout.iter().map(|(options, code)| (format!("copy eye_features to stdout {options}"), *code)).collect();
    let others = [
        ("copy eye_features to", "42601"),
        ("copy eye_features", "42601"),
        ("copy nothing to stdout", "42P01"),
        ("copy eye_features (nothing) to stdout", "42703"),
        ("copy eye_features (exam_id, ) to stdout", "42601"),
        ("copy (select nothing from eye_features) to stdout", "42703"),
        ("copy (select 1 to stdout", "42601"),
        ("copy (select $1) to stdout", "42P02"),
        ("copy (delete from eye_features) to stdout", "0A000"),
        ("copy eye_features from stdin", "42501"),
        ("copy eye_features (exam_id) from stdin (format csv)", "42501"),
        ("copy eye_features from '/etc/passwd'", "42501"),
        ("copy eye_features to '/tmp/stolen'", "42501"),
        ("copy eye_features to program 'cat'", "42501"),
        ("copy eye_features to stdout (encoding 'latin1')", "0A000"),
    ];
    cases.extend(others.map(|(sql, code)| (sql.to_owned(), code)));
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (client, mut raw) = (server.client().await, Raw::connect(&server).await);
        for (sql, expected) in &cases {
            let answers = raw.ask(sql).await;
            assert_eq!(kinds(&answers), "EZ", "{sql}");
            assert_eq!(sqlstate(&answers).as_deref(), Some(*expected), "{sql}");
            assert_eq!(code(&copied(&client, sql).await.unwrap_err()), *expected, "{sql}");
        }
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
        // A failed transaction copies nothing.
        let answers = raw.ask("begin; copy nothing to stdout").await;
        assert_eq!(sqlstate(&answers).as_deref(), Some("42P01"));
        assert_eq!(sqlstate(&raw.ask("copy eye_features to stdout").await).as_deref(), Some("25P02"));
        raw.ask("rollback").await;
        assert_eq!(tags(&raw.ask("copy eye_features to stdout").await), ["COPY 3"]);
    });
}
