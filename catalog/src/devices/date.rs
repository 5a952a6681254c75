//! Dates as devices and people write them, and the order of day and month that a file uses.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

/// Order of day and month in dates whose year stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Day, month, year.
    #[default]
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// What a text can mean as a date; at least one of both is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readings {
    dmy: Option<NaiveDate>,
    mdy: Option<NaiveDate>,
}

impl Readings {
    /// Reads `2024-03-06`, `06/03/2024`, `6.3.24`, `20240306`, `3 janv. 2024`, `March 6, 2024` and the like, with or without a
    /// time after it.
    ///
    /// Two-digit years are taken as 1930 to 2029.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(date) = in_words(text) {
            return Some(Self { dmy: Some(date), mdy: Some(date) });
        }
        let blanks = |c: char| c.is_whitespace();
        // Blanks between the numbers are marks like others; after a date, they begin its time.
        let spaced = text.split(blanks).take(3).collect::<Vec<_>>();
        if let [a, b, c] = spaced.as_slice()
            && [a, b, c].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        {
            return Self::of(&format!("{a}/{b}/{c}"));
        }
        let day = text.split(|c: char| c == 'T' || blanks(c)).next().unwrap_or_default();
        if day.len() > 10 || !day.is_ascii() {
            return None;
        }
        if day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) {
            let both = NaiveDate::parse_from_str(day, "%Y%m%d").ok()?;
            return Some(Self { dmy: Some(both), mdy: Some(both) });
        }
        let separator = day.chars().find(|c| matches!(c, '/' | '-' | '.'))?;
        let mut parts = day.split(separator);
        let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let short = |text: &str| if (1..=2).contains(&text.len()) { digits(text) } else { None };
        if a.len() == 4 {
            let both = date(digits(a)?, short(b)?, short(c)?)?;
            return Some(Self { dmy: Some(both), mdy: Some(both) });
        }
        let year = full_year(c)?;
        let (a, b) = (short(a)?, short(b)?);
        let readings = Self { dmy: date(year, b, a), mdy: date(year, a, b) };
        (readings.dmy.is_some() || readings.mdy.is_some()).then_some(readings)
    }

    /// Whether day and month can't be told apart.
    pub(crate) fn ambiguous(self) -> bool {
        self.dmy.is_some() && self.mdy.is_some() && self.dmy != self.mdy
    }

    /// The date, where it can be read in one way only.
    pub(crate) fn certain(self) -> Option<NaiveDate> {
        if self.ambiguous() { None } else { self.dmy.or(self.mdy) }
    }

    /// The date, in `order` where both are possible.
    pub(crate) fn resolve(self, order: Order) -> Option<NaiveDate> {
        match order {
            Order::Dmy => self.dmy.or(self.mdy),
            Order::Mdy => self.mdy.or(self.dmy),
        }
    }
}

/// A year of four digits, or of two: 1930 to 2029.
fn full_year(text: &str) -> Option<i32> {
    match (text.len(), digits(text)?) {
        (4, year) => Some(year),
        (2, year) if year < 30 => Some(2000 + year),
        (2, year) => Some(1900 + year),
        _ => None,
    }
}

/// Months as people write them, without accents: French and English names and their usual abbreviations.
const MONTHS: [&[&str]; 12] = [
    &["janvier", "january", "janv", "jan"],
    &["fevrier", "february", "fevr", "fev", "febr", "feb"],
    &["mars", "march", "mar"],
    &["avril", "april", "avr", "apr"],
    &["mai", "may"],
    &["juin", "june", "jun"],
    &["juillet", "july", "juil", "jul"],
    &["aout", "august", "aou", "aug"],
    &["septembre", "september", "sept", "sep"],
    &["octobre", "october", "oct"],
    &["novembre", "november", "nov"],
    &["decembre", "december", "dec"],
];

/// The number of a month, from 1.
pub(crate) fn month(word: &str) -> Option<i32> {
    (1..).zip(MONTHS).find(|(_, names)| names.contains(&word)).map(|(number, _)| number)
}

/// A date whose month is a word, such as `3 janv. 2024`, `1er mars 24`, `March 6th, 2024`, `6-Mar-2024`, with a weekday before it
/// or not. Only the month may be a word, and the year stands last.
fn in_words(text: &str) -> Option<NaiveDate> {
    const WEEKDAYS: [&str; 14] = [
        "lundi",
        "mardi",
        "mercredi",
        "jeudi",
        "vendredi",
        "samedi",
        "dimanche",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    if text.len() > 40 || !text.contains(char::is_alphabetic) {
        return None;
    }
    let mut words = super::text::words(text);
    if words.first().is_some_and(|word| WEEKDAYS.contains(&word.as_str())) {
        words.remove(0);
    }
    let [a, b, c] = words.as_slice() else { return None };
    let (day, name) = if month(a).is_some() { (b, a) } else { (a, b) };
    let day = ["er", "st", "nd", "rd", "th"].iter().find_map(|end| day.strip_suffix(end)).unwrap_or(day);
    if !(1..=2).contains(&day.len()) {
        return None;
    }
    date(full_year(c)?, month(name)?, digits(day)?)
}

fn digits(text: &str) -> Option<i32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A date between 1800 and 2200; other years are typing errors.
fn date(year: i32, month: i32, day: i32) -> Option<NaiveDate> {
    if !(1800..=2200).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

/// What the dates of a file say about their order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    dmy: usize,
    mdy: usize,
}

impl Evidence {
    /// Counts one text of the file.
    pub(crate) fn add(&mut self, text: &str) {
        if let Some(readings) = Readings::of(text) {
            self.dmy += usize::from(readings.mdy.is_none());
            self.mdy += usize::from(readings.dmy.is_none());
        }
    }

    /// The order that most unambiguous dates have, or `usual`.
    pub(crate) fn order(self, usual: Order) -> Order {
        match self.dmy.cmp(&self.mdy) {
            std::cmp::Ordering::Greater => Order::Dmy,
            std::cmp::Ordering::Less => Order::Mdy,
            std::cmp::Ordering::Equal => usual,
        }
    }

    /// Whether dates of both orders stand in the file.
    pub(crate) fn contradictory(self) -> bool {
        self.dmy > 0 && self.mdy > 0
    }

    /// Whether no date of the file shows its order.
    pub(crate) fn silent(self) -> bool {
        self.dmy == 0 && self.mdy == 0
    }
}

/// Moves a birth date that would lie after the exam back by a century: two-digit years do not say theirs.
pub(crate) fn born_before(birth: NaiveDate, exam: Option<NaiveDate>) -> NaiveDate {
    match exam {
        Some(exam) if birth > exam => birth.with_year(birth.year() - 100).unwrap_or(birth),
        _ => birth,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn one_day_in_all_its_spellings() {
        for text in [
            "2024-03-26",
            "26/03/2024",
            "26.03.24",
            "26-3-2024",
            "03/26/2024",
            "20240326",
            "2024-03-26T10:11:12",
            "26/03/2024 08:00",
        ] {
            let readings = Readings::of(text).unwrap();
            assert!(!readings.ambiguous(), "{text}");
            assert_eq!(readings.resolve(Order::Dmy), Some(day(2024, 3, 26)), "{text}");
        }
    }

    #[test]
    fn months_in_words() {
        let dates = [
            ("3 janv. 2024", (2024, 1, 3)),
            ("1er février 2024", (2024, 2, 1)),
            ("mardi 26 mars 2024", (2024, 3, 26)),
            ("26-Mar-2024", (2024, 3, 26)),
            ("March 6, 2024", (2024, 3, 6)),
            ("March 6th 2024", (2024, 3, 6)),
            ("15 AOÛT 99", (1999, 8, 15)),
            ("5 déc. 24", (2024, 12, 5)),
            ("06 03 2024", (2024, 3, 6)),
        ];
        for (text, (year, month, date)) in dates {
            assert_eq!(
                Readings::of(text).and_then(|readings| readings.resolve(Order::Dmy)),
                Some(day(year, month, date)),
                "{text}"
            );
        }
        assert!(!Readings::of("6 mars 2024").unwrap().ambiguous());
        assert!(Readings::of("06 03 2024").unwrap().ambiguous());
        for text in ["mars 2024", "31 février 2024", "6 brumaire 2024", "mars 6", "6 mars 2024 ou avril", "vers le 6 mars 2024"]
        {
            assert_eq!(Readings::of(text), None, "{text}");
        }
    }

    #[test]
    fn order_decides_only_where_both_are_possible() {
        let readings = Readings::of("06/03/2024").unwrap();
        assert!(readings.ambiguous());
        assert_eq!(readings.resolve(Order::Dmy), Some(day(2024, 3, 6)));
        assert_eq!(readings.resolve(Order::Mdy), Some(day(2024, 6, 3)));
        assert!(!Readings::of("05/05/2024").unwrap().ambiguous());
    }

    #[test]
    fn no_dates() {
        for text in ["", "hier", "31/02/2024", "45/45/2024", "1/2", "1/2/3/4", "12/05/0204", "2024-13-01", "06/03/124", "é/é/é"]
        {
            assert_eq!(Readings::of(text), None, "{text}");
        }
    }

    #[test]
    fn evidence_is_counted() {
        let mut evidence = Evidence::default();
        assert!(evidence.silent());
        evidence.add("06/03/2024");
        assert!(evidence.silent());
        evidence.add("03/26/2024");
        assert_eq!(evidence.order(Order::Dmy), Order::Mdy);
        evidence.add("26/03/2024");
        assert!(evidence.contradictory());
        assert_eq!(evidence.order(Order::Dmy), Order::Dmy);
    }

    #[test]
    fn births_lie_before_exams() {
        assert_eq!(born_before(day(2027, 1, 5), Some(day(2024, 1, 1))), day(1927, 1, 5));
        assert_eq!(born_before(day(1990, 1, 5), Some(day(2024, 1, 1))), day(1990, 1, 5));
    }
}
