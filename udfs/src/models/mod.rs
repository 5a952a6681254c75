//! Prediction models: what `predict` stands on.
//!
//! * [`signature`]: what a model takes (names, types, units, missing values) and what it gives (classes or a number);
//! * [`format`](self::format): a model directory as MLflow writes it, from a folder or from bytes in the program;
//! * `runtime`: the network itself; the only file that names `ort`; `onnx`: what is changed in it before;
//! * [`store`]: names, versions and aliases, and how a reference such as `kc_dx@v3` finds its model.

mod error;
pub mod format;
mod onnx;
mod runtime;
pub mod signature;
pub mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

pub use error::ModelError;
pub use runtime::{RuntimeKind, configure_onnx_runtime, runtime_kind};
pub use signature::{Input, InputKind, Signature, Task};
pub use store::{ModelReference, ModelResolver, ModelStore};

pub(crate) use runtime::{Graph, Rows};

use format::ModelFiles;

/// One immutable version of a model: signature, weights, and the digest that names them.
///
/// The network is opened at its first use, so that a catalogue of many models costs little.
pub struct Model {
    name: String,
    version: u32,
    digest: String,
    signature: Signature,
    card: Option<String>,
    onnx: Arc<[u8]>,
    graph: OnceLock<Result<Arc<Graph>, String>>,
}

impl Model {
    /// Reads a model directory; the version is the one that the directory declares, else 1.
    ///
    /// # Errors
    /// When `MLmodel` is absent or cannot be understood, or a file that it names is absent.
    pub fn from_files(name: &str, files: &ModelFiles) -> Result<Self, ModelError> {
        let description = format::Description::read(name, files)?;
        Ok(Self {
            name: name.to_owned(),
            version: description.version,
            digest: files.digest(),
            signature: description.signature,
            card: files.text("CARD.md"),
            onnx: description.onnx,
            graph: OnceLock::new(),
        })
    }

    /// The name under which the model is asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, counted from 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 over the model's files, 64 hexadecimal digits; see [`ModelFiles::digest`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The text of `CARD.md`, where the directory has one.
    pub fn card(&self) -> Option<&str> {
        self.card.as_deref()
    }

    /// `name@v3`.
    pub fn label(&self) -> String {
        format!("{}@v{}", self.name, self.version)
    }

    /// `name@v3 sha256:0123456789ab`: how plans and ledgers show the model.
    pub fn identity(&self) -> String {
        let short = self.digest.get(..12).unwrap_or(&self.digest);
        format!("{} sha256:{short}", self.label())
    }

    /// Opens the network if it is not open yet and checks it against the signature.
    ///
    /// # Errors
    /// When the runtime refuses the graph, or graph and signature disagree. The same error comes back at each call.
    pub fn check(&self) -> Result<(), ModelError> {
        self.graph().map(|_| ())
    }

    pub(crate) fn graph(&self) -> Result<&Arc<Graph>, ModelError> {
        self.graph
            .get_or_init(|| {
                Graph::open(Arc::clone(&self.onnx), &self.signature).map(Arc::new).map_err(|reason| reason.to_string())
            })
            .as_ref()
            .map_err(|reason| ModelError::Graph { model: self.label(), reason: reason.clone() })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Model").field(&self.identity()).finish()
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version && self.digest == other.digest
    }
}

impl Eq for Model {}

impl std::hash::Hash for Model {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.version.hash(state);
        self.digest.hash(state);
    }
}
