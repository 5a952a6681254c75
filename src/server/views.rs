//! The views of clients: their queries planned with the rights of whoever the views read by.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider};
use datafusion::common::Column;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor};

use super::columns::parse;
use super::error::{PgError, sqlstate, too_complex};
use super::guard::{Guard, GuardedCatalog};
use super::held::is_system;
use super::names;
use super::plan::Planner;
use super::scratch::overlay::{OverlayCatalog, renamed};
use super::scratch::space::View;

/// Views inside of each other.
const MAX_VIEWS: usize = 32;

impl Planner {
    /// Plans the queries of the views of clients that a statement names, so that the engine finds them.
    pub(super) async fn plan_views(&self, statement: &ast::Statement) -> Result<(), PgError> {
        let mut named = Relations(Vec::new());
        let _ = Visit::visit(statement, &mut named);
        for (schema, name) in named.0 {
            let Some(view) = self.scratch.view(&schema, &name).filter(|view| view.plan.get().is_none()) else { continue };
            if self.depth >= MAX_VIEWS {
                return Err(too_complex());
            }
            // Before anything is said about what it reads.
            self.guard.check_read(&schema, &name)?;
            let inside = Planner { depth: self.depth + 1, ..self.reader_of(&view.view) };
            let planned = inside.plan(parse(&view.view.query)?, &[]).await.map_err(PgError::unlocated)?;
            let same = planned.schema.fields().len() == view.view.names.len()
                && planned.schema.fields().iter().zip(view.view.schema.fields()).all(|(a, b)| fits(a.data_type(), b.data_type()));
            if !same {
                return Err(PgError::new("42P16", format!("the view \"{name}\" no longer fits what it reads"))
                    .with_hint("Create it again."));
            }
            let plan = with_types(planned.plan, &view.view.schema).and_then(|plan| renamed(plan, &view.view.names));
            let plan = plan.map_err(|error| sqlstate(&error))?;
            let _ = view.plan.set(plan);
        }
        Ok(())
    }

    /// Whoever the relations of a view are read by: its owner, or who asks if the view says so or its owner is no role any more.
    fn reader_of(&self, view: &View) -> Planner {
        let asking = match &self.asker {
            None => self.clone(),
            Some(asker) => Planner { guard: asker.0.clone(), state: Arc::clone(&asker.1), asker: None, ..self.clone() },
        };
        if view.security_invoker || view.owner == asking.guard.principal().role() {
            return asking;
        }
        match asking.guard.of_owner(&view.owner) {
            Some(owner) => asking.with_guard(owner),
            None => asking,
        }
    }

    /// The same statement with names looked up behind another guard. What asks for the session itself stays: `pg_catalog`, models.
    fn with_guard(&self, guard: Guard) -> Planner {
        let mut state = self.state.as_ref().clone();
        let catalogs = MemoryCatalogProviderList::new();
        for name in state.catalog_list().catalog_names() {
            let Some(catalog) = state.catalog_list().catalog(&name) else { continue };
            let catalog = if name == self.database {
                let scratch = Arc::new(OverlayCatalog(Arc::clone(&self.scratch)));
                Arc::new(Lent { own: catalog, lent: GuardedCatalog::new(scratch, guard.clone()) })
            } else {
                catalog
            };
            catalogs.register_catalog(name, catalog);
        }
        state.register_catalog_list(Arc::new(catalogs));
        let asker = self.asker.clone().unwrap_or_else(|| Arc::new((self.guard.clone(), Arc::clone(&self.state))));
        Planner { guard, state: Arc::new(state), asker: Some(asker), ..self.clone() }
    }
}

/// A catalogue whose tables are looked up with the rights of somebody else.
#[derive(Debug)]
struct Lent {
    own: Arc<dyn CatalogProvider>,
    lent: GuardedCatalog,
}

impl CatalogProvider for Lent {
    fn schema_names(&self) -> Vec<String> {
        self.own.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if is_system(name) { self.own.schema(name) } else { self.lent.schema(name) }
    }
}

/// Whether a column of a view can give what it was declared to give.
fn fits(planned: &DataType, declared: &DataType) -> bool {
    planned == declared || planned.is_signed_integer() && declared.is_signed_integer()
}

/// The columns of a view keep the types with which it was made.
fn with_types(plan: LogicalPlan, declared: &Schema) -> datafusion::error::Result<LogicalPlan> {
    if plan.schema().fields().iter().zip(declared.fields()).all(|(a, b)| a.data_type() == b.data_type()) {
        return Ok(plan);
    }
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(declared.fields())
        .map(|((relation, planned), field)| {
            let column = Expr::Column(Column::from((relation, planned)));
            match planned.data_type() == field.data_type() {
                true => column,
                false => Expr::Cast(Cast::new(Box::new(column), field.data_type().clone())).alias(planned.name()),
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The relations that a statement names with their schemas.
struct Relations(Vec<(String, String)>);

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ast::ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(names::identifier).collect();
        if let [.., schema, table] = parts.as_slice() {
            self.0.push((schema.clone(), table.clone()));
        }
        ControlFlow::Continue(())
    }
}
