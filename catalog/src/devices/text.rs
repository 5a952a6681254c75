//! Text of device files: encodings in and out, lines, and comparison of labels.

use std::borrow::Cow;

use encoding_rs::{MACINTOSH, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::Deserialize;

use crate::issue::{Issue, IssueCode};

/// Encoding in which a layout is written. Reading never depends on it: it is found from the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Encoding {
    /// UTF-8 without a byte order mark.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, the code page of western European Windows.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// Mac OS Roman, the code page of western European Macintoshes before UTF-8.
    #[serde(rename = "macintosh")]
    Macintosh,
}

impl Encoding {
    /// Encodes `text`; a character that the encoding does not have becomes `?`, as Windows writes it.
    pub(crate) fn encode(self, text: String) -> Vec<u8> {
        let page = match self {
            Self::Utf8 => return text.into_bytes(),
            Self::Windows1252 => WINDOWS_1252,
            Self::Macintosh => MACINTOSH,
        };
        let (bytes, _, unmappable) = page.encode(&text);
        if !unmappable {
            return bytes.into_owned();
        }
        let mut buffer = [0; 4];
        let one = |c: char| {
            let (bytes, _, unmappable) = page.encode(c.encode_utf8(&mut buffer));
            if unmappable { b'?' } else { bytes.first().copied().unwrap_or(b'?') }
        };
        text.chars().map(one).collect()
    }

    /// Decodes bytes as UTF-8 or, failing that, as this code page, which can't fail.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match (self, std::str::from_utf8(bytes)) {
            (_, Ok(text)) => Cow::Borrowed(text),
            (Self::Macintosh, Err(_)) => MACINTOSH.decode_without_bom_handling(bytes).0,
            (Self::Utf8 | Self::Windows1252, Err(_)) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// Bytes without a UTF-8 byte order mark and without zero bytes at the end, and re-encoded to UTF-8 where they are UTF-16.
pub(crate) fn without_mark(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.get(..bytes.len() - zeros(bytes)).unwrap_or_default();
    match utf16(bytes) {
        Some((encoding, mark)) => {
            let text = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0;
            Cow::Owned(text.into_owned().into_bytes())
        }
        None => Cow::Borrowed(bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)),
    }
}

pub(crate) const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The kind of UTF-16 that a text is, by its mark or by the zero bytes of its Latin letters, and the length of the mark.
pub(crate) fn utf16(bytes: &[u8]) -> Option<(&'static encoding_rs::Encoding, usize)> {
    /// So many letters tell.
    const LETTERS: usize = 256;
    match bytes {
        [0xFF, 0xFE, ..] => return Some((UTF_16LE, 2)),
        [0xFE, 0xFF, ..] => return Some((UTF_16BE, 2)),
        [0, _, ..] | [_, 0, ..] => {}
        _ => return None,
    }
    let (mut little, mut big, mut other) = (0, 0, 0);
    for letter in bytes.chunks_exact(2).take(LETTERS) {
        match letter {
            [0, letter] | [letter, 0] if *letter < b' ' && !matches!(letter, b'\t' | b'\r' | b'\n') => return None,
            [_, 0] => little += 1,
            [0, _] => big += 1,
            _ => other += 1,
        }
    }
    match (little, big) {
        (4.., 0) if little > 3 * other => Some((UTF_16LE, 0)),
        (0, 4..) if big > 3 * other => Some((UTF_16BE, 0)),
        _ => None,
    }
}

/// Zero bytes at the end of a text: a disk had room for what was never written. None where no line is before them, or where the
/// text is UTF-16, whose letters have them.
fn zeros(bytes: &[u8]) -> usize {
    match bytes.iter().rposition(|b| *b != 0) {
        Some(last) if last + 1 == bytes.len() || utf16(bytes).is_some() || memchr::memchr2(b'\n', b'\r', bytes).is_none() => 0,
        Some(last) => bytes.len() - last - 1,
        _ => 0,
    }
}

/// What is lost where a file ends in zero bytes.
pub(crate) fn lost_tail(bytes: &[u8]) -> Option<Issue> {
    lost(zeros(bytes) as u64)
}

/// The issue of so many zero bytes at the end.
pub(crate) fn lost(zeros: u64) -> Option<Issue> {
    let detail = || format!("the file ends in {zeros} zero bytes: what belongs there was never written");
    (zeros > 0).then(|| Issue::new(IssueCode::FileTruncated, detail()))
}

/// Decodes bytes as UTF-8 or, failing that, as Windows-1252, which can't fail.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    Encoding::Windows1252.decode(bytes)
}

/// The head of a file for recognition: whole lines only, so that no character is cut in two.
pub(crate) fn decode_head(head: &[u8], size: u64) -> String {
    decode_head_as(head, size, Encoding::Windows1252)
}

/// The same, where another code page is usual for what is not UTF-8.
pub(crate) fn decode_head_as(head: &[u8], size: u64, other: Encoding) -> String {
    let bytes = without_mark(head);
    let whole = match memchr::memrchr2(b'\n', b'\r', &bytes) {
        Some(end) if size > head.len() as u64 => bytes.get(..end).unwrap_or_default(),
        _ => &bytes,
    };
    other.decode(whole).into_owned()
}

/// Text whose lines end with CR alone, as on old Macintoshes, with LF in its place; a lone LF in it is part of a cell, as it is
/// after this.
pub(crate) fn with_line_feeds(text: Cow<'_, str>) -> Cow<'_, str> {
    if begins_with_returns(text.as_bytes()) && !text.contains("\r\n") { Cow::Owned(text.replace('\r', "\n")) } else { text }
}

/// Whether the first line ends with CR and without LF.
pub(crate) fn begins_with_returns(text: &[u8]) -> bool {
    let begin = text.iter().position(|b| !matches!(b, b'\r' | b'\n' | b' ')).unwrap_or(text.len());
    let line = text.get(begin..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', line).and_then(|at| line.get(at..)).unwrap_or_default();
    end.first() == Some(&b'\r') && end.iter().find(|b| **b != b'\r') != Some(&b'\n')
}

/// Why bytes can't be a text file, if so.
pub(crate) enum NoText {
    /// No bytes, or blanks only.
    Empty,
    /// Zero bytes: some binary format.
    Binary,
}

/// Checks that bytes (without mark) may be a text file.
pub(crate) fn check_text(bytes: &[u8]) -> Result<(), NoText> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NoText::Empty);
    }
    let head = bytes.get(..4096).unwrap_or(bytes);
    if memchr::memchr(0, head).is_some() { Err(NoText::Binary) } else { Ok(()) }
}

/// Lines ended by LF, CR LF or CR CR LF, without their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_terminator('\n').map(|line| line.trim_end_matches('\r'))
}

/// A label for comparison: lower case, without blanks, colons, dots, underscores and quotes; the micro sign as `u`, delta as
/// `d`, letters without accents.
pub(crate) fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\u{b5}' | '\u{3bc}' => out.push('u'),
            '\u{3b4}' | '\u{2206}' => out.push('d'),
            'œ' => out.push_str("oe"),
            ':' | '.' | '_' | '"' | '\'' | '\u{2019}' | '\u{feff}' => {}
            c if c.is_whitespace() => {}
            c => out.push(unaccented(c)),
        }
    }
    out
}

/// A lower-case letter without its French accent.
pub(crate) fn unaccented(c: char) -> char {
    match c {
        'à' | 'â' | 'ä' | 'á' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' | 'í' => 'i',
        'ô' | 'ö' | 'ó' => 'o',
        'ù' | 'û' | 'ü' | 'ú' => 'u',
        'ç' => 'c',
        c => c,
    }
}

/// Words of a hand-typed text for comparison: lower case, without accents, split at everything but letters and digits.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in text.chars().flat_map(char::to_lowercase) {
        match (c, out.last_mut()) {
            ('œ', Some(word)) => word.push_str("oe"),
            (c, Some(word)) if c.is_alphanumeric() => word.push(unaccented(c)),
            _ => out.push(String::new()),
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

/// Text without blanks around it; `None` when nothing is left.
pub(crate) fn filled(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn encodings_are_found_from_the_bytes() {
        assert_eq!(decode(b"K\xe9ratoc\xf4ne"), "Kératocône");
        assert_eq!(decode("Kératocône".as_bytes()), "Kératocône");
        assert_eq!(&*without_mark(b"\xEF\xBB\xBFa"), b"a");
        assert_eq!(&*without_mark(b"\xFF\xFEa\0\xe9\0"), "aé".as_bytes());
        assert_eq!(&*without_mark(b"\xFE\xFF\0a"), b"a");
        // Some programs leave the mark out.
        for text in ["Nom;Pr\u{e9}nom;\u{152}il\r\n", "Key;1\n"] {
            let bytes = |of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<u8>>();
            assert_eq!(&*without_mark(&bytes(u16::to_le_bytes)), text.as_bytes());
            assert_eq!(&*without_mark(&bytes(u16::to_be_bytes)), text.as_bytes());
        }
        for binary in [b"\x01\0\x02\0\x03\0\0\0\x04\0".as_slice(), b"a\0b", b"\0a\0b\0c\0d\xff\xff\xff\xff", b"\0\0\0\0"] {
            assert_eq!(&*without_mark(binary), binary);
        }
    }

    #[test]
    fn a_head_cut_inside_a_character_is_still_utf8() {
        let text = "prénom;œil\nZoé;".as_bytes();
        assert_eq!(decode_head(&text[..text.len() - 2], 1000), "prénom;œil");
    }

    #[test]
    fn characters_outside_the_code_page_become_question_marks() {
        assert_eq!(Encoding::Windows1252.encode("éΔ€".to_owned()), b"\xe9?\x80");
    }

    #[test]
    fn labels_ignore_what_firmware_changes() {
        assert_eq!(label(" Pat-ID:"), label("Pat-ID"));
        assert_eq!(label("A1ΔArcL [mm]"), label("a1dArcL[mm]"));
        assert_eq!(label("Pachy [µm]"), label("Pachy [um]"));
        assert_eq!(label("Date de l’examen"), label("date de l'examen"));
    }

    #[test]
    fn lines_of_old_macintoshes() {
        let feeds = |text: &'static str| with_line_feeds(Cow::Borrowed(text)).into_owned();
        assert_eq!(feeds("a;b\rc;\"d\ne\"\r"), "a;b\nc;\"d\ne\"\n");
        assert_eq!(feeds("\r\ra;b\rc;d"), "\n\na;b\nc;d");
        for text in ["a\r\nb\r\n", "a\nb\rc\n", "a\r\r\nb", "", "a"] {
            assert_eq!(feeds(text), text);
        }
        assert_eq!(Encoding::Macintosh.decode(b"K\x8eratoc\x99ne"), "Kératocône");
        assert_eq!(Encoding::Macintosh.encode("Kératocône".to_owned()), b"K\x8eratoc\x99ne");
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(lines("a\r\nb\nc\r\r\nd").collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}
