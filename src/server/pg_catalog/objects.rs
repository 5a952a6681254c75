//! What a catalogue snapshot holds, with stable object identifiers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::CatalogProvider;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Volatility;

use super::pg_types::{pg_types, procs};
use super::relations;
use super::signatures::{Argument, Shape, shape};
use crate::server::{Sessions, ordered_sets, types};

/// The owner of everything.
pub(crate) const OWNER: (u32, &str) = (10, "placido");
pub(crate) const PG_CATALOG_OID: u32 = 11;
pub(crate) const PUBLIC_OID: u32 = 2200;
pub(crate) const INFORMATION_SCHEMA_OID: u32 = 13_000;
/// The database is one that somebody made: tools hide those of PostgreSQL itself.
pub(crate) const DATABASE_OID: u32 = 16_384;
/// `pg_class.oid` of the catalogs that other rows point at with `classoid`.
pub(crate) const PG_CLASS_OID: u32 = 1259;
pub(crate) const PG_PROC_OID: u32 = 1255;
pub(crate) const PG_NAMESPACE_OID: u32 = 2615;
pub(crate) const PG_DATABASE_OID: u32 = 1262;
/// The type of what only a server's own functions pass to each other.
const INTERNAL: u32 = 2281;
/// The type of rows.
const RECORD: u32 = 2249;
/// `pg_class.oid` of catalogs, which drivers know by heart.
const FIXED_OIDS: &[(&str, u32)] = &[
    ("pg_class", PG_CLASS_OID),
    ("pg_proc", PG_PROC_OID),
    ("pg_namespace", PG_NAMESPACE_OID),
    ("pg_database", PG_DATABASE_OID),
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_authid", 1260),
    ("pg_tablespace", 1213),
    ("pg_constraint", 2606),
    ("pg_attrdef", 2604),
    ("pg_index", 2610),
    ("pg_rewrite", 2618),
    ("pg_trigger", 2620),
    ("pg_description", 2609),
    ("pg_extension", 3079),
];
/// The first identifier that is neither PostgreSQL's own nor the database's.
const FIRST_OID: u32 = DATABASE_OID + 1;

/// A table or view.
#[derive(Debug, Clone)]
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

#[derive(Debug, Clone)]
pub(crate) struct ColumnObject {
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) type_size: i16,
    pub(crate) modifier: i32,
    pub(crate) dimensions: i32,
    pub(crate) not_null: bool,
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct SchemaObject {
    pub(crate) oid: u32,
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
}

/// A function of any kind.
#[derive(Debug, Clone)]
pub(crate) struct FunctionObject {
    pub(crate) oid: u32,
    pub(crate) schema_oid: u32,
    pub(crate) name: String,
    /// `pg_proc.prokind`: f, a or w.
    pub(crate) kind: char,
    /// `pg_proc.provolatile`: i, s or v.
    pub(crate) volatility: char,
    pub(crate) shape: Shape,
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

impl RelationObject {
    /// Whether it ends with its session.
    pub(crate) fn is_temporary(&self) -> bool {
        self.schema.starts_with("pg_temp")
    }
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
        objects.number();
        Ok(objects)
    }

    fn add_own_relations(&mut self) {
        let own = [(super::SCHEMA, PG_CATALOG_OID, 12_000), (relations::INFORMATION_SCHEMA, INFORMATION_SCHEMA_OID, 13_100)];
        for (schema, schema_oid, first_oid) in own {
            for (position, name) in relations::names(schema).enumerate() {
                let Some(relation) = relations::relation(schema, name) else { continue };
                // Set-returning functions are read as relations, but are none.
                if name == relations::KEYWORDS {
                    continue;
                }
                let fixed = FIXED_OIDS.iter().find(|(known, _)| *known == name && schema == super::SCHEMA);
                let oid = fixed.map_or_else(|| first_oid + u32::try_from(position).unwrap_or(0), |(_, oid)| *oid);
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
                    schema: schema.to_owned(),
                    schema_oid,
                    name: name.to_owned(),
                    is_view: schema != super::SCHEMA || relations::is_system_view(name),
                    definition: None,
                    summary: None,
                    columns,
                });
            }
        }
    }

    fn add_functions(&mut self, state: &SessionState, oids: &mut Oids) {
        let mut seen = BTreeMap::new();
        for function in state.scalar_functions().values() {
            let shape = super::functions::shape_of(function.name()).unwrap_or_else(|| {
                shape(function.name(), 'f', function.signature(), function.documentation(), |types| function.return_type(types))
            });
            let comment = function.documentation().map(|known| known.description.trim().to_owned());
            seen.insert((function.name().to_owned(), 'f'), (function.signature().volatility, shape, comment));
        }
        for function in state.aggregate_functions().values() {
            let shape =
                shape(function.name(), 'a', function.signature(), function.documentation(), |types| function.return_type(types));
            let comment = function.documentation().map(|known| known.description.trim().to_owned());
            seen.insert((function.name().to_owned(), 'a'), (function.signature().volatility, shape, comment));
        }
        for function in state.window_functions().values() {
            let unknown = |_: &[DataType]| internal_err!("the result of a window function depends on its window");
            let shape = shape(function.name(), 'w', function.signature(), function.documentation(), unknown);
            let comment = function.documentation().map(|known| known.description.trim().to_owned());
            seen.insert((function.name().to_owned(), 'w'), (function.signature().volatility, shape, comment));
        }
        // Drivers find out by them which types are arrays.
        for (oid, name) in procs() {
            let argument = Argument { name: None, type_oid: INTERNAL, default: None };
            self.functions.push(FunctionObject {
                oid,
                schema_oid: PG_CATALOG_OID,
                name: name.to_owned(),
                kind: 'f',
                volatility: 's',
                shape: Shape { arguments: vec![argument], variadic: false, result: INTERNAL, set: false },
                comment: None,
            });
        }
        for (name, _) in relations::SETS {
            self.functions.push(FunctionObject {
                oid: oids.of(&["function", name, "f"]),
                schema_oid: PG_CATALOG_OID,
                name: (*name).to_owned(),
                kind: 'f',
                volatility: 's',
                shape: Shape { arguments: Vec::new(), variadic: false, result: RECORD, set: true },
                comment: None,
            });
        }
        for ((name, kind), (volatility, shape, comment)) in seen {
            // What the rewriter calls is nobody else's.
            if name.starts_with("placido_") {
                continue;
            }
            let of_postgres = super::functions::is_catalog_function(&name) || ordered_sets::NAMES.contains(&name.as_str());
            let own = !ENGINE_FUNCTIONS.contains(&name) && !of_postgres;
            self.functions.push(FunctionObject {
                oid: oids.of(&["function", &name, &kind.to_string()]),
                schema_oid: if own { PUBLIC_OID } else { PG_CATALOG_OID },
                kind,
                volatility: match volatility {
                    Volatility::Immutable => 'i',
                    Volatility::Stable => 's',
                    Volatility::Volatile => 'v',
                },
                shape,
                comment,
                name,
            });
        }
    }

    /// The same without what may not be seen: schemas that may not be used, and tables and views that may not be read.
    pub(crate) fn visible(&self, may_use: impl Fn(&str) -> bool, may_read: impl Fn(&str, &str) -> bool) -> Self {
        let own = |schema: &str| schema == "public";
        let mut seen = Self {
            database: self.database.clone(),
            schemas: self.schemas.iter().filter(|schema| own(&schema.name) || may_use(&schema.name)).cloned().collect(),
            relations: self.relations.iter().filter(|found| may_read(&found.schema, &found.name)).cloned().collect(),
            functions: self.functions.clone(),
            ..Self::default()
        };
        seen.number();
        seen
    }

    fn number(&mut self) {
        self.relation_by_oid = self.relations.iter().enumerate().map(|(at, relation)| (relation.oid, at)).collect();
        self.function_by_oid = self.functions.iter().enumerate().map(|(at, function)| (function.oid, at)).collect();
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

/// The identifier that comes from names alone, where nothing else has to be told from it.
pub(crate) fn derived_oid(parts: &[&str]) -> u32 {
    Oids::default().of(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

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
