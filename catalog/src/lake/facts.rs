//! What is known of a file without opening it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Date32Type};
use bytes::Bytes;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::LakeFile;
use super::fetch::Failure;
use super::walk::{Walk, digest};
use crate::device::{Device, Reading, Request, Said, Subject, Table};
use crate::identity::IdentityKey;

/// Rows of more are not noted one by one: such a file is never left out of a scan.
const MAX_ROWS: u64 = 100_000;
/// Rows of a part of a file.
const PART: usize = 8192;

/// How much is to be known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Whose exams its rows are: enough to pick files.
    Rows,
    /// Its digest and what is wrong with it as well, for which all of it is read and checked.
    Content,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// For each table of its device.
    pub(crate) tables: Vec<TableFacts>,
    /// Known after the whole file was checked.
    pub(crate) content: Option<Content>,
}

/// The rows that a file has in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFacts {
    pub(crate) table: String,
    pub(crate) layout: Option<String>,
    pub(crate) count: u64,
    /// One for each row, unless there are too many.
    pub(crate) rows: Option<Vec<RowFacts>>,
}

/// A row, as far as files are picked by it. Keys only: nothing of it names a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowFacts {
    #[serde(rename = "s")]
    pub(crate) scan_id: Box<str>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) patient_id: Option<Box<str>>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) exam_id: Option<Box<str>>,
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub(crate) eye: Option<Box<str>>,
    /// Days since 1970.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) exam_date: Option<i32>,
}

/// What only the whole file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) sha256: String,
    /// How often each code was raised.
    pub(crate) issues: BTreeMap<String, u64>,
}

impl Facts {
    /// Whether this much is known.
    pub(crate) fn reach(&self, depth: Depth) -> bool {
        depth == Depth::Rows || self.content.is_some()
    }

    /// Reads a file of `device`, or one that no device knows; `said` is what its folder says of it.
    pub(crate) fn of(
        bytes: &Bytes,
        device: Option<&dyn Device>,
        said: Option<&Said>,
        path: &str,
        identity: &IdentityKey,
        depth: Depth,
    ) -> Self {
        let check = depth == Depth::Content;
        let mut issues: BTreeMap<String, u64> = BTreeMap::new();
        let mut tables = Vec::new();
        for (device, table) in device.iter().flat_map(|device| device.tables().iter().map(move |table| (device, table))) {
            let columns = wanted(table);
            let request = Request { table: table.name, columns: &columns, check };
            let parts = match said.zip(device.together()) {
                Some((said, together)) => together.parts(bytes.clone(), &request, PART, said),
                None => device.parts(bytes.clone(), &request, PART),
            };
            let mut facts = TableFacts::new(table);
            for reading in parts {
                facts.add(&reading, table, path, identity);
                count(&reading, &mut issues);
            }
            tables.push(facts);
        }
        let content = check.then(|| Content { sha256: hex::encode(Sha256::digest(bytes)), issues });
        Self { tables, content }
    }

    /// Reads a large file piece by piece; none where its device needs all bytes of it together.
    pub(crate) async fn of_large(
        store: &Arc<dyn ObjectStore>,
        file: &LakeFile,
        device: &'static dyn Device,
        said: Option<&Said>,
        identity: &IdentityKey,
        depth: Depth,
    ) -> Result<Option<Self>, Failure> {
        let check = depth == Depth::Content;
        let mut issues: BTreeMap<String, u64> = BTreeMap::new();
        let mut tables = Vec::new();
        for table in device.tables() {
            let columns = wanted(table);
            let request = Request { table: table.name, columns: &columns, check };
            let Some(mut walk) = Walk::begin(store, &file.meta, device, said, &request, PART).await? else { return Ok(None) };
            let mut facts = TableFacts::new(table);
            while let Some(reading) = walk.next().await {
                let reading = reading?;
                facts.add(&reading, table, file.meta.location.as_ref(), identity);
                count(&reading, &mut issues);
            }
            tables.push(facts);
        }
        let content = match check {
            true => Some(Content { sha256: digest(store.as_ref(), &file.meta).await?, issues }),
            false => None,
        };
        Ok(Some(Self { tables, content }))
    }

    /// What the beginning of a file says of its rows, where that is enough.
    pub(crate) fn of_head(head: &[u8], device: &dyn Device, path: &str, identity: &IdentityKey) -> Option<Self> {
        let of_table = |table: &Table| {
            let columns = wanted(table);
            let request = Request { table: table.name, columns: &columns, check: false };
            let mut facts = TableFacts::new(table);
            facts.add(&device.read_head(head, &request)?, table, path, identity);
            Some(facts)
        };
        Some(Self { tables: device.tables().iter().map(of_table).collect::<Option<_>>()?, content: None })
    }

    /// What is known of the rows in `table`.
    pub(crate) fn table(&self, table: &str) -> Option<&TableFacts> {
        self.tables.iter().find(|known| known.table == table)
    }
}

impl TableFacts {
    /// Nothing yet.
    fn new(table: &Table) -> Self {
        Self { table: table.name.to_owned(), layout: None, count: 0, rows: Some(Vec::new()) }
    }

    /// Adds the next rows of the file, read with the columns of [`known_columns`].
    fn add(&mut self, reading: &Reading, table: &Table, path: &str, identity: &IdentityKey) {
        let first = usize::try_from(self.count).unwrap_or(usize::MAX);
        let [eye, date] = known_columns(table);
        let eyes = eye.and_then(|_| reading.columns.first()?.as_string_opt::<i32>());
        let dates = date.and_then(|_| reading.columns.get(usize::from(eye.is_some()))?.as_primitive_opt::<Date32Type>());
        let row = |(row, subject): (usize, &Subject)| RowFacts {
            scan_id: identity.scan_id(path, table.name, first.saturating_add(row)).into(),
            patient_id: subject.patient.as_deref().map(|patient| identity.patient_id(patient).into()),
            exam_id: subject
                .patient
                .as_deref()
                .zip(subject.exam_date)
                .map(|(patient, date)| identity.exam_id(patient, date).into()),
            eye: eyes.filter(|eyes| row < eyes.len() && eyes.is_valid(row)).map(|eyes| eyes.value(row).into()),
            exam_date: dates.filter(|dates| row < dates.len() && dates.is_valid(row)).map(|dates| dates.value(row)),
        };
        self.count += reading.rows as u64;
        self.layout = self.layout.take().or_else(|| reading.layout.as_deref().map(str::to_owned));
        let noted = self.count <= MAX_ROWS && reading.subjects.len() == reading.rows;
        match &mut self.rows {
            Some(rows) if noted => rows.extend(reading.subjects.iter().enumerate().map(row)),
            rows => *rows = None,
        }
    }
}

/// Counts issues by their codes.
fn count(reading: &Reading, issues: &mut BTreeMap<String, u64>) {
    for issue in reading.issues.iter().flatten() {
        *issues.entry(issue.code.as_str().to_owned()).or_default() += 1;
    }
}

fn wanted(table: &Table) -> Vec<usize> {
    known_columns(table).into_iter().flatten().collect()
}

/// The columns of eye and day of the exam, where a device's table has them as all devices do.
pub(crate) fn known_columns(table: &Table) -> [Option<usize>; 2] {
    let find = |name: &str, data_type: &DataType| {
        table.schema.fields().iter().position(|field| field.name() == name && field.data_type() == data_type)
    };
    [find("eye", &DataType::Utf8), find("exam_date", &DataType::Date32)]
}

/// What is known of a file, shared between snapshots.
#[derive(Debug, Default)]
pub(crate) struct Known(std::sync::Mutex<Option<Arc<Facts>>>);

impl Known {
    pub(crate) fn new(facts: Option<Arc<Facts>>) -> Self {
        Self(std::sync::Mutex::new(facts))
    }

    pub(crate) fn get(&self) -> Option<Arc<Facts>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, facts: Arc<Facts>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(facts);
    }
}
