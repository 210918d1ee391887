//! `sessions`: who is logged in, as the operating system says.

use std::sync::Arc;

use crate::diagnostics::chain;
use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct Sessions;

impl Check for Sessions {
    fn id(&self) -> &'static str {
        "sessions"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    match &*seen.sessions.get().await {
        Err(error) => Finding::fail(
            chain(error),
            "see whether the session service runs: on Linux `systemctl status systemd-logind`",
        ),
        Ok(sessions) if sessions.is_empty() => {
            Finding::warn("nobody is logged in", "log in to the computer: the agent signs in who is logged in")
        }
        Ok(sessions) => {
            let names: Vec<_> = sessions
                .iter()
                .map(|session| format!("{} ({})", session.local_name, session.evidence.source))
                .collect();
            Finding::pass(names.join(", "))
        }
    }
}
