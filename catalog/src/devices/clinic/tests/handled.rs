//! Sheets that other programs have handled: saved again, cut, filled with what their columns became there.

use super::super::super::testing::{pieces_are_the_whole, resaved};
use super::*;

fn eyes(typed: &[&str]) -> Vec<(Option<Eye>, Vec<IssueCode>)> {
    let rows: Vec<String> = typed.iter().map(|eye| ROW.replacen(";OD;", &format!(";{eye};"), 1)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (_, reading) = read(&CLINIC, sheet(&rows).as_bytes());
    (0..reading.rows).map(|row| (reading.subjects[row].eye, codes(&reading, row))).collect()
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    let text = sheet(&[ROW, &ROW.replacen("P1;", "P2;", 1)]);
    let good = read(&CLINIC, text.as_bytes()).0;
    for again in resaved(&format!("Consultations\r\n\r\n{text}"), ';') {
        let (batch, reading) = read(&CLINIC, again.as_bytes());
        assert_eq!((reading.rows, codes(&reading, 0), codes(&reading, 1)), (2, vec![], vec![]));
        assert_eq!(differing(&good, &batch), Vec::<String>::new());
    }
}

#[test]
fn eyes_with_points_are_eyes() {
    let all = eyes(&["O.D.", "O.G.", "o.s.", "O. D.", "OD."]);
    let expected = [Eye::Od, Eye::Os, Eye::Os, Eye::Od, Eye::Od];
    assert_eq!(all, expected.map(|eye| (Some(eye), vec![])));
}

/// 0 and 1, or 1 and 2: the column shows which; the right eye comes first. A 1 alone is either.
#[test]
fn digits_are_eyes_in_the_order_of_the_column() {
    let assumed = |eye| (Some(eye), vec![EyeAssumed]);
    let unreadable = || (None, vec![EyeUnreadable]);
    assert_eq!(eyes(&["0", "1"]), [assumed(Eye::Od), assumed(Eye::Os)]);
    assert_eq!(eyes(&["1", "2"]), [assumed(Eye::Od), assumed(Eye::Os)]);
    assert_eq!(eyes(&["1.0", "0.0", ""]), [assumed(Eye::Os), assumed(Eye::Od), (None, vec![EyeMissing])]);
    assert_eq!(eyes(&["1", "1"]), [unreadable(), unreadable()]);
    assert_eq!(eyes(&["0", "1", "2"]), [unreadable(), unreadable(), unreadable()]);
    assert_eq!(eyes(&["0", "1", "3"]), [unreadable(), unreadable(), unreadable()]);
    assert_eq!(eyes(&["0", "OG"]), [unreadable(), (Some(Eye::Os), vec![])]);
}

#[test]
fn an_acuity_that_became_a_day_is_told() {
    for typed in ["2024-10-05 00:00:00", "05-10", "2024-10-05T00:00:00"] {
        assert_eq!(edit("5/10", typed), [ValueMangled], "{typed}");
    }
}

#[test]
fn patient_numbers_that_columns_changed() {
    let patient = |number: &str| {
        let (batch, reading) = read(&CLINIC, sheet(&[&ROW.replacen("P1;", &format!("{number};"), 1)]).as_bytes());
        (reading.subjects[0].patient.clone(), text(&batch, "patient_number", 0), codes(&reading, 0))
    };
    let is = |text: &str| Some(text.to_owned());
    for (number, whole) in [("12.0", "12"), ("12,0", "12"), ("0012,00", "0012")] {
        assert_eq!(patient(number), (is(whole), is(whole), vec![ValueMangled]), "{number}");
    }
    assert_eq!(patient("14/07/1980"), (None, is("14/07/1980"), vec![ValueMangled, PatientMissing]));
    assert_eq!(patient("inconnu"), (None, None, vec![PatientMissing]));
    for number in ["12", "0012", "P 12", "12-05-1990"] {
        assert_eq!(patient(number), (is(number), is(number), vec![]));
    }
}

#[test]
fn a_visit_in_the_future_has_no_date() {
    assert_eq!(edit("26/03/2024", "26/03/2124"), [DateFuture]);
}

/// What is left of a value is not the value.
#[test]
fn a_row_that_is_cut_has_no_last_value() {
    let text = sheet(&[ROW, &ROW.replacen("-2,25", "-12,50", 1)]);
    let at = text.rfind("-12,50").unwrap();
    for length in 1..=6 {
        let (batch, reading) = read(&CLINIC, &text.as_bytes()[..at + length]);
        assert_eq!((reading.rows, codes(&reading, 1)), (2, vec![RowTruncated]));
        assert_eq!((number(&batch, "sphere_d", 1), number(&batch, "sphere_d", 0)), (None, Some(-2.25)));
        assert_eq!(super::text(&batch, "sphere_text", 1), None);
        assert_eq!(super::text(&batch, "near_va_text", 1).as_deref(), Some("P2"));
    }
    // Of a number of a patient likewise: `P1` may have been `P12`.
    let (_, reading) = read(&CLINIC, format!("{FR}\r\n{ROW}\r\nP1").as_bytes());
    assert_eq!(reading.subjects[1].patient, None);
    let columns = "IPP;Date de consultation;Oeil;AVAC;Axe\n";
    let (batch, reading) = read(&CLINIC, format!("{columns}P1;26/03/2024;OD;10/10;20\nP2;26/03/2024;OD;10/10;17").as_bytes());
    assert_eq!((number(&batch, "axis_deg", 0), number(&batch, "axis_deg", 1)), (Some(20.0), None));
    assert!(codes(&reading, 1).contains(&EndMissing));
    // Cut behind the last delimiter, nothing is left of the value but the missing end.
    let (batch, reading) = read(&CLINIC, format!("{columns}P1;26/03/2024;OD;10/10;20\nP2;26/03/2024;OD;10/10;").as_bytes());
    assert_eq!(number(&batch, "axis_deg", 1), None);
    assert!(codes(&reading, 1).contains(&EndMissing));
    // Text is kept, and told all the same.
    let (batch, reading) = read(&CLINIC, sheet(&[ROW]).trim_end().as_bytes());
    assert_eq!((codes(&reading, 0), super::text(&batch, "notes", 0).as_deref()), (vec![EndMissing], Some("RAS ce jour")));
}

#[test]
fn zeros_at_the_end_cost_no_row() {
    let text = sheet(&[ROW, ROW]);
    let (batch, reading) = read(&CLINIC, &[text.as_bytes(), &[0; 100]].concat());
    assert_eq!((codes(&reading, 0), codes(&reading, 1)), (vec![FileTruncated], vec![]));
    assert_eq!(differing(&read(&CLINIC, text.as_bytes()).0, &batch), Vec::<String>::new());
    let head = [text.as_bytes(), &[0; 100]].concat();
    assert_eq!(CLINIC.recognises(&Sample { head: &head, size: head.len() as u64 }), Confidence::Certain);
}

/// A physicians' table of many years has more rows than a spreadsheet.
#[test]
fn many_rows_are_all_read() {
    const ROWS: usize = 1_100_000;
    let text = format!("IPP;Oeil;AVAC\n{}P2;OG;1/10\n", "P1;OD;1/10\n".repeat(ROWS - 1));
    let columns = [only_table(&CLINIC).schema.index_of("eye").unwrap()];
    let request = crate::device::Request { table: TABLE, columns: &columns, check: false };
    let (mut rows, mut most, mut last) = (0, 0, None);
    for part in CLINIC.parts(bytes::Bytes::from(text), &request, 8192) {
        rows += part.rows;
        most = most.max(part.rows);
        last = part.subjects.last().cloned();
    }
    assert_eq!((rows, most), (ROWS, 8192));
    let last = last.unwrap();
    assert_eq!((last.patient.as_deref(), last.eye), (Some("P2"), Some(crate::device::Eye::Os)));
}

#[test]
fn a_sheet_in_pieces_is_the_sheet() {
    let rows: Vec<String> = (0..40)
        .map(|at| match at % 5 {
            0 => ROW.replacen("RAS ce jour", "\"Œil; \"\"rouge\"\"\r\ndeux lignes\"", 1),
            1 => ROW.replacen("26/03/2024", "06/03/2024", 1),
            2 => "P2;A;\"B;;F;26/03/2024;OG;;;;;;;;;;;;;".to_owned(),
            3 => String::new(),
            _ => ROW.replacen(";OD;", ";1;", 1).replacen("P1;", &format!("P{at};"), 1),
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let text = sheet(&rows);
    let (windows, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
    let wide = |of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<u8>>();
    let files = [
        text.clone().into_bytes(),
        text.trim_end().as_bytes()[..text.trim_end().len() - 30].to_vec(),
        windows.into_owned(),
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        [text.as_bytes(), &[0; 3000]].concat(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        text.replace("\r\n", "\n").into_bytes(),
        text.replace("\r\n", "\r").into_bytes(),
        FR.as_bytes().to_vec(),
        b"Nom;Age\nx;2\n".to_vec(),
        b"a\0b\n".to_vec(),
    ];
    for bytes in &files {
        pieces_are_the_whole(&CLINIC, bytes);
    }
}
