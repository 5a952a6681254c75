//! What a parameter stands for in a call: by the declarations of our own functions, and for PostgreSQL's by `calls.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

use pgwire::api::Type;

use super::{pg_catalog, types};

/// What is known of an argument before anything is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    /// It has this type.
    Of(Type),
    /// It has the type of another argument, from 0; where nothing is known of that one either, this type.
    Like(usize, Option<Type>),
    /// It has the type of the elements of another argument, from 0.
    ElementOf(usize),
    /// It is added to another argument, from 0.
    AddedTo(usize),
}

/// Functions of PostgreSQL whose arguments are given by name.
const NAMED: &[(&str, &[&str])] = &[("make_interval", &["years", "months", "weeks", "days", "hours", "mins", "secs"])];

/// The arguments of a function's forms, which differ in their number.
type Calls = HashMap<&'static str, Vec<Vec<Option<Argument>>>>;

static CALLS: LazyLock<Calls> = LazyLock::new(|| {
    let mut calls = Calls::new();
    for line in include_str!("calls.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, arguments)) = line.split_once(": ") {
            calls.entry(name).or_default().push(arguments.split(", ").map(read).collect());
        }
    }
    calls
});

fn read(written: &str) -> Option<Argument> {
    let other = |number: &str| number.parse::<usize>().ok()?.checked_sub(1);
    if let Some(number) = written.strip_prefix("of ") {
        return other(number).map(Argument::ElementOf);
    }
    if let Some(number) = written.strip_prefix('+') {
        return other(number).map(Argument::AddedTo);
    }
    match written.strip_prefix('=') {
        Some(like) => {
            let (number, fallback) = like.split_once(' ').unwrap_or((like, ""));
            Some(Argument::Like(other(number)?, named(fallback)))
        }
        None => named(written).map(Argument::Of),
    }
}

fn named(name: &str) -> Option<Type> {
    pg_catalog::type_oid(name).and_then(Type::from_oid).filter(|known| types::to_arrow(known).is_some())
}

/// What the argument at `position`, from 0, of a call with `count` arguments stands for, or that is given by `name`; nothing for text,
/// and where it depends.
pub(crate) fn argument(function: &str, count: usize, position: usize, name: Option<&str>) -> Option<Argument> {
    if let Some(parameters) = placido_udfs::parameters(function) {
        let parameter = match name {
            Some(name) => parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name)),
            None => parameters.get(position),
        };
        return own(parameter?.kind.sql_type()).map(Argument::Of);
    }
    // Some are called by a name of ours when the statement has been rewritten.
    let forms = CALLS.get(function.strip_prefix("placido_").unwrap_or(function))?;
    match name {
        Some(name) => {
            let (_, names) = NAMED.iter().find(|(known, _)| *known == function)?;
            let position = names.iter().position(|known| *known == name)?;
            forms.iter().find(|arguments| arguments.len() == names.len())?.get(position)?.clone()
        }
        None => forms.iter().find(|arguments| arguments.len() == count)?.get(position)?.clone(),
    }
}

fn own(sql_type: &str) -> Option<Type> {
    match sql_type.strip_suffix("[]") {
        Some(element) => named(element).and_then(|element| types::array_of(&element)),
        None => named(sql_type).filter(|known| *known != Type::TEXT),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = include_str!("calls.txt").lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (_, arguments) = line.split_once(": ").unwrap();
            for written in arguments.split(", ") {
                assert_eq!(read(written).is_none(), written == "-", "{line}");
            }
        }
    }

    #[test]
    fn arguments_are_those_of_the_declarations() {
        let at = |function, count, position| argument(function, count, position, None);
        assert_eq!(at("round", 2, 1), Some(Argument::Of(Type::INT4)));
        assert_eq!(at("power", 2, 0), Some(Argument::Like(1, Some(Type::FLOAT8))));
        assert_eq!(at("lag", 3, 2), Some(Argument::Like(0, None)));
        assert_eq!(at("array_position", 2, 1), Some(Argument::ElementOf(0)));
        assert_eq!(at("upper", 1, 0), None);
        assert_eq!(at("vector_distance", 2, 0), Some(Argument::Of(Type::FLOAT8_ARRAY)));
        assert_eq!(argument("l2_normalize", 1, 0, Some("nothing")), None);
        assert_eq!(argument("make_interval", 1, 0, Some("secs")), Some(Argument::Of(Type::FLOAT8)));
    }
}
