//! A planned statement at work: rows of its queries → a new state of the table.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, new_null_array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::StreamExt;

use super::draft::fresh;
use super::work::Slot;
use super::{Conflict, Returning, Verb, Writing};
use crate::server::definitions::Outcome;
use crate::server::error::{PgError, sqlstate};
use crate::server::plan::{Planned, Planner};
use crate::server::scratch::Scratch;
use crate::server::scratch::exec::rows_of;
use crate::server::scratch::part::{Part, PartWriter};
use crate::server::scratch::space::{State, TEMP, Table};
use crate::server::write::{Checks, check_keys, target};

/// A planned INSERT, UPDATE or DELETE at work.
pub(crate) struct Write {
    pub(crate) planner: Planner,
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) planned: Arc<Planned>,
    pub(crate) values: Vec<ScalarValue>,
    /// The table as the statement names it.
    pub(crate) table: ObjectName,
}

/// What came of it.
struct Done {
    /// The table as it is now, if anything has changed.
    table: Option<Table>,
    rows: usize,
}

/// One statement with what all of its steps need.
struct Run<'a> {
    planner: &'a Planner,
    scratch: &'a Scratch,
    writing: &'a Writing,
    context: Arc<TaskContext>,
    values: ParamValues,
    table: Arc<Table>,
    checks: Checks,
    in_temp: bool,
}

/// The rows for RETURNING, as they are found.
struct Affected {
    writer: Option<(PartWriter, SchemaRef)>,
    found: i64,
}

impl Affected {
    /// Notes rows for RETURNING, with columns that it needs beside, and the places of the rows in the order of the answer.
    fn add(&mut self, batch: &RecordBatch, carried: &[ArrayRef], order: Option<&Int64Array>) -> Result<(), PgError> {
        let rows = batch.num_rows();
        let next = self.found;
        self.found += i64::try_from(rows).unwrap_or(0);
        let Some((writer, schema)) = &mut self.writer else { return Ok(()) };
        let order: ArrayRef = match order {
            Some(order) => Arc::new(order.clone()),
            None => Arc::new(Int64Array::from_iter_values(next..self.found)),
        };
        let columns = batch.columns().iter().chain(carried).cloned().chain([order]).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(DataFusionError::from)
            .and_then(|batch| writer.write(batch))
            .map_err(|error| sqlstate(&error))
    }
}

impl Write {
    /// Does it, to a copy of the state.
    pub(crate) async fn run(self) -> Result<Outcome, PgError> {
        let Some(writing) = &self.planned.writing else {
            return Err(PgError::new("XX000", "a statement that writes without a target"));
        };
        let (schema, name, table) = target(&self.planner, &self.table, writing.verb.word())?;
        if table.id != writing.table {
            return Err(PgError::new("40001", "could not serialize access due to concurrent update")
                .with_hint("The table was made anew meanwhile; run the statement again."));
        }
        let values = self.values.into_iter().chain(writing.literals.iter().cloned()).map(Into::into).collect();
        let run = Run {
            planner: &self.planner,
            scratch: &self.scratch,
            writing,
            context: self.planner.context(),
            values: ParamValues::List(values),
            checks: Checks::of(&name, &table),
            in_temp: schema == TEMP,
            table,
        };
        let schema_of = |returning: &Returning| Arc::clone(returning.affected.schema());
        let writer = writing.returning.as_ref().map(schema_of).map(|schema| (run.writer(&schema), schema));
        let mut affected = Affected { writer, found: 0 };
        let done = match writing.verb {
            Verb::Insert => run.insert(&self.planned.plan, &mut affected).await?,
            Verb::Update | Verb::Delete => run.change(&self.planned.plan, &mut affected).await?,
        };
        let mut state: State = self.planner.scratch.state.clone();
        if let Some(changed) = done.table {
            if writing.verb != Verb::Delete {
                check_keys(&self.planner, &run.context, &changed).await?;
            }
            state.space_mut(&schema).replace_rows(&schema, &name, changed);
        }
        let returned = run.returned(affected).await?;
        Ok(Outcome { state, tag: writing.verb.tag(done.rows), notices: Vec::new(), returned })
    }
}

impl Run<'_> {
    fn writer(&self, schema: &SchemaRef) -> PartWriter {
        let pool = &self.planner.state.runtime_env().memory_pool;
        PartWriter::new(Arc::clone(schema), self.scratch.files(), pool)
    }

    async fn stream(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let bound;
        let plan = match &self.values {
            ParamValues::List(values) if values.is_empty() => plan,
            values => {
                bound = plan.clone().replace_params_with_values(values).map_err(told)?;
                &bound
            }
        };
        let physical = self.planner.physical(plan).await?;
        execute_stream(physical, Arc::clone(&self.context)).map_err(told)
    }

    /// The columns of the table, of those of a row from `first` on; NULL for those that do not come.
    fn placed(&self, batch: &RecordBatch, first: usize) -> Result<RecordBatch, PgError> {
        let rows = batch.num_rows();
        let column = |at: usize| -> ArrayRef {
            let from = self.writing.columns.iter().position(|column| *column == at);
            match from.and_then(|from| batch.columns().get(first + from)) {
                Some(column) => Arc::clone(column),
                None => new_null_array(self.table.schema.field(at).data_type(), rows),
            }
        };
        let columns: Vec<ArrayRef> = (0..self.table.schema.fields().len()).map(column).collect();
        self.checks.conform(&columns, rows).map_err(|(error, _)| error)
    }

    async fn insert(&self, plan: &LogicalPlan, affected: &mut Affected) -> Result<Done, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let mut made = self.writer(&self.table.schema);
        let mut batches = self.stream(plan).await?;
        while let Some(batch) = batches.next().await {
            let batch = self.placed(&batch.map_err(told)?, 0)?;
            if self.writing.conflict.is_none() {
                affected.add(&batch, &[], None)?;
            }
            made.write(batch).map_err(told)?;
        }
        let rows = made.rows();
        let part = made.finish().map_err(told)?;
        match (part, &self.writing.conflict) {
            (None, _) => Ok(Done { table: None, rows: 0 }),
            (Some(part), None) => Ok(Done { table: Some(self.with_more(&self.table, part)), rows }),
            (Some(part), Some(conflict)) => self.upsert(part, conflict, affected).await,
        }
    }

    fn with_more(&self, table: &Table, part: Part) -> Table {
        let stable = if self.in_temp { 0 } else { table.parts.iter().filter(|part| part.file().is_some()).count() };
        table.with_more(part, stable)
    }

    /// Puts the proposed rows in that meet no others, and does what ON CONFLICT says with the rest.
    async fn upsert(&self, proposed: Part, conflict: &Conflict, affected: &mut Affected) -> Result<Done, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let proposed = Table { parts: vec![Arc::new(proposed)], ..fresh(&self.table, &self.table.schema) };
        let mut met = self.row_set(proposed.rows())?;
        let mut replaced = self.row_set(self.table.rows())?;
        let mut updated = self.writer(&self.table.schema);
        if let Some(plan) = &conflict.plan {
            let _filled = conflict.excluded.fill(proposed.clone());
            let mut batches = self.stream(plan).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(told)?;
                if conflict.updates {
                    self.update_met(&batch, (&mut met, &mut replaced), &mut updated, affected)?;
                } else {
                    numbers(&batch, 0)?.values().iter().for_each(|row| {
                        met.insert(*row);
                    });
                }
            }
        }
        let changed = updated.rows();
        let mut added = self.writer(&self.table.schema);
        let mut seen = Seen::new(&self.table, conflict, self.context.memory_pool())?;
        for part in &proposed.parts {
            for rows in rows_of(part, &self.table.schema) {
                let (first, batch) = rows.map_err(told)?;
                let mut keep = Vec::with_capacity(batch.num_rows());
                let mut met_itself = seen.of(&batch)?;
                for row in 0..batch.num_rows() {
                    let number = i64::try_from(first + row).unwrap_or(i64::MAX);
                    let wanted = !met.contains(number);
                    let again = wanted && met_itself.meets(row)?;
                    if again && conflict.updates {
                        return Err(second_time());
                    }
                    keep.push(wanted && !again);
                }
                let order = Int64Array::from_iter_values((first..).take(batch.num_rows()).map(|row| row as i64));
                let (batch, order) = chosen(&batch, &order, keep)?;
                affected.add(&batch, &[], Some(&order))?;
                added.write(batch).map_err(told)?;
                tokio::task::consume_budget().await;
            }
        }
        let rows = changed + added.rows();
        let mut table = match changed {
            0 => self.table.as_ref().clone(),
            _ => self.without(&replaced, updated).await?,
        };
        if let Some(part) = added.finish().map_err(told)? {
            table = self.with_more(&table, part);
        }
        Ok(Done { table: (rows > 0).then_some(table), rows })
    }

    /// Takes what DO UPDATE makes of rows that proposed rows have met.
    fn update_met(
        &self,
        batch: &RecordBatch,
        (met, replaced): (&mut RowSet, &mut RowSet),
        updated: &mut PartWriter,
        affected: &mut Affected,
    ) -> Result<(), PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let (rows, proposed) = (numbers(batch, 0)?, numbers(batch, 1)?);
        let applies =
            batch.column(2).as_boolean_opt().ok_or_else(|| PgError::new("42804", "argument of WHERE must be type boolean"))?;
        let mut keep = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            met.insert(proposed.value(row));
            let wanted = applies.is_valid(row) && applies.value(row);
            if wanted && !replaced.insert(rows.value(row)) {
                return Err(second_time());
            }
            keep.push(wanted);
        }
        let (batch, order) = chosen(batch, proposed, keep)?;
        let columns: Vec<ArrayRef> = batch.columns().iter().skip(3).cloned().collect();
        let batch = self.checks.conform(&columns, batch.num_rows()).map_err(|(error, _)| error)?;
        affected.add(&batch, &[], Some(&order))?;
        updated.write(batch).map_err(told)
    }

    /// UPDATE and DELETE.
    async fn change(&self, plan: &LogicalPlan, affected: &mut Affected) -> Result<Done, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let mut concerned = self.row_set(self.table.rows())?;
        let mut updated = self.writer(&self.table.schema);
        let mut count = 0;
        let mut batches = self.stream(plan).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(told)?;
            // Several rows of the other tables may lead to one: the first decides.
            let numbers = numbers(&batch, 0)?;
            let keep: Vec<bool> = numbers.values().iter().map(|row| concerned.insert(*row)).collect();
            let (batch, order) = chosen(&batch, numbers, keep)?;
            count += batch.num_rows();
            let carried = batch.columns().get(batch.num_columns().saturating_sub(self.writing.carried)..).unwrap_or_default();
            if self.writing.verb == Verb::Update {
                let made = self.placed(&batch, 1)?;
                affected.add(&made, carried, Some(&order))?;
                updated.write(made).map_err(told)?;
            } else if affected.writer.is_some() {
                let removed = self.placed(&batch, 1)?;
                affected.add(&removed, carried, Some(&order))?;
            }
        }
        let table = match count {
            0 => None,
            _ => Some(self.without(&concerned, updated).await?),
        };
        Ok(Done { table, rows: count })
    }

    /// The table with rows taken out and others put behind the rest. Parts that none is taken out of stay as they are.
    async fn without(&self, rows: &RowSet, others: PartWriter) -> Result<Table, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let mut parts = Vec::with_capacity(self.table.parts.len());
        let mut before = 0;
        for part in &self.table.parts {
            let first = before;
            before += part.rows();
            if !rows.any(first..before) {
                parts.push(Arc::clone(part));
                continue;
            }
            let mut rest = self.writer(&self.table.schema);
            for batch in rows_of(part, &self.table.schema) {
                let (within, batch) = batch.map_err(told)?;
                let start = first + within;
                let keep = (start..start + batch.num_rows()).map(|row| !rows.contains(row as i64)).collect::<Vec<_>>();
                rest.write(filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(|error| sqlstate(&error.into()))?)
                    .map_err(told)?;
                // Somebody may want to stop this.
                tokio::task::consume_budget().await;
            }
            parts.extend(rest.finish().map_err(told)?.map(Arc::new));
        }
        parts.extend(others.finish().map_err(told)?.map(Arc::new));
        Ok(Table { parts, ..self.table.as_ref().clone() })
    }

    /// The rows of RETURNING.
    async fn returned(&self, affected: Affected) -> Result<Option<Arc<Table>>, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let (Some(returning), Some((writer, _))) = (&self.writing.returning, affected.writer) else { return Ok(None) };
        let part = writer.finish().map_err(told)?;
        let slot: &Arc<Slot> = &returning.affected;
        let rows = Table { parts: part.into_iter().map(Arc::new).collect(), ..fresh(&self.table, slot.schema()) };
        let _filled = slot.fill(rows);
        let mut batches = self.stream(&returning.plan).await?;
        let schema = batches.schema();
        let mut made = self.writer(&schema);
        while let Some(batch) = batches.next().await {
            made.write(batch.map_err(told)?).map_err(told)?;
        }
        let parts = made.finish().map_err(told)?.map(Arc::new).into_iter().collect();
        Ok(Some(Arc::new(Table { parts, ..fresh(&self.table, &schema) })))
    }

    fn row_set(&self, rows: usize) -> Result<RowSet, PgError> {
        let held = MemoryConsumer::new("numbers of rows").register(self.context.memory_pool());
        let words = rows.div_ceil(64);
        held.try_grow(words * 8).map_err(|error| sqlstate(&error))?;
        Ok(RowSet { words: vec![0; words], _held: held })
    }
}

fn second_time() -> PgError {
    PgError::new("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .with_hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}

/// The numbers of rows in a column.
fn numbers(batch: &RecordBatch, column: usize) -> Result<&Int64Array, PgError> {
    let found = batch.columns().get(column).and_then(|column| column.as_primitive_opt::<Int64Type>());
    found.ok_or_else(|| PgError::new("XX000", "rows came without their numbers"))
}

/// The chosen rows, and their places in the answer.
fn chosen(batch: &RecordBatch, order: &Int64Array, keep: Vec<bool>) -> Result<(RecordBatch, Int64Array), PgError> {
    if keep.iter().all(|keep| *keep) {
        return Ok((batch.clone(), order.clone()));
    }
    let keep = BooleanArray::from(keep);
    let told = |error: datafusion::arrow::error::ArrowError| sqlstate(&error.into());
    let order = order.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true)).map(|(order, _)| order).collect();
    Ok((filter_record_batch(batch, &keep).map_err(told)?, order))
}

/// Which rows of a table, by their numbers.
struct RowSet {
    words: Vec<u64>,
    _held: MemoryReservation,
}

impl RowSet {
    fn place(row: i64) -> Option<(usize, u64)> {
        let row = usize::try_from(row).ok()?;
        Some((row / 64, 1 << (row % 64)))
    }

    /// Whether the row was not in it before.
    fn insert(&mut self, row: i64) -> bool {
        let Some((word, bit)) = Self::place(row) else { return false };
        let Some(word) = self.words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains(&self, row: i64) -> bool {
        Self::place(row).is_some_and(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }

    fn any(&self, rows: std::ops::Range<usize>) -> bool {
        rows.into_iter().any(|row| self.contains(i64::try_from(row).unwrap_or(i64::MAX)))
    }
}

/// The keys of the rows that have been put in, to find those that meet another row of the same statement.
struct Seen {
    keys: Vec<SeenKey>,
    held: MemoryReservation,
}

struct SeenKey {
    columns: Vec<usize>,
    converter: RowConverter,
    known: HashSet<OwnedRow>,
}

impl Seen {
    fn new(
        table: &Table,
        conflict: &Conflict,
        pool: &Arc<dyn datafusion::execution::memory_pool::MemoryPool>,
    ) -> Result<Self, PgError> {
        let key = |columns: &Vec<usize>| {
            let fields = columns.iter().map(|at| SortField::new(table.schema.field(*at).data_type().clone())).collect();
            let converter = RowConverter::new(fields).map_err(|error| sqlstate(&error.into()))?;
            Ok(SeenKey { columns: columns.clone(), converter, known: HashSet::new() })
        };
        let keys = conflict.keys.iter().map(key).collect::<Result<_, PgError>>()?;
        Ok(Self { keys, held: MemoryConsumer::new("keys of proposed rows").register(pool) })
    }

    /// The keys of a batch. A row that has NULL in a key meets nobody.
    fn of(&mut self, batch: &RecordBatch) -> Result<SeenRows<'_>, PgError> {
        let mut rows = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let columns: Vec<ArrayRef> = key.columns.iter().filter_map(|at| batch.columns().get(*at)).cloned().collect();
            let converted = key.converter.convert_columns(&columns).map_err(|error| sqlstate(&error.into()))?;
            let whole = |row: usize| columns.iter().all(|column| column.is_valid(row)).then(|| converted.row(row).owned());
            rows.push((0..batch.num_rows()).map(whole).collect::<Vec<_>>());
        }
        Ok(SeenRows { seen: self, rows })
    }
}

struct SeenRows<'a> {
    seen: &'a mut Seen,
    rows: Vec<Vec<Option<OwnedRow>>>,
}

impl SeenRows<'_> {
    /// Whether a row meets one that came before; if not, the next ones may meet it.
    fn meets(&mut self, row: usize) -> Result<bool, PgError> {
        let of_row = |keys: &Vec<Option<OwnedRow>>| keys.get(row).cloned().flatten();
        let keys: Vec<Option<OwnedRow>> = self.rows.iter().map(of_row).collect();
        let mut known = self.seen.keys.iter().zip(&keys);
        if known.any(|(seen, key)| key.as_ref().is_some_and(|key| seen.known.contains(key))) {
            return Ok(true);
        }
        for (seen, key) in self.seen.keys.iter_mut().zip(keys) {
            if let Some(key) = key {
                self.seen.held.try_grow(key.as_ref().len() + 64).map_err(|error| sqlstate(&error))?;
                seen.known.insert(key);
            }
        }
        Ok(false)
    }
}
