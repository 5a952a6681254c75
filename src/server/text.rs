//! Values as PostgreSQL prints them. Pure formatting: numbers in, text out.

use std::fmt::Write;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// `float8out`: the shortest digits that read back the same, fixed notation for exponents −4 to 14.
pub(crate) fn float8(out: &mut String, value: f64) {
    match value.is_finite() {
        true => finite(out, zmij::Buffer::new().format_finite(value), 15),
        false => not_finite(out, value),
    }
}

/// `float4out`: as [`float8`], with fixed notation for exponents −4 to 5.
pub(crate) fn float4(out: &mut String, value: f32) {
    match value.is_finite() {
        true => finite(out, zmij::Buffer::new().format_finite(value), 6),
        false => not_finite(out, value.into()),
    }
}

fn not_finite(out: &mut String, value: f64) {
    out.push_str(match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    });
}

/// Writes a number, given by its shortest digits in any notation, as PostgreSQL does.
fn finite(out: &mut String, shortest: &str, fixed_below: i32) {
    let unsigned = shortest.strip_prefix('-').unwrap_or(shortest);
    if unsigned.len() < shortest.len() {
        out.push('-');
    }
    let (mantissa, power) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let power: i32 = power.parse().unwrap_or(0);
    // Seventeen digits at most are worth something, but zeros may stand around them.
    let mut buffer = [0_u8; 40];
    let mut length = 0;
    for (slot, digit) in buffer.iter_mut().zip(whole.bytes().chain(fraction.bytes())) {
        *slot = digit;
        length += 1;
    }
    let all = buffer.get(..length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or("0");
    let digits = all.trim_start_matches('0');
    // The place of the first digit that counts, before the point.
    let exponent = power + whole.len() as i32 - (all.len() - digits.len()) as i32 - 1;
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at_checked(1).unwrap_or(("0", ""));
    if digits.is_empty() {
        out.push('0');
    } else if !(-4..fixed_below).contains(&exponent) {
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
    } else if exponent < 0 {
        out.push_str("0.");
        zeros(out, (-exponent - 1) as usize);
        out.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        match digits.split_at_checked(whole) {
            Some((whole, "")) => out.push_str(whole),
            Some((whole, fraction)) => {
                out.push_str(whole);
                out.push('.');
                out.push_str(fraction);
            }
            None => {
                out.push_str(digits);
                zeros(out, whole - digits.len());
            }
        }
    }
}

fn zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}

/// A number of `scale` decimals, given without its point. Negative scales add zeros.
pub(crate) fn decimal(out: &mut String, unscaled: &str, scale: i8) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    out.push_str(sign);
    if scale <= 0 {
        out.push_str(digits);
        if digits != "0" {
            out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let _ = write!(out, "{whole}.{fraction}");
    } else {
        let _ = write!(out, "0.{digits:0>scale$}");
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the proleptic Gregorian calendar
/// (H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `date_out`, ISO style; years before 1 end in ` BC`.
pub(crate) fn date(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// `time_out` of microseconds since midnight; trailing zeros of the fraction are dropped.
pub(crate) fn time(out: &mut String, micros: i64) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(out, micros.rem_euclid(MICROS_PER_SECOND));
}

fn fraction(out: &mut String, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// `timestamp_out` of microseconds since 1970-01-01, local; `offset` in seconds makes it `timestamptz_out`.
pub(crate) fn timestamp(out: &mut String, micros: i64, offset: Option<i32>) {
    let local = micros.saturating_add(i64::from(offset.unwrap_or(0)) * MICROS_PER_SECOND);
    let days = local.div_euclid(MICROS_PER_DAY);
    let (year, month, day) = civil(days);
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02} ");
    time(out, local.rem_euclid(MICROS_PER_DAY));
    if let Some(offset) = offset {
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs() / 60;
        let _ = write!(out, "{sign}{:02}", minutes / 60);
        if minutes % 60 != 0 {
            let _ = write!(out, ":{:02}", minutes % 60);
        }
    }
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// `interval_out` in the style `postgres`.
pub(crate) fn interval(out: &mut String, months: i32, days: i32, micros: i64) {
    let start = out.len();
    let mut after_negative = false;
    for (amount, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if amount == 0 {
            continue;
        }
        if out.len() > start {
            out.push(' ');
        }
        // A positive part behind a negative one carries its sign, so that the text reads back the same.
        let plus = if after_negative && amount > 0 { "+" } else { "" };
        let plural = if amount == 1 { "" } else { "s" };
        let _ = write!(out, "{plus}{amount} {unit}{plural}");
        after_negative = amount < 0;
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        } else if after_negative {
            out.push('+');
        }
        let absolute = micros.unsigned_abs();
        let seconds = absolute / MICROS_PER_SECOND as u64;
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        fraction(out, (absolute % MICROS_PER_SECOND as u64) as i64);
    }
}

/// `byteaout` in the format `hex`.
pub(crate) fn bytea(out: &mut String, bytes: &[u8]) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// One element of an array literal, quoted where `array_out` quotes it.
pub(crate) fn array_element(out: &mut String, element: &str) {
    let plain = !element.is_empty()
        && !element.eq_ignore_ascii_case("null")
        && !element.chars().any(|c| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace() || c == '\u{b}');
    if plain {
        return out.push_str(element);
    }
    out.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// One field of a record, quoted where `record_out` quotes it.
pub(crate) fn record_field(out: &mut String, field: &str) {
    let special = |c: char| matches!(c, '(' | ')' | ',' | '"' | '\\') || c.is_ascii_whitespace() || c == '\u{b}';
    if !field.is_empty() && !field.chars().any(special) {
        return out.push_str(field);
    }
    out.push('"');
    for c in field.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// `oidvectorout` and `int2vectorout`: the elements of an array literal with blanks between them.
pub(crate) fn vector(array: &str) -> String {
    array.trim_start_matches('{').trim_end_matches('}').replace(',', " ")
}

/// A JSON string with its quotes.
pub(crate) fn json_string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    //! Every expected text is what PostgreSQL 15.18 printed for the same value, with `TimeZone = 'UTC'`.
    use super::*;

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn floats() {
        for (value, printed) in [
            (1.0, "1"),
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.5e300, "1.5e+300"),
            (43.25, "43.25"),
            (-0.125, "-0.125"),
            (0.0, "0"),
            (5e-324, "5e-324"),
            (10.0, "10"),
            (123_456.5, "123456.5"),
            // Half way between two candidates: PostgreSQL 15 says so.
            (-5_744_438_248_905_237.0 / 4.0, "-1.4361095622263092e+15"),
        ] {
            assert_eq!(text(|out| float8(out, value)), printed);
        }
        for (value, printed) in [
            (123_456_789.0_f32, "1.2345679e+08"),
            (1e6, "1e+06"),
            (100_000.0, "100000"),
            (3.4e38, "3.4e+38"),
            (1e-7, "1e-07"),
            (3_247_957.0 / 8.0, "405994.62"),
        ] {
            assert_eq!(text(|out| float4(out, value)), printed);
        }
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(text(|out| date(out, 0)), "1970-01-01");
        assert_eq!(text(|out| date(out, -735_160)), "0044-03-15 BC");
        assert_eq!(text(|out| date(out, 3_672_290)), "12024-05-22");
        assert_eq!(text(|out| time(out, 86_400_000_000)), "24:00:00");
        assert_eq!(text(|out| time(out, 11_045_000_100)), "03:04:05.0001");
        assert_eq!(text(|out| timestamp(out, 1_704_164_645_120_000, None)), "2024-01-02 03:04:05.12");
        assert_eq!(text(|out| timestamp(out, 1_704_157_445_500_000, Some(0))), "2024-01-02 01:04:05.5+00");
        assert_eq!(text(|out| timestamp(out, 1_704_157_445_500_000, Some(19_800))), "2024-01-02 06:34:05.5+05:30");
        assert_eq!(text(|out| timestamp(out, -62_167_219_200_000_000, None)), "0001-01-01 00:00:00 BC");
    }

    #[test]
    fn intervals() {
        for (months, days, micros, printed) in [
            (1, 0, 0, "1 mon"),
            (0, -1, 7_200_000_000, "-1 days +02:00:00"),
            (26, -3, 14_706_789_000, "2 years 2 mons -3 days +04:05:06.789"),
            (0, 0, 0, "00:00:00"),
            (0, 0, -500_000, "-00:00:00.5"),
            (0, 0, 90_000_000_000, "25:00:00"),
            (-1, 1, 0, "-1 mons +1 day"),
        ] {
            assert_eq!(text(|out| interval(out, months, days, micros)), printed);
        }
    }

    #[test]
    fn decimals_arrays_and_bytes() {
        for (unscaled, scale, printed) in
            [("12345", 2, "123.45"), ("-5", 3, "-0.005"), ("7", 0, "7"), ("7", -2, "700"), ("0", 2, "0.00")]
        {
            assert_eq!(text(|out| decimal(out, unscaled, scale)), printed);
        }
        for (element, printed) in [("a", "a"), ("", "\"\""), ("NULL", "\"NULL\""), ("a b", "\"a b\""), ("q\"\\", "\"q\\\"\\\\\"")]
        {
            assert_eq!(text(|out| array_element(out, element)), printed);
        }
        assert_eq!(text(|out| bytea(out, &[0, 0xff])), "\\x00ff");
        for (field, printed) in [("a", "a"), ("", "\"\""), ("null", "null"), ("a,b", "\"a,b\""), ("q\"\\", "\"q\"\"\\\\\"")] {
            assert_eq!(text(|out| record_field(out, field)), printed);
        }
    }
}
