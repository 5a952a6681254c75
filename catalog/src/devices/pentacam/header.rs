//! The header of a file: sections of key and value lines, and the edge of the pupil.

use super::super::number::parse;
use super::super::text::{decode, filled, label};
use super::Layout;

/// A header has fewer keys than this; the rest of a longer one is left out.
const MAX_KEYS: usize = 200;
/// Longer keys are cut.
const MAX_KEY: usize = 64;
/// Longer values are cut.
const MAX_VALUE: usize = 4000;

/// What stands outside the grids.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Normalised key, key, value, in the order of the file; each key once.
    lines: Vec<(String, String, String)>,
    /// Points of the edge of the pupil as they stand in the file.
    pub(super) contour: Vec<(f64, f64)>,
    /// Lines below `X;Y;` that are no point.
    pub(super) odd_points: usize,
}

impl Header {
    /// Reads the lines of a file that belong to no grid.
    pub(super) fn parse(layout: &Layout, lines: &[&[u8]]) -> Self {
        let delimiter = delimiter(lines);
        let mut header = Self::default();
        let mut points = false;
        for line in lines {
            if points && let Some(point) = point(line, delimiter) {
                if header.contour.len() < layout.header.contour_points {
                    header.contour.push(point);
                } else {
                    header.odd_points += 1;
                }
                continue;
            }
            let text = decode(line);
            let (key, value) = text.split_once(delimiter).unwrap_or((&text, ""));
            let (key, value) = (key.trim(), value.trim().trim_end_matches(delimiter).trim());
            if key.starts_with('[') {
                points = false;
            } else if key == "X" && value == "Y" {
                points = true;
            } else if points {
                header.odd_points += 1;
            } else if !key.is_empty() {
                let name = label(key);
                if !header.lines.iter().any(|(known, ..)| *known == name) && header.lines.len() < MAX_KEYS {
                    let value = value.chars().take(MAX_VALUE).collect();
                    header.lines.push((name, key.chars().take(MAX_KEY).collect(), value));
                }
            }
        }
        header
    }

    /// Value of a key; `None` where the key is not in the file.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let name = label(key);
        self.lines.iter().find(|(known, ..)| *known == name).map(|(_, _, value)| value.as_str())
    }

    /// Value of a key, without the words that stand for nothing.
    pub(super) fn given(&self, layout: &Layout, key: &str) -> Option<&str> {
        self.value(key).and_then(filled).filter(|value| !layout.header.missing.iter().any(|word| word == value))
    }

    /// Keys of the layout that are in the file.
    pub(super) fn known(&self, layout: &Layout) -> usize {
        layout.keys.iter().filter(|key| self.value(&key.key).is_some()).count()
    }

    /// All keys and values.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        self.lines.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }
}

/// The two numbers of a line.
fn point(line: &[u8], delimiter: char) -> Option<(f64, f64)> {
    let mut parts = std::str::from_utf8(line).ok()?.splitn(3, delimiter);
    Some((parse(parts.next()?)?, parse(parts.next()?)?))
}

/// The delimiter that most lines have first.
fn delimiter(lines: &[&[u8]]) -> char {
    let count = |delimiter: u8| {
        let first = |line: &&[u8]| line.iter().find(|b| matches!(b, b';' | b'\t' | b',')) == Some(&delimiter);
        lines.iter().filter(|line| first(line)).count()
    };
    // The last of equals wins.
    [b',', b'\t', b';'].into_iter().max_by_key(|delimiter| count(*delimiter)).map_or(';', char::from)
}
