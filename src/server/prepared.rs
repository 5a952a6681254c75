//! The prepared statements of a session, which `pg_prepared_statements` shows to it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Builder,
    new_null_array,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::Result;
use pgwire::api::Type;

use super::cursor_list::Cursors;
use super::error::PgError;
use super::plan::{Planned, Runs};
use super::scope::Scope;
use super::statement::Statement;

/// Statements that a session may hold, so that a client that never closes them cannot fill the memory.
const MAX_PREPARED: usize = 1_000;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Nothing for an empty query.
    pub(crate) statement: Option<Statement>,
    /// The plan of a query.
    pub(crate) planned: Option<Arc<Planned>>,
    /// Its text.
    pub(crate) source: String,
    /// Whether it was prepared by PREPARE, not by a message of the protocol.
    pub(crate) from_sql: bool,
    /// The types of the parameters that the client names.
    pub(crate) declared: Vec<Option<Type>>,
    /// What the plan was made for.
    pub(crate) scope: Arc<Scope>,
}

#[derive(Debug)]
struct Named {
    prepared: Arc<Prepared>,
    since_micros: i64,
}

/// How often plans of one kind have been run.
fn runs(shown: &[(&String, &Named)], kind: impl Fn(&Runs) -> &AtomicI64) -> Int64Array {
    let count = |planned: &Arc<Planned>| kind(&planned.runs).load(Ordering::Relaxed);
    shown.iter().map(|(_, named)| Some(named.prepared.planned.as_ref().map_or(0, count))).collect()
}

/// The statements by name; that of the unnamed one is empty.
#[derive(Debug, Default)]
pub(crate) struct PreparedStatements {
    all: Mutex<BTreeMap<String, Named>>,
    /// The cursors of the session, which are shown in the same way.
    pub(crate) cursors: Cursors,
}

impl PreparedStatements {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Named>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a statement. A name is taken until it is closed; only the unnamed statement is replaced.
    pub(crate) fn insert(&self, name: String, prepared: Arc<Prepared>) -> Result<(), PgError> {
        let mut all = self.all();
        if !name.is_empty() {
            if all.contains_key(&name) {
                return Err(PgError::new("42P05", format!("prepared statement \"{name}\" already exists")));
            }
            if all.len() >= MAX_PREPARED {
                return Err(PgError::new("53400", format!("more than {MAX_PREPARED} prepared statements in one session"))
                    .with_hint("Close those that are not needed with DEALLOCATE."));
            }
        }
        all.insert(name, Named { prepared, since_micros: chrono::Utc::now().timestamp_micros() });
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Result<Arc<Prepared>, PgError> {
        let found = self.all().get(name).map(|named| Arc::clone(&named.prepared));
        found.ok_or_else(|| match name {
            "" => PgError::new("26000", "unnamed prepared statement does not exist"),
            name => PgError::new("26000", format!("prepared statement \"{name}\" does not exist")),
        })
    }

    /// Puts the same statement, planned anew, in the place of an older one.
    pub(crate) fn renew(&self, old: &Arc<Prepared>, new: &Arc<Prepared>) {
        for named in self.all().values_mut() {
            if Arc::ptr_eq(&named.prepared, old) {
                named.prepared = Arc::clone(new);
            }
        }
    }

    /// Whether there was one of this name.
    pub(crate) fn close(&self, name: &str) -> bool {
        self.all().remove(name).is_some()
    }

    pub(crate) fn close_all(&self) {
        self.all().clear();
    }

    /// The rows of `pg_prepared_statements`, in the columns of `schema`.
    pub(crate) fn rows(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let all = self.all();
        let shown: Vec<(&String, &Named)> = all.iter().filter(|(name, _)| !name.is_empty()).collect();
        let mut types = ListBuilder::new(UInt32Builder::new());
        for (_, named) in &shown {
            for (pg_type, _) in named.prepared.planned.iter().flat_map(|planned| &planned.parameters) {
                types.values().append_value(pg_type.oid());
            }
            types.append(true);
        }
        let types: ArrayRef = Arc::new(types.finish());
        let since = shown.iter().map(|(_, named)| named.since_micros);
        let columns = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                match field.name().as_str() {
                    "name" => Arc::new(StringArray::from_iter_values(shown.iter().map(|(name, _)| name))),
                    "statement" => {
                        Arc::new(StringArray::from_iter_values(shown.iter().map(|(_, named)| named.prepared.source.as_str())))
                    }
                    "prepare_time" => Arc::new(TimestampMicrosecondArray::from_iter_values(since.clone()).with_timezone("UTC")),
                    "parameter_types" if matches!(field.data_type(), DataType::List(_)) => Arc::clone(&types),
                    "from_sql" => {
                        Arc::new(shown.iter().map(|(_, named)| Some(named.prepared.from_sql)).collect::<BooleanArray>())
                    }
                    "generic_plans" => Arc::new(runs(&shown, |runs| &runs.generic)),
                    "custom_plans" => Arc::new(runs(&shown, |runs| &runs.custom)),
                    _ => new_null_array(field.data_type(), shown.len()),
                }
            })
            .collect();
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
