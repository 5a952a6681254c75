//! A file or folder that can't be read is listed with a reason, hides nothing else, and is named in no message.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::physical_plan::collect;
use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;

use crate::support::{hospital, run, settings};

/// Stands for a patient in the names of files.
const SECRET: &str = "QXZNAME";

/// A lake of its own with `count` MS-39 exports of the hospital.
async fn lake(folder: &Path, count: usize) -> Vec<String> {
    let from = hospital().await.settings.lake_folder().join("ms39");
    let mut files: Vec<_> = std::fs::read_dir(from)
        .unwrap()
        .flat_map(|year| std::fs::read_dir(year.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|file| file.metadata().unwrap().len() > 10_000)
        .collect();
    files.sort();
    let mut names = Vec::new();
    for (at, file) in files.iter().take(count).enumerate() {
        let name = format!("{SECRET}_{at}.csv");
        std::fs::copy(file, folder.join(&name)).unwrap();
        names.push(name);
    }
    assert_eq!(names.len(), count);
    names
}

async fn engine(folder: &Path) -> Engine {
    let settings = Settings { lake: Some(folder.to_owned()), ..settings("absent".into()) };
    Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap()
}

async fn rows(engine: &Engine, sql: &str) -> Vec<Vec<String>> {
    let batches = engine.session().sql(sql).await.unwrap().collect().await.unwrap();
    let row = |batch: &datafusion::arrow::array::RecordBatch, row: usize| {
        batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect()
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>()).collect()
}

const LISTED: &str = "select status, issue, reason, size_bytes is null from system.files order by status, reason";

#[cfg(unix)]
#[test]
fn what_can_not_be_listed_is_listed_with_a_reason() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    run(async {
        let folder = tempfile::tempdir().unwrap();
        lake(folder.path(), 2).await;
        // A folder that leads back into itself, a link to itself, one to nothing, and a name that is no text: each of them ends
        // the listing of an ordinary walk, for whoever reads.
        let year = folder.path().join(format!("{SECRET} Anne"));
        std::fs::create_dir(&year).unwrap();
        symlink(folder.path(), year.join("back")).unwrap();
        symlink(format!("{SECRET}.lnk"), folder.path().join(format!("{SECRET}.lnk"))).unwrap();
        symlink("absent", folder.path().join(format!("{SECRET}.gone"))).unwrap();
        let mut name = SECRET.as_bytes().to_vec();
        name.extend(b"_\xe9.csv");
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(&name)), "x").unwrap();

        let engine = engine(folder.path()).await;
        let mut listed = rows(&engine, LISTED).await;
        listed.retain(|row| row[0] != "recognised");
        let told: Vec<Vec<&str>> = listed.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        assert_eq!(
            told,
            [
                ["unreadable", "file_unreadable", "a file or link that can't be followed", "true"],
                ["unreadable", "file_unreadable", "a link to a folder that holds it", "true"],
                ["unreadable", "file_unreadable", "a link to nothing", "true"],
                ["unreadable", "file_unreadable", "a name with characters that can't be read; rename it", "true"],
            ]
        );
        assert_eq!(rows(&engine, "select count(*) from raw.ms39").await, [["2"]]);
        let issues = rows(&engine, "select code, detail from system.issues where device is null").await;
        assert_eq!(issues.len(), 4);
        assert!(issues.iter().all(|row| row[0] == "file_unreadable"));
        assert!(!format!("{listed:?}{issues:?}").contains(SECRET));
        // Keys tell them apart, and `raw.files` says which they are.
        let keys = rows(&engine, "select count(distinct file_id) from raw.files").await;
        assert_eq!(keys, [["6"]]);
    });
}

#[cfg(unix)]
#[test]
fn a_closed_folder_is_listed_and_read_once_it_is_open() {
    use std::os::unix::fs::PermissionsExt as _;

    run(async {
        let folder = tempfile::tempdir().unwrap();
        let names = lake(folder.path(), 2).await;
        let closed = folder.path().join(format!("{SECRET} Anne"));
        std::fs::create_dir(&closed).unwrap();
        std::fs::rename(folder.path().join(&names[0]), closed.join(&names[0])).unwrap();
        let mode = |mode| std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        if std::fs::read_dir(&closed).is_ok() {
            eprintln!("skipped: permissions do not bind this user");
            return;
        }
        let engine = engine(folder.path()).await;
        let listed = rows(&engine, LISTED).await;
        let count = rows(&engine, "select count(*) from raw.ms39").await;
        mode(0o700);
        assert_eq!(listed.last().unwrap()[2], "no permission to read it");
        assert_eq!(count, [["1"]]);
        assert_eq!(rows(&engine, "select count(*) from raw.ms39").await, [["2"]]);
    });
}

/// Between the plan and the reading one file is deleted and one becomes unreadable: each is a row with an issue, and the others
/// are as they were.
#[cfg(unix)]
#[test]
fn a_file_that_vanishes_is_an_issue_and_not_a_failed_query() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let names = lake(folder.path(), 3).await;
        let engine = engine(folder.path()).await;
        let ctx = engine.session();
        let sql = "select file_id, patient_id is not null, layout is not null, issues from bronze.ms39 order by file_id";
        let whole = rows(&engine, sql).await;
        assert_eq!(whole.len(), 3);

        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        std::fs::remove_file(folder.path().join(&names[0])).unwrap();
        std::fs::remove_file(folder.path().join(&names[1])).unwrap();
        std::os::unix::fs::symlink(&names[1], folder.path().join(&names[1])).unwrap();
        let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
        let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3, "{text}");
        assert!(text.contains("file_unreadable: it is no longer there"), "{text}");
        assert!(text.contains("file_unreadable: the store failed to read it"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
        let left = whole.iter().filter(|row| text.contains(&row[0]) && row[1] == "true");
        assert_eq!(left.count(), 3, "{text}");

        // Asked again, the lake is listed again.
        let after = rows(&engine, sql).await;
        assert_eq!(after.len(), 1);
        assert!(whole.contains(&after[0]));
        let issues = rows(&engine, "select code from system.issues where code = 'file_unreadable'").await;
        assert_eq!(issues.len(), 1);
    });
}
