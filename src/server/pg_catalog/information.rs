//! The rows of `information_schema`: the same objects as in `pg_catalog`, as the SQL standard names them.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::cells::{Row, batch, row};
use super::objects::{ColumnObject, FunctionObject, OWNER, Objects, RelationObject, SchemaObject};
use super::pg_types::{format_type, pg_type};
use super::relations::INFORMATION_SCHEMA;
use super::roles::RoleBook;
use crate::access::roles::{PUBLIC, Privilege};

/// Octets of the longest text.
const TEXT_OCTETS: i32 = 1_073_741_824;

/// The rows of a filled view; nothing for an empty one.
pub(crate) fn rows(name: &str, objects: &Objects, book: &RoleBook) -> Result<Option<RecordBatch>> {
    let database = objects.database.as_str();
    let rows: Vec<Row> = match name {
        "information_schema_catalog_name" => vec![row! { catalog_name: database }],
        "applicable_roles" => book.applicable_rows(false),
        "administrable_role_authorizations" => book.applicable_rows(true),
        "enabled_roles" => book.enabled_rows(),
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
            .map(|schema| {
                row! {
                    catalog_name: database, schema_name: schema.name.as_str(), schema_owner: book.owner_of_schema(&schema.name)
                }
            })
            .collect(),
        "tables" => objects.relations.iter().map(|relation| table(database, relation)).collect(),
        "views" => {
            objects.relations.iter().filter(|relation| relation.is_view).map(|relation| view(database, relation)).collect()
        }
        "columns" => each_column(objects, |relation, position, column| vec![self::column(database, relation, position, column)]),
        "element_types" => each_column(objects, |relation, position, column| element(database, relation, position, column)),
        "table_privileges" | "role_table_grants" => {
            let all = |relation| privileges(database, relation, book, name == "table_privileges", &Privilege::OF_RELATION);
            objects.relations.iter().flat_map(all).collect()
        }
        "column_privileges" | "role_column_grants" => {
            let of_relation = |relation| {
                let rows = privileges(database, relation, book, name == "column_privileges", OF_COLUMN);
                each_of(relation, |_, column| rows.iter().map(|row| of_column(row, column)).collect())
            };
            objects.relations.iter().flat_map(of_relation).collect()
        }
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

/// The rights that a column can have; the others are those of a whole table.
const OF_COLUMN: &[Privilege] = &[Privilege::Insert, Privilege::Select, Privilege::Update, Privilege::References];

fn each_column(objects: &Objects, rows: impl Fn(&RelationObject, usize, &ColumnObject) -> Vec<Row>) -> Vec<Row> {
    let of_relation = |relation| each_of(relation, |position, column| rows(relation, position, column));
    objects.relations.iter().flat_map(of_relation).collect()
}

fn each_of(relation: &RelationObject, rows: impl Fn(usize, &ColumnObject) -> Vec<Row>) -> Vec<Row> {
    relation.columns.iter().enumerate().flat_map(|(index, column)| rows(index + 1, column)).collect()
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

/// The rights on a relation that concern whoever asks: those that a role of theirs gave or has, and those of everybody where they
/// are asked for. The owner is who gave them.
fn privileges(database: &str, relation: &RelationObject, book: &RoleBook, of_everybody: bool, wanted: &[Privilege]) -> Vec<Row> {
    let owner = book.owner_of_relation(&relation.schema, &relation.name);
    let gave = book.is_enabled(owner);
    let shown = |to: &str| match to == PUBLIC {
        true => of_everybody || gave,
        false => gave || book.is_enabled(to),
    };
    let owns = |to: &str| to != PUBLIC && book.rights_of(to).include(owner);
    let grants = book.grants_on_relation(&relation.schema, &relation.name).into_iter();
    let row = |(to, privilege, grantable): (String, Privilege, bool)| {
        row! {
            grantor: owner, grantee: if to == PUBLIC { "PUBLIC" } else { to.as_str() }, table_catalog: database,
            table_schema: relation.schema.as_str(), table_name: relation.name.as_str(), privilege_type: privilege.as_str(),
            is_grantable: if grantable || owns(&to) { "YES" } else { "NO" },
            with_hierarchy: if privilege == Privilege::Select { "YES" } else { "NO" }
        }
    };
    grants.filter(|(to, privilege, _)| wanted.contains(privilege) && shown(to)).map(row).collect()
}

/// A right on a relation as one on a column of it.
fn of_column(row: &Row, column: &ColumnObject) -> Row {
    let mut row: Row = row.iter().filter(|(name, _)| *name != "with_hierarchy").cloned().collect();
    row.push(("column_name", column.name.as_str().into()));
    row
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
