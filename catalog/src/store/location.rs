//! The address of a lake, as a person writes it.

use std::fmt;
use std::path::{Path as FsPath, PathBuf};

use object_store::path::Path;

use crate::error::{Error, Result};

/// A place of raw files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket, or the part of one below a prefix.
    Bucket(Bucket),
}

/// A kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3 and what speaks its protocol: `s3://`.
    S3,
    /// Azure Blob Storage: `az://`.
    Azure,
    /// Google Cloud Storage: `gs://`.
    Google,
}

/// A bucket (in Azure, a container) and the prefix below which the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    service: Service,
    name: String,
    prefix: Path,
}

impl Service {
    const ALL: [Self; 3] = [Self::S3, Self::Azure, Self::Google];

    fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Google => "gs",
        }
    }
}

impl Location {
    /// Reads a path or an address.
    ///
    /// # Errors
    /// When the address is of no known kind or is not written as it should be.
    pub fn parse(text: &FsPath) -> Result<Self> {
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Self::Folder(text.to_owned()));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return Ok(Self::Folder(PathBuf::from(rest)));
        }
        // Text behind @ or ? may be a key, and is not repeated.
        let refused = |what: &str| Err(Error::Lake(format!("the address {scheme}://… {what}")));
        let Some(service) = Service::ALL.into_iter().find(|service| service.scheme() == scheme) else {
            return refused(
                "is of no known kind; name a folder, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or gs://BUCKET/PREFIX",
            );
        };
        if rest.contains('@') && rest.split('/').next().is_some_and(|name| name.contains('@')) {
            return refused("holds an @; keys and accounts are not written there but set in the environment");
        }
        if rest.contains('?') || rest.contains('#') {
            return refused("holds a ? or #; write the bucket and the prefix alone, and set keys and tokens in the environment");
        }
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
        if name.is_empty() || !name.chars().all(known) {
            return refused(&format!("names no bucket; write {scheme}://BUCKET/PREFIX"));
        }
        let Ok(prefix) = Path::parse(prefix) else {
            return refused("has a prefix with an empty part, a . or a ..; write it as the keys begin");
        };
        Ok(Self::Bucket(Bucket { service, name: name.to_owned(), prefix }))
    }
}

impl Bucket {
    /// The kind of store.
    pub fn service(&self) -> Service {
        self.service
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the keys of the lake's files begin with.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.service.scheme(), self.name)?;
        if self.prefix.is_root() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket(bucket) => write!(f, "{bucket}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read() {
        let shown = |text: &str| Location::parse(FsPath::new(text)).unwrap().to_string();
        assert_eq!(shown("s3://exports/2024/"), "s3://exports/2024");
        assert_eq!(shown("S3://exports"), "s3://exports");
        assert_eq!(shown("az://exports/a b"), "az://exports/a b");
        assert_eq!(shown("gs://exports/"), "gs://exports");
        assert_eq!(Location::parse(FsPath::new("/data/s3:/x")).unwrap(), Location::Folder("/data/s3:/x".into()));
        assert_eq!(Location::parse(FsPath::new("file:///data")).unwrap(), Location::Folder("/data".into()));
        assert_eq!(Location::parse(FsPath::new("C:\\data")).unwrap(), Location::Folder("C:\\data".into()));
    }

    #[test]
    fn a_wrong_address_is_told_and_its_keys_are_not() {
        let told = |text: &str| Location::parse(FsPath::new(text)).unwrap_err().to_string();
        for text in ["s3://AKIA:SECRET@exports/x", "az://exports/x?sv=1&sig=SECRET", "https://SECRET.example/x", "s3:///SECRET"] {
            assert!(!told(text).contains("SECRET"), "{}", told(text));
        }
        assert!(told("http://x/y").contains("s3://BUCKET/PREFIX"));
        assert!(told("s3://").contains("names no bucket"));
        assert!(told("s3://a/b//c").contains("empty part"));
    }
}
