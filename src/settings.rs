//! What can be set, on the command line or in the environment.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use placido_catalog::lake::Pace;
use placido_catalog::store::Location;

/// Where the data is and how much of the machine may be used. Every command takes these.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Folder of placido's own files: kept views, the identity key and, unless --lake says otherwise, the lake
    #[arg(long, env = "PLACIDO_DATA", default_value = "placido-data", value_name = "DIR", global = true)]
    pub data: PathBuf,

    /// Folder or bucket of the raw files (s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX; keys and endpoints as
    /// in the AWS_*, AZURE_* and GOOGLE_* variables); it is never written to [default: lake in the data folder]
    #[arg(long, env = "PLACIDO_LAKE", value_name = "DIR|URL", global = true)]
    pub lake: Option<PathBuf>,

    /// How long a file must have been still before it is taken, in milliseconds; until then it is being written
    #[arg(long, env = "PLACIDO_SETTLE_MS", default_value_t = 2000, value_name = "MS", global = true)]
    pub settle_ms: u64,

    /// How old the listing of an object store may be, in milliseconds; a folder is listed whenever something changes in it
    #[arg(long, env = "PLACIDO_LIST_EVERY_MS", default_value_t = 5000, value_name = "MS", global = true)]
    pub list_every_ms: u64,

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
    /// Where the raw files are.
    ///
    /// # Errors
    /// When the address of a bucket is not one.
    pub fn lake_location(&self) -> placido_catalog::Result<Location> {
        Location::parse(&self.lake_folder())
    }

    /// The folder of the raw files, or the address of their bucket.
    pub fn lake_folder(&self) -> PathBuf {
        self.lake.clone().unwrap_or_else(|| self.data.join("lake"))
    }

    /// When files are taken and listed.
    pub fn pace(&self) -> Pace {
        Pace { settle: Duration::from_millis(self.settle_ms), list_every: Duration::from_millis(self.list_every_ms) }
    }

    /// The folder of kept views.
    pub fn warehouse_folder(&self) -> PathBuf {
        self.data.join("warehouse")
    }

    /// The file of what is known of the raw files.
    pub fn manifest_file(&self) -> PathBuf {
        self.data.join("manifest.sqlite")
    }

    /// The file of roles and rights.
    pub fn access_file(&self) -> PathBuf {
        self.data.join("access.toml")
    }

    /// The file of the rules for connections, where no other is named.
    pub fn hba_file(&self) -> PathBuf {
        self.data.join("pg_hba.conf")
    }

    /// The folder of the tables that clients make and keep.
    pub fn scratch_folder(&self) -> PathBuf {
        self.data.join("scratch")
    }

    /// The file of the identity key.
    pub fn identity_file(&self) -> PathBuf {
        self.data.join("identity.key")
    }
}
