//! Functions, catalogue and models joined: the only place that builds sessions.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use datafusion::config::Dialect;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;
use placido_catalog::catalog::{CATALOG, Catalog, Parts, Progress, Refresh, SCHEMAS};
use placido_catalog::field::COMMENT;
use placido_catalog::identity::IdentityKey;
use placido_catalog::lake::{Lake, Pinned};
use placido_catalog::layers::SourceFile;
use placido_catalog::refresh::Warehouse;
use placido_catalog::store::{Environment, Location};
use placido_udfs::models::{ModelResolver, ModelStore};
use placido_udfs::predict;

use crate::embedded;
use crate::error::{Error, Result};
use crate::server::scratch::Scratch;
use crate::server::{Sessions, TableDescription};
use crate::settings::Settings;
use crate::{runtime, system};

/// How the engine comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Which kept views are made anew.
    pub refresh: Refresh,
    /// Whether the identity key may be made and the data folder written to. A read-only command leaves no trace.
    pub write: bool,
}

/// Everything that a statement needs: an immutable catalogue, functions, models and limits.
#[derive(Debug)]
pub struct Engine {
    template: SessionState,
    catalog: Catalog,
    lake: Option<Arc<Lake>>,
    models: Arc<ModelStore>,
    scratch: OnceLock<Arc<Scratch>>,
}

impl Engine {
    /// Opens lake, layers, warehouse and models as `settings` say. `progress` is told what takes time.
    ///
    /// # Errors
    /// What is missing or wrong, and where: the lake's folder, a layer's file, a model's folder.
    pub async fn open(settings: &Settings, opening: Opening, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Self> {
        let lake = open_lake(settings, opening).await?;
        let warehouse = match (&lake, opening.write || settings.warehouse_folder().is_dir()) {
            (Some(_), true) => Some(Warehouse::open(&settings.warehouse_folder())?),
            _ => None,
        };
        Self::over(settings, lake, warehouse, opening.refresh, progress).await
    }

    /// An engine over a lake and a warehouse that are open already.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn over(
        settings: &Settings,
        lake: Option<Arc<Lake>>,
        warehouse: Option<Warehouse>,
        refresh: Refresh,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Self> {
        let models = Arc::new(models(settings)?);
        let resolver: Arc<dyn ModelResolver> = models.clone();
        let template = template(settings, &resolver)?;
        let ctx = session(template.clone());
        let parts = Parts { lake: lake.clone(), warehouse, layers: layer_files(settings)?, tables: system::tables(&models) };
        let catalog = Catalog::open(&ctx, parts, refresh, progress).await?;
        Ok(Self { template, catalog, lake, models, scratch: OnceLock::new() })
    }

    /// Opens the tables and views that clients made and keep, which one process at a time may.
    ///
    /// # Errors
    /// When another process has them open, or they can't be read.
    pub fn open_scratch(&self, settings: &Settings) -> Result<()> {
        let scratch = Scratch::open(&settings.scratch_folder()).map_err(|error| Error::Io(error.to_string()))?;
        let _ = self.scratch.set(Arc::new(scratch));
        Ok(())
    }

    /// A new session: its own settings, the shared catalogue, functions, memory and models.
    pub fn session(&self) -> SessionContext {
        session(self.template.clone())
    }

    /// The catalogue.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The lake, if there is one. [`Lake::snapshot`] gives its files as they are now, with a version; a snapshot that is
    /// pinned in a session's configuration ([`placido_catalog::lake::Pinned`]) is what all its statements see.
    pub fn lake(&self) -> Option<&Arc<Lake>> {
        self.lake.as_ref()
    }

    /// The models.
    pub fn models(&self) -> &Arc<ModelStore> {
        &self.models
    }
}

impl Sessions for Engine {
    fn open(&self) -> datafusion::error::Result<SessionContext> {
        Ok(self.session())
    }

    fn describe(&self, schema: &str, table: &str) -> Option<TableDescription> {
        let provider = futures::FutureExt::now_or_never(self.catalog.provider().schema(schema)?.table(table))?.ok()??;
        let view = self.catalog.layers().view(schema, table);
        let comment = |field: &datafusion::arrow::datatypes::Field| {
            let from_view = view.and_then(|view| view.column_comment(field.name())).map(str::to_owned);
            Some((field.name().clone(), from_view.or_else(|| field.metadata().get(COMMENT).cloned())?))
        };
        let columns: HashMap<String, String> = provider.schema().fields().iter().filter_map(|field| comment(field)).collect();
        Some(TableDescription {
            summary: view.map(|view| view.summary.clone()).or_else(|| table_summary(schema, table)).unwrap_or_default(),
            is_view: view.is_some(),
            definition: view.map(|view| view.sql.clone()),
            columns,
        })
    }

    fn models(&self) -> Option<Arc<dyn ModelResolver>> {
        Some(Arc::clone(&self.models) as Arc<dyn ModelResolver>)
    }

    fn pin<'a>(&'a self, config: &'a mut SessionConfig) -> BoxFuture<'a, datafusion::error::Result<()>> {
        Box::pin(async move {
            if let Some(lake) = &self.lake {
                let snapshot = lake.snapshot().await?;
                config.set_extension(Arc::new(Pinned(Some(snapshot))));
            }
            Ok(())
        })
    }

    fn unpin(&self, config: &mut SessionConfig) {
        config.set_extension(Arc::new(Pinned(None)));
    }

    fn scratch(&self) -> Option<Arc<Scratch>> {
        self.scratch.get().cloned()
    }

    fn schema_comment(&self, schema: &str) -> Option<String> {
        SCHEMAS.iter().find(|(name, _)| *name == schema).map(|(_, comment)| (*comment).to_owned())
    }
}

/// What a raw table holds, as its device says.
fn table_summary(schema: &str, table: &str) -> Option<String> {
    let tables = placido_catalog::devices::DEVICES.iter().flat_map(|device| device.tables());
    tables.into_iter().find(|known| schema == "raw" && known.name == table).map(|known| known.about.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds sessions")]
fn session(state: SessionState) -> SessionContext {
    SessionContext::new_with_state(state)
}

/// The state that every session is a copy of.
fn template(settings: &Settings, models: &Arc<dyn ModelResolver>) -> Result<SessionState> {
    let cores = settings.cores.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "gold")
        .with_information_schema(true)
        .with_target_partitions(cores.max(1));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.execution.parquet.pushdown_filters = true;
    // What a correlated count becomes may be NULL in one of the engine's two plans and not in the other; nothing depends on it.
    options.execution.skip_physical_aggregate_schema_check = true;
    let builder = SessionStateBuilder::new_with_default_features().with_config(config).with_runtime_env(runtime_env(settings)?);
    let ctx = session(runtime::install(predict::install(builder, models)).build());
    placido_udfs::register_all(&ctx);
    Ok(ctx.state())
}

fn runtime_env(settings: &Settings) -> Result<Arc<RuntimeEnv>> {
    let pool = FairSpillPool::new(settings.memory_mib.saturating_mul(1024 * 1024));
    Ok(RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc()?)
}

fn models(settings: &Settings) -> Result<ModelStore> {
    match &settings.models {
        Some(folder) => ModelStore::from_folder(folder).map_err(|error| Error::Model(error.to_string())),
        None => Ok(ModelStore::from_embedded(embedded::MODELS.iter().copied())),
    }
}

/// The lake, unless none is configured and the data folder has none.
async fn open_lake(settings: &Settings, opening: Opening) -> Result<Option<Arc<Lake>>> {
    let location = settings.lake_location()?;
    if settings.lake.is_none() && !settings.lake_folder().is_dir() && !opening.write {
        return Ok(None);
    }
    let file = settings.identity_file();
    let identity = if opening.write || file.exists() {
        IdentityKey::load_or_create(&file)?
    } else {
        // Nothing is kept, so nothing has to be found again under the same key.
        IdentityKey::random()
    };
    let lake = Lake::at(&location, &Environment::of_process(), identity, settings.pace()).await?;
    let root = match &location {
        Location::Folder(folder) => folder.canonicalize().unwrap_or_else(|_| folder.clone()).to_string_lossy().into_owned(),
        Location::Bucket(bucket) => bucket.to_string(),
    };
    // Under keys of this moment nothing that was remembered is found again.
    let keep = opening.write || file.exists();
    Ok(Some(Arc::new(if keep { lake.with_manifest(&settings.manifest_file(), &root, opening.write) } else { lake })))
}

/// The layers: the shipped ones, or those of a folder.
fn layer_files(settings: &Settings) -> Result<Vec<SourceFile>> {
    let Some(folder) = &settings.sql else {
        let shipped = embedded::LAYERS.iter().filter(|(path, _)| path.ends_with(".sql"));
        return Ok(shipped
            .map(|(path, bytes)| SourceFile { path: (*path).to_owned(), text: String::from_utf8_lossy(bytes).into_owned() })
            .collect());
    };
    let unreadable = |path: &Path, error: std::io::Error| Error::Io(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for layer in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let layer = layer.map_err(|error| unreadable(folder, error))?.path();
        if !layer.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&layer).map_err(|error| unreadable(&layer, error))? {
            let file = file.map_err(|error| unreadable(&layer, error))?.path();
            if file.extension().is_some_and(|extension| extension == "sql") {
                let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
                let path = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().replace('\\', "/");
                files.push(SourceFile { path, text });
            }
        }
    }
    Ok(files)
}
