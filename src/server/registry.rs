//! Which connection does what, so that others can look, and can end it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use pgwire::messages::response::TransactionStatus;
use tokio::sync::{Notify, oneshot};

use super::prepared::Prepared;
use super::settings::Settings;

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

/// What others know of a connection.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) pid: i32,
    secret: i32,
    pub(crate) peer: SocketAddr,
    pub(crate) start_micros: i64,
    pub(crate) ending: Arc<Ending>,
    running: Mutex<Running>,
    activity: Mutex<Activity>,
}

/// Where a connection waits for being cancelled.
#[derive(Debug, Default)]
struct Running {
    /// Whether it is at work on what its client has sent.
    busy: bool,
    /// Whoever waits for the statement that runs.
    listener: Option<oneshot::Sender<()>>,
    /// A cancel request came while nobody listened: between reading a statement and planning it.
    missed: bool,
}

/// What a connection does, and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    /// The user, once the session has begun.
    pub(crate) user: Option<String>,
    pub(crate) settings: Option<Settings>,
    pub(crate) statement: Option<Source>,
    pub(crate) statement_micros: Option<i64>,
    pub(crate) transaction_micros: Option<i64>,
    pub(crate) changed_micros: i64,
    /// In what it waits for its client; nothing while it works.
    pub(crate) idle: Option<TransactionStatus>,
}

/// The text of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Text(Arc<str>),
    Prepared(Arc<Prepared>),
}

impl Source {
    pub(crate) fn text(&self) -> &str {
        match self {
            Source::Text(text) => text,
            Source::Prepared(prepared) => &prepared.source,
        }
    }
}

/// How a connection hears that it has to end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    asked: AtomicBool,
    heard: Notify,
}

impl Ending {
    /// Whether it has been asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Waits until it is asked for.
    pub(crate) async fn asked(&self) {
        if !self.is_asked() {
            self.heard.notified().await;
        }
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.heard.notify_one();
    }
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
    pub(crate) fn enter(server: &Arc<super::Server>, peer: SocketAddr, ending: &Arc<Ending>) -> Entry {
        // The keys of RandomState come from the operating system, and SipHash does not give them away.
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        let secret = i32::from_be_bytes([random[0], random[1], random[2], random[3]]);
        let start_micros = Utc::now().timestamp_micros();
        let activity = Activity {
            user: None,
            settings: None,
            statement: None,
            statement_micros: None,
            transaction_micros: None,
            changed_micros: start_micros,
            idle: Some(TransactionStatus::Idle),
        };
        let mut slots = server.registry.lock();
        let pid = loop {
            slots.next_pid = slots.next_pid.checked_add(1).unwrap_or(1);
            if !slots.by_pid.contains_key(&slots.next_pid) {
                break slots.next_pid;
            }
        };
        let (running, activity, ending) = (Mutex::default(), Mutex::new(activity), Arc::clone(ending));
        let slot = Arc::new(Slot { pid, secret, peer, start_micros, ending, running, activity });
        slots.by_pid.insert(pid, Arc::clone(&slot));
        Entry { pid, secret, slot, server: Arc::clone(server) }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection of this number.
    pub(crate) fn find(&self, pid: i32) -> Option<Arc<Slot>> {
        self.lock().by_pid.get(&pid).cloned()
    }

    /// All connections, by their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        let mut all: Vec<_> = self.lock().by_pid.values().cloned().collect();
        all.sort_unstable_by_key(|slot| slot.pid);
        all
    }

    /// Cancels what the connection runs, if the secret is the right one. Who asks is told nothing, as the protocol wants it.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) {
        if let Some(slot) = self.find(pid).filter(|slot| slot.secret.to_be_bytes() == secret) {
            slot.cancel();
        }
    }
}

impl Slot {
    /// Cancels what the connection is at work on. One that waits for its client hears nothing of it.
    pub(crate) fn cancel(&self) {
        let mut running = self.running();
        match running.listener.take() {
            Some(listener) => {
                let _ = listener.send(());
            }
            None => running.missed = running.busy,
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection, whatever it does.
    pub(crate) fn terminate(&self) {
        self.ending.ask();
    }

    /// What it does at this moment.
    pub(crate) fn activity(&self) -> Activity {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Tells whose session it is.
    pub(crate) fn belongs_to(&self, user: &str, settings: &Settings) {
        let mut activity = self.slot.lock();
        activity.user = Some(user.to_owned());
        activity.settings = Some(settings.clone());
    }

    /// Tells that a statement is being worked on.
    pub(crate) fn works_on(&self, statement: Source) {
        let now = Utc::now().timestamp_micros();
        let mut activity = self.slot.lock();
        activity.statement = Some(statement);
        activity.statement_micros = Some(now);
        activity.changed_micros = now;
        activity.transaction_micros.get_or_insert(now);
        activity.idle = None;
    }

    /// Tells that the connection waits for its client.
    pub(crate) fn waits(&self, transaction: TransactionStatus) {
        let mut activity = self.slot.lock();
        if activity.idle.is_none() {
            activity.changed_micros = Utc::now().timestamp_micros();
        }
        if transaction == TransactionStatus::Idle {
            activity.transaction_micros = None;
        }
        activity.idle = Some(transaction);
    }

    /// Tells whether the connection is at work on something that can be cancelled.
    pub(crate) fn is_busy(&self, busy: bool) {
        let mut running = self.slot.running();
        running.busy = busy;
        running.missed &= busy;
    }

    /// Begins a part of a statement: what is received here cancels it.
    pub(crate) fn begin(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut running = self.slot.running();
        match std::mem::take(&mut running.missed) {
            true => {
                let _ = sender.send(());
            }
            false => running.listener = Some(sender),
        }
        receiver
    }

    /// Ends a part of a statement.
    pub(crate) fn end(&self) {
        self.slot.running().listener = None;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.server.registry.lock().by_pid.remove(&self.pid);
    }
}
