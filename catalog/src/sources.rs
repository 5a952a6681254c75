//! Which files the rows of a kept view were made of, so that only the exams of changed files are made anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lake::{LakeFile, Snapshot};

/// Where more exams are concerned, all rows are made anew: that is one scan in place of a long filter.
const MAX_EXAMS: usize = 4096;

/// The files of a lake with the exams in them, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    files: BTreeMap<String, Source>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    stamp: String,
    /// What its rows may be known by: the keys of visits, and those of measurements without a visit. `None` where not known.
    exams: Option<BTreeSet<String>>,
}

impl Sources {
    /// The files that the layers read in `snapshot`.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let read = snapshot.files().iter().filter(|file| file.device.is_ok());
        Self { files: read.map(|file| (file.file_id.clone(), Source::of(file))).collect() }
    }

    /// The exams of the files by which `self` and `before` differ, if they are known and not too many.
    pub(crate) fn exams_since(&self, before: &Self) -> Option<BTreeSet<String>> {
        let mut exams = BTreeSet::new();
        let changed = |files: &BTreeMap<String, Source>, file_id: &String, source: &Source| {
            files.get(file_id).is_none_or(|other| other.stamp != source.stamp)
        };
        let new = self.files.iter().filter(|(file_id, source)| changed(&before.files, file_id, source));
        let old = before.files.iter().filter(|(file_id, source)| changed(&self.files, file_id, source));
        for (_, source) in new.chain(old) {
            exams.extend(source.exams.as_ref()?.iter().cloned());
            if exams.len() > MAX_EXAMS {
                return None;
            }
        }
        // What could not be read before may be readable now, without having changed.
        self.files.values().chain(before.files.values()).all(|source| source.exams.is_some()).then_some(exams)
    }
}

impl Source {
    fn of(file: &LakeFile) -> Self {
        let facts = file.facts();
        let tables = facts.iter().flat_map(|facts| &facts.tables);
        let noted = facts.is_some() && tables.clone().all(|table| table.rows.is_some());
        let rows = tables.flat_map(|table| table.rows.iter().flatten());
        let keys = rows.flat_map(|row| row.exam_id.as_deref().into_iter().chain([row.scan_id.as_ref()]));
        Self { stamp: file.stamp.clone(), exams: noted.then(|| keys.map(str::to_owned).collect()) }
    }
}
