//! Literals as PostgreSQL types them: whole numbers are `integer` where they fit, else `bigint`, else `numeric`; intervals are read in
//! PostgreSQL's styles. The engine makes every whole number 64 bits wide.
//!
//! The types of a statement follow from its literals, so they are marked in its text and planned by [`Literals`]: everything above them
//! (VALUES, UNION, parameters, tables that are made) gets its type as the engine finds it. A number that is no value, such as a position in
//! ORDER BY or a limit, stays as it is.

use std::ops::ControlFlow;

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr as PlanExpr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, DateTimeField, Distinct, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, LimitClause, NamedWindowExpr, OrderByKind, Query, Select, Statement, Subscript, TableFactor,
    UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use super::error::PgError;
use super::interval::{self, Unit, Units};
use super::names::identifier;
use super::operators;
use super::rewrite::{WHOLE_ROW, call, null};
use super::whole_row;
use crate::runtime::check;

/// Marks a literal in a statement: an operator that nobody can write, with nothing on its right.
const INTEGER: &str = "literal integer";
const NUMERIC: &str = "literal numeric";

/// Digits of the widest number of the engine.
const MAX_DIGITS: usize = 76;

/// Functions that want their numbers as the engine makes them, because they look at them when they are planned.
const LOOKING: &[&str] = &["count", "nth_value"];

/// Functions, and the type of their results.
type Results = (&'static [&'static str], fn() -> DataType);

/// Functions whose result is wider in the engine than in PostgreSQL, or has no sign.
const RESULTS: &[Results] = &[
    (&["row_number", "rank", "dense_rank"], || DataType::BigInt(None)),
    (&["ntile", "array_length", "array_ndims", "array_position", "cardinality"], || DataType::Integer(None)),
];

/// Marks the literals of a statement for [`Literals`].
pub(crate) fn mark(statement: &mut Statement) -> Result<(), PgError> {
    match VisitMut::visit(statement, &mut Marker::default()) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The frames of windows are taken out while the literals of a statement are marked: their numbers are no values.
#[derive(Default)]
struct Marker {
    of_functions: Vec<Option<WindowFrame>>,
    of_selects: Vec<Vec<Option<WindowFrame>>>,
}

/// Puts a frame back, with its intervals in the spelling that the engine reads. A number in quotes is a number.
fn put_back(window: &mut WindowSpec, frame: Option<WindowFrame>) -> Result<(), PgError> {
    window.window_frame = frame;
    let Some(frame) = &mut window.window_frame else { return Ok(()) };
    for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
        if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound
            && let Expr::Interval(literal) = expr.as_mut()
            && !is_number(&literal.value)
        {
            interval(literal)?;
        }
    }
    Ok(())
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) if text.trim().parse::<f64>().is_ok())
}

/// Lets numbers stay as the engine reads them. The mark for that is the suffix of a long number, which has no meaning to the engine.
struct Staying;

impl VisitorMut for Staying {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::Number(_, stays) = &mut value.value {
            *stays = true;
        }
        ControlFlow::Continue(())
    }
}

fn stay_all(expr: &mut Expr) {
    let _ = VisitMut::visit(expr, &mut Staying);
}

/// A number alone stays, if the engine reads it as a whole one; in anything larger numbers are values.
fn stay(expr: &mut Expr) {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(text, stays), .. }) => {
            *stays = digits(text).is_some_and(|digits| digits.parse::<i64>().is_ok());
        }
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => stay(inner),
        _ => {}
    }
}

fn argument_of(argument: &mut FunctionArg) -> Option<&mut Expr> {
    match argument {
        FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg) => match arg {
            FunctionArgExpr::Expr(expr) => Some(expr),
            _ => None,
        },
    }
}

fn function_name(function: &Function) -> String {
    function.name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default()
}

/// A marked literal.
fn marked(literal: Expr, mark: &str) -> Expr {
    Expr::BinaryOp { left: Box::new(literal), op: BinaryOperator::Custom(mark.to_owned()), right: Box::new(null()) }
}

/// The digits of a whole number, without the separators that PostgreSQL 16 allows.
fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The literal with its mark, where it has another type than the engine would give it.
fn number(text: &str, negative: bool) -> Option<Expr> {
    let digits = digits(text)?;
    let signed = if negative { format!("-{digits}") } else { digits.clone() };
    if signed.parse::<i32>().is_ok() {
        let mut literal = Expr::Value(Value::Number(digits, true).into());
        if negative {
            literal = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(literal) };
        }
        return Some(marked(literal, INTEGER));
    }
    (signed.parse::<i64>().is_err() && signed.len() <= MAX_DIGITS)
        .then(|| marked(Expr::Value(Value::SingleQuotedString(signed).into()), NUMERIC))
}

fn unit(field: &DateTimeField) -> Option<Unit> {
    Unit::named(&field.to_string().to_lowercase())
}

/// The interval literal in the one spelling that the engine reads as it is meant.
fn interval(literal: &mut datafusion::sql::sqlparser::ast::Interval) -> Result<(), PgError> {
    signed_interval(literal, 1)
}

/// The same, times `sign`: the engine would give a sign to the first of the fields only.
fn signed_interval(literal: &mut datafusion::sql::sqlparser::ast::Interval, sign: i32) -> Result<(), PgError> {
    let text = match literal.value.as_ref() {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text), .. }) => text,
        Expr::Value(ValueWithSpan { value: Value::Number(text, _), .. }) => text,
        _ => return Ok(()),
    };
    if literal.leading_precision.is_some() {
        return Ok(());
    }
    let first = literal.leading_field.as_ref().map(unit);
    let last = literal.last_field.as_ref().map(unit);
    let units = match (first, last) {
        (None, _) => None,
        (Some(Some(only)), None) => Some(Units { first: only, last: only }),
        (Some(Some(first)), Some(Some(last))) => Some(Units { first, last }),
        // A unit of the engine's own.
        _ => return Ok(()),
    };
    let read = interval::parse(text, units)?;
    let too_far = || PgError::new("22008", "interval out of range");
    let of_sign = |value: i32| value.checked_mul(sign).ok_or_else(too_far);
    let (months, days) = (of_sign(read.months)?, of_sign(read.days)?);
    let nanoseconds = read.nanoseconds.checked_mul(sign.into()).ok_or_else(too_far)?;
    let text = format!("{months} months {days} days {nanoseconds} nanoseconds");
    *literal.value = Expr::Value(Value::SingleQuotedString(text).into());
    literal.leading_field = None;
    literal.last_field = None;
    literal.fractional_seconds_precision = None;
    Ok(())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn named_windows(select: &mut Select) -> impl Iterator<Item = &mut WindowSpec> {
    select.named_window.iter_mut().filter_map(|window| match &mut window.1 {
        NamedWindowExpr::WindowSpec(window) => Some(window),
        NamedWindowExpr::NamedWindow(_) => None,
    })
}

impl VisitorMut for Marker {
    type Break = PgError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<PgError> {
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value)).chain(limit_by).for_each(stay_all);
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => [offset, limit].into_iter().for_each(stay_all),
            None => {}
        }
        if let Some(quantity) = query.fetch.as_mut().and_then(|fetch| fetch.quantity.as_mut()) {
            stay_all(quantity);
        }
        if let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|order| &mut order.kind) {
            order.iter_mut().for_each(|order| stay(&mut order.expr));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<PgError> {
        if let GroupByExpr::Expressions(group, _) = &mut select.group_by {
            for expr in group {
                stay(expr);
                if let Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) = expr {
                    sets.iter_mut().flatten().for_each(stay);
                }
            }
        }
        if let Some(Distinct::On(on)) = &mut select.distinct {
            on.iter_mut().for_each(stay);
        }
        self.of_selects.push(named_windows(select).map(|window| window.window_frame.take()).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<PgError> {
        let frames = self.of_selects.pop().unwrap_or_default();
        match named_windows(select).zip(frames).try_for_each(|(window, frame)| put_back(window, frame)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<PgError> {
        if let TableFactor::Table { args: Some(args), .. } = factor {
            args.args.iter_mut().filter_map(argument_of).for_each(stay_all);
        }
        if let TableFactor::Function { args, .. } = factor {
            args.iter_mut().filter_map(argument_of).for_each(stay_all);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<PgError> {
        let found = match expr {
            Expr::Value(ValueWithSpan { value: Value::Number(text, false), .. }) => number(text, false),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match inner.as_mut() {
                Expr::Value(ValueWithSpan { value: Value::Number(text, false), .. }) => number(text, true),
                Expr::Interval(literal) => {
                    if let Err(error) = signed_interval(literal, -1) {
                        return ControlFlow::Break(error);
                    }
                    Some(Expr::Interval(literal.clone()))
                }
                _ => None,
            },
            // The type of what is cast is not that of the result.
            Expr::Cast { expr: inner, .. } => {
                stay(inner);
                None
            }
            Expr::Interval(literal) => {
                if let Err(error) = interval(literal) {
                    return ControlFlow::Break(error);
                }
                None
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Subscript(Subscript::Index { index }) = access {
                        stay(index);
                    }
                }
                None
            }
            Expr::Function(function) => {
                self.of_functions.push(match &mut function.over {
                    Some(WindowType::WindowSpec(window)) => window.window_frame.take(),
                    _ => None,
                });
                if LOOKING.contains(&function_name(function).as_str())
                    && let FunctionArguments::List(list) = &mut function.args
                {
                    list.args.iter_mut().filter_map(argument_of).for_each(stay);
                }
                None
            }
            _ => None,
        };
        if let Some(found) = found {
            *expr = found;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<PgError> {
        if let Expr::Tuple(values) = expr {
            *expr = call("row", std::mem::take(values));
            return ControlFlow::Continue(());
        }
        if let Expr::Function(function) = expr {
            let frame = self.of_functions.pop().flatten();
            if let Some(WindowType::WindowSpec(window)) = &mut function.over
                && let Err(error) = put_back(window, frame)
            {
                return ControlFlow::Break(error);
            }
            let name = function_name(function);
            if let Some((_, data_type)) = RESULTS.iter().find(|(names, _)| names.contains(&name.as_str())) {
                let result = cast(std::mem::replace(expr, null()), data_type());
                // An empty array has no dimensions.
                *expr = match number("0", false).filter(|_| name == "array_length") {
                    Some(zero) => call("nullif", vec![result, zero]),
                    None => result,
                };
            }
        }
        ControlFlow::Continue(())
    }
}

/// Plans the literals that [`mark`] has marked.
#[derive(Debug)]
pub(crate) struct Literals;

impl ExprPlanner for Literals {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        // Long sums take the engine long, and nobody else is asked on the way.
        check()?;
        let BinaryOperator::Custom(mark) = &expr.op else { return operators::plan(expr, schema) };
        let PlanExpr::Literal(value, metadata) = &expr.left else { return Ok(PlannerResult::Original(expr)) };
        if let (WHOLE_ROW, ScalarValue::Utf8(Some(name))) = (mark.as_str(), value) {
            return whole_row::plan(name, schema).map(PlannerResult::Planned);
        }
        let planned = match (mark.as_str(), value) {
            (INTEGER, ScalarValue::Int64(Some(value))) => i32::try_from(*value).ok().map(|value| ScalarValue::Int32(Some(value))),
            (NUMERIC, ScalarValue::Utf8(Some(digits))) => {
                let precision = u8::try_from(digits.trim_start_matches('-').len()).unwrap_or(u8::MAX);
                let wide = usize::from(precision) > 38;
                let data_type = match wide {
                    true => datafusion::arrow::datatypes::DataType::Decimal256(precision, 0),
                    false => datafusion::arrow::datatypes::DataType::Decimal128(precision, 0),
                };
                Some(value.cast_to(&data_type)?)
            }
            _ => None,
        };
        Ok(match planned {
            Some(value) => PlannerResult::Planned(PlanExpr::Literal(value, metadata.clone())),
            None => PlannerResult::Original(expr),
        })
    }
}
