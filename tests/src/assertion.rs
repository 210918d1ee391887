//! What a service makes of a Response.

use saml::metadata::IdpMetadata;
use saml::response::{Answer, Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;

use crate::portal::Portal;

/// The assertion in `field`, verified as the service would that is called `service` and waits at `acs`.
///
/// # Panics
/// Where the service would refuse it.
#[must_use]
pub fn verified(
    portal: &Portal,
    field: &str,
    (service, acs): (&str, &str),
    in_response_to: InResponseTo<'_>,
) -> Assertion {
    let response = UnverifiedResponse::parse_post(field).expect("it can be read");
    let described = IdpMetadata::parse(portal.metadata().as_bytes()).expect("metadata");
    let expect = ResponseExpectations {
        issuer: &described.entity_id,
        audience: &service.parse().expect("an entity ID"),
        recipient: acs,
        in_response_to,
        now: UtcTime::from_unix_millis(platform::clock::unix_millis()),
        max_skew_seconds: 0,
    };
    match response.verify(&described.signing_keys().expect("keys"), &expect) {
        Ok(Answer::Verified(verified)) => verified.into_assertion(),
        other => panic!("{other:?}"),
    }
}
