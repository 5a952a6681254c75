//! The file of the roles: read, locked, and replaced in one step.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::AccessError;
use super::roles::Roles;

/// Far more than any clinic's roles take.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

const HEAD: &str =
    "# Roles and what is granted to them. Written by `placido users` and by CREATE ROLE, GRANT and their relatives.\n\n";

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// The state of a file; nothing where there is none.
pub(crate) fn file_state(path: &Path) -> Option<FileState> {
    let meta = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some(FileState { modified: meta.modified().ok(), length: meta.len(), inode })
}

/// Reads the roles; nothing where there is no file.
pub(super) fn load(path: &Path) -> Result<Option<Roles>, AccessError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| unusable(path, &error))?;
    // The parser's own message quotes the line, which may hold a verifier.
    toml::from_str(&text).map(Some).map_err(|error| {
        let at = error.span().map_or(0, |span| text.get(..span.start).map_or(0, |before| before.lines().count().max(1)));
        AccessError::new("F0000", format!("{}, line {at}: this is not a file of roles: {}", path.display(), error.message()))
            .with_hint("Restore it from a backup, or move it away: then there are no users.")
    })
}

/// Replaces the file: whoever reads it sees the old or the new one, never half of it.
pub(super) fn save(path: &Path, roles: &Roles) -> Result<(), AccessError> {
    let text = toml::to_string(roles).map_err(|error| AccessError::new("58030", format!("roles cannot be written: {error}")))?;
    let next = path.with_extension("toml.next");
    let written = || -> io::Result<()> {
        let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&next)?;
        restrict(&file)?;
        file.write_all(HEAD.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&next, path)?;
        // The new name is on the disk only when its folder is.
        if let Some(folder) = path.parent()
            && let Ok(folder) = File::open(folder)
        {
            folder.sync_all()?;
        }
        Ok(())
    };
    written().map_err(|error| unusable(path, &error))
}

/// Held while the roles are read, changed and written, by this or another process.
pub(super) fn lock(path: &Path) -> Result<File, AccessError> {
    let place: PathBuf = path.with_extension("lock");
    let locked = || -> io::Result<File> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(&place)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|error| unusable(&place, &error))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A file that was there already keeps its mode when it is opened.
fn restrict(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> AccessError {
    AccessError::new("58030", format!("{}: {error}", path.display()))
}
