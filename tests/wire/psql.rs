//! PostgreSQL's own client. Where it is not installed, these tests say so and pass.

use std::process::Command;

use super::TestServer;

struct Psql<'a>(&'a TestServer);

impl Psql<'_> {
    fn new(server: &TestServer) -> Option<Psql<'_>> {
        if Command::new("psql").arg("--version").output().is_ok() {
            return Some(Psql(server));
        }
        eprintln!("skipped: psql is not installed");
        None
    }

    /// What psql writes for some commands: its output and its complaints.
    fn run(&self, commands: &[&str]) -> (String, String) {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-h", "127.0.0.1", "-U", "placido", "-d", "placido", "-p"]).arg(self.0.address.port().to_string());
        for command in commands {
            psql.args(["-c", command]);
        }
        let output = psql.env("PGCONNECT_TIMEOUT", "20").output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn good(&self, command: &str) -> String {
        let (output, complaints) = self.run(&[command]);
        // "Did not find any relations." is an answer.
        let complaints: Vec<_> = complaints.lines().filter(|line| !line.starts_with("Did not find any")).collect();
        assert!(complaints.is_empty(), "{command}: {complaints:?}");
        output
    }
}

#[test]
fn schemas_and_views_are_listed_with_comments() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let schemas = psql.good("\\dn+");
    assert!(schemas.contains("gold") && schemas.contains("features for models") && schemas.contains("silver"), "{schemas}");
    assert!(!schemas.contains("pg_catalog"), "{schemas}");
    let views = psql.good("\\dv gold.*");
    assert!(views.contains("eye_features") && views.contains("view") && !views.contains("eyes"), "{views}");
    assert!(psql.good("\\dv+ gold.*").contains("Features of an eye"));
    let tables = psql.good("\\dt *.*");
    assert!(tables.contains("eyes") && tables.contains("pg_class") && !tables.contains("eye_features"), "{tables}");
    // Without a pattern: what the search path finds.
    let found = psql.good("\\d");
    assert!(found.contains("eye_features") && !found.contains("silver"), "{found}");
}

#[test]
fn a_view_is_described_with_types_and_units() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let described = psql.good("\\d gold.eye_features");
    assert!(described.contains("View \"gold.eye_features\""), "{described}");
    let line = |name: &str| described.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("exam_id").contains("text") && line("exam_id").contains("not null"), "{described}");
    assert!(line("k_max_d").contains("double precision") && !line("k_max_d").contains("not null"), "{described}");
    assert!(line("examined_at").contains("timestamp with time zone"), "{described}");
    let more = psql.good("\\d+ gold.eye_features");
    assert!(more.contains("steepest curvature, [diop]") && more.contains("select * from silver.eyes"), "{more}");
    assert!(psql.good("\\d eye_features").contains("View \"gold.eye_features\""));
}

#[test]
fn every_command_of_the_d_family_is_answered() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    for command in [
        "\\d",
        "\\dn",
        "\\dv",
        "\\dt",
        "\\dtvS",
        "\\df",
        "\\df+",
        "\\l",
        "\\l+",
        "\\du",
        "\\du+",
        "\\dg",
        "\\dT",
        "\\dp",
        "\\di",
        "\\ds",
        "\\dx",
        "\\dm",
        "\\des",
        "\\db",
        "\\da",
        "\\do",
        "\\dD",
        "\\drds",
        "\\dy",
        "\\dRp",
        "\\dconfig",
        "\\conninfo",
        "\\d pg_catalog.pg_class",
        "\\sv gold.eye_features",
        "\\encoding",
        "\\dC",
    ] {
        psql.good(command);
    }
    assert!(psql.good("\\l").contains("placido"));
    assert!(psql.good("\\du").contains("placido"));
}

#[test]
fn values_and_headers_look_as_in_postgres() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let output = psql.good("select exam_id, k_max_d, k_max_d * 2, examined_at from eye_features order by exam_id limit 2");
    let expected = [
        " exam_id | k_max_d | ?column? |        examined_at        ",
        "---------+---------+----------+---------------------------",
        " E1      |      43 |       86 | 2024-01-02 03:04:05.12+00",
        " E2      |   58.25 |    116.5 | ",
        "(2 rows)",
        "",
        "",
    ];
    assert_eq!(output, expected.join("\n"));
}

#[test]
fn a_mistake_is_pointed_at() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let (_, complaints) = psql.run(&["select exam_id frm eye_features"]);
    assert!(complaints.contains("syntax error at or near \"eye_features\""), "{complaints}");
    assert!(complaints.contains("LINE 1: select exam_id frm eye_features"), "{complaints}");
    assert!(complaints.lines().any(|line| line.trim_end().ends_with('^') && line.find('^') == Some(8 + 19)), "{complaints}");
}

#[test]
fn several_statements_and_errors_go_on_in_one_session() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let (output, complaints) =
        psql.run(&["begin", "select 1 as one", "select no_such_column from eye_features", "commit", "select 2 as two"]);
    assert!(
        output.contains("BEGIN") && output.contains("one") && output.contains("ROLLBACK") && output.contains("two"),
        "{output}"
    );
    assert!(complaints.contains("no_such_column"), "{complaints}");
}

#[test]
fn results_are_copied_and_fetched_in_parts() {
    let server = TestServer::start();
    let Some(psql) = Psql::new(&server) else { return };
    let query = "select exam_id, k_max_d from eye_features order by 1";
    assert_eq!(psql.good(&format!("\\copy ({query}) to stdout csv header")), "exam_id,k_max_d\nE1,43\nE2,58.25\nE3,\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eyes.tsv");
    assert_eq!(psql.good(&format!("\\copy ({query}) to '{}'", file.display())), "COPY 3\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "E1\t43\nE2\t58.25\nE3\t\\N\n");
    // The server's own files stay out of reach, and the session goes on.
    let (output, complaints) = psql.run(&[&format!("copy eye_features to '{}'", file.display()), "select 'still here'"]);
    assert!(complaints.contains("permission denied") && output.contains("still here"), "{complaints}{output}");
    // With FETCH_COUNT psql reads through a cursor of its own.
    let (output, complaints) = psql.run(&[
        "\\set FETCH_COUNT 7",
        "\\pset tuples_only",
        "select value from generate_series(1, 100) as value order by value",
    ]);
    assert_eq!(complaints, "");
    let seen: Vec<usize> = output.lines().filter_map(|line| line.trim().parse().ok()).collect();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    assert_eq!(psql.good("\\copy eye_features (exam_id) to stdout"), "E1\nE2\nE3\n");
}

/// The same commands, typed into psql before placido and before a real PostgreSQL, show the same roles, owners and rights.
#[test]
fn rights_are_shown_as_before_postgres() {
    let (server, Some(postgres)) = (TestServer::start(), crate::support::postgres::start()) else { return };
    let run = |port: u16, database: &str, command: &str| {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", database, "-p"]).arg(port.to_string());
        let output = psql.args(["-c", command]).env("PGCONNECT_TIMEOUT", "20").output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let mut shown = 0;
    for command in [
        "create role readers; create role anna createrole connection limit 2; create role \"Bert B\" noinherit superuser",
        "grant readers to anna, \"Bert B\"",
        "create schema work authorization anna",
        "set role anna; create table work.t (a int, b text); create view work.v as select a from work.t; \
         grant select, insert on work.t to readers with grant option; grant update on work.t to public",
        "grant usage on schema work to readers, public; grant all on work.v to \"Bert B\"",
        "\\dp work.*",
        "\\z work.t",
        "\\dn+ work",
        "\\dt work.*",
        "\\dv work.*",
        "\\du anna",
        "\\du readers",
        "\\du \"Bert B\"",
        "\\dg+ anna",
        "\\ddp",
    ] {
        let (here, there) = (run(server.address.port(), "placido", command), run(postgres.port, "postgres", command));
        assert_eq!(here, there, "{command}");
        shown += here.0.lines().count();
    }
    assert!(shown > 50, "{shown} lines");
}
