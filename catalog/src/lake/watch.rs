//! Whether a local folder has changed since it was listed, without listing it again.
//!
//! The kernel notes changes of folders that are watched; asking it costs one system call, however many files there are. It tells
//! nothing of what other machines do on a shared drive: such folders are not watched, and are listed each time.

use std::path::Path;

/// Folders that are watched.
#[derive(Debug)]
pub(crate) struct Watch {
    #[cfg(target_os = "linux")]
    notes: rustix::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Watch {
    /// A watch over no folder yet; nothing where the system has none to give.
    pub(crate) fn new() -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, init};
        Some(Self { notes: init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()? })
    }

    /// Watches `folder`, to be called before it is read, so that no change falls between. Whether all changes will be noted.
    pub(crate) fn add(&self, folder: &Path) -> bool {
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
            Ok(_) => true,
            // A folder that is gone or closed: the one above it notes when that changes.
            Err(Errno::NOENT | Errno::ACCESS) => true,
            Err(_) => false,
        }
    }

    /// Whether something has changed since the last call. Hidden files do not count: they are no part of the lake.
    pub(crate) fn changed(&self) -> bool {
        use rustix::fs::inotify::Reader;
        use rustix::io::Errno;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.notes, &mut buffer);
        let mut changed = false;
        loop {
            match reader.next() {
                Ok(event) => changed |= event.file_name().is_none_or(|name| !name.to_bytes().starts_with(b".")),
                Err(Errno::AGAIN) => return changed,
                Err(Errno::INTR) => {}
                // What can't be read may have held anything.
                Err(_) => return true,
            }
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
    pub(crate) fn add(&self, _folder: &Path) -> bool {
        false
    }

    /// Never called: there is no watch.
    pub(crate) fn changed(&self) -> bool {
        true
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
        let watch = Watch::new().unwrap();
        assert!(watch.add(root));
        assert!(!watch.changed());
        let steps: [(&str, &dyn Fn()); 6] = [
            ("created", &|| fs::write(root.join("new"), "x").unwrap()),
            ("written", &|| fs::write(root.join("old"), "y").unwrap()),
            ("renamed", &|| fs::rename(root.join("new"), root.join("other")).unwrap()),
            ("replaced", &|| fs::rename(root.join("other"), root.join("old")).unwrap()),
            ("deleted", &|| fs::remove_file(root.join("old")).unwrap()),
            ("a folder", &|| fs::create_dir(root.join("folder")).unwrap()),
        ];
        for (what, step) in steps {
            step();
            assert!(watch.changed(), "{what}");
            assert!(!watch.changed(), "{what}");
        }
        fs::write(root.join(".part"), "x").unwrap();
        assert!(!watch.changed(), "hidden files do not count");
        assert!(watch.add(&root.join("absent")));
    }

    #[test]
    fn more_changes_than_the_kernel_keeps_are_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new().unwrap();
        assert!(watch.add(folder.path()));
        for number in 0..20_000 {
            fs::write(folder.path().join(format!("{}", number % 7)), "").unwrap();
        }
        assert!(watch.changed());
        assert!(!watch.changed());
    }
}
