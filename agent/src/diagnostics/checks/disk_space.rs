//! `disk-space`: whether there is room for the state and the log.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::file_standing::free_octets;

pub(super) struct DiskSpace;

impl Check for DiskSpace {
    fn id(&self) -> &'static str {
        "disk-space"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    match free_octets(&seen.paths.state_dir) {
        Ok(free) if free < 1024 * 1024 => Finding::fail(
            format!("{} KiB are free where the state is", free / 1024),
            "free some of the disk: the agent can't number its requests without it",
        ),
        Ok(free) if free < 64 * 1024 * 1024 => {
            Finding::warn(format!("{} MiB are free where the state is", free >> 20), "free some of the disk")
        }
        Ok(free) => Finding::pass(format!("{} MiB are free where the state is", free >> 20)),
        Err(reason) => Finding::skip(reason),
    }
}
