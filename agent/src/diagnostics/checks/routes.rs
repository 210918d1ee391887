//! `routes`: whether this machine has a way out.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::routes::{DefaultRoutes, default_routes};

pub(super) struct Routes;

impl Check for Routes {
    fn id(&self) -> &'static str {
        "routes"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let _ = seen;
    match default_routes() {
        Err(reason) => Finding::skip(reason),
        Ok(DefaultRoutes { v4: false, v6: false }) => Finding::warn(
            "there is no default route: only this machine and its own networks can be reached",
            "connect the machine to a network; for a portal on this network nothing is needed",
        ),
        Ok(DefaultRoutes { v4: false, v6: true }) => Finding::pass("IPv6 only"),
        Ok(DefaultRoutes { v4: true, v6: false }) => Finding::pass("IPv4 only"),
        Ok(DefaultRoutes { v4: true, v6: true }) => Finding::pass("IPv4 and IPv6"),
    }
}
