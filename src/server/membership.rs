//! `x IN (SELECT …)` as a value: a function of the value and of the list of what the query gives.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The name that the rewriter calls it by.
pub(crate) const NAME: &str = "placido_in";

/// The function.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(In { signature: Signature::user_defined(Volatility::Immutable) })
}

/// As in SQL: a value that is not found among values of which some are unknown is unknown; among none, nothing is found.
#[derive(Debug, PartialEq, Eq, Hash)]
struct In {
    signature: Signature,
}

impl ScalarUDFImpl for In {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, DataType::List(element)] = types else {
            return plan_err!("IN compares one value with the only column of a query");
        };
        let common = match (value, element.data_type()) {
            (DataType::Null, element) => Some(element.clone()),
            (value, DataType::Null) => Some(value.clone()),
            (value, element) => comparison_coercion(value, element),
        };
        match common {
            Some(common) => Ok(vec![common.clone(), DataType::List(Arc::new(Field::new_list_field(common, true)))]),
            None => plan_err!("IN cannot compare {value} with {}", element.data_type()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, list] = args.args.as_slice() else { return exec_err!("{NAME} takes a value and a list") };
        let rows = args.number_rows;
        let values = value.to_array(rows)?;
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        let answer = match list {
            ColumnarValue::Scalar(list) => {
                // One list for all: it is looked at once.
                let list = list.to_array()?;
                let elements = elements(list.as_list::<i32>(), values.data_type())?;
                let found = converter.convert_columns(&[Arc::clone(&elements)])?;
                let known: HashSet<&[u8]> =
                    (0..elements.len()).filter(|at| elements.is_valid(*at)).map(|at| found.row(at).data()).collect();
                let wanted = converter.convert_columns(&[Arc::clone(&values)])?;
                let answer = |row: usize| {
                    told(&values, row, elements.len(), elements.null_count() > 0, || known.contains(wanted.row(row).data()))
                };
                (0..rows).map(answer).collect::<BooleanArray>()
            }
            ColumnarValue::Array(lists) => each(&converter, &values, lists.as_list::<i32>())?,
        };
        Ok(ColumnarValue::Array(Arc::new(answer)))
    }
}

/// The elements of the only list; none where it is NULL, because the aggregate that makes it gives NULL for no rows.
fn elements(list: &ListArray, data_type: &DataType) -> Result<ArrayRef> {
    let elements = if list.is_empty() || list.is_null(0) { list.values().slice(0, 0) } else { list.value(0) };
    Ok(cast(&elements, data_type)?)
}

/// A list for each value.
fn each(converter: &RowConverter, values: &ArrayRef, lists: &ListArray) -> Result<BooleanArray> {
    let elements = cast(lists.values(), values.data_type())?;
    let found = converter.convert_columns(&[Arc::clone(&elements)])?;
    let wanted = converter.convert_columns(&[Arc::clone(values)])?;
    let contains = |wanted: &Rows, row: usize, from: usize, until: usize| {
        (from..until).any(|at| elements.is_valid(at) && found.row(at).data() == wanted.row(row).data())
    };
    let answer = |row: usize| {
        if lists.is_null(row) {
            return Some(false);
        }
        let offsets = lists.value_offsets();
        let end = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        let (from, until) = (end(row), end(row + 1));
        let unknown = (from..until).any(|at| elements.is_null(at));
        told(values, row, until.saturating_sub(from), unknown, || contains(&wanted, row, from, until))
    };
    Ok((0..values.len()).map(answer).collect())
}

fn told(values: &ArrayRef, row: usize, length: usize, unknown: bool, contains: impl Fn() -> bool) -> Option<bool> {
    match () {
        () if length == 0 => Some(false),
        () if values.is_null(row) || *values.data_type() == DataType::Null => None,
        () if contains() => Some(true),
        () if unknown => None,
        () => Some(false),
    }
}
