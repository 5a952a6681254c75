//! Queries as values that depend on the rows around them by more than equal columns: `(SELECT count(*) FROM v AS w WHERE w.seen < v.seen)`.
//!
//! The engine joins what depends on equal columns, and has no plan for the rest. Such a query is found for all values at once that the
//! columns around it have, as LATERAL is, and joined with the rows that asked.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, Query, Select,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, Value, VisitMut, VisitorMut,
    helpers::attached_token::AttachedToken,
};

use super::lateral::{Asked, Found, derived, first_row, names_outer};
use super::quantified;
use super::sources::{column, factors, select_of, source, stars_by_source};
use super::values::is_aggregate;
use crate::server::names::identifier;

/// The columns of what is joined: the value, and what shows that there is a row.
const VALUE: &str = "\u{1}value";
const PRESENT: &str = "\u{1}present";

/// More than this are nobody's.
const MAX_QUERIES: usize = 16;

/// Joins the queries in a select list and in WHERE that the engine could not plan.
pub(super) fn join(select: &mut Select) {
    let before: Option<Vec<(Ident, TableFactor)>> =
        select.from.iter().flat_map(factors).map(|factor| Some((source(factor)?, factor.clone()))).collect();
    let Some(before) = before.filter(|before| !before.is_empty()) else { return };
    let mut found = Queries { doing: Doing::Join(&before), joined: Vec::new(), depth: 0 };
    let projected = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
        _ => false,
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let mut changed = select.clone();
    let _ = VisitMut::visit(&mut changed.selection, &mut found);
    // Of groups, only the keys have a value.
    if !grouped && !select.projection.iter().any(projected) {
        let _ = VisitMut::visit(&mut changed.projection, &mut found);
    }
    if found.joined.is_empty() || !stars_by_source(&mut changed) {
        return;
    }
    for Joined { relation, condition, asking } in found.joined {
        let part =
            changed.from.iter_mut().find(|table| factors(table).filter_map(source).any(|name| identifier(&name) == asking));
        let Some(table) = part else { return };
        let join_operator = JoinOperator::Left(JoinConstraint::On(condition));
        table.joins.push(Join { relation, global: false, join_operator });
    }
    *select = changed;
}

/// A relation in the place of a query.
struct Joined {
    relation: TableFactor,
    condition: Expr,
    /// The relation whose rows ask.
    asking: String,
}

enum Doing<'a> {
    /// Takes out the queries that depend on one of these relations by more than equality.
    Join(&'a [(Ident, TableFactor)]),
    /// Writes what aggregates give where there are no rows.
    Empty,
}

struct Queries<'a> {
    doing: Doing<'a>,
    joined: Vec<Joined>,
    depth: usize,
}

impl VisitorMut for Queries<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match self.doing {
            Doing::Join(before) => {
                quantified::compare(expr);
                if let Expr::Subquery(query) = &*expr
                    && self.joined.len() < MAX_QUERIES
                    && depends_by_more(query, before)
                    && let Some((value, joined)) = value_of(query, before, self.joined.len())
                {
                    self.joined.push(joined);
                    *expr = value;
                }
            }
            Doing::Empty => {
                if let Expr::Function(function) = &*expr
                    && function.over.is_none()
                    && is_call_of_aggregate(expr)
                {
                    let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
                    let counts = matches!(name.as_str(), "count" | "regr_count");
                    *expr = Expr::Value(if counts { Value::Number("0".to_owned(), false) } else { Value::Null }.into());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression is an aggregate, and not only made of some.
fn is_call_of_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
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
    if query.limit_clause.is_some() || query.fetch.is_some() {
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
        return Some((value, Joined { relation, condition, asking }));
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
    let _ = VisitMut::visit(&mut empty, &mut Queries { doing: Doing::Empty, joined: Vec::new(), depth: 0 });
    let absent = Expr::IsNull(Box::new(column(&name, &Ident::with_quote('"', PRESENT))));
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
    Some((value, Joined { relation: derived(Box::new(query), name), condition, asking }))
}
