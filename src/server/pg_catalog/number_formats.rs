//! The patterns of `to_char` and `to_number` for numbers: `FM9,999.00` and their like.

use super::time_formats;
use crate::server::error::PgError;

/// What stands in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Digit {
        zero: bool,
    },
    Point,
    Group,
    Currency,
    /// `S`: a sign at the end where it stands.
    Sign,
    /// `MI`, `PL` and `SG`: a minus, a plus, or either, where it stands.
    Minus,
    Plus,
    Either,
    /// `PR`: what is below zero in angle brackets.
    Brackets,
    Ordinal {
        capitals: bool,
    },
    Roman {
        capitals: bool,
    },
    Exponent,
    /// `V`: what follows are digits of the number times a power of ten.
    Shift,
    /// `FM`: without blanks and needless zeros.
    Bare,
    Text(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    const WORDS: &[(&str, Token)] = &[
        ("EEEE", Token::Exponent),
        ("FM", Token::Bare),
        ("MI", Token::Minus),
        ("PL", Token::Plus),
        ("SG", Token::Either),
        ("PR", Token::Brackets),
    ];
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let begins = |word: &str| rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        let capitals = c.is_ascii_uppercase();
        let word = WORDS.iter().find(|(word, _)| begins(word));
        let (token, taken) = match c.to_ascii_uppercase() {
            _ if begins("TH") => (Token::Ordinal { capitals }, 2),
            _ if begins("RN") => (Token::Roman { capitals }, 2),
            'V' => (Token::Shift, 1),
            'S' => (Token::Sign, 1),
            '9' => (Token::Digit { zero: false }, 1),
            '0' => (Token::Digit { zero: true }, 1),
            ',' | 'G' => (Token::Group, 1),
            '.' | 'D' => (Token::Point, 1),
            'L' => (Token::Currency, 1),
            '"' => {
                let quoted = rest.get(1..).unwrap_or_default();
                let end = quoted.find('"').unwrap_or(quoted.len());
                tokens.extend(quoted.get(..end).unwrap_or_default().chars().map(Token::Text));
                rest = quoted.get(end..).map(|rest| rest.strip_prefix('"').unwrap_or(rest)).unwrap_or_default();
                continue;
            }
            _ => (Token::Text(c), c.len_utf8()),
        };
        let (token, taken) = word.map_or((token, taken), |(word, token)| (*token, word.len()));
        tokens.push(token);
        rest = rest.get(taken..).unwrap_or_default();
    }
    tokens
}

/// What a pattern says of how a number is written.
#[derive(Default)]
struct Pattern {
    /// What stands before and behind the point, and before the place of the sign.
    whole: Vec<Token>,
    fraction: Vec<Token>,
    prefix: Vec<Token>,
    has_point: bool,
    bare: bool,
    sign_ahead: bool,
    sign_behind: bool,
    minus: bool,
    /// Whether the minus stands in front.
    minus_ahead: bool,
    /// Whether the sign has a place of its own among the digits.
    placed: bool,
    brackets: bool,
    ordinal: Option<bool>,
    roman: Option<bool>,
    exponent: bool,
    /// Digits behind a `V`.
    shift: Option<usize>,
}

fn parsed(pattern: &str) -> Result<Pattern, PgError> {
    let tokens = tokens(pattern);
    let mut read = Pattern::default();
    for token in &tokens {
        let is_first = !read.whole.iter().any(|token| matches!(token, Token::Digit { .. }));
        let part = match token {
            Token::Bare => {
                read.bare = true;
                continue;
            }
            Token::Minus => {
                (read.minus, read.minus_ahead) = (true, read.whole.is_empty());
                continue;
            }
            Token::Sign if read.whole.is_empty() => {
                read.sign_ahead = true;
                continue;
            }
            Token::Sign => {
                read.sign_behind = true;
                continue;
            }
            Token::Point => {
                read.has_point = true;
                continue;
            }
            Token::Brackets => {
                read.brackets = true;
                continue;
            }
            Token::Ordinal { capitals } => {
                read.ordinal = Some(*capitals);
                continue;
            }
            Token::Roman { capitals } => {
                read.roman = Some(*capitals);
                continue;
            }
            Token::Exponent => {
                read.exponent = true;
                continue;
            }
            Token::Shift => {
                read.shift = Some(0);
                continue;
            }
            Token::Either | Token::Plus => {
                read.placed |= *token == Token::Either;
                if is_first { &mut read.prefix } else { &mut read.whole }
            }
            Token::Digit { .. } if read.shift.is_some() => {
                read.shift = read.shift.map(|digits| digits + 1);
                &mut read.whole
            }
            _ if read.has_point => &mut read.fraction,
            _ => &mut read.whole,
        };
        part.push(*token);
    }
    let others = |token: &Token| !matches!(token, Token::Digit { .. } | Token::Point | Token::Exponent);
    if read.exponent && tokens.iter().any(others) {
        return Err(PgError::new("42601", "\"EEEE\" is incompatible with other formats")
            .with_detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
    }
    Ok(read)
}

/// A number, and whether its digits are all of it: those of a floating-point number are not.
#[derive(Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) written: &'a str,
    pub(super) exact: bool,
}

/// `to_char` of a number.
pub(super) fn write(number: Number<'_>, pattern: &str) -> Result<String, PgError> {
    let pattern = parsed(pattern)?;
    if let Some(capitals) = pattern.roman {
        return roman(number.written, capitals, pattern.bare);
    }
    let places = |symbols: &[Token]| symbols.iter().filter(|symbol| matches!(symbol, Token::Digit { .. })).count();
    let (before, behind) = (places(&pattern.whole), places(&pattern.fraction));
    if pattern.exponent {
        return scientific(number, behind);
    }
    let shifted;
    let number = match pattern.shift {
        Some(digits) => {
            shifted = times_ten_to(number.written, digits)?;
            shifted.as_str()
        }
        None => number.written,
    };
    let (negative, whole, fraction) = rounded(number, behind)?;
    let blank = |width: usize| if pattern.bare { String::new() } else { " ".repeat(width) };
    let overflows = whole.len() > before && whole != "0";
    let signs = |token: &Token| match (token, negative) {
        (Token::Either, true) => "-".to_owned(),
        (Token::Either, false) | (Token::Plus, false) => "+".to_owned(),
        _ => blank(1),
    };
    let mut out = String::new();
    // Digits are taken from the left; zeros and blanks fill up what is missing.
    let missing = before.saturating_sub(if whole == "0" && behind > 0 { 0 } else { whole.len() });
    let zero_from = pattern
        .whole
        .iter()
        .filter(|symbol| matches!(symbol, Token::Digit { .. }))
        .position(|symbol| matches!(symbol, Token::Digit { zero: true }));
    let mut at = 0;
    let mut begun = false;
    for symbol in &pattern.whole {
        match symbol {
            Token::Digit { .. } => {
                let digit = whole.chars().nth(at.max(missing) - missing).filter(|_| at >= missing);
                match digit {
                    _ if overflows => out.push('#'),
                    Some(digit) => (begun, ()) = (true, out.push(digit)),
                    None if zero_from.is_some_and(|from| at >= from) => (begun, ()) = (true, out.push('0')),
                    None => out.push_str(&blank(1)),
                }
                at += 1;
            }
            Token::Group if begun || overflows => out.push(','),
            Token::Group => out.push_str(&blank(1)),
            Token::Either | Token::Plus => out.push_str(&signs(symbol)),
            Token::Currency => out.push(' '),
            Token::Text(c) => out.push(*c),
            _ => {}
        }
    }
    if pattern.has_point {
        out.push('.');
    }
    let mut digits = fraction.chars();
    let mut tail = String::new();
    for symbol in &pattern.fraction {
        match symbol {
            Token::Digit { .. } if overflows => tail.push('#'),
            Token::Digit { .. } => tail.extend(digits.next()),
            Token::Group => tail.push(','),
            Token::Currency => tail.push(' '),
            Token::Text(c) => tail.push(*c),
            _ => {}
        }
    }
    if pattern.bare && !overflows {
        // Zeros that no 0 of the pattern asks for are left out.
        let kept =
            pattern.fraction.iter().rposition(|symbol| !matches!(symbol, Token::Digit { zero: false })).map_or(0, |at| at + 1);
        while tail.len() > kept && tail.ends_with('0') {
            tail.pop();
        }
    }
    out.push_str(&tail);
    if let Some(capitals) = pattern.ordinal.filter(|_| !negative && behind == 0) {
        let ending = time_formats::ending(&whole);
        out.push_str(&if capitals { ending.to_uppercase() } else { ending.to_owned() });
    }
    let prefix: String = pattern.prefix.iter().map(signs).collect();
    let sign = if negative {
        "-"
    } else if pattern.sign_ahead || pattern.sign_behind {
        "+"
    } else {
        ""
    };
    let before_digits = |sign: String| {
        let start = out.len() - out.trim_start_matches(' ').len();
        let (blanks, digits) = out.split_at(start);
        format!("{blanks}{sign}{digits}")
    };
    let made = if pattern.placed {
        out
    } else if pattern.brackets {
        let (open, close) = if negative { ("<".to_owned(), ">".to_owned()) } else { (blank(1), blank(1)) };
        before_digits(open) + &close
    } else if pattern.sign_behind {
        format!("{out}{sign}")
    } else if pattern.minus {
        let sign = if negative { "-".to_owned() } else { blank(1) };
        if pattern.minus_ahead { format!("{sign}{out}") } else { format!("{out}{sign}") }
    } else {
        before_digits(if sign.is_empty() { blank(1) } else { sign.to_owned() })
    };
    Ok(prefix + &made)
}

/// A number without an exponent: whether it is below zero, and its digits.
fn digits_of(number: &str) -> Result<(bool, String, String), PgError> {
    let plain = match number.contains(['e', 'E']) {
        true => number.parse::<f64>().map(|value| format!("{value}")).unwrap_or_default(),
        false => number.to_owned(),
    };
    let (negative, plain) = plain.strip_prefix('-').map_or((false, plain.as_str()), |rest| (true, rest));
    if !plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(PgError::new("22023", format!("\"{number}\" cannot be written by a pattern")));
    }
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    Ok((negative, whole.to_owned(), fraction.to_owned()))
}

fn times_ten_to(number: &str, power: usize) -> Result<String, PgError> {
    let (negative, whole, fraction) = digits_of(number)?;
    let (moved, rest) = fraction.split_at(power.min(fraction.len()));
    let zeros = "0".repeat(power.saturating_sub(fraction.len()).min(MOST_DECIMALS));
    Ok(format!("{}{whole}{moved}{zeros}.{rest}", if negative { "-" } else { "" }))
}

/// `9.99EEEE`.
fn scientific(number: Number<'_>, decimals: usize) -> Result<String, PgError> {
    let (negative, whole, fraction) = digits_of(number.written)?;
    let shown = |mantissa: &str, exponent: i64, negative: bool| {
        let (sign, direction) = (if negative { '-' } else { ' ' }, if exponent < 0 { '-' } else { '+' });
        format!("{sign}{mantissa}e{direction}{:02}", exponent.unsigned_abs())
    };
    if decimals > MOST_DECIMALS {
        return Err(PgError::new("22023", "a pattern has too many digits"));
    }
    if !number.exact
        && let Ok(value) = number.written.parse::<f64>()
    {
        let made = format!("{value:.decimals$e}");
        let (mantissa, exponent) = made.split_once('e').unwrap_or((&made, "0"));
        return Ok(shown(mantissa.trim_start_matches('-'), exponent.parse().unwrap_or(0), negative));
    }
    let digits = format!("{whole}{fraction}");
    let Some(first) = digits.find(|digit| digit != '0') else {
        let (_, whole, fraction) = rounded("0", decimals)?;
        return Ok(shown(&joined(&whole, &fraction), 0, false));
    };
    let mut exponent = i64::try_from(whole.len()).unwrap_or(0) - 1 - i64::try_from(first).unwrap_or(0);
    let (lead, rest) = digits.get(first..).unwrap_or_default().split_at(1);
    let (_, mut whole, fraction) = rounded(&format!("{lead}.{rest}"), decimals)?;
    if whole.len() > 1 {
        (whole, exponent) = ("1".to_owned(), exponent + 1);
    }
    Ok(shown(&joined(&whole, &fraction), exponent, negative))
}

fn joined(whole: &str, fraction: &str) -> String {
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Roman numerals, which there are up to 3999.
fn roman(number: &str, capitals: bool, bare: bool) -> Result<String, PgError> {
    const WIDTH: usize = 15;
    const NUMERALS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (negative, whole, _) = rounded(number, 0)?;
    let value = whole.parse::<u32>().ok().filter(|value| !negative && (1..4_000).contains(value));
    let Some(mut value) = value else { return Ok("#".repeat(WIDTH)) };
    let mut out = String::new();
    for (worth, numeral) in NUMERALS {
        while value >= worth {
            out.push_str(numeral);
            value -= worth;
        }
    }
    let out = if capitals { out } else { out.to_lowercase() };
    Ok(if bare { out } else { format!("{out:>WIDTH$}") })
}

/// How many decimals numbers have that `to_number` reads by a pattern.
pub(super) fn decimals(pattern: &str) -> i8 {
    let tokens = tokens(pattern);
    let behind = tokens.iter().skip_while(|token| !matches!(token, Token::Point | Token::Shift));
    i8::try_from(behind.filter(|token| matches!(token, Token::Digit { .. })).count()).unwrap_or(i8::MAX).min(30)
}

/// `to_number`: the number that a text is by a pattern, written plainly.
pub(super) fn read(text: &str, pattern: &str) -> Result<String, PgError> {
    let tokens = tokens(pattern);
    let unknown = |word: &str| PgError::new("0A000", format!("\"{word}\" not supported for input"));
    if tokens.iter().any(|token| matches!(token, Token::Roman { .. })) {
        return Err(unknown("RN"));
    }
    if tokens.contains(&Token::Exponent) {
        return Err(unknown("EEEE"));
    }
    let mut rest = text.trim_start().chars().peekable();
    let (mut negative, mut behind) = (false, false);
    let (mut digits, mut decimals) = (String::new(), 0_usize);
    let mut shift = None;
    for token in tokens {
        if !matches!(token, Token::Text(_)) {
            while rest.next_if_eq(&' ').is_some() {}
        }
        match token {
            Token::Digit { .. } => {
                if digits.is_empty() && !behind && rest.next_if(|c| matches!(c, '-' | '<')).is_some() {
                    negative = true;
                } else if digits.is_empty() {
                    rest.next_if_eq(&'+');
                }
                while rest.next_if_eq(&' ').is_some() {}
                shift = shift.map(|places: usize| places + 1);
                match rest.next() {
                    Some(digit) if digit.is_ascii_digit() => {
                        digits.push(digit);
                        decimals += usize::from(behind);
                    }
                    Some('.') => behind = true,
                    Some(_) => {}
                    None => break,
                }
            }
            Token::Point if rest.next_if_eq(&'.').is_some() => behind = true,
            Token::Group => {
                rest.next_if_eq(&',');
            }
            Token::Currency => while rest.next_if(|c| !c.is_ascii_digit() && !"-+.,".contains(*c)).is_some() {},
            Token::Sign | Token::Minus | Token::Plus | Token::Either => {
                if rest.next_if_eq(&'-').is_some() {
                    negative = true;
                } else {
                    rest.next_if_eq(&'+');
                }
            }
            Token::Shift => shift = Some(0),
            Token::Ordinal { .. } => {
                rest.nth(1);
            }
            Token::Text(_) => {
                rest.next();
            }
            _ => {}
        }
    }
    if digits.is_empty() {
        return Err(PgError::new("22P02", "invalid input syntax for type numeric: \" \""));
    }
    let decimals = decimals + shift.unwrap_or(0);
    let padded = format!("{digits:0>width$}", width = (decimals + 1).min(MOST_DECIMALS));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(decimals));
    Ok(format!("{}{}", if negative { "-" } else { "" }, joined(whole, fraction)))
}

/// Digits behind the point at most.
const MOST_DECIMALS: usize = 1_000;

/// A number with so many decimals, away from zero where it lies in the middle: whether it is below zero, and its digits.
fn rounded(number: &str, decimals: usize) -> Result<(bool, String, String), PgError> {
    let (negative, whole, fraction) = digits_of(number)?;
    if decimals > MOST_DECIMALS {
        return Err(PgError::new("22023", "a pattern has too many digits"));
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
            ("485.6", "RN", "       CDLXXXVI"),
            ("3", "FMrn", "iii"),
            ("4000", "RN", "###############"),
            ("22", "000TH", " 022ND"),
            ("-485", "999th", "-485"),
            ("-48", "9999PR", "  <48>"),
            ("485", "999PR", " 485 "),
            ("0.0004859", "9.99EEEE", " 4.86e-04"),
            ("99999", "9.99EEEE", " 1.00e+05"),
            ("0", "9.9EEEE", " 0.0e+00"),
            ("12.45", "99V9", " 125"),
            ("-48", "SG999", "- 48"),
            ("48", "PL999", "+  48"),
            ("-485", "9SG99", "4-85"),
        ] {
            assert_eq!(write(Number { written: number, exact: true }, pattern).unwrap(), expected, "{number} {pattern}");
        }
    }
    #[test]
    fn numbers_are_read_as_postgres_reads_them() {
        // PostgreSQL 15: select to_number(…, …)
        for (text, pattern, expected) in [
            ("1,234.5", "9,999.9", "1234.5"),
            ("12,454.8-", "99G999D9S", "-12454.8"),
            ("-34,338,492", "99G999G999", "-34338492"),
            ("<564646.654564>", "999999.999999PR", "-564646.654564"),
            ("$ 1,234.56", "L9,999.99", "1234.56"),
            ("1,234", "9999", "123"),
            ("12 34", "9999", "1234"),
            (".5", "9.9", "0.5"),
            ("1234", "99V99", "12.34"),
            ("1 234", "9 999", "1234"),
        ] {
            assert_eq!(read(text, pattern).unwrap(), expected, "{text} {pattern}");
        }
        assert_eq!(read("abc", "999").unwrap_err().code, "22P02");
        assert_eq!(read("1", "RN").unwrap_err().code, "0A000");
    }
}
