//! DECLARE, FETCH, MOVE and CLOSE: the statements of cursors, read from their words.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::PgError;
use super::reader::Reader;
use super::statement::{Statement, of_query};

/// DECLARE … CURSOR.
#[derive(Debug, Clone)]
pub(crate) struct Declare {
    pub(crate) name: String,
    pub(crate) binary: bool,
    /// WITH HOLD: it outlives its transaction.
    pub(crate) hold: bool,
    pub(crate) query: ast::Statement,
}

/// FETCH or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) cursor: String,
    pub(crate) step: Step,
    /// MOVE: the rows are passed over.
    pub(crate) only_move: bool,
}

/// Where a FETCH goes. Counts are of rows forward and not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Forward(usize),
    All,
    /// One row, this many rows on.
    Relative(usize),
    /// The row of this number, from 1.
    Absolute(usize),
    /// The row of the last FETCH again.
    Current,
    Backward,
}

impl Step {
    /// How many rows to pass over and how many to give, for a cursor of which `position` rows have been taken, to its end or not.
    pub(crate) fn rows(self, position: usize, at_end: bool) -> Result<(usize, usize), PgError> {
        match self {
            Step::Forward(rows) => Ok((0, rows)),
            Step::All => Ok((0, usize::MAX)),
            Step::Relative(rows) => Ok((rows - 1, 1)),
            Step::Absolute(row) if row > position => Ok((row - position - 1, 1)),
            Step::Current if position == 0 || at_end => Ok((0, 0)),
            Step::Absolute(_) | Step::Current | Step::Backward => Err(PgError::new("55000", "cursor can only scan forward")
                .with_hint("Cursors here are NO SCROLL; order the query the other way, or read its rows once more.")),
        }
    }
}

/// Reads DECLARE.
pub(crate) fn declare(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("DECLARE")?;
    let name = reader.name()?;
    let mut binary = false;
    loop {
        if reader.word("BINARY") {
            binary = true;
        } else if reader.word("NO") {
            reader.expect_word("SCROLL")?;
        } else if reader.word("SCROLL") {
            return Err(PgError::new("0A000", "SCROLL cursors are not supported").with_hint("Leave SCROLL out and read forward."));
        } else if !reader.word("INSENSITIVE") && !reader.word("ASENSITIVE") {
            break;
        }
    }
    reader.expect_word("CURSOR")?;
    let hold = reader.word("WITH");
    if hold || reader.word("WITHOUT") {
        reader.expect_word("HOLD")?;
    }
    reader.expect_word("FOR")?;
    if reader.at_end() {
        return Err(reader.unexpected());
    }
    let at_query = reader.unexpected();
    let declare = |query: Box<ast::Statement>| Statement::Declare(Box::new(Declare { name, binary, hold, query: *query }));
    of_query(sql, &reader.rest(), at_query, declare)
}

/// Reads FETCH and MOVE.
pub(crate) fn fetch(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    let only_move = reader.word("MOVE");
    if !only_move {
        reader.expect_word("FETCH")?;
    }
    // A word that stands alone is the cursor, even where it could be a direction.
    let step = if reader.at_last() { Step::Forward(1) } else { step(&mut reader)? };
    if !reader.word("FROM") {
        reader.word("IN");
    }
    let cursor = reader.name()?;
    reader.end()?;
    Ok(Statement::Fetch(Fetch { cursor, step, only_move }))
}

fn step(reader: &mut Reader<'_>) -> Result<Step, PgError> {
    let forward = |count: i32| match usize::try_from(count) {
        Ok(0) => Step::Current,
        Ok(rows) => Step::Forward(rows),
        Err(_) => Step::Backward,
    };
    if reader.at_number() {
        return Ok(forward(reader.integer()?));
    }
    if reader.word("NEXT") {
        return Ok(Step::Forward(1));
    }
    if reader.word("ALL") {
        return Ok(Step::All);
    }
    if reader.word("FIRST") {
        return Ok(Step::Absolute(1));
    }
    if reader.word("PRIOR") || reader.word("LAST") {
        return Ok(Step::Backward);
    }
    if reader.word("FORWARD") {
        return match reader.at_number() {
            true => Ok(forward(reader.integer()?)),
            false if reader.word("ALL") => Ok(Step::All),
            false => Ok(Step::Forward(1)),
        };
    }
    if reader.word("BACKWARD") {
        let back = if reader.at_number() { reader.integer()? } else { i32::from(!reader.word("ALL")) };
        return Ok(if back < 0 { forward(back.saturating_neg()) } else { Step::Backward });
    }
    let relative = reader.word("RELATIVE");
    if relative || reader.word("ABSOLUTE") {
        return Ok(match (usize::try_from(reader.integer()?), relative) {
            (Ok(0), true) => Step::Current,
            (Ok(rows), true) => Step::Relative(rows),
            (Ok(row), false) if row > 0 => Step::Absolute(row),
            _ => Step::Backward,
        });
    }
    Ok(Step::Forward(1))
}

/// Reads CLOSE.
pub(crate) fn close(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("CLOSE")?;
    let all =
        matches!(reader.peek(), Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("all"));
    let name = reader.name()?;
    reader.end()?;
    Ok(Statement::Close((!all).then_some(name)))
}
