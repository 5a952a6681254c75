//! Functions of regular expressions in PostgreSQL's way: `regexp_matches`, `regexp_substr`, `regexp_split_to_array`.

use std::cell::RefCell;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use regex::{Regex, RegexBuilder};

use super::functions::{Arguments, Function, Returns, Set, function, text};
use crate::server::error::PgError;

const TEXTS: Set = Set::Values("_text");

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("regexp_matches", Returns::Set(TEXTS), |_, arguments, row| {
        let (Some(value), Some(pattern), Some(flags)) = given(arguments, row, 2) else { return TEXTS.none() };
        let all = flags.contains('g');
        let found = compiled(&pattern, &flags.replace('g', ""), "regexp_matches", |regex| {
            let mut found = Vec::new();
            for captures in regex.captures_iter(&value).take(if all { usize::MAX } else { 1 }) {
                // The parts in parentheses, or all of it where there are none.
                let first = usize::from(captures.len() > 1);
                found.push(list(captures.iter().skip(first).map(|part| part.map(|part| part.as_str().to_owned()))));
            }
            found
        })?;
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&found, &TEXTS.element())))
    }),
    function("regexp_substr", Returns::Text, |_, arguments, row| {
        let (Some(value), Some(pattern), Some(flags)) = given(arguments, row, 4) else { return text(None::<String>) };
        let mut numbers = [1, 1, 0];
        for (number, index) in numbers.iter_mut().zip([2, 3, 5]) {
            if arguments.len() > index {
                match arguments.int(index, row) {
                    Some(found) => *number = found,
                    None => return text(None::<String>),
                }
            }
        }
        let [start, count, group] = numbers;
        let invalid = |name: &str, value: i64| PgError::new("22023", format!("invalid value for parameter \"{name}\": {value}"));
        let at_least = |name: &str, value: i64, least: i64| {
            usize::try_from(value).ok().filter(|_| value >= least).ok_or_else(|| invalid(name, value))
        };
        let (start, count, group) = (at_least("start", start, 1)?, at_least("n", count, 1)?, at_least("subexpr", group, 0)?);
        if flags.contains('g') {
            return Err(not_global("regexp_substr").into());
        }
        let rest = match value.char_indices().map(|(at, _)| at).chain([value.len()]).nth(start - 1) {
            Some(from) => value.get(from..).unwrap_or_default(),
            None => return text(None::<String>),
        };
        text(compiled(&pattern, &flags, "regexp_substr", |regex| {
            let captures = regex.captures_iter(rest).nth(count - 1)?;
            captures.get(group).map(|part| part.as_str().to_owned())
        })?)
    }),
    function("regexp_split_to_array", Returns::TextList, |_, arguments, row| {
        let (Some(value), Some(pattern), Some(flags)) = given(arguments, row, 2) else {
            return ScalarValue::try_from(&DataType::new_list(DataType::Utf8, true));
        };
        Ok(list(split_at_matches(&value, &pattern, &flags)?.into_iter().map(Some)))
    }),
];

/// Text, pattern and flags, which stand at a place of their own and need not be given.
fn given(arguments: &Arguments, row: usize, flags: usize) -> (Option<String>, Option<String>, Option<String>) {
    let flags = if arguments.len() > flags { arguments.text(flags, row) } else { Some(String::new()) };
    (arguments.text(0, row), arguments.text(1, row), flags)
}

fn list(parts: impl Iterator<Item = Option<String>>) -> ScalarValue {
    let parts: Vec<_> = parts.map(ScalarValue::Utf8).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&parts, &DataType::Utf8))
}

fn not_global(function: &str) -> PgError {
    PgError::new("22023", format!("{function}() does not support the \"global\" option"))
}

/// Does something with a regular expression, which is compiled once for many rows.
fn compiled<T>(pattern: &str, flags: &str, function: &str, what: impl FnOnce(&Regex) -> T) -> Result<T, PgError> {
    thread_local! {
        static LAST: RefCell<Option<(String, String, Regex)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        let known = last.as_ref().is_some_and(|(pattern_of, flags_of, _)| pattern_of == pattern && flags_of == flags);
        if !known {
            *last = Some((pattern.to_owned(), flags.to_owned(), compile(pattern, flags, function)?));
        }
        match last {
            Some((_, _, regex)) => Ok(what(regex)),
            None => Err(PgError::new("XX000", "a regular expression was not kept")),
        }
    })
}

/// A regular expression with PostgreSQL's flags.
fn compile(pattern: &str, flags: &str, function: &str) -> Result<Regex, PgError> {
    let literal = flags.contains('q').then(|| regex::escape(pattern));
    let mut regex = RegexBuilder::new(literal.as_deref().unwrap_or(pattern));
    // Unlike elsewhere, `.` matches the end of a line.
    regex.dot_matches_new_line(true);
    for flag in flags.chars() {
        match flag {
            'i' => regex.case_insensitive(true),
            'c' => regex.case_insensitive(false),
            'm' | 'n' => regex.multi_line(true).dot_matches_new_line(false),
            'p' => regex.dot_matches_new_line(false),
            'w' => regex.multi_line(true),
            's' => regex.multi_line(false).dot_matches_new_line(true),
            'x' => regex.ignore_whitespace(true),
            't' => regex.ignore_whitespace(false),
            'q' | 'e' => &mut regex,
            'g' => return Err(not_global(function)),
            other => return Err(PgError::new("22023", format!("invalid regular expression option: \"{other}\""))),
        };
    }
    regex.build().map_err(|error| invalid_regex(&error))
}

/// What stands between the matches. A match of nothing splits only between two characters.
fn split_at_matches(value: &str, pattern: &str, flags: &str) -> Result<Vec<String>, PgError> {
    compiled(pattern, flags, "regexp_split_to_array", |regex| {
        let (mut parts, mut from) = (Vec::new(), 0);
        for found in regex.find_iter(value) {
            if found.is_empty() && (found.start() == from || found.start() == value.len()) {
                continue;
            }
            parts.push(value.get(from..found.start()).unwrap_or_default().to_owned());
            from = found.end();
        }
        parts.push(value.get(from..).unwrap_or_default().to_owned());
        parts
    })
}

/// What is wrong with a regular expression.
pub(super) fn invalid_regex(error: &regex::Error) -> PgError {
    // The last line says what is wrong, those before draw where.
    let told = error.to_string();
    let reason = told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    PgError::new("2201B", format!("invalid regular expression: {reason}"))
}
