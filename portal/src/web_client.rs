//! What the portal asks of others: services that are told that a session ends, and metadata that has an address.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use saml::binding::soap;

use crate::web_address::{self, is_public};

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
    /// It has a user's name in it, or is no address at all.
    #[error("it is no plain address: write `https://host/path`, without a user name")]
    NotAnAddress,
    /// It leads into a local network.
    #[error(
        "it leads to an address of a local network, which the portal does not fetch from unless it is served with `--allow-private-metadata-addresses`"
    )]
    Private,
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
pub struct WebClient {
    client: Client,
    /// What fetches metadata.
    fetching: Client,
    reach: Reach,
}

/// Which addresses metadata is fetched from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Those of the internet: an administrator of the pages has no business in the portal's own network.
    Public,
    /// Any, because the operator of the portal says so.
    Everywhere,
}

/// A name leads into a local network alone.
#[derive(Debug, thiserror::Error)]
#[error("the name has no public address")]
struct NotPublic;

/// Finds the addresses of names and passes on those that are public: it is those that are then connected to, whatever the name says a moment later.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok::<Addrs, _>(Box::new(public.into_iter()))
        })
    }
}

impl WebClient {
    /// A client that trusts what the system trusts and the certificates in `ca_pem`.
    ///
    /// # Errors
    /// [`WebClientError`].
    pub fn new(ca_pem: Option<&[u8]>, reach: Reach) -> Result<Self, WebClientError> {
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
        let tls = config.with_root_certificates(roots).with_no_client_auth();
        let client = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(0)
                .user_agent(concat!("countersign-portal/", env!("CARGO_PKG_VERSION")))
        };
        let fetching = match reach {
            Reach::Public => client().dns_resolver(Arc::new(PublicNames)).build()?,
            Reach::Everywhere => client().build()?,
        };
        Ok(Self { client: client().build()?, fetching, reach })
    }

    /// Sends a SOAP envelope to `url`; returns the status and the envelope that comes back (SAML SOAP binding, Bindings §3.2).
    ///
    /// # Errors
    /// Where nothing answers in time.
    pub async fn exchange(&self, url: &str, envelope: String) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let request = self.client.post(url).header("content-type", soap::CONTENT_TYPE);
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
        let parsed = web_address::parse(url).ok_or(FetchError::NotAnAddress)?;
        let is_private = web_address::literal(&parsed).is_some_and(|address| !is_public(address));
        if self.reach == Reach::Public && is_private {
            return Err(FetchError::Private);
        }
        let response = self.fetching.get(parsed).send().await.map_err(of_sending)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = read(response, LARGEST_METADATA).await.map_err(FetchError::Unreachable)?;
        if body.len() > LARGEST_METADATA { Err(FetchError::TooLarge) } else { Ok(body) }
    }
}

fn of_sending(error: reqwest::Error) -> FetchError {
    let mut cause = std::error::Error::source(&error);
    while let Some(found) = cause {
        if found.is::<NotPublic>() {
            return FetchError::Private;
        }
        cause = found.source();
    }
    FetchError::Unreachable(error)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metadata_is_not_fetched_from_local_networks_by_whatever_name() {
        let client = WebClient::new(None, Reach::Public).unwrap();
        for url in ["https://127.0.0.1:1/", "https://[::1]:1/", "https://2130706433:1/", "https://localhost:1/"] {
            assert!(matches!(client.metadata(url).await, Err(FetchError::Private)), "{url}");
        }
        let plain = client.metadata("https://service.example.test@127.0.0.1:1/").await;
        assert!(matches!(plain, Err(FetchError::NotAnAddress)), "{plain:?}");
        let everywhere = WebClient::new(None, Reach::Everywhere).unwrap();
        assert!(matches!(everywhere.metadata("https://localhost:1/").await, Err(FetchError::Unreachable(_))));
    }
}
