//! `t` as a value, where `t` is what stands in FROM: a row of all its columns.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error::PgError;
use super::names;

/// Plans the row of a name; a column of that name comes first, as in PostgreSQL.
pub(crate) fn plan(name: &str, schema: &DFSchema) -> Result<Expr> {
    let column = schema.iter().find(|(_, field)| field.name() == name);
    if let Some((qualifier, _)) = column {
        return Ok(Expr::Column(Column::new(qualifier.cloned(), name)));
    }
    let of_table = schema.iter().filter(|(qualifier, _)| qualifier.is_some_and(|table| table.table() == name));
    // Those that only the engine sees are none of the row's.
    let of_table = of_table.filter(|(_, field)| !names::shown(field.name()).is_empty());
    let columns: Vec<Expr> = of_table.map(Expr::from).collect();
    let named = |column: &Expr| match column {
        Expr::Column(column) => names::shown(&column.name).to_owned(),
        _ => String::new(),
    };
    let names: Vec<String> = columns.iter().map(named).collect();
    if names.is_empty() {
        return Err(PgError::new("42703", format!("column \"{name}\" does not exist")).into());
    }
    Ok(ScalarUDF::from(Row { names, signature: Signature::variadic_any(Volatility::Immutable) }).call(columns))
}

/// A row of values with these names.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    names: Vec<String>,
    signature: Signature,
}

impl Row {
    fn fields(&self, types: &[FieldRef]) -> Fields {
        let named = self.names.iter().zip(types).map(|(name, field)| field.as_ref().clone().with_name(name).with_nullable(true));
        named.collect::<Vec<_>>().into()
    }
}

/// Which rows there are: the side of an outer join that has none is NULL in all its columns, and so is its row.
fn known(columns: &[ArrayRef]) -> Option<NullBuffer> {
    let (first, rest) = columns.split_first()?;
    let mut known = first.logical_nulls()?.into_inner();
    for column in rest {
        known = &known | column.logical_nulls()?.inner();
    }
    Some(NullBuffer::new(known))
}

impl ScalarUDFImpl for Row {
    fn name(&self) -> &str {
        "whole_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        Ok(DataType::Struct(self.fields(&types)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Struct(self.fields(args.arg_fields)), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let known = known(&columns);
        let row: ArrayRef = Arc::new(StructArray::try_new(self.fields(&args.arg_fields), columns, known)?);
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&row, 0)?)),
            false => Ok(ColumnarValue::Array(row)),
        }
    }
}
