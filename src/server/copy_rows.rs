//! Record batches → `CopyData` messages, one a row, in the three formats of COPY (PostgreSQL's manual, COPY, "File Formats").

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::ArrayRef;
use datafusion::error::Result;
use pgwire::api::Type;

use super::copy::{CopyFormat, CopyOptions, Header};
use super::encode::{View, patch, too_wide};
use super::error::PgError;
use super::plan::Planned;
use super::settings::Zone;
use super::types;

/// What binary data begin with: the signature, no flags, no extension of the header.
const BINARY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes the rows of one COPY.
pub(crate) struct CopyEncoder {
    options: Arc<CopyOptions>,
    types: Vec<Type>,
    names: Vec<String>,
    forced: Vec<bool>,
    zone: Zone,
    /// Whether the header has been written.
    begun: bool,
}

impl CopyEncoder {
    pub(crate) fn new(planned: &Planned, options: &Arc<CopyOptions>, zone: Zone) -> Result<Self, PgError> {
        Ok(Self {
            forced: options.forced(&planned.names)?,
            options: Arc::clone(options),
            types: planned.schema.fields().iter().map(|field| types::of_field(field)).collect(),
            names: planned.names.clone(),
            zone,
            begun: false,
        })
    }

    /// Appends `rows` to `out` until it holds `full` bytes; returns the first row not written.
    pub(crate) fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>, full: usize, out: &mut BytesMut) -> Result<usize> {
        let views = columns.iter().map(|column| View::new(column, self.zone)).collect::<Result<Vec<_>>>()?;
        self.header_line(out);
        let mut scratch = String::new();
        let mut row = rows.start;
        while row < rows.end && out.len() < full {
            let start = open(out);
            match self.options.format {
                CopyFormat::Binary => self.binary(&views, row, out)?,
                CopyFormat::Text | CopyFormat::Csv => self.line(&views, row, &mut scratch, out)?,
            }
            close(out, start);
            row += 1;
        }
        Ok(row)
    }

    /// What comes behind the last row.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        self.header_line(out);
        if self.options.format == CopyFormat::Binary {
            let start = open(out);
            self.binary_header(out);
            out.put_i16(-1);
            close(out, start);
        }
    }

    /// The names of the columns, before the first row.
    fn header_line(&mut self, out: &mut BytesMut) {
        if self.begun || self.options.format == CopyFormat::Binary {
            return;
        }
        self.begun = true;
        if self.options.header == Header::No {
            return;
        }
        let start = open(out);
        for (position, name) in self.names.iter().enumerate() {
            if position > 0 {
                out.put_u8(self.options.delimiter);
            }
            self.put(name, false, out);
        }
        out.put_u8(b'\n');
        close(out, start);
    }

    /// The header travels in the message of the first row: clients look for both in one.
    fn binary_header(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            out.put_slice(BINARY_HEADER);
        }
    }

    fn binary(&mut self, views: &[View<'_>], row: usize, out: &mut BytesMut) -> Result<()> {
        self.binary_header(out);
        out.put_i16(i16::try_from(views.len()).map_err(|_| too_wide(views.len()))?);
        for (view, pg_type) in views.iter().zip(&self.types) {
            if view.is_null(row) {
                out.put_i32(-1);
                continue;
            }
            let at = out.len();
            out.put_i32(0);
            view.binary(row, pg_type, out)?;
            patch(out, at, out.len() - at - 4);
        }
        Ok(())
    }

    fn line(&self, views: &[View<'_>], row: usize, scratch: &mut String, out: &mut BytesMut) -> Result<()> {
        for (position, view) in views.iter().enumerate() {
            if position > 0 {
                out.put_u8(self.options.delimiter);
            }
            if view.is_null(row) {
                out.put_slice(self.options.null.as_bytes());
                continue;
            }
            let forced = self.forced.get(position).copied().unwrap_or(false);
            if let Some(text) = view.borrowed(row) {
                self.put(text, forced, out);
            } else {
                scratch.clear();
                view.text(row, scratch)?;
                self.put(scratch, forced, out);
            }
        }
        out.put_u8(b'\n');
        Ok(())
    }

    fn put(&self, text: &str, forced: bool, out: &mut BytesMut) {
        if self.options.format == CopyFormat::Csv {
            csv(text, &self.options, forced, self.names.len() == 1, out);
        } else {
            escaped(text, self.options.delimiter, out);
        }
    }
}

/// Begins a `CopyData` message; returns where its length stands.
fn open(out: &mut BytesMut) -> usize {
    out.put_u8(b'd');
    let at = out.len();
    out.put_u32(0);
    at
}

fn close(out: &mut BytesMut, at: usize) {
    let length = out.len() - at;
    patch(out, at, length);
}

/// `CopyAttributeOutText`: control characters, the backslash and the delimiter behind a backslash.
fn escaped(text: &str, delimiter: u8, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            other if *other == delimiter => delimiter,
            _ => continue,
        };
        out.put_slice(bytes.get(written..at).unwrap_or_default());
        out.put_slice(&[b'\\', letter]);
        written = at + 1;
    }
    out.put_slice(bytes.get(written..).unwrap_or_default());
}

/// `CopyAttributeOutCSV`: quoted where it could be misread.
fn csv(text: &str, options: &CopyOptions, forced: bool, alone: bool, out: &mut BytesMut) {
    let special = |byte: u8| byte == options.delimiter || byte == options.quote || matches!(byte, b'\n' | b'\r');
    // A line of nothing but `\.` would end the data of old clients.
    let quoted = forced || text == options.null || (alone && text == "\\.") || text.bytes().any(special);
    if !quoted {
        return out.put_slice(text.as_bytes());
    }
    out.put_u8(options.quote);
    for byte in text.bytes() {
        if byte == options.quote || byte == options.escape {
            out.put_u8(options.escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(options.quote);
}
