//! A PostgreSQL server of the test's own, in a temporary folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// The password of its only user, `owner`.
pub(super) const PASSWORD: &str = "hunter2";

/// A running server; ended when dropped.
pub(super) struct Cluster {
    pub(super) port: u16,
    pub(super) folder: tempfile::TempDir,
    server: Child,
}

impl Cluster {
    /// Starts a server with TLS, whose certificate is for `localhost`; none where PostgreSQL is not installed.
    pub(super) async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "no PostgreSQL server is installed");
            eprintln!("skipped: no PostgreSQL server is installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        certificates(folder.path());
        for path in [folder.path().to_owned(), data.clone(), folder.path().join("password"), folder.path().join("server.key")] {
            own(&path);
        }
        let made = command(&programs.join("initdb"))
            .args(["--auth=scram-sha-256", "--username=owner", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", folder.path().join("password").display()))
            .arg(format!("--pgdata={}", data.display()))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let server = command(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k", &file(""), "-h", "localhost", "-c", "fsync=off", "-c", "ssl=on"])
            .args(["-c", &format!("ssl_cert_file={}", file("server.crt")), "-c", &format!("ssl_key_file={}", file("server.key"))])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self { port, folder, server };
        for _ in 0..600 {
            if cluster.client().await.is_ok() {
                return Some(cluster);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not answer");
    }

    pub(super) async fn client(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let address = format!("host=localhost port={} user=owner dbname=postgres password={PASSWORD}", self.port);
        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The URL of its database, with the password.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("postgresql://owner:{PASSWORD}@localhost:{}/postgres{rest}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The folder of the server's programs: in the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    std::env::split_paths(&path).chain(debian).find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// A program as an ordinary user: PostgreSQL does not run as root.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    #[cfg(unix)]
    if is_root() {
        use std::os::unix::process::CommandExt as _;
        command.uid(NOBODY).gid(NOBODY);
    }
    command.env("LC_ALL", "C").current_dir("/");
    command
}

const NOBODY: u32 = 65534;

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().metadata().unwrap().uid() == 0
}

fn own(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// An authority, `root.crt`, and a certificate of it for `localhost`.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    std::fs::write(folder.join("root.crt"), root.pem()).unwrap();
    std::fs::write(folder.join("server.crt"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}
