//! Faults of Sirius files, made in their lines: a header and the radii, then a header and 31 rows for each of ten maps.

use super::super::maps::{MERIDIANS, RINGS};
use super::super::random::Draw;
use super::Lines;

const MAPS: usize = 10;
const MISSING: &[u8] = b"-1000.0000;";
const ELEVATION_POSTERIOR: usize = 2;

fn header_at(map: usize) -> usize {
    2 + map * (RINGS + 1)
}

fn ring_at(map: usize, ring: usize) -> usize {
    header_at(map) + 1 + ring
}

fn edit(lines: &mut Lines, map: usize, ring: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    if let Some(line) = lines.get_mut(ring_at(map, ring)) {
        let mut cells: Vec<Vec<u8>> = line.split_inclusive(|&byte| byte == b';').map(<[u8]>::to_vec).collect();
        change(&mut cells);
        *line = cells.concat();
    }
}

pub(super) fn rows_not_closed(lines: &mut Lines, _: &mut Draw) {
    for line in lines {
        if line.ends_with(b";") {
            line.pop();
        }
    }
}

pub(super) fn headers_spaced(lines: &mut Lines, _: &mut Draw) {
    for map in 0..MAPS {
        if let Some(line) = lines.get_mut(header_at(map)) {
            // Before the second capital letter.
            let capital = line.iter().enumerate().skip(1).find(|(_, byte)| byte.is_ascii_uppercase()).map(|(at, _)| at);
            if let Some(at) = capital {
                line.insert(at, b' ');
            }
        }
    }
}

pub(super) fn map_missing(lines: &mut Lines, draw: &mut Draw) {
    let map = draw.below(MAPS);
    lines.drain(header_at(map)..header_at(map + 1).min(lines.len()));
}

pub(super) fn map_empty(lines: &mut Lines, draw: &mut Draw) {
    let map = draw.below(MAPS);
    for ring in 0..RINGS {
        edit(lines, map, ring, |cells| cells.fill(MISSING.to_vec()));
    }
}

pub(super) fn inner_ring_missing(lines: &mut Lines, draw: &mut Draw) {
    let (map, ring) = (draw.below(MAPS), 1 + draw.below(12));
    edit(lines, map, ring, |cells| cells.fill(MISSING.to_vec()));
}

pub(super) fn row_truncated(lines: &mut Lines, draw: &mut Draw) {
    let (map, ring, length) = (draw.below(MAPS), 2 + draw.below(16), 60 + draw.below(190));
    edit(lines, map, ring, |cells| cells.truncate(length));
}

pub(super) fn cell_unreadable(lines: &mut Lines, draw: &mut Draw) {
    let (map, ring, cell) = (draw.below(MAPS), 1 + draw.below(19), draw.below(MERIDIANS));
    edit(lines, map, ring, |cells| cells[cell] = b"#VALEUR!;".to_vec());
}

/// Rings 0.25 mm apart are none of ours: reading them as if they were would put every cell in the wrong place.
pub(super) fn radii_of_another_grid(lines: &mut Lines, _: &mut Draw) {
    if let Some(line) = lines.get_mut(1) {
        *line = (0..RINGS).flat_map(|ring| format!("{:.4};", ring as f64 * 0.25).into_bytes()).collect();
    }
}

/// The posterior surface begins at 0, as in another version's export.
pub(super) fn offset_missing(lines: &mut Lines, _: &mut Draw) {
    let mut apex = None;
    for ring in 0..RINGS {
        edit(lines, ELEVATION_POSTERIOR, ring, |cells| {
            for cell in cells.iter_mut().filter(|cell| cell.as_slice() != MISSING) {
                let text = cell.strip_suffix(b";").unwrap_or(cell);
                if let Some(value) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
                    *cell = format!("{:.4};", value - *apex.get_or_insert(value)).into_bytes();
                }
            }
        });
    }
}

/// The last third is missing, in the middle of a row.
pub(super) fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() * 2 / 3;
    let line = bytes.iter().take(at).rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    // Behind a header the row after it is cut.
    let in_header = bytes.get(line).is_some_and(u8::is_ascii_alphabetic);
    bytes.truncate(if in_header { at + 400 } else { at.max(line + 400) });
    bytes
}

pub(super) fn lines_padded(lines: &mut Lines, _: &mut Draw) {
    super::file::padded(lines, b';');
}
