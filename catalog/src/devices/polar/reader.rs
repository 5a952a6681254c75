//! Reads one file: preamble, layout version, and those maps that are asked for.

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, Value, unreadable, with_issue};
use super::super::common::Identity;
use super::super::date::Evidence;
use super::super::number::parse;
use super::super::resaved::{as_exported, exported_head};
use super::super::text::{NoText, check_text, decode, filled, label, lines, lost_tail};
use super::cells::{Blocks, Found, first_map, radii, read as read_cells, usual_rows};
use super::{Grid, Key, Layout, Marks, Version, checks};
use crate::device::{Confidence, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// Judges the head of a file. By keys: certain when a map's header and a key of the preamble are there, likely with either.
/// By radii: certain when a map's header and the row of radii are there, likely when the first map is the layout's first one.
/// Radii in a file of a device that has none make it somebody else's.
pub(super) fn recognises(layout: &Layout, sample: &Sample<'_>) -> Confidence {
    let text = exported_head(sample.head, sample.size);
    let first = first_map(layout, text.as_bytes());
    let radii = radii(layout, text.as_bytes()).is_some();
    let preamble = Preamble::parse(text.as_bytes());
    let keys = layout.keys.iter().filter(|key| preamble.value(&key.key).is_some()).count();
    match (layout.recognition.by, first) {
        (Marks::Radii, Some(_)) if radii => Confidence::Certain,
        (Marks::Radii, Some(0)) if keys == 0 => Confidence::Likely,
        (Marks::Radii, _) => Confidence::No,
        (Marks::Keys, Some(_)) if radii => Confidence::Likely,
        (Marks::Keys, first) => match (first.is_some(), keys) {
            (true, 1..) | (_, 4..) => Confidence::Certain,
            (true, 0) | (_, 2..) => Confidence::Likely,
            _ => Confidence::No,
        },
    }
}

/// Reads the file. Without [`Request::check`] reading stops after the last map that is asked for.
pub(super) fn read(device: &'static str, layout: &Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    let tail = lost_tail(bytes);
    let bytes = as_exported(bytes);
    match check_text(&bytes) {
        Err(NoText::Empty) => return unreadable(schema, request, IssueCode::FileEmpty, "the file is empty"),
        Err(NoText::Binary) => return unreadable(schema, request, IssueCode::FileUnreadable, "the file is not text"),
        Ok(()) => {}
    }
    let mut rows = Rows::new(schema, request);
    let mut issues = Vec::new();
    let mut blocks = Blocks::new(layout, &bytes);
    let preamble = Preamble::parse(blocks.preamble());
    let radii = radii(layout, &bytes);
    let on_grid = radii.as_ref().is_none_or(|radii| agree(layout.grid, radii));

    let wanted: Vec<bool> = layout.maps.iter().map(|map| rows.wants(&map.column)).collect();
    let mut open = wanted.iter().filter(|wanted| **wanted).count();
    let mut found: Vec<Option<Found>> = layout.maps.iter().map(|_| None).collect();
    let usual = if on_grid && (request.check || open > 0) { usual_rows(layout, blocks.clone()) } else { 0 };
    let mut unknown = 0;
    let mut repeated = Vec::new();
    while on_grid && (request.check || open > 0) {
        let Some(block) = blocks.next() else { break };
        if block.map.is_none() && radii.is_some() && block.rows == 1 {
            continue;
        }
        let Some((index, map)) = block.map.and_then(|index| Some((index, layout.maps.get(index)?))) else {
            unknown += 1;
            continue;
        };
        let is_wanted = wanted.get(index).copied().unwrap_or(false);
        match found.get_mut(index) {
            Some(slot @ None) if request.check || is_wanted => {
                *slot = Some(read_cells(layout, map, &block, usual));
                open = open.saturating_sub(usize::from(is_wanted));
            }
            Some(Some(_)) if !repeated.contains(&index) => repeated.push(index),
            _ => {}
        }
    }

    let version = version(layout, &preamble);
    let recognised = found.iter().any(Option::is_some)
        || layout.keys.iter().any(|key| preamble.value(&key.key).is_some())
        || blocks.any(|block| block.map.is_some());
    if request.check {
        // Repeated maps are looked for to the end of the file, so that what follows the first exam was met.
        if blocks.another() {
            let detail = "the file goes on with another exam, of which nothing was read; a file holds one: divide it";
            issues.push(Issue::new(IssueCode::ExamsExtra, detail));
        }
        if !on_grid {
            let step = layout.grid.ring_step_mm;
            let detail = format!("the radii in the file are not {step} mm apart from 0 on: no map was read");
            issues.push(Issue::new(IssueCode::LayoutUnknown, detail));
        } else if recognised {
            checks::maps(layout, &found, unknown, &repeated, &mut issues);
            checks::keratometry(layout, &found, |column| stated(layout, &preamble, column), &mut issues);
        } else {
            issues.push(Issue::new(
                IssueCode::LayoutUnknown,
                format!("neither a key nor a map of the {device} export is in the file"),
            ));
        }
    }
    let subject = store_preamble(layout, version, &preamble, &mut rows, &mut issues);
    for ((map, found), is_wanted) in layout.maps.iter().zip(found).zip(wanted) {
        // A map without a cell is null as a whole, as a map that is not in the file.
        let cells = found.map(|found| found.cells).filter(|cells| is_wanted && cells.iter().any(|cell| !cell.is_nan()));
        rows.set(&map.column, cells.map_or(Value::Null, Value::Cells));
    }
    rows.end_row(subject, issues);
    with_issue(rows.finish(recognised.then_some(version.map(|version| version.name.as_str())).flatten()), tail)
}

/// Reads what stands before the maps, if the first of them begins in `head` and is known: nothing after it changes the answer.
pub(super) fn read_head(
    device: &'static str,
    layout: &Layout,
    schema: &SchemaRef,
    head: &[u8],
    request: &Request<'_>,
) -> Option<Reading> {
    // Without the last line, which may be cut.
    let whole = head.get(..=memchr::memrchr(b'\n', head)?)?;
    let text = as_exported(whole);
    Blocks::new(layout, &text).next()?.map?;
    Some(read(device, layout, schema, whole, request))
}

/// Whether the radii of a file are those of the grid, to half of the last digit that is written.
fn agree(grid: Grid, radii: &[f64]) -> bool {
    radii.iter().enumerate().all(|(ring, radius)| (radius - ring as f64 * grid.ring_step_mm).abs() < 1e-3)
}

/// The first version of which a mark is in the file, or else the one without marks.
fn version<'a>(layout: &'a Layout, preamble: &Preamble) -> Option<&'a Version> {
    let marked = |version: &&Version| version.marks.iter().any(|mark| preamble.value(mark).is_some());
    layout.versions.iter().find(marked).or_else(|| layout.versions.iter().find(|version| version.marks.is_empty()))
}

fn store_preamble(
    layout: &Layout,
    version: Option<&Version>,
    preamble: &Preamble,
    rows: &mut Rows,
    issues: &mut Vec<Issue>,
) -> Subject {
    let by_column = |column: &str| {
        let key = layout.keys.iter().find(|key| key.column == column)?;
        preamble.value(&key.key)
    };
    // Whose exam it is must not be chosen: lines of two exams may stand above one set of maps.
    let mut certain = |column: &str| {
        let key = layout.keys.iter().find(|key| key.column == column)?;
        if preamble.disagrees(&key.key) {
            let detail = format!("{} stands more than once with different values; none was taken", key.key);
            issues.push(Issue::new(IssueCode::ValuesDisagree, detail));
            return None;
        }
        preamble.value(&key.key)
    };
    let identity = Identity {
        patient_number: certain("patient_number"),
        last_name: by_column("patient_last_name"),
        first_name: by_column("patient_first_name"),
        birth_date: by_column("patient_birth_date"),
        sex: by_column("patient_sex"),
        eye: certain("eye"),
        exam_date: certain("exam_date"),
    };
    let mut evidence = Evidence::default();
    for text in [identity.birth_date, identity.exam_date].into_iter().flatten() {
        evidence.add(text);
    }
    let subject = identity.store(rows, evidence.order(layout.dates.order), evidence.contradictory(), "", issues);
    for key in layout.keys.iter().filter(|key| key.about.is_some()) {
        let text = preamble.value(&key.key);
        if key.range.is_some() {
            let expected = version.is_some_and(|version| version.preamble.contains(&key.key));
            let number = number(key, text, expected, layout.cells.missing, issues);
            rows.set(&key.column, number);
        } else {
            rows.set(&key.column, text.and_then(filled).map(str::to_owned));
        }
    }
    if rows.wants("preamble") {
        rows.set("preamble", Value::Pairs(preamble.lines.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()));
    }
    subject
}

/// The number of a key that becomes `column`, where it is one that can be.
fn stated(layout: &Layout, preamble: &Preamble, column: &str) -> Option<f64> {
    let key = layout.keys.iter().find(|key| key.column == column)?;
    number(key, Some(preamble.value(&key.key)?), false, layout.cells.missing, &mut Vec::new())
}

fn number(key: &Key, text: Option<&str>, expected: bool, missing: f64, issues: &mut Vec<Issue>) -> Option<f64> {
    let Some(text) = text else {
        if expected {
            issues.push(Issue::new(IssueCode::ColumnMissing, format!("no line {} before the maps", key.key)));
        }
        return None;
    };
    let text = filled(text)?;
    let Some(value) = parse(text) else {
        issues.push(Issue::new(IssueCode::NumberUnreadable, format!("{} is not a number", key.key)));
        return None;
    };
    if value == missing {
        return None;
    }
    match key.range {
        Some((low, high)) if !(low..=high).contains(&value) => {
            let detail = format!("{} is {value}, outside {low} to {high} {}", key.key, key.unit);
            issues.push(Issue::new(IssueCode::ValueOutOfRange, detail));
            None
        }
        _ => Some(value),
    }
}

/// The lines before the first map.
struct Preamble {
    /// Normalised key, key, value, in the order of the file.
    lines: Vec<(String, String, String)>,
}

impl Preamble {
    /// More lines than this are no preamble, but some other file.
    const MAX_LINES: usize = 400;
    /// Longer keys are cut.
    const MAX_KEY: usize = 200;

    fn parse(bytes: &[u8]) -> Self {
        let text = decode(bytes);
        let first = |line: &str| line.chars().find(|c| matches!(c, ';' | ',' | '\t'));
        let lines_with = |delimiter| lines(&text).take(Self::MAX_LINES).filter(|line| first(line) == Some(delimiter)).count();
        let delimiter = [',', '\t', ';'].into_iter().max_by_key(|delimiter| lines_with(*delimiter)).unwrap_or(';');
        let mut found: Vec<(String, String, String)> = Vec::new();
        for line in lines(&text).take(Self::MAX_LINES) {
            // A line without a delimiter is a key without a value.
            let (key, value) = line.split_once(delimiter).unwrap_or((line, ""));
            let name = label(key);
            if key.starts_with('#') || name.is_empty() {
                continue;
            }
            let value = value.trim_end_matches(delimiter).trim().to_owned();
            let before = found.iter().filter(|(known, _, _)| *known == name).count();
            let key: String = key.trim().chars().take(Self::MAX_KEY).collect();
            if before == 0 {
                found.push((name, key, value));
            } else if !found.iter().any(|(known, _, kept)| *known == name && *kept == value) {
                // The first value counts; another one below the same key is kept beside it.
                found.push((name, format!("{key} ({})", before + 1), value));
            }
        }
        Self { lines: found }
    }

    /// Whether lines of that key have different values.
    fn disagrees(&self, key: &str) -> bool {
        let name = label(key);
        self.lines.iter().filter(|(known, _, value)| *known == name && !value.is_empty()).count() > 1
    }

    fn value(&self, key: &str) -> Option<&str> {
        let name = label(key);
        self.lines.iter().find(|(known, _, _)| *known == name).map(|(_, _, value)| value.as_str())
    }
}
