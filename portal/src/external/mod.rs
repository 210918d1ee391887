//! Sign-on at another identity provider: towards services the portal stays the identity provider, towards the other one it is a service
//! provider (SAML calls that proxying, Core §3.4.1.5).
//!
//! The service's request, which is kept → the portal's own request to the identity provider ([`go_on`]) → its Response, verified
//! ([`answer`]) → decided as for a device: domain, state of the person, policy ([`decision`]) → the portal's own Response to the service.
//!
//! One entity ID, one address and one key serve all tenants: a Response counts only for the one request that it answers, and that request
//! belongs to one tenant, one identity provider, one sign-on and one browser.

mod answer;
mod decision;
mod leaving;
mod proof;

use saml::key::SignError;
use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::NameIdFormat;
use saml::refusal::RefusalCode;

use crate::browser::NotBegun;
use crate::cloud::Cloud;
use crate::post_form::PostForm;

pub(crate) use answer::believe;
pub use answer::{Answered, answer};
pub use leaving::{Offer, Wish, go_on, offers};
pub(crate) use leaving::{for_browsers, take_along};
pub use proof::NoProof;
pub(crate) use proof::leave as leave_for_proof;

/// For how long an identity provider may answer once the browser was sent there, in seconds: people type passwords there.
pub const LIFE_SECONDS: i64 = 1800;

/// How a browser leaves for another identity provider.
#[derive(Clone, Debug)]
pub enum Leaving {
    /// To this address, with the request in it.
    Redirect(String),
    /// By a form.
    Post(PostForm),
}

/// The portal as a service provider, as identity providers are told.
#[must_use]
pub fn service_provider(cloud: &Cloud, signing_certificates: Vec<Vec<u8>>) -> SpMetadata {
    let acs = IndexedEndpoint {
        binding: Binding::Post,
        location: cloud.acs_url().to_owned(),
        index: 0,
        is_default: Some(true),
    };
    SpMetadata {
        entity_id: cloud.sp_entity_id().clone(),
        valid_until: None,
        signing_certificates,
        acs: vec![acs],
        slo: Vec::new(),
        display_name: None,
        request_initiator: None,
        want_assertions_signed: true,
        authn_requests_signed: true,
        name_id_formats: vec![NameIdFormat::EmailAddress],
    }
}

fn unsigned(error: &SignError) -> NotBegun {
    tracing::error!(error = error as &dyn std::error::Error, "could not sign for another identity provider");
    NotBegun::Refused(RefusalCode::Busy, "the portal's key could not sign".to_owned())
}
