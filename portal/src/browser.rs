//! Sign-on in a browser, for any service: a service's request becomes a request of the portal's own, which only the device in front of which
//! the browser runs can answer.
//!
//! The service's request → verified as its metadata demands → kept → the browser sent on to its device with a signed request that lives a
//! minute → the device's own request, which names it ([`crate::decision`] ends it there).

use std::time::Duration;

use saml::binding::redirect::{Direction, Received, RedirectedRequest, signed_query};
use saml::key::VerifyingKey;
use saml::metadata::{Binding, SpMetadata};
use saml::name::{MessageId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::rejection::{Rejection, RejectionReason};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms, UnverifiedRequest};
use saml::time::UtcTime;

use crate::cloud::IssuerNames;
use crate::demands::Demands;
use crate::external;
use crate::issuer_address::IssuerAddress;
use crate::logout;
use crate::policy::FirstVisit;
use crate::random;
use crate::service_answer::{ServiceAnswer, Unable};
use crate::service_name;
use crate::sign_on::{Arrival, Portal, REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::store::audit::{self, Entry};
use crate::store::browser::{self, Browser};
use crate::store::browser_sign_on::{self, BrowserSignOn, Scope};
use crate::store::issuer::Issuer;
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::signing_key::Purpose;
use crate::store::{Store, StoreError, external_sign_on, proof, tenant};

/// For how long a device may answer once the browser is sent on, in seconds.
const DEVICE_LIFE_SECONDS: i64 = 60;
/// For how long the page that sends the browser on may stand open, in seconds.
pub(crate) const PAGE_LIFE_SECONDS: i64 = 1800;
/// For how long a browser that no device has answered is sent on again without a question, in seconds: tabs that open together.
pub(crate) const TOGETHER_SECONDS: i64 = 10;
/// For how long a browser is remembered that is not seen.
const BROWSER_LIFE: Duration = Duration::from_hours(24 * 180);
/// `RelayState` that is longer is a mistake; the Redirect binding's reader has the same limit.
const LONGEST_RELAY_STATE: usize = 2048;

/// How a service's request came.
#[derive(Clone, Debug)]
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
    /// In an envelope that a device brings along, for a program that is no browser.
    Ecp(Box<UnverifiedRequest>),
}

/// What comes of a service's request.
#[derive(Debug)]
pub enum Begun {
    /// A sign-on, which the browser goes on with.
    SignOn(Box<BrowserSignOn>),
    /// An answer at once.
    Answer(ServiceAnswer),
}

/// Why a browser is not sent on.
#[derive(Debug)]
pub enum NotBegun {
    /// With its code, and what is wrong in a few words.
    Refused(RefusalCode, String),
    /// The message breaks a rule.
    Rejected(Box<Rejection>),
    /// Too many have come from there, none of them proven to be the service's: in how long there is room.
    TooOften(Duration),
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
        Self::Rejected(Box::new(rejection))
    }
}

impl NotBegun {
    /// The same as a code and its reason, for those who have no advice of their own about a rule.
    #[must_use]
    pub fn in_words(self) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Refused(rejection.code(), rejection.to_string()),
            Self::Refused(..) | Self::TooOften(_) | Self::Failed(_) => self,
        }
    }
}

/// A message of a service, as its binding wraps it.
enum Message {
    Redirected(Box<RedirectedRequest>),
    Posted(Box<UnverifiedRequest>),
    Brought(Box<UnverifiedRequest>),
}

/// A service's request that may be answered.
struct Accepted {
    request: AuthnRequest,
    /// What came with it in the query.
    relay_state: Option<String>,
    /// Whether the service has signed it.
    is_signed: bool,
}

impl Message {
    /// Checks the signature with the service's keys; without one only where its metadata lets it.
    fn accept(
        self,
        (service, algorithms): (&SpMetadata, ServiceAlgorithms),
        expect: &RequestExpectations<'_>,
    ) -> Result<Accepted, Rejection> {
        if !service.authn_requests_signed {
            match self.unsigned(expect) {
                Err(rejection) if rejection.reason() == RejectionReason::NoPinnedKey => {}
                unsigned => return unsigned,
            }
        }
        let keys: Vec<VerifyingKey> = service.signing_keys().unwrap_or_default();
        match self {
            Self::Redirected(message) => {
                let Received { message, relay_state } = message.verify(&keys, algorithms, expect)?;
                Ok(Accepted { request: message.into_request(), relay_state, is_signed: true })
            }
            Self::Posted(message) => {
                let message = message.verify_from_service(&keys, algorithms, expect)?;
                Ok(Accepted { request: message.into_request(), relay_state: None, is_signed: true })
            }
            Self::Brought(message) => {
                let message = message.verify_from_client(&keys, algorithms, expect)?;
                Ok(Accepted { request: message.into_request(), relay_state: None, is_signed: true })
            }
        }
    }

    fn unsigned(&self, expect: &RequestExpectations<'_>) -> Result<Accepted, Rejection> {
        let (request, relay_state) = match self {
            Self::Redirected(message) => {
                let Received { message, relay_state } = message.clone().accept_unsigned(expect)?;
                (message.request().clone(), relay_state)
            }
            Self::Posted(message) | Self::Brought(message) => {
                (message.clone().accept_unsigned(expect)?.request().clone(), None)
            }
        };
        Ok(Accepted { request, relay_state, is_signed: false })
    }
}

/// Takes a service's request that has come to `address`; returns the sign-on that has begun with it. What a device brings along is begun and sent on at once.
///
/// # Errors
/// [`NotBegun`]; a refusal for a registered service has its row in the audit.
pub async fn begin(
    portal: &Portal,
    incoming: Incoming<'_>,
    address: &IssuerAddress,
    arrival: Arrival,
) -> Result<Begun, NotBegun> {
    let names = address.names(&portal.cloud);
    let (way, now) = (Way::of(&names, &incoming), arrival.now);
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
        Incoming::Ecp(message) => {
            let issuer = message.claimed_issuer().clone();
            (Message::Brought(message), issuer, None)
        }
    };
    let service = address.service(&mut *portal.store.read().await?, issuer.as_str()).await?;
    let unknown = || NotBegun::Refused(RefusalCode::ServiceUnknown, issuer.to_string());
    let service = service.ok_or_else(unknown)?;
    let expect = RequestExpectations {
        destinations: &way.destinations,
        now,
        max_age_seconds: REQUEST_LIFE_SECONDS,
        max_skew_seconds: SKEW_SECONDS,
    };
    let checked = check(message, &service, &way, &expect);
    if !checked.as_ref().is_ok_and(|asked| asked.is_signed) {
        // Anybody can send these, in the service's name: they leave rows.
        portal.rates.take_unsigned(arrival.address, &service.entity_id, arrival.instant).map_err(NotBegun::TooOften)?;
    }
    let asked = match checked {
        Ok(asked) => Asked { relay_state: relay_state.or(asked.relay_state), ..asked },
        Err(NotBegun::Refused(code, why)) => {
            note_refusal(&portal.store, &service, (code.code(), &why), now).await?;
            return Err(NotBegun::Refused(code, why));
        }
        Err(NotBegun::Rejected(rejection)) => {
            let code = rejection.code().code();
            note_refusal(&portal.store, &service, (code, &rejection.to_string()), now).await?;
            return Err(NotBegun::Rejected(rejection));
        }
        Err(error) => return Err(error),
    };
    let mut demands = Demands::of(&asked.request, &names.entity_id);
    let (name_format, unnameable) = match service_name::demanded(asked.request.name_id_policy.as_ref(), &service) {
        Ok(format) => (format, None),
        Err(what) => (None, Some(Unable::Name(what))),
    };
    demands.unable = asked.unsupported.clone().or(demands.unable).or(unnameable);
    if let Some(unable) = &demands.unable {
        note_refusal(&portal.store, &service, (unable.result(), &unable.why()), now).await?;
    }
    match demands.unable.clone() {
        // Where a program asks for the page, the answer goes the way that every answer goes to it.
        Some(unable) if !way.is_sent_on => {
            Ok(Begun::Answer(asked.answer((address.issuer(), service.tenant_id), unable)))
        }
        Some(_) | None => {
            let deadline = way.is_sent_on.then(|| now.plus_seconds(DEVICE_LIFE_SECONDS));
            let kept = Kept { issuer: address.issuer(), name_format, demands, deadline, now };
            Ok(Begun::SignOn(Box::new(keep(portal, service, asked, kept).await?)))
        }
    }
}

/// What is kept of a request besides what it says itself.
struct Kept {
    /// Who answers the service.
    issuer: Issuer,
    name_format: Option<NameIdFormat>,
    demands: Demands,
    deadline: Option<UtcTime>,
    now: UtcTime,
}

/// What a service asks for, verified.
struct Asked {
    request: AuthnRequest,
    acs_url: String,
    relay_state: Option<String>,
    is_signed: bool,
    /// The binding that it wants the answer by, if it can't be had.
    unsupported: Option<Unable>,
}

impl Asked {
    fn answer(self, (issuer, tenant_id): (Issuer, String), unable: Unable) -> ServiceAnswer {
        let Self { request, acs_url, relay_state, .. } = self;
        ServiceAnswer { tenant_id, issuer, request_id: request.id, acs_url, relay_state, unable }
    }
}

/// The way that a service's request takes, and its Response takes back.
struct Way<'a> {
    /// Where the request may say that it goes.
    destinations: Vec<&'a str>,
    /// How the Response reaches the service.
    binding: Binding,
    /// Whether the device is there already.
    is_sent_on: bool,
}

impl<'a> Way<'a> {
    fn of(names: &'a IssuerNames, incoming: &Incoming<'_>) -> Self {
        match incoming {
            Incoming::Redirect(_) | Incoming::Post { .. } => {
                Self { destinations: vec![&names.sso_url], binding: Binding::Post, is_sent_on: false }
            }
            // The service does not know where its client will go with it, and takes one of the addresses in the metadata.
            Incoming::Ecp(_) => Self {
                destinations: vec![&names.ecp_url, &names.soap_url, &names.sso_url],
                binding: Binding::Paos,
                is_sent_on: true,
            },
        }
    }
}

fn check(
    message: Message,
    service: &ServiceProvider,
    way: &Way<'_>,
    expect: &RequestExpectations<'_>,
) -> Result<Asked, NotBegun> {
    let metadata = SpMetadata::parse(service.metadata.as_bytes())?;
    let algorithms = service.settings.algorithms();
    let Accepted { request, relay_state, is_signed } = message.accept((&metadata, algorithms), expect)?;
    let Destination { acs_url, unsupported } = destination(&request, &metadata, service, &way.binding)?;
    Ok(Asked { request, acs_url, relay_state, is_signed, unsupported })
}

/// Where the answer goes.
struct Destination {
    acs_url: String,
    unsupported: Option<Unable>,
}

/// The address for the answer, and whether the binding that the request names can't be had. Redirect can't be meant for a Response (Profiles §4.1.2):
/// who writes it gets the answer by POST.
fn destination(
    request: &AuthnRequest,
    metadata: &SpMetadata,
    service: &ServiceProvider,
    binding: &Binding,
) -> Result<Destination, NotBegun> {
    let is_had = |uri: &str| uri == binding.uri() || *binding == Binding::Post && uri == Binding::Redirect.uri();
    let named = request.protocol_binding.as_deref().filter(|uri| !is_had(uri)).map(str::to_owned);
    // The index stands for an address and for how it is reached.
    let indexed =
        request.acs_index.filter(|_| request.acs_url.is_none()).and_then(|index| metadata.acs_by_index(index));
    let indexed = indexed.map(|endpoint| endpoint.binding.uri()).filter(|uri| *uri != binding.uri());
    let Some(other) = named.or_else(|| indexed.map(str::to_owned)) else {
        return Ok(Destination { acs_url: acs(request, metadata, service, binding)?, unsupported: None });
    };
    let elsewhere = AuthnRequest { acs_index: None, acs_url: None, ..request.clone() };
    let at_named = acs(&AuthnRequest { acs_index: None, ..request.clone() }, metadata, service, binding);
    let acs_url = at_named.or_else(|_| acs(&elsewhere, metadata, service, binding))?;
    Ok(Destination { acs_url, unsupported: Some(Unable::Binding(other)) })
}

/// The address that the Response goes to: one of those registered for `binding`, which the request may choose from.
fn acs(
    request: &AuthnRequest,
    metadata: &SpMetadata,
    service: &ServiceProvider,
    binding: &Binding,
) -> Result<String, NotBegun> {
    let unregistered = |what: String| NotBegun::Refused(RefusalCode::AcsNotRegistered, what);
    let chosen = match (&request.acs_url, request.acs_index) {
        (Some(url), _) => metadata.acs_by_url(binding, url).ok_or_else(|| unregistered(url.clone()))?,
        (None, Some(index)) => {
            let endpoint = metadata.acs_by_index(index).filter(|endpoint| endpoint.binding == *binding);
            endpoint.ok_or_else(|| unregistered(format!("index {index}")))?
        }
        (None, None) if *binding == Binding::Post => return Ok(service.acs_url.clone()),
        (None, None) => metadata.default_acs(binding).ok_or_else(|| unregistered(binding.uri().to_owned()))?,
    };
    if service_provider::may_receive(&chosen.location) {
        Ok(chosen.location.clone())
    } else {
        Err(unregistered(chosen.location.clone()))
    }
}

async fn keep(
    portal: &Portal,
    service: ServiceProvider,
    asked: Asked,
    Kept { issuer, name_format, demands, deadline, now }: Kept,
) -> Result<BrowserSignOn, NotBegun> {
    let id = MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?);
    let row = BrowserSignOn {
        id,
        tenant_id: service.tenant_id,
        issuer,
        service: service.entity_id,
        request_id: asked.request.id,
        acs_url: asked.acs_url,
        relay_state: asked.relay_state,
        scope: Scope {
            requesters: asked.request.requesters.iter().map(ToString::to_string).collect(),
            proxy_count: asked.request.proxy_count,
            force_authn: asked.request.force_authn,
        },
        elsewhere: None,
        is_passive: asked.request.is_passive,
        name_format,
        proof_request: None,
        demands,
        browser_id: None,
        port: None,
        created_at: now,
        deadline,
        used_at: None,
    };
    let kept = row.clone();
    portal
        .store
        .write(move |connection| Box::pin(async move { browser_sign_on::insert(connection, &kept).await }))
        .await?;
    Ok(row)
}

async fn note_refusal(
    store: &Store,
    service: &ServiceProvider,
    (code, why): (&str, &str),
    now: UtcTime,
) -> Result<(), StoreError> {
    let entry = Entry {
        at: now,
        tenant_id: Some(service.tenant_id.clone()),
        actor: service.entity_id.to_string(),
        action: "service-request",
        subject: String::new(),
        result: code.to_owned(),
        detail: serde_json::json!({ "why": why }),
    };
    store.write(move |connection| Box::pin(audit::append(connection, entry))).await
}

/// Where a browser is in its sign-on.
#[derive(Debug)]
pub enum Next {
    /// To its device: the address there.
    Device(String),
    /// To a service at which a session in this browser is to end; from there it comes back.
    LogOut(String),
    /// It is asked first.
    Ask {
        /// The service that the person has opened.
        service: String,
        /// Whether it was sent on before, and nobody has answered since.
        was_unanswered: bool,
    },
    /// The person is asked to prove who they are: a proof request's id.
    Prove(String),
    /// Back to the service with an answer: nobody may be asked.
    Answer(ServiceAnswer),
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
    if begun.used_at.is_some()
        && let Some(next) = prove(portal, &begun, browser_id).await?
    {
        return Ok(next);
    }
    if begun.used_at.is_some() || now > begun.created_at.plus_seconds(PAGE_LIFE_SECONDS) {
        return Err(over());
    }
    if let Some(url) = logout::on_the_way(portal, browser_id, id, now).await? {
        return Ok(Next::LogOut(url));
    }
    let is_known = browser.as_ref().is_some_and(|browser| is_answered(browser, now));
    let is_new = browser.as_ref().is_none_or(|browser| browser.tries == 0 && browser.answered_at.is_none());
    let goes_by_itself = is_known || is_new && is_automatic(portal, &begun.tenant_id).await?;
    if !goes_by_itself && begun.is_passive {
        return Ok(Next::Answer(end_passive(portal, &begun, now).await?));
    }
    if !is_pressed && !goes_by_itself {
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

/// Where the browser goes whose device could not end the sign-on before the person has proved who they are.
async fn prove(portal: &Portal, begun: &BrowserSignOn, browser_id: &str) -> Result<Option<Next>, StoreError> {
    if begun.browser_id.as_deref() != Some(browser_id) {
        return Ok(None);
    }
    let asked = proof::by_transaction(&mut *portal.store.read().await?, begun.id.as_str()).await?;
    let Some(asked) = asked.filter(|asked| asked.used_at.is_none()) else { return Ok(None) };
    if begun.is_passive {
        return Ok(Some(Next::Answer(begun.unable(Unable::Passive))));
    }
    Ok(Some(Next::Prove(asked.id)))
}

/// Core §3.4.1: a service that lets nobody be asked gets its browser back. The sign-on is over with that.
async fn end_passive(portal: &Portal, begun: &BrowserSignOn, now: UtcTime) -> Result<ServiceAnswer, StoreError> {
    let (id, answer) = (begun.id.clone(), begun.unable(Unable::Passive));
    let used = portal
        .store
        .write(move |connection| Box::pin(async move { browser_sign_on::use_up(connection, &id, now).await }));
    used.await?;
    Ok(answer)
}

/// Whether the tenant's policy sends browsers to their device that were never there.
async fn is_automatic(portal: &Portal, tenant_id: &str) -> Result<bool, StoreError> {
    let tenant = tenant::by_id(&mut *portal.store.read().await?, tenant_id).await?;
    Ok(tenant.is_some_and(|tenant| tenant.policy.first_visit == FirstVisit::Automatic))
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
    let request = request_to_device(portal, begun, destination.clone(), now);
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

/// The portal's own request, which only a device can answer.
pub(crate) fn request_to_device(
    portal: &Portal,
    begun: &BrowserSignOn,
    destination: String,
    now: UtcTime,
) -> AuthnRequest {
    AuthnRequest {
        destination: Some(destination),
        is_passive: true,
        acs_url: Some(begun.acs_url.clone()),
        respond_to: Some(begun.service.clone()),
        ..AuthnRequest::new(begun.id.clone(), now, portal.cloud.entity_id().clone())
    }
}

/// Forgets sign-ons that can't be ended any more, and browsers that were not seen for half a year.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_old(store: &Store, now: UtcTime) -> Result<(), StoreError> {
    let begun = now.plus_seconds(-(PAGE_LIFE_SECONDS + external::LIFE_SECONDS.max(DEVICE_LIFE_SECONDS)));
    let seen = now.plus_seconds(-i64::try_from(BROWSER_LIFE.as_secs()).unwrap_or(i64::MAX));
    store
        .write(move |connection| {
            Box::pin(async move {
                browser_sign_on::forget_begun_before(connection, begun).await?;
                external_sign_on::forget_before(connection, begun, seen).await?;
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
