//! Limits: cancel, timeouts, clients that go away, too many of them, and the end of the server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use placido::server::Limits;
use tokio::io::AsyncReadExt;
use tokio_postgres::NoTls;

use super::raw::Raw;
use super::{TestServer, code, eventually, text};

/// Runs without end and gives no row.
const ENDLESS: &str =
    "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 1000) c";

#[test]
fn a_cancel_request_stops_the_work() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let client = server.client().await;
        client.batch_execute("prepare waiting as select n from silver.endless where n < 0").await.unwrap();
        for sql in [
            ENDLESS,
            "select max(n) from silver.endless where n < 0",
            "select n from silver.endless where n < 0",
            "execute waiting",
        ] {
            let cancel = client.cancel_token();
            let asked = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                cancel.cancel_query(NoTls).await.unwrap();
            });
            assert_eq!(code(&client.query(sql, &[]).await.unwrap_err()), "57014", "{sql}");
            asked.await.unwrap();
        }
        eventually("the work has stopped", || !server.endless.reading.load(Ordering::SeqCst)).await;
        // The session goes on, and a late cancel request harms nobody.
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn a_statement_timeout_covers_the_rows() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("set statement_timeout = '150ms'").await.unwrap();
        let error = client.simple_query(ENDLESS).await.unwrap_err();
        assert_eq!(code(&error), "57014");
        assert!(error.as_db_error().unwrap().message().contains("statement timeout"));
        assert_eq!(code(&client.query("select n from silver.endless where n < 0", &[]).await.unwrap_err()), "57014");
        client.batch_execute("set statement_timeout = 0").await.unwrap();
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn the_work_for_a_client_that_is_gone_stops() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (client, connection) = server.config().connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let query = tokio::spawn(async move { client.query("select max(n) from silver.endless", &[]).await.is_err() });
        eventually("the work has begun", || server.endless.batches.load(Ordering::SeqCst) > 10).await;
        connection.abort();
        query.abort();
        eventually("the work has stopped", || !server.endless.reading.load(Ordering::SeqCst)).await;
    });
}

#[test]
fn a_slow_reader_holds_the_work_back() {
    for sql in ["select n from silver.endless", "copy silver.endless to stdout", "copy silver.endless to stdout (format binary)"]
    {
        let server = TestServer::start();
        server.runtime.block_on(async {
            let mut raw = Raw::connect(&server).await;
            raw.query(sql).await;
            // The client reads nothing: the buffers of the sockets fill, and then nothing more is computed.
            let read = || server.endless.batches.load(Ordering::SeqCst);
            eventually("the work has begun", || read() > 0).await;
            let mut last = 0;
            for _ in 0..500 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if read() == last {
                    break;
                }
                last = read();
            }
            assert_eq!(read(), last, "{sql}: rows are computed that nobody takes");
            // It reads again, and the work goes on.
            let mut taken = vec![0; 64 * 1024];
            while read() == last {
                assert!(raw.socket.read(&mut taken).await.unwrap() > 0);
            }
        });
    }
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = TestServer::with(Limits { max_connections: 2, ..Limits::default() });
    server.runtime.block_on(async {
        let first = server.client().await;
        let second = server.client().await;
        let Err(refused) = server.config().connect(NoTls).await else { panic!("a third client was let in") };
        assert_eq!(code(&refused), "53300");
        // Cancel requests need no place.
        first.cancel_token().cancel_query(NoTls).await.unwrap();
        drop(second);
        for attempt in 0.. {
            if let Ok((client, connection)) = server.config().connect(NoTls).await {
                tokio::spawn(connection);
                assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
                break;
            }
            assert!(attempt < 500, "the place was not given back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn the_end_of_the_server_lets_statements_finish() {
    let mut server = TestServer::start();
    let (idle, busy) = server.runtime.block_on(async { (server.client().await, server.client().await) });
    let running = server.runtime.spawn(async move {
        text(&busy, "select count(*) from generate_series(1, 3000) a, generate_series(1, 3000) b where a <> b").await
    });
    server.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    server.stop();
    assert_eq!(server.runtime.block_on(running).unwrap().as_deref(), Some("8997000"));
    let ended = server.ended.take().unwrap();
    server.runtime.block_on(async {
        ended.await.unwrap().unwrap();
        assert!(idle.simple_query("select 1").await.is_err());
        assert!(server.config().connect(NoTls).await.is_err());
    });
}

#[test]
fn the_end_of_the_server_comes_even_to_endless_statements() {
    let mut server = TestServer::with(Limits { shutdown_grace: Duration::from_millis(100), ..Limits::default() });
    let client = server.runtime.block_on(server.client());
    let running = server.runtime.spawn(async move { code(&client.simple_query(ENDLESS).await.unwrap_err()) });
    server.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    server.stop();
    let ended = server.ended.take().unwrap();
    server.runtime.block_on(async {
        ended.await.unwrap().unwrap();
        assert_eq!(running.await.unwrap(), "57P01");
    });
}
