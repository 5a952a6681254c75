//! The lake: a folder of raw files, read-only, listed anew for every query and recognised by content.

use std::collections::HashMap;
use std::path::Path as FsPath;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};

use crate::device::{Confidence, Device, Sample};
use crate::devices::DEVICES;
use crate::error::{Error, Result};
use crate::identity::IdentityKey;

/// How many files are opened at the same time to recognise them.
const RECOGNISE_AT_ONCE: usize = 16;

/// Larger files are not read: no known export comes near.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The raw files of a site.
#[derive(Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    identity: IdentityKey,
    /// What was found out about a file, valid while size and time of change stay.
    known: Mutex<HashMap<Path, Arc<LakeFile>>>,
}

/// One file of the lake and what it was recognised as.
#[derive(Debug, Clone)]
pub struct LakeFile {
    /// Path, size and time of change. The path may hold a patient's name: it is shown in `raw` only.
    pub meta: ObjectMeta,
    /// Key of the file, from its path.
    pub file_id: String,
    /// The device, or why there is none.
    pub device: std::result::Result<&'static dyn Device, String>,
}

impl Lake {
    /// The lake in a local folder.
    ///
    /// # Errors
    /// When `folder` is not a folder that can be read.
    pub fn open(folder: &FsPath, identity: IdentityKey) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::Lake(format!("{} is not a folder; name one with --lake", folder.display())));
        }
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| Error::Lake(error.to_string()))?;
        Ok(Self::new(Arc::new(store), identity))
    }

    /// The lake in any object store.
    pub fn new(store: Arc<dyn ObjectStore>, identity: IdentityKey) -> Self {
        Self { store, identity, known: Mutex::default() }
    }

    /// The address under which the lake's store is registered with the engine.
    pub fn url() -> Result<ObjectStoreUrl> {
        Ok(ObjectStoreUrl::parse("lake://raw")?)
    }

    /// The store of the raw files.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The site's key.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// All files, ordered by path. Those that are new or changed are opened and recognised.
    ///
    /// # Errors
    /// When the store can't be listed. A file that can't be opened is listed with the reason.
    pub async fn files(&self) -> Result<Vec<Arc<LakeFile>>> {
        let mut metas: Vec<ObjectMeta> =
            self.store.list(None).try_filter(|meta| std::future::ready(!is_hidden(&meta.location))).try_collect().await?;
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        let files: Vec<Arc<LakeFile>> = futures::stream::iter(metas)
            .map(|meta| async move {
                match self.known_file(&meta) {
                    Some(file) => file,
                    None => Arc::new(self.recognise(meta).await),
                }
            })
            .buffered(RECOGNISE_AT_ONCE)
            .collect()
            .await;
        let known = files.iter().map(|file| (file.meta.location.clone(), Arc::clone(file))).collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(files)
    }

    /// The files of one device, ordered by path.
    ///
    /// # Errors
    /// As [`Lake::files`].
    pub async fn files_of(&self, device: &str) -> Result<Vec<Arc<LakeFile>>> {
        let mut files = self.files().await?;
        files.retain(|file| file.device.as_ref().is_ok_and(|found| found.name() == device));
        Ok(files)
    }

    /// A digest of paths, sizes and times of change: another one means that the lake may hold something else.
    ///
    /// # Errors
    /// As [`Lake::files`].
    pub async fn fingerprint(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for file in self.files().await? {
            digest.update(file.file_id.as_bytes());
            digest.update(file.meta.size.to_le_bytes());
            digest.update(file.meta.last_modified.timestamp_nanos_opt().unwrap_or_default().to_le_bytes());
        }
        Ok(hex::encode(digest.finalize()))
    }

    fn known_file(&self, meta: &ObjectMeta) -> Option<Arc<LakeFile>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let file = known.get(&meta.location)?;
        (file.meta.size == meta.size && file.meta.last_modified == meta.last_modified).then(|| Arc::clone(file))
    }

    async fn recognise(&self, meta: ObjectMeta) -> LakeFile {
        let file_id = self.identity.file_id(meta.location.as_ref());
        let device = if meta.size == 0 {
            Err("the file is empty".to_owned())
        } else {
            match self.store.get_range(&meta.location, 0..meta.size.min(Sample::LEN)).await {
                Ok(head) => recognise(&Sample { head: &head, size: meta.size }),
                Err(error) => Err(format!("the file can't be opened: {}", reason_without_path(&error))),
            }
        };
        LakeFile { meta, file_id, device }
    }
}

/// The device that is surest that the file is its own, or why there is none.
pub fn recognise(sample: &Sample<'_>) -> std::result::Result<&'static dyn Device, String> {
    if sample.head.iter().all(u8::is_ascii_whitespace) {
        return Err("the file holds nothing but blanks".to_owned());
    }
    DEVICES
        .iter()
        .copied()
        .map(|device| (device.recognises(sample), device))
        .filter(|(confidence, _)| *confidence > Confidence::No)
        .max_by_key(|(confidence, _)| *confidence)
        .map(|(_, device)| device)
        .ok_or_else(|| {
            let names: Vec<&str> = DEVICES.iter().map(|device| device.name()).collect();
            let kind = if sample.head.contains(&0) { "a binary file" } else { "a text file" };
            format!("{kind} without the marks of a known device ({})", names.join(", "))
        })
}

/// What went wrong with a file, in words that do not name it.
pub(crate) fn reason_without_path(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::NotFound { .. } => "it is no longer there",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => "no permission to read it",
        _ => "the store failed to read it",
    }
}

/// Files of tools and systems (`.DS_Store`, `.part`) are no exports.
fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| part.as_ref().starts_with('.'))
}
