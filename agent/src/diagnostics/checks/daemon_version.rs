//! `daemon-version`: whether the running agent is this one.

use std::sync::Arc;

use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct DaemonVersion;

impl Check for DaemonVersion {
    fn id(&self) -> &'static str {
        "daemon-version"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let daemon = seen.daemon.get().await;
    let Ok(status) = &*daemon else { return Finding::skip("the agent does not answer") };
    match status.agent_version == env!("CARGO_PKG_VERSION") {
        true => Finding::pass("the running agent is of this program's version"),
        false => Finding::warn(
            format!("the running agent is {}, this program {}", status.agent_version, env!("CARGO_PKG_VERSION")),
            "restart the service",
        ),
    }
}
