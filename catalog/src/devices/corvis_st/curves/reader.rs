//! Reads the curves of one measurement. A frame stands where its number says, so that a lost one shifts no other.

use arrow::datatypes::SchemaRef;

use super::super::super::cells::Tally;
use super::super::super::columns::{Rows, Value, unreadable};
use super::super::super::common::Identity;
use super::super::super::date::Evidence;
use super::super::super::number::parse;
use super::super::super::resaved::exported_head;
use super::super::super::text::{decode, filled, label, lines};
use super::{EXTRA, Layout, NAME, PREAMBLE, TIME};
use crate::device::{Confidence, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// The header of the curves stands within so many lines.
const MAX_PREAMBLE: usize = 100;
/// A line has fewer fields than this; the rest of a longer one is left out.
const MAX_FIELDS: usize = 200;
/// Longer headers of unknown columns are cut.
const MAX_KEY: usize = 64;
/// Longer values of unknown columns are cut.
const MAX_VALUE: usize = 64;

/// Certain by the title; likely by the header of the curves.
pub(super) fn recognises(layout: &Layout, sample: &Sample<'_>) -> Confidence {
    let head = exported_head(sample.head, sample.size);
    let titled = lines(&head).next().is_some_and(|line| label(line).starts_with(&label(&layout.title)));
    match Header::find(layout, &head) {
        Some(_) if titled => Confidence::Certain,
        found if titled || found.is_some() => Confidence::Likely,
        _ => Confidence::No,
    }
}

/// What a column of the file is.
enum Column {
    /// Index into [`Layout::curves`].
    Curve(usize),
    /// A header that the layout does not know.
    Unknown(String),
    /// A column without a header, or one that stands twice.
    Blank,
}

/// The header of the curves, whose first column numbers the frames.
struct Header {
    /// Its line, from 0.
    line: usize,
    delimiter: char,
    columns: Vec<Column>,
}

impl Header {
    fn find(layout: &Layout, text: &str) -> Option<Self> {
        let frame = label(&layout.frame);
        lines(text).take(MAX_PREAMBLE).enumerate().find_map(|(line, text)| {
            let delimiter = text.chars().find(|c| matches!(c, ';' | '\t' | ','))?;
            let mut fields = text.split(delimiter).take(MAX_FIELDS);
            if label(fields.next()?) != frame {
                return None;
            }
            let mut taken = Vec::new();
            let columns: Vec<Column> = fields
                .map(|field| match layout.curves.iter().position(|curve| label(&curve.label) == label(field)) {
                    Some(index) if !taken.contains(&index) => {
                        taken.push(index);
                        Column::Curve(index)
                    }
                    Some(_) => Column::Blank,
                    None => filled(field).map_or(Column::Blank, |key| Column::Unknown(key.chars().take(MAX_KEY).collect())),
                })
                .collect();
            (!taken.is_empty()).then_some(Self { line, delimiter, columns })
        })
    }
}

/// What the lines of frames hold, and what is wrong with them.
#[derive(Default)]
struct Found {
    /// One list for each curve, `NaN` where missing.
    curves: Vec<Vec<f64>>,
    /// Header and values of unknown columns.
    extra: Vec<(String, Vec<String>)>,
    /// Whether a line of the frame was there.
    frames: Vec<bool>,
    unplaced: usize,
    short: Tally<usize>,
    long: Tally<usize>,
    unreadable: Tally<(usize, usize)>,
    out_of_range: Tally<(usize, usize)>,
}

/// Reads the file.
pub(super) fn read(layout: &Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    let text = decode(bytes);
    let header = Header::find(layout, &text);
    let pairs = preamble(layout, &text, header.as_ref());
    let mut rows = Rows::new(schema, request);
    let mut issues = Vec::new();
    let known = layout.keys.iter().any(|key| value(&pairs, &key.key).is_some());
    if header.is_none() && !known {
        let detail = format!("neither a key nor the header of the {NAME} layout is in the file");
        return unreadable(schema, request, IssueCode::LayoutUnknown, &detail);
    }
    let subject = identity(layout, &pairs, &mut rows, &mut issues);
    match &header {
        None => issues.push(Issue::new(IssueCode::DataAbsent, "the header of the curves is not in the file")),
        Some(header) => {
            let mut found = frames(layout, header, &text);
            check(layout, header, &found, &mut issues);
            for (curve, cells) in layout.curves.iter().zip(std::mem::take(&mut found.curves)) {
                let cells = Some(cells).filter(|cells| cells.iter().any(|cell| !cell.is_nan()));
                rows.set(&curve.column, cells.map_or(Value::Null, Value::Cells));
            }
            if !found.extra.is_empty() {
                let extra = found.extra.into_iter().map(|(key, values)| (key, values.join(";")));
                rows.set(EXTRA, Value::Pairs(extra.collect()));
            }
        }
    }
    rows.set(PREAMBLE, Value::Pairs(pairs.into_iter().map(|(_, key, value)| (key, value)).collect()));
    rows.end_row(subject, issues);
    rows.finish(layout.versions.first().map(|version| version.name.as_str()))
}

/// Normalised key, key and value of the lines before the curves.
fn preamble(layout: &Layout, text: &str, header: Option<&Header>) -> Vec<(String, String, String)> {
    let end = header.map_or(MAX_PREAMBLE, |header| header.line);
    let title = label(&layout.title);
    let mut pairs: Vec<(String, String, String)> = Vec::new();
    for line in lines(text).take(end) {
        let (key, value) = line.split_once([';', '\t', ',']).unwrap_or((line, ""));
        let name = label(key);
        if name.is_empty() || name == title || pairs.iter().any(|(known, ..)| *known == name) {
            continue;
        }
        let value = value.trim_end_matches([';', '\t', ',']).trim().to_owned();
        pairs.push((name, key.trim().chars().take(MAX_KEY).collect(), value));
    }
    pairs
}

fn value<'a>(pairs: &'a [(String, String, String)], key: &str) -> Option<&'a str> {
    let name = label(key);
    pairs.iter().find(|(known, ..)| *known == name).map(|(_, _, value)| value.as_str())
}

fn identity(layout: &Layout, pairs: &[(String, String, String)], rows: &mut Rows, issues: &mut Vec<Issue>) -> Subject {
    let is_missing = |text: &str| layout.missing.iter().any(|word| word.eq_ignore_ascii_case(text));
    let mut identity = Identity::default();
    for key in &layout.keys {
        let text = value(pairs, &key.key).and_then(filled).filter(|text| !is_missing(text));
        if key.column == TIME {
            rows.set(TIME, text.map(str::to_owned));
        } else {
            identity.take(&key.column, text);
        }
    }
    let mut evidence = Evidence::default();
    for text in [identity.birth_date, identity.exam_date].into_iter().flatten() {
        evidence.add(text);
    }
    identity.store(rows, evidence.order(layout.dates.order), evidence.contradictory(), "", issues)
}

fn frames(layout: &Layout, header: &Header, text: &str) -> Found {
    let mut found = Found {
        curves: vec![vec![f64::NAN; layout.frames]; layout.curves.len()],
        frames: vec![false; layout.frames],
        ..Found::default()
    };
    for column in &header.columns {
        if let Column::Unknown(key) = column {
            found.extra.push((key.clone(), vec![String::new(); layout.frames]));
        }
    }
    // The last number of a file that was cut may lack digits.
    let unfinished = !text.ends_with('\n');
    let mut below = lines(text).skip(header.line + 1).filter(|line| !line.trim().is_empty()).peekable();
    while let Some(line) = below.next() {
        let cut = unfinished && below.peek().is_none();
        let mut fields = line.split(header.delimiter);
        let number = fields.next().and_then(parse).filter(|number| number.fract() == 0.0 && *number >= 1.0);
        let frame = number.map(|number| number as usize - 1).filter(|frame| found.frames.get(*frame) == Some(&false));
        let Some(frame) = frame else {
            found.unplaced += 1;
            continue;
        };
        if let Some(slot) = found.frames.get_mut(frame) {
            *slot = true;
        }
        let mut unknown = 0;
        let mut width = 0;
        for column in &header.columns {
            let field = fields.next();
            width += usize::from(field.is_some());
            let is_last = cut && field.is_some() && fields.clone().next().is_none();
            match column {
                Column::Curve(index) => {
                    let text = field.and_then(filled).filter(|text| !is_last && !layout.missing.iter().any(|word| word == text));
                    if let Some(text) = text {
                        cell(layout, &mut found, *index, frame, text);
                    }
                }
                Column::Unknown(_) => {
                    let slot = found.extra.get_mut(unknown).and_then(|(_, values)| values.get_mut(frame));
                    if let (Some(slot), Some(text)) = (slot, field.and_then(filled)) {
                        *slot = text.chars().take(MAX_VALUE).collect();
                    }
                    unknown += 1;
                }
                Column::Blank => {}
            }
        }
        if width < header.columns.len() && !cut {
            found.short.add(frame);
        }
        if fields.any(|field| !field.trim().is_empty()) {
            found.long.add(frame);
        }
    }
    found
}

fn cell(layout: &Layout, found: &mut Found, curve: usize, frame: usize, text: &str) {
    let Some((low, high)) = layout.curves.get(curve).map(|curve| curve.range) else { return };
    match parse(text) {
        None => found.unreadable.add((curve, frame)),
        Some(value) if (low..=high).contains(&value) => {
            if let Some(slot) = found.curves.get_mut(curve).and_then(|cells| cells.get_mut(frame)) {
                *slot = value;
            }
        }
        Some(_) => found.out_of_range.add((curve, frame)),
    }
}

fn check(layout: &Layout, header: &Header, found: &Found, issues: &mut Vec<Issue>) {
    let mut add = |code, detail: String| issues.push(Issue::new(code, detail));
    let Some(last) = found.frames.iter().rposition(|there| *there) else {
        add(IssueCode::DataAbsent, "no frame below the header".to_owned());
        return;
    };
    let has = |index: usize| header.columns.iter().any(|column| matches!(column, Column::Curve(known) if *known == index));
    for (index, curve) in layout.curves.iter().enumerate() {
        if !has(index) {
            add(IssueCode::ColumnMissing, curve.column.clone());
        } else if found.curves.get(index).is_some_and(|cells| cells.iter().all(|cell| cell.is_nan())) {
            add(IssueCode::MapEmpty, curve.column.clone());
        }
    }
    let unknown = header.columns.iter().filter(|column| matches!(column, Column::Unknown(_))).count();
    if unknown > 0 {
        add(IssueCode::ColumnUnknown, format!("{unknown} columns are not known, their values are kept in {EXTRA}"));
    }
    if last + 1 < layout.frames {
        add(IssueCode::FileTruncated, format!("the curves end at frame {} of {}", last + 1, layout.frames));
    }
    let lost: Vec<String> =
        found.frames.iter().take(last).enumerate().filter(|(_, there)| !**there).map(|(at, _)| (at + 1).to_string()).collect();
    if !lost.is_empty() {
        add(IssueCode::RowTruncated, format!("no line for frames {}; the others stay where they are", lost.join(", ")));
    }
    if found.unplaced > 0 {
        let detail = format!("{} lines have no frame from 1 to {}, or one that stands twice", found.unplaced, layout.frames);
        add(IssueCode::CellsExtra, detail);
    }
    if let Some((count, frame)) = found.short.met() {
        add(IssueCode::RowTruncated, format!("{count} frames have fewer values than columns, first frame {}", frame + 1));
    }
    if let Some((count, frame)) = found.long.met() {
        add(IssueCode::CellsExtra, format!("{count} frames have more values than columns, first frame {}", frame + 1));
    }
    let name = |curve: usize| layout.curves.get(curve).map_or("", |curve| curve.column.as_str());
    if let Some((count, (curve, frame))) = found.unreadable.met() {
        let detail = format!("{count} values are no numbers, first {} of frame {}", name(curve), frame + 1);
        add(IssueCode::CellUnreadable, detail);
    }
    if let Some((count, (curve, frame))) = found.out_of_range.met() {
        let detail = format!("{count} values are outside what is possible, first {} of frame {}", name(curve), frame + 1);
        add(IssueCode::CellOutOfRange, detail);
    }
    let time = found.curves.first().into_iter().flatten().filter(|time| !time.is_nan());
    if !time.is_sorted_by(|a, b| a < b) {
        add(IssueCode::OrderImplausible, "the times of the frames do not rise".to_owned());
    }
}
