//! A few prepared things that calls with the same settings share.

use std::sync::{Arc, Mutex, PoisonError};

/// Holds at most `LIMIT` prepared values, the least recently used of which goes first. A batch is often one file's one row, for
/// which preparing a fit or a raster would cost more than using it.
pub(crate) struct Recent<K, V> {
    entries: Mutex<Vec<(K, Arc<V>)>>,
}

const LIMIT: usize = 16;

impl<K: PartialEq, V> Recent<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()) }
    }

    /// The value of a key, prepared now if it is not there. Two threads may prepare the same; one result is kept.
    pub(crate) fn get<E>(&self, key: K, prepare: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = entries.iter().position(|(k, _)| *k == key) {
                let entry = entries.remove(at);
                let value = Arc::clone(&entry.1);
                entries.push(entry);
                return Ok(value);
            }
        }
        let value = Arc::new(prepare()?);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= LIMIT {
            entries.remove(0);
        }
        entries.push((key, Arc::clone(&value)));
        Ok(value)
    }
}
