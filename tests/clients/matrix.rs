//! The page of clients: one section a client, one row a check.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// The clients in the order of the page, and what each does here.
const CLIENTS: &[(&str, &str)] = &[
    ("psql", "PostgreSQL's own client: all of its backslash commands, scripts, `\\copy`."),
    ("psycopg2", "Python: notebooks and scripts."),
    ("psycopg", "Python: binary values, pipelines, prepared statements."),
    ("asyncpg", "Python: asynchronous, everything in binary."),
    ("SQLAlchemy", "Python: reflection of schemas, and pandas; over psycopg2, psycopg and pg8000."),
    ("pgcli", "A command line that completes names."),
    ("JDBC", "Java: metadata as DBeaver and BI servers ask for it."),
    ("ODBC", "psqlodbc, in the modes that Excel, Access and Power BI switch on."),
    ("node-postgres", "Node: pools, cursors, streams."),
    ("tokio-postgres", "Rust."),
    ("RPostgreSQL", "R."),
    ("postgres_fdw", "A PostgreSQL server that reads placido's views as foreign tables; dblink too."),
    ("DuckDB", "DuckDB's postgres extension: ATTACH and scans in binary COPY."),
    ("pgbench", "PostgreSQL's load generator with scripts of its own."),
    ("dbt", "dbt-core with dbt-postgres: a project of views, tables, tests and documentation in a scratch schema."),
];

const HEAD: &str = "# Clients\n\n\
    Each client was run against placido over a simulated hospital by `cargo test --workspace --test main -- clients`, which printed this\n\
    page (`PLACIDO_WRITE_DOCS=1`) and fails when a check no longer ends as it says here. The programs are in `tests/clients/`.\n";

/// A check of a client: what it did, and why it failed if it did.
pub(super) struct Check {
    pub(super) name: String,
    pub(super) reason: Option<String>,
}

/// What one run of a client said.
pub(super) struct Section {
    title: String,
    version: String,
    checks: Vec<Check>,
}

impl Section {
    pub(super) fn new(title: &str, version: String, checks: Vec<Check>) -> Self {
        Self { title: title.to_owned(), version, checks }
    }

    /// Reads the lines of a client's program; nothing when it did not even begin.
    pub(super) fn read(title: &str, text: &str) -> Option<Self> {
        let (mut version, mut checks) = (None, Vec::new());
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                ["client", _, found] => version = Some((*found).to_owned()),
                ["works", name] => checks.push(Check { name: (*name).to_owned(), reason: None }),
                ["fails", name, reason @ ..] => checks.push(Check { name: (*name).to_owned(), reason: Some(reason.join(" ")) }),
                _ => {}
            }
        }
        Some(Self::new(title, version?, checks))
    }

    fn about(&self) -> &'static str {
        CLIENTS.iter().find(|(title, _)| *title == self.title).map(|(_, about)| *about).unwrap()
    }

    fn print(&self) -> String {
        let failed = self.checks.iter().filter(|check| check.reason.is_some()).count();
        let mut page = format!("{}\n\nVersion {}. {} checks", self.about(), self.version, self.checks.len());
        page.push_str(if failed == 0 { ", all work.\n" } else { ".\n" });
        page.push_str("\n| check | result |\n| --- | --- |\n");
        for check in &self.checks {
            let result =
                check.reason.as_ref().map_or_else(|| "works".to_owned(), |reason| format!("fails: {}", escaped(&clean(reason))));
            let _ = writeln!(page, "| {} | {result} |", escaped(&check.name));
        }
        page
    }

    /// Writes the section into the page, or compares the checks with those in it.
    pub(super) fn settle(&self) {
        assert!(!self.checks.is_empty(), "{} checked nothing", self.title);
        static PAGE: Mutex<()> = Mutex::new(());
        let _one_at_a_time = PAGE.lock().unwrap();
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let mut sections = split(&page);
        if std::env::var("PLACIDO_WRITE_DOCS").is_ok_and(|value| value == "1") {
            sections.retain(|(title, _)| *title != self.title);
            sections.push((self.title.clone(), self.print()));
            sections.sort_by_key(|(title, _)| CLIENTS.iter().position(|(known, _)| known == title));
            let body: String = sections.iter().map(|(title, text)| format!("\n## {title}\n\n{}\n", text.trim())).collect();
            let notes = page.find("\n# What ").and_then(|at| page.get(at..)).unwrap_or_default();
            std::fs::write(&path, format!("{HEAD}{body}{notes}")).unwrap();
            return;
        }
        let known = sections.iter().find(|(title, _)| *title == self.title).map(|(_, text)| outcomes(text)).unwrap_or_default();
        let now: Vec<(String, bool)> = self.checks.iter().map(|check| (escaped(&check.name), check.reason.is_none())).collect();
        let changed: Vec<String> = self
            .checks
            .iter()
            .zip(&now)
            .filter(|(_, outcome)| !known.contains(outcome))
            .map(|(check, _)| format!("{}: {}", check.name, check.reason.as_deref().unwrap_or("works")))
            .collect();
        assert!(changed.is_empty(), "{} differs from docs/clients.md: {changed:#?}", self.title);
        let gone: Vec<_> = known.iter().filter(|outcome| !now.contains(outcome)).collect();
        assert!(gone.is_empty(), "{} no longer does what docs/clients.md tells: {gone:?}", self.title);
    }
}

/// A reason without what differs from run to run.
fn clean(reason: &str) -> String {
    let told = reason.split(" (Background on this error").next().unwrap_or(reason);
    told.split(" [SQL:").next().unwrap_or(told).trim().to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The sections of the page by their titles.
fn split(page: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in page.split("\n# What ").next().unwrap_or(page).lines() {
        match line.strip_prefix("## ") {
            Some(title) => sections.push((title.to_owned(), String::new())),
            None => {
                if let Some((_, text)) = sections.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    sections
}

/// The checks in a section and whether they work.
fn outcomes(text: &str) -> Vec<(String, bool)> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| check") && !line.starts_with("| ---"));
    rows.filter_map(|line| {
        let row = line.trim_start_matches("| ").trim_end_matches(" |");
        // The result is the last cell; a name may have an escaped bar in it.
        let at = row.rfind(" | works").or_else(|| row.find(" | fails: "))?;
        Some((row.get(..at)?.to_owned(), row.get(at..)?.starts_with(" | works")))
    })
    .collect()
}

#[test]
fn the_page_is_read_as_it_is_written() {
    let text = "client\tpsql\t15\nworks\t\\d a|b\nfails\tcancel\tQueryCanceled: x [SQL: y]\n";
    let section = Section::read("psql", text).unwrap();
    assert_eq!(outcomes(&section.print()), [("\\d a\\|b".to_owned(), true), ("cancel".to_owned(), false)]);
    assert!(section.print().contains("fails: QueryCanceled: x |"));
    assert!(Section::read("psql", "works\tsomething\n").is_none());
}
