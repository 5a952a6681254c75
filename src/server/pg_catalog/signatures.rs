//! What `\df` and drivers are told of a function: its arguments and the type of its result.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{Documentation, Signature, TypeSignature};
use placido_udfs::{Entry, FAMILIES};

use super::pg_types::{format_type, type_named};
use crate::server::types;

/// `pg_type.oid` of the pseudo-types that stand for what depends on the call.
const ANY: u32 = 2276;
const ANY_ELEMENT: u32 = 2283;
const TEXT: u32 = 25;
const JSON: u32 = 114;

/// One argument of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: Option<String>,
    pub(crate) type_oid: u32,
    pub(crate) default: Option<String>,
}

/// Arguments and result of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) arguments: Vec<Argument>,
    /// Whether the last argument may be given any number of times.
    pub(crate) variadic: bool,
    pub(crate) result: u32,
    /// Whether it returns a set.
    pub(crate) set: bool,
}

impl Shape {
    /// `pg_get_function_arguments`; the defaults are left out for `pg_get_function_identity_arguments`.
    pub(crate) fn spelled(&self, with_defaults: bool) -> String {
        let last = self.arguments.len();
        let spelled = self.arguments.iter().enumerate().map(|(index, argument)| {
            let variadic = if self.variadic && index + 1 == last { "VARIADIC " } else { "" };
            let name = argument.name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
            let default = argument.default.as_deref().filter(|_| with_defaults);
            let default = default.map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
            format!("{variadic}{name}{}{default}", quoted_type(argument.type_oid))
        });
        spelled.collect::<Vec<_>>().join(", ")
    }

    /// `pg_get_function_result`.
    pub(crate) fn spelled_result(&self) -> String {
        format!("{}{}", if self.set { "SETOF " } else { "" }, quoted_type(self.result))
    }
}

fn quoted_type(oid: u32) -> String {
    if oid == ANY { "\"any\"".to_owned() } else { format_type(oid, None) }
}

/// The families' functions by name and kind; the kind is `pg_proc.prokind`.
static OWN: LazyLock<HashMap<(&'static str, char), Entry>> = LazyLock::new(|| {
    let kind = |entry: &Entry| match entry.kind {
        "aggregate" => 'a',
        "window function" => 'w',
        _ => 'f',
    };
    FAMILIES.iter().flat_map(|family| family.entries()).map(|entry| ((entry.head.name, kind(&entry)), entry)).collect()
});

/// The shape of a function: as placido declares it, else by the engine's own examples of a call.
pub(crate) fn shape(
    name: &str,
    kind: char,
    signature: &Signature,
    documentation: Option<&Documentation>,
    returns: impl Fn(&[DataType]) -> Result<DataType>,
) -> Shape {
    if let Some(entry) = OWN.get(&(name, kind)) {
        return declared(entry);
    }
    if matches!(signature.type_signature, TypeSignature::Nullary) {
        return Shape {
            arguments: Vec::new(),
            variadic: false,
            result: returns(&[]).map_or(ANY_ELEMENT, |found| type_oid(&found)),
            set: false,
        };
    }
    let names: Vec<&str> = documentation
        .and_then(|documentation| documentation.arguments.as_ref())
        .map(|arguments| arguments.iter().map(|(name, _)| name.as_str()).filter(|name| is_name(name)).collect())
        .unwrap_or_default();
    // The longest call names the most arguments.
    let example = signature.type_signature.get_example_types().into_iter().max_by_key(Vec::len).filter(|types| !types.is_empty());
    let Some(types) = example else {
        // Any number of values of any type, which is all that is known. Functions count on being asked with arguments that they accept.
        let first = names.first().map(|name| (*name).to_owned());
        let arguments = vec![Argument { name: first, type_oid: ANY, default: None }];
        return Shape { arguments, variadic: true, result: ANY_ELEMENT, set: false };
    };
    let argument = |(index, data_type): (usize, &DataType)| Argument {
        name: names.get(index).filter(|_| names.len() == types.len()).map(|name| (*name).to_owned()),
        type_oid: type_oid(data_type),
        default: None,
    };
    let result = returns(&types).map_or(ANY_ELEMENT, |found| type_oid(&found));
    Shape { arguments: types.iter().enumerate().map(argument).collect(), variadic: false, result, set: false }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn declared(entry: &Entry) -> Shape {
    let argument = |parameter: &placido_udfs::Parameter| Argument {
        name: Some(parameter.name.to_owned()),
        type_oid: declared_type(parameter.kind.sql_type()),
        default: (!parameter.default.is_empty()).then(|| default_of(parameter.default)),
    };
    Shape {
        arguments: entry.head.parameters.iter().map(argument).collect(),
        variadic: false,
        result: declared_type(entry.returns),
        set: false,
    }
}

/// A default as an expression. One that is told in words depends on another argument, and NULL asks for it.
fn default_of(written: &str) -> String {
    let literal = written.starts_with('\'') || written.parse::<f64>().is_ok() || ["true", "false"].contains(&written);
    if literal { written.to_owned() } else { "NULL".to_owned() }
}

/// The type of a declaration: structs travel as `json`, lists of a known length as arrays.
fn declared_type(declared: &str) -> u32 {
    if declared.starts_with("struct") || declared.starts_with("map") {
        return JSON;
    }
    let name = match declared.split_once('[') {
        Some((element, _)) => format!("_{}", element.trim()),
        None => declared.trim().to_owned(),
    };
    type_named(&name).or_else(|| type_named(name.trim_start_matches('_'))).unwrap_or(ANY_ELEMENT)
}

fn type_oid(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Null => ANY_ELEMENT,
        other => match types::of_data_type(other).oid() {
            0 => TEXT,
            oid => oid,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read() {
        assert_eq!(declared_type("float8[]"), 1022);
        assert_eq!(declared_type("float8[4]"), 1022);
        assert_eq!(declared_type("struct(m, j0, j45)"), 114);
        assert_eq!(declared_type("text"), 25);
        assert_eq!(default_of("'area'"), "'area'");
        assert_eq!(default_of("from the column, else 31"), "NULL");
    }

    #[test]
    fn every_function_of_the_families_has_types_that_clients_know() {
        for entry in OWN.values() {
            let shape = declared(entry);
            let types = shape.arguments.iter().map(|argument| argument.type_oid).chain([shape.result]);
            for oid in types {
                assert!(format_type(oid, None) != "???" && oid != ANY_ELEMENT, "{}: {}", entry.head.name, entry.returns);
            }
        }
    }
}
