//! The errors that readers and writers know, as in the crate's own `error.rs`.

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a file is written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layout is wrong or not known.
    #[error("{device}: {message}")]
    Layout {
        /// The device.
        device: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file could not be read or written.
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
}
