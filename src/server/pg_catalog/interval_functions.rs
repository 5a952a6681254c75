//! Functions of intervals and spans of time in PostgreSQL's way: `justify_days` and its like, OVERLAPS, `isfinite`, `timeofday`.

use std::cmp::Ordering;

use chrono::{Datelike, Months, NaiveDate, Utc};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::functions::{Arguments, Function, Returns, function, text};
use super::time_formats::{self, Parts};
use super::time_functions::{DAY, EPOCH, moment};
use crate::server::error::PgError;
use crate::server::{encode, interval};

const DAYS_A_MONTH: i32 = 30;
const DAY_NANOS: i64 = DAY * 1_000;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("justify_days", Returns::Of("interval"), |_, arguments, row| justified(arguments, row, justify_days)),
    function("justify_hours", Returns::Of("interval"), |_, arguments, row| justified(arguments, row, justify_hours)),
    function("justify_interval", Returns::Of("interval"), |_, arguments, row| justified(arguments, row, justify_interval)),
    function("isfinite", Returns::Bool, |_, arguments, row| {
        // No value that the engine holds is infinite.
        Ok(ScalarValue::Boolean((!arguments.is_null(0, row)).then_some(true)))
    }),
    function("placido_overlaps", Returns::Bool, |_, arguments, row| Ok(ScalarValue::Boolean(overlaps(arguments, row)?))),
    function("timeofday", Returns::Text, |_, arguments, _| {
        let (zone, now) = (arguments.zone(), Utc::now().timestamp_micros());
        let parts = Parts::of_time(zone.clock(now)).with_zone(arguments.zone_name(), zone.offset_seconds(now));
        text(Some(time_formats::write(&parts, "Dy Mon DD HH24:MI:SS.US YYYY TZ")))
    }),
];

fn out_of_range() -> PgError {
    PgError::new("22008", "interval out of range")
}

/// An argument as an interval.
fn interval_of(arguments: &Arguments, index: usize, row: usize) -> Result<Option<IntervalMonthDayNano>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    if matches!(array.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) {
        let written = arguments.text(index, row).unwrap_or_default();
        return Ok(Some(interval::parse(&written, None)?.into()));
    }
    let one = encode::intervals(&array.slice(row, 1))?;
    Ok(Some(one.as_primitive::<IntervalMonthDayNanoType>().value(0)))
}

type Justify = fn(IntervalMonthDayNano) -> Option<IntervalMonthDayNano>;

fn justified(arguments: &Arguments, row: usize, justify: Justify) -> Result<ScalarValue> {
    let Some(given) = interval_of(arguments, 0, row)? else { return Ok(ScalarValue::IntervalMonthDayNano(None)) };
    Ok(ScalarValue::IntervalMonthDayNano(Some(justify(given).ok_or_else(out_of_range)?)))
}

/// Thirty days are a month; both have one sign.
fn justify_days(IntervalMonthDayNano { months, days, nanoseconds }: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let (mut months, mut days) = (months.checked_add(days / DAYS_A_MONTH)?, days % DAYS_A_MONTH);
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + DAYS_A_MONTH);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - DAYS_A_MONTH);
    }
    Some(IntervalMonthDayNano { months, days, nanoseconds })
}

/// Twenty-four hours are a day; both have one sign.
fn justify_hours(IntervalMonthDayNano { months, days, nanoseconds }: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let whole = i32::try_from(nanoseconds / DAY_NANOS).ok()?;
    let (mut days, mut nanoseconds) = (days.checked_add(whole)?, nanoseconds % DAY_NANOS);
    if days > 0 && nanoseconds < 0 {
        (days, nanoseconds) = (days - 1, nanoseconds + DAY_NANOS);
    } else if days < 0 && nanoseconds > 0 {
        (days, nanoseconds) = (days + 1, nanoseconds - DAY_NANOS);
    }
    Some(IntervalMonthDayNano { months, days, nanoseconds })
}

/// Both, with one sign for all three parts.
fn justify_interval(IntervalMonthDayNano { months, days, nanoseconds }: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let total = i64::from(days) + nanoseconds / DAY_NANOS;
    let whole = i32::try_from(total / i64::from(DAYS_A_MONTH)).ok()?;
    let mut months = months.checked_add(whole)?;
    let mut days = i32::try_from(total % i64::from(DAYS_A_MONTH)).ok()?;
    let mut nanoseconds = nanoseconds % DAY_NANOS;
    if months > 0 && (days < 0 || days == 0 && nanoseconds < 0) {
        (months, days) = (months - 1, days + DAYS_A_MONTH);
    } else if months < 0 && (days > 0 || days == 0 && nanoseconds > 0) {
        (months, days) = (months + 1, days - DAYS_A_MONTH);
    }
    if days > 0 && nanoseconds < 0 {
        (days, nanoseconds) = (days - 1, nanoseconds + DAY_NANOS);
    } else if days < 0 && nanoseconds > 0 {
        (days, nanoseconds) = (days + 1, nanoseconds - DAY_NANOS);
    }
    Some(IntervalMonthDayNano { months, days, nanoseconds })
}

/// A later time of the calendar, in microseconds.
fn later(micros: i64, by: IntervalMonthDayNano) -> Option<i64> {
    let days = i32::try_from(micros.div_euclid(DAY)).ok()?.checked_add(EPOCH)?;
    let day = NaiveDate::from_num_days_from_ce_opt(days)?;
    let months = Months::new(by.months.unsigned_abs());
    let day = if by.months < 0 { day.checked_sub_months(months)? } else { day.checked_add_months(months)? };
    let days = i64::from(day.num_days_from_ce() - EPOCH).checked_add(by.days.into())?;
    days.checked_mul(DAY)?.checked_add(micros.rem_euclid(DAY))?.checked_add(by.nanoseconds / 1_000)
}

/// One span of OVERLAPS: where it begins, and where it ends or how long it is. Times of the day are counted from midnight, times of a clock
/// become moments of the session's zone where others are moments.
fn span(arguments: &Arguments, index: usize, row: usize, as_moments: bool) -> Result<(Option<i64>, Option<i64>)> {
    let of_day = |index: usize| {
        arguments.array(index).is_some_and(|array| matches!(array.data_type(), DataType::Time32(_) | DataType::Time64(_)))
    };
    let is_length = arguments.array(index + 1).is_some_and(|array| matches!(array.data_type(), DataType::Interval(_)));
    let read = |index: usize| -> Result<Option<i64>> {
        if of_day(index) {
            let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
            let time = cast(&array.slice(row, 1), &DataType::Time64(TimeUnit::Microsecond))?;
            return Ok(Some(time.as_primitive::<Time64MicrosecondType>().value(0)));
        }
        Ok(moment(arguments, index, row)?.map(|moment| match as_moments && !moment.zoned {
            true => arguments.zone().instant(moment.micros),
            false => moment.micros,
        }))
    };
    let begin = read(index)?;
    if !is_length {
        return Ok((begin, read(index + 1)?));
    }
    let (Some(from), Some(length)) = (begin, interval_of(arguments, index + 1, row)?) else { return Ok((begin, None)) };
    let end = match (of_day(index), as_moments) {
        (true, _) => from.checked_add(length.nanoseconds / 1_000).map(|end| end.rem_euclid(DAY)),
        (false, true) => later(arguments.zone().clock(from), length).map(|end| arguments.zone().instant(end)),
        (false, false) => later(from, length),
    };
    Ok((begin, Some(end.ok_or_else(|| PgError::new("22008", "timestamp out of range"))?)))
}

/// `(begin, end) OVERLAPS (begin, end)`, each without its end.
fn overlaps(arguments: &Arguments, row: usize) -> Result<Option<bool>> {
    let as_moments = (0..arguments.len())
        .any(|index| arguments.array(index).is_some_and(|array| matches!(array.data_type(), DataType::Timestamp(_, Some(_)))));
    let spans = (span(arguments, 0, row, as_moments)?, span(arguments, 2, row, as_moments)?);
    let (Some((begin, end)), Some((other, other_end))) = (ordered(spans.0), ordered(spans.1)) else { return Ok(None) };
    Ok(match begin.cmp(&other) {
        Ordering::Greater => reaches(other_end, begin, end),
        Ordering::Less => reaches(end, other, other_end),
        Ordering::Equal => end.and(other_end).map(|_| true),
    })
}

/// A span that begins with the earlier of its times, which are not both unknown.
fn ordered((begin, end): (Option<i64>, Option<i64>)) -> Option<(i64, Option<i64>)> {
    match (begin, end) {
        (Some(begin), Some(end)) => Some((begin.min(end), Some(begin.max(end)))),
        (Some(one), None) | (None, Some(one)) => Some((one, None)),
        (None, None) => None,
    }
}

/// Whether the span that began earlier ends behind where the later one begins.
fn reaches(end_of_earlier: Option<i64>, begin: i64, end: Option<i64>) -> Option<bool> {
    match end_of_earlier? > begin {
        true => Some(true),
        false => end.map(|_| false),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn of(months: i32, days: i32, hours: i64) -> IntervalMonthDayNano {
        IntervalMonthDayNano { months, days, nanoseconds: hours * 3_600_000_000_000 }
    }

    #[test]
    fn intervals_are_justified_as_postgres_does_it() {
        // PostgreSQL 15: select justify_interval(…), justify_days(…), justify_hours(…)
        assert_eq!(justify_interval(of(1, 0, -1)), Some(of(0, 29, 23)));
        assert_eq!(justify_interval(of(-1, 31, 25)), Some(of(0, 2, 1)));
        assert_eq!(justify_days(of(1, -5, 0)), Some(of(0, 25, 0)));
        assert_eq!(justify_days(of(0, -40, 0)), Some(of(-1, -10, 0)));
        assert_eq!(justify_hours(of(0, 0, -25)), Some(of(0, -1, -1)));
        assert_eq!(justify_days(of(i32::MAX, i32::MAX, 0)), None);
    }
}
