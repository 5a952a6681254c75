//! The catalogue: raw tables, layers and system tables, mounted together as one immutable snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, TableProvider};
use datafusion::datasource::ViewTable;
use datafusion::prelude::SessionContext;

use crate::devices::DEVICES;
use crate::error::{Error, Result};
use crate::kept::KeptTable;
use crate::lake::{Lake, Snapshot};
use crate::layers::{Layers, SourceFile, View};
use crate::order::FLOORS;
use crate::refresh::{Published, Refresher, Warehouse};
use crate::scan::DeviceTable;
use crate::system;

/// Name of the catalogue, the database that clients see.
pub const CATALOG: &str = "placido";

/// Schemas in the order in which people read them, with their comments.
pub const SCHEMAS: &[(&str, &str)] = &[
    ("raw", "One table a device record type, straight from the files, with provenance and issues"),
    ("bronze", "Typed and named, in the device's own structure; patients by key"),
    ("silver", "Cartesian maps, Zernike coefficients, power vectors, logMAR, biomechanics in canonical units"),
    ("gold", "Features of an eye and labelled cohorts"),
    ("serving", "What applications read: diagnosis and exam report"),
    ("ml", "Models and their signatures"),
    ("system", "Devices, files, issues, views, lineage and functions"),
];

/// When kept views are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Never: what is kept and valid is used, all else is computed when asked for.
    Never,
    /// Those that are not valid for the lake as it is.
    Stale,
    /// All.
    All,
}

/// What is being done while a catalogue opens.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Files that were not known are read: how many are done, of how many.
    Inspecting(usize, usize),
    /// The rows of a view are made.
    Making(&'a View),
}

/// What a catalogue is made of.
#[derive(Debug)]
pub struct Parts {
    /// The raw files, if there is a lake.
    pub lake: Option<Arc<Lake>>,
    /// Where kept views live, if anywhere.
    pub warehouse: Option<Warehouse>,
    /// The files of the layers.
    pub layers: Vec<SourceFile>,
    /// Further tables, as schema, name and table: what the crates above know.
    pub tables: Vec<(String, String, Arc<dyn TableProvider>)>,
}

/// How a view is served.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// The view.
    pub view: View,
    /// Its kept rows, if they serve it at the opening.
    pub kept: Option<Published>,
    /// The table that serves kept rows where they are valid, and the view where not.
    pub table: Option<Arc<KeptTable>>,
    /// Whether rows are kept that were not valid at the opening.
    pub stale: bool,
    /// Why the view can't be planned, if so: it is not mounted, and the others are served without it.
    pub broken: Option<String>,
}

/// An immutable catalogue: a change makes a new one.
#[derive(Debug)]
pub struct Catalog {
    layers: Layers,
    mounted: Arc<Vec<Mounted>>,
    provider: Arc<dyn CatalogProvider>,
    /// At work for as long as there is a catalogue.
    _refresher: Option<Arc<Refresher>>,
}

impl Catalog {
    /// Mounts everything into `ctx`, which has the functions that the layers use, as the catalogue `placido`.
    /// `progress` is told what takes time. Unless `refresh` says never, files are inspected and kept views stay up to date.
    ///
    /// # Errors
    /// The first mistake in the layers, with file and line; a lake or warehouse that can't be read.
    pub async fn open(
        ctx: &SessionContext,
        parts: Parts,
        refresh: Refresh,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Self> {
        let provider = Arc::new(MemoryCatalogProvider::new());
        for (schema, _) in SCHEMAS {
            provider.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        ctx.register_catalog(CATALOG, Arc::clone(&provider) as Arc<dyn CatalogProvider>);

        let mut base_tables = BTreeSet::new();
        let mut register = |schema: &str, name: &str, table: Arc<dyn TableProvider>| -> Result<()> {
            let known = provider.schema(schema);
            let known = known.ok_or_else(|| Error::Warehouse(format!("there is no schema {schema}")))?;
            known.register_table(name.to_owned(), table)?;
            base_tables.insert(format!("{schema}.{name}"));
            Ok(())
        };
        let snapshot = match &parts.lake {
            Some(lake) => {
                ctx.register_object_store(Lake::url()?.as_ref(), Arc::clone(lake.store()));
                for device in DEVICES {
                    for table in device.tables() {
                        register("raw", table.name, Arc::new(DeviceTable::new(*device, table, Arc::clone(lake))))?;
                    }
                }
                for (schema, name, table) in system::lake_tables(lake) {
                    register(schema, name, table)?;
                }
                let snapshot = lake.settled().await?;
                if refresh != Refresh::Never {
                    lake.inspect(&snapshot, &|done, of| progress(Progress::Inspecting(done, of))).await;
                }
                Some(snapshot)
            }
            None => None,
        };
        for (schema, name, table) in parts.tables.into_iter().chain(system::static_tables()?) {
            register(&schema, &name, table)?;
        }

        let layers = match parts.lake {
            Some(_) => Layers::parse(&parts.layers, &base_tables)?,
            None => Layers::default(),
        };
        if let Some(warehouse) = &parts.warehouse {
            ctx.register_object_store(Warehouse::url()?.as_ref(), Arc::clone(warehouse.store()));
        }
        let sources = match (&parts.lake, &parts.warehouse, &snapshot) {
            (Some(lake), Some(warehouse), Some(snapshot)) => Some(Sources { lake, warehouse, snapshot }),
            _ => None,
        };
        let mut mounted = Vec::new();
        for view in layers.views() {
            mounted.push(mount(ctx, &provider, view, sources.as_ref(), refresh, progress).await?);
        }
        let refresher = sources.filter(|_| refresh != Refresh::Never).map(|sources| {
            let tables = mounted.iter().filter_map(|mounted: &Mounted| mounted.table.clone()).collect();
            Refresher::new(ctx.clone(), Arc::clone(sources.lake), sources.warehouse.clone(), tables)
        });
        let mounted = Arc::new(mounted);
        for (schema, name, table) in system::catalog_tables(&mounted, parts.lake.as_ref())? {
            if let Some(schema) = provider.schema(schema) {
                schema.register_table(name.to_owned(), table)?;
            }
        }
        if parts.lake.is_some() {
            let acuity = ctx.state().scalar_functions().contains_key("parse_acuity");
            let plan = ctx.state().create_logical_plan(&system::issues_query(acuity)).await?;
            if let Some(schema) = provider.schema("system") {
                schema.register_table("issues".to_owned(), Arc::new(ViewTable::new(plan, None)))?;
            }
        }
        Ok(Self { layers, mounted, provider, _refresher: refresher })
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// How each view is served, in the order of the layers.
    pub fn mounted(&self) -> &[Mounted] {
        &self.mounted
    }

    /// The catalogue as DataFusion knows it.
    pub fn provider(&self) -> &Arc<dyn CatalogProvider> {
        &self.provider
    }

    /// Tables and views by schema.
    pub fn names(&self) -> BTreeMap<String, Vec<String>> {
        let names = |schema: &String| self.provider.schema(schema).map(|found| found.table_names()).unwrap_or_default();
        self.provider.schema_names().into_iter().map(|schema| (schema.clone(), names(&schema))).collect()
    }
}

/// What kept rows are made of, and where they live.
struct Sources<'a> {
    lake: &'a Arc<Lake>,
    warehouse: &'a Warehouse,
    snapshot: &'a Arc<Snapshot>,
}

/// Plans a view and registers it, with its kept rows where there are to be some.
async fn mount(
    ctx: &SessionContext,
    provider: &MemoryCatalogProvider,
    view: &View,
    sources: Option<&Sources<'_>>,
    refresh: Refresh,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Mounted> {
    let mut mounted = Mounted { view: view.clone(), kept: None, table: None, stale: false, broken: None };
    let plan = match ctx.state().create_logical_plan(&view.sql).await {
        Ok(plan) => plan,
        Err(error) => {
            mounted.broken = Some(error.strip_backtrace());
            return Ok(mounted);
        }
    };
    for column in &view.grain {
        if plan.schema().field_with_unqualified_name(column).is_err() {
            let message = format!("the grain names {column}, which is no column of {}", view.full_name());
            return Err(Error::Layer { file: view.file.clone(), line: 1, message });
        }
    }
    let mut table: Arc<dyn TableProvider> = Arc::new(ViewTable::new(plan.clone(), Some(view.sql.clone())));
    if let Some(Sources { lake, warehouse, snapshot }) = sources.filter(|_| view.materialize.is_some()) {
        let live = ViewTable::new(plan, Some(view.sql.clone()));
        let kept = Arc::new(KeptTable::new(view.clone(), live, Arc::clone(lake), (*warehouse).clone()));
        let found = warehouse.published(view).await;
        let valid = found.clone().filter(|published| published.fingerprint == kept.fingerprint(snapshot));
        mounted.kept = match (refresh, valid) {
            (Refresh::Never, valid) => valid,
            (Refresh::Stale, Some(valid)) => Some(valid),
            (Refresh::Stale, None) | (Refresh::All, _) => {
                progress(Progress::Making(view));
                match warehouse.make(ctx, &kept, snapshot, refresh == Refresh::All).await {
                    Ok(made) => Some(made),
                    // Files changed meanwhile: the view is computed, and made anew at the first statement that needs it.
                    Err(error) if error.is_lake_changed() => None,
                    Err(error) => return Err(error),
                }
            }
        };
        mounted.stale = mounted.kept.is_none() && found.is_some();
        if let Some(published) = &mounted.kept {
            kept.take(published.clone())?;
        }
        if mounted.kept.is_some() || refresh != Refresh::Never {
            table = Arc::clone(&kept) as Arc<dyn TableProvider>;
            mounted.table = Some(kept);
        }
    }
    let known = provider.schema(&view.schema).ok_or_else(|| Error::Layer {
        file: view.file.clone(),
        line: 1,
        message: format!("{} is not a layer; the layers are {}", view.schema, FLOORS.join(", ")),
    })?;
    known.register_table(view.name.clone(), table)?;
    Ok(mounted)
}
