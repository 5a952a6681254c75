//! Intervals as PostgreSQL reads them: its own style, the SQL standard's and ISO 8601's.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::error::PgError;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: f64 = 86_400_000_000.0;
/// A month in days and a year in months, where a fraction of one is given.
const DAYS_PER_MONTH: f64 = 30.0;
const MONTHS_PER_YEAR: f64 = 12.0;
/// Parts of an interval that a text may give once each.
const MAX_FIELDS: usize = 32;

/// Months, days and nanoseconds, which are kept apart: a day is not always 24 hours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) nanoseconds: i64,
}

impl From<Interval> for IntervalMonthDayNano {
    fn from(Interval { months, days, nanoseconds }: Interval) -> Self {
        Self { months, days, nanoseconds }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

impl Unit {
    /// A unit by any of its names. PostgreSQL has no nanoseconds; the engine's intervals do.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "nanosecond" | "nanoseconds" => Self::Nanosecond,
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsecon" => Self::Microsecond,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" | "millisecon" => Self::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "week" | "weeks" => Self::Week,
            "mon" | "mons" | "month" | "months" => Self::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            "dec" | "decs" | "decade" | "decades" => Self::Decade,
            "c" | "cent" | "century" | "centuries" => Self::Century,
            "mil" | "mils" | "millennia" | "millennium" => Self::Millennium,
            _ => return None,
        })
    }
}

/// Why a text is no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// It does not read as one.
    Syntax,
    /// One of its parts is larger than such a part may be.
    Field,
    /// All of them together are.
    Range,
}

/// What stands in a text, from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// Digits, perhaps with a sign, a fraction or, as `1-2`, with months.
    Number(String),
    /// `hours:minutes` and more.
    Time(String),
    Word(String),
}

/// Parts that are given already, as a set of bits.
#[derive(Default)]
struct Given(u16);

impl Given {
    fn add(&mut self, units: &[Unit]) -> Result<(), Wrong> {
        for unit in units {
            let bit = 1 << (*unit as u16);
            if self.0 & bit != 0 {
                return Err(Wrong::Syntax);
            }
            self.0 |= bit;
        }
        Ok(())
    }
}

/// Sums up the parts: months, days and microseconds, and what is below them.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
    nanos: i64,
}

impl Sum {
    /// `whole` and `fraction` of a unit.
    fn add(&mut self, unit: Unit, whole: i64, fraction: f64) -> Result<(), Wrong> {
        match unit {
            Unit::Nanosecond => self.nanos = self.nanos.checked_add(whole).ok_or(Wrong::Field)?,
            Unit::Microsecond => self.micros(whole, fraction, 1)?,
            Unit::Millisecond => self.micros(whole, fraction, 1_000)?,
            Unit::Second => self.micros(whole, fraction, MICROS_PER_SECOND)?,
            Unit::Minute => self.micros(whole, fraction, 60 * MICROS_PER_SECOND)?,
            Unit::Hour => self.micros(whole, fraction, 3_600 * MICROS_PER_SECOND)?,
            Unit::Day => self.add_days(whole, 1, fraction)?,
            Unit::Week => self.add_days(whole, 7, fraction * 7.0)?,
            Unit::Month => {
                as_field(whole)?;
                self.months = self.months.checked_add(whole).ok_or(Wrong::Field)?;
                self.add_days(0, 1, fraction * DAYS_PER_MONTH)?;
            }
            Unit::Year => self.years(whole, fraction, 1)?,
            Unit::Decade => self.years(whole, fraction, 10)?,
            Unit::Century => self.years(whole, fraction, 100)?,
            Unit::Millennium => self.years(whole, fraction, 1_000)?,
        }
        Ok(())
    }

    fn micros(&mut self, whole: i64, fraction: f64, scale: i64) -> Result<(), Wrong> {
        let whole = whole.checked_mul(scale).ok_or(Wrong::Field)?;
        // The fraction is below one, so that the product is exact enough and in range.
        let part = (fraction * scale as f64).round() as i64;
        self.micros = whole.checked_add(part).and_then(|micros| self.micros.checked_add(micros)).ok_or(Wrong::Field)?;
        Ok(())
    }

    /// Days, and a fraction of them that may be more than one.
    fn add_days(&mut self, whole: i64, scale: i64, fraction: f64) -> Result<(), Wrong> {
        as_field(whole)?;
        let more = fraction.trunc();
        let days = whole.checked_mul(scale).and_then(|days| days.checked_add(more as i64));
        self.days = days.and_then(|days| self.days.checked_add(days)).ok_or(Wrong::Field)?;
        let micros = ((fraction - more) * MICROS_PER_DAY).round() as i64;
        self.micros = self.micros.checked_add(micros).ok_or(Wrong::Field)?;
        Ok(())
    }

    fn years(&mut self, whole: i64, fraction: f64, scale: i64) -> Result<(), Wrong> {
        as_field(whole)?;
        let part = (fraction * scale as f64 * MONTHS_PER_YEAR).round_ties_even() as i64;
        let months = whole.checked_mul(scale * 12).and_then(|months| months.checked_add(part));
        self.months = months.and_then(|months| self.months.checked_add(months)).ok_or(Wrong::Field)?;
        Ok(())
    }

    fn total(&self, negative: bool) -> Result<Interval, Wrong> {
        let sign = |value: i64| if negative { value.checked_neg() } else { Some(value) };
        let small = |value: i64| sign(value).and_then(|value| i32::try_from(value).ok()).ok_or(Wrong::Range);
        let nanoseconds = self.micros.checked_mul(1_000).and_then(|nanos| nanos.checked_add(self.nanos));
        Ok(Interval {
            months: small(self.months)?,
            days: small(self.days)?,
            nanoseconds: nanoseconds.and_then(sign).ok_or(Wrong::Range)?,
        })
    }
}

/// A field is as wide as PostgreSQL's; a sum of fields that is too large has a message of its own.
fn as_field(whole: i64) -> Result<(), Wrong> {
    i32::try_from(whole).map(|_| ()).map_err(|_| Wrong::Field)
}

/// The units that a literal names: `interval '5' month`, `interval '1:30' minute to second`. A number without a unit is in the last of
/// them, and what is smaller is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) first: Unit,
    pub(crate) last: Unit,
}

/// Reads an interval.
pub(crate) fn parse(text: &str, units: Option<Units>) -> Result<Interval, PgError> {
    let read = match fields(text).and_then(|fields| of_fields(&fields, units)) {
        Err(Wrong::Syntax) => iso(text),
        other => other,
    };
    match read {
        Ok(interval) => Ok(units.map_or(interval, |units| cut(interval, units.last))),
        Err(Wrong::Syntax) => Err(PgError::new("22007", format!("invalid input syntax for type interval: \"{text}\""))),
        Err(Wrong::Field) => Err(PgError::new("22015", format!("interval field value out of range: \"{text}\""))),
        Err(Wrong::Range) => Err(PgError::new("22008", "interval out of range")),
    }
}

/// Drops what is smaller than a unit.
fn cut(interval: Interval, last: Unit) -> Interval {
    let to = |nanoseconds: i64, step: i64| nanoseconds - nanoseconds % step;
    const SECOND: i64 = 1_000_000_000;
    let Interval { months, days, nanoseconds } = interval;
    match last {
        Unit::Year => Interval { months: months - months % 12, days: 0, nanoseconds: 0 },
        Unit::Month => Interval { months, days: 0, nanoseconds: 0 },
        Unit::Day => Interval { months, days, nanoseconds: 0 },
        Unit::Hour => Interval { months, days, nanoseconds: to(nanoseconds, 3_600 * SECOND) },
        Unit::Minute => Interval { months, days, nanoseconds: to(nanoseconds, 60 * SECOND) },
        _ => interval,
    }
}

/// The fields of a text, from left to right.
fn fields(text: &str) -> Result<Vec<Field>, Wrong> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if found.len() > MAX_FIELDS {
            return Err(Wrong::Syntax);
        }
        let number =
            |text: &str| text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | '-'))).unwrap_or(text.len());
        let end = match first {
            '0'..='9' | '.' => {
                let (word, _) = rest.split_at(number(rest));
                found.push(if word.contains(':') { Field::Time(word.to_owned()) } else { Field::Number(word.to_owned()) });
                word.len()
            }
            '+' | '-' => {
                let after = rest.get(1..).unwrap_or_default();
                let digits = after.trim_start();
                if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                    return Err(Wrong::Syntax);
                }
                let (word, _) = digits.split_at(number(digits));
                let signed = format!("{first}{word}");
                found.push(if word.contains(':') { Field::Time(signed) } else { Field::Number(signed) });
                1 + after.len() - digits.len() + word.len()
            }
            c if c.is_alphabetic() => {
                let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                let (word, _) = rest.split_at(end);
                found.push(Field::Word(word.to_lowercase()));
                end
            }
            // As in PostgreSQL, other marks mean nothing.
            c if c.is_ascii_punctuation() => 1,
            _ => return Err(Wrong::Syntax),
        };
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

/// A unit stands behind its number, so the fields are read from the last to the first.
fn of_fields(fields: &[Field], units: Option<Units>) -> Result<Interval, Wrong> {
    let (mut sum, mut given, mut negative) = (Sum::default(), Given::default(), false);
    let mut unit = Some(units.map_or(Unit::Second, |units| units.last));
    let short = units.is_some_and(|units| units.first == Unit::Minute && units.last == Unit::Second);
    let mut waits = false;
    for field in fields.iter().rev() {
        match field {
            Field::Time(text) => {
                given.add(&[Unit::Hour, Unit::Minute, Unit::Second, Unit::Millisecond, Unit::Microsecond])?;
                time(text, short, &mut sum)?;
                unit = Some(Unit::Day);
                waits = false;
            }
            Field::Number(text) => {
                number(text, unit.ok_or(Wrong::Syntax)?, &mut sum, &mut given)?;
                // Before hours there are days, as in `interval '1 12' day to hour`.
                unit = unit.map(|unit| if unit == Unit::Hour { Unit::Day } else { unit });
                waits = false;
            }
            Field::Word(_) if waits => return Err(Wrong::Syntax),
            Field::Word(word) if word == "ago" => {
                negative = true;
                unit = None;
            }
            Field::Word(word) => {
                unit = Some(Unit::named(word).ok_or(Wrong::Syntax)?);
                waits = true;
            }
        }
    }
    if given.0 == 0 || waits {
        return Err(Wrong::Syntax);
    }
    sum.total(negative)
}

/// A number and the fraction behind it, both with the sign.
fn split(text: &str) -> Result<(i64, f64), Wrong> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || whole.is_empty() && fraction.is_empty() {
        return Err(Wrong::Syntax);
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Wrong::Field)? };
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().map_err(|_| Wrong::Syntax)? };
    Ok(if negative { (-whole, -fraction) } else { (whole, fraction) })
}

fn number(text: &str, unit: Unit, sum: &mut Sum, given: &mut Given) -> Result<(), Wrong> {
    // `1-2` are years and months, whatever stands behind it.
    let unsigned = text.trim_start_matches(['+', '-']);
    if let Some((years, months)) = unsigned.split_once('-') {
        given.add(&[Unit::Year, Unit::Month])?;
        let ((years, none), (months, no)) = (split(years)?, split(months)?);
        if none != 0.0 || no != 0.0 {
            return Err(Wrong::Syntax);
        }
        if months >= 12 {
            return Err(Wrong::Field);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        sum.add(Unit::Year, sign * years, 0.0)?;
        return sum.add(Unit::Month, sign * months, 0.0);
    }
    let (whole, fraction) = split(text)?;
    match unit {
        // A second with a fraction says how many milliseconds there are.
        Unit::Second if text.contains('.') => given.add(&[Unit::Second, Unit::Millisecond, Unit::Microsecond])?,
        unit => given.add(&[unit])?,
    }
    sum.add(unit, whole, fraction)
}

/// `h:m`, `h:m:s` with a fraction, or `m:s.f`; where it is `short`, `m:s` too.
fn time(text: &str, short: bool, sum: &mut Sum) -> Result<(), Wrong> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] if short || seconds.contains('.') => ("0", *minutes, *seconds),
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return Err(Wrong::Syntax),
    };
    let whole = |text: &str| match split(text)? {
        (whole, fraction) if fraction == 0.0 && !text.contains('.') && whole >= 0 => Ok(whole),
        _ => Err(Wrong::Syntax),
    };
    let (hours, minutes, (seconds, fraction)) = (whole(hours)?, whole(minutes)?, split(seconds)?);
    if minutes > 59 || !(0..=60).contains(&seconds) {
        return Err(Wrong::Field);
    }
    sum.add(Unit::Hour, sign * hours, 0.0)?;
    sum.add(Unit::Minute, sign * minutes, 0.0)?;
    sum.add(Unit::Second, sign * seconds, sign as f64 * fraction)
}

/// ISO 8601: `P1Y2M3DT4H5M6.7S`, also `P0001-02-03T04:05:06` and `P00010203T040506`.
fn iso(text: &str) -> Result<Interval, Wrong> {
    let mut rest = text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Wrong::Syntax)?;
    let mut sum = Sum::default();
    let (mut in_time, mut first) = (false, true);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (rest, in_time, first) = (after, true, true);
            continue;
        }
        let signed = usize::from(rest.starts_with(['+', '-']));
        let digits = rest.get(signed..).unwrap_or_default();
        let end = signed + digits.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(digits.len());
        let (value, after) = rest.split_at(end);
        let (whole, fraction) = split(value)?;
        let mut left = after.chars();
        let unit = match (left.next(), in_time) {
            (Some('Y'), false) => Unit::Year,
            (Some('M'), false) => Unit::Month,
            (Some('W'), false) => Unit::Week,
            (Some('D'), false) => Unit::Day,
            (Some('H'), true) => Unit::Hour,
            (Some('M'), true) => Unit::Minute,
            (Some('S'), true) => Unit::Second,
            (None | Some('T' | '-'), false) if first => {
                rest = iso_date(value, whole, fraction, after, &mut sum)?;
                first = false;
                continue;
            }
            (None | Some(':'), true) if first => return iso_time(value, whole, fraction, after, sum),
            _ => return Err(Wrong::Syntax),
        };
        sum.add(unit, whole, fraction)?;
        (rest, first) = (left.as_str(), false);
    }
    sum.total(false)
}

/// The date of the alternative forms. Returns what stands behind it.
fn iso_date<'a>(value: &str, whole: i64, fraction: f64, after: &'a str, sum: &mut Sum) -> Result<&'a str, Wrong> {
    if value.trim_start_matches(['+', '-']).len() == 8 && !after.starts_with('-') {
        sum.add(Unit::Year, whole / 10_000, 0.0)?;
        sum.add(Unit::Month, whole / 100 % 100, 0.0)?;
        sum.add(Unit::Day, whole % 100, fraction)?;
        return Ok(after);
    }
    sum.add(Unit::Year, whole, fraction)?;
    let mut rest = after;
    for unit in [Unit::Month, Unit::Day] {
        let Some(digits) = rest.strip_prefix('-') else { break };
        let end = digits.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(digits.len());
        let (value, after) = digits.split_at(end);
        let (whole, fraction) = split(value)?;
        sum.add(unit, whole, fraction)?;
        rest = after;
    }
    if rest.is_empty() || rest.starts_with('T') { Ok(rest) } else { Err(Wrong::Syntax) }
}

/// The time of the alternative forms, which ends the text.
fn iso_time(value: &str, whole: i64, fraction: f64, after: &str, mut sum: Sum) -> Result<Interval, Wrong> {
    if value.trim_start_matches(['+', '-']).split('.').next().is_some_and(|digits| digits.len() == 6) && after.is_empty() {
        sum.add(Unit::Hour, whole / 10_000, 0.0)?;
        sum.add(Unit::Minute, whole / 100 % 100, 0.0)?;
        sum.add(Unit::Second, whole % 100, fraction)?;
        return sum.total(false);
    }
    sum.add(Unit::Hour, whole, fraction)?;
    let mut parts = after.split(':').skip(1);
    for unit in [Unit::Minute, Unit::Second] {
        if let Some(part) = parts.next() {
            let (whole, fraction) = split(part)?;
            sum.add(unit, whole, fraction)?;
        }
    }
    if parts.next().is_some() { Err(Wrong::Syntax) } else { sum.total(false) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    //! What is expected is what PostgreSQL 15.18 gave for the same literal.
    use super::*;
    use crate::server::text;

    fn read(given: &str, units: Option<Units>) -> String {
        match parse(given, units) {
            Ok(Interval { months, days, nanoseconds }) => {
                let mut out = String::new();
                text::interval(&mut out, months, days, nanoseconds / 1_000);
                out
            }
            Err(error) => error.code.into_owned(),
        }
    }

    const READ: &[(&str, &str)] = &[
        ("1 mon 2 days 03:04:05", "1 mon 2 days 03:04:05"),
        ("03:04:05", "03:04:05"),
        ("1-2", "1 year 2 mons"),
        ("P1Y2M", "1 year 2 mons"),
        ("-1 day 2:00", "-1 days +02:00:00"),
        ("1 day ago", "-1 days"),
        ("1", "00:00:01"),
        ("1.5", "00:00:01.5"),
        ("1.5 days", "1 day 12:00:00"),
        ("1 12:00", "1 day 12:00:00"),
        ("1 12:00:00.5", "1 day 12:00:00.5"),
        ("12:30", "12:30:00"),
        ("-12:30", "-12:30:00"),
        ("+12:30", "12:30:00"),
        ("1:2", "01:02:00"),
        ("1:2:3.4567891", "01:02:03.456789"),
        (" @ 1 minute ", "00:01:00"),
        ("@ 1 minute 2 seconds ago", "-00:01:02"),
        ("1 year 2 months 3 weeks 4 days 5 hours 6 minutes 7.8 seconds", "1 year 2 mons 25 days 05:06:07.8"),
        ("1y 2mon 3w 4d 5h 6m 7s", "1 year 2 mons 25 days 05:06:07"),
        ("1y2mon", "1 year 2 mons"),
        ("1.5 years", "1 year 6 mons"),
        ("1.5 months", "1 mon 15 days"),
        ("0.5 weeks", "3 days 12:00:00"),
        ("2 decades", "20 years"),
        ("1 century", "100 years"),
        ("1 millennium", "1000 years"),
        ("3 milliseconds", "00:00:00.003"),
        ("3 ms", "00:00:00.003"),
        ("3 us", "00:00:00.000003"),
        ("3 usec", "00:00:00.000003"),
        ("3 microseconds", "00:00:00.000003"),
        ("3 microsecond", "00:00:00.000003"),
        ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
        ("P1Y2M3DT4H5M6.789S", "1 year 2 mons 3 days 04:05:06.789"),
        ("PT36H", "36:00:00"),
        ("P1W", "7 days"),
        ("P-1Y-2M", "-1 years -2 mons"),
        ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("P1.5D", "1 day 12:00:00"),
        ("PT-1.5S", "-00:00:01.5"),
        ("P20240101T010203", "2024 years 1 mon 1 day 01:02:03"),
        ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("-1-2 +3 -4:05:06", "-1 years -2 mons +3 days -04:05:06"),
        ("1-2 3 4:05:06 ago", "-1 years -2 mons -3 days -04:05:06"),
        ("2 days 1", "2 days 00:00:01"),
        ("25:00:00", "25:00:00"),
        ("1 mon -2 days", "1 mon -2 days"),
        ("178000000 years", "178000000 years"),
        (".5 days", "12:00:00"),
        ("1. days", "1 day"),
        ("2 hrs 3 mins 4 secs", "02:03:04"),
        ("2 hr 3 min 4 sec", "02:03:04"),
        ("- 1 day", "-1 days"),
        ("1 month ago 2 days", "-1 mons -2 days"),
        ("-1.5 days", "-1 days -12:00:00"),
        ("00:00:01.5", "00:00:01.5"),
        ("1 day 24:00:00", "1 day 24:00:00"),
        ("1 day -00:00:01", "1 day -00:00:01"),
        ("12:34.5", "00:12:34.5"),
        ("1:2.5", "00:01:02.5"),
        ("00:30:60", "00:31:00"),
        ("5 m", "00:05:00"),
        ("0.1 months", "3 days"),
        ("-0.1 months", "-3 days"),
        ("1.1 year", "1 year 1 mon"),
        ("1.234 years", "1 year 3 mons"),
        ("1.99 years", "2 years"),
        ("0.04166667 days", "01:00:00.000288"),
        ("P1Y-2M", "10 mons"),
        ("PT10", "10:00:00"),
        ("PT", "00:00:00"),
        ("P1", "1 year"),
        ("P1YT", "1 year"),
        ("1Y", "1 year"),
        ("1 DAY", "1 day"),
        ("1 Days", "1 day"),
        ("1 day, 2 hours", "1 day 02:00:00"),
        ("1 day,", "1 day"),
        ("1;", "00:00:01"),
        ("1d", "1 day"),
        ("1d2", "1 day 00:00:02"),
        ("1d2h", "1 day 02:00:00"),
        ("1d 2", "1 day 00:00:02"),
        ("-1", "-00:00:01"),
        ("+1", "00:00:01"),
        ("1h30", "01:00:30"),
        ("1h30m", "01:30:00"),
    ];

    const REFUSED: &[(&str, &str)] = &[
        ("-P1Y", "22007"),
        ("1-13", "22015"),
        ("1 day 1 day", "22007"),
        ("", "22007"),
        ("infinity", "22007"),
        ("abc", "22007"),
        ("1 foo", "22007"),
        ("day", "22007"),
        ("1 2", "22007"),
        ("1 2 days", "22007"),
        ("1:60", "22015"),
        ("1:2:3:4", "22007"),
        ("999999999999 years", "22015"),
        ("1e3 seconds", "22007"),
        ("1 quarter", "22007"),
        ("1 yr 1 yrs", "22007"),
        ("1 timezone", "22007"),
        ("allballs", "22007"),
        ("5 mons 3 dow", "22007"),
        ("2147483648 days", "22015"),
        ("2147483647 months 1 year", "22008"),
        ("P", "22007"),
        ("P1S", "22007"),
        ("PT1D", "22007"),
        ("p1y", "22007"),
        ("1,5 days", "22007"),
        ("+-1", "22007"),
        ("--1", "22007"),
        ("1:30 pm", "22007"),
        ("1 year -1 year", "22007"),
    ];

    const WITH_UNITS: &[(&str, Unit, Unit, &str)] = &[
        ("1 year 2 mons 3 days 04:05:06", Unit::Year, Unit::Year, "1 year"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Month, Unit::Month, "1 year 2 mons"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Day, Unit::Day, "1 year 2 mons 3 days"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Hour, Unit::Hour, "1 year 2 mons 3 days 04:00:00"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Minute, Unit::Minute, "1 year 2 mons 3 days 04:05:00"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Second, Unit::Second, "1 year 2 mons 3 days 04:05:06"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Year, Unit::Month, "1 year 2 mons"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Day, Unit::Hour, "1 year 2 mons 3 days 04:00:00"),
        ("1 year 2 mons 3 days 04:05:06", Unit::Minute, Unit::Second, "1 year 2 mons 3 days 04:05:06"),
        ("12:34", Unit::Year, Unit::Year, "00:00:00"),
        ("12:34", Unit::Month, Unit::Month, "00:00:00"),
        ("12:34", Unit::Day, Unit::Day, "00:00:00"),
        ("12:34", Unit::Hour, Unit::Hour, "12:00:00"),
        ("12:34", Unit::Minute, Unit::Minute, "12:34:00"),
        ("12:34", Unit::Second, Unit::Second, "12:34:00"),
        ("12:34", Unit::Year, Unit::Month, "00:00:00"),
        ("12:34", Unit::Day, Unit::Hour, "12:00:00"),
        ("12:34", Unit::Minute, Unit::Second, "00:12:34"),
        ("1.5", Unit::Year, Unit::Year, "1 year"),
        ("1.5", Unit::Month, Unit::Month, "1 mon"),
        ("1.5", Unit::Day, Unit::Day, "1 day"),
        ("1.5", Unit::Hour, Unit::Hour, "01:00:00"),
        ("1.5", Unit::Minute, Unit::Minute, "00:01:00"),
        ("1.5", Unit::Second, Unit::Second, "00:00:01.5"),
        ("1.5", Unit::Year, Unit::Month, "1 mon"),
        ("1.5", Unit::Day, Unit::Hour, "01:00:00"),
        ("1.5", Unit::Minute, Unit::Second, "00:00:01.5"),
        ("5", Unit::Year, Unit::Year, "5 years"),
        ("5", Unit::Month, Unit::Month, "5 mons"),
        ("5", Unit::Day, Unit::Day, "5 days"),
        ("5", Unit::Hour, Unit::Hour, "05:00:00"),
        ("5", Unit::Minute, Unit::Minute, "00:05:00"),
        ("5", Unit::Second, Unit::Second, "00:00:05"),
        ("5", Unit::Year, Unit::Month, "5 mons"),
        ("5", Unit::Day, Unit::Hour, "05:00:00"),
        ("5", Unit::Minute, Unit::Second, "00:00:05"),
        ("1 12", Unit::Day, Unit::Hour, "1 day 12:00:00"),
    ];

    #[test]
    fn intervals_are_read_as_postgres_reads_them() {
        for (text, expected) in READ.iter().chain(REFUSED) {
            assert_eq!(read(text, None), *expected, "{text}");
        }
        for (text, first, last, expected) in WITH_UNITS {
            assert_eq!(read(text, Some(Units { first: *first, last: *last })), *expected, "{text} {first:?} to {last:?}");
        }
    }

    #[test]
    fn what_the_engine_cannot_hold_is_an_error() {
        assert_eq!(read("9223372036854775807 microseconds", None), "22008");
        assert_eq!(parse("3 nanoseconds", None), Ok(Interval { nanoseconds: 3, ..Interval::default() }));
        let long = "1 ".repeat(100_000);
        assert_eq!(read(&long, None), "22007");
    }
}
