//! Logging people out of services (Core §3.7, Profiles §4.4): what an assertion has opened ends at its service when its device or its person is
//! shut out, or the person signs out.
//!
//! A service that listens on the SOAP back channel is told at once, and again while it does not answer. One that only a browser reaches is told
//! by the browser in which the session was opened, the next time that it comes by. What a service can't do is not assumed: its metadata says.

mod front;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use saml::binding::soap;
use saml::logout::{LogoutRequest, UnverifiedLogoutResponse};
use saml::metadata::{Binding, SpMetadata};
use saml::name::MessageId;
use saml::rejection::{Rejection, RejectionReason};
use saml::request::{RequestExpectations, ServiceAlgorithms};
use saml::time::UtcTime;

pub use front::{Back, on_the_way, receive};

use crate::sign_on::{Portal, REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::store::audit::{self, Entry};
use crate::store::service_provider::{self, ServiceProvider, may_receive};
use crate::store::service_session::{self, SIGNED_OUT, ServiceSession};
use crate::store::{Store, StoreError};
use crate::{clock, random};

/// How often sessions are looked for that are to end.
const LOOK: Duration = Duration::from_secs(1);
/// How long a service is waited for before the next try, in seconds, doubled with each.
const FIRST_PAUSE_SECONDS: i64 = 30;
/// The longest pause, in seconds.
const LONGEST_PAUSE_SECONDS: i64 = 3600;

/// The ways in which a service can be told that a session ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ways {
    /// Its address for SOAP.
    pub soap: Option<String>,
    /// Its address for browsers, by Redirect.
    pub redirect: Option<String>,
}

impl From<reqwest::Error> for Untold {
    fn from(error: reqwest::Error) -> Self {
        Self::Client(error)
    }
}

impl From<Rejection> for Untold {
    fn from(rejection: Rejection) -> Self {
        Self::Answer(rejection)
    }
}

impl Ways {
    /// What the service's metadata says.
    #[must_use]
    pub fn of(metadata: &SpMetadata) -> Self {
        let at = |binding: &Binding| {
            let endpoint = metadata.slo.iter().find(|endpoint| endpoint.binding == *binding);
            endpoint.map(|endpoint| endpoint.location.clone()).filter(|location| may_receive(location))
        };
        Self { soap: at(&Binding::Soap), redirect: at(&Binding::Redirect) }
    }
}

impl fmt::Display for Ways {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.soap, &self.redirect) {
            (Some(address), _) => write!(formatter, "at once, by SOAP to {address}"),
            (None, Some(address)) => {
                write!(formatter, "when their browser comes by again, by Redirect to {address}")
            }
            (None, None) => {
                formatter.write_str("not: its metadata names no address for that, and sessions end by themselves")
            }
        }
    }
}

/// Why a service was not told, or did not agree.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("it could not be asked: {0}")]
    Client(reqwest::Error),
    #[error("it answered with the status {0}")]
    Status(u16),
    #[error("its answer is not to be believed: {0}")]
    Answer(Rejection),
    #[error("the portal's key could not sign")]
    Sign,
    #[error("it says that it has not ended the session")]
    Refused,
}

/// Tells services by SOAP, for as long as the portal runs.
pub async fn end_sessions(portal: Arc<Portal>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        if let Err(error) = end_due(&portal).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't look for sessions that are to end");
        }
    }
}

async fn end_due(portal: &Portal) -> Result<(), StoreError> {
    let due = service_session::due(&mut *portal.store.read().await?, clock::now()).await?;
    for session in due {
        let now = clock::now();
        let pause = FIRST_PAUSE_SECONDS.saturating_mul(1 << session.tries.min(16)).min(LONGEST_PAUSE_SECONDS);
        let (taken, again) = (session.clone(), now.plus_seconds(pause));
        let is_ours = portal.store.write(move |connection| {
            Box::pin(async move { service_session::take_try(connection, &taken, again).await })
        });
        if is_ours.await? {
            end_one(portal, session, again).await?;
        }
    }
    Ok(())
}

async fn end_one(portal: &Portal, session: ServiceSession, again: UtcTime) -> Result<(), StoreError> {
    let service = registered(&portal.store, &session).await?;
    let Some((service, metadata)) = service else { return done(&portal.store, session, "not-possible").await };
    let ways = Ways::of(&metadata);
    let Some(address) = &ways.soap else {
        // Left to the browser where there is one.
        let waits = ways.redirect.is_some() && session.browser_id.is_some() && clock::now() < session.ends_at;
        return if waits { Ok(()) } else { done(&portal.store, session, "not-possible").await };
    };
    match tell(portal, (&service, &metadata, address), &session).await {
        Ok(()) => done(&portal.store, session, "ok").await,
        Err(Untold::Refused) => done(&portal.store, session, "refused").await,
        Err(error) => {
            note(&session, &error);
            if again < session.ends_at { Ok(()) } else { done(&portal.store, session, "unreachable").await }
        }
    }
}

fn note(session: &ServiceSession, error: &Untold) {
    let service = session.service.as_str();
    tracing::warn!(service, error = error as &dyn std::error::Error, "a service could not be told that a session ends");
}

/// The service of `session` with its metadata, if both are there.
async fn registered(
    store: &Store,
    session: &ServiceSession,
) -> Result<Option<(ServiceProvider, SpMetadata)>, StoreError> {
    let (tenant, service) = (&session.tenant_id, session.service.as_str());
    let service = service_provider::by_entity_id(&mut *store.read().await?, tenant, service).await?;
    Ok(service.and_then(described))
}

fn described(service: ServiceProvider) -> Option<(ServiceProvider, SpMetadata)> {
    let metadata = SpMetadata::parse(service.metadata.as_bytes()).ok()?;
    Some((service, metadata))
}

/// The session is over for the portal; the audit keeps how.
async fn done(store: &Store, session: ServiceSession, result: &str) -> Result<(), StoreError> {
    let entry = Entry {
        at: clock::now(),
        tenant_id: Some(session.tenant_id),
        actor: session.opened_by.to_string(),
        action: "service-logout",
        subject: session.person,
        result: result.to_owned(),
        detail: serde_json::json!({ "service": session.service.as_str(), "why": session.logout_why }),
    };
    let id = session.id;
    store
        .write(move |connection| {
            Box::pin(async move {
                service_session::forget(connection, &id).await?;
                audit::append(connection, entry).await
            })
        })
        .await
}

fn request(portal: &Portal, session: &ServiceSession, destination: &str, now: UtcTime) -> Option<LogoutRequest> {
    let by_person = session.logout_why.as_deref() == Some(SIGNED_OUT);
    let reason = if by_person { "user" } else { "admin" };
    Some(LogoutRequest {
        id: MessageId::from_random(random::bytes().ok()?),
        issue_instant: now,
        destination: Some(destination.to_owned()),
        issuer: portal.cloud.issuer(session.issuer, &session.tenant_id).entity_id,
        not_on_or_after: Some(now.plus_seconds(REQUEST_LIFE_SECONDS)),
        reason: Some(format!("urn:oasis:names:tc:SAML:2.0:logout:{reason}")),
        name_id: session.name_id.clone(),
        session_indexes: vec![session.id.as_str().to_owned()],
    })
}

async fn tell(
    portal: &Portal,
    (service, metadata, address): (&ServiceProvider, &SpMetadata, &str),
    session: &ServiceSession,
) -> Result<(), Untold> {
    let request = request(portal, session, address, clock::now()).ok_or(Untold::Sign)?;
    let keys = portal.keys.now();
    let identity = keys.issuer(session.issuer, &session.tenant_id).map_err(|_| Untold::Sign)?;
    let signed = request.sign(&identity).map_err(|_| Untold::Sign)?;
    let (status, answer) = portal.client.exchange(address, soap::envelope(&signed)).await?;
    if status != 200 {
        return Err(Untold::Status(status));
    }
    let response = UnverifiedLogoutResponse::parse_soap(&answer)?;
    if *response.claimed_issuer() != service.entity_id {
        return Err(Rejection::from(RejectionReason::WrongIssuer).into());
    }
    // Over SOAP an answer goes nowhere but back; what some write there is one of the portal's addresses.
    let names = portal.cloud.issuer(session.issuer, &session.tenant_id);
    let destinations = [names.slo_url.as_str(), &names.soap_url, &names.sso_url, names.entity_id.as_str()];
    let expect = expecting(&destinations, clock::now());
    let response = match response.clone().accept_from_channel(&expect) {
        Err(rejection) if rejection.reason() == RejectionReason::NoPinnedKey => {
            let keys = metadata.signing_keys().unwrap_or_default();
            // Who answers is known by TLS already, so that the SHA-1 with which Shibboleth signs here by itself gives nothing away.
            response.verify_from_service(&keys, ServiceAlgorithms::CurrentAndRsaSha1, &expect)?.response().clone()
        }
        accepted => accepted?,
    };
    if response.in_response_to.as_ref() != Some(&request.id) {
        return Err(Rejection::from(RejectionReason::WrongInResponseTo).into());
    }
    if response.status.is_success() { Ok(()) } else { Err(Untold::Refused) }
}

/// What a service's message has to agree with.
fn expecting<'a>(destinations: &'a [&'a str], now: UtcTime) -> RequestExpectations<'a> {
    RequestExpectations { destinations, now, max_age_seconds: REQUEST_LIFE_SECONDS, max_skew_seconds: SKEW_SECONDS }
}
