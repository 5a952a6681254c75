//! What archives know of the lake.

/// As in the crate's own `lake/mod.rs`.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
