//! Files of one folder that are read with what they say of each other. They change together: each bears the mark of all in its stamp,
//! so that what is known of one is known for these others and no different ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::fetch::{Failure, fetch};
use super::{Lake, LakeFile};
use crate::device::{Device, Said, Sample};

/// Between the stamp of a file and the mark of its folder.
const MARK: char = '\t';

/// Of the files of a folder no more are read to know what they say: what the others say is left aside.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The files of a device in one folder.
pub(super) struct Folder {
    mark: String,
    device: &'static dyn Device,
    files: Vec<ObjectMeta>,
    /// Found out when it is first needed.
    said: OnceCell<Option<Said>>,
}

impl fmt::Debug for Folder {
    /// Without what is said, which names people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("mark", &self.mark).finish_non_exhaustive()
    }
}

/// The stamp of a file without the mark of its folder.
pub(super) fn own(stamp: &str) -> &str {
    stamp.split_once(MARK).map_or(stamp, |(own, _)| own)
}

impl Folder {
    async fn said(&self, store: &dyn ObjectStore) -> Result<Option<Said>, Failure> {
        self.said.get_or_try_init(|| self.read(store)).await.cloned()
    }

    async fn read(&self, store: &dyn ObjectStore) -> Result<Option<Said>, Failure> {
        let Some(together) = self.device.together() else { return Ok(None) };
        let mut files: Vec<Bytes> = Vec::new();
        let mut left = MAX_BYTES;
        for meta in &self.files {
            let head = fetch(store, meta, Some(0..Sample::LEN)).await?;
            if !together.tells(&Sample { head: &head, size: meta.size }) || meta.size > left {
                continue;
            }
            left -= meta.size;
            files.push(fetch(store, meta, None).await?);
        }
        Ok((!files.is_empty()).then(|| together.said(&files)))
    }
}

impl LakeFile {
    /// What the folder of the file says of it.
    pub(crate) async fn said(&self, store: &dyn ObjectStore) -> Result<Option<Said>, Failure> {
        match &self.folder {
            Some(folder) => folder.said(store).await,
            None => Ok(None),
        }
    }
}

impl Lake {
    /// Puts the files that are read together among `found` and `known` in their folders. Those whose folder is another one than
    /// before are new to the manifest, and noted in `fresh`.
    pub(super) fn put_together(
        &self,
        found: &mut [Arc<LakeFile>],
        known: &mut HashMap<Path, (String, Vec<Arc<LakeFile>>)>,
        fresh: &mut HashSet<String>,
    ) {
        let mut folders: BTreeMap<(&str, String), Vec<&mut Arc<LakeFile>>> = BTreeMap::new();
        for file in found {
            let Some(device) = file.device.as_ref().ok().filter(|device| device.together().is_some()) else { continue };
            let path = file.meta.location.as_ref();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            folders.entry((device.name(), folder)).or_default().push(file);
        }
        let mut others: HashMap<String, Arc<LakeFile>> = HashMap::new();
        for mut files in folders.into_values() {
            files.sort_by(|a, b| a.file_id.cmp(&b.file_id));
            let folder = Self::folder(&files);
            let mark = folder.as_ref().map(|folder| folder.mark.as_str());
            for file in files {
                if file.folder.as_ref().map(|folder| folder.mark.as_str()) != mark {
                    let stamp = mark.map_or(own(&file.stamp).to_owned(), |mark| format!("{}{MARK}{mark}", own(&file.stamp)));
                    let facts = self.manifest.unchanged(&file.file_id, &stamp).and_then(|entry| entry.facts);
                    let other = self.file(file.meta.clone(), file.file_id.clone(), stamp, file.device.clone(), facts);
                    *file = Arc::new(LakeFile { folder: folder.clone(), first_seen_us: file.first_seen_us, ..other });
                    fresh.insert(file.file_id.clone());
                    others.insert(file.file_id.clone(), Arc::clone(file));
                }
            }
        }
        if !others.is_empty() {
            for file in known.values_mut().flat_map(|(_, files)| files) {
                if let Some(other) = others.get(&file.file_id) {
                    *file = Arc::clone(other);
                }
            }
        }
    }

    /// The folder of these files, the one that they have if it is the same; none where there is one file alone.
    fn folder(files: &[&mut Arc<LakeFile>]) -> Option<Arc<Folder>> {
        let device = *files.first().filter(|_| files.len() > 1)?.device.as_ref().ok()?;
        let mut digest = Sha256::new();
        for file in files {
            digest.update(format!("{}\n{}\n", file.file_id, own(&file.stamp)));
        }
        let mark = hex::encode(digest.finalize().get(..8).unwrap_or_default());
        let known = files.iter().find_map(|file| file.folder.as_ref().filter(|folder| folder.mark == mark));
        let new = || {
            let files = files.iter().map(|file| file.meta.clone()).collect();
            Arc::new(Folder { mark: mark.clone(), device, files, said: OnceCell::new() })
        };
        Some(known.map_or_else(new, Arc::clone))
    }
}
