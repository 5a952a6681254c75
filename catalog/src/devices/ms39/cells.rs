//! Map blocks: where they lie in the file, and their cells as numbers.

use memchr::{memchr, memrchr};

use super::super::number::{Shape, parse};
use super::super::text::{decode, without_mark};
use super::{Layout, Map};

/// A line with at least so many delimiters is a row of cells, whatever it begins with.
const ROW_DELIMITERS: usize = 8;

/// A header line and the rows after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// Index into [`Layout::maps`]; `None` for a map that the layout does not know.
    pub(super) map: Option<usize>,
    /// The lines after the header, up to the next header or the end of the file.
    pub(super) body: &'a [u8],
    /// Whether the file ends with this block.
    pub(super) last: bool,
}

/// Walks over the maps of a file. Only line ends and the first bytes of lines are looked at.
#[derive(Debug, Clone)]
pub(super) struct Blocks<'a> {
    layout: &'a Layout,
    rest: &'a [u8],
    preamble: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// Splits the preamble off; it ends at the first header that is followed by cells or is known.
    pub(super) fn new(layout: &'a Layout, bytes: &'a [u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            let next = at + line.len() + 1;
            let header = is_header(line) && (known(layout, line).is_some() || is_row(line_at(bytes, next)));
            if header {
                break;
            }
            at = next;
        }
        let (preamble, rest) = bytes.split_at(at.min(bytes.len()));
        Self { layout, rest, preamble }
    }

    /// Everything before the first map.
    pub(super) fn preamble(&self) -> &'a [u8] {
        self.preamble
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        while !self.rest.is_empty() {
            let header = line_at(self.rest, 0);
            let body = self.rest.get(header.len() + 1..).unwrap_or_default();
            let mut end = 0;
            while end < body.len() {
                let line = line_at(body, end);
                if !is_blank(line) && !is_row(line) {
                    break;
                }
                end += line.len() + 1;
            }
            let (body, rest) = body.split_at(end.min(body.len()));
            self.rest = rest;
            let map = known(self.layout, header);
            // Separators and stray lines between maps are no maps.
            if map.is_some() || (is_header(header) && !body.iter().all(u8::is_ascii_whitespace)) {
                return Some(Block { map, body, last: rest.is_empty() });
            }
        }
        None
    }
}

/// The line that begins at `at`, without its line feed.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    match memchr(b'\n', rest) {
        Some(end) => rest.get(..end).unwrap_or_default(),
        None => rest,
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn is_header(line: &[u8]) -> bool {
    line.trim_ascii_start().first().is_some_and(u8::is_ascii_alphabetic)
}

/// Cells begin with a number or, where the first cell is empty or damaged, are at least many.
fn is_row(line: &[u8]) -> bool {
    match line.trim_ascii_start() {
        [b'0'..=b'9' | b'.' | b';' | b',', ..] | [b'-' | b'+', b'0'..=b'9' | b'.', ..] => true,
        line => line.iter().filter(|b| matches!(b, b';' | b',' | b'\t')).take(ROW_DELIMITERS).count() == ROW_DELIMITERS,
    }
}

/// The map whose header is the first word of `line`.
fn known(layout: &Layout, line: &[u8]) -> Option<usize> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(line.len());
    let word = line.get(..end).filter(|word| !word.is_empty())?;
    let is = |name: &String| name.as_bytes().eq_ignore_ascii_case(word);
    layout.maps.iter().position(|map| is(&map.header) || map.aliases.iter().any(is))
}

/// Whether `head` holds the header of a map.
pub(super) fn has_map(layout: &Layout, head: &[u8]) -> bool {
    let head = without_mark(head);
    Blocks::new(layout, &head).any(|block| block.map.is_some())
}

/// A place in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) ring: usize,
    pub(super) meridian: usize,
}

/// How often something was met, and where first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally<P> {
    pub(super) count: usize,
    pub(super) first: Option<P>,
}

impl<P> Tally<P> {
    fn add(&mut self, place: P) {
        self.count += 1;
        self.first.get_or_insert(place);
    }
}

/// The cells of a map and what was wrong with its lines.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Ring by ring, `NaN` where missing.
    pub(super) cells: Vec<f64>,
    /// Rows of the block.
    pub(super) rows: usize,
    /// Rings with fewer cells than meridians.
    pub(super) short: Tally<usize>,
    /// Rings with more.
    pub(super) long: Tally<usize>,
    /// Cells that are no numbers.
    pub(super) unreadable: Tally<Place>,
    /// Cells that the instrument can't have measured.
    pub(super) out_of_range: Tally<Place>,
    /// Whether the file ends before the block does.
    pub(super) cut: bool,
}

/// Reads the cells of `block`. Row `i` is always ring `i`: what is missing stays missing and nothing moves.
pub(super) fn read(layout: &Layout, map: &Map, block: &Block<'_>) -> Found {
    let (rings, meridians) = (layout.grid.rings, layout.grid.meridians);
    let mut map_cells = vec![f64::NAN; rings * meridians];
    let mut found = Found::default();
    let rows = rows(block.body, rings, &mut found.rows);
    let Some(&(first, first_end)) = rows.iter().find(|(start, end)| start < end) else {
        return Found { cells: map_cells, cut: block.last, ..found };
    };
    let first = block.body.get(first..first_end).unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|d| memchr(*d, first).is_some()).unwrap_or(b',');
    let comma = delimiter != b',' && memchr(b',', first).is_some() && memchr(b'.', first).is_none();
    let scale = Scale { delimiter, mark: if comma { b',' } else { b'.' }, missing: layout.cells.missing, range: map.range };
    let mut last = 0;
    let mut shape = None;
    let mut empty: Option<&[u8]> = None;
    for ((ring, &(start, end)), cells) in rows.iter().enumerate().zip(map_cells.chunks_exact_mut(meridians)) {
        let bytes = block.body.get(start..end).unwrap_or_default();
        if empty == Some(bytes) {
            // Outer rings are the same row of missing cells again and again.
            continue;
        }
        let row = scale.read(block.body, start, end, cells, &mut shape);
        last = row.cells;
        if row.cells < meridians {
            found.short.add(ring);
        }
        if row.more {
            found.long.add(ring);
        }
        if row.odd {
            scale.examine(bytes, ring, meridians, &mut found);
        }
        let blank = row.cells == meridians && !row.more && !row.odd && cells.iter().all(|cell| cell.is_nan());
        empty = blank.then_some(bytes);
    }
    let unfinished = block.last && !block.body.ends_with(b"\n");
    found.cut = block.last && found.rows < rings || unfinished && (last < meridians || scale.shortened(block.body));
    if found.cut && unfinished {
        // The last number of a file that was cut may lack digits.
        let at = found.rows.min(rings).saturating_sub(1) * meridians + last.saturating_sub(1);
        if let Some(cell) = map_cells.get_mut(at) {
            *cell = f64::NAN;
        }
    }
    found.cells = map_cells;
    found
}

/// Starts and ends of the first `rings` rows; `count` becomes the number of all. Blank lines at the end belong to no row, and
/// those between rows only where rows are too few and not every second line is blank: then one stands for a lost ring.
fn rows(body: &[u8], rings: usize, count: &mut usize) -> Vec<(usize, usize)> {
    let mut rows: Vec<(usize, usize)> = Vec::with_capacity(rings + 1);
    let (mut at, mut filled, mut blanks, mut pending) = (0, 0, 0, 0);
    while at < body.len() {
        let line = line_at(body, at);
        let end = at + line.trim_ascii_end().len();
        if end == at {
            pending += 1;
        } else {
            if rows.len() <= 2 * rings {
                rows.extend(std::iter::repeat_n((at, at), pending.min(2 * rings)));
                rows.push((at, end));
            }
            blanks += std::mem::take(&mut pending);
            filled += 1;
        }
        at += line.len() + 1;
    }
    if filled >= rings || blanks + 1 >= filled {
        rows.retain(|(start, end)| start < end);
        *count = filled;
    } else {
        *count = filled + blanks;
    }
    rows.truncate(rings);
    rows
}

/// How the cells of a block are written, and what they may be.
struct Scale {
    delimiter: u8,
    mark: u8,
    missing: f64,
    range: (f64, f64),
}

struct Row {
    /// Cells that the row has, at most as many as meridians.
    cells: usize,
    /// Whether there are more.
    more: bool,
    /// Whether a cell was unreadable or out of range.
    odd: bool,
}

impl Scale {
    /// Reads the row between `start` and `end` of `body`; bytes after `end` are only loaded, never used.
    /// `shape` is that of the cell before.
    fn read(&self, body: &[u8], start: usize, end: usize, cells: &mut [f64], shape: &mut Option<Shape>) -> Row {
        let (low, high) = self.range;
        let mut at = start;
        let mut odd = false;
        let mut count = 0;
        for cell in cells.iter_mut() {
            if at >= end {
                break;
            }
            count += 1;
            let rest = body.get(at..).unwrap_or_default();
            let value = match shape.and_then(|shape| shape.read(rest, self.delimiter)) {
                Some((value, length)) => {
                    at += length;
                    Some(value)
                }
                None => match Shape::detect(rest, self.mark, self.delimiter) {
                    Some((new, value)) if at + new.length() == end || rest.get(new.length()) == Some(&self.delimiter) => {
                        at += new.length() + 1;
                        *shape = Some(new);
                        Some(value)
                    }
                    _ => {
                        let rest = body.get(at..end).unwrap_or_default();
                        let token = rest.get(..memchr(self.delimiter, rest).unwrap_or(rest.len())).unwrap_or_default();
                        at += token.len() + 1;
                        match token.trim_ascii() {
                            [] => continue,
                            token => std::str::from_utf8(token).ok().and_then(parse),
                        }
                    }
                },
            };
            match value {
                Some(value) if value == self.missing => {}
                Some(value) if value >= low && value <= high => *cell = value,
                _ => odd = true,
            }
        }
        let rest = body.get(at..end).unwrap_or_default();
        // A last cell that is empty looks like a delimiter at the end of the line.
        let empty_last = count + 1 == cells.len() && end > start && body.get(end - 1) == Some(&self.delimiter);
        Row {
            cells: count + usize::from(empty_last),
            more: rest.iter().any(|b| *b != self.delimiter && !b.is_ascii_whitespace()),
            odd,
        }
    }

    /// Counts what [`Self::read`] found odd in a row.
    fn examine(&self, row: &[u8], ring: usize, meridians: usize, found: &mut Found) {
        for (meridian, token) in row.split(|b| *b == self.delimiter).take(meridians).enumerate() {
            let place = Place { ring, meridian };
            match decode(token.trim_ascii()).as_ref() {
                "" => {}
                token => match parse(token) {
                    None => found.unreadable.add(place),
                    Some(value) if value == self.missing || (self.range.0..=self.range.1).contains(&value) => {}
                    Some(_) => found.out_of_range.add(place),
                },
            }
        }
    }

    /// Whether the last number of `body` has fewer decimals than the one before it.
    fn shortened(&self, body: &[u8]) -> bool {
        let decimals = |token: &[u8]| memchr(self.mark, token).map_or(0, |mark| token.len() - mark - 1);
        let Some(last) = memrchr(self.delimiter, body) else { return false };
        let before = body.get(..last).unwrap_or_default();
        let before = before.get(memrchr(self.delimiter, before).map_or(0, |at| at + 1)..).unwrap_or_default();
        decimals(body.get(last + 1..).unwrap_or_default()) < decimals(before)
    }
}
