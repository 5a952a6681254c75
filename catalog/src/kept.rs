//! The rows of a kept view as a table: held in memory and found by key where they are few, read from Parquet where not.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion::scalar::ScalarValue;
use tokio::sync::OnceCell;

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
struct Rows {
    batch: RecordBatch,
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
            let mut by_key: HashMap<String, Vec<u32>> = HashMap::new();
            if let Some(keys) =
                self.key.as_ref().and_then(|key| batch.column_by_name(key)).and_then(|keys| keys.as_string_opt::<i32>())
            {
                for (row, key) in (0..).zip(keys.iter()) {
                    if let Some(key) = key {
                        by_key.entry(key.to_owned()).or_default().push(row);
                    }
                }
            }
            Ok::<_, DataFusionError>(Arc::new(Rows { batch, by_key }))
        };
        self.rows.get_or_try_init(load).await.cloned()
    }

    /// The column by which a row is found without looking at the others, where rows are held in memory.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref().filter(|_| self.in_memory)
    }

    /// Column and text of a filter of the form `column = 'text'`; a NULL in place of the text is no text.
    fn text_comparison<'a>(&self, filter: &'a Expr) -> Option<(&'a str, Option<&'a str>)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
        let (column, value) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => (column, value),
            _ => return None,
        };
        let schema = self.schema();
        let is_text = schema.field_with_name(&column.name).is_ok_and(|field| *field.data_type() == DataType::Utf8);
        match value {
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) if is_text => {
                Some((&column.name, text.as_deref()))
            }
            _ => None,
        }
    }
}

impl Rows {
    /// The rows that satisfy all comparisons, the key's by its index, the others by looking.
    fn find(&self, key: Option<&str>, comparisons: &[(&str, Option<&str>)]) -> UInt32Array {
        let by_key = comparisons.iter().find(|(column, _)| Some(*column) == key);
        let mut found = match by_key {
            Some((_, text)) => text.and_then(|text| self.by_key.get(text)).cloned().unwrap_or_default(),
            None => (0..self.batch.num_rows()).filter_map(|row| u32::try_from(row).ok()).collect(),
        };
        for (column, text) in comparisons {
            let Some(values) = self.batch.column_by_name(column).and_then(|values| values.as_string_opt::<i32>()) else {
                continue;
            };
            found.retain(|row| {
                let row = *row as usize;
                values.is_valid(row) && Some(values.value(row)) == *text
            });
        }
        UInt32Array::from(found)
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
        let mut batch = match projection {
            Some(columns) => rows.batch.project(columns)?,
            None => rows.batch.clone(),
        };
        let comparison = |filter| {
            let understood = self.text_comparison(filter);
            understood.ok_or_else(|| DataFusionError::Internal(format!("a kept view was asked to filter by {filter}")))
        };
        let comparisons = filters.iter().map(comparison).collect::<Result<Vec<_>>>()?;
        if !comparisons.is_empty() {
            let found = rows.find(self.key.as_deref(), &comparisons);
            batch = if batch.num_columns() == 0 {
                // `count(*)` asks for no column: only the number of rows is left to say.
                let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
                RecordBatch::try_new_with_options(batch.schema(), Vec::new(), &options)?
            } else {
                take_record_batch(&batch, &found)?
            };
        }
        let size = state.config().batch_size().max(1);
        let parts = (0..batch.num_rows()).step_by(size).map(|from| batch.slice(from, size.min(batch.num_rows() - from)));
        Ok(MemorySourceConfig::try_new_exec(&[parts.collect()], batch.schema(), None)?)
    }
}
