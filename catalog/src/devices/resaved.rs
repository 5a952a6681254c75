//! Exports that a spreadsheet has saved again: its quotes, the delimiters with which it pads every line to the widest one, and the
//! returns with which old Macintoshes end lines, are taken away before a device's reader sees them. Sheets need no such pass, since
//! their reader knows quotes and empty fields.

use std::borrow::Cow;

use memchr::{memchr, memrchr};

use super::cells::line_at;
use super::number::parse;
use super::text::{begins_with_returns, decode_head, without_mark};

/// So many delimiters at the end of a line are a spreadsheet's padding; devices write one or two.
const PADDING: usize = 8;

/// The bytes of an export as its device wrote them, without a byte order mark.
pub(crate) fn as_exported(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = match without_mark(bytes) {
        Cow::Borrowed(bytes) => fed(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned),
        Cow::Owned(bytes) => Cow::Owned(fed(&bytes).unwrap_or(bytes)),
    };
    match restored(&bytes) {
        Some(restored) => Cow::Owned(restored),
        None => bytes,
    }
}

/// The bytes with line feeds in place of returns; nothing where lines end with line feeds.
fn fed(bytes: &[u8]) -> Option<Vec<u8>> {
    let returns = begins_with_returns(bytes) && memchr(b'\n', bytes).is_none();
    returns.then(|| bytes.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}

/// The head of such a file for recognition, in whole lines.
pub(crate) fn exported_head(head: &[u8], size: u64) -> String {
    let text = decode_head(head, size);
    let text = if begins_with_returns(text.as_bytes()) && !text.contains('\n') { text.replace('\r', "\n") } else { text };
    match restored(text.as_bytes()) {
        Some(bytes) => String::from_utf8(bytes).unwrap_or(text),
        None => text,
    }
}

/// The bytes without quotes and padding; nothing where there are none.
fn restored(bytes: &[u8]) -> Option<Vec<u8>> {
    let quotes = memchr(b'"', bytes).is_some();
    let is_padded = lines(bytes).any(|(line, _)| padding(line) > 0);
    if !quotes && !is_padded {
        return None;
    }
    let mut decimals = None;
    let mut out = Vec::with_capacity(bytes.len());
    for (line, end) in lines(bytes) {
        let unquoted = if quotes { unquoted(line, || *decimals.get_or_insert_with(|| decimal_commas(bytes))) } else { None };
        let line = unquoted.as_deref().unwrap_or(line);
        if !is_padded || !is_blank(line) {
            out.extend_from_slice(line.get(..line.len() - padding(line)).unwrap_or_default());
        }
        out.extend_from_slice(end);
    }
    Some(out)
}

/// The lines of a file, each with its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let line = line_at(bytes, at);
        at += line.len() + 1;
        let text = line.iter().rposition(|b| *b != b'\r').map_or(0, |last| last + 1);
        let whole = rest.get(..line.len() + 1).unwrap_or(rest);
        Some(whole.split_at(text))
    })
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b';' | b',' | b'\t')
}

/// Whether nothing but delimiters stands in a line: blank before it was padded.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| is_delimiter(*b) || b.is_ascii_whitespace())
}

/// Whether a line begins as rows of numbers do: empty cells at its end are its own.
fn is_row(line: &[u8]) -> bool {
    match line.trim_ascii_start() {
        [] | [b'0'..=b'9' | b'.' | b';' | b',', ..] | [b'-' | b'+', b'0'..=b'9' | b'.', ..] => true,
        _ => line.first() == Some(&b'\t'),
    }
}

/// How many delimiters at the end of a line are padding.
fn padding(line: &[u8]) -> usize {
    let Some(last) = line.last().filter(|last| is_delimiter(**last)) else { return 0 };
    let run = line.iter().rev().take_while(|b| *b == last).count();
    if run >= PADDING && !is_row(line) { run } else { 0 }
}

/// The line without its quotes; nothing where it has none that are a spreadsheet's. In a row of cells a delimiter inside quotes
/// must not divide the cell: a decimal comma becomes a point where the file shows that it is one (`decimals`).
fn unquoted(line: &[u8], mut decimals: impl FnMut() -> bool) -> Option<Vec<u8>> {
    memchr(b'"', line)?;
    let mut fields: Vec<(Cow<'_, [u8]>, bool)> = Vec::new();
    let mut delimiter = None;
    let mut rest = line;
    loop {
        let ends = |byte: u8| delimiter.map_or(is_delimiter(byte), |known| byte == known);
        let length = match rest {
            [b'"', ..] => {
                let (field, length) = quoted(rest)?;
                if rest.get(length).is_some_and(|byte| !ends(*byte)) {
                    return None;
                }
                fields.push((field, true));
                length
            }
            _ => {
                let length = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
                fields.push((Cow::Borrowed(rest.get(..length)?), false));
                length
            }
        };
        let Some(next) = rest.get(length) else { break };
        delimiter = Some(*next);
        rest = rest.get(length + 1..)?;
    }
    let delimiter = delimiter.unwrap_or(b';');
    if !fields.iter().any(|(_, quoted)| *quoted) {
        return None;
    }
    let row = fields.len() > 1 && fields.first().is_some_and(|(field, _)| is_row(field));
    let mut out = Vec::with_capacity(line.len());
    for (at, (field, quoted)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(delimiter);
        }
        if row && *quoted && field.contains(&delimiter) {
            let mark = if delimiter == b',' && with_comma(field).is_some() && decimals() { b'.' } else { b'_' };
            out.extend(field.iter().map(|byte| if *byte == delimiter { mark } else { *byte }));
        } else {
            out.extend_from_slice(field);
        }
    }
    Some(out)
}

/// The field whose opening quote begins `text`, and the length of both quotes and what is between them.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let (mut at, mut doubled) = (1, false);
    loop {
        at += memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            break;
        }
        doubled = true;
        at += 2;
    }
    let inner = text.get(1..at)?;
    if !doubled {
        return Some((Cow::Borrowed(inner), at + 1));
    }
    let mut field = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr(b'"', rest) {
        field.extend_from_slice(rest.get(..=quote)?);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    field.extend_from_slice(rest);
    Some((Cow::Owned(field), at + 1))
}

/// Digits after the comma of a number with one comma and no point.
fn with_comma(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim();
    let (_, decimals) = text.split_once(',')?;
    (!text.contains('.') && parse(text).is_some()).then_some(decimals.len())
}

/// Whether quoted numbers of the file have decimal commas: some has other than three digits after it, as no thousands have.
fn decimal_commas(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(comma) = memchr(b',', rest) {
        let (before, after) = rest.split_at(comma);
        let start = memrchr(b'"', before.get(before.len().saturating_sub(16)..).unwrap_or_default())
            .map(|quote| before.len() - before.len().min(16) + quote + 1);
        let end = memchr(b'"', after.get(..after.len().min(24)).unwrap_or_default());
        if let (Some(start), Some(end)) = (start, end)
            && let Some(decimals) = rest.get(start..comma + end).and_then(with_comma)
            && decimals != 3
        {
            return true;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn text(bytes: &str) -> String {
        String::from_utf8(as_exported(bytes.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn padding_goes_and_empty_cells_stay() {
        let pad = ";".repeat(12);
        assert_eq!(text(&format!("Key;1{pad}\r\n{pad}\r\n1;2{pad}\r\n####{pad}")), format!("Key;1\r\n\r\n1;2{pad}\r\n####"));
        // Of a file without padded headers, every cell is its own.
        for same in [format!("1;2{pad}\n{pad}\n"), "Key;1;;\n;;\n1;2\n".to_owned(), "Key;a\n\n\n".to_owned(), String::new()] {
            assert_eq!(text(&same), same);
            assert!(matches!(as_exported(same.as_bytes()), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn returns_of_old_macintoshes_become_line_feeds() {
        assert_eq!(text("Key;1\r\r1;2\r"), "Key;1\n\n1;2\n");
        assert_eq!(exported_head(b"Key;1\r1;2\r3", 100), "Key;1\n1;2");
        for same in ["Key;1\r\n1;2\r\n", "Key;1\r\r\n1;2\r\r\n", "a\rb\n", "a\nb\r"] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn quotes_go() {
        assert_eq!(text("\"Key\";\"P1\"\r\n\"a [mm]\"\r\n\"7.8\";\"-1000\";\"\"\n"), "Key;P1\r\na [mm]\r\n7.8;-1000;\n");
        assert_eq!(text("Key,\"a \"\"b\"\" c\",\"d\"\n"), "Key,a \"b\" c,d\n");
        assert_eq!(text("\"Name;DU,PONT\"\n"), "Name;DU,PONT\n");
        // Quotes that are letters stay.
        for same in ["Key;5\" x\n", "\"a\"b;c\n", "\"open;1\n2;3\n", "{\"a\":\"b\"}\n"] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn a_comma_in_quotes_never_divides_a_cell() {
        assert_eq!(text("\"7,8\",\"7,912\"\n"), "7.8,7.912\n");
        // 1,234 alone may be a thousand or a decimal: no number at all.
        assert_eq!(text("\"1,234\",\"5,678\"\n"), "1_234,5_678\n");
        assert_eq!(text("1.5;\"2;5\"\n"), "1.5;2_5\n");
        assert_eq!(text("Pupil,\"0,12\"\n\"0,1615\"\n"), "Pupil,0,12\n0,1615\n");
    }
}
