//! The one adapter between a [`Device`] and DataFusion: a change upstream touches this file alone.
//!
//! A scan plans the files of a device into groups, one a core. An opener fetches one file, has the device read the columns that
//! the plan wants, and adds provenance. Expressions above the scan are evaluated file by file, so that maps of 60 kB a cell
//! never pile up in large batches.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::project_schema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest as _, Sha256};

use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};

use crate::device::{Device, Reading, Request, Subject, Table};
use crate::field::field;
use crate::identity::IdentityKey;
use crate::issue::{Issue, IssueCode};
use crate::lake::{Failure, Lake, LakeFile, Pinned, fetch};

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
    lake: Arc<Lake>,
}

impl DeviceTable {
    /// The table `table` of `device` over the files of `lake`.
    pub fn new(device: &'static dyn Device, table: &Table, lake: Arc<Lake>) -> Self {
        let mut fields: Vec<Arc<Field>> = provenance_fields().into_iter().map(Arc::new).collect();
        fields.extend(table.schema.fields().iter().cloned());
        Self { device, table: table.clone(), schema: Arc::new(Schema::new(fields)), lake }
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

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pinned = Pinned::of(state).is_some();
        let snapshot = self.lake.snapshot_for(state).await?;
        let files: Vec<Arc<LakeFile>> = snapshot.files_of(self.device.name()).cloned().collect();
        if files.is_empty() {
            // A scan without a file would have no partition, which EXPLAIN ANALYZE does not survive.
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        // A plan is shown to anybody who asks for it: there a file goes by its key, and its path travels beside it.
        let by_key = |file: &Arc<LakeFile>| {
            let meta = ObjectMeta { location: Path::from(file.file_id.as_str()), ..file.meta.clone() };
            PartitionedFile::new_from_meta(meta).with_extension(LakePath(file.meta.location.clone()))
        };
        let files = files.iter().map(by_key).collect();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = DeviceSource {
            device: self.device,
            table: self.table.name,
            identity: self.lake.identity().clone(),
            pinned,
            projection: SplitProjection::unprojected(&TableSchema::from(Arc::clone(&self.schema))),
            schema: TableSchema::from(Arc::clone(&self.schema)),
            metrics: ExecutionPlanMetricsSet::new(),
        };
        let config = FileScanConfigBuilder::new(Lake::url()?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// What a scan of a device's files needs to know: plain data.
#[derive(Clone)]
struct DeviceSource {
    device: &'static dyn Device,
    table: &'static str,
    identity: IdentityKey,
    /// Whether only the files of the plan will do.
    pinned: bool,
    schema: TableSchema,
    projection: SplitProjection,
    metrics: ExecutionPlanMetricsSet,
}

impl FileSource for DeviceSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let opener = Arc::new(DeviceOpener {
            device: self.device,
            table: self.table,
            identity: self.identity.clone(),
            pinned: self.pinned,
            store: object_store,
            schema: Arc::new(self.schema.file_schema().project(&self.projection.file_indices)?),
            columns: self.projection.file_indices.clone(),
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
        for expression in self.projection.source.iter() {
            recursion = f(&expression.expr)?;
            if recursion == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(recursion)
    }
}

/// Where a planned file really is.
#[derive(Clone)]
struct LakePath(Path);

/// Reads one file of a device into one batch.
struct DeviceOpener {
    device: &'static dyn Device,
    table: &'static str,
    identity: IdentityKey,
    pinned: bool,
    store: Arc<dyn ObjectStore>,
    /// The columns of the batch, and their indices in the table.
    schema: SchemaRef,
    columns: Vec<usize>,
}

impl FileOpener for DeviceOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let reader = FileReader {
            device: self.device,
            table: self.table,
            identity: self.identity.clone(),
            schema: Arc::clone(&self.schema),
            columns: self.columns.clone(),
        };
        let (store, pinned) = (Arc::clone(&self.store), self.pinned);
        Ok(Box::pin(async move {
            let LakePath(location) = file.extension::<LakePath>().cloned().unwrap_or(LakePath(file.object_meta.location.clone()));
            let meta = ObjectMeta { location, ..file.object_meta };
            let bytes = fetch(store.as_ref(), &meta, None).await;
            if let Some(error) = bytes.as_ref().err().filter(|_| pinned).and_then(Failure::under_pin) {
                return Err(error);
            }
            let batch = reader.read(meta.location.as_ref(), bytes.as_deref().map_err(Failure::reason));
            Ok(futures::stream::iter([batch]).boxed())
        }))
    }
}

/// A device's reading joined with provenance.
struct FileReader {
    device: &'static dyn Device,
    table: &'static str,
    identity: IdentityKey,
    schema: SchemaRef,
    columns: Vec<usize>,
}

impl FileReader {
    fn read(&self, path: &str, bytes: std::result::Result<&[u8], &str>) -> Result<RecordBatch> {
        let provenance = provenance_fields();
        let own: Vec<usize> = self.columns.iter().filter_map(|column| column.checked_sub(provenance.len())).collect();
        let wants = |name: &str| self.schema.column_with_name(name).is_some();
        let request = Request { table: self.table, columns: &own, check: wants("_issues") };
        let reading = match bytes {
            Ok(bytes) => self.device.read(bytes, &request),
            Err(reason) => self.unreadable(&own, reason),
        };
        if reading.columns.len() != own.len() || reading.subjects.len() != reading.rows {
            return Err(DataFusionError::Internal(format!("the reader of {} answered in another shape", self.device.name())));
        }

        let digest = match bytes {
            Ok(bytes) if wants("_file_sha256") => Some(hex::encode(Sha256::digest(bytes))),
            _ => None,
        };
        let mut from_device = reading.columns.iter();
        let columns = self.columns.iter().map(|column| match provenance.get(*column) {
            Some(field) => Ok(self.provenance(field, path, digest.as_deref(), &reading)),
            None => from_device.next().cloned().ok_or_else(|| DataFusionError::Internal("column lost".to_owned())),
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(reading.rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// The row of a file that could not be fetched.
    fn unreadable(&self, own: &[usize], reason: &str) -> Reading {
        let table = self.device.tables().iter().find(|table| table.name == self.table);
        let null = |column: &usize| {
            let data_type = table.and_then(|table| table.schema.fields().get(*column)).map(|field| field.data_type());
            new_null_array(data_type.unwrap_or(&DataType::Null), 1)
        };
        Reading {
            columns: own.iter().map(null).collect(),
            rows: 1,
            layout: None,
            issues: vec![vec![Issue::new(IssueCode::FileUnreadable, reason)]],
            subjects: vec![Subject::default()],
        }
    }

    fn provenance(&self, field: &Field, path: &str, digest: Option<&str>, reading: &Reading) -> ArrayRef {
        let rows = reading.rows;
        let constant = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value; rows])) };
        let by_subject = |key: &dyn Fn(&Subject) -> Option<String>| -> ArrayRef {
            Arc::new(reading.subjects.iter().map(key).collect::<StringArray>())
        };
        match field.name().as_str() {
            "_file" => constant(Some(path)),
            "_file_id" => constant(Some(&self.identity.file_id(path))),
            "_file_sha256" => constant(digest),
            "_row" => Arc::new((0..rows).map(|row| u32::try_from(row).ok()).collect::<UInt32Array>()),
            "_layout" => constant(reading.layout.as_deref()),
            "_issues" => Arc::new(issue_lists(&reading.issues, rows)),
            "scan_id" => {
                Arc::new((0..rows).map(|row| Some(self.identity.scan_id(path, self.table, row))).collect::<StringArray>())
            }
            "patient_id" => by_subject(&|subject| Some(self.identity.patient_id(subject.patient.as_deref()?))),
            "exam_id" => by_subject(&|subject| Some(self.identity.exam_id(subject.patient.as_deref()?, subject.exam_date?))),
            _ => new_null_array(field.data_type(), rows),
        }
    }
}

/// One list of `code: detail` a row; an empty list where nothing is wrong.
fn issue_lists(issues: &[Vec<Issue>], rows: usize) -> arrow::array::ListArray {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        for issue in issues.get(row).into_iter().flatten() {
            lists.values().append_value(issue.to_string());
        }
        lists.append(true);
    }
    lists.finish()
}

impl fmt::Debug for DeviceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSource({})", self.device.name())
    }
}
