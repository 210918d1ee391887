//! `countersign service`: the agent as a service of the machine.

use clap::Subcommand;
use platform::service::{self, ServiceState, ServiceStatus};
use serde_json::json;

use super::{CommandError, Outcome};
use crate::failure::FailureCode;

#[derive(Debug, Subcommand)]
pub(super) enum Service {
    /// Register the service, so that it starts with the machine; nothing is started yet.
    Install,
    /// Stop the service and remove it. Key, state and options stay.
    Uninstall,
    /// Start the service and wait until it runs.
    Start,
    /// Stop the service and wait until it has stopped.
    Stop,
    /// Show how the service stands; ends with 0 where it runs, and with 3 where it does not.
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

impl Service {
    pub(super) fn run(self) -> Result<Outcome, CommandError> {
        let name = service::NAME;
        let text = match self {
            Self::Install => {
                service::install()?;
                format!("the service `{name}` is installed; `countersign service start` starts it\n")
            }
            Self::Uninstall => match service::uninstall()? {
                true => format!("the service `{name}` is removed\n"),
                false => format!("there was no service `{name}`\n"),
            },
            Self::Start => {
                service::start()?;
                format!("the service `{name}` runs\n")
            }
            Self::Stop => {
                service::stop()?;
                format!("the service `{name}` has stopped\n")
            }
            Self::Status { json } => return Ok(outcome(service::status()?, json)),
        };
        Ok(Outcome::success(text))
    }
}

fn outcome(status: ServiceStatus, json: bool) -> Outcome {
    let exit_code = if status.state == ServiceState::Running { 0 } else { FailureCode::NotRunning.exit_code() };
    if json {
        let value = json!({
            "service": service::NAME,
            "state": status.state.as_str(),
            "process_id": status.process_id,
            "starts_with_machine": status.starts_with_machine,
        });
        return Outcome::json(&value, exit_code);
    }
    let process = status.process_id.map(|id| format!(", process {id}")).unwrap_or_default();
    let start = if status.starts_with_machine { ", starts with the machine" } else { "" };
    let text = format!("{}: {}{process}{start}\n", service::NAME, status.state.as_str());
    Outcome { text, exit_code }
}
