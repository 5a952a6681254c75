//! Bytes that no driver sends, and statements that nobody should write: the server stays up and says what is wrong.

use std::time::Duration;

use placido::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TestServer, code, text};

/// Sends bytes and reads until the server closes or has nothing more to say.
async fn send(server: &TestServer, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer))
        .await
        .expect("the server neither answers nor closes");
    answer
}

fn startup() -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    body.extend_from_slice(b"user\0anna\0database\0placido\0\0");
    let mut whole = (body.len() as u32 + 4).to_be_bytes().to_vec();
    whole.extend_from_slice(&body);
    whole
}

#[test]
fn no_bytes_bring_the_server_down() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let mut attacks: Vec<Vec<u8>> = vec![
            Vec::new(),
            vec![0],
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![0xff; 64],
            vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
            vec![0, 0, 0, 4],
            vec![0, 0, 0, 8, 0, 2, 0, 0],
            [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f].repeat(6),
            vec![0, 0, 0, 12, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1],
            startup()[..10].to_vec(),
        ];
        for garbage in [
            &b"Q\0\0\0\x02"[..],
            b"Q\x7f\xff\xff\xff",
            b"Z\0\0\0\x04",
            b"B\0\0\0\x08\0\0\xff\xff",
            b"Q\0\0\0\x06ab",
            b"p\0\0\0\x04",
            b"\0\0\0\0",
        ] {
            attacks.push([startup(), garbage.to_vec()].concat());
        }
        // xorshift: the same bytes in every run.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..100 {
            let random: Vec<u8> = (0..200)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            attacks.push(random.clone());
            attacks.push([startup(), random].concat());
        }
        for attack in &attacks {
            send(&server, attack).await;
        }
        let answer = send(&server, &[startup(), b"Q\x7f\xff\xff\xff".to_vec()].concat()).await;
        assert!(answer.windows(5).any(|five| five == b"54000"), "an oversized message is refused with its SQLSTATE");
        assert_eq!(text(&server.client().await, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn a_client_that_never_starts_is_dropped() {
    let server = TestServer::with(Limits { startup_timeout: Duration::from_millis(100), ..Limits::default() });
    server.runtime.block_on(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&startup()[..9]).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the connection is still open");
    });
}

#[test]
fn deep_and_long_statements_are_errors() {
    let chain = |term: &str, count: usize| format!("select 1{}", term.repeat(count));
    let statements = [
        chain(" + 1", 10_000),
        chain(" or true", 10_000),
        format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("select {}1{}", "abs(".repeat(5_000), ")".repeat(5_000)),
        format!("select {}true", "not ".repeat(10_000)),
        format!("select {}1", "- ".repeat(10_000)),
        format!("select 1{}", "::int".repeat(10_000)),
        format!("select {}1 end{}", "case when true then ".repeat(2_000), " end".repeat(1_999)),
        format!("select 1{}", " union all select 1".repeat(10_000)),
        format!("{}select 1{}", "select * from (".repeat(2_000), ") as t".repeat(2_000)),
        format!(
            "select * from eye_features a0{}",
            (1..5_000).map(|i| format!(" cross join eye_features a{i}")).collect::<String>()
        ),
        format!("select * from eye_features a0{}", (1..5_000).map(|i| format!(", eye_features a{i}")).collect::<String>()),
        format!("select 1{} from eye_features as t", format!("{} + t.limit", " + 1".repeat(1_900)).repeat(20)),
        format!("select {}1{}", "array[".repeat(5_000), "]".repeat(5_000)),
        format!("{} select 1", "explain ".repeat(10_000)),
    ];
    let server = TestServer::start();
    server.run(|client| async move {
        for statement in &statements {
            let shown = statement.get(..40).unwrap_or(statement);
            match client.simple_query(statement).await {
                Ok(_) => panic!("{shown}…: no error"),
                Err(error) => assert!(matches!(code(&error).as_str(), "54001" | "42601"), "{shown}…: {error:?}"),
            }
            assert!(client.query(statement, &[]).await.is_err(), "{shown}…");
        }
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}

#[test]
fn statements_just_below_the_limits_are_answered() {
    let server = TestServer::start();
    server.run(|client| async move {
        assert_eq!(text(&client, &format!("select 1{}", " + 1".repeat(1_900))).await.as_deref(), Some("1901"));
        assert_eq!(
            text(&client, &format!("select sum(visit{}) from eye_features", " + visit".repeat(1_900))).await.as_deref(),
            Some("7604")
        );
        let ors = (0..950).map(|n| format!(" or exam_id = 'E{}'", n + 2)).collect::<String>();
        assert_eq!(
            text(&client, &format!("select count(*) from eye_features where exam_id = 'E1'{ors}")).await.as_deref(),
            Some("3")
        );
        let list = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(
            text(&client, &format!("select count(*) from eye_features where visit in ({list})")).await.as_deref(),
            Some("3")
        );
        let too_long = format!("select '{}'", "x".repeat(2 * 1024 * 1024));
        assert_eq!(code(&client.simple_query(&too_long).await.unwrap_err()), "54000");
        let nested = format!("select {}1{}", "(".repeat(40), ")".repeat(40));
        assert_eq!(text(&client, &nested).await.as_deref(), Some("1"));
    });
}

#[test]
fn a_thousand_connections_come_and_go() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        for _ in 0..1_000 {
            drop(TcpStream::connect(server.address).await.unwrap());
        }
        for _ in 0..20 {
            let client = server.client().await;
            assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
        }
    });
}
