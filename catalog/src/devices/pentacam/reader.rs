//! Reads one exam's export: the grids that are asked for, and the header.

use arrow::datatypes::SchemaRef;

use super::super::columns::{Rows, Value};
use super::super::common::Identity;
use super::super::date::Evidence;
use super::super::number::parse;
use super::super::resaved::exported_head;
use super::grid::{Block, Found, read as read_grid, split};
use super::header::Header;
use super::{CONTOUR_X, CONTOUR_Y, HEADER, KIND, Key, Layout, checks};
use crate::device::{Confidence, Reading, Request, Sample, Subject};
use crate::issue::{Issue, IssueCode};

/// So many keys of the header make a file without a grid likely to be this device's.
const LIKELY_KEYS: usize = 6;

/// Certain when the first line of a grid that the layout knows is there.
pub(super) fn recognises(layout: &Layout, sample: &Sample<'_>) -> Confidence {
    let head = exported_head(sample.head, sample.size);
    let (blocks, others) = split(head.as_bytes());
    // A list of headers is no header: its lines have no values.
    let pairs: Vec<&[u8]> = others.into_iter().filter(|line| line.iter().any(|b| matches!(b, b';' | b'\t' | b','))).collect();
    let known = blocks.iter().any(|block| layout.maps.iter().any(|map| is(block, &map.label)));
    if known && blocks.iter().any(|block| block.fits(layout.grid)) {
        Confidence::Certain
    } else if known || Header::parse(layout, &pairs).known(layout) >= LIKELY_KEYS {
        Confidence::Likely
    } else {
        Confidence::No
    }
}

fn is(block: &Block<'_>, label: &str) -> bool {
    block.label.eq_ignore_ascii_case(label.as_bytes())
}

/// Reads the file.
pub(super) fn read(layout: &Layout, schema: &SchemaRef, bytes: &[u8], request: &Request<'_>) -> Reading {
    let (blocks, others) = split(bytes);
    let header = Header::parse(layout, &others);
    let kind = kind(layout, &blocks);
    let mut issues = Vec::new();
    let mut rows = Rows::new(schema, request);
    rows.set(KIND, kind.map(str::to_owned));

    let mut found: Vec<Option<Found>> = layout.maps.iter().map(|_| None).collect();
    let mut unknown = 0;
    for block in &blocks {
        let index = layout.maps.iter().position(|map| Some(map.export.as_str()) == kind && is(block, &map.label));
        match index.and_then(|index| Some((layout.maps.get(index)?, found.get_mut(index)?))) {
            Some((map, slot @ None)) => {
                if request.check || rows.wants(&map.column) {
                    *slot = Some(read_grid(layout.grid, map.range, block));
                }
            }
            _ => unknown += 1,
        }
    }
    let recognised = kind.is_some() || header.known(layout) > 0;
    let cut = found.iter().flatten().any(|found| found.cut);
    let subject = store_header(layout, &header, cut || !recognised, &mut rows, &mut issues);
    if request.check {
        if !recognised && blocks.is_empty() {
            let detail = "neither a grid nor a key of the Pentacam export is in the file";
            issues.push(Issue::new(IssueCode::LayoutUnknown, detail));
        } else {
            checks::grids(layout, kind, &found, unknown, &mut issues);
            checks::stated(layout, &header, &found, &mut issues);
            checks::contour(layout, &header, &mut issues);
        }
    }
    for (map, found) in layout.maps.iter().zip(found) {
        let cells = found.and_then(|found| found.cells).filter(|cells| cells.iter().any(|cell| !cell.is_nan()));
        rows.set(&map.column, cells.map_or(Value::Null, Value::Cells));
    }
    rows.end_row(subject, issues);
    let version = layout.versions.first().map(|version| version.name.as_str());
    rows.finish(recognised.then_some(version).flatten())
}

/// Which export the file is, by the labels of its grids and the decimals of their numbers.
fn kind<'a>(layout: &'a Layout, blocks: &[Block<'_>]) -> Option<&'a str> {
    let known = |block: &&Block<'_>| layout.maps.iter().any(|map| is(block, &map.label));
    let block = blocks.iter().filter(known).max_by_key(|block| usize::from(block.has_decimals().is_some()))?;
    let fits = |export: &&super::Export| layout.maps.iter().any(|map| map.export == export.name && is(block, &map.label));
    let candidates: Vec<&super::Export> = layout.exports.iter().filter(fits).collect();
    match candidates.as_slice() {
        [only] => Some(only.name.as_str()),
        several => {
            let decimals = block.has_decimals()?;
            several.iter().find(|export| export.decimals == decimals).map(|export| export.name.as_str())
        }
    }
}

fn store_header(layout: &Layout, header: &Header, partial: bool, rows: &mut Rows, issues: &mut Vec<Issue>) -> Subject {
    let by_column = |column: &str| {
        let key = layout.keys.iter().find(|key| key.column.as_deref() == Some(column))?;
        header.given(layout, &key.key)
    };
    let identity = Identity {
        patient_number: by_column("patient_number"),
        last_name: by_column("patient_last_name"),
        first_name: by_column("patient_first_name"),
        birth_date: by_column("patient_birth_date"),
        sex: by_column("patient_sex"),
        eye: by_column("eye"),
        exam_date: by_column("exam_date"),
    };
    let mut evidence = Evidence::default();
    for text in [identity.birth_date, identity.exam_date, header.given(layout, "File Date")].into_iter().flatten() {
        evidence.add(text);
    }
    let subject = identity.store(rows, evidence.order(layout.dates.order), evidence.contradictory(), "", issues);
    for key in &layout.keys {
        let (Some(column), Some(_)) = (&key.column, &key.about) else { continue };
        if key.range.is_some() {
            rows.set(column, number(layout, header, key, partial, issues));
        } else {
            rows.set(column, header.given(layout, &key.key).map(str::to_owned));
        }
    }
    if rows.wants(HEADER) {
        rows.set(HEADER, Value::Pairs(header.pairs()));
    }
    if !header.contour.is_empty() && (rows.wants(CONTOUR_X) || rows.wants(CONTOUR_Y)) {
        let most = layout.header.contour_max_mm;
        let points = |of: fn(&(f64, f64)) -> f64| {
            let mut points: Vec<f64> =
                header.contour.iter().map(|point| of(point) / layout.header.contour_units_per_mm).collect();
            points.resize(layout.header.contour_points, f64::NAN);
            Value::Cells(points.into_iter().map(|mm| if mm.abs() <= most { mm } else { f64::NAN }).collect())
        };
        rows.set(CONTOUR_X, points(|(x, _)| *x));
        rows.set(CONTOUR_Y, points(|(_, y)| *y));
    }
    subject
}

/// The number of a key. In a file that is known to be cut, a key that is not there is no issue of its own.
fn number(layout: &Layout, header: &Header, key: &Key, partial: bool, issues: &mut Vec<Issue>) -> Option<f64> {
    if header.value(&key.key).is_none() && !partial {
        issues.push(Issue::new(IssueCode::ColumnMissing, format!("no line {} in the header", key.key)));
    }
    let text = header.given(layout, &key.key)?;
    let Some(value) = parse(text) else {
        issues.push(Issue::new(IssueCode::NumberUnreadable, format!("{} is not a number", key.key)));
        return None;
    };
    let value = value / key.per_unit;
    match key.range {
        Some((low, high)) if !(low..=high).contains(&value) => {
            let detail = format!("{} is {value}, outside {low} to {high} {}", key.key, key.unit);
            issues.push(Issue::new(IssueCode::ValueOutOfRange, detail));
            None
        }
        _ => Some(value),
    }
}
