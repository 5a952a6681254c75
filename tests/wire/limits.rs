//! Limits: cancel, timeouts, clients that go away, too many of them, and the end of the server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use placido::server::Limits;
use tokio::io::AsyncReadExt;
use tokio_postgres::NoTls;

use super::raw::Raw;
use super::{TestServer, code, eventually, text, texts};

/// Runs without end and gives no row.
pub(super) const ENDLESS: &str =
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
            "select pg_sleep(3600)",
            "select * from pg_sleep_for('1 hour')",
            "select 1 where pg_sleep_until(now() + interval '1 hour') is null",
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

/// Ticks of the processor that the threads of this name have used.
#[cfg(target_os = "linux")]
fn ticks(name: &str) -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of_thread = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        // The name stands in parentheses; used by the thread itself and by the system for it are the 12th and 13th field behind.
        let (before, behind) = stat.rsplit_once(')')?;
        let mut fields = behind.split_whitespace().skip(11);
        before.ends_with(&format!("({name}")).then_some(())?;
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    };
    threads.filter_map(of_thread).sum()
}

#[cfg(target_os = "linux")]
fn two_threads(name: &str) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .thread_stack_size(placido::runtime::STACK_BYTES)
        .enable_all()
        .build()
        .unwrap()
}

/// Two cores for the statements of a server whose connections have their own.
#[cfg(target_os = "linux")]
fn statements_on(threads: &str) -> (TestServer, tokio::runtime::Runtime) {
    let cpu = two_threads(threads);
    (TestServer::with(Limits { cpu_runtime: Some(cpu.handle().clone()), ..Limits::default() }), cpu)
}

/// The threads of this name come to rest.
#[cfg(target_os = "linux")]
async fn come_to_rest(threads: &str, sql: &str) {
    let mut last = ticks(threads);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = ticks(threads);
        if now == last {
            return;
        }
        last = now;
    }
    panic!("it goes on: {}", &sql[..sql.len().min(200)]);
}

/// More statements sleep than there are threads for statements.
#[cfg(target_os = "linux")]
#[test]
fn who_sleeps_holds_no_thread() {
    let (server, cpu) = statements_on("sleepers");
    server.runtime.block_on(async {
        let mut asleep = Vec::new();
        for _ in 0..6 {
            let client = server.client().await;
            let cancel = client.cancel_token();
            asleep.push((tokio::spawn(async move { client.query("select pg_sleep(3600)", &[]).await.map(|_| ()) }), cancel));
        }
        let client = server.client().await;
        let sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
        while text(&client, sleeping).await.as_deref() != Some("6") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(text(&client, "select sum(n) from generate_series(1, 10) g (n)").await.as_deref(), Some("55"));
        for (sleeper, cancel) in asleep {
            cancel.cancel_query(NoTls).await.unwrap();
            assert_eq!(code(&sleeper.await.unwrap().unwrap_err()), "57014");
        }
    });
    cpu.shutdown_background();
}

/// A join that makes many rows of few does not read while it makes them, and yet it ends when nobody wants them.
#[cfg(target_os = "linux")]
#[test]
fn nothing_goes_on_behind_a_cancelled_join() {
    const THREADS: &str = "joins";
    let (server, cpu) = statements_on(THREADS);
    server.runtime.block_on(async {
        let client = server.client().await;
        for sql in [
            ENDLESS,
            "select count(*) from generate_series(1, 100000) a (x), generate_series(1, 100000) b (y), generate_series(1, 1000) c (z) \
             where x + y + z < 0",
            "select sum(x) from generate_series(1, 1000000) a (x) join generate_series(1, 1000000) b (y) on x % 2 = y % 2",
        ] {
            let cancel = client.cancel_token();
            let asked = tokio::spawn(async move {
                eventually("the work has begun", || ticks(THREADS) > 0).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                cancel.cancel_query(NoTls).await.unwrap();
            });
            assert_eq!(code(&client.query(sql, &[]).await.unwrap_err()), "57014", "{sql}");
            asked.await.unwrap();
            come_to_rest(THREADS, sql).await;
        }
    });
    cpu.shutdown_background();
}

/// Planning, reading and functions that take long for a row keep nobody else waiting, and end when nobody waits for them.
#[cfg(target_os = "linux")]
#[test]
fn long_work_gives_way_and_ends() {
    const THREADS: &str = "turns";
    let (server, cpu) = statements_on(THREADS);
    let sum = ["visit"; 1_900].join(" + ");
    let planning =
        format!("select {} from gold.eye_features", (0..20).map(|n| format!("{sum} + {n}")).collect::<Vec<_>>().join(", "));
    let function =
        "select max(levenshtein(repeat('a', 3000), repeat('b', 3000) || n::text)) from generate_series(1, 100000) g (n)";
    server.runtime.block_on(async {
        for sql in [planning.as_str(), function] {
            let (one, other) = (server.client().await, server.client().await);
            let cancels = [one.cancel_token(), other.cancel_token()];
            let running = [one, other].map(|client| {
                let sql = sql.to_owned();
                tokio::spawn(async move { client.batch_execute(&sql).await })
            });
            let before = ticks(THREADS);
            // As many as there are cores, at work for a while.
            eventually("the work has begun", || ticks(THREADS) > before + 20).await;
            let third = server.client().await;
            for n in 0..5 {
                assert_eq!(text(&third, &format!("select 1 + {n}")).await, Some((1 + n).to_string()));
            }
            assert!(running.iter().all(|running| !running.is_finished()), "it was over too soon to keep anybody waiting");
            for cancel in cancels {
                cancel.cancel_query(NoTls).await.unwrap();
            }
            for running in running {
                assert_eq!(code(&running.await.unwrap().unwrap_err()), "57014");
            }
            come_to_rest(THREADS, sql).await;
        }
    });
    cpu.shutdown_background();
}

/// Fits that take long after their last row.
#[cfg(target_os = "linux")]
mod fits {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use placido::server::{Limits, Sessions, TableDescription};
    use tokio_postgres::NoTls;

    use super::super::{code, text};
    use super::{come_to_rest, two_threads};

    /// Sessions with the functions of eyes, over nothing.
    struct Functions;

    impl Sessions for Functions {
        #[expect(clippy::disallowed_methods, reason = "the wire is tested without the engine")]
        fn open(&self) -> datafusion::error::Result<SessionContext> {
            let config = SessionConfig::new()
                .with_default_catalog_and_schema("placido", "gold")
                .with_information_schema(true)
                .with_target_partitions(2);
            let builder = SessionStateBuilder::new().with_config(config).with_default_features();
            let session = SessionContext::new_with_state(placido::runtime::install(builder).build());
            placido_udfs::register_all(&session);
            Ok(session)
        }

        fn describe(&self, _: &str, _: &str) -> Option<TableDescription> {
            None
        }

        fn schema_comment(&self, _: &str) -> Option<String> {
            None
        }
    }

    /// What an aggregate computes when its last row is there, in one go, ends when nobody waits for it.
    ///
    /// The 256 components of vectors of 2,500 elements take more than 10¹¹ operations on one core: half a minute where it is fast. The
    /// vectors themselves are parts of one list and are there in a second or two.
    #[test]
    fn a_fit_that_nobody_waits_for_ends() {
        const THREADS: &str = "fits";
        const VECTORS: &str = "select wave[n : n + 2499] as v from generate_series(1, 2600) as g (n), \
                               (select array_agg(sin(i * i * 0.37::float8)) as wave from generate_series(1, 5100) as g (i)) as w";
        let cpu = two_threads(THREADS);
        let limits = Limits { cpu_runtime: Some(cpu.handle().clone()), ..Limits::default() };
        let runtime = two_threads("clinic");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(placido::server::serve_with(listener, Arc::new(Functions), limits, std::future::pending()));
            let address = format!("host=127.0.0.1 port={port} user=anna dbname=placido");
            let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
            tokio::spawn(connection);
            let begun = Instant::now();
            let vectors = format!("select count(vector_norm(v)) from ({VECTORS}) as x");
            assert_eq!(text(&client, &vectors).await.as_deref(), Some("2600"));
            let input = begun.elapsed();
            let cancel = client.cancel_token();
            let asked = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3) + 3 * input).await;
                cancel.cancel_query(NoTls).await.unwrap();
            });
            let fit = format!("select pca_fit(v, 256) is not null as fitted from ({VECTORS}) as x");
            let fitted = Instant::now();
            // It was at work when it was cancelled, or it would have given its row.
            assert_eq!(code(&client.query(&fit, &[]).await.unwrap_err()), "57014");
            let (worked, cancelled) = (fitted.elapsed(), Instant::now());
            asked.await.unwrap();
            come_to_rest(THREADS, &fit).await;
            // To its end it would have worked several times as long as it had.
            assert!(cancelled.elapsed() < worked, "it went on for {:?} after {worked:?}", cancelled.elapsed());
            assert_eq!(text(&client, "select mad(x) from generate_series(1, 5) as g (x)").await.as_deref(), Some("1"));
        });
        cpu.shutdown_background();
        runtime.shutdown_background();
    }
}

#[test]
fn a_statement_has_its_share_of_the_memory() {
    const MIB: usize = 1024 * 1024;
    let server = TestServer::with_memory(1024 * MIB, Limits { query_memory: Some(48 * MIB), ..Limits::default() });
    server.run(|client| async move {
        assert_eq!(text(&client, "show query_memory").await.as_deref(), Some("48MB"));
        let table =
            "create temp table big as select value as n, repeat(md5(value::text), 4) as t from generate_series(1, 600000) as value";
        client.batch_execute(table).await.unwrap();
        // More than the share: the sort goes on on disk.
        let sorted = "select n, t from big order by t desc, n";
        let explained = texts(&client, &format!("explain analyze {sorted}")).await;
        let spills = explained.iter().flatten().flatten().flat_map(|text| text.split("spill_count=").skip(1));
        assert!(spills.into_iter().any(|count| count.starts_with(|c: char| ('1'..='9').contains(&c))), "{explained:?}");
        let last = "select n from (select n, row_number() over (order by t desc, n) as r from big) as x where r = 600000";
        let least = "select n from big where t = (select min(t) from big) order by n desc limit 1";
        assert_eq!(text(&client, last).await, text(&client, least).await);
        // What can't go to disk fails, and says what may help.
        let collected = "select length(string_agg(t, ',')) as l from big";
        let error = client.simple_query(collected).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code().code(), error.hint().unwrap().contains("query_memory")), ("53200", true), "{error:?}");
        // The session goes on, and may take less, but not more.
        assert_eq!(text(&client, "select count(*) from big").await.as_deref(), Some("600000"));
        assert_eq!(code(&client.batch_execute("set query_memory = '1GB'").await.unwrap_err()), "22023");
        client.batch_execute("set query_memory = '16MB'").await.unwrap();
        assert_eq!(text(&client, "show query_memory").await.as_deref(), Some("16MB"));
        // What is small needs little.
        let few = "select n from big where n <= 100 order by t, n limit 1 offset 99";
        let last = "select n from big where n <= 100 order by t desc, n desc limit 1";
        assert_eq!(text(&client, few).await, text(&client, last).await);
        client.batch_execute("reset query_memory").await.unwrap();
        assert_eq!(text(&client, "show query_memory").await.as_deref(), Some("48MB"));
    });
}

/// One that wants more than its share does not keep others from theirs.
#[test]
fn a_greedy_statement_harms_nobody() {
    const MIB: usize = 1024 * 1024;
    let server = TestServer::with_memory(256 * MIB, Limits { query_memory: Some(32 * MIB), ..Limits::default() });
    server.runtime.block_on(async {
        let greedy = "select length(string_agg(repeat(md5(value::text), 8), ',')) as l from generate_series(1, 400000) as value";
        let mut clients = Vec::new();
        for _ in 0..3 {
            let client = server.client().await;
            clients.push(tokio::spawn(async move { code(&client.simple_query(greedy).await.unwrap_err()) }));
        }
        let modest = server.client().await;
        let grouped =
            "select count(*) from (select value % 1000 as k, count(*) as n from generate_series(1, 200000) as value group by 1) as x";
        for _ in 0..5 {
            assert_eq!(text(&modest, grouped).await.as_deref(), Some("1000"));
        }
        for client in clients {
            assert_eq!(client.await.unwrap(), "53200");
        }
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
