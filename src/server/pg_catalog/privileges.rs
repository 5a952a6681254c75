//! `has_table_privilege` and its relatives: what a role may do with what there is.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use super::Backend;
use super::functions::{Arguments, Function, Returns, function, text};
use super::objects::{DATABASE_OID, Objects, RelationObject};
use super::roles::RoleBook;
use super::session_functions::path_of;
use crate::access::roles::{PUBLIC, Privilege, Rights};
use crate::server::error::PgError;
use crate::server::held::Held;
use crate::server::holders::no_role;

/// What an argument says: a name, or an identifier.
enum Given {
    Name(String),
    Oid(u32),
}

/// Nothing for NULL.
fn given(arguments: &Arguments, index: usize, row: usize) -> Option<Given> {
    let as_text = matches!(arguments.array(index)?.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if as_text { arguments.text(index, row).map(Given::Name) } else { arguments.oid(index, row).map(Given::Oid) }
}

/// The role that is asked about, its name and what it may do.
struct Asked {
    name: String,
    rights: Arc<Rights>,
}

fn asked(book: &RoleBook, given: Option<Given>) -> Result<Asked> {
    let name = match given {
        None => book.current.clone(),
        Some(Given::Name(name)) if name == PUBLIC || book.knows(&name) || name == book.current => name,
        Some(Given::Name(name)) => return Err(no_role(&name).into()),
        Some(Given::Oid(oid)) => match book.name(oid) {
            Some(name) => name.to_owned(),
            // As in PostgreSQL: who is no role may do what everybody may.
            None => PUBLIC.to_owned(),
        },
    };
    let rights = book.rights_of(&name);
    Ok(Asked { name, rights })
}

/// The privileges of a list such as `SELECT, UPDATE WITH GRANT OPTION`: the words, and whether they are to be granted to others.
fn privileges<T: Copy>(list: &str, known: &[(&str, T)], options: &[&str]) -> Result<Vec<(T, bool)>> {
    let one = |written: &str| {
        let written = written.trim();
        let upper = written.to_uppercase();
        let bare = options.iter().find_map(|option| upper.strip_suffix(option)?.strip_suffix(' '));
        let (word, option) = bare.map_or((upper.as_str(), false), |bare| (bare, true));
        let found = known.iter().find(|(known, _)| *known == word).map(|(_, found)| (*found, option));
        found.ok_or_else(|| PgError::new("22023", format!("unrecognized privilege type: \"{written}\"")).into())
    };
    list.split(',').map(one).collect()
}

const GRANT_OPTION: &[&str] = &["WITH GRANT OPTION"];

const OF_RELATION: &[(&str, Privilege)] = &[
    ("SELECT", Privilege::Select),
    ("INSERT", Privilege::Insert),
    ("UPDATE", Privilege::Update),
    ("DELETE", Privilege::Delete),
    ("TRUNCATE", Privilege::Truncate),
    ("REFERENCES", Privilege::References),
    ("TRIGGER", Privilege::Trigger),
];

const OF_COLUMN: &[(&str, Privilege)] = &[
    ("SELECT", Privilege::Select),
    ("INSERT", Privilege::Insert),
    ("UPDATE", Privilege::Update),
    ("REFERENCES", Privilege::References),
];

const OF_SCHEMA: &[(&str, Privilege)] = &[("USAGE", Privilege::Usage), ("CREATE", Privilege::Create)];

/// Whether a right on the database is everybody's.
const OF_DATABASE: &[(&str, bool)] = &[("CREATE", false), ("CONNECT", true), ("TEMPORARY", true), ("TEMP", true)];

const OF_FUNCTION: &[(&str, ())] = &[("EXECUTE", ())];

#[derive(Clone, Copy)]
enum Membership {
    Member,
    Usage,
    Set,
}

const OF_ROLE: &[(&str, Membership)] = &[("MEMBER", Membership::Member), ("USAGE", Membership::Usage), ("SET", Membership::Set)];

/// All objects, whoever may see them: whether something may be done with one is no secret.
fn all(backend: &Backend) -> Result<&Arc<Objects>> {
    backend.catalog.all().ok_or_else(|| DataFusionError::Internal("the catalog was asked before it was loaded".into()))
}

/// The relation of an argument; nothing for an identifier of none.
fn relation<'a>(backend: &Backend, objects: &'a Objects, given: &Given) -> Result<Option<&'a RelationObject>> {
    let name = match given {
        Given::Oid(oid) => return Ok(objects.relation(*oid)),
        Given::Name(name) => name,
    };
    if let Some((schema, _)) = name.rsplit_once('.') {
        let schema = schema.rsplit('.').next().unwrap_or(schema).trim_matches('"');
        if objects.schema_named(schema).is_none() {
            return Err(PgError::new("3F000", format!("schema \"{schema}\" does not exist")).into());
        }
        backend.guard.check_use(schema)?;
    }
    match objects.relation_named(name, &path_of(backend)) {
        Some(found) => Ok(Some(found)),
        None => Err(PgError::new("42P01", format!("relation \"{name}\" does not exist")).into()),
    }
}

/// What a function answers about its last arguments, of which there are `count`; one more in front names a role.
fn about(
    backend: &Backend,
    arguments: &Arguments,
    row: usize,
    count: usize,
    answer: impl FnOnce(&RoleBook, &Asked, usize) -> Result<Option<bool>>,
) -> Result<ScalarValue> {
    let first = usize::from(arguments.len() > count);
    if (0..arguments.len()).any(|index| arguments.is_null(index, row)) {
        return Ok(ScalarValue::Boolean(None));
    }
    let book = RoleBook::of(&backend.guard);
    let role = asked(&book, (first == 1).then(|| given(arguments, 0, row)).flatten())?;
    Ok(ScalarValue::Boolean(answer(&book, &role, first)?))
}

fn list(arguments: &Arguments, index: usize, row: usize) -> String {
    arguments.text(index, row).unwrap_or_default()
}

fn on_relation(held: Held<'_>, relation: &RelationObject, wanted: &[(Privilege, bool)]) -> bool {
    wanted.iter().any(|(privilege, to_grant)| held.on_relation(*privilege, &relation.schema, &relation.name, *to_grant))
}

fn has_table(backend: &Backend, arguments: &Arguments, row: usize, known: &[(&str, Privilege)]) -> Result<ScalarValue> {
    about(backend, arguments, row, 2, |book, role, first| {
        let Some(given) = given(arguments, first, row) else { return Ok(None) };
        let relation = relation(backend, all(backend)?, &given)?;
        let wanted = privileges(&list(arguments, first + 1, row), known, GRANT_OPTION)?;
        Ok(relation.map(|relation| on_relation(book.held(&role.name, &role.rights), relation, &wanted)))
    })
}

fn has_column(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    about(backend, arguments, row, 3, |book, role, first| {
        let (Some(table), Some(column)) = (given(arguments, first, row), given(arguments, first + 1, row)) else {
            return Ok(None);
        };
        let Some(relation) = relation(backend, all(backend)?, &table)? else { return Ok(None) };
        let known = match column {
            Given::Oid(number) => usize::try_from(number).ok().and_then(|number| relation.columns.get(number.checked_sub(1)?)),
            Given::Name(name) => match relation.columns.iter().find(|column| column.name == name) {
                Some(column) => Some(column),
                None => {
                    let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
                    return Err(PgError::new("42703", message).into());
                }
            },
        };
        let wanted = privileges(&list(arguments, first + 2, row), OF_COLUMN, GRANT_OPTION)?;
        Ok(known.map(|_| on_relation(book.held(&role.name, &role.rights), relation, &wanted)))
    })
}

fn has_schema(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    about(backend, arguments, row, 2, |book, role, first| {
        let objects = all(backend)?;
        let schema = match given(arguments, first, row) {
            Some(Given::Oid(oid)) => objects.schemas.iter().find(|schema| schema.oid == oid),
            Some(Given::Name(name)) => match objects.schema_named(&name) {
                Some(schema) => Some(schema),
                None => return Err(PgError::new("3F000", format!("schema \"{name}\" does not exist")).into()),
            },
            None => None,
        };
        let wanted = privileges(&list(arguments, first + 1, row), OF_SCHEMA, GRANT_OPTION)?;
        let held = book.held(&role.name, &role.rights);
        Ok(schema.map(|schema| wanted.iter().any(|(privilege, to_grant)| held.on_schema(*privilege, &schema.name, *to_grant))))
    })
}

fn has_database(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    about(backend, arguments, row, 2, |_, role, first| {
        let known = match given(arguments, first, row) {
            Some(Given::Oid(oid)) => oid == DATABASE_OID,
            Some(Given::Name(name)) if name == backend.identity.database => true,
            Some(Given::Name(name)) => {
                return Err(PgError::new("3D000", format!("database \"{name}\" does not exist")).into());
            }
            None => false,
        };
        let wanted = privileges(&list(arguments, first + 1, row), OF_DATABASE, GRANT_OPTION)?;
        let has = |(everybody, to_grant): &(bool, bool)| role.rights.is_everything() || *everybody && !to_grant;
        Ok(known.then(|| wanted.iter().any(has)))
    })
}

fn has_function(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    about(backend, arguments, row, 2, |_, role, first| {
        let objects = all(backend)?;
        let known = match given(arguments, first, row) {
            Some(Given::Oid(oid)) => objects.function(oid).is_some(),
            Some(Given::Name(written)) => {
                let Some((name, _)) = written.split_once('(') else {
                    return Err(PgError::new("22P02", "expected a left parenthesis").into());
                };
                let name = name.rsplit('.').next().unwrap_or(name).trim().to_lowercase();
                if !objects.functions.iter().any(|function| function.name == name) {
                    return Err(PgError::new("42883", format!("function \"{written}\" does not exist")).into());
                }
                true
            }
            None => false,
        };
        let wanted = privileges(&list(arguments, first + 1, row), OF_FUNCTION, GRANT_OPTION)?;
        Ok(known.then(|| wanted.iter().any(|(_, to_grant)| !to_grant || role.rights.is_everything())))
    })
}

fn has_role(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    about(backend, arguments, row, 2, |book, member, first| {
        let role = match given(arguments, first, row) {
            Some(Given::Name(name)) if book.knows(&name) => name,
            Some(Given::Name(name)) => return Err(no_role(&name).into()),
            Some(Given::Oid(oid)) => book.name(oid).unwrap_or_default().to_owned(),
            None => return Ok(None),
        };
        let wanted = privileges(&list(arguments, first + 1, row), OF_ROLE, &["WITH GRANT OPTION", "WITH ADMIN OPTION"])?;
        let name = member.name.as_str();
        let administers = || {
            let held = |by: &str| book.roles.is_member(name, by, |_| true);
            name != role && book.roles.memberships().iter().any(|step| step.role == role && step.admin && held(&step.member))
        };
        let has = |(membership, admin): &(Membership, bool)| {
            member.rights.is_everything()
                || match membership {
                    _ if *admin => administers(),
                    Membership::Member => book.roles.is_member(name, &role, |_| true),
                    Membership::Usage => member.rights.include(&role),
                    Membership::Set => book.roles.is_member(name, &role, |step| step.set),
                }
        };
        Ok(Some(wanted.iter().any(has)))
    })
}

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("has_table_privilege", Returns::Bool, |backend, arguments, row| has_table(backend, arguments, row, OF_RELATION)),
    function("has_any_column_privilege", Returns::Bool, |backend, arguments, row| has_table(backend, arguments, row, OF_COLUMN)),
    function("has_column_privilege", Returns::Bool, has_column),
    function("has_schema_privilege", Returns::Bool, has_schema),
    function("has_database_privilege", Returns::Bool, has_database),
    function("has_function_privilege", Returns::Bool, has_function),
    function("pg_has_role", Returns::Bool, has_role),
    // What a recursive query of `pg_auth_members` finds: a role, and all that it is a member of.
    function("placido_roles_of", Returns::NameList, |backend, arguments, row| {
        let book = RoleBook::of(&backend.guard);
        let Some(member) = arguments.oid(0, row).and_then(|oid| book.name(oid)) else {
            return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Utf8)));
        };
        let others = book.roles.iter().map(|(name, _)| name.as_str()).filter(|name| *name != member);
        let of = others.filter(|name| book.roles.is_member(member, name, |_| true));
        let names: Vec<_> = std::iter::once(member).chain(of).map(|name| ScalarValue::Utf8(Some(name.to_owned()))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8)))
    }),
    function("pg_get_userbyid", Returns::Name, |backend, arguments, row| {
        let Some(oid) = arguments.oid(0, row) else { return Ok(ScalarValue::Utf8(None)) };
        let book = RoleBook::of(&backend.guard);
        text(Some(book.name(oid).map_or_else(|| format!("unknown (OID={oid})"), str::to_owned)))
    }),
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_privileges_are_read() {
        let read = |list| privileges(list, OF_RELATION, GRANT_OPTION);
        let expected = [(Privilege::Select, false), (Privilege::Update, true)];
        assert_eq!(read("select, Update with grant option ").unwrap(), expected);
        for wrong in ["", "fly", "select,", "select with", "usage"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
