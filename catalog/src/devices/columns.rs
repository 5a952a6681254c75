//! Values on their way into Arrow columns (readers) and out of them (writers).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, FixedSizeListArray, Float64Array, Float64Builder, Int32Builder,
    MapBuilder, MapFieldNames, RecordBatch, StringBuilder, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, Date32Type, Field, Fields, Float64Type, Int32Type, Schema, SchemaRef};
use chrono::{Days, NaiveDate};

use crate::device::{Reading, Request, Subject};
use crate::error::{Error, Result};
use crate::issue::{Issue, IssueCode};

/// The type of a column that holds labels and values as a file has them.
pub(crate) fn pairs_type() -> DataType {
    let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value {
    /// Nothing.
    #[default]
    Null,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Count(i32),
    /// A day.
    Day(NaiveDate),
    /// Yes or no.
    Flag(bool),
    /// Labels and values, in the order of the file.
    Pairs(Vec<(String, String)>),
    /// The cells of a map, `NaN` where missing; as many as the column's type has.
    Cells(Vec<f64>),
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

impl From<Option<NaiveDate>> for Value {
    fn from(day: Option<NaiveDate>) -> Self {
        day.map_or(Self::Null, Self::Day)
    }
}

impl From<Option<bool>> for Value {
    fn from(flag: Option<bool>) -> Self {
        flag.map_or(Self::Null, Self::Flag)
    }
}

enum Sink {
    Text(StringBuilder),
    Number(Float64Builder),
    Count(Int32Builder),
    Day(Date32Builder),
    Flag(BooleanBuilder),
    Pairs(Box<MapBuilder<StringBuilder, StringBuilder>>),
    Cells { length: usize, values: Vec<f64>, rows: Vec<bool> },
}

impl Sink {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Int32 => Self::Count(Int32Builder::new()),
            DataType::Date32 => Self::Day(Date32Builder::new()),
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            DataType::Map(..) => {
                let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                Self::Pairs(Box::new(MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())))
            }
            DataType::FixedSizeList(_, length) => {
                Self::Cells { length: usize::try_from(*length).unwrap_or(0), values: Vec::new(), rows: Vec::new() }
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// A value of another type than the column's becomes null; the round-trip tests of the devices would show it.
    fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Text(to), Value::Text(text)) => to.append_value(text),
            (Self::Text(to), _) => to.append_null(),
            (Self::Number(to), Value::Number(number)) => to.append_value(number),
            (Self::Number(to), _) => to.append_null(),
            (Self::Count(to), Value::Count(count)) => to.append_value(count),
            (Self::Count(to), _) => to.append_null(),
            (Self::Day(to), Value::Day(day)) => to.append_value(Date32Type::from_naive_date(day)),
            (Self::Day(to), _) => to.append_null(),
            (Self::Flag(to), Value::Flag(flag)) => to.append_value(flag),
            (Self::Flag(to), _) => to.append_null(),
            (Self::Pairs(to), Value::Pairs(pairs)) => {
                for (key, value) in pairs {
                    to.keys().append_value(key);
                    to.values().append_value(value);
                }
                // Keys and values were appended in pairs, so that the lengths agree.
                let _ = to.append(true);
            }
            (Self::Pairs(to), _) => {
                let _ = to.append(false);
            }
            (Self::Cells { length, values, rows }, Value::Cells(cells)) if cells.len() == *length => {
                rows.push(true);
                if values.is_empty() { *values = cells } else { values.extend_from_slice(&cells) }
            }
            (Self::Cells { length, values, rows }, _) => {
                rows.push(false);
                values.resize(values.len() + *length, f64::NAN);
            }
        }
    }

    fn finish(self, data_type: &DataType, rows: usize) -> ArrayRef {
        match self {
            Self::Text(mut from) => Arc::new(from.finish()),
            Self::Number(mut from) => Arc::new(from.finish()),
            Self::Count(mut from) => Arc::new(from.finish()),
            Self::Day(mut from) => Arc::new(from.finish()),
            Self::Flag(mut from) => Arc::new(from.finish()),
            Self::Pairs(mut from) => Arc::new(from.finish()),
            Self::Cells { values, rows: present, .. } => {
                cells_array(values, &present, data_type).unwrap_or_else(|| new_null_array(data_type, rows))
            }
        }
    }
}

/// Cells (`NaN` where missing) of the rows `present` as a list array whose missing cells are null.
fn cells_array(mut cells: Vec<f64>, present: &[bool], data_type: &DataType) -> Option<ArrayRef> {
    let DataType::FixedSizeList(item, length) = data_type else { return None };
    let mut words = Vec::with_capacity(cells.len() / 64 + 1);
    for chunk in cells.chunks_mut(64) {
        let mut word = 0u64;
        for (at, cell) in chunk.iter_mut().enumerate() {
            word |= u64::from(!cell.is_nan()) << at;
            // Null slots hold 0, so that equal maps are equal bytes.
            *cell = if cell.is_nan() { 0.0 } else { *cell };
        }
        words.push(word);
    }
    let valid = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, cells.len()));
    let cells = Float64Array::try_new(cells.into(), Some(valid).filter(|valid| valid.null_count() > 0)).ok()?;
    let rows = Some(NullBuffer::from(present)).filter(|rows| rows.null_count() > 0);
    Some(Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *length, Arc::new(cells), rows).ok()?))
}

/// The rows of a file as a reader finds them.
pub(crate) struct Rows {
    schema: SchemaRef,
    wanted: Vec<usize>,
    sinks: Vec<Sink>,
    row: Vec<Value>,
    check: bool,
    rows: usize,
    issues: Vec<Vec<Issue>>,
    subjects: Vec<Subject>,
}

impl Rows {
    /// Nothing yet.
    pub(crate) fn new(schema: &SchemaRef, request: &Request<'_>) -> Self {
        let wanted: Vec<usize> = request.columns.iter().copied().filter(|&i| i < schema.fields().len()).collect();
        Self {
            schema: Arc::clone(schema),
            sinks: wanted.iter().map(|&i| Sink::new(schema.field(i).data_type())).collect(),
            wanted,
            row: vec![Value::Null; schema.fields().len()],
            check: request.check,
            rows: 0,
            issues: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// Whether the column is asked for.
    pub(crate) fn wants(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok_and(|index| self.wanted.contains(&index))
    }

    /// Sets a value of the current row.
    pub(crate) fn set(&mut self, column: &str, value: impl Into<Value>) {
        if let Ok(index) = self.schema.index_of(column) {
            self.set_at(index, value);
        }
    }

    /// Sets a value of the current row by the column's index.
    pub(crate) fn set_at(&mut self, index: usize, value: impl Into<Value>) {
        if let Some(slot) = self.row.get_mut(index) {
            *slot = value.into();
        }
    }

    /// Ends the current row.
    pub(crate) fn end_row(&mut self, subject: Subject, issues: Vec<Issue>) {
        for (at, (sink, index)) in self.sinks.iter_mut().zip(&self.wanted).enumerate() {
            // A column that is asked for twice must not be moved out at the first place.
            let again = self.wanted.iter().skip(at + 1).any(|later| later == index);
            if let Some(slot) = self.row.get_mut(*index) {
                sink.push(if again { slot.clone() } else { std::mem::take(slot) });
            }
        }
        self.row.fill(Value::Null);
        self.subjects.push(subject);
        if self.check {
            self.issues.push(issues);
        }
        self.rows += 1;
    }

    /// How many rows are there.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Adds issues to the first row, where those of the whole file stand.
    pub(crate) fn file_issues(&mut self, issues: Vec<Issue>) {
        self.issues_at(0, issues);
    }

    /// Adds issues to a row, before its own.
    pub(crate) fn issues_at(&mut self, row: usize, issues: Vec<Issue>) {
        if let Some(own) = self.issues.get_mut(row) {
            own.splice(0..0, issues);
        }
    }

    /// The reading of the rows up to now, after which there are none.
    pub(crate) fn part(&mut self, layout: Option<&str>) -> Reading {
        let empty = Self {
            schema: Arc::clone(&self.schema),
            wanted: self.wanted.clone(),
            sinks: self.wanted.iter().map(|&i| Sink::new(self.schema.field(i).data_type())).collect(),
            row: self.row.clone(),
            check: self.check,
            rows: 0,
            issues: Vec::new(),
            subjects: Vec::new(),
        };
        std::mem::replace(self, empty).finish(layout)
    }

    /// The reading; a single row of nulls when there was none.
    pub(crate) fn finish(mut self, layout: Option<&str>) -> Reading {
        if self.rows == 0 {
            self.end_row(Subject::default(), Vec::new());
        }
        let rows = self.rows;
        let columns = self
            .sinks
            .into_iter()
            .zip(&self.wanted)
            .map(|(sink, &index)| sink.finish(self.schema.field(index).data_type(), rows))
            .collect();
        Reading { columns, rows, layout: layout.map(Arc::from), issues: self.issues, subjects: self.subjects }
    }
}

/// The reading of a file from which nothing can be taken: one row of nulls with one issue.
pub(crate) fn unreadable(schema: &SchemaRef, request: &Request<'_>, code: IssueCode, detail: &str) -> Reading {
    let mut rows = Rows::new(schema, request);
    rows.end_row(Subject::default(), vec![Issue::new(code, detail)]);
    rows.finish(None)
}

/// The reading with an issue of the whole file, unless it has one of that kind.
pub(crate) fn with_issue(mut reading: Reading, issue: Option<Issue>) -> Reading {
    if let (Some(issue), Some(first)) = (issue, reading.issues.first_mut())
        && first.iter().all(|known| known.code != issue.code)
    {
        first.insert(0, issue);
    }
    reading
}

/// Rows that a writer is to export, checked against the table's schema.
pub(crate) struct Source<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Source<'a> {
    /// Takes rows that have every column of `schema` with its type; others are ignored.
    pub(crate) fn new(device: &'static str, schema: &Schema, batch: &'a RecordBatch) -> Result<Self> {
        for field in schema.fields() {
            let message = match batch.schema_ref().field_with_name(field.name()) {
                Err(_) => format!("can't write rows without the column {}", field.name()),
                Ok(found) if !found.data_type().equals_datatype(field.data_type()) => {
                    format!(
                        "can't write the column {} of type {}; cast it to {}",
                        field.name(),
                        found.data_type(),
                        field.data_type()
                    )
                }
                Ok(_) => continue,
            };
            return Err(Error::Layout { device, message });
        }
        Ok(Self { batch })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&self, name: &str, row: usize) -> Option<&'a ArrayRef> {
        self.batch.column_by_name(name).filter(|array| row < array.len() && array.is_valid(row))
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        self.column(name, row)?.as_string_opt::<i32>().map(|array| array.value(row)).filter(|text| !text.is_empty())
    }

    /// A number that is finite.
    pub(crate) fn number(&self, name: &str, row: usize) -> Option<f64> {
        let number = self.column(name, row)?.as_primitive_opt::<Float64Type>()?.value(row);
        number.is_finite().then_some(number)
    }

    /// A whole number.
    pub(crate) fn count(&self, name: &str, row: usize) -> Option<i32> {
        Some(self.column(name, row)?.as_primitive_opt::<Int32Type>()?.value(row))
    }

    /// A day.
    pub(crate) fn day(&self, name: &str, row: usize) -> Option<NaiveDate> {
        let days = self.column(name, row)?.as_primitive_opt::<Date32Type>()?.value(row);
        let epoch = NaiveDate::default();
        let distance = Days::new(u64::from(days.unsigned_abs()));
        if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str, row: usize) -> Option<bool> {
        Some(self.column(name, row)?.as_boolean_opt()?.value(row))
    }

    /// Labels and values; nothing where the column is null.
    pub(crate) fn pairs(&self, name: &str, row: usize) -> Vec<(String, String)> {
        let read = || {
            let entries = self.column(name, row)?.as_map_opt()?.value(row);
            let keys = entries.column(0).as_string_opt::<i32>()?.clone();
            let values = entries.column(1).as_string_opt::<i32>()?.clone();
            Some(
                keys.iter()
                    .zip(values.iter())
                    .filter_map(|(key, value)| Some((key?.to_owned(), value.unwrap_or_default().to_owned())))
                    .collect(),
            )
        };
        read().unwrap_or_default()
    }

    /// The cells of a map, missing ones `None`; `None` where the whole map is null.
    pub(crate) fn cells(&self, name: &str, row: usize) -> Option<Vec<Option<f64>>> {
        let list = self.column(name, row)?.as_fixed_size_list_opt()?.value(row);
        Some(list.as_primitive_opt::<Float64Type>()?.iter().map(|cell| cell.filter(|value| value.is_finite())).collect())
    }
}
