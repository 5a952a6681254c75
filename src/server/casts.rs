//! Casts to and from texts in PostgreSQL's spelling, where the engine's is another.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::error::PgError;
use super::interval;
use super::{encode, inputs, pg_catalog, settings, types};

/// Whether PostgreSQL spells values of a type in its own way.
pub(crate) fn is_spelled(data_type: &DataType) -> bool {
    data_type.is_floating()
        || data_type.is_nested()
        || data_type.is_temporal() && !matches!(data_type, DataType::Date32 | DataType::Date64)
        || matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Values as those of another type; a text that is none of it is an error.
pub(crate) fn strictly(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let made = cast(array, wanted)?;
    let failed = match made.null_count() > array.null_count() {
        true => (0..array.len()).find(|row| made.is_null(*row) && array.is_valid(*row)),
        false => None,
    };
    match failed {
        Some(row) if *array.data_type() != DataType::Null => {
            let written = encode::texts(&array.slice(row, 1), settings::Zone::default())?;
            let named = pg_catalog::format_type(types::of_data_type(wanted).oid(), None);
            Err(inputs::invalid_input(&named, written.value(0)).into())
        }
        _ => Ok(made),
    }
}

/// A cast has the name of what it casts.
fn name_of_cast(args: &[Expr]) -> String {
    args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default()
}

/// The values of an argument, and whether they are one for all rows.
fn values(args: &ScalarFunctionArgs) -> Result<(ArrayRef, bool)> {
    match args.args.first() {
        Some(ColumnarValue::Array(array)) => Ok((Arc::clone(array), false)),
        Some(ColumnarValue::Scalar(value)) => Ok((value.to_array()?, true)),
        None => Err(PgError::new("XX000", "a cast without a value").into()),
    }
}

fn result(array: &ArrayRef, constant: bool) -> Result<ColumnarValue> {
    Ok(match constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(array, 0)?),
        false => ColumnarValue::Array(Arc::clone(array)),
    })
}

/// A value as the text that a client would see of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToText(Signature);

impl Default for ToText {
    fn default() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for ToText {
    fn name(&self) -> &str {
        "to_text"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(name_of_cast(args))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (array, constant) = values(&args)?;
        let zone = args.config_options.execution.time_zone.as_deref().and_then(settings::zone).unwrap_or_default();
        let texts: ArrayRef = Arc::new(encode::texts(&array, zone)?);
        result(&texts, constant)
    }
}

/// A text as the interval that it says.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToInterval(Signature);

impl Default for ToInterval {
    fn default() -> Self {
        Self(Signature::any(1, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for ToInterval {
    fn name(&self) -> &str {
        "to_interval"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(name_of_cast(args))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (array, constant) = values(&args)?;
        let texts = cast(&array, &DataType::Utf8)?;
        let read = |text: Option<&str>| text.map(|text| interval::parse(text, None).map(IntervalMonthDayNano::from)).transpose();
        let read: Vec<_> = texts.as_string::<i32>().iter().map(read).collect::<std::result::Result<_, PgError>>()?;
        let intervals: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(read));
        result(&intervals, constant)
    }
}
