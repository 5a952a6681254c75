//! Roles and rights: who may read what, by whatever way they ask.

use placido::access::roles::{Actor, Change, Options};
use tokio_postgres::Client;

use super::login::{login, quick, users};
use super::raw::Raw;
use super::{TestServer, code, text, texts};

/// A server with the users anna and bert, and root, who is superuser.
pub(super) fn server() -> TestServer {
    TestServer::secured(quick(), users(&["anna", "bert"]))
}

/// Runs a test with a session of anna and one of root.
pub(super) fn run<F: Future<Output = ()>>(server: &TestServer, test: impl FnOnce(Client, Client) -> F) {
    server.runtime.block_on(async {
        let (anna, root) = (login(server, "anna", "anna").await.unwrap(), login(server, "root", "root").await.unwrap());
        test(anna, root).await;
    });
}

pub(super) async fn refused(client: &Client, sql: &str) -> (String, String) {
    match client.simple_query(sql).await {
        Ok(answer) => panic!("{sql}: {answer:?}"),
        Err(error) => (code(&error), error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default()),
    }
}

/// Statements that read patients' names, each by another way.
const WAYS: &[&str] = &[
    "select * from raw.patients",
    "select name from \"raw\".\"patients\"",
    "select name from RAW.Patients",
    "select name from placido.raw.patients",
    "select count(*) from raw.patients",
    "select 1 from raw.patients limit 0",
    "select p.name from raw.patients as p (patient_id, name)",
    "table raw.patients",
    "with x as (select * from raw.patients) select * from x",
    "with patients as (select * from raw.patients) select * from patients",
    "with recursive r as (select name from raw.patients union all select name from r where false) select * from r",
    "select (select max(name) from raw.patients)",
    "select exists (select 1 from raw.patients where name like 'A%')",
    "select 1 where 'Ada' in (select name from raw.patients)",
    "select 1 where 'Ada' = any (select name from raw.patients)",
    "select array(select name from raw.patients)",
    "select * from (select name from raw.patients) as x",
    "select exam_id from gold.eye_features union select name from raw.patients",
    "select exam_id from gold.eye_features except all select name from raw.patients",
    "select exam_id from gold.eye_features join raw.patients on patient_id = exam_id",
    "select exam_id from gold.eye_features, raw.patients",
    "select exam_id from gold.eye_features left join lateral (select name from raw.patients) as x on true",
    "select exam_id from gold.eye_features order by (select max(name) from raw.patients)",
    "select case when (select count(*) from raw.patients) > 1 then 1 end",
    "values ((select max(name) from raw.patients))",
    "explain select * from raw.patients",
    "explain analyze select * from raw.patients",
    "explain (format json) select * from raw.patients",
    "copy raw.patients to stdout",
    "copy raw.patients (name) to stdout (format csv)",
    "copy (select name from raw.patients) to stdout",
    "declare c cursor with hold for select name from raw.patients",
    "prepare p as select name from raw.patients",
    "select count(*) filter (where exists (select 1 from raw.patients)) from gold.eye_features",
    "select sum(visit) over (partition by (select max(name) from raw.patients)) from gold.eye_features",
    "describe raw.patients",
];

#[test]
fn names_of_patients_are_not_read_without_the_right() {
    let server = server();
    run(&server, |anna, root| async move {
        for sql in WAYS {
            let (code, message) = refused(&anna, sql).await;
            // What is not supported does not read either.
            assert!(matches!(code.as_str(), "42501" | "0A000" | "42601" | "42P01"), "{sql}: {code} {message}");
            if code == "42501" {
                assert_eq!(message, "permission denied for schema raw", "{sql}");
            }
            // These two are planned when they run.
            if !sql.starts_with("copy") && !sql.starts_with("prepare") {
                assert!(anna.prepare(sql).await.is_err(), "{sql}, prepared");
            }
        }
        // The schema alone opens nothing.
        root.batch_execute("grant usage on schema raw to anna").await.unwrap();
        for sql in WAYS {
            let (code, message) = refused(&anna, sql).await;
            assert!(matches!(code.as_str(), "42501" | "0A000" | "42601" | "42P01"), "{sql}: {code} {message}");
            assert!(code != "42501" || message == "permission denied for table patients", "{sql}: {message}");
        }
        let denied = WAYS.len();
        root.batch_execute("grant select on raw.patients to anna").await.unwrap();
        let mut read = 0;
        for sql in WAYS {
            read += usize::from(anna.simple_query(sql).await.is_ok());
        }
        assert!(read > denied * 2 / 3, "the statements read when they may: {read} of {denied}");
    });
}

#[test]
fn a_search_path_leads_nowhere_that_may_not_be_used() {
    let server = server();
    run(&server, |anna, root| async move {
        anna.batch_execute("set search_path to raw, gold").await.unwrap();
        assert_eq!(refused(&anna, "select * from patients").await.0, "42P01");
        assert!(anna.simple_query("select * from eye_features").await.is_ok());
        root.batch_execute("grant usage on schema raw to anna").await.unwrap();
        assert_eq!(
            refused(&anna, "select * from patients").await,
            ("42501".into(), "permission denied for table patients".into())
        );
    });
}

#[test]
fn who_may_read_a_view_need_not_read_its_tables() {
    let server = &server();
    run(server, |anna, root| async move {
        assert_eq!(texts(&anna, "select * from gold.patient_keys order by 1").await.len(), 2);
        root.batch_execute("revoke select on gold.eye_features from public").await.unwrap();
        let denied = refused(&anna, "select * from eye_features").await;
        assert_eq!(denied, ("42501".into(), "permission denied for view eye_features".into()));
        assert_eq!(texts(&anna, "select * from gold.patient_keys").await.len(), 2, "the others of the schema stay");
        root.batch_execute("grant select on eye_features to bert").await.unwrap();
        assert_eq!(refused(&anna, "select * from eye_features").await.0, "42501");
        let bert = login(server, "bert", "bert").await.unwrap();
        assert_eq!(texts(&bert, "select * from eye_features").await.len(), 3);
    });
}

#[test]
fn a_right_that_is_taken_ends_with_the_next_statement() {
    let server = server();
    run(&server, |anna, root| async move {
        root.batch_execute("grant usage on schema raw to anna; grant select on all tables in schema raw to anna").await.unwrap();
        let prepared = anna.prepare("select name from raw.patients order by name").await.unwrap();
        anna.batch_execute("prepare p as select name from raw.patients").await.unwrap();
        assert_eq!(anna.query(&prepared, &[]).await.unwrap().len(), 2);
        root.batch_execute("revoke select on raw.patients from anna").await.unwrap();
        assert_eq!(code(&anna.query(&prepared, &[]).await.unwrap_err()), "42501");
        assert_eq!(refused(&anna, "execute p").await.0, "42501");
        root.batch_execute("grant select on raw.patients to anna").await.unwrap();
        assert_eq!(anna.query(&prepared, &[]).await.unwrap().len(), 2, "and comes back with the right");
    });
}

#[test]
fn catalogs_show_what_may_be_read() {
    let server = server();
    run(&server, |anna, root| async move {
        let asked = [
            "select count(*) from pg_class where relname = 'patients'",
            "select count(*) from pg_catalog.pg_tables where tablename = 'patients'",
            "select count(*) from pg_attribute where attname = 'name' and attrelid > 16384",
            "select count(*) from pg_namespace where nspname = 'raw'",
            "select count(*) from information_schema.tables where table_name = 'patients'",
            "select count(*) from information_schema.columns where table_schema = 'raw'",
            "select count(*) from information_schema.schemata where schema_name = 'raw'",
        ];
        for sql in asked {
            assert_eq!(text(&anna, sql).await.as_deref(), Some("0"), "{sql}");
            assert_ne!(text(&root, sql).await.as_deref(), Some("0"), "{sql}");
        }
        let oid = text(&root, "select oid from pg_class where relname = 'patients'").await.unwrap();
        assert_eq!(refused(&anna, "select 'raw.patients'::regclass").await.0, "3F000");
        assert_eq!(text(&anna, &format!("select pg_table_is_visible({oid})")).await.as_deref(), Some("f"));
        assert_eq!(text(&anna, &format!("select {oid}::regclass::text")).await, Some(oid.clone()));
        // A misspelt name does not give another one away.
        let error = anna.simple_query("select * from raw.patient").await.unwrap_err();
        assert!(!format!("{:?}", error.as_db_error()).contains("patients"), "{error:?}");
        assert_eq!(text(&anna, "select count(*) from pg_class where relname = 'eye_features'").await.as_deref(), Some("1"));
        root.batch_execute("grant usage on schema raw to anna; grant select on raw.patients to anna").await.unwrap();
        for sql in asked {
            assert_eq!(text(&anna, sql).await, text(&root, sql).await, "{sql}");
        }
        root.batch_execute("revoke usage on schema raw from anna").await.unwrap();
        assert_eq!(text(&anna, asked[0]).await.as_deref(), Some("0"));
    });
}

#[test]
fn a_session_acts_as_the_roles_that_it_may() {
    let server = server();
    run(&server, |anna, root| async move {
        root.batch_execute(
            "create role archivist noinherit; create role keeper; grant keeper to anna with inherit false; grant archivist to bert; \
             grant usage on schema raw to keeper; grant select on all tables in schema raw to keeper",
        )
        .await
        .unwrap();
        assert_eq!(refused(&anna, "select * from raw.patients").await.0, "42501");
        anna.batch_execute("set role keeper").await.unwrap();
        assert_eq!(
            texts(&anna, "select current_user, session_user").await,
            [[Some("keeper".to_owned()), Some("anna".to_owned())]]
        );
        assert_eq!(texts(&anna, "select * from raw.patients").await.len(), 2);
        anna.batch_execute("reset role").await.unwrap();
        assert_eq!(refused(&anna, "select * from raw.patients").await.0, "42501");
        for sql in ["set role root", "set role archivist", "select set_config('role', 'root', false)", "set local role root"] {
            let told = anna.simple_query(&format!("begin; {sql}")).await;
            let told = told.err().map(|error| code(&error));
            assert_eq!(told.as_deref(), Some("42501"), "{sql}");
            anna.batch_execute("rollback").await.unwrap();
        }
        assert_eq!(refused(&anna, "set role nobody").await, ("22023".into(), "role \"nobody\" does not exist".into()));
        assert_eq!(refused(&anna, "set session authorization root").await.0, "42501");
        assert_eq!(text(&anna, "select current_user").await.as_deref(), Some("anna"));
        // With a transaction that is rolled back the role goes, too.
        anna.batch_execute("begin; set role keeper; rollback").await.unwrap();
        assert_eq!(text(&anna, "select current_user").await.as_deref(), Some("anna"));
        anna.batch_execute("begin; set local role keeper").await.unwrap();
        assert_eq!(texts(&anna, "select * from raw.patients").await.len(), 2);
        anna.batch_execute("commit").await.unwrap();
        assert_eq!(refused(&anna, "select * from raw.patients").await.0, "42501");
        // What was prepared as one role is not run as another.
        anna.batch_execute("set role keeper; prepare p as select name from raw.patients; reset role").await.unwrap();
        assert_eq!(refused(&anna, "execute p").await.0, "42501");
        // A superuser who acts as somebody else is none.
        root.batch_execute("set role anna").await.unwrap();
        assert_eq!(refused(&root, "select * from raw.patients").await.0, "42501");
        assert_eq!(refused(&root, "create role eve").await.0, "42501");
        assert_eq!(text(&root, "show is_superuser").await.as_deref(), Some("off"));
        root.batch_execute("set role none").await.unwrap();
        assert_eq!(text(&root, "show is_superuser").await.as_deref(), Some("on"));
    });
}

#[test]
fn rights_are_changed_by_those_who_may() {
    let server = &server();
    run(server, |anna, root| async move {
        for sql in [
            "create role eve",
            "alter role bert password 'x'",
            "alter role anna superuser",
            "drop role bert",
            "grant usage on schema raw to anna",
            "grant select on raw.patients to anna",
            "revoke select on all tables in schema gold from public",
            "grant root to anna",
        ] {
            assert_eq!(refused(&anna, sql).await.0, "42501", "{sql}");
        }
        anna.batch_execute("alter role anna password 'new'").await.unwrap();
        assert!(login(server, "anna", "new").await.is_ok() && login(server, "anna", "anna").await.is_err());
        // As PostgreSQL 15 says it.
        for (sql, expected) in [
            ("create role anna", "42710"),
            ("drop role nobody", "42704"),
            ("grant select on gold.nothing to anna", "42P01"),
            ("grant usage on schema nothing to anna", "3F000"),
            ("grant select on eye_features to nobody", "42704"),
            ("grant usage on eye_features to anna", "0LP01"),
            ("drop role root", "55006"),
            ("create role public", "42939"),
            ("grant anna to bert; grant bert to anna", "0LP01"),
        ] {
            assert_eq!(refused(&root, sql).await.0, expected, "{sql}");
        }
        root.batch_execute("revoke anna from bert; begin").await.unwrap();
        assert_eq!(refused(&root, "create role eve").await.0, "25001");
        root.batch_execute("rollback").await.unwrap();
        root.batch_execute("grant select on raw.patients to anna with grant option; grant usage on schema raw to anna, bert")
            .await
            .unwrap();
        anna.batch_execute("grant select on raw.patients to bert").await.unwrap();
        let bert = login(server, "bert", "bert").await.unwrap();
        assert_eq!(texts(&bert, "select * from raw.patients").await.len(), 2);
        assert_eq!(refused(&bert, "grant select on raw.patients to public").await.0, "42501");
        assert_eq!(refused(&root, "drop role bert").await.0, "2BP01");
        let shown = texts(&bert, "show grants for bert").await;
        let expected = [["bert", "SELECT", "table", "raw.patients", "NO"], ["bert", "USAGE", "schema", "raw", "NO"]];
        assert_eq!(shown, expected.map(|row| row.map(|cell| Some(cell.to_owned()))));
        root.batch_execute("drop owned by bert; drop role if exists bert, nobody").await.unwrap();
        assert_eq!(refused(&bert, "select * from eye_features").await.0, "42501", "a user who is gone reads nothing");
    });
}

#[test]
fn tags_are_those_of_postgres() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut raw = Raw::connect(&server).await;
        // PostgreSQL 15.18 answers each with this tag.
        for (sql, tag) in [
            ("create role a", "CREATE ROLE"),
            ("create user b password 'x'", "CREATE ROLE"),
            ("alter user b valid until 'infinity'", "ALTER ROLE"),
            ("grant a to b", "GRANT ROLE"),
            ("revoke a from b", "REVOKE ROLE"),
            ("grant select on gold.eye_features to a", "GRANT"),
            ("revoke all on gold.eye_features from a", "REVOKE"),
            ("set role a", "SET"),
            ("reset role", "RESET"),
            ("drop owned by a", "DROP OWNED"),
            ("drop role a, b", "DROP ROLE"),
        ] {
            assert_eq!(super::raw::tags(&raw.ask(sql).await), [tag], "{sql}");
        }
        // Described, too.
        raw.parse("", "show grants").await;
        raw.bind("", "", &[], 0).await;
        raw.of(b'D', 'P', "").await;
        raw.execute("", 0).await;
        let answers = raw.sync().await;
        assert!(super::raw::kinds(&answers).starts_with("12TDD"), "{}", super::raw::kinds(&answers));
    });
}

/// Before there are users, who works on this machine may do everything, and goes on so in that session.
#[test]
fn the_first_user_is_made_by_whoever_works_on_the_machine() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let first = server.client().await;
        assert_eq!(texts(&first, "select * from raw.patients").await.len(), 2);
        first.batch_execute("create role root login superuser password 'r'").await.unwrap();
        assert_eq!(texts(&first, "select * from raw.patients").await.len(), 2);
        assert!(server.config().connect(tokio_postgres::NoTls).await.is_err());
        let root = login(&server, "root", "r").await.unwrap();
        assert_eq!(texts(&root, "select * from raw.patients").await.len(), 2);
    });
}

/// A role that is made superuser and back is what it is now.
#[test]
fn attributes_take_effect_at_once() {
    let security = users(&["anna"]);
    let access = security.access.clone();
    let server = TestServer::secured(quick(), security);
    server.runtime.block_on(async {
        let anna = login(&server, "anna", "anna").await.unwrap();
        let superuser = |yes| Change::Alter("anna".into(), Options { superuser: Some(yes), ..Options::default() });
        access.change(Actor::Everything, &[superuser(true)]).unwrap();
        assert_eq!(texts(&anna, "select * from raw.patients").await.len(), 2);
        access.change(Actor::Everything, &[superuser(false)]).unwrap();
        assert_eq!(refused(&anna, "select * from raw.patients").await.0, "42501");
    });
}
