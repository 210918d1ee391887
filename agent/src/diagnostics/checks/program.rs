//! `program`: which program this is, and on what system.

use std::sync::Arc;

use super::blocking;
use crate::diagnostics::{Check, Finding, Looking, Seen};
use platform::device::FactValue;

pub(super) struct Program;

impl Check for Program {
    fn id(&self) -> &'static str {
        "program"
    }

    fn look(&self, seen: Arc<Seen>) -> Looking {
        blocking(seen, look)
    }
}

fn look(seen: &Seen) -> Finding {
    let facts = platform::device::facts();
    let known = |name: &str| {
        let fact = facts.iter().find(|fact| fact.name == name);
        fact.and_then(|fact| match &fact.value {
            FactValue::Known(values) => values.first().cloned(),
            FactValue::Unknown(_) => None,
        })
    };
    let system = [known("os.name"), known("os.version"), known("architecture")];
    let system: Vec<_> = system.into_iter().flatten().collect();
    let state = seen.paths.state_dir.display();
    Finding::pass(format!("countersign {} on {}, state in `{state}`", env!("CARGO_PKG_VERSION"), system.join(" ")))
}
