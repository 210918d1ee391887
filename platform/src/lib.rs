//! The one door to the operating system.
//!
//! A facade on top (one module a subject), and below it one leaf file for each system with the same signatures. What a system cannot do is a
//! typed error or an `Unknown` with its reason, never a silent success. `tests/contract` holds every leaf that can be run to the same checks.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this crate is the place where the operating system is asked; everything above it goes through here"
)]

pub mod accounts;
pub mod channel;
pub mod clock;
pub mod device;
pub mod device_key;
pub mod environment;
pub mod event_log;
pub mod file_standing;
pub mod files;
#[cfg(windows)]
pub mod installer;
pub mod log_file;
pub mod loopback;
#[cfg(target_os = "macos")]
mod macos;
pub mod managed;
pub mod network;
pub mod paths;
pub mod principal;
pub mod process;
pub mod proxy;
pub mod random;
pub mod routes;
pub mod sealed;
pub mod service;
pub mod service_manager;
pub mod session;
pub mod set_aside;
pub mod termination;
pub mod watch;
pub mod web_browser;
#[cfg(windows)]
mod windows;
