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
    /// SCROLL: it is read in both directions.
    pub(crate) scroll: bool,
    pub(crate) query: ast::Statement,
    /// Its text.
    pub(crate) source: String,
}

/// FETCH or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) cursor: String,
    pub(crate) step: Step,
    /// MOVE: the rows are passed over.
    pub(crate) only_move: bool,
}

/// Where a FETCH goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many rows, at least one.
    Forward(usize),
    All,
    Backward(usize),
    BackwardAll,
    /// One row, this many on; 0 is the row of the last FETCH again.
    Relative(i64),
    /// The row of this number, from 1; a negative one counts from the end, 0 is before the first.
    Absolute(i64),
}

impl Step {
    /// How many rows to pass over and how many to give, for a cursor that only reads forward and of which `position` rows have been
    /// taken, to its end or not.
    pub(crate) fn rows(self, position: usize, at_end: bool) -> Result<(usize, usize), PgError> {
        let taken = i64::try_from(position).unwrap_or(i64::MAX);
        let passed_over = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
        match self {
            Step::Forward(rows) => Ok((0, rows)),
            Step::All => Ok((0, usize::MAX)),
            Step::Relative(rows) if rows > 0 => Ok((passed_over(rows - 1), 1)),
            Step::Absolute(row) if row > taken => Ok((passed_over(row - taken - 1), 1)),
            Step::Relative(0) if position == 0 || at_end => Ok((0, 0)),
            Step::Absolute(_) | Step::Relative(_) | Step::Backward(_) | Step::BackwardAll => {
                Err(PgError::new("55000", "cursor can only scan forward")
                    .with_hint("Declare it with SCROLL option to enable backward scan."))
            }
        }
    }
}

/// Reads DECLARE.
pub(crate) fn declare(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement, PgError> {
    let mut reader = Reader::new(sql, tokens);
    reader.expect_word("DECLARE")?;
    let name = reader.name()?;
    let (mut binary, mut scroll) = (false, false);
    loop {
        if reader.word("BINARY") {
            binary = true;
        } else if reader.word("NO") {
            reader.expect_word("SCROLL")?;
        } else if reader.word("SCROLL") {
            scroll = true;
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
    let source = tokens.iter().map(|token| token.token.to_string()).collect::<String>().trim().to_owned();
    let declare =
        |query: Box<ast::Statement>| Statement::Declare(Box::new(Declare { name, binary, hold, scroll, query: *query, source }));
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
    let some = |count: i32| match count {
        0 => Step::Relative(0),
        count if count < 0 => Step::Backward(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)),
        count => Step::Forward(usize::try_from(count).unwrap_or(usize::MAX)),
    };
    if reader.at_number() {
        return Ok(some(reader.integer()?));
    }
    if reader.word("NEXT") {
        return Ok(Step::Forward(1));
    }
    if reader.word("PRIOR") {
        return Ok(Step::Backward(1));
    }
    if reader.word("ALL") {
        return Ok(Step::All);
    }
    if reader.word("FIRST") {
        return Ok(Step::Absolute(1));
    }
    if reader.word("LAST") {
        return Ok(Step::Absolute(-1));
    }
    if reader.word("FORWARD") {
        return match reader.at_number() {
            true => Ok(some(reader.integer()?)),
            false if reader.word("ALL") => Ok(Step::All),
            false => Ok(Step::Forward(1)),
        };
    }
    if reader.word("BACKWARD") {
        return match reader.at_number() {
            true => Ok(some(reader.integer()?.saturating_neg())),
            false if reader.word("ALL") => Ok(Step::BackwardAll),
            false => Ok(Step::Backward(1)),
        };
    }
    let relative = reader.word("RELATIVE");
    if relative || reader.word("ABSOLUTE") {
        let row = i64::from(reader.integer()?);
        return Ok(if relative { Step::Relative(row) } else { Step::Absolute(row) });
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
