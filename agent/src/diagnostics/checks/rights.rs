//! `rights`: whether this account may see everything.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::file_standing::file_standing;
use platform::files;
use platform::paths::Paths;

pub(super) struct Rights;

impl Check for Rights {
    fn id(&self) -> &'static str {
        "rights"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let standing = file_standing(&seen.paths.state_dir);
    match standing {
        _ if Paths::is_privileged() => Finding::pass("this account may see everything"),
        Ok(None) => Finding::pass("the agent has no state here that could be closed to this account"),
        Ok(Some(_)) if readable(seen) => Finding::pass("this account may read the agent's state"),
        Ok(Some(_)) | Err(_) => Finding::warn(
            "this account may not read the agent's state: some checks can't see what they look for",
            "run `countersign diagnostics` as root, or as the account that runs the agent",
        ),
    }
}

fn readable(seen: &Seen) -> bool {
    files::read_private(&seen.paths.state_dir.join("device.json"), 1024 * 1024).is_ok()
}
