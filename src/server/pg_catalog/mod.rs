//! `pg_catalog`: what clients ask to find out which schemas, views, columns and functions there are.
//!
//! [`relations`] knows the shape of every relation, [`objects`] collects what the session's catalogue holds,
//! [`rows`] writes that into the relations, [`functions`] are the functions that catalog queries call.

mod functions;
mod objects;
mod relations;
mod rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use tokio::sync::OnceCell;

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
    tables: Mutex<HashMap<String, Arc<dyn TableProvider>>>,
}

impl std::fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgCatalog").field("database", &self.database).finish_non_exhaustive()
    }
}

impl PgCatalog {
    pub(crate) fn new(inner: Arc<dyn CatalogProvider>, sessions: Arc<dyn Sessions>, database: String) -> Arc<Self> {
        Arc::new(Self { inner, sessions, database, objects: OnceCell::new(), tables: Mutex::default() })
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

    /// The objects, if they have been collected.
    pub(crate) fn objects(&self) -> Option<&Arc<Objects>> {
        self.objects.get()
    }

    /// The first schema of `path` that has a relation of this name.
    pub(crate) fn find(&self, name: &str, path: &[String]) -> Option<String> {
        path.iter().find(|schema| self.inner.schema(schema).is_some_and(|schema| schema.table_exist(name))).cloned()
    }

    pub(crate) fn has_schema(&self, name: &str) -> bool {
        name == SCHEMA || self.inner.schema(name).is_some()
    }

    fn relation(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = relations::relation(name) else { return Ok(None) };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        let schema = relation.schema();
        let batch = match self.objects.get() {
            Some(objects) => rows::rows(name, objects)?,
            // Before the objects are collected only the shape is asked for.
            None => None,
        };
        let batches = vec![batch.into_iter().collect()];
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, batches)?);
        if self.objects.get().is_some() {
            tables.insert(name.to_owned(), Arc::clone(&table));
        }
        Ok(Some(table))
    }
}

/// The session's catalogue with `pg_catalog` in it.
#[derive(Debug)]
pub(crate) struct WithPgCatalog {
    catalog: Arc<PgCatalog>,
    prepared: Arc<PreparedStatements>,
    /// The catalogue with the rows that the session sees now.
    inner: Arc<dyn CatalogProvider>,
}

impl WithPgCatalog {
    pub(crate) fn new(catalog: &Arc<PgCatalog>, prepared: &Arc<PreparedStatements>, inner: Arc<dyn CatalogProvider>) -> Self {
        Self { catalog: Arc::clone(catalog), prepared: Arc::clone(prepared), inner }
    }
}

impl CatalogProvider for WithPgCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.inner.schema_names();
        names.push(SCHEMA.to_owned());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == SCHEMA {
            return Some(Arc::new(PgSchema { catalog: Arc::clone(&self.catalog), prepared: Arc::clone(&self.prepared) }));
        }
        self.inner.schema(name)
    }
}

#[derive(Debug)]
struct PgSchema {
    catalog: Arc<PgCatalog>,
    prepared: Arc<PreparedStatements>,
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
        self.catalog.relation(name)
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
}
