//! Correlated queries as values: `(SELECT x FROM t WHERE t.k = outer.k)`.
//!
//! The engine plans them only where their text says that there is one row, as an aggregate does. So they become one: [`One`] keeps the
//! first value and whether there was another, and [`Only`], outside of the query, gives the value or fails as PostgreSQL does. It does
//! not fail inside, because the engine computes groups that no outer row asks for.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::compute::nullif;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::error::PgError;

/// The aggregate inside of the query.
pub(crate) const ONE: &str = "placido_one";
/// The function around it.
pub(crate) const ONLY: &str = "placido_only";

/// Both, for a session.
pub(crate) fn functions() -> (AggregateUDF, ScalarUDF) {
    (
        AggregateUDF::new_from_impl(One(Signature::any(1, Volatility::Immutable))),
        ScalarUDF::new_from_impl(Only(Signature::any(1, Volatility::Immutable))),
    )
}

fn fields(value: &DataType) -> Fields {
    Fields::from(vec![Field::new("value", value.clone(), true), Field::new("another", DataType::Boolean, true)])
}

fn broken() -> DataFusionError {
    DataFusionError::Internal("a query as a value has another shape".to_owned())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct One(Signature);

impl AggregateUDFImpl for One {
    fn name(&self) -> &str {
        ONE
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(arguments.first().ok_or_else(broken)?)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(args.name, args.return_field.data_type().clone(), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let DataType::Struct(fields) = args.return_field.data_type() else { return Err(broken()) };
        Ok(Box::new(Seen { fields: fields.clone(), value: None, another: false }))
    }
}

/// What a group has seen.
#[derive(Debug)]
struct Seen {
    fields: Fields,
    value: Option<ScalarValue>,
    another: bool,
}

impl Seen {
    fn add(&mut self, value: ScalarValue) {
        self.another |= self.value.is_some();
        self.value.get_or_insert(value);
    }
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values.first().ok_or_else(broken)?;
        if !values.is_empty() {
            self.add(ScalarValue::try_from_array(values, 0)?);
            self.another |= values.len() > 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states.first().and_then(|states| states.as_struct_opt()).ok_or_else(broken)?;
        for row in (0..states.len()).filter(|row| states.is_valid(*row)) {
            self.add(ScalarValue::try_from_array(states.column(0), row)?);
            self.another |= states.column(1).as_boolean().value(row);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(value) = &self.value else { return ScalarValue::try_from(&DataType::Struct(self.fields.clone())) };
        let columns = vec![value.to_array()?, ScalarValue::Boolean(Some(self.another)).to_array()?];
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(self.fields.clone(), columns, None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.as_ref().map_or(0, ScalarValue::size)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Only(Signature);

impl ScalarUDFImpl for Only {
    fn name(&self) -> &str {
        ONLY
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Struct(fields)] => fields.first().map(|value| value.data_type().clone()).ok_or_else(broken),
            _ => Err(broken()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let found = args.args.into_iter().next().ok_or_else(broken)?.into_array(rows)?;
        let found = found.as_struct_opt().ok_or_else(broken)?;
        let (value, another) = (found.column(0), found.column(1).as_boolean());
        if (0..found.len()).any(|row| found.is_valid(row) && another.is_valid(row) && another.value(row)) {
            return Err(PgError::new("21000", "more than one row returned by a subquery used as an expression").into());
        }
        let absent = datafusion::arrow::compute::is_null(found)?;
        Ok(ColumnarValue::Array(nullif(value, &absent)?))
    }
}
