//! `state-directory`: whether the directory of the key and the state is there and private.

use std::sync::Arc;

use super::blocking;
use super::directory;
use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct StateDirectory;

impl Check for StateDirectory {
    fn id(&self) -> &'static str {
        "state-directory"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    directory(&seen.paths.state_dir, true)
}
