//! Faults of EyeTop files, made in their lines: the header, then a radius a line, then a height a line.

use super::super::random::Draw;
use super::Lines;

/// Lines of the header.
const HEADER: usize = 22;

fn cells(lines: &Lines) -> usize {
    lines.len().saturating_sub(HEADER) / 2
}

/// The other sign that the maker's software has for a cell that was not measured.
pub(super) fn missing_as_thousand(lines: &mut Lines, _: &mut Draw) {
    let cells = cells(lines);
    for radius in HEADER..HEADER + cells {
        if lines[radius] == b"-1" && lines[radius + cells] == b"-1" {
            lines[radius] = b"-1000".to_vec();
            lines[radius + cells] = b"-1000".to_vec();
        }
    }
}

pub(super) fn cell_unreadable(lines: &mut Lines, draw: &mut Draw) {
    let at = HEADER + draw.below(2 * cells(lines));
    if let Some(line) = lines.get_mut(at) {
        *line = b"#####".to_vec();
    }
}
