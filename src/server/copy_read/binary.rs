//! The binary format of COPY.

use bytes::{Buf, Bytes};

use super::{BATCH_BYTES, BATCH_ROWS, CopyReader, MAX_LINE};
use crate::server::error::PgError;
use crate::server::params;
use crate::server::scratch::part::PartWriter;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

impl CopyReader {
    /// The tuples of the binary format that are complete in the buffer.
    pub(super) fn binary(&mut self, last: bool, writer: &mut PartWriter) -> Result<(), PgError> {
        let broken = |message: &str| PgError::new("22P04", message.to_owned());
        if !self.begun {
            if self.buffer.len() < SIGNATURE.len() + 8 {
                return if last { Err(broken("COPY file signature not recognized")) } else { Ok(()) };
            }
            if self.buffer.get(..SIGNATURE.len()) != Some(SIGNATURE) {
                return Err(broken("COPY file signature not recognized"));
            }
            let length = |at: usize| self.buffer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
            let (flags, extension) = (length(11).unwrap_or(0), length(15).unwrap_or(0));
            if flags & 0x7fff_0000 != 0 {
                return Err(broken("unrecognized critical flags in COPY file header"));
            }
            let extension = usize::try_from(extension).map_err(|_| broken("invalid COPY file header (missing length)"))?;
            if extension > MAX_LINE {
                return Err(broken("invalid COPY file header (wrong length)"));
            }
            if self.buffer.len() < SIGNATURE.len() + 8 + extension {
                return if last { Err(broken("invalid COPY file header (wrong length)")) } else { Ok(()) };
            }
            self.buffer.advance(SIGNATURE.len() + 8 + extension);
            self.begun = true;
        }
        loop {
            let mut rest: &[u8] = &self.buffer;
            let before = rest.len();
            let Some(count) = take(&mut rest, 2).map(|mut count| count.get_i16()) else {
                // Old clients leave the trailer out.
                return if last && before > 0 { Err(broken("unexpected EOF in COPY data")) } else { Ok(()) };
            };
            if count == -1 {
                self.buffer.clear();
                self.ended = true;
                return Ok(());
            }
            if usize::try_from(count).ok() != Some(self.columns.len()) {
                let error = format!("row field count is {count}, expected {}", self.columns.len());
                return Err(self.at_line(PgError::new("22P04", error)));
            }
            let mut row = Vec::with_capacity(self.columns.len());
            let mut complete = true;
            for column in &self.columns {
                let Some(length) = take(&mut rest, 4).map(|mut length| length.get_i32()) else {
                    complete = false;
                    break;
                };
                if length == -1 {
                    row.push(None);
                    continue;
                }
                let length = usize::try_from(length).ok().filter(|length| *length <= MAX_LINE);
                let length =
                    length.ok_or_else(|| self.at_column(PgError::new("22P04", "invalid field size"), &column.name, None))?;
                let Some(value) = take(&mut rest, length) else {
                    complete = false;
                    break;
                };
                row.push(Some(Bytes::copy_from_slice(value)));
            }
            if !complete {
                return if last { Err(self.at_line(broken("unexpected EOF in COPY data"))) } else { Ok(()) };
            }
            let used = before - rest.len();
            for (index, (value, column)) in row.iter().zip(&self.columns).enumerate() {
                let value = params::decode(index, value.as_ref(), true, &column.pg_type, &column.data_type).map_err(|error| {
                    let told = match error.code.as_ref() {
                        "22P03" => PgError::new("22P03", "incorrect binary data format"),
                        _ => error,
                    };
                    self.at_column(told, &column.name, None)
                })?;
                if let Some(values) = self.values.get_mut(index) {
                    values.push(value);
                }
            }
            self.bytes += used;
            self.buffer.advance(used);
            self.lines.push(self.line);
            self.line += 1;
            if self.lines.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                self.flush(writer)?;
            }
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}
