//! Rows of the catalog, cell by cell, and the batches made of them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, new_null_array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::pg_types;
use super::relations::{self, INFORMATION_SCHEMA};

/// A value of a cell; the column's type decides how it is stored.
#[derive(Clone)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// The texts of an array's elements.
    List(Vec<String>),
    Null,
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<i16> for Cell {
    fn from(value: i16) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Cell::Float(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Cell::Text(value)
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Cell::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}

impl From<Vec<String>> for Cell {
    fn from(value: Vec<String>) -> Self {
        Cell::List(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl From<char> for Cell {
    fn from(value: char) -> Self {
        Cell::Text(value.to_string())
    }
}

/// Named cells of one row; columns that are not named have PostgreSQL's empty value.
pub(super) type Row = Vec<(&'static str, Cell)>;

macro_rules! row {
    ($($name:ident: $value:expr),* $(,)?) => { vec![$((stringify!($name), $crate::server::pg_catalog::cells::Cell::from($value))),*] };
}
pub(super) use row;

/// Rows as a batch of a relation's columns.
pub(super) fn batch(schema_name: &str, name: &str, rows: &[Row]) -> Result<Option<RecordBatch>> {
    let Some(relation) = relations::relation(schema_name, name) else { return Ok(None) };
    let schema = relation.schema();
    // The views of the standard have NULL where pg_catalog has zeros and empty names.
    let with_defaults = schema_name != INFORMATION_SCHEMA;
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (field, (column, pg_type)) in schema.fields().iter().zip(&relation.columns) {
        if rows.is_empty() {
            arrays.push(new_null_array(field.data_type(), 0));
            continue;
        }
        let scalars = rows.iter().map(|row| {
            let cell = row.iter().find(|(name, _)| name == column).map(|(_, cell)| cell);
            scalar(cell, pg_type, field.data_type(), with_defaults)
        });
        arrays.push(ScalarValue::iter_to_array(scalars.collect::<Result<Vec<_>>>()?)?);
    }
    Ok(Some(RecordBatch::try_new(Arc::clone(&schema), arrays)?))
}

fn scalar(cell: Option<&Cell>, pg_type: &str, data_type: &DataType, with_defaults: bool) -> Result<ScalarValue> {
    let scalar = match (cell, pg_type) {
        (Some(Cell::Bool(value)), _) => ScalarValue::Boolean(Some(*value)),
        (Some(Cell::Int(value)), _) => ScalarValue::Int64(Some(*value)),
        (Some(Cell::Float(value)), _) => ScalarValue::Float64(Some(*value)),
        (Some(Cell::Text(name)), "regproc") => ScalarValue::Int64(Some(i64::from(pg_types::proc_oid(name)))),
        (Some(Cell::Text(value)), _) => ScalarValue::Utf8(Some(value.clone())),
        (Some(Cell::List(values)), _) => {
            let texts: Vec<_> = values.iter().map(|value| ScalarValue::Utf8(Some(value.clone()))).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&texts, &DataType::Utf8))
        }
        (Some(Cell::Null), _) => ScalarValue::try_from(data_type)?,
        (None, _) if !with_defaults => ScalarValue::try_from(data_type)?,
        (None, "bool") => ScalarValue::Boolean(Some(false)),
        (None, "int2" | "int4" | "int8" | "oid" | "xid" | "regproc") => ScalarValue::Int64(Some(0)),
        (None, "float4" | "float8") => ScalarValue::Float64(Some(0.0)),
        (None, "char" | "name") => ScalarValue::Utf8(Some(String::new())),
        (None, _) => ScalarValue::try_from(data_type)?,
    };
    if scalar.data_type() == *data_type { Ok(scalar) } else { scalar.cast_to(data_type) }
}
