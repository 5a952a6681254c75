//! Large files and many files: what they take of memory and cores.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use datafusion::physical_plan::{ExecutionPlanProperties as _, execute_stream_partitioned};
use futures::TryStreamExt as _;
use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;

use super::{exports, rows};
use crate::support::{hospital, run, settings};

/// The one row that the program prints for a query over a lake, and the most memory it had, in MiB; no memory where the system does
/// not say.
fn program(data: &Path, lake: &Path, sql: &str) -> (Vec<String>, Option<u64>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_placido"));
    command.arg("--data").arg(data).arg("--lake").arg(lake).arg("sql").arg(sql);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut most = None;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = most.max(peak.map(|kib| kib / 1024));
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let row = printed.lines().filter(|line| line.starts_with('|')).nth(1).unwrap_or_else(|| panic!("{printed}"));
    (row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect(), most)
}

/// A sheet of so many rows, each of about 90 bytes.
fn sheet(folder: &Path, rows: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("visits.csv")).unwrap());
    file.write_all(b"IPP;Oeil;AVAC;Remarques\n").unwrap();
    for at in 0..rows {
        writeln!(file, "P{at};OD;1/10;{:<70}", "controle").unwrap();
    }
}

/// A physicians' database may have more rows than a spreadsheet takes, and its snapshot more bytes than are free.
#[test]
fn a_sheet_of_a_million_rows_is_read_whole_and_never_held() {
    const ROWS: usize = 1_100_000;
    let folder = tempfile::tempdir().unwrap();
    let took = |rows: usize| {
        let lake = folder.path().join(rows.to_string());
        sheet(&lake, rows);
        // The filter has the manifest look at the rows, too.
        let sql = "select count(*), count(patient_number), max(_row), max(source_row) from raw.clinic_visit where eye = 'OD'";
        let (answer, memory) = program(&folder.path().join("data"), &lake, sql);
        assert_eq!(answer, [rows, rows, rows - 1, rows + 1].map(|number| number.to_string()));
        memory
    };
    let Some((few, many)) = took(1_000).zip(took(ROWS)) else { return };
    // The file has a hundred.
    assert!(many < few + 64, "{few} MiB for a thousand rows, {many} for all");
}

/// A lake of maps is read file by file.
#[test]
fn memory_is_that_of_a_batch_and_not_of_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let file = run(async {
        let files = exports("ms39").await;
        files.into_iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap()
    });
    let took = |count: usize| {
        let lake = folder.path().join(count.to_string());
        std::fs::create_dir_all(&lake).unwrap();
        for at in 0..count {
            std::fs::copy(&file, lake.join(format!("{at}.csv"))).unwrap();
        }
        let sql = "select count(*), count(distinct elevation_anterior_mm[100]) from raw.ms39";
        let (answer, memory) = program(&folder.path().join("data"), &lake, sql);
        assert_eq!(answer, [count.to_string(), "1".to_owned()]);
        std::fs::remove_dir_all(&lake).unwrap();
        memory
    };
    let Some((few, many)) = took(10).zip(took(160)) else { return };
    // Their bytes are 150 MiB more.
    assert!(many < few + 64, "{few} MiB for 10 files, {many} for 160");
}

/// Each core has files of its own, and none is read twice.
#[test]
fn files_are_spread_over_the_cores() {
    run(async {
        let fixture = hospital().await;
        let sql = "select _file, elevation_anterior_mm from raw.ms39";
        let all = rows(&fixture.engine.session(), "select count(*) from raw.ms39").await.remove(0).remove(0);
        for cores in [1, 2, 5] {
            let settings = Settings { cores: Some(cores), ..settings(fixture.settings.data.clone()) };
            let engine = Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap();
            let plan = engine.session().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            assert_eq!(plan.output_partitioning().partition_count(), cores, "{plan:?}");
            // All begin before any goes on: whoever is first must not have them all.
            let mut streams = execute_stream_partitioned(plan, engine.session().task_ctx()).unwrap();
            let mut batches = Vec::new();
            for stream in &mut streams {
                batches.push(stream.try_next().await.unwrap().expect("each core has a file"));
            }
            for stream in streams {
                batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
            }
            let paths = batches.iter().flat_map(|batch| {
                let column = datafusion::arrow::array::AsArray::as_string::<i32>(batch.column(0)).clone();
                column.iter().map(|path| path.unwrap().to_owned()).collect::<Vec<_>>()
            });
            let mut files: Vec<String> = paths.collect();
            assert_eq!(files.len().to_string(), all);
            files.sort();
            files.dedup();
            assert_eq!(files.len().to_string(), all);
        }
    });
}
