//! `/saml/sso`: where services send people's browsers, by Redirect and by POST, and the page that sends them on to their device.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;

use super::saml::read;
use crate::browser::{self, Incoming, Next, NotBegun};
use crate::sign_on::Portal;
use crate::web::fields::Fields;
use crate::web::{Links, cookie, html};
use crate::{clock, random};

/// The cookie by which a browser is known again that a device has answered. It says nothing about a person.
const BROWSER_COOKIE: &str = "__Host-countersign-browser";
/// For how long a browser keeps it, in seconds: half a year.
const COOKIE_SECONDS: u32 = 15_552_000;

#[derive(Template)]
#[template(path = "sso.html")]
struct AskPage {
    links: Links,
    service: String,
    go_on: String,
    was_unanswered: bool,
}

#[derive(Template)]
#[template(path = "sso_refused.html")]
struct RefusedPage {
    links: Links,
    code: &'static str,
    meaning: &'static str,
    next_action: &'static str,
    why: String,
}

/// `GET /saml/sso`: the Redirect binding (Bindings §3.4).
pub(super) async fn redirect(State(portal): State<Arc<Portal>>, RawQuery(query): RawQuery) -> Response {
    begin(&portal, Incoming::Redirect(query.as_deref().unwrap_or_default())).await
}

/// `POST /saml/sso`: the POST binding (Bindings §3.5).
pub(super) async fn post(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    let Some(body) = read(request.into_body()).await else {
        return refused(RefusalCode::Malformed, "the form is larger than 256 KiB".to_owned());
    };
    let fields = Fields::parse(&body);
    let (requests, states) = (fields.all("SAMLRequest"), fields.all("RelayState"));
    let ([given], [] | [_]) = (requests.as_slice(), states.as_slice()) else {
        return refused(RefusalCode::Malformed, "the form has to have one SAMLRequest".to_owned());
    };
    begin(&portal, Incoming::Post { request: given, relay_state: states.first().map(String::as_str) }).await
}

/// From here on the browser asks by itself: what a service's own page sends along has no cookie of ours.
async fn begin(portal: &Arc<Portal>, incoming: Incoming<'_>) -> Response {
    let Some(_permit) = portal.admission.enter() else {
        return refused(RefusalCode::Busy, String::new());
    };
    match browser::begin(portal, incoming, clock::now()).await {
        Ok(id) => uncached(Redirect::to(&format!("/saml/sso/continue?transaction={id}")).into_response()),
        Err(error) => not_begun(error),
    }
}

/// `GET /saml/sso/continue`: to the device, or the page that asks first.
pub(super) async fn go_on(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(_permit) = portal.admission.enter() else {
        return refused(RefusalCode::Busy, String::new());
    };
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let held = cookie(&headers, BROWSER_COOKIE).filter(|held| held.len() == 32);
    let Some(browser) = held.or_else(|| random::row_id().ok()) else {
        return refused(RefusalCode::Busy, String::new());
    };
    let id = query.raw("transaction");
    match browser::go_on(&portal, id, (&browser, query.has("go", "1")), clock::now()).await {
        Ok(Next::Device(url)) => {
            let mut response = uncached(Redirect::to(&url).into_response());
            let kept =
                format!("{BROWSER_COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={COOKIE_SECONDS}");
            if let Ok(kept) = HeaderValue::from_str(&kept) {
                response.headers_mut().append(header::SET_COOKIE, kept);
            }
            response
        }
        Ok(Next::Ask { service, was_unanswered }) => {
            let go_on = format!("/saml/sso/continue?transaction={id}&go=1");
            html(StatusCode::OK, &AskPage { links: Links, service, go_on, was_unanswered })
        }
        Err(error) => not_begun(error),
    }
}

fn uncached(mut response: Response) -> Response {
    // Bindings §3.4.5.1 and §3.5.5.1: nothing between may keep SAML messages.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

fn not_begun(error: NotBegun) -> Response {
    match error {
        NotBegun::Refused(code, why) => {
            tracing::info!(%code, why, "refused a service's request");
            refused(code, why)
        }
        NotBegun::Failed(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a browser");
            refused(RefusalCode::Busy, String::new())
        }
    }
}

/// What to do where a service's request is refused: most of the codes speak of devices.
fn next_action(code: RefusalCode) -> &'static str {
    if code == RefusalCode::BadSignature {
        "whoever runs the service gives the portal its current metadata: it signs with another key than the one on record, or not at all"
    } else if matches!(code, RefusalCode::Malformed | RefusalCode::ClockSkew) {
        "open the service again from its own first page; whoever runs it may have to set its clock or bring it up to date"
    } else {
        code.next_action()
    }
}

fn refused(code: RefusalCode, why: String) -> Response {
    let status = if code == RefusalCode::Busy {
        StatusCode::SERVICE_UNAVAILABLE
    } else if code == RefusalCode::SignOnOver {
        StatusCode::GONE
    } else {
        StatusCode::BAD_REQUEST
    };
    let page =
        RefusedPage { links: Links, code: code.code(), meaning: code.meaning(), next_action: next_action(code), why };
    html(status, &page)
}
