//! Bytes of a file that are still those of the file that was listed.

use std::ops::Range;

use datafusion::error::DataFusionError;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::{MAX_FILE_BYTES, reason_without_path};
use crate::error::Error;

/// Why a file gives no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is another one now, or gone.
    Changed(&'static str),
    /// It can't be read.
    Unreadable(String),
}

impl Failure {
    /// In words that do not name the file.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Changed(reason) => reason,
            Self::Unreadable(reason) => reason,
        }
    }

    /// The error of a statement that may only see the file as it was listed.
    pub(crate) fn under_pin(&self) -> Option<DataFusionError> {
        matches!(self, Self::Changed(_)).then(|| Error::LakeChanged.into())
    }
}

/// Reads a listed file, or a `range` of it.
pub(crate) async fn fetch(
    store: &dyn ObjectStore,
    meta: &ObjectMeta,
    range: Option<Range<u64>>,
) -> Result<bytes::Bytes, Failure> {
    const CHANGED: Failure = Failure::Changed("it changed after it was listed; ask again");
    if range.is_none() && meta.size > MAX_FILE_BYTES {
        return Err(Failure::Unreadable(format!("larger than {} MiB, not read", MAX_FILE_BYTES / (1024 * 1024))));
    }
    let failure = |error: object_store::Error| match error {
        object_store::Error::NotFound { .. } => Failure::Changed(reason_without_path(&error)),
        object_store::Error::Precondition { .. } => CHANGED,
        _ => Failure::Unreadable(reason_without_path(&error).to_owned()),
    };
    let wanted = range.as_ref().map_or(meta.size, |range| range.end.min(meta.size).saturating_sub(range.start));
    let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
    let found = store.get_opts(&meta.location, options).await.map_err(failure)?;
    if !same(meta, &found.meta) {
        return Err(CHANGED);
    }
    let bytes = found.bytes().await.map_err(failure)?;
    if bytes.len() as u64 != wanted {
        return Err(CHANGED);
    }
    // An object is replaced as a whole; a file may be written to while it is read, and then looks different afterwards.
    if meta.e_tag.is_none() && !same(meta, &store.head(&meta.location).await.map_err(failure)?) {
        return Err(CHANGED);
    }
    Ok(bytes)
}

/// Whether a file that is opened is the one that was listed. Stores print times in seconds in one place and finer in another.
fn same(listed: &ObjectMeta, opened: &ObjectMeta) -> bool {
    let tags = |meta: &ObjectMeta| meta.e_tag.as_ref().map(|tag| tag.trim_matches('"').to_owned());
    listed.size == opened.size
        && match (tags(listed), tags(opened)) {
            (Some(listed), Some(opened)) => listed == opened,
            (Some(_), None) => listed.last_modified.timestamp() == opened.last_modified.timestamp(),
            (None, _) => listed.last_modified == opened.last_modified,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::Arc;

    use futures::TryStreamExt as _;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    async fn listed(store: &dyn ObjectStore) -> ObjectMeta {
        store.list(None).try_next().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_file_is_read_as_it_was_listed_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let stores: [Arc<dyn ObjectStore>; 2] =
            [Arc::new(InMemory::new()), Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())];
        for store in stores {
            let path = Path::from("a.csv");
            store.put(&path, "first".into()).await.unwrap();
            let meta = listed(store.as_ref()).await;
            for meta in [meta.clone(), ObjectMeta { e_tag: None, ..meta.clone() }] {
                assert_eq!(fetch(store.as_ref(), &meta, None).await.unwrap(), "first");
                assert_eq!(fetch(store.as_ref(), &meta, Some(1..3)).await.unwrap(), "ir");
                assert_eq!(fetch(store.as_ref(), &meta, Some(0..100)).await.unwrap(), "first");
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            store.put(&path, "other".into()).await.unwrap();
            for meta in [meta.clone(), ObjectMeta { e_tag: None, ..meta.clone() }] {
                assert!(matches!(fetch(store.as_ref(), &meta, None).await, Err(Failure::Changed(_))));
                assert!(matches!(fetch(store.as_ref(), &meta, Some(0..2)).await, Err(Failure::Changed(_))));
            }
            store.delete(&path).await.unwrap();
            let gone = fetch(store.as_ref(), &meta, None).await.unwrap_err();
            assert_eq!(gone.reason(), "it is no longer there");
            assert!(gone.under_pin().is_some());
        }
    }
}
