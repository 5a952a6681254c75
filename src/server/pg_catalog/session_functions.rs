//! Functions that ask the session or the catalog: who is connected, what an identifier names, what a definition is.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use super::functions::{Arguments, Function, Returns, function, text};
use super::objects::{FunctionObject, Objects};
use super::plain_functions::quote_ident;
use super::{Backend, rows};
use crate::server::error::PgError;
use crate::server::scratch::space::TEMP;

/// What `select version()` says; drivers read the first number.
fn version_text() -> String {
    format!("PostgreSQL {} (placido {})", crate::server::settings::SERVER_VERSION, env!("CARGO_PKG_VERSION"))
}

fn user(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(backend.settings.get("session_authorization").or_else(|| Some(backend.identity.user.clone())))
}

fn role(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(Some(backend.guard.principal().role()))
}

fn database(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(Some(backend.identity.database.as_str()))
}

/// What the role of the session sees.
pub(super) fn objects_of(backend: &Backend) -> Result<Arc<Objects>> {
    let seen = backend.catalog.objects(&backend.guard);
    seen.ok_or_else(|| DataFusionError::Internal("the catalog was asked before it was loaded".into()))
}

/// The function that the first argument identifies.
fn routine(backend: &Backend, arguments: &Arguments, row: usize) -> Option<FunctionObject> {
    arguments.oid(0, row).and_then(|oid| objects_of(backend).ok()?.function(oid).cloned())
}

/// The schemas in which names are looked up: that of temporary tables comes first.
pub(super) fn path_of(backend: &Backend) -> Vec<String> {
    let mut path = backend.settings.search_path();
    path.insert(0, format!("{TEMP}_{}", backend.identity.pid));
    path
}

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = &[
    function("version", Returns::Text, |_, _, _| text(Some(version_text()))),
    function("current_database", Returns::Name, database),
    function("current_catalog", Returns::Name, database),
    function("current_user", Returns::Name, role),
    function("current_role", Returns::Name, role),
    function("session_user", Returns::Name, user),
    function("user", Returns::Name, role),
    function("current_schema", Returns::Name, |backend, _, _| {
        text(backend.settings.search_path().into_iter().find(|schema| backend.catalog.has_schema(schema)))
    }),
    function("current_schemas", Returns::NameList, |backend, arguments, row| {
        let implicit = arguments.text(0, row).is_some_and(|all| all == "true");
        let path = backend.settings.search_path().into_iter().filter(|schema| backend.catalog.has_schema(schema));
        let names = implicit.then(|| super::SCHEMA.to_owned()).into_iter().chain(path);
        let names: Vec<_> = names.map(|name| ScalarValue::Utf8(Some(name))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8)))
    }),
    function("current_setting", Returns::Text, |backend, arguments, row| {
        let Some(name) = arguments.text(0, row) else { return Ok(ScalarValue::Utf8(None)) };
        match (backend.settings.get(&name), arguments.text(1, row).as_deref()) {
            (Some(value), _) => text(Some(value)),
            (None, Some("true")) => Ok(ScalarValue::Utf8(None)),
            (None, _) => Err(PgError::new("42704", format!("unrecognized configuration parameter \"{name}\"")).into()),
        }
    }),
    function("set_config", Returns::Text, |backend, arguments, row| {
        let (Some(name), value) = (arguments.text(0, row), arguments.text(1, row)) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let local = arguments.text(2, row).as_deref() == Some("true");
        text(Some(backend.settings.set(&name, value.as_deref(), local)?))
    }),
    function("pg_table_is_visible", Returns::Bool, |backend, arguments, row| {
        let Some(oid) = arguments.oid(0, row) else { return Ok(ScalarValue::Boolean(None)) };
        let objects = objects_of(backend)?;
        let path = path_of(backend);
        let visible = objects.relation(oid).is_some_and(|relation| {
            objects.relation_named(&format!("\"{}\"", relation.name), &path).is_some_and(|first| first.oid == oid)
        });
        Ok(ScalarValue::Boolean(Some(visible)))
    }),
    function("pg_my_temp_schema", Returns::Oid, |_, _, _| Ok(ScalarValue::UInt32(Some(0)))),
    function("obj_description", Returns::Text, |backend, arguments, row| {
        let Some(oid) = arguments.oid(0, row) else { return Ok(ScalarValue::Utf8(None)) };
        text(rows::description(objects_of(backend)?.as_ref(), arguments.text(1, row).as_deref(), oid))
    }),
    function("shobj_description", Returns::Text, |_, arguments, row| {
        let (Some(oid), Some(class)) = (arguments.oid(0, row), arguments.text(1, row)) else {
            return Ok(ScalarValue::Utf8(None));
        };
        text(rows::shared_description(&class, oid))
    }),
    function("col_description", Returns::Text, |backend, arguments, row| {
        let (Some(oid), Some(position)) = (arguments.oid(0, row), arguments.int(1, row)) else {
            return Ok(ScalarValue::Utf8(None));
        };
        let objects = objects_of(backend)?;
        let column = usize::try_from(position - 1).ok().and_then(|at| objects.relation(oid)?.columns.get(at));
        text(column.and_then(|column| column.comment.clone()))
    }),
    function("pg_get_viewdef", Returns::Text, |backend, arguments, row| {
        let objects = objects_of(backend)?;
        let relation = match arguments.oid(0, row) {
            Some(oid) => objects.relation(oid),
            None => arguments.text(0, row).and_then(|name| objects.relation_named(&name, &path_of(backend))),
        };
        text(relation.filter(|relation| relation.is_view).map(|relation| relation.definition.clone().unwrap_or_default()))
    }),
    function("pg_postmaster_start_time", Returns::Timestamp, |backend, _, _| {
        Ok(ScalarValue::TimestampMicrosecond(Some(backend.identity.server_start_micros), Some("UTC".into())))
    }),
    function("clock_timestamp", Returns::Timestamp, |_, _, _| {
        Ok(ScalarValue::TimestampMicrosecond(Some(chrono::Utc::now().timestamp_micros()), Some("UTC".into())))
    }),
    function("pg_backend_pid", Returns::Int4, |backend, _, _| Ok(ScalarValue::Int32(Some(backend.identity.pid)))),
    function("inet_server_port", Returns::Int4, |_, _, _| Ok(ScalarValue::Int32(None))),
    function("inet_client_port", Returns::Int4, |_, _, _| Ok(ScalarValue::Int32(None))),
    function("pg_get_function_arguments", Returns::Text, |backend, arguments, row| {
        text(routine(backend, arguments, row).map(|found| found.shape.spelled(true)))
    }),
    function("pg_get_function_identity_arguments", Returns::Text, |backend, arguments, row| {
        text(routine(backend, arguments, row).map(|found| found.shape.spelled(false)))
    }),
    function("pg_get_function_result", Returns::Text, |backend, arguments, row| {
        text(routine(backend, arguments, row).map(|found| found.shape.spelled_result()))
    }),
    function("pg_get_function_arg_default", Returns::Text, |backend, arguments, row| {
        let at = arguments.int(1, row).and_then(|position| usize::try_from(position - 1).ok());
        let found = routine(backend, arguments, row);
        let argument = found.as_ref().zip(at).and_then(|(found, at)| found.shape.arguments.get(at));
        text(argument.and_then(|argument| argument.default.clone()))
    }),
    function("pg_get_functiondef", Returns::Text, |backend, arguments, row| {
        text(routine(backend, arguments, row).filter(|found| found.kind != 'a').as_ref().map(definition))
    }),
];

/// `pg_get_functiondef`: what would make the function, if it were not built in.
fn definition(function: &FunctionObject) -> String {
    let volatility = match function.volatility {
        'i' => " IMMUTABLE",
        's' => " STABLE",
        _ => "",
    };
    format!(
        "CREATE OR REPLACE FUNCTION {}({})\n RETURNS {}\n LANGUAGE internal\n{volatility} PARALLEL SAFE\nAS $function${}$function$\n",
        quote_ident(function.name.clone()),
        function.shape.spelled(true),
        function.shape.spelled_result(),
        function.name
    )
}
