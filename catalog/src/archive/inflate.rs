//! The bytes of a member, from those in the archive, within limits.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::Fault;

/// How the bytes of a member lie in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflate,
}

/// Takes the bytes of a member piece by piece and keeps a range of what they unpack to. It stops at the declared size, so that
/// memory is bounded by what was declared and tested before, whatever the pieces hold.
#[derive(Debug)]
pub(super) struct Unpacker {
    /// `None` where the bytes lie as they are.
    inflate: Option<Decompress>,
    size: u64,
    crc: u32,
    range: std::ops::Range<u64>,
    seen: Crc,
    /// Bytes unpacked up to now; the length of the member goes by it.
    unpacked: u64,
    ended: bool,
    kept: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new(method: Method, size: u64, crc: u32, range: std::ops::Range<u64>) -> Self {
        let inflate = (method == Method::Deflate).then(|| Decompress::new(false));
        Self { inflate, size, crc, range, seen: Crc::new(), unpacked: 0, ended: false, kept: Vec::new() }
    }

    /// Whether all that is asked for is there. Asked for the end, a member is unpacked to its end and its checksum tested.
    pub(super) fn is_done(&self) -> bool {
        self.ended || self.unpacked >= self.range.end && self.range.end < self.size
    }

    /// Takes the next bytes of the member.
    pub(super) fn take(&mut self, mut input: &[u8]) -> Result<(), Fault> {
        let Some(mut inflate) = self.inflate.take() else {
            return self.keep(input);
        };
        let mut scratch = vec![0; 64 * 1024];
        while !self.is_done() {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(input, &mut scratch, FlushDecompress::None).map_err(|_| Fault::BadData)?;
            let read = usize::try_from(inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(inflate.total_out() - written).unwrap_or(usize::MAX);
            input = input.get(read..).unwrap_or_default();
            self.keep(scratch.get(..written).unwrap_or_default())?;
            if status == Status::StreamEnd {
                self.ended = true;
            } else if read == 0 && written == 0 {
                break;
            }
        }
        self.inflate = Some(inflate);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let from = self.unpacked;
        self.unpacked += bytes.len() as u64;
        if self.unpacked > self.size {
            return Err(Fault::WrongSize);
        }
        self.seen.update(bytes);
        let at = |position: u64| usize::try_from(position.saturating_sub(from)).unwrap_or(usize::MAX).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(at(self.range.start)..at(self.range.end)).unwrap_or_default());
        Ok(())
    }

    /// The range that was asked for, once all bytes of the member were taken or [`Self::is_done`].
    pub(super) fn finish(self) -> Result<Vec<u8>, Fault> {
        if self.range.end >= self.size {
            if self.inflate.is_some() && !self.ended {
                return Err(if self.unpacked < self.size { Fault::WrongSize } else { Fault::BadData });
            }
            if self.unpacked != self.size {
                return Err(Fault::WrongSize);
            }
            if self.seen.sum() != self.crc {
                return Err(Fault::WrongChecksum);
            }
        } else if self.unpacked < self.range.end {
            return Err(Fault::WrongSize);
        }
        Ok(self.kept)
    }
}
