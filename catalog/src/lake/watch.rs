//! Whether a local folder has changed since it was listed, without listing it again.
//!
//! The kernel notes changes of folders that are watched; asking it costs one system call, however many files there are. It tells
//! nothing of what other machines do on a shared drive: such folders are not watched, and are listed each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// More changes than these are not told one by one: to list all is as fast.
const MAX_TOLD: usize = 10_000;

/// What has changed since it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changes {
    /// These files and new folders, and nothing else.
    Of(BTreeSet<PathBuf>),
    /// More than can be told: folders that are gone or renamed, or more changes than the kernel keeps.
    Any,
}

impl Default for Changes {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

impl Changes {
    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Of(paths) if paths.is_empty())
    }

    /// Adds those that came later.
    pub(crate) fn extend(&mut self, later: Self) {
        match (&mut *self, later) {
            (Self::Of(paths), Self::Of(more)) if paths.len() + more.len() <= MAX_TOLD => paths.extend(more),
            _ => *self = Self::Any,
        }
    }
}

/// Folders that are watched.
#[derive(Debug)]
pub(crate) struct Watch {
    #[cfg(target_os = "linux")]
    notes: rustix::fd::OwnedFd,
    /// By the numbers that the kernel gives them.
    #[cfg(target_os = "linux")]
    folders: std::collections::HashMap<i32, PathBuf>,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// A watch over no folder yet; nothing where the system has none to give.
    pub(crate) fn new() -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, init};
        let notes = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        Some(Self { notes, folders: std::collections::HashMap::new() })
    }

    /// Watches `folder`, to be called before it is read, so that no change falls between. Whether all changes will be noted.
    pub(crate) fn add(&mut self, folder: &Path) -> bool {
        use rustix::fs::inotify::{WatchFlags, add_watch};
        use rustix::io::Errno;
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match add_watch(&self.notes, folder, flags) {
            Ok(number) => {
                self.folders.insert(number, folder.to_owned());
                true
            }
            // A folder that is gone or closed: the one above it notes when that changes.
            Err(Errno::NOENT | Errno::ACCESS) => true,
            Err(_) => false,
        }
    }

    /// What has changed since the last call. Hidden files do not count: they are no part of the lake.
    pub(crate) fn changes(&self) -> Changes {
        use rustix::fs::inotify::{ReadFlags, Reader};
        use rustix::io::Errno;
        use std::os::unix::ffi::OsStrExt as _;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.notes, &mut buffer);
        let mut changes = Changes::default();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return changes,
                Err(Errno::INTR) => continue,
                // What can't be read may have held anything.
                Err(_) => return Changes::Any,
            };
            let name = event.file_name().map(std::ffi::CStr::to_bytes);
            if name.is_some_and(|name| name.starts_with(b".")) {
                continue;
            }
            let folder = self.folders.get(&event.wd());
            let of_folder = event.events().contains(ReadFlags::ISDIR);
            let is_new = event.events().intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            changes.extend(match (folder, name) {
                (Some(folder), Some(name)) if !of_folder || is_new => {
                    Changes::Of(BTreeSet::from([folder.join(std::ffi::OsStr::from_bytes(name))]))
                }
                _ => Changes::Any,
            });
        }
    }
}

/// Whether the folder's file system is on this machine, so that inode numbers last and all changes pass through its kernel.
#[cfg(target_os = "linux")]
pub(crate) fn is_local(folder: &Path) -> bool {
    /// ext, XFS, Btrfs, tmpfs, overlay, F2FS, ZFS, bcachefs, FAT, exFAT, NTFS, as in linux/magic.h.
    const LOCAL: [u64; 11] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x794c_7630,
        0xf2f5_2010,
        0x2fc1_2fc1,
        0xca45_1a4e,
        0x4d44,
        0x2011_bab0,
        0x7366_746e,
    ];
    rustix::fs::statfs(folder).is_ok_and(|found| LOCAL.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
impl Watch {
    /// There is none: the folder is listed each time.
    pub(crate) fn new() -> Option<Self> {
        None
    }

    /// Never called: there is no watch.
    pub(crate) fn add(&mut self, _folder: &Path) -> bool {
        false
    }

    /// Never called: there is no watch.
    pub(crate) fn changes(&self) -> Changes {
        Changes::Any
    }
}

/// Not known: taken for a shared drive.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_local(_folder: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn every_kind_of_change_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("old"), "x").unwrap();
        let mut watch = Watch::new().unwrap();
        assert!(watch.add(root));
        assert!(watch.changes().is_none());
        let of = |names: &[&str]| Changes::Of(names.iter().map(|name| root.join(name)).collect());
        let steps: [(&str, &dyn Fn(), Changes); 8] = [
            ("created", &|| fs::write(root.join("new"), "x").unwrap(), of(&["new"])),
            ("written", &|| fs::write(root.join("old"), "y").unwrap(), of(&["old"])),
            ("renamed", &|| fs::rename(root.join("new"), root.join("other")).unwrap(), of(&["new", "other"])),
            ("replaced", &|| fs::rename(root.join("other"), root.join("old")).unwrap(), of(&["other", "old"])),
            ("deleted", &|| fs::remove_file(root.join("old")).unwrap(), of(&["old"])),
            ("a folder", &|| fs::create_dir(root.join("folder")).unwrap(), of(&["folder"])),
            ("a folder renamed", &|| fs::rename(root.join("folder"), root.join("named")).unwrap(), Changes::Any),
            ("a folder gone", &|| fs::remove_dir(root.join("named")).unwrap(), Changes::Any),
        ];
        for (what, step, expected) in steps {
            step();
            assert_eq!(watch.changes(), expected, "{what}");
            assert!(watch.changes().is_none(), "{what}");
        }
        fs::write(root.join(".part"), "x").unwrap();
        assert!(watch.changes().is_none(), "hidden files do not count");
        assert!(watch.add(&root.join("absent")));
    }

    #[test]
    fn more_changes_than_the_kernel_keeps_are_any() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new().unwrap();
        assert!(watch.add(folder.path()));
        for number in 0..20_000 {
            fs::write(folder.path().join(format!("{}", number % 7)), "").unwrap();
        }
        assert_eq!(watch.changes(), Changes::Any);
        assert!(watch.changes().is_none());
    }
}
