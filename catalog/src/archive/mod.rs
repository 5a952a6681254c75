//! Zip archives of exports: each member is a file of its own, named `outer.zip!/inner.csv`.
//!
//! An archive is known by its first bytes, not by its name. Its central directory is read from the end ([`directory`]), the
//! names in it become paths ([`name`]), and [`store`] serves members as if they were objects beside the archive, each fetched by
//! its own range and inflated within limits ([`inflate`]). What an archive says about itself is a claim: every size, position,
//! name and checksum is tested, and what fails is named with a reason ([`fault`]).

mod directory;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod inflate;
mod name;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use fault::Fault;
pub(crate) use name::shown;
pub(crate) use store::{ArchiveStore, Contents, Found, around, is_archived};

use crate::lake::MAX_FILE_BYTES;

/// What stands between an archive and a member in a path.
pub(crate) const SEPARATOR: &str = "!/";

/// More members are not listed: a year of a large clinic's exports has a tenth of it.
const MAX_MEMBERS: u64 = 100_000;

/// A larger central directory is not read; with [`MAX_MEMBERS`] it leaves 160 bytes a member.
const MAX_DIRECTORY_BYTES: u64 = 16 * 1024 * 1024;

/// Central directories that are kept at the same time take no more than this.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// An archive that declares more than this is not opened.
const MAX_UNPACKED_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// A member of more than [`RATIO_FROM_BYTES`] that grows by more than this is not read. Exports shrink five- to twentyfold; a
/// file of one repeated byte a thousandfold.
const MAX_RATIO: u64 = 250;
const RATIO_FROM_BYTES: u64 = 16 * 1024 * 1024;

/// Longer names are not taken: no object store and no file system has them.
const MAX_NAME_BYTES: usize = 1024;

/// Whether a file that begins with `head` is a zip archive, or what is built like one.
pub(crate) fn is_zip(head: &[u8]) -> bool {
    // A member, the end of an archive without any, and the first of several parts.
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}
