//! Why an archive or a member of one is not read, in words that name neither.

use super::{MAX_DIRECTORY_BYTES, MAX_FILE_BYTES, MAX_MEMBERS, MAX_NAME_BYTES, MAX_RATIO, MAX_UNPACKED_BYTES};

const MIB: u64 = 1024 * 1024;

const MISPLACED: &str = "damaged: its place in the archive does not hold it";
const BAD_DATA: &str = "damaged: what it holds can't be unpacked";
const WRONG_SIZE: &str = "damaged: it holds another number of bytes than the archive says";
const WRONG_CHECKSUM: &str = "damaged: its checksum is not the one in the archive";

/// What is wrong with an archive or a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    // Of archives.
    #[error("a zip archive without a directory at its end: it was cut off, or something was appended")]
    NoDirectory,
    #[error("a zip archive whose directory is damaged: {0}")]
    BadDirectory(&'static str),
    #[error("one part of a zip archive in several parts; join them")]
    Split,
    #[error("a zip archive of more than {} members; unpack it", MAX_MEMBERS)]
    TooManyMembers,
    #[error("a zip archive whose directory is larger than {} MiB; unpack it", MAX_DIRECTORY_BYTES / MIB)]
    DirectoryTooLarge,
    #[error("a zip archive of more than {} GiB when unpacked; split it", MAX_UNPACKED_BYTES / MIB / 1024)]
    TooLargeUnpacked,
    #[error("a zip archive whose members overlap, made to grow without end")]
    Overlap,
    #[error("a zip archive without a member")]
    NoMember,
    #[error("a zip archive that changed while it was read")]
    Changed,
    // Of members, told by the directory.
    #[error("encrypted; pack it without a password")]
    Encrypted,
    #[error("packed with {}, which is not read; pack it with deflate", method_name(*.0))]
    Method(u16),
    #[error("larger than {} MiB when unpacked, not read", MAX_FILE_BYTES / MIB)]
    TooLarge,
    #[error("grows more than {}-fold when unpacked, not read", MAX_RATIO)]
    Ratio,
    #[error("a link, not a file")]
    Link,
    #[error("its name is absolute")]
    NameAbsolute,
    #[error("its name leads out of the archive (..)")]
    NameParent,
    #[error("its name has characters that can't be read")]
    NameControl,
    #[error("its name mixes / and \\")]
    NameMixed,
    #[error("its name is longer than {} bytes", MAX_NAME_BYTES)]
    NameLong,
    #[error("its name is there more than once")]
    NameRepeated,
    #[error("an archive inside an archive; unpack it")]
    Nested,
    // Of members, found while they are unpacked.
    #[error("{}", MISPLACED)]
    Misplaced,
    #[error("{}", BAD_DATA)]
    BadData,
    #[error("{}", WRONG_SIZE)]
    WrongSize,
    #[error("{}", WRONG_CHECKSUM)]
    WrongChecksum,
}

impl From<Fault> for object_store::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            // As a store says that an object is not the one that was meant.
            Fault::Changed => Self::Precondition { path: String::new(), source: Box::new(fault) },
            _ => Self::Generic { store: "zip archive", source: Box::new(fault) },
        }
    }
}

impl Fault {
    /// The fault behind an error of the store, if there is one.
    pub(crate) fn of(error: &object_store::Error) -> Option<Self> {
        match error {
            object_store::Error::Generic { source, .. } | object_store::Error::Precondition { source, .. } => {
                source.downcast_ref().copied()
            }
            _ => None,
        }
    }

    /// The words for what is found while a member is unpacked.
    pub(crate) fn while_unpacking(self) -> Option<&'static str> {
        match self {
            Self::Misplaced => Some(MISPLACED),
            Self::BadData => Some(BAD_DATA),
            Self::WrongSize => Some(WRONG_SIZE),
            Self::WrongChecksum => Some(WRONG_CHECKSUM),
            _ => None,
        }
    }
}

/// The names of APPNOTE.TXT 4.4.5.
fn method_name(method: u16) -> String {
    let name = match method {
        1..=6 => "a method of the first years of zip",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        20 | 93 => "Zstandard",
        95 => "xz",
        98 => "PPMd",
        _ => return format!("method {method}"),
    };
    name.to_owned()
}
