//! Who may vouch for the portal's name: the authorities in `caFile`, and those of the operating system.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

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

/// A TLS configuration that trusts what the system trusts and the certificates in `ca_pem`.
///
/// The file is asked first and by itself, so that its portal is reached where the system's own verification is broken or has
/// no roots; what the file doesn't know, the system decides with everything that it has (revocation, enterprise roots).
///
/// # Errors
/// [`CaFileError`].
pub(crate) fn with_ca_file(ca_pem: &[u8]) -> Result<ClientConfig, CaFileError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(CaFileError::Tls)?.dangerous().with_custom_certificate_verifier(judge(Some(ca_pem))?);
    Ok(config.with_no_client_auth())
}

/// What judges the portal's certificate: the system, and the certificates in `ca_pem` before it.
///
/// # Errors
/// [`CaFileError`].
pub(crate) fn judge(ca_pem: Option<&[u8]>) -> Result<Arc<dyn ServerCertVerifier>, CaFileError> {
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
        assert!(matches!(with_ca_file(b""), Err(CaFileError::Empty)));
        assert!(matches!(with_ca_file(b"certificate"), Err(CaFileError::Empty)));
        let unfinished = b"-----BEGIN CERTIFICATE-----\nMIIB";
        assert!(matches!(with_ca_file(unfinished), Err(CaFileError::Pem(_))));
        let rubbish = b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        assert!(matches!(with_ca_file(rubbish), Err(CaFileError::Certificate(_))));
    }
}
