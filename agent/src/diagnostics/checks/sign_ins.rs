//! `sign-ins`: how the people at this device stand.

use std::sync::Arc;

use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct SignIns;

impl Check for SignIns {
    fn id(&self) -> &'static str {
        "sign-ins"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let daemon = seen.daemon.get().await;
    let Ok(status) = &*daemon else { return Finding::skip("the agent does not answer") };
    if let Some(problem) = &status.problem {
        return Finding::fail(format!("{} [{}]", problem.meaning, problem.code), problem.next_action.as_str());
    }
    for person in &status.people {
        if let Some(problem) = &person.problem {
            let text = format!("{}: {} [{}]", person.account, problem.meaning, problem.code);
            return match person.user {
                Some(_) => Finding::warn(format!("{text}; the session lasts on"), problem.next_action.as_str()),
                None => Finding::fail(text, problem.next_action.as_str()),
            };
        }
    }
    let signed_in = status.people.iter().filter(|person| person.user.is_some()).count();
    Finding::pass(format!("{signed_in} of {} people signed in", status.people.len()))
}
