//! `service`: how the service manager sees the agent.

use std::sync::Arc;

use crate::diagnostics::chain;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::service::{self, ServiceState};

pub(super) struct Service;

impl Check for Service {
    fn id(&self) -> &'static str {
        "service"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let running = seen.daemon.get().await.is_ok();
    let Ok(status) = tokio::task::spawn_blocking(service::status).await else {
        return Finding::skip("the service manager could not be asked");
    };
    let status = match status {
        Ok(status) => status,
        Err(error) => return Finding::skip(chain(&error)),
    };
    let text = match status.starts_with_machine {
        true => format!("{}, starts with the machine", status.state.as_str()),
        false => format!("{}, does not start with the machine", status.state.as_str()),
    };
    match status.state {
        ServiceState::NotInstalled if running => {
            Finding::pass("no service is installed; the agent was started by hand")
        }
        ServiceState::NotInstalled => Finding::warn("no service is installed", "install the agent's package"),
        ServiceState::Running if status.starts_with_machine => Finding::pass(text),
        ServiceState::Running => Finding::warn(text, "enable it with the service manager"),
        ServiceState::Starting => Finding::warn(text, "look again in a moment"),
        ServiceState::Stopped | ServiceState::Stopping | ServiceState::Failed => {
            Finding::fail(text, "run `countersign service start`; `countersign logs` says why it ended")
        }
    }
}
