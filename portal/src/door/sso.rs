//! `/saml/sso`: where services send people's browsers, by Redirect and by POST, and the page that sends them on to their device.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;

use super::acs;
use super::navigation::{no_visit, onward};
use super::saml::{client, read};
use crate::advice;
use crate::browser::{self, Begun, Incoming, Next, NotBegun};
use crate::external::{self, Wish};
use crate::issuer_address::IssuerAddress;
use crate::logout::{self, Back};
use crate::post_form::PostForm;
use crate::service_answer::{self, ServiceAnswer};
use crate::sign_on::{Arrival, Portal, seconds};
use crate::store::StoreError;
use crate::web::fields::Fields;
use crate::web::{Links, cookie, html};
use crate::{clock, random};

/// The cookie by which a browser is known again that a device has answered. It says nothing about a person.
pub(super) const BROWSER_COOKIE: &str = "__Host-countersign-browser";
/// For how long a browser keeps it, in seconds: half a year.
pub(super) const COOKIE_SECONDS: u32 = 15_552_000;

#[derive(Template)]
#[template(path = "sso.html")]
struct AskPage {
    links: Links,
    service: String,
    go_on: String,
    was_unanswered: bool,
    /// Other identity providers that may answer.
    others: Vec<Other>,
}

/// Another identity provider, as the page offers it.
struct Other {
    name: String,
    go_on: String,
}

#[derive(Template)]
#[template(path = "sso_refused.html")]
struct RefusedPage {
    links: Links,
    code: &'static str,
    meaning: &'static str,
    next_action: String,
    why: String,
}

/// What a page may do whose form goes to another site: browsers would hold that site's own redirects to a narrower one.
pub(super) const POST_POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What the page says that takes a message elsewhere.
pub(crate) const SIGNING_IN: &str = "Signing in";
const BACK_TO_SERVICE: &str = "Back to the service";

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage {
    links: Links,
    title: &'static str,
    form: PostForm,
}

/// The page that posts `form` by itself.
pub(crate) fn post_page(title: &'static str, form: PostForm) -> Response {
    let mut response = uncached(html(StatusCode::OK, &PostPage { links: Links, title, form }));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POST_POLICY));
    response
}

/// `GET /saml/sso`, and the same of a tenant's issuer: the Redirect binding (Bindings §3.4).
pub(super) async fn redirect(State(portal): State<Arc<Portal>>, to: IssuerAddress, request: Request) -> Response {
    if let Some(answer) = no_visit(request.headers()) {
        return answer;
    }
    let address = client(&portal, &request);
    begin(&portal, Incoming::Redirect(request.uri().query().unwrap_or_default()), &to, address).await
}

/// `POST /saml/sso`, and the same of a tenant's issuer: the POST binding (Bindings §3.5).
pub(super) async fn post(State(portal): State<Arc<Portal>>, to: IssuerAddress, request: Request) -> Response {
    if let Some(answer) = no_visit(request.headers()) {
        return answer;
    }
    let address = client(&portal, &request);
    let Some(body) = read(request.into_body()).await else {
        return refused_request(
            RefusalCode::Malformed,
            "the form is larger than 256 KiB, or did not come in ten seconds".to_owned(),
        );
    };
    let fields = Fields::parse(&body);
    let (requests, states) = (fields.all("SAMLRequest"), fields.all("RelayState"));
    let ([given], [] | [_]) = (requests.as_slice(), states.as_slice()) else {
        return refused_request(RefusalCode::Malformed, "the form has to have one SAMLRequest".to_owned());
    };
    let relay_state = states.first().map(String::as_str);
    begin(&portal, Incoming::Post { request: given, relay_state }, &to, address).await
}

/// From here on the browser asks by itself: what a service's own page sends along has no cookie of ours.
async fn begin(portal: &Arc<Portal>, incoming: Incoming<'_>, to: &IssuerAddress, address: Option<IpAddr>) -> Response {
    let Some(_permit) = portal.admission.enter() else {
        return failed(RefusalCode::Busy);
    };
    let arrival = Arrival { address, instant: Instant::now(), now: clock::now() };
    match browser::begin(portal, incoming, to, arrival).await {
        Ok(Begun::SignOn(begun)) => {
            uncached(Redirect::to(&format!("/saml/sso/continue?transaction={}", begun.id)).into_response())
        }
        Ok(Begun::Answer(answer)) => to_service(portal, answer).await,
        Err(error) => not_begun(error),
    }
}

/// `GET /saml/sso/continue`: to the device, or the page that asks first.
pub(super) async fn go_on(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Some(answer) = no_visit(&headers) {
        return answer;
    }
    let Some(_permit) = portal.admission.enter() else {
        return failed(RefusalCode::Busy);
    };
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let held = cookie(&headers, BROWSER_COOKIE).filter(|held| held.len() == 32);
    let Some(browser) = held.or_else(|| random::row_id().ok()) else {
        return failed(RefusalCode::Busy);
    };
    let id = query.raw("transaction");
    match external::go_on(&portal, id, (&browser, wish(&query)), clock::now()).await {
        Ok(Some(leaving)) => return acs::leave(leaving, &headers, (&browser, COOKIE_SECONDS)),
        Ok(None) => {}
        Err(error) => return not_begun(error),
    }
    match browser::go_on(&portal, id, (&browser, query.has("go", "1")), clock::now()).await {
        Ok(Next::Device(url)) => {
            let mut response = onward(&headers, &url);
            let kept =
                format!("{BROWSER_COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={COOKIE_SECONDS}");
            if let Ok(kept) = HeaderValue::from_str(&kept) {
                response.headers_mut().append(header::SET_COOKIE, kept);
            }
            response
        }
        Ok(Next::Prove(id)) => uncached(Redirect::to(&format!("/prove/{id}")).into_response()),
        Ok(Next::LogOut(url)) => onward(&headers, &url),
        Ok(Next::Ask { service, was_unanswered }) => {
            let go_on = format!("/saml/sso/continue?transaction={id}&go=1");
            match others(&portal, id).await {
                Ok(others) => html(StatusCode::OK, &AskPage { links: Links, service, go_on, was_unanswered, others }),
                Err(error) => not_begun(error.into()),
            }
        }
        Ok(Next::Answer(answer)) => to_service(&portal, answer).await,
        Err(error) => not_begun(error),
    }
}

/// What the person has chosen on the page.
fn wish(query: &Fields) -> Wish<'_> {
    match query.raw("idp") {
        "" if query.has("go", "1") => Wish::Device,
        "" if query.has("ask", "1") => Wish::Asked,
        "" => Wish::Open,
        name => Wish::Provider(name),
    }
}

async fn others(portal: &Portal, id: &str) -> Result<Vec<Other>, StoreError> {
    let other = |offer: external::Offer| {
        let name: String = form_urlencoded::byte_serialize(offer.name.as_bytes()).collect();
        let go_on = format!("/saml/sso/continue?transaction={id}&idp={name}");
        Other { name: offer.name, go_on }
    };
    Ok(external::offers(portal, id).await?.into_iter().map(other).collect())
}

/// `GET /saml/slo`, and the same of a tenant's issuer: a service's answer to the portal's `LogoutRequest`, or its own, by the Redirect binding
/// (Profiles §4.4).
pub(super) async fn log_out(
    State(portal): State<Arc<Portal>>,
    to: IssuerAddress,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(_permit) = portal.admission.enter() else {
        return failed(RefusalCode::Busy);
    };
    match logout::receive(&portal, query.as_deref().unwrap_or_default(), &to, clock::now()).await {
        Ok(Back::SignOn(id)) => {
            let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
            uncached(Redirect::to(&format!("/saml/sso/continue?transaction={id}")).into_response())
        }
        Ok(Back::Service(url)) => onward(&headers, &url),
        Err(error) => not_begun(error),
    }
}

/// The page that takes `answer` to the service by the browser, by itself.
async fn to_service(portal: &Arc<Portal>, answer: ServiceAnswer) -> Response {
    let signing = Arc::clone(portal);
    let signed = tokio::task::spawn_blocking(move || service_answer::form(&signing, answer, clock::now())).await;
    match signed {
        Ok(Ok(form)) => post_page(BACK_TO_SERVICE, form),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not sign an answer to a service");
            failed(RefusalCode::Busy)
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "signing an answer to a service ended early");
            failed(RefusalCode::Busy)
        }
    }
}

pub(crate) fn uncached(mut response: Response) -> Response {
    // Bindings §3.4.5.1 and §3.5.5.1: nothing between may keep SAML messages.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

pub(crate) fn not_begun(error: NotBegun) -> Response {
    match error {
        NotBegun::Rejected(rejection) => {
            let (code, why) = (rejection.code(), rejection.to_string());
            tracing::info!(%code, why, "refused a service's request");
            refused(code, (code.meaning(), &advice::for_rejection(&rejection)), why)
        }
        NotBegun::Refused(code, why) => {
            tracing::info!(%code, why, "refused a service's request");
            refused_request(code, why)
        }
        NotBegun::TooOften(wait) => {
            let wait = seconds(wait);
            tracing::info!(seconds = wait, "refused a service's request that comes too often without a signature");
            let mut response = refused_request(RefusalCode::Busy, "too many sign-ons begin at your address".to_owned());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            response
        }
        NotBegun::Failed(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a browser");
            failed(RefusalCode::Busy)
        }
    }
}

fn refused_request(code: RefusalCode, why: String) -> Response {
    refused(code, (code.meaning(), advice::for_code(code)), why)
}

/// The page for what is nobody's mistake.
pub(super) fn failed(code: RefusalCode) -> Response {
    refused_request(code, String::new())
}

/// The page that says no: what has happened, and what to do.
pub(super) fn refused(code: RefusalCode, (meaning, next_action): (&'static str, &str), why: String) -> Response {
    let status = if code == RefusalCode::Busy {
        StatusCode::SERVICE_UNAVAILABLE
    } else if code == RefusalCode::SignOnOver {
        StatusCode::GONE
    } else {
        StatusCode::BAD_REQUEST
    };
    let page = RefusedPage { links: Links, code: code.code(), meaning, next_action: next_action.to_owned(), why };
    html(status, &page)
}
