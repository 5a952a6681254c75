//! Every fault of a file beside the sound file: its issues, and the very cells and columns that may differ.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;

use super::super::super::fault::Fault;
use super::*;

/// A cell that is another: its map, its place there, and what the faulty file has; NaN where it has none.
type Changes = BTreeMap<String, BTreeMap<usize, f64>>;

/// Maps of a reading by column; a map that is null as a whole has no cell.
fn maps_of(device: &str, reading: &Reading) -> BTreeMap<String, Vec<f64>> {
    let schema = &devices::by_name(device).unwrap().tables()[0].schema;
    let lists = schema.fields().iter().zip(&reading.columns).filter_map(|(field, column)| {
        let DataType::FixedSizeList(_, length) = field.data_type() else { return None };
        let cells = if column.is_null(0) {
            vec![f64::NAN; usize::try_from(*length).unwrap()]
        } else {
            let cells = column.as_fixed_size_list().value(0);
            cells.as_primitive::<Float64Type>().iter().map(|cell| cell.unwrap_or(f64::NAN)).collect()
        };
        Some((field.name().clone(), cells))
    });
    lists.collect()
}

/// Cells that differ, and the columns besides maps that do, those left out that keep the file's own lines.
fn differences(device: &str, good: &Reading, bad: &Reading) -> (Changes, BTreeSet<String>) {
    let schema = &devices::by_name(device).unwrap().tables()[0].schema;
    let mut changes = Changes::new();
    for ((column, before), after) in maps_of(device, good).into_iter().zip(maps_of(device, bad).into_values()) {
        for (cell, (before, after)) in before.into_iter().zip(after).enumerate() {
            if before != after && !(before.is_nan() && after.is_nan()) {
                changes.entry(column.clone()).or_default().insert(cell, after);
            }
        }
    }
    let others = schema.fields().iter().zip(good.columns.iter().zip(&bad.columns));
    let others = others.filter(|(field, (before, after))| {
        let kept_lines = matches!(field.name().as_str(), "preamble" | "header");
        !matches!(field.data_type(), DataType::FixedSizeList(..)) && !kept_lines && before != after
    });
    (changes, others.map(|(field, _)| field.name().clone()).collect())
}

fn all_lost(changes: &Changes) -> bool {
    changes.values().flatten().all(|(_, value)| value.is_nan())
}

fn count(changes: &Changes) -> usize {
    changes.values().map(BTreeMap::len).sum()
}

/// The rows of the grid (rings of polar maps) that have changed cells.
fn rows_of(changes: &Changes, width: usize) -> BTreeSet<usize> {
    changes.values().flat_map(|cells| cells.keys().map(|cell| cell / width)).collect()
}

const IDENTITY: &[(&str, &[&str])] = &[
    ("eye_missing", &["eye"]),
    ("eye_unreadable", &["eye"]),
    ("patient_missing", &["patient_number"]),
    ("date_missing", &["exam_date"]),
    ("date_unreadable", &["exam_date"]),
];

/// Columns besides maps that a fault may change.
fn columns_of(name: &str) -> &'static [&'static str] {
    IDENTITY.iter().find(|(fault, _)| *fault == name).map_or(&[], |(_, columns)| columns)
}

fn same(columns: &BTreeSet<String>, expected: &[&str]) -> bool {
    columns.iter().map(String::as_str).eq(expected.iter().copied())
}

/// Whether a fault of an MS-39 file changed what it had to and nothing else.
fn ms39_keeps_the_rest(name: &str, changes: &Changes, good: &BTreeMap<String, Vec<f64>>) -> bool {
    let maps: BTreeSet<&str> = changes.keys().map(String::as_str).collect();
    let rings = rows_of(changes, MERIDIANS);
    let whole = |map: &str| changes.get(map).is_some_and(|lost| lost.len() == good[map].iter().filter(|c| !c.is_nan()).count());
    let order = |map: &str| KINDS.iter().position(|kind| kind.column == map).unwrap();
    match name {
        "cells_scattered" => all_lost(changes) && maps.len() == 16 && !rings.contains(&0),
        "apex_cell_missing" => all_lost(changes) && count(changes) == 16 && changes.values().all(|cells| cells.contains_key(&0)),
        "outer_ring_missing" => all_lost(changes) && rings.iter().all(|ring| (20..26).contains(ring)),
        "elevations_missing" => {
            let elevations = BTreeSet::from(["elevation_anterior_mm", "elevation_posterior_mm", "elevation_stromal_mm"]);
            all_lost(changes) && maps == elevations && elevations.iter().all(|map| whole(map))
        }
        "map_empty" => all_lost(changes) && maps.len() == 1 && maps.iter().all(|map| whole(map)),
        "map_constant" => {
            maps.len() == 1
                && maps.iter().all(|map| map.ends_with("_mm") && order(map) < 6)
                && changes.values().flatten().all(|(_, value)| *value == 7.5)
        }
        "inner_ring_missing" => all_lost(changes) && maps.len() == 1 && rings.len() == 1,
        // What is left lies inside the row that stands twice.
        "row_doubled" => all_lost(changes) && maps.len() == 1 && (3..15).contains(rings.first().unwrap()),
        "half_missing" => all_lost(changes) && !rings.contains(&0) && maps.len() == 16,
        "row_truncated" => {
            let one = changes.values().next().map(|cells| (cells.keys().next().copied(), cells.keys().next_back().copied()));
            let to_the_end = one.is_some_and(|(first, last)| {
                let (map, first, last) = (&good[*maps.first().unwrap()], first.unwrap(), last.unwrap());
                // What follows the last lost cell in its ring was missing before.
                map[last + 1..(last / MERIDIANS + 1) * MERIDIANS].iter().all(|cell| cell.is_nan()) && first % MERIDIANS >= 60
            });
            all_lost(changes) && maps.len() == 1 && rings.len() == 1 && to_the_end
        }
        "file_truncated" => {
            let first = maps.iter().map(|map| order(map)).min().unwrap();
            all_lost(changes)
                && first >= 3
                && maps.len() == 16 - first
                && maps.iter().all(|map| order(map) == first || whole(map))
        }
        "cell_unreadable" => all_lost(changes) && count(changes) <= 1,
        "cell_out_of_range" => all_lost(changes) && count(changes) <= 5 && rings.len() <= 1,
        "layers_disagree" => maps.iter().eq(["stromal_thickness_um"].iter()) && !all_lost(changes),
        "offset_missing" => maps.iter().eq(["elevation_posterior_mm"].iter()) && whole("elevation_posterior_mm"),
        "power_of_another_index" => {
            let (power, rest) = (maps.first().unwrap(), maps.len() - 1);
            rest == 0 && power.starts_with("refractive_power_") && whole(power)
        }
        "data_absent" | "file_empty" => all_lost(changes) && maps.iter().all(|map| whole(map)) && maps.len() == 16,
        _ => changes.is_empty(),
    }
}

/// Each fault leads to its issue, harmless variants to none; what a fault does not touch is read as from the sound file.
#[test]
fn faults_of_ms39_files_change_nothing_else() {
    let patients: Vec<Patient> = (0..40).map(|index| Patient::new(1, index)).collect();
    // One of either firmware.
    for firmware in [false, true] {
        let is_new = |patient: &&Patient| patient.visits[0].date.to_string().as_str() >= "2025";
        let patient = patients.iter().find(|patient| is_new(patient) == firmware).unwrap();
        let good = ms39(patient);
        let sound = read("ms39", &good);
        let cells = maps_of("ms39", &sound);
        for fault in FAULTS.iter().filter(|fault| fault.device == "ms39") {
            for attempt in 0..3 {
                let name = fault.name;
                let reading = read("ms39", &fault.in_file(good.clone(), &mut Draw::new(attempt, 77)));
                assert_issues(fault, &[], &reading);
                let (changes, columns) = differences("ms39", &sound, &reading);
                assert!(
                    ms39_keeps_the_rest(name, &changes, &cells),
                    "{name} changes {:?} cells of {:?}",
                    count(&changes),
                    changes.keys()
                );
                if name != "file_empty" {
                    assert!(same(&columns, columns_of(name)), "{name} changes {columns:?}");
                }
            }
        }
    }
}

/// The issues of a faulty file are those of its fault, each as often as it takes, and those that every such file has.
fn assert_issues(fault: &Fault, always: &[IssueCode], reading: &Reading) {
    let mut found: BTreeSet<IssueCode> = codes(reading, 0).into_iter().collect();
    let mut expected: BTreeSet<IssueCode> = fault.expected.into_iter().chain(fault.consequences().iter().copied()).collect();
    if fault.expected == Some(IssueCode::FileEmpty) {
        assert_eq!(reading.rows, 1);
        found.remove(&IssueCode::FileEmpty);
        expected.clear();
    } else {
        expected.extend(always);
    }
    assert_eq!(found, expected, "{} of {}: {:?}", fault.name, fault.device, reading.issues[0]);
}

#[test]
fn faults_of_sirius_files_change_nothing_else() {
    const ALWAYS: [IssueCode; 3] = [IssueCode::PatientMissing, IssueCode::EyeMissing, IssueCode::DateMissing];
    for index in [5, 21] {
        let patient = Patient::new(1, index);
        let mut day = plan(1, &patient).remove(0);
        day.sirius_faults = [None, None];
        let good = write::sirius_file(&patient, 0, &day, &mut Purpose::Sirius.draw(1, index)).unwrap().1;
        let sound = read("sirius", &good);
        assert_eq!(codes(&sound, 0), ALWAYS);
        let cells = maps_of("sirius", &sound);
        assert!(cells.values().all(|map| map.iter().filter(|cell| !cell.is_nan()).count() > 4000));
        for fault in FAULTS.iter().filter(|fault| fault.device == "sirius") {
            for attempt in 0..4 {
                let name = fault.name;
                let reading = read("sirius", &fault.in_file(good.clone(), &mut Draw::new(attempt, 79)));
                assert_issues(fault, &ALWAYS, &reading);
                let (changes, columns) = differences("sirius", &sound, &reading);
                let rings = rows_of(&changes, MERIDIANS);
                let whole = |map: &String| changes[map].len() == cells[map].iter().filter(|cell| !cell.is_nan()).count();
                let kept = match name {
                    "map_missing" | "map_empty" => changes.len() == 1 && changes.keys().all(whole) && all_lost(&changes),
                    "inner_ring_missing" | "row_truncated" => changes.len() == 1 && rings.len() == 1 && all_lost(&changes),
                    "cell_unreadable" => count(&changes) <= 1 && all_lost(&changes),
                    "radii_of_another_grid" => changes.len() == 10 && changes.keys().all(whole) && all_lost(&changes),
                    "offset_missing" => changes.keys().eq(["elevation_posterior_mm"]) && changes.keys().all(whole),
                    "file_truncated" => (3..5).contains(&changes.len()) && all_lost(&changes),
                    _ => changes.is_empty(),
                };
                assert!(kept, "{name} changes {:?} cells of {:?}", count(&changes), changes.keys());
                assert!(columns.is_empty(), "{name} changes {columns:?}");
            }
        }
    }
}

/// What the header of a Pentacam file states, its grids have; a fault costs what it touches.
#[test]
fn faults_of_pentacam_files_change_nothing_else() {
    const WIDTH: usize = 141;
    for index in [2, 10] {
        let patient = Patient::new(1, index);
        let mut day = plan(1, &patient).remove(0);
        day.pentacam_faults = [[None; 3]; 2];
        for (side, eye) in ["OD", "OS"].into_iter().enumerate() {
            let files = write::pentacam_files(&patient, side, &day, &mut Purpose::Pentacam.draw(1, index)).unwrap();
            assert_eq!(files.len(), 3);
            for (number, (path, good)) in files.into_iter().enumerate() {
                assert!(path.ends_with(".CSV") && path.contains(eye));
                let sound = read("pentacam", &good);
                assert_eq!(sound.issues[0], [], "{number}");
                let cells = maps_of("pentacam", &sound);
                // As many cells as real files have, less what a low lid covers.
                let filled: Vec<usize> = cells.values().map(|map| map.iter().filter(|cell| !cell.is_nan()).count()).collect();
                assert!(
                    filled.iter().filter(|count| (5500..11_400).contains(*count)).count() == if number == 2 { 1 } else { 2 },
                    "{filled:?}"
                );
                for fault in FAULTS.iter().filter(|fault| fault.device == "pentacam") {
                    for attempt in 0..2 {
                        let name = fault.name;
                        let reading = read("pentacam", &fault.in_file(good.clone(), &mut Draw::new(attempt, 80)));
                        assert_issues(fault, &[], &reading);
                        let (changes, columns) = differences("pentacam", &sound, &reading);
                        let rows = rows_of(&changes, WIDTH);
                        let kept = match name {
                            "cell_unreadable" | "cell_out_of_range" => count(&changes) == 1 && all_lost(&changes),
                            "row_lost" => changes.len() == 1 && rows.len() == 1 && all_lost(&changes),
                            "file_truncated" | "file_empty" => all_lost(&changes) && count(&changes) > 0,
                            _ => changes.is_empty(),
                        };
                        assert!(kept, "{name} changes {:?} cells of {:?}", count(&changes), changes.keys());
                        let expected: &[&str] = match name {
                            "header_of_another" if number == 2 => &["pachy_min_um"],
                            "header_of_another" => &["cornea_front_astigmatism_d"],
                            "key_missing" => &["anterior_chamber_angle_deg"],
                            "number_unreadable" => &["pupil_diameter_mm"],
                            "value_out_of_range" => &["anterior_chamber_depth_mm"],
                            other => columns_of(other),
                        };
                        if !["file_truncated", "file_empty"].contains(&name) {
                            assert!(same(&columns, expected), "{name} changes {columns:?}");
                        }
                    }
                }
            }
        }
    }
}

/// The pair of a damaged cell is lost, and nothing but it.
#[test]
fn faults_of_eyetop_files_change_nothing_else() {
    let device = devices::by_name("cso_eyetop").unwrap();
    let patient = Patient::new(1, 3);
    let mut draw = Purpose::Eyetop.draw(1, patient.index);
    let findings = Exam::new(&patient.eyes[0], 0.0, &mut draw).findings;
    let mut row = super::super::super::eyetop::measure(&patient.eyes[0], 0.0, &findings, &mut draw);
    write::identify(&mut row, &patient, patient.visits[0].date);
    let table = &device.tables()[0];
    let good = device.write(table.name, &batch(&table.schema, vec![row]).unwrap(), "placido-it").unwrap();
    let sound = read("cso_eyetop", &good);
    for fault in FAULTS.iter().filter(|fault| fault.device == "cso_eyetop") {
        for attempt in 0..6 {
            let name = fault.name;
            let reading = read("cso_eyetop", &fault.in_file(good.clone(), &mut Draw::new(attempt, 81)));
            assert_issues(fault, &[IssueCode::PatientMissing, IssueCode::EyeMissing], &reading);
            let (changes, columns) = differences("cso_eyetop", &sound, &reading);
            let pair = || changes.values().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len();
            let kept = match name {
                "cell_unreadable" => count(&changes) <= 2 && pair() <= 1 && all_lost(&changes),
                "file_truncated" => all_lost(&changes) && count(&changes) > 1000,
                _ => changes.is_empty(),
            };
            assert!(kept && columns.is_empty(), "{name} changes {:?} cells, {columns:?}", count(&changes));
        }
    }
}

/// The curves go through what the table of the same measurement states, and a fault costs its own frames.
#[test]
fn faults_of_curves_change_nothing_else() {
    let patient = Patient::new(1, 3);
    let mut draw = Purpose::Corvis.draw(1, patient.index);
    let findings = Exam::new(&patient.eyes[0], 0.0, &mut draw).findings;
    let table = super::super::super::corvis::measure(&patient.eyes[0], 0.0, 40.0, &findings, &mut draw);
    let mut day = plan(1, &patient).remove(0);
    day.curves_faults = [None, None];
    let good = write::curves_file(&patient, 0, &day, &table, &mut draw).unwrap().1;
    let sound = read("corvis_st_curve", &good);
    assert_eq!(sound.issues[0], []);
    let curves = maps_of("corvis_st_curve", &sound);
    let highest = |curve: &str| {
        curves[curve].iter().copied().enumerate().filter(|(_, v)| !v.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    };
    let (frame, peak) = highest("deformation_amplitude_mm");
    assert!((peak - table.number("da_max_mm").unwrap()).abs() < 0.01, "{peak}");
    assert!((curves["time_ms"][frame] - table.number("hc_time_ms").unwrap()).abs() < 1.5);
    for fault in FAULTS.iter().filter(|fault| fault.device == "corvis_st_curve") {
        for attempt in 0..4 {
            let name = fault.name;
            let reading = read("corvis_st_curve", &fault.in_file(good.clone(), &mut Draw::new(attempt, 82)));
            assert_issues(fault, &[], &reading);
            let (changes, columns) = differences("corvis_st_curve", &sound, &reading);
            let frames: BTreeSet<usize> = changes.values().flat_map(BTreeMap::keys).copied().collect();
            let kept = match name {
                "cell_unreadable" | "cell_out_of_range" => count(&changes) == 1,
                "frame_lost" => frames.len() == 1,
                "frames_missing" => frames.iter().all(|frame| *frame >= 90),
                _ => changes.is_empty(),
            };
            assert!(kept && all_lost(&changes), "{name} changes {:?}", changes.keys());
            assert!(same(&columns, columns_of(name)), "{name} changes {columns:?}");
        }
    }
}
