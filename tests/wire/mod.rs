//! The wire: real clients against a server in this process, over sessions in memory.

mod access;
mod beside;
mod catalog_shapes;
mod copy;
mod cursors;
mod engine_scripts;
mod errors;
mod hostile;
mod limits;
mod login;
mod owners;
mod prepared;
mod psql;
mod raw;
mod scratch;
mod sessions;
mod statements;
mod tls;
mod types;
mod values;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{LogicalPlanBuilder, col};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use placido::server::scratch::Scratch;
use placido::server::{Limits, Security, Sessions, TableDescription, serve_secured};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_postgres::NoTls;

/// Sessions over three eyes in memory.
struct Clinic {
    catalog: Arc<MemoryCatalogProvider>,
    scratch: Option<Arc<Scratch>>,
    runtime: Arc<RuntimeEnv>,
}

impl Sessions for Clinic {
    #[expect(clippy::disallowed_methods, reason = "the wire is tested without the engine")]
    fn open(&self) -> datafusion::error::Result<SessionContext> {
        let config = SessionConfig::new()
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema("placido", "gold")
            .with_information_schema(true)
            .with_target_partitions(2);
        let builder =
            SessionStateBuilder::new().with_config(config).with_runtime_env(Arc::clone(&self.runtime)).with_default_features();
        let session = SessionContext::new_with_state(placido::runtime::install(builder).build());
        session.register_catalog("placido", self.catalog.clone());
        Ok(session)
    }

    fn describe(&self, schema: &str, table: &str) -> Option<TableDescription> {
        ((schema, table) == ("gold", "eye_features")).then(|| TableDescription {
            summary: "Features of an eye, one row an exam.".into(),
            is_view: true,
            definition: Some("select * from silver.eyes".into()),
            columns: HashMap::from([("k_max_d".into(), "steepest curvature, [diop]".into())]),
        })
    }

    fn scratch(&self) -> Option<Arc<Scratch>> {
        self.scratch.clone()
    }

    fn schema_comment(&self, schema: &str) -> Option<String> {
        (schema == "gold").then(|| "features for models".into())
    }
}

/// An endless table that knows how much of it was read, and whether anybody still reads.
#[derive(Debug, Default)]
pub(crate) struct Endless {
    pub(crate) batches: Arc<AtomicUsize>,
    pub(crate) reading: Arc<AtomicBool>,
}

struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl PartitionStream for Endless {
    fn schema(&self) -> &SchemaRef {
        static SCHEMA: std::sync::LazyLock<SchemaRef> =
            std::sync::LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)])));
        &SCHEMA
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.reading.store(true, Ordering::SeqCst);
        let reading = Reading(Arc::clone(&self.reading));
        let (batches, schema) = (Arc::clone(&self.batches), Arc::clone(PartitionStream::schema(self)));
        let stream = futures::stream::repeat_with(move || {
            let _reading = &reading;
            let first = batches.fetch_add(1, Ordering::SeqCst) as i64 * 1024;
            let column: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + 1024));
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![column])?)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(PartitionStream::schema(self)), stream))
    }
}

fn eyes() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("exam_id", Arc::new(StringArray::from(vec!["E1", "E2", "E3"])), false),
        ("eye", Arc::new(StringArray::from(vec!["OD", "OS", "OD"])), false),
        ("k_max_d", Arc::new(Float64Array::from(vec![Some(43.0), Some(58.25), None])), true),
        ("visit", Arc::new(Int64Array::from(vec![1, 1, 2])), true),
        (
            "examined_at",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_704_164_645_120_000), None, Some(0)]).with_timezone("UTC")),
            true,
        ),
    ];
    let fields =
        columns.iter().map(|(name, array, null)| Field::new(*name, array.data_type().clone(), *null)).collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array, _)| array).collect()).unwrap()
}

fn patients() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("patient_id", Arc::new(StringArray::from(vec!["P1", "P2"]))),
        ("name", Arc::new(StringArray::from(vec!["Ada", "Bo"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn raw_table(raw: &MemorySchemaProvider) -> Arc<dyn datafusion::catalog::TableProvider> {
    futures::FutureExt::now_or_never(raw.table("patients")).unwrap().unwrap().unwrap()
}

/// A running server; it ends when dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) endless: Endless,
    pub(crate) runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::over(limits, None)
    }

    pub(crate) fn secured(limits: Limits, security: Security) -> Self {
        Self::made(limits, security, None, Arc::new(RuntimeEnv::default()))
    }

    /// A server whose statements may use only so many bytes.
    pub(crate) fn with_memory(bytes: usize, limits: Limits) -> Self {
        let pool = Arc::new(FairSpillPool::new(bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
        Self::made(limits, Security::local().unwrap(), None, runtime)
    }

    pub(crate) fn over(limits: Limits, scratch: Option<Arc<Scratch>>) -> Self {
        Self::made(limits, Security::local().unwrap(), scratch, Arc::new(RuntimeEnv::default()))
    }

    fn made(limits: Limits, security: Security, scratch: Option<Arc<Scratch>>, env: Arc<RuntimeEnv>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(placido::runtime::STACK_BYTES)
            .enable_all()
            .build()
            .unwrap();
        let endless = Endless::default();
        let catalog = Arc::new(MemoryCatalogProvider::new());
        let (gold, silver) = (Arc::new(MemorySchemaProvider::new()), Arc::new(MemorySchemaProvider::new()));
        let table = || Arc::new(MemTable::try_new(eyes().schema(), vec![vec![eyes()]]).unwrap());
        gold.register_table("eye_features".into(), table()).unwrap();
        silver.register_table("eyes".into(), table()).unwrap();
        let shared = Arc::new(Endless { batches: Arc::clone(&endless.batches), reading: Arc::clone(&endless.reading) });
        let stream = StreamingTable::try_new(Arc::clone(PartitionStream::schema(shared.as_ref())), vec![shared]).unwrap();
        silver.register_table("endless".into(), Arc::new(stream)).unwrap();
        // Patients' names, and a view that leaves them out.
        let raw = Arc::new(MemorySchemaProvider::new());
        raw.register_table("patients".into(), Arc::new(MemTable::try_new(patients().schema(), vec![vec![patients()]]).unwrap()))
            .unwrap();
        let scan = LogicalPlanBuilder::scan("raw.patients", provider_as_source(raw_table(&raw)), None).unwrap();
        let plan = scan.project(vec![col("patient_id")]).unwrap().build().unwrap();
        gold.register_table("patient_keys".into(), Arc::new(ViewTable::new(plan, None))).unwrap();
        catalog.register_schema("raw", raw).unwrap();
        catalog.register_schema("gold", gold).unwrap();
        catalog.register_schema("silver", silver).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let clinic = Arc::new(Clinic { catalog, scratch, runtime: env });
        let ended = runtime.spawn(serve_secured(listener, clinic, limits, security, async move {
            let _ = stopped.await;
        }));
        Self { address, endless, runtime, stop: Some(stop), ended: Some(ended) }
    }

    /// Asks the server to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take();
    }

    pub(crate) fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.address.port()).user("anna").dbname("placido");
        config
    }

    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = self.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs a test with one client.
    pub(crate) fn run<F: Future<Output = ()>>(&self, test: impl FnOnce(tokio_postgres::Client) -> F) {
        self.runtime.block_on(async { test(self.client().await).await });
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The texts of the rows of a simple query.
pub(crate) async fn texts(client: &tokio_postgres::Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    messages
        .iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        })
        .collect()
}

/// The only value of a simple query, as text.
pub(crate) async fn text(client: &tokio_postgres::Client, sql: &str) -> Option<String> {
    texts(client, sql).await.remove(0).remove(0)
}

/// The SQLSTATE with which a statement fails.
pub(crate) fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| format!("no SQLSTATE: {error:?}"), |code| code.code().to_owned())
}

/// Waits until something becomes true; a test that hangs here has failed.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never happened: {what}");
}
