//! The same statements, typed into placido and into a real PostgreSQL: what both say is compared, message by message.

use super::TestServer;
use super::raw::{Answer, Raw};
use crate::support::postgres;

/// Statements of one session, one a line. What stands behind `--` is not sent: `-- differs: …` says that the answers are known to
/// differ, and why; the test fails when they no longer do.
const SCRIPTS: &[(&str, &str)] = &[
    ("definitions", include_str!("beside/definitions.sql")),
    ("transactions", include_str!("beside/transactions.sql")),
    ("rows", include_str!("beside/rows.sql")),
    ("writing", include_str!("beside/writing.sql")),
    ("roles", include_str!("beside/roles.sql")),
    ("settings", include_str!("beside/settings.sql")),
    ("cursors", include_str!("beside/cursors.sql")),
    ("catalog", include_str!("beside/catalog.sql")),
    ("zones", include_str!("beside/zones.sql")),
    ("queries", include_str!("beside/queries.sql")),
    ("functions", include_str!("beside/functions.sql")),
    ("joins", include_str!("beside/joins.sql")),
    ("numbers", include_str!("beside/numbers.sql")),
    ("analysis", include_str!("beside/analysis.sql")),
    ("parameters", include_str!("beside/parameters.sql")),
    ("series", include_str!("beside/series.sql")),
];

/// Those about roles are typed by somebody who is superuser on both sides, and called the same.
const ACCESS: &[(&str, &str)] = &[("access", include_str!("beside/access.sql"))];

/// What a client sees of an answer: rows, tags, errors and notices with code, message, detail and hint; not where in the server.
fn seen(answers: &[Answer]) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, body) in answers {
        match kind {
            'E' | 'N' => {
                let fields: Vec<&str> = body.split(|byte| *byte == 0).map(|field| std::str::from_utf8(field).unwrap()).collect();
                let field = |letter: char| fields.iter().find_map(|field| field.strip_prefix(letter)).unwrap_or_default();
                lines.push(format!("{} {} {}", field('S'), field('C'), field('M')));
            }
            'C' => lines.push(format!("tag {}", String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)))),
            'Z' => lines.push(format!("ready {}", char::from(body[0]))),
            'T' => {
                let mut names = Vec::new();
                let mut rest = &body[2..];
                while !rest.is_empty() {
                    let end = rest.iter().position(|byte| *byte == 0).unwrap();
                    names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
                    rest = &rest[end + 19..];
                }
                lines.push(format!("columns {}", names.join("|")));
            }
            'D' => lines.push(format!("row {}", super::raw::rows(std::slice::from_ref(&(*kind, body.clone())))[0])),
            'I' => lines.push("empty".to_owned()),
            _ => {}
        }
    }
    lines
}

#[test]
fn statements_are_answered_as_postgres_answers_them() {
    compare(SCRIPTS, "anna");
}

#[test]
fn roles_and_rights_are_those_of_postgres() {
    compare(ACCESS, "postgres");
}

fn compare(scripts: &[(&str, &str)], user: &str) {
    let Some(postgres) = postgres::start() else { return };
    let server = TestServer::start();
    let mut differences = Vec::new();
    server.runtime.block_on(async {
        for (script, text) in scripts {
            let mut here = Raw::connect_as(&server, user).await;
            let mut there = Raw::connect_to(postgres.port, "postgres").await;
            // In PostgreSQL, the tests of one script do not meet those of another.
            there.ask(&format!("create schema {script}; set search_path = {script}, public")).await;
            here.ask(&format!("create schema {script}; set search_path = {script}, public")).await;
            for line in text.lines() {
                let (sql, remark) = line.split_once("--").unwrap_or((line, ""));
                if sql.trim().is_empty() {
                    continue;
                }
                let (ours, theirs) = (seen(&here.ask(sql).await), seen(&there.ask(sql).await));
                let known = remark.trim().starts_with("differs:");
                if (ours == theirs) == known {
                    differences.push(format!("{script}: {line}\n  placido:    {ours:?}\n  PostgreSQL: {theirs:?}"));
                }
            }
        }
    });
    assert!(differences.is_empty(), "{} statements\n{}", differences.len(), differences.join("\n"));
}
