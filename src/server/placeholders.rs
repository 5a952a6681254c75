//! The parameters of a statement: which there are, and what the statement says of their types.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use pgwire::api::Type;

use super::error::PgError;
use super::{names, pg_catalog, rewrite, types};

/// Finds the parameters of a statement: `$3` means that there are three, `$3::date` that the third is a date.
pub(crate) struct Placeholders<'a> {
    types: &'a mut Vec<Option<Type>>,
    /// Whether one of unknown type stands alone in ANY or ALL, or beside other values of its type.
    any: bool,
    error: Option<PgError>,
}

impl Placeholders<'_> {
    /// Makes room for the types of all parameters. Returns whether one of unknown type stands alone in ANY or ALL, or
    /// beside other values of its type.
    pub(crate) fn complete(statement: &mut ast::Statement, types: &mut Vec<Option<Type>>) -> Result<bool, PgError> {
        let mut finder = Placeholders { types, any: false, error: None };
        let _ = VisitMut::visit(statement, &mut finder);
        finder.error.map_or(Ok(finder.any), Err)
    }

    /// Whether an expression is a parameter of unknown type.
    fn is_unknown(&self, expr: &ast::Expr) -> bool {
        placeholder(expr).and_then(|number| self.types.get(number - 1)).is_some_and(Option::is_none)
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
            ast::Expr::AnyOp { right, .. } | ast::Expr::AllOp { right, .. } => self.any |= self.is_unknown(right),
            ast::Expr::Case { operand: None, conditions, .. } => {
                for condition in conditions.iter() {
                    self.is(Some(&condition.condition), &Type::BOOL);
                }
                self.any |= alternatives(expr).is_some_and(|values| values.iter().any(|value| self.is_unknown(value)));
            }
            _ => self.any |= alternatives(expr).is_some_and(|values| values.iter().any(|value| self.is_unknown(value))),
        }
        ControlFlow::Continue(())
    }
}

/// The values of an expression of which one is chosen: they have one type.
fn alternatives(expr: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match expr {
        ast::Expr::Function(function) => {
            let name = function.name.0.last().and_then(|part| part.as_ident()).map(names::identifier)?;
            let choosing = matches!(name.as_str(), "coalesce" | "nullif" | "greatest" | "least");
            choosing.then(|| rewrite::arguments(function).collect())
        }
        ast::Expr::Case { conditions, else_result, .. } => {
            Some(conditions.iter().map(|condition| &condition.result).chain(else_result.as_deref()).collect())
        }
        _ => None,
    }
}

/// Compares parameters with what has their type, so that the engine finds it: `x = ANY ($1)` becomes `x = $1`, and `coalesce($1, x)` a
/// CASE of that comparison and of `x`.
pub(crate) struct Compared<'a> {
    pub(crate) types: &'a [Option<Type>],
    /// The indices of those in ANY and ALL, whose elements have the type, and of the others.
    pub(crate) elements: Vec<usize>,
    pub(crate) values: Vec<usize>,
}

impl Compared<'_> {
    fn unknown(&self, expr: &ast::Expr) -> Option<usize> {
        let index = placeholder(expr)? - 1;
        self.types.get(index).is_some_and(Option::is_none).then_some(index)
    }
}

impl VisitorMut for Compared<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::AnyOp { left, compare_op, right, .. } | ast::Expr::AllOp { left, compare_op, right } = expr {
            if let Some(index) = self.unknown(right) {
                self.elements.push(index);
                *expr = ast::Expr::BinaryOp { left: left.clone(), op: compare_op.clone(), right: right.clone() };
            }
            return ControlFlow::Continue(());
        }
        let Some(values) = alternatives(expr) else { return ControlFlow::Continue(()) };
        let unknown: Vec<(usize, ast::Expr)> =
            values.iter().filter_map(|value| Some((self.unknown(value)?, (*value).clone()))).collect();
        let typed = |value: &&&ast::Expr| {
            let untyped = |value: &ast::Value| matches!(value, ast::Value::Null | ast::Value::SingleQuotedString(_));
            placeholder(value).is_none() && !matches!(value, ast::Expr::Value(value) if untyped(&value.value))
        };
        let Some(like) = values.iter().find(typed).map(|like| (**like).clone()).filter(|_| !unknown.is_empty()) else {
            return ControlFlow::Continue(());
        };
        let compared = unknown.iter().map(|(_, parameter)| ast::Expr::BinaryOp {
            left: Box::new(ast::Expr::Nested(Box::new(like.clone()))),
            op: ast::BinaryOperator::Eq,
            right: Box::new(parameter.clone()),
        });
        let conditions = compared.map(|condition| ast::CaseWhen { condition, result: like.clone() }).collect();
        self.values.extend(unknown.iter().map(|(index, _)| *index));
        *expr = ast::Expr::Case {
            case_token: ast::helpers::attached_token::AttachedToken::empty(),
            end_token: ast::helpers::attached_token::AttachedToken::empty(),
            operand: None,
            conditions,
            else_result: Some(Box::new(like)),
        };
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
