//! The way to a host as the operating system is set up: straight, or through an HTTP proxy.
//!
//! Everywhere the environment comes first (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, as curl(1) reads them). Then macOS is asked for the secure web proxy
//! of its network settings, and Windows for WinHTTP's: automatic configuration (WPAD, PAC), else what `netsh winhttp set proxy` stored. PAC files are
//! evaluated on Windows only.

use hyper_util::client::proxy::matcher::Matcher;
use std::fmt;
use zeroize::Zeroizing;

#[cfg(target_os = "linux")]
#[path = "proxy/linux.rs"]
mod imp;
#[cfg(target_os = "macos")]
#[path = "proxy/macos.rs"]
mod imp;
#[cfg(windows)]
#[path = "proxy/windows.rs"]
mod imp;
#[cfg(any(windows, test))]
mod winhttp;

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Without a proxy.
    Direct,
    /// Through this proxy.
    Proxy(ProxyAddress),
}

/// A proxy that takes `CONNECT` (RFC 9110 §9.3.6). What an administrator wrote into the environment may hold a password, so only scheme, host and port
/// are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    url: String,
    authorization: Option<Zeroizing<String>>,
}

impl ProxyAddress {
    /// A proxy that asks nobody for a password.
    pub fn without_credentials(url: String) -> Self {
        Self { url, authorization: None }
    }

    /// `scheme://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The value of `Proxy-Authorization`, where the environment held a name and a password.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|value| value.as_str())
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}

/// The way to `https://host`, where `host` may have a port. May take seconds where a PAC file has to be fetched first.
pub async fn way_to(host: &str) -> Way {
    imp::way_to(host).await
}

/// What the library's matcher says.
fn way_by(matcher: &Matcher, host: &str) -> Way {
    let Ok(target) = format!("https://{host}/").parse() else { return Way::Direct };
    let Some(found) = matcher.intercept(&target) else { return Way::Direct };
    let Some(authority) = found.uri().authority() else { return Way::Direct };
    let authority = authority.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let authorization =
        found.basic_auth().and_then(|value| value.to_str().ok()).map(|value| Zeroizing::new(value.to_owned()));
    Way::Proxy(ProxyAddress { url: format!("{}://{host}", found.uri().scheme_str().unwrap_or("http")), authorization })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_for_the_proxy_and_never_shown() {
        let matcher =
            Matcher::builder().all("http://alice:s3cret@proxy.example.com:3128").no("example.net,192.0.2.0/24").build();
        let Way::Proxy(address) = way_by(&matcher, "cloud.example.com:8443") else { panic!("no proxy") };
        assert_eq!(address.url(), "http://proxy.example.com:3128");
        assert_eq!(address.authorization(), Some("Basic YWxpY2U6czNjcmV0"));
        assert!(!format!("{address:?}").contains("s3cret"));
        for host in ["cloud.example.net", "example.net:8443", "192.0.2.9"] {
            assert_eq!(way_by(&matcher, host), Way::Direct, "{host}");
        }
    }

    #[test]
    fn a_machine_that_names_no_proxy_goes_straight() {
        assert_eq!(way_by(&Matcher::builder().build(), "cloud.example.com"), Way::Direct);
    }
}
