//! `set-aside`: whether damaged files were set aside here, which somebody should look at.

use std::sync::Arc;

use platform::set_aside::files_set_aside;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;

pub(super) struct SetAside;

impl Check for SetAside {
    fn id(&self) -> &'static str {
        "set-aside"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let kept = files_set_aside(&seen.paths.state_dir);
    if kept.is_empty() {
        return Finding::pass("no damaged file was set aside");
    }
    let code = FailureCode::StateSetAside;
    let text = format!("{} were damaged and are kept: {}", kept.len(), kept.join(", "));
    Finding { code: Some(Code::Failure(code)), ..Finding::warn(text, code.next_action()) }
}
