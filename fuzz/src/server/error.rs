//! Errors, without the map from those of the engine.

use std::borrow::Cow;

use datafusion::error::DataFusionError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgError {
    pub code: Cow<'static, str>,
    pub message: String,
    fatal: bool,
}

impl PgError {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), fatal: false }
    }

    pub(crate) fn fatal(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new(code, message) }
    }

    pub(crate) fn with_hint(self, _: impl Into<String>) -> Self {
        self
    }

    pub(crate) fn with_context(self, _: impl Into<String>) -> Self {
        self
    }

    pub fn is_fatal(&self) -> bool {
        self.fatal
    }
}

pub(crate) fn sqlstate(error: &DataFusionError) -> PgError {
    PgError::new("22023", error.to_string())
}
