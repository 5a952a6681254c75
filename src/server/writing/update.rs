//! UPDATE and DELETE: which rows, and what they become.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, SelectItem, Visit, Visitor};

use super::Verb;
use super::draft::{Draft, Rows, Shape};
use super::rewritten::{Returned, assigned_column, column, named, query_of, without_schema};
use crate::server::columns::parse;
use crate::server::error::PgError;

pub(super) async fn update(draft: &mut Draft<'_>, update: ast::Update, with: Option<ast::With>) -> Result<Shape, PgError> {
    let ast::Update { assignments: mut given, from, mut selection, mut returning, .. } = update;
    let reads = names_columns(&given) || names_columns(&selection) || returning.is_some() || from.is_some();
    if reads {
        draft.planner.guard.check_read(&draft.schema, &draft.name)?;
    }
    let from = match from {
        Some(ast::UpdateTableFromKind::AfterSet(from) | ast::UpdateTableFromKind::BeforeSet(from)) => from,
        None => Vec::new(),
    };
    without_schema(&mut given, draft);
    let mut changed = assignments(draft, given)?;
    let mut items = Vec::new();
    for (at, name) in draft.column_names().enumerate() {
        let value = changed.remove(&at).unwrap_or_else(|| column(&draft.alias, name));
        items.push(named(value, &format!("column {at}")));
    }
    without_schema(&mut selection, draft);
    let columns = (0..draft.table.schema.fields().len()).collect();
    if let Some(items) = &mut returning {
        without_schema(items, draft);
    }
    shape(draft, Verb::Update, Changed { items, columns, from, selection, returning, with }).await
}

pub(super) async fn delete(draft: &mut Draft<'_>, delete: ast::Delete, with: Option<ast::With>) -> Result<Shape, PgError> {
    let ast::Delete { using, mut selection, mut returning, .. } = delete;
    if names_columns(&selection) || returning.is_some() || using.is_some() {
        draft.planner.guard.check_read(&draft.schema, &draft.name)?;
    }
    without_schema(&mut selection, draft);
    let (mut items, mut columns) = (Vec::new(), Vec::new());
    if let Some(returning) = &mut returning {
        without_schema(returning, draft);
        for (at, name) in draft.column_names().enumerate() {
            items.push(named(column(&draft.alias, name), &format!("column {at}")));
            columns.push(at);
        }
    }
    let from = using.unwrap_or_default();
    shape(draft, Verb::Delete, Changed { items, columns, from, selection, returning, with }).await
}

/// Whether expressions name a column, which may be one of the table's: to read it takes the right to. What a subquery reads is checked
/// where its relations are looked up.
fn names_columns(part: &impl Visit) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::CompoundFieldAccess { .. }
                | Expr::Wildcard(_)
                | Expr::QualifiedWildcard(..) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(part, &mut Finder).is_break()
}

/// What UPDATE and DELETE have in common.
struct Changed {
    items: Vec<SelectItem>,
    columns: Vec<usize>,
    from: Vec<ast::TableWithJoins>,
    selection: Option<Expr>,
    returning: Option<Vec<SelectItem>>,
    with: Option<ast::With>,
}

async fn shape(draft: &mut Draft<'_>, verb: Verb, changed: Changed) -> Result<Shape, PgError> {
    let Changed { items, columns, from, selection, returning, with } = changed;
    let returned = match returning {
        Some(items) => Some(Returned::of(draft, items, &from).await?),
        None => None,
    };
    let skeleton = parse(&format!("SELECT {} FROM {}", draft.row(), draft.numbered()))?;
    let mut query = query_of(skeleton, |select| {
        select.projection.extend(items);
        select.projection.extend(returned.iter().flat_map(Returned::projection));
        select.from.extend(from);
        select.selection = selection;
    })?;
    query.with = with;
    let carried = returned.as_ref().map_or(0, |returned| returned.carried.len());
    let returning = returned.map(|returned| returned.items);
    Ok(Shape { verb, rows: Rows::Query(Box::new(query)), columns, named: false, carried, conflict: None, returning })
}

/// What columns are set to, by their place in the table.
pub(super) fn assignments(draft: &mut Draft<'_>, given: Vec<ast::Assignment>) -> Result<HashMap<usize, Expr>, PgError> {
    let mut found = HashMap::new();
    for ast::Assignment { target, value } in given {
        let pairs = match target {
            ast::AssignmentTarget::ColumnName(name) => vec![(assigned_column(&name), value)],
            ast::AssignmentTarget::Tuple(names) => {
                let values = match value {
                    Expr::Tuple(values) => values,
                    Expr::Nested(value) if names.len() == 1 => vec![*value],
                    _ => {
                        return Err(PgError::new("0A000", "setting several columns to one query is not supported")
                            .with_hint("Write a query for each column, or use UPDATE … FROM."));
                    }
                };
                if values.len() != names.len() {
                    return Err(PgError::new("42601", "number of columns does not match number of values"));
                }
                names.iter().map(assigned_column).zip(values).collect()
            }
        };
        for (name, value) in pairs {
            let at = draft.column(&name)?;
            let value = draft.assigned(value, at)?;
            if found.insert(at, value).is_some() {
                return Err(PgError::new("42601", format!("multiple assignments to same column \"{name}\"")));
            }
        }
    }
    Ok(found)
}
