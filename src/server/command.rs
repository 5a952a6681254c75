//! Statements that have no plan: settings, transactions, prepared statements, and what the server refuses.

use pgwire::messages::response::TransactionStatus;

use super::connection::Connection;
use super::error::PgError;
use super::settings::{REPORTED, spelled};
use super::statement::{Discard, Refusal, Statement};
use super::transaction::{Modes, only_in_block};

/// The columns of SHOW ALL.
pub(crate) const SHOW_ALL: [&str; 3] = ["name", "setting", "description"];

impl Connection<'_> {
    /// Does what a statement without a plan asks for. `with_columns` is for the simple protocol, where nobody describes.
    pub(crate) fn command(&mut self, statement: &Statement, with_columns: bool) -> Result<(), PgError> {
        self.refuse_in_failed(statement)?;
        let before = self.reported();
        let tag = self.effect(statement, with_columns)?;
        self.report(before);
        self.wire.outbox.complete(&tag);
        Ok(())
    }

    /// The values of the settings that a client is told of.
    pub(crate) fn reported(&self) -> Vec<Option<String>> {
        REPORTED.iter().map(|(name, _)| self.session.settings.get(name)).collect()
    }

    /// Tells which of them have changed.
    pub(crate) fn report(&mut self, before: Vec<Option<String>>) {
        for ((name, spelled), old) in REPORTED.iter().zip(before) {
            let new = self.session.settings.get(name);
            if new != old {
                self.wire.outbox.parameter(spelled, new.unwrap_or_default());
            }
        }
    }

    /// Sets what a transaction is like, for as long as it lasts.
    fn set_modes(&mut self, modes: &Modes) -> Result<(), PgError> {
        if modes.isolation.is_some() && self.session.work.has_looked() {
            return Err(PgError::new("25001", "SET TRANSACTION ISOLATION LEVEL must be called before any query"));
        }
        if modes.read_only == Some(false)
            && self.session.settings.is_on("transaction_read_only")
            && self.session.work.has_looked()
        {
            return Err(PgError::new("25001", "transaction read-write mode must be set before any query"));
        }
        for (name, value) in modes.settings() {
            self.session.settings.set(&format!("transaction_{name}"), Some(value), true)?;
        }
        Ok(())
    }

    fn effect(&mut self, statement: &Statement, with_columns: bool) -> Result<String, PgError> {
        let outbox = &mut self.wire.outbox;
        let tag = match statement {
            Statement::Query(_)
            | Statement::Copy(_)
            | Statement::Prepare { .. }
            | Statement::Execute { .. }
            | Statement::Declare(_)
            | Statement::Fetch(_)
            | Statement::Write(_)
            | Statement::CopyIn(_)
            | Statement::Define(_)
            | Statement::Role(_)
            | Statement::ExplainExecute { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. } => return Err(PgError::new("XX000", "a statement with rows and no plan")),
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
                    outbox.text_columns(&[spelled(name)]);
                }
                outbox.text_row(&[&value]);
                "SHOW"
            }
            Statement::Show(None) => {
                if with_columns {
                    outbox.text_columns(&SHOW_ALL);
                }
                for (name, value, about) in self.session.settings.all() {
                    outbox.text_row(&[spelled(&name), &value, &about]);
                }
                "SHOW"
            }
            Statement::Begin(modes, tag) => {
                if self.session.transaction == TransactionStatus::Idle {
                    self.session.settings.begin();
                    self.session.work.begin();
                    self.session.transaction = TransactionStatus::Transaction;
                    let given = modes.clone();
                    self.set_modes(&given.or_default(&self.session.settings))?;
                } else {
                    outbox.warning("25001", "there is already a transaction in progress");
                }
                tag
            }
            Statement::SetTransaction { modes, session: true } => {
                for (name, value) in modes.settings() {
                    self.session.set(&format!("default_transaction_{name}"), Some(value), false)?;
                }
                "SET"
            }
            Statement::SetTransaction { modes, session: false } => {
                if self.session.transaction == TransactionStatus::Idle {
                    outbox.warning("25P01", "SET TRANSACTION can only be used in transaction blocks");
                } else {
                    self.set_modes(modes)?;
                }
                "SET"
            }
            Statement::Savepoint(name) => {
                self.refuse_outside("SAVEPOINT")?;
                let mark = self.session.settings.mark();
                self.session.work.savepoint(name.clone(), mark)?;
                "SAVEPOINT"
            }
            Statement::Release(name) => {
                self.refuse_outside("RELEASE SAVEPOINT")?;
                self.session.work.release(name)?;
                "RELEASE"
            }
            Statement::RollbackTo(name) => {
                self.refuse_outside("ROLLBACK TO SAVEPOINT")?;
                let mark = self.session.work.rollback_to(name)?;
                self.session.back_to(mark)?;
                self.session.transaction = TransactionStatus::Transaction;
                "ROLLBACK"
            }
            Statement::Discard(Discard::All) => {
                if self.session.transaction != TransactionStatus::Idle {
                    return Err(PgError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
                }
                self.session.prepared.close_all();
                self.session.close_all_portals();
                self.session.work.drop_temp();
                self.session.ears.forget();
                self.session.set("session_authorization", None, false)?;
                self.session.reset_all()?;
                "DISCARD ALL"
            }
            Statement::Discard(Discard::Temp) => {
                self.session.work.drop_temp();
                "DISCARD TEMP"
            }
            // Plans are made anew where they have to be; there are no sequences.
            Statement::Discard(Discard::Plans) => "DISCARD PLANS",
            Statement::Discard(Discard::Sequences) => "DISCARD SEQUENCES",
            Statement::Notify(notify) => {
                self.session.ears.later(notify.clone())?;
                if !self.session.work.in_block() {
                    let pid = self.session.pid();
                    self.session.ears.ended(true, pid, &self.server.hub);
                }
                notify.tag()
            }
            Statement::Lock(tables) => {
                self.lock(tables)?;
                "LOCK TABLE"
            }
            Statement::Deallocate(None) => {
                self.session.prepared.close_all();
                "DEALLOCATE ALL"
            }
            Statement::Deallocate(Some(name)) => {
                if !self.session.prepared.close(name) {
                    return Err(PgError::new("26000", format!("prepared statement \"{name}\" does not exist")));
                }
                "DEALLOCATE"
            }
            Statement::Close(None) => {
                self.session.close_all_portals();
                "CLOSE CURSOR ALL"
            }
            Statement::Close(Some(name)) => {
                self.session.cursor(name)?;
                self.session.close_portal(name);
                "CLOSE CURSOR"
            }
            Statement::Accepted(tag) => tag,
            Statement::Refused { what, why } => return Err(refusal(what, *why)),
        };
        Ok(tag.to_owned())
    }
}

impl Connection<'_> {
    fn refuse_outside(&self, what: &str) -> Result<(), PgError> {
        match self.session.transaction {
            TransactionStatus::Idle => Err(only_in_block(what)),
            _ => Ok(()),
        }
    }
}

fn refusal(what: &str, why: Refusal) -> PgError {
    match why {
        Refusal::Files => PgError::new("42501", format!("permission denied: {what} would reach beyond the database")),
        Refusal::Writes => PgError::new("0A000", format!("{what} is not possible here")).with_hint(
            "Data come from the files of the lake and the layers in sql/; tables of your own can be made and written to.",
        ),
        Refusal::Unsupported => PgError::new("0A000", format!("{what} is not supported")),
    }
}
