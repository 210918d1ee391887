//! What a browser says: the head of one HTTP request, of which nothing is taken but one query.

/// The longest head, in octets: the portal's request, a service's RelayState escaped, and what browsers say about themselves.
pub(super) const LONGEST_HEAD: usize = 24 * 1024;
/// The most fields that a head may have.
const MOST_FIELDS: usize = 64;

/// Why a request is not looked at any further: the status of HTTP that it is answered with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// Not HTTP, or with a body, or larger than the limit.
    NotUnderstood,
    /// Another path.
    NoSuchPage,
    /// Another method.
    Method,
    /// `Host` is not this address: a name that was made to resolve here.
    Host,
    /// A script, a frame, a picture: no page that a person sees.
    NoNavigation,
}

/// The query of the one request that is answered: a navigation to `wanted_path` on `port`.
pub(super) fn parse(head: &[u8], port: u16, wanted_path: &str) -> Result<String, Refused> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        // Octets behind the head are a body, or another request.
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) | Err(_) => return Err(Refused::NotUnderstood),
    }
    let values = |name: &str| {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    if values("host") != [format!("127.0.0.1:{port}").as_bytes()] {
        return Err(Refused::Host);
    }
    if request.method != Some("GET") {
        return Err(Refused::Method);
    }
    if !values("content-length").is_empty() || !values("transfer-encoding").is_empty() {
        return Err(Refused::NotUnderstood);
    }
    // Browsers say what they want a page for; a script has an `Origin`, too.
    let fits = |name: &str, wanted: &[u8]| values(name).iter().all(|value| *value == wanted);
    if !fits("sec-fetch-mode", b"navigate") || !fits("sec-fetch-dest", b"document") || !values("origin").is_empty() {
        return Err(Refused::NoNavigation);
    }
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != wanted_path || query.is_empty() {
        return Err(Refused::NoSuchPage);
    }
    Ok(query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str, fields: &str) -> Result<String, Refused> {
        parse(format!("{line} HTTP/1.1\r\n{fields}\r\n").as_bytes(), 28_517, "/sign-on")
    }

    const HOST: &str = "Host: 127.0.0.1:28517\r\n";

    #[test]
    fn a_navigation_to_the_one_address_is_answered() {
        let fields =
            format!("{HOST}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: cross-site\r\n");
        assert_eq!(ask("GET /sign-on?SAMLRequest=x&Signature=y", &fields).unwrap(), "SAMLRequest=x&Signature=y");
        assert_eq!(ask("GET /sign-on?a=b", HOST).unwrap(), "a=b", "a browser that does not say what it wants");
    }

    #[test]
    fn every_other_path_and_method_is_refused() {
        for path in [
            "/",
            "/sign-on",
            "/sign-on?",
            "/sign-on/?a=b",
            "/SIGN-ON?a=b",
            "//sign-on?a=b",
            "http://127.0.0.1:28517/sign-on?a=b",
        ] {
            assert_eq!(ask(&format!("GET {path}"), HOST), Err(Refused::NoSuchPage), "{path}");
        }
        for method in ["POST", "HEAD", "OPTIONS", "PUT", "get", "CONNECT"] {
            assert_eq!(ask(&format!("{method} /sign-on?a=b"), HOST), Err(Refused::Method), "{method}");
        }
    }

    #[test]
    fn a_name_that_resolves_here_opens_nothing() {
        for host in [
            "localhost:28517",
            "evil.example:28517",
            "127.0.0.1",
            "127.0.0.1:28518",
            "127.0.0.1:28517.",
            "[::1]:28517",
            "127.1:28517",
        ] {
            assert_eq!(ask("GET /sign-on?a=b", &format!("Host: {host}\r\n")), Err(Refused::Host), "{host}");
        }
        assert_eq!(ask("GET /sign-on?a=b", ""), Err(Refused::Host));
        assert_eq!(ask("GET /sign-on?a=b", &format!("{HOST}Host: evil.example\r\n")), Err(Refused::Host));
    }

    #[test]
    fn scripts_frames_and_pictures_get_nothing() {
        for field in [
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: iframe",
            "Sec-Fetch-Dest: image",
            "Origin: https://evil.example",
            "Origin: null",
        ] {
            assert_eq!(ask("GET /sign-on?a=b", &format!("{HOST}{field}\r\n")), Err(Refused::NoNavigation), "{field}");
        }
    }

    #[test]
    fn what_is_no_plain_request_is_refused() {
        for field in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
            assert_eq!(ask("GET /sign-on?a=b", &format!("{HOST}{field}\r\n")), Err(Refused::NotUnderstood), "{field}");
        }
        assert_eq!(
            parse(b"GET /sign-on?a=b HTTP/1.1\r\nHost: 127.0.0.1:28517\r\n\r\nmore", 28_517, "/sign-on"),
            Err(Refused::NotUnderstood)
        );
        assert_eq!(parse(b"\x16\x03\x01\x02\x00", 28_517, "/sign-on"), Err(Refused::NotUnderstood));
        let many = "X: y\r\n".repeat(MOST_FIELDS);
        assert_eq!(ask("GET /sign-on?a=b", &format!("{HOST}{many}")), Err(Refused::NotUnderstood));
    }
}
