//! `countersign params`: the effective options and where each comes from.

use std::fmt::Write as _;

use clap::Subcommand;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum Params {
    /// Show every option, its value (secrets are not shown) and its origin.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Params {
    pub(super) fn run(self, paths: &Paths) -> Result<Outcome, CommandError> {
        let Self::List { json } = self;
        let options = config::effective(paths)?;
        let effective: Vec<_> = options
            .effective()
            .filter(|(option, ..)| option.spec().stored)
            .map(|(option, value, origin)| (option.spec().canonical, value.unwrap_or_default(), origin.to_string()))
            .collect();
        if json {
            let row = |(option, value, origin): &(&str, &str, String)| serde_json::json!({ "option": option, "value": value, "origin": origin });
            return Ok(Outcome::json(&effective.iter().map(row).collect::<Vec<_>>(), 0));
        }
        let width =
            |column: fn(&(&'static str, &str, String)) -> usize| effective.iter().map(column).max().unwrap_or(0);
        let (names, values) = (width(|row| row.0.len()), width(|row| row.1.chars().count()));
        let mut text = String::new();
        for (option, value, origin) in &effective {
            let _ = writeln!(text, "{option:names$}  {value:values$}  {origin}");
        }
        Ok(Outcome::success(text))
    }
}
