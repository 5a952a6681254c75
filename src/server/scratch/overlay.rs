//! The catalogue of a session: the engine's, with scratch schemas and temporary tables in it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::exec::{ScratchExec, with_row};
use super::space::{Object, Schema, State, TEMP, Table, View};
use crate::access::acl::AclEntry;
use crate::server::TableDescription;
use crate::server::error::PgError;

/// One state of a session's catalogue.
pub(crate) struct Overlay {
    pub(crate) inner: Arc<dyn CatalogProvider>,
    pub(crate) state: State,
    /// The name under which the session's temporary tables are listed.
    temp_name: String,
    views: Mutex<HashMap<(String, String), Arc<ScratchView>>>,
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("temp_name", &self.temp_name).finish_non_exhaustive()
    }
}

impl Overlay {
    pub(crate) fn new(inner: Arc<dyn CatalogProvider>, state: State, temp_name: String) -> Self {
        Self { inner, state, temp_name, views: Mutex::default() }
    }

    /// Whether both show the same tables and views, whatever rows are in them.
    pub(crate) fn same_definitions(&self, other: &Overlay) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) && self.state.definitions() == other.state.definitions()
    }

    /// The same definitions, holding no rows.
    pub(crate) fn without_rows(&self) -> Self {
        Self::new(Arc::clone(&self.inner), self.state.without_rows(), self.temp_name.clone())
    }

    /// Whether the session has made something that only it sees.
    pub(crate) fn has_temporary(&self) -> bool {
        self.state.temp.schemas.values().any(|schema| !schema.objects.is_empty())
    }

    /// Takes over the views that an overlay of the same definitions has planned.
    pub(crate) fn take_views(&self, other: &Overlay) {
        let planned = other.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.views.lock().unwrap_or_else(PoisonError::into_inner) = planned;
    }

    /// What there is to say about a table or view of a client.
    pub(crate) fn describe(&self, schema: &str, name: &str) -> Option<TableDescription> {
        let object = self.object(schema, name)?;
        let comment = |(at, field): (usize, &Arc<Field>)| Some((field.name().clone(), object.column_comment(at)?.to_owned()));
        Some(TableDescription {
            summary: object.comment().unwrap_or_default().to_owned(),
            is_view: object.is_view(),
            definition: match object {
                Object::View(view) => Some(view.query.clone()),
                Object::Table(_) => None,
            },
            columns: object.schema().fields().iter().enumerate().filter_map(comment).collect(),
        })
    }

    /// Whether a relation of the engine is a view.
    pub(crate) fn is_view(&self, schema: &str, name: &str) -> bool {
        let found = self.inner.schema(schema).map(|schema| (schema.table_exist(name), schema));
        matches!(found, Some((true, _))) && !matches!(schema, "raw" | "system" | "ml")
    }

    /// The schema as it is kept: that of temporary tables has two names.
    pub(crate) fn canonical<'a>(&self, schema: &'a str) -> &'a str {
        if schema == self.temp_name { TEMP } else { schema }
    }

    /// What a scratch schema has under a name.
    pub(crate) fn object(&self, schema: &str, name: &str) -> Option<&Object> {
        self.state.get(self.canonical(schema), name)
    }

    /// A schema of clients, if it is one.
    pub(crate) fn scratch_schema(&self, name: &str) -> Option<&Arc<Schema>> {
        let name = self.canonical(name);
        self.state.space(name).schemas.get(name)
    }

    /// All rights on what clients made and keep: the kind and name of each thing, and an entry of its list.
    pub(crate) fn rights(&self) -> Vec<(&'static str, String, &AclEntry)> {
        let mut found = Vec::new();
        for (name, schema) in &self.state.durable.schemas {
            found.extend(schema.acl.entries().iter().map(|entry| ("schema", name.clone(), entry)));
            found.extend(schema.tables_acl.entries().iter().map(|entry| ("all tables in schema", name.clone(), entry)));
            for (table, object) in &schema.objects {
                let table = format!("{name}.{table}");
                found.extend(object.acl().entries().iter().map(|entry| ("table", table.clone(), entry)));
            }
        }
        found
    }

    /// A view with the place for its plan.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<Arc<ScratchView>> {
        let schema = self.canonical(schema);
        let Object::View(view) = self.state.get(schema, name)? else { return None };
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(ScratchView { view: Arc::clone(view), plan: OnceLock::new() });
        Some(Arc::clone(views.entry((schema.to_owned(), name.to_owned())).or_insert_with(made)))
    }

    fn provider(&self, schema: &str, name: &str) -> Option<Arc<dyn TableProvider>> {
        match self.object(schema, name)? {
            Object::Table(table) => {
                let name = Some((self.canonical(schema).to_owned(), name.to_owned()));
                Some(Arc::new(ScratchTable { name, table: Arc::new(table.without_rows()), with_rows: false }))
            }
            Object::View(_) => Some(self.view(schema, name)?),
        }
    }
}

/// The catalogue as the engine sees it.
#[derive(Debug)]
pub(crate) struct OverlayCatalog(pub(crate) Arc<Overlay>);

impl CatalogProvider for OverlayCatalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.0.inner.schema_names();
        names.extend(self.0.state.durable.schemas.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        if self.0.state.temp.schemas.values().any(|schema| !schema.objects.is_empty()) {
            names.push(self.0.temp_name.clone());
        }
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(schema) = self.0.inner.schema(name) {
            return Some(schema);
        }
        self.0.scratch_schema(name)?;
        Some(Arc::new(OverlaySchema { overlay: Arc::clone(&self.0), name: name.to_owned() }))
    }
}

#[derive(Debug)]
struct OverlaySchema {
    overlay: Arc<Overlay>,
    name: String,
}

#[async_trait]
impl SchemaProvider for OverlaySchema {
    fn table_names(&self) -> Vec<String> {
        self.overlay.scratch_schema(&self.name).map(|schema| schema.objects.keys().cloned().collect()).unwrap_or_default()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.overlay.provider(&self.name, name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.overlay.object(&self.name, name).is_some()
    }
}

/// The rows that a session sees, among the extensions of its configuration: a plan may be older.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) State);

/// A table of a client. Its rows are found when it is read, so that a plan may be kept, and keeps no rows.
#[derive(Debug)]
pub(crate) struct ScratchTable {
    name: Option<(String, String)>,
    table: Arc<Table>,
    /// Whether the numbers of the rows are a column.
    with_rows: bool,
}

impl ScratchTable {
    /// A state of a table that no name stands for.
    pub(crate) fn unnamed(table: Table) -> Self {
        Self { name: None, table: Arc::new(table), with_rows: false }
    }

    /// The table of a name with the numbers of its rows, for a statement that writes to it.
    pub(crate) fn numbered(schema: &str, name: &str, table: &Table) -> Self {
        let name = Some((schema.to_owned(), name.to_owned()));
        Self { name, table: Arc::new(table.without_rows()), with_rows: true }
    }

    fn now(&self, state: &dyn Session) -> Result<Arc<Table>> {
        let Some((schema, name)) = &self.name else { return Ok(Arc::clone(&self.table)) };
        let seen = state.config().get_extension::<Seen>();
        match seen.as_ref().and_then(|seen| seen.0.get(schema, name)) {
            Some(Object::Table(table)) if table.id == self.table.id => Ok(Arc::clone(table)),
            _ => Err(PgError::new("42P01", format!("relation \"{name}\" does not exist")).into()),
        }
    }
}

#[async_trait]
impl TableProvider for ScratchTable {
    fn schema(&self) -> SchemaRef {
        match self.with_rows {
            true => with_row(&self.table.schema),
            false => Arc::clone(&self.table.schema),
        }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let tasks = state.config().target_partitions();
        Ok(Arc::new(ScratchExec::new(&self.now(state)?, projection, tasks, self.with_rows)?))
    }
}

/// A view of a client. Its query is planned when a statement names it.
#[derive(Debug)]
pub(crate) struct ScratchView {
    pub(crate) view: Arc<View>,
    pub(crate) plan: OnceLock<LogicalPlan>,
}

#[async_trait]
impl TableProvider for ScratchView {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.view.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        Some(&self.view.query)
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        self.plan.get().map(Cow::Borrowed)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan.get().cloned().ok_or_else(|| PgError::new("XX000", "a view was read before it was planned"))?;
        ViewTable::new(plan, None).scan(state, projection, filters, limit).await
    }
}

/// Gives the columns of a plan other names, as AS does.
pub(crate) fn renamed(plan: LogicalPlan, names: &[String]) -> Result<LogicalPlan> {
    let columns: Vec<Expr> =
        plan.schema().iter().zip(names).map(|(column, name)| Expr::Column(Column::from(column)).alias(name.clone())).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
