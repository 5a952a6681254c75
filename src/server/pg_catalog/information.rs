//! The rows of `information_schema`: the same objects as in `pg_catalog`, as the SQL standard names them.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::cells::{Row, batch, row};
use super::objects::{ColumnObject, FunctionObject, OWNER, Objects, RelationObject, SchemaObject, format_type, pg_type};
use super::relations::INFORMATION_SCHEMA;

/// Octets of the longest text.
const TEXT_OCTETS: i32 = 1_073_741_824;

/// The rows of a filled view; nothing for an empty one.
pub(crate) fn rows(name: &str, objects: &Objects) -> Result<Option<RecordBatch>> {
    let database = objects.database.as_str();
    let rows: Vec<Row> = match name {
        "information_schema_catalog_name" => vec![row! { catalog_name: database }],
        "applicable_roles" => vec![row! { grantee: OWNER.1, role_name: OWNER.1, is_grantable: "NO" }],
        "enabled_roles" => vec![row! { role_name: OWNER.1 }],
        "character_sets" => vec![row! {
            character_set_name: "UTF8", character_repertoire: "UCS", form_of_use: "UTF8", default_collate_catalog: database
        }],
        "collations" => COLLATIONS
            .iter()
            .map(|(_, collation)| {
                row! {
                    collation_catalog: database, collation_schema: super::SCHEMA, collation_name: *collation,
                    pad_attribute: "NO PAD"
                }
            })
            .collect(),
        "collation_character_set_applicability" => COLLATIONS
            .iter()
            .map(|(_, collation)| {
                row! {
                    collation_catalog: database, collation_schema: super::SCHEMA, collation_name: *collation,
                    character_set_name: "UTF8"
                }
            })
            .collect(),
        "schemata" => objects
            .schemas
            .iter()
            .map(|schema| row! { catalog_name: database, schema_name: schema.name.as_str(), schema_owner: OWNER.1 })
            .collect(),
        "tables" => objects.relations.iter().map(|relation| table(database, relation)).collect(),
        "views" => {
            objects.relations.iter().filter(|relation| relation.is_view).map(|relation| view(database, relation)).collect()
        }
        "columns" => each_column(objects, |relation, position, column| vec![self::column(database, relation, position, column)]),
        "element_types" => each_column(objects, |relation, position, column| element(database, relation, position, column)),
        "table_privileges" | "role_table_grants" => {
            objects.relations.iter().map(|relation| privilege(database, relation)).collect()
        }
        "column_privileges" => each_column(objects, |relation, _, column| {
            let mut row = privilege(database, relation);
            row.push(("column_name", column.name.as_str().into()));
            vec![row]
        }),
        "routines" => objects.functions.iter().map(|function| routine(database, objects, function)).collect(),
        "parameters" => objects.functions.iter().flat_map(|function| parameters(database, objects, function)).collect(),
        "routine_privileges" => objects
            .functions
            .iter()
            .map(|function| {
                let mut row = routine_name(database, objects, function);
                row.extend(row! {
                    grantor: OWNER.1, grantee: "PUBLIC", routine_catalog: database,
                    routine_schema: schema_of(objects, function.schema_oid), routine_name: function.name.as_str(),
                    privilege_type: "EXECUTE", is_grantable: "NO"
                });
                row
            })
            .collect(),
        _ => return Ok(None),
    };
    batch(INFORMATION_SCHEMA, name, &rows)
}

/// The collations that PostgreSQL always has, as `pg_collation` numbers them.
const COLLATIONS: [(u32, &str); 3] = [(100, "default"), (950, "C"), (951, "POSIX")];

fn each_column(objects: &Objects, rows: impl Fn(&RelationObject, usize, &ColumnObject) -> Vec<Row>) -> Vec<Row> {
    let of_relation = |relation: &RelationObject| -> Vec<Row> {
        relation.columns.iter().enumerate().flat_map(|(index, column)| rows(relation, index + 1, column)).collect()
    };
    objects.relations.iter().flat_map(of_relation).collect()
}

fn table(database: &str, relation: &RelationObject) -> Row {
    let kind = match (relation.is_view, relation.is_temporary()) {
        (true, _) => "VIEW",
        (false, true) => "LOCAL TEMPORARY",
        (false, false) => "BASE TABLE",
    };
    row! {
        table_catalog: database, table_schema: relation.schema.as_str(), table_name: relation.name.as_str(), table_type: kind,
        is_insertable_into: "NO", is_typed: "NO"
    }
}

fn view(database: &str, relation: &RelationObject) -> Row {
    row! {
        table_catalog: database, table_schema: relation.schema.as_str(), table_name: relation.name.as_str(),
        view_definition: relation.definition.as_deref(), check_option: "NONE", is_updatable: "NO", is_insertable_into: "NO",
        is_trigger_updatable: "NO", is_trigger_deletable: "NO", is_trigger_insertable_into: "NO"
    }
}

fn column(database: &str, relation: &RelationObject, position: usize, column: &ColumnObject) -> Row {
    let mut row = row! {
        table_catalog: database, table_schema: relation.schema.as_str(), table_name: relation.name.as_str(),
        column_name: column.name.as_str(), ordinal_position: position, is_nullable: if column.not_null { "NO" } else { "YES" },
        dtd_identifier: position.to_string(), is_self_referencing: "NO", is_identity: "NO", identity_cycle: "NO",
        is_generated: "NEVER", is_updatable: "NO"
    };
    row.extend(type_of(database, column.type_oid, column.modifier));
    row
}

/// The columns that describe a type: its name, and how long or exact its values are.
fn type_of(database: &str, oid: u32, modifier: i32) -> Row {
    let known = pg_type(oid);
    let name = known.map_or("text", |known| known.name);
    let is_array = known.is_some_and(|known| known.is_array());
    let (precision, radix, scale) = match name {
        "int2" => (Some(16), Some(2), Some(0)),
        "int4" => (Some(32), Some(2), Some(0)),
        "int8" => (Some(64), Some(2), Some(0)),
        "float4" => (Some(24), Some(2), None),
        "float8" => (Some(53), Some(2), None),
        "numeric" if modifier >= 4 => (Some((modifier - 4) >> 16), Some(10), Some((modifier - 4) & 0xffff)),
        "numeric" => (None, Some(10), None),
        _ => (None, None, None),
    };
    let times = match name {
        "date" => Some(0),
        "time" | "timestamp" | "timestamptz" | "interval" => Some(6),
        _ => None,
    };
    row! {
        data_type: if is_array { "ARRAY".to_owned() } else { format_type(oid, None) },
        character_octet_length: matches!(name, "text" | "varchar").then_some(TEXT_OCTETS),
        numeric_precision: precision, numeric_precision_radix: radix, numeric_scale: scale, datetime_precision: times,
        udt_catalog: database, udt_schema: super::SCHEMA, udt_name: name
    }
}

fn element(database: &str, relation: &RelationObject, position: usize, column: &ColumnObject) -> Vec<Row> {
    let Some(element) = pg_type(column.type_oid).filter(|known| known.is_array()).and_then(|array| pg_type(array.element()))
    else {
        return Vec::new();
    };
    vec![row! {
        object_catalog: database, object_schema: relation.schema.as_str(), object_name: relation.name.as_str(),
        object_type: "TABLE", collection_type_identifier: position.to_string(), data_type: format_type(element.oid, None),
        udt_catalog: database, udt_schema: super::SCHEMA, udt_name: element.name, dtd_identifier: format!("a{position}")
    }]
}

fn privilege(database: &str, relation: &RelationObject) -> Row {
    row! {
        grantor: OWNER.1, grantee: OWNER.1, table_catalog: database, table_schema: relation.schema.as_str(),
        table_name: relation.name.as_str(), privilege_type: "SELECT", is_grantable: "NO", with_hierarchy: "YES"
    }
}

fn schema_of(objects: &Objects, oid: u32) -> Option<&str> {
    objects.schemas.iter().find(|schema: &&SchemaObject| schema.oid == oid).map(|schema| schema.name.as_str())
}

fn routine_name(database: &str, objects: &Objects, function: &FunctionObject) -> Row {
    row! {
        specific_catalog: database, specific_schema: schema_of(objects, function.schema_oid),
        specific_name: format!("{}_{}", function.name, function.oid)
    }
}

fn routine(database: &str, objects: &Objects, function: &FunctionObject) -> Row {
    let mut row = routine_name(database, objects, function);
    row.extend(row! {
        routine_catalog: database, routine_schema: schema_of(objects, function.schema_oid),
        routine_name: function.name.as_str(), routine_type: (function.kind == 'f').then_some("FUNCTION"),
        data_type: if pg_type(function.shape.result).is_some_and(|known| known.is_array()) {
            "ARRAY".to_owned()
        } else {
            format_type(function.shape.result, None)
        },
        type_udt_catalog: database, type_udt_schema: super::SCHEMA, type_udt_name: pg_type(function.shape.result).map(|known| known.name),
        dtd_identifier: "0", routine_body: "EXTERNAL", external_name: function.name.as_str(), external_language: "INTERNAL",
        parameter_style: "GENERAL", is_deterministic: if function.volatility == 'i' { "YES" } else { "NO" },
        sql_data_access: "MODIFIES", is_null_call: "NO", schema_level_routine: "YES", max_dynamic_result_sets: 0,
        security_type: "INVOKER", as_locator: "NO", is_udt_dependent: "NO"
    });
    row
}

fn parameters(database: &str, objects: &Objects, function: &FunctionObject) -> Vec<Row> {
    let parameter = |(index, argument): (usize, &super::signatures::Argument)| {
        let mut row = routine_name(database, objects, function);
        row.extend(row! {
            ordinal_position: index + 1, parameter_mode: "IN", is_result: "NO", as_locator: "NO",
            parameter_name: argument.name.as_deref(), dtd_identifier: (index + 1).to_string(),
            parameter_default: argument.default.as_deref()
        });
        // A parameter has no length, and its precision is not told.
        let told = |name: &str| matches!(name, "data_type" | "udt_catalog" | "udt_schema" | "udt_name");
        row.extend(type_of(database, argument.type_oid, -1).into_iter().filter(|(name, _)| told(name)));
        row
    };
    function.shape.arguments.iter().enumerate().map(parameter).collect()
}
