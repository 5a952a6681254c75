//! What nobody did wrong and nobody can read with certainty: a bare decimal as an acuity, and the dates of a sheet of which none
//! shows the order of day and month.

use chrono::NaiveDate;

use super::super::record::Row;
use super::super::sheets::Sheet;
use crate::issue::IssueCode;

/// What of a row can be read in two ways.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Typed {
    /// Dates with the year last, in whatever order they were typed.
    dates: Vec<(u32, u32, i32)>,
    bare_decimal: bool,
}

impl Typed {
    /// What stands in a row of `sheet`.
    pub(in super::super) fn of(sheet: Sheet, row: &Row) -> Self {
        let Sheet::Clinic { desk, .. } = sheet else { return Self::default() };
        let mut dates: Vec<_> = numbers(row.text("visit_date_text")).into_iter().collect();
        // French sheets have the day of birth in French order, English ones in ISO, which has no two readings.
        if let ("fr", Some(birth)) = (desk.layout(), row.day("patient_birth_date")) {
            dates.extend(numbers(&birth.format("%d/%m/%Y").to_string()));
        }
        let bare_decimal = ["udva_text", "cdva_text"].iter().any(|column| {
            let text = row.text(column).trim();
            text.contains(['.', ',']) && text.replace(',', ".").parse::<f64>().is_ok()
        });
        Self { dates, bare_decimal }
    }

    /// The issues of each row of a sheet.
    pub(in super::super) fn issues(rows: &[Self]) -> Vec<Vec<(IssueCode, &'static str)>> {
        let dates = || rows.iter().flat_map(|row| &row.dates);
        let day_first = dates().any(|&(a, b, year)| is_day(a, b, year) && !is_day(b, a, year));
        let month_first = dates().any(|&(a, b, year)| is_day(b, a, year) && !is_day(a, b, year));
        // Either nothing shows the order, or two orders are shown.
        let doubtful = day_first == month_first;
        let two_ways = |&(a, b, year): &(u32, u32, i32)| a != b && is_day(a, b, year) && is_day(b, a, year);
        rows.iter()
            .map(|row| {
                let acuity = row.bare_decimal.then_some((IssueCode::AcuityUnreadable, "bare_decimal"));
                let date = (doubtful && row.dates.iter().any(two_ways)).then_some((IssueCode::DateAmbiguous, "order_not_shown"));
                acuity.into_iter().chain(date).collect()
            })
            .collect()
    }
}

/// The three numbers of a date whose year stands last.
fn numbers(text: &str) -> Option<(u32, u32, i32)> {
    let parts: Vec<&str> = text.trim().split(['/', '.']).collect();
    let [a, b, year] = parts.as_slice() else { return None };
    let year: i32 = year.parse().ok()?;
    Some((a.parse().ok()?, b.parse().ok()?, if year < 100 { 2000 + year } else { year }))
}

fn is_day(day: u32, month: u32, year: i32) -> bool {
    NaiveDate::from_ymd_opt(year, month, day).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::super::clinic::Desk;
    use super::*;

    fn codes(desk: Desk, rows: &[(&str, &str)]) -> Vec<Vec<&'static str>> {
        let typed: Vec<Typed> = rows
            .iter()
            .map(|(date, acuity)| {
                let mut row = Row::default();
                row.set("visit_date_text", *date);
                row.set("cdva_text", *acuity);
                Typed::of(Sheet::Clinic { desk, year: 2024 }, &row)
            })
            .collect();
        Typed::issues(&typed).into_iter().map(|issues| issues.into_iter().map(|(code, _)| code.as_str()).collect()).collect()
    }

    #[test]
    fn a_bare_decimal_is_ambiguous_and_a_fraction_is_not() {
        let found = codes(Desk::Consultation, &[("25/03/2024", "0,5"), ("04/05/2024", " 1.0 "), ("04/05/2024", "5/10")]);
        assert_eq!(found, [vec!["acuity_unreadable"], vec!["acuity_unreadable"], vec![]]);
    }

    #[test]
    fn dates_are_ambiguous_where_none_shows_the_order_or_two_do() {
        let date = vec!["date_ambiguous"];
        assert_eq!(
            codes(Desk::Fellowship, &[("3/4/2024", ""), ("05/05/2024", ""), ("en mars", "")]),
            [date.clone(), vec![], vec![]]
        );
        assert_eq!(codes(Desk::Fellowship, &[("3/4/2024", ""), ("3/25/2024", "")]), [vec![], vec![]] as [Vec<&str>; 2]);
        assert_eq!(codes(Desk::Fellowship, &[("3/4/2024", ""), ("31/02/2024", "")]), [date.clone(), vec![]]);
        let mixed = codes(Desk::Fellowship, &[("3/4/2024", ""), ("3/25/2024", ""), ("25/3/2024", "")]);
        assert_eq!(mixed, [date, vec![], vec![]]);
        assert_eq!(codes(Desk::Research, &[("2024-03-04", "")]), [vec![]] as [Vec<&str>; 1]);
    }
}
