//! Who may do what: roles and grants, how users show who they are, and the rules for connections.
//!
//! [`Access`] is what a running server has of it. It follows its files: a change by the command line or another process is seen
//! without a restart, and a file with a mistake changes nothing.

pub mod acl;
mod change;
mod file;
mod privilege;
mod rights;
pub mod roles;
pub mod rules;
pub mod scram;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub(crate) use file::{FileState, file_state};
use roles::{Actor, Change, Rights, Roles};
use rules::Rules;

/// An error as PostgreSQL would tell it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
pub struct AccessError {
    /// SQLSTATE.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl AccessError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What holds at a moment.
#[derive(Debug, Clone)]
struct Live {
    roles: Arc<Roles>,
    rules: Arc<Rules>,
    /// The configured rules; nothing where the defaults hold.
    configured: Option<Arc<Rules>>,
}

/// Roles, grants and rules of a running server.
#[derive(Debug)]
pub struct Access {
    /// Where roles are kept; nothing where they end with the process.
    roles_file: Option<PathBuf>,
    rules_file: Option<PathBuf>,
    live: RwLock<Live>,
    /// Changes only while `live` is written to.
    version: AtomicU64,
    /// The states of the files that were read last. Held while they are read and written.
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    roles: Option<FileState>,
    rules: Option<FileState>,
}

impl Access {
    /// No files: this machine is trusted until roles are made, and these end with the process.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn in_memory() -> Result<Self, AccessError> {
        let roles = fresh()?;
        let live = Live { rules: Arc::new(Rules::default_for(&roles)), roles: Arc::new(roles), configured: None };
        let seen = Mutex::new(Seen { roles: None, rules: None });
        Ok(Self { roles_file: None, rules_file: None, live: RwLock::new(live), version: AtomicU64::default(), seen })
    }

    /// Reads roles and rules. There need not be any file of roles yet; a file of rules that is named must be there.
    ///
    /// # Errors
    /// What is wrong with a file, and where.
    pub fn open(roles_file: PathBuf, rules_file: Option<PathBuf>) -> Result<Self, AccessError> {
        let seen = Seen { roles: file_state(&roles_file), rules: rules_file.as_deref().and_then(file_state) };
        let roles = match file::load(&roles_file)? {
            Some(roles) => roles,
            None => fresh()?,
        };
        let configured = rules_file.as_deref().map(read_rules).transpose()?.map(Arc::new);
        let live = Live { rules: effective(&roles, configured.as_ref()), roles: Arc::new(roles), configured };
        let (live, version) = (RwLock::new(live), AtomicU64::default());
        Ok(Self { roles_file: Some(roles_file), rules_file, live, version, seen: Mutex::new(seen) })
    }

    fn live<T>(&self, look: impl FnOnce(&Live) -> T) -> T {
        look(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The roles as they are now.
    pub fn roles(&self) -> Arc<Roles> {
        self.live(|live| Arc::clone(&live.roles))
    }

    /// The rules as they are now.
    pub fn rules(&self) -> Arc<Rules> {
        self.live(|live| Arc::clone(&live.rules))
    }

    /// Whether rules are configured, and not only the defaults hold.
    pub fn has_rules(&self) -> bool {
        self.live(|live| live.configured.is_some())
    }

    /// Grows with every change of roles, grants or rules.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What a role may do now, and the version of which that is true.
    pub(crate) fn rights(&self, role: &str) -> (u64, Rights) {
        self.live(|live| (self.version(), live.roles.rights(role)))
    }

    /// Reads the files again where they have changed. What has a mistake is logged once, and the old state stays.
    pub fn refresh(&self) {
        let mut seen = self.seen();
        let now = Seen {
            roles: self.roles_file.as_deref().and_then(file_state),
            rules: self.rules_file.as_deref().and_then(file_state),
        };
        if *seen == now {
            return;
        }
        if seen.roles != now.roles
            && let Some(path) = &self.roles_file
        {
            match file::load(path) {
                Ok(Some(roles)) => self.publish(Some(roles), None),
                // Whoever takes the file away does not open the server.
                Ok(None) => tracing::error!("the file of roles is gone; the roles that were read last stay"),
                Err(error) => tracing::error!(%error, "the file of roles cannot be read; the roles that were read last stay"),
            }
        }
        if seen.rules != now.rules
            && let Some(path) = &self.rules_file
        {
            match read_rules(path) {
                Ok(rules) => self.publish(None, Some(rules)),
                Err(error) => tracing::error!(%error, "the rules for connections cannot be read; those that were read last stay"),
            }
        }
        *seen = now;
    }

    /// Makes changes, all or none, and keeps them.
    ///
    /// # Errors
    /// As [`Roles::change`]; when the file cannot be written.
    pub fn change(&self, by: Actor<'_>, changes: &[Change]) -> Result<(), AccessError> {
        let Some(path) = &self.roles_file else {
            let _seen = self.seen();
            let mut roles = self.roles().as_ref().clone();
            changes.iter().try_for_each(|change| roles.change(by, change))?;
            self.publish(Some(roles), None);
            return Ok(());
        };
        let mut seen = self.seen();
        let _lock = file::lock(path)?;
        // Another process may have changed the file a moment ago.
        let mut roles = match file::load(path)? {
            Some(roles) => roles,
            None => self.roles().as_ref().clone(),
        };
        changes.iter().try_for_each(|change| roles.change(by, change))?;
        file::save(path, &roles)?;
        seen.roles = file_state(path);
        self.publish(Some(roles), None);
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, roles: Option<Roles>, rules: Option<Rules>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(roles) = roles {
            live.roles = Arc::new(roles);
        }
        if let Some(rules) = rules {
            live.configured = Some(Arc::new(rules));
        }
        live.rules = effective(&live.roles, live.configured.as_ref());
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn effective(roles: &Roles, configured: Option<&Arc<Rules>>) -> Arc<Rules> {
    configured.map_or_else(|| Arc::new(Rules::default_for(roles)), Arc::clone)
}

fn fresh() -> Result<Roles, AccessError> {
    let secret = scram::random::<32>().map_err(|error| AccessError::new("58000", error.to_string()))?;
    Ok(Roles::new(secret.to_vec()))
}

fn read_rules(path: &Path) -> Result<Rules, AccessError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| AccessError::new("F0000", format!("could not open file \"{}\": {error}", path.display())))?;
    Rules::parse(&text).map_err(|mistake| AccessError::new("F0000", format!("{}, {mistake}", path.display())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::roles::Options;
    use super::*;

    fn user(password: &str) -> Options {
        Options { login: Some(true), password: Some(Some(scram::Verifier::of(password).unwrap())), ..Options::default() }
    }

    #[test]
    fn changes_are_kept_and_seen_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/access.toml");
        let one = Access::open(file.clone(), None).unwrap();
        let other = Access::open(file.clone(), None).unwrap();
        one.change(Actor::Everything, &[Change::Create("anna".into(), user("a"))]).unwrap();
        other.change(Actor::Everything, &[Change::Create("bert".into(), user("b"))]).unwrap();
        one.refresh();
        assert!(one.roles().get("anna").is_some() && one.roles().get("bert").is_some());
        assert!(one.version() >= 2);
        let again = Access::open(file.clone(), None).unwrap();
        assert_eq!(again.roles(), one.roles());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!std::fs::read_to_string(&file).unwrap().contains("\"a\""), "no password is kept");
    }

    #[test]
    fn all_changes_or_none() {
        let access = Access::in_memory().unwrap();
        let changes = [Change::Create("anna".into(), user("a")), Change::Drop("nobody".into())];
        assert_eq!(access.change(Actor::Everything, &changes).unwrap_err().code, "42704");
        assert!(access.roles().get("anna").is_none());
    }

    #[test]
    fn a_broken_file_changes_nothing_and_stops_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let (roles, rules) = (folder.path().join("access.toml"), folder.path().join("pg_hba.conf"));
        std::fs::write(&rules, "host all all 127.0.0.1/32 trust\n").unwrap();
        let access = Access::open(roles.clone(), Some(rules.clone())).unwrap();
        access.change(Actor::Everything, &[Change::Create("anna".into(), user("a"))]).unwrap();
        let before = access.version();
        std::fs::write(&roles, "half = ").unwrap();
        std::fs::write(&rules, "host all all everywhere trust\n").unwrap();
        access.refresh();
        assert!(access.roles().get("anna").is_some() && access.version() == before);
        assert!(Access::open(roles.clone(), None).unwrap_err().message.contains("access.toml, line 1"));
        assert!(Access::open(folder.path().join("none"), Some(rules.clone())).unwrap_err().message.contains("line 1"));
        std::fs::remove_file(&roles).unwrap();
        access.refresh();
        assert!(access.roles().is_closed(), "a file that is gone opens nothing");
        std::fs::write(&rules, "host all all all reject\n").unwrap();
        access.refresh();
        assert!(access.version() > before);
    }
}
