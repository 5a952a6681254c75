//! A lake that lives: what queries see of files that come, change and go, and which files they open.

mod large;
mod live;
mod pick;
mod pinned;

use std::path::{Path, PathBuf};

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use placido::engine::{Engine, Opening};
use placido_catalog::catalog::Refresh;

use crate::support::{hospital, settings};

/// The hospital's exports in a folder of it, ordered; those too small to hold a scan left out.
async fn exports(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![hospital().await.settings.lake_folder().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.metadata().unwrap().len() > 1_000 {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A data folder of its own under the hospital's key, with `count` MS-39 exports in its lake.
async fn site(data: &Path, count: usize) -> PathBuf {
    let lake = data.join("lake");
    std::fs::create_dir_all(&lake).unwrap();
    std::fs::copy(hospital().await.settings.identity_file(), data.join("identity.key")).unwrap();
    for (at, file) in exports("ms39").await.iter().take(count).enumerate() {
        std::fs::copy(file, lake.join(format!("{at}.csv"))).unwrap();
    }
    lake
}

/// The engine over a data folder, with kept views or without.
async fn engine(data: &Path, kept: bool) -> Engine {
    let refresh = if kept { Refresh::Stale } else { Refresh::Never };
    Engine::open(&settings(data.to_owned()), Opening { refresh, write: true }, &|_| {}).await.unwrap()
}

/// Rows of a query, each cell as text; NULL is the empty string.
async fn rows(ctx: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let row = |batch: &datafusion::arrow::array::RecordBatch, row: usize| {
        batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect()
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>()).collect()
}

async fn one(ctx: &SessionContext, sql: &str) -> String {
    rows(ctx, sql).await.remove(0).remove(0)
}
