//! Names, versions and aliases of models, and how a reference finds one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::format::ModelFiles;
use super::{Model, ModelError};

/// The alias that a bare name stands for.
pub const CHAMPION: &str = "champion";
/// A digest prefix shorter than this names nothing: it could meet two models by chance.
const MIN_DIGEST_DIGITS: usize = 8;

/// Finds models. A statement asks once for each reference and keeps what it got.
pub trait ModelResolver: std::fmt::Debug + Send + Sync {
    /// The model that a reference stands for now.
    ///
    /// # Errors
    /// When nothing answers to the reference, or the model behind it cannot be read.
    fn resolve(&self, reference: &str) -> Result<Arc<Model>, ModelError>;

    /// The names of all models, sorted.
    fn names(&self) -> Vec<String>;
}

/// Which version of a model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `name@alias`; a bare name means the alias `champion`.
    Alias(String),
    /// `name@v3`.
    Version(u32),
    /// `name@sha256:0123abcd…`, at least eight digits.
    Digest(String),
}

/// A parsed model reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReference {
    /// Name of the model.
    pub name: String,
    /// Which of its versions.
    pub selector: Selector,
}

impl std::str::FromStr for ModelReference {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let fault = |reason: &str| ModelError::Reference { reference: shorten(text), reason: reason.to_owned() };
        let (name, rest) = match text.split_once('@') {
            None => (text, None),
            Some((name, rest)) => (name, Some(rest)),
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(fault("the name is empty or contains blanks"));
        }
        let selector = match rest {
            None => Selector::Alias(CHAMPION.into()),
            Some("") => return Err(fault("nothing follows the @")),
            Some(rest) => match (rest.strip_prefix("sha256:"), version_number(rest)) {
                (Some(digits), _) => {
                    let digits = digits.to_ascii_lowercase();
                    if !(MIN_DIGEST_DIGITS..=64).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                        return Err(fault("a digest has 8 to 64 hexadecimal digits"));
                    }
                    Selector::Digest(digits)
                }
                (None, Some(version)) => Selector::Version(version),
                (None, None) => Selector::Alias(rest.to_owned()),
            },
        };
        Ok(Self { name: name.to_owned(), selector })
    }
}

fn version_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('v')?;
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[derive(Debug, Default, Clone)]
struct Entry {
    versions: BTreeMap<u32, Arc<Model>>,
    aliases: BTreeMap<String, u32>,
}

/// An immutable set of models, filled at start from folders or from files in the program.
#[derive(Debug, Default, Clone)]
pub struct ModelStore {
    models: BTreeMap<String, Entry>,
    broken: BTreeMap<String, ModelError>,
}

impl ModelStore {
    /// A store without models.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads every model of a folder: `NAME/MLmodel` for one version, or `NAME/v1/MLmodel`, `NAME/v2/MLmodel` … with
    /// `NAME/aliases.yaml` (`champion: 2`). A name with a single version needs no alias file.
    ///
    /// A model that cannot be read does not hide the others: it is kept with its reason, see [`ModelStore::problems`].
    ///
    /// # Errors
    /// When the folder itself cannot be listed.
    pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        let unreadable = |error: std::io::Error| {
            ModelError::Unknown(format!("the models' folder {} cannot be listed: {error}", folder.display()))
        };
        let mut store = Self::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            if !path.is_dir() || name.starts_with('.') {
                continue;
            }
            let read = ModelFiles::from_folder(&path).and_then(|files| store.add_folder(&name, files));
            if let Err(error) = read {
                store.broken.insert(name, error);
            }
        }
        Ok(store)
    }

    /// Takes models that stand in the program: paths as in [`ModelStore::from_folder`], `NAME/MLmodel` and so on.
    pub fn from_embedded(files: impl IntoIterator<Item = (&'static str, &'static [u8])>) -> Self {
        let mut folders: BTreeMap<String, Vec<(String, &'static [u8])>> = BTreeMap::new();
        for (path, bytes) in files {
            if let Some((name, rest)) = path.split_once('/') {
                folders.entry(name.to_owned()).or_default().push((rest.to_owned(), bytes));
            }
        }
        let mut store = Self::new();
        for (name, files) in folders {
            if let Err(error) = store.add_folder(&name, ModelFiles::embedded(files)) {
                store.broken.insert(name, error);
            }
        }
        store
    }

    fn add_folder(&mut self, name: &str, files: ModelFiles) -> Result<(), ModelError> {
        if files.get("MLmodel").is_some() {
            self.add(Model::from_files(name, &files)?);
            return Ok(());
        }
        let fault = |reason: String| ModelError::Format { model: name.to_owned(), reason };
        let mut versions: BTreeMap<u32, ModelFiles> = BTreeMap::new();
        for (path, bytes) in files.0 {
            if let Some((folder, rest)) = path.split_once('/')
                && let Some(version) = version_number(folder)
            {
                versions.entry(version).or_default().0.insert(rest.to_owned(), bytes);
            } else if path == "aliases.yaml" {
                let aliases: BTreeMap<String, u32> = serde_yaml_ng::from_slice(&bytes)
                    .map_err(|error| fault(format!("aliases.yaml is not understood: {error}")))?;
                self.models.entry(name.to_owned()).or_default().aliases = aliases;
            }
        }
        if versions.is_empty() {
            self.models.remove(name);
            return Err(fault("the folder has neither MLmodel nor version folders v1, v2 …".into()));
        }
        for (version, files) in versions {
            let mut model = Model::from_files(name, &files)?;
            model.version = version;
            self.add(model);
        }
        Ok(())
    }

    /// Adds a model under its own name and version, in place of one that had both.
    pub fn add(&mut self, model: Model) {
        let entry = self.models.entry(model.name.clone()).or_default();
        entry.versions.insert(model.version, Arc::new(model));
    }

    /// Points an alias at a version.
    ///
    /// # Errors
    /// When there is no such model or version.
    pub fn set_alias(&mut self, name: &str, alias: &str, version: u32) -> Result<(), ModelError> {
        let unknown = || ModelError::Unknown(format!("model {name} has no version {version}"));
        let entry = self.models.get_mut(name).ok_or_else(unknown)?;
        if !entry.versions.contains_key(&version) {
            return Err(unknown());
        }
        entry.aliases.insert(alias.to_owned(), version);
        Ok(())
    }

    /// Adds the models of another store; where both have a name, the other's replaces it as a whole.
    pub fn merge(&mut self, other: Self) {
        self.models.extend(other.models);
        self.broken.extend(other.broken);
    }

    /// Every version of every model, by name and version.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.values().flat_map(|entry| entry.versions.values())
    }

    /// Every alias: model, alias, version. The implicit `champion` of a single version is included.
    pub fn aliases(&self) -> Vec<(String, String, u32)> {
        let mut all = Vec::new();
        for (name, entry) in &self.models {
            all.extend(entry.aliases.iter().map(|(alias, version)| (name.clone(), alias.clone(), *version)));
            if !entry.aliases.contains_key(CHAMPION)
                && let Some(version) = entry.only_version()
            {
                all.push((name.clone(), CHAMPION.to_owned(), version));
            }
        }
        all
    }

    /// Folders that looked like models and could not be read, with the reason.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &ModelError)> {
        self.broken.iter().map(|(name, error)| (name.as_str(), error))
    }

    fn unknown_name(&self, name: &str) -> ModelError {
        if let Some(error) = self.broken.get(name) {
            return error.clone();
        }
        let names: Vec<&str> = self.models.keys().map(String::as_str).collect();
        let name = shorten(name);
        ModelError::Unknown(match nearest(&name, names.iter().copied()) {
            None => format!("there is no model '{name}': no model is installed"),
            Some(near) => format!("there is no model '{name}'; the nearest is '{near}', installed: {}", names.join(", ")),
        })
    }
}

impl Entry {
    fn only_version(&self) -> Option<u32> {
        if self.versions.len() == 1 { self.versions.keys().next().copied() } else { None }
    }

    fn find(&self, name: &str, selector: &Selector) -> Result<Arc<Model>, ModelError> {
        let listed = || self.versions.keys().map(|v| format!("v{v}")).collect::<Vec<_>>().join(", ");
        let get = |version: u32| {
            self.versions
                .get(&version)
                .cloned()
                .ok_or_else(|| ModelError::Unknown(format!("model {name} has no version v{version}; it has {}", listed())))
        };
        match selector {
            Selector::Version(version) => get(*version),
            Selector::Alias(alias) => {
                let implicit = if alias == CHAMPION { self.only_version() } else { None };
                match self.aliases.get(alias).copied().or(implicit) {
                    Some(version) => get(version),
                    None => {
                        let known: Vec<&str> = self.aliases.keys().map(String::as_str).collect();
                        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                        Err(ModelError::Unknown(format!(
                            "model {name} has no alias '{}' (aliases: {known}; versions: {}); write '{name}@v…' to name a version",
                            shorten(alias),
                            listed()
                        )))
                    }
                }
            }
            Selector::Digest(digits) => {
                let mut found = self.versions.values().filter(|model| model.digest.starts_with(digits.as_str()));
                match (found.next(), found.next()) {
                    (Some(model), None) => Ok(Arc::clone(model)),
                    (Some(_), Some(_)) => Err(ModelError::Unknown(format!(
                        "two versions of model {name} have digests that begin with {digits}; give more digits"
                    ))),
                    (None, _) => Err(ModelError::Unknown(format!(
                        "no version of model {name} has the digest sha256:{digits}; it has {}",
                        self.versions.values().map(|model| model.identity()).collect::<Vec<_>>().join(", ")
                    ))),
                }
            }
        }
    }
}

impl ModelResolver for ModelStore {
    fn resolve(&self, reference: &str) -> Result<Arc<Model>, ModelError> {
        let reference: ModelReference = reference.parse()?;
        let entry = self.models.get(&reference.name).ok_or_else(|| self.unknown_name(&reference.name))?;
        entry.find(&reference.name, &reference.selector)
    }

    fn names(&self) -> Vec<String> {
        self.models.keys().cloned().collect()
    }
}

/// The word nearest to `word` by edit distance.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates.min_by_key(|candidate| strsim::damerau_levenshtein(&candidate.to_lowercase(), &word))
}
