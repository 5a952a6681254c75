//! Finds the tables of a file and reads them, as a whole or part by part.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, unreadable};
use super::super::date::Evidence;
use super::super::text::{NoText, check_text, lost_tail, with_line_feeds, without_mark};
use super::super::workbook::{self, Book};
use super::Sheet;
use super::header::{HEADER_COLUMNS, HEADER_LINES, Header};
use super::reader::{Eyes, Reader};
use super::records::{Place, Record, Records, of_page};
use crate::device::{Confidence, Reading, Request, Subject};
use crate::issue::{Issue, IssueCode};

/// More rows than this are not read, so that a damaged file can't fill the memory.
const MAX_ROWS: usize = 1_000_000;

/// Reads the file: one row for each line below a header that is not blank.
pub(crate) fn read(sheet: &Sheet, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    match Parts::of(sheet, schema, bytes, request) {
        Ok(mut parts) => parts.part(usize::MAX).unwrap_or_else(|| Rows::new(schema, request).finish(None)),
        Err(reading) => reading,
    }
}

/// Reads the file part by part, each of at most `rows` rows. Beside the part there is only the text, or the cells of the workbook.
pub(crate) fn read_parts<'s>(
    sheet: &'s Sheet,
    schema: &SchemaRef,
    bytes: &[u8],
    request: &Request<'_>,
    rows: usize,
) -> Box<dyn Iterator<Item = Reading> + Send + 's> {
    match Parts::of(sheet, schema, bytes, request) {
        Ok(parts) => {
            let mut parts = parts.owned();
            Box::new(std::iter::from_fn(move || parts.part(rows.max(1))))
        }
        Err(reading) => Box::new(std::iter::once(reading)),
    }
}

/// What a file holds, apart from where its tables are.
enum Content<'t> {
    Text(Cow<'t, str>),
    Book(Book),
}

impl Content<'_> {
    /// The rows from a place in one of the tables on.
    fn records<'t>(&'t self, table: &Table<'_>, place: Place) -> Lines<'t> {
        match self {
            Self::Text(text) => Lines::Text(text, Records::from(text, place, table.header.delimiter, table.header.cells.len())),
            Self::Book(book) => {
                let (page, number) = (book.pages.get(table.page), table.page + 1);
                Lines::Page(Box::new(page.into_iter().flat_map(move |page| of_page(page, number, place.line))), place.line)
            }
        }
    }
}

/// The rows of a table, blank ones too.
enum Lines<'t> {
    Text(&'t str, Records<'t>),
    /// With the number of the last row.
    Page(Box<dyn Iterator<Item = Record<'t>> + 't>, usize),
}

impl<'t> Iterator for Lines<'t> {
    type Item = Record<'t>;

    fn next(&mut self) -> Option<Record<'t>> {
        match self {
            Self::Text(_, records) => records.next(),
            Self::Page(records, last) => records.next().inspect(|record| *last = record.line),
        }
    }
}

impl Lines<'_> {
    /// Where they go on.
    fn place(&self) -> Place {
        match self {
            Self::Text(text, records) => records.place(text),
            Self::Page(_, last) => Place { offset: 0, line: *last },
        }
    }
}

/// A table of a file.
struct Table<'s> {
    header: Header<'s>,
    /// The sheet of the workbook.
    page: usize,
    /// Where its rows begin.
    start: Place,
    /// Whether none of its rows was read.
    fresh: bool,
}

/// A file of which the rows up to a place were read.
struct Parts<'s, 't> {
    reader: Reader<'s>,
    content: Content<'t>,
    tables: Vec<Table<'s>>,
    /// Of the file, until its first row takes them.
    issues: Vec<Issue>,
    /// The table that is being read, where its rows go on, and how many rows were read of all.
    at: usize,
    place: Place,
    taken: usize,
    /// Whether a part was given.
    begun: bool,
}

impl<'s, 't> Parts<'s, 't> {
    /// Finds the tables of a file and learns from all their rows; otherwise the reading that says why there is none.
    fn of(sheet: &'s Sheet, schema: &SchemaRef, bytes: &'t [u8], request: &Request<'_>) -> Result<Self, Reading> {
        if sheet.workbooks
            && let Some((format, _)) = workbook::recognise(bytes)
        {
            let book = workbook::read(bytes, format)
                .map_err(|reason| unreadable(schema, request, IssueCode::FileUnreadable, &reason))?;
            return Self::of_book(sheet, schema, book, request);
        }
        let tail = lost_tail(bytes);
        let bytes = without_mark(bytes);
        check_text(&bytes).map_err(|why| match why {
            NoText::Empty => unreadable(schema, request, IssueCode::FileEmpty, "the file is empty"),
            NoText::Binary => unreadable(schema, request, IssueCode::FileUnreadable, "the file is not text"),
        })?;
        let text = match bytes {
            Cow::Borrowed(bytes) => with_line_feeds(sheet.other_encoding.decode(bytes)),
            Cow::Owned(bytes) => Cow::Owned(with_line_feeds(sheet.other_encoding.decode(&bytes)).into_owned()),
        };
        let labels = sheet.labels();
        let Some(header) = Header::in_text(sheet, &labels, &text) else {
            let detail = format!("no line of the first {HEADER_LINES} has {HEADER_COLUMNS} headers that the layout knows");
            return Err(unreadable(schema, request, IssueCode::LayoutUnknown, &detail));
        };
        let start = Records::new(&text, header.lines, header.delimiter, header.cells.len()).place(&text);
        let reader = Reader::new(sheet, labels, schema, request, false);
        let table = Table { header, page: 0, start, fresh: true };
        Ok(Self::new(reader, Content::Text(text), vec![table], tail.into_iter().collect()))
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
        Ok(Self::new(reader, Content::Book(book), tables, issues))
    }

    fn new(mut reader: Reader<'s>, content: Content<'t>, tables: Vec<Table<'s>>, mut issues: Vec<Issue>) -> Self {
        let (mut evidence, mut acuities, mut eyes) = (Evidence::default(), HashMap::new(), Eyes::default());
        let mut count = 0;
        for table in &tables {
            let rows = content.records(table, table.start).filter(|record| !record.is_blank());
            let rows = rows.filter(|record| !table.header.is_again(&reader.labels, record)).take(MAX_ROWS + 1 - count);
            let own = reader.learn(&table.header, rows, &mut evidence, &mut acuities, &mut eyes);
            count += own;
            if own == 0 && tables.len() == 1 {
                issues.extend(table.header.issues(reader.sheet));
            }
            if count > MAX_ROWS {
                break;
            }
        }
        reader.acuities = acuities;
        reader.eyes = eyes;
        reader.order = evidence.order(reader.sheet.dates.order);
        reader.doubtful = evidence.contradictory() || !reader.sheet.dates.declared && evidence.silent();
        if count == 0 {
            issues.push(Issue::new(IssueCode::DataAbsent, "no row below the header"));
        }
        if count > MAX_ROWS {
            let detail = format!("rows after the first {MAX_ROWS} were not read; split the file");
            issues.push(Issue::new(IssueCode::FileTruncated, detail));
        }
        let place = tables.first().map(|table| table.start).unwrap_or_default();
        Self { reader, content, tables, issues, at: 0, place, taken: 0, begun: false }
    }

    /// The same without the bytes of the file.
    fn owned(self) -> Parts<'s, 'static> {
        let content = match self.content {
            Content::Text(text) => Content::Text(Cow::Owned(text.into_owned())),
            Content::Book(book) => Content::Book(book),
        };
        let Self { reader, tables, issues, at, place, taken, begun, .. } = self;
        Parts { reader, content, tables, issues, at, place, taken, begun }
    }

    /// The next rows, at most so many; none when there are no more. A file without rows is one row.
    fn part(&mut self, most: usize) -> Option<Reading> {
        while let Some(table) = self.tables.get_mut(self.at) {
            let mut lines = self.content.records(table, self.place);
            while self.taken < MAX_ROWS && self.reader.rows.len() < most {
                let Some(record) = lines.next() else { break };
                if record.is_blank() || table.header.is_again(&self.reader.labels, &record) {
                    continue;
                }
                self.reader.row(&table.header, &record);
                self.taken += 1;
                let row = self.reader.rows.len() - 1;
                if std::mem::take(&mut table.fresh) {
                    self.reader.rows.issues_at(row, table.header.issues(self.reader.sheet));
                }
                self.reader.rows.issues_at(row, std::mem::take(&mut self.issues));
            }
            self.place = lines.place();
            if self.taken >= MAX_ROWS {
                self.at = self.tables.len();
            } else if self.reader.rows.len() >= most {
                break;
            } else {
                self.at += 1;
                self.place = self.tables.get(self.at).map(|table| table.start).unwrap_or_default();
            }
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
}
