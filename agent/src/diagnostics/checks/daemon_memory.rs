//! `daemon-memory`: how much memory the agent takes.

use std::sync::Arc;

use crate::diagnostics::{Check, Finding, Looking, Seen};

/// More than the agent ever needs, in KiB.
const LARGEST_KIB: u64 = 64 * 1024;

pub(super) struct DaemonMemory;

impl Check for DaemonMemory {
    fn id(&self) -> &'static str {
        "daemon-memory"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let daemon = seen.daemon.get().await;
    let Ok(status) = &*daemon else { return Finding::skip("the agent does not answer") };
    match status.agent_rss_kib {
        None => Finding::skip("this system does not tell"),
        Some(kib) if kib > LARGEST_KIB => Finding::warn(
            format!("{kib} KiB resident"),
            "restart the service, and send the bundle to support: this much is a fault",
        ),
        Some(kib) => Finding::pass(format!("{kib} KiB resident")),
    }
}
