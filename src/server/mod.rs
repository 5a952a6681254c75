//! The Postgres wire protocol over sessions of the engine.
//!
//! A connection's way: `startup` lets it in, `auth` finds out who it is (`tls`, `x509`), `places` counts it, `wire` is its socket
//! (`socket`), `message` reads what a client sends, `connection` keeps
//! the protocol's state, `statement` tells statements apart (`reader` with `copy`, `cursor` and `prepare` reads those that the engine's
//! parser does not), `command` does those without rows, `answer` those with rows, `session` holds settings (`zone`), prepared statements and
//! portals, `rewrite`, `spelling`, `literals` (`interval`, `unknown`), `operators` (`quotient`), `arithmetic` (`casts`, `rounding`), `lengths`, `long_texts`,
//! `date_parts`, `sums`, `names` and `result_types` bring PostgreSQL's SQL to the engine, `plan` plans it, `plan_cache` and `kept_plan` keep plans, `run` runs it, `encode` and
//! `copy_rows` write its rows (`types`, `text`, `numeric`, `json_values`), `params` and `arguments` read bound values, `bare_columns` finds ambiguous names that the engine lets pass, `backend` says the rest. `principal` says on whose behalf a session acts,
//! `guard` lets it see what it may, `grants` and `roles` change that. `pg_catalog` answers what clients ask about schemas; [`error`] is the one map
//! from errors to SQLSTATEs.
//!
//! Clients change nothing of the lake, the layers or the models, and reach no file of the server. What they make themselves is in
//! [`scratch`]: `define` and `definitions` (CREATE, DROP, …), `writing` (INSERT, …) and `copy_in` change it, `transaction` says when it is
//! everybody's.

mod answer;
mod arguments;
mod arithmetic;
mod auth;
mod backend;
mod bare_columns;
mod calls;
mod casts;
mod change;
mod columns;
mod command;
mod connection;
mod copy;
mod copy_in;
mod copy_options;
mod copy_read;
mod copy_rows;
mod cursor;
mod cursor_list;
mod date_parts;
mod define;
mod definitions;
mod encode;
pub mod error;
mod explain;
mod explain_formats;
mod grants;
mod guard;
mod held;
mod holders;
mod inputs;
mod interval;
mod json_values;
mod kept_plan;
mod lengths;
mod literals;
mod long_texts;
mod lookup;
mod membership;
mod memory;
mod message;
mod moments;
mod names;
mod no_function;
mod notify;
mod numeric;
mod operators;
mod ordered_sets;
mod ordinality;
mod parameter;
mod params;
mod pg_catalog;
mod placeholders;
mod places;
mod plan;
mod plan_cache;
mod planning_error;
mod prepare;
mod prepared;
mod principal;
mod quotient;
mod reader;
mod registry;
mod relation_names;
mod result_types;
mod rewrite;
mod roles;
mod rounding;
mod run;
mod scope;
pub mod scratch;
mod scroll;
mod session;
mod session_zone;
mod settings;
mod similar;
mod single;
mod socket;
mod spelling;
mod startup;
mod statement;
mod sums;
mod text;
mod tls;
mod transaction;
mod types;
mod unknown;
mod view_options;
mod views;
mod whole_row;
mod wire;
mod write;
mod writing;
mod written;
mod x509;
mod zone;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{Access, AccessError};
use crate::runtime::stack::Roomy;
pub use error::PgError;
use places::Places;
use registry::Registry;
use scratch::Scratch;
use scratch::overlay::{Overlay, OverlayCatalog};
pub use tls::{Tls, TlsError, TlsFiles};

/// What a connection needs from the engine.
pub trait Sessions: Send + Sync + 'static {
    /// A new session with its own settings over the shared catalogue, runtime and functions. Its default catalog is the
    /// database that clients connect to, its default schema the one where unqualified names are looked up first.
    ///
    /// # Errors
    /// Whatever keeps the engine from opening one; the client is told.
    fn open(&self) -> datafusion::error::Result<SessionContext>;

    /// What there is to say about a table or view, for comments and `\d`.
    fn describe(&self, schema: &str, table: &str) -> Option<TableDescription>;

    /// What a schema holds, in one sentence.
    fn schema_comment(&self, schema: &str) -> Option<String>;

    /// Where the functions of a session find their models, if there are any.
    fn models(&self) -> Option<Arc<dyn placido_udfs::models::ModelResolver>> {
        None
    }

    /// Fixes in `config` which data a transaction sees: those of now, until [`Sessions::unpin`]. Nothing has to be fixed where data do
    /// not change while the server runs.
    fn pin<'a>(&'a self, config: &'a mut SessionConfig) -> BoxFuture<'a, datafusion::error::Result<()>> {
        let _ = config;
        Box::pin(std::future::ready(Ok(())))
    }

    /// From now on each statement sees the newest data.
    fn unpin(&self, config: &mut SessionConfig) {
        let _ = config;
    }

    /// Where the tables and views that clients make are kept; nothing where they end with the server.
    fn scratch(&self) -> Option<Arc<Scratch>> {
        None
    }
}

/// A table or view as clients see it in `\d+`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDescription {
    /// What it holds, in one sentence.
    pub summary: String,
    /// Whether it is shown as a view.
    pub is_view: bool,
    /// The query of a view.
    pub definition: Option<String>,
    /// Comments by column name; they carry units.
    pub columns: HashMap<String, String>,
}

/// What the server allows, and where statements run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions at a time; one more is refused with SQLSTATE 53300.
    pub max_connections: usize,
    /// How many of them are for superusers only.
    pub reserved_connections: usize,
    /// How long a client may take from connecting to having shown who it is.
    pub startup_timeout: Duration,
    /// How long a client waits for the answer to a wrong password.
    pub failed_login_delay: Duration,
    /// How long running statements may go on after the server was asked to end.
    pub shutdown_grace: Duration,
    /// Bytes that one statement may use at a time, out of the memory that all share; beyond them it spills to disk or fails with
    /// SQLSTATE 53200. Clients may set `query_memory` to less.
    pub query_memory: Option<usize>,
    /// Where statements are planned and run; the runtime of the caller when there is none. Its threads need the stack of
    /// [`crate::runtime::STACK_BYTES`], because the engine runs parts of deep expressions on tasks of its own.
    pub cpu_runtime: Option<Handle>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100,
            reserved_connections: 3,
            startup_timeout: Duration::from_secs(10),
            failed_login_delay: auth::DELAY,
            shutdown_grace: Duration::from_secs(10),
            query_memory: None,
            cpu_runtime: None,
        }
    }
}

/// Who may connect and how it is encrypted.
#[derive(Debug, Clone)]
pub struct Security {
    /// Roles, grants and rules.
    pub access: Arc<Access>,
    /// Encryption, if there is any.
    pub tls: Option<Arc<Tls>>,
}

impl Security {
    /// This machine is trusted, and nobody else is let in. Roles that are made end with the process.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn local() -> Result<Self, AccessError> {
        Ok(Self { access: Arc::new(Access::in_memory()?), tls: None })
    }

    /// Reads the files of roles, rules and certificates again where they have changed.
    pub fn refresh(&self) {
        self.access.refresh();
        if let Some(tls) = &self.tls {
            tls.refresh();
        }
    }
}

/// An address cannot be served, or the rules cannot be followed, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// Other machines could listen in.
    #[error(
        "{0} can be reached from other machines, and nothing is encrypted: give --tls-cert and --tls-key, or listen on 127.0.0.1 or [::1]"
    )]
    Unencrypted(SocketAddr),
    /// Nobody could log in from there.
    #[error(
        "{0} can be reached from other machines, and there are no users: make one with `placido users add NAME`, or listen on 127.0.0.1 or [::1]"
    )]
    NoUsers(SocketAddr),
    /// The rules ask for what cannot be checked.
    #[error("the rules ask for certificates of clients; name the authorities that issue them with --tls-client-ca")]
    NoAuthorities,
}

/// Whether the server may listen on an address: beyond this machine only encrypted and with users.
///
/// # Errors
/// What is missing.
pub fn check_listen(address: SocketAddr, security: &Security) -> Result<(), Unsafe> {
    let certificates = security.tls.as_ref().is_some_and(|tls| tls.knows_clients());
    if security.access.rules().want_certificates() && !certificates {
        return Err(Unsafe::NoAuthorities);
    }
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if security.tls.is_none() {
        return Err(Unsafe::Unencrypted(address));
    }
    let roles = security.access.roles();
    if roles.iter().any(|(_, role)| role.login) { Ok(()) } else { Err(Unsafe::NoUsers(address)) }
}

/// Serves clients on `listener` with the default [`Limits`] until `shutdown` completes.
///
/// # Errors
/// When the listener itself fails; a client's misbehaviour ends its own connection only.
pub async fn serve(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    serve_with(listener, sessions, Limits::default(), shutdown).await
}

/// Serves clients on `listener` until `shutdown` completes; then idle connections end at once and running statements have
/// [`Limits::shutdown_grace`] to finish.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let security = Security::local().map_err(std::io::Error::other)?;
    serve_secured(listener, sessions, limits, security, shutdown).await
}

/// How often it is looked whether roles, rules or certificates have changed.
const REFRESH: Duration = Duration::from_secs(1);

/// [`serve_with`] for those whom `security` lets in.
///
/// # Errors
/// As [`serve`].
pub async fn serve_secured(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    limits: Limits,
    security: Security,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (phase, phases) = watch::channel(Phase::Serving);
    let server = Arc::new(Server {
        runtime: limits.cpu_runtime.clone().unwrap_or_else(Handle::current),
        registry: Arc::default(),
        places: Arc::new(Places::new(limits.max_connections, limits.reserved_connections)),
        catalog: std::sync::Mutex::new(None),
        scratch: sessions.scratch().unwrap_or_else(|| Arc::new(Scratch::in_memory())),
        hub: notify::Hub::default(),
        plans: plan_cache::PlanCache::default(),
        start_micros: chrono::Utc::now().timestamp_micros(),
        sessions,
        limits,
        security,
        phases,
    });
    let mut connections = JoinSet::new();
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = refresh.tick() => {
                let security = server.security.clone();
                tokio::task::spawn_blocking(move || security.refresh());
            }
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(panicked = error.is_panic(), "a connection ended unexpectedly");
                }
            }
            accepted = listener.accept() => match accepted {
                // Far beyond the limit of sessions not even an error is worth a task.
                Ok(_) if connections.len() >= server.limits.max_connections.saturating_mul(2).saturating_add(64) => {}
                Ok((socket, peer)) => {
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY is not available");
                    }
                    let server = Arc::clone(&server);
                    connections.spawn(Roomy::new(connection::serve(server, socket, peer)));
                }
                // Out of file descriptors, or a client gone already: the next one may do.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let _ = phase.send(Phase::Draining);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(server.limits.shutdown_grace, all_ended).await.is_err() {
        let _ = phase.send(Phase::Ending);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_ended).await;
        connections.shutdown().await;
    }
    Ok(())
}

/// The life of the server, as connections watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    /// Idle connections end; running statements may finish.
    Draining,
    /// Everything ends.
    Ending,
}

/// What the connections share.
struct Server {
    sessions: Arc<dyn Sessions>,
    limits: Limits,
    runtime: Handle,
    security: Security,
    registry: Arc<Registry>,
    places: Arc<Places>,
    /// The catalog of the last session, reused while the snapshot is the same.
    catalog: std::sync::Mutex<Option<(Arc<Overlay>, Arc<pg_catalog::PgCatalog>)>>,
    /// What clients made and keep.
    scratch: Arc<Scratch>,
    hub: notify::Hub,
    /// Statements that have been planned.
    plans: plan_cache::PlanCache,
    start_micros: i64,
    phases: watch::Receiver<Phase>,
}

impl Server {
    /// What clients made without its rows, and `pg_catalog` over it: shared by all sessions that have made nothing of their own.
    fn catalog_of(&self, overlay: &Overlay, database: &str) -> (Arc<Overlay>, Arc<pg_catalog::PgCatalog>) {
        let made = || {
            let definitions = Arc::new(overlay.without_rows());
            let sessions = Arc::new(Described { sessions: Arc::clone(&self.sessions), overlay: Arc::clone(&definitions) });
            let catalog = Arc::new(OverlayCatalog(Arc::clone(&definitions)));
            let catalog = pg_catalog::PgCatalog::new(catalog, sessions, database.to_owned());
            (definitions, catalog)
        };
        if overlay.has_temporary() {
            return made();
        }
        let mut last = self.catalog.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*last {
            Some((known, catalog)) if known.same_definitions(overlay) => (Arc::clone(known), Arc::clone(catalog)),
            _ => last.insert(made()).clone(),
        }
    }
}

/// The engine's descriptions, and those of what clients made.
struct Described {
    sessions: Arc<dyn Sessions>,
    overlay: Arc<Overlay>,
}

impl Sessions for Described {
    fn open(&self) -> datafusion::error::Result<SessionContext> {
        self.sessions.open()
    }

    fn describe(&self, schema: &str, table: &str) -> Option<TableDescription> {
        self.overlay.describe(schema, table).or_else(|| self.sessions.describe(schema, table))
    }

    fn schema_comment(&self, schema: &str) -> Option<String> {
        match self.overlay.scratch_schema(schema) {
            Some(scratch) => scratch.comment.clone(),
            None => self.sessions.schema_comment(schema),
        }
    }
}

/// Who a session belongs to.
#[derive(Debug)]
struct Identity {
    user: String,
    database: String,
    pid: i32,
    server_start_micros: i64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_connect_unencrypted() {
        let security = Security::local().unwrap();
        for allowed in ["127.0.0.1:5433", "127.8.0.1:1", "[::1]:5433", "[::ffff:127.0.0.1]:5433"] {
            assert!(check_listen(allowed.parse().unwrap(), &security).is_ok(), "{allowed}");
        }
        for refused in ["0.0.0.0:5433", "192.168.1.4:5433", "[::]:5433"] {
            let error = check_listen(refused.parse().unwrap(), &security).unwrap_err();
            assert!(error.to_string().contains("127.0.0.1") && error.to_string().contains("--tls-cert"), "{error}");
        }
    }
}
