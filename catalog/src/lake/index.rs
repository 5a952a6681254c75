//! What is known of a device's files as a table, so that filters pick files by being evaluated as they are.
//!
//! For each row of each file it has the columns of the raw table that the manifest knows: keys, eye, day, layout. A filter over
//! these columns alone is true for a row here exactly where it is true for the row of the raw table, whatever its form: a file
//! without such a row need not be opened. A file of which nothing is known is not in it, and is always opened.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;

use super::LakeFile;
use super::facts::{RowFacts, TableFacts, known_columns};
use crate::device::Table;

/// The columns that the manifest knows, where a table has them.
const COLUMNS: [&str; 9] = ["_file", "_file_id", "_row", "_layout", "scan_id", "patient_id", "exam_id", "eye", "exam_date"];

/// What is known of the rows of one raw table.
#[derive(Debug)]
pub(crate) struct Index {
    batch: RecordBatch,
    /// The files of the device, ordered by path.
    files: Vec<Arc<LakeFile>>,
    /// The file of each row, by its place in `files`.
    of_rows: Vec<usize>,
    /// Where the rows of each file are.
    ranges: HashMap<String, Range<usize>>,
    /// The places of the files of which nothing is known.
    unknown: Vec<usize>,
}

/// The part of a raw table's schema that an index has.
pub(crate) fn indexed(table: &Table, schema: &Schema) -> SchemaRef {
    let [eye, date] = known_columns(table).map(|column| column.is_some());
    let known = |name: &str| COLUMNS.contains(&name) && (eye || name != "eye") && (date || name != "exam_date");
    let fields: Vec<_> = schema.fields().iter().filter(|field| known(field.name())).cloned().collect();
    Arc::new(Schema::new(fields))
}

impl Index {
    /// The index of `files`, ordered by path, in the table `name`; `schema` is what [`indexed`] gives.
    pub(crate) fn new(files: Vec<Arc<LakeFile>>, name: &str, schema: &SchemaRef) -> arrow::error::Result<Self> {
        let facts: Vec<_> = files.iter().map(|file| file.facts()).collect();
        let mut rows: Vec<(&LakeFile, &TableFacts, u32, &RowFacts)> = Vec::new();
        let (mut of_rows, mut ranges, mut unknown) = (Vec::new(), HashMap::with_capacity(files.len()), Vec::new());
        for (place, (file, facts)) in files.iter().zip(&facts).enumerate() {
            let table = facts.as_ref().and_then(|facts| facts.table(name));
            let Some((table, of_file)) = table.and_then(|table| Some((table, table.rows.as_ref()?))) else {
                unknown.push(place);
                continue;
            };
            let from = rows.len();
            rows.extend((0..).zip(of_file).map(|(at, row)| (file.as_ref(), table, at, row)));
            of_rows.resize(rows.len(), place);
            ranges.insert(file.file_id.clone(), from..rows.len());
        }
        let text = |value: fn(&(&LakeFile, &TableFacts, u32, &RowFacts)) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<StringArray>())
        };
        let column = |name: &str| -> ArrayRef {
            match name {
                "_file" => text(|(file, ..)| Some(file.meta.location.to_string())),
                "_file_id" => text(|(file, ..)| Some(file.file_id.clone())),
                "_row" => Arc::new(rows.iter().map(|(_, _, at, _)| Some(*at)).collect::<UInt32Array>()),
                "_layout" => text(|(_, table, ..)| table.layout.clone()),
                "scan_id" => text(|(.., row)| Some(row.scan_id.to_string())),
                "patient_id" => text(|(.., row)| row.patient_id.as_deref().map(str::to_owned)),
                "exam_id" => text(|(.., row)| row.exam_id.as_deref().map(str::to_owned)),
                "eye" => text(|(.., row)| row.eye.as_deref().map(str::to_owned)),
                _ => Arc::new(rows.iter().map(|(.., row)| row.exam_date).collect::<Date32Array>()),
            }
        };
        let columns = schema.fields().iter().map(|field| column(field.name())).collect();
        let batch = RecordBatch::try_new(Arc::clone(schema), columns)?;
        drop(rows);
        Ok(Self { batch, files, of_rows, ranges, unknown })
    }

    /// The columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    /// The rows of a file, if they are known.
    pub(crate) fn rows(&self, file_id: &str) -> Option<RecordBatch> {
        let range = self.ranges.get(file_id)?;
        Some(self.batch.slice(range.start, range.len()))
    }

    /// The rows for which all `filters` may be true. One that fails says nothing.
    fn passing(batch: &RecordBatch, filters: &[Arc<dyn PhysicalExpr>]) -> Option<BooleanArray> {
        let mut passing: Option<BooleanArray> = None;
        for filter in filters {
            let Ok(values) = filter.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())) else { continue };
            let Some(values) = values.as_boolean_opt() else { continue };
            // What is not true does not pass, and NULL is not true.
            let values = if values.null_count() > 0 { prep_null_mask_filter(values) } else { values.clone() };
            passing = Some(match passing {
                Some(passing) => arrow::compute::and(&passing, &values).unwrap_or(passing),
                None => values,
            });
        }
        passing
    }

    /// The files of the device, ordered by path.
    pub(crate) fn files(&self) -> &[Arc<LakeFile>] {
        &self.files
    }

    /// Those of the files of which nothing is known.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &Arc<LakeFile>> {
        self.unknown.iter().filter_map(|place| self.files.get(*place))
    }

    /// Which files may have a row for which all `filters` are true.
    pub(crate) fn pick(&self, filters: &[Arc<dyn PhysicalExpr>]) -> Vec<Arc<LakeFile>> {
        let Some(passing) = Self::passing(&self.batch, filters) else { return self.files.clone() };
        let rows = passing.values().set_indices().filter_map(|row| self.of_rows.get(row));
        let mut places: Vec<usize> = rows.chain(&self.unknown).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.files.get(place)).map(Arc::clone).collect()
    }

    /// Whether a file may have a row for which all `filters` are true.
    pub(crate) fn may_match(&self, file_id: &str, filters: &[Arc<dyn PhysicalExpr>]) -> bool {
        let Some(rows) = self.rows(file_id) else { return true };
        Self::passing(&rows, filters).is_none_or(|passing| passing.true_count() > 0)
    }
}
