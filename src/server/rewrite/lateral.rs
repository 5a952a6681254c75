//! `LATERAL (SELECT …)` in forms that the engine has no plan for.
//!
//! Rows that are computed from the columns before them (`VALUES (a.x), (a.y)`) become CASE over the number of the row. The first rows of a
//! query (`… ORDER BY … LIMIT n`) are found for all values at once that the columns before it have: the query is joined with these, its
//! rows are numbered for each, and those within the limit are joined with the rows that asked.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, ExcludeSelectItem, Expr, Fetch, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator,
    LimitClause, ObjectName, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, Visit, Visitor,
};

use super::sets::parsed;
use super::sources::{Replace, and, column, constraint, factors, select_of, source, stars_by_source, wildcard_of};
use super::values::is_aggregate;
use crate::server::names::{identifier, name_of};
use crate::server::pg_catalog;

/// The column that numbers rows, and the first letters of those that hold what was asked for and what they are ordered by.
const ROW: &str = "\u{1}row";
const KEY: &str = "\u{1}key";
const ORDER: &str = "\u{1}order";

/// More than this are nobody's.
const MAX_LATERALS: usize = 16;

/// Rewrites the queries in FROM that depend on what stands before them, where the engine could not plan them.
pub(super) fn unnest(query: &mut Query) {
    for _ in 0..MAX_LATERALS {
        let Some(select) = select_of(query) else { return };
        let Some(found) = unnest_first(select) else { return };
        Replace::new(&|qualifier: Option<&str>, name: &str| found.value(qualifier, name)).in_order(query);
    }
}

/// The same in a part of a set operation.
pub(super) fn unnest_in_select(select: &mut Select) {
    for _ in 0..MAX_LATERALS {
        if unnest_first(select).is_none() {
            return;
        }
    }
}

/// Columns that are written as what they are.
#[derive(Default)]
struct Columns {
    name: String,
    columns: Vec<(Ident, Expr)>,
}

impl Columns {
    fn value(&self, qualifier: Option<&str>, name: &str) -> Option<Expr> {
        if qualifier.is_some_and(|qualifier| qualifier != self.name) {
            return None;
        }
        self.columns.iter().find(|(column, _)| identifier(column) == name).map(|(_, value)| value.clone())
    }
}

/// Where a factor stands: the part of the FROM, and the join within it.
#[derive(Clone, Copy)]
struct Place {
    part: usize,
    join: Option<usize>,
}

fn unnest_first(select: &mut Select) -> Option<Columns> {
    let mut before: Vec<(Ident, TableFactor)> = Vec::new();
    let mut found = None;
    'parts: for (part, table) in select.from.iter().enumerate() {
        for (at, factor) in factors(table).enumerate() {
            if let TableFactor::Derived { lateral: true, subquery, alias: Some(alias), .. } = factor {
                let place = Place { part, join: at.checked_sub(1) };
                if let Some(rows) = rows_of(subquery) {
                    found = Some((place, computed(rows, alias)?));
                    break 'parts;
                }
                if let Some(first) = first_rows(subquery, alias, &before) {
                    found = Some((place, first));
                    break 'parts;
                }
            }
            before.extend(source(factor).map(|name| (name, factor.clone())));
        }
    }
    let (place, new) = found?;
    if !stars_by_source(select) {
        return None;
    }
    match new {
        New::Rows { name, columns, relation } => {
            let columns = Columns { name: identifier(&name), columns };
            put_rows(select, place, relation)?;
            expand_star(select, &columns);
            Replace::new(&|qualifier: Option<&str>, name: &str| columns.value(qualifier, name)).in_select(select);
            Some(columns)
        }
        New::Joined { name, relation, condition, hidden } => {
            put_joined(select, place, relation, *condition)?;
            for item in &mut select.projection {
                if wildcard_of(item) == Some(identifier(&name))
                    && let SelectItem::QualifiedWildcard(_, options) = item
                {
                    options.opt_exclude =
                        Some(ExcludeSelectItem::Multiple(hidden.iter().cloned().map(ObjectName::from).collect()));
                }
            }
            Some(Columns::default())
        }
    }
}

/// What comes for a factor.
enum New {
    /// Columns computed from others, and the relation that numbers the rows, if there are several.
    Rows { name: Ident, columns: Vec<(Ident, Expr)>, relation: Option<Box<TableFactor>> },
    /// A relation, joined by a condition; some of its columns are for that only.
    Joined { name: Ident, relation: Box<TableFactor>, condition: Box<Expr>, hidden: Vec<Ident> },
}

/// Looks for what keeps a query from being moved.
#[derive(Default)]
pub(super) struct Found {
    columns: bool,
    pub(super) queries: bool,
    pub(super) aggregates: bool,
    pub(super) windows: bool,
    pub(super) sets: bool,
}

impl Found {
    pub(super) fn in_expr(expr: &Expr) -> Self {
        let mut found = Self::default();
        let _ = Visit::visit(expr, &mut found);
        found
    }
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.columns = true,
            Expr::Function(function) => {
                let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
                self.windows |= function.over.is_some();
                self.aggregates |= is_aggregate(expr);
                self.sets |= pg_catalog::set_of(&name).is_some()
                    || matches!(name.as_str(), "unnest" | "generate_series" | "regexp_split_to_table");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Names of columns and the values of each row.
type Computed = (Vec<Option<String>>, Vec<Vec<Expr>>);

/// The rows of a query that reads nothing.
fn rows_of(query: &Query) -> Option<Computed> {
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let (names, rows) = rows_of_body(query.body.as_ref())?;
    let looked: Vec<Found> = rows.iter().flatten().map(Found::in_expr).collect();
    let plain = looked.iter().all(|found| !found.queries && !found.aggregates && !found.windows && !found.sets);
    (plain && looked.iter().any(|found| found.columns)).then_some((names, rows))
}

fn rows_of_body(body: &SetExpr) -> Option<Computed> {
    match body {
        SetExpr::Values(values) => {
            let rows: Vec<Vec<Expr>> = values.rows.iter().map(|row| row.content.clone()).collect();
            let width = rows.first()?.len();
            Some(((1..=width).map(|at| Some(format!("column{at}"))).collect(), rows))
        }
        SetExpr::Select(select) => {
            let bare = select.from.is_empty()
                && select.selection.is_none()
                && select.having.is_none()
                && select.distinct.is_none()
                && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
            let columns = select.projection.iter().map(|item| match item {
                SelectItem::UnnamedExpr(expr) => Some((name_of(expr), expr.clone())),
                SelectItem::ExprWithAlias { expr, alias } => Some((Some(identifier(alias)), expr.clone())),
                _ => None,
            });
            let (names, row) = columns.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            bare.then_some((names, vec![row]))
        }
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
            let (names, mut rows) = rows_of_body(left)?;
            rows.extend(rows_of_body(right)?.1);
            Some((names, rows))
        }
        SetExpr::Query(query) if query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() => {
            rows_of_body(&query.body)
        }
        _ => None,
    }
}

/// Rows that are computed from other columns.
fn computed((names, rows): Computed, alias: &TableAlias) -> Option<New> {
    let mut names: Vec<Ident> =
        names.into_iter().map(|name| Ident::with_quote('"', name.unwrap_or_else(|| "?column?".to_owned()))).collect();
    for (name, given) in names.iter_mut().zip(&alias.columns) {
        *name = given.name.clone();
    }
    if rows.iter().any(|row| row.len() != names.len()) {
        return None;
    }
    let number = |number: usize| Expr::Value(Value::Number(number.to_string(), false).into());
    let row = column(&alias.name, &Ident::with_quote('"', ROW));
    let value = |at: usize| {
        let of = |values: &Vec<Expr>| values.get(at).cloned().map(|value| Expr::Nested(Box::new(value)));
        if let [only] = rows.as_slice() {
            return of(only);
        }
        let conditions =
            rows.iter().enumerate().map(|(row, values)| Some(CaseWhen { condition: number(row), result: of(values)? }));
        Some(Expr::Case {
            case_token: datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            end_token: datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            operand: Some(Box::new(row.clone())),
            conditions: conditions.collect::<Option<_>>()?,
            else_result: None,
        })
    };
    let columns = names.into_iter().enumerate().map(|(at, name)| Some((name, value(at)?))).collect::<Option<Vec<_>>>()?;
    let relation = if rows.len() > 1 {
        let numbers = (0..rows.len()).map(|row| format!("({row})")).collect::<Vec<_>>().join(", ");
        let subquery = parsed(&format!("SELECT * FROM (VALUES {numbers}) AS numbered (\"{ROW}\")"))?;
        let alias = TableAlias { columns: Vec::new(), ..alias.clone() };
        Some(Box::new(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }))
    } else {
        None
    };
    Some(New::Rows { name: alias.name.clone(), columns, relation })
}

/// Puts the relation of numbers in the place of a query, or takes the place away.
fn put_rows(select: &mut Select, place: Place, relation: Option<Box<TableFactor>>) -> Option<()> {
    let table = select.from.get_mut(place.part)?;
    match (relation, place.join) {
        (Some(relation), None) => table.relation = *relation,
        (Some(relation), Some(join)) => table.joins.get_mut(join)?.relation = *relation,
        (None, None) if table.joins.is_empty() && place.part > 0 => {
            select.from.remove(place.part);
        }
        (None, None) => return None,
        (None, Some(join)) => {
            let outer = !matches!(
                table.joins.get(join)?.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
            );
            let condition = match constraint(&mut table.joins.get_mut(join)?.join_operator) {
                Some(JoinConstraint::On(Expr::Value(value))) if value.value == Value::Boolean(true) => None,
                Some(JoinConstraint::On(condition)) if !outer => Some(condition.clone()),
                Some(JoinConstraint::None) => None,
                _ => return None,
            };
            table.joins.remove(join);
            if let Some(condition) = condition {
                select.selection = Some(and(select.selection.take(), condition));
            }
        }
    }
    Some(())
}

/// `rows.*` as its columns.
fn expand_star(select: &mut Select, columns: &Columns) {
    let items = std::mem::take(&mut select.projection);
    for item in items {
        if wildcard_of(&item).as_ref() == Some(&columns.name) {
            let shown = columns.columns.iter();
            select
                .projection
                .extend(shown.map(|(name, value)| SelectItem::ExprWithAlias { expr: value.clone(), alias: name.clone() }));
        } else {
            select.projection.push(item);
        }
    }
}

/// How many rows a query gives at most and how many it leaves out.
fn bounds(query: &Query) -> Option<(Option<Expr>, Option<Expr>)> {
    match (&query.limit_clause, &query.fetch) {
        (Some(LimitClause::LimitOffset { limit: Some(limit), offset, limit_by }), None) if limit_by.is_empty() => {
            Some((Some(limit.clone()), offset.as_ref().map(|offset| offset.value.clone())))
        }
        (None, Some(Fetch { with_ties: false, percent: false, quantity })) => {
            let one = || Expr::Value(Value::Number("1".to_owned(), false).into());
            Some((Some(quantity.clone().unwrap_or_else(one)), None))
        }
        _ => None,
    }
}

/// The columns of what stands before that a query names.
#[derive(Default)]
struct Outer<'a> {
    known: Vec<&'a Ident>,
    own: Vec<String>,
    named: Vec<(String, Ident)>,
}

impl Visitor for Outer<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [.., table, name] = parts.as_slice()
        {
            let table = identifier(table);
            let outer = !self.own.contains(&table) && self.known.iter().any(|known| identifier(known) == table);
            let again = self.named.iter().any(|(of, other)| *of == table && identifier(other) == identifier(name));
            if outer && !again {
                self.named.push((table, name.clone()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression names columns of what stands before, where a query has relations of its `own`.
pub(super) fn names_outer(expr: &Expr, before: &[(Ident, TableFactor)], own: &[Ident]) -> bool {
    let mut outer = Outer {
        known: before.iter().map(|(name, _)| name).collect(),
        own: own.iter().map(identifier).collect(),
        named: Vec::new(),
    };
    let _ = Visit::visit(expr, &mut outer);
    !outer.named.is_empty()
}

/// What a query asks of one relation before it: the values of some of its columns.
pub(super) struct Asked {
    /// The relation's name.
    asking: Ident,
    /// What its distinct values are called.
    asked: Ident,
    /// The names of the values, and of the relation's columns.
    keys: Vec<(Ident, Ident)>,
    values: TableFactor,
}

impl Asked {
    /// What `query` asks; nothing where it asks nothing, or several relations. `name` is what the query is called.
    pub(super) fn of(query: &mut Query, name: &Ident, before: &[(Ident, TableFactor)]) -> Option<Self> {
        let own: Vec<Ident> = select_of(query)?.from.iter().flat_map(factors).map(source).collect::<Option<_>>()?;
        let mut outer = Outer {
            known: before.iter().map(|(name, _)| name).collect(),
            own: own.iter().map(identifier).collect(),
            named: Vec::new(),
        };
        let _ = Visit::visit(&*query, &mut outer);
        let named = outer.named;
        let (asking, _) = named.first()?;
        if named.iter().any(|(table, _)| table != asking) {
            return None;
        }
        let (asking, factor) = before.iter().find(|(name, _)| identifier(name) == *asking)?;
        if !matches!(factor, TableFactor::Table { args: None, .. } | TableFactor::Derived { lateral: false, .. }) {
            return None;
        }
        let asked = Ident::with_quote('"', format!("{}\u{1}asked", identifier(name)));
        let keys: Vec<(Ident, Ident)> = named
            .iter()
            .enumerate()
            .map(|(at, (_, name))| (Ident::with_quote('"', format!("{KEY}{at}")), name.clone()))
            .collect();
        let selected = keys.iter().map(|(key, name)| format!("{asking}.{name} AS {key}")).collect::<Vec<_>>().join(", ");
        let mut values = parsed(&format!("SELECT DISTINCT {selected} FROM x"))?;
        select_of(&mut values)?.from.first_mut()?.relation = factor.clone();
        let values = derived(values, asked.clone());
        Some(Self { asking: asking.clone(), asked, keys, values })
    }

    /// The values, as columns.
    pub(super) fn columns(&self) -> Vec<(Ident, Expr)> {
        self.keys.iter().map(|(key, _)| (key.clone(), column(&self.asked, key))).collect()
    }

    /// Has a SELECT read the values in place of the relation's columns.
    pub(super) fn read_by(&self, select: &mut Select) -> Option<()> {
        let asking = identifier(&self.asking);
        Replace::new(&|qualifier: Option<&str>, name: &str| {
            let key = self.keys.iter().find(|(_, known)| qualifier == Some(asking.as_str()) && identifier(known) == name)?;
            Some(column(&self.asked, &key.0))
        })
        .in_select(select);
        let mut from = std::mem::take(&mut select.from).into_iter();
        let first = from.next()?;
        let crossed =
            Join { relation: first.relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) };
        let joins = std::iter::once(crossed).chain(first.joins).collect();
        select.from = std::iter::once(TableWithJoins { relation: self.values.clone(), joins }).chain(from).collect();
        Some(())
    }

    /// The rows of `name` that are for a row of the relation.
    pub(super) fn condition(&self, name: &Ident) -> Option<Expr> {
        let same =
            |(key, of): &(Ident, Ident)| Expr::IsNotDistinctFrom(Box::new(column(name, key)), Box::new(column(&self.asking, of)));
        self.keys.iter().map(same).fold(None, |all, one| Some(and(all, one)))
    }

    /// The relation's name.
    pub(super) fn asking(&self) -> &Ident {
        &self.asking
    }
}

/// A query in FROM.
pub(super) fn derived(subquery: Box<Query>, name: Ident) -> TableFactor {
    let alias = TableAlias { explicit: true, name, columns: Vec::new(), at: None };
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}

/// The first rows of a query for each value of the columns before it, the condition that joins them, and who asks.
pub(super) fn first_row(
    query: &Query,
    alias: &TableAlias,
    before: &[(Ident, TableFactor)],
) -> Option<(TableFactor, Expr, String)> {
    let asking = Asked::of(&mut query.clone(), &alias.name, before)?.asking;
    match first_rows(query, alias, before)? {
        New::Joined { relation, condition, .. } => Some((*relation, *condition, identifier(&asking))),
        New::Rows { .. } => None,
    }
}

/// The first rows of a query for each value of the columns before it.
fn first_rows(query: &Query, alias: &TableAlias, before: &[(Ident, TableFactor)]) -> Option<New> {
    let (limit, offset) = bounds(query)?;
    if query.with.is_some() {
        return None;
    }
    let mut query = query.clone();
    let asked = Asked::of(&mut query, &alias.name, before)?;

    let order = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(order)) => order,
        Some(OrderByKind::All(_)) => return None,
        None => Vec::new(),
    };
    let select = select_of(&mut query)?;
    if !stars_by_source(select) {
        return None;
    }
    let grouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if !keys.is_empty());
    let shown: Vec<(Option<String>, Option<Expr>)> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::UnnamedExpr(expr) => (name_of(expr), Some(expr.clone())),
            SelectItem::ExprWithAlias { expr, alias } => (Some(identifier(alias)), Some(expr.clone())),
            _ => (None, None),
        })
        .collect();
    let ordered = |mut key: OrderByExpr| {
        let of_result = match &key.expr {
            Expr::Value(value) => match &value.value {
                Value::Number(position, _) => Some(position.parse::<usize>().ok()?.checked_sub(1)?),
                _ => None,
            },
            Expr::Identifier(name) => shown.iter().position(|(shown, _)| shown.as_ref() == Some(&identifier(name))),
            _ => None,
        };
        if let Some(position) = of_result {
            key.expr = shown.get(position)?.1.clone()?;
        }
        Some(key)
    };
    let order = order.into_iter().map(ordered).collect::<Option<Vec<_>>>()?;
    let computed = shown.iter().filter_map(|(_, expr)| expr.as_ref()).chain(order.iter().map(|key| &key.expr));
    let looked: Vec<Found> = computed.map(Found::in_expr).collect();
    if select.distinct.is_some()
        || looked.iter().any(|found| found.windows || found.sets || found.aggregates && !grouped)
        || select.having.is_some() && !grouped
    {
        return None;
    }

    let of_asked = asked.columns();
    for (key, value) in &of_asked {
        select.projection.push(SelectItem::ExprWithAlias { expr: value.clone(), alias: key.clone() });
    }
    // Rows are numbered by columns, outside of the query: so they may be groups, too.
    let order: Vec<(Ident, OrderByExpr)> =
        order.into_iter().enumerate().map(|(at, key)| (Ident::with_quote('"', format!("{ORDER}{at}")), key)).collect();
    for (name, key) in &order {
        select.projection.push(SelectItem::ExprWithAlias { expr: key.expr.clone(), alias: name.clone() });
    }
    if let GroupByExpr::Expressions(group, _) = &mut select.group_by
        && grouped
    {
        group.extend(of_asked.iter().map(|(_, value)| value.clone()));
    }
    asked.read_by(select)?;
    (query.limit_clause, query.fetch) = (None, None);

    let row = Ident::with_quote('"', ROW);
    let partition = of_asked.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(", ");
    let order_by =
        order.iter().map(|(name, key)| OrderByExpr { expr: Expr::Identifier(name.clone()), ..key.clone() }.to_string());
    let order_by = order_by.collect::<Vec<_>>().join(", ");
    let window = if order_by.is_empty() { String::new() } else { format!(" ORDER BY {order_by}") };
    let mut numbered =
        parsed(&format!("SELECT *, row_number() OVER (PARTITION BY {partition}{window}) AS {row} FROM (SELECT 1) AS asked"))?;
    let TableFactor::Derived { subquery, .. } = &mut select_of(&mut numbered)?.from.first_mut()?.relation else { return None };
    **subquery = query;
    let mut around = parsed(&format!("SELECT * FROM x WHERE {row} <= 1"))?;
    let bounded = select_of(&mut around)?;
    let number = || Box::new(Expr::Identifier(row.clone()));
    let compared = |op: BinaryOperator, right: Expr| Expr::BinaryOp { left: number(), op, right: Box::new(right) };
    let skipped = offset.clone().map(|offset| compared(BinaryOperator::Gt, offset));
    let until = match (limit?, offset) {
        (limit, Some(offset)) => {
            let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
            Expr::BinaryOp { left: nested(limit), op: BinaryOperator::Plus, right: nested(offset) }
        }
        (limit, None) => limit,
    };
    let within = compared(BinaryOperator::LtEq, until);
    bounded.selection = Some(match skipped {
        Some(skipped) => and(Some(skipped), within),
        None => within,
    });
    bounded.from.first_mut()?.relation = derived(numbered, Ident::with_quote('"', "numbered"));
    let mut alias = alias.clone();
    let hidden = of_asked.iter().map(|(key, _)| key).chain(order.iter().map(|(name, _)| name)).chain(std::iter::once(&row));
    let hidden: Vec<Ident> = hidden.cloned().collect();
    if !alias.columns.is_empty() {
        if alias.columns.len() != shown.len() || shown.iter().any(|(_, expr)| expr.is_none()) {
            return None;
        }
        alias.columns.extend(hidden.iter().map(|name| TableAliasColumnDef { name: name.clone(), data_type: None }));
    }
    let condition = Box::new(asked.condition(&alias.name)?);
    let name = alias.name.clone();
    let relation = Box::new(TableFactor::Derived { lateral: false, subquery: around, alias: Some(alias), sample: None });
    Some(New::Joined { name, relation, condition, hidden })
}

/// Joins a relation in the place of a query.
fn put_joined(select: &mut Select, place: Place, relation: Box<TableFactor>, condition: Expr) -> Option<()> {
    let table = select.from.get_mut(place.part)?;
    let Some(join) = place.join else {
        table.relation = *relation;
        select.selection = Some(and(select.selection.take(), condition));
        return Some(());
    };
    let join = table.joins.get_mut(join)?;
    let all = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::On(before) => Some(JoinConstraint::On(and(Some(before.clone()), condition.clone()))),
        JoinConstraint::None => Some(JoinConstraint::On(condition.clone())),
        _ => None,
    };
    join.join_operator = match &join.join_operator {
        JoinOperator::CrossJoin(constraint) | JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
            JoinOperator::Inner(all(constraint)?)
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => JoinOperator::Left(all(constraint)?),
        _ => return None,
    };
    join.relation = *relation;
    Some(())
}
