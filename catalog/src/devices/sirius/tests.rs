//! Tests of the Sirius export. The sample file is put together here line by line as public readers of real exports expect it,
//! so that it does not depend on the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, RecordBatch, new_null_array};
use arrow::datatypes::DataType;
use proptest::prelude::*;

use super::super::layout;
use super::super::ms39::MS39;
use super::super::polar::Layout;
use super::super::testing::{cells, codes, damage, damaged, differing, draws, only_table, project, read, resaved, text};
use super::{NAME, SIRIUS};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const RINGS: usize = 31;
const MERIDIANS: usize = 256;
/// What every file without lines of identity has.
const NOBODY: [IssueCode; 3] = [PatientMissing, EyeMissing, DateMissing];

type MapOf = (&'static str, &'static str, usize, fn(f64, f64) -> f64);

/// Header, our column, rings with cells and the value of a cell, in the order of the file.
const MAPS: [MapOf; 10] = [
    ("CornealThickness [um]", "corneal_thickness_um", 27, |r, t| 621.9 + 9.0 * r + 3.0 * t.cos()),
    ("ElevationAnterior [mm]", "elevation_anterior_mm", 26, |r, _| 7.8 - (7.8f64 * 7.8 - r * r).sqrt()),
    ("ElevationPosterior [mm]", "elevation_posterior_mm", 25, |r, _| 0.62 + 6.4 - (6.4f64 * 6.4 - r * r).sqrt()),
    ("RefractiveEquivalentPower [D]", "refractive_power_equivalent_d", 25, |r, t| 42.1 - 0.2 * r + 0.2 * t.cos()),
    ("RefractiveFrontalPowerAnterior [D]", "refractive_power_anterior_d", 26, |r, t| 48.2 - 0.1 * r + 0.3 * t.cos()),
    ("RefractiveFrontalPowerPosterior [D]", "refractive_power_posterior_d", 25, |r, t| -6.2 + 0.03 * r - 0.1 * t.cos()),
    ("SagittalAnterior [mm]", "sagittal_anterior_mm", 26, |r, t| 7.8 + 0.02 * r + 0.05 * t.cos()),
    ("SagittalPosterior [mm]", "sagittal_posterior_mm", 25, |r, t| 6.4 + 0.03 * r + 0.04 * t.sin()),
    ("TangentialAnterior [mm]", "tangential_anterior_mm", 26, |r, t| 7.8 + 0.06 * r + 0.05 * t.cos()),
    ("TangentialPosterior [mm]", "tangential_posterior_mm", 25, |r, t| 6.4 + 0.08 * r + 0.04 * t.sin()),
];

fn angle(ring: usize, meridian: usize) -> f64 {
    // At the centre all meridians are one point.
    if ring == 0 { 0.0 } else { meridian as f64 * std::f64::consts::TAU / MERIDIANS as f64 }
}

fn lines() -> Vec<String> {
    let mut lines = vec!["Radii".to_owned(), (0..RINGS).map(|ring| format!("{:.4};", ring as f64 * 0.2)).collect()];
    for (header, _, rings, value) in MAPS {
        lines.push(header.to_owned());
        for ring in 0..RINGS {
            let cell = |meridian| {
                if ring < rings {
                    format!("{:.4};", value(ring as f64 * 0.2, angle(ring, meridian)))
                } else {
                    "-1000.0000;".to_owned()
                }
            };
            lines.push((0..MERIDIANS).map(cell).collect());
        }
    }
    lines
}

fn sample() -> String {
    lines().iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

/// Issues besides those of the missing identity, and the columns that are not as in the undamaged file.
fn fault(edit: impl FnOnce(&mut Vec<String>)) -> (Vec<IssueCode>, Vec<String>) {
    let good = read(&SIRIUS, sample().as_bytes()).0;
    let mut lines = lines();
    edit(&mut lines);
    let (batch, reading) = read(&SIRIUS, lines.join("\r\n").as_bytes());
    let issues = codes(&reading, 0).into_iter().filter(|code| !NOBODY.contains(code)).collect();
    (issues, differing(&good, &batch))
}

#[test]
fn the_layout_is_sound() {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    let names: Vec<&str> = layout.maps.iter().map(|map| map.header.as_str()).collect();
    assert_eq!(names, MAPS.map(|(header, ..)| header.split(' ').next().unwrap()));
    assert!(names.is_sorted());
}

#[test]
fn every_cell_of_a_whole_file_is_read() {
    let (batch, reading) = read(&SIRIUS, sample().as_bytes());
    assert_eq!(codes(&reading, 0), NOBODY);
    assert_eq!(reading.layout.as_deref(), Some("phoenix"));
    for (_, column, rings, value) in MAPS {
        let cells = cells(&batch, column, 0).unwrap();
        for ring in 0..RINGS {
            for meridian in 0..MERIDIANS {
                let written = format!("{:.4}", value(ring as f64 * 0.2, angle(ring, meridian)));
                let expected = (ring < rings).then(|| written.parse::<f64>().unwrap());
                assert_eq!(cells[ring * MERIDIANS + meridian], expected, "{column} {ring} {meridian}");
            }
        }
    }
}

/// The first and last lines of every block in the table of the public reader, counted from 1 (see NOTES.md).
#[test]
fn blocks_lie_on_the_lines_of_the_public_reader() {
    let exam = read(&SIRIUS, sample().as_bytes()).0;
    let written = SIRIUS.write(NAME, &exam, "phoenix").unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&written).unwrap().lines().collect();
    let fields = |line: usize| lines[line - 1].trim_end_matches(';').split(';').count();
    assert_eq!(fields(2), 31);
    for first in [4, 36, 68, 100, 132, 164, 196, 228, 260, 292] {
        assert!(lines[first - 2].starts_with(|c: char| c.is_ascii_uppercase()));
        assert!((first..first + 31).all(|line| fields(line) == 256 && lines[line - 1].ends_with(';')));
    }
    assert_eq!(lines.len(), 322);
}

#[test]
fn harmless_variants_change_nothing() {
    let good = read(&SIRIUS, sample().as_bytes()).0;
    let same = |bytes: Vec<u8>, what: &str| {
        let (batch, reading) = read(&SIRIUS, &bytes);
        assert_eq!(codes(&reading, 0), NOBODY, "{what}");
        // A row of radii without its header is kept as a line of the preamble.
        let changed: Vec<String> = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
        assert_eq!(changed, Vec::<String>::new(), "{what}");
        assert_eq!(
            SIRIUS.recognises(&Sample { head: &bytes[..16_384], size: bytes.len() as u64 }),
            Confidence::Certain,
            "{what}"
        );
    };
    let text = sample();
    same([b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat(), "byte order mark");
    same(text.replace("\r\n", "\n").into_bytes(), "LF");
    same(text.replace("\r\n", "\r\r\n").into_bytes(), "CR CR LF");
    same(text.replace(";\r\n", "\r\n").into_bytes(), "no delimiter at the end of rows");
    same(text.replace("[um]", "[µm]").chars().map(|c| u32::from(c) as u8).collect(), "Windows-1252");
    same(text.replace(" [um]", "").replace(" [mm]", "").replace(" [D]", "").into_bytes(), "headers without units");
    same(text.replace("CornealThickness", "Corneal Thickness").replace("SagittalA", "Sagittal_A").into_bytes(), "spaced headers");
    same(text.replacen("Radii", "Exam of the cornea", 1).into_bytes(), "another first line");
    same(text.replacen("Radii\r\n", "\r\n", 1).into_bytes(), "no first line");
    same(text.replace("-1000.0000", "-1000").into_bytes(), "short sentinel");
    same(text.replace('.', ",").into_bytes(), "decimal comma");
}

#[test]
fn identity_is_read_where_the_file_has_it() {
    let with = format!("Patient_ID;P01\r\nExam_Eye;OS\r\nExam_Scan_Date;26/03/2024\r\n{}", sample());
    let (batch, reading) = read(&SIRIUS, with.as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(text(&batch, "eye", 0).as_deref(), Some("OS"));
    let subject = &reading.subjects[0];
    assert_eq!((subject.patient.as_deref(), subject.eye), (Some("P01"), Some(Eye::Os)));
    assert_eq!(SIRIUS.recognises(&Sample { head: &with.as_bytes()[..16_384], size: with.len() as u64 }), Confidence::Certain);
}

#[test]
fn the_two_devices_of_one_maker_are_told_apart() {
    let is = |device: &dyn Device, text: &str| device.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
    let text = sample();
    assert_eq!(is(&SIRIUS, &text), Confidence::Certain);
    assert!(is(&MS39, &text) < Confidence::Certain);
    let ms39 = format!("Patient_ID;P01\nExam_Eye;OD\nSagittalAnterior [mm]\n{}\n", ["7.8000"; MERIDIANS].join(";"));
    assert_eq!(is(&MS39, &ms39), Confidence::Certain);
    assert_eq!(is(&SIRIUS, &ms39), Confidence::No);
    assert_eq!(is(&SIRIUS, "a;b;c\n1;2;3\n"), Confidence::No);
    assert_eq!(is(&SIRIUS, ""), Confidence::No);
    // Without its radii the order of the maps still tells.
    assert_eq!(is(&SIRIUS, &text.lines().skip(2).collect::<Vec<_>>().join("\n")), Confidence::Likely);
}

#[test]
fn radii_of_another_grid_are_refused() {
    let (issues, changed) = fault(|lines| lines[1] = (0..RINGS).map(|ring| format!("{:.4};", ring as f64 * 0.25)).collect());
    assert_eq!(issues, [LayoutUnknown]);
    assert_eq!(changed, MAPS.map(|(_, column, ..)| column));
}

#[test]
fn faults_are_flagged_and_nothing_else_changes() {
    // Map `n` has its header on line 3 + 32 n of the file, which is index 2 + 32 n.
    let header = |map: usize| 2 + 32 * map;
    let missing = vec!["-1000.0000"; MERIDIANS].join(";");
    assert_eq!(fault(|_| ()), (vec![], vec![]));
    let (issues, changed) = fault(|lines| drop(lines.drain(header(6)..header(7))));
    assert_eq!((issues, changed), (vec![MapMissing], vec!["sagittal_anterior_mm".to_owned()]));
    let (issues, changed) = fault(|lines| lines[header(6) + 1..header(7)].fill(missing.clone()));
    assert_eq!((issues, changed), (vec![MapEmpty], vec!["sagittal_anterior_mm".to_owned()]));
    let (issues, changed) = fault(|lines| lines[header(1) + 6] = missing.clone());
    assert_eq!((issues, changed), (vec![RingMissing], vec!["elevation_anterior_mm".to_owned()]));
    let (issues, changed) = fault(|lines| lines[header(0) + 3] = lines[header(0) + 3].split_inclusive(';').take(200).collect());
    assert_eq!((issues, changed), (vec![RowTruncated], vec!["corneal_thickness_um".to_owned()]));
    let (issues, changed) = fault(|lines| lines[header(0) + 3] = lines[header(0) + 3].replacen("62", "oops", 1));
    assert_eq!((issues, changed), (vec![CellUnreadable], vec!["corneal_thickness_um".to_owned()]));
    let (issues, changed) = fault(|lines| lines[header(0) + 3] = lines[header(0) + 3].replacen("62", "77662", 1));
    assert_eq!((issues, changed), (vec![CellOutOfRange], vec!["corneal_thickness_um".to_owned()]));
    let (issues, changed) = fault(|lines| lines.truncate(header(9) + 4));
    assert_eq!((issues, changed), (vec![FileTruncated], vec!["tangential_posterior_mm".to_owned()]));
    assert_eq!(fault(|lines| lines.clear()).0, [FileEmpty]);
    assert_eq!(fault(|lines| lines.truncate(2)).0, [LayoutUnknown]);
}

#[test]
fn one_map_is_read_as_if_all_were() {
    let bytes = sample().into_bytes();
    let all = read(&SIRIUS, &bytes).0;
    let some = project(&SIRIUS, &bytes, &["sagittal_posterior_mm"]);
    assert_eq!(some.column(0), all.column_by_name("sagittal_posterior_mm").unwrap());
}

/// One exam whose maps are filled from `seed`, with values of four decimals.
fn random_exam(seed: u64) -> RecordBatch {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    let table = only_table(&SIRIUS);
    let mut next = draws(seed);
    let columns = table.schema.fields().iter().map(|field| -> ArrayRef {
        let (Some(map), DataType::FixedSizeList(item, length)) =
            (layout.maps.iter().find(|map| &map.column == field.name()), field.data_type())
        else {
            return new_null_array(field.data_type(), 1);
        };
        let (low, high) = ((map.range.0 * 1e4) as i64, (map.range.1 * 1e4) as i64);
        let cells: Float64Array =
            (0..RINGS * MERIDIANS).map(|_| (next() % 5 != 0).then(|| (low + next() % (high - low + 1)) as f64 / 1e4)).collect();
        Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
    });
    RecordBatch::try_new(Arc::clone(&table.schema), columns.collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_written_is_read(seed: u64) {
        let exam = random_exam(seed);
        let (batch, _) = read(&SIRIUS, &SIRIUS.write(NAME, &exam, "phoenix").unwrap());
        prop_assert_eq!(differing(&exam, &batch), ["preamble"]);
        prop_assert_eq!(batch.column_by_name("preamble").unwrap().as_map().value(0).len(), 0);
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&SIRIUS, &damaged(sample().as_bytes(), &damage));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        read(&SIRIUS, &bytes);
    }

    #[test]
    fn any_lines_are_read_without_panic(lines in prop::collection::vec("(Radii|CornealThickness|[-0-9.;,]{0,80}|[A-Za-z]{1,6} \\[mm\\]|)", 0..60)) {
        read(&SIRIUS, lines.join("\n").as_bytes());
    }
}

#[test]
fn what_a_spreadsheet_saved_again_reads_as_the_original() {
    let good = read(&SIRIUS, sample().as_bytes()).0;
    for again in resaved(&sample(), ';').into_iter().chain([sample().replace("Corneal", "Map: Corneal")]) {
        let (batch, reading) = read(&SIRIUS, again.as_bytes());
        assert_eq!((codes(&reading, 0), differing(&good, &batch)), (NOBODY.to_vec(), vec![]));
        let head = &again.as_bytes()[..16_384];
        assert_eq!(SIRIUS.recognises(&Sample { head, size: again.len() as u64 }), Confidence::Certain);
    }
}
