//! A row of gold by its key, and a prediction for it, over the wire, planning included.
//!
//! `cargo bench --bench gold`. The hospital has 60 patients; the client is `tokio-postgres` on loopback. `select 1` stands beside them:
//! what a round trip costs that reads nothing.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use placido::engine::{Engine, Opening};
use placido::server;
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;
use placido_catalog::synthetic::{Hospital, generate};
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn client(folder: &std::path::Path) -> Client {
    let data = folder.join("data");
    generate(&data, &Hospital { patients: 60, seed: 1 }, &|_| {}).unwrap();
    let settings = Settings {
        data,
        lake: None,
        settle_ms: 0,
        list_every_ms: 0,
        sql: None,
        models: None,
        onnxruntime: None,
        memory_mib: 4096,
        cores: None,
    };
    let engine = Engine::open(&settings, Opening { refresh: Refresh::Stale, write: true }, &|_| {}).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(server::serve(listener, Arc::new(engine), std::future::pending()));
    let address = format!("host=127.0.0.1 port={port} user=bench dbname=placido");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn gold(criterion: &mut Criterion) {
    let runtime = placido::runtime::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = runtime.block_on(client(folder.path()));
    let key = runtime.block_on(async {
        let row = client.query_one("select exam_id from gold.eye_features where eye = 'OD' order by exam_id limit 1", &[]).await;
        row.unwrap().get::<_, String>(0)
    });
    let row = format!("select * from gold.eye_features where exam_id = '{key}' and eye = 'OD'");
    let some = format!("select k_ant_d30_k_steep, s_pachy_z80_min from gold.eye_features where exam_id = '{key}' and eye = 'OD'");
    let predict = format!("select predict('kc_dx') from gold.eye_features where exam_id = '{key}' and eye = 'OD'");
    let statements =
        [("select 1", "select 1"), ("whole row by key", &row), ("two columns by key", &some), ("predict by key", &predict)];

    let mut group = criterion.benchmark_group("wire");
    for (name, statement) in statements {
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(async { black_box(client.simple_query(statement).await.unwrap().len()) }));
        });
    }
    group.finish();
}

criterion_group!(benches, gold);
criterion_main!(benches);
