//! The parameters of a statement: which there are, and what the statement says of their types.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use pgwire::api::Type;

use super::calls::{self, Argument};
use super::error::PgError;
use super::{names, pg_catalog, rewrite, types};

/// Finds the parameters of a statement: `$3` means that there are three, `$3::date` that the third is a date.
pub(crate) struct Placeholders<'a> {
    types: &'a mut Vec<Option<Type>>,
    /// Whether one of unknown type stands where the type of something else tells its own: see [`Compared`].
    any: bool,
    error: Option<PgError>,
}

impl Placeholders<'_> {
    /// Makes room for the types of all parameters. Returns whether one of unknown type stands where the type of something else tells
    /// its own.
    pub(crate) fn complete(statement: &mut ast::Statement, types: &mut Vec<Option<Type>>) -> Result<bool, PgError> {
        let mut finder = Placeholders { types, any: false, error: None };
        let _ = VisitMut::visit(statement, &mut finder);
        finder.error.map_or(Ok(finder.any), Err)
    }

    /// Whether an expression is a parameter of unknown type.
    fn is_unknown(&self, expr: &ast::Expr) -> bool {
        placeholder(expr).and_then(|number| self.types.get(number - 1)).is_some_and(Option::is_none)
    }

    /// Notes what the arguments of a call are.
    fn call(&mut self, name: &ast::ObjectName, arguments: &[ast::FunctionArg]) {
        let Some(function) = name.0.last().and_then(|part| part.as_ident()).map(names::identifier) else { return };
        for (position, argument) in arguments.iter().enumerate() {
            let Some((expr, named)) = given(argument).filter(|(expr, _)| self.is_unknown(expr)) else { continue };
            let others_unknown = |other: &usize| arguments.get(*other).and_then(given).is_none_or(|(other, _)| !is_typed(other));
            match calls::argument(&function, arguments.len(), position, named.as_deref()) {
                Some(Argument::Of(pg_type)) => self.is(Some(expr), &pg_type),
                Some(Argument::Like(other, fallback)) if others_unknown(&other) => {
                    fallback.iter().for_each(|pg_type| self.is(Some(expr), pg_type));
                }
                Some(Argument::Like(..) | Argument::ElementOf(_) | Argument::AddedTo(_)) => self.any = true,
                None => {}
            }
        }
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
        if let Some(fetch) = &query.fetch {
            self.is(fetch.quantity.as_ref(), &Type::INT8);
        }
        if let ast::SetExpr::Values(values) = query.body.as_ref() {
            self.any |= values.rows.iter().flat_map(|row| &row.content).any(|value| self.is_unknown(value));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        let conditions = [&select.selection, &select.having, &select.qualify];
        conditions.into_iter().for_each(|condition| self.is(condition.as_ref(), &Type::BOOL));
        for join in select.from.iter().flat_map(|table| &table.joins) {
            use ast::JoinOperator::{FullOuter, Inner, Join, Left, LeftOuter, Right, RightOuter};
            if let Join(on) | Inner(on) | Left(on) | LeftOuter(on) | Right(on) | RightOuter(on) | FullOuter(on) =
                &join.join_operator
                && let ast::JoinConstraint::On(condition) = on
            {
                self.is(Some(condition), &Type::BOOL);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<()> {
        if let ast::TableFactor::Table { name, args: Some(args), .. } = factor {
            self.call(name, &args.args);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        use ast::{BinaryOperator, Expr, UnaryOperator};
        match expr {
            Expr::Cast { expr: inner, data_type, .. } => {
                if let Some(known) = named_type(data_type) {
                    self.is(Some(inner), &known);
                }
            }
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => self.any |= self.is_unknown(right),
            Expr::Case { operand: Some(_), conditions, .. } => {
                self.any |= conditions.iter().any(|condition| self.is_unknown(&condition.condition));
            }
            Expr::Case { operand: None, conditions, .. } => {
                for condition in conditions.iter() {
                    self.is(Some(&condition.condition), &Type::BOOL);
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner }
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.is(Some(inner), &Type::BOOL),
            Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor, right } => {
                self.is(Some(left), &Type::BOOL);
                self.is(Some(right), &Type::BOOL);
            }
            Expr::BinaryOp { left, op, right } if computed(op).is_some() => {
                self.any |= self.is_unknown(left) || self.is_unknown(right);
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain.iter() {
                    let ast::AccessExpr::Subscript(subscript) = access else { continue };
                    let bounds = match subscript {
                        ast::Subscript::Index { index } => [Some(index), None],
                        ast::Subscript::Slice { lower_bound, upper_bound, .. } => [lower_bound.as_ref(), upper_bound.as_ref()],
                    };
                    bounds.into_iter().for_each(|bound| self.is(bound, &Type::INT4));
                }
            }
            Expr::Between { expr: inner, .. } => self.any |= self.is_unknown(inner),
            // Without a length, PostgreSQL takes what stands behind FROM for a pattern.
            Expr::Substring { substring_from, substring_for, shorthand, .. } if *shorthand || substring_for.is_some() => {
                self.is(substring_from.as_deref(), &Type::INT4);
                self.is(substring_for.as_deref(), &Type::INT4);
            }
            Expr::Overlay { overlay_from, overlay_for, .. } => {
                self.is(Some(overlay_from), &Type::INT4);
                self.is(overlay_for.as_deref(), &Type::INT4);
            }
            Expr::Function(function) => {
                self.is(function.filter.as_deref(), &Type::BOOL);
                if let ast::FunctionArguments::List(list) = &function.args {
                    self.call(&function.name, &list.args);
                }
            }
            _ => {}
        }
        self.any |= alternatives(expr).is_some_and(|values| values.iter().any(|value| self.is_unknown(value)));
        ControlFlow::Continue(())
    }
}

/// A call's argument and its name, where it has one.
fn given(argument: &ast::FunctionArg) -> Option<(&ast::Expr, Option<String>)> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some((expr, None)),
        ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(expr), .. } => {
            Some((expr, Some(names::identifier(name))))
        }
        ast::FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg: ast::FunctionArgExpr::Expr(expr), .. } => {
            Some((expr, Some(names::identifier(name))))
        }
        _ => None,
    }
}

/// What the operand of an operator is, by the type of the other one.
type ByOther = fn(&Type) -> Option<Type>;

/// What operands of arithmetic have to do with each other. PostgreSQL takes one of unknown type for the other's, where there is such
/// an operator.
fn computed(op: &ast::BinaryOperator) -> Option<ByOther> {
    match op {
        ast::BinaryOperator::Plus => Some(added),
        ast::BinaryOperator::Multiply | ast::BinaryOperator::Divide => {
            Some(|other| Some(if *other == Type::INTERVAL { Type::FLOAT8 } else { other.clone() }))
        }
        ast::BinaryOperator::Minus | ast::BinaryOperator::Modulo => Some(|other| Some(other.clone())),
        ast::BinaryOperator::PGExp => Some(|other| Some(if *other == Type::NUMERIC { Type::NUMERIC } else { Type::FLOAT8 })),
        _ => None,
    }
}

/// The values of an expression of which one is chosen, or with which others are compared: they have one type.
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
        ast::Expr::Array(array) => Some(array.elem.iter().collect()),
        _ => None,
    }
}

/// Whether an expression says what type it has, which a parameter, NULL and a text in quotes do not.
fn is_typed(expr: &ast::Expr) -> bool {
    let untyped = |value: &ast::Value| matches!(value, ast::Value::Null | ast::Value::SingleQuotedString(_));
    placeholder(expr).is_none() && !matches!(expr, ast::Expr::Value(value) if untyped(&value.value))
}

/// Compares parameters with what has their type, so that the engine finds it: `x = ANY ($1)` becomes `x = $1`, and elsewhere `$1` a CASE
/// of the comparison with `x` and of `x`.
pub(crate) struct Compared<'a> {
    types: &'a [Option<Type>],
    /// The indices of the parameters, and what each is by the type that the engine finds.
    found: Vec<(usize, ByOther)>,
}

impl<'a> Compared<'a> {
    /// Changes a statement of which the rest is to be thrown away. Returns the parameters whose types the engine will find, and what
    /// each of them is by the found type.
    pub(crate) fn in_statement(statement: &mut ast::Statement, types: &'a [Option<Type>]) -> Vec<(usize, ByOther)> {
        let mut compared = Self { types, found: Vec::new() };
        let _ = VisitMut::visit(statement, &mut compared);
        compared.found
    }

    fn unknown(&self, expr: &ast::Expr) -> Option<usize> {
        let index = placeholder(expr)? - 1;
        self.types.get(index).is_some_and(Option::is_none).then_some(index)
    }

    /// What stands for a parameter that has the type of `like`.
    fn beside(&mut self, parameter: &ast::Expr, like: &ast::Expr, is: ByOther) -> Option<ast::Expr> {
        self.found.push((self.unknown(parameter)?, is));
        let like = || Box::new(ast::Expr::Nested(Box::new(like.clone())));
        let condition = ast::Expr::BinaryOp { left: like(), op: ast::BinaryOperator::Eq, right: Box::new(parameter.clone()) };
        Some(ast::Expr::Case {
            case_token: ast::helpers::attached_token::AttachedToken::empty(),
            end_token: ast::helpers::attached_token::AttachedToken::empty(),
            operand: None,
            conditions: vec![ast::CaseWhen { condition, result: *like() }],
            else_result: Some(like()),
        })
    }

    /// Of values that have one type, the parameters among them.
    fn alike(&mut self, mut values: Vec<&mut ast::Expr>) {
        let Some(like) = values.iter().find(|value| is_typed(value)).map(|like| (**like).clone()) else { return };
        for value in &mut values {
            if let Some(stands) = self.beside(value, &like, same) {
                **value = stands;
            }
        }
    }

    fn call(&mut self, name: &ast::ObjectName, arguments: &mut [ast::FunctionArg]) -> Option<ast::Expr> {
        let function = name.0.last().and_then(|part| part.as_ident()).map(names::identifier)?;
        let count = arguments.len();
        let mut first = None;
        for position in 0..count {
            let Some((parameter, named)) = arguments.get(position).and_then(given) else { continue };
            if self.unknown(parameter).is_none() {
                continue;
            }
            let other =
                |at: usize| arguments.get(at).and_then(given).map(|(other, _)| other).filter(|other| is_typed(other)).cloned();
            let argument = calls::argument(&function, count, position, named.as_deref());
            let is = match argument {
                Some(Argument::AddedTo(_)) => added,
                _ => same,
            };
            let like = match argument {
                Some(Argument::Like(at, _) | Argument::AddedTo(at)) => other(at),
                Some(Argument::ElementOf(at)) => other(at).map(|list| {
                    let index = ast::Expr::Value(ast::Value::Number("1".to_owned(), false).into());
                    let access_chain = vec![ast::AccessExpr::Subscript(ast::Subscript::Index { index })];
                    ast::Expr::CompoundFieldAccess { root: Box::new(ast::Expr::Nested(Box::new(list))), access_chain }
                }),
                _ => None,
            };
            let parameter = parameter.clone();
            let Some((stands, like)) = like.and_then(|like| Some((self.beside(&parameter, &like, is)?, like))) else { continue };
            let stands = match argument {
                // Of two moments, what is added is the difference.
                Some(Argument::AddedTo(_)) => difference(stands, like),
                _ => stands,
            };
            first.get_or_insert_with(|| stands.clone());
            if let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))) = arguments.get_mut(position) {
                *expr = stands;
            }
        }
        first
    }
}

fn difference(left: ast::Expr, right: ast::Expr) -> ast::Expr {
    ast::Expr::BinaryOp {
        left: Box::new(left),
        op: ast::BinaryOperator::Minus,
        right: Box::new(ast::Expr::Nested(Box::new(right))),
    }
}

fn added(other: &Type) -> Option<Type> {
    match *other {
        Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::TIME | Type::TIMETZ => Some(Type::INTERVAL),
        Type::DATE => None,
        _ => Some(other.clone()),
    }
}

fn same(other: &Type) -> Option<Type> {
    Some(other.clone())
}

impl VisitorMut for Compared<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if let ast::SetExpr::Values(values) = query.body.as_mut() {
            for column in 0..values.rows.first().map_or(0, |row| row.content.len()) {
                self.alike(values.rows.iter_mut().filter_map(|row| row.content.get_mut(column)).collect());
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<()> {
        if let ast::TableFactor::Table { name, args: Some(args), .. } = factor {
            self.call(name, &mut args.args);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::AnyOp { left, compare_op, right, .. } | ast::Expr::AllOp { left, compare_op, right } => {
                if let Some(index) = self.unknown(right) {
                    self.found.push((index, types::array_of));
                    *expr = ast::Expr::BinaryOp { left: left.clone(), op: compare_op.clone(), right: right.clone() };
                }
            }
            ast::Expr::BinaryOp { left, op, right } => {
                let Some(is) = computed(op) else { return ControlFlow::Continue(()) };
                let (parameter, other) = match self.unknown(left) {
                    Some(_) => (left, right),
                    None => (right, left),
                };
                if is_typed(other)
                    && let Some(stands) = self.beside(parameter, other, is)
                {
                    // The difference of two moments is no moment.
                    *expr = match op {
                        ast::BinaryOperator::Minus => difference(stands, other.as_ref().clone()),
                        _ => stands,
                    };
                }
            }
            ast::Expr::Function(function) => {
                let in_window = function.over.is_some();
                if let ast::FunctionArguments::List(list) = &mut function.args
                    && let Some(stands) = self.call(&function.name, &mut list.args)
                    // The engine takes no computed ones there.
                    && in_window
                {
                    *expr = stands;
                } else if alternatives(expr).is_some()
                    && let ast::Expr::Function(function) = expr
                {
                    self.alike(rewrite::arguments_mut(function).unwrap_or_default());
                }
            }
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                if let Some(operand) = operand {
                    let compared = conditions.iter_mut().map(|condition| &mut condition.condition);
                    self.alike(std::iter::once(operand.as_mut()).chain(compared).collect());
                }
                let results = conditions.iter_mut().map(|condition| &mut condition.result);
                self.alike(results.chain(else_result.as_deref_mut()).collect());
            }
            ast::Expr::Between { expr: inner, low, high, .. } => self.alike(vec![inner, low, high]),
            ast::Expr::Array(array) => self.alike(array.elem.iter_mut().collect()),
            _ => {}
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
