//! Signing in: the agent's whole side of the protocol, in one function.
//!
//! Every step hands the next one a type that only it can make: a session's evidence makes an [`Identity`], an identity an
//! [`AuthnRequest`], the key a [`SignedRequest`](saml::request::SignedRequest), the portal's pinned keys a
//! [`VerifiedAssertion`](saml::response::VerifiedAssertion), and only that a [`Session`].

use platform::device_key::{DeviceKey, KeyError};
use platform::principal::NameFault;
use platform::random;
use platform::session::UserSession;
use saml::device::{DeviceStatement, Enrolment, Evidence, PROOF_CODE, SERVICES};
use saml::name::{Attribute, EntityId, MessageId, NameIdFormat};
use saml::refusal::{Refusal, RefusalCode};
use saml::rejection::{Rejection, RejectionReason};
use saml::request::{AuthnRequest, Comparison, NameIdPolicy, RequestedAuthnContext};
use saml::response::{Answer, Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::token::{EnrolmentProof, TokenId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::browser::Transaction;
use crate::conversation::hear_of_other_issuers;
use crate::device::{self, Device};
use crate::device_state::{DeviceStateError, MetadataUnusable, PinnedPortal};
use crate::failure::FailureCode;
use crate::golden_image::GoldenImageError;
use crate::identity::{self, Identity};
use crate::machine::Way;
use crate::service_issuers::ServiceIssuers;
use crate::session::Session;
use crate::steps::Steps;
use crate::transport::TransportError;

/// How far the portal's clock may differ from the corrected one, in seconds.
pub(crate) const SKEW_SECONDS: i64 = 90;
/// The authentication context that a device key gives (AuthnContext §3.4.16).
const X509: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The portal refused, and said why.
    #[error("the portal refused: {}", .0.code.meaning())]
    Refused(Refusal),
    /// The portal refused, and did not say why in a way that this version knows.
    #[error("the portal refused for a reason that this version doesn't know; update the agent")]
    RefusedWithoutCode,
    /// No key is registered and there is no token.
    #[error("this device isn't enrolled and has no device token")]
    NotEnrolled,
    /// The portal knows a key of this device that is not here any more.
    #[error(
        "the key that this device has enrolled with is gone, so that nothing can be proved to the portal: remove the device there, and run `countersign deregister --local`"
    )]
    EnrolledKeyGone,
    /// This machine is a template.
    #[error("this machine is a golden image")]
    GoldenImage,
    /// Whether it is a template can't be told.
    #[error(transparent)]
    Seal(#[from] GoldenImageError),
    /// The account's name can't be sent.
    #[error(transparent)]
    Name(#[from] NameFault),
    /// The key failed.
    #[error(transparent)]
    Key(KeyError),
    /// The state failed.
    #[error(transparent)]
    State(#[from] DeviceStateError),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No metadata.
    #[error(transparent)]
    NoMetadata(TransportError),
    /// What came back can't be read as metadata.
    #[error("the cloud's metadata was refused")]
    MetadataRefused(#[source] Rejection),
    /// The metadata is of no use.
    #[error(transparent)]
    MetadataUnusable(#[from] MetadataUnusable),
    /// What came back can't be read as a SAML Response.
    #[error("the answer was not understood")]
    NotUnderstood(#[source] Rejection),
    /// The portal's keys are others, and none that is pinned has signed the list of them.
    #[error("the keys that sign for the portal now are not vouched for by a key that this device knows")]
    KeysNotVouchedFor(#[source] Rejection),
    /// What came back isn't proven to be the portal's answer to this request.
    #[error("the answer was not trusted")]
    NotTrusted(#[source] Rejection),
    /// A service's envelope can't be read as an ECP request.
    #[error("what the service asks for was not understood")]
    ServiceNotUnderstood(#[source] Rejection),
    /// What a browser brought along is not the portal's, not for this device, or too old.
    #[error("the sign-on that a browser brought along was not trusted")]
    SignOnNotTrusted(#[source] Rejection),
}

impl SignInError {
    /// The stable code of a failure of ours, or the portal's own.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Failure(match self {
            Self::Refused(refusal) => return Code::Refusal(refusal.code),
            Self::NotEnrolled => FailureCode::NotEnrolled,
            Self::EnrolledKeyGone => FailureCode::KeyUnusable,
            Self::GoldenImage => FailureCode::GoldenImage,
            Self::Seal(_) => FailureCode::StateUnusable,
            Self::Name(_) => FailureCode::NameUnusable,
            Self::Key(error) => code_of_key(error),
            Self::State(error) if error.is_disk_full() => FailureCode::DiskFull,
            Self::State(_) => FailureCode::StateUnusable,
            Self::Transport(error) | Self::NoMetadata(error) => error.code(),
            Self::MetadataRefused(_)
            | Self::MetadataUnusable(_)
            | Self::NotUnderstood(_)
            | Self::RefusedWithoutCode => FailureCode::AnswerNotUnderstood,
            Self::NotTrusted(_) => FailureCode::AnswerNotTrusted,
            Self::SignOnNotTrusted(_) => FailureCode::SignOnNotTrusted,
            Self::ServiceNotUnderstood(_) => FailureCode::ServiceNotUnderstood,
            Self::KeysNotVouchedFor(_) => FailureCode::PortalKeysUnknown,
        })
    }

    /// The seconds that the portal asked to wait, where it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        if let Self::Refused(refusal) = self {
            return refusal.retry_after_seconds;
        }
        let (Self::Transport(error) | Self::NoMetadata(error)) = self else { return None };
        let TransportError::Failing { retry_after, .. } = error else { return None };
        *retry_after
    }

    /// The way on which it failed.
    #[must_use]
    pub fn way(&self) -> Way {
        match self {
            Self::NoMetadata(_) | Self::MetadataRefused(_) | Self::MetadataUnusable(_) | Self::KeysNotVouchedFor(_) => {
                Way::Metadata
            }
            Self::Refused(_)
            | Self::RefusedWithoutCode
            | Self::NotEnrolled
            | Self::EnrolledKeyGone
            | Self::GoldenImage
            | Self::Seal(_)
            | Self::Name(_)
            | Self::Key(_)
            | Self::State(_)
            | Self::Transport(_)
            | Self::NotUnderstood(_)
            | Self::NotTrusted(_)
            | Self::ServiceNotUnderstood(_)
            | Self::SignOnNotTrusted(_) => Way::SignIn,
        }
    }
}

/// The stable code of what is wrong with the device key.
#[must_use]
pub fn code_of_key(error: &KeyError) -> FailureCode {
    match error {
        _ if error.is_loss_of_the_key() => FailureCode::KeyLost,
        KeyError::Hardware { .. } | KeyError::Downgrade { .. } => FailureCode::KeyHardware,
        KeyError::File { source, .. } if source.is_disk_full() => FailureCode::DiskFull,
        KeyError::File { .. }
        | KeyError::Damaged { .. }
        | KeyError::UnknownProtection { .. }
        | KeyError::Exists { .. }
        | KeyError::Generate
        | KeyError::Sign => FailureCode::KeyUnusable,
    }
}

/// A code of the agent's or of the portal's table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Code {
    /// Ours.
    Failure(FailureCode),
    /// The portal's.
    Refusal(RefusalCode),
}

impl Code {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure(code) => code.code(),
            Self::Refusal(code) => code.code(),
        }
    }

    /// What has happened.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Failure(code) => code.meaning(),
            Self::Refusal(code) => code.meaning(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_action(self) -> &'static str {
        match self {
            Self::Failure(code) => code.next_action(),
            Self::Refusal(code) => code.next_action(),
        }
    }

    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure(code) => code.exit_code(),
            Self::Refusal(code) => code.exit_code(),
        }
    }
}

/// What a sign-in gave.
#[derive(Debug)]
pub enum Granted {
    /// The person's session with the portal.
    Session(Session),
    /// A Response for a service, to be posted to its assertion consumer service.
    ForService(ServiceResponse),
    /// The services that the person may open.
    Services(ServiceList),
}

/// The services that a person may open.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ServiceList {
    /// The entity ID of the issuer by which services know the portal.
    pub identity_provider: String,
    /// By entity ID.
    pub services: Vec<ListedService>,
}

/// A service that the person may open, as the portal lists it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ListedService {
    /// Its entity ID.
    pub entity_id: String,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Where the service itself begins a sign-on.
    #[serde(default)]
    pub initiator: Option<String>,
}

impl ServiceList {
    /// What the assertion lists; an entry that this version does not understand is passed over.
    fn of(assertion: &Assertion) -> Self {
        let attribute = assertion.attributes.iter().find(|attribute| attribute.name == SERVICES);
        let values = attribute.into_iter().flat_map(|attribute| &attribute.values);
        let services = values.filter_map(|value| serde_json::from_str(value).ok()).collect();
        let issuer = ServiceIssuers::told(assertion).first().map(str::to_owned);
        Self { identity_provider: issuer.unwrap_or_else(|| assertion.issuer.to_string()), services }
    }
}

/// A Response for a service: anybody who posts it first is signed in there. It is shown only to the person that it names.
#[derive(Debug)]
pub struct ServiceResponse {
    /// Where to post it.
    pub acs_url: String,
    /// The Response as the portal signed it.
    pub xml: String,
}

/// What a sign-in is for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The person's own session with the portal.
    Session,
    /// A Response for this service, which has not asked for it.
    Service(EntityId),
    /// The end of a sign-on that a service has begun.
    Begun(Transaction),
    /// The services that the person may open.
    Services,
    /// The person's own session with the portal, by a one-time code that proves who they are.
    Proof(ProofCode),
}

/// A one-time code by which a person proves who they are.
#[derive(Clone, Debug)]
pub struct ProofCode(SecretString);

impl ProofCode {
    /// The code as it was typed.
    #[must_use]
    pub fn new(code: String) -> Self {
        Self(code.into())
    }
}

impl Wanted {
    /// The service that the Response is for.
    #[must_use]
    pub fn service(&self) -> Option<&EntityId> {
        match self {
            Self::Session | Self::Services | Self::Proof(_) => None,
            Self::Service(service) => Some(service),
            Self::Begun(transaction) => Some(&transaction.service),
        }
    }
}

/// Signs the owner of `session` in: with the portal itself, or for the service that `wanted` names.
///
/// Enrols the device's key first where it isn't registered: that takes no second exchange. A clock that is wrong is
/// corrected from the portal's signed answer, and a registration that the portal has forgotten is renewed with the device
/// token where there is one; each once.
///
/// # Errors
/// [`SignInError`]. Nothing is lost: what was enrolled before stays enrolled.
pub async fn sign_in(
    device: &mut Device,
    session: &UserSession,
    wanted: &Wanted,
    steps: &Steps,
) -> Result<Granted, SignInError> {
    steps.begin();
    // No event tells that an account was disabled or renamed.
    let session = platform::session::refreshed(session.clone()).await;
    let identity = Identity::of(&session, &device.config.user_domain, device.config.user_name.as_ref())?;
    steps.done("user", || format!("{} ({})", identity.name_id.value, identity.reason));
    device.key(steps).await?;
    let mut portal = device.portal(steps).await?;
    if portal.enrolled_by.is_none() && wanted.service().is_some() {
        // Only the device's own session says who vouches for its people towards services.
        exchange(device, portal, (&identity, &Wanted::Session), steps).await?;
        portal = device.portal(steps).await?;
    }
    exchange(device, portal, (&identity, wanted), steps).await
}

/// Asks the portal until it answers for good.
async fn exchange(
    device: &mut Device,
    mut portal: PinnedPortal,
    (identity, wanted): (&Identity, &Wanted),
    steps: &Steps,
) -> Result<Granted, SignInError> {
    let mut corrections = Corrections::default();
    loop {
        let key = device.key(steps).await?;
        let request = number_and_fill(device, &key, (identity, &portal), wanted, steps)?;
        let to_sign = request.clone();
        let signed = match device::sign(&key, move |signer| to_sign.sign(signer)).await {
            Ok(signed) => signed,
            Err(SignInError::Key(error)) => {
                portal = corrections.renew_lost_key(device, portal, error)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        steps.done("request-signed", || format!("sequence {}, {} octets", device.state.sequence(), signed.xml().len()));
        let answer = device.transport.exchange(&portal.soap_url, signed.to_soap()).await?;
        steps.done("answered", || format!("{} octets", answer.len()));
        let verdict = match verify(device, &portal, &request, wanted, &answer) {
            Ok(verdict) => verdict,
            Err(error) => {
                portal = if wanted.service().is_some() {
                    hear_of_other_issuers(device, portal, error, steps).await?
                } else {
                    device.follow_keys_after(error, portal).await?
                };
                verify(device, &portal, &request, wanted, &answer)?
            }
        };
        match verdict {
            Verdict::Granted(granted, issuers) => {
                if let Some(issuers) = issuers {
                    portal.service_issuers = issuers;
                }
                steps.done("response-verified", || identity.name_id.value.clone());
                settle(device, portal, &request, steps)?;
                return Ok(granted);
            }
            Verdict::Refused(refusal) if refusal.code == RefusalCode::ProofNeeded => {
                // The device is registered: only the person has something to do.
                settle(device, portal, &request, steps)?;
                return Err(SignInError::Refused(refusal));
            }
            Verdict::Refused(refusal) => portal = corrections.apply(device, portal, refusal)?,
        }
    }
}

/// What has been put right already: each only once, so that no refusal makes a loop.
#[derive(Default)]
pub(crate) struct Corrections {
    clock: bool,
    enrolment: bool,
    lost_key: bool,
}

impl Corrections {
    /// Puts a wrong clock right, and enrols nothing.
    pub(crate) fn of_the_clock_only() -> Self {
        Self { clock: false, enrolment: true, lost_key: true }
    }

    /// Gives a key up that its hardware has lost, if there is a device token that another can be registered with.
    fn renew_lost_key(
        &mut self,
        device: &mut Device,
        portal: PinnedPortal,
        error: KeyError,
    ) -> Result<PinnedPortal, SignInError> {
        if self.lost_key || !error.is_loss_of_the_key() || device.config.token.is_none() {
            return Err(SignInError::Key(error));
        }
        self.lost_key = true;
        tracing::warn!("the hardware has lost the device key; making another and enrolling again");
        device.abandon_key()?;
        Ok(portal.not_enrolled())
    }

    /// Puts right what `refusal` complains of, if that can be done here; returns the portal to try again with.
    pub(crate) fn apply(
        &mut self,
        device: &mut Device,
        portal: PinnedPortal,
        refusal: Refusal,
    ) -> Result<PinnedPortal, SignInError> {
        match (refusal.code, refusal.time) {
            (RefusalCode::ClockSkew, Some(time)) if !self.clock => {
                self.clock = true;
                device.clock = device.clock.set_to(time);
                tracing::warn!("this machine's clock is wrong; working with the portal's time");
                Ok(portal)
            }
            (RefusalCode::DeviceUnknown | RefusalCode::DeviceRemoved, _)
                if !self.enrolment && portal.enrolled_by.is_some() && device.config.token.is_some() =>
            {
                self.enrolment = true;
                tracing::info!(code = %refusal.code, "the portal has no registration of this device; enrolling again");
                Ok(portal.not_enrolled())
            }
            _ => Err(SignInError::Refused(refusal)),
        }
    }
}

/// Fills the request in. Its number is on the disk before it can be sent.
fn number_and_fill(
    device: &mut Device,
    key: &DeviceKey,
    (identity, portal): (&Identity, &PinnedPortal),
    wanted: &Wanted,
    steps: &Steps,
) -> Result<AuthnRequest, SignInError> {
    let service = wanted.service();
    let enrolling = portal.enrolled_by.is_none();
    if enrolling && device.config.token.is_none() {
        return Err(SignInError::NotEnrolled);
    }
    let sequence = device.state.next_sequence()?;
    let (id, now) = (MessageId::from_random(random::bytes()), device.clock.now());
    let (spki, protection) = (key.public_key_spki().to_vec(), key.protection().to_string());
    let facts = identity::sent_facts(&device.config, &protection);
    steps.done("facts", || format!("{} facts", facts.len()));
    let token = device.config.token.as_ref().filter(|_| enrolling);
    let enrolment = token.map(|token| {
        let proof = EnrolmentProof {
            token: token.id(),
            device_key_spki: &spki,
            request: &id,
            issue_instant: now,
            destination: &portal.soap_url,
        };
        let token_signature = token.sign_enrolment(&proof).to_vec();
        Enrolment { token: token.id().clone(), device_key_spki: spki.clone(), token_signature }
    });
    Ok(AuthnRequest {
        destination: Some(portal.soap_url.clone()),
        is_passive: true,
        respond_to: match wanted {
            Wanted::Services => portal.issuer(),
            Wanted::Session | Wanted::Proof(_) | Wanted::Service(_) | Wanted::Begun(_) => service.cloned(),
        },
        transaction: match wanted {
            Wanted::Begun(transaction) => Some(transaction.id.clone()),
            Wanted::Session | Wanted::Proof(_) | Wanted::Service(_) | Wanted::Services => None,
        },
        device: Some(DeviceStatement {
            sequence,
            evidence: evidence(identity, wanted),
            facts,
            enrolment,
            rotation: None,
        }),
        subject: Some(identity.name_id.clone()),
        name_id_policy: Some(NameIdPolicy {
            format: Some(NameIdFormat::EmailAddress),
            sp_name_qualifier: None,
            allow_create: true,
        }),
        requested_authn_context: Some(RequestedAuthnContext {
            comparison: Comparison::Minimum,
            class_refs: vec![X509.to_owned()],
            decl_refs: Vec::new(),
        }),
        requesters: service.cloned().into_iter().collect(),
        ..AuthnRequest::new(id, now, saml::device::entity_id_of_key(&spki))
    })
}

/// What is said of the person: what the operating system says, and the one-time code where one was typed.
fn evidence(identity: &Identity, wanted: &Wanted) -> Evidence {
    let mut evidence = identity.evidence.clone();
    if let Wanted::Proof(ProofCode(code)) = wanted {
        let values = vec![code.expose_secret().to_owned()];
        evidence.attributes.push(Attribute { name: PROOF_CODE.to_owned(), values, ..Attribute::default() });
    }
    evidence
}

/// An answer that is the portal's, and is for this request.
enum Verdict {
    /// With what it says of the issuers for services, if it is the device's own.
    Granted(Granted, Option<ServiceIssuers>),
    Refused(Refusal),
}

/// Believes the answer if a pinned key has signed it and it is for this request.
fn verify(
    device: &Device,
    portal: &PinnedPortal,
    request: &AuthnRequest,
    wanted: &Wanted,
    answer: &[u8],
) -> Result<Verdict, SignInError> {
    let response = UnverifiedResponse::parse_soap(answer).map_err(SignInError::NotUnderstood)?;
    let cloud = portal.issuer().ok_or(MetadataUnusable("has no entity ID"))?;
    let xml = response.xml().to_owned();
    // A service knows nothing of our request: a Response for it names its own request, which only the portal has seen, or none. A refusal names
    // ours all the same. Where a Response goes that no service has asked for is the portal's to say: what the envelope claims has to be what
    // is signed.
    let service = wanted.service();
    let claimed_request = response.claimed_in_response_to();
    let is_ours = service.is_none() || claimed_request.as_ref() == Some(&request.id);
    let claimed_destination = response.claimed_destination();
    let (recipient, in_response_to) = match wanted {
        _ if is_ours => (Some(request.issuer.as_str()), InResponseTo::Exactly(&request.id)),
        Wanted::Begun(transaction) => {
            let begun = claimed_request.as_ref().map_or(InResponseTo::Unsolicited, InResponseTo::Exactly);
            (Some(transaction.acs_url.as_str()), begun)
        }
        Wanted::Session | Wanted::Proof(_) | Wanted::Service(_) | Wanted::Services => {
            (claimed_destination.as_deref(), InResponseTo::Unsolicited)
        }
    };
    let (issuer, keys) = if is_ours {
        (cloud, portal.keys())
    } else {
        let claimed = response.claimed_issuer().unwrap_or(cloud);
        let unknown = || SignInError::NotTrusted(RejectionReason::WrongIssuer.into());
        let keys = portal.service_keys(&claimed).ok_or_else(unknown)?;
        (claimed, keys)
    };
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: service.unwrap_or(&request.issuer),
        recipient: recipient.unwrap_or(request.issuer.as_str()),
        in_response_to,
        now: device.clock.now(),
        max_skew_seconds: SKEW_SECONDS,
    };
    match response.verify(&keys, &expect).map_err(SignInError::NotTrusted)? {
        Answer::Verified(assertion) if service.is_some() => {
            let acs_url = assertion.assertion().recipient.clone();
            Ok(Verdict::Granted(Granted::ForService(ServiceResponse { acs_url, xml }), None))
        }
        Answer::Verified(assertion) if matches!(wanted, Wanted::Services) => {
            let assertion = assertion.assertion();
            Ok(Verdict::Granted(Granted::Services(ServiceList::of(assertion)), Some(ServiceIssuers::told(assertion))))
        }
        Answer::Verified(assertion) => {
            let issuers = ServiceIssuers::told(assertion.assertion());
            Ok(Verdict::Granted(Granted::Session(Session::opened_by(&assertion)), Some(issuers)))
        }
        // The portal tells the service itself what can not be done for it; that is signed, and for its registered address.
        Answer::Refused(_) if !is_ours && matches!(wanted, Wanted::Begun(_)) => {
            let acs_url = recipient.unwrap_or_default().to_owned();
            Ok(Verdict::Granted(Granted::ForService(ServiceResponse { acs_url, xml }), None))
        }
        Answer::Refused(refused) => {
            let refusal = refused.refusal().cloned();
            Ok(Verdict::Refused(refusal.ok_or(SignInError::RefusedWithoutCode)?))
        }
    }
}

/// Remembers the portal and the registration, durably: from here on the key alone signs in.
fn settle(device: &mut Device, portal: PinnedPortal, request: &AuthnRequest, steps: &Steps) -> Result<(), SignInError> {
    let enrolment = request.device.as_ref().and_then(|device| device.enrolment.as_ref());
    let token: Option<&TokenId> = enrolment.map(|enrolment| &enrolment.token);
    let portal = match token {
        Some(token) => portal.enrolled_by(token),
        None => portal,
    };
    device.state.pin(portal)?;
    if token.is_some() {
        steps.done("enrolled", || request.issuer.to_string());
    }
    Ok(())
}
