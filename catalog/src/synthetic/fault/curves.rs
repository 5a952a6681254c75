//! Faults of files of curves, made in their lines: ten lines of title, identity and header, then a line a frame.

use super::super::random::Draw;
use super::Lines;

const HEADER: usize = 10;

fn a_frame(lines: &Lines, draw: &mut Draw) -> usize {
    HEADER + 5 + draw.below(lines.len().saturating_sub(HEADER + 20).max(1))
}

/// Changes the deformation amplitude of a frame.
fn amplitude(lines: &mut Lines, draw: &mut Draw, text: &[u8]) {
    let at = a_frame(lines, draw);
    if let Some(line) = lines.get_mut(at) {
        let mut fields: Vec<&[u8]> = line.split(|&byte| byte == b';').collect();
        if let Some(field) = fields.get_mut(3) {
            *field = text;
        }
        *line = fields.join(&b';');
    }
}

pub(super) fn frame_lost(lines: &mut Lines, draw: &mut Draw) {
    let at = a_frame(lines, draw);
    if at < lines.len() {
        lines.remove(at);
    }
}

pub(super) fn cell_unreadable(lines: &mut Lines, draw: &mut Draw) {
    amplitude(lines, draw, b"#NV");
}

pub(super) fn cell_out_of_range(lines: &mut Lines, draw: &mut Draw) {
    amplitude(lines, draw, b"10.5000");
}

pub(super) fn frames_missing(lines: &mut Lines, _: &mut Draw) {
    lines.truncate(HEADER + 90);
}

pub(super) fn eye_missing(lines: &mut Lines, _: &mut Draw) {
    for line in lines.iter_mut().filter(|line| line.starts_with(b"Exam Eye:;")) {
        line.truncate("Exam Eye:;".len());
    }
}
