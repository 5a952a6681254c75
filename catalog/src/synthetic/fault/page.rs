//! Faults of MS-39 files, made in their lines.

use encoding_rs::WINDOWS_1252;

use super::super::maps::{GAUSSIAN_POSTERIOR, KINDS, MAPS, MERIDIANS, RINGS};
use super::super::random::Draw;

const MISSING: &[u8] = b"-1000.0000";
/// Lines of a map with its header.
const BLOCK: usize = RINGS + 1;

/// An MS-39 file as lines. All blocks are there with all their rows until a fault takes them.
#[derive(Debug)]
pub(in super::super) struct Page {
    lines: Vec<Vec<u8>>,
    /// Lines before the first map.
    preamble: usize,
    delimiter: u8,
    line_end: &'static [u8],
    utf8: bool,
    bom: bool,
    /// Whether the last line has its line end.
    ended: bool,
}

impl Page {
    /// The lines of a file that the device's writer made.
    pub(in super::super) fn new(bytes: &[u8]) -> Self {
        let mut lines: Vec<Vec<u8>> =
            bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        let preamble = lines.len().saturating_sub(MAPS * BLOCK);
        let delimiter = if lines.first().is_some_and(|line| line.contains(&b';')) { b';' } else { b',' };
        let utf8 = std::str::from_utf8(bytes).is_ok();
        Self { lines, preamble, delimiter, line_end: b"\r\n", utf8, bom: false, ended: true }
    }

    /// The file's bytes.
    pub(in super::super) fn bytes(self) -> Vec<u8> {
        let mut out = if self.bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        out.reserve(self.lines.iter().map(|line| line.len() + 2).sum());
        let last = self.lines.len();
        for (number, line) in self.lines.iter().enumerate() {
            out.extend_from_slice(line);
            if self.ended || number + 1 < last {
                out.extend_from_slice(self.line_end);
            }
        }
        out
    }

    fn header_at(&self, map: usize) -> usize {
        self.preamble + map * BLOCK
    }

    fn data(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        let preamble = self.preamble;
        self.lines.iter_mut().skip(preamble).enumerate().filter(|(at, _)| at % BLOCK != 0).map(|(_, line)| line)
    }

    /// Changes the cells of one ring of a map.
    fn edit(&mut self, map: usize, ring: usize, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let delimiter = self.delimiter;
        let at = self.header_at(map) + 1 + ring;
        if let Some(line) = self.lines.get_mut(at) {
            let mut cells: Vec<Vec<u8>> = line.split(|&byte| byte == delimiter).map(<[u8]>::to_vec).collect();
            change(&mut cells);
            *line = cells.join(&delimiter);
        }
    }

    /// Changes every number of a map.
    fn scale(&mut self, map: usize, mut change: impl FnMut(f64) -> f64) {
        for ring in 0..KINDS[map].rings {
            self.edit(map, ring, |cells| {
                for cell in cells {
                    let value = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f64>().ok());
                    if let Some(value) = value.filter(|value| *value != -1000.0) {
                        *cell = format!("{:.4}", change(value)).into_bytes();
                    }
                }
            });
        }
    }

    /// Replaces the value of a line of the preamble.
    fn set(&mut self, key: &str, value: &str) {
        let (delimiter, preamble) = (self.delimiter, self.preamble);
        for line in self.lines.iter_mut().take(preamble) {
            if line.starts_with(key.as_bytes()) && line.get(key.len()) == Some(&delimiter) {
                line.truncate(key.len() + 1);
                line.extend_from_slice(value.as_bytes());
            }
        }
    }

    fn value(&self, key: &str) -> String {
        self.lines
            .iter()
            .take(self.preamble)
            .find(|line| line.starts_with(key.as_bytes()))
            .map(|line| String::from_utf8_lossy(line.get(key.len() + 1..).unwrap_or_default()).into_owned())
            .unwrap_or_default()
    }

    fn recode(&mut self, utf8: bool) {
        if self.utf8 == utf8 {
            return;
        }
        for line in &mut self.lines {
            if !line.is_ascii() {
                *line = if utf8 {
                    WINDOWS_1252.decode(line).0.into_owned().into_bytes()
                } else {
                    WINDOWS_1252.encode(&String::from_utf8_lossy(line)).0.into_owned()
                };
            }
        }
        self.utf8 = utf8;
    }

    fn use_delimiter(&mut self, delimiter: u8) {
        let old = std::mem::replace(&mut self.delimiter, delimiter);
        for byte in self.lines.iter_mut().flatten().filter(|byte| **byte == old) {
            *byte = delimiter;
        }
    }
}

pub(super) fn utf8_bom(page: &mut Page, _: &mut Draw) {
    page.recode(true);
    page.bom = true;
}

pub(super) fn other_encoding(page: &mut Page, _: &mut Draw) {
    page.recode(!page.utf8);
}

pub(super) fn other_delimiter(page: &mut Page, _: &mut Draw) {
    page.use_delimiter(if page.delimiter == b';' { b',' } else { b';' });
}

pub(super) fn decimal_comma(page: &mut Page, _: &mut Draw) {
    page.use_delimiter(b';');
    for byte in page.data().flatten().filter(|byte| **byte == b'.') {
        *byte = b',';
    }
}

pub(super) fn line_feed(page: &mut Page, _: &mut Draw) {
    page.line_end = b"\n";
}

pub(super) fn trailing_delimiter(page: &mut Page, _: &mut Draw) {
    let delimiter = page.delimiter;
    page.data().for_each(|line| line.push(delimiter));
}

pub(super) fn eye_lower_case(page: &mut Page, _: &mut Draw) {
    let eye = page.value("Exam_Eye").to_lowercase();
    page.set("Exam_Eye", &eye);
}

pub(super) fn micrometre_in_ascii(page: &mut Page, _: &mut Draw) {
    for map in 0..MAPS {
        let at = page.header_at(map);
        if let Some(line) = page.lines.get_mut(at).filter(|line| !line.is_ascii()) {
            line.retain(u8::is_ascii);
            // What is left of `[µm]` is `[m]`.
            if let Some(place) = line.iter().position(|&byte| byte == b'[') {
                line.insert(place + 1, b'u');
            }
        }
    }
}

pub(super) fn epithelial_spelled_right(page: &mut Page, _: &mut Draw) {
    for map in 0..MAPS {
        let at = page.header_at(map);
        if let Some(line) = page.lines.get_mut(at).filter(|line| line.starts_with(b"Epitelial")) {
            line.splice(0..9, *b"Epithelial");
        }
    }
}

pub(super) fn rows_32(page: &mut Page, _: &mut Draw) {
    let row = vec![MISSING; MERIDIANS].join(&page.delimiter);
    for map in (0..MAPS).rev() {
        let at = page.header_at(map) + BLOCK;
        page.lines.insert(at.min(page.lines.len()), row.clone());
    }
}

/// Less than the 40 % at which a map would count as incomplete, lid included.
pub(super) fn cells_scattered(page: &mut Page, draw: &mut Draw) {
    let part = draw.between(0.02, 0.15);
    for (map, kind) in KINDS.iter().enumerate() {
        for ring in 1..kind.rings {
            page.edit(map, ring, |cells| {
                cells.iter_mut().filter(|_| draw.chance(part)).for_each(|cell| *cell = MISSING.to_vec());
            });
        }
    }
}

pub(super) fn apex_cell_missing(page: &mut Page, _: &mut Draw) {
    for map in 0..MAPS {
        page.edit(map, 0, |cells| cells[0] = MISSING.to_vec());
    }
}

pub(super) fn outer_ring_missing(page: &mut Page, _: &mut Draw) {
    for (map, kind) in KINDS.iter().enumerate() {
        page.edit(map, kind.rings - 1, |cells| cells.fill(MISSING.to_vec()));
    }
}

/// Exports with 13 maps lack the three elevations.
pub(super) fn elevations_missing(page: &mut Page, _: &mut Draw) {
    let (from, to) = (page.header_at(9), page.header_at(12));
    if to <= page.lines.len() {
        page.lines.drain(from..to);
    }
}

pub(super) fn map_empty(page: &mut Page, draw: &mut Draw) {
    let map = draw.below(MAPS);
    for ring in 0..RINGS {
        page.edit(map, ring, |cells| cells.fill(MISSING.to_vec()));
    }
}

pub(super) fn map_constant(page: &mut Page, draw: &mut Draw) {
    // A curvature map, so that no other rule is broken by it.
    let map = draw.below(GAUSSIAN_POSTERIOR + 1);
    for ring in 0..KINDS[map].rings {
        page.edit(map, ring, |cells| cells.fill(b"7.5000".to_vec()));
    }
}

pub(super) fn map_unknown(page: &mut Page, _: &mut Draw) {
    let delimiter = page.delimiter;
    page.lines.push(b"StromalReflectivity [GSU]".to_vec());
    for ring in 0..RINGS {
        let value = format!("{}.0000", 40 + ring);
        page.lines.push(vec![value.as_bytes(); MERIDIANS].join(&delimiter));
    }
}

pub(super) fn inner_ring_missing(page: &mut Page, draw: &mut Draw) {
    let (map, ring) = (draw.below(MAPS), 1 + draw.below(12));
    page.edit(map, ring, |cells| cells.fill(MISSING.to_vec()));
}

/// The eye was half closed.
pub(super) fn half_missing(page: &mut Page, draw: &mut Draw) {
    let (start, length) = (draw.below(40), 150 + draw.below(30));
    for (map, kind) in KINDS.iter().enumerate() {
        for ring in 1..kind.rings {
            page.edit(map, ring, |cells| {
                cells.iter_mut().skip(start).take(length).for_each(|cell| *cell = MISSING.to_vec());
            });
        }
    }
}

pub(super) fn row_truncated(page: &mut Page, draw: &mut Draw) {
    // Not the last row of the last map: that would be the end of the file.
    let (map, ring, length) = (draw.below(MAPS - 1), 2 + draw.below(16), 60 + draw.below(190));
    page.edit(map, ring, |cells| cells.truncate(length));
}

pub(super) fn last_row_truncated(page: &mut Page, draw: &mut Draw) {
    let length = 20 + draw.below(200);
    page.edit(MAPS - 1, RINGS - 1, |cells| cells.truncate(length));
    page.ended = false;
}

pub(super) fn file_truncated(page: &mut Page, draw: &mut Draw) {
    let (map, ring) = (3 + draw.below(MAPS - 4), 3 + draw.below(18));
    let at = page.header_at(map) + 1 + ring;
    page.lines.truncate(at + 1);
    if let Some(line) = page.lines.last_mut() {
        let half = line.len() / 2;
        line.truncate(half);
    }
    page.ended = false;
}

pub(super) fn cells_extra(page: &mut Page, draw: &mut Draw) {
    let map = draw.below(MAPS);
    for ring in 0..3 + draw.below(20) {
        page.edit(map, ring, |cells| cells.extend([b"0.1500".to_vec(), b"12.0000".to_vec()]));
    }
}

pub(super) fn cell_unreadable(page: &mut Page, draw: &mut Draw) {
    let (map, ring, cell) = (draw.below(MAPS), 1 + draw.below(19), draw.below(MERIDIANS));
    page.edit(map, ring, |cells| cells[cell] = b"#VALEUR!".to_vec());
}

/// Radii and thicknesses below what the instrument can measure.
pub(super) fn cell_out_of_range(page: &mut Page, draw: &mut Draw) {
    let (map, ring, start) = (draw.pick(&[0, 1, 3, 4, 12]), 3 + draw.below(16), draw.below(MERIDIANS - 8));
    page.edit(map, ring, |cells| cells[start..start + 5].fill(b"0.0100".to_vec()));
}

pub(super) fn layers_disagree(page: &mut Page, draw: &mut Draw) {
    let shift = draw.between(9.0, 30.0);
    for ring in 0..KINDS[13].rings {
        page.edit(13, ring, |cells| {
            for cell in cells.iter_mut().filter(|cell| !cell.starts_with(b"-")) {
                let value: f64 = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok()).unwrap_or(480.0);
                *cell = format!("{:.4}", value + shift).into_bytes();
            }
        });
    }
}

/// The posterior surface begins at 0, as in another version's export.
pub(super) fn offset_missing(page: &mut Page, _: &mut Draw) {
    let mut apex = None;
    page.scale(10, |value| value - *apex.get_or_insert(value));
}

/// A power map that was computed with another index than the device's.
pub(super) fn power_of_another_index(page: &mut Page, draw: &mut Draw) {
    let (map, factor) = draw.pick(&[(6, 1.12), (7, 0.85)]);
    page.scale(map, |value| value * factor);
}

/// A spreadsheet pads every line to the widest.
pub(super) fn lines_padded(page: &mut Page, _: &mut Draw) {
    super::file::padded(&mut page.lines, page.delimiter);
}

/// A line that was pasted twice.
pub(super) fn row_doubled(page: &mut Page, draw: &mut Draw) {
    let (map, ring) = (draw.below(MAPS), 2 + draw.below(12));
    let at = page.header_at(map) + 1 + ring;
    if let Some(line) = page.lines.get(at).cloned() {
        page.lines.insert(at, line);
    }
}

pub(super) fn data_absent(page: &mut Page, _: &mut Draw) {
    page.lines.truncate(page.preamble);
}

pub(super) fn file_empty(page: &mut Page, _: &mut Draw) {
    page.lines.clear();
}

pub(super) fn eye_missing(page: &mut Page, _: &mut Draw) {
    page.set("Exam_Eye", "");
}

pub(super) fn eye_unreadable(page: &mut Page, _: &mut Draw) {
    page.set("Exam_Eye", "ODG");
}

pub(super) fn patient_missing(page: &mut Page, _: &mut Draw) {
    page.set("Patient_ID", "");
}

pub(super) fn date_missing(page: &mut Page, _: &mut Draw) {
    page.set("Exam_Scan_Date", "");
}

pub(super) fn date_unreadable(page: &mut Page, _: &mut Draw) {
    page.set("Exam_Scan_Date", "00/00/0000");
}
