//! One connection: start-up, then messages in the order in which they come, until the client or the server ends.
//!
//! While a statement runs on its own task, the connection goes on listening: for rows, for a cancel request, for the end of
//! `statement_timeout` or of the server, and for a client that is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use pgwire::messages::response::TransactionStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{SemaphorePermit, oneshot, watch};

use super::backend::Outbox;
use super::encode::Formats;
use super::error::{PgError, cancelled};
use super::message::{Bind, Message, Opening, Target, take_message, take_opening};
use super::registry::{Entry, Registry};
use super::run::{Event, Planned, Running};
use super::session::{Portal, Prepared, Progress, Session, Waiting};
use super::settings::{REPORTED, Settings};
use super::statement::{self, Statement};
use super::{Identity, Phase, Server, params};

/// What a client may send ahead while a statement runs.
const READ_AHEAD: usize = 256 * 1024;
/// Messages are sent when this much has gathered, at the latest.
const FLUSH_AT: usize = 64 * 1024;

/// The connection is over; nothing more can be said to the client.
struct Gone;

/// Why waiting for a statement ended before the statement did.
enum Interruption {
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

/// Serves one client from its first byte to its last.
pub(crate) async fn serve(server: Arc<Server>, socket: TcpStream, peer: SocketAddr) {
    let (read, write) = socket.into_split();
    let mut wire =
        Wire { read, write, inbox: BytesMut::with_capacity(8 * 1024), outbox: Outbox::default(), phases: server.phases.clone() };
    let startup = tokio::time::timeout(server.limits.startup_timeout, start(&server, &mut wire));
    match startup.await {
        Ok(Ok(Some((parameters, permit)))) => {
            let entry = Registry::enter(&server);
            match greet(&server, &mut wire, &entry, &parameters) {
                Ok(session) => {
                    let mut connection =
                        Connection { server: &server, wire, session, entry, skip_to_sync: false, _permit: permit };
                    let _ = connection.run().await;
                    let _ = connection.wire.write.shutdown().await;
                }
                Err(error) => wire.say_goodbye(&error).await,
            }
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => wire.say_goodbye(&error).await,
        Err(_) => tracing::debug!(%peer, "a client did not complete its start-up message in time"),
    }
}

type Parameters = Vec<(String, String)>;

/// Reads up to the start-up message and takes one of the places for sessions. Nothing is returned for a client that is done.
async fn start<'a>(server: &'a Server, wire: &mut Wire) -> Result<Option<(Parameters, SemaphorePermit<'a>)>, PgError> {
    // A client may ask for TLS and for GSSAPI before it starts; whoever asks for more does not mean to.
    for _ in 0..4 {
        let opening = loop {
            match take_opening(&mut wire.inbox)? {
                Some(opening) => break opening,
                None => {
                    if !wire.fill().await {
                        return Ok(None);
                    }
                }
            }
        };
        match opening {
            Opening::Encryption => {
                if wire.write.write_all(b"N").await.is_err() {
                    return Ok(None);
                }
            }
            Opening::Cancel { pid, key } => {
                server.registry.cancel(pid, &key);
                return Ok(None);
            }
            Opening::Startup { major: 3, minor, parameters } => {
                let unknown: Vec<String> =
                    parameters.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("_pq_.")).collect();
                if minor > 0 || !unknown.is_empty() {
                    wire.outbox.negotiate(unknown);
                }
                if *wire.phases.borrow() != Phase::Serving {
                    return Err(PgError::fatal("57P03", "the server is shutting down"));
                }
                let permit = server.permits.try_acquire().map_err(|_| {
                    PgError::fatal(
                        "53300",
                        format!("sorry, too many clients already: the limit is {}", server.limits.max_connections),
                    )
                    .with_hint("Close idle connections, or raise the server's limit.")
                })?;
                return Ok(Some((parameters, permit)));
            }
            Opening::Startup { major, minor, .. } => {
                return Err(PgError::fatal(
                    "0A000",
                    format!("unsupported frontend protocol {major}.{minor}: server supports 3.0"),
                ));
            }
        }
    }
    Err(PgError::fatal("08P01", "too many requests for encryption"))
}

/// Opens the session and greets the client.
fn greet(server: &Server, wire: &mut Wire, entry: &Entry, parameters: &Parameters) -> Result<Session, PgError> {
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let user = parameter("user").filter(|user| !user.is_empty());
    let Some(user) = user else {
        return Err(PgError::fatal("28000", "no PostgreSQL user name specified in startup packet"));
    };
    let fatal = PgError::into_fatal;
    let mut given: Parameters =
        parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "user" | "database" | "options")).cloned().collect();
    given.extend(parameter("options").map(options).unwrap_or_default());
    let settings = Settings::new(user, &given).map_err(fatal)?;
    let database = server.sessions.open().map_err(|error| fatal(super::error::sqlstate(&error)))?;
    let database = database.state_ref().read().config_options().catalog.default_catalog.clone();
    let wanted = parameter("database").filter(|name| !name.is_empty()).unwrap_or(user);
    // Drivers that are told no database ask for one of the user's name, or for postgres.
    if wanted != database && wanted != user && wanted != "postgres" {
        return Err(PgError::fatal("3D000", format!("database \"{wanted}\" does not exist"))
            .with_hint(format!("The database of this server is \"{database}\".")));
    }
    let identity =
        Arc::new(Identity { user: user.to_owned(), database, pid: entry.pid, server_start_micros: server.start_micros });
    let mut session = Session::open(server, identity, settings).map_err(fatal)?;
    if let Some(zone) = session.settings.get("timezone") {
        session.set("timezone", Some(&zone), false).map_err(fatal)?;
    }
    wire.outbox.authenticated();
    for (name, spelled) in REPORTED {
        wire.outbox.parameter(spelled, session.settings.get(name).unwrap_or_default());
    }
    wire.outbox.key(entry.pid, entry.secret);
    wire.outbox.ready(TransactionStatus::Idle);
    Ok(session)
}

/// The settings in the start-up option `options`: `-c name=value` and `--name=value`.
fn options(text: &str) -> Parameters {
    let mut words = text.split_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next(),
            word => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
        };
        if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

/// The socket with what has been read and what has to be written.
struct Wire {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    inbox: BytesMut,
    outbox: Outbox,
    phases: watch::Receiver<Phase>,
}

/// What interrupts a statement.
struct Watch {
    cancel: oneshot::Receiver<()>,
    deadline: Option<tokio::time::Instant>,
}

impl Wire {
    /// Reads more; false when the client is gone.
    async fn fill(&mut self) -> bool {
        self.inbox.reserve(8 * 1024);
        matches!(self.read.read_buf(&mut self.inbox).await, Ok(read) if read > 0)
    }

    /// Writes all that has gathered, while listening for what interrupts.
    async fn flush(&mut self, watch: Option<&mut Watch>) -> Result<(), Interruption> {
        let Wire { read, write, inbox, outbox, phases } = self;
        let all = async {
            while outbox.0.has_remaining() {
                if !matches!(write.write_buf(&mut outbox.0).await, Ok(written) if written > 0) {
                    return Err(Gone);
                }
            }
            Ok(())
        };
        attend(read, inbox, phases, watch, all).await?.map_err(Interruption::from)
    }

    /// Waits for work, while listening for what interrupts it.
    async fn wait<T>(&mut self, watch: &mut Watch, work: impl Future<Output = T>) -> Result<T, Interruption> {
        attend(&mut self.read, &mut self.inbox, &mut self.phases, Some(watch), work).await
    }

    /// A last word to a client that cannot go on; it may be gone already.
    async fn say_goodbye(&mut self, error: &PgError) {
        self.outbox.error(error);
        let bounded = tokio::time::timeout(std::time::Duration::from_secs(5), self.write.write_all_buf(&mut self.outbox.0));
        if matches!(bounded.await, Ok(Ok(()))) {
            let _ = self.write.shutdown().await;
        }
    }
}

/// Waits for `work` and whatever ends it early.
async fn attend<T>(
    read: &mut OwnedReadHalf,
    inbox: &mut BytesMut,
    phases: &mut watch::Receiver<Phase>,
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
                return Err(cancelled("statement timeout").with_hint("SET statement_timeout changes the limit; 0 is none.").into());
            }
            _ = phases.wait_for(|phase| *phase == Phase::Ending) => {
                return Err(PgError::fatal("57P01", "terminating connection due to administrator command").into());
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

struct Connection<'a> {
    server: &'a Arc<Server>,
    wire: Wire,
    session: Session,
    entry: Entry,
    /// After an error in the extended protocol everything up to the next `Sync` is ignored.
    skip_to_sync: bool,
    _permit: SemaphorePermit<'a>,
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<(), Gone> {
        self.flush().await?;
        loop {
            match take_message(&mut self.wire.inbox) {
                Ok(Some(Message::Terminate)) => return Ok(()),
                Ok(Some(message)) => self.handle(message).await?,
                Ok(None) => self.idle().await?,
                Err(error) if error.is_fatal() => {
                    self.wire.say_goodbye(&error).await;
                    return Err(Gone);
                }
                Err(error) => self.fail_extended(&error),
            }
            if self.wire.outbox.0.len() >= FLUSH_AT {
                self.flush().await?;
            }
        }
    }

    /// Waits for the next bytes of the client.
    async fn idle(&mut self) -> Result<(), Gone> {
        self.wire.inbox.reserve(8 * 1024);
        let Wire { read, inbox, phases, .. } = &mut self.wire;
        tokio::select! {
            more = read.read_buf(inbox) => {
                return if matches!(more, Ok(read) if read > 0) { Ok(()) } else { Err(Gone) };
            }
            _ = phases.wait_for(|phase| *phase >= Phase::Draining) => {}
        }
        self.wire.say_goodbye(&PgError::fatal("57P01", "terminating connection due to administrator command")).await;
        Err(Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match self.wire.flush(None).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    async fn handle(&mut self, message: Message) -> Result<(), Gone> {
        if self.skip_to_sync && !matches!(message, Message::Sync) {
            return Ok(());
        }
        match message {
            Message::Query(sql) => self.simple_query(&sql).await,
            Message::Sync => {
                self.skip_to_sync = false;
                if self.session.transaction == TransactionStatus::Idle {
                    self.session.close_portals();
                }
                self.wire.outbox.ready(self.session.transaction);
                self.flush().await
            }
            Message::Flush => self.flush().await,
            Message::Terminate => Ok(()),
            extended => match self.extended(extended).await {
                Ok(()) => Ok(()),
                Err(Interruption::Gone) => Err(Gone),
                Err(Interruption::Failed(error)) => {
                    if error.is_fatal() {
                        self.wire.say_goodbye(&error).await;
                        return Err(Gone);
                    }
                    self.fail_extended(&error);
                    Ok(())
                }
            },
        }
    }

    fn fail_extended(&mut self, error: &PgError) {
        self.wire.outbox.error(error);
        self.session.fail();
        self.skip_to_sync = true;
    }

    async fn extended(&mut self, message: Message) -> Result<(), Interruption> {
        match message {
            Message::Parse { name, sql, types } => self.parse(name, &sql, &types).await,
            Message::Bind(bind) => Ok(self.bind(bind)?),
            Message::Describe { target, name } => Ok(self.describe(target, &name)?),
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close { target, name } => {
                match target {
                    Target::Statement => {
                        self.session.close_prepared(&name);
                    }
                    Target::Portal => self.session.close_portal(&name),
                }
                self.wire.outbox.closed();
                Ok(())
            }
            Message::Unexpected(kind) => {
                Err(PgError::new("08P01", format!("unexpected message type \"{}\"", char::from(kind))).into())
            }
            Message::Query(_) | Message::Sync | Message::Flush | Message::Terminate => Ok(()),
        }
    }

    async fn parse(&mut self, name: String, sql: &str, types: &[u32]) -> Result<(), Interruption> {
        let mut statements = statement::parse(sql)?;
        if statements.len() > 1 {
            return Err(PgError::new("42601", "cannot insert multiple commands into a prepared statement").into());
        }
        if name.is_empty() {
            self.session.close_prepared("");
        }
        let prepared = match statements.pop() {
            None => Prepared { statement: None, planned: None },
            Some(Statement::Query(query)) => {
                self.refuse_in_failed(&Statement::Accepted(""))?;
                // 0 and 705 (unknown) leave the type to the context.
                let declared =
                    types.iter().map(|oid| pgwire::api::Type::from_oid(*oid).filter(|each| *each != pgwire::api::Type::UNKNOWN));
                let planner = self.session.planner();
                let running = Running::plan(&self.server.runtime, planner, (*query).clone(), declared.collect());
                let planned = self.planned(running).await?;
                Prepared { statement: Some(Statement::Query(query)), planned: Some(planned) }
            }
            Some(statement) => Prepared { statement: Some(statement), planned: None },
        };
        self.session.prepare(name, prepared)?;
        self.wire.outbox.parsed();
        Ok(())
    }

    fn bind(&mut self, bind: Bind) -> Result<(), PgError> {
        let prepared = self.session.prepared(&bind.statement)?;
        let types = prepared.planned.as_ref().map_or(&[][..], |planned| &planned.parameters);
        if bind.parameters.len() != types.len() {
            return Err(PgError::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                    bind.parameters.len(),
                    bind.statement,
                    types.len()
                ),
            ));
        }
        let given = Formats::new(bind.parameter_formats);
        if given.len() > 1 && given.len() != types.len() {
            return Err(PgError::new(
                "08P01",
                format!("bind message has {} parameter formats but {} parameters", given.len(), types.len()),
            ));
        }
        let values = bind
            .parameters
            .iter()
            .zip(types)
            .enumerate()
            .map(|(index, (value, (pg_type, wanted)))| {
                params::decode(index, value.as_ref(), given.is_binary(index), pg_type, wanted)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let formats = Formats::new(bind.result_formats);
        let columns = prepared.planned.as_ref().map_or(0, |planned| planned.schema.fields().len());
        if formats.len() > 1 && formats.len() != columns {
            return Err(PgError::new(
                "08P01",
                format!("bind message has {} result formats but query has {columns} columns", formats.len()),
            ));
        }
        if bind.portal.is_empty() {
            self.session.close_portal("");
        }
        self.session.bind(bind.portal, Portal { prepared, values, formats, progress: Progress::Ready })?;
        self.wire.outbox.bound();
        Ok(())
    }

    fn describe(&mut self, target: Target, name: &str) -> Result<(), PgError> {
        let (prepared, formats) = match target {
            Target::Statement => {
                let prepared = self.session.prepared(name)?;
                let parameters = prepared.planned.as_ref().map_or(&[][..], |planned| &planned.parameters);
                self.wire.outbox.parameters(parameters.iter().map(|(pg_type, _)| pg_type.clone()));
                (prepared, Formats::default())
            }
            Target::Portal => {
                let portal = self.session.portal(name)?;
                (Arc::clone(&portal.prepared), portal.formats.clone())
            }
        };
        match (&prepared.planned, &prepared.statement) {
            (Some(planned), _) => self.wire.outbox.columns(planned, &formats),
            (None, Some(Statement::Show(Some(name)))) => self.wire.outbox.text_columns(&[name]),
            (None, Some(Statement::Show(None))) => self.wire.outbox.text_columns(&SHOW_ALL),
            _ => self.wire.outbox.no_data(),
        }
        Ok(())
    }

    async fn execute(&mut self, name: &str, max_rows: usize) -> Result<(), Interruption> {
        let portal = self.session.portal(name)?;
        let prepared = Arc::clone(&portal.prepared);
        let Some(statement) = &prepared.statement else {
            self.wire.outbox.empty();
            return Ok(());
        };
        let Some(planned) = &prepared.planned else {
            return Ok(self.command(statement, false)?);
        };
        self.refuse_in_failed(statement)?;
        let portal = self.session.portal(name)?;
        let progress = std::mem::replace(&mut portal.progress, Progress::Done);
        let (values, formats) = (portal.values.clone(), portal.formats.clone());
        let (mut running, mut waiting) = match progress {
            Progress::Ready => {
                let planner = self.session.planner();
                (Running::planned(&self.server.runtime, planner, Arc::clone(planned), values, formats), Waiting::default())
            }
            Progress::Running(parts) => *parts,
            Progress::Done => {
                self.wire.outbox.complete("SELECT 0");
                return Ok(());
            }
        };
        let mut watch = self.watch();
        let sent = self.rows(&mut running, &mut waiting, max_rows, &mut watch).await;
        self.entry.end();
        match sent? {
            (count, true) => self.wire.outbox.complete(&tag(statement, count)),
            (_, false) => {
                self.wire.outbox.suspended();
                if let Ok(portal) = self.session.portal(name) {
                    portal.progress = Progress::Running(Box::new((running, waiting)));
                }
            }
        }
        Ok(())
    }

    /// Sends rows of a running statement, all or `limit` of them. Returns how many, and whether they were the last.
    async fn rows(
        &mut self,
        running: &mut Running,
        waiting: &mut Waiting,
        limit: usize,
        watch: &mut Watch,
    ) -> Result<(usize, bool), Interruption> {
        let mut sent = 0;
        loop {
            if waiting.bytes.is_empty() && !waiting.ended {
                match self.wire.wait(watch, running.next()).await?? {
                    Event::Planned(_) => continue,
                    Event::Rows { bytes, count } if limit == 0 => {
                        sent += count;
                        self.wire.outbox.0.unsplit(bytes);
                    }
                    Event::End { bytes, count } if limit == 0 => {
                        self.wire.outbox.0.unsplit(bytes);
                        return Ok((sent + count, true));
                    }
                    Event::Rows { bytes, .. } => waiting.bytes = bytes,
                    Event::End { bytes, .. } => *waiting = Waiting { bytes, ended: true },
                }
            }
            while !waiting.bytes.is_empty() && (limit == 0 || sent < limit) {
                self.wire.outbox.0.unsplit(take_row(&mut waiting.bytes));
                sent += 1;
            }
            if waiting.ended && waiting.bytes.is_empty() {
                return Ok((sent, true));
            }
            if limit > 0 && sent == limit {
                return Ok((sent, false));
            }
            if self.wire.outbox.0.len() >= FLUSH_AT / 2 {
                self.wire.flush(Some(watch)).await?;
            }
        }
    }

    /// Waits for a plan.
    async fn planned(&mut self, mut running: Running) -> Result<Arc<Planned>, Interruption> {
        let mut watch = self.watch();
        let event = self.wire.wait(&mut watch, running.next()).await;
        self.entry.end();
        match event?? {
            Event::Planned(planned) => Ok(planned),
            Event::Rows { .. } | Event::End { .. } => Err(PgError::new("XX000", "rows came before their plan").into()),
        }
    }

    /// What may interrupt the statement that begins now.
    fn watch(&self) -> Watch {
        let deadline = self.session.settings.statement_timeout().and_then(|timeout| Instant::now().checked_add(timeout));
        Watch { cancel: self.entry.begin(), deadline: deadline.map(tokio::time::Instant::from_std) }
    }

    async fn simple_query(&mut self, sql: &str) -> Result<(), Gone> {
        // The unnamed statement and portal of the extended protocol end here.
        self.session.close_prepared("");
        self.session.close_portal("");
        match self.statements(sql).await {
            Ok(()) => {}
            Err(Interruption::Gone) => return Err(Gone),
            Err(Interruption::Failed(error)) if error.is_fatal() => {
                self.wire.say_goodbye(&error).await;
                return Err(Gone);
            }
            Err(Interruption::Failed(error)) => {
                self.wire.outbox.error(&error);
                self.session.fail();
            }
        }
        self.wire.outbox.ready(self.session.transaction);
        self.flush().await
    }

    async fn statements(&mut self, sql: &str) -> Result<(), Interruption> {
        let statements = statement::parse(sql)?;
        if statements.is_empty() {
            self.wire.outbox.empty();
        }
        for statement in statements {
            if !matches!(statement, Statement::Query(_)) {
                self.command(&statement, true)?;
                continue;
            }
            self.refuse_in_failed(&statement)?;
            let Statement::Query(query) = &statement else { continue };
            let planner = self.session.planner();
            let mut running = Running::query(&self.server.runtime, planner, query.as_ref().clone());
            let mut watch = self.watch();
            let sent = async {
                if let Event::Planned(planned) = self.wire.wait(&mut watch, running.next()).await?? {
                    self.wire.outbox.columns(&planned, &Formats::default());
                }
                self.rows(&mut running, &mut Waiting::default(), 0, &mut watch).await
            }
            .await;
            self.entry.end();
            let (count, _) = sent?;
            self.wire.outbox.complete(&tag(&statement, count));
        }
        Ok(())
    }

    fn refuse_in_failed(&self, statement: &Statement) -> Result<(), PgError> {
        if self.session.transaction == TransactionStatus::Error && !statement.ends_failed_transaction() {
            return Err(PgError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block"));
        }
        Ok(())
    }

    /// Does what a statement without a plan asks for. `with_columns` is for the simple protocol, where nobody describes.
    fn command(&mut self, statement: &Statement, with_columns: bool) -> Result<(), PgError> {
        self.refuse_in_failed(statement)?;
        let before: Vec<_> = REPORTED.iter().map(|(name, _)| self.session.settings.get(name)).collect();
        let tag = self.effect(statement, with_columns)?;
        for ((name, spelled), old) in REPORTED.iter().zip(before) {
            let new = self.session.settings.get(name);
            if new != old {
                self.wire.outbox.parameter(spelled, new.unwrap_or_default());
            }
        }
        self.wire.outbox.complete(&tag);
        Ok(())
    }

    fn effect(&mut self, statement: &Statement, with_columns: bool) -> Result<String, PgError> {
        let outbox = &mut self.wire.outbox;
        let tag = match statement {
            Statement::Query(_) => return Err(PgError::new("XX000", "a query without a plan")),
            Statement::Set { name, value, local } => {
                if *local && self.session.transaction == TransactionStatus::Idle {
                    outbox.warning("25P01", "SET LOCAL can only be used in transaction blocks");
                } else {
                    self.session.set(name, value.as_deref(), *local)?;
                }
                "SET"
            }
            Statement::Reset(Some(name)) => {
                self.session.set(name, None, false)?;
                "RESET"
            }
            Statement::Reset(None) => {
                self.session.reset_all()?;
                "RESET"
            }
            Statement::Show(Some(name)) => {
                let Some(value) = self.session.settings.get(name) else {
                    return Err(PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
                        .with_hint("SHOW ALL lists the settings."));
                };
                if with_columns {
                    outbox.text_columns(&[name]);
                }
                outbox.text_row(&[&value]);
                "SHOW"
            }
            Statement::Show(None) => {
                if with_columns {
                    outbox.text_columns(&SHOW_ALL);
                }
                for (name, value, about) in self.session.settings.all() {
                    outbox.text_row(&[&name, &value, &about]);
                }
                "SHOW"
            }
            Statement::Begin => {
                if self.session.transaction == TransactionStatus::Idle {
                    self.session.settings.begin();
                    self.session.transaction = TransactionStatus::Transaction;
                } else {
                    outbox.warning("25001", "there is already a transaction in progress");
                }
                "BEGIN"
            }
            Statement::Commit | Statement::Rollback => {
                let committed = matches!(statement, Statement::Commit) && self.session.transaction != TransactionStatus::Error;
                if self.session.transaction == TransactionStatus::Idle {
                    outbox.warning("25P01", "there is no transaction in progress");
                } else {
                    self.session.settings.end(committed);
                    self.session.close_portals();
                    self.session.transaction = TransactionStatus::Idle;
                }
                if committed { "COMMIT" } else { "ROLLBACK" }
            }
            Statement::Savepoint | Statement::Release | Statement::RollbackTo => {
                if self.session.transaction == TransactionStatus::Idle {
                    return Err(PgError::new("25P01", "savepoints can only be used in transaction blocks"));
                }
                match statement {
                    Statement::Savepoint => "SAVEPOINT",
                    Statement::Release => "RELEASE",
                    _ => {
                        self.session.transaction = TransactionStatus::Transaction;
                        "ROLLBACK"
                    }
                }
            }
            Statement::DiscardAll => {
                if self.session.transaction != TransactionStatus::Idle {
                    return Err(PgError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
                }
                self.session.close_all_prepared();
                self.session.close_portals();
                self.session.reset_all()?;
                "DISCARD ALL"
            }
            Statement::Deallocate(None) => {
                self.session.close_all_prepared();
                "DEALLOCATE ALL"
            }
            Statement::Deallocate(Some(name)) => {
                if !self.session.close_prepared(name) {
                    return Err(PgError::new("26000", format!("prepared statement \"{name}\" does not exist")));
                }
                "DEALLOCATE"
            }
            Statement::Accepted(tag) => tag,
            Statement::Refused { what, code: "42501" } => {
                return Err(PgError::new("42501", format!("permission denied: {what} would reach beyond the database")));
            }
            Statement::Refused { what, code } => {
                return Err(PgError::new(*code, format!("the server is read-only: {what} is not possible"))
                    .with_hint("Data come from the files of the lake and the layers in sql/."));
            }
        };
        Ok(tag.to_owned())
    }
}

const SHOW_ALL: [&str; 3] = ["name", "setting", "description"];

/// The tag that ends a query.
fn tag(statement: &Statement, rows: usize) -> String {
    use datafusion::sql::sqlparser::ast::Statement as S;
    match statement {
        Statement::Query(query) => match query.as_ref() {
            S::Explain { .. } | S::ExplainTable { .. } => "EXPLAIN".to_owned(),
            S::Query(_) => format!("SELECT {rows}"),
            _ => "SHOW".to_owned(),
        },
        _ => String::new(),
    }
}

/// Takes the first whole message of a buffer that holds nothing but whole messages.
fn take_row(bytes: &mut BytesMut) -> BytesMut {
    let length = bytes.get(1..5).and_then(|length| length.try_into().ok()).map_or(0, u32::from_be_bytes);
    let end = usize::try_from(length).unwrap_or(0).saturating_add(1).min(bytes.len());
    bytes.split_to(end)
}
