//! `trust-store`: whether the system has certificate authorities to trust.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct TrustStore;

impl Check for TrustStore {
    fn id(&self) -> &'static str {
        "trust-store"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let _ = seen;
    if !cfg!(target_os = "linux") {
        return Finding::skip("this system's own verifier holds them");
    }
    let found = rustls_native_certs::load_native_certs();
    let own_ca = found.certs.len();
    match found.errors.first() {
        None if own_ca > 0 => Finding::pass(format!("{own_ca} certificate authorities")),
        None => Finding::warn("the system trusts nobody", "install the package `ca-certificates`, or set `caFile`"),
        Some(error) => Finding::warn(
            format!("{own_ca} certificate authorities; {error}"),
            "install the package `ca-certificates` again",
        ),
    }
}
