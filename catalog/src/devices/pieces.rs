//! Text of files too large for the memory, which comes in pieces, and comes again where its beginning can't be understood without
//! its end: in which code page it is, and where it ends.

use encoding_rs::{CoderResult, Decoder, MACINTOSH, UTF_8, WINDOWS_1252};

use super::text::{Encoding, UTF8_MARK, begins_with_returns, lost, utf16};
use crate::device::Request;
use crate::issue::Issue;

/// A [`Request`] that is kept until all pieces are there.
pub(crate) struct Wanted {
    table: String,
    columns: Vec<usize>,
    check: bool,
}

impl Wanted {
    pub(crate) fn new(request: &Request<'_>) -> Self {
        Self { table: request.table.to_owned(), columns: request.columns.to_vec(), check: request.check }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request { table: &self.table, columns: &self.columns, check: self.check }
    }
}

/// The beginning of a text, from which its kind is seen.
const BEGINNING: usize = 64 * 1024;
/// Zero bytes in so many of the first ones are in no text.
const NO_ZEROS: usize = 4096;

/// Decodes a text, pass by pass. What a pass has shown to be otherwise than it was taken for is so in the next one.
pub(crate) struct Text {
    other: Encoding,
    /// Whether it is taken for UTF-8, and where it is taken to end.
    utf8: bool,
    end: Option<u64>,
    /// The first bytes, until there are enough.
    beginning: Option<Vec<u8>>,
    decoder: Decoder,
    wide: bool,
    returns: bool,
    /// Bytes of the file before the next ones, and up to the last that is not zero.
    at: u64,
    filled: u64,
    /// Whether it is UTF-8 up to here, but for the first bytes of a letter that stand in `cut`.
    valid: bool,
    cut: Vec<u8>,
}

impl Text {
    /// A text that is read in `other` where it is not Unicode.
    pub(crate) fn new(other: Encoding) -> Self {
        Self {
            other,
            utf8: true,
            end: None,
            beginning: Some(Vec::new()),
            decoder: UTF_8.new_decoder_without_bom_handling(),
            wide: false,
            returns: false,
            at: 0,
            filled: 0,
            valid: true,
            cut: Vec::new(),
        }
    }

    /// Adds the text of the next bytes to `out`. Says whether they may be text.
    pub(crate) fn take(&mut self, bytes: &[u8], last: bool, out: &mut String) -> bool {
        let Some(mut beginning) = self.beginning.take() else {
            self.decode(bytes, last, out);
            return true;
        };
        beginning.extend_from_slice(bytes);
        if beginning.len() < BEGINNING && !last {
            self.beginning = Some(beginning);
            return true;
        }
        let (page, mark) = utf16(&beginning).unwrap_or_else(|| {
            let page = match (self.utf8, self.other) {
                (true, _) => UTF_8,
                (false, Encoding::Macintosh) => MACINTOSH,
                (false, Encoding::Utf8 | Encoding::Windows1252) => WINDOWS_1252,
            };
            (page, if beginning.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 })
        });
        self.wide = page == encoding_rs::UTF_16LE || page == encoding_rs::UTF_16BE;
        self.decoder = page.new_decoder_without_bom_handling();
        let (mark, text) = beginning.split_at(mark);
        let head = text.get(..NO_ZEROS).unwrap_or(text);
        let filled = head.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        if !self.wide && memchr::memchr(0, head.get(..filled).unwrap_or_default()).is_some() {
            return false;
        }
        self.at = mark.len() as u64;
        let from = out.len();
        self.decode(text, last, out);
        self.returns = begins_with_returns(out.get(from..).unwrap_or_default().as_bytes());
        self.feed(from, out);
        true
    }

    fn decode(&mut self, bytes: &[u8], last: bool, out: &mut String) {
        self.survey(bytes, last);
        let whole = bytes.len() as u64;
        let kept = self.end.map_or(whole, |end| end.saturating_sub(self.at).min(whole));
        self.at += whole;
        let mut rest = bytes.get(..usize::try_from(kept).unwrap_or(bytes.len())).unwrap_or_default();
        let from = out.len();
        loop {
            out.reserve(self.decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()));
            let (result, read, _) = self.decoder.decode_to_string(rest, out, last);
            rest = rest.get(read..).unwrap_or_default();
            if result == CoderResult::InputEmpty {
                break;
            }
        }
        self.feed(from, out);
    }

    /// Line feeds for returns that stand alone, as [`super::text::with_line_feeds`] puts them.
    fn feed(&self, from: usize, out: &mut String) {
        if self.returns {
            let text = out.split_off(from).replace('\r', "\n");
            out.push_str(&text);
        }
    }

    fn survey(&mut self, bytes: &[u8], last: bool) {
        if let Some(place) = bytes.iter().rposition(|b| *b != 0) {
            self.filled = self.at + place as u64 + 1;
        }
        if !self.valid || self.wide {
            return;
        }
        let mut rest = bytes;
        while !self.cut.is_empty() {
            let Some((next, after)) = rest.split_first() else { break };
            self.cut.push(*next);
            rest = after;
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(error) if error.error_len().is_some() => self.valid = false,
                Err(_) => continue,
            }
            break;
        }
        if let Err(error) = std::str::from_utf8(rest) {
            self.valid &= error.error_len().is_none();
            self.cut = rest.get(error.valid_up_to()..).unwrap_or_default().to_vec();
            self.cut.truncate(4);
        }
        self.valid &= self.cut.is_empty() || !last;
    }

    /// Begins the next pass. Says whether the one before took the text for what it is; if not, nothing of it counts.
    pub(crate) fn again(&mut self) -> bool {
        let zeros = !self.wide && self.filled < self.at;
        let next = Self { utf8: self.wide || self.valid, end: zeros.then_some(self.filled), ..Self::new(self.other) };
        let right = next.utf8 == self.utf8 && next.end == self.end;
        *self = next;
        right
    }

    /// What is lost where zero bytes stand at the end of a text that takes `size` bytes.
    pub(crate) fn lost(&self, size: u64) -> Option<Issue> {
        lost(self.end.map_or(0, |end| size.saturating_sub(end)))
    }

    /// Bytes of the file that came in this pass.
    pub(crate) fn size(&self) -> u64 {
        self.at
    }
}
