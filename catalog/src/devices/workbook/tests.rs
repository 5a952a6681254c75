//! Tests of workbooks: damaged ones, and those that claim more than they hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::testing::{damage, damaged};
use super::*;

const XLSX: &[u8] = include_bytes!("../clinic/fixtures/records.xlsx");
const ODS: &[u8] = include_bytes!("../clinic/fixtures/odd.ods");
const XLS: &[u8] = include_bytes!("../clinic/fixtures/odd.xls");

fn zipped(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn ods(table: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet>{table}</office:spreadsheet></office:body></office:document-content>"
    );
    zipped(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", &content)])
}

/// A workbook of one sheet with these shared strings.
fn xlsx(strings: &str, sheet: &str) -> Vec<u8> {
    zipped(&[
        ("[Content_Types].xml", "<Types></Types>"),
        (
            "_rels/.rels",
            r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        ("xl/styles.xml", "<styleSheet></styleSheet>"),
        ("xl/workbook.xml", r#"<workbook xmlns:r="r"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>"#),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}

#[test]
fn serial_numbers_of_both_systems() {
    let date = |value: f64, from_1904| serial(value, from_1904).map(|time| time.to_string());
    // As Excel shows them.
    assert_eq!(date(1.0, false).as_deref(), Some("1900-01-01 00:00:00"));
    assert_eq!(date(59.0, false).as_deref(), Some("1900-02-28 00:00:00"));
    assert_eq!(date(60.0, false), None);
    assert_eq!(date(61.0, false).as_deref(), Some("1900-03-01 00:00:00"));
    assert_eq!(date(45_377.0, false).as_deref(), Some("2024-03-26 00:00:00"));
    assert_eq!(date(43_915.0, true).as_deref(), Some("2024-03-26 00:00:00"));
    assert_eq!(date(45_377.75, false).as_deref(), Some("2024-03-26 18:00:00"));
    assert_eq!((date(-1.0, false), date(1e12, true), date(f64::NAN, false)), (None, None, None));
}

#[test]
fn repeats_are_unfolded_within_bounds() {
    let repeated = r#"<table:table><table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="2" office:value-type="string"><text:p>a<text:s text:c="2"/>b</text:p></table:table-cell></table:table-row><table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>"#;
    let book = read(&ods(repeated), Format::Ods).unwrap();
    assert_eq!(book.pages[0].rows.len(), 3);
    assert_eq!(book.pages[0].rows[&3], [(0, Cell::Text("a  b".into())), (1, Cell::Text("a  b".into()))]);
    // Three hundred bytes that stand for 16 thousand million cells.
    let bomb = r#"<table:table><table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="1"/></table:table-row></table:table>"#;
    assert!(read(&ods(bomb), Format::Ods).unwrap_err().contains("more than 4000000 cells"));
    let blanks = r#"<table:table><table:table-row><table:table-cell office:value-type="string"><text:p>a<text:s text:c="999999999"/></text:p></table:table-cell></table:table-row></table:table>"#;
    assert!(matches!(&read(&ods(blanks), Format::Ods).unwrap().pages[0].rows[&1][0].1, Cell::Text(text) if text.len() < 2000));
    let comment =
        r#"<table:table><table:table-row><table:table-cell office:value-type="string"><office:annotation><text:p>x</text:p>"#;
    assert!(read(&ods(comment), Format::Ods).unwrap().pages[0].damage.is_some());
}

#[test]
fn what_a_workbook_declares_is_not_believed() {
    let sheet = r#"<worksheet><dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="B1" t="s"><v>0</v></c><c r="C1"><v>2</v></c></row></sheetData></worksheet>"#;
    let book = read(&xlsx(r#"<sst uniqueCount="1"><si><t>a</t></si></sst>"#, sheet), Format::Xlsx).unwrap();
    assert_eq!(book.pages[0].rows[&1], [(1, Cell::Text("a".into())), (2, Cell::Number(2.0))]);
    let lie = xlsx(r#"<sst uniqueCount = "99999999999"><si><t>a</t></si></sst>"#, sheet);
    assert!(read(&lie, Format::Xlsx).unwrap_err().contains("declares more texts"));
}

#[test]
fn bombs_are_refused_before_they_are_unfolded() {
    let zeros = "0".repeat(1 << 20);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default()).unwrap();
    for _ in 0..300 {
        archive.write_all(zeros.as_bytes()).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    assert!(read(&bytes, Format::Xlsx).unwrap_err().contains("inflates to more than 256 MiB"));
}

#[test]
fn chains_of_sectors_that_go_in_circles_end() {
    let mut bytes = XLS.to_vec();
    // The table of chains is the sector that the header names first: every sector is followed by sector 0.
    let place = u32::from_le_bytes(bytes[76..80].try_into().unwrap()) as usize;
    for at in (512 + place * 512..512 + place * 512 + 512).step_by(4) {
        bytes[at..at + 4].copy_from_slice(&0u32.to_le_bytes());
    }
    assert!(read(&bytes, Format::Xls).is_err());
}

#[test]
fn protected_and_foreign_files_are_told_apart() {
    let mut bytes = compound::MAGIC.to_vec();
    bytes.resize(4096, 0);
    assert!(read(&bytes, Format::Xls).unwrap_err().contains("without a workbook"));
    assert!(read(&zipped(&[("mimetype", "x")]), Format::Ods).unwrap_err().contains("damaged or protected"));
    assert!(read(&zipped(&[("xl/workbook.bin", "x")]), Format::Xlsx).unwrap_err().contains("XLSB"));
    assert!(read(b"PK\x03\x04", Format::Xlsx).unwrap_err().contains("damaged"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_workbooks_are_read_without_panic(damage in damage(), which in 0..3usize) {
        let (bytes, format) = [(XLSX, Format::Xlsx), (ODS, Format::Ods), (XLS, Format::Xls)][which];
        let _ = read(&damaged(bytes, &damage), format);
    }

    #[test]
    fn damaged_content_is_read_without_panic(content in "[<>/a-z:=\"&; 0-9]{0,80}", row in "\\PC{0,20}") {
        let table = format!("<table:table><table:table-row><table:table-cell office:value-type=\"string\"><text:p>{row}{content}</text:p></table:table-cell></table:table-row></table:table>");
        let _ = read(&ods(&table), Format::Ods);
        let _ = read(&xlsx(&content, &format!("<worksheet><sheetData>{content}{row}</sheetData></worksheet>")), Format::Xlsx);
    }

    #[test]
    fn any_bytes_after_the_marks_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&[compound::MAGIC, &bytes].concat(), Format::Xls);
        let _ = read(&[b"PK\x03\x04".as_slice(), &bytes].concat(), Format::Xlsx);
        let _ = (recognise(&bytes), biff_records(&bytes));
    }
}

#[test]
fn formulas_have_the_value_that_they_had_when_the_workbook_was_saved() {
    let record = |kind: u16, data: &[u8]| [kind.to_le_bytes().as_slice(), &(data.len() as u16).to_le_bytes(), data].concat();
    let begin = record(0x0809, &[0, 6, 0x10, 0]);
    let globals = |at: u32| {
        let sheet = record(0x0085, &[at.to_le_bytes().as_slice(), &[0, 0, 1, 0, b'a']].concat());
        [begin.clone(), sheet, record(0x000A, &[])].concat()
    };
    let formula = |column: u16, result: [u8; 8]| {
        record(0x0006, &[[0, 0].as_slice(), &column.to_le_bytes(), &[0, 0], &result, &[0; 8]].concat())
    };
    let stream = [
        globals(globals(0).len() as u32),
        begin.clone(),
        formula(0, [0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
        // A text of two pieces, the second one in two bytes a letter.
        record(0x0207, &[4, 0, 0, b'K', b'C']),
        record(0x003C, &[1, 0xE9, 0, b'!', 0]),
        formula(1, 2.5f64.to_le_bytes()),
        formula(2, [1, 0, 1, 0, 0, 0, 0xFF, 0xFF]),
        formula(3, [2, 0, 0x07, 0, 0, 0, 0xFF, 0xFF]),
        formula(4, [3, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
        record(0x000A, &[]),
    ]
    .concat();
    let book = biff::cells_of(&stream).unwrap();
    let expected =
        [(0, Cell::Text("KCé!".into())), (1, Cell::Number(2.5)), (2, Cell::Flag(true)), (3, Cell::Error("#DIV/0!".into()))];
    assert_eq!(book.pages[0].rows[&1], expected);
    assert_eq!(book.pages[0].damage, None);
    assert!(biff::cells_of(&stream[..stream.len() - 4]).unwrap().pages[0].damage.is_some());
}

/// The records of a workbook stream that is not inside a compound file.
fn biff_records(bytes: &[u8]) -> Result<Book, String> {
    let begin = [0x09, 0x08, 0x02, 0x00, 0x00, 0x06];
    biff::cells_of(&[begin.as_slice(), bytes].concat())
}
