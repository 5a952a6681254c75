//! Long work on a thread of its own.
//!
//! A worker of the runtime serves many tasks by turns, and whatever goes on without a pause keeps all others waiting: the engine plans
//! a join of sixty tables for seconds at a stretch. On a thread of its own such work shares the processor with everything else as the
//! operating system sees fit. It cannot be taken off that thread, so it asks by itself whether anybody still waits: see [`check`].

use std::cell::RefCell;

use datafusion::error::DataFusionError;
use futures::future::{AbortHandle, Abortable};
use placido_udfs::Stop;
use tokio::runtime::Handle;

use super::stack::Roomy;

thread_local! {
    /// The work that this thread is for.
    static WORK: RefCell<Option<AbortHandle>> = const { RefCell::new(None) };
}

/// The work ended without a result: it panicked, which is a bug and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended;

/// Does work on a thread of its own, with room for deep recursion. When nobody waits for it any more, it ends at the next [`check`].
/// What is on such a thread already stays there.
pub(crate) async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Ended> {
    if WORK.with_borrow(Option::is_some) {
        return Ok(work.await);
    }
    let (stop, stopped) = AbortHandle::new_pair();
    // Constants are computed while a statement is planned.
    let functions = Stop::new();
    let waiting = Waiting(stop.clone(), functions.clone());
    let runtime = Handle::current();
    let thread = runtime.clone().spawn_blocking(move || {
        let _here = Here::of(stop);
        functions.during(|| runtime.block_on(Roomy::new(Abortable::new(work, stopped))))
    });
    let done = thread.await;
    drop(waiting);
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) | Err(_) => Err(Ended),
    }
}

/// Whether anybody still waits for the work of this thread.
///
/// # Errors
/// When nobody does; the error is for nobody either.
pub(crate) fn check() -> Result<(), DataFusionError> {
    match WORK.with_borrow(|work| work.as_ref().is_some_and(AbortHandle::is_aborted)) {
        true => Err(DataFusionError::Execution("nobody waits for this any more".to_owned())),
        false => Ok(()),
    }
}

/// Whoever waits for the work.
struct Waiting(AbortHandle, Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
        self.1.stop();
    }
}

/// Marks the thread for as long as it does the work; it serves others afterwards.
struct Here;

impl Here {
    fn of(work: AbortHandle) -> Self {
        WORK.set(Some(work));
        Self
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        WORK.set(None);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn alone() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn others_go_on_and_it_ends_with_whoever_waits() {
        alone().block_on(async {
            let (begun, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (begin, end) = (Arc::clone(&begun), Arc::clone(&ended));
            let endless = tokio::spawn(apart(async move {
                begin.store(true, Ordering::SeqCst);
                while check().is_ok() {
                    std::thread::yield_now();
                }
                end.store(true, Ordering::SeqCst);
            }));
            // The runtime has one thread, which is free.
            while !begun.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            endless.abort();
            assert!(endless.await.unwrap_err().is_cancelled());
            while !ended.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn what_is_apart_already_stays_on_its_thread() {
        alone().block_on(async {
            let thread = || std::thread::current().id();
            let (outer, inner) = apart(async move { (thread(), apart(async move { thread() }).await.unwrap()) }).await.unwrap();
            assert_eq!(outer, inner);
            assert_ne!(outer, thread());
            assert_eq!(apart(async { panic!("a bug") }).await, Err::<(), _>(Ended));
            // The thread is nobody's again.
            assert!(apart(async { check().is_ok() }).await.unwrap() && check().is_ok());
        });
    }
}
