//! Workbooks of spreadsheets as sparse rows of typed cells: XLSX, XLS and ODS.
//!
//! XLSX is read by `calamine`, cell by cell. XLS and ODS are read here: a repeated cell or a declared range of a few bytes stands
//! for gigabytes in those formats, and nothing may be allocated for what a file only claims to hold.

mod biff;
mod compound;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod ods;
#[cfg(test)]
mod tests;
mod xlsx;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use memchr::memmem;

use crate::device::Confidence;

/// Files larger than this are no workbook that people keep by hand.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Parts of a workbook may inflate to so many bytes together.
const MAX_INFLATED: u64 = 256 * 1024 * 1024;
/// Cells that are not empty.
const MAX_CELLS: usize = 4_000_000;
/// Bytes of all texts together, a text that many cells share counted for each.
const MAX_TEXT: usize = 128 * 1024 * 1024;
/// Rows and columns that a sheet of any program has at most.
const MAX_ROW: u32 = 1_048_576;
const MAX_COLUMN: u32 = 16_384;
/// More sheets are not read.
const MAX_SHEETS: usize = 256;

/// What holds a workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Office Open XML: a zip archive with `xl/`.
    Xlsx,
    /// Excel 97 to 2003: a compound file with the stream `Workbook`.
    Xls,
    /// OpenDocument: a zip archive whose first member is its media type.
    Ods,
}

/// A workbook's sheets, in their order; hidden ones are sheets like others.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) pages: Vec<Page>,
    /// Whether days are counted from 1904, as on old Macintoshes.
    pub(crate) from_1904: bool,
}

/// One sheet.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Rows that have a cell, by their number from 1.
    pub(crate) rows: BTreeMap<u32, Vec<(u32, Cell)>>,
    /// Why its end is missing, if so.
    pub(crate) damage: Option<String>,
}

/// A cell that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(Arc<str>),
    Number(f64),
    Flag(bool),
    /// A number that is shown as a day, with or without a time.
    Date(NaiveDateTime),
    /// A number or text that is shown as a time or a duration.
    Time(Arc<str>),
    /// What a formula gives in place of a value: `#N/A` and the like.
    Error(Arc<str>),
}

/// Cells that are merged downwards: row and column of the first, and the last row.
#[derive(Debug, Clone, Copy)]
struct Merged {
    first: u32,
    last: u32,
    column: u32,
}

/// What may still be taken into memory.
struct Budget {
    cells: usize,
    text: usize,
}

impl Budget {
    fn new() -> Self {
        Self { cells: MAX_CELLS, text: MAX_TEXT }
    }

    fn take(&mut self, cell: &Cell) -> Result<(), String> {
        let text = match cell {
            Cell::Text(text) | Cell::Time(text) | Cell::Error(text) => text.len(),
            Cell::Number(_) | Cell::Flag(_) | Cell::Date(_) => 0,
        };
        match (self.cells.checked_sub(1), self.text.checked_sub(text)) {
            (Some(cells), Some(text)) => {
                *self = Self { cells, text };
                Ok(())
            }
            _ => Err(format!("the workbook has more than {MAX_CELLS} cells or {} MiB of text; split it", MAX_TEXT >> 20)),
        }
    }
}

impl Page {
    /// Adds a cell; rows and columns are counted from 0.
    fn put(&mut self, row: u32, column: u32, cell: Cell, budget: &mut Budget) -> Result<(), String> {
        if row >= MAX_ROW || column >= MAX_COLUMN {
            return Err("the workbook is damaged: it has a cell outside of any sheet".to_owned());
        }
        budget.take(&cell)?;
        self.rows.entry(row.saturating_add(1)).or_default().push((column, cell));
        Ok(())
    }

    /// Puts the value of cells that are merged downwards into each of their rows: a patient's number that stands once for two
    /// eyes belongs to both. Cells merged sideways stay in their first column, where a title or a group of columns begins.
    fn fill(&mut self, merged: &[Merged], budget: &mut Budget) -> Result<(), String> {
        for area in merged {
            let cells = self.rows.get(&area.first.saturating_add(1));
            let value = cells.and_then(|cells| cells.iter().find(|(column, _)| *column == area.column));
            let Some((_, value)) = value.cloned() else { continue };
            for (_, cells) in self.rows.range_mut(area.first.saturating_add(2)..=area.last.saturating_add(1)) {
                if cells.iter().all(|(column, _)| *column != area.column) {
                    budget.take(&value)?;
                    cells.push((area.column, value.clone()));
                }
            }
        }
        Ok(())
    }

    /// Orders the cells of each row; of two at one place the last counts.
    fn finish(&mut self) {
        for cells in self.rows.values_mut() {
            if !cells.is_sorted_by(|a, b| a.0 < b.0) {
                cells.reverse();
                cells.sort_by_key(|(column, _)| *column);
                cells.dedup_by_key(|(column, _)| *column);
            }
        }
    }
}

/// The format of a file that begins with `head`, and how sure that is: what else is kept in such files (documents, slides, mails)
/// begins alike, and the marks may lie behind the head.
pub(crate) fn recognise(head: &[u8]) -> Option<(Format, Confidence)> {
    const MEDIA_TYPE: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet";
    if head.starts_with(b"PK\x03\x04") {
        if memmem::find(head.get(..200).unwrap_or(head), MEDIA_TYPE).is_some() {
            return Some((Format::Ods, Confidence::Certain));
        }
        let mut package = false;
        for at in memmem::find_iter(head, b"PK\x03\x04") {
            let Some(length) = head.get(at + 26..at + 28).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
            else {
                break;
            };
            let name = head.get(at + 30..at + 30 + length).unwrap_or_default();
            if name.starts_with(b"xl/") {
                return Some((Format::Xlsx, Confidence::Certain));
            }
            if name.starts_with(b"word/") || name.starts_with(b"ppt/") || name.starts_with(b"visio/") {
                return None;
            }
            package |= name == b"[Content_Types].xml" || name.starts_with(b"_rels/") || name.starts_with(b"docProps/");
        }
        return package.then_some((Format::Xlsx, Confidence::Likely));
    }
    if head.starts_with(compound::MAGIC) {
        let has = |name: &str| {
            let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            memmem::find(head, &wide).is_some()
        };
        if has("WordDocument") || has("PowerPoint Document") || has("__substg1.0") {
            return None;
        }
        return Some((Format::Xls, if has("Workbook") { Confidence::Certain } else { Confidence::Likely }));
    }
    None
}

/// Reads a workbook.
///
/// # Errors
/// Why it can't be read, in words that repeat nothing of it.
pub(crate) fn read(bytes: &[u8], format: Format) -> Result<Book, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("a workbook larger than {} MiB, not read; split it", MAX_BYTES >> 20));
    }
    let mut book = match format {
        Format::Xlsx => xlsx::read(bytes),
        Format::Xls => biff::read(bytes),
        Format::Ods => ods::read(bytes),
    }?;
    for page in &mut book.pages {
        page.finish();
    }
    Ok(book)
}

/// The day and time of a serial number.
pub(crate) fn serial(value: f64, from_1904: bool) -> Option<NaiveDateTime> {
    if !(0.0..2_958_466.0).contains(&value) {
        return None;
    }
    let days = value.trunc();
    let epoch = match from_1904 {
        true => NaiveDate::from_ymd_opt(1904, 1, 1),
        // Lotus took 1900 for a leap year, and day 60 for its last of February, which never was.
        false if days < 60.0 => NaiveDate::from_ymd_opt(1899, 12, 31),
        false if days < 61.0 => None,
        false => NaiveDate::from_ymd_opt(1899, 12, 30),
    }?;
    let day = epoch.checked_add_days(Days::new(days as u64))?.and_time(NaiveTime::MIN);
    // Halves of a second are artefacts of the fraction.
    day.checked_add_signed(TimeDelta::seconds((value.fract() * 86_400.0).round() as i64))
}

/// A cell that holds a serial number under a format of days or times.
fn dated(value: f64, from_1904: bool) -> Cell {
    if (0.0..1.0).contains(&value) {
        let seconds = (value * 86_400.0).round() as u32;
        return Cell::Time(format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60).into());
    }
    serial(value, from_1904).map_or(Cell::Number(value), Cell::Date)
}
