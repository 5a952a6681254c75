//! `regclass` and its relatives: identifiers of objects, written and shown as names.
//!
//! Inside the engine such a value is an identifier that carries the name of its type; [`show_names`] finds where a plan shows one.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Cast, FieldMetadata, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator};

use super::Backend;
use super::functions::{Arguments, Function, Returns, function, text};
use super::objects::{FunctionObject, Objects};
use super::pg_types::{format_type, pg_type, type_named};
use super::plain_functions::quote_ident;
use super::roles::RoleBook;
use super::session_functions::{objects_of, path_of};
use crate::server::error::PgError;
use crate::server::holders::no_role;
use crate::server::types::{self, PG_TYPE_KEY};

/// The types, and those of arrays of them.
const KINDS: &[(&str, &str)] = &[
    ("regclass", "_regclass"),
    ("regtype", "_regtype"),
    ("regnamespace", "_regnamespace"),
    ("regproc", "_regproc"),
    ("regprocedure", "_regprocedure"),
    ("regrole", "_regrole"),
];

/// Whether values of a type are names of objects.
pub(crate) fn names_objects(pg_type: &str) -> bool {
    KINDS.iter().any(|(one, _)| *one == pg_type)
}

type Read = fn(&Backend, &str) -> Result<u32>;
type Show = fn(&Backend, u32) -> Result<String>;

fn read_one(backend: &Backend, arguments: &Arguments, row: usize, read: Read, strict: bool) -> Result<ScalarValue> {
    let Some(given) = arguments.text(0, row) else { return Ok(ScalarValue::UInt32(None)) };
    let found = match oid_of(&given) {
        Some(oid) => Ok(oid),
        None => read(backend, given.trim()),
    };
    match found {
        Ok(oid) => Ok(ScalarValue::UInt32(Some(oid))),
        Err(_) if !strict => Ok(ScalarValue::UInt32(None)),
        Err(error) => Err(error),
    }
}

/// What is given as a number; `-` is none.
fn oid_of(given: &str) -> Option<u32> {
    if given.trim() == "-" { Some(0) } else { given.trim().parse().ok() }
}

fn show_one(backend: &Backend, arguments: &Arguments, row: usize, show: Show) -> Result<ScalarValue> {
    match arguments.oid(0, row) {
        Some(0) => text(Some("-")),
        Some(oid) => text(Some(show(backend, oid)?)),
        None => text(None::<String>),
    }
}

/// The elements of a list as texts.
fn elements(arguments: &Arguments, row: usize) -> Result<Option<Vec<Option<String>>>> {
    let Some(array) = arguments.array(0).filter(|array| array.is_valid(row)) else { return Ok(None) };
    let DataType::List(_) = array.data_type() else { return Ok(None) };
    let texts = datafusion::arrow::compute::cast(&array.as_list::<i32>().value(row), &DataType::Utf8)?;
    Ok(Some(texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()))
}

fn read_list(backend: &Backend, arguments: &Arguments, row: usize, read: Read) -> Result<ScalarValue> {
    let Some(elements) = elements(arguments, row)? else {
        return ScalarValue::try_from(&DataType::new_list(DataType::UInt32, true));
    };
    let oid = |given: Option<String>| match given {
        Some(given) => Ok(ScalarValue::UInt32(Some(oid_of(&given).map_or_else(|| read(backend, given.trim()), Ok)?))),
        None => Ok(ScalarValue::UInt32(None)),
    };
    let oids = elements.into_iter().map(oid).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&oids, &DataType::UInt32)))
}

fn show_list(backend: &Backend, arguments: &Arguments, row: usize, show: Show) -> Result<ScalarValue> {
    let Some(elements) = elements(arguments, row)? else {
        return ScalarValue::try_from(&DataType::new_list(DataType::Utf8, true));
    };
    let name = |oid: Option<String>| match oid.and_then(|oid| oid.parse().ok()) {
        Some(0) => text(Some("-")),
        Some(oid) => text(Some(show(backend, oid)?)),
        None => text(None::<String>),
    };
    let names = elements.into_iter().map(name).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8)))
}

/// What casts to and from each of the types become.
macro_rules! functions {
    ($($kind:literal $list:literal $public:literal: $read:expr, $show:expr;)*) => {
        &[$(
            function($public, Returns::Reg($kind), |backend, arguments, row| read_one(backend, arguments, row, $read, false)),
            function(concat!("placido_", $kind), Returns::Reg($kind), |backend, arguments, row| {
                read_one(backend, arguments, row, $read, true)
            }),
            function(concat!("placido_", $kind, "_text"), Returns::Text, |backend, arguments, row| {
                show_one(backend, arguments, row, $show)
            }),
            function(concat!("placido_", $kind, "_list"), Returns::Reg($list), |backend, arguments, row| {
                read_list(backend, arguments, row, $read)
            }),
            function(concat!("placido_", $kind, "_list_text"), Returns::TextList, |backend, arguments, row| {
                show_list(backend, arguments, row, $show)
            }),
        )*]
    };
}

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] = functions! {
    "regclass" "_regclass" "to_regclass": class_oid, class_name;
    "regtype" "_regtype" "to_regtype": type_oid, type_name;
    "regnamespace" "_regnamespace" "to_regnamespace": schema_oid, schema_name;
    "regproc" "_regproc" "to_regproc": function_oid, function_name;
    "regprocedure" "_regprocedure" "to_regprocedure": procedure_oid, procedure_name;
    "regrole" "_regrole" "to_regrole": role_oid, role_name;
};

/// The functions of system columns.
pub(super) const SYSTEM_COLUMNS: &[Function] = &[
    function("placido_tableoid", Returns::Oid, |backend, arguments, row| read_one(backend, arguments, row, class_oid, true)),
    function("placido_xid", Returns::Xid, |_, arguments, row| Ok(ScalarValue::UInt32(arguments.oid(0, row)))),
];

fn class_oid(backend: &Backend, name: &str) -> Result<u32> {
    let objects = objects_of(backend)?;
    if let Some(relation) = objects.relation_named(name, &path_of(backend)) {
        return Ok(relation.oid);
    }
    if let Some((schema, _)) = name.rsplit_once('.') {
        let schema = schema.rsplit('.').next().unwrap_or(schema);
        if objects.schema_named(schema.trim_matches('"')).is_none() {
            return Err(PgError::new("3F000", format!("schema \"{}\" does not exist", schema.trim_matches('"'))).into());
        }
    }
    Err(PgError::new("42P01", format!("relation \"{}\" does not exist", name.replace('"', ""))).into())
}

fn class_name(backend: &Backend, oid: u32) -> Result<String> {
    let objects = objects_of(backend)?;
    let Some(relation) = objects.relation(oid) else { return Ok(oid.to_string()) };
    let first = objects.relation_named(&format!("\"{}\"", relation.name), &path_of(backend));
    Ok(match first.is_some_and(|found| found.oid == oid) {
        true => quote_ident(relation.name.clone()),
        false => format!("{}.{}", quote_ident(relation.schema.clone()), quote_ident(relation.name.clone())),
    })
}

fn type_oid(_: &Backend, name: &str) -> Result<u32> {
    type_named(name).ok_or_else(|| PgError::new("42704", format!("type \"{name}\" does not exist")).into())
}

fn type_name(_: &Backend, oid: u32) -> Result<String> {
    Ok(if pg_type(oid).is_some() { format_type(oid, None) } else { oid.to_string() })
}

fn schema_oid(backend: &Backend, name: &str) -> Result<u32> {
    let objects = objects_of(backend)?;
    let found = objects.schema_named(name.trim_matches('"')).map(|schema| schema.oid);
    found.ok_or_else(|| PgError::new("3F000", format!("schema \"{}\" does not exist", name.trim_matches('"'))).into())
}

fn schema_name(backend: &Backend, oid: u32) -> Result<String> {
    let objects = objects_of(backend)?;
    let schema = objects.schemas.iter().find(|schema| schema.oid == oid);
    Ok(schema.map_or_else(|| oid.to_string(), |schema| quote_ident(schema.name.clone())))
}

fn role_oid(backend: &Backend, name: &str) -> Result<u32> {
    let book = RoleBook::of(&backend.guard);
    let name = unquoted(name);
    if book.knows(&name) { Ok(book.oid(&name)) } else { Err(no_role(&name).into()) }
}

fn role_name(backend: &Backend, oid: u32) -> Result<String> {
    let book = RoleBook::of(&backend.guard);
    Ok(book.name(oid).map_or_else(|| oid.to_string(), |name| quote_ident(name.to_owned())))
}

/// A name as SQL would store it.
fn unquoted(name: &str) -> String {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).map_or_else(|| name.to_lowercase(), str::to_owned)
}

/// Functions of a name that may be qualified.
fn routines<'a>(objects: &'a Objects, name: &str) -> Vec<&'a FunctionObject> {
    let last = name.rsplit('.').next().unwrap_or(name).trim();
    let plain = unquoted(last);
    objects.functions.iter().filter(|function| function.name == plain).collect()
}

fn function_oid(backend: &Backend, name: &str) -> Result<u32> {
    match routines(objects_of(backend)?.as_ref(), name).as_slice() {
        [only] => Ok(only.oid),
        [] => Err(PgError::new("42883", format!("function \"{name}\" does not exist")).into()),
        _ => Err(PgError::new("42725", format!("more than one function named \"{name}\"")).into()),
    }
}

fn function_name(backend: &Backend, oid: u32) -> Result<String> {
    Ok(objects_of(backend)?.function(oid).map_or_else(|| oid.to_string(), |function| quote_ident(function.name.clone())))
}

fn procedure_oid(backend: &Backend, given: &str) -> Result<u32> {
    let Some((name, types)) = given.strip_suffix(')').and_then(|given| given.split_once('(')) else {
        return Err(PgError::new("22P02", "expected a left parenthesis").into());
    };
    let types: Vec<&str> = types.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let objects = objects_of(backend)?;
    let known = routines(&objects, name);
    let exact = |function: &&&FunctionObject| {
        let arguments = &function.shape.arguments;
        arguments.len() == types.len()
            && arguments.iter().zip(&types).all(|(argument, word)| type_named(word) == Some(argument.type_oid))
    };
    // A function of the engine takes more types than the ones it is declared with.
    let fits = |function: &&&FunctionObject| known.len() == 1 && function.shape.arguments.len() == types.len();
    match known.iter().find(exact).or_else(|| known.iter().find(fits)) {
        Some(function) => Ok(function.oid),
        None => Err(PgError::new("42883", format!("function \"{given}\" does not exist")).into()),
    }
}

fn procedure_name(backend: &Backend, oid: u32) -> Result<String> {
    let objects = objects_of(backend)?;
    let Some(function) = objects.function(oid) else { return Ok(oid.to_string()) };
    let types: Vec<String> = function.shape.arguments.iter().map(|argument| format_type(argument.type_oid, None)).collect();
    Ok(format!("{}({})", quote_ident(function.name.clone()), types.join(",")))
}

/// Shows names where a plan gives identifiers to a client or makes text of them. What they are compared with is a number, also where it
/// is written in quotes.
pub(crate) fn show_names(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let mut changed = false;
    let plan = plan.transform_up_with_subqueries(|node| in_node(node, state, &mut changed))?.data;
    let shown: Vec<Option<String>> = plan.schema().fields().iter().map(|field| shown_by(field)).collect();
    if shown.iter().all(Option::is_none) {
        return Ok(plan);
    }
    let columns = plan.schema().iter().zip(&shown).map(|((qualifier, field), shown)| {
        let column = Expr::from((qualifier, field));
        match shown {
            Some(shown) => Ok(call(state, shown, column)?.alias_qualified(qualifier.cloned(), field.name())),
            None => Ok(column),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The same for one node. What stands above one that has changed has to be told of its columns' types.
fn in_node(node: LogicalPlan, state: &SessionState, changed: &mut bool) -> Result<Transformed<LogicalPlan>> {
    let inputs = node.inputs();
    let mut schema = DFSchema::empty();
    for input in &inputs {
        schema.merge(input.schema());
    }
    if inputs.is_empty() {
        schema = node.schema().as_ref().clone();
    }
    let names = NamePreserver::new(&node);
    let (projects, aggregates) = (matches!(node, LogicalPlan::Projection(_)), matches!(node, LogicalPlan::Aggregate(_)));
    let rewritten = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| in_expr(expr, &schema, state))?;
        let rewritten = rewritten.map_data(|expr| Ok(name.restore(expr)))?;
        let shows = projects || aggregates && matches!(rewritten.data, Expr::AggregateFunction(_));
        match relabelled(&rewritten.data, &schema).filter(|_| shows) {
            Some(label) => {
                let metadata = FieldMetadata::from(HashMap::from([(PG_TYPE_KEY.to_owned(), label)]));
                let (qualifier, name) = rewritten.data.qualified_name();
                let bare = match rewritten.data {
                    Expr::Alias(alias) => *alias.expr,
                    other => other,
                };
                Ok(Transformed::yes(bare.alias_qualified_with_metadata(qualifier, name, Some(metadata))))
            }
            None => Ok(rewritten),
        }
    })?;
    *changed |= rewritten.transformed;
    match *changed {
        true => Ok(Transformed::yes(rewritten.data.recompute_schema()?)),
        false => Ok(rewritten),
    }
}

/// The type that an expression has to be said to have, where the engine loses it or keeps that of what is cast.
fn relabelled(expr: &Expr, schema: &DFSchema) -> Option<String> {
    let (_, field) = expr.to_field(schema).ok()?;
    let said = field.metadata().get(PG_TYPE_KEY);
    match (kind(expr, schema), said) {
        (Some(kind), None) => Some(kind),
        (None, Some(said)) if is_kind(said) => Some(types::of_data_type(field.data_type()).name().to_owned()),
        _ => None,
    }
}

fn in_expr(expr: Expr, schema: &DFSchema, state: &SessionState) -> Result<Transformed<Expr>> {
    let kind = |expr: &Expr| kind(expr, schema);
    let shown = |expr: Expr| match kind(&expr) {
        Some(found) => call(state, &shown_as(&found), expr),
        None => Ok(expr),
    };
    Ok(match expr {
        Expr::Cast(Cast { expr: inner, ref field }) | Expr::TryCast(TryCast { expr: inner, ref field })
            if is_text(field.data_type()) && kind(&inner).is_some() =>
        {
            Transformed::yes(shown(*inner)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right })
            if kind(&left).is_some() || kind(&right).is_some() =>
        {
            let (left, right) = (Box::new(shown(*left)?), Box::new(shown(*right)?));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right })
            if (kind(&left).is_some() && is_string(&right)) || (kind(&right).is_some() && is_string(&left)) =>
        {
            let read = |side: Box<Expr>| match is_string(&side) {
                true => call(state, "placido_oid", *side).map(Box::new),
                false => Ok(side),
            };
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: read(left)?, op, right: read(right)? }))
        }
        Expr::InList(InList { expr: value, list, negated }) if kind(&value).is_some() && list.iter().any(is_string) => {
            let read = |item: Expr| match is_string(&item) {
                true => call(state, "placido_oid", item),
                false => Ok(item),
            };
            let list = list.into_iter().map(read).collect::<Result<Vec<_>>>()?;
            Transformed::yes(Expr::InList(InList { expr: value, list, negated }))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if WRITERS.contains(&func.name()) && args.iter().any(|arg| kind(arg).is_some()) =>
        {
            let args = args.into_iter().map(shown).collect::<Result<Vec<_>>>()?;
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
        }
        other => Transformed::no(other),
    })
}

/// Functions that make text of whatever they are given.
const WRITERS: &[&str] =
    &["format", "concat", "concat_ws", "quote_literal", "json_build_object", "jsonb_build_object", "json_build_array"];

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => true,
        DataType::List(element) => is_text(element.data_type()),
        _ => false,
    }
}

fn is_string(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)) | ScalarValue::LargeUtf8(Some(_)), _)
    )
}

fn pg_type_of(expr: &Expr, schema: &DFSchema) -> Option<String> {
    let (_, field) = expr.to_field(schema).ok()?;
    field.metadata().get(PG_TYPE_KEY).cloned()
}

/// The type of names that an expression has, also where the engine loses it.
fn kind(expr: &Expr, schema: &DFSchema) -> Option<String> {
    match expr {
        Expr::Alias(alias) => kind(&alias.expr, schema),
        Expr::Cast(_) | Expr::TryCast(_) => None,
        Expr::ScalarFunction(ScalarFunction { func, args }) if matches!(func.name(), "coalesce" | "nullif") => {
            args.iter().find_map(|argument| kind(argument, schema))
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            results.into_iter().find_map(|result| kind(result, schema))
        }
        Expr::AggregateFunction(aggregate) if aggregate.func.name() == "array_agg" => {
            let element = aggregate.params.args.first().and_then(|argument| kind(argument, schema))?;
            KINDS.iter().find(|(one, _)| *one == element).map(|(_, list)| (*list).to_owned())
        }
        other => pg_type_of(other, schema).filter(|found| is_kind(found)),
    }
}

/// Whether a type is one of names, or of arrays of them.
fn is_kind(pg_type: &str) -> bool {
    KINDS.iter().any(|(one, list)| *one == pg_type || *list == pg_type)
}

/// The function that shows values of a type.
fn shown_as(kind: &str) -> String {
    match kind.strip_prefix('_') {
        Some(element) => format!("placido_{element}_list_text"),
        None => format!("placido_{kind}_text"),
    }
}

fn shown_by(field: &Field) -> Option<String> {
    let found = field.metadata().get(PG_TYPE_KEY)?;
    is_kind(found).then(|| shown_as(found))
}

fn call(state: &SessionState, name: &str, argument: Expr) -> Result<Expr> {
    Ok(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&state.udf(name)?), args: vec![argument] }))
}
