//! The engine's own scripts through the wire: the same statements give the same rows as in process.
//!
//! The scripts are those of the package `datafusion-sqllogictest` (Apache-2.0) in the version of the engine; their expectations are the
//! engine's. `tests/sqllogictest/engine_scripts.sh` fetches them. What makes tables is run in process, in the catalogue that the server
//! serves; what asks is run in process and through the wire. A statement whose answer in process is not the expected one (a file of the
//! engine's repository that is not here, another setting) is counted and not compared. Known differences stand in
//! `tests/sqllogictest/engine_differences.txt`; one that is gone has to be taken off.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::prelude::{SessionConfig, SessionContext};
use placido::server::{Sessions, TableDescription, serve};
use sqllogictest::{DefaultColumnType, QueryExpect, Record, SortMode, StatementExpect, parse_file};
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Scripts about select, joins, aggregates, windows and dates, and what goes with them.
const SCRIPTS: &[&str] = &[
    "select.slt",
    "predicates.slt",
    "case.slt",
    "joins.slt",
    "join_is_not_distinct_from.slt",
    "subquery.slt",
    "cte.slt",
    "union.slt",
    "order.slt",
    "limit.slt",
    "aggregate.slt",
    "group_by.slt",
    "grouping.slt",
    "window.slt",
    "datetime/arith_date_date.slt",
    "datetime/arith_date_integer.slt",
    "datetime/arith_date_interval.slt",
    "datetime/arith_date_time.slt",
    "datetime/arith_timestamp_interval.slt",
    "datetime/arith_timestamp_timestamp.slt",
    "datetime/date_part.slt",
    "datetime/dates.slt",
    "datetime/interval.slt",
    "datetime/timestamps.slt",
];

const DIFFERENCES: &str = "tests/sqllogictest/engine_differences.txt";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the scripts, fetched if need be.
fn scripts() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("engine-scripts");
    let fetched = std::process::Command::new("sh")
        .arg(root().join("tests/sqllogictest/engine_scripts.sh"))
        .arg(&folder)
        .output()
        .is_ok_and(|output| output.status.success());
    if fetched {
        return Some(folder.join("test_files"));
    }
    assert_ne!(std::env::var("PLACIDO_TEST_CLIENTS").as_deref(), Ok("required"), "the engine's scripts could not be fetched");
    eprintln!("skipped: the engine's scripts could not be fetched");
    None
}

/// Sessions over the catalogue in which a script makes its tables.
struct Scripted(Arc<MemoryCatalogProvider>);

impl Scripted {
    #[expect(clippy::disallowed_methods, reason = "the wire is tested without the engine of the clinic")]
    fn session(&self) -> SessionContext {
        let config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema("datafusion", "public")
            .with_information_schema(true)
            .with_target_partitions(4);
        let session = SessionContext::new_with_config(config);
        session.register_catalog("datafusion", self.0.clone());
        session
    }
}

impl Sessions for Scripted {
    fn open(&self) -> datafusion::error::Result<SessionContext> {
        Ok(self.session())
    }

    fn describe(&self, _: &str, _: &str) -> Option<TableDescription> {
        None
    }

    fn schema_comment(&self, _: &str) -> Option<String> {
        None
    }
}

/// What was done with the records of a script.
#[derive(Default)]
struct Counts {
    same: usize,
    different: BTreeMap<u32, String>,
    not_runnable: usize,
    plans: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
}

/// Both sides' spellings of values in one: parts of arrays, records, dates and times are told apart by blanks, numbers are numbers.
fn tokens(line: &str) -> Vec<Token> {
    let chars: Vec<char> = line.chars().collect();
    let digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
    let spaced: String = chars
        .iter()
        .enumerate()
        .map(|(at, c)| match c {
            '{' | '}' | '[' | ']' | ',' | ':' | '"' | '\'' => ' ',
            'T' if digit(at.checked_sub(1)) && digit(Some(at + 1)) => ' ',
            c => *c,
        })
        .collect();
    spaced
        .split_whitespace()
        .map(|word| {
            // Bytes are hex on both sides.
            let word = word.strip_prefix("\\x").unwrap_or(word);
            let plain = word.strip_suffix('Z').or_else(|| word.strip_suffix("+00")).unwrap_or(word);
            match (plain.parse::<f64>(), plain) {
                (_, "inf" | "Infinity") => Token::Number(f64::INFINITY),
                (_, "-inf" | "-Infinity") => Token::Number(f64::NEG_INFINITY),
                (Ok(number), _) => Token::Number(number),
                _ => Token::Word(match word {
                    "t" => "true".to_owned(),
                    "f" => "false".to_owned(),
                    word => word.to_owned(),
                }),
            }
        })
        .collect()
}

fn equal(one: &[Token], other: &[Token]) -> bool {
    let close = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Token::Number(a), Token::Number(b)) => close(*a, *b),
            (a, b) => a == b,
        })
}

/// Rows in the order in which they are compared: as they come, or sorted.
fn ordered(rows: &[Vec<String>], sort: Option<SortMode>) -> Vec<Vec<Token>> {
    let key = |tokens: &Vec<Token>| format!("{tokens:?}");
    let mut lines: Vec<Vec<Token>> = match sort {
        Some(SortMode::ValueSort) => rows.iter().flatten().map(|cell| tokens(cell)).collect(),
        _ => rows.iter().map(|row| tokens(&row.join(" "))).collect(),
    };
    if matches!(sort, Some(SortMode::RowSort | SortMode::ValueSort)) {
        lines.sort_by_key(key);
    }
    lines
}

fn same(one: &[Vec<String>], other: &[Vec<String>], sort: Option<SortMode>) -> bool {
    let (one, other) = (ordered(one, sort), ordered(other, sort));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| equal(one, other))
}

/// The first row that is another one.
fn difference(found: &[Vec<String>], expected: &[Vec<String>], sort: Option<SortMode>) -> String {
    let (there, here) = (ordered(found, sort), ordered(expected, sort));
    if there.len() != here.len() {
        return format!("{} rows for {}", there.len(), here.len());
    }
    let shown = |line: &Vec<Token>| {
        let word = |token: &Token| match token {
            Token::Number(number) => number.to_string(),
            Token::Word(word) => word.clone(),
        };
        line.iter().map(word).collect::<Vec<_>>().join(" ")
    };
    let first = there.iter().zip(&here).find(|(there, here)| !equal(there, here));
    first.map_or_else(String::new, |(there, here)| format!("{} for {}", shown(there), shown(here)))
}

async fn in_process(session: &SessionContext, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let told = |error: datafusion::error::DataFusionError| error.to_string();
    let batches: Vec<RecordBatch> = session.sql(sql).await.map_err(told)?.collect().await.map_err(told)?;
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayFormatter<'_>| match column.value(row).to_string() {
                text if text.is_empty() => "(empty)".to_owned(),
                text => text,
            };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    Ok(rows)
}

async fn through_the_wire(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let asked = tokio::time::timeout(Duration::from_secs(60), client.simple_query(sql));
    let answered = asked.await.map_err(|_| "no answer".to_owned())?;
    let messages = answered.map_err(|error| match error.as_db_error() {
        Some(told) => format!("{}: {}", told.code().code(), told.message()),
        None => error.to_string(),
    })?;
    let cell = |text: Option<&str>| match text {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    };
    Ok(messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| cell(row.get(at))).collect()),
            _ => None,
        })
        .collect())
}

/// Whether a statement only asks: SELECT INTO through the wire would leave a table in front of the engine's own.
fn asks(sql: &str) -> bool {
    if sql.to_lowercase().split_whitespace().any(|word| word == "into") {
        return false;
    }
    let first = sql.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default().to_lowercase();
    matches!(first.as_str(), "select" | "with" | "values" | "table")
}

async fn run_script(file: &Path) -> Counts {
    let catalog = Arc::new(MemoryCatalogProvider::new());
    let scripted = Scripted(Arc::clone(&catalog));
    let session = scripted.session();
    datafusion::catalog::CatalogProvider::register_schema(catalog.as_ref(), "public", Arc::new(MemorySchemaProvider::new()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(serve(listener, Arc::new(scripted), std::future::pending()));
    let address = format!("host=127.0.0.1 port={port} user=test dbname=datafusion");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);

    let mut counts = Counts::default();
    for record in parse_file::<DefaultColumnType>(file).unwrap() {
        match record {
            Record::Statement { sql, expected, loc, .. } if asks(&sql) => {
                let (here, there) = (in_process(&session, &sql).await, through_the_wire(&client, &sql).await);
                match (matches!(expected, StatementExpect::Error(_)), here.is_err(), there) {
                    (wanted, is, _) if wanted != is => counts.not_runnable += 1,
                    (true, true, Ok(_)) => drop(counts.different.insert(loc.line(), "no error".to_owned())),
                    (false, false, Err(told)) => drop(counts.different.insert(loc.line(), told)),
                    _ => counts.same += 1,
                }
            }
            // Nothing is written outside of memory.
            Record::Statement { sql, .. } if sql.trim_start().to_lowercase().starts_with("copy") => counts.not_runnable += 1,
            Record::Statement { sql, .. } => {
                // Tables are made in process. A setting is made on both sides; the server refuses those beyond a session.
                let _ = in_process(&session, &sql).await;
                if sql.trim_start().to_lowercase().starts_with("set ") || sql.trim_start().to_lowercase().starts_with("reset ") {
                    let _ = through_the_wire(&client, &sql).await;
                }
            }
            Record::Query { sql, .. } if !asks(&sql) => counts.plans += 1,
            Record::Query { sql, expected, loc, .. } => {
                let here = in_process(&session, &sql).await;
                match expected {
                    QueryExpect::Results { results, sort_mode, .. } => {
                        let expected: Vec<Vec<String>> = results.into_iter().map(|line| vec![line]).collect();
                        // Without ORDER BY the order of rows is nobody's promise.
                        let sort = match sort_mode {
                            Some(SortMode::ValueSort) => Some(SortMode::ValueSort),
                            _ if sql.to_lowercase().contains("order by") && sort_mode != Some(SortMode::RowSort) => None,
                            _ => Some(SortMode::RowSort),
                        };
                        if !here.is_ok_and(|here| same(&here, &expected, sort)) {
                            counts.not_runnable += 1;
                            continue;
                        }
                        match through_the_wire(&client, &sql).await {
                            Ok(rows) if same(&rows, &expected, sort) => counts.same += 1,
                            Ok(rows) => drop(counts.different.insert(loc.line(), difference(&rows, &expected, sort))),
                            Err(told) => drop(counts.different.insert(loc.line(), told)),
                        }
                    }
                    QueryExpect::Error(_) => match (here, through_the_wire(&client, &sql).await) {
                        (Ok(_), _) => counts.not_runnable += 1,
                        (Err(_), Err(_)) => counts.same += 1,
                        (Err(_), Ok(_)) => drop(counts.different.insert(loc.line(), "no error".to_owned())),
                    },
                }
            }
            Record::Halt { .. } => break,
            _ => {}
        }
    }
    server.abort();
    counts
}

/// `file:line` → why, as the list has it.
fn known() -> BTreeMap<(String, u32), String> {
    let text = std::fs::read_to_string(root().join(DIFFERENCES)).unwrap_or_default();
    let entry = |line: &str| {
        let (place, why) = line.split_once(' ')?;
        let (file, number) = place.rsplit_once(':')?;
        Some(((file.to_owned(), number.parse().ok()?), why.trim().to_owned()))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect()
}

const HEAD: &str = "\
# Statements of the engine's own scripts whose answer through the wire differs from the one in process, and how.
# Place in the package datafusion-sqllogictest; SQLSTATE and message, or the first row that differs (through the wire for in process).
# Most are PostgreSQL's ways: times in microseconds, timestamptz in the session's zone, intervals in its style, its syntax and names.
# PLACIDO_WRITE_DOCS=1 cargo test --workspace --test main -- engine_scripts writes this list.
";

#[test]
fn the_engines_scripts_give_the_same_through_the_wire() {
    let Some(folder) = scripts() else { return };
    let counts: HashMap<&str, Counts> = crate::support::run(async {
        let each = SCRIPTS.iter().map(|script| {
            let file = folder.join(script);
            async move { (*script, run_script(&file).await) }
        });
        futures::future::join_all(each).await
    })
    .into_iter()
    .collect();
    let known = known();
    let (mut list, mut new, mut same) = (HEAD.to_owned(), Vec::new(), 0);
    let mut found = Vec::new();
    for script in SCRIPTS {
        let Some(counts) = counts.get(script) else { continue };
        println!(
            "{script}: {} the same, {} different, {} not runnable here, {} plans not compared",
            counts.same,
            counts.different.len(),
            counts.not_runnable,
            counts.plans
        );
        same += counts.same;
        for (line, why) in &counts.different {
            let why: String = why.lines().next().unwrap_or_default().chars().take(110).collect();
            let place = ((*script).to_owned(), *line);
            let told = known.get(&place).cloned().unwrap_or_else(|| why.clone());
            writeln!(list, "{script}:{line} {told}").unwrap();
            if !known.contains_key(&place) {
                new.push(format!("{script}:{line} {why}"));
            }
            found.push(place);
        }
    }
    println!("{same} statements the same, {} different", found.len());
    if std::env::var_os("PLACIDO_WRITE_DOCS").is_some() {
        std::fs::write(root().join(DIFFERENCES), list).unwrap();
        return;
    }
    let gone: Vec<_> = known.keys().filter(|place| !found.contains(place)).collect();
    assert!(new.is_empty(), "new differences:\n{}", new.join("\n"));
    assert!(gone.is_empty(), "these are the same now; take them off {DIFFERENCES}: {gone:?}");
    assert!(same > 1_500, "too few statements were compared: {same}");
}
