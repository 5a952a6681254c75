//! What the `layout.toml` of every device shares.

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Parses a `layout.toml` that is compiled in. A broken one is a mistake of whoever changed it: the test of the device that
/// calls [`parse`] shows it with line and reason, and the program runs on without that device's columns.
pub(crate) fn load<T: DeserializeOwned + Default>(device: &'static str, text: &str) -> T {
    parse(device, text).unwrap_or_default()
}

/// Parses the text of a `layout.toml`.
pub(crate) fn parse<T: DeserializeOwned>(device: &'static str, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| Error::Layout { device, message: format!("layout.toml: {error}") })
}

/// The version of that name.
pub(crate) fn version<'a, V>(device: &'static str, versions: &'a [V], name: &str, of: impl Fn(&V) -> &str) -> Result<&'a V> {
    versions.iter().find(|version| of(version) == name).ok_or_else(|| {
        let known: Vec<&str> = versions.iter().map(&of).collect();
        Error::Layout { device, message: format!("no layout is called {name:?}; there are {}", known.join(", ")) }
    })
}

/// Refuses a table that the device does not have.
pub(crate) fn check_table(device: &'static str, table: &str, own: &str) -> Result<()> {
    if table == own {
        return Ok(());
    }
    Err(Error::Layout { device, message: format!("no table is called {table:?}; there is {own}") })
}
