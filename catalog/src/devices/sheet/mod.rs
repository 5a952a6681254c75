//! Tables with one header row and one exam a line, such as device logs and hand-kept sheets: what their `layout.toml` says,
//! and the reader and writer that follow it.

mod eyes;
mod header;
pub(crate) mod parts;
mod pieces;
mod reader;
pub(crate) mod records;
#[cfg(test)]
mod tests;
mod window;
pub(crate) mod writer;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use serde::Deserialize;

use super::columns::pairs_type;
use super::date::Order;
use super::text::{Encoding, label};
use super::{common, layout, workbook};
use crate::device::{Confidence, Device, Pieces, Reading, Request, Sample, Table};
use crate::error::Result;
use crate::field::{field, list};

/// A device whose exports are sheets of one table.
#[derive(Debug)]
pub struct SheetTable {
    name: &'static str,
    about: &'static str,
    export: LazyLock<Export>,
}

/// Layout and table of a [`SheetTable`]; made when they are first asked for.
#[derive(Debug)]
pub(crate) struct Export {
    sheet: Sheet,
    tables: [Table; 1],
}

impl Export {
    /// The export into the table `name` that `text`, a `layout.toml`, describes.
    pub(crate) fn new(name: &'static str, about: &'static str, text: &str) -> Self {
        let sheet = layout::load::<Sheet>(name, text).expanded();
        let schema = sheet.schema();
        Self { sheet, tables: [Table { name, about, schema }] }
    }
}

impl SheetTable {
    pub(crate) const fn new(name: &'static str, about: &'static str, export: fn() -> Export) -> Self {
        Self { name, about, export: LazyLock::new(export) }
    }
}

impl Device for SheetTable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn tables(&self) -> &[Table] {
        &self.export.tables
    }

    fn recognises(&self, sample: &Sample<'_>) -> Confidence {
        reader::recognises(&self.export.sheet, sample)
    }

    fn read(&self, bytes: &[u8], request: &Request<'_>) -> Reading {
        parts::read(&self.export.sheet, &self.export.tables[0].schema, bytes, request)
    }

    fn parts<'a>(&'a self, bytes: Bytes, request: &Request<'_>, rows: usize) -> Box<dyn Iterator<Item = Reading> + Send + 'a> {
        parts::read_parts(&self.export.sheet, &self.export.tables[0].schema, bytes, request, rows)
    }

    fn pieces<'a>(&'a self, sample: &Sample<'_>, request: &Request<'_>, rows: usize) -> Option<Box<dyn Pieces + 'a>> {
        let sheet = &self.export.sheet;
        let is_book = sheet.workbooks && workbook::recognise(sample.head).is_some();
        (!is_book).then(|| Box::new(pieces::Sheets::new(sheet, &self.export.tables[0].schema, request, rows)) as _)
    }

    fn write(&self, table: &str, rows: &RecordBatch, layout: &str) -> Result<Vec<u8>> {
        let [own] = &self.export.tables;
        layout::check_table(self.name, table, own.name)?;
        writer::write(self.name, &self.export.sheet, &own.schema, rows, layout)
    }
}

/// A `layout.toml` of a sheet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sheet {
    pub(crate) dates: Dates,
    pub(crate) recognition: Recognition,
    /// What is typed for "not there" in any column, besides nothing.
    pub(crate) missing: Vec<String>,
    /// Columns whose values rise from one to the next in every row.
    #[serde(default)]
    pub(crate) ascending: Vec<String>,
    #[serde(rename = "version")]
    pub(crate) versions: Vec<Version>,
    #[serde(rename = "column")]
    pub(crate) columns: Vec<Column>,
    /// Diagnoses and what people write for them; empty where the sheet has none.
    #[serde(default)]
    pub(crate) diagnoses: Diagnoses,
    /// Whether workbooks are read as well.
    #[serde(default)]
    pub(crate) workbooks: bool,
    /// The code page of text that is not Unicode.
    #[serde(default = "windows")]
    pub(crate) other_encoding: Encoding,
    /// What the site writes for an eye beside the usual words: `0 = "OD"`.
    #[serde(default)]
    pub(crate) eyes: BTreeMap<String, String>,
    /// What marks columns as one eye's in sheets with one row a visit; empty where there are no such sheets.
    #[serde(default)]
    pub(crate) eye_columns: eyes::EyeMarks,
    /// Our column that says in which line of the file, or row of the workbook's sheet, a record stands.
    pub(crate) row_column: Option<String>,
    /// Whether digits of an eye are read in the order that those of the whole column show: 0 and 1, or 1 and 2, right first.
    #[serde(default)]
    pub(crate) digit_eyes: bool,
    /// Our columns that a refraction in one cell is divided into.
    pub(crate) refraction: Option<Parts>,
}

fn windows() -> Encoding {
    Encoding::Windows1252
}

/// Our columns of a refraction.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    pub(crate) sphere: String,
    pub(crate) cylinder: String,
    pub(crate) axis: String,
}

/// How dates are to be understood.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dates {
    /// Order where the file does not show it.
    pub(crate) order: Order,
    /// Whether that order is a fact of the device, so that only contradictory files are doubtful.
    pub(crate) declared: bool,
    /// Our column that says in which order an exam date was read that can be read in two.
    pub(crate) column: Option<String>,
}

/// When a file is taken for this device's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recognition {
    /// So many telling columns, and a column for the eye or the patient, make it certain.
    pub(crate) certain: usize,
    /// So many make it likely.
    pub(crate) likely: usize,
}

/// One version of the sheet, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) name: String,
    /// For people only.
    #[serde(rename = "about")]
    pub(crate) _about: String,
    pub(crate) delimiter: char,
    pub(crate) encoding: Encoding,
    pub(crate) decimal_mark: char,
    /// As of `chrono`.
    pub(crate) date_format: String,
    #[serde(default)]
    pub(crate) yes: String,
    #[serde(default)]
    pub(crate) no: String,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// One of [`common::fields`].
    Common,
    /// Text that is kept as it is.
    Text,
    /// A visual acuity, kept as text; it is only checked for what spreadsheets do to fractions.
    Acuity,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// A diagnosis, as one of the words of [`Diagnoses`].
    Diagnosis,
    /// Sphere, cylinder and axis in one cell; see [`Sheet::refraction`].
    Refraction,
    /// A list of numbers, each in a column of the sheet that [`Column::elements`] names.
    List,
    /// A column without a header that is written empty; what a file has in it is kept with the unknown ones.
    Blank,
}

/// One column of the sheet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// Our column.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Our column that keeps the text as typed, if there is one.
    pub(crate) text: Option<String>,
    /// Header in each version that has the column.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Other headers that mean the same.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) unit: String,
    #[serde(default)]
    pub(crate) about: String,
    /// What is physically possible.
    pub(crate) range: Option<(f64, f64)>,
    /// Decimals when written.
    #[serde(default = "three")]
    pub(crate) decimals: usize,
    /// Words that mean zero.
    #[serde(default)]
    pub(crate) zero: Vec<String>,
    /// Signs of the unit that may stand around the number.
    #[serde(default)]
    pub(crate) signs: Vec<String>,
    /// Whether the column tells this device from others.
    #[serde(default)]
    pub(crate) telling: bool,
    /// Whether its absence is an issue.
    #[serde(default)]
    pub(crate) usual: bool,
    /// Headers of the numbers of a list, the same in every version.
    #[serde(default)]
    elements: Vec<String>,
    /// Places of those numbers in the list, from 0.
    #[serde(default)]
    positions: Vec<usize>,
    /// The list that this column is a number of, and its place there; see [`Sheet::expanded`].
    #[serde(skip)]
    pub(crate) element_of: Option<(String, usize)>,
}

fn three() -> usize {
    3
}

/// Diagnoses by name, and the words that people write.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diagnoses {
    /// Words that say nothing about which diagnosis it is, such as eye and stage.
    pub(crate) ignored: Vec<String>,
    /// Canonical name to aliases.
    pub(crate) known: BTreeMap<String, Vec<String>>,
}

/// Column of unknown headers and their values.
pub(crate) const EXTRA: &str = "extra";

impl Sheet {
    /// The sheet with a column for every number of its lists, after the list.
    pub(crate) fn expanded(mut self) -> Self {
        let versions: Vec<String> = self.versions.iter().map(|version| version.name.clone()).collect();
        let elements = |list: &Column| -> Vec<Column> {
            let one = |(label, position): (&String, &usize)| Column {
                name: format!("{}[{position}]", list.name),
                kind: Kind::Number,
                text: None,
                labels: versions.iter().map(|version| (version.clone(), label.clone())).collect(),
                aliases: Vec::new(),
                unit: list.unit.clone(),
                about: String::new(),
                range: list.range,
                decimals: list.decimals,
                zero: Vec::new(),
                signs: list.signs.clone(),
                telling: false,
                usual: false,
                elements: Vec::new(),
                positions: Vec::new(),
                element_of: Some((list.name.clone(), *position)),
            };
            list.elements.iter().zip(&list.positions).map(one).collect()
        };
        self.columns = std::mem::take(&mut self.columns)
            .into_iter()
            .flat_map(|column| {
                let elements = elements(&column);
                std::iter::once(column).chain(elements)
            })
            .collect();
        self
    }

    /// The columns of the table: the common ones, then those of the layout in its order, each after its text, then the rest.
    pub(crate) fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = common::fields();
        for column in &self.columns {
            if let Some(text) = &column.text {
                fields.push(field(text, DataType::Utf8, "", &format!("{} as it is typed", column.about)));
            }
            let data_type = match column.kind {
                Kind::Common | Kind::Blank | Kind::Refraction => continue,
                Kind::List => {
                    fields.push(list(&column.name, column.elements.len(), &column.unit, &column.about));
                    continue;
                }
                _ if column.element_of.is_some() => continue,
                Kind::Text | Kind::Acuity | Kind::Diagnosis => DataType::Utf8,
                Kind::Number => DataType::Float64,
                Kind::Flag => DataType::Boolean,
            };
            fields.push(field(&column.name, data_type, &column.unit, &column.about));
        }
        if let Some(column) = &self.dates.column {
            let about = "Order in which the exam date was read, dmy or mdy; null where it can be read in one way only";
            fields.push(field(column, DataType::Utf8, "", about));
        }
        if let Some(column) = &self.row_column {
            let about = "Line of the file, or row of the workbook's sheet, from 1; both eyes of a visit may stand in one";
            fields.push(field(column, DataType::Int32, "", about));
        }
        fields.push(field(EXTRA, pairs_type(), "", "Columns that the layout does not know, header and value"));
        Arc::new(Schema::new(fields))
    }

    /// Numbers of a list.
    pub(crate) fn length(&self, list: &str) -> usize {
        self.columns.iter().find(|column| column.name == list).map_or(0, |column| column.elements.len())
    }

    /// Headers, normalised, to indices into `columns`. A label whose unit stands in brackets is also found without it, unless
    /// two columns would then have the same name.
    pub(crate) fn labels(&self) -> HashMap<String, usize> {
        let mut bare: HashMap<String, Option<usize>> = HashMap::new();
        let mut full = HashMap::new();
        for (index, column) in self.columns.iter().enumerate() {
            for text in column.labels.values().chain(&column.aliases).filter(|text| !text.is_empty()) {
                full.insert(label(text), index);
                if let Some((name, _)) = text.split_once(['[', '(']).filter(|_| text.ends_with([']', ')'])) {
                    let slot = bare.entry(label(name)).or_insert(Some(index));
                    if *slot != Some(index) {
                        *slot = None;
                    }
                }
            }
        }
        for (name, index) in bare {
            if let Some(index) = index {
                full.entry(name).or_insert(index);
            }
        }
        full
    }
}
