//! Values that a statement assigns: literals are read as PostgreSQL reads them, in the type of their column.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, Expr, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pgwire::api::Type;

use super::draft::Draft;
use crate::server::columns::type_name;
use crate::server::error::{PgError, sqlstate};
use crate::server::inputs;
use crate::server::types;
use crate::server::write::default_of;

/// An expression that needs no computing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Constant {
    Null,
    Text(String),
    Number(String),
    Truth(bool),
}

fn constant(expr: &Expr) -> Option<Constant> {
    Some(match expr {
        Expr::Nested(inner) => return constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(expr)? {
            Constant::Number(digits) if !digits.starts_with('-') => Constant::Number(format!("-{digits}")),
            _ => return None,
        },
        Expr::Value(value) => match &value.value {
            Value::Null => Constant::Null,
            Value::Boolean(truth) => Constant::Truth(*truth),
            Value::Number(digits, _) => Constant::Number(digits.clone()),
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Constant::Text(text.clone()),
            Value::DollarQuotedString(text) => Constant::Text(text.value.clone()),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether an expression is the word DEFAULT.
pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default"))
}

impl Draft<'_> {
    /// The expression that gives a column of the table the value of another expression.
    pub(super) fn assigned(&mut self, expr: Expr, column: usize) -> Result<Expr, PgError> {
        let expr = if is_default(&expr) { default_of(&self.table, column)? } else { expr };
        let Some(field) = self.table.schema.fields().get(column).cloned() else { return Ok(expr) };
        let pg_type = types::of_field(&field);
        if is_placeholder(&expr) {
            return cast(expr, &type_name(&field));
        }
        match constant(&expr) {
            Some(Constant::Text(_)) if is_plain_text(&field) => Ok(expr),
            Some(Constant::Text(text)) => {
                let array = self.read(&field, &StringArray::from(vec![text])).map_err(|(error, _)| error)?;
                let value = ScalarValue::try_from_array(&array, 0).map_err(|error| sqlstate(&error))?;
                match field.data_type() {
                    // As a parameter it would have another scale.
                    DataType::Decimal128(precision, scale) => cast(expr, &format!("decimal({precision}, {scale})")),
                    _ => self.literal(pg_type, value),
                }
            }
            _ => Ok(expr),
        }
    }

    fn read(&self, field: &Field, texts: &StringArray) -> Result<ArrayRef, (PgError, usize)> {
        let zone = self.planner.state.config_options().execution.time_zone.clone();
        inputs::read(texts, &types::of_field(field), field.data_type(), zone.as_deref().unwrap_or("UTC"))
    }

    /// The rows of a VALUES that has nothing to compute, in `columns` of the table.
    pub(super) fn constants(&self, rows: &[ast::Parens<Vec<Expr>>], columns: &[usize]) -> Result<Option<RecordBatch>, PgError> {
        let mut values: Vec<Vec<Constant>> = vec![Vec::with_capacity(rows.len()); columns.len()];
        for row in rows {
            for ((expr, slot), column) in row.content.iter().zip(&mut values).zip(columns) {
                let found = match is_default(expr) {
                    true => constant(&default_of(&self.table, *column)?),
                    false => constant(expr),
                };
                let Some(found) = found else { return Ok(None) };
                slot.push(found);
            }
        }
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for (position, (values, column)) in values.iter().zip(columns).enumerate() {
            let Some(field) = self.table.schema.fields().get(*column) else { continue };
            arrays.push(self.column_of(field, values)?);
            let renamed = field.as_ref().clone().with_name(format!("column {position}")).with_nullable(true);
            fields.push(renamed);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
        batch.map(Some).map_err(|error| sqlstate(&error.into()))
    }

    fn column_of(&self, field: &Field, values: &[Constant]) -> Result<ArrayRef, PgError> {
        let pg_type = types::of_field(field);
        let texts = values.iter().map(|value| {
            let given = match value {
                Constant::Null => return Ok(None),
                Constant::Text(text) => return Ok(Some(text.clone())),
                Constant::Number(digits) if is_plain_text(field) => return Ok(Some(digits.clone())),
                Constant::Number(digits) if is_integer(&pg_type) => return rounded(digits).map(Some),
                Constant::Number(digits) if is_number(&pg_type) => return Ok(Some(digits.clone())),
                Constant::Number(digits) if digits.contains(['.', 'e', 'E']) => "numeric",
                Constant::Number(_) => "integer",
                Constant::Truth(truth) if is_plain_text(field) || pg_type == Type::BOOL => return Ok(Some(truth.to_string())),
                Constant::Truth(_) => "boolean",
            };
            let message =
                format!("column \"{}\" is of type {} but expression is of type {given}", field.name(), type_name(field));
            Err(PgError::new("42804", message).with_hint("You will need to rewrite or cast the expression."))
        });
        let texts: StringArray = texts.collect::<Result<Vec<_>, PgError>>()?.into();
        self.read(field, &texts).map_err(|(error, row)| match values.get(row) {
            Some(Constant::Number(_)) if error.code == "22003" => {
                PgError::new("22003", format!("{} out of range", type_name(field)))
            }
            _ => error,
        })
    }
}

/// A number as the integer that PostgreSQL makes of it: halves away from zero.
fn rounded(digits: &str) -> Result<String, PgError> {
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Ok(digits.to_owned());
    }
    let told = |error| sqlstate(&error);
    let exact = ScalarValue::Utf8(Some(digits.to_owned())).cast_to(&DataType::Decimal128(38, 15)).map_err(told)?;
    match exact.cast_to(&DataType::Decimal128(38, 0)).map_err(told)? {
        ScalarValue::Decimal128(Some(whole), ..) => Ok(whole.to_string()),
        _ => Ok(digits.to_owned()),
    }
}

fn is_integer(pg_type: &Type) -> bool {
    matches!(*pg_type, Type::INT2 | Type::INT4 | Type::INT8)
}

fn is_number(pg_type: &Type) -> bool {
    is_integer(pg_type) || matches!(*pg_type, Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC)
}

/// Whether any text is a value of a column.
fn is_plain_text(field: &Field) -> bool {
    *field.data_type() == DataType::Utf8 && !matches!(types::of_field(field), Type::UUID | Type::JSON | Type::JSONB)
}

fn is_placeholder(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_placeholder(inner),
        Expr::Value(value) => matches!(value.value, Value::Placeholder(_)),
        _ => false,
    }
}

/// A cast to a type by its name in SQL.
fn cast(expr: Expr, name: &str) -> Result<Expr, PgError> {
    let read = Parser::new(&PostgreSqlDialect {}).try_with_sql(name).and_then(|mut parser| parser.parse_data_type());
    let data_type = read.map_err(|_| PgError::new("XX000", format!("the type {name} cannot be read")))?;
    Ok(Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None })
}
