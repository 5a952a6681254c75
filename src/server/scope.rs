//! What a plan depends on besides the text of its statement. Plans are shared between sessions whose scopes are equal.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::pg_catalog::PgCatalog;
use super::settings::Settings;

/// Settings that change neither what a statement means nor how it is planned. All others, the user and the role among them, are
/// looked at, so that one that is new keeps plans apart until it is known not to matter.
const IRRELEVANT: &[&str] = &[
    "application_name",
    "client_encoding",
    "client_min_messages",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "query_memory",
    "statement_timeout",
    "synchronous_commit",
    "transaction_isolation",
    "transaction_read_only",
];

/// User, role, its rights, search path, time zone and the like, and the snapshot of catalogue and data.
#[derive(Debug)]
pub(crate) struct Scope {
    settings: Vec<(String, String)>,
    /// The version of roles and grants.
    grants: u64,
    catalog: Arc<PgCatalog>,
}

impl Scope {
    pub(crate) fn new(settings: &Settings, grants: u64, catalog: &Arc<PgCatalog>) -> Self {
        let relevant = |(name, value, _): (String, String, String)| {
            // Names with a period are a client's own, except for the engine's.
            let own = name.contains('.') && !name.starts_with("datafusion.");
            (!own && !IRRELEVANT.contains(&name.as_str())).then_some((name, value))
        };
        Self { settings: settings.all().into_iter().filter_map(relevant).collect(), grants, catalog: Arc::clone(catalog) }
    }

    /// Whether both stand for the same snapshot.
    pub(crate) fn same_snapshot(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.catalog, &other.catalog)
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.same_snapshot(other) && self.grants == other.grants && self.settings == other.settings
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.catalog).cast::<()>().hash(state);
        (&self.settings, self.grants).hash(state);
    }
}

/// Whether two scopes are one and the same or equal.
pub(crate) fn equal(one: &Arc<Scope>, other: &Arc<Scope>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
