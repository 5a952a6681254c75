//! Types of values: what a statement is said to give, what it gives in text and in binary, and which parameters it takes, compared with
//! what a real PostgreSQL says of the same statement.

use super::TestServer;
use super::raw::{Answer, Raw, rows, sqlstate};
use crate::support::postgres;

/// Statements of one session, one a line. `-- differs: …` says that the answers are known to differ, and why; `-- binary differs: …` that
/// only the binary ones do.
const STATEMENTS: &str = include_str!("beside/types.sql");

/// The identifiers of the columns' types, of `RowDescription`.
fn columns(body: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut rest = &body[2..];
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        found.push(u32::from_be_bytes(rest[end + 7..end + 11].try_into().unwrap()));
        rest = &rest[end + 19..];
    }
    found
}

fn seen(answers: &[Answer]) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, body) in answers {
        match kind {
            'T' => lines.push(format!("columns {:?}", columns(body))),
            't' => {
                let oids: Vec<u32> = body[2..].chunks(4).map(|oid| u32::from_be_bytes(oid.try_into().unwrap())).collect();
                lines.push(format!("parameters {oids:?}"));
            }
            'E' => {
                let fields: Vec<&str> = body.split(|byte| *byte == 0).map(|field| std::str::from_utf8(field).unwrap()).collect();
                let field = |letter: char| fields.iter().find_map(|field| field.strip_prefix(letter)).unwrap_or_default();
                lines.push(format!("{} {}", field('C'), field('M')));
            }
            _ => {}
        }
    }
    lines
}

/// An error may come before or behind the description of the columns.
fn without_columns_of_failures(lines: Vec<String>) -> Vec<String> {
    let fails =
        lines.iter().any(|line| !line.starts_with("columns") && !line.starts_with("parameters") && !line.starts_with("row"));
    lines.into_iter().filter(|line| !fails || !line.starts_with("columns") && !line.starts_with("parameters")).collect()
}

async fn in_text(server: &mut Raw, sql: &str) -> Vec<String> {
    let answers = server.ask(sql).await;
    let mut lines = seen(&answers);
    lines.extend(rows(&answers).into_iter().map(|row| format!("row {row}")));
    without_columns_of_failures(lines)
}

async fn described(server: &mut Raw, sql: &str) -> Vec<String> {
    server.parse("", sql).await;
    server.of(b'D', 'S', "").await;
    without_columns_of_failures(seen(&server.sync().await))
}

async fn in_binary(server: &mut Raw, sql: &str) -> Vec<String> {
    server.parse("", sql).await;
    server.bind("", "", &[], 1).await;
    server.execute("", 0).await;
    let answers = server.sync().await;
    if let Some(code) = sqlstate(&answers) {
        return vec![code];
    }
    answers.iter().filter(|(kind, _)| *kind == 'D').map(|(_, body)| format!("{body:02x?}")).collect()
}

#[test]
fn types_and_values_are_those_of_postgres() {
    let Some(postgres) = postgres::start() else { return };
    let server = TestServer::start();
    let mut differences = Vec::new();
    server.runtime.block_on(async {
        let mut here = Raw::connect(&server).await;
        let mut there = Raw::connect_to(postgres.port, "postgres").await;
        for line in STATEMENTS.lines() {
            let (sql, remark) = line.split_once(" -- ").unwrap_or((line, ""));
            if sql.trim().is_empty() || sql.starts_with("--") {
                continue;
            }
            let differ = remark.starts_with("differs:");
            let (ours, theirs) = if sql.contains('$') {
                (described(&mut here, sql).await, described(&mut there, sql).await)
            } else {
                (in_text(&mut here, sql).await, in_text(&mut there, sql).await)
            };
            if (ours == theirs) == differ {
                differences.push(format!("{line}\n  placido:    {ours:?}\n  PostgreSQL: {theirs:?}"));
                continue;
            }
            let asks = ["select", "values", "with"].iter().any(|word| sql.starts_with(word));
            if asks && !differ && !sql.contains('$') {
                let (ours, theirs) = (in_binary(&mut here, sql).await, in_binary(&mut there, sql).await);
                if (ours == theirs) == remark.starts_with("binary differs:") {
                    differences.push(format!("{line}\n  in binary\n  placido:    {ours:?}\n  PostgreSQL: {theirs:?}"));
                }
            }
        }
    });
    assert!(differences.is_empty(), "{} statements\n{}", differences.len(), differences.join("\n"));
}
