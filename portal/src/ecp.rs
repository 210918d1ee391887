//! Services that speak ECP (Profiles §4.2): a device brings the request of a service that one of its programs has asked for a page, and
//! hears in the portal's own words which sign-on it may end with its next request, and where the Response goes.
//!
//! What a service asks for is checked as in a browser's sign-on ([`crate::browser`]) and kept in the same way; the device is there already, so
//! that nobody is sent on.

use std::sync::Arc;

use saml::binding::soap::{self, FaultCode};
use saml::refusal::RefusalCode;
use saml::request::UnverifiedRequest;

use crate::browser::{self, Begun, Incoming, NotBegun};
use crate::decision::Decision;
use crate::issuer_address::IssuerAddress;
use crate::metrics::Outcome;
use crate::sign_on::{Answer, Arrival, Portal, busy, issue_off_thread, seconds};
use crate::store::browser_sign_on::BrowserSignOn;
use crate::store::signing_key::Purpose;

/// Answers a service's request, in the envelope that its client has taken the header off: with a request of the portal's own, signed for agents,
/// or with a refusal that is signed as well.
pub async fn begin(portal: &Arc<Portal>, body: &[u8], address: &IssuerAddress, arrival: Arrival) -> Answer {
    let Some(_permit) = portal.admission.enter() else {
        return busy(portal, arrival.instant);
    };
    let request = match UnverifiedRequest::parse_soap(body) {
        Ok(request) => Box::new(request),
        Err(rejection) => {
            let body = soap::fault(FaultCode::Client, &rejection.to_string(), Some(RefusalCode::Malformed));
            return Answer { status: 400, body, retry_after: None, outcome: Outcome::Fault };
        }
    };
    let asked = request.claimed_id().clone();
    match browser::begin(portal, Incoming::Ecp(request), address, arrival).await.map_err(NotBegun::in_words) {
        Ok(Begun::SignOn(begun)) => for_device(portal, &begun, arrival),
        Ok(Begun::Answer(answer)) => {
            tracing::info!(unable = ?answer.unable, "refused what a service demands");
            issue_off_thread(portal, Decision::refused(asked, RefusalCode::Malformed), arrival).await
        }
        Err(NotBegun::TooOften(wait)) => {
            let (code, retry_after) = (RefusalCode::Busy, Some(seconds(wait)));
            let refused = Decision::Refused { in_response_to: asked, code, elsewhere: None, retry_after };
            issue_off_thread(portal, refused, arrival).await
        }
        Err(NotBegun::Refused(code, why)) => {
            tracing::info!(%code, why, "refused a service's request");
            issue_off_thread(portal, Decision::refused(asked, code), arrival).await
        }
        // They are put into words above.
        Err(NotBegun::Rejected(rejection)) => {
            issue_off_thread(portal, Decision::refused(asked, rejection.code()), arrival).await
        }
        Err(NotBegun::Failed(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not answer a service's request");
            busy(portal, arrival.instant)
        }
    }
}

/// The portal's own request: who brought the service's may end it within a minute.
fn for_device(portal: &Portal, begun: &BrowserSignOn, arrival: Arrival) -> Answer {
    let names = portal.cloud.issuer(begun.issuer, &begun.tenant_id);
    let request = browser::request_to_device(portal, begun, names.ecp_url, arrival.now);
    match request.sign(portal.keys.now().identity(Purpose::Agent).signer) {
        Ok(signed) => Answer { status: 200, body: signed.to_soap(), retry_after: None, outcome: Outcome::Granted },
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not sign a request to a device");
            busy(portal, arrival.instant)
        }
    }
}
