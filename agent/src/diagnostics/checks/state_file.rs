//! `state-file`: whether what the agent remembers can be read.

use std::sync::Arc;

use super::on_disk;
use crate::diagnostics::seen::Local;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct StateFile;

impl Check for StateFile {
    fn id(&self) -> &'static str {
        "state-file"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        on_disk(seen, look)
    }
}

fn look(seen: &Seen, local: &Local) -> Finding {
    match &local.state {
        Ok(_) if !seen.paths.state_dir.join("device.json").exists() => Finding::skip("nothing is remembered yet"),
        Ok(state) => Finding::pass(format!("sound; requests may be numbered up to {}", state.sequence())),
        Err(error) => Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), error),
    }
}
