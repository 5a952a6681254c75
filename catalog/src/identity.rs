//! Keys in place of patients: above `raw`, a patient, an exam, a scan and a file are known by a keyed hash.
//!
//! The hash is HMAC-SHA-256 with a key of the site, so that nobody without the key can test whether a number that they know
//! is in the data. The first 64 bits are kept, behind a letter that says what it stands for.

use std::fs;
use std::io::Write;
use std::path::Path;

use chrono::NaiveDate;
use hmac::{Hmac, Mac};
use rand::Rng as _;
use sha2::Sha256;

use crate::error::{Error, Result};

/// The site's secret, from which all identifiers are derived. Losing it changes every identifier.
#[derive(Clone)]
pub struct IdentityKey([u8; 32]);

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityKey(..)")
    }
}

impl IdentityKey {
    /// A key made of a phrase, for simulated data and tests, where there is nobody to protect.
    pub fn from_phrase(phrase: &str) -> Self {
        use sha2::Digest as _;
        Self(Sha256::digest(phrase.as_bytes()).into())
    }

    /// A key that nobody has seen.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads the key of 64 hexadecimal digits from `path`; makes a random one, readable by its owner alone, if there is none.
    ///
    /// # Errors
    /// When the file can't be read or written, or does not hold a key.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.display().to_string(), source };
        match fs::read_to_string(path) {
            Ok(text) => Self::from_hex(text.trim()).ok_or_else(|| {
                io(std::io::Error::other("not an identity key of 64 hexadecimal digits; restore it from a backup"))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::random();
                key.save(path)?;
                Ok(key)
            }
            Err(error) => Err(io(error)),
        }
    }

    /// Writes the key to `path`, readable by its owner alone.
    ///
    /// # Errors
    /// When the file can't be written or exists already.
    pub fn save(&self, path: &Path) -> Result<()> {
        let io = |source| Error::Io { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        writeln!(file, "{}", hex::encode(self.0)).map_err(io)
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// `P…`: a patient, from the hospital's number.
    pub fn patient_id(&self, number: &str) -> String {
        self.derive('P', &[number.as_bytes()])
    }

    /// `E…`: the visit of a patient on one day, the same for every device used on that day.
    pub fn exam_id(&self, number: &str, date: NaiveDate) -> String {
        self.derive('E', &[number.as_bytes(), date.to_string().as_bytes()])
    }

    /// `F…`: a file, from its path in the lake.
    pub fn file_id(&self, path: &str) -> String {
        self.derive('F', &[path.as_bytes()])
    }

    /// `L…`: a lake, from where it lies.
    pub(crate) fn lake_id(&self, root: &str) -> String {
        self.derive('L', &[root.as_bytes()])
    }

    /// `S…`: one measurement, a row of a file.
    pub fn scan_id(&self, path: &str, table: &str, row: usize) -> String {
        self.derive('S', &[path.as_bytes(), table.as_bytes(), &row.to_le_bytes()])
    }

    fn derive(&self, kind: char, parts: &[&[u8]]) -> String {
        // HMAC takes keys of any length, so this can't fail; an empty identifier would be seen at once.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(&[kind as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        format!("{kind}{}", hex::encode(digest.get(..8).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn identifiers_depend_on_the_key_and_on_every_part() {
        let (a, b) = (IdentityKey::from_phrase("a"), IdentityKey::from_phrase("b"));
        assert_ne!(a.patient_id("17"), b.patient_id("17"));
        assert_eq!(a.patient_id("17"), a.patient_id("17"));
        assert_ne!(a.scan_id("x", "1y", 0), a.scan_id("x1", "y", 0));
        assert_eq!(a.patient_id("17").len(), 17);
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let first = IdentityKey::load_or_create(&path).unwrap();
        let second = IdentityKey::load_or_create(&path).unwrap();
        assert_eq!(first.patient_id("1"), second.patient_id("1"));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(IdentityKey::load_or_create(&path).is_err());
    }
}
