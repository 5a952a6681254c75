//! The shapes of the relations of `pg_catalog`, read from `relations.txt`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::server::types::PG_TYPE_KEY;

/// The relations that [`super::rows`] fills, and those of a session. Every other one is empty for good, which [`is_always_empty`] tells.
pub(crate) const FILLED: &[&str] = &[
    "pg_am",
    "pg_attribute",
    "pg_authid",
    "pg_class",
    "pg_database",
    "pg_description",
    "pg_language",
    "pg_namespace",
    PREPARED,
    "pg_proc",
    "pg_roles",
    "pg_settings",
    "pg_tables",
    "pg_tablespace",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// The relation whose rows are those of the session that asks.
pub(crate) const PREPARED: &str = "pg_prepared_statements";

/// Name, columns and their PostgreSQL types.
pub(crate) struct Relation {
    pub(crate) columns: Vec<(&'static str, &'static str)>,
    schema: SchemaRef,
}

impl Relation {
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

static RELATIONS: LazyLock<BTreeMap<&'static str, Relation>> = LazyLock::new(|| {
    include_str!("relations.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, columns) = line.split_once(": ")?;
            let columns: Vec<_> = columns.split(", ").filter_map(|column| column.split_once(' ')).collect();
            let fields = columns.iter().map(|(name, pg_type)| field(name, pg_type)).collect::<Vec<_>>();
            Some((name, Relation { columns, schema: Arc::new(Schema::new(fields)) }))
        })
        .collect()
});

/// The relation of this name.
pub(crate) fn relation(name: &str) -> Option<&'static Relation> {
    RELATIONS.get(name)
}

/// The names of all relations, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    RELATIONS.keys().copied()
}

/// Whether a relation of `pg_catalog` never has a row here.
pub(crate) fn is_always_empty(name: &str) -> bool {
    RELATIONS.contains_key(name) && !FILLED.contains(&name)
}

fn field(name: &str, pg_type: &str) -> Field {
    let field = Field::new(name, arrow_type(pg_type), true);
    match pg_type {
        "oid" | "name" | "char" | "xid" | "_oid" | "oidvector" | "int2vector" | "_name" => {
            field.with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), pg_type.to_owned())]))
        }
        _ => field,
    }
}

fn arrow_type(pg_type: &str) -> DataType {
    let list = |element: DataType| DataType::List(Arc::new(Field::new_list_field(element, true)));
    match pg_type {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "oid" | "xid" => DataType::UInt32,
        "bytea" => DataType::Binary,
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "numeric" => DataType::Decimal128(38, 10),
        "_oid" | "oidvector" => list(DataType::UInt32),
        "_int2" | "int2vector" => list(DataType::Int16),
        "_bool" => list(DataType::Boolean),
        "_float4" => list(DataType::Float32),
        "_float8" => list(DataType::Float64),
        array if array.starts_with('_') && array != "_pg_statistic" => list(DataType::Utf8),
        _ => DataType::Utf8,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_filled_relation_exists_and_shapes_are_read() {
        for name in FILLED {
            assert!(relation(name).is_some(), "{name}");
        }
        assert_eq!(relation("pg_namespace").unwrap().columns.len(), 4);
        assert!(is_always_empty("pg_index") && !is_always_empty("pg_class") && !is_always_empty("eye_features"));
    }
}
