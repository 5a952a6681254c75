//! The arguments of EXECUTE: expressions of SQL → values of a prepared statement's parameters.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::ast::{self, Query, SelectItem, SetExpr, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pgwire::api::Type;

use super::error::{PgError, sqlstate};
use super::params;
use super::plan::Planner;
use super::run::without_parameters;

/// The values of `arguments` in the types of `parameters`, of which there are as many.
pub(crate) async fn evaluate(
    planner: &Planner,
    parameters: &[(Type, DataType)],
    arguments: Vec<ast::Expr>,
) -> Result<Vec<ScalarValue>, PgError> {
    let mut values = Vec::with_capacity(arguments.len());
    let mut computed = Vec::new();
    for (index, (argument, (pg_type, wanted))) in arguments.into_iter().zip(parameters).enumerate() {
        values.push(match constant(&argument) {
            // As PostgreSQL does: a bare literal is read as the type that is wanted.
            Some(text) => {
                let bytes = text.map(|text| Bytes::copy_from_slice(text.as_bytes()));
                params::decode(index, bytes.as_ref(), false, pg_type, wanted)?
            }
            None => {
                computed.push((index, argument));
                ScalarValue::Null
            }
        });
    }
    let (places, expressions): (Vec<_>, Vec<_>) = computed.into_iter().unzip();
    if expressions.is_empty() {
        return Ok(values);
    }
    for (place, value) in places.into_iter().zip(compute(planner, expressions).await?) {
        if let (Some(slot), Some((_, wanted))) = (values.get_mut(place), parameters.get(place)) {
            *slot = value.cast_to(wanted).map_err(|error| sqlstate(&error))?;
        }
    }
    Ok(values)
}

/// The values of `arguments` where all of them are literals, which need no computing.
pub(crate) fn constants(parameters: &[(Type, DataType)], arguments: &[ast::Expr]) -> Option<Result<Vec<ScalarValue>, PgError>> {
    let texts = arguments.iter().map(constant).collect::<Option<Vec<_>>>()?;
    let value = |(index, (text, (pg_type, wanted))): (usize, (Option<&str>, &(Type, DataType)))| {
        let bytes = text.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        params::decode(index, bytes.as_ref(), false, pg_type, wanted)
    };
    Some(texts.into_iter().zip(parameters).enumerate().map(value).collect())
}

/// The text of a literal, nothing inside for NULL; nothing for every other expression.
#[expect(clippy::option_option, reason = "outside: not a literal; inside: NULL")]
fn constant(expr: &ast::Expr) -> Option<Option<&str>> {
    let ast::Expr::Value(value) = expr else { return None };
    match &value.value {
        ast::Value::SingleQuotedString(text) => Some(Some(text)),
        ast::Value::Null => Some(None),
        _ => None,
    }
}

async fn compute(planner: &Planner, expressions: Vec<ast::Expr>) -> Result<Vec<ScalarValue>, PgError> {
    let told = |error| sqlstate(&error);
    if expressions.iter().any(|expr| Visit::visit(expr, &mut Subquery).is_break()) {
        return Err(PgError::new("0A000", "cannot use subquery in EXECUTE parameter"));
    }
    let count = expressions.len();
    let planned = without_parameters(Arc::new(planner.plan(select(expressions)?, &[]).await?))?;
    let physical = planner.physical(&planned.plan).await?;
    let batches = collect(physical, planner.context()).await.map_err(told)?;
    let mut rows = batches.iter().filter(|batch| batch.num_rows() > 0);
    match (rows.next(), rows.next()) {
        (Some(batch), None) if batch.num_rows() == 1 && batch.num_columns() == count => {
            batch.columns().iter().map(|column| ScalarValue::try_from_array(column, 0).map_err(told)).collect()
        }
        _ => Err(PgError::new("0A000", "set-returning functions are not allowed in EXECUTE parameter")),
    }
}

/// `SELECT` of some expressions.
fn select(expressions: Vec<ast::Expr>) -> Result<ast::Statement, PgError> {
    let broken = || PgError::new("XX000", "the arguments cannot be computed");
    let mut statement =
        Parser::parse_sql(&PostgreSqlDialect {}, "SELECT 1").ok().and_then(|mut all| all.pop()).ok_or_else(broken)?;
    let ast::Statement::Query(query) = &mut statement else { return Err(broken()) };
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(broken()) };
    select.projection = expressions.into_iter().map(SelectItem::UnnamedExpr).collect();
    Ok(statement)
}

/// Finds a query inside of an expression.
struct Subquery;

impl Visitor for Subquery {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}
