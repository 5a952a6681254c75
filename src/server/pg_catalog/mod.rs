//! `pg_catalog`: what clients ask to find out which schemas, views, columns and functions there are.
//!
//! [`relations`] knows the shape of every relation, [`objects`] collects what the session's catalogue holds,
//! [`rows`] writes that into the relations, [`functions`] are the functions that catalog queries call.

mod functions;
mod objects;
mod relations;
mod rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use tokio::sync::OnceCell;

use super::guard::{Guard, GuardedCatalog};
use super::prepared::PreparedStatements;
use super::{Identity, Sessions};
pub(crate) use functions::{is_catalog_function, register};
pub(crate) use objects::{Objects, format_type};
pub(crate) use relations::is_always_empty;

/// Whether `pg_catalog` has a relation of this name.
pub(crate) fn is_relation(name: &str) -> bool {
    relations::relation(name).is_some()
}

/// The type of this `typname`.
pub(crate) fn type_oid(name: &str) -> Option<u32> {
    objects::pg_types().find(|known| known.name == name).map(|known| known.oid)
}

/// The schema's name.
pub(crate) const SCHEMA: &str = "pg_catalog";

/// The catalogue of a session together with `pg_catalog`, filled when it is first asked.
pub(crate) struct PgCatalog {
    inner: Arc<dyn CatalogProvider>,
    sessions: Arc<dyn Sessions>,
    database: String,
    objects: OnceCell<Arc<Objects>>,
    /// What roles see that may not read everything.
    views: Mutex<HashMap<Key, View>>,
    /// What all others see.
    everything: View,
}

/// A role, and the version of the grants.
type Key = (String, u64);

/// Roles whose view of the catalog is kept at a time.
const MAX_VIEWS: usize = 64;

/// What a role sees of the catalog.
#[derive(Clone, Default)]
struct View {
    objects: Arc<OnceLock<Arc<Objects>>>,
    tables: Arc<Mutex<HashMap<String, Arc<dyn TableProvider>>>>,
}

impl std::fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgCatalog").field("database", &self.database).finish_non_exhaustive()
    }
}

impl PgCatalog {
    pub(crate) fn new(inner: Arc<dyn CatalogProvider>, sessions: Arc<dyn Sessions>, database: String) -> Arc<Self> {
        let (views, everything) = (Mutex::default(), View::default());
        Arc::new(Self { inner, sessions, database, objects: OnceCell::new(), views, everything })
    }

    /// Whether this stands for the same snapshot of the catalogue, so that sessions can share it.
    pub(crate) fn is_of(&self, inner: &Arc<dyn CatalogProvider>) -> bool {
        Arc::ptr_eq(&self.inner, inner)
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
        let visible = || Arc::new(all.visible(|schema| guard.may_use(schema), |schema, name| guard.may_read(schema, name)));
        Some(Arc::clone(self.view(guard).objects.get_or_init(visible)))
    }

    fn view(&self, guard: &Guard) -> View {
        if guard.principal().rights().is_everything() {
            return self.everything.clone();
        }
        let key = guard.principal().key();
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= MAX_VIEWS && !views.contains_key(&key) {
            views.clear();
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
        name == SCHEMA || self.inner.schema(name).is_some()
    }

    fn relation(&self, name: &str, guard: &Guard) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = relations::relation(name) else { return Ok(None) };
        let objects = self.objects(guard);
        let view = self.view(guard);
        let mut tables = view.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        let schema = relation.schema();
        let batch = match &objects {
            Some(objects) => rows::rows(name, objects)?,
            // Before the objects are collected only the shape is asked for.
            None => None,
        };
        let batches = vec![batch.into_iter().collect()];
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, batches)?);
        if objects.is_some() {
            tables.insert(name.to_owned(), Arc::clone(&table));
        }
        Ok(Some(table))
    }
}

/// The session's catalogue with `pg_catalog` in it.
#[derive(Debug)]
pub(crate) struct WithPgCatalog {
    catalog: Arc<PgCatalog>,
    guarded: Arc<GuardedCatalog>,
    prepared: Arc<PreparedStatements>,
    guard: Guard,
}

impl WithPgCatalog {
    pub(crate) fn new(
        catalog: &Arc<PgCatalog>,
        guarded: Arc<GuardedCatalog>,
        prepared: &Arc<PreparedStatements>,
        guard: &Guard,
    ) -> Self {
        Self { catalog: Arc::clone(catalog), guarded, prepared: Arc::clone(prepared), guard: guard.clone() }
    }
}

impl CatalogProvider for WithPgCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.guarded.schema_names();
        names.push(SCHEMA.to_owned());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == SCHEMA {
            let (catalog, prepared) = (Arc::clone(&self.catalog), Arc::clone(&self.prepared));
            return Some(Arc::new(PgSchema { catalog, prepared, guard: self.guard.clone() }));
        }
        self.guarded.schema(name)
    }
}

#[derive(Debug)]
struct PgSchema {
    catalog: Arc<PgCatalog>,
    prepared: Arc<PreparedStatements>,
    guard: Guard,
}

#[async_trait]
impl SchemaProvider for PgSchema {
    fn table_names(&self) -> Vec<String> {
        relations::names().map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if name == relations::PREPARED
            && let Some(relation) = relations::relation(name)
        {
            let batch = self.prepared.rows(&relation.schema())?;
            return Ok(Some(Arc::new(MemTable::try_new(relation.schema(), vec![vec![batch]])?)));
        }
        self.catalog.relation(name, &self.guard)
    }

    fn table_exist(&self, name: &str) -> bool {
        relations::relation(name).is_some()
    }
}

/// What the functions of a session know: who is asking and what there is.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) identity: Arc<Identity>,
    pub(crate) settings: super::settings::Settings,
    pub(crate) catalog: Arc<PgCatalog>,
    pub(crate) guard: Guard,
}
