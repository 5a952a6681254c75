//! Structs and lists as the results of aggregates, and structs as arguments.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};

use crate::args::Settings;

/// A number; one that is not finite is NULL.
pub(crate) fn number(value: Option<f64>) -> ScalarValue {
    ScalarValue::Float64(value.filter(|v| v.is_finite()))
}

/// A list of numbers; those that are not finite are NULL, and `None` is a NULL list.
pub(crate) fn numbers(values: Option<&[f64]>) -> Result<ScalarValue> {
    match values {
        Some(values) => list(Float64Array::from_iter(values.iter().map(|v| Some(*v).filter(|v| v.is_finite())))),
        None => ScalarValue::try_from(&list_of(DataType::Float64)),
    }
}

/// A list of the values of a column.
pub(crate) fn list(values: impl Array + 'static) -> Result<ScalarValue> {
    let element = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(element, offsets, Arc::new(values), None)?)))
}

/// Type of [`list`].
pub(crate) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// Type of [`numbers`].
pub(crate) fn list_of_numbers() -> DataType {
    list_of(DataType::Float64)
}

/// The planned struct of these values, or NULL.
///
/// # Errors
/// Where the planned type is another one.
pub(crate) fn structure(field: &Field, values: Option<Vec<ScalarValue>>) -> Result<ScalarValue> {
    let DataType::Struct(fields) = field.data_type() else {
        return internal_err!("{} was planned without a struct", field.name());
    };
    let Some(values) = values else { return ScalarValue::try_from(field.data_type()) };
    let columns = values.iter().map(|v| v.to_array_of_size(1)).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields.clone(), columns, None)?)))
}

/// The planned struct of numbers in the order of its fields, or NULL; numbers that are not finite are NULL.
///
/// # Errors
/// Where the planned type is no struct of so many numbers.
pub(crate) fn of_numbers<const N: usize>(field: &Field, numbers: Option<[f64; N]>) -> Result<ScalarValue> {
    structure(field, numbers.map(|n| n.map(|n| number(Some(n))).to_vec()))
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
