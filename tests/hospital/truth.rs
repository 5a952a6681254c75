//! Nothing is lost, every fault is flagged on its file and row, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use super::{number, rows, truth};
use crate::support::run;

#[test]
fn every_file_of_a_device_is_at_least_a_row() {
    run(async {
        for device in ["ms39", "cso_eyetop", "pentacam", "sirius", "corvis_st_curve"] {
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

/// Every expected issue stands on its row, and nothing else is raised: not on sound files and rows, not on harmless variants.
#[test]
fn exactly_the_expected_issues_are_raised() {
    run(async {
        let expected: BTreeSet<(String, String, String)> = truth("issues.csv")
            .await
            .into_iter()
            // The ground truth counts rows from 1.
            .map(|issue| {
                let row = issue["row"].parse::<u32>().map_or(String::new(), |row| (row - 1).to_string());
                (issue["file"].clone(), row, issue["issue"].clone())
            })
            .collect();
        let raised: BTreeSet<(String, String, String)> = rows(
            "select paths.path, issues.row, issues.code from system.issues as issues inner join raw.files as paths \
             on paths.file_id = issues.file_id",
        )
        .await
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
        .collect();
        assert!(expected.len() > 30, "the hospital has {} issues", expected.len());
        let missed: Vec<_> = expected.difference(&raised).collect();
        let spurious: Vec<_> = raised.difference(&expected).collect();
        assert!(missed.is_empty() && spurious.is_empty(), "missed {missed:?}\nspurious {spurious:?}");
    });
}

/// The list of issues has the issue of every fault that the files of the truth name, on its file and row.
#[test]
fn every_fault_is_in_the_list_of_issues() {
    run(async {
        let listed: BTreeSet<(String, String, String)> = truth("issues.csv")
            .await
            .into_iter()
            .map(|issue| (issue["file"].clone(), issue["row"].clone(), issue["issue"].clone()))
            .collect();
        let mut faults = 0;
        for file in ["files.csv", "corvis_rows.csv", "clinic_rows.csv"] {
            for place in truth(file).await.iter().filter(|place| !place["expected_issue"].is_empty()) {
                let issue = place["expected_issue"].as_str();
                let row = match (place.get("row"), issue) {
                    (Some(row), _) => row.as_str(),
                    (None, "file_empty" | "file_unknown") => "",
                    (None, _) => "1",
                };
                faults += 1;
                let expected = (place["file"].clone(), row.to_owned(), issue.to_owned());
                assert!(listed.contains(&expected), "{} of {file} is not listed", place["fault"]);
            }
        }
        assert!(faults > 10, "the hospital has {faults} faults");
    });
}

/// What a bare decimal means is not certain: the issue stands where silver has no acuity.
#[test]
fn acuities_that_silver_can_not_read_are_issues() {
    run(async {
        let of = |column: &str| {
            format!(
                "select count(*) from silver.acuity where {column}_text is not null and trim({column}_text) <> '' \
                 and {column}_logmar is null and scan_id not in (select scan_id from system.issues where code in \
                 ('acuity_unreadable', 'value_mangled'))"
            )
        };
        assert_eq!(number(&of("udva")).await + number(&of("cdva")).await, 0);
        assert!(number("select count(*) from system.issues where code = 'acuity_unreadable'").await > 0);
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
