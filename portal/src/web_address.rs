//! Addresses on the web as strangers' documents and administrators give them: parsed, never compared by how they begin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// `https://host[:port]/…`, without a user's name or password in it: `https://portal@elsewhere` leads elsewhere.
#[must_use]
pub fn is_https(text: &str) -> bool {
    parse(text).is_some_and(|url| url.scheme() == "https")
}

/// The same, or plain HTTP to this very machine, which no network sees.
#[must_use]
pub fn is_https_or_here(text: &str) -> bool {
    parse(text).is_some_and(|url| url.scheme() == "https" || url.scheme() == "http" && is_here(&url))
}

/// An address with a host and no user information.
pub(crate) fn parse(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    // The parser would also take spaces, tabs and backslashes, which others understand otherwise.
    let is_plain = !text.contains(|character: char| character.is_whitespace() || character == '\\');
    let has_user = !url.username().is_empty() || url.password().is_some();
    let authority = text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    (is_plain && !has_user && !authority.contains('@') && url.has_host()).then_some(url)
}

fn is_here(url: &Url) -> bool {
    match literal(url) {
        Some(address) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    }
}

/// The IP address that stands in `url` in place of a name.
pub(crate) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether `address` is one of the internet's: not of this machine, a local network, or a test.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special-purpose addresses (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 198 && (18..20).contains(&b);
    !special
}

/// Global unicast, without the parts of it that lead to IPv4 addresses or nowhere.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let leads_elsewhere = first == 0x2002 || first == 0x2001 && (second < 0x200 || second == 0xdb8);
    (0x2000..0x4000).contains(&first) && !leads_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_user_information_or_another_host_than_it_seems_is_none() {
        assert!(is_https("https://service.example.test/acs?x=1@y"));
        for wrong in [
            "https://service.example.test@evil.test/acs",
            "https://service.example.test:x@evil.test/",
            "https://@evil.test/",
            "https:\\\\evil.test",
            "https://evil.test\\@service.example.test/",
            "https://",
            " https://service.example.test/",
            "http://service.example.test/",
            "javascript:alert(1)",
        ] {
            assert!(!is_https(wrong), "{wrong}");
        }
    }

    #[test]
    fn plain_http_is_for_this_very_machine() {
        for here in ["http://localhost:8080/acs", "http://127.0.0.1/acs", "http://[::1]:80/acs"] {
            assert!(is_https_or_here(here), "{here}");
        }
        for elsewhere in ["http://127.0.0.1.evil.test/", "http://localhost.evil.test/", "http://localhost@evil.test/"] {
            assert!(!is_https_or_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn addresses_of_local_networks_are_not_public_however_they_are_written() {
        for public in ["192.0.1.1", "8.8.8.8", "2a00:1450:4001::1", "2001:4860:4860::8888"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for local in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(local.parse().unwrap()), "{local}");
        }
    }
}
