//! Statements that change something, as a connection does them: on a task of their own, and committed when they end well.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;
use pgwire::messages::response::TransactionStatus;
use placido_udfs::Stop;
use tokio::task::JoinHandle;

use super::arguments;
use super::backend::Notice;
use super::connection::Connection;
use super::define::Define;
use super::definitions::{Definer, Outcome};
use super::error::PgError;
use super::plan::{Planned, Planner};
use super::prepared::Prepared;
use super::relation_names::{Found, no_relation};
use super::run::Running;
use super::scratch::space::{TEMP, Table};
use super::statement::Statement;
use super::transaction::{Pending, only_in_block};
use super::wire::Interruption;
use super::write::written;
use super::writing::run::Write;
use crate::runtime::Ended;
use crate::runtime::stack::Roomy;

/// How often a statement that met another one is run again before its client is told.
const ATTEMPTS: usize = 20;

/// Rows of RETURNING that are to be given.
pub(crate) struct Returned {
    pub(crate) running: Running,
    pub(crate) planned: Arc<Planned>,
}

/// Work that ends with whoever waits for it.
struct Working<T>(JoinHandle<T>, Stop);

impl<T> Drop for Working<T> {
    fn drop(&mut self) {
        self.1.stop();
        self.0.abort();
    }
}

impl Connection<'_> {
    /// Waits for work on a task of its own, which ends when the statement is interrupted: by `stop`, where the work asks.
    pub(crate) async fn task<T: Send + 'static>(
        &mut self,
        stop: Stop,
        work: impl Future<Output = Result<T, PgError>> + Send + 'static,
    ) -> Result<T, Interruption> {
        let mut working = Working(self.server.runtime.spawn(Roomy::new(work)), stop);
        let mut watch = self.watch();
        let done = self.wire.wait(&mut watch, &mut working.0).await;
        self.entry.end();
        match done? {
            Ok(done) => Ok(done?),
            Err(_) => Err(PgError::from(Ended).into()),
        }
    }

    /// Takes over what a statement did, and says so, unless rows have to be given before.
    pub(crate) async fn changed(&mut self, planner: &Planner, outcome: Outcome) -> Result<Option<Arc<Table>>, Interruption> {
        let Outcome { state, tag, notices, returned } = outcome;
        let pending = self.session.work.change(&planner.scratch.state, state);
        self.commit(pending).await?;
        for notice in &notices {
            self.tell(notice);
        }
        if returned.is_none() {
            self.wire.outbox.complete(&tag);
        }
        Ok(returned)
    }

    /// Makes a state everybody's.
    async fn commit(&mut self, pending: Option<Pending>) -> Result<(), Interruption> {
        let Some(pending) = pending else { return Ok(()) };
        let pending = if pending.is_shared() {
            let scratch = Arc::clone(self.session.work.scratch());
            // Files are written, and on the way nobody can be cancelled: it is done or not.
            let written = self.server.runtime.spawn_blocking(move || pending.commit(&scratch).map(|()| pending)).await;
            written.map_err(|_| PgError::new("XX000", "the transaction could not be written down"))??
        } else {
            pending
        };
        self.session.work.committed(pending);
        Ok(())
    }

    /// Tells a client something, unless it does not want to hear it.
    pub(crate) fn tell(&mut self, notice: &Notice) {
        let level = self.session.settings.get("client_min_messages").unwrap_or_default();
        let heard = match level.as_str() {
            "error" => false,
            "warning" => notice.severity == "WARNING",
            _ => true,
        };
        if heard {
            self.wire.outbox.notice(notice);
        }
    }

    /// Refuses what changes something in a transaction that may not.
    pub(crate) fn refuse_read_only(&self, what: &str) -> Result<(), PgError> {
        let open = self.session.transaction != TransactionStatus::Idle;
        let setting = if open { "transaction_read_only" } else { "default_transaction_read_only" };
        match self.session.settings.is_on(setting) {
            true => Err(PgError::new("25006", format!("cannot execute {what} in a read-only transaction"))),
            false => Ok(()),
        }
    }

    /// CREATE, DROP, ALTER, COMMENT and TRUNCATE.
    pub(crate) async fn define(&mut self, define: &Define) -> Result<(), Interruption> {
        self.refuse_in_failed(&Statement::Accepted(""))?;
        self.refuse_read_only(define.tag())?;
        for attempt in 1.. {
            let mut planner = self.session.planner();
            let stop = planner.stopping();
            let definer = Definer {
                planner: planner.clone(),
                scratch: Arc::clone(self.session.work.scratch()),
                user: self.session.settings.user(),
            };
            let define = define.clone();
            let outcome = self.task(stop, async move { definer.define(define).await }).await?;
            match self.changed(&planner, outcome).await {
                Err(Interruption::Failed(error)) if self.may_try_again(&error, attempt) => {}
                done => return done.map(drop),
            }
        }
        Ok(())
    }

    fn may_try_again(&self, error: &PgError, attempt: usize) -> bool {
        error.code == "40001" && !self.session.work.in_block() && attempt < ATTEMPTS
    }

    /// INSERT, UPDATE and DELETE, planned for these values. What is returned are the rows of RETURNING, still to be given.
    pub(crate) async fn write(
        &mut self,
        statement: &ast::Statement,
        planned: &Arc<Planned>,
        values: Vec<ScalarValue>,
    ) -> Result<Option<Returned>, Interruption> {
        let table = written(statement)?.clone();
        let mut planned = Arc::clone(planned);
        for attempt in 1.. {
            let mut planner = self.session.planner();
            let stop = planner.stopping();
            let temporary = matches!(planner.names().find(&table)?, Some(Found::Scratch { schema, .. }) if schema == TEMP);
            if !temporary {
                self.refuse_read_only(super::write::name(statement))?;
            }
            let write = Write {
                planner: planner.clone(),
                scratch: Arc::clone(self.session.work.scratch()),
                planned: Arc::clone(&planned),
                values: values.clone(),
                table: table.clone(),
            };
            let outcome = self.task(stop, write.run()).await?;
            match self.changed(&planner, outcome).await {
                Err(Interruption::Failed(error)) if self.may_try_again(&error, attempt) => {
                    let declared = planned.parameters.iter().map(|(pg_type, _)| Some(pg_type.clone())).collect();
                    planned = self.plan(statement.clone(), declared).await?;
                }
                Err(error) => return Err(error),
                Ok(rows) => {
                    let (context, zone) = (Arc::clone(&planner.context), planner.zone);
                    return Ok(rows.map(|rows| Returned {
                        running: Running::table(&self.server.runtime, rows, Arc::clone(&planned), context, zone),
                        planned,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Sends the rows of RETURNING in the simple protocol, and what ends them.
    pub(crate) async fn give_returned(&mut self, returned: Option<Returned>) -> Result<(), Interruption> {
        if let Some(Returned { running, planned }) = returned {
            let count = self.described(running, Some(&planned)).await?;
            self.wire.outbox.complete(&planned.writing.as_ref().map(|writing| writing.verb.tag(count)).unwrap_or_default());
        }
        Ok(())
    }

    /// EXECUTE of a statement that writes.
    pub(crate) async fn execute_write(
        &mut self,
        name: &str,
        prepared: &Arc<Prepared>,
        given: &[ast::Expr],
    ) -> Result<Option<Returned>, Interruption> {
        let prepared = self.current(Arc::clone(prepared)).await?;
        let (Some(Statement::Write(statement)), Some(planned)) = (&prepared.statement, &prepared.planned) else {
            return Err(PgError::new("XX000", "a prepared statement without a plan").into());
        };
        super::prepare::check_count(name, planned.parameters.len(), given.len())?;
        let (mut planner, parameters, given) = (self.session.planner(), planned.parameters.clone(), given.to_vec());
        let values =
            self.task(planner.stopping(), async move { arguments::evaluate(&planner, &parameters, given).await }).await?;
        self.write(statement, planned, values).await
    }

    /// Begins the transaction that statements without BEGIN share: those of a string, and those up to a `Sync`.
    pub(crate) fn begin_implicit(&mut self) {
        if self.session.transaction == TransactionStatus::Idle && !self.session.work.in_block() {
            self.session.settings.begin();
            self.session.work.begin();
        }
    }

    /// Ends it, if one has begun.
    pub(crate) async fn end_implicit(&mut self, committed: bool) -> Result<(), Interruption> {
        if self.session.transaction != TransactionStatus::Idle || !self.session.work.in_block() {
            return Ok(());
        }
        self.end_block(committed).await
    }

    /// Ends the transaction, one way or the other.
    async fn end_block(&mut self, committed: bool) -> Result<(), Interruption> {
        let done = if committed {
            let pending = self.session.work.end();
            self.commit(pending).await
        } else {
            self.session.work.undo();
            Ok(())
        };
        self.session.end_portals(committed && done.is_ok());
        self.session.end_transaction(committed && done.is_ok())?;
        done
    }

    /// COMMIT and ROLLBACK.
    pub(crate) async fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<(), Interruption> {
        let word = if commit { "COMMIT" } else { "ROLLBACK" };
        let committed = commit && self.session.transaction != TransactionStatus::Error;
        if self.session.transaction == TransactionStatus::Idle {
            if chain {
                return Err(only_in_block(&format!("{word} AND CHAIN")).into());
            }
            self.tell(&Notice { severity: "WARNING", ..Notice::new("25P01", "there is no transaction in progress") });
        }
        let modes = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"]
            .map(|name| (name, self.session.settings.get(name).unwrap_or_default()));
        let before = self.reported();
        self.end_block(committed).await?;
        self.report(before);
        if chain {
            self.session.settings.begin();
            self.session.work.begin();
            self.session.transaction = TransactionStatus::Transaction;
            for (name, value) in modes {
                self.session.settings.set(name, Some(&value), true)?;
            }
        }
        self.wire.outbox.complete(if committed { "COMMIT" } else { "ROLLBACK" });
        Ok(())
    }

    /// LOCK TABLE: nobody can disturb what a transaction sees, so there is nothing to wait for.
    pub(crate) fn lock(&mut self, tables: &[ast::ObjectName]) -> Result<(), PgError> {
        if self.session.transaction == TransactionStatus::Idle && !self.session.implicit_block {
            return Err(only_in_block("LOCK TABLE"));
        }
        let planner = self.session.planner();
        for table in tables {
            if planner.names().find(table)?.is_none() {
                return Err(no_relation(table));
            }
        }
        Ok(())
    }

    /// Sends what other sessions have said, between transactions.
    pub(crate) fn deliver(&mut self) {
        if self.session.transaction == TransactionStatus::Idle {
            for said in self.session.ears.heard() {
                self.wire.outbox.notification(&said);
            }
        }
    }
}
