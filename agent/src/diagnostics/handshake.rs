//! One TLS handshake with the portal, judged as the agent judges it, and the chain that was shown kept for a look.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::Certificate;
use crate::trust;

/// What a handshake gave.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The version of TLS, or why it failed.
    pub(super) result: Result<String, String>,
    /// Whether it failed because of the certificate.
    pub(super) not_trusted: bool,
    /// What was shown, the host's own first.
    pub(super) chain: Vec<Certificate>,
}

impl Handshake {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self { result: Err(why.into()), not_trusted: false, chain: Vec::new() }
    }
}

/// Remembers the chain and leaves the judgement to the verifier that the agent uses.
#[derive(Debug)]
struct Recording {
    judge: Arc<dyn ServerCertVerifier>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            chain.map(|der| der.clone().into_owned()).collect();
        self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// Shakes hands over `stream` with `host`, and closes.
pub(super) async fn shake(stream: TcpStream, host: &str, ca_pem: Option<&[u8]>) -> Handshake {
    let name = match ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()) {
        Ok(name) => name,
        Err(error) => return Handshake::failed(error.to_string()),
    };
    let recording = match trust::judge(ca_pem) {
        Ok(judge) => Arc::new(Recording { judge, shown: Mutex::default() }),
        Err(error) => return Handshake::failed(error.to_string()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = match config {
        Ok(config) => config,
        Err(error) => return Handshake::failed(error.to_string()),
    };
    let config = config.dangerous().with_custom_certificate_verifier(Arc::clone(&recording) as _).with_no_client_auth();
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let der = std::mem::take(&mut *recording.shown.lock().unwrap_or_else(PoisonError::into_inner));
    let chain = der.iter().filter_map(|der| Certificate::read(der)).collect();
    match shaken {
        Ok(stream) => {
            let version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str());
            Handshake {
                result: Ok(version.unwrap_or("TLS").replace('_', ".").replace("TLSv", "TLS ")),
                not_trusted: false,
                chain,
            }
        }
        Err(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let not_trusted = matches!(inner, Some(rustls::Error::InvalidCertificate(_)));
            Handshake { result: Err(error.to_string()), not_trusted, chain }
        }
    }
}
