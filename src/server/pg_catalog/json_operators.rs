//! The operators of `jsonb`: `@>`, `<@`, `?`, `?|`, `?&`, `||`, `-` and `#-`.
//!
//! Those that only `jsonb` has are plain functions, which the rewriter puts in their place. The others stand for something else between other
//! types, so that they are planned when the types of their sides are known ([`jsonb`]).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::functions::{Arguments, Function, Returns, function, text};
use super::json_text::{Json, Value, parse};
use super::relations;
use crate::server::error::PgError;
use crate::server::params;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("placido_jsonb_has", Returns::Bool, |_, arguments, row| {
        let (Some(json), Some(key)) = (arguments.text(0, row), arguments.text(1, row)) else {
            return Ok(ScalarValue::Boolean(None));
        };
        Ok(ScalarValue::Boolean(Some(has(&parse(&json)?, &key))))
    }),
    function("placido_jsonb_has_any", Returns::Bool, |_, arguments, row| {
        has_keys(arguments, row, |json, keys| keys.iter().any(|key| has(json, key)))
    }),
    function("placido_jsonb_has_all", Returns::Bool, |_, arguments, row| {
        has_keys(arguments, row, |json, keys| keys.iter().all(|key| has(json, key)))
    }),
    function("placido_jsonb_delete_path", Returns::Of("jsonb"), |_, arguments, row| {
        let (Some(json), Some(path)) = (arguments.text(0, row), keys(arguments, 1, row)) else { return text(None::<String>) };
        let json = parse(&json)?;
        if !matches!(json.value, Value::List(_) | Value::Object(_)) {
            return Err(PgError::new("22023", "cannot delete path in scalar").into());
        }
        text(Some(without_path(json, &path, 1)?.written(true)))
    }),
];

/// Whether a text is a key of an object, an element of a list, or the value itself.
fn has(json: &Json<'_>, key: &str) -> bool {
    match &json.value {
        Value::Object(members) => members.iter().any(|(name, _)| name == key),
        Value::List(elements) => elements.iter().any(|element| matches!(&element.value, Value::Text(text) if text == key)),
        Value::Text(text) => text == key,
        _ => false,
    }
}

fn has_keys(arguments: &Arguments, row: usize, hold: fn(&Json<'_>, &[String]) -> bool) -> Result<ScalarValue> {
    let (Some(json), Some(keys)) = (arguments.text(0, row), keys(arguments, 1, row)) else {
        return Ok(ScalarValue::Boolean(None));
    };
    Ok(ScalarValue::Boolean(Some(hold(&parse(&json)?, &keys))))
}

/// The texts of an array, without those that are NULL.
fn keys(arguments: &Arguments, index: usize, row: usize) -> Option<Vec<String>> {
    let array = arguments.array(index).filter(|_| !arguments.is_null(index, row))?;
    match array.data_type() {
        DataType::List(_) => texts(&array.as_list::<i32>().value(row)),
        _ => Some(params::array_parts(&arguments.text(index, row)?)?.into_iter().flatten().collect()),
    }
}

fn texts(array: &ArrayRef) -> Option<Vec<String>> {
    let texts = cast(array, &DataType::Utf8).ok()?;
    Some(texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

/// The place of an element, counted from the end where it is below zero.
fn place(index: i64, length: usize) -> Option<usize> {
    let from_end = usize::try_from(index.unsigned_abs()).ok()?;
    let at = if index < 0 { length.checked_sub(from_end)? } else { from_end };
    (at < length).then_some(at)
}

fn without_path<'a>(mut json: Json<'a>, path: &[String], depth: usize) -> Result<Json<'a>, PgError> {
    let Some((step, rest)) = path.split_first() else { return Ok(json) };
    match &mut json.value {
        Value::Object(members) => {
            let mut kept = Vec::with_capacity(members.len());
            for (name, value) in members.drain(..) {
                match name == *step {
                    true if rest.is_empty() => {}
                    true => kept.push((name, without_path(value, rest, depth + 1)?)),
                    false => kept.push((name, value)),
                }
            }
            *members = kept;
        }
        Value::List(elements) => {
            let index = step
                .trim()
                .parse::<i64>()
                .map_err(|_| PgError::new("22P02", format!("path element at position {depth} is not an integer: \"{step}\"")))?;
            if let Some(at) = place(index, elements.len()) {
                let element = elements.remove(at);
                if !rest.is_empty() {
                    elements.insert(at, without_path(element, rest, depth + 1)?);
                }
            }
        }
        _ => {}
    }
    Ok(json)
}

/// An operator that other types have too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    /// `@>`; `<@` is the same with its sides exchanged.
    Contains,
    Concatenate,
    Delete,
}

/// An operator between `jsonb` and another value.
pub(crate) fn jsonb(operator: Operator, left: Expr, right: Expr) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    ScalarUDF::new_from_impl(OfJsonb { operator, signature }).call(vec![left, right])
}

/// Whether a text may be read as JSON.
pub(crate) fn is_json(text: &str) -> bool {
    parse(text).is_ok()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfJsonb {
    operator: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for OfJsonb {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Contains => "jsonb_contains",
            Operator::Concatenate => "jsonb_concat",
            Operator::Delete => "jsonb_delete",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.operator == Operator::Contains { DataType::Boolean } else { DataType::Utf8 })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        let pg_type = if self.operator == Operator::Contains { "bool" } else { "jsonb" };
        Ok(Arc::new(relations::field(self.name(), pg_type)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let [left, right] = args.args.as_slice() else {
            return Err(PgError::new("XX000", "an operator of jsonb has other arguments").into());
        };
        let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
        let made: ArrayRef = match self.operator {
            Operator::Delete => Arc::new(deleted(&left, &right)?),
            both => {
                let (left, right) = (cast(&left, &DataType::Utf8)?, cast(&right, &DataType::Utf8)?);
                let (left, right) = (left.as_string::<i32>(), right.as_string::<i32>());
                if both == Operator::Contains {
                    let found = between(left, right, |left, right| Ok(contains(&parse(left)?, &parse(right)?, true)));
                    Arc::new(BooleanArray::from(found.collect::<Result<Vec<_>, PgError>>()?))
                } else {
                    Arc::new(StringArray::from(between(left, right, concatenated).collect::<Result<Vec<_>, PgError>>()?))
                }
            }
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&made, 0)?),
            false => ColumnarValue::Array(made),
        })
    }
}

/// What is made of each pair of texts.
fn between<'a, T>(
    left: &'a StringArray,
    right: &'a StringArray,
    what: impl Fn(&str, &str) -> Result<T, PgError> + 'a,
) -> impl Iterator<Item = Result<Option<T>, PgError>> + 'a {
    left.iter().zip(right).map(move |both| match both {
        (Some(left), Some(right)) => what(left, right).map(Some),
        _ => Ok(None),
    })
}

/// What is made of a value without what an argument names: keys, texts or a place.
fn deleted(json: &ArrayRef, what: &ArrayRef) -> Result<StringArray> {
    let json = cast(json, &DataType::Utf8)?;
    let json = json.as_string::<i32>();
    let made: Result<Vec<Option<String>>, PgError> = if what.data_type().is_integer() {
        let places = cast(what, &DataType::Int64)?;
        let both = json.iter().zip(places.as_primitive::<Int64Type>());
        both.map(|both| match both {
            (Some(json), Some(place)) => without_place(json, place).map(Some),
            _ => Ok(None),
        })
        .collect()
    } else if matches!(what.data_type(), DataType::List(_)) {
        let lists = what.as_list::<i32>().iter();
        let both = json.iter().zip(lists);
        both.map(|both| match both {
            (Some(json), Some(list)) => without_keys(json, &texts(&list).unwrap_or_default()).map(Some),
            _ => Ok(None),
        })
        .collect()
    } else {
        let keys = cast(what, &DataType::Utf8)?;
        between(json, keys.as_string::<i32>(), |json, key| without_keys(json, &[key.to_owned()])).collect()
    };
    Ok(StringArray::from(made?))
}

fn without_keys(json: &str, keys: &[String]) -> Result<String, PgError> {
    let mut json = parse(json)?;
    let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
    match &mut json.value {
        Value::Object(members) => members.retain(|(name, _)| !keys.contains(name.as_str())),
        Value::List(elements) => {
            elements.retain(|element| !matches!(&element.value, Value::Text(text) if keys.contains(text.as_str())));
        }
        _ => return Err(PgError::new("22023", "cannot delete from scalar")),
    }
    Ok(json.written(true))
}

fn without_place(json: &str, index: i64) -> Result<String, PgError> {
    let mut json = parse(json)?;
    match &mut json.value {
        Value::List(elements) => {
            if let Some(at) = place(index, elements.len()) {
                elements.remove(at);
            }
        }
        Value::Object(_) => return Err(PgError::new("22023", "cannot delete from object using integer index")),
        _ => return Err(PgError::new("22023", "cannot delete from scalar")),
    }
    Ok(json.written(true))
}

/// `||`: the members of two objects, of which those of the second count, or the elements of both, where what is no list is one element.
fn concatenated(left: &str, right: &str) -> Result<String, PgError> {
    let (left, right) = (parse(left)?, parse(right)?);
    let value = match (left.value, right.value) {
        (Value::Object(mut members), Value::Object(others)) => {
            members.extend(others);
            Value::Object(members)
        }
        (first, second) => {
            let mut all = elements(Json { raw: left.raw, value: first });
            all.extend(elements(Json { raw: right.raw, value: second }));
            Value::List(all)
        }
    };
    Ok(Json { raw: "", value }.written(true))
}

/// The elements of a list; what is none is an element alone.
fn elements(json: Json<'_>) -> Vec<Json<'_>> {
    match json.value {
        Value::List(elements) => elements,
        value => vec![Json { raw: json.raw, value }],
    }
}

/// A value that holds no others, such that those are the same that PostgreSQL takes for the same.
fn scalar<'a>(json: &'a Json<'_>) -> Option<Cow<'a, str>> {
    match &json.value {
        Value::Null | Value::Bool(_) => Some(Cow::Borrowed(json.raw)),
        Value::Number => {
            let written = json.written(true);
            let plain = match written.contains('.') {
                true => written.trim_end_matches('0').trim_end_matches('.'),
                false => &written,
            };
            Some(Cow::Owned(if plain == "-0" { "0".to_owned() } else { plain.to_owned() }))
        }
        Value::Text(text) => Some(Cow::Owned(format!("\"{text}"))),
        Value::List(_) | Value::Object(_) => None,
    }
}

/// `@>`: whether all that the second value has is in the first, at the same place. A list contains a value that is alone, at the top only.
fn contains(json: &Json<'_>, other: &Json<'_>, is_top: bool) -> bool {
    match (&json.value, &other.value) {
        (Value::Object(members), Value::Object(wanted)) => {
            // The last member of a name counts.
            let members: HashMap<&str, &Json<'_>> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
            wanted.iter().all(|(name, wanted)| members.get(name.as_str()).is_some_and(|value| contains(value, wanted, false)))
        }
        (Value::List(elements), Value::List(wanted)) => {
            let scalars: HashSet<Cow<'_, str>> = elements.iter().filter_map(scalar).collect();
            wanted.iter().all(|wanted| match scalar(wanted) {
                Some(wanted) => scalars.contains(&wanted),
                None => elements.iter().any(|element| contains(element, wanted, false)),
            })
        }
        (Value::List(elements), _) if is_top => {
            let wanted = scalar(other);
            wanted.is_some() && elements.iter().any(|element| scalar(element) == wanted)
        }
        _ => {
            let wanted = scalar(other);
            wanted.is_some() && scalar(json) == wanted
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn values_contain_what_they_do_in_postgres() {
        // PostgreSQL 15: select …::jsonb @> …::jsonb
        for (json, other, expected) in [
            (r#"{"a":1,"b":[1,2,{"c":3}]}"#, r#"{"b":[{"c":3}]}"#, true),
            ("[1,2]", "1", true),
            ("1", "[1]", false),
            ("[1,[2]]", "[[2]]", true),
            ("[[1]]", "[1]", false),
            (r#"{"a":1.0}"#, r#"{"a":1}"#, true),
            (r#"{"a":[1]}"#, r#"{"a":1}"#, false),
            (r#"["a"]"#, r#"["a","a"]"#, true),
            ("[1]", "{}", false),
            (r#"["1"]"#, "[1]", false),
        ] {
            assert_eq!(contains(&parse(json).unwrap(), &parse(other).unwrap(), true), expected, "{json} {other}");
        }
    }

    #[test]
    fn values_are_put_together_and_taken_apart_as_in_postgres() {
        // PostgreSQL 15: select …::jsonb || …::jsonb, …::jsonb - …
        for (left, right, expected) in [
            (r#"{"a":1}"#, r#"{"b":2,"a":3}"#, r#"{"a": 3, "b": 2}"#),
            ("1", "2", "[1, 2]"),
            ("[1]", r#"{"a":1}"#, r#"[1, {"a": 1}]"#),
            ("1", "[]", "[1]"),
        ] {
            assert_eq!(concatenated(left, right).unwrap(), expected);
        }
        assert_eq!(without_place("[1,2,3]", -1).unwrap(), "[1, 2]");
        assert_eq!(without_place("{}", 1).unwrap_err().code, "22023");
        assert_eq!(without_keys(r#"["a","b","a"]"#, &["a".to_owned()]).unwrap(), r#"["b"]"#);
        let path = ["a".to_owned(), "-1".to_owned()];
        assert_eq!(without_path(parse(r#"{"a":[1,2,3]}"#).unwrap(), &path, 1).unwrap().written(true), r#"{"a": [1, 2]}"#);
    }
}
