//! Plans that are kept between executions: the answers are those of the same statement with its values written out.

use std::sync::Arc;

use placido::server;
use tokio::net::TcpListener;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::{hospital, run};

async fn server() -> u16 {
    let engine = Arc::clone(&hospital().await.engine);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(server::serve(listener, engine, std::future::pending()));
    port
}

async fn client(port: u16) -> Client {
    let address = format!("host=127.0.0.1 port={port} user=test dbname=placido");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The rows of a statement in the simple protocol.
async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

async fn keys(client: &Client) -> Vec<(String, String)> {
    let rows = texts(client, "select exam_id, eye from gold.eye_features order by exam_id, eye").await;
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

/// How often a plan was kept and how often one was made for a statement.
async fn plans(client: &Client, name: &str) -> (i64, i64) {
    let sql = format!("select generic_plans, custom_plans from pg_prepared_statements where name = '{name}'");
    let row = texts(client, &sql).await.remove(0);
    (row[0].as_ref().unwrap().parse().unwrap(), row[1].as_ref().unwrap().parse().unwrap())
}

/// A value as it is written in SQL: a number bare.
fn literal(value: Option<&str>) -> String {
    match value {
        None => "null".to_owned(),
        Some(number) if number.parse::<i64>().is_ok() => number.to_owned(),
        Some(text) => format!("'{text}'"),
    }
}

/// Statements with parameters, whether their plan is kept, and lists of values.
#[allow(clippy::type_complexity)]
const STATEMENTS: &[(&str, bool, &[&[Option<&str>]])] = &[
    ("select * from gold.eye_features where exam_id = $1", true, &[&[Some("KEY0")], &[Some("KEY1")], &[None], &[Some("x")]]),
    (
        "select exam_id, predict('kc_dx') from gold.eye_features where exam_id = $1 and eye = $2",
        true,
        &[&[Some("KEY0"), Some("OD")], &[Some("KEY1"), Some("OS")], &[Some("KEY1"), None], &[Some("KEY2"), Some("XX")]],
    ),
    (
        "select count(*), max(age_years) from gold.eye_features where $1 = exam_id",
        true,
        &[&[Some("KEY0")], &[None], &[Some("KEY2")]],
    ),
    (
        "select eye, count(*) from gold.eye_features where age_years > $1::int and diagnosis = $2 group by eye order by eye",
        true,
        &[&[Some("20"), Some("keratoconus")], &[Some("60"), Some("normal")], &[None, Some("normal")], &[Some("20"), None]],
    ),
    (
        "select a.exam_id, a.eye, b.eye from gold.eye_features a join gold.eye_features b on a.exam_id = b.exam_id \
         where a.exam_id = $1 order by 2, 3",
        true,
        &[&[Some("KEY0")], &[Some("KEY1")], &[Some("KEY0")], &[None]],
    ),
    (
        "select exam_id, eye from gold.eye_features where exam_id in ($1, $2) order by 1, 2",
        true,
        &[&[Some("KEY0"), Some("KEY1")], &[Some("KEY3"), None], &[Some("KEY2"), Some("KEY2")]],
    ),
    (
        "select exam_id, eye, case when age_years > $1::int then 'older' else $2 end from gold.eye_features order by 1, 2",
        true,
        &[&[Some("40"), Some("younger")], &[Some("20"), None]],
    ),
    (
        "select exam_id, age_years from gold.eye_features where age_years is not null order by age_years desc, exam_id, eye limit $1",
        false,
        &[&[Some("3")], &[Some("7")], &[Some("0")]],
    ),
    (
        "select $1::int + 1, $2::text || '!', $1::int is null",
        true,
        &[&[Some("1"), Some("a")], &[None, None], &[Some("2"), Some("b")]],
    ),
    ("select string_agg(eye, $1) from gold.eye_features where exam_id = 'KEY0'", false, &[&[Some("-")], &[Some("+")]]),
    // Tables of files are read as the lake is, and pruned by what is asked.
    ("select count(*) from silver.keratometry where eye = $1", false, &[&[Some("OD")], &[Some("OS")]]),
];

#[test]
fn a_kept_plan_gives_what_a_new_one_gives() {
    run(async {
        let port = server().await;
        let (client, other) = (client(port).await, client(port).await);
        let keys = keys(&client).await;
        let named = |text: &str| (0..4).fold(text.to_owned(), |text, n| text.replace(&format!("KEY{n}"), &keys[n * 2].0));
        for (number, (sql, kept, lists)) in STATEMENTS.iter().enumerate() {
            let sql = named(sql);
            client.batch_execute(&format!("prepare s{number} as {sql}")).await.unwrap();
            // Each list twice: the second time nothing of the first may be left.
            for values in lists.iter().chain(lists.iter()) {
                let values: Vec<Option<String>> = values.iter().map(|value| value.map(&named)).collect();
                let literals: Vec<String> = values.iter().map(|value| literal(value.as_deref())).collect();
                let written =
                    literals.iter().enumerate().fold(sql.clone(), |sql, (at, value)| sql.replace(&format!("${}", at + 1), value));
                let found = texts(&client, &format!("execute s{number}({})", literals.join(", "))).await;
                // Without parameters, and on another session.
                assert_eq!(found, texts(&other, &written).await, "{sql} with {literals:?}");
            }
            let (generic, custom) = plans(&client, &format!("s{number}")).await;
            assert_eq!(generic + custom, 2 * lists.len() as i64, "{sql}");
            assert_eq!((generic > 0, custom > 0), (*kept, !kept), "{sql}: {generic} kept, {custom} made");
        }
    });
}

#[test]
fn sessions_share_plans_and_not_values() {
    run(async {
        let port = server().await;
        let first = client(port).await;
        let keys = Arc::new(keys(&first).await);
        let sql = "select exam_id, eye, predict('kc_dx') from gold.eye_features where exam_id = $1 and eye = $2";
        let mut expected = Vec::new();
        for (exam, eye) in keys.iter() {
            let written = sql.replace("$1", &literal(Some(exam))).replace("$2", &literal(Some(eye)));
            expected.push(texts(&first, &written).await.remove(0)[2].clone());
        }
        let expected = Arc::new(expected);
        let mut tasks = tokio::task::JoinSet::new();
        for session in 0..8 {
            let (client, keys, expected) = (client(port).await, Arc::clone(&keys), Arc::clone(&expected));
            tasks.spawn(async move {
                let statement = client.prepare(sql).await.unwrap();
                for round in 0..60 {
                    let at = (session * 7 + round * 5) % keys.len();
                    let values: [&(dyn ToSql + Sync); 2] = [&keys[at].0, &keys[at].1];
                    let row = client.query_one(&statement, &values).await.unwrap();
                    let found = (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, Option<String>>(2));
                    assert_eq!(found, (keys[at].0.clone(), keys[at].1.clone(), expected[at].clone()));
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn a_text_that_comes_again_gives_what_it_gave() {
    run(async {
        let client = client(server().await).await;
        for sql in [
            "select 1",
            "select count(*) from gold.eye_features",
            "select * from eye_features order by exam_id, eye limit 2",
            "select sum(age_years) over (order by exam_id, eye) from gold.eye_features order by 1",
        ] {
            let first = texts(&client, sql).await;
            for _ in 0..4 {
                assert_eq!(texts(&client, sql).await, first, "{sql}");
            }
        }
        for sql in ["select 1/0", "select nothing from gold.eye_features"] {
            let codes = [&client.simple_query(sql).await, &client.simple_query(sql).await, &client.simple_query(sql).await]
                .map(|answer| answer.as_ref().unwrap_err().code().unwrap().code().to_owned());
            assert_eq!((&codes[0], &codes[1]), (&codes[1], &codes[2]), "{sql}");
        }
    });
}

#[test]
fn what_changes_between_executions_is_never_kept() {
    run(async {
        let client = client(server().await).await;
        client.batch_execute("prepare clock as select now(), random(), current_setting('application_name')").await.unwrap();
        let (first, second) = (texts(&client, "execute clock").await.remove(0), texts(&client, "execute clock").await.remove(0));
        assert_ne!(first[0], second[0], "now()");
        assert_ne!(first[1], second[1], "random()");
        client.batch_execute("set application_name = 'second'").await.unwrap();
        assert_eq!(texts(&client, "execute clock").await.remove(0)[2].as_deref(), Some("second"));

        // Settings that a plan depends on: the same text means something else.
        let noon = "select '2024-07-01 12:00:00'::timestamptz at time zone 'UTC'";
        let mut seen = Vec::new();
        for zone in ["UTC", "Europe/Rome", "UTC"] {
            client.batch_execute(&format!("set timezone = '{zone}'")).await.unwrap();
            for _ in 0..3 {
                seen.push(texts(&client, noon).await.remove(0).remove(0));
            }
        }
        assert!(seen[..3].iter().all(|value| *value == seen[0]) && seen[6..].iter().all(|value| *value == seen[0]), "{seen:?}");
        assert!(seen[3..6].iter().all(|value| *value == seen[3]), "{seen:?}");

        // A name is looked up where the session looks now.
        client.batch_execute("set search_path = silver; prepare scans as select count(*) from keratometry").await.unwrap();
        let before = texts(&client, "execute scans").await;
        client.batch_execute("set search_path = gold").await.unwrap();
        let refused = client.batch_execute("execute scans").await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42P01");
        client.batch_execute("set search_path = silver").await.unwrap();
        assert_eq!(texts(&client, "execute scans").await, before);
    });
}
