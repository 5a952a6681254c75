//! SET: the words behind it, as names and values of settings.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Statement;
use crate::server::error::PgError;
use crate::server::reader::Reader;
use crate::server::transaction;

/// Reads the modes of a SET TRANSACTION behind its first words.
pub(super) fn modes(sql: &str, tokens: &[TokenWithSpan], words: usize, session: bool) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    for _ in 0..words {
        reader.name()?;
    }
    transaction::set_modes(&mut reader, session)
}

pub(super) fn set(words: &[&Token], local: bool) -> Result<Statement, PgError> {
    let upper: Vec<String> = words.iter().take(2).map(|token| token.to_string().to_uppercase()).collect();
    let made = |name: &str, values: &[&Token]| Statement::Set { name: name.into(), value: value_of(values), local };
    let after = |from: usize| words.get(from..).unwrap_or_default();
    match upper.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["TIME", "ZONE"] => Ok(made("timezone", after(2))),
        ["NAMES", ..] => Ok(made("client_encoding", after(1))),
        ["CONSTRAINTS", ..] => Ok(Statement::Accepted("SET CONSTRAINTS")),
        ["ROLE", ..] => match after(1) {
            [role] => Ok(Statement::Set { name: "role".into(), value: Some(role_of(role)), local }),
            _ => Err(PgError::new("42601", "syntax error in SET ROLE").with_hint("Write SET ROLE name, or SET ROLE NONE.")),
        },
        ["AUTHORIZATION", ..] => match after(1) {
            [user] => {
                let default = user.to_string().eq_ignore_ascii_case("default");
                Ok(Statement::Set { name: "session_authorization".into(), value: (!default).then(|| role_of(user)), local })
            }
            _ => Err(PgError::new("42601", "syntax error in SET SESSION AUTHORIZATION")
                .with_hint("Write SET SESSION AUTHORIZATION name, or SET SESSION AUTHORIZATION DEFAULT.")),
        },
        _ => {
            let equals = |token: &&Token| matches!(token, Token::Eq) || token.to_string().eq_ignore_ascii_case("to");
            let Some(at) = words.iter().position(equals) else {
                return Err(PgError::new("42601", "syntax error in SET").with_hint("Write SET name = value."));
            };
            let (name, value) = words.split_at(at);
            let (name, value) = (dotted(name)?, value.get(1..).unwrap_or_default());
            if value.is_empty() {
                return Err(
                    PgError::new("42601", "syntax error at end of input").with_hint("The value of the setting is missing.")
                );
            }
            match name.as_str() {
                "search_path" => Ok(Statement::Set { value: list_of(value), name, local }),
                _ => Ok(made(&name, value)),
            }
        }
    }
}

/// The name of a role: an identifier or a text.
fn role_of(token: &Token) -> String {
    match token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
        other => name_of(other),
    }
}

/// A list of names as it is stored: quoted where they would be read as something else.
fn list_of(words: &[&Token]) -> Option<String> {
    if let [only] = words
        && only.to_string().eq_ignore_ascii_case("default")
    {
        return None;
    }
    let mut entries = vec![String::new()];
    for token in words {
        match token {
            Token::Comma => entries.push(String::new()),
            other => {
                let text = match other {
                    Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
                    other => name_of(other),
                };
                if let Some(entry) = entries.last_mut() {
                    entry.push_str(&text);
                }
            }
        }
    }
    Some(entries.iter().map(|entry| quoted(entry)).collect::<Vec<_>>().join(", "))
}

/// A name as `quote_ident` writes it.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The value of a SET as it is stored: elements of a list joined by commas, nothing for DEFAULT.
fn value_of(words: &[&Token]) -> Option<String> {
    if let [only] = words
        && only.to_string().eq_ignore_ascii_case("default")
    {
        return None;
    }
    let mut value = String::new();
    for token in words {
        match token {
            Token::Comma => value.push_str(", "),
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => value.push_str(text),
            Token::Word(word) if word.quote_style.is_some() => value.push_str(&word.value),
            Token::Word(word) => value.push_str(&word.value.to_lowercase()),
            other => value.push_str(&other.to_string()),
        }
    }
    Some(value)
}

pub(super) fn dotted(words: &[&Token]) -> Result<String, PgError> {
    if words.is_empty() {
        return Err(PgError::new("42601", "syntax error at end of input").with_hint("The name of a setting is missing."));
    }
    Ok(words.iter().map(|token| name_of(token)).collect::<String>())
}

/// An identifier as PostgreSQL reads it: lower case unless quoted.
pub(super) fn name_of(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
        other => other.to_string().to_lowercase(),
    }
}
