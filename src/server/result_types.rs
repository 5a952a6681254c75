//! The types of result columns that the engine does not tell apart: `json` from `text`, `name` from `text`, and those of queries that
//! are answered without being planned.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType as SqlType, Expr, FunctionArguments, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, TableWithJoins, Value, ValueWithSpan,
};

use super::names::{identifier, type_name};
use super::pg_catalog;
use super::rewrite::arguments;
use super::types::PG_TYPE_KEY;

/// Columns by name, with what is known of their types.
type Columns = Vec<(String, Option<String>)>;

/// The `pg_type` names of the columns of a statement, where the text tells them. Read before the statement is rewritten.
pub(crate) fn of_statement(statement: &Statement) -> Vec<Option<String>> {
    let columns = match statement {
        Statement::Query(query) => of_query(query, &HashMap::new(), 0),
        _ => None,
    };
    columns.unwrap_or_default().into_iter().map(|(_, known)| known).collect()
}

/// A schema in which the columns carry the types that were found.
pub(crate) fn announce(schema: &Schema, found: &[Option<String>], asks_catalog: bool) -> Schema {
    if found.len() != schema.fields().len() {
        return schema.clone();
    }
    let announced = |(field, known): (&std::sync::Arc<Field>, &Option<String>)| {
        let Some(known) = known else { return field.as_ref().clone() };
        let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null);
        let as_text = is_text && (TEXTUAL.contains(&known.as_str()) || asks_catalog);
        let fits = as_text || asks_catalog && is_oids(field.data_type(), known);
        // Names of objects are sent as text.
        let is_name = known.starts_with("reg") || known.starts_with("_reg");
        if !fits || is_name || field.metadata().contains_key(PG_TYPE_KEY) || known == "text" {
            return field.as_ref().clone();
        }
        let mut metadata = field.metadata().clone();
        metadata.insert(PG_TYPE_KEY.to_owned(), known.clone());
        field.as_ref().clone().with_metadata(metadata)
    };
    let fields: Vec<Field> = schema.fields().iter().zip(found).map(announced).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// Whether values are identifiers, which the engine's expressions make plain numbers of.
fn is_oids(data_type: &DataType, known: &str) -> bool {
    match (known, data_type) {
        ("oid", DataType::UInt32) => true,
        ("_oid", DataType::List(item)) => *item.data_type() == DataType::UInt32,
        _ => false,
    }
}

/// Types whose values lie in text columns.
const TEXTUAL: &[&str] = &["json", "jsonb", "uuid", "name", "char", "varchar", "bpchar", "xml"];
/// Subqueries deeper than this tell nothing; what is parsed is not deeper.
const MAX_DEPTH: usize = 64;

fn of_query(query: &Query, outer: &HashMap<String, Columns>, depth: usize) -> Option<Columns> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut local = outer.clone();
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        let mut columns = of_query(&cte.query, &local, depth + 1).unwrap_or_default();
        for (column, alias) in columns.iter_mut().zip(&cte.alias.columns) {
            column.0 = identifier(&alias.name);
        }
        local.insert(identifier(&cte.alias.name), columns);
    }
    of_body(&query.body, &local, depth)
}

fn of_body(body: &SetExpr, local: &HashMap<String, Columns>, depth: usize) -> Option<Columns> {
    match body {
        SetExpr::Select(select) => of_select(select, local, depth),
        SetExpr::Query(query) => of_query(query, local, depth + 1),
        SetExpr::SetOperation { left, right, .. } => {
            let (left, right) = (of_body(left, local, depth + 1)?, of_body(right, local, depth + 1)?);
            // Only what both sides agree on is known.
            let agreed = left.into_iter().zip(right).map(|((name, a), (_, b))| (name, a.filter(|a| Some(a) == b.as_ref())));
            Some(agreed.collect())
        }
        _ => None,
    }
}

fn of_select(select: &Select, local: &HashMap<String, Columns>, depth: usize) -> Option<Columns> {
    let mut sources = Sources { tables: Vec::new(), local, depth };
    for table in &select.from {
        sources.add(table);
    }
    let mut columns = Columns::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = match expr {
                    Expr::Identifier(ident) => identifier(ident),
                    Expr::CompoundIdentifier(parts) => parts.last().map(identifier).unwrap_or_default(),
                    _ => String::new(),
                };
                columns.push((name, sources.type_of(expr)));
            }
            SelectItem::ExprWithAlias { expr, alias } => columns.push((identifier(alias), sources.type_of(expr))),
            SelectItem::Wildcard(_) if sources.tables.iter().all(|(_, columns)| !columns.is_empty()) => {
                columns.extend(sources.tables.iter().flat_map(|(_, columns)| columns.iter().cloned()));
            }
            _ => return None,
        }
    }
    Some(columns)
}

/// What stands in FROM.
struct Sources<'a> {
    tables: Vec<(String, Columns)>,
    local: &'a HashMap<String, Columns>,
    depth: usize,
}

impl Sources<'_> {
    fn add(&mut self, table: &TableWithJoins) {
        self.add_factor(&table.relation);
        for join in &table.joins {
            self.add_factor(&join.relation);
        }
    }

    fn add_factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(identifier).collect();
                let Some(last) = parts.last() else { return };
                let known = match parts.as_slice() {
                    [name] if self.local.contains_key(name) => self.local.get(name).cloned(),
                    [name] => catalog_columns(pg_catalog::SCHEMA, name),
                    [.., schema, name] => catalog_columns(schema, name),
                    [] => None,
                };
                let shown = alias.as_ref().map_or_else(|| last.clone(), |alias| identifier(&alias.name));
                self.tables.push((shown, known.unwrap_or_default()));
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let columns = of_query(subquery, self.local, self.depth + 1).unwrap_or_default();
                self.tables.push((alias.as_ref().map(|alias| identifier(&alias.name)).unwrap_or_default(), columns));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.add(table_with_joins),
            _ => self.tables.push((String::new(), Columns::new())),
        }
    }

    fn column(&self, table: Option<&str>, name: &str) -> Option<String> {
        let fits = self.tables.iter().filter(|(shown, _)| table.is_none_or(|table| table == shown));
        fits.flat_map(|(_, columns)| columns).find(|(column, _)| column == name).and_then(|(_, known)| known.clone())
    }

    fn type_of(&self, expr: &Expr) -> Option<String> {
        let word = |word: &str| Some(word.to_owned());
        match expr {
            Expr::Identifier(name) => {
                let name = identifier(name);
                // A few functions are written without parentheses.
                self.column(None, &name).or_else(|| pg_catalog::result_type(&name).map(str::to_owned))
            }
            Expr::CompoundIdentifier(parts) => {
                let mut parts = parts.iter().rev().map(identifier);
                let name = parts.next()?;
                self.column(parts.next().as_deref(), &name)
            }
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => self.type_of(inner),
            Expr::Cast { data_type, .. } => {
                let array = if matches!(data_type, SqlType::Array(_)) { "_" } else { "" };
                let name = type_name(data_type);
                Some(format!("{array}{name}"))
            }
            Expr::Function(function) => {
                let name = function.name.0.last().and_then(|part| part.as_ident()).map(identifier)?;
                match name.as_str() {
                    "count" | "row_number" => word("int8"),
                    "max" | "min" | "coalesce" | "nullif" => self.type_of(arguments(function).next()?),
                    "array_agg" => self.type_of(arguments(function).next()?).map(|element| format!("_{element}")),
                    "string_agg" | "array_to_string" | "concat" => word("text"),
                    "array" if matches!(function.args, FunctionArguments::Subquery(_)) => None,
                    name => pg_catalog::result_type(name).map(str::to_owned),
                }
            }
            Expr::Value(ValueWithSpan { value, .. }) => match value {
                Value::Number(digits, _) if digits.parse::<i32>().is_ok() => word("int4"),
                Value::Number(digits, _) if digits.parse::<i64>().is_ok() => word("int8"),
                Value::Boolean(_) => word("bool"),
                Value::SingleQuotedString(_) => word("text"),
                _ => None,
            },
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::StringConcat => word("text"),
                BinaryOperator::Plus | BinaryOperator::Minus => self.type_of(left).or_else(|| self.type_of(right)),
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::And
                | BinaryOperator::Or => word("bool"),
                _ => None,
            },
            // Drivers ask so for the columns of a key, in their order.
            Expr::CompoundFieldAccess { root, access_chain } => match access_chain.as_slice() {
                [AccessExpr::Dot(Expr::Identifier(field))] if identifier(field) == "n" && is_expanded_array(root) => word("int4"),
                _ => None,
            },
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Exists { .. }
            | Expr::InList { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => word("bool"),
            Expr::Case { conditions, else_result, .. } => {
                let mut seen = HashSet::new();
                let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
                seen.extend(results.filter(|result| !is_null(result)).map(|result| self.type_of(result)));
                if seen.len() == 1 { seen.into_iter().next().flatten() } else { None }
            }
            Expr::Subquery(query) => of_query(query, self.local, self.depth + 1)?.into_iter().next()?.1,
            _ => None,
        }
    }
}

fn is_expanded_array(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_expanded_array(inner),
        Expr::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| identifier(name) == "_pg_expandarray")
        }
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Null, .. }))
}

fn catalog_columns(schema: &str, name: &str) -> Option<Columns> {
    let columns = pg_catalog::columns(schema, name)?;
    Some(columns.iter().map(|(column, pg_type)| ((*column).to_owned(), Some((*pg_type).to_owned()))).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn types(sql: &str) -> Vec<String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        of_statement(&statement).into_iter().map(|found| found.unwrap_or_else(|| "?".into())).collect()
    }

    #[test]
    fn types_are_those_that_postgres_describes() {
        // PostgreSQL 15, \gdesc.
        assert_eq!(
            types(
                "select i.indkey, c.relname as t, i.indisunique, count(*), max(c.oid), 1, 'x' || c.relname, coalesce(a.attnum, 0)
                 from pg_catalog.pg_index i join pg_class c on c.oid = i.indexrelid left join pg_attribute a on true"
            ),
            ["int2vector", "name", "bool", "int8", "oid", "int4", "text", "int2"]
        );
        assert_eq!(types("select s.conname, s.n from (select conname, conkey as n from pg_constraint) s"), ["name", "_int2"]);
        assert_eq!(types("with k as (select * from pg_am) select amname, k.oid from k"), ["name", "oid"]);
        assert_eq!(types("with k (a, b) as (select amname, oid from pg_am) select b, k.a from k"), ["oid", "name"]);
        assert_eq!(
            types("select '{}'::json, 'a'::varchar, case when true then 'a'::name end, current_database()"),
            ["json", "varchar", "name", "name"]
        );
    }
}
