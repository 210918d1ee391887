//! How messages travel (Bindings).

pub mod post;
pub mod soap;
