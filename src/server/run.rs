//! Planning and running one statement, away from the connection, so that the connection can always listen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use futures::StreamExt;
use pgwire::api::Type;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::encode::{Formats, RowEncoder};
use super::error::{PgError, sqlstate, sqlstate_in};
use super::pg_catalog::PgCatalog;
use super::settings::Zone;
use super::{names, rewrite, types};

/// Rows are handed over in pieces of about this size.
const CHUNK_BYTES: usize = 32 * 1024;
/// Pieces that may wait for a slow reader; with the one being written they bound the memory of a result.
const CHUNKS_WAITING: usize = 2;
/// Planning recurses over the expression tree; below this much remaining stack it moves to a new one.
const STACK_RED_ZONE: usize = 1024 * 1024;
const STACK_SIZE: usize = 32 * 1024 * 1024;

/// A planned statement: what `Describe` tells and `Execute` runs.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    pub(crate) schema: Arc<Schema>,
    /// The columns' names as PostgreSQL gives them.
    pub(crate) names: Vec<String>,
    /// The parameters' types, on the wire and in the plan.
    pub(crate) parameters: Vec<(Type, DataType)>,
}

/// A session's state at the moment when a statement begins.
#[derive(Clone)]
pub(crate) struct Planner {
    pub(crate) state: Arc<SessionState>,
    pub(crate) catalog: Arc<PgCatalog>,
    pub(crate) search_path: Vec<String>,
    pub(crate) zone: Zone,
}

impl Planner {
    /// Plans a statement. `declared` are the parameter types that the client names.
    pub(crate) async fn plan(&self, statement: ast::Statement, declared: &[Option<Type>]) -> Result<Planned, PgError> {
        let mut statement = statement;
        explain_options(&mut statement)?;
        let shown = names::output_names(&statement);
        names::make_unique(&mut statement);
        if rewrite::rewrite(&mut statement, &self.catalog, &self.search_path)? {
            self.catalog.load(&self.state).await.map_err(|error| sqlstate(&error))?;
        }
        let mut types = declared.to_vec();
        let count = Placeholders::count(&mut statement)?;
        types.resize(count.max(types.len()), None);
        let (plan, mut inferred) = self.plan_typed(&statement, &types).await?;
        // PostgreSQL takes a parameter of which nothing is known for text; the plan has to know it too.
        let unknown: Vec<usize> = (0..types.len()).filter(|index| types[*index].is_none() && inferred[*index].is_none()).collect();
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
        let parameters = types
            .into_iter()
            .zip(inferred)
            .map(|(declared, inferred)| {
                let pg_type = declared.or_else(|| inferred.as_ref().map(types::of_data_type)).unwrap_or(Type::TEXT);
                let arrow = inferred.or_else(|| types::to_arrow(&pg_type)).unwrap_or(DataType::Utf8);
                (pg_type, arrow)
            })
            .collect();
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let names = match shown {
            Some(names) if names.len() == schema.fields().len() => names,
            _ => schema.fields().iter().map(|field| field.name().clone()).collect(),
        };
        Ok(Planned { plan, schema, names, parameters })
    }

    /// Plans with the known parameter types written into the statement; returns what the engine found for each.
    async fn plan_typed(&self, statement: &ast::Statement, types: &[Option<Type>]) -> Result<(LogicalPlan, Vec<Option<DataType>>), PgError> {
        let mut statement = statement.clone();
        if types.iter().any(Option::is_some) {
            let _ = VisitMut::visit(&mut statement, &mut TypedPlaceholders(types));
        }
        let told = |error| sqlstate_in(&error, &self.state);
        let plan = self.state.statement_to_plan(EngineStatement::Statement(Box::new(statement))).await.map_err(told)?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only
            .verify_plan(&plan)
            .map_err(|_| PgError::new("0A000", "the server is read-only: the statement would change something"))?;
        let found = plan.get_parameter_types().map_err(|_| {
            PgError::new("42P08", "a parameter is used with different types").with_hint("Cast it where it stands, as in $1::float8.")
        })?;
        let inferred = (1..=types.len())
            .map(|number| found.get(&format!("${number}")).cloned().flatten().filter(|inferred| *inferred != DataType::Null))
            .collect();
        Ok((plan, inferred))
    }

    /// Runs a planned statement and sends its rows, until they end or nobody takes them any more.
    pub(crate) async fn run(
        self,
        planned: Arc<Planned>,
        values: Vec<ScalarValue>,
        formats: Formats,
        rows: mpsc::Sender<Result<Event, PgError>>,
    ) {
        if let Err(error) = self.rows(&planned, values, &formats, &rows).await {
            let _ = rows.send(Err(error)).await;
        }
    }

    async fn rows(
        self,
        planned: &Planned,
        values: Vec<ScalarValue>,
        formats: &Formats,
        rows: &mpsc::Sender<Result<Event, PgError>>,
    ) -> Result<(), PgError> {
        let told = |error| sqlstate(&error);
        let bound;
        let plan = if values.is_empty() {
            &planned.plan
        } else {
            let values: Vec<_> = values.into_iter().map(Into::into).collect();
            bound = planned.plan.clone().replace_params_with_values(&ParamValues::List(values)).map_err(told)?;
            &bound
        };
        let physical = self.state.create_physical_plan(plan).await.map_err(|error| sqlstate_in(&error, &self.state))?;
        let context = self.state.task_ctx();
        let encoder = RowEncoder::new(&planned.schema, formats, self.zone);
        // The state is the session's; keeping it while rows are read would force the session to copy it.
        drop(self);
        let mut batches = execute_stream(physical, context).map_err(told)?;
        let mut bytes = BytesMut::with_capacity(4 * 1024);
        let mut count = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(told)?;
            let columns = RowEncoder::canonical(&batch).map_err(told)?;
            let mut from = 0;
            while from < batch.num_rows() {
                let next = encoder.rows(&batch, &columns, from, CHUNK_BYTES, &mut bytes).map_err(told)?;
                count += next - from;
                from = next;
                if bytes.len() >= CHUNK_BYTES {
                    let chunk = Event::Rows { bytes: std::mem::take(&mut bytes), count: std::mem::take(&mut count) };
                    if rows.send(Ok(chunk)).await.is_err() {
                        return Ok(());
                    }
                    bytes.reserve(CHUNK_BYTES + 4 * 1024);
                }
            }
        }
        let _ = rows.send(Ok(Event::End { bytes, count })).await;
        Ok(())
    }
}

/// What a running statement tells its connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The statement has been planned; sent only by [`Running::query`].
    Planned(Arc<Planned>),
    /// Whole `DataRow` messages and their number.
    Rows { bytes: BytesMut, count: usize },
    /// The last rows.
    End { bytes: BytesMut, count: usize },
}

/// A statement at work. Dropping it stops the work.
#[derive(Debug)]
pub(crate) struct Running {
    events: mpsc::Receiver<Result<Event, PgError>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Plans and runs a statement without parameters; its first event is the plan.
    pub(crate) fn query(runtime: &Handle, planner: Planner, statement: ast::Statement) -> Self {
        Self::start(runtime, |events| async move {
            match planner.plan(statement, &[]).await {
                Ok(planned) => {
                    let planned = Arc::new(planned);
                    if !planned.parameters.is_empty() {
                        let _ = events.send(Err(PgError::new("42P02", "there is no parameter $1"))).await;
                        return;
                    }
                    if events.send(Ok(Event::Planned(Arc::clone(&planned)))).await.is_ok() {
                        planner.run(planned, Vec::new(), Formats::default(), events).await;
                    }
                }
                Err(error) => {
                    let _ = events.send(Err(error)).await;
                }
            }
        })
    }

    /// Runs a statement that has been planned.
    pub(crate) fn planned(runtime: &Handle, planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>, formats: Formats) -> Self {
        Self::start(runtime, |events| planner.run(planned, values, formats, events))
    }

    /// Only plans; the one event is the plan.
    pub(crate) fn plan(runtime: &Handle, planner: Planner, statement: ast::Statement, declared: Vec<Option<Type>>) -> Self {
        Self::start(runtime, |events| async move {
            let planned = planner.plan(statement, &declared).await;
            drop(planner);
            let _ = events.send(planned.map(|planned| Event::Planned(Arc::new(planned)))).await;
        })
    }

    fn start<F: Future<Output = ()> + Send + 'static>(runtime: &Handle, work: impl FnOnce(mpsc::Sender<Result<Event, PgError>>) -> F) -> Self {
        let (sender, events) = mpsc::channel(CHUNKS_WAITING);
        Self { events, task: runtime.spawn(Roomy(Box::pin(work(sender)))) }
    }

    /// The next event. The channel ends early only when the work panicked, which is a bug.
    pub(crate) async fn next(&mut self) -> Result<Event, PgError> {
        match self.events.recv().await {
            Some(event) => event,
            None => Err(PgError::new("XX000", "the statement ended without a result; the server's log says more")),
        }
    }
}

/// A future that is always polled with enough stack for deep expressions.
struct Roomy<F>(Pin<Box<F>>);

impl<F: Future> Future for Roomy<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        stacker::maybe_grow(STACK_RED_ZONE, STACK_SIZE, || self.0.as_mut().poll(context))
    }
}

/// Counts parameters: `$3` means that there are three.
struct Placeholders(usize, Option<PgError>);

impl Placeholders {
    fn count(statement: &mut ast::Statement) -> Result<usize, PgError> {
        let mut counter = Placeholders(0, None);
        let _ = VisitMut::visit(statement, &mut counter);
        match counter.1 {
            Some(error) => Err(error),
            None => Ok(counter.0),
        }
    }
}

impl VisitorMut for Placeholders {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> std::ops::ControlFlow<()> {
        if let ast::Value::Placeholder(name) = &value.value {
            match name.trim_start_matches('$').parse::<u16>() {
                Ok(number) if number > 0 => self.0 = self.0.max(usize::from(number)),
                _ => self.1 = Some(PgError::new("42P02", format!("there is no parameter {name}")).with_hint("Parameters are $1, $2, ….")),
            }
        }
        std::ops::ControlFlow::Continue(())
    }
}

/// Writes the known type of each parameter into the statement, as a cast.
struct TypedPlaceholders<'a>(&'a [Option<Type>]);

impl VisitorMut for TypedPlaceholders<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> std::ops::ControlFlow<()> {
        if let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Placeholder(name), .. }) = expr
            && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
            && let Some(Some(pg_type)) = number.checked_sub(1).and_then(|index| self.0.get(index))
            && let Some(data_type) = ast_type(pg_type)
        {
            let inner = expr.clone();
            *expr = ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(inner), data_type, array: false, format: None };
        }
        std::ops::ControlFlow::Continue(())
    }
}

fn ast_type(pg_type: &Type) -> Option<ast::DataType> {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&types::sql_name(pg_type)?).ok()?.parse_data_type().ok()
}

/// `EXPLAIN (ANALYZE, FORMAT …)` in the engine's spelling.
fn explain_options(statement: &mut ast::Statement) -> Result<(), PgError> {
    let ast::Statement::Explain { analyze, verbose, format, options, .. } = statement else { return Ok(()) };
    for option in options.take().unwrap_or_default() {
        let argument = option.arg.as_ref().map(|argument| argument.to_string().trim_matches('\'').to_lowercase());
        let on = !matches!(argument.as_deref(), Some("false" | "off" | "0"));
        match option.name.value.to_lowercase().as_str() {
            "analyze" => *analyze = on,
            "verbose" => *verbose = on,
            "format" => match argument.as_deref() {
                Some("text") | None => *format = None,
                Some("json") => *format = Some(ast::AnalyzeFormatKind::Keyword(ast::AnalyzeFormat::JSON)),
                Some(other) => return Err(PgError::new("0A000", format!("EXPLAIN in the format {other} is not supported"))),
            },
            // What these would add is always or never part of the answer.
            "costs" | "buffers" | "timing" | "summary" | "settings" | "wal" | "generic_plan" => {}
            other => return Err(PgError::new("42601", format!("unrecognized EXPLAIN option \"{other}\""))),
        }
    }
    Ok(())
}
