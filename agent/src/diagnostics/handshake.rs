//! One TLS handshake with the portal, judged as the agent judges it, and the chain that was shown kept for a look.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::chain;
use crate::certificate::Certificate;
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

/// Shakes hands over `stream` with `host`, and closes.
pub(super) async fn shake(stream: TcpStream, host: &str, ca_pem: Option<&[u8]>) -> Handshake {
    let name = match ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()) {
        Ok(name) => name,
        Err(error) => return Handshake::failed(error.to_string()),
    };
    let witness = trust::Witness::of(ca_pem);
    let (witness, config) = match witness.and_then(|witness| witness.config().map(|config| (witness, config))) {
        Ok(ready) => ready,
        Err(error) => return Handshake::failed(chain(&error)),
    };
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let chain = witness.chain();
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
