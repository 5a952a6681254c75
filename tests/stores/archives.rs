//! A lake of zip archives gives what the unpacked files give; what is wrong with an archive stays visible.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use placido_catalog::identity::IdentityKey;
use placido_catalog::lake::{Lake, Pace};

use super::{engine, rows, small};
use crate::support::run;

fn has_zip() -> bool {
    let found = Command::new("zip").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "zip is not installed");
    if !found {
        eprintln!("skipped: zip is not installed");
    }
    found
}

fn zip(folder: &Path, arguments: &[&str]) {
    let output = Command::new("zip").current_dir(folder).arg("-q").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn lake(folder: &Path, data: &Path) -> Arc<Lake> {
    let identity = IdentityKey::load_or_create(&data.join("identity.key")).unwrap();
    Arc::new(Lake::open(folder, identity, Pace::default()).unwrap())
}

#[test]
fn archived_files_give_what_they_give_unpacked() {
    if !has_zip() {
        return;
    }
    run(async {
        let small = small().await;
        let packed = tempfile::tempdir().unwrap();
        for folder in std::fs::read_dir(small.data.join("lake")).unwrap() {
            let folder = folder.unwrap().file_name();
            // Named like anything but an archive: the content tells.
            let archive = packed.path().join(&folder).with_extension("export");
            let (archive, folder) = (archive.to_str().unwrap(), folder.to_str().unwrap());
            zip(&small.data.join("lake"), &["-r", archive, folder]);
            if let Ok(made) = std::fs::metadata(format!("{archive}.zip")) {
                assert!(made.is_file());
                std::fs::rename(format!("{archive}.zip"), archive).unwrap();
            }
        }
        let zipped = engine(lake(packed.path(), &small.data)).await;
        let columns = "device, extension, size_bytes, sha256, status, issue, reason";
        let mut questions = vec![format!("select {columns} from system.files")];
        questions.push("select device, code, severity, detail, row, exam_id is null from system.issues".to_owned());
        questions.push("select exam_id, eye, diagnosis from gold.eye_features where not starts_with(exam_id, 'S')".to_owned());
        questions.push("select patient_id, eye, layout, issues from bronze.ms39".to_owned());
        for question in questions {
            let (expected, found) = (rows(&small.engine, &question).await, rows(&zipped, &question).await);
            assert!(!expected.is_empty() && found == expected, "{question}: {} rows for {}", found.len(), expected.len());
        }
        let paths = rows(&zipped, "select path from raw.files").await;
        let unpacked = rows(&small.engine, "select path from raw.files").await;
        let inner: Vec<_> = paths.iter().map(|row| vec![row[0].split_once("!/").unwrap().1.to_owned()]).collect();
        assert_eq!(
            {
                let mut inner = inner;
                inner.sort();
                inner
            },
            unpacked
        );
    });
}

/// Stands for a patient in the names of members.
const SECRET: &str = "QXZNAME";

#[test]
fn what_is_wrong_with_an_archive_is_told_without_names() {
    if !has_zip() {
        return;
    }
    run(async {
        let small = small().await;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let export = super::files(&small.data.join("lake/ms39")).into_iter().find(|(_, bytes)| bytes.len() > 100_000).unwrap().1;
        let (good, locked) = (format!("{SECRET}.csv"), format!("{SECRET} locked.csv"));
        std::fs::write(path(&good), &export).unwrap();
        std::fs::write(path(&locked), "x").unwrap();
        zip(folder.path(), &["inner.zip", &good]);
        zip(folder.path(), &["outer.zip", &good, "inner.zip"]);
        zip(folder.path(), &["-P", "pass", "outer.zip", &locked]);
        std::fs::remove_file(path(&locked)).unwrap();
        let whole = std::fs::read(path("inner.zip")).unwrap();
        std::fs::write(path("cut.zip"), &whole[..whole.len() - 30]).unwrap();
        // One byte in the middle of the packed bytes: its head still tells the device.
        let mut flipped = whole.clone();
        let middle = flipped.len() - 300;
        flipped[middle] ^= 0xff;
        std::fs::write(path("flipped.zip"), flipped).unwrap();
        std::fs::remove_file(path(&good)).unwrap();

        let engine = engine(lake(folder.path(), &small.data)).await;
        let listed = rows(&engine, "select status, issue, reason from system.files").await;
        let listed: Vec<Vec<&str>> = listed.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        assert_eq!(
            listed,
            [
                ["recognised", "", ""],
                ["recognised", "", ""],
                ["recognised", "", ""],
                ["unreadable", "archive_member_refused", "an archive inside an archive; unpack it"],
                ["unreadable", "archive_member_refused", "encrypted; pack it without a password"],
                [
                    "unreadable",
                    "archive_unreadable",
                    "a zip archive without a directory at its end: it was cut off, or something was appended"
                ],
            ]
        );
        let read = rows(&engine, "select patient_id is null, issues from bronze.ms39").await;
        assert_eq!(read.len(), 3);
        assert_eq!(read.iter().filter(|row| row[1].contains("file_unreadable: damaged:")).count(), 1, "{read:?}");
        let issues = rows(&engine, "select code, detail from system.issues").await;
        assert!(issues.iter().any(|row| row[0] == "archive_unreadable"), "{issues:?}");
        assert!(!format!("{listed:?}{read:?}{issues:?}").contains(SECRET));
        let names = rows(&engine, "select path from raw.files").await;
        assert_eq!(names.iter().filter(|row| row[0].contains(&format!("!/{SECRET}"))).count(), 4, "{names:?}");
        // Another version of the archive, another answer.
        std::fs::write(path("cut.zip"), &whole).unwrap();
        assert_eq!(rows(&engine, "select count(*) from raw.ms39").await, [["4"]]);
    });
}
