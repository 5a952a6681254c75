//! The rows of a kept view as a table: held in memory and found by key where they are few, read from Parquet where not.
//!
//! Kept rows answer for the lake that they were made of. When a statement sees another one, the view itself answers, and the rows
//! are made anew in the background (see [`crate::refresh::Refresher`]).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use arrow::array::{Array as _, AsArray as _, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::{TableType, ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlanBuilder, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion::scalar::ScalarValue;
use tokio::sync::OnceCell;

use crate::lake::{Lake, Pinned, Snapshot};
use crate::layers::View;
use crate::refresh::{Published, Refresher, Warehouse};

/// Cells (rows × columns) up to which rows are held in memory: 64 MiB of numbers.
const MAX_CELLS_IN_MEMORY: u64 = 8 * 1024 * 1024;

/// A view that is kept.
pub struct KeptTable {
    view: View,
    /// What answers when no rows are kept for the lake that a statement sees.
    live: ViewTable,
    lake: Arc<Lake>,
    warehouse: Warehouse,
    /// The first column of the grain: what a row is asked for by.
    key: Option<String>,
    kept: RwLock<Option<Arc<Kept>>>,
    refresher: OnceLock<Weak<Refresher>>,
}

/// Rows that were published. They are loaded at the first query.
struct Kept {
    published: Published,
    parquet: Arc<dyn TableProvider>,
    in_memory: bool,
    rows: OnceCell<Arc<Rows>>,
}

/// All rows, and where those of each key are.
struct Rows {
    batch: RecordBatch,
    by_key: HashMap<String, Vec<u32>>,
}

impl KeptTable {
    /// The table of `view`, which `live` computes. No rows are kept until some are taken.
    pub fn new(view: View, live: ViewTable, lake: Arc<Lake>, warehouse: Warehouse) -> Self {
        let schema = live.schema();
        let is_text = |key: &&String| schema.field_with_name(key).is_ok_and(|field| *field.data_type() == DataType::Utf8);
        let key = view.grain.first().filter(is_text).cloned();
        Self { view, live, lake, warehouse, key, kept: RwLock::default(), refresher: OnceLock::new() }
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Takes rows that were published: from now on they answer where they are valid.
    ///
    /// # Errors
    /// When their address is not understood by the engine.
    pub fn take(&self, published: Published) -> crate::Result<()> {
        let parquet = self.warehouse.table(&self.view, &published, self.schema())?;
        let cells = published.rows.saturating_mul(self.schema().fields().len() as u64);
        let kept = Kept { published, parquet, in_memory: cells <= MAX_CELLS_IN_MEMORY, rows: OnceCell::new() };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
        Ok(())
    }

    /// Has rows made anew in the background when a statement finds them too old.
    pub(crate) fn refresh_with(&self, refresher: Weak<Refresher>) {
        // A second one would be the same.
        drop(self.refresher.set(refresher));
    }

    fn kept(&self) -> Option<Arc<Kept>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is kept, valid or not.
    pub fn published(&self) -> Option<Published> {
        self.kept().map(|kept| kept.published.clone())
    }

    /// Whether what is kept is valid for `snapshot`.
    pub fn is_valid_for(&self, snapshot: &Snapshot) -> bool {
        self.kept().is_some_and(|kept| kept.published.fingerprint == self.fingerprint(snapshot))
    }

    /// The fingerprint of rows that are valid for `snapshot`.
    pub(crate) fn fingerprint(&self, snapshot: &Snapshot) -> String {
        Warehouse::fingerprint(&self.view, snapshot.settled_version())
    }

    /// The column by which a row is found without looking at the others, where rows are held in memory.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref().filter(|_| self.kept().is_some_and(|kept| kept.in_memory))
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

impl Kept {
    async fn rows(&self, state: &dyn Session, key: Option<&str>) -> Result<Arc<Rows>> {
        let load = || async {
            let plan = self.parquet.scan(state, None, &[], None).await?;
            let context = Arc::new(datafusion::execution::TaskContext::from(state));
            let batches: Vec<RecordBatch> = collect_partitioned(plan, context).await?.into_iter().flatten().collect();
            let batch = concat_batches(&self.parquet.schema(), &batches)?;
            let mut by_key: HashMap<String, Vec<u32>> = HashMap::new();
            let keys = key.and_then(|key| batch.column_by_name(key)).and_then(|keys| keys.as_string_opt::<i32>());
            for (row, key) in (0..).zip(keys.into_iter().flatten()) {
                if let Some(key) = key {
                    by_key.entry(key.to_owned()).or_default().push(row);
                }
            }
            Ok::<_, DataFusionError>(Arc::new(Rows { batch, by_key }))
        };
        self.rows.get_or_try_init(load).await.cloned()
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
        f.debug_struct("KeptTable").field("view", &self.view.full_name()).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Whether a filter costs next to nothing, so that it may be evaluated here and above.
fn is_cheap(filter: &Expr) -> bool {
    let mut cheap = true;
    let visited = filter.apply(|expr| {
        cheap &= !matches!(
            expr,
            Expr::ScalarFunction(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
        );
        Ok(if cheap { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    cheap && visited.is_ok()
}

#[async_trait]
impl TableProvider for KeptTable {
    fn schema(&self) -> SchemaRef {
        self.live.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// The answer does not depend on what is kept: that may change before the scan is planned.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushdown = |filter: &&Expr| match self.text_comparison(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None if is_cheap(filter) => TableProviderFilterPushDown::Inexact,
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
        let snapshot = self.lake.snapshot_for(state).await?;
        let fingerprint = self.fingerprint(&snapshot);
        if let Some(kept) = self.kept().filter(|kept| kept.published.fingerprint == fingerprint) {
            match self.scan_kept(&kept, state, projection, filters, limit).await {
                Ok(plan) => return Ok(plan),
                Err(error) => tracing::warn!("kept rows of {} can't be read ({error}); it is computed", self.view.full_name()),
            }
        }
        if Pinned::of(state).is_none()
            && let Some(refresher) = self.refresher.get().and_then(Weak::upgrade)
        {
            refresher.start();
        }
        self.live.scan(state, projection, filters, limit).await
    }
}

impl KeptTable {
    async fn scan_kept(
        &self,
        kept: &Kept,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if kept.rows.get().is_none() {
            // A folder without files would be a table without rows.
            self.warehouse.present(&self.view, &kept.published).await?;
        }
        if !kept.in_memory {
            let scan = LogicalPlanBuilder::scan("kept", provider_as_source(Arc::clone(&kept.parquet)), None)?.build()?;
            return ViewTable::new(scan, None).scan(state, projection, filters, limit).await;
        }
        let rows = kept.rows(state, self.key.as_deref()).await?;
        let mut batch = match projection {
            Some(columns) => rows.batch.project(columns)?,
            None => rows.batch.clone(),
        };
        // What is no comparison is evaluated above.
        let comparisons: Vec<_> = filters.iter().filter_map(|filter| self.text_comparison(filter)).collect();
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
