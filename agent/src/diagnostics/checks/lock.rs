//! `lock`: whether a process holds the state that nobody can speak to.

use std::sync::Arc;

use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use platform::files::{self, FileError};

pub(super) struct Lock;

impl Check for Lock {
    fn id(&self) -> &'static str {
        "lock"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        Box::pin(look(seen))
    }
}

async fn look(seen: Arc<Seen>) -> Finding {
    let answers = seen.daemon.get().await.is_ok();
    let path = seen.paths.state_dir.join("lock");
    if answers || !path.exists() {
        return Finding::pass(if answers { "held by the agent that answers" } else { "nobody holds the state" });
    }
    let tried = tokio::task::spawn_blocking(move || files::lock(&path)).await;
    match tried {
        Ok(Ok(_free_again)) => Finding::pass("nobody holds the state"),
        Ok(Err(FileError::Locked { .. })) => Finding::fail(
            "a process holds the agent's state and does not answer",
            "restart the service; if that fails, end the process",
        ),
        Ok(Err(error)) => Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), &error),
        Err(_) => Finding::error("the lock could not be tried", "try again"),
    }
}
