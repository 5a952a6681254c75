//! A real PostgreSQL with a cluster of its own, where one is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A running server; it is stopped with the test process's last reference to it.
pub(crate) struct Server {
    pub(crate) port: u16,
    programs: PathBuf,
    folder: tempfile::TempDir,
    child: std::process::Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let _ = as_postgres(&self.programs.join("pg_ctl")).arg("-D").arg(data).args(["-m", "immediate", "stop"]).output();
        let _ = self.child.wait();
    }
}

/// Starts a server, or says why the test is skipped. Where clients are required, as in CI, an absent one is fatal.
pub(crate) fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        assert!(
            std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"),
            "PostgreSQL's server is not installed (Debian: postgresql)"
        );
        eprintln!("skipped: PostgreSQL's server is not installed (Debian: postgresql)");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    if is_root() {
        // The server refuses to be run by root; Debian's package makes the user.
        let owner = Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap();
        assert!(owner.success(), "the user postgres does not exist");
    }
    let data = folder.path().join("data");
    let made = as_postgres(&programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C", "--no-sync"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let socket = format!("unix_socket_directories={}", folder.path().display());
    let child = as_postgres(&programs.join("postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", &socket])
        .args(["-c", "fsync=off", "-c", "timezone=UTC", "-c", "log_timezone=UTC"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { port, programs, folder, child };
    for _ in 0..600 {
        let ready = Command::new(server.programs.join("pg_isready")).args(["-h", "127.0.0.1", "-p", &port.to_string()]).output();
        if ready.is_ok_and(|ready| ready.status.success()) {
            return Some(server);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("PostgreSQL did not come up");
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0"))
}

fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Where the programs of the newest version are: Debian keeps them off the path.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}
