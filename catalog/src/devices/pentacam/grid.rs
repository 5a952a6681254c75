//! The grids of a file: where they lie, and their cells, placed by the coordinates that stand beside them.

use super::super::cells::{Odd, Row, Scale, Tally, is_blank, line_at};
use super::super::number::{Shape, parse};
use super::super::text::decode;
use super::Grid;

/// A line with at least so many delimiters is a row of cells, whatever it begins with.
const ROW_DELIMITERS: usize = 16;
/// A first line of a grid has at least so many coordinates.
const AXIS_NUMBERS: usize = 16;
/// A file has fewer grids than this; the rest of a longer one is left out.
const MAX_GRIDS: usize = 64;
/// A file has fewer lines outside its grids than this; the rest of a longer one is left out.
const MAX_OTHERS: usize = 4000;
/// So many cells are looked at to tell whether the numbers of a grid have decimals.
const SAMPLED_CELLS: usize = 200;

/// A line of horizontal coordinates and the rows below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// What stands before the coordinates.
    pub(super) label: &'a [u8],
    axis: &'a [u8],
    delimiter: u8,
    body: &'a [u8],
    /// Whether the file ends with this block.
    last: bool,
}

/// The grids of a file, and the lines before, between and after them.
pub(super) fn split(bytes: &[u8]) -> (Vec<Block<'_>>, Vec<&[u8]>) {
    let (mut blocks, mut others) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() && blocks.len() < MAX_GRIDS && others.len() < MAX_OTHERS {
        let line = line_at(bytes, at);
        let next = at + line.len() + 1;
        let Some((label, axis, delimiter)) = axis(line) else {
            if !is_blank(line) {
                others.push(line);
            }
            at = next;
            continue;
        };
        let body = bytes.get(next..).unwrap_or_default();
        let end = body_end(body, delimiter);
        blocks.push(Block { label, axis, delimiter, body: body.get(..end).unwrap_or_default(), last: end >= body.len() });
        at = next + end;
    }
    (blocks, others)
}

/// Label, coordinates and delimiter of the first line of a grid.
fn axis(line: &[u8]) -> Option<(&[u8], &[u8], u8)> {
    let delimiter = *line.iter().find(|b| matches!(b, b';' | b'\t' | b','))?;
    let split = line.iter().position(|b| *b == delimiter)?;
    let (label, axis) = (line.get(..split)?, line.get(split + 1..)?);
    let label = label.trim_ascii();
    let number = |token: &[u8]| std::str::from_utf8(token.trim_ascii()).ok().and_then(parse).is_some();
    // Rows begin with a number: looked at first, since nearly all lines are rows.
    if number(label) {
        return None;
    }
    let numbers = axis.split(|b| *b == delimiter).take(AXIS_NUMBERS).take_while(|token| number(token)).count();
    (numbers == AXIS_NUMBERS).then_some((label, axis, delimiter))
}

/// Where the rows of a grid end: at a line that is no row, or at the next grid.
fn body_end(body: &[u8], delimiter: u8) -> usize {
    let mut end = 0;
    while end < body.len() {
        let line = line_at(body, end);
        let start = line.trim_ascii_start().first();
        let begins_with_number = start.is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.'));
        let many = || line.iter().filter(|b| **b == delimiter).take(ROW_DELIMITERS).count() == ROW_DELIMITERS;
        let row = is_blank(line) || ((begins_with_number || many()) && axis(line).is_none());
        if !row {
            break;
        }
        end += line.len() + 1;
    }
    end.min(body.len())
}

impl Block<'_> {
    /// Whether the coordinates of the first line are those of the grid.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        columns(grid, self).is_some()
    }

    /// Whether most of the first cells have decimals; `None` where there is no cell.
    pub(super) fn has_decimals(&self) -> Option<bool> {
        let rows = self.body.split(|b| *b == b'\n');
        let cells = rows.flat_map(|row| row.trim_ascii_end().split(|b| *b == self.delimiter).skip(1));
        let (mut with, mut all) = (0, 0);
        for cell in cells.filter(|cell| cell.first().is_some_and(u8::is_ascii_digit)).take(SAMPLED_CELLS) {
            all += 1;
            with += usize::from(cell.iter().any(|b| matches!(b, b'.' | b',')));
        }
        (all > 0).then_some(2 * with > all)
    }
}

/// The cells of a grid and what was wrong with its lines.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Row by row from the top, `NaN` where missing; `None` where the coordinates are not those of the grid.
    pub(super) cells: Option<Vec<f64>>,
    /// Rows that were found a place for.
    pub(super) rows: usize,
    /// Rows whose coordinate is unreadable, off the grid or there already.
    pub(super) unplaced: usize,
    /// Rows with fewer cells than the grid.
    pub(super) short: Tally<usize>,
    /// Rows with more.
    pub(super) long: Tally<usize>,
    /// Cells that are no numbers.
    pub(super) unreadable: Tally<usize>,
    /// Cells that the instrument can't have measured.
    pub(super) out_of_range: Tally<usize>,
    /// Whether the file ends before the grid does.
    pub(super) cut: bool,
}

/// Reads the cells of `block`. A row stands where its coordinate says, a cell where that of its column says, so that what is
/// missing stays missing, and a file that is written from the bottom or from the right is read all the same.
pub(super) fn read(grid: Grid, range: (f64, f64), block: &Block<'_>) -> Found {
    let mut found = Found::default();
    let Some(columns) = columns(grid, block) else { return found };
    let size = grid.size;
    let in_order = columns.len() == size && columns.iter().enumerate().all(|(at, column)| at == *column);
    let mut scale = Scale { delimiter: block.delimiter, mark: b'.', missing: f64::NAN, range };
    if block.delimiter != b',' && !block.axis.contains(&b'.') && block.axis.contains(&b',') {
        scale.mark = b',';
    }
    let mut cells = vec![f64::NAN; grid.cells()];
    let mut taken = vec![false; size];
    let mut scattered = if in_order { Vec::new() } else { vec![f64::NAN; columns.len()] };
    let mut shape: Option<Shape> = None;
    let mut last: Option<(usize, Row)> = None;
    let mut last_odd = None;
    let mut at = 0;
    while at < block.body.len() {
        let line = line_at(block.body, at);
        let (start, end) = (at, at + trimmed(line).len());
        at += line.len() + 1;
        if is_blank(line) {
            continue;
        }
        let label = line.split(|b| *b == block.delimiter).next().unwrap_or_default();
        let place = std::str::from_utf8(label).ok().and_then(parse).and_then(|y| grid.index(-y));
        let Some(row) = place.filter(|row| taken.get(*row) == Some(&false)) else {
            found.unplaced += 1;
            last = None;
            continue;
        };
        if let Some(slot) = taken.get_mut(row) {
            *slot = true;
        }
        found.rows += 1;
        let from = (start + label.len() + 1).min(end);
        let Some(target) = cells.get_mut(row * size..(row + 1) * size) else { continue };
        let read = if in_order {
            scale.read(block.body, from, end, target, &mut shape)
        } else {
            scattered.fill(f64::NAN);
            let read = scale.read(block.body, from, end, &mut scattered, &mut shape);
            for (cell, column) in scattered.iter().zip(&columns) {
                if let Some(slot) = target.get_mut(*column) {
                    *slot = *cell;
                }
            }
            read
        };
        if read.cells < columns.len() {
            found.short.add(row);
        }
        if read.more {
            found.long.add(row);
        }
        if read.odd {
            let line = block.body.get(from..end).unwrap_or_default();
            scale.examine(line, columns.len(), |at, odd| {
                let cell = row * size + columns.get(at).copied().unwrap_or_default();
                match odd {
                    Odd::Unreadable => found.unreadable.add(cell),
                    Odd::OutOfRange => found.out_of_range.add(cell),
                }
                last_odd = Some((cell, odd));
            });
        }
        last = Some((row, read));
    }
    let unfinished = block.last && !block.body.ends_with(b"\n");
    found.cut = block.last && (found.rows + found.unplaced < size || unfinished);
    if let Some((row, read)) = last.filter(|_| unfinished && block.last) {
        // The last number of a file that was cut may lack digits: it is missing, and nothing is said of what is left of it.
        let at = row * size + columns.get(read.cells.saturating_sub(1)).copied().unwrap_or_default();
        if let Some(cell) = cells.get_mut(at) {
            *cell = f64::NAN;
        }
        match last_odd {
            Some((odd_at, Odd::Unreadable)) if odd_at == at => found.unreadable.take_back(),
            Some((odd_at, Odd::OutOfRange)) if odd_at == at => found.out_of_range.take_back(),
            _ => {}
        }
    }
    found.cells = Some(cells);
    found
}

/// A line without blanks at its end; a tab there may stand for empty cells.
fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b'\r' | b' ')).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

/// The column of every coordinate in the first line; `None` where they are not those of the grid or one stands twice.
fn columns(grid: Grid, block: &Block<'_>) -> Option<Vec<usize>> {
    let text = decode(block.axis.trim_ascii_end());
    let delimiter = char::from(block.delimiter);
    let mut taken = vec![false; grid.size];
    let mut columns = Vec::with_capacity(grid.size);
    for token in text.trim_end_matches(delimiter).split(delimiter) {
        let column = grid.index(parse(token)?)?;
        let slot = taken.get_mut(column).filter(|taken| !**taken)?;
        *slot = true;
        columns.push(column);
    }
    Some(columns)
}
