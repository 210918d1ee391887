//! What the whole-system tests and the quick start share: the two programs as real processes over real TLS.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: it starts programs, writes their files, and a surprise must end it loudly"
)]

#[cfg(target_os = "linux")]
pub mod active_directory;
pub mod agent;
pub mod apache;
pub mod assertion;
pub mod authenticator;
pub mod authority;
pub mod balancer;
pub mod binaries;
pub mod browser;
pub mod canary;
pub mod components;
#[cfg(target_os = "linux")]
pub mod container;
pub mod device;
pub mod dns;
pub mod hostile;
pub mod house;
pub mod https;
#[cfg(target_os = "linux")]
pub mod installed;
pub mod mellon;
pub mod own_idp;
pub mod own_service;
pub mod pages;
pub mod plot;
pub mod portal;
pub mod postgres;
pub mod program;
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod realm;
pub mod recorder;
pub mod scim;
pub mod script_service;
pub mod shibboleth;
pub mod simplesamlphp;
pub mod wine;
