//! What the machine knows about the networks that it is on, without sending anything.

#[cfg(target_os = "linux")]
#[path = "routes/linux.rs"]
mod imp;
#[cfg(not(target_os = "linux"))]
#[path = "routes/unknown.rs"]
mod imp;

/// Whether there is a way out, for each version of the Internet Protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultRoutes {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// The default routes.
///
/// # Errors
///
/// The reason, where the system does not tell.
pub fn default_routes() -> Result<DefaultRoutes, &'static str> {
    imp::default_routes()
}

/// The domains in which the resolver looks short names up; they name the organisation, so support bundles hide them.
pub fn search_domains() -> Vec<String> {
    imp::search_domains()
}
