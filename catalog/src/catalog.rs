//! The catalogue: raw tables, layers and system tables, mounted together as one immutable snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, TableProvider};
use datafusion::datasource::ViewTable;
use datafusion::prelude::SessionContext;

use crate::devices::DEVICES;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::layers::{Layers, SourceFile, View};
use crate::order::FLOORS;
use crate::refresh::{Published, Warehouse};
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
    /// Its kept rows, if they serve it.
    pub kept: Option<Published>,
    /// Whether rows are kept that are no longer valid.
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
}

impl Catalog {
    /// Mounts everything into `ctx`, which has the functions that the layers use, as the catalogue `placido`.
    /// `progress` is told before a view is made anew.
    ///
    /// # Errors
    /// The first mistake in the layers, with file and line; a lake or warehouse that can't be read.
    pub async fn open(ctx: &SessionContext, parts: Parts, refresh: Refresh, progress: &(dyn Fn(&View) + Sync)) -> Result<Self> {
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
        let lake_fingerprint = match &parts.lake {
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
                lake.settled().await?.settled_version().to_owned()
            }
            None => String::new(),
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
        let mut mounted = Vec::new();
        for view in layers.views() {
            mounted.push(mount(ctx, &provider, view, parts.warehouse.as_ref(), &lake_fingerprint, refresh, progress).await?);
        }
        let mounted = Arc::new(mounted);
        for (schema, name, table) in system::catalog_tables(&mounted)? {
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
        Ok(Self { layers, mounted, provider })
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

/// Plans a view and registers its kept rows where they are valid, the view itself where not.
async fn mount(
    ctx: &SessionContext,
    provider: &MemoryCatalogProvider,
    view: &View,
    warehouse: Option<&Warehouse>,
    lake_fingerprint: &str,
    refresh: Refresh,
    progress: &(dyn Fn(&View) + Sync),
) -> Result<Mounted> {
    let mut mounted = Mounted { view: view.clone(), kept: None, stale: false, broken: None };
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
    let schema = Arc::clone(plan.schema().inner());
    let mut table: Arc<dyn TableProvider> = Arc::new(ViewTable::new(plan, Some(view.sql.clone())));
    if let (true, Some(warehouse)) = (view.materialize, warehouse) {
        let fingerprint = Warehouse::fingerprint(view, lake_fingerprint);
        let found = warehouse.published(view).await;
        let valid = found.clone().filter(|published| published.fingerprint == fingerprint);
        mounted.kept = match (refresh, valid) {
            (Refresh::Never, valid) => valid,
            (Refresh::Stale, Some(valid)) => Some(valid),
            (Refresh::Stale, None) | (Refresh::All, _) => {
                progress(view);
                Some(warehouse.refresh(ctx, view, &fingerprint).await?)
            }
        };
        mounted.stale = mounted.kept.is_none() && found.is_some();
        if let Some(kept) = &mounted.kept {
            table = warehouse.table(view, kept, schema)?;
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
