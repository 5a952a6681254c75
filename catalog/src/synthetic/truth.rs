//! The truth files: what the lake holds, for tests and for training. They stand outside the lake.

mod expected;
mod habits;

use std::path::Path;

use chrono::{Datelike, NaiveDate};

use super::eye::Eye;
use super::fault::{FAULTS, Fault};
use super::patient::Patient;
use crate::error::{Error, Result};
use crate::issue::IssueCode;

pub use expected::{EXPECTED_ISSUES, ExpectedIssue, expected_issues};
pub(super) use habits::Typed;

/// What is in one file, or in one row of a sheet.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    /// Path below the lake, with slashes.
    pub file: String,
    /// Row of a sheet from 1, in the order of the file.
    pub row: Option<usize>,
    pub device: &'static str,
    pub patient_number: String,
    /// `OD`, `OS`, or empty for a sheet.
    pub eye: &'static str,
    pub exam_date: Option<NaiveDate>,
    pub diagnosis: &'static str,
    pub fault: Option<&'static Fault>,
    /// Name and issue of a file that no device wrote.
    pub foreign: Option<(&'static str, IssueCode)>,
    /// Issues besides that of the fault, each with its reason.
    pub also: Vec<(IssueCode, &'static str)>,
}

impl Truth {
    /// The truth about a file or a row with one eye of a patient.
    pub(super) fn of(device: &'static str, patient: &Patient, eye: &Eye, date: NaiveDate, fault: Option<&'static Fault>) -> Self {
        Self {
            file: String::new(),
            row: None,
            device,
            patient_number: patient.number.clone(),
            eye: if eye.left { "OS" } else { "OD" },
            exam_date: Some(date),
            diagnosis: eye.diagnosis.as_str(),
            fault,
            foreign: None,
            also: Vec::new(),
        }
    }

    /// The truth about a file as a whole.
    pub(super) fn sheet(device: &'static str, file: String, fault: Option<&'static Fault>) -> Self {
        Self {
            file,
            row: None,
            device,
            patient_number: String::new(),
            eye: "",
            exam_date: None,
            diagnosis: "",
            fault,
            foreign: None,
            also: Vec::new(),
        }
    }

    /// Every issue that this file or row should lead to.
    fn expected(&self) -> Vec<ExpectedIssue> {
        let fault = self.fault.and_then(|fault| Some((fault.expected?, fault.name)));
        let foreign = self.foreign.map(|(name, issue)| (issue, name));
        let all = fault.into_iter().chain(foreign).chain(self.also.iter().copied());
        all.map(|(code, reason)| ExpectedIssue {
            file: self.file.clone(),
            row: match code {
                // No device reads such a file, so that it has no row.
                IssueCode::FileEmpty | IssueCode::FileUnknown => None,
                // An issue of a whole file stands on its first row.
                _ => Some(self.row.unwrap_or(1)),
            },
            device: self.device.to_owned(),
            code,
            reason: reason.to_owned(),
        })
        .collect()
    }

    fn cells(&self) -> [String; 9] {
        let (fault, issue) = match (self.fault, self.foreign) {
            (Some(fault), _) => (fault.name, fault.expected_code()),
            (None, Some((name, issue))) => (name, issue.as_str()),
            (None, None) => ("", ""),
        };
        [
            self.file.clone(),
            self.row.map(|row| row.to_string()).unwrap_or_default(),
            self.device.to_owned(),
            self.patient_number.clone(),
            self.eye.to_owned(),
            self.exam_date.map(|day| day.to_string()).unwrap_or_default(),
            self.diagnosis.to_owned(),
            fault.to_owned(),
            issue.to_owned(),
        ]
    }
}

const COLUMNS: [&str; 9] =
    ["file", "row", "device", "patient_number", "eye", "exam_date", "diagnosis", "fault", "expected_issue"];

/// Writes `files.csv`, `corvis_rows.csv`, `clinic_rows.csv`, `issues.csv`, `patients.csv` and `faults.csv`.
///
/// The first three name each file and row with its fault and the fault's issue; `issues.csv` lists every issue that a reader
/// should find, each on its row, with those that follow from a habit or from two faults that meet.
///
/// # Errors
/// When a file can't be written.
pub(super) fn write(dir: &Path, files: &[Truth], rows: &[Truth], patients: &[Patient]) -> Result<()> {
    let of = |device: &str| rows.iter().filter(|truth| truth.device == device).map(Truth::cells).collect::<Vec<_>>();
    let without_row = files.iter().map(|truth| {
        let [file, _, rest @ ..] = truth.cells();
        std::iter::once(file).chain(rest).collect::<Vec<_>>()
    });
    let file_columns: Vec<&str> = COLUMNS.iter().copied().filter(|column| *column != "row").collect();
    table(&dir.join("files.csv"), &file_columns, without_row)?;
    table(&dir.join("corvis_rows.csv"), &COLUMNS, of("corvis_st"))?;
    table(&dir.join("clinic_rows.csv"), &COLUMNS, of("clinic"))?;
    let mut issues: Vec<ExpectedIssue> = files.iter().chain(rows).flat_map(Truth::expected).collect();
    issues.sort();
    issues.dedup();
    table(&dir.join(EXPECTED_ISSUES), &expected::COLUMNS, issues.iter().map(ExpectedIssue::cells))?;
    let patients = patients.iter().map(|patient| {
        let [right, left] = &patient.eyes;
        let first = patient.visits.first().map(|visit| visit.date);
        [
            patient.number.clone(),
            patient.sex.to_owned(),
            patient.birth_date.year().to_string(),
            right.diagnosis.as_str().to_owned(),
            left.diagnosis.as_str().to_owned(),
            patient.visits.len().to_string(),
            first.map(|day| day.to_string()).unwrap_or_default(),
        ]
    });
    let columns = ["patient_number", "sex", "birth_year", "diagnosis_od", "diagnosis_os", "visits", "first_visit"];
    table(&dir.join("patients.csv"), &columns, patients)?;
    let faults = FAULTS.iter().map(|fault| {
        [
            fault.device.to_owned(),
            fault.name.to_owned(),
            fault.unit().to_owned(),
            fault.rate.to_string(),
            fault.expected_code().to_owned(),
        ]
    });
    table(&dir.join("faults.csv"), &["device", "fault", "unit", "rate", "expected_issue"], faults)
}

fn table<R>(path: &Path, header: &[&str], rows: impl IntoIterator<Item = R>) -> Result<()>
where
    R: IntoIterator<Item = String>,
{
    let write = || -> csv::Result<()> {
        let mut out = csv::Writer::from_path(path)?;
        out.write_record(header)?;
        for row in rows {
            out.write_record(row)?;
        }
        out.flush()?;
        Ok(())
    };
    write().map_err(|error| Error::Io { path: path.display().to_string(), source: std::io::Error::other(error) })
}
