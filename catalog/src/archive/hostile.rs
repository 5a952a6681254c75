//! Archives written by hand, byte by byte, every field of which can be a lie, and what is promised of any archive: checked by the
//! ordinary tests, and by the fuzzers of `catalog/fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{ArchiveStore, Contents, Fault, MAX_FILE_BYTES, MAX_NAME_BYTES, is_zip};
use crate::device::Sample;
use crate::devices::hostile::mutated;

/// Deflate makes no more of a byte (its longest match is 258 bytes for two bits), and each member has headers besides.
const MOST_GROWTH: u64 = 1032;

/// Names that have led programs astray.
const NAMES: [&[u8]; 20] = [
    b"a.csv",
    b"b/c.csv",
    b"../up.csv",
    b"a/../../up.csv",
    b"/abs.csv",
    b"C:\\drive.csv",
    b"\\\\server\\share",
    b"a\\b/c",
    b"nul\0.csv",
    b"",
    b"/",
    b"dir/",
    b".hidden",
    b"__MACOSX/a",
    b"x!/y.csv",
    b"!/",
    b"a//b",
    b"./a.csv",
    b"\xff\xfe.csv",
    b"inner.zip",
];

/// Writes an archive; every field can be a lie.
#[derive(Default)]
pub struct Zip {
    pub bytes: Vec<u8>,
    entries: Vec<u8>,
    count: usize,
}

/// One member with what is said about it.
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub data: &'a [u8],
    pub method: u16,
    pub flags: u16,
    pub host: u8,
    pub size: u32,
    pub packed: u32,
    pub crc: u32,
    pub offset: u32,
    pub attributes: u32,
}

pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

impl Zip {
    pub fn file(self, name: &str, bytes: &[u8], deflate: bool) -> Self {
        self.with(name.as_bytes(), bytes, deflate, |_| {})
    }

    pub fn with(mut self, name: &[u8], bytes: &[u8], deflate: bool, lie: impl FnOnce(&mut Entry<'_>)) -> Self {
        let data = if deflate { deflated(bytes) } else { bytes.to_vec() };
        let mut entry = Entry {
            name,
            data: &data,
            method: if deflate { 8 } else { 0 },
            flags: 0x800,
            host: 3,
            size: bytes.len() as u32,
            packed: data.len() as u32,
            crc: crc(bytes),
            offset: self.bytes.len() as u32,
            attributes: 0o100_644 << 16,
        };
        lie(&mut entry);
        self.local(&entry);
        self.entry(&entry);
        self
    }

    pub fn local(&mut self, entry: &Entry<'_>) {
        let mut header = b"PK\x03\x04\x14\x00".to_vec();
        for value in [entry.flags, entry.method, 0, 0x21] {
            header.extend(value.to_le_bytes());
        }
        for value in [entry.crc, entry.packed, entry.size] {
            header.extend(value.to_le_bytes());
        }
        header.extend((entry.name.len() as u16).to_le_bytes());
        header.extend([0, 0]);
        header.extend(entry.name);
        self.bytes.extend(header);
        self.bytes.extend(entry.data);
    }

    pub fn entry(&mut self, entry: &Entry<'_>) {
        let mut header = vec![b'P', b'K', 1, 2, 20, entry.host, 20, 0];
        for value in [entry.flags, entry.method, 0, 0x21] {
            header.extend(value.to_le_bytes());
        }
        for value in [entry.crc, entry.packed, entry.size] {
            header.extend(value.to_le_bytes());
        }
        header.extend((entry.name.len() as u16).to_le_bytes());
        header.extend([0; 8]);
        header.extend(entry.attributes.to_le_bytes());
        header.extend(entry.offset.to_le_bytes());
        header.extend(entry.name);
        self.entries.extend(header);
        self.count += 1;
    }

    pub fn end(self) -> Vec<u8> {
        let count = self.count as u16;
        self.end_with(count, b"")
    }

    pub fn end_with(mut self, count: u16, comment: &[u8]) -> Vec<u8> {
        let start = self.bytes.len() as u32;
        self.bytes.extend(&self.entries);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        self.bytes.extend((self.entries.len() as u32).to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend((comment.len() as u16).to_le_bytes());
        self.bytes.extend(comment);
        self.bytes
    }
}

/// An archive that `script` describes: members with lies about them, then damage to the whole.
pub fn scripted(script: &[u8]) -> Vec<u8> {
    let Some((&members, mut rest)) = script.split_first() else { return Zip::default().end() };
    let mut zip = Zip::default();
    let mut count = 0_u16;
    for _ in 0..members % 6 {
        let Some((&[name, bits, length, lie, a, b, c, byte], after)) = rest.split_first_chunk::<8>() else { break };
        rest = after;
        let name = NAMES[usize::from(name) % NAMES.len()];
        let value = u32::from_le_bytes([a, b, c, lie]);
        let content = match bits >> 5 {
            0 => Zip::default().file("inside.csv", &[byte; 64], true).end(),
            1 => vec![byte; usize::from(length) << 12],
            _ => (0..usize::from(length) * 16).map(|at| byte.wrapping_add((at * at % 251) as u8)).collect(),
        };
        let start = zip.bytes.len() as u32;
        zip = zip.with(name, &content, bits & 1 == 1, |entry| match lie % 12 {
            0 => entry.size = entry.size.wrapping_add(value >> 8),
            1 => entry.packed = entry.packed.wrapping_sub(u32::from(a)),
            2 => entry.crc ^= value,
            3 => entry.method = u16::from(a),
            4 => entry.flags = u16::from_le_bytes([a, b]),
            5 => entry.host = a,
            6 => entry.attributes = value << 8,
            7 => entry.offset = start.wrapping_sub(u32::from(a)),
            8 => entry.offset = value,
            _ => {}
        });
        count += 1;
    }
    let comment: &[u8] = if members & 0x40 == 0 { b"" } else { b"PK\x05\x06 in a comment" };
    let told = if members & 0x80 == 0 { count } else { count.wrapping_add(1) };
    mutated(&zip.end_with(told, comment), rest)
}

/// Opens `archive` as the lake does and reads all its members. Panics where a promise is broken: what can't be read has a fault as its
/// reason, each member has a path of its own inside the archive, its bytes are as many as were listed, a range of them is what stands
/// there in the whole, and all members together are no more than so many packed bytes can hold.
pub fn keeps_its_promises(archive: &[u8]) {
    futures::executor::block_on(async {
        let inner = Arc::new(InMemory::new());
        let path = Path::from("x.zip");
        inner.put(&path, archive.to_vec().into()).await.unwrap();
        let meta = inner.head(&path).await.unwrap();
        let store = Arc::new(ArchiveStore::new(inner));
        let found = match store.members(&meta).await {
            Ok(Contents::Members(found)) => found,
            Ok(Contents::Document(())) => return,
            Err(error) => return assert!(Fault::of(&error).is_some(), "{error}"),
        };
        let mut seen = HashSet::new();
        let mut unpacked = 0;
        for member in found {
            let path = &member.meta.location;
            let name = path.as_ref().strip_prefix("x.zip!/").unwrap();
            assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name:?}");
            assert!(!name.chars().any(char::is_control) && name.len() <= 3 * MAX_NAME_BYTES, "{name:?}");
            assert!(seen.insert(name.to_owned()), "{name:?} is there twice");
            let whole = match read(&store, path, 0..u64::MAX).await {
                Ok(whole) => whole,
                Err(fault) => {
                    assert!(member.refused.is_none_or(|refused| refused == fault), "{name:?}: {fault}");
                    continue;
                }
            };
            assert!(member.refused.is_none(), "{name:?} was refused and is read");
            assert_eq!(whole.len() as u64, member.meta.size, "{name:?}");
            assert!(member.meta.size <= MAX_FILE_BYTES, "{name:?}");
            unpacked += member.meta.size;
            let size = member.meta.size;
            for range in [0..size.min(Sample::LEN), size / 3..size / 2, size.saturating_sub(5)..size, size / 2..size / 2 + 1] {
                let Some(expected) = whole.get(range.start as usize..(range.end as usize).min(whole.len())) else { continue };
                if !expected.is_empty() {
                    assert_eq!(read(&store, path, range.clone()).await.unwrap(), expected, "{name:?} {range:?}");
                }
            }
            if is_zip(&whole) {
                let inside = ArchiveStore::new(Arc::clone(&store) as Arc<dyn ObjectStore>).members(&member.meta).await;
                assert!(inside.as_ref().err().is_none_or(|error| Fault::of(error).is_some()), "{inside:?}");
            }
        }
        assert!(unpacked <= MOST_GROWTH * archive.len() as u64, "{unpacked} bytes from {}", archive.len());
    });
}

/// A range of a member, or the fault for which there is none.
async fn read(store: &ArchiveStore, path: &Path, range: std::ops::Range<u64>) -> Result<Vec<u8>, Fault> {
    let found = match range.end {
        u64::MAX => match store.get(path).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        },
        _ => store.get_range(path, range).await,
    };
    found.map(|bytes| bytes.to_vec()).map_err(|error| Fault::of(&error).unwrap_or_else(|| panic!("{error}")))
}
