//! `countersign run`: the daemon in the foreground.

use std::io::Write as _;

use platform::paths::Paths;
use platform::service;
use tracing_subscriber::filter::Targets;

use super::{CommandError, Outcome};
use crate::daemon;
use crate::logs;
use crate::steps::{Step, Steps};

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// Print each step of a sign-in on standard output as it happens, one JSON object a line. Names the person.
    #[arg(long)]
    steps: bool,
    /// What to log, on standard error and in the agent's own file: `error`, `warn`, `info`, `debug`, or levels for parts of it, as
    /// `info,agent::transport=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: Targets,
    /// For the Windows service manager, which starts the service so.
    #[arg(long, hide = true)]
    service: bool,
    /// Write the log on standard error as JSON lines.
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(super) async fn run(self, paths: Paths) -> Result<Outcome, CommandError> {
        logs::begin(&paths, self.log, self.log_json, self.service);
        let steps = if self.steps { Steps::told_to(print_step) } else { Steps::silent() };
        if !self.service {
            daemon::run(paths, steps).await?;
            return Ok(Outcome::success(String::new()));
        }
        let service = service::attach()?;
        let ended = daemon::run(paths, steps).await.map_err(CommandError::from);
        service.stopped(ended.as_ref().err().map_or(0, CommandError::exit_code));
        ended.map(|()| Outcome::success(String::new()))
    }
}

fn print_step(step: &Step) {
    let line = serde_json::to_string(step).unwrap_or_default() + "\n";
    // The reader of the steps may have gone; the agent goes on.
    let _ = std::io::stdout().write_all(line.as_bytes());
}
