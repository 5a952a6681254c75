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

/// How a number stands in the bytes of a cell: sign, digits, mark, decimals. Cells of a map nearly always look like the one
/// before, so that a reader that expects the same shape need not search for marks and ends; the position of the next cell then
/// does not hang on the bytes of this one, which is what lets the processor read several at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    negative: bool,
    /// Bytes after the sign.
    length: usize,
    /// Highest bits of the bytes that must be digits.
    digits: u64,
    /// Bytes that must be mark and delimiter, and what they are.
    fixed: u64,
    expected: u64,
    whole: u64,
    decimals: u64,
    align: u32,
    divisor: f64,
}

/// The bytes of a cell after its sign, and the one that may be its delimiter.
type Window = [u8; 9];

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The highest bit of every byte that is not a digit.
#[inline]
fn others(word: u64) -> u64 {
    let digits = word ^ ZEROS;
    (((digits & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The lowest `count` bytes, of at most eight.
#[inline]
fn low_bytes(count: u32) -> u64 {
    if count >= 8 { u64::MAX } else { (1u64 << (8 * count)) - 1 }
}

impl Shape {
    /// The shape of the number at the start of `bytes`, if it is one of up to seven digits with or without `mark` between
    /// them, and the number. What follows is not looked at, but nine bytes must be there.
    pub(crate) fn detect(bytes: &[u8], mark: u8, delimiter: u8) -> Option<(Self, f64)> {
        let negative = bytes.first() == Some(&b'-');
        let window = bytes.get(usize::from(negative)..)?.first_chunk::<9>()?;
        let word = word(window);
        let others = others(word);
        let whole = others.trailing_zeros() / 8;
        if whole == 0 || whole == 8 {
            return None;
        }
        let has_mark = (word >> (8 * whole)) as u8 == mark;
        let end = match others & others.wrapping_sub(1) {
            _ if !has_mark => whole,
            0 => 8,
            rest => rest.trailing_zeros() / 8,
        };
        let count = end - u32::from(has_mark);
        let mut fixed = low_bytes(end + 1) & !low_bytes(end);
        let mut expected = (u64::from(delimiter) << (8 * (end & 7))) & fixed;
        if has_mark {
            fixed |= 0xFF << (8 * whole);
            expected |= u64::from(mark) << (8 * whole);
        }
        let shape = Self {
            negative,
            length: end as usize,
            digits: low_bytes(end) & !fixed & 0x8080_8080_8080_8080,
            fixed,
            expected,
            whole: low_bytes(whole),
            decimals: low_bytes(count) & !low_bytes(whole),
            align: 64 - 8 * count,
            divisor: POWERS.get((count - whole) as usize).copied()?,
        };
        Some((shape, shape.value(word)))
    }

    /// The number at the start of `bytes` and the length of its cell with the delimiter after it, if it has this shape.
    #[inline(always)]
    pub(crate) fn read(&self, bytes: &[u8], delimiter: u8) -> Option<(f64, usize)> {
        let sign = usize::from(self.negative);
        let window = bytes.get(sign..)?.first_chunk::<9>()?;
        let word = word(window);
        let same = word & self.fixed == self.expected
            && others(word) & self.digits == 0
            && (self.length < 8 || window[8] == delimiter)
            && (!self.negative || bytes.first() == Some(&b'-'));
        same.then(|| (self.value(word), sign + self.length + 1))
    }

    /// Bytes of the number.
    pub(crate) fn length(&self) -> usize {
        usize::from(self.negative) + self.length
    }

    /// The correctly rounded value: the integer of all digits and the power of ten are exact, and division rounds once.
    #[inline(always)]
    fn value(&self, word: u64) -> f64 {
        let digits = word ^ ZEROS;
        let all = ((digits & self.whole) | ((digits >> 8) & self.decimals)) << self.align;
        let value = eight_digits(all) as f64 / self.divisor;
        if self.negative { -value } else { value }
    }
}

#[inline(always)]
fn word(window: &Window) -> u64 {
    let [a, b, c, d, e, f, g, h, _] = *window;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    // Larger ones, and what is no number, are for the standard library.
    if scaled.is_nan() || scaled >= 9e15 {
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
        fn the_fast_path_agrees_with_the_standard_library(whole in 0u32..1_000_000, decimals in 0usize..6, fraction in 0u32..100_000, negative: bool, last in 0u8..10) {
            let text = if decimals == 0 { format!("{whole}") } else { format!("{whole}.{fraction:0decimals$}") };
            let text = if negative { format!("-{text}") } else { text };
            let bytes = [text.as_bytes(), b";;;;;;;;;"].concat();
            let Some((shape, value)) = Shape::detect(&bytes, b'.', b';') else {
                prop_assert!(text.len() > 8);
                return Ok(());
            };
            if shape.length() == text.len() {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
                prop_assert_eq!(shape.read(&bytes, b';'), Some((value, text.len() + 1)));
                // Another number of the same shape, and texts that only look alike.
                let digit = format!("{}{}", &text[..text.len() - 1], (last + b'0') as char);
                let bytes = [digit.as_bytes(), b";;;;;;;;;"].concat();
                prop_assert_eq!(shape.read(&bytes, b';'), Some((digit.parse::<f64>().unwrap(), text.len() + 1)));
                for at in 0..=text.len() {
                    let mut other = [text.as_bytes(), b";;;;;;;;;"].concat();
                    let numeric = other[at].is_ascii_digit();
                    other[at] = if numeric { b':' } else { b'0' };
                    prop_assert_eq!(shape.read(&other, b';'), None);
                }
            } else {
                prop_assert!(bytes[shape.length()] != b';');
                prop_assert_eq!(shape.read(&bytes, b';'), None);
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
