//! SCROLL cursors: rows that are all there, so that they can be read in both directions.

use bytes::BytesMut;
use datafusion::arrow::array::ArrayRef;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::StreamExt;

use super::cursor::Step;
use super::encode::RowEncoder;
use super::error::{PgError, sqlstate};
use super::plan::{Planned, Planner};

/// What one cursor may hold.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The rows of a SCROLL cursor, and where it stands: 0 is before the first row, one more than there are is behind the last.
#[derive(Debug)]
pub(crate) struct Scrolled {
    batches: Vec<(Vec<ArrayRef>, usize)>,
    rows: usize,
    position: usize,
    _held: MemoryReservation,
}

/// The rows of one FETCH, in their order: from `first` on, forward or backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    first: usize,
    pub(crate) count: usize,
    backward: bool,
}

impl Scrolled {
    /// Runs a query to its end.
    pub(crate) async fn read(planner: Planner, planned: &Planned, values: Vec<ScalarValue>) -> Result<Self, PgError> {
        let told = |error| sqlstate(&error);
        let plan = match values.is_empty() {
            true => planned.plan.clone(),
            false => {
                let values: Vec<_> = values.into_iter().map(Into::into).collect();
                planned.plan.clone().replace_params_with_values(&ParamValues::List(values)).map_err(told)?
            }
        };
        let physical = planner.physical(&plan).await?;
        let held = MemoryConsumer::new("rows of a SCROLL cursor").register(&planner.state.runtime_env().memory_pool);
        let mut read = Self { batches: Vec::new(), rows: 0, position: 0, _held: held };
        let mut batches = planned.run(physical, planner.context()).await.map_err(told)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(told)?;
            let bytes = batch.get_array_memory_size();
            if read._held.size().saturating_add(bytes) > MAX_BYTES {
                return Err(PgError::new("53400", format!("a SCROLL cursor holds at most {} MiB", MAX_BYTES / (1024 * 1024)))
                    .with_hint("Leave SCROLL out and read forward, or put the rows into a temporary table."));
            }
            read._held.try_grow(bytes).map_err(told)?;
            let rows = batch.num_rows();
            let columns = RowEncoder::canonical(&batch).map_err(told)?;
            read.rows += rows;
            read.batches.push((columns, rows));
        }
        Ok(read)
    }

    /// Moves as FETCH says; which rows it gives.
    pub(crate) fn go(&mut self, step: Step) -> Stretch {
        let (rows, position) = (self.rows, self.position);
        let one = |row: i64| match usize::try_from(row) {
            Ok(row) if (1..=rows).contains(&row) => (row, Stretch { first: row, count: 1, backward: false }),
            Ok(row) if row > rows => (rows + 1, NOTHING),
            _ => (0, NOTHING),
        };
        let forward = |count: usize| {
            let there = rows.saturating_sub(position.min(rows));
            let given = count.min(there);
            let end = if count > there { rows + 1 } else { position + count };
            (end, Stretch { first: position + 1, count: given, backward: false })
        };
        let backward = |count: usize| {
            let there = position.saturating_sub(1);
            let given = count.min(there);
            let end = if count > there { 0 } else { position - count };
            (end, Stretch { first: position.saturating_sub(1), count: given, backward: true })
        };
        let at = |row: usize| i64::try_from(row).unwrap_or(i64::MAX);
        let (end, stretch) = match step {
            Step::Forward(count) => forward(count),
            Step::All => forward(usize::MAX),
            Step::Backward(count) => backward(count),
            Step::BackwardAll => backward(usize::MAX),
            // The row where the cursor stands; it does not move.
            Step::Relative(0) if (1..=rows).contains(&position) => one(at(position)),
            Step::Relative(0) => (position, NOTHING),
            Step::Relative(rows_on) => one(at(position).saturating_add(rows_on)),
            Step::Absolute(0) => (0, NOTHING),
            Step::Absolute(row) if row > 0 => one(row),
            Step::Absolute(row) => one(at(rows + 1).saturating_add(row)),
        };
        self.position = end;
        stretch
    }

    /// Writes the rows of a FETCH.
    pub(crate) fn write(&self, stretch: Stretch, encoder: &RowEncoder, out: &mut BytesMut) -> Result<(), PgError> {
        let mut left = stretch.count;
        let mut row = stretch.first;
        while left > 0 {
            let Some((columns, within, rows)) = self.find(row) else { break };
            let many = if stretch.backward { 1 } else { left.min(rows - within) };
            encoder.rows(columns, within..within + many, usize::MAX, out).map_err(|error| sqlstate(&error))?;
            left -= many;
            row = if stretch.backward { row.saturating_sub(1) } else { row + many };
        }
        Ok(())
    }

    /// The batch of a row, counted from 1, and its place there.
    fn find(&self, row: usize) -> Option<(&[ArrayRef], usize, usize)> {
        let mut before = 0;
        for (columns, rows) in &self.batches {
            if row <= before + rows {
                return Some((columns, row.checked_sub(before + 1)?, *rows));
            }
            before += rows;
        }
        None
    }
}

const NOTHING: Stretch = Stretch { first: 0, count: 0, backward: false };
