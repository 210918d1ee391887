//! Sign-on in a browser, for any service: a service's request becomes a request of the portal's own, which only the device in front of which
//! the browser runs can answer.
//!
//! The service's request → verified as its metadata demands → kept → the browser sent on to its device with a signed request that lives a
//! minute → the device's own request, which names it ([`crate::decision`] ends it there).

use std::time::Duration;

use saml::binding::redirect::{Direction, Received, RedirectedRequest, signed_query};
use saml::key::VerifyingKey;
use saml::metadata::{Binding, SpMetadata};
use saml::name::MessageId;
use saml::refusal::RefusalCode;
use saml::rejection::{Rejection, RejectionReason};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms, UnverifiedRequest};
use saml::time::UtcTime;

use crate::random;
use crate::sign_on::{Portal, REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::store::audit::{self, Entry};
use crate::store::browser::{self, Browser};
use crate::store::browser_sign_on::{self, BrowserSignOn};
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::signing_key::Purpose;
use crate::store::{Store, StoreError};

/// For how long a device may answer once the browser is sent on, in seconds.
const DEVICE_LIFE_SECONDS: i64 = 60;
/// For how long the page that sends the browser on may stand open, in seconds.
const PAGE_LIFE_SECONDS: i64 = 1800;
/// For how long a browser that no device has answered is sent on again without a question, in seconds: tabs that open together.
const TOGETHER_SECONDS: i64 = 10;
/// For how long a browser is remembered that is not seen.
const BROWSER_LIFE: Duration = Duration::from_hours(24 * 180);
/// `RelayState` that is longer is a mistake; the Redirect binding's reader has the same limit.
const LONGEST_RELAY_STATE: usize = 2048;

/// How a service's request came.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// In a query, undecoded.
    Redirect(&'a str),
    /// In a form.
    Post {
        /// The field `SAMLRequest`.
        request: &'a str,
        /// The field `RelayState`.
        relay_state: Option<&'a str>,
    },
}

/// Why a browser is not sent on.
#[derive(Debug)]
pub enum NotBegun {
    /// With its code, and what is wrong in a few words.
    Refused(RefusalCode, String),
    /// The database, or no randomness.
    Failed(StoreError),
}

impl From<StoreError> for NotBegun {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Rejection> for NotBegun {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection.code(), rejection.to_string())
    }
}

/// A message of a service, as its binding wraps it.
enum Message {
    Redirected(Box<RedirectedRequest>),
    Posted(Box<UnverifiedRequest>),
}

impl Message {
    /// Checks the signature with the service's keys; without one only where its metadata lets it.
    fn accept(
        self,
        service: &SpMetadata,
        expect: &RequestExpectations<'_>,
    ) -> Result<(AuthnRequest, Option<String>), Rejection> {
        if !service.authn_requests_signed {
            match self.unsigned(expect) {
                Err(rejection) if rejection.reason() == RejectionReason::NoPinnedKey => {}
                unsigned => return unsigned,
            }
        }
        let keys: Vec<VerifyingKey> = service.signing_keys().unwrap_or_default();
        match self {
            Self::Redirected(message) => {
                let Received { message, relay_state } = message.verify(&keys, ServiceAlgorithms::Current, expect)?;
                Ok((message.into_request(), relay_state))
            }
            Self::Posted(message) => {
                let message = message.verify_from_service(&keys, ServiceAlgorithms::Current, expect)?;
                Ok((message.into_request(), None))
            }
        }
    }

    fn unsigned(&self, expect: &RequestExpectations<'_>) -> Result<(AuthnRequest, Option<String>), Rejection> {
        Ok(match self {
            Self::Redirected(message) => {
                let Received { message, relay_state } = message.clone().accept_unsigned(expect)?;
                (message.request().clone(), relay_state)
            }
            Self::Posted(message) => (message.clone().accept_unsigned(expect)?.request().clone(), None),
        })
    }
}

/// Takes a service's request; returns the sign-on that has begun with it.
///
/// # Errors
/// [`NotBegun`]; a refusal for a registered service has its row in the audit.
pub async fn begin(portal: &Portal, incoming: Incoming<'_>, now: UtcTime) -> Result<MessageId, NotBegun> {
    let (message, issuer, relay_state) = match incoming {
        Incoming::Redirect(query) => {
            let message = RedirectedRequest::parse(query)?;
            let issuer = message.claimed_issuer().clone();
            (Message::Redirected(Box::new(message)), issuer, None)
        }
        Incoming::Post { request, relay_state } => {
            if relay_state.is_some_and(|state| state.len() > LONGEST_RELAY_STATE) {
                let why = format!("its RelayState is longer than {LONGEST_RELAY_STATE} octets");
                return Err(NotBegun::Refused(RefusalCode::Malformed, why));
            }
            let message = UnverifiedRequest::parse_post(request)?;
            let issuer = message.claimed_issuer().clone();
            (Message::Posted(Box::new(message)), issuer, relay_state.map(str::to_owned))
        }
    };
    let service = service_provider::by_entity_id(&mut *portal.store.read().await?, issuer.as_str()).await?;
    let unknown = || NotBegun::Refused(RefusalCode::ServiceUnknown, issuer.to_string());
    let service = service.ok_or_else(unknown)?;
    let destinations = [portal.cloud.sso_url()];
    let expect = RequestExpectations {
        destinations: &destinations,
        now,
        max_age_seconds: REQUEST_LIFE_SECONDS,
        max_skew_seconds: SKEW_SECONDS,
    };
    let asked = check(message, &service, &expect);
    match asked {
        Ok((request, acs_url, in_query)) => {
            let relay_state = relay_state.or(in_query);
            keep(portal, service, Asked { request, acs_url, relay_state }, now).await
        }
        Err(NotBegun::Refused(code, why)) => {
            note_refusal(&portal.store, &service, (code, &why), now).await?;
            Err(NotBegun::Refused(code, why))
        }
        Err(error @ NotBegun::Failed(_)) => Err(error),
    }
}

/// What a service asks for, verified.
struct Asked {
    request: AuthnRequest,
    acs_url: String,
    relay_state: Option<String>,
}

fn check(
    message: Message,
    service: &ServiceProvider,
    expect: &RequestExpectations<'_>,
) -> Result<(AuthnRequest, String, Option<String>), NotBegun> {
    let metadata = SpMetadata::parse(service.metadata.as_bytes())?;
    let (request, relay_state) = message.accept(&metadata, expect)?;
    let acs_url = acs(&request, &metadata, service)?;
    Ok((request, acs_url, relay_state))
}

/// The address that the Response goes to: one of the registered ones for POST, which the request may choose from.
fn acs(request: &AuthnRequest, metadata: &SpMetadata, service: &ServiceProvider) -> Result<String, NotBegun> {
    let unregistered = |what: String| NotBegun::Refused(RefusalCode::AcsNotRegistered, what);
    if let Some(binding) = request.protocol_binding.as_deref().filter(|uri| *uri != Binding::Post.uri()) {
        return Err(unregistered(binding.to_owned()));
    }
    let chosen = match (&request.acs_url, request.acs_index) {
        (Some(url), _) => metadata.acs_by_url(&Binding::Post, url).ok_or_else(|| unregistered(url.clone()))?,
        (None, Some(index)) => {
            let endpoint = metadata.acs_by_index(index).filter(|endpoint| endpoint.binding == Binding::Post);
            endpoint.ok_or_else(|| unregistered(format!("index {index}")))?
        }
        (None, None) => return Ok(service.acs_url.clone()),
    };
    if service_provider::may_receive(&chosen.location) {
        Ok(chosen.location.clone())
    } else {
        Err(unregistered(chosen.location.clone()))
    }
}

async fn keep(portal: &Portal, service: ServiceProvider, asked: Asked, now: UtcTime) -> Result<MessageId, NotBegun> {
    let id = MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?);
    let row = BrowserSignOn {
        id: id.clone(),
        tenant_id: service.tenant_id,
        service: service.entity_id,
        request_id: asked.request.id,
        acs_url: asked.acs_url,
        relay_state: asked.relay_state,
        browser_id: None,
        port: None,
        created_at: now,
        deadline: None,
        used_at: None,
    };
    portal
        .store
        .write(move |connection| Box::pin(async move { browser_sign_on::insert(connection, &row).await }))
        .await?;
    Ok(id)
}

async fn note_refusal(
    store: &Store,
    service: &ServiceProvider,
    (code, why): (RefusalCode, &str),
    now: UtcTime,
) -> Result<(), StoreError> {
    let entry = Entry {
        at: now,
        tenant_id: Some(service.tenant_id.clone()),
        actor: service.entity_id.to_string(),
        action: "service-request",
        subject: String::new(),
        result: code.to_string(),
        detail: serde_json::json!({ "why": why }),
    };
    store.write(move |connection| Box::pin(audit::append(connection, entry))).await
}

/// Where a browser is in its sign-on.
#[derive(Debug)]
pub enum Next {
    /// To its device: the address there.
    Device(String),
    /// It is asked first.
    Ask {
        /// The service that the person has opened.
        service: String,
        /// Whether it was sent on before, and nobody has answered since.
        was_unanswered: bool,
    },
}

/// Sends the browser `browser_id` on with the sign-on `id`, if the person asks for it or a device has answered it before.
///
/// # Errors
/// [`NotBegun`]: `sign-on-over` where the sign-on is unknown, used, or stood open for too long.
pub async fn go_on(
    portal: &Portal,
    id: &str,
    (browser_id, is_pressed): (&str, bool),
    now: UtcTime,
) -> Result<Next, NotBegun> {
    let over = || NotBegun::Refused(RefusalCode::SignOnOver, "no such sign-on".to_owned());
    let (begun, browser) = {
        let mut connection = portal.store.read().await?;
        let begun = browser_sign_on::by_id(&mut connection, id).await?.ok_or_else(over)?;
        (begun, browser::by_id(&mut connection, browser_id).await?)
    };
    if begun.used_at.is_some() || now > begun.created_at.plus_seconds(PAGE_LIFE_SECONDS) {
        return Err(over());
    }
    let is_known = browser.as_ref().is_some_and(|browser| is_answered(browser, now));
    if !is_pressed && !is_known {
        let was_unanswered = browser.is_some_and(|browser| browser.tries > 0);
        return Ok(Next::Ask { service: begun.service.to_string(), was_unanswered });
    }
    let port = port(&portal.sign_on_ports, browser.as_ref(), now)
        .ok_or_else(|| NotBegun::Refused(RefusalCode::IdpDisabled, "no browser is sent on here".to_owned()))?;
    let url = address(portal, &begun, port, now)?;
    let (id, browser_id) = (begun.id, browser_id.to_owned());
    let deadline = now.plus_seconds(DEVICE_LIFE_SECONDS);
    let noted = portal.store.write(move |connection| {
        Box::pin(async move {
            browser::ask(connection, &browser_id, now).await?;
            browser_sign_on::send_on(connection, &id, (&browser_id, port), deadline).await
        })
    });
    noted.await?;
    Ok(Next::Device(url))
}

/// Whether a device has answered this browser, the last time that it was sent on.
fn is_answered(browser: &Browser, now: UtcTime) -> bool {
    let waits = browser.asked_at.is_some_and(|asked_at| now.seconds_since(asked_at) >= TOGETHER_SECONDS);
    browser.answered_at.is_some() && !waits
}

/// The port to try: the one that has answered last, and, where nobody answers any more, the next one at each try.
fn port(ports: &[u16], browser: Option<&Browser>, now: UtcTime) -> Option<u16> {
    let last = browser.and_then(|browser| browser.port);
    let first = ports.iter().position(|port| Some(*port) == last).unwrap_or(0);
    // Of a browser that was answered lately, several tabs at once are not several tries.
    let unanswered = browser.filter(|browser| !is_answered(browser, now));
    let tries = unanswered.map_or(0, |browser| usize::try_from(browser.tries).unwrap_or(0));
    ports.get((first + tries) % ports.len().max(1)).copied()
}

/// The device's address with the portal's own request: for this service, from now.
fn address(portal: &Portal, begun: &BrowserSignOn, port: u16, now: UtcTime) -> Result<String, NotBegun> {
    let destination = saml::device::sign_on_url(port);
    let request = AuthnRequest {
        destination: Some(destination.clone()),
        is_passive: true,
        acs_url: Some(begun.acs_url.clone()),
        respond_to: Some(begun.service.clone()),
        ..AuthnRequest::new(begun.id.clone(), now, portal.cloud.entity_id().clone())
    };
    let keys = portal.keys.now();
    let relay_state = begun.relay_state.as_deref();
    let query =
        signed_query(Direction::Request, &request.to_unsigned_xml(), relay_state, keys.identity(Purpose::Agent).signer);
    match query {
        Ok(query) => Ok(format!("{destination}?{query}")),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not sign a request to a device");
            Err(NotBegun::Refused(RefusalCode::Busy, "the portal's key could not sign".to_owned()))
        }
    }
}

/// Forgets sign-ons that can't be ended any more, and browsers that were not seen for half a year.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_old(store: &Store, now: UtcTime) -> Result<(), StoreError> {
    let begun = now.plus_seconds(-(PAGE_LIFE_SECONDS + DEVICE_LIFE_SECONDS));
    let seen = now.plus_seconds(-i64::try_from(BROWSER_LIFE.as_secs()).unwrap_or(i64::MAX));
    store
        .write(move |connection| {
            Box::pin(async move {
                browser_sign_on::forget_begun_before(connection, begun).await?;
                browser::forget_seen_before(connection, seen).await.map(|_| ())
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(port: Option<u16>, answered: bool, asked: Option<i64>, tries: i64) -> Browser {
        let at = UtcTime::from_unix_seconds;
        Browser { id: "b".to_owned(), port, answered_at: answered.then(|| at(50)), asked_at: asked.map(at), tries }
    }

    #[test]
    fn a_browser_that_nobody_answers_is_asked_again_and_sent_to_the_next_port() {
        let (ports, now) = ([28_517, 28_518], UtcTime::from_unix_seconds(100));
        assert_eq!(port(&ports, None, now), Some(28_517));
        assert_eq!(port(&ports, Some(&browser(None, false, Some(10), 1)), now), Some(28_518));
        assert_eq!(port(&ports, Some(&browser(None, false, Some(10), 2)), now), Some(28_517));
        assert_eq!(port(&ports, Some(&browser(Some(28_518), true, None, 0)), now), Some(28_518));
        assert_eq!(port(&[], None, now), None);
        assert!(is_answered(&browser(Some(28_517), true, None, 0), now));
        assert!(is_answered(&browser(Some(28_517), true, Some(95), 3), now), "tabs that open together");
        assert!(!is_answered(&browser(Some(28_517), true, Some(90), 1), now), "the agent is gone");
        assert!(!is_answered(&browser(None, false, Some(99), 1), now));
    }
}
