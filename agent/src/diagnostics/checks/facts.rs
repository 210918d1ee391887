//! `facts`: how much is known about the device.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::device::FactValue;

pub(super) struct Facts;

impl Check for Facts {
    fn id(&self) -> &'static str {
        "facts"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let _ = seen;
    let facts = platform::device::facts();
    let unknown: Vec<_> =
        facts.iter().filter(|fact| matches!(fact.value, FactValue::Unknown(_))).map(|fact| fact.name).collect();
    let known = facts.len() - unknown.len();
    match unknown.is_empty() {
        true => Finding::pass(format!("all {known} facts are known")),
        false => Finding::pass(format!("{known} facts are known; not: {}", unknown.join(", "))),
    }
}
