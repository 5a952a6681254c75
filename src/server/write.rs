//! What all statements that write rows have in common: which table they write to, and what its rows must be.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Float64Type, SchemaRef};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast::{self, ObjectName};
use futures::StreamExt;
use pgwire::api::Type;

use super::columns::{self, parse};
use super::error::{PgError, sqlstate};
use super::plan::Planner;
use super::relation_names::{Found, no_relation};
use super::scratch::overlay::ScratchTable;
use super::scratch::part::PartWriter;
use super::scratch::space::{Object, Table};
use super::{params, types, writing};
use crate::access::roles::Privilege;

/// The name of a statement that writes.
pub(crate) fn name(statement: &ast::Statement) -> &'static str {
    match writing::inner(statement) {
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
    match writing::inner(statement) {
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
                false => cast_to(column, field, &options).map_err(|error| (error, 0))?,
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
                Type::JSON => Arc::new(spelled(&column, params::json)?),
                Type::JSONB => Arc::new(spelled(&column, params::jsonb)?),
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

/// Values in the type of a column, as an assignment casts them: halves of numbers are rounded, and what is too large has an error.
fn cast_to(column: &ArrayRef, field: &Field, options: &CastOptions<'_>) -> Result<ArrayRef, PgError> {
    let (from, to) = (column.data_type(), field.data_type());
    let rounded = match from {
        DataType::Float32 if to.is_integer() => {
            let values = column.as_primitive_opt::<Float32Type>();
            values.map(|values| Arc::new(values.unary::<_, Float32Type>(f32::round_ties_even)) as ArrayRef)
        }
        DataType::Float64 if to.is_integer() => {
            let values = column.as_primitive_opt::<Float64Type>();
            values.map(|values| Arc::new(values.unary::<_, Float64Type>(f64::round_ties_even)) as ArrayRef)
        }
        DataType::Decimal128(precision, scale) if to.is_integer() && *scale > 0 => {
            cast_with_options(column, &DataType::Decimal128(*precision, 0), options).ok()
        }
        _ => None,
    };
    cast_with_options(rounded.as_ref().unwrap_or(column), to, options).map_err(|error| {
        let told = sqlstate(&error.into());
        match told.code.as_ref() {
            "22003" if to.is_integer() || to.is_floating() => {
                PgError::new("22003", format!("{} out of range", columns::type_name(field)))
            }
            _ => told,
        }
    })
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
    let physical = planner.physical(plan).await?;
    let mut batches = execute_stream(physical, planner.context()).map_err(|error| sqlstate(&error))?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| sqlstate(&error))?;
        let batch = checks.conform(batch.columns(), batch.num_rows()).map_err(|(error, _)| error)?;
        writer.write(batch).map_err(|error| sqlstate(&error))?;
    }
    Ok(())
}

/// Refuses a state of a table in which a key is there twice.
pub(crate) async fn check_keys(planner: &Planner, context: &Arc<TaskContext>, table: &Table) -> Result<(), PgError> {
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
        let physical = planner.physical(&plan).await?;
        let mut batches = execute_stream(physical, Arc::clone(context)).map_err(told)?;
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
