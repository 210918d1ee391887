//! SAML's profile of XML signatures (Core 5): enveloped, one reference to the signed element itself, exclusive canonicalisation.

mod base64;
mod sign;
mod verify;

pub(crate) use base64::{decode, encode};
pub(crate) use sign::{Enveloped, SigningKey};
pub(crate) use verify::{Accepted, Covered, Place, check_census, signature_of, verify};
