//! Files too large for the memory: read from their first byte to the last, piece by piece, as often as their device needs it.

use std::sync::Arc;

use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest as _, Sha256};

use super::fetch::{Failure, fetch};
use crate::archive::is_archived;
use crate::device::{Device, Pieces, Reading, Request, Said, Sample, Step};

/// Larger files are read piece by piece, where their device can do so. Members of archives are not: to come to a piece, all before it
/// is unpacked.
pub(crate) const LARGE: u64 = 32 * 1024 * 1024;
/// Bytes of a piece.
const PIECE: u64 = 4 * 1024 * 1024;

/// Whether a file may be read piece by piece.
pub(crate) fn is_large(meta: &ObjectMeta) -> bool {
    meta.size > LARGE && !is_archived(&meta.location)
}

/// A file that is read piece by piece.
pub(crate) struct Walk {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    reader: Box<dyn Pieces>,
    at: u64,
    failed: bool,
}

impl Walk {
    /// Begins with a large file; none where all its bytes are needed together.
    pub(crate) async fn begin(
        store: &Arc<dyn ObjectStore>,
        meta: &ObjectMeta,
        device: &'static dyn Device,
        said: Option<&Said>,
        request: &Request<'_>,
        rows: usize,
    ) -> Result<Option<Self>, Failure> {
        if !is_large(meta) {
            return Ok(None);
        }
        let head = fetch(store.as_ref(), meta, Some(0..Sample::LEN)).await?;
        let sample = Sample { head: &head, size: meta.size };
        let reader = match device.together().zip(said) {
            Some((together, said)) => together.pieces(&sample, request, rows, said),
            None => device.pieces(&sample, request, rows),
        };
        let walk = |reader| Self { store: Arc::clone(store), meta: meta.clone(), reader, at: 0, failed: false };
        Ok(reader.map(walk))
    }

    /// The next rows. After a failure there are none.
    pub(crate) async fn next(&mut self) -> Option<Result<Reading, Failure>> {
        while !self.failed {
            match self.reader.next() {
                Step::Part(reading) => return Some(Ok(reading)),
                Step::End => return None,
                Step::Again => self.at = 0,
                // A reader that wants more than there is has had it all.
                Step::More if self.at >= self.meta.size => return None,
                Step::More => {
                    let end = (self.at + PIECE).min(self.meta.size);
                    match fetch(self.store.as_ref(), &self.meta, Some(self.at..end)).await {
                        Ok(bytes) => self.reader.take(&bytes, end == self.meta.size),
                        Err(failure) => {
                            self.failed = true;
                            return Some(Err(failure));
                        }
                    }
                    self.at = end;
                }
            }
        }
        None
    }
}

/// The digest of a large file.
pub(crate) async fn digest(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<String, Failure> {
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < meta.size {
        let end = (at + PIECE).min(meta.size);
        digest.update(fetch(store, meta, Some(at..end)).await?);
        at = end;
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use futures::TryStreamExt as _;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;
    use crate::devices::clinic::CLINIC;

    /// Rows of a kilobyte, more than fit.
    fn sheet(rows: usize) -> String {
        let row = format!("P1;OD;1/10;{:1000}\n", "RAS");
        format!("IPP;Oeil;AVAC;Remarques\n{}", row.repeat(rows))
    }

    async fn stored(text: String) -> (Arc<dyn ObjectStore>, ObjectMeta) {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        store.put(&Path::from("a.csv"), text.into()).await.unwrap();
        let meta = store.list(None).try_next().await.unwrap().unwrap();
        (store, meta)
    }

    async fn begin(store: &Arc<dyn ObjectStore>, meta: &ObjectMeta) -> Option<Walk> {
        let request = Request { table: "clinic_visit", columns: &[0], check: true };
        Walk::begin(store, meta, &CLINIC, None, &request, 1000).await.unwrap()
    }

    #[tokio::test]
    async fn a_large_file_is_read_in_parts_and_a_small_one_is_not() {
        let text = sheet(40_000);
        let sha256 = hex::encode(Sha256::digest(&text));
        let (store, meta) = stored(text).await;
        let mut walk = begin(&store, &meta).await.unwrap();
        let mut parts = Vec::new();
        while let Some(part) = walk.next().await {
            parts.push(part.unwrap().rows);
        }
        assert_eq!(parts, vec![1000; 40]);
        assert_eq!(digest(store.as_ref(), &meta).await.unwrap(), sha256);
        let archived = ObjectMeta { location: Path::from("a.zip!/a.csv"), ..meta };
        assert!(begin(&store, &archived).await.is_none());
        let (store, meta) = stored(sheet(10)).await;
        assert!(begin(&store, &meta).await.is_none());
    }

    #[tokio::test]
    async fn a_file_that_changes_on_the_way_gives_no_row_of_another() {
        let (store, meta) = stored(sheet(40_000)).await;
        let mut walk = begin(&store, &meta).await.unwrap();
        assert_eq!(walk.next().await.unwrap().unwrap().rows, 1000);
        store.put(&meta.location, sheet(40_000).replace(";OD;", ";OG;").into()).await.unwrap();
        let mut rows = 1000;
        let failure = loop {
            match walk.next().await.unwrap() {
                Ok(part) => rows += part.rows,
                Err(failure) => break failure,
            }
        };
        assert!(failure.under_pin().is_some() && rows < 40_000, "{rows}");
        assert!(walk.next().await.is_none());
    }
}
