//! Real exports, read in place.

use placido::engine::{Engine, Opening};
use placido::output;
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;

use crate::support::{real_data, run, settings};

async fn engine(folder: std::path::PathBuf) -> Engine {
    let settings = Settings { lake: Some(folder), ..settings("absent".into()) };
    Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap()
}

const TABLE: &str = "select replace(raw._file, '.txt', '') as file, k.method, k.device_m_d, k.d_m_d, k.device_j0_d, k.d_j0_d, \
                     k.device_j45_d, k.d_j45_d, k.distance_d from silver.eyetop_keratometry as k \
                     inner join raw.cso_eyetop as raw on raw.scan_id = k.scan_id order by file, k.distance_d";

#[test]
fn keratometry_from_real_elevations_agrees_with_the_device() {
    let Some(folder) = real_data("cso-eyetop") else { return };
    run(async {
        let engine = engine(folder).await;
        let sql = "select raw._file, k.d_m_d, k.d_j0_d, k.d_j45_d from silver.eyetop_keratometry as k \
                   inner join raw.cso_eyetop as raw on raw.scan_id = k.scan_id where k.method = 'harmonic' and raw._file <> 'K01.txt'";
        let batches = engine.session().sql(sql).await.unwrap().collect().await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
        for batch in &batches {
            for column in 1..4 {
                let values = datafusion::arrow::array::AsArray::as_primitive::<datafusion::arrow::datatypes::Float64Type>(
                    batch.column(column),
                );
                for difference in values {
                    assert!(difference.unwrap().abs() <= 0.2, "{difference:?} D");
                }
            }
        }
    });
}

#[test]
fn a_file_that_is_no_export_is_listed() {
    let Some(folder) = real_data("cso-eyetop") else { return };
    run(async {
        let engine = engine(folder).await;
        let sql = "select status, count(*) from system.files group by 1 order by 1";
        let text = output::markdown(engine.session().sql(sql).await.unwrap()).await.unwrap();
        assert!(text.ends_with("| recognised | 3 |\n| unknown | 1 |\n"), "{text}");
    });
}

#[test]
fn the_table_in_the_docs_is_what_the_program_prints() {
    let Some(folder) = real_data("cso-eyetop") else { return };
    run(async {
        let engine = engine(folder).await;
        let printed = output::markdown(engine.session().sql(TABLE).await.unwrap()).await.unwrap();
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keratometry.md")).unwrap();
        assert!(page.contains(&printed), "docs/keratometry.md does not hold what is printed now:\n{printed}");
        assert!(page.contains(TABLE.split(" from ").next().unwrap()), "docs/keratometry.md does not say how to print its table");
    });
}

/// A table of a study: an acuity, its eye and a patient without a name, and many columns of its own.
#[test]
fn a_table_of_injections_is_read_row_by_row() {
    let Some(folder) = real_data("moorfields-amd") else { return };
    // No field of it is quoted.
    let text = std::fs::read_to_string(folder.join("Moorfields_AMD_Database_10_years.csv")).unwrap();
    assert!(!text.contains('"'));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let column = |name: &str| names.iter().position(|own| *own == name).unwrap();
    let (eye, acuity, patient) = (column("eye"), column("va"), column("anon_id"));
    let of = |row: Vec<&str>| [if row[eye] == "l" { "OS" } else { "OD" }, row[acuity], row[patient]].map(str::to_owned);
    let mut expected: Vec<[String; 3]> = lines.map(of).collect();
    // Its last line has no end: the value there may be cut, and is nobody's number.
    assert!(!text.ends_with('\n'));
    expected.last_mut().unwrap()[2].clear();
    assert!(expected.len() > 6_000);
    run(async {
        let engine = engine(folder).await;
        let sql = "select eye, coalesce(cdva_text, '') as va, coalesce(patient_number, '') from raw.clinic_visit order by _row";
        let mut found: Vec<[String; 3]> = Vec::new();
        for batch in engine.session().sql(sql).await.unwrap().collect().await.unwrap() {
            for row in 0..batch.num_rows() {
                found.push(
                    [0, 1, 2].map(|at| datafusion::arrow::util::display::array_value_to_string(batch.column(at), row).unwrap()),
                );
            }
        }
        assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "row {at}");
        }
    });
}
