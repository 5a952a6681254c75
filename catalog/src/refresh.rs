//! Views that are kept: their rows as Parquet in the warehouse, and when they must be made again.
//!
//! A kept view is valid for one fingerprint: the lake's files, its own query, the queries below it, and the version of placido.
//! Rows are written first, a small `current.json` that names them last, so that a refresh that was cut off leaves the old rows.

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::prelude::{SessionContext, col};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::AsyncArrowWriter;

use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::kept::KeptTable;
use crate::layers::View;

/// Rows of a row group: small, so that a lookup by key reads little.
const ROW_GROUP_ROWS: usize = 1024;

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
        let mut digest = Sha256::new();
        for part in [lake_fingerprint, &view.fingerprint, env!("CARGO_PKG_VERSION")] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        hex::encode(digest.finalize())
    }

    /// What is kept of `view`, if anything readable is.
    pub async fn published(&self, view: &View) -> Option<Published> {
        let found = self.store.get(&current(view)).await.ok()?;
        serde_json::from_slice(&found.bytes().await.ok()?).ok()
    }

    /// Computes `view`, whose plan `ctx` knows, keeps its rows and publishes them under `fingerprint`.
    ///
    /// # Errors
    /// When the query fails or the rows can't be written; what was published before stays.
    pub async fn refresh(&self, ctx: &SessionContext, view: &View, fingerprint: &str) -> Result<Published> {
        let rows_of_view = ctx.sql(&view.sql).await?;
        let order = view.grain.iter().map(|column| col(format!("\"{column}\"")).sort(true, false)).collect();
        let mut stream = rows_of_view.sort(order)?.execute_stream().await?;
        let published = Published {
            fingerprint: fingerprint.to_owned(),
            folder: fingerprint.chars().take(16).collect(),
            rows: 0,
            made_at_us: Utc::now().timestamp_micros(),
        };
        let target = folder(view).join(published.folder.as_str()).join("part-0.parquet");
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
        let text = serde_json::to_vec_pretty(&published).map_err(|error| Error::Warehouse(error.to_string()))?;
        self.store.put(&current(view), text.into()).await?;
        self.remove_others(view, &published.folder).await?;
        Ok(published)
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
        let parquet = Arc::new(ListingTable::try_new(config)?);
        Ok(Arc::new(KeptTable::new(parquet, published.rows, view.grain.first().map(String::as_str))))
    }

    /// Removes rows that nothing names any more.
    async fn remove_others(&self, view: &View, keep: &str) -> Result<()> {
        let keep = folder(view).join(keep);
        let found: Vec<Path> = self.store.list(Some(&folder(view))).map_ok(|meta| meta.location).try_collect().await?;
        for path in found {
            if !path.prefix_matches(&keep) && path != current(view) {
                self.store.delete(&path).await?;
            }
        }
        Ok(())
    }
}

fn folder(view: &View) -> Path {
    Path::from_iter([view.schema.as_str(), view.name.as_str()])
}

fn current(view: &View) -> Path {
    folder(view).join("current.json")
}

fn parquet_error(error: parquet::errors::ParquetError) -> Error {
    Error::Warehouse(error.to_string())
}
