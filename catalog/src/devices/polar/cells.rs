//! Map blocks: where they lie in the file, and their cells as numbers.

use super::super::cells::{Odd, Scale, Tally, is_blank, line_at};
use super::super::number::parse;
use super::super::text::{decode, label};
use super::{Layout, Map};

/// A line with at least so many delimiters is a row of cells, whatever it begins with.
const ROW_DELIMITERS: usize = 8;

/// Radii stand within so many lines.
const MAX_PREAMBLE: usize = 400;
/// Longer lines are no row of radii.
const MAX_RADII: usize = 4096;
/// Names of maps have at most so many words.
const MAX_WORDS: usize = 4;
/// Fewer rows than rings are the file's own way only where so many maps have them.
const AGREEING_MAPS: usize = 3;
/// Neighbouring rows with so many equal cells are one row twice.
const DOUBLED_CELLS: usize = 16;
/// Longer lines are no headers.
const MAX_HEADER: usize = 400;

/// A header line and the rows after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// Index into [`Layout::maps`]; `None` for a map that the layout does not know.
    pub(super) map: Option<usize>,
    /// The lines after the header, up to the next header or the end of the file.
    pub(super) body: &'a [u8],
    /// Lines of it that are not blank.
    pub(super) rows: usize,
    /// Whether the file ends with this block.
    pub(super) last: bool,
}

/// Walks over the maps of a file. Only line ends and the first bytes of lines are looked at.
#[derive(Debug, Clone)]
pub(super) struct Blocks<'a> {
    layout: &'a Layout,
    rest: &'a [u8],
    preamble: &'a [u8],
    /// Whether a map was met.
    begun: bool,
    another: bool,
}

impl<'a> Blocks<'a> {
    /// Splits the preamble off; it ends at the first header that is followed by cells or is known by its first word.
    pub(super) fn new(layout: &'a Layout, bytes: &'a [u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            let next = at + line.len() + 1;
            let follows = || has_cells(line_at(bytes, next));
            if known(layout, line).is_some() || (is_header(line) || inside(layout, line).is_some()) && follows() {
                break;
            }
            at = next;
        }
        let (preamble, rest) = bytes.split_at(at.min(bytes.len()));
        Self { layout, rest, preamble, begun: false, another: false }
    }

    /// Everything before the first map.
    pub(super) fn preamble(&self) -> &'a [u8] {
        self.preamble
    }

    /// Whether a second exam was met below the maps of the first. Nothing of it is a block, so that no exam has maps of two.
    pub(super) fn another(&self) -> bool {
        self.another
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        while !self.rest.is_empty() {
            let header = line_at(self.rest, 0);
            if self.begun && is_identity(self.layout, header) {
                self.another = true;
                self.rest = &[];
                return None;
            }
            let body = self.rest.get(header.len() + 1..).unwrap_or_default();
            let (mut end, mut rows) = (0, 0);
            while end < body.len() {
                let line = line_at(body, end);
                if !is_blank(line) {
                    if !is_row(line) {
                        break;
                    }
                    rows += 1;
                }
                end += line.len() + 1;
            }
            let (body, rest) = body.split_at(end.min(body.len()));
            self.rest = rest;
            let filled = rows > 0;
            let map = known(self.layout, header).or_else(|| if filled { inside(self.layout, header) } else { None });
            // Separators and stray lines between maps are no maps.
            if map.is_some() || (is_header(header) && filled) {
                self.begun |= map.is_some();
                return Some(Block { map, body, rows, last: rest.is_empty() });
            }
        }
        None
    }
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

/// Whether a line is a row with a cell that is filled.
fn has_cells(line: &[u8]) -> bool {
    is_row(line) && line.iter().any(u8::is_ascii_digit)
}

/// Whether a line says whose exam follows.
fn is_identity(layout: &Layout, line: &[u8]) -> bool {
    const IDENTITY: [&str; 3] = ["patient_number", "eye", "exam_date"];
    let Some(end) = line.iter().position(|b| matches!(b, b';' | b',' | b'\t')).filter(|end| *end <= MAX_HEADER) else {
        return false;
    };
    let name = label(&decode(line.get(..end).unwrap_or_default()));
    layout.keys.iter().any(|key| IDENTITY.contains(&key.column.as_str()) && label(&key.key) == name)
}

/// The map whose name stands among the words of `line`; none where those of two do. Names hold one another only as parts of words.
fn inside(layout: &Layout, line: &[u8]) -> Option<usize> {
    if line.len() > MAX_HEADER || is_row(line) {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|b| !b.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is = |known: &String| {
        (1..=MAX_WORDS).any(|count| words.windows(count).any(|name| bare(known.as_bytes()).eq(name.iter().flat_map(|w| bare(w)))))
    };
    let mut found = layout.maps.iter().enumerate().filter(|(_, map)| is(&map.header) || map.aliases.iter().any(is));
    let (index, _) = found.next()?;
    found.next().is_none().then_some(index)
}

/// The map whose header `line` is: its name stands first or before a bracket, blanks and underscores do not count.
fn known(layout: &Layout, line: &[u8]) -> Option<usize> {
    let line = line.trim_ascii_start();
    if !line.first().is_some_and(u8::is_ascii_alphabetic) || line.len() > MAX_HEADER {
        return None;
    }
    let find = |end: fn(&u8) -> bool| {
        let name = line.get(..line.iter().position(end).unwrap_or(line.len()))?;
        let is = |known: &String| bare(known.as_bytes()).eq(bare(name));
        layout.maps.iter().position(|map| is(&map.header) || map.aliases.iter().any(is))
    };
    find(|b| !b.is_ascii_alphanumeric() && *b != b'_').or_else(|| find(|b| matches!(b, b'[' | b'(' | b';' | b',' | b'\t')))
}

/// The letters of a name in lower case, without blanks and underscores.
fn bare(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter(|b| !b.is_ascii_whitespace() && **b != b'_').map(u8::to_ascii_lowercase)
}

/// The first map in `bytes` that the layout knows.
pub(super) fn first_map(layout: &Layout, bytes: &[u8]) -> Option<usize> {
    Blocks::new(layout, bytes).find_map(|block| block.map)
}

/// A place in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) ring: usize,
    pub(super) meridian: usize,
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
    /// The ring from which on it is not known which row is which, and why. Its cells and those outside it are missing.
    pub(super) unplaced: Option<(usize, &'static str)>,
}

/// How many rows the maps of a file have: as most of them, or as the grid has rings. Fewer than those only where several maps
/// agree, since rows that were lost look the same.
pub(super) fn usual_rows(layout: &Layout, blocks: Blocks<'_>) -> usize {
    let mut rows: Vec<Option<usize>> = vec![None; layout.maps.len()];
    for block in blocks {
        if let Some(slot @ None) = block.map.and_then(|map| rows.get_mut(map)) {
            *slot = Some(block.rows);
        }
    }
    let rings = layout.grid.rings;
    let of = |count: usize| rows.iter().flatten().filter(|rows| **rows == count).count();
    let most = rows.iter().flatten().copied().max_by_key(|count| (of(*count), *count == rings));
    most.filter(|most| *most >= rings || *most > 0 && of(*most) >= AGREEING_MAPS).unwrap_or(rings)
}

/// Reads the cells of `block`. Row `i` is always ring `i`: what is missing stays missing and nothing moves. Where rows were lost,
/// doubled or broken, those that can't be placed are missing too. `usual` is the number of rows that the maps of the file have.
pub(super) fn read(layout: &Layout, map: &Map, block: &Block<'_>, usual: usize) -> Found {
    let (rings, meridians) = (layout.grid.rings, layout.grid.meridians);
    let mut map_cells = vec![f64::NAN; rings * meridians];
    let mut found = Found::default();
    let rows = rows(block.body, rings, usual, &mut found.rows);
    let Some(&(first, first_end)) = rows.iter().find(|(start, end)| start < end) else {
        return Found { cells: map_cells, cut: block.last, ..found };
    };
    let first = block.body.get(first..first_end).unwrap_or_default();
    let scale = Scale::detect(first, layout.cells.missing, map.range);
    let mut last = 0;
    let mut last_odd = None;
    let mut shape = None;
    let mut empty: Option<&[u8]> = None;
    let mut doubtful: Option<(usize, &'static str)> = None;
    let mut before: (&[u8], usize) = (&[], 0);
    for ((ring, &(start, end)), cells) in rows.iter().enumerate().zip(map_cells.chunks_exact_mut(meridians)) {
        let bytes = block.body.get(start..end).unwrap_or_default();
        if empty == Some(bytes) {
            // Outer rings are the same row of missing cells again and again.
            continue;
        }
        let row = scale.read(block.body, start, end, cells, &mut shape);
        last = row.cells;
        let doubled = before.0 == bytes && cells.iter().filter(|cell| !cell.is_nan()).count() >= DOUBLED_CELLS;
        let broken =
            (meridians..=meridians + 1).contains(&(before.1 + row.cells)) && before.1 > 0 && (1..meridians).contains(&row.cells);
        if doubled {
            doubtful.get_or_insert((ring, "two neighbouring rows are the same"));
        } else if broken {
            doubtful.get_or_insert((ring.saturating_sub(1), "a row is broken in two"));
        }
        before = (bytes, if row.cells < meridians { row.cells } else { 0 });
        if row.cells < meridians {
            found.short.add(ring);
        }
        if row.more {
            found.long.add(ring);
        }
        if row.odd {
            scale.examine(bytes, meridians, |meridian, odd| {
                let tally = match odd {
                    Odd::Unreadable => &mut found.unreadable,
                    Odd::OutOfRange => &mut found.out_of_range,
                };
                tally.add(Place { ring, meridian });
                last_odd = Some((ring * meridians + meridian, odd));
            });
        }
        let blank = row.cells == meridians && !row.more && !row.odd && cells.iter().all(|cell| cell.is_nan());
        empty = blank.then_some(bytes);
    }
    let unfinished = block.last && !block.body.ends_with(b"\n");
    found.cut = block.last && found.rows < rings || unfinished && (last < meridians || scale.shortened(block.body));
    if found.cut && unfinished {
        // The last number of a file that was cut may lack digits: it is missing, and nothing is said of what is left of it.
        let at = found.rows.min(rings).saturating_sub(1) * meridians + last.saturating_sub(1);
        if let Some(cell) = map_cells.get_mut(at) {
            *cell = f64::NAN;
        }
        match last_odd {
            Some((odd_at, Odd::Unreadable)) if odd_at == at => found.unreadable.take_back(),
            Some((odd_at, Odd::OutOfRange)) if odd_at == at => found.out_of_range.take_back(),
            _ => {}
        }
    }
    let constant = || {
        let mut present = map_cells.iter().filter(|cell| !cell.is_nan());
        present.next().is_some_and(|first| present.all(|cell| cell == first))
    };
    found.unplaced = if found.rows < usual && !(found.cut && unfinished) {
        Some((0, "rows are missing"))
    } else if found.rows > usual
        && let Some(short) = found.short.first
    {
        let first = doubtful.map_or(short, |(ring, _)| ring.min(short));
        Some((first, "there are more rows than rings, and one of them is short"))
    } else {
        doubtful.filter(|_| !constant())
    };
    if let Some((ring, _)) = found.unplaced
        && let Some(cells) = map_cells.get_mut(ring * meridians..)
    {
        cells.fill(f64::NAN);
    }
    found.cells = map_cells;
    found
}

/// Starts and ends of the first `rings` rows; `count` becomes the number of all. Blank lines at the end belong to no row, and
/// those between rows only where rows are too few and not every second line is blank: then one stands for a lost ring.
fn rows(body: &[u8], rings: usize, usual: usize, count: &mut usize) -> Vec<(usize, usize)> {
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
    if filled >= usual || blanks + 1 >= filled {
        rows.retain(|(start, end)| start < end);
        *count = filled;
    } else {
        *count = filled + blanks;
    }
    rows.truncate(rings);
    rows
}

/// The radii of the rings, where the lines before the first map have a row of them: as many numbers as the grid has rings,
/// each greater than the one before.
pub(super) fn radii(layout: &Layout, bytes: &[u8]) -> Option<Vec<f64>> {
    let (mut at, mut lines) = (0, 0);
    while at < bytes.len() && lines < MAX_PREAMBLE {
        lines += 1;
        let line = line_at(bytes, at);
        if known(layout, line).is_some() {
            return None;
        }
        if is_row(line) && line.len() < MAX_RADII {
            let scale = Scale::detect(line, f64::NAN, (0.0, f64::MAX));
            let text = decode(line.trim_ascii());
            let text = text.trim_end_matches(char::from(scale.delimiter));
            let numbers: Option<Vec<f64>> = text.split(char::from(scale.delimiter)).map(parse).collect();
            if let Some(radii) = numbers.filter(|radii| radii.len() == layout.grid.rings && radii.windows(2).all(|w| w[0] < w[1]))
            {
                return Some(radii);
            }
        }
        at += line.len() + 1;
    }
    None
}
