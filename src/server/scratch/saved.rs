//! The file in which scratch schemas are written down: one JSON document, replaced as a whole.

use std::collections::{BTreeMap, HashSet};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::error::{DataFusionError, Result};
use serde::{Deserialize, Serialize};

use super::part::{Files, Part};
use super::space::{ColumnNotes, Key, Object, OnCommit, Schema, Space, Table, View, unique};
use crate::access::acl::Acl;

#[derive(Debug, Serialize, Deserialize)]
struct SavedSpace {
    version: u32,
    schemas: BTreeMap<String, SavedSchema>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSchema {
    owner: String,
    comment: Option<String>,
    #[serde(default)]
    acl: Acl,
    #[serde(default)]
    tables_acl: Acl,
    tables: BTreeMap<String, SavedTable>,
    views: BTreeMap<String, SavedView>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTable {
    owner: String,
    #[serde(default)]
    acl: Acl,
    comment: Option<String>,
    /// An Arrow stream without rows: it holds every type and its metadata.
    schema: String,
    columns: Vec<SavedColumn>,
    keys: Vec<SavedKey>,
    files: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedColumn {
    default: Option<String>,
    comment: Option<String>,
    length: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedKey {
    name: String,
    columns: Vec<String>,
    primary: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedView {
    owner: String,
    #[serde(default)]
    acl: Acl,
    #[serde(default)]
    security_invoker: bool,
    comment: Option<String>,
    schema: String,
    column_comments: Vec<Option<String>>,
    query: String,
    names: Vec<String>,
    reads: Vec<(String, String)>,
}

/// The form that [`load`] understands.
const VERSION: u32 = 1;

fn encode(schema: &SchemaRef) -> Result<String> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema)?.finish()?;
    Ok(STANDARD.encode(bytes))
}

fn decode(text: &str) -> Result<SchemaRef> {
    let bytes = STANDARD.decode(text).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(StreamReader::try_new(Cursor::new(bytes), None)?.schema())
}

/// Writes a space down, whose rows are all in files. A crash leaves the old document or the new one.
pub(crate) fn save(path: &Path, space: &Space) -> Result<()> {
    let schemas = space.schemas.iter().map(|(name, schema)| Ok((name.clone(), saved(schema)?))).collect::<Result<_>>()?;
    let text = serde_json::to_vec_pretty(&SavedSpace { version: VERSION, schemas })
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn saved(schema: &Schema) -> Result<SavedSchema> {
    let mut made = SavedSchema {
        owner: schema.owner.clone(),
        comment: schema.comment.clone(),
        acl: schema.acl.clone(),
        tables_acl: schema.tables_acl.clone(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
    };
    for (name, object) in &schema.objects {
        match object {
            Object::Table(table) => {
                let column = |notes: &ColumnNotes| SavedColumn {
                    default: notes.default.clone(),
                    comment: notes.comment.clone(),
                    length: notes.length,
                };
                let key = |key: &Key| SavedKey { name: key.name.clone(), columns: key.columns.clone(), primary: key.primary };
                let table = SavedTable {
                    owner: table.owner.clone(),
                    acl: table.acl.clone(),
                    comment: table.comment.clone(),
                    schema: encode(&table.schema)?,
                    columns: table.columns.iter().map(column).collect(),
                    keys: table.keys.iter().map(key).collect(),
                    files: table.parts.iter().filter_map(|part| Some(part.file()?.name()?.to_owned())).collect(),
                };
                made.tables.insert(name.clone(), table);
            }
            Object::View(view) => {
                let view = SavedView {
                    owner: view.owner.clone(),
                    acl: view.acl.clone(),
                    security_invoker: view.security_invoker,
                    comment: view.comment.clone(),
                    schema: encode(&view.schema)?,
                    column_comments: view.column_comments.clone(),
                    query: view.query.clone(),
                    names: view.names.clone(),
                    reads: view.reads.clone(),
                };
                made.views.insert(name.clone(), view);
            }
        }
    }
    Ok(made)
}

/// Reads what [`save`] wrote; an empty space where nothing is.
pub(crate) fn load(path: &Path, files: &Arc<Files>) -> Result<Space> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Space::default()),
        Err(error) => return Err(error.into()),
    };
    let found: SavedSpace = serde_json::from_slice(&text).map_err(|error| DataFusionError::External(Box::new(error)))?;
    if found.version != VERSION {
        let message = format!("it was written by another version of placido (form {}, not {VERSION})", found.version);
        return Err(DataFusionError::Execution(message));
    }
    let mut space = Space { definitions: unique(), ..Space::default() };
    for (name, schema) in found.schemas {
        let (acl, tables_acl) = (schema.acl, schema.tables_acl);
        let mut made = Schema { owner: schema.owner, comment: schema.comment, acl, tables_acl, objects: BTreeMap::new() };
        for (name, table) in schema.tables {
            let parts = table.files.iter().map(|file| Ok(Arc::new(Part::open(files, file)?))).collect::<Result<_>>()?;
            let column =
                |column: SavedColumn| ColumnNotes { default: column.default, comment: column.comment, length: column.length };
            let key = |key: SavedKey| Key { name: key.name, columns: key.columns, primary: key.primary };
            let table = Table {
                id: unique(),
                owner: table.owner,
                acl: table.acl,
                comment: table.comment,
                schema: decode(&table.schema)?,
                columns: Arc::new(table.columns.into_iter().map(column).collect()),
                keys: Arc::new(table.keys.into_iter().map(key).collect()),
                on_commit: OnCommit::default(),
                parts,
            };
            made.objects.insert(name, Object::Table(Arc::new(table)));
        }
        for (name, view) in schema.views {
            let view = View {
                owner: view.owner,
                acl: view.acl,
                security_invoker: view.security_invoker,
                comment: view.comment,
                schema: decode(&view.schema)?,
                column_comments: view.column_comments,
                query: view.query,
                names: view.names,
                reads: view.reads,
            };
            made.objects.insert(name, Object::View(Arc::new(view)));
        }
        space.schemas.insert(name, Arc::new(made));
    }
    Ok(space)
}

fn tables(space: &Space) -> impl Iterator<Item = &Arc<Table>> {
    space.schemas.values().flat_map(|schema| schema.objects.values()).filter_map(|object| match object {
        Object::Table(table) => Some(table),
        Object::View(_) => None,
    })
}

/// Marks the files of a space as those that outlive the process, or not.
pub(crate) fn keep(space: &Space, keep: bool) {
    for file in tables(space).flat_map(|table| &table.parts).filter_map(|part| part.file()) {
        file.keep(keep);
    }
}

/// Removes files that nothing names: those of transactions that did not come to their end.
pub(crate) fn remove_others(space: &Space, files: &Files) {
    let named: HashSet<&str> = tables(space).flat_map(|table| &table.parts).filter_map(|part| part.file()?.name()).collect();
    let Ok(found) = std::fs::read_dir(files.folder()) else { return };
    for file in found.flatten() {
        let name = file.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(".parquet") && !named.contains(name)) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// The first number of which there is no file.
pub(crate) fn first_free(folder: &Path) -> u64 {
    let Ok(found) = std::fs::read_dir(folder) else { return 1 };
    let number = |name: &str| u64::from_str_radix(name.strip_suffix(".parquet")?, 16).ok();
    let last = found.flatten().filter_map(|file| number(file.file_name().to_str()?)).max();
    last.map_or(1, |last| last.saturating_add(1))
}
