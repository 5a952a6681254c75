//! TLS to a PostgreSQL server, with libpq's words: how much of the server's certificate is checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error;
use crate::error::Result;

/// What is checked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: the line is encrypted, who is at its end is not known. libpq's `prefer` and `require`.
    Nothing,
    /// That an authority vouches for it: `verify-ca`.
    Authority,
    /// That it is the named host's as well: `verify-full`.
    Host,
}

/// A connector that checks as much as asked for, against the certificates in `roots`; `system` stands for the system's own.
pub(super) fn connector(check: Check, roots: Option<&Path>) -> Result<MakeRustlsConnect> {
    if roots == Some(Path::new("system")) && check == Check::Host {
        // Certificates of the system that can't be read are left out; the one that is needed may be among the others.
        return MakeRustlsConnect::with_native_certs()
            .map(|(connect, _)| connect)
            .map_err(|_| error("the system's certificates can't be read; name a file with sslrootcert"));
    }
    let provider = Arc::new(ring::default_provider());
    let inner = match check {
        Check::Nothing => None,
        Check::Authority | Check::Host => Some(verifier(roots, &provider)?),
    };
    let verifier = Arc::new(Verifier { check, inner, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| error("TLS can't be set up"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn verifier(roots: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let file = match roots {
        Some(file) => file.to_owned(),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".postgresql/root.crt")).unwrap_or_default(),
    };
    let missing = || {
        let file = file.display();
        error(format!("no root certificate in {file}; name its file with sslrootcert, or choose sslmode=require"))
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|_| missing())? {
        store.add(certificate.map_err(|_| missing())?).map_err(|_| missing())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build().map_err(|_| missing())
}

#[derive(Debug)]
struct Verifier {
    check: Check,
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
