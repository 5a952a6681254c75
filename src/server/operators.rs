//! Operators that PostgreSQL has and the engine has not, or has with another result: what they are is known when their sides are.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{BinaryExpr, Cast};
use datafusion::logical_expr::planner::{PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::error::PgError;
use super::pg_catalog::{Operator as Op, is_json, jsonb};
use super::quotient::quotient;
use super::types::PG_TYPE_KEY;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Plans an operator on intervals and dates as PostgreSQL does, and those of `jsonb`; any other is left to the engine.
pub(crate) fn plan(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    use BinaryOperator::{Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Plus};
    if let Some(operator) = of_jsonb(&expr, schema) {
        let RawBinaryExpr { op, left, right } = expr;
        let (left, right) = if op == BinaryOperator::ArrowAt { (right, left) } else { (left, right) };
        return Ok(PlannerResult::Planned(jsonb(operator, left, right)));
    }
    if !matches!(expr.op, Divide | Eq | Gt | GtEq | Lt | LtEq | Minus | Modulo | Multiply | NotEq | Plus) {
        return Ok(PlannerResult::Original(expr));
    }
    let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
        return Ok(PlannerResult::Original(expr));
    };
    let RawBinaryExpr { op, left: of_left, right: of_right } = expr;
    let planned = match (&op, &left, &right) {
        // The engine counts the days in 64 bits.
        (Minus, DataType::Date32, DataType::Date32) => {
            let days = Expr::BinaryExpr(BinaryExpr::new(Box::new(of_left), Operator::Minus, Box::new(of_right)));
            Expr::Cast(Cast::new(Box::new(days), DataType::Int32))
        }
        // Days and what is left of one; to the engine it is a number of its own kind.
        (Minus, DataType::Timestamp(..), DataType::Timestamp(..)) => {
            let difference = Expr::BinaryExpr(BinaryExpr::new(Box::new(of_left), Operator::Minus, Box::new(of_right)));
            ScalarUDF::from(Difference::default()).call(vec![difference])
        }
        // A literal in quotes has the type of the other side.
        (Minus, DataType::Timestamp(..), DataType::Utf8) if is_literal(&of_right) => {
            let of_right = Expr::Cast(Cast::new(Box::new(of_right), left));
            return plan(RawBinaryExpr { op, left: of_left, right: of_right }, schema);
        }
        (Eq | Gt | GtEq | Lt | LtEq | NotEq, DataType::Timestamp(_, None), DataType::Utf8) if is_literal(&of_right) => {
            let right = Expr::Cast(Cast::new(Box::new(of_right), left));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left: of_left, right }));
        }
        (Eq | NotEq, DataType::Boolean, DataType::Utf8) if is_literal(&of_right) => {
            let right = Expr::Cast(Cast::new(Box::new(of_right), DataType::Boolean));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left: of_left, right }));
        }
        // A day with a time of the day; the engine would leave out the time.
        (Plus | Minus, DataType::Date32, &INTERVAL) => {
            let operator = if op == Plus { Operator::Plus } else { Operator::Minus };
            Expr::BinaryExpr(BinaryExpr::new(Box::new(midnight(of_left)), operator, Box::new(of_right)))
        }
        (Plus, &INTERVAL, DataType::Date32) => {
            Expr::BinaryExpr(BinaryExpr::new(Box::new(midnight(of_right)), Operator::Plus, Box::new(of_left)))
        }
        (Multiply, &INTERVAL, number) if number.is_numeric() => times(of_left, of_right),
        (Multiply, number, &INTERVAL) if number.is_numeric() => times(of_right, of_left),
        (Divide, &INTERVAL, number) if number.is_numeric() => divided(of_left, of_right),
        (Eq | Gt | GtEq | Lt | LtEq | NotEq | Plus | Minus, &INTERVAL, DataType::Utf8) if is_literal(&of_right) => {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left: of_left, right: as_interval(of_right) }));
        }
        (Eq | Gt | GtEq | Lt | LtEq | NotEq | Plus | Minus, DataType::Utf8, &INTERVAL) if is_literal(&of_left) => {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left: as_interval(of_left), right: of_right }));
        }
        (Eq | Gt | GtEq | Lt | LtEq | NotEq, &INTERVAL, &INTERVAL) => {
            let [left, right] = [of_left, of_right].map(|side| ScalarUDF::from(Span::default()).call(vec![side]));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        (Divide, left, right) if let Some(divided) = quotient(&of_left, &of_right, [left, right]) => divided,
        (Divide | Minus | Modulo | Multiply | Plus, DataType::Utf8, number) if number.is_numeric() && is_literal(&of_left) => {
            let left = Expr::Cast(Cast::new(Box::new(of_left), right));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right: of_right }));
        }
        (Divide | Minus | Modulo | Multiply | Plus, number, DataType::Utf8) if number.is_numeric() && is_literal(&of_right) => {
            let right = Expr::Cast(Cast::new(Box::new(of_right), left));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left: of_left, right }));
        }
        (Minus, DataType::Date32, DataType::Utf8) if is_literal(&of_right) => {
            let of_right = Expr::Cast(Cast::new(Box::new(of_right), left));
            return plan(RawBinaryExpr { op, left: of_left, right: of_right }, schema);
        }
        (Plus, DataType::Timestamp(..), DataType::Utf8) if is_literal(&of_right) => {
            return plan(RawBinaryExpr { op, left: of_left, right: as_interval(of_right) }, schema);
        }
        _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left: of_left, right: of_right })),
    };
    Ok(PlannerResult::Planned(planned))
}

/// The operator of `jsonb` that is meant, if a side is one.
fn of_jsonb(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Op> {
    // What is cast to a text keeps what was known of the value.
    let is_jsonb = |expr: &Expr| {
        !matches!(expr, Expr::Cast(_) | Expr::Literal(..))
            && expr.to_field(schema).is_ok_and(|(_, field)| {
                matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View)
                    && field.metadata().get(PG_TYPE_KEY).is_some_and(|name| name == "jsonb")
            })
    };
    let is_text = |expr: &Expr| {
        expr.get_type(schema).is_ok_and(|found| matches!(found, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8))
    };
    // Beside a text that is no JSON, the value is one too.
    let as_jsonb = |expr: &Expr| matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(text)), _) if is_json(text));
    match expr.op {
        // Texts contain nothing: what is unnested of a list is not known to be jsonb any more.
        BinaryOperator::AtArrow | BinaryOperator::ArrowAt if is_text(&expr.left) && is_text(&expr.right) => Some(Op::Contains),
        BinaryOperator::StringConcat => {
            let both = (is_jsonb(&expr.left), is_jsonb(&expr.right));
            let meant = matches!(both, (true, true)) || both.0 && as_jsonb(&expr.right) || both.1 && as_jsonb(&expr.left);
            meant.then_some(Op::Concatenate)
        }
        BinaryOperator::Minus if is_jsonb(&expr.left) => {
            let names_parts = |data_type: &DataType| {
                data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::List(_))
            };
            expr.right.get_type(schema).is_ok_and(|right| names_parts(&right)).then_some(Op::Delete)
        }
        _ => None,
    }
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

fn as_interval(literal: Expr) -> Expr {
    Expr::Cast(Cast::new(Box::new(literal), INTERVAL))
}

/// The first moment of a day, in units in which all days of PostgreSQL's have one.
fn midnight(day: Expr) -> Expr {
    Expr::Cast(Cast::new(Box::new(day), DataType::Timestamp(TimeUnit::Microsecond, None)))
}

fn times(interval: Expr, number: Expr) -> Expr {
    ScalarUDF::from(Scaled::default()).call(vec![interval, number, lit(false)])
}

fn divided(interval: Expr, number: Expr) -> Expr {
    ScalarUDF::from(Scaled::default()).call(vec![interval, number, lit(true)])
}

/// The time between two timestamps, in days of 24 hours and what is left.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Difference(Signature);

impl Default for Difference {
    fn default() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Difference {
    fn name(&self) -> &str {
        "timestamp_difference"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(between) = args.args.first() else { return Err(PgError::new("XX000", "a difference is missing").into()) };
        let (array, constant) = match between {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let (units_a_day, nanos_a_unit) = match array.data_type() {
            DataType::Duration(TimeUnit::Second) => (86_400, 1_000_000_000),
            DataType::Duration(TimeUnit::Millisecond) => (86_400_000, 1_000_000),
            DataType::Duration(TimeUnit::Microsecond) => (86_400_000_000, 1_000),
            _ => (86_400_000_000_000, 1),
        };
        let units = cast(&array, &DataType::Int64)?;
        let interval = |units: i64| {
            let days = i32::try_from(units / units_a_day).map_err(|_| PgError::new("22008", "interval out of range"))?;
            Ok(IntervalMonthDayNano { months: 0, days, nanoseconds: units % units_a_day * nanos_a_unit })
        };
        let intervals = units.as_primitive::<Int64Type>().iter().map(|units| units.map(interval).transpose());
        let intervals: IntervalMonthDayNanoArray = intervals.collect::<std::result::Result<Vec<_>, PgError>>()?.into();
        let intervals: ArrayRef = Arc::new(intervals);
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&intervals, 0)?),
            false => ColumnarValue::Array(intervals),
        })
    }
}

/// How long an interval is, in microseconds, a month being 30 days and a day 24 hours: by that intervals are compared.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Span(Signature);

impl Default for Span {
    fn default() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &str {
        "interval_span"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        const MICROS_A_DAY: i128 = 86_400_000_000;
        let Some(intervals) = args.args.first() else { return Err(PgError::new("XX000", "an interval is missing").into()) };
        let span = |interval: IntervalMonthDayNano| {
            let days = i128::from(interval.months) * 30 + i128::from(interval.days);
            days * MICROS_A_DAY + i128::from(interval.nanoseconds) / 1_000
        };
        let spans = |array: &ArrayRef| -> ArrayRef {
            let spans = array.as_primitive::<IntervalMonthDayNanoType>().iter().map(|interval| interval.map(span));
            Arc::new(spans.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(38, 0)))
        };
        Ok(match intervals {
            ColumnarValue::Array(array) => ColumnarValue::Array(spans(array)),
            ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(ScalarValue::try_from_array(&spans(&scalar.to_array()?), 0)?),
        })
    }
}

/// An interval times a number, or divided by it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scaled(Signature);

impl Default for Scaled {
    fn default() -> Self {
        Self(Signature::any(3, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        "interval_scaled"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let [interval, number, divides] = args.args.as_slice() else {
            return Err(PgError::new("XX000", "an operator on intervals has other arguments").into());
        };
        let divides = matches!(divides, ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))));
        let intervals = interval.to_array(rows)?;
        let numbers = cast(&number.to_array(rows)?, &DataType::Float64)?;
        let both = intervals.as_primitive::<IntervalMonthDayNanoType>().iter().zip(numbers.as_primitive::<Float64Type>());
        let scaled = both.map(|both| match both {
            (Some(_), Some(0.0)) if divides => Err(PgError::new("22012", "division by zero")),
            (Some(interval), Some(number)) if divides => scaled(interval, |value| value / number).map(Some),
            (Some(interval), Some(number)) => scaled(interval, |value| value * number).map(Some),
            _ => Ok(None),
        });
        let scaled: IntervalMonthDayNanoArray = scaled.collect::<std::result::Result<Vec<_>, PgError>>()?.into();
        let scaled: ArrayRef = Arc::new(scaled);
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&scaled, 0)?),
            false => ColumnarValue::Array(scaled),
        })
    }
}

/// What is left of a month becomes days, thirty a month, and what is left of a day becomes time, as PostgreSQL's `interval_mul` has it.
fn scaled(interval: IntervalMonthDayNano, scale: impl Fn(f64) -> f64) -> std::result::Result<IntervalMonthDayNano, PgError> {
    const DAYS_A_MONTH: f64 = 30.0;
    const SECONDS_A_DAY: f64 = 86_400.0;
    const NANOS_A_SECOND: f64 = 1e9;
    let out_of_range = || PgError::new("22008", "interval out of range");
    let whole = |value: f64| match value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX) {
        true => Ok(value.trunc()),
        false => Err(out_of_range()),
    };
    // To the microsecond, which is what there is in PostgreSQL.
    let rounded = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
    let months = scale(interval.months.into());
    let whole_months = whole(months)?;
    let days = scale(interval.days.into());
    let whole_days = whole(days)?;
    let days_of_months = rounded((months - whole_months) * DAYS_A_MONTH);
    let mut seconds = rounded((days - whole_days + days_of_months - days_of_months.trunc()) * SECONDS_A_DAY);
    let mut more_days = days_of_months.trunc();
    if seconds.abs() >= SECONDS_A_DAY {
        more_days += (seconds / SECONDS_A_DAY).trunc();
        seconds -= (seconds / SECONDS_A_DAY).trunc() * SECONDS_A_DAY;
    }
    let micros = (scale(interval.nanoseconds as f64) / 1e3 + seconds * NANOS_A_SECOND / 1e3).round_ties_even();
    // The largest number of microseconds whose nanoseconds are 64 bits.
    if micros.is_nan() || micros.abs() > 9_223_372_036_854_775.0 {
        return Err(out_of_range());
    }
    let days = whole(whole_days + more_days)?;
    Ok(IntervalMonthDayNano { months: whole_months as i32, days: days as i32, nanoseconds: micros as i64 * 1_000 })
}
