//! What can be wrong with a model or with the way it is asked for.

use datafusion::error::DataFusionError;

/// An error of the model layer. Every message says what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No model, version, alias or digest answers to the reference.
    #[error("{0}")]
    Unknown(String),
    /// The reference is not written as `name`, `name@alias`, `name@v3` or `name@sha256:…`.
    #[error(
        "model reference '{reference}' is not understood: {reason}; write 'name', 'name@alias', 'name@v3' or 'name@sha256:…'"
    )]
    Reference {
        /// The text as given.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model directory is incomplete or its `MLmodel` cannot be understood.
    #[error("model {model}: {reason}")]
    Format {
        /// Name of the model.
        model: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The runtime refused the network, or the network and the signature disagree.
    #[error("model {model} cannot run: {reason}")]
    Graph {
        /// `name@version`.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// Who asks may not run the model.
    #[error("permission denied for model {0}")]
    Denied(String),
    /// No runtime: a library was configured and could not be loaded.
    #[error("{0}")]
    Runtime(String),
}

impl From<ModelError> for DataFusionError {
    fn from(error: ModelError) -> Self {
        DataFusionError::Plan(error.to_string())
    }
}
