//! Statements that have been planned, shared between sessions: found by their text, where the scope is the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::prepared::Prepared;
use super::scope::{self, Scope};

/// What the cache may hold.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    statements: usize,
    /// As far as sizes can be told.
    bytes: usize,
}

const BOUNDS: Bounds = Bounds { statements: 512, bytes: 64 * 1024 * 1024 };
/// Texts that are remembered for having been seen.
const SEEN: usize = 1_024;

/// The planned statements. The least recently used ones make room for new ones.
#[derive(Debug)]
pub(crate) struct PlanCache {
    kept: Mutex<Kept>,
    hasher: RandomState,
    bounds: Bounds,
}

#[derive(Debug)]
struct Kept {
    by_hash: HashMap<u64, Entry>,
    clock: u64,
    seen: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    scope: Arc<Scope>,
    types: Vec<u32>,
    prepared: Arc<Prepared>,
    used: u64,
}

impl Entry {
    fn is(&self, scope: &Arc<Scope>, sql: &str, types: &[u32]) -> bool {
        self.prepared.source == sql && self.types == types && scope::equal(&self.scope, scope)
    }

    /// Reading a statement takes a hundred times its length; a column has names, types and a place in several schemas.
    fn bytes(&self) -> usize {
        let planned = self.prepared.planned.as_ref();
        let columns = planned.map_or(0, |planned| planned.schema.fields().len());
        let plans = planned.and_then(|planned| planned.kept.as_ref()).map_or(0, super::kept_plan::KeptPlan::bytes);
        100 * self.prepared.source.len() + 1_024 * columns + plans
    }
}

impl Default for PlanCache {
    fn default() -> Self {
        Self::with(BOUNDS)
    }
}

impl PlanCache {
    fn with(bounds: Bounds) -> Self {
        let kept = Kept { by_hash: HashMap::new(), clock: 0, seen: vec![0; SEEN] };
        Self { kept: Mutex::new(kept), hasher: RandomState::new(), bounds }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, scope: &Scope, sql: &str, types: &[u32]) -> u64 {
        self.hasher.hash_one((scope, sql, types))
    }

    /// The statement of this text with these types of parameters, if it has been planned.
    pub(crate) fn get(&self, scope: &Arc<Scope>, sql: &str, types: &[u32]) -> Option<Arc<Prepared>> {
        let hash = self.hash(scope, sql, types);
        let mut kept = self.kept();
        kept.clock += 1;
        let now = kept.clock;
        let entry = kept.by_hash.get_mut(&hash).filter(|entry| entry.is(scope, sql, types))?;
        entry.used = now;
        Some(Arc::clone(&entry.prepared))
    }

    /// Whether the text was seen not long ago, so that it pays to keep its plan. Texts with values in them mostly come once.
    pub(crate) fn comes_again(&self, scope: &Arc<Scope>, sql: &str) -> bool {
        let hash = self.hash(scope, sql, &[]);
        let mut kept = self.kept();
        let place = usize::try_from(hash % SEEN as u64).unwrap_or(0);
        kept.seen.get_mut(place).is_some_and(|slot| std::mem::replace(slot, hash) == hash)
    }

    /// Keeps a statement, if its plan is one that may be kept.
    pub(crate) fn insert(&self, scope: &Arc<Scope>, types: &[u32], prepared: &Arc<Prepared>) {
        if prepared.planned.as_ref().is_none_or(|planned| planned.kept.is_none()) {
            return;
        }
        let hash = self.hash(scope, &prepared.source, types);
        let mut kept = self.kept();
        kept.clock += 1;
        let used = kept.clock;
        let entry = Entry { scope: Arc::clone(scope), types: types.to_vec(), prepared: Arc::clone(prepared), used };
        if entry.bytes() > self.bounds.bytes / 8 {
            return;
        }
        // Nobody begins a statement on an older snapshot, except in a transaction, which can plan for itself.
        kept.by_hash.retain(|_, other| other.scope.same_snapshot(scope));
        kept.by_hash.insert(hash, entry);
        let mut bytes: usize = kept.by_hash.values().map(Entry::bytes).sum();
        while kept.by_hash.len() > self.bounds.statements || bytes > self.bounds.bytes {
            let Some(oldest) = kept.by_hash.iter().min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash) else { break };
            bytes -= kept.by_hash.remove(&oldest).map_or(0, |entry| entry.bytes().min(bytes));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use datafusion::catalog::MemoryCatalogProvider;
    use datafusion::logical_expr::LogicalPlanBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::server::kept_plan::KeptPlan;
    use crate::server::pg_catalog::PgCatalog;
    use crate::server::plan::{Planned, Runs};
    use crate::server::settings::Settings;
    use crate::server::{Sessions, TableDescription};

    struct Nothing;

    impl Sessions for Nothing {
        fn open(&self) -> datafusion::error::Result<SessionContext> {
            datafusion::common::internal_err!("there are no sessions")
        }

        fn describe(&self, _: &str, _: &str) -> Option<TableDescription> {
            None
        }

        fn schema_comment(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn snapshot() -> Arc<PgCatalog> {
        PgCatalog::new(Arc::new(MemoryCatalogProvider::new()), Arc::new(Nothing), "placido".into())
    }

    fn scope(user: &str, catalog: &Arc<PgCatalog>, set: &[(&str, &str)]) -> Arc<Scope> {
        let settings = Settings::new(user, "gold", &[]).unwrap();
        for (name, value) in set {
            settings.set(name, Some(value), false).unwrap();
        }
        Arc::new(Scope::new(&settings, 0, catalog))
    }

    fn prepared(sql: &str, scope: &Arc<Scope>) -> Arc<Prepared> {
        let plan = LogicalPlanBuilder::empty(true).build().unwrap();
        let planned = Planned {
            schema: Arc::new(plan.schema().as_arrow().clone()),
            names: Vec::new(),
            parameters: Vec::new(),
            explain: None,
            kept: KeptPlan::of(&plan),
            runs: Runs::default(),
            description: Default::default(),
            sent: Default::default(),
            plan,
            writing: None,
        };
        Arc::new(Prepared {
            statement: None,
            planned: Some(Arc::new(planned)),
            source: sql.to_owned(),
            from_sql: false,
            declared: Vec::new(),
            scope: Arc::clone(scope),
        })
    }

    #[test]
    fn a_plan_is_found_only_where_nothing_that_it_depends_on_differs() {
        let (cache, now) = (PlanCache::default(), snapshot());
        let anna = scope("anna", &now, &[]);
        cache.insert(&anna, &[23], &prepared("select $1", &anna));
        let finds = |scope: &Arc<Scope>, sql: &str, types: &[u32]| cache.get(scope, sql, types).is_some();
        assert!(finds(&anna, "select $1", &[23]));
        assert!(finds(&scope("anna", &now, &[("application_name", "other"), ("statement_timeout", "7")]), "select $1", &[23]));
        assert!(!finds(&anna, "select $1 ", &[23]));
        assert!(!finds(&anna, "select $1", &[25]));
        assert!(!finds(&scope("berta", &now, &[]), "select $1", &[23]));
        for (name, value) in [("search_path", "silver"), ("timezone", "+02:00"), ("datafusion.execution.batch_size", "7")] {
            assert!(!finds(&scope("anna", &now, &[(name, value)]), "select $1", &[23]), "{name}");
        }
        assert!(!finds(&scope("anna", &snapshot(), &[]), "select $1", &[23]));
    }

    #[test]
    fn what_is_least_recently_used_makes_room() {
        let cache = PlanCache::with(Bounds { statements: 3, bytes: usize::MAX });
        let scope = scope("anna", &snapshot(), &[]);
        for sql in ["a", "b", "c"] {
            cache.insert(&scope, &[], &prepared(sql, &scope));
        }
        assert!(cache.get(&scope, "a", &[]).is_some());
        cache.insert(&scope, &[], &prepared("d", &scope));
        let held = ["a", "b", "c", "d"].map(|sql| cache.get(&scope, sql, &[]).is_some());
        assert_eq!(held, [true, false, true, true]);

        let cache = PlanCache::with(Bounds { statements: 100, bytes: 100_000 });
        let long = |n: usize| format!("select {n} -- {}", "x".repeat(100));
        for n in 0..50 {
            cache.insert(&scope, &[], &prepared(&long(n), &scope));
        }
        let held = (0..50).filter(|n| cache.get(&scope, &long(*n), &[]).is_some()).count();
        assert!((1..10).contains(&held), "{held}");
        assert!(cache.get(&scope, &long(49), &[]).is_some());
        // One that would fill it alone is not taken.
        let huge = "x".repeat(10_000);
        cache.insert(&scope, &[], &prepared(&huge, &scope));
        assert!(cache.get(&scope, &huge, &[]).is_none());
    }

    #[test]
    fn a_new_snapshot_lets_the_old_one_go() {
        let (cache, old) = (PlanCache::default(), snapshot());
        let before = scope("anna", &old, &[]);
        cache.insert(&before, &[], &prepared("select 1", &before));
        let after = scope("anna", &snapshot(), &[]);
        cache.insert(&after, &[], &prepared("select 2", &after));
        assert!(cache.get(&before, "select 1", &[]).is_none());
    }

    #[test]
    fn a_text_comes_again_the_second_time() {
        let cache = PlanCache::default();
        let scope = scope("anna", &snapshot(), &[]);
        assert!(!cache.comes_again(&scope, "select 1"));
        assert!(!cache.comes_again(&scope, "select 2"));
        assert!(cache.comes_again(&scope, "select 1"));
    }
}
