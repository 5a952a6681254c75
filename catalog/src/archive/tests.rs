#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Archives as other programs write them, and archives made to harm.

mod hostile;
mod tools;

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::hostile::Zip;
use super::{ArchiveStore, Contents, Fault};

/// A store that holds `archive` as `x.zip`.
async fn store(archive: &[u8]) -> (ArchiveStore, ObjectMeta) {
    let inner = Arc::new(InMemory::new());
    let path = Path::from("x.zip");
    inner.put(&path, archive.to_vec().into()).await.unwrap();
    let meta = inner.head(&path).await.unwrap();
    (ArchiveStore::new(inner), meta)
}

/// Every member by its path behind `x.zip!/`, with its bytes or the reason why there are none.
async fn unpacked(archive: &[u8]) -> Result<Vec<(String, Result<Vec<u8>, Fault>)>, Fault> {
    let (store, meta) = store(archive).await;
    let found = match store.members(&meta).await {
        Ok(Contents::Members(found)) => found,
        Ok(Contents::Document(())) => panic!("a document"),
        Err(error) => return Err(Fault::of(&error).unwrap_or_else(|| panic!("{error}"))),
    };
    let mut members = Vec::new();
    for member in found {
        let name = member.meta.location.as_ref().strip_prefix("x.zip!/").unwrap().to_owned();
        let bytes = match store.get(&member.meta.location).await {
            Ok(found) => {
                assert_eq!(found.meta.size, member.meta.size);
                assert_eq!(found.meta.last_modified, meta.last_modified);
                Ok(found.bytes().await.unwrap().to_vec())
            }
            Err(error) => Err(Fault::of(&error).unwrap_or_else(|| panic!("{error}"))),
        };
        assert!(member.refused.is_none() || bytes == Err(member.refused.unwrap()), "{name}");
        members.push((name, bytes));
    }
    Ok(members)
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| b"0123456789;\n"[at * at % 12]).collect()
}

#[tokio::test]
async fn ranges_of_a_member_are_ranges_of_its_bytes() {
    let whole = text(300_000);
    for deflate in [false, true] {
        let archive = Zip::default().file("dir/a.csv", &whole, deflate).end();
        let (store, meta) = store(&archive).await;
        assert!(matches!(store.members(&meta).await, Ok(Contents::Members(found)) if found.len() == 1));
        let path = Path::parse("x.zip!/dir/a.csv").unwrap();
        for (start, end) in [(0, 16_384), (0, 1), (17, 18), (299_000, 300_000), (100_000, 250_000), (0, 300_000), (0, 400_000)] {
            let found = store.get_range(&path, start as u64..end as u64).await.unwrap();
            assert_eq!(found, whole[start..end.min(whole.len())], "{start}..{end}");
        }
        assert_eq!(store.get_ranges(&path, &[5..7, 70_000..70_001]).await.unwrap()[0], whole[5..7]);
        assert_eq!(store.head(&path).await.unwrap().size, 300_000);
        assert!(matches!(store.head(&Path::parse("x.zip!/dir/b.csv").unwrap()).await, Err(object_store::Error::NotFound { .. })));
    }
}

#[tokio::test]
async fn a_folder_may_be_named_like_an_archive() {
    let inner = Arc::new(InMemory::new());
    for name in ["a.zip!/x.csv", "b!/c.zip", "plain!/y.csv", "plain"] {
        let bytes = if name == "b!/c.zip" { Zip::default().file("z.csv", b"zipped", true).end() } else { name.into() };
        inner.put(&Path::parse(name).unwrap(), bytes.into()).await.unwrap();
    }
    let store = ArchiveStore::new(inner);
    for (name, bytes) in [("a.zip!/x.csv", "a.zip!/x.csv"), ("b!/c.zip!/z.csv", "zipped"), ("plain!/y.csv", "plain!/y.csv")] {
        let found = store.get(&Path::parse(name).unwrap()).await.unwrap().bytes().await.unwrap();
        assert_eq!(found, bytes.as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn a_replaced_archive_is_read_anew() {
    let inner = Arc::new(InMemory::new());
    let (path, member) = (Path::from("x.zip"), Path::parse("x.zip!/a.csv").unwrap());
    inner.put(&path, Zip::default().file("a.csv", b"first", true).end().into()).await.unwrap();
    let store = ArchiveStore::new(Arc::clone(&inner) as _);
    let read = async || store.get(&member).await.map(async |found| found.bytes().await.unwrap());
    assert_eq!(read().await.unwrap().await, "first".as_bytes());
    let other = Zip::default().file("0.csv", b"before", false).file("a.csv", b"second", false).end();
    inner.put(&path, other.into()).await.unwrap();
    assert_eq!(read().await.unwrap().await, "second".as_bytes());
    inner.put(&path, "no archive any more".into()).await.unwrap();
    assert!(matches!(read().await, Err(object_store::Error::NotFound { .. })));
    inner.delete(&path).await.unwrap();
    assert!(matches!(read().await, Err(object_store::Error::NotFound { .. })));
}

/// Many directories are not kept at once: what was least used makes room, and is read again when it is asked for.
#[tokio::test]
async fn what_is_kept_of_directories_is_bounded() {
    let inner = Arc::new(InMemory::new());
    let long = "n".repeat(900);
    let mut zip = Zip::default();
    for at in 0..8_000 {
        zip = zip.file(&format!("{long}{at}"), b"", false);
    }
    let archive = zip.end();
    let paths: Vec<Path> = (0..6).map(|at| Path::from(format!("{at}.zip"))).collect();
    for path in &paths {
        inner.put(path, archive.clone().into()).await.unwrap();
    }
    let store = ArchiveStore::new(Arc::clone(&inner) as _);
    for path in &paths {
        store.members(&inner.head(path).await.unwrap()).await.unwrap();
        let (_, bytes) = store.kept();
        assert!(bytes <= super::CACHE_BYTES && bytes > 7_000_000, "{bytes}");
    }
    assert!(store.kept().0 < paths.len());
    assert_eq!(store.head(&Path::parse(format!("0.zip!/{long}7")).unwrap()).await.unwrap().size, 0);
}
