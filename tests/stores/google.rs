//! Google Cloud Storage, against fake-gcs-server.

use super::servers::{Server, environment};
use super::{answers_are_those_of_the_folder, engine, files, lake, small};
use crate::support::run;

/// Asks for `what` by the JSON interface, by which the emulator is written to.
async fn post(server: &Server, what: &str, kind: &str, body: Vec<u8>) {
    let address = server.address;
    let head = format!(
        "POST {what} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&body).unwrap();
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer);
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn encoded(name: &str) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(letter).collect()
}

#[test]
fn google_gives_the_same_answers() {
    run(async {
        let Some(server) = Server::google() else { return };
        post(&server, "/storage/v1/b", "application/json", b"{\"name\": \"clinic\"}".to_vec()).await;
        for (name, bytes) in files(&small().await.data.join("lake")) {
            let name = encoded(&format!("exports/{name}"));
            post(&server, &format!("/upload/storage/v1/b/clinic/o?uploadType=media&name={name}"), "text/csv", bytes).await;
        }
        let variables = [("STORAGE_EMULATOR_HOST".to_owned(), format!("http://{}", server.address))];
        let lake = lake("gs://clinic/exports", &environment(&variables)).await.unwrap();
        answers_are_those_of_the_folder(&engine(lake).await).await;
    });
}
