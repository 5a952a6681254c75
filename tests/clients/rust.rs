//! tokio-postgres: binary values, prepared statements, portals, COPY.

use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, NoTls};

use super::{Check, Section};

type Outcome = Result<(), String>;

fn told(error: Error) -> String {
    format!("{error}: {:?}", error.as_db_error().map(|told| told.message()))
}

fn holds(fact: bool, about: &str) -> Outcome {
    if fact { Ok(()) } else { Err(about.to_owned()) }
}

pub(super) async fn checks(client: &mut Client) -> Section {
    let mut checks = Vec::new();
    let mut add = |name: &str, outcome: Outcome| checks.push(Check { name: name.to_owned(), reason: outcome.err() });
    add("types in binary", types(client).await);
    add("parameters", parameters(client).await);
    add("a prepared statement tells its types", prepared(client).await);
    add("rows as a stream, a portal with a row limit", streams(client).await);
    add("pipelined queries", pipelined(client).await);
    add("transactions and savepoints", transactions(client).await);
    add("COPY out in binary", copy_out(client).await);
    add("a temporary table and COPY into it", copy_in(client).await);
    add("cancel", cancel(client).await);
    add("errors with SQLSTATE and hint", errors(client).await);
    add("predict", predict(client).await);
    Section::new("tokio-postgres", "0.7".to_owned(), checks)
}

async fn types(client: &Client) -> Outcome {
    let row = client
        .query_one(
            "select true, 7::smallint, 7::int, 7::bigint, 1.5::real, 2.5::float8, 'ä'::text, '\\x00ff'::bytea, array[1.5, null]::float8[],
             array['a', 'b c'], null::int, timestamptz '2024-01-02 03:04:05+00', '{\"a\": [1]}'::json, current_database()",
            &[],
        )
        .await
        .map_err(told)?;
    holds(
        row.get::<_, bool>(0) && row.get::<_, i16>(1) == 7 && row.get::<_, i32>(2) == 7 && row.get::<_, i64>(3) == 7,
        "integers",
    )?;
    holds(row.get::<_, f32>(4) == 1.5 && row.get::<_, f64>(5) == 2.5 && row.get::<_, &str>(6) == "ä", "floats")?;
    holds(row.get::<_, &[u8]>(7) == [0, 255] && row.get::<_, Vec<Option<f64>>>(8) == [Some(1.5), None], "bytes and lists")?;
    holds(row.get::<_, Vec<String>>(9) == ["a", "b c"] && row.get::<_, Option<i32>>(10).is_none(), "texts and NULL")?;
    let seconds = row.get::<_, SystemTime>(11).duration_since(SystemTime::UNIX_EPOCH).map_err(|error| error.to_string())?;
    holds(seconds == Duration::from_secs(1_704_164_645), "an instant")?;
    holds(row.columns().get(12).is_some_and(|column| *column.type_() == Type::JSON), "json is announced")?;
    holds(row.columns().get(13).is_some_and(|column| *column.type_() == Type::NAME), "name is announced")
}

async fn parameters(client: &Client) -> Outcome {
    let eyes = vec!["OD", "OS"];
    let sql = "select count(*) from gold.eye_features where eye = any($1) and age_years > $2";
    let row = client.query_one(sql, &[&eyes, &1_i32]).await.map_err(told)?;
    holds(row.get::<_, i64>(0) > 0, "no eyes")?;
    let row =
        client.query_one("select $1::float8 * 2, $2::text, $3::int", &[&1.25_f64, &"ß", &None::<i32>]).await.map_err(told)?;
    holds(row.get::<_, f64>(0) == 2.5 && row.get::<_, &str>(1) == "ß" && row.get::<_, Option<i32>>(2).is_none(), "values")
}

async fn prepared(client: &Client) -> Outcome {
    let statement =
        client.prepare("select eye, s_ant_axial_z80_mean from gold.eye_features where eye = $1").await.map_err(told)?;
    holds(statement.params() == [Type::TEXT], "parameters")?;
    holds(statement.columns().iter().map(|column| column.type_().clone()).eq([Type::TEXT, Type::FLOAT8]), "columns")?;
    for eye in ["OD", "OS"] {
        holds(!client.query(&statement, &[&eye]).await.map_err(told)?.is_empty(), "rows")?;
    }
    Ok(())
}

async fn streams(client: &mut Client) -> Outcome {
    let rows = client.query_raw("select value from generate_series(1, 5000) as value", &[] as &[i32]).await.map_err(told)?;
    let sum: i64 = rows
        .map_ok(|row| i64::from(row.get::<_, i32>(0)))
        .try_fold(0, |sum, n| async move { Ok(sum + n) })
        .await
        .map_err(told)?;
    holds(sum == 12_502_500, "the sum of a stream")?;
    let transaction = client.transaction().await.map_err(told)?;
    let portal = transaction.bind("select value from generate_series(1, 100) as value order by 1", &[]).await.map_err(told)?;
    let (first, second) = (
        transaction.query_portal(&portal, 30).await.map_err(told)?.len(),
        transaction.query_portal(&portal, 100).await.map_err(told)?.len(),
    );
    transaction.commit().await.map_err(told)?;
    holds((first, second) == (30, 70), "rows of a portal")
}

async fn pipelined(client: &Client) -> Outcome {
    let asked = (0..20_i32)
        .map(|n| async move { client.query_one("select ($1::int * 2)::int", &[&n]).await.map(|row| row.get::<_, i32>(0)) });
    let found = futures::future::try_join_all(asked).await.map_err(told)?;
    holds(found == (0..20).map(|n| n * 2).collect::<Vec<_>>(), "answers in order")
}

async fn transactions(client: &mut Client) -> Outcome {
    let mut transaction = client.build_transaction().read_only(true).start().await.map_err(told)?;
    let inner = transaction.transaction().await.map_err(told)?;
    let failed = inner.query("select 1 / 0", &[]).await.err().and_then(|error| error.code().map(|code| code.code().to_owned()));
    inner.rollback().await.map_err(told)?;
    holds(failed.as_deref() == Some("22012"), "the SQLSTATE")?;
    holds(transaction.query_one("select 2::int", &[]).await.map_err(told)?.get::<_, i32>(0) == 2, "after the savepoint")?;
    transaction.commit().await.map_err(told)
}

async fn copy_out(client: &Client) -> Outcome {
    let sql = "copy (select eye, 1.5::float8 from gold.eye_features order by 1 limit 3) to stdout (format binary)";
    let stream = client.copy_out(sql).await.map_err(told)?;
    let rows = tokio_postgres::binary_copy::BinaryCopyOutStream::new(stream, &[Type::TEXT, Type::FLOAT8]);
    let rows: Vec<(String, f64)> = Box::pin(rows).map_ok(|row| (row.get(0), row.get(1))).try_collect().await.map_err(told)?;
    holds(rows == vec![("OD".to_owned(), 1.5); 3], "the rows")
}

async fn copy_in(client: &Client) -> Outcome {
    client.batch_execute("create temp table of_rust (eye text, k float8)").await.map_err(told)?;
    let sink = client.copy_in("copy of_rust from stdin (format binary)").await.map_err(told)?;
    let writer = tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::FLOAT8]);
    let mut writer = Box::pin(writer);
    writer.as_mut().write(&[&"OD", &43.5_f64]).await.map_err(told)?;
    writer.as_mut().write(&[&"OS", &None::<f64>]).await.map_err(told)?;
    holds(writer.as_mut().finish().await.map_err(told)? == 2, "the count")?;
    let row = client.query_one("select count(*), count(k) from of_rust", &[]).await.map_err(told)?;
    holds((row.get::<_, i64>(0), row.get::<_, i64>(1)) == (2, 1), "the rows")
}

async fn cancel(client: &Client) -> Outcome {
    let token = client.cancel_token();
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    };
    let (found, asked) = tokio::join!(client.query("select count(*) from generate_series(1, 100000000000)", &[]), later);
    asked.map_err(told)?;
    let code = found.err().and_then(|error| error.code().map(|code| code.code().to_owned()));
    holds(code.as_deref() == Some("57014"), "the SQLSTATE")
}

async fn errors(client: &Client) -> Outcome {
    let error = client.query("select * from gold.eye_featurs", &[]).await.err().ok_or("no error")?;
    let told = error.as_db_error().ok_or("no answer of the server")?;
    holds(told.code().code() == "42P01" && told.hint().is_some_and(|hint| hint.contains("eye_features")), "code and hint")
}

async fn predict(client: &Client) -> Outcome {
    let rows =
        client.query("select predict('kc_dx') from gold.eye_features where eye = $1 limit 3", &[&"OD"]).await.map_err(told)?;
    holds(rows.len() == 3 && rows.iter().all(|row| row.try_get::<_, String>(0).is_ok()), "answers")
}
