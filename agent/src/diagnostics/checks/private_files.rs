//! `private-files`: whether what must be private is.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::sign_in::Code;
use platform::files;

pub(super) struct PrivateFiles;

impl Check for PrivateFiles {
    fn id(&self) -> &'static str {
        "private-files"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let mut seen_files = 0;
    for name in ["options.toml", "device.json", "device-copy.json", "device-key.pem"] {
        let path = seen.paths.state_dir.join(name);
        match files::read_private(&path, 1024 * 1024) {
            Ok(None) => {}
            Ok(Some(_)) => seen_files += 1,
            Err(error) => return Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), &error),
        }
    }
    match seen_files {
        0 => Finding::skip("there is no private file yet"),
        count => Finding::pass(format!("{count} private files are closed to other accounts")),
    }
}
