//! Who may vouch for the portal's name: the authorities in `caFile`, and those of the operating system.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::certificate::Certificate;

/// The CA file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It is no PEM.
    #[error("it is not PEM")]
    Pem(#[source] pem::Error),
    /// There is no certificate in it.
    #[error("it holds no certificate")]
    Empty,
    /// One of its certificates is damaged.
    #[error("one of its certificates can't be read")]
    Certificate(#[source] Error),
    /// No verifier can be made of them.
    #[error("its certificates can't be used together")]
    Verifier(#[source] VerifierBuilderError),
    /// TLS can't be set up.
    #[error("TLS can't be set up with them")]
    Tls(#[source] Error),
}

/// Leaves the judgement to the system, and to the certificates of the CA file before it, and remembers what was shown: so that
/// it can be said who issued a certificate that nobody here trusts.
#[derive(Debug)]
pub(crate) struct Witness {
    judge: Arc<dyn ServerCertVerifier>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl Witness {
    /// A witness that trusts what the system trusts and the certificates in `ca_pem`.
    ///
    /// The file is asked first and by itself, so that its portal is reached where the system's own verification is broken or has
    /// no roots; what the file doesn't know, the system decides with everything that it has (revocation, enterprise roots).
    ///
    /// # Errors
    /// [`CaFileError`].
    pub(crate) fn of(ca_pem: Option<&[u8]>) -> Result<Arc<Self>, CaFileError> {
        Ok(Arc::new(Self { judge: judge(ca_pem)?, shown: Mutex::default() }))
    }

    /// A TLS configuration that asks this witness.
    ///
    /// # Errors
    /// [`CaFileError::Tls`].
    pub(crate) fn config(self: &Arc<Self>) -> Result<ClientConfig, CaFileError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(CaFileError::Tls)?.dangerous();
        Ok(config.with_custom_certificate_verifier(Arc::clone(self) as _).with_no_client_auth())
    }

    /// What was shown last, the host's own certificate first.
    pub(crate) fn chain(&self) -> Vec<Certificate> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().filter_map(|der| Certificate::read(der)).collect()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(certificate).chain(chain).map(|der| der.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        self.judge.verify_server_cert(certificate, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// What judges the portal's certificate: the system, and the certificates in `ca_pem` before it.
///
/// # Errors
/// [`CaFileError`].
fn judge(ca_pem: Option<&[u8]>) -> Result<Arc<dyn ServerCertVerifier>, CaFileError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Some(ca_pem) = ca_pem else { return Ok(Arc::new(Verifier::new(provider).map_err(CaFileError::Tls)?)) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(CaFileError::Pem)?).map_err(CaFileError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(CaFileError::Empty);
    }
    let file = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    Ok(Arc::new(Trust { file: file.build().map_err(CaFileError::Verifier)?, system: system(&provider) }))
}

/// The system's verifier; a machine without any roots (a small container) has none, and trusts the file alone.
fn system(provider: &Arc<CryptoProvider>) -> Option<Verifier> {
    let made = Verifier::new(Arc::clone(provider));
    made.inspect_err(|error| {
        tracing::warn!(error = error as &dyn std::error::Error, "the system's trust store can't be used; `caFile` can");
    })
    .ok()
}

#[derive(Debug)]
struct Trust {
    file: Arc<WebPkiServerVerifier>,
    system: Option<Verifier>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_file = self.file.verify_server_cert(certificate, chain, name, ocsp, now);
        match (by_file, &self.system) {
            (Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)), Some(system)) => {
                system.verify_server_cert(certificate, chain, name, ocsp, now)
            }
            (by_file, _) => by_file,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.file.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.file.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.file.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_certificate_is_an_error_that_says_why() {
        assert!(matches!(Witness::of(Some(b"")), Err(CaFileError::Empty)));
        assert!(matches!(Witness::of(Some(b"certificate")), Err(CaFileError::Empty)));
        let unfinished = b"-----BEGIN CERTIFICATE-----\nMIIB";
        assert!(matches!(Witness::of(Some(unfinished)), Err(CaFileError::Pem(_))));
        let rubbish = b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        assert!(matches!(Witness::of(Some(rubbish)), Err(CaFileError::Certificate(_))));
    }
}
