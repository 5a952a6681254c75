//! Views that are kept: their rows as Parquet in the warehouse, and when they must be made again.
//!
//! A kept view is valid for one fingerprint: the lake's files, its own query, the queries below it, and the version of placido.
//! Rows are written first, a small `current.json` that names them last, so that a refresh that was cut off leaves the old rows. Where
//! the rows of an exam are made of that exam's files alone, those of other exams are taken over.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::provider_as_source;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::prelude::{DataFrame, SessionContext, col, lit};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use parquet::arrow::AsyncArrowWriter;

use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::kept::KeptTable;
use crate::lake::{Lake, Pinned, Snapshot};
use crate::layers::{Materialize, View};
use crate::sources::Sources;

/// Rows of a row group: small, so that a lookup by key reads little.
const ROW_GROUP_ROWS: usize = 1024;

/// How long a statement may read rows after others took their place.
const READ_FOR: Duration = Duration::from_secs(600);

/// The folder in which kept views live.
#[derive(Debug, Clone)]
pub struct Warehouse {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

/// What `current.json` says about a kept view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// For which lake, queries and version the rows are valid.
    pub fingerprint: String,
    /// For which queries and version alone.
    #[serde(default)]
    pub queries: String,
    /// The folder of the rows, below the view's.
    pub folder: String,
    /// How many rows.
    pub rows: u64,
    /// When they were made, in microseconds since 1970 UTC.
    pub made_at_us: i64,
}

impl Warehouse {
    /// The warehouse in a local folder, which is made if need be.
    ///
    /// # Errors
    /// When the folder can't be made or opened.
    pub fn open(folder: &FsPath) -> Result<Self> {
        let io = |source| Error::Io { path: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let store = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
        Ok(Self { store, folder: folder.to_owned() })
    }

    /// The folder, for messages.
    pub fn folder(&self) -> &FsPath {
        &self.folder
    }

    /// The address under which the warehouse's store is registered with the engine.
    ///
    /// # Errors
    /// Never in practice: the address is a constant.
    pub fn url() -> Result<ObjectStoreUrl> {
        Ok(ObjectStoreUrl::parse("warehouse://kept")?)
    }

    /// The store of the kept rows.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The fingerprint that rows of `view` made now would have.
    pub fn fingerprint(view: &View, lake_fingerprint: &str) -> String {
        digest(&[lake_fingerprint, &Self::queries(view)])
    }

    /// The part of the fingerprint that does not depend on the lake.
    fn queries(view: &View) -> String {
        digest(&[&view.fingerprint, env!("CARGO_PKG_VERSION"), env!("PLACIDO_READERS")])
    }

    /// What is kept of `view`, if anything readable is.
    pub async fn published(&self, view: &View) -> Option<Published> {
        let found = self.store.get(&current(view)).await.ok()?;
        serde_json::from_slice(&found.bytes().await.ok()?).ok()
    }

    /// Keeps `rows` of `view` and publishes them under `fingerprint`. `sources` are the files that they were made of.
    async fn keep(&self, view: &View, fingerprint: &str, rows: DataFrame, sources: &Sources) -> Result<Published> {
        let order = view.grain.iter().map(|column| col(format!("\"{column}\"")).sort(true, false)).collect();
        let mut stream = rows.sort(order)?.execute_stream().await?;
        let published = Published {
            fingerprint: fingerprint.to_owned(),
            queries: Self::queries(view),
            folder: fingerprint.chars().take(16).collect(),
            rows: 0,
            made_at_us: Utc::now().timestamp_micros(),
        };
        let target = part(view, &published);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let output = BufWriter::new(Arc::clone(&self.store), target);
        let schema = stream.schema();
        let mut writer = AsyncArrowWriter::try_new(output, schema, Some(properties)).map_err(parquet_error)?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await.transpose()? {
            rows += batch.num_rows() as u64;
            writer.write(&batch).await.map_err(parquet_error)?;
        }
        writer.close().await.map_err(parquet_error)?;

        let published = Published { rows, ..published };
        let unwritten = |error: serde_json::Error| Error::Warehouse(error.to_string());
        let text = serde_json::to_vec(sources).map_err(unwritten)?;
        self.store.put(&sources_of(view, &published), text.into()).await?;
        let text = serde_json::to_vec_pretty(&published).map_err(unwritten)?;
        self.store.put(&current(view), text.into()).await?;
        self.remove_others(view, &published.folder).await?;
        Ok(published)
    }

    /// The rows of a view for the lake of `snapshot`: those that are published already, by whomever, unless they are to be made
    /// `anew`, or new ones. Where the view is made by exam, only the exams of files that changed are computed.
    ///
    /// # Errors
    /// When the query fails or the rows can't be written, what was published before stays; [`Error::LakeChanged`] where files
    /// change while they are read.
    pub(crate) async fn make(
        &self,
        ctx: &SessionContext,
        table: &KeptTable,
        snapshot: &Arc<Snapshot>,
        anew: bool,
    ) -> Result<Published> {
        let (view, fingerprint) = (table.view(), table.fingerprint(snapshot));
        let mut before = if anew { None } else { self.published(view).await };
        if let Some(published) = &before
            && self.present(view, published).await.is_err()
        {
            before = None;
        }
        if let Some(published) = before.take_if(|published| published.fingerprint == fingerprint) {
            return Ok(published);
        }
        let mut state = ctx.state();
        state.config_mut().set_extension(Arc::new(Pinned(Some(Arc::clone(snapshot)))));
        let plan = state.create_logical_plan(&view.sql).await?;
        let rows = DataFrame::new(state.clone(), plan);
        let sources = Sources::of(snapshot);
        let rows = match before {
            Some(before) => match self.exams_since(view, &before, &sources).await {
                Some((key, exams)) => self.merged(table, state, rows, &before, &key, &exams)?,
                None => rows,
            },
            None => rows,
        };
        self.keep(view, &fingerprint, rows, &sources).await
    }

    /// By which column and for which values rows have to be made anew, where that is known and not all of them.
    async fn exams_since(&self, view: &View, before: &Published, sources: &Sources) -> Option<(String, BTreeSet<String>)> {
        if view.materialize != Some(Materialize::ByExam) || before.queries != Self::queries(view) {
            return None;
        }
        let found = self.store.get(&sources_of(view, before)).await.ok()?;
        let known: Sources = serde_json::from_slice(&found.bytes().await.ok()?).ok()?;
        Some((view.grain.first()?.clone(), sources.exams_since(&known)?))
    }

    /// The rows of `exams` out of `rows`, and all others as they were kept.
    fn merged(
        &self,
        table: &KeptTable,
        state: SessionState,
        rows: DataFrame,
        before: &Published,
        key: &str,
        exams: &BTreeSet<String>,
    ) -> Result<DataFrame> {
        let kept = self.table(table.view(), before, table.schema())?;
        let kept = LogicalPlanBuilder::scan("kept", provider_as_source(kept), None)?.build()?;
        let key = col(format!("\"{key}\""));
        let exams: Vec<Expr> = exams.iter().map(|exam| lit(exam.as_str())).collect();
        let untouched = key.clone().in_list(exams.clone(), true).or(key.clone().is_null());
        let untouched = DataFrame::new(state, kept).filter(untouched)?;
        Ok(untouched.union(rows.filter(key.in_list(exams, false))?)?)
    }

    /// The kept rows as a table with the schema of the view.
    ///
    /// # Errors
    /// When the address is not understood by the engine.
    pub fn table(&self, view: &View, published: &Published, schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
        let path = folder(view).join(published.folder.as_str());
        let url = ListingTableUrl::parse(format!("{}{path}/", Self::url()?.as_str()))?;
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
        Ok(Arc::new(ListingTable::try_new(config)?))
    }

    /// Fails where the rows are no longer there: another process may have made them anew and removed these.
    pub(crate) async fn present(&self, view: &View, published: &Published) -> Result<()> {
        self.store.head(&part(view, published)).await?;
        Ok(())
    }

    /// Removes rows that nothing names any more, once no statement can still be reading them.
    async fn remove_others(&self, view: &View, keep: &str) -> Result<()> {
        let keep = folder(view).join(keep);
        let found: Vec<ObjectMeta> = self.store.list(Some(&folder(view))).try_collect().await?;
        for meta in found {
            let old = (Utc::now() - meta.last_modified).to_std().is_ok_and(|age| age > READ_FOR);
            if old && !meta.location.prefix_matches(&keep) && meta.location != current(view) {
                self.store.delete(&meta.location).await?;
            }
        }
        Ok(())
    }
}

/// Makes kept rows anew in the background, when a statement found them too old.
pub struct Refresher {
    ctx: SessionContext,
    lake: Arc<Lake>,
    warehouse: Warehouse,
    /// In the order of the layers, so that a view is made of those below it that were made just before.
    tables: Vec<Arc<KeptTable>>,
    running: AtomicBool,
    /// The lake for which it failed last: another attempt would fail as well.
    failed: Mutex<Option<String>>,
}

impl Refresher {
    /// A refresher of `tables`, whose views `ctx` can plan.
    pub fn new(ctx: SessionContext, lake: Arc<Lake>, warehouse: Warehouse, tables: Vec<Arc<KeptTable>>) -> Arc<Self> {
        let refresher = Self { ctx, lake, warehouse, tables, running: AtomicBool::new(false), failed: Mutex::default() };
        let refresher = Arc::new(refresher);
        for table in &refresher.tables {
            table.refresh_with(Arc::downgrade(&refresher));
        }
        refresher
    }

    /// Begins, unless it is at work. Must be called on a runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let work = Running(Arc::clone(self));
        tokio::spawn(async move { work.0.run().await });
    }

    async fn run(&self) {
        let snapshot = match self.lake.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => return tracing::warn!("kept views stay as they are: {error}"),
        };
        let version = Some(snapshot.settled_version().to_owned());
        if *self.failed() == version {
            return;
        }
        // What is known of new files tells which exams are concerned.
        self.lake.inspect(&snapshot, &|_, _| {}).await;
        for table in self.tables.iter().filter(|table| !table.is_valid_for(&snapshot)) {
            let name = table.view().full_name();
            match self.warehouse.make(&self.ctx, table, &snapshot, false).await.and_then(|published| table.take(published)) {
                Ok(()) => tracing::info!("{name} was made anew"),
                Err(error) => {
                    // The lake went on: the next statement has it made of what is there then.
                    if !error.is_lake_changed() {
                        tracing::warn!("{name} could not be made anew; it is computed for each query until the lake changes");
                        *self.failed() = version;
                    }
                    return;
                }
            }
        }
    }

    fn failed(&self) -> MutexGuard<'_, Option<String>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// A refresher at work, which no longer is however the work ends.
struct Running(Arc<Refresher>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

fn folder(view: &View) -> Path {
    Path::from_iter([view.schema.as_str(), view.name.as_str()])
}

fn part(view: &View, published: &Published) -> Path {
    folder(view).join(published.folder.as_str()).join("part-0.parquet")
}

fn sources_of(view: &View, published: &Published) -> Path {
    folder(view).join(published.folder.as_str()).join("sources.json")
}

fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(digest.finalize())
}

fn current(view: &View) -> Path {
    folder(view).join("current.json")
}

fn parquet_error(error: parquet::errors::ParquetError) -> Error {
    Error::Warehouse(error.to_string())
}
