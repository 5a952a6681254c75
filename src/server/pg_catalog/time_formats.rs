//! The patterns of `to_char`, `to_timestamp` and `to_date`: `YYYY-MM-DD HH24:MI:SS` and their like.

use chrono::{Datelike, NaiveDate};

use crate::server::error::PgError;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from the beginning of the calendar of chrono to 1970-01-01.
const EPOCH: i32 = 719_163;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
/// The longest names, to which others are filled.
const NAME_WIDTH: usize = 9;

/// A part of a pattern, longer ones first. Names of days and months, and of the half of a day, are written as the pattern is.
const FIELDS: &[&str] = &[
    "SSSSS", "Y,YYY", "MONTH", "A.M.", "P.M.", "B.C.", "A.D.", "HH24", "HH12", "IDDD", "IYYY", "SSSS", "YYYY", "DDD", "DAY",
    "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "IYY", "MON", "TZH", "TZM", "YYY", "AD", "AM", "BC", "CC", "DD", "DY", "HH", "ID",
    "IW", "IY", "MI", "MM", "MS", "OF", "PM", "RM", "SS", "TZ", "US", "WW", "YY", "D", "I", "J", "Q", "W", "Y",
];

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Field {
        /// In capitals.
        name: &'static str,
        written: String,
        /// Without zeros and blanks.
        filled: bool,
        /// `TH` or `th` behind a number.
        ordinal: Option<bool>,
    },
    Literal(String),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = pattern;
    let mut filled = true;
    let begins = |text: &str, word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    while let Some(first) = rest.chars().next() {
        if begins(rest, "FM") {
            (filled, rest) = (false, rest.get(2..).unwrap_or_default());
            continue;
        }
        if begins(rest, "FX") || begins(rest, "TM") {
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if let Some(name) = FIELDS.iter().find(|name| begins(rest, name)) {
            let (written, mut after) = rest.split_at(name.len());
            let mut ordinal = None;
            if begins(after, "TH") {
                ordinal = Some(after.starts_with('T'));
                after = after.get(2..).unwrap_or_default();
            }
            tokens.push(Token::Field { name, written: written.to_owned(), filled, ordinal });
            (filled, rest) = (true, after);
            continue;
        }
        let mut literal = String::new();
        if first == '"' {
            let mut chars = rest.char_indices().skip(1);
            let mut end = rest.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '\\' => literal.extend(chars.next().map(|(_, c)| c)),
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    c => literal.push(c),
                }
            }
            rest = rest.get(end..).unwrap_or_default();
        } else {
            literal.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        tokens.push(Token::Literal(literal));
    }
    tokens
}

/// A time, taken apart.
#[derive(Debug, Default)]
pub(super) struct Parts {
    date: Option<NaiveDate>,
    /// Of an interval, which has no date.
    years: i64,
    months: i64,
    days: i64,
    /// Since midnight; of an interval as many as there are.
    micros: i64,
    zone: Option<(String, i32)>,
}

impl Parts {
    /// What a clock shows, in microseconds since 1970.
    pub(super) fn of_time(micros: i64) -> Self {
        let days = i32::try_from(micros.div_euclid(DAY)).ok().and_then(|days| days.checked_add(EPOCH));
        let date = days.and_then(NaiveDate::from_num_days_from_ce_opt);
        let (years, months, days) =
            date.map_or((0, 0, 0), |date| (i64::from(date.year()), i64::from(date.month()), i64::from(date.day())));
        Self { date, years, months, days, micros: micros.rem_euclid(DAY), zone: None }
    }

    /// An interval.
    pub(super) fn of_interval(months: i32, days: i32, micros: i64) -> Self {
        let (years, months) = (i64::from(months / 12), i64::from(months % 12));
        Self { date: None, years, months, days: days.into(), micros, zone: None }
    }

    /// The days of an interval, whose months have thirty of them, or those of the year so far.
    fn day_of_year(&self) -> i64 {
        match self.date {
            Some(date) => date.ordinal().into(),
            None => (self.years * 12 + self.months) * 30 + self.days,
        }
    }

    /// The same with the name of a zone and its seconds east of Greenwich.
    pub(super) fn with_zone(self, name: &str, east: i32) -> Self {
        Self { zone: Some((name.to_owned(), east)), ..self }
    }
}

/// Fields that an interval does not have.
const OF_DATES: &[&str] = &["MONTH", "MON", "DAY", "DY", "D", "ID", "AD", "BC", "A.D.", "B.C.", "TZ", "TZH", "TZM", "OF"];

/// `to_char` of an interval.
pub(super) fn write_interval(parts: &Parts, pattern: &str) -> Result<String, PgError> {
    let is_of_dates = |token: &Token| matches!(token, Token::Field { name, .. } if OF_DATES.contains(name));
    if tokens(pattern).iter().any(is_of_dates) {
        return Err(PgError::new("22007", "invalid format specification for an interval value")
            .with_hint("Intervals are not tied to specific calendar dates."));
    }
    Ok(write(parts, pattern))
}

/// `to_char`.
pub(super) fn write(parts: &Parts, pattern: &str) -> String {
    let mut out = String::new();
    for token in tokens(pattern) {
        match token {
            Token::Literal(text) => out.push_str(&text),
            Token::Field { name, written, filled, ordinal } => {
                let shown = field(parts, name, &written, filled);
                out.push_str(&shown);
                if let Some(capitals) = ordinal {
                    let suffix = ending(&shown);
                    out.push_str(&if capitals { suffix.to_uppercase() } else { suffix.to_owned() });
                }
            }
        }
    }
    out
}

/// `st`, `nd`, `rd` or `th`.
pub(super) fn ending(number: &str) -> &'static str {
    let digits = number.trim().as_bytes();
    let teen = digits.len() > 1 && digits.get(digits.len() - 2) == Some(&b'1');
    match digits.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

/// A name as the pattern writes its own.
fn cased(name: &str, written: &str, width: usize) -> String {
    let lower = written.chars().next().is_some_and(char::is_lowercase);
    let upper = written.chars().filter(|c| c.is_alphabetic()).nth(1).is_some_and(char::is_uppercase);
    let name = match (lower, upper) {
        (true, _) => name.to_lowercase(),
        (false, true) => name.to_uppercase(),
        (false, false) => name.to_owned(),
    };
    format!("{name:width$}")
}

fn field(parts: &Parts, name: &str, written: &str, filled: bool) -> String {
    let width = |width: usize| if filled { width } else { 0 };
    let number = |value: i64, digits: usize| match value < 0 {
        true => format!("-{:0>1$}", -value, width(digits)),
        false => format!("{value:0>0$}", width(digits)),
    };
    let seconds = parts.micros / SECOND;
    let fraction = parts.micros % SECOND;
    let hour = seconds / 3_600;
    let twelve = match hour % 12 {
        0 => 12,
        hour => hour,
    };
    let weekday = parts.date.map_or(0, |date| date.weekday().num_days_from_sunday());
    let iso = parts.date.map(|date| date.iso_week());
    let iso_year = iso.map_or(0, |week| i64::from(week.year()));
    let day_of_year = parts.day_of_year();
    let year = if parts.date.is_some() && parts.years <= 0 { 1 - parts.years } else { parts.years };
    let month_name = |names: &[&'static str; 12]| {
        usize::try_from(parts.months - 1).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let day_name = DAYS.get(weekday as usize).copied().unwrap_or_default();
    let short = |name: &'static str| name.get(..3).unwrap_or_default();
    let half = |before: &str, after: &str| {
        let shown = if hour % 24 >= 12 { after } else { before };
        if written.starts_with(char::is_lowercase) { shown.to_lowercase() } else { shown.to_owned() }
    };
    let era = |before: &str, after: &str| {
        let shown = if parts.years <= 0 { before } else { after };
        if written.starts_with(char::is_lowercase) { shown.to_lowercase() } else { shown.to_owned() }
    };
    let (zone, east) = parts.zone.as_ref().map_or(("", 0), |(name, east)| (name.as_str(), *east));
    let sign = if east < 0 { '-' } else { '+' };
    let (east_hours, east_minutes) = (east.abs() / 3_600, east.abs() / 60 % 60);
    match name {
        "YYYY" => number(year, 4),
        "Y,YYY" => format!("{},{:03}", year / 1_000, year % 1_000),
        "YYY" => number(year % 1_000, 3),
        "YY" => number(year % 100, 2),
        "Y" => number(year % 10, 1),
        "IYYY" => number(iso_year, 4),
        "IYY" => number(iso_year % 1_000, 3),
        "IY" => number(iso_year % 100, 2),
        "I" => number(iso_year % 10, 1),
        "CC" if parts.date.is_none() => number(year / 100, 2),
        "CC" => number((year + 99) / 100, 2),
        "MONTH" => cased(month_name(&MONTHS), written, width(NAME_WIDTH)),
        "MON" => cased(short(month_name(&MONTHS)), written, 0),
        "MM" => number(parts.months, 2),
        // Of an interval without months there is none.
        "RM" if parts.date.is_none() && parts.months == 0 => String::new(),
        "RM" if parts.months < 0 => {
            let at = usize::try_from(12 + parts.months).unwrap_or(0);
            cased(ROMAN.get(at).copied().unwrap_or_default(), written, width(4))
        }
        "RM" => cased(month_name(&ROMAN), written, width(4)),
        "DAY" => cased(day_name, written, width(NAME_WIDTH)),
        "DY" => cased(short(day_name), written, 0),
        "DDD" => number(day_of_year, 3),
        "IDDD" => {
            let monday = i64::from(parts.date.map_or(0, |date| date.weekday().num_days_from_monday()));
            number(iso.map_or(0, |week| (i64::from(week.week()) - 1) * 7 + monday + 1), 3)
        }
        // The sign takes the place of a zero.
        "DD" if parts.days < 0 => parts.days.to_string(),
        "DD" => number(parts.days, 2),
        "D" => number(i64::from(weekday) + 1, 1),
        "ID" => number(if weekday == 0 { 7 } else { i64::from(weekday) }, 1),
        "J" => number(parts.date.map_or(0, |date| i64::from(date.num_days_from_ce()) + 1_721_425), 0),
        "Q" => number((parts.months + 2) / 3, 1),
        "WW" => number((day_of_year - 1) / 7 + 1, 2),
        "W" => number((parts.days - 1) / 7 + 1, 1),
        "IW" => number(iso.map_or(0, |week| week.week().into()), 2),
        "HH24" => number(hour, 2),
        "HH" | "HH12" => number(twelve, 2),
        "MI" => number(seconds / 60 % 60, 2),
        "SS" => number(seconds % 60, 2),
        "SSSS" | "SSSSS" => number(seconds, 0),
        "MS" => format!("{:03}", fraction / 1_000),
        "US" => format!("{fraction:06}"),
        "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let digits = name.bytes().last().map_or(6, |digit| usize::from(digit - b'0'));
            format!("{fraction:06}").get(..digits).unwrap_or_default().to_owned()
        }
        "AM" | "PM" => half("AM", "PM"),
        "A.M." | "P.M." => half("A.M.", "P.M."),
        "AD" | "BC" => era("BC", "AD"),
        "A.D." | "B.C." => era("B.C.", "A.D."),
        "TZ" => {
            if written.starts_with('t') {
                zone.to_lowercase()
            } else {
                zone.to_owned()
            }
        }
        "TZH" => format!("{sign}{east_hours:02}"),
        "TZM" => format!("{east_minutes:02}"),
        "OF" if east_minutes == 0 => format!("{sign}{east_hours:02}"),
        "OF" => format!("{sign}{east_hours:02}:{east_minutes:02}"),
        _ => String::new(),
    }
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// What the clock shows, since 1970.
    pub(super) micros: i64,
    /// Seconds east of Greenwich, where they are told.
    pub(super) east: Option<i32>,
}

/// The fields of a text, as far as they are told.
#[derive(Debug, Default)]
struct Told {
    year: Option<i64>,
    before_christ: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso: (Option<i64>, Option<i64>, Option<i64>),
    week: Option<i64>,
    hour: i64,
    afternoon: Option<bool>,
    twelve: bool,
    minute: i64,
    second: i64,
    micros: i64,
    julian: Option<i64>,
    of_day: Option<i64>,
    east: Option<(i32, i32, i32)>,
}

/// `to_timestamp` and `to_date`.
pub(super) fn read(written: &str, pattern: &str) -> Result<Read, PgError> {
    let tokens = tokens(pattern);
    let mut told = Told::default();
    let mut rest = written.trim_start();
    for (position, token) in tokens.iter().enumerate() {
        match token {
            Token::Literal(literal) => {
                for c in literal.chars() {
                    let separates = |c: char| !c.is_alphanumeric();
                    rest = match rest.chars().next() {
                        // Any separator stands for any other.
                        Some(found) if found == c || separates(found) && separates(c) => {
                            rest.get(found.len_utf8()..).unwrap_or_default()
                        }
                        Some(found) if !separates(c) => rest.get(found.len_utf8()..).unwrap_or_default(),
                        _ => rest,
                    };
                }
            }
            Token::Field { name, written: spelled, ordinal, .. } => {
                rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | ':') || c == '.');
                // Digits of another field follow without anything in between.
                let adjacent = matches!(tokens.get(position + 1), Some(Token::Field { .. }));
                told.field(name, spelled, adjacent, &mut rest)?;
                if ordinal.is_some() {
                    rest = rest.get(2..).unwrap_or_default();
                }
            }
        }
    }
    told.time(written)
}

fn digits(name: &str) -> usize {
    match name {
        "YYYY" | "IYYY" | "Y,YYY" => 4,
        "YYY" | "DDD" | "IDDD" | "MS" | "IYY" => 3,
        "US" => 6,
        "SSSS" | "SSSSS" => 5,
        "J" => 7,
        "Y" | "I" | "D" | "ID" | "Q" | "W" => 1,
        field if field.starts_with("FF") => field.bytes().last().map_or(6, |digit| usize::from(digit.saturating_sub(b'0'))),
        _ => 2,
    }
}

impl Told {
    fn field(&mut self, name: &str, spelled: &str, adjacent: bool, rest: &mut &str) -> Result<(), PgError> {
        match name {
            "MONTH" | "MON" => {
                let full = MONTHS.iter().position(|month| begins(rest, month)).filter(|_| name == "MONTH");
                let found = full.map(|at| (at, MONTHS[at].len())).or_else(|| {
                    MONTHS.iter().position(|month| begins(rest, &month[..3])).filter(|_| name == "MON").map(|at| (at, 3))
                });
                let Some((at, length)) = found else {
                    return Err(invalid(
                        rest,
                        spelled,
                        "The given value did not match any of the allowed values for this field.",
                    ));
                };
                self.month = i64::try_from(at + 1).ok();
                *rest = rest.get(length..).unwrap_or_default();
            }
            "DAY" | "DY" => {
                let found = DAYS.iter().find_map(|day| {
                    if name == "DAY" { begins(rest, day).then_some(day.len()) } else { begins(rest, &day[..3]).then_some(3) }
                });
                let Some(length) = found else {
                    return Err(invalid(
                        rest,
                        spelled,
                        "The given value did not match any of the allowed values for this field.",
                    ));
                };
                *rest = rest.get(length..).unwrap_or_default();
            }
            "AM" | "PM" | "A.M." | "P.M." | "AD" | "BC" | "A.D." | "B.C." => {
                let halves = [("AM", 0), ("PM", 1), ("A.M.", 0), ("P.M.", 1), ("AD", 2), ("BC", 3), ("A.D.", 2), ("B.C.", 3)];
                let Some((word, what)) = halves.into_iter().find(|(word, _)| begins(rest, word)) else {
                    return Err(invalid(
                        rest,
                        spelled,
                        "The given value did not match any of the allowed values for this field.",
                    ));
                };
                match what {
                    0 | 1 => (self.afternoon, self.twelve) = (Some(what == 1), true),
                    _ => self.before_christ = what == 3,
                }
                *rest = rest.get(word.len()..).unwrap_or_default();
            }
            "TZH" | "OF" | "TZM" => {
                let sign = match rest.chars().next() {
                    Some('-') if name != "TZM" => -1,
                    _ => self.east.map_or(1, |(sign, ..)| sign),
                };
                *rest = rest.trim_start_matches(['+', '-', ':']);
                let value = i32::try_from(number(rest, spelled, 2)?).unwrap_or(0);
                let (_, hours, minutes) = self.east.unwrap_or_default();
                self.east = Some(if name == "TZM" { (sign, hours, value) } else { (sign, value, minutes) });
            }
            "TZ" | "RM" => {
                return Err(PgError::new("0A000", format!("formatting field \"{spelled}\" is only supported in to_char")));
            }
            _ => {
                let most = if adjacent || !matches!(name, "YYYY") { digits(name) } else { 9 };
                let before = rest.len();
                let value = number(rest, spelled, most)?;
                let length = before - rest.len();
                match name {
                    "YYYY" | "Y,YYY" => self.year = Some(value),
                    // The nearest year to 2020 that ends like this.
                    "YYY" => {
                        self.year = Some(if length < 3 { near(value) } else { value + if value >= 520 { 1_000 } else { 2_000 } })
                    }
                    "YY" | "Y" => self.year = Some(near(value)),
                    "IYYY" | "IYY" | "IY" | "I" => self.iso.0 = Some(if length < 3 { near(value) } else { value }),
                    "IW" => self.iso.1 = Some(value),
                    "ID" => self.iso.2 = Some(value),
                    "MM" => self.month = Some(value),
                    "DD" => self.day = Some(value),
                    "DDD" => self.day_of_year = Some(value),
                    "WW" => self.week = Some(value),
                    "J" => self.julian = Some(value),
                    "HH24" => self.hour = value,
                    "HH" | "HH12" => (self.hour, self.twelve) = (value, true),
                    "MI" => self.minute = value,
                    "SS" => self.second = value,
                    "SSSS" | "SSSSS" => self.of_day = Some(value),
                    field if matches!(field, "MS" | "US") || field.starts_with("FF") => {
                        let places = u32::try_from(length).unwrap_or(6).min(6);
                        self.micros = value * 10_i64.pow(6 - places);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn time(self, written: &str) -> Result<Read, PgError> {
        let wrong = || PgError::new("22008", format!("date/time field value out of range: \"{written}\""));
        let mut hour = self.hour;
        if self.twelve {
            if !(1..=12).contains(&hour) {
                return Err(PgError::new("22007", format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                    .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            hour = hour % 12 + if self.afternoon == Some(true) { 12 } else { 0 };
            if self.afternoon.is_none() && self.hour == 12 {
                hour = 0;
            }
        }
        let clock = match self.of_day {
            Some(seconds) => seconds,
            None if (0..=24).contains(&hour) && (0..60).contains(&self.minute) && (0..60).contains(&self.second) => {
                hour * 3_600 + self.minute * 60 + self.second
            }
            None => return Err(wrong()),
        };
        if clock > 86_400 || clock == 86_400 && self.micros > 0 {
            return Err(wrong());
        }
        let days = match (self.julian, self.iso) {
            (Some(julian), _) => julian - 2_440_588,
            (None, (Some(year), week, day)) => {
                let year = i32::try_from(year).map_err(|_| wrong())?;
                let week = u32::try_from(week.unwrap_or(1)).map_err(|_| wrong())?;
                let first = NaiveDate::from_isoywd_opt(year, week, chrono::Weekday::Mon).ok_or_else(wrong)?;
                i64::from(first.num_days_from_ce() - EPOCH) + day.unwrap_or(1) - 1
            }
            _ => self.days().ok_or_else(wrong)?,
        };
        let east = self.east.map(|(sign, hours, minutes)| sign * (hours * 3_600 + minutes * 60));
        let micros = days.checked_mul(DAY).and_then(|days| days.checked_add(clock * SECOND + self.micros)).ok_or_else(wrong)?;
        Ok(Read { micros, east })
    }

    fn days(&self) -> Option<i64> {
        // Without a year it is the one before the first.
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => 0,
        };
        let first = |month: i64, day: i64| {
            let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
            Some(i64::from(date.num_days_from_ce() - EPOCH))
        };
        if let Some(day) = self.day_of_year.or_else(|| self.week.map(|week| (week - 1) * 7 + 1)) {
            return (1..=366).contains(&day).then(|| first(1, 1)).flatten().map(|january| january + day - 1);
        }
        first(self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

fn near(value: i64) -> i64 {
    if value < 70 { value + 2_000 } else { value + 1_900 }
}

fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

fn invalid(rest: &str, spelled: &str, detail: &str) -> PgError {
    let shown: String = rest.chars().take(spelled.chars().count()).collect();
    PgError::new("22007", format!("invalid value \"{shown}\" for \"{spelled}\"")).with_detail(detail)
}

/// A number of at most this many digits.
fn number(rest: &mut &str, spelled: &str, most: usize) -> Result<i64, PgError> {
    let signed = usize::from(rest.starts_with(['-', '+']));
    let length = rest.bytes().skip(signed).take(most).take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at_checked(signed + length).unwrap_or(("", rest));
    let value = digits.parse().map_err(|_| invalid(rest, spelled, "Value must be an integer."))?;
    *rest = after;
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_postgres_writes_them() {
        let micros = read("2024-01-02 15:04:05.678", "YYYY-MM-DD HH24:MI:SS.MS").unwrap().micros;
        // PostgreSQL 15: select to_char(timestamp '2024-01-02 15:04:05.678', …)
        for (pattern, expected) in [
            (
                "Day, DD Month YYYY HH12:MI:SS.MS AM Dy Mon Q DDD WW IW IYYY D ID J CC",
                "Tuesday  , 02 January   2024 03:04:05.678 PM Tue Jan 1 002 01 01 2024 3 2 2460312 21",
            ),
            (
                "FMDay, FMDD FMMonth FMHH12:MI:SS.US pm DAY day MONTH mon",
                "Tuesday, 2 January 3:04:05.678000 pm TUESDAY   tuesday   JANUARY   jan",
            ),
            ("\"text\"YY Y,YYY US FF3 SSSS DDth", "text24 2,024 678000 678 54245 02nd"),
        ] {
            assert_eq!(write(&Parts::of_time(micros), pattern), expected);
        }
    }

    #[test]
    fn times_are_read_as_postgres_reads_them() {
        // PostgreSQL 15: select to_timestamp(…, …)::text
        for (written, pattern, expected) in [
            ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 00:00:00"),
            ("20240102030405", "YYYYMMDDHH24MISS", "2024-01-02 03:04:05"),
            ("2024-01-02 03:04:05.678 PM", "YYYY-MM-DD HH12:MI:SS.MS AM", "2024-01-02 15:04:05"),
            ("2024-01-02T03:04:05", "YYYY-MM-DD\"T\"HH24:MI:SS", "2024-01-02 03:04:05"),
            ("99", "YY", "1999-01-01 00:00:00"),
            ("2024 100", "YYYY DDD", "2024-04-09 00:00:00"),
        ] {
            let read = read(written, pattern).unwrap().micros;
            assert_eq!(write(&Parts::of_time(read), "YYYY-MM-DD HH24:MI:SS"), expected);
        }
        for (written, pattern, code) in [
            ("x", "YYYY", "22007"),
            ("2024-13-01", "YYYY-MM-DD", "22008"),
            ("2024-02-30", "YYYY-MM-DD", "22008"),
            ("13", "HH12", "22007"),
        ] {
            assert_eq!(read(written, pattern).unwrap_err().code, code, "{written}");
        }
    }
}
