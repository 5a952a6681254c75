//! Faults of Pentacam files, made in their lines: a line of coordinates and 141 rows for each grid, then the header.

use super::super::random::Draw;
use super::Lines;

/// Rows of a grid; the first line of a file is that of its coordinates.
const ROWS: usize = 141;
/// The row and the field of the apex, counted with the coordinates before them.
const APEX: usize = 71;
/// Rows with fewer cells lie at the edge, where nobody would miss them.
const CELLS_OF_A_ROW: usize = 20;

fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    line.split(|&byte| byte == b';').map(<[u8]>::to_vec).collect()
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The smallest number of the first grid: the header states it, so that a fault of a cell must leave it alone.
fn smallest(lines: &Lines) -> f64 {
    let cells = lines.iter().skip(1).take(ROWS).flat_map(|line| fields(line).into_iter().skip(1));
    cells.filter_map(|cell| number(&cell)).fold(f64::INFINITY, f64::min)
}

/// Changes one cell of the first grid, neither the smallest nor the apex.
fn a_cell(lines: &mut Lines, draw: &mut Draw, text: &[u8]) {
    let least = smallest(lines);
    let mut places = Vec::new();
    for (row, line) in lines.iter().enumerate().skip(1).take(ROWS) {
        for (at, cell) in fields(line).iter().enumerate().skip(1) {
            if number(cell).is_some_and(|value| value > least) && (row, at) != (APEX, APEX) {
                places.push((row, at));
            }
        }
    }
    if places.is_empty() {
        return;
    }
    let (row, at) = draw.pick(&places);
    let mut cells = fields(&lines[row]);
    cells[at] = text.to_vec();
    lines[row] = cells.join(&b';');
}

/// The place of a row of the first grid with many cells, without the smallest one and not that of the apex.
fn a_row(lines: &Lines, draw: &mut Draw) -> Option<usize> {
    let least = smallest(lines);
    let rows = lines.iter().enumerate().skip(1).take(ROWS).filter(|(row, line)| {
        let cells: Vec<f64> = fields(line).iter().skip(1).filter_map(|cell| number(cell)).collect();
        *row != APEX && cells.len() >= CELLS_OF_A_ROW && cells.iter().all(|value| *value > least)
    });
    let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
    (!rows.is_empty()).then(|| draw.pick(&rows))
}

fn line_of<'a>(lines: &'a mut Lines, key: &str) -> Option<&'a mut Vec<u8>> {
    let start = [key.as_bytes(), b";"].concat();
    lines.iter_mut().find(|line| line.starts_with(&start))
}

/// Replaces what the header states.
fn set(lines: &mut Lines, key: &str, value: &str) {
    if let Some(line) = line_of(lines, key) {
        *line = format!("{key};{value};").into_bytes();
    }
}

/// Where the header begins.
fn header_at(lines: &Lines) -> usize {
    lines.iter().position(|line| line.starts_with(b"[SYSTEM]")).unwrap_or(lines.len())
}

pub(super) fn rows_not_closed(lines: &mut Lines, _: &mut Draw) {
    for line in lines {
        if line.ends_with(b";") {
            line.pop();
        }
    }
}

pub(super) fn header_first(lines: &mut Lines, _: &mut Draw) {
    let header = header_at(lines);
    lines.rotate_left(header);
}

pub(super) fn cell_unreadable(lines: &mut Lines, draw: &mut Draw) {
    a_cell(lines, draw, b"#NV");
}

pub(super) fn cell_out_of_range(lines: &mut Lines, draw: &mut Draw) {
    a_cell(lines, draw, b"99999");
}

pub(super) fn row_lost(lines: &mut Lines, draw: &mut Draw) {
    if let Some(row) = a_row(lines, draw) {
        lines.remove(row);
    }
}

pub(super) fn cells_extra(lines: &mut Lines, draw: &mut Draw) {
    if let Some(row) = a_row(lines, draw) {
        lines[row].extend_from_slice(b"12;");
    }
}

/// The header of another exam: its astigmatism does not go with its radii, its least thickness not with the grid.
pub(super) fn header_of_another(lines: &mut Lines, _: &mut Draw) {
    let thickness = lines.first().is_some_and(|line| line.starts_with(b";"));
    let (key, change) = if thickness { ("Pachy Min", -25.0) } else { ("Cornea Front Astig", 3.0) };
    if let Some(stated) = line_of(lines, key).and_then(|line| number(fields(line).get(1)?)) {
        set(lines, key, &format!("{:.1}", stated + change));
    }
}

pub(super) fn key_missing(lines: &mut Lines, _: &mut Draw) {
    lines.retain(|line| !line.starts_with(b"Chamber Angle;"));
}

pub(super) fn number_unreadable(lines: &mut Lines, _: &mut Draw) {
    set(lines, "Pupil Dia", "##.##");
}

pub(super) fn value_out_of_range(lines: &mut Lines, _: &mut Draw) {
    set(lines, "Chamber Height", "31.8");
}

/// A grid that no version has.
pub(super) fn grid_unknown(lines: &mut Lines, _: &mut Draw) {
    let header = header_at(lines);
    let mut grid: Lines = lines.iter().take(ROWS + 1).cloned().collect();
    if let Some(first) = grid.first_mut() {
        let mut cells = fields(first);
        cells[0] = b"LENS".to_vec();
        *first = cells.join(&b';');
    }
    lines.splice(header..header, grid);
}

pub(super) fn eye_missing(lines: &mut Lines, _: &mut Draw) {
    set(lines, "Eye", "");
}

pub(super) fn patient_missing(lines: &mut Lines, _: &mut Draw) {
    set(lines, "PatientID", "");
}

pub(super) fn date_unreadable(lines: &mut Lines, _: &mut Draw) {
    set(lines, "Date", "31-02-2024");
}

pub(super) fn lines_padded(lines: &mut Lines, _: &mut Draw) {
    super::file::padded(lines, b';');
}
