//! Snapshots of a real PostgreSQL server.

use std::path::Path;

use placido_catalog::snapshot::{Order, take};

use super::cluster::{Cluster, PASSWORD};
use super::{engine, rows};
use crate::support::run;

const TABLES: &str = "
    create schema clinique;
    create table clinique.visites (ipp text, visit_date date, eye text, cdva text, sphere numeric(5,2), atopy boolean, taken timestamptz, notes text, about json, primary key (ipp, eye));
    insert into clinique.visites values
        ('B', '2024-02-01', 'OD', 'CLD', null, null, '2024-02-01 12:00+02', null, null),
        ('A', '2024-03-26', 'OS', '8/10', -1, false, null, '', '{\"a\": [1,  2]}'),
        ('A', '2024-03-26', 'OD', '5/10', -2.25, true, null, E'deux\\nlignes; \"une\"', null);
    create table no_key (p point, t text); insert into no_key values ('(1,2)', 'a'), ('(0,1)', null), ('(0,1)', 'b');";

fn order(cluster: &Cluster, folder: &Path, tables: &[&str]) -> Order {
    Order {
        source: cluster.url(""),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        queries: Vec::new(),
        folder: folder.join("lake/snapshots"),
        name: None,
    }
}

#[test]
fn snapshots_of_a_server() {
    run(async {
        let Some(cluster) = Cluster::start().await else { return };
        let client = cluster.client().await.unwrap();
        client.batch_execute(TABLES).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();

        let all = take(&order(&cluster, folder, &[])).await.unwrap();
        let names: Vec<_> = all.iter().map(|made| (made.table.as_str(), made.rows, made.is_new)).collect();
        assert_eq!(names, [("clinique.visites", 3, true), ("public.no_key", 3, true)]);
        assert_eq!(
            std::fs::read_to_string(&all[0].file).unwrap(),
            "\"# Snapshot of clinique.visites: ipp text, visit_date date, eye text, cdva text, sphere numeric, atopy bool, taken timestamptz, notes text, about json\"\n\
             ipp,visit_date,eye,cdva,sphere,atopy,taken,notes,about\n\
             A,2024-03-26,OD,5/10,-2.25,t,,\"deux\nlignes; \"\"une\"\"\",\n\
             A,2024-03-26,OS,8/10,-1.00,f,,\"\",\"{\"\"a\"\": [1,  2]}\"\n\
             B,2024-02-01,OD,CLD,,,2024-02-01 10:00:00+00,,\n"
        );

        // The same rows in other places of the table, and in a session with other habits.
        client.batch_execute("update clinique.visites set notes = notes; alter database postgres set datestyle to 'German'; update no_key set t = t where t = 'a'").await.unwrap();
        let again = take(&order(&cluster, folder, &[])).await.unwrap();
        assert!(again.iter().zip(&all).all(|(again, first)| !again.is_new && again.file == first.file), "{again:?}");
        client.batch_execute("update clinique.visites set cdva = '6/10' where eye = 'OS'").await.unwrap();
        let changed = take(&order(&cluster, folder, &["clinique.visites", "No_Key"])).await.unwrap();
        assert_eq!(changed.iter().map(|made| made.is_new).collect::<Vec<_>>(), [true, true]);

        let engine = engine(folder).await;
        let entries = "select eye, cdva_text, sphere_d, atopy, exam_date from bronze.clinic_visit order by cdva_text";
        assert_eq!(
            rows(&engine, entries).await,
            [
                ["OD", "5/10", "-2.25", "true", "2024-03-26"],
                ["OS", "6/10", "-1.0", "false", "2024-03-26"],
                ["OD", "CLD", "", "", "2024-02-01"]
            ]
        );

        let query = |sql: &str| Order { queries: vec![("q".to_owned(), sql.to_owned())], ..order(&cluster, folder, &[]) };
        let made = take(&query("select ipp as mrn, count(*) as visits from clinique.visites group by 1;")).await.unwrap();
        assert!(std::fs::read_to_string(&made[0].file).unwrap().ends_with("mrn,visits\nA,2\nB,1\n"));
        for (order, part) in [
            (order(&cluster, folder, &["visites"]), "did you mean clinique.visites?"),
            (query("delete from clinique.visites returning *"), "42601"),
            (query("select pg_sleep(0) from nowhere"), "relation \"nowhere\" does not exist (SQLSTATE 42P01)"),
            (query("select nextval(pg_get_serial_sequence('t', 'a'))"), "42P01"),
            (query("select 1) to '/tmp/x' --"), "42601"),
        ] {
            let message = take(&order).await.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(client.query_one("select count(*) from clinique.visites", &[]).await.unwrap().get::<_, i64>(0), 3);
    });
}

#[test]
fn who_the_server_is_is_checked_as_libpq_does() {
    run(async {
        let Some(cluster) = Cluster::start().await else { return };
        cluster.client().await.unwrap().batch_execute("create table t (a int primary key)").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = cluster.folder.path().join("root.crt");
        let root = root.display();
        let url = cluster.url("");
        let by_number = url.replace("localhost", "127.0.0.1");
        let attempt = |source: String| {
            let order = Order { source, ..order(&cluster, folder.path(), &["t"]) };
            async move { take(&order).await.map(|_| ()).map_err(|error| error.to_string()) }
        };
        for source in [
            url.clone(),
            format!("{url}?sslmode=disable"),
            format!("{url}?sslmode=require"),
            format!("{url}?sslmode=verify-full&sslrootcert={root}"),
            // The certificate is not for this name.
            format!("{by_number}?sslmode=verify-ca&sslrootcert={root}"),
            format!("{by_number}?sslmode=require"),
            format!(
                "host=localhost port={} dbname=postgres user=owner password={PASSWORD} sslmode=verify-full sslrootcert={root}",
                cluster.port
            ),
        ] {
            attempt(source.clone()).await.unwrap_or_else(|message| panic!("{source}: {message}"));
        }
        let other = tempfile::NamedTempFile::new().unwrap();
        let foreign = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
        std::fs::write(other.path(), foreign.cert.pem()).unwrap();
        for (source, part) in [
            (format!("{by_number}?sslmode=verify-full&sslrootcert={root}"), "NotValidForName"),
            (format!("{url}?sslmode=verify-ca&sslrootcert={}", other.path().display()), "invalid peer certificate"),
            (format!("{url}?sslmode=verify-full&sslrootcert=/nowhere/root.crt"), "no root certificate in /nowhere/root.crt"),
            (url.replace(PASSWORD, "wrong"), "(SQLSTATE 28P01); the password comes from"),
            (url.replace("/postgres", "/nowhere"), "database \"nowhere\" does not exist (SQLSTATE 3D000)"),
            (url.replace(&cluster.port.to_string(), "1"), "no connection to the database postgres at localhost as owner"),
            (format!("{url}?sslmode=maybe"), "sslmode is one of"),
        ] {
            let message = attempt(source).await.unwrap_err();
            assert!(message.contains(part) || part == "NotValidForName" && message.contains("not valid for name"), "{message}");
            assert!(!message.contains(PASSWORD) && !message.contains("wrong"), "{message}");
        }
    });
}
