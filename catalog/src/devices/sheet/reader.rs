//! Reads a sheet row by row; what is wrong in a row is an issue of that row.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, Value, unreadable};
use super::super::common::Identity;
use super::super::date::{Evidence, Order, mangled_by_spreadsheet};
use super::super::number::parse;
use super::super::text::{NoText, check_text, decode, decode_head, filled, label, lines, without_mark, words};
use super::records::{Record, Records, split};
use super::{Column, Diagnoses, EXTRA, Kind, Sheet};
use crate::device::{Confidence, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// The header is looked for in so many lines: people write titles above their tables.
const HEADER_LINES: usize = 20;
/// A header has at least so many known columns.
const HEADER_COLUMNS: usize = 3;
/// More rows than this are not read, so that a damaged file can't fill the memory.
const MAX_ROWS: usize = 200_000;
/// A header is split into at most so many more parts by a delimiter in it.
const MOST_PARTS: usize = 2;
/// Longer texts are no header that the layout knows.
const MAX_LABEL: usize = 200;
/// Longer headers of unknown columns are cut.
const MAX_KEY: usize = 64;

/// Judges the header row.
pub(crate) fn recognises(sheet: &Sheet, sample: &Sample<'_>) -> Confidence {
    let text = decode_head(sample.head, sample.size);
    let Some(header) = Header::find(sheet, &text) else { return Confidence::No };
    let has = |name: &str| header.known().any(|index| sheet.columns.get(index).is_some_and(|column| column.name == name));
    let telling = header.known().filter(|index| sheet.columns.get(*index).is_some_and(|column| column.telling)).count();
    if telling >= sheet.recognition.certain && (has("eye") || has("patient_number")) {
        Confidence::Certain
    } else if telling >= sheet.recognition.likely {
        Confidence::Likely
    } else {
        Confidence::No
    }
}

/// Reads the file: one row for each line below the header that is not blank.
pub(crate) fn read(sheet: &Sheet, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    let bytes = without_mark(bytes);
    match check_text(&bytes) {
        Err(NoText::Empty) => return unreadable(schema, request, IssueCode::FileEmpty, "the file is empty"),
        Err(NoText::Binary) => return unreadable(schema, request, IssueCode::FileUnreadable, "the file is not text"),
        Ok(()) => {}
    }
    let text = decode(&bytes);
    let Some(header) = Header::find(sheet, &text) else {
        let detail = format!("no line of the first {HEADER_LINES} has {HEADER_COLUMNS} headers that the layout knows");
        return unreadable(schema, request, IssueCode::LayoutUnknown, &detail);
    };
    let mut reader = Reader::new(sheet, &header, schema, request);
    let records = || header.records(&text).filter(|record| !is_blank(record));
    reader.learn_dates(records().take(MAX_ROWS));
    for record in records().take(MAX_ROWS) {
        reader.row(&record);
    }
    let mut issues = header.issues(sheet);
    if reader.rows.len() == 0 {
        issues.push(Issue::new(IssueCode::DataAbsent, "no row below the header"));
        reader.rows.end_row(Subject::default(), Vec::new());
    } else if records().nth(MAX_ROWS).is_some() {
        issues
            .push(Issue::new(IssueCode::FileTruncated, format!("rows after the first {MAX_ROWS} were not read; split the file")));
    }
    let mut rows = reader.rows;
    rows.file_issues(issues);
    rows.finish(header.layout)
}

fn is_blank(record: &Record<'_>) -> bool {
    record.fields.iter().all(|field| field.trim().is_empty())
}

/// The header row.
struct Header<'a> {
    layout: Option<&'a str>,
    /// Lines up to and with the header.
    lines: usize,
    delimiter: char,
    cells: Vec<Cell>,
}

/// What a header cell says about its column.
enum Cell {
    /// Index into [`Sheet::columns`].
    Known(usize),
    /// A header that the layout does not know.
    Unknown(String),
    Blank,
}

impl<'a> Header<'a> {
    /// The line and delimiter with most known headers.
    fn find(sheet: &'a Sheet, text: &str) -> Option<Self> {
        let labels = sheet.labels();
        let mut best: Option<(usize, Self)> = None;
        for (index, line) in lines(text).take(HEADER_LINES).enumerate() {
            for delimiter in [';', ',', '\t', '|'] {
                let Some(fields) = split(line, delimiter) else { continue };
                let fields = rejoined(&labels, fields, delimiter);
                let cells = cells(&labels, &fields);
                let known = cells.iter().filter(|cell| matches!(cell, Cell::Known(_))).count();
                if known >= HEADER_COLUMNS && best.as_ref().is_none_or(|(most, _)| known > *most) {
                    let layout = version(sheet, &fields);
                    best = Some((known, Self { layout, lines: index + 1, delimiter, cells }));
                }
            }
        }
        best.map(|(_, header)| header)
    }

    fn known(&self) -> impl Iterator<Item = usize> {
        self.cells.iter().filter_map(|cell| if let Cell::Known(index) = cell { Some(*index) } else { None })
    }

    /// Columns up to the last one with a header.
    fn width(&self) -> usize {
        self.cells.iter().rposition(|cell| !matches!(cell, Cell::Blank)).map_or(0, |last| last + 1)
    }

    fn records<'t>(&self, text: &'t str) -> Records<'t> {
        Records::new(text, self.lines, self.delimiter, self.cells.len())
    }

    fn issues(&self, sheet: &Sheet) -> Vec<Issue> {
        let expected = |column: &Column| column.usual && self.layout.is_none_or(|layout| column.labels.contains_key(layout));
        let mut issues: Vec<Issue> = sheet
            .columns
            .iter()
            .enumerate()
            .filter(|(index, column)| expected(column) && !self.known().any(|known| known == *index))
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

fn cells(labels: &HashMap<String, usize>, fields: &[Cow<'_, str>]) -> Vec<Cell> {
    let mut taken = Vec::new();
    let cell = |field: &Cow<'_, str>| match (filled(field), labels.get(&label(field))) {
        (None, _) => Cell::Blank,
        (Some(_), Some(index)) if !taken.contains(index) => {
            taken.push(*index);
            Cell::Known(*index)
        }
        (Some(text), _) => Cell::Unknown(text.chars().take(MAX_KEY).collect()),
    };
    fields.iter().map(cell).collect()
}

/// The version that has most of these headers.
fn version<'a>(sheet: &'a Sheet, fields: &[Cow<'_, str>]) -> Option<&'a str> {
    let fields: Vec<String> = fields.iter().map(|field| label(field)).collect();
    let count = |name: &str| {
        let own = |column: &&Column| column.labels.get(name).is_some_and(|text| fields.contains(&label(text)));
        sheet.columns.iter().filter(own).count()
    };
    // The last of equals wins in `max_by_key`, hence the reversal: versions are listed newest first.
    sheet.versions.iter().rev().max_by_key(|version| count(&version.name)).map(|version| version.name.as_str())
}

struct Reader<'a> {
    sheet: &'a Sheet,
    header: &'a Header<'a>,
    diagnoses: HashMap<String, &'a str>,
    order: Order,
    doubtful: bool,
    rows: Rows,
}

impl<'a> Reader<'a> {
    fn new(sheet: &'a Sheet, header: &'a Header<'a>, schema: &SchemaRef, request: &Request<'_>) -> Self {
        let diagnoses = sheet.diagnoses.index();
        Self { sheet, header, diagnoses, order: sheet.dates.order, doubtful: false, rows: Rows::new(schema, request) }
    }

    /// Takes the order of day and month from the dates of the file.
    fn learn_dates<'t>(&mut self, records: impl Iterator<Item = Record<'t>>) {
        let is_date = |cell: &Cell| match cell {
            Cell::Known(index) => {
                self.column(*index).is_some_and(|c| matches!(c.name.as_str(), "exam_date" | "patient_birth_date"))
            }
            _ => false,
        };
        let columns: Vec<usize> =
            self.header.cells.iter().enumerate().filter(|(_, cell)| is_date(cell)).map(|(index, _)| index).collect();
        let mut evidence = Evidence::default();
        for record in records {
            for text in columns.iter().filter_map(|column| record.fields.get(*column)) {
                evidence.add(text);
            }
        }
        self.order = evidence.order(self.sheet.dates.order);
        self.doubtful = evidence.contradictory() || !self.sheet.dates.declared && evidence.silent();
    }

    fn column(&self, index: usize) -> Option<&'a Column> {
        self.sheet.columns.get(index)
    }

    fn row(&mut self, record: &Record<'_>) {
        let place = format!(" in line {}", record.line);
        let mut issues = Vec::new();
        let mut identity = Identity::default();
        let mut extra: Vec<(String, String)> = Vec::new();
        let mut rising: Vec<Option<f64>> = vec![None; self.sheet.ascending.len()];
        let mut lists: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (at, (field, cell)) in record.fields.iter().zip(&self.header.cells).enumerate() {
            let column = match cell {
                Cell::Known(index) => self.column(*index),
                Cell::Unknown(_) | Cell::Blank if field.trim().is_empty() => None,
                Cell::Unknown(key) => {
                    extra.push((key.clone(), field.clone().into_owned()));
                    None
                }
                Cell::Blank => {
                    extra.push((format!("column_{}", at + 1), field.clone().into_owned()));
                    None
                }
            };
            let Some(column) = column else { continue };
            if let Some(text) = column.text.as_ref().filter(|_| !field.trim().is_empty()) {
                self.rows.set(text, Some(field.clone().into_owned()));
            }
            if column.kind == Kind::Common {
                identity.take(&column.name, filled(field).filter(|text| !self.is_missing(text)));
            } else {
                let value = self.value(column, field, &place, &mut issues);
                if let Some((list, at)) = &column.element_of {
                    if let Value::Number(number) = value {
                        self.put(&mut lists, list, *at, number);
                    }
                    continue;
                }
                if let (Some(at), Value::Number(number)) =
                    (self.sheet.ascending.iter().position(|name| *name == column.name), &value)
                    && let Some(slot) = rising.get_mut(at)
                {
                    *slot = Some(*number);
                }
                self.rows.set(&column.name, value);
            }
        }
        let (width, fields) = (self.header.width(), record.fields.len());
        if fields < width {
            issues.push(Issue::new(IssueCode::RowTruncated, format!("{fields} fields in place of {width}{place}")));
        }
        if record.fields.iter().skip(self.header.cells.len()).any(|field| !field.trim().is_empty()) {
            issues.push(Issue::new(IssueCode::CellsExtra, format!("{fields} fields in place of {width}{place}")));
        }
        if !rising.iter().flatten().is_sorted() {
            issues
                .push(Issue::new(IssueCode::OrderImplausible, format!("{} do not rise{place}", self.sheet.ascending.join(", "))));
        }
        if !extra.is_empty() {
            self.rows.set(EXTRA, Value::Pairs(extra));
        }
        for (list, numbers) in lists {
            self.rows.set(list, Value::Cells(numbers));
        }
        let subject = identity.store(&mut self.rows, self.order, self.doubtful, &place, &mut issues);
        self.rows.end_row(subject, issues);
    }

    /// Puts a number at its place in a list, which begins with nothing but missing ones.
    fn put(&self, lists: &mut BTreeMap<&'a str, Vec<f64>>, list: &'a str, at: usize, number: f64) {
        let numbers = lists.entry(list).or_insert_with(|| vec![f64::NAN; self.sheet.length(list)]);
        if let Some(slot) = numbers.get_mut(at) {
            *slot = number;
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        self.sheet.missing.iter().any(|word| word.eq_ignore_ascii_case(text) || word.to_lowercase() == text.to_lowercase())
    }

    fn value(&self, column: &Column, field: &str, place: &str, issues: &mut Vec<Issue>) -> Value {
        let Some(text) = filled(field) else { return Value::Null };
        let name = column.name.as_str();
        match column.kind {
            Kind::Common | Kind::List | Kind::Blank => Value::Null,
            Kind::Text => Value::Text(field.to_owned()),
            Kind::Acuity => {
                if mangled_by_spreadsheet(text) {
                    issues.push(Issue::new(IssueCode::ValueMangled, format!("{name} looks like a date{place}")));
                }
                Value::Text(field.to_owned())
            }
            _ if self.is_missing(text) => Value::Null,
            Kind::Number => self.number(column, text, place, issues).into(),
            Kind::Flag => match label(text).as_str() {
                "oui" | "o" | "yes" | "y" | "true" | "vrai" | "1" | "x" | "+" => Value::Flag(true),
                "non" | "n" | "no" | "false" | "faux" | "0" => Value::Flag(false),
                _ => {
                    issues.push(Issue::new(IssueCode::NumberUnreadable, format!("{name} is neither yes nor no{place}")));
                    Value::Null
                }
            },
            Kind::Diagnosis => {
                let known = self.sheet.diagnoses.find(&self.diagnoses, text);
                if known.is_none() {
                    issues.push(Issue::new(IssueCode::DiagnosisUnknown, format!("{name} is none of the known words{place}")));
                }
                known.map(str::to_owned).into()
            }
        }
    }

    fn number(&self, column: &Column, text: &str, place: &str, issues: &mut Vec<Issue>) -> Option<f64> {
        let name = column.name.as_str();
        let lower = text.to_lowercase();
        if column.zero.contains(&lower) {
            return Some(0.0);
        }
        let mut bare = lower.trim();
        for sign in &column.signs {
            bare = bare.strip_prefix(sign.as_str()).unwrap_or(bare);
            bare = bare.strip_suffix(sign.as_str()).unwrap_or(bare).trim();
        }
        let Some(value) = parse(bare) else {
            let (code, what) = if mangled_by_spreadsheet(text) {
                (IssueCode::ValueMangled, "looks like a date")
            } else {
                (IssueCode::NumberUnreadable, "is not a number")
            };
            issues.push(Issue::new(code, format!("{name} {what}{place}")));
            return None;
        };
        match column.range {
            Some((low, high)) if !(low..=high).contains(&value) => {
                let detail = format!("{name} is {value}, outside {low} to {high} {}{place}", column.unit);
                issues.push(Issue::new(IssueCode::ValueOutOfRange, detail));
                None
            }
            _ => Some(value),
        }
    }
}

impl Diagnoses {
    /// Aliases, as words, to names.
    fn index(&self) -> HashMap<String, &str> {
        let mut index = HashMap::new();
        for (name, aliases) in &self.known {
            for alias in aliases.iter().map(String::as_str).chain([name.as_str()]) {
                let words = words(alias);
                index.insert(self.telling(&words), name.as_str());
                index.insert(words.join(" "), name.as_str());
            }
        }
        index.remove("");
        index
    }

    /// The words that say which diagnosis it is.
    pub(super) fn telling(&self, words: &[String]) -> String {
        let telling = |word: &&String| !self.ignored.contains(word) && !word.bytes().all(|b| b.is_ascii_digit());
        words.iter().filter(telling).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The diagnosis that `text` names; none where it is marked as doubtful.
    fn find<'a>(&self, index: &HashMap<String, &'a str>, text: &str) -> Option<&'a str> {
        if text.contains('?') || text.len() > 200 {
            return None;
        }
        let words = words(text);
        index.get(&words.join(" ")).or_else(|| index.get(&self.telling(&words))).copied()
    }
}
