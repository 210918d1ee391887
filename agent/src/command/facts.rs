//! `countersign facts`: what is known about this device, and what of it is sent.

use std::fmt::Write as _;

use platform::device_key;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::config;
use crate::identity;

#[derive(Debug, clap::Args)]
pub(super) struct Facts {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Facts {
    pub(super) fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let config = config::load(paths).ok();
        let protection = device_key::load(&paths.state_dir).ok().flatten().map(|key| key.protection().to_string());
        let facts = identity::facts(config.as_ref(), protection.as_deref());
        if self.json {
            return Ok(Outcome::json(&facts, 0));
        }
        let width = facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for fact in facts {
            let value = if fact.values.is_empty() { "unknown".to_owned() } else { fact.values.join(", ") };
            let sent = if fact.sent { "sent" } else { "not sent" };
            let _ = writeln!(text, "{:width$}  {value}  ({sent}; {})", fact.name, fact.source);
        }
        Ok(Outcome::success(text))
    }
}
