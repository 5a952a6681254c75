//! What the tests share: a small simulated hospital, opened once.

pub(crate) mod postgres;

use std::path::PathBuf;
use std::sync::Arc;

use placido::engine::{Engine, Opening};
use placido::settings::Settings;
use placido_catalog::catalog::Refresh;
use placido_catalog::synthetic::{Hospital, generate};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Patients of the tests' hospital: enough for all diagnoses, few enough to be made in seconds.
pub(crate) const PATIENTS: usize = 24;
pub(crate) const SEED: u64 = 11;

/// A hospital on disk and the engine over it.
pub(crate) struct Fixture {
    pub(crate) settings: Settings,
    pub(crate) engine: Arc<Engine>,
}

static FIXTURE: OnceCell<Fixture> = OnceCell::const_new();

/// The hospital, generated and refreshed at the first call.
pub(crate) async fn hospital() -> &'static Fixture {
    FIXTURE
        .get_or_init(|| async {
            // In the target folder, where the next run writes over it: nothing runs at the end of a test process.
            let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hospital");
            let _ = std::fs::remove_dir_all(&data);
            generate(&data, &Hospital { patients: PATIENTS, seed: SEED }, &|_| {}).unwrap();
            let settings = settings(data);
            let engine = Engine::open(&settings, Opening { refresh: Refresh::Stale, write: true }, &|_| {}).await.unwrap();
            Fixture { settings, engine: Arc::new(engine) }
        })
        .await
}

/// Settings over a data folder, as the command line would have them.
pub(crate) fn settings(data: PathBuf) -> Settings {
    Settings {
        data,
        lake: None,
        settle_ms: 0,
        list_every_ms: 0,
        sql: None,
        models: None,
        onnxruntime: None,
        memory_mib: 2048,
        cores: Some(2),
    }
}

/// Runs a test on the runtime that the program itself uses.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(test)
}

/// The runtime of the tests, which is that of the program.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| placido::runtime::start().unwrap())
}

/// The folder of real exports, if it is beside the project.
pub(crate) fn real_data(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/realdata").join(folder);
    if path.is_dir() {
        Some(path)
    } else {
        eprintln!("skipped: there is no folder of real exports beside the project");
        None
    }
}
