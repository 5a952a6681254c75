//! The errors that a command ends with, as people read them.

use datafusion::error::DataFusionError;

use crate::server::error::sqlstate;

/// Result of the command line and the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process could not start.
    #[error("can't start: {0}")]
    Start(String),
    /// A setting or argument does not do.
    #[error("{0}")]
    Setting(String),
    /// Lake, layers or warehouse.
    #[error("{0}")]
    Catalog(#[from] placido_catalog::Error),
    /// A shipped or configured model can't be used.
    #[error("{0}")]
    Model(String),
    /// A statement failed; told as the server tells it.
    #[error("{}", sql_message(.0))]
    Sql(Box<DataFusionError>),
    /// Files or sockets.
    #[error("{0}")]
    Io(String),
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Sql(Box::new(error))
    }
}

fn sql_message(error: &DataFusionError) -> String {
    let error = sqlstate(error);
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{} (SQLSTATE {}){hint}", error.message, error.code)
}
