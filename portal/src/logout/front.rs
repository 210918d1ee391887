//! The front channel: what only a browser can bring about, and what people begin at their services.

use saml::binding::redirect::{self, Direction, RedirectedLogoutRequest, RedirectedLogoutResponse, signed_query};
use saml::logout::LogoutResponse;
use saml::metadata::SpMetadata;
use saml::name::{EntityId, MessageId};
use saml::refusal::RefusalCode;
use saml::response::Status;
use saml::time::UtcTime;

use super::{Ways, described, done, expecting, registered, request};
use crate::browser::NotBegun;
use crate::issuer_address::IssuerAddress;
use crate::random;
use crate::sign_on::Portal;
use crate::store::StoreError;
use crate::store::service_provider::ServiceProvider;
use crate::store::service_session::{self, ServiceSession};

/// Where a browser is to go that comes by, because a session in it is to end at a service that nothing else reaches; afterwards it comes back
/// with `state`.
///
/// # Errors
/// [`StoreError`].
pub async fn on_the_way(
    portal: &Portal,
    browser: &str,
    state: &str,
    now: UtcTime,
) -> Result<Option<String>, StoreError> {
    let ending = service_session::ending_in_browser(&mut *portal.store.read().await?, browser).await?;
    for session in ending {
        let Some((_, metadata)) = registered(&portal.store, &session).await? else { continue };
        let Ways { soap: None, redirect: Some(address) } = Ways::of(&metadata) else { continue };
        let Some(request) = request(portal, &session, &address, now) else { continue };
        let keys = portal.keys.now();
        let Ok(identity) = keys.issuer(session.issuer, &session.tenant_id) else { continue };
        let query = signed_query(Direction::Request, &request.to_unsigned_xml(), Some(state), identity.signer);
        let Ok(query) = query else { continue };
        let (id, request_id) = (session.id.clone(), request.id.as_str().to_owned());
        portal
            .store
            .write(move |connection| {
                Box::pin(async move { service_session::send_browser(connection, &id, &request_id).await })
            })
            .await?;
        return Ok(Some(redirect::address(&address, &query)));
    }
    Ok(None)
}

/// Where a browser goes on that a service has sent back.
#[derive(Debug)]
pub enum Back {
    /// To the sign-on that it was on its way to.
    SignOn(String),
    /// To the service that has ended a session itself, with the portal's answer.
    Service(String),
}

/// Takes what a service says to `address` by Redirect: its answer to the portal's request, or a request of its own.
///
/// # Errors
/// [`NotBegun`].
pub async fn receive(portal: &Portal, query: &str, address: &IssuerAddress, now: UtcTime) -> Result<Back, NotBegun> {
    match RedirectedLogoutResponse::parse(query) {
        Ok(response) => answered(portal, response, address, now).await,
        Err(_) => asked(portal, query, address, now).await,
    }
}

/// The service that says it has sent a message, as it is known at `address`.
async fn sender(
    portal: &Portal,
    issuer: &EntityId,
    address: &IssuerAddress,
) -> Result<(ServiceProvider, SpMetadata), NotBegun> {
    let service = address.service(&mut *portal.store.read().await?, issuer.as_str()).await?;
    service.and_then(described).ok_or_else(|| NotBegun::Refused(RefusalCode::ServiceUnknown, issuer.to_string()))
}

async fn answered(
    portal: &Portal,
    response: RedirectedLogoutResponse,
    address: &IssuerAddress,
    now: UtcTime,
) -> Result<Back, NotBegun> {
    let (service, metadata) = sender(portal, response.claimed_issuer(), address).await?;
    let names = address.names(&portal.cloud);
    let destinations = [names.slo_url.as_str()];
    let expect = expecting(&destinations, now);
    let keys = metadata.signing_keys().unwrap_or_default();
    let received = response.verify(&keys, service.settings.algorithms(), &expect)?;
    let answer = received.message.response();
    let asked = answer.in_response_to.as_ref().map(MessageId::as_str).unwrap_or_default();
    let session = service_session::by_request(&mut *portal.store.read().await?, asked).await?;
    let is_its =
        |session: &ServiceSession| session.service == service.entity_id && session.tenant_id == service.tenant_id;
    if let Some(session) = session.filter(is_its) {
        let result = if answer.status.is_success() { "ok" } else { "refused" };
        done(&portal.store, session, result).await?;
    }
    Ok(Back::SignOn(received.relay_state.unwrap_or_default()))
}

/// A person has logged out at a service: the portal forgets the session, and answers.
async fn asked(portal: &Portal, query: &str, address: &IssuerAddress, now: UtcTime) -> Result<Back, NotBegun> {
    let request = RedirectedLogoutRequest::parse(query)?;
    let (service, metadata) = sender(portal, request.claimed_issuer(), address).await?;
    let names = address.names(&portal.cloud);
    let destinations = [names.slo_url.as_str()];
    let expect = expecting(&destinations, now);
    let keys = metadata.signing_keys().unwrap_or_default();
    let received = request.verify(&keys, service.settings.algorithms(), &expect)?;
    let request = received.message.request();
    let back = Ways::of(&metadata).redirect.ok_or_else(|| {
        let why = format!("`{}` names no address for an answer by Redirect", service.entity_id);
        NotBegun::Refused(RefusalCode::AcsNotRegistered, why)
    })?;
    let (tenant_id, entity_id) = (&service.tenant_id, &service.entity_id);
    let ended =
        service_session::of_name(&mut *portal.store.read().await?, tenant_id, entity_id, &request.name_id).await?;
    let is_meant = |session: &ServiceSession| {
        request.session_indexes.is_empty() || request.session_indexes.iter().any(|index| index == session.id.as_str())
    };
    for mut session in ended.into_iter().filter(is_meant) {
        session.logout_why.get_or_insert_with(|| "the person has logged out at the service".to_owned());
        done(&portal.store, session, "ok").await?;
    }
    let response = LogoutResponse {
        id: MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?),
        issue_instant: now,
        destination: Some(back.clone()),
        in_response_to: Some(request.id.clone()),
        issuer: names.entity_id,
        status: Status::success(),
    };
    let keys = portal.keys.now();
    let identity = keys.issuer(address.issuer(), &service.tenant_id).map_err(|_| StoreError::Stopping)?;
    let state = received.relay_state.as_deref();
    let query = signed_query(Direction::Response, &response.to_unsigned_xml(), state, identity.signer)
        .map_err(|_| StoreError::Stopping)?;
    Ok(Back::Service(redirect::address(&back, &query)))
}
