//! HTTPS to the portal: the operating system's trust store, an extra CA where one is configured, and nothing else.
//!
//! No redirect is followed, no connection is kept at rest, and no more of an answer is read than a SAML message may have.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use installer_options::ProxySetting;
use platform::proxy::{ProxyAddress, Way, way_to};
use reqwest::{Client, Proxy, StatusCode};
use tokio::sync::Mutex;

use crate::certificate::is_interceptor;
use crate::failure::FailureCode;
use crate::trust::{CaFileError, Witness};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read, in octets.
const LARGEST_ANSWER: usize = 256 * 1024;

/// A client for one portal.
#[derive(Debug)]
pub struct Transport {
    witness: Arc<Witness>,
    host: String,
    setting: ProxySetting,
    /// The client of the way that was last found; another way, in another network, makes another.
    current: Mutex<(Way, Client)>,
}

/// What answered.
#[derive(Clone, Debug)]
pub struct Look {
    /// The HTTP status.
    pub status: u16,
    /// The header `Date`.
    pub date: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body, no larger than a SAML message may be.
    pub body: Vec<u8>,
}

/// Why an exchange gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The CA file holds no certificate that can be used.
    #[error("can't use the CA file")]
    CaFile(#[from] CaFileError),
    /// The client could not be made.
    #[error("can't set TLS up")]
    SetUp(#[source] reqwest::Error),
    /// The name of the portal has no address.
    #[error("`{host}` does not resolve")]
    NameNotResolved {
        /// The name.
        host: String,
        /// What was found.
        #[source]
        source: std::io::Error,
    },
    /// No connection, or no answer in time.
    #[error("can't reach `{host}`{way}")]
    Unreachable {
        /// The portal's host.
        host: String,
        /// ` through the proxy …`, or nothing.
        way: String,
        /// What was found.
        #[source]
        source: reqwest::Error,
    },
    /// The portal could not prove its name.
    #[error("the TLS certificate of `{host}` is not trusted; it was issued by {issuer}")]
    NotTrusted {
        /// The portal's host.
        host: String,
        /// Who issued what was shown.
        issuer: String,
        /// What was found.
        #[source]
        source: rustls::Error,
    },
    /// What answers does not speak TLS as we do.
    #[error("what answers as `{host}` does not speak TLS")]
    NotTls {
        /// The portal's host.
        host: String,
        /// What was found.
        #[source]
        source: rustls::Error,
    },
    /// A network's own page answers in the portal's place.
    #[error("what answers as `{host}` sends us to `{to}`")]
    LogInPage {
        /// The portal's host.
        host: String,
        /// Where to.
        to: String,
    },
    /// The proxy wants to know who we are.
    #[error("the proxy on the way to `{host}` wants a name and a password")]
    ProxyCredentials {
        /// The portal's host.
        host: String,
    },
    /// The portal said with the status code that it can't answer now.
    #[error("`{host}` answered with the status {status}")]
    Failing {
        /// The portal's host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// When it may be tried again, in seconds, where it said so.
        retry_after: Option<u32>,
    },
    /// The answer is longer than a SAML message may be.
    #[error("`{host}` answered with more than {LARGEST_ANSWER} octets")]
    TooLong {
        /// The portal's host.
        host: String,
    },
}

impl TransportError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> FailureCode {
        match self {
            Self::CaFile(_) | Self::SetUp(_) => FailureCode::OptionsInvalid,
            Self::NameNotResolved { .. } => FailureCode::NameNotResolved,
            Self::Unreachable { .. } => FailureCode::PortalUnreachable,
            Self::NotTrusted { issuer, .. } if is_interceptor(issuer) => FailureCode::TlsIntercepted,
            Self::NotTrusted { .. } => FailureCode::TlsNotTrusted,
            Self::NotTls { .. } => FailureCode::AnswerNotUnderstood,
            Self::LogInPage { .. } => FailureCode::CaptivePortal,
            Self::ProxyCredentials { .. } => FailureCode::ProxyWantsCredentials,
            Self::Failing { status, .. } if *status < 500 => FailureCode::AnswerNotUnderstood,
            Self::Failing { .. } => FailureCode::PortalFailing,
            Self::TooLong { .. } => FailureCode::AnswerNotUnderstood,
        }
    }
}

impl Transport {
    /// A client for the portal at `host`, which trusts what the system trusts and the certificates in `ca_pem`, and goes the way of `setting`. The
    /// operating system's way is asked for anew at each request.
    ///
    /// # Errors
    /// [`TransportError::CaFile`], [`TransportError::SetUp`].
    pub fn new(host: &str, ca_pem: Option<&[u8]>, setting: &ProxySetting) -> Result<Self, TransportError> {
        // A second installation in the same process is refused and changes nothing: the first was the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let witness = Witness::of(ca_pem)?;
        let client = client(&witness, &Way::Direct, setting)?;
        Ok(Self {
            witness,
            host: host.to_owned(),
            setting: setting.clone(),
            current: Mutex::new((Way::Direct, client)),
        })
    }

    /// The client for the way of this moment.
    async fn client(&self) -> Result<Client, TransportError> {
        let way = match &self.setting {
            ProxySetting::System => way_to(&self.host).await,
            ProxySetting::Direct | ProxySetting::Fixed(_) => Way::Direct,
        };
        let mut current = self.current.lock().await;
        if current.0 != way {
            tracing::info!(?way, "the way to the portal is another");
            *current = (way.clone(), client(&self.witness, &way, &self.setting)?);
        }
        Ok(current.1.clone())
    }

    /// The proxy on the way that was last gone.
    async fn proxy(&self) -> Option<String> {
        match (&self.setting, &self.current.lock().await.0) {
            (ProxySetting::Fixed(url), _) => Some(url.to_string()),
            (ProxySetting::System, Way::Proxy(proxy)) => Some(proxy.url().to_owned()),
            (ProxySetting::System | ProxySetting::Direct, _) => None,
        }
    }

    fn unreachable(&self, proxy: Option<String>, source: reqwest::Error) -> TransportError {
        let way = proxy.map(|proxy| format!(" through the proxy `{proxy}`")).unwrap_or_default();
        TransportError::Unreachable { host: self.host.clone(), way, source }
    }

    /// Fetches the document at `url`.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, TransportError> {
        let response = self.client().await?.get(url).send().await;
        let response = self.sort_out(response).await?;
        if response.status() != StatusCode::OK {
            return Err(self.failing(&response));
        }
        self.body(response).await
    }

    /// Looks at what answers at `url`, whatever it is, for diagnostics.
    ///
    /// # Errors
    /// [`TransportError`], where nothing answers within `limit`.
    pub async fn look(&self, url: &str, limit: Duration) -> Result<Look, TransportError> {
        let response = self.client().await?.get(url).timeout(limit).send().await;
        let response = self.sort_out(response).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (date, content_type, location) = (header("date"), header("content-type"), header("location"));
        let status = response.status().as_u16();
        Ok(Look { status, date, content_type, location, body: self.body(response).await? })
    }

    /// Sends a SOAP envelope to `url` and returns the envelope that comes back (SAML SOAP binding, Bindings §3.2).
    ///
    /// # Errors
    /// [`TransportError`]; an answer that isn't 200 is [`TransportError::Failing`].
    pub async fn exchange(&self, url: &str, envelope: String) -> Result<Vec<u8>, TransportError> {
        let request = self.client().await?.post(url).body(envelope);
        let request = request
            .header("content-type", "text/xml; charset=utf-8")
            .header("soapaction", "\"http://www.oasis-open.org/committees/security\"");
        let response = self.sort_out(request.send().await).await?;
        if response.status() != StatusCode::OK {
            return Err(self.failing(&response));
        }
        self.body(response).await
    }

    /// Asks for `url` with these headers, or posts `body` to it, and returns whatever answers.
    ///
    /// # Errors
    /// [`TransportError`], where nothing answers.
    pub(crate) async fn ask(
        &self,
        url: &str,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Result<reqwest::Response, TransportError> {
        let client = self.client().await?;
        let request = match body {
            Some(body) => client.post(url).body(body),
            None => client.get(url),
        };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        self.sort_out(request.send().await).await
    }

    /// Sends `octets` to `url` with these headers.
    ///
    /// # Errors
    /// [`TransportError`]; an answer that is no success is [`TransportError::Failing`].
    pub async fn upload(&self, url: &str, headers: &[(&str, String)], octets: Vec<u8>) -> Result<(), TransportError> {
        let request = self.client().await?.post(url).header("content-type", "application/octet-stream");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let response = self.sort_out(request.body(octets).send().await).await?;
        if response.status().is_success() { Ok(()) } else { Err(self.failing(&response)) }
    }

    fn failing(&self, response: &reqwest::Response) -> TransportError {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let elsewhere = header("location").and_then(|to| to.parse::<reqwest::Url>().ok());
        let elsewhere = elsewhere.and_then(|to| to.host_str().map(str::to_owned));
        let (status, own) = (response.status(), response.url().host_str());
        let to = match elsewhere.filter(|to| Some(to.as_str()) != own) {
            Some(to) if status.is_redirection() => Some(to),
            // RFC 6585 §6: the status of captive portals.
            _ => (status.as_u16() == 511).then(|| "its log-in page".to_owned()),
        };
        if let Some(to) = to {
            return TransportError::LogInPage { host: self.host.clone(), to };
        }
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        TransportError::Failing { host: self.host.clone(), status: response.status().as_u16(), retry_after }
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, TransportError> {
        let mut body = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(body),
                Err(source) => return Err(self.unreachable(self.proxy().await, source)),
            };
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(TransportError::TooLong { host: self.host.clone() });
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// Finds out why there was no response: the name, the certificate, or the way.
    async fn sort_out(
        &self,
        result: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<reqwest::Response, TransportError> {
        let source = match result {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let host = self.host.clone();
        if let Some(source) = tls_error(&source) {
            let source = source.clone();
            if !matches!(source, rustls::Error::InvalidCertificate(_)) {
                return Err(TransportError::NotTls { host, source });
            }
            let issuer =
                self.witness.chain().first().map_or_else(|| "nobody named".to_owned(), |leaf| leaf.issuer.clone());
            return Err(TransportError::NotTrusted { host, issuer, source });
        }
        if wants_credentials(&source) {
            return Err(TransportError::ProxyCredentials { host });
        }
        // The proxy resolves the name, so it need not have an address here.
        let proxy = self.proxy().await;
        if proxy.is_some() {
            return Err(self.unreachable(proxy, source));
        }
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        match addresses_of(name, 443).await {
            Err(source) if !name.starts_with('[') => {
                Err(TransportError::NameNotResolved { host: name.to_owned(), source })
            }
            _ => Err(self.unreachable(None, source)),
        }
    }
}

/// The addresses of `name`. `localhost` is this machine, and no name server is asked for it (RFC 6761 §6.3): there are machines whose hosts
/// file does not have it.
///
/// # Errors
/// Where there are none.
pub(crate) async fn addresses_of(name: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    if name == "localhost" {
        let own = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        return Ok(own.map(|address| (address, port).into()).into());
    }
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

/// As much of the body as there may be in `limit` octets; what is longer is cut off.
pub(crate) async fn beginning(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() >= limit {
            body.truncate(limit);
            break;
        }
    }
    Ok(body)
}

/// The proxy that requests to `host` go through now.
pub(crate) async fn proxy_toward(host: &str, setting: &ProxySetting) -> Option<ProxyAddress> {
    match setting {
        ProxySetting::Direct => None,
        ProxySetting::Fixed(url) => Some(ProxyAddress::without_credentials(url.to_string())),
        ProxySetting::System => match way_to(host).await {
            Way::Direct => None,
            Way::Proxy(address) => Some(address),
        },
    }
}

/// A client that goes `way`, or the one that `setting` fixes.
fn client(witness: &Arc<Witness>, way: &Way, setting: &ProxySetting) -> Result<Client, TransportError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(witness.config()?)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(EXCHANGE_TIMEOUT)
        .pool_max_idle_per_host(0)
        .no_proxy()
        .resolve_to_addrs("localhost", &[(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()])
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = proxy(way, setting).transpose().map_err(TransportError::SetUp)? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(TransportError::SetUp)
}

fn proxy(way: &Way, setting: &ProxySetting) -> Option<Result<Proxy, reqwest::Error>> {
    match (setting, way) {
        (ProxySetting::Fixed(url), _) => Some(Proxy::all(url.to_string())),
        (ProxySetting::System, Way::Proxy(address)) => Some(Proxy::all(address.url()).map(|proxy| {
            let value = address.authorization().and_then(|value| reqwest::header::HeaderValue::from_str(value).ok());
            match value {
                Some(mut value) => {
                    value.set_sensitive(true);
                    proxy.custom_http_auth(value)
                }
                None => proxy,
            }
        })),
        (ProxySetting::System | ProxySetting::Direct, _) => None,
    }
}

/// Whether a proxy answered CONNECT with 407; the library has no type for it that is public.
fn wants_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("proxy authorization required") {
            return true;
        }
        next = error.source();
    }
    false
}

/// The TLS error that is somewhere in the chain; layers wrap it in `io::Error`, which hides it from `source()`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && let Some(found) = tls_error(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
