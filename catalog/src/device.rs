//! The small trait between a device's export files and the engine.
//!
//! A device says which tables its files hold, recognises its files by content, reads one file into columns and issues, and
//! writes such a file again. It knows Arrow, but neither DataFusion nor where files come from: [`crate::scan`] is the only
//! place that joins the two.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::NaiveDate;

use crate::error::Result;
use crate::issue::Issue;

/// One kind of device, or of hand-kept record, whose exports placido reads.
pub trait Device: fmt::Debug + Send + Sync {
    /// Name in lower case with underscores; its tables are `raw.<name>` or `raw.<name>_<record type>`.
    fn name(&self) -> &'static str;

    /// One sentence for people: maker, instrument, kind of export.
    fn about(&self) -> &'static str;

    /// The record types that a file of this device holds, each with its columns.
    fn tables(&self) -> &[Table];

    /// How surely a file that begins with `sample` is an export of this device. Judged by content alone: all exports are
    /// named `.csv` or `.txt`, and names hold patients' names.
    fn recognises(&self, sample: &Sample<'_>) -> Confidence;

    /// Reads one file. It never fails: what can't be read becomes an issue, and a file without a readable record is one row
    /// of nulls with its issues.
    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading;

    /// Reads one file part by part, each of at most `rows` rows where the device can do that, so that the rows of a large file are not
    /// in memory together. The parts together are what [`Device::read`] gives, and there is always one.
    fn parts<'a>(&'a self, bytes: Bytes, request: &Request<'_>, _rows: usize) -> Box<dyn Iterator<Item = Reading> + Send + 'a> {
        Box::new(std::iter::once(self.read(&bytes, request)))
    }

    /// Reads a file that is too large for the memory and begins with `sample`; none where the device needs all its bytes together.
    /// The parts are those of [`Device::parts`].
    fn pieces<'a>(&'a self, _sample: &Sample<'_>, _request: &Request<'_>, _rows: usize) -> Option<Box<dyn Pieces + 'a>> {
        None
    }

    /// Whether [`Device::read_head`] may do for what is requested. If so, files are read from their beginnings as far as need be.
    fn head_suffices(&self, _request: &Request<'_>) -> bool {
        false
    }

    /// Reads a file of which only the beginning is there, longer than which it is. Nothing unless `head` surely holds all that is
    /// requested, so that the answer is what [`Device::read`] gives for the whole file.
    fn read_head(&self, _head: &[u8], _request: &Request<'_>) -> Option<Reading> {
        None
    }

    /// How its files of one folder are read together, where they are.
    fn together(&self) -> Option<&dyn Together> {
        None
    }

    /// Writes `rows` of `table` as this device would export them, in the version `layout` of `layout.toml`.
    ///
    /// # Errors
    /// When the layout is not known, or the rows do not fit it (columns missing, more rows than a file holds).
    fn write(&self, table: &str, rows: &RecordBatch, layout: &str) -> Result<Vec<u8>>;
}

/// A device whose files say what others of the same folder leave out, such as who their patients are.
pub trait Together: Send + Sync {
    /// Whether a file that begins with `sample` may say something of others.
    fn tells(&self, sample: &Sample<'_>) -> bool;

    /// What these files, all of one folder, say of it.
    fn said(&self, files: &[Bytes]) -> Said;

    /// As [`Device::parts`], with what the folder says.
    fn parts<'a>(
        &'a self,
        bytes: Bytes,
        request: &Request<'_>,
        rows: usize,
        said: &Said,
    ) -> Box<dyn Iterator<Item = Reading> + Send + 'a>;

    /// As [`Device::pieces`], with what the folder says.
    fn pieces<'a>(
        &'a self,
        _sample: &Sample<'_>,
        _request: &Request<'_>,
        _rows: usize,
        _said: &Said,
    ) -> Option<Box<dyn Pieces + 'a>> {
        None
    }
}

/// Reads a file whose bytes come in pieces, from the first to the last, and again from the first as often as it asks for them.
pub trait Pieces: Send {
    /// Takes the next bytes of the file. They come again in the same pieces.
    fn take(&mut self, bytes: &[u8], last: bool);

    /// What is there to be done before more bytes come.
    fn next(&mut self) -> Step;
}

/// What a reader of pieces gives or needs.
#[derive(Debug)]
pub enum Step {
    /// The next rows.
    Part(Reading),
    /// The next piece of the file.
    More,
    /// The file from its first piece.
    Again,
    /// Nothing: all is read that will be.
    End,
}

/// What the files of a folder say; its device knows the type.
pub type Said = Arc<dyn Any + Send + Sync>;

/// One record type of a device: the device's own columns, without the provenance that [`crate::scan`] adds.
#[derive(Debug, Clone)]
pub struct Table {
    /// Table name inside the schema `raw`.
    pub name: &'static str,
    /// One sentence for people; the comment of the table.
    pub about: &'static str,
    /// Columns in order. Fields carry unit, grid and comment as metadata (see [`crate::field`]).
    pub schema: SchemaRef,
}

/// The beginning of a file, for recognition.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The first bytes of the file, at most [`Sample::LEN`].
    pub head: &'a [u8],
    /// Size of the whole file in bytes.
    pub size: u64,
}

impl Sample<'_> {
    /// How many bytes of a file are looked at to recognise it.
    pub const LEN: u64 = 16 * 1024;
}

/// How sure a device is that a file is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Not a file of this device.
    No,
    /// Some marks are there: taken if no other device is certain.
    Likely,
    /// The marks of this device are there.
    Certain,
}

/// What a scan wants from a file.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The table, by [`Table::name`].
    pub table: &'a str,
    /// Indices into [`Table::schema`], in the order in which the columns are returned. Nothing else needs to be parsed.
    pub columns: &'a [usize],
    /// Whether issues are wanted. If so the whole file is checked; if not, [`Reading::issues`] may stay empty.
    pub check: bool,
}

/// What a reader found in one file.
#[derive(Debug, Clone)]
pub struct Reading {
    /// One array for each requested column.
    pub columns: Vec<ArrayRef>,
    /// Rows in the file; never 0.
    pub rows: usize,
    /// The version block of `layout.toml` that the file follows, if one was found.
    pub layout: Option<Arc<str>>,
    /// Issues of each row; empty, or as long as `rows`.
    pub issues: Vec<Vec<Issue>>,
    /// Whose exam each row is; as long as `rows`.
    pub subjects: Vec<Subject>,
}

/// Whose exam a row is, as the file says it. It is turned into keys by [`crate::identity`] and goes no further.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The hospital's number of the patient, without blanks around it.
    pub patient: Option<String>,
    /// Day of the exam.
    pub exam_date: Option<NaiveDate>,
    /// The eye.
    pub eye: Option<Eye>,
}

/// An eye, written `OD` (right) and `OS` (left) everywhere above `raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Eye {
    /// Oculus dexter, the right eye.
    Od,
    /// Oculus sinister, the left eye.
    Os,
}

impl Eye {
    /// `OD` or `OS`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Od => "OD",
            Self::Os => "OS",
        }
    }

    /// Reads what people and devices write for an eye: OD/OS/OG, R/L, D/G, right/left, droit/gauche and longer forms,
    /// in any case. `None` when it is not one of them; digits are not read, since 1 means either eye in practice.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase().replace('.', "");
        match text.trim() {
            "od" | "o d" | "r" | "re" | "d" | "dx" | "right" | "right eye" | "droit" | "oeil droit" | "œil droit" => {
                Some(Self::Od)
            }
            "os" | "og" | "o s" | "o g" | "l" | "le" | "g" | "sx" | "left" | "left eye" | "gauche" | "oeil gauche"
            | "œil gauche" => Some(Self::Os),
            _ => None,
        }
    }
}
