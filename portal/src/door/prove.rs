//! `/prove/ID`: the page on which somebody proves once, in the browser of a device, who they are.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use saml::refusal::RefusalCode;

use super::saml::read;
use super::sso::{BROWSER_COOKIE, POST_POLICY, failed, uncached};
use crate::clock;
use crate::proof::browser::{self, Asked};
use crate::sign_on::Portal;
use crate::store::StoreError;
use crate::web::fields::Fields;
use crate::web::{Links, cookie, html};

#[derive(Template)]
#[template(path = "prove.html")]
struct ProvePage {
    links: Links,
    id: String,
    user: String,
    device: String,
    network: String,
    service: String,
    days: i64,
    problem: Option<&'static str>,
}

/// `GET /prove/{id}`.
pub(super) async fn page(State(portal): State<Arc<Portal>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(_permit) = portal.admission.enter() else { return failed(RefusalCode::Busy) };
    match asked(&portal, &id, &headers).await {
        Ok(Some(asked)) => show(&asked, None),
        Ok(None) => failed(RefusalCode::SignOnOver),
        Err(error) => database(&error),
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
        Ok(Some(asked)) => asked,
        Ok(None) => return failed(RefusalCode::SignOnOver),
        Err(error) => return database(&error),
    };
    match browser::take_code(&portal, &asked, Fields::parse(&body).text("code"), clock::now()).await {
        Ok(Some(completion)) => to_device(completion.as_str()),
        Ok(None) => show(&asked, Some(RefusalCode::ProofRefused.meaning())),
        Err(error) => database(&error),
    }
}

/// The question, if it was put to this browser. Its cookie is not sent along by other sites' forms.
async fn asked(portal: &Portal, id: &str, headers: &HeaderMap) -> Result<Option<Asked>, StoreError> {
    let held = cookie(headers, BROWSER_COOKIE);
    browser::asked(portal, id, held.as_deref(), clock::now()).await
}

fn show(asked: &Asked, problem: Option<&'static str>) -> Response {
    let request = &asked.request;
    let short = request.device_id.as_str().rsplit(':').next().unwrap_or_default().chars().take(8).collect::<String>();
    let page = ProvePage {
        links: Links,
        id: request.id.clone(),
        user: request.name_id.clone(),
        device: if request.hostname.is_empty() { short } else { format!("{} ({short})", request.hostname) },
        network: network(&request.address),
        service: request.service.clone(),
        days: asked.days,
        problem,
    };
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let mut response = uncached(html(status, &page));
    // What follows the form leads to the device: browsers would hold it to a narrower policy.
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
