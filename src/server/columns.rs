//! The columns of a new table: their types as SQL names them, what they must hold, and what they hold when nothing is said.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pgwire::api::Type;

use super::error::PgError;
use super::names::{identifier, type_name as type_word};
use super::pg_catalog::format_type;
use super::placeholders::named_type;
use super::plan::Planner;
use super::scratch::space::{ColumnNotes, Key, kept_type};
use super::types::{self, PG_TYPE_KEY};

/// Columns that a table may have, as in PostgreSQL.
const MAX_COLUMNS: usize = 1_600;

/// A column of a table that does not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct NewColumn {
    pub(crate) field: Field,
    pub(crate) notes: ColumnNotes,
}

/// The columns that the rows of a query make.
pub(crate) fn of_query(schema: &Schema, names: &[String]) -> Result<Vec<NewColumn>, PgError> {
    let fields = of_view(schema, names)?;
    if fields.len() > MAX_COLUMNS {
        return Err(PgError::new("54011", format!("tables can have at most {MAX_COLUMNS} columns")));
    }
    let column = |field: Field| {
        let kept = kept_type(field.data_type());
        check_nested(&kept, field.name())?;
        Ok(NewColumn { field: field.with_data_type(kept), notes: ColumnNotes::default() })
    };
    fields.into_iter().map(column).collect()
}

/// The columns of a view over a query. Comments of the columns below do not become theirs.
pub(crate) fn of_view(schema: &Schema, names: &[String]) -> Result<Vec<Field>, PgError> {
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(PgError::new("42701", format!("column \"{twice}\" specified more than once")));
    }
    let field = |(field, name): (&Arc<Field>, &String)| {
        let metadata = field.metadata().get(PG_TYPE_KEY).map(|pg_type| (PG_TYPE_KEY.to_owned(), pg_type.clone()));
        let metadata: HashMap<_, _> = metadata.into_iter().collect();
        Field::new(name, field.data_type().clone(), true).with_metadata(metadata)
    };
    Ok(schema.fields().iter().zip(names).map(field).collect())
}

/// The columns of CREATE TABLE (LIKE …): names, types and NOT NULL.
pub(crate) fn like(schema: &Schema) -> Vec<NewColumn> {
    let column = |field: &Arc<Field>| NewColumn { field: field.as_ref().clone(), notes: ColumnNotes::default() };
    schema.fields().iter().map(column).collect()
}

/// Parquet has no interval, so that one can only be a column of its own.
fn check_nested(data_type: &DataType, column: &str) -> Result<(), PgError> {
    let has_interval = |inner: &DataType| matches!(inner, DataType::Interval(_));
    let nested = match data_type {
        DataType::List(item) => has_interval(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_interval(field.data_type())),
        _ => false,
    };
    match nested {
        true => Err(PgError::new("0A000", format!("column \"{column}\": intervals inside of arrays and records cannot be kept"))),
        false => Ok(()),
    }
}

/// The columns and keys that CREATE TABLE declares.
pub(crate) async fn declared(
    planner: &Planner,
    table: &str,
    columns: &[ast::ColumnDef],
) -> Result<(Vec<NewColumn>, Vec<Key>), PgError> {
    if columns.len() > MAX_COLUMNS {
        return Err(PgError::new("54011", format!("tables can have at most {MAX_COLUMNS} columns")));
    }
    if columns.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    for column in columns {
        check_type(column)?;
    }
    // The engine says what each name of a type is to it, as in a cast.
    let casts: Vec<String> = columns.iter().map(|column| format!("CAST(NULL AS {})", planned_type(&column.data_type))).collect();
    let schema = planner.plan(parse(&format!("SELECT {}", casts.join(", ")))?, &[]).await.map_err(PgError::unlocated)?.schema;
    let mut made = Vec::with_capacity(columns.len());
    let mut keys = Vec::new();
    for (column, planned) in columns.iter().zip(schema.fields()) {
        let name = identifier(&column.name);
        let kept = kept_type(planned.data_type());
        check_nested(&kept, &name)?;
        let mut new = NewColumn { field: Field::new(&name, kept, true), notes: ColumnNotes::default() };
        if let Some(word) = named_type(&column.data_type).and_then(|known| shown_type(&known)) {
            new.field = new.field.with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), word.to_owned())]));
        }
        new.notes.length = length(&column.data_type);
        for option in &column.options {
            let constraint = option.name.as_ref().map(identifier);
            match &option.option {
                ast::ColumnOption::Null => {}
                ast::ColumnOption::NotNull => new.field = new.field.with_nullable(false),
                ast::ColumnOption::Default(default) => {
                    check_default(planner, default, &column.data_type).await?;
                    new.notes.default = Some(default.to_string());
                }
                ast::ColumnOption::PrimaryKey(_) => {
                    let key = constraint.unwrap_or_else(|| format!("{table}_pkey"));
                    keys.push(Key { name: key, columns: vec![name.clone()], primary: true });
                }
                ast::ColumnOption::Unique(_) => {
                    let key = constraint.unwrap_or_else(|| format!("{table}_{name}_key"));
                    keys.push(Key { name: key, columns: vec![name.clone()], primary: false });
                }
                ast::ColumnOption::Collation(_) => return Err(PgError::new("0A000", "COLLATE is not supported on columns")),
                ast::ColumnOption::ForeignKey(_) => return Err(unsupported_constraint("FOREIGN KEY")),
                ast::ColumnOption::Check(_) => return Err(unsupported_constraint("CHECK")),
                ast::ColumnOption::Generated { .. } | ast::ColumnOption::Identity(_) => {
                    return Err(PgError::new("0A000", format!("generated columns are not supported (column \"{name}\")")));
                }
                other => return Err(PgError::new("0A000", format!("{other} is not supported on a column"))),
            }
        }
        made.push(new);
    }
    Ok((made, keys))
}

/// A constraint that would not be looked after is not accepted.
pub(crate) fn unsupported_constraint(what: &str) -> PgError {
    PgError::new("0A000", format!("{what} constraints are not supported")).with_hint("NOT NULL, PRIMARY KEY and UNIQUE are.")
}

fn check_type(column: &ast::ColumnDef) -> Result<(), PgError> {
    let name = identifier(&column.name);
    let word = type_word(&column.data_type);
    match word.as_str() {
        "serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2" => {
            Err(PgError::new("0A000", format!("type {word} is not supported (column \"{name}\")"))
                .with_hint("Use integer or bigint, and give the numbers."))
        }
        "bpchar" if length(&column.data_type) != Some(1) || matches!(column.data_type, ast::DataType::Custom(..)) => {
            Err(PgError::new("0A000", format!("type character(n) is not supported (column \"{name}\")"))
                .with_hint("Use varchar(n) or text, which do not pad with blanks."))
        }
        _ => match named_type(&column.data_type) {
            Some(_) => Ok(()),
            None => Err(PgError::new("42704", format!("type \"{word}\" does not exist"))),
        },
    }
}

/// The type as the engine is to plan it: lengths are looked after here.
fn planned_type(data_type: &ast::DataType) -> String {
    match length(data_type) {
        Some(_) => "text".to_owned(),
        None => data_type.to_string(),
    }
}

/// The most characters that a value may have.
fn length(data_type: &ast::DataType) -> Option<u32> {
    let length = match data_type {
        ast::DataType::Varchar(length) | ast::DataType::CharacterVarying(length) => length.as_ref()?,
        ast::DataType::Char(length) | ast::DataType::Character(length) => match length {
            Some(length) => length,
            None => return Some(1),
        },
        _ => return None,
    };
    match length {
        ast::CharacterLength::IntegerLength { length, .. } => u32::try_from(*length).ok(),
        ast::CharacterLength::Max => None,
    }
}

/// Types that clients are shown although the engine computes in another.
fn shown_type(pg_type: &Type) -> Option<&'static str> {
    Some(match *pg_type {
        Type::UUID => "uuid",
        Type::JSON => "json",
        Type::JSONB => "jsonb",
        Type::VARCHAR => "varchar",
        Type::BPCHAR => "bpchar",
        _ => return None,
    })
}

async fn check_default(planner: &Planner, default: &ast::Expr, data_type: &ast::DataType) -> Result<(), PgError> {
    let sql = format!("SELECT CAST({default} AS {})", planned_type(data_type));
    let planned =
        planner.plan(parse(&sql)?, &[]).await.map_err(PgError::unlocated).map_err(|error| match error.code.as_ref() {
            "42703" => PgError::new("0A000", "cannot use column reference in DEFAULT expression"),
            _ => error,
        })?;
    match planned.parameters.is_empty() {
        true => Ok(()),
        false => Err(PgError::new("42P02", "there is no parameter $1")),
    }
}

/// One statement of the server's own making.
pub(crate) fn parse(sql: &str) -> Result<ast::Statement, PgError> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok().and_then(|mut all| all.pop());
    parsed.ok_or_else(|| PgError::new("XX000", "a statement of the server's own cannot be read"))
}

/// The type of a column as messages name it.
pub(crate) fn type_name(field: &Field) -> String {
    format_type(types::of_field(field).oid(), None)
}
