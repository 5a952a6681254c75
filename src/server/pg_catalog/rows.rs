//! The rows of the filled relations of `pg_catalog`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, new_null_array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::objects::{DATABASE_OID, OWNER, Objects, PG_CATALOG_OID, PG_CLASS_OID, PG_NAMESPACE_OID, PG_PROC_OID, pg_types};
use super::relations;

/// Sizes in `pg_class` and its relatives are not known here.
const UNKNOWN_ROWS: f64 = -1.0;

/// A value of a cell; the column's type decides how it is stored.
enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<i16> for Cell {
    fn from(value: i16) -> Self {
        Cell::Int(i64::from(value))
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Cell::Float(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Cell::Text(value.to_owned())
    }
}

impl From<char> for Cell {
    fn from(value: char) -> Self {
        Cell::Text(value.to_string())
    }
}

/// Named cells of one row; columns that are not named have PostgreSQL's empty value.
type Row = Vec<(&'static str, Cell)>;

macro_rules! row {
    ($($name:ident: $value:expr),* $(,)?) => { vec![$((stringify!($name), Cell::from($value))),*] };
}

/// The rows of a filled relation; nothing for an empty one.
pub(crate) fn rows(name: &str, objects: &Objects) -> Result<Option<RecordBatch>> {
    let rows: Vec<Row> = match name {
        "pg_am" => vec![row! { oid: 2_u32, amname: "heap", amhandler: "heap_tableam_handler", amtype: 't' }],
        "pg_language" => [(12_u32, "internal", false), (14, "sql", true)]
            .into_iter()
            .map(|(oid, lanname, trusted)| row! { oid: oid, lanname: lanname, lanowner: OWNER.0, lanpltrusted: trusted })
            .collect(),
        "pg_tablespace" => vec![row! { oid: 1663_u32, spcname: "pg_default", spcowner: OWNER.0 }],
        "pg_authid" | "pg_roles" => vec![row! {
            oid: OWNER.0, rolname: OWNER.1, rolsuper: false, rolinherit: true, rolcanlogin: true, rolconnlimit: -1
        }],
        "pg_user" => vec![row! { usename: OWNER.1, usesysid: OWNER.0 }],
        "pg_database" => vec![row! {
            oid: DATABASE_OID, datname: objects.database.as_str(), datdba: OWNER.0, encoding: 6, datlocprovider: 'c', datallowconn: true,
            datconnlimit: -1, dattablespace: 1663_u32, datcollate: "C", datctype: "C"
        }],
        "pg_namespace" => objects
            .schemas
            .iter()
            .map(|schema| row! { oid: schema.oid, nspname: schema.name.as_str(), nspowner: OWNER.0 })
            .collect(),
        "pg_class" => classes(objects),
        "pg_attribute" => attributes(objects),
        "pg_type" => types(),
        "pg_proc" => functions(objects),
        "pg_description" => descriptions(objects),
        "pg_tables" => objects
            .relations
            .iter()
            .filter(|relation| !relation.is_view)
            .map(|relation| row! { schemaname: relation.schema.as_str(), tablename: relation.name.as_str(), tableowner: OWNER.1 })
            .collect(),
        "pg_views" => objects
            .relations
            .iter()
            .filter(|relation| relation.is_view)
            .map(|relation| {
                row! {
                    schemaname: relation.schema.as_str(), viewname: relation.name.as_str(), viewowner: OWNER.1,
                    definition: relation.definition.as_deref().unwrap_or_default()
                }
            })
            .collect(),
        "pg_settings" => crate::server::settings::Settings::defaults()
            .map(|(name, value, about)| {
                row! {
                    name: name, setting: value, category: "placido", short_desc: about, context: "user", vartype: "string",
                    source: "default", boot_val: value, reset_val: value
                }
            })
            .collect(),
        _ => return Ok(None),
    };
    batch(name, &rows)
}

fn classes(objects: &Objects) -> Vec<Row> {
    objects
        .relations
        .iter()
        .map(|relation| {
            row! {
                oid: relation.oid, relname: relation.name.as_str(), relnamespace: relation.schema_oid, relowner: OWNER.0,
                relam: if relation.is_view { 0_u32 } else { 2 }, reltuples: UNKNOWN_ROWS,
                relpersistence: if relation.schema.starts_with("pg_temp") { 't' } else { 'p' },
                relkind: if relation.is_view { 'v' } else { 'r' }, relnatts: i16::try_from(relation.columns.len()).unwrap_or(i16::MAX),
                relispopulated: true, relreplident: if relation.is_view { 'n' } else { 'd' }
            }
        })
        .collect()
}

fn attributes(objects: &Objects) -> Vec<Row> {
    let of_relation = |relation: &super::objects::RelationObject| {
        let relation_oid = relation.oid;
        relation
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                row! {
                    attrelid: relation_oid, attname: column.name.as_str(), atttypid: column.type_oid, attstattarget: -1,
                    attlen: column.type_size, attnum: i16::try_from(position + 1).unwrap_or(i16::MAX), attndims: column.dimensions,
                    attcacheoff: -1, atttypmod: column.modifier, attbyval: matches!(column.type_size, 1 | 2 | 4 | 8),
                    attalign: if column.type_size == 8 { 'd' } else { 'i' }, attstorage: if column.type_size < 0 { 'x' } else { 'p' },
                    attnotnull: column.not_null, attislocal: true
                }
            })
            .collect::<Vec<_>>()
    };
    objects.relations.iter().flat_map(of_relation).collect()
}

fn types() -> Vec<Row> {
    let number = |text: &str| text.parse::<i32>().unwrap_or(0);
    let truth = |text: &str| text == "t";
    pg_types()
        .map(|row| {
            let c = row.columns;
            row! {
                oid: row.oid, typname: row.name, typnamespace: PG_CATALOG_OID, typowner: OWNER.0, typlen: row.length, typbyval: truth(c[3]),
                typtype: c[4], typcategory: c[5], typispreferred: truth(c[6]), typisdefined: true, typdelim: c[7], typelem: number(c[8]),
                typarray: number(c[9]), typinput: c[10], typoutput: c[11], typreceive: c[12], typsend: c[13], typalign: c[14],
                typstorage: c[15], typtypmod: -1, typcollation: number(c[16]), typsubscript: c[17]
            }
        })
        .collect()
}

fn functions(objects: &Objects) -> Vec<Row> {
    objects
        .functions
        .iter()
        .map(|function| {
            row! {
                oid: function.oid, proname: function.name.as_str(), pronamespace: function.schema_oid, proowner: OWNER.0, prolang: 12_u32,
                procost: 1.0, prokind: function.kind, provolatile: function.volatility, proparallel: 's', pronargs: function.argument_count,
                // Result types depend on the arguments; `any` says so.
                prorettype: 2276_u32, prosrc: function.name.as_str()
            }
        })
        .collect()
}

fn descriptions(objects: &Objects) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |objoid: u32, classoid: u32, objsubid: i32, description: Option<&str>| {
        if let Some(description) = description {
            rows.push(row! { objoid: objoid, classoid: classoid, objsubid: objsubid, description: description });
        }
    };
    for schema in &objects.schemas {
        add(schema.oid, PG_NAMESPACE_OID, 0, schema.comment.as_deref());
    }
    for relation in &objects.relations {
        add(relation.oid, PG_CLASS_OID, 0, relation.summary.as_deref());
        for (position, column) in relation.columns.iter().enumerate() {
            add(relation.oid, PG_CLASS_OID, i32::try_from(position + 1).unwrap_or(i32::MAX), column.comment.as_deref());
        }
    }
    for function in &objects.functions {
        add(function.oid, PG_PROC_OID, 0, function.comment.as_deref());
    }
    rows
}

/// The description of an object, by the catalog that it stands in.
pub(crate) fn description(objects: &Objects, class: Option<&str>, oid: u32) -> Option<String> {
    let class = class.map(|class| class.trim_start_matches("pg_catalog."));
    let relation = || objects.relation(oid).and_then(|relation| relation.summary.clone());
    let function = || objects.function(oid).and_then(|function| function.comment.clone());
    let schema = || objects.schemas.iter().find(|schema| schema.oid == oid).and_then(|schema| schema.comment.clone());
    match class {
        Some("pg_class") => relation(),
        Some("pg_proc") => function(),
        Some("pg_namespace") => schema(),
        Some(_) => None,
        None => relation().or_else(function).or_else(schema),
    }
}

/// The description of a database or role.
pub(crate) fn shared_description(class: &str, oid: u32) -> Option<String> {
    let database = class.trim_start_matches("pg_catalog.") == "pg_database" && oid == DATABASE_OID;
    database.then(|| "the lake and its layers".to_owned())
}

fn batch(name: &str, rows: &[Row]) -> Result<Option<RecordBatch>> {
    let Some(relation) = relations::relation(name) else { return Ok(None) };
    let schema = relation.schema();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (field, (column, pg_type)) in schema.fields().iter().zip(&relation.columns) {
        if rows.is_empty() {
            arrays.push(new_null_array(field.data_type(), 0));
            continue;
        }
        let scalars = rows.iter().map(|row| {
            let cell = row.iter().find(|(name, _)| name == column).map(|(_, cell)| cell);
            scalar(cell, pg_type, field.data_type())
        });
        arrays.push(ScalarValue::iter_to_array(scalars.collect::<Result<Vec<_>>>()?)?);
    }
    Ok(Some(RecordBatch::try_new(Arc::clone(&schema), arrays)?))
}

fn scalar(cell: Option<&Cell>, pg_type: &str, data_type: &DataType) -> Result<ScalarValue> {
    let scalar = match (cell, pg_type) {
        (Some(Cell::Bool(value)), _) => ScalarValue::Boolean(Some(*value)),
        (Some(Cell::Int(value)), _) => ScalarValue::Int64(Some(*value)),
        (Some(Cell::Float(value)), _) => ScalarValue::Float64(Some(*value)),
        (Some(Cell::Text(value)), _) => ScalarValue::Utf8(Some(value.clone())),
        (None, "bool") => ScalarValue::Boolean(Some(false)),
        (None, "int2" | "int4" | "int8" | "oid" | "xid") => ScalarValue::Int64(Some(0)),
        (None, "float4" | "float8") => ScalarValue::Float64(Some(0.0)),
        (None, "char" | "name") => ScalarValue::Utf8(Some(String::new())),
        (None, "regproc") => ScalarValue::Utf8(Some("-".into())),
        (None, _) => ScalarValue::try_from(data_type)?,
    };
    if scalar.data_type() == *data_type { Ok(scalar) } else { scalar.cast_to(data_type) }
}
