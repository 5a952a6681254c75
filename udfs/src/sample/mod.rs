//! Floor 0: statistics of samples. Numbers in, numbers out; nothing here knows of columns or SQL.

pub mod axial;
pub mod bivariate;
pub mod components;
mod leading;
pub mod metric;
pub mod profile;
