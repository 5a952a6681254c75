//! The parameters of a statement: which there are, and what the statement says of their types.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use pgwire::api::Type;

use super::error::PgError;
use super::{names, pg_catalog, types};

/// Finds the parameters of a statement: `$3` means that there are three, `$3::date` that the third is a date.
pub(crate) struct Placeholders<'a> {
    types: &'a mut Vec<Option<Type>>,
    /// Whether one of unknown type stands alone in ANY or ALL.
    any: bool,
    error: Option<PgError>,
}

impl Placeholders<'_> {
    /// Makes room for the types of all parameters. Returns whether one of unknown type stands alone in ANY or ALL.
    pub(crate) fn complete(statement: &mut ast::Statement, types: &mut Vec<Option<Type>>) -> Result<bool, PgError> {
        let mut finder = Placeholders { types, any: false, error: None };
        let _ = VisitMut::visit(statement, &mut finder);
        finder.error.map_or(Ok(finder.any), Err)
    }

    /// Notes the type of an expression that is a parameter.
    fn is(&mut self, expr: Option<&ast::Expr>, pg_type: &Type) {
        if let Some(number) = expr.and_then(placeholder)
            && let Some(slot @ None) = self.types.get_mut(number - 1)
        {
            *slot = Some(pg_type.clone());
        }
    }
}

/// The number of the parameter that an expression is.
fn placeholder(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Placeholder(name), .. }) => number(name),
        ast::Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

impl VisitorMut for Placeholders<'_> {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<()> {
        if let ast::Value::Placeholder(name) = &value.value {
            match number(name) {
                Some(number) if number > self.types.len() => self.types.resize(number, None),
                Some(_) => {}
                None => {
                    self.error = Some(
                        PgError::new("42P02", format!("there is no parameter {name}")).with_hint("Parameters are $1, $2, …."),
                    )
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if let Some(ast::LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            self.is(limit.as_ref(), &Type::INT8);
            self.is(offset.as_ref().map(|offset| &offset.value), &Type::INT8);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Cast { expr: inner, data_type, .. } => {
                if let Some(known) = named_type(data_type) {
                    self.is(Some(inner), &known);
                }
            }
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => {
                self.any |= placeholder(right).and_then(|number| self.types.get(number - 1)).is_some_and(Option::is_none);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Makes `x = ANY ($1)` the comparison `x = $1`, so that the engine finds the type of an element.
pub(crate) struct AnyAsElement<'a> {
    pub(crate) types: &'a [Option<Type>],
    /// Their indices.
    pub(crate) found: Vec<usize>,
}

impl VisitorMut for AnyAsElement<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let (ast::Expr::AnyOp { left, compare_op, right, .. } | ast::Expr::AllOp { left, compare_op, right }) = expr else {
            return ControlFlow::Continue(());
        };
        if let Some(index) = placeholder(right).map(|number| number - 1)
            && self.types.get(index).is_some_and(Option::is_none)
        {
            self.found.push(index);
            *expr = ast::Expr::BinaryOp { left: left.clone(), op: compare_op.clone(), right: right.clone() };
        }
        ControlFlow::Continue(())
    }
}

/// The number of a parameter, from 1 to what a message can carry.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse::<u16>().ok().filter(|number| *number > 0).map(usize::from)
}

/// Writes the known type of each parameter into the statement, as a cast.
pub(crate) struct TypedPlaceholders<'a>(pub(crate) &'a [Option<Type>]);

impl VisitorMut for TypedPlaceholders<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if matches!(expr, ast::Expr::Value(_))
            && let Some(Some(pg_type)) = placeholder(expr).and_then(|number| self.0.get(number - 1))
            && let Some(data_type) = ast_type(pg_type)
        {
            let inner = expr.clone();
            *expr = ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(inner), data_type, array: false, format: None };
        }
        ControlFlow::Continue(())
    }
}

/// The type that a name in SQL stands for, if values of it can be bound.
pub(crate) fn named_type(data_type: &ast::DataType) -> Option<Type> {
    let array = if matches!(data_type, ast::DataType::Array(_)) { "_" } else { "" };
    let name = format!("{array}{}", names::type_name(data_type));
    pg_catalog::type_oid(&name).and_then(Type::from_oid).filter(|known| types::to_arrow(known).is_some())
}

/// The type of a cast to a type of PostgreSQL.
pub(crate) fn ast_type(pg_type: &Type) -> Option<ast::DataType> {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&types::sql_name(pg_type)?).ok()?.parse_data_type().ok()
}
