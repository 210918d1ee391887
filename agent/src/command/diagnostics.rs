//! `countersign diagnostics`: what is wrong, why, and what to do; and one file for support.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use platform::environment;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::diagnostics::{self, Bundle};

#[derive(Debug, clap::Args)]
pub(super) struct Diagnostics {
    /// As JSON.
    #[arg(long, conflicts_with_all = ["bundle", "preview"])]
    json: bool,
    /// Write a zip for support. People, hosts, addresses and serials are replaced; there is never a secret in it.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Print everything that the zip would hold, and write nothing.
    #[arg(long, conflicts_with = "bundle")]
    preview: bool,
    /// Leave names and addresses in the zip as they are.
    #[arg(long)]
    full: bool,
}

impl Diagnostics {
    pub(super) async fn run(self, paths: Paths) -> Result<Outcome, CommandError> {
        let (report, seen) = diagnostics::examine(paths).await;
        let exit_code = report.exit_code();
        if self.json {
            return Ok(Outcome::json(&report, exit_code));
        }
        if self.preview {
            let bundle = Bundle::collect(&report, &seen, self.full).await;
            return Ok(Outcome { text: bundle.whole(), exit_code: 0 });
        }
        let colour = std::io::stdout().is_terminal() && environment::var("NO_COLOR").is_none();
        let mut text = diagnostics::table(&report, colour);
        let Some(path) = self.bundle else { return Ok(Outcome { text, exit_code }) };
        let bundle = Bundle::collect(&report, &seen, self.full).await;
        text.push_str(&format!("\n{}", bundle.preview()));
        let octets = bundle.write(&path)?;
        text.push_str(&format!("\nwrote `{}`, {octets} octets; nothing was sent anywhere\n", path.display()));
        Ok(Outcome { text, exit_code: 0 })
    }
}
