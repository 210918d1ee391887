//! What the device says to the portal apart from signing people in: that it is alive, that somebody has left, that it leaves.
//!
//! Each is one signed request and one signed answer over the same endpoint. A wrong clock is corrected once; nothing enrols.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::device_key::DeviceKey;
use platform::random;
use saml::break_glass::{self, BreakGlassKey, Half, Parties};
use saml::device::{
    DEREGISTER, DEVICE_ID, DeviceStatement, Evidence, EvidenceGrade, KEY_LIFE, KEY_SINCE, SIGNING_KEYS,
};
use saml::diagnostics::{self, DEVICE_HEADER, SIGNATURE_HEADER, UploadProof};
use saml::logout::{LogoutRequest, UnverifiedLogoutResponse};
use saml::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::rejection::RejectionReason;
use saml::request::{AuthnRequest, RequestExpectations};
use saml::response::{Answer, Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;

use crate::break_glass::Used;
use crate::device::{self, Device};
use crate::device_state::{MetadataUnusable, PinnedPortal};
use crate::identity;
use crate::key_rotation;
use crate::service_issuers::ServiceIssuers;
use crate::session::{self, Session};
use crate::sign_in::{Corrections, SKEW_SECONDS, SignInError};
use crate::steps::Steps;

/// Longer than any clock is off, in seconds.
const CENTURY_SECONDS: i64 = 3_155_760_000;
/// What the portal said to a device that is alive.
#[derive(Clone, Debug)]
pub struct KeptAlive {
    /// After how many seconds it wants to hear from the device again.
    pub interval_seconds: i64,
    /// Since when it has the device's key.
    pub key_since: Option<UtcTime>,
    /// After how many seconds it wants another key; none: never.
    pub key_life_seconds: Option<i64>,
    /// The ports of 127.0.0.1 on which it has browsers look for the agent.
    pub sign_on_ports: Vec<u16>,
    /// The key for break-glass codes that was agreed on just now.
    pub agreed: Option<BreakGlassKey>,
    /// The use of such a code that it was told of.
    pub reported: Option<Used>,
    /// The diagnostics that it asks for: the request's id.
    pub diagnostics: Option<String>,
    /// Its name for the key of such codes; none: it makes none.
    break_glass_key: Option<String>,
    /// Its half of an agreement on one.
    half: Option<Vec<u8>>,
    /// What it calls the device.
    listed_as: Option<EntityId>,
}

/// What a keep-alive says of break-glass codes and diagnostics.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The key that the device has.
    pub key_name: Option<String>,
    /// The use that the portal has not been told of.
    pub used: Option<Used>,
    /// The request for diagnostics that is refused.
    pub refused: Option<String>,
}

/// What a keep-alive says besides.
#[derive(Default)]
pub(crate) struct Said<'a> {
    /// The device's next key.
    pub(crate) next: Option<&'a Arc<DeviceKey>>,
    pub(crate) attributes: Vec<Attribute>,
}

impl Said<'_> {
    fn with(mut self, name: &str, value: String) -> Self {
        self.attributes.push(Attribute { name: name.to_owned(), values: vec![value], ..Attribute::default() });
        self
    }
}

impl KeptAlive {
    fn of(assertion: &Assertion) -> Self {
        Self {
            interval_seconds: session::keep_alive_seconds(assertion),
            key_since: told(assertion, KEY_SINCE).and_then(|text| text.parse().ok()),
            key_life_seconds: told(assertion, KEY_LIFE).and_then(|text| text.parse().ok()),
            sign_on_ports: session::sign_on_ports(assertion),
            agreed: None,
            reported: None,
            // It becomes a part of an address.
            diagnostics: told(assertion, diagnostics::REQUEST)
                .filter(|id| id.bytes().all(|octet| octet.is_ascii_alphanumeric()))
                .map(str::to_owned),
            break_glass_key: told(assertion, break_glass::KEY).map(str::to_owned),
            half: told(assertion, break_glass::PUBLIC_KEY).and_then(|text| STANDARD.decode(text).ok()),
            listed_as: told(assertion, DEVICE_ID).and_then(|text| text.parse().ok()),
        }
    }

    /// Whether the key has served its time at `now`.
    #[must_use]
    pub fn key_is_due(&self, now: UtcTime) -> bool {
        let life = self.key_life_seconds.filter(|seconds| *seconds > 0);
        self.key_since.zip(life).is_some_and(|(since, life)| now.seconds_since(since) >= life)
    }
}

fn told<'a>(assertion: &'a Assertion, name: &str) -> Option<&'a str> {
    let attribute = assertion.attributes.iter().find(|attribute| attribute.name == name)?;
    attribute.values.first().map(String::as_str)
}

/// Tells the portal that the device is alive, and hears whether it still may sign people in: the device signs itself in. Where its key has served
/// its time, it gets another.
///
/// # Errors
/// [`SignInError`]; [`SignInError::Refused`] says that the device was removed, is in quarantine, is not known.
pub async fn keep_alive(device: &mut Device, report: &Report, steps: &Steps) -> Result<KeptAlive, SignInError> {
    let mut said = Said::default();
    if let Some(used) = report.used {
        said = said.with(break_glass::USED, format!("{} {}", used.count, used.at));
    }
    if let Some(id) = &report.refused {
        said = said.with(diagnostics::REFUSED, id.clone());
    }
    let mut kept = tell_alive(device, &said, steps).await?;
    kept.reported = report.used;
    if kept.break_glass_key.is_some() && kept.break_glass_key != report.key_name {
        kept.agreed = agree(device, steps).await;
    }
    match key_rotation::rotate_if_due(device, &kept, steps).await {
        Ok(None) => Ok(kept),
        Ok(Some(later)) => Ok(KeptAlive { agreed: kept.agreed, reported: kept.reported, ..later }),
        Err(error) => {
            // The present key holds, and the next keep-alive tries again.
            let code = error.code().as_str();
            tracing::warn!(code, error = &error as &dyn std::error::Error, "the device key could not be changed");
            Ok(kept)
        }
    }
}

/// Agrees with the portal on another key for break-glass codes, in one more exchange; where that fails the next keep-alive tries again.
async fn agree(device: &mut Device, steps: &Steps) -> Option<BreakGlassKey> {
    let half = Half::new(&random::generator()).ok()?;
    let said = Said::default().with(break_glass::PUBLIC_KEY, STANDARD.encode(half.public()));
    let answer = match tell_alive(device, &said, steps).await {
        Ok(answer) => answer,
        Err(error) => {
            let code = error.code().as_str();
            tracing::warn!(code, error = &error as &dyn std::error::Error, "no break-glass key was agreed on");
            return None;
        }
    };
    let portal = enrolled_at(device).ok()?.issuer()?;
    let parties = Parties { portal: &portal, device: &answer.listed_as? };
    let key = half.with_portal(&answer.half?, parties).ok()?;
    let agreed = answer.break_glass_key.is_some_and(|name| name == key.name());
    if !agreed {
        tracing::warn!("the portal has another break-glass key than the one that was agreed on");
    }
    agreed.then_some(key)
}

/// The portal after it was asked once more who vouches for this device's people towards services, where `error` may come of not knowing: the tenant
/// has another issuer now, or the issuer another key.
///
/// # Errors
/// `error` itself where it is another, and where the portal says nothing new.
pub(crate) async fn hear_of_other_issuers(
    device: &mut Device,
    portal: PinnedPortal,
    error: SignInError,
    steps: &Steps,
) -> Result<PinnedPortal, SignInError> {
    let may_be_new = matches!(&error, SignInError::NotTrusted(rejection) if matches!(
        rejection.reason(),
        RejectionReason::WrongIssuer | RejectionReason::SignatureMismatch | RejectionReason::AlgorithmNotForKey
    ));
    if !may_be_new || portal.enrolled_by.is_none() || tell_alive(device, &Said::default(), steps).await.is_err() {
        return Err(error);
    }
    let later = enrolled_at(device)?;
    if later.service_issuers == portal.service_issuers && later.keys_digest() == portal.keys_digest() {
        return Err(error);
    }
    tracing::info!("the portal has told who vouches for people towards services now");
    Ok(later)
}

/// The exchange itself, signed by the present key; it says `said` besides.
///
/// # Errors
/// [`SignInError`].
pub(crate) async fn tell_alive(device: &mut Device, said: &Said<'_>, steps: &Steps) -> Result<KeptAlive, SignInError> {
    let mut portal = enrolled_at(device)?;
    let mut corrections = Corrections::of_the_clock_only();
    loop {
        let sequence = device.state.next_sequence()?;
        let (id, now) = (MessageId::from_random(random::bytes()), device.clock.now());
        let key = device.key(steps).await?;
        let myself = saml::device::entity_id_of_key(key.public_key_spki());
        let protection = key.protection().to_string();
        let facts = identity::sent_facts(&device.config, &protection);
        let evidence = Evidence {
            grade: EvidenceGrade::Local,
            source: "device-key".to_owned(),
            attributes: said.attributes.clone(),
        };
        let mut request = AuthnRequest {
            destination: Some(portal.soap_url.clone()),
            is_passive: true,
            device: Some(DeviceStatement { sequence, evidence, facts, enrolment: None, rotation: None }),
            subject: Some(NameId { format: NameIdFormat::Entity, value: myself.as_str().to_owned() }),
            ..AuthnRequest::new(id, now, myself)
        };
        if let Some(next) = said.next {
            let rotation = key_rotation::bring(next, &request).await?;
            request.device = request.device.map(|statement| DeviceStatement { rotation: Some(rotation), ..statement });
        }
        let to_sign = request.clone();
        let signed = device::sign(&key, move |signer| to_sign.sign(signer)).await?;
        let answer = device.transport.exchange(&portal.soap_url, signed.to_soap()).await?;
        let verdict = match verify(device, &portal, &request, &answer) {
            Ok(verdict) => verdict,
            Err(error) => {
                portal = device.follow_keys_after(error, portal).await?;
                verify(device, &portal, &request, &answer)?
            }
        };
        match verdict {
            Ok(assertion) => {
                hear_of_other_keys(device, portal, &assertion).await;
                note_listing(device, &assertion)?;
                return Ok(KeptAlive::of(&assertion));
            }
            Err(refusal) => portal = corrections.apply(device, portal, refusal)?,
        }
    }
}

/// Remembers what the portal calls the device and since when it has its key; written only where that is another.
fn note_listing(device: &mut Device, assertion: &Assertion) -> Result<(), SignInError> {
    let mut portal = enrolled_at(device)?;
    portal.known_as = told(assertion, DEVICE_ID).map(str::to_owned);
    portal.key_since = told(assertion, KEY_SINCE).map(str::to_owned);
    portal.service_issuers = ServiceIssuers::told(assertion);
    Ok(device.state.pin(portal)?)
}

/// Follows a change of the portal's keys that the answer tells of. Where that fails the next keep-alive tries again: what is pinned
/// still holds.
async fn hear_of_other_keys(device: &mut Device, portal: PinnedPortal, assertion: &Assertion) {
    let Some(digest) = told(assertion, SIGNING_KEYS) else { return };
    if digest == portal.keys_digest() {
        return;
    }
    if let Err(error) = device.follow_keys_of(portal).await {
        tracing::warn!(
            code = error.code().as_str(),
            error = &error as &dyn std::error::Error,
            "the portal's keys are others, and could not be learnt"
        );
    }
}

/// Believes the answer if a pinned key has signed it, it is for this request, and it is about this device.
fn verify(
    device: &Device,
    portal: &PinnedPortal,
    request: &AuthnRequest,
    answer: &[u8],
) -> Result<Result<Assertion, Refusal>, SignInError> {
    let response = UnverifiedResponse::parse_soap(answer).map_err(SignInError::NotUnderstood)?;
    let issuer = portal.issuer().ok_or(MetadataUnusable("has no entity ID"))?;
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &request.issuer,
        recipient: request.issuer.as_str(),
        in_response_to: InResponseTo::Exactly(&request.id),
        now: device.clock.now(),
        max_skew_seconds: SKEW_SECONDS,
    };
    match response.verify(&portal.keys(), &expect).map_err(SignInError::NotTrusted)? {
        Answer::Verified(assertion) if assertion.assertion().subject.value == request.issuer.as_str() => {
            Ok(Ok(assertion.into_assertion()))
        }
        Answer::Verified(_) => Err(SignInError::RefusedWithoutCode),
        Answer::Refused(refused) => Ok(Err(refused.refusal().cloned().ok_or(SignInError::RefusedWithoutCode)?)),
    }
}

/// Sends the diagnostics that the portal has asked for with the request `id`, signed by the device's key.
///
/// # Errors
/// [`SignInError`]; the portal asks again.
pub async fn send_bundle(device: &mut Device, id: &str, bundle: Vec<u8>, steps: &Steps) -> Result<(), SignInError> {
    enrolled_at(device)?;
    let key = device.key(steps).await?;
    let myself = saml::device::entity_id_of_key(key.public_key_spki());
    let address = diagnostics::address(&device.config.cloud_url, id);
    let proof = UploadProof { device: &myself, address: &address, bundle: &bundle };
    let octets = proof.octets();
    let signature = device::sign(&key, move |signer| signer.sign(&octets)).await?;
    let headers = [(DEVICE_HEADER, myself.as_str().to_owned()), (SIGNATURE_HEADER, STANDARD.encode(signature))];
    Ok(device.transport.upload(&address, &headers, bundle).await?)
}

/// Tells the portal that the owner of `session` has signed out.
///
/// # Errors
/// [`SignInError`].
pub async fn sign_out(device: &mut Device, session: &Session, steps: &Steps) -> Result<(), SignInError> {
    let name_id = NameId { format: NameIdFormat::EmailAddress, value: session.user.clone() };
    let reason = "urn:oasis:names:tc:SAML:2.0:logout:user";
    say_farewell(device, name_id, reason, vec![session.index.clone()], steps).await
}

/// Tells the portal that this device leaves. Where the portal has forgotten or removed it already, that is as good.
///
/// # Errors
/// [`SignInError`].
pub async fn deregister(device: &mut Device, steps: &Steps) -> Result<(), SignInError> {
    let enrolled_at = device.state.enrolled_portal().ok_or(SignInError::NotEnrolled)?;
    if enrolled_at.cloud_url == device.config.cloud_url {
        return deregister_here(device, steps).await;
    }
    // The portal that lists this device is another than the configured one, which knows nothing of it.
    let cloud_url = enrolled_at.cloud_url.clone();
    let configured = device.turn_to(&cloud_url)?;
    let told = deregister_here(device, steps).await;
    device.turn_back(configured);
    told
}

async fn deregister_here(device: &mut Device, steps: &Steps) -> Result<(), SignInError> {
    let myself = device.entity_id().ok_or(SignInError::EnrolledKeyGone)?;
    let name_id = NameId { format: NameIdFormat::Entity, value: myself.as_str().to_owned() };
    match say_farewell(device, name_id, DEREGISTER, Vec::new(), steps).await {
        Err(SignInError::Refused(refusal))
            if matches!(
                refusal.code,
                RefusalCode::DeviceUnknown | RefusalCode::DeviceRemoved | RefusalCode::DeviceWiped
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

async fn say_farewell(
    device: &mut Device,
    name_id: NameId,
    reason: &str,
    session_indexes: Vec<String>,
    steps: &Steps,
) -> Result<(), SignInError> {
    let mut portal = enrolled_at(device)?;
    let mut corrections = Corrections::of_the_clock_only();
    loop {
        let key = device.key(steps).await?;
        let myself = saml::device::entity_id_of_key(key.public_key_spki());
        let request = LogoutRequest {
            id: MessageId::from_random(random::bytes()),
            issue_instant: device.clock.now(),
            destination: Some(portal.soap_url.clone()),
            issuer: myself.clone(),
            not_on_or_after: None,
            reason: Some(reason.to_owned()),
            name_id: name_id.clone(),
            session_indexes: session_indexes.clone(),
        };
        let to_sign = request.clone();
        let xml = device::sign(&key, move |signer| to_sign.sign_as_device(signer)).await?;
        let answer = device.transport.exchange(&portal.soap_url, saml::binding::soap::envelope(&xml)).await?;
        let verdict = match verify_farewell(device, &portal, &request, &myself, &answer) {
            Ok(verdict) => verdict,
            Err(error) => {
                portal = device.follow_keys_after(error, portal).await?;
                verify_farewell(device, &portal, &request, &myself, &answer)?
            }
        };
        match verdict {
            None => return Ok(()),
            Some(refusal) => portal = corrections.apply(device, portal, refusal)?,
        }
    }
}

/// What the portal refuses, if it does; believed if a pinned key has signed it and it answers this request.
fn verify_farewell(
    device: &Device,
    portal: &PinnedPortal,
    request: &LogoutRequest,
    myself: &EntityId,
    answer: &[u8],
) -> Result<Option<Refusal>, SignInError> {
    let response = UnverifiedLogoutResponse::parse_soap(answer).map_err(SignInError::NotUnderstood)?;
    let expect = RequestExpectations {
        destinations: &[myself.as_str()],
        now: device.clock.now(),
        // An answer that says that the clock is wrong can't be judged by that clock; `InResponseTo` ties it to the request.
        max_age_seconds: CENTURY_SECONDS,
        max_skew_seconds: CENTURY_SECONDS,
    };
    let verified = response.verify(&portal.keys(), &expect).map_err(SignInError::NotTrusted)?;
    let content = verified.response();
    if content.in_response_to.as_ref() != Some(&request.id) || portal.issuer().as_ref() != Some(&content.issuer) {
        return Err(SignInError::RefusedWithoutCode);
    }
    match (content.status.is_success(), &content.status.refusal) {
        (true, _) => Ok(None),
        (false, Some(refusal)) => Ok(Some(*refusal)),
        (false, None) => Err(SignInError::RefusedWithoutCode),
    }
}

fn enrolled_at(device: &Device) -> Result<PinnedPortal, SignInError> {
    let portal = device.state.portal(&device.config.cloud_url).filter(|portal| portal.enrolled_by.is_some());
    portal.cloned().ok_or(SignInError::NotEnrolled)
}
