//! `countersign-portal device`: the registered devices.

use clap::Subcommand;
use serde_json::json;

use super::{CommandError, Context};
use crate::evidence;
use crate::store::audit;
use crate::store::device::{self, Device as Row, DeviceState};
use crate::table::table;

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
            Self::Remove { id } => set_state(context, id, DeviceState::Removed, "device.remove").await,
            Self::Quarantine { id } => set_state(context, id, DeviceState::Quarantined, "device.quarantine").await,
            Self::Restore { id } => set_state(context, id, DeviceState::Registered, "device.restore").await,
        }
    }
}

async fn set_state(
    context: &Context,
    id: String,
    state: DeviceState,
    action: &'static str,
) -> Result<String, CommandError> {
    let entry = context.entry(action, &id, None, json!({}));
    let device = id.clone();
    let found = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                let found = device::set_state(connection, &device, state).await?;
                if found {
                    audit::append(connection, entry).await?;
                }
                Ok(found)
            })
        })
        .await?;
    if !found {
        return Err(CommandError::NotFound { noun: "device", name: id, command: "device" });
    }
    Ok(format!("{id} is {state}\n"))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let devices = device::list(&mut *context.store.read().await?).await?;
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
