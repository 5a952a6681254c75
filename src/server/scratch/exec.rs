//! Reading a scratch table: its parts as a plan of the engine.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatchOptions;
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

use super::part::{Part, Piece, PieceReader};
use super::space::Table;

/// The column in which a statement that writes finds the numbers of the rows, from 0 in the order of the parts. No name that is
/// typed is like it.
pub(crate) const ROW: &str = "\u{1}row";

/// The columns of a table with the numbers of its rows behind them.
pub(crate) fn with_row(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// Reads the parts of one state of a table.
#[derive(Debug)]
pub(crate) struct ScratchExec {
    table: Arc<Table>,
    columns: Columns,
    /// What each task reads: pieces, and the number of the first row of each.
    partitions: Vec<Vec<(usize, Piece)>>,
    properties: Arc<PlanProperties>,
}

/// Which columns are read.
#[derive(Debug, Clone)]
struct Columns {
    /// The schema of what is given.
    given: SchemaRef,
    /// The table's columns among them, nothing for all.
    stored: Option<Vec<usize>>,
    /// Where the numbers of the rows are given.
    row: Option<usize>,
}

impl Columns {
    fn new(table: &Table, projection: Option<&Vec<usize>>, with_rows: bool) -> Result<Self> {
        let count = table.schema.fields().len();
        if !with_rows {
            let given = match projection {
                Some(projection) => Arc::new(table.schema.project(projection)?),
                None => Arc::clone(&table.schema),
            };
            return Ok(Self { given, stored: projection.cloned(), row: None });
        }
        let all = with_row(&table.schema);
        let wanted = projection.cloned().unwrap_or_else(|| (0..=count).collect());
        let row = wanted.iter().position(|column| *column == count);
        let stored = wanted.iter().copied().filter(|column| *column != count).collect();
        Ok(Self { given: Arc::new(all.project(&wanted)?), stored: Some(stored), row })
    }

    /// The numbers of the rows put among the columns that are stored.
    fn complete(&self, batch: RecordBatch, first: usize) -> Result<RecordBatch> {
        let Some(row) = self.row else { return Ok(batch) };
        let rows = batch.num_rows();
        let number = |row: usize| i64::try_from(row).unwrap_or(i64::MAX);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((first..first + rows).map(number)));
        let mut columns = batch.columns().to_vec();
        columns.insert(row.min(columns.len()), numbers);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.given), columns, &options)?)
    }
}

impl ScratchExec {
    /// Reads some columns; with `with_rows` there is one more behind those of the table, [`ROW`].
    pub(crate) fn new(table: &Arc<Table>, projection: Option<&Vec<usize>>, tasks: usize, with_rows: bool) -> Result<Self> {
        let columns = Columns::new(table, projection, with_rows)?;
        let mut first = 0;
        let numbered = |piece: Piece| {
            let at = first;
            first += piece.rows();
            (at, piece)
        };
        let pieces: Vec<(usize, Piece)> = table.parts.iter().flat_map(|part| part.pieces()).map(numbered).collect();
        let tasks = tasks.min(pieces.len()).max(1);
        // Neighbours stay together, so that rows come in the order in which they were written where one task reads them.
        let each = pieces.len().div_ceil(tasks).max(1);
        let mut partitions: Vec<Vec<(usize, Piece)>> = pieces.chunks(each).map(<[_]>::to_vec).collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&columns.given)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { table: Arc::clone(table), columns, partitions, properties: Arc::new(properties) })
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
        let (schema, columns) = (Arc::clone(&self.table.schema), self.columns.clone());
        let rows = context.session_config().batch_size();
        let batches = futures::stream::iter(pieces).flat_map(move |(mut first, piece)| {
            let columns = columns.clone();
            let given = batches(piece, &schema, columns.stored.as_deref(), rows).map(move |batch| {
                let batch = batch?;
                let at = first;
                first += batch.num_rows();
                columns.complete(batch, at)
            });
            futures::stream::iter(given)
        });
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

/// Rows that are read at a time where no configuration says it.
const BATCH_ROWS: usize = 8_192;

/// All rows of a part, in batches with the numbers of their first rows within the part.
pub(crate) fn rows_of(part: &Part, schema: &SchemaRef) -> impl Iterator<Item = Result<(usize, RecordBatch)>> + Send + use<> {
    let schema = Arc::clone(schema);
    let mut first = 0;
    part.pieces().into_iter().flat_map(move |piece| batches(piece, &schema, None, BATCH_ROWS)).map(move |batch| {
        let batch = batch?;
        let at = first;
        first += batch.num_rows();
        Ok((at, batch))
    })
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
