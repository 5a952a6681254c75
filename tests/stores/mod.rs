//! Lakes in buckets and in archives: real servers, real archives, and the answers that the same files give in a folder.

mod archives;
mod azure;
mod google;
mod s3;
mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;
use placido_catalog::identity::IdentityKey;
use placido_catalog::lake::{Lake, Pace};
use placido_catalog::store::{Environment, Location};
use placido_catalog::synthetic::{Hospital, generate};
use tokio::sync::OnceCell;

use crate::support::settings;

/// A small hospital, whose files are put where the tests want them, and the engine over its folder.
struct Small {
    data: PathBuf,
    engine: Engine,
}

static SMALL: OnceCell<Small> = OnceCell::const_new();

async fn small() -> &'static Small {
    SMALL
        .get_or_init(|| async {
            let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stores");
            let _ = std::fs::remove_dir_all(&data);
            generate(&data, &Hospital { patients: 3, seed: 5 }, &|_| {}).unwrap();
            let settings = settings(data.clone());
            IdentityKey::load_or_create(&settings.identity_file()).unwrap();
            let engine = Engine::open(&settings, Opening { refresh: Refresh::Never, write: false }, &|_| {}).await.unwrap();
            Small { data, engine }
        })
        .await
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

async fn upload(store: &dyn ObjectStore, prefix: &str, folder: &Path) {
    for (name, bytes) in files(folder) {
        store.put(&Key::parse(format!("{prefix}{name}")).unwrap(), bytes.into()).await.unwrap();
    }
}

/// The lake at an address, under the small hospital's key.
async fn lake(address: &str, environment: &Environment) -> placido_catalog::Result<Arc<Lake>> {
    let identity = IdentityKey::load_or_create(&small().await.data.join("identity.key")).unwrap();
    let location = Location::parse(Path::new(address))?;
    Ok(Arc::new(Lake::at(&location, environment, identity, Pace::default()).await?))
}

async fn engine(lake: Arc<Lake>) -> Engine {
    let settings: Settings = settings("absent".into());
    Engine::over(&settings, Some(lake), None, Refresh::Never, &|_| {}).await.unwrap()
}

/// The rows of a query as text, in the order of the text.
async fn rows(engine: &Engine, sql: &str) -> Vec<Vec<String>> {
    let batches = engine.session().sql(sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect());
        }
    }
    rows.sort();
    rows
}

/// Queries whose answers depend on every file and on nothing but the files.
async fn questions() -> Vec<String> {
    let names = small().await.engine.catalog().names();
    let layers =
        ["bronze", "silver", "gold"].iter().flat_map(|schema| names[*schema].iter().map(move |view| format!("{schema}.{view}")));
    let mut questions: Vec<String> = layers.map(|view| format!("select * from {view}")).collect();
    assert!(questions.len() > 10);
    questions.push("select * from system.issues".to_owned());
    questions.push("select file_id, path from raw.files".to_owned());
    questions.push("select file_id, extension, size_bytes, sha256, device, status, issue, reason from system.files".to_owned());
    questions
}

/// The same files give the same answers, wherever they are: keys of files included.
async fn answers_are_those_of_the_folder(other: &Engine) {
    for question in questions().await {
        let expected = rows(&small().await.engine, &question).await;
        let found = rows(other, &question).await;
        assert_eq!(found.len(), expected.len(), "{question}");
        assert!(found == expected, "{question} differs");
    }
}
