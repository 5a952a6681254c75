//! The shapes of the relations of `pg_catalog` and `information_schema`, read from `relations.txt` and `information_schema.txt`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::server::types::PG_TYPE_KEY;

/// The standard's schema.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// The relations of `pg_catalog` that [`super::rows`] fills, and those of a session. Every other one is empty for good, which
/// [`is_always_empty`] tells.
pub(crate) const FILLED: &[&str] = &[
    "pg_aggregate",
    "pg_am",
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_cast",
    "pg_class",
    CURSORS,
    "pg_database",
    "pg_description",
    KEYWORDS,
    "pg_group",
    "pg_language",
    "pg_namespace",
    PREPARED,
    "pg_proc",
    "pg_range",
    "pg_rewrite",
    "pg_roles",
    SETTINGS,
    "pg_shadow",
    "pg_shdescription",
    ACTIVITY,
    "pg_stat_all_tables",
    "pg_stat_database",
    "pg_stat_user_tables",
    "pg_tables",
    "pg_tablespace",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// The views of `information_schema` that [`super::information`] fills.
pub(crate) const INFORMATION_FILLED: &[&str] = &[
    "administrable_role_authorizations",
    "applicable_roles",
    "character_sets",
    "collation_character_set_applicability",
    "collations",
    "column_privileges",
    "columns",
    "element_types",
    "enabled_roles",
    "information_schema_catalog_name",
    "parameters",
    "role_column_grants",
    "role_table_grants",
    "routine_privileges",
    "routines",
    "schemata",
    "table_privileges",
    "tables",
    "views",
];

/// The relation whose rows are the prepared statements of the session that asks.
pub(crate) const PREPARED: &str = "pg_prepared_statements";
/// The relation whose rows are the cursors of the session that asks.
pub(crate) const CURSORS: &str = "pg_cursors";
/// The relation whose rows are the sessions of the server.
pub(crate) const ACTIVITY: &str = "pg_stat_activity";

/// The relation whose rows are the settings of the session that asks.
pub(crate) const SETTINGS: &str = "pg_settings";

/// The set-returning function of this name, read as a relation.
pub(crate) const KEYWORDS: &str = "pg_get_keywords";

/// Functions of no arguments that return the rows of a relation.
pub(crate) const SETS: &[(&str, &str)] = &[
    (KEYWORDS, KEYWORDS),
    ("pg_show_all_settings", SETTINGS),
    ("pg_prepared_statement", PREPARED),
    ("pg_cursor", CURSORS),
    ("pg_lock_status", "pg_locks"),
    ("pg_prepared_xact", "pg_prepared_xacts"),
    ("pg_timezone_names", "pg_timezone_names"),
    ("pg_timezone_abbrevs", "pg_timezone_abbrevs"),
    ("pg_available_extensions", "pg_available_extensions"),
    ("pg_available_extension_versions", "pg_available_extension_versions"),
    ("pg_show_all_file_settings", "pg_file_settings"),
    ("pg_hba_file_rules", "pg_hba_file_rules"),
    ("pg_config", "pg_config"),
    ("pg_get_replication_slots", "pg_replication_slots"),
];

/// What is a view in PostgreSQL's `pg_catalog`; everything else is a table.
const SYSTEM_VIEWS: &[&str] = &[
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_cursors",
    "pg_file_settings",
    "pg_group",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_indexes",
    "pg_locks",
    "pg_matviews",
    "pg_policies",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_publication_tables",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_roles",
    "pg_rules",
    "pg_seclabels",
    "pg_sequences",
    "pg_settings",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_stat_activity",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_archiver",
    "pg_stat_bgwriter",
    "pg_stat_database",
    "pg_stat_database_conflicts",
    "pg_stat_gssapi",
    "pg_stat_progress_analyze",
    "pg_stat_progress_basebackup",
    "pg_stat_progress_cluster",
    "pg_stat_progress_copy",
    "pg_stat_progress_create_index",
    "pg_stat_progress_vacuum",
    "pg_stat_recovery_prefetch",
    "pg_stat_replication",
    "pg_stat_replication_slots",
    "pg_stat_slru",
    "pg_stat_ssl",
    "pg_stat_subscription",
    "pg_stat_subscription_stats",
    "pg_stat_sys_indexes",
    "pg_stat_sys_tables",
    "pg_stat_user_functions",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_stat_wal",
    "pg_stat_wal_receiver",
    "pg_stat_xact_all_tables",
    "pg_stat_xact_sys_tables",
    "pg_stat_xact_user_functions",
    "pg_stat_xact_user_tables",
    "pg_statio_all_indexes",
    "pg_statio_all_sequences",
    "pg_statio_all_tables",
    "pg_statio_sys_indexes",
    "pg_statio_sys_sequences",
    "pg_statio_sys_tables",
    "pg_statio_user_indexes",
    "pg_statio_user_sequences",
    "pg_statio_user_tables",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_tables",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_user",
    "pg_user_mappings",
    "pg_views",
];

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

type Shapes = BTreeMap<&'static str, Relation>;

static PG_CATALOG: LazyLock<Shapes> = LazyLock::new(|| read(include_str!("relations.txt")));
static INFORMATION: LazyLock<Shapes> = LazyLock::new(|| read(include_str!("information_schema.txt")));

fn read(text: &'static str) -> Shapes {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, columns) = line.split_once(": ")?;
            let columns: Vec<_> = columns.split(", ").filter_map(|column| column.split_once(' ')).collect();
            let fields = columns.iter().map(|(name, pg_type)| field(name, pg_type)).collect::<Vec<_>>();
            Some((name, Relation { columns, schema: Arc::new(Schema::new(fields)) }))
        })
        .collect()
}

fn shapes(schema: &str) -> Option<&'static Shapes> {
    match schema {
        super::SCHEMA => Some(&PG_CATALOG),
        INFORMATION_SCHEMA => Some(&INFORMATION),
        _ => None,
    }
}

/// The relation of this name.
pub(crate) fn relation(schema: &str, name: &str) -> Option<&'static Relation> {
    shapes(schema)?.get(name)
}

/// The names of all relations of a schema, in order.
pub(crate) fn names(schema: &str) -> impl Iterator<Item = &'static str> {
    shapes(schema).into_iter().flat_map(|shapes| shapes.keys().copied())
}

/// Whether a relation of the catalog never has a row here.
pub(crate) fn is_always_empty(schema: &str, name: &str) -> bool {
    let filled = if schema == INFORMATION_SCHEMA { INFORMATION_FILLED } else { FILLED };
    relation(schema, name).is_some() && !filled.contains(&name)
}

/// Whether PostgreSQL has a view of this name in `pg_catalog`.
pub(crate) fn is_system_view(name: &str) -> bool {
    SYSTEM_VIEWS.contains(&name)
}

/// A column of a PostgreSQL type.
pub(crate) fn field(name: &str, pg_type: &str) -> Field {
    let field = Field::new(name, arrow_type(pg_type), true);
    match pg_type {
        "oid" | "name" | "char" | "xid" | "_oid" | "oidvector" | "int2vector" | "_name" | "varchar" | "bpchar" | "cid"
        | "json" | "jsonb" | "void" => field.with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), pg_type.to_owned())])),
        names if names.starts_with("reg") || names.starts_with("_reg") => {
            field.with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), names.to_owned())]))
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
        "oid" | "xid" | "cid" => DataType::UInt32,
        names if names.starts_with("reg") => DataType::UInt32,
        "bytea" => DataType::Binary,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "numeric" => DataType::Decimal128(38, 10),
        "_oid" | "oidvector" => list(DataType::UInt32),
        names if names.starts_with("_reg") => list(DataType::UInt32),
        "_int2" | "int2vector" => list(DataType::Int16),
        "_bool" => list(DataType::Boolean),
        "_int4" => list(DataType::Int32),
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
            assert!(relation("pg_catalog", name).is_some(), "{name}");
        }
        for name in INFORMATION_FILLED {
            assert!(relation("information_schema", name).is_some(), "{name}");
        }
        assert_eq!(relation("pg_catalog", "pg_namespace").unwrap().columns.len(), 4);
        // PostgreSQL 15: select count(*) from information_schema.columns where table_schema = 'information_schema' and …
        assert_eq!(relation("information_schema", "columns").unwrap().columns.len(), 44);
        assert!(is_always_empty("pg_catalog", "pg_index") && !is_always_empty("pg_catalog", "pg_class"));
        assert!(is_always_empty("information_schema", "key_column_usage") && !is_always_empty("gold", "eye_features"));
    }
}
