//! Files too large for the memory: read from their first byte to the last, piece by piece, as often as their device needs it.

use std::sync::Arc;

use object_store::{ObjectMeta, ObjectStore};
use sha2::{Digest as _, Sha256};

use super::LakeFile;
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
        file: &LakeFile,
        device: &'static dyn Device,
        said: Option<&Said>,
        request: &Request<'_>,
        rows: usize,
    ) -> Result<Option<Self>, Failure> {
        if !is_large(&file.meta) {
            return Ok(None);
        }
        let head = fetch(store.as_ref(), &file.meta, Some(0..Sample::LEN)).await?;
        let sample = Sample { head: &head, size: file.meta.size };
        let reader = match device.together().zip(said) {
            Some((together, said)) => together.pieces(&sample, request, rows, said),
            None => device.pieces(&sample, request, rows),
        };
        let walk = |reader| Self { store: Arc::clone(store), meta: file.meta.clone(), reader, at: 0, failed: false };
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
