//! Sheets that many patients share: Corvis tables by month and clinic sheets by desk and year.

use chrono::{Datelike, NaiveDate};

use super::clinic::Desk;
use super::fault::{Fault, Make, pick};
use super::patient::Purpose;
use super::random::Draw;
use super::record::{Row, batch};
use super::truth::{Truth, Typed};
use crate::device::Device;
use crate::error::Result;
use crate::issue::IssueCode;

/// The sheet that a row belongs to. The order is that of the files in the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sheet {
    /// The Corvis table of a month.
    Corvis { year: i32, month: u32 },
    /// The sheet of a desk in a year.
    Clinic { desk: Desk, year: i32 },
}

impl Sheet {
    /// The Corvis table that a day belongs to.
    pub(super) fn corvis(day: NaiveDate) -> Self {
        Self::Corvis { year: day.year(), month: day.month() }
    }

    /// The sheet of a desk that a day belongs to.
    pub(super) fn clinic(desk: Desk, day: NaiveDate) -> Self {
        Self::Clinic { desk, year: day.year() }
    }

    /// The device by its name.
    pub(super) fn device(self) -> &'static str {
        match self {
            Self::Corvis { .. } => "corvis_st",
            Self::Clinic { .. } => "clinic",
        }
    }

    /// The device was updated at the turn of 2023.
    fn layout(self) -> &'static str {
        match self {
            Self::Corvis { year, .. } if year < 2023 => "a",
            Self::Corvis { .. } => "b",
            Self::Clinic { desk, .. } => desk.layout(),
        }
    }

    fn path(self) -> String {
        match self {
            Self::Corvis { year, month } => format!("corvis/{year}/corvis_{year}-{month:02}.csv"),
            Self::Clinic { desk, year } => format!("clinic/{}_{year}.csv", desk.file()),
        }
    }
}

/// One row and what is true about it. Rows of a sheet are ordered by day, time, patient and eye.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub sheet: Sheet,
    /// Day, minute, patient and eye.
    pub key: (NaiveDate, u32, usize, bool),
    pub row: Row,
    pub truth: Truth,
}

/// A written sheet: its path below the lake, its bytes, the truth about it and about its rows.
#[derive(Debug)]
pub(super) struct Written {
    pub path: String,
    pub bytes: Vec<u8>,
    pub truth: Truth,
    pub rows: Vec<Truth>,
}

/// Writes the `number`-th sheet of the hospital from its entries, in order.
///
/// # Errors
/// When the device refuses the rows.
pub(super) fn write(seed: u64, number: usize, sheet: Sheet, device: &dyn Device, entries: Vec<Entry>) -> Result<Written> {
    let mut draw = Purpose::Hospital.draw(seed, number);
    let path = sheet.path();
    let (mut rows, mut truths): (_, Vec<Truth>) = (Vec::new(), Vec::new());
    let mut typed = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let mut row = entry.row;
        if let Some(Fault { make: Make::Row(make), .. }) = entry.truth.fault {
            make(&mut row, &mut draw);
        }
        typed.push(Typed::of(sheet, &row));
        rows.push(row);
        truths.push(Truth { file: path.clone(), row: Some(index + 1), ..entry.truth });
    }
    let table = &device.tables()[0];
    let bytes = device.write(table.name, &batch(&table.schema, rows)?, sheet.layout())?;
    let mut bytes = faulty_lines(bytes, &truths, &mut draw);
    let fault = pick(sheet.device(), "file", &mut draw);
    if let Some(Fault { make: Make::File(make), .. }) = fault {
        bytes = make(bytes);
    }
    for (truth, also) in truths.iter_mut().zip(Typed::issues(&typed)) {
        truth.also = also;
        // The value of the added column stands where the short row ends, below the header of another one.
        if let (Some("row_short"), Some("column_unknown")) = (truth.fault.map(|f| f.name), fault.map(|f| f.name)) {
            truth.also.push((IssueCode::NumberUnreadable, "row_short_and_column_unknown"));
        }
    }
    Ok(Written { truth: Truth::sheet(sheet.device(), path.clone(), fault), path, bytes, rows: truths })
}

/// Makes the faults of single lines; the row at `i` stands in line `i + 1`, as no field holds a line end.
fn faulty_lines(bytes: Vec<u8>, truths: &[Truth], draw: &mut Draw) -> Vec<u8> {
    if !truths.iter().any(|truth| matches!(truth.fault, Some(Fault { make: Make::Line(_), .. }))) {
        return bytes;
    }
    let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    for (line, truth) in lines.iter_mut().skip(1).zip(truths) {
        if let Some(Fault { make: Make::Line(make), .. }) = truth.fault {
            line.truncate(line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len));
            make(line, draw);
            line.push(b'\r');
        }
    }
    lines.join(&b'\n')
}
