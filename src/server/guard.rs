//! The catalogue as one session may see it: the one place where names become tables and models, and so the one where rights are
//! checked.
//!
//! The engine asks here for every table that a statement names, wherever it stands in it. Views hold their tables already, so that
//! who may read a view need not be able to read what it is made of. Lists of names leave out what may not be read. What has been
//! planned is planned anew when the role or the grants have changed since.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{LogicalPlanBuilder, lit};
use datafusion::prelude::col;
use placido_udfs::models::{Model, ModelError, ModelReference, ModelResolver};

use super::error::PgError;
use super::held::{Held, is_temporary};
use super::principal::Principal;
use super::scratch::overlay::Overlay;
use crate::access::roles::{Object, Privilege, denied_on};

/// Tables that tell of models, by schema and name, and their column with a model's name.
const MODEL_TABLES: &[(&str, &str, &str)] = &[("ml", "models", "name"), ("ml", "signature", "model")];

/// What a check needs to know.
#[derive(Clone)]
pub(crate) struct Guard {
    principal: Arc<Principal>,
    /// Whose is what clients made. It holds no rows.
    scratch: Arc<Overlay>,
    models: Option<Arc<dyn ModelResolver>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(principal: Arc<Principal>, scratch: Arc<Overlay>, models: Option<Arc<dyn ModelResolver>>) -> Self {
        Self { principal, scratch, models }
    }

    /// The same role before another state of what clients made.
    pub(crate) fn over(&self, scratch: Arc<Overlay>) -> Self {
        Self { scratch, ..self.clone() }
    }

    /// The owner of a view before the same, where there is such a role.
    pub(crate) fn of_owner(&self, owner: &str) -> Option<Self> {
        self.principal.user.access.roles().get(owner)?;
        let principal = Arc::new(self.principal.lend(owner));
        Some(Self { principal, ..self.clone() })
    }

    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    pub(crate) fn scratch(&self) -> &Overlay {
        &self.scratch
    }

    fn held<T>(&self, look: impl FnOnce(Held<'_>) -> T) -> T {
        let (role, rights) = (self.principal.role(), self.principal.rights());
        look(Held { role: &role, rights: &rights, scratch: &self.scratch })
    }

    /// Whether a schema is one of clients, and the role's own. That of the role's name is its own before it is made.
    pub(crate) fn owns_schema(&self, schema: &str) -> bool {
        self.held(|held| held.owns_schema(schema))
    }

    /// Whether a table or view is one of clients and the role's own.
    pub(crate) fn owns(&self, schema: &str, name: &str) -> bool {
        self.held(|held| held.owns(schema, name))
    }

    /// Whether a table or view may be changed in its definition: by its owner and that of its schema.
    pub(crate) fn check_owner(&self, kind: &str, schema: &str, name: &str) -> Result<(), PgError> {
        if self.owns(schema, name) || !is_temporary(schema) && self.owns_schema(schema) {
            return Ok(());
        }
        self.check_use(schema)?;
        Err(PgError::new("42501", format!("must be owner of {kind} {name}")))
    }

    /// Whether tables and views may be made in a schema of clients.
    pub(crate) fn check_create(&self, schema: &str) -> Result<(), PgError> {
        match self.held(|held| held.on_schema(Privilege::Create, schema, false)) {
            true => Ok(()),
            false => Err(denied_on(&Object::Schema(schema.to_owned()), None).into()),
        }
    }

    /// Whether names in a schema are looked up; PostgreSQL's error where not.
    pub(crate) fn check_use(&self, schema: &str) -> Result<(), PgError> {
        if self.may_use(schema) { Ok(()) } else { Err(denied_on(&Object::Schema(schema.to_owned()), None).into()) }
    }

    /// Whether names in a schema are looked up.
    pub(crate) fn may_use(&self, schema: &str) -> bool {
        self.held(|held| held.on_schema(Privilege::Usage, schema, false))
    }

    /// Whether a schema is shown: also that of which tables may be made only.
    pub(crate) fn may_see_schema(&self, schema: &str) -> bool {
        self.held(|held| Privilege::OF_SCHEMA.into_iter().any(|privilege| held.on_schema(privilege, schema, false)))
    }

    /// Whether a table or view may be read.
    pub(crate) fn may_read(&self, schema: &str, name: &str) -> bool {
        self.may(Privilege::Select, schema, name)
    }

    /// Whether a table or view is shown: that with which anything may be done.
    pub(crate) fn may_see(&self, schema: &str, name: &str) -> bool {
        self.may_use(schema) && self.held(|held| held.any_on_relation(schema, name))
    }

    fn may(&self, privilege: Privilege, schema: &str, name: &str) -> bool {
        self.may_use(schema) && self.held(|held| held.on_relation(privilege, schema, name, false))
    }

    /// Whether a table or view may be read; PostgreSQL's error where not.
    pub(crate) fn check_read(&self, schema: &str, name: &str) -> Result<(), PgError> {
        self.check(Privilege::Select, schema, name)
    }

    /// Whether something may be done with a table or view.
    pub(crate) fn check(&self, privilege: Privilege, schema: &str, name: &str) -> Result<(), PgError> {
        if self.may(privilege, schema, name) {
            return Ok(());
        }
        self.check_use(schema)?;
        Err(denied_on(&Object::Relation(schema.to_owned(), name.to_owned()), Some(self.kind(schema, name))).into())
    }

    /// What a relation is, as messages name it.
    pub(crate) fn kind(&self, schema: &str, name: &str) -> &'static str {
        match self.scratch.object(schema, name) {
            Some(object) => object.kind(),
            None if self.scratch.is_view(schema, name) => "view",
            None => "table",
        }
    }

    /// Whether a model may be run.
    pub(crate) fn may_run(&self, model: &str) -> bool {
        self.principal.rights().may(Privilege::Execute, &Object::Model(model.to_owned()))
    }

    /// A table about models with the rows of those only that may be run. It has their names in `column`.
    fn of_models(&self, table: Arc<dyn TableProvider>, column: &str) -> Result<Arc<dyn TableProvider>> {
        let rights = self.principal.rights();
        if rights.is_everything() || table.schema().index_of(column).is_err() {
            return Ok(table);
        }
        let names = self.models.as_ref().map(|models| models.names()).unwrap_or_default();
        let allowed = names.into_iter().filter(|name| self.may_run(name)).map(lit).collect();
        let plan = LogicalPlanBuilder::scan("models", provider_as_source(table), None)?
            .filter(col(column).in_list(allowed, false))?
            .build()?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

/// A catalogue behind a guard.
#[derive(Debug)]
pub(crate) struct GuardedCatalog {
    inner: Arc<dyn CatalogProvider>,
    guard: Guard,
}

impl GuardedCatalog {
    pub(crate) fn new(inner: Arc<dyn CatalogProvider>, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

impl CatalogProvider for GuardedCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names().into_iter().filter(|schema| self.guard.may_use(schema)).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let inner = self.inner.schema(name)?;
        Some(Arc::new(GuardedSchema { inner, name: name.to_owned(), guard: self.guard.clone() }))
    }
}

#[derive(Debug)]
struct GuardedSchema {
    inner: Arc<dyn SchemaProvider>,
    name: String,
    guard: Guard,
}

#[async_trait]
impl SchemaProvider for GuardedSchema {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names().into_iter().filter(|table| self.guard.may_read(&self.name, table)).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        self.guard.check_use(&self.name)?;
        if !self.inner.table_exist(name) {
            return Ok(None);
        }
        self.guard.check_read(&self.name, name)?;
        let table = self.inner.table(name).await?;
        match (table, MODEL_TABLES.iter().find(|(schema, known, _)| *schema == self.name && *known == name)) {
            (Some(table), Some((.., column))) => Ok(Some(self.guard.of_models(table, column)?)),
            (table, _) => Ok(table),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

/// The models as one session may run them.
#[derive(Debug)]
pub(crate) struct GuardedModels {
    inner: Arc<dyn ModelResolver>,
    guard: Guard,
}

impl GuardedModels {
    pub(crate) fn new(inner: Arc<dyn ModelResolver>, guard: Guard) -> Self {
        Self { inner, guard }
    }
}

impl ModelResolver for GuardedModels {
    fn resolve(&self, reference: &str) -> Result<Arc<Model>, ModelError> {
        let name = reference.parse::<ModelReference>()?.name;
        if !self.guard.may_run(&name) {
            return Err(ModelError::Denied(name));
        }
        self.inner.resolve(reference)
    }

    fn names(&self) -> Vec<String> {
        self.inner.names().into_iter().filter(|name| self.guard.may_run(name)).collect()
    }
}
