//! The program while it serves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{hospital, run};

/// A running `placido serve`; it ends when dropped.
pub(super) struct Served {
    child: Child,
    pub(super) port: u16,
    /// Kept open: what the server prints later must have somewhere to go.
    _output: BufReader<ChildStdout>,
}

impl Served {
    /// Serves the hospital's lake with a data folder and further arguments, on a port of its own.
    pub(super) fn start(data: &Path, lake: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_placido"));
        command.arg("--data").arg(data).arg("--lake").arg(lake).args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let port = first.rsplit(':').next().and_then(|port| port.trim().parse().ok());
        Self { child, port: port.expect("the server says where it is"), _output: output }
    }

    /// Memory that is in use, in MB; nothing where the operating system does not say.
    fn megabytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends bytes and reads up to the next `ReadyForQuery` of an idle session.
fn exchange(socket: &mut TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        let length = socket.read(&mut buffer).unwrap();
        assert!(length > 0, "the server has closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..length]);
    }
}

/// Sessions of a pool do nothing most of the time. The bound is that of all the memory that the server needs more for them.
#[test]
fn five_hundred_idle_sessions_take_less_than_two_hundred_megabytes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let server = Served::start(folder.path(), &hospital().await.settings.lake_folder(), &["--max-connections", "600"]);
        let Some(before) = server.megabytes() else {
            eprintln!("skipped: the operating system does not tell the memory of a process");
            return;
        };
        let mut sessions = Vec::new();
        for _ in 0..500 {
            let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            exchange(&mut socket, b"\0\0\0\x24\0\x03\0\0user\0anna\0database\0placido\0\0");
            exchange(&mut socket, b"Q\0\0\0\x0dselect 1\0");
            sessions.push(socket);
        }
        let more = server.megabytes().unwrap().saturating_sub(before);
        eprintln!("500 idle sessions: {more} MB more than {before} MB");
        assert!(more < 200, "{more} MB for 500 idle sessions");
        exchange(sessions.last_mut().unwrap(), b"Q\0\0\0\x0dselect 1\0");
    });
}
