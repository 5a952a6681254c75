//! What spreadsheets do to what people type: fractions become days, long numbers lose their digits, formulas leave errors.

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use super::date::{Readings, month};
use super::text::words;

/// A day or serial number in place of something else, and what that probably was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mangled {
    /// Fractions that a spreadsheet takes for this day; the likeliest first. Empty where none is an acuity.
    pub(crate) guesses: Vec<String>,
}

impl Mangled {
    fn of(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut guesses: Vec<String> = Vec::new();
        for (numerator, denominator) in pairs {
            let guess = format!("{numerator}/{denominator}");
            if is_acuity(numerator, denominator) && !guesses.contains(&guess) {
                guesses.push(guess);
            }
        }
        Self { guesses }
    }

    /// What a spreadsheet took for this day: the day and the month of some year, or the first of a month and a year of two digits.
    pub(crate) fn date(day: NaiveDate) -> Self {
        let (d, m, y) = (day.day(), day.month(), day.year().rem_euclid(100).unsigned_abs());
        let first = if d == 1 { Some((m, y)) } else { None };
        Self::of(both(d, m).into_iter().chain(first)).or_decimal(d, m)
    }

    /// Where no fraction does: `1.2` is the first of February where points stand between day and month.
    fn or_decimal(mut self, day: u32, month: u32) -> Self {
        if self.guesses.is_empty() && day == 1 && month <= 6 {
            self.guesses.push(format!("1.{month}"));
        }
        self
    }

    /// The guesses for people: `, probably 5/10`.
    pub(crate) fn probably(&self) -> String {
        if self.guesses.is_empty() { String::new() } else { format!(", probably {}", self.guesses.join(" or ")) }
    }
}

/// A day and a month as a fraction, the reading whose denominator is one of a chart's first: it was typed in the order of the
/// program's language, which the file does not say.
fn both(a: u32, b: u32) -> [(u32, u32); 2] {
    if is_acuity(a, b) { [(a, b), (b, a)] } else { [(b, a), (a, b)] }
}

/// Whether a fraction of numbers that small is an acuity of a usual chart: tenths, metres of 6, 5, 4 or 3, or 1/20 and 1/50.
fn is_acuity(numerator: u32, denominator: u32) -> bool {
    match (numerator, denominator) {
        (1..=12, 10) | (1, 20 | 50) => true,
        (3..=6, 5..=95) => denominator >= numerator,
        (6, 3 | 4) | (5, 3 | 4) | (4, 3) => true,
        _ => false,
    }
}

/// Whether a text looks like what a spreadsheet makes of `5/10`: a day with the name of a month, a month with a year of two digits,
/// a whole date, or the serial number of a day between 2000 and 2050.
pub(crate) fn mangled(text: &str) -> Option<Mangled> {
    if text.len() > 40 {
        return None;
    }
    // Programs write days with the time at which they begin.
    let text = ["T00:00:00", " 00:00:00", " 00:00"].iter().find_map(|end| text.trim().strip_suffix(end)).unwrap_or(text);
    let words = words(text);
    let number =
        |word: &str| if word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit()) { word.parse::<u32>().ok() } else { None };
    let month = |word: &str| month(word).and_then(|month| u32::try_from(month).ok());
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [a, b] if number(a).is_some() && month(b).is_some() => {
            let (day, month) = (number(a)?, month(b)?);
            Some(Mangled::of(both(day, month)).or_decimal(day, month))
        }
        // `janv-20`: the month and a year of two digits, or in English a day.
        [a, b] if month(a).is_some() && number(b).is_some() => {
            let (month, other) = (month(a)?, number(b)? % 100);
            Some(Mangled::of([(month, other), (other, month)]))
        }
        // `05-10`: a day and its month; people write fractions with other marks.
        [a, b] if text.trim().len() == a.len() + b.len() + 1 && text.contains('-') && a.len().max(b.len()) <= 2 => {
            let (a, b) = (number(a)?, number(b)?);
            let day = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
            (day(a, b) || day(b, a)).then(|| Mangled::of(both(a, b)))
        }
        [serial] if serial.len() == 5 => {
            let days = serial.parse::<f64>().ok().filter(|days| (36_526.0..=55_152.0).contains(days))?;
            Some(super::workbook::serial(days, false).map_or(Mangled { guesses: Vec::new() }, |day| Mangled::date(day.date())))
        }
        [_, _, _] => Readings::of(text)
            .and_then(Readings::certain)
            .map_or_else(|| Readings::of(text).map(|_| Mangled { guesses: Vec::new() }), |day| Some(Mangled::date(day))),
        _ => None,
    }
}

/// A day that stands as its serial number: a whole number between 1920 and 2100, or one with a time of day.
pub(crate) fn serial_day(text: &str, from_1904: bool) -> Option<NaiveDateTime> {
    let days = text.trim().parse::<f64>().ok().filter(|days| (7_306.0..=73_051.0).contains(days))?;
    super::workbook::serial(days, from_1904)
}

/// What stands for a patient's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number<'a> {
    /// As it was typed.
    Whole(&'a str),
    /// A decimal number, as whole numbers become in a column with empty cells: what stands before its zeros.
    Decimal(&'a str),
    /// Digits are lost.
    Shortened,
    /// A date in place of it.
    Day,
}

/// What programs have done to a patient's number.
pub(crate) fn patient_number(text: &str) -> Number<'_> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits_lost(text, false) {
        return Number::Shortened;
    }
    match text.split_once(['.', ',']) {
        Some((whole, zeros)) if digits(whole) && !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => {
            return Number::Decimal(whole);
        }
        _ => {}
    }
    // Numbers may have dashes and points of their own, and four digits first or last; few are days that way.
    let parts: Vec<&str> = text.split('/').collect();
    let day = matches!(parts.as_slice(), [a, b, c] if [a, b, c].iter().all(|part| digits(part)) && a.len().max(c.len()) == 4);
    if day && Readings::of(text).is_some() { Number::Day } else { Number::Whole(text) }
}

/// Whether a number was written as `1,23457E+11`, or has more than the 15 digits that a spreadsheet keeps: digits are lost, and
/// many numbers have become one.
pub(crate) fn digits_lost(text: &str, is_number: bool) -> bool {
    let text = text.trim();
    let scientific = text.split_once(['E', 'e']).is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix('+').unwrap_or_default();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(exponent) && mantissa.split_once(['.', ',']).is_some_and(|(a, b)| a.len() == 1 && digits(a) && digits(b))
    });
    scientific || is_number && text.bytes().filter(u8::is_ascii_digit).count() > 15
}

/// Whether a text is what a formula leaves where it has no value, in English or French.
pub(crate) fn is_error(text: &str) -> bool {
    const ERRORS: [&str; 14] = [
        "#n/a", "#na", "#value!", "#valeur!", "#ref!", "#div/0!", "#num!", "#nombre!", "#name?", "#nom?", "#null!", "#nul!",
        "#spill!", "#calc!",
    ];
    let text = text.trim();
    text.starts_with('#') && (ERRORS.contains(&text.to_lowercase().as_str()) || text.len() > 2 && text.bytes().all(|b| b == b'#'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_spreadsheets_do_to_fractions() {
        for (text, guess) in [
            ("05-oct", ", probably 5/10"),
            ("5-Oct", ", probably 5/10"),
            ("oct-05", ", probably 5/10"),
            ("10-mai", ", probably 5/10"),
            ("10-oct.", ", probably 10/10"),
            ("1-janv.", ", probably 1.1"),
            ("1-févr", ", probably 1.2"),
            ("06-déc", ", probably 6/12"),
            ("06-sept", ", probably 6/9"),
            ("janv-20", ", probably 1/20"),
            ("janv.-50", ", probably 1/50"),
            ("08-août", ""),
            ("2024-10-05", ", probably 5/10"),
            ("1950-01-01", ", probably 1/50"),
            ("45570", ", probably 5/10"),
            ("2024-10-05 00:00:00", ", probably 5/10"),
            ("2024-10-05T00:00:00", ", probably 5/10"),
            ("05-10", ", probably 5/10"),
            ("10-08", ", probably 8/10"),
            ("4/11/2017", ""),
        ] {
            assert_eq!(mangled(text).map(|found| found.probably()).as_deref(), Some(guess), "{text}");
        }
        for text in [
            "5/10",
            "0.5",
            "20-40",
            "-1-2",
            "5-6-7",
            "0-1",
            "05_10",
            "10/10 P2",
            "CLD",
            "-2,25",
            "150",
            "20/40+2",
            "83 letters",
            "P2",
            "6/7.5",
            "12345",
            "10/10 mai",
        ] {
            assert_eq!(mangled(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_lost_digits() {
        for text in ["1,23457E+11", "8.00E+15"] {
            assert!(digits_lost(text, false), "{text}");
        }
        assert!(digits_lost("1234567890123456", true));
        for text in ["1234567890123456", "12E4", "E+11", "1E5", "A1.2E+3", ""] {
            assert!(!digits_lost(text, false), "{text}");
        }
    }

    #[test]
    fn what_became_of_patient_numbers() {
        for text in ["12", "0012", "P 12", "12-05-1990", "2024/0312", "1.2.3", "12.05", "12,", "20240312", "IPP 12.0"] {
            assert_eq!(patient_number(text), Number::Whole(text));
        }
        assert_eq!(patient_number("12.0"), Number::Decimal("12"));
        assert_eq!(patient_number("0012,00"), Number::Decimal("0012"));
        assert_eq!(patient_number("8,00123E+11"), Number::Shortened);
        for text in ["14/07/1980", "1980/07/14"] {
            assert_eq!(patient_number(text), Number::Day);
        }
    }

    #[test]
    fn errors_of_formulas() {
        for text in ["#N/A", "#VALEUR!", " #DIV/0! ", "#####"] {
            assert!(is_error(text), "{text}");
        }
        for text in ["#", "##", "# 2", "N/A", "#12"] {
            assert!(!is_error(text), "{text}");
        }
    }
}
