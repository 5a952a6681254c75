//! CSV as PostgreSQL's COPY writes it: nothing for NULL, quotes for an empty text.

use std::borrow::Cow;

/// A field; quoted where it must be.
pub(super) fn field(text: Option<&str>) -> Cow<'_, str> {
    match text {
        None => Cow::Borrowed(""),
        Some(text) if text.is_empty() || text.contains([',', '"', '\r', '\n']) || text == "\\." => {
            Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
        }
        Some(text) => Cow::Borrowed(text),
    }
}

/// A line of fields.
pub(super) fn line<'a>(fields: impl Iterator<Item = Option<&'a str>>) -> String {
    let fields: Vec<Cow<'a, str>> = fields.map(field).collect();
    let mut line = fields.join(",");
    line.push('\n');
    line
}

/// Counts the rows of CSV that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Counter {
    rows: u64,
    quoted: bool,
}

impl Counter {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => self.rows += 1,
                _ => {}
            }
        }
    }

    /// Rows, the header aside.
    pub(super) fn rows(&self) -> u64 {
        self.rows.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn fields_as_postgresql_writes_them() {
        let fields = [Some("a"), None, Some(""), Some("5/10, \"f\""), Some("-2,25"), Some("two\nlines")];
        assert_eq!(line(fields.into_iter()), "a,,\"\",\"5/10, \"\"f\"\"\",\"-2,25\",\"two\nlines\"\n");
    }

    #[test]
    fn rows_are_counted_across_pieces() {
        let mut counter = Counter::default();
        for piece in ["a,b\n1,\"x", "\ny\"\"", "\"\n2,3\n"] {
            counter.add(piece.as_bytes());
        }
        assert_eq!(counter.rows(), 2);
    }
}
