//! The one adapter between a [`Device`] and DataFusion: a change upstream touches this file alone.
//!
//! A scan picks the files of a device that may have rows for the filters of a query, and spreads them over the cores. An opener
//! fetches one file, has the device read the columns that the plan wants, and adds provenance. Expressions above the scan are
//! evaluated file by file, so that maps of 60 kB a cell never pile up in large batches.

mod open;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::{FileGroup, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::DynamicFilterTracking;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, PhysicalExpr};
use object_store::ObjectStore;

use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};

use self::open::{DeviceOpener, FileReader, PlannedFile};
use crate::device::{Device, Table};
use crate::field::field;
use crate::identity::IdentityKey;
use crate::lake::facts::Depth;
use crate::lake::index::{Index, indexed};
use crate::lake::{Lake, LakeFile, Pinned};

/// Columns that every `raw` table begins with, before the device's own.
pub fn provenance_fields() -> Vec<Field> {
    let issues = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    vec![
        field("_file", DataType::Utf8, "", "Path of the file in the lake; may hold a patient's name"),
        field("_file_id", DataType::Utf8, "", "Key of the file"),
        field("_file_sha256", DataType::Utf8, "", "SHA-256 of the file's bytes"),
        field("_row", DataType::UInt32, "", "Row in the file, from 0"),
        field("_layout", DataType::Utf8, "", "Version of the device's layout that the file follows"),
        field(
            "_issues",
            issues,
            "",
            "What is wrong with the row, each as code: detail; asking for it has the whole file checked",
        ),
        field("scan_id", DataType::Utf8, "", "Key of this measurement"),
        field("patient_id", DataType::Utf8, "", "Key of the patient"),
        field("exam_id", DataType::Utf8, "", "Key of the patient's visit of that day"),
    ]
}

/// One record type of a device, as the table `raw.<name>`.
#[derive(Debug)]
pub struct DeviceTable {
    device: &'static dyn Device,
    table: Table,
    schema: SchemaRef,
    /// The columns that the manifest knows.
    known: SchemaRef,
    lake: Arc<Lake>,
}

impl DeviceTable {
    /// The table `table` of `device` over the files of `lake`.
    pub fn new(device: &'static dyn Device, table: &Table, lake: Arc<Lake>) -> Self {
        let mut fields: Vec<Arc<Field>> = provenance_fields().into_iter().map(Arc::new).collect();
        fields.extend(table.schema.fields().iter().cloned());
        let schema = Arc::new(Schema::new(fields));
        Self { device, table: table.clone(), known: indexed(table, &schema), schema, lake }
    }

    /// Whether the manifest knows all that `filter` asks for.
    fn is_known(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns.iter().all(|column| self.known.column_with_name(&column.name).is_some())
            && !(filter.is_volatile() || filter.contains_outer() || filter.contains_scalar_subquery())
    }
}

#[async_trait]
impl TableProvider for DeviceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What the manifest knows picks files; rows are filtered above.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushdown = |filter: &&Expr| match self.is_known(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
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
        let pinned = Pinned::of(state).is_some();
        let snapshot = self.lake.snapshot_for(state).await?;
        let known = DFSchema::try_from(Arc::clone(&self.known))?;
        let filters: Vec<Arc<dyn PhysicalExpr>> = filters
            .iter()
            .filter(|filter| self.is_known(filter))
            .filter_map(|filter| state.create_physical_expr(unnormalize_col(filter.clone()), &known).ok())
            .collect();
        let newest = || self.lake.index(&snapshot, self.device.name(), self.table.name, &self.known);
        let mut index = newest()?;
        if !filters.is_empty() && index.unknown().next().is_some() {
            let unknown: Vec<_> = index.unknown().cloned().collect();
            self.lake.know(&unknown, Depth::Rows, &|_, _| {}).await;
            index = newest()?;
        }
        let (files, all) = (index.pick(&filters), index.files().len());
        let source = DeviceSource {
            device: self.device,
            table: self.table.name,
            identity: self.lake.identity().clone(),
            pinned,
            index,
            filters: Vec::new(),
            files: (files.len(), all),
            projection: SplitProjection::unprojected(&TableSchema::from(Arc::clone(&self.schema))),
            schema: TableSchema::from(Arc::clone(&self.schema)),
            metrics: ExecutionPlanMetricsSet::new(),
        };
        let config = FileScanConfigBuilder::new(Lake::url()?, Arc::new(source))
            .with_file_groups(spread(files, state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Files in at most `most` groups of about the same size, the largest dealt out first; in each group they are ordered by path.
/// There is always a group: EXPLAIN ANALYZE does not survive a scan without.
fn spread(files: Vec<Arc<LakeFile>>, most: usize) -> Vec<FileGroup> {
    // To open a file costs about as much as to read so many bytes.
    const OPENING: u64 = 16 * 1024;
    /// How much there is to read, and the files with their places in the order.
    type Share = (u64, Vec<(usize, Arc<LakeFile>)>);
    let mut largest_first: Vec<(usize, Arc<LakeFile>)> = files.into_iter().enumerate().collect();
    largest_first.sort_by_key(|(_, file)| std::cmp::Reverse(file.meta.size));
    let groups = most.min(largest_first.len()).max(1);
    let mut dealt: Vec<Share> = vec![(0, Vec::new()); groups];
    for (at, file) in largest_first {
        if let Some((load, group)) = dealt.iter_mut().min_by_key(|(load, _)| *load) {
            *load += OPENING + file.meta.size;
            group.push((at, file));
        }
    }
    let planned = |(_, mut group): Share| {
        group.sort_by_key(|(at, _)| *at);
        FileGroup::new(group.into_iter().map(|(_, file)| PlannedFile::plan(file)).collect())
    };
    dealt.into_iter().map(planned).collect()
}

/// What a scan of a device's files needs to know: plain data.
#[derive(Clone)]
struct DeviceSource {
    device: &'static dyn Device,
    table: &'static str,
    identity: IdentityKey,
    /// Whether only the files of the plan will do.
    pinned: bool,
    index: Arc<Index>,
    /// Filters that are known only while the query runs, such as what the other side of a join has, over the columns of the index.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// How many files are read, of how many.
    files: (usize, usize),
    schema: TableSchema,
    projection: SplitProjection,
    metrics: ExecutionPlanMetricsSet,
}

impl FileSource for DeviceSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let counter = |name: &'static str| MetricBuilder::new(&self.metrics).counter(name, partition);
        let opener = Arc::new(DeviceOpener {
            reader: Arc::new(FileReader {
                device: self.device,
                table: self.table,
                identity: self.identity.clone(),
                schema: Arc::new(self.schema.file_schema().project(&self.projection.file_indices)?),
                columns: self.projection.file_indices.clone(),
            }),
            pinned: self.pinned,
            store: object_store,
            index: Arc::clone(&self.index),
            filters: self.filters.clone(),
            opened: counter("files_read"),
            skipped: counter("files_skipped"),
        });
        ProjectionOpener::try_new(self.projection.clone(), opener, self.schema.file_schema())
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, _batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(self.clone())
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.device.name()
    }

    fn fmt_extra(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, all) = self.files;
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(f, ", files={read} of {all}"),
            DisplayFormatType::TreeRender => writeln!(f, "skipped={}", all - read),
        }
    }

    /// Takes what the manifest can tell of each file before it is opened. All filters are evaluated above as well.
    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; filters.len()]);
        let known = self.index.schema();
        // Those that are known now have picked the files already.
        let changes = |filter: &Arc<dyn PhysicalExpr>| DynamicFilterTracking::classify(filter).contains_dynamic_filter();
        let dynamic = filters.into_iter().filter(|filter| changes(filter) && !is_volatile(filter));
        let dynamic: Vec<_> = dynamic.filter_map(|filter| reassign_expr_columns(filter, &known).ok()).collect();
        if dynamic.is_empty() {
            return Ok(answer);
        }
        let mut source = self.clone();
        source.filters.extend(dynamic);
        Ok(answer.with_updated_node(Arc::new(source)))
    }

    /// A file is read as a whole: byte ranges of it mean nothing to a device.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let mut source = self.clone();
        let merged = source.projection.source.try_merge(projection)?;
        source.projection = SplitProjection::new(self.schema.file_schema(), &merged);
        Ok(Some(Arc::new(source)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for expression in self.projection.source.iter().map(|projected| &projected.expr).chain(&self.filters) {
            recursion = f(expression)?;
            if recursion == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(recursion)
    }
}

impl fmt::Debug for DeviceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSource({})", self.device.name())
    }
}
