//! The functions that catalog queries and drivers call: `format_type`, `obj_description`, `current_setting`, …
//!
//! Arguments of any type are accepted and read as numbers or text, as PostgreSQL's own casts would.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, new_empty_array, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::objects::{self, OWNER, Objects};
use super::{Backend, rows};
use crate::server::error::PgError;

/// What `select version()` says; drivers read the first number.
fn version_text() -> String {
    format!("PostgreSQL {} (placido {})", crate::server::settings::SERVER_VERSION, env!("CARGO_PKG_VERSION"))
}

type Call = fn(&Backend, &Arguments, usize) -> Result<ScalarValue>;

struct Function {
    name: &'static str,
    returns: Returns,
    call: Call,
}

#[derive(Clone, Copy)]
enum Returns {
    Text,
    Bool,
    Int,
    Oid,
    TextList,
    Timestamp,
}

impl Returns {
    fn data_type(self) -> DataType {
        match self {
            Returns::Text => DataType::Utf8,
            Returns::Bool => DataType::Boolean,
            Returns::Int => DataType::Int64,
            Returns::Oid => DataType::UInt32,
            Returns::TextList => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Returns::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// The arguments of a call, read row by row: each as text and, where it is a number, as a number.
struct Arguments(Vec<(StringArray, Int64Array)>);

impl Arguments {
    fn new(arrays: &[ArrayRef]) -> Result<Self> {
        let read = |array: &ArrayRef| {
            // A list or a struct has no number; its cast is an error that means the same as NULL here.
            let number = cast(array, &DataType::Int64).unwrap_or_else(|_| new_null_array(&DataType::Int64, array.len()));
            Ok((cast(array, &DataType::Utf8)?.as_string().clone(), number.as_primitive().clone()))
        };
        Ok(Self(arrays.iter().map(read).collect::<Result<_>>()?))
    }

    fn text(&self, index: usize, row: usize) -> Option<String> {
        let (text, _) = self.0.get(index)?;
        text.is_valid(row).then(|| text.value(row).to_owned())
    }

    fn int(&self, index: usize, row: usize) -> Option<i64> {
        let (_, numbers) = self.0.get(index)?;
        numbers.is_valid(row).then(|| numbers.value(row))
    }

    fn oid(&self, index: usize, row: usize) -> Option<u32> {
        u32::try_from(self.int(index, row)?).ok()
    }
}

fn text(value: Option<impl Into<String>>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value.map(Into::into)))
}

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

fn user(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(Some(backend.identity.user.as_str()))
}

fn role(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(Some(backend.guard.principal().role()))
}

fn database(backend: &Backend, _: &Arguments, _: usize) -> Result<ScalarValue> {
    text(Some(backend.identity.database.as_str()))
}

fn objects_of(backend: &Backend) -> Result<Arc<Objects>> {
    backend
        .catalog
        .objects(&backend.guard)
        .ok_or_else(|| DataFusionError::Internal("the catalog was asked before it was loaded".into()))
}

/// The functions, by name.
const FUNCTIONS: &[Function] = &[
    Function { name: "version", returns: Returns::Text, call: |_, _, _| text(Some(version_text())) },
    Function { name: "current_database", returns: Returns::Text, call: database },
    Function { name: "current_catalog", returns: Returns::Text, call: database },
    Function { name: "current_user", returns: Returns::Text, call: role },
    Function { name: "current_role", returns: Returns::Text, call: role },
    Function { name: "session_user", returns: Returns::Text, call: user },
    Function { name: "user", returns: Returns::Text, call: role },
    Function {
        name: "current_schema",
        returns: Returns::Text,
        call: |backend, _, _| text(backend.settings.search_path().into_iter().find(|schema| backend.catalog.has_schema(schema))),
    },
    Function {
        name: "current_schemas",
        returns: Returns::TextList,
        call: |backend, arguments, row| {
            let implicit = arguments.text(0, row).is_some_and(|all| all == "true");
            let path = backend.settings.search_path().into_iter().filter(|schema| backend.catalog.has_schema(schema));
            let names = implicit.then(|| super::SCHEMA.to_owned()).into_iter().chain(path);
            let names: Vec<_> = names.map(|name| ScalarValue::Utf8(Some(name))).collect();
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8)))
        },
    },
    Function {
        name: "pg_backend_pid",
        returns: Returns::Int,
        call: |backend, _, _| Ok(ScalarValue::Int64(Some(i64::from(backend.identity.pid)))),
    },
    Function {
        name: "current_setting",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let Some(name) = arguments.text(0, row) else { return Ok(ScalarValue::Utf8(None)) };
            match (backend.settings.get(&name), arguments.text(1, row).as_deref()) {
                (Some(value), _) => text(Some(value)),
                (None, Some("true")) => Ok(ScalarValue::Utf8(None)),
                (None, _) => Err(PgError::new("42704", format!("unrecognized configuration parameter \"{name}\"")).into()),
            }
        },
    },
    Function {
        name: "set_config",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let (Some(name), value) = (arguments.text(0, row), arguments.text(1, row)) else {
                return Ok(ScalarValue::Utf8(None));
            };
            let local = arguments.text(2, row).as_deref() == Some("true");
            text(Some(backend.settings.set(&name, value.as_deref(), local)?))
        },
    },
    Function {
        name: "pg_get_userbyid",
        returns: Returns::Text,
        call: |_, arguments, row| {
            let oid = arguments.oid(0, row);
            text(oid.map(|oid| if oid == OWNER.0 { OWNER.1.to_owned() } else { format!("unknown (OID={oid})") }))
        },
    },
    Function {
        name: "format_type",
        returns: Returns::Text,
        call: |_, arguments, row| {
            let modifier = arguments.int(1, row).and_then(|modifier| i32::try_from(modifier).ok());
            text(arguments.oid(0, row).map(|oid| objects::format_type(oid, modifier)))
        },
    },
    Function {
        name: "pg_table_is_visible",
        returns: Returns::Bool,
        call: |backend, arguments, row| {
            let Some(oid) = arguments.oid(0, row) else { return Ok(ScalarValue::Boolean(None)) };
            let objects = objects_of(backend)?;
            let path = backend.settings.search_path();
            let visible = objects.relation(oid).is_some_and(|relation| {
                objects.relation_named(&format!("\"{}\"", relation.name), &path).is_some_and(|first| first.oid == oid)
            });
            Ok(ScalarValue::Boolean(Some(visible)))
        },
    },
    Function { name: "pg_function_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_type_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_operator_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_opclass_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_opfamily_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_collation_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_conversion_is_visible", returns: Returns::Bool, call: yes },
    Function { name: "pg_relation_is_publishable", returns: Returns::Bool, call: no },
    Function { name: "pg_is_in_recovery", returns: Returns::Bool, call: no },
    Function { name: "pg_is_other_temp_schema", returns: Returns::Bool, call: no },
    Function { name: "pg_my_temp_schema", returns: Returns::Oid, call: |_, _, _| Ok(ScalarValue::UInt32(Some(0))) },
    Function { name: "has_table_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_column_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_any_column_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_schema_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_database_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_function_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_type_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_language_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_tablespace_privilege", returns: Returns::Bool, call: yes },
    Function { name: "has_sequence_privilege", returns: Returns::Bool, call: no },
    Function { name: "pg_has_role", returns: Returns::Bool, call: yes },
    Function { name: "pg_advisory_lock", returns: Returns::Text, call: null_text },
    Function { name: "pg_advisory_unlock", returns: Returns::Bool, call: yes },
    Function { name: "pg_advisory_unlock_all", returns: Returns::Text, call: null_text },
    Function {
        name: "obj_description",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let Some(oid) = arguments.oid(0, row) else { return Ok(ScalarValue::Utf8(None)) };
            let objects = objects_of(backend)?;
            text(rows::description(&objects, arguments.text(1, row).as_deref(), oid))
        },
    },
    Function {
        name: "shobj_description",
        returns: Returns::Text,
        call: |_, arguments, row| {
            let (Some(oid), Some(class)) = (arguments.oid(0, row), arguments.text(1, row)) else {
                return Ok(ScalarValue::Utf8(None));
            };
            text(rows::shared_description(&class, oid))
        },
    },
    Function {
        name: "col_description",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let (Some(oid), Some(position)) = (arguments.oid(0, row), arguments.int(1, row)) else {
                return Ok(ScalarValue::Utf8(None));
            };
            let objects = objects_of(backend)?;
            let column = usize::try_from(position - 1).ok().and_then(|at| objects.relation(oid)?.columns.get(at));
            text(column.and_then(|column| column.comment.clone()))
        },
    },
    Function {
        name: "pg_get_viewdef",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let objects = objects_of(backend)?;
            let relation = match arguments.oid(0, row) {
                Some(oid) => objects.relation(oid),
                None => arguments.text(0, row).and_then(|name| objects.relation_named(&name, &backend.settings.search_path())),
            };
            text(relation.filter(|relation| relation.is_view).map(|relation| relation.definition.clone().unwrap_or_default()))
        },
    },
    Function {
        name: "pg_get_function_arguments",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let objects = objects_of(backend)?;
            let function = arguments.oid(0, row).and_then(|oid| objects.function(oid));
            text(function.map(|function| function.arguments.clone()))
        },
    },
    Function {
        name: "pg_get_function_identity_arguments",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let objects = objects_of(backend)?;
            let function = arguments.oid(0, row).and_then(|oid| objects.function(oid));
            text(function.map(|function| function.arguments.clone()))
        },
    },
    // The result type follows from the arguments; PostgreSQL writes the same for its polymorphic functions.
    Function { name: "pg_get_function_result", returns: Returns::Text, call: |_, _, _| text(Some("\"any\"")) },
    Function { name: "pg_get_functiondef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_function_sqlbody", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_expr", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_indexdef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_constraintdef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_ruledef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_triggerdef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_partkeydef", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_serial_sequence", returns: Returns::Text, call: null_text },
    Function { name: "pg_get_statisticsobjdef_columns", returns: Returns::Text, call: null_text },
    Function { name: "pg_tablespace_location", returns: Returns::Text, call: |_, _, _| text(Some("")) },
    Function { name: "pg_table_size", returns: Returns::Int, call: zero },
    Function { name: "pg_relation_size", returns: Returns::Int, call: zero },
    Function { name: "pg_total_relation_size", returns: Returns::Int, call: zero },
    Function { name: "pg_indexes_size", returns: Returns::Int, call: zero },
    Function { name: "pg_database_size", returns: Returns::Int, call: zero },
    Function { name: "pg_stat_get_numscans", returns: Returns::Int, call: zero },
    Function { name: "txid_current", returns: Returns::Int, call: |_, _, _| Ok(ScalarValue::Int64(Some(1))) },
    Function {
        name: "pg_size_pretty",
        returns: Returns::Text,
        call: |_, arguments, row| text(arguments.int(0, row).map(size_pretty)),
    },
    Function {
        name: "pg_encoding_to_char",
        returns: Returns::Text,
        call: |_, arguments, row| text(arguments.int(0, row).map(|encoding| if encoding == 6 { "UTF8" } else { "" })),
    },
    Function { name: "pg_char_to_encoding", returns: Returns::Int, call: |_, _, _| Ok(ScalarValue::Int64(Some(6))) },
    Function { name: "pg_client_encoding", returns: Returns::Text, call: |_, _, _| text(Some("UTF8")) },
    Function { name: "inet_server_addr", returns: Returns::Text, call: null_text },
    Function { name: "inet_client_addr", returns: Returns::Text, call: null_text },
    Function { name: "inet_server_port", returns: Returns::Int, call: |_, _, _| Ok(ScalarValue::Int64(None)) },
    Function {
        name: "pg_postmaster_start_time",
        returns: Returns::Timestamp,
        call: |backend, _, _| {
            Ok(ScalarValue::TimestampMicrosecond(Some(backend.identity.server_start_micros), Some("UTC".into())))
        },
    },
    Function {
        name: "quote_ident",
        returns: Returns::Text,
        call: |_, arguments, row| text(arguments.text(0, row).map(quote_ident)),
    },
    Function {
        name: "quote_literal",
        returns: Returns::Text,
        call: |_, arguments, row| text(arguments.text(0, row).map(|value| format!("'{}'", value.replace('\'', "''")))),
    },
    Function {
        name: "to_regclass",
        returns: Returns::Oid,
        call: |backend, arguments, row| regclass(backend, arguments, row, false),
    },
    Function { name: "to_regtype", returns: Returns::Oid, call: |_, arguments, row| regtype(arguments, row, false) },
    Function {
        name: "to_regnamespace",
        returns: Returns::Oid,
        call: |backend, arguments, row| regnamespace(backend, arguments, row, false),
    },
    Function {
        name: "placido_regclass",
        returns: Returns::Oid,
        call: |backend, arguments, row| regclass(backend, arguments, row, true),
    },
    Function { name: "placido_regtype", returns: Returns::Oid, call: |_, arguments, row| regtype(arguments, row, true) },
    Function {
        name: "placido_regnamespace",
        returns: Returns::Oid,
        call: |backend, arguments, row| regnamespace(backend, arguments, row, true),
    },
    Function {
        name: "placido_regproc",
        returns: Returns::Oid,
        call: |backend, arguments, row| {
            let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
            if let Ok(oid) = given.parse() {
                return Ok(ScalarValue::UInt32(Some(oid)));
            }
            let name = given.split('(').next().unwrap_or(&given).rsplit('.').next().unwrap_or(&given).trim().to_lowercase();
            match objects_of(backend)?.functions.iter().find(|function| function.name == name) {
                Some(function) => Ok(ScalarValue::UInt32(Some(function.oid))),
                None => Err(PgError::new("42883", format!("function \"{given}\" does not exist")).into()),
            }
        },
    },
    Function {
        name: "placido_regrole",
        returns: Returns::Oid,
        call: |_, arguments, row| {
            let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
            match given.parse() {
                Ok(oid) => Ok(ScalarValue::UInt32(Some(oid))),
                Err(_) if given.trim_matches('"') == OWNER.1 => Ok(ScalarValue::UInt32(Some(OWNER.0))),
                Err(_) => Err(PgError::new("42704", format!("role \"{given}\" does not exist")).into()),
            }
        },
    },
    Function {
        name: "placido_regclass_text",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let Some(oid) = arguments.oid(0, row) else { return text(arguments.text(0, row)) };
            let objects = objects_of(backend)?;
            let path = backend.settings.search_path();
            text(Some(match objects.relation(oid) {
                Some(relation)
                    if objects.relation_named(&format!("\"{}\"", relation.name), &path).is_some_and(|found| found.oid == oid) =>
                {
                    quote_ident(relation.name.clone())
                }
                Some(relation) => format!("{}.{}", quote_ident(relation.schema.clone()), quote_ident(relation.name.clone())),
                None => {
                    if oid == 0 {
                        "-".to_owned()
                    } else {
                        oid.to_string()
                    }
                }
            }))
        },
    },
    Function {
        name: "placido_regnamespace_text",
        returns: Returns::Text,
        call: |backend, arguments, row| {
            let Some(oid) = arguments.oid(0, row) else { return text(arguments.text(0, row)) };
            let objects = objects_of(backend)?;
            let schema = objects.schemas.iter().find(|schema| schema.oid == oid);
            text(Some(schema.map_or_else(|| oid.to_string(), |schema| schema.name.clone())))
        },
    },
];

fn regclass(backend: &Backend, arguments: &Arguments, row: usize, strict: bool) -> Result<ScalarValue> {
    let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
    if let Ok(oid) = given.parse() {
        return Ok(ScalarValue::UInt32(Some(oid)));
    }
    match objects_of(backend)?.relation_named(&given, &backend.settings.search_path()) {
        Some(relation) => Ok(ScalarValue::UInt32(Some(relation.oid))),
        None if strict => Err(PgError::new("42P01", format!("relation \"{given}\" does not exist")).into()),
        None => Ok(ScalarValue::UInt32(None)),
    }
}

fn regtype(arguments: &Arguments, row: usize, strict: bool) -> Result<ScalarValue> {
    let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
    if let Ok(oid) = given.parse() {
        return Ok(ScalarValue::UInt32(Some(oid)));
    }
    match objects::type_named(&given) {
        Some(oid) => Ok(ScalarValue::UInt32(Some(oid))),
        None if strict => Err(PgError::new("42704", format!("type \"{given}\" does not exist")).into()),
        None => Ok(ScalarValue::UInt32(None)),
    }
}

fn regnamespace(backend: &Backend, arguments: &Arguments, row: usize, strict: bool) -> Result<ScalarValue> {
    let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
    if let Ok(oid) = given.parse() {
        return Ok(ScalarValue::UInt32(Some(oid)));
    }
    match objects_of(backend)?.schema_named(given.trim_matches('"')) {
        Some(schema) => Ok(ScalarValue::UInt32(Some(schema.oid))),
        None if strict => Err(PgError::new("3F000", format!("schema \"{given}\" does not exist")).into()),
        None => Ok(ScalarValue::UInt32(None)),
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

fn quote_ident(name: String) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Whether a function of this name belongs to the catalog.
pub(crate) fn is_catalog_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}

/// Adds the functions to a session.
pub(crate) fn register(state: &mut SessionState, backend: &Backend) -> Result<()> {
    for (index, function) in FUNCTIONS.iter().enumerate() {
        let udf = CatalogFunction {
            index,
            signature: Signature::one_of(
                vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
                // They depend on the session, so that nothing is computed while planning for another one.
                if function.name == "set_config" { Volatility::Volatile } else { Volatility::Stable },
            ),
            backend: backend.clone(),
        };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(udf)))?;
    }
    Ok(())
}

struct CatalogFunction {
    index: usize,
    signature: Signature,
    backend: Backend,
}

impl CatalogFunction {
    fn function(&self) -> &'static Function {
        &FUNCTIONS[self.index.min(FUNCTIONS.len() - 1)]
    }
}

impl std::fmt::Debug for CatalogFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogFunction").field("name", &self.function().name).finish_non_exhaustive()
    }
}

impl PartialEq for CatalogFunction {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.backend.identity, &other.backend.identity)
    }
}

impl Eq for CatalogFunction {}

impl Hash for CatalogFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl ScalarUDFImpl for CatalogFunction {
    fn name(&self) -> &str {
        self.function().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.function().returns.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let function = self.function();
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let arguments = Arguments::new(&arrays)?;
        let values = (0..rows).map(|row| (function.call)(&self.backend, &arguments, row)).collect::<Result<Vec<_>>>()?;
        if constant {
            return match values.into_iter().next() {
                Some(value) => Ok(ColumnarValue::Scalar(value)),
                None => Ok(ColumnarValue::Scalar(ScalarValue::try_from(&function.returns.data_type())?)),
            };
        }
        if values.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(&function.returns.data_type())));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }
}
