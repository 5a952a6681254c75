//! PREPARE and EXECUTE, read from their words.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pgwire::api::Type;

use super::error::PgError;
use super::placeholders::{ast_type, named_type};
use super::reader::Reader;
use super::statement::{Statement, of_query_or_write, parsed};

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
    of_query_or_write(sql, &reader.rest(), at_query, |query| Statement::Prepare { name, types, query })
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

/// As many arguments as there are parameters.
pub(crate) fn check_count(name: &str, wanted: usize, given: usize) -> Result<(), PgError> {
    if wanted == given {
        return Ok(());
    }
    Err(PgError::new("42601", format!("wrong number of parameters for prepared statement \"{name}\""))
        .with_hint(format!("Expected {wanted} parameters but got {given}.")))
}

/// EXPLAIN of a prepared query with arguments in the place of its parameters.
pub(crate) fn explained(
    mut explain: ast::Statement,
    query: &ast::Statement,
    name: &str,
    parameters: &[(Type, DataType)],
    arguments: Vec<ast::Expr>,
) -> Result<Statement, PgError> {
    struct Filler<'a>(&'a [ast::Expr]);
    impl VisitorMut for Filler<'_> {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Placeholder(name), .. }) = expr
                && let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok())
                && let Some(argument) = number.checked_sub(1).and_then(|at| self.0.get(at))
            {
                *expr = argument.clone();
            }
            ControlFlow::Continue(())
        }
    }
    check_count(name, parameters.len(), arguments.len())?;
    let typed = |(argument, (pg_type, _)): (ast::Expr, &(Type, DataType))| match ast_type(pg_type) {
        Some(data_type) => {
            let expr = Box::new(ast::Expr::Nested(Box::new(argument)));
            ast::Expr::Cast { kind: ast::CastKind::Cast, expr, data_type, array: false, format: None }
        }
        None => argument,
    };
    let arguments: Vec<ast::Expr> = arguments.into_iter().zip(parameters).map(typed).collect();
    let mut query = query.clone();
    let _ = VisitMut::visit(&mut query, &mut Filler(&arguments));
    if let ast::Statement::Explain { statement, .. } = &mut explain {
        **statement = query;
    }
    Ok(Statement::Query(Box::new(explain)))
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
