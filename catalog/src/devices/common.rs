//! What every device's table begins with: whose exam it is, of which eye and day.

use arrow::datatypes::{DataType, Field};
use chrono::{Datelike, Days, NaiveDate};

use super::columns::Rows;
use super::date::{Order, Readings, born_before};
use super::spreadsheet::{Number, patient_number};
use super::text::filled;
use crate::device::{Eye, Subject};
use crate::field::field;
use crate::issue::{Issue, IssueCode};

/// The columns that all tables have first.
pub(crate) fn fields() -> Vec<Field> {
    vec![
        field("eye", DataType::Utf8, "", "Eye that was examined: OD (right) or OS (left)"),
        field("exam_date", DataType::Date32, "", "Day of the exam"),
        field("patient_number", DataType::Utf8, "", "The hospital's number of the patient, as the file has it; personal"),
        field("patient_last_name", DataType::Utf8, "", "Family name; personal"),
        field("patient_first_name", DataType::Utf8, "", "First name; personal"),
        field("patient_birth_date", DataType::Date32, "", "Day of birth; personal"),
        field("patient_sex", DataType::Utf8, "", "Sex in the patient's file: M or F"),
    ]
}

/// A clock that shows an earlier year is not set.
const FIRST_YEAR: i32 = 2024;

/// Identity of a row as its file writes it.
#[derive(Debug, Default)]
pub(crate) struct Identity<'a> {
    pub(crate) patient_number: Option<&'a str>,
    pub(crate) last_name: Option<&'a str>,
    pub(crate) first_name: Option<&'a str>,
    pub(crate) birth_date: Option<&'a str>,
    pub(crate) sex: Option<&'a str>,
    pub(crate) eye: Option<&'a str>,
    pub(crate) exam_date: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Sets the text of a common column.
    pub(crate) fn take(&mut self, column: &str, text: Option<&'a str>) {
        let slot = match column {
            "patient_number" => &mut self.patient_number,
            "patient_last_name" => &mut self.last_name,
            "patient_first_name" => &mut self.first_name,
            "patient_birth_date" => &mut self.birth_date,
            "patient_sex" => &mut self.sex,
            "eye" => &mut self.eye,
            "exam_date" => &mut self.exam_date,
            _ => return,
        };
        *slot = text;
    }

    /// Sets the common columns of the current row and says what is wrong with them. `doubtful` is whether dates that can be
    /// read in two ways are to be flagged; `place` (such as ` in line 7`) ends every detail.
    pub(crate) fn store(&self, rows: &mut Rows, order: Order, doubtful: bool, place: &str, issues: &mut Vec<Issue>) -> Subject {
        let written = self.patient_number.and_then(filled);
        let patient = written.and_then(|text| {
            let (patient, what) = match patient_number(text) {
                Number::Whole(text) => return Some(text.to_owned()),
                Number::Decimal(whole) => (Some(whole.to_owned()), "has become a decimal number, whose zeros were left out"),
                Number::Shortened => (None, "has lost digits"),
                Number::Day => (None, "is a date"),
            };
            issues.push(Issue::new(IssueCode::ValueMangled, format!("the patient number {what}{place}")));
            patient
        });
        if patient.is_none() {
            issues.push(Issue::new(IssueCode::PatientMissing, format!("no patient number{place}")));
        }
        let eye = match self.eye.and_then(filled) {
            None => {
                issues.push(Issue::new(IssueCode::EyeMissing, format!("no eye{place}")));
                None
            }
            Some(text) => {
                let eye = Eye::parse(text);
                if eye.is_none() {
                    let why = if text.bytes().all(|b| b.is_ascii_digit()) {
                        "the eye is a digit, which means either eye in practice; layout.toml can say which"
                    } else {
                        "the eye is not one of OD, OS and their usual forms"
                    };
                    issues.push(Issue::new(IssueCode::EyeUnreadable, format!("{why}{place}")));
                }
                eye
            }
        };
        let exam_date = match self.exam_date.and_then(filled) {
            None => {
                issues.push(Issue::new(IssueCode::DateMissing, format!("no exam date{place}")));
                None
            }
            Some(text) => day(text, "exam date", order, doubtful, place, issues),
        };
        let exam_date = exam_date.filter(|day| {
            let future = tomorrow().is_some_and(|tomorrow| *day > tomorrow);
            if future {
                issues.push(Issue::new(IssueCode::DateFuture, format!("the exam date lies in the future{place}")));
            }
            !future
        });
        let birth_date = self
            .birth_date
            .and_then(filled)
            .and_then(|text| day(text, "birth date", order, doubtful, place, issues))
            .map(|birth| born_before(birth, exam_date));
        rows.set("eye", eye.map(|eye| eye.code().to_owned()));
        rows.set("exam_date", exam_date);
        rows.set("patient_number", patient.clone().or_else(|| written.map(str::to_owned)));
        rows.set("patient_last_name", self.last_name.and_then(filled).map(str::to_owned));
        rows.set("patient_first_name", self.first_name.and_then(filled).map(str::to_owned));
        rows.set("patient_birth_date", birth_date);
        rows.set("patient_sex", self.sex.and_then(sex).map(str::to_owned));
        Subject { patient, exam_date, eye }
    }
}

/// The day after this one, since clocks of hospitals stand in different zones; none where the machine's own is not set.
fn tomorrow() -> Option<NaiveDate> {
    const SECONDS: u64 = 24 * 60 * 60;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    let day = NaiveDate::default().checked_add_days(Days::new(now.as_secs() / SECONDS + 1))?;
    (day.year() >= FIRST_YEAR).then_some(day)
}

fn day(text: &str, what: &str, order: Order, doubtful: bool, place: &str, issues: &mut Vec<Issue>) -> Option<NaiveDate> {
    let Some(readings) = Readings::of(text) else {
        issues.push(Issue::new(IssueCode::DateUnreadable, format!("the {what} is not a date{place}")));
        return None;
    };
    if doubtful && readings.ambiguous() {
        let order = match order {
            Order::Dmy => "day before month",
            Order::Mdy => "month before day",
        };
        issues.push(Issue::new(IssueCode::DateAmbiguous, format!("the {what} can be read in two ways, taken as {order}{place}")));
    }
    readings.resolve(order)
}

fn sex(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().as_str() {
        "m" | "h" | "male" | "man" | "homme" | "masculin" | "uomo" => Some("M"),
        "f" | "w" | "female" | "woman" | "femme" | "féminin" | "feminin" | "donna" => Some("F"),
        _ => None,
    }
}
