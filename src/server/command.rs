//! Statements that have no plan: settings, transactions, prepared statements, and what the server refuses.

use pgwire::messages::response::TransactionStatus;

use super::connection::Connection;
use super::error::PgError;
use super::settings::REPORTED;
use super::statement::{Refusal, Statement};

/// The columns of SHOW ALL.
pub(crate) const SHOW_ALL: [&str; 3] = ["name", "setting", "description"];

impl Connection<'_> {
    /// Does what a statement without a plan asks for. `with_columns` is for the simple protocol, where nobody describes.
    pub(crate) fn command(&mut self, statement: &Statement, with_columns: bool) -> Result<(), PgError> {
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
            Statement::Query(_)
            | Statement::Copy(_)
            | Statement::Prepare { .. }
            | Statement::Execute { .. }
            | Statement::Declare(_)
            | Statement::Fetch(_) => return Err(PgError::new("XX000", "a statement with rows and no plan")),
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
                self.session.end_portals(committed);
                if self.session.transaction == TransactionStatus::Idle {
                    outbox.warning("25P01", "there is no transaction in progress");
                } else {
                    self.session.end_transaction(committed)?;
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
                self.session.prepared.close_all();
                self.session.close_all_portals();
                self.session.reset_all()?;
                "DISCARD ALL"
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
            Statement::Role(statement) => return self.role_statement(statement, with_columns),
            Statement::Accepted(tag) => tag,
            Statement::Refused { what, why } => return Err(refusal(what, *why)),
        };
        Ok(tag.to_owned())
    }
}

fn refusal(what: &str, why: Refusal) -> PgError {
    match why {
        Refusal::Files => PgError::new("42501", format!("permission denied: {what} would reach beyond the database")),
        Refusal::Writes => PgError::new("0A000", format!("the server is read-only: {what} is not possible"))
            .with_hint("Data come from the files of the lake and the layers in sql/."),
        Refusal::Unsupported => PgError::new("0A000", format!("{what} is not supported")),
    }
}
