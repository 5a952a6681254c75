//! XLS of Excel 97 to 2003 (BIFF8): the records that hold cells.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Book, Budget, Cell, MAX_SHEETS, Merged, Page, compound, dated};

/// Strings that cells share may be so many bytes together.
const MAX_STRINGS: usize = 64 * 1024 * 1024;

pub(super) fn read(bytes: &[u8]) -> Result<Book, String> {
    let stream = match compound::stream(bytes, "Workbook") {
        Some(stream) => stream,
        None if compound::stream(bytes, "Book").is_some() => return Err(older()),
        None if compound::stream(bytes, "EncryptedPackage").is_some() => return Err(protected()),
        None => return Err("a compound file without a workbook that can be read".to_owned()),
    };
    cells_of(&stream)
}

/// The cells of a workbook stream.
pub(super) fn cells_of(stream: &[u8]) -> Result<Book, String> {
    let damaged = || "the workbook is damaged".to_owned();
    let globals = Globals::read(stream)?;
    let mut budget = Budget::new();
    let mut book = Book { pages: Vec::new(), from_1904: globals.from_1904 };
    for position in globals.sheets.iter().take(MAX_SHEETS) {
        // A sheet ends where the next one begins, so that no byte is read twice, whatever the places say.
        let end = globals.sheets.iter().copied().filter(|other| other > position).min().unwrap_or(stream.len());
        let records = stream.get(*position..end).ok_or_else(damaged)?;
        book.pages.push(sheet(records, &globals, &mut budget)?);
    }
    Ok(book)
}

fn older() -> String {
    "a workbook of Excel 95 or older; save it as XLSX".to_owned()
}

fn protected() -> String {
    "the workbook is protected by a password; save it without one".to_owned()
}

/// A record: its kind and its bytes.
#[derive(Clone, Copy)]
struct Record<'a> {
    kind: u16,
    data: &'a [u8],
}

/// The records of a stream, as far as they are whole.
#[derive(Clone)]
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (kind, length) = (u16_at(self.0, 0)?, usize::from(u16_at(self.0, 2)?));
        let data = self.0.get(4..4 + length)?;
        self.0 = self.0.get(4 + length..)?;
        Some(Record { kind, data })
    }
}

impl<'a> Records<'a> {
    /// The bytes of a record and of those that continue it.
    fn continued(&mut self, first: &'a [u8]) -> Pieces<'a> {
        let mut pieces = vec![first];
        while let Some(Record { kind: 0x003C, data }) = self.clone().next() {
            pieces.push(data);
            self.next();
        }
        Pieces { pieces, piece: 0, at: 0 }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A record that goes on in others. Characters that go on begin anew with a byte that says how wide they are.
struct Pieces<'a> {
    pieces: Vec<&'a [u8]>,
    piece: usize,
    at: usize,
}

impl Pieces<'_> {
    fn byte(&mut self) -> Option<u8> {
        loop {
            let piece = self.pieces.get(self.piece)?;
            if let Some(byte) = piece.get(self.at) {
                self.at += 1;
                return Some(*byte);
            }
            self.piece += 1;
            self.at = 0;
        }
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let left = self.pieces.get(self.piece)?.len().saturating_sub(self.at);
            if left > count {
                self.at += count;
                return Some(());
            }
            count -= left;
            self.piece += 1;
            self.at = 0;
        }
        Some(())
    }

    /// So many characters.
    fn characters(&mut self, count: usize, mut wide: bool) -> Option<String> {
        let mut units: Vec<u16> = Vec::new();
        while units.len() < count {
            let piece = self.pieces.get(self.piece)?;
            if self.at >= piece.len() {
                self.piece += 1;
                wide = self.pieces.get(self.piece)?.first()? & 1 == 1;
                self.at = 1;
                continue;
            }
            units.push(if wide { self.u16()? } else { u16::from(self.byte()?) });
        }
        Some(String::from_utf16_lossy(&units))
    }

    /// A string with its length, flags, and what may follow it: runs of formats and phonetic text.
    fn string(&mut self, count: usize) -> Option<String> {
        let flags = self.byte()?;
        let runs = if flags & 8 != 0 { usize::from(self.u16()?) } else { 0 };
        let phonetic = if flags & 4 != 0 { self.u32()? as usize } else { 0 };
        let text = self.characters(count, flags & 1 == 1)?;
        self.skip(runs * 4 + phonetic)?;
        Some(text)
    }
}

/// What the sheets share.
#[derive(Default)]
struct Globals {
    from_1904: bool,
    strings: Vec<Arc<str>>,
    /// For each cell format, whether it shows numbers as days or times.
    dated: Vec<bool>,
    /// Where the sheets begin.
    sheets: Vec<usize>,
}

impl Globals {
    fn read(stream: &[u8]) -> Result<Self, String> {
        let mut globals = Self::default();
        let mut formats: Vec<(u16, bool)> = Vec::new();
        let mut cells: Vec<u16> = Vec::new();
        let mut records = Records(stream);
        let mut begun = false;
        while let Some(record) = records.next() {
            let data = record.data;
            match record.kind {
                0x0809 if u16_at(data, 0) != Some(0x0600) => return Err(older()),
                0x0809 => begun = true,
                0x000A => break,
                0x002F => return Err(protected()),
                0x0022 => globals.from_1904 = u16_at(data, 0) == Some(1),
                0x00E0 => cells.extend(u16_at(data, 2)),
                0x041E => {
                    let mut pieces = records.continued(data.get(2..).unwrap_or_default());
                    let text = pieces.u16().and_then(|count| pieces.string(usize::from(count))).unwrap_or_default();
                    formats.extend(u16_at(data, 0).map(|id| (id, shows_days(&text))));
                }
                // Charts and modules are sheets of other kinds.
                0x0085 if data.get(5) == Some(&0) => globals.sheets.extend(u32_at(data, 0).map(|at| at as usize)),
                0x00FC => {
                    let mut pieces = records.continued(data.get(8..).unwrap_or_default());
                    let mut left = MAX_STRINGS;
                    while let Some(text) = pieces.u16().and_then(|count| pieces.string(usize::from(count))) {
                        left = left.checked_sub(text.len() + 16).ok_or("the workbook has too many texts; split it")?;
                        globals.strings.push(text.into());
                    }
                }
                _ => {}
            }
        }
        if !begun {
            return Err("the workbook is damaged".to_owned());
        }
        let dated = |id: u16| match formats.iter().find(|(own, _)| *own == id) {
            Some((_, dated)) => *dated,
            None => matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58),
        };
        let mut seen = HashSet::new();
        globals.sheets.retain(|position| seen.insert(*position));
        globals.dated = cells.into_iter().map(dated).collect();
        Ok(globals)
    }
}

/// Whether a number format shows days or times: it has one of their letters outside of quotes, escapes and brackets.
fn shows_days(format: &str) -> bool {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter.to_ascii_lowercase() {
            '"' => {
                letters.by_ref().find(|c| *c == '"');
            }
            '\\' | '_' | '*' => {
                letters.next();
            }
            '[' => {
                let inner: String = letters.by_ref().take_while(|c| *c != ']').collect();
                if !inner.is_empty() && inner.chars().all(|c| matches!(c.to_ascii_lowercase(), 'h' | 'm' | 's')) {
                    return true;
                }
            }
            // `General` has none of these.
            'y' | 'd' | 'm' | 'h' | 's' => return true,
            _ => {}
        }
    }
    false
}

fn sheet(stream: &[u8], globals: &Globals, budget: &mut Budget) -> Result<Page, String> {
    let mut page = Page::default();
    let mut merged = Vec::new();
    let mut records = Records(stream);
    let mut depth = 0usize;
    let mut ended = false;
    // Where the text of a formula belongs that follows it.
    let mut formula = None;
    while let Some(Record { kind, data }) = records.next() {
        match kind {
            0x0809 => depth += 1,
            0x000A => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    ended = true;
                    break;
                }
            }
            // Charts inside a sheet have cells of their own.
            _ if depth > 1 => {}
            0x0207 => {
                let mut pieces = records.continued(data);
                let text = pieces.u16().and_then(|count| pieces.string(usize::from(count)));
                if let (Some((row, column)), Some(text)) = (formula.take(), text) {
                    put(&mut page, row, column, Some(text_cell(text.into())), budget)?;
                }
            }
            0x00E5 => {
                for area in data.get(2..).unwrap_or_default().chunks_exact(8) {
                    if let (Some(first), Some(last), Some(column)) = (u16_at(area, 0), u16_at(area, 2), u16_at(area, 4))
                        && last > first
                    {
                        merged.push(Merged { first: first.into(), last: last.into(), column: column.into() });
                    }
                }
            }
            0x00BD => {
                let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2)) else { continue };
                let cells = data.get(4..data.len().saturating_sub(2)).unwrap_or_default().chunks_exact(6);
                for (column, cell) in (u32::from(first)..).zip(cells) {
                    let value = u16_at(cell, 0).zip(u32_at(cell, 2)).map(|(format, rk)| globals.number(format, rk_value(rk)));
                    put(&mut page, row.into(), column, value, budget)?;
                }
            }
            0x0203 | 0x027E | 0x00FD | 0x0204 | 0x00D6 | 0x0205 | 0x0006 => {
                let (Some(row), Some(column), Some(format)) = (u16_at(data, 0), u16_at(data, 2), u16_at(data, 4)) else {
                    continue;
                };
                let value = match kind {
                    0x0203 => f64_at(data, 6).map(|value| globals.number(format, value)),
                    0x027E => u32_at(data, 6).map(|rk| globals.number(format, rk_value(rk))),
                    0x00FD => {
                        u32_at(data, 6).and_then(|at| globals.strings.get(at as usize)).map(|text| text_cell(Arc::clone(text)))
                    }
                    0x0205 => data.get(6).zip(data.get(7)).map(|(value, error)| flag_or_error(*value, *error == 1)),
                    0x0006 => match (data.get(6), data.get(8), u16_at(data, 12)) {
                        (Some(0), _, Some(0xFFFF)) => {
                            formula = Some((u32::from(row), u32::from(column)));
                            None
                        }
                        (Some(kind @ (1 | 2)), Some(value), Some(0xFFFF)) => Some(flag_or_error(*value, *kind == 2)),
                        (_, _, Some(0xFFFF)) => None,
                        _ => f64_at(data, 6).map(|value| globals.number(format, value)),
                    },
                    _ => {
                        let mut pieces = records.continued(data.get(6..).unwrap_or_default());
                        pieces.u16().and_then(|count| pieces.string(usize::from(count))).map(|text| text_cell(text.into()))
                    }
                };
                put(&mut page, row.into(), column.into(), value, budget)?;
            }
            _ => {}
        }
    }
    if !ended {
        page.damage = Some(format!("the sheet ends early after row {}", page.rows.keys().last().unwrap_or(&0)));
    }
    page.fill(&merged, budget)?;
    Ok(page)
}

fn put(page: &mut Page, row: u32, column: u32, value: Option<Cell>, budget: &mut Budget) -> Result<(), String> {
    match value {
        Some(Cell::Text(text)) if text.trim().is_empty() => Ok(()),
        Some(value) => page.put(row, column, value, budget),
        None => Ok(()),
    }
}

impl Globals {
    fn number(&self, format: u16, value: f64) -> Cell {
        match self.dated.get(usize::from(format)) {
            Some(true) => dated(value, self.from_1904),
            _ => Cell::Number(value),
        }
    }
}

fn text_cell(text: Arc<str>) -> Cell {
    Cell::Text(text)
}

fn f64_at(data: &[u8], at: usize) -> Option<f64> {
    let value = f64::from_le_bytes(*data.get(at..)?.first_chunk()?);
    value.is_finite().then_some(value)
}

/// A number in 30 bits: the upper ones of a float, or an integer; either may be in hundredths.
fn rk_value(rk: u32) -> f64 {
    let value = if rk & 2 == 0 { f64::from_bits(u64::from(rk & !3) << 32) } else { f64::from((rk as i32) >> 2) };
    if rk & 1 == 0 { value } else { value / 100.0 }
}

fn flag_or_error(value: u8, error: bool) -> Cell {
    if !error {
        return Cell::Flag(value != 0);
    }
    let text = match value {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        _ => "#N/A",
    };
    Cell::Error(text.into())
}
