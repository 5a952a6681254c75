//! The errors of this crate: each says what, where and what to do.

use datafusion::error::DataFusionError;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong below SQL. Bad device files are no errors: they are rows with issues.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake's folder is not there or can't be read.
    #[error("can't open the lake: {0}")]
    Lake(String),
    /// A file that a pinned snapshot holds is another one now, or gone.
    #[error("a file of the lake changed since the transaction began")]
    LakeChanged,
    /// A layer file breaks the rules of the layers.
    #[error("{file}:{line}: {message}")]
    Layer {
        /// Path below the layers' folder.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong and what to do.
        message: String,
    },
    /// A device's `layout.toml` is wrong, or a layout is asked for that it does not have.
    #[error("{device}: {message}")]
    Layout {
        /// The device.
        device: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// A database can't be copied into the lake.
    #[error("snapshot: {0}")]
    Snapshot(String),
    /// The warehouse can't be written or read.
    #[error("warehouse: {0}")]
    Warehouse(String),
    /// The store under lake or warehouse failed.
    #[error("{0}")]
    Store(#[from] object_store::Error),
    /// A file outside the stores could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Arrow refused to build an array.
    #[error("{0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The engine refused a plan.
    #[error("{0}")]
    DataFusion(#[from] Box<DataFusionError>),
}

impl Error {
    /// Whether a file changed under a pinned snapshot, however deep the engine wrapped it.
    pub fn is_lake_changed(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(current) = cause {
            if matches!(current.downcast_ref(), Some(Self::LakeChanged)) {
                return true;
            }
            cause = match current.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
                _ => current.source(),
            };
        }
        false
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::DataFusion(Box::new(error))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(inner) => *inner,
            other => Self::External(Box::new(other)),
        }
    }
}
