//! The `.slt` scripts over the wire: those of the functions, which their crate runs in process too, and those of the layers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use placido::engine::{Engine, Opening};
use placido::server;
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;
use sqllogictest::{DBOutput, DefaultColumnType, Runner};
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::{hospital, run, settings};

struct Wire(Client);

/// What the server said; the client's own error does not show it.
#[derive(Debug)]
struct Told(String);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

impl From<tokio_postgres::Error> for Told {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned()))
    }
}

#[async_trait::async_trait]
impl sqllogictest::AsyncDB for Wire {
    type Error = Told;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Told> {
        let mut rows = Vec::new();
        let mut columns = 0;
        for message in self.0.simple_query(sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                columns = row.len();
                let cell = |at: usize| shown(row.get(at));
                rows.push((0..row.len()).map(cell).collect());
            }
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {}
}

/// A cell as the scripts write it, which is how the engine prints it in process: booleans in full, NULL by its name.
fn shown(cell: Option<&str>) -> String {
    match cell {
        None => "NULL",
        Some("t") => "true",
        Some("f") => "false",
        Some("") => "(empty)",
        Some(text) => text,
    }
    .to_owned()
}

/// Runs the scripts of a folder against an engine, and says how many there were.
async fn run_scripts(engine: Arc<Engine>, folder: &str) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(server::serve(listener, engine, std::future::pending()));
    let mut files: Vec<_> = std::fs::read_dir(folder_of(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    for file in &files {
        let mut runner = Runner::new(|| async move {
            let address = format!("host=127.0.0.1 port={port} user=test dbname=placido");
            let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
            tokio::spawn(connection);
            Ok(Wire(client))
        });
        runner.run_file_async(file).await.unwrap_or_else(|error| panic!("{error}"));
    }
    files.len()
}

fn folder_of(scripts: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sqllogictest").join(scripts)
}

#[test]
fn scripts_over_the_wire() {
    run(async {
        let mut scripts = 0;
        for folder in ["functions", "layers"] {
            scripts += run_scripts(Arc::clone(&hospital().await.engine), folder).await;
        }
        assert!(scripts > 8);
    });
}

/// Over exports that the simulated hospital does not have.
#[test]
fn scripts_of_exports_over_the_wire() {
    run(async {
        let settings = Settings { lake: Some(folder_of("exports/lake")), ..settings("absent".into()) };
        let engine = Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap();
        assert_eq!(run_scripts(Arc::new(engine), "exports").await, 3);
    });
}
