//! Functions of `json` and `jsonb`, which are texts here; what the operators `->`, `->>`, `#>` and `#>>` become, and values as JSON.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::Backend;
use super::functions::{Arguments, Function, Returns, Set, function, text};
use super::json_text::{Json, Step, Value, parse};
use crate::server::error::PgError;
use crate::server::json_values;
use crate::server::text::json_string;
use crate::server::types::PG_TYPE_KEY;

const JSON: Returns = Returns::Of("json");
const JSONB: Returns = Returns::Of("jsonb");
/// `jsonb` where the first argument is that, else `json`.
const SAME: Returns = Returns::By(|fields: &[FieldRef]| {
    match fields.first().and_then(|field| field.metadata().get(PG_TYPE_KEY)).map(String::as_str) {
        Some("jsonb") => "jsonb",
        _ => "json",
    }
});

const EACH: Set = Set::Rows(&[("key", "text"), ("value", "json")]);
const EACH_JSONB: Set = Set::Rows(&[("key", "text"), ("value", "jsonb")]);
const EACH_TEXT: Set = Set::Rows(&[("key", "text"), ("value", "text")]);

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("placido_json", JSON, |_, arguments, row| written(arguments, row, false)),
    function("placido_jsonb", JSONB, |_, arguments, row| written(arguments, row, true)),
    function("to_json", JSON, |_, arguments, row| text(json_of(arguments, 0, row)?)),
    function("array_to_json", JSON, |_, arguments, row| text(json_of(arguments, 0, row)?)),
    function("row_to_json", JSON, |_, arguments, row| {
        let found = json_of(arguments, 0, row)?;
        match (found, arguments.text(1, row).as_deref()) {
            (Some(found), Some("true")) => text(Some(in_lines(&found)?)),
            (found, _) => text(found),
        }
    }),
    function("to_jsonb", JSONB, |_, arguments, row| {
        text(json_of(arguments, 0, row)?.map(|found| Ok::<_, PgError>(parse(&found)?.written(true))).transpose()?)
    }),
    function("json_build_object", JSON, json_object),
    function("json_build_array", JSON, json_array),
    function("jsonb_build_object", JSONB, |backend, arguments, row| anew(json_object(backend, arguments, row)?)),
    function("jsonb_build_array", JSONB, |backend, arguments, row| anew(json_array(backend, arguments, row)?)),
    function("placido_json_get", SAME, |_, arguments, row| get(arguments, row, |json, jsonb| Some(json.written(jsonb)))),
    function("placido_json_get_text", Returns::Text, |_, arguments, row| get(arguments, row, |json, jsonb| json.text(jsonb))),
    function("placido_json_path", SAME, |_, arguments, row| along(arguments, row, |json, jsonb| Some(json.written(jsonb)))),
    function("placido_json_path_text", Returns::Text, |_, arguments, row| along(arguments, row, |json, jsonb| json.text(jsonb))),
    function("json_extract_path", JSON, |_, arguments, row| extracted(arguments, row, |json| Some(json.written(false)))),
    function("jsonb_extract_path", JSONB, |_, arguments, row| extracted(arguments, row, |json| Some(json.written(true)))),
    function("json_extract_path_text", Returns::Text, |_, arguments, row| extracted(arguments, row, |json| json.text(false))),
    function("jsonb_extract_path_text", Returns::Text, |_, arguments, row| extracted(arguments, row, |json| json.text(true))),
    function("json_typeof", Returns::Text, type_of),
    function("jsonb_typeof", Returns::Text, type_of),
    function("jsonb_pretty", Returns::Text, |_, arguments, row| {
        text(given(arguments, 0, row)?.map(|found| Ok::<_, PgError>(parse(&found)?.pretty())).transpose()?)
    }),
    function("json_array_length", Returns::Int4, length),
    function("jsonb_array_length", Returns::Int4, length),
    function("json_array_elements", Returns::Set(Set::Values("json")), |_, arguments, row| {
        elements(arguments, row, |json| Some(json.written(false)))
    }),
    function("jsonb_array_elements", Returns::Set(Set::Values("jsonb")), |_, arguments, row| {
        elements(arguments, row, |json| Some(json.written(true)))
    }),
    function("json_array_elements_text", Returns::Set(Set::Values("text")), |_, arguments, row| {
        elements(arguments, row, |json| json.text(false))
    }),
    function("jsonb_array_elements_text", Returns::Set(Set::Values("text")), |_, arguments, row| {
        elements(arguments, row, |json| json.text(true))
    }),
    function("json_object_keys", Returns::Set(Set::Values("text")), keys),
    function("jsonb_object_keys", Returns::Set(Set::Values("text")), keys),
    function("json_each", Returns::Set(EACH), |_, arguments, row| each(EACH, arguments, row, |json| Some(json.written(false)))),
    function("jsonb_each", Returns::Set(EACH_JSONB), |_, arguments, row| {
        each(EACH_JSONB, arguments, row, |json| Some(json.written(true)))
    }),
    function("json_each_text", Returns::Set(EACH_TEXT), |_, arguments, row| {
        each(EACH_TEXT, arguments, row, |json| json.text(false))
    }),
    function("jsonb_each_text", Returns::Set(EACH_TEXT), |_, arguments, row| {
        each(EACH_TEXT, arguments, row, |json| json.text(true))
    }),
    function("placido_json_records", Returns::Set(Set::Values("json")), records),
    function("placido_json_list", JSON, |_, arguments, row| text(gathered(arguments, row, ", ", "[", "]"))),
    function("placido_jsonb_list", JSONB, |_, arguments, row| anew(text(gathered(arguments, row, ", ", "[", "]"))?)),
    function("placido_json_rows", JSON, |_, arguments, row| text(gathered(arguments, row, ", \n ", "[", "]"))),
    function("placido_json_members", JSON, |_, arguments, row| text(gathered(arguments, row, ", ", "{ ", " }"))),
    function("placido_jsonb_members", JSONB, |_, arguments, row| anew(text(gathered(arguments, row, ", ", "{ ", " }"))?)),
    function("placido_json_member", Returns::Text, member),
];

/// The members of an object one below the other.
fn in_lines(object: &str) -> Result<String> {
    let Value::Object(members) = parse(object)?.value else { return Ok(object.to_owned()) };
    let member = |(key, value): &(String, Json<'_>)| {
        let mut out = String::new();
        json_string(&mut out, key);
        format!("{out}:{}", value.raw)
    };
    Ok(format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(",\n ")))
}

/// A value as JSON; nothing for NULL.
fn json_of(arguments: &Arguments, index: usize, row: usize) -> Result<Option<String>> {
    if arguments.is_null(index, row) {
        return Ok(None);
    }
    let Some(array) = arguments.array(index) else { return Ok(None) };
    if matches!(arguments.pg_type(index), Some("json" | "jsonb")) {
        return Ok(arguments.text(index, row));
    }
    json_values::first(&array.slice(row, 1), arguments.zone()).map(Some)
}

fn json_object(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    if !arguments.len().is_multiple_of(2) {
        return Err(PgError::new("22023", "argument list must have even number of elements")
            .with_hint("The arguments of json_build_object() must consist of alternating keys and values.")
            .into());
    }
    let mut out = String::from("{");
    for index in (0..arguments.len()).step_by(2) {
        if index > 0 {
            out.push_str(", ");
        }
        json_string(&mut out, &arguments.text(index, row).unwrap_or_default());
        out.push_str(" : ");
        out.push_str(json_of(arguments, index + 1, row)?.as_deref().unwrap_or("null"));
    }
    out.push('}');
    text(Some(out))
}

fn json_array(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let values = (0..arguments.len()).map(|index| json_of(arguments, index, row));
    let values: Vec<_> = values.map(|value| Ok(value?.unwrap_or_else(|| "null".to_owned()))).collect::<Result<_>>()?;
    text(Some(format!("[{}]", values.join(", "))))
}

/// The JSON that an argument is: a text, or what travels as JSON.
fn given(arguments: &Arguments, index: usize, row: usize) -> Result<Option<String>> {
    if arguments.is_null(index, row) {
        return Ok(None);
    }
    match arguments.array(index) {
        Some(array) if array.data_type().is_nested() => json_values::first(&array.slice(row, 1), arguments.zone()).map(Some),
        _ => Ok(arguments.text(index, row)),
    }
}

fn is_jsonb(arguments: &Arguments) -> bool {
    arguments.pg_type(0) == Some("jsonb")
}

fn written(arguments: &Arguments, row: usize, anew: bool) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return text(None::<String>) };
    let parsed = parse(&found)?;
    text(Some(if anew { parsed.written(true) } else { found }))
}

fn anew(value: ScalarValue) -> Result<ScalarValue> {
    match value {
        ScalarValue::Utf8(Some(found)) => text(Some(parse(&found)?.written(true))),
        other => Ok(other),
    }
}

type Show = fn(&Json<'_>, bool) -> Option<String>;

/// `->` and `->>`: a number means a place in a list, a text a key.
fn get(arguments: &Arguments, row: usize, show: Show) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return text(None::<String>) };
    let by_place = arguments.array(1).is_some_and(|array| array.data_type().is_integer());
    let step = match by_place {
        true => arguments.int(1, row).map(Step::Index),
        false => arguments.text(1, row).map(Step::Key),
    };
    let Some(step) = step else { return text(None::<String>) };
    let json = parse(&found)?;
    text(json.at(&step).and_then(|json| show(json, is_jsonb(arguments))))
}

/// The elements of a list as texts; nothing where the list or one of them is NULL.
fn path(arguments: &Arguments, index: usize, row: usize) -> Option<Vec<String>> {
    let array = arguments.array(index)?;
    let DataType::List(_) = array.data_type() else {
        return crate::server::params::array_parts(&arguments.text(index, row)?)?.into_iter().collect();
    };
    if array.is_null(row) {
        return None;
    }
    let texts = cast(&array.as_list::<i32>().value(row), &DataType::Utf8).ok()?;
    texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn along(arguments: &Arguments, row: usize, show: Show) -> Result<ScalarValue> {
    let (Some(found), Some(path)) = (given(arguments, 0, row)?, path(arguments, 1, row)) else { return text(None::<String>) };
    let json = parse(&found)?;
    text(json.along(&path).and_then(|json| show(json, is_jsonb(arguments))))
}

fn extracted(arguments: &Arguments, row: usize, show: fn(&Json<'_>) -> Option<String>) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return text(None::<String>) };
    let path: Option<Vec<String>> = (1..arguments.len()).map(|index| arguments.text(index, row)).collect();
    let Some(path) = path else { return text(None::<String>) };
    let json = parse(&found)?;
    text(json.along(&path).and_then(show))
}

fn type_of(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return text(None::<String>) };
    text(Some(match parse(&found)?.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Object(_) => "object",
    }))
}

fn no_list(value: &Value<'_>, doing: &str) -> PgError {
    let what = if matches!(value, Value::Object(_)) { "a non-array" } else { "a scalar" };
    PgError::new("22023", format!("cannot {doing} {what}"))
}

fn length(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return Ok(ScalarValue::Int32(None)) };
    match parse(&found)?.value {
        Value::List(elements) => Ok(ScalarValue::Int32(i32::try_from(elements.len()).ok())),
        other => Err(no_list(&other, "get array length of").into()),
    }
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ScalarValue {
    let values: Vec<_> = values.map(ScalarValue::Utf8).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8))
}

fn elements(arguments: &Arguments, row: usize, show: fn(&Json<'_>) -> Option<String>) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return Set::Values("text").none() };
    match parse(&found)?.value {
        Value::List(elements) => Ok(texts(elements.iter().map(show))),
        Value::Object(_) => Err(PgError::new("22023", "cannot call json_array_elements on a non-array").into()),
        _ => Err(PgError::new("22023", "cannot call json_array_elements on a scalar").into()),
    }
}

/// The objects that become rows: those of a list, or one alone. What is asked for them has to be told.
fn records(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return Set::Values("json").none() };
    let called = arguments.text(1, row).unwrap_or_default();
    let wrong = |told: String| Err(PgError::new("22023", told).into());
    let json = parse(&found)?;
    match (called.ends_with("set"), &json.value) {
        (true, Value::List(elements)) => {
            if elements.iter().any(|element| !matches!(element.value, Value::Object(_))) {
                return wrong(format!("argument of {called} must be an array of objects"));
            }
            Ok(texts(elements.iter().map(|element| Some(element.raw.to_owned()))))
        }
        (true, Value::Object(_)) => wrong(format!("cannot call {called} on an object")),
        (true, _) => wrong(format!("cannot call {called} on a scalar")),
        (false, Value::Object(_)) => Ok(texts(std::iter::once(Some(json.raw.to_owned())))),
        (false, Value::List(_)) => wrong("cannot call populate_composite on an array".to_owned()),
        (false, _) => wrong("cannot call populate_composite on a scalar".to_owned()),
    }
}

fn keys(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return Set::Values("text").none() };
    match parse(&found)?.value {
        Value::Object(members) => Ok(texts(members.into_iter().map(|(key, _)| Some(key)))),
        Value::List(_) => Err(PgError::new("22023", "cannot call json_object_keys on an array").into()),
        _ => Err(PgError::new("22023", "cannot call json_object_keys on a scalar").into()),
    }
}

fn each(set: Set, arguments: &Arguments, row: usize, show: fn(&Json<'_>) -> Option<String>) -> Result<ScalarValue> {
    let Some(found) = given(arguments, 0, row)? else { return set.none() };
    match parse(&found)?.value {
        Value::Object(members) => {
            let member = |(key, value): (String, Json<'_>)| vec![ScalarValue::Utf8(Some(key)), ScalarValue::Utf8(show(&value))];
            set.rows(members.into_iter().map(member).collect())
        }
        _ => Err(PgError::new("22023", "cannot deconstruct a scalar").into()),
    }
}

/// What an aggregate has gathered as one text; NULL is the JSON of it.
fn gathered(arguments: &Arguments, row: usize, between: &str, open: &str, close: &str) -> Option<String> {
    let list = arguments.array(0).filter(|list| list.is_valid(row))?;
    let DataType::List(_) = list.data_type() else { return None };
    let values = cast(&list.as_list::<i32>().value(row), &DataType::Utf8).ok()?;
    let values: Vec<&str> = values.as_string::<i32>().iter().map(|value| value.unwrap_or("null")).collect();
    Some(format!("{open}{}{close}", values.join(between)))
}

/// A key and its value for `json_object_agg`.
fn member(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(key) = arguments.text(0, row) else {
        return Err(PgError::new("22023", "field name must not be null").into());
    };
    let mut out = String::new();
    json_string(&mut out, &key);
    out.push_str(" : ");
    out.push_str(json_of(arguments, 1, row)?.as_deref().unwrap_or("null"));
    text(Some(out))
}
