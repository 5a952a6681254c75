//! One connection: start-up, then messages in the order in which they come, until the client or the server ends.
//!
//! What the statements themselves do is in `answer` and `command`. While one runs on its own task, the connection goes on listening: for rows, for a cancel request, for the end of
//! `statement_timeout` or of the server, and for a client that is gone.

use std::net::SocketAddr;
use std::sync::Arc;

use pgwire::messages::response::TransactionStatus;
use placido_udfs::Stop;
use tokio::net::TcpStream;

use super::answer::tag;
use super::command::SHOW_ALL;
use super::encode::Formats;
use super::error::PgError;
use super::message::{Bind, Message, Target, take_message};
use super::places::Place;
use super::prepared::Prepared;
use super::registry::{Entry, Registry, Source};
use super::roles::SHOW_GRANTS;
use super::run::without_parameters;
use super::session::{Portal, Session};
use super::settings::spelled;
use super::startup::{Admitted, admit, greet};
use super::statement::{self, Statement};
use super::wire::{Gone, Interruption, Wire};
use super::{Server, params};
use crate::runtime::apart;

/// Messages are sent when this much has gathered, at the latest.
pub(crate) const FLUSH_AT: usize = 64 * 1024;

/// Texts up to this length are read in a few milliseconds.
const LONG_SQL_BYTES: usize = 16 * 1024;

/// Serves one client from its first byte to its last.
pub(crate) async fn serve(server: Arc<Server>, socket: TcpStream, peer: SocketAddr) {
    let mut wire = Wire::new(socket, server.phases.clone());
    let startup = tokio::time::timeout(server.limits.startup_timeout, admit(&server, &mut wire, peer));
    match startup.await {
        Ok(Ok(Some(Admitted { parameters, user, place }))) => {
            let entry = Registry::enter(&server, peer, &wire.ending);
            match greet(&server, &mut wire, &entry, &parameters, &user) {
                Ok(session) => {
                    let mut connection = Connection { server: &server, wire, session, entry, skip_to_sync: false, _place: place };
                    let _ = connection.run().await;
                    connection.wire.close().await;
                }
                Err(error) => wire.say_goodbye(&error).await,
            }
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => wire.say_goodbye(&error).await,
        Err(_) => tracing::debug!(%peer, "a client did not log in in time"),
    }
}

pub(crate) struct Connection<'a> {
    pub(crate) wire: Wire,
    pub(crate) session: Session,
    pub(crate) server: &'a Arc<Server>,
    pub(crate) entry: Entry,
    /// After an error in the extended protocol everything up to the next `Sync` is ignored.
    skip_to_sync: bool,
    _place: Place,
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
                Err(error) => self.fail_extended(&error).await?,
            }
            if self.wire.outbox.0.len() >= FLUSH_AT {
                self.flush().await?;
            }
        }
    }

    /// Waits for the next bytes of the client.
    async fn idle(&mut self) -> Result<(), Gone> {
        self.entry.is_busy(false);
        let limit = self.session.settings.idle_timeout(self.session.transaction);
        let listening = self.session.transaction == TransactionStatus::Idle;
        let idle = tokio::select! {
            said = self.session.ears.next(), if listening => {
                self.wire.outbox.notification(&said);
                return self.flush().await;
            }
            idle = self.wire.idle(limit) => idle,
        };
        match idle {
            Ok(()) => Ok(()),
            Err(Interruption::Gone) => Err(Gone),
            Err(Interruption::Failed(error)) => {
                self.wire.say_goodbye(&error).await;
                Err(Gone)
            }
        }
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
        self.entry.is_busy(true);
        match message {
            Message::Query(sql) => self.simple_query(&sql).await,
            Message::Sync => {
                let failed = std::mem::take(&mut self.skip_to_sync);
                let before = self.reported();
                match self.end_implicit(!failed).await {
                    Ok(()) => {}
                    Err(Interruption::Gone) => return Err(Gone),
                    Err(Interruption::Failed(error)) => self.wire.outbox.error(&error),
                }
                self.report(before);
                if self.session.transaction == TransactionStatus::Idle {
                    self.session.end_portals(!failed);
                }
                self.ready().await
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
                    self.fail_extended(&error).await
                }
            },
        }
    }

    /// Sends an error at once: a client may wait for it before it sends Sync, and a Flush before that is passed over.
    async fn fail_extended(&mut self, error: &PgError) -> Result<(), Gone> {
        self.wire.outbox.error(error);
        self.session.fail();
        self.skip_to_sync = true;
        self.flush().await
    }

    async fn extended(&mut self, message: Message) -> Result<(), Interruption> {
        match message {
            Message::Parse { name, sql, types } => match self.parse(name, &sql, &types).await {
                Err(Interruption::Failed(error)) => Err(error.located(&sql).into()),
                parsed => parsed,
            },
            Message::Bind(bind) => Ok(self.bind(bind)?),
            Message::Describe { target, name } => Ok(self.describe(target, &name)?),
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close { target, name } => {
                match target {
                    Target::Statement => {
                        self.session.prepared.close(&name);
                    }
                    Target::Portal => {
                        self.session.close_portal(&name);
                    }
                }
                self.wire.outbox.closed();
                Ok(())
            }
            Message::Unexpected(kind) => {
                Err(PgError::new("08P01", format!("unexpected message type \"{}\"", char::from(kind))).into())
            }
            Message::Query(_) | Message::Sync | Message::Flush | Message::Terminate => Ok(()),
            // What a client sent before it knew that its copy had failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
        }
    }

    async fn parse(&mut self, name: String, sql: &str, types: &[u32]) -> Result<(), Interruption> {
        let scope = Arc::clone(&self.session.frame().scope);
        if let Some(known) = self.server.plans.get(&scope, sql, types) {
            self.refuse_in_failed(&Statement::Accepted(""))?;
            if name.is_empty() {
                self.session.prepared.close("");
            }
            self.session.prepared.insert(name, known)?;
            self.wire.outbox.parsed();
            return Ok(());
        }
        let mut statements = self.read(sql).await?;
        if statements.len() > 1 {
            return Err(PgError::new("42601", "cannot insert multiple commands into a prepared statement").into());
        }
        if name.is_empty() {
            self.session.prepared.close("");
        }
        let statement = match statements.pop() {
            Some(Statement::ExplainExecute { explain, name, arguments }) => Some(self.explained(*explain, &name, arguments)?),
            other => other,
        };
        let query = match &statement {
            Some(Statement::Query(query)) => Some(query.as_ref()),
            Some(Statement::Declare(declare)) => Some(&declare.query),
            Some(Statement::Write(write)) => Some(write.as_ref()),
            _ => None,
        };
        // 0 and 705 (unknown) leave the type to the context.
        let declared: Vec<_> = types
            .iter()
            .map(|oid| pgwire::api::Type::from_oid(*oid).filter(|each| *each != pgwire::api::Type::UNKNOWN))
            .collect();
        let planned = match query {
            Some(query) => Some(self.plan(query.clone(), declared.clone()).await?),
            None => None,
        };
        let is_query = matches!(statement, Some(Statement::Query(_)));
        let prepared = Arc::new(Prepared {
            statement,
            planned,
            source: sql.to_owned(),
            from_sql: false,
            declared,
            scope: Arc::clone(&scope),
        });
        let has_parameters = prepared.planned.as_ref().is_some_and(|planned| !planned.parameters.is_empty());
        if is_query && (has_parameters || !name.is_empty() || self.server.plans.comes_again(&scope, sql)) {
            self.server.plans.insert(&scope, types, &prepared);
        }
        self.session.prepared.insert(name, prepared)?;
        self.wire.outbox.parsed();
        Ok(())
    }

    fn bind(&mut self, bind: Bind) -> Result<(), PgError> {
        let prepared = self.session.prepared.get(&bind.statement)?;
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
        // Formats of a statement without columns mean nothing.
        if let Some(columns) = self.columns_of(&prepared).map(|planned| planned.schema.fields().len())
            && formats.len() > 1
            && formats.len() != columns
        {
            return Err(PgError::new(
                "08P01",
                format!("bind message has {} result formats but query has {columns} columns", formats.len()),
            ));
        }
        if bind.portal.is_empty() {
            self.session.close_portal("");
        }
        self.session.bind(bind.portal, Portal::new(prepared, values, formats))?;
        self.wire.outbox.bound();
        Ok(())
    }

    fn describe(&mut self, target: Target, name: &str) -> Result<(), PgError> {
        let (prepared, formats) = match target {
            Target::Statement => {
                let prepared = self.session.prepared.get(name)?;
                let parameters = prepared.planned.as_ref().map_or(&[][..], |planned| &planned.parameters);
                self.wire.outbox.parameters(parameters.iter().map(|(pg_type, _)| pg_type.clone()));
                (prepared, Formats::default())
            }
            Target::Portal => {
                let portal = self.session.portal(name)?;
                (Arc::clone(&portal.prepared), portal.formats.clone())
            }
        };
        match (self.columns_of(&prepared), &prepared.statement) {
            (Some(planned), _) => self.wire.outbox.columns(&planned, &formats),
            (None, Some(Statement::Show(Some(name)))) => self.wire.outbox.text_columns(&[spelled(name)]),
            (None, Some(Statement::Show(None))) => self.wire.outbox.text_columns(&SHOW_ALL),
            (None, Some(Statement::Role(statement))) if statement.has_rows() => self.wire.outbox.text_columns(&SHOW_GRANTS),
            _ => self.wire.outbox.no_data(),
        }
        Ok(())
    }

    async fn simple_query(&mut self, sql: &str) -> Result<(), Gone> {
        self.entry.works_on(Source::Text(Arc::from(sql)));
        // The unnamed statement and portal of the extended protocol end here.
        self.session.prepared.close("");
        self.session.close_portal("");
        let mut answered = self.statements(sql).await;
        self.session.implicit_block = false;
        let before = self.reported();
        let ended = self.end_implicit(answered.is_ok()).await;
        self.report(before);
        if answered.is_ok() {
            answered = ended;
        }
        if self.session.transaction == TransactionStatus::Idle {
            self.session.end_portals(answered.is_ok());
        }
        match answered {
            Ok(()) => {}
            Err(Interruption::Gone) => return Err(Gone),
            Err(Interruption::Failed(error)) if error.is_fatal() => {
                self.wire.say_goodbye(&error).await;
                return Err(Gone);
            }
            Err(Interruption::Failed(error)) => {
                self.wire.outbox.error(&error.located(sql));
                self.session.fail();
            }
        }
        self.ready().await
    }

    /// Tells the client that it is its turn.
    async fn ready(&mut self) -> Result<(), Gone> {
        self.deliver();
        self.entry.is_busy(false);
        self.entry.waits(self.session.transaction);
        self.wire.outbox.ready(self.session.transaction);
        self.flush().await
    }

    async fn statements(&mut self, sql: &str) -> Result<(), Interruption> {
        let scope = Arc::clone(&self.session.frame().scope);
        if let Some(known) = self.server.plans.get(&scope, sql, &[])
            && let (Some(statement), Some(planned)) = (&known.statement, &known.planned)
            && planned.parameters.is_empty()
        {
            self.refuse_in_failed(statement)?;
            self.session.pin().await?;
            let running = self.run_planned(planned, Vec::new());
            let count = self.described(running, Some(planned)).await?;
            self.wire.outbox.complete(&tag(statement, count));
            return Ok(());
        }
        let statements = self.read(sql).await?;
        if statements.is_empty() {
            self.wire.outbox.empty();
        }
        self.session.implicit_block = statements.len() > 1;
        if let [Statement::Query(query)] = statements.as_slice()
            && self.server.plans.comes_again(&scope, sql)
        {
            self.refuse_in_failed(&Statement::Accepted(""))?;
            self.session.pin().await?;
            let planned = without_parameters(self.plan(query.as_ref().clone(), Vec::new()).await?)?;
            let running = self.run_planned(&planned, Vec::new());
            let prepared = Arc::new(Prepared {
                statement: statements.into_iter().next(),
                planned: Some(Arc::clone(&planned)),
                source: sql.to_owned(),
                from_sql: false,
                declared: Vec::new(),
                scope: Arc::clone(&scope),
            });
            self.server.plans.insert(&scope, &[], &prepared);
            let count = self.described(running, Some(&planned)).await?;
            if let Some(statement) = &prepared.statement {
                self.wire.outbox.complete(&tag(statement, count));
            }
            return Ok(());
        }
        for statement in statements {
            // A string of many statements is answered as it goes, not from memory at its end.
            if self.wire.outbox.0.len() >= FLUSH_AT {
                self.flush().await?;
            }
            if self.session.implicit_block {
                self.begin_implicit();
            }
            self.answer(statement).await?;
        }
        Ok(())
    }

    /// Reads a query string; a long one elsewhere, where it keeps nobody waiting.
    async fn read(&mut self, sql: &str) -> Result<Vec<Statement>, Interruption> {
        if sql.len() <= LONG_SQL_BYTES {
            return Ok(statement::parse(sql)?);
        }
        let sql = sql.to_owned();
        self.task(Stop::new(), async move { apart(async move { statement::parse(&sql) }).await? }).await
    }

    pub(crate) fn refuse_in_failed(&self, statement: &Statement) -> Result<(), PgError> {
        if self.session.transaction == TransactionStatus::Error && !statement.ends_failed_transaction() {
            return Err(PgError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block"));
        }
        Ok(())
    }
}
