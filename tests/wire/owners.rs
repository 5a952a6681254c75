//! Two roles beside each other: what one makes, what the other sees of it, and what is given and taken between them.

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Client;

use super::login::{login, quick, users};
use super::{TestServer, code, text, texts};

/// A test with sessions of anna, bert and root, who is superuser.
fn run<F: Future<Output = ()>>(test: impl FnOnce(Client, Client, Client) -> F) {
    let server = TestServer::secured(quick(), users(&["anna", "bert"]));
    server.runtime.block_on(async {
        let (anna, bert) = (login(&server, "anna", "anna").await.unwrap(), login(&server, "bert", "bert").await.unwrap());
        test(anna, bert, login(&server, "root", "root").await.unwrap()).await;
    });
}

async fn refused(client: &Client, sql: &str) -> (String, String) {
    match client.simple_query(sql).await {
        Ok(answer) => panic!("{sql}: {answer:?}"),
        Err(error) => (code(&error), error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default()),
    }
}

async fn denied(client: &Client, sql: &str, message: &str) {
    assert_eq!(refused(client, sql).await, ("42501".to_owned(), message.to_owned()), "{sql}");
}

/// PostgreSQL 15.18 refuses the same with the same words; that `public` is everybody's to make tables in is so until PostgreSQL 14.
#[test]
fn what_one_makes_is_the_others_only_by_grant() {
    run(|anna, bert, root| async move {
        anna.batch_execute("create table mine (a int); insert into mine values (1); create table public.ours (a int)")
            .await
            .unwrap();
        assert_eq!(text(&anna, "select current_schema").await.as_deref(), Some("anna"));
        denied(&bert, "select * from anna.mine", "permission denied for schema anna").await;
        denied(&bert, "create table anna.his (a int)", "permission denied for schema anna").await;
        denied(&bert, "drop schema anna cascade", "must be owner of schema anna").await;
        assert_eq!(refused(&bert, "select * from mine").await.0, "42P01");
        // public: anybody makes tables there, and each is its maker's.
        denied(&bert, "select * from public.ours", "permission denied for table ours").await;
        denied(&bert, "insert into public.ours values (1)", "permission denied for table ours").await;
        denied(&bert, "drop table public.ours", "must be owner of table ours").await;
        bert.batch_execute("create table public.bert_s (a int); drop table public.bert_s").await.unwrap();
        root.batch_execute("revoke create on schema public from public").await.unwrap();
        denied(&bert, "create table public.bert_s (a int)", "permission denied for schema public").await;
        // A schema that a superuser makes.
        root.batch_execute("create schema team; grant usage on schema team to anna, bert; grant create on schema team to anna")
            .await
            .unwrap();
        anna.batch_execute("create table team.t (a int); insert into team.t values (1), (2)").await.unwrap();
        denied(&bert, "create table team.u (a int)", "permission denied for schema team").await;
        denied(&bert, "select * from team.t", "permission denied for table t").await;
        anna.batch_execute("grant select on team.t to bert").await.unwrap();
        assert_eq!(texts(&bert, "select * from team.t").await.len(), 2);
        denied(&bert, "delete from team.t", "permission denied for table t").await;
        // Catalogs: what nothing may be done with is not there.
        let seen = "select count(*) from pg_class where relname in ('mine', 'ours', 't')";
        assert_eq!(text(&bert, seen).await.as_deref(), Some("1"));
        assert_eq!(text(&anna, seen).await.as_deref(), Some("3"));
        // A right on all tables holds for those that come; one table can be taken out of it.
        root.batch_execute("grant select on all tables in schema team to bert").await.unwrap();
        anna.batch_execute("create table team.later (a int); create table team.secret (a int)").await.unwrap();
        assert!(bert.simple_query("select * from team.later").await.is_ok());
        anna.batch_execute("revoke select on team.secret from bert").await.unwrap();
        assert!(bert.simple_query("select * from team.later").await.is_ok());
        denied(&bert, "select * from team.secret", "permission denied for table secret").await;
    });
}

#[test]
fn a_right_that_is_taken_from_a_prepared_statement_ends_with_it() {
    run(|anna, bert, _| async move {
        anna.batch_execute(
            "create table t (a int); insert into t values (1), (2); create view v as select a from t where a > 1;
             grant usage on schema anna to bert; grant select on t, v to bert; grant insert on t to bert",
        )
        .await
        .unwrap();
        let select = bert.prepare("select a from anna.t where a >= $1").await.unwrap();
        let view = bert.prepare("select a from anna.v").await.unwrap();
        let insert = bert.prepare("insert into anna.t values ($1)").await.unwrap();
        bert.batch_execute("prepare p as select count(*) from anna.t").await.unwrap();
        assert_eq!(bert.query(&select, &[&0_i32]).await.unwrap().len(), 2);
        assert_eq!(bert.query(&view, &[]).await.unwrap().len(), 1);
        assert_eq!(bert.execute(&insert, &[&3_i32]).await.unwrap(), 1);
        anna.batch_execute("revoke select on t from bert").await.unwrap();
        assert_eq!(code(&bert.query(&select, &[&0_i32]).await.unwrap_err()), "42501");
        assert_eq!(refused(&bert, "execute p").await.0, "42501");
        assert_eq!(bert.query(&view, &[]).await.unwrap().len(), 2, "the view is read with the rights of its owner");
        assert_eq!(bert.execute(&insert, &[&4_i32]).await.unwrap(), 1, "writing needs no right to read");
        anna.batch_execute("revoke insert on t from bert; revoke select on v from bert").await.unwrap();
        assert_eq!(code(&bert.execute(&insert, &[&5_i32]).await.unwrap_err()), "42501");
        assert_eq!(code(&bert.query(&view, &[]).await.unwrap_err()), "42501");
        anna.batch_execute("grant select on t to bert").await.unwrap();
        assert_eq!(bert.query(&select, &[&0_i32]).await.unwrap().len(), 4, "and comes back with the right");
        anna.batch_execute("revoke usage on schema anna from bert").await.unwrap();
        assert_eq!(code(&bert.query(&select, &[&0_i32]).await.unwrap_err()), "42501");
    });
}

/// A view of one over what only they may read: the other reads it by a grant on the view, for as long as its owner may.
#[test]
fn a_view_lends_the_rights_of_its_owner() {
    run(|anna, bert, root| async move {
        root.batch_execute("grant usage on schema raw to anna; grant select on raw.patients to anna").await.unwrap();
        anna.batch_execute(
            "create view names as select name from raw.patients;
             create view asked with (security_invoker = true) as select name from raw.patients;
             create view counted as select count(*) as n from names;
             create view through as select name from asked;
             grant usage on schema anna to bert",
        )
        .await
        .unwrap();
        denied(&bert, "select * from anna.names", "permission denied for view names").await;
        anna.batch_execute("grant select on names, asked, counted, through to bert").await.unwrap();
        assert_eq!(texts(&bert, "select * from anna.names").await.len(), 2);
        assert_eq!(text(&bert, "select n from anna.counted").await.as_deref(), Some("2"));
        assert_eq!(texts(&bert, "select n.name from anna.names n join gold.eye_features on true").await.len(), 6);
        denied(&bert, "select * from raw.patients", "permission denied for schema raw").await;
        denied(&bert, "select * from anna.asked", "permission denied for schema raw").await;
        // A view that asks for the reader's rights does so inside of another one, too.
        denied(&bert, "select * from anna.through", "permission denied for schema raw").await;
        // Nobody gets further through the view than it goes.
        for sql in [
            "select * from anna.names union select name from raw.patients",
            "select (select max(name) from raw.patients) from anna.names",
            "create view his as select patient_id from raw.patients",
            "with names as (select * from raw.patients) select * from names, anna.names",
        ] {
            assert_eq!(refused(&bert, sql).await.0, "42501", "{sql}");
        }
        // His own view over hers is read with his rights, and hers with hers.
        bert.batch_execute("create view mine as select upper(name) as name from anna.names").await.unwrap();
        assert_eq!(texts(&bert, "select * from mine").await.len(), 2);
        anna.batch_execute("revoke select on names from bert").await.unwrap();
        denied(&bert, "select * from mine", "permission denied for view names").await;
        denied(&root, "select * from bert.mine", "permission denied for view names").await;
        assert_eq!(text(&bert, "select n from anna.counted").await.as_deref(), Some("2"), "that view is hers");
        // What the owner may no more, the view may no more.
        root.batch_execute("revoke select on raw.patients from anna").await.unwrap();
        denied(&bert, "select n from anna.counted", "permission denied for table patients").await;
        denied(&root, "select * from anna.names", "permission denied for table patients").await;
        assert_eq!(texts(&root, "select * from anna.asked").await.len(), 2);
        root.batch_execute("alter view anna.names owner to root").await.unwrap();
        denied(&bert, "select n from anna.counted", "permission denied for view names").await;
        root.batch_execute("grant select on anna.names to bert").await.unwrap();
        assert_eq!(texts(&bert, "select * from anna.names").await.len(), 2);
    });
}

#[test]
fn rows_are_copied_with_the_right_to_it_only() {
    run(|anna, bert, _| async move {
        anna.batch_execute("create table t (a int, b text default 'x'); grant usage on schema anna to bert").await.unwrap();
        let copy = |sql: &'static str| bert.copy_in::<_, Bytes>(sql);
        // Typed: the driver's COPY sends a second Sync when it is refused, and takes the second answer for an error.
        denied(&bert, "copy anna.t (a) from stdin", "permission denied for table t").await;
        anna.batch_execute("grant insert on t to bert").await.unwrap();
        let sink = copy("copy anna.t (a) from stdin").await.unwrap();
        futures::pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\n2\n")).await.unwrap();
        assert_eq!(sink.as_mut().finish().await.unwrap(), 2);
        denied(&bert, "copy anna.t to stdout", "permission denied for table t").await;
        denied(&bert, "copy (select a from anna.t) to stdout", "permission denied for table t").await;
        assert_eq!(texts(&anna, "select a, b from t order by a").await.len(), 2);
        anna.batch_execute("grant select on t to bert").await.unwrap();
        let out = bert.copy_out("copy anna.t to stdout").await.unwrap();
        let data: Vec<Bytes> = futures::TryStreamExt::try_collect(Box::pin(out)).await.unwrap();
        assert_eq!(data.concat(), b"1\tx\n2\tx\n");
    });
}

#[test]
fn temporary_tables_are_their_sessions_and_their_makers() {
    run(|anna, bert, root| async move {
        anna.batch_execute("create temp table t as select 1 as a").await.unwrap();
        assert_eq!(refused(&bert, "select * from t").await.0, "42P01");
        assert_eq!(refused(&bert, "select * from pg_temp.t").await.0, "42P01");
        assert_eq!(text(&bert, "select count(*) from pg_class where relname = 't'").await.as_deref(), Some("0"));
        assert_eq!(text(&root, "select count(*) from pg_class where relname = 't'").await.as_deref(), Some("0"));
        // In one session: PostgreSQL 15.18 says the same to a role that did not make it.
        root.batch_execute("create temp table r as select 1 as a; set role anna").await.unwrap();
        denied(&root, "select * from r", "permission denied for table r").await;
        denied(&root, "drop table r", "must be owner of table r").await;
        root.batch_execute("create temp table s as select 2 as a; reset role").await.unwrap();
        assert_eq!(text(&root, "select r.a + s.a from r, s").await.as_deref(), Some("3"));
    });
}

#[test]
fn what_is_made_as_another_role_is_that_roles() {
    run(|anna, bert, root| async move {
        root.batch_execute("create role team; grant team to anna; create schema team authorization team").await.unwrap();
        anna.batch_execute("set role team; create table t (a int); insert into t values (1); reset role").await.unwrap();
        assert_eq!(text(&anna, "select tableowner from pg_tables where tablename = 't'").await.as_deref(), Some("team"));
        // Who is a member has the rights of the owner, and nobody else.
        assert_eq!(texts(&anna, "select * from team.t").await.len(), 1);
        anna.batch_execute("alter table team.t rename to u").await.unwrap();
        denied(&bert, "select * from team.u", "permission denied for schema team").await;
        root.batch_execute("revoke team from anna").await.unwrap();
        denied(&anna, "select * from team.u", "permission denied for schema team").await;
        assert_eq!(refused(&anna, "set role team").await.0, "42501");
        for sql in ["drop role team", "drop role if exists nobody, team"] {
            assert_eq!(refused(&root, sql).await.0, "2BP01", "{sql}");
        }
        assert_eq!(refused(&bert, "reassign owned by team to bert").await.0, "42501");
        assert_eq!(refused(&bert, "drop owned by team").await.0, "42501");
        root.batch_execute("reassign owned by team to bert; drop role team").await.unwrap();
        assert_eq!(texts(&bert, "select * from team.u").await.len(), 1);
        // A role is renamed with what it owns and was granted.
        bert.batch_execute("create table public.of_bert (a int)").await.unwrap();
        root.batch_execute("alter role bert rename to berta").await.unwrap();
        let owner = "select tableowner from pg_tables where tablename = 'of_bert'";
        assert_eq!(text(&root, owner).await.as_deref(), Some("berta"));
        root.batch_execute("drop owned by berta cascade; drop role berta").await.unwrap();
        assert_eq!(text(&root, "select count(*) from pg_namespace where nspname = 'team'").await.as_deref(), Some("0"));
    });
}

/// Grants in one transaction with what they are on, as dbt makes them.
#[test]
fn rights_are_granted_and_taken_back_with_a_transaction() {
    run(|anna, bert, _| async move {
        assert_eq!(refused(&anna, "grant usage on schema anna to bert").await.0, "3F000", "it is made when it is written to");
        anna.batch_execute(
            "begin; create table t (a int); grant usage on schema anna to bert; grant select on t to bert; commit",
        )
        .await
        .unwrap();
        assert!(bert.simple_query("select * from anna.t").await.is_ok());
        anna.batch_execute("begin; revoke select on t from bert; savepoint s; grant insert on t to bert; rollback to s; commit")
            .await
            .unwrap();
        denied(&bert, "select * from anna.t", "permission denied for table t").await;
        denied(&bert, "insert into anna.t values (1)", "permission denied for table t").await;
        // On the layers, rights are kept outside of transactions.
        anna.batch_execute("begin").await.unwrap();
        assert_eq!(refused(&anna, "grant select on gold.eye_features to bert").await.0, "25001");
        anna.batch_execute("rollback").await.unwrap();
        let shown = texts(&bert, "show grants for bert").await;
        let expected = [["bert", "USAGE", "schema", "anna", "NO"]];
        assert_eq!(shown, expected.map(|row| row.map(|cell| Some(cell.to_owned()))));
    });
}
