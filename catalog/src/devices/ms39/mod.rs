//! CSO MS-39: the individual CSV export, one eye and one exam a file, with up to 16 polar maps.

#[cfg(test)]
mod tests;

use super::polar::{Export, PolarMaps};

pub(crate) const NAME: &str = "ms39";

/// The MS-39 anterior segment tomographer.
pub static MS39: PolarMaps = PolarMaps::new(
    NAME,
    "CSO MS-39 anterior segment OCT and Placido tomographer: individual CSV export with polar maps, one eye a file",
    || {
        Export::new(
            NAME,
            "MS-39 exams, one row a file: identity, pupil, simulated keratometry and 16 polar maps",
            include_str!("layout.toml"),
        )
    },
);
