//! Devices, the lake and the layers of placido.
//!
//! The way of the data, and where each step lives:
//!
//! * [`device`]: the trait of a device; [`devices`]: the list of them, a folder each;
//! * [`lake`]: the raw files, listed and recognised, as snapshots that do not change; [`identity`]: keys in place of patients;
//! * [`store`]: the folder or bucket in which they are; archives in it are entered;
//! * [`scan`]: the one adapter that makes a device a DataFusion table, `raw.<device>`;
//! * [`layers`] and [`order`]: `sql/` files into views, each above those it names;
//! * [`refresh`]: views that are kept as Parquet, and when they must be made again; [`kept`]: their rows as a table, [`lookup`]: found by value;
//! * [`catalog`]: all of them mounted as one immutable snapshot;
//! * [`system`]: tables about all this, `system.files`, `system.issues`, `system.views` and more;
//! * [`snapshot`]: copies of a physicians' database into the lake;
//! * [`synthetic`]: a simulated hospital, for demonstration, tests and training.

mod archive;
pub mod catalog;
pub mod device;
pub mod devices;
pub mod error;
pub mod field;
mod files;
pub mod identity;
pub mod issue;
pub mod kept;
pub mod lake;
pub mod layers;
pub mod lookup;
pub mod order;
pub mod refresh;
pub mod scan;
pub mod snapshot;
mod sources;
pub mod store;
pub mod synthetic;
pub mod system;

pub use error::{Error, Result};
