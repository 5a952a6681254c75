//! Finds the tables of a file and reads them, as a whole or part by part.

use std::borrow::Cow;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::super::columns::{Rows, unreadable};
use super::super::text::{NoText, check_text, lost_tail, with_line_feeds, without_mark};
use super::super::workbook::{self, Book};
use super::Sheet;
use super::header::{HEADER_COLUMNS, HEADER_LINES, Header};
use super::reader::{Learned, Reader};
use super::records::{Place, Record, Records, of_page};
use super::window::Window;
use crate::device::{Confidence, Reading, Request, Subject};
use crate::issue::{Issue, IssueCode};

/// Reads the file: one row for each line below a header that is not blank.
pub(crate) fn read(sheet: &Sheet, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    match Parts::of(sheet, schema, Bytes::copy_from_slice(bytes), request) {
        Ok(mut parts) => parts.part(usize::MAX).unwrap_or_else(|| Rows::new(schema, request).finish(None)),
        Err(reading) => reading,
    }
}

/// Reads the file part by part, each of about `rows` rows. Beside the part there is only the text, or the cells of the workbook.
pub(crate) fn read_parts<'s>(
    sheet: &'s Sheet,
    schema: &SchemaRef,
    bytes: Bytes,
    request: &Request<'_>,
    rows: usize,
) -> Box<dyn Iterator<Item = Reading> + Send + 's> {
    match Parts::of(sheet, schema, bytes, request) {
        Ok(mut parts) => Box::new(std::iter::from_fn(move || parts.part(rows.max(1)))),
        Err(reading) => Box::new(std::iter::once(reading)),
    }
}

/// What a file holds, apart from where its tables are.
pub(super) enum Content {
    Text(Window),
    Book(Book),
}

impl Content {
    /// The rows from a place in one of the tables on, as far as they are there.
    fn records<'t>(&'t self, table: &Table<'_>, place: Place) -> Lines<'t> {
        match self {
            Self::Text(window) => Lines::Text(window, window.records(place, table.header.delimiter, table.header.cells.len())),
            Self::Book(book) => {
                let (page, number) = (book.pages.get(table.page), table.page + 1);
                Lines::Page(Box::new(page.into_iter().flat_map(move |page| of_page(page, number, place.line))), place.line)
            }
        }
    }

    /// Whether all of it is there.
    fn is_whole(&self) -> bool {
        match self {
            Self::Text(window) => window.is_last(),
            Self::Book(_) => true,
        }
    }
}

/// The rows of a table, blank ones too.
enum Lines<'t> {
    Text(&'t Window, Records<'t>),
    /// With the number of the last row.
    Page(Box<dyn Iterator<Item = Record<'t>> + 't>, usize),
}

impl<'t> Iterator for Lines<'t> {
    type Item = Record<'t>;

    fn next(&mut self) -> Option<Record<'t>> {
        match self {
            Self::Text(window, records) => window.next(records),
            Self::Page(records, last) => records.next().inspect(|record| *last = record.line),
        }
    }
}

impl Lines<'_> {
    /// Where they go on.
    fn place(&self) -> Place {
        match self {
            Self::Text(window, records) => window.place(records),
            Self::Page(_, last) => Place { offset: 0, line: *last },
        }
    }
}

/// A table of a file.
pub(super) struct Table<'s> {
    header: Header<'s>,
    /// The sheet of the workbook.
    page: usize,
    /// Where its rows begin.
    start: Place,
    /// Whether none of its rows was read.
    fresh: bool,
}

/// A file of which the rows up to a place were read.
pub(super) struct Parts<'s> {
    reader: Reader<'s>,
    content: Content,
    tables: Vec<Table<'s>>,
    /// Of the file, until its first row takes them.
    issues: Vec<Issue>,
    learned: Learned,
    /// The table that is being read, and where its rows go on.
    at: usize,
    place: Place,
    /// Whether a part was given.
    begun: bool,
}

impl<'s> Parts<'s> {
    /// Finds the tables of a file and learns from all their rows; otherwise the reading that says why there is none.
    fn of(sheet: &'s Sheet, schema: &SchemaRef, bytes: Bytes, request: &Request<'_>) -> Result<Self, Reading> {
        if sheet.workbooks
            && let Some((format, _)) = workbook::recognise(&bytes)
        {
            let book = workbook::read(&bytes, format)
                .map_err(|reason| unreadable(schema, request, IssueCode::FileUnreadable, &reason))?;
            return Self::of_book(sheet, schema, book, request);
        }
        let tail = lost_tail(&bytes);
        let text = text(sheet, bytes).map_err(|why| match why {
            NoText::Empty => unreadable(schema, request, IssueCode::FileEmpty, "the file is empty"),
            NoText::Binary => unreadable(schema, request, IssueCode::FileUnreadable, "the file is not text"),
        })?;
        let mut parts = Self::of_text(sheet, schema, Window::whole(text), request)?;
        parts.learn();
        parts.settle(tail);
        Ok(parts)
    }

    /// Finds the table of a text, of which the beginning is there.
    pub(super) fn of_text(sheet: &'s Sheet, schema: &SchemaRef, window: Window, request: &Request<'_>) -> Result<Self, Reading> {
        let labels = sheet.labels();
        let Some(header) = Header::in_text(sheet, &labels, window.text()) else {
            let detail = format!("no line of the first {HEADER_LINES} has {HEADER_COLUMNS} headers that the layout knows");
            return Err(unreadable(schema, request, IssueCode::LayoutUnknown, &detail));
        };
        let start = window.after(header.lines);
        let reader = Reader::new(sheet, labels, schema, request, false);
        let table = Table { header, page: 0, start, fresh: true };
        Ok(Self::new(reader, Content::Text(window), vec![table], Vec::new()))
    }

    fn of_book(sheet: &'s Sheet, schema: &SchemaRef, book: Book, request: &Request<'_>) -> Result<Self, Reading> {
        let labels = sheet.labels();
        let mut tables = Vec::new();
        let mut unknown = Vec::new();
        let mut issues = Vec::new();
        for (number, page) in (1..).zip(&book.pages) {
            if let Some(damage) = &page.damage {
                issues.push(Issue::new(IssueCode::FileTruncated, format!("{damage} of sheet {number}; what follows is missing")));
            }
            match Header::in_page(sheet, &labels, page).filter(|header| header.confidence(sheet) > Confidence::No) {
                Some(header) => {
                    let start = Place { offset: 0, line: header.lines };
                    tables.push(Table { header, page: number - 1, start, fresh: true });
                }
                None if page.rows.is_empty() => {}
                None => unknown.push(number.to_string()),
            }
        }
        if tables.is_empty() {
            let detail = format!(
                "no sheet has, in its first {HEADER_LINES} rows, one with {HEADER_COLUMNS} headers that the layout knows"
            );
            issues.push(Issue::new(IssueCode::LayoutUnknown, detail));
            let mut rows = Rows::new(schema, request);
            rows.end_row(Subject::default(), issues);
            return Err(rows.finish(None));
        }
        if !unknown.is_empty() {
            let detail = format!("sheets without a header row that the layout knows: {}", unknown.join(", "));
            issues.push(Issue::new(IssueCode::SheetUnknown, detail));
        }
        let reader = Reader::new(sheet, labels, schema, request, book.from_1904);
        let mut parts = Self::new(reader, Content::Book(book), tables, issues);
        parts.learn();
        parts.settle(None);
        Ok(parts)
    }

    fn new(reader: Reader<'s>, content: Content, tables: Vec<Table<'s>>, issues: Vec<Issue>) -> Self {
        let place = tables.first().map(|table| table.start).unwrap_or_default();
        Self { reader, content, tables, issues, learned: Learned::default(), at: 0, place, begun: false }
    }

    /// Learns from the rows that are there.
    pub(super) fn learn(&mut self) {
        while let Some(table) = self.tables.get(self.at) {
            let mut lines = self.content.records(table, self.place);
            let rows = lines.by_ref().filter(|record| !record.is_blank());
            let rows = rows.filter(|record| !table.header.is_again(self.reader.sheet, &self.reader.labels, record));
            self.reader.learn(&table.header, rows, &mut self.learned);
            let place = lines.place();
            drop(lines);
            self.place = place;
            if !self.content.is_whole() {
                break;
            }
            self.begin(self.at + 1);
        }
    }

    fn begin(&mut self, table: usize) {
        self.at = table;
        self.place = self.tables.get(table).map(|table| table.start).unwrap_or_default();
    }

    /// Begins to read, after all rows were learned from; `tail` is what the file has lost at its end.
    pub(super) fn settle(&mut self, tail: Option<Issue>) {
        let learned = std::mem::take(&mut self.learned);
        self.issues.splice(0..0, tail);
        if learned.rows == 0 {
            if let [table] = self.tables.as_slice() {
                self.issues.extend(table.header.issues(self.reader.sheet));
            }
            self.issues.push(Issue::new(IssueCode::DataAbsent, "no row below the header"));
        }
        self.reader.settle(learned);
        self.begin(0);
    }

    /// Goes on with more of the text. What was read of it is forgotten.
    pub(super) fn extend(&mut self, more: &str, last: bool) {
        if let Content::Text(window) = &mut self.content {
            self.place = window.extend(self.place, more, last);
        }
    }

    /// Begins with the text again.
    pub(super) fn restart(&mut self, window: Window) {
        for table in &mut self.tables {
            table.start = window.after(table.header.lines);
        }
        self.content = Content::Text(window);
        self.begin(0);
    }

    /// The next rows, one more than `most` where a line has two; none when there are no more, or not here. A file without rows is one
    /// row.
    pub(super) fn part(&mut self, most: usize) -> Option<Reading> {
        while let Some(table) = self.tables.get_mut(self.at) {
            let mut lines = self.content.records(table, self.place);
            while self.reader.rows.len() < most {
                let Some(record) = lines.next() else { break };
                if record.is_blank() || table.header.is_again(self.reader.sheet, &self.reader.labels, &record) {
                    continue;
                }
                let row = self.reader.rows.len();
                self.reader.row(&table.header, &record);
                if std::mem::take(&mut table.fresh) {
                    self.reader.rows.issues_at(row, table.header.issues(self.reader.sheet));
                }
                self.reader.rows.issues_at(row, std::mem::take(&mut self.issues));
            }
            let place = lines.place();
            drop(lines);
            self.place = place;
            if self.reader.rows.len() >= most {
                break;
            }
            if !self.content.is_whole() {
                return None;
            }
            self.begin(self.at + 1);
        }
        if self.reader.rows.len() == 0 {
            if std::mem::replace(&mut self.begun, true) {
                return None;
            }
            self.reader.rows.end_row(Subject::default(), std::mem::take(&mut self.issues));
        }
        self.begun = true;
        let layout = self.tables.first().and_then(|table| table.header.layout);
        Some(self.reader.rows.part(layout))
    }

    /// Whether rows may follow once there is more of the text.
    pub(super) fn goes_on(&self) -> bool {
        !self.content.is_whole()
    }
}

/// The text of a file, in the memory of its bytes where they are UTF-8.
fn text(sheet: &Sheet, bytes: Bytes) -> Result<String, NoText> {
    let own = match without_mark(&bytes) {
        Cow::Owned(text) => Ok(text),
        Cow::Borrowed(text) => Err(bytes.slice_ref(text)),
    };
    drop(bytes);
    let bytes = own.unwrap_or_else(Vec::from);
    check_text(&bytes)?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| sheet.other_encoding.decode(error.as_bytes()).into_owned());
    Ok(match with_line_feeds(Cow::Borrowed(&text)) {
        Cow::Owned(fed) => fed,
        Cow::Borrowed(_) => text,
    })
}
