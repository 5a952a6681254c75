//! Rows by column name, and their way into Arrow for a device's writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, FixedSizeListArray, Float64Array, Int32Array, RecordBatch, StringArray, new_null_array,
};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use chrono::NaiveDate;

use crate::error::Result;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Number(f64),
    Count(i32),
    Day(NaiveDate),
    Flag(bool),
    /// Cells of a map, NaN where missing.
    Map(Vec<f64>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Day(day)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A row: what is not in it is null.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row(BTreeMap<&'static str, Cell>);

impl Row {
    /// Sets a column.
    pub(super) fn set(&mut self, column: &'static str, value: impl Into<Cell>) {
        self.0.insert(column, value.into());
    }

    /// Makes a column null.
    pub(super) fn clear(&mut self, column: &str) {
        self.0.remove(column);
    }

    /// The text of a column; empty where it has none.
    pub(super) fn text(&self, column: &str) -> &str {
        match self.0.get(column) {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }

    /// The day of a column.
    pub(super) fn day(&self, column: &str) -> Option<NaiveDate> {
        match self.0.get(column) {
            Some(Cell::Day(day)) => Some(*day),
            _ => None,
        }
    }

    /// The columns that are not null.
    #[cfg(test)]
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// The number of a column.
    pub(super) fn number(&self, column: &str) -> Option<f64> {
        match self.0.get(column) {
            Some(Cell::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// The rows as a batch with exactly the columns of `schema`: null where a row has no value, or one of another type. Columns
/// that the schema does not have are left out.
///
/// # Errors
/// When Arrow refuses the columns.
pub(super) fn batch(schema: &SchemaRef, mut rows: Vec<Row>) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(field, &mut rows)).collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn column(field: &FieldRef, rows: &mut [Row]) -> Result<ArrayRef> {
    let count = rows.len();
    let cells = rows.iter_mut().map(|row| row.0.remove(field.name().as_str()));
    Ok(match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
            Some(Cell::Number(number)) => Some(number),
            _ => None,
        }))),
        DataType::Int32 => Arc::new(Int32Array::from_iter(cells.map(|cell| match cell {
            Some(Cell::Count(count)) => Some(count),
            _ => None,
        }))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
            Some(Cell::Flag(flag)) => Some(flag),
            _ => None,
        }))),
        DataType::Date32 => Arc::new(Date32Array::from_iter(cells.map(|cell| match cell {
            Some(Cell::Day(day)) => i32::try_from((day - NaiveDate::default()).num_days()).ok(),
            _ => None,
        }))),
        DataType::FixedSizeList(item, length) => {
            let size = usize::try_from(*length).unwrap_or_default();
            let mut values = Vec::new();
            for cell in cells {
                match cell {
                    Some(Cell::Map(map)) if map.len() == size => values.extend(map),
                    _ => values.resize(values.len() + size, f64::NAN),
                }
            }
            let values = Float64Array::from_iter(values.into_iter().map(|value| (!value.is_nan()).then_some(value)));
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *length, Arc::new(values), None)?)
        }
        other => new_null_array(other, count),
    })
}
