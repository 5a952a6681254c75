//! The options of a view: `WITH (security_invoker = true)`.

use std::borrow::Cow;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::PgError;
use super::names::identifier;
use super::reader::Reader;
use super::statement::parsed;

#[derive(Clone, Copy, PartialEq, Eq)]
enum ViewOption {
    SecurityInvoker,
    /// It would keep conditions of a query away from the rows of the view, which nothing here does.
    SecurityBarrier,
}

fn check_option(name: &str) -> Result<ViewOption, PgError> {
    match name {
        "security_invoker" => Ok(ViewOption::SecurityInvoker),
        "security_barrier" => Ok(ViewOption::SecurityBarrier),
        "check_option" => Err(PgError::new("0A000", "views are not written to, so that they have no CHECK OPTION")),
        other => Err(PgError::new("22023", format!("unrecognized parameter \"{other}\""))),
    }
}

/// What the options of a view say about whose rights it is read with.
pub(crate) fn security_invoker(options: &ast::CreateTableOptions) -> Result<Option<bool>, PgError> {
    let ast::CreateTableOptions::With(options) = options else { return Ok(None) };
    let mut found = None;
    for option in options {
        let ast::SqlOption::KeyValue { key, value } = option else {
            return Err(PgError::new("42601", "syntax error in the options of a view"));
        };
        let (option, value) = (check_option(&identifier(key))?, value.to_string());
        let value = match value.trim_matches('\'').to_lowercase().as_str() {
            "true" | "on" | "1" | "yes" => true,
            "false" | "off" | "0" | "no" => false,
            other => {
                let message = format!("invalid value for boolean option \"{}\": {other}", identifier(key));
                return Err(PgError::new("22023", message));
            }
        };
        match option {
            ViewOption::SecurityInvoker => found = Some(value),
            ViewOption::SecurityBarrier if value => {
                return Err(PgError::new("0A000", "security_barrier is not supported")
                    .with_hint("Grant rights on a table that has only the rows that may be read."));
            }
            ViewOption::SecurityBarrier => {}
        }
    }
    Ok(found)
}

/// Reads what stands behind ALTER VIEW … SET.
pub(crate) fn set(reader: &mut Reader<'_>) -> Result<Option<bool>, PgError> {
    let inside = with_values(&reader.parenthesised()?);
    let options = parsed(reader.sql(), &inside, |parser| parser.parse_comma_separated(Parser::parse_sql_option))?;
    security_invoker(&ast::CreateTableOptions::With(options))
}

/// Reads what stands behind ALTER VIEW … RESET.
pub(crate) fn reset(reader: &mut Reader<'_>) -> Result<Option<bool>, PgError> {
    let inside = reader.parenthesised()?;
    let mut names = Reader::new(reader.sql(), &inside);
    let mut named = None;
    loop {
        if check_option(&names.name()?)? == ViewOption::SecurityInvoker {
            named = Some(false);
        }
        if !names.token(&Token::Comma) {
            break;
        }
    }
    names.end()?;
    Ok(named)
}

fn separates(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

fn is_word(token: &TokenWithSpan, wanted: &str) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

/// Options with their values: one that stands alone is true, which the engine's parser does not know.
fn with_values(options: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut made = Vec::with_capacity(options.len());
    for option in options.split_inclusive(|token| token.token == Token::Comma) {
        let said = |token: &&TokenWithSpan| !separates(token) && token.token != Token::Comma;
        let alone = option.iter().filter(said).count() == 1;
        for token in option {
            made.push(token.clone());
            if alone && matches!(token.token, Token::Word(_)) {
                made.extend(
                    [Token::Eq, Token::make_keyword("true")].map(|added| TokenWithSpan { token: added, span: token.span }),
                );
            }
        }
    }
    made
}

/// CREATE VIEW with the values of all its options.
pub(crate) fn valued(tokens: &[TokenWithSpan]) -> Cow<'_, [TokenWithSpan]> {
    let mut with = false;
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| !separates(token)) {
        if is_word(token, "AS") {
            break;
        }
        if with && token.token == Token::LParen {
            let (head, rest) = tokens.split_at(at + 1);
            let Some(end) = rest.iter().position(|token| token.token == Token::RParen) else { break };
            let (options, behind) = rest.split_at(end);
            return Cow::Owned([head, &with_values(options), behind].concat());
        }
        with = is_word(token, "WITH");
    }
    Cow::Borrowed(tokens)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    #[test]
    fn an_option_without_a_value_is_true() {
        for (sql, expected) in [
            ("create view v with (security_invoker) as select 1", Some(true)),
            ("create view v (a) with ( security_invoker , security_barrier = false ) as select 1", Some(true)),
            ("create view v with (security_invoker = off) as select 1", Some(false)),
            ("create view v as with security_invoker (a) as (select 1) select a from security_invoker", None),
        ] {
            let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().unwrap();
            let ast::Statement::CreateView(view) = parsed(sql, &valued(&tokens), |parser| parser.parse_statement()).unwrap()
            else {
                panic!("{sql}");
            };
            assert_eq!(security_invoker(&view.options).unwrap(), expected, "{sql}");
        }
    }
}
