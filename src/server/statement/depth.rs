//! How deep a statement may be, judged before it is read.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::server::error::{PgError, too_complex};

/// Parentheses, brackets, CASE and sub-statements inside each other.
pub(super) const MAX_NESTING: usize = 64;
/// Operators and keywords in one chain; each can make the expression one level deeper, and planning takes time with the
/// square of the depth: a few seconds here.
const MAX_CHAIN: usize = 2_000;

/// Refuses a statement whose expression tree could be deeper than the planner's stack, judged from its tokens alone.
///
/// A tree becomes deeper by nesting (parentheses, CASE) and by chaining (`a + b + c`, `x or y or z`, joins, UNIONs, tables of a
/// FROM). Other commas and clauses start a new chain, so that long lists stay free.
pub(super) fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), PgError> {
    let mut open = vec![Level::default()];
    let mut total = 0_usize;
    let mut before = &Token::EOF;
    for TokenWithSpan { token, .. } in tokens {
        if matches!(token, Token::Whitespace(_)) {
            continue;
        }
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => open.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace => {
                close(&mut open, &mut total);
                // `f(x)[1](2)…` and `a[1][2]…` chain without an operator.
                add(&mut open, &mut total);
            }
            Token::Comma if open.last().is_some_and(|level| level.tables) => add(&mut open, &mut total),
            Token::Comma => end_chain(&mut open, &mut total),
            // Behind a period stands a name, whatever it is spelled like.
            Token::Word(_) if *before == Token::Period => {}
            Token::Word(word) => match word.keyword {
                Keyword::CASE => open.push(Level::default()),
                Keyword::END => close(&mut open, &mut total),
                Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT => {
                    end_chain(&mut open, &mut total);
                    if let Some(level) = open.last_mut() {
                        level.tables = false;
                    }
                }
                Keyword::NoKeyword => {}
                keyword => {
                    let distinct_from = matches!(before, Token::Word(before) if before.keyword == Keyword::DISTINCT);
                    if let Some(level) = open.last_mut() {
                        level.tables = match keyword {
                            Keyword::FROM => !distinct_from,
                            Keyword::SELECT => false,
                            _ => level.tables,
                        };
                    }
                    add(&mut open, &mut total);
                }
            },
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period
            | Token::EOF => {}
            _ => add(&mut open, &mut total),
        }
        before = token;
        if open.len() > MAX_NESTING || total > MAX_CHAIN {
            return Err(too_complex());
        }
    }
    Ok(())
}

/// What is open at one depth of nesting.
#[derive(Default)]
struct Level {
    /// Links of the chain.
    chain: usize,
    /// Whether the commas are those of a FROM.
    tables: bool,
}

fn close(open: &mut Vec<Level>, total: &mut usize) {
    if open.len() > 1 {
        *total -= open.pop().map_or(0, |level| level.chain);
    }
}

fn end_chain(open: &mut [Level], total: &mut usize) {
    if let Some(level) = open.last_mut() {
        *total -= std::mem::take(&mut level.chain);
    }
}

fn add(open: &mut [Level], total: &mut usize) {
    if let Some(level) = open.last_mut() {
        level.chain += 1;
        *total += 1;
    }
}
