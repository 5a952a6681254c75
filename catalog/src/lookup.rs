//! The scan of a kept view that is asked for by value: what it looks for is known when it runs, so that a plan can be kept.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics, stats::Precision};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream, StatisticsArgs,
};
use datafusion::scalar::ScalarValue;

use crate::kept::Rows;

/// `column = value`: the place of a column of text, and a value that is the same for all rows.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) column: usize,
    pub(crate) value: Arc<dyn PhysicalExpr>,
}

/// Finds rows of a kept view by values of its columns of text.
pub struct LookupExec {
    rows: Arc<Rows>,
    comparisons: Vec<Comparison>,
    /// For display: the names of the compared columns.
    names: Vec<String>,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl LookupExec {
    pub(crate) fn try_new(
        rows: Arc<Rows>,
        schema: SchemaRef,
        comparisons: Vec<Comparison>,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let name = |comparison: &Comparison| schema.fields().get(comparison.column).map(|field| field.name().clone());
        let names = comparisons.iter().filter_map(name).collect();
        let shown = match &projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(shown),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        // It is done at once. Wrapped in an operator that lets go of the thread it could not be asked for its rows in place.
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self { rows, comparisons, names, projection, limit, properties: Arc::new(properties) })
    }

    /// Whether the rows are found by their key, without looking at the others.
    pub fn is_by_key(&self) -> bool {
        self.comparisons.iter().any(|comparison| self.rows.is_key(comparison.column))
    }

    fn rows_expected(&self) -> usize {
        let expected = if self.is_by_key() { self.rows.rows_of_a_key() } else { self.rows.len().div_ceil(10) };
        expected.min(self.limit.unwrap_or(usize::MAX))
    }

    /// The rows for the values as they are now.
    fn found(&self) -> Result<RecordBatch> {
        self.rows.select(&self.values()?, self.projection.as_deref(), &self.schema(), self.limit)
    }

    /// The same rows where they are: the columns of the answer as the view has them, and the range of the rows in them. Nothing where
    /// they do not lie together. A wide row is told so without an array made for each of its values.
    pub fn in_place(&self) -> Result<Option<(Vec<ArrayRef>, Range<usize>)>> {
        Ok(self.rows.place(&self.values()?, self.projection.as_deref(), self.limit))
    }

    /// The texts that the columns are compared with now.
    fn values(&self) -> Result<Vec<(usize, Option<String>)>> {
        let nothing = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            Vec::new(),
            &RecordBatchOptions::new().with_row_count(Some(1)),
        )?;
        let text = |comparison: &Comparison| {
            let value = match comparison.value.evaluate(&nothing)? {
                ColumnarValue::Scalar(value) => value,
                ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
            };
            match value {
                ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
                    Ok((comparison.column, text))
                }
                ScalarValue::Null => Ok((comparison.column, None)),
                other => {
                    Err(DataFusionError::Internal(format!("a column of text is compared with a value of {}", other.data_type())))
                }
            }
        };
        self.comparisons.iter().map(text).collect()
    }
}

impl fmt::Debug for LookupExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupExec").field("by", &self.names).finish_non_exhaustive()
    }
}

impl DisplayAs for LookupExec {
    /// Values are left out: some are a patient's.
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.names.join(", ");
        match format {
            DisplayFormatType::TreeRender => write!(f, "by={by}"),
            _ => write!(f, "LookupExec: by=[{by}], index={}", self.is_by_key()),
        }
    }
}

impl ExecutionPlan for LookupExec {
    fn name(&self) -> &str {
        "LookupExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for comparison in &self.comparisons {
            if f(&comparison.value)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!("a lookup has one partition, and not {partition}")));
        }
        let found = self.found()?;
        let (size, rows) = (context.session_config().batch_size().max(1), found.num_rows());
        let parts = (0..rows).step_by(size).map(move |from| Ok(found.slice(from, size.min(rows - from))));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::iter(parts))))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(self.rows_expected());
        Ok(Arc::new(statistics))
    }
}
