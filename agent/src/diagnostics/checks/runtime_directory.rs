//! `runtime-directory`: whether the directory of the local channel is safe.

use std::sync::Arc;

use super::blocking;
use super::directory;
use crate::diagnostics::{Check, Finding, Looking, Seen};

pub(super) struct RuntimeDirectory;

impl Check for RuntimeDirectory {
    fn id(&self) -> &'static str {
        "runtime-directory"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    directory(&seen.paths.runtime_dir, false)
}
