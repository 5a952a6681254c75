//! Operators that compute for long, a little at a time.
//!
//! An operator that has been given a batch of 8,192 rows computes all of them before it lets go of its thread, and some functions take
//! milliseconds a row: a fit, a wavefront, an explanation. So what such operators read is cut into slices that take a few
//! milliseconds each, as measured while they run, and between two of them others have their turn, or the work is stopped. A cheap function
//! has its whole batches after a few slices.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::{Stream, StreamExt};

use super::stopping;

/// The operator's name.
pub(super) const NAME: &str = "SlicesExec";

/// How long a slice should take.
const SLICE: Duration = Duration::from_millis(4);
/// After how long others have their turn.
const TURN: Duration = Duration::from_millis(10);
/// Rows of the first slice, before anything was measured.
const FIRST_ROWS: usize = 16;
/// By how much a slice may be longer or shorter than the one before.
const STEP: usize = 8;
/// Rows of the longest slice.
const MAX_ROWS: usize = 1 << 16;

/// Operators that give one row, whose consumers need no slices.
const ONE_ROW: &[&str] = &["LookupExec", "PlaceholderRowExec"];

/// Cuts what operators with functions read.
#[derive(Debug)]
pub(super) struct SliceInputs;

impl PhysicalOptimizerRule for SliceInputs {
    fn name(&self) -> &str {
        "SliceInputs"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            if plan.children().is_empty() || !calls(plan.as_ref())? {
                return Ok(Transformed::no(plan));
            }
            let sliced = |child: &Arc<dyn ExecutionPlan>| match has_one_row(child) {
                true => Arc::clone(child),
                false => Arc::new(SlicesExec::new(Arc::clone(child))) as Arc<dyn ExecutionPlan>,
            };
            let children = plan.children().into_iter().map(sliced).collect();
            plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep)).map(Transformed::yes)
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn has_one_row(plan: &Arc<dyn ExecutionPlan>) -> bool {
    ONE_ROW.contains(&plan.name())
}

/// Whether an operator reads one row.
pub(super) fn of_one_row(plan: &dyn ExecutionPlan) -> bool {
    let inputs = plan.children();
    !inputs.is_empty() && inputs.into_iter().all(has_one_row)
}

/// Whether an operator calls functions for its rows, or adds them up by functions that may take long for one.
fn calls(plan: &dyn ExecutionPlan) -> Result<bool> {
    let mut calls = stopping::aggregates(plan);
    plan.apply_expressions(&mut |root| {
        root.apply(|expr| {
            calls |= expr.is::<ScalarFunctionExpr>();
            Ok(if calls { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(calls)
}

/// Gives the rows of its input in slices.
#[derive(Debug, Clone)]
struct SlicesExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl SlicesExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = Arc::clone(input.properties());
        Self { input, properties }
    }
}

impl DisplayAs for SlicesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)
    }
}

impl ExecutionPlan for SlicesExec {
    fn name(&self) -> &str {
        NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal(format!("{NAME} has one input")));
        };
        Ok(match options.children_properties {
            ChildrenPropertiesMode::Keep => Arc::new(Self { input, properties: Arc::clone(&self.properties) }),
            ChildrenPropertiesMode::Recompute => Arc::new(Self::new(input)),
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Slices::of(self.input.execute(partition, context)?)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

struct Slices {
    input: SendableRecordBatchStream,
    batch: Option<RecordBatch>,
    /// The first row of `batch` that has not been given.
    next: usize,
    /// Rows of the next slice.
    rows: usize,
    /// How many rows were given last, and when.
    given: Option<(usize, Instant)>,
    /// Since when the thread has not been let go of, as far as is known here.
    turn: Option<Instant>,
}

impl Slices {
    fn of(input: SendableRecordBatchStream) -> Self {
        Self { input, batch: None, next: 0, rows: FIRST_ROWS, given: None, turn: None }
    }

    /// The next rows of the batch that is here.
    fn slice(&mut self) -> Option<Result<RecordBatch>> {
        let batch = self.batch.as_ref()?;
        let (from, count) = (self.next, self.rows.min(batch.num_rows() - self.next));
        let slice = if count == batch.num_rows() { Ok(batch.clone()) } else { cut(batch, from, count) };
        self.next += count;
        if self.next >= batch.num_rows() {
            self.batch = None;
        }
        self.given = Some((count, Instant::now()));
        Some(slice)
    }
}

/// How many rows take as long as a slice should, when so many took so long.
fn fitting(rows: usize, took: Duration) -> usize {
    let wanted = rows as f64 * SLICE.as_secs_f64() / took.as_secs_f64().max(1e-9);
    (wanted as usize).clamp(rows / STEP, rows * STEP).clamp(1, MAX_ROWS)
}

/// Some rows of a batch. Lists are copied, because a cast of them would go over what lies behind the whole batch, slice by slice.
fn cut(batch: &RecordBatch, from: usize, count: usize) -> Result<RecordBatch> {
    let rows = UInt64Array::from_iter_values((from..from + count).map(|row| row as u64));
    let columns = batch.columns().iter().map(|column| match column.data_type().is_nested() {
        true => Ok(take(column, &rows, None)?),
        false => Ok(column.slice(from, count)),
    });
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect::<Result<_>>()?, &options)?)
}

impl Stream for Slices {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let now = Instant::now();
        let turn = *self.turn.get_or_insert(now);
        if let Some((rows, given)) = self.given.take() {
            self.rows = fitting(rows, now.duration_since(given));
        }
        if now.duration_since(turn) >= TURN {
            self.turn = None;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(slice) = self.slice() {
                return Poll::Ready(Some(slice));
            }
            let polled = self.input.poll_next_unpin(context);
            if polled.is_pending() {
                self.turn = None;
            }
            match ready!(polled) {
                Some(Ok(batch)) => {
                    self.next = 0;
                    self.batch = Some(batch);
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

impl RecordBatchStream for Slices {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray, Int32Array, ListArray};
    use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    fn batches(rows: &[usize]) -> SendableRecordBatchStream {
        let mut next = 0..;
        let mut batch = |rows: usize| {
            let numbers: Vec<i32> = next.by_ref().take(rows).collect();
            let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(numbers.iter().map(|n| Some(vec![Some(*n); 3])));
            let columns: Vec<(&str, Arc<dyn Array>)> = vec![("n", Arc::new(Int32Array::from(numbers))), ("l", Arc::new(lists))];
            let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect()).unwrap()
        };
        let made: Vec<_> = rows.iter().map(|rows| batch(*rows)).collect();
        let schema = made[0].schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(made.into_iter().map(Ok))))
    }

    /// The slices that a consumer gets who takes so long for a row, and how often the thread was let go of.
    fn consumed(rows: &[usize], each: Duration) -> (Vec<RecordBatch>, usize) {
        let (mut given, mut pauses) = (Vec::new(), 0);
        let mut slices = Slices::of(batches(rows));
        let mut context = Context::from_waker(futures::task::noop_waker_ref());
        loop {
            match slices.poll_next_unpin(&mut context) {
                Poll::Ready(Some(slice)) => {
                    let slice = slice.unwrap();
                    std::thread::sleep(each * u32::try_from(slice.num_rows()).unwrap());
                    given.push(slice);
                }
                Poll::Ready(None) => return (given, pauses),
                Poll::Pending => pauses += 1,
            }
        }
    }

    #[test]
    fn every_row_comes_once_and_in_order() {
        let (given, _) = consumed(&[1_000, 0, 3, 500], Duration::ZERO);
        let numbers: Vec<i32> =
            given.iter().flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec()).collect();
        assert_eq!(numbers, (0..1_503).collect::<Vec<_>>());
        for batch in &given {
            let (numbers, lists) = (batch.column(0).as_primitive::<Int32Type>(), batch.column(1).as_list::<i32>());
            assert_eq!(lists.data_type(), &DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))));
            for (row, list) in lists.iter().enumerate() {
                assert_eq!(list.unwrap().as_primitive::<Int32Type>().values(), &[numbers.value(row); 3]);
            }
        }
    }

    #[test]
    fn slow_rows_come_one_by_one_and_quick_ones_together() {
        let (slow, pauses) = consumed(&[40], SLICE * 2);
        assert_eq!(slow.last().unwrap().num_rows(), 1);
        assert!(pauses > 3, "{pauses}");
        let (quick, _) = consumed(&[200_000], Duration::ZERO);
        assert!(quick.len() < 100, "{}", quick.len());
    }

    #[test]
    fn a_slice_follows_the_time_that_the_last_one_took() {
        assert_eq!(fitting(100, SLICE), 100);
        assert_eq!(fitting(100, SLICE * 2), 50);
        assert_eq!(fitting(100, SLICE * 1_000), 100 / STEP);
        assert_eq!(fitting(100, Duration::ZERO), 100 * STEP);
        assert_eq!(fitting(1, SLICE * 1_000), 1);
        assert_eq!(fitting(MAX_ROWS, Duration::ZERO), MAX_ROWS);
    }
}
