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
        if !prepared.planned.as_ref().is_some_and(|planned| planned.kept.is_some()) {
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
