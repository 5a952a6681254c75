//! Values in both directions, in text and binary.

use tokio_postgres::types::Type;

use super::{TestServer, text, texts};

#[test]
fn texts_are_postgres_texts() {
    // The right column is what PostgreSQL 15.18 printed for the same expression.
    let pairs = [
        ("1.0::float8", "1"),
        ("0.1::float8 + 0.2::float8", "0.30000000000000004"),
        ("1e15::float8", "1e+15"),
        ("1.5::float4", "1.5"),
        ("'NaN'::float8", "NaN"),
        ("true", "t"),
        ("42::smallint", "42"),
        ("12.50::decimal(10,2)", "12.50"),
        ("date '2024-02-29'", "2024-02-29"),
        ("timestamp '2024-01-02 03:04:05'", "2024-01-02 03:04:05"),
        ("timestamp '2024-01-02 03:04:05.120'", "2024-01-02 03:04:05.12"),
        ("'a''b'", "a'b"),
        ("array[1,2,3]", "{1,2,3}"),
        ("array['a b', 'c', null]", "{\"a b\",c,NULL}"),
        ("array[1.5::float8, 2.0::float8]", "{1.5,2}"),
        ("interval '1 day 2 hours'", "1 day 02:00:00"),
    ];
    let server = TestServer::start();
    server.run(|client| async move {
        for (expression, printed) in pairs {
            assert_eq!(text(&client, &format!("select {expression}")).await.as_deref(), Some(printed), "{expression}");
        }
        assert_eq!(text(&client, "select null").await, None);
    });
}

#[test]
fn maps_and_structs_are_json() {
    let server = TestServer::start();
    server.run(|client| async move {
        assert_eq!(
            text(&client, "select named_struct('m', 1.5::float8, 'name', 'a\"b')").await.unwrap(),
            "{\"m\":1.5,\"name\":\"a\\\"b\"}"
        );
        assert_eq!(text(&client, "select map(['a','b'], [1, null])").await.unwrap(), "{\"a\":1,\"b\":null}");
        assert_eq!(
            text(&client, "select make_array(named_struct('feature', 'k_max_d', 'value', 1))").await.unwrap(),
            "[{\"feature\":\"k_max_d\",\"value\":1}]"
        );
        assert_eq!(text(&client, "select make_array(make_array(1,2), make_array(3))").await.unwrap(), "[[1,2],[3]]");
        assert_eq!(text(&client, "select (named_struct('m', 1.5::float8, 'j0', 2)).m").await.unwrap(), "1.5");
        let row = client.query_one("select named_struct('m', 1.5::float8) as v", &[]).await.unwrap();
        assert_eq!(*row.columns()[0].type_(), Type::JSON);
    });
}

#[test]
fn binary_values_are_read_by_a_driver() {
    let server = TestServer::start();
    server.run(|client| async move {
        let row = client
            .query_one(
                "select 1::smallint, 2::int, 3::bigint, 1.5::real, 2.5::float8, true, 'text', array[1.5::float8, null, 3.0::float8], \
                 arrow_cast('ab', 'Binary'), timestamp '2000-01-01 00:00:01', date '2000-01-02', array['a', 'b'], \
                 named_struct('x', 1)",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i16>(0), 1);
        assert_eq!(row.get::<_, i32>(1), 2);
        assert_eq!(row.get::<_, i64>(2), 3);
        assert_eq!(row.get::<_, f32>(3), 1.5);
        assert_eq!(row.get::<_, f64>(4), 2.5);
        assert!(row.get::<_, bool>(5));
        assert_eq!(row.get::<_, &str>(6), "text");
        assert_eq!(row.get::<_, Vec<Option<f64>>>(7), [Some(1.5), None, Some(3.0)]);
        assert_eq!(row.get::<_, &[u8]>(8), b"ab");
        let second = std::time::UNIX_EPOCH + std::time::Duration::from_secs(946_684_801);
        assert_eq!(row.get::<_, std::time::SystemTime>(9), second);
        assert_eq!(*row.columns()[10].type_(), Type::DATE);
        assert_eq!(row.get::<_, Vec<String>>(11), ["a", "b"]);
        assert_eq!(*row.columns()[12].type_(), Type::JSON);
    });
}

#[test]
fn parameters_take_their_type_from_the_context() {
    let server = TestServer::start();
    server.run(|client| async move {
        let statement = client.prepare("select exam_id from eye_features where k_max_d > $1 and visit = $2").await.unwrap();
        assert_eq!(statement.params(), [Type::FLOAT8, Type::INT8]);
        let rows = client.query(&statement, &[&50.0_f64, &1_i64]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["E2"]);
        assert!(client.query(&statement, &[&None::<f64>, &1_i64]).await.unwrap().is_empty());

        let statement = client.prepare("select $1").await.unwrap();
        assert_eq!(statement.params(), [Type::TEXT]);
        assert_eq!(client.query_one(&statement, &[&"ä €"]).await.unwrap().get::<_, String>(0), "ä €");

        let statement = client.prepare_typed("select $1 + 1", &[Type::INT8]).await.unwrap();
        assert_eq!(client.query_one(&statement, &[&41_i64]).await.unwrap().get::<_, i64>(0), 42);

        let row = client.query_one("select $1::float8[]", &[&vec![1.5_f64, 2.5]]).await.unwrap();
        assert_eq!(row.get::<_, Vec<f64>>(0), [1.5, 2.5]);

        let row = client.query_one("select $1::double precision[]", &[&vec![2.5_f64]]).await.unwrap();
        assert_eq!((row.columns()[0].name(), row.get::<_, Vec<f64>>(0)), ("float8", vec![2.5]));

        let rows = client.query("select exam_id from eye_features order by 1 limit $1", &[&2_i64]).await.unwrap();
        assert_eq!(rows.len(), 2);

        let wanted = vec!["E1", "E3"];
        let rows = client.query("select exam_id from eye_features where exam_id = any($1) order by 1", &[&wanted]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), wanted);
    });
}

#[test]
fn a_time_zone_moves_timestamps_with_zone_only() {
    let server = TestServer::start();
    server.run(|client| async move {
        client.batch_execute("set timezone = 'Europe/Rome'").await.unwrap();
        let shown =
            texts(&client, "select examined_at, timestamp '2024-01-02 03:04:05' from eye_features where exam_id = 'E1'").await;
        assert_eq!(shown[0][0].as_deref(), Some("2024-01-02 04:04:05.12+01"));
        assert_eq!(shown[0][1].as_deref(), Some("2024-01-02 03:04:05"));
    });
}
