//! The central directory of a zip archive (APPNOTE.TXT 4.3.12 to 4.3.16): where it is and what it lists.

use std::collections::BTreeMap;

use super::inflate::Method;
use super::name::{self, Name};
use super::{Fault, MAX_DIRECTORY_BYTES, MAX_FILE_BYTES, MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_FROM_BYTES};

/// The end of an archive: the record that ends it, its comment, and the two records of Zip64 before it.
pub(super) const TAIL: u64 = END as u64 + u16::MAX as u64 + LOCATOR as u64 + END64 as u64;

const END: usize = 22;
const LOCATOR: usize = 20;
const END64: usize = 56;
const ENTRY: usize = 46;
const LOCAL: u64 = 30;

/// Where the central directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) size: u64,
    entries: u64,
    /// Whether the number of entries is counted in 16 bits, in which some programs let it wrap.
    narrow: bool,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Where its local header begins.
    pub(super) offset: u64,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    /// How it is packed, or why it is not read.
    pub(super) method: Result<Method, Fault>,
}

/// What an archive holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Members by path. What is no export (folders, hidden files) is left out.
    pub(super) members: BTreeMap<String, Member>,
    /// Whether the file is an office document, which is built like an archive.
    pub(super) is_office: bool,
    /// Where the directory begins: no member reaches behind.
    pub(super) start: u64,
}

impl Directory {
    /// Bytes of memory that it takes, about.
    pub(super) fn footprint(&self) -> usize {
        let member = size_of::<Member>() + 2 * size_of::<String>();
        size_of::<Self>() + self.members.keys().map(|name| name.capacity() + member).sum::<usize>()
    }
}

/// Finds the directory from the last bytes of an archive of `len` bytes.
pub(super) fn place(tail: &[u8], len: u64) -> Result<Place, Fault> {
    let tail_start = len.checked_sub(tail.len() as u64).ok_or(Fault::Changed)?;
    let end = (0..=tail.len().saturating_sub(END))
        .rev()
        .find(|at| {
            let record = tail.get(*at..).unwrap_or_default();
            // The comment ends with the file: what looks like the record inside a comment or a member does not.
            record.starts_with(b"PK\x05\x06") && u16_at(record, 20).is_some_and(|comment| END + comment == record.len())
        })
        .ok_or(Fault::NoDirectory)?;
    let fields = Fields(tail.get(end..).unwrap_or_default());
    let (disk, first_disk, here, entries) = (fields.u16(4)?, fields.u16(6)?, fields.u16(8)?, fields.u16(10)?);
    let (size, start) = (fields.u32(12)?, fields.u32(16)?);
    let mut place = Place { start, size, entries, narrow: true };
    let mut before = tail_start + end as u64;
    let wide = [disk, first_disk, here, entries].contains(&0xffff) || [size, start].contains(&0xffff_ffff);
    let locator = end.checked_sub(LOCATOR).and_then(|at| tail.get(at..end)).filter(|bytes| bytes.starts_with(b"PK\x06\x07"));
    match locator {
        Some(locator) => {
            let at = Fields(locator).u64(8)?;
            let record = at.checked_sub(tail_start).and_then(|at| tail.get(usize::try_from(at).ok()?..end));
            let record = record.filter(|record| record.starts_with(b"PK\x06\x06"));
            let fields = Fields(record.ok_or(Fault::BadDirectory("the record of Zip64 is not where it should be"))?);
            if fields.u32(16)? != 0 || fields.u32(20)? != 0 {
                return Err(Fault::Split);
            }
            place = Place { start: fields.u64(48)?, size: fields.u64(40)?, entries: fields.u64(32)?, narrow: false };
            before = at;
        }
        None if wide && disk != 0xffff && disk != 0 => return Err(Fault::Split),
        None if disk != 0 || first_disk != 0 || here != entries => return Err(Fault::Split),
        None => {}
    }
    if place.entries > MAX_MEMBERS {
        return Err(Fault::TooManyMembers);
    }
    if place.size > MAX_DIRECTORY_BYTES {
        return Err(Fault::DirectoryTooLarge);
    }
    if place.start.checked_add(place.size).is_none_or(|end| end > before) {
        return Err(Fault::BadDirectory("it does not lie before its end"));
    }
    Ok(place)
}

/// Reads the directory that lies at `place`.
pub(super) fn read(bytes: &[u8], place: &Place) -> Result<Directory, Fault> {
    let mut directory = Directory { members: BTreeMap::new(), is_office: false, start: place.start };
    let mut extents = Vec::new();
    let (mut at, mut count, mut unpacked) = (0_usize, 0_u64, 0_u64);
    while let Some(bytes) = bytes.get(at..).filter(|rest| rest.starts_with(b"PK\x01\x02")) {
        let index = count;
        count += 1;
        if count > MAX_MEMBERS {
            return Err(Fault::TooManyMembers);
        }
        let entry = Entry::read(bytes)?;
        at += entry.len;
        extents.push((entry.offset, entry.packed));
        unpacked = unpacked.saturating_add(entry.size);
        directory.is_office |= entry.raw_name == b"[Content_Types].xml" || entry.raw_name == b"mimetype" && entry.size < 256;
        directory.add(&entry, usize::try_from(index).unwrap_or(usize::MAX));
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if !rest.is_empty() && !rest.starts_with(b"PK\x05\x05") {
        return Err(Fault::BadDirectory("an entry does not begin where the one before ends"));
    }
    if count != place.entries && !(place.narrow && count & 0xffff == place.entries) {
        return Err(Fault::BadDirectory("it has another number of entries than its end says"));
    }
    if unpacked > MAX_UNPACKED_BYTES {
        return Err(Fault::TooLargeUnpacked);
    }
    // Bombs are made of members that share their bytes.
    extents.sort_unstable();
    let mut free = 0;
    for (offset, packed) in extents {
        if offset < free {
            return Err(Fault::Overlap);
        }
        free = offset.saturating_add(LOCAL).saturating_add(packed);
        if free > place.start {
            return Err(Fault::BadDirectory("a member reaches behind the beginning of the directory"));
        }
    }
    Ok(directory)
}

/// Where the bytes of a member begin, from its local header, of which `bytes` are the first.
pub(super) fn data_offset(bytes: &[u8]) -> Result<u64, Fault> {
    let fields = Fields(bytes.strip_prefix(b"PK\x03\x04").map_or(&[][..], |_| bytes));
    let lengths = fields.u16(26).and_then(|name| Ok(name + fields.u16(28)?));
    lengths.map(|lengths| LOCAL + lengths).map_err(|_| Fault::Misplaced)
}

impl Directory {
    fn add(&mut self, entry: &Entry<'_>, index: usize) {
        let (path, fault) = match name::read(entry.raw_name, entry.flags & 0x800 != 0, entry.unicode, entry.host, index) {
            Name::Nothing => return,
            Name::File(path) => (path, entry.fault()),
            Name::Refused(path, fault) => (path, Some(fault)),
        };
        let method = match (fault, entry.method) {
            (Some(fault), _) => Err(fault),
            (None, 0) if entry.packed != entry.size => Err(Fault::WrongSize),
            (None, 0) => Ok(Method::Stored),
            (None, _) => Ok(Method::Deflate),
        };
        let member = Member { offset: entry.offset, packed: entry.packed, size: entry.size, crc: entry.crc, method };
        self.members.entry(path).and_modify(|first| first.method = Err(Fault::NameRepeated)).or_insert(member);
    }
}

/// One entry of the directory, as it stands there.
struct Entry<'a> {
    host: u8,
    flags: u64,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
    attributes: u64,
    raw_name: &'a [u8],
    unicode: Option<&'a str>,
    /// Bytes that it takes.
    len: usize,
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        const CUT: Fault = Fault::BadDirectory("an entry is cut off");
        let fields = Fields(bytes);
        let length = |at| u16_at(bytes, at).ok_or(CUT);
        let name_end = ENTRY + length(28)?;
        let extra_end = name_end + length(30)?;
        let len = extra_end + length(32)?;
        if bytes.len() < len {
            return Err(CUT);
        }
        let raw_name = bytes.get(ENTRY..name_end).ok_or(CUT)?;
        let mut entry = Self {
            host: bytes.get(5).copied().unwrap_or_default(),
            flags: fields.u16(8)?,
            method: u16::try_from(fields.u16(10)?).unwrap_or(u16::MAX),
            crc: u32::try_from(fields.u32(16)?).unwrap_or_default(),
            packed: fields.u32(20)?,
            size: fields.u32(24)?,
            offset: fields.u32(42)?,
            attributes: fields.u32(38)?,
            raw_name,
            unicode: None,
            len,
        };
        let disk = fields.u16(34)?;
        if disk != 0 && disk != 0xffff {
            return Err(Fault::Split);
        }
        entry.extra(bytes.get(name_end..extra_end).ok_or(CUT)?)?;
        Ok(entry)
    }

    /// The extra fields that matter: sizes of Zip64 and a name in UTF-8. What is cut off there is left aside, as others do.
    fn extra(&mut self, mut extra: &'a [u8]) -> Result<(), Fault> {
        while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some(field) = extra.get(4..4 + len) else { break };
            extra = extra.get(4 + len..).unwrap_or_default();
            match id {
                0x0001 => {
                    let mut at = 0;
                    for value in [&mut self.size, &mut self.packed, &mut self.offset] {
                        if *value == 0xffff_ffff {
                            *value = Fields(field).u64(at).map_err(|_| Fault::BadDirectory("a size of Zip64 is missing"))?;
                            at += 8;
                        }
                    }
                }
                0x7075 if field.first() == Some(&1) => {
                    // Valid for the name that it was made for (APPNOTE.TXT 4.6.9).
                    let mut crc = flate2::Crc::new();
                    crc.update(self.raw_name);
                    if Fields(field).u32(1) == Ok(u64::from(crc.sum())) {
                        self.unicode = field.get(5..).and_then(|name| std::str::from_utf8(name).ok());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Why the member is not read, as far as the directory tells.
    fn fault(&self) -> Option<Fault> {
        // The upper half of the attributes is the mode of Unix, where the member was made there.
        let is_link = matches!(self.host, 3 | 19) && self.attributes >> 16 & 0o170_000 == 0o120_000;
        let grows = self.size > RATIO_FROM_BYTES && self.size / self.packed.max(1) > MAX_RATIO;
        if self.flags & 0x2041 != 0 || self.method == 99 {
            Some(Fault::Encrypted)
        } else if !matches!(self.method, 0 | 8) {
            Some(Fault::Method(self.method))
        } else if is_link {
            Some(Fault::Link)
        } else if self.size > MAX_FILE_BYTES {
            Some(Fault::TooLarge)
        } else if grows {
            Some(Fault::Ratio)
        } else {
            None
        }
    }
}

/// Numbers at fixed places, little end first.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn number(&self, at: usize, len: usize) -> Result<u64, Fault> {
        let bytes = at.checked_add(len).and_then(|end| self.0.get(at..end)).ok_or(Fault::BadDirectory("a record is cut off"))?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u16(&self, at: usize) -> Result<u64, Fault> {
        self.number(at, 2)
    }

    fn u32(&self, at: usize) -> Result<u64, Fault> {
        self.number(at, 4)
    }

    fn u64(&self, at: usize) -> Result<u64, Fault> {
        self.number(at, 8)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(Fields(bytes).u16(at).ok()?).ok()
}
