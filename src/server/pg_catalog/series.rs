//! `generate_series` as a function that gives a list, which the engine unnests: its own takes literals only, and no `numeric`. The
//! rewriter calls it where the bounds are no whole numbers that are written as such.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, ListArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::pg_types::format_type;
use super::time_functions::{DAY, EPOCH};
use crate::server::error::PgError;
use crate::server::settings::{self, Zone};
use crate::server::{encode, inputs, interval, types};

/// The name that the rewriter calls it by.
pub(crate) const NAME: &str = "placido_generate_series";

/// Elements of one list. A list is held in memory as a whole.
const LONGEST: usize = 16_000_000;
/// Elements of the lists of all rows that are computed at a time.
const TOGETHER: usize = 4 * LONGEST;

/// Digits of a `numeric`, and its decimals where nothing tells how many there are.
const DIGITS: u8 = 38;
const DECIMALS: i8 = 10;

const UTC: &str = "UTC";

/// The function. It is called volatile, so that no list becomes a part of a plan: there it would be compared, hashed and shown.
pub(super) fn function() -> ScalarUDF {
    let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
    ScalarUDF::new_from_impl(Series(Signature::one_of(any, Volatility::Volatile)))
}

/// What the type of an argument is to PostgreSQL's choice among the forms of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// A literal in quotes, or NULL: it takes the type that the others leave for it.
    Unknown,
    Small,
    Integer,
    Bigint,
    Numeric,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Other,
}

impl Given {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Given::Unknown,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Given::Small,
            DataType::Int32 | DataType::UInt16 => Given::Integer,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Given::Bigint,
            decimal if decimal.is_decimal() => Given::Numeric,
            DataType::Date32 | DataType::Date64 => Given::Date,
            DataType::Timestamp(_, None) => Given::Timestamp,
            DataType::Timestamp(_, Some(_)) => Given::Timestamptz,
            DataType::Interval(_) | DataType::Duration(_) => Given::Interval,
            _ => Given::Other,
        }
    }

    fn is_time(self) -> bool {
        matches!(self, Given::Date | Given::Timestamp | Given::Timestamptz)
    }
}

/// The form of the function, by what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Bigint,
    Numeric,
    Timestamp,
    Timestamptz,
}

/// Why there is no form for some arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    None,
    Several,
}

/// The form that PostgreSQL chooses.
fn kind(given: &[Given]) -> Result<Kind, Wrong> {
    let (bounds, step) = match given {
        [start, stop] => ([*start, *stop], None),
        [start, stop, step] => ([*start, *stop], Some(*step)),
        _ => return Err(Wrong::None),
    };
    let timed = bounds.iter().any(|bound| bound.is_time());
    let unknown = bounds.iter().all(|bound| *bound == Given::Unknown);
    match step {
        Some(Given::Interval | Given::Unknown) if timed => of_times(&bounds),
        Some(Given::Interval) if unknown => Ok(Kind::Timestamptz),
        None | Some(Given::Unknown) if unknown => Err(Wrong::Several),
        _ => {
            let all = bounds.iter().copied().chain(step);
            let mut widest = Given::Unknown;
            for one in all {
                widest = match (widest, one) {
                    (known, Given::Unknown) => known,
                    (_, Given::Numeric) | (Given::Numeric, Given::Small | Given::Integer | Given::Bigint) => Given::Numeric,
                    (_, Given::Bigint) | (Given::Bigint, Given::Small | Given::Integer) => Given::Bigint,
                    (_, Given::Integer) | (Given::Integer, Given::Small) => Given::Integer,
                    (_, Given::Small) => Given::Small,
                    _ => return Err(Wrong::None),
                };
            }
            match widest {
                Given::Numeric => Ok(Kind::Numeric),
                Given::Bigint => Ok(Kind::Bigint),
                Given::Integer => Ok(Kind::Integer),
                _ => Err(Wrong::Several),
            }
        }
    }
}

/// Days are moments of the session's zone, except beside a time of a clock.
fn of_times(bounds: &[Given]) -> Result<Kind, Wrong> {
    if bounds.iter().any(|bound| !bound.is_time() && *bound != Given::Unknown) {
        return Err(Wrong::None);
    }
    match bounds.contains(&Given::Timestamp) && !bounds.contains(&Given::Timestamptz) {
        true => Ok(Kind::Timestamp),
        false => Ok(Kind::Timestamptz),
    }
}

/// The decimals of an argument. Those of a text are not counted: a parameter's is not known when its type has to be.
fn decimals(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => (*scale).max(0),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => (*scale).max(0),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => DECIMALS,
        _ => 0,
    }
}

/// The elements of the list.
fn element(kind: Kind, types: &[DataType]) -> DataType {
    match kind {
        Kind::Integer => DataType::Int32,
        Kind::Bigint => DataType::Int64,
        Kind::Numeric => {
            // A sum has the decimals of what was added; where the series ends says nothing.
            let both = [0, 2].into_iter().filter_map(|at| types.get(at).map(decimals));
            DataType::Decimal128(DIGITS, both.max().unwrap_or(0))
        }
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// Says which form there is not.
fn refused(wrong: Wrong, fields: &[FieldRef]) -> PgError {
    let named = |field: &FieldRef| match Given::of(field.data_type()) {
        Given::Unknown => "unknown".to_owned(),
        _ => format_type(types::of_field(field).oid(), None),
    };
    let named = fields.iter().map(named).collect::<Vec<_>>().join(", ");
    match wrong {
        Wrong::None => PgError::new("42883", format!("function generate_series({named}) does not exist"))
            .with_hint("No function matches the given name and argument types. You might need to add explicit type casts."),
        Wrong::Several => PgError::new("42725", format!("function generate_series({named}) is not unique"))
            .with_hint("Could not choose a best candidate function. You might need to add explicit type casts."),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Series(Signature);

impl ScalarUDFImpl for Series {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types.iter().map(|known| Arc::new(Field::new("", known.clone(), true))).collect();
        let nothing = vec![None; fields.len()];
        let known = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &nothing };
        Ok(self.return_field_from_args(known)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let given: Vec<Given> = types.iter().map(Given::of).collect();
        let kind = kind(&given).map_err(|wrong| refused(wrong, args.arg_fields))?;
        let element = element(kind, &types);
        Ok(Arc::new(Field::new_list(NAME, Field::new_list_field(element, true), false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let DataType::List(element) = args.return_field.data_type() else {
            return Err(PgError::new("XX000", "a series is no list").into());
        };
        let zone = args.config_options.execution.time_zone.as_deref().unwrap_or(UTC);
        let (values, lengths) = match element.data_type() {
            DataType::Decimal128(_, scale) => numbers(&arrays, *scale, rows)?,
            DataType::Timestamp(_, zoned) => times(&arrays, zoned.is_some().then_some(zone), rows)?,
            whole => integers(&arrays, whole, rows)?,
        };
        let lists = ListArray::try_new(Arc::clone(element), OffsetBuffer::from_lengths(lengths), values, None)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&lists, 0)?),
            false => ColumnarValue::Array(Arc::new(lists)),
        })
    }
}

/// The values of all lists, and how many are in each.
type Made = (ArrayRef, Vec<usize>);

/// Lists of values, in the order of the rows.
struct Lists<T> {
    values: Vec<T>,
    lengths: Vec<usize>,
}

impl<T> Lists<T> {
    fn of(rows: usize) -> Self {
        Self { values: Vec::new(), lengths: Vec::with_capacity(rows) }
    }

    /// Ends the list of a row, which began where `before` values were there.
    fn end(&mut self, before: usize) {
        self.lengths.push(self.values.len() - before);
    }

    /// Refuses a list of so many values.
    fn room(&self, before: usize, length: i128) -> Result<(), PgError> {
        let hint = "Write the bounds as literals, in FROM: such a series is not held in memory.";
        if length > LONGEST as i128 {
            let told = format!("generate_series() would give {length} values, and holds at most {LONGEST} in memory");
            return Err(PgError::new("54000", told).with_hint(hint));
        }
        if before as i128 + length > TOGETHER as i128 {
            let told = format!("generate_series() would give more than {TOGETHER} values for the rows that are read at a time");
            return Err(PgError::new("54000", told).with_hint(hint));
        }
        Ok(())
    }

    /// The list of numbers from `start` to `stop`.
    fn numbers(&mut self, start: i128, stop: i128, step: i128, value: impl Fn(i128) -> T) -> Result<(), PgError> {
        if step == 0 {
            return Err(no_step());
        }
        let before = self.values.len();
        let distance = stop.saturating_sub(start);
        if distance == 0 || (distance > 0) == (step > 0) {
            let steps = distance / step;
            self.room(before, steps.saturating_add(1))?;
            self.values.extend((0..=steps).map(|at| value(start + at * step)));
        }
        self.end(before);
        Ok(())
    }
}

fn no_step() -> PgError {
    PgError::new("22023", "step size cannot equal zero")
}

/// The arguments of a row, if none of them is NULL.
fn row_of<T: Copy>(arguments: &[Vec<Option<T>>], row: usize) -> Option<Vec<T>> {
    arguments.iter().map(|values| values.get(row).copied().flatten()).collect()
}

/// An argument as the type that it is taken for. Times in texts are of `zone`, where they are moments.
fn read(array: &ArrayRef, wanted: &DataType, zone: &str) -> Result<ArrayRef> {
    if Given::of(array.data_type()) != Given::Unknown {
        return Ok(cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })?);
    }
    let texts = cast(array, &DataType::Utf8)?;
    let read = inputs::read(texts.as_string(), &types::of_data_type(wanted), wanted, zone);
    Ok(read.map_err(|(error, _)| error)?)
}

fn integers(arrays: &[ArrayRef], wanted: &DataType, rows: usize) -> Result<Made> {
    let read = |array: &ArrayRef| -> Result<Vec<Option<i64>>> {
        let whole = cast(&read(array, wanted, UTC)?, &DataType::Int64)?;
        Ok(whole.as_primitive::<Int64Type>().iter().collect())
    };
    let arguments = arrays.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut lists = Lists::of(rows);
    for row in 0..rows {
        match row_of(&arguments, row).as_deref() {
            Some([start, stop, step @ ..]) => {
                let step = step.first().copied().unwrap_or(1);
                // What lies between two numbers of a type is of that type.
                lists.numbers((*start).into(), (*stop).into(), step.into(), |value| i64::try_from(value).unwrap_or(*stop))?;
            }
            _ => lists.lengths.push(0),
        }
    }
    let values: ArrayRef = Arc::new(Int64Array::from(lists.values));
    Ok((cast(&values, wanted)?, lists.lengths))
}

fn numbers(arrays: &[ArrayRef], scale: i8, rows: usize) -> Result<Made> {
    // They are compared with as many decimals as the longest of them has.
    let common = arrays.iter().map(|array| decimals(array.data_type())).max().unwrap_or(0).max(scale);
    let read = |array: &ArrayRef| -> Result<Vec<Option<i128>>> {
        let array = read(array, &DataType::Decimal128(DIGITS, common), UTC)?;
        Ok(array.as_primitive::<Decimal128Type>().iter().collect())
    };
    let arguments = arrays.iter().map(read).collect::<Result<Vec<_>>>()?;
    let overflow = || PgError::new("22003", "value overflows numeric format");
    let ten_to = |power: i8| 10_i128.checked_pow(u32::try_from(power).unwrap_or(0)).ok_or_else(overflow);
    let (one, more) = (ten_to(common)?, ten_to(common - scale)?);
    let mut lists = Lists::of(rows);
    for row in 0..rows {
        match row_of(&arguments, row).as_deref() {
            Some([start, stop, step @ ..]) => {
                lists.numbers(*start, *stop, step.first().copied().unwrap_or(one), |value| value / more)?;
            }
            _ => lists.lengths.push(0),
        }
    }
    let values = Decimal128Array::from(lists.values).with_precision_and_scale(DIGITS, scale)?;
    Ok((Arc::new(values), lists.lengths))
}

/// Steps of time; moments are counted by the clocks of `zone`.
fn times(arrays: &[ArrayRef], zone: Option<&str>, rows: usize) -> Result<Made> {
    let [start, stop, step] = arrays else { return Err(PgError::new("XX000", "a series of times without a step").into()) };
    let clocks = zone.and_then(settings::zone).unwrap_or_default();
    let moments = |array: &ArrayRef| -> Result<Vec<Option<i64>>> {
        let is_clock = matches!(Given::of(array.data_type()), Given::Date | Given::Timestamp);
        let zoned = zone.filter(|_| !is_clock).map(|_| UTC.into());
        let array = read(array, &DataType::Timestamp(TimeUnit::Microsecond, zoned), zone.unwrap_or(UTC))?;
        let values = array.as_primitive::<TimestampMicrosecondType>().iter();
        Ok(match zone.is_some() && is_clock {
            true => values.map(|value| value.map(|clock| clocks.instant(clock))).collect(),
            false => values.collect(),
        })
    };
    let bounds = [moments(start)?, moments(stop)?];
    let steps = intervals(step)?;
    let mut lists = Lists::of(rows);
    for row in 0..rows {
        let step = steps.get(row).copied().flatten();
        match (row_of(&bounds, row).as_deref(), step) {
            (Some([start, stop]), Some(step)) => between(&mut lists, *start, *stop, step, clocks)?,
            _ => lists.lengths.push(0),
        }
    }
    let values = TimestampMicrosecondArray::from(lists.values).with_timezone_opt(zone.map(|_| UTC));
    Ok((Arc::new(values), lists.lengths))
}

fn intervals(array: &ArrayRef) -> Result<Vec<Option<IntervalMonthDayNano>>> {
    if Given::of(array.data_type()) != Given::Unknown {
        return Ok(encode::intervals(array)?.as_primitive::<IntervalMonthDayNanoType>().iter().collect());
    }
    let texts = cast(array, &DataType::Utf8)?;
    let read = |text: Option<&str>| text.map(|text| Ok(interval::parse(text, None)?.into())).transpose();
    texts.as_string::<i32>().iter().map(read).collect()
}

/// The list of the times from `start` to `stop`, in microseconds.
fn between(lists: &mut Lists<i64>, start: i64, stop: i64, step: IntervalMonthDayNano, zone: Zone) -> Result<(), PgError> {
    // As PostgreSQL compares intervals: a month has thirty days.
    let days = i128::from(step.months) * 30 + i128::from(step.days);
    let length = days * i128::from(DAY) + i128::from(step.nanoseconds / 1_000);
    if step.months == 0 && step.days == 0 {
        return lists.numbers(start.into(), stop.into(), length, |value| i64::try_from(value).unwrap_or(stop));
    }
    if length == 0 {
        return Err(no_step());
    }
    let (before, mut at, mut count) = (lists.values.len(), start, 0);
    let inside = |at: i64| if length > 0 { at <= stop } else { at >= stop };
    while inside(at) {
        count += 1;
        lists.room(before, count)?;
        lists.values.push(at);
        at = later(at, step, zone).ok_or_else(|| PgError::new("22008", "timestamp out of range"))?;
    }
    lists.end(before);
    Ok(())
}

/// A moment later by months and days of the calendar, and by what clocks run meanwhile. Each counts from where the one before has led.
fn later(moment: i64, step: IntervalMonthDayNano, zone: Zone) -> Option<i64> {
    let mut at = moment;
    if step.months != 0 {
        let clock = zone.clock(at);
        let days = i32::try_from(clock.div_euclid(DAY)).ok()?.checked_add(EPOCH)?;
        let day = NaiveDate::from_num_days_from_ce_opt(days)?;
        let months = Months::new(step.months.unsigned_abs());
        let day = if step.months < 0 { day.checked_sub_months(months)? } else { day.checked_add_months(months)? };
        let days = i64::from(day.num_days_from_ce() - EPOCH);
        at = zone.instant(days.checked_mul(DAY)?.checked_add(clock.rem_euclid(DAY))?);
    }
    if step.days != 0 {
        at = zone.instant(zone.clock(at).checked_add(i64::from(step.days).checked_mul(DAY)?)?);
    }
    at.checked_add(step.nanoseconds / 1_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::common::config::ConfigOptions;

    fn run(values: &[ScalarValue], zone: &str) -> Result<String, PgError> {
        let fields: Vec<FieldRef> = values.iter().map(|value| Arc::new(Field::new("", value.data_type(), true))).collect();
        let literals: Vec<Option<&ScalarValue>> = values.iter().map(Some).collect();
        let series = Series(Signature::variadic_any(Volatility::Volatile));
        let told = |error: datafusion::error::DataFusionError| crate::server::error::sqlstate(&error);
        let known = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &literals };
        let return_field = series.return_field_from_args(known).map_err(told)?;
        let mut config = ConfigOptions::new();
        config.execution.time_zone = Some(zone.to_owned());
        let args = ScalarFunctionArgs {
            args: values.iter().cloned().map(ColumnarValue::Scalar).collect(),
            arg_fields: fields,
            number_rows: 1,
            return_field,
            config_options: Arc::new(config),
        };
        let list = series.invoke_with_args(args).map_err(told)?.to_array(1).map_err(told)?;
        let texts = encode::texts(&list.as_list::<i32>().value(0), settings::zone(zone).unwrap()).map_err(told)?;
        Ok(texts.iter().flatten().collect::<Vec<_>>().join(" | "))
    }

    fn text(text: &str) -> ScalarValue {
        ScalarValue::Utf8(Some(text.to_owned()))
    }

    fn numeric(value: i128, scale: i8) -> ScalarValue {
        ScalarValue::Decimal128(Some(value), 10, scale)
    }

    fn time(written: &str, zone: Option<&str>) -> ScalarValue {
        text(written).cast_to(&DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))).unwrap()
    }

    fn int(value: i32) -> ScalarValue {
        ScalarValue::Int32(Some(value))
    }

    #[test]
    fn numbers_are_those_of_postgres() {
        // PostgreSQL 15: select string_agg(g::text, ' | ') from generate_series(…) g
        let (big, none) = (|value| ScalarValue::Int64(Some(value)), ScalarValue::Int32(None));
        for (values, expected) in [
            (vec![int(1), int(3)], "1 | 2 | 3"),
            (vec![int(3), int(1)], ""),
            (vec![int(3), int(-1), int(-2)], "3 | 1 | -1"),
            (vec![int(i32::MAX - 1), int(i32::MAX)], "2147483646 | 2147483647"),
            (vec![big(i64::MAX - 1), big(i64::MAX)], "9223372036854775806 | 9223372036854775807"),
            (vec![big(i64::MIN), big(i64::MIN + 1), int(3)], "-9223372036854775808"),
            (vec![int(1), none.clone()], ""),
            (vec![int(1), int(3), none], ""),
            (vec![text("1"), int(2)], "1 | 2"),
            (vec![int(1), int(3), text("2")], "1 | 3"),
            (vec![numeric(10, 1), numeric(30, 1), numeric(5, 1)], "1.0 | 1.5 | 2.0 | 2.5 | 3.0"),
            (vec![int(1), numeric(35, 1)], "1 | 2 | 3"),
            (vec![numeric(3, 0), numeric(15, 1), int(-1)], "3 | 2"),
            (vec![numeric(10, 1), numeric(20, 1), text("1")], "1.0000000000 | 2.0000000000"),
        ] {
            assert_eq!(run(&values, "UTC").unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn times_are_those_of_postgres() {
        let month = text("1 month");
        let day = text("1 day");
        let date = |written: &str| text(written).cast_to(&DataType::Date32).unwrap();
        let berlin = "Europe/Berlin";
        let local = |written: &str| time(written, Some(berlin));
        // PostgreSQL 15, with that time zone: select string_agg(g::text, ' | ') from generate_series(…) g
        for (values, expected) in [
            (
                vec![time("2020-01-31", None), time("2020-06-01", None), month],
                "2020-01-31 00:00:00 | 2020-02-29 00:00:00 | 2020-03-29 00:00:00 | 2020-04-29 00:00:00 | 2020-05-29 00:00:00",
            ),
            (vec![date("2020-01-01"), date("2020-01-02"), day.clone()], "2020-01-01 00:00:00+01 | 2020-01-02 00:00:00+01"),
            (
                vec![local("2020-03-28 12:00:00"), local("2020-03-31"), day.clone()],
                "2020-03-28 12:00:00+01 | 2020-03-29 12:00:00+02 | 2020-03-30 12:00:00+02",
            ),
            (
                vec![local("2020-03-28 02:30:00"), local("2020-03-31"), day.clone()],
                "2020-03-28 02:30:00+01 | 2020-03-29 03:30:00+02 | 2020-03-30 03:30:00+02",
            ),
            (
                vec![local("2020-03-29 00:00:00"), local("2020-03-29 04:00:00"), text("1 hour")],
                "2020-03-29 00:00:00+01 | 2020-03-29 01:00:00+01 | 2020-03-29 03:00:00+02 | 2020-03-29 04:00:00+02",
            ),
            (
                vec![time("2020-01-02", None), text("2020-01-01 00:00"), text("-1 day")],
                "2020-01-02 00:00:00 | 2020-01-01 00:00:00",
            ),
            (vec![time("2020-01-02", None), time("2020-01-01", None), day], ""),
        ] {
            assert_eq!(run(&values, berlin).unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_as_postgres_tells_it() {
        let noon = || time("2020-01-01 12:00:00", None);
        for (values, code, message) in [
            (vec![int(1), int(3), int(0)], "22023", "step size cannot equal zero"),
            (vec![numeric(1, 0), int(3), int(0)], "22023", "step size cannot equal zero"),
            (vec![noon(), noon(), text("1 month -30 days")], "22023", "step size cannot equal zero"),
            (vec![noon(), noon(), text("0 hours")], "22023", "step size cannot equal zero"),
            (vec![text("a"), int(3)], "22P02", "invalid input syntax for type integer: \"a\""),
            (vec![int(1)], "42883", "function generate_series(integer) does not exist"),
            (
                vec![noon(), noon()],
                "42883",
                "function generate_series(timestamp without time zone, timestamp without time zone) does not exist",
            ),
            (vec![text("1"), text("2")], "42725", "function generate_series(unknown, unknown) is not unique"),
        ] {
            let told = run(&values, "UTC").unwrap_err();
            assert_eq!((told.code.as_ref(), told.message.as_str()), (code, message), "{values:?}");
        }
    }

    #[test]
    fn what_is_too_long_for_memory_is_refused() {
        for values in [
            vec![int(0), int(16_000_000)],
            vec![numeric(0, 0), int(16), numeric(1, 6)],
            vec![time("1970-01-01", None), time("2020-01-01", None), text("1 second")],
        ] {
            assert_eq!(run(&values, "UTC").unwrap_err().code, "54000", "{values:?}");
        }
    }

    #[test]
    fn forms_are_chosen_as_postgres_chooses_them() {
        use Given::{Bigint, Date, Integer, Interval, Numeric, Other, Small, Timestamp, Timestamptz, Unknown};
        // PostgreSQL 15: select pg_typeof(g) from generate_series(…) g
        for (given, expected) in [
            (vec![Small, Integer], Ok(Kind::Integer)),
            (vec![Small, Small], Err(Wrong::Several)),
            (vec![Bigint, Integer], Ok(Kind::Bigint)),
            (vec![Integer, Bigint, Numeric], Ok(Kind::Numeric)),
            (vec![Unknown, Integer], Ok(Kind::Integer)),
            (vec![Integer, Other], Err(Wrong::None)),
            (vec![Date, Date, Unknown], Ok(Kind::Timestamptz)),
            (vec![Date, Timestamp, Interval], Ok(Kind::Timestamp)),
            (vec![Timestamp, Timestamptz, Interval], Ok(Kind::Timestamptz)),
            (vec![Unknown, Unknown, Interval], Ok(Kind::Timestamptz)),
            (vec![Timestamp, Integer, Interval], Err(Wrong::None)),
            (vec![Integer, Integer, Interval], Err(Wrong::None)),
        ] {
            assert_eq!(kind(&given), expected, "{given:?}");
        }
    }
}
