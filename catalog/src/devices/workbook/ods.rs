//! ODS: the cells of `content.xml`. Repeats are unfolded only where they hold something, and only within the budget.

use std::io::{Cursor, Read as _};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};
use zip::ZipArchive;

use super::{Book, Budget, Cell, MAX_COLUMN, MAX_ROW, MAX_SHEETS, Merged, Page};

/// `content.xml` may inflate to so many bytes.
const MAX_CONTENT: u64 = 128 * 1024 * 1024;
/// Blanks that one element may stand for.
const MAX_BLANKS: usize = 1000;

pub(super) fn read(bytes: &[u8]) -> Result<Book, String> {
    let damaged = || "the workbook is damaged or protected by a password".to_owned();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    let part = archive.by_name("content.xml").map_err(|_| damaged())?;
    let mut content = Vec::new();
    part.take(MAX_CONTENT + 1).read_to_end(&mut content).map_err(|_| damaged())?;
    if content.len() as u64 > MAX_CONTENT {
        return Err(format!("the workbook inflates to more than {} MiB; split it", MAX_CONTENT >> 20));
    }
    let text = std::str::from_utf8(&content).map_err(|_| damaged())?;
    let mut sheets = Sheets::new();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => sheets.event(&event)?,
            Err(_) => {
                sheets.damage("the sheet is damaged");
                break;
            }
        }
    }
    if sheets.pages.is_empty() {
        return Err(damaged());
    }
    if sheets.open.is_some() {
        sheets.damage("the sheet ends early");
    }
    sheets.close()?;
    Ok(Book { pages: sheets.pages, from_1904: false })
}

/// A cell on its way.
struct Open {
    /// What the attributes say.
    value: Option<Cell>,
    error: bool,
    text: String,
    paragraphs: usize,
    columns: u32,
    /// Rows that it covers.
    rows: u32,
    /// Open elements inside the cell whose text is not its own: comments and drawings.
    foreign: usize,
}

impl Open {
    fn new(start: &BytesStart<'_>) -> Self {
        let count = |name: &str| attribute(start, name).and_then(|count| count.parse().ok()).unwrap_or(1u32);
        let text = |name: &str| attribute(start, name);
        let value = match attribute(start, "office:value-type").as_deref() {
            Some("float" | "percentage" | "currency") => text("office:value")
                .and_then(|value| value.parse().ok())
                .filter(|value: &f64| value.is_finite())
                .map(Cell::Number),
            Some("date") => text("office:date-value").map(|value| iso(&value)),
            Some("time") => text("office:time-value").map(|value| Cell::Time(value.into())),
            Some("boolean") => text("office:boolean-value").map(|value| Cell::Flag(value == "true")),
            Some("string") => text("office:string-value").map(|value| Cell::Text(value.into())),
            _ => None,
        };
        Self {
            value,
            error: attribute(start, "calcext:value-type").as_deref() == Some("error"),
            text: String::new(),
            paragraphs: 0,
            columns: count("table:number-columns-repeated"),
            rows: count("table:number-rows-spanned"),
            foreign: 0,
        }
    }

    /// The value; what is written in the cell where no attribute has it.
    fn finish(self) -> Option<Cell> {
        let text = self.text.trim();
        match self.value {
            _ if self.error => Some(Cell::Error(if text.is_empty() { "#N/A" } else { text }.into())),
            Some(Cell::Text(value)) if !value.trim().is_empty() => Some(Cell::Text(value)),
            Some(value) if !matches!(value, Cell::Text(_)) => Some(value),
            _ => (!text.is_empty()).then(|| Cell::Text(self.text.as_str().into())),
        }
    }
}

struct Sheets {
    budget: Budget,
    pages: Vec<Page>,
    merged: Vec<Merged>,
    open: Option<Open>,
    /// The row that is being read, from 0, and how often it is repeated.
    row: u32,
    repeats: u32,
    /// Its cells that hold something, and the column of the next one.
    cells: Vec<(u32, Cell)>,
    column: u32,
}

impl Sheets {
    fn new() -> Self {
        Self {
            budget: Budget::new(),
            pages: Vec::new(),
            merged: Vec::new(),
            open: None,
            row: 0,
            repeats: 1,
            cells: Vec::new(),
            column: 0,
        }
    }

    fn damage(&mut self, what: &str) {
        if let Some(page) = self.pages.last_mut() {
            page.damage = Some(format!("{what} after row {}", page.rows.keys().last().unwrap_or(&0)));
        }
    }

    fn close(&mut self) -> Result<(), String> {
        match self.pages.last_mut() {
            Some(page) => page.fill(&std::mem::take(&mut self.merged), &mut self.budget),
            None => Ok(()),
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(start),
            Event::End(end) => self.end(end.name().as_ref()),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = format!("&{};", reference.xml10_content());
                self.text(&escape::unescape(&name).unwrap_or_default())
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if let Some(cell) = self.open.as_mut().filter(|cell| cell.foreign == 0 && cell.paragraphs > 0) {
            cell.text.push_str(text);
        }
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let name = start.name();
        let name = name.as_ref();
        if let Some(cell) = &mut self.open {
            match name {
                _ if cell.foreign > 0 || name == "office:annotation" || name.starts_with("draw:") => cell.foreign += 1,
                "text:p" => {
                    if cell.paragraphs > 0 {
                        cell.text.push('\n');
                    }
                    cell.paragraphs += 1;
                }
                "text:s" => {
                    let count = attribute(start, "text:c").and_then(|count| count.parse().ok()).unwrap_or(1usize);
                    cell.text.extend(std::iter::repeat_n(' ', count.min(MAX_BLANKS)));
                }
                "text:tab" => cell.text.push('\t'),
                "text:line-break" => cell.text.push('\n'),
                _ => {}
            }
            return Ok(());
        }
        match name {
            "table:table" => {
                self.close()?;
                if self.pages.len() >= MAX_SHEETS {
                    return Err(format!("the workbook has more than {MAX_SHEETS} sheets"));
                }
                self.pages.push(Page::default());
                self.row = 0;
            }
            "table:table-row" => {
                self.repeats = attribute(start, "table:number-rows-repeated").and_then(|count| count.parse().ok()).unwrap_or(1);
                self.cells.clear();
                self.column = 0;
            }
            "table:table-cell" | "table:covered-table-cell" => self.open = Some(Open::new(start)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        if name == "table:table-row" {
            return self.end_row();
        }
        let Some(mut cell) = self.open.take() else { return Ok(()) };
        if cell.foreign > 0 {
            cell.foreign -= 1;
        } else if matches!(name, "table:table-cell" | "table:covered-table-cell") {
            let (columns, rows) = (cell.columns, cell.rows);
            if let Some(value) = cell.finish() {
                for column in (self.column..self.column.saturating_add(columns)).take_while(|column| *column < MAX_COLUMN) {
                    // Counted here as well, so that a row can't grow without bounds before it ends.
                    self.budget.take(&value)?;
                    self.cells.push((column, value.clone()));
                }
                if rows > 1 {
                    self.merged.push(Merged { first: self.row, last: self.row.saturating_add(rows - 1), column: self.column });
                }
            }
            self.column = self.column.saturating_add(columns);
            return Ok(());
        }
        self.open = Some(cell);
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.open = None;
        let cells = std::mem::take(&mut self.cells);
        let end = self.row.saturating_add(self.repeats).min(MAX_ROW);
        if let Some(page) = self.pages.last_mut().filter(|_| !cells.is_empty()) {
            for row in self.row..end {
                for (column, cell) in &cells {
                    page.put(row, *column, cell.clone(), &mut self.budget)?;
                }
            }
        }
        self.row = end;
        Ok(())
    }
}

/// A date, with or without a time, as ISO 8601 writes it.
pub(super) fn iso(text: &str) -> Cell {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    let time = || NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok();
    day().or_else(time).map_or_else(|| Cell::Text(text.into()), Cell::Date)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == name)?;
    escape::unescape(&found.value).ok().map(|value| value.into_owned())
}
