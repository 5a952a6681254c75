//! Workbooks of which one part is damaged and packed again, so that the damage reaches the readers of sheets and not only those of
//! archives. For the ordinary tests and for the fuzzers of `catalog/fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::io::{Cursor, Read as _, Write as _};

use zip::CompressionMethod;
use zip::read::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::clinic::CLINIC;
use super::super::hostile::{keeps_its_promises_for, mutated};

/// What a workbook may stand for, whatever its bytes: the limits on cells and texts, each cell kept with its column's name.
const HELD: usize = 128 << 20;

/// Shapes of the formats that stand for more than their bytes.
const TRAPS: [&[u8]; 10] = [
    br#" table:number-rows-repeated="1048576" "#,
    br#" table:number-columns-repeated="16384" "#,
    br#"<text:s text:c="999999999"/>"#,
    br#"<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>"#,
    br#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>"#,
    br#"<c r="XFD1048576" t="s"><v>4294967295</v></c>"#,
    br#"<c r="A0" t="d"><v>9999-99-99T99:99:99</v></c>"#,
    br#"<row r="0"><c r="@1"><v>-1e999</v></c></row>"#,
    b"&#xFFFFFFFF;&unknown;]]>",
    b"</",
];

/// A workbook taken apart.
pub struct Workbook {
    /// Name and content of each part; one without a name where the format is no archive.
    parts: Vec<(String, Vec<u8>)>,
}

impl Workbook {
    /// Those that other programs wrote for the tests.
    pub fn all() -> Vec<Self> {
        let archives: [&[u8]; 5] = [
            include_bytes!("../clinic/fixtures/records.xlsx"),
            include_bytes!("../clinic/fixtures/records_calc.xlsx"),
            include_bytes!("../clinic/fixtures/odd.xlsx"),
            include_bytes!("../clinic/fixtures/records.ods"),
            include_bytes!("../clinic/fixtures/odd.ods"),
        ];
        let plain: [&[u8]; 3] = [
            include_bytes!("../clinic/fixtures/records_xlwt.xls"),
            include_bytes!("../clinic/fixtures/records.xls"),
            include_bytes!("../clinic/fixtures/odd_1904.xls"),
        ];
        let plain = plain.iter().map(|bytes| Self { parts: vec![(String::new(), bytes.to_vec())] });
        archives.iter().map(|bytes| Self::taken_apart(bytes)).chain(plain).collect()
    }

    fn taken_apart(bytes: &[u8]) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let parts = (0..archive.len()).map(|index| {
            let mut part = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            part.read_to_end(&mut content).unwrap();
            (String::from_utf8_lossy(part.name_raw()).into_owned(), content)
        });
        Self { parts: parts.collect() }
    }

    /// The workbook with its part of that number damaged as `script` says.
    pub fn damaged(&self, part: usize, script: &[u8]) -> Vec<u8> {
        let damaged = part % self.parts.len();
        let (trap, script) = script.split_first().unwrap_or((&255, &[]));
        let content = |at: usize, content: &[u8]| {
            if at != damaged {
                return content.to_vec();
            }
            let mut content = mutated(content, script);
            if let Some(trap) = TRAPS.get(usize::from(*trap)) {
                // Between two tags, or inside of one, somewhere in the middle.
                let after = content.len() * script.len().min(97) / 100;
                let place =
                    content.iter().skip(after).position(|byte| matches!(byte, b'<' | b' ')).map_or(after, |at| after + at);
                content.splice(place..place, trap.iter().copied());
            }
            content
        };
        if let [(name, only)] = self.parts.as_slice()
            && name.is_empty()
        {
            return content(0, only);
        }
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (at, (name, bytes)) in self.parts.iter().enumerate() {
            archive.start_file(name.as_str(), stored).unwrap();
            archive.write_all(&content(at, bytes)).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }
}

/// Reads `bytes` as the clinic's workbook, which may stand for more than it has bytes but not for more than the limits.
pub fn workbook_keeps_the_promises(bytes: &[u8]) {
    keeps_its_promises_for(&CLINIC, bytes, bytes.len() + HELD);
}
