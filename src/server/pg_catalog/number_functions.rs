//! Functions of numbers in PostgreSQL's way: `width_bucket`, `div`, the scales of a `numeric`, how many of some values are NULL.
//!
//! Integers and decimals are computed with exactly, floating-point numbers as PostgreSQL computes with `float8`.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, FieldRef, Float64Type, i256};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::Backend;
use super::functions::{Arguments, Function, Returns, function};
use crate::server::casts::strictly;
use crate::server::error::PgError;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("width_bucket", Returns::Int4, |_, arguments, row| match arguments.len() {
        2 => among_thresholds(arguments, row),
        _ => of_equal_width(arguments, row),
    }),
    function("div", Returns::By(of_div), div),
    function("scale", Returns::Int4, |_, arguments, row| {
        let declared = match arguments.array(0).map(|array| array.data_type()) {
            Some(DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale)) => Some(i32::from(*scale)),
            _ => None,
        };
        let written = arguments.text(0, row).map(|written| plain(&written));
        Ok(ScalarValue::Int32(written.map(|written| declared.unwrap_or_else(|| decimals(&written)))))
    }),
    function("min_scale", Returns::Int4, |_, arguments, row| {
        let written = arguments.text(0, row).map(|written| plain(&written));
        let trimmed = |written: &str| if written.contains('.') { decimals(written.trim_end_matches('0')) } else { 0 };
        Ok(ScalarValue::Int32(written.map(|written| trimmed(&written))))
    }),
    function("trim_scale", Returns::First, |_, arguments, row| {
        let Some(array) = arguments.array(0) else { return Ok(ScalarValue::Null) };
        let is_decimal = matches!(array.data_type(), DataType::Decimal128(_, 1..) | DataType::Decimal256(_, 1..));
        if is_decimal && arguments.text(0, row).is_some_and(|written| written.ends_with('0')) {
            let told = "trim_scale() cannot leave out zeros here: all numbers of a column have one scale";
            return Err(PgError::new("0A000", told).with_hint("round(x, n) gives as many decimals as are wanted.").into());
        }
        ScalarValue::try_from_array(array, row)
    }),
    function("num_nulls", Returns::Int4, |_, arguments, row| Ok(counted(arguments, row, true))),
    function("num_nonnulls", Returns::Int4, |_, arguments, row| Ok(counted(arguments, row, false))),
    function("setseed", Returns::Of("void"), |_, _, _| {
        Err(PgError::new("0A000", "setseed() is not supported: random() follows no seed")
            .with_hint("ORDER BY md5(key || 'seed') gives the same random order every time.")
            .into())
    }),
];

fn counted(arguments: &Arguments, row: usize, nulls: bool) -> ScalarValue {
    let found = (0..arguments.len()).filter(|index| arguments.is_null(*index, row) == nulls).count();
    ScalarValue::Int32(i32::try_from(found).ok())
}

/// A number without an exponent.
fn plain(written: &str) -> String {
    match written.contains(['e', 'E']) {
        true => written.parse::<f64>().map(|value| value.to_string()).unwrap_or_default(),
        false => written.to_owned(),
    }
}

fn decimals(written: &str) -> i32 {
    written.split_once('.').map_or(0, |(_, fraction)| i32::try_from(fraction.len()).unwrap_or(i32::MAX))
}

/// An argument as a floating-point number.
fn float(arguments: &Arguments, index: usize, row: usize) -> Result<Option<f64>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    let value = strictly(&array.slice(row, 1), &DataType::Float64)?;
    Ok(value.is_valid(0).then(|| value.as_primitive::<Float64Type>().value(0)))
}

/// A number that is known exactly: its digits, and how many of them stand behind the point.
struct Exact {
    digits: i256,
    scale: u32,
}

impl Exact {
    /// The digits at another scale, which is not smaller.
    fn at(&self, scale: u32) -> Result<i256, PgError> {
        let factor = i256::from_i128(10).checked_pow(scale.saturating_sub(self.scale));
        factor.and_then(|factor| self.digits.checked_mul(factor)).ok_or_else(overflow)
    }
}

fn overflow() -> PgError {
    PgError::new("22003", "value overflows numeric format")
}

/// An argument that is an integer or a decimal.
fn exact(arguments: &Arguments, index: usize, row: usize) -> Result<Option<Exact>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    let scale = |scale: i8| u32::try_from(scale).unwrap_or(0);
    Ok(Some(match array.data_type() {
        DataType::Decimal128(_, declared) if *declared >= 0 => {
            Exact { digits: i256::from_i128(array.as_primitive::<Decimal128Type>().value(row)), scale: scale(*declared) }
        }
        DataType::Decimal256(_, declared) if *declared >= 0 => {
            Exact { digits: array.as_primitive::<Decimal256Type>().value(row), scale: scale(*declared) }
        }
        _ => match arguments.int(index, row) {
            Some(value) => Exact { digits: i256::from_i128(value.into()), scale: 0 },
            None => {
                let written = arguments.text(index, row).unwrap_or_default();
                return Err(PgError::new("22P02", format!("invalid input syntax for type numeric: \"{written}\"")).into());
            }
        },
    }))
}

fn is_floating(arguments: &Arguments, count: usize) -> bool {
    (0..count).any(|index| arguments.array(index).is_some_and(|array| array.data_type().is_floating()))
}

fn of_div(fields: &[FieldRef]) -> &'static str {
    match fields.iter().any(|field| field.data_type().is_floating()) {
        true => "float8",
        false => "int8",
    }
}

/// The whole part of a quotient.
fn div(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let by_zero = || PgError::new("22012", "division by zero");
    if is_floating(arguments, 2) {
        let both = float(arguments, 0, row)?.zip(float(arguments, 1, row)?);
        return match both {
            Some((_, 0.0)) => Err(by_zero().into()),
            both => Ok(ScalarValue::Float64(both.map(|(dividend, divisor)| (dividend / divisor).trunc()))),
        };
    }
    let (Some(dividend), Some(divisor)) = (exact(arguments, 0, row)?, exact(arguments, 1, row)?) else {
        return Ok(ScalarValue::Int64(None));
    };
    let scale = dividend.scale.max(divisor.scale);
    let (dividend, divisor) = (dividend.at(scale)?, divisor.at(scale)?);
    if divisor == i256::ZERO {
        return Err(by_zero().into());
    }
    let whole = dividend.checked_div(divisor).and_then(|whole| i64::try_from(whole.to_i128()?).ok());
    Ok(ScalarValue::Int64(Some(whole.ok_or_else(overflow)?)))
}

fn refused(told: &str) -> PgError {
    PgError::new("2201G", told)
}

/// `width_bucket(operand, low, high, count)`.
fn of_equal_width(arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let nothing = (0..arguments.len()).any(|index| arguments.is_null(index, row));
    let Some(count) = arguments.int(3, row).filter(|_| !nothing) else { return Ok(ScalarValue::Int32(None)) };
    let count = i32::try_from(count).map_err(|_| PgError::new("22003", "integer out of range"))?;
    if count <= 0 {
        return Err(refused("count must be greater than zero").into());
    }
    if is_floating(arguments, 3) {
        let values = (float(arguments, 0, row)?, float(arguments, 1, row)?, float(arguments, 2, row)?);
        let (Some(operand), Some(low), Some(high)) = values else { return Ok(ScalarValue::Int32(None)) };
        return Ok(ScalarValue::Int32(Some(bucket_of_float(operand, low, high, count)?)));
    }
    let values = (exact(arguments, 0, row)?, exact(arguments, 1, row)?, exact(arguments, 2, row)?);
    let (Some(operand), Some(low), Some(high)) = values else { return Ok(ScalarValue::Int32(None)) };
    let scale = operand.scale.max(low.scale).max(high.scale);
    Ok(ScalarValue::Int32(Some(bucket(operand.at(scale)?, low.at(scale)?, high.at(scale)?, count)?)))
}

fn after_last(count: i32) -> Result<i32, PgError> {
    count.checked_add(1).ok_or_else(|| PgError::new("22003", "integer out of range"))
}

fn bucket(operand: i256, low: i256, high: i256, count: i32) -> Result<i32, PgError> {
    let (beyond, width) = match low.cmp(&high) {
        Ordering::Equal => return Err(refused("lower bound cannot equal upper bound")),
        Ordering::Less => (operand.checked_sub(low), high.checked_sub(low)),
        Ordering::Greater => (low.checked_sub(operand), low.checked_sub(high)),
    };
    let (beyond, width) = beyond.zip(width).ok_or_else(overflow)?;
    if beyond < i256::ZERO {
        return Ok(0);
    }
    if beyond >= width {
        return after_last(count);
    }
    let full = beyond.checked_mul(i256::from_i128(count.into())).and_then(|product| product.checked_div(width));
    let full = full.and_then(|full| i32::try_from(full.to_i128()?).ok()).ok_or_else(overflow)?;
    after_last(full)
}

fn bucket_of_float(operand: f64, low: f64, high: f64, count: i32) -> Result<i32, PgError> {
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(refused("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(refused("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(refused("lower bound cannot equal upper bound"));
    }
    let (before, beyond) = if low < high { (operand < low, operand >= high) } else { (operand > low, operand <= high) };
    if before {
        return Ok(0);
    }
    if beyond {
        return after_last(count);
    }
    let share = match (high - low).is_infinite() {
        false => (operand - low) / (high - low),
        true => (operand / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0),
    };
    // The share may be rounded to all of it.
    after_last(((f64::from(count) * share) as i32).min(count - 1))
}

/// `width_bucket(operand, thresholds)`: how many of the ascending thresholds are not above the operand.
fn among_thresholds(arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let (Some(operand), Some(list)) = (arguments.array(0), arguments.array(1)) else { return Ok(ScalarValue::Int32(None)) };
    if arguments.is_null(0, row) || arguments.is_null(1, row) {
        return Ok(ScalarValue::Int32(None));
    }
    let DataType::List(_) = list.data_type() else {
        return Err(
            PgError::new("42883", "width_bucket() wants an operand, two bounds and a count, or an operand and an array").into()
        );
    };
    let thresholds = list.as_list::<i32>().value(row);
    if thresholds.null_count() > 0 {
        return Err(PgError::new("22004", "thresholds array must not contain NULLs").into());
    }
    let (operand, thresholds) = comparable(&operand.slice(row, 1), &thresholds)?;
    let operand = ScalarValue::try_from_array(&operand, 0)?;
    let (mut low, mut high) = (0, thresholds.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match ScalarValue::try_from_array(&thresholds, middle)?.partial_cmp(&operand) {
            Some(Ordering::Greater) => high = middle,
            Some(_) => low = middle + 1,
            None => return Err(PgError::new("42883", "values of these types cannot be compared").into()),
        }
    }
    Ok(ScalarValue::Int32(i32::try_from(low).ok()))
}

/// Values and others as those of one type.
pub(super) fn comparable(values: &ArrayRef, others: &ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
    let (own, other) = (values.data_type(), others.data_type());
    let common = match (own, other) {
        (own, other) if own == other => return Ok((values.clone(), others.clone())),
        (own, other) if own.is_integer() && other.is_integer() => DataType::Int64,
        (own, other) if own.is_numeric() && other.is_numeric() => DataType::Float64,
        (DataType::Null, other) => other.clone(),
        // A text without a type is read as the other.
        (DataType::Utf8, other) => other.clone(),
        (own, _) => own.clone(),
    };
    Ok((strictly(values, &common)?, strictly(others, &common)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_postgres() {
        // PostgreSQL 15: select width_bucket(…)
        for (operand, low, high, count, expected) in [
            (5.35, 0.024, 10.06, 5, 3),
            (5.35, 10.06, 0.024, 5, 3),
            (-1.0, 0.0, 10.0, 5, 0),
            (10.0, 0.0, 10.0, 5, 6),
            (0.0, f64::MIN, f64::MAX, 2, 2),
        ] {
            assert_eq!(bucket_of_float(operand, low, high, count).unwrap(), expected, "{operand}");
        }
        let exactly = |operand: i128, low: i128, high: i128, count| {
            bucket(i256::from_i128(operand), i256::from_i128(low), i256::from_i128(high), count).unwrap()
        };
        assert_eq!(exactly(i128::MAX, 0, i128::MAX, i32::MAX - 1), i32::MAX);
        assert_eq!((exactly(3, 0, 10, 10), exactly(3, 10, 0, 10), exactly(11, 10, 0, 10)), (4, 8, 0));
        assert_eq!(bucket_of_float(1.0, 0.0, 0.0, 1).unwrap_err().code, "2201G");
    }

    #[test]
    fn integers_of_other_widths_are_compared_as_integers() {
        let narrow: ArrayRef = std::sync::Arc::new(datafusion::arrow::array::Int32Array::from(vec![1]));
        let wide: ArrayRef = std::sync::Arc::new(datafusion::arrow::array::Int64Array::from(vec![i64::MAX]));
        let (one, other) = comparable(&narrow, &wide).unwrap();
        assert_eq!((one.data_type(), other.data_type()), (&DataType::Int64, &DataType::Int64));
    }
}
