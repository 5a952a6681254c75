//! What a client is told of a call whose arguments no function takes: the call, as PostgreSQL writes it.

use super::error::PgError;

/// The error of a message of the engine's that says so; nothing for other messages, and where a type is none of PostgreSQL's.
pub(super) fn of_message(message: &str) -> Option<PgError> {
    let call = named_call(message).or_else(|| coerced_call(message)).or_else(|| received(message))?;
    Some(
        PgError::new("42883", format!("function {call} does not exist"))
            .with_hint("No function matches the given name and argument types. You might need to add explicit type casts."),
    )
}

/// `… argument types 'power(Float64, Utf8View)'. …`
fn named_call(message: &str) -> Option<String> {
    let rest = message.split_once("No function matches the given name and argument types '")?.1;
    let (name, rest) = rest.split_once('(')?;
    written(name, inside(rest)?)
}

/// `… a call to 'left' function: coercion from Utf8, Utf8View to the signature …`
fn coerced_call(message: &str) -> Option<String> {
    let rest = message.split_once("to satisfy a call to '")?.1;
    let (name, rest) = rest.split_once("' function: coercion from ")?;
    written(name, rest.split_once(" to the signature ")?.0)
}

/// `Function 'sum' failed to match any signature, errors: … received String (DataType: Utf8) …`: of one argument.
fn received(message: &str) -> Option<String> {
    let (name, rest) = message.split_once("Function '")?.1.split_once("' failed to match any signature")?;
    let given: Vec<&str> = rest.split("(DataType: ").skip(1).filter_map(inside).collect();
    let (first, others) = given.split_first()?;
    let one = rest.contains("expects 1 arguments") || !rest.contains("arguments but received");
    (one && others.iter().all(|other| other == first)).then(|| written(name, first))?
}

/// What stands before the parenthesis that closes an open one.
fn inside(text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        depth = match c {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            return text.get(..at);
        }
    }
    None
}

fn written(name: &str, arguments: &str) -> Option<String> {
    let types = parts(arguments).into_iter().map(sql_type).collect::<Option<Vec<_>>>()?;
    Some(format!("{name}({})", types.join(", ")))
}

/// The parts between the commas that stand in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// PostgreSQL's word for a type that the engine's message names.
fn sql_type(arrow: &str) -> Option<String> {
    let (name, inner) = match arrow.split_once('(') {
        Some((name, rest)) => (name, inside(rest)),
        None => (arrow, None),
    };
    let word = match name {
        "Null" => "unknown",
        "Boolean" => "boolean",
        "Int8" | "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" | "UInt32" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "UInt64" | "Decimal128" | "Decimal256" | "Decimal" => "numeric",
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        "Binary" | "LargeBinary" | "BinaryView" => "bytea",
        "Date32" => "date",
        "Time64" => "time without time zone",
        "Timestamp" if inner.is_some_and(|inner| inner.contains(',') && !inner.contains("None")) => "timestamp with time zone",
        "Timestamp" => "timestamp without time zone",
        "Interval" => "interval",
        "List" | "LargeList" | "FixedSizeList" => {
            let element = inner?.rsplit(" x ").next()?;
            return sql_type(element.trim_start_matches("non-null ")).map(|element| format!("{element}[]"));
        }
        _ => return None,
    };
    Some(word.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_written_as_postgres_writes_them() {
        for (message, call) in [
            (
                "Failed to coerce arguments to satisfy a call to 'left' function: coercion from Utf8, Utf8View to the signature \
                 OneOf(Exact(Utf8View, Int64)) failed. No function matches the given name and argument types 'left(Utf8, Utf8View)'. \
                 You might need to add explicit type casts.",
                "left(text, text)",
            ),
            (
                "… No function matches the given name and argument types 'f(List(Int32), Timestamp(µs, \"UTC\"))'.",
                "f(integer[], timestamp with time zone)",
            ),
            (
                "Failed to coerce arguments to satisfy a call to 'cardinality' function: coercion from Timestamp(µs) to the signature \
                 OneOf(ArraySignature(array)) failed",
                "cardinality(timestamp without time zone)",
            ),
            (
                "Function 'sum' failed to match any signature, errors: Error during planning: Function 'sum' requires Decimal, but \
                 received String (DataType: Utf8).,Error during planning: Function 'sum' requires Float64, but received String \
                 (DataType: Utf8).",
                "sum(text)",
            ),
        ] {
            let told = of_message(message).unwrap();
            assert_eq!((told.code, told.message), ("42883".into(), format!("function {call} does not exist")));
        }
    }

    #[test]
    fn other_messages_stay() {
        for message in [
            "No function matches the given name and argument types 'f(Struct(\"a\"))'.",
            "Function 'round' failed to match any signature, errors: Function 'round' expects 2 arguments but received 1, received String (DataType: Utf8)",
            "nothing",
        ] {
            assert!(of_message(message).is_none(), "{message}");
        }
    }
}
