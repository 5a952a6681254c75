//! Whether anybody still waits for what is computed.
//!
//! What computes for long cannot be taken off its thread, so it asks by itself: mathematics by [`is_stopped`] and [`go_on`], and then it
//! ends with any answer at all, which nobody gets to see, because whatever called it asks once more by [`check`].

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::DataFusionError;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::{aggregate, function, window};

thread_local! {
    /// Who waits for the work of this thread; nothing where work goes on to its end.
    static WAITING: RefCell<Option<Stop>> = const { RefCell::new(None) };
}

/// Ends work when nobody waits for it any more. Its clones are for the same work.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Somebody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody waits any more. The work ends as an error, within milliseconds.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Does work on this thread that is for whoever waits here.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _before = Before(WAITING.replace(Some(self.clone())));
        work()
    }
}

/// Puts back who waited before, also when the work panics.
struct Before(Option<Stop>);

impl Drop for Before {
    fn drop(&mut self) {
        WAITING.set(self.0.take());
    }
}

/// Whether nobody waits any more. It takes a nanosecond or two, so it is asked every few microseconds at most.
pub(crate) fn is_stopped() -> bool {
    WAITING.with_borrow(|stop| stop.as_ref().is_some_and(|stop| stop.0.load(Ordering::Relaxed)))
}

/// `None` when nobody waits any more.
pub(crate) fn go_on() -> Option<()> {
    (!is_stopped()).then_some(())
}

/// [`go_on`] at every 64th step of what takes less than that.
pub(crate) fn go_on_at(step: usize) -> Option<()> {
    if step.is_multiple_of(64) { go_on() } else { Some(()) }
}

/// Whether anybody still waits.
///
/// # Errors
/// When nobody does; the error is for nobody either.
pub(crate) fn check() -> Result<(), DataFusionError> {
    match is_stopped() {
        true => Err(DataFusionError::Execution("nobody waits for this any more".to_owned())),
        false => Ok(()),
    }
}

/// Functions that end early when [`Stop::during`] was told so: those of [`FAMILIES`](crate::FAMILIES).
pub trait Stops {
    /// Whether this is one of them.
    fn stops(&self) -> bool;
}

impl Stops for ScalarUDF {
    fn stops(&self) -> bool {
        self.inner().is::<function::Udf>()
    }
}

impl Stops for AggregateUDF {
    fn stops(&self) -> bool {
        self.inner().is::<aggregate::Udaf>()
    }
}

impl Stops for WindowUDF {
    fn stops(&self) -> bool {
        self.inner().is::<window::Udwf>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn work_is_for_the_innermost_who_waits() {
        let (outer, inner) = (Stop::new(), Stop::new());
        assert!(!is_stopped());
        outer.during(|| {
            outer.stop();
            assert!(is_stopped() && check().is_err() && go_on().is_none());
            inner.during(|| assert!(check().is_ok()));
            assert!(is_stopped());
        });
        assert!(!is_stopped());
        // Other threads work for others.
        outer.during(|| std::thread::scope(|scope| scope.spawn(|| assert!(!is_stopped())).join().unwrap()));
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let stop = Stop::new();
        stop.stop();
        let work = std::panic::AssertUnwindSafe(|| stop.during(|| std::panic::resume_unwind(Box::new(()))));
        assert!(std::panic::catch_unwind(work).is_err());
        assert!(!is_stopped());
    }

    #[test]
    fn functions_know_whether_they_stop() {
        assert!(crate::functions().iter().all(|f| f.stops()));
        assert!(crate::aggregates().iter().all(|f| f.stops()));
        assert!(crate::windows().iter().all(|f| f.stops()));
    }
}
