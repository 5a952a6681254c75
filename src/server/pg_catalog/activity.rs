//! `pg_stat_activity`, and the functions that stop what it shows.
//!
//! Everybody sees which sessions there are. What they do may name patients: the text of a statement is shown to those who have the rights of
//! the session's role, as in PostgreSQL.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use pgwire::messages::response::TransactionStatus;

use super::Backend;
use super::cells::{Cell, Row, batch, row};
use super::functions::{Arguments, Function, Returns, function};
use super::objects::DATABASE_OID;
use super::relations::ACTIVITY;
use super::roles::RoleBook;
use crate::server::error::PgError;
use crate::server::registry::{Activity, Slot};

/// The sessions of the server, a row each.
pub(super) fn rows(backend: &Backend) -> Result<RecordBatch> {
    let book = RoleBook::of(&backend.guard);
    let sessions = backend.registry.all();
    let rows: Vec<Row> = sessions.iter().filter_map(|slot| of_session(backend, &book, slot)).collect();
    batch(super::SCHEMA, ACTIVITY, &rows)?.ok_or_else(|| DataFusionError::Internal(format!("{ACTIVITY} has no shape")))
}

fn of_session(backend: &Backend, book: &RoleBook, slot: &Slot) -> Option<Row> {
    let Activity { user, settings, statement, statement_micros, transaction_micros, changed_micros, idle } = slot.activity();
    let user = user?;
    let own = slot.pid == backend.identity.pid;
    let seen = own || has_rights_of(backend, &user);
    let text = match (&statement, seen) {
        (Some(statement), true) => statement.text().to_owned(),
        (None, true) => String::new(),
        (_, false) => "<insufficient privilege>".to_owned(),
    };
    let state = match idle {
        None => "active",
        Some(TransactionStatus::Idle) => "idle",
        Some(TransactionStatus::Transaction) => "idle in transaction",
        Some(TransactionStatus::Error) => "idle in transaction (aborted)",
    };
    // PostgreSQL shows no more of a session that one may not look at.
    let hidden = |cell: Cell| if seen { cell } else { Cell::Null };
    let waits = seen && idle.is_some();
    Some(row! {
        datid: DATABASE_OID,
        datname: backend.identity.database.as_str(),
        pid: slot.pid,
        leader_pid: Cell::Null,
        usesysid: book.oid(&user),
        usename: user,
        application_name: settings.and_then(|settings| settings.get("application_name")).unwrap_or_default(),
        client_addr: hidden(slot.peer.ip().to_canonical().to_string().into()),
        client_port: hidden(i32::from(slot.peer.port()).into()),
        backend_start: hidden(slot.start_micros.into()),
        xact_start: hidden(transaction_micros.into()),
        query_start: hidden(statement_micros.into()),
        state_change: hidden(changed_micros.into()),
        wait_event_type: if waits { Cell::from("Client") } else { Cell::Null },
        wait_event: if waits { Cell::from("ClientRead") } else { Cell::Null },
        state: hidden(state.into()),
        backend_xid: Cell::Null,
        backend_xmin: Cell::Null,
        query_id: Cell::Null,
        query: text,
        backend_type: "client backend"
    })
}

/// Whether the session that asks has the rights of a role.
fn has_rights_of(backend: &Backend, role: &str) -> bool {
    let principal = backend.guard.principal();
    let (user, acting) = (&principal.user, principal.role());
    acting == role || user.is_superuser(&acting) || user.access.roles().is_member(&acting, role, |step| step.inherit)
}

fn cancel(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    stop(backend, arguments, row, Slot::cancel, ("to cancel superuser query", "whose query is being canceled"))
}

fn terminate(backend: &Backend, arguments: &Arguments, row: usize) -> Result<ScalarValue> {
    stop(backend, arguments, row, Slot::terminate, ("to terminate superuser process", "whose process is being terminated"))
}

fn stop(
    backend: &Backend,
    arguments: &Arguments,
    row: usize,
    stop: fn(&Slot),
    (superusers, others): (&str, &str),
) -> Result<ScalarValue> {
    let Some(pid) = arguments.int(0, row) else { return Ok(ScalarValue::Boolean(None)) };
    let found = i32::try_from(pid).ok().and_then(|pid| backend.registry.find(pid));
    let Some((slot, user)) = found.and_then(|slot| slot.activity().user.map(|user| (slot, user))) else {
        return Ok(ScalarValue::Boolean(Some(false)));
    };
    let asking = &backend.guard.principal().user;
    if asking.is_superuser(&user) && !asking.is_superuser(&backend.guard.principal().role()) {
        return Err(PgError::new("42501", format!("must be a superuser {superusers}")).into());
    }
    if !has_rights_of(backend, &user) {
        let message = format!("must be a member of the role {others} or member of pg_signal_backend");
        return Err(PgError::new("42501", message).into());
    }
    stop(&slot);
    Ok(ScalarValue::Boolean(Some(true)))
}

/// The functions, by name.
pub(super) const FUNCTIONS: &[Function] =
    &[function("pg_cancel_backend", Returns::Bool, cancel), function("pg_terminate_backend", Returns::Bool, terminate)];
