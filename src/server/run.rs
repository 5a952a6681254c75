//! Running one statement, away from the connection, so that the connection can always listen.
//!
//! The rows come when they are asked for: all at once, or in parts for portals and cursors. Between the parts a statement holds one
//! batch and nothing that is encoded, so that each part may have its own format.

use std::future::Future;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use pgwire::api::Type;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::copy::CopyOptions;
use super::copy_rows::CopyEncoder;
use super::encode::{Formats, RowEncoder};
use super::error::{PgError, sqlstate, sqlstate_in};
use super::lookup;
use super::plan::{Planned, Planner};
use super::settings::Zone;
use super::stack::Roomy;

/// Rows are handed over in pieces of about this size.
const CHUNK_BYTES: usize = 32 * 1024;
/// Pieces that may wait for a slow reader; with the one being written they bound the memory of a result.
const CHUNKS_WAITING: usize = 2;

/// How rows are written.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// `DataRow` messages.
    Rows(Formats),
    /// `CopyData` messages.
    Copy(Arc<CopyOptions>),
    /// Not at all; they are passed over.
    Nothing,
}

/// What a connection asks of a running statement.
#[derive(Debug)]
pub(crate) struct Demand {
    /// How many rows at most.
    pub(crate) rows: usize,
    pub(crate) output: Output,
}

impl Demand {
    /// All rows, as they are sent to a client that has said nothing of formats.
    pub(crate) fn all(output: Output) -> Self {
        Self { rows: usize::MAX, output }
    }
}

/// What a running statement tells its connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The statement has been planned.
    Planned(Arc<Planned>),
    /// Whole messages, one a row, and their number.
    Rows { bytes: BytesMut, count: usize },
    /// As many rows as were asked for have been given with these.
    Paused { bytes: BytesMut, count: usize },
    /// The last rows.
    End { bytes: BytesMut, count: usize },
}

type Events = mpsc::Sender<Result<Event, PgError>>;
type Demands = mpsc::Receiver<Demand>;

/// A statement at work. Dropping it stops the work.
#[derive(Debug)]
pub(crate) struct Running {
    events: mpsc::Receiver<Result<Event, PgError>>,
    demands: mpsc::Sender<Demand>,
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
        Self::start(runtime, |events, demands| async move {
            let planned = planner.plan(statement, &[]).await.map(Arc::new).and_then(without_parameters);
            let Some(planned) = tell_plan(planned, &events).await else { return };
            run(planner, planned, Vec::new(), demands, events).await;
        })
    }

    /// Runs a statement that has been planned.
    pub(crate) fn planned(runtime: &Handle, planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>) -> Self {
        Self::start(runtime, |events, demands| run(planner, planned, values, demands, events))
    }

    /// Runs a statement that has been planned, with values that have to be computed; its first event is the plan.
    pub(crate) fn execute(runtime: &Handle, planner: Planner, planned: Arc<Planned>, arguments: Vec<ast::Expr>) -> Self {
        Self::start(runtime, |events, demands| async move {
            match super::arguments::evaluate(&planner, &planned.parameters, arguments).await {
                Ok(values) => {
                    if events.send(Ok(Event::Planned(Arc::clone(&planned)))).await.is_ok() {
                        run(planner, planned, values, demands, events).await;
                    }
                }
                Err(error) => {
                    let _ = events.send(Err(error)).await;
                }
            }
        })
    }

    /// Only plans; the one event is the plan.
    pub(crate) fn plan(runtime: &Handle, planner: Planner, statement: ast::Statement, declared: Vec<Option<Type>>) -> Self {
        Self::start(runtime, |events, _| async move {
            let planned = planner.plan(statement, &declared).await.map(Arc::new);
            drop(planner);
            tell_plan(planned, &events).await;
        })
    }

    fn start<F: Future<Output = ()> + Send + 'static>(runtime: &Handle, work: impl FnOnce(Events, Demands) -> F) -> Self {
        let (sender, events) = mpsc::channel(CHUNKS_WAITING);
        let (demands, asked) = mpsc::channel(1);
        Self { events, demands, task: runtime.spawn(Roomy::new(work(sender, asked))) }
    }

    /// Asks for rows. What was asked before must have been answered.
    pub(crate) fn ask(&self, demand: Demand) {
        // A statement that has failed hears nothing; what it said last is read by `next`.
        let _ = self.demands.try_send(demand);
    }

    /// The next event. The channel ends early only when the work panicked, which is a bug.
    pub(crate) async fn next(&mut self) -> Result<Event, PgError> {
        match self.events.recv().await {
            Some(event) => event,
            None => Err(PgError::new("XX000", "the statement ended without a result; the server's log says more")),
        }
    }
}

async fn tell_plan(planned: Result<Arc<Planned>, PgError>, events: &Events) -> Option<Arc<Planned>> {
    match planned {
        Ok(planned) => {
            events.send(Ok(Event::Planned(Arc::clone(&planned)))).await.ok()?;
            Some(planned)
        }
        Err(error) => {
            let _ = events.send(Err(error)).await;
            None
        }
    }
}

/// Refuses a statement with parameters where nobody can give them values.
pub(crate) fn without_parameters(planned: Arc<Planned>) -> Result<Arc<Planned>, PgError> {
    if planned.parameters.is_empty() { Ok(planned) } else { Err(PgError::new("42P02", "there is no parameter $1")) }
}

/// Runs a planned statement and sends its rows, until they end or nobody takes them any more.
async fn run(planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>, demands: Demands, events: Events) {
    if let Err(error) = rows(planner, &planned, values, demands, &events).await {
        let _ = events.send(Err(error)).await;
    }
}

async fn rows(
    planner: Planner,
    planned: &Planned,
    values: Vec<ScalarValue>,
    mut demands: Demands,
    events: &Events,
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
    let state = &planner.state;
    let physical = if lookup::is_lookup(plan) {
        state.query_planner().create_physical_plan(plan, state.as_ref()).await
    } else {
        state.create_physical_plan(plan).await
    };
    let physical = physical.map_err(|error| sqlstate_in(&error, state))?;
    let context = state.task_ctx();
    let zone = planner.zone;
    // The state is the session's; keeping it while rows are read would force the session to copy it.
    drop(planner);
    let mut batches = execute_stream(physical, context).map_err(told)?;
    let mut piece = Piece::default();
    while let Some(demand) = demands.recv().await {
        let mut encoder = Encoder::new(planned, &demand.output, zone)?;
        let mut bytes = BytesMut::with_capacity(4 * 1024);
        let (mut count, mut left) = (0, demand.rows);
        loop {
            if left == 0 {
                encoder.end(&mut bytes);
                if events.send(Ok(Event::Paused { bytes, count })).await.is_err() {
                    return Ok(());
                }
                break;
            }
            if piece.next >= piece.rows {
                match batches.next().await {
                    Some(batch) => piece = Piece::new(&batch.map_err(told)?, planned.only)?,
                    None => {
                        encoder.end(&mut bytes);
                        let _ = events.send(Ok(Event::End { bytes, count })).await;
                        return Ok(());
                    }
                }
                continue;
            }
            let until = piece.rows.min(piece.next.saturating_add(left));
            let next = encoder.rows(&piece.columns, piece.next..until, &mut bytes).map_err(told)?;
            count += next - piece.next;
            left -= next - piece.next;
            piece.next = next;
            if bytes.len() >= CHUNK_BYTES {
                let chunk = Event::Rows { bytes: std::mem::take(&mut bytes), count: std::mem::take(&mut count) };
                if events.send(Ok(chunk)).await.is_err() {
                    return Ok(());
                }
                bytes.reserve(CHUNK_BYTES + 4 * 1024);
            }
        }
    }
    Ok(())
}

/// A batch and how far it has been written.
#[derive(Default)]
struct Piece {
    columns: Vec<ArrayRef>,
    next: usize,
    rows: usize,
}

impl Piece {
    fn new(batch: &RecordBatch, only: Option<usize>) -> Result<Self, PgError> {
        let mut columns = RowEncoder::canonical(batch).map_err(|error| sqlstate(&error))?;
        if let Some(only) = only {
            columns = columns.into_iter().skip(only).take(1).collect();
        }
        Ok(Self { columns, next: 0, rows: batch.num_rows() })
    }
}

/// The writer of one answer.
enum Encoder {
    Rows(RowEncoder),
    Copy(Box<CopyEncoder>),
    Nothing,
}

impl Encoder {
    fn new(planned: &Planned, output: &Output, zone: Zone) -> Result<Self, PgError> {
        Ok(match output {
            Output::Rows(formats) => Encoder::Rows(RowEncoder::new(&planned.schema, formats, zone)),
            Output::Copy(options) => Encoder::Copy(Box::new(CopyEncoder::new(planned, options, zone)?)),
            Output::Nothing => Encoder::Nothing,
        })
    }

    fn rows(
        &mut self,
        columns: &[ArrayRef],
        rows: std::ops::Range<usize>,
        out: &mut BytesMut,
    ) -> datafusion::error::Result<usize> {
        match self {
            Encoder::Rows(encoder) => encoder.rows(columns, rows, CHUNK_BYTES, out),
            Encoder::Copy(encoder) => encoder.rows(columns, rows, CHUNK_BYTES, out),
            Encoder::Nothing => Ok(rows.end),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if let Encoder::Copy(encoder) = self {
            encoder.end(out);
        }
    }
}
