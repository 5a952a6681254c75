//! The rows of a kept view as a table: held in memory and found by key where they are few, read from Parquet where not.
//!
//! Kept rows answer for the lake that they were made of. When a statement sees another one, the view itself answers, and the rows
//! are made anew in the background (see [`crate::refresh::Refresher`]).

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::{TableType, ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable as _, LogicalPlanBuilder, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use tokio::sync::OnceCell;

use crate::lake::{Lake, Pinned, Snapshot};
use crate::layers::View;
use crate::lookup::{Comparison, LookupExec};
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
pub(crate) struct Rows {
    batch: RecordBatch,
    /// The place of the key among the columns.
    key: Option<usize>,
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

    /// Whether rows are held in memory, where they stay as they are for as long as they are valid.
    pub fn is_in_memory(&self) -> bool {
        self.kept().is_some_and(|kept| kept.in_memory)
    }

    /// The lake that the rows are made of.
    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
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

impl Kept {
    async fn rows(&self, state: &dyn Session, key: Option<&str>) -> Result<Arc<Rows>> {
        let load = || async {
            let plan = self.parquet.scan(state, None, &[], None).await?;
            let context = Arc::new(datafusion::execution::TaskContext::from(state));
            let batches: Vec<RecordBatch> = collect_partitioned(plan, context).await?.into_iter().flatten().collect();
            let batch = concat_batches(&self.parquet.schema(), &batches)?;
            let key = key.and_then(|key| batch.schema_ref().index_of(key).ok());
            let mut by_key: HashMap<String, Vec<u32>> = HashMap::new();
            let keys = key.and_then(|key| batch.columns().get(key)).and_then(|keys| keys.as_string_opt::<i32>());
            for (row, key) in (0..).zip(keys.into_iter().flatten()) {
                if let Some(key) = key {
                    by_key.entry(key.to_owned()).or_default().push(row);
                }
            }
            Ok::<_, DataFusionError>(Arc::new(Rows { batch, key, by_key }))
        };
        self.rows.get_or_try_init(load).await.cloned()
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
        let found = self.find_first(comparisons, limit);
        let (together, count) = (together(&found), found.len());
        let places = UInt32Array::from(found);
        let rows_of = |column: &ArrayRef| match &together {
            Some(rows) => Ok(column.slice(rows.start, rows.len())),
            None => take(column, &places, None),
        };
        let columns = self.columns(projection).map(rows_of).collect::<Result<_, _>>()?;
        // `count(*)` asks for no column: only the number of rows is left to say.
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }

    /// Where in the columns of `projection` the rows lie that [`Self::select`] gives, if they lie together.
    pub(crate) fn place(
        &self,
        comparisons: &[(usize, Option<String>)],
        projection: Option<&[usize]>,
        limit: Option<usize>,
    ) -> Option<(Vec<ArrayRef>, Range<usize>)> {
        let rows = together(&self.find_first(comparisons, limit))?;
        Some((self.columns(projection).cloned().collect(), rows))
    }

    fn find_first(&self, comparisons: &[(usize, Option<String>)], limit: Option<usize>) -> Vec<u32> {
        let mut found = self.find(comparisons);
        found.truncate(limit.unwrap_or(usize::MAX));
        found
    }

    fn columns<'a>(&'a self, projection: Option<&'a [usize]>) -> impl Iterator<Item = &'a ArrayRef> {
        let count = projection.map_or(self.batch.num_columns(), <[usize]>::len);
        (0..count).filter_map(move |at| {
            let column = projection.map_or(Some(at), |projection| projection.get(at).copied())?;
            self.batch.columns().get(column)
        })
    }
}

/// The range of rows that are one behind the other, as those of one key mostly are: then nothing has to be copied.
fn together(rows: &[u32]) -> Option<Range<usize>> {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) if (last - first) as usize + 1 == rows.len() => Some(*first as usize..*last as usize + 1),
        (None, _) => Some(0..0),
        _ => None,
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
        let comparison = |(column, value): (usize, &Expr)| {
            Ok::<_, DataFusionError>(Comparison { column, value: state.create_physical_expr(value.clone(), &DFSchema::empty())? })
        };
        // What is no comparison is evaluated above.
        let comparisons =
            filters.iter().filter_map(|filter| self.text_comparison(filter)).map(comparison).collect::<Result<Vec<_>>>()?;
        if !comparisons.is_empty() {
            let limit = limit.filter(|_| comparisons.len() == filters.len());
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
