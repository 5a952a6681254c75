//! Clinical records of every form, from a folder to silver: sheets, workbooks, FHIR, snapshots of databases.

mod cluster;
mod postgres;
mod sqlite;

use std::path::Path;

use datafusion::arrow::util::display::array_value_to_string;
use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;

use crate::support::{run, settings};

/// Stands for everything that names the patient.
const SECRET: &str = "QXZNAME";

/// The engine over the lake in `folder`.
async fn engine(folder: &Path) -> Engine {
    let settings = Settings { lake: Some(folder.join("lake")), ..settings(folder.join("data")) };
    Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap()
}

/// Rows of a query, each cell as text; NULL is the empty string.
async fn rows(engine: &Engine, sql: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in engine.session().sql(sql).await.unwrap().collect().await.unwrap() {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect());
        }
    }
    rows
}

/// A hospital's patient 0012345 as a FHIR server has them, and what it measured on the day of the workbook's visit.
fn fhir() -> String {
    let observation = |id: &str, code: &str, rest: &str| {
        format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"status\":\"final\",\"code\":{{\"coding\":[{code}]}},\
             \"subject\":{{\"reference\":\"Patient/7\",\"display\":\"{SECRET}\"}},\"effectiveDateTime\":\"2024-03-26\",{rest}}}\n"
        )
    };
    let snomed = |code: &str| format!("{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\"}}");
    let right = "\"bodySite\":{\"coding\":[{\"system\":\"http://snomed.info/sct\",\"code\":\"362502000\"}]}";
    let part = |code: &str, value: &str| {
        format!("{{\"code\":{{\"coding\":[{}]}},\"valueQuantity\":{{\"value\":{value},\"unit\":\"[diop]\"}}}}", snomed(code))
    };
    let parts = format!("\"component\":[{},{}],{right}", part("251795007", "-2.5"), part("251797004", "0"));
    [
        format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"7\",\"identifier\":[{{\"type\":{{\"coding\":[{{\"code\":\"MR\"}}]}},\
             \"value\":\"0012345\"}}],\"name\":[{{\"family\":\"{SECRET}\"}}],\"gender\":\"female\",\"birthDate\":\"1990-07-14\"}}\n"
        ),
        observation("a", "{\"system\":\"http://loinc.org\",\"code\":\"79882-7\"}", "\"valueQuantity\":{\"value\":0.3,\"unit\":\"logMAR\"}"),
        observation("b", &snomed("251794006"), &parts),
        observation("c", &snomed("419775003"), &format!("\"valueString\":\"7 ou 8\",{right}")),
        observation("d", &snomed("419775003"), &format!("\"valueString\":\"10/10\",{right}")).replace("final", "entered-in-error"),
        observation("e", "{\"code\":\"8480-6\"}", &format!("\"valueQuantity\":{{\"value\":120}},{right}")),
        format!("{{\"resourceType\":\"Observation\", \"note\":\"{SECRET}\n"),
    ]
    .concat()
}

#[test]
fn every_form_arrives_in_silver_and_names_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake").join(SECRET);
        std::fs::create_dir_all(&lake).unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/src/devices/clinic/fixtures");
        std::fs::copy(fixtures.join("records.xlsx"), lake.join("a.xlsx")).unwrap();
        std::fs::copy(fixtures.join("odd.ods"), lake.join("b.ods")).unwrap();
        std::fs::write(lake.join("c.ndjson"), fhir()).unwrap();
        let engine = engine(folder.path()).await;

        let files = rows(&engine, "select device, count(*) from system.files group by 1 order by 1").await;
        assert_eq!(files, [["clinic", "2"], ["fhir", "1"]]);
        assert_eq!(rows(&engine, "select count(*) from bronze.clinic_visit").await, [["8"]]);
        let observed = "select measure, eye, acuity_text, sphere_d, cylinder_d, age_years, sex, is_void from bronze.fhir_observation order by row_in_file";
        assert_eq!(
            rows(&engine, observed).await,
            [
                ["udva", "OD", "0.3 logMAR", "", "", "33", "F", "false"],
                ["refraction", "OD", "", "-2.5", "0.0", "33", "F", "false"],
                ["cdva", "OD", "7 ou 8", "", "", "33", "F", "false"],
                ["cdva", "OD", "10/10", "", "", "33", "F", "true"],
                ["", "OD", "", "", "", "33", "F", "false"],
                ["", "", "", "", "", "", "", "false"],
            ]
        );
        // The hospital's number makes them one patient and one visit.
        let joined = "select count(*) from bronze.clinic_visit as visit inner join bronze.fhir_observation as observed \
                      using (patient_id, exam_id, eye) where observed.measure = 'udva'";
        assert_eq!(rows(&engine, joined).await, [["1"]]);

        let acuity = "select source, udva_text, round(udva_logmar, 3), cdva_text, round(cdva_logmar, 3) from silver.acuity \
                      where patient_id = (select patient_id from bronze.fhir_observation limit 1) and eye = 'OD' order by source, udva_text nulls last";
        assert_eq!(
            rows(&engine, acuity).await,
            [
                ["clinic", "5/10", "0.301", "10/10 P2", "0.0"],
                ["fhir", "0.3 logMAR", "0.3", "", ""],
                ["fhir", "", "", "7 ou 8", ""]
            ]
        );
        let refraction = "select source, sphere_d, cylinder_d, axis_deg, m_d from silver.refraction \
                          where patient_id = (select patient_id from bronze.fhir_observation limit 1) and eye = 'OD' order by source";
        assert_eq!(
            rows(&engine, refraction).await,
            [["clinic", "-2.25", "-0.5", "90.0", "-2.5"], ["fhir", "-2.5", "0.0", "", "-2.5"]]
        );

        let issues = "select code, count(*) from system.issues where device = 'fhir' group by 1 order by 1";
        assert_eq!(
            rows(&engine, issues).await,
            [["acuity_unreadable", "1"], ["code_unknown", "1"], ["resource_unreadable", "1"], ["status_void", "1"]]
        );
        for table in [
            "bronze.fhir_observation",
            "bronze.clinic_visit",
            "silver.acuity",
            "silver.refraction",
            "system.issues",
            "system.files",
        ] {
            let cells = rows(&engine, &format!("select * from {table}")).await;
            assert!(!cells.iter().flatten().any(|cell| cell.contains(SECRET) || cell.contains("DÉMO")), "{table} names somebody");
        }
        assert!(
            rows(&engine, "select resource from raw.fhir_observation").await.iter().flatten().any(|cell| cell.contains(SECRET))
        );
    });
}

/// A bulk export has a file for each type of resource. Patients are known wherever they stand in the folder, and no further.
#[test]
fn patients_of_the_same_folder_are_known_by_their_number() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder.path().join("lake");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/src/devices/clinic/fixtures");
        for name in ["bulk", "other"] {
            std::fs::create_dir_all(lake.join(name)).unwrap();
        }
        std::fs::copy(fixtures.join("records.xlsx"), lake.join("a.xlsx")).unwrap();
        let all = fhir();
        let (patient, observations) = all.split_once('\n').unwrap();
        std::fs::write(lake.join("other/Observation.ndjson"), observations).unwrap();
        std::fs::write(lake.join("bulk/Observation.ndjson"), observations).unwrap();
        let engine = engine(folder.path()).await;
        let joined = "select count(*) from bronze.clinic_visit as visit inner join bronze.fhir_observation as observed \
                      using (patient_id, exam_id, eye) where observed.measure = 'udva'";
        // A line that can't be read is nobody's: its row has no patient, and a visit of its own.
        let seen = "select count(distinct patient_id), count(distinct exam_id), count(age_years) from bronze.fhir_observation \
                    where patient_id is not null";
        assert_eq!(rows(&engine, joined).await, [["0"]], "nobody says who Patient/7 is");
        assert_eq!(rows(&engine, seen).await, [["1", "1", "0"]]);

        let file = lake.join("bulk/Patient.ndjson");
        std::fs::write(&file, patient).unwrap();
        assert_eq!(rows(&engine, joined).await, [["1"]]);
        assert_eq!(rows(&engine, seen).await, [["2", "2", "5"]], "the other folder is another server's");
        // What the manifest knows picks the same rows.
        let patient_key = "select patient_id from bronze.clinic_visit where patient_id in (select patient_id from bronze.fhir_observation) limit 1";
        let key = rows(&engine, patient_key).await.remove(0).remove(0);
        let picked = format!("select count(*) from raw.fhir_observation where patient_id = '{key}'");
        assert_eq!(rows(&engine, &picked).await, [["5"]]);
        let keys = "select count(distinct key) from (select unnest(patient_ids) as key from system.files where device = 'fhir')";
        assert_eq!(rows(&engine, keys).await, [["2"]]);

        // A second server's patient of the same name makes both unknown.
        std::fs::write(lake.join("bulk/more.ndjson"), patient.replace("0012345", "4711")).unwrap();
        assert_eq!(rows(&engine, joined).await, [["0"]]);
        std::fs::remove_file(lake.join("bulk/more.ndjson")).unwrap();
        assert_eq!(rows(&engine, joined).await, [["1"]]);
        std::fs::write(&file, patient.replace("0012345", "4711")).unwrap();
        assert_eq!(rows(&engine, joined).await, [["0"]], "the number was corrected");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(rows(&engine, seen).await, [["1", "1", "0"]]);
    });
}

/// A large sheet comes in batches, whose rows are counted on.
#[test]
fn a_large_sheet_is_not_one_batch() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("lake")).unwrap();
        let mut sheet = "IPP;Date;Oeil;AVSC;AVAC;Sphère;Cylindre;Axe;Diagnostic\n".to_owned();
        for row in 0..20_000 {
            sheet.push_str(&format!("P{row};26/03/2024;OD;5/10;10/10;-1,5;-0,5;90;normal\n"));
        }
        std::fs::write(folder.path().join("lake/visits.csv"), sheet).unwrap();
        let engine = engine(folder.path()).await;
        let counted = "select count(*), min(_row), max(_row), count(distinct _row), count(distinct scan_id), count(distinct _file_sha256) \
                       from raw.clinic_visit";
        assert_eq!(rows(&engine, counted).await, [["20000", "0", "19999", "20000", "20000", "1"]]);
        let last = "select patient_number from raw.clinic_visit where _row = 19999";
        assert_eq!(rows(&engine, last).await, [["P19999"]]);
        let batches = engine
            .session()
            .sql("select _row, patient_number, sphere_d from raw.clinic_visit")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert!(batches.iter().all(|batch| batch.num_rows() <= 8192));
        // Rows are keyed as the manifest knows them.
        let keys = "select count(*) from raw.clinic_visit where patient_id = (select patient_id from raw.clinic_visit where patient_number = 'P12345')";
        assert_eq!(rows(&engine, keys).await, [["1"]]);
    });
}
