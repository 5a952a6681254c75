//! Faults of a whole file, or of a line of any sheet.

use super::super::random::Draw;
use super::Lines;

/// The bytes as UTF-8 with a byte order mark.
pub(super) fn utf8_bom(bytes: Vec<u8>) -> Vec<u8> {
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(&bytes).0.into_owned(),
    };
    format!("\u{feff}{text}").into_bytes()
}

pub(super) fn line_feed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.retain(|&byte| byte != b'\r');
    bytes
}

/// Every line ends CR CR LF, as a file that was opened as text twice.
pub(super) fn cr_cr_lf(bytes: Vec<u8>) -> Vec<u8> {
    each_line(&bytes, |_, line, out| {
        out.extend_from_slice(line);
        out.push(b'\r');
    })
}

/// A column without a name and without values.
pub(super) fn blank_header(bytes: Vec<u8>) -> Vec<u8> {
    let delimiter = delimiter(&bytes);
    each_line(&bytes, |_, line, out| {
        out.extend_from_slice(line);
        out.push(delimiter);
    })
}

/// A column that no layout knows.
pub(super) fn column_unknown(bytes: Vec<u8>) -> Vec<u8> {
    let delimiter = delimiter(&bytes);
    each_line(&bytes, |number, line, out| {
        out.extend_from_slice(line);
        out.push(delimiter);
        out.extend_from_slice(if number == 0 { b"Salle 3" } else { b"x" });
    })
}

/// The last third is missing, in the middle of a line.
pub(super) fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() * 2 / 3 + 1);
    if bytes.ends_with(b"\n") {
        bytes.truncate(bytes.len() - 4);
    }
    bytes
}

/// The disk was full.
pub(super) fn emptied(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    bytes
}

/// The end of a line was not typed.
pub(super) fn row_short(line: &mut Vec<u8>, _: &mut Draw) {
    let delimiter = delimiter(line);
    // Behind the identity, date and eye, so that the row still says whose it is.
    if let Some(end) = line.iter().enumerate().filter(|(_, byte)| **byte == delimiter).nth(11).map(|(at, _)| at) {
        line.truncate(end);
    }
}

/// A quote in the last field that nothing closes.
pub(super) fn stray_quote(line: &mut Vec<u8>, _: &mut Draw) {
    let delimiter = delimiter(line);
    if let Some(last) = line.iter().rposition(|&byte| byte == delimiter) {
        line.truncate(last + 1);
        line.extend_from_slice(b"\"revoir");
    }
}

fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
    if count(b';') >= count(b',') { b';' } else { b',' }
}

fn each_line(bytes: &[u8], mut write: impl FnMut(usize, &[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 256);
    let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
    for (number, line) in body.split(|&byte| byte == b'\n').enumerate() {
        write(number, line.strip_suffix(b"\r").unwrap_or(line), &mut out);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Pads every line to the widest, as a spreadsheet does.
pub(super) fn padded(lines: &mut Lines, delimiter: u8) {
    let count = |line: &Vec<u8>| line.iter().filter(|byte| **byte == delimiter).count();
    let width = lines.iter().map(count).max().unwrap_or(0);
    for line in lines {
        let missing = width - count(line);
        line.extend(std::iter::repeat_n(delimiter, missing));
    }
}
