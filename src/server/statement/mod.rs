//! A string of SQL → the statements in it, each told apart by what the server has to do for it.
//!
//! Settings, transactions and the like are read from the tokens, because the parser of the engine does not know all of
//! PostgreSQL's spellings; queries are parsed. Before that, [`depth`] refuses what would overflow a stack.

mod depth;
mod set;

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use pgwire::api::Type;

use super::copy::{self, Copy, CopyIn};
use super::cursor::{self, Declare, Fetch};
use super::define::{self, Define};
use super::error::{PgError, sqlstate};
use super::grants::{self, RoleStatement};
use super::notify::{self, Notify};
use super::reader::position;
use super::transaction::{self, Modes};
use super::{prepare, write};
use depth::{MAX_NESTING, check_depth};
use set::{dotted, modes, name_of, set};

/// Reading a statement takes a hundred times its length in memory.
const MAX_SQL_BYTES: usize = 1024 * 1024;

/// One statement of a query string.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    /// Returns rows: SELECT, VALUES, TABLE, WITH, EXPLAIN, SHOW TABLES.
    Query(Box<ast::Statement>),
    /// SET, with LOCAL or not; no value means DEFAULT.
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// SHOW of one setting, or of all.
    Show(Option<String>),
    /// RESET of one setting, or of all.
    Reset(Option<String>),
    /// BEGIN and START TRANSACTION, with the tag that says which.
    Begin(Modes, &'static str),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION, or what new transactions of the session are like.
    SetTransaction {
        modes: Modes,
        session: bool,
    },
    Discard(Discard),
    /// DEALLOCATE of one prepared statement, or of all.
    Deallocate(Option<String>),
    /// COPY … TO STDOUT.
    Copy(Box<Copy>),
    /// COPY … FROM STDIN.
    CopyIn(Box<CopyIn>),
    /// INSERT, UPDATE and DELETE.
    Write(Box<ast::Statement>),
    /// CREATE, DROP, ALTER, COMMENT and TRUNCATE of scratch tables, views and schemas.
    Define(Box<Define>),
    /// EXPLAIN EXECUTE: the EXPLAIN with any statement in it, the name and the arguments.
    ExplainExecute {
        explain: Box<ast::Statement>,
        name: String,
        arguments: Vec<ast::Expr>,
    },
    /// LISTEN, UNLISTEN and NOTIFY.
    Notify(Notify),
    /// LOCK TABLE: the names. Nothing has to be kept from others, who cannot disturb a transaction.
    Lock(Vec<ast::ObjectName>),
    /// PREPARE, with the types that it names.
    Prepare {
        name: String,
        types: Vec<Option<Type>>,
        query: Box<ast::Statement>,
    },
    Execute {
        name: String,
        arguments: Vec<ast::Expr>,
    },
    Declare(Box<Declare>),
    /// FETCH and MOVE.
    Fetch(Fetch),
    /// CLOSE of one cursor, or of all.
    Close(Option<String>),
    /// Roles and rights.
    Role(Box<RoleStatement>),
    /// Accepted without effect; the tag to answer with.
    Accepted(&'static str),
    /// A statement that is not done here: its name, and why.
    Refused {
        what: String,
        why: Refusal,
    },
}

/// What DISCARD forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}

/// Why a statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It would reach files or programs of the server.
    Files,
    /// It would change data or definitions.
    Writes,
    /// It is not known here.
    Unsupported,
}

impl Statement {
    /// Whether the statement may run in a transaction that has failed.
    pub(crate) fn ends_failed_transaction(&self) -> bool {
        matches!(self, Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo(_))
    }

    /// Whether the statement looks at data, so that its transaction has to know which.
    pub(crate) fn looks(&self) -> bool {
        let fetches = matches!(
            self,
            Statement::Query(_)
                | Statement::Execute { .. }
                | Statement::ExplainExecute { .. }
                | Statement::Declare(_)
                | Statement::Copy(_)
        );
        fetches || self.changes().is_some()
    }

    /// What changes data or definitions, by the name that an error gives it.
    pub(crate) fn changes(&self) -> Option<&'static str> {
        match self {
            Statement::Write(statement) => Some(write::name(statement)),
            Statement::CopyIn(_) => Some("COPY FROM"),
            Statement::Define(define) => Some(define.tag()),
            _ => None,
        }
    }
}

/// Splits and reads a query string. Nothing is run when any of its statements cannot be read.
pub(crate) fn parse(sql: &str) -> Result<Vec<Statement>, PgError> {
    if sql.len() > MAX_SQL_BYTES {
        return Err(PgError::new("54000", format!("the statement is longer than {MAX_SQL_BYTES} bytes"))
            .with_hint("Bind long lists as an array parameter: x = ANY ($1)."));
    }
    let dialect = PostgreSqlDialect {};
    let mut tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| {
        PgError::new("42601", format!("syntax error: {}", error.message)).with_position(position(sql, error.location))
    })?;
    qualified_words(&mut tokens);
    let tokens = written_out(tokens);
    let mut statements = Vec::new();
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        if part.iter().all(|token| matches!(token.token, Token::Whitespace(_) | Token::EOF)) {
            continue;
        }
        check_depth(part)?;
        statements.push(match command(sql, part)? {
            Some(statement) => statement,
            None => query(sql, part)?,
        });
    }
    Ok(statements)
}

/// `pg_catalog.substring(…)`: behind a schema the word is a function like any other, which the engine's parser does not know.
fn qualified_words(tokens: &mut [TokenWithSpan]) {
    for at in 1..tokens.len().saturating_sub(1) {
        let [before, word, after] = [at - 1, at, at + 1].map(|at| tokens.get(at).map(|token| &token.token));
        if matches!((before, after), (Some(Token::Period), Some(Token::LParen)))
            && let Some(Token::Word(found)) = word
            && found.quote_style.is_none()
            && found.value.eq_ignore_ascii_case("substring")
            && let Some(token) = tokens.get_mut(at)
        {
            token.token = Token::make_word("substring", Some('"'));
        }
    }
}

/// Forms that are short for others, and that the engine's parser does not know: `TABLE x`, and `trim(leading from x)`, which takes blanks away.
fn written_out(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    let is_blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    for token in tokens {
        let before = written.iter().rev().find(|token| !is_blank(token));
        match keyword(&token) {
            Keyword::TABLE if before.is_none_or(|before| before.token == Token::SemiColon) => {
                let word = |keyword: &str| TokenWithSpan { token: Token::make_keyword(keyword), span: token.span };
                written.extend([word("SELECT"), TokenWithSpan { token: Token::Mul, span: token.span }, word("FROM")]);
                continue;
            }
            Keyword::FROM
                if before
                    .is_some_and(|before| matches!(keyword(before), Keyword::LEADING | Keyword::TRAILING | Keyword::BOTH)) =>
            {
                written.push(TokenWithSpan { token: Token::SingleQuotedString(" ".to_owned()), span: token.span });
            }
            _ => {}
        }
        written.push(token);
    }
    written
}

/// Reads the statements that are left to the engine's parser.
fn query(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    parsed(sql, tokens, |parser| parser.parse_statement()).map(classify)
}

/// Whether a statement is a SET, of which the engine's parser knows forms of its own.
fn sets(tokens: &[TokenWithSpan]) -> bool {
    matches!(tokens.first(), Some(first) if first.token.to_string().eq_ignore_ascii_case("set"))
}

/// A statement made of the query that `tokens` are. `otherwise` is the error where they are something else that is known.
pub(crate) fn of_query(
    sql: &str,
    tokens: &[TokenWithSpan],
    otherwise: PgError,
    made: impl FnOnce(Box<ast::Statement>) -> Statement,
) -> Result<Statement, PgError> {
    if sets(tokens) {
        return Err(otherwise);
    }
    match query(sql, tokens)? {
        Statement::Query(query) if matches!(*query, ast::Statement::Query(_)) => Ok(made(query)),
        Statement::Write(write) => Err(PgError::new("0A000", format!("{} gives no rows", write::name(&write)))),
        refused @ Statement::Refused { why: Refusal::Writes | Refusal::Files, .. } => Ok(refused),
        _ => Err(otherwise),
    }
}

/// A statement made of the query or the INSERT, UPDATE or DELETE that `tokens` are.
pub(crate) fn of_query_or_write(
    sql: &str,
    tokens: &[TokenWithSpan],
    otherwise: PgError,
    made: impl FnOnce(Box<ast::Statement>) -> Statement,
) -> Result<Statement, PgError> {
    if sets(tokens) {
        return Err(otherwise);
    }
    match query(sql, tokens)? {
        Statement::Query(query) if matches!(*query, ast::Statement::Query(_)) => Ok(made(query)),
        Statement::Write(write) => Ok(made(write)),
        refused @ Statement::Refused { .. } => Ok(refused),
        _ => Err(otherwise),
    }
}

/// What the engine's parser reads from all of `tokens`, which are part of `sql`.
pub(crate) fn parsed<T>(
    sql: &str,
    tokens: &[TokenWithSpan],
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, PgError> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(4 * MAX_NESTING).with_tokens_with_locations(tokens.to_vec());
    let located = |error: ParserError| {
        let at = match &error {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => location(text),
            ParserError::RecursionLimitExceeded => None,
        };
        let position = at.and_then(|at| position(sql, at));
        sqlstate(&DataFusionError::SQL(Box::new(error), None)).with_position(position)
    };
    let found = read(&mut parser).map_err(located)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(PgError::new("42601", format!("syntax error at or near \"{}\"", next.token))
            .with_position(position(sql, next.span.start)));
    }
    Ok(found)
}

fn classify(statement: ast::Statement) -> Statement {
    use ast::Statement as S;
    let refused = |what: &str, why| Statement::Refused { what: what.to_owned(), why };
    match statement {
        S::Query(query) if define::selects_into(&query) => define::select_into(*query),
        S::Query(query)
            if matches!(query.body.as_ref(), ast::SetExpr::Insert(_) | ast::SetExpr::Update(_) | ast::SetExpr::Delete(_)) =>
        {
            with_write(*query)
        }
        S::Query(_) | S::ShowTables { .. } | S::ShowColumns { .. } | S::ShowFunctions { .. } => {
            Statement::Query(Box::new(statement))
        }
        S::ShowVariable { .. } | S::ExplainTable { .. } => Statement::Query(Box::new(statement)),
        S::Explain { .. } => explain(statement),
        S::CreateTable(table) if table.external => refused("CREATE EXTERNAL TABLE", Refusal::Files),
        S::Insert(_) | S::Update(_) | S::Delete(_) => Statement::Write(Box::new(statement)),
        other => {
            // The first words name the statement as a person would.
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let what = match words.as_slice() {
                [first @ ("CREATE" | "DROP" | "ALTER"), second, ..] => format!("{first} {second}"),
                [first, ..] => (*first).to_owned(),
                [] => "this statement".to_owned(),
            };
            let writes = [
                "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "COMMENT", "GRANT", "REVOKE",
                "VACUUM",
            ];
            let first = what.split(' ').next().unwrap_or_default();
            refused(&what, if writes.contains(&first) { Refusal::Writes } else { Refusal::Unsupported })
        }
    }
}

/// WITH in front of a statement that writes: it belongs to the query of an INSERT.
fn with_write(mut query: ast::Query) -> Statement {
    let with = query.with.take();
    match *query.body {
        ast::SetExpr::Insert(mut statement) => {
            if let (ast::Statement::Insert(insert), Some(with)) = (&mut statement, with)
                && let Some(source) = &mut insert.source
            {
                match &mut source.with {
                    Some(own) => own.cte_tables.splice(0..0, with.cte_tables).for_each(drop),
                    none => *none = Some(with),
                }
            }
            Statement::Write(Box::new(statement))
        }
        body => Statement::Write(Box::new(ast::Statement::Query(Box::new(ast::Query { with, body: Box::new(body), ..query })))),
    }
}

/// EXPLAIN shows the plan of the query in a statement that would write its rows, and does not write them.
fn explain(mut statement: ast::Statement) -> Statement {
    use ast::Statement as S;
    let S::Explain { statement: inner, analyze, options, .. } = &mut statement else {
        return Statement::Query(Box::new(statement));
    };
    let runs = *analyze
        || options
            .iter()
            .flatten()
            .any(|option| ["analyze", "analyse"].iter().any(|word| option.name.value.eq_ignore_ascii_case(word)));
    let query = match inner.as_mut() {
        S::Execute { name: Some(name), parameters, .. } => {
            let (name, arguments) = (name.to_string(), std::mem::take(parameters));
            return Statement::ExplainExecute { explain: Box::new(statement), name, arguments };
        }
        S::Insert(insert) => insert.source.take(),
        S::CreateTable(table) if !table.external => table.query.take(),
        S::CreateView(view) => Some(view.query.clone()),
        _ => match classify((**inner).clone()) {
            Statement::Query(_) => return Statement::Query(Box::new(statement)),
            Statement::Write(written) => {
                let what = format!("EXPLAIN of {}", write::name(&written));
                return Statement::Refused { what, why: Refusal::Unsupported };
            }
            other => return other,
        },
    };
    match query {
        Some(_) if runs => {
            Statement::Refused { what: "EXPLAIN ANALYZE of a statement that writes".to_owned(), why: Refusal::Unsupported }
        }
        Some(query) => {
            **inner = S::Query(query);
            Statement::Query(Box::new(statement))
        }
        None => Statement::Refused { what: "EXPLAIN of a statement without a query".to_owned(), why: Refusal::Unsupported },
    }
}

/// Reads the statements that are no queries from their tokens.
fn command(sql: &str, tokens: &[TokenWithSpan]) -> Result<Option<Statement>, PgError> {
    let words: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF)).collect();
    let upper: Vec<String> = words.iter().take(6).map(|token| token.to_string().to_uppercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    let rest = |from: usize| words.get(from..).unwrap_or_default();
    if let Some(statement) = grants::read(sql, tokens) {
        return statement.map(Some);
    }
    Ok(Some(match upper.as_slice() {
        ["BEGIN", ..] | ["START", "TRANSACTION", ..] => transaction::begin(sql, tokens)?,
        ["COMMIT" | "END" | "ROLLBACK" | "ABORT", ..] => transaction::end(sql, tokens)?,
        ["SAVEPOINT" | "RELEASE", ..] => transaction::savepoint(sql, tokens)?,
        ["DISCARD", "ALL"] => Statement::Discard(Discard::All),
        ["DISCARD", "PLANS"] => Statement::Discard(Discard::Plans),
        ["DISCARD", "SEQUENCES"] => Statement::Discard(Discard::Sequences),
        ["DISCARD", "TEMP" | "TEMPORARY"] => Statement::Discard(Discard::Temp),
        ["LOCK", ..] => define::lock(sql, tokens)?,
        ["LISTEN" | "UNLISTEN" | "NOTIFY", ..] => Statement::Notify(notify::read(sql, tokens)?),
        ["CREATE" | "DROP" | "ALTER" | "COMMENT" | "TRUNCATE", ..] => return define::read(sql, tokens),
        ["ANALYZE", ..] => Statement::Accepted("ANALYZE"),
        ["VACUUM", ..] => Statement::Accepted("VACUUM"),
        ["CHECKPOINT"] => Statement::Accepted("CHECKPOINT"),
        ["DEALLOCATE", "ALL"] | ["DEALLOCATE", "PREPARE", "ALL"] => Statement::Deallocate(None),
        ["DEALLOCATE", "PREPARE", _] => Statement::Deallocate(words.get(2).map(|name| name_of(name))),
        ["DEALLOCATE", _] => Statement::Deallocate(words.get(1).map(|name| name_of(name))),
        ["COPY", ..] => copy::read(sql, tokens)?,
        ["PREPARE", ..] => prepare::prepare(sql, tokens)?,
        ["EXECUTE", ..] => prepare::execute(sql, tokens)?,
        ["DECLARE", ..] => cursor::declare(sql, tokens)?,
        ["FETCH" | "MOVE", ..] => cursor::fetch(sql, tokens)?,
        ["CLOSE", ..] => cursor::close(sql, tokens)?,
        ["SHOW", "ALL"] => Statement::Show(None),
        ["SHOW", "TIME", "ZONE"] => Statement::Show(Some("timezone".into())),
        ["SHOW", "TRANSACTION", "ISOLATION", "LEVEL"] => Statement::Show(Some("transaction_isolation".into())),
        ["SHOW", "SESSION", "AUTHORIZATION"] => Statement::Show(Some("session_authorization".into())),
        ["SHOW", "TABLES" | "COLUMNS" | "FIELDS" | "FUNCTIONS" | "CREATE" | "VIEWS" | "SCHEMAS" | "DATABASES", ..] => {
            return Ok(None);
        }
        ["SHOW", ..] => Statement::Show(Some(dotted(rest(1))?)),
        ["RESET", "ALL"] => Statement::Reset(None),
        ["RESET", "SESSION", "AUTHORIZATION"] => Statement::Reset(Some("session_authorization".into())),
        ["RESET", ..] => Statement::Reset(Some(dotted(rest(1))?)),
        ["SET", "SESSION", "CHARACTERISTICS", "AS", "TRANSACTION", ..] => modes(sql, tokens, 5, true)?,
        ["SET", "TRANSACTION", ..] | ["SET", "LOCAL", "TRANSACTION", ..] => {
            modes(sql, tokens, if upper.get(1) == Some(&"LOCAL") { 3 } else { 2 }, false)?
        }
        ["SET", local @ ("LOCAL" | "SESSION"), "SESSION", "AUTHORIZATION", ..] => set(rest(3), *local == "LOCAL")?,
        ["SET", "LOCAL", ..] => set(rest(2), true)?,
        ["SET", "SESSION", "AUTHORIZATION", ..] => set(rest(2), false)?,
        ["SET", "SESSION", ..] => set(rest(2), false)?,
        ["SET", ..] => set(rest(1), false)?,
        _ => return Ok(None),
    }))
}

/// The place that the parser wrote at the end of its message.
fn location(text: &str) -> Option<Location> {
    let (line, column) = text.rsplit_once("at Line: ")?.1.split_once(", Column: ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some(Location { line: digits(line)?, column: digits(column)? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Statement {
        let mut all = parse(sql).unwrap();
        assert_eq!(all.len(), 1, "{sql}");
        all.remove(0)
    }

    #[test]
    fn strings_are_split_at_semicolons_outside_of_text() {
        assert_eq!(parse("select ';'; -- a ; comment\n select 2;;").unwrap().len(), 2);
        assert!(parse(" ; ;").unwrap().is_empty());
    }

    #[test]
    fn settings_are_read_in_every_spelling() {
        for (sql, name, value) in [
            ("set search_path to Gold, \"Silver\", '$user'", "search_path", Some("gold, \"Silver\", \"$user\"")),
            ("SET statement_timeout = 1000", "statement_timeout", Some("1000")),
            ("set session TIME ZONE 'Europe/Rome'", "timezone", Some("Europe/Rome")),
            ("set local TimeZone = default", "timezone", None),
            ("set extra_float_digits = -1", "extra_float_digits", Some("-1")),
            ("set datafusion.explain.format = 'tree'", "datafusion.explain.format", Some("tree")),
            ("set names 'UTF8'", "client_encoding", Some("UTF8")),
        ] {
            let Statement::Set { name: found, value: got, .. } = one(sql) else { panic!("{sql}") };
            assert_eq!((found.as_str(), got.as_deref()), (name, value), "{sql}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_database_is_refused_by_name() {
        for (sql, what, reason) in [
            ("merge into t using u on t.a = u.a when matched then delete", "MERGE", Refusal::Writes),
            ("copy (select 1) to '/tmp/x'", "COPY with a file or a program of the server", Refusal::Files),
            ("copy t from '/tmp/x'", "COPY with a file or a program of the server", Refusal::Files),
            ("explain analyze insert into t values (1)", "EXPLAIN ANALYZE of a statement that writes", Refusal::Unsupported),
            ("create external table t stored as parquet location 'x'", "CREATE EXTERNAL TABLE", Refusal::Files),
        ] {
            let Statement::Refused { what: found, why } = one(sql) else { panic!("{sql}") };
            assert_eq!((found.as_str(), why), (what, reason), "{sql}");
        }
    }

    #[test]
    fn what_changes_something_says_what() {
        for (sql, what) in [
            ("insert into t values (1)", "INSERT"),
            ("with x as (select 1) insert into t select * from x", "INSERT"),
            ("update t set a = 1", "UPDATE"),
            ("delete from t", "DELETE"),
            ("copy t from stdin", "COPY FROM"),
            ("create temp table t (a int)", "CREATE TABLE"),
            ("create table t as select 1 as a", "CREATE TABLE AS"),
            ("select 1 as a into t", "SELECT INTO"),
            ("create or replace view v as select 1 as a", "CREATE VIEW"),
            ("drop table if exists t cascade", "DROP TABLE"),
            ("alter table t rename to u", "ALTER TABLE"),
            ("truncate t", "TRUNCATE TABLE"),
            ("comment on column t.a is 'x'", "COMMENT"),
        ] {
            assert_eq!(one(sql).changes(), Some(what), "{sql}");
        }
    }

    #[test]
    fn a_syntax_error_points_at_its_place() {
        let error = parse("select 1;\nselect 2 2").unwrap_err();
        assert_eq!(error.code, "42601");
        assert_eq!(error.position(), Some(20), "{error:?}");
        let error = parse("select 'ä',\n  (1").unwrap_err();
        assert_eq!((error.code.as_ref(), error.message.as_str()), ("42601", "syntax error at end of input"));
    }

    #[test]
    fn depth_is_limited_and_width_is_not() {
        let deep = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert_eq!(parse(&deep).unwrap_err().code, "54001");
        let chain = format!("select 1{}", " + 1".repeat(10_000));
        assert_eq!(parse(&chain).unwrap_err().code, "54001");
        let unary = format!("select {}true", "not ".repeat(10_000));
        assert_eq!(parse(&unary).unwrap_err().code, "54001");
        let casts = format!("select 1{}", "::int".repeat(10_000));
        assert_eq!(parse(&casts).unwrap_err().code, "54001");
        let list = format!("select 1 in (1{})", ", 1".repeat(20_000));
        assert!(parse(&list).is_ok());
        let wide = format!("select 1 as a{}", ", f(1 + 2) as b".repeat(1_600));
        assert!(parse(&wide).is_ok());
    }

    #[test]
    fn half_statements_are_errors_or_shorter_statements() {
        for sql in [
            "copy gold.t (a, \"B\") to stdout with (format csv, delimiter e'\\t', force_quote (a, \"B\"), header on)",
            "copy (select 1, (2)) to stdout with delimiter as ',' null as '' csv header quote as '\"' force quote *",
            "prepare p (int, double precision[], unknown) as select $1 + (2)",
            "execute p(1 + 2, 'a', array[1, (2)])",
            "declare c binary insensitive no scroll cursor with hold for select (1)",
            "fetch relative -5 from \"C\"",
            "move backward all in c",
        ] {
            assert!(parse(sql).is_ok(), "{sql}");
            for end in 1..sql.len() {
                let half = sql.get(..end).unwrap();
                if let Err(error) = parse(half) {
                    assert!(matches!(error.code.as_ref(), "42601" | "42704" | "22023" | "0A000"), "{half}: {error:?}");
                }
            }
        }
    }
}
