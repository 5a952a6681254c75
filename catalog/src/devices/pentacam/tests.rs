//! Tests of the Pentacam's grids. The sample files are put together here with the standard library, line by line as real exports
//! look, so that they do not depend on the writer; every number in them is made up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handled;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Schema};
use proptest::prelude::*;

use super::super::layout;
use super::super::testing::{cells, codes, damage, damaged, day, differing, draws, number, only_table, project, read, text};
use super::{KIND, Layout, NAME, Pentacam};
use crate::device::{Confidence, Device, Eye, Sample};
use crate::issue::IssueCode::{self, *};

const SIZE: usize = 141;

/// Radii of a cornea that is steepest at (0.4, −1.3) mm, one every 0.1 mm of a disc of 5 mm.
fn radius(x: f64, y: f64) -> f64 {
    7.2 + 0.03 * ((x - 0.4).powi(2) + (y + 1.3).powi(2))
}

fn posterior(x: f64, y: f64) -> f64 {
    6.2 + 0.04 * (x * x + y * y)
}

/// Height in µm below the apex.
fn height(x: f64, y: f64) -> f64 {
    (x * x + y * y) / 2.0 / 7.7 * 1000.0
}

/// Thickness in µm, thinnest at (−0.5, −0.3) mm.
fn thickness(x: f64, y: f64) -> f64 {
    485.0 + 12.0 * ((x + 0.5).powi(2) + (y + 0.3).powi(2))
}

type Surface = fn(f64, f64) -> f64;

/// The lines of a file, editable.
#[derive(Clone)]
struct File {
    /// One line of coordinates and the rows, for each grid.
    grids: Vec<Vec<String>>,
    header: Vec<String>,
}

fn coordinate(at: usize) -> f64 {
    (at as f64 - 70.0) / 10.0
}

fn grid(label: &str, decimals: usize, surface: Surface) -> Vec<String> {
    let axis: String = (0..SIZE).map(|at| format!("{:.3};", coordinate(at))).collect();
    let row = |row: usize| {
        let y = -coordinate(row);
        let cell = |column: usize| {
            let x = coordinate(column);
            if x.hypot(y) < 5.0 { format!("{:.decimals$};", surface(x, y)) } else { ";".to_owned() }
        };
        format!("{y:.3};") + &(0..SIZE).map(cell).collect::<String>()
    };
    std::iter::once(format!("{label};{axis}")).chain((0..SIZE).map(row)).collect()
}

fn header(eye: &str) -> Vec<String> {
    let mut lines: Vec<String> = [
        "[SYSTEM];;",
        "Name;Pentacam;",
        "Version;1.16r96;",
        "SerialNo;0000  0000;",
        "Registered User;...;",
        "File Date;19-07-2024;",
        "Matrixsize X;141;",
        "Matrixsize Y;141;",
        "Matrix-Res. X/Y;100;",
        "",
        "[PATIENT];;",
        "LastName;DÉMO;",
        "FirstName;ZOÉ;",
        "Eye;EYE;",
        "DateOfBirth;14-07-1990;",
        "Sex;...;",
        "PatientID;P0000000001;",
        "",
        "[EXAMINATION];;",
        "Date;26-03-2024;",
        "Time;15:27;",
        "Surgeon;...;",
        "OP;...;",
        "TestNo;...;",
        "Comments;...;",
        "Max. Diameter;10.00;",
        "",
        "[GENERAL DATA];;",
        "Cornea Front Rh;7.70;",
        "Cornea Front Rv;7.16;",
        "Cornea Front Axis;40.1;",
        "Cornea Front Astig;3.3;",
        "Cornea Front Exz;-0.59;",
        "Pachy Apex;489;",
        "Pachy Min;485;",
        "Pachy Min X;-0.49;",
        "Pachy Min Y;-0.35;",
        "Chamber Height;3.24;",
        "Chamber Angle;41.57;",
        "KKS;# 2;",
        "QS Status;3D Model Deviation !;",
        "QS Error;1;",
        "K Max (Front);46.87;",
        "K Max X (Front);0.42;",
        "K Max Y (Front);-1.32;",
        "",
        "[PUPIL];",
        "Pupil Dia;3.23;",
        "XPupil;83;",
        "YPupil;337;",
        "",
        "X;Y;",
    ]
    .iter()
    .map(|line| line.replace("EYE", eye))
    .collect();
    for point in 0..256 {
        let angle = f64::from(point) * std::f64::consts::TAU / 256.0;
        lines.push(format!("{:.0};{:.0};", 83.0 + 1615.0 * angle.cos(), 337.0 + 1615.0 * angle.sin()));
    }
    lines
}

fn curvature() -> File {
    File { grids: vec![grid("FRONT", 2, radius), grid("BACK", 2, posterior)], header: header("OD") }
}

fn elevation() -> File {
    File { grids: vec![grid("FRONT", 0, height), grid("BACK", 0, |x, y| height(x, y) * 1.2)], header: header("OS") }
}

fn pachymetry() -> File {
    File { grids: vec![grid("", 0, thickness)], header: header("OD") }
}

impl File {
    fn text(&self) -> String {
        self.grids.iter().flatten().chain(&self.header).flat_map(|line| [line.as_str(), "\r\n"]).collect()
    }

    /// Replaces what stands behind a key of the header.
    fn set(&mut self, key: &str, value: &str) {
        let line = self.header.iter_mut().find(|line| line.split(';').next() == Some(key)).unwrap();
        *line = format!("{key};{value};");
    }

    fn drop_key(&mut self, key: &str) {
        self.header.retain(|line| line.split(';').next() != Some(key));
    }

    /// Edits a cell by row and column from the top left.
    fn cell(&mut self, grid: usize, row: usize, column: usize, text: &str) {
        let line = &mut self.grids[grid][row + 1];
        let mut fields: Vec<&str> = line.split(';').collect();
        fields[column + 1] = text;
        *line = fields.join(";");
    }
}

/// Reads a damaged copy of a file: its issues and the columns that are not as in the undamaged one.
fn fault(file: File, edit: impl FnOnce(&mut File)) -> (Vec<IssueCode>, Vec<String>) {
    let good = read(&Pentacam, file.text().as_bytes()).0;
    let mut file = file;
    edit(&mut file);
    let (batch, reading) = read(&Pentacam, file.text().as_bytes());
    (codes(&reading, 0), differing(&good, &batch))
}

/// Expects one issue, and that nothing but the named columns changes.
fn expect(file: File, issue: IssueCode, changed: &[&str], edit: impl FnOnce(&mut File)) {
    let (issues, columns) = fault(file, edit);
    assert_eq!(issues, [issue]);
    assert_eq!(columns, changed);
}

#[test]
fn the_layout_is_sound() {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    assert_eq!((layout.maps.len(), layout.grid.size), (5, SIZE));
    for map in &layout.maps {
        assert!(layout.exports.iter().any(|export| export.name == map.export));
    }
    let mut keys: Vec<&str> = layout.keys.iter().map(|key| key.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), layout.keys.len());
    let table = only_table(&Pentacam);
    let field = table.schema.field_with_name("corneal_thickness_um").unwrap();
    assert_eq!(field.metadata()["ARROW:extension:name"], "placido.raster");
    let json: serde_json::Value = serde_json::from_str(&field.metadata()["ARROW:extension:metadata"]).unwrap();
    assert_eq!(json, serde_json::json!({ "size": 141, "extent_mm": 14.0, "unit": "um" }));
}

fn check_cells(batch: &RecordBatch, column: &str, decimals: usize, surface: Surface) {
    let cells = cells(batch, column, 0).unwrap();
    for row in 0..SIZE {
        for at in 0..SIZE {
            let (x, y) = (coordinate(at), -coordinate(row));
            let expected = (x.hypot(y) < 5.0).then(|| format!("{:.decimals$}", surface(x, y)).parse::<f64>().unwrap());
            assert_eq!(cells[row * SIZE + at], expected, "{column} {x} {y}");
        }
    }
}

#[test]
fn every_cell_and_every_line_of_the_header_is_read() {
    let (batch, reading) = read(&Pentacam, curvature().text().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    assert_eq!(reading.layout.as_deref(), Some("1.16"));
    check_cells(&batch, "sagittal_anterior_mm", 2, radius);
    check_cells(&batch, "sagittal_posterior_mm", 2, posterior);
    assert_eq!(cells(&batch, "elevation_anterior_um", 0), None);
    assert_eq!(cells(&batch, "corneal_thickness_um", 0), None);
    assert_eq!(text(&batch, KIND, 0).as_deref(), Some("curvature"));
    for (column, value) in [
        ("cornea_front_rh_mm", 7.7),
        ("cornea_front_rv_mm", 7.16),
        ("cornea_front_axis_deg", 40.1),
        ("cornea_front_astigmatism_d", 3.3),
        ("cornea_front_exz", -0.59),
        ("pachy_apex_um", 489.0),
        ("pachy_min_x_mm", -0.49),
        ("anterior_chamber_depth_mm", 3.24),
        ("anterior_chamber_angle_deg", 41.57),
        ("qs_error", 1.0),
        ("k_max_front_d", 46.87),
        ("k_max_front_y_mm", -1.32),
        ("pupil_diameter_mm", 3.23),
        ("pupil_center_x_mm", 0.083),
        ("pupil_center_y_mm", 0.337),
        ("max_diameter_mm", 10.0),
    ] {
        assert_eq!(number(&batch, column, 0), Some(value), "{column}");
    }
    assert_eq!(text(&batch, "kks", 0).as_deref(), Some("# 2"));
    assert_eq!(text(&batch, "qs_status", 0).as_deref(), Some("3D Model Deviation !"));
    assert_eq!(text(&batch, "exam_time", 0).as_deref(), Some("15:27"));
    assert_eq!(text(&batch, "patient_last_name", 0).as_deref(), Some("DÉMO"));
    assert_eq!(text(&batch, "patient_sex", 0), None);
    assert_eq!(day(&batch, "exam_date", 0).as_deref(), Some("2024-03-26"));
    assert_eq!(day(&batch, "patient_birth_date", 0).as_deref(), Some("1990-07-14"));
    let x = cells(&batch, "pupil_contour_x_mm", 0).unwrap();
    assert_eq!((x.len(), x[0], x[128]), (256, Some(1.698), Some(-1.532)));
    let subject = &reading.subjects[0];
    assert_eq!((subject.patient.as_deref(), subject.eye), (Some("P0000000001"), Some(Eye::Od)));
    assert_eq!(batch.column_by_name("header").unwrap().as_map().value(0).len(), 41);

    let (batch, reading) = read(&Pentacam, elevation().text().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    check_cells(&batch, "elevation_anterior_um", 0, height);
    assert_eq!(text(&batch, KIND, 0).as_deref(), Some("elevation"));
    assert_eq!(text(&batch, "eye", 0).as_deref(), Some("OS"));
    let (batch, reading) = read(&Pentacam, pachymetry().text().as_bytes());
    assert_eq!(codes(&reading, 0), []);
    check_cells(&batch, "corneal_thickness_um", 0, thickness);
    assert_eq!(text(&batch, KIND, 0).as_deref(), Some("pachymetry"));
}

/// Superior is the first row and the examiner's left the first column, wherever the file begins.
#[test]
fn files_written_from_another_corner_give_the_same_grid() {
    for file in [curvature(), pachymetry()] {
        let good = read(&Pentacam, file.text().as_bytes()).0;
        let mut upside_down = file.clone();
        for grid in &mut upside_down.grids {
            grid[1..].reverse();
        }
        let mut mirrored = file.clone();
        for line in mirrored.grids.iter_mut().flatten() {
            let mut fields: Vec<&str> = line.trim_end_matches(';').split(';').collect();
            fields.resize(SIZE + 1, "");
            fields[1..].reverse();
            *line = fields.join(";") + ";";
        }
        for other in [upside_down, mirrored] {
            let (batch, reading) = read(&Pentacam, other.text().as_bytes());
            assert_eq!(codes(&reading, 0), []);
            assert_eq!(differing(&good, &batch), Vec::<String>::new());
        }
    }
}

/// Points between two digits as commas, but in the version of the software.
fn with_decimal_commas(text: &str) -> String {
    let line = |line: &str| {
        let digit = |at: Option<usize>| at.and_then(|at| line.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
        let mark =
            |at: usize, c: char| c == '.' && digit(at.checked_sub(1)) && digit(Some(at + 1)) && !line.starts_with("Version");
        line.char_indices().map(|(at, c)| if mark(at, c) { ',' } else { c }).collect::<String>()
    };
    text.split_inclusive('\n').map(line).collect()
}

#[test]
fn harmless_variants_change_nothing_and_are_no_issues() {
    for file in [curvature(), elevation(), pachymetry()] {
        let text = file.text();
        let good = read(&Pentacam, text.as_bytes()).0;
        let same = |bytes: Vec<u8>, what: &str| {
            let (batch, reading) = read(&Pentacam, &bytes);
            assert_eq!(codes(&reading, 0), [], "{what}");
            let changed: Vec<String> = differing(&good, &batch).into_iter().filter(|column| column != "header").collect();
            assert_eq!(changed, Vec::<String>::new(), "{what}");
            let sample = Sample { head: &bytes[..16_384], size: bytes.len() as u64 };
            assert_eq!(Pentacam.recognises(&sample), Confidence::Certain, "{what}");
        };
        same([b"\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat(), "byte order mark");
        same(text.chars().map(|c| u32::from(c) as u8).collect(), "Windows-1252");
        same(text.replace("\r\n", "\n").into_bytes(), "LF");
        same(text.replace("\r\n", "\r\r\n").into_bytes(), "CR CR LF");
        same(text.replace("\r\n", "\n\n").into_bytes(), "double spacing");
        same(text.replace(";\r\n", "\r\n").into_bytes(), "no delimiter at the end of lines");
        same(text.replace(';', "\t").into_bytes(), "tabs");
        same(text.replace(';', ",").into_bytes(), "commas");
        same(with_decimal_commas(&text).into_bytes(), "decimal comma");
        same(text.replace("Eye;O", "Eye;o").into_bytes(), "eye in another case");
        same(text.replace("FRONT", "Front").replace("BACK", "Back").into_bytes(), "labels in another case");
        same(text.trim_end().as_bytes().to_vec(), "no end of line at the end");
        let header_first = File { grids: vec![file.header.clone()], header: file.grids.concat() };
        same(header_first.text().into_bytes(), "header above the grids");
        same(
            text.encode_utf16().flat_map(u16::to_le_bytes).fold(vec![0xFF, 0xFE], |mut all, byte| {
                all.push(byte);
                all
            }),
            "UTF-16",
        );
    }
}

#[test]
fn some_columns_are_read_as_if_all_were() {
    let bytes = curvature().text().into_bytes();
    let all = read(&Pentacam, &bytes).0;
    for names in [vec!["sagittal_posterior_mm"], vec!["eye", "k_max_front_d"], vec!["pupil_contour_y_mm"], vec![]] {
        let some = project(&Pentacam, &bytes, &names);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(some.column(index), all.column_by_name(name).unwrap(), "{name}");
        }
    }
}

#[test]
fn faults_of_grids_are_flagged_and_nothing_else_changes() {
    const THICKNESS: &[&str] = &["corneal_thickness_um"];
    expect(pachymetry(), CellUnreadable, THICKNESS, |file| file.cell(0, 60, 60, "4x9"));
    expect(pachymetry(), CellOutOfRange, THICKNESS, |file| file.cell(0, 60, 60, "9999"));
    expect(pachymetry(), RowTruncated, THICKNESS, |file| {
        let line = &mut file.grids[0][62];
        *line = line.split(';').take(80).collect::<Vec<_>>().join(";");
    });
    expect(pachymetry(), CellsExtra, &[], |file| file.grids[0][62].push_str("500;"));
    // A row that is not there leaves a gap: the rows below stay where they are.
    expect(pachymetry(), RowTruncated, THICKNESS, |file| drop(file.grids[0].remove(50)));
    let mut file = pachymetry();
    file.grids[0].remove(50);
    let batch = read(&Pentacam, file.text().as_bytes()).0;
    let cells = cells(&batch, "corneal_thickness_um", 0).unwrap();
    let (x, y) = (coordinate(70), -coordinate(50));
    assert!(cells[49 * SIZE..50 * SIZE].iter().all(Option::is_none));
    assert_eq!(cells[50 * SIZE + 70], Some(format!("{:.0}", thickness(x, y)).parse().unwrap()));
    expect(pachymetry(), CellUnreadable, THICKNESS, |file| file.grids[0][62] = file.grids[0][62].replacen("0.900", "oops", 1));
    expect(curvature(), MapMissing, &["sagittal_posterior_mm"], |file| drop(file.grids.remove(1)));
    expect(curvature(), MapUnknown, &[], |file| file.grids.push(grid("MIDDLE", 2, radius)));
    expect(curvature(), MapUnknown, &[], |file| file.grids.push(grid("BACK", 2, radius)));
    expect(curvature(), MapEmpty, &["sagittal_posterior_mm"], |file| {
        file.grids[1] = grid("BACK", 2, |_, _| f64::NAN).iter().map(|line| line.replace("NaN", "")).collect()
    });
    expect(curvature(), MapConstant, &["sagittal_posterior_mm"], |file| file.grids[1] = grid("BACK", 2, |_, _| 6.2));
    expect(curvature(), CellsMissing, &["sagittal_posterior_mm"], |file| {
        for row in 40..72 {
            let line = &mut file.grids[1][row + 1];
            let label = line.split(';').next().unwrap().to_owned();
            *line = label + &";".repeat(SIZE + 1);
        }
    });
    // A grid of another step is not squeezed into this one.
    expect(curvature(), LayoutUnknown, &["sagittal_posterior_mm"], |file| {
        file.grids[1][0] =
            "BACK;".to_owned() + &(0..SIZE).map(|at| format!("{:.3};", coordinate(at) / 2.0 + 0.03)).collect::<String>();
    });
}

#[test]
fn grids_that_are_not_what_the_header_states() {
    let disagree =
        |file: File, changed: &[&str], edit: &dyn Fn(&mut File)| expect(file, HeaderDisagrees, changed, |file| edit(file));
    disagree(pachymetry(), &["pachy_apex_um", "header"], &|file| file.set("Pachy Apex", "470"));
    disagree(pachymetry(), &["pachy_min_um", "header"], &|file| file.set("Pachy Min", "470"));
    disagree(pachymetry(), &["pachy_min_x_mm", "header"], &|file| file.set("Pachy Min X", "0.49"));
    disagree(pachymetry(), &["pachy_min_x_mm", "header"], &|file| file.set("Pachy Min X", "6.90"));
    disagree(curvature(), &["k_max_front_d", "header"], &|file| file.set("K Max (Front)", "47.9"));
    disagree(curvature(), &["k_max_front_y_mm", "header"], &|file| file.set("K Max Y (Front)", "1.32"));
    disagree(curvature(), &["cornea_front_astigmatism_d", "header"], &|file| file.set("Cornea Front Astig", "1.0"));
    disagree(elevation(), &["elevation_posterior_um"], &|file| file.grids[1] = grid("BACK", 0, |x, y| height(x, y) + 480.0));
    // Rounded differently in grid and header.
    let (issues, _) = fault(pachymetry(), |file| file.set("Pachy Min", "486"));
    assert_eq!(issues, []);
    // What the header does not state is not compared.
    let (issues, _) = fault(pachymetry(), |file| file.set("Pachy Min", "..."));
    assert_eq!(issues, []);
}

#[test]
fn faults_of_the_header() {
    expect(pachymetry(), EyeMissing, &["eye", "header"], |file| file.set("Eye", ""));
    expect(pachymetry(), EyeUnreadable, &["eye", "header"], |file| file.set("Eye", "3"));
    expect(pachymetry(), PatientMissing, &["patient_number", "header"], |file| file.set("PatientID", "..."));
    expect(pachymetry(), DateMissing, &["exam_date", "header"], |file| file.drop_key("Date"));
    expect(pachymetry(), DateUnreadable, &["exam_date", "header"], |file| file.set("Date", "31-02-2024"));
    expect(pachymetry(), NumberUnreadable, &["pupil_diameter_mm", "header"], |file| file.set("Pupil Dia", "wide"));
    expect(pachymetry(), ValueOutOfRange, &["pupil_diameter_mm", "header"], |file| file.set("Pupil Dia", "99"));
    expect(pachymetry(), ColumnMissing, &["pupil_diameter_mm", "header"], |file| file.drop_key("Pupil Dia"));
    let contour: &[&str] = &["pupil_contour_x_mm", "pupil_contour_y_mm"];
    expect(pachymetry(), FileTruncated, contour, |file| file.header.truncate(200));
    let (issues, _) = fault(pachymetry(), |file| file.header.truncate(52));
    assert_eq!(issues, []);
}

#[test]
fn a_file_that_ends_early() {
    let whole = pachymetry().text();
    let good = read(&Pentacam, whole.as_bytes()).0;
    let at = |needle: &str| whole.find(needle).unwrap();
    // The second cut leaves one digit of a number, which is no thickness: nothing is said of it.
    let one_digit = at("\r\n1.000;") + 250 - whole[..at("\r\n1.000;") + 250].bytes().rev().position(|b| b == b';').unwrap() + 1;
    for cut in [at("\r\n1.000;") + 250, one_digit, at("\r\n1.000;") + 2, at("[SYSTEM]") - 400] {
        let (batch, reading) = read(&Pentacam, &whole.as_bytes()[..cut]);
        assert_eq!(codes(&reading, 0), [PatientMissing, EyeMissing, DateMissing, FileTruncated], "{cut}");
        let (cut_cells, cells) =
            (cells(&batch, "corneal_thickness_um", 0).unwrap(), cells(&good, "corneal_thickness_um", 0).unwrap());
        // No cell is another than in the whole file.
        assert!(cut_cells.iter().zip(&cells).all(|(cut, whole)| cut.is_none() || cut == whole));
        assert!(cut_cells.iter().flatten().count() > 1000);
    }
    let (_, reading) = read(&Pentacam, &whole.as_bytes()[..at("KKS;")]);
    assert!(codes(&reading, 0).iter().all(|code| *code == ColumnMissing));
    assert_eq!(codes(&reading, 0).len(), 7);
}

#[test]
fn files_without_measurements() {
    let only = |bytes: &[u8], issue: IssueCode| {
        let (_, reading) = read(&Pentacam, bytes);
        assert_eq!(reading.rows, 1);
        assert!(codes(&reading, 0).contains(&issue), "{:?}", codes(&reading, 0));
    };
    only(b"", FileEmpty);
    only(b" \r\n", FileEmpty);
    only(b"PK\x03\x04\0\0", FileUnreadable);
    only(b"a;b;c\r\n1;2;3\r\n", LayoutUnknown);
    only(header("OD").join("\r\n").as_bytes(), DataAbsent);
}

#[test]
fn recognition_is_by_content() {
    let is = |text: &str| Pentacam.recognises(&Sample { head: text.as_bytes(), size: text.len() as u64 });
    assert_eq!(is(&curvature().grids[0][0]), Confidence::Certain);
    assert_eq!(is(&header("OD").join("\n")), Confidence::Likely);
    assert_eq!(is("FRONT;1;2;3\n"), Confidence::No);
    assert_eq!(is("IPP;Nom;Prénom;Oeil;AVSC;AVAC;Sphère;Cylindre;Axe;PIO\n"), Confidence::No);
    assert_eq!(is(""), Confidence::No);
    for text in [curvature().text(), elevation().text(), pachymetry().text()] {
        let head = &text.as_bytes()[..16_384];
        let found = crate::lake::recognise(&Sample { head, size: text.len() as u64 }).unwrap();
        assert_eq!(found.name(), NAME);
    }
}

#[test]
fn names_stay_out_of_issues() {
    let mut file = pachymetry();
    file.set("DateOfBirth", "DÉMO");
    file.set("Eye", "ZOÉ");
    file.set("Pupil Dia", "DÉMO");
    file.grids[0][62] = file.grids[0][62].replacen("0.900", "DÉMO", 1);
    file.cell(0, 70, 70, "ZOÉ");
    let (_, reading) = read(&Pentacam, file.text().as_bytes());
    assert!(reading.issues[0].len() >= 4);
    assert!(reading.issues[0].iter().all(|issue| !issue.detail.contains("DÉMO") && !issue.detail.contains("ZOÉ")));
}

/// One exam of a kind whose grids are filled from `seed`.
fn random_exam(kind: &str, seed: u64) -> RecordBatch {
    let layout: Layout = layout::parse(NAME, include_str!("layout.toml")).unwrap();
    let template = read(&Pentacam, curvature().text().as_bytes()).0;
    let mut next = draws(seed);
    let schema: Arc<Schema> = template.schema();
    let columns = schema.fields().iter().zip(template.columns()).map(|(field, column)| -> ArrayRef {
        if field.name() == KIND {
            return Arc::new(StringArray::from(vec![kind]));
        }
        let Some(map) = layout.maps.iter().find(|map| &map.column == field.name()) else { return Arc::clone(column) };
        let DataType::FixedSizeList(item, length) = field.data_type() else { panic!("a grid is a list") };
        if map.export != kind {
            return new_null_array(field.data_type(), 1);
        }
        let scale = 10f64.powi(map.decimals as i32);
        let (low, high) = ((map.range.0 * scale) as i64, (map.range.1 * scale) as i64);
        let cells: Float64Array =
            (0..SIZE * SIZE).map(|_| (next() % 3 != 0).then(|| (low + next() % (high - low + 1)) as f64 / scale)).collect();
        Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, Arc::new(cells), None))
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

#[test]
fn the_writer_keeps_to_the_layout() {
    let bytes = Pentacam.write(NAME, &random_exam("curvature", 1), "1.16").unwrap();
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    // As in real files: 284 lines of grids, [SYSTEM] on line 285, 592 lines in all.
    assert_eq!(lines.len(), 593);
    assert_eq!(lines[284], b"[SYSTEM];\r");
    assert_eq!(lines[0].split(|b| *b == b';').count(), 143);
    assert!(lines[142].starts_with(b"BACK;-7.000;-6.900;"));
    assert!(bytes.windows(15).any(|w| w == b"LastName;D\xc9MO;\r"), "Windows-1252");
    assert_eq!(Pentacam.write(NAME, &random_exam("pachymetry", 1), "1.16").unwrap().split(|b| *b == b'\n').count(), 451);
    assert!(Pentacam.write(NAME, &random_exam("colour", 1), "1.16").unwrap_err().to_string().contains("pachymetry"));
    assert!(Pentacam.write(NAME, &random_exam("curvature", 1), "9").unwrap_err().to_string().contains("1.16"));
    assert!(Pentacam.write("ms39", &random_exam("curvature", 1), "1.16").is_err());
    assert!(Pentacam.write(NAME, &random_exam("curvature", 1).slice(0, 0), "1.16").is_err());
}

/// Real exports, read in place where they are beside the project. Whatever else they have, their grids are what their headers
/// state.
#[test]
fn real_files_have_the_values_that_their_headers_state() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/realdata/pentacam-grids");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there is no folder of real Pentacam exports beside the project");
        return;
    };
    let exports = files.map(|file| file.unwrap().path()).filter(|path| is_export(path));
    let mut seen = 0;
    for path in exports {
        let bytes = std::fs::read(&path).unwrap();
        let sample = Sample { head: &bytes[..16_384], size: bytes.len() as u64 };
        assert_eq!(Pentacam.recognises(&sample), Confidence::Certain);
        let (batch, reading) = read(&Pentacam, &bytes);
        let issues: Vec<IssueCode> = codes(&reading, 0).into_iter().filter(|code| *code != PatientMissing).collect();
        // File names are left out: they may hold names.
        assert_eq!(issues, [], "file {seen}");
        let kind = text(&batch, KIND, 0).unwrap();
        let suffix = path.file_stem().unwrap().to_string_lossy().to_ascii_uppercase();
        let named = match suffix.rsplit('_').next() {
            Some("CUR") => "curvature",
            Some("ELE") => "elevation",
            _ => "pachymetry",
        };
        assert_eq!(kind, named);
        // Written and read again, nothing is another.
        let again = read(&Pentacam, &Pentacam.write(NAME, &batch, "1.16").unwrap()).0;
        let changed: Vec<String> = differing(&batch, &again).into_iter().filter(|column| column != "header").collect();
        assert_eq!(changed, Vec::<String>::new());
        seen += 1;
    }
    eprintln!("{seen} real files");
}

fn is_export(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_written_is_read(seed: u64) {
        for kind in ["curvature", "elevation", "pachymetry"] {
            let exam = random_exam(kind, seed);
            let (batch, _) = read(&Pentacam, &Pentacam.write(NAME, &exam, "1.16").unwrap());
            prop_assert_eq!(differing(&exam, &batch), Vec::<String>::new());
        }
    }

    #[test]
    fn damaged_files_are_read_without_panic(damage in damage()) {
        read(&Pentacam, &damaged(curvature().text().as_bytes(), &damage));
        read(&Pentacam, &damaged(pachymetry().text().as_bytes(), &damage));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        read(&Pentacam, &bytes);
    }

    #[test]
    fn any_lines_are_read_without_panic(
        lines in prop::collection::vec("((FRONT|BACK|)(;-?[0-9]\\.[0-9]00){17,19};?|-?[0-9]\\.[0-9]00(;[0-9.]{0,4}){0,30}|\\[PUPIL\\]|X;Y;|Eye;O[DS]|Pachy Min( X)?;[-0-9.]{0,5}|)", 0..60),
        end in "\r?\n",
    ) {
        read(&Pentacam, lines.join(&end).as_bytes());
    }
}
