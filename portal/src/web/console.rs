//! Signing in by an identity provider: the way there, and what it answers.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;

use super::access::{SESSION_COOKIE, cookie, keep_cookie, set_cookie};
use super::fields::Fields;
use super::sign_in::{self, inside};
use super::{PageError, go};
use crate::browser::NotBegun;
use crate::clock;
use crate::console::{self, LIFE_SECONDS};
use crate::door::{SIGNING_IN, client, post_page, read, uncached};
use crate::external::Leaving;
use crate::sign_on::{Arrival, Portal};
use crate::store::signing_key::Purpose;

/// The cookie by which a browser that comes back is known. What another site's page posts brings no other kind along.
const CONSOLE_COOKIE: &str = "__Host-countersign-console";

/// `GET /saml/admin`: the pages as a service provider.
pub(super) async fn metadata(State(portal): State<Arc<Portal>>) -> Response {
    let certificates = portal.keys.now().certificates(Some(Purpose::Service));
    let headers = [(header::CONTENT_TYPE, "application/samlmetadata+xml")];
    (headers, console::service_provider(&portal.cloud, certificates).to_xml()).into_response()
}

/// `GET /admin/sign-in/with/{idp}`: to the identity provider.
pub(super) async fn leave(
    State(portal): State<Arc<Portal>>,
    Path(idp): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let arrival = Arrival { address: client(&portal, &request), instant: Instant::now(), now: clock::now() };
    let journey =
        console::Journey { session: cookie(&headers, SESSION_COOKIE), next: inside(query.text("next")).to_owned() };
    let (leaving, browser) = match console::begin(&portal, &idp, journey, arrival).await {
        Ok(begun) => begun,
        Err(error) => return refused(&portal, &headers, error).await,
    };
    let mut response = match leaving {
        Leaving::Redirect(url) => uncached(Redirect::to(&url).into_response()),
        Leaving::Post(form) => post_page(SIGNING_IN, form),
    };
    keep_cookie(&mut response, (CONSOLE_COOKIE, &browser), ("None", LIFE_SECONDS));
    Ok(response)
}

/// `POST /saml/admin/acs`: a Response about an administrator (Bindings §3.5).
pub(super) async fn receive(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, PageError> {
    let body = read(request.into_body()).await.ok_or(PageError::TooLarge)?;
    let fields = Fields::parse(&body);
    let responses = fields.all("SAMLResponse");
    let [response] = responses.as_slice() else {
        let why = "the form has to have one SAMLResponse".to_owned();
        return refused(&portal, &headers, NotBegun::Refused(RefusalCode::Malformed, why)).await;
    };
    let browser = cookie(&headers, CONSOLE_COOKIE);
    match console::answer(&portal, response, browser.as_deref(), clock::now()).await {
        Ok(signed_in) => {
            let mut response = uncached(go(inside(&signed_in.next)));
            response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION_COOKIE, &signed_in.secret));
            keep_cookie(&mut response, (CONSOLE_COOKIE, ""), ("None", 0));
            Ok(response)
        }
        Err(error) => refused(&portal, &headers, error).await,
    }
}

/// The sign-in page with what went wrong.
async fn refused(portal: &Portal, headers: &HeaderMap, error: NotBegun) -> Result<Response, PageError> {
    let (status, problem) = match error {
        NotBegun::Rejected(rejection) => {
            let (code, why) = (rejection.code(), rejection.to_string());
            tracing::info!(%code, why, "refused to sign an administrator in");
            (StatusCode::FORBIDDEN, sentence(code, &why))
        }
        NotBegun::Refused(code, why) => {
            tracing::info!(%code, why, "refused to sign an administrator in");
            (StatusCode::FORBIDDEN, sentence(code, &why))
        }
        NotBegun::TooOften(_) => {
            let text = "Too many sign-ins begin at your address: wait a minute, and try again.";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        NotBegun::Failed(error) => return Err(error.into()),
    };
    sign_in::refused(portal, headers, (status, problem)).await
}

/// What has happened and what to do; `{why}` is what is known besides.
const TEXTS: [(RefusalCode, &str); 9] = [
    (
        RefusalCode::UserNotProvisioned,
        "You are signed in there as “{why}”, and no account here is linked with that name. An owner of this portal links yours.",
    ),
    (RefusalCode::UserSuspended, "Your account is disabled. Ask an owner of this portal."),
    (
        RefusalCode::DeviceNotCompliant,
        "This device knows you, and is not among those that may sign your account in. Ask an owner of this portal.",
    ),
    (
        RefusalCode::EvidenceTooWeak,
        "What this device offers for who you are is not enough for these pages. Sign in another way.",
    ),
    (RefusalCode::SignOnOver, "Nobody waits for this answer in this browser. Begin again below."),
    (RefusalCode::Replayed, "This answer was used before. Begin again below."),
    (RefusalCode::ResponseUnsolicited, "Nobody has asked for this answer. Begin below."),
    (RefusalCode::IdpRefused, "The identity provider did not sign you in anew. {why}"),
    (RefusalCode::IdpDisabled, "That way in is closed: {why}."),
];
const NOT_BELIEVED: &str = "The identity provider’s answer is not to be believed. {why} An owner of this portal compares its metadata and settings with what the portal has.";

/// What went wrong and what to do, with the code that the audit has.
fn sentence(code: RefusalCode, why: &str) -> String {
    let text = TEXTS.iter().find(|(of, _)| *of == code).map_or(NOT_BELIEVED, |(_, text)| text);
    format!("{} ({code})", text.replace("{why}", why).trim_end())
}
