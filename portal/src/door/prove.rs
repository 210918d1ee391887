//! `/prove/ID`: the page on which somebody proves once, in the browser of a device, who they are.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;
use serde_json::json;

use super::acs;
use super::saml::read;
use super::sso::{BROWSER_COOKIE, COOKIE_SECONDS, POST_POLICY, failed, not_begun, uncached};
use crate::admin::passkey::{CHALLENGE_SECONDS, challenge};
use crate::clock;
use crate::external::{self, NoProof};
use crate::me;
use crate::proof::browser::{self, Asked};
use crate::proof::passkey;
use crate::sign_on::Portal;
use crate::store::StoreError;
use crate::store::proof::ProofRequest;
use crate::web::fields::Fields;
use crate::web::{Links, cookie, html, used_passkey};
use crate::webauthn::RelyingParty;

#[derive(Template)]
#[template(path = "prove.html")]
struct ProvePage {
    links: Links,
    id: String,
    about: About,
    days: i64,
    problem: Option<&'static str>,
    /// Identity providers at which the person may prove it.
    idps: Vec<String>,
    /// Whether they have to sign in there anew.
    is_anew: bool,
    has_passkey: bool,
    has_other_device: bool,
}

#[derive(Template)]
#[template(path = "prove_approval.html")]
struct ApprovalPage {
    links: Links,
    id: String,
    about: About,
    words: String,
    own_page: String,
}

#[derive(Template)]
#[template(path = "prove_passkey.html")]
struct PasskeyPage {
    links: Links,
    id: String,
    about: About,
    /// What the script hands to the browser, as JSON.
    options: String,
}

/// What a question is about, as people are told it on both sides of an approval.
pub(crate) struct About {
    pub(crate) user: String,
    pub(crate) device: String,
    pub(crate) network: String,
    pub(crate) service: String,
}

impl About {
    pub(crate) fn of(portal: &Portal, request: &ProofRequest) -> Self {
        let short = short(request.device_id.as_str());
        Self {
            user: request.name_id.clone(),
            device: if request.hostname.is_empty() { short } else { format!("{} ({short})", request.hostname) },
            network: network(&request.address),
            service: match me::is_own_page(&portal.cloud, &request.service) {
                true => "your own page".to_owned(),
                false => request.service.clone(),
            },
        }
    }
}

/// The first letters of a device's id, which tell it from others of the same host name.
pub(crate) fn short(device_id: &str) -> String {
    device_id.rsplit(':').next().unwrap_or_default().chars().take(8).collect()
}

/// `GET /prove/{id}`.
pub(super) async fn page(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match &asked.request.completion_id {
        Some(completion) => to_device(completion.as_str()),
        None => show(&portal, &asked, problem(query.text("problem"))).await,
    }
}

/// `POST /prove/{id}/code`: the field `code`.
pub(super) async fn code(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Some(body) = read(request.into_body()).await else { return failed(RefusalCode::Malformed) };
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match browser::take_code(&portal, &asked, Fields::parse(&body).text("code"), clock::now()).await {
        Ok(Some(completion)) => to_device(completion.as_str()),
        Ok(None) => show(&portal, &asked, Some(RefusalCode::ProofRefused.meaning())).await,
        Err(error) => database(&error),
    }
}

/// `POST /prove/{id}/idp`: to the identity provider in the field `idp`.
pub(super) async fn idp(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Some(body) = read(request.into_body()).await else { return failed(RefusalCode::Malformed) };
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let fields = Fields::parse(&body);
    let wish = (fields.raw("idp"), fields.has("anew", "1"));
    match external::leave_for_proof(&portal, &asked, wish, clock::now()).await {
        Ok(leaving) => {
            let browser = asked.waiting.browser_id.as_deref().unwrap_or_default();
            acs::leave(leaving, &headers, (browser, COOKIE_SECONDS))
        }
        Err(error) => not_begun(error),
    }
}

/// `POST /prove/{id}/passkey`: the page that has the browser use a passkey.
pub(super) async fn passkey(State(portal): State<Arc<Portal>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let challenge = match challenge(&portal.store, &passkey::held_for(&asked), clock::now()).await {
        Ok(challenge) => challenge,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not make a challenge");
            return failed(RefusalCode::Busy);
        }
    };
    let options = json!({
        "challenge": challenge,
        "rpId": RelyingParty::of(portal.cloud.base()).id,
        "userVerification": "required",
        "allowCredentials": [],
        "timeout": CHALLENGE_SECONDS * 1000,
    });
    let about = About::of(&portal, &asked.request);
    open_to_devices(html(StatusCode::OK, &PasskeyPage { links: Links, id, about, options: options.to_string() }))
}

/// `POST /prove/{id}/passkey/answer`: what the browser's passkey has signed.
pub(super) async fn passkey_answer(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Some(body) = read(request.into_body()).await else { return failed(RefusalCode::Malformed) };
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match passkey::take(&portal, &asked, used_passkey(&Fields::parse(&body)), clock::now()).await {
        Ok(Some(completion)) => to_device(completion.as_str()),
        Ok(None) => show(&portal, &asked, Some("the passkey is not one of yours here")).await,
        Err(error) => database(&error),
    }
}

/// `GET /prove/{id}/approval`: the two words, until the person has picked them on another device. The page looks again by itself.
pub(super) async fn approval(
    State(portal): State<Arc<Portal>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    let asked = match asked(&portal, &id, &headers).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    if let Some(completion) = &asked.request.completion_id {
        return to_device(completion.as_str());
    }
    let page = ApprovalPage {
        links: Links,
        id,
        about: About::of(&portal, &asked.request),
        words: asked.request.words.clone(),
        own_page: format!("{}/me", portal.cloud.base()),
    };
    uncached(html(StatusCode::OK, &page))
}

/// The question, if it was put to this browser; else the page that says that it is over. Its cookie is not sent along by other sites' forms.
async fn asked(portal: &Portal, id: &str, headers: &HeaderMap) -> Result<Asked, Response> {
    let held = cookie(headers, BROWSER_COOKIE);
    match browser::asked(portal, id, held.as_deref(), clock::now()).await {
        Ok(Some(asked)) => Ok(asked),
        Ok(None) => Err(failed(RefusalCode::SignOnOver)),
        Err(error) => Err(database(&error)),
    }
}

/// What the page says after the identity provider has answered; only these texts.
fn problem(why: &str) -> Option<&'static str> {
    let all = [
        (NoProof::OtherName, "you are signed in there under another name than the one above"),
        (NoProof::TooOld, TOO_OLD),
        (NoProof::TooWeak, "it has only a device’s word for who you are itself"),
    ];
    all.into_iter().find(|(one, _)| one.as_str() == why).map(|(_, text)| text)
}

const TOO_OLD: &str = "you have signed in there more than twelve hours ago; sign in there once more";

async fn show(portal: &Portal, asked: &Asked, problem: Option<&'static str>) -> Response {
    let own = match browser::own(portal, asked, clock::now()).await {
        Ok(own) => own,
        Err(error) => return database(&error),
    };
    let page = ProvePage {
        links: Links,
        id: asked.request.id.clone(),
        about: About::of(portal, &asked.request),
        days: asked.days,
        problem,
        idps: asked.idps.clone(),
        is_anew: problem.is_some(),
        has_passkey: own.has_passkey,
        has_other_device: own.has_other_device,
    };
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    open_to_devices(html(status, &page))
}

/// What follows the page's form leads to the device: browsers would hold it to a narrower policy.
fn open_to_devices(response: Response) -> Response {
    let mut response = uncached(response);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POST_POLICY));
    response
}

/// The address that the device's request came from, as people are told.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => "this computer itself".to_owned(),
        Ok(address) => address.to_string(),
        Err(_) => "an unknown network".to_owned(),
    }
}

/// To the device once more, which brings the proof back: the person has just pressed a button.
pub(super) fn to_device(completion: &str) -> Response {
    uncached(Redirect::to(&format!("/saml/sso/continue?transaction={completion}&go=1")).into_response())
}

fn database(error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "could not answer a browser");
    failed(RefusalCode::Busy)
}
