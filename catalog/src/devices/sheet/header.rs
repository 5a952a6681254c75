//! The header row of a table: which line it is, and what its cells say about their columns.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::text::{filled, label, lines};
use super::super::workbook::Page;
use super::eyes::Marked;
use super::records::{Record, of_page, split};
use super::{Column, EXTRA, Kind, Sheet};
use crate::device::{Confidence, Eye};
use crate::issue::{Issue, IssueCode};

/// The header is looked for in so many lines: people write titles above their tables.
pub(super) const HEADER_LINES: usize = 20;
/// A header has at least so many known columns.
pub(super) const HEADER_COLUMNS: usize = 3;
/// A header whose cells have line ends in quotes goes on for so many lines.
const MOST_LINES: usize = 8;
/// A header is split into at most so many more parts by a delimiter in it.
const MOST_PARTS: usize = 2;
/// Longer texts are no header that the layout knows.
const MAX_LABEL: usize = 200;
/// Longer headers of unknown columns are cut.
const MAX_KEY: usize = 64;

/// The header row.
pub(super) struct Header<'a> {
    pub(super) layout: Option<&'a str>,
    /// Lines up to and with the header.
    pub(super) lines: usize,
    pub(super) delimiter: char,
    pub(super) cells: Vec<Cell>,
}

/// What a header cell says about its column.
pub(super) enum Cell {
    /// Index into [`Sheet::columns`], and the eye whose column it is, if it is one's.
    Known(usize, Option<Eye>),
    /// A header that the layout does not know.
    Unknown(String),
    Blank,
}

impl<'a> Header<'a> {
    /// The line and delimiter with most known headers.
    pub(super) fn in_text(sheet: &'a Sheet, labels: &HashMap<String, usize>, text: &str) -> Option<Self> {
        let mut best = None;
        for (index, (start, line)) in starts(text).take(HEADER_LINES).enumerate() {
            for delimiter in [';', ',', '\t', '|'] {
                let (fields, more) = match split(line, delimiter) {
                    Some(fields) => (fields, 0),
                    None => match joined(start, delimiter) {
                        Some(found) => found,
                        None => continue,
                    },
                };
                let fields = rejoined(labels, fields, delimiter);
                Self::better(&mut best, sheet, labels, &fields, index + 1 + more, delimiter);
            }
        }
        best.map(|(_, header)| header)
    }

    /// The row of a sheet with most known headers.
    pub(super) fn in_page(sheet: &'a Sheet, labels: &HashMap<String, usize>, page: &Page) -> Option<Self> {
        let mut best = None;
        for record in of_page(page, 1, 0).take(HEADER_LINES) {
            let fields: Vec<Cow<'_, str>> = record.fields.into_iter().map(|field| field.text).collect();
            Self::better(&mut best, sheet, labels, &fields, record.line, '\0');
        }
        best.map(|(_, header)| header)
    }

    fn better(
        best: &mut Option<(usize, Self)>,
        sheet: &'a Sheet,
        labels: &HashMap<String, usize>,
        fields: &[Cow<'_, str>],
        lines: usize,
        delimiter: char,
    ) {
        let (cells, bare) = cells(sheet, labels, fields);
        let known = cells.iter().filter(|cell| matches!(cell, Cell::Known(..))).count();
        if known >= HEADER_COLUMNS && best.as_ref().is_none_or(|(most, _)| known > *most) {
            *best = Some((known, Self { layout: version(sheet, &bare), lines, delimiter, cells }));
        }
    }

    /// How sure the header makes it that the table is one of this sheet's.
    pub(super) fn confidence(&self, sheet: &Sheet) -> Confidence {
        let has = |name: &str| self.known().any(|index| sheet.columns.get(index).is_some_and(|column| column.name == name));
        let telling = self.known().filter(|index| sheet.columns.get(*index).is_some_and(|column| column.telling)).count();
        let acuity = self.known().any(|index| sheet.columns.get(index).is_some_and(|column| column.kind == Kind::Acuity));
        let eye = has("eye") || self.is_wide();
        if telling >= sheet.recognition.certain && (eye || has("patient_number")) {
            Confidence::Certain
        } else if telling >= sheet.recognition.likely || acuity && eye && has("patient_number") {
            Confidence::Likely
        } else {
            Confidence::No
        }
    }

    /// Whether a row is the header once more, as on every page of a printed table.
    pub(super) fn is_again(&self, sheet: &Sheet, labels: &HashMap<String, usize>, record: &Record<'_>) -> bool {
        let mut same = 0;
        for (field, cell) in record.fields.iter().zip(&self.cells) {
            let is = |index: &usize, eye: &Option<Eye>| match eye {
                None => labels.get(&label(&field.text)) == Some(index),
                Some(eye) => sheet
                    .eye_columns
                    .find(labels, &field.text)
                    .is_some_and(|marked| (marked.column, marked.eye) == (*index, *eye)),
            };
            if let Cell::Known(index, eye) = cell {
                if field.text.len() > MAX_LABEL || !is(index, eye) {
                    return false;
                }
                same += 1;
            }
        }
        same >= HEADER_COLUMNS
    }

    pub(super) fn known(&self) -> impl Iterator<Item = usize> {
        self.cells.iter().filter_map(|cell| if let Cell::Known(index, _) = cell { Some(*index) } else { None })
    }

    /// Whether a row is a visit, with columns of both eyes.
    pub(super) fn is_wide(&self) -> bool {
        self.cells.iter().any(|cell| matches!(cell, Cell::Known(_, Some(_))))
    }

    /// Whether a row has something in a column of that eye.
    pub(super) fn has_eye(&self, record: &Record<'_>, eye: Eye) -> bool {
        let own = |cell: &Cell| matches!(cell, Cell::Known(_, Some(of)) if *of == eye);
        record.fields.iter().zip(&self.cells).any(|(field, cell)| own(cell) && !field.is_blank())
    }

    /// Columns up to the last one with a header.
    pub(super) fn width(&self) -> usize {
        self.cells.iter().rposition(|cell| !matches!(cell, Cell::Blank)).map_or(0, |last| last + 1)
    }

    pub(super) fn issues(&self, sheet: &Sheet) -> Vec<Issue> {
        let expected = |column: &Column| column.usual && self.layout.is_none_or(|layout| column.labels.contains_key(layout));
        let mut issues: Vec<Issue> = sheet
            .columns
            .iter()
            .enumerate()
            .filter(|(index, column)| expected(column) && !self.known().any(|known| known == *index))
            .filter(|(_, column)| !(self.is_wide() && column.name == "eye"))
            .map(|(_, column)| Issue::new(IssueCode::ColumnMissing, column.name.clone()))
            .collect();
        let unknown: Vec<String> = self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| matches!(cell, Cell::Unknown(_)))
            .map(|(index, _)| (index + 1).to_string())
            .collect();
        if !unknown.is_empty() {
            let places = unknown.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
            let detail = format!("{} headers are not known, their values are kept in {EXTRA}: columns {places}", unknown.len());
            issues.push(Issue::new(IssueCode::ColumnUnknown, detail));
        }
        issues
    }
}

/// Each line of a text, and the text from there on.
fn starts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let at = |line: &str| (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    lines(text).map(move |line| (text.get(at(line)..).unwrap_or_default(), line))
}

/// The fields of a row whose quotes are closed in a later line, and how many lines more it takes.
fn joined(start: &str, delimiter: char) -> Option<(Vec<Cow<'_, str>>, usize)> {
    let ends = start.match_indices('\n').map(|(at, _)| at).chain([start.len()]);
    (0..MOST_LINES).zip(ends).skip(1).find_map(|(more, end)| {
        let text = start.get(..end)?.trim_end_matches('\r');
        Some((split(text, delimiter)?, more))
    })
}

/// Headers that hold the delimiter themselves, and were not quoted when the sheet was saved with another one, made whole again.
fn rejoined<'t>(labels: &HashMap<String, usize>, fields: Vec<Cow<'t, str>>, delimiter: char) -> Vec<Cow<'t, str>> {
    let mut out: Vec<Cow<'t, str>> = Vec::with_capacity(fields.len());
    let mut rest = fields.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let whole = (1..=MOST_PARTS).rev().find_map(|more| {
            let text = rest.get(..=more).filter(|_| !first.trim().is_empty())?.join(&delimiter.to_string());
            (text.len() <= MAX_LABEL && labels.contains_key(&label(&text))).then_some((text, more))
        });
        match whole.filter(|_| !labels.contains_key(&label(first))) {
            Some((text, more)) => {
                out.push(Cow::Owned(text));
                rest = after.get(more..).unwrap_or_default();
            }
            None => {
                out.push(first.clone());
                rest = after;
            }
        }
    }
    out
}

/// What the headers say, and their texts without the marks of eyes. Where a column says the eye of a row, no other column is an
/// eye's own.
fn cells(sheet: &Sheet, labels: &HashMap<String, usize>, fields: &[Cow<'_, str>]) -> (Vec<Cell>, Vec<String>) {
    let known: Vec<Option<usize>> = fields.iter().map(|field| labels.get(&label(field)).copied()).collect();
    let is = |index: usize, name: &str| sheet.columns.get(index).is_some_and(|column| column.name == name);
    let mut marked: Vec<Option<Marked>> = Vec::new();
    if !known.iter().flatten().any(|index| is(*index, "eye")) {
        let of_one_eye = |marked: &Marked| sheet.columns.get(marked.column).is_some_and(|column| column.kind != Kind::Common);
        let find = |(field, known): (&Cow<'_, str>, &Option<usize>)| match known {
            None if field.len() <= MAX_LABEL => sheet.eye_columns.find(labels, field).filter(of_one_eye),
            _ => None,
        };
        marked = fields.iter().zip(&known).map(find).collect();
        let eyes: Vec<(usize, Eye)> = marked.iter().flatten().map(|marked| (marked.column, marked.eye)).collect();
        let paired = |marked: &Marked| eyes.iter().any(|(column, eye)| *column == marked.column && *eye != marked.eye);
        for slot in &mut marked {
            slot.take_if(|marked| !marked.sure && !paired(marked));
        }
    }
    marked.resize_with(fields.len(), || None);
    let mut taken = Vec::new();
    let mut bare = Vec::new();
    let mut cells = Vec::new();
    for ((field, known), marked) in fields.iter().zip(known).zip(marked) {
        let eye = marked.as_ref().map(|marked| marked.eye);
        let column = known.or(marked.as_ref().map(|marked| marked.column)).map(|index| (index, eye));
        let cell = match (filled(field), column) {
            (None, _) => Cell::Blank,
            (Some(_), Some(column)) if !taken.contains(&column) => {
                taken.push(column);
                Cell::Known(column.0, column.1)
            }
            (Some(text), _) => Cell::Unknown(text.chars().take(MAX_KEY).collect()),
        };
        cells.push(cell);
        bare.push(marked.map_or_else(|| label(field), |marked| label(&marked.bare)));
    }
    (cells, bare)
}

/// The version that has most of these headers, as labels.
fn version<'a>(sheet: &'a Sheet, fields: &[String]) -> Option<&'a str> {
    let count = |name: &str| {
        let own = |column: &&Column| column.labels.get(name).is_some_and(|text| fields.contains(&label(text)));
        sheet.columns.iter().filter(own).count()
    };
    // The last of equals wins in `max_by_key`, hence the reversal: versions are listed newest first.
    sheet.versions.iter().rev().max_by_key(|version| count(&version.name)).map(|version| version.name.as_str())
}
