//! The names of a statement as they are written in it, and where: what errors about them say.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Statement, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::error::PgError;
use super::names::identifier;

/// Relations, columns and functions of a statement.
#[derive(Default)]
pub(crate) struct Written {
    relations: Vec<Name>,
    columns: Vec<Name>,
    functions: Vec<Name>,
}

/// A name with its qualifiers, and where it begins.
struct Name {
    parts: Vec<String>,
    at: Location,
}

impl Name {
    fn of<'a>(parts: impl Iterator<Item = &'a Ident> + Clone) -> Option<Self> {
        let at = parts.clone().next()?.span.start;
        Some(Self { parts: parts.map(identifier).collect(), at })
    }

    fn is(&self, name: &str) -> bool {
        self.parts.iter().map(String::as_str).eq(name.split('.')) || matches!(self.parts.as_slice(), [only] if only == name)
    }
}

/// What stands between two parts of a message.
fn between<'a>(message: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix(behind)
}

impl Written {
    pub(crate) fn of(statement: &Statement) -> Self {
        let mut written = Self::default();
        let _ = Visit::visit(statement, &mut written);
        written
    }

    /// An error about something that does not exist or is not clear, with the place of its name, and a relation named as it is written:
    /// the engine names it in full.
    pub(crate) fn named(&self, mut error: PgError) -> PgError {
        let found = match error.code.as_ref() {
            "42P01" => match between(&error.message, "missing FROM-clause entry for table \"", "\"") {
                Some(table) => {
                    self.columns.iter().find(|column| column.parts.iter().rev().nth(1).is_some_and(|own| own == table))
                }
                None => {
                    let full = between(&error.message, "relation \"", "\" does not exist").unwrap_or_default();
                    let parts: Vec<&str> = full.split('.').collect();
                    let relation = self.relations.iter().find(|name| {
                        let shown = name.parts.get(name.parts.len().saturating_sub(2)..).unwrap_or_default();
                        parts.ends_with(&shown.iter().map(String::as_str).collect::<Vec<_>>())
                    });
                    if let Some(name) = relation.filter(|name| name.parts.len() < parts.len()) {
                        error.message = format!("relation \"{}\" does not exist", name.parts.join("."));
                    }
                    relation
                }
            },
            "42703" => between(&error.message, "column ", " does not exist")
                .map(|name| name.trim_matches('"'))
                .and_then(|name| self.columns.iter().find(|column| column.is(name))),
            "42702" => between(&error.message, "column reference \"", "\" is ambiguous")
                .and_then(|name| self.columns.iter().find(|column| column.is(name))),
            "42883" => between(&error.message, "function ", " does not exist")
                .and_then(|name| name.split('(').next())
                .and_then(|name| self.functions.iter().find(|function| function.parts.last().is_some_and(|last| last == name))),
            _ => None,
        };
        match found.map(|name| name.at) {
            Some(at) if at.line > 0 && error.position().is_none() => error.with_location(at),
            _ => error,
        }
    }
}

impl Visitor for Written {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.relations.extend(Name::of(name.0.iter().filter_map(|part| part.as_ident())));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.columns.extend(Name::of(std::iter::once(name))),
            Expr::CompoundIdentifier(parts) => self.columns.extend(Name::of(parts.iter())),
            Expr::Function(function) => {
                self.functions.extend(Name::of(function.name.0.iter().filter_map(|part| part.as_ident())));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
