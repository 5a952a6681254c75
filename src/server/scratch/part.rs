//! Rows of a scratch table that were written together: in memory while they are few, in a Parquet file when they are many or have to
//! last.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, IntervalMonthDayNanoArray, RecordBatch,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{
    DataType, Field, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef,
};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::properties::WriterProperties;

use crate::server::error::PgError;

/// Bytes that one write keeps in memory before it goes on in a file.
const MEMORY_BYTES: usize = 32 * 1024 * 1024;
/// Rows of a row group: what one task reads at a time.
const ROW_GROUP_ROWS: usize = 64 * 1024;
/// Parts in memory are joined up to this many rows.
const JOINED_ROWS: usize = 64 * 1024;
/// Width of an interval in a file, which has no type for it.
const INTERVAL_BYTES: i32 = 16;

/// The folder of the files, and how much they may hold.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    next: AtomicU64,
    used: AtomicU64,
    most: u64,
    /// Whether the folder is nobody else's and goes with this.
    remove: bool,
}

impl Files {
    /// Files in `folder`, whose names begin where those that are there end; at most `most` bytes of them.
    pub(crate) fn new(folder: PathBuf, first: u64, most: u64, remove: bool) -> Self {
        Self { folder, next: AtomicU64::new(first), used: AtomicU64::new(0), most, remove }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn create(&self) -> Result<(File, PathBuf)> {
        std::fs::create_dir_all(&self.folder)?;
        loop {
            let path = self.folder.join(format!("{:016x}.parquet", self.next.fetch_add(1, Ordering::Relaxed)));
            match File::create_new(&path) {
                Ok(file) => return Ok((file, path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        if self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.most {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            let message = format!("the tables of all users would hold more than {} MiB", self.most / (1024 * 1024));
            return Err(PgError::new("53100", message).with_hint("Drop tables that are not needed.").into());
        }
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.remove {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A file of rows. It is removed with the last reference, unless it is kept for the next start.
#[derive(Debug)]
pub(crate) struct RowFile {
    path: PathBuf,
    bytes: u64,
    /// Rows of each row group.
    groups: Vec<usize>,
    keep: AtomicBool,
    files: Arc<Files>,
}

impl Drop for RowFile {
    fn drop(&mut self) {
        self.files.used.fetch_sub(self.bytes, Ordering::Relaxed);
        if !self.keep.load(Ordering::Relaxed) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl RowFile {
    /// Says whether the file stays when nobody in this process reads it any more.
    pub(crate) fn keep(&self, keep: bool) {
        self.keep.store(keep, Ordering::Relaxed);
    }

    /// The name below the folder of files.
    pub(crate) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }
}

#[derive(Debug)]
enum Rows {
    Memory { batches: Vec<RecordBatch>, held: Option<MemoryReservation> },
    File(Arc<RowFile>),
}

/// Rows that were written together.
#[derive(Debug)]
pub(crate) struct Part {
    rows: usize,
    stored: Rows,
}

/// What one task reads of a part.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Batch(RecordBatch),
    RowGroup(Arc<RowFile>, usize),
}

impl Piece {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Piece::Batch(batch) => batch.num_rows(),
            Piece::RowGroup(file, group) => file.groups.get(*group).copied().unwrap_or(0),
        }
    }
}

fn group_rows(metadata: &ParquetMetaData) -> Vec<usize> {
    metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect()
}

impl Part {
    pub(crate) fn in_memory(batches: Vec<RecordBatch>, held: Option<MemoryReservation>) -> Self {
        Self { rows: batches.iter().map(RecordBatch::num_rows).sum(), stored: Rows::Memory { batches, held } }
    }

    /// The rows of a file that an earlier run of the program wrote.
    pub(crate) fn open(files: &Arc<Files>, name: &str) -> Result<Self> {
        let path = files.folder.join(name);
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let metadata = reader.metadata();
        let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        files.used.fetch_add(bytes, Ordering::Relaxed);
        let file = RowFile { path, bytes, groups: group_rows(metadata), keep: AtomicBool::new(true), files: Arc::clone(files) };
        Ok(Self { rows, stored: Rows::File(Arc::new(file)) })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn file(&self) -> Option<&Arc<RowFile>> {
        match &self.stored {
            Rows::File(file) => Some(file),
            Rows::Memory { .. } => None,
        }
    }

    /// The pieces in the order of their rows.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        match &self.stored {
            Rows::Memory { batches, .. } => batches.iter().cloned().map(Piece::Batch).collect(),
            Rows::File(file) => (0..file.groups.len()).map(|group| Piece::RowGroup(Arc::clone(file), group)).collect(),
        }
    }

    /// The same rows in columns of other names.
    pub(crate) fn renamed(&self, schema: &SchemaRef) -> Result<Part> {
        let stored = match &self.stored {
            Rows::File(file) => Rows::File(Arc::clone(file)),
            Rows::Memory { batches, held } => {
                let renamed = |batch: &RecordBatch| RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec());
                let batches = batches.iter().map(renamed).collect::<Result<_, _>>()?;
                let held = held.as_ref().map(|old| {
                    let held = old.new_empty();
                    held.grow(old.size());
                    held
                });
                Rows::Memory { batches, held }
            }
        };
        Ok(Part { rows: self.rows, stored })
    }

    /// Both parts as one, where both are in memory and the first is not the larger: as in a binary counter, so that each row is copied
    /// a few times at most.
    pub(crate) fn join(first: &Part, second: &Part) -> Option<Part> {
        let (Rows::Memory { batches: a, held }, Rows::Memory { batches: b, .. }) = (&first.stored, &second.stored) else {
            return None;
        };
        if first.rows > second.rows || first.rows + second.rows > JOINED_ROWS {
            return None;
        }
        let schema = a.first().or(b.first())?.schema();
        let batch = concat_batches(&schema, a.iter().chain(b)).ok()?;
        let held = held.as_ref().map(|held| {
            let held = held.new_empty();
            held.grow(batch.get_array_memory_size());
            held
        });
        Some(Part::in_memory(vec![batch], held))
    }
}

/// Puts rows into a part, in memory first.
#[derive(Debug)]
pub(crate) struct PartWriter {
    schema: SchemaRef,
    files: Arc<Files>,
    held: MemoryReservation,
    batches: Vec<RecordBatch>,
    rows: usize,
    file: Option<FileWriter>,
    /// Bytes of rows that are held in memory at most: statements need the rest of the pool.
    most: usize,
}

impl PartWriter {
    /// A writer of rows of `schema`; what it holds in memory is counted in `pool`.
    pub(crate) fn new(schema: SchemaRef, files: &Arc<Files>, pool: &Arc<dyn MemoryPool>) -> Self {
        let held = MemoryConsumer::new("rows of a scratch table").register(pool);
        let most = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => MEMORY_BYTES.min(bytes / 4),
            _ => MEMORY_BYTES,
        };
        Self { schema, files: Arc::clone(files), held, batches: Vec::new(), rows: 0, file: None, most }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows, which have the writer's schema.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        if let Some(file) = &mut self.file {
            return file.write(&batch);
        }
        let bytes = batch.get_array_memory_size();
        if self.held.size() + bytes <= self.most && self.held.try_grow(bytes).is_ok() {
            self.batches.push(batch);
            return Ok(());
        }
        let mut file = FileWriter::new(&self.schema, &self.files)?;
        for batch in std::mem::take(&mut self.batches).iter().chain([&batch]) {
            file.write(batch)?;
        }
        self.held.free();
        self.file = Some(file);
        Ok(())
    }

    /// The rows as a part; nothing where there were none.
    pub(crate) fn finish(self) -> Result<Option<Part>> {
        let Self { schema, held, batches, rows, file, .. } = self;
        if rows == 0 {
            return Ok(None);
        }
        if let Some(file) = file {
            return Ok(Some(Part { rows, stored: Rows::File(Arc::new(file.finish()?)) }));
        }
        // Batches of a result may be small, or windows into large ones.
        let batches = if batches.len() > 1 && rows <= JOINED_ROWS { vec![concat_batches(&schema, &batches)?] } else { batches };
        held.resize(batches.iter().map(RecordBatch::get_array_memory_size).sum());
        Ok(Some(Part::in_memory(batches, Some(held))))
    }
}

/// Writes parts that are to last into one file.
pub(crate) fn to_file(schema: &SchemaRef, parts: &[Arc<Part>], files: &Arc<Files>) -> Result<Part> {
    let mut writer = FileWriter::new(schema, files)?;
    let mut rows = 0;
    for part in parts {
        rows += part.rows;
        for piece in part.pieces() {
            match piece {
                Piece::Batch(batch) => writer.write(&batch)?,
                Piece::RowGroup(file, group) => {
                    for batch in PieceReader::row_group(&file, group, schema, None, 8_192)? {
                        writer.write(&batch?)?;
                    }
                }
            }
        }
    }
    Ok(Part { rows, stored: Rows::File(Arc::new(writer.finish()?)) })
}

struct FileWriter {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    /// Removes the file unless the writing comes to its end.
    unfinished: Unfinished,
}

impl std::fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter").finish_non_exhaustive()
    }
}

struct Unfinished {
    path: Option<PathBuf>,
    files: Arc<Files>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl FileWriter {
    fn new(schema: &SchemaRef, files: &Arc<Files>) -> Result<Self> {
        let (file, path) = files.create()?;
        let unfinished = Unfinished { path: Some(path), files: Arc::clone(files) };
        let schema = file_schema(schema);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        Ok(Self { writer: ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?, schema, unfinished })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(to_stored).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(self.writer.write(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)?)
    }

    fn finish(self) -> Result<RowFile> {
        let Self { writer, mut unfinished, .. } = self;
        let file = writer.into_inner()?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        unfinished.files.take(bytes)?;
        let path = unfinished.path.take().unwrap_or_default();
        let groups = group_rows(ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?.metadata());
        Ok(RowFile { path, bytes, groups, keep: AtomicBool::new(false), files: Arc::clone(&unfinished.files) })
    }
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(IntervalUnit::MonthDayNano))
}

/// The schema of a file: Parquet has no type for intervals.
fn file_schema(schema: &SchemaRef) -> SchemaRef {
    if !schema.fields().iter().any(|field| is_interval(field.data_type())) {
        return Arc::clone(schema);
    }
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match is_interval(field.data_type()) {
            true => field.as_ref().clone().with_data_type(DataType::FixedSizeBinary(INTERVAL_BYTES)),
            false => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn to_stored(array: &ArrayRef) -> ArrayRef {
    if !is_interval(array.data_type()) {
        return Arc::clone(array);
    }
    let mut stored = FixedSizeBinaryBuilder::with_capacity(array.len(), INTERVAL_BYTES);
    for value in array.as_primitive::<IntervalMonthDayNanoType>() {
        match value {
            Some(value) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&value.months.to_le_bytes());
                bytes[4..8].copy_from_slice(&value.days.to_le_bytes());
                bytes[8..].copy_from_slice(&value.nanoseconds.to_le_bytes());
                let _ = stored.append_value(bytes);
            }
            None => stored.append_null(),
        }
    }
    Arc::new(stored.finish())
}

fn from_stored(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if !is_interval(wanted) {
        return match array.data_type() == wanted {
            true => Ok(Arc::clone(array)),
            false => Ok(datafusion::arrow::compute::cast(array, wanted)?),
        };
    }
    let broken = || DataFusionError::Execution("a stored interval has another length".into());
    let stored: &FixedSizeBinaryArray = array.as_fixed_size_binary_opt().ok_or_else(broken)?;
    let value = |bytes: &[u8]| {
        let (months, rest) = bytes.split_first_chunk()?;
        let (days, rest) = rest.split_first_chunk()?;
        let (nanoseconds, _) = rest.split_first_chunk()?;
        Some(IntervalMonthDayNano {
            months: i32::from_le_bytes(*months),
            days: i32::from_le_bytes(*days),
            nanoseconds: i64::from_le_bytes(*nanoseconds),
        })
    };
    Ok(Arc::new(stored.iter().map(|bytes| value(bytes?)).collect::<IntervalMonthDayNanoArray>()))
}

/// Reads a row group.
pub(crate) struct PieceReader {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    /// Where each wanted column stands in what the reader gives.
    places: Vec<usize>,
}

impl PieceReader {
    /// The rows of one row group of a table of `schema`, in the columns of `projection`.
    pub(crate) fn row_group(
        file: &Arc<RowFile>,
        group: usize,
        schema: &SchemaRef,
        projection: Option<&[usize]>,
        batch_rows: usize,
    ) -> Result<Self> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path)?)?;
        let wanted: Vec<usize> = projection.map_or_else(|| (0..schema.fields().len()).collect(), <[usize]>::to_vec);
        let mut read = wanted.clone();
        read.sort_unstable();
        read.dedup();
        let places = wanted.iter().filter_map(|column| read.binary_search(column).ok()).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(batch_rows).build()?;
        Ok(Self { reader, schema: Arc::new(schema.project(&wanted)?), places })
    }
}

impl Iterator for PieceReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error.into())),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = self
            .places
            .iter()
            .zip(self.schema.fields())
            .map(|(place, field)| from_stored(batch.column(*place), field.data_type()));
        let made = columns
            .collect::<Result<Vec<_>>>()
            .and_then(|columns| Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?));
        Some(made)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    fn files() -> (tempfile::TempDir, Arc<Files>) {
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::new(folder.path().join("rows"), 1, u64::MAX, false));
        (folder, files)
    }

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let months = rows.clone().map(|n| (n % 3 != 0).then(|| IntervalMonthDayNano::new(n as i32, -1, n * 1_000)));
        let columns: [(&str, ArrayRef); 3] = [
            ("n", Arc::new(Int64Array::from_iter_values(rows.clone()))),
            ("text", Arc::new(StringArray::from_iter_values(rows.map(|n| format!("row {n}"))))),
            ("age", Arc::new(months.collect::<IntervalMonthDayNanoArray>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }

    fn read(part: &Part, schema: &SchemaRef, projection: &[usize]) -> RecordBatch {
        let wanted = Arc::new(schema.project(projection).unwrap());
        let batches: Vec<RecordBatch> = part
            .pieces()
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Batch(batch) => vec![batch.project(projection).unwrap()],
                Piece::RowGroup(file, group) => {
                    PieceReader::row_group(&file, group, schema, Some(projection), 1_000).unwrap().map(Result::unwrap).collect()
                }
            })
            .collect();
        concat_batches(&wanted, &batches).unwrap()
    }

    #[test]
    fn rows_are_the_same_in_memory_and_in_a_file() {
        let (_folder, files) = files();
        let schema = batch(0..1).schema();
        let large: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(usize::MAX));
        let none: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(0));
        let part = |pool| {
            let mut writer = PartWriter::new(Arc::clone(&schema), &files, pool);
            for start in (0..100_000).step_by(10_000) {
                writer.write(batch(start..start + 10_000)).unwrap();
            }
            writer.finish().unwrap().unwrap()
        };
        let (memory, file) = (part(&large), part(&none));
        assert!(memory.file().is_none() && file.file().is_some());
        assert_eq!(file.pieces().len(), 2);
        for projection in [&[0, 1, 2][..], &[2, 0], &[1]] {
            assert_eq!(read(&memory, &schema, projection), read(&file, &schema, projection));
        }
    }

    #[test]
    fn a_file_goes_with_its_last_reader_unless_it_is_kept() {
        let (_folder, files) = files();
        let schema = batch(0..1).schema();
        let count = || std::fs::read_dir(files.folder()).unwrap().count();
        let memory = Arc::new(Part::in_memory(vec![batch(0..10)], None));
        let part = to_file(&schema, &[Arc::clone(&memory)], &files).unwrap();
        let reading = part.pieces();
        drop(part);
        assert_eq!(count(), 1);
        drop(reading);
        assert_eq!(count(), 0);
        let part = to_file(&schema, &[memory], &files).unwrap();
        part.file().unwrap().keep(true);
        let name = part.file().unwrap().name().unwrap().to_owned();
        drop(part);
        assert_eq!(Part::open(&files, &name).unwrap().rows(), 10);
        // Half-written files are not left behind.
        drop(FileWriter::new(&schema, &files).unwrap());
        assert_eq!(count(), 1);
    }

    #[test]
    fn files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::new(folder.path().to_owned(), 1, 100, false));
        let error =
            to_file(&batch(0..1).schema(), &[Arc::new(Part::in_memory(vec![batch(0..1_000)], None))], &files).unwrap_err();
        assert_eq!(crate::server::error::sqlstate(&error).code, "53100");
        assert_eq!(std::fs::read_dir(files.folder()).unwrap().count(), 0);
    }
}
