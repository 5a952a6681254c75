//! CREATE, DROP, ALTER, COMMENT, TRUNCATE and LOCK: what they say. `definitions` does it.

use std::borrow::Cow;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, ObjectName, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::PgError;
use super::grants::RightsChange;
use super::names::identifier;
use super::reader::Reader;
use super::scratch::space::OnCommit;
use super::statement::{Refusal, Statement, parsed};
use super::view_options;

/// What changes definitions.
#[derive(Debug, Clone)]
pub(crate) enum Define {
    Table(Box<CreateTable>),
    View {
        view: Box<ast::CreateView>,
        security_invoker: bool,
    },
    /// CREATE SCHEMA; `owner` is that of AUTHORIZATION.
    Schema {
        name: Option<String>,
        owner: Option<String>,
        if_not_exists: bool,
    },
    Index {
        table: ObjectName,
        columns: Vec<String>,
        unique: bool,
        name: Option<String>,
        if_not_exists: bool,
    },
    Drop {
        kind: Kind,
        if_exists: bool,
        names: Vec<ObjectName>,
        cascade: bool,
    },
    Alter {
        kind: Kind,
        if_exists: bool,
        name: ObjectName,
        action: Action,
    },
    Truncate {
        tables: Vec<ObjectName>,
    },
    Comment {
        object: Commented,
        text: Option<String>,
    },
    /// GRANT and REVOKE on what clients made.
    Rights(RightsChange),
    Reassign {
        from: Vec<String>,
        to: String,
    },
    DropOwned {
        roles: Vec<String>,
        cascade: bool,
    },
}

/// CREATE TABLE in all its forms, and SELECT INTO.
#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectName,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ast::ColumnDef>,
    /// Names for the columns of the query, which come without types.
    pub(crate) names: Vec<String>,
    pub(crate) constraints: Vec<ast::TableConstraint>,
    pub(crate) like: Option<ObjectName>,
    pub(crate) query: Option<Box<ast::Query>>,
    pub(crate) with_data: bool,
    pub(crate) on_commit: OnCommit,
    /// SELECT INTO.
    pub(crate) into: bool,
}

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    View,
    Schema,
    Index,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::View => "view",
            Kind::Schema => "schema",
            Kind::Index => "index",
        }
    }
}

/// What ALTER does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Rename(String),
    RenameColumn(String, String),
    SetSchema(String),
    Owner(String),
    /// SET and RESET of options: `security_invoker`, where it is named.
    Options(Option<bool>),
}

/// What a comment is on.
#[derive(Debug, Clone)]
pub(crate) enum Commented {
    Relation(Kind, ObjectName),
    Column(ObjectName, String),
    Schema(String),
    Database,
}

impl Define {
    /// The command tag, which errors name the statement by too.
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Define::Table(table) if table.into => "SELECT INTO",
            Define::Table(table) if table.query.is_some() => "CREATE TABLE AS",
            Define::Table(_) => "CREATE TABLE",
            Define::View { .. } => "CREATE VIEW",
            Define::Schema { .. } => "CREATE SCHEMA",
            Define::Index { .. } => "CREATE INDEX",
            Define::Drop { kind: Kind::Table, .. } => "DROP TABLE",
            Define::Drop { kind: Kind::View, .. } => "DROP VIEW",
            Define::Drop { kind: Kind::Schema, .. } => "DROP SCHEMA",
            Define::Drop { kind: Kind::Index, .. } => "DROP INDEX",
            Define::Alter { kind: Kind::View, .. } => "ALTER VIEW",
            Define::Alter { kind: Kind::Schema, .. } => "ALTER SCHEMA",
            Define::Alter { .. } => "ALTER TABLE",
            Define::Truncate { .. } => "TRUNCATE TABLE",
            Define::Comment { .. } => "COMMENT",
            Define::Rights(change) => change.tag(),
            Define::Reassign { .. } => "REASSIGN OWNED",
            Define::DropOwned { .. } => "DROP OWNED",
        }
    }
}

fn made(define: Define) -> Option<Statement> {
    Some(Statement::Define(Box::new(define)))
}

fn unsupported(what: impl Into<String>) -> Option<Statement> {
    Some(Statement::Refused { what: what.into(), why: Refusal::Unsupported })
}

/// Reads the statements of this module; nothing for those of others that begin with the same words.
pub(crate) fn read(sql: &str, tokens: &[TokenWithSpan]) -> Result<Option<Statement>, PgError> {
    // The engine's parser knows texts in dollars as values only.
    let plain: Vec<TokenWithSpan>;
    let mut tokens = tokens;
    if tokens.iter().any(|token| matches!(token.token, Token::DollarQuotedString(_))) {
        let texts = tokens.iter().map(|token| match &token.token {
            Token::DollarQuotedString(text) => {
                TokenWithSpan { token: Token::SingleQuotedString(text.value.clone()), span: token.span }
            }
            _ => token.clone(),
        });
        plain = texts.collect();
        tokens = &plain;
    }
    let mut reader = Reader::new(sql, tokens);
    if reader.word("ALTER") {
        return alter(reader);
    }
    if reader.word("CREATE") {
        return create(sql, tokens, reader);
    }
    let drop = reader.word("DROP");
    if drop && !["TABLE", "VIEW", "SCHEMA", "INDEX"].into_iter().any(|word| reader.word(word)) {
        return Ok(None);
    }
    let statement = parsed(sql, tokens, |parser| parser.parse_statement())?;
    Ok(match statement {
        ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            let kind = match object_type {
                ast::ObjectType::Table => Kind::Table,
                ast::ObjectType::View => Kind::View,
                ast::ObjectType::Schema => Kind::Schema,
                ast::ObjectType::Index => Kind::Index,
                _ => return Ok(None),
            };
            made(Define::Drop { kind, if_exists, names, cascade })
        }
        ast::Statement::Truncate(truncate) => {
            made(Define::Truncate { tables: truncate.table_names.into_iter().map(|table| table.name).collect() })
        }
        ast::Statement::Comment { object_type, object_name, comment, .. } => {
            let object = match object_type {
                ast::CommentObject::Table => Commented::Relation(Kind::Table, object_name),
                ast::CommentObject::View => Commented::Relation(Kind::View, object_name),
                ast::CommentObject::Schema => Commented::Schema(last(&object_name)),
                ast::CommentObject::Database => Commented::Database,
                ast::CommentObject::Column => {
                    let mut parts = object_name.0;
                    let column = parts.pop().and_then(|part| part.as_ident().map(identifier)).unwrap_or_default();
                    if parts.is_empty() {
                        return Err(PgError::new("42601", "column name must be qualified"));
                    }
                    Commented::Column(ObjectName(parts), column)
                }
                other => return Ok(unsupported(format!("COMMENT ON {other}"))),
            };
            made(Define::Comment { object, text: comment })
        }
        _ => None,
    })
}

fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(identifier).unwrap_or_default()
}

fn create(sql: &str, tokens: &[TokenWithSpan], mut reader: Reader<'_>) -> Result<Option<Statement>, PgError> {
    if reader.word("UNLOGGED") {
        // Nothing here is logged. The parser does not know the word.
        let unlogged =
            |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case("unlogged"));
        let at = tokens.iter().position(|token| unlogged(&token)).unwrap_or(0);
        let without: Vec<_> =
            tokens.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, token)| token.clone()).collect();
        let rest = Reader::new(sql, &without);
        let mut rest = rest;
        rest.expect_word("CREATE")?;
        return create(sql, &without, rest);
    }
    let _ = reader.word("OR") && reader.word("REPLACE");
    let _ = reader.word("LOCAL") || reader.word("GLOBAL");
    let _ = reader.word("TEMP") || reader.word("TEMPORARY");
    let _ = reader.word("UNIQUE");
    if reader.word("MATERIALIZED") {
        return Ok(unsupported("CREATE MATERIALIZED VIEW"));
    }
    if reader.word("RECURSIVE") {
        return Ok(unsupported("CREATE RECURSIVE VIEW"));
    }
    if reader.word("SCHEMA") {
        return create_schema(reader);
    }
    if !["TABLE", "VIEW", "INDEX"].into_iter().any(|word| reader.word(word)) {
        return Ok(None);
    }
    let (tokens, with_data) = without_data_clause(tokens);
    let (tokens, names) = without_names(sql, tokens);
    let statement = parsed(sql, &view_options::valued(&tokens), |parser| parser.parse_statement())?;
    Ok(match statement {
        ast::Statement::CreateTable(table) => create_table(table, names, with_data)?,
        ast::Statement::CreateView(view) => {
            if view.materialized || view.to.is_some() {
                return Ok(unsupported("CREATE MATERIALIZED VIEW"));
            }
            let security_invoker = view_options::security_invoker(&view.options)?.unwrap_or(false);
            made(Define::View { view: Box::new(view), security_invoker })
        }
        ast::Statement::CreateIndex(index) => {
            if index.predicate.is_some() && index.unique {
                return Ok(unsupported("a unique index with WHERE"));
            }
            let columns = index_columns(&index.columns)?;
            let name = index.name.as_ref().map(last);
            made(Define::Index {
                table: index.table_name,
                columns,
                unique: index.unique,
                name,
                if_not_exists: index.if_not_exists,
            })
        }
        _ => None,
    })
}

/// The columns of an index or of a key; expressions are refused.
pub(crate) fn index_columns(columns: &[ast::IndexColumn]) -> Result<Vec<String>, PgError> {
    let column = |column: &ast::IndexColumn| match &column.column.expr {
        ast::Expr::Identifier(name) => Ok(identifier(name)),
        _ => Err(PgError::new("0A000", "keys and indexes on expressions are not supported")),
    };
    columns.iter().map(column).collect()
}

/// Takes WITH [NO] DATA off the end.
fn without_data_clause(tokens: &[TokenWithSpan]) -> (&[TokenWithSpan], bool) {
    let words: Vec<usize> = (0..tokens.len())
        .rev()
        .filter(|index| tokens.get(*index).is_some_and(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)))
        .take(3)
        .collect();
    let is = |place: usize, wanted: &str| {
        words.get(place).and_then(|index| tokens.get(*index)).is_some_and(
            |token| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted)),
        )
    };
    let (cut, with_data) = match (is(0, "DATA"), is(1, "WITH"), is(1, "NO") && is(2, "WITH")) {
        (true, true, _) => (words.get(1), true),
        (true, _, true) => (words.get(2), false),
        _ => (None, true),
    };
    (cut.and_then(|cut| tokens.get(..*cut)).unwrap_or(tokens), with_data)
}

/// Takes the names of columns that stand without types out of CREATE TABLE t (a, b) AS.
fn without_names<'a>(sql: &str, tokens: &'a [TokenWithSpan]) -> (Cow<'a, [TokenWithSpan]>, Vec<String>) {
    let unchanged = (Cow::Borrowed(tokens), Vec::new());
    let mut reader = Reader::new(sql, tokens);
    let mut found = None;
    while !reader.at_end() && found.is_none() {
        found = reader.word("TABLE").then_some(());
        if found.is_none() && reader.name().is_err() {
            return unchanged;
        }
    }
    if reader.word("IF") && !(reader.word("NOT") && reader.word("EXISTS")) || reader.relation().is_err() {
        return unchanged;
    }
    if reader.peek() != Some(&Token::LParen) {
        return unchanged;
    }
    let Ok(inside) = reader.parenthesised() else { return unchanged };
    let mut list = Reader::new(sql, &inside);
    let mut names = Vec::new();
    loop {
        let Ok(name) = list.name() else { return unchanged };
        names.push(name);
        if list.at_end() {
            break;
        }
        if !list.token(&Token::Comma) {
            return unchanged;
        }
    }
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return unchanged };
    let at = |wanted: &TokenWithSpan| tokens.iter().position(|token| token.span == wanted.span);
    let (Some(first), Some(last)) = (at(first), at(last)) else { return unchanged };
    let is = |wanted: &'static Token| move |token: &TokenWithSpan| token.token == *wanted;
    let open = tokens.get(..first).and_then(|before| before.iter().rposition(is(&Token::LParen)));
    let close = tokens.get(last..).and_then(|behind| behind.iter().position(is(&Token::RParen)));
    let (Some(open), Some(close)) = (open, close.map(|close| last + close)) else { return unchanged };
    let rest = tokens.iter().enumerate().filter(|(at, _)| !(open..=close).contains(at)).map(|(_, token)| token.clone());
    (Cow::Owned(rest.collect()), names)
}

fn create_schema(mut reader: Reader<'_>) -> Result<Option<Statement>, PgError> {
    let if_not_exists = reader.word("IF");
    if if_not_exists {
        reader.expect_word("NOT")?;
        reader.expect_word("EXISTS")?;
    }
    let mut name = None;
    if !reader.word("AUTHORIZATION") {
        name = Some(reader.name()?);
        if !reader.word("AUTHORIZATION") {
            return match reader.at_end() {
                true => Ok(made(Define::Schema { name, owner: None, if_not_exists })),
                false => Ok(unsupported("CREATE SCHEMA with statements in it")),
            };
        }
    }
    let role = reader.name()?;
    reader.end()?;
    Ok(made(Define::Schema { name, owner: Some(role), if_not_exists }))
}

fn create_table(table: ast::CreateTable, names: Vec<String>, with_data: bool) -> Result<Option<Statement>, PgError> {
    for (given, what) in [
        (table.or_replace, "CREATE OR REPLACE TABLE"),
        (table.inherits.is_some(), "INHERITS"),
        (table.partition_of.is_some() || table.partition_by.is_some(), "a partitioned table"),
        (table.clone.is_some(), "CREATE TABLE … CLONE"),
        (table.external, "CREATE EXTERNAL TABLE"),
    ] {
        if given {
            return Ok(unsupported(what));
        }
    }
    let like = match table.like {
        Some(ast::CreateTableLikeKind::Parenthesized(like) | ast::CreateTableLikeKind::Plain(like)) => Some(like.name),
        None => None,
    };
    let on_commit = match table.on_commit {
        Some(ast::OnCommit::DeleteRows) => OnCommit::DeleteRows,
        Some(ast::OnCommit::Drop) => OnCommit::Drop,
        Some(ast::OnCommit::PreserveRows) | None => OnCommit::PreserveRows,
    };
    let in_temp = table.name.0.first().and_then(|part| part.as_ident()).is_some_and(|part| identifier(part) == "pg_temp");
    let temporary = table.temporary || (table.name.0.len() > 1 && in_temp);
    if !temporary && table.on_commit.is_some() {
        return Err(PgError::new("42P16", "ON COMMIT can only be used on temporary tables"));
    }
    Ok(made(Define::Table(Box::new(CreateTable {
        name: table.name,
        temporary,
        if_not_exists: table.if_not_exists,
        columns: table.columns,
        names,
        constraints: table.constraints,
        like,
        query: table.query,
        with_data,
        on_commit,
        into: false,
    }))))
}

fn alter(mut reader: Reader<'_>) -> Result<Option<Statement>, PgError> {
    let kind = if reader.word("TABLE") {
        Kind::Table
    } else if reader.word("VIEW") {
        Kind::View
    } else if reader.word("SCHEMA") {
        Kind::Schema
    } else {
        return Ok(None);
    };
    let if_exists = reader.word("IF");
    if if_exists {
        reader.expect_word("EXISTS")?;
    }
    let _ = kind == Kind::Table && reader.word("ONLY");
    let sql = reader.sql();
    let relation = reader.relation()?;
    reader.token(&Token::Mul);
    let name = parsed(sql, &relation, |parser| parser.parse_object_name(false))?;
    let action = if reader.word("RENAME") {
        let to = reader.word("TO");
        if to {
            Action::Rename(reader.name()?)
        } else {
            if reader.word("CONSTRAINT") {
                return Ok(unsupported("ALTER TABLE … RENAME CONSTRAINT"));
            }
            reader.word("COLUMN");
            let from = reader.name()?;
            reader.expect_word("TO")?;
            Action::RenameColumn(from, reader.name()?)
        }
    } else if reader.word("SET") {
        if reader.word("SCHEMA") {
            Action::SetSchema(reader.name()?)
        } else if kind == Kind::View && reader.peek() == Some(&Token::LParen) {
            Action::Options(view_options::set(&mut reader)?)
        } else {
            return Ok(unsupported("this form of ALTER"));
        }
    } else if kind == Kind::View && reader.word("RESET") {
        Action::Options(view_options::reset(&mut reader)?)
    } else if reader.word("OWNER") {
        reader.expect_word("TO")?;
        Action::Owner(reader.name()?)
    } else {
        let what = if kind == Kind::View { "this form of ALTER VIEW" } else { "this form of ALTER TABLE" };
        return Ok(unsupported(what));
    };
    reader.end()?;
    Ok(made(Define::Alter { kind, if_exists, name, action }))
}

/// Reads LOCK TABLE.
pub(crate) fn lock(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("LOCK")?;
    reader.word("TABLE");
    let mut tables = Vec::new();
    loop {
        reader.word("ONLY");
        let relation = reader.relation()?;
        tables.push(parsed(sql, &relation, |parser| parser.parse_object_name(false))?);
        reader.token(&Token::Mul);
        if !reader.token(&Token::Comma) {
            break;
        }
    }
    if reader.word("IN") {
        while !reader.word("MODE") {
            reader.name()?;
        }
    }
    reader.word("NOWAIT");
    reader.end()?;
    Ok(Statement::Lock(tables))
}

/// Whether a query puts its rows into a new table.
pub(crate) fn selects_into(query: &ast::Query) -> bool {
    matches!(query.body.as_ref(), ast::SetExpr::Select(select) if select.into.is_some())
}

/// SELECT INTO as the CREATE TABLE AS that it means.
pub(crate) fn select_into(mut query: ast::Query) -> Statement {
    let into = match query.body.as_mut() {
        ast::SetExpr::Select(select) => select.into.take(),
        _ => None,
    };
    let Some(into) = into else { return Statement::Query(Box::new(ast::Statement::Query(Box::new(query)))) };
    Statement::Define(Box::new(Define::Table(Box::new(CreateTable {
        name: into.name,
        temporary: into.temporary,
        if_not_exists: false,
        columns: Vec::new(),
        names: Vec::new(),
        constraints: Vec::new(),
        like: None,
        query: Some(Box::new(query)),
        with_data: true,
        on_commit: OnCommit::PreserveRows,
        into: true,
    }))))
}

/// The names that WITH gives anywhere in a statement: they hide relations.
pub(crate) fn local_names(query: &ast::Query) -> Vec<String> {
    struct Finder(Vec<String>);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(tables.map(|table| identifier(&table.alias.name)));
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(Vec::new());
    let _ = Visit::visit(query, &mut finder);
    finder.0
}
