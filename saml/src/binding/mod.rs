//! How messages travel (Bindings).

pub mod ecp;
pub mod post;
pub mod redirect;
pub mod soap;
