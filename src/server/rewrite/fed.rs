//! Aggregates that take their rows in the order of a query in FROM: `SELECT array_agg(x) FROM (SELECT x … ORDER BY x)`. PostgreSQL feeds
//! them so; the engine leaves the order of an inner query out.

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr, OrderByKind,
    OrderByOptions, Select, SelectItem, SetExpr, TableAliasColumnDef, TableFactor, Value, VisitMut,
};

use super::sources::{Step, Walk, column, select_of};
use super::{arguments, call};
use crate::server::names::{identifier, name_of, of_body};

/// The first letters of the columns that a query is made to give.
const ORDER: &str = "\u{1}fed";

/// Aggregates whose answer depends on the order of the rows.
const ORDERED: &[&str] = &["array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg"];

/// Gives aggregates without an order of their own that of the only relation, if that is a query with an order; and those of distinct
/// values the order of these.
pub(super) fn in_order(select: &mut Select) {
    let mut asks = false;
    let mut look = |expr: &mut Expr, _: Step| asks |= matches!(expr, Expr::Function(function) if is_unordered(function));
    let _ = VisitMut::visit(&mut select.projection, &mut Walk::new(&mut look));
    let _ = VisitMut::visit(&mut select.having, &mut Walk::new(&mut look));
    if !asks {
        return;
    }
    let order = match select.from.as_mut_slice() {
        [table] if table.joins.is_empty() => order_of(&mut table.relation).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut give = |expr: &mut Expr, step: Step| {
        if let Expr::Function(function) = expr
            && step == Step::Enter
            && is_unordered(function)
        {
            give_order(function, &order);
        }
    };
    let _ = VisitMut::visit(&mut select.projection, &mut Walk::new(&mut give));
    let _ = VisitMut::visit(&mut select.having, &mut Walk::new(&mut give));
}

fn is_unordered(function: &Function) -> bool {
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
    let FunctionArguments::List(list) = &function.args else { return false };
    let ordered = list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
    ORDERED.contains(&name.as_str()) && !ordered && function.over.is_none()
}

fn give_order(function: &mut Function, order: &[OrderByExpr]) {
    let of_json =
        function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| identifier(name).starts_with("json"));
    // Distinct values are sorted as what is gathered of them.
    let gathered = |value: &Expr| if of_json { call("to_json", vec![value.clone()]) } else { value.clone() };
    let value = arguments(function).next().map(gathered);
    let FunctionArguments::List(list) = &mut function.args else { return };
    let order = match (list.duplicate_treatment, value) {
        // PostgreSQL sorts the values to tell them apart.
        (Some(DuplicateTreatment::Distinct), Some(expr)) => {
            let options = OrderByOptions { asc: None, nulls_first: None };
            vec![OrderByExpr { expr, options, with_fill: None }]
        }
        (Some(DuplicateTreatment::Distinct), None) => return,
        _ => order.to_vec(),
    };
    if !order.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
}

/// The order of a query in FROM, by columns that it gives; what it does not give it is made to.
fn order_of(factor: &mut TableFactor) -> Option<Vec<OrderByExpr>> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor else { return None };
    let OrderByKind::Expressions(keys) = &subquery.order_by.as_ref()?.kind else { return None };
    let given = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => Some((name_of(expr)?, expr.clone())),
        SelectItem::ExprWithAlias { expr, alias } => Some((identifier(alias), expr.clone())),
        _ => None,
    };
    let columns: Vec<Option<(String, Expr)>> = match subquery.body.as_ref() {
        SetExpr::Select(select) => select.projection.iter().map(given).collect(),
        body => {
            let named = |name: String| Some((name.clone(), Expr::Identifier(Ident::with_quote('"', name))));
            of_body(body)?.into_iter().map(named).collect()
        }
    };
    let whole = columns.iter().all(Option::is_some);
    if !whole && !alias.columns.is_empty() || !alias.columns.is_empty() && alias.columns.len() != columns.len() {
        return None;
    }
    let place = |key: &Expr| match key {
        // Beside a star, positions tell nothing.
        Expr::Value(value) => match &value.value {
            Value::Number(position, _) if whole => position.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        key => columns.iter().position(|column| {
            column
                .as_ref()
                .is_some_and(|(name, expr)| expr == key || matches!(key, Expr::Identifier(of) if identifier(of) == *name))
        }),
    };
    let (mut order, mut added) = (Vec::new(), Vec::new());
    for (number, key) in keys.iter().enumerate() {
        let name = match (place(&key.expr), &key.expr) {
            (Some(at), _) => match alias.columns.get(at) {
                Some(given) => given.name.clone(),
                None => Ident::with_quote('"', columns.get(at)?.as_ref()?.0.clone()),
            },
            (None, Expr::Value(_)) => return None,
            (None, expr) => {
                let name = Ident::with_quote('"', format!("{ORDER}{number}"));
                added.push((name.clone(), expr.clone()));
                name
            }
        };
        order.push(OrderByExpr { expr: column(&alias.name, &name), ..key.clone() });
    }
    if added.is_empty() {
        return Some(order);
    }
    // Of distinct rows, and of those of several parts, nothing else is known.
    let select = select_of(subquery).filter(|select| select.distinct.is_none())?;
    for (name, expr) in added {
        if !alias.columns.is_empty() {
            alias.columns.push(TableAliasColumnDef { name: name.clone(), data_type: None });
        }
        select.projection.push(SelectItem::ExprWithAlias { expr, alias: name });
    }
    Some(order)
}
