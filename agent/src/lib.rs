//! The Countersign agent: finds out who is logged in, keeps a key that never leaves the device, and signs people in to the
//! cloud without asking them anything.
//!
//! [`sign_in::sign_in`] is the agent's side of the protocol in one function; [`daemon`] the loop around it.

pub mod age_file;
pub mod break_glass;
pub mod browser;
mod certificate;
pub mod command;
pub mod config;
pub mod control;
pub mod conversation;
pub mod daemon;
pub mod device;
pub mod device_state;
pub mod diagnostics;
pub mod ecp;
pub mod failure;
pub mod golden_image;
pub mod heartbeat;
pub mod identity;
pub mod key_rotation;
pub mod local_account;
pub mod logs;
pub mod machine;
pub mod sealed_text;
pub mod service_issuers;
pub mod session;
pub mod sign_in;
pub mod standing;
pub mod steps;
pub mod system_access;
pub mod transport;
pub mod trust;
mod web_client;
mod written;
