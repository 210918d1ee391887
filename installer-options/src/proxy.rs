//! Which way to the cloud: whatever the operating system says, straight, or through one proxy.

use crate::{cloud::CloudHost, names::shown};
use std::fmt;

/// The way to the cloud that an administrator chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxySetting {
    /// As the operating system is set up.
    System,
    /// Without a proxy, whatever the operating system says.
    Direct,
    /// Through this one, whatever the operating system says.
    Fixed(ProxyUrl),
}

/// The address of an HTTP proxy that takes `CONNECT` (RFC 9110 §9.3.6), without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    encrypted: bool,
    host: CloudHost,
}

/// Why a text names no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// User and password do not belong into an option that everybody on the device may read. The text is not repeated.
    #[error("the address holds credentials")]
    Credentials,
    /// Another scheme, or none.
    #[error("`{0}` is neither `system` nor `direct`, and does not begin with `http://` or `https://`")]
    Scheme(String),
    /// What follows the scheme is no host with a port.
    #[error("`{0}` has no host and port behind the scheme")]
    Host(String),
}

impl ProxySetting {
    /// Reads `system`, `direct`, `http://host[:port]` or `https://host[:port]`; a `/` at the end is allowed.
    ///
    /// # Errors
    ///
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, ProxyFault> {
        let text = text.trim();
        match text {
            "system" => return Ok(Self::System),
            "direct" => return Ok(Self::Direct),
            _ => {}
        }
        let with = |encrypted, rest: &str| {
            let authority = rest.strip_suffix('/').unwrap_or(rest);
            if authority.contains('@') {
                return Err(ProxyFault::Credentials);
            }
            let host = CloudHost::parse(authority).map_err(|_| ProxyFault::Host(shown(text)))?;
            Ok(Self::Fixed(ProxyUrl { encrypted, host }))
        };
        match text.split_once("://") {
            Some(("http", rest)) => with(false, rest),
            Some(("https", rest)) => with(true, rest),
            _ if text.contains('@') => Err(ProxyFault::Credentials),
            _ => Err(ProxyFault::Scheme(shown(text))),
        }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", if self.encrypted { "https" } else { "http" }, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_scheme_a_host_and_a_port() {
        let fixed = |text: &str| match ProxySetting::parse(text) {
            Ok(ProxySetting::Fixed(url)) => url.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(fixed(" http://proxy.example.com:3128/ "), "http://proxy.example.com:3128");
        assert_eq!(fixed("https://192.0.2.1:8443"), "https://192.0.2.1:8443");
        assert_eq!(fixed("http://[2001:db8::1]:3128"), "http://[2001:db8::1]:3128");
        assert_eq!(ProxySetting::parse("system"), Ok(ProxySetting::System));
        assert_eq!(ProxySetting::parse("direct"), Ok(ProxySetting::Direct));
    }

    #[test]
    fn credentials_are_refused_without_being_repeated() {
        for text in ["http://alice:secret@proxy.example.com:3128", "alice:secret@proxy.example.com"] {
            let fault = ProxySetting::parse(text).unwrap_err();
            assert_eq!(fault, ProxyFault::Credentials);
            assert!(!fault.to_string().contains("secret"));
        }
    }

    #[test]
    fn what_is_no_way_is_refused() {
        assert!(matches!(ProxySetting::parse("proxy.example.com:3128"), Err(ProxyFault::Scheme(_))));
        assert!(matches!(ProxySetting::parse("socks5://proxy.example.com"), Err(ProxyFault::Scheme(_))));
        assert!(matches!(ProxySetting::parse("http://proxy.example.com/proxy.pac"), Err(ProxyFault::Host(_))));
        assert!(matches!(ProxySetting::parse("http://"), Err(ProxyFault::Host(_))));
        assert!(matches!(ProxySetting::parse(""), Err(ProxyFault::Scheme(_))));
    }
}
