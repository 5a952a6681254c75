//! The lake: a folder of raw files, read-only, listed anew for every query and recognised by content.

use std::collections::HashMap;
use std::path::{Path as FsPath, PathBuf};
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
use crate::issue::IssueCode;
use crate::listing::{self, Listing, Unreadable};

/// How many files are opened at the same time to recognise them.
const RECOGNISE_AT_ONCE: usize = 16;

/// Larger files are not read: no known export comes near.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The raw files of a site.
#[derive(Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    /// Where the store is a local folder: it lists what it can, the store's own listing ends at the first fault.
    folder: Option<PathBuf>,
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
    pub device: std::result::Result<&'static dyn Device, Refused>,
}

impl LakeFile {
    /// Whether size and time of change are known: not of what the lake could not even list.
    pub fn is_listed(&self) -> bool {
        self.meta.size > 0 || self.device.as_ref().err().is_none_or(|refused| refused.code != IssueCode::FileUnreadable)
    }
}

/// Why a file is read by no device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `file_empty`, `file_unknown` or `file_unreadable`.
    pub code: IssueCode,
    /// Why, in words that do not name the file.
    pub reason: String,
}

impl Refused {
    fn new(code: IssueCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
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
        Ok(Self { folder: Some(folder.to_owned()), ..Self::new(Arc::new(store), identity) })
    }

    /// The lake in any object store.
    pub fn new(store: Arc<dyn ObjectStore>, identity: IdentityKey) -> Self {
        Self { store, folder: None, identity, known: Mutex::default() }
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
    /// When the lake as a whole can't be listed. A file or subfolder that can't be read is listed with the reason.
    pub async fn files(&self) -> Result<Vec<Arc<LakeFile>>> {
        let Listing { files, unreadable } = self.list().await?;
        let mut files: Vec<Arc<LakeFile>> = futures::stream::iter(files)
            .map(|meta| async move {
                match self.known_file(&meta) {
                    Some(file) => file,
                    None => Arc::new(self.recognise(meta).await),
                }
            })
            .buffered(RECOGNISE_AT_ONCE)
            .collect()
            .await;
        files.extend(unreadable.into_iter().map(|found| Arc::new(self.unlisted(found))));
        files.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
        // What could not be read is tried again: it may be readable without having changed.
        let readable = |file: &&Arc<LakeFile>| !matches!(&file.device, Err(Refused { code: IssueCode::FileUnreadable, .. }));
        let known = files.iter().filter(readable).map(|file| (file.meta.location.clone(), Arc::clone(file))).collect();
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

    async fn list(&self) -> Result<Listing> {
        let Some(folder) = self.folder.clone() else {
            let files = self.store.list(None).try_filter(|meta| std::future::ready(!is_hidden(&meta.location)));
            return Ok(Listing { files: files.try_collect().await?, unreadable: Vec::new() });
        };
        let list = move || {
            listing::list(&folder).map_err(|error| Error::Lake(format!("{} can't be listed: {}", folder.display(), error.kind())))
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(list).await.map_err(|_| Error::Lake("the listing was stopped".to_owned()))?,
            Err(_) => list(),
        }
    }

    /// What could not be listed, as a file without size and time.
    fn unlisted(&self, found: Unreadable) -> LakeFile {
        let file_id = self.identity.file_id(&found.name);
        let location = Path::from(found.name);
        let meta = ObjectMeta { location, last_modified: chrono::DateTime::UNIX_EPOCH, size: 0, e_tag: None, version: None };
        LakeFile { meta, file_id, device: Err(Refused::new(IssueCode::FileUnreadable, found.reason)) }
    }

    fn known_file(&self, meta: &ObjectMeta) -> Option<Arc<LakeFile>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let file = known.get(&meta.location)?;
        (file.meta.size == meta.size && file.meta.last_modified == meta.last_modified).then(|| Arc::clone(file))
    }

    async fn recognise(&self, meta: ObjectMeta) -> LakeFile {
        let file_id = self.identity.file_id(meta.location.as_ref());
        let device = if meta.size == 0 {
            Err(Refused::new(IssueCode::FileEmpty, "the file is empty"))
        } else {
            match self.store.get_range(&meta.location, 0..meta.size.min(Sample::LEN)).await {
                Ok(head) => recognise(&Sample { head: &head, size: meta.size }),
                Err(error) => {
                    let reason = format!("the file can't be opened: {}", reason_without_path(&error));
                    Err(Refused::new(IssueCode::FileUnreadable, reason))
                }
            }
        };
        LakeFile { meta, file_id, device }
    }
}

/// The device that is surest that the file is its own, or why there is none.
pub fn recognise(sample: &Sample<'_>) -> std::result::Result<&'static dyn Device, Refused> {
    if sample.head.iter().all(u8::is_ascii_whitespace) && sample.head.len() as u64 >= sample.size {
        return Err(Refused::new(IssueCode::FileEmpty, "the file holds nothing but blanks"));
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
            let reason = format!("{kind} without the marks of a known device ({})", names.join(", "));
            Refused::new(IssueCode::FileUnknown, reason)
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
