//! Reading statements word by word: those that the engine's parser does not know as PostgreSQL writes them.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::error::PgError;

/// The tokens of one statement without what separates them, and how far they have been read.
pub(crate) struct Reader<'a> {
    sql: &'a str,
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(sql: &'a str, tokens: &'a [TokenWithSpan]) -> Self {
        let tokens = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect();
        Self { sql, tokens, at: 0 }
    }

    /// The whole text that the tokens are of.
    pub(crate) fn sql(&self) -> &'a str {
        self.sql
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    /// Whether this is the last token.
    pub(crate) fn at_last(&self) -> bool {
        self.at + 1 == self.tokens.len()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Takes the next word if it is this one, written in capitals here.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(next)) if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// Takes the next token if it is this one.
    pub(crate) fn token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// Takes a word that must be there.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), PgError> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a token that must be there.
    pub(crate) fn expect(&mut self, token: &Token) -> Result<(), PgError> {
        if self.token(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a name: lower case unless quoted.
    pub(crate) fn name(&mut self) -> Result<String, PgError> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected()) };
        self.at += 1;
        Ok(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() })
    }

    /// Takes a text.
    pub(crate) fn text(&mut self) -> Result<String, PgError> {
        let text = match self.peek() {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => text.clone(),
            Some(Token::DollarQuotedString(text)) => text.value.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(text)
    }

    /// Takes a whole number with or without its sign.
    pub(crate) fn integer(&mut self) -> Result<i32, PgError> {
        let negative = self.token(&Token::Minus);
        if !negative {
            self.token(&Token::Plus);
        }
        let Some(Token::Number(digits, _)) = self.peek() else { return Err(self.unexpected()) };
        let number: i32 = digits.parse().map_err(|_| self.unexpected())?;
        self.at += 1;
        Ok(if negative { -number } else { number })
    }

    /// Whether a number comes next.
    pub(crate) fn at_number(&self) -> bool {
        matches!(self.peek(), Some(Token::Number(..) | Token::Minus | Token::Plus))
    }

    /// Takes what stands in parentheses.
    pub(crate) fn parenthesised(&mut self) -> Result<Vec<TokenWithSpan>, PgError> {
        self.expect(&Token::LParen)?;
        let start = self.at;
        let mut open = 1_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::LParen => open += 1,
                Token::RParen => open -= 1,
                _ => {}
            }
            if open == 0 {
                let inside = self.tokens.get(start..self.at).unwrap_or_default();
                self.at += 1;
                return Ok(inside.iter().map(|token| (*token).clone()).collect());
            }
            self.at += 1;
        }
        Err(self.unexpected())
    }

    /// Takes the name of a relation.
    pub(crate) fn relation(&mut self) -> Result<Vec<TokenWithSpan>, PgError> {
        let start = self.at;
        self.name()?;
        while self.token(&Token::Period) {
            self.name()?;
        }
        Ok(self.tokens.get(start..self.at).unwrap_or_default().iter().map(|token| (*token).clone()).collect())
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> Vec<TokenWithSpan> {
        let rest = self.tokens.get(self.at..).unwrap_or_default().iter().map(|token| (*token).clone()).collect();
        self.at = self.tokens.len();
        rest
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), PgError> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The next token should not be there, or there should be one.
    pub(crate) fn unexpected(&self) -> PgError {
        match self.tokens.get(self.at) {
            Some(token) => PgError::new("42601", format!("syntax error at or near \"{}\"", token.token))
                .with_position(position(self.sql, token.span.start)),
            None => PgError::new("42601", "syntax error at end of input"),
        }
    }
}

/// Line and column → characters from 1, as the protocol counts them.
pub(crate) fn position(sql: &str, at: Location) -> Option<usize> {
    let line = usize::try_from(at.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(at.column).ok()?;
    let before: usize = sql.split_inclusive('\n').take(line).map(|line| line.chars().count()).sum();
    Some(before + column)
}
