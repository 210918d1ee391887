//! What the portal asks of others: services that are told that a session ends, and metadata that has an address.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use saml::binding::soap;

/// How long somebody may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in octets.
const LARGEST_ANSWER: usize = 256 * 1024;

/// The client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum WebClientError {
    /// The CA file is no PEM, or one of its certificates is damaged.
    #[error("the CA file holds no certificates that can be used")]
    CaFile,
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
    /// The client can't be made of it.
    #[error("no client can be made")]
    Client(#[from] reqwest::Error),
}

/// The largest metadata that is fetched, in octets.
const LARGEST_METADATA: usize = 1024 * 1024;

/// Metadata can't be fetched. Nothing of what has answered is told: the portal may reach what the administrator may not.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It would come over a line that anybody may write on.
    #[error("its address has to begin with `https://`")]
    Unprotected,
    /// Nothing answers, or not over TLS that is trusted.
    #[error("nothing that is trusted answers there; for a CA of your own there is `--service-ca-file`")]
    Unreachable(#[source] reqwest::Error),
    /// Something else than the document comes.
    #[error("the answer there is HTTP status {0} and not 200; redirects are not followed")]
    Status(u16),
    /// It is larger than any metadata.
    #[error("the answer there is larger than 1 MiB")]
    TooLarge,
}

/// A client that follows no redirect, keeps no connection, and reads no more of an answer than a SAML message may have.
#[derive(Clone, Debug)]
pub struct WebClient(Client);

impl WebClient {
    /// A client that trusts what the system trusts and the certificates in `ca_pem`.
    ///
    /// # Errors
    /// [`WebClientError`].
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, WebClientError> {
        let mut roots = RootCertStore::empty();
        // A machine without roots still reaches those that the file vouches for.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = ca_pem {
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let certificates = certificates.map_err(|_| WebClientError::CaFile)?;
            let (added, damaged) = roots.add_parsable_certificates(certificates);
            if added == 0 || damaged > 0 {
                return Err(WebClientError::CaFile);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let client = Client::builder()
            .tls_backend_preconfigured(config.with_root_certificates(roots).with_no_client_auth())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("countersign-portal/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// Sends a SOAP envelope to `url`; returns the status and the envelope that comes back (SAML SOAP binding, Bindings §3.2).
    ///
    /// # Errors
    /// Where nothing answers in time.
    pub async fn exchange(&self, url: &str, envelope: String) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let request = self.0.post(url).header("content-type", soap::CONTENT_TYPE);
        let request = request.header("soapaction", format!("\"{}\"", soap::SOAP_ACTION)).body(envelope);
        let response = request.send().await?;
        Ok((response.status().as_u16(), read(response, LARGEST_ANSWER).await?))
    }

    /// The SAML metadata at `url`, as it comes.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn metadata(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        if !url.starts_with("https://") {
            return Err(FetchError::Unprotected);
        }
        let response = self.0.get(url).send().await.map_err(FetchError::Unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = read(response, LARGEST_METADATA).await.map_err(FetchError::Unreachable)?;
        if body.len() > LARGEST_METADATA { Err(FetchError::TooLarge) } else { Ok(body) }
    }
}

/// The body, or as much of it as shows that it is larger than `most`.
async fn read(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            break;
        }
    }
    Ok(body)
}
