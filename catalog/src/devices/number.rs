//! Numbers in text: reading with point or comma, writing with fixed decimals, and the fast path for map cells.

const POWERS: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// Reads a whole field as a number. Blanks around it, a leading plus, a typographic minus and a decimal comma are accepted;
/// words such as `inf` are not.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text).trim_start()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') || digits.len() > 64 {
        return None;
    }
    let value: f64 = if digits.contains(',') {
        fast_float2::parse(digits.replacen(',', ".", 1)).ok()?
    } else {
        fast_float2::parse(digits).ok()?
    };
    value.is_finite().then_some(if negative { -value } else { value })
}

/// Reads an unsigned number of up to seven digits with `mark` somewhere between them, or of up to seven digits alone, from the
/// start of `bytes`: the value and its length. `None` when it is anything else, or when fewer than eight bytes are left; the
/// caller must see that what follows ends the cell. The value is the correctly rounded one: both the integer and the power of
/// ten are exact in an `f64`, and division rounds once.
#[inline]
pub(crate) fn fixed_point(bytes: &[u8], mark: u8) -> Option<(f64, usize)> {
    let word = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let digits = word ^ 0x3030_3030_3030_3030;
    let others = (((digits & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    if others == 0 {
        return None;
    }
    let whole = others.trailing_zeros() / 8;
    if whole == 0 {
        return None;
    }
    let integer = digits & ((1u64 << (8 * whole)) - 1);
    if (word >> (8 * whole)) as u8 != mark {
        return Some((eight_digits(integer << (64 - 8 * whole)) as f64, whole as usize));
    }
    if whole == 7 {
        return None;
    }
    let rest = others & (others - 1);
    let end = if rest == 0 { 8 } else { rest.trailing_zeros() / 8 };
    let decimals = end - whole - 1;
    let fraction = (digits >> (8 * (whole + 1))) & ((1u64 << (8 * decimals)) - 1);
    let all = (integer | (fraction << (8 * whole))) << (64 - 8 * (end - 1));
    Some((eight_digits(all) as f64 / POWERS[(decimals & 7) as usize], end as usize))
}

/// Eight decimal digits, one a byte, the first one lowest, joined pairwise.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}

/// Appends `value` with exactly `decimals` decimals (at most 7), rounded half away from zero; no minus before zero.
pub(crate) fn push_fixed(out: &mut Vec<u8>, value: f64, decimals: usize, mark: u8) {
    let decimals = decimals.min(7);
    let scaled = (value.abs() * POWERS[decimals]).round();
    if !(scaled < 9e15) {
        out.extend_from_slice(format!("{value:.decimals$}").replace('.', if mark == b',' { "," } else { "." }).as_bytes());
        return;
    }
    let mut rest = scaled as u64;
    let mut buffer = [b'0'; 24];
    let mut at = buffer.len();
    let mut written = 0;
    while rest > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            at -= 1;
            buffer[at] = mark;
        }
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        written += 1;
    }
    if value < 0.0 && scaled > 0.0 {
        at -= 1;
        buffer[at] = b'-';
    }
    out.extend_from_slice(&buffer[at..]);
}

/// `value` with `decimals` decimals.
pub(crate) fn fixed(value: f64, decimals: usize, mark: u8) -> String {
    let mut out = Vec::with_capacity(16);
    push_fixed(&mut out, value, decimals, mark);
    String::from_utf8(out).unwrap_or_default()
}

/// The shortest text that reads back as the same number, without an exponent.
pub(crate) fn shortest(value: f64, mark: u8) -> String {
    let text = value.to_string();
    if mark == b',' { text.replace('.', ",") } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_as_people_type_them() {
        assert_eq!(parse(" -2,25 "), Some(-2.25));
        assert_eq!(parse("+1.50"), Some(1.5));
        assert_eq!(parse("\u{2212}0.75"), Some(-0.75));
        assert_eq!(parse("- 1.00"), Some(-1.0));
        for text in ["", "-", "inf", "nan", "1,2,3", "1.2.3", "5/10", "05-oct", "12 mm"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn fixed_decimals_round_and_sign() {
        assert_eq!(fixed(7.91234, 4, b'.'), "7.9123");
        assert_eq!(fixed(-0.00004, 4, b'.'), "0.0000");
        assert_eq!(fixed(-1000.0, 4, b'.'), "-1000.0000");
        assert_eq!(fixed(0.05, 2, b','), "0,05");
        assert_eq!(fixed(12.5, 0, b'.'), "13");
        assert_eq!(fixed(1e300, 1, b'.').len(), 303);
    }

    proptest! {
        /// The library's own parser is the reference.
        #[test]
        fn the_fast_path_agrees_with_the_standard_library(whole in 0u32..1_000_000, decimals in 0usize..6, fraction in 0u32..100_000) {
            let text = if decimals == 0 { format!("{whole}") } else { format!("{whole}.{fraction:0decimals$}") };
            let mut bytes = text.clone().into_bytes();
            bytes.extend_from_slice(b";;;;;;;;");
            if let Some((value, length)) = fixed_point(&bytes, b'.') {
                if length == text.len() {
                    prop_assert_eq!(value, text.parse::<f64>().unwrap());
                } else {
                    prop_assert!(bytes[length] != b';');
                }
            } else {
                prop_assert!(text.len() > 7);
            }
        }

        #[test]
        fn fixed_agrees_with_the_standard_library(units in -99_999_999i64..99_999_999) {
            let value = units as f64 / 1e4;
            let expected = format!("{value:.4}");
            let expected = if expected == "-0.0000" { "0.0000".to_owned() } else { expected };
            prop_assert_eq!(fixed(value, 4, b'.'), expected);
        }
    }
}
