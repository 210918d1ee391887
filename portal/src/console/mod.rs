//! The pages for administrators as a service provider: signing in by another identity provider, or with a device of the portal's own.
//!
//! The request, which is kept with the browser that leaves ([`begin`]) → the Response, verified by the reader that services' sign-ons use → decided:
//! which account is linked with that name there, and whether it may sign in ([`answer`]) → a session as after a password.
//!
//! The pages have an entity ID of their own: what an identity provider says for somebody's services is never good for them.

mod answer;
mod leaving;

use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::NameIdFormat;

use crate::cloud::Cloud;

pub(crate) use answer::{answer, own_issuer};
pub(crate) use leaving::{Journey, begin};

/// For how long an answer is awaited, in seconds: people type passwords there.
pub(crate) const LIFE_SECONDS: i64 = crate::external::LIFE_SECONDS;

/// The pages as a service provider, as other identity providers are told.
#[must_use]
pub(crate) fn service_provider(cloud: &Cloud, signing_certificates: Vec<Vec<u8>>) -> SpMetadata {
    let location = cloud.console_acs_url().to_owned();
    SpMetadata {
        entity_id: cloud.console_entity_id().clone(),
        valid_until: None,
        signing_certificates,
        acs: vec![IndexedEndpoint { binding: Binding::Post, location, index: 0, is_default: Some(true) }],
        slo: Vec::new(),
        display_name: None,
        request_initiator: None,
        want_assertions_signed: true,
        authn_requests_signed: true,
        name_id_formats: vec![NameIdFormat::EmailAddress],
    }
}
