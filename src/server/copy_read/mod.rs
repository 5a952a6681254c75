//! The data of COPY … FROM STDIN: bytes in one of the three formats → rows of a table (PostgreSQL's manual, COPY, "File Formats").

mod binary;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, StringArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::copy::{CopyFormat, CopyOptions, Header};
use super::error::{PgError, sqlstate};
use super::inputs;
use super::scratch::part::PartWriter;
use super::write::Checks;

/// Rows that are turned into columns at a time, and the bytes of text after which there are fewer.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// A line that is longer is no data.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// What of a value an error shows.
const SHOWN: usize = 100;

/// A column into which values come.
#[derive(Debug, Clone)]
pub(crate) struct CopyColumn {
    pub(crate) name: String,
    pub(crate) pg_type: Type,
    pub(crate) data_type: DataType,
    /// What stands for DEFAULT.
    pub(crate) default: ScalarValue,
}

/// Where the columns of the table come from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// The column of this place in the data.
    Data(usize),
    /// The same value in every row.
    Constant(ScalarValue),
}

/// Reads the data of one COPY.
pub(crate) struct CopyReader {
    table: String,
    options: Arc<CopyOptions>,
    columns: Vec<CopyColumn>,
    origins: Vec<Origin>,
    checks: Checks,
    /// The session's time zone, in which texts without one are read.
    zone: String,
    force_null: Vec<bool>,
    force_not_null: Vec<bool>,
    buffer: BytesMut,
    scan: Scan,
    /// The number of the line that is being read.
    line: usize,
    header: Header,
    end_of_line: Option<EndOfLine>,
    /// Whether `\.` or the binary trailer has been read.
    ended: bool,
    begun: bool,
    texts: Vec<StringBuilder>,
    values: Vec<Vec<ScalarValue>>,
    defaults: Vec<Vec<usize>>,
    /// The line of each row that waits.
    lines: Vec<usize>,
    bytes: usize,
    pub(crate) rows: usize,
}

/// How far the next line has been looked for.
#[derive(Debug, Default)]
struct Scan {
    at: usize,
    in_quotes: bool,
    escaped: bool,
    /// Ends of lines inside of quotes.
    newlines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndOfLine {
    Lf,
    CrLf,
}

/// A value of a line.
struct Value {
    text: Option<String>,
    is_default: bool,
}

impl CopyReader {
    pub(crate) fn new(
        table: &str,
        options: &Arc<CopyOptions>,
        columns: Vec<CopyColumn>,
        origins: Vec<Origin>,
        checks: Checks,
        zone: String,
    ) -> Result<Self, PgError> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let count = columns.len();
        Ok(Self {
            table: table.to_owned(),
            force_null: options.force_null.of(&names, "FORCE_NULL")?,
            force_not_null: options.force_not_null.of(&names, "FORCE_NOT_NULL")?,
            header: options.header,
            options: Arc::clone(options),
            columns,
            origins,
            checks,
            zone,
            buffer: BytesMut::new(),
            scan: Scan::default(),
            line: 1,
            end_of_line: None,
            ended: false,
            begun: false,
            texts: (0..count).map(|_| StringBuilder::new()).collect(),
            values: vec![Vec::new(); count],
            defaults: vec![Vec::new(); count],
            lines: Vec::new(),
            bytes: 0,
            rows: 0,
        })
    }

    /// Takes the next bytes of the client.
    pub(crate) fn feed(&mut self, data: &[u8], writer: &mut PartWriter) -> Result<(), PgError> {
        if self.ended {
            return match self.options.format {
                CopyFormat::Binary if !data.is_empty() => Err(PgError::new("22P04", "received copy data after EOF marker")),
                _ => Ok(()),
            };
        }
        self.buffer.extend_from_slice(data);
        if self.options.format == CopyFormat::Binary {
            return self.binary(false, writer);
        }
        while !self.ended
            && let Some(line) = self.next_line(false)?
        {
            self.text_line(&line, writer)?;
        }
        if self.buffer.len() > MAX_LINE {
            return Err(self.at_line(PgError::new("54000", format!("a line is longer than {MAX_LINE} bytes"))));
        }
        Ok(())
    }

    /// The data are at their end.
    pub(crate) fn end(&mut self, writer: &mut PartWriter) -> Result<(), PgError> {
        if !self.ended {
            if self.options.format == CopyFormat::Binary {
                self.binary(true, writer)?;
            } else if let Some(line) = self.next_line(true)? {
                self.text_line(&line, writer)?;
            }
        }
        self.flush(writer)
    }

    fn at_line(&self, error: PgError) -> PgError {
        error.with_context(format!("COPY {}, line {}", self.table, self.line))
    }

    fn at_text(&self, error: PgError, line: &[u8]) -> PgError {
        error.with_context(format!("COPY {}, line {}: \"{}\"", self.table, self.line, shown(&String::from_utf8_lossy(line))))
    }

    /// Takes a whole line off the buffer, without its end.
    fn next_line(&mut self, last: bool) -> Result<Option<Bytes>, PgError> {
        let csv = self.options.format == CopyFormat::Csv;
        let (quote, escape) = (self.options.quote, self.options.escape);
        while let Some(byte) = self.buffer.get(self.scan.at).copied() {
            let scan = &mut self.scan;
            scan.at += 1;
            if csv {
                // As PostgreSQL finds lines: a quote behind an escape does not end the quotes.
                if scan.in_quotes && byte == escape && escape != quote {
                    scan.escaped = !scan.escaped;
                    continue;
                }
                if byte == quote && !scan.escaped {
                    scan.in_quotes = !scan.in_quotes;
                }
                scan.escaped = false;
                if byte == b'\n' && scan.in_quotes {
                    scan.newlines += 1;
                    continue;
                }
            } else if scan.escaped {
                scan.newlines += usize::from(byte == b'\n');
                scan.escaped = false;
                continue;
            } else if byte == b'\\' {
                scan.escaped = true;
                continue;
            }
            if byte == b'\n' {
                let length = scan.at;
                self.scan.at = 0;
                let mut line = self.buffer.split_to(length).freeze();
                line.truncate(length - 1);
                return self.without_return(line).map(Some);
            }
        }
        if !last || self.buffer.is_empty() {
            return Ok(None);
        }
        if csv && self.scan.in_quotes {
            let line = self.buffer.clone();
            return Err(self.at_text(PgError::new("22P04", "unterminated CSV quoted field"), &line));
        }
        self.scan.at = 0;
        let line = self.buffer.split().freeze();
        match line.strip_suffix(b"\r") {
            Some(stripped) if self.end_of_line == Some(EndOfLine::CrLf) => Ok(Some(line.slice(..stripped.len()))),
            _ => Ok(Some(line)),
        }
    }

    /// Lines end as the first one does.
    fn without_return(&mut self, line: Bytes) -> Result<Bytes, PgError> {
        let found = if line.last() == Some(&b'\r') { EndOfLine::CrLf } else { EndOfLine::Lf };
        let expected = *self.end_of_line.get_or_insert(found);
        match (expected, found) {
            (EndOfLine::CrLf, EndOfLine::CrLf) => Ok(line.slice(..line.len() - 1)),
            (EndOfLine::CrLf, EndOfLine::Lf) => {
                let error = PgError::new("22P04", "literal newline found in data").with_hint("Use \"\\n\" to represent newline.");
                Err(self.at_line(error))
            }
            (EndOfLine::Lf, EndOfLine::CrLf) if self.options.format == CopyFormat::Text => {
                let error = PgError::new("22P04", "literal carriage return found in data")
                    .with_hint("Use \"\\r\" to represent carriage return.");
                Err(self.at_line(error))
            }
            _ => Ok(line),
        }
    }

    fn text_line(&mut self, line: &Bytes, writer: &mut PartWriter) -> Result<(), PgError> {
        if line.as_ref() == b"\\." {
            self.ended = true;
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|error| {
            let byte = line.get(error.valid_up_to()).copied().unwrap_or_default();
            self.at_line(PgError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}")))
        })?;
        let values = match self.options.format {
            CopyFormat::Csv => self.csv(text)?,
            _ => self.fields(text)?,
        };
        if std::mem::replace(&mut self.header, Header::No) != Header::No {
            self.check_header(&values)?;
        } else {
            self.add(values, line)?;
        }
        self.line += 1 + std::mem::take(&mut self.scan.newlines);
        if self.lines.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush(writer)?;
        }
        Ok(())
    }

    fn check_header(&self, values: &[Value]) -> Result<(), PgError> {
        if self.options.header != Header::Match {
            return Ok(());
        }
        let mismatch = |message: String| Err(self.at_line(PgError::new("22P04", message)));
        if values.len() != self.columns.len() {
            return mismatch(format!(
                "wrong number of fields in header line: got {}, expected {}",
                values.len(),
                self.columns.len()
            ));
        }
        for (number, (value, column)) in values.iter().zip(&self.columns).enumerate() {
            match &value.text {
                Some(found) if *found == column.name => {}
                Some(found) => {
                    let (number, name) = (number + 1, &column.name);
                    return mismatch(format!(
                        "column name mismatch in header line field {number}: got \"{found}\", expected \"{name}\""
                    ));
                }
                None => {
                    return mismatch(format!(
                        "column name mismatch in header line field {}: got null value (\"{}\"), expected \"{}\"",
                        number + 1,
                        self.options.null,
                        column.name
                    ));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, values: Vec<Value>, line: &Bytes) -> Result<(), PgError> {
        if values.len() > self.columns.len() {
            return Err(self.at_text(PgError::new("22P04", "extra data after last expected column"), line));
        }
        if let Some(missing) = self.columns.get(values.len()) {
            let error = PgError::new("22P04", format!("missing data for column \"{}\"", missing.name));
            return Err(self.at_text(error, line));
        }
        let row = self.lines.len();
        for ((value, builder), defaults) in values.into_iter().zip(&mut self.texts).zip(&mut self.defaults) {
            self.bytes += value.text.as_ref().map_or(0, String::len) + 8;
            if value.is_default {
                defaults.push(row);
            }
            builder.append_option(value.text.filter(|_| !value.is_default));
        }
        self.lines.push(self.line);
        Ok(())
    }

    /// The fields of a line of the text format.
    fn fields(&self, line: &str) -> Result<Vec<Value>, PgError> {
        let mut values = Vec::with_capacity(self.columns.len());
        if line.is_empty() && self.columns.is_empty() {
            return Ok(values);
        }
        let delimiter = self.options.delimiter;
        let bytes = line.as_bytes();
        let (mut start, mut at) = (0, 0);
        loop {
            match bytes.get(at) {
                Some(b'\\') => at += 2,
                Some(byte) if *byte != delimiter => at += 1,
                _ => {
                    let end = at.min(bytes.len());
                    let raw = bytes.get(start..end).unwrap_or_default();
                    values.push(self.field(raw)?);
                    if at >= bytes.len() {
                        return Ok(values);
                    }
                    at += 1;
                    start = at;
                }
            }
            if values.len() > self.columns.len() {
                return Ok(values);
            }
        }
    }

    fn field(&self, raw: &[u8]) -> Result<Value, PgError> {
        if raw == self.options.null.as_bytes() {
            return Ok(Value { text: None, is_default: false });
        }
        let is_default = self.options.default.as_ref().is_some_and(|default| raw == default.as_bytes());
        let mut text = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if *byte != b'\\' {
                text.push(*byte);
                continue;
            }
            let Some((letter, behind)) = rest.split_first() else {
                text.push(b'\\');
                break;
            };
            rest = behind;
            text.push(match letter {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'0'..=b'7' => {
                    let (value, used) = number(letter - b'0', rest, 8, 2);
                    rest = rest.get(used..).unwrap_or_default();
                    value
                }
                b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                    let (value, used) = number(0, rest, 16, 2);
                    rest = rest.get(used..).unwrap_or_default();
                    value
                }
                other => *other,
            });
        }
        let text = String::from_utf8(text).map_err(|error| {
            let byte = error.as_bytes().get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
            self.at_line(PgError::new("22021", format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}")))
        })?;
        Ok(Value { text: Some(text), is_default })
    }

    /// The fields of a line of the CSV format.
    fn csv(&self, line: &str) -> Result<Vec<Value>, PgError> {
        let (delimiter, quote, escape) = (self.options.delimiter, self.options.quote, self.options.escape);
        let bytes = line.as_bytes();
        let mut values = Vec::with_capacity(self.columns.len());
        let mut at = 0;
        loop {
            let mut text = Vec::new();
            let (mut quoted, mut in_quotes) = (false, false);
            loop {
                match bytes.get(at) {
                    None if in_quotes => {
                        return Err(self.at_text(PgError::new("22P04", "unterminated CSV quoted field"), bytes));
                    }
                    None => break,
                    Some(byte)
                        if in_quotes
                            && *byte == escape
                            && bytes.get(at + 1).is_some_and(|next| *next == quote || *next == escape) =>
                    {
                        text.extend(bytes.get(at + 1));
                        at += 1;
                    }
                    Some(byte) if *byte == quote => {
                        in_quotes = !in_quotes;
                        quoted = true;
                    }
                    Some(byte) if *byte == delimiter && !in_quotes => break,
                    Some(byte) => text.push(*byte),
                }
                at += 1;
            }
            // Delimiters and quotes are single bytes, so that what lies between them is whole text.
            let text = String::from_utf8_lossy(&text).into_owned();
            let column = values.len();
            let flag = |flags: &[bool]| flags.get(column).copied().unwrap_or(false);
            let is_null = text == self.options.null && if quoted { flag(&self.force_null) } else { !flag(&self.force_not_null) };
            let is_default = !quoted && self.options.default.as_ref() == Some(&text);
            values.push(Value { text: (!is_null).then_some(text), is_default });
            if at >= bytes.len() || values.len() > self.columns.len() {
                return Ok(values);
            }
            at += 1;
        }
    }

    fn at_column(&self, error: PgError, column: &str, value: Option<&str>) -> PgError {
        let value = value.map(|value| format!(": \"{}\"", shown(value))).unwrap_or_default();
        error.with_context(format!("COPY {}, line {}, column {column}{value}", self.table, self.line))
    }

    /// Writes the rows that wait.
    fn flush(&mut self, writer: &mut PartWriter) -> Result<(), PgError> {
        let rows = self.lines.len();
        if rows == 0 {
            return Ok(());
        }
        let mut data: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            data.push(self.column(index)?);
        }
        let mut columns = Vec::with_capacity(self.origins.len());
        for origin in &self.origins {
            columns.push(match origin {
                Origin::Data(index) => data.get(*index).cloned().ok_or_else(|| PgError::new("XX000", "a column of no data"))?,
                Origin::Constant(value) => value.to_array_of_size(rows).map_err(|error| sqlstate(&error))?,
            });
        }
        let batch = self.checks.conform(&columns, rows).map_err(|(error, row)| {
            let line = self.lines.get(row).copied().unwrap_or(self.line);
            error.with_context(format!("COPY {}, line {line}", self.table))
        })?;
        writer.write(batch).map_err(|error| sqlstate(&error))?;
        self.rows += rows;
        self.bytes = 0;
        self.lines.clear();
        Ok(())
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, PgError> {
        let told = |error| sqlstate(&error);
        let Some(column) = self.columns.get(index).cloned() else { return Err(PgError::new("XX000", "no such column")) };
        if self.options.format == CopyFormat::Binary {
            let values = self.values.get_mut(index).map(std::mem::take).unwrap_or_default();
            return ScalarValue::iter_to_array(values).map_err(told);
        }
        let texts = self.texts.get_mut(index).map(StringBuilder::finish).unwrap_or_else(|| StringArray::new_null(0));
        let defaults = self.defaults.get_mut(index).map(std::mem::take).unwrap_or_default();
        let array = inputs::read(&texts, &column.pg_type, &column.data_type, &self.zone).map_err(|(error, row)| {
            let line = self.lines.get(row).copied().unwrap_or(self.line);
            let context = format!("COPY {}, line {line}, column {}: \"{}\"", self.table, column.name, shown(texts.value(row)));
            error.with_context(context)
        })?;
        if defaults.is_empty() {
            return Ok(array);
        }
        let value = |row: usize| match defaults.binary_search(&row) {
            Ok(_) => Ok(column.default.clone()),
            Err(_) => ScalarValue::try_from_array(&array, row),
        };
        let values = (0..array.len()).map(value).collect::<Result<Vec<_>, _>>().map_err(told)?;
        ScalarValue::iter_to_array(values).map_err(told)
    }
}

/// A number of at most `digits` more digits; how many were there.
fn number(first: u8, rest: &[u8], radix: u32, digits: usize) -> (u8, usize) {
    let mut value = u32::from(first);
    let mut used = 0;
    while used < digits
        && let Some(digit) = rest.get(used).and_then(|byte| char::from(*byte).to_digit(radix))
    {
        value = value * radix + digit;
        used += 1;
    }
    ((value & 0xff) as u8, used)
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
