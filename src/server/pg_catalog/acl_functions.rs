//! Functions of lists of rights: `aclexplode`, `acldefault`, `makeaclitem`.

use std::iter::Peekable;
use std::str::Chars;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::Backend;
use super::functions::{Arguments, Function, Returns, Set, function, text};
use super::roles::RoleBook;
use super::session_functions::{objects_of, path_of};
use crate::access::acl::quoted;
use crate::server::error::PgError;
use crate::server::holders::no_role;
use crate::server::scratch::space::Object;

/// What can be given, in the order in which PostgreSQL lists it: the letter and the word.
const RIGHTS: &[(char, &str)] = &[
    ('a', "INSERT"),
    ('r', "SELECT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// The rights on objects of a kind that nothing was said about: everybody's, then the owner's (PostgreSQL's `acldefault`).
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("c", "", ""),
    ("r", "", "arwdDxt"),
    ("s", "", "rwU"),
    ("d", "Tc", "CTc"),
    ("f", "X", "X"),
    ("l", "U", "U"),
    ("L", "", "rw"),
    ("n", "", "UC"),
    ("p", "", "sA"),
    ("t", "", "C"),
    ("F", "", "U"),
    ("S", "", "U"),
    ("T", "U", "U"),
];

const EXPLODED: Set = Set::Rows(&[("grantor", "oid"), ("grantee", "oid"), ("privilege_type", "text"), ("is_grantable", "bool")]);

/// Bits of `pg_relation_is_updatable` for UPDATE, INSERT and DELETE.
const UPDATABLE: i32 = 4 | 8 | 16;

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("aclexplode", Returns::Set(EXPLODED), explode),
    function("acldefault", Returns::Of("_aclitem"), |backend, arguments, row| {
        let (Some(kind), Some(owner)) = (arguments.text(0, row), arguments.oid(1, row)) else {
            return ScalarValue::try_from(&DataType::new_list(DataType::Utf8, true));
        };
        let Some((_, everybody, own)) = DEFAULTS.iter().find(|(known, ..)| *known == kind) else {
            return Err(PgError::new("XX000", format!("unrecognized object type abbreviation: {kind}")).into());
        };
        let owner = named(&RoleBook::of(&backend.guard), owner);
        let items = [("", everybody), (owner.as_str(), own)].into_iter().filter(|(_, letters)| !letters.is_empty());
        let items: Vec<_> = items.map(|(to, letters)| ScalarValue::Utf8(Some(format!("{to}={letters}/{owner}")))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8)))
    }),
    function("makeaclitem", Returns::Of("aclitem"), |backend, arguments, row| {
        let (Some(grantee), Some(grantor), Some(words), Some(grantable)) =
            (arguments.oid(0, row), arguments.oid(1, row), arguments.text(2, row), arguments.text(3, row))
        else {
            return text(None::<String>);
        };
        let book = RoleBook::of(&backend.guard);
        let word = words.trim();
        let known = RIGHTS.iter().find(|(_, known)| known.eq_ignore_ascii_case(word));
        let known = known.or_else(|| RIGHTS.iter().find(|(letter, _)| *letter == 'T' && word.eq_ignore_ascii_case("TEMP")));
        let Some((letter, _)) = known else {
            return Err(PgError::new("22023", format!("unrecognized privilege type: \"{words}\"")).into());
        };
        let star = if grantable == "true" { "*" } else { "" };
        let to = if grantee == 0 { String::new() } else { named(&book, grantee) };
        text(Some(format!("{to}={letter}{star}/{}", named(&book, grantor))))
    }),
    function("pg_relation_is_updatable", Returns::Int4, |backend, arguments, row| {
        Ok(ScalarValue::Int32(updatable(backend, arguments, row)?.map(|can| if can { UPDATABLE } else { 0 })))
    }),
    function("pg_column_is_updatable", Returns::Bool, |backend, arguments, row| {
        let column = arguments.int(1, row);
        let can = updatable(backend, arguments, row)?;
        Ok(ScalarValue::Boolean(can.zip(column).map(|(can, column)| can && column > 0)))
    }),
];

/// Whether the rows of a relation can be changed: only those of tables that clients made.
fn updatable(backend: &Backend, arguments: &Arguments, row: usize) -> Result<Option<bool>> {
    let objects = objects_of(backend)?;
    let found = match (arguments.oid(0, row), arguments.text(0, row)) {
        (Some(oid), _) => objects.relation(oid),
        (None, Some(name)) => objects.relation_named(&name, &path_of(backend)),
        (None, None) => return Ok(None),
    };
    let book = RoleBook::of(&backend.guard);
    let is_table = |object: Option<&Object>| object.is_some_and(|object| !matches!(object, Object::View(_)));
    Ok(Some(found.is_some_and(|found| is_table(book.scratch().object(&found.schema, &found.name)))))
}

/// A role's name as a list of rights writes it; the number of one that there is not.
fn named(book: &RoleBook, oid: u32) -> String {
    book.name(oid).map_or_else(|| oid.to_string(), quoted)
}

fn explode(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    let Some(list) = arguments.array(0).filter(|list| list.is_valid(row)) else { return EXPLODED.none() };
    let DataType::List(_) = list.data_type() else { return EXPLODED.none() };
    let items = cast(&list.as_list::<i32>().value(row), &DataType::Utf8)?;
    let book = RoleBook::of(&backend.guard);
    let oid = |name: &str| match name {
        "" => Ok(0),
        // The owner of something older than a role's removal may be none.
        name if book.knows(name) || name == book.current => Ok(book.oid(name)),
        name => name.parse().map_err(|_| no_role(name)),
    };
    let mut rows = Vec::new();
    for item in items.as_string::<i32>().iter().flatten() {
        let Item { grantee, rights, grantor } = Item::parse(item)?;
        let (grantee, grantor) = (oid(&grantee)?, oid(&grantor)?);
        for (letter, word) in RIGHTS {
            if let Some((_, grantable)) = rights.iter().find(|(given, _)| given == letter) {
                rows.push(vec![
                    ScalarValue::UInt32(Some(grantor)),
                    ScalarValue::UInt32(Some(grantee)),
                    ScalarValue::Utf8(Some((*word).to_owned())),
                    ScalarValue::Boolean(Some(*grantable)),
                ]);
            }
        }
    }
    EXPLODED.rows(rows)
}

/// An `aclitem`, taken apart.
struct Item {
    /// Nothing for everybody.
    grantee: String,
    /// Letters, and whether they may be passed on.
    rights: Vec<(char, bool)>,
    grantor: String,
}

impl Item {
    /// Reads `name=letters/grantor`.
    fn parse(item: &str) -> Result<Self, PgError> {
        let mut rest = item.trim().chars().peekable();
        let mut grantee = name(&mut rest);
        if matches!(grantee.as_str(), "group" | "user") && rest.peek() == Some(&' ') {
            rest.next();
            grantee = name(&mut rest);
        }
        if rest.next() != Some('=') {
            return Err(PgError::new("22P02", "missing \"=\" sign"));
        }
        let mut rights = Vec::new();
        while let Some(letter) = rest.next_if(|c| *c != '/') {
            match (letter, rights.last_mut()) {
                ('*', Some((_, grantable))) => *grantable = true,
                (letter, _) if RIGHTS.iter().any(|(known, _)| *known == letter) => rights.push((letter, false)),
                _ => {
                    return Err(PgError::new("22P02", "invalid mode character: must be one of \"arwdDxtXUCTcsA\""));
                }
            }
        }
        if rest.next().is_none() {
            // As PostgreSQL has it, who gave a right without saying so is the first superuser.
            return Ok(Self { grantee, rights, grantor: "10".to_owned() });
        }
        let grantor = name(&mut rest);
        match grantor.is_empty() {
            true => Err(PgError::new("22P02", "a name must follow the \"/\" sign")),
            false => Ok(Self { grantee, rights, grantor }),
        }
    }
}

fn name(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    let mut inside = false;
    while let Some(c) = rest.next_if(|c| inside || c.is_alphanumeric() || matches!(c, '_' | '"')) {
        match c {
            '"' if inside && rest.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => inside = !inside,
            c => name.push(c),
        }
    }
    name
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_postgres_reads_them() {
        let read = |item: &str| Item::parse(item).map(|item| (item.grantee, item.rights, item.grantor));
        assert_eq!(read("=r/carl").unwrap(), (String::new(), vec![('r', false)], "carl".to_owned()));
        let expected = ("Anna \"M\"".to_owned(), vec![('a', true), ('r', false)], "x y".to_owned());
        assert_eq!(read("\"Anna \"\"M\"\"\"=a*r/\"x y\"").unwrap(), expected);
        for wrong in ["carl", "carl=z/carl", "carl=r/", ""] {
            assert_eq!(read(wrong).unwrap_err().code, "22P02", "{wrong}");
        }
    }
}
