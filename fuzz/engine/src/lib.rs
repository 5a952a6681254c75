//! The engine's types of values under the engine's name, so that sources which know nothing else of it compile without it.

/// As the engine names it.
pub use arrow;

/// As the engine names it.
pub mod common {
    pub use datafusion_common::ScalarValue;
}

/// As the engine names it.
pub mod error {
    pub use datafusion_common::DataFusionError;
}
