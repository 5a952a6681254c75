//! INSERT, UPDATE and DELETE on scratch tables: the rows of a query become a new state of the table.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::common::{Column, ParamValues, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, WriteOp, lit};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast::{self, Ident, ObjectName};
use futures::StreamExt;
use pgwire::api::Type;

use super::columns::parse;
use super::definitions::Outcome;
use super::error::{PgError, sqlstate, sqlstate_in};
use super::names::identifier;
use super::plan::{Planned, Planner};
use super::relation_names::{Found, no_relation};
use super::scratch::overlay::ScratchTable;
use super::scratch::part::PartWriter;
use super::scratch::space::{Object, TEMP, Table};
use super::scratch::{Scratch, space::State};
use super::{params, types};
use crate::access::roles::Privilege;

/// The name of a statement that writes.
pub(crate) fn name(statement: &ast::Statement) -> &'static str {
    match statement {
        ast::Statement::Update(_) => "UPDATE",
        ast::Statement::Delete(_) => "DELETE",
        _ => "INSERT",
    }
}

/// The table that a statement writes to, in the state that it sees.
pub(crate) fn target(planner: &Planner, name: &ObjectName, verb: &str) -> Result<(String, String, Arc<Table>), PgError> {
    let no_right = |kind: &str, name: &str| PgError::new("42501", format!("permission denied for {kind} {name}"));
    match planner.names().find(name)? {
        Some(Found::Scratch { schema, name, object: Object::Table(table) }) => {
            let privilege = match verb {
                "INSERT" | "COPY FROM" => Privilege::Insert,
                "UPDATE" => Privilege::Update,
                _ => Privilege::Delete,
            };
            planner.guard.check(privilege, &schema, &name)?;
            Ok((schema, name, table))
        }
        Some(Found::Scratch { name, .. }) => {
            let cannot = match verb {
                "INSERT" => "insert into",
                "UPDATE" => "update",
                "COPY FROM" => "copy to",
                _ => "delete from",
            };
            Err(PgError::new("55000", format!("cannot {cannot} view \"{name}\"")).with_hint("Write to the table that it reads."))
        }
        Some(Found::Engine { name, kind }) => Err(no_right(kind, &name)
            .with_hint("Layers come from the files of the lake; only tables that clients made are written to.")),
        None => Err(no_relation(name)),
    }
}

/// The name of the table that a statement writes to.
pub(crate) fn written(statement: &ast::Statement) -> Result<&ObjectName, PgError> {
    let not_a_table = || PgError::new("0A000", format!("{} needs the name of a table", name(statement)));
    let of_factor = |table: &ast::TableWithJoins| match &table.relation {
        ast::TableFactor::Table { .. } if !table.joins.is_empty() => Err(not_a_table()),
        ast::TableFactor::Table { .. } => Ok(()),
        _ => Err(not_a_table()),
    };
    match statement {
        ast::Statement::Insert(ast::Insert { table: ast::TableObject::TableName(name), .. }) => Ok(name),
        ast::Statement::Update(update) => {
            of_factor(&update.table)?;
            factor_name(&update.table).ok_or_else(not_a_table)
        }
        ast::Statement::Delete(delete) => {
            let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
            let [table] = from.as_slice() else { return Err(not_a_table()) };
            of_factor(table)?;
            factor_name(table).ok_or_else(not_a_table)
        }
        _ => Err(not_a_table()),
    }
}

fn factor_name(table: &ast::TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        ast::TableFactor::Table { name, .. } => Some(name),
        _ => None,
    }
}

/// Brings a statement into the form that the engine plans: defaults written out, and what it does not know refused.
pub(crate) fn complete(planner: &Planner, statement: &mut ast::Statement) -> Result<(), PgError> {
    let (_, table_name, table) = target(planner, written(statement)?, name(statement))?;
    let unsupported = |what: &str| Err(PgError::new("0A000", format!("{what} is not supported")));
    match statement {
        ast::Statement::Insert(insert) => {
            if insert.returning.is_some() {
                return unsupported("INSERT … RETURNING");
            }
            if insert.on.is_some() {
                return unsupported("INSERT … ON CONFLICT");
            }
            insert.table_alias = None;
            complete_insert(insert, &table_name, &table)
        }
        ast::Statement::Update(update) => {
            if update.returning.is_some() {
                return unsupported("UPDATE … RETURNING");
            }
            if update.from.is_some() {
                return unsupported("UPDATE … FROM")
                    .map_err(|error: PgError| error.with_hint("Use a subquery: SET a = (SELECT …) WHERE id IN (SELECT …)."));
            }
            for assignment in &mut update.assignments {
                let ast::AssignmentTarget::ColumnName(target) = &assignment.target else {
                    return unsupported("UPDATE of several columns at once");
                };
                let column = target.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
                let Ok(at) = table.schema.index_of(&column) else { return Err(no_column(&column, &table_name)) };
                // The engine compares the name as it is written.
                assignment.target = ast::AssignmentTarget::ColumnName(ObjectName::from(Ident::with_quote('"', &column)));
                if is_default(&assignment.value) {
                    assignment.value = default_of(&table, at)?;
                }
            }
            Ok(())
        }
        ast::Statement::Delete(delete) => {
            if delete.returning.is_some() {
                return unsupported("DELETE … RETURNING");
            }
            if delete.using.is_some() {
                return unsupported("DELETE … USING")
                    .map_err(|error: PgError| error.with_hint("Use a subquery: WHERE id IN (SELECT …)."));
            }
            Ok(())
        }
        _ => unsupported("this statement"),
    }
}

fn no_column(column: &str, table: &str) -> PgError {
    PgError::new("42703", format!("column \"{column}\" of relation \"{table}\" does not exist"))
}

fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default"))
}

/// The expression of a column's default, NULL where it has none.
pub(crate) fn default_of(table: &Table, column: usize) -> Result<ast::Expr, PgError> {
    let null = ast::Expr::Value(ast::Value::Null.into());
    let Some(default) = table.columns.get(column).and_then(|notes| notes.default.as_ref()) else { return Ok(null) };
    let ast::Statement::Query(query) = parse(&format!("SELECT {default}"))? else { return Ok(null) };
    let ast::SetExpr::Select(select) = *query.body else { return Ok(null) };
    match select.projection.into_iter().next() {
        Some(ast::SelectItem::UnnamedExpr(expr)) => Ok(expr),
        _ => Ok(null),
    }
}

fn complete_insert(insert: &mut ast::Insert, table_name: &str, table: &Table) -> Result<(), PgError> {
    let all: Vec<String> = table.schema.fields().iter().map(|field| field.name().clone()).collect();
    let named = !insert.columns.is_empty();
    let mut columns: Vec<String> = if named {
        let column = |name: &ObjectName| name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default();
        insert.columns.iter().map(column).collect()
    } else {
        all.clone()
    };
    let mut seen = HashSet::new();
    for column in &columns {
        if !all.contains(column) {
            return Err(no_column(column, table_name));
        }
        if !seen.insert(column) {
            return Err(PgError::new("42701", format!("column \"{column}\" specified more than once")));
        }
    }
    let Some(source) = &mut insert.source else {
        // DEFAULT VALUES
        let defaults = (0..all.len()).map(|at| Ok(default_of(table, at)?.to_string())).collect::<Result<Vec<_>, PgError>>()?;
        let ast::Statement::Query(query) = parse(&format!("VALUES ({})", defaults.join(", ")))? else { return Ok(()) };
        insert.source = Some(query);
        insert.columns = all.iter().map(|column| quoted(column)).collect();
        return Ok(());
    };
    let omitted = |columns: &[String]| -> Vec<usize> {
        (0..all.len())
            .filter(|at| all.get(*at).is_some_and(|name| !columns.contains(name)))
            .filter(|at| table.columns.get(*at).is_some_and(|notes| notes.default.is_some()))
            .collect()
    };
    match source.body.as_mut() {
        ast::SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            if values.rows.iter().any(|row| row.content.len() != width) {
                return Err(PgError::new("42601", "VALUES lists must all be the same length"));
            }
            check_width(width, columns.len(), named)?;
            columns.truncate(width);
            let added = omitted(&columns);
            for row in &mut values.rows {
                for (value, column) in row.content.iter_mut().zip(&columns) {
                    if is_default(value) {
                        *value = default_of(table, all.iter().position(|name| name == column).unwrap_or(usize::MAX))?;
                    }
                }
                for at in &added {
                    row.content.push(default_of(table, *at)?);
                }
            }
            columns.extend(added.iter().filter_map(|at| all.get(*at).cloned()));
        }
        body => {
            let width = match body {
                ast::SetExpr::Select(select) => {
                    let plain = |item: &ast::SelectItem| {
                        matches!(item, ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. })
                    };
                    select.projection.iter().all(plain).then_some(select.projection.len())
                }
                _ => None,
            };
            if let Some(width) = width {
                check_width(width, columns.len(), named)?;
                columns.truncate(width);
            }
            let added = omitted(&columns);
            if !added.is_empty() {
                let names: Vec<String> = (0..columns.len()).map(|at| format!("\"column {at}\"")).collect();
                let mut items: Vec<String> = names.clone();
                for at in &added {
                    items.push(default_of(table, *at)?.to_string());
                }
                let wrapped = format!("SELECT {} FROM ({source}) AS source ({})", items.join(", "), names.join(", "));
                let ast::Statement::Query(query) = parse(&wrapped)? else { return Ok(()) };
                **source = *query;
                columns.extend(added.iter().filter_map(|at| all.get(*at).cloned()));
            }
        }
    }
    insert.columns = columns.iter().map(|column| quoted(column)).collect();
    Ok(())
}

fn quoted(column: &str) -> ObjectName {
    ObjectName::from(Ident::with_quote('"', column))
}

fn check_width(given: usize, columns: usize, named: bool) -> Result<(), PgError> {
    if given > columns {
        return Err(PgError::new("42601", "INSERT has more expressions than target columns"));
    }
    if given < columns && named {
        return Err(PgError::new("42601", "INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// What rows must be to be in a table.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    table: String,
    schema: SchemaRef,
    lengths: Vec<Option<u32>>,
}

impl Checks {
    pub(crate) fn of(name: &str, table: &Table) -> Self {
        Self {
            table: name.to_owned(),
            schema: Arc::clone(&table.schema),
            lengths: table.columns.iter().map(|notes| notes.length).collect(),
        }
    }

    /// The rows in the types of the table, or why they cannot be in it, and the number of the row.
    pub(crate) fn conform(&self, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch, (PgError, usize)> {
        let options = CastOptions { safe: false, ..Default::default() };
        let mut made = Vec::with_capacity(columns.len());
        for ((column, field), length) in columns.iter().zip(self.schema.fields()).zip(&self.lengths) {
            let column = match column.data_type() == field.data_type() {
                true => Arc::clone(column),
                false => cast_with_options(column, field.data_type(), &options).map_err(|error| (sqlstate(&error.into()), 0))?,
            };
            if !field.is_nullable() && column.null_count() > 0 {
                let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or(0);
                return Err((self.null(field.name()), row));
            }
            if let (Some(length), DataType::Utf8) = (length, column.data_type()) {
                self.check_length(&column, *length)?;
            }
            made.push(match types::of_field(field) {
                Type::UUID => Arc::new(spelled(&column, params::uuid)?) as ArrayRef,
                Type::JSON | Type::JSONB => Arc::new(spelled(&column, params::json)?),
                _ => column,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), made, &options)
            .map_err(|error| (sqlstate(&DataFusionError::from(error)), 0))
    }

    fn null(&self, column: &str) -> PgError {
        let table = &self.table;
        PgError::new("23502", format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"))
    }

    fn check_length(&self, column: &ArrayRef, length: u32) -> Result<(), (PgError, usize)> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        for (row, text) in column.as_string::<i32>().iter().enumerate() {
            if let Some(text) = text
                && text.len() > length
                && text.trim_end_matches(' ').chars().count() > length
            {
                let error = PgError::new("22001", format!("value too long for type character varying({length})"));
                return Err((error, row));
            }
        }
        Ok(())
    }
}

/// Texts as their type spells them; an error where one is not of it.
fn spelled(column: &ArrayRef, spell: impl Fn(&str) -> Result<String, PgError>) -> Result<StringArray, (PgError, usize)> {
    let texts = column.as_string_opt::<i32>().ok_or_else(|| (PgError::new("XX000", "a column of another type"), 0))?;
    let mut made = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for (row, text) in texts.iter().enumerate() {
        made.append_option(text.map(&spell).transpose().map_err(|error| (error, row))?);
    }
    Ok(made.finish())
}

/// Runs a plan and puts its rows into `writer`.
pub(crate) async fn put_rows(
    planner: &Planner,
    plan: &LogicalPlan,
    writer: &mut PartWriter,
    checks: &Checks,
) -> Result<(), PgError> {
    let state = &planner.state;
    let physical = state.create_physical_plan(plan).await.map_err(|error| sqlstate_in(&error, state))?;
    let mut batches = execute_stream(physical, state.task_ctx()).map_err(|error| sqlstate(&error))?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| sqlstate(&error))?;
        let batch = checks.conform(batch.columns(), batch.num_rows()).map_err(|(error, _)| error)?;
        writer.write(batch).map_err(|error| sqlstate(&error))?;
    }
    Ok(())
}

/// A planned INSERT, UPDATE or DELETE at work.
pub(crate) struct Write {
    pub(crate) planner: Planner,
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) planned: Arc<Planned>,
    pub(crate) values: Vec<ScalarValue>,
    /// The table as the statement names it.
    pub(crate) table: ObjectName,
}

impl Write {
    /// Does it, to a copy of the state.
    pub(crate) async fn run(self) -> Result<Outcome, PgError> {
        let told = |error: DataFusionError| sqlstate(&error);
        let bound = match self.values.is_empty() {
            true => self.planned.plan.clone(),
            false => {
                let values: Vec<_> = self.values.iter().cloned().map(Into::into).collect();
                self.planned.plan.clone().replace_params_with_values(&ParamValues::List(values)).map_err(told)?
            }
        };
        let LogicalPlan::Dml(dml) = &bound else { return Err(PgError::new("XX000", "a statement that writes without a target")) };
        let verb = match dml.op {
            WriteOp::Update => "UPDATE",
            WriteOp::Delete => "DELETE",
            _ => "INSERT",
        };
        let (schema, name, table) = target(&self.planner, &self.table, verb)?;
        let checks = Checks::of(&name, &table);
        let pool = &self.planner.state.runtime_env().memory_pool;
        let mut writer = PartWriter::new(Arc::clone(&table.schema), self.scratch.files(), pool);
        let mut state: State = self.planner.scratch.state.clone();
        let (changed, count) = match dml.op {
            WriteOp::Insert(_) => {
                put_rows(&self.planner, &dml.input, &mut writer, &checks).await?;
                let count = writer.rows();
                let stable = if schema == TEMP { 0 } else { table.parts.iter().filter(|part| part.file().is_some()).count() };
                let changed = writer.finish().map_err(told)?.map(|part| table.with_more(part, stable));
                (changed, count)
            }
            WriteOp::Update => {
                put_rows(&self.planner, &dml.input, &mut writer, &checks).await?;
                let count = writer.rows();
                put_rows(&self.planner, &others(&dml.input)?, &mut writer, &checks).await?;
                let changed = replaced(&table, writer).map_err(told)?;
                ((count > 0).then_some(changed), count)
            }
            WriteOp::Delete => {
                put_rows(&self.planner, &others(&dml.input)?, &mut writer, &checks).await?;
                let count = table.rows().saturating_sub(writer.rows());
                let changed = replaced(&table, writer).map_err(told)?;
                ((count > 0).then_some(changed), count)
            }
            _ => return Err(PgError::new("0A000", "this way of writing is not supported")),
        };
        if let Some(changed) = changed {
            if verb != "DELETE" {
                check_keys(&self.planner, &changed).await?;
            }
            state.space_mut(&schema).replace_rows(&schema, &name, changed);
        }
        let tag = if verb == "INSERT" { format!("INSERT 0 {count}") } else { format!("{verb} {count}") };
        Ok(Outcome { state, tag, notices: Vec::new() })
    }
}

fn replaced(table: &Table, writer: PartWriter) -> Result<Table, DataFusionError> {
    let parts = writer.finish()?.map(Arc::new).into_iter().collect();
    Ok(Table { parts, ..table.clone() })
}

/// The rows of the table that an UPDATE or a DELETE leaves as they are.
fn others(input: &LogicalPlan) -> Result<LogicalPlan, PgError> {
    let told = |error: DataFusionError| sqlstate(&error);
    // UPDATE computes its new values above the rows that it concerns.
    let concerned = match input {
        LogicalPlan::Projection(projection) => projection.input.as_ref(),
        other => other,
    };
    match concerned {
        LogicalPlan::Filter(filter) => {
            if filter.predicate.is_volatile() {
                return Err(PgError::new("0A000", "UPDATE and DELETE cannot choose rows by chance")
                    .with_hint("Put the chosen keys into a temporary table first."));
            }
            let predicate = Expr::IsNotTrue(Box::new(filter.predicate.clone()));
            LogicalPlanBuilder::from(filter.input.as_ref().clone())
                .filter(predicate)
                .and_then(LogicalPlanBuilder::build)
                .map_err(told)
        }
        other => LogicalPlanBuilder::from(other.clone()).filter(lit(false)).and_then(LogicalPlanBuilder::build).map_err(told),
    }
}

/// Refuses a state of a table in which a key is there twice.
pub(crate) async fn check_keys(planner: &Planner, table: &Table) -> Result<(), PgError> {
    let told = |error: DataFusionError| sqlstate(&error);
    for key in table.keys.iter() {
        let source = provider_as_source(Arc::new(ScratchTable::unnamed(table.clone())));
        let column = |name: &String| Expr::Column(Column::new(Some("t"), name));
        let columns: Vec<Expr> = key.columns.iter().map(column).collect();
        let mut plan = LogicalPlanBuilder::scan("t", source, None).map_err(told)?;
        // NULLs are not equal to each other.
        for column in &columns {
            plan = plan.filter(column.clone().is_not_null()).map_err(told)?;
        }
        let plan = plan
            .aggregate(columns, [count(lit(1_i64)).alias("times")])
            .and_then(|plan| plan.filter(Expr::Column(Column::new_unqualified("times")).gt(lit(1_i64))))
            .and_then(|plan| plan.limit(0, Some(1)))
            .and_then(LogicalPlanBuilder::build)
            .map_err(told)?;
        let physical = planner.state.create_physical_plan(&plan).await.map_err(told)?;
        let mut batches = execute_stream(physical, planner.state.task_ctx()).map_err(told)?;
        while let Some(batch) = batches.next().await {
            if batch.map_err(told)?.num_rows() > 0 {
                // The values stay out of the message: they may name a patient.
                return Err(PgError::new("23505", format!("duplicate key value violates unique constraint \"{}\"", key.name))
                    .with_detail(format!("Key ({}) already exists.", key.columns.join(", "))));
            }
        }
    }
    Ok(())
}
