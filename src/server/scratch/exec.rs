//! Reading a scratch table: its parts as a plan of the engine.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use super::part::{Piece, PieceReader};
use super::space::Table;

/// Reads the parts of one state of a table.
#[derive(Debug)]
pub(crate) struct ScratchExec {
    table: Arc<Table>,
    projection: Option<Vec<usize>>,
    /// What each task reads.
    partitions: Vec<Vec<Piece>>,
    properties: Arc<PlanProperties>,
}

impl ScratchExec {
    pub(crate) fn new(table: &Arc<Table>, projection: Option<&Vec<usize>>, tasks: usize) -> Result<Self> {
        let schema = match projection {
            Some(projection) => Arc::new(table.schema.project(projection)?),
            None => Arc::clone(&table.schema),
        };
        let pieces: Vec<Piece> = table.parts.iter().flat_map(|part| part.pieces()).collect();
        let tasks = tasks.min(pieces.len()).max(1);
        // Neighbours stay together, so that rows come in the order in which they were written where one task reads them.
        let each = pieces.len().div_ceil(tasks).max(1);
        let mut partitions: Vec<Vec<Piece>> = pieces.chunks(each).map(<[Piece]>::to_vec).collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { table: Arc::clone(table), projection: projection.cloned(), partitions, properties: Arc::new(properties) })
    }
}

impl DisplayAs for ScratchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScratchExec: rows={}, parts={}", self.table.rows(), self.table.parts.len())
    }
}

impl ExecutionPlan for ScratchExec {
    fn name(&self) -> &'static str {
        "ScratchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(pieces) = self.partitions.get(partition).cloned() else {
            return internal_err!("a scratch table has {} partitions", self.partitions.len());
        };
        let (schema, projection) = (Arc::clone(&self.table.schema), self.projection.clone());
        let rows = context.session_config().batch_size();
        let batches = futures::stream::iter(pieces)
            .flat_map(move |piece| futures::stream::iter(batches(piece, &schema, projection.as_deref(), rows)));
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema(), batches))))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if partition.is_none() {
            statistics.num_rows = Precision::Exact(self.table.rows());
        }
        Ok(Arc::new(statistics))
    }
}

/// The rows of a piece, in batches of at most `rows`.
fn batches(
    piece: Piece,
    schema: &SchemaRef,
    projection: Option<&[usize]>,
    rows: usize,
) -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send> {
    match piece {
        Piece::Batch(batch) => {
            let batch = match projection {
                Some(projection) => batch.project(projection),
                None => Ok(batch),
            };
            match batch {
                Ok(batch) => {
                    let starts = (0..batch.num_rows()).step_by(rows.max(1));
                    Box::new(starts.map(move |start| Ok(batch.slice(start, rows.min(batch.num_rows() - start)))))
                }
                Err(error) => Box::new(std::iter::once(Err(error.into()))),
            }
        }
        Piece::RowGroup(file, group) => match PieceReader::row_group(&file, group, schema, projection, rows) {
            Ok(reader) => Box::new(reader),
            Err(error) => Box::new(std::iter::once(Err(error))),
        },
    }
}
