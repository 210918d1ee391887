//! The SAML endpoints: the SOAP binding for devices, and metadata.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saml::binding::soap::{self, FaultCode};
use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::refusal::RefusalCode;
use saml::time::UtcTime;

use super::body::{self, NoBody};
use crate::clock;
use crate::cloud::IssuerNames;
use crate::ecp;
use crate::farewell::farewell;
use crate::issuer_address::IssuerAddress;
use crate::metrics::Outcome;
use crate::network;
use crate::sign_on::{Answer, Arrival, Portal, sign_on};
use crate::store::signing_key::Purpose;

/// The largest body that is read, in octets.
const LARGEST_BODY: usize = 256 * 1024;
/// The media type of SAML metadata.
pub(super) const METADATA: &str = "application/samlmetadata+xml";
/// How long an agent may believe a copy of its metadata, in seconds.
const AGENT_METADATA_SECONDS: i64 = 86_400;

/// `POST /saml/soap`: SAML SOAP binding (Bindings §3.2) for devices.
pub(super) async fn soap(State(portal): State<Arc<Portal>>, request: Request) -> Response {
    exchange(portal, request, |portal, body, arrival| async move {
        match farewell(&portal, &body, arrival).await {
            Some(answer) => answer,
            None => sign_on(&portal, &body, arrival).await,
        }
    })
    .await
}

/// `POST /saml/ecp`, and the same of a tenant's issuer: what a service that speaks ECP asks for (Profiles §4.2), brought along by a device.
pub(super) async fn ecp(State(portal): State<Arc<Portal>>, address: IssuerAddress, request: Request) -> Response {
    let begin = |portal: Arc<Portal>, body: Vec<u8>, arrival| async move {
        ecp::begin(&portal, &body, &address, arrival).await
    };
    exchange(portal, request, begin).await
}

/// Reads a request of the SOAP binding, and writes what `answer` says to it.
async fn exchange<F: Future<Output = Answer>>(
    portal: Arc<Portal>,
    request: Request,
    answer: impl FnOnce(Arc<Portal>, Vec<u8>, Arrival) -> F,
) -> Response {
    let address = client(&portal, &request);
    if !is_xml(request.headers()) {
        return fault(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the SOAP binding takes `Content-Type: text/xml`");
    }
    let body = match body::read(request.into_body(), LARGEST_BODY).await {
        Ok(body) => body,
        Err(NoBody::TooLarge | NoBody::BrokeOff) => {
            return fault(StatusCode::PAYLOAD_TOO_LARGE, "a request may have 256 KiB at most");
        }
        Err(NoBody::TooSlow) => {
            return fault(StatusCode::REQUEST_TIMEOUT, "the request did not come in ten seconds");
        }
    };
    let arrival = Arrival { address, instant: Instant::now(), now: clock::now() };
    let answer = answer(Arc::clone(&portal), body, arrival).await;
    let (answered, time) = (Instant::now(), arrival.instant.elapsed());
    portal.metrics.count(answer.outcome, time);
    if answer.outcome != Outcome::Busy {
        portal.admission.answered(answered);
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = xml(status, "text/xml; charset=utf-8", answer.body);
    // Bindings §3.2.3.2: a requester and everything between must not keep SAML messages.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Where the request comes from, past the proxies that are trusted.
pub(crate) fn client(portal: &Portal, request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    let forwarded: Vec<_> = forwarded.filter_map(|value| value.to_str().ok()).collect();
    Some(network::client(peer.ip(), &forwarded, &portal.trusted_proxies))
}

/// `GET /saml/metadata`, and the same of a tenant's issuer: the identity provider as services see it.
///
/// Only RSA keys are listed: a service provider that meets a kind of key it does not know may refuse the whole document.
pub(super) async fn metadata(State(portal): State<Arc<Portal>>, address: IssuerAddress) -> Response {
    let certificates = match &address {
        IssuerAddress::Shared => Ok(Some(portal.keys.now().certificates(Some(Purpose::Service)))),
        IssuerAddress::Own(tenant_id) => portal.own_certificates(tenant_id).await,
    };
    match certificates {
        Ok(Some(certificates)) => for_services(&portal, address.names(&portal.cloud), certificates),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not describe a tenant's issuer");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn for_services(portal: &Portal, names: IssuerNames, signing_certificates: Vec<Vec<u8>>) -> Response {
    let in_browsers = |binding| Endpoint { binding, location: names.sso_url.clone() };
    let mut sso = vec![Endpoint { binding: Binding::Soap, location: names.soap_url.clone() }];
    if !portal.sign_on_ports.is_empty() {
        sso.splice(0..0, [in_browsers(Binding::Redirect), in_browsers(Binding::Post)]);
    }
    let metadata = IdpMetadata {
        sso,
        entity_id: names.entity_id,
        valid_until: None,
        signing_certificates,
        slo: vec![Endpoint { binding: Binding::Redirect, location: names.slo_url }],
        // Each service's own metadata says whether its requests have to be signed.
        want_authn_requests_signed: false,
    };
    xml(StatusCode::OK, METADATA, metadata.to_xml())
}

/// `GET /saml/agent-metadata`: the identity provider as agents see it, with every key that signs for them.
///
/// It is signed by the key that signs for agents now, which every agent that was heard lately knows: that is how they follow a change
/// of keys. It ends when its list of keys does.
pub(super) async fn agent_metadata(State(portal): State<Arc<Portal>>) -> Response {
    let keys = portal.keys.now();
    let longest = clock::now().plus_seconds(AGENT_METADATA_SECONDS);
    let end = keys.next_retirement().map_or(longest, |retirement| retirement.min(longest));
    let metadata = describe(&portal, keys.certificates(None), Some(end));
    match metadata.to_signed_xml(&keys.identity(Purpose::Agent)) {
        Ok(signed) => xml(StatusCode::OK, METADATA, signed),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not sign the metadata");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn describe(portal: &Portal, signing_certificates: Vec<Vec<u8>>, valid_until: Option<UtcTime>) -> IdpMetadata {
    IdpMetadata {
        entity_id: portal.cloud.entity_id().clone(),
        valid_until,
        signing_certificates,
        sso: vec![Endpoint { binding: Binding::Soap, location: portal.cloud.soap_url().to_owned() }],
        slo: Vec::new(),
        want_authn_requests_signed: true,
    }
}

/// The whole body, if it is not too large, comes in time and does not break off.
pub(crate) async fn read(given: Body) -> Option<Vec<u8>> {
    body::read(given, LARGEST_BODY).await.ok()
}

fn is_xml(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/xml"))
}

fn fault(status: StatusCode, why: &str) -> Response {
    let body = soap::fault(FaultCode::Client, why, Some(RefusalCode::Malformed));
    xml(status, "text/xml; charset=utf-8", body)
}

pub(super) fn xml(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], Body::from(body)).into_response()
}
