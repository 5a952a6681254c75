//! The program as a person starts it.

use std::path::Path;
use std::process::{Command, Output};

use placido::cli::DEMO_STATEMENTS;
use placido::docs::{self, Page};
use placido::settings::Settings;

use crate::support::{hospital, run, settings};

fn placido(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_placido")).arg("--data").arg(data).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn sql_prints_a_table() {
    run(async {
        let output = placido(&hospital().await.settings.data, &["sql", "select 1 as one, 'x' as two"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("| one | two |") && text(&output.stdout).contains("(1 row)"));
    });
}

#[test]
fn a_mistake_names_the_nearest() {
    run(async {
        let data = &hospital().await.settings.data;
        let output = placido(data, &["sql", "select * from gold.eye_featurs"]);
        assert!(!output.status.success());
        let told = text(&output.stderr);
        assert!(told.contains("42P01") && told.contains("gold.eye_features"), "{told}");
        let output = placido(data, &["sql", "select map_statistic(1)"]);
        assert!(
            text(&output.stderr).contains("42883") && text(&output.stderr).contains("map_statistics"),
            "{}",
            text(&output.stderr)
        );
        let output = placido(data, &["sql", "create table t as select 1"]);
        assert!(!output.status.success());
    });
}

/// The lines that the demo prints are to be pasted: each gives rows.
#[test]
fn every_statement_of_the_demo_works() {
    run(async {
        let session = hospital().await.engine.session();
        for (about, statement) in DEMO_STATEMENTS.iter().filter(|(_, statement)| !statement.starts_with('\\')) {
            let rows = session.sql(statement).await.unwrap().collect().await.unwrap();
            assert!(rows.iter().any(|batch| batch.num_rows() > 0), "{about}");
        }
    });
}

#[test]
fn a_taken_port_is_a_clear_message() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let output = placido(&hospital().await.settings.data, &["serve", "--listen", &address]);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("is taken by another program"), "{}", text(&output.stderr));
    });
}

#[test]
fn only_loopback_is_served() {
    run(async {
        let output = placido(&hospital().await.settings.data, &["serve", "--listen", "0.0.0.0:0"]);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("can be reached from other machines"), "{}", text(&output.stderr));
    });
}

#[test]
fn check_finds_the_shipped_layers_and_models_sound() {
    run(async {
        let output = placido(&hospital().await.settings.data, &["check"]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(text(&output.stdout).contains("Layers and models are sound."));
        assert!(text(&output.stdout).contains("file_unknown"));
    });
}

#[test]
fn check_compares_with_the_truth() {
    run(async {
        let data = &hospital().await.settings.data;
        for place in [data.join("truth/issues.csv"), data.join("truth"), data.clone()] {
            let output = placido(data, &["check", "--truth", place.to_str().unwrap()]);
            assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
            assert!(text(&output.stdout).contains("Exactly the expected issues are raised."));
        }
    });
}

/// A list without one of the issues, and with one that is not there: both are told by key, and the exit code says so.
#[test]
fn check_lists_missed_and_spurious_flags_by_key() {
    run(async {
        let data = &hospital().await.settings.data;
        let issues = std::fs::read_to_string(data.join("truth/issues.csv")).unwrap();
        let (header, rest) = issues.split_once('\n').unwrap();
        let (first, others) = rest.split_once('\n').unwrap();
        let scan = others.lines().find(|line| line.contains("MS39^")).unwrap().split(',').next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.csv");
        let wrong = format!("{header}\n{others}{scan},1,ms39,map_unknown,invented\nDUPONT/absent.csv,1,ms39,eye_missing,x\n");
        std::fs::write(&list, wrong).unwrap();
        let output = placido(data, &["check", "--truth", list.to_str().unwrap()]);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}{}", text(&output.stderr));
        let (_, told) = told.split_once("Issues raised beside those expected").unwrap();
        let lines = |start: &str| told.lines().filter(|line| line.starts_with(&format!("| {start} "))).collect::<Vec<_>>();
        assert_eq!(lines("missed").len(), 2, "{told}");
        assert!(lines("missed").iter().any(|line| line.contains("map_unknown") && line.contains("| F")), "{told}");
        let spurious = lines("spurious");
        assert_eq!(spurious.len(), 1, "{told}");
        assert!(spurious[0].contains(first.split(',').nth(3).unwrap()), "{told}");
        assert!(told.contains("1 expected issues are of files that the lake does not have."), "{told}");
        assert!(!told.contains("MS39^") && !told.contains("DUPONT") && !told.contains(".csv"), "{told}");
    });
}

#[test]
fn a_list_that_can_not_be_read_is_told() {
    run(async {
        let data = &hospital().await.settings.data;
        let folder = tempfile::tempdir().unwrap();
        let output = placido(data, &["check", "--truth", folder.path().to_str().unwrap()]);
        assert!(
            !output.status.success() && text(&output.stderr).contains("the folder has no issues.csv"),
            "{}",
            text(&output.stderr)
        );
        let list = folder.path().join("issues.csv");
        std::fs::write(&list, "file,row,issue\nx.csv,1,eye_mising\n").unwrap();
        let output = placido(data, &["check", "--truth", list.to_str().unwrap()]);
        assert!(!output.status.success() && text(&output.stderr).contains("line 2"), "{}", text(&output.stderr));
    });
}

#[test]
fn check_says_where_a_layer_is_wrong() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bronze")).unwrap();
        std::fs::write(
            folder.path().join("bronze/scans.sql"),
            "-- Scans.\n--\n-- grain: scan_id\nselect scan_id\nfrom raw.ms93\n",
        )
        .unwrap();
        let sql = folder.path().to_str().unwrap();
        let output = placido(&hospital().await.settings.data, &["--sql", sql, "check"]);
        assert!(!output.status.success());
        let told = text(&output.stderr);
        assert!(told.contains("bronze/scans.sql:5") && told.contains("did you mean raw.ms39?"), "{told}");
    });
}

/// The pages of `docs/reference/` are what the program prints. `PLACIDO_WRITE_DOCS=1 cargo test` writes them.
#[test]
fn reference_pages_are_printed_by_the_program() {
    run(async {
        for page in <Page as clap::ValueEnum>::value_variants() {
            let settings: Settings = settings("absent".into());
            let printed = docs::render(*page, &settings).await.unwrap();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(page.file());
            if std::env::var_os("PLACIDO_WRITE_DOCS").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &printed).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == printed, "docs/reference/{} is not what `placido docs` prints", page.file());
        }
    });
}
