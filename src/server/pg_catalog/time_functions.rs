//! Functions of times in PostgreSQL's way: `age`, `timezone`, those that make times of their parts, and those that read and write them
//! by a pattern ([`time_formats`](super::time_formats)).

use chrono::{Datelike, NaiveDate};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, FieldRef, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::Backend;
use super::functions::{Arguments, Function, Returns, function, text};
use super::number_formats::{self, Number};
use super::time_formats::{self, Parts};
use crate::server::error::PgError;
use crate::server::settings;
use crate::server::types::PG_TYPE_KEY;

const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
/// Days from the beginning of the calendar of chrono to 1970-01-01.
pub(super) const EPOCH: i32 = 719_163;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("age", Returns::By(of_age), age),
    function("timezone", Returns::By(of_timezone), timezone),
    function("placido_make_date", Returns::Of("date"), |_, arguments, row| {
        let Some([year, month, day]) = integers(arguments, row)? else { return Ok(ScalarValue::Date32(None)) };
        Ok(ScalarValue::Date32(Some(date(year, month, day)?)))
    }),
    function("placido_make_time", Returns::Of("time"), |_, arguments, row| {
        let (Some([hour, minute]), Some(seconds)) = (integers(arguments, row)?, float(arguments, 2, row)?) else {
            return Ok(ScalarValue::Time64Microsecond(None));
        };
        Ok(ScalarValue::Time64Microsecond(Some(time(hour, minute, seconds)?)))
    }),
    function("make_timestamp", Returns::Of("timestamp"), |_, arguments, row| {
        Ok(ScalarValue::TimestampMicrosecond(made(arguments, row)?, None))
    }),
    function("make_timestamptz", Returns::Of("timestamptz"), |_, arguments, row| {
        let zone = match arguments.len() > 6 {
            true => arguments.text(6, row).map(|name| zone(&name)).transpose()?,
            false => Some(arguments.zone()),
        };
        let made = made(arguments, row)?.zip(zone).map(|(local, zone)| zone.instant(local));
        Ok(ScalarValue::TimestampMicrosecond(made, Some("UTC".into())))
    }),
    function("make_interval", Returns::Of("interval"), make_interval),
    function("placido_to_timestamp", Returns::By(of_to_timestamp), to_timestamp),
    function("placido_to_date", Returns::Of("date"), |_, arguments, row| {
        let (Some(written), Some(pattern)) = (arguments.text(0, row), arguments.text(1, row)) else {
            let Some(moment) = moment(arguments, 0, row)? else { return Ok(ScalarValue::Date32(None)) };
            return Ok(ScalarValue::Date32(i32::try_from(moment.micros.div_euclid(DAY)).ok()));
        };
        let micros = time_formats::read(&written, &pattern)?.micros;
        Ok(ScalarValue::Date32(i32::try_from(micros.div_euclid(DAY)).ok()))
    }),
    function("placido_to_char", Returns::Text, to_char),
];

/// A point in time, in microseconds since 1970.
pub(super) struct Moment {
    pub(super) micros: i64,
    /// Whether it is one in UTC, as opposed to what a clock somewhere shows.
    pub(super) zoned: bool,
}

pub(super) fn moment(arguments: &Arguments, index: usize, row: usize) -> Result<Option<Moment>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    let one = array.slice(row, 1);
    let zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
    let wanted = DataType::Timestamp(TimeUnit::Microsecond, zoned.then(|| "UTC".into()));
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let micros = cast_with_options(&one, &wanted, &options).map_err(|error| {
        let written = arguments.text(index, row).unwrap_or_default();
        match array.data_type() {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                PgError::new("22007", format!("invalid input syntax for type timestamp: \"{written}\"")).into()
            }
            _ => datafusion::error::DataFusionError::from(error),
        }
    })?;
    Ok(Some(Moment { micros: micros.as_primitive::<TimestampMicrosecondType>().value(0), zoned }))
}

fn zone(name: &str) -> Result<settings::Zone, PgError> {
    // In this place an offset says, as in POSIX, how far west a zone is.
    let turned = match name.trim().as_bytes() {
        [b'+', digit, ..] if digit.is_ascii_digit() => Some(name.trim().replacen('+', "-", 1)),
        [b'-', digit, ..] if digit.is_ascii_digit() => Some(name.trim().replacen('-', "+", 1)),
        _ => None,
    };
    settings::zone(turned.as_deref().unwrap_or(name))
        .ok_or_else(|| PgError::new("22023", format!("time zone \"{name}\" not recognized")))
}

/// The first arguments as whole numbers; nothing where one of them is NULL.
fn integers<const N: usize>(arguments: &Arguments, row: usize) -> Result<Option<[i64; N]>> {
    let mut values = [0; N];
    for (index, value) in values.iter_mut().enumerate() {
        *value = match arguments.int(index, row) {
            Some(found) => found,
            None if arguments.is_null(index, row) => return Ok(None),
            None => {
                let written = arguments.text(index, row).unwrap_or_default();
                return Err(PgError::new("22P02", format!("invalid input syntax for type integer: \"{written}\"")).into());
            }
        };
    }
    Ok(Some(values))
}

fn float(arguments: &Arguments, index: usize, row: usize) -> Result<Option<f64>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    let value = cast_with_options(&array.slice(row, 1), &DataType::Float64, &CastOptions::default())?;
    Ok(value.is_valid(0).then(|| value.as_primitive::<Float64Type>().value(0)))
}

/// The day of a date. Years below zero are those before Christ, of which there is no year zero.
fn date(year: i64, month: i64, day: i64) -> Result<i32, PgError> {
    let wrong = || PgError::new("22008", format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let counted = if year < 0 { year + 1 } else { year };
    let found = (year != 0).then(|| {
        let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
        NaiveDate::from_ymd_opt(i32::try_from(counted).ok()?, month, day)
    });
    found.flatten().map(|date| date.num_days_from_ce() - EPOCH).ok_or_else(wrong)
}

/// The time of a day; its end is one.
fn time(hour: i64, minute: i64, seconds: f64) -> Result<i64, PgError> {
    let micros = (seconds * 1e6).round_ties_even();
    let possible = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60e6).contains(&micros);
    let total = (hour * 3_600 + minute * 60).saturating_mul(SECOND).saturating_add(micros as i64);
    match possible && total <= DAY {
        true => Ok(total),
        false => Err(PgError::new("22008", format!("time field value out of range: {hour}:{minute:02}:{seconds:02}"))),
    }
}

fn made(arguments: &Arguments, row: usize) -> Result<Option<i64>> {
    let (Some([year, month, day, hour, minute]), Some(seconds)) = (integers(arguments, row)?, float(arguments, 5, row)?) else {
        return Ok(None);
    };
    Ok(Some(i64::from(date(year, month, day)?) * DAY + time(hour, minute, seconds)?))
}

fn interval(months: i32, days: i32, micros: i64) -> Result<ScalarValue> {
    let nanoseconds = micros.checked_mul(1_000).ok_or_else(|| PgError::new("22008", "interval out of range"))?;
    Ok(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds })))
}

fn make_interval(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let out_of_range = || PgError::new("22008", "interval out of range");
    let mut parts = [0_i64; 6];
    for (index, part) in parts.iter_mut().enumerate().take(arguments.len()) {
        match arguments.int(index, row) {
            Some(value) => *part = value,
            None => return Ok(ScalarValue::IntervalMonthDayNano(None)),
        }
    }
    let seconds = match arguments.len() > 6 {
        true => float(arguments, 6, row)?,
        false => Some(0.0),
    };
    let Some(seconds) = seconds else { return Ok(ScalarValue::IntervalMonthDayNano(None)) };
    let [years, months, weeks, days, hours, minutes] = parts;
    let small = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok()).ok_or_else(out_of_range);
    let months = small(years.checked_mul(12).and_then(|years| years.checked_add(months)))?;
    let days = small(weeks.checked_mul(7).and_then(|weeks| weeks.checked_add(days)))?;
    let clock = hours
        .checked_mul(3_600)
        .and_then(|hours| minutes.checked_mul(60)?.checked_add(hours))
        .and_then(|seconds| seconds.checked_mul(SECOND));
    let micros = clock.and_then(|clock| clock.checked_add((seconds * 1e6).round_ties_even() as i64)).ok_or_else(out_of_range)?;
    interval(months, days, micros)
}

fn is_text(field: &FieldRef) -> bool {
    matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// The age of a transaction is a number.
fn of_age(fields: &[FieldRef]) -> &'static str {
    match fields {
        [one] if one.metadata().get(PG_TYPE_KEY).is_some_and(|name| name == "xid") || one.data_type().is_numeric() => "int4",
        _ => "interval",
    }
}

fn age(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    if arguments.len() == 1 && arguments.array(0).is_some_and(|array| array.data_type().is_numeric()) {
        // Transactions are not counted: all that there are are those from before all others, which are infinitely old.
        return Ok(ScalarValue::Int32(arguments.int(0, row).map(|_| i32::MAX)));
    }
    let local = |moment: Moment| match moment.zoned {
        true => arguments.zone().clock(moment.micros),
        false => moment.micros,
    };
    let Some(first) = moment(arguments, 0, row)?.map(local) else { return Ok(ScalarValue::IntervalMonthDayNano(None)) };
    let (later, earlier) = match arguments.len() {
        // Since the beginning of this day.
        1 => {
            let now = chrono::Utc::now().timestamp_micros();
            (arguments.zone().clock(now).div_euclid(DAY) * DAY, Some(first))
        }
        _ => (first, moment(arguments, 1, row)?.map(local)),
    };
    let Some(earlier) = earlier else { return Ok(ScalarValue::IntervalMonthDayNano(None)) };
    let (months, days, micros) = between(later, earlier)?;
    interval(months, days, micros)
}

/// Years and months as the calendar counts them, and what is left (PostgreSQL's `timestamp_age`).
fn between(first: i64, second: i64) -> Result<(i32, i32, i64), PgError> {
    let swapped = first < second;
    let (later, earlier) = if swapped { (second, first) } else { (first, second) };
    let out_of_range = || PgError::new("22008", "timestamp out of range");
    let day = |micros: i64| {
        let days = i32::try_from(micros.div_euclid(DAY)).ok()?.checked_add(EPOCH)?;
        NaiveDate::from_num_days_from_ce_opt(days)
    };
    let (to, from) = (day(later).ok_or_else(out_of_range)?, day(earlier).ok_or_else(out_of_range)?);
    let month_of = |date: NaiveDate| date.year() * 12 + date.month0() as i32;
    let mut micros = later.rem_euclid(DAY) - earlier.rem_euclid(DAY);
    let mut days = to.day() as i32 - from.day() as i32;
    let mut months = month_of(to) - month_of(from);
    if micros < 0 {
        (micros, days) = (micros + DAY, days - 1);
    }
    if days < 0 {
        // The month in which the earlier one lies lends its days.
        days += length_of_month(from);
        months -= 1;
    }
    Ok(if swapped { (-months, -days, -micros) } else { (months, days, micros) })
}

fn length_of_month(date: NaiveDate) -> i32 {
    let (year, month) = if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) };
    NaiveDate::from_ymd_opt(year, month, 1).and_then(|next| next.pred_opt()).map_or(30, |last| last.day() as i32)
}

/// A clock's time becomes an instant, and the other way round.
fn of_timezone(fields: &[FieldRef]) -> &'static str {
    match fields.get(1).map(|field| field.data_type()) {
        Some(DataType::Timestamp(_, None)) => "timestamptz",
        _ => "timestamp",
    }
}

fn timezone(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let becomes_instant = arguments.array(1).is_some_and(|array| matches!(array.data_type(), DataType::Timestamp(_, None)));
    let result = |micros: Option<i64>| ScalarValue::TimestampMicrosecond(micros, becomes_instant.then(|| "UTC".into()));
    let (false, Some(moment)) = (arguments.is_null(0, row), moment(arguments, 1, row)?) else { return Ok(result(None)) };
    let offset = match arguments.array(0).map(|array| (array, array.data_type())) {
        Some((array, DataType::Interval(IntervalUnit::MonthDayNano))) => {
            let interval = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            if interval.months != 0 || interval.days != 0 {
                return Err(PgError::new("22023", "interval time zone must not include months or days").into());
            }
            Some(interval.nanoseconds / 1_000)
        }
        _ => None,
    };
    let zone = match offset {
        Some(_) => settings::Zone::default(),
        None => zone(&arguments.text(0, row).unwrap_or_default())?,
    };
    let east = offset.unwrap_or(0);
    Ok(result(Some(match (becomes_instant, moment.zoned) {
        (true, _) => zone.instant(moment.micros) - east,
        (false, true) => zone.clock(moment.micros) + east,
        // A date or a text is one in the session's zone.
        (false, false) => zone.clock(arguments.zone().instant(moment.micros)) + east,
    })))
}

/// A pattern or a number of seconds gives an instant.
fn of_to_timestamp(fields: &[FieldRef]) -> &'static str {
    match fields {
        [one] if is_text(one) || one.data_type().is_temporal() => "timestamp",
        _ => "timestamptz",
    }
}

fn to_timestamp(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let utc = || Some("UTC".into());
    let is_time = arguments.array(0).is_some_and(|array| !array.data_type().is_numeric());
    match (arguments.len(), is_time) {
        (1, true) => Ok(ScalarValue::TimestampMicrosecond(moment(arguments, 0, row)?.map(|moment| moment.micros), None)),
        (1, false) => {
            let Some(seconds) = float(arguments, 0, row)? else { return Ok(ScalarValue::TimestampMicrosecond(None, utc())) };
            let micros = (seconds * 1e6).round_ties_even();
            match micros.abs() < 9.2e18 {
                true => Ok(ScalarValue::TimestampMicrosecond(Some(micros as i64), utc())),
                false => Err(PgError::new("22008", format!("timestamp out of range: \"{seconds}\"")).into()),
            }
        }
        _ => {
            let (Some(written), Some(pattern)) = (arguments.text(0, row), arguments.text(1, row)) else {
                return Ok(ScalarValue::TimestampMicrosecond(None, utc()));
            };
            let read = time_formats::read(&written, &pattern)?;
            let instant = match read.east {
                Some(seconds) => read.micros - i64::from(seconds) * SECOND,
                None => arguments.zone().instant(read.micros),
            };
            Ok(ScalarValue::TimestampMicrosecond(Some(instant), utc()))
        }
    }
}

fn to_char(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let (false, Some(pattern)) = (arguments.is_null(0, row), arguments.text(1, row)) else { return text(None::<String>) };
    let Some(array) = arguments.array(0) else { return text(None::<String>) };
    match array.data_type() {
        number if number.is_numeric() => {
            let written = arguments.text(0, row).unwrap_or_default();
            // Integers are written by way of floating-point numbers where there is an exponent.
            let exact = !number.is_floating() && !number.is_integer();
            return text(Some(number_formats::write(Number { written: &written, exact }, &pattern)?));
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let one = crate::server::encode::intervals(&array.slice(row, 1))?;
            let interval = one.as_primitive::<IntervalMonthDayNanoType>().value(0);
            let parts = Parts::of_interval(interval.months, interval.days, interval.nanoseconds / 1_000);
            return text(Some(time_formats::write_interval(&parts, &pattern)?));
        }
        _ => {}
    }
    let Some(moment) = moment(arguments, 0, row)? else { return text(None::<String>) };
    let zone = arguments.zone();
    let parts = match moment.zoned {
        true => Parts::of_time(zone.clock(moment.micros)).with_zone(arguments.zone_name(), zone.offset_seconds(moment.micros)),
        false => Parts::of_time(moment.micros),
    };
    text(Some(time_formats::write(&parts, &pattern)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        time_formats::read(text, "YYYY-MM-DD HH24:MI:SS").unwrap().micros
    }

    #[test]
    fn ages_are_those_of_postgres() {
        // PostgreSQL 15: select age(timestamp …, timestamp …)
        for (later, earlier, expected) in [
            ("2024-03-01 00:00:00", "2024-01-31 00:00:00", (1, 1, 0)),
            ("2024-01-31 00:00:00", "2024-03-01 00:00:00", (-1, -1, 0)),
            ("2024-01-01 10:00:00", "2023-12-31 11:30:00", (0, 0, 81_000 * SECOND)),
            ("2001-04-10 00:00:00", "1957-06-13 00:00:00", (525, 27, 0)),
        ] {
            assert_eq!(between(micros(later), micros(earlier)).unwrap(), expected, "{later}");
        }
    }
}
