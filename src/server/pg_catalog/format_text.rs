//! `format`: `%s`, `%I` and `%L`, in order or by position, filled up to a width.

use std::iter::Peekable;
use std::str::Chars;

use datafusion::arrow::array::Array;
use datafusion::error::Result;

use super::functions::Arguments;
use super::plain_functions::{quote_ident, quote_literal};
use crate::server::encode;
use crate::server::error::PgError;

/// Bytes of the longest text that is made.
const LONGEST: usize = 1 << 26;

fn too_few() -> PgError {
    PgError::new("22023", "too few arguments for format()")
}

fn unterminated() -> PgError {
    PgError::new("22023", "unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".")
}

/// The arguments in their order.
struct Cursor<'a> {
    arguments: &'a Arguments,
    next: usize,
}

impl Cursor<'_> {
    /// The place of an argument: the one that is told, or the next.
    fn place(&mut self, told: Option<i64>) -> Result<usize, PgError> {
        let place = match told {
            Some(0) => return Err(PgError::new("22023", "format specifies argument 0, but arguments are numbered from 1")),
            Some(place) => usize::try_from(place).unwrap_or(usize::MAX),
            None => self.next,
        };
        if place >= self.arguments.len() {
            return Err(too_few());
        }
        self.next = place + 1;
        Ok(place)
    }
}

fn number(rest: &mut Peekable<Chars<'_>>) -> Result<Option<i64>, PgError> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse::<i32>() {
        Ok(number) => Ok(Some(number.into())),
        Err(_) => Err(PgError::new("22003", "number is out of range")),
    }
}

/// A value as a client would read it.
fn shown(arguments: &Arguments, index: usize, row: usize) -> Result<Option<String>> {
    let Some(array) = arguments.array(index).filter(|_| !arguments.is_null(index, row)) else { return Ok(None) };
    let text = encode::texts(&array.slice(row, 1), arguments.zone())?;
    Ok(text.is_valid(0).then(|| text.value(0).to_owned()))
}

/// The text that a pattern and the values behind it make.
pub(super) fn write(pattern: &str, arguments: &Arguments, row: usize) -> Result<String> {
    let mut out = String::new();
    let mut cursor = Cursor { arguments, next: 1 };
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        // A number is a place where a $ follows, else the width.
        let mut place = None;
        let mut width = number(&mut rest)?;
        let mut to_the_left = false;
        if width.is_none() || rest.next_if_eq(&'$').is_some() {
            place = width.take();
            if place == Some(0) {
                cursor.place(place)?;
            }
            while rest.next_if_eq(&'-').is_some() {
                to_the_left = true;
            }
            if rest.next_if_eq(&'*').is_some() {
                let told = number(&mut rest)?;
                if told.is_some() && rest.next_if_eq(&'$').is_none() {
                    return Err(PgError::new("22023", "width argument position must be ended by \"$\"").into());
                }
                let at = cursor.place(told)?;
                width = match arguments.int(at, row) {
                    None if !arguments.is_null(at, row) => {
                        let written = arguments.text(at, row).unwrap_or_default();
                        let told = format!("invalid input syntax for type integer: \"{written}\"");
                        return Err(PgError::new("22P02", told).into());
                    }
                    found => found,
                };
                to_the_left |= width.is_some_and(|width| width < 0);
                width = width.map(i64::saturating_abs);
            } else {
                width = number(&mut rest)?;
            }
        }
        let Some(kind) = rest.next() else { return Err(unterminated().into()) };
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(PgError::new("22023", format!("unrecognized format() type specifier \"{kind}\""))
                .with_hint("For a single \"%\" use \"%%\".")
                .into());
        }
        let at = cursor.place(place)?;
        let value = shown(arguments, at, row)?;
        let shown = match (kind, value) {
            ('s', value) => value.unwrap_or_default(),
            ('I', Some(name)) => quote_ident(name),
            ('I', None) => {
                return Err(PgError::new("22004", "null values cannot be formatted as an SQL identifier").into());
            }
            (_, Some(value)) => quote_literal(&value),
            (_, None) => "NULL".to_owned(),
        };
        let missing = usize::try_from(width.unwrap_or(0)).unwrap_or(0).saturating_sub(shown.chars().count());
        if out.len().saturating_add(shown.len()).saturating_add(missing) > LONGEST {
            return Err(PgError::new("54000", format!("format() makes no text of more than {LONGEST} bytes")).into());
        }
        let fill = " ".repeat(missing);
        out.push_str(&if to_the_left { format!("{shown}{fill}") } else { format!("{fill}{shown}") });
    }
    Ok(out)
}
