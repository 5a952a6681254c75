//! The catalogue as one session may see it: the one place where names become tables and models, and so the one where rights are
//! checked.
//!
//! The engine asks here for every table that a statement names, wherever it stands in it. Views hold their tables already, so that
//! who may read a view need not be able to read what it is made of. Lists of names leave out what may not be read. What has been
//! planned is planned anew when the role or the grants have changed since.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use placido_udfs::models::{Model, ModelError, ModelReference, ModelResolver};

use super::error::PgError;
use super::principal::Principal;
use super::scratch::PUBLIC;
use super::scratch::overlay::Overlay;
use crate::access::roles::{Object, Privilege, denied_on};

/// Schemas that everybody may use; what they hold is filtered by itself or is the session's own.
fn is_free(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema") || schema.starts_with("pg_temp")
}

/// What a check needs to know.
#[derive(Clone)]
pub(crate) struct Guard {
    principal: Arc<Principal>,
    /// Whose is what clients made. It holds no rows.
    scratch: Arc<Overlay>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(principal: Arc<Principal>, scratch: Arc<Overlay>) -> Self {
        Self { principal, scratch }
    }

    /// The same role before another state of what clients made.
    pub(crate) fn over(&self, scratch: Arc<Overlay>) -> Self {
        Self::new(Arc::clone(&self.principal), scratch)
    }

    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Whether a schema is one of clients, and the role's own or that of everybody. The schema of a role is its own before it is made.
    pub(crate) fn owns_schema(&self, schema: &str) -> bool {
        match self.scratch.scratch_schema(schema) {
            Some(scratch) => self.principal.rights().include(&scratch.owner),
            None => self.is_schema_to_be(schema),
        }
    }

    fn is_schema_to_be(&self, schema: &str) -> bool {
        schema == self.principal.role()
            && self.scratch.scratch_schema(schema).is_none()
            && self.scratch.inner.schema(schema).is_none()
    }

    /// Whether a table or view is one of clients and the role's own.
    pub(crate) fn owns(&self, schema: &str, name: &str) -> bool {
        self.scratch.object(schema, name).is_some_and(|object| self.principal.rights().include(object.owner()))
    }

    /// Whether a table or view may be changed in its definition: by its owner and that of its schema.
    pub(crate) fn check_owner(&self, kind: &str, schema: &str, name: &str) -> Result<(), PgError> {
        if is_free(schema) || self.owns(schema, name) || schema != PUBLIC && self.owns_schema(schema) {
            return Ok(());
        }
        self.check_use(schema)?;
        Err(PgError::new("42501", format!("must be owner of {kind} {name}")))
    }

    /// Whether tables and views may be made in a schema of clients.
    pub(crate) fn check_create(&self, schema: &str) -> Result<(), PgError> {
        let object = Object::Schema(schema.to_owned());
        let may = is_free(schema)
            || schema == PUBLIC
            || self.owns_schema(schema)
            || self.principal.rights().may(Privilege::Create, &object);
        if may { Ok(()) } else { Err(denied_on(&object, None).into()) }
    }

    fn check_use(&self, schema: &str) -> Result<(), PgError> {
        if self.may_use(schema) { Ok(()) } else { Err(denied_on(&Object::Schema(schema.to_owned()), None).into()) }
    }

    /// Whether names in a schema are looked up.
    pub(crate) fn may_use(&self, schema: &str) -> bool {
        is_free(schema) || schema == PUBLIC || self.owns_schema(schema) || self.principal.rights().may_use(schema)
    }

    /// Whether a table or view is shown.
    pub(crate) fn may_read(&self, schema: &str, name: &str) -> bool {
        self.may(Privilege::Select, schema, name)
    }

    fn may(&self, privilege: Privilege, schema: &str, name: &str) -> bool {
        let relation = || Object::Relation(schema.to_owned(), name.to_owned());
        is_free(schema)
            || self.may_use(schema) && (self.owns(schema, name) || self.principal.rights().may(privilege, &relation()))
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
        let kind = match self.scratch.object(schema, name) {
            Some(object) => object.kind(),
            None if self.scratch.is_view(schema, name) => "view",
            None => "table",
        };
        Err(denied_on(&Object::Relation(schema.to_owned(), name.to_owned()), Some(kind)).into())
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
        self.inner.table(name).await
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

    fn may_run(&self, name: &str) -> bool {
        self.guard.principal.rights().may(Privilege::Execute, &Object::Model(name.to_owned()))
    }
}

impl ModelResolver for GuardedModels {
    fn resolve(&self, reference: &str) -> Result<Arc<Model>, ModelError> {
        let name = reference.parse::<ModelReference>()?.name;
        if !self.may_run(&name) {
            return Err(ModelError::Denied(name));
        }
        self.inner.resolve(reference)
    }

    fn names(&self) -> Vec<String> {
        self.inner.names().into_iter().filter(|name| self.may_run(name)).collect()
    }
}
