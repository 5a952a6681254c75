//! Tests of the clinic's sheet, on small sheets as people type them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handled;
mod wide;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, new_null_array};
use proptest::prelude::*;

use super::super::testing::{codes, damage, damaged, day, number, only_table, read, text};
use super::{CLINIC, TABLE};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const FR: &str = "IPP;Nom;Prénom;Date de naissance;Sexe;Date de consultation;Oeil;AVSC;AVAC;AVP;Sphère;Cylindre;Axe;PIO;Diagnostic;Frottement oculaire;Atopie;ATCD familial KC;Lentilles;Remarques";
const ROW: &str = "P1;A;B;14/07/1990;F;26/03/2024;OD;5/10;10/10 P2;P2;-2,25;-0,50;20°;14;KC;oui;non;;1;RAS ce jour";

fn sheet(rows: &[&str]) -> String {
    std::iter::once(FR).chain(rows.iter().copied()).flat_map(|line| [line, "\r\n"]).collect()
}

/// Columns whose values differ, apart from the line of the file.
pub(super) fn differing(a: &RecordBatch, b: &RecordBatch) -> Vec<String> {
    super::super::testing::differing(a, b).into_iter().filter(|column| column != "source_row").collect()
}

fn issues_of(text: &str) -> Vec<Vec<IssueCode>> {
    let (_, reading) = read(&CLINIC, text.as_bytes());
    (0..reading.rows).map(|row| codes(&reading, row)).collect()
}

/// The issues of one row in which `from` is replaced.
fn edit(from: &str, to: &str) -> Vec<IssueCode> {
    let edited = ROW.replacen(from, to, 1);
    assert_ne!(edited, ROW);
    let mut issues = issues_of(&sheet(&[ROW, &edited, ROW]));
    assert_eq!((issues.len(), &issues[0], &issues[2]), (3, &vec![], &vec![]), "{from} {to}");
    issues.swap_remove(1)
}

fn flag(batch: &RecordBatch, column: &str, row: usize) -> Option<bool> {
    let array = batch.column_by_name(column).unwrap().as_boolean();
    array.is_valid(row).then(|| array.value(row))
}

#[test]
fn a_french_sheet_is_read() {
    let bytes: Vec<u8> = sheet(&[ROW]).chars().map(|c| u32::from(c) as u8).collect();
    let (batch, reading) = read(&CLINIC, &bytes);
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("fr"));
    let texts = [
        ("patient_number", "P1"),
        ("patient_sex", "F"),
        ("eye", "OD"),
        ("eye_text", "OD"),
        ("visit_date_text", "26/03/2024"),
        ("udva_text", "5/10"),
        ("cdva_text", "10/10 P2"),
        ("near_va_text", "P2"),
        ("sphere_text", "-2,25"),
        ("axis_text", "20°"),
        ("diagnosis_text", "KC"),
        ("diagnosis", "keratoconus"),
        ("notes", "RAS ce jour"),
    ];
    for (column, value) in texts {
        assert_eq!(text(&batch, column, 0).as_deref(), Some(value), "{column}");
    }
    for (column, value) in [("sphere_d", -2.25), ("cylinder_d", -0.5), ("axis_deg", 20.0), ("iop_mmhg", 14.0)] {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    assert_eq!(flag(&batch, "eye_rubbing", 0), Some(true));
    assert_eq!(flag(&batch, "atopy", 0), Some(false));
    assert_eq!(flag(&batch, "family_history_kc", 0), None);
    assert_eq!(flag(&batch, "contact_lens", 0), Some(true));
    assert_eq!(reading.subjects[0].eye, Some(Eye::Od));
}

#[test]
fn an_english_sheet_with_a_title_blank_headers_and_unknown_columns() {
    let sheet = "\u{feff}Keratoconus clinic 2024,,,,,,\r\n\r\n MRN ,,Visit date,Eye,CDVA,Sph,Cyl,Axis,Dx,Vault (um)\r\nP1,x,2024-03-06,Left eye,20/40+2,\"-2,25\",plano,180,subclinical keratoconus,512\r\n,,,,,,,,,\r\nP2,,2024-03-06,OS,CF,1.5,-1,0,Normal,\r\n";
    let (batch, reading) = read(&CLINIC, sheet.as_bytes());
    assert_eq!((reading.rows, reading.layout.as_deref()), (2, Some("en")));
    assert_eq!(codes(&reading, 0), [ColumnUnknown]);
    assert_eq!(codes(&reading, 1), []);
    assert_eq!(number(&batch, "sphere_d", 0), Some(-2.25));
    assert_eq!(number(&batch, "cylinder_d", 0), Some(0.0));
    assert_eq!(text(&batch, "eye", 0).as_deref(), Some("OS"));
    assert_eq!(text(&batch, "diagnosis", 0).as_deref(), Some("subclinical_keratoconus"));
    let extra = batch.column_by_name("extra").unwrap().as_map();
    let keys = extra.value(0).column(0).as_string::<i32>().iter().map(|key| key.unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys, ["column_2", "Vault (um)"]);
    assert!(extra.is_null(1));
}

#[test]
fn a_bad_field_is_an_issue_of_its_row_alone() {
    assert_eq!(edit("P1;", ";"), [PatientMissing]);
    assert_eq!(edit(";OD;", ";;"), [EyeMissing]);
    assert_eq!(edit(";OD;", ";1;"), [EyeUnreadable]);
    assert_eq!(edit("26/03/2024", ""), [DateMissing]);
    assert_eq!(edit("26/03/2024", "26 mars"), [DateUnreadable]);
    assert_eq!(edit("14/07/1990", "1990"), [DateUnreadable]);
    assert_eq!(edit("-2,25", "150"), [ValueOutOfRange]);
    assert_eq!(edit(";20°;", ";200;"), [ValueOutOfRange]);
    assert_eq!(edit(";14;", ";1a;"), [NumberUnreadable]);
    assert_eq!(edit("-2,25", "-2,2,5"), [NumberUnreadable]);
    assert_eq!(edit(";oui;", ";un peu;"), [NumberUnreadable]);
    assert_eq!(edit(";KC;", ";voir courrier;"), [DiagnosisUnknown]);
    assert_eq!(edit(";KC;", ";KC ?;"), [DiagnosisUnknown]);
    assert_eq!(edit(";KC;", ";pas de KC;"), [DiagnosisUnknown]);
    assert_eq!(edit(";KC;oui;non;;1;RAS ce jour", ";KC"), [RowTruncated]);
    assert_eq!(edit("RAS ce jour", "RAS;ce;jour"), [CellsExtra]);
    // What a careful typist may write is no issue.
    for (from, to) in [
        ("-2,25", ""),
        ("-2,25", "plan"),
        ("-2,25", "+2.25 D"),
        (";14;", ";14 mmHg;"),
        (";14;", ";NF;"),
        (";KC;", ";;"),
        (";20°;", ";à 20°;"),
        ("26/03/2024", "2024-03-26"),
        ("26/03/2024", "26.03.24"),
        ("26/03/2024", "6/3/2024"),
        (";OD;", ";droit;"),
    ] {
        assert_eq!(edit(from, to), [], "{from} {to}");
    }
}

#[test]
fn what_a_spreadsheet_mangled_is_flagged_and_kept_as_text() {
    let row = ROW.replacen("5/10", "05-oct", 1).replacen("-2,25", "02-janv", 1);
    let (batch, reading) = read(&CLINIC, sheet(&[&row]).as_bytes());
    assert_eq!(codes(&reading, 0), [ValueMangled, ValueMangled]);
    assert_eq!(text(&batch, "udva_text", 0).as_deref(), Some("05-oct"));
    assert_eq!(text(&batch, "sphere_text", 0).as_deref(), Some("02-janv"));
    assert_eq!(number(&batch, "sphere_d", 0), None);
}

#[test]
fn what_a_value_was_before_a_spreadsheet_is_said_and_not_done() {
    let details = |column: &str, typed: &str, others: &[&str]| {
        let rows: Vec<String> = [typed].iter().chain(others).map(|text| ROW.replacen(column, text, 1)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let (batch, reading) = read(&CLINIC, sheet(&rows).as_bytes());
        assert_eq!(text(&batch, "udva_text", 0).as_deref(), Some(typed));
        reading.issues[0].iter().map(|issue| issue.to_string()).collect::<Vec<_>>()
    };
    let mangled = |what: &str| vec![format!("value_mangled: udva_text {what} in line 2")];
    assert_eq!(details("5/10", "05-oct", &[]), mangled("looks like a date, probably 5/10"));
    assert_eq!(details("5/10", "1-févr", &[]), mangled("looks like a date, probably 1.2"));
    assert_eq!(details("5/10", "10", &["0,8", "1"]), mangled("is 10 among tenths, probably 1.0 without its mark"));
    // Letters may be few or many.
    assert_eq!(details("5/10", "10", &["75", "0,8"]), Vec::<String>::new());
    assert_eq!(details("5/10", "#N/A", &[]), ["cell_error: udva_text is an error of a formula in line 2"]);
}

#[test]
fn a_patient_number_that_lost_its_digits_is_nobodys() {
    let row = ROW.replacen("P1;", "8,00123E+11;", 1);
    let (batch, reading) = read(&CLINIC, sheet(&[&row]).as_bytes());
    assert_eq!(codes(&reading, 0), [ValueMangled, PatientMissing]);
    assert_eq!(text(&batch, "patient_number", 0).as_deref(), Some("8,00123E+11"));
    assert_eq!(reading.subjects[0].patient, None);
}

#[test]
fn every_encoding_separator_and_line_end() {
    let plain = sheet(&[ROW, &ROW.replacen("RAS ce jour", "\"Œil; \"\"rouge\"\"\ndeux lignes\"", 1)]);
    let (expected, _) = read(&CLINIC, plain.as_bytes());
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        mark.into_iter().chain(plain.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
    };
    let (windows, _, _) = encoding_rs::WINDOWS_1252.encode(&plain);
    // Old Macintoshes end rows with CR, and a line in a cell with LF.
    let variants = [
        plain.replace("\r\n", "\n").into_bytes(),
        plain.replace("\r\n", "\r").into_bytes(),
        plain.replace("\r\n", "\r\r\n").into_bytes(),
        format!("\u{feff}{plain}").into_bytes(),
        format!("sep=;\r\n{plain}").into_bytes(),
        utf16([0xFF, 0xFE], u16::to_le_bytes),
        utf16([0xFE, 0xFF], u16::to_be_bytes),
        plain.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        plain.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        windows.into_owned(),
    ];
    for (at, bytes) in variants.iter().enumerate() {
        let (batch, reading) = read(&CLINIC, bytes);
        assert_eq!((differing(&expected, &batch), reading.rows), (Vec::<String>::new(), 2), "{at}");
        assert_eq!(CLINIC.recognises(&Sample { head: bytes, size: bytes.len() as u64 }), Confidence::Certain, "{at}");
    }
    for delimiter in ["\t", "|", ","] {
        let fields = |line: &str| line.split(';').map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(delimiter);
        let text = [FR, ROW].map(|line| fields(line) + "\r\n").concat();
        let (batch, _) = read(&CLINIC, text.as_bytes());
        assert_eq!(differing(&expected.slice(0, 1), &batch), Vec::<String>::new(), "{delimiter}");
    }
}

#[test]
fn a_header_with_line_ends_in_its_cells_and_again_on_every_page() {
    let text = "\"Consultations\n2024\"\r\n\"IPP\";\"Date de\nconsultation\";Oeil;AVAC;Sph\r\nP1;26/03/2024;OD;10/10;-1\r\nIPP;Date de consultation;Oeil;AVAC;Sph\r\nP2;26/03/2024;OG;10/10;-2\r\n";
    let (batch, reading) = read(&CLINIC, text.as_bytes());
    assert_eq!(reading.rows, 2);
    assert_eq!(text_of(&batch, "patient_number"), ["P1", "P2"]);
    assert_eq!(number(&batch, "sphere_d", 1), Some(-2.0));
    assert_eq!(codes(&reading, 1), []);
}

fn text_of(batch: &RecordBatch, column: &str) -> Vec<String> {
    (0..batch.num_rows()).map(|row| text(batch, column, row).unwrap_or_default()).collect()
}

#[test]
fn a_refraction_in_one_cell() {
    let header = "IPP;Date;Oeil;Réfraction;Sph;Cyl;Axe\r\n";
    let of = |row: &str| {
        let (batch, reading) = read(&CLINIC, format!("{header}P1;26/03/2024;OD;{row}\r\n").as_bytes());
        let numbers = ["sphere_d", "cylinder_d", "axis_deg"].map(|column| number(&batch, column, 0));
        let issues: Vec<IssueCode> = codes(&reading, 0).into_iter().filter(|code| *code != ColumnMissing).collect();
        (numbers, issues)
    };
    let whole = [Some(-2.25), Some(-0.5), Some(90.0)];
    assert_eq!(of("-2,25 (-0,50 à 90°);;;"), (whole, vec![]));
    assert_eq!(of(";-2,25 (-0,50 à 90°);;"), (whole, vec![]));
    assert_eq!(of("-2,25 (-0,50 à 90°);-2,25;-0,5;90"), (whole, vec![]));
    assert_eq!(of("-2,25 (-0,50 à 90°);-2,75;;"), ([Some(-2.75), Some(-0.5), Some(90.0)], vec![ValuesDisagree]));
    assert_eq!(of("-2,25 (-50 à 90°);;;"), ([Some(-2.25), None, Some(90.0)], vec![ValueOutOfRange]));
    assert_eq!(of("myope;;;"), ([None; 3], vec![NumberUnreadable]));
}

#[test]
fn dates_as_day_numbers_and_in_words() {
    let of = |date: &str| {
        let (batch, reading) = read(&CLINIC, sheet(&[&ROW.replacen("26/03/2024", date, 1)]).as_bytes());
        (day(&batch, "exam_date", 0), codes(&reading, 0))
    };
    let visit = || Some("2024-03-26".to_owned());
    assert_eq!(of("mardi 26 mars 2024"), (visit(), vec![]));
    assert_eq!(of("March 26, 2024"), (visit(), vec![]));
    assert_eq!(of("45377"), (visit(), vec![DateSerial]));
    assert_eq!(of("12"), (None, vec![DateUnreadable]));
    let orders = |dates: &[&str]| {
        let rows: Vec<String> =
            dates.iter().map(|date| ROW.replacen("26/03/2024", date, 1).replacen("14/07/1990", "", 1)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        text_of(&read(&CLINIC, sheet(&rows).as_bytes()).0, "visit_date_order")
    };
    // What was read in the order of the file says so.
    assert_eq!(orders(&["06/03/2024", "26/03/2024"]), ["dmy", ""]);
    assert_eq!(orders(&["06/03/2024", "03/26/2024"]), ["mdy", ""]);
}

#[test]
fn digits_of_an_eye_are_what_the_site_says() {
    let mut layout = include_str!("layout.toml").to_owned();
    let read_eye = |layout: &str| {
        let sheet: super::super::sheet::Sheet = super::super::layout::parse(super::NAME, layout).unwrap();
        let schema = sheet.schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let request = crate::device::Request { table: TABLE, columns: &columns, check: true };
        let bytes = super::tests::sheet(&[&ROW.replacen(";OD;", ";0;", 1)]);
        super::super::sheet::parts::read(&sheet, &schema, bytes.as_bytes(), &request)
    };
    let unsaid = read_eye(&layout);
    assert_eq!((unsaid.subjects[0].eye, codes(&unsaid, 0)), (Some(Eye::Od), vec![EyeAssumed]));
    let refused = read_eye(&layout.replace("digit_eyes = true", "digit_eyes = false"));
    assert_eq!((refused.subjects[0].eye, codes(&refused, 0)), (None, vec![EyeUnreadable]));
    assert!(refused.issues[0][0].detail.contains("either eye"));
    layout = layout.replace("[eyes]\n", "[eyes]\n0 = \"OS\"\n1 = \"OD\"\n");
    let said = read_eye(&layout);
    assert_eq!((said.subjects[0].eye, codes(&said, 0)), (Some(Eye::Os), vec![]));
}

#[test]
fn a_snapshot_of_a_database_is_a_sheet() {
    let text = "\"# Snapshot of visits: mrn text, visit_date date, eye text, cdva text, sphere numeric, atopy bool\"\nmrn,visit_date,eye,cdva,sphere,atopy,notes\nP1,2024-03-26,OD,5/10,-2.25,t,\"\"\nP1,2024-03-26,OS,,,f,\n";
    let (batch, reading) = read(&CLINIC, text.as_bytes());
    assert_eq!(reading.rows, 2);
    assert_eq!(
        (text_of(&batch, "cdva_text"), number(&batch, "sphere_d", 0)),
        (vec!["5/10".to_owned(), String::new()], Some(-2.25))
    );
    assert_eq!((flag(&batch, "atopy", 0), flag(&batch, "atopy", 1)), (Some(true), Some(false)));
}

#[test]
fn stray_quotes_and_short_rows_cost_no_other_row() {
    let rows =
        [ROW, "P2;A;\"B;;F;26/03/2024;OG;;;;;;;;;;;;;", "P3;A", &ROW.replacen("RAS ce jour", "\"une\nseconde ligne\"", 1), ROW];
    let (batch, reading) = read(&CLINIC, sheet(&rows).as_bytes());
    assert_eq!(reading.rows, 5);
    assert_eq!(codes(&reading, 1), []);
    assert_eq!(text(&batch, "eye", 1).as_deref(), Some("OS"));
    assert_eq!(codes(&reading, 2), [RowTruncated, EyeMissing, DateMissing]);
    assert_eq!(text(&batch, "notes", 3).as_deref(), Some("une\nseconde ligne"));
    assert_eq!(codes(&reading, 4), []);
    assert!(reading.issues[2].iter().all(|issue| issue.detail.ends_with("line 4")), "{:?}", reading.issues[2]);
}

#[test]
fn the_order_of_dates_is_that_of_the_file() {
    let visits = |dates: &[&str]| {
        let rows: Vec<String> =
            dates.iter().map(|date| ROW.replacen("26/03/2024", date, 1).replacen("14/07/1990", "", 1)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let (batch, reading) = read(&CLINIC, sheet(&rows).as_bytes());
        (0..rows.len()).map(|row| (day(&batch, "exam_date", row).unwrap(), codes(&reading, row))).collect::<Vec<_>>()
    };
    let of = |text: &str, issues: &[IssueCode]| (text.to_owned(), issues.to_vec());
    assert_eq!(visits(&["06/03/2024", "26/03/2024"]), [of("2024-03-06", &[]), of("2024-03-26", &[])]);
    assert_eq!(visits(&["06/03/2024", "03/26/2024"]), [of("2024-06-03", &[]), of("2024-03-26", &[])]);
    assert_eq!(visits(&["06/03/2024", "05/05/2024"]), [of("2024-03-06", &[DateAmbiguous]), of("2024-05-05", &[])]);
    assert_eq!(visits(&["06/03/2024", "26/03/2024", "26/03/2024", "03/26/2024"])[0], of("2024-03-06", &[DateAmbiguous]));
}

#[test]
fn diagnoses_in_two_languages() {
    let pairs = [
        ("KC", "keratoconus"),
        ("Kératocône stade 2 OD", "keratoconus"),
        ("keratocone", "keratoconus"),
        ("KCN", "keratoconus"),
        ("forme fruste", "subclinical_keratoconus"),
        ("KC infraclinique", "subclinical_keratoconus"),
        ("Subclinical KC", "subclinical_keratoconus"),
        ("DMP", "pellucid_marginal_degeneration"),
        ("PMD", "pellucid_marginal_degeneration"),
        ("LASIK 2012", "post_refractive_surgery"),
        ("post-PKR", "post_refractive_surgery"),
        ("Cornea guttata", "fuchs_dystrophy"),
        ("dystrophie de Fuchs", "fuchs_dystrophy"),
        ("DALK OG", "post_keratoplasty"),
        ("KT", "post_keratoplasty"),
        ("PKP", "post_keratoplasty"),
        ("RAS", "normal"),
        ("Normal", "normal"),
        ("œil sain", "normal"),
    ];
    for (typed, expected) in pairs {
        let (batch, reading) = read(&CLINIC, sheet(&[&ROW.replacen(";KC;", &format!(";{typed};"), 1)]).as_bytes());
        assert_eq!(text(&batch, "diagnosis", 0).as_deref(), Some(expected), "{typed}");
        assert_eq!(text(&batch, "diagnosis_text", 0).as_deref(), Some(typed));
        assert_eq!(codes(&reading, 0), [], "{typed}");
    }
}

#[test]
fn columns_that_are_missing() {
    let (_, reading) = read(&CLINIC, b"IPP;Oeil;AVAC;Diagnostic\nP1;OD;10/10;RAS\n");
    assert_eq!(codes(&reading, 0), [ColumnMissing, ColumnMissing, ColumnMissing, ColumnMissing, DateMissing]);
    assert_eq!(issues_of("Nom;Age\nx;2\n"), [[LayoutUnknown]]);
    assert_eq!(issues_of(FR), [[DataAbsent]]);
    assert_eq!(issues_of(" \n"), [[FileEmpty]]);
}

#[test]
fn recognition_is_by_content() {
    let is = |bytes: &[u8], size: u64| CLINIC.recognises(&Sample { head: bytes, size });
    assert_eq!(is(FR.as_bytes(), 300), Confidence::Certain);
    assert_eq!(is(b"Eye,CDVA,Sphere\n", 16), Confidence::Likely);
    // Tables of studies have an acuity and whose eye it is; without either they may be anything.
    assert_eq!(is(b",eye,gender,va,anon_id\n", 23), Confidence::Likely);
    assert_eq!(is(b"IPP;Date;AVAC OD;AVAC OG\n", 25), Confidence::Likely);
    assert_eq!(is(b"eye,gender,iop,anon_id\n", 23), Confidence::No);
    assert_eq!(is(b"date,gender,va,anon_id\n", 23), Confidence::No);
    assert_eq!(is(b"Last Name:;First Name:;Pat-ID:;D.o.Birth:;Exam Date:;Exam Eye:;IOP [mmHg];A1T [ms]\n", 80), Confidence::No);
    // The sample ends inside the é of a later row.
    let head = [FR.as_bytes(), b"\r\nP1;\xC3"].concat();
    assert_eq!(is(&head, 9999), Confidence::Certain);
}

#[test]
fn names_stay_out_of_issues() {
    let row = "P1;NOMDEMO;PRENOMDEMO;NOMDEMO;PRENOMDEMO;NOMDEMO;NOMDEMO;5/10;;;NOMDEMO;;NOMDEMO;;NOMDEMO;NOMDEMO;;;;";
    let (_, reading) = read(&CLINIC, sheet(&[row]).as_bytes());
    assert_eq!(reading.issues[0].len(), 7);
    assert!(reading.issues[0].iter().all(|issue| !issue.detail.contains("DEMO")));
}

/// Visits with any texts; dates and eyes in a spelling that every layout understands.
fn visits(texts: &[String], seed: u64) -> RecordBatch {
    let table = only_table(&CLINIC);
    let rows = texts.len();
    let pick = |row: usize, column: usize| (seed >> ((row + column) % 60)) & 1 == 1;
    let columns = table.schema.fields().iter().enumerate().map(|(at, field)| -> ArrayRef {
        let all = |value: &str| Arc::new(StringArray::from(vec![value; rows])) as ArrayRef;
        match field.name().as_str() {
            "visit_date_text" => all("2024-03-26"),
            "eye_text" | "eye" => all("OG"),
            "notes" | "udva_text" | "cdva_text" | "sphere_text" => {
                let values = texts.iter().map(|text| Some(text.as_str()).filter(|text| !text.trim().is_empty()));
                Arc::new(values.collect::<StringArray>())
            }
            "iop_mmhg" => Arc::new((0..rows).map(|row| pick(row, at).then_some(row as f64 / 2.0)).collect::<Float64Array>()),
            "eye_rubbing" | "atopy" => {
                Arc::new((0..rows).map(|row| pick(row, at).then(|| pick(row + 1, at))).collect::<BooleanArray>())
            }
            "patient_number" => Arc::new((0..rows).map(|row| Some(format!("P{row}"))).collect::<StringArray>()),
            _ => new_null_array(field.data_type(), rows),
        }
    });
    RecordBatch::try_new(table.schema.clone(), columns.collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec("[ -~éèôœµ°€]{0,20}", 1..12), seed: u64) {
        let visits = visits(&texts, seed);
        for name in ["fr", "en"] {
            let (batch, reading) = read(&CLINIC, &CLINIC.write(TABLE, &visits, name).unwrap());
            prop_assert_eq!(reading.layout.as_deref(), Some(name));
            let changed: Vec<String> = differing(&visits, &batch).into_iter().filter(|column| column != "sphere_d").collect();
            // Eye and day are parsed from their texts.
            prop_assert_eq!(changed, ["eye", "exam_date"]);
        }
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&CLINIC, &damaged(sheet(&[ROW, ROW, ROW]).as_bytes(), &damage));
    }

    #[test]
    fn any_rows_are_read_without_panic(rows in prop::collection::vec("[-0-9;,.\"/? A-Za-zéΔ]{0,60}", 0..20), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        read(&CLINIC, sheet(&rows).as_bytes());
        read(&CLINIC, &bytes);
    }
}
