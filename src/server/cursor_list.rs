//! The cursors of a session as `pg_cursors` shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::Result;

/// What is shown of a cursor.
#[derive(Debug, Clone)]
struct Shown {
    statement: String,
    holdable: bool,
    binary: bool,
    scrollable: bool,
    since_micros: i64,
}

/// The cursors by name.
#[derive(Debug, Default)]
pub(crate) struct Cursors(Mutex<BTreeMap<String, Shown>>);

impl Cursors {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, name: &str, statement: String, holdable: bool, binary: bool, scrollable: bool) {
        let since_micros = chrono::Utc::now().timestamp_micros();
        self.all().insert(name.to_owned(), Shown { statement, holdable, binary, scrollable, since_micros });
    }

    /// Forgets those that are there no more.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.all().retain(|name, _| is_there(name));
    }

    /// The rows of `pg_cursors`, in the columns of `schema`.
    pub(crate) fn rows(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let all = self.all();
        let flags = |flag: fn(&Shown) -> bool| -> ArrayRef {
            Arc::new(all.values().map(|shown| Some(flag(shown))).collect::<BooleanArray>())
        };
        let columns = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                match field.name().as_str() {
                    "name" => Arc::new(StringArray::from_iter_values(all.keys())),
                    "statement" => Arc::new(StringArray::from_iter_values(all.values().map(|shown| &shown.statement))),
                    "is_holdable" => flags(|shown| shown.holdable),
                    "is_binary" => flags(|shown| shown.binary),
                    "is_scrollable" => flags(|shown| shown.scrollable),
                    "creation_time" => {
                        let since = all.values().map(|shown| shown.since_micros);
                        Arc::new(TimestampMicrosecondArray::from_iter_values(since).with_timezone("UTC"))
                    }
                    _ => new_null_array(field.data_type(), all.len()),
                }
            })
            .collect();
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
