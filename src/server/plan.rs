//! Planning one statement: PostgreSQL's spellings, the types of its parameters, the plan of the engine.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{self, VisitMut};
use futures::future::BoxFuture;
use pgwire::api::Type;
use placido_udfs::Stop;

use super::error::{PgError, sqlstate, sqlstate_in};
use super::explain::Explain;
use super::guard::Guard;
use super::kept_plan::KeptPlan;
use super::pg_catalog::PgCatalog;
use super::placeholders::{Compared, Placeholders, TypedPlaceholders};
use super::relation_names::Names;
use super::scratch::overlay::Overlay;
use super::settings::Zone;
use super::writing::{self, Writing};
use super::written::Written;
use super::{bare_columns, literals, lookup, memory, names, pg_catalog, result_types, rewrite, types};
use crate::runtime::apart;

/// A planned statement: what `Describe` tells and `Execute` runs.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    pub(crate) schema: Arc<Schema>,
    /// The columns' names as PostgreSQL gives them.
    pub(crate) names: Vec<String>,
    /// The parameters' types, on the wire and in the plan.
    pub(crate) parameters: Vec<(Type, DataType)>,
    /// What is answered in place of the rows: the plan.
    pub(crate) explain: Option<Explain>,
    /// Physical plans for the next executions, where they may be kept.
    pub(crate) kept: Option<KeptPlan>,
    /// How often a kept plan served an execution, and how often one was made for it.
    pub(crate) runs: Runs,
    /// The description of the columns, in text, as it is sent.
    pub(crate) description: OnceLock<Bytes>,
    /// The types of the columns on the wire, found once: see [`Planned::types`].
    pub(crate) sent: OnceLock<Arc<[Type]>>,
    /// How the rows of `plan` are written, where the statement does that. The columns are then those of RETURNING.
    pub(crate) writing: Option<Writing>,
}

impl Planned {
    /// A query.
    pub(crate) fn new(plan: LogicalPlan, schema: Arc<Schema>, names: Vec<String>, parameters: Vec<(Type, DataType)>) -> Self {
        let (runs, description, sent) = (Runs::default(), OnceLock::new(), OnceLock::new());
        Self { plan, schema, names, parameters, explain: None, kept: None, runs, description, sent, writing: None }
    }

    /// Whether there are rows for the client.
    pub(crate) fn has_rows(&self) -> bool {
        self.writing.as_ref().is_none_or(Writing::returns)
    }

    /// The rows of a physical plan that was made of it, or what EXPLAIN says of that plan.
    pub(crate) async fn run(
        &self,
        physical: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> datafusion::error::Result<SendableRecordBatchStream> {
        match &self.explain {
            Some(explain) => explain.run(physical, context).await,
            None => execute_stream(physical, context),
        }
    }

    /// The types of the columns on the wire.
    pub(crate) fn types(&self) -> Arc<[Type]> {
        let found = || self.schema.fields().iter().map(|field| types::of_field(field)).collect();
        Arc::clone(self.sent.get_or_init(found))
    }
}

/// What `pg_prepared_statements` counts. Sessions that share a plan count together.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) generic: AtomicI64,
    pub(crate) custom: AtomicI64,
}

/// A session's state at the moment when a statement begins.
#[derive(Clone)]
pub(crate) struct Planner {
    pub(crate) state: Arc<SessionState>,
    pub(crate) catalog: Arc<PgCatalog>,
    /// What clients made, as the statement sees it.
    pub(crate) scratch: Arc<Overlay>,
    pub(crate) guard: Guard,
    /// Whoever asks, where names are looked up with the rights of somebody else.
    pub(crate) asker: Option<Arc<(Guard, Arc<SessionState>)>>,
    pub(crate) user: String,
    pub(crate) database: String,
    /// How many views the statement is inside of.
    pub(crate) depth: usize,
    pub(crate) search_path: Vec<String>,
    pub(crate) zone: Zone,
    /// What operators need when they run, sharing the server's memory.
    pub(crate) context: Arc<TaskContext>,
    /// Bytes that the statement may use at a time.
    pub(crate) query_memory: Option<usize>,
    /// What ends the functions of the statement when nobody waits for it.
    pub(crate) stop: Option<Stop>,
}

impl Planner {
    /// What stops the functions of the statement, which begins now.
    pub(crate) fn stopping(&mut self) -> Stop {
        self.stop.insert(Stop::new()).clone()
    }

    /// What the operators of one statement need: memory of its own, which is part of the server's, and what stops them.
    pub(crate) fn context(&self) -> Arc<TaskContext> {
        match (self.query_memory, &self.stop) {
            (None, None) => Arc::clone(&self.context),
            (bytes, stop) => memory::context(&self.context, bytes, stop.as_ref()),
        }
    }

    /// Names as the session means them.
    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            overlay: &self.scratch,
            guard: &self.guard,
            search_path: &self.search_path,
            database: &self.database,
            user: &self.user,
        }
    }

    /// Plans a statement, on a thread of its own. `declared` are the parameter types that the client names.
    pub(crate) fn plan(
        &self,
        statement: ast::Statement,
        declared: &[Option<Type>],
    ) -> BoxFuture<'static, Result<Planned, PgError>> {
        let (planner, declared) = (self.clone(), declared.to_vec());
        Box::pin(async move { apart(async move { planner.plan_here(statement, &declared).await }).await? })
    }

    /// The engine's operators for a plan, found on a thread of its own.
    pub(crate) async fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, PgError> {
        let (state, plan) = (Arc::clone(&self.state), plan.clone());
        let planning = async move { state.create_physical_plan(&plan).await.map_err(|error| sqlstate_in(&error, &state)) };
        apart(planning).await?
    }

    async fn plan_here(&self, mut statement: ast::Statement, declared: &[Option<Type>]) -> Result<Planned, PgError> {
        let begun = Instant::now();
        let explain = Explain::take(&mut statement)?;
        if writing::is_write(&statement) {
            return Box::pin(writing::plan(self, statement, declared)).await;
        }
        let written = Written::of(&statement);
        let planned = self.plan_query(statement, declared).await.map_err(|error| written.named(error))?;
        Ok(match explain {
            Some(explain) => explain.of(planned, self.state.config_options().explain.format.clone(), begun.elapsed()),
            None => planned,
        })
    }

    async fn plan_query(&self, mut statement: ast::Statement, declared: &[Option<Type>]) -> Result<Planned, PgError> {
        placido_udfs::fill_defaults(&mut statement);
        let shown = names::output_names(&statement);
        let announced = result_types::of_statement(&statement);
        names::name_beside_wildcard(&mut statement);
        let mut types = declared.to_vec();
        // Before anything is rewritten: a parameter of a part that is left out still has its number.
        let any = Placeholders::complete(&mut statement, &mut types)?;
        let asks_catalog = rewrite::rewrite(&mut statement, &self.catalog, &self.search_path)?;
        if asks_catalog {
            self.catalog.load(&self.state).await.map_err(|error| sqlstate(&error))?;
        }
        literals::mark(&mut statement)?;
        // As the engine will see them: what is written differently may be the same to it.
        names::make_unique(&mut statement);
        self.plan_views(&statement).await?;
        if any {
            self.type_compared(&statement, &mut types).await;
        }
        let (plan, mut inferred) = match self.plan_typed(&statement, &types).await {
            // What is written differently may still have one name in the engine.
            Err(error) if error.code == "42701" && names::name_all(&mut statement) => self.plan_typed(&statement, &types).await?,
            Err(error) if error.code == "42703" && names::write_grouped(&mut statement) => {
                self.plan_typed(&statement, &types).await.map_err(|_| error)?
            }
            planned => planned?,
        };
        if let Some(probe) = bare_columns::probe(&statement)
            && let Err(error) = self.plan_typed(&probe, &types).await
            && error.code == "42702"
        {
            return Err(error);
        }
        // PostgreSQL takes a parameter of which nothing is known for text; the plan has to know it too.
        let unknown: Vec<usize> =
            (0..types.len()).filter(|index| types[*index].is_none() && inferred[*index].is_none()).collect();
        let plan = if unknown.is_empty() {
            plan
        } else {
            for index in unknown {
                types[index] = Some(Type::TEXT);
            }
            let (plan, again) = self.plan_typed(&statement, &types).await?;
            inferred = again;
            plan
        };
        let plan = match asks_catalog {
            true => pg_catalog::show_names(plan, &self.state).map_err(|error| sqlstate_in(&error, &self.state))?,
            false => plan,
        };
        let parameters = types
            .into_iter()
            .zip(inferred)
            .map(|(declared, inferred)| {
                let found = inferred.as_ref().map(|inferred| types::of_parameter(inferred));
                let pg_type = declared.or(found).unwrap_or(Type::TEXT);
                let arrow = inferred
                    .map(|inferred| inferred.data_type().clone())
                    .or_else(|| types::to_arrow(&pg_type))
                    .unwrap_or(DataType::Utf8);
                (pg_type, arrow)
            })
            .collect();
        let schema = Arc::new(result_types::announce(self.coerced(&plan)?.as_arrow(), &announced, asks_catalog));
        let names = match shown {
            Some(names) if names.len() == schema.fields().len() => names,
            _ => schema.fields().iter().map(|field| names::shown(field.name()).to_owned()).collect(),
        };
        // The catalog's relations and functions answer for the session.
        let kept = if asks_catalog { None } else { KeptPlan::of(&plan) };
        Ok(Planned { kept, ..Planned::new(plan, schema, names, parameters) })
    }

    /// The columns of a plan, in the types that they have when the engine's analyzer has seen it: until then a union has the types of its
    /// first part, and a CASE that of its first branch.
    fn coerced(&self, plan: &LogicalPlan) -> Result<DFSchemaRef, PgError> {
        let waits = |plan: &LogicalPlan| {
            let mut waits = matches!(plan, LogicalPlan::Union(_));
            plan.apply_expressions(|expr| {
                waits |= expr.exists(|expr| Ok(matches!(expr, Expr::Case(_))))?;
                Ok(if waits { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })?;
            Ok(waits)
        };
        if !plan.exists(waits).map_err(|error| sqlstate(&error))? {
            return Ok(Arc::clone(plan.schema()));
        }
        let options = self.state.config_options();
        let analyzed = self.state.analyzer().execute_and_check(plan.clone(), options, |_, _| {});
        Ok(Arc::clone(analyzed.map_err(|error| sqlstate_in(&error, &self.state))?.schema()))
    }

    /// Finds the types of parameters by what they are compared with or stand for: see [`Compared`].
    async fn type_compared(&self, statement: &ast::Statement, types: &mut [Option<Type>]) {
        let mut probe = statement.clone();
        let found = Compared::in_statement(&mut probe, types);
        // What is wrong with the statement is said of the statement itself.
        let Ok((_, inferred)) = self.plan_typed(&probe, types).await else { return };
        for (index, is) in found {
            let known = inferred.get(index).and_then(Option::as_ref).map(|known| types::of_parameter(known));
            if let (Some(slot), Some(pg_type)) = (types.get_mut(index), known.and_then(|known| is(&known))) {
                *slot = Some(pg_type);
            }
        }
    }

    /// Plans with the known parameter types written into the statement; returns what the engine found for each.
    async fn plan_typed(
        &self,
        statement: &ast::Statement,
        types: &[Option<Type>],
    ) -> Result<(LogicalPlan, Vec<Option<FieldRef>>), PgError> {
        let mut statement = statement.clone();
        if types.iter().any(Option::is_some) {
            let _ = VisitMut::visit(&mut statement, &mut TypedPlaceholders(types));
        }
        let told = |error| sqlstate_in(&error, &self.state);
        let plan = match lookup::plan(&statement, &self.state).await {
            Some(plan) => plan,
            None => {
                let statement = EngineStatement::Statement(Box::new(statement));
                self.state.statement_to_plan(statement).await.map_err(told)?
            }
        };
        let allowed = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        allowed
            .verify_plan(&plan)
            .map_err(|_| PgError::new("0A000", "the server is read-only: the statement would change something"))?;
        let found = plan.get_parameter_fields().map_err(|_| {
            PgError::new("42P08", "a parameter is used with different types")
                .with_hint("Cast it where it stands, as in $1::float8.")
        })?;
        let inferred = (1..=types.len())
            .map(|number| found.get(&format!("${number}")).cloned().flatten().filter(|inferred| !inferred.data_type().is_null()))
            .collect();
        Ok((plan, inferred))
    }
}
