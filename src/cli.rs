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
use placido_catalog::synthetic::{self, Hospital};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::engine::{Engine, Opening};
use crate::error::{Error, Result};
use crate::output::{self, Format};
use crate::server::error::sqlstate_in;
use crate::settings::Settings;
use crate::{check, docs, runtime, server};

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
    /// Write the exports of a simulated hospital
    Generate(Generate),
    /// Write the reference pages
    Docs(Docs),
}

#[derive(Debug, Args)]
struct Listen {
    /// Address to listen on; only loopback until users exist
    #[arg(long, env = "PLACIDO_LISTEN", default_value = "127.0.0.1:5433", value_name = "HOST:PORT")]
    listen: String,
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
        Command::Generate(generate) => {
            run_generate(&generate.dir, &Hospital { patients: generate.patients, seed: generate.seed })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs(page) => {
            print!("{}", docs::render(page.page, &settings).await?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run_demo(demo: &Demo, settings: Settings) -> Result<ExitCode> {
    // The port first: nobody should wait for a hospital only to hear that the port is taken.
    drop(bind(&demo.listen.listen).await?);
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
    let listener = bind(&listen.listen).await?;
    let spinner = spinner();
    let engine = Engine::open(settings, Opening { refresh: Refresh::Stale, write: true }, &|progress| {
        spinner.set_message(doing(progress));
    })
    .await?;
    spinner.finish_and_clear();

    let address = listener.local_addr().map_err(|error| Error::Io(error.to_string()))?;
    let psql = format!("psql -h {} -p {} -U placido placido", address.ip(), address.port());
    engine.open_scratch(settings)?;
    println!("placido {} serves {} on {address}", env!("CARGO_PKG_VERSION"), settings.lake_folder().display());
    println!("\n  {psql}\n");
    for (about, statement) in statements {
        println!("  # {about}\n  {psql} -c {}\n", shell_quoted(statement));
    }
    println!("Ctrl-C ends it.");
    server::serve(listener, Arc::new(engine), ended()).await.map_err(|error| Error::Io(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
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

/// A listener on a loopback address, or why there is none.
async fn bind(listen: &str) -> Result<TcpListener> {
    let mut addresses = listen.to_socket_addrs().map_err(|error| {
        Error::Setting(format!("--listen {listen} is no address ({error}); write HOST:PORT, such as 127.0.0.1:5433"))
    })?;
    let address: SocketAddr = addresses.next().ok_or_else(|| Error::Setting(format!("--listen {listen} names no address")))?;
    server::check_listen(address).map_err(|error| Error::Setting(error.to_string()))?;
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
