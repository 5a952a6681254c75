//! The rows of a kept view as a table: held in memory and found by key where they are few, read from Parquet where not.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use tokio::sync::OnceCell;

use crate::lookup::{Comparison, LookupExec};

/// Cells (rows × columns) up to which rows are held in memory: 64 MiB of numbers.
const MAX_CELLS_IN_MEMORY: u64 = 8 * 1024 * 1024;

/// A kept view. Rows are loaded at the first query, and stay for as long as the catalogue that mounted them.
pub struct KeptTable {
    parquet: Arc<dyn TableProvider>,
    /// The first column of the grain: what a row is asked for by.
    key: Option<String>,
    in_memory: bool,
    rows: OnceCell<Arc<Rows>>,
}

/// All rows, and where those of each key are.
pub(crate) struct Rows {
    batch: RecordBatch,
    /// The place of the key among the columns.
    key: Option<usize>,
    by_key: HashMap<String, Vec<u32>>,
}

impl KeptTable {
    /// The table over `parquet`, which has `rows` rows and whose grain begins with `key`.
    pub fn new(parquet: Arc<dyn TableProvider>, rows: u64, key: Option<&str>) -> Self {
        let schema = parquet.schema();
        let key = key.filter(|key| schema.field_with_name(key).is_ok_and(|field| *field.data_type() == DataType::Utf8));
        Self {
            in_memory: rows.saturating_mul(schema.fields().len() as u64) <= MAX_CELLS_IN_MEMORY,
            key: key.map(str::to_owned),
            rows: OnceCell::new(),
            parquet,
        }
    }

    async fn rows(&self, state: &dyn Session) -> Result<Arc<Rows>> {
        let load = || async {
            let plan = self.parquet.scan(state, None, &[], None).await?;
            let context = Arc::new(datafusion::execution::TaskContext::from(state));
            let batches: Vec<RecordBatch> = collect_partitioned(plan, context).await?.into_iter().flatten().collect();
            let batch = concat_batches(&self.schema(), &batches)?;
            let key = self.key.as_ref().and_then(|key| batch.schema_ref().index_of(key).ok());
            let mut by_key: HashMap<String, Vec<u32>> = HashMap::new();
            if let Some(keys) = key.and_then(|key| batch.columns().get(key)).and_then(|keys| keys.as_string_opt::<i32>()) {
                for (row, key) in (0..).zip(keys.iter()) {
                    if let Some(key) = key {
                        by_key.entry(key.to_owned()).or_default().push(row);
                    }
                }
            }
            Ok::<_, DataFusionError>(Arc::new(Rows { batch, key, by_key }))
        };
        self.rows.get_or_try_init(load).await.cloned()
    }

    /// The column by which a row is found without looking at the others, where rows are held in memory.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref().filter(|_| self.in_memory)
    }

    /// Whether the rows are held in memory, where they stay as they are.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Whether some of `filters` asks for a row by its key, and rows are held in memory.
    pub fn is_asked_by_key(&self, filters: &[Expr]) -> bool {
        let key = self.key().and_then(|key| self.schema().index_of(key).ok());
        key.is_some() && filters.iter().any(|filter| self.text_comparison(filter).map(|(column, _)| column) == key)
    }

    /// Column and value of a filter of the form `column = value`, where the column holds text and the value, text or NULL, is the same
    /// for every row. It need not be known yet: it is looked at when the plan runs.
    fn text_comparison<'a>(&self, filter: &'a Expr) -> Option<(usize, &'a Expr)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
        let schema = self.schema();
        let column = |expr: &Expr| {
            let Expr::Column(column) = uncast(expr) else { return None };
            let index = schema.index_of(&column.name).ok()?;
            schema.fields().get(index).filter(|field| *field.data_type() == DataType::Utf8).map(|_| index)
        };
        let (column, value) = match (column(left), column(right)) {
            (Some(column), None) => (column, right.as_ref()),
            (None, Some(column)) => (column, left.as_ref()),
            _ => return None,
        };
        let of_the_row = value.exists(|expr| {
            Ok(!matches!(expr, Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::ScalarFunction(_) | Expr::Alias(_)))
        });
        if of_the_row.unwrap_or(true) || value.is_volatile() {
            return None;
        }
        is_text(&value.get_type(&DFSchema::empty()).ok()?).then_some((column, value))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// What a text was before it was brought into another layout of texts.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) if is_text(field.data_type()) => {
            inner
        }
        _ => expr,
    }
}

impl Rows {
    /// The rows that satisfy all comparisons of a column with a text, the key's by its index, the others by looking.
    fn find(&self, comparisons: &[(usize, Option<String>)]) -> Vec<u32> {
        let by_key = comparisons.iter().find(|(column, _)| Some(*column) == self.key);
        let mut found = match by_key {
            Some((_, text)) => text.as_ref().and_then(|text| self.by_key.get(text)).cloned().unwrap_or_default(),
            None => (0..self.batch.num_rows()).filter_map(|row| u32::try_from(row).ok()).collect(),
        };
        for (column, text) in comparisons {
            // The index has looked at the key.
            if Some(*column) == self.key {
                if by_key.is_some_and(|(_, first)| first != text) {
                    found.clear();
                }
                continue;
            }
            let Some(values) = self.batch.columns().get(*column).and_then(|values| values.as_string_opt::<i32>()) else {
                continue;
            };
            found.retain(|row| {
                let row = *row as usize;
                values.is_valid(row) && Some(values.value(row)) == text.as_deref()
            });
        }
        found
    }

    /// Whether a comparison with this column finds its rows by the index.
    pub(crate) fn is_key(&self, column: usize) -> bool {
        self.key == Some(column)
    }

    /// Rows that a key has, on average.
    pub(crate) fn rows_of_a_key(&self) -> usize {
        self.batch.num_rows().div_ceil(self.by_key.len().max(1))
    }

    /// All rows there are.
    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// The first `limit` rows that satisfy all comparisons, in the columns of `projection` (all, where there is none), which `schema`
    /// describes.
    pub(crate) fn select(
        &self,
        comparisons: &[(usize, Option<String>)],
        projection: Option<&[usize]>,
        schema: &SchemaRef,
        limit: Option<usize>,
    ) -> Result<RecordBatch> {
        let mut found = self.find(comparisons);
        found.truncate(limit.unwrap_or(usize::MAX));
        // Rows of one key mostly lie together, and then nothing is copied.
        let together = match (found.first(), found.last()) {
            (Some(first), Some(last)) if (last - first) as usize + 1 == found.len() => Some(*first as usize),
            (None, _) => Some(0),
            _ => None,
        };
        let count = found.len();
        let places = UInt32Array::from(found);
        let rows_of = |column: &arrow::array::ArrayRef| match together {
            Some(first) => Ok(column.slice(first, count)),
            None => take(column, &places, None),
        };
        let columns = match projection {
            Some(projection) => {
                projection.iter().filter_map(|column| self.batch.columns().get(*column)).map(rows_of).collect::<Result<_, _>>()?
            }
            None => self.batch.columns().iter().map(rows_of).collect::<Result<_, _>>()?,
        };
        // `count(*)` asks for no column: only the number of rows is left to say.
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }
}

impl fmt::Debug for KeptTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptTable").field("key", &self.key).field("in_memory", &self.in_memory).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for KeptTable {
    fn schema(&self) -> SchemaRef {
        self.parquet.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        if !self.in_memory {
            return self.parquet.supports_filters_pushdown(filters);
        }
        let pushdown = |filter: &&Expr| match self.text_comparison(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(pushdown).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.in_memory {
            return self.parquet.scan(state, projection, filters, limit).await;
        }
        let rows = self.rows(state).await?;
        let comparison = |filter: &Expr| {
            let understood = self.text_comparison(filter);
            let (column, value) = understood
                .ok_or_else(|| DataFusionError::Internal("a kept view was asked to filter by what it does not know".into()))?;
            Ok(Comparison { column, value: state.create_physical_expr(value.clone(), &DFSchema::empty())? })
        };
        let comparisons = filters.iter().map(comparison).collect::<Result<Vec<_>>>()?;
        if !comparisons.is_empty() {
            return Ok(Arc::new(LookupExec::try_new(rows, self.schema(), comparisons, projection.cloned(), limit)?));
        }
        let batch = match projection {
            Some(columns) => rows.batch.project(columns)?,
            None => rows.batch.clone(),
        };
        let size = state.config().batch_size().max(1);
        let parts = (0..batch.num_rows()).step_by(size).map(|from| batch.slice(from, size.min(batch.num_rows() - from)));
        Ok(MemorySourceConfig::try_new_exec(&[parts.collect()], batch.schema(), None)?)
    }
}
