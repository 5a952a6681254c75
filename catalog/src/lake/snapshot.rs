//! The files of the lake at one moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use sha2::{Digest as _, Sha256};

use super::LakeFile;
use super::index::Index;
use crate::error::Result;
use crate::issue::IssueCode;

/// The files of the lake as they were listed together. It never changes; a change of the lake makes a new one.
#[derive(Debug)]
pub struct Snapshot {
    files: Vec<Arc<LakeFile>>,
    version: String,
    settled: String,
    /// Indexes of raw tables, each with how much was known of the files when it was made.
    indexes: Mutex<HashMap<&'static str, (u64, Arc<Index>)>>,
}

impl Snapshot {
    /// The snapshot of `files`, which it orders by path.
    pub(crate) fn new(mut files: Vec<Arc<LakeFile>>) -> Self {
        files.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
        let (mut all, mut settled) = (Sha256::new(), Sha256::new());
        for file in &files {
            let device = file.device.as_ref();
            let said = match device {
                Ok(device) => format!("{}\n{}\n{}\n", file.file_id, file.stamp, device.name()),
                Err(refused) => format!("{}\n{}\n{} {}\n", file.file_id, file.stamp, refused.code.as_str(), refused.reason),
            };
            all.update(said.as_bytes());
            if !file.is_arriving() {
                settled.update(said.as_bytes());
            }
        }
        let short = |digest: Sha256| hex::encode(digest.finalize().get(..16).unwrap_or_default());
        Self { version: short(all), settled: short(settled), files, indexes: Mutex::default() }
    }

    /// All files, ordered by path.
    pub fn files(&self) -> &[Arc<LakeFile>] {
        &self.files
    }

    /// The files of one device, ordered by path.
    pub fn files_of(&self, device: &str) -> impl Iterator<Item = &Arc<LakeFile>> {
        self.files.iter().filter(move |file| file.device.as_ref().is_ok_and(|found| found.name() == device))
    }

    /// What is known of the rows of `table`, of `device`. `known` grows with what is.
    pub(crate) fn index(&self, device: &str, table: &'static str, schema: &SchemaRef, known: u64) -> Result<Arc<Index>> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, index)) = indexes.get(table)
            && *of == known
        {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(Index::new(self.files_of(device).cloned().collect(), table, schema)?);
        indexes.insert(table, (known, Arc::clone(&index)));
        Ok(index)
    }

    /// Another version means that the answer of some table may be another; the same one that none is. It outlasts the process.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// As [`Snapshot::version`], but without the files that are still being written, which no layer reads.
    pub fn settled_version(&self) -> &str {
        &self.settled
    }
}

/// What a session's statements see, as an extension of its configuration: `config.set_extension(Arc::new(Pinned(..)))`.
///
/// With a snapshot, every scan reads its files, and one that was changed or deleted since then is an error: a transaction sees
/// one lake or none. With none, each statement sees the newest.
#[derive(Debug, Default)]
pub struct Pinned(pub Option<Arc<Snapshot>>);

impl Pinned {
    /// The snapshot that is pinned in a session, if one is.
    pub fn of(session: &dyn Session) -> Option<Arc<Snapshot>> {
        session.config().get_extension::<Self>().and_then(|pinned| pinned.0.clone())
    }
}

impl LakeFile {
    /// Whether somebody still writes to the file.
    pub fn is_arriving(&self) -> bool {
        self.device.as_ref().err().is_some_and(|refused| refused.code == IssueCode::FileArriving)
    }
}
