//! Comparisons with all values of a query: `x > ALL (SELECT …)`, `x = ANY (SELECT …)`.
//!
//! Equality is IN. For the others the smallest and the largest value tell, and how many values there are: none at all, or some that are
//! not known. So they become CASE over three queries of the same rows.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, UnaryOperator, Value,
    helpers::attached_token::AttachedToken,
};

use super::call;
use super::sets::parsed;
use super::values::is_aggregate;

/// Writes a comparison with a query as what the engine can plan.
pub(super) fn compare(expr: &mut Expr) {
    let (left, op, right, all) = match &*expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return,
    };
    let Some(query) = query_of(right) else { return };
    if let (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) = (op, all) {
        *expr = Expr::InSubquery { expr: left.clone(), subquery: Box::new(query.clone()), negated: all };
    } else if let Some(compared) = by_extremes(left, op, query, all) {
        *expr = Expr::Nested(Box::new(compared));
    }
}

fn query_of(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Subquery(query) => Some(query),
        Expr::Nested(inner) => query_of(inner),
        _ => None,
    }
}

/// Which extremes of the values a comparison needs.
fn extremes(op: &BinaryOperator, all: bool) -> Option<&'static [&'static str]> {
    match (op, all) {
        (BinaryOperator::Gt | BinaryOperator::GtEq, true) | (BinaryOperator::Lt | BinaryOperator::LtEq, false) => Some(&["max"]),
        (BinaryOperator::Gt | BinaryOperator::GtEq, false) | (BinaryOperator::Lt | BinaryOperator::LtEq, true) => Some(&["min"]),
        (BinaryOperator::Eq, true) | (BinaryOperator::NotEq, false) => Some(&["min", "max"]),
        _ => None,
    }
}

fn by_extremes(left: &Expr, op: &BinaryOperator, query: &Query, all: bool) -> Option<Expr> {
    let compared = |extreme: &&str| {
        let value = aggregated(query, extreme)?;
        let binary =
            Expr::BinaryOp { left: Box::new(Expr::Nested(Box::new(left.clone()))), op: op.clone(), right: Box::new(value) };
        Some(Expr::Nested(Box::new(binary)))
    };
    let comparisons: Vec<Expr> = extremes(op, all)?.iter().map(compared).collect::<Option<_>>()?;
    let joined = if all { BinaryOperator::And } else { BinaryOperator::Or };
    let decided =
        comparisons.into_iter().reduce(|a, b| Expr::BinaryOp { left: Box::new(a), op: joined.clone(), right: Box::new(b) })?;
    let decided = Expr::Nested(Box::new(decided));
    let settles = if all { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(decided.clone()) } } else { decided.clone() };
    let boolean = |value: bool| Expr::Value(Value::Boolean(value).into());
    let binary = |left, op, right| Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
    let (rows, known) = (counted(query)?, aggregated(query, "count")?);
    let none = binary(rows.clone(), BinaryOperator::Eq, Expr::Value(Value::Number("0".to_owned(), false).into()));
    let unknown = binary(known, BinaryOperator::Lt, rows);
    let conditions = vec![
        CaseWhen { condition: none, result: boolean(all) },
        CaseWhen { condition: settles, result: boolean(!all) },
        CaseWhen { condition: unknown, result: Expr::Value(Value::Null.into()) },
    ];
    Some(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: Some(Box::new(decided)),
    })
}

/// A SELECT of one column whose rows are neither grouped nor cut off: an aggregate may take the place of the column.
fn plain(query: &Query) -> Option<(&Select, &Expr)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. }] = select.projection.as_slice() else {
        return None;
    };
    let whole = query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let rows = ungrouped && select.having.is_none() && select.distinct.is_none() && select.qualify.is_none();
    (whole && rows && !select.from.is_empty() && !is_aggregate(column)).then_some((select, column))
}

/// An aggregate of the values of a query.
fn aggregated(query: &Query, function: &str) -> Option<Expr> {
    match plain(query) {
        Some((_, column)) => of_rows(query, call(function, vec![column.clone()])),
        None => of_any(query, &format!("{function}(compared)")),
    }
}

/// How many values a query has.
fn counted(query: &Query) -> Option<Expr> {
    match plain(query) {
        Some(_) => of_rows(query, call("count", vec![Expr::Value(Value::Number("1".to_owned(), false).into())])),
        None => of_any(query, "count(*)"),
    }
}

fn of_rows(query: &Query, value: Expr) -> Option<Expr> {
    let mut query = query.clone();
    query.order_by = None;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.projection = vec![SelectItem::UnnamedExpr(value)];
    Some(Expr::Subquery(Box::new(query)))
}

fn of_any(query: &Query, value: &str) -> Option<Expr> {
    parsed(&format!("SELECT {value} FROM ({query}) AS quantified (compared)")).map(Expr::Subquery)
}
