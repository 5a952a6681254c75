//! DECLARE, FETCH, MOVE, CLOSE. Sequences and codes were compared with PostgreSQL 15.18.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::NoTls;

use super::raw::{Raw, kinds, rows, sqlstate, tags};
use super::{TestServer, code, eventually, text, texts};

/// All values of the first column that a string of statements gives.
async fn firsts(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    texts(client, sql).await.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[test]
fn a_cursor_goes_forward() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        let answers = raw
            .ask(
                "begin; declare c no scroll cursor for select value from generate_series(1, 20) as value order by value; fetch c; \
                 fetch 2 from c; fetch forward 2 in c; move 3 in c; fetch relative 2 from c; fetch absolute 15 from c; \
                 fetch next from c; fetch 0 from c",
            )
            .await;
        assert_eq!(rows(&answers), ["1", "2", "3", "4", "5", "10", "15", "16"]);
        assert_eq!(
            tags(&answers),
            ["BEGIN", "DECLARE CURSOR", "FETCH 1", "FETCH 2", "FETCH 2", "MOVE 3", "FETCH 1", "FETCH 1", "FETCH 1"]
        );
        assert_eq!(sqlstate(&answers).as_deref(), Some("55000"));
        let answers = raw
            .ask(
                "rollback; begin; declare c cursor for select value from generate_series(1, 5) as value order by value; fetch 0 from c; \
                 fetch first from c; move forward all in c; fetch all from c; fetch c; fetch 0 from c; move 2 from c; close c; commit",
            )
            .await;
        assert_eq!(rows(&answers), ["1"]);
        assert_eq!(
            tags(&answers)[3..],
            ["FETCH 0", "FETCH 1", "MOVE 4", "FETCH 0", "FETCH 0", "FETCH 0", "MOVE 0", "CLOSE CURSOR", "COMMIT"]
        );
        // Every FETCH has its columns, even past the end.
        assert_eq!(kinds(&answers), "CCCTCTDCCTCTCTCCCCZ");
        for back in ["fetch prior from c", "fetch -1 c", "fetch backward 1 from c", "fetch last from c", "fetch absolute 1 from c"] {
            let answers = raw.ask(&format!("begin; declare c cursor for select 1; fetch c; {back}")).await;
            assert_eq!(sqlstate(&answers).as_deref(), Some("55000"), "{back}");
            raw.ask("rollback").await;
        }
    });
}

#[test]
fn a_cursor_holds_no_more_than_was_asked_for() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        client.batch_execute("begin; declare c cursor for select n from silver.endless").await.unwrap();
        assert_eq!(firsts(&client, "fetch 3 from c").await, ["0", "1", "2"]);
        let read = || server.endless.batches.load(Ordering::SeqCst);
        // Nothing is computed between the fetches beyond what the engine's operators keep in hand.
        eventually("the work has paused", || {
            let before = read();
            std::thread::sleep(Duration::from_millis(100));
            read() == before
        })
        .await;
        assert_eq!(firsts(&client, "move 99997 in c; fetch 2 from c").await, ["100000", "100001"]);
        assert!(server.endless.reading.load(Ordering::SeqCst));
        client.batch_execute("close c").await.unwrap();
        eventually("the work has stopped", || !server.endless.reading.load(Ordering::SeqCst)).await;

        client.batch_execute("declare d cursor for select n from silver.endless; fetch 1 from d; commit").await.unwrap();
        eventually("the work has stopped at the end of the transaction", || !server.endless.reading.load(Ordering::SeqCst)).await;
    });
}

#[test]
fn a_fetch_can_be_cancelled() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        for sql in ["fetch all from c", "move all in c", "fetch 1 from d"] {
            client
                .batch_execute(
                    "begin; declare c cursor for select n from silver.endless where n >= 0; \
                     declare d cursor for select n from silver.endless where n < 0",
                )
                .await
                .unwrap();
            let cancel = client.cancel_token();
            let asked = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                cancel.cancel_query(NoTls).await.unwrap();
            });
            assert_eq!(code(&client.batch_execute(sql).await.unwrap_err()), "57014", "{sql}");
            asked.await.unwrap();
            client.batch_execute("rollback").await.unwrap();
            eventually("the work has stopped", || !server.endless.reading.load(Ordering::SeqCst)).await;
        }
        client.batch_execute("begin; declare d cursor for select n from silver.endless where n < 0").await.unwrap();
        client.batch_execute("set local statement_timeout = '100ms'").await.unwrap();
        assert_eq!(code(&client.batch_execute("fetch d").await.unwrap_err()), "57014");
        client.batch_execute("rollback").await.unwrap();
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn only_held_cursors_outlive_their_transaction() {
    let server = TestServer::start();
    server.run(|client| async move {
        let series = "select value from generate_series(1, 10) as value order by value";
        client
            .batch_execute(&format!(
                "begin; declare c cursor for {series}; declare h cursor with hold for {series}; fetch 2 h; commit"
            ))
            .await
            .unwrap();
        assert_eq!(code(&client.batch_execute("fetch c").await.unwrap_err()), "34000");
        assert_eq!(firsts(&client, "fetch 2 from h").await, ["3", "4"]);
        // Outside of a block, and through a transaction that is rolled back.
        client.batch_execute(&format!("declare g cursor with hold for {series}")).await.unwrap();
        assert!(client.batch_execute("begin; fetch 1 from g; select 1/0").await.is_err());
        client.batch_execute("rollback").await.unwrap();
        assert_eq!(firsts(&client, "fetch 1 from g").await, ["2"]);
        client.batch_execute("close all").await.unwrap();
        assert_eq!(code(&client.batch_execute("fetch g").await.unwrap_err()), "34000");

        client.batch_execute(&format!("begin; declare h cursor with hold for {series}; rollback")).await.unwrap();
        assert_eq!(code(&client.batch_execute("fetch h").await.unwrap_err()), "34000");
        let failing = format!("declare h cursor with hold for {series}; select 1/0");
        assert_eq!(code(&client.batch_execute(&failing).await.unwrap_err()), "22012");
        assert_eq!(code(&client.batch_execute("fetch h").await.unwrap_err()), "34000");
        // Several statements in one string are a transaction of their own.
        assert_eq!(firsts(&client, &format!("declare c cursor for {series}; fetch 2 from c")).await, ["1", "2"]);
        assert_eq!(code(&client.batch_execute("fetch c").await.unwrap_err()), "34000");
        client.batch_execute(&format!("declare h cursor with hold for {series}")).await.unwrap();
        client.batch_execute("discard all").await.unwrap();
        assert_eq!(code(&client.batch_execute("fetch h").await.unwrap_err()), "34000");
    });
}

#[test]
fn a_driver_reads_a_cursor_with_parameters_in_binary() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("begin").await.unwrap();
        let declare = "declare c cursor for select exam_id, k_max_d from eye_features where visit = $1 order by exam_id";
        client.execute(declare, &[&1_i64]).await.unwrap();
        let fetch = client.prepare("fetch 1 from c").await.unwrap();
        assert_eq!(fetch.columns().iter().map(|column| column.name()).collect::<Vec<_>>(), ["exam_id", "k_max_d"]);
        let row = client.query_one(&fetch, &[]).await.unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, f64>(1)), ("E1", 43.0));
        // Text and binary by turns from one cursor.
        assert_eq!(texts(&client, "fetch 1 from c").await, [[Some("E2".to_owned()), Some("58.25".to_owned())]]);
        assert!(client.query(&fetch, &[]).await.unwrap().is_empty());
        client.batch_execute("commit").await.unwrap();
    });
}

#[test]
fn cursors_and_portals_are_one() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        raw.ask("begin; declare c cursor for select value from generate_series(1, 10) as value order by value").await;
        // A cursor is described and run as a portal …
        raw.of(b'D', 'P', "c").await;
        raw.execute("c", 2).await;
        let answers = raw.sync().await;
        assert_eq!((kinds(&answers).as_str(), rows(&answers)), ("TDDsZ", vec!["1".to_owned(), "2".to_owned()]));
        // … a portal is fetched from as a cursor …
        raw.parse("", "select value from generate_series(1, 10) as value order by value").await;
        raw.bind("p", "", &[], 0).await;
        raw.execute("p", 3).await;
        raw.sync().await;
        assert_eq!(rows(&raw.ask("fetch 2 from p").await), ["4", "5"]);
        // … and the rows of a FETCH can be asked for in parts.
        raw.parse("", "fetch 5 from c").await;
        raw.bind("q", "", &[], 0).await;
        raw.execute("q", 2).await;
        raw.execute("q", 2).await;
        raw.execute("q", 2).await;
        let answers = raw.sync().await;
        assert_eq!((kinds(&answers).as_str(), rows(&answers).len()), ("12DDsDDsDCZ", 5));
        assert_eq!(rows(&answers).last().map(String::as_str), Some("7"));
        // A portal that fetches from itself has nothing to give.
        raw.parse("", "fetch from r").await;
        raw.bind("r", "", &[], 0).await;
        raw.of(b'D', 'P', "r").await;
        raw.execute("r", 0).await;
        let answers = raw.sync().await;
        assert!(kinds(&answers).starts_with("12n"), "{}", kinds(&answers));
        raw.ask("rollback").await;
        assert_eq!(tags(&raw.ask("select 1").await), ["SELECT 1"]);
        // In the simple protocol BINARY decides.
        let answers = raw.ask("begin; declare b binary cursor for select 258::int4; fetch b; commit").await;
        assert!(answers.iter().any(|(kind, body)| *kind == 'D' && body.ends_with(&[0, 0, 0, 4, 0, 0, 1, 2])));
    });
}

#[test]
fn mistakes_with_cursors_have_the_codes_of_postgres() {
    let server = TestServer::start();
    server.run(|client| async move {
        for (sql, expected) in [
            ("declare c cursor for select 1", "25P01"),
            ("fetch c", "34000"),
            ("move c", "34000"),
            ("close c", "34000"),
            ("begin; declare c cursor for select 1; declare c cursor for select 1", "42P03"),
            ("begin; declare c cursor for set timezone = 'utc'", "42601"),
            ("begin; declare c cursor for", "42601"),
            ("begin; declare c cursor for delete from eye_features", "0A000"),
            ("begin; declare c cursor for select nothing from eye_features", "42703"),
            ("begin; declare c cursor for select $1", "42P02"),
            ("declare c cursor with hold select 1", "42601"),
            ("fetch sideways from c", "42601"),
            ("fetch 99999999999 from c", "42601"),
            ("fetch c c", "42601"),
            ("begin; declare c cursor for select 1/0; fetch c", "22012"),
            ("begin; select 1/0; declare c cursor for select 1", "22012"),
        ] {
            assert_eq!(code(&client.simple_query(sql).await.unwrap_err()), expected, "{sql}");
            client.batch_execute("rollback").await.unwrap();
        }
        assert_eq!(code(&client.execute("declare c cursor for select 1", &[]).await.unwrap_err()), "25P01");
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
        // A client that never closes its cursors cannot fill the memory.
        client.batch_execute("begin").await.unwrap();
        for number in 0..1_000 {
            let declared = client.batch_execute(&format!("declare c{number} cursor for select 1")).await;
            if let Err(error) = declared {
                assert_eq!(code(&error), "53400");
                return;
            }
        }
        assert_eq!(code(&client.batch_execute("declare d cursor for select 1").await.unwrap_err()), "53400");
    });
}
