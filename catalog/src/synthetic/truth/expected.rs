//! The issues that readers should find, as a file: written with a simulated hospital, read back by `placido check --truth`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::issue::IssueCode;

/// Name of the file in the folder of the truth.
pub const EXPECTED_ISSUES: &str = "issues.csv";

pub(super) const COLUMNS: [&str; 5] = ["file", "row", "device", "issue", "reason"];

/// One issue that a file or a row should lead to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedIssue {
    /// Path below the lake, with slashes. It may hold a patient's name.
    pub file: String,
    /// Row of the file from 1; none for a file that no device reads. An issue of a whole file stands on its first row.
    pub row: Option<usize>,
    /// The device that the file is an export of, empty for a file of nobody.
    pub device: String,
    /// The issue.
    pub code: IssueCode,
    /// Name of the fault, or what else leads to the issue.
    pub reason: String,
}

impl ExpectedIssue {
    pub(super) fn cells(&self) -> [String; 5] {
        [
            self.file.clone(),
            self.row.map(|row| row.to_string()).unwrap_or_default(),
            self.device.clone(),
            self.code.as_str().to_owned(),
            self.reason.clone(),
        ]
    }
}

/// Reads a list of expected issues: a CSV file with the columns `file`, `row`, `issue` and, if known, `device` and `reason`.
///
/// # Errors
/// When the file can't be read, a column is missing, a row is no number from 1, or an issue has no known code: with its line,
/// never with the path that stands in it.
pub fn expected_issues(path: &Path) -> Result<Vec<ExpectedIssue>> {
    let wrong = |message: String| Error::Io { path: path.display().to_string(), source: std::io::Error::other(message) };
    let file = std::fs::File::open(path).map_err(|source| Error::Io { path: path.display().to_string(), source })?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(|_| wrong("the header can't be read as UTF-8".to_owned()))?.clone();
    let column = |name: &str| header.iter().position(|known| known.trim_start_matches('\u{feff}').trim() == name);
    let needed =
        |name: &str| column(name).ok_or_else(|| wrong(format!("there is no column {name}; it has {}", COLUMNS.join(", "))));
    let (file, row, issue) = (needed("file")?, needed("row")?, needed("issue")?);
    let (device, reason) = (column("device"), column("reason"));
    let mut expected = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| match error.position() {
            Some(at) => wrong(format!("line {} can't be read", at.line())),
            None => wrong("it can't be read to its end".to_owned()),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |at: usize| record.get(at).unwrap_or_default().trim();
        let row = match text(row) {
            "" => None,
            digits => match digits.parse::<usize>() {
                Ok(row) if row > 0 => Some(row),
                _ => return Err(wrong(format!("line {line}: the row is not a number from 1"))),
            },
        };
        let code = IssueCode::ALL.iter().copied().find(|code| code.as_str() == text(issue));
        let code = code.ok_or_else(|| wrong(format!("line {line}: the issue has no code of system.issue_codes")))?;
        if text(file).is_empty() {
            return Err(wrong(format!("line {line}: no file is named")));
        }
        expected.push(ExpectedIssue {
            file: text(file).to_owned(),
            row,
            device: device.map(text).unwrap_or_default().to_owned(),
            code,
            reason: reason.map(text).unwrap_or_default().to_owned(),
        });
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn read(text: &str) -> Result<Vec<ExpectedIssue>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(EXPECTED_ISSUES);
        std::fs::write(&path, text).unwrap();
        expected_issues(&path)
    }

    #[test]
    fn columns_are_found_by_name() {
        let read = read("\u{feff}issue,file,row,more\nfile_empty,a/b.csv,,x\neye_missing,c.csv,2,\n").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].file.as_str(), read[0].row, read[0].code), ("a/b.csv", None, IssueCode::FileEmpty));
        assert_eq!((read[1].row, read[1].code, read[1].device.as_str()), (Some(2), IssueCode::EyeMissing, ""));
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_the_path_in_it() {
        for (text, told) in [
            ("file,row\nx,1\n", "no column issue"),
            ("file,row,issue\nDUPONT.csv,0,eye_missing\n", "line 2: the row"),
            ("file,row,issue\nDUPONT.csv,-1,eye_missing\n", "line 2: the row"),
            ("file,row,issue\nDUPONT.csv,1,eye_missing\nDUPONT.csv,1,eye_mising\n", "line 3: the issue"),
            ("file,row,issue\n,1,eye_missing\n", "line 2: no file"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("DUPONT"), "{error}");
        }
        assert!(expected_issues(Path::new("absent.csv")).is_err());
    }
}
