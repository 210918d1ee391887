//! WinHTTP's lists of proxies and of hosts that need none. Pure, so that it is tested everywhere.

/// The first proxy in a list that serves `https`: entries like `host:port`, `http://host:port` and `https=host:port`, with `;` or spaces between them.
pub(super) fn first_proxy(list: &str) -> Option<String> {
    let address = |entry: &str| {
        let (scheme, rest) = entry.split_once('=').map_or((None, entry), |(scheme, rest)| (Some(scheme), rest));
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https")) {
            return None;
        }
        let host = rest.split_once("://").map_or(rest, |(_, host)| host).trim_end_matches('/');
        (!host.is_empty() && !host.contains('@')).then(|| format!("http://{host}"))
    };
    list.split(|letter: char| letter == ';' || letter.is_whitespace()).find_map(address)
}

/// Whether a list of hosts that need no proxy has this one: patterns with `*`, and `<local>` for names without a dot.
pub(super) fn is_bypassed(list: &str, host: &str) -> bool {
    let name = host
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or_else(|| host.split_once(':').map_or(host, |(name, _)| name), |(address, _)| address);
    let name = name.to_ascii_lowercase();
    list.split(|letter: char| letter == ';' || letter.is_whitespace()).filter(|pattern| !pattern.is_empty()).any(
        |pattern| {
            if pattern.eq_ignore_ascii_case("<local>") {
                return !name.contains(['.', ':']);
            }
            matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes())
        },
    )
}

/// `*` stands for any number of characters.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| matches(rest, text))),
        Some((letter, rest)) => text.split_first().is_some_and(|(first, text)| first == letter && matches(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_proxy_for_https_counts() {
        for (list, wanted) in [
            ("proxy.example.com:8080", Some("http://proxy.example.com:8080")),
            ("http=a:80;https=b:443;ftp=c:21", Some("http://b:443")),
            ("  http://p:3128/ other:80", Some("http://p:3128")),
            ("http=a:80", None),
            ("", None),
        ] {
            assert_eq!(first_proxy(list).as_deref(), wanted, "{list}");
        }
    }

    #[test]
    fn hosts_that_need_no_proxy_are_told_by_pattern() {
        let list = "<local>;*.corp.example; 192.0.2.*;portal.example.net";
        for host in ["intranet", "a.b.corp.example:8443", "192.0.2.44", "PORTAL.example.net"] {
            assert!(is_bypassed(list, host), "{host}");
        }
        for host in ["corp.example", "cloud.example.net", "[2001:db8::1]:443"] {
            assert!(!is_bypassed(list, host), "{host}");
        }
        assert!(is_bypassed("*", "anything.example"));
        assert!(!is_bypassed("", "anything.example"));
    }
}
