//! The columns that every table of PostgreSQL has without showing them: `tableoid`, `xmin` and their relatives. Nothing is ever
//! updated in place here, so that all rows were made by one transaction and by its first command. There is no `ctid`, because rows
//! have no place.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Select, SelectItem, TableFactor, TableWithJoins, Value};

use super::{Rewriter, call};
use crate::server::names::identifier;
use crate::server::pg_catalog;

/// The columns and what they are here.
const COLUMNS: &[&str] = &["tableoid", "xmin", "xmax", "cmin", "cmax"];

/// What stands in the FROM of one SELECT.
#[derive(Default)]
pub(super) struct Scope(Vec<Source>);

struct Source {
    /// What its columns are qualified with.
    name: String,
    /// The name that the engine gives it, where that is longer.
    full: Option<ObjectName>,
    /// Schema and name of a table; nothing for what has no system columns.
    table: Option<(String, String)>,
}

impl Rewriter<'_> {
    /// Notes what a SELECT reads, and gives its columns the names that they would lose.
    pub(super) fn enter(&mut self, select: &mut Select) {
        let mut scope = Scope::default();
        for table in &select.from {
            self.add(table, &mut scope);
        }
        self.scopes.push(scope);
        let mut named = 0;
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some((_, column)) = parts(expr)
                && self.system_column(expr).is_some()
            {
                named += 1;
                let name = if named == 1 { column } else { format!("{column} {named}") };
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
    }

    fn add(&self, table: &TableWithJoins, scope: &mut Scope) {
        for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::Table { name, alias, args: None, .. } => {
                    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
                    let Some(last) = parts.last() else { continue };
                    let shown = alias.as_ref().map_or_else(|| last.clone(), |alias| identifier(&alias.name));
                    let full = if alias.is_none() { self.full_name(&parts) } else { None };
                    scope.0.push(Source { name: shown, full, table: self.table_of(&parts) });
                }
                TableFactor::NestedJoin { table_with_joins, .. } => self.add(table_with_joins, scope),
                TableFactor::Derived { alias, .. } | TableFactor::Table { alias, .. } => {
                    let name = alias.as_ref().map(|alias| identifier(&alias.name)).unwrap_or_default();
                    scope.0.push(Source { name, full: None, table: None });
                }
                _ => scope.0.push(Source { name: String::new(), full: None, table: None }),
            }
        }
    }

    /// Whether a name is that of something in a FROM.
    pub(super) fn names_source(&self, name: &str) -> bool {
        self.scopes.iter().flat_map(|scope| &scope.0).any(|source| source.name == name)
    }

    /// Whether a name is that of something in the innermost FROM.
    pub(super) fn names_own_source(&self, name: &str) -> bool {
        self.scopes.last().is_some_and(|scope| scope.0.iter().any(|source| source.name == name))
    }

    /// The name by which the engine knows what the innermost FROM calls `name`, where that is longer.
    pub(super) fn full_source(&self, name: &str) -> Option<&ObjectName> {
        self.scopes.last()?.0.iter().find(|source| source.name == name)?.full.as_ref()
    }

    /// A relation's name with its schema.
    fn full_name(&self, parts: &[String]) -> Option<ObjectName> {
        let quoted =
            |parts: &[String]| ObjectName::from(parts.iter().map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>());
        match parts {
            [table] if self.local_names.contains(table) => None,
            [table] if pg_catalog::is_relation(table) => Some(quoted(&[pg_catalog::SCHEMA.to_owned(), table.clone()])),
            [table] => Some(quoted(&[self.catalog.find(table, self.search_path)?, table.clone()])),
            parts => Some(quoted(parts)),
        }
    }

    /// The table that a name means, if it is one and no view.
    fn table_of(&self, parts: &[String]) -> Option<(String, String)> {
        let (schema, table) = match parts {
            [table] if self.local_names.contains(table) => return None,
            [table] if pg_catalog::is_relation(table) => (pg_catalog::SCHEMA.to_owned(), table),
            [table] => (self.catalog.find(table, self.search_path)?, table),
            [.., schema, table] => (schema.clone(), table),
            [] => return None,
        };
        let is_table = match schema.as_str() {
            pg_catalog::SCHEMA => pg_catalog::is_relation(table) && !pg_catalog::is_system_view(table),
            "raw" | "system" | "ml" => self.catalog.relation_names(&schema).contains(table),
            _ => false,
        };
        is_table.then(|| (schema, table.clone()))
    }

    /// Whether an expression is this column of a table of `pg_catalog`.
    pub(super) fn is_column_of(&self, expr: &Expr, table: &str, column: &str) -> bool {
        let Some((qualifier, _)) = parts(expr).filter(|(_, name)| name == column) else { return false };
        let mut sources = self.scopes.iter().rev().flat_map(|scope| &scope.0);
        let source = match qualifier {
            Some(qualifier) => sources.find(|source| source.name == qualifier),
            None => sources.next().filter(|_| self.scopes.last().is_some_and(|scope| scope.0.len() == 1)),
        };
        let of = source.and_then(|source| source.table.as_ref());
        of.is_some_and(|(schema, name)| schema == pg_catalog::SCHEMA && name == table)
    }

    /// What a system column is, if the expression is one.
    pub(super) fn system_column(&self, expr: &Expr) -> Option<Expr> {
        let (qualifier, column) = parts(expr)?;
        if !COLUMNS.contains(&column.as_str()) {
            return None;
        }
        let table = match qualifier {
            Some(qualifier) => {
                let mut fits = self.scopes.iter().rev().flat_map(|scope| &scope.0).filter(|source| source.name == qualifier);
                fits.next()?.table.as_ref()?
            }
            None => match self.scopes.last()?.0.as_slice() {
                [only] => only.table.as_ref()?,
                _ => return None,
            },
        };
        let number = |number: &str| call("placido_xid", vec![Expr::Value(Value::Number(number.to_owned(), false).into())]);
        Some(match column.as_str() {
            "tableoid" => {
                let (schema, name) = table;
                call("placido_tableoid", vec![Expr::Value(Value::SingleQuotedString(format!("\"{schema}\".\"{name}\"")).into())])
            }
            "xmin" => number("1"),
            _ => number("0"),
        })
    }
}

/// The qualifier and the name of a column.
fn parts(expr: &Expr) -> Option<(Option<String>, String)> {
    match expr {
        Expr::Identifier(name) => Some((None, identifier(name))),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., qualifier, name] => Some((Some(identifier(qualifier)), identifier(name))),
            _ => None,
        },
        _ => None,
    }
}
