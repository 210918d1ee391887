//! The portal as a service provider: its metadata for identity providers, and the address where their Responses come.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use saml::refusal::RefusalCode;

use super::navigation::onward;
use super::saml::{METADATA, read, xml};
use super::sso::{BROWSER_COOKIE, SIGNING_IN, failed, post_page, refused, uncached};
use crate::browser::NotBegun;
use crate::clock;
use crate::external::{self, Answered, Leaving};
use crate::sign_on::Portal;
use crate::store::signing_key::Purpose;
use crate::web::cookie;
use crate::web::fields::Fields;

/// The cookie by which a browser that comes back is known. What another site's page posts brings no other kind along.
const RETURN_COOKIE: &str = "__Host-countersign-return";
/// `GET /saml/sp`: the portal as identity providers see it.
pub(super) async fn metadata(State(portal): State<Arc<Portal>>) -> Response {
    let certificates = portal.keys.now().certificates(Some(Purpose::Service));
    xml(StatusCode::OK, METADATA, external::service_provider(&portal.cloud, certificates).to_xml())
}

/// `POST /saml/acs`: a Response of another identity provider's (Bindings §3.5).
pub(super) async fn receive(State(portal): State<Arc<Portal>>, headers: HeaderMap, request: Request) -> Response {
    let Some(body) = read(request.into_body()).await else {
        let why = "the form is larger than 256 KiB, or did not come in ten seconds".to_owned();
        return not_believed(NotBegun::Refused(RefusalCode::Malformed, why));
    };
    let Some(_permit) = portal.admission.enter() else {
        return failed(RefusalCode::Busy);
    };
    let fields = Fields::parse(&body);
    let responses = fields.all("SAMLResponse");
    let [response] = responses.as_slice() else {
        let why = "the form has to have one SAMLResponse".to_owned();
        return not_believed(NotBegun::Refused(RefusalCode::Malformed, why));
    };
    let browser = cookie(&headers, RETURN_COOKIE);
    match external::answer(&portal, response, browser.as_deref(), clock::now()).await {
        Ok(Answered::Form(form)) => post_page(SIGNING_IN, form),
        Ok(Answered::Proved(completion)) => super::prove::to_device(completion.as_str()),
        Ok(Answered::NotProved { request, why }) => {
            uncached(Redirect::to(&format!("/prove/{request}?problem={}", why.as_str())).into_response())
        }
        Err(error) => not_believed(error),
    }
}

/// Sends the browser `browser` to another identity provider.
pub(super) fn leave(leaving: Leaving, headers: &HeaderMap, (browser, seconds): (&str, u32)) -> Response {
    let mut response = match leaving {
        Leaving::Redirect(url) => onward(headers, &url),
        Leaving::Post(form) => post_page(SIGNING_IN, form),
    };
    let returning = external::LIFE_SECONDS;
    for kept in [
        format!("{BROWSER_COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"),
        format!("{RETURN_COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=None; Max-Age={returning}"),
    ] {
        if let Ok(kept) = HeaderValue::from_str(&kept) {
            response.headers_mut().append(header::SET_COOKIE, kept);
        }
    }
    response
}

fn not_believed(error: NotBegun) -> Response {
    match error {
        NotBegun::Rejected(rejection) => {
            let (code, why) = (rejection.code(), rejection.to_string());
            tracing::info!(%code, why, "refused what came from another identity provider");
            refused(code, words(code), why)
        }
        NotBegun::Refused(code, why) => {
            tracing::info!(%code, why, "refused what came from another identity provider");
            refused(code, words(code), why)
        }
        NotBegun::TooOften(_) => failed(RefusalCode::Busy),
        NotBegun::Failed(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a browser");
            failed(RefusalCode::Busy)
        }
    }
}

/// Where the code's own words speak of requests and devices, and this is an answer: what has happened, and what to do.
const OWN_WORDS: [(RefusalCode, &str, &str); 8] = [
    (RefusalCode::Malformed, "the identity provider’s answer is not one that the portal accepts", LOOK_AT_SETTINGS),
    (RefusalCode::ClockSkew, "the identity provider’s answer is too old, or from the future", LOOK_AT_SETTINGS),
    (
        RefusalCode::BadSignature,
        "the portal can’t tell that the answer is the identity provider’s",
        "open the service again; if it stays like this, the portal’s administrator records the identity provider’s current metadata",
    ),
    (RefusalCode::Replayed, "this answer of the identity provider’s was used before", "open the service again"),
    (
        RefusalCode::IdpDisabled,
        "the identity provider does not answer for your organisation any more",
        "ask your organisation’s support how you sign in now",
    ),
    (
        RefusalCode::EvidenceTooWeak,
        "your organisation wants a better proof of who you are than the identity provider has",
        "sign in with a device of your organisation’s",
    ),
    (
        RefusalCode::DeviceNotCompliant,
        "the policy demands something of devices, and no device has vouched for you",
        "sign in with a device of your organisation’s",
    ),
    (RefusalCode::SignOnOver, "nobody waits for this answer in this browser", "open the service again"),
];
const LOOK_AT_SETTINGS: &str = "open the service again; if it stays like this, the administrators of the identity provider look at its settings for this portal, and its clock";

fn words(code: RefusalCode) -> (&'static str, &'static str) {
    let own = OWN_WORDS.iter().find(|(of, _, _)| *of == code);
    own.map_or((code.meaning(), code.next_action()), |(_, meaning, next_action)| (meaning, next_action))
}
