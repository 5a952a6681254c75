//! Structs as the results of aggregates, and as arguments.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};

use crate::args::Settings;

/// A struct of numbers in the order of its fields; numbers that are not finite become NULL, and `None` is a NULL struct.
///
/// # Errors
/// Where the planned type is no struct of so many numbers.
pub(crate) fn of_numbers<const N: usize>(field: &Field, numbers: Option<[f64; N]>) -> Result<ScalarValue> {
    let column = |n: f64| Arc::new(Float64Array::from(vec![Some(n).filter(|n| n.is_finite())])) as ArrayRef;
    of_columns(field, numbers.map(|n| n.map(column).to_vec()))
}

/// A struct from one-row columns in the order of its fields; `None` is a NULL struct.
///
/// # Errors
/// Where the planned type is another one.
pub(crate) fn of_columns(field: &Field, columns: Option<Vec<ArrayRef>>) -> Result<ScalarValue> {
    let DataType::Struct(fields) = field.data_type() else {
        return internal_err!("{} was planned without a struct", field.name());
    };
    match columns {
        None => ScalarValue::try_from(field.data_type()),
        Some(columns) => Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))),
    }
}

/// Refuses a struct argument that lacks a field, while the statement is planned.
///
/// # Errors
/// For another struct than `maker` gives; the message names the first missing field.
pub(crate) fn require_fields(settings: &Settings, index: usize, names: &[&str], maker: &str) -> Result<()> {
    let Some(DataType::Struct(fields)) = settings.field(index).map(Field::data_type) else { return Ok(()) };
    match names.iter().find(|name| fields.find(name).is_none()) {
        Some(missing) => plan_err!("{}: the struct has no field {missing}; it must come from {maker}", settings.name()),
        None => Ok(()),
    }
}
