//! Values bound to parameters: bytes of a client → scalars of the engine.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::error::{PgError, sqlstate};
use super::inputs::invalid_input;
use super::{interval, pg_catalog, types};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// One bound value. `wanted` is the type with which the statement was planned.
pub(crate) fn decode(
    index: usize,
    value: Option<&Bytes>,
    binary: bool,
    pg_type: &Type,
    wanted: &DataType,
) -> Result<ScalarValue, PgError> {
    let Some(value) = value else {
        return ScalarValue::try_from(wanted).map_err(|error| sqlstate(&error));
    };
    let scalar = if binary {
        from_binary(value.clone(), pg_type).ok_or_else(|| {
            PgError::new("22P03", format!("incorrect binary data in bind parameter {} of type {}", index + 1, pg_type.name()))
        })?
    } else {
        let text =
            std::str::from_utf8(value).map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        from_text(text, pg_type)?
    };
    if scalar.data_type() == *wanted {
        return Ok(scalar);
    }
    scalar.cast_to(wanted).map_err(|error| sqlstate(&error))
}

fn from_text(text: &str, pg_type: &Type) -> Result<ScalarValue, PgError> {
    let invalid = || invalid_input(spoken(pg_type), text);
    if let Some(element) = types::element_of(pg_type) {
        let parts = array_parts(text).ok_or_else(|| {
            PgError::new("22P02", format!("malformed array literal: \"{text}\"")).with_hint("Write {1,2,3}, with one dimension.")
        })?;
        let target = types::to_arrow(&element).ok_or_else(|| unsupported(pg_type))?;
        let values = parts
            .iter()
            .map(|part| match part {
                Some(part) => from_text(part, &element)?.cast_to(&target).map_err(|error| sqlstate(&error)),
                None => ScalarValue::try_from(&target).map_err(|error| sqlstate(&error)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &target)));
    }
    let trimmed = text.trim();
    match *pg_type {
        Type::UUID => uuid(text).map(|text| ScalarValue::Utf8(Some(text))),
        Type::JSON => json(text).map(|text| ScalarValue::Utf8(Some(text))),
        Type::JSONB => jsonb(text).map(|text| ScalarValue::Utf8(Some(text))),
        Type::BOOL => match trimmed.to_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "n" | "no" | "off" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(invalid()),
        },
        Type::INT2 => trimmed.parse().map(|v| ScalarValue::Int16(Some(v))).map_err(|error| integer(error, trimmed, pg_type)),
        Type::INT4 => trimmed.parse().map(|v| ScalarValue::Int32(Some(v))).map_err(|error| integer(error, trimmed, pg_type)),
        Type::INT8 | Type::OID | Type::XID => {
            trimmed.parse().map(|v| ScalarValue::Int64(Some(v))).map_err(|error| integer(error, trimmed, pg_type))
        }
        Type::FLOAT4 => trimmed.parse().map(|v| ScalarValue::Float32(Some(v))).map_err(|_| invalid()),
        Type::FLOAT8 => trimmed.parse().map(|v| ScalarValue::Float64(Some(v))).map_err(|_| invalid()),
        Type::DATE => ScalarValue::Utf8(Some(day(trimmed).to_owned())).cast_to(&DataType::Date32).map_err(|_| invalid()),
        Type::INTERVAL => interval::parse(text, None).map(|value| ScalarValue::IntervalMonthDayNano(Some(value.into()))),
        Type::BYTEA => bytea(text).map(|v| ScalarValue::Binary(Some(v))).ok_or_else(invalid),
        _ => {
            let target = types::to_arrow(pg_type).ok_or_else(|| unsupported(pg_type))?;
            let scalar = ScalarValue::Utf8(Some(text.to_owned()));
            if target == DataType::Utf8 {
                return Ok(scalar);
            }
            ScalarValue::Utf8(Some(with_seconds(trimmed).into_owned())).cast_to(&target).map_err(|_| invalid())
        }
    }
}

/// A time of day without seconds, which PostgreSQL takes for the whole minute.
pub(crate) fn with_seconds(text: &str) -> Cow<'_, str> {
    let minutes = text.split_once(':').and_then(|(hours, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let follows = rest.get(digits..)?;
        (digits == 2 && !follows.starts_with([':', '.'])).then_some((hours.len() + 1 + digits, follows))
    });
    match minutes {
        Some((at, follows)) => Cow::Owned(format!("{}:00{follows}", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// The day of a date that carries a time or a zone, as JDBC sends it; PostgreSQL ignores both.
pub(crate) fn day(text: &str) -> &str {
    let (day, rest) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let ignored = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z' | ' '));
    let signed = day.len() > 10 && day.get(10..).is_some_and(|zone| zone.starts_with(['+', '-']));
    match day.get(..10) {
        Some(plain) if signed => plain,
        _ if ignored => day,
        _ => text,
    }
}

/// A UUID in PostgreSQL's spelling.
pub(crate) fn uuid(text: &str) -> Result<String, PgError> {
    let invalid = || PgError::new("22P02", format!("invalid input syntax for type uuid: \"{text}\""));
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    // A hyphen may stand behind any group of four digits.
    let mut digits = String::with_capacity(32);
    for c in inside.chars() {
        match c {
            '-' if !digits.is_empty() && digits.len().is_multiple_of(4) && digits.len() < 32 => {}
            c if c.is_ascii_hexdigit() => digits.push(c.to_ascii_lowercase()),
            _ => return Err(invalid()),
        }
    }
    let group = |range: std::ops::Range<usize>| digits.get(range).ok_or_else(invalid);
    if digits.len() != 32 {
        return Err(invalid());
    }
    Ok([group(0..8)?, group(8..12)?, group(12..16)?, group(16..20)?, group(20..32)?].join("-"))
}

/// A JSON value, as it is written.
pub(crate) fn json(text: &str) -> Result<String, PgError> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(PgError::new("22P02", "invalid input syntax for type json")),
    }
}

/// A JSON value, as `jsonb` writes it.
pub(crate) fn jsonb(text: &str) -> Result<String, PgError> {
    pg_catalog::jsonb_text(text)
}

fn integer(error: std::num::ParseIntError, text: &str, pg_type: &Type) -> PgError {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match error.kind() {
        PosOverflow | NegOverflow => {
            PgError::new("22003", format!("value \"{text}\" is out of range for type {}", spoken(pg_type)))
        }
        _ => PgError::new("22P02", format!("invalid input syntax for type {}: \"{text}\"", spoken(pg_type))),
    }
}

fn unsupported(pg_type: &Type) -> PgError {
    PgError::new("0A000", format!("parameters of type {} are not supported", pg_type.name()))
        .with_hint("Bind it as text and cast it in the statement.")
}

/// The name of a type as PostgreSQL's messages say it.
fn spoken(pg_type: &Type) -> &str {
    match *pg_type {
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::BOOL => "boolean",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::TIMESTAMP => "timestamp without time zone",
        _ => pg_type.name(),
    }
}

fn from_binary(mut value: Bytes, pg_type: &Type) -> Option<ScalarValue> {
    let exact = |length: usize| (value.len() == length).then_some(());
    Some(match *pg_type {
        Type::BOOL => {
            exact(1)?;
            ScalarValue::Boolean(Some(value.get_u8() != 0))
        }
        Type::INT2 => {
            exact(2)?;
            ScalarValue::Int16(Some(value.get_i16()))
        }
        Type::INT4 => {
            exact(4)?;
            ScalarValue::Int32(Some(value.get_i32()))
        }
        Type::OID | Type::XID => {
            exact(4)?;
            ScalarValue::Int64(Some(i64::from(value.get_u32())))
        }
        Type::INT8 => {
            exact(8)?;
            ScalarValue::Int64(Some(value.get_i64()))
        }
        Type::FLOAT4 => {
            exact(4)?;
            ScalarValue::Float32(Some(value.get_f32()))
        }
        Type::FLOAT8 => {
            exact(8)?;
            ScalarValue::Float64(Some(value.get_f64()))
        }
        Type::BYTEA => ScalarValue::Binary(Some(value.to_vec())),
        Type::DATE => {
            exact(4)?;
            ScalarValue::Date32(Some(value.get_i32().checked_add(EPOCH_DAYS)?))
        }
        Type::TIME => {
            exact(8)?;
            ScalarValue::Time64Microsecond(Some(value.get_i64()))
        }
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            exact(8)?;
            let micros = value.get_i64().checked_add(EPOCH_MICROS)?;
            ScalarValue::TimestampMicrosecond(Some(micros), (*pg_type == Type::TIMESTAMPTZ).then(|| "UTC".into()))
        }
        Type::INTERVAL => {
            exact(16)?;
            let nanoseconds = value.get_i64().checked_mul(1_000)?;
            let days = value.get_i32();
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months: value.get_i32(), days, nanoseconds }))
        }
        Type::NUMERIC => numeric(value)?,
        Type::UUID => {
            exact(16)?;
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = [hex.get(..8)?, hex.get(8..12)?, hex.get(12..16)?, hex.get(16..20)?, hex.get(20..)?].join("-");
            ScalarValue::Utf8(Some(text))
        }
        Type::JSONB => {
            (value.first() == Some(&1)).then(|| value.advance(1))?;
            ScalarValue::Utf8(Some(String::from_utf8(value.to_vec()).ok()?))
        }
        _ => {
            if let Some(element) = types::element_of(pg_type) {
                return array(value, &element);
            }
            types::to_arrow(pg_type)?;
            ScalarValue::Utf8(Some(String::from_utf8(value.to_vec()).ok()?))
        }
    })
}

fn array(mut value: Bytes, declared: &Type) -> Option<ScalarValue> {
    if value.len() < 12 {
        return None;
    }
    let dimensions = value.get_i32();
    value.advance(4);
    let element = Type::from_oid(value.get_u32()).unwrap_or_else(|| declared.clone());
    // PostgreSQL has no arrays of arrays; a value that claims to be one could nest as deep as it is long.
    if types::element_of(&element).is_some() {
        return None;
    }
    let target = types::to_arrow(&element)?;
    if dimensions == 0 {
        return Some(ScalarValue::List(ScalarValue::new_list_nullable(&[], &target)));
    }
    if dimensions != 1 || value.len() < 8 {
        return None;
    }
    let count = usize::try_from(value.get_i32()).ok()?;
    value.advance(4);
    if count.checked_mul(4)? > value.len() {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        if value.len() < 4 {
            return None;
        }
        let length = value.get_i32();
        if length == -1 {
            values.push(ScalarValue::try_from(&target).ok()?);
            continue;
        }
        let length = usize::try_from(length).ok()?;
        if length > value.len() {
            return None;
        }
        let scalar = from_binary(value.split_to(length), &element)?;
        values.push(if scalar.data_type() == target { scalar } else { scalar.cast_to(&target).ok()? });
    }
    Some(ScalarValue::List(ScalarValue::new_list_nullable(&values, &target)))
}

/// `numeric_recv`: base-10000 digits.
fn numeric(mut value: Bytes) -> Option<ScalarValue> {
    if value.len() < 8 {
        return None;
    }
    let count = usize::from(value.get_u16());
    let weight = i32::from(value.get_i16());
    let sign = value.get_u16();
    let scale = i32::from(value.get_u16());
    if !matches!(sign, 0 | 0x4000) || value.len() != count.checked_mul(2)? {
        return None;
    }
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    let digits: Vec<u16> = (0..count).map(|_| value.get_u16()).collect();
    let group = |position: i32| usize::try_from(position).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    if weight > 20 || scale > 1_000 {
        return None;
    }
    text.push('0');
    for position in 0..=weight {
        text.push_str(&format!("{:04}", group(position)));
    }
    text.push('.');
    for position in 0..(scale + 3) / 4 {
        text.push_str(&format!("{:04}", group(weight + 1 + position)));
    }
    ScalarValue::Utf8(Some(text)).cast_to(&types::to_arrow(&Type::NUMERIC)?).ok()
}

fn bytea(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else { return Some(text.as_bytes().to_vec()) };
    if hex.len() % 2 != 0 || !hex.is_ascii() {
        return None;
    }
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The elements of an array literal of one dimension, unquoted; nothing inside stands for NULL.
pub(crate) fn array_parts(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut parts = Vec::new();
    if inner.trim().is_empty() {
        return Some(parts);
    }
    let mut chars = inner.chars();
    let (mut part, mut quoted, mut inside) = (String::new(), false, false);
    loop {
        match chars.next() {
            Some('\\') => part.push(chars.next()?),
            Some('"') => {
                quoted = true;
                inside = !inside;
            }
            None if inside => return None,
            Some('{' | '}') if !inside => return None,
            end @ (Some(',') | None) if !inside => {
                let text = std::mem::take(&mut part);
                parts.push(match (quoted, text.trim()) {
                    (true, _) => Some(text),
                    (false, "") => return None,
                    (false, word) if word.eq_ignore_ascii_case("null") => None,
                    (false, word) => Some(word.to_owned()),
                });
                quoted = false;
                if end.is_none() {
                    return Some(parts);
                }
            }
            Some(c) => part.push(c),
            None => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn text(value: &str, pg_type: &Type) -> Result<ScalarValue, PgError> {
        decode(0, Some(&Bytes::copy_from_slice(value.as_bytes())), false, pg_type, &types::to_arrow(pg_type).unwrap())
    }

    /// Each level says that its one element is an array again.
    #[test]
    fn a_binary_array_does_not_nest() {
        const LEVELS: i32 = 100_000;
        let header = |level: i32| [1, 0, 1_009, 1, 1, (LEVELS - 1 - level) * 24];
        let value: Vec<u8> = (0..LEVELS).flat_map(header).flat_map(i32::to_be_bytes).collect();
        assert_eq!(from_binary(Bytes::from(value), &Type::TEXT_ARRAY), None);
    }

    #[test]
    fn text_is_read_as_the_declared_type() {
        assert_eq!(text(" 42 ", &Type::INT4).unwrap(), ScalarValue::Int32(Some(42)));
        assert_eq!(text("1e-3", &Type::FLOAT8).unwrap(), ScalarValue::Float64(Some(0.001)));
        assert_eq!(text("2000-01-01", &Type::DATE).unwrap(), ScalarValue::Date32(Some(EPOCH_DAYS)));
        assert_eq!(text("yes", &Type::BOOL).unwrap(), ScalarValue::Boolean(Some(true)));
        assert_eq!(text("\\xff00", &Type::BYTEA).unwrap(), ScalarValue::Binary(Some(vec![255, 0])));
        assert_eq!(text("abc", &Type::INT4).unwrap_err().code, "22P02");
        assert_eq!(text("99999999999", &Type::INT4).unwrap_err().code, "22003");
        assert_eq!(text("2024-13-01", &Type::DATE).unwrap_err().code, "22008");
        assert_eq!(text("soon", &Type::DATE).unwrap_err().code, "22007");
    }

    #[test]
    fn arrays_are_read_in_both_formats() {
        let expected = ScalarValue::List(ScalarValue::new_list_nullable(
            &[ScalarValue::Int64(Some(1)), ScalarValue::Int64(None)],
            &DataType::Int64,
        ));
        assert_eq!(text("{1,NULL}", &Type::INT8_ARRAY).unwrap(), expected);
        let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8];
        bytes.extend_from_slice(&1_i64.to_be_bytes());
        bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        assert_eq!(from_binary(Bytes::from(bytes), &Type::INT8_ARRAY).unwrap(), expected);
        assert_eq!(array_parts("{a,\"b,\\\"c\",null}").unwrap(), [Some("a".into()), Some("b,\"c".into()), None]);
        for broken in ["1,2", "{1,2", "{{1},{2}}", "{1,,2}", "{1,}"] {
            assert_eq!(array_parts(broken), None, "{broken}");
        }
    }

    #[test]
    fn binary_of_a_wrong_length_is_an_error() {
        for length in 0..24 {
            let value = Bytes::from(vec![0xff; length]);
            for pg_type in [
                Type::INT4,
                Type::NUMERIC,
                Type::INT8_ARRAY,
                Type::TIMESTAMP,
                Type::INTERVAL,
                Type::DATE,
                Type::UUID,
                Type::JSONB,
            ] {
                let _ = from_binary(value.clone(), &pg_type);
            }
        }
        assert_eq!(from_binary(Bytes::from_static(&[0; 3]), &Type::INT4), None);
    }

    #[test]
    fn numeric_is_read_as_postgres_sends_it() {
        // numeric_send(1234.5678) and numeric_send(-0.005) of PostgreSQL 15.
        let sent = Bytes::from_static(&[0, 2, 0, 0, 0, 0, 0, 4, 0x04, 0xd2, 0x16, 0x2e]);
        assert_eq!(numeric(sent).unwrap(), ScalarValue::Decimal128(Some(12_345_678_000_000), 38, 10));
        let sent = Bytes::from_static(&[0, 1, 0xff, 0xff, 0x40, 0, 0, 3, 0, 0x32]);
        assert_eq!(numeric(sent).unwrap(), ScalarValue::Decimal128(Some(-50_000_000), 38, 10));
    }
}
