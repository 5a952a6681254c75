//! Elementary functions that give the same bits on every machine.
//!
//! The functions of the standard library call the platform's own, which differ in the last bit between systems and even
//! between processors. Those here use additions, multiplications, divisions and roots alone, which IEEE 754 fixes, so that a
//! seed gives the same hospital everywhere. Accuracy: a few units in the last place, which the tests hold to 1e-14.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, LN_10, PI};

/// ln 2 less its first 32 bits, so that a multiple of it loses nothing.
const LN_2_HIGH: f64 = 6.931_471_803_691_238_e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// π/2 in two parts, for the same reason.
const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6;
const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;

/// e to the power of `x`; 0 below −700, the value at 700 above it.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let x = x.min(700.0);
    let power = (x / LN_2).round();
    let rest = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    let mut sum = 1.0;
    let mut order = 14.0;
    while order > 0.0 {
        sum = 1.0 + rest / order * sum;
        order -= 1.0;
    }
    // Within ±1010 after the bounds above, so the exponent stays in the normal range.
    let exponent = (power as i64 + 1023) as u64;
    sum * f64::from_bits(exponent << 52)
}

/// 10 to the power of `x`.
pub(super) fn exp10(x: f64) -> f64 {
    exp(x * LN_10)
}

/// The natural logarithm of a positive normal number; −700 for anything else.
pub(super) fn ln(x: f64) -> f64 {
    if !(x.is_normal() && x > 0.0) {
        return -700.0;
    }
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as f64 - 1023.0;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    let mut divisor = 23.0;
    while divisor > 0.0 {
        sum = sum * square + 1.0 / divisor;
        divisor -= 2.0;
    }
    exponent * LN_2_HIGH + (2.0 * s * sum + exponent * LN_2_LOW)
}

/// The base-10 logarithm of a positive number.
pub(super) fn log10(x: f64) -> f64 {
    ln(x) / LN_10
}

/// Sine and cosine of an angle in radians, for |x| up to a million.
pub(super) fn sin_cos(x: f64) -> (f64, f64) {
    let quarter = (x / FRAC_PI_2).round();
    let rest = (x - quarter * HALF_PI_HIGH) - quarter * HALF_PI_LOW;
    let square = rest * rest;
    let (mut sin, mut cos) = (1.0, 1.0);
    let mut order = 18.0;
    while order > 0.0 {
        sin = 1.0 - square / (order * (order + 1.0)) * sin;
        cos = 1.0 - square / (order * (order - 1.0)) * cos;
        order -= 2.0;
    }
    sin *= rest;
    match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Sine and cosine of an angle in degrees.
pub(super) fn sin_cos_deg(degrees: f64) -> (f64, f64) {
    sin_cos(degrees * (PI / 180.0))
}

/// The angle of (x, y) in degrees, −180 to 180; 0 at the origin.
pub(super) fn atan2_deg(y: f64, x: f64) -> f64 {
    if x == 0.0 && y == 0.0 {
        return 0.0;
    }
    let (small, large) = if y.abs() > x.abs() { (x, y) } else { (y, x) };
    let ratio = (small / large).abs();
    // Half the angle twice: the series then needs few terms.
    let half = ratio / (1.0 + (1.0 + ratio * ratio).sqrt());
    let quarter = half / (1.0 + (1.0 + half * half).sqrt());
    let square = quarter * quarter;
    let mut sum = 0.0;
    let mut divisor = 25.0;
    while divisor > 0.0 {
        sum = 1.0 / divisor - square * sum;
        divisor -= 2.0;
    }
    let acute = 4.0 * quarter * sum;
    let from_x = if y.abs() > x.abs() { 2.0 * FRAC_PI_4 - acute } else { acute };
    let upper = if x < 0.0 { PI - from_x } else { from_x };
    let angle = if y < 0.0 { -upper } else { upper };
    angle * (180.0 / PI)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) -> bool {
        (got - want).abs() <= 1e-14 * want.abs().max(1.0)
    }

    #[test]
    fn agrees_with_the_platform() {
        for step in -4000..4000 {
            let x = f64::from(step) * 0.01237;
            assert!(close(exp(x * 0.2), (x * 0.2).exp()), "exp {x}");
            assert!(close(sin_cos(x).0, x.sin()) && close(sin_cos(x).1, x.cos()), "sin cos {x}");
            assert!(close(ln(exp(x * 0.2)), x * 0.2), "ln {x}");
            let (s, c) = (f64::from(step) * 0.7).sin_cos();
            assert!((atan2_deg(s * 3.0, c * 3.0) - (s * 3.0).atan2(c * 3.0).to_degrees()).abs() < 1e-12, "atan2 {x}");
        }
        assert!(close(exp10(0.3), 10_f64.powf(0.3)) && close(log10(2000.0), 2000_f64.log10()));
        assert_eq!((exp(-1e9), atan2_deg(0.0, -2.0), atan2_deg(-1.0, 0.0)), (0.0, 180.0, -90.0));
    }
}
