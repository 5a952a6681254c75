//! LISTEN, UNLISTEN and NOTIFY: words between sessions.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use tokio::sync::broadcast;

use super::error::PgError;
use super::reader::Reader;

/// Notifications that a session may be behind; older ones are lost to it.
const KEPT: usize = 1_024;
/// PostgreSQL's limit of a payload.
const MAX_PAYLOAD: usize = 8_000;
/// Channels that a session may listen to, and notifications of one transaction.
const MAX_OF_SESSION: usize = 10_000;

/// One of the three statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notify {
    Listen(String),
    /// Of one channel, or of all.
    Unlisten(Option<String>),
    Send {
        channel: String,
        payload: String,
    },
}

impl Notify {
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Notify::Listen(_) => "LISTEN",
            Notify::Unlisten(_) => "UNLISTEN",
            Notify::Send { .. } => "NOTIFY",
        }
    }
}

/// Reads LISTEN, UNLISTEN and NOTIFY.
pub(crate) fn read(sql: &str, tokens: &[TokenWithSpan]) -> Result<Notify, PgError> {
    let mut reader = Reader::new(sql, tokens);
    let listen = reader.word("LISTEN");
    let unlisten = !listen && reader.word("UNLISTEN");
    if !listen && !unlisten {
        reader.expect_word("NOTIFY")?;
    }
    if unlisten && reader.token(&Token::Mul) {
        reader.end()?;
        return Ok(Notify::Unlisten(None));
    }
    let channel = reader.name()?;
    let payload = match !listen && !unlisten && reader.token(&Token::Comma) {
        true => reader.text()?,
        false => String::new(),
    };
    reader.end()?;
    if payload.len() >= MAX_PAYLOAD {
        return Err(PgError::new("22023", "payload string too long"));
    }
    Ok(match (listen, unlisten) {
        (true, _) => Notify::Listen(channel),
        (_, true) => Notify::Unlisten(Some(channel)),
        _ => Notify::Send { channel, payload },
    })
}

/// A word on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) pid: i32,
    pub(crate) channel: String,
    pub(crate) payload: String,
}

/// Where the sessions of a server meet.
#[derive(Debug)]
pub(crate) struct Hub(broadcast::Sender<Arc<Notification>>);

impl Default for Hub {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

/// A session's part: what it listens to, and what its transaction will say.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    channels: BTreeSet<String>,
    receiver: Option<broadcast::Receiver<Arc<Notification>>>,
    waiting: Vec<Notify>,
}

impl Ears {
    /// Does the statement when its transaction ends well.
    pub(crate) fn later(&mut self, notify: Notify) -> Result<(), PgError> {
        if self.waiting.len() >= MAX_OF_SESSION || self.channels.len() >= MAX_OF_SESSION {
            return Err(PgError::new("54000", "too many notifications or channels in one session"));
        }
        // The same word twice in a transaction is said once.
        if !self.waiting.contains(&notify) || !matches!(notify, Notify::Send { .. }) {
            self.waiting.push(notify);
        }
        Ok(())
    }

    /// The transaction has ended.
    pub(crate) fn ended(&mut self, committed: bool, pid: i32, hub: &Hub) {
        for notify in std::mem::take(&mut self.waiting) {
            match notify {
                _ if !committed => {}
                Notify::Listen(channel) => {
                    self.receiver.get_or_insert_with(|| hub.0.subscribe());
                    self.channels.insert(channel);
                }
                Notify::Unlisten(None) => self.forget(),
                Notify::Unlisten(Some(channel)) => {
                    self.channels.remove(&channel);
                }
                // Nobody may be listening.
                Notify::Send { channel, payload } => drop(hub.0.send(Arc::new(Notification { pid, channel, payload }))),
            }
        }
    }

    /// Listens to nothing any more.
    pub(crate) fn forget(&mut self) {
        self.channels.clear();
        self.receiver = None;
    }

    /// What has been said meanwhile.
    pub(crate) fn heard(&mut self) -> Vec<Arc<Notification>> {
        let mut heard = Vec::new();
        while let Some(receiver) = &mut self.receiver {
            match receiver.try_recv() {
                Ok(said) if self.channels.contains(&said.channel) => heard.push(said),
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        heard
    }

    /// Waits for the next word on one of the channels.
    pub(crate) async fn next(&mut self) -> Arc<Notification> {
        loop {
            let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
            match receiver.recv().await {
                Ok(said) if self.channels.contains(&said.channel) => return said,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => self.receiver = None,
            }
        }
    }
}
