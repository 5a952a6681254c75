//! The commands: what they take, do and print.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use datafusion::error::DataFusionError;
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use indicatif::{ProgressBar, ProgressStyle};
use placido_catalog::catalog::{Progress, Refresh};
use placido_catalog::identity::IdentityKey;
use placido_catalog::snapshot;
use placido_catalog::store::Location;
use placido_catalog::synthetic::{self, Hospital};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tracing_subscriber::EnvFilter;

use crate::access::Access;
use crate::engine::{Engine, Opening};
use crate::error::{Error, Result};
use crate::output::{self, Format};
use crate::server::error::sqlstate_in;
use crate::server::{Limits, Security, Tls, TlsFiles};
use crate::settings::Settings;
use crate::{check, docs, runtime, server, users};

/// A SQL engine for eye clinics: raw device files, SQL layers and predictions over the Postgres wire protocol.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 120)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a simulated hospital, keep what gold needs, serve it and print what to type into psql
    Demo(Demo),
    /// Serve the lake over the Postgres wire protocol
    Serve(Listen),
    /// Run one statement without a server and print its rows
    Sql(Sql),
    /// Validate lake, layers and models, and say what is wrong and where
    Check(Check),
    /// Make the kept views anew
    Refresh(RefreshArguments),
    /// Copy tables or queries of a SQLite or PostgreSQL database into the lake as dated files
    Snapshot(Snapshot),
    /// Write the exports of a simulated hospital
    Generate(Generate),
    /// Make, list, change and remove the users of the server
    Users(users::Users),
    /// Write the reference pages
    Docs(Docs),
}

#[derive(Debug, Args)]
struct Listen {
    /// Address to listen on; beyond loopback only with encryption and users
    #[arg(long, env = "PLACIDO_LISTEN", default_value = "127.0.0.1:5433", value_name = "HOST:PORT")]
    listen: String,

    /// The server's certificate, with those between it and its authority: PEM
    #[arg(long, env = "PLACIDO_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate, without a passphrase: PEM
    #[arg(long, env = "PLACIDO_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The authorities whose certificates clients may show: PEM
    #[arg(long, env = "PLACIDO_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Who may connect from where, as PostgreSQL's pg_hba.conf [default: pg_hba.conf in the data folder, where there is one]
    #[arg(long, env = "PLACIDO_HBA", value_name = "FILE")]
    hba: Option<PathBuf>,

    /// Memory of one statement in MiB, out of that for all; beyond it the statement spills to disk or fails [default: half of all]
    #[arg(long, env = "PLACIDO_QUERY_MEMORY_MIB", value_name = "MIB")]
    query_memory_mib: Option<usize>,

    /// Sessions at a time
    #[arg(long, env = "PLACIDO_MAX_CONNECTIONS", default_value_t = 100, value_name = "N")]
    max_connections: usize,
}

impl Listen {
    /// Certificates, roles and rules as they are configured; what is wrong with them keeps the server from starting.
    fn security(&self, settings: &Settings) -> Result<Security> {
        let refused = |error: &dyn std::fmt::Display| Error::Setting(error.to_string());
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let (certificate, key, client_authorities) = (certificate.clone(), key.clone(), self.tls_client_ca.clone());
                let files = TlsFiles { certificate, key, client_authorities };
                Some(Arc::new(Tls::open(files).map_err(|error| refused(&error))?))
            }
            _ => None,
        };
        let hba = self.hba.clone().or_else(|| Some(settings.hba_file()).filter(|file| file.exists()));
        let access = Access::open(settings.access_file(), hba).map_err(|error| refused(&error))?;
        Ok(Security { access: Arc::new(access), tls })
    }
}

#[derive(Debug, Args)]
struct Demo {
    /// Virtual patients of the hospital
    #[arg(long, default_value_t = 60)]
    patients: usize,
    /// Another seed is another hospital
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    listen: Listen,
}

#[derive(Debug, Args)]
struct Sql {
    /// The statement
    statement: String,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
struct Check {
    /// Compare the issues that are raised with those known to be there: a list of expected issues, such as truth/issues.csv of
    /// a simulated hospital, or its folder. The exit code is 1 where recall or precision is below 1
    #[arg(long, value_name = "FILE|FOLDER")]
    truth: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RefreshArguments {
    /// Also those that are still valid
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct Snapshot {
    /// A SQLite file, or a database as psql takes it: postgresql://USER@HOST:PORT/DATABASE. The password comes from the URL,
    /// PGPASSWORD or ~/.pgpass
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// Tables to copy, with their schema or without [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// A query to copy, and the name of its snapshots; may be given more than once
    #[arg(long, value_name = "NAME=SQL", value_parser = named_query)]
    query: Vec<(String, String)>,
    /// Folder below which snapshots lie, as SOURCE/TABLE/TIME.csv [default: snapshots in the lake]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Name of the source in that path [default: the database's]
    #[arg(long)]
    name: Option<String>,
}

/// `NAME=SQL`.
fn named_query(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, sql)) if !name.trim().is_empty() && !name.contains(char::is_whitespace) && !sql.trim().is_empty() => {
            Ok((name.to_owned(), sql.to_owned()))
        }
        _ => Err("write NAME=SQL, such as visits=\"select * from visits where year > 2020\"".to_owned()),
    }
}

#[derive(Debug, Args)]
struct Generate {
    /// Folder to write to; it gets lake/, truth/ and identity.key
    dir: PathBuf,
    /// Virtual patients
    #[arg(long, default_value_t = 200)]
    patients: usize,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Docs {
    /// Which page to print
    #[arg(value_enum)]
    page: docs::Page,
}

/// Runs a command to its end on a runtime of its own, with a log on standard error as `PLACIDO_LOG` asks for (`warn` by default). It is no `async` function, so that its code is compiled here and not once
/// more in the binary.
///
/// # Errors
/// What went wrong, as a person reads it.
pub fn start(arguments: Arguments) -> Result<ExitCode> {
    let filter = EnvFilter::try_from_env("PLACIDO_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    runtime::start()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { command, settings } = arguments;
    if let Some(library) = &settings.onnxruntime {
        placido_udfs::models::configure_onnx_runtime(library.clone()).map_err(|error| Error::Model(error.to_string()))?;
    }
    match command {
        Command::Demo(demo) => run_demo(&demo, settings).await,
        Command::Serve(listen) => run_server(&listen, &settings, &[]).await,
        Command::Sql(sql) => run_sql(&sql, &settings).await,
        Command::Check(arguments) => check::run(&settings, arguments.truth.as_deref()).await,
        Command::Refresh(refresh) => run_refresh(&refresh, &settings).await,
        Command::Snapshot(arguments) => run_snapshot(arguments, &settings).await,
        Command::Generate(generate) => {
            run_generate(&generate.dir, &Hospital { patients: generate.patients, seed: generate.seed })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Users(command) => users::run(&command, &settings),
        Command::Docs(page) => {
            print!("{}", docs::render(page.page, &settings).await?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run_demo(demo: &Demo, settings: Settings) -> Result<ExitCode> {
    // The port first: nobody should wait for a hospital only to hear that the port is taken.
    drop(bind(&demo.listen.listen, &demo.listen.security(&settings)?).await?);
    // A lake of one's own is served as it is; a hospital that was cut short is made again.
    let simulated = settings.data.join(synthetic::MARKER).exists();
    let wanted = !settings.lake_folder().is_dir() || simulated && synthetic::present(&settings.data).is_none();
    if settings.lake.is_none() && wanted {
        run_generate(&settings.data, &Hospital { patients: demo.patients, seed: demo.seed })?;
    }
    run_server(&demo.listen, &settings, DEMO_STATEMENTS).await
}

/// What the demo invites to try, each with what it shows.
pub const DEMO_STATEMENTS: &[(&str, &str)] = &[
    ("the views of a layer", r"\dv gold.*"),
    ("an eye's features, with comments", r"\d+ gold.eye_features"),
    (
        "predictions beside the clinician's diagnosis",
        "select exam_id, eye, diagnosis, predict('kc_dx') as predicted from gold.eye_features order by exam_id, eye limit 5",
    ),
    (
        "how often both agree",
        "select diagnosis, count(*) as eyes, avg(case when predict('kc_dx') = diagnosis then 1.0 else 0.0 end) as agreement \
         from gold.eye_features where diagnosis is not null group by diagnosis order by diagnosis",
    ),
    (
        "one map of one exam, read from its raw file",
        "select scan_id, map_statistics(corneal_thickness_um, zone_mm => 8) as pachymetry from bronze.ms39 limit 1",
    ),
    (
        "what is wrong with the files",
        "select device, code, severity, count(*) from system.issues group by 1, 2, 3 order by 4 desc limit 10",
    ),
];

async fn run_server(listen: &Listen, settings: &Settings, statements: &[(&str, &str)]) -> Result<ExitCode> {
    let security = listen.security(settings)?;
    let listener = bind(&listen.listen, &security).await?;
    let spinner = spinner();
    let engine = Engine::open(settings, Opening { refresh: Refresh::Stale, write: true }, &|progress| {
        spinner.set_message(doing(progress));
    })
    .await?;
    spinner.finish_and_clear();

    let address = listener.local_addr().map_err(|error| Error::Io(error.to_string()))?;
    let psql = format!("psql -h {} -p {} -U placido placido", address.ip(), address.port());
    engine.open_scratch(settings)?;
    println!("placido {} serves {} on {address}", env!("CARGO_PKG_VERSION"), settings.lake_location()?);
    println!("\n  {psql}\n");
    for (about, statement) in statements {
        println!("  # {about}\n  {psql} -c {}\n", shell_quoted(statement));
    }
    println!("Ctrl-C ends it.");
    refresh_on_hangup(security.clone());
    let query_memory = listen.query_memory_mib.unwrap_or(settings.memory_mib / 2).min(settings.memory_mib);
    let limits = Limits {
        max_connections: listen.max_connections.max(1),
        query_memory: Some(query_memory.saturating_mul(1024 * 1024)),
        cpu_runtime: Some(Handle::current()),
        ..Limits::default()
    };
    let connections = runtime::for_connections()?;
    let served = connections.spawn(async move {
        let listener = TcpListener::from_std(listener.into_std()?)?;
        server::serve_secured(listener, Arc::new(engine), limits, security, ended()).await
    });
    let served = served.await;
    connections.shutdown_background();
    served.map_err(std::io::Error::other).flatten().map_err(|error| Error::Io(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// SIGHUP reads certificates, roles and rules again, as it does with PostgreSQL. They are looked at each second anyway.
fn refresh_on_hangup(security: Security) {
    #[cfg(unix)]
    if let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let security = security.clone();
                let _ = tokio::task::spawn_blocking(move || security.refresh()).await;
            }
        });
    }
    #[cfg(not(unix))]
    drop(security);
}

/// A word for a POSIX shell, in single quotes unless it has some itself.
fn shell_quoted(text: &str) -> String {
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let escaped = |c: char| if matches!(c, '\\' | '"' | '$' | '`') { format!("\\{c}") } else { c.to_string() };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// Ends when the process is asked to end: Ctrl-C or SIGTERM.
async fn ended() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = interrupted.await;
}

/// A listener on an address that may be served, or why there is none.
async fn bind(listen: &str, security: &Security) -> Result<TcpListener> {
    let mut addresses = listen.to_socket_addrs().map_err(|error| {
        Error::Setting(format!("--listen {listen} is no address ({error}); write HOST:PORT, such as 127.0.0.1:5433"))
    })?;
    let address: SocketAddr = addresses.next().ok_or_else(|| Error::Setting(format!("--listen {listen} names no address")))?;
    server::check_listen(address, security).map_err(|error| Error::Setting(error.to_string()))?;
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let other = address.port().checked_add(1).unwrap_or(5433);
            Error::Setting(format!(
                "port {} on {} is taken by another program; end it, or choose another with --listen {}:{other}",
                address.port(),
                address.ip(),
                address.ip()
            ))
        }
        _ => Error::Setting(format!("can't listen on {address}: {error}")),
    })
}

/// A statement of the command line, planned.
async fn planned(ctx: &SessionContext, sql: &str, allowed: SQLOptions) -> datafusion::error::Result<DataFrame> {
    let state = ctx.state();
    let mut statement = state.sql_to_statement(sql, &state.config_options().sql_parser.dialect)?;
    if let DfStatement::Statement(statement) = &mut statement {
        placido_udfs::fill_defaults(statement);
    }
    let plan = state.statement_to_plan(statement).await?;
    allowed.verify_plan(&plan)?;
    ctx.execute_logical_plan(plan).await
}

async fn run_sql(sql: &Sql, settings: &Settings) -> Result<ExitCode> {
    let engine = Engine::open(settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await?;
    for mounted in engine.catalog().mounted().iter().filter(|mounted| mounted.stale) {
        eprintln!(
            "note: the kept rows of {} are older than the lake or the layers; it is computed now (`placido refresh` keeps it)",
            mounted.view.full_name()
        );
    }
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false);
    let ctx = engine.session();
    let rows = planned(&ctx, &sql.statement, read_only).await;
    // Told with what the session knows: the nearest table or function.
    let rows = rows.map_err(|error| DataFusionError::from(sqlstate_in(&error, &ctx.state())))?;
    output::print(rows, sql.format).await?;
    Ok(ExitCode::SUCCESS)
}

async fn run_refresh(arguments: &RefreshArguments, settings: &Settings) -> Result<ExitCode> {
    let refresh = if arguments.all { Refresh::All } else { Refresh::Stale };
    let spinner = spinner();
    let made = std::sync::Mutex::new(Vec::new());
    let engine = Engine::open(settings, Opening { refresh, write: true }, &|progress: Progress<'_>| {
        spinner.set_message(doing(progress));
        if let (Progress::Making(view), Ok(mut made)) = (progress, made.lock()) {
            made.push(view.full_name());
        }
    })
    .await?;
    spinner.finish_and_clear();
    let made = made.into_inner().unwrap_or_default();
    for mounted in engine.catalog().mounted() {
        if let Some(kept) = &mounted.kept {
            let name = mounted.view.full_name();
            println!("{name}: {} rows, {}", kept.rows, if made.contains(&name) { "made now" } else { "still valid" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_snapshot(arguments: Snapshot, settings: &Settings) -> Result<ExitCode> {
    let Snapshot { source, tables, query, to, name } = arguments;
    let folder = match (to, settings.lake_location()?) {
        (Some(folder), _) => folder,
        (None, Location::Folder(lake)) => lake.join("snapshots"),
        (None, Location::Bucket(_)) => {
            let message = "snapshots are written to a folder; name one with --to, and copy its files into the bucket";
            return Err(Error::Setting(message.to_owned()));
        }
    };
    let order = snapshot::Order { source, tables, queries: query, folder, name };
    for made in snapshot::take(&order).await? {
        let what = if made.is_new { "written to" } else { "unchanged since" };
        println!("{}: {} rows, {what} {}", made.table, made.rows, made.file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn run_generate(dir: &Path, hospital: &Hospital) -> Result<()> {
    let bar = ProgressBar::new(hospital.patients as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} patients, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message("simulating a hospital");
    let report = synthetic::generate(dir, hospital, &|progress| bar.set_position(progress.done as u64))?;
    bar.finish_and_clear();
    // Nobody is protected here, and the same seed is to give the same keys as well as the same bytes.
    let key = dir.join("identity.key");
    if !key.exists() {
        IdentityKey::from_phrase(&format!("simulated hospital {}", hospital.seed)).save(&key)?;
    }
    println!("{report}");
    Ok(())
}

/// What takes time, in words.
fn doing(progress: Progress<'_>) -> String {
    match progress {
        Progress::Inspecting(done, of) => format!("inspecting files: {done} of {of}"),
        Progress::Making(view) => format!("making {}", view.full_name()),
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message("opening lake and layers");
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Table, Self::Markdown, Self::Csv]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Table => "table",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
        }))
    }
}
