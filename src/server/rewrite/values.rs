//! Queries as values: `ARRAY(SELECT …)`, and `x IN (SELECT …)` and `EXISTS (…)` outside of WHERE, as aggregates, which the engine
//! can plan.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident,
    JoinConstraint, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor,
    UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use placido_udfs::FAMILIES;

use super::sources::constraint;
use super::{Rewriter, call, null, quantified};
use crate::server::names::{identifier, name_of};
use crate::server::{membership, ordered_sets};

/// Whether a query reads another one that names a column of what is around both: an aggregate in there has a row for nothing, which an
/// aggregate around it would not see.
pub(super) fn reads_correlated(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return true };
    let factors = select
        .from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    factors.into_iter().any(|factor| matches!(factor, TableFactor::Derived { subquery, .. } if is_correlated(subquery)))
}

/// Whether a query names a column of what is around it.
pub(super) fn is_correlated(query: &Query) -> bool {
    #[derive(Default)]
    struct Names {
        own: HashSet<String>,
        used: HashSet<String>,
    }
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.own.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| identifier(&cte.alias.name)));
            ControlFlow::Continue(())
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let alias = match factor {
                TableFactor::Table { name, alias, .. } => {
                    self.own.extend(name.0.last().and_then(|part| part.as_ident()).map(identifier));
                    alias
                }
                TableFactor::Derived { alias, .. } | TableFactor::NestedJoin { alias, .. } => alias,
                TableFactor::UNNEST { alias, .. } | TableFactor::Function { alias, .. } => alias,
                TableFactor::TableFunction { alias, .. } => alias,
                _ => &None,
            };
            self.own.extend(alias.iter().map(|alias| identifier(&alias.name)));
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr
                && let [.., table, _] = parts.as_slice()
            {
                self.used.insert(identifier(table));
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names::default();
    let _ = Visit::visit(query, &mut names);
    names.used.iter().any(|used| !names.own.contains(used))
}

/// Functions that make a query an aggregate even over no rows: the engine's, ours, and what PostgreSQL calls otherwise.
static AGGREGATES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let of_engine = all_default_aggregate_functions();
    let of_engine =
        of_engine.iter().flat_map(|known| std::iter::once(known.name()).chain(known.aliases().iter().map(String::as_str)));
    let ours = FAMILIES.iter().flat_map(|family| family.entries()).filter(|entry| entry.kind == "aggregate");
    let named = ["every", "json_agg", "jsonb_agg"].iter().chain(ordered_sets::NAMES).map(|name| (*name).to_owned());
    of_engine.map(str::to_owned).chain(ours.map(|entry| entry.head.name.to_owned())).chain(named).collect()
});

impl Rewriter<'_> {
    /// `ARRAY(SELECT x …)` as an aggregate.
    pub(super) fn array_of_query(&mut self, function: &Function) -> Option<Expr> {
        let FunctionArguments::Subquery(query) = &function.args else { return None };
        if !function.name.to_string().eq_ignore_ascii_case("array") {
            return None;
        }
        if self.query_is_empty(query) {
            return Some(Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(call("make_array", Vec::new())),
                data_type: DataType::Array(datafusion::sql::sqlparser::ast::ArrayElemTypeDef::SquareBracket(
                    Box::new(DataType::Text),
                    None,
                )),
                array: false,
                format: None,
            });
        }
        if let Some(role) = whose_memberships(query) {
            return Some(call("placido_roles_of", vec![role]));
        }
        let list = collected(query.as_ref().clone())?;
        // An aggregate over no rows is NULL, an array of none is empty.
        Some(call("placido_or_empty", vec![list]))
    }

    /// Rewrites what a SELECT computes from queries, where the engine knows them as conditions only.
    pub(super) fn queries_as_values(&self, select: &mut Select) {
        let mut visitor = AsValues { rewriter: self, depth: 0 };
        for item in &mut select.projection {
            let _ = VisitMut::visit(item, &mut visitor);
        }
        let _ = VisitMut::visit(&mut select.group_by, &mut visitor);
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            if let Some(JoinConstraint::On(condition)) = constraint(&mut join.join_operator) {
                let _ = VisitMut::visit(condition, &mut visitor);
            }
        }
    }

    /// The same for ORDER BY.
    pub(super) fn order_by_queries(&self, query: &mut Query) {
        if let Some(order) = &mut query.order_by {
            let _ = VisitMut::visit(order, &mut AsValues { rewriter: self, depth: 0 });
        }
    }
}

/// The role of which a recursive query over `pg_auth_members`, begun with a column of what is around it, finds the memberships: the engine
/// has no recursion that differs from row to row.
fn whose_memberships(query: &Query) -> Option<Expr> {
    let with = query.with.as_ref().filter(|with| with.recursive)?;
    let [cte] = with.cte_tables.as_slice() else { return None };
    let SetExpr::SetOperation { left, right, .. } = cte.query.body.as_ref() else { return None };
    let (SetExpr::Select(first), SetExpr::Select(next)) = (left.as_ref(), right.as_ref()) else { return None };
    let reads = |select: &Select, wanted: &str| {
        let factors = select
            .from
            .iter()
            .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
        factors.into_iter().any(|factor| match factor {
            TableFactor::Table { name, .. } => {
                name.0.last().and_then(|part| part.as_ident()).is_some_and(|last| identifier(last) == wanted)
            }
            _ => false,
        })
    };
    if !reads(first, "pg_roles") || !reads(next, "pg_auth_members") {
        return None;
    }
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = &first.selection else { return None };
    let own = first.from.iter().filter_map(|table| match &table.relation {
        TableFactor::Table { alias: Some(alias), .. } => Some(identifier(&alias.name)),
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).map(identifier),
        _ => None,
    });
    let own: HashSet<String> = own.collect();
    let outer = |expr: &Expr| matches!(expr, Expr::CompoundIdentifier(parts) if parts.first().is_some_and(|table| !own.contains(&identifier(table))));
    [left.as_ref(), right.as_ref()].into_iter().find(|expr| outer(expr)).cloned()
}

/// `SELECT DISTINCT ON (x) x, (SELECT …) …` as a selection from its rows: the engine computes what is beside the keys in aggregates, and has no
/// queries there.
pub(super) fn distinct_apart(query: &mut Query) {
    struct HasQuery;
    impl Visitor for HasQuery {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let Some(Distinct::On(keys)) = &select.distinct else { return };
    if !select.projection.iter().any(|item| Visit::visit(item, &mut HasQuery).is_break()) {
        return;
    }
    let mut named: Vec<Option<(String, Expr)>> = Vec::new();
    for item in &select.projection {
        named.push(match item {
            SelectItem::UnnamedExpr(expr) => {
                let Some(name) = name_of(expr) else { return };
                Some((name, expr.clone()))
            }
            SelectItem::ExprWithAlias { expr, alias } => Some((identifier(alias), expr.clone())),
            _ => None,
        });
    }
    let distinct: HashSet<&String> = named.iter().flatten().map(|(name, _)| name).collect();
    if distinct.len() < named.iter().flatten().count() {
        return;
    }
    let output = |expr: &Expr| {
        let meant =
            |(name, own): &&(String, Expr)| own == expr || matches!(expr, Expr::Identifier(ident) if identifier(ident) == *name);
        named.iter().flatten().find(meant).map(|(name, _)| Expr::Identifier(Ident::with_quote('"', name)))
    };
    let Some(keys) = keys.iter().map(output).collect::<Option<Vec<_>>>() else { return };
    let mut order = query.order_by.clone();
    match order.as_mut().map(|order| &mut order.kind) {
        Some(OrderByKind::Expressions(list)) => {
            for key in list {
                let Some(own) = output(&key.expr) else { return };
                key.expr = own;
            }
        }
        Some(OrderByKind::All(_)) => return,
        None => {}
    }
    let mut items = select.projection.clone();
    for (item, named) in items.iter_mut().zip(&named) {
        if let Some((name, expr)) = named {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
        }
    }
    let rows = Select { distinct: None, projection: items, ..select.as_ref().clone() };
    let rows = Query {
        order_by: None,
        limit_clause: None,
        fetch: None,
        body: Box::new(SetExpr::Select(Box::new(rows))),
        ..query.clone()
    };
    let Some(Expr::Subquery(outer)) = around("SELECT * FROM (SELECT 1) AS found", rows) else { return };
    let mut body = outer.body;
    if let SetExpr::Select(select) = body.as_mut() {
        select.distinct = Some(Distinct::On(keys));
    }
    (query.with, query.body, query.order_by) = (None, body, order);
}

/// Rewrites IN and EXISTS, not those of queries further inside.
struct AsValues<'a, 'b> {
    rewriter: &'a Rewriter<'b>,
    depth: usize,
}

impl VisitorMut for AsValues<'_, '_> {
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
        if self.depth == 0 {
            quantified::compare(expr);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let (value, negated) = match expr {
            Expr::InSubquery { expr: value, subquery, negated } if !self.rewriter.query_is_empty(subquery) => {
                let Some(list) = collected(subquery.as_ref().clone()) else { return ControlFlow::Continue(()) };
                let value = std::mem::replace(value.as_mut(), null());
                (call(membership::NAME, vec![value, list]), *negated)
            }
            Expr::Exists { subquery, negated } if !self.rewriter.query_is_empty(subquery) => {
                let Some(count) = counted(subquery.as_ref().clone()) else { return ControlFlow::Continue(()) };
                let zero = Expr::Value(Value::Number("0".to_owned(), false).into());
                let any = Expr::BinaryOp { left: Box::new(count), op: BinaryOperator::Gt, right: Box::new(zero) };
                (Expr::Nested(Box::new(any)), *negated)
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(value) } } else { value };
        ControlFlow::Continue(())
    }
}

/// The rows of a query of one column as a list; NULL for none.
fn collected(mut query: Query) -> Option<Expr> {
    if aggregate_projection(&mut query, "array_agg") {
        return Some(Expr::Subquery(Box::new(query)));
    }
    // The order of what is collected would be lost, except where the engine sorts for LIMIT.
    if query.order_by.is_some() && query.limit_clause.is_none() {
        return None;
    }
    around("SELECT array_agg(value) FROM (SELECT 1) AS counted (value)", query)
}

/// How many rows a query has.
fn counted(mut query: Query) -> Option<Expr> {
    without_needless_limit(&mut query);
    let plain = query.with.is_none() && query.limit_clause.is_none();
    if plain
        && let SetExpr::Select(select) = query.body.as_mut()
        && is_ungrouped(select)
        && select.having.is_none()
        && !select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
            _ => false,
        })
    {
        select.distinct = None;
        select.projection = vec![SelectItem::UnnamedExpr(count_of_rows()?)];
        query.order_by = None;
        return Some(Expr::Subquery(Box::new(query)));
    }
    around("SELECT count(*) FROM (SELECT 1) AS counted", query)
}

/// Takes off a LIMIT that lets at least one row through: whether there is a row does not depend on how many would be given.
pub(super) fn without_needless_limit(query: &mut Query) {
    let some =
        |limit: &Expr| matches!(limit, Expr::Value(value) if value.value.to_string().parse::<u64>().is_ok_and(|rows| rows > 0));
    if matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }) if some(limit)) {
        query.limit_clause = None;
        query.order_by = None;
    }
}

fn count_of_rows() -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql("count(*)").ok()?.parse_expr().ok()
}

/// A query whose only FROM is replaced by another query.
fn around(sql: &str, inner: Query) -> Option<Expr> {
    let mut outer = match Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?.pop()? {
        Statement::Query(query) => query,
        _ => return None,
    };
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    **subquery = inner;
    Some(Expr::Subquery(outer))
}

fn is_ungrouped(select: &Select) -> bool {
    matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty())
}

/// Whether an expression computes an aggregate itself, not in a query inside of it.
pub(super) fn is_aggregate(expr: &Expr) -> bool {
    struct Finder(usize);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.0 == 0
                && let Expr::Function(function) = expr
                && let Some(name) = function.name.0.last().and_then(|part| part.as_ident())
                && AGGREGATES.contains(&identifier(name))
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    Visit::visit(expr, &mut Finder(0)).is_break()
}

/// Makes the only column of a query an aggregate, where it is a plain SELECT. ORDER BY moves into the aggregate.
pub(super) fn aggregate_projection(query: &mut Query, function: &str) -> bool {
    let one_row = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) => {
            let one = matches!(limit, Expr::Value(value) if value.value.to_string() == "1") && limit_by.is_empty();
            if !one || function == "array_agg" {
                return false;
            }
            true
        }
        Some(_) => return false,
    };
    if query.with.is_some() {
        return false;
    }
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(order)) if function == "array_agg" || one_row => order.clone(),
        Some(OrderByKind::All(_)) => return false,
        _ => Vec::new(),
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let plain = select.distinct.is_none() && is_ungrouped(select);
    // A position in ORDER BY would mean a constant inside of the aggregate.
    let by_position = order.iter().any(|order| matches!(order.expr, Expr::Value(_)));
    if !plain || by_position {
        return false;
    }
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => {
            if is_aggregate(expr) {
                return false;
            }
            let inner = std::mem::replace(expr, null());
            *expr = match (order.is_empty(), one_row) {
                (false, true) => ordered_call("first_value", inner, order),
                (true, true) => call("first_value", vec![inner]),
                (false, false) => ordered_call(function, inner, order),
                (true, false) => call(function, vec![inner]),
            };
            query.order_by = None;
            query.limit_clause = None;
            true
        }
        _ => false,
    }
}

fn ordered_call(name: &str, argument: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut made = call(name, vec![argument]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut made {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    made
}
