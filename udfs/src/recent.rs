//! A few prepared things that calls with the same settings share.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that a prepared thing holds on the heap.
pub(crate) trait Held {
    /// About how many.
    fn bytes(&self) -> usize;
}

/// Holds at most `LIMIT` prepared values of together `LIMIT_BYTES`, the least recently used of which goes first. A batch is often one file's one row, for
/// which preparing a fit or a raster would cost more than using it.
pub(crate) struct Recent<K, V> {
    entries: Mutex<Vec<(K, Arc<V>)>>,
}

const LIMIT: usize = 16;
const LIMIT_BYTES: usize = 128 << 20;

impl<K: PartialEq, V: Held> Recent<K, V> {
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
        entries.push((key, Arc::clone(&value)));
        while entries.len() > LIMIT || entries.iter().map(|(_, v)| v.bytes()).sum::<usize>() > LIMIT_BYTES {
            entries.remove(0);
        }
        Ok(value)
    }
}
