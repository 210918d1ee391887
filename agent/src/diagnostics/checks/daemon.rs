//! `daemon`: whether the agent runs and answers.

use std::sync::Arc;

use crate::diagnostics::seen::Silence;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct Daemon;

impl Check for Daemon {
    fn id(&self) -> &'static str {
        "daemon"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    match &*seen.daemon.get().await {
        Ok(status) => Finding::pass(format!("answers, version {}", status.agent_version)),
        Err(Silence::NotThere(why)) => Finding::coded(Code::Failure(FailureCode::NotRunning), why.as_str()),
        Err(Silence::Hung) => Finding::fail(
            "somebody listens on the local channel and does not answer",
            "restart the service, and send the bundle to support",
        ),
        Err(Silence::Strange(why)) => {
            Finding::fail(why.as_str(), "restart the service: after an upgrade the old program still runs")
        }
    }
}
