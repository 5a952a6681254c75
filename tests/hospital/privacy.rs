//! Nobody is named above `raw`: not in a cell of any view, a plan, a message or a log.

mod secrets;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use placido::engine::{Engine, Opening};
use placido_catalog::catalog::Refresh;
use placido_catalog::synthetic::{Hospital, generate};

use self::secrets::{Kind, Secrets};
use crate::support::{hospital, run, settings};

/// Whether values of a type can name somebody: all but fractions and truth values.
fn can_tell(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::Boolean => false,
        floating if floating.is_floating() => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::Map(item, _) => {
            can_tell(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| can_tell(field.data_type())),
        _ => true,
    }
}

/// Every value of an array as text, those inside lists, structs and maps too.
fn texts(array: &dyn Array, each: &mut dyn FnMut(&str)) {
    match array.data_type() {
        data_type if !can_tell(data_type) => {}
        DataType::List(_) => texts(array.as_list::<i32>().values(), each),
        DataType::LargeList(_) => texts(array.as_list::<i64>().values(), each),
        DataType::FixedSizeList(..) => texts(array.as_fixed_size_list().values(), each),
        DataType::Map(..) => texts(array.as_map().entries(), each),
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|column| texts(column, each)),
        // A value is read as a text whatever its type is; a type that has no text is a gap in this test.
        other => {
            let text = cast(array, &DataType::Utf8).unwrap_or_else(|_| panic!("values of type {other} are not looked at"));
            text.as_string::<i32>().iter().flatten().for_each(each);
        }
    }
}

fn columns(schema: &Schema) -> String {
    let telling = schema.fields().iter().filter(|field| can_tell(field.data_type()));
    telling.map(|field| format!("\"{}\"", field.name())).collect::<Vec<_>>().join(", ")
}

/// All telling values of a table.
async fn values(engine: &Engine, table: &str, each: &mut dyn FnMut(&str)) -> usize {
    let ctx = engine.session();
    let schema = Arc::clone(ctx.table(table).await.unwrap().schema().inner());
    let columns = columns(&schema);
    if columns.is_empty() {
        return 0;
    }
    let batches = ctx.sql(&format!("select {columns} from {table}")).await.unwrap().collect().await.unwrap();
    for batch in &batches {
        batch.columns().iter().for_each(|column| texts(column, each));
    }
    batches.iter().map(|batch| batch.num_rows()).sum()
}

fn tables(engine: &Engine, raw: bool) -> Vec<String> {
    let names = engine.catalog().names();
    let of = |(schema, tables): (String, Vec<String>)| tables.into_iter().map(move |table| format!("{schema}.{table}"));
    names.into_iter().filter(|(schema, _)| (schema == "raw") == raw).flat_map(of).collect()
}

/// What an output says about somebody, for a message that says nothing more.
fn assert_nobody(secrets: &Secrets, place: &str, text: &str, typed_by_people: bool) {
    let found = secrets.find(text, typed_by_people);
    assert!(found.is_none(), "{place} tells {found:?}");
}

#[test]
fn no_cell_above_raw_names_anybody() {
    run(async {
        let fixture = hospital().await;
        let secrets = Secrets::of(&fixture.engine, &fixture.settings.lake_folder()).await;
        let mut seen = 0;
        for table in tables(&fixture.engine, false) {
            // Documentation may use a word that is somebody's name; records may not, however it is spelled.
            let records = !["system.functions", "system.devices", "system.views", "system.issue_codes"].contains(&table.as_str())
                && !table.starts_with("ml.");
            let rows = values(&fixture.engine, &table, &mut |text| assert_nobody(&secrets, &table, text, records)).await;
            seen += usize::from(rows > 0);
        }
        for table in ["tables", "columns", "views"] {
            let table = format!("information_schema.{table}");
            values(&fixture.engine, &table, &mut |text| assert_nobody(&secrets, &table, text, false)).await;
        }
        assert!(seen > 20, "only {seen} tables have rows");
    });
}

/// The search can fail: the same search finds each kind of secret in `raw`.
#[test]
fn raw_names_them_and_the_search_finds_it() {
    run(async {
        let fixture = hospital().await;
        let secrets = Secrets::of(&fixture.engine, &fixture.settings.lake_folder()).await;
        for (table, expected) in [
            ("raw.ms39", [Kind::Name, Kind::Birth, Kind::Number, Kind::File].as_slice()),
            ("raw.clinic_visit", &[Kind::Name, Kind::Birth, Kind::Number, Kind::File]),
            ("raw.corvis_st", &[Kind::Name, Kind::Birth, Kind::Number, Kind::File]),
            ("raw.pentacam", &[Kind::Name, Kind::Birth, Kind::Number, Kind::File]),
            ("raw.corvis_st_curve", &[Kind::Name, Kind::Birth, Kind::Number, Kind::File]),
            ("raw.sirius", &[Kind::Number, Kind::File]),
            ("raw.files", &[Kind::Name, Kind::Number, Kind::File]),
        ] {
            let mut found = Vec::new();
            values(&fixture.engine, table, &mut |text| found.extend(secrets.kinds(text, true))).await;
            for kind in expected {
                assert!(found.contains(kind), "{kind:?} is not found in {table}");
            }
        }
        // A map as a whole is looked into: the preamble of an MS-39 file has the name once more.
        let ctx = fixture.engine.session();
        let batches = ctx.sql("select preamble from raw.ms39").await.unwrap().collect().await.unwrap();
        let mut found = Vec::new();
        for batch in &batches {
            texts(batch.column(0), &mut |text| found.extend(secrets.kinds(text, true)));
        }
        assert!(found.contains(&Kind::Name) && found.contains(&Kind::Birth), "the preamble is not looked into");
    });
}

#[test]
fn no_plan_names_anybody() {
    run(async {
        let fixture = hospital().await;
        let secrets = Secrets::of(&fixture.engine, &fixture.settings.lake_folder()).await;
        let ctx = fixture.engine.session();
        let all = tables(&fixture.engine, false).into_iter().chain(tables(&fixture.engine, true));
        for table in all {
            let schema = Arc::clone(ctx.table(&table).await.unwrap().schema().inner());
            let columns = columns(&schema);
            for explain in ["explain", "explain verbose", "explain analyze"] {
                // Maps of numbers cost seconds and tell nothing; they are planned all the same.
                let what = if explain == "explain analyze" { columns.as_str() } else { "*" };
                let plan = ctx.sql(&format!("{explain} select {what} from {table}")).await.unwrap().collect().await.unwrap();
                for column in plan.iter().flat_map(|batch| batch.columns()) {
                    texts(column, &mut |text| assert_nobody(&secrets, &format!("{explain} of {table}"), text, false));
                }
            }
        }
    });
}

/// Statements that go wrong over the layers, when planned or when run.
const MISTAKES: &[&str] = &[
    "select nothing from bronze.ms39",
    "select * from bronze.nowhere",
    "select cast(file_id as integer) from bronze.ms39",
    "select cast(diagnosis_text as double precision) from bronze.clinic_visit",
    "select 1 / (row_in_file - row_in_file) from bronze.ms39",
    "select map_statistics(corneal_thickness_um, zone_mm => -1) from bronze.ms39",
    "select map_statistics(corneal_thickness_um, zone_mm => 'wide') from bronze.ms39",
    "select parse_acuity(cdva_text, 'no such scheme') from bronze.clinic_visit",
    "select predict('no_such_model') from gold.eye_features",
    "select (select scan_id from bronze.ms39) from bronze.ms39",
    "delete from bronze.ms39",
    "select file_id, count(* from bronze.ms39",
];

/// A small hospital, part of whose files can't be read, and its secrets.
async fn faulty_hospital(data: &Path) -> Secrets {
    generate(data, &Hospital { patients: 2, seed: 3 }, &|_| {}).unwrap();
    let opening = Opening { refresh: Refresh::Stale, write: true };
    let engine = Engine::open(&settings(data.to_owned()), opening, &|_| {}).await.unwrap();
    let lake = settings(data.to_owned()).lake_folder();
    let secrets = Secrets::of(&engine, &lake).await;
    #[cfg(unix)]
    std::os::unix::fs::symlink("itself", lake.join(format!("{}.lnk", secrets.a_file()))).unwrap();
    std::fs::write(lake.join(format!("{}.bin", secrets.a_file())), b"Patient_Last_Name;X\r\n\0\0\0").unwrap();
    secrets
}

/// The program, told to log all that it can.
fn program(data: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_placido"));
    program.env("PLACIDO_LOG", "trace").arg("--data").arg(data);
    program
}

const ANSWERED: &[&str] =
    &["select count(*) from bronze.ms39", "select * from system.issues", "explain analyze select eye from bronze.ms39"];

/// Everything that the commands write: opening, checking, comparing, refreshing, answering and refusing.
#[test]
fn no_command_names_anybody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secrets = faulty_hospital(&data).await;
        let truth = data.join("truth");
        let mut written = String::new();
        let mut told = |arguments: &[&str]| {
            let output = program(&data).args(arguments).output().unwrap();
            let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert!(!all.contains("panicked"), "{all}");
            written.push_str(&all);
            output.status.success()
        };
        for statement in ANSWERED {
            assert!(told(&["sql", statement]), "{statement}");
        }
        for statement in MISTAKES.iter().step_by(3) {
            assert!(!told(&["sql", statement]), "{statement} is answered");
        }
        told(&["check", "--truth", truth.to_str().unwrap()]);
        told(&["refresh", "--all"]);
        assert!(written.contains("file_unreadable"), "the files that can't be read were not met");
        for line in written.lines() {
            assert_nobody(&secrets, "the output", line, false);
        }
    });
}

/// What the server says to its clients and writes into its log, when it answers, refuses and is spoken to by a stranger.
#[test]
fn no_message_and_no_log_of_the_server_names_anybody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secrets = faulty_hospital(&data).await;
        let log = folder.path().join("log");
        let mut serve = program(&data);
        serve.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut server = Ended(serve.spawn().unwrap());
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
        let served = lines.find(|line| line.contains(" serves ")).unwrap();
        let port: u16 = served.rsplit(':').next().unwrap().parse().unwrap();

        // Somebody who does not speak the protocol.
        std::io::Write::write_all(&mut std::net::TcpStream::connect(("127.0.0.1", port)).unwrap(), b"GET / HTTP/1.1\r\n\r\n")
            .unwrap();
        let address = format!("host=127.0.0.1 port={port} user=test dbname=placido");
        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let mut said = Vec::new();
        for statement in ANSWERED {
            for message in client.simple_query(statement).await.unwrap() {
                if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                    said.extend((0..row.len()).filter_map(|at| row.get(at).map(str::to_owned)));
                }
            }
        }
        for statement in MISTAKES {
            let error = client.simple_query(statement).await.map(drop).expect_err(statement);
            said.push(format!("{:?}", error.as_db_error().expect("the server answers each mistake")));
        }
        drop(server);
        said.push(std::fs::read_to_string(&log).unwrap());
        assert!(said.len() > MISTAKES.len() && said.iter().any(|text| text.contains("file_unreadable")));
        for text in said.iter().flat_map(|text| text.lines()) {
            assert_nobody(&secrets, "the server", text, false);
        }
    });
}

/// A program that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names of the files below a folder, as they are on disk.
fn file_names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names
}
