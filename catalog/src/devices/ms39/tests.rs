//! Tests of the MS-39 reader and writer. The sample file is put together here with the standard library, line by line as the
//! export is known to look, so that it does not depend on the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod handled;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use proptest::prelude::*;

use super::super::layout;
use super::super::polar::Layout;
use super::super::testing::{cells, codes, damage, damaged, day, differing, draws, number, only_table, project, read, text};
use super::{MS39, NAME};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const RINGS: usize = 31;
const MERIDIANS: usize = 256;

/// Header word, unit, our column, rings with cells, and the value of a cell; as in the public pipeline of the export's users.
type MapOf = (&'static str, &'static str, &'static str, usize, fn(f64, f64) -> f64);

const MAPS: [MapOf; 16] = [
    ("SagittalAnterior", "mm", "sagittal_anterior_mm", 26, |r, t| 7.8 + 0.02 * r + 0.05 * t.cos()),
    ("TangentialAnterior", "mm", "tangential_anterior_mm", 26, |r, t| 7.8 + 0.06 * r + 0.05 * t.cos()),
    ("GaussianAnterior", "mm", "gaussian_anterior_mm", 21, |r, t| 7.8 + 0.04 * r + 0.05 * t.cos()),
    ("SagittalPosterior", "mm", "sagittal_posterior_mm", 25, |r, t| 6.4 + 0.03 * r + 0.04 * t.sin()),
    ("TangentialPosterior", "mm", "tangential_posterior_mm", 25, |r, t| 6.4 + 0.08 * r + 0.04 * t.sin()),
    ("GaussianPosterior", "mm", "gaussian_posterior_mm", 21, |r, t| 6.4 + 0.05 * r + 0.04 * t.sin()),
    ("RefractiveFrontalPowerAnterior", "D", "refractive_power_anterior_d", 26, |r, t| 48.2 - 0.1 * r + 0.3 * t.cos()),
    ("RefractiveFrontalPowerPosterior", "D", "refractive_power_posterior_d", 25, |r, t| -6.2 + 0.03 * r - 0.1 * t.cos()),
    ("RefractiveEquivalentPower", "D", "refractive_power_equivalent_d", 25, |r, t| 42.1 - 0.2 * r + 0.2 * t.cos()),
    ("ElevationAnterior", "mm", "elevation_anterior_mm", 26, |r, _| 7.8 - (7.8f64 * 7.8 - r * r).sqrt()),
    ("ElevationPosterior", "mm", "elevation_posterior_mm", 25, |r, _| 0.593 + 6.4 - (6.4f64 * 6.4 - r * r).sqrt()),
    ("ElevationStromal", "mm", "elevation_stromal_mm", 26, |r, _| 0.053 + 7.7 - (7.7f64 * 7.7 - r * r).sqrt()),
    ("CornealThickness", "um", "corneal_thickness_um", 26, |r, t| 593.0 + 9.0 * r + 3.0 * t.cos()),
    ("StromalThickness", "um", "stromal_thickness_um", 26, |r, t| 540.0 + 8.5 * r + 3.0 * t.cos()),
    ("EpitelialThickness", "um", "epithelial_thickness_um", 26, |r, _| 53.0 + 0.5 * r),
    ("AnteriorChamberDepth", "mm", "anterior_chamber_depth_mm", 25, |r, _| 3.1 - 0.05 * r),
];

/// The lines of a file, editable.
#[derive(Clone)]
struct File {
    preamble: Vec<String>,
    maps: Vec<Vec<String>>,
    delimiter: char,
    end: &'static str,
}

fn sample(delimiter: char, lines: usize, missing: &str) -> File {
    let mut preamble = vec![
        "Patient_ID;P0000000001",
        "Patient_Last_Name;DÉMO",
        "Patient_First_Name;ZOÉ",
        "Patient_Date_of_Birth;14/07/1990",
        "Patient_Gender;F",
        "##########################",
        "Exam_Eye;OD",
        "Exam_Scan_Date;26/03/2024",
        "PupilCX;-0.1200",
        "PupilCY;0.0500",
    ];
    if lines > 27 {
        preamble.extend(["SimKKf;7.8500", "SimKAxf;12.5", "SimKKs;7.6100", "SimKAxs;102.5"]);
    }
    let mut preamble: Vec<String> = preamble.into_iter().map(|line| line.replace(';', &delimiter.to_string())).collect();
    while preamble.len() < lines {
        preamble.push(format!("Key{}{delimiter}value {}", preamble.len(), preamble.len()));
    }
    let maps = MAPS.iter().map(|(header, unit, _, rings, value)| {
        let row = |ring: usize| {
            let cell = |meridian: usize| {
                let angle = meridian as f64 * std::f64::consts::TAU / MERIDIANS as f64;
                // At the centre all meridians are one point.
                let angle = if ring == 0 { 0.0 } else { angle };
                if ring < *rings { format!("{:.4}", value(ring as f64 * 0.2, angle)) } else { missing.to_owned() }
            };
            (0..MERIDIANS).map(cell).collect::<Vec<_>>().join(&delimiter.to_string())
        };
        std::iter::once(format!("{header} [{unit}]")).chain((0..RINGS).map(row)).collect()
    });
    File { maps: maps.collect(), preamble, delimiter, end: "\r\n" }
}

impl File {
    fn text(&self) -> String {
        self.preamble.iter().chain(self.maps.iter().flatten()).flat_map(|line| [line.as_str(), self.end]).collect()
    }

    fn cells_of(&mut self, map: &str, ring: usize, edit: impl FnOnce(&mut Vec<String>)) {
        let delimiter = self.delimiter.to_string();
        let line = &mut self.map(map)[ring + 1];
        let mut cells: Vec<String> = line.split(&delimiter).map(str::to_owned).collect();
        edit(&mut cells);
        *line = cells.join(&delimiter);
    }

    fn map(&mut self, map: &str) -> &mut Vec<String> {
        self.maps.iter_mut().find(|lines| lines[0].starts_with(map)).unwrap()
    }
}

fn new_file() -> File {
    sample(';', 32, "-1000.0000")
}

/// Reads a damaged copy of the file: its issues and the columns that are not as in the undamaged one.
fn fault(edit: impl FnOnce(&mut File)) -> (Vec<IssueCode>, Vec<String>, RecordBatch) {
    let good = read(&MS39, new_file().text().as_bytes()).0;
    let mut file = new_file();
    edit(&mut file);
    let (batch, reading) = read(&MS39, file.text().as_bytes());
    (codes(&reading, 0), differing(&good, &batch), batch)
}

/// Expects one issue, and that nothing but the named columns changes.
fn expect(issue: IssueCode, changed: &[&str], edit: impl FnOnce(&mut File)) -> RecordBatch {
    let (issues, columns, batch) = fault(edit);
    assert_eq!(issues, [issue]);
    assert_eq!(columns, changed);
    batch
}

#[test]
fn the_layout_is_sound() {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    assert_eq!(layout.maps.len(), 16);
    assert_eq!(
        layout.versions.iter().map(|v| (v.name.as_str(), v.preamble.len())).collect::<Vec<_>>(),
        [("2025", 32), ("2023", 27)]
    );
    for (map, (header, ..)) in layout.maps.iter().zip(MAPS) {
        assert_eq!(map.header, header);
    }
    let mut names: Vec<&str> =
        layout.maps.iter().flat_map(|map| map.aliases.iter().chain([&map.header])).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 17);
}

#[test]
fn every_cell_of_a_whole_file_is_read() {
    let (batch, reading) = read(&MS39, new_file().text().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("2025"));
    for (_, _, column, rings, value) in MAPS {
        let cells = cells(&batch, column, 0).unwrap();
        for ring in 0..RINGS {
            for meridian in 0..MERIDIANS {
                let angle = if ring == 0 { 0.0 } else { meridian as f64 * std::f64::consts::TAU / 256.0 };
                let expected = (ring < rings).then(|| format!("{:.4}", value(ring as f64 * 0.2, angle)).parse::<f64>().unwrap());
                assert_eq!(cells[ring * MERIDIANS + meridian], expected, "{column} {ring} {meridian}");
            }
        }
    }
    assert_eq!(text(&batch, "eye", 0).as_deref(), Some("OD"));
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    assert_eq!(day(&batch, "patient_birth_date", 0).as_deref(), Some("1990-07-14"));
    assert_eq!(text(&batch, "patient_last_name", 0).as_deref(), Some("DÉMO"));
    assert_eq!(text(&batch, "patient_sex", 0).as_deref(), Some("F"));
    assert_eq!(number(&batch, "pupil_center_x_mm", 0), Some(-0.12));
    assert_eq!(number(&batch, "sim_k_steep_radius_mm", 0), Some(7.61));
    assert_eq!(number(&batch, "sim_k_flat_axis_deg", 0), Some(12.5));
    let subject = &reading.subjects[0];
    assert_eq!(subject.patient.as_deref(), Some("P0000000001"));
    assert_eq!(subject.eye, Some(Eye::Od));
    assert_eq!(subject.exam_date.unwrap().to_string(), "2024-03-26");
    let preamble = batch.column_by_name("preamble").unwrap().as_map().value(0);
    // 32 lines, of which one is a separator.
    assert_eq!(preamble.len(), 31);
}

/// Keys that nobody knows, keys that stand twice with two values, and lines that are no pairs: all are kept.
#[test]
fn every_line_of_the_preamble_is_kept() {
    let mut file = new_file();
    let more = ["Keratoscope_Gain;1;2;3;", "Exam_Eye;OS", "Exam_Eye;OD", "Exported by the archive", "Without_Value;"];
    file.preamble.extend(more.map(str::to_owned));
    let (batch, reading) = read(&MS39, file.text().as_bytes());
    // Which of the two eyes it was must not be chosen.
    assert_eq!(codes(&reading, 0), [ValuesDisagree, EyeMissing]);
    assert_eq!(text(&batch, "eye", 0), None);
    let preamble = batch.column_by_name("preamble").unwrap().as_map().value(0);
    let column = |at: usize| preamble.column(at).as_string::<i32>().iter().map(|text| text.unwrap().to_owned());
    let pairs: Vec<(String, String)> = column(0).zip(column(1)).collect();
    let has = |key: &str, value: &str| pairs.contains(&(key.to_owned(), value.to_owned()));
    assert!(has("Keratoscope_Gain", "1;2;3") && has("Without_Value", "") && has("Exported by the archive", ""), "{pairs:?}");
    assert!(has("Exam_Eye", "OD") && has("Exam_Eye (2)", "OS"), "{pairs:?}");
    let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), pairs.len(), "a key stands once in a map");
}

#[test]
fn harmless_variants_change_nothing_and_are_no_issues() {
    let good = read(&MS39, new_file().text().as_bytes()).0;
    let same = |bytes: Vec<u8>, what: &str| {
        let (batch, reading) = read(&MS39, &bytes);
        assert_eq!(codes(&reading, 0), [], "{what}");
        // `preamble` keeps the lines as they are; with an eye in lower case it must differ.
        let changed: Vec<String> = differing(&good, &batch).into_iter().filter(|column| column != "preamble").collect();
        assert_eq!(changed, Vec::<String>::new(), "{what}");
        assert_eq!(MS39.recognises(&Sample { head: &bytes[..16_384], size: bytes.len() as u64 }), Confidence::Certain, "{what}");
    };
    let text = new_file().text();
    same([b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat(), "byte order mark");
    same(text.chars().map(|c| u32::from(c) as u8).collect(), "Windows-1252");
    same(text.replace("\r\n", "\n").into_bytes(), "LF");
    same(text.replace("\r\n", "\r\r\n").into_bytes(), "CR CR LF");
    same(text.replace("\r\n", "\n\n").into_bytes(), "double spacing");
    same(text.trim_end().as_bytes().to_vec(), "no end of line at the end");
    same(text.replace("[um]", "[µm]").into_bytes(), "micro sign");
    same(text.replace("[um]", "[µm]").chars().map(|c| u32::from(c) as u8).collect(), "micro sign in Windows-1252");
    same(text.replace("EpitelialThickness", "EpithelialThickness").into_bytes(), "right spelling");
    same(text.replace("Exam_Eye;OD", "Exam_Eye;od").into_bytes(), "eye in lower case");
    same(text.replace("-1000.0000", "-1000").into_bytes(), "short sentinel");
    same(text.replace("\r\n", ";\r\n").into_bytes(), "delimiter at the end of lines");
    same(
        text.encode_utf16().flat_map(u16::to_le_bytes).fold(vec![0xFF, 0xFE], |mut all, byte| {
            all.push(byte);
            all
        }),
        "UTF-16",
    );
    same(text.encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16 without a mark");
    same(text.encode_utf16().flat_map(u16::to_be_bytes).collect(), "UTF-16, the large byte first, without a mark");
    same(text.replace("\r\n", "\r").into_bytes(), "CR");
    let mut padded = new_file();
    for map in &mut padded.maps {
        map.push(map[RINGS].clone());
    }
    same(padded.text().into_bytes(), "32 rows");
    let (commas, reading) = read(&MS39, sample(',', 32, "-1000").text().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(differing(&good, &commas), Vec::<String>::new());
    let decimal_commas: String =
        text.split_inclusive('\n')
            .map(|line| {
                if line.starts_with(|c: char| c.is_ascii_digit() || c == '-') { line.replace('.', ",") } else { line.to_owned() }
            })
            .collect();
    same(decimal_commas.into_bytes(), "decimal comma");
}

#[test]
fn preambles_of_any_length_are_read() {
    for lines in [27, 32, 33, 60] {
        let (batch, reading) = read(&MS39, sample(';', lines, "-1000").text().as_bytes());
        assert_eq!(codes(&reading, 0), [], "{lines}");
        assert_eq!(reading.layout.as_deref(), Some(if lines == 27 { "2023" } else { "2025" }));
        assert_eq!(number(&batch, "sim_k_flat_radius_mm", 0), (lines > 27).then_some(7.85));
        assert!(cells(&batch, "anterior_chamber_depth_mm", 0).is_some());
    }
}

#[test]
fn some_maps_are_read_as_if_all_were() {
    let bytes = new_file().text().into_bytes();
    let all = read(&MS39, &bytes).0;
    for names in [
        vec!["corneal_thickness_um"],
        vec!["sagittal_anterior_mm", "eye"],
        vec!["patient_number"],
        vec![],
        vec!["elevation_stromal_mm", "elevation_stromal_mm"],
    ] {
        let some = project(&MS39, &bytes, &names);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(some.column(index), all.column_by_name(name).unwrap(), "{name}");
        }
    }
}

#[test]
fn a_missing_map_is_named() {
    expect(MapMissing, &["elevation_stromal_mm"], |file| {
        file.maps.remove(11);
    });
    let (issues, columns, _) = fault(|file| {
        file.maps.drain(9..12);
    });
    assert_eq!(issues, [MapMissing; 3]);
    assert_eq!(columns, ["elevation_anterior_mm", "elevation_posterior_mm", "elevation_stromal_mm"]);
}

#[test]
fn an_empty_map_is_null() {
    let batch = expect(MapEmpty, &["sagittal_posterior_mm"], |file| {
        for line in &mut file.map("SagittalPosterior")[1..] {
            *line = vec!["-1000"; MERIDIANS].join(";");
        }
    });
    assert_eq!(cells(&batch, "sagittal_posterior_mm", 0), None);
}

#[test]
fn a_missing_inner_ring_shifts_no_radius() {
    let good = read(&MS39, new_file().text().as_bytes()).0;
    let batch = expect(RingMissing, &["elevation_anterior_mm"], |file| {
        file.map("ElevationAnterior")[4] = vec!["-1000"; MERIDIANS].join(";");
    });
    let (cells, good) = (cells(&batch, "elevation_anterior_mm", 0).unwrap(), cells(&good, "elevation_anterior_mm", 0).unwrap());
    assert!(cells[3 * MERIDIANS..4 * MERIDIANS].iter().all(Option::is_none));
    assert_eq!(cells[4 * MERIDIANS..], good[4 * MERIDIANS..]);
    assert_eq!(cells[..3 * MERIDIANS], good[..3 * MERIDIANS]);
    let batch = expect(RowTruncated, &["elevation_anterior_mm"], |file| file.map("ElevationAnterior")[4].clear());
    assert_eq!(super::super::testing::cells(&batch, "elevation_anterior_mm", 0).unwrap()[4 * MERIDIANS..], good[4 * MERIDIANS..]);
}

#[test]
fn missing_centre_and_outer_rings_are_normal() {
    let (issues, columns, _) = fault(|file| {
        file.cells_of("CornealThickness", 0, |cells| cells[0] = "-1000".into());
        file.map("TangentialAnterior")[26] = vec!["-1000"; MERIDIANS].join(";");
    });
    assert_eq!(issues, []);
    assert_eq!(columns, ["tangential_anterior_mm", "corneal_thickness_um"]);
}

#[test]
fn short_and_long_rows() {
    let batch =
        expect(RowTruncated, &["gaussian_anterior_mm"], |file| file.cells_of("GaussianAnterior", 7, |cells| cells.truncate(200)));
    let ring: Vec<bool> =
        cells(&batch, "gaussian_anterior_mm", 0).unwrap()[7 * MERIDIANS..8 * MERIDIANS].iter().map(Option::is_some).collect();
    assert_eq!(ring.iter().filter(|present| **present).count(), 200);
    assert!(ring[199] && !ring[200]);
    expect(CellsExtra, &[], |file| file.cells_of("GaussianAnterior", 7, |cells| cells.push("7.9".into())));
    expect(CellsExtra, &[], |file| {
        let map = file.map("GaussianAnterior");
        let last = map[RINGS].clone();
        map.extend([last.clone(), last]);
    });
    expect(RingsUnplaced, &["gaussian_anterior_mm"], |file| {
        file.map("GaussianAnterior").remove(21);
    });
}

#[test]
fn many_missing_cells() {
    let wipe = |part: usize| {
        move |file: &mut File| {
            for ring in 1..26 {
                file.cells_of("StromalThickness", ring, |cells| {
                    cells.iter_mut().take(part).for_each(|cell| *cell = "-1000".into())
                });
            }
        }
    };
    expect(CellsMissing, &["stromal_thickness_um"], wipe(120));
    let (issues, ..) = fault(wipe(90));
    assert_eq!(issues, []);
}

#[test]
fn cells_that_are_no_numbers_or_impossible_are_missing() {
    for (token, issue) in [
        ("abc", CellUnreadable),
        ("NaN", CellUnreadable),
        ("7.8.1", CellUnreadable),
        ("1e2x", CellUnreadable),
        ("0.2000", CellOutOfRange),
        ("780.0000", CellOutOfRange),
        ("-7.8000", CellOutOfRange),
    ] {
        for meridian in [0, 100, 255] {
            let batch = expect(issue, &["sagittal_anterior_mm"], |file| {
                file.cells_of("SagittalAnterior", 3, |cells| cells[meridian] = token.into())
            });
            let cells = cells(&batch, "sagittal_anterior_mm", 0).unwrap();
            assert_eq!(
                cells
                    .iter()
                    .enumerate()
                    .filter(|(at, cell)| cell.is_none() && *at < 26 * MERIDIANS)
                    .map(|(at, _)| at)
                    .collect::<Vec<_>>(),
                [3 * MERIDIANS + meridian],
                "{token}"
            );
        }
    }
    // An empty cell is missing without being wrong, and unusual spellings of numbers are numbers.
    let (issues, columns, _) = fault(|file| file.cells_of("SagittalAnterior", 3, |cells| cells[9].clear()));
    assert_eq!((issues, columns), (vec![], vec!["sagittal_anterior_mm".to_owned()]));
    let (issues, _, batch) = fault(|file| {
        file.cells_of("SagittalAnterior", 3, |cells| {
            cells[1] = " 7.25 ".into();
            cells[2] = "+7.123456789".into();
            cells[3] = "7".into();
            cells[4] = "7.5e0".into();
        });
    });
    assert_eq!(issues, []);
    let ring = &cells(&batch, "sagittal_anterior_mm", 0).unwrap()[3 * MERIDIANS..];
    assert_eq!(ring[1..5], [Some(7.25), Some(7.123_456_789), Some(7.0), Some(7.5)]);
}

#[test]
fn a_constant_map_and_layers_that_disagree() {
    expect(MapConstant, &["anterior_chamber_depth_mm"], |file| {
        for line in &mut file.map("AnteriorChamberDepth")[1..=20] {
            *line = vec!["3.1000"; MERIDIANS].join(";");
        }
        for line in &mut file.map("AnteriorChamberDepth")[21..] {
            *line = vec!["-1000"; MERIDIANS].join(";");
        }
    });
    let lift = |rings: usize| {
        move |file: &mut File| {
            for ring in 0..rings {
                file.cells_of("EpitelialThickness", ring, |cells| {
                    for cell in cells {
                        *cell = format!("{:.4}", cell.parse::<f64>().unwrap() + 3.5);
                    }
                });
            }
        }
    };
    expect(LayersDisagree, &["epithelial_thickness_um"], lift(3));
    // 26 rings of which one differs are less than 5 %.
    let (issues, ..) = fault(lift(1));
    assert_eq!(issues, []);
}

#[test]
fn a_file_that_ends_early() {
    let whole = new_file().text();
    let good = read(&MS39, whole.as_bytes()).0;
    let header = |name: &str| whole.find(name).unwrap();
    for cut in [
        header("StromalThickness") + 3,
        header("StromalThickness") + 23,
        header("StromalThickness") + 9000,
        header("EpitelialThickness") - 300,
    ] {
        let (batch, reading) = read(&MS39, &whole.as_bytes()[..cut]);
        if cut == header("StromalThickness") + 3 {
            assert_eq!(codes(&reading, 0), [MapMissing; 3]);
        } else {
            assert_eq!(codes(&reading, 0), [FileTruncated], "{cut}");
        }
        let changed = differing(&good, &batch);
        assert!(
            changed.iter().all(|column| ["stromal_thickness_um", "epithelial_thickness_um", "anterior_chamber_depth_mm"]
                .contains(&column.as_str())),
            "{changed:?}"
        );
    }
    // The number that was cut is not taken for a whole one.
    let cut = header("SagittalAnterior [") + "SagittalAnterior [mm]\r\n7.8500;7.8500;7.85".len();
    let (batch, reading) = read(&MS39, &whole.as_bytes()[..cut]);
    assert_eq!(codes(&reading, 0), [FileTruncated]);
    assert_eq!(cells(&batch, "sagittal_anterior_mm", 0).unwrap()[..4], [Some(7.85), Some(7.85), None, None]);
    let (_, reading) = read(&MS39, &whole.as_bytes()[..whole.len() - 4]);
    assert_eq!(codes(&reading, 0), [FileTruncated]);
}

#[test]
fn files_without_measurements() {
    let only = |bytes: &[u8], issue: IssueCode| {
        let (batch, reading) = read(&MS39, bytes);
        assert_eq!((reading.rows, codes(&reading, 0)[0]), (1, issue));
        batch
    };
    only(b"", FileEmpty);
    only(b"\r\n  \r\n", FileEmpty);
    only(b"PK\x03\x04\0\0\0", FileUnreadable);
    only(b"a;b;c\r\n1;2;3\r\n", LayoutUnknown);
    let batch = only(new_file().preamble.join("\r\n").as_bytes(), DataAbsent);
    assert_eq!(text(&batch, "patient_number", 0).as_deref(), Some("P0000000001"));
    let headers: Vec<String> = new_file().maps.iter().map(|map| map[0].clone()).collect();
    only([new_file().preamble, headers].concat().join("\r\n").as_bytes(), DataAbsent);
}

#[test]
fn identity_that_is_missing_or_damaged() {
    let replace = |line: usize, text: &'static str| move |file: &mut File| file.preamble[line] = text.to_owned();
    expect(EyeMissing, &["eye", "preamble"], replace(6, "Exam_Eye;"));
    expect(EyeUnreadable, &["eye", "preamble"], replace(6, "Exam_Eye;3"));
    expect(PatientMissing, &["patient_number", "preamble"], replace(0, "Patient_ID;  "));
    expect(DateMissing, &["exam_date", "preamble"], replace(7, "Exam_Scan_Date;"));
    expect(DateUnreadable, &["exam_date", "preamble"], replace(7, "Exam_Scan_Date;31/02/2024"));
    expect(DateUnreadable, &["patient_birth_date", "preamble"], replace(3, "Patient_Date_of_Birth;?"));
    expect(NumberUnreadable, &["pupil_center_x_mm", "preamble"], replace(8, "PupilCX;left"));
    expect(ValueOutOfRange, &["pupil_center_x_mm", "preamble"], replace(8, "PupilCX;12"));
    expect(ColumnMissing, &["sim_k_flat_axis_deg", "preamble"], replace(11, "Other;1"));
    let (issues, ..) = fault(replace(8, "PupilCX;-1000"));
    assert_eq!(issues, []);
}

#[test]
fn day_and_month_follow_the_dates_of_the_file() {
    let dates = |birth: &str, exam: &str| {
        let mut file = new_file();
        file.preamble[3] = format!("Patient_Date_of_Birth;{birth}");
        file.preamble[7] = format!("Exam_Scan_Date;{exam}");
        let (batch, reading) = read(&MS39, file.text().as_bytes());
        (day(&batch, "exam_date", 0).unwrap(), codes(&reading, 0))
    };
    assert_eq!(dates("14/07/1990", "06/03/2024"), ("2024-03-06".to_owned(), vec![]));
    assert_eq!(dates("07/14/1990", "06/03/2024"), ("2024-06-03".to_owned(), vec![]));
    assert_eq!(dates("03/04/1990", "06/03/2024"), ("2024-03-06".to_owned(), vec![]));
    assert_eq!(dates("1990-07-14", "2024-03-06"), ("2024-03-06".to_owned(), vec![]));
}

#[test]
fn unknown_and_repeated_maps_are_notes() {
    let (issues, columns, _) = fault(|file| {
        let mut map = file.maps[0].clone();
        map[0] = "EctasiaProbability [%]".into();
        file.maps.insert(3, map);
    });
    assert_eq!((issues, columns), (vec![MapUnknown], vec![]));
    let (issues, columns, _) = fault(|file| {
        let map = file.maps[0].clone();
        file.maps.push(map);
    });
    assert_eq!((issues, columns), (vec![MapUnknown], vec![]));
    let (issues, ..) = fault(|file| {
        let mut map = file.maps[0].clone();
        map[0] = "EctasiaProbability [%]".into();
        file.maps.insert(0, map);
    });
    assert_eq!(issues, [MapUnknown]);
}

#[test]
fn names_stay_out_of_issues() {
    let mut file = new_file();
    file.preamble[3] = "Patient_Date_of_Birth;DÉMO".into();
    file.preamble[6] = "Exam_Eye;ZOÉ".into();
    file.preamble[8] = "PupilCX;DÉMO".into();
    let (_, reading) = read(&MS39, file.text().as_bytes());
    assert_eq!(reading.issues[0].len(), 3);
    assert!(reading.issues[0].iter().all(|issue| !issue.detail.contains("DÉMO") && !issue.detail.contains("ZOÉ")));
}

/// One exam whose maps are filled from `seed`, with values that have four decimals.
fn random_exam(seed: u64) -> RecordBatch {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    let good = read(&MS39, sample(';', 32, "-1000").text().as_bytes()).0;
    let mut next = draws(seed);
    let columns: Vec<ArrayRef> = good
        .schema()
        .fields()
        .iter()
        .zip(good.columns())
        .map(|(field, column)| {
            let Some(map) = layout.maps.iter().find(|map| &map.column == field.name()) else { return Arc::clone(column) };
            let (low, high) = ((map.range.0 * 1e4) as i64, (map.range.1 * 1e4) as i64);
            let cells: Vec<Option<f64>> = (0..RINGS * MERIDIANS)
                .map(|_| (next() % 5 != 0).then(|| (low + next() % (high - low + 1)) as f64 / 1e4))
                .collect();
            let item = arrow::datatypes::Field::new_list_field(arrow::datatypes::DataType::Float64, true);
            Arc::new(arrow::array::FixedSizeListArray::new(
                Arc::new(item),
                7936,
                Arc::new(arrow::array::Float64Array::from(cells)),
                None,
            )) as ArrayRef
        })
        .collect();
    RecordBatch::try_new(good.schema(), columns).unwrap()
}

#[test]
fn the_writer_keeps_to_the_layout() {
    let exam = random_exam(1);
    for (name, lines, delimiter) in [("2023", 27, b','), ("2025", 32, b';')] {
        let bytes = MS39.write(NAME, &exam, name).unwrap();
        let lines_written: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        assert_eq!(lines_written.len(), lines + 16 * 32 + 1);
        assert!(lines_written[lines].starts_with(b"SagittalAnterior [mm]\r"));
        assert_eq!(lines_written[lines + 1].iter().filter(|b| **b == delimiter).count(), 255);
        assert!(bytes.ends_with(b"\r\n"));
    }
    // The fixed line numbers with which people read the older export: 28 lines left out before the first map, 60 before the second.
    let old = MS39.write(NAME, &exam, "2023").unwrap();
    let lines: Vec<&[u8]> = old.split(|b| *b == b'\n').collect();
    for (map, (header, ..)) in MAPS.into_iter().enumerate() {
        let skip = 28 + 32 * map;
        assert!(lines[skip - 1].starts_with(header.as_bytes()), "{header}");
        assert!(lines[skip..skip + 31].iter().all(|row| row.split(|b| *b == b',').count() == 256), "{header}");
    }
    assert!(old.windows(6).any(|w| w == b"D\xc9MO\r\n"), "Windows-1252");
    let error = MS39.write(NAME, &exam, "1999").unwrap_err().to_string();
    assert!(error.contains("1999") && error.contains("2025"), "{error}");
    assert!(MS39.write("corvis_st", &exam, "2025").is_err());
    assert!(MS39.write(NAME, &exam.project(&[0, 1]).unwrap(), "2025").unwrap_err().to_string().contains("patient_number"));
    assert!(MS39.write(NAME, &exam.slice(0, 0), "2025").is_err());
}

#[test]
fn nulls_are_written_as_missing() {
    let table = only_table(&MS39);
    let nulls = table.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    let exam = RecordBatch::try_new(table.schema.clone(), nulls).unwrap();
    let (batch, reading) = read(&MS39, &MS39.write(NAME, &exam, "2025").unwrap());
    assert_eq!(codes(&reading, 0)[..16], [MapEmpty; 16]);
    assert!(
        batch.columns().iter().zip(table.schema.fields()).all(|(column, field)| column.is_null(0) || field.name() == "preamble")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read(seed: u64) {
        let exam = random_exam(seed);
        for name in ["2023", "2025"] {
            let (batch, _) = read(&MS39, &MS39.write(NAME, &exam, name).unwrap());
            let lost: &[&str] = if name == "2023" { &["sim_k_flat_radius_mm", "sim_k_flat_axis_deg", "sim_k_steep_radius_mm", "sim_k_steep_axis_deg", "preamble"] } else { &["preamble"] };
            prop_assert_eq!(differing(&exam, &batch), lost);
        }
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        let good = new_file().text();
        read(&MS39, &damaged(good.as_bytes(), &damage));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        read(&MS39, &bytes);
    }

    #[test]
    fn any_lines_are_read_without_panic(lines in prop::collection::vec("(Patient_ID|PupilCX|CornealThickness \\[um\\]|[-0-9.;,]{0,80}|[A-Za-z]{1,6} \\[mm\\]|#+|)", 0..60), end in "\r?\n") {
        read(&MS39, lines.join(&end).as_bytes());
    }
}
