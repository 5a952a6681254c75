//! Reads a sheet too large for the memory: once to learn how its rows are written, and once more for the rows.

use arrow::datatypes::SchemaRef;

use super::super::columns::unreadable;
use super::super::pieces::{Text, Wanted};
use super::Sheet;
use super::header::HEADER_LINES;
use super::parts::Parts;
use super::records::MAX_LINES;
use super::window::Window;
use crate::device::{Pieces, Reading, Request, Step};
use crate::issue::IssueCode;

/// The header is looked for once there are as many lines as it may take, or so many bytes.
const BEGINNING: usize = 1024 * 1024;

/// A sheet that comes in pieces.
pub(crate) struct Sheets<'s> {
    sheet: &'s Sheet,
    schema: SchemaRef,
    wanted: Wanted,
    rows: usize,
    text: Text,
    /// What was decoded before the header was looked for in this pass.
    beginning: Option<String>,
    last: bool,
    learned: bool,
    /// Until its header is found.
    parts: Option<Parts<'s>>,
    /// Why there are no rows.
    refused: Option<Reading>,
    ended: bool,
}

impl<'s> Sheets<'s> {
    pub(crate) fn new(sheet: &'s Sheet, schema: &SchemaRef, request: &Request<'_>, rows: usize) -> Self {
        Self {
            sheet,
            schema: SchemaRef::clone(schema),
            wanted: Wanted::new(request),
            rows: rows.max(1),
            text: Text::new(sheet.other_encoding),
            beginning: Some(String::new()),
            last: false,
            learned: false,
            parts: None,
            refused: None,
            ended: false,
        }
    }

    /// Takes the beginning of the text, once there is enough of it.
    fn begin(&mut self, beginning: String) {
        let enough = memchr::memchr_iter(b'\n', beginning.as_bytes()).nth(HEADER_LINES + MAX_LINES).is_some();
        if !(enough || self.last || beginning.len() >= BEGINNING) {
            self.beginning = Some(beginning);
            return;
        }
        let window = Window::new(beginning, self.last);
        match &mut self.parts {
            Some(parts) => parts.restart(window),
            None => match Parts::of_text(self.sheet, &self.schema, window, &self.wanted.request()) {
                Ok(parts) => self.parts = Some(parts),
                Err(reading) => self.refused = Some(reading),
            },
        }
    }
}

impl Pieces for Sheets<'_> {
    fn take(&mut self, bytes: &[u8], last: bool) {
        self.last = last;
        let mut text = self.beginning.take();
        let mut more = String::new();
        if !self.text.take(bytes, last, text.as_mut().unwrap_or(&mut more)) {
            self.refused =
                Some(unreadable(&self.schema, &self.wanted.request(), IssueCode::FileUnreadable, "the file is not text"));
            return;
        }
        match (text, &mut self.parts) {
            (Some(beginning), _) => self.begin(beginning),
            (None, Some(parts)) => parts.extend(&more, last),
            (None, None) => {}
        }
        if let Some(parts) = self.parts.as_mut().filter(|_| !self.learned && self.beginning.is_none()) {
            parts.learn();
        }
    }

    fn next(&mut self) -> Step {
        if let Some(reading) = self.refused.take() {
            self.ended = true;
            return Step::Part(reading);
        }
        if self.ended {
            return Step::End;
        }
        if self.learned && self.beginning.is_none() {
            let Some(parts) = &mut self.parts else { return Step::End };
            return match parts.part(self.rows) {
                Some(reading) => Step::Part(reading),
                None if parts.goes_on() => Step::More,
                None => Step::End,
            };
        }
        if !self.last {
            return Step::More;
        }
        let size = self.text.size();
        if self.text.again() {
            let lost = self.text.lost(size);
            if let Some(parts) = &mut self.parts {
                parts.settle(lost);
            }
            self.learned = true;
        } else {
            // All of it is learned anew from the text as it is.
            self.parts = None;
        }
        self.beginning = Some(String::new());
        self.last = false;
        Step::Again
    }
}
