//! Sheets with one row a visit and columns for each eye.

use arrow::datatypes::Int32Type;

use super::super::super::testing::pieces_are_the_whole;
use super::*;

/// Each record as line, patient, day, eye, uncorrected acuity, sphere, axis and notes.
type Told = (i32, String, String, String, String, Option<f64>, Option<f64>, String);

fn records(text: &str) -> (Vec<Told>, Vec<Vec<IssueCode>>) {
    let (batch, reading) = read(&CLINIC, text.as_bytes());
    let lines = batch.column_by_name("source_row").unwrap().as_primitive::<Int32Type>().clone();
    let told = (0..reading.rows).map(|row| {
        let of = |column: &str| super::text(&batch, column, row).unwrap_or_default();
        let day = day(&batch, "exam_date", row).unwrap_or_default();
        let (sphere, axis) = (number(&batch, "sphere_d", row), number(&batch, "axis_deg", row));
        (lines.value(row), of("patient_number"), day, of("eye"), of("udva_text"), sphere, axis, of("notes"))
    });
    let usual = |code: &IssueCode| *code != ColumnMissing;
    let issues = (0..reading.rows).map(|row| codes(&reading, row).into_iter().filter(usual).collect()).collect();
    (told.collect(), issues)
}

fn told(line: i32, eye: &str, acuity: &str, sphere: Option<f64>, axis: Option<f64>) -> Told {
    let text = |text: &str| text.to_owned();
    (line, text("P1"), text("2024-03-26"), text(eye), text(acuity), sphere, axis, text("RAS"))
}

const VISIT: &str = "P1;26/03/2024;5/10;8/10;-2,25;-1,00;-0,5;;90;;RAS";

#[test]
fn a_visit_is_a_record_of_each_eye() {
    let both = vec![told(2, "OD", "5/10", Some(-2.25), Some(90.0)), told(2, "OS", "8/10", Some(-1.0), None)];
    // The header of each column without its eye, and how sheets put the eye beside it.
    let headers = [("AVSC", "Sph", "Cyl", "Axe"), ("UCVA", "Sphere", "Cylinder", "Axis")];
    let marks: [(&str, &str); 14] = [
        ("{} OD", "{} OG"),
        ("{} OD", "{} OS"),
        ("OD {}", "OG {}"),
        ("{}_OD", "{}_OS"),
        ("OD_{}", "OS_{}"),
        ("{}.OD", "{}.OG"),
        ("{} (OD)", "{} (OG)"),
        ("{}(R)", "{}(L)"),
        ("{} RE", "{} LE"),
        ("R {}", "L {}"),
        ("{} D", "{} G"),
        ("{} O.D.", "{} O.G."),
        ("{} œil droit", "{} œil gauche"),
        ("right eye {}", "left eye - {}"),
    ];
    for (right, left) in marks {
        for (acuity, sphere, cylinder, axis) in headers {
            let pair = |name: &str| format!("{};{}", right.replace("{}", name), left.replace("{}", name));
            let header = format!("IPP;Date;{};{};{};{};Remarques", pair(acuity), pair(sphere), pair(cylinder), pair(axis));
            let text = format!("{header}\r\n{VISIT}\r\n");
            assert_eq!(records(&text), (both.clone(), vec![vec![], vec![]]), "{header}");
            let sure = CLINIC.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
            assert_eq!(sure, Confidence::Certain, "{header}");
        }
    }
}

/// Columns of public studies and of the databases of clinics (NOTES.md).
#[test]
fn headers_of_studies_and_databases_are_known() {
    let studies =
        ["Uncorrected Visual Acuity", "Sphere", "Cylinder", "Axis"].map(|name| format!("{name} - Right Eye;{name} - Left Eye"));
    let databases = ["ucva", "sph", "cyl", "axis"].map(|name| format!("{name}_od;{name}_os"));
    for columns in [studies, databases] {
        let text = format!("patient_id;exam_date;{};notes\n{VISIT}\n", columns.join(";"));
        let both = vec![told(2, "OD", "5/10", Some(-2.25), Some(90.0)), told(2, "OS", "8/10", Some(-1.0), None)];
        assert_eq!(records(&text).0, both, "{text}");
    }
}

#[test]
fn units_stay_with_their_columns() {
    let text =
        "IPP;Date;AVSC OD;AVSC OG;PIO OD (mmHg);PIO OG (mmHg);Sphère (D) OD;OG Sphère (D)\nP1;26/03/2024;5/10;8/10;14;17;-2;-1\n";
    let (batch, _) = read(&CLINIC, text.as_bytes());
    let numbers = |column: &str| [number(&batch, column, 0), number(&batch, column, 1)];
    assert_eq!((numbers("iop_mmhg"), numbers("sphere_d")), ([Some(14.0), Some(17.0)], [Some(-2.0), Some(-1.0)]));
    assert!(batch.column_by_name("extra").unwrap().as_map().is_null(0));
}

#[test]
fn an_eye_without_values_is_no_record_and_a_visit_without_eyes_is_one() {
    let header = "IPP;Date;AVSC OD;AVSC OG;Sph OD;Sph OG;Axe OD;Axe OG;Remarques";
    let text = format!(
        "{header}\nP1;26/03/2024;5/10;;-2;;;;RAS\nP1;26/03/2024;;NF;;;;;RAS\nP1;26/03/2024;;;;;;;RAS\n{header}\nP1;26/03/2024;1/10;2/10;;;;abc;RAS\n"
    );
    let (told_, issues) = records(&text);
    let expected = [
        told(2, "OD", "5/10", Some(-2.0), None),
        told(3, "OS", "NF", None, None),
        told(4, "", "", None, None),
        told(6, "OD", "1/10", None, None),
        told(6, "OS", "2/10", None, None),
    ];
    assert_eq!(told_, expected);
    assert_eq!(issues, [vec![], vec![], vec![EyeMissing], vec![], vec![NumberUnreadable]]);
}

#[test]
fn a_letter_alone_marks_no_eye_and_a_column_of_the_eye_divides_nothing() {
    // D is the dioptre here: there is no column for the left eye.
    let (batch, reading) = read(&CLINIC, b"IPP;Date;AVSC;AVAC;Cyl D\nP1;26/03/2024;5/10;8/10;-1\n");
    assert_eq!((reading.rows, codes(&reading, 0).contains(&ColumnUnknown)), (1, true));
    assert_eq!(number(&batch, "cylinder_d", 0), None);
    let (_, reading) = read(&CLINIC, b"IPP;Date;Oeil;AVSC;AVAC;AVSC OD\nP1;26/03/2024;OG;5/10;8/10;4/10\n");
    assert_eq!((reading.rows, reading.subjects[0].eye), (1, Some(Eye::Os)));
    assert!(codes(&reading, 0).contains(&ColumnUnknown));
}

#[test]
fn parts_never_divide_what_is_read_of_a_visit() {
    let text = format!(
        "IPP;Date;AVSC OD;AVSC OG;Sph OD;Sph OG;Cyl OD;Cyl OG;Axe OD;Axe OG;Remarques\n{}",
        format!("{VISIT}\n").repeat(50)
    );
    pieces_are_the_whole(&CLINIC, text.as_bytes());
    assert_eq!(read(&CLINIC, text.as_bytes()).1.rows, 100);
}
