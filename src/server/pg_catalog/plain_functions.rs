//! Functions that need nothing but their arguments, or not even them.

use std::collections::HashSet;
use std::sync::LazyLock;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, UInt32Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::Backend;
use super::functions::{Arguments, Call, Function, Returns, function, text};
use super::{format_text, pg_types};
use crate::server::error::PgError;
use crate::server::types;

fn yes(_: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(true)))
}

fn no(_: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(false)))
}

fn null_text(_: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(None))
}

fn zero(_: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    Ok(ScalarValue::Int64(Some(0)))
}

fn no_time(_: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    Ok(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())))
}

/// Functions with one answer here, whatever they are asked: everything may be read, nothing is stored, nothing is replicated.
const CONSTANT: &[(&[&str], Returns, Call)] = &[
    (ALWAYS, Returns::Bool, yes),
    (NEVER, Returns::Bool, no),
    (UNDEFINED, Returns::Text, null_text),
    (ZERO, Returns::Int, zero),
    (NEVER_HAPPENED, Returns::Timestamp, no_time),
];

const ALWAYS: &[&str] = &[
    "pg_function_is_visible",
    "pg_type_is_visible",
    "pg_operator_is_visible",
    "pg_opclass_is_visible",
    "pg_opfamily_is_visible",
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "has_type_privilege",
    "has_language_privilege",
    "has_tablespace_privilege",
    "pg_advisory_unlock",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
    "pg_statistics_obj_is_visible",
    "has_parameter_privilege",
    "has_server_privilege",
    "has_foreign_data_wrapper_privilege",
    "pg_try_advisory_lock",
    "pg_try_advisory_xact_lock",
];
const NEVER: &[&str] = &[
    "pg_relation_is_publishable",
    "pg_is_in_recovery",
    "pg_is_other_temp_schema",
    "has_sequence_privilege",
    "pg_is_wal_replay_paused",
    "row_security_active",
    "pg_jit_available",
];
const UNDEFINED: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_unlock_all",
    "pg_get_function_sqlbody",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_constraintdef",
    "pg_get_ruledef",
    "pg_get_triggerdef",
    "pg_get_partkeydef",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef_columns",
    "inet_server_addr",
    "inet_client_addr",
    "pg_get_partition_constraintdef",
    "pg_get_statisticsobjdef",
    "pg_get_statisticsobjdef_expressions",
    "pg_relation_filepath",
    "pg_index_column_has_property",
    "pg_index_has_property",
    "pg_indexam_has_property",
    "pg_current_wal_lsn",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_advisory_xact_lock",
    "pg_notify",
    "pg_collation_actual_version",
];
const ZERO: &[&str] = &[
    "pg_table_size",
    "pg_relation_size",
    "pg_total_relation_size",
    "pg_indexes_size",
    "pg_database_size",
    "pg_stat_get_numscans",
    "pg_relation_filenode",
    "pg_tablespace_size",
    "pg_stat_get_live_tuples",
    "pg_stat_get_dead_tuples",
    "pg_stat_get_tuples_inserted",
    "pg_stat_get_tuples_updated",
    "pg_stat_get_tuples_deleted",
    "pg_stat_get_tuples_returned",
    "pg_stat_get_tuples_fetched",
    "pg_stat_get_blocks_fetched",
    "pg_stat_get_blocks_hit",
    "txid_current",
    "pg_current_xact_id",
];
const NEVER_HAPPENED: &[&str] = &[
    "pg_last_xact_replay_timestamp",
    "pg_stat_get_last_analyze_time",
    "pg_stat_get_last_autoanalyze_time",
    "pg_stat_get_last_autovacuum_time",
    "pg_stat_get_last_vacuum_time",
];

/// The functions with one answer.
pub(super) fn constant() -> impl Iterator<Item = Function> {
    CONSTANT.iter().flat_map(|(names, returns, call)| names.iter().map(|name| function(name, *returns, *call)))
}

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("format_type", Returns::Text, |_, arguments, row| {
        let modifier = arguments.int(1, row).and_then(|modifier| i32::try_from(modifier).ok());
        text(arguments.oid(0, row).map(|oid| pg_types::format_type(oid, modifier)))
    }),
    function("pg_tablespace_location", Returns::Text, |_, _, _| text(Some(""))),
    function("pg_size_pretty", Returns::Text, |_, arguments, row| text(arguments.int(0, row).map(size_pretty))),
    function("pg_encoding_to_char", Returns::Text, |_, arguments, row| {
        text(arguments.int(0, row).map(|encoding| if encoding == 6 { "UTF8" } else { "" }))
    }),
    function("pg_char_to_encoding", Returns::Int4, |_, _, _| Ok(ScalarValue::Int32(Some(6)))),
    function("pg_client_encoding", Returns::Text, |_, _, _| text(Some("UTF8"))),
    function("quote_ident", Returns::Text, |_, arguments, row| text(arguments.text(0, row).map(quote_ident))),
    function("quote_literal", Returns::Text, |_, arguments, row| text(arguments.text(0, row).map(|value| quote_literal(&value)))),
    function("quote_nullable", Returns::Text, |_, arguments, row| {
        text(Some(arguments.text(0, row).map_or_else(|| "NULL".to_owned(), |value| quote_literal(&value))))
    }),
    function("format", Returns::Text, |_, arguments, row| match arguments.text(0, row) {
        Some(pattern) => text(Some(format_text::write(&pattern, arguments, row)?)),
        None => Ok(ScalarValue::Utf8(None)),
    }),
    function("array_upper", Returns::Int4, |_, arguments, row| {
        Ok(ScalarValue::Int32(arguments.list_length(0, row).filter(|length| *length > 0 && arguments.int(1, row) == Some(1))))
    }),
    function("array_lower", Returns::Int4, |_, arguments, row| {
        let found = arguments.list_length(0, row).filter(|length| *length > 0 && arguments.int(1, row) == Some(1));
        Ok(ScalarValue::Int32(found.map(|_| 1)))
    }),
    function("oidvectortypes", Returns::Text, |_, arguments, row| {
        let Some(list) = arguments.array(0).filter(|list| list.is_valid(row)) else { return text(None::<String>) };
        let DataType::List(_) = list.data_type() else { return text(None::<String>) };
        let oids = datafusion::arrow::compute::cast(&list.as_list::<i32>().value(row), &DataType::UInt32)?;
        let types = oids.as_primitive::<UInt32Type>().iter().flatten().map(|oid| pg_types::format_type(oid, None));
        text(Some(types.collect::<Vec<_>>().join(", ")))
    }),
    function("pg_typeof", Returns::Text, |_, arguments, _| {
        let known = arguments.array(0).map(|array| match array.data_type() {
            DataType::Null => "unknown".to_owned(),
            other => pg_types::format_type(types::of_data_type(other).oid(), None),
        });
        text(known)
    }),
    function("getdatabaseencoding", Returns::Name, |_, _, _| text(Some("UTF8"))),
    function("pg_blocking_pids", Returns::IntList, |_, _, _| {
        // Nothing waits for anybody.
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Int32)))
    }),
    function("parse_ident", Returns::TextList, |_, arguments, row| {
        let Some(given) = arguments.text(0, row) else { return ScalarValue::try_from(&text_list()) };
        let parts =
            parse_ident(&given).ok_or_else(|| PgError::new("22023", format!("string is not a valid identifier: \"{given}\"")))?;
        let parts: Vec<_> = parts.into_iter().map(|part| ScalarValue::Utf8(Some(part))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&parts, &DataType::Utf8)))
    }),
    function("placido_oid", Returns::Oid, |_, arguments, row| {
        let given = arguments.text(0, row);
        match (arguments.oid(0, row), arguments.int(0, row), given) {
            (Some(oid), ..) => Ok(ScalarValue::UInt32(Some(oid))),
            (None, Some(_), _) => Err(PgError::new("22003", "OID out of range").into()),
            (None, None, Some(given)) => {
                Err(PgError::new("22P02", format!("invalid input syntax for type oid: \"{given}\"")).into())
            }
            (None, None, None) => Ok(ScalarValue::UInt32(None)),
        }
    }),
    function("placido_like", Returns::Bool, |_, arguments, row| {
        let (Some(value), Some(pattern), Some(escape)) = (arguments.text(0, row), arguments.text(1, row), arguments.text(2, row))
        else {
            return Ok(ScalarValue::Boolean(None));
        };
        let mut characters = escape.chars();
        let escape = characters.next();
        if characters.next().is_some() {
            return Err(PgError::new("22025", "invalid escape string")
                .with_hint("Escape string must be empty or one character.")
                .into());
        }
        let folded = arguments.text(3, row).as_deref() == Some("true");
        let found =
            if folded { like(&value.to_lowercase(), &pattern.to_lowercase(), escape) } else { like(&value, &pattern, escape) };
        Ok(ScalarValue::Boolean(Some(found)))
    }),
    function("placido_or_one", Returns::First, or_one),
    function("placido_or_empty", Returns::First, |_, arguments, row| {
        let Some(array) = arguments.array(0) else { return Ok(ScalarValue::Null) };
        match array.data_type() {
            _ if array.is_valid(row.min(array.len().saturating_sub(1))) => ScalarValue::try_from_array(array, row),
            DataType::List(field) => Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[], field.data_type()))),
            DataType::Utf8 => Ok(ScalarValue::Utf8(Some("{}".to_owned()))),
            other => ScalarValue::try_from(other),
        }
    }),
];

/// The list itself, or one of nothing where it has no elements: a row of an outer join.
fn or_one(_: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(array) = arguments.array(0) else { return Ok(ScalarValue::Null) };
    match array.data_type() {
        DataType::List(field) if arguments.list_length(0, row).unwrap_or(0) == 0 => {
            let nothing = ScalarValue::try_from(field.data_type())?;
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[nothing], field.data_type())))
        }
        _ => ScalarValue::try_from_array(array, row),
    }
}

fn text_list() -> DataType {
    DataType::new_list(DataType::Utf8, true)
}

/// `parse_ident`: the parts of a qualified name, as SQL would store them.
fn parse_ident(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut part = String::new();
                let mut at = 0;
                loop {
                    let end = at + quoted.get(at..)?.find('"')?;
                    part.push_str(quoted.get(at..end)?);
                    at = end + 1;
                    if !quoted.get(at..)?.starts_with('"') {
                        break;
                    }
                    part.push('"');
                    at += 1;
                }
                (part, quoted.get(at..)?)
            }
            None => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$')).unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                if part.starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                (part.to_lowercase(), after)
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match after.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if after.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// LIKE with any escape character, or none. Time grows with the product of the lengths at worst.
fn like(value: &str, pattern: &str, escape: Option<char>) -> bool {
    enum Part {
        One(char),
        Any,
        Rest,
    }
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        parts.push(match c {
            c if Some(c) == escape => match characters.next() {
                Some(next) => Part::One(next),
                None => return false,
            },
            '_' => Part::Any,
            '%' => Part::Rest,
            c => Part::One(c),
        });
    }
    let value: Vec<char> = value.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where the last % stands, and how far it has reached.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (parts.get(part), value.get(at)) {
            (Some(Part::Rest), _) => {
                part += 1;
                retry = Some((part, at));
                continue;
            }
            (Some(Part::Any), Some(_)) => {
                (at, part) = (at + 1, part + 1);
                continue;
            }
            (Some(Part::One(wanted)), Some(found)) if wanted == found => {
                (at, part) = (at + 1, part + 1);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match retry {
            Some((after, reached)) if reached < value.len() => {
                retry = Some((after, reached + 1));
                (at, part) = (reached + 1, after);
            }
            _ => return false,
        }
    }
}

/// `pg_size_pretty` of a number of bytes.
fn size_pretty(bytes: i64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value.abs() < 10_240.0 {
            return format!("{value:.0} {unit}");
        }
        value /= 1_024.0;
    }
    format!("{value:.0} TB")
}

/// Words that are no names where they are not quoted.
static RESERVED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("keywords.txt").lines().filter(|line| !line.starts_with('#'));
    let words = lines.filter_map(|line| line.split_once(' '));
    words.filter(|(_, category)| !category.starts_with('U')).map(|(word, _)| word).collect()
});

/// A name as SQL has to write it.
pub(super) fn quote_ident(name: String) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(name.as_str());
    if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// `quote_literal`: a backslash asks for the form that knows escapes.
pub(super) fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// How many elements the list in a row has.
pub(super) fn list_length(array: &ArrayRef, row: usize) -> Option<i32> {
    let length = match array.data_type() {
        _ if row >= array.len() || array.is_null(row) => return None,
        DataType::List(_) => array.as_list::<i32>().value(row).len(),
        DataType::LargeList(_) => array.as_list::<i64>().value(row).len(),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row).len(),
        _ => return None,
    };
    i32::try_from(length).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_postgres() {
        // PostgreSQL 15: select value like pattern escape escape
        for (value, pattern, escape, holds) in [
            ("pg_class", "pg/_%", Some('/'), true),
            ("pgxclass", "pg/_%", Some('/'), false),
            ("a%b", "a!%b", Some('!'), true),
            ("axb", "a_b", None, true),
            ("abcabd", "%ab_", None, true),
            ("", "%", None, true),
            ("", "_", None, false),
            ("a\\b", "a\\b", None, true),
            ("aaaaaaaaab", "%a%a%a%c", None, false),
        ] {
            assert_eq!(like(value, pattern, escape), holds, "{value} {pattern}");
        }
    }

    #[test]
    fn literals_and_names_are_quoted() {
        // PostgreSQL 15: select quote_literal(…), quote_ident(…)
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), " E'a\\\\b'");
        assert_eq!(quote_ident("Eye".into()), "\"Eye\"");
        assert_eq!(quote_ident("eye_1".into()), "eye_1");
        // PostgreSQL 15: select parse_ident(…)
        assert_eq!(parse_ident("Gold.\"Eye \"\"F\"").unwrap(), ["gold", "Eye \"F"]);
        assert_eq!(parse_ident("1a"), None);
        assert_eq!(parse_ident("a b"), None);
    }
}
