//! `countersign diagnostics`: what is wrong, why, and what to do; and one file for support.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use platform::environment;
use platform::paths::Paths;

use super::{CommandError, Outcome};
use crate::age_file::Recipient;
use crate::config;
use crate::control::{self, Ask, Problem, Reply};
use crate::diagnostics::{self, Bundle};
use crate::failure::FailureCode;

#[derive(Debug, clap::Args)]
pub(super) struct Diagnostics {
    /// As JSON.
    #[arg(long, conflicts_with_all = ["bundle", "preview"])]
    json: bool,
    /// Write a zip for support. People, hosts, addresses and serials are replaced; there is never a secret in it.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Encrypt the zip to this public key of `age`, in place of the option `supportKey`.
    #[arg(long, value_name = "AGE_KEY", requires = "bundle")]
    encrypt_to: Option<Recipient>,
    /// Print everything that the zip would hold, and write nothing.
    #[arg(long, conflicts_with = "bundle")]
    preview: bool,
    /// Let the portal have the diagnostics that it asks for; they are made and sent now.
    #[arg(long, conflicts_with_all = ["json", "bundle", "preview", "full", "deny"])]
    allow: bool,
    /// Refuse the portal's request.
    #[arg(long, conflicts_with_all = ["json", "bundle", "preview", "full"])]
    deny: bool,
    /// Leave names and addresses in the zip as they are.
    #[arg(long)]
    full: bool,
}

impl Diagnostics {
    pub(super) async fn run(self, paths: Paths) -> Result<Outcome, CommandError> {
        if self.allow || self.deny {
            return answer(&paths, self.allow).await;
        }
        // Broken options are for the checks to tell of.
        let by_option = || config::load(&paths).ok().and_then(|config| config.support_key);
        let recipient = self.encrypt_to.clone().or_else(by_option);
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
        let octets = bundle.write(&path, recipient.as_ref())?;
        let how = if recipient.is_some() { ", encrypted: `age --decrypt` with the private key reads it" } else { "" };
        text.push_str(&format!("\nwrote `{}`, {octets} octets{how}; nothing was sent anywhere\n", path.display()));
        Ok(Outcome { text, exit_code: 0 })
    }
}

/// Answers the portal's request.
async fn answer(paths: &Paths, allow: bool) -> Result<Outcome, CommandError> {
    match control::ask(paths, &Ask::Diagnostics { allow }).await? {
        Reply::Done if allow => {
            Ok(Outcome::success("the agent makes the bundle and sends it to the portal\n".to_owned()))
        }
        Reply::Done => Ok(Outcome::success("the portal is told in the next keep-alive that it gets none\n".to_owned())),
        Reply::Failed(problem) => Err(CommandError::Problem(problem)),
        Reply::Status(_) | Reply::ServiceResponse { .. } | Reply::Services(_) | Reply::Ecp { .. } => {
            Err(CommandError::Problem(Problem::failure(FailureCode::NotRunning)))
        }
    }
}
