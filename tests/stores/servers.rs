//! Servers of object stores, each a process of its own that ends with its test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use placido_catalog::store::Environment;

/// A server that answers, and what its clients find in their environment.
pub(crate) struct Server {
    process: Child,
    /// Where it keeps what it is given; gone when it is.
    _folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where `tests/clients/install` puts servers that no package of the system has, or where the path leads.
fn program(name: &str, below: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let own = cache.map(|cache| cache.join("placido/clients").join(below));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = own.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "{name} is not installed");
    if found.is_none() {
        eprintln!("skipped: {name} is not installed; tests/clients/install does that");
    }
    found
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    fn start(program: PathBuf, arguments: impl Fn(u16, &str) -> Vec<String>, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new(&program)
            .args(arguments(port, &folder.path().to_string_lossy()))
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, _folder: folder, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let began = Instant::now();
        while TcpStream::connect(server.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(120), "{} does not answer", program.display());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// moto, a server of S3. After `unchecked` requests it tests keys and rights.
    pub(crate) fn s3(unchecked: Option<usize>) -> Option<Self> {
        let program = program("moto_server", "moto/bin")?;
        let count = unchecked.map(|count| count.to_string());
        let variables: Vec<(&str, &str)> = count.iter().map(|count| ("INITIAL_NO_AUTH_ACTION_COUNT", count.as_str())).collect();
        let arguments = |port: u16, _: &str| ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec();
        Some(Self::start(program, arguments, &variables))
    }

    /// fake-gcs-server, an emulator of Google Cloud Storage that answers the XML interface, too.
    pub(crate) fn google() -> Option<Self> {
        let program = program("fake-gcs-server", "gcs/bin")?;
        let arguments = |port: u16, _: &str| {
            let (port, public) = (port.to_string(), format!("127.0.0.1:{port}"));
            let options =
                ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", &port, "-public-host", &public];
            options.map(str::to_owned).to_vec()
        };
        Some(Self::start(program, arguments, &[]))
    }

    /// Azurite, the emulator of Azure Blob Storage.
    pub(crate) fn azure() -> Option<Self> {
        let program = program("azurite-blob", "node/node_modules/.bin")?;
        let arguments = |port: u16, folder: &str| {
            let port = port.to_string();
            [
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                &port,
                "-l",
                folder,
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ]
            .map(str::to_owned)
            .to_vec()
        };
        Some(Self::start(program, arguments, &[]))
    }
}

/// The environment of a client of S3 at `address`.
pub(crate) fn s3_variables(address: SocketAddr) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// What must be seen nowhere.
pub(crate) const SECRET: &str = "QXZSECRETKEYQXZ";

pub(crate) fn environment(variables: &[(String, String)]) -> Environment {
    variables.iter().cloned().collect()
}

/// Passes connections on to `to`, each answer after a while, and counts the requests that wait for one at the same time.
pub(crate) struct Slow {
    pub(crate) address: SocketAddr,
    most: Arc<AtomicU64>,
}

impl Slow {
    pub(crate) fn before(to: SocketAddr, wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slow = Self { address: listener.local_addr().unwrap(), most: Arc::default() };
        let (most, waiting) = (Arc::clone(&slow.most), Arc::new(AtomicU64::new(0)));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { continue };
                let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                // Of a connection, one request at a time is open.
                let open = Arc::new(AtomicBool::new(false));
                let (asked, most, waits) = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&waiting));
                std::thread::spawn(move || {
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer) {
                        if !asked.swap(true, Ordering::SeqCst) {
                            most.fetch_max(waits.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        }
                        if to_server.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to_server.shutdown(std::net::Shutdown::Both);
                });
                let (waits, mut from_server, mut to_client) = (Arc::clone(&waiting), server, client);
                std::thread::spawn(move || {
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer) {
                        if open.load(Ordering::SeqCst) {
                            std::thread::sleep(wait);
                            open.store(false, Ordering::SeqCst);
                            waits.fetch_sub(1, Ordering::SeqCst);
                        }
                        if to_client.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to_client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        slow
    }

    /// The most requests that were open together since the last call.
    pub(crate) fn most(&self) -> u64 {
        self.most.swap(0, Ordering::SeqCst)
    }
}

/// Passes connections on to `to` and counts the bytes that come back.
pub(crate) struct Counted {
    pub(crate) address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub(crate) fn before(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let counted = Self { address: listener.local_addr().unwrap(), bytes: Arc::default() };
        let bytes = Arc::clone(&counted.bytes);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(to)) else { continue };
                let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from_client, to_server, &AtomicU64::new(0)));
                let bytes = Arc::clone(&bytes);
                std::thread::spawn(move || pass(server, client, &bytes));
            }
        });
        counted
    }

    /// The bytes that came back since the last call.
    pub(crate) fn taken(&self) -> u64 {
        self.bytes.swap(0, Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        // Counted before they are passed on: who has them may ask for the count.
        bytes.fetch_add(read as u64, Ordering::SeqCst);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
