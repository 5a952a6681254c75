//! `numeric` in binary.

use bytes::{BufMut, BytesMut};

use super::text;

/// `numeric_send`: base-10000 digits with the weight of the first, the sign and the number of decimals.
pub(crate) fn numeric(out: &mut BytesMut, unscaled: &str, scale: i8) {
    let mut plain = String::new();
    text::decimal(&mut plain, unscaled, scale);
    let (negative, plain) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.as_str()),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let padded_whole = format!("{:0>width$}", whole, width = whole.len().div_ceil(4) * 4);
    let padded_fraction = format!("{:0<width$}", fraction, width = fraction.len().div_ceil(4) * 4);
    let mut weight = (padded_whole.len() / 4) as i16 - 1;
    let group = |text: &str| -> Vec<i16> {
        text.as_bytes().chunks(4).map(|four| four.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0'))).collect()
    };
    let mut digits = group(&padded_whole);
    digits.extend(group(&padded_fraction));
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    weight = if digits.is_empty() { 0 } else { weight - leading as i16 };
    out.put_i16(digits.len() as i16);
    out.put_i16(weight);
    out.put_u16(if negative && !digits.is_empty() { 0x4000 } else { 0 });
    out.put_u16(fraction.len() as u16);
    for digit in digits {
        out.put_i16(digit);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn numeric_digits_are_those_of_numeric_send() {
        // PostgreSQL 15: select encode(numeric_send(x), 'hex')
        for (unscaled, scale, hex) in [
            ("12345678", 4, "000200000000000404d2162e"),
            ("-5", 3, "0001ffff400000030032"),
            ("0", 2, "0000000000000002"),
            ("10000", 0, "00010001000000000001"),
            ("100000001", 8, "0003000000000008000100000001"),
        ] {
            let mut out = BytesMut::new();
            numeric(&mut out, unscaled, scale);
            let found: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, hex, "{unscaled} at scale {scale}");
        }
    }
}
