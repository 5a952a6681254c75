//! An object store in which the members of archives are objects beside the archive.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::directory::{self, Directory, Member, TAIL};
use super::inflate::{Method, Unpacker};
use super::{CACHE_BYTES, Fault, SEPARATOR};

/// Packed bytes that are fetched at once.
const CHUNK: u64 = 4 * 1024 * 1024;

/// What is fetched beyond the packed bytes that are wanted: the local header with its extra fields, and the tables with which
/// a deflated block begins.
const SLACK: u64 = 4 * 1024;

/// A read-only store that serves `outer.zip!/inner.csv` from `outer.zip`. It lists archives, not members: [`Self::members`] does.
pub(crate) struct ArchiveStore {
    inner: Arc<dyn ObjectStore>,
    known: Mutex<Known>,
}

/// What an archive turned out to be.
#[derive(Debug)]
pub(crate) enum Contents<D = ()> {
    /// A file that is built like an archive, such as an XLSX workbook: read as a whole.
    Document(D),
    /// An archive, with its members in the order of their paths.
    Members(Vec<Found>),
}

impl<D> Contents<D> {
    pub(crate) fn map_document<T>(self, document: impl FnOnce(D) -> T) -> Contents<T> {
        match self {
            Self::Document(found) => Contents::Document(document(found)),
            Self::Members(found) => Contents::Members(found),
        }
    }
}

/// A member of an archive.
#[derive(Debug)]
pub(crate) struct Found {
    /// Path behind that of the archive, size when unpacked, and the archive's time of change.
    pub(crate) meta: ObjectMeta,
    /// Why it is not read, as far as the directory tells.
    pub(crate) refused: Option<Fault>,
}

/// Directories that were read, the least used of which make room for others.
#[derive(Debug, Default)]
struct Known {
    directories: HashMap<Path, Kept>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    opened: Arc<Opened>,
    bytes: usize,
    used: u64,
}

/// A directory and the version of the archive that it is of.
#[derive(Debug)]
struct Opened {
    directory: Directory,
    archive: ObjectMeta,
}

/// Whether a path may be one of a member of an archive.
pub(crate) fn is_archived(path: &Path) -> bool {
    path.as_ref().contains(SEPARATOR)
}

/// The archives that a path may be in a member of.
pub(crate) fn around(path: &Path) -> impl Iterator<Item = Path> {
    let text = path.as_ref();
    text.match_indices(SEPARATOR).filter_map(move |(at, _)| Path::parse(text.get(..at)?).ok())
}

impl ArchiveStore {
    /// The store `inner`, with the members of its archives.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, known: Mutex::default() }
    }

    /// What the archive `listed` holds. Its directory is read, and nothing else.
    ///
    /// # Errors
    /// When the archive can't be fetched; as a [`Fault`] behind the error, when it is damaged or over a limit.
    pub(crate) async fn members(&self, listed: &ObjectMeta) -> Result<Contents> {
        // The archive is new or has changed: what is known of it is old.
        self.forget(&listed.location);
        let opened = self.open(&listed.location, &GetOptions::default()).await?;
        if opened.archive.size != listed.size {
            return Err(Fault::Changed.into());
        }
        if opened.directory.is_office {
            return Ok(Contents::Document(()));
        }
        let found = |(name, member): (&String, &Member)| Found {
            meta: ObjectMeta {
                location: Path::parse(format!("{}{SEPARATOR}{name}", listed.location))
                    .unwrap_or_else(|_| Path::from(format!("{}{SEPARATOR}{name}", listed.location))),
                size: member.size,
                ..listed.clone()
            },
            refused: member.method.err(),
        };
        Ok(Contents::Members(opened.directory.members.iter().map(found).collect()))
    }

    /// The archive and the member that a path names, if it names one: a folder may be called `x.zip!` too.
    async fn resolve(&self, location: &Path, options: &GetOptions) -> Result<Option<(Path, String, Arc<Opened>)>> {
        let text = location.as_ref();
        for (at, _) in text.match_indices(SEPARATOR) {
            let (outer, inner) = (text.get(..at).unwrap_or_default(), text.get(at + SEPARATOR.len()..).unwrap_or_default());
            let Ok(outer) = Path::parse(outer) else { continue };
            match self.opened(&outer, options).await {
                Ok(opened) => return Ok(Some((outer, inner.to_owned(), opened))),
                Err(Error::NotFound { .. }) => {}
                Err(error) if Fault::of(&error) == Some(Fault::NoDirectory) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn opened(&self, archive: &Path, options: &GetOptions) -> Result<Arc<Opened>> {
        match self.recall(archive) {
            Some(opened) => Ok(opened),
            None => self.open(archive, options).await,
        }
    }

    /// Reads the directory of an archive from its end.
    async fn open(&self, archive: &Path, options: &GetOptions) -> Result<Arc<Opened>> {
        let options = conditions(options);
        let last = GetOptions { range: Some(GetRange::Suffix(TAIL)), ..options.clone() };
        let found = match self.inner.get_opts(archive, last).await {
            // Azure has no ranges from the end.
            Err(Error::NotSupported { .. } | Error::NotImplemented { .. }) => {
                let head = GetOptions { head: true, ..options.clone() };
                let size = self.inner.get_opts(archive, head).await?.meta.size;
                let range = GetRange::Bounded(size.saturating_sub(TAIL)..size);
                self.inner.get_opts(archive, GetOptions { range: Some(range), ..options.clone() }).await?
            }
            found => found?,
        };
        let meta = found.meta.clone();
        let tail = found.bytes().await?;
        let place = directory::place(&tail, meta.size)?;
        let tail_start = meta.size.saturating_sub(tail.len() as u64);
        let range = place.start..place.start + place.size;
        let in_tail = range
            .start
            .checked_sub(tail_start)
            .and_then(|start| tail.get(usize::try_from(start).ok()?..usize::try_from(range.end - tail_start).ok()?));
        let directory = match in_tail {
            Some(bytes) => directory::read(bytes, &place)?,
            None => directory::read(&self.fetch(&meta, range, &options).await?, &place)?,
        };
        let opened = Arc::new(Opened { directory, archive: meta });
        self.keep(archive, &opened);
        Ok(opened)
    }

    /// A range of an archive that is still the one that `archive` describes.
    async fn fetch(&self, archive: &ObjectMeta, range: Range<u64>, options: &GetOptions) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let length = range.end - range.start;
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..conditions(options) };
        let found = self.inner.get_opts(&archive.location, options).await?;
        if !is_same(&found.meta, archive) {
            return Err(Fault::Changed.into());
        }
        let bytes = found.bytes().await?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(Fault::Changed.into()) }
    }

    /// Tests that an archive is still the one that `archive` describes.
    async fn unchanged(&self, archive: &ObjectMeta, options: &GetOptions) -> Result<()> {
        let options = GetOptions { head: true, ..conditions(options) };
        let now = self.inner.get_opts(&archive.location, options).await?.meta;
        if is_same(&now, archive) { Ok(()) } else { Err(Fault::Changed.into()) }
    }

    /// A range of the unpacked bytes of a member.
    async fn unpack(&self, opened: &Opened, member: &Member, range: Range<u64>, options: &GetOptions) -> Result<Bytes> {
        let method = member.method?;
        let archive = &opened.archive;
        let limit = opened.directory.start;
        let whole = range.end >= member.size;
        let wanted = if whole { member.packed } else { member.packed.min(range.end) };
        let until = member.offset.saturating_add(wanted.min(CHUNK)).saturating_add(SLACK).min(limit);
        let first = self.fetch(archive, member.offset..until, options).await?;
        let data = member.offset + directory::data_offset(&first)?;
        let end = data.checked_add(member.packed).filter(|end| *end <= limit).ok_or(Fault::Misplaced)?;
        if method == Method::Stored && !whole {
            return self.fetch(archive, data + range.start..data + range.end, options).await;
        }
        let mut unpacker = Unpacker::new(method, member.size, member.crc, range);
        let mut at = until.clamp(data, end);
        let mut bytes = match usize::try_from(data - member.offset) {
            Ok(skipped) => {
                first.slice(skipped.min(first.len())..usize::try_from(at - member.offset).unwrap_or(usize::MAX).min(first.len()))
            }
            Err(_) => Bytes::new(),
        };
        loop {
            unpacker.take(&bytes)?;
            if at >= end || unpacker.is_done() {
                break;
            }
            let next = at.saturating_add(CHUNK).min(end);
            bytes = self.fetch(archive, at..next, options).await?;
            at = next;
        }
        Ok(unpacker.finish()?.into())
    }

    /// Whether a request failed because the archive is no longer the one that `archive` describes.
    async fn is_changed(&self, archive: &ObjectMeta, error: &Error) -> bool {
        match Fault::of(error) {
            Some(fault) => fault == Fault::Changed,
            // A range behind the end of a shorter archive is refused, by each store in its own words.
            None => self.inner.head(&archive.location).await.is_ok_and(|now| now.size != archive.size),
        }
    }

    fn recall(&self, archive: &Path) -> Option<Arc<Opened>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clock += 1;
        let clock = known.clock;
        known.directories.get_mut(archive).map(|kept| {
            kept.used = clock;
            Arc::clone(&kept.opened)
        })
    }

    fn forget(&self, archive: &Path) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(archive);
    }

    fn keep(&self, archive: &Path, opened: &Arc<Opened>) {
        let bytes = opened.directory.footprint();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(archive);
        while known.bytes + bytes > CACHE_BYTES {
            let Some(oldest) = known.directories.iter().min_by_key(|(_, kept)| kept.used).map(|(path, _)| path.clone()) else {
                // Larger than all that may be kept: it is read anew each time.
                return;
            };
            known.remove(&oldest);
        }
        known.clock += 1;
        known.bytes += bytes;
        let kept = Kept { opened: Arc::clone(opened), bytes, used: known.clock };
        known.directories.insert(archive.clone(), kept);
    }
}

#[cfg(test)]
impl ArchiveStore {
    /// How many directories are kept, and the bytes they take.
    pub(super) fn kept(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (known.directories.len(), known.bytes)
    }
}

impl Known {
    fn remove(&mut self, archive: &Path) {
        if let Some(kept) = self.directories.remove(archive) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }
}

fn is_same(now: &ObjectMeta, then: &ObjectMeta) -> bool {
    (now.size, now.last_modified, &now.e_tag) == (then.size, then.last_modified, &then.e_tag)
}

/// The conditions of a request, which hold for the archive as they hold for its member.
fn conditions(options: &GetOptions) -> GetOptions {
    GetOptions { range: None, head: false, ..options.clone() }
}

impl fmt::Debug for ArchiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveStore({})", self.inner)
    }
}

impl fmt::Display for ArchiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "raw files are never written".into() })
}

#[async_trait]
impl ObjectStore for ArchiveStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !is_archived(location) {
            return self.inner.get_opts(location, options).await;
        }
        // A directory that is known may be of an archive that was replaced since: then it is read once more.
        for last in [false, true] {
            let Some((archive, name, opened)) = self.resolve(location, &options).await? else {
                return self.inner.get_opts(location, options).await;
            };
            let Some(member) = opened.directory.members.get(&name) else {
                if last {
                    return Err(Error::NotFound { path: location.to_string(), source: "no member of that name".into() });
                }
                self.forget(&archive);
                continue;
            };
            let meta = ObjectMeta { location: location.clone(), size: member.size, ..opened.archive.clone() };
            match options.check_preconditions(&meta) {
                Err(_) if !last => {
                    self.forget(&archive);
                    continue;
                }
                met => met?,
            }
            let range = match &options.range {
                Some(range) => range
                    .as_range(meta.size)
                    .map_err(|source| Error::Generic { store: "zip archive", source: Box::new(source) })?,
                None => 0..meta.size,
            };
            let bytes = if options.head {
                self.unchanged(&opened.archive, &options).await.map(|()| Bytes::new())
            } else {
                self.unpack(&opened, member, range.clone(), &options).await
            };
            match bytes {
                Err(error) if !last && self.is_changed(&opened.archive, &error).await => self.forget(&archive),
                bytes => {
                    let payload = GetResultPayload::Stream(futures::stream::iter([Ok(bytes?)]).boxed());
                    return Ok(GetResult { payload, meta, range, attributes: Default::default() });
                }
            }
        }
        Err(Fault::Changed.into())
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_archived(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let mut parts = Vec::new();
        for range in ranges {
            let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
            parts.push(self.get_opts(location, options).await?.bytes().await?);
        }
        Ok(parts)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
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
