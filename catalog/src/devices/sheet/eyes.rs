//! Headers that name the eye of their column, as in sheets with one row a visit: `AVSC OD`, `OG_Sph`, `Cyl (droit)`.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::text::label;
use crate::device::Eye;

/// A longer header has no mark.
const MAX_WORDS: usize = 12;

/// What marks a column as one eye's, before, after or within its header.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EyeMarks {
    right: Vec<String>,
    left: Vec<String>,
}

/// A column of one eye.
pub(super) struct Marked {
    /// Index into [`super::Sheet::columns`].
    pub(super) column: usize,
    pub(super) eye: Eye,
    /// The header without the mark.
    pub(super) bare: String,
    /// Whether the mark counts by itself. One of one letter counts only where the other eye has the same column: `D` is also the
    /// dioptre.
    pub(super) sure: bool,
}

impl EyeMarks {
    /// The known column and the eye that a header names together.
    pub(super) fn find(&self, labels: &HashMap<String, usize>, header: &str) -> Option<Marked> {
        // Every file is looked at as a sheet, and most lines of most are numbers.
        if !header.bytes().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()) {
            return None;
        }
        let words = words(header);
        if words.len() > MAX_WORDS {
            return None;
        }
        // Marks of several words first: `oeil droit` before `droit`, `O.D.` before `O`.
        (1..=words.len().min(3)).rev().find_map(|length| {
            words.windows(length).find_map(|mark| {
                let (start, end) = (mark.first()?.0, mark.last()?.1);
                let text = label(header.get(start..end)?);
                let is = |marks: &[String]| marks.iter().any(|mark| label(mark) == text);
                let eye = match (is(&self.right), is(&self.left)) {
                    (true, false) => Eye::Od,
                    (false, true) => Eye::Os,
                    _ => return None,
                };
                let bare = format!("{} {}", header.get(..start)?, header.get(end..)?).replace("( )", "").replace("[ ]", "");
                let bare = bare.trim_matches(|c: char| c.is_whitespace() || "-_/:.,".contains(c)).to_owned();
                let column = *labels.get(&label(&bare))?;
                Some(Marked { column, eye, bare, sure: text.chars().count() > 1 })
            })
        })
    }
}

/// Where the words of a header begin and end.
fn words(header: &str) -> Vec<(usize, usize)> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    for (at, letter) in header.char_indices().filter(|(_, letter)| letter.is_alphanumeric()) {
        let end = at + letter.len_utf8();
        match words.last_mut() {
            Some((_, last)) if *last == at => *last = end,
            _ => words.push((at, end)),
        }
        if words.len() > MAX_WORDS {
            break;
        }
    }
    words
}
