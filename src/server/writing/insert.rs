//! INSERT: its rows in the columns of the table, defaults for those that are not named, and what ON CONFLICT does.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{self, Expr, SelectItem};

use super::Verb;
use super::draft::{Draft, OnConflict, Rows, Shape, check_width, last};
use super::literals::is_default;
use super::rewritten::{Returned, column, named, query_of, quoted, without_schema};
use super::update::assignments;
use super::work::{EXCLUDED, WORK};
use crate::access::roles::Privilege;
use crate::server::columns::parse;
use crate::server::error::PgError;
use crate::server::scratch::exec::ROW;
use crate::server::write::default_of;

pub(super) async fn shape(draft: &mut Draft<'_>, insert: ast::Insert) -> Result<Shape, PgError> {
    let ast::Insert { columns, source, on, mut returning, .. } = insert;
    if on.is_some() || returning.is_some() {
        draft.planner.guard.check_read(&draft.schema, &draft.name)?;
    }
    let named = !columns.is_empty();
    let mut wanted = Vec::new();
    match named {
        true => {
            for name in &columns {
                let (name, at) = (last(name), draft.column(&last(name))?);
                if wanted.contains(&at) {
                    return Err(PgError::new("42701", format!("column \"{name}\" specified more than once")));
                }
                wanted.push(at);
            }
        }
        false => wanted.extend(0..draft.table.schema.fields().len()),
    }
    let (rows, columns, named) = match source {
        Some(source) => rows(draft, *source, wanted, named).await?,
        None => {
            let all: Vec<usize> = (0..draft.table.schema.fields().len()).collect();
            (defaults(draft, &all)?, all, true)
        }
    };
    let conflict = match on {
        Some(ast::OnInsert::OnConflict(on)) => Some(on_conflict(draft, on)?),
        Some(_) => return Err(PgError::new("42601", "syntax error at or near \"DUPLICATE\"")),
        None => None,
    };
    if let Some(items) = &mut returning {
        without_schema(items, draft);
    }
    let returning = match returning {
        Some(items) => Some(Returned::of(draft, items, &[]).await?.items),
        None => None,
    };
    Ok(Shape { verb: Verb::Insert, rows, columns, named, carried: 0, conflict, returning })
}

/// One row of defaults.
fn defaults(draft: &mut Draft<'_>, columns: &[usize]) -> Result<Rows, PgError> {
    let mut items = Vec::with_capacity(columns.len());
    for at in columns {
        let default = default_of(&draft.table, *at)?;
        items.push(named(draft.assigned(default, *at)?, &format!("column {at}")));
    }
    Ok(Rows::Query(Box::new(query_of(parse("SELECT 1")?, |select| select.projection = items)?)))
}

/// The columns that are not among those that are given, and have a default.
fn omitted(draft: &Draft<'_>, given: &[usize]) -> Vec<usize> {
    let has_default = |at: &usize| draft.table.columns.get(*at).is_some_and(|notes| notes.default.is_some());
    (0..draft.table.schema.fields().len()).filter(|at| !given.contains(at)).filter(has_default).collect()
}

/// The rows, the columns that they are, and whether all of them must come.
async fn rows(
    draft: &mut Draft<'_>,
    mut source: ast::Query,
    mut wanted: Vec<usize>,
    all: bool,
) -> Result<(Rows, Vec<usize>, bool), PgError> {
    let only_values =
        source.order_by.is_none() && source.limit_clause.is_none() && source.fetch.is_none() && source.with.is_none();
    let width = match source.body.as_mut() {
        ast::SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            if values.rows.iter().any(|row| row.content.len() != width) {
                return Err(PgError::new("42601", "VALUES lists must all be the same length"));
            }
            check_width(width, wanted.len(), all)?;
            wanted.truncate(width);
            let added = omitted(draft, &wanted);
            for row in &mut values.rows {
                for at in &added {
                    row.content.push(default_of(&draft.table, *at)?);
                }
            }
            wanted.extend(added);
            if only_values && let Some(batch) = draft.constants(&values.rows, &wanted)? {
                return Ok((Rows::Values(batch), wanted, true));
            }
            for row in &mut values.rows {
                for (expr, at) in row.content.iter_mut().zip(&wanted) {
                    let given = std::mem::replace(expr, Expr::Value(ast::Value::Null.into()));
                    *expr = draft.assigned(given, *at)?;
                }
            }
            return Ok((Rows::Query(Box::new(source)), wanted, true));
        }
        ast::SetExpr::Select(select) => {
            let plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            let plain = select.projection.iter().all(plain);
            if plain && select.distinct.is_none() {
                for (item, at) in select.projection.iter_mut().zip(&wanted) {
                    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                        && !is_default(expr)
                    {
                        let given = std::mem::replace(expr, Expr::Value(ast::Value::Null.into()));
                        *expr = draft.assigned(given, *at)?;
                    }
                }
            }
            plain.then_some(select.projection.len())
        }
        _ => None,
    };
    // Which columns are not given depends on how many are.
    let given = match width {
        Some(width) => width,
        None if all || omitted(draft, &[]).is_empty() => wanted.len(),
        None => draft.planner.plan(ast::Statement::Query(Box::new(source.clone())), &[]).await?.schema.fields().len(),
    };
    check_width(given, wanted.len(), all && width.is_some())?;
    wanted.truncate(given);
    let added = omitted(draft, &wanted);
    if added.is_empty() {
        return Ok((Rows::Query(Box::new(source)), wanted, all));
    }
    let names: Vec<String> = (0..wanted.len()).map(|at| format!("column {at}")).collect();
    let mut items: Vec<SelectItem> = names.iter().map(|name| SelectItem::UnnamedExpr(Expr::Identifier(quoted(name)))).collect();
    for at in &added {
        let default = default_of(&draft.table, *at)?;
        items.push(named(draft.assigned(default, *at)?, &format!("default {at}")));
    }
    let listed: Vec<String> = names.iter().map(|name| quoted(name).to_string()).collect();
    let wrapped = parse(&format!("SELECT 1 FROM (SELECT 1) AS source ({})", listed.join(", ")))?;
    let query = query_of(wrapped, |select| {
        select.projection = items;
        if let Some(ast::TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|table| &mut table.relation) {
            **subquery = source;
        }
    })?;
    wanted.extend(added);
    Ok((Rows::Query(Box::new(query)), wanted, true))
}

/// The keys by which ON CONFLICT finds the rows that are in the way, and the query that finds them.
fn on_conflict(draft: &mut Draft<'_>, on: ast::OnConflict) -> Result<OnConflict, PgError> {
    let keys = arbiters(draft, on.conflict_target.as_ref())?;
    let condition = |key: &[usize]| -> String {
        let same = |at: &usize| {
            let name = draft.table.schema.field(*at).name();
            format!("{} = {}", column(&draft.alias, name), column(&quoted(EXCLUDED), name))
        };
        key.iter().map(same).collect::<Vec<_>>().join(" AND ")
    };
    let joined = |key: &[usize]| {
        let excluded = format!("{}.{} AS {}", quoted(WORK), quoted(EXCLUDED), quoted(EXCLUDED));
        format!("FROM {} JOIN {excluded} ON {}", draft.numbered(), condition(key))
    };
    let proposed = format!("{}.{}", quoted(EXCLUDED), quoted(ROW));
    let update = match on.action {
        ast::OnConflictAction::DoNothing => {
            let one = |key: &Vec<usize>| format!("SELECT {proposed} {}", joined(key));
            let sql = keys.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
            let query = match parse(&sql) {
                Ok(ast::Statement::Query(query)) if !keys.is_empty() => Some(*query),
                _ => None,
            };
            return Ok(OnConflict { keys, query, updates: false });
        }
        ast::OnConflictAction::DoUpdate(update) => update,
    };
    let (Some(_), [key]) = (&on.conflict_target, keys.as_slice()) else {
        return Err(PgError::new("42601", "ON CONFLICT DO UPDATE requires inference specification or constraint name")
            .with_hint("For example, ON CONFLICT (column_name)."));
    };
    draft.planner.guard.check(Privilege::Update, &draft.schema, &draft.name)?;
    let skeleton = parse(&format!("SELECT {}, {proposed} {}", draft.row(), joined(key)))?;
    let ast::DoUpdate { assignments: mut given, mut selection } = update;
    without_schema(&mut given, draft);
    without_schema(&mut selection, draft);
    let mut changed = assignments(draft, given)?;
    let applies = selection.unwrap_or(Expr::Value(ast::Value::Boolean(true).into()));
    let mut items = vec![named(applies, "applies")];
    for (at, name) in draft.column_names().enumerate() {
        let value = changed.remove(&at).unwrap_or_else(|| column(&draft.alias, name));
        items.push(named(value, &format!("column {at}")));
    }
    let query = query_of(skeleton, |select| select.projection.extend(items))?;
    Ok(OnConflict { keys, query: Some(query), updates: true })
}

/// The keys that ON CONFLICT names, or all of them.
fn arbiters(draft: &Draft<'_>, target: Option<&ast::ConflictTarget>) -> Result<Vec<Vec<usize>>, PgError> {
    let places = |columns: &[String]| columns.iter().map(|column| draft.column(column)).collect::<Result<Vec<_>, _>>();
    match target {
        None => draft.table.keys.iter().map(|key| places(&key.columns)).collect(),
        Some(ast::ConflictTarget::Columns(columns)) => {
            let names: Vec<String> = columns.iter().map(crate::server::names::identifier).collect();
            if let Some(missing) = names.iter().find(|name| draft.table.schema.index_of(name).is_err()) {
                return Err(PgError::new("42703", format!("column \"{missing}\" does not exist")));
            }
            let wanted: HashSet<&String> = names.iter().collect();
            let found = draft.table.keys.iter().find(|key| key.columns.iter().collect::<HashSet<_>>() == wanted);
            match found {
                Some(key) => Ok(vec![places(&key.columns)?]),
                None => Err(PgError::new(
                    "42P10",
                    "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                )),
            }
        }
        Some(ast::ConflictTarget::OnConstraint(name)) => {
            let name = last(name);
            let found = draft.table.keys.iter().find(|key| key.name == name);
            match found {
                Some(key) => Ok(vec![places(&key.columns)?]),
                None => {
                    let message = format!("constraint \"{name}\" for table \"{}\" does not exist", draft.name);
                    Err(PgError::new("42704", message))
                }
            }
        }
    }
}
