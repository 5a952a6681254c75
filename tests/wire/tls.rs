//! Encryption: certificates of the server and of clients, with PostgreSQL's own client and by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use placido::access::Access;
use placido::access::roles::{Actor, Change};
use placido::server::{Security, Tls, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_rustls::TlsConnector;

use super::login::{quick, user};
use super::{TestServer, eventually, text};

/// An authority, and a folder with what it issues.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

fn write_key(path: &Path, pem: &str) {
    std::fs::write(path, pem).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        // No two have the same name, so that what one of them has issued is not taken for another's.
        parameters.distinguished_name = named(&format!("authority of {}", folder.path().display()));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(folder.path().join("ca.crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(parameters, key) }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Issues a certificate to `name`, for the address 127.0.0.1 and the name localhost.
    fn issue(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        parameters.distinguished_name = named(name);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        let (certificate_file, key_file) = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        std::fs::write(&certificate_file, certificate).unwrap();
        write_key(&key_file, &key.serialize_pem());
        TlsFiles { certificate: certificate_file, key: key_file, client_authorities: None }
    }
}

/// A server with encryption, the user anna, and rules if any are given.
fn server(authority: &Authority, client_authorities: bool, rules: Option<&str>) -> (TestServer, Arc<Tls>) {
    let files = authority.issue("server");
    let client_authorities = client_authorities.then(|| authority.path("ca.crt"));
    let tls = Arc::new(Tls::open(TlsFiles { client_authorities, ..files }).unwrap());
    let rules = rules.map(|rules| {
        let path = authority.path("pg_hba.conf");
        std::fs::write(&path, rules).unwrap();
        path
    });
    let access = Access::open(authority.path("access.toml"), rules).unwrap();
    for name in ["anna", "bert"] {
        access.change(Actor::Everything, &[Change::Create(name.into(), user(name))]).unwrap();
    }
    let security = Security { access: Arc::new(access), tls: Some(Arc::clone(&tls)) };
    (TestServer::secured(quick(), security), tls)
}

/// What psql says; nothing where it is not installed.
fn psql(server: &TestServer, user: &str, options: &str) -> Option<Output> {
    let connection =
        format!("host=localhost hostaddr=127.0.0.1 port={} dbname=placido user={user} {options}", server.address.port());
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "-d", &connection, "-c", "select current_user", "-c", "\\conninfo"]);
    match psql.env("PGPASSWORD", user).env("PGCONNECT_TIMEOUT", "20").output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "psql: {error}");
            eprintln!("skipped: psql is not installed");
            None
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn psql_checks_the_server_and_binds_its_login() {
    let authority = Authority::new();
    let (server, _) = server(&authority, false, None);
    let root = authority.path("ca.crt");
    let full = format!("sslmode=verify-full sslrootcert={} channel_binding=require", root.display());
    let Some(output) = psql(&server, "anna", &full) else { return };
    let told = said(&output);
    assert!(
        output.status.success() && told.starts_with("anna\n") && told.contains("SSL connection (protocol: TLSv1.3"),
        "{told}"
    );
    let older = format!("{full} ssl_max_protocol_version=TLSv1.2");
    assert!(said(&psql(&server, "anna", &older).unwrap()).contains("TLSv1.2"));
    let plain = psql(&server, "anna", "sslmode=disable").unwrap();
    assert!(plain.status.success() && !said(&plain).contains("SSL connection"), "on this machine: {}", said(&plain));
    let bound = psql(&server, "anna", "sslmode=disable channel_binding=require").unwrap();
    assert!(!bound.status.success(), "nothing to bind to: {}", said(&bound));
    let other = Authority::new();
    let stranger = format!("sslmode=verify-full sslrootcert={}", other.path("ca.crt").display());
    let refused = psql(&server, "anna", &stranger).unwrap();
    assert!(!refused.status.success() && said(&refused).contains("certificate verify failed"), "{}", said(&refused));
}

#[test]
fn a_certificate_of_the_client_is_its_name() {
    let authority = Authority::new();
    let rules = "hostssl all all 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let (server, _) = server(&authority, true, Some(rules));
    let anna = authority.issue("anna");
    let with = |files: &TlsFiles| {
        let (root, certificate, key) = (authority.path("ca.crt"), &files.certificate, &files.key);
        format!("sslmode=verify-full sslrootcert={} sslcert={} sslkey={}", root.display(), certificate.display(), key.display())
    };
    let Some(output) = psql(&server, "anna", &with(&anna)) else { return };
    assert!(output.status.success() && said(&output).starts_with("anna\n"), "{}", said(&output));
    let told = said(&psql(&server, "bert", &with(&anna)).unwrap());
    assert!(told.contains("certificate authentication failed for user \"bert\""), "{told}");
    let none = psql(&server, "anna", "sslmode=require sslcert=/nowhere sslkey=/nowhere").unwrap();
    assert!(said(&none).contains("connection requires a valid client certificate"), "{}", said(&none));
    let other = Authority::new();
    let forged = other.issue("anna");
    assert!(!psql(&server, "anna", &with(&forged)).unwrap().status.success(), "issued by somebody else");
}

#[test]
fn certificates_are_replaced_while_the_server_runs() {
    let authority = Authority::new();
    let (server, tls) = server(&authority, false, None);
    server.runtime.block_on(async {
        let first = handshake(&server, &authority, &[b"postgresql"]).await.unwrap().1;
        // A half-written certificate changes nothing.
        let files =
            TlsFiles { certificate: authority.path("server.crt"), key: authority.path("server.key"), client_authorities: None };
        std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
        tls.refresh();
        assert_eq!(handshake(&server, &authority, &[b"postgresql"]).await.unwrap().1, first);
        authority.issue("server");
        // Nobody has to say so: the server looks by itself.
        for attempt in 0.. {
            if handshake(&server, &authority, &[b"postgresql"]).await.is_ok_and(|(_, certificate)| certificate != first) {
                break;
            }
            assert!(attempt < 500, "the new certificate is not shown");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn what_does_not_do_keeps_the_server_from_starting() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let open = |files: TlsFiles| Tls::open(files).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(open(one.clone()), Ok(()));
    let crossed = open(TlsFiles { key: other.key.clone(), ..one.clone() }).unwrap_err();
    assert!(crossed.contains("other.key"), "{crossed}");
    let missing = open(TlsFiles { certificate: authority.path("none.crt"), ..one.clone() }).unwrap_err();
    assert!(missing.contains("none.crt") && missing.contains("No such file"), "{missing}");
    let swapped = open(TlsFiles { certificate: one.key.clone(), ..one.clone() }).unwrap_err();
    assert!(swapped.contains("no certificate in it"), "{swapped}");
    let nonsense = authority.path("nonsense.pem");
    write_key(&nonsense, "nothing");
    assert!(open(TlsFiles { key: nonsense.clone(), ..one.clone() }).unwrap_err().contains("no key"));
    assert!(open(TlsFiles { client_authorities: Some(nonsense), ..one.clone() }).unwrap_err().contains("no certificate"));
    #[cfg(unix)]
    {
        std::fs::set_permissions(&one.key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(open(one).unwrap_err().contains("0600"));
    }
}

/// Keys in the three forms in which programs write them, made by OpenSSL.
#[test]
fn keys_are_read_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file);
    let openssl = |arguments: &str| Command::new("openssl").current_dir(folder.path()).args(arguments.split(' ')).output();
    if openssl("version").is_err() {
        assert!(std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "openssl is not installed");
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let made = |arguments: &str| {
        let output = openssl(arguments).unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", said(&output));
    };
    made("req -x509 -newkey rsa:2048 -nodes -keyout rsa8.key -out rsa.crt -days 2 -subj /CN=x");
    made("rsa -in rsa8.key -traditional -out rsa1.key");
    made("ecparam -name prime256v1 -genkey -noout -out sec1.key");
    made("req -x509 -new -key sec1.key -out ec.crt -days 2 -subj /CN=x");
    for (certificate, key, form) in [
        ("rsa.crt", "rsa8.key", "BEGIN PRIVATE KEY"),
        ("rsa.crt", "rsa1.key", "BEGIN RSA PRIVATE KEY"),
        ("ec.crt", "sec1.key", "BEGIN EC PRIVATE KEY"),
    ] {
        let text = std::fs::read_to_string(at(key)).unwrap();
        assert!(text.contains(form), "{key}");
        write_key(&at(key), &text);
        let files = TlsFiles { certificate: at(certificate), key: at(key), client_authorities: None };
        assert!(Tls::open(files).is_ok(), "{key}");
    }
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// TLS at once, without asking; returns the stream and the server's certificate.
async fn handshake(server: &TestServer, authority: &Authority, protocols: &[&[u8]]) -> std::io::Result<(Stream, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.path("ca.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(server.address).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), socket).await?;
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((stream, certificate))
}

#[test]
fn a_client_may_begin_with_tls_at_once() {
    let authority = Authority::new();
    let (server, _) = server(&authority, false, None);
    let startup = b"\0\0\0\x24\0\x03\0\0user\0anna\0database\0placido\0\0";
    server.runtime.block_on(async {
        let (mut stream, _) = handshake(&server, &authority, &[b"postgresql"]).await.unwrap();
        stream.write_all(startup).await.unwrap();
        let mut answer = vec![0; 200];
        let length = stream.read(&mut answer).await.unwrap();
        let told = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(told.starts_with('R') && told.contains("SCRAM-SHA-256-PLUS"), "{told}");
        // Without the name of the protocol it could be anybody's connection.
        let (mut stream, _) = handshake(&server, &authority, &[]).await.unwrap();
        let _ = stream.write_all(startup).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(String::from_utf8_lossy(&answer).contains("08P01"), "{answer:?}");
        assert!(handshake(&server, &authority, &[b"http/1.1"]).await.is_err());
    });
}

#[test]
fn half_handshakes_leave_the_server_up() {
    let authority = Authority::new();
    let (server, _) = server(&authority, false, None);
    let request = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    server.runtime.block_on(async {
        // What comes before the handshake could be somebody else's.
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&[&request[..], b"\0\0\0\x24\0\x03\0\0user\0anna\0database\0placido\0\0"].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert!(String::from_utf8_lossy(&answer).contains("received unencrypted data after SSL request"), "{answer:?}");
        for rest in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x00\x05hello", &[0xff; 300], b"GET / HTTP/1.1\r\n\r\n"] {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            socket.write_all(&request).await.unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'S');
            let _ = socket.write_all(rest).await;
            let _ = socket.shutdown().await;
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "{rest:?}: the connection is still open");
        }
        for _ in 0..200 {
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            socket.write_all(&request).await.unwrap();
        }
        let mut config = server.config();
        config.user("anna").password("anna");
        let mut last = None;
        for _ in 0..200 {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    last = text(&client, "select 1").await;
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        assert_eq!(last.as_deref(), Some("1"));
    });
}

/// An encrypted session cancels, is cancelled, and gets long results.
#[test]
fn statements_run_encrypted() {
    let authority = Authority::new();
    let (server, _) = server(&authority, false, None);
    let connection =
        format!("host=localhost hostaddr=127.0.0.1 port={} dbname=placido user=anna sslmode=require", server.address.port());
    let run = |command: &str| {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-A", "-t", "-d", &connection, "-c", command]).env("PGPASSWORD", "anna").output()
    };
    let Ok(output) = run("copy (select value, repeat('x', 1000) from generate_series(1, 20000) as value) to stdout") else {
        eprintln!("skipped: psql is not installed");
        return;
    };
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 20_000, "{}", said(&output).len());
    let stopped = run("set statement_timeout = '100ms'; select max(n) from silver.endless").unwrap();
    assert!(said(&stopped).contains("statement timeout"), "{}", said(&stopped));
    server
        .runtime
        .block_on(eventually("the work has stopped", || !server.endless.reading.load(std::sync::atomic::Ordering::SeqCst)));
}
