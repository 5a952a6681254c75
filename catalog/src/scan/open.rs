//! Opening one planned file: from what the manifest knows, from its beginning, or from all of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array, new_null_array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::Count;
use futures::{Stream, StreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest as _, Sha256};

use super::provenance_fields;
use crate::device::{Device, Reading, Request, Said, Sample, Subject};
use crate::identity::IdentityKey;
use crate::issue::{Issue, IssueCode};
use crate::lake::index::Index;
use crate::lake::walk::{Walk, digest};
use crate::lake::{Failure, LakeFile, fetch};

/// The file that a plan knows by its key.
pub(super) struct PlannedFile(Arc<LakeFile>);

impl PlannedFile {
    /// A plan is shown to anybody who asks for it: there a file goes by its key, and its path travels beside it.
    pub(super) fn plan(file: Arc<LakeFile>) -> PartitionedFile {
        let meta = ObjectMeta { location: Path::from(file.file_id.as_str()), ..file.meta.clone() };
        PartitionedFile::new_from_meta(meta).with_extension(Self(file))
    }
}

/// Rows of a batch, where a device can read its files part by part.
const PART: usize = 8192;

/// Reads one file of a device into batches.
pub(super) struct DeviceOpener {
    pub(super) reader: Arc<FileReader>,
    pub(super) pinned: bool,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) index: Arc<Index>,
    /// What may tell that a file has no row for the query, once the query has come so far.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Files whose bytes were read, and files that were left out while the query ran.
    pub(super) opened: Count,
    pub(super) skipped: Count,
}

impl FileOpener for DeviceOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let Some(PlannedFile(file)) = file.extension::<PlannedFile>() else {
            return Err(DataFusionError::Internal("a planned file is no file of the lake".to_owned()));
        };
        let (file, reader) = (Arc::clone(file), Arc::clone(&self.reader));
        let (store, pinned, opened) = (Arc::clone(&self.store), self.pinned, self.opened.clone());
        if !self.filters.is_empty() && !self.index.may_match(&file.file_id, &self.filters) {
            self.skipped.add(1);
            return Ok(Box::pin(async { Ok(futures::stream::empty().boxed()) }));
        }
        if let Some(batch) = reader.known(&self.index, &file)? {
            return Ok(Box::pin(async { Ok(futures::stream::iter([Ok(batch)]).boxed()) }));
        }
        Ok(Box::pin(async move {
            opened.add(1);
            if let Some(batch) = reader.head(store.as_ref(), &file).await? {
                return Ok(futures::stream::iter([Ok(batch)]).boxed());
            }
            let fetched = async {
                let said = file.said(store.as_ref()).await?;
                if let Some(large) = reader.large(&store, &file, said.as_ref()).await? {
                    return Ok(Fetched::Large(large));
                }
                Ok(Fetched::Whole(fetch(store.as_ref(), &file.meta, None).await?, said))
            };
            let fetched: std::result::Result<Fetched, Failure> = fetched.await;
            if let Some(error) = fetched.as_ref().err().filter(|_| pinned).and_then(Failure::under_pin) {
                return Err(error);
            }
            match fetched {
                Ok(Fetched::Large(large)) => Ok(reader.walked(file, large, pinned).boxed()),
                Ok(Fetched::Whole(bytes, said)) => Ok(futures::stream::iter(reader.whole(file, Ok((bytes, said)))).boxed()),
                Err(failure) => Ok(futures::stream::iter(reader.whole(file, Err(failure))).boxed()),
            }
        }))
    }
}

/// A file that is going to be read.
enum Fetched {
    Whole(Bytes, Option<Said>),
    Large(Large),
}

/// A file that is read piece by piece, with its digest if that is wanted.
struct Large {
    walk: Walk,
    digest: Option<String>,
}

/// A device's reading joined with provenance.
pub(super) struct FileReader {
    pub(super) device: &'static dyn Device,
    pub(super) table: &'static str,
    pub(super) identity: IdentityKey,
    /// The columns of the batch, and their indices in the table.
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<usize>,
}

impl FileReader {
    fn wants(&self, name: &str) -> bool {
        self.schema.column_with_name(name).is_some()
    }

    /// The device's own columns among those that are wanted.
    fn own(&self) -> Vec<usize> {
        let provenance = provenance_fields().len();
        self.columns.iter().filter_map(|column| column.checked_sub(provenance)).collect()
    }

    /// Whether issues have to be looked for: not in a file that is known to have none.
    fn check(&self, file: &LakeFile) -> bool {
        let clean = || file.facts().and_then(|facts| Some(facts.content.as_ref()?.issues.is_empty())).unwrap_or(false);
        self.wants("_issues") && !clean()
    }

    /// The rows of a file of which the manifest knows all that is wanted.
    fn known(&self, index: &Index, file: &LakeFile) -> Result<Option<RecordBatch>> {
        let known = index.schema();
        let Some(columns) =
            self.schema.fields().iter().map(|field| known.index_of(field.name()).ok()).collect::<Option<Vec<_>>>()
        else {
            return Ok(None);
        };
        let Some(rows) = index.rows(&file.file_id) else { return Ok(None) };
        let columns = columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?))
    }

    /// The rows of a file whose beginning holds all that is wanted. Where it fails the whole file is tried, which says why.
    async fn head(&self, store: &dyn ObjectStore, file: &LakeFile) -> Result<Option<RecordBatch>> {
        let own = self.own();
        let request = Request { table: self.table, columns: &own, check: self.check(file) };
        if !self.device.head_suffices(&request) || self.wants("_file_sha256") && self.digest(file).is_none() {
            return Ok(None);
        }
        for length in [Sample::LEN, 8 * Sample::LEN] {
            if length >= file.meta.size {
                break;
            }
            let Ok(head) = fetch(store, &file.meta, Some(0..length)).await else { break };
            if let Some(reading) = self.device.read_head(&head, &request) {
                return self.batch(file, &reading, self.digest(file).as_deref(), 0).map(Some);
            }
        }
        Ok(None)
    }

    fn digest(&self, file: &LakeFile) -> Option<String> {
        Some(file.facts()?.content.as_ref()?.sha256.clone())
    }

    /// The rows of a file from all its bytes, or the one row that says why there are none. A large file's rows are read as they are
    /// asked for.
    fn whole(
        self: Arc<Self>,
        file: Arc<LakeFile>,
        fetched: std::result::Result<(Bytes, Option<Said>), Failure>,
    ) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let own = self.own();
        let request = Request { table: self.table, columns: &own, check: self.check(&file) };
        let hash = |bytes: &[u8]| self.digest(&file).unwrap_or_else(|| hex::encode(Sha256::digest(bytes)));
        let digest = fetched.as_ref().ok().filter(|_| self.wants("_file_sha256")).map(|(bytes, _)| hash(bytes));
        let parts: Box<dyn Iterator<Item = Reading> + Send> = match fetched {
            Ok((bytes, said)) => match self.device.together().zip(said) {
                Some((together, said)) => together.parts(bytes, &request, PART, &said),
                None => self.device.parts(bytes, &request, PART),
            },
            Err(failure) => Box::new(std::iter::once(self.unreadable(&own, failure.reason()))),
        };
        let mut first = 0;
        parts.map(move |reading| {
            let batch = self.batch(&file, &reading, digest.as_deref(), first);
            first += reading.rows;
            batch
        })
    }

    /// A large file, where its device reads it piece by piece.
    async fn large(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &LakeFile,
        said: Option<&Said>,
    ) -> std::result::Result<Option<Large>, Failure> {
        let own = self.own();
        let request = Request { table: self.table, columns: &own, check: self.check(file) };
        let Some(walk) = Walk::begin(store, &file.meta, self.device, said, &request, PART).await? else { return Ok(None) };
        let digest = match self.digest(file) {
            _ if !self.wants("_file_sha256") => None,
            None => Some(digest(store.as_ref(), &file.meta).await?),
            known => known,
        };
        Ok(Some(Large { walk, digest }))
    }

    /// The rows of a large file, as they are asked for. What fails on the way is one more row, or the error of a statement that may
    /// only see the file as it was listed.
    fn walked(
        self: Arc<Self>,
        file: Arc<LakeFile>,
        large: Large,
        pinned: bool,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send {
        let own = self.own();
        futures::stream::unfold((large, 0), move |(mut large, first)| {
            let (reader, file, own) = (Arc::clone(&self), Arc::clone(&file), own.clone());
            async move {
                let reading = match large.walk.next().await? {
                    Ok(reading) => reading,
                    Err(failure) => match failure.under_pin().filter(|_| pinned) {
                        Some(error) => return Some((Err(error), (large, first))),
                        None => reader.unreadable(&own, failure.reason()),
                    },
                };
                let batch = reader.batch(&file, &reading, large.digest.as_deref(), first);
                Some((batch, (large, first + reading.rows)))
            }
        })
    }

    /// The rows of a reading that begins with row `first` of the file.
    fn batch(&self, file: &LakeFile, reading: &Reading, digest: Option<&str>, first: usize) -> Result<RecordBatch> {
        let provenance = provenance_fields();
        let own = self.columns.iter().filter(|column| **column >= provenance.len()).count();
        if reading.columns.len() != own || reading.subjects.len() != reading.rows {
            return Err(DataFusionError::Internal(format!("the reader of {} answered in another shape", self.device.name())));
        }
        let mut from_device = reading.columns.iter();
        let columns = self.columns.iter().map(|column| match provenance.get(*column) {
            Some(field) => Ok(self.provenance(field, file, digest, reading, first)),
            None => from_device.next().cloned().ok_or_else(|| DataFusionError::Internal("column lost".to_owned())),
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(reading.rows));
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

    fn provenance(&self, field: &Field, file: &LakeFile, digest: Option<&str>, reading: &Reading, first: usize) -> ArrayRef {
        let (rows, path) = (reading.rows, file.meta.location.as_ref());
        let numbers = first..first + rows;
        let constant = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value; rows])) };
        let by_subject = |key: &dyn Fn(&Subject) -> Option<String>| -> ArrayRef {
            Arc::new(reading.subjects.iter().map(key).collect::<StringArray>())
        };
        match field.name().as_str() {
            "_file" => constant(Some(path)),
            "_file_id" => constant(Some(&file.file_id)),
            "_file_sha256" => constant(digest),
            "_row" => Arc::new(numbers.map(|row| u32::try_from(row).ok()).collect::<UInt32Array>()),
            "_layout" => constant(reading.layout.as_deref()),
            "_issues" => Arc::new(issue_lists(&reading.issues, rows)),
            "scan_id" => Arc::new(numbers.map(|row| Some(self.identity.scan_id(path, self.table, row))).collect::<StringArray>()),
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
