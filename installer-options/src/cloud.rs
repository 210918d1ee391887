//! Which cloud: a host, or a short name that a directory resolves.

use crate::names::{dns_name, shown};
use std::{fmt, net::IpAddr};

/// A cloud as an administrator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudName {
    /// By its host: anything with a dot, a port or brackets.
    Host(CloudHost),
    /// By a short name.
    Short(String),
}

/// A host that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudHost {
    /// A DNS name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

/// Why a text names no cloud.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudFault {
    /// It begins with a scheme.
    #[error("`{given}` begins with a scheme")]
    Scheme {
        /// What was given.
        given: String,
        /// The host in it.
        host: String,
    },
    /// It has a path.
    #[error("`{given}` has a path")]
    Path {
        /// What was given.
        given: String,
        /// The part before the path.
        host: String,
    },
    /// The port is none.
    #[error("`{0}` has a port that is not between 1 and 65535")]
    Port(String),
    /// It is no host and no short name.
    #[error("`{0}` is neither a host name nor a short name")]
    Syntax(String),
}

/// A short name that the directory does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no cloud is called `{name}`: write its host name, {}", known_ones(known))]
pub struct UnknownCloud {
    /// The short name.
    pub name: String,
    /// The names that the directory has.
    pub known: Vec<String>,
}

fn known_ones(known: &[String]) -> String {
    if known.is_empty() {
        return "or list it in the option `clouds`, which is empty".to_owned();
    }
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("or one of {}", names.join(", "))
}

impl CloudName {
    /// Reads a cloud's name.
    ///
    /// # Errors
    ///
    /// When it holds a scheme or a path, or is no name at all.
    pub fn parse(text: &str) -> Result<Self, CloudFault> {
        let text = text.trim();
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            return Err(CloudFault::Scheme { given: shown(text), host: shown(host) });
        }
        if let Some((host, _)) = text.split_once('/') {
            return Err(CloudFault::Path { given: shown(text), host: shown(host) });
        }
        if text.contains(['.', ':', '[']) {
            return CloudHost::parse(text).map(Self::Host);
        }
        let is_short = |name: &String| {
            (1..=63).contains(&name.len())
                && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
        };
        Some(text.to_ascii_lowercase()).filter(is_short).map(Self::Short).ok_or_else(|| CloudFault::Syntax(shown(text)))
    }

    /// The host that this name means.
    ///
    /// # Errors
    ///
    /// When it is a short name that `clouds` does not have: never a guess.
    pub fn resolve(&self, clouds: &[(String, CloudHost)]) -> Result<CloudHost, UnknownCloud> {
        match self {
            Self::Host(host) => Ok(host.clone()),
            Self::Short(name) => match clouds.iter().find(|(known, _)| known == name) {
                Some((_, host)) => Ok(host.clone()),
                None => Err(UnknownCloud {
                    name: name.clone(),
                    known: clouds.iter().map(|(known, _)| known.clone()).collect(),
                }),
            },
        }
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(formatter),
            Self::Short(name) => formatter.write_str(name),
        }
    }
}

impl CloudHost {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// When the host is neither a DNS name nor an IP address (IPv6 in brackets), or the port is not between 1 and 65535.
    pub fn parse(text: &str) -> Result<Self, CloudFault> {
        let text = text.trim();
        let syntax = || CloudFault::Syntax(shown(text));
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port != 0).ok_or_else(|| CloudFault::Port(shown(text)))?)
            }
            Some(_) => return Err(CloudFault::Port(shown(text))),
            None => None,
        };
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bracketed {
            Some(address) => format!("[{}]", address.parse::<std::net::Ipv6Addr>().map_err(|_| syntax())?),
            None => dns_name(host).ok_or_else(syntax)?,
        };
        // A name whose last label is a number would be read as an address by some and as a name by others.
        let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
        if numeric && host.parse::<IpAddr>().is_err() {
            return Err(syntax());
        }
        Ok(Self { host, port })
    }

    /// The DNS name or address, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 443 where none was given.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }

    /// `https://host` or `https://host:port`, without a closing slash. Always TLS.
    pub fn base_url(&self) -> String {
        format!("https://{self}")
    }
}

impl fmt::Display for CloudHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if port != 443 => write!(formatter, "{}:{port}", self.host),
            _ => formatter.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> String {
        CloudHost::parse(text).unwrap().base_url()
    }

    #[test]
    fn hosts_have_a_dot_or_a_port_and_the_rest_is_short() {
        assert_eq!(url("Cloud.Example.NET"), "https://cloud.example.net");
        assert_eq!(url("cloud.example.net:8443"), "https://cloud.example.net:8443");
        assert_eq!(url("cloud.example.net:443"), "https://cloud.example.net");
        assert_eq!(url("127.0.0.1:8443"), "https://127.0.0.1:8443");
        assert_eq!(url("[2001:DB8::1]:8443"), "https://[2001:db8::1]:8443");
        assert_eq!(url("[::1]"), "https://[::1]");
        assert!(matches!(CloudName::parse("localhost:8443"), Ok(CloudName::Host(_))));
        assert_eq!(CloudName::parse("Example"), Ok(CloudName::Short("example".to_owned())));
    }

    #[test]
    fn addresses_of_the_web_are_refused_with_the_host_in_them() {
        assert!(
            matches!(CloudName::parse("https://cloud.example.net/saml"), Err(CloudFault::Scheme { host, .. }) if host == "cloud.example.net")
        );
        assert!(
            matches!(CloudName::parse("cloud.example.net/saml"), Err(CloudFault::Path { host, .. }) if host == "cloud.example.net")
        );
        for wrong in ["cloud.example.net:0", "cloud.example.net:99999", "cloud.example.net:", "a.b:c"] {
            assert!(matches!(CloudName::parse(wrong), Err(CloudFault::Port(_))), "{wrong}");
        }
        for wrong in ["", "a b", "1.2.3", "300.1.1.1", "a..b", "[::1", "::1:x]"] {
            assert!(CloudName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_short_name_lists_the_known_ones() {
        let clouds = [
            ("prod".to_owned(), CloudHost::parse("p.example:8443").unwrap()),
            ("test".to_owned(), CloudHost::parse("t.example").unwrap()),
        ];
        assert_eq!(CloudName::parse("PROD").unwrap().resolve(&clouds).unwrap().base_url(), "https://p.example:8443");
        let text = CloudName::parse("pord").unwrap().resolve(&clouds).unwrap_err().to_string();
        assert!(text.contains("`prod`, `test`"), "{text}");
        assert!(CloudName::parse("x").unwrap().resolve(&[]).unwrap_err().to_string().contains("`clouds`"));
    }

    proptest! {
        #[test]
        fn a_cloud_once_read_reads_the_same_again(text in any::<String>()) {
            if let Ok(name) = CloudName::parse(&text) {
                prop_assert_eq!(CloudName::parse(&name.to_string()).unwrap().to_string(), name.to_string());
            }
        }
    }
}
