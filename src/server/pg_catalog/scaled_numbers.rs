//! Functions whose result has as many decimals as a constant argument says: `trunc(x, n)` and `to_number(text, pattern)`.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::number_formats;
use crate::server::casts::strictly;
use crate::server::error::PgError;

/// Digits of the numbers that these functions give.
const DIGITS: u8 = 38;
/// Decimals where no constant tells how many there are, as everywhere here.
const DECIMALS: i8 = 10;

/// The functions.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    let scaled = |of| ScalarUDF::new_from_impl(Scaled { of, signature: Signature::any(2, Volatility::Immutable) });
    [Of::Truncation, Of::Text].into_iter().map(scaled)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Truncation,
    Text,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Scaled {
    of: Of,
    signature: Signature,
}

impl Scaled {
    /// The type of a result, given the constants among the arguments.
    fn result(&self, first: &DataType, second: Option<&ScalarValue>) -> DataType {
        let told = second.and_then(|value| value.cast_to(&DataType::Int64).ok());
        let decimals = match told {
            Some(ScalarValue::Int64(decimals)) => decimals,
            _ => None,
        };
        match (self.of, first) {
            (Of::Text, _) => {
                let pattern = match second {
                    Some(ScalarValue::Utf8(Some(pattern)) | ScalarValue::Utf8View(Some(pattern))) => Some(pattern),
                    _ => None,
                };
                let decimals = pattern.map_or(DECIMALS, |pattern| number_formats::decimals(pattern));
                DataType::Decimal128(DIGITS, decimals)
            }
            (Of::Truncation, DataType::Decimal128(precision, scale)) => match decimals {
                Some(decimals) => {
                    // The digits before the point keep their room.
                    let whole = i64::from(*precision) - i64::from(*scale);
                    let wanted = decimals.clamp(0, (i64::from(DIGITS) - whole).max(0));
                    let digits = u8::try_from((whole + wanted).clamp(1, DIGITS.into())).unwrap_or(DIGITS);
                    DataType::Decimal128(digits, i8::try_from(wanted).unwrap_or(0))
                }
                None => first.clone(),
            },
            (Of::Truncation, integer) if integer.is_integer() => integer.clone(),
            (Of::Truncation, _) => DataType::Float64,
        }
    }
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        match self.of {
            Of::Truncation => "placido_trunc",
            Of::Text => "to_number",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(self.result(arguments.first().unwrap_or(&DataType::Null), None))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let first = args.arg_fields.first().map_or(&DataType::Null, |field| field.data_type());
        let second = args.scalar_arguments.get(1).copied().flatten();
        Ok(Arc::new(Field::new(self.name(), self.result(first, second), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let [first, second] = args.args.as_slice() else {
            return Err(PgError::new("42883", format!("{}() wants two arguments", self.name())).into());
        };
        let (first, second) = (first.to_array(rows)?, second.to_array(rows)?);
        let wanted = args.return_field.data_type();
        let made = match self.of {
            Of::Truncation => truncated(&first, &second, wanted)?,
            Of::Text => numbers(&first, &second, wanted)?,
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?),
            false => ColumnarValue::Array(made),
        })
    }
}

/// Values without what stands behind so many decimals.
fn truncated(values: &ArrayRef, decimals: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let decimals = strictly(decimals, &DataType::Int64)?;
    let decimals = decimals.as_primitive::<Int64Type>();
    let overflow = || PgError::new("22003", "value overflows numeric format");
    let ten_to = |power: u32| 10_i128.checked_pow(power);
    match (values.data_type(), wanted) {
        (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
            let (from, to) = (i64::from(*from), i64::from(*to));
            let cut = |value: i128, decimals: i64| -> Result<i128, PgError> {
                let dropped = u32::try_from(from.saturating_sub(decimals)).unwrap_or(0);
                // What is longer than the number leaves nothing of it.
                let Some(unit) = ten_to(dropped) else { return Ok(0) };
                let kept = value / unit * unit;
                match u32::try_from(to - from) {
                    Ok(more) => ten_to(more).and_then(|unit| kept.checked_mul(unit)).ok_or_else(overflow),
                    Err(_) => Ok(ten_to(u32::try_from(from - to).unwrap_or(0)).map_or(0, |unit| kept / unit)),
                }
            };
            let both = values.as_primitive::<Decimal128Type>().iter().zip(decimals);
            let cut = both.map(|both| match both {
                (Some(value), Some(decimals)) => cut(value, decimals).map(Some),
                _ => Ok(None),
            });
            let made: Decimal128Array = cut.collect::<std::result::Result<Vec<_>, PgError>>()?.into();
            Ok(Arc::new(made.with_precision_and_scale(*precision, i8::try_from(to).unwrap_or(0))?))
        }
        (integer, _) if integer.is_integer() => {
            let whole = cast(values, &DataType::Int64)?;
            let both = whole.as_primitive::<Int64Type>().iter().zip(decimals);
            let cut = both.map(|(value, decimals)| {
                let dropped = u32::try_from(decimals?.saturating_neg()).unwrap_or(0);
                let value = value?;
                Some(10_i64.checked_pow(dropped).map_or(0, |unit| value / unit * unit))
            });
            let made: ArrayRef = Arc::new(cut.collect::<Int64Array>());
            Ok(cast(&made, wanted)?)
        }
        _ => {
            let floats = strictly(values, &DataType::Float64)?;
            let both = floats.as_primitive::<Float64Type>().iter().zip(decimals);
            let cut = both.map(|(value, decimals)| Some(cut_float(value?, decimals?)));
            Ok(Arc::new(cut.collect::<Float64Array>()))
        }
    }
}

/// Cuts the decimals that are shown of a number: what it is in binary may lie below them.
fn cut_float(value: f64, decimals: i64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let shown = value.to_string();
    let point = shown.find('.').unwrap_or(shown.len());
    let kept: String = match usize::try_from(decimals) {
        Ok(decimals) => shown.chars().take(point.saturating_add(1).saturating_add(decimals)).collect(),
        Err(_) => {
            let digits = i64::try_from(point).unwrap_or(i64::MAX).saturating_add(decimals);
            let kept = usize::try_from(digits).unwrap_or(0);
            let zero = |(at, c): (usize, char)| if at >= kept && c.is_ascii_digit() { '0' } else { c };
            shown.chars().take(point).enumerate().map(zero).collect()
        }
    };
    kept.parse().unwrap_or(value)
}

/// Texts as the numbers that patterns make of them.
fn numbers(texts: &ArrayRef, patterns: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let (texts, patterns) = (cast(texts, &DataType::Utf8)?, cast(patterns, &DataType::Utf8)?);
    let both = texts.as_string::<i32>().iter().zip(patterns.as_string::<i32>());
    let read = both.map(|(text, pattern)| match (text, pattern) {
        (Some(text), Some(pattern)) if !pattern.is_empty() => number_formats::read(text, pattern).map(Some),
        _ => Ok(None),
    });
    let read = read.collect::<std::result::Result<Vec<Option<String>>, PgError>>()?;
    let given: ArrayRef = Arc::new(StringArray::from(read));
    let options = CastOptions { safe: false, ..Default::default() };
    cast_with_options(&given, wanted, &options).map_err(|_| PgError::new("22003", "numeric field overflow").into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_cut() {
        // PostgreSQL 15: select trunc(…::numeric, …)
        for (value, decimals, expected) in
            [(0.29, 2, 0.29), (-1.79, 1, -1.7), (1234.56, -2, 1200.0), (12.0, -3, 0.0), (1e300, 2, 1e300), (5e-324, 2, 0.0)]
        {
            assert_eq!(cut_float(value, decimals), expected, "{value}");
        }
        assert!(cut_float(f64::NAN, 2).is_nan());
        assert_eq!(cut_float(1.5, i64::MAX), 1.5);
        assert_eq!(cut_float(1.5, i64::MIN), 0.0);
    }
}
