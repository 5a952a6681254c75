//! The quotient of two `numeric`, with the 16 digits behind the point that PostgreSQL gives at least, rounded away from zero. The engine
//! keeps as few as four and cuts the rest.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::error::PgError;

const DIGITS: i8 = 16;
const PRECISION: u8 = 38;

/// A type of whole numbers or of decimals as the decimal that holds it.
fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) if *scale >= 0 => Some((*precision, *scale)),
        _ => None,
    }
}

/// The quotient, where one side is a decimal and the other a decimal or a whole number.
pub(crate) fn quotient(left: &Expr, right: &Expr, types: [&DataType; 2]) -> Option<Expr> {
    let is_decimal = |data_type: &DataType| matches!(data_type, DataType::Decimal128(..));
    let divides = types.iter().any(|data_type| is_decimal(data_type)) && types.iter().all(|known| decimal(known).is_some());
    divides.then(|| ScalarUDF::from(Quotient::default()).call(vec![left.clone(), right.clone()]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quotient(Signature);

impl Default for Quotient {
    fn default() -> Self {
        Self(Signature::any(2, Volatility::Immutable))
    }
}

fn scale_of(types: &[DataType]) -> i8 {
    types.iter().filter_map(decimal).map(|(_, scale)| scale).max().unwrap_or(0).max(DIGITS)
}

fn broken() -> PgError {
    PgError::new("XX000", "a quotient has other arguments")
}

impl ScalarUDFImpl for Quotient {
    fn name(&self) -> &str {
        "numeric_divide"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / "))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect::<Vec<_>>().join(" / "))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(PRECISION, scale_of(types)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let scale = scale_of(&types);
        let side = |at: usize| -> Result<(ArrayRef, i8)> {
            let (precision, scale) = types.get(at).and_then(decimal).ok_or_else(broken)?;
            let array = args.args.get(at).ok_or_else(broken)?.to_array(rows)?;
            Ok((cast(&array, &DataType::Decimal128(precision, scale))?, scale))
        };
        let ((left, left_scale), (right, right_scale)) = (side(0)?, side(1)?);
        // left / 10^ls over right / 10^rs, times 10^scale.
        let power = u32::try_from(i32::from(scale) - i32::from(left_scale) + i32::from(right_scale)).unwrap_or(0);
        let factor =
            i256::from_i128(10).checked_pow(power).ok_or_else(|| PgError::new("22003", "value overflows numeric format"))?;
        let both = left.as_primitive::<Decimal128Type>().iter().zip(right.as_primitive::<Decimal128Type>());
        let divided = both.map(|both| match both {
            (Some(left), Some(right)) => divided(left, right, factor).map(Some),
            _ => Ok(None),
        });
        let divided: Decimal128Array = divided.collect::<std::result::Result<Vec<_>, PgError>>()?.into();
        let divided: ArrayRef = Arc::new(divided.with_precision_and_scale(PRECISION, scale)?);
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&divided, 0)?),
            false => ColumnarValue::Array(divided),
        })
    }
}

fn divided(left: i128, right: i128, factor: i256) -> std::result::Result<i128, PgError> {
    if right == 0 {
        return Err(PgError::new("22012", "division by zero"));
    }
    let too_large = || PgError::new("22003", "value overflows numeric format");
    let right = i256::from_i128(right);
    let left = i256::from_i128(left).checked_mul(factor).ok_or_else(too_large)?;
    let (quotient, rest) = (left.checked_div(right).ok_or_else(too_large)?, left.checked_rem(right).ok_or_else(too_large)?);
    let half = rest.wrapping_abs().checked_mul(i256::from_i128(2)).ok_or_else(too_large)? >= right.wrapping_abs();
    let away = if left.is_negative() == right.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    let rounded = if half { quotient.wrapping_add(away) } else { quotient };
    let fits = rounded.to_i128().filter(|value| value.unsigned_abs() < 10_u128.pow(u32::from(PRECISION)));
    fits.ok_or_else(too_large)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_away_from_zero() {
        // bc -l: 2/3 = .66666666666666666666, 1/8 = .125
        let factor = i256::from_i128(10_i128.pow(16));
        assert_eq!(divided(2, 3, factor).unwrap(), 6_666_666_666_666_667);
        assert_eq!(divided(-2, 3, factor).unwrap(), -6_666_666_666_666_667);
        assert_eq!(divided(1, -8, i256::from_i128(100)).unwrap(), -13);
        assert_eq!(divided(1, 8, i256::from_i128(100)).unwrap(), 13);
        assert_eq!(divided(1, 0, factor).unwrap_err().code, "22012");
        assert_eq!(divided(i128::MAX / 10, 1, factor).unwrap_err().code, "22003");
    }
}
