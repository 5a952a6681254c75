//! Room for deep expressions: reading, rewriting, planning and dropping them recurses with their depth, which
//! `statement::parse` limits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What the deepest statement that is let through may need, with a wide margin: about a kilobyte a level.
const RED_ZONE: usize = 8 * 1024 * 1024;
/// A stack made where the thread has less than that left. Its pages are used only as far as they are needed.
const SIZE: usize = 32 * 1024 * 1024;

/// A future that always has enough stack while it is polled.
pub(crate) struct Roomy<F>(Pin<Box<F>>);

impl<F: Future> Roomy<F> {
    pub(crate) fn new(work: F) -> Self {
        Self(Box::pin(work))
    }
}

impl<F: Future> Future for Roomy<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        stacker::maybe_grow(RED_ZONE, SIZE, || self.0.as_mut().poll(context))
    }
}
