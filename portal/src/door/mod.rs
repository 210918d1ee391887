//! The portal's doors: what it answers over HTTPS, and to which clients.

mod acs;
pub(crate) mod body;
mod diagnostics;
mod issuer;
mod navigation;
mod prove;
mod saml;
mod sso;

pub(crate) use prove::{About, short};
pub(crate) use saml::{client, read};
pub(crate) use sso::{SIGNING_IN, not_begun, post_page, uncached};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::saml::device::ECP_PATH;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::metrics::Gauges;
use crate::sign_on::Portal;
use crate::{api, scim, web};

/// All routes.
pub fn router(portal: Arc<Portal>) -> Router {
    Router::new()
        .route("/saml/soap", post(saml::soap))
        .route(ECP_PATH, post(saml::ecp))
        .route("/saml/sso", get(sso::redirect).post(sso::post))
        .route("/saml/sso/continue", get(sso::go_on))
        .route("/prove/{id}", get(prove::page))
        .route("/prove/{id}/code", post(prove::code))
        .route("/prove/{id}/idp", post(prove::idp))
        .route("/prove/{id}/passkey", post(prove::passkey))
        .route("/prove/{id}/passkey/answer", post(prove::passkey_answer))
        .route("/prove/{id}/approval", get(prove::approval))
        .route("/saml/sp", get(acs::metadata))
        .route("/saml/acs", post(acs::receive))
        .route("/saml/slo", get(sso::log_out))
        .route("/saml/metadata", get(saml::metadata))
        .route("/saml/t/{tenant}/sso", get(sso::redirect).post(sso::post))
        .route("/saml/t/{tenant}/slo", get(sso::log_out))
        .route("/saml/t/{tenant}/ecp", post(saml::ecp))
        .route("/saml/t/{tenant}/metadata", get(saml::metadata))
        .route("/saml/agent-metadata", get(saml::agent_metadata))
        .route("/device/diagnostics/{request}", post(diagnostics::receive))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(web::router())
        .merge(api::router())
        .merge(scim::router())
        .layer(axum::middleware::map_response(harden))
        .with_state(portal)
}

/// What is for administrators of the portal, and for nobody outside: on a listener of its own.
pub fn operations_router(portal: Arc<Portal>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(portal)
}

async fn metrics(portal: axum::extract::State<Arc<Portal>>) -> Response {
    let (commits, committed, failed_commits) = portal.store.counts();
    let gauges = Gauges { in_flight: portal.admission.in_flight(), commits, committed, failed_commits };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], portal.metrics.text(&gauges)).into_response()
}

/// Ready means that a sign-on could be answered now: the database answers.
async fn ready(portal: axum::extract::State<Arc<Portal>>) -> Response {
    if portal.is_draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match portal.store.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

/// Headers that every answer carries, so that no page of ours can be framed, sniffed or made to run a script. A page that posts to a service brings a
/// policy of its own.
async fn harden(mut response: Response) -> Response {
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ];
    let headers = response.headers_mut();
    // A page whose form goes to another site has a policy of its own.
    let own_policy = headers.get(header::CONTENT_SECURITY_POLICY).cloned();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(policy) = own_policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
