//! Lines of a sheet as fields. A line is a row whatever quotes it holds, so that a stray one never swallows the rows after it.

use std::borrow::Cow;

use super::super::workbook::{Cell, Page};

/// A quoted field may go on for so many lines.
pub(super) const MAX_LINES: usize = 16;

/// A line has at most so many fields, as a sheet of any program; what follows is one more. A field takes more memory than the mark
/// that ends it, and a damaged line may be nothing but marks.
pub(crate) const MAX_FIELDS: usize = 16_384;

/// What is known of a field beyond its text: in a file of text, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    Text,
    Number,
    /// A day or a time.
    Day,
    /// An error of a formula.
    Error,
}

/// One field of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) typed: Typed,
}

impl<'a> Field<'a> {
    fn text(text: Cow<'a, str>) -> Self {
        Self { text, typed: Typed::Text }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

impl<'a> From<&'a Cell> for Field<'a> {
    fn from(cell: &'a Cell) -> Self {
        let owned = |text: String, typed| Self { text: Cow::Owned(text), typed };
        match cell {
            Cell::Text(text) => Self::text(Cow::Borrowed(text)),
            Cell::Number(value) => owned(number(*value), Typed::Number),
            Cell::Flag(flag) => owned(flag.to_string(), Typed::Text),
            Cell::Date(time) if time.time() == chrono::NaiveTime::MIN => owned(time.format("%Y-%m-%d").to_string(), Typed::Day),
            Cell::Date(time) => owned(time.format("%Y-%m-%dT%H:%M:%S").to_string(), Typed::Day),
            Cell::Time(text) => Self { text: Cow::Borrowed(text), typed: Typed::Day },
            Cell::Error(text) => Self { text: Cow::Borrowed(text), typed: Typed::Error },
        }
    }
}

/// A number with the 15 digits that spreadsheets show, so that `0.30000000000000004` is 0.3 as its reader sees it.
fn number(value: f64) -> String {
    let shown = format!("{value:.14e}").parse::<f64>().unwrap_or(value);
    // No minus before zero.
    format!("{}", if shown == 0.0 { 0.0 } else { shown })
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record<'a> {
    /// Line of the file or row of the sheet, from 1.
    pub(crate) line: usize,
    /// Number of the sheet, from 1; 0 in a file of text.
    pub(crate) sheet: usize,
    pub(crate) fields: Vec<Field<'a>>,
    /// Whether the file ends here without the end of a line.
    pub(crate) unfinished: bool,
}

impl<'a> Record<'a> {
    fn of_text(line: usize, fields: Vec<Cow<'a, str>>, unfinished: bool) -> Self {
        Self { line, sheet: 0, fields: fields.into_iter().map(Field::text).collect(), unfinished }
    }

    /// Where it stands, as the end of a sentence. Names of sheets may be personal.
    pub(crate) fn place(&self) -> String {
        match self.sheet {
            0 => format!(" in line {}", self.line),
            sheet => format!(" in row {} of sheet {sheet}", self.line),
        }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.fields.iter().all(Field::is_blank)
    }
}

/// The rows of a sheet after row `skip`.
pub(crate) fn of_page(page: &Page, sheet: usize, skip: usize) -> impl Iterator<Item = Record<'_>> {
    let after = u32::try_from(skip).unwrap_or(u32::MAX).saturating_add(1);
    page.rows.range(after..).map(move |(row, cells)| {
        let width = cells.last().map_or(0, |(column, _)| *column as usize + 1);
        let mut fields = vec![Field::text(Cow::Borrowed("")); width];
        for (column, cell) in cells {
            if let Some(field) = fields.get_mut(*column as usize) {
                *field = Field::from(cell);
            }
        }
        Record { line: *row as usize, sheet, fields, unfinished: false }
    })
}

/// A place between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Bytes of a text before it; in a sheet of a workbook they do not count.
    pub(crate) offset: usize,
    /// Lines or rows before it.
    pub(crate) line: usize,
}

/// The rows of a text after its first `skip` lines.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    rest: &'a str,
    line: usize,
    delimiter: char,
    width: usize,
}

impl<'a> Records<'a> {
    /// Rows of about `width` fields.
    pub(crate) fn new(text: &'a str, skip: usize, delimiter: char, width: usize) -> Self {
        let mut records = Self { rest: text, line: 0, delimiter, width };
        for _ in 0..skip {
            records.take_line();
        }
        records
    }

    /// The rows of `text` from a place in it on, where others of these rows ended.
    pub(crate) fn from(text: &'a str, place: Place, delimiter: char, width: usize) -> Self {
        Self { rest: text.get(place.offset..).unwrap_or_default(), line: place.line, delimiter, width }
    }

    /// Where in `text`, of which they are, these rows go on.
    pub(crate) fn place(&self, text: &str) -> Place {
        Place { offset: text.len().saturating_sub(self.rest.len()), line: self.line }
    }

    fn take_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line.trim_end_matches('\r'))
    }

    /// A row that goes on over several lines inside quotes: taken only if it then has exactly the fields of the header and no
    /// line that it takes in is a row by itself.
    fn joined(&self, start: &'a str) -> Option<(Record<'a>, Self)> {
        let mut ahead = self.clone();
        for _ in 1..MAX_LINES {
            let line = ahead.take_line()?;
            if line.matches(self.delimiter).nth(self.width.saturating_sub(2)).is_some() || self.width < 2 {
                return None;
            }
            let text = start.get(..start.len().checked_sub(ahead.rest.len())?)?.trim_end_matches(['\r', '\n']);
            if let Some(fields) = split(text, self.delimiter) {
                return (fields.len() == self.width).then_some((Record::of_text(self.line, fields, false), ahead));
            }
        }
        None
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let start = self.rest;
        let line = self.take_line()?;
        let unfinished = self.rest.is_empty() && !start.ends_with('\n');
        if let Some(fields) = split(line, self.delimiter) {
            return Some(Record::of_text(self.line, fields, unfinished));
        }
        if let Some((record, ahead)) = self.joined(start) {
            *self = ahead;
            return Some(record);
        }
        Some(Record::of_text(self.line, literal(line, self.delimiter), unfinished))
    }
}

/// Fields of a line, quotes taken as letters.
fn literal(line: &str, delimiter: char) -> Vec<Cow<'_, str>> {
    line.splitn(MAX_FIELDS, delimiter).map(Cow::Borrowed).collect()
}

/// Fields of a line; `None` when a quoted field is not closed. A quote inside a field, or text after a closing quote, makes the
/// field an ordinary one.
pub(crate) fn split(line: &str, delimiter: char) -> Option<Vec<Cow<'_, str>>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        if fields.len() + 1 >= MAX_FIELDS {
            fields.push(Cow::Borrowed(rest));
            return Some(fields);
        }
        let quoted = if rest.starts_with('"') { quoted(rest, delimiter)? } else { None };
        let after = match quoted {
            Some((field, after)) => {
                fields.push(field);
                after
            }
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                fields.push(Cow::Borrowed(rest.get(..end).unwrap_or_default()));
                rest.get(end..).unwrap_or_default()
            }
        };
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Some(fields),
        }
    }
}

/// The quoted field at the start of `text` and what follows it; `Some(None)` when it is not properly quoted, `None` when it is
/// not closed.
#[allow(clippy::option_option, reason = "not closed, not quoted and quoted lead to three different ways")]
fn quoted(text: &str, delimiter: char) -> Option<Option<(Cow<'_, str>, &str)>> {
    let inner = text.get(1..)?;
    let mut from = 0;
    let mut escaped = false;
    loop {
        let at = from + inner.get(from..)?.find('"')?;
        let after = inner.get(at + 1..)?;
        if after.starts_with('"') {
            escaped = true;
            from = at + 2;
        } else if after.is_empty() || after.starts_with(delimiter) {
            let field = inner.get(..at)?;
            let field = if escaped { Cow::Owned(field.replace("\"\"", "\"")) } else { Cow::Borrowed(field) };
            return Some(Some((field, after)));
        } else {
            return Some(None);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<Vec<String>> {
        Records::new(text, 0, ';', width).map(|r| r.fields.into_iter().map(|field| field.text.into_owned()).collect()).collect()
    }

    #[test]
    fn quotes_hide_delimiters() {
        assert_eq!(rows("a;\"b;\"\"c\"\"\";d\r\n", 3), [["a", "b;\"c\"", "d"]]);
    }

    #[test]
    fn a_stray_quote_costs_no_other_row() {
        let all = rows("a;\"b;c\nd;e;f\ng;h;i\n", 3);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], ["a", "\"b", "c"]);
        assert_eq!(all[1], ["d", "e", "f"]);
        assert_eq!(rows("a;b;\"c\nd;e;f\"\ng;h;i\n", 3).len(), 3);
        assert_eq!(rows("5\" pas;\"x\"y;z\n", 3), [["5\" pas", "\"x\"y", "z"]]);
    }

    #[test]
    fn a_line_end_inside_quotes_is_kept_when_the_row_comes_out_whole() {
        assert_eq!(rows("a;\"b\nb\";c\nd;e;f\n", 3), [vec!["a", "b\nb", "c"], vec!["d", "e", "f"]]);
    }

    #[test]
    fn a_line_of_delimiters_takes_no_more_than_a_wide_row() {
        let line = ";".repeat(3 * MAX_FIELDS);
        for text in [line.clone(), format!("\"a\"{line}"), format!("\"{line}")] {
            let all: Vec<Record<'_>> = Records::new(&text, 0, ';', 3).collect();
            assert_eq!(all.iter().map(|record| record.fields.len()).collect::<Vec<_>>(), [MAX_FIELDS]);
            let last = all[0].fields.last().unwrap().text.as_ref();
            assert!(text.ends_with(last) && last.len() > 2 * MAX_FIELDS, "nothing of the line is lost");
        }
        let wide = vec!["x"; MAX_FIELDS].join(";");
        assert!(rows(&wide, 3)[0].iter().all(|field| field == "x"));
    }

    #[test]
    fn rows_go_on_from_their_places() {
        let text = "h\n1;2\r\n\"a\nb\";3\n\n4;5";
        let whole: Vec<Record<'_>> = Records::new(text, 1, ';', 2).collect();
        let mut place = Records::new(text, 1, ';', 2).place(text);
        for expected in &whole {
            let mut records = Records::from(text, place, ';', 2);
            assert_eq!(records.next().as_ref(), Some(expected));
            place = records.place(text);
        }
        assert_eq!(Records::from(text, place, ';', 2).next(), None);
    }

    #[test]
    fn numbers_are_written_as_they_are_seen() {
        for (value, text) in [(0.1 + 0.2, "0.3"), (-2.25, "-2.25"), (10.0, "10"), (-0.0, "0"), (1_234_567.0, "1234567")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> = Records::new("h\na;\"b\nb\";c\nd;e;f\n", 1, ';', 3).map(|r| r.line).collect();
        assert_eq!(lines, [2, 4]);
    }
}
