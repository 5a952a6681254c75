//! A client that shows every message.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TestServer;

/// A message of the server: its type and its body.
pub(crate) type Answer = (char, Vec<u8>);

pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
}

impl Raw {
    /// Connects and reads up to the first `ReadyForQuery`.
    pub(crate) async fn connect(server: &TestServer) -> Self {
        Self::connect_as(server, "anna").await
    }

    pub(crate) async fn connect_as(server: &TestServer, user: &str) -> Self {
        let mut raw = Self { socket: TcpStream::connect(server.address).await.unwrap() };
        raw.start(&format!("\0\x03\0\0user\0{user}\0database\0placido\0\0")).await;
        raw
    }

    /// Connects to another server of this machine, as a user that it trusts and to the database of the user's name.
    pub(crate) async fn connect_to(port: u16, user: &str) -> Self {
        let mut raw = Self { socket: TcpStream::connect(("127.0.0.1", port)).await.unwrap() };
        raw.start(&format!("\0\x03\0\0user\0{user}\0\0")).await;
        raw
    }

    async fn start(&mut self, body: &str) {
        self.socket.write_all(&(body.len() as u32 + 4).to_be_bytes()).await.unwrap();
        self.socket.write_all(body.as_bytes()).await.unwrap();
        self.until_ready().await;
    }

    pub(crate) async fn send(&mut self, kind: u8, body: &[u8]) {
        let mut message = vec![kind];
        message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        message.extend_from_slice(body);
        self.socket.write_all(&message).await.unwrap();
    }

    /// Sends a simple query.
    pub(crate) async fn query(&mut self, sql: &str) {
        self.send(b'Q', format!("{sql}\0").as_bytes()).await;
    }

    /// The answer to a simple query.
    pub(crate) async fn ask(&mut self, sql: &str) -> Vec<Answer> {
        self.query(sql).await;
        self.until_ready().await
    }

    /// `Parse` without types.
    pub(crate) async fn parse(&mut self, name: &str, sql: &str) {
        self.send(b'P', format!("{name}\0{sql}\0\0\0").as_bytes()).await;
    }

    /// `Bind` of text parameters, for results in one format.
    pub(crate) async fn bind(&mut self, portal: &str, statement: &str, values: &[&str], format: u8) {
        let mut body = format!("{portal}\0{statement}\0\0\0").into_bytes();
        body.extend_from_slice(&(values.len() as u16).to_be_bytes());
        for value in values {
            body.extend_from_slice(&(value.len() as u32).to_be_bytes());
            body.extend_from_slice(value.as_bytes());
        }
        body.extend_from_slice(&[0, 1, 0, format]);
        self.send(b'B', &body).await;
    }

    /// `Describe` or `Close`.
    pub(crate) async fn of(&mut self, kind: u8, target: char, name: &str) {
        self.send(kind, format!("{target}{name}\0").as_bytes()).await;
    }

    pub(crate) async fn execute(&mut self, portal: &str, rows: u32) {
        let mut body = format!("{portal}\0").into_bytes();
        body.extend_from_slice(&rows.to_be_bytes());
        self.send(b'E', &body).await;
    }

    /// `Sync`, and the answers up to it.
    pub(crate) async fn sync(&mut self) -> Vec<Answer> {
        self.send(b'S', b"").await;
        self.until_ready().await
    }

    /// The next message of the server.
    pub(crate) async fn next(&mut self) -> Answer {
        let kind = char::from(self.socket.read_u8().await.unwrap());
        let mut body = vec![0; self.socket.read_u32().await.unwrap() as usize - 4];
        self.socket.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    /// All messages up to the next `ReadyForQuery`.
    pub(crate) async fn until_ready(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            answers.push(self.next().await);
            if answers.last().is_some_and(|(kind, _)| *kind == 'Z') {
                return answers;
            }
        }
    }
}

/// The types of messages, as one word.
pub(crate) fn kinds(answers: &[Answer]) -> String {
    answers.iter().map(|(kind, _)| *kind).collect()
}

/// The bodies of all messages of one type, one after the other.
pub(crate) fn bodies(answers: &[Answer], wanted: char) -> Vec<u8> {
    answers.iter().filter(|(kind, _)| *kind == wanted).flat_map(|(_, body)| body.clone()).collect()
}

/// The command tags.
pub(crate) fn tags(answers: &[Answer]) -> Vec<String> {
    let tag = |body: &[u8]| String::from_utf8(body.strip_suffix(b"\0").unwrap_or(body).to_vec()).unwrap();
    answers.iter().filter(|(kind, _)| *kind == 'C').map(|(_, body)| tag(body)).collect()
}

/// The rows of text columns, the values of each joined by `|`.
pub(crate) fn rows(answers: &[Answer]) -> Vec<String> {
    let row = |body: &[u8]| {
        let (mut at, mut values) = (2, Vec::new());
        while at < body.len() {
            let length = i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
            at += 4;
            let end = at + usize::try_from(length).unwrap_or(0);
            values.push(if length < 0 { "NULL".to_owned() } else { String::from_utf8_lossy(&body[at..end]).into_owned() });
            at = end;
        }
        values.join("|")
    };
    answers.iter().filter(|(kind, _)| *kind == 'D').map(|(_, body)| row(body)).collect()
}

/// The SQLSTATE of the first error.
pub(crate) fn sqlstate(answers: &[Answer]) -> Option<String> {
    let (_, body) = answers.iter().find(|(kind, _)| *kind == 'E')?;
    body.split(|byte| *byte == 0).find_map(|field| {
        let field = std::str::from_utf8(field).unwrap();
        field.strip_prefix('C').map(str::to_owned)
    })
}
