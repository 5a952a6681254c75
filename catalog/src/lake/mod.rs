//! The lake: raw files, read-only, listed when something may have changed, and recognised by content.

pub(crate) mod facts;
mod fetch;
pub(crate) mod index;
mod inspect;
mod listing;
mod manifest;
mod recognise;
mod snapshot;
mod taken;
#[cfg(test)]
mod tests;
mod together;
pub(crate) mod walk;
mod watch;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use chrono::Utc;
use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

pub use self::recognise::{Refused, recognise};
pub use self::snapshot::{Pinned, Snapshot};

use self::facts::{Facts, Known};
pub(crate) use self::fetch::{Failure, fetch};
use self::index::Index;
use self::listing::{Kept, Listed, Listing, Unreadable};
use self::manifest::{Entry, Manifest};
use self::together::Folder;
use self::walk::is_large;
use self::watch::Changes;
use crate::archive::{self, ArchiveStore};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::identity::IdentityKey;
use crate::issue::IssueCode;
use crate::store::{self, Below, Environment, Location, Remote};

/// How many files are opened at the same time to recognise them.
const RECOGNISE_AT_ONCE: usize = 16;

/// Larger files are read only piece by piece, by devices that can do that.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// What could not be opened is tried again after this time, because it may become readable without a change that is noted.
const RETRY: Duration = Duration::from_secs(2);

/// How many statements may plan at the same time with each its own snapshot, and for how long one may plan. Whoever plans with
/// the same moment for longer sees newer files.
const STATEMENTS: usize = 64;
const PLANNING: Duration = Duration::from_secs(60);

/// When files are taken and listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// How long a file must have been still to be taken.
    pub settle: Duration,
    /// How old a listing of an object store may be. Folders are listed whenever something may have changed.
    pub list_every: Duration,
}

/// The raw files of a site.
#[derive(Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    /// The same store, as the one that knows archives.
    archives: Arc<ArchiveStore>,
    /// Where the store is a local folder: it lists what it can, the store's own listing ends at the first fault.
    folder: Option<PathBuf>,
    /// Where it is a bucket: it tells the keys that no path can spell, too.
    bucket: Option<Arc<Remote>>,
    identity: IdentityKey,
    pace: Pace,
    manifest: Manifest,
    listed: tokio::sync::Mutex<State>,
    /// Held by whoever reads files to know what is in them.
    inspecting: tokio::sync::Mutex<()>,
    /// Grows whenever more is known of files.
    facts_found: AtomicU64,
    /// Which snapshot each of the last statements sees.
    statements: Mutex<VecDeque<Seen>>,
}

/// What a statement sees.
#[derive(Debug)]
struct Seen {
    /// The session, and the moment at which the statement began.
    statement: (String, i64),
    since: Instant,
    snapshot: Arc<Snapshot>,
}

/// What the last listing left behind.
#[derive(Debug, Default)]
struct State {
    newest: Option<Arc<Snapshot>>,
    /// What was listed, where changes since then are noted; elsewhere there may always be some.
    kept: Option<Kept>,
    /// Those that were noted and that no snapshot has seen.
    changes: Changes,
    /// Whether the last listing was cut short.
    cut: bool,
    /// When the listing began.
    began: Option<Instant>,
    /// When another one is due though nothing changes.
    due: Option<Instant>,
    /// What was found out about a listed file, valid while its stamp stays.
    known: HashMap<Path, (String, Vec<Arc<LakeFile>>)>,
    /// Files that may still be written to, with the stamp and moment at which they were first seen so.
    arriving: HashMap<Path, (String, Instant)>,
}

/// One file of the lake and what it was recognised as.
#[derive(Debug)]
pub struct LakeFile {
    /// Path, size and time of change. The path may hold a patient's name: it is shown in `raw` only.
    pub meta: ObjectMeta,
    /// Key of the file, from its path.
    pub file_id: String,
    /// What changes whenever the file does: size, time of change, and what the store or disk has besides.
    pub stamp: String,
    /// The device, or why there is none.
    pub device: std::result::Result<&'static dyn Device, Refused>,
    /// When it was first listed, in microseconds since 1970 UTC.
    pub first_seen_us: i64,
    known: Known,
    /// Those that it is read together with.
    folder: Option<Arc<Folder>>,
}

impl LakeFile {
    /// What is known of it without opening it.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.known.get()
    }

    /// Whether it may be read to know what is in it.
    fn can_be_known(&self) -> bool {
        let unreadable = |refused: &Refused| matches!(refused.code, IssueCode::FileUnreadable | IssueCode::ArchiveMemberRefused);
        self.is_listed()
            && !self.is_arriving()
            && (self.meta.size <= MAX_FILE_BYTES || is_large(&self.meta) && self.device.is_ok())
            && !self.device.as_ref().is_err_and(unreadable)
    }

    /// What is to be remembered of it.
    fn entry(&self) -> Entry {
        // What could not be opened may be readable next time.
        let opened = self
            .device
            .as_ref()
            .err()
            .is_none_or(|refused| !matches!(refused.code, IssueCode::FileUnreadable | IssueCode::FileArriving));
        Entry {
            stamp: self.stamp.clone(),
            size: self.meta.size,
            modified_us: self.meta.last_modified.timestamp_micros(),
            first_seen_us: self.first_seen_us,
            gone_us: None,
            device: opened.then(|| self.device.as_ref().map(|device| device.name()).map_err(Clone::clone)),
            facts: self.facts(),
        }
    }

    /// Whether size and time of change are known: not of what the lake could not even list.
    pub fn is_listed(&self) -> bool {
        !self.stamp.is_empty()
    }
}

impl Lake {
    /// The lake in a local folder.
    ///
    /// # Errors
    /// When `folder` is not a folder that can be read.
    pub fn open(folder: &FsPath, identity: IdentityKey, pace: Pace) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::Lake(format!("{} is not a folder; name one with --lake", folder.display())));
        }
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| Error::Lake(error.to_string()))?;
        Ok(Self { folder: Some(folder.to_owned()), ..Self::new(Arc::new(store), identity, pace) })
    }

    /// The lake in a folder or bucket; keys of the bucket come from `environment`.
    ///
    /// # Errors
    /// As [`Lake::open`]; for a bucket, what is wrong with its name, the keys or the network, and what to do.
    pub async fn at(location: &Location, environment: &Environment, identity: IdentityKey, pace: Pace) -> Result<Self> {
        match location {
            Location::Folder(folder) => Self::open(folder, identity, pace),
            Location::Bucket(bucket) => {
                let bucket = bucket.open(environment).await?;
                let store = Arc::clone(&bucket) as Arc<dyn ObjectStore>;
                Ok(Self { bucket: Some(bucket), ..Self::new(store, identity, pace) })
            }
        }
    }

    /// The lake in any object store.
    pub fn new(store: Arc<dyn ObjectStore>, identity: IdentityKey, pace: Pace) -> Self {
        let archives = Arc::new(ArchiveStore::new(store));
        Self {
            store: Arc::clone(&archives) as Arc<dyn ObjectStore>,
            archives,
            folder: None,
            bucket: None,
            identity,
            pace,
            manifest: Manifest::default(),
            listed: Default::default(),
            inspecting: Default::default(),
            facts_found: AtomicU64::new(0),
            statements: Mutex::default(),
        }
    }

    /// The lake with a manifest in `file`, so that files are not opened again after a restart unless they changed. `root` tells
    /// this lake from others that were served from the same data folder. Without `write` the manifest is read and left as it is.
    #[must_use]
    pub fn with_manifest(self, file: &FsPath, root: &str, write: bool) -> Self {
        let manifest = Manifest::open(file, &self.identity.lake_id(root), write);
        Self { manifest, ..self }
    }

    /// The address under which the lake's store is registered with the engine.
    pub fn url() -> Result<ObjectStoreUrl> {
        Ok(ObjectStoreUrl::parse("lake://raw")?)
    }

    /// The store of the raw files and of the members of archives among them.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The site's key.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// Whether the store is a folder, whose files may change while they are read.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// The files as they are now. Where changes are noted and there were none, this costs one system call, and where there were some,
    /// only these are looked at; of an object store it is as old as [`Pace::list_every`] allows. Otherwise all files are listed. Those
    /// that are new or changed are opened and recognised.
    ///
    /// # Errors
    /// When the lake as a whole can't be listed. A file or subfolder that can't be read is listed with the reason.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let asked = Instant::now();
        let mut state = self.listed.lock().await;
        let State { kept, changes, .. } = &mut *state;
        if let Some(kept) = kept {
            changes.extend(kept.changes());
        }
        if let Some(newest) = state.newest.as_ref().filter(|_| self.is_current(&state, asked)) {
            return Ok(Arc::clone(newest));
        }
        // Should the listing be cut short, the next one knows that it is needed.
        state.cut = true;
        let snapshot = self.list_again(&mut state).await?;
        state.newest = Some(Arc::clone(&snapshot));
        state.cut = false;
        Ok(snapshot)
    }

    /// As [`Lake::snapshot`], but waits for files that are still being written, for as long as a file has to be still.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub async fn settled(&self) -> Result<Arc<Snapshot>> {
        let until = Instant::now() + self.pace.settle;
        loop {
            let snapshot = self.snapshot().await?;
            let now = Instant::now();
            if now > until || !snapshot.files().iter().any(|file| file.is_arriving()) {
                return Ok(snapshot);
            }
            let due = self.listed.lock().await.due.unwrap_or(until);
            tokio::time::sleep((due.min(until) + Duration::from_millis(1)).saturating_duration_since(now)).await;
        }
    }

    /// What a statement of `session` sees: what is pinned there, or the newest; the same for all its scans.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub async fn snapshot_for(&self, session: &dyn Session) -> Result<Arc<Snapshot>> {
        if let Some(pinned) = Pinned::of(session) {
            return Ok(pinned);
        }
        let began = session.execution_props().query_execution_start_time.and_then(|began| began.timestamp_nanos_opt());
        let Some(began) = began else { return self.snapshot().await };
        let statement = (session.session_id().to_owned(), began);
        let seen = |statements: &VecDeque<Seen>| {
            let known = |seen: &&Seen| seen.statement == statement && seen.since.elapsed() < PLANNING;
            statements.iter().rev().find(known).map(|seen| Arc::clone(&seen.snapshot))
        };
        if let Some(snapshot) = seen(&self.statements()) {
            return Ok(snapshot);
        }
        let snapshot = self.snapshot().await?;
        let mut statements = self.statements();
        // Another scan of the statement may have been faster.
        if let Some(snapshot) = seen(&statements) {
            return Ok(snapshot);
        }
        while statements.front().is_some_and(|oldest| statements.len() >= STATEMENTS || oldest.since.elapsed() >= PLANNING) {
            statements.pop_front();
        }
        statements.push_back(Seen { statement, since: Instant::now(), snapshot: Arc::clone(&snapshot) });
        Ok(snapshot)
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, VecDeque<Seen>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the newest snapshot still is one.
    fn is_current(&self, state: &State, asked: Instant) -> bool {
        // Another query listed the lake while this one waited.
        if state.began.is_some_and(|began| began >= asked) {
            return true;
        }
        let due = state.due.is_some_and(|due| asked >= due);
        if self.is_folder() {
            return !due && !state.cut && state.kept.is_some() && state.changes.is_none();
        }
        let old = state.began.is_none_or(|began| asked.saturating_duration_since(began) >= self.pace.list_every);
        !state.cut && !due && !old
    }

    async fn list_again(&self, state: &mut State) -> Result<Arc<Snapshot>> {
        let began = Instant::now();
        let (listing, kept) = self.list(state.kept.take(), &state.changes).await?;
        let Listing { mut files, unreadable, .. } = listing;
        let mut found: Vec<Arc<LakeFile>> = unreadable.into_iter().map(|found| Arc::new(self.unlisted(found))).collect();
        found.extend(taken::eclipsed(&mut files).into_iter().map(|meta| Arc::new(self.eclipsed(meta))));
        let (mut known, mut arriving, mut fresh) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut due: Option<Instant> = None;
        // Files of which the manifest may not know yet.
        let mut fresh_ids: HashSet<String> = found.iter().map(|file| file.file_id.clone()).collect();
        for listed in files {
            let (location, stamp) = (listed.meta.location.clone(), stamp(&listed.meta));
            if let Some((_, files)) = state.known.get(&location).filter(|(known, _)| *known == stamp) {
                found.extend(files.iter().cloned());
                known.insert(location, (stamp, files.clone()));
                continue;
            }
            let seen = state.arriving.get(&location).filter(|(known, _)| *known == stamp).map_or(began, |(_, seen)| *seen);
            match self.unsettled(&listed, seen) {
                None => fresh.push((listed, stamp)),
                Some(still) => {
                    due = Some(due.map_or(began + still, |due| due.min(began + still)));
                    let file = Arc::new(self.arriving(listed.meta, stamp.clone()));
                    fresh_ids.insert(file.file_id.clone());
                    found.push(file);
                    arriving.insert(location, (stamp, seen));
                }
            }
        }
        let opened: Vec<(Path, String, Vec<Arc<LakeFile>>)> = futures::stream::iter(fresh)
            .map(|(listed, stamp)| async move {
                let location = listed.meta.location.clone();
                (location, stamp.clone(), self.taken(listed.meta, stamp).await)
            })
            .buffered(RECOGNISE_AT_ONCE)
            .collect()
            .await;
        for (location, stamp, files) in opened {
            fresh_ids.extend(files.iter().map(|file| file.file_id.clone()));
            found.extend(files.iter().cloned());
            let unreadable = |file: &Arc<LakeFile>| matches!(&file.device, Err(Refused { code: IssueCode::FileUnreadable, .. }));
            if files.iter().any(unreadable) {
                due = Some(due.map_or(began + RETRY, |due| due.min(began + RETRY)));
            } else {
                known.insert(location, (stamp, files));
            }
        }
        self.put_together(&mut found, &mut known, &mut fresh_ids);
        let snapshot = Arc::new(Snapshot::new(found));
        let present = snapshot.files().iter().map(|file| file.file_id.as_str()).collect();
        let new = snapshot.files().iter().filter(|file| fresh_ids.contains(&file.file_id));
        let entries = new.map(|file| (file.file_id.clone(), file.entry())).collect();
        self.manifest.remember(entries, Some(&present), Utc::now().timestamp_micros()).await;
        *state = State { newest: None, kept, changes: Changes::default(), cut: true, began: Some(began), due, known, arriving };
        Ok(snapshot)
    }

    /// How long the file must still be left alone, if it must. Clocks of other machines may be wrong: a file that has looked
    /// the same since `seen` for long enough is taken whatever its time of change.
    fn unsettled(&self, listed: &Listed, seen: Instant) -> Option<Duration> {
        let watched = self.pace.settle.checked_sub(seen.elapsed()).filter(|left| !left.is_zero())?;
        match (Utc::now() - listed.touched).to_std() {
            Ok(age) => self.pace.settle.checked_sub(age).filter(|left| !left.is_zero()).map(|left| left.min(watched)),
            Err(_) => Some(watched),
        }
    }

    fn file(
        &self,
        meta: ObjectMeta,
        file_id: String,
        stamp: String,
        device: std::result::Result<&'static dyn Device, Refused>,
        facts: Option<Arc<Facts>>,
    ) -> LakeFile {
        let first_seen_us = self.manifest.first_seen_us(&file_id).unwrap_or_else(|| Utc::now().timestamp_micros());
        LakeFile { meta, file_id, stamp, device, first_seen_us, known: Known::new(facts), folder: None }
    }

    /// The index of a raw table over the files of a snapshot, as far as they are known.
    pub(crate) fn index(&self, snapshot: &Snapshot, device: &str, table: &'static str, schema: &SchemaRef) -> Result<Arc<Index>> {
        snapshot.index(device, table, schema, self.facts_found.load(Ordering::Acquire))
    }

    /// All files. Where a listing was `kept`, only what was noted since is looked at.
    async fn list(&self, kept: Option<Kept>, changes: &Changes) -> Result<(Listing, Option<Kept>)> {
        let Some(folder) = self.folder.clone() else {
            let listed = match &self.bucket {
                Some(bucket) => bucket.below().await,
                None => self.store.list(None).try_collect().await.map(|objects| Below { objects, unspellable: Vec::new() }),
            };
            let Below { objects, unspellable } = listed.map_err(|error| Error::Lake(store::listing_failure(&error)))?;
            let files = objects.into_iter().filter(|meta| !is_hidden(&meta.location)).map(Listed::from).collect();
            let reason = "a key that no path can spell: it has an empty part (a//b), a . or .. or a control character; rename it";
            let unspellable = unspellable.into_iter().filter(|key| !key.split('/').any(is_hidden_name));
            let unreadable = unspellable.map(|name| Unreadable { name, reason }).collect();
            return Ok((Listing { files, unreadable, ..Listing::default() }, None));
        };
        let changes = changes.clone();
        let list = move || {
            let followed = match (kept, changes) {
                (Some(kept), Changes::Of(paths)) => kept.follow(&paths),
                _ => None,
            };
            if let Some(kept) = followed {
                return Ok((kept.listing(), Some(kept)));
            }
            let mut listing = listing::list(&folder)
                .map_err(|error| Error::Lake(format!("{} can't be listed: {}", folder.display(), error.kind())))?;
            let kept = Kept::new(&folder, &mut listing);
            Ok((listing, kept))
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(list).await.map_err(|_| Error::Lake("the listing was stopped".to_owned()))?,
            Err(_) => list(),
        }
    }

    /// What could not be listed, as a file without size and time.
    fn unlisted(&self, found: Unreadable) -> LakeFile {
        let file_id = self.identity.file_id(&found.name);
        let shown = || archive::shown(&found.name, 0);
        let location = Path::parse(&found.name).or_else(|_| Path::parse(shown())).unwrap_or_else(|_| Path::from(shown()));
        let meta = ObjectMeta { location, last_modified: chrono::DateTime::UNIX_EPOCH, size: 0, e_tag: None, version: None };
        self.file(meta, file_id, String::new(), Err(Refused::new(IssueCode::FileUnreadable, found.reason)), None)
    }

    fn eclipsed(&self, meta: ObjectMeta) -> LakeFile {
        let reason = "its folder is named like the inside of the file beside it (with !); rename the folder";
        let (file_id, stamp) = (self.identity.file_id(meta.location.as_ref()), stamp(&meta));
        self.file(meta, file_id, stamp, Err(Refused::new(IssueCode::FileUnreadable, reason)), None)
    }

    fn arriving(&self, meta: ObjectMeta, stamp: String) -> LakeFile {
        let reason = format!("the file is taken once it has been still for {} ms", self.pace.settle.as_millis());
        let file_id = self.identity.file_id(meta.location.as_ref());
        self.file(meta, file_id, stamp, Err(Refused::new(IssueCode::FileArriving, reason)), None)
    }
}

/// What differs between two states of a file.
fn stamp(meta: &ObjectMeta) -> String {
    let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
    let [tag, version] = [&meta.e_tag, &meta.version].map(|text| text.as_deref().unwrap_or_default());
    format!("{:x}.{modified:x}.{tag}.{version}", meta.size)
}

/// What went wrong with a file, in words that do not name it.
pub(crate) fn reason_without_path(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::NotFound { .. } => "it is no longer there",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => "no permission to read it",
        _ => archive::Fault::of(error)
            .and_then(archive::Fault::while_unpacking)
            .or_else(|| store::request_failure(error))
            .unwrap_or("the store failed to read it"),
    }
}

/// Files of tools and systems (`.DS_Store`, `.part`) are no exports.
fn is_hidden(path: &Path) -> bool {
    path.parts().any(|part| is_hidden_name(part.as_ref()))
}

/// `.` and `..` are no names.
fn is_hidden_name(part: &str) -> bool {
    part.starts_with('.') && !matches!(part, "." | "..")
}
