//! Logging in: passwords, rules, places, and sessions that are idle too long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use placido::access::Access;
use placido::access::roles::{Actor, Change, Options};
use placido::access::scram::Verifier;
use placido::server::{Limits, Security, check_listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Error, NoTls};

use super::{TestServer, code, eventually, text};

/// PostgreSQL 15.18: `create role eva login password 'Lähde 42'; select rolpassword from pg_authid where rolname = 'eva'`.
const OF_POSTGRES: &str = "SCRAM-SHA-256$4096:FBFYN0yzqXN9P316OdsVuw==$ZqvfHZ2JAdDTmVIl/J0olKzUy1eE7CqUI1GQvtkBcaE=:\
                           KYSPrAIP77qXnYPlPmKk/jBINJyu0H5t/X9HHTGO+vc=";

/// A user with a password.
pub(super) fn user(password: &str) -> Options {
    Options { login: Some(true), password: Some(Some(Verifier::of(password).unwrap())), ..Options::default() }
}

/// Users whose passwords are their names, and `root`, who is superuser.
pub(super) fn users(names: &[&str]) -> Security {
    let security = Security::local().unwrap();
    let mut changes: Vec<Change> = names.iter().map(|name| Change::Create((*name).to_owned(), user(name))).collect();
    changes.push(Change::Create("root".into(), Options { superuser: Some(true), ..user("root") }));
    security.access.change(Actor::Everything, &changes).unwrap();
    security
}

/// Waiting for the answer to a wrong password tests nothing.
pub(super) fn quick() -> Limits {
    Limits { failed_login_delay: Duration::ZERO, ..Limits::default() }
}

pub(super) async fn login(server: &TestServer, user: &str, password: &str) -> Result<Client, Error> {
    let (client, connection) = server.config().user(user).password(password).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn refusal(server: &TestServer, user: &str, password: &str) -> (String, String) {
    let Err(error) = login(server, user, password).await else { panic!("{user} was let in") };
    (code(&error), error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default())
}

#[test]
fn who_has_the_password_gets_in() {
    let security = users(&["anna"]);
    let stored = Options { password: Some(Verifier::parse(OF_POSTGRES)), login: Some(true), ..Options::default() };
    let over = Options { valid_until: Some(Some(0)), ..user("late") };
    let changes = [
        Change::Create("eva".into(), stored),
        Change::Create("late".into(), over),
        Change::Create("clinician".into(), Options { login: Some(false), ..user("clinician") }),
        Change::Create("nopass".into(), Options { login: Some(true), ..Options::default() }),
    ];
    security.access.change(Actor::Everything, &changes).unwrap();
    let server = TestServer::secured(quick(), security);
    server.runtime.block_on(async {
        let client = login(&server, "anna", "anna").await.unwrap();
        assert_eq!(text(&client, "select current_user").await.as_deref(), Some("anna"));
        assert!(login(&server, "eva", "Lähde 42").await.is_ok(), "a verifier of PostgreSQL");
        for (user, password) in [("anna", "Anna"), ("anna", ""), ("nobody", "x"), ("late", "late"), ("nopass", "x")] {
            let told = refusal(&server, user, password).await;
            if !password.is_empty() {
                assert_eq!(told, ("28P01".into(), format!("password authentication failed for user \"{user}\"")));
            }
        }
        let told = refusal(&server, "clinician", "clinician").await;
        assert_eq!(told, ("28000".into(), "role \"clinician\" is not permitted to log in".into()));
    });
}

#[test]
fn a_change_of_the_file_is_seen_by_the_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    let access = Access::open(file.clone(), None).unwrap();
    let server = TestServer::secured(quick(), Security { access: Arc::new(access), tls: None });
    let elsewhere = Access::open(file, None).unwrap();
    server.runtime.block_on(async {
        assert!(server.config().connect(NoTls).await.is_ok(), "without users, this machine is trusted");
        elsewhere.change(Actor::Everything, &[Change::Create("anna".into(), user("one"))]).unwrap();
        assert!(login(&server, "anna", "one").await.is_ok());
        assert!(server.config().user("bert").connect(NoTls).await.is_err(), "with users, nobody is trusted");
        elsewhere.change(Actor::Everything, &[Change::Alter("anna".into(), user("two"))]).unwrap();
        assert_eq!(refusal(&server, "anna", "one").await.0, "28P01");
        assert!(login(&server, "anna", "two").await.is_ok());
        elsewhere.change(Actor::Everything, &[Change::Drop("anna".into())]).unwrap();
        assert_eq!(refusal(&server, "anna", "two").await.0, "28P01");
    });
}

#[test]
fn rules_decide_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("pg_hba.conf");
    std::fs::write(&rules, "host all bert all reject\nhost all root all trust\nhost other anna all trust\n").unwrap();
    let access = Arc::new(Access::open(folder.path().join("access.toml"), Some(rules.clone())).unwrap());
    for name in ["anna", "bert", "root"] {
        access.change(Actor::Everything, &[Change::Create(name.into(), user(name))]).unwrap();
    }
    let server = TestServer::secured(quick(), Security { access: Arc::clone(&access), tls: None });
    server.runtime.block_on(async {
        let shown = |user: &str| format!("host \"127.0.0.1\", user \"{user}\", database \"placido\", no encryption");
        let told = refusal(&server, "bert", "bert").await;
        assert_eq!(told, ("28000".into(), format!("pg_hba.conf rejects connection for {}", shown("bert"))));
        let told = refusal(&server, "anna", "anna").await;
        assert_eq!(told, ("28000".into(), format!("no pg_hba.conf entry for {}", shown("anna"))));
        assert!(server.config().user("root").connect(NoTls).await.is_ok(), "trusted by a rule");
        // Trust is no licence for names that are nobody's.
        std::fs::write(&rules, "host all all 127.0.0.1/32 trust\n").unwrap();
        assert_eq!(refusal(&server, "nobody", "").await, ("28000".into(), "role \"nobody\" does not exist".into()));
    });
}

#[test]
fn an_address_that_others_reach_needs_encryption_and_users() {
    let anywhere = "0.0.0.0:5433".parse().unwrap();
    assert!(check_listen(anywhere, &users(&["anna"])).unwrap_err().to_string().contains("--tls-cert"));
    assert!(check_listen("127.0.0.1:5433".parse().unwrap(), &Security::local().unwrap()).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("pg_hba.conf");
    std::fs::write(&rules, "hostssl all all all cert\n").unwrap();
    let access = Access::open(folder.path().join("access.toml"), Some(rules)).unwrap();
    let security = Security { access: Arc::new(access), tls: None };
    let told = check_listen("127.0.0.1:5433".parse().unwrap(), &security).unwrap_err().to_string();
    assert!(told.contains("--tls-client-ca"), "{told}");
}

/// Whatever a client says in place of a password, it is not let in and the server goes on.
#[test]
fn half_logins_and_nonsense_are_refused() {
    let startup = b"\0\0\0\x24\0\x03\0\0user\0anna\0database\0placido\0\0".to_vec();
    let message = |body: &[u8]| [&[b'p'][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat();
    let first = |mechanism: &str, data: &str| {
        message(&[mechanism.as_bytes(), &[0], &(data.len() as u32).to_be_bytes(), data.as_bytes()].concat())
    };
    let begun = first("SCRAM-SHA-256", "n,,n=anna,r=abcdefgh");
    let mut attacks: Vec<Vec<u8>> = vec![
        Vec::new(),
        message(b""),
        message(b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        message(b"SCRAM-SHA-256\0\0\0\0\x09n,,"),
        first("SCRAM-SHA-256", ""),
        first("SCRAM-SHA-256", "y,,n=,r=\0"),
        first("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abcdefgh"),
        first("PLAIN", "anna"),
        [begun.clone(), message(b"c=biws,r=abcdefgh,p=AAAA")].concat(),
        [begun.clone(), message(&[0xff; 200])].concat(),
        [begun, b"Q\0\0\0\x0eselect 1\0".to_vec()].concat(),
        b"Q\0\0\0\x0eselect 1\0".to_vec(),
        b"p\xff\xff\xff\xff".to_vec(),
        [b'p', 0, 1, 0, 0].to_vec(),
    ];
    // xorshift: the same bytes in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let random: Vec<u8> = (0..60)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        attacks.push(message(&random));
    }
    let server = TestServer::secured(quick(), users(&["anna"]));
    server.runtime.block_on(async {
        for attack in &attacks {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            socket.write_all(&[startup.clone(), attack.clone()].concat()).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await.expect("an answer");
            // R, length 8, 0 would be AuthenticationOk; Z would be ReadyForQuery.
            assert!(!answer.windows(9).any(|nine| nine == b"R\0\0\0\x08\0\0\0\0"), "let in: {attack:?}");
        }
        assert!(login(&server, "anna", "anna").await.is_ok());
    });
}

#[test]
fn a_client_that_says_no_password_is_dropped() {
    let limits = Limits { startup_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = TestServer::secured(limits, users(&["anna"]));
    server.runtime.block_on(async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(b"\0\0\0\x24\0\x03\0\0user\0anna\0database\0placido\0\0").await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the connection is still open");
        assert!(answer.windows(13).any(|name| name == b"SCRAM-SHA-256"), "the password was asked for");
    });
}

#[test]
fn the_last_places_are_for_superusers_and_roles_have_limits() {
    let security = users(&["anna", "bert"]);
    let once = Options { connection_limit: Some(Some(1)), ..Options::default() };
    security.access.change(Actor::Everything, &[Change::Alter("anna".into(), once)]).unwrap();
    let server = TestServer::secured(Limits { max_connections: 3, reserved_connections: 1, ..quick() }, security);
    server.runtime.block_on(async {
        let _anna = login(&server, "anna", "anna").await.unwrap();
        assert_eq!(refusal(&server, "anna", "anna").await, ("53300".into(), "too many connections for role \"anna\"".into()));
        let _bert = login(&server, "bert", "bert").await.unwrap();
        let told = refusal(&server, "bert", "bert").await;
        assert_eq!(
            told,
            ("53300".into(), "remaining connection slots are reserved for roles with the SUPERUSER attribute".into())
        );
        let root = login(&server, "root", "root").await.unwrap();
        assert_eq!(refusal(&server, "root", "root").await.0, "53300");
        assert_eq!(text(&root, "show is_superuser").await.as_deref(), Some("on"));
    });
}

#[test]
fn idle_sessions_end_when_they_are_told_to() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        for (last, expected) in [
            ("select 1; set idle_session_timeout = '100ms'", "57P05"),
            ("begin; set idle_in_transaction_session_timeout = '100ms'", "25P03"),
        ] {
            let mut raw = super::raw::Raw::connect(&server).await;
            raw.ask(last).await;
            let mut told = Vec::new();
            tokio::time::timeout(Duration::from_secs(20), raw.socket.read_to_end(&mut told)).await.expect("the end").unwrap();
            let told = String::from_utf8_lossy(&told);
            assert!(told.contains("FATAL") && told.contains(expected), "{last}: {told}");
        }
        // Who works is not idle, and a transaction is not measured by the limit of sessions outside of one.
        let client = server.client().await;
        client.batch_execute("set idle_session_timeout = '300ms'; begin").await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
        client.batch_execute("commit").await.unwrap();
        eventually("the session has ended", || client.is_closed()).await;
    });
}

#[test]
fn hundreds_come_and_go_with_passwords() {
    let server = TestServer::secured(quick(), users(&["anna"]));
    server.runtime.block_on(async {
        for _ in 0..100 {
            let client = login(&server, "anna", "anna").await.unwrap();
            drop(client);
        }
        let address: IpAddr = server.address.ip();
        for _ in 0..900 {
            drop(TcpStream::connect((address, server.address.port())).await.unwrap());
        }
        let client = login(&server, "anna", "anna").await.unwrap();
        assert_eq!(text(&client, "select 1").await.as_deref(), Some("1"));
    });
}
