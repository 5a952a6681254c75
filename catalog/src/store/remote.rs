//! A bucket that has answered, as the lake sees it.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::Arc;

use super::keys;

/// How many objects without bytes are looked at together.
const LOOKED_AT: usize = 16;

/// The objects below a prefix. Its `{:?}` is the address: those of the stores show what they hold, keys included.
pub struct Remote {
    inner: Arc<dyn ObjectStore>,
    pages: Arc<dyn PaginatedListStore>,
    prefix: Path,
    shown: String,
}

/// What lies below the prefix of a bucket.
#[derive(Debug)]
pub(crate) struct Below {
    /// Objects, by their paths behind the prefix.
    pub(crate) objects: Vec<ObjectMeta>,
    /// Keys behind the prefix that are no paths: `a//b`.
    pub(crate) unspellable: Vec<String>,
}

impl Remote {
    pub(super) fn new(inner: impl ObjectStore, pages: Arc<dyn PaginatedListStore>, prefix: Path, shown: String) -> Self {
        Self { inner: Arc::new(inner), pages, prefix, shown }
    }

    /// Lists everything below the prefix, without the marks of folders.
    pub(crate) async fn below(&self) -> Result<Below> {
        let keys::Keys { objects, unspellable } = keys::list(self.pages.as_ref(), &self.prefix).await?;
        let behind = |mut meta: ObjectMeta| {
            let location: Path = meta.location.prefix_match(&self.prefix)?.collect();
            meta.location = location;
            (!meta.location.is_root()).then_some(meta)
        };
        let objects = futures::stream::iter(objects.into_iter().filter_map(behind));
        let prefix = self.prefix.as_ref();
        let relative = |key: String| match key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !prefix.is_empty() => rest.to_owned(),
            _ => key,
        };
        Ok(Below {
            objects: self.without_folders(objects.map(Ok)).try_collect().await?,
            unspellable: unspellable.into_iter().map(relative).collect(),
        })
    }

    fn without_folders<L: Stream<Item = Result<ObjectMeta>> + Send>(
        &self,
        listed: L,
    ) -> impl Stream<Item = Result<ObjectMeta>> + Send + use<L> {
        let store = Arc::clone(&self.inner);
        let checked = listed.map(move |meta| {
            let store = Arc::clone(&store);
            async move {
                let meta = meta?;
                Ok(if meta.size == 0 && is_folder(&*store, &meta).await? { None } else { Some(meta) })
            }
        });
        checked.buffered(LOOKED_AT).try_filter_map(|meta| std::future::ready(Ok(meta)))
    }
}

/// Whether an object without bytes is none but the mark of a folder: tools make `folder/` so that an empty folder is seen. The
/// slash is not part of a path, and there is no object of that name without it.
async fn is_folder(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<bool> {
    match store.head(&meta.location).await {
        Ok(_) => Ok(false),
        Err(Error::NotFound { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[async_trait]
impl ObjectStore for Remote {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list(prefix).try_filter(|meta| std::future::ready(!meta.location.is_root()));
        self.without_folders(listed).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::iter([read_only()]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "raw files are never written".into() })
}
