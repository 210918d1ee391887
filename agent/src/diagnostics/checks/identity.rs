//! `identity`: the name that is made from who is logged in, and why.

use std::sync::Arc;

use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::identity;
use crate::sign_in::Code;

pub(super) struct Identity;

impl Check for Identity {
    fn id(&self) -> &'static str {
        "identity"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let (sessions, local) = (seen.sessions.get().await, seen.local.get().await);
    let (Ok(sessions), Ok(config)) = (&*sessions, &local.config) else {
        return Finding::skip("it takes a configuration, and somebody who is logged in");
    };
    let mut names = Vec::new();
    for session in sessions {
        match identity::Identity::of(session, &config.user_domain, config.user_name.as_ref()) {
            Ok(identity) => names
                .push(format!("{}, grade {}: {}", identity.name_id.value, identity.evidence.grade, identity.reason)),
            Err(fault) => return Finding::coded(Code::Failure(FailureCode::NameUnusable), fault.to_string()),
        }
    }
    match names.is_empty() {
        true => Finding::skip("nobody is logged in"),
        false => Finding::pass(names.join("; ")),
    }
}
