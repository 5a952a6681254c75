//! `JOIN … USING (x)`: one column `x` of both sides. It stands before the others in `*`, and is that of the side which has all rows, or of
//! the side that has one. The engine shows one side's, whichever comes first by its name.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    TableWithJoins, WildcardAdditionalOptions,
};

use super::call;
use super::sources::{Replace, all_of, and, column, constraint, select_of, source};
use crate::server::error::PgError;
use crate::server::names::identifier;

/// The merged columns of one part of a FROM, and what is read there, each with the names of its columns that are merged.
struct Merged {
    columns: Vec<(Ident, Expr)>,
    sources: Vec<(Ident, Vec<Ident>)>,
}

/// Writes for the merged columns of a query what they are.
pub(super) fn merge(query: &mut Query) -> Result<(), PgError> {
    let Some(select) = select_of(query) else { return Ok(()) };
    let Some(found) = merge_in(select)? else { return Ok(()) };
    Replace::new(&reference(&found)).in_order(query);
    Ok(())
}

/// The same in a part of a set operation.
pub(super) fn merge_in_select(select: &mut Select) -> Result<(), PgError> {
    merge_in(select).map(|_| ())
}

fn reference(found: &[(Ident, Expr)]) -> impl Fn(Option<&str>, &str) -> Option<Expr> {
    move |qualifier: Option<&str>, name: &str| {
        let column = found.iter().find(|(column, _)| qualifier.is_none() && identifier(column) == name)?;
        Some(column.1.clone())
    }
}

fn merge_in(select: &mut Select) -> Result<Option<Vec<(Ident, Expr)>>, PgError> {
    let joins = || select.from.iter().flat_map(|table| &table.joins);
    let (mut using, mut natural_outer) = (false, false);
    for join in joins() {
        let mut operator = join.join_operator.clone();
        let outer = matches!(operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_));
        match constraint(&mut operator) {
            Some(JoinConstraint::Using(_)) => using = true,
            Some(JoinConstraint::Natural) => natural_outer |= outer,
            _ => {}
        }
    }
    if natural_outer {
        return Err(PgError::new("0A000", "NATURAL RIGHT and NATURAL FULL joins are not supported")
            .with_hint("Name the columns: RIGHT JOIN … USING (x)."));
    }
    if !using {
        return Ok(None);
    }
    let stars = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    let mut parts = Vec::new();
    for table in &mut select.from {
        let Some(part) = of_table(table, stars)? else { return Ok(None) };
        parts.push(part);
    }
    expand(select, &parts);
    let found: Vec<(Ident, Expr)> = parts.into_iter().flat_map(|part| part.columns).collect();
    Replace::new(&reference(&found)).in_select(select);
    Ok(Some(found))
}

/// The merged columns of one part of a FROM; none where something has no name.
fn of_table(table: &mut TableWithJoins, stars: bool) -> Result<Option<Merged>, PgError> {
    let Some(first) = source(&table.relation) else { return Ok(None) };
    let mut merged = Merged { columns: Vec::new(), sources: vec![(first, Vec::new())] };
    for join in &mut table.joins {
        let Some(right) = source(&join.relation) else { return Ok(None) };
        let (left_kept, right_kept) = match &join.join_operator {
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (false, true),
            JoinOperator::FullOuter(_) => (true, true),
            _ => (true, false),
        };
        let is_inner = matches!(&join.join_operator, JoinOperator::Join(_) | JoinOperator::Inner(_));
        let Some(JoinConstraint::Using(names)) = constraint(&mut join.join_operator) else {
            merged.sources.push((right, Vec::new()));
            continue;
        };
        let names: Vec<Ident> = names.iter().filter_map(|name| name.0.last().and_then(|part| part.as_ident()).cloned()).collect();
        let (mut new, mut condition, mut computed) = (Vec::new(), None, false);
        for name in &names {
            let known = merged.columns.iter().find(|(column, _)| identifier(column) == identifier(name));
            let left = match (known, merged.sources.as_mut_slice()) {
                (Some((_, value)), _) => value.clone(),
                (None, [(only, hidden)]) => {
                    hidden.push(name.clone());
                    column(only, name)
                }
                // Which of several has the column is not known here; of equal values it does not matter.
                (None, _) if is_inner || left_kept && !right_kept && !stars => return Ok(None),
                (None, _) => {
                    return Err(PgError::new(
                        "0A000",
                        format!("USING ({name}) of an outer join behind several tables is not supported"),
                    )
                    .with_hint("Write ON with the names of the tables."));
                }
            };
            let of_right = column(&right, name);
            computed |= !matches!(left, Expr::CompoundIdentifier(_));
            let equal =
                Expr::BinaryOp { left: Box::new(left.clone()), op: BinaryOperator::Eq, right: Box::new(of_right.clone()) };
            condition = Some(and(condition, equal));
            let value = match (left_kept, right_kept) {
                (true, true) => call("coalesce", vec![left, of_right]),
                (true, false) => left,
                (false, _) => of_right,
            };
            new.push((name.clone(), value));
        }
        if computed && let (Some(using), Some(condition)) = (constraint(&mut join.join_operator), condition) {
            *using = JoinConstraint::On(condition);
        }
        let old = std::mem::take(&mut merged.columns).into_iter();
        let again = |(column, _): &(Ident, Expr)| names.iter().any(|name| identifier(name) == identifier(column));
        merged.columns = old.filter(|column| !again(column)).collect();
        merged.columns.splice(0..0, new);
        merged.sources.push((right, names));
    }
    Ok(Some(merged))
}

/// `*`: the merged columns, then the others of each side.
fn expand(select: &mut Select, parts: &[Merged]) {
    let items = std::mem::take(&mut select.projection);
    for item in items {
        let SelectItem::Wildcard(options) = &item else {
            select.projection.push(item);
            continue;
        };
        if options.opt_exclude.is_some() {
            select.projection.push(item);
            continue;
        }
        for part in parts {
            let merged = part.columns.iter();
            select
                .projection
                .extend(merged.map(|(name, value)| SelectItem::ExprWithAlias { expr: value.clone(), alias: name.clone() }));
            select.projection.extend(part.sources.iter().map(|(source, hidden)| {
                let hidden: Vec<ObjectName> =
                    hidden.iter().map(|name| ObjectName::from(Ident::with_quote('"', identifier(name)))).collect();
                let opt_exclude = (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(hidden));
                all_of(source, WildcardAdditionalOptions { opt_exclude, ..options.clone() })
            }));
        }
    }
}
