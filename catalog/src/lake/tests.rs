//! The lake over time: what is opened again and what is not, after changes, restarts and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity)]

use std::fmt;
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::*;
use crate::device::Sample;
use crate::synthetic::{Hospital, generate};

/// Counts how often files are opened. Metadata alone is no opening.
#[derive(Debug)]
struct Counting {
    inner: LocalFileSystem,
    opened: AtomicUsize,
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a counting store")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.opened.fetch_add(usize::from(!options.head), Ordering::SeqCst);
        self.inner.get_opts(location, options).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        panic!("the lake is never written to")
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> object_store::Result<Box<dyn MultipartUpload>> {
        panic!("the lake is never written to")
    }

    fn delete_stream(&self, _: BoxStream<'static, object_store::Result<Path>>) -> BoxStream<'static, object_store::Result<Path>> {
        panic!("the lake is never written to")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        panic!("the lake is never written to")
    }
}

/// Exports of one simulated patient.
fn exports() -> &'static [PathBuf] {
    static EXPORTS: OnceLock<(tempfile::TempDir, Vec<PathBuf>)> = OnceLock::new();
    let (_, files) = EXPORTS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), &Hospital { patients: 2, seed: 5 }, &|_| {}).unwrap();
        let listing = listing::list(&folder.path().join("lake")).unwrap();
        let path = |file: Listed| folder.path().join("lake").join(file.meta.location.as_ref());
        let mut files: Vec<PathBuf> = listing.files.into_iter().map(path).collect();
        files.sort();
        (folder, files)
    });
    files
}

/// A site: its lake, its data folder, and its key.
struct Site {
    lake: tempfile::TempDir,
    data: tempfile::TempDir,
    pace: Pace,
}

impl Site {
    fn new(files: usize) -> Self {
        let site = Self { lake: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap(), pace: Pace::default() };
        for (at, file) in exports().iter().take(files).enumerate() {
            fs::copy(file, site.path(&format!("{at}.csv"))).unwrap();
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lake.path().join(name)
    }

    fn manifest(&self) -> PathBuf {
        self.data.path().join("manifest.sqlite")
    }

    fn key() -> IdentityKey {
        IdentityKey::from_phrase("site")
    }

    /// The lake as one process opens it.
    fn open(&self) -> Lake {
        let lake = Lake::open(self.lake.path(), Self::key(), self.pace).unwrap();
        lake.with_manifest(&self.manifest(), "here", true)
    }

    /// The same through a store that counts. What it lists has tags, so that no file looks as it does to [`Site::open`].
    fn counted(&self) -> (Arc<Counting>, Lake) {
        let inner = LocalFileSystem::new_with_prefix(self.lake.path()).unwrap();
        let store = Arc::new(Counting { inner, opened: AtomicUsize::new(0) });
        let lake = Lake::new(Arc::clone(&store) as Arc<dyn ObjectStore>, Self::key(), self.pace);
        (store, lake.with_manifest(&self.manifest(), "here", true))
    }
}

async fn inspected_all(lake: &Lake) -> Arc<Snapshot> {
    let snapshot = lake.snapshot().await.unwrap();
    lake.inspect(&snapshot, &|_, _| {}).await;
    snapshot
}

fn named<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Arc<LakeFile>> {
    snapshot.files().iter().find(|file| file.meta.location.as_ref() == name)
}

fn digest(file: &LakeFile) -> String {
    file.facts().unwrap().content.as_ref().unwrap().sha256.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_never_opened_again() {
    let site = Site::new(8);
    let (store, lake) = site.counted();
    let before = inspected_all(&lake).await;
    assert!(store.opened.load(Ordering::SeqCst) >= 8);
    let first = store.opened.swap(0, Ordering::SeqCst);
    inspected_all(&lake).await;
    assert_eq!(store.opened.swap(0, Ordering::SeqCst), 0, "in the same process");

    let (store, lake) = site.counted();
    let after = inspected_all(&lake).await;
    assert_eq!(store.opened.swap(0, Ordering::SeqCst), 0, "after a restart; {first} before");
    assert_eq!(before.version(), after.version());
    for (before, after) in before.files().iter().zip(after.files()) {
        assert_eq!(before.facts().unwrap(), after.facts().unwrap());
        assert_eq!(before.first_seen_us, after.first_seen_us);
    }

    fs::copy(&exports()[9], site.path("3.csv")).unwrap();
    let changed = inspected_all(&lake).await;
    assert_eq!(store.opened.swap(0, Ordering::SeqCst), 2, "the head and the whole of the file that changed");
    assert_ne!(changed.version(), after.version());
    assert_ne!(digest(named(&changed, "3.csv").unwrap()), digest(named(&after, "3.csv").unwrap()));
    let (store, lake) = site.counted();
    inspected_all(&lake).await;
    assert_eq!(store.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_readers_read_again() {
    let site = Site::new(3);
    let before = inspected_all(&site.open()).await;
    let connection = rusqlite::Connection::open(site.manifest()).unwrap();
    connection.execute("update file set readers = 'of another version', device = 'nonsense', facts = 'nonsense'", []).unwrap();
    drop(connection);
    let (store, lake) = site.counted();
    let after = inspected_all(&lake).await;
    assert!(store.opened.load(Ordering::SeqCst) >= 3);
    assert_eq!(before.files()[0].facts(), after.files()[0].facts());
    assert_eq!(before.files()[0].first_seen_us, after.files()[0].first_seen_us, "this outlasts readers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_did_not_change_is_not_listed_again() {
    let site = Site::new(3);
    let lake = site.open();
    let first = lake.snapshot().await.unwrap();
    if lake.listed.lock().await.kept.is_none() {
        eprintln!("skipped: this system notes no changes of folders");
        return;
    }
    assert!(Arc::ptr_eq(&first, &lake.snapshot().await.unwrap()));
    fs::create_dir(site.path("deep")).unwrap();
    fs::copy(&exports()[4], site.path("deep/new.csv")).unwrap();
    let second = lake.snapshot().await.unwrap();
    assert!(named(&second, "deep/new.csv").is_some());
    fs::copy(&exports()[5], site.path("deep/newer.csv")).unwrap();
    assert!(named(&lake.snapshot().await.unwrap(), "deep/newer.csv").is_some(), "a folder that came later is watched too");
    fs::write(site.path(".part"), "x").unwrap();
    let third = lake.snapshot().await.unwrap();
    fs::write(site.path(".part"), "y").unwrap();
    assert!(Arc::ptr_eq(&third, &lake.snapshot().await.unwrap()), "hidden files are no part of the lake");
}

/// A link leads out of what is watched: the lake is listed each time.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_leads_to_is_seen_to_change() {
    let site = Site::new(1);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(&exports()[1], elsewhere.path().join("target.csv")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), site.path("linked")).unwrap();
    let lake = site.open();
    let before = lake.snapshot().await.unwrap();
    fs::copy(&exports()[2], elsewhere.path().join("target.csv")).unwrap();
    assert_ne!(before.version(), lake.snapshot().await.unwrap().version());
}

/// Same name, size and time of change, other bytes: as a restored backup or `cp -p` leaves it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_of_the_same_size_and_time_is_another_file() {
    let site = Site::new(1);
    let lake = site.open();
    let before = inspected_all(&lake).await;
    let path = site.path("0.csv");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() = b' ';
    fs::write(site.path(".new"), &bytes).unwrap();
    fs::File::options().append(true).open(site.path(".new")).unwrap().set_modified(modified).unwrap();
    fs::rename(site.path(".new"), &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    for lake in [lake, site.open()] {
        let after = inspected_all(&lake).await;
        assert_ne!(before.version(), after.version());
        assert_ne!(digest(&before.files()[0]), digest(&after.files()[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_back_was_first_seen_before() {
    let site = Site::new(2);
    let first_seen = inspected_all(&site.open()).await.files()[0].first_seen_us;
    let away = site.data.path().join("away");
    fs::rename(site.path("0.csv"), &away).unwrap();
    assert_eq!(site.open().snapshot().await.unwrap().files().len(), 1);
    fs::rename(&away, site.path("0.csv")).unwrap();
    let back = site.open().snapshot().await.unwrap();
    assert_eq!(named(&back, "0.csv").unwrap().first_seen_us, first_seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_taken_when_it_is_still() {
    let settle = Duration::from_millis(400);
    let site = Site { pace: Pace { settle, ..Pace::default() }, ..Site::new(2) };
    let lake = site.open();
    let arriving = lake.snapshot().await.unwrap();
    assert!(arriving.files().iter().all(|file| file.is_arriving()));
    let settled = lake.settled().await.unwrap();
    assert!(settled.files().iter().all(|file| file.device.is_ok()), "{:?}", settled.files());
    assert_ne!(arriving.version(), settled.version());
    assert_ne!(arriving.settled_version(), settled.settled_version());

    // One goes on growing; the other files are there meanwhile.
    fs::copy(&exports()[2], site.path("growing.csv")).unwrap();
    for _ in 0..6 {
        tokio::time::sleep(settle / 4).await;
        fs::File::options()
            .append(true)
            .open(site.path("growing.csv"))
            .map(|mut file| std::io::Write::write_all(&mut file, b" "))
            .unwrap()
            .unwrap();
        let now = lake.snapshot().await.unwrap();
        assert!(named(&now, "growing.csv").unwrap().is_arriving());
        assert!(named(&now, "0.csv").unwrap().device.is_ok());
        assert_eq!(now.settled_version(), settled.settled_version(), "no layer reads it yet");
    }
    assert!(named(&lake.settled().await.unwrap(), "growing.csv").unwrap().device.is_ok());
}

/// A clock that is ahead hides no file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_from_the_future_is_taken_as_well() {
    let site = Site { pace: Pace { settle: Duration::from_millis(200), ..Pace::default() }, ..Site::new(1) };
    let ahead = std::time::SystemTime::now() + Duration::from_secs(86_400);
    fs::File::options().append(true).open(site.path("0.csv")).unwrap().set_modified(ahead).unwrap();
    let lake = site.open();
    assert!(lake.snapshot().await.unwrap().files()[0].is_arriving());
    assert!(lake.settled().await.unwrap().files()[0].device.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_is_listed_as_often_as_it_is_allowed() {
    let site = Site { pace: Pace { list_every: Duration::from_secs(3600), ..Pace::default() }, ..Site::new(1) };
    let (_, lake) = site.counted();
    let first = lake.snapshot().await.unwrap();
    fs::copy(&exports()[1], site.path("new.csv")).unwrap();
    assert!(Arc::ptr_eq(&first, &lake.snapshot().await.unwrap()));
    let site = Site { pace: Pace::default(), ..site };
    let (_, lake) = site.counted();
    assert_eq!(lake.snapshot().await.unwrap().files().len(), 2);
    fs::copy(&exports()[2], site.path("newer.csv")).unwrap();
    assert_eq!(lake.snapshot().await.unwrap().files().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_manifest_is_set_aside_and_made_again() {
    let damages: [(&str, &dyn Fn(&FsPath)); 4] = [
        ("no database", &|file| fs::write(file, "not a database at all, but longer than a header of one would be").unwrap()),
        ("another database", &|file| {
            fs::remove_file(file).unwrap();
            let connection = rusqlite::Connection::open(file).unwrap();
            connection.execute_batch("create table other (x); insert into other values (1)").unwrap();
        }),
        ("damaged pages", &|file| {
            let mut bytes = fs::read(file).unwrap();
            bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xaa);
            fs::write(file, bytes).unwrap();
        }),
        ("an older form", &|file| {
            rusqlite::Connection::open(file).unwrap().execute_batch("pragma user_version = 99").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let site = Site::new(4);
        let before = inspected_all(&site.counted().1).await;
        damage(&site.manifest());
        let bytes = fs::read(site.manifest()).unwrap();
        let after = inspected_all(&site.counted().1).await;
        assert_eq!(before.version(), after.version(), "{what}");
        assert_eq!(fs::read(site.data.path().join("manifest.sqlite.damaged")).unwrap(), bytes, "{what} is not kept");
        let (store, lake) = site.counted();
        inspected_all(&lake).await;
        assert_eq!(store.opened.load(Ordering::SeqCst), 0, "{what}: the new manifest is not used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_it_the_manifest_lives_in_memory() {
    let site = Site::new(2);
    let nowhere = site.data.path().join("absent/folder/manifest.sqlite");
    let lake = Lake::open(site.lake.path(), Site::key(), site.pace).unwrap().with_manifest(&nowhere, "here", true);
    assert!(inspected_all(&lake).await.files().iter().all(|file| file.facts().is_some()));
    // Reading alone makes no file and changes none.
    let lake = Lake::open(site.lake.path(), Site::key(), site.pace).unwrap().with_manifest(&site.manifest(), "here", false);
    inspected_all(&lake).await;
    assert!(!site.manifest().exists());
    inspected_all(&site.open()).await;
    let bytes = fs::read(site.manifest()).unwrap();
    fs::copy(&exports()[3], site.path("new.csv")).unwrap();
    let lake = Lake::open(site.lake.path(), Site::key(), site.pace).unwrap().with_manifest(&site.manifest(), "here", false);
    assert_eq!(inspected_all(&lake).await.files().len(), 3);
    assert_eq!(fs::read(site.manifest()).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_manifest() {
    let site = Site::new(10);
    let lakes: Vec<Lake> = (0..3).map(|_| site.counted().1).collect();
    let snapshots = futures::future::join_all(lakes.iter().map(inspected_all)).await;
    assert!(snapshots.iter().all(|snapshot| snapshot.version() == snapshots[0].version()));
    // One goes on while another has seen less.
    fs::copy(&exports()[11], site.path("new.csv")).unwrap();
    inspected_all(&lakes[0]).await;
    inspected_all(&lakes[1]).await;
    let (store, lake) = site.counted();
    assert_eq!(inspected_all(&lake).await.files().len(), 11);
    assert_eq!(store.opened.load(Ordering::SeqCst), 0);
    let sound: String =
        rusqlite::Connection::open(site.manifest()).unwrap().query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

/// Several lakes served from one data folder do not take each other's files for their own.
#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_of_another_lake_says_nothing() {
    let (site, other) = (Site::new(2), Site::new(0));
    inspected_all(&site.open()).await;
    for (name, export) in [("0.csv", 1), ("1.csv", 0)] {
        fs::copy(&exports()[export], other.path(name)).unwrap();
    }
    let open = |site: &Site, root: &str| {
        Lake::open(site.lake.path(), Site::key(), site.pace).unwrap().with_manifest(&other.manifest(), root, true)
    };
    let first = inspected_all(&open(&site, "one")).await;
    let second = inspected_all(&open(&other, "two")).await;
    assert_eq!(digest(&first.files()[0]), digest(&second.files()[1]));
    assert_ne!(digest(&first.files()[0]), digest(&second.files()[0]));
    assert_eq!(inspected_all(&open(&site, "one")).await.version(), first.version());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_private_and_names_nobody() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new(0);
    fs::copy(&exports()[0], site.path("QXZNAME Anne.csv")).unwrap();
    fs::write(site.path("QXZNAME.bin"), [0, 1, 2]).unwrap();
    inspected_all(&site.open()).await;
    assert_eq!(fs::metadata(site.manifest()).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(site.manifest()).unwrap();
    assert!(bytes.windows(7).any(|bytes| bytes == b"scan_id" || bytes == b"_unknow"), "nothing was written");
    assert!(!bytes.windows(7).any(|bytes| bytes == b"QXZNAME"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_stays_unknown_and_is_tried_again() {
    let site = Site::new(2);
    let lake = site.open();
    let snapshot = lake.snapshot().await.unwrap();
    fs::remove_file(site.path("0.csv")).unwrap();
    lake.inspect(&snapshot, &|_, _| {}).await;
    assert!(named(&snapshot, "0.csv").unwrap().facts().is_none());
    assert!(named(&snapshot, "1.csv").unwrap().facts().is_some());
    fs::copy(&exports()[0], site.path("0.csv")).unwrap();
    assert!(inspected_all(&lake).await.files().iter().all(|file| file.facts().is_some()));
}

/// What the beginning of a file says of its rows is what the whole file says.
#[test]
fn heads_say_what_files_say() {
    let mut compared = 0;
    for path in exports() {
        let bytes = bytes::Bytes::from(fs::read(path).unwrap());
        let Ok(device) = recognise(&Sample { head: &bytes[..bytes.len().min(Sample::LEN as usize)], size: bytes.len() as u64 })
        else {
            continue;
        };
        let whole = Facts::of(&bytes, Some(device), None, "x", &Site::key(), facts::Depth::Rows);
        for length in [100, 700, 2_000, 16 * 1024, bytes.len() / 2] {
            let head = &bytes[..length.min(bytes.len())];
            if let Some(found) = Facts::of_head(head, device, "x", &Site::key()) {
                assert_eq!(found, whole);
                compared += 1;
            }
        }
        let checked = Facts::of(&bytes, Some(device), None, "x", &Site::key(), facts::Depth::Content);
        assert_eq!(checked.tables, whole.tables, "checking changes no row");
    }
    assert!(compared > 0);
}
