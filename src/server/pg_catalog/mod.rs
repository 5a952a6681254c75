//! `pg_catalog`: what clients ask to find out which schemas, views, columns and functions there are.
//!
//! [`relations`] knows the shape of every relation, [`pg_types`] PostgreSQL's types, [`objects`] collects what the session's catalogue
//! holds ([`signatures`] of functions), [`roles`] tells owners and rights, [`reg`] shows identifiers as names. [`rows`] and
//! [`information`] write that into the relations ([`cells`]), [`functions`] makes functions of the engine of
//! those that catalog queries call ([`session_functions`], [`acl_functions`], [`plain_functions`]), and of those that PostgreSQL has
//! otherwise than the engine ([`json_functions`], [`text_functions`], [`time_functions`] and their like; [`series`]). [`lists`] are the relations that never change.

mod acl_functions;
mod activity;
mod array_functions;
mod cells;
mod format_text;
mod functions;
mod information;
mod interval_functions;
mod json_functions;
mod json_operators;
mod json_text;
mod lists;
mod number_formats;
mod number_functions;
mod objects;
mod pg_types;
mod plain_functions;
mod privileges;
mod reg;
mod regular_expressions;
mod relations;
mod roles;
mod rows;
mod scaled_numbers;
mod series;
mod session_functions;
mod signatures;
mod sleep;
mod text_functions;
mod time_formats;
mod time_functions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use roles::RoleBook;
use tokio::sync::OnceCell;

use super::guard::{Guard, GuardedCatalog};
use super::prepared::PreparedStatements;
use super::registry::Registry;
use super::{Identity, Sessions};
pub(crate) use functions::{Set, asks_objects, is_catalog_function, register, result_type, set_of};
pub(crate) use json_operators::{Operator, is_json, jsonb};
pub(crate) use json_text::jsonb_text;
pub(crate) use objects::Objects;
pub(crate) use pg_types::{format_type, proc_name};
pub(crate) use reg::{names_objects, show_names};
pub(crate) use relations::{INFORMATION_SCHEMA, SETS, is_always_empty, is_system_view};
pub(crate) use series::NAME as SERIES;
pub(crate) use text_functions::unescaped;

/// Whether `pg_catalog` has a relation of this name.
pub(crate) fn is_relation(name: &str) -> bool {
    relations::relation(SCHEMA, name).is_some()
}

/// The columns of a relation of the catalog, with their types.
pub(crate) fn columns(schema: &str, name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    relations::relation(schema, name).map(|relation| relation.columns.as_slice())
}

/// The type of this `typname`.
pub(crate) fn type_oid(name: &str) -> Option<u32> {
    pg_types::pg_types().find(|known| known.name == name).map(|known| known.oid)
}

/// Whether there are types of this `typtype`.
pub(crate) fn has_types_of_kind(kind: &str) -> bool {
    pg_types::pg_types().any(|known| known.kind() == kind)
}

/// The schema's name.
pub(crate) const SCHEMA: &str = "pg_catalog";

/// The catalogue of a session together with `pg_catalog`, filled when it is first asked.
pub(crate) struct PgCatalog {
    inner: Arc<dyn CatalogProvider>,
    sessions: Arc<dyn Sessions>,
    database: String,
    objects: OnceCell<Arc<Objects>>,
    /// What roles see.
    views: Mutex<HashMap<Key, View>>,
}

/// A role, whose session it is, and the version of the grants.
type Key = (String, String, u64);

/// Roles whose view of the catalog is kept at a time.
const MAX_VIEWS: usize = 64;

/// Tables by schema and name.
type Tables = HashMap<(&'static str, String), Arc<dyn TableProvider>>;

/// What a role sees of the catalog.
#[derive(Clone, Default)]
struct View {
    objects: Arc<OnceLock<Arc<Objects>>>,
    tables: Arc<Mutex<Tables>>,
}

impl std::fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgCatalog").field("database", &self.database).finish_non_exhaustive()
    }
}

impl PgCatalog {
    pub(crate) fn new(inner: Arc<dyn CatalogProvider>, sessions: Arc<dyn Sessions>, database: String) -> Arc<Self> {
        Arc::new(Self { inner, sessions, database, objects: OnceCell::new(), views: Mutex::default() })
    }

    /// Collects the objects, once for all sessions of a snapshot. Must be awaited before a statement that asks for them.
    pub(crate) async fn load(&self, state: &SessionState) -> Result<()> {
        self.objects
            .get_or_try_init(|| async {
                Objects::collect(self.inner.as_ref(), self.sessions.as_ref(), state, &self.database).await.map(Arc::new)
            })
            .await
            .map(|_| ())
    }

    /// What a session sees of the objects, if they have been collected.
    pub(crate) fn objects(&self, guard: &Guard) -> Option<Arc<Objects>> {
        let all = self.objects.get()?;
        if guard.principal().rights().is_everything() {
            return Some(Arc::clone(all));
        }
        let visible = || Arc::new(all.visible(|schema| guard.may_see_schema(schema), |schema, name| guard.may_see(schema, name)));
        Some(Arc::clone(self.view(guard).objects.get_or_init(visible)))
    }

    /// All objects, whoever may see them, if they have been collected.
    fn all(&self) -> Option<&Arc<Objects>> {
        self.objects.get()
    }

    fn view(&self, guard: &Guard) -> View {
        let principal = guard.principal();
        let (role, version) = principal.key();
        let key = (role, principal.user.name.clone(), version);
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if !views.contains_key(&key) {
            // Nobody asks for older grants again.
            views.retain(|(.., known), _| *known == version);
            if views.len() >= MAX_VIEWS {
                views.clear();
            }
        }
        views.entry(key).or_default().clone()
    }

    /// The tables and views of a schema.
    pub(crate) fn relation_names(&self, schema: &str) -> Vec<String> {
        self.inner.schema(schema).map(|schema| schema.table_names()).unwrap_or_default()
    }

    /// The first schema of `path` that has a relation of this name.
    pub(crate) fn find(&self, name: &str, path: &[String]) -> Option<String> {
        path.iter().find(|schema| self.inner.schema(schema).is_some_and(|schema| schema.table_exist(name))).cloned()
    }

    pub(crate) fn has_schema(&self, name: &str) -> bool {
        is_system(name) || self.inner.schema(name).is_some()
    }

    fn relation(&self, schema_name: &'static str, name: &str, guard: &Guard) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = relations::relation(schema_name, name) else { return Ok(None) };
        let objects = self.objects(guard);
        let view = self.view(guard);
        let mut tables = view.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (schema_name, name.to_owned());
        if let Some(table) = tables.get(&key) {
            return Ok(Some(Arc::clone(table)));
        }
        let schema = relation.schema();
        let book = RoleBook::of(guard);
        let batch = match &objects {
            Some(objects) if schema_name == INFORMATION_SCHEMA => information::rows(name, objects, &book)?,
            Some(objects) => rows::rows(name, objects, &book)?,
            // Before the objects are collected only the shape is asked for.
            None => None,
        };
        let batches = vec![batch.into_iter().collect()];
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, batches)?);
        if objects.is_some() {
            tables.insert(key, Arc::clone(&table));
        }
        Ok(Some(table))
    }
}

/// Whether the schema is one of the server's own, which every session has.
fn is_system(schema: &str) -> bool {
    schema == SCHEMA || schema == INFORMATION_SCHEMA
}

/// The session's catalogue with `pg_catalog` and `information_schema` in it.
pub(crate) struct WithPgCatalog {
    backend: Backend,
    guarded: Arc<GuardedCatalog>,
    prepared: Arc<PreparedStatements>,
}

impl std::fmt::Debug for WithPgCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithPgCatalog").field("catalog", &self.backend.catalog).finish_non_exhaustive()
    }
}

impl WithPgCatalog {
    pub(crate) fn new(backend: &Backend, guarded: Arc<GuardedCatalog>, prepared: &Arc<PreparedStatements>) -> Self {
        Self { backend: backend.clone(), guarded, prepared: Arc::clone(prepared) }
    }
}

impl CatalogProvider for WithPgCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.guarded.schema_names();
        names.retain(|name| !is_system(name));
        names.extend([SCHEMA.to_owned(), INFORMATION_SCHEMA.to_owned()]);
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let schema = match name {
            SCHEMA => SCHEMA,
            INFORMATION_SCHEMA => INFORMATION_SCHEMA,
            other => return self.guarded.schema(other),
        };
        Some(Arc::new(SystemSchema { schema, backend: self.backend.clone(), prepared: Arc::clone(&self.prepared) }))
    }
}

/// `pg_catalog` or `information_schema`.
struct SystemSchema {
    schema: &'static str,
    backend: Backend,
    prepared: Arc<PreparedStatements>,
}

impl std::fmt::Debug for SystemSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemSchema").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        relations::names(self.schema).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let own = match name {
            relations::PREPARED if self.schema == SCHEMA => Some(self.prepared.rows(&schema_of(name)?)?),
            relations::CURSORS if self.schema == SCHEMA => Some(self.prepared.cursors.rows(&schema_of(name)?)?),
            relations::ACTIVITY if self.schema == SCHEMA => Some(activity::rows(&self.backend)?),
            relations::SETTINGS if self.schema == SCHEMA => lists::settings(&self.backend.settings)?,
            _ => None,
        };
        match own {
            Some(batch) => Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))),
            None => self.backend.catalog.relation(self.schema, name, &self.backend.guard),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        relations::relation(self.schema, name).is_some()
    }
}

fn schema_of(name: &str) -> Result<SchemaRef> {
    relations::relation(SCHEMA, name)
        .map(relations::Relation::schema)
        .ok_or_else(|| DataFusionError::Internal(format!("{name} has no shape")))
}

/// What the functions of a session know: who is asking and what there is.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) identity: Arc<Identity>,
    pub(crate) settings: super::settings::Settings,
    pub(crate) catalog: Arc<PgCatalog>,
    pub(crate) guard: Guard,
    /// All sessions of the server.
    pub(crate) registry: Arc<Registry>,
}
