//! SAML 2.0 for Countersign: one parse, and only what was signed is read.
//!
//! A message comes in as an `Unverified…`, which answers no question except the two that choose a key. `verify` consumes it together
//! with pinned keys, what is expected of it and the time, and only that makes a [`request::VerifiedRequest`] or a
//! [`response::VerifiedAssertion`], read from the signed node of the one parse. What is accepted and refused, with reasons, stands in
//! `docs/saml-profile.md`.
//!
//! The crate does no I/O, asks no clock and makes no randomness.
#![forbid(unsafe_code)]

mod assertion;
mod authn_request;
pub mod binding;
pub mod break_glass;
pub mod canonical;
pub mod device;
pub mod diagnostics;
mod dsig;
pub mod key;
pub mod logout;
mod message;
pub mod metadata;
pub mod name;
pub mod refusal;
pub mod rejection;
pub mod request;
pub mod response;
mod status;
pub mod time;
pub mod token;
mod wire;
mod xml;
