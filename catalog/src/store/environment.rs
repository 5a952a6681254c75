//! The part of the environment that concerns object stores.

use std::fmt;
use std::str::FromStr;

use super::Service;

/// Variables of the environment: those of AWS, Azure and Google, and no others.
#[derive(Clone, Default)]
pub struct Environment(Vec<(String, String)>);

/// What the names of the variables that are read begin with.
const PREFIXES: [&str; 5] = ["AWS_", "AZURE_", "GOOGLE_", "IDENTITY_", "STORAGE_EMULATOR_HOST"];

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let text =
            |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        std::env::vars_os().filter_map(text).collect()
    }

    /// The value of a variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The settings of a store, from the variables that begin with `prefix`. Those that it does not know are of other tools.
    pub(super) fn settings<K: FromStr>(&self, prefix: &str) -> Vec<(K, String)> {
        let set = self.0.iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        set.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone()))).collect()
    }

    /// The address of the service, where it is not the maker's own.
    pub(super) fn endpoint(&self, service: Service) -> Option<&str> {
        let names: &[&str] = match service {
            Service::S3 => &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
            Service::Azure => &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
            Service::Google => &["STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"],
        };
        names.iter().find_map(|name| self.get(name))
    }

    /// Host and port of [`Self::endpoint`], without what may be a key.
    pub(super) fn host(&self, service: Service) -> Option<&str> {
        let endpoint = self.endpoint(service)?;
        let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest).split(['/', '?', '#']).next()?;
        authority.rsplit('@').next().filter(|host| !host.is_empty())
    }

    /// The emulator of Google's storage, as Google's own libraries are pointed to it.
    pub(super) fn google_emulator(&self) -> Option<&str> {
        self.get("STORAGE_EMULATOR_HOST")
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let wanted = |(name, _): &(String, String)| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        Self(variables.into_iter().filter(wanted).collect())
    }
}

impl fmt::Debug for Environment {
    /// The names alone: the values are keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
