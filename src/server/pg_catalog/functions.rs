//! The functions that catalog queries and drivers call: `format_type`, `obj_description`, `current_setting`, …
//!
//! Arguments of any type are accepted and read as numbers or text, as PostgreSQL's own casts would.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StructArray, new_empty_array, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::pg_types::type_named;
use super::signatures::{self, Shape};
use super::{
    Backend, acl_functions, activity, array_functions, interval_functions, json_functions, json_operators, number_functions,
    plain_functions, privileges, reg, regular_expressions, relations, scaled_numbers, series, session_functions, sleep,
    text_functions, time_functions,
};
use crate::server::error::PgError;
use crate::server::membership;
use crate::server::settings::{self, Zone};
use crate::server::types::PG_TYPE_KEY;

pub(super) type Call = fn(&Backend, &Arguments, usize) -> Result<ScalarValue>;

/// A function: its name, the type of its result, and what it does with the arguments of one row.
pub(super) struct Function {
    name: &'static str,
    returns: Returns,
    call: Call,
}

pub(super) const fn function(name: &'static str, returns: Returns, call: Call) -> Function {
    Function { name, returns, call }
}

static ALL: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let listed = session_functions::FUNCTIONS.iter().chain(privileges::FUNCTIONS).chain(plain_functions::FUNCTIONS);
    let listed = listed.chain(activity::FUNCTIONS).chain(reg::FUNCTIONS).chain(reg::SYSTEM_COLUMNS);
    let listed = listed.chain(acl_functions::FUNCTIONS).chain(PLAIN_LISTS.iter().copied().flatten());
    listed.map(|each| function(each.name, each.returns, each.call)).chain(plain_functions::constant()).collect()
});

static BY_NAME: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| ALL.iter().enumerate().map(|(index, function)| (function.name, index)).collect());

/// The types of the arguments as PostgreSQL declares them; of several forms the longest.
static DECLARED: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    declarations().map(|(name, declared)| (name, declared.split(" -> ").next().unwrap_or(declared).trim())).collect()
});

/// The types of results that the arguments decide.
static RESULTS: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| declarations().filter_map(|(name, declared)| Some((name, declared.split_once(" -> ")?.1))).collect());

fn declarations() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("functions.txt").lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "))
}

/// The type of a result.
#[derive(Clone, Copy)]
pub(super) enum Returns {
    Text,
    Name,
    Bool,
    Int4,
    Int,
    Oid,
    NameList,
    TextList,
    IntList,
    Timestamp,
    Xid,
    /// Names of objects.
    Reg(&'static str),
    /// Any other type, by its name.
    Of(&'static str),
    /// What the arguments decide.
    By(fn(&[FieldRef]) -> &'static str),
    /// A row for each element of the list that the function gives.
    Set(Set),
    /// That of the first argument.
    First,
}

impl Returns {
    fn pg_type(self) -> &'static str {
        match self {
            Returns::Text => "text",
            Returns::Name => "name",
            Returns::Bool => "bool",
            Returns::Int4 => "int4",
            Returns::Int => "int8",
            Returns::Oid => "oid",
            Returns::NameList => "_name",
            Returns::TextList => "_text",
            Returns::IntList => "_int4",
            Returns::Timestamp => "timestamptz",
            Returns::Xid => "xid",
            Returns::Reg(name) | Returns::Of(name) => name,
            Returns::By(_) => "any",
            Returns::Set(Set::Rows(_)) => "record",
            Returns::Set(Set::Values(name)) => name,
            Returns::First => "anyelement",
        }
    }

    fn field(self, name: &str, arguments: &[FieldRef]) -> FieldRef {
        match (self, arguments.first()) {
            (Returns::First, Some(first)) => Arc::new(first.as_ref().clone().with_name(name).with_nullable(true)),
            (Returns::By(decide), _) => Arc::new(relations::field(name, decide(arguments))),
            (Returns::Set(set), _) => Arc::new(Field::new_list(name, Field::new_list_field(set.element(), true), true)),
            _ => Arc::new(relations::field(name, self.pg_type())),
        }
    }
}

/// What a function that returns a set gives for each row of it.
#[derive(Clone, Copy)]
pub(crate) enum Set {
    /// Columns and their types.
    Rows(&'static [(&'static str, &'static str)]),
    /// Values of a type.
    Values(&'static str),
}

impl Set {
    /// The type of one row.
    pub(crate) fn element(self) -> DataType {
        match self {
            Set::Rows(columns) => {
                DataType::Struct(columns.iter().map(|(name, pg_type)| relations::field(name, pg_type)).collect::<Vec<_>>().into())
            }
            Set::Values(pg_type) => relations::field("", pg_type).data_type().clone(),
        }
    }

    /// Rows that there are not.
    pub(super) fn none(self) -> Result<ScalarValue> {
        ScalarValue::try_from(&DataType::new_list(self.element(), true))
    }

    /// Rows that have columns.
    pub(super) fn rows(self, rows: Vec<Vec<ScalarValue>>) -> Result<ScalarValue> {
        let element = self.element();
        let DataType::Struct(fields) = &element else { return self.none() };
        if rows.is_empty() {
            return Ok(ScalarValue::List(ScalarValue::new_list_nullable(&[], &element)));
        }
        let columns = (0..fields.len()).map(|at| ScalarValue::iter_to_array(rows.iter().filter_map(|row| row.get(at).cloned())));
        let table = StructArray::try_new(fields.clone(), columns.collect::<Result<Vec<_>>>()?, None)?;
        let values: ArrayRef = Arc::new(table);
        Ok(SingleRowListArrayBuilder::new(values).build_list_scalar())
    }
}

/// The arguments of a call, read row by row: each as text and, where it is a number, as a number.
pub(super) struct Arguments(Vec<Argument>, Vec<FieldRef>, Arc<ConfigOptions>);

struct Argument {
    array: ArrayRef,
    text: StringArray,
    number: Int64Array,
}

impl Arguments {
    fn new(arrays: &[ArrayRef], fields: Vec<FieldRef>, config: Arc<ConfigOptions>) -> Result<Self> {
        // A list or a struct has no number, a struct no text; that means the same as NULL here.
        let read = |array: &ArrayRef| {
            let as_type = |wanted: &DataType| cast(array, wanted).unwrap_or_else(|_| new_null_array(wanted, array.len()));
            Argument {
                array: Arc::clone(array),
                text: as_type(&DataType::Utf8).as_string().clone(),
                number: as_type(&DataType::Int64).as_primitive().clone(),
            }
        };
        Ok(Self(arrays.iter().map(read).collect(), fields, config))
    }

    /// The time zone of the session that runs the statement, which may be another one than it was planned for.
    pub(super) fn zone(&self) -> Zone {
        settings::zone(self.zone_name()).unwrap_or_default()
    }

    /// Its name.
    pub(super) fn zone_name(&self) -> &str {
        self.2.execution.time_zone.as_deref().unwrap_or("UTC")
    }

    /// The type of an argument that the engine keeps as another one.
    pub(super) fn pg_type(&self, index: usize) -> Option<&str> {
        self.1.get(index)?.metadata().get(PG_TYPE_KEY).map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn array(&self, index: usize) -> Option<&ArrayRef> {
        self.0.get(index).map(|argument| &argument.array)
    }

    pub(super) fn text(&self, index: usize, row: usize) -> Option<String> {
        let text = &self.0.get(index)?.text;
        text.is_valid(row).then(|| text.value(row).to_owned())
    }

    pub(super) fn is_null(&self, index: usize, row: usize) -> bool {
        self.0.get(index).is_none_or(|argument| argument.array.is_null(row) || *argument.array.data_type() == DataType::Null)
    }

    pub(super) fn int(&self, index: usize, row: usize) -> Option<i64> {
        let numbers = &self.0.get(index)?.number;
        numbers.is_valid(row).then(|| numbers.value(row))
    }

    pub(super) fn oid(&self, index: usize, row: usize) -> Option<u32> {
        u32::try_from(self.int(index, row)?).ok()
    }

    /// How many elements the list of an argument has.
    pub(super) fn list_length(&self, index: usize, row: usize) -> Option<i32> {
        plain_functions::list_length(self.array(index)?, row)
    }
}

pub(super) fn text(value: Option<impl Into<String>>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value.map(Into::into)))
}

/// Whether a function of this name belongs to the catalog.
pub(crate) fn is_catalog_function(name: &str) -> bool {
    BY_NAME.contains_key(name) || sleep::is_sleep(name)
}

/// Functions that are called for what they do.
const DOING: &[&str] = &["clock_timestamp", "pg_cancel_backend", "pg_terminate_backend", "set_config", "timeofday"];

/// Functions of nothing but their arguments that everybody calls.
const PLAIN: &[&str] =
    &["placido_or_empty", "placido_or_one", "placido_like", "placido_oid", "pg_sleep", "pg_sleep_for", "pg_sleep_until"];

/// How many arguments functions take that would be something else with fewer or more.
const COUNTS: &[(&str, &[usize])] = &[
    ("array_remove", &[2]),
    ("array_replace", &[3]),
    ("div", &[2]),
    ("isfinite", &[1]),
    ("justify_days", &[1]),
    ("justify_hours", &[1]),
    ("justify_interval", &[1]),
    ("min_scale", &[1]),
    ("regexp_matches", &[2, 3]),
    ("regexp_substr", &[2, 3, 4, 5, 6]),
    ("scale", &[1]),
    ("setseed", &[1]),
    ("timeofday", &[0]),
    ("trim_array", &[2]),
    ("trim_scale", &[1]),
    ("width_bucket", &[2, 4]),
];

/// The same, whole lists of them.
const PLAIN_LISTS: &[&[Function]] = &[
    json_functions::FUNCTIONS,
    json_operators::FUNCTIONS,
    text_functions::FUNCTIONS,
    time_functions::FUNCTIONS,
    interval_functions::FUNCTIONS,
    number_functions::FUNCTIONS,
    array_functions::FUNCTIONS,
    regular_expressions::FUNCTIONS,
];

/// Those whose results not even settings change.
const IMMUTABLE: &[&[Function]] = &[
    text_functions::FUNCTIONS,
    number_functions::FUNCTIONS,
    array_functions::FUNCTIONS,
    regular_expressions::FUNCTIONS,
    json_operators::FUNCTIONS,
];

/// Whether a function of the catalog has to know what there is.
pub(crate) fn asks_objects(name: &str) -> bool {
    !PLAIN.contains(&name) && !PLAIN_LISTS.iter().any(|list| list.iter().any(|function| function.name == name))
}

/// What a function that returns a set gives, if it is one.
pub(crate) fn set_of(name: &str) -> Option<Set> {
    match ALL.get(*BY_NAME.get(name)?)?.returns {
        Returns::Set(set) => Some(set),
        _ => None,
    }
}

/// Arguments and result of a function of the catalog.
pub(crate) fn shape_of(name: &str) -> Option<Shape> {
    let function = ALL.get(*BY_NAME.get(name)?)?;
    let declared = DECLARED.get(name).copied().unwrap_or_default();
    let types = declared.split(", ").filter(|spelled| !spelled.is_empty());
    let argument = |spelled: &str| signatures::Argument {
        name: None,
        type_oid: type_named(spelled.trim_start_matches("VARIADIC ").trim_matches('"')).unwrap_or(2276),
        default: None,
    };
    let (set, variadic) =
        (matches!(function.returns, Returns::Set(_)), declared.starts_with("VARIADIC ") || declared.contains(", VARIADIC "));
    let result = type_named(RESULTS.get(name).copied().unwrap_or(function.returns.pg_type()))?;
    Some(Shape { arguments: types.map(argument).collect(), variadic, result, set })
}

/// The type of a result of a function of the catalog, as `pg_type` names it.
pub(crate) fn result_type(name: &str) -> Option<&'static str> {
    match ALL.get(*BY_NAME.get(name)?)?.returns {
        Returns::By(_) => None,
        returns => Some(returns.pg_type()),
    }
}

/// Adds the functions to a session.
pub(crate) fn register(state: &mut SessionState, backend: &Backend) -> Result<()> {
    for (index, function) in ALL.iter().enumerate() {
        let udf = CatalogFunction {
            index,
            signature: Signature::one_of(
                vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
                // They depend on the session, so that nothing is computed while planning for another one.
                match function.name {
                    name if DOING.contains(&name) => Volatility::Volatile,
                    // What needs no session is computed once.
                    name if IMMUTABLE.iter().any(|list| list.iter().any(|known| known.name == name)) => Volatility::Immutable,
                    _ => Volatility::Stable,
                },
            ),
            backend: backend.clone(),
        };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(udf)))?;
    }
    state.register_udf(Arc::new(membership::function()))?;
    for function in sleep::functions().chain(scaled_numbers::functions()).chain([series::function()]) {
        state.register_udf(Arc::new(function))?;
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
        let all: &'static [Function] = &ALL;
        // Indices come from this list, so that there is always one; the list is never empty.
        &all[self.index.min(all.len() - 1)]
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

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.function().returns, arguments.first()) {
            (Returns::First, Some(first)) => Ok(first.clone()),
            (returns @ Returns::By(_), _) => {
                let fields: Vec<FieldRef> =
                    arguments.iter().map(|argument| Arc::new(Field::new("", argument.clone(), true))).collect();
                Ok(returns.field("", &fields).data_type().clone())
            }
            (returns, _) => Ok(returns.field("", &[]).data_type().clone()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let given = args.arg_fields.len();
        if let Some((name, counts)) = COUNTS.iter().find(|(name, _)| *name == self.name())
            && !counts.contains(&given)
        {
            return Err(PgError::new("42883", format!("function {name} does not exist with {given} arguments")).into());
        }
        Ok(self.function().returns.field(self.name(), args.arg_fields))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let function = self.function();
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let arguments = Arguments::new(&arrays, args.arg_fields, args.config_options)?;
        let values = (0..rows).map(|row| (function.call)(&self.backend, &arguments, row)).collect::<Result<Vec<_>>>()?;
        if constant {
            return match values.into_iter().next() {
                Some(value) => Ok(ColumnarValue::Scalar(value)),
                None => Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_field.data_type())?)),
            };
        }
        if values.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(args.return_field.data_type())));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }
}
