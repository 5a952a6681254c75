//! Functions of arrays in PostgreSQL's way: NULL is an element like any other to `array_remove` and `array_replace`, and like none to `&&`.

use std::collections::HashSet;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Scalar};
use datafusion::arrow::compute::filter;
use datafusion::arrow::compute::kernels::cmp::{distinct, not_distinct};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::Result;

use super::functions::{Arguments, Function, Returns, function};
use super::number_functions::comparable;
use crate::server::casts::strictly;
use crate::server::error::PgError;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("array_remove", Returns::First, |_, arguments, row| {
        let Some(list) = list(arguments, 0, row)? else { return none(arguments) };
        let kept = same(arguments, &list, row, distinct)?;
        like_first(arguments, filter(&list, &kept)?)
    }),
    function("array_replace", Returns::First, |_, arguments, row| {
        let Some(list) = list(arguments, 0, row)? else { return none(arguments) };
        let replaced = same(arguments, &list, row, not_distinct)?;
        let Some(by) = arguments.array(2) else { return none(arguments) };
        let by = strictly(&by.slice(row, 1), list.data_type())?;
        like_first(arguments, zip(&replaced, &Scalar::new(by), &list)?)
    }),
    function("trim_array", Returns::First, |_, arguments, row| {
        let (Some(list), Some(count)) = (list(arguments, 0, row)?, arguments.int(1, row)) else { return none(arguments) };
        let kept = usize::try_from(count).ok().and_then(|count| list.len().checked_sub(count));
        let Some(kept) = kept else {
            let told = format!("number of elements to trim must be between 0 and {}", list.len());
            return Err(PgError::new("2202E", told).into());
        };
        like_first(arguments, list.slice(0, kept))
    }),
    function("placido_array_overlap", Returns::Bool, |_, arguments, row| {
        let (Some(own), Some(others)) = (list(arguments, 0, row)?, list(arguments, 1, row)?) else {
            return Ok(ScalarValue::Boolean(None));
        };
        let (own, others) = comparable(&own, &others)?;
        let (few, many) = if own.len() < others.len() { (own, others) } else { (others, own) };
        let wanted = elements(&few).collect::<Result<HashSet<ScalarValue>>>()?;
        for element in elements(&many) {
            if wanted.contains(&element?) {
                return Ok(ScalarValue::Boolean(Some(true)));
            }
        }
        Ok(ScalarValue::Boolean(Some(false)))
    }),
];

/// The elements that are not NULL.
fn elements(array: &ArrayRef) -> impl Iterator<Item = Result<ScalarValue>> {
    (0..array.len()).filter(|at| array.is_valid(*at)).map(|at| ScalarValue::try_from_array(array, at))
}

/// The elements of an argument.
fn list(arguments: &Arguments, index: usize, row: usize) -> Result<Option<ArrayRef>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    match array.data_type() {
        DataType::List(_) => Ok(Some(array.as_list::<i32>().value(row))),
        DataType::LargeList(_) => Ok(Some(array.as_list::<i64>().value(row))),
        DataType::FixedSizeList(..) => Ok(Some(array.as_fixed_size_list().value(row))),
        other => Err(PgError::new("42804", format!("an array was expected, not {other}")).into()),
    }
}

fn none(arguments: &Arguments) -> Result<ScalarValue> {
    match arguments.array(0) {
        Some(array) => ScalarValue::try_from(array.data_type()),
        None => Ok(ScalarValue::Null),
    }
}

/// A list of the type of the first argument.
fn like_first(arguments: &Arguments, elements: ArrayRef) -> Result<ScalarValue> {
    let list = SingleRowListArrayBuilder::new(elements).build_list_scalar();
    match arguments.array(0) {
        Some(first) if *first.data_type() != list.data_type() => list.cast_to(first.data_type()),
        _ => Ok(list),
    }
}

type Compare = fn(
    &dyn datafusion::arrow::array::Datum,
    &dyn datafusion::arrow::array::Datum,
) -> std::result::Result<BooleanArray, datafusion::arrow::error::ArrowError>;

/// What a comparison says of each element and the second argument.
fn same(arguments: &Arguments, list: &ArrayRef, row: usize, compare: Compare) -> Result<BooleanArray> {
    let Some(element) = arguments.array(1) else { return Ok(BooleanArray::from(vec![false; list.len()])) };
    let (list, element) = comparable(list, &element.slice(row, 1))?;
    Ok(compare(&list, &Scalar::new(element))?)
}
