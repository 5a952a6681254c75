//! `pg_stat_activity`: a session sees itself. What others do may name patients, and there are no roles here that may see it.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::Backend;
use super::cells::{batch, row};
use super::objects::DATABASE_OID;
use super::relations::ACTIVITY;
use super::roles::RoleBook;

/// The one row of the session that asks.
pub(super) fn rows(backend: &Backend) -> Result<Option<RecordBatch>> {
    let identity = &backend.identity;
    let row = row! {
        datid: DATABASE_OID, datname: identity.database.as_str(), pid: identity.pid, usesysid: RoleBook::of(&backend.guard).oid(&identity.user), usename: identity.user.as_str(),
        application_name: backend.settings.get("application_name").unwrap_or_default(), leader_pid: None::<i32>,
        client_port: None::<i32>, backend_xid: None::<u32>, backend_xmin: None::<u32>, query_id: None::<i64>, state: "active",
        backend_type: "client backend"
    };
    batch(super::SCHEMA, ACTIVITY, &[row])
}
