//! Tests of workbooks that other programs wrote; `fixtures/README.md` says which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{Array, AsArray, RecordBatch};

use super::super::testing::{codes, day, number, read, text};
use super::CLINIC;
use super::tests::differing;
use crate::device::{Confidence, Device, Eye, Reading, Sample};
use crate::issue::IssueCode::{self, *};

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("fixtures/", $name)).as_slice())
    };
}

fn of(bytes: &[u8]) -> (RecordBatch, Reading) {
    read(&CLINIC, bytes)
}

fn all_codes(reading: &Reading) -> Vec<Vec<IssueCode>> {
    (0..reading.rows).map(|row| codes(reading, row)).collect()
}

#[test]
fn the_same_records_from_every_program() {
    let (expected, from_text) = of(include_bytes!("fixtures/records.csv"));
    assert_eq!(from_text.rows, 4);
    assert_eq!(text(&expected, "patient_number", 0).as_deref(), Some("0012345"));
    assert_eq!(text(&expected, "notes", 0).as_deref(), Some("deux\nlignes; et un \"mot\""));
    assert_eq!(number(&expected, "sphere_d", 2), Some(-12.0));
    let files = [
        fixture!("records.xlsx"),
        fixture!("records_calc.xlsx"),
        fixture!("records.ods"),
        fixture!("records.xls"),
        fixture!("records_xlwt.xls"),
    ];
    for (name, bytes) in files {
        let (batch, reading) = of(bytes);
        assert_eq!(differing(&expected, &batch), Vec::<String>::new(), "{name}");
        assert_eq!(all_codes(&reading), all_codes(&from_text), "{name}");
        assert_eq!((reading.layout, reading.subjects), (from_text.layout.clone(), from_text.subjects.clone()), "{name}");
    }
}

#[test]
fn what_people_do_to_workbooks() {
    let files =
        [fixture!("odd.xlsx"), fixture!("odd.ods"), fixture!("odd.xls"), fixture!("odd_1904.xlsx"), fixture!("odd_1904.xls")];
    for (name, bytes) in files {
        let (batch, reading) = of(bytes);
        assert_eq!(reading.rows, 4, "{name}");
        let texts = |column: &str| (0..4).map(|row| text(&batch, column, row).unwrap_or_default()).collect::<Vec<_>>();
        let numbers = |column: &str| (0..4).map(|row| number(&batch, column, row)).collect::<Vec<_>>();
        let days: Vec<_> = (0..4).map(|row| day(&batch, "exam_date", row).unwrap_or_default()).collect();
        assert_eq!(texts("patient_number"), ["P1", "P1", "4711", "P2"], "{name}");
        assert_eq!(days, ["2024-03-26", "2024-03-26", "2024-03-26", "2023-03-26"], "{name}");
        assert_eq!(texts("eye"), ["OD", "OS", "OD", "OS"], "{name}");
        assert_eq!(texts("cdva_text"), ["2024-10-05", "8/10", "10/10", "20/25"], "{name}");
        assert_eq!(numbers("sphere_d"), [Some(-2.25), Some(-1.75), Some(-3.0), Some(1.5)], "{name}");
        assert_eq!(numbers("cylinder_d"), [None, Some(-0.5), Some(-1.25), None], "{name}");
        assert_eq!(numbers("axis_deg"), [None, Some(90.0), Some(10.0), None], "{name}");
        assert_eq!(texts("cylinder_text")[0], "#N/A", "{name}");
        assert_eq!(texts("diagnosis"), ["keratoconus", "", "", "normal"], "{name}");
        let rows = all_codes(&reading);
        assert_eq!(rows[0], [SheetUnknown, ValueMangled, CellError], "{name}");
        assert_eq!((&rows[1], &rows[2]), (&vec![], &vec![DateSerial]), "{name}");
        // The other sheet has no cylinder and no axis; its columns are its own.
        assert_eq!(rows[3], [ColumnMissing, ColumnMissing], "{name}");
        let detail = |row: usize, at: usize| reading.issues[row][at].detail.as_str();
        assert_eq!(detail(0, 1), "cdva_text looks like a date, probably 5/10 in row 6 of sheet 2", "{name}");
        assert_eq!(detail(2, 0), "the exam date is a day number in row 9 of sheet 2", "{name}");
        assert_eq!(reading.subjects[3].eye, Some(Eye::Os), "{name}");
        assert!(batch.column_by_name("extra").unwrap().as_map().is_null(1), "{name}");
    }
}

#[test]
fn workbooks_are_recognised_by_content() {
    let sure = |bytes: &[u8]| CLINIC.recognises(&Sample { head: &bytes[..bytes.len().min(16 * 1024)], size: bytes.len() as u64 });
    for (name, bytes) in [fixture!("records.xlsx"), fixture!("odd.ods"), fixture!("odd.xls"), fixture!("records_xlwt.xls")] {
        assert!(sure(bytes) >= Confidence::Likely, "{name}");
        assert_eq!(crate::lake::recognise(&Sample { head: bytes, size: bytes.len() as u64 }).unwrap().name(), "clinic", "{name}");
    }
    // Other documents and archives begin alike.
    let zipped = |member: &str| {
        [b"PK\x03\x04", [0; 22].as_slice(), &(member.len() as u16).to_le_bytes(), &[0, 0], member.as_bytes()].concat()
    };
    assert_eq!(sure(&zipped("word/document.xml")), Confidence::No);
    assert_eq!(sure(&zipped("exam.csv")), Confidence::No);
    assert_eq!(sure(&zipped("xl/workbook.xml")), Confidence::Certain);
    assert_eq!(sure(&zipped("mimetypeapplication/vnd.oasis.opendocument.text")), Confidence::No);
}
