//! Nothing is lost, every fault is flagged on its file, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use super::{number, rows, truth};
use crate::support::run;

#[test]
fn every_file_of_a_device_is_at_least_a_row() {
    run(async {
        for device in ["ms39", "cso_eyetop"] {
            let files =
                truth("files.csv").await.iter().filter(|file| file["device"] == device && file["fault"] != "file_empty").count();
            assert_eq!(number(&format!("select count(*) from raw.{device}")).await, i64::try_from(files).unwrap(), "{device}");
        }
        let listed = truth("files.csv").await.len();
        assert_eq!(number("select count(*) from system.files").await, i64::try_from(listed).unwrap());
    });
}

#[test]
fn files_of_nobody_are_listed_with_a_reason() {
    run(async {
        let foreign: BTreeSet<String> = truth("files.csv")
            .await
            .iter()
            .filter(|file| file["fault"].starts_with("foreign_") || file["fault"] == "file_empty")
            .map(|file| file["file"].clone())
            .collect();
        assert!(!foreign.is_empty(), "the hospital has no foreign file");
        let listed = rows(
            "select paths.path, files.reason from system.files as files inner join raw.files as paths \
             on paths.file_id = files.file_id where files.status = 'unknown'",
        )
        .await;
        assert!(listed.iter().all(|row| !row[1].is_empty()));
        assert_eq!(listed.into_iter().map(|row| row[0].clone()).collect::<BTreeSet<_>>(), foreign);
    });
}

/// Files with one row: the expected issue is among those of each faulty file, and sound files and harmless variants have none.
#[test]
fn faults_are_flagged_and_nothing_else() {
    run(async {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let issues = "select paths.path, issues.code from system.issues as issues inner join raw.files as paths \
                      on paths.file_id = issues.file_id where issues.device = 'ms39'";
        for row in rows(issues).await {
            found.entry(row[0].clone()).or_default().insert(row[1].clone());
        }
        let mut faulty = 0;
        for file in truth("files.csv").await.iter().filter(|file| file["device"] == "ms39") {
            let codes = found.remove(&file["file"]).unwrap_or_default();
            let expected = &file["expected_issue"];
            if expected.is_empty() {
                assert!(codes.is_empty(), "{} has {codes:?}", file["fault"]);
            } else if file["fault"] != "file_empty" {
                faulty += 1;
                assert!(codes.contains(expected), "{}: {expected} is not among {codes:?}", file["fault"]);
            }
        }
        assert!(faulty > 0, "the hospital has no faulty scan");
        assert!(found.is_empty());
    });
}

#[test]
fn faults_of_clinical_rows_are_on_their_rows() {
    run(async {
        let issues = "select paths.path, issues.row, issues.code from system.issues as issues inner join raw.files as paths \
                      on paths.file_id = issues.file_id where issues.device = 'clinic'";
        let found: BTreeSet<(String, String, String)> =
            rows(issues).await.into_iter().map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect();
        // Acuities are read in silver, where the reason stands beside the text.
        let unread = "select paths.path, visit._row from silver.acuity as acuity inner join raw.clinic_visit as visit \
                      on visit.scan_id = acuity.scan_id inner join raw.files as paths on paths.file_id = visit._file_id \
                      where acuity.udva_reason is not null or acuity.cdva_reason is not null";
        let unread = rows(unread).await.into_iter().map(|row| (row[0].clone(), row[1].clone(), "acuity_unreadable".to_owned()));
        let found: BTreeSet<(String, String, String)> = found.into_iter().chain(unread).collect();
        let mut faulty = 0;
        for row in truth("clinic_rows.csv").await.iter().filter(|row| !row["expected_issue"].is_empty()) {
            faulty += 1;
            // The ground truth counts rows from 1.
            let place = (row["row"].parse::<u32>().unwrap() - 1).to_string();
            let expected = (row["file"].clone(), place, row["expected_issue"].clone());
            assert!(found.contains(&expected), "{}: {} is not flagged on its row", row["fault"], row["expected_issue"]);
        }
        assert!(faulty > 0, "the hospital has no faulty clinical row");
    });
}

/// The clinician's words in gold are those of the ground truth, wherever a record could be joined.
#[test]
fn diagnoses_arrive_unchanged() {
    run(async {
        let mut truths = BTreeMap::new();
        for row in truth("clinic_rows.csv").await {
            truths
                .insert((row["patient_number"].clone(), row["eye"].clone(), row["exam_date"].clone()), row["diagnosis"].clone());
        }
        let seen = rows(
            "select raw.patient_number, gold.eye, gold.exam_date, gold.diagnosis from gold.eye_features as gold \
             inner join raw.ms39 as raw on raw.scan_id = gold.scan_id where gold.diagnosis is not null",
        )
        .await;
        assert!(seen.len() > 10);
        for row in seen {
            let key = (row[0].clone(), row[1].clone(), row[2].clone());
            assert_eq!(truths.get(&key), Some(&row[3]), "{} {}", row[1], row[2]);
        }
    });
}
