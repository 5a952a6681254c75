//! The rows of the filled relations of `pg_catalog`.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::cells::{Row, batch, row};
use super::objects::{
    DATABASE_OID, OWNER, Objects, PG_CATALOG_OID, PG_CLASS_OID, PG_DATABASE_OID, PG_NAMESPACE_OID, PG_PROC_OID, RelationObject,
};
use super::pg_types::pg_types;
use super::roles::RoleBook;
use super::{lists, relations};

/// Sizes in `pg_class` and its relatives are not known here.
const UNKNOWN_ROWS: f64 = -1.0;
/// What PostgreSQL takes a set to have.
const SET_ROWS: f64 = 1_000.0;

/// The rows of a filled relation; nothing for an empty one.
pub(crate) fn rows(name: &str, objects: &Objects, book: &RoleBook) -> Result<Option<RecordBatch>> {
    let rows: Vec<Row> = match name {
        "pg_am" => {
            [(2_u32, "heap", "heap_tableam_handler", 't'), (403, "btree", "bthandler", 'i'), (405, "hash", "hashhandler", 'i')]
                .into_iter()
                .map(|(oid, name, handler, kind)| row! { oid: oid, amname: name, amhandler: handler, amtype: kind })
                .collect()
        }
        "pg_range" => RANGES
            .iter()
            .map(|(range, subtype, multirange, class)| {
                row! { rngtypid: *range, rngsubtype: *subtype, rngmultitypid: *multirange, rngsubopc: *class }
            })
            .collect(),
        "pg_shdescription" => {
            vec![
                row! { objoid: DATABASE_OID, classoid: PG_DATABASE_OID, description: shared_description("pg_database", DATABASE_OID) },
            ]
        }
        relations::KEYWORDS => include_str!("keywords.txt").lines().filter_map(keyword).collect(),
        "pg_stat_database" => vec![row! { datid: DATABASE_OID, datname: objects.database.as_str() }],
        "pg_stat_all_tables" => tables(objects).map(statistics).collect(),
        "pg_stat_user_tables" => tables(objects).filter(|relation| !is_system(&relation.schema)).map(statistics).collect(),
        "pg_aggregate" => lists::aggregates(objects),
        "pg_cast" => lists::casts(),
        "pg_language" => lists::languages(),
        "pg_rewrite" => lists::rules(objects),
        "pg_tablespace" => vec![row! { oid: 1663_u32, spcname: "pg_default", spcowner: OWNER.0 }],
        "pg_authid" | "pg_roles" => book.roles_rows(),
        "pg_user" | "pg_shadow" => book.users_rows(),
        "pg_group" => book.groups_rows(),
        "pg_auth_members" => book.members_rows(),
        "pg_database" => vec![row! {
            oid: DATABASE_OID, datname: objects.database.as_str(), datdba: book.oid(OWNER.1), encoding: 6, datlocprovider: 'c', datallowconn: true,
            datconnlimit: -1, dattablespace: 1663_u32, datcollate: "C", datctype: "C"
        }],
        "pg_namespace" => objects
            .schemas
            .iter()
            .map(|schema| {
                row! {
                    oid: schema.oid, nspname: schema.name.as_str(), nspowner: book.oid(book.owner_of_schema(&schema.name)),
                    nspacl: book.acl_of_schema(&schema.name)
                }
            })
            .collect(),
        "pg_class" => classes(objects, book),
        "pg_attribute" => attributes(objects),
        "pg_type" => types(),
        "pg_proc" => functions(objects),
        "pg_description" => descriptions(objects),
        "pg_tables" => objects
            .relations
            .iter()
            .filter(|relation| !relation.is_view)
            .map(|relation| {
                row! {
                    schemaname: relation.schema.as_str(), tablename: relation.name.as_str(),
                    tableowner: book.owner_of_relation(&relation.schema, &relation.name)
                }
            })
            .collect(),
        "pg_views" => objects
            .relations
            .iter()
            .filter(|relation| relation.is_view)
            .map(|relation| {
                row! {
                    schemaname: relation.schema.as_str(), viewname: relation.name.as_str(),
                    viewowner: book.owner_of_relation(&relation.schema, &relation.name),
                    definition: relation.definition.as_deref().unwrap_or_default()
                }
            })
            .collect(),
        _ => return Ok(None),
    };
    batch(super::SCHEMA, name, &rows)
}

fn classes(objects: &Objects, book: &RoleBook) -> Vec<Row> {
    objects
        .relations
        .iter()
        .map(|relation| {
            row! {
                oid: relation.oid, relname: relation.name.as_str(), relnamespace: relation.schema_oid,
                relowner: book.oid(book.owner_of_relation(&relation.schema, &relation.name)), relacl: book.acl_of_relation(relation),
                reloptions: book.options_of_relation(relation),
                relam: if relation.is_view { 0_u32 } else { 2 }, reltuples: UNKNOWN_ROWS, relpersistence: if relation.is_temporary() { 't' } else { 'p' }, relhasrules: relation.is_view,
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
    let function = |function: &super::objects::FunctionObject| {
        let shape = &function.shape;
        let arguments = &shape.arguments;
        let named = arguments.iter().any(|argument| argument.name.is_some());
        let names = named.then(|| arguments.iter().map(|argument| argument.name.clone().unwrap_or_default()).collect::<Vec<_>>());
        let oids = arguments.iter().map(|argument| argument.type_oid.to_string()).collect::<Vec<_>>();
        row! {
            oid: function.oid, proname: function.name.as_str(), pronamespace: function.schema_oid, proowner: OWNER.0, prolang: 12_u32,
            procost: 1.0, prokind: function.kind, provolatile: function.volatility, proparallel: 's', pronargs: arguments.len(),
            provariadic: if shape.variadic { arguments.last().map_or(0, |last| last.type_oid) } else { 0 },
            pronargdefaults: arguments.iter().filter(|argument| argument.default.is_some()).count(),
            prorettype: shape.result, proretset: shape.set, prorows: if shape.set { SET_ROWS } else { 0.0 }, proargtypes: oids, proargnames: names, prosrc: function.name.as_str()
        }
    };
    objects.functions.iter().map(function).collect()
}

/// Range types: the range, what it spans, its multirange, the operator class (PostgreSQL's `pg_range`).
const RANGES: &[(u32, u32, u32, u32)] = &[
    (3904, 23, 4451, 1978),
    (3906, 1700, 4532, 3125),
    (3908, 1114, 4533, 3128),
    (3910, 1184, 4534, 3127),
    (3912, 1082, 4535, 3122),
    (3926, 20, 4536, 3124),
];

fn is_system(schema: &str) -> bool {
    schema == super::SCHEMA || schema == relations::INFORMATION_SCHEMA
}

fn tables(objects: &Objects) -> impl Iterator<Item = &RelationObject> {
    objects.relations.iter().filter(|relation| !relation.is_view)
}

fn statistics(relation: &RelationObject) -> Row {
    row! { relid: relation.oid, schemaname: relation.schema.as_str(), relname: relation.name.as_str() }
}

/// A line of `keywords.txt`: the word, its category, whether it may be a label without AS.
fn keyword(line: &str) -> Option<Row> {
    let mut parts = line.split(' ');
    let (word, category, label) = (parts.next().filter(|word| *word != "#")?, parts.next()?, parts.next()? == "t");
    let described = match category {
        "U" => "unreserved",
        "C" => "unreserved (cannot be function or type name)",
        "T" => "reserved (can be function or type name)",
        _ => "reserved",
    };
    Some(row! {
        word: word, catcode: category, barelabel: label, catdesc: described,
        baredesc: if label { "can be bare label" } else { "requires AS" }
    })
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
