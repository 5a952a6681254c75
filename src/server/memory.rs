//! Memory of one statement: a part of the server's, so that one that wants too much spills to disk or fails, and others go on.
//!
//! Counted are the operators of a statement: sorts, joins, aggregates. What outlives a statement is counted in the server's memory
//! alone: rows of scratch tables, those of SCROLL cursors, kept views.
//!
//! A sort that goes to disk needs memory to do so: it merges what it holds, and compares by copies of the keys that may be larger than
//! the rows. So what can spill gets a third of the share, and the rest is for what cannot, merges among them. A merge of files takes all
//! that it gets, so that one task of a sort would leave nothing for the others; together merges get half of the share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;
use placido_udfs::Stop;

/// How an error begins that says that a statement has used up its memory.
pub(crate) const USED_UP: &str = "a statement may use ";

/// What the operators of one statement take from: their own share first, then the server's pool.
#[derive(Debug)]
struct StatementPool {
    own: GreedyMemoryPool,
    /// What can go to disk takes from this, too; each of them gets the same part.
    spilling: FairSpillPool,
    merges: AtomicUsize,
    /// What each merge may take, however many there are.
    aside: usize,
    bytes: usize,
    server: Arc<dyn MemoryPool>,
}

impl StatementPool {
    fn shrink_own(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        if spills(reservation) {
            self.spilling.shrink(reservation, shrink);
        }
    }

    fn new(bytes: usize, aside: usize, server: &Arc<dyn MemoryPool>) -> Self {
        let (own, spilling) = (GreedyMemoryPool::new(bytes), FairSpillPool::new(bytes / 3));
        Self { own, spilling, merges: AtomicUsize::new(0), aside, bytes, server: Arc::clone(server) }
    }

    /// Whether a merge would have more than its part.
    fn is_greedy(&self, reservation: &MemoryReservation, additional: usize) -> bool {
        if !merges(reservation.consumer()) {
            return false;
        }
        let part = self.bytes / 2 / self.merges.load(Ordering::Relaxed).max(1);
        reservation.size().saturating_add(additional) > part.max(self.aside)
    }
}

/// Whether something is the merge of a sort, by the name that the engine gives it.
fn merges(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("ExternalSorterMerge")
}

/// Whether something can go to disk.
fn spills(reservation: &MemoryReservation) -> bool {
    reservation.consumer().can_spill()
}

impl fmt::Display for StatementPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(bytes: {})", self.name(), self.bytes)
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.spilling.register(consumer);
        self.merges.fetch_add(usize::from(merges(consumer)), Ordering::Relaxed);
        self.server.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.spilling.unregister(consumer);
        self.merges.fetch_sub(usize::from(merges(consumer)), Ordering::Relaxed);
        self.server.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        if spills(reservation) {
            self.spilling.grow(reservation, additional);
        }
        self.server.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.shrink_own(reservation, shrink);
        self.server.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let used_up = || {
            // The same kind of error, because operators answer it by spilling.
            DataFusionError::ResourcesExhausted(format!("{USED_UP}{}, which is not enough for this one", shown(self.bytes)))
        };
        if self.is_greedy(reservation, additional) {
            return Err(used_up());
        }
        self.own.try_grow(reservation, additional).map_err(|_| used_up())?;
        if spills(reservation) && self.spilling.try_grow(reservation, additional).is_err() {
            self.own.shrink(reservation, additional);
            return Err(used_up());
        }
        self.server.try_grow(reservation, additional).inspect_err(|_| self.shrink_own(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

/// What operators need, without the functions: with at most `bytes` of memory for all of them together, if that is limited, and with
/// what stops them.
pub(crate) fn context(base: &TaskContext, bytes: Option<usize>, stop: Option<&Stop>) -> Arc<TaskContext> {
    let mut config = base.session_config().clone();
    if let Some(stop) = stop {
        config.set_extension(Arc::new(stop.clone()));
    }
    let runtime = match bytes {
        Some(bytes) => Arc::new(share(&base.runtime_env(), &mut config, bytes)),
        None => base.runtime_env(),
    };
    Arc::new(TaskContext::new(
        None,
        base.session_id(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        runtime,
    ))
}

/// The server's environment with a share of its memory.
fn share(server: &RuntimeEnv, config: &mut SessionConfig, bytes: usize) -> RuntimeEnv {
    // Each task of a sort sets this aside for its merge before its first row, however few rows there are.
    let aside = (bytes / 16 / config.target_partitions().max(1)).min(config.options().execution.sort_spill_reservation_bytes);
    if aside < config.options().execution.sort_spill_reservation_bytes {
        config.options_mut().execution.sort_spill_reservation_bytes = aside;
    }
    let pool = StatementPool::new(bytes, aside, &server.memory_pool);
    RuntimeEnv { memory_pool: Arc::new(pool), ..server.clone() }
}

/// Bytes in the largest unit that needs no fraction, as PostgreSQL shows the values of its settings.
pub(crate) fn shown(bytes: usize) -> String {
    const UNITS: [(usize, &str); 4] = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes.is_multiple_of(*unit)) {
        Some((unit, word)) if bytes > 0 => format!("{}{word}", bytes / unit),
        _ => format!("{bytes}B"),
    }
}

/// Bytes as settings write them: a number with a unit, kilobytes without one.
pub(crate) fn parsed(value: &str) -> Option<usize> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let factor: usize = match unit.trim() {
        "B" => 1,
        "" | "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    #[test]
    fn a_statement_takes_from_its_own_share_and_from_the_servers() {
        let server: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000));
        let pool = |bytes| -> Arc<dyn MemoryPool> { Arc::new(StatementPool::new(bytes, 0, &server)) };
        let (small, large) = (pool(400), pool(900));
        let one = MemoryConsumer::new("one").register(&small);
        one.try_grow(400).unwrap();
        assert!(one.try_grow(1).unwrap_err().to_string().contains(USED_UP));
        let other = MemoryConsumer::new("other").register(&large);
        // Its own share would do; the server has no more.
        assert!(!other.try_grow(700).unwrap_err().to_string().contains(USED_UP));
        other.try_grow(600).unwrap();
        assert_eq!((server.reserved(), small.reserved(), large.reserved()), (1_000, 400, 600));
        drop((one, other));
        assert_eq!((server.reserved(), small.reserved(), large.reserved()), (0, 0, 0));
    }

    #[test]
    fn what_goes_to_disk_leaves_memory_for_the_way() {
        let server: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(10_000));
        let pool: Arc<dyn MemoryPool> = Arc::new(StatementPool::new(900, 100, &server));
        let sort = |name| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (first, second) = (sort("first"), sort("second"));
        first.try_grow(150).unwrap();
        assert!(first.try_grow(1).is_err());
        second.try_grow(150).unwrap();
        let join = MemoryConsumer::new("join").register(&pool);
        join.try_grow(600).unwrap();
        assert!(join.try_grow(1).is_err());
        drop((first, join));
        assert_eq!((pool.reserved(), server.reserved()), (150, 150));
        second.free();
        second.try_grow(300).unwrap();
        second.free();
        // Half of it for all merges, but to each what is set aside.
        let merge = |task| MemoryConsumer::new(format!("ExternalSorterMerge[{task}]")).register(&pool);
        let merges: Vec<_> = (0..2).map(merge).collect();
        for merge in &merges {
            merge.try_grow(225).unwrap();
            assert!(merge.try_grow(1).is_err());
            merge.free();
        }
        let more: Vec<_> = (2..9).map(merge).collect();
        more.iter().for_each(|merge| merge.try_grow(100).unwrap());
        assert!(more.iter().all(|merge| merge.try_grow(1).is_err()));
    }

    #[test]
    fn sizes_are_written_as_postgres_writes_them() {
        for (text, bytes, again) in
            [("64MB", 64 << 20, "64MB"), ("2048", 2 << 20, "2MB"), ("1GB", 1 << 30, "1GB"), ("100B", 100, "100B")]
        {
            assert_eq!((parsed(text), shown(bytes).as_str()), (Some(bytes), again));
        }
        assert_eq!(parsed("1 parsec"), None);
        assert_eq!(parsed("99999999999999999999TB"), None);
    }
}
