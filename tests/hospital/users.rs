//! Users of the program, and rights over the real engine: layers, models, patients' names.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use placido::access::roles::{Actor, Change, Options};
use placido::access::scram::Verifier;
use placido::server::{Limits, Security, serve_secured};
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls};

use super::served::Served;
use crate::support::{hospital, run};

fn users(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_placido"));
    command.arg("--data").arg(data).arg("users").args(arguments).env_remove("PLACIDO_PASSWORD");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn config(port: u16, user: &str, password: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname("placido").user(user).password(password);
    config
}

async fn connect(port: u16, user: &str, password: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config(port, user, password).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The models that a session is told of.
async fn models(client: &Client) -> Vec<String> {
    let rows = client.query("select name from ml.models order by name", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn users_are_made_listed_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let good = |arguments: &[&str], input: &str| {
        let output = users(data, arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    assert!(good(&["list"], "").contains("There are no roles"));
    good(&["add", "chief", "--superuser", "--password-stdin"], "geheim\n");
    good(&["add", "anna", "--role", "clinician", "--password-stdin"], "secret\r\nnot this line\n");
    let listed = good(&["list"], "");
    let line = |name: &str| {
        listed.lines().find(|line| line.starts_with(name)).unwrap_or_default().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("anna"), ["anna", "yes", "no", "clinician", "set"], "{listed}");
    assert_eq!(line("chief"), ["chief", "yes", "yes", "set"], "{listed}");
    assert_eq!(line("clinician"), ["clinician", "no", "no", "none"], "{listed}");
    let kept = std::fs::read_to_string(data.join("access.toml")).unwrap();
    assert!(kept.contains("SCRAM-SHA-256$4096:") && !kept.contains("secret\n") && !kept.contains("geheim"));
    good(&["password", "anna", "--password-stdin"], "better\n");
    assert_ne!(std::fs::read_to_string(data.join("access.toml")).unwrap(), kept);
    good(&["remove", "chief"], "");
    assert!(!good(&["list"], "").contains("chief"));
    for (arguments, input, part) in [
        (&["add", "anna", "--password-stdin"][..], "x\n", "already exists"),
        (&["add", "eve", "--password-stdin"], "\n", "empty"),
        (&["add", "eve"], "", "no terminal"),
        (&["add", "pg_eve", "--password-stdin"], "x\n", "reserved"),
        (&["password", "eve", "--password-stdin"], "x\n", "does not exist"),
        (&["remove", "eve"], "", "does not exist"),
        (&["add", "eve", "x"], "", "unexpected argument"),
    ] {
        let output = users(data, arguments, input);
        assert!(!output.status.success() && said(&output).contains(part), "{arguments:?}: {}", said(&output));
    }
    std::fs::write(data.join("access.toml"), "broken").unwrap();
    assert!(said(&users(data, &["list"], "")).contains("access.toml, line 1"));
}

/// The program serves, and learns of a user without a restart.
#[test]
fn a_user_is_known_to_the_server_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = hospital().await.settings.lake_folder();
        let server = Served::start(folder.path(), &lake, &[]);
        let port = server.port;
        assert!(connect(port, "anybody", "").await.is_ok(), "without users this machine is trusted");
        users(folder.path(), &["add", "anna", "--password-stdin"], "secret\n");
        assert!(connect(port, "anybody", "").await.is_err());
        let anna = connect(port, "anna", "secret").await.unwrap();
        assert!(anna.simple_query("select 1").await.is_ok());
        users(folder.path(), &["remove", "anna"], "");
        assert!(connect(port, "anna", "secret").await.is_err());
        assert!(connect(port, "anybody", "").await.is_err(), "a server that has had users trusts nobody");
    });
}

#[test]
fn layers_are_read_and_models_run_by_right() {
    run(async {
        let security = Security::local().unwrap();
        let user = |superuser| Options {
            login: Some(true),
            superuser: Some(superuser),
            password: Some(Some(Verifier::of("x").unwrap())),
            ..Options::default()
        };
        let made = [Change::Create("anna".into(), user(false)), Change::Create("root".into(), user(true))];
        security.access.change(Actor::Everything, &made).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let engine = Arc::clone(&hospital().await.engine);
        let served = tokio::spawn(serve_secured(listener, engine, Limits::default(), security, async move {
            let _ = stopped.await;
        }));
        let (anna, root) = (connect(port, "anna", "x").await.unwrap(), connect(port, "root", "x").await.unwrap());
        let code = |answer: Result<Vec<tokio_postgres::SimpleQueryMessage>, tokio_postgres::Error>| match answer {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.code().map(|code| code.code().to_owned()).unwrap_or_default(),
        };
        let predict = "select predict('kc_dx') from gold.eye_features limit 1";
        assert!(anna.simple_query(predict).await.is_ok());
        let prepared = anna.prepare(predict).await.unwrap();
        for sql in ["select * from raw.ms39 limit 1", "select path from raw.files limit 1"] {
            assert_eq!(code(anna.simple_query(sql).await), "42501", "{sql}");
            assert_eq!(code(root.simple_query(&format!("explain {sql}")).await), "no error", "{sql}");
        }
        // Bronze is made of raw.
        assert!(anna.simple_query("select scan_id from bronze.ms39 limit 1").await.is_ok());
        root.batch_execute("revoke execute on all models from public").await.unwrap();
        for sql in [
            predict,
            "select predict_proba('kc_dx') from gold.eye_features limit 1",
            "select predict_detail('kc_dx@champion') from gold.eye_features limit 1",
            "explain select predict('kc_dx') from gold.eye_features",
            "select eye from gold.eye_features order by predict('kc_dx') limit 1",
        ] {
            assert_eq!(code(anna.simple_query(sql).await), "42501", "{sql}");
        }
        assert_eq!(anna.query(&prepared, &[]).await.unwrap_err().code().unwrap().code(), "42501", "prepared before");
        // Nobody is told of models that they may not run.
        assert_eq!(models(&anna).await, [""; 0]);
        assert_eq!(models(&root).await, ["kc_dx"]);
        assert_eq!(code(root.simple_query("grant execute on model kc_dz to anna").await), "42704");
        root.batch_execute("grant execute on model kc_dx to anna").await.unwrap();
        assert!(anna.simple_query(predict).await.is_ok());
        assert_eq!(models(&anna).await, ["kc_dx"]);
        let inputs = "select count(*) > 0 and min(model) = 'kc_dx' and max(model) = 'kc_dx' from ml.signature";
        assert!(anna.query_one(inputs, &[]).await.unwrap().get::<_, bool>(0));
        // The fast way to one row asks for the same right.
        let exam = "select * from gold.eye_features where exam_id = 'E' and eye = 'OD'";
        assert_eq!(code(anna.simple_query(exam).await), "no error");
        root.batch_execute("revoke select on gold.eye_features from public").await.unwrap();
        assert_eq!(code(anna.simple_query(exam).await), "42501");
        drop(stop);
        served.await.unwrap().unwrap();
    });
}
