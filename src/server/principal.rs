//! On whose behalf a session acts, and what that allows at this moment.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::PgError;
use super::settings::Settings;
use crate::access::roles::{Actor, Rights};
use crate::access::{Access, AccessError};

impl From<AccessError> for PgError {
    fn from(error: AccessError) -> Self {
        let told = PgError::new(error.code, error.message);
        match error.hint {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    }
}

/// Who has logged in.
#[derive(Debug)]
pub(crate) struct SessionUser {
    pub(crate) access: Arc<Access>,
    pub(crate) name: String,
    /// Whether this is somebody on this machine before there are users, who may do everything.
    pub(crate) trusted: bool,
}

impl SessionUser {
    /// Whether nothing is forbidden to a role that this user acts as.
    pub(crate) fn is_superuser(&self, role: &str) -> bool {
        self.trusted && role == self.name || self.access.roles().get(role).is_some_and(|role| role.superuser)
    }

    /// Whether a session of this user may be one of another user: `SET SESSION AUTHORIZATION`.
    pub(crate) fn may_be(&self, user: &str) -> Result<(), PgError> {
        if user == self.name {
            return Ok(());
        }
        if self.access.roles().get(user).is_none() {
            return Err(PgError::new("22023", format!("role \"{user}\" does not exist")));
        }
        match self.is_superuser(&self.name) {
            true => Ok(()),
            false => Err(PgError::new("42501", "permission denied to set session authorization")),
        }
    }

    /// Whether a session that is one of the user `session` may `SET ROLE`.
    pub(crate) fn may_become(&self, session: &str, role: &str) -> Result<(), PgError> {
        if role == "none" || role == session {
            return Ok(());
        }
        let roles = self.access.roles();
        if roles.get(role).is_none() {
            return Err(PgError::new("22023", format!("role \"{role}\" does not exist")));
        }
        if self.trusted && session == self.name || roles.may_become(session, role) {
            return Ok(());
        }
        Err(PgError::new("42501", format!("permission denied to set role \"{role}\"")))
    }
}

/// The role that a session acts as: its user, or what `SET ROLE` says.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) user: Arc<SessionUser>,
    settings: Settings,
    /// The owner of a view, on whose behalf it is read; then what `SET ROLE` says does not matter.
    lent: Option<String>,
    last: Mutex<Option<Known>>,
}

/// What was found out last.
#[derive(Debug, Clone)]
struct Known {
    version: u64,
    role: String,
    rights: Arc<Rights>,
}

impl Principal {
    pub(crate) fn new(user: Arc<SessionUser>, settings: Settings) -> Self {
        Self { user, settings, lent: None, last: Mutex::default() }
    }

    /// The owner of a view, who lends its rights to this session.
    pub(crate) fn lend(&self, owner: &str) -> Self {
        let (user, settings) = (Arc::clone(&self.user), self.settings.clone());
        Self { user, settings, lent: Some(owner.to_owned()), last: Mutex::default() }
    }

    /// The name of the role.
    pub(crate) fn role(&self) -> String {
        if let Some(owner) = &self.lent {
            return owner.clone();
        }
        let role = self.settings.get("role").filter(|role| role != "none");
        role.or_else(|| self.settings.get("session_authorization")).unwrap_or_else(|| self.user.name.clone())
    }

    /// The role, and the version of the grants that hold for it: what is planned for one pair may be run for the same pair only.
    pub(crate) fn key(&self) -> (String, u64) {
        (self.role(), self.user.access.version())
    }

    /// What the role may do now.
    pub(crate) fn rights(&self) -> Arc<Rights> {
        let (role, version) = self.key();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*last
            && known.version == version
            && known.role == role
        {
            return Arc::clone(&known.rights);
        }
        let (version, rights) = match self.lent.is_none() && self.user.trusted && role == self.user.name {
            true => (version, Rights::everything()),
            false => self.user.access.rights(&role),
        };
        let rights = Arc::new(rights);
        *last = Some(Known { version, role, rights: Arc::clone(&rights) });
        rights
    }

    /// Makes something with this session as the one who asks for it.
    pub(crate) fn act<T>(&self, what: impl FnOnce(Actor<'_>) -> T) -> T {
        let role = self.role();
        if self.user.trusted && role == self.user.name { what(Actor::Everything) } else { what(Actor::Role(&role)) }
    }
}
