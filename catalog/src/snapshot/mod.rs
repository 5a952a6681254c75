//! Copies of a physicians' database in the lake: tables or queries as dated CSV files, which the clinic device then reads like any
//! other file. No view ever queries a database.
//!
//! A snapshot is all or nothing: the tables are read in one transaction, staged in hidden files, and named when all are whole. The
//! same rows give the same bytes, so that an unchanged table gives no new file.

mod csv;
mod postgres;
mod sqlite;
mod tls;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use chrono::Utc;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// What is copied, and where to.
#[derive(Debug, Clone)]
pub struct Order {
    /// A SQLite file, or a PostgreSQL URL or connection string. It may hold a password: it is not shown.
    pub source: String,
    /// Tables, with their schema or without; all that there are where neither a table nor a query is named.
    pub tables: Vec<String>,
    /// Queries, each with the name of its snapshots.
    pub queries: Vec<(String, String)>,
    /// The folder below which snapshots lie: `<folder>/<source>/<table>/<time>.csv`.
    pub folder: PathBuf,
    /// The source's name in that path; the database's own where none is given.
    pub name: Option<String>,
}

/// What became of a table.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The table or query.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The newest snapshot.
    pub file: PathBuf,
    /// Whether it was made now; if not, the table has not changed since.
    pub is_new: bool,
}

/// What is to be read of a database.
enum Wanted<'a> {
    Table(&'a str),
    Query(&'a str, &'a str),
}

impl Wanted<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Table(name) | Self::Query(name, _) => name,
        }
    }
}

impl Order {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        let tables = self.tables.iter().map(|table| Wanted::Table(table));
        tables.chain(self.queries.iter().map(|(name, sql)| Wanted::Query(name, sql))).collect()
    }
}

/// Takes the snapshots that are asked for.
///
/// # Errors
/// When the database can't be reached or read, a table is not there, or a file can't be written: then no snapshot is made.
pub async fn take(order: &Order) -> Result<Vec<Outcome>> {
    if postgres::is_address(&order.source) {
        return postgres::copy(order).await;
    }
    let order = order.clone();
    tokio::task::spawn_blocking(move || sqlite::copy(&order)).await.map_err(|_| error("the copy was stopped"))?
}

fn error(message: impl Into<String>) -> Error {
    Error::Snapshot(message.into())
}

/// Snapshots on their way into a folder.
struct Shelf {
    folder: PathBuf,
    staged: Vec<Staged>,
}

struct Staged {
    table: String,
    rows: u64,
    digest: [u8; 32],
    part: PathBuf,
    folder: PathBuf,
}

/// A file that is being written; removed again unless it is finished.
struct Draft {
    table: String,
    folder: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    kept: bool,
}

impl Shelf {
    /// The shelf of the source called `name`.
    fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.join(file_name(name)), staged: Vec::new() }
    }

    /// Begins the snapshot of a table with its columns and their types.
    fn begin(&self, table: &str, columns: &[(String, String)]) -> Result<Draft> {
        let folder = self.folder.join(file_name(table));
        fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
        // Hidden files are no part of the lake.
        let part = folder.join(format!(".{}.part", std::process::id()));
        let file = File::create(&part).map_err(|error| at(&part, error))?;
        let mut draft =
            Draft { table: table.to_owned(), folder, part, file: BufWriter::new(file), digest: Sha256::new(), kept: false };
        let types: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}").trim_end().to_owned()).collect();
        let about = format!("# Snapshot of {table}: {}", types.join(", ")).replace(['\r', '\n'], " ");
        draft.write_all(format!("{}\n", csv::field(Some(&about))).as_bytes()).map_err(|error| at(&draft.part, error))?;
        Ok(draft)
    }

    /// Takes a finished draft.
    fn stage(&mut self, mut draft: Draft, rows: u64) -> Result<()> {
        let done = draft.file.flush().and_then(|()| draft.file.get_ref().sync_all());
        done.map_err(|error| at(&draft.part, error))?;
        draft.kept = true;
        self.staged.push(Staged {
            table: draft.table.clone(),
            rows,
            digest: draft.digest.clone().finalize().into(),
            part: draft.part.clone(),
            folder: draft.folder.clone(),
        });
        Ok(())
    }

    /// Names all staged files, those aside that are the same as the newest one of their table.
    fn publish(mut self) -> Result<Vec<Outcome>> {
        let time = Utc::now().format("%Y%m%dT%H%M%S%.6fZ").to_string();
        let mut outcomes = Vec::new();
        for Staged { table, rows, digest, part, folder } in std::mem::take(&mut self.staged) {
            let newest = newest(&folder).map_err(|error| at(&folder, error))?;
            let same = match &newest {
                Some(file) => digest_of(file).map_err(|error| at(file, error))? == digest,
                None => false,
            };
            let outcome = match newest.filter(|_| same) {
                Some(file) => {
                    fs::remove_file(&part).map_err(|error| at(&part, error))?;
                    Outcome { table, rows, file, is_new: false }
                }
                None => {
                    let file = folder.join(format!("{time}.csv"));
                    let mut permissions = fs::metadata(&part).map_err(|error| at(&part, error))?.permissions();
                    permissions.set_readonly(true);
                    fs::set_permissions(&part, permissions).map_err(|error| at(&part, error))?;
                    fs::rename(&part, &file).map_err(|error| at(&file, error))?;
                    Outcome { table, rows, file, is_new: true }
                }
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

impl Drop for Shelf {
    /// What was staged and not named.
    fn drop(&mut self) {
        for staged in &self.staged {
            let _ = fs::remove_file(&staged.part);
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn at(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.display().to_string(), source }
}

/// The newest snapshot in a folder: names are times, so that the last one is the newest.
fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with("Z.csv") && !name.starts_with('.') {
            files.push(path);
        }
    }
    Ok(files.into_iter().max())
}

fn digest_of(file: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(file)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(buffer.get(..read).unwrap_or_default());
    }
}

/// A name that is one part of a path on every system; names that differ stay different.
fn file_name(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let plain: String = name.chars().map(|c| if safe(c) { c } else { '_' }).take(60).collect();
    if plain == name && !plain.is_empty() && !plain.starts_with('.') {
        return plain;
    }
    let digest = hex::encode(Sha256::digest(name.as_bytes()));
    format!("{}-{}", plain.trim_start_matches('.'), digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_are_one_part_of_a_path() {
        assert_eq!(file_name("public.visits"), "public.visits");
        for name in ["../etc", ".hidden", "a/b", "", "Œil"] {
            let file = file_name(name);
            assert!(!file.contains(['/', '\\']) && !file.starts_with('.') && file != "..", "{name} {file}");
        }
        assert_ne!(file_name("a/b"), file_name("a_b"));
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path(), "clinic");
        drop(shelf.begin("visits", &[]).unwrap());
        let mut shelf = Shelf::new(folder.path(), "clinic");
        let draft = shelf.begin("visits", &[]).unwrap();
        shelf.stage(draft, 0).unwrap();
        drop(shelf);
        assert_eq!(fs::read_dir(folder.path().join("clinic/visits")).unwrap().count(), 0);
    }
}
