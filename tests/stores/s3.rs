//! S3, against moto.

use std::process::Command;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use placido_catalog::store::Location;

use super::servers::{Counted, SECRET, Server, Slow, environment, s3_variables};
use super::{answers_are_those_of_the_folder, engine, lake, rows, small, upload};
use crate::support::run;

/// Puts bytes where `path` says, whatever it is.
async fn put(server: &Server, path: &str, bytes: &'static str) {
    let address = server.address;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{bytes}",
        bytes.len()
    );
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer);
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A client that writes, which placido never does; it makes the bucket.
async fn bucket(server: &Server, name: &str) -> impl ObjectStore {
    put(server, &format!("/{name}"), "").await;
    AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", server.address))
        .with_allow_http(true)
        .with_access_key_id("AKIAEXAMPLE")
        .with_secret_access_key(SECRET)
        .with_bucket_name(name)
        .build()
        .unwrap()
}

#[test]
fn the_same_files_give_the_same_answers() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        upload(&store, "exports/2024/", &small().await.data.join("lake")).await;
        // Outside the prefix, a mark of a folder, and what is hidden.
        store.put(&Key::from("other/x.csv"), "x".into()).await.unwrap();
        store.put(&Key::from("exports/2024/.part"), "x".into()).await.unwrap();
        let variables = s3_variables(server.address);
        let lake = lake("s3://clinic/exports/2024", &environment(&variables)).await.unwrap();
        assert!(!format!("{lake:?}").contains(SECRET));
        answers_are_those_of_the_folder(&engine(lake).await).await;

        // The program itself, with the environment of a person.
        let output = Command::new(env!("CARGO_BIN_EXE_placido"))
            .args(["--lake", "s3://clinic/exports/2024/", "sql", "select count(*) as files from system.files"])
            .env("PLACIDO_DATA", small().await.data.join("absent"))
            .envs(variables)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let files = rows(&small().await.engine, "select count(*) from system.files").await.remove(0).remove(0);
        assert!(output.status.success() && told.contains(&format!("| {files}")), "{told}");
    });
}

#[test]
fn a_bucket_without_files_is_a_lake_and_one_that_is_not_there_is_none() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let _ = bucket(&server, "clinic").await;
        let variables = s3_variables(server.address);
        let empty = engine(lake("s3://clinic/nothing/here", &environment(&variables)).await.unwrap()).await;
        assert!(rows(&empty, "select * from system.files").await.is_empty());
        assert!(rows(&empty, "select * from gold.eye_features").await.is_empty());
        let told = lake("s3://klinik", &environment(&variables)).await.unwrap_err().to_string();
        assert!(told.contains("there is no bucket klinik at 127.0.0.1:"), "{told}");
    });
}

/// moto tests keys once it has been told to: no user has this one.
#[test]
fn a_wrong_key_is_told() {
    run(async {
        let Some(server) = Server::s3(Some(1)) else { return };
        let _ = bucket(&server, "clinic").await;
        let told = lake("s3://clinic", &environment(&s3_variables(server.address))).await.unwrap_err().to_string();
        assert!(told.contains("check AWS_ACCESS_KEY_ID") && !told.contains(SECRET), "{told}");
    });
}

/// A file of 8 MiB is known by its first bytes, and its members' archive by its last.
#[test]
fn recognition_reads_heads_and_not_files() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        let mut large = vec![b' '; 8 << 20];
        large[..6].copy_from_slice(b"no,ne\n");
        store.put(&Key::from("large.csv"), large.into()).await.unwrap();
        let counted = Counted::before(server.address);
        let lake = lake("s3://clinic", &environment(&s3_variables(counted.address))).await.unwrap();
        assert_eq!(lake.snapshot().await.unwrap().files().len(), 1);
        let taken = counted.taken();
        assert!(taken > 16 * 1024 && taken < 64 * 1024, "{taken} bytes");
    });
}

/// A server that is asked for a thousand things at once refuses some, or slows all: at most 32 requests are open.
#[test]
fn requests_that_are_open_together_are_few() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        for at in 0..100 {
            store.put(&Key::from(format!("{at}.csv")), format!("IPP;Oeil;AVAC;Sph\nP{at};OD;1/10;0\n").into()).await.unwrap();
        }
        let slow = Slow::before(server.address, Duration::from_millis(100));
        let environment = environment(&s3_variables(slow.address));
        let Location::Bucket(bucket) = Location::parse("s3://clinic".as_ref()).unwrap() else { panic!("a bucket") };
        let remote = bucket.open(&environment).await.unwrap();
        slow.most();
        let keys: Vec<Key> = (0..100).map(|at| Key::from(format!("{at}.csv"))).collect();
        // A request is open until its answer was read.
        let got = keys.iter().map(async |key| remote.get(key).await.unwrap().bytes().await.unwrap());
        assert!(futures::future::join_all(got).await.iter().all(|bytes| bytes.starts_with(b"IPP")));
        let most = slow.most();
        // As many as may be, and no more.
        assert!((24..=32).contains(&most), "{most} requests were open together");

        // Neither do listing, recognising and reading a lake open more, nor one at a time.
        let engine = engine(lake("s3://clinic", &environment).await.unwrap()).await;
        assert_eq!(
            rows(&engine, "select count(*), count(distinct patient_number) from raw.clinic_visit").await,
            [["100", "100"]]
        );
        let most = slow.most();
        assert!((4..=32).contains(&most), "{most} requests were open together");
    });
}

/// Preambles are asked for by ranges: of files of a megabyte a few kilobytes come, and they say the same.
#[test]
fn a_query_of_preambles_reads_heads_and_not_files() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        let folder = small().await.data.join("lake/ms39");
        upload(&store, "", &folder).await;
        let large = super::files(&folder).iter().filter(|(_, bytes)| bytes.len() > 500_000).count() as u64;
        assert!(large > 3, "{large}");
        let counted = Counted::before(server.address);
        let engine = engine(lake("s3://clinic", &environment(&s3_variables(counted.address))).await.unwrap()).await;
        rows(&engine, "select count(*) from system.files").await;
        counted.taken();
        let heads = "select preamble from raw.ms39 where preamble is not null order by 1";
        let read = rows(&engine, heads).await;
        let taken = counted.taken();
        assert_eq!(read, rows(&small().await.engine, heads).await);
        assert!(taken > 1024 * large && taken < 100 * 1024 * large, "{taken} bytes of {large} files");
        rows(&engine, "select count(sagittal_anterior_mm) from raw.ms39").await;
        assert!(counted.taken() > 500_000 * large, "the maps are not in the heads");
    });
}

/// What goes away, or is withheld, after it was listed is a row with a reason.
#[test]
fn an_object_that_vanishes_is_an_issue() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        let folder = small().await.data.join("lake/ms39");
        upload(&store, "", &folder).await;
        let engine = engine(lake("s3://clinic", &environment(&s3_variables(server.address))).await.unwrap()).await;
        let ctx = engine.session();
        let before = rows(&engine, "select file_id from bronze.ms39").await.len();
        let plan = ctx.sql("select file_id, issues from bronze.ms39").await.unwrap().create_physical_plan().await.unwrap();
        let (name, _) = super::files(&folder).into_iter().find(|(_, bytes)| bytes.len() > 100_000).unwrap();
        store.delete(&Key::parse(name).unwrap()).await.unwrap();
        let batches = datafusion::physical_plan::collect(plan, ctx.task_ctx()).await.unwrap();
        let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), before);
        assert!(text.contains("file_unreadable: it is no longer there"), "{text}");
    });
}

/// Keys that are no paths are rows with a reason, and hide no other object: alone, in a row, at the ends, and among thousands.
#[test]
fn keys_that_no_path_can_spell_hide_nothing() {
    run(async {
        let Some(server) = Server::s3(None) else { return };
        let store = bucket(&server, "clinic").await;
        for at in 0..1200 {
            store.put(&Key::from(format!("exports/m/{at:04}.csv")), "x".into()).await.unwrap();
        }
        let bad = ["//first", "a//b.csv", "a/../c.csv", "m//1", "m//2", "m//3", "m/0500.csv//x", "z//last"];
        for key in bad {
            put(&server, &format!("/clinic/exports/{key}"), "x").await;
        }
        put(&server, "/clinic/exports/a//.part", "x").await;
        // One that is a path, and looks as `a//b.csv` is shown.
        put(&server, "/clinic/exports/a/%252Fb.csv", "x").await;
        let lake = lake("s3://clinic/exports", &environment(&s3_variables(server.address))).await.unwrap();
        let engine = engine(lake).await;
        let count = |condition: &'static str| {
            let sql = format!("select count(*) from system.files where {condition}");
            let engine = &engine;
            async move { rows(engine, &sql).await.remove(0).remove(0) }
        };
        assert_eq!(count("issue = 'file_unknown'").await, "1201");
        let told =
            rows(&engine, "select path, reason from system.files join raw.files using (file_id) where size_bytes is null").await;
        let reason = "a key that no path can spell: it has an empty part (a//b), a . or .. or a control character; rename it";
        let shown = ["%2F/first", "a/%2E%2E/c.csv", "a/%2Fb.csv", "m/%2F1", "m/%2F2", "m/%2F3", "m/0500.csv/%2Fx", "z/%2Flast"];
        assert_eq!(told, shown.map(|path| vec![path.to_owned(), reason.to_owned()]));
        assert_eq!(count("true").await, "1209");
    });
}
