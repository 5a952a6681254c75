//! COPY … FROM STDIN: rows that a client sends.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::physical_plan::collect;

use super::columns::parse;
use super::connection::Connection;
use super::copy::CopyIn;
use super::copy_read::{CopyColumn, CopyReader, Origin};
use super::definitions::Outcome;
use super::error::{PgError, sqlstate};
use super::message::{Message, take_message};
use super::plan::Planner;
use super::scratch::part::PartWriter;
use super::scratch::space::{TEMP, Table};
use super::types;
use super::wire::Interruption;
use super::write::{Checks, check_keys, default_of, target};

impl Connection<'_> {
    /// Takes the rows that the client sends into the table.
    pub(crate) async fn copy_in(&mut self, copy: &CopyIn) -> Result<(), Interruption> {
        let planner = self.session.planner();
        let (schema, name, table) = target(&planner, &copy.table, "COPY FROM")?;
        if schema != TEMP {
            self.refuse_read_only("COPY FROM")?;
        }
        let (columns, origins) = columns(&planner, &name, &table, copy.columns.as_deref()).await?;
        let count = columns.len();
        let zone = self.session.settings.get("timezone").unwrap_or_default();
        let checks = Checks::of(&name, &table);
        let mut reader = CopyReader::new(&name, &copy.options, columns, origins, checks, zone)?;
        let pool = Arc::clone(&planner.state.runtime_env().memory_pool);
        let mut writer = PartWriter::new(Arc::clone(&table.schema), self.session.work.scratch().files(), &pool);
        self.wire.outbox.copy_in(copy.options.format, count)?;
        let mut watch = self.watch();
        let received = async {
            self.wire.flush(Some(&mut watch)).await?;
            loop {
                match take_message(&mut self.wire.inbox)? {
                    Some(Message::CopyData(data)) => reader.feed(&data, &mut writer)?,
                    Some(Message::CopyDone) => return Ok(reader.end(&mut writer)?),
                    Some(Message::CopyFail(reason)) => {
                        return Err(PgError::new("57014", format!("COPY from stdin failed: {reason}")).into());
                    }
                    // As in PostgreSQL: a client that pipelines has sent them before it knew of the copy.
                    Some(Message::Flush | Message::Sync) => {}
                    Some(Message::Terminate) => return Err(Interruption::Gone),
                    Some(_) => {
                        return Err(PgError::fatal("08P01", "unexpected message type during COPY from stdin").into());
                    }
                    None => self.wire.more(&mut watch).await?,
                }
                self.wire.interrupted(&mut watch)?;
            }
        }
        .await;
        self.entry.end();
        received?;
        let rows = reader.rows;
        let mut state = planner.scratch.state.clone();
        if let Some(part) = writer.finish().map_err(|error| sqlstate(&error))? {
            let stable = if schema == TEMP { 0 } else { table.parts.iter().filter(|part| part.file().is_some()).count() };
            let changed = table.with_more(part, stable);
            let mut checked = (planner.clone(), changed.clone());
            self.task(checked.0.stopping(), async move { check_keys(&checked.0, &checked.0.context(), &checked.1).await })
                .await?;
            state.space_mut(&schema).replace_rows(&schema, &name, changed);
        }
        let outcome = Outcome { state, tag: format!("COPY {rows}"), notices: Vec::new(), returned: None };
        self.changed(&planner, outcome).await?;
        Ok(())
    }
}

/// The columns that come, and where each of the table's comes from.
async fn columns(
    planner: &Planner,
    name: &str,
    table: &Table,
    given: Option<&[String]>,
) -> Result<(Vec<CopyColumn>, Vec<Origin>), PgError> {
    let all: Vec<String> = table.schema.fields().iter().map(|field| field.name().clone()).collect();
    let wanted = given.map_or_else(|| all.clone(), <[String]>::to_vec);
    let mut defaults = Vec::with_capacity(all.len());
    for (at, field) in table.schema.fields().iter().enumerate() {
        let has_default = table.columns.get(at).is_some_and(|notes| notes.default.is_some());
        let null = ScalarValue::try_from(field.data_type()).map_err(|error| sqlstate(&error))?;
        defaults.push(match has_default {
            true => constant(planner, &default_of(table, at)?.to_string())
                .await?
                .cast_to(field.data_type())
                .map_err(|error| sqlstate(&error))?,
            false => null,
        });
    }
    let mut columns = Vec::with_capacity(wanted.len());
    for (position, column) in wanted.iter().enumerate() {
        let Ok(at) = table.schema.index_of(column) else {
            return Err(PgError::new("42703", format!("column \"{column}\" of relation \"{name}\" does not exist")));
        };
        if wanted.get(..position).is_some_and(|before| before.contains(column)) {
            return Err(PgError::new("42701", format!("column \"{column}\" specified more than once")));
        }
        let field = table.schema.field(at);
        columns.push(CopyColumn {
            name: column.clone(),
            pg_type: types::of_field(field),
            data_type: field.data_type().clone(),
            default: defaults.get(at).cloned().unwrap_or(ScalarValue::Null),
        });
    }
    let origin = |(at, column): (usize, &String)| match wanted.iter().position(|wanted| wanted == column) {
        Some(position) => Origin::Data(position),
        None => Origin::Constant(defaults.get(at).cloned().unwrap_or(ScalarValue::Null)),
    };
    Ok((columns, all.iter().enumerate().map(origin).collect()))
}

/// The value of an expression without columns.
async fn constant(planner: &Planner, expression: &str) -> Result<ScalarValue, PgError> {
    let told = |error| sqlstate(&error);
    let planned = planner.plan(parse(&format!("SELECT {expression}"))?, &[]).await.map_err(PgError::unlocated)?;
    let physical = planner.physical(&planned.plan).await?;
    let batches = collect(physical, planner.state.task_ctx()).await.map_err(told)?;
    match batches.iter().find(|batch| batch.num_rows() == 1 && batch.num_columns() == 1) {
        Some(batch) => ScalarValue::try_from_array(batch.column(0), 0).map_err(told),
        None => Err(PgError::new("0A000", "set-returning functions are not allowed in DEFAULT expressions")),
    }
}
