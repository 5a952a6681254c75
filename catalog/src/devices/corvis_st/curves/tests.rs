//! Tests of the curves' layout, which is placido's own: the sample is put together here line by line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, RecordBatch};
use arrow::datatypes::DataType;
use proptest::prelude::*;

use super::super::super::layout;
use super::super::super::testing::{
    cells, codes, damage, damaged, day, differing, draws, only_table, project, read, resaved, text,
};
use super::super::CORVIS_ST;
use super::{CorvisCurves, Layout, NAME};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const FRAMES: usize = 140;
const HEADER: &str = "Frame;Time [ms];Air Puff Force [N];Deformation Amp. [mm];Deflection Amp. [mm];Whole Eye Movement [mm];\
                      Applanation Length [mm];Velocity [m/s];Inverse Radius [mm^-1]";
const COLUMNS: [&str; 8] = [
    "time_ms",
    "air_puff_force_n",
    "deformation_amplitude_mm",
    "deflection_amplitude_mm",
    "whole_eye_movement_mm",
    "applanation_length_mm",
    "velocity_m_s",
    "inverse_radius_per_mm",
];

fn values(frame: usize) -> [String; 8] {
    let t = frame as f64 * 0.2293;
    let d = 1.05 * (t / 33.0 * std::f64::consts::PI).sin().powi(2);
    [t, 0.1 * d, d, 0.85 * d, 0.15 * d, 1.8, 0.1 * (t / 5.0).cos(), 0.17 * d].map(|value| format!("{value:.4}"))
}

fn lines() -> Vec<String> {
    let mut lines: Vec<String> = [
        "placido corvis curves;1",
        "Pat-ID:;P0000000001",
        "Last Name:;DÉMO",
        "First Name:;ZOÉ",
        "D.o.Birth:;1990-07-14",
        "Sex:;F",
        "Exam Date:;2024-03-26",
        "Exam Time:;10:15",
        "Exam Eye:;OS",
        HEADER,
    ]
    .map(str::to_owned)
    .to_vec();
    lines.extend((0..FRAMES).map(|frame| format!("{};{}", frame + 1, values(frame).join(";"))));
    lines
}

fn sample() -> String {
    lines().iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

fn fault(edit: impl FnOnce(&mut Vec<String>)) -> (Vec<IssueCode>, Vec<String>) {
    let good = read(&CorvisCurves, sample().as_bytes()).0;
    let mut lines = lines();
    edit(&mut lines);
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
    let (batch, reading) = read(&CorvisCurves, text.as_bytes());
    let changed = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
    (codes(&reading, 0), changed)
}

/// The line of a frame, from 1.
fn line(frame: usize) -> usize {
    9 + frame
}

#[test]
fn the_layout_is_sound() {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    assert_eq!(layout.curves.iter().map(|curve| curve.column.as_str()).collect::<Vec<_>>(), COLUMNS);
}

#[test]
fn every_value_is_read() {
    let (batch, reading) = read(&CorvisCurves, sample().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("placido-1"));
    for (at, column) in COLUMNS.into_iter().enumerate() {
        let expected: Vec<Option<f64>> = (0..FRAMES).map(|frame| values(frame)[at].parse().ok()).collect();
        assert_eq!(cells(&batch, column, 0).unwrap(), expected, "{column}");
    }
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    assert_eq!(text(&batch, "exam_time", 0).as_deref(), Some("10:15"));
    assert_eq!(text(&batch, "patient_last_name", 0).as_deref(), Some("DÉMO"));
    assert_eq!((reading.subjects[0].patient.as_deref(), reading.subjects[0].eye), (Some("P0000000001"), Some(Eye::Os)));
    assert_eq!(batch.column_by_name("preamble").unwrap().as_map().value(0).len(), 8);
}

#[test]
fn harmless_variants_change_nothing() {
    let text = sample();
    let good = read(&CorvisCurves, text.as_bytes()).0;
    let mut shuffled = lines();
    shuffled[line(1)..].reverse();
    for (what, bytes) in [
        ("byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("Windows-1252", text.chars().map(|c| u32::from(c) as u8).collect()),
        ("LF", text.replace("\r\n", "\n").into_bytes()),
        ("CR CR LF", text.replace("\r\n", "\r\r\n").into_bytes()),
        ("tabs", text.replace(';', "\t").into_bytes()),
        ("decimal comma", text.replace("0.", "0,").replace("1.", "1,").into_bytes()),
        ("frames from the last", (shuffled.join("\r\n") + "\r\n").into_bytes()),
        ("another title", text.replacen("placido corvis curves;1", "Export 7", 1).into_bytes()),
    ] {
        let (batch, reading) = read(&CorvisCurves, &bytes);
        assert_eq!(codes(&reading, 0), [], "{what}");
        let changed: Vec<String> = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
        assert_eq!(changed, Vec::<String>::new(), "{what}");
    }
}

#[test]
fn faults_are_flagged_and_nothing_else_changes() {
    assert_eq!(fault(|_| ()), (vec![], vec![]));
    let one = |code, column: &str| (vec![code], vec![column.to_owned()]);
    let all = || COLUMNS.map(str::to_owned).to_vec();
    assert_eq!(
        fault(|lines| lines[line(7)] = lines[line(7)].replacen("0.1500", "x", 1).replacen("1.8000", "oops", 1)),
        one(CellUnreadable, "applanation_length_mm")
    );
    assert_eq!(
        fault(|lines| lines[line(7)] = lines[line(7)].replacen("1.8000", "18", 1)),
        one(CellOutOfRange, "applanation_length_mm")
    );
    assert_eq!(
        fault(|lines| lines[line(7)] = lines[line(7)].replacen("1.8000", "", 1)),
        (vec![], vec!["applanation_length_mm".into()])
    );
    assert_eq!(fault(|lines| drop(lines.remove(line(30)))), (vec![RowTruncated], all()));
    assert_eq!(fault(|lines| lines.truncate(line(100))), (vec![FileTruncated], all()));
    assert_eq!(fault(|lines| lines[line(30)] = "30".into()), (vec![RowTruncated], all()));
    assert_eq!(fault(|lines| lines[line(30)].push_str(";9")), (vec![CellsExtra], vec![]));
    assert_eq!(
        fault(|lines| {
            let again = lines[line(30)].clone();
            lines.push(again);
        }),
        (vec![CellsExtra], vec![])
    );
    assert_eq!(
        fault(|lines| lines[line(30)] = lines[line(30)].replacen("6.6497", "1.0000", 1)),
        one(OrderImplausible, "time_ms")
    );
    assert_eq!(fault(|lines| lines[8] = "Exam Eye:;2".into()), one(EyeUnreadable, "eye"));
    assert_eq!(fault(|lines| lines[1] = "Pat-ID:;".into()), one(PatientMissing, "patient_number"));
    assert_eq!(
        fault(|lines| lines[9] = lines[9].replace("Velocity [m/s]", "Warp [kN]")),
        (vec![ColumnMissing, ColumnUnknown], vec!["velocity_m_s".into(), "extra".into()])
    );
    assert_eq!(fault(|lines| lines.truncate(10)), (vec![DataAbsent], all()));
    assert_eq!(fault(|lines| lines.truncate(9)), (vec![DataAbsent], all()));
    assert_eq!(fault(|lines| lines.clear()).0, [FileEmpty]);
    assert_eq!(fault(|lines| *lines = vec!["a;b".into(), "1;2".into()]).0, [LayoutUnknown]);
}

#[test]
fn a_lost_frame_shifts_no_other_and_a_cut_number_is_not_taken() {
    let good = read(&CorvisCurves, sample().as_bytes()).0;
    let before = cells(&good, "deformation_amplitude_mm", 0).unwrap();
    let mut lines = lines();
    lines.remove(line(30));
    let batch = read(&CorvisCurves, lines.join("\n").as_bytes()).0;
    let after = cells(&batch, "deformation_amplitude_mm", 0).unwrap();
    assert_eq!((after[29], &after[30..], &after[..29]), (None, &before[30..], &before[..29]));
    let whole = sample();
    let batch = read(&CorvisCurves, &whole.as_bytes()[..whole.len() - 4]).0;
    assert_eq!(cells(&batch, "inverse_radius_per_mm", 0).unwrap()[139], None);
    assert_eq!(cells(&batch, "velocity_m_s", 0), cells(&good, "velocity_m_s", 0));
}

#[test]
fn recognition_is_by_content() {
    let is = |device: &dyn Device, text: &str| device.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
    assert_eq!(is(&CorvisCurves, &sample()), Confidence::Certain);
    assert_eq!(is(&CORVIS_ST, &sample()), Confidence::No);
    assert_eq!(is(&CorvisCurves, HEADER), Confidence::Likely);
    assert_eq!(is(&CorvisCurves, "Frame;a;b\n1;2;3\n"), Confidence::No);
    assert_eq!(is(&CorvisCurves, ""), Confidence::No);
    let found = crate::lake::recognise(&Sample { head: &sample().as_bytes()[..8000], size: sample().len() as u64 }).unwrap();
    assert_eq!(found.name(), NAME);
}

#[test]
fn names_stay_out_of_issues() {
    let text = sample().replace("1990-07-14", "DÉMO").replace("Exam Eye:;OS", "Exam Eye:;ZOÉ").replacen("1.8000", "DÉMO", 1);
    let (_, reading) = read(&CorvisCurves, text.as_bytes());
    assert_eq!(reading.issues[0].len(), 3);
    assert!(reading.issues[0].iter().all(|issue| !issue.detail.contains("DÉMO") && !issue.detail.contains("ZOÉ")));
}

#[test]
fn one_curve_is_read_as_if_all_were() {
    let all = read(&CorvisCurves, sample().as_bytes()).0;
    let some = project(&CorvisCurves, sample().as_bytes(), &["velocity_m_s", "eye"]);
    assert_eq!(some.column(0), all.column_by_name("velocity_m_s").unwrap());
}

/// One measurement whose curves are filled from `seed`.
fn random_exam(seed: u64) -> RecordBatch {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    let template = read(&CorvisCurves, sample().as_bytes()).0;
    let mut next = draws(seed);
    let schema = template.schema();
    let columns = schema.fields().iter().zip(template.columns()).map(|(field, column)| -> ArrayRef {
        let Some(curve) = layout.curves.iter().find(|curve| &curve.column == field.name()) else { return Arc::clone(column) };
        let DataType::FixedSizeList(item, length) = field.data_type() else { panic!("a curve is a list") };
        let scale = 10f64.powi(curve.decimals as i32);
        let (low, high) = ((curve.range.0 * scale) as i64, (curve.range.1 * scale) as i64);
        let value = |next: &mut dyn FnMut() -> i64| (low + next() % (high - low + 1)) as f64 / scale;
        let cells: Float64Array = (0..FRAMES).map(|_| (next() % 4 != 0).then(|| value(&mut next))).collect();
        Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
    });
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(only_table(&CorvisCurves).schema.clone(), columns).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_is_read(seed: u64) {
        let exam = random_exam(seed);
        let (batch, _) = read(&CorvisCurves, &CorvisCurves.write(NAME, &exam, "placido-1").unwrap());
        prop_assert_eq!(differing(&exam, &batch), Vec::<String>::new());
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&CorvisCurves, &damaged(sample().as_bytes(), &damage));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&CorvisCurves, &bytes);
    }

    #[test]
    fn any_lines_are_read_without_panic(lines in prop::collection::vec("(Frame;Time \\[ms\\];[A-Z]{0,3}|Exam Eye:;O[DS]|[0-9]{0,9}(;[-0-9.]{0,9}){0,9}|)", 0..40)) {
        read(&CorvisCurves, lines.join("\n").as_bytes());
    }
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    let good = read(&CorvisCurves, sample().as_bytes()).0;
    for again in resaved(&sample(), ';') {
        let (batch, reading) = read(&CorvisCurves, again.as_bytes());
        let changed: Vec<String> = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
        assert_eq!((codes(&reading, 0), changed), (vec![], vec![]));
        let sample = Sample { head: again.as_bytes(), size: again.len() as u64 };
        assert_eq!(CorvisCurves.recognises(&sample), Confidence::Certain);
    }
}
