//! PREPARE and EXECUTE, read from their words.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pgwire::api::Type;

use super::error::PgError;
use super::plan::named_type;
use super::reader::Reader;
use super::statement::{Statement, of_query, parsed};

/// Reads PREPARE.
pub(crate) fn prepare(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("PREPARE")?;
    let name = reader.name()?;
    let types = match reader.peek() {
        Some(Token::LParen) => {
            let inside = reader.parenthesised()?;
            parsed(sql, &inside, |parser| parser.parse_comma_separated(Parser::parse_data_type))?
                .iter()
                .map(parameter_type)
                .collect::<Result<Vec<_>, _>>()?
        }
        _ => Vec::new(),
    };
    reader.expect_word("AS")?;
    if reader.at_end() {
        return Err(reader.unexpected());
    }
    let at_query = reader.unexpected();
    of_query(sql, &reader.rest(), at_query, |query| Statement::Prepare { name, types, query })
}

/// The type of a parameter; nothing for `unknown`, which leaves it to the context.
fn parameter_type(data_type: &ast::DataType) -> Result<Option<Type>, PgError> {
    if data_type.to_string().eq_ignore_ascii_case("unknown") {
        return Ok(None);
    }
    named_type(data_type)
        .map(Some)
        .ok_or_else(|| PgError::new("42704", format!("type \"{}\" does not exist", data_type.to_string().to_lowercase())))
}

/// Reads EXECUTE.
pub(crate) fn execute(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("EXECUTE")?;
    let name = reader.name()?;
    let arguments = match reader.peek() {
        Some(Token::LParen) => {
            let inside = reader.parenthesised()?;
            parsed(sql, &inside, |parser| parser.parse_comma_separated(Parser::parse_expr))?
        }
        _ => Vec::new(),
    };
    reader.end()?;
    Ok(Statement::Execute { name, arguments })
}
