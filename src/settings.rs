//! What can be set, on the command line or in the environment.

use std::path::PathBuf;

use clap::Args;

/// Where the data is and how much of the machine may be used. Every command takes these.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Folder of placido's own files: kept views, the identity key and, unless --lake says otherwise, the lake
    #[arg(long, env = "PLACIDO_DATA", default_value = "placido-data", value_name = "DIR", global = true)]
    pub data: PathBuf,

    /// Folder of the raw files; it is never written to [default: lake in the data folder]
    #[arg(long, env = "PLACIDO_LAKE", value_name = "DIR", global = true)]
    pub lake: Option<PathBuf>,

    /// Folder of layers that replaces the shipped ones
    #[arg(long, env = "PLACIDO_SQL", value_name = "DIR", global = true)]
    pub sql: Option<PathBuf>,

    /// Folder of models that replaces the shipped ones
    #[arg(long, env = "PLACIDO_MODELS", value_name = "DIR", global = true)]
    pub models: Option<PathBuf>,

    /// An ONNX Runtime library to run models with, in place of the embedded one
    #[arg(long, env = "PLACIDO_ONNXRUNTIME", value_name = "FILE", global = true)]
    pub onnxruntime: Option<PathBuf>,

    /// Memory for queries in MiB; beyond it they spill to disk or fail
    #[arg(long, env = "PLACIDO_MEMORY_MIB", default_value_t = 4096, value_name = "MIB", global = true)]
    pub memory_mib: usize,

    /// Cores that one query may use [default: all]
    #[arg(long, env = "PLACIDO_CORES", value_name = "N", global = true)]
    pub cores: Option<usize>,
}

impl Settings {
    /// The folder of the raw files.
    pub fn lake_folder(&self) -> PathBuf {
        self.lake.clone().unwrap_or_else(|| self.data.join("lake"))
    }

    /// The folder of kept views.
    pub fn warehouse_folder(&self) -> PathBuf {
        self.data.join("warehouse")
    }

    /// The file of the identity key.
    pub fn identity_file(&self) -> PathBuf {
        self.data.join("identity.key")
    }
}
