//! The stretch of a text that is in memory while its rows are read.

use super::records::{MAX_LINES, Place, Record, Records};

/// A stretch with less than a row in it does not grow further: the line is none of a sheet.
const MAX_ROW_BYTES: usize = 32 * 1024 * 1024;

/// A stretch of a text.
pub(super) struct Window {
    text: String,
    /// Rows that begin before this are whole in it, whatever quotes they have.
    end: usize,
    last: bool,
}

impl Window {
    /// All of a text.
    pub(super) fn whole(text: String) -> Self {
        Self::new(text, true)
    }

    /// A stretch, with or without the end of the text.
    pub(super) fn new(text: String, last: bool) -> Self {
        let mut window = Self { text, end: 0, last };
        window.measure();
        window
    }

    fn measure(&mut self) {
        let after = |newline: usize| newline + 1;
        let bytes = self.text.as_bytes();
        self.end = match memchr::memrchr_iter(b'\n', bytes).nth(MAX_LINES) {
            _ if self.last => bytes.len(),
            None if bytes.len() > MAX_ROW_BYTES => bytes.len(),
            place => place.map_or(0, after),
        };
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text ends here.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Forgets what lies before `place` and adds what follows. Returns the place as it is now.
    pub(super) fn extend(&mut self, place: Place, more: &str, last: bool) -> Place {
        self.text.drain(..place.offset.min(self.text.len()));
        self.text.push_str(more);
        self.last = last;
        self.measure();
        Place { offset: 0, ..place }
    }

    /// The place after so many lines.
    pub(super) fn after(&self, lines: usize) -> Place {
        Records::new(&self.text, lines, ';', 1).place(&self.text)
    }

    /// The rows from a place on.
    pub(super) fn records(&self, place: Place, delimiter: char, width: usize) -> Records<'_> {
        Records::from(&self.text, place, delimiter, width)
    }

    pub(super) fn place(&self, records: &Records<'_>) -> Place {
        records.place(&self.text)
    }

    /// The next row, if it is whole.
    pub(super) fn next<'t>(&self, records: &mut Records<'t>) -> Option<Record<'t>> {
        if self.place(records).offset < self.end { records.next() } else { None }
    }
}
