//! Archives written by hand, byte by byte, most of them to harm.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::super::hostile::{Entry, Zip, crc, deflated, keeps_its_promises, scripted};
use super::super::{Fault, MAX_MEMBERS};
use super::{text, unpacked};

/// The one member of an archive whose entry says something that is not so.
async fn lie(bytes: &[u8], deflate: bool, lie: impl FnOnce(&mut Entry<'_>)) -> Result<Vec<u8>, Fault> {
    let archive = Zip::default().with(b"a.csv", bytes, deflate, lie).end();
    unpacked(&archive).await.unwrap().remove(0).1
}

#[tokio::test]
async fn what_an_entry_says_is_tested() {
    let bytes = text(100_000);
    assert_eq!(lie(&bytes, true, |_| {}).await, Ok(bytes.clone()));
    assert_eq!(lie(&bytes, true, |entry| entry.size -= 1).await, Err(Fault::WrongSize));
    assert_eq!(lie(&bytes, true, |entry| entry.size += 1).await, Err(Fault::WrongSize));
    assert_eq!(lie(&bytes, true, |entry| entry.size = 0).await, Err(Fault::WrongSize));
    assert_eq!(lie(&bytes, false, |entry| entry.size -= 1).await, Err(Fault::WrongSize));
    assert_eq!(lie(&bytes, true, |entry| entry.crc ^= 1).await, Err(Fault::WrongChecksum));
    assert_eq!(lie(&bytes, false, |entry| entry.crc ^= 1).await, Err(Fault::WrongChecksum));
    assert_eq!(lie(&bytes, true, |entry| entry.packed -= 9).await, Err(Fault::WrongSize));
    assert_eq!(lie(&bytes, true, |entry| entry.data = &[0xff; 50_000]).await.map(drop), Err(Fault::BadData));
    assert_eq!(lie(&bytes, true, |entry| entry.size = 300 << 20).await, Err(Fault::TooLarge));
    assert_eq!(lie(&bytes, true, |entry| entry.size = 200 << 20).await, Err(Fault::Ratio));
    assert_eq!(lie(&bytes, true, |entry| entry.flags |= 1).await, Err(Fault::Encrypted));
    assert_eq!(lie(&bytes, true, |entry| entry.method = 99).await, Err(Fault::Encrypted));
    assert_eq!(lie(&bytes, true, |entry| entry.method = 14).await, Err(Fault::Method(14)));
    assert_eq!(lie(&bytes, true, |entry| entry.attributes = 0o120_777 << 16).await, Err(Fault::Link));
}

/// A member that unpacks to more than is declared is left at the declared size, not after: 256 MiB of zeros behind a
/// declared kilobyte take no memory.
#[tokio::test]
async fn a_bomb_is_stopped_where_it_said_it_would_end() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..256 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let packed = encoder.finish().unwrap();
    let mut zip = Zip::default();
    let mut entry = Entry {
        name: b"bomb.csv",
        data: &packed,
        method: 8,
        flags: 0,
        host: 3,
        size: 1024,
        packed: packed.len() as u32,
        crc: 0,
        offset: 0,
        attributes: 0,
    };
    zip.local(&entry);
    zip.entry(&entry);
    let archive = zip.end();
    assert_eq!(unpacked(&archive).await, Ok(vec![("bomb.csv".to_owned(), Err(Fault::WrongSize))]));
    // What it really holds, declared: its growth gives it away without a byte being unpacked.
    let mut zip = Zip::default();
    entry.size = 200 << 20;
    zip.local(&entry);
    zip.entry(&entry);
    let archive = zip.end();
    assert!(matches!(unpacked(&archive).await.unwrap()[0].1, Err(Fault::WrongSize | Fault::Ratio)));
}

/// Fifield's construction: the local headers of all members lie inside the first member's bytes, so that each member is almost
/// the whole archive.
#[tokio::test]
async fn members_that_share_their_bytes_are_a_bomb() {
    let kernel = deflated(&[0; 1 << 20]);
    let mut zip = Zip::default();
    let mut offsets = Vec::new();
    let count = 200_u32;
    for at in 0..count {
        offsets.push(zip.bytes.len() as u32);
        // A stored deflate block quotes the header that follows.
        zip.bytes.extend(b"PK\x03\x04\x14\0\0\0\x08\0\0\0\x21\0");
        zip.bytes.extend([0; 12]);
        zip.bytes.extend([4, 0, 0, 0]);
        zip.bytes.extend(format!("{at:04}").bytes());
        if at + 1 < count {
            zip.bytes.extend([0, 34, 0, !34, 0xff]);
        }
    }
    zip.bytes.extend(&kernel);
    let end = zip.bytes.len() as u32;
    for (at, offset) in offsets.iter().enumerate() {
        let name = format!("{at:04}");
        let packed = end - offset - 34;
        let entry = Entry {
            name: name.as_bytes(),
            data: b"",
            method: 8,
            flags: 0,
            host: 3,
            size: (1 << 20) + (count - 1 - at as u32) * 34,
            packed,
            crc: 0,
            offset: *offset,
            attributes: 0,
        };
        zip.entry(&entry);
    }
    assert_eq!(unpacked(&zip.end()).await, Err(Fault::Overlap));
    // The same bytes twice under two names.
    let mut zip = Zip::default().file("a", &[7; 1000], false);
    let again = Entry {
        name: b"b",
        data: b"",
        method: 0,
        flags: 0,
        host: 3,
        size: 1000,
        packed: 1000,
        crc: crc(&[7; 1000]),
        offset: 0,
        attributes: 0,
    };
    zip.entry(&again);
    assert_eq!(unpacked(&zip.end()).await, Err(Fault::Overlap));
}

#[tokio::test]
async fn names_that_are_tricks_are_refused_alone() {
    let names: [&[u8]; 11] = [
        b"../../up.csv",
        b"/abs.csv",
        b"C:\\drive.csv",
        b"nul\0.csv",
        b"good.csv",
        b"twice.csv",
        b"twice.csv",
        b".hidden",
        b"dir/",
        b"__MACOSX/good.csv",
        b"win\\dows.csv",
    ];
    let mut zip = Zip::default();
    for name in names {
        zip = zip.with(name, b"x", false, |entry| entry.flags = 0);
    }
    let told = unpacked(&zip.end()).await.unwrap();
    let good = || Ok(b"x".to_vec());
    let expected = [
        ("%2E%2E/%2E%2E/up.csv", Err(Fault::NameParent)),
        ("%2Fabs.csv", Err(Fault::NameAbsolute)),
        ("C:/drive.csv", Err(Fault::NameAbsolute)),
        ("good.csv", good()),
        ("nul%00.csv", Err(Fault::NameControl)),
        ("twice.csv", Err(Fault::NameRepeated)),
        ("win/dows.csv", good()),
    ];
    assert_eq!(told, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
}

#[tokio::test]
async fn damaged_archives_say_what_is_wrong() {
    let good = Zip::default().file("a.csv", &text(5000), true).file("b.csv", b"second", false).end();
    assert_eq!(unpacked(&good[..good.len() - 1]).await, Err(Fault::NoDirectory));
    assert_eq!(unpacked(&good[..good.len() / 2]).await, Err(Fault::NoDirectory));
    assert_eq!(unpacked(b"PK\x03\x04").await, Err(Fault::NoDirectory));
    // Sector by sector a copy may end in zeros.
    let mut padded = good.clone();
    padded.extend([0; 4096]);
    assert_eq!(unpacked(&padded).await, Err(Fault::NoDirectory));
    // The comment is the archive's to choose, even if it looks like an end.
    let zip = Zip::default().file("a.csv", b"a", false);
    let commented = zip.end_with(1, b"PK\x05\x06 is no end, nor is PK\x06\x07");
    assert_eq!(unpacked(&commented).await, Ok(vec![("a.csv".to_owned(), Ok(b"a".to_vec()))]));
    let few = Zip::default().file("a.csv", b"a", false).end_with(2, b"");
    assert!(matches!(unpacked(&few).await, Err(Fault::BadDirectory(_))));
    // Something before the archive moves all its places.
    let mut moved = b"MZ something".to_vec();
    moved.extend(&good);
    assert!(matches!(unpacked(&moved).await, Err(Fault::BadDirectory(_))));
    assert_eq!(lie(b"abc", false, |entry| entry.offset = 1).await, Err(Fault::Misplaced));
    let behind = Zip::default().with(b"a.csv", b"abc", false, |entry| entry.offset = 10).end();
    assert!(matches!(unpacked(&behind).await, Err(Fault::BadDirectory(_))));
    assert_eq!(unpacked(&Zip::default().end()).await, Ok(Vec::new()));
    let mut parts = Zip::default().file("a.csv", b"a", false).end();
    let end = parts.len() - 22;
    parts[end + 4] = 1;
    assert_eq!(unpacked(&parts).await, Err(Fault::Split));
}

#[tokio::test]
async fn too_many_members_are_refused_before_they_are_read() {
    let mut archive = Zip::default().file("a.csv", b"a", false).end();
    let end = archive.split_off(archive.len() - 22);
    let at = archive.len() as u64;
    let (size, start) = (51_u64, at - 51);
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44_u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [MAX_MEMBERS + 1, MAX_MEMBERS + 1, size, start] {
        record.extend(value.to_le_bytes());
    }
    record.extend(b"PK\x06\x07\0\0\0\0");
    record.extend(at.to_le_bytes());
    record.extend([1, 0, 0, 0]);
    let wide = [archive.clone(), record.clone(), end.clone()].concat();
    assert_eq!(unpacked(&wide).await, Err(Fault::TooManyMembers));
    let mut right = record;
    right[24..32].copy_from_slice(&1_u64.to_le_bytes());
    right[32..40].copy_from_slice(&1_u64.to_le_bytes());
    let right = [archive, right, end].concat();
    assert_eq!(unpacked(&right).await, Ok(vec![("a.csv".to_owned(), Ok(b"a".to_vec()))]));
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the bytes are, they are read or refused: the helper panics at any other error.
    #[test]
    fn random_bytes_behind_the_magic(bytes in prop::collection::vec(any::<u8>(), 0..600), end in any::<[u8; 18]>()) {
        let mut archive = b"PK\x03\x04".to_vec();
        archive.extend(bytes);
        archive.extend(b"PK\x05\x06");
        archive.extend(&end[..16]);
        archive.extend([0, 0]);
        let _ = block(unpacked(&archive));
        keeps_its_promises(&archive);
    }

    /// Archives whose entries lie, then damaged.
    #[test]
    fn scripted_archives_keep_the_promises(script in prop::collection::vec(any::<u8>(), 0..400)) {
        keeps_its_promises(&scripted(&script));
    }

    /// What comes out of a changed archive is what was in it, or a fault: a checksum stands before everything that is served.
    #[test]
    fn changed_archives(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let first = text(3000);
        let mut archive = Zip::default().file("a.csv", &first, true).file("dir/b.csv", b"second", false).file("c.csv", &text(40), true).end();
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if cut.index(4) == 0 {
            archive.truncate(cut.index(archive.len()));
        }
        if let Ok(members) = block(unpacked(&archive)) {
            let whole = [first, b"second".to_vec(), text(40), Vec::new()];
            for (name, bytes) in members {
                if let Ok(bytes) = bytes {
                    prop_assert!(whole.contains(&bytes), "{name}");
                }
            }
        }
    }
}
