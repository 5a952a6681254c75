//! Real clients, really run: each is a program in this folder that does what its users do against a server over the small hospital, and
//! prints its checks as lines. What they print is the matrix in `docs/clients.md`: `PLACIDO_WRITE_DOCS=1` writes it, otherwise it must
//! still be true. An absent client is told and skipped, except where `PLACIDO_TEST_CLIENTS=required` says that it must be there.

mod matrix;
mod rust;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use placido::server::serve;
use tokio::net::TcpListener;

use crate::support::{hospital, runtime};
use matrix::{Check, Section};

/// A client may take this long, with everything else that the machine does.
const PATIENCE: Duration = Duration::from_secs(600);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Where the set-up puts the Python and Node clients.
fn installed() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("placido/clients")
}

fn required() -> bool {
    std::env::var("PLACIDO_TEST_CLIENTS").is_ok_and(|value| value == "required")
}

/// Installs what is not there yet, where it has to be there.
fn set_up() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        if required() {
            let status = Command::new("bash").arg(folder().join("install")).status().unwrap();
            assert!(status.success(), "the clients could not be installed");
        }
    });
}

/// The port of a server over the small hospital, which serves as long as the tests run.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        runtime().block_on(async {
            let engine = Arc::clone(&hospital().await.engine);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            runtime().spawn(serve(listener, engine, std::future::pending()));
            port
        })
    })
}

fn python(environment: &str, program: &str) -> Command {
    let mut command = Command::new(installed().join(environment).join("bin/python"));
    command.arg(folder().join(program));
    command
}

/// Runs a client and compares what it says with the page, or writes it there.
fn run(title: &str, mut command: Command) {
    set_up();
    command.env("PGHOST", "127.0.0.1").env("PGPORT", port().to_string()).env("PGUSER", "placido").env("PGDATABASE", "placido");
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NODE_PATH", installed().join("node/node_modules"));
    command.env("PLACIDO_CLIENTS", installed()).env("PGCONNECT_TIMEOUT", "30");
    let output = match finish(&mut command) {
        Ok(output) => output,
        Err(error) => return absent(title, &error),
    };
    let (text, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let Some(section) = Section::read(title, &text) else {
        return absent(title, complaints.lines().last().unwrap_or("it printed nothing"));
    };
    assert!(output.status.success(), "{title} ended early: {text}\n{complaints}");
    section.settle();
}

/// Runs a program to its end; one that hangs is ended.
fn finish(command: &mut Command) -> Result<Output, String> {
    // Files, because a pipe that nobody reads holds a talkative program back.
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > end => {
                child.kill().unwrap();
                panic!("{command:?} did not come to an end");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let read = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    Ok(Output { status, stdout: read(&mut stdout), stderr: read(&mut stderr) })
}

fn absent(title: &str, why: &str) {
    assert!(!required(), "{title} is not installed: {why}");
    eprintln!("skipped: {title} is not installed: {why}");
}

macro_rules! python_clients {
    ($($test:ident: $title:literal, $environment:literal, $program:literal;)*) => {$(
        #[test]
        fn $test() {
            run($title, python($environment, $program));
        }
    )*};
}

python_clients! {
    psql: "psql", "venv", "psql_client.py";
    psycopg2: "psycopg2", "venv", "psycopg2_client.py";
    psycopg: "psycopg", "venv", "psycopg_client.py";
    asyncpg: "asyncpg", "venv", "asyncpg_client.py";
    sqlalchemy: "SQLAlchemy", "venv", "sqlalchemy_client.py";
    odbc: "ODBC", "venv", "odbc_client.py";
    postgres_fdw: "postgres_fdw", "venv", "postgres_fdw.py";
    pgbench: "pgbench", "venv", "pgbench_client.py";
    pgcli: "pgcli", "venv", "pgcli_client.py";
    duckdb: "DuckDB", "duckdb", "duckdb_client.py";
    dbt: "dbt", "dbt", "dbt_client.py";
}

#[test]
fn node_postgres() {
    let mut command = Command::new("node");
    command.arg(folder().join("node_pg.js"));
    run("node-postgres", command);
}

#[test]
fn jdbc() {
    let jar = Path::new("/usr/share/java/postgresql.jar");
    if !jar.exists() {
        return absent("JDBC", "there is no /usr/share/java/postgresql.jar");
    }
    let mut command = Command::new("java");
    command.arg("-cp").arg(jar).arg(folder().join("Jdbc.java"));
    run("JDBC", command);
}

#[test]
fn rpostgresql() {
    let mut command = Command::new("Rscript");
    command.arg(folder().join("rpostgresql.R"));
    run("RPostgreSQL", command);
}

/// tokio-postgres is a dependency of the tests, so that it is always there.
#[test]
fn tokio_postgres() {
    let port = port();
    let section = runtime().block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("placido").dbname("placido");
        let (mut client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        rust::checks(&mut client).await
    });
    section.settle();
}
