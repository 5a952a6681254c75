//! What was found out about files, kept on disk so that a file that has not changed is not opened again after a restart.
//!
//! It holds no path and no name: a file is known by its key, what it says by keys and codes. All of it can be found out again
//! except when a file was first seen; so a manifest that can't be read is set aside, and none is written where none may be.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::facts::Facts;
use super::recognise::Refused;
use super::together::own;
use crate::device::Device;
use crate::devices::DEVICES;
use crate::issue::IssueCode;

/// Marks a database as a manifest: `plac` in ASCII.
const APPLICATION_ID: i32 = 0x706c_6163;
/// The form of its table.
const FORM: i32 = 1;
/// Which readers said it.
const READERS: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("PLACIDO_READERS"));
/// How long another process may write.
const BUSY: Duration = Duration::from_secs(5);
/// Files that are gone for longer are forgotten, in microseconds.
const REMEMBERED_US: i64 = 400 * 24 * 3600 * 1_000_000;

/// What is remembered of files by their keys.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    entries: Mutex<HashMap<String, Entry>>,
    disk: Option<Arc<Disk>>,
}

/// What is remembered of one file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// What it looked like then.
    pub(crate) stamp: String,
    pub(crate) size: u64,
    pub(crate) modified_us: i64,
    pub(crate) first_seen_us: i64,
    /// When it was no longer listed.
    pub(crate) gone_us: Option<i64>,
    /// The device or why there is none, once it was opened.
    pub(crate) device: Option<Result<&'static str, Refused>>,
    /// What was read of it.
    pub(crate) facts: Option<Arc<Facts>>,
}

impl Entry {
    /// The device that these readers recognised.
    pub(crate) fn recognised(&self) -> Option<Result<&'static dyn Device, Refused>> {
        match self.device.as_ref()? {
            Ok(name) => DEVICES.iter().copied().find(|device| device.name() == *name).map(Ok),
            Err(refused) => Some(Err(refused.clone())),
        }
    }
}

#[derive(Debug)]
struct Disk {
    connection: Mutex<Connection>,
    /// Which lake the files are of, where several were served from one data folder.
    lake: String,
}

impl Manifest {
    /// The manifest in `file` for the lake that is known as `lake`. Where the file can't be used it lives in memory alone.
    pub(crate) fn open(file: &Path, lake: &str, write: bool) -> Self {
        if !write && !file.exists() {
            return Self::default();
        }
        let attempt = || Disk::open(file, lake, write).and_then(|disk| Ok((disk.load()?, disk)));
        let opened = attempt().or_else(|error| {
            if !(write && is_foreign(&error)) {
                return Err(error);
            }
            let aside = set_aside(file);
            tracing::warn!("the manifest can't be read ({error}); it was {aside}, and all files are inspected again");
            attempt()
        });
        match opened {
            Ok((entries, disk)) => Self { entries: Mutex::new(entries), disk: write.then(|| Arc::new(disk)) },
            Err(error) => {
                tracing::warn!("the manifest can't be used ({error}); files are inspected without it");
                Self::default()
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a file that looks as `stamp` says: its device, and what was read of it if the files that it is read
    /// together with are the same, too.
    pub(crate) fn unchanged(&self, file_id: &str, stamp: &str) -> Option<Entry> {
        let mut entry = self.entries().get(file_id).filter(|entry| own(&entry.stamp) == own(stamp)).cloned()?;
        entry.facts = entry.facts.filter(|_| entry.stamp == stamp);
        Some(entry)
    }

    /// When a file was first seen, if before now.
    pub(crate) fn first_seen_us(&self, file_id: &str) -> Option<i64> {
        self.entries().get(file_id).map(|entry| entry.first_seen_us)
    }

    /// Takes what was found out; files that are not among those `present` are remembered as gone since `now_us`.
    pub(crate) async fn remember(&self, found: Vec<(String, Entry)>, present: Option<&HashSet<&str>>, now_us: i64) {
        let mut changed: Vec<(String, Entry)> = Vec::new();
        {
            let mut entries = self.entries();
            for (file_id, entry) in found {
                if entries.get(&file_id) != Some(&entry) {
                    entries.insert(file_id.clone(), entry.clone());
                    changed.push((file_id, entry));
                }
            }
            if let Some(present) = present {
                for (file_id, entry) in
                    entries.iter_mut().filter(|(file_id, entry)| entry.gone_us.is_none() && !present.contains(file_id.as_str()))
                {
                    entry.gone_us = Some(now_us);
                    changed.push((file_id.clone(), entry.clone()));
                }
            }
        }
        let Some(disk) = self.disk.clone().filter(|_| !changed.is_empty()) else { return };
        let save = move || disk.save(&changed);
        let saved = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(save).await.unwrap_or(Ok(())),
            Err(_) => save(),
        };
        if let Err(error) = saved {
            tracing::warn!("the manifest could not be written ({error}); files may be inspected again after a restart");
        }
    }
}

impl Disk {
    fn open(file: &Path, lake: &str, write: bool) -> rusqlite::Result<Self> {
        if write {
            create_private(file);
        }
        let flags = if write {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 && write {
            connection.execute_batch(&format!(
                "begin immediate;
                 create table if not exists file (
                     lake text not null, file_id text not null, stamp text not null, readers text not null,
                     size integer not null, modified_us integer not null, first_seen_us integer not null, gone_us integer,
                     device text, issue text, reason text, facts text,
                     primary key (lake, file_id)
                 ) without rowid;
                 pragma application_id = {APPLICATION_ID};
                 pragma user_version = {FORM};
                 commit;"
            ))?;
        }
        if number("application_id")? != APPLICATION_ID || number("user_version")? != FORM {
            return Err(foreign("it is no manifest of this version"));
        }
        let sound: String = connection.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(foreign("it is damaged"));
        }
        Ok(Self { connection: Mutex::new(connection), lake: lake.to_owned() })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> rusqlite::Result<HashMap<String, Entry>> {
        let connection = self.connection();
        let mut query = connection.prepare(
            "select file_id, stamp, size, modified_us, first_seen_us, gone_us, readers, device, issue, reason, facts from file where lake = ?1",
        )?;
        let rows = query.query_map([&self.lake], |row| {
            let current = row.get_ref(6)?.as_str()? == READERS;
            let device: Option<String> = row.get(7)?;
            let (issue, reason): (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
            let facts: Option<String> = row.get(10)?;
            let known = |name: &str| DEVICES.iter().map(|device| device.name()).find(|known| *known == name);
            let code = |name: &str| IssueCode::ALL.iter().copied().find(|code| code.as_str() == name);
            let device = match (device, issue) {
                (Some(device), _) => known(&device).map(Ok),
                (None, Some(issue)) => code(&issue).map(|code| Err(Refused::new(code, reason.unwrap_or_default()))),
                (None, None) => None,
            };
            let entry = Entry {
                stamp: row.get(1)?,
                size: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
                modified_us: row.get(3)?,
                first_seen_us: row.get(4)?,
                gone_us: row.get(5)?,
                device: device.filter(|_| current),
                facts: facts.filter(|_| current).and_then(|facts| serde_json::from_str(&facts).ok()).map(Arc::new),
            };
            Ok((row.get(0)?, entry))
        })?;
        rows.collect()
    }

    fn save(&self, entries: &[(String, Entry)]) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        {
            // The earliest sight of a file counts, whichever process had it.
            let mut insert = transaction.prepare_cached(
                "insert into file (lake, file_id, stamp, readers, size, modified_us, first_seen_us, gone_us, device, issue, reason, facts)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 on conflict (lake, file_id) do update set
                     stamp = excluded.stamp, readers = excluded.readers, size = excluded.size, modified_us = excluded.modified_us,
                     first_seen_us = min(first_seen_us, excluded.first_seen_us), gone_us = excluded.gone_us,
                     device = excluded.device, issue = excluded.issue, reason = excluded.reason, facts = excluded.facts",
            )?;
            for (file_id, entry) in entries {
                let (device, refused) = match &entry.device {
                    Some(Ok(device)) => (Some(*device), None),
                    Some(Err(refused)) => (None, Some(refused)),
                    None => (None, None),
                };
                let facts = entry.facts.as_ref().and_then(|facts| serde_json::to_string(facts.as_ref()).ok());
                insert.execute(params![
                    self.lake,
                    file_id,
                    entry.stamp,
                    READERS,
                    i64::try_from(entry.size).unwrap_or(i64::MAX),
                    entry.modified_us,
                    entry.first_seen_us,
                    entry.gone_us,
                    device,
                    refused.map(|refused| refused.code.as_str()),
                    refused.map(|refused| refused.reason.as_str()),
                    facts,
                ])?;
            }
        }
        let forgotten = chrono::Utc::now().timestamp_micros() - REMEMBERED_US;
        transaction.execute("delete from file where gone_us < ?1", [forgotten])?;
        transaction.commit()
    }
}

/// Makes the file, readable by its owner alone; what SQLite writes beside it takes the same permissions.
fn create_private(file: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Where it exists already or can't be made, SQLite says so in better words.
    drop(options.open(file));
}

fn foreign(message: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), Some(message.to_owned()))
}

/// Whether the file is something else than a sound manifest, as opposed to one that can't be reached now.
fn is_foreign(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown),
        // Values of other types than ours.
        None => true,
    }
}

/// Moves a file out of the way, with what SQLite wrote beside it; says where it is.
fn set_aside(file: &Path) -> String {
    let with = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for suffix in ["-journal", "-wal", "-shm"] {
        drop(std::fs::remove_file(with(suffix)));
    }
    let aside = with(".damaged");
    match std::fs::rename(file, &aside) {
        Ok(()) => format!("set aside as {}", aside.display()),
        Err(error) => format!("not possible to set it aside ({})", error.kind()),
    }
}
