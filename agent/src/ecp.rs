//! The Enhanced Client or Proxy profile (Profiles §4.2), the device's half: a service's request goes to the portal octet for octet, the portal's
//! signed answer says which sign-on the device may end with its next request, and the Response goes back in the envelope that the service
//! waits for. Neither signature is touched on the way.

use platform::session::UserSession;
use saml::binding::ecp::{PaosRequest, consumer_url_fault, response_envelope};
use saml::name::MessageId;
use saml::rejection::{Rejection, RejectionReason};
use saml::request::UnverifiedRequest;
use saml::response::{Answer, InResponseTo, ResponseExpectations, UnverifiedResponse};

use crate::browser::Transaction;
use crate::device::Device;
use crate::device_state::{MetadataUnusable, PinnedPortal};
use crate::sign_in::{Granted, SKEW_SECONDS, SignInError, Wanted, sign_in};
use crate::steps::Steps;

/// What the service's client posts to the service.
#[derive(Debug)]
pub struct Relayed {
    /// Where: the address that the service itself has named.
    pub url: String,
    /// The Response in its envelope, or a SOAP fault.
    pub envelope: String,
    /// Why it is a fault: the portal has another address on record.
    pub differs: Option<Rejection>,
}

/// Has the owner of `session` signed in at the service whose envelope `from_service` is.
///
/// # Errors
/// [`SignInError`]; then the service gets nothing.
pub async fn relay(
    device: &mut Device,
    session: &UserSession,
    from_service: &str,
    steps: &Steps,
) -> Result<Relayed, SignInError> {
    // A device that is not enrolled has pinned no key, and trusts no portal.
    let portal = device.state.portal(&device.config.cloud_url).filter(|portal| portal.enrolled_by.is_some());
    let portal = portal.ok_or(SignInError::NotEnrolled)?;
    let asked = PaosRequest::parse(from_service.as_bytes()).map_err(SignInError::ServiceNotUnderstood)?;
    let request = UnverifiedRequest::parse_soap(asked.for_identity_provider().as_bytes());
    let request_id = request.map_err(SignInError::ServiceNotUnderstood)?.claimed_id().clone();
    let url = portal.service_issuers.ecp_url(&device.config.cloud_url, asked.for_identity_provider());
    let answer = device.transport.exchange(&url, asked.for_identity_provider().to_owned()).await?;
    let transaction = begun(device, portal, (&url, &request_id), &answer)?;
    let to = asked.response_consumer_url().to_owned();
    // Profiles §4.2.4.5: nothing is delivered where the two differ, so nothing is asked for.
    if transaction.acs_url != to {
        let differs = Some(RejectionReason::ConsumerUrl.into());
        return Ok(Relayed { url: to, envelope: consumer_url_fault(), differs });
    }
    let Granted::ForService(response) = sign_in(device, session, &Wanted::Begun(transaction), steps).await? else {
        return Err(SignInError::RefusedWithoutCode);
    };
    let answer = asked.answer(response_envelope(&response.acs_url, &response.xml).as_bytes());
    Ok(match answer {
        Ok(envelope) => Relayed { url: to, envelope, differs: None },
        Err(differs) => Relayed { url: to, envelope: consumer_url_fault(), differs: Some(differs) },
    })
}

/// The portal's answer to a service's request: its own request, or a refusal, each believed by its signature alone.
fn begun(
    device: &Device,
    portal: &PinnedPortal,
    (url, asked): (&str, &MessageId),
    answer: &[u8],
) -> Result<Transaction, SignInError> {
    let now = device.clock.now();
    if let Ok(request) = UnverifiedRequest::parse_soap(answer) {
        return Transaction::verify_answer(request, url, portal, now).map_err(SignInError::NotTrusted);
    }
    let issuer = portal.issuer().ok_or(MetadataUnusable("has no entity ID"))?;
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &issuer,
        recipient: url,
        in_response_to: InResponseTo::Exactly(asked),
        now,
        max_skew_seconds: SKEW_SECONDS,
    };
    let response = UnverifiedResponse::parse_soap(answer).map_err(SignInError::NotUnderstood)?;
    match response.verify(&portal.keys(), &expect).map_err(SignInError::NotTrusted)? {
        Answer::Refused(refused) => {
            Err(refused.refusal().cloned().map_or(SignInError::RefusedWithoutCode, SignInError::Refused))
        }
        // An assertion is no answer to a request of somebody else.
        Answer::Verified(_) => Err(SignInError::RefusedWithoutCode),
    }
}
