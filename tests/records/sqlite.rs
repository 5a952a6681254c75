//! Snapshots of a SQLite file that Python made.

use std::path::{Path, PathBuf};
use std::process::Command;

use placido_catalog::snapshot::{Order, Outcome, take};

use super::{SECRET, engine, rows};
use crate::support::run;

/// Runs statements on a database through Python's sqlite3; false where there is no Python.
fn python(file: &Path, script: &str) -> bool {
    let program = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c:\n    c.executescript(sys.argv[2])";
    match Command::new("python3").args(["-c", program]).arg(file).arg(script).status() {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(_) => {
            assert!(std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "python3 is not installed");
            eprintln!("skipped: python3 is not installed");
            false
        }
    }
}

const TABLES: &str = "
    create table visits (id integer primary key, ipp text, nom text, date_visite text, oeil text, avac text, sph real, atopie boolean, notes text);
    insert into visits values
        (2, '0012345', 'QXZNAME', '2024-03-26', 'OG', '8/10', -1, 0, ''),
        (1, '0012345', 'QXZNAME', '2024-03-26', 'OD', '5/10', -2.25, 1, 'deux
lignes; \"une\", deux'),
        (10, 'B', 'QXZNAME', '2024-02-01', 'OD', 'CLD', null, null, null);
    create table other (a, b); insert into other values (x'00ff', 1.0), (null, 1), ('z', 2);";

fn order(folder: &Path, tables: &[&str]) -> Order {
    Order {
        source: folder.join("clinique.sqlite").display().to_string(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        queries: Vec::new(),
        folder: folder.join("lake/snapshots"),
        name: None,
    }
}

async fn only(order: &Order) -> Outcome {
    let mut made = take(order).await.unwrap();
    assert_eq!(made.len(), 1);
    made.swap_remove(0)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_table_is_copied_when_it_changed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir_all(folder.join("lake")).unwrap();
        let database = folder.join("clinique.sqlite");
        if !python(&database, TABLES) {
            return;
        }
        let untouched = std::fs::read(&database).unwrap();
        let order = order(folder, &["Visits"]);
        let first = only(&order).await;
        assert_eq!((first.table.as_str(), first.rows, first.is_new), ("Visits", 3, true));
        let text = std::fs::read_to_string(&first.file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "id,ipp,nom,date_visite,oeil,avac,sph,atopie,notes");
        // By the key, whatever the order in the file; what is null differs from what is empty.
        assert_eq!(lines[2], "1,0012345,QXZNAME,2024-03-26,OD,5/10,-2.25,1,\"deux");
        assert_eq!(lines[4], "2,0012345,QXZNAME,2024-03-26,OG,8/10,-1.0,0,\"\"");
        assert_eq!(lines[5], "10,B,QXZNAME,2024-02-01,OD,CLD,,,");

        // The same rows, stored otherwise.
        assert!(python(
            &database,
            "update visits set id = id; delete from visits where id = 1; insert into visits values (1, '0012345', 'QXZNAME', '2024-03-26', 'OD', '5/10', -2.25, 1, 'deux\nlignes; \"une\", deux'); "
        ));
        let again = only(&order).await;
        assert_eq!((again.is_new, &again.file), (false, &first.file));
        assert_eq!(files(first.file.parent().unwrap()).len(), 1);

        let engine_before = engine(folder).await;
        assert_eq!(rows(&engine_before, "select count(*) from bronze.clinic_visit").await, [["3"]]);
        assert!(python(&database, "update visits set avac = '6/10' where id = 1"));
        let second = only(&order).await;
        assert!(second.is_new && second.file > first.file);

        let engine = engine(folder).await;
        let entries = "select eye, cdva_text, sphere_d, atopy from bronze.clinic_visit order by cdva_text";
        assert_eq!(
            rows(&engine, entries).await,
            [["OD", "6/10", "-2.25", "true"], ["OS", "8/10", "-1.0", "false"], ["OD", "CLD", "", ""]]
        );
        assert_eq!(rows(&engine, "select count(*) from raw.clinic_visit").await, [["6"]]);
        let snapshots = "select is_newest, newest_id = file_id, taken_at > timestamp '2020-01-01' from bronze.clinic_snapshot order by taken_at";
        assert_eq!(rows(&engine, snapshots).await, [["false", "false", "true"], ["true", "true", "true"]]);
        for table in ["bronze.clinic_visit", "bronze.clinic_snapshot", "silver.acuity"] {
            assert!(
                !rows(&engine, &format!("select * from {table}")).await.iter().flatten().any(|cell| cell.contains(SECRET)),
                "{table}"
            );
        }
        // Read, and only read.
        assert_ne!(std::fs::read(&database).unwrap(), untouched);
        let now = std::fs::read(&database).unwrap();
        only(&order).await;
        assert_eq!(std::fs::read(&database).unwrap(), now);
    });
}

#[test]
fn queries_and_all_tables() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        if !python(&folder.join("clinique.sqlite"), TABLES) {
            return;
        }
        let made = take(&order(folder, &[])).await.unwrap();
        assert_eq!(made.iter().map(|made| (made.table.as_str(), made.rows)).collect::<Vec<_>>(), [("other", 3), ("visits", 3)]);
        // Types that a table without any has: nothing, 1 and 1.0, bytes.
        assert_eq!(std::fs::read_to_string(&made[0].file).unwrap(), "\"# Snapshot of other: a, b\"\na,b\n,1\nz,2\n\\x00ff,1.0\n");
        let queries =
            vec![("recent".to_owned(), "select ipp as mrn, avac as cdva from visits where sph is not null -- all;".to_owned())];
        let asked = Order { queries, tables: Vec::new(), name: Some("lake of/clinic".to_owned()), ..order(folder, &[]) };
        let made = only(&asked).await;
        assert_eq!(made.rows, 2);
        assert!(made.file.starts_with(folder.join("lake/snapshots")), "{:?}", made.file);
        assert!(std::fs::read_to_string(&made.file).unwrap().ends_with("mrn,cdva\n0012345,5/10\n0012345,8/10\n"));
    });
}

#[test]
fn mistakes_are_told_and_leave_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        if !python(&folder.join("clinique.sqlite"), TABLES) {
            return;
        }
        let told = |order: Order| async move { take(&order).await.unwrap_err().to_string() };
        let message = told(order(folder, &["visits", "visit"])).await;
        assert!(message.ends_with("the database has no table visit; did you mean visits?"), "{message}");
        for (sql, part) in [
            ("delete from visits returning *", "write a select"),
            ("select absent from visits", "no such column: absent"),
            ("create table t (a)", "write a select"),
        ] {
            let message = told(Order { queries: vec![("q".to_owned(), sql.to_owned())], ..order(folder, &[]) }).await;
            assert!(message.contains(part), "{message}");
        }
        let message = told(Order { source: folder.join("absent.db").display().to_string(), ..order(folder, &[]) }).await;
        assert!(message.contains("is no file") && !folder.join("absent.db").exists(), "{message}");
        std::fs::write(folder.join("text.db"), "IPP;Nom\n".repeat(200)).unwrap();
        let message = told(Order { source: folder.join("text.db").display().to_string(), ..order(folder, &[]) }).await;
        assert!(message.contains("is not a SQLite database"), "{message}");
        // All or nothing: the table that is there was not copied beside the one that is not.
        assert!(files(&folder.join("lake/snapshots/clinique/visits")).is_empty());
    });
}
