//! The portal's own request, which a browser brings along, or the answer to a service's request: who sent it says its signature, and nothing
//! else.

use saml::binding::redirect::RedirectedRequest;
use saml::device::sign_on_url;
use saml::name::{EntityId, MessageId};
use saml::rejection::{Rejection, RejectionReason};
use saml::request::{AuthnRequest, RequestExpectations, ServiceAlgorithms, UnverifiedRequest};
use saml::time::UtcTime;

use crate::device_state::PinnedPortal;

/// For how long after its IssueInstant the request is taken, in seconds.
const LIFE_SECONDS: i64 = 60;
/// How far this machine's clock may be off, in seconds: as far as the portal takes it without a word. By its own clock the portal counts
/// the minute exactly.
const SKEW_SECONDS: i64 = 390;

/// A sign-on that a service has begun at the portal, as the portal has signed it for this device's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction {
    /// What the portal calls it.
    pub id: MessageId,
    /// The service.
    pub service: EntityId,
    /// The registered address that the Response goes to.
    pub acs_url: String,
    /// What the service gets back untouched.
    pub relay_state: Option<String>,
}

impl Transaction {
    /// Believes `query`, which came to `port`, if the device's own portal has signed it, for this address and just now.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify(query: &str, port: u16, portal: &PinnedPortal, now: UtcTime) -> Result<Self, Rejection> {
        let request = RedirectedRequest::parse(query)?;
        if portal.issuer().as_ref() != Some(request.claimed_issuer()) {
            return Err(RejectionReason::NoPinnedKey.into());
        }
        let destination = sign_on_url(port);
        let expect = RequestExpectations {
            destinations: &[&destination],
            now,
            max_age_seconds: LIFE_SECONDS,
            max_skew_seconds: SKEW_SECONDS,
        };
        let received = request.verify(&portal.keys(), ServiceAlgorithms::Current, &expect)?;
        Self::of(received.message.into_request(), received.relay_state)
    }

    /// Believes what the portal has answered at `url` to a service's request, if the device's own portal has signed it just now.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify_answer(
        answer: UnverifiedRequest,
        url: &str,
        portal: &PinnedPortal,
        now: UtcTime,
    ) -> Result<Self, Rejection> {
        if portal.issuer().as_ref() != Some(answer.claimed_issuer()) {
            return Err(RejectionReason::NoPinnedKey.into());
        }
        let expect = RequestExpectations {
            destinations: &[url],
            now,
            max_age_seconds: LIFE_SECONDS,
            max_skew_seconds: SKEW_SECONDS,
        };
        Self::of(answer.verify(&portal.keys(), &expect)?.into_request(), None)
    }

    fn of(request: AuthnRequest, relay_state: Option<String>) -> Result<Self, Rejection> {
        Ok(Self {
            id: request.id,
            service: request.respond_to.ok_or(RejectionReason::MissingElement)?,
            acs_url: request.acs_url.ok_or(RejectionReason::MissingAttribute)?,
            relay_state,
        })
    }
}
