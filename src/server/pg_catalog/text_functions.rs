//! Functions of texts and bytes in PostgreSQL's way: parts found by a regular expression, `encode` and `decode`.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use regex::{Regex, RegexBuilder};

use super::functions::{Arguments, Function, Returns, function, text};
use super::regular_expressions::invalid_regex;
use crate::server::error::PgError;

/// Characters of a line of base64.
const LINE: usize = 76;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("placido_substring", Returns::Text, |_, arguments, row| {
        let Some(value) = arguments.text(0, row) else { return text(None::<String>) };
        let by_place = arguments.array(1).is_some_and(|array| array.data_type().is_integer());
        if by_place {
            let skipped = |from: i64| usize::try_from(from.saturating_sub(1)).unwrap_or(0);
            return text(arguments.int(1, row).map(|from| value.chars().skip(skipped(from)).collect::<String>()));
        }
        match arguments.text(1, row) {
            Some(pattern) => text(found(&value, &pattern)?),
            None => text(None::<String>),
        }
    }),
    function("bpchar", Returns::Of("bpchar"), |_, arguments, row| text(arguments.text(0, row))),
    function("encode", Returns::Text, |_, arguments, row| {
        let (Some(bytes), Some(format)) = (bytes(arguments, row)?, arguments.text(1, row)) else { return text(None::<String>) };
        text(Some(encode(&bytes, &format)?))
    }),
    function("decode", Returns::Of("bytea"), |_, arguments, row| {
        let (Some(written), Some(format)) = (arguments.text(0, row), arguments.text(1, row)) else {
            return Ok(ScalarValue::Binary(None));
        };
        Ok(ScalarValue::Binary(Some(decode(&written, &format)?)))
    }),
];

/// What a regular expression finds: its first group, or all of it where it has none.
fn found(value: &str, pattern: &str) -> Result<Option<String>, PgError> {
    thread_local! {
        /// One pattern is asked for many rows.
        static LAST: RefCell<Option<(String, Regex)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(known, _)| known != pattern) {
            // Unlike elsewhere, `.` matches the end of a line.
            let regex = RegexBuilder::new(pattern).dot_matches_new_line(true).build().map_err(|error| invalid_regex(&error))?;
            *last = Some((pattern.to_owned(), regex));
        }
        let captures = last.as_ref().and_then(|(_, regex)| regex.captures(value));
        Ok(captures.and_then(|captures| captures.get(usize::from(captures.len() > 1))).map(|part| part.as_str().to_owned()))
    })
}

/// The first argument as bytes. A text is one in PostgreSQL's spelling of `bytea`.
fn bytes(arguments: &Arguments, row: usize) -> Result<Option<Vec<u8>>> {
    let Some(array) = arguments.array(0).filter(|array| array.is_valid(row)) else { return Ok(None) };
    if matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        let written = arguments.text(0, row).unwrap_or_default();
        return Ok(Some(match written.strip_prefix("\\x") {
            Some(digits) => decode(digits, "hex")?,
            None => decode(&written, "escape")?,
        }));
    }
    let bytes = cast(&array.slice(row, 1), &DataType::Binary)?;
    Ok(bytes.is_valid(0).then(|| bytes.as_binary::<i32>().value(0).to_vec()))
}

fn unknown(format: &str) -> PgError {
    PgError::new("22023", format!("unrecognized encoding: \"{format}\""))
}

fn encode(bytes: &[u8], format: &str) -> Result<String, PgError> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => {
            let whole = STANDARD.encode(bytes);
            let lines = whole.as_bytes().chunks(LINE).filter_map(|line| std::str::from_utf8(line).ok());
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        "escape" => {
            let mut out = Vec::with_capacity(bytes.len());
            for byte in bytes {
                match byte {
                    0 | 0x80.. => out.extend(format!("\\{byte:03o}").bytes()),
                    b'\\' => out.extend(b"\\\\"),
                    byte => out.push(*byte),
                }
            }
            String::from_utf8(out).map_err(|_| PgError::new("XX000", "bytes that are no text were not escaped"))
        }
        _ => Err(unknown(format)),
    }
}

/// The bytes of a text in the format `escape`, if it is one.
pub(crate) fn unescaped(written: &str) -> Option<Vec<u8>> {
    decode(written, "escape").ok()
}

fn decode(written: &str, format: &str) -> Result<Vec<u8>, PgError> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => {
            let digits: String = written.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')).collect();
            if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
                return Err(PgError::new("22023", format!("invalid hexadecimal digit: \"{wrong}\"")));
            }
            hex::decode(digits).map_err(|_| PgError::new("22023", "invalid hexadecimal data: odd number of digits"))
        }
        "base64" => {
            let symbols: String = written.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')).collect();
            STANDARD.decode(symbols).map_err(|error| match error {
                base64::DecodeError::InvalidByte(_, byte) => {
                    PgError::new("22023", format!("invalid symbol \"{}\" found while decoding base64 sequence", char::from(byte)))
                }
                _ => PgError::new("22023", "invalid base64 end sequence")
                    .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted."),
            })
        }
        "escape" => {
            let wrong = || PgError::new("22P02", "invalid input syntax for type bytea");
            let mut out = Vec::with_capacity(written.len());
            let mut rest = written.as_bytes();
            while let [first, after @ ..] = rest {
                let (byte, next) = match (first, after) {
                    (b'\\', [b'\\', next @ ..]) => (b'\\', next),
                    (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', next @ ..]) => {
                        ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), next)
                    }
                    (b'\\', _) => return Err(wrong()),
                    (other, next) => (*other, next),
                };
                out.push(byte);
                rest = next;
            }
            Ok(out)
        }
        _ => Err(unknown(format)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read_as_postgres_does_it() {
        // PostgreSQL 15: select encode(…, 'escape'), decode(…, 'escape')
        assert_eq!(encode(&[b'a', b'\\', 0, 255], "escape").unwrap(), r"a\\\000\377");
        assert_eq!(decode("a\\000\\\\b", "ESCAPE").unwrap(), b"a\0\\b");
        for (written, format, code) in [
            ("a\\", "escape", "22P02"),
            ("0g", "hex", "22023"),
            ("0", "hex", "22023"),
            ("abc", "base64", "22023"),
            ("", "x", "22023"),
        ] {
            assert_eq!(decode(written, format).unwrap_err().code, code, "{written}");
        }
    }

    #[test]
    fn a_group_is_what_is_looked_for() {
        // PostgreSQL 15: select substring('foobar' from …)
        for (pattern, expected) in
            [("o(.)b", Some("o")), ("o.b", Some("oob")), ("z", None), ("(z)?f", None), ("b(a)(r)", Some("a"))]
        {
            assert_eq!(found("foobar", pattern).unwrap().as_deref(), expected, "{pattern}");
        }
        assert_eq!(found("a", "(").unwrap_err().code, "2201B");
    }
}
