//! The tables that only the queries of one writing statement see, beside the session's catalogue: the target with the numbers of its
//! rows, and rows that the statement makes while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider, Session, TableProvider,
};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::server::error::{PgError, sqlstate};
use crate::server::plan::Planner;
use crate::server::scratch::exec::{ScratchExec, with_row};
use crate::server::scratch::space::Table;

/// The schema of these tables. No name that is typed is like it.
pub(super) const WORK: &str = "\u{1}work";
/// The table that is written to.
pub(super) const TARGET: &str = "target";
/// The rows that an INSERT with ON CONFLICT proposes.
pub(super) const EXCLUDED: &str = "excluded";
/// The rows that the statement has written or removed.
pub(super) const AFFECTED: &str = "affected";

/// Rows that are there only while the statement runs.
#[derive(Debug)]
pub(crate) struct Slot {
    schema: SchemaRef,
    with_rows: bool,
    table: Mutex<Option<Arc<Table>>>,
}

impl Slot {
    /// A place for rows of `schema`, with their numbers or without.
    pub(super) fn new(schema: &SchemaRef, with_rows: bool) -> Arc<Self> {
        Arc::new(Self { schema: Arc::clone(schema), with_rows, table: Mutex::default() })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Puts rows into the place, for as long as the answer lives.
    pub(super) fn fill(self: &Arc<Self>, table: Table) -> Filled {
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(table));
        Filled(Arc::clone(self))
    }
}

/// Rows in their place.
pub(super) struct Filled(Arc<Slot>);

impl Drop for Filled {
    fn drop(&mut self) {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A slot as the engine reads it.
#[derive(Debug)]
pub(super) struct SlotTable(pub(super) Arc<Slot>);

#[async_trait]
impl TableProvider for SlotTable {
    fn schema(&self) -> SchemaRef {
        match self.0.with_rows {
            true => with_row(&self.0.schema),
            false => Arc::clone(&self.0.schema),
        }
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let table = table.ok_or_else(|| PgError::new("XX000", "rows of a statement were read before they were made"))?;
        Ok(Arc::new(ScratchExec::new(&table, projection, state.config().target_partitions(), self.0.with_rows)?))
    }
}

/// The catalogue of a session with one more schema.
#[derive(Debug)]
struct WithWork {
    inner: Arc<dyn CatalogProvider>,
    work: Arc<dyn SchemaProvider>,
}

impl CatalogProvider for WithWork {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == WORK { Some(Arc::clone(&self.work)) } else { self.inner.schema(name) }
    }
}

/// The planner before a catalogue in which these tables are, too.
pub(super) fn beside(planner: &Planner, tables: Vec<(&str, Arc<dyn TableProvider>)>) -> Result<Planner, PgError> {
    let work = MemorySchemaProvider::new();
    for (name, table) in tables {
        work.register_table(name.to_owned(), table).map_err(|error| sqlstate(&error))?;
    }
    let work: Arc<dyn SchemaProvider> = Arc::new(work);
    let mut state = planner.state.as_ref().clone();
    let known = Arc::clone(state.catalog_list());
    let list = MemoryCatalogProviderList::new();
    for name in known.catalog_names() {
        if let Some(inner) = known.catalog(&name) {
            let catalog: Arc<dyn CatalogProvider> = match name == planner.database {
                true => Arc::new(WithWork { inner, work: Arc::clone(&work) }),
                false => inner,
            };
            list.register_catalog(name, catalog);
        }
    }
    state.register_catalog_list(Arc::new(list));
    Ok(Planner { state: Arc::new(state), ..planner.clone() })
}
