//! `log`: whether the agent writes its log.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::logs::log_dir;
use crate::sign_in::Code;
use platform::file_standing::file_standing;
use platform::log_file::NAME;

pub(super) struct Log;

impl Check for Log {
    fn id(&self) -> &'static str {
        "log"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let dir = log_dir(&seen.paths);
    match file_standing(&dir.join(NAME)) {
        Ok(Some(standing)) => {
            Finding::pass(format!("{} KiB in `{}`", standing.octets.div_ceil(1024), dir.join(NAME).display()))
        }
        Ok(None) => Finding::skip("there is no log: the agent has never run here"),
        Err(error) => Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), &error),
    }
}
