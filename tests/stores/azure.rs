//! Azure Blob Storage, against Azurite.

use object_store::azure::MicrosoftAzureBuilder;

use super::servers::{Server, environment};
use super::{answers_are_those_of_the_folder, engine, lake, small, upload};
use crate::support::run;

/// The account that Azurite has and its documentation names.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn variables(pairs: &[(&str, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[test]
fn azure_gives_the_same_answers() {
    run(async {
        let Some(server) = Server::azure() else { return };
        let endpoint = format!("http://{}/{ACCOUNT}", server.address);
        let set = |key: &str| {
            variables(&[
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", key.to_owned()),
                ("AZURE_STORAGE_ENDPOINT", endpoint.clone()),
            ])
        };
        let missing = lake("az://clinic", &environment(&set(KEY))).await.unwrap_err().to_string();
        assert!(missing.contains("there is no container clinic at 127.0.0.1:"), "{missing}");
        let wrong = lake("az://clinic", &environment(&set("d3Jvbmc="))).await.unwrap_err().to_string();
        assert!(wrong.contains("check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"), "{wrong}");

        make_container(&server).await;
        let store = MicrosoftAzureBuilder::new()
            .with_endpoint(endpoint.clone())
            .with_allow_http(true)
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_container_name("clinic")
            .build()
            .unwrap();
        upload(&store, "exports/", &small().await.data.join("lake")).await;
        let lake = lake("az://clinic/exports", &environment(&set(KEY))).await.unwrap();
        assert!(!format!("{lake:?}").contains(KEY));
        answers_are_those_of_the_folder(&engine(lake).await).await;
    });
}

/// Makes the container, with a request signed as the service wants it.
async fn make_container(server: &Server) {
    let address = server.address;
    let made = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/clinic\nrestype:container"
        );
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &engine.decode(KEY).unwrap());
        let signature = engine.encode(ring::hmac::sign(&key, signed.as_bytes()));
        let request = format!(
            "PUT /{ACCOUNT}/clinic?restype=container HTTP/1.1\r\nHost: {address}\r\nx-ms-date: {date}\r\nx-ms-version: 2021-08-06\r\n\
             Authorization: SharedKey {ACCOUNT}:{signature}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer);
        answer
    });
    let answer = made.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
