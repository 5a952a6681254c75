//! Compound files (OLE 2): one stream of them. Every chain of sectors is followed for at most as many steps as there are sectors.

pub(super) const MAGIC: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

const END: u32 = 0xFFFF_FFFE;
const ENTRY: usize = 128;

/// Sectors of one size and how they are chained.
struct Sectors<'a> {
    bytes: &'a [u8],
    /// Where the first sector begins.
    start: usize,
    shift: u32,
    next: Vec<u32>,
}

impl<'a> Sectors<'a> {
    fn sector(&self, id: u32) -> Option<&'a [u8]> {
        let size = 1usize << self.shift;
        let at = self.start.checked_add((id as usize).checked_mul(size)?)?;
        // The last sector of a file may be cut.
        self.bytes.get(at..self.bytes.len().min(at.checked_add(size)?))
    }

    /// The bytes of a chain.
    fn chain(&self, first: u32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut id = first;
        for _ in 0..=self.next.len() {
            if id >= END {
                return Some(out);
            }
            out.extend_from_slice(self.sector(id)?);
            id = *self.next.get(id as usize)?;
        }
        None
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The stream of that name; `None` where there is none, or the file is damaged.
pub(super) fn stream(bytes: &[u8], name: &str) -> Option<Vec<u8>> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let shift = u32::from(u16_at(bytes, 30)?);
    let mini_shift = u32::from(u16_at(bytes, 32)?);
    if !matches!(shift, 9 | 12) || mini_shift != 6 {
        return None;
    }
    let mut large = Sectors { bytes, start: 1 << shift, shift, next: Vec::new() };
    let sectors = (bytes.len() >> shift) + 1;

    // Where the table of chains lies: 109 places in the header, more in a chain of their own.
    let mut places: Vec<u32> = numbers(bytes.get(76..512)?).collect();
    let mut more = u32_at(bytes, 68)?;
    for _ in 0..sectors {
        if more >= END {
            break;
        }
        let sector = large.sector(more)?;
        let (own, link) = sector.split_at(sector.len().checked_sub(4)?);
        places.extend(numbers(own));
        more = u32_at(link, 0)?;
    }
    for place in places.into_iter().filter(|place| *place < END).take(sectors) {
        large.next.extend(numbers(large.sector(place)?));
        if large.next.len() > sectors {
            break;
        }
    }

    let directory = large.chain(u32_at(bytes, 48)?)?;
    let wanted: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let mut root = None;
    let mut found = None;
    for entry in directory.chunks_exact(ENTRY) {
        let length = usize::from(u16_at(entry, 64)?).min(64);
        match entry.get(66)? {
            5 => root = Some(entry),
            2 if entry.get(..length)? == wanted => found = Some(entry),
            _ => {}
        }
    }
    let found = found?;
    let (first, size) = (u32_at(found, 116)?, u32_at(found, 120)? as usize);
    let mut content = if size < u32_at(bytes, 56)? as usize {
        let chain = large.chain(u32_at(root?, 116)?)?;
        let next = numbers(&large.chain(u32_at(bytes, 60)?)?).collect();
        Sectors { bytes: &chain, start: 0, shift: mini_shift, next }.chain(first)?
    } else {
        large.chain(first)?
    };
    content.truncate(size);
    Some(content)
}
