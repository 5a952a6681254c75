//! WITH ORDINALITY: the elements of a list with their numbers.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::error::PgError;

/// The name that the rewriter calls it by, and the fields of what it gives.
pub(crate) const NAME: &str = "placido_numbered";
pub(crate) const VALUE: &str = "value";
pub(crate) const ORDINALITY: &str = "ordinality";

/// The function: a list of values with their numbers, from 1.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::from(Numbered(Signature::any(1, Volatility::Immutable)))
}

fn fields(element: &DataType) -> Fields {
    Fields::from(vec![Field::new(VALUE, element.clone(), true), Field::new(ORDINALITY, DataType::Int64, true)])
}

/// The type of the elements of a list.
fn element(list: &DataType) -> Result<&FieldRef> {
    match list {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => Ok(element),
        _ => Err(PgError::new("42883", "WITH ORDINALITY numbers the elements of an array").into()),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Numbered(Signature);

impl ScalarUDFImpl for Numbered {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let element = element(types.first().unwrap_or(&DataType::Null))?;
        Ok(DataType::new_list(DataType::Struct(fields(element.data_type())), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(list) = args.args.first() else { return Err(PgError::new("XX000", "a list is missing").into()) };
        let list = list.to_array(rows)?;
        let element = Arc::clone(element(list.data_type())?);
        let list = cast(&list, &DataType::List(Arc::clone(&element)))?;
        let list: &ListArray = list.as_list();
        let mut numbers = vec![0_i64; list.values().len()];
        for bounds in list.value_offsets().windows(2) {
            let [from, until] = bounds else { continue };
            let bound = |bound: &i32| usize::try_from(*bound).unwrap_or(0);
            for (number, slot) in (1..).zip(numbers.get_mut(bound(from)..bound(until)).unwrap_or_default()) {
                *slot = number;
            }
        }
        let fields = fields(element.data_type());
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        let values = StructArray::try_new(fields.clone(), vec![Arc::clone(list.values()), numbers], None)?;
        let field = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        let numbered = ListArray::try_new(field, list.offsets().clone(), Arc::new(values), list.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(numbered)))
    }
}
