//! The patterns of `to_char` for numbers: `FM9,999.00` and their like.

use crate::server::error::PgError;

/// What a pattern says.
#[derive(Default)]
struct Pattern {
    /// Digits before and behind the point, whether each is written although it is a zero, and what stands between them.
    whole: Vec<Symbol>,
    fraction: Vec<Symbol>,
    has_point: bool,
    bare: bool,
    sign_ahead: bool,
    sign_behind: bool,
    minus: bool,
    /// Whether the minus stands in front.
    minus_ahead: bool,
}

#[derive(Clone)]
enum Symbol {
    Digit { zero: bool },
    Comma,
    Text(char),
}

/// `to_char` of a number that is written plainly.
pub(super) fn write(number: &str, pattern: &str) -> Result<String, PgError> {
    let pattern = read(pattern)?;
    let places = |symbols: &[Symbol]| symbols.iter().filter(|symbol| matches!(symbol, Symbol::Digit { .. })).count();
    let (before, behind) = (places(&pattern.whole), places(&pattern.fraction));
    let (negative, whole, fraction) = rounded(number, behind)?;
    let blank = |width: usize| if pattern.bare { String::new() } else { " ".repeat(width) };
    let overflows = whole.len() > before && whole != "0";
    let mut out = String::new();
    // Digits are taken from the left; zeros and blanks fill up what is missing.
    let missing = before.saturating_sub(if whole == "0" && behind > 0 { 0 } else { whole.len() });
    let zero_from = pattern
        .whole
        .iter()
        .filter(|symbol| matches!(symbol, Symbol::Digit { .. }))
        .position(|symbol| matches!(symbol, Symbol::Digit { zero: true }));
    let mut at = 0;
    let mut begun = false;
    for symbol in &pattern.whole {
        match symbol {
            Symbol::Digit { .. } => {
                let digit = whole.chars().nth(at.max(missing) - missing).filter(|_| at >= missing);
                match digit {
                    _ if overflows => out.push('#'),
                    Some(digit) => (begun, ()) = (true, out.push(digit)),
                    None if zero_from.is_some_and(|from| at >= from) => (begun, ()) = (true, out.push('0')),
                    None => out.push_str(&blank(1)),
                }
                at += 1;
            }
            Symbol::Comma if begun || overflows => out.push(','),
            Symbol::Comma => out.push_str(&blank(1)),
            Symbol::Text(c) => out.push(*c),
        }
    }
    if pattern.has_point {
        out.push('.');
    }
    let mut digits = fraction.chars();
    let mut tail = String::new();
    for symbol in &pattern.fraction {
        match symbol {
            Symbol::Digit { .. } if overflows => tail.push('#'),
            Symbol::Digit { .. } => tail.extend(digits.next()),
            Symbol::Comma => tail.push(','),
            Symbol::Text(c) => tail.push(*c),
        }
    }
    if pattern.bare && !overflows {
        // Zeros that no 0 of the pattern asks for are left out.
        let kept =
            pattern.fraction.iter().rposition(|symbol| !matches!(symbol, Symbol::Digit { zero: false })).map_or(0, |at| at + 1);
        while tail.len() > kept && tail.ends_with('0') {
            tail.pop();
        }
    }
    out.push_str(&tail);
    let sign = if negative {
        "-"
    } else if pattern.sign_ahead || pattern.sign_behind {
        "+"
    } else {
        ""
    };
    Ok(match (pattern.sign_behind, pattern.minus) {
        (true, _) => format!("{out}{sign}"),
        (_, true) => {
            let sign = if negative { "-".to_owned() } else { blank(1) };
            if pattern.minus_ahead { format!("{sign}{out}") } else { format!("{out}{sign}") }
        }
        _ => {
            let start = out.len() - out.trim_start_matches(' ').len();
            let (blanks, digits) = out.split_at(start);
            let sign = if sign.is_empty() { blank(1) } else { sign.to_owned() };
            format!("{blanks}{sign}{digits}")
        }
    })
}

fn read(written: &str) -> Result<Pattern, PgError> {
    let mut pattern = Pattern::default();
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        let begins = |word: &str| rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        let mut taken = c.len_utf8();
        let symbol = match c.to_ascii_uppercase() {
            _ if begins("FM") => {
                (pattern.bare, taken) = (true, 2);
                None
            }
            _ if begins("MI") => {
                (pattern.minus, pattern.minus_ahead, taken) = (true, pattern.whole.is_empty(), 2);
                None
            }
            _ if ["EEEE", "RN", "PR", "TH", "PL", "SG"].iter().any(|word| begins(word)) || matches!(c, 'V' | 'v') => {
                return Err(PgError::new("0A000", format!("the pattern \"{written}\" of to_char is not supported"))
                    .with_hint("Known are 9, 0, point, comma, D, G, S, MI, L and FM."));
            }
            'S' if pattern.whole.is_empty() => {
                pattern.sign_ahead = true;
                None
            }
            'S' => {
                pattern.sign_behind = true;
                None
            }
            '9' => Some(Symbol::Digit { zero: false }),
            '0' => Some(Symbol::Digit { zero: true }),
            ',' | 'G' => Some(Symbol::Comma),
            '.' | 'D' => {
                pattern.has_point = true;
                None
            }
            'L' => Some(Symbol::Text(' ')),
            '"' => {
                let end = rest.get(1..).and_then(|rest| rest.find('"')).map_or(rest.len(), |at| at + 2);
                let side = if pattern.has_point { &mut pattern.fraction } else { &mut pattern.whole };
                side.extend(rest.get(1..end.saturating_sub(1)).unwrap_or_default().chars().map(Symbol::Text));
                taken = end;
                None
            }
            _ => Some(Symbol::Text(c)),
        };
        if let Some(symbol) = symbol {
            if pattern.has_point { pattern.fraction.push(symbol) } else { pattern.whole.push(symbol) }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(pattern)
}

/// A number with so many decimals, away from zero where it lies in the middle: whether it is below zero, and its digits.
fn rounded(number: &str, decimals: usize) -> Result<(bool, String, String), PgError> {
    let plain = match number.contains(['e', 'E']) {
        true => number.parse::<f64>().map(|value| format!("{value}")).unwrap_or_default(),
        false => number.to_owned(),
    };
    let (negative, plain) = plain.strip_prefix('-').map_or((false, plain.as_str()), |rest| (true, rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    if !plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || decimals > 1_000 {
        return Err(PgError::new("22023", format!("\"{number}\" cannot be written by a pattern")));
    }
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(decimals).collect();
    let up = fraction.as_bytes().get(decimals).is_some_and(|digit| *digit >= b'5');
    let mut digits: Vec<u8> = format!("0{whole}{kept}").into_bytes();
    if up {
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                break;
            }
        }
    }
    let all = String::from_utf8(digits).unwrap_or_default();
    let (whole, fraction) = all.split_at(all.len() - decimals);
    let whole = whole.trim_start_matches('0');
    let zero = whole.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    Ok((negative && !zero, if whole.is_empty() { "0" } else { whole }.to_owned(), fraction.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgres_writes_them() {
        // PostgreSQL 15: select to_char(…, …)
        for (number, pattern, expected) in [
            ("1234.5", "9999.99", " 1234.50"),
            ("1234.5", "FM9,999.00", "1,234.50"),
            ("-1", "999", "  -1"),
            ("12", "000", " 012"),
            ("10000000000", "999", " ###"),
            ("0.1", "FM0.99", "0.1"),
            ("0.1", "9.9", "  .1"),
            ("5", "99MI", " 5 "),
            ("-5", "MI99", "- 5"),
        ] {
            assert_eq!(write(number, pattern).unwrap(), expected, "{number} {pattern}");
        }
    }
}
