//! Queries of the catalog over relations that never have rows: their answer is known, and the engine could not plan all of them.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, JoinOperator, ObjectName, Query,
    Select, SelectItem, SetExpr, TableFactor, TableWithJoins, Value, ValueWithSpan,
};

use super::values::is_aggregate;
use super::{Rewriter, arguments, null};
use crate::server::names::identifier;
use crate::server::pg_catalog::{self, is_always_empty};

/// Columns of the catalog that are arrays and always NULL here, so that unnesting them gives no rows.
const NULL_ARRAYS: &[&str] = &[
    "attacl",
    "attoptions",
    "proacl",
    "proconfig",
    "evttags",
    "setconfig",
    "datacl",
    "spcacl",
    "lanacl",
    "typacl",
    "rolconfig",
    "spcoptions",
];

/// The same where a set of another relation's columns stands in FROM: only views have options, and tools ask for those of tables.
const NULL_IN_FROM: &[&str] = &["reloptions"];

/// Functions that give a row for each element of an array.
const EXPLODING: &[&str] = &["unnest", "aclexplode", "pg_options_to_table"];

fn is_null_array(expr: &Expr) -> bool {
    match expr {
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|last| NULL_ARRAYS.contains(&last.value.as_str())),
        Expr::Identifier(ident) => NULL_ARRAYS.contains(&ident.value.as_str()),
        _ => false,
    }
}

fn is_null_in_from(expr: &Expr) -> bool {
    let last = match expr {
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    is_null_array(expr) || last.is_some_and(|last| NULL_IN_FROM.contains(&last.value.as_str()))
}

fn unnested(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

impl Rewriter<'_> {
    /// Whether a name stands for a relation of the catalog that never has rows.
    fn names_empty_relation(&self, name: &ObjectName) -> bool {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
        match parts.as_slice() {
            [.., schema, table] => is_always_empty(schema, table),
            [table] => !self.local_names.contains(table) && is_always_empty(pg_catalog::SCHEMA, table),
            [] => false,
        }
    }

    fn factor_is_empty(&self, factor: &TableFactor) -> bool {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.names_empty_relation(name),
            TableFactor::Table { name, args: Some(args), .. } => {
                let unnest = name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .is_some_and(|name| EXPLODING.contains(&identifier(name).as_str()));
                unnest
                    && args
                        .args
                        .iter()
                        .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_null_in_from(expr)))
            }
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(is_null_in_from),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined_is_empty(table_with_joins),
            TableFactor::Derived { subquery, .. } => self.query_is_empty(subquery),
            _ => false,
        }
    }

    fn joined_is_empty(&self, table: &TableWithJoins) -> bool {
        let mut empty = self.factor_is_empty(&table.relation);
        for join in &table.joins {
            empty = match &join.join_operator {
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                    empty || self.factor_is_empty(&join.relation)
                }
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => empty,
                _ => return false,
            };
        }
        empty
    }

    /// Whether a SELECT returns no rows whatever its conditions are.
    fn select_is_empty(&self, select: &Select) -> bool {
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        let aggregates = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
            _ => false,
        });
        let unnests_null = select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(Expr::Function(function))
            | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. } => {
                let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier);
                name.is_some_and(|name| EXPLODING.contains(&name.as_str()))
                    && arguments(function).next().is_some_and(is_null_array)
            }
            _ => false,
        });
        (unnests_null || select.from.iter().any(|table| self.joined_is_empty(table))) && (grouped || !aggregates)
    }

    /// Whether a query counts the rows of relations that never have any.
    pub(super) fn counts_nothing(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = query.body.as_ref() else { return false };
        let [
            SelectItem::UnnamedExpr(Expr::Function(function)) | SelectItem::ExprWithAlias { expr: Expr::Function(function), .. },
        ] = select.projection.as_slice()
        else {
            return false;
        };
        let counts = function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| identifier(name) == "count");
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        counts && !grouped && select.having.is_none() && select.from.iter().any(|table| self.joined_is_empty(table))
    }

    fn body_is_empty(&self, body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => self.select_is_empty(select),
            SetExpr::Query(query) => self.query_is_empty(query),
            SetExpr::SetOperation { left, right, .. } => self.body_is_empty(left) && self.body_is_empty(right),
            _ => false,
        }
    }

    pub(super) fn query_is_empty(&self, query: &Query) -> bool {
        query.with.is_none() && self.body_is_empty(&query.body)
    }

    /// Takes the branches off a CASE that are for kinds of types of which there are none, such as domains, where the engine could not
    /// plan what they give.
    pub(super) fn without_absent_kinds(&self, expr: &mut Expr) {
        let Expr::Case { operand: None, conditions, else_result, .. } = expr else { return };
        conditions.retain(|branch| {
            let needs_with = matches!(unnested(&branch.result), Expr::Subquery(query) if query.with.is_some());
            !(needs_with && self.asks_absent_kind(&branch.condition))
        });
        if conditions.is_empty() {
            let value = else_result.take().map_or_else(null, |value| *value);
            *expr = match value {
                Expr::Value(known) if known.value == Value::Null => Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(null()),
                    data_type: DataType::BigInt(None),
                    array: false,
                    format: None,
                },
                value => value,
            };
        }
    }

    fn asks_absent_kind(&self, condition: &Expr) -> bool {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = unnested(condition) else { return false };
        let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(kind), .. }) = right.as_ref() else { return false };
        let of_type = self.is_column_of(left, "pg_type", "typtype");
        of_type && !pg_catalog::has_types_of_kind(kind)
    }

    /// Replaces an empty SELECT by one of the same columns that the engine can plan.
    pub(super) fn fold(&mut self, body: &mut SetExpr) -> bool {
        match body {
            SetExpr::Select(select) if self.select_is_empty(select) => {
                let mut seen = HashSet::new();
                let names = select.projection.iter().enumerate().map(|(position, item)| {
                    let name = match item {
                        SelectItem::UnnamedExpr(Expr::Identifier(name)) | SelectItem::ExprWithAlias { alias: name, .. } => {
                            Some(identifier(name))
                        }
                        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(identifier),
                        SelectItem::UnnamedExpr(_) => None,
                        // The columns of a wildcard are the engine's to find.
                        _ => return None,
                    };
                    let name = name.unwrap_or_else(|| format!("column {}", position + 1));
                    Some(if seen.insert(name.clone()) { name } else { format!("column {}", position + 1) })
                });
                let Some(names) = names.collect::<Option<Vec<_>>>() else { return false };
                select.projection = names
                    .into_iter()
                    .map(|name| SelectItem::ExprWithAlias { expr: null(), alias: Ident::with_quote('"', name) })
                    .collect();
                select.from.clear();
                select.selection = Some(Expr::Value(Value::Boolean(false).into()));
                select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
                select.having = None;
                select.distinct = None;
                true
            }
            SetExpr::SetOperation { left, right, .. } => {
                let left = self.fold(left);
                self.fold(right) && left
            }
            _ => false,
        }
    }
}
