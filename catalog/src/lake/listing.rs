//! The files below a local folder. What can't be read is listed with a reason, and hides nothing else.
//!
//! Folders are put under watch before they are read, so that what changes later is known without listing them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path as FsPath, PathBuf};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::watch::{Changes, Watch, is_local};

/// Folders deeper than this are not entered: no export lies there, and a loop that links do not show would never end.
const MAX_DEPTH: usize = 64;
/// Folders behind more links than this are not entered: links from every folder to every other are a way without an end.
const MAX_LINKS: usize = 4;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Files with the names that the store knows them by.
    pub(crate) files: Vec<Listed>,
    /// Files and folders that can't be listed.
    pub(crate) unreadable: Vec<Unreadable>,
    /// What notes later changes, if all of them will be noted.
    pub(crate) watch: Option<Watch>,
}

/// A file as it was listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Name, size and time of change. On a disk of this machine the version is made of the inode and the time of its last
    /// change, which a copied or restored file does not share with the one that it replaces, whatever its size and time.
    pub(crate) meta: ObjectMeta,
    /// When it was last written to, renamed or linked, as far as the system says.
    pub(crate) touched: DateTime<Utc>,
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        Self { touched: meta.last_modified, meta }
    }
}

/// A file or folder that can't be listed.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// Its name; bytes that are no UTF-8 are written as `\xff`. It may hold a patient's name.
    pub(crate) name: String,
    /// Why, in words that do not name it.
    pub(crate) reason: &'static str,
}

/// A folder to be entered.
struct Folder {
    path: PathBuf,
    /// Itself and the folders above it, without links, so that a link back is seen.
    real: Vec<PathBuf>,
    /// How many links lead to it.
    links: usize,
    /// Whether it lies on a disk of this machine.
    local: bool,
}

/// Lists everything below `root`, links followed. Hidden files and folders (`.DS_Store`) are left out: they are no exports.
///
/// # Errors
/// When `root` itself can't be read.
pub(crate) fn list(root: &FsPath) -> io::Result<Listing> {
    let mut listing = Listing { watch: Watch::new(), ..Listing::default() };
    let real = vec![fs::canonicalize(root)?];
    listing.walk(root, Folder { path: root.to_owned(), real, links: 0, local: false })?;
    Ok(listing)
}

/// What lies below a folder, kept up with what is noted of it.
#[derive(Debug)]
pub(crate) struct Kept {
    root: PathBuf,
    files: BTreeMap<Path, Listed>,
    unreadable: BTreeMap<String, &'static str>,
    watch: Watch,
}

impl Kept {
    /// Keeps a listing of `root`, if all changes of it will be noted.
    pub(crate) fn new(root: &FsPath, listing: &mut Listing) -> Option<Self> {
        Some(Self {
            root: root.to_owned(),
            watch: listing.watch.take()?,
            files: listing.files.iter().map(|file| (file.meta.location.clone(), file.clone())).collect(),
            unreadable: listing.unreadable.iter().map(|found| (found.name.clone(), found.reason)).collect(),
        })
    }

    /// What has changed since this was asked last.
    pub(crate) fn changes(&self) -> Changes {
        self.watch.changes()
    }

    /// All that is there.
    pub(crate) fn listing(&self) -> Listing {
        let unreadable = self.unreadable.iter().map(|(name, reason)| Unreadable { name: name.clone(), reason });
        Listing { files: self.files.values().cloned().collect(), unreadable: unreadable.collect(), watch: None }
    }

    /// Looks at what has changed and at nothing else; nothing where only a new listing tells.
    pub(crate) fn follow(self, changed: &BTreeSet<PathBuf>) -> Option<Self> {
        let Self { root, mut files, mut unreadable, watch } = self;
        let mut found = Listing { watch: Some(watch), ..Listing::default() };
        for path in changed {
            unreadable.remove(&escaped(&root, path));
            let location = location(&root, path);
            if let Some(location) = &location {
                files.remove(location);
            }
            let meta = match fs::symlink_metadata(path) {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => return None,
            };
            if meta.is_dir() {
                // It may have been listed together with the folder in which it is.
                let inside = location.map(|location| format!("{location}/"))?;
                files.retain(|known, _| !known.as_ref().starts_with(&inside));
                let within = format!("{}/", escaped(&root, path));
                unreadable.retain(|known, _| !known.starts_with(&within));
                let folder = Folder { path: path.clone(), real: above(&root, path)?, links: 0, local: false };
                found.walk(&root, folder).ok()?;
            } else if meta.is_file() && !has_other_names(&meta) {
                match location {
                    Some(location) => found.files.push(listed(location, &meta, true)),
                    None => found.refuse(&root, path, UNNAMEABLE),
                }
            } else {
                return None;
            }
        }
        let watch = found.watch.take()?;
        files.extend(found.files.into_iter().map(|file| (file.meta.location.clone(), file)));
        unreadable.extend(found.unreadable.into_iter().map(|found| (found.name, found.reason)));
        Some(Self { root, files, unreadable, watch })
    }
}

/// The folders from `root` to `folder`, without links.
fn above(root: &FsPath, folder: &FsPath) -> Option<Vec<PathBuf>> {
    let mut real = vec![fs::canonicalize(root).ok()?];
    for part in folder.strip_prefix(root).ok()? {
        let next = real.last()?.join(part);
        real.push(next);
    }
    (real.len() <= MAX_DEPTH).then_some(real)
}

const UNNAMEABLE: &str = "a name with characters that can't be read; rename it";

impl Listing {
    /// Adds what lies in a folder and below.
    fn walk(&mut self, root: &FsPath, from: Folder) -> io::Result<()> {
        let mut folders = vec![from];
        while let Some(mut folder) = folders.pop() {
            folder.local = is_local(&folder.path);
            self.watch = self.watch.take().and_then(|mut watch| (folder.local && watch.add(&folder.path)).then_some(watch));
            let entries = match fs::read_dir(&folder.path) {
                Ok(entries) => entries,
                Err(error) if folder.path == root => return Err(error),
                Err(error) => {
                    self.refuse(root, &folder.path, reason(&error, "a folder that can't be listed"));
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) => self.entry(root, &folder, &entry, &mut folders),
                    // The names that the folder did not give are not known; that some are missing is.
                    Err(error) => {
                        self.refuse(root, &folder.path, reason(&error, "a folder that can't be listed to its end"));
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, root: &FsPath, folder: &Folder, entry: &DirEntry, folders: &mut Vec<Folder>) {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            return;
        }
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            // What a link leads to changes elsewhere.
            self.watch = None;
        }
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            // It went away after the folder was read, and is no part of the lake any more; but a link to nothing is.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.refuse(root, &path, "a link to nothing"),
            Err(error) => return self.refuse(root, &path, reason(&error, "a file or link that can't be followed")),
        };
        if meta.is_dir() {
            let links = folder.links + usize::from(entry.file_type().is_ok_and(|kind| kind.is_symlink()));
            match fs::canonicalize(&path) {
                Ok(real) if folder.real.contains(&real) => self.refuse(root, &path, "a link to a folder that holds it"),
                Ok(_) if folder.real.len() > MAX_DEPTH => self.refuse(root, &path, "a folder too deep to be entered"),
                Ok(_) if links > MAX_LINKS => self.refuse(root, &path, "a folder behind too many links to be entered"),
                Ok(real) => {
                    let real = folder.real.iter().cloned().chain([real]).collect();
                    folders.push(Folder { path, real, links, local: false });
                }
                Err(error) => self.refuse(root, &path, reason(&error, "a folder that can't be listed")),
            }
        } else if meta.is_file() {
            if has_other_names(&meta) {
                self.watch = None;
            }
            match location(root, &path) {
                Some(location) => self.files.push(listed(location, &meta, folder.local)),
                None => self.refuse(root, &path, UNNAMEABLE),
            }
        }
    }

    fn refuse(&mut self, root: &FsPath, path: &FsPath, reason: &'static str) {
        self.unreadable.push(Unreadable { name: escaped(root, path), reason });
    }
}

/// The name by which the store knows a file.
fn location(root: &FsPath, path: &FsPath) -> Option<Path> {
    let parts: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect();
    Path::parse(parts?.join("/")).ok()
}

fn listed(location: Path, meta: &Metadata, local: bool) -> Listed {
    let last_modified = meta.modified().map_or(DateTime::UNIX_EPOCH, DateTime::<Utc>::from);
    let (touched, version) = inode(meta).unwrap_or((last_modified, String::new()));
    let version = Some(version).filter(|version| local && !version.is_empty());
    let touched = touched.max(last_modified);
    Listed { meta: ObjectMeta { location, last_modified, size: meta.len(), e_tag: None, version }, touched }
}

/// When the inode last changed, and what tells it from others.
#[cfg(unix)]
fn inode(meta: &Metadata) -> Option<(DateTime<Utc>, String)> {
    use std::os::unix::fs::MetadataExt as _;
    let changed = DateTime::from_timestamp(meta.ctime(), u32::try_from(meta.ctime_nsec()).ok()?)?;
    Some((changed, format!("{:x}.{:x}.{:x}", meta.ino(), meta.ctime(), meta.ctime_nsec())))
}

#[cfg(not(unix))]
fn inode(_meta: &Metadata) -> Option<(DateTime<Utc>, String)> {
    None
}

/// Whether the file may be written to under a name in a folder that nobody watches.
#[cfg(unix)]
fn has_other_names(meta: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(meta) > 1
}

#[cfg(not(unix))]
fn has_other_names(_meta: &Metadata) -> bool {
    false
}

/// A name in which no two files are the same, whatever their bytes.
fn escaped(root: &FsPath, path: &FsPath) -> String {
    let mut text = String::new();
    for part in path.strip_prefix(root).unwrap_or(path) {
        if !text.is_empty() {
            text.push('/');
        }
        for chunk in part.as_encoded_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
    }
    text
}

fn reason(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "no permission to read it",
        _ => otherwise,
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn names(listing: &Listing) -> (Vec<String>, Vec<(String, &'static str)>) {
        let mut files: Vec<String> = listing.files.iter().map(|file| file.meta.location.to_string()).collect();
        let mut unreadable: Vec<_> = listing.unreadable.iter().map(|found| (found.name.clone(), found.reason)).collect();
        files.sort();
        unreadable.sort();
        (files, unreadable)
    }

    #[test]
    fn links_that_lead_nowhere_or_back_hide_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join(".hidden")).unwrap();
        for file in ["MS39^A^B.csv", "a/b/x é.csv", "a/100 %.txt", ".hidden/y.csv", "a/.z"] {
            fs::write(root.join(file), "x").unwrap();
        }
        symlink(root.join("a"), root.join("a/b/back")).unwrap();
        symlink(root, root.join("a/root")).unwrap();
        symlink("itself", root.join("itself")).unwrap();
        symlink("absent", root.join("gone")).unwrap();
        symlink(root.join("a/b"), root.join("again")).unwrap();
        let (files, unreadable) = names(&list(root).unwrap());
        assert_eq!(files, ["MS39^A^B.csv", "a/100 %.txt", "a/b/x é.csv", "again/back/100 %.txt", "again/x é.csv"]);
        let back = "a link to a folder that holds it";
        assert_eq!(
            unreadable,
            [
                ("a/b/back", back),
                ("a/root", back),
                ("again/back/b", back),
                ("again/back/root", back),
                ("gone", "a link to nothing"),
                ("itself", "a file or link that can't be followed"),
            ]
            .map(|(name, reason)| (name.to_owned(), reason))
        );
    }

    #[test]
    fn a_name_that_is_no_text_is_listed_and_told_from_its_like() {
        let folder = tempfile::tempdir().unwrap();
        for name in [b"caf\xe9.csv".as_slice(), b"caf\xe8.csv", b"good.csv"] {
            fs::write(folder.path().join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let (files, unreadable) = names(&list(folder.path()).unwrap());
        assert_eq!(files, ["good.csv"]);
        let reason = "a name with characters that can't be read; rename it";
        assert_eq!(unreadable, [("caf\\xe8.csv".to_owned(), reason), ("caf\\xe9.csv".to_owned(), reason)]);
    }

    #[test]
    fn a_closed_folder_hides_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["closed", "open"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("x.csv"), "x").unwrap();
        }
        let closed = folder.path().join("closed");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&closed).is_ok() {
            eprintln!("skipped: permissions do not bind this user");
            return;
        }
        let found = names(&list(folder.path()).unwrap());
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(found.0, ["open/x.csv"]);
        assert_eq!(found.1, [("closed".to_owned(), "no permission to read it")]);
    }

    /// Whatever happens to a folder, following it gives what a new listing gives, or says that only that does.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_kept_listing_is_what_a_new_one_gives() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        for file in ["x.csv", "a/y.csv", "a/b/z.csv"] {
            fs::write(root.join(file), "x").unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir_all(elsewhere.path().join("moved/in")).unwrap();
        fs::write(elsewhere.path().join("moved/in/m.csv"), "x").unwrap();
        let mut first = list(root).unwrap();
        let Some(mut kept) = Kept::new(root, &mut first) else {
            eprintln!("skipped: this system notes no changes of folders");
            return;
        };
        let steps: [(&str, &dyn Fn(), bool); 11] = [
            ("nothing", &|| {}, true),
            (
                "new, changed and gone",
                &|| {
                    fs::write(root.join("new.csv"), "x").unwrap();
                    fs::write(root.join("a/y.csv"), "longer").unwrap();
                    fs::remove_file(root.join("x.csv")).unwrap();
                },
                true,
            ),
            (
                "come and gone",
                &|| {
                    fs::write(root.join("short.csv"), "x").unwrap();
                    fs::remove_file(root.join("short.csv")).unwrap();
                },
                true,
            ),
            (
                "a folder with a folder",
                &|| {
                    fs::create_dir_all(root.join("new/deep")).unwrap();
                    fs::write(root.join("new/deep/n.csv"), "x").unwrap();
                    fs::write(root.join("new/deep/.part"), "x").unwrap();
                },
                true,
            ),
            ("a file in the new folder", &|| fs::write(root.join("new/deep/o.csv"), "x").unwrap(), true),
            ("a folder moved in", &|| fs::rename(elsewhere.path().join("moved"), root.join("moved")).unwrap(), true),
            ("a file in it", &|| fs::write(root.join("moved/in/p.csv"), "x").unwrap(), true),
            ("a name that is no text", &|| fs::write(root.join(OsStr::from_bytes(b"caf\xe9.csv")), "x").unwrap(), true),
            ("and gone", &|| fs::remove_file(root.join(OsStr::from_bytes(b"caf\xe9.csv"))).unwrap(), true),
            ("a folder renamed", &|| fs::rename(root.join("moved"), root.join("named")).unwrap(), false),
            ("a link", &|| symlink(elsewhere.path(), root.join("link")).unwrap(), false),
        ];
        for (what, step, followed) in steps {
            step();
            let next = match kept.changes() {
                Changes::Of(paths) => kept.follow(&paths),
                Changes::Any => None,
            };
            assert_eq!(next.is_some(), followed, "{what}");
            let mut new = list(root).unwrap();
            if let Some(next) = &next {
                assert_eq!(names(&next.listing()), names(&new), "{what}");
                let mut metas = [next.listing().files, new.files.clone()];
                metas.iter_mut().for_each(|files| files.sort_by(|a, b| a.meta.location.cmp(&b.meta.location)));
                let [own, other] = metas.map(|files| files.into_iter().map(|file| file.meta).collect::<Vec<_>>());
                assert_eq!(own, other, "{what}");
            }
            match next.or_else(|| Kept::new(root, &mut new)) {
                Some(next) => kept = next,
                None => return assert_eq!(what, "a link"),
            }
        }
    }

    #[test]
    fn an_absent_root_is_an_error() {
        assert!(list(FsPath::new("/nowhere/at/all")).is_err());
    }
}
