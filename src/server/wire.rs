//! The socket of a connection: reading ahead and writing out while a statement runs, and what interrupts it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use super::Phase;
use super::backend::Outbox;
use super::error::{PgError, cancelled};
use super::registry::Ending;
use super::socket::{Encrypted, Reading, Writing, encrypt};
use super::tls;

/// What is read at a time.
const READ: usize = 8 * 1024;

/// What a client may send ahead while a statement runs.
const READ_AHEAD: usize = 256 * 1024;

/// The connection is over; nothing more can be said to the client.
pub(crate) struct Gone;

/// Why waiting for a statement ended before the statement did.
pub(crate) enum Interruption {
    Gone,
    Failed(PgError),
}

impl From<Gone> for Interruption {
    fn from(_: Gone) -> Self {
        Interruption::Gone
    }
}

impl From<PgError> for Interruption {
    fn from(error: PgError) -> Self {
        Interruption::Failed(error)
    }
}

/// The socket with what has been read and what has to be written.
pub(crate) struct Wire {
    pub(crate) inbox: BytesMut,
    pub(crate) outbox: Outbox,
    read: Reading,
    write: Writing,
    encrypted: Option<Encrypted>,
    phases: watch::Receiver<Phase>,
    /// Asked for when this connection has to end.
    pub(crate) ending: Arc<Ending>,
}

/// What interrupts a statement.
pub(crate) struct Watch {
    pub(crate) cancel: oneshot::Receiver<()>,
    pub(crate) deadline: Option<tokio::time::Instant>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, phases: watch::Receiver<Phase>) -> Self {
        let (read, write) = socket.into_split();
        let (read, write) = (Reading::Plain(read), Writing::Plain(write));
        let ending = Arc::default();
        Self { inbox: BytesMut::new(), outbox: Outbox::default(), read, write, encrypted: None, phases, ending }
    }

    /// Whether nobody can listen in.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted.is_some()
    }

    /// The certificate that the client has shown, which one of the configured authorities issued.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        self.encrypted.as_ref()?.client_certificate.as_deref()
    }

    /// What a login on this connection can be bound to.
    pub(crate) fn end_point(&self) -> Option<&[u8]> {
        self.encrypted.as_ref()?.end_point.as_deref()
    }

    /// Whether the client begins with TLS at once, without having asked.
    pub(crate) async fn begins_with_tls(&mut self) -> bool {
        // The type of a TLS record with a handshake.
        self.read.peek().await == Some(0x16)
    }

    /// Goes on encrypted. `asked` says that the client asked first, and waits for the answer.
    pub(crate) async fn encrypt(&mut self, identity: &Arc<tls::Identity>, asked: bool) -> Result<(), Interruption> {
        if asked {
            // Whoever stands between client and server could have slipped in what comes before the handshake.
            if !self.inbox.is_empty() {
                return Err(PgError::fatal("08P01", "received unencrypted data after SSL request").into());
            }
            self.write.write_all(b"S").await.map_err(|_| Gone)?;
        }
        let (read, write) =
            (std::mem::replace(&mut self.read, Reading::Closed), std::mem::replace(&mut self.write, Writing::Closed));
        let (read, write, encrypted) = encrypt(read, write, identity).await.ok_or(Gone)?;
        let named = encrypted.named_protocol;
        (self.read, self.write, self.encrypted) = (read, write, Some(encrypted));
        if !asked && !named {
            return Err(PgError::fatal(
                "08P01",
                "received direct SSL connection request without ALPN protocol negotiation extension",
            )
            .into());
        }
        Ok(())
    }

    /// Whether the server still takes new sessions.
    pub(crate) fn is_serving(&self) -> bool {
        *self.phases.borrow() == Phase::Serving
    }

    /// Answers a request for encryption: there is none.
    pub(crate) async fn refuse_encryption(&mut self) -> Result<(), Gone> {
        self.write.write_all(b"N").await.map_err(|_| Gone)
    }

    /// Waits for the next bytes of an idle client; an error when the server ends first, or the client has been idle too long.
    pub(crate) async fn idle(&mut self, limit: Option<(Duration, PgError)>) -> Result<(), Interruption> {
        // Many sessions are idle most of the time; they hold no buffers then.
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
        if self.outbox.0.is_empty() {
            self.outbox.0 = BytesMut::new();
        }
        let (read, inbox) = (&mut self.read, &mut self.inbox);
        let more = async {
            read.ready().await;
            inbox.reserve(READ);
            read.read_buf(inbox).await
        };
        let over = async {
            match limit {
                Some((limit, error)) => {
                    tokio::time::sleep(limit).await;
                    error
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            more = more => {
                if matches!(more, Ok(read) if read > 0) { Ok(()) } else { Err(Interruption::Gone) }
            }
            error = over => Err(error.into()),
            () = self.ending.asked() => Err(shutting_down().into()),
            _ = self.phases.wait_for(|phase| *phase >= Phase::Draining) => Err(shutting_down().into()),
        }
    }

    /// Waits for more of what a client sends while a statement takes it.
    pub(crate) async fn more(&mut self, watch: &mut Watch) -> Result<(), Interruption> {
        self.inbox.reserve(8 * 1024);
        let Wire { read, inbox, phases, ending, .. } = self;
        let deadline = watch.deadline;
        tokio::select! {
            biased;
            Ok(()) = &mut watch.cancel => Err(cancelled("user request").into()),
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {
                Err(timed_out())
            }
            () = ending.asked() => Err(shutting_down().into()),
            _ = phases.wait_for(|phase| *phase == Phase::Ending) => Err(shutting_down().into()),
            more = read.read_buf(inbox) => {
                if matches!(more, Ok(read) if read > 0) { Ok(()) } else { Err(Interruption::Gone) }
            }
        }
    }

    /// Whether the statement has been interrupted, without waiting.
    pub(crate) fn interrupted(&mut self, watch: &mut Watch) -> Result<(), Interruption> {
        if matches!(watch.cancel.try_recv(), Ok(())) {
            return Err(cancelled("user request").into());
        }
        if watch.deadline.is_some_and(|deadline| tokio::time::Instant::now() >= deadline) {
            return Err(timed_out());
        }
        if self.ending.is_asked() || *self.phases.borrow() == Phase::Ending {
            return Err(shutting_down().into());
        }
        Ok(())
    }

    /// Says that nothing more will come.
    pub(crate) async fn close(&mut self) {
        let _ = self.write.shutdown().await;
    }

    /// Reads more; false when the client is gone.
    pub(crate) async fn fill(&mut self) -> bool {
        self.inbox.reserve(READ);
        matches!(self.read.read_buf(&mut self.inbox).await, Ok(read) if read > 0)
    }

    /// Writes all that has gathered, while listening for what interrupts.
    pub(crate) async fn flush(&mut self, watch: Option<&mut Watch>) -> Result<(), Interruption> {
        let Wire { read, write, inbox, outbox, phases, ending, .. } = self;
        let all = async {
            while outbox.0.has_remaining() {
                if !matches!(write.write_buf(&mut outbox.0).await, Ok(written) if written > 0) {
                    return Err(Gone);
                }
            }
            write.flush().await.map_err(|_| Gone)
        };
        attend(read, inbox, (phases, ending), watch, all).await?.map_err(Interruption::from)
    }

    /// Waits for work, while listening for what interrupts it.
    pub(crate) async fn wait<T>(&mut self, watch: &mut Watch, work: impl Future<Output = T>) -> Result<T, Interruption> {
        attend(&mut self.read, &mut self.inbox, (&mut self.phases, &self.ending), Some(watch), work).await
    }

    /// A last word to a client that cannot go on; it may be gone already.
    pub(crate) async fn say_goodbye(&mut self, error: &PgError) {
        self.outbox.error(error);
        let bounded = tokio::time::timeout(Duration::from_secs(5), self.write.write_all_buf(&mut self.outbox.0));
        if matches!(bounded.await, Ok(Ok(()))) {
            let _ = self.write.shutdown().await;
        }
    }
}

/// Waits for `work` and whatever ends it early.
async fn attend<T>(
    read: &mut Reading,
    inbox: &mut BytesMut,
    (phases, ending): (&mut watch::Receiver<Phase>, &Ending),
    mut watch: Option<&mut Watch>,
    work: impl Future<Output = T>,
) -> Result<T, Interruption> {
    tokio::pin!(work);
    let deadline = watch.as_ref().and_then(|watch| watch.deadline);
    loop {
        let room = inbox.len() < READ_AHEAD;
        if room {
            inbox.reserve(4 * 1024);
        }
        tokio::select! {
            // What interrupts comes first, so that a statement that always has rows ready can be stopped.
            biased;
            Ok(()) = async { match &mut watch { Some(watch) => (&mut watch.cancel).await, None => std::future::pending().await } } => {
                return Err(cancelled("user request").into());
            }
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {
                return Err(timed_out());
            }
            () = ending.asked() => return Err(shutting_down().into()),
            _ = phases.wait_for(|phase| *phase == Phase::Ending) => {
                return Err(shutting_down().into());
            }
            done = &mut work => return Ok(done),
            more = read.read_buf(inbox), if room => {
                if !matches!(more, Ok(read) if read > 0) {
                    return Err(Interruption::Gone);
                }
            }
        }
    }
}

fn timed_out() -> Interruption {
    cancelled("statement timeout").with_hint("SET statement_timeout changes the limit; 0 is none.").into()
}

fn shutting_down() -> PgError {
    PgError::fatal("57P01", "terminating connection due to administrator command")
}
