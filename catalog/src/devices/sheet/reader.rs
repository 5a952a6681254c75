//! Recognises sheets and reads their rows; what is wrong in a row is an issue of that row.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, Value};
use super::super::common::Identity;
use super::super::date::{Evidence, Order, Readings};
use super::super::number::parse;
use super::super::refraction::{self, Refraction};
use super::super::spreadsheet::{is_error, mangled, serial_day};
use super::super::text::{decode_head_as, filled, label, with_line_feeds, words};
use super::super::workbook;
use super::header::{Cell, Header};
use super::records::{Field, MAX_FIELDS, Record, Typed};
use super::{Column, Diagnoses, EXTRA, Kind, Sheet};
use crate::device::{Confidence, Eye, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// Judges the header row; of a workbook, whose rows do not lie at its beginning, that it is one.
pub(crate) fn recognises(sheet: &Sheet, sample: &Sample<'_>) -> Confidence {
    if sheet.workbooks
        && let Some((_, confidence)) = workbook::recognise(sample.head)
    {
        return confidence;
    }
    let text = decode_head_as(sample.head, sample.size, sheet.other_encoding);
    let text = with_line_feeds(Cow::Owned(text));
    Header::in_text(sheet, &sheet.labels(), &text).map_or(Confidence::No, |header| header.confidence(sheet))
}

/// What the entries of an acuity column look like.
#[derive(Debug, Clone, Copy, Default)]
struct Entries {
    /// Fractions and decimals.
    tenths: usize,
    /// Whole numbers that only letters have.
    letters: usize,
}

/// What stands in the columns of the eye.
#[derive(Debug, Clone, Copy, Default)]
struct Eyes {
    /// Whether 0, 1 and 2 do.
    digits: [bool; 3],
    /// Whether anything else does.
    others: bool,
}

impl Eyes {
    fn add(&mut self, text: &str) {
        match digit(text).and_then(|digit| self.digits.get_mut(digit)) {
            Some(slot) => *slot = true,
            None => self.others = true,
        }
    }

    /// The digit of the right eye: the lower of two neighbours, as people count them. 1 alone is either.
    fn right(self) -> Option<usize> {
        match self.digits {
            _ if self.others => None,
            [true, _, false] => Some(0),
            [false, _, true] => Some(1),
            _ => None,
        }
    }
}

/// What all rows of a file show together: the order of day and month, how acuities and eyes are written.
#[derive(Default)]
pub(super) struct Learned {
    evidence: Evidence,
    acuities: HashMap<usize, Entries>,
    eyes: Eyes,
    pub(super) rows: usize,
}

/// The whole number that a text is, also with a decimal zero after it.
fn digit(text: &str) -> Option<usize> {
    parse(text).filter(|number| number.fract() == 0.0 && (0.0..10.0).contains(number)).map(|number| number as usize)
}

/// Reads the rows of a file's tables.
pub(super) struct Reader<'a> {
    pub(super) sheet: &'a Sheet,
    pub(super) labels: HashMap<String, usize>,
    diagnoses: HashMap<String, &'a str>,
    order: Order,
    doubtful: bool,
    /// Of the workbook's days.
    from_1904: bool,
    acuities: HashMap<usize, Entries>,
    eyes: Eyes,
    pub(super) rows: Rows,
}

/// What a row's fields say together.
#[derive(Default)]
struct Found {
    extra: Vec<(String, String)>,
    common: Vec<(String, String)>,
    refraction: Option<Refraction>,
    numbers: BTreeMap<String, f64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        sheet: &'a Sheet,
        labels: HashMap<String, usize>,
        schema: &SchemaRef,
        request: &Request<'_>,
        from_1904: bool,
    ) -> Self {
        Self {
            sheet,
            labels,
            diagnoses: sheet.diagnoses.index(),
            order: sheet.dates.order,
            doubtful: false,
            from_1904,
            acuities: HashMap::new(),
            eyes: Eyes::default(),
            rows: Rows::new(schema, request),
        }
    }

    /// Learns from rows of a table.
    pub(super) fn learn<'t>(&self, header: &Header<'_>, records: impl Iterator<Item = Record<'t>>, learned: &mut Learned) {
        let (mut dates, mut acuities, mut sides) = (Vec::new(), Vec::new(), Vec::new());
        for (at, cell) in header.cells.iter().enumerate() {
            let Cell::Known(index, _) = cell else { continue };
            match self.column(*index) {
                Some(column) if is_date(column) => dates.push(at),
                Some(column) if column.name == "eye" => sides.push(at),
                Some(column) if column.kind == Kind::Acuity => acuities.push((at, *index)),
                _ => {}
            }
        }
        for record in records {
            learned.rows += 1;
            for field in dates.iter().filter_map(|at| record.fields.get(*at)) {
                learned.evidence.add(&field.text);
            }
            for text in sides.iter().filter_map(|at| filled(&record.fields.get(*at)?.text)) {
                if !self.is_missing(text) {
                    learned.eyes.add(text);
                }
            }
            for (at, column) in &acuities {
                let Some(text) = record.fields.get(*at).map(|field| field.text.trim()) else { continue };
                let entries = learned.acuities.entry(*column).or_default();
                match parse(text) {
                    Some(number) if number.fract() == 0.0 => entries.letters += usize::from(number > 20.0),
                    Some(_) => entries.tenths += 1,
                    None => entries.tenths += usize::from(text.split_once('/').is_some_and(|(a, _)| parse(a).is_some())),
                }
            }
        }
    }

    /// Reads rows from here on as all rows together show it.
    pub(super) fn settle(&mut self, learned: Learned) {
        let Learned { evidence, acuities, eyes, .. } = learned;
        self.order = evidence.order(self.sheet.dates.order);
        self.doubtful = evidence.contradictory() || !self.sheet.dates.declared && evidence.silent();
        (self.acuities, self.eyes) = (acuities, eyes);
    }

    fn column(&self, index: usize) -> Option<&'a Column> {
        self.sheet.columns.get(index)
    }

    /// Reads one row: a record, or one for each eye that has something in columns of its own. A row without anything of either eye
    /// is still a visit.
    pub(super) fn row(&mut self, header: &Header<'_>, record: &Record<'_>) {
        let mut eyes = [Eye::Od, Eye::Os].into_iter().filter(|eye| header.is_wide() && header.has_eye(record, *eye)).peekable();
        if eyes.peek().is_none() {
            self.record(header, record, None);
        }
        for eye in eyes {
            self.record(header, record, Some(eye));
        }
    }

    /// Reads what a row says of an eye.
    fn record(&mut self, header: &Header<'_>, record: &Record<'_>, eye: Option<Eye>) {
        let place = record.place();
        // The last value of a row that was cut may lack letters or digits.
        let cut = record.unfinished && record.fields.len() < header.width();
        let whole = record.fields.len() - usize::from(cut);
        let last = if record.unfinished && !cut { header.width().checked_sub(1) } else { None };
        let mut issues = Vec::new();
        let mut found = Found::default();
        let mut rising: Vec<Option<f64>> = vec![None; self.sheet.ascending.len()];
        let mut lists: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (at, (field, cell)) in record.fields.iter().zip(&header.cells).take(whole).enumerate() {
            let column = match cell {
                Cell::Known(_, of) if of.is_some() && *of != eye => None,
                Cell::Known(index, _) => self.column(*index).map(|column| (*index, column)),
                Cell::Unknown(_) | Cell::Blank if field.is_blank() => None,
                Cell::Unknown(key) => {
                    found.extra.push((key.clone(), field.text.clone().into_owned()));
                    None
                }
                Cell::Blank => {
                    found.extra.push((format!("column_{}", at + 1), field.text.clone().into_owned()));
                    None
                }
            };
            let Some((index, column)) = column else { continue };
            if let Some(text) = column.text.as_ref().filter(|_| !field.is_blank()) {
                self.rows.set(text, Some(field.text.clone().into_owned()));
            }
            if field.typed == Typed::Error || is_error(&field.text) {
                issues.push(Issue::new(IssueCode::CellError, format!("{} is an error of a formula{place}", column.name)));
                if column.kind == Kind::Acuity {
                    self.rows.set(&column.name, Value::Text(field.text.clone().into_owned()));
                }
                continue;
            }
            if last == Some(at) && matches!(column.kind, Kind::Number | Kind::Common) {
                continue;
            }
            if column.kind == Kind::Common {
                if let Some(text) = filled(&field.text).filter(|text| !self.is_missing(text)) {
                    let text = self.common(column, field, text, &place, &mut issues);
                    found.common.push((column.name.clone(), text));
                }
                continue;
            }
            let value = self.value(index, column, field, &place, &mut found, &mut issues);
            if let (Some((list, at)), Value::Number(number)) = (&column.element_of, &value) {
                self.put(&mut lists, list, *at, *number);
            }
            if column.element_of.is_some() {
                continue;
            }
            if let Value::Number(number) = value {
                if let Some(slot) =
                    self.sheet.ascending.iter().position(|name| *name == column.name).and_then(|at| rising.get_mut(at))
                {
                    *slot = Some(number);
                }
                found.numbers.insert(column.name.clone(), number);
            }
            self.rows.set(&column.name, value);
        }
        self.widths(header, record, &place, &mut issues);
        if last.is_some() {
            let detail = format!("the file ends without the end of a line: its last value may be cut{place}");
            issues.push(Issue::new(IssueCode::EndMissing, detail));
        }
        if !rising.iter().flatten().is_sorted() {
            issues
                .push(Issue::new(IssueCode::OrderImplausible, format!("{} do not rise{place}", self.sheet.ascending.join(", "))));
        }
        if let Some(refraction) = found.refraction {
            self.divide(refraction, &found.numbers, &place, &mut issues);
        }
        if !found.extra.is_empty() {
            self.rows.set(EXTRA, Value::Pairs(found.extra));
        }
        for (list, numbers) in lists {
            self.rows.set(list, Value::Cells(numbers));
        }
        if let Some(eye) = eye {
            found.common.push(("eye".to_owned(), eye.code().to_owned()));
        }
        if let Some(column) = &self.sheet.row_column {
            self.rows.set(column, i32::try_from(record.line).map_or(Value::Null, Value::Count));
        }
        let subject = self.subject(&found.common, &place, &mut issues);
        self.rows.end_row(subject, issues);
    }

    /// Fields that are missing at the end of a line, or too many. A row of a workbook ends where its last cell is.
    fn widths(&self, header: &Header<'_>, record: &Record<'_>, place: &str, issues: &mut Vec<Issue>) {
        let (width, fields) = (header.width(), record.fields.len());
        if fields < width && record.sheet == 0 {
            let last = if record.unfinished { "; the last of them may be cut and was left out" } else { "" };
            issues.push(Issue::new(IssueCode::RowTruncated, format!("{fields} fields in place of {width}{last}{place}")));
        }
        if fields >= MAX_FIELDS && record.sheet == 0 {
            let detail =
                format!("{MAX_FIELDS} fields or more in place of {width}, the last of which is the rest of the line{place}");
            issues.push(Issue::new(IssueCode::CellsExtra, detail));
        } else if record.fields.iter().skip(header.cells.len()).any(|field| !field.is_blank()) {
            issues.push(Issue::new(IssueCode::CellsExtra, format!("{fields} fields in place of {width}{place}")));
        }
    }

    /// The text of a common column as [`Identity`] understands it.
    fn common(&self, column: &Column, field: &Field<'_>, text: &str, place: &str, issues: &mut Vec<Issue>) -> String {
        match column.name.as_str() {
            "eye" => self.eye(text, place, issues).to_owned(),
            name if is_date(column) && field.typed != Typed::Day => match serial_day(text, self.from_1904) {
                Some(day) => {
                    let what = name.trim_start_matches("patient_").replace('_', " ");
                    issues.push(Issue::new(IssueCode::DateSerial, format!("the {what} is a day number{place}")));
                    day.date().to_string()
                }
                None => text.to_owned(),
            },
            _ => text.to_owned(),
        }
    }

    /// What stands for an eye as [`crate::device::Eye::parse`] understands it.
    fn eye<'t>(&'t self, text: &'t str, place: &str, issues: &mut Vec<Issue>) -> &'t str {
        if let Some(eye) = self.sheet.eyes.get(text) {
            return eye;
        }
        let right = if self.sheet.digit_eyes && self.sheet.eyes.is_empty() { self.eyes.right() } else { None };
        let (Some(right), Some(digit)) = (right, digit(text)) else { return text };
        let eye = if digit == right { "OD" } else { "OS" };
        let detail = format!("the eye is a digit of {right} and {}, taken as {eye}{place}", right + 1);
        issues.push(Issue::new(IssueCode::EyeAssumed, detail));
        eye
    }

    /// Whose exam the row is.
    fn subject(&mut self, common: &[(String, String)], place: &str, issues: &mut Vec<Issue>) -> Subject {
        let mut identity = Identity::default();
        for (name, text) in common {
            identity.take(name, Some(text));
        }
        if let (Some(column), Some(readings)) = (&self.sheet.dates.column, identity.exam_date.and_then(Readings::of))
            && readings.ambiguous()
        {
            let order = match self.order {
                Order::Dmy => "dmy",
                Order::Mdy => "mdy",
            };
            self.rows.set(column, Some(order.to_owned()));
        }
        identity.store(&mut self.rows, self.order, self.doubtful, place, issues)
    }

    /// Sets the parts of a refraction that have no value of their own.
    fn divide(&mut self, refraction: Refraction, own: &BTreeMap<String, f64>, place: &str, issues: &mut Vec<Issue>) {
        let Some(parts) = &self.sheet.refraction else { return };
        let values = [(&parts.sphere, refraction.sphere), (&parts.cylinder, refraction.cylinder), (&parts.axis, refraction.axis)];
        for (name, value) in values {
            let Some(value) = value else { continue };
            let range = self.sheet.columns.iter().find(|column| column.name == *name).and_then(|column| column.range);
            match own.get(name) {
                Some(other) if *other != value => {
                    issues.push(Issue::new(IssueCode::ValuesDisagree, format!("{name} is {other} and {value}{place}")));
                }
                Some(_) => {}
                None if range.is_some_and(|(low, high)| !(low..=high).contains(&value)) => {
                    issues.push(Issue::new(IssueCode::ValueOutOfRange, format!("{name} is {value}{place}")));
                }
                None => self.rows.set(name, Some(value)),
            }
        }
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

    fn value(
        &self,
        index: usize,
        column: &Column,
        field: &Field<'_>,
        place: &str,
        found: &mut Found,
        issues: &mut Vec<Issue>,
    ) -> Value {
        let Some(text) = filled(&field.text) else { return Value::Null };
        let name = column.name.as_str();
        let typed = || Value::Text(field.text.clone().into_owned());
        match column.kind {
            Kind::Common | Kind::List | Kind::Blank => Value::Null,
            Kind::Text => typed(),
            Kind::Acuity => {
                issues.extend(self.acuity(index, name, field, text).map(|detail| {
                    // Kept as typed: what it was is likely, not certain.
                    Issue::new(IssueCode::ValueMangled, format!("{name} {detail}{place}"))
                }));
                typed()
            }
            _ if self.is_missing(text) => Value::Null,
            Kind::Refraction => {
                found.refraction = refraction::parse(text);
                if found.refraction.is_none() {
                    let detail = format!("{name} is not a sphere, or a sphere, a cylinder and its axis{place}");
                    issues.push(Issue::new(IssueCode::NumberUnreadable, detail));
                }
                Value::Null
            }
            Kind::Number if self.is_sphere(name) && refraction::is_compound(text) => {
                found.refraction = refraction::parse(text);
                Value::Null
            }
            Kind::Number if field.typed == Typed::Day => {
                issues.push(Issue::new(IssueCode::ValueMangled, format!("{name} is a date or a time{place}")));
                Value::Null
            }
            Kind::Number => self.number(column, text, place, issues).into(),
            Kind::Flag => match label(text).as_str() {
                "oui" | "o" | "yes" | "y" | "true" | "t" | "vrai" | "1" | "x" | "+" => Value::Flag(true),
                "non" | "n" | "no" | "false" | "f" | "faux" | "0" => Value::Flag(false),
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

    fn is_sphere(&self, name: &str) -> bool {
        self.sheet.refraction.as_ref().is_some_and(|parts| parts.sphere == name)
    }

    /// What a spreadsheet seems to have done to an acuity.
    fn acuity(&self, column: usize, name: &str, field: &Field<'_>, text: &str) -> Option<String> {
        if let Some(found) = mangled(text) {
            return Some(format!("looks like a date{}", found.probably()));
        }
        if field.typed == Typed::Day {
            return Some("is a date or a time".to_owned());
        }
        // `1,0` becomes 10 where a comma parts thousands. Near acuities are small whole numbers by nature.
        let entries = self.acuities.get(&column).copied().unwrap_or_default();
        let number = parse(text).filter(|number| number.fract() == 0.0 && (4.0..=20.0).contains(number))?;
        (entries.tenths > 0 && entries.letters == 0 && !name.starts_with("near"))
            .then(|| format!("is {number} among tenths, probably {:.1} without its mark", number / 10.0))
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
            let (code, what) = if mangled(text).is_some() {
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

/// Whether a column holds dates.
fn is_date(column: &Column) -> bool {
    matches!(column.name.as_str(), "exam_date" | "patient_birth_date")
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
