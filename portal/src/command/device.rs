//! `countersign-portal device`: the registered devices.

use clap::Subcommand;

use super::{CommandError, Context};
use crate::store::device::{Device as Row, DeviceState};
use crate::table::table;
use crate::{admin, evidence};

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Show the devices, the one heard last first.
    List {
        /// As JSON, with all facts.
        #[arg(long)]
        json: bool,
    },
    /// Take a device's registration away: it needs a device token to come back.
    Remove {
        /// Its entity ID, as `device list` shows it.
        id: String,
    },
    /// Shut a device out, whatever token it brings.
    Quarantine {
        /// Its entity ID, as `device list` shows it.
        id: String,
    },
    /// Let a removed or quarantined device sign people in again.
    Restore {
        /// Its entity ID, as `device list` shows it.
        id: String,
    },
}

impl Device {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::List { json } => list(context, json).await,
            Self::Remove { id } => set_state(context, &id, DeviceState::Removed).await,
            Self::Quarantine { id } => set_state(context, &id, DeviceState::Quarantined).await,
            Self::Restore { id } => set_state(context, &id, DeviceState::Registered).await,
        }
    }
}

async fn set_state(context: &Context, id: &str, state: DeviceState) -> Result<String, CommandError> {
    admin::device::set_state(&context.admin, id, state).await?;
    Ok(format!("{id} is {state}\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let devices = admin::device::list(&context.admin).await?;
    if json {
        return Ok(super::json(&devices));
    }
    let row = |device: &Row| {
        [
            device.id.to_string(),
            device.state.to_string(),
            device.fact(evidence::HOSTNAME).to_owned(),
            device.fact(evidence::PLATFORM).to_owned(),
            device.fact(evidence::KEY_PROTECTION).to_owned(),
            device.enrolled_at.to_string(),
            device.last_seen_at.to_string(),
        ]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    Ok(table(["DEVICE", "STATE", "HOST", "PLATFORM", "KEY", "ENROLLED", "LAST SEEN"], &rows))
}
