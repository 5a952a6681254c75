//! Encryption: the server's certificate and key, read from files and read again when these change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::x509;
use crate::access::{FileState, file_state};

/// The protocol that clients name when they begin with TLS at once (`sslnegotiation=direct`).
pub(crate) const ALPN: &[u8] = b"postgresql";

/// Where certificates and keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and the ones between it and its authority, as PEM.
    pub certificate: PathBuf,
    /// The key of the certificate, as PEM: PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    pub key: PathBuf,
    /// The authorities that issue certificates of clients, as PEM.
    pub client_authorities: Option<PathBuf>,
}

/// Encryption is not possible with these files, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .file.display())]
pub struct TlsError {
    file: PathBuf,
    reason: String,
}

fn error(file: &Path, reason: impl ToString) -> TlsError {
    TlsError { file: file.to_owned(), reason: reason.to_string() }
}

/// What one reading of the files gave.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// What a login can be bound to.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// Encryption as it is now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    live: RwLock<Arc<Identity>>,
    seen: Mutex<[Option<FileState>; 3]>,
}

impl Tls {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// Which file does not do, and why. There is no encryption then, and nothing is to be served without it.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = states(&files);
        let live = RwLock::new(Arc::new(load(&files)?));
        Ok(Self { files, live, seen: Mutex::new(seen) })
    }

    pub(crate) fn now(&self) -> Arc<Identity> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients can show certificates.
    pub fn knows_clients(&self) -> bool {
        self.files.client_authorities.is_some()
    }

    /// Reads the files again where they have changed. What does not do is logged, and the old certificate stays.
    pub fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = states(&self.files);
        if *seen == now {
            return;
        }
        *seen = now;
        match load(&self.files) {
            Ok(identity) => {
                *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
                tracing::info!("the certificate has been read again");
            }
            Err(error) => tracing::error!(%error, "the new certificate does not do; the old one stays"),
        }
    }
}

fn states(files: &TlsFiles) -> [Option<FileState>; 3] {
    let authorities = files.client_authorities.as_deref();
    [file_state(&files.certificate), file_state(&files.key), authorities.and_then(file_state)]
}

fn load(files: &TlsFiles) -> Result<Identity, TlsError> {
    let chain = certificates(&files.certificate)?;
    check_private(&files.key)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| error(&files.key, key_reason(&cause)))?;
    let end_point = chain.first().and_then(|certificate| x509::end_point(certificate));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| error(&files.certificate, cause))?;
    let builder = match &files.client_authorities {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file)? {
                roots.add(authority).map_err(|cause| error(file, cause))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
            builder.with_client_cert_verifier(verifier.build().map_err(|cause| error(file, cause))?)
        }
        None => builder.with_no_client_auth(),
    };
    // Whether the key is the certificate's is checked in here.
    let mut config = builder.with_single_cert(chain, key).map_err(|cause| error(&files.key, cause))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Identity { config: Arc::new(config), end_point })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|cause| error(file, pem_reason(&cause)))?;
    if all.is_empty() {
        return Err(error(file, "there is no certificate in it; it has to be PEM, with BEGIN CERTIFICATE"));
    }
    Ok(all)
}

fn pem_reason(cause: &rustls::pki_types::pem::Error) -> String {
    match cause {
        rustls::pki_types::pem::Error::Io(cause) => cause.to_string(),
        other => format!("it is not PEM: {other}"),
    }
}

fn key_reason(cause: &rustls::pki_types::pem::Error) -> String {
    match cause {
        rustls::pki_types::pem::Error::NoItemsFound => {
            "there is no key without a passphrase in it; it has to be PEM, with BEGIN PRIVATE KEY or BEGIN RSA or EC PRIVATE KEY"
                .to_owned()
        }
        other => pem_reason(other),
    }
}

/// As PostgreSQL: a key that others of the machine can read is refused.
fn check_private(key: &Path) -> Result<(), TlsError> {
    let meta = std::fs::metadata(key).map_err(|cause| error(key, cause))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let allowed = if meta.uid() == 0 { 0o740 } else { 0o700 };
        if meta.mode() & 0o777 & !allowed != 0 {
            return Err(error(
                key,
                "the key can be read by others; it must have the mode 0600, or 0640 where it belongs to root",
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = meta;
    Ok(())
}
