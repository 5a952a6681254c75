//! Texts as values of a type, as PostgreSQL reads the literals of a statement and the fields of a COPY.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::error::{PgError, sqlstate};
use super::params;

/// Reads texts: many at once where that reads them as PostgreSQL does, the rest one by one. Times without a zone are of `zone`. An
/// error comes with the place of its text.
pub(crate) fn read(texts: &StringArray, pg_type: &Type, wanted: &DataType, zone: &str) -> Result<ArrayRef, (PgError, usize)> {
    let plain_text = !matches!(*pg_type, Type::UUID | Type::JSON | Type::JSONB);
    if *wanted == DataType::Utf8 && plain_text {
        return Ok(Arc::new(texts.clone()));
    }
    let options = CastOptions { safe: true, ..Default::default() };
    let known = zone.parse().ok().map(|_: datafusion::arrow::array::timezone::Tz| zone);
    let local = DataType::Timestamp(TimeUnit::Microsecond, Some(known.unwrap_or("UTC").into()));
    let all = |texts: &StringArray| match wanted {
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 | DataType::Date32 => {
            cast_with_options(texts, wanted, &options).ok()
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => cast_with_options(texts, wanted, &options).ok(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            cast_with_options(texts, &local, &options).and_then(|array| cast_with_options(&array, wanted, &options)).ok()
        }
        _ => None,
    };
    let mut fast = all(texts);
    // A time may be written without seconds.
    if matches!(wanted, DataType::Timestamp(..)) && fast.as_ref().is_some_and(|array| array.null_count() > texts.null_count()) {
        let whole: StringArray = texts.iter().map(|text| text.map(params::with_seconds)).collect();
        fast = all(&whole);
    }
    if let Some(array) = &fast
        && array.null_count() == texts.null_count()
    {
        return Ok(Arc::clone(array));
    }
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let told = |error| (sqlstate(&error), row);
        values.push(match (&fast, texts.is_null(row)) {
            (_, true) => ScalarValue::try_from(wanted).map_err(told)?,
            (Some(array), false) if array.is_valid(row) => ScalarValue::try_from_array(array, row).map_err(told)?,
            (_, false) => {
                let bytes = Bytes::copy_from_slice(texts.value(row).as_bytes());
                params::decode(0, Some(&bytes), false, pg_type, wanted).map_err(|error| (error, row))?
            }
        });
    }
    if values.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(wanted));
    }
    ScalarValue::iter_to_array(values).map_err(|error| (sqlstate(&error), 0))
}

/// A text that is no value of a type, which is named as messages name it.
pub(crate) fn invalid_input(type_name: &str, text: &str) -> PgError {
    let invalid = |code| PgError::new(code, format!("invalid input syntax for type {type_name}: \"{text}\""));
    if type_name != "date" && !type_name.starts_with("time") {
        return invalid("22P02");
    }
    // What is written as a date or a time and is none, such as February 30.
    let written = text.trim();
    let fields = |part: &str, separator: char, least: usize| {
        let whole = |field: &str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        part.split(separator).count() >= least && part.split(separator).all(whole)
    };
    let day = written.split([' ', 'T']).any(|part| fields(part, '-', 3));
    let hour = type_name != "date" && written.split([' ', 'T']).any(|part| fields(part, ':', 2));
    let plain = written.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+ TZ".contains(&byte));
    match plain && (day || hour) {
        true => PgError::new("22008", format!("date/time field value out of range: \"{text}\"")),
        false => invalid("22007"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn malformed_dates_differ_from_impossible_ones() {
        // As PostgreSQL 15.18 says it.
        for (type_name, text, code) in [
            ("date", "nonsense", "22007"),
            ("date", "2024-02-30", "22008"),
            ("date", "2024-13-45", "22008"),
            ("date", "2024-1", "22007"),
            ("time", "25:00", "22008"),
            ("time", "x", "22007"),
            ("timestamp", "2024-01", "22007"),
            ("timestamp", "2024-02-29 25:00:00", "22008"),
            ("timestamp with time zone", "tomorrow at noon", "22007"),
            ("integer", "1-2-3", "22P02"),
        ] {
            assert_eq!(invalid_input(type_name, text).code, code, "{type_name} {text}");
        }
    }
}
