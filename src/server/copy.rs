//! COPY … TO STDOUT and FROM STDIN: the statement and its options, as PostgreSQL 16 reads them.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub(crate) use super::copy_options::{Chosen, CopyFormat, CopyOptions, Header};
use super::error::PgError;
use super::reader::Reader;
use super::statement::{Refusal, Statement, of_query, parsed};

/// A COPY to the client.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) query: ast::Statement,
    pub(crate) options: std::sync::Arc<CopyOptions>,
}

/// A COPY from the client.
#[derive(Debug, Clone)]
pub(crate) struct CopyIn {
    pub(crate) table: ast::ObjectName,
    /// The columns that come, in their order; nothing for all.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) options: std::sync::Arc<CopyOptions>,
}

/// Reads a statement that begins with COPY.
pub(crate) fn read(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("COPY")?;
    let mut given = Given::default();
    if matches!(reader.peek(), Some(Token::LParen)) {
        let inside = reader.parenthesised()?;
        return target(reader, given, Source::Query(inside));
    }
    if reader.word("BINARY") {
        given.add("format", Value::Word("binary".into()))?;
    }
    let relation = reader.relation()?;
    let columns = match reader.peek() {
        Some(Token::LParen) => Some(reader.parenthesised()?),
        _ => None,
    };
    target(reader, given, Source::Relation { relation, columns })
}

/// What stands in front of TO or FROM.
enum Source {
    Query(Vec<TokenWithSpan>),
    Relation { relation: Vec<TokenWithSpan>, columns: Option<Vec<TokenWithSpan>> },
}

/// The query that reads a table, written with the tokens of the statement so that errors point into it.
fn select(sql: &str, relation: Vec<TokenWithSpan>, columns: Option<Vec<TokenWithSpan>>) -> Result<Vec<TokenWithSpan>, PgError> {
    let mut tokens = vec![TokenWithSpan::wrap(Token::make_keyword("SELECT"))];
    match columns {
        Some(columns) => {
            listed(sql, &columns)?;
            tokens.extend(columns);
        }
        None => tokens.push(TokenWithSpan::wrap(Token::Mul)),
    }
    tokens.push(TokenWithSpan::wrap(Token::make_keyword("FROM")));
    tokens.extend(relation);
    Ok(tokens)
}

fn listed(sql: &str, columns: &[TokenWithSpan]) -> Result<Vec<String>, PgError> {
    let mut list = Reader::new(sql, columns);
    let found = names(&mut list)?;
    list.end()?;
    Ok(found)
}

/// Reads where the rows of a query go, and how.
fn target(mut reader: Reader<'_>, mut given: Given, source: Source) -> Result<Statement, PgError> {
    let refused = |what: &str, why| Ok(Statement::Refused { what: what.to_owned(), why });
    let (from, to) = (reader.word("FROM"), reader.word("TO"));
    if !from && !to {
        return Err(reader.unexpected());
    }
    if !reader.word("STDIN") && !reader.word("STDOUT") {
        let place = matches!(reader.peek(), Some(Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::Word(_)));
        return if place {
            refused("COPY with a file or a program of the server", Refusal::Files)
        } else {
            Err(reader.unexpected())
        };
    }
    given.from = from;
    options(&mut reader, &mut given)?;
    let options = given.complete()?.into();
    let source = match source {
        Source::Query(_) if from => {
            return Err(
                PgError::new("42601", "syntax error at or near \"from\"").with_hint("COPY FROM needs the name of a table.")
            );
        }
        Source::Query(query) => query,
        Source::Relation { relation, columns } if from => {
            let table = parsed(reader.sql(), &relation, |parser| parser.parse_object_name(false))?;
            let columns = columns.map(|columns| listed(reader.sql(), &columns)).transpose()?;
            return Ok(Statement::CopyIn(Box::new(CopyIn { table, columns, options })));
        }
        Source::Relation { relation, columns } => select(reader.sql(), relation, columns)?,
    };
    let no_query = PgError::new("42601", "COPY takes a query in its parentheses").with_hint("Write COPY (SELECT …) TO STDOUT.");
    let copy = |query: Box<ast::Statement>| Statement::Copy(Box::new(Copy { query: *query, options }));
    of_query(reader.sql(), &source, no_query, copy)
}

/// The argument of an option.
#[derive(Debug)]
enum Value {
    None,
    Word(String),
    Text(String),
    Star,
    Names(Vec<String>),
}

impl Value {
    fn string(self, option: &str) -> Result<String, PgError> {
        match self {
            Value::Word(text) | Value::Text(text) => Ok(text),
            _ => Err(PgError::new("42601", format!("{option} requires a parameter"))),
        }
    }
}

/// Both ways to write options: in parentheses, and one after the other as before PostgreSQL 9.0.
fn options(reader: &mut Reader<'_>, given: &mut Given) -> Result<(), PgError> {
    let before_with = reader.word("USING");
    if before_with {
        reader.expect_word("DELIMITERS")?;
        given.add("delimiter", Value::Text(reader.text()?))?;
    }
    reader.word("WITH");
    if !before_with && reader.token(&Token::LParen) {
        loop {
            let name = reader.name()?;
            let value = value(reader)?;
            given.add(&name, value)?;
            if !reader.token(&Token::Comma) {
                break;
            }
        }
        reader.expect(&Token::RParen)?;
        return reader.end();
    }
    while !reader.at_end() {
        if reader.word("BINARY") {
            given.add("format", Value::Word("binary".into()))?;
        } else if reader.word("CSV") {
            given.add("format", Value::Word("csv".into()))?;
        } else if reader.word("HEADER") {
            given.add("header", Value::None)?;
        } else if reader.word("FREEZE") {
            given.add("freeze", Value::None)?;
        } else if reader.word("FORCE") {
            let option = match (reader.word("QUOTE"), reader.word("NOT")) {
                (true, _) => "force_quote",
                (_, true) => {
                    reader.expect_word("NULL")?;
                    "force_not_null"
                }
                _ => {
                    reader.expect_word("NULL")?;
                    "force_null"
                }
            };
            let columns = if reader.token(&Token::Mul) { Value::Star } else { Value::Names(names(reader)?) };
            given.add(option, columns)?;
        } else {
            let option = ["DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING"].into_iter().find(|option| reader.word(option));
            let Some(option) = option else { return Err(reader.unexpected()) };
            if option != "ENCODING" {
                reader.word("AS");
            }
            given.add(&option.to_lowercase(), Value::Text(reader.text()?))?;
        }
    }
    Ok(())
}

fn value(reader: &mut Reader<'_>) -> Result<Value, PgError> {
    Ok(match reader.peek() {
        None | Some(Token::Comma | Token::RParen) => Value::None,
        Some(Token::Mul) => {
            reader.token(&Token::Mul);
            Value::Star
        }
        Some(Token::LParen) => {
            reader.expect(&Token::LParen)?;
            let names = names(reader)?;
            reader.expect(&Token::RParen)?;
            Value::Names(names)
        }
        Some(Token::Word(_)) => Value::Word(reader.name()?),
        Some(Token::Number(..) | Token::Minus | Token::Plus) => Value::Word(reader.integer()?.to_string()),
        Some(_) => Value::Text(reader.text()?),
    })
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, PgError> {
    let mut names = vec![reader.name()?];
    while reader.token(&Token::Comma) {
        names.push(reader.name()?);
    }
    Ok(names)
}

/// The options that a statement gives.
#[derive(Debug, Default)]
struct Given {
    format: Option<CopyFormat>,
    freeze: Option<bool>,
    header: Option<Header>,
    /// Whether rows come from the client.
    from: bool,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    encoding: Option<String>,
    force_quote: Option<Chosen>,
    force_null: Option<Chosen>,
    force_not_null: Option<Chosen>,
    default: Option<String>,
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), PgError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(PgError::new("42601", "conflicting or redundant options")),
    }
}

fn unsupported(message: impl Into<String>) -> PgError {
    PgError::new("0A000", message)
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new("22023", message)
}

fn chosen(name: &str, value: Value) -> Result<Chosen, PgError> {
    match value {
        Value::Star => Ok(Chosen::All),
        Value::Names(names) => Ok(Chosen::Columns(names)),
        _ => Err(invalid(format!("argument to option \"{name}\" must be a list of column names"))),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::None => Some(true),
        Value::Word(text) | Value::Text(text) => match text.to_lowercase().as_str() {
            "true" | "on" | "1" => Some(true),
            "false" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

impl Given {
    fn add(&mut self, name: &str, value: Value) -> Result<(), PgError> {
        match name {
            "format" => {
                let format = match value.string(name)?.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => return Err(invalid(format!("COPY format \"{other}\" not recognized"))),
                };
                once(&mut self.format, format)
            }
            "header" => {
                if matches!(&value, Value::Word(text) | Value::Text(text) if text.eq_ignore_ascii_case("match")) {
                    if !self.from {
                        return Err(unsupported("cannot use \"match\" with HEADER in COPY TO"));
                    }
                    return once(&mut self.header, Header::Match);
                }
                let on = boolean(&value).ok_or_else(|| PgError::new("42601", "header requires a Boolean value or \"match\""))?;
                once(&mut self.header, if on { Header::Yes } else { Header::No })
            }
            // Rows that are read cannot be frozen; PostgreSQL 16 takes the option all the same.
            "freeze" => {
                let on = boolean(&value).ok_or_else(|| PgError::new("42601", "freeze requires a Boolean value"))?;
                once(&mut self.freeze, on)
            }
            "delimiter" => once(&mut self.delimiter, value.string(name)?),
            "null" => once(&mut self.null, value.string(name)?),
            "quote" => once(&mut self.quote, value.string(name)?),
            "escape" => once(&mut self.escape, value.string(name)?),
            "encoding" => once(&mut self.encoding, value.string(name)?),
            "force_quote" => once(&mut self.force_quote, chosen(name, value)?),
            "force_not_null" | "force_null" | "default" if !self.from => {
                let spoken = name.replace('_', " ");
                Err(unsupported(format!("COPY {spoken} only available using COPY FROM")))
            }
            "force_not_null" => once(&mut self.force_not_null, chosen(name, value)?),
            "force_null" => once(&mut self.force_null, chosen(name, value)?),
            "default" => once(&mut self.default, value.string(name)?),
            other => Err(PgError::new("42601", format!("option \"{other}\" not recognized"))
                .with_hint("Options are FORMAT, HEADER, DELIMITER, NULL, QUOTE, ESCAPE, FORCE_QUOTE and ENCODING.")),
        }
    }

    /// The checks of PostgreSQL's `ProcessCopyOptions`, in its order.
    fn complete(self) -> Result<CopyOptions, PgError> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let (binary, csv) = (format == CopyFormat::Binary, format == CopyFormat::Csv);
        for (option, given) in [("DELIMITER", self.delimiter.is_some()), ("NULL", self.null.is_some())] {
            if binary && given {
                return Err(PgError::new("42601", format!("cannot specify {option} in BINARY mode")));
            }
        }
        let delimiter = single(self.delimiter.as_deref(), if csv { b',' } else { b'\t' }, "delimiter")?;
        if matches!(delimiter, b'\n' | b'\r') {
            return Err(invalid("COPY delimiter cannot be newline or carriage return"));
        }
        let null = self.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
        if null.contains(['\n', '\r']) {
            return Err(invalid("COPY null representation cannot use newline or carriage return"));
        }
        if !csv && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, b'\\' | b'.')) {
            return Err(invalid(format!("COPY delimiter cannot be \"{}\"", char::from(delimiter))));
        }
        if binary && self.header.is_some() {
            return Err(unsupported("cannot specify HEADER in BINARY mode"));
        }
        let only_csv = [
            ("quote", self.quote.is_some()),
            ("escape", self.escape.is_some()),
            ("force quote", self.force_quote.is_some()),
            ("force not null", self.force_not_null.is_some()),
            ("force null", self.force_null.is_some()),
        ];
        if let Some((option, _)) = only_csv.iter().find(|(_, given)| *given && !csv) {
            return Err(unsupported(format!("COPY {option} available only in CSV mode")));
        }
        let quote = single(self.quote.as_deref(), b'"', "quote")?;
        if csv && delimiter == quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        let escape = single(self.escape.as_deref(), quote, "escape")?;
        if null.bytes().any(|byte| byte == delimiter) {
            return Err(unsupported("COPY delimiter must not appear in the NULL specification"));
        }
        if csv && null.bytes().any(|byte| byte == quote) {
            return Err(unsupported("CSV quote character must not appear in the NULL specification"));
        }
        if let Some(encoding) = &self.encoding {
            check_encoding(encoding)?;
        }
        if self.from && self.force_quote.is_some() {
            return Err(unsupported("COPY force quote only available using COPY TO"));
        }
        if binary && self.default.is_some() {
            return Err(PgError::new("42601", "cannot specify DEFAULT in BINARY mode"));
        }
        if let Some(default) = &self.default {
            if default.contains(['\n', '\r']) {
                return Err(invalid("COPY default representation cannot use newline or carriage return"));
            }
            if *default == null {
                return Err(unsupported("NULL specification and DEFAULT specification cannot be the same"));
            }
        }
        let none = || Chosen::Columns(Vec::new());
        Ok(CopyOptions {
            format,
            header: self.header.unwrap_or(Header::No),
            delimiter,
            null,
            quote,
            escape,
            force_quote: self.force_quote.unwrap_or_else(none),
            force_null: self.force_null.unwrap_or_else(none),
            force_not_null: self.force_not_null.unwrap_or_else(none),
            default: self.default,
        })
    }
}

fn single(given: Option<&str>, otherwise: u8, what: &str) -> Result<u8, PgError> {
    match given.map(str::as_bytes) {
        None => Ok(otherwise),
        Some([only]) => Ok(*only),
        Some(_) => Err(unsupported(format!("COPY {what} must be a single one-byte character"))),
    }
}

/// Names of encodings are compared without what is neither letter nor digit.
fn check_encoding(name: &str) -> Result<(), PgError> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    match plain.as_str() {
        "utf8" | "unicode" => Ok(()),
        known
            if known.starts_with("latin") || known.starts_with("win") || known.starts_with("iso8859") || known == "sqlascii" =>
        {
            Err(unsupported(format!("COPY in the encoding \"{name}\" is not supported")).with_hint("Use UTF8."))
        }
        _ => Err(invalid("argument to option \"encoding\" must be a valid encoding name")),
    }
}
