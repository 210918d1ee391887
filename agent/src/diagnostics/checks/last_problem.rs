//! `last-problem`: the last failure in the log, with its page.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use crate::failure::FailureCode;
use crate::logs::log_dir;
use crate::sign_in::Code;
use platform::log_file::read_tail;

/// How much of the log's end is looked at, in octets.
const LOOKED_AT: u64 = 256 * 1024;

pub(super) struct LastProblem;

impl Check for LastProblem {
    fn id(&self) -> &'static str {
        "last-problem"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let log = match read_tail(&log_dir(&seen.paths), LOOKED_AT) {
        Ok(Some(log)) => log,
        Ok(None) => return Finding::skip("there is no log yet"),
        Err(error) => return Finding::failed_or_unseen(Code::Failure(FailureCode::StateUnusable), &error),
    };
    let coded = log.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut ended = false;
    for line in coded {
        let text = |place: &str| line.pointer(place).and_then(serde_json::Value::as_str).map(str::to_owned);
        ended |= text("/fields/message").as_deref() == Some("signed in");
        let (Some(code), Some(at)) = (text("/fields/code"), text("/timestamp")) else { continue };
        let text = format!("{code} at {at}");
        return match ended {
            true => Finding::pass(format!("{text}, over since")),
            false => Finding::warn(text, format!("read `{code}` in docs/errors.md, or run `countersign status`")),
        };
    }
    Finding::pass("the log tells of none")
}
