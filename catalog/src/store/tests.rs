#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! What is told of a store that does not do, by a server that answers as the makers' do. Real servers are asked in the tests of
//! the program.

use std::path::Path as FsPath;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "QXZSECRETKEYQXZ";

/// Serves `answer`, which is told the request and how many came before, and returns the address.
async fn serve(answer: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if socket.read(&mut byte).await.unwrap_or(0) == 0 {
                        return;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let (status, body) = answer(&request, count.fetch_add(1, Ordering::SeqCst));
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nContent-Type: application/xml\r\nConnection: close\r\n\
                     Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nETag: \"x\"\r\n\r\n",
                    body.len()
                );
                let body = if request.starts_with("HEAD") { String::new() } else { body };
                let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    address
}

fn environment(endpoint: &str, more: &[(&str, &str)]) -> Environment {
    let usual = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("HOME", "/nowhere"),
    ];
    let more = more.iter().filter(|(_, value)| !value.is_empty());
    let usual = usual.iter().filter(|(name, _)| !more.clone().any(|(other, _)| other == name));
    usual.chain(more.clone()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn bucket(text: &str) -> Bucket {
    match Location::parse(FsPath::new(text)).unwrap() {
        Location::Bucket(bucket) => bucket,
        Location::Folder(_) => panic!("a folder"),
    }
}

async fn told(bucket_name: &str, environment: &Environment) -> String {
    let error = bucket(bucket_name).open(environment).await.map(|_| ()).unwrap_err();
    let told = error.to_string();
    assert!(!told.contains(SECRET) && !format!("{error:?}{environment:?}").contains(SECRET), "{told}");
    assert!(!told.contains('<') && told.starts_with("can't open the lake: "), "{told}");
    told
}

fn listing(keys: &[(&str, usize)], next: Option<&str>) -> String {
    let object = |(key, size): &(&str, usize)| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2024-01-02T03:04:05.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>{size}</Size></Contents>"
        )
    };
    let next = next.map(|token| format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"));
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name>{}{}</ListBucketResult>",
        next.unwrap_or_default(),
        keys.iter().map(object).collect::<String>()
    )
}

/// The texts of the errors are those of Amazon's documentation ("Error responses" of the S3 API).
#[tokio::test]
async fn what_a_store_refuses_is_told_with_what_to_do() {
    let cases = [
        (404, "NoSuchBucket", "", "there is no bucket exports at 127.0.0.1:"),
        (
            403,
            "AccessDenied",
            "",
            "access to exports is denied; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which must be allowed to list it (s3:ListBucket)",
        ),
        (403, "InvalidAccessKeyId", "<AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId>", "check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "<StringToSign>QXZSECRETKEYQXZ</StringToSign>", "does not accept the key"),
        (400, "ExpiredToken", "", "the session token is no longer valid"),
        (403, "RequestTimeTooSkewed", "", "the clock of this machine is wrong"),
        (
            400,
            "AuthorizationHeaderMalformed",
            "<Region>eu-west-3</Region>",
            "in another region; set AWS_REGION, such as eu-west-3",
        ),
        (301, "PermanentRedirect", "", "in another region; set AWS_REGION"),
        (400, "SomethingNew", "", "did not understand the request"),
        (200, "NoListing", "", "did not answer as such a store does"),
    ];
    for (status, code, more, expected) in cases {
        let address = serve(move |_, _| {
            (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{SECRET}</Message>{more}</Error>"))
        })
        .await;
        // A listing of nothing is what an answer without a listing looks like.
        let address = if code == "NoListing" { serve(|_, _| (200, SECRET.to_owned())).await } else { address };
        let told = told("s3://exports/x", &environment(&address, &[])).await;
        assert!(told.contains(expected), "{code}: {told}");
    }
}

#[tokio::test]
async fn what_is_missing_on_this_side_is_told() {
    let closed = "http://127.0.0.1:9";
    let without: Environment = [("AWS_ENDPOINT_URL", closed), ("AWS_METADATA_ENDPOINT", closed)]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into_iter()
        .collect();
    let told_without = told("s3://exports", &without).await;
    assert!(told_without.contains("no key was found; set AWS_ACCESS_KEY_ID"), "{told_without}");
    let half: Environment = [("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned())].into_iter().collect();
    assert!(told("s3://exports", &half).await.contains("half of the key is missing"));
    let unreachable = told("s3://exports", &environment(closed, &[])).await;
    assert!(unreachable.contains("127.0.0.1:9 can't be reached"), "{unreachable}");
    let with_key = environment(&format!("http://user:{SECRET}@127.0.0.1:9"), &[]);
    assert!(told("s3://exports", &with_key).await.contains("127.0.0.1:9"));
    let unset = environment(closed, &[("AWS_ALLOW_HTTP", "false")]);
    assert!(told("s3://exports", &unset).await.contains("http"), "{}", told("s3://exports", &unset).await);

    let azure = |more: &[(&str, &str)]| more.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Environment>();
    assert!(told("az://exports", &azure(&[])).await.contains("AZURE_STORAGE_ACCOUNT_NAME"));
    let bad = azure(&[("AZURE_STORAGE_ACCOUNT_NAME", "clinic"), ("AZURE_STORAGE_ACCOUNT_KEY", "QXZSECRETKEYQXZ!")]);
    assert!(told("az://exports", &bad).await.contains("can't be read"), "{}", told("az://exports", &bad).await);
    let google = azure(&[("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"private_key\": \"QXZSECRETKEYQXZ\"}")]);
    assert!(told("gs://exports", &google).await.contains("GOOGLE_APPLICATION_CREDENTIALS"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    // Connections are made and nobody reads them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let environment = environment(&format!("http://{}", listener.local_addr().unwrap()), &[]);
    let error = bucket("s3://exports").open_within(&environment, Duration::from_millis(300)).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("gave no answer"), "{error}");
}

#[tokio::test]
async fn errors_that_pass_are_tried_again() {
    let address = serve(|_, before| match before {
        0 => (500, "<Error><Code>InternalError</Code></Error>".to_owned()),
        1 => (503, "<Error><Code>SlowDown</Code></Error>".to_owned()),
        _ => (200, listing(&[("x/a.csv", 3)], None)),
    })
    .await;
    let store = bucket("s3://exports/x").open(&environment(&address, &[])).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed[0].location, Path::from("a.csv"));
    assert_eq!(format!("{store:?} {store}"), "s3://exports/x s3://exports/x");
    let always = serve(|_, _| (503, "<Error><Code>SlowDown</Code></Error>".to_owned())).await;
    let told = told("s3://exports", &environment(&always, &[])).await;
    assert!(told.contains("answered with errors, also when it was asked again"), "{told}");
}

/// Half a listing is no lake: the files of the other half would seem to be deleted.
#[tokio::test]
async fn a_listing_that_ends_midway_is_an_error() {
    let address = serve(|request, before| match before {
        0 | 1 if !request.contains("continuation-token=more") => (200, listing(&[("a.csv", 3)], Some("more"))),
        _ => (403, "<Error><Code>AccessDenied</Code></Error>".to_owned()),
    })
    .await;
    let store = bucket("s3://exports").open(&environment(&address, &[])).await.unwrap();
    let error = store.list(None).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(listing_failure(&error), "its files can't be listed: no permission to list it");
    let bad =
        serve(|_, before| (200, if before == 0 { listing(&[], None) } else { listing(&[("QXZNAME//a.csv", 3)], None) })).await;
    let store = bucket("s3://exports").open(&environment(&bad, &[])).await.unwrap();
    let told = listing_failure(&store.list(None).try_collect::<Vec<_>>().await.unwrap_err());
    assert!(told.contains("a//b") && !told.contains("QXZNAME"), "{told}");
}

#[tokio::test]
async fn marks_of_folders_are_no_files() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let address = serve(move |request, _| {
        log.lock().unwrap().push(request.split("HTTP").next().unwrap_or_default().trim().to_owned());
        match request {
            _ if request.starts_with("HEAD /exports/x/empty.csv ") => (200, String::new()),
            _ if request.starts_with("HEAD") => (404, String::new()),
            _ => (200, listing(&[("x/", 0), ("x/2024/", 0), ("x/2024/a.csv", 7), ("x/empty.csv", 0)], None)),
        }
    })
    .await;
    let store = bucket("s3://exports/x/").open(&environment(&address, &[])).await.unwrap();
    let mut listed: Vec<_> = store.list(None).try_collect::<Vec<_>>().await.unwrap();
    listed.sort_by(|a, b| a.location.cmp(&b.location));
    let names: Vec<_> = listed.iter().map(|meta| meta.location.as_ref()).collect();
    assert_eq!(names, ["2024/a.csv", "empty.csv"], "{:?}", asked.lock().unwrap());
}

/// What is asked; the answers are those of Google's documentation.
#[tokio::test]
async fn google_is_asked_as_it_wants_to_be() {
    let address = serve(|request, _| match request {
        _ if request.starts_with("GET /exports?") && request.contains("list-type=2") && request.contains("prefix=x%2F") => {
            (200, listing(&[("x/a.csv", 3)], None))
        }
        _ if request.starts_with("GET /exports/x%2Fa%2Ecsv ") => (200, "abc".to_owned()),
        _ => (404, "<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>".to_owned()),
    })
    .await;
    let environment: Environment = [("STORAGE_EMULATOR_HOST".to_owned(), address)].into_iter().collect();
    let store = bucket("gs://exports/x").open(&environment).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed[0].location, Path::from("a.csv"));
    assert_eq!(store.get(&listed[0].location).await.unwrap().bytes().await.unwrap(), "abc");
    let missing = told("gs://others", &environment).await;
    assert!(missing.contains("there is no bucket others at 127.0.0.1:"), "{missing}");
}
