//! Queries as values that depend on the rows around them by more than equal columns: `(SELECT count(*) FROM v AS w WHERE w.seen < v.seen)`.
//!
//! The engine joins what depends on equal columns, and has no plan for the rest. Such a query is found for all values at once that the
//! columns around it have, as LATERAL is, and joined with the rows that asked.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, Query, Select,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, Value, VisitMut, helpers::attached_token::AttachedToken,
};

use super::lateral::{Asked, Found, derived, first_row, names_outer};
use super::quantified;
use super::sources::{Step, Walk, column, factors, select_of, source, stars_by_source};
use super::values::is_aggregate;
use crate::server::names::identifier;

/// The columns of what is joined: the value, and what shows that there is a row.
const VALUE: &str = "\u{1}value";
const PRESENT: &str = "\u{1}present";

/// More than this are nobody's.
const MAX_QUERIES: usize = 16;

/// Joins the queries in a select list, in WHERE and in HAVING that the engine could not plan.
pub(super) fn join(select: &mut Select) {
    let before: Option<Vec<(Ident, TableFactor)>> =
        select.from.iter().flat_map(factors).map(|factor| Some((source(factor)?, factor.clone()))).collect();
    let Some(before) = before.filter(|before| !before.is_empty()) else { return };
    let mut asks = false;
    let mut look = |expr: &mut Expr, _: Step| {
        asks |= matches!(expr, Expr::Subquery(_) | Expr::AnyOp { .. } | Expr::AllOp { .. });
    };
    let _ = VisitMut::visit(&mut select.selection, &mut Walk::new(&mut look));
    let _ = VisitMut::visit(&mut select.projection, &mut Walk::new(&mut look));
    let _ = VisitMut::visit(&mut select.having, &mut Walk::new(&mut look));
    if !asks {
        return;
    }
    let by_group = by_group(select);
    let mut changed = select.clone();
    let (mut joined, mut within): (Vec<Joined>, usize) = (Vec::new(), 0);
    // Of groups, the engine has no first rows.
    let wanted = |query: &Query, of_groups: bool| depends_by_more(query, &before) || of_groups && is_limited(query);
    let mut take = |expr: &mut Expr, step: Step, of_groups: bool| {
        let aggregate = is_call_of_aggregate(expr);
        match step {
            Step::Leave => within -= usize::from(aggregate),
            Step::Enter => {
                within += usize::from(aggregate);
                quantified::compare(expr);
                if let Expr::Subquery(query) = &*expr
                    && joined.len() < MAX_QUERIES
                    && wanted(query, of_groups)
                    && let Some((value, mut found)) = value_of(query, &before, joined.len())
                {
                    found.of_group = of_groups && within == 0;
                    joined.push(found);
                    *expr = value;
                }
            }
        }
    };
    let _ = VisitMut::visit(&mut changed.selection, &mut Walk::new(&mut |expr, step| take(expr, step, false)));
    if by_group != Groups::Several {
        let of_groups = by_group == Groups::ByKeys;
        let mut of_groups = |expr: &mut Expr, step: Step| take(expr, step, of_groups);
        let _ = VisitMut::visit(&mut changed.projection, &mut Walk::new(&mut of_groups));
        let _ = VisitMut::visit(&mut changed.having, &mut Walk::new(&mut of_groups));
    }
    if joined.is_empty() || !stars_by_source(&mut changed) {
        return;
    }
    for Joined { relation, condition, asking, columns, of_group } in joined {
        let part =
            changed.from.iter_mut().find(|table| factors(table).filter_map(source).any(|name| identifier(&name) == asking));
        let Some(table) = part else { return };
        let join_operator = JoinOperator::Left(JoinConstraint::On(condition));
        table.joins.push(Join { relation, global: false, join_operator });
        // What is asked depends on the keys of the group, so its answer makes no more groups.
        if let GroupByExpr::Expressions(keys, _) = &mut changed.group_by
            && of_group
        {
            keys.extend(columns);
        }
    }
    *select = changed;
}

/// Of what a SELECT gives rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Groups {
    /// Of each row, or of all together.
    None,
    ByKeys,
    /// ROLLUP and its relatives.
    Several,
}

fn by_group(select: &Select) -> Groups {
    match &select.group_by {
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => {
            let several = |key: &Expr| matches!(key, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
            match keys.as_slice() {
                [] => Groups::None,
                keys if keys.iter().any(several) => Groups::Several,
                _ => Groups::ByKeys,
            }
        }
        _ => Groups::Several,
    }
}

/// A relation in the place of a query.
struct Joined {
    relation: TableFactor,
    condition: Expr,
    /// The relation whose rows ask.
    asking: String,
    /// The columns that are read of it.
    columns: Vec<Expr>,
    /// Whether a group asks, by its keys.
    of_group: bool,
}

/// Writes what aggregates give where there are no rows.
fn write_empty(expr: &mut Expr, step: Step) {
    if let Expr::Function(function) = &*expr
        && step == Step::Enter
        && is_call_of_aggregate(expr)
    {
        let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
        let counts = matches!(name.as_str(), "count" | "regr_count");
        *expr = Expr::Value(if counts { Value::Number("0".to_owned(), false) } else { Value::Null }.into());
    }
}

fn is_limited(query: &Query) -> bool {
    query.limit_clause.is_some() || query.fetch.is_some()
}

/// Whether an expression is an aggregate, and not only made of some.
fn is_call_of_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    if function.over.is_some() {
        return false;
    }
    let mut bare = function.clone();
    bare.args = datafusion::sql::sqlparser::ast::FunctionArguments::None;
    (bare.filter, bare.within_group) = (None, Vec::new());
    is_aggregate(&Expr::Function(bare))
}

/// Whether one of a query's conditions compares columns around it by anything but equality.
fn depends_by_more(query: &Query, before: &[(Ident, TableFactor)]) -> bool {
    let mut query = query.clone();
    let Some(select) = select_of(&mut query) else { return false };
    let own: Vec<Ident> = select.from.iter().flat_map(factors).filter_map(source).collect();
    let asks = |expr: &Expr| names_outer(expr, before, &own);
    let mut conditions = Vec::new();
    if let Some(selection) = &select.selection {
        conjuncts(selection, &mut conditions);
    }
    conditions.into_iter().any(|condition| match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => asks(left) && asks(right),
        other => asks(other),
    })
}

fn conjuncts<'a>(expr: &'a Expr, all: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Nested(inner) => conjuncts(inner, all),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, all);
            conjuncts(right, all);
        }
        other => all.push(other),
    }
}

/// The value of a query, and what is joined for it.
fn value_of(query: &Query, before: &[(Ident, TableFactor)], number: usize) -> Option<(Expr, Joined)> {
    let name = Ident::with_quote('"', format!("\u{1}query{number}"));
    let value = column(&name, &Ident::with_quote('"', VALUE));
    if is_limited(query) {
        let one = match (&query.limit_clause, &query.fetch) {
            (Some(LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), .. }), None) => {
                matches!(&limit.value, Value::Number(rows, _) if rows == "1")
            }
            (None, Some(fetch)) => fetch.quantity.is_none(),
            _ => false,
        };
        let only = TableAliasColumnDef { name: Ident::with_quote('"', VALUE), data_type: None };
        let alias = TableAlias { explicit: true, name, columns: vec![only], at: None };
        let (relation, condition, asking) = first_row(query, &alias, before).filter(|_| one)?;
        let columns = vec![value.clone()];
        return Some((value, Joined { relation, condition, asking, columns, of_group: false }));
    }
    let mut query = query.clone();
    let asked = Asked::of(&mut query, &name, before)?;
    if query.with.is_some() {
        return None;
    }
    query.order_by = None;
    let select = select_of(&mut query)?;
    let [SelectItem::UnnamedExpr(aggregate) | SelectItem::ExprWithAlias { expr: aggregate, .. }] = select.projection.as_slice()
    else {
        return None;
    };
    let aggregate = aggregate.clone();
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let looked = Found::in_expr(&aggregate);
    if !looked.aggregates || !ungrouped || looked.windows || looked.sets || looked.queries {
        return None;
    }
    if select.having.is_some() || select.distinct.is_some() {
        return None;
    }
    let named = |expr: Expr, name: &str| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    let keys = asked.columns();
    select.projection = vec![named(aggregate.clone(), VALUE), named(Expr::Value(Value::Boolean(true).into()), PRESENT)];
    select
        .projection
        .extend(keys.iter().map(|(key, value)| SelectItem::ExprWithAlias { expr: value.clone(), alias: key.clone() }));
    select.group_by = GroupByExpr::Expressions(keys.into_iter().map(|(_, value)| value).collect(), Vec::new());
    asked.read_by(select)?;
    let condition = asked.condition(&name)?;
    let mut empty = aggregate;
    let _ = VisitMut::visit(&mut empty, &mut Walk::new(&mut write_empty));
    let present = column(&name, &Ident::with_quote('"', PRESENT));
    let columns = vec![value.clone(), present.clone()];
    let absent = Expr::IsNull(Box::new(present));
    let value = match empty {
        Expr::Value(nothing) if nothing.value == Value::Null => value,
        empty => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: absent, result: empty }],
            else_result: Some(Box::new(value)),
        },
    };
    let asking = identifier(asked.asking());
    Some((value, Joined { relation: derived(Box::new(query), name), condition, asking, columns, of_group: false }))
}
