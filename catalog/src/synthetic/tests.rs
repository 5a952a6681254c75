//! Tests of the hospital as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod written;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::exam::Exam;
use super::eye::Diagnosis;
use super::maps::{KERATOMETRIC, KINDS};
use super::patient::{Patient, Purpose};
use super::{Hospital, generate, present, write};
use crate::devices;

fn quiet(_: super::Progress) {}

/// All files below a folder with their bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, seed: u64, threads: usize| {
        let place = dir.path().join(name);
        write::hospital(&place, &Hospital { patients: 3, seed }, threads, &quiet).unwrap();
        contents(&place)
    };
    let one = of("one", 42, 1);
    assert!(one == of("two", 42, 3), "threads change the bytes");
    let other = of("other", 43, 2);
    assert!(one.iter().all(|(name, bytes)| !name.contains("ms39") || other.get(name) != Some(bytes)));
}

/// The bytes of a seed are the same on every machine, in debug and release builds, and do not change by accident: whoever changes
/// the hospital on purpose sets the digest anew and says so.
#[test]
fn a_seed_has_the_bytes_that_it_always_had() {
    let dir = tempfile::tempdir().unwrap();
    // Patients 2 and 5 have Pentacam and Sirius files.
    generate(dir.path(), &Hospital { patients: 6, seed: 42 }, &quiet).unwrap();
    let mut digest = Sha256::new();
    for (name, bytes) in contents(dir.path()) {
        digest.update(name.as_bytes());
        digest.update(u64::try_from(bytes.len()).unwrap().to_le_bytes());
        digest.update(&bytes);
    }
    assert_eq!(hex::encode(digest.finalize()), "df76c2740e1bb26e99056deacba78161253bc83fad6f3930c72fb1afe12a5621");
}

#[test]
fn only_an_empty_folder_or_a_hospital_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let hospital = Hospital { patients: 1, seed: 1 };
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let error = generate(dir.path(), &hospital, &quiet).unwrap_err().to_string();
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    fs::remove_file(dir.path().join("thesis.txt")).unwrap();

    let calls = AtomicUsize::new(0);
    assert_eq!(present(dir.path()), None);
    let report = generate(dir.path(), &hospital, &|progress| {
        assert_eq!((progress.done, progress.total), (1, 1));
        calls.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(calls.into_inner(), 1);
    assert_eq!(present(dir.path()), Some(hospital));
    let files = contents(&dir.path().join("lake"));
    assert_eq!(report.files, files.len());
    assert_eq!(report.bytes, files.values().map(|bytes| bytes.len() as u64).sum::<u64>());

    fs::write(dir.path().join("lake/stale.csv"), "old").unwrap();
    let again = Hospital { patients: 1, seed: 2 };
    generate(dir.path(), &again, &quiet).unwrap();
    assert_eq!(present(dir.path()), Some(again));
    assert!(!dir.path().join("lake/stale.csv").exists());
}

/// The truth is not in the lake, and nothing in it is missing from the lake.
#[test]
fn every_file_stands_in_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), &Hospital { patients: 3, seed: 9 }, &quiet).unwrap();
    let mut listed: Vec<String> = csv::Reader::from_path(dir.path().join("truth/files.csv"))
        .unwrap()
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    listed.sort();
    let files: Vec<String> = contents(&dir.path().join("lake")).into_keys().collect();
    assert_eq!(listed, files);
}

#[test]
fn columns_are_those_of_the_devices() {
    let patient = Patient::new(1, 0);
    let eye = &patient.eyes[0];
    let mut draw = Purpose::Exam.draw(1, 0);
    let exam = Exam::new(eye, 0.0, &mut draw);
    let vision = super::clinic::Vision::new(eye, 0.0, 40.0, &exam.findings, &mut draw);
    let day = patient.visits[0].date;
    let mut typed = super::clinic::type_row(super::clinic::Desk::Consultation, day, eye, &vision, &patient.habits, &mut draw);
    for column in
        ["udva_text", "cdva_text", "near_va_text", "sphere_text", "cylinder_text", "axis_text", "diagnosis_text", "notes"]
    {
        typed.set(column, "x");
    }
    for (device, row) in [
        ("corvis_st", super::corvis::measure(eye, 0.0, 40.0, &exam.findings, &mut draw)),
        ("cso_eyetop", super::eyetop::measure(eye, 0.0, &exam.findings, &mut draw)),
        ("clinic", typed),
        ("corvis_st_curve", super::curves::measure(&super::record::Row::default(), &mut draw)),
        ("pentacam", super::pentacam::measure(eye, 0.0, &mut draw)[0].clone()),
        ("pentacam", super::pentacam::measure(eye, 0.0, &mut draw)[1].clone()),
        ("pentacam", super::pentacam::measure(eye, 0.0, &mut draw)[2].clone()),
    ] {
        let schema = &devices::by_name(device).unwrap().tables()[0].schema;
        for column in row.columns() {
            assert!(schema.column_with_name(column).is_some(), "{device} has no column {column}");
        }
    }
    let schema = &devices::by_name("ms39").unwrap().tables()[0].schema;
    assert!(KINDS.iter().all(|kind| schema.column_with_name(kind.column).is_some()));
}

/// Healthy eyes stay within the `warn` limits of physiological_bounds.csv, diseased ones within the `impossible` ones.
#[test]
fn findings_are_physiological() {
    let mut shares: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for index in 0..160 {
        let patient = Patient::new(3, index);
        let mut draw = Purpose::Exam.draw(3, index);
        for eye in &patient.eyes {
            let exam = Exam::new(eye, 0.0, &mut draw);
            let corvis = super::corvis::measure(eye, 0.0, 40.0, &exam.findings, &mut draw);
            let k = &exam.findings.keratometry;
            let (flat, steep) = (KERATOMETRIC / k.flat_radius_mm, KERATOMETRIC / k.steep_radius_mm);
            let of = |column: &str| corvis.number(column).unwrap();
            let (a1, hc, a2) = (of("a1_time_ms"), of("hc_time_ms"), of("a2_time_ms"));
            assert!(a1 < hc && hc < a2, "{a1} {hc} {a2}");
            assert!(of("da_ratio_2mm") > of("da_ratio_1mm") && of("da_ratio_1mm") > 1.0);
            assert!(of("hc_deflection_amplitude_mm") <= of("da_max_mm") + 0.02);
            assert!((of("iop_nct_mmhg") - of("biop_mmhg")).abs() <= 15.0);
            assert!((of("cct_um") - exam.findings.apex_um).abs() <= 40.0);
            assert!(exam.findings.thinnest_um <= exam.findings.apex_um + 3.0);
            let values = [
                ("simk_flat", flat, (37.0, 52.0), (25.0, 90.0)),
                ("simk_steep", steep, (37.5, 55.0), (25.0, 95.0)),
                ("simk_cyl", steep - flat, (0.0, 8.0), (0.0, 30.0)),
                ("cct", exam.findings.apex_um, (430.0, 680.0), (150.0, 1200.0)),
                ("thk_min", exam.findings.thinnest_um, (400.0, 670.0), (100.0, 1200.0)),
                ("epithelium_central", exam.maps[14][0], (40.0, 70.0), (10.0, 150.0)),
                ("acd_internal", exam.maps[15][0], (1.8, 4.3), (0.5, 7.5)),
                ("k_posterior", -40.0 / exam.maps[3][0], (-8.5, -4.5), (-20.0, -2.0)),
                ("iop_nct", of("iop_nct_mmhg"), (5.0, 40.0), (0.0, 85.0)),
                ("a1_time", a1, (6.0, 10.0), (3.0, 15.0)),
                ("a1_len", of("a1_length_mm"), (1.0, 3.0), (0.05, 6.0)),
                ("a1_vel", of("a1_velocity_m_s"), (0.04, 0.3), (0.0, 1.0)),
                ("a2_time", a2, (18.0, 25.0), (13.0, 33.0)),
                ("a2_len", of("a2_length_mm"), (0.3, 3.5), (0.05, 6.0)),
                ("a2_vel", of("a2_velocity_m_s"), (-1.2, -0.1), (-3.0, 0.0)),
                ("hc_time", hc, (14.5, 19.5), (10.0, 28.0)),
                ("da_max", of("da_max_mm"), (0.7, 1.6), (0.2, 3.0)),
                ("peak_dist", of("peak_distance_mm"), (1.8, 6.8), (0.3, 9.0)),
                ("hc_radius", of("hc_radius_mm"), (3.5, 13.0), (0.8, 30.0)),
                ("da_ratio_1mm", of("da_ratio_1mm"), (1.3, 2.0), (1.0, 5.0)),
                ("da_ratio_2mm", of("da_ratio_2mm"), (3.0, 7.0), (1.0, 20.0)),
                ("int_inv_radius", of("integrated_inverse_radius_per_mm"), (5.0, 15.0), (0.5, 40.0)),
                ("max_inv_radius", of("max_inverse_radius_per_mm"), (0.11, 0.3), (0.02, 1.5)),
                ("sp_a1", of("sp_a1_mmhg_per_mm"), (50.0, 180.0), (0.0, 400.0)),
                ("arth", of("arth_um"), (200.0, 1000.0), (20.0, 3000.0)),
                ("ssi", of("ssi"), (0.5, 2.2), (0.05, 6.0)),
                ("wem_max", of("wem_max_mm"), (0.05, 0.7), (0.0, 2.0)),
            ];
            for (name, value, warn, impossible) in values {
                assert!(value >= impossible.0 && value <= impossible.1, "{:?} {name} {value}", eye.diagnosis);
                if eye.diagnosis == Diagnosis::Normal {
                    let share = shares.entry(name).or_default();
                    share.0 += 1;
                    share.1 += usize::from(value < warn.0 || value > warn.1);
                }
            }
        }
    }
    for (name, (n, outside)) in shares {
        assert!(n > 80 && outside * 50 <= n, "{name}: {outside} of {n} healthy eyes");
    }
}

/// What separates the classes in clinic separates them here, and not perfectly.
#[test]
fn classes_differ_and_overlap() {
    let mut cbi: BTreeMap<Diagnosis, Vec<f64>> = BTreeMap::new();
    let mut thinnest: BTreeMap<Diagnosis, Vec<f64>> = BTreeMap::new();
    for index in 0..400 {
        let patient = Patient::new(8, index);
        let mut draw = Purpose::Exam.draw(8, index);
        for eye in &patient.eyes {
            let exam = Exam::new(eye, 0.0, &mut draw);
            let row = super::corvis::measure(eye, 0.0, 40.0, &exam.findings, &mut draw);
            cbi.entry(eye.diagnosis).or_default().push(row.number("cbi").unwrap());
            thinnest.entry(eye.diagnosis).or_default().push(exam.findings.thinnest_um);
        }
    }
    let quantile = |values: &BTreeMap<Diagnosis, Vec<f64>>, diagnosis: Diagnosis, part: f64| {
        let mut sorted = values[&diagnosis].clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * part) as usize]
    };
    // The cut-off of 0.5 (Vinciguerra 2016) separates most eyes, not all.
    assert!(quantile(&cbi, Diagnosis::Normal, 0.5) < 0.1 && quantile(&cbi, Diagnosis::Keratoconus, 0.5) > 0.9);
    assert!(quantile(&cbi, Diagnosis::Normal, 0.9) < 0.5);
    let suspect = quantile(&cbi, Diagnosis::SubclinicalKeratoconus, 0.5);
    assert!((0.02..0.98).contains(&suspect), "{suspect}");
    let median = |diagnosis| quantile(&thinnest, diagnosis, 0.5);
    assert!(median(Diagnosis::Keratoconus) < median(Diagnosis::SubclinicalKeratoconus));
    assert!(median(Diagnosis::SubclinicalKeratoconus) < median(Diagnosis::Normal));
    assert!(median(Diagnosis::Normal) < median(Diagnosis::FuchsDystrophy));
    assert!(quantile(&thinnest, Diagnosis::SubclinicalKeratoconus, 0.8) > quantile(&thinnest, Diagnosis::Normal, 0.3));
}
