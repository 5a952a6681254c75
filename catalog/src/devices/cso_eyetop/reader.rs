//! Reads one EyeTop file: the Italian header, then all radii, then all heights.

use std::ops::RangeInclusive;

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, Value, unreadable};
use super::super::common::Identity;
use super::super::date::Evidence;
use super::super::number::parse;
use super::super::resaved::exported_head;
use super::super::text::{decode, filled, lines};
use super::{HeaderField, Kind, Layout};
use crate::device::{Confidence, Reading, Request, Sample};
use crate::issue::{Issue, IssueCode};

/// Longest header that is looked at, in lines; the known ones have 22.
const MAX_HEADER: usize = 100;

/// Certain when most lines of the header are there.
pub(super) fn recognises(layout: &Layout, sample: &Sample<'_>) -> Confidence {
    let head = exported_head(sample.head, sample.size);
    match header(layout, &head).found {
        6.. => Confidence::Certain,
        3.. => Confidence::Likely,
        _ => Confidence::No,
    }
}

/// Reads the file.
pub(super) fn read(layout: &Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    let text = decode(bytes);
    let header = header(layout, &text);
    if header.found == 0 {
        return unreadable(schema, request, IssueCode::LayoutUnknown, "no line of the EyeTop header is in the file");
    }
    let mut rows = Rows::new(schema, request);
    let mut issues = Vec::new();
    let exam = header.value("exam");
    let eye = header
        .value("occhio")
        .and_then(flag)
        .and_then(|right| filled(if right { &layout.eye.when_true } else { &layout.eye.when_false }));
    let identity = Identity { last_name: header.value("patient"), exam_date: exam, eye, ..Identity::default() };
    let mut evidence = Evidence::default();
    evidence.add(exam.unwrap_or_default());
    let subject = identity.store(&mut rows, evidence.order(layout.dates.order), false, "", &mut issues);
    for field in &layout.fields {
        let value = value(field, header.value(&field.column), layout.header.missing, &mut issues);
        rows.set(&field.column, value);
    }
    if request.check || rows.wants("rho_mm") || rows.wants("z_mm") {
        let announced = |name| header.value(name).and_then(parse).map(|count| count as usize);
        let rings = announced("rings").unwrap_or(layout.grid.rings);
        let meridians = announced("meridians").unwrap_or(layout.grid.meridians);
        if meridians == layout.grid.meridians && (1..=layout.grid.rings).contains(&rings) {
            let (rho, z) = cells(layout, rings, &text, header.end, &mut issues);
            rows.set("rho_mm", Value::Cells(rho));
            rows.set("z_mm", Value::Cells(z));
        } else {
            let (most, own) = (layout.grid.rings, layout.grid.meridians);
            let detail = format!("{rings} rings of {meridians} cells; known are up to {most} rings of {own}");
            issues.push(Issue::new(IssueCode::LayoutUnknown, detail));
        }
    }
    rows.end_row(subject, issues);
    rows.finish(header.layout)
}

struct Header<'a> {
    layout: Option<&'a str>,
    values: Vec<(&'a str, &'a str)>,
    /// Lines that were recognised.
    found: usize,
    /// Index of the first line of data.
    end: usize,
}

impl<'a> Header<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find(|(known, _)| *known == name).and_then(|(_, value)| filled(value))
    }
}

/// Reads the lines of the header in whatever order they stand, in the version that knows most of them.
fn header<'a>(layout: &'a Layout, text: &'a str) -> Header<'a> {
    let mut best = Header { layout: None, values: Vec::new(), found: 0, end: 0 };
    for version in &layout.versions {
        let mut header = Header { layout: Some(&version.name), values: Vec::new(), found: 0, end: 0 };
        let (mut ended, mut after) = (false, 0);
        for (index, line) in lines(text).take(MAX_HEADER).enumerate() {
            let line = bare(line);
            if parse(line).is_some() {
                break;
            }
            let values = version.lines.iter().filter(|template| *template != "-").find_map(|template| extract(template, line));
            if let Some(values) = values {
                header.found += 1;
                header.values.extend(values);
                (ended, after) = (false, index + 1);
            } else if !ended && !line.is_empty() && line.bytes().all(|b| b == b'-') {
                // The separator below the last line of the header; a damaged number after it is data.
                (ended, after) = (true, index + 1);
            }
        }
        header.end = after;
        if header.found > best.found {
            best = header;
        }
    }
    best
}

/// The values that stand in `line` where `template` has names in braces; `None` when the line begins otherwise.
fn extract<'a>(template: &'a str, line: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (start, mut names) = template.split_once('{').unwrap_or((template, ""));
    let mut rest = line.strip_prefix(start.trim())?;
    let mut values = Vec::new();
    while let Some((name, after)) = names.split_once('}') {
        let (literal, next) = after.split_once('{').unwrap_or((after, ""));
        let (value, following) = match literal.trim() {
            "" => (rest, ""),
            literal => rest.split_once(literal).unwrap_or((rest, "")),
        };
        values.push((name, value.trim()));
        (rest, names) = (following, next);
    }
    Some(values)
}

fn value(field: &HeaderField, text: Option<&str>, missing: f64, issues: &mut Vec<Issue>) -> Value {
    let Some(text) = text else {
        return Value::Null;
    };
    match field.kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Flag => flag(text).into(),
        Kind::Count => match text.parse() {
            Ok(count) => Value::Count(count),
            Err(_) => unreadable_number(field, issues),
        },
        Kind::Number => match parse(text) {
            None => unreadable_number(field, issues),
            Some(number) if number == missing => Value::Null,
            Some(number) => match field.range {
                Some((low, high)) if !(low..=high).contains(&number) => {
                    let detail = format!("{} is {number}, outside {low} to {high} {}", field.column, field.unit);
                    issues.push(Issue::new(IssueCode::ValueOutOfRange, detail));
                    Value::Null
                }
                _ => Value::Number(number),
            },
        },
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn unreadable_number(field: &HeaderField, issues: &mut Vec<Issue>) -> Value {
    issues.push(Issue::new(IssueCode::NumberUnreadable, format!("{} is not a number", field.column)));
    Value::Null
}

/// A line without blanks around it and the delimiters that a spreadsheet puts at its end.
fn bare(line: &str) -> &str {
    line.trim_end_matches([';', ',', '\t', ' ']).trim()
}

/// What stands in one line of data.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell {
    Number(f64),
    Unreadable,
    /// The file has no such line.
    Absent,
}

impl Cell {
    fn of(line: &str) -> Self {
        parse(line).map_or(Self::Unreadable, Self::Number)
    }
}

/// Radii and heights, `NaN` where missing, on the whole grid.
fn cells(layout: &Layout, rings: usize, text: &str, start: usize, issues: &mut Vec<Issue>) -> (Vec<f64>, Vec<f64>) {
    let half = rings * layout.grid.meridians;
    let data: Vec<&str> = lines(text.trim_end()).skip(start).map(bare).collect();
    let filled = data.iter().filter(|line| !line.is_empty()).count();
    // Where enough lines are filled, blank ones between them are an accident of copying; else they stand for lost values.
    let keep_blank = filled < 2 * half;
    let mut values: Vec<Cell> =
        data.iter().filter(|line| keep_blank || !line.is_empty()).take(2 * half).map(|line| Cell::of(line)).collect();
    if filled == 0 {
        issues.push(Issue::new(IssueCode::DataAbsent, "the file ends after its header"));
        let empty = vec![f64::NAN; layout.grid.cells()];
        return (empty.clone(), empty);
    }
    if filled > 2 * half {
        issues
            .push(Issue::new(IssueCode::CellsExtra, format!("{filled} values in place of {}; the rest was left out", 2 * half)));
    }
    if values.len() < 2 * half {
        issues.push(Issue::new(IssueCode::FileTruncated, format!("{} values in place of {}", values.len(), 2 * half)));
        if !text.ends_with('\n') {
            // The last number of a file that was cut may lack digits.
            values.pop();
        }
    }
    values.resize(2 * half, Cell::Absent);
    // Heights are negative and radii are not: where they meet shows a number that was lost or doubled before.
    let is_missing = |value: &f64| layout.cells.missing.contains(value);
    let is_height = |cell: &Cell| matches!(cell, Cell::Number(value) if *value < 0.0 && !is_missing(value));
    let is_radius = |cell: &Cell| matches!(cell, Cell::Number(value) if *value > 0.0);
    let (radii, heights) = values.split_at(half);
    let mut unplaced = |detail: &str| issues.push(Issue::new(IssueCode::RingsUnplaced, detail));
    if radii.iter().any(is_height) || filled > 2 * half && heights.first().is_some_and(is_radius) {
        unplaced("radii and heights do not meet where they must: a number was lost or doubled before, and no cell was taken");
        let empty = vec![f64::NAN; layout.grid.cells()];
        return (empty.clone(), empty);
    }
    // A file that was cut ends inside a line; else the numbers that it lacks, or has twice, may be any.
    let [first, .., last] = heights else { return pairs(layout, rings, &values, issues) };
    let lost = *first != Cell::Absent && *last == Cell::Absent && text.ends_with('\n');
    let doubled = |pair: &[Cell]| matches!(pair, [Cell::Number(a), Cell::Number(b)] if a == b && !is_missing(a));
    if lost || filled > 2 * half && heights.windows(2).any(doubled) {
        unplaced("heights are lost or doubled, and which they are is not known: no height was taken");
        values.truncate(half);
        values.resize(2 * half, Cell::Absent);
    }
    pairs(layout, rings, &values, issues)
}

fn pairs(layout: &Layout, rings: usize, values: &[Cell], issues: &mut Vec<Issue>) -> (Vec<f64>, Vec<f64>) {
    let all = layout.grid.cells();
    let (mut rho, mut z) = (vec![f64::NAN; all], vec![f64::NAN; all]);
    let (radii, heights) = values.split_at(rings * layout.grid.meridians);
    let within = |range: (f64, f64)| -> RangeInclusive<f64> { range.0..=range.1 };
    let (rho_range, z_range) = (within(layout.cells.rho_range), within(layout.cells.z_range));
    let (mut unreadable, mut outside, mut absent) = (0, 0, 0);
    for ((slot_rho, slot_z), (radius, height)) in rho.iter_mut().zip(&mut z).zip(radii.iter().zip(heights)) {
        match (*radius, *height) {
            (Cell::Number(radius), Cell::Number(height)) if radius == height && layout.cells.missing.contains(&radius) => {}
            (Cell::Number(radius), Cell::Number(height)) if rho_range.contains(&radius) && z_range.contains(&height) => {
                (*slot_rho, *slot_z) = (radius, height);
            }
            (Cell::Number(radius), Cell::Absent) if rho_range.contains(&radius) => {
                *slot_rho = radius;
                absent += 1;
            }
            (_, Cell::Absent) | (Cell::Absent, _) => absent += 1,
            (Cell::Unreadable, _) | (_, Cell::Unreadable) => unreadable += 1,
            _ => outside += 1,
        }
    }
    if unreadable > 0 {
        issues.push(Issue::new(IssueCode::CellUnreadable, format!("{unreadable} cells are no numbers")));
    }
    if outside > 0 {
        issues
            .push(Issue::new(IssueCode::CellOutOfRange, format!("{outside} cells are outside what a Placido disk can measure")));
    }
    if absent == 0 {
        coverage(layout, rings, &rho, &z, issues);
    }
    (rho, z)
}

fn coverage(layout: &Layout, rings: usize, rho: &[f64], z: &[f64], issues: &mut Vec<Issue>) {
    let present: Vec<usize> =
        rho.chunks(layout.grid.meridians).take(rings).map(|ring| ring.iter().filter(|cell| !cell.is_nan()).count()).collect();
    let Some(outermost) = present.iter().rposition(|count| *count > 0) else {
        issues.push(Issue::new(IssueCode::MapEmpty, "rho_mm and z_mm"));
        return;
    };
    for ring in (0..outermost).filter(|ring| present.get(*ring) == Some(&0)) {
        issues.push(Issue::new(IssueCode::RingMissing, format!("ring {} from the centre", ring + 1)));
    }
    let all = rings * layout.grid.meridians;
    let missing = all.saturating_sub(present.iter().sum());
    if missing as f64 > layout.cells.missing_fraction * all as f64 {
        issues.push(Issue::new(IssueCode::CellsMissing, format!("{missing} of {all} cells")));
    }
    let mut heights = z.iter().filter(|cell| !cell.is_nan());
    if let Some(first) = heights.next()
        && heights.all(|cell| cell == first)
    {
        issues.push(Issue::new(IssueCode::MapConstant, format!("all heights are {first} mm")));
    }
}
