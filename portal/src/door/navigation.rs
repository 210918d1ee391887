//! What a browser says about why it asks (Fetch Metadata, Resource Hints), and how it is sent on.
//!
//! A page's `form-action` holds for every redirect after its form (CSP 3 §6.6.4 as Chromium has it), and no service can name the address of a device in
//! it: a browser is sent on by a page of ours that goes on by itself. Clients that send no `Sec-Fetch-Mode` have no such policy, and are redirected.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::sso::uncached;
use crate::web::{Links, html};

/// What the page may do: run the script that goes on.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage {
    links: Links,
    url: String,
}

/// Sends the browser that has sent `headers` to `url`.
pub(super) fn onward(headers: &HeaderMap, url: &str) -> Response {
    if !headers.contains_key("sec-fetch-mode") {
        return uncached(Redirect::to(url).into_response());
    }
    let mut response = uncached(html(StatusCode::OK, &OnwardPage { links: Links, url: url.to_owned() }));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// The answer to what is no page that a person opens: a picture, a frame, a script's request, or a browser that looks ahead. None: it is one.
/// Nothing is counted, so that the next visit is the first.
pub(super) fn no_visit(headers: &HeaderMap) -> Option<Response> {
    let says = |name: &str, wanted: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains(wanted))
    };
    let looks_ahead =
        ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| says(name, "prefetch") || says(name, "prerender"));
    let is_page = headers.get("sec-fetch-dest").is_none_or(|destination| destination == "document");
    if is_page && !looks_ahead {
        return None;
    }
    let text = "Sign-on takes a page of its own: open the service in a window or tab.\n";
    let mut response = uncached((StatusCode::FORBIDDEN, text).into_response());
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Purpose, Purpose"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_a_page_that_a_person_opens_is_a_visit() {
        for visit in [
            &[][..],
            &[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-mode", "navigate")],
        ] {
            assert!(no_visit(&headers(visit)).is_none(), "{visit:?}");
        }
        for other in [
            &[("sec-fetch-dest", "image")][..],
            &[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-dest", "empty")],
            &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender")],
            &[("purpose", "prefetch")],
            &[("x-moz", "prefetch")],
        ] {
            let answer = no_visit(&headers(other)).unwrap();
            assert_eq!(
                (answer.status(), answer.headers().get(header::LOCATION)),
                (StatusCode::FORBIDDEN, None),
                "{other:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_browser_is_sent_on_by_a_page_and_other_clients_by_a_redirect() {
        let url = "http://127.0.0.1:28517/sign-on?SAMLRequest=a&x=\"<";
        let redirect = onward(&headers(&[]), "http://127.0.0.1:28517/sign-on?SAMLRequest=a");
        assert_eq!(redirect.status(), StatusCode::SEE_OTHER);
        let page = onward(&headers(&[("sec-fetch-mode", "navigate")]), url);
        assert_eq!((page.status(), page.headers().get(header::LOCATION)), (StatusCode::OK, None));
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache, no-store");
        let body = axum::body::to_bytes(page.into_body(), 65_536).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("href=\"http://127.0.0.1:28517/sign-on?SAMLRequest=a&#38;x=&#34;&#60;\""), "{body}");
    }
}
