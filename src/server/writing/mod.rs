//! INSERT, UPDATE and DELETE on scratch tables.
//!
//! Each is made of queries, which the engine plans as it plans any other: one gives the rows that are to be written, with the number of
//! the row that each replaces; with ON CONFLICT one joins the proposed rows with those that they meet; with RETURNING one reads what has
//! been written. [`run`] puts the rows into a new state of the table. So NOT NULL, lengths and types are looked after when rows come.

mod draft;
mod insert;
mod literals;
mod rewritten;
pub(crate) mod run;
mod update;
pub(crate) mod work;

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use pgwire::api::Type;

use self::draft::Draft;
use self::work::Slot;
use super::error::PgError;
use super::plan::{Planned, Planner};

/// What a statement does to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Insert,
    Update,
    Delete,
}

impl Verb {
    /// The word for it in SQL.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verb::Insert => "INSERT",
            Verb::Update => "UPDATE",
            Verb::Delete => "DELETE",
        }
    }

    /// The command tag with a number of rows.
    pub(crate) fn tag(self, rows: usize) -> String {
        match self {
            Verb::Insert => format!("INSERT 0 {rows}"),
            Verb::Update | Verb::Delete => format!("{} {rows}", self.word()),
        }
    }
}

/// How the rows of a planned statement are written.
#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) verb: Verb,
    /// The table in the state for which this was planned.
    table: u64,
    /// Which column of the table each column of the rows is, behind the number of the row in UPDATE and DELETE.
    columns: Vec<usize>,
    /// Columns behind those, which RETURNING names and the table does not have.
    carried: usize,
    conflict: Option<Conflict>,
    returning: Option<Returning>,
    /// Values of literals, which stand behind the statement's own parameters.
    literals: Vec<ScalarValue>,
}

impl Writing {
    /// Whether rows come back.
    pub(crate) fn returns(&self) -> bool {
        self.returning.is_some()
    }
}

/// ON CONFLICT.
#[derive(Debug)]
struct Conflict {
    excluded: Arc<Slot>,
    /// The keys by which rows meet: columns of the table.
    keys: Vec<Vec<usize>>,
    /// DO NOTHING: the numbers of the proposed rows that meet others. DO UPDATE: the numbers of the row and of the proposed row,
    /// whether WHERE holds, and the new columns.
    plan: Option<LogicalPlan>,
    updates: bool,
}

/// RETURNING.
#[derive(Debug)]
struct Returning {
    affected: Arc<Slot>,
    plan: LogicalPlan,
}

/// Plans a statement that writes.
pub(crate) async fn plan(planner: &Planner, statement: ast::Statement, declared: &[Option<Type>]) -> Result<Planned, PgError> {
    let (with, statement) = taken_apart(statement);
    let mut draft = Draft::new(planner, &statement, with.as_ref(), declared)?;
    let shape = match statement {
        ast::Statement::Insert(insert) => insert::shape(&mut draft, insert).await?,
        ast::Statement::Update(update) => update::update(&mut draft, update, with).await?,
        ast::Statement::Delete(delete) => update::delete(&mut draft, delete, with).await?,
        _ => return Err(PgError::new("XX000", "a statement that writes nothing")),
    };
    draft.finish(shape).await
}

/// The statement that writes, and the WITH in front of it.
fn taken_apart(statement: ast::Statement) -> (Option<ast::With>, ast::Statement) {
    match statement {
        ast::Statement::Query(query) => {
            let query = *query;
            match *query.body {
                ast::SetExpr::Insert(inner) | ast::SetExpr::Update(inner) | ast::SetExpr::Delete(inner) => (query.with, inner),
                body => (None, ast::Statement::Query(Box::new(ast::Query { body: Box::new(body), ..query }))),
            }
        }
        other => (None, other),
    }
}

/// The statement that writes inside of its WITH.
pub(crate) fn inner(statement: &ast::Statement) -> &ast::Statement {
    if let ast::Statement::Query(query) = statement
        && let ast::SetExpr::Insert(inner) | ast::SetExpr::Update(inner) | ast::SetExpr::Delete(inner) = query.body.as_ref()
    {
        return inner;
    }
    statement
}

/// Whether a statement changes rows.
pub(crate) fn is_write(statement: &ast::Statement) -> bool {
    matches!(inner(statement), ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_))
}
