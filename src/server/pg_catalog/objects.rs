//! What a catalogue snapshot holds, with stable object identifiers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use datafusion::catalog::CatalogProvider;
use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Documentation, Signature, TypeSignature, Volatility};

use super::relations;
use crate::server::{Sessions, types};

/// The owner of everything.
pub(crate) const OWNER: (u32, &str) = (10, "placido");
pub(crate) const PG_CATALOG_OID: u32 = 11;
pub(crate) const PUBLIC_OID: u32 = 2200;
pub(crate) const INFORMATION_SCHEMA_OID: u32 = 13_000;
pub(crate) const DATABASE_OID: u32 = 5;
/// `pg_class.oid` of the catalogs that other rows point at with `classoid`.
pub(crate) const PG_CLASS_OID: u32 = 1259;
pub(crate) const PG_PROC_OID: u32 = 1255;
pub(crate) const PG_NAMESPACE_OID: u32 = 2615;
pub(crate) const PG_DATABASE_OID: u32 = 1262;
/// The first identifier that is not PostgreSQL's own.
const FIRST_OID: u32 = 16_384;

/// A table or view.
#[derive(Debug)]
pub(crate) struct RelationObject {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) schema_oid: u32,
    pub(crate) name: String,
    pub(crate) is_view: bool,
    pub(crate) definition: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) columns: Vec<ColumnObject>,
}

#[derive(Debug)]
pub(crate) struct ColumnObject {
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) type_size: i16,
    pub(crate) modifier: i32,
    pub(crate) dimensions: i32,
    pub(crate) not_null: bool,
    pub(crate) comment: Option<String>,
}

#[derive(Debug)]
pub(crate) struct SchemaObject {
    pub(crate) oid: u32,
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
}

/// A function of any kind.
#[derive(Debug)]
pub(crate) struct FunctionObject {
    pub(crate) oid: u32,
    pub(crate) schema_oid: u32,
    pub(crate) name: String,
    /// `pg_proc.prokind`: f, a or w.
    pub(crate) kind: char,
    /// `pg_proc.provolatile`: i, s or v.
    pub(crate) volatility: char,
    pub(crate) arguments: String,
    pub(crate) argument_count: i16,
    pub(crate) comment: Option<String>,
}

/// All objects of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) database: String,
    pub(crate) schemas: Vec<SchemaObject>,
    pub(crate) relations: Vec<RelationObject>,
    pub(crate) functions: Vec<FunctionObject>,
    relation_by_oid: HashMap<u32, usize>,
    function_by_oid: HashMap<u32, usize>,
}

impl Objects {
    pub(crate) async fn collect(
        catalog: &dyn CatalogProvider,
        sessions: &dyn Sessions,
        state: &SessionState,
        database: &str,
    ) -> Result<Self> {
        let mut oids = Oids::default();
        let mut objects = Objects { database: database.to_owned(), ..Objects::default() };
        objects.schemas = vec![
            schema_object(PG_CATALOG_OID, super::SCHEMA, Some("system catalog schema")),
            schema_object(PUBLIC_OID, "public", Some("functions of placido")),
            schema_object(INFORMATION_SCHEMA_OID, "information_schema", None),
        ];
        let mut names = catalog.schema_names();
        names.sort();
        for name in names {
            if matches!(name.as_str(), "pg_catalog" | "information_schema") {
                continue;
            }
            // The schema of the functions is one in which clients make tables, too.
            let oid = if name == "public" { PUBLIC_OID } else { oids.of(&["schema", &name]) };
            if oid != PUBLIC_OID {
                objects.schemas.push(schema_object(oid, &name, sessions.schema_comment(&name).as_deref()));
            }
            let Some(schema) = catalog.schema(&name) else { continue };
            let mut tables = schema.table_names();
            tables.sort();
            for table in tables {
                // A table that cannot be opened is left out; a query for it says why.
                let Ok(Some(provider)) = schema.table(&table).await else { continue };
                let described = sessions.describe(&name, &table);
                let columns = provider.schema().fields().iter().map(|field| column(field, described.as_ref())).collect();
                let is_view = described
                    .as_ref()
                    .map_or(provider.table_type() == datafusion::datasource::TableType::View, |described| described.is_view);
                objects.relations.push(RelationObject {
                    oid: oids.of(&["relation", &name, &table]),
                    schema: name.clone(),
                    schema_oid: oid,
                    is_view,
                    definition: described
                        .as_ref()
                        .and_then(|described| described.definition.clone())
                        .or_else(|| provider.get_table_definition().map(str::to_owned)),
                    summary: described.map(|described| described.summary).filter(|summary| !summary.is_empty()),
                    name: table,
                    columns,
                });
            }
        }
        objects.add_own_relations();
        objects.add_functions(state, &mut oids);
        objects.relation_by_oid = objects.relations.iter().enumerate().map(|(at, relation)| (relation.oid, at)).collect();
        objects.function_by_oid = objects.functions.iter().enumerate().map(|(at, function)| (function.oid, at)).collect();
        Ok(objects)
    }

    fn add_own_relations(&mut self) {
        for (position, name) in relations::names().enumerate() {
            let Some(relation) = relations::relation(name) else { continue };
            let oid = match name {
                "pg_class" => PG_CLASS_OID,
                "pg_proc" => PG_PROC_OID,
                "pg_namespace" => PG_NAMESPACE_OID,
                "pg_database" => PG_DATABASE_OID,
                "pg_type" => 1247,
                "pg_attribute" => 1249,
                "pg_authid" => 1260,
                _ => 12_000 + u32::try_from(position).unwrap_or(0),
            };
            let columns = relation
                .columns
                .iter()
                .map(|(name, pg_type)| {
                    let known = pg_types().find(|known| known.name == *pg_type);
                    ColumnObject {
                        name: (*name).to_owned(),
                        type_oid: known.map_or(25, |known| known.oid),
                        type_size: known.map_or(-1, |known| known.length),
                        modifier: -1,
                        dimensions: i32::from(pg_type.starts_with('_')),
                        not_null: false,
                        comment: None,
                    }
                })
                .collect();
            self.relations.push(RelationObject {
                oid,
                schema: super::SCHEMA.to_owned(),
                schema_oid: PG_CATALOG_OID,
                name: name.to_owned(),
                is_view: false,
                definition: None,
                summary: None,
                columns,
            });
        }
    }

    fn add_functions(&mut self, state: &SessionState, oids: &mut Oids) {
        let mut seen = BTreeMap::new();
        for function in state.scalar_functions().values() {
            seen.insert((function.name().to_owned(), 'f'), (function.signature().clone(), function.documentation().cloned()));
        }
        for function in state.aggregate_functions().values() {
            seen.insert((function.name().to_owned(), 'a'), (function.signature().clone(), function.documentation().cloned()));
        }
        for function in state.window_functions().values() {
            seen.insert((function.name().to_owned(), 'w'), (function.signature().clone(), function.documentation().cloned()));
        }
        for ((name, kind), (signature, documentation)) in seen {
            let own = !ENGINE_FUNCTIONS.contains(&name) && !super::functions::is_catalog_function(&name);
            let documentation = documentation.as_ref();
            self.functions.push(FunctionObject {
                oid: oids.of(&["function", &name, &kind.to_string()]),
                schema_oid: if own { PUBLIC_OID } else { PG_CATALOG_OID },
                kind,
                volatility: match signature.volatility {
                    Volatility::Immutable => 'i',
                    Volatility::Stable => 's',
                    Volatility::Volatile => 'v',
                },
                arguments: arguments(&name, &signature, documentation),
                argument_count: documentation
                    .and_then(|documentation| documentation.arguments.as_ref())
                    .and_then(|arguments| i16::try_from(arguments.len()).ok())
                    .unwrap_or(0),
                comment: documentation.map(|documentation| documentation.description.trim().to_owned()),
                name,
            });
        }
    }

    pub(crate) fn relation(&self, oid: u32) -> Option<&RelationObject> {
        self.relations.get(*self.relation_by_oid.get(&oid)?)
    }

    pub(crate) fn function(&self, oid: u32) -> Option<&FunctionObject> {
        self.functions.get(*self.function_by_oid.get(&oid)?)
    }

    /// A relation by name, looked up along `path` when the name has no schema.
    pub(crate) fn relation_named(&self, name: &str, path: &[String]) -> Option<&RelationObject> {
        let plain = |part: &str| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            Some(quoted) => quoted.to_owned(),
            None => part.to_lowercase(),
        };
        let parts: Vec<String> = name.split('.').map(plain).collect();
        match parts.as_slice() {
            [.., schema, table] => self.relations.iter().find(|relation| relation.schema == *schema && relation.name == *table),
            [table] => std::iter::once(super::SCHEMA)
                .chain(path.iter().map(String::as_str))
                .find_map(|schema| self.relations.iter().find(|relation| relation.schema == schema && relation.name == *table)),
            [] => None,
        }
    }

    pub(crate) fn schema_named(&self, name: &str) -> Option<&SchemaObject> {
        self.schemas.iter().find(|schema| schema.name == name)
    }
}

fn schema_object(oid: u32, name: &str, comment: Option<&str>) -> SchemaObject {
    SchemaObject { oid, name: name.to_owned(), comment: comment.map(str::to_owned) }
}

fn column(field: &datafusion::arrow::datatypes::Field, described: Option<&crate::server::TableDescription>) -> ColumnObject {
    let pg_type = types::of_field(field);
    ColumnObject {
        name: field.name().clone(),
        type_oid: pg_type.oid(),
        type_size: types::size(&pg_type),
        modifier: types::modifier(field.data_type()),
        dimensions: i32::from(types::element_of(&pg_type).is_some()),
        not_null: !field.is_nullable(),
        comment: described.and_then(|described| described.columns.get(field.name()).cloned()),
    }
}

/// The functions that the engine brings along; all others are placido's own.
static ENGINE_FUNCTIONS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut names = HashSet::new();
    for function in SessionStateDefaults::default_scalar_functions() {
        names.insert(function.name().to_owned());
        names.extend(function.aliases().iter().cloned());
    }
    for function in SessionStateDefaults::default_aggregate_functions() {
        names.insert(function.name().to_owned());
        names.extend(function.aliases().iter().cloned());
    }
    for function in SessionStateDefaults::default_window_functions() {
        names.insert(function.name().to_owned());
    }
    names
});

/// The arguments as `\df` shows them: from the documented syntax, else from the exact types.
fn arguments(name: &str, signature: &Signature, documentation: Option<&Documentation>) -> String {
    let documented = documentation.and_then(|documentation| {
        let rest = documentation.syntax_example.trim().strip_prefix(name)?.trim_start().strip_prefix('(')?;
        rest.rsplit_once(')').map(|(inside, _)| inside.to_owned())
    });
    if let Some(documented) = documented {
        return documented;
    }
    match &signature.type_signature {
        TypeSignature::Exact(exact) => exact
            .iter()
            .map(|each| types::sql_name(&types::of_data_type(each)).unwrap_or_else(|| "json".into()))
            .collect::<Vec<_>>()
            .join(", "),
        TypeSignature::Any(count) => vec!["any"; *count].join(", "),
        TypeSignature::Nullary => String::new(),
        _ => "VARIADIC \"any\"".into(),
    }
}

/// Identifiers that stay the same from one start to the next, because they come from the names alone.
#[derive(Default)]
struct Oids(HashSet<u32>);

impl Oids {
    fn of(&mut self, parts: &[&str]) -> u32 {
        // FNV-1a, 64 bit; parts are separated by a byte that no name contains.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in parts.join("\0").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut oid = FIRST_OID + u32::try_from(hash % (1 << 30)).unwrap_or(0);
        while !self.0.insert(oid) {
            oid += 1;
        }
        oid
    }
}

/// A row of `types.txt`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PgTypeRow {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    pub(crate) length: i16,
    pub(crate) columns: [&'static str; 18],
}

static PG_TYPES: LazyLock<Vec<PgTypeRow>> = LazyLock::new(|| {
    include_str!("types.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: [&'static str; 18] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
            Some(PgTypeRow { oid: columns[0].parse().ok()?, name: columns[1], length: columns[2].parse().ok()?, columns })
        })
        .collect()
});

/// PostgreSQL's types.
pub(crate) fn pg_types() -> impl Iterator<Item = &'static PgTypeRow> {
    PG_TYPES.iter()
}

/// `format_type`: the name of a type as SQL writes it.
pub(crate) fn format_type(oid: u32, modifier: Option<i32>) -> String {
    let Some(row) = pg_types().find(|row| row.oid == oid) else {
        return if oid == 0 { "-".into() } else { "???".into() };
    };
    let element: u32 = row.columns[8].parse().unwrap_or(0);
    if row.name.starts_with('_') && element != 0 {
        return format!("{}[]", format_type(element, modifier));
    }
    let spelled = match row.name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "varchar" => "character varying",
        "bpchar" => "character",
        "char" => "\"char\"",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "varbit" => "bit varying",
        other => other,
    };
    match modifier.filter(|modifier| *modifier >= 4 && row.name == "numeric") {
        Some(modifier) => format!("numeric({},{})", (modifier - 4) >> 16, (modifier - 4) & 0xffff),
        None => spelled.to_owned(),
    }
}

/// The type of a name, in PostgreSQL's or in SQL's spelling.
pub(crate) fn type_named(name: &str) -> Option<u32> {
    let name = name.trim().trim_start_matches("pg_catalog.").trim_matches('"').to_lowercase();
    let found = pg_types().find(|row| row.name == name).or_else(|| pg_types().find(|row| format_type(row.oid, None) == name));
    found.map(|row| row.oid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_postgres_names_them() {
        // PostgreSQL 15: select format_type(oid, mod)
        for (oid, modifier, name) in [
            (701, None, "double precision"),
            (1022, None, "double precision[]"),
            (1700, Some(655_366), "numeric(10,2)"),
            (1184, None, "timestamp with time zone"),
            (25, None, "text"),
            (18, None, "\"char\""),
            (0, None, "-"),
        ] {
            assert_eq!(format_type(oid, modifier), name);
        }
        assert_eq!(type_named("double precision"), Some(701));
        assert_eq!(type_named("pg_catalog.int4"), Some(23));
    }

    #[test]
    fn identifiers_come_from_names_and_never_collide() {
        let mut first = Oids::default();
        let mut second = Oids::default();
        second.of(&["schema", "other"]);
        let oid = first.of(&["relation", "gold", "eye_features"]);
        assert_eq!(oid, second.of(&["relation", "gold", "eye_features"]));
        assert_ne!(oid, first.of(&["relation", "gold", "eye_features"]));
        assert!(oid >= FIRST_OID);
    }
}
