//! Running one statement, away from the connection, so that the connection can always listen; only what is done in next to no time
//! runs on the connection's own task, because the way to another one and back would take longer.
//!
//! The rows come when they are asked for: all at once, or in parts for portals and cursors. Between the parts a statement holds one
//! batch and nothing that is encoded, so that each part may have its own format.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{EmptyRecordBatchStream, ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::sql::sqlparser::ast;
use futures::{FutureExt, StreamExt};
use pgwire::api::Type;
use placido_catalog::lookup::LookupExec;
use placido_udfs::Stop;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::copy::CopyOptions;
use super::copy_rows::CopyEncoder;
use super::encode::{Formats, RowEncoder};
use super::error::{PgError, sqlstate, sqlstate_in};
use super::kept_plan::Lease;
use super::lookup;
use super::plan::{Planned, Planner};
use super::scratch::exec::ScratchExec;
use super::scratch::space::Table;
use super::settings::Zone;
use crate::runtime::stack::Roomy;
use crate::runtime::{Ended, apart};

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
pub(crate) struct Running(Work);

#[derive(Debug)]
enum Work {
    /// On a task of its own, so that the connection can always listen.
    Task { events: mpsc::Receiver<Result<Event, PgError>>, demands: mpsc::Sender<Demand>, task: JoinHandle<()>, stop: Stop },
    /// On the connection's task: rows that are there as soon as they are asked for.
    Here { rows: Box<Rows>, demand: Option<Demand> },
    /// Begun and failed at once.
    Failed(Option<PgError>),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Work::Task { task, stop, .. } = &self.0 {
            // What is in the middle of a computation hears only this; the task ends where it lets go of its thread.
            stop.stop();
            task.abort();
        }
    }
}

impl Running {
    /// Plans and runs a statement without parameters; its first event is the plan.
    pub(crate) fn query(runtime: &Handle, mut planner: Planner, statement: ast::Statement) -> Self {
        Self::start(runtime, planner.stopping(), |events, demands| async move {
            let told = events.clone();
            let begun = apart(async move {
                let planned = planner.plan(statement, &[]).await.map(Arc::new).and_then(without_parameters);
                let planned = tell_plan(planned, &told).await?;
                Some(Rows::of(planner, planned, Vec::new()).await)
            });
            match begun.await {
                Ok(Some(rows)) => give(rows, demands, events).await,
                Ok(None) => {}
                Err(ended) => tell(&events, ended.into()).await,
            }
        })
    }

    /// Runs a statement that has been planned.
    pub(crate) fn planned(runtime: &Handle, mut planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>) -> Self {
        Self::start(runtime, planner.stopping(), |events, demands| run(planner, planned, values, demands, events))
    }

    /// Runs a statement on the task of the caller, where a plan for it is kept that is done in next to no time. Takes the values if so.
    pub(crate) fn quick(
        planned: &Arc<Planned>,
        values: &mut Vec<ScalarValue>,
        context: &Arc<TaskContext>,
        zone: Zone,
    ) -> Option<Self> {
        let lease = Lease::quick(planned, context)?;
        Some(Self(match Rows::of_lease(lease, planned, std::mem::take(values), Arc::clone(context), zone) {
            Ok(rows) => Work::Here { rows: Box::new(rows), demand: None },
            Err(error) => Work::Failed(Some(error)),
        }))
    }

    /// Runs a statement that has been planned, with values that have to be computed; its first event is the plan.
    pub(crate) fn execute(runtime: &Handle, mut planner: Planner, planned: Arc<Planned>, arguments: Vec<ast::Expr>) -> Self {
        Self::start(runtime, planner.stopping(), |events, demands| async move {
            match super::arguments::evaluate(&planner, &planned.parameters, arguments).await {
                Ok(values) => {
                    if events.send(Ok(Event::Planned(Arc::clone(&planned)))).await.is_ok() {
                        run(planner, planned, values, demands, events).await;
                    }
                }
                Err(error) => tell(&events, error).await,
            }
        })
    }

    /// Gives rows that are there: those of RETURNING.
    pub(crate) fn table(
        runtime: &Handle,
        table: Arc<Table>,
        planned: Arc<Planned>,
        context: Arc<TaskContext>,
        zone: Zone,
    ) -> Self {
        // Nothing is computed for these.
        Self::start(runtime, Stop::new(), |events, demands| async move {
            let batches = ScratchExec::new(&table, None, 1, false).and_then(|exec| exec.execute(0, context));
            let rows = batches.map(|batches| Rows::new(batches, planned, zone, None));
            give(rows.map_err(|error| sqlstate(&error)), demands, events).await;
        })
    }

    /// Only plans; the one event is the plan.
    pub(crate) fn plan(runtime: &Handle, planner: Planner, statement: ast::Statement, declared: Vec<Option<Type>>) -> Self {
        // Planning is stopped by itself: see `apart`.
        Self::start(runtime, Stop::new(), |events, _| async move {
            let planned = planner.plan(statement, &declared).await.map(Arc::new);
            drop(planner);
            tell_plan(planned, &events).await;
        })
    }

    fn start<F: Future<Output = ()> + Send + 'static>(
        runtime: &Handle,
        stop: Stop,
        work: impl FnOnce(Events, Demands) -> F,
    ) -> Self {
        let (sender, events) = mpsc::channel(CHUNKS_WAITING);
        let (demands, asked) = mpsc::channel(1);
        Self(Work::Task { events, demands, task: runtime.spawn(Roomy::new(work(sender, asked))), stop })
    }

    /// Asks for rows. What was asked before must have been answered.
    pub(crate) fn ask(&mut self, demand: Demand) {
        match &mut self.0 {
            // A statement that has failed hears nothing; what it said last is read by `next`.
            Work::Task { demands, .. } => {
                let _ = demands.try_send(demand);
            }
            Work::Here { demand: asked, .. } => *asked = Some(demand),
            Work::Failed(_) => {}
        }
    }

    /// The next event. The channel ends early only when the work panicked, which is a bug.
    pub(crate) async fn next(&mut self) -> Result<Event, PgError> {
        let ended = || PgError::from(Ended);
        match &mut self.0 {
            Work::Task { events, .. } => events.recv().await.unwrap_or_else(|| Err(ended())),
            Work::Here { rows, demand } => {
                if let Some(demand) = demand.take() {
                    rows.ask(&demand)?;
                }
                // As on a task of its own, a panic ends the statement and not the connection.
                AssertUnwindSafe(rows.next()).catch_unwind().await.unwrap_or_else(|_| Err(ended()))
            }
            Work::Failed(error) => Err(error.take().unwrap_or_else(ended)),
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
            tell(events, error).await;
            None
        }
    }
}

/// Says why a statement failed, if somebody still listens.
async fn tell(events: &Events, error: PgError) {
    let _ = events.send(Err(error)).await;
}

/// Refuses a statement with parameters where nobody can give them values.
pub(crate) fn without_parameters(planned: Arc<Planned>) -> Result<Arc<Planned>, PgError> {
    if planned.parameters.is_empty() { Ok(planned) } else { Err(PgError::new("42P02", "there is no parameter $1")) }
}

/// Runs a planned statement and sends its rows, until they end or nobody takes them any more.
async fn run(planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>, demands: Demands, events: Events) {
    let rows = apart(Rows::of(planner, planned, values)).await.unwrap_or_else(|ended| Err(ended.into()));
    give(rows, demands, events).await;
}

/// Sends rows as they are asked for, or why there are none.
async fn give(rows: Result<Rows, PgError>, demands: Demands, events: Events) {
    let given = match rows {
        Ok(rows) => send(rows, demands, &events).await,
        Err(error) => Err(error),
    };
    if let Err(error) = given {
        tell(&events, error).await;
    }
}

async fn send(mut rows: Rows, mut demands: Demands, events: &Events) -> Result<(), PgError> {
    while let Some(demand) = demands.recv().await {
        rows.ask(&demand)?;
        loop {
            let event = rows.next().await?;
            let (more, last) = (matches!(event, Event::Rows { .. }), matches!(event, Event::End { .. }));
            if events.send(Ok(event)).await.is_err() || last {
                return Ok(());
            }
            if !more {
                break;
            }
        }
    }
    Ok(())
}

/// The rows of a statement that runs, in the parts in which they are asked for.
struct Rows {
    batches: SendableRecordBatchStream,
    planned: Arc<Planned>,
    zone: Zone,
    piece: Piece,
    encoder: Encoder,
    /// Rows that are still to be given for what was asked.
    left: usize,
    /// Behind the rows, because it goes back when they are gone.
    _lease: Option<Lease>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Rows {
    /// Begins a statement: by a plan that is kept, or by one made for these values.
    async fn of(planner: Planner, planned: Arc<Planned>, values: Vec<ScalarValue>) -> Result<Self, PgError> {
        let told = |error| sqlstate(&error);
        let state = &planner.state;
        if let Some(lease) = Lease::any(&planned, state).await {
            return Self::of_lease(lease, &planned, values, planner.context(), planner.zone);
        }
        planned.runs.custom.fetch_add(1, Ordering::Relaxed);
        let bound;
        let plan = if values.is_empty() {
            &planned.plan
        } else {
            let values: Vec<_> = values.into_iter().map(Into::into).collect();
            bound = planned.plan.clone().replace_params_with_values(&ParamValues::List(values)).map_err(told)?;
            &bound
        };
        let physical = if lookup::is_lookup(plan) {
            state.query_planner().create_physical_plan(plan, state.as_ref()).await
        } else {
            state.create_physical_plan(plan).await
        };
        let physical = physical.map_err(|error| sqlstate_in(&error, state))?;
        let batches = planned.run(physical, planner.context()).await.map_err(told)?;
        // The state is the session's; keeping it while rows are read would force the session to copy it.
        Ok(Self::new(batches, planned, planner.zone, None))
    }

    fn of_lease(
        lease: Lease,
        planned: &Arc<Planned>,
        values: Vec<ScalarValue>,
        context: Arc<TaskContext>,
        zone: Zone,
    ) -> Result<Self, PgError> {
        let told = |error| sqlstate(&error);
        let plan = lease.plan(values).map_err(told)?;
        if let Some(lookup) = plan.downcast_ref::<LookupExec>()
            && let Some((columns, rows)) = lookup.in_place().map_err(told)?
            && RowEncoder::are_canonical(&columns)
        {
            let nothing_more = Box::pin(EmptyRecordBatchStream::new(plan.schema()));
            let piece = Piece { columns, next: rows.start, rows: rows.end };
            return Ok(Self { piece, ..Self::new(nothing_more, Arc::clone(planned), zone, Some(lease)) });
        }
        let batches = execute_stream(plan, context).map_err(told)?;
        Ok(Self::new(batches, Arc::clone(planned), zone, Some(lease)))
    }

    fn new(batches: SendableRecordBatchStream, planned: Arc<Planned>, zone: Zone, lease: Option<Lease>) -> Self {
        Self { batches, planned, zone, piece: Piece::default(), encoder: Encoder::Nothing, left: 0, _lease: lease }
    }

    /// Begins to answer a demand.
    fn ask(&mut self, demand: &Demand) -> Result<(), PgError> {
        self.encoder = Encoder::new(&self.planned, &demand.output, self.zone)?;
        self.left = demand.rows;
        Ok(())
    }

    /// The next rows of what was asked for.
    async fn next(&mut self) -> Result<Event, PgError> {
        let told = |error| sqlstate(&error);
        let mut bytes = BytesMut::new();
        let mut count = 0;
        loop {
            if self.left == 0 {
                self.encoder.end(&mut bytes);
                return Ok(Event::Paused { bytes, count });
            }
            if self.piece.next >= self.piece.rows {
                match self.batches.next().await {
                    Some(batch) => self.piece = Piece::new(&batch.map_err(told)?)?,
                    None => {
                        self.encoder.end(&mut bytes);
                        return Ok(Event::End { bytes, count });
                    }
                }
                continue;
            }
            if bytes.capacity() == 0 {
                let row = 64 + 16 * self.piece.columns.len();
                let rows = (self.piece.rows - self.piece.next).min(self.left);
                bytes.reserve(row.saturating_mul(rows).clamp(1024, CHUNK_BYTES + 4 * 1024));
            }
            let until = self.piece.rows.min(self.piece.next.saturating_add(self.left));
            let next = self.encoder.rows(&self.piece.columns, self.piece.next..until, &mut bytes).map_err(told)?;
            count += next - self.piece.next;
            self.left -= next - self.piece.next;
            self.piece.next = next;
            if bytes.len() >= CHUNK_BYTES {
                return Ok(Event::Rows { bytes, count });
            }
        }
    }
}

/// A batch and how far it has been written.
#[derive(Default)]
struct Piece {
    columns: Vec<ArrayRef>,
    next: usize,
    rows: usize,
}

impl Piece {
    fn new(batch: &RecordBatch) -> Result<Self, PgError> {
        let columns = RowEncoder::canonical(batch).map_err(|error| sqlstate(&error))?;
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
            Output::Rows(formats) => Encoder::Rows(RowEncoder::new(planned.types(), formats.clone(), zone)),
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
