//! Tests of the Corvis ST table. The sample files are written by hand from the label lists that are known; no real one is public.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Float64Type};
use proptest::prelude::*;

use super::super::sheet::Sheet;
use super::super::testing::{codes, damage, damaged, day, differing, draws, number, only_table, read, resaved, text};
use super::{CORVIS_ST, NAME};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const FIRST: &str = "Last Name:;First Name:;Pat-ID:;D.o.Birth:;Exam Date:;Exam Time:;Exam Eye:";
const A: &str = "IOP [mmHg];DA [mm];A1T [ms];A1V [m/s];A2T [ms];A2V [m/s];HCT [ms];PD [mm];A1L [mm];HCDL [mm];A2L [mm];A1DeflAmp. [mm](A1DA);HCDeflAmp. [mm](HCDA);A2DeflAmp. [mm](A2DA);A1DeflArea [mm^2];HCDeflArea [mm^2];A2DeflArea [mm^2];A1ΔArcL [mm];HCΔArcL [mm];A2ΔArcL [mm];MaxIR [mm^-1];DAR2;DAR1;ARTh;bIOP;IR [mm^-1];SP A1;SSI";
const A_ROW: &str = ";;P01;14/07/1990;26/03/2024;10:15;OD;16.8;1.05;7.36;0.12;20.13;-0.67;16.84;4.6;1.82;6.1;1.34;0.09;0.9;0.1;0.17;3.2;0.2;-0.02;-0.12;-0.03;0.17;4.3;1.55;480;15.9;8.1;105;1.1";

fn sample(header: &str, rows: &[&str]) -> String {
    std::iter::once(header).chain(rows.iter().copied()).flat_map(|line| [line, "\r\n"]).collect()
}

fn a(rows: &[&str]) -> String {
    sample(&format!("{FIRST};{A}"), rows)
}

fn issues_of(text: &str) -> Vec<Vec<IssueCode>> {
    let (_, reading) = read(&CORVIS_ST, text.as_bytes());
    (0..reading.rows).map(|row| codes(&reading, row)).collect()
}

#[test]
fn short_labels_are_read() {
    let (batch, reading) = read(&CORVIS_ST, a(&[A_ROW]).as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("a"));
    let expected = [
        ("iop_nct_mmhg", 16.8),
        ("da_max_mm", 1.05),
        ("a1_time_ms", 7.36),
        ("a1_velocity_m_s", 0.12),
        ("a2_time_ms", 20.13),
        ("a2_velocity_m_s", -0.67),
        ("hc_time_ms", 16.84),
        ("peak_distance_mm", 4.6),
        ("a1_length_mm", 1.82),
        ("hc_deflection_length_mm", 6.1),
        ("a2_length_mm", 1.34),
        ("a1_deflection_amplitude_mm", 0.09),
        ("hc_deflection_amplitude_mm", 0.9),
        ("a2_deflection_amplitude_mm", 0.1),
        ("a1_deflection_area_mm2", 0.17),
        ("hc_deflection_area_mm2", 3.2),
        ("a2_deflection_area_mm2", 0.2),
        ("a1_delta_arc_length_mm", -0.02),
        ("hc_delta_arc_length_mm", -0.12),
        ("a2_delta_arc_length_mm", -0.03),
        ("max_inverse_radius_per_mm", 0.17),
        ("da_ratio_2mm", 4.3),
        ("da_ratio_1mm", 1.55),
        ("arth_um", 480.0),
        ("biop_mmhg", 15.9),
        ("integrated_inverse_radius_per_mm", 8.1),
        ("sp_a1_mmhg_per_mm", 105.0),
        ("ssi", 1.1),
    ];
    for (column, value) in expected {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert_eq!(number(&batch, "cct_um", 0), None);
    assert_eq!(text(&batch, "exam_time", 0).as_deref(), Some("10:15"));
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    let subject = &reading.subjects[0];
    assert_eq!((subject.patient.as_deref(), subject.eye), (Some("P01"), Some(Eye::Od)));
}

#[test]
fn long_labels_are_read_in_their_encoding_and_units_may_be_left_out() {
    let header = format!(
        "{FIRST};Def. Amp. Max [mm];A1 Time [ms];Radius [mm];Deflection Amp. Max [mm];Deflection Amp. Max [ms];Pachy [µm];CBI"
    );
    let row = ";;P02;14/07/1990;26/03/2024;;os;1,05;7,36;7,35;0,95;16,2;531;0,2";
    let bytes: Vec<u8> = sample(&header, &[row]).chars().map(|c| u32::from(c) as u8).collect();
    let (batch, reading) = read(&CORVIS_ST, &bytes);
    assert_eq!(reading.layout.as_deref(), Some("b"));
    for (column, value) in [
        ("da_max_mm", 1.05),
        ("hc_radius_mm", 7.35),
        ("deflection_amplitude_max_mm", 0.95),
        ("deflection_amplitude_max_ms", 16.2),
        ("cct_um", 531.0),
        ("cbi", 0.2),
    ] {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert!(codes(&reading, 0).iter().all(|code| *code == ColumnMissing));
    let (batch, _) =
        read(&CORVIS_ST, sample(&format!("{FIRST};A1 Time;Pachy;Deflection Amp. Max"), &[";;P;;;;OD;7.1;530;1"]).as_bytes());
    assert_eq!((number(&batch, "a1_time_ms", 0), number(&batch, "cct_um", 0)), (Some(7.1), Some(530.0)));
    // Millimetres or milliseconds? Not guessed.
    assert_eq!(number(&batch, "deflection_amplitude_max_mm", 0), None);
    assert_eq!(number(&batch, "deflection_amplitude_max_ms", 0), None);
}

/// Headers of research tables: another set of labels for the same columns, and what has no column of its own is kept.
#[test]
fn labels_of_research_tables_are_read_into_the_same_columns() {
    let header =
        "Pat-ID;Exam Date;Exam Eye;Age;CBI;SSI;Pachy;L1;L2;V1;V2;PD;Radius;DA;IOPnct;bIOP;DA Ratio;IR;ARTh;SPA-A1;CBI_SYM";
    let row = "P01;26/03/2024;OD;34;0.9;0.8;487;1.9;1.4;0.16;-0.4;5.1;6.2;1.12;14.1;13.9;5.4;9.3;288;71;0.1";
    let (batch, reading) = read(&CORVIS_ST, sample(header, &[row]).as_bytes());
    for (column, value) in [
        ("cbi", 0.9),
        ("ssi", 0.8),
        ("cct_um", 487.0),
        ("a1_length_mm", 1.9),
        ("a2_length_mm", 1.4),
        ("a1_velocity_m_s", 0.16),
        ("a2_velocity_m_s", -0.4),
        ("peak_distance_mm", 5.1),
        ("hc_radius_mm", 6.2),
        ("da_max_mm", 1.12),
        ("iop_nct_mmhg", 14.1),
        ("biop_mmhg", 13.9),
        ("integrated_inverse_radius_per_mm", 9.3),
        ("arth_um", 288.0),
        ("sp_a1_mmhg_per_mm", 71.0),
    ] {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    let extra = batch.column_by_name("extra").unwrap().as_map().value(0);
    let keys: Vec<&str> = extra.column(0).as_string::<i32>().iter().flatten().collect();
    // Whether `DA Ratio` is that of 1 mm or of 2 mm is not guessed.
    assert_eq!(keys, ["Age", "DA Ratio", "CBI_SYM"]);
    assert!(codes(&reading, 0).contains(&ColumnUnknown));
}

#[test]
fn what_is_wrong_is_an_issue_of_its_row() {
    let bad = |from: &str, to: &str| A_ROW.replacen(from, to, 1);
    let text = a(&[
        A_ROW,
        &bad(";OD;", ";2;"),
        &bad(";P01;", ";;"),
        &bad("26/03/2024", "32/03/2024"),
        &bad(";16.8;", ";168;"),
        &bad(";7.36;", ";7.36 ms;"),
        &bad(";16.8;", ";;"),
        A_ROW,
    ]);
    assert_eq!(
        issues_of(&text),
        [
            vec![],
            vec![EyeUnreadable],
            vec![PatientMissing],
            vec![DateUnreadable],
            vec![ValueOutOfRange],
            vec![NumberUnreadable],
            vec![],
            vec![]
        ]
    );
    let (batch, _) = read(&CORVIS_ST, text.as_bytes());
    assert_eq!(number(&batch, "iop_nct_mmhg", 4), None);
    assert_eq!(number(&batch, "da_max_mm", 4), Some(1.05));
    assert_eq!(number(&batch, "iop_nct_mmhg", 6), None);
}

#[test]
fn columns_that_are_missing_or_unknown() {
    let without = format!("{FIRST};{A}").replace("ARTh;", "").replace("SP A1", "Corneal Warp [kN]");
    let row = A_ROW.replace("480;", "");
    let (batch, reading) = read(&CORVIS_ST, sample(&without, &[&row, &row]).as_bytes());
    assert_eq!(codes(&reading, 0), [ColumnMissing, ColumnMissing, ColumnUnknown]);
    assert_eq!(codes(&reading, 1), []);
    assert_eq!(number(&batch, "ssi", 1), Some(1.1));
    let extra = batch.column_by_name("extra").unwrap().as_map().value(1);
    assert_eq!(extra.column(0).as_string::<i32>().value(0), "Corneal Warp [kN]");
    assert_eq!(extra.column(1).as_string::<i32>().value(0), "105");
}

#[test]
fn a_declared_order_of_dates_is_doubted_only_when_the_file_contradicts_itself() {
    let with = |date: &str| A_ROW.replacen("26/03/2024", date, 1);
    assert_eq!(issues_of(&a(&[&with("06/03/2024")])), [[]; 1]);
    let (batch, reading) = read(&CORVIS_ST, a(&[&with("06/03/2024"), &with("03/26/2024"), A_ROW]).as_bytes());
    assert_eq!(codes(&reading, 0), [DateAmbiguous]);
    assert_eq!(day(&batch, "exam_date", 1).as_deref(), Some("2024-03-26"));
}

#[test]
fn whole_files_that_are_damaged() {
    assert_eq!(issues_of(""), [[FileEmpty]]);
    assert_eq!(issues_of("x\0y"), [[FileUnreadable]]);
    assert_eq!(issues_of("a;b;c\n1;2;3\n"), [[LayoutUnknown]]);
    assert_eq!(issues_of(&a(&[])), [[DataAbsent]]);
    let text = a(&[A_ROW, A_ROW]);
    let cut = &text[..text.len() - 40];
    assert_eq!(issues_of(cut)[1], [RowTruncated]);
    assert_eq!(issues_of(&a(&[&format!("{A_ROW};7;8")])), [[CellsExtra]]);
    assert_eq!(issues_of(&a(&[&format!("{A_ROW};")])), [[]; 1]);
}

#[test]
fn recognition_is_by_content() {
    let is = |text: &str| CORVIS_ST.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
    assert_eq!(is(&a(&[A_ROW])), Confidence::Certain);
    assert_eq!(is(&format!("{FIRST}\r\n")), Confidence::No);
    assert_eq!(is("IPP;Nom;Prénom;Oeil;AVSC;AVAC;Sphère;Cylindre;Axe;PIO\n"), Confidence::No);
    assert_eq!(is(""), Confidence::No);
}

fn layout() -> Sheet {
    super::super::layout::parse(NAME, include_str!("layout.toml")).unwrap()
}

/// Exams whose numbers lie inside the ranges, with as many decimals as every column keeps.
fn exams(rows: usize, seed: u64) -> RecordBatch {
    let table = only_table(&CORVIS_ST);
    let layout = layout();
    let mut next = draws(seed);
    let columns = table.schema.fields().iter().map(|field| -> ArrayRef {
        match field.data_type() {
            DataType::Float64 => {
                let column = layout.columns.iter().find(|column| &column.name == field.name()).unwrap();
                let (low, high) = column.range.unwrap_or((-2.0, 2.0));
                let scale = 10f64.powi(column.decimals as i32);
                let (low, high) = ((low * scale).ceil() as i64, (high * scale).floor() as i64);
                Arc::new(
                    (0..rows)
                        .map(|_| (next() % 4 != 0).then(|| (low + next() % (high - low + 1)) as f64 / scale))
                        .collect::<Float64Array>(),
                )
            }
            DataType::Date32 => {
                Arc::new((0..rows).map(|_| Some(i32::try_from(10_957 + next() % 9000).unwrap())).collect::<Date32Array>())
            }
            DataType::Utf8 => Arc::new(
                (0..rows)
                    .map(|row| match field.name().as_str() {
                        "eye" => Some(if next() % 2 == 0 { "OD" } else { "OS" }.to_owned()),
                        "patient_sex" => None,
                        "patient_last_name" => Some("a;\"b\" é".to_owned()),
                        name => Some(format!("{name} {row}")),
                    })
                    .collect::<StringArray>(),
            ),
            other => new_null_array(other, rows),
        }
    });
    let batch = RecordBatch::try_new(table.schema.clone(), columns.collect()).unwrap();
    // Births lie before exams.
    let born = batch.schema().index_of("patient_birth_date").unwrap();
    let mut columns = batch.columns().to_vec();
    columns[born] = Arc::new((0..rows).map(|row| Some(i32::try_from(row).unwrap() * 100)).collect::<Date32Array>());
    // Moments of one measurement come one after the other.
    let moments: Vec<usize> = layout.ascending.iter().map(|name| batch.schema().index_of(name).unwrap()).collect();
    let mut times: Vec<Vec<Option<f64>>> =
        moments.iter().map(|at| columns[*at].as_primitive::<Float64Type>().iter().collect()).collect();
    for row in 0..rows {
        let mut known: Vec<f64> = times.iter().filter_map(|column| column[row]).collect();
        known.sort_by(|a, b| b.total_cmp(a));
        for column in &mut times {
            column[row] = column[row].and_then(|_| known.pop());
        }
    }
    for (at, values) in moments.into_iter().zip(times) {
        columns[at] = Arc::new(Float64Array::from(values));
    }
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(seed: u64, rows in 1usize..30) {
        let (exams, layout) = (exams(rows, seed), layout());
        for name in ["a", "b"] {
            let (batch, reading) = read(&CORVIS_ST, &CORVIS_ST.write(NAME, &exams, name).unwrap());
            prop_assert_eq!(reading.layout.as_deref(), Some(name));
            for (column, field) in exams.columns().iter().zip(exams.schema().fields()) {
                let kept = layout.columns.iter().find(|c| &c.name == field.name()).is_none_or(|c| c.labels.contains_key(name));
                let read = batch.column_by_name(field.name()).unwrap();
                prop_assert!(if kept { read == column } else { read.null_count() == rows }, "{}", field.name());
            }
            prop_assert!(reading.issues.iter().all(Vec::is_empty));
        }
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&CORVIS_ST, &damaged(a(&[A_ROW, A_ROW, A_ROW]).as_bytes(), &damage));
    }

    #[test]
    fn any_rows_are_read_without_panic(rows in prop::collection::vec("[-0-9;,.\"/ A-Za-zé]{0,60}", 0..20), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        read(&CORVIS_ST, a(&rows).as_bytes());
        read(&CORVIS_ST, &bytes);
    }
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    let text = a(&[A_ROW, &A_ROW.replace("P01", "P02")]);
    let good = read(&CORVIS_ST, text.as_bytes()).0;
    for again in resaved(&format!("Corvis\r\n{text}"), ';') {
        let (batch, reading) = read(&CORVIS_ST, again.as_bytes());
        assert_eq!((codes(&reading, 0), codes(&reading, 1), differing(&good, &batch)), (vec![], vec![], vec![]));
    }
}

/// `1.034` cut is `1.03`: nothing but the end of the line says that a number is whole.
#[test]
fn the_last_number_of_a_file_that_may_be_cut_is_missing() {
    let text = a(&[A_ROW, A_ROW]);
    let (batch, reading) = read(&CORVIS_ST, text.trim_end().as_bytes());
    assert_eq!((codes(&reading, 0), codes(&reading, 1)), (vec![], vec![EndMissing]));
    assert_eq!((number(&batch, "ssi", 0), number(&batch, "ssi", 1)), (Some(1.1), None));
}
