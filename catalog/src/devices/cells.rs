//! Rows of cells in text: how they are written, and the fast path from their bytes to numbers. The maps of all devices are
//! read with it.

use memchr::{memchr, memrchr};

use super::number::{Shape, parse};
use super::text::decode;

/// The line that begins at `at`, without its line feed.
pub(crate) fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    match memchr(b'\n', rest) {
        Some(end) => rest.get(..end).unwrap_or_default(),
        None => rest,
    }
}

/// Whether a line has nothing but blanks.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// How often something was met, and where first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally<P> {
    pub(crate) count: usize,
    pub(crate) first: Option<P>,
}

impl<P> Tally<P> {
    /// Counts one more.
    pub(crate) fn add(&mut self, place: P) {
        self.count += 1;
        self.first.get_or_insert(place);
    }

    /// Takes back the one that was counted last.
    pub(crate) fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            self.first = None;
        }
    }

    /// How many, and where first; none where there was none.
    pub(crate) fn met(self) -> Option<(usize, P)> {
        self.first.map(|first| (self.count, first))
    }
}

/// How the cells of a block are written, and what they may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) delimiter: u8,
    pub(crate) mark: u8,
    /// The number that stands for a missing cell; `NaN` where only an empty cell does.
    pub(crate) missing: f64,
    /// What the instrument can measure at all.
    pub(crate) range: (f64, f64),
}

/// What was met in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Cells that the row has, at most as many as the grid.
    pub(crate) cells: usize,
    /// Whether there are more.
    pub(crate) more: bool,
    /// Whether a cell was unreadable or out of range.
    pub(crate) odd: bool,
}

/// What is odd about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// It is no number.
    Unreadable,
    /// The instrument can't have measured it.
    OutOfRange,
}

impl Scale {
    /// Delimiter and decimal mark of a block, from one of its rows.
    pub(crate) fn detect(row: &[u8], missing: f64, range: (f64, f64)) -> Self {
        let delimiter = [b';', b'\t'].into_iter().find(|d| memchr(*d, row).is_some()).unwrap_or(b',');
        let comma = delimiter != b',' && memchr(b',', row).is_some() && memchr(b'.', row).is_none();
        Self { delimiter, mark: if comma { b',' } else { b'.' }, missing, range }
    }

    /// Reads the row between `start` and `end` of `body`; bytes after `end` are only loaded, never used.
    /// `shape` is that of the cell before. Missing cells are left as they are.
    pub(crate) fn read(&self, body: &[u8], start: usize, end: usize, cells: &mut [f64], shape: &mut Option<Shape>) -> Row {
        let (low, high) = self.range;
        let eight_empty = u64::from_ne_bytes([self.delimiter; 8]);
        let mut at = start;
        let mut odd = false;
        let mut count = 0;
        while at < end
            && let Some(cell) = cells.get_mut(count)
        {
            let rest = body.get(at..).unwrap_or_default();
            if rest.first() == Some(&self.delimiter) {
                // Empty cells stand in long runs around the measured zone.
                let run = rest.first_chunk::<8>().is_some_and(|bytes| u64::from_ne_bytes(*bytes) == eight_empty);
                let step = if run && at + 8 <= end && count + 8 <= cells.len() { 8 } else { 1 };
                at += step;
                count += step;
                continue;
            }
            count += 1;
            let value = match shape.and_then(|shape| shape.read(rest, self.delimiter)) {
                Some((value, length)) => {
                    at += length;
                    Some(value)
                }
                None => match Shape::detect(rest, self.mark, self.delimiter) {
                    Some((new, value)) if at + new.length() == end || rest.get(new.length()) == Some(&self.delimiter) => {
                        at += new.length() + 1;
                        *shape = Some(new);
                        Some(value)
                    }
                    _ => {
                        let rest = body.get(at..end).unwrap_or_default();
                        let token = rest.get(..memchr(self.delimiter, rest).unwrap_or(rest.len())).unwrap_or_default();
                        at += token.len() + 1;
                        match token.trim_ascii() {
                            [] => continue,
                            token => std::str::from_utf8(token).ok().and_then(parse),
                        }
                    }
                },
            };
            match value {
                Some(value) if value == self.missing => {}
                Some(value) if value >= low && value <= high => *cell = value,
                _ => odd = true,
            }
        }
        let rest = body.get(at..end).unwrap_or_default();
        // A last cell that is empty looks like a delimiter at the end of the line.
        let empty_last = count + 1 == cells.len() && end > start && body.get(end - 1) == Some(&self.delimiter);
        Row {
            cells: count + usize::from(empty_last),
            more: rest.iter().any(|b| *b != self.delimiter && !b.is_ascii_whitespace()),
            odd,
        }
    }

    /// Says what [`Self::read`] found odd in a row of `columns` cells: column and reason.
    pub(crate) fn examine(&self, row: &[u8], columns: usize, mut see: impl FnMut(usize, Odd)) {
        for (column, token) in row.split(|b| *b == self.delimiter).take(columns).enumerate() {
            match decode(token.trim_ascii()).as_ref() {
                "" => {}
                token => match parse(token) {
                    None => see(column, Odd::Unreadable),
                    Some(value) if value == self.missing || (self.range.0..=self.range.1).contains(&value) => {}
                    Some(_) => see(column, Odd::OutOfRange),
                },
            }
        }
    }

    /// Whether the last number of `body` has fewer decimals than the one before it.
    pub(crate) fn shortened(&self, body: &[u8]) -> bool {
        let decimals = |token: &[u8]| memchr(self.mark, token).map_or(0, |mark| token.len() - mark - 1);
        if body.last() == Some(&self.delimiter) {
            // Where rows end with a delimiter, the one at the end closes the last number; elsewhere a number is gone after it.
            return line_at(body, 0).trim_ascii_end().last() != Some(&self.delimiter);
        }
        let Some(last) = memrchr(self.delimiter, body) else { return false };
        let before = body.get(..last).unwrap_or_default();
        let before = before.get(memrchr(self.delimiter, before).map_or(0, |at| at + 1)..).unwrap_or_default();
        decimals(body.get(last + 1..).unwrap_or_default()) < decimals(before)
    }
}
