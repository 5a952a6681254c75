//! XLSX through `calamine`, after its parts were found to inflate to a bearable size.

use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader as _, SheetType, Xlsx};
use memchr::memmem;
use zip::ZipArchive;

use super::{Book, Budget, Cell, MAX_INFLATED, MAX_SHEETS, Merged, Page, dated};

/// Parts of a package; real ones have some dozens.
const MAX_PARTS: usize = 10_000;
/// Shared strings take memory beside their bytes.
const MAX_STRINGS: u64 = 64 * 1024 * 1024;

pub(super) fn read(bytes: &[u8]) -> Result<Book, String> {
    inspect(bytes)?;
    // The library is made for files of programs; what it does on others is contained here.
    catch_unwind(AssertUnwindSafe(|| sheets(bytes))).unwrap_or_else(|_| Err(damaged()))
}

fn damaged() -> String {
    "the workbook is damaged".to_owned()
}

/// Inflates every part that is read, without keeping it, so that the size that is checked is the true one and not the declared.
fn inspect(bytes: &[u8]) -> Result<(), String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    if archive.len() > MAX_PARTS {
        return Err(format!("the workbook has more than {MAX_PARTS} parts"));
    }
    let mut left = MAX_INFLATED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| "the workbook is damaged or protected by a password".to_owned())?;
        let name = String::from_utf8_lossy(part.name_raw()).to_lowercase();
        if name == "xl/workbook.bin" {
            return Err("a binary workbook (XLSB); save it as XLSX".to_owned());
        }
        if !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        let too_large = || format!("the workbook inflates to more than {} MiB; split it", MAX_INFLATED >> 20);
        let inflated = if name.ends_with("sharedstrings.xml") {
            let mut text = Vec::new();
            part.take(MAX_STRINGS + 1).read_to_end(&mut text).map_err(|_| damaged())?;
            if text.len() as u64 > MAX_STRINGS {
                return Err(format!("the workbook has more than {} MiB of texts; split it", MAX_STRINGS >> 20));
            }
            check_counts(&text)?;
            text.len() as u64
        } else {
            std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|_| damaged())?
        };
        left = left.checked_sub(inflated).ok_or_else(too_large)?;
    }
    Ok(())
}

/// The number of strings is declared, and memory is taken for as many: more than the part can hold is a lie.
fn check_counts(text: &[u8]) -> Result<(), String> {
    for at in memmem::find_iter(text, b"uniqueCount") {
        let after = text.get(at + b"uniqueCount".len()..).unwrap_or_default();
        let digits = after.iter().skip_while(|b| !b.is_ascii_digit()).take_while(|b| b.is_ascii_digit());
        let declared = digits.fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        if declared > text.len() as u64 {
            return Err("the workbook declares more texts than it can hold".to_owned());
        }
    }
    Ok(())
}

fn sheets(bytes: &[u8]) -> Result<Book, String> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    let from_1904 = workbook.has_1904_epoch();
    let names: Vec<String> = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .take(MAX_SHEETS)
        .collect();
    let mut budget = Budget::new();
    let mut pages = Vec::new();
    for name in names {
        let mut page = Page::default();
        match workbook.worksheet_cells_reader(&name) {
            Err(_) => page.damage = Some("the sheet is damaged".to_owned()),
            Ok(mut reader) => loop {
                match reader.next_cell() {
                    Ok(None) => break,
                    Ok(Some(cell)) => {
                        let (row, column) = cell.get_position();
                        if let Some(value) = value(cell.get_value(), from_1904) {
                            page.put(row, column, value, &mut budget)?;
                        }
                    }
                    Err(_) => {
                        page.damage = Some(format!("the sheet is damaged after row {}", page.rows.keys().last().unwrap_or(&0)));
                        break;
                    }
                }
            },
        }
        if let Ok(areas) = workbook.merge_cells_by_sheet_name(&name) {
            let merged = areas.iter().map(|area| Merged { first: area.start.0, last: area.end.0, column: area.start.1 });
            page.fill(&merged.filter(|area| area.last > area.first).collect::<Vec<_>>(), &mut budget)?;
        }
        pages.push(page);
    }
    Ok(Book { pages, from_1904 })
}

fn value(cell: &DataRef<'_>, from_1904: bool) -> Option<Cell> {
    let text = |text: &str| (!text.trim().is_empty()).then(|| Cell::Text(text.into()));
    match cell {
        DataRef::Empty => None,
        DataRef::Int(number) => Some(Cell::Number(*number as f64)),
        DataRef::Float(number) => Some(Cell::Number(*number)),
        DataRef::String(string) => text(string),
        DataRef::SharedString(string) => text(string),
        DataRef::Bool(flag) => Some(Cell::Flag(*flag)),
        DataRef::DateTime(time) if time.is_duration() => Some(Cell::Time(format!("{} days", time.as_f64()).into())),
        DataRef::DateTime(time) => Some(dated(time.as_f64(), from_1904)),
        DataRef::DateTimeIso(iso) => Some(super::ods::iso(iso)),
        DataRef::DurationIso(iso) => Some(Cell::Time(iso.as_str().into())),
        DataRef::Error(error) => Some(Cell::Error(error.to_string().into())),
        #[allow(unreachable_patterns, reason = "the library may add kinds of cells")]
        _ => None,
    }
}
