//! A client of web services for a person's programs: over TLS only, with redirects and cookies as a browser has them (RFC 6265).

use std::fmt::Write as _;

use cookie_store::{CookieDomain, CookieExpiration, CookieStore};
use installer_options::ProxySetting;
use reqwest::{Response, Url, header};

use crate::transport::{Transport, TransportError};

/// How many redirects are followed one after another.
const REDIRECTS: usize = 10;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// Not an address, or not over TLS.
    #[error("`{0}` is no address that starts with `https://`")]
    Address(String),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A circle.
    #[error("`{0}` sends its visitors on and on")]
    Redirects(String),
}

/// The client, with the cookies that it was given.
#[derive(Debug)]
pub(crate) struct WebClient {
    ca_pem: Option<Vec<u8>>,
    cookies: CookieStore,
}

impl WebClient {
    /// A client that trusts what the system trusts and the certificates in `ca_pem`.
    pub(crate) fn new(ca_pem: Option<Vec<u8>>) -> Self {
        Self { ca_pem, cookies: CookieStore::new() }
    }

    /// Asks for `url` with these headers, and for whatever that sends its visitors to.
    pub(crate) async fn get(&mut self, url: &str, headers: &[(&str, &str)]) -> Result<Response, WebError> {
        self.ask(url, headers, None).await
    }

    /// Posts `body` to `url`, and asks for whatever that sends its visitors to.
    pub(crate) async fn post(&mut self, url: &str, kind: &str, body: String) -> Result<Response, WebError> {
        self.ask(url, &[("content-type", kind)], Some(body)).await
    }

    async fn ask(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
        mut body: Option<String>,
    ) -> Result<Response, WebError> {
        let mut at = address(url)?;
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        for _ in 0..=REDIRECTS {
            let response = self.ask_once(&at, &headers, body.take()).await?;
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            let Some(to) = to.filter(|_| response.status().is_redirection()) else { return Ok(response) };
            at = at.join(to).map_err(|_| WebError::Address(to.to_owned()))?;
            at = address(at.as_str())?;
            headers.retain(|(name, _)| *name != "content-type");
        }
        Err(WebError::Redirects(url.to_owned()))
    }

    async fn ask_once(
        &mut self,
        url: &Url,
        headers: &[(&str, String)],
        body: Option<String>,
    ) -> Result<Response, WebError> {
        let mut headers = headers.to_vec();
        let cookies: Vec<_> =
            self.cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.push(("cookie", cookies.join("; ")));
        }
        // The way of each service through the operating system's proxies is its own.
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let transport = Transport::new(&host, self.ca_pem.as_deref(), &ProxySetting::System)?;
        let response = transport.ask(url.as_str(), &headers, body).await?;
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            if let Ok(cookie) = cookie.to_str() {
                // One that is not for this address is refused, as browsers do.
                let _ = self.cookies.parse(cookie, url);
            }
        }
        Ok(response)
    }

    /// The cookies as the file format that curl, wget and most libraries read.
    pub(crate) fn jar(&self) -> String {
        let truth = |flag| if flag { "TRUE" } else { "FALSE" };
        let mut jar = "# Netscape HTTP Cookie File\n".to_owned();
        for cookie in self.cookies.iter_unexpired() {
            let (domain, with_subdomains) = match &cookie.domain {
                CookieDomain::HostOnly(host) => (host.clone(), false),
                CookieDomain::Suffix(domain) => (format!(".{domain}"), true),
                CookieDomain::NotPresent | CookieDomain::Empty => continue,
            };
            let end = match &cookie.expires {
                CookieExpiration::AtUtc(end) => end.unix_timestamp(),
                CookieExpiration::SessionEnd => 0,
            };
            let http_only = if cookie.http_only() == Some(true) { "#HttpOnly_" } else { "" };
            let (path, secure) = (cookie.path.as_ref(), truth(cookie.secure() == Some(true)));
            let (name, value, with_subdomains) = (cookie.name(), cookie.value(), truth(with_subdomains));
            // Writing to a text can't fail.
            let _ = writeln!(jar, "{http_only}{domain}\t{with_subdomains}\t{path}\t{secure}\t{end}\t{name}\t{value}");
        }
        jar
    }
}

fn address(url: &str) -> Result<Url, WebError> {
    let parsed = Url::parse(url).ok().filter(|parsed| parsed.scheme() == "https");
    parsed.ok_or_else(|| WebError::Address(url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jar_has_each_cookie_in_a_line() {
        let mut client = WebClient::new(None);
        let url = address("https://service.example/private/page").unwrap();
        for cookie in [
            "session=abc; Path=/; Secure; HttpOnly",
            "wide=1; Domain=service.example; Path=/; Max-Age=100000000",
            "other=2; Domain=elsewhere.example; Path=/",
        ] {
            let _ = client.cookies.parse(cookie, &url);
        }
        let jar = client.jar();
        assert!(jar.starts_with("# Netscape HTTP Cookie File\n"), "{jar}");
        assert!(jar.contains("#HttpOnly_service.example\tFALSE\t/\tTRUE\t0\tsession\tabc\n"), "{jar}");
        assert!(jar.contains("\n.service.example\tTRUE\t/\tFALSE\t"), "{jar}");
        assert!(!jar.contains("elsewhere"), "{jar}");
    }

    #[test]
    fn only_addresses_over_tls_are_asked() {
        assert!(matches!(address("http://service.example/"), Err(WebError::Address(_))));
        assert!(matches!(address("service.example"), Err(WebError::Address(_))));
        assert!(address("https://service.example").is_ok());
    }
}
