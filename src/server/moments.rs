//! What `date_trunc` takes apart: a day is, as in PostgreSQL, the moment at which it begins in the session's zone.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::settings;

/// The function around what is taken apart.
pub(crate) const NAME: &str = "placido_moment";

/// The function for a session. Plans are made for one zone, so that nothing else is given for the same day.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(Moment(Signature::any(1, Volatility::Immutable)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment(Signature);

fn is_day(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

fn broken() -> DataFusionError {
    DataFusionError::Internal("a moment is made of something else than one value".to_owned())
}

fn moments() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let given = arguments.first().ok_or_else(broken)?;
        Ok(if is_day(given) { moments() } else { given.clone() })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let given = args.arg_fields.first().ok_or_else(broken)?;
        Ok(match is_day(given.data_type()) {
            true => Arc::new(Field::new(NAME, moments(), given.is_nullable())),
            false => Arc::clone(given),
        })
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.as_slice() {
            [only] if !is_day(&info.get_data_type(only)?) => Ok(ExprSimplifyResult::Simplified(args.remove(0))),
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().and_then(settings::zone).unwrap_or_default();
        let given = args.args.into_iter().next().ok_or_else(broken)?;
        if !is_day(&given.data_type()) {
            return Ok(given);
        }
        let constant = matches!(given, ColumnarValue::Scalar(_));
        let days = given.into_array(if constant { 1 } else { args.number_rows })?;
        let clocks = cast(&days, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let moments: TimestampMicrosecondArray =
            clocks.as_primitive::<TimestampMicrosecondType>().unary(|clock| zone.instant(clock));
        let moments: ArrayRef = Arc::new(moments.with_timezone("UTC"));
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&moments, 0)?),
            false => ColumnarValue::Array(moments),
        })
    }
}
