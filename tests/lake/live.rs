//! A file that comes, changes or goes while the server runs is so in the answer of the next query, in every layer.

use std::sync::Arc;

use placido::engine::Engine;
use placido::server;
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{engine, exports, one, rows, site};
use crate::support::{hospital, run};

/// A client of a server over `engine`.
async fn served(engine: Arc<Engine>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve(listener, engine, std::future::pending()));
    let settings = format!("host=127.0.0.1 port={} user=test dbname=placido", address.port());
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn text(client: &Client, sql: &str) -> String {
    for message in client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")) {
        if let SimpleQueryMessage::Row(row) = message {
            return row.get(0).unwrap_or_default().to_owned();
        }
    }
    panic!("{sql} gives no row")
}

/// How many rows of each layer are of an exam.
async fn counts(client: &Client, exam: &str) -> [String; 4] {
    let count = async |table: &str| text(client, &format!("select count(*) from {table} where exam_id = '{exam}'")).await;
    [
        count("raw.ms39").await,
        count("silver.keratometry").await,
        count("gold.eye_measurements").await,
        count("gold.eye_features").await,
    ]
}

#[test]
fn every_layer_follows_the_lake() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 4).await;
        // An exam of its own, whose eye is known: the last file's, of another patient than the first ones'.
        let of_hospital = hospital().await.engine.session();
        let seen = rows(
            &of_hospital,
            "select paths.path, scans.exam_id from raw.ms39 as scans inner join raw.files as paths on paths.file_id = scans._file_id \
             where scans.exam_id is not null and scans.eye is not null order by scans.exam_id, paths.path",
        )
        .await;
        let first: Vec<_> = exports("ms39").await.into_iter().take(4).collect();
        let known = |path: &str| first.iter().any(|file| file.ends_with(path));
        let taken: Vec<&String> = seen.iter().filter(|row| known(&row[0])).map(|row| &row[1]).collect();
        let (path, exam) = seen.iter().find(|row| !taken.contains(&&row[1])).map(|row| (&row[0], &row[1])).unwrap();
        let export = hospital().await.settings.lake_folder().join(path);

        let engine = Arc::new(engine(folder.path(), true).await);
        let client = served(Arc::clone(&engine)).await;
        let states = "select string_agg(state, ' ') from system.views where schema = 'gold'";
        assert_eq!(text(&client, states).await, "kept kept");
        assert_eq!(counts(&client, exam).await, ["0", "0", "0", "0"]);

        std::fs::copy(&export, lake.join("new.csv")).unwrap();
        assert_eq!(counts(&client, exam).await, ["1", "1", "1", "1"], "a new file");

        std::fs::copy(&first[0], lake.join("new.csv")).unwrap();
        assert_eq!(counts(&client, exam).await, ["0", "0", "0", "0"], "replaced by another export");

        std::fs::copy(&export, lake.join("new.csv")).unwrap();
        assert_eq!(counts(&client, exam).await, ["1", "1", "1", "1"], "and back");

        std::fs::remove_file(lake.join("new.csv")).unwrap();
        assert_eq!(counts(&client, exam).await, ["0", "0", "0", "0"], "deleted");

        // The rows that are kept come after: then they answer again, and say the same as the view itself.
        std::fs::copy(&export, lake.join("last.csv")).unwrap();
        assert_eq!(text(&client, states).await, "stale stale");
        let sql = "select md5(string_agg(concat_ws('|', exam_id, eye, s_pachy_z80_min, k_ant_d30_k_steep, issues::text), ',' \
                   order by exam_id, eye, scan_id)) from gold.eye_features";
        let computed = text(&client, sql).await;
        for _ in 0..600 {
            if text(&client, states).await == "kept kept" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            // A statement has the rows made anew, should the last attempt have met a lake that changed.
            counts(&client, exam).await;
        }
        assert_eq!(text(&client, states).await, "kept kept");
        assert_eq!(text(&client, sql).await, computed);
        assert_eq!(counts(&client, exam).await, ["1", "1", "1", "1"]);
    });
}

/// Plans of prepared statements are kept, but not the rows of the lake as it was.
#[test]
fn a_prepared_lookup_sees_the_next_file() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 3).await;
        let engine = Arc::new(engine(folder.path(), true).await);
        let client = served(Arc::clone(&engine)).await;
        // An export of the hospital that is not among those of the site.
        let known: Vec<String> = rows(&engine.session(), "select distinct exam_id from raw.ms39").await.concat();
        let of_hospital = hospital().await.engine.session();
        let all = "select paths.path, scans.exam_id from raw.ms39 as scans inner join raw.files as paths on paths.file_id = scans._file_id \
                   where scans.exam_id is not null and scans.eye is not null order by scans.exam_id, paths.path";
        let all = rows(&of_hospital, all).await;
        let (path, exam) = all.iter().find(|row| !known.contains(&row[1])).map(|row| (&row[0], &row[1])).unwrap();
        let export = hospital().await.settings.lake_folder().join(path);

        let lookup = client.prepare("select eye from gold.eye_features where exam_id = $1").await.unwrap();
        let count = client.prepare("select count(*) from gold.eye_measurements where exam_id = $1").await.unwrap();
        let found = async || {
            let rows = client.query(&lookup, &[exam]).await.unwrap().len();
            (rows, client.query_one(&count, &[exam]).await.unwrap().get::<_, i64>(0))
        };
        // Often enough that a plan is kept.
        for _ in 0..5 {
            assert_eq!(found().await, (0, 0));
        }
        std::fs::copy(&export, lake.join("new.csv")).unwrap();
        assert_eq!(found().await, (1, 1), "the next execution sees the new file");
        assert_eq!(found().await, (1, 1));
        std::fs::remove_file(lake.join("new.csv")).unwrap();
        assert_eq!(found().await, (0, 0), "and that it is gone");
    });
}

#[test]
fn files_are_told_with_what_is_in_them() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 2).await;
        let sheet = exports("corvis").await.into_iter().chain(exports("clinic").await).next().unwrap();
        std::fs::copy(&sheet, lake.join("sheet.csv")).unwrap();
        std::fs::write(lake.join("note.txt"), "x").unwrap();
        let engine = engine(folder.path(), false).await;
        let ctx = engine.session();
        // What system.files says of a file is what its rows say.
        for (table, device) in [("raw.ms39", "ms39"), ("raw.corvis_st", "corvis_st"), ("raw.clinic_visit", "clinic")] {
            let of_files = format!(
                "select file_id, sha256, layout, rows, array_to_string(array_sort(patient_ids), ' '), array_to_string(array_sort(exam_ids), ' '), \
                 array_to_string(eyes, ' '), array_to_string(exam_dates, ' ') from system.files where device = '{device}' order by file_id"
            );
            let of_rows = format!(
                "select _file_id, max(_file_sha256), max(_layout), count(*), \
                 array_to_string(array_sort(array_agg(distinct patient_id)), ' '), array_to_string(array_sort(array_agg(distinct exam_id)), ' '), \
                 array_to_string(array_sort(array_agg(distinct eye)), ' '), array_to_string(array_sort(array_agg(distinct exam_date::text)), ' ') \
                 from {table} group by _file_id order by _file_id"
            );
            assert_eq!(rows(&ctx, &of_files).await, rows(&ctx, &of_rows).await, "{device}");
        }
        let issues = rows(&ctx, "select file_id, unnest(issues) as issue from system.files order by 1, 2").await;
        let raised = rows(
            &ctx,
            "select file_id, code || ': ' || count(*) as issue from system.issues where code <> 'acuity_unreadable' and device is not null \
             group by file_id, code order by 1, 2",
        )
        .await;
        assert_eq!(issues, raised);
        let digest = one(&ctx, "select sha256 from system.files where status = 'unknown'").await;
        assert_eq!(digest, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "sha256sum of the letter x");
    });
}
