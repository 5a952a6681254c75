//! Exports of devices that the simulated hospital does not have, from a folder to bronze. All files are made here.

use std::fmt::Write as _;
use std::path::Path;

use datafusion::arrow::util::display::array_value_to_string;
use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;

use crate::support::{run, settings};

/// Stands for everything that names the patient: in file names, headers and comments.
const SECRET: &str = "QXZNAME";

/// A thickness grid with a disc of 5 mm, thinnest at (−0.5, −0.3) mm.
fn pentacam() -> String {
    let coordinate = |at: i32| f64::from(at - 70) / 10.0;
    let mut text = String::new();
    for at in 0..141 {
        let _ = write!(text, ";{:.3}", coordinate(at));
    }
    text.push_str(";\r\n");
    for row in 0..141 {
        let y = -coordinate(row);
        let _ = write!(text, "{y:.3}");
        for column in 0..141 {
            let x = coordinate(column);
            let cell = if x.hypot(y) < 5.0 {
                format!("{:.0}", 485.0 + 12.0 * ((x + 0.5).powi(2) + (y + 0.3).powi(2)))
            } else {
                String::new()
            };
            let _ = write!(text, ";{cell}");
        }
        text.push_str(";\r\n");
    }
    let _ = write!(
        text,
        "[SYSTEM];;\r\nName;Pentacam;\r\nVersion;1.16r96;\r\nRegistered User;{SECRET};\r\n[PATIENT];;\r\nLastName;{SECRET};\r\n\
         FirstName;{SECRET};\r\nEye;OS;\r\nDateOfBirth;14-07-1990;\r\nPatientID;{SECRET}7;\r\n[EXAMINATION];;\r\n\
         Date;26-03-2024;\r\nSurgeon;{SECRET};\r\nComments;{SECRET};\r\n[GENERAL DATA];;\r\nPachy Apex;489;\r\n\
         Pachy Min;470;\r\nPupil Dia;{SECRET};\r\n"
    );
    text
}

fn sirius() -> String {
    let mut text = format!(
        "Patient_ID;{SECRET}7\r\nPatient_Last_Name;{SECRET}\r\nExam_Eye;{SECRET}\r\nExam_Scan_Date;26/03/2024\r\nRadii\r\n"
    );
    for ring in 0..31 {
        let _ = write!(text, "{:.4};", f64::from(ring) * 0.2);
    }
    text.push_str("\r\nCornealThickness [um]\r\n");
    for ring in 0..31 {
        text.push_str(&format!("{:.4};", 540.0 + f64::from(ring)).repeat(256));
        text.push_str("\r\n");
    }
    text
}

fn ectasia() -> String {
    format!(
        "Last Name:;First Name:;Pat-ID:;D.o.Birth:;Exam Date:;Exam Time:;Exam Eye:;Exam Comment:;Comment1:;BAD Df:;BAD Db:;BAD Dp:;BAD Dt:;\
         BAD D:;Pachy Min.:;ART Max.:;\r\n{SECRET};{SECRET};{SECRET}7;14/07/1990;26/03/2024;10:15;Left;{SECRET};{SECRET};0.7;1.2;0.5;-0.3;1.64;{SECRET};401;{SECRET}\r\n"
    )
}

async fn engine(folder: &Path) -> Engine {
    let lake = folder.join("lake");
    std::fs::create_dir_all(lake.join(SECRET)).unwrap();
    for (name, text) in [("PAC", pentacam()), ("SIR", sirius()), ("BAD", ectasia())] {
        std::fs::write(lake.join(SECRET).join(format!("{SECRET}_OS_26032024_{name}.CSV")), text).unwrap();
    }
    let settings = Settings { lake: Some(lake), ..settings(folder.join("data")) };
    Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap()
}

async fn rows(engine: &Engine, sql: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in engine.session().sql(sql).await.unwrap().collect().await.unwrap() {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect());
        }
    }
    rows
}

#[test]
fn exports_arrive_in_bronze_and_name_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path()).await;
        let found =
            rows(&engine, "select device, count(*) from system.files where status = 'recognised' group by 1 order by 1").await;
        assert_eq!(found, [["pentacam", "1"], ["pentacam_badisplay", "1"], ["sirius", "1"]]);

        // Cell (70, 65) of the grid, counted from 1 as lists are, lies at (−0.5, 0) mm.
        let sql = "select eye, export_kind, age_years, pachy_apex_um, corneal_thickness_um[70 * 141 + 65 + 1] as cell, \
                   corneal_thickness_um[1] is null as corner from bronze.pentacam";
        assert_eq!(rows(&engine, sql).await, [["OS", "pachymetry", "33", "489.0", "486.0", "true"]]);
        assert_eq!(
            rows(&engine, "select corneal_thickness_um[1], sagittal_anterior_mm is null from bronze.sirius").await,
            [["540.0", "true"]]
        );
        assert_eq!(
            rows(&engine, "select eye, bad_d, art_max_um from bronze.pentacam_badisplay").await,
            [["OS", "1.64", "401.0"]]
        );
        let joined = "select count(*) from bronze.pentacam inner join bronze.pentacam_badisplay using (patient_id, exam_id, eye)";
        assert_eq!(rows(&engine, joined).await, [["1"]]);
        let joined = "select count(*) from bronze.pentacam inner join bronze.sirius using (patient_id, exam_id)";
        assert_eq!(rows(&engine, joined).await, [["1"]]);

        // The header states a smallest thickness that the grid does not have; other damage is in fields that name somebody.
        let codes = rows(&engine, "select distinct device, code from system.issues order by 1, 2").await;
        let has = |device: &str, code: &str| codes.iter().any(|row| row[0] == device && row[1] == code);
        assert!(has("pentacam", "header_disagrees") && has("pentacam", "number_unreadable"), "{codes:?}");
        assert!(has("sirius", "eye_unreadable") && has("sirius", "map_missing"), "{codes:?}");
        assert!(has("pentacam_badisplay", "number_unreadable"), "{codes:?}");

        assert!(rows(&engine, "select patient_last_name from raw.pentacam").await[0][0].contains(SECRET));
        let mut looked_at = 0;
        for table in ["bronze.pentacam", "bronze.sirius", "bronze.pentacam_badisplay", "system.issues", "system.files"] {
            let cells = rows(&engine, &format!("select * from {table}")).await;
            looked_at += cells.len();
            assert!(!cells.iter().flatten().any(|cell| cell.contains(SECRET)), "{table} names somebody");
            let plan = rows(&engine, &format!("explain verbose select * from {table}")).await;
            assert!(!plan.iter().flatten().any(|line| line.contains(SECRET)), "the plan of {table} names somebody");
        }
        assert!(looked_at > 8);
    });
}

/// What a map is travels with it: the functions find grid and unit in the field.
#[test]
fn grids_keep_their_metadata_up_to_bronze() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path()).await;
        for (table, column, kind) in [
            ("bronze.pentacam", "corneal_thickness_um", "placido.raster"),
            ("bronze.sirius", "corneal_thickness_um", "placido.polar_map"),
        ] {
            let schema = engine.session().table(table).await.unwrap().schema().as_arrow().clone();
            let metadata = schema.field_with_name(column).unwrap().metadata();
            assert_eq!(metadata.get("ARROW:extension:name").map(String::as_str), Some(kind), "{table}");
            assert_eq!(metadata.get("unit").map(String::as_str), Some("um"), "{table}");
        }
        let thinnest = "select map_minimum(corneal_thickness_um)['value'] from bronze.sirius";
        assert_eq!(rows(&engine, thinnest).await, [["540.0"]]);
        // Row 0 is superior and column 0 at the examiner's left, so that places come out where the header has them.
        let at = "select map_at(corneal_thickness_um, -0.5, -0.3), map_at(corneal_thickness_um, 0.5, 0.3), \
                  map_minimum(corneal_thickness_um, zone_mm => 8)['value'] from bronze.pentacam";
        assert_eq!(rows(&engine, at).await, [["485.0", "501.0", "485.0"]]);
    });
}
