//! Sign-on: what happens to a device's request between the door and the answer.
//!
//! Limits → parse → device → signature → replay → token or device state → tenant, domain, identity provider → evidence and
//! policy → provision or refuse → issue → audit. Each stage consumes what the one before it returned, so none can be
//! skipped, and [`sign_on`] shows them all. What is believed is only ever read from a [`VerifiedRequest`].

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use saml::binding::soap::{self, FaultCode};
use saml::device::RotationProof;
use saml::key::VerifyingKey;
use saml::name::{EntityId, MessageId};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, RequestExpectations, UnverifiedRequest, VerifiedRequest};
use saml::time::UtcTime;
use saml::token::{EnrolmentProof, TokenId};

use crate::admission::{Admission, Buckets};
use crate::cloud::Cloud;
use crate::decision::{Decision, Enrolling, Question, decide};
use crate::issue;
use crate::metrics::{Metrics, Outcome};
use crate::resolver::Resolver;
use crate::signing::CurrentKeys;
use crate::store::token::Token;
use crate::store::{Store, StoreError, device_key, token};
use crate::web_client::WebClient;

/// How long after its IssueInstant a request is believed, in seconds.
pub const REQUEST_LIFE_SECONDS: i64 = 300;
/// How far a device's clock may be ahead of the portal's, in seconds.
pub const SKEW_SECONDS: i64 = 90;
/// Requests of one device: as many at once as somebody opens services, then so many a second.
const DEVICE_BURST: u32 = 60;
const DEVICE_PER_SECOND: u32 = 1;
/// Requests with one API key over SCIM: directories send up to 25 a second.
const SCIM_BURST: u32 = 1000;
const SCIM_PER_SECOND: u32 = 100;

/// What the doors share: everything that answering a request needs.
pub struct Portal {
    /// The database.
    pub store: Store,
    /// What signs.
    pub keys: CurrentKeys,
    /// Where the private halves are.
    pub keys_dir: PathBuf,
    /// The cloud's names and addresses.
    pub cloud: Cloud,
    /// After how many seconds a device is wanted to be heard again.
    pub keep_alive_seconds: u32,
    /// After how many seconds a device brings its next key; 0: it keeps the one that it has.
    pub key_life_seconds: u64,
    /// The ports of 127.0.0.1 on which browsers look for the agent; none: the portal sends no browser on.
    pub sign_on_ports: Vec<u16>,
    /// Proxies in front of the portal whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Who is let in.
    pub admission: Admission,
    /// How often each may come.
    pub rates: Rates,
    /// What asks the DNS.
    pub resolver: Resolver,
    /// What asks others.
    pub client: WebClient,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the portal is about to stop: it answers, and tells balancers to send nobody else.
    pub is_draining: AtomicBool,
}

/// How often devices, tokens and tenants may come, each for itself, in this process.
pub struct Rates {
    device: Buckets<EntityId>,
    token: Option<Buckets<TokenId>>,
    tenant: Option<Buckets<String>>,
    unsigned: Buckets<(IpAddr, EntityId)>,
    scim: Buckets<String>,
}

impl Rates {
    /// Limits of enrolments a second by one token, and of requests a second by one tenant's devices; none: no limit. `unsigned` is how many sign-ons a
    /// second may begin at one address for one service that signs nothing. Ten seconds' worth may come at once.
    #[must_use]
    pub fn new(token: Option<u32>, tenant: Option<u32>, unsigned: u32) -> Self {
        Self {
            device: Buckets::new(DEVICE_BURST, DEVICE_PER_SECOND),
            token: token.map(|rate| Buckets::new(rate.saturating_mul(10), rate)),
            tenant: tenant.map(|rate| Buckets::new(rate.saturating_mul(10), rate)),
            unsigned: Buckets::new(unsigned.saturating_mul(10), unsigned),
            scim: Buckets::new(SCIM_BURST, SCIM_PER_SECOND),
        }
    }

    /// Takes one of a directory's requests, by the API key that it has shown.
    ///
    /// # Errors
    /// In how long there is one.
    pub fn take_scim(&self, key: &str, now: Instant) -> Result<(), Duration> {
        self.scim.take(key.to_owned(), now)
    }

    /// Takes one of the sign-ons that may begin without a signature of the service's; where an address is not known, none is counted.
    ///
    /// # Errors
    /// In how long there is one.
    pub fn take_unsigned(&self, address: Option<IpAddr>, service: &EntityId, now: Instant) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.unsigned.take((address, service.clone()), now))
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where from, if that is known.
    pub address: Option<IpAddr>,
    /// When, for measuring.
    pub instant: Instant,
    /// When.
    pub now: UtcTime,
}

/// What goes back over the SOAP binding.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status: 200 with a Response, 400 or 503 with a SOAP fault.
    pub status: u16,
    /// A SOAP envelope.
    pub body: String,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a stage ended the way of a request.
enum Stop {
    /// No SAML message could be read: the SOAP binding's own error.
    Fault(String),
    /// A message could be read and is refused.
    Refused { in_response_to: MessageId, code: RefusalCode, why: String },
    /// It is sound, and comes too often.
    TooOften { in_response_to: MessageId, wait: Duration },
    /// It is not the request's fault.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Answers the request in `body`, which has passed the door's limits; or turns it away when there are too many.
pub async fn sign_on(portal: &Arc<Portal>, body: &[u8], arrival: Arrival) -> Answer {
    // The permit is held until the answer is there.
    let Some(_permit) = portal.admission.enter() else {
        return busy(portal, arrival.instant);
    };
    let answered = async {
        let unverified = parse(body)?;
        let keyed = find_key(portal, unverified).await?;
        let tenant_id = keyed.tenant_id.clone();
        let verified = verify(portal, keyed, arrival.now)?;
        check_rates(portal, &verified, tenant_id, arrival.instant)?;
        let decision = decide_durably(portal, verified, arrival).await?;
        Ok::<_, Stop>(decision)
    };
    match answered.await {
        Ok(decision) => issue_off_thread(portal, decision, arrival).await,
        Err(Stop::Fault(why)) => {
            tracing::info!(code = %RefusalCode::Malformed, why, "refused what is no SAML request");
            let body = soap::fault(FaultCode::Client, &why, Some(RefusalCode::Malformed));
            Answer { status: 400, body, retry_after: None, outcome: Outcome::Fault }
        }
        Err(Stop::Refused { in_response_to, code, why }) => {
            tracing::info!(%code, why, request = %in_response_to, "refused before any state was read");
            issue_off_thread(portal, Decision::refused(in_response_to, code), arrival).await
        }
        Err(Stop::TooOften { in_response_to, wait }) => {
            let seconds = seconds(wait);
            tracing::info!(code = %RefusalCode::Busy, seconds, request = %in_response_to, "refused what comes too often");
            let mut decision = Decision::refused(in_response_to, RefusalCode::Busy);
            if let Decision::Refused { retry_after, .. } = &mut decision {
                *retry_after = Some(seconds);
            }
            issue_off_thread(portal, decision, arrival).await
        }
        Err(Stop::Failed(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a request");
            busy(portal, arrival.instant)
        }
    }
}

/// Whole seconds, the next one where there is a rest.
pub(crate) fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(u32::from(wait.subsec_nanos() > 0))
}

/// Only what a signature has proven is counted: nobody uses up another's share.
fn check_rates(portal: &Portal, proven: &Proven, tenant_id: String, now: Instant) -> Result<(), Stop> {
    let content = proven.request.request();
    let too_often = |wait| Stop::TooOften { in_response_to: content.id.clone(), wait };
    portal.rates.device.take(content.issuer.clone(), now).map_err(too_often)?;
    if let (Some(rate), Some(enrolling)) = (&portal.rates.token, &proven.enrolling) {
        rate.take(enrolling.token_id.clone(), now).map_err(too_often)?;
    }
    if let Some(rate) = &portal.rates.tenant {
        rate.take(tenant_id, now).map_err(too_often)?;
    }
    Ok(())
}

fn parse(body: &[u8]) -> Result<UnverifiedRequest, Stop> {
    UnverifiedRequest::parse_soap(body).map_err(|rejection| Stop::Fault(rejection.to_string()))
}

/// A request with the one key that can prove it.
struct Keyed {
    request: UnverifiedRequest,
    key: VerifyingKey,
    tenant_id: String,
    /// The token that an enrolment names; its signature is still to be checked.
    token: Option<Token>,
}

/// Finds the key that the request must be signed with: the registered one of the device that it names, or, in an
/// enrolment, the one that it brings, which must then be the key that the device's entity ID is made from.
async fn find_key(portal: &Portal, request: UnverifiedRequest) -> Result<Keyed, Stop> {
    let id = request.claimed_id().clone();
    let refuse = |code, why: &str| Stop::Refused { in_response_to: id.clone(), code, why: why.to_owned() };
    let mut connection = portal.store.read().await?;
    let Some(offered) = request.offered_key().map(<[u8]>::to_vec) else {
        let known = device_key::by_key(&mut connection, request.claimed_issuer().as_str()).await?;
        let known = known.ok_or_else(|| refuse(RefusalCode::DeviceUnknown, "no such device"))?;
        let key = VerifyingKey::from_spki_der(&known.public_key)
            .map_err(|_| StoreError::Unreadable { table: "device", column: "public_key" })?;
        return Ok(Keyed { request, key, tenant_id: known.device.tenant_id, token: None });
    };
    let key = VerifyingKey::from_spki_der(&offered)
        .map_err(|error| refuse(RefusalCode::Malformed, &format!("the offered key can't be used: {error}")))?;
    if saml::device::entity_id_of_key(&offered) != *request.claimed_issuer() {
        return Err(refuse(RefusalCode::BadSignature, "the device's entity ID is not made from the key it offers"));
    }
    let named =
        request.claimed_token().ok_or_else(|| refuse(RefusalCode::Malformed, "an enrolment without a token"))?;
    let token = token::by_id(&mut connection, named).await?;
    let token = token.ok_or_else(|| refuse(RefusalCode::UnknownToken, "no such token"))?;
    Ok(Keyed { request, key, tenant_id: token.tenant_id.clone(), token: Some(token) })
}

/// A request that its device has signed, and, in an enrolment, that the token has signed for.
struct Proven {
    request: VerifiedRequest,
    enrolling: Option<Enrolling>,
}

fn verify(portal: &Portal, keyed: Keyed, now: UtcTime) -> Result<Proven, Stop> {
    let Keyed { request, key, token, tenant_id: _ } = keyed;
    let in_response_to = request.claimed_id().clone();
    let expect = RequestExpectations {
        destinations: &[portal.cloud.soap_url()],
        now,
        max_age_seconds: REQUEST_LIFE_SECONDS,
        max_skew_seconds: SKEW_SECONDS,
    };
    let request = request.verify(std::slice::from_ref(&key), &expect).map_err(|rejection| Stop::Refused {
        in_response_to: in_response_to.clone(),
        code: rejection.code(),
        why: rejection.to_string(),
    })?;
    let refuse = |why: &str| Stop::Refused {
        in_response_to: in_response_to.clone(),
        code: RefusalCode::BadSignature,
        why: why.to_owned(),
    };
    let content = request.request();
    if !brings_proven_key(content, portal.cloud.soap_url()) {
        return Err(refuse("the device does not show that it has the next key"));
    }
    let Some(token) = token else { return Ok(Proven { request, enrolling: None }) };
    let enrolment = content.device.as_ref().and_then(|device| device.enrolment.as_ref());
    let enrolment = enrolment.ok_or_else(|| refuse("the enrolment is not in what was signed"))?;
    let proof = EnrolmentProof {
        token: &token.id,
        device_key_spki: &enrolment.device_key_spki,
        request: &content.id,
        issue_instant: content.issue_instant,
        destination: portal.cloud.soap_url(),
    };
    let proven = enrolment.token == token.id && enrolment.device_key_spki == key.spki_der();
    if !proven || token.public_key.verify_enrolment(&proof, &enrolment.token_signature).is_err() {
        return Err(refuse("the token's signature does not fit"));
    }
    let enrolling = Enrolling { token_id: token.id, public_key: key.spki_der().to_vec() };
    Ok(Proven { request, enrolling: Some(enrolling) })
}

/// Whether the next key that the request brings, if it brings one, has signed for this request.
fn brings_proven_key(content: &AuthnRequest, destination: &str) -> bool {
    let Some(rotation) = content.device.as_ref().and_then(|device| device.rotation.as_ref()) else { return true };
    let proof = RotationProof {
        device: &content.issuer,
        device_key_spki: &rotation.device_key_spki,
        request: &content.id,
        issue_instant: content.issue_instant,
        destination,
    };
    proof.is_signed_in(rotation)
}

/// Decides and writes what follows from it, in one transaction; returns when that is on the disk.
async fn decide_durably(portal: &Portal, proven: Proven, arrival: Arrival) -> Result<Decision, Stop> {
    let Arrival { address, now, .. } = arrival;
    let Proven { request, enrolling } = proven;
    let question = Question { cloud: portal.cloud.clone(), request, enrolling, address, now };
    Ok(portal.store.write(move |connection| Box::pin(decide(connection, question))).await?)
}

/// Signing takes about a millisecond with RSA: it must not hold up the threads that serve connections.
pub(crate) async fn issue_off_thread(portal: &Arc<Portal>, decision: Decision, arrival: Arrival) -> Answer {
    let outcome = match &decision {
        Decision::Granted(_) => Outcome::Granted,
        Decision::Refused { code, .. } | Decision::Unable { code, .. } => Outcome::Refused(*code),
    };
    let issuing = Arc::clone(portal);
    let issued = tokio::task::spawn_blocking(move || issue::issue(&issuing, decision, arrival.now)).await;
    match issued {
        Ok(Ok(response)) => Answer { status: 200, body: soap::envelope(&response), retry_after: None, outcome },
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not sign a Response");
            busy(portal, arrival.instant)
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "signing a Response ended early");
            busy(portal, arrival.instant)
        }
    }
}

/// Nothing was done; each that hears so is asked back at a time of its own.
pub(crate) fn busy(portal: &Portal, now: Instant) -> Answer {
    let body = soap::fault(FaultCode::Server, RefusalCode::Busy.meaning(), Some(RefusalCode::Busy));
    let retry_after = Some(seconds(portal.admission.come_back(now)));
    Answer { status: 503, body, retry_after, outcome: Outcome::Busy }
}
