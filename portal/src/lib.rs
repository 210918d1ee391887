//! The Countersign portal: the SAML identity provider that answers devices, and what administrators run it with.
//!
//! [`sign_on::sign_on`] is the path of a request; [`admin`] what administrators change and see, behind every door;
//! [`command`] the command line; [`store`] the database.

pub mod admin;
pub mod admission;
mod api;
pub mod backup;
mod break_glass;
pub mod browser;
pub mod clock;
pub mod cloud;
pub mod command;
mod console;
pub mod decision;
mod diagnostics;
pub mod door;
pub mod ecp;
pub mod evidence;
pub mod external;
pub mod farewell;
pub mod files;
pub mod grade;
pub mod groups;
pub mod identity_provider;
pub mod issue;
pub mod logout;
mod me;
pub mod metrics;
pub mod network;
pub mod policy;
pub mod post_form;
pub mod proof;
pub mod random;
pub mod rehearsal;
pub mod scim;
pub mod service_answer;
pub mod service_name;
pub mod service_settings;
pub mod sign_on;
pub mod signing;
mod standing;
pub mod store;
mod table;
mod web;
pub mod web_client;
pub mod webauthn;
