//! CSO Sirius: the CSV export of polar maps, one eye and one exam a file, without key and value lines.

#[cfg(test)]
mod tests;

use super::polar::{Export, PolarMaps};

pub(crate) const NAME: &str = "sirius";

/// The Sirius Scheimpflug and Placido tomographer.
pub static SIRIUS: PolarMaps =
    PolarMaps::new(NAME, "CSO Sirius Scheimpflug and Placido tomographer: CSV export with polar maps, one eye a file", || {
        Export::new(NAME, "Sirius exams, one row a file: 10 polar maps", include_str!("layout.toml"))
    });
