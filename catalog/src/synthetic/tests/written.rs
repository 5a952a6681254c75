//! Tests of the files, read back by the devices' readers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod differences;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray};
use arrow::datatypes::Float64Type;

use super::super::clinic::{Desk, Vision, type_row};
use super::super::exam::Exam;
use super::super::eye::Diagnosis;
use super::super::fault::{FAULTS, Make};
use super::super::maps::{KINDS, MERIDIANS, RING_STEP_MM};
use super::super::patient::{Patient, Purpose};
use super::super::plan::plan;
use super::super::random::Draw;
use super::super::record::{Row, batch};
use super::super::write;
use crate::device::{Reading, Request};
use crate::devices;
use crate::issue::IssueCode;

fn read(device: &str, bytes: &[u8]) -> Reading {
    let device = devices::by_name(device).unwrap();
    let table = &device.tables()[0];
    let columns: Vec<usize> = (0..table.schema.fields().len()).collect();
    device.read(bytes, &Request { table: table.name, columns: &columns, check: true })
}

fn codes(reading: &Reading, row: usize) -> Vec<IssueCode> {
    reading.issues[row].iter().map(|issue| issue.code).collect()
}

/// The sixteen maps of a file, NaN where missing.
fn maps(reading: &Reading) -> Vec<Vec<f64>> {
    let schema = &devices::by_name("ms39").unwrap().tables()[0].schema;
    let column = |name: &str| reading.columns[schema.index_of(name).unwrap()].as_fixed_size_list().value(0);
    KINDS
        .iter()
        .map(|kind| column(kind.column).as_primitive::<Float64Type>().iter().map(|cell| cell.unwrap_or(f64::NAN)).collect())
        .collect()
}

/// The file of the right eye at the first visit, without fault.
fn ms39(patient: &Patient) -> Vec<u8> {
    let mut day = plan(1, patient).remove(0);
    day.ms39_faults = [None, None];
    let mut draw = Purpose::Exam.draw(1, patient.index);
    let exam = Exam::new(&patient.eyes[0], 0.0, &mut draw);
    write::ms39(patient, 0, &day, exam, &mut draw).unwrap().1
}

/// The relations of formats.md §1.1 and cross_field_rules.csv, on the numbers as printed.
#[test]
fn written_maps_obey_the_physical_relations() {
    let mut normal = 0;
    for index in 0..12 {
        let patient = Patient::new(1, index);
        let reading = read("ms39", &ms39(&patient));
        assert_eq!(reading.issues[0], []);
        let map = maps(&reading);
        assert!(map[9][..MERIDIANS].iter().all(|z| *z == 0.0), "the apex is the origin");
        for (cell, total) in map[12][..26 * MERIDIANS].iter().enumerate() {
            let (stroma, epithelium) = (map[13][cell], map[14][cell]);
            if !total.is_nan() {
                assert!((total - stroma - epithelium).abs() <= 3.0);
                assert!(((map[10][cell] - map[9][cell]) * 1000.0 - total).abs() <= 15.0);
                assert!(((map[11][cell] - map[9][cell]) * 1000.0 - epithelium).abs() <= 5.0);
            }
        }
        // Paraxial powers, and Gullstrand's formula, from the radii and the thickness of the apex.
        let (front, back) = (376.0 / map[0][0], -40.0 / map[3][0]);
        assert!((map[6][0] / front - 1.0).abs() < 0.01 && (map[7][0] / back - 1.0).abs() < 0.02);
        let whole = front + back - map[12][0] * 1e-6 / 1.376 * front * back;
        assert!((map[8][0] / whole - 1.0).abs() < 0.01);
        if patient.eyes[0].diagnosis != Diagnosis::Normal {
            continue;
        }
        normal += 1;
        for k in (0..MERIDIANS).step_by(8) {
            let at = |m: usize, ring: usize| map[m][ring * MERIDIANS + k];
            // Where the lid covers a circle the meridian ends.
            let rings = (1..20).take_while(|ring| !at(0, ring + 1).is_nan()).count();
            let mut height = 0.0;
            for ring in 1..=rings {
                // Sagittal map: dz/dh = h/√(R²−h²), integrated by the trapezium rule.
                let slope = |ring: usize| {
                    let h = ring as f64 * RING_STEP_MM;
                    h / (at(0, ring).powi(2) - h * h).sqrt()
                };
                height += 0.5 * RING_STEP_MM * (slope(ring) + slope(ring - 1));
                assert!((height - at(9, ring)).abs() < 0.004, "{height} {}", at(9, ring));
                if (5..rings).contains(&ring) {
                    // Tangential curvature is the derivative of h times the axial one.
                    let product = |ring: usize| ring as f64 * RING_STEP_MM / at(0, ring);
                    let tangential = (product(ring + 1) - product(ring - 1)) / (2.0 * RING_STEP_MM);
                    assert!((tangential * at(1, ring) - 1.0).abs() < 0.09, "{tangential} {}", at(1, ring));
                }
            }
        }
    }
    assert!(normal >= 2);
}

fn index_of(device: &str, column: &str) -> usize {
    devices::by_name(device).unwrap().tables()[0].schema.index_of(column).unwrap()
}

/// Twelve rows of a sheet, one patient each.
fn rows(device: &str) -> Vec<Row> {
    (0..12)
        .map(|index| {
            let patient = Patient::new(6, index);
            let mut draw = Purpose::Exam.draw(6, index);
            let (eye, date) = (&patient.eyes[0], patient.visits[0].date);
            let findings = Exam::new(eye, 0.0, &mut draw).findings;
            let mut row = if device == "clinic" {
                let vision = Vision::new(eye, 0.0, 40.0, &findings, &mut draw);
                let mut row = type_row(Desk::Consultation, date, eye, &vision, &patient.habits, &mut draw);
                // A typing habit must not hide the fault.
                row.set("visit_date_text", date.format("%d/%m/%Y").to_string());
                row
            } else {
                let mut row = super::super::corvis::measure(eye, 0.0, 40.0, &findings, &mut draw);
                row.set("eye", "OD");
                row
            };
            write::identify(&mut row, &patient, date);
            row
        })
        .collect()
}

fn written(device: &str, layout: &str, rows: Vec<Row>) -> Vec<u8> {
    let device = devices::by_name(device).unwrap();
    let table = &device.tables()[0];
    device.write(table.name, &batch(&table.schema, rows).unwrap(), layout).unwrap()
}

/// A fault stays in its row, is found there, and costs no other row anything.
#[test]
fn every_fault_of_a_row_is_found_in_its_row() {
    const ABOVE_RAW: [IssueCode; 1] = [IssueCode::AcuityUnreadable];
    const PLACE: usize = 5;
    for (device, layout) in [("corvis_st", "a"), ("corvis_st", "b"), ("clinic", "fr")] {
        let good = read(device, &written(device, layout, rows(device)));
        assert!(good.issues.iter().all(Vec::is_empty), "{device}: {:?}", good.issues);
        for fault in FAULTS.iter().filter(|fault| fault.device == device) {
            let mut draw = Draw::new(1, 78);
            let mut sheet = rows(device);
            if let Make::Row(make) = fault.make {
                make(&mut sheet[PLACE], &mut draw);
            }
            let mut bytes = written(device, layout, sheet);
            if let Make::Line(make) = fault.make {
                let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                lines[PLACE + 1].pop();
                make(&mut lines[PLACE + 1], &mut draw);
                lines[PLACE + 1].push(b'\r');
                bytes = lines.join(&b'\n');
            }
            if let Make::File(make) = fault.make {
                bytes = make(bytes);
            }
            let reading = read(device, &bytes);
            let name = fault.name;
            assert_eq!(reading.rows, 12, "{device} {name}");
            // Issues of a whole file stand in its first row.
            let place = if fault.unit() == "row" { PLACE } else { 0 };
            match fault.expected {
                Some(issue) if !ABOVE_RAW.contains(&issue) => {
                    assert_eq!(codes(&reading, place), [issue], "{device} {name}");
                }
                _ => assert_eq!(reading.issues[place], [], "{device} {name}"),
            }
            for row in (0..12).filter(|row| *row != place) {
                assert_eq!(reading.issues[row], [], "{device} {name} in row {row}");
                for (column, (got, want)) in reading.columns.iter().zip(&good.columns).enumerate() {
                    if fault.expected != Some(IssueCode::ColumnUnknown) || column != index_of(device, "extra") {
                        assert!(one(got, row) == one(want, row), "{device} {name} in row {row}, column {column}");
                    }
                }
            }
        }
    }
}

fn one(array: &ArrayRef, row: usize) -> ArrayData {
    array.slice(row, 1).to_data()
}

/// The Placido export lies on the anterior surface: R ≈ (ρ²+z²)/2|z| as in real files (formats.md §1.4).
#[test]
fn eyetop_heights_are_those_of_a_cornea() {
    let device = devices::by_name("cso_eyetop").unwrap();
    let table = &device.tables()[0];
    let patient = (0..60).map(|index| Patient::new(1, index)).find(|p| p.eyes[0].diagnosis == Diagnosis::Normal).unwrap();
    let mut draw = Purpose::Eyetop.draw(1, patient.index);
    let findings = Exam::new(&patient.eyes[0], 0.0, &mut draw).findings;
    let mut row = super::super::eyetop::measure(&patient.eyes[0], 0.0, &findings, &mut draw);
    write::identify(&mut row, &patient, patient.visits[0].date);
    let bytes = device.write(table.name, &batch(&table.schema, vec![row]).unwrap(), "placido-it").unwrap();
    let reading = read("cso_eyetop", &bytes);
    assert_eq!(codes(&reading, 0), [IssueCode::PatientMissing, IssueCode::EyeMissing], "{:?}", reading.issues[0]);
    let list = |column: &str| reading.columns[index_of("cso_eyetop", column)].as_fixed_size_list().value(0);
    let (rho, z) = (list("rho_mm"), list("z_mm"));
    let (rho, z) = (rho.as_primitive::<Float64Type>(), z.as_primitive::<Float64Type>());
    let mut missing = 0;
    for cell in 0..rho.len() {
        assert_eq!(rho.is_null(cell), z.is_null(cell));
        if rho.is_null(cell) {
            missing += 1;
        } else if cell >= 4 * MERIDIANS {
            let (r, z) = (rho.value(cell), z.value(cell));
            let radius = (r * r + z * z) / (2.0 * -z);
            assert!((6.8..9.3).contains(&radius), "{radius} at {r}");
        }
    }
    // Real files miss 738 to 1,292 of 6,144 cells.
    assert!((500..1500).contains(&missing), "{missing}");
}
