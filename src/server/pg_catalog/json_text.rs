//! JSON in texts: read without changing what is written (`json`), and written anew as PostgreSQL does it (`jsonb`).

use crate::server::error::PgError;
use crate::server::text::json_string;

/// Values inside of each other at most.
const MAX_DEPTH: usize = 256;

/// A value, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Json<'a> {
    pub(super) raw: &'a str,
    pub(super) value: Value<'a>,
}

/// What a value is. Keys are kept in their order, and as often as they stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Json<'a>>),
    Object(Vec<(String, Json<'a>)>),
}

/// A value as `jsonb` writes it.
pub(crate) fn jsonb_text(text: &str) -> Result<String, PgError> {
    Ok(parse(text)?.written(true))
}

/// Reads a text as PostgreSQL's `json`.
pub(super) fn parse(text: &str) -> Result<Json<'_>, PgError> {
    let mut reader = Reader { text, at: 0 };
    let found = reader.value(0).filter(|_| {
        reader.blanks();
        reader.at == text.len()
    });
    found.ok_or_else(|| PgError::new("22P02", "invalid input syntax for type json"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn token(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.blanks();
        let from = self.at;
        let value = match self.peek()? {
            b'{' => self.object(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Value::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => {
                let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                let rest = self.text.get(self.at..)?;
                let (word, value) = words.into_iter().find(|(word, _)| rest.starts_with(word))?;
                self.at += word.len();
                value
            }
        };
        Some(Json { raw: self.text.get(from..self.at)?, value })
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        self.token(b'{')?;
        let mut members = Vec::new();
        if self.token(b'}').is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.token(b':')?;
            members.push((key, self.value(depth + 1)?));
            if self.token(b',').is_none() {
                self.token(b'}')?;
                return Some(Value::Object(members));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value<'a>> {
        self.token(b'[')?;
        let mut elements = Vec::new();
        if self.token(b']').is_some() {
            return Some(Value::List(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.token(b',').is_none() {
                self.token(b']')?;
                return Some(Value::List(elements));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let from = self.at;
        self.token(b'"')?;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(from..self.at)?).ok()
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<Value<'a>> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let from = self.at;
        self.digits()?;
        if zero && self.at > from + 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(Value::Number)
    }
}

impl<'a> Json<'a> {
    /// The member of a name (the last one counts), or the element of a number; one from the end where it is below zero.
    pub(super) fn at(&self, step: &Step) -> Option<&Json<'a>> {
        match (&self.value, step) {
            (Value::Object(members), Step::Key(key)) => {
                members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            (Value::List(elements), Step::Index(index)) => {
                let from_end = usize::try_from(index.unsigned_abs()).ok()?;
                let at = if *index < 0 { elements.len().checked_sub(from_end)? } else { from_end };
                elements.get(at)
            }
            _ => None,
        }
    }

    /// Along a path of keys, of which those of lists are numbers.
    pub(super) fn along<'b>(&'b self, path: &[String]) -> Option<&'b Json<'a>> {
        path.iter().try_fold(self, |found, step| match found.value {
            Value::List(_) => found.at(&Step::Index(step.trim().parse().ok()?)),
            _ => found.at(&Step::Key(step.clone())),
        })
    }

    /// The text of a text, else the value as it is written; nothing for `null`.
    pub(super) fn text(&self, written_anew: bool) -> Option<String> {
        match &self.value {
            Value::Null => None,
            Value::Text(text) => Some(text.clone()),
            _ => Some(self.written(written_anew)),
        }
    }

    /// The value as `json` has it, or as `jsonb` writes it.
    pub(super) fn written(&self, anew: bool) -> String {
        if !anew {
            return self.raw.to_owned();
        }
        let mut out = String::with_capacity(self.raw.len());
        self.write(&mut out, None);
        out
    }

    /// The value as `jsonb_pretty` writes it: a line for each element and member, indented by four spaces.
    pub(super) fn pretty(&self) -> String {
        let mut out = String::with_capacity(2 * self.raw.len());
        self.write(&mut out, Some(0));
        out
    }

    /// Writes the value; `indent` is the depth at which it stands, where it is written in lines.
    fn write(&self, out: &mut String, indent: Option<usize>) {
        let inside = indent.map(|indent| indent + 1);
        let line = |out: &mut String, indent: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("    ", indent));
        };
        let begin = |out: &mut String, position: usize| match inside {
            Some(inside) => {
                out.push_str(if position > 0 { "," } else { "" });
                line(out, inside);
            }
            None => out.push_str(if position > 0 { ", " } else { "" }),
        };
        let end = |out: &mut String, bracket: char| {
            if let Some(indent) = indent {
                line(out, indent);
            }
            out.push(bracket);
        };
        match &self.value {
            Value::Null | Value::Bool(_) => out.push_str(self.raw),
            Value::Number => number(out, self.raw),
            Value::Text(text) => json_string(out, text),
            Value::List(elements) => {
                out.push('[');
                for (position, element) in elements.iter().enumerate() {
                    begin(out, position);
                    element.write(out, inside);
                }
                end(out, ']');
            }
            Value::Object(members) => {
                // Shorter keys come first; of those that are the same, the last one stays.
                let mut sorted: Vec<&(String, Json<'_>)> = members.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
                let next = sorted.iter().skip(1).map(|(name, _)| Some(name)).chain([None]);
                let last: Vec<_> = sorted.iter().zip(next).filter(|((name, _), next)| *next != Some(name)).collect();
                out.push('{');
                for (position, ((name, value), _)) in last.into_iter().enumerate() {
                    begin(out, position);
                    json_string(out, name);
                    out.push_str(": ");
                    value.write(out, inside);
                }
                end(out, '}');
            }
        }
    }
}

/// A number as `numeric` writes it: without an exponent.
fn number(out: &mut String, raw: &str) {
    let Some((mantissa, exponent)) = raw.split_once(['e', 'E']) else { return out.push_str(if raw == "-0" { "0" } else { raw }) };
    let Some(exponent) = exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() < 10_000) else {
        return out.push_str(raw);
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).unwrap_or(0) + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), format!("{}{digits}", zeros(-point)))
    } else if point >= length {
        (format!("{digits}{}", zeros(point - length)), String::new())
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        (whole.to_owned(), fraction.to_owned())
    };
    let whole = whole.trim_start_matches('0');
    out.push_str(sign);
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
}

/// One step into a value.
pub(super) enum Step {
    Key(String),
    Index(i64),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_written_as_postgres_writes_it() {
        // PostgreSQL 15: select …::jsonb
        for (given, expected) in [
            (r#"{"bb":1,"a":[1,2 ,{}],"c":null,"a":2}"#, r#"{"a": 2, "c": null, "bb": 1}"#),
            ("1e3", "1000"),
            ("-1.50E-2", "-0.0150"),
            ("12.5e1", "125"),
            (r#""a\u00e9\n""#, "\"aé\\n\""),
        ] {
            assert_eq!(parse(given).unwrap().written(true), expected);
        }
    }

    #[test]
    fn jsonb_is_written_in_lines() {
        // PostgreSQL 15: select jsonb_pretty(…)
        let pretty = |json: &str| parse(json).unwrap().pretty();
        assert_eq!(
            pretty(r#"{"b": [1, {}], "a": null}"#),
            "{\n    \"a\": null,\n    \"b\": [\n        1,\n        {\n        }\n    ]\n}"
        );
        assert_eq!((pretty("[]").as_str(), pretty("3").as_str()), ("[\n]", "3"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for wrong in ["", "{", "{a:1}", "[1,]", "01", "1 2", "'a'", "\"a", "nul", "\"\u{1}\"", "[1", "{\"a\" 1}", "\"\\"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn values_are_found() {
        let json = parse(r#" {"a": {"b": [1, "x" , null]}} "#).unwrap();
        let path = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>();
        assert_eq!(json.along(&path(&["a", "b", "-2"])).unwrap().text(false).unwrap(), "x");
        assert_eq!(json.along(&path(&["a"])).unwrap().raw, r#"{"b": [1, "x" , null]}"#);
        assert!(json.along(&path(&["a", "b", "x"])).is_none());
        assert_eq!(json.along(&path(&["a", "b", "2"])).unwrap().text(false), None);
    }
}
