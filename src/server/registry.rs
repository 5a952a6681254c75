//! Which connection does what, so that a cancel request finds it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// The connections by their process number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    next_pid: i32,
    by_pid: HashMap<i32, Arc<Slot>>,
}

/// Where a connection waits for being cancelled while it runs a statement.
#[derive(Debug)]
pub(crate) struct Slot {
    secret: i32,
    running: Mutex<Option<oneshot::Sender<()>>>,
}

/// A connection's place in the registry; it is given up when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) pid: i32,
    pub(crate) secret: i32,
    slot: Arc<Slot>,
    server: Arc<super::Server>,
}

impl std::fmt::Debug for super::Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Registry {
    /// A new process number with a secret that a cancel request must know.
    pub(crate) fn enter(server: &Arc<super::Server>) -> Entry {
        // The keys of RandomState come from the operating system, and SipHash does not give them away.
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        let secret = i32::from_be_bytes([random[0], random[1], random[2], random[3]]);
        let slot = Arc::new(Slot { secret, running: Mutex::default() });
        let mut slots = server.registry.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = loop {
            slots.next_pid = slots.next_pid.checked_add(1).unwrap_or(1);
            if !slots.by_pid.contains_key(&slots.next_pid) {
                break slots.next_pid;
            }
        };
        slots.by_pid.insert(pid, Arc::clone(&slot));
        Entry { pid, secret, slot, server: Arc::clone(server) }
    }

    /// Cancels what the connection runs, if the secret is the right one. Who asks is told nothing, as the protocol wants it.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).by_pid.get(&pid).cloned();
        if let Some(slot) = slot
            && slot.secret.to_be_bytes() == secret
            && let Some(running) = slot.running.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            let _ = running.send(());
        }
    }
}

impl Entry {
    /// Begins a statement: what is received here cancels it, and only it.
    pub(crate) fn begin(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.slot.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Ends a statement: a cancel request that comes too late finds nothing.
    pub(crate) fn end(&self) {
        self.slot.running.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.server.registry.slots.lock().unwrap_or_else(PoisonError::into_inner).by_pid.remove(&self.pid);
    }
}
