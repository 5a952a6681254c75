//! Tables and views that clients make: temporary ones of a session, and lasting ones in scratch schemas.
//!
//! [`space`] is what there is at one moment, [`part`] where rows lie, [`exec`] how they are read, [`overlay`] how the engine's catalogue
//! shows them beside the layers, [`saved`] the file in which the lasting ones are written down. The layers and the raw files are not
//! here: nothing in this module can change them.

pub(crate) mod exec;
pub(crate) mod overlay;
pub(crate) mod part;
mod saved;
pub(crate) mod space;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::error::DataFusionError;

use self::part::Files;
use self::space::{Object, Space, Table};
use super::error::{PgError, sqlstate};
use crate::access::acl::Acl;
use crate::access::roles::{PUBLIC as EVERYBODY, Privilege};

/// The schema that is always there and everybody's.
pub(crate) const PUBLIC: &str = "public";
/// Small files of a table are put together up to this many rows when more come.
const SMALL_ROWS: usize = 64 * 1024;
/// What the files of all users may hold unless the server says otherwise.
const MAX_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// The scratch schemas of a server, which all sessions share.
#[derive(Debug)]
pub struct Scratch {
    current: Mutex<Arc<Space>>,
    /// Held while a transaction is written down; `current` is not, so that nobody who only reads waits.
    writing: Mutex<()>,
    files: Arc<Files>,
    /// Where the schemas are written down, and the file that keeps other processes away; nothing for those that end with the server.
    home: Option<Home>,
}

#[derive(Debug)]
struct Home {
    catalog: std::path::PathBuf,
    _lock: File,
}

/// The scratch schemas can't be opened, and why.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// Another process serves the same folder.
    #[error("{0} is in use by another placido; stop it, or name another folder with --data")]
    InUse(String),
    /// The folder or what is written down in it can't be read.
    #[error("the scratch schemas in {0} can't be opened: {1}")]
    Unreadable(String, String),
}

impl Scratch {
    /// Scratch schemas that end with the server.
    pub fn in_memory() -> Self {
        let folder = std::env::temp_dir().join(format!("placido-scratch-{}-{}", std::process::id(), space::unique()));
        Self {
            current: Mutex::new(Arc::new(with_public(Space::default()))),
            writing: Mutex::default(),
            files: Arc::new(Files::new(folder, 1, MAX_BYTES, true)),
            home: None,
        }
    }

    /// The scratch schemas that are kept in `folder`, which is made if need be.
    ///
    /// # Errors
    /// When another process has them open, or what is there can't be read.
    pub fn open(folder: &Path) -> Result<Self, ScratchError> {
        let unreadable =
            |error: &dyn std::fmt::Display| ScratchError::Unreadable(folder.display().to_string(), error.to_string());
        std::fs::create_dir_all(folder).map_err(|error| unreadable(&error))?;
        let lock = File::create(folder.join("lock")).map_err(|error| unreadable(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(ScratchError::InUse(folder.display().to_string())),
            Err(std::fs::TryLockError::Error(error)) => return Err(unreadable(&error)),
        }
        let (catalog, rows) = (folder.join("catalog.json"), folder.join("rows"));
        let first = saved::first_free(&rows);
        let files = Arc::new(Files::new(rows, first, MAX_BYTES, false));
        let space = saved::load(&catalog, &files).map_err(|error| unreadable(&error))?;
        saved::remove_others(&space, &files);
        let home = Some(Home { catalog, _lock: lock });
        Ok(Self { current: Mutex::new(Arc::new(with_public(space))), writing: Mutex::default(), files, home })
    }

    pub(crate) fn files(&self) -> &Arc<Files> {
        &self.files
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Space>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is now.
    pub(crate) fn current(&self) -> Arc<Space> {
        Arc::clone(&self.lock())
    }

    /// Makes what a transaction changed between `base` and `mine` everybody's, all of it or nothing. Writes files: not for a thread that
    /// others wait for.
    pub(crate) fn commit(&self, base: &Arc<Space>, mine: &Arc<Space>) -> Result<(), PgError> {
        if Arc::ptr_eq(base, mine) {
            return Ok(());
        }
        let told = |error: DataFusionError| sqlstate(&error);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        let mut merged = Space::merge(base, mine, &current).map_err(|conflict| {
            PgError::new("40001", "could not serialize access due to concurrent update")
                .with_hint(format!("Another session changed {} meanwhile; run the transaction again.", conflict.0))
        })?;
        if let Some(home) = &self.home {
            self.to_files(&mut merged).map_err(told)?;
            saved::save(&home.catalog, &merged).map_err(told)?;
            saved::keep(&current, false);
            saved::keep(&merged, true);
        }
        *self.lock() = Arc::new(merged);
        Ok(())
    }

    /// Writes another name for a role wherever it stands.
    pub(crate) fn rename_role(&self, from: &str, to: &str) -> Result<(), PgError> {
        let base = self.current();
        let mut renamed = base.as_ref().clone();
        renamed.change_holders(|owner, acl| {
            let (owns, named) = (owner == from, acl.names(from));
            if owns {
                to.clone_into(owner);
            }
            acl.rename(from, to);
            owns || named
        });
        if renamed.definitions == base.definitions {
            return Ok(());
        }
        self.commit(&base, &Arc::new(renamed))
    }

    /// Puts rows in memory, and small files with them, into files.
    fn to_files(&self, space: &mut Space) -> Result<(), DataFusionError> {
        let mut changed = Vec::new();
        for (schema, objects) in &space.schemas {
            for (name, object) in &objects.objects {
                if let Object::Table(table) = object
                    && let Some(table) = self.settled(table)?
                {
                    changed.push((schema.clone(), name.clone(), table));
                }
            }
        }
        for (schema, name, table) in changed {
            space.replace_rows(&schema, &name, table);
        }
        Ok(())
    }

    /// The table with all its rows in files; nothing where they are.
    fn settled(&self, table: &Table) -> Result<Option<Table>, DataFusionError> {
        let Some(mut start) = table.parts.iter().position(|part| part.file().is_none()) else { return Ok(None) };
        let added: usize = table.parts.get(start..).unwrap_or_default().iter().map(|part| part.rows()).sum();
        let mut rows = added;
        // As many small files before them as are not larger than what comes.
        while let Some(before) = start.checked_sub(1).and_then(|before| table.parts.get(before))
            && before.rows() <= rows
            && before.rows() + rows <= SMALL_ROWS
        {
            rows += before.rows();
            start -= 1;
        }
        let (kept, rest) = table.parts.split_at(start);
        let mut parts = kept.to_vec();
        parts.push(Arc::new(part::to_file(&table.schema, rest, &self.files)?));
        Ok(Some(Table { parts, ..table.clone() }))
    }
}

fn with_public(mut space: Space) -> Space {
    if !space.schemas.contains_key(PUBLIC) {
        space.change(PUBLIC, |schema| schema.comment = Some("functions of placido, and tables of everybody".to_owned()));
    }
    // Everybody's, until somebody says otherwise.
    if space.schemas.get(PUBLIC).is_some_and(|schema| !schema.acl.is_touched()) {
        space.change(PUBLIC, |schema| schema.acl = Acl::of(EVERYBODY, &Privilege::OF_SCHEMA));
    }
    space
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::part::Part;
    use super::space::{ColumnNotes, Key, OnCommit, View};
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    fn part(values: &[i64]) -> Part {
        let array: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        Part::in_memory(vec![RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap()], None)
    }

    fn table() -> Table {
        Table {
            id: space::unique(),
            owner: "anna".into(),
            acl: Acl::of("bert", &[Privilege::Select]),
            comment: Some("numbers".into()),
            schema: Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])),
            columns: Arc::new(vec![ColumnNotes {
                default: Some("1 + 1".into()),
                comment: Some("a number".into()),
                length: None,
            }]),
            keys: Arc::default(),
            on_commit: OnCommit::default(),
            parts: Vec::new(),
        }
    }

    fn changed(scratch: &Scratch, change: impl FnOnce(&mut Space)) -> Result<(), PgError> {
        let base = scratch.current();
        let mut mine = base.as_ref().clone();
        change(&mut mine);
        scratch.commit(&base, &Arc::new(mine))
    }

    fn found(scratch: &Scratch, name: &str) -> Arc<Table> {
        match scratch.current().get("anna", name) {
            Some(Object::Table(table)) => Arc::clone(table),
            other => panic!("{other:?}"),
        }
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder.join("rows")).map_or(0, Iterator::count)
    }

    #[test]
    fn tables_and_views_are_there_after_a_restart_and_files_without_a_table_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path()).unwrap();
        let keyed =
            Table { keys: Arc::new(vec![Key { name: "t_pkey".into(), columns: vec!["a".into()], primary: true }]), ..table() };
        let view = View {
            owner: "anna".into(),
            acl: Acl::default(),
            security_invoker: true,
            comment: None,
            schema: table().schema,
            column_comments: vec![None],
            query: "SELECT a FROM \"anna\".\"t\"".into(),
            names: vec!["a".into()],
            reads: vec![("anna".into(), "t".into())],
        };
        changed(&scratch, |space| {
            space.change("anna", |schema| {
                schema.owner = "anna".into();
                schema.objects.insert("t".into(), Object::Table(Arc::new(keyed.with_more(part(&[1, 2]), 0))));
                schema.objects.insert("v".into(), Object::View(Arc::new(view)));
            });
        })
        .unwrap();
        assert!(matches!(Scratch::open(folder.path()), Err(ScratchError::InUse(_))));
        drop(scratch);
        std::fs::write(folder.path().join("rows/00000000000000ff.parquet"), "half").unwrap();

        let scratch = Scratch::open(folder.path()).unwrap();
        let again = found(&scratch, "t");
        assert_eq!((again.rows(), again.schema.clone()), (2, keyed.schema.clone()));
        assert_eq!(
            (again.columns.clone(), again.keys.clone(), again.comment.clone()),
            (keyed.columns, keyed.keys, keyed.comment)
        );
        assert_eq!(again.acl, keyed.acl);
        assert!(matches!(scratch.current().get("anna", "v"), Some(Object::View(view)) if view.security_invoker));
        assert_eq!(files(folder.path()), 1);
    }

    #[test]
    fn what_is_dropped_leaves_the_disk_when_nobody_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(folder.path()).unwrap();
        let put = |name: &str, table: Table| {
            changed(&scratch, |space| {
                space.change("anna", |schema| {
                    schema.objects.insert(name.into(), Object::Table(Arc::new(table)));
                })
            })
            .unwrap();
        };
        put("t", table().with_more(part(&[1]), 0));
        let reading = found(&scratch, "t");
        // Small files are put together.
        for value in 2..40 {
            put("t", found(&scratch, "t").with_more(part(&[value]), usize::MAX));
        }
        assert!(found(&scratch, "t").parts.len() < 8);
        assert_eq!((found(&scratch, "t").rows(), reading.rows()), (39, 1));
        changed(&scratch, |space| space.change("anna", |schema| schema.objects.clear())).unwrap();
        assert_eq!(files(folder.path()), 1, "the file that is being read");
        drop(reading);
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_damaged_catalog_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("catalog.json"), "{\"schemas\": [").unwrap();
        assert!(matches!(Scratch::open(folder.path()), Err(ScratchError::Unreadable(..))));
    }
}
