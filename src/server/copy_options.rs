//! The options of a COPY: how its data are written.

use super::error::PgError;

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    No,
    Yes,
    /// It does, and the names have to be those of the columns.
    Match,
}

/// What a row looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// Some of the columns: those that FORCE_QUOTE, FORCE_NULL and FORCE_NOT_NULL name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    All,
    Columns(Vec<String>),
}

impl Chosen {
    /// Which of these columns are meant.
    pub(crate) fn of(&self, names: &[String], option: &str) -> Result<Vec<bool>, PgError> {
        let Chosen::Columns(wanted) = self else { return Ok(vec![true; names.len()]) };
        if let Some(missing) = wanted.iter().find(|wanted| !names.contains(wanted)) {
            return Err(PgError::new("42703", format!("column \"{missing}\" does not exist"))
                .with_hint(format!("{option} names columns of the COPY.")));
        }
        Ok(names.iter().map(|name| wanted.contains(name)).collect())
    }
}

/// The options of a COPY, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyOptions {
    pub(crate) format: CopyFormat,
    pub(crate) header: Header,
    pub(crate) delimiter: u8,
    pub(crate) null: String,
    pub(crate) quote: u8,
    pub(crate) escape: u8,
    pub(crate) force_quote: Chosen,
    pub(crate) force_null: Chosen,
    pub(crate) force_not_null: Chosen,
    /// A text that stands for the default of its column.
    pub(crate) default: Option<String>,
}

impl CopyOptions {
    /// Which of these columns are always quoted.
    pub(crate) fn forced(&self, names: &[String]) -> Result<Vec<bool>, PgError> {
        self.force_quote.of(names, "FORCE_QUOTE")
    }
}
