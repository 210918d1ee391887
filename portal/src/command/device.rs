//! `countersign-portal device`: the registered devices.

use std::path::PathBuf;

use clap::Subcommand;

use super::{CommandError, Context};
use crate::store::device::{Device as Row, Move};
use crate::store::device_clone::CloneSign;
use crate::table::table;
use crate::{admin, evidence, files};

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Show the devices, the one heard last first.
    List {
        /// As JSON, with all facts.
        #[arg(long)]
        json: bool,
    },
    /// Take devices out: each counts as gone when it has heard so, and needs a device token to come back.
    Remove {
        /// Entity IDs, as `device list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Don't wait for them to hear it.
        #[arg(long)]
        force: bool,
        /// Have them delete their key and their state when they hear it, whatever token they have.
        #[arg(long, conflicts_with = "force")]
        wipe: bool,
    },
    /// Shut machines out, whatever token or new key they bring.
    Quarantine {
        /// Entity IDs, as `device list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Let devices sign people in again that were removed, quarantined, or stopped because their key was copied.
    Restore {
        /// Entity IDs, as `device list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Let devices in that wait for approval.
    Approve {
        /// Entity IDs, as `device list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Turn devices away that wait for approval.
    Deny {
        /// Entity IDs, as `device list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Show the devices whose key is in two places, beside what the second place says about itself. Both are stopped until you restore,
    /// remove or quarantine the device.
    Clones {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a code that lets a device through that can't reach the portal: it is typed in as `countersign break-glass CODE`.
    BreakGlass {
        /// The device's entity ID.
        id: String,
        /// For how long: a quarter of an hour to 48 hours.
        #[arg(long = "for", value_name = "DURATION", default_value = "4h", value_parser = humantime::parse_duration)]
        life: std::time::Duration,
    },
    /// Ask a device for diagnostics; its policy decides whether somebody there has to allow it.
    Diagnostics {
        /// The device's entity ID.
        id: String,
    },
    /// List what devices were asked for; one device's where it is named.
    Bundles {
        /// The device's entity ID.
        id: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read the diagnostics that a device has sent, or delete them before their thirty days are over.
    Bundle {
        /// The request.
        request: String,
        /// A file that is made for them, readable by you alone.
        #[arg(long, value_name = "FILE", required_unless_present = "delete")]
        output: Option<PathBuf>,
        /// Delete them, and the request with them.
        #[arg(long, conflicts_with = "output")]
        delete: bool,
    },
    /// Remove the devices now that were not heard for as long as the tenants' policies say; `serve` does so every hour.
    CleanUp,
}

impl Device {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::List { json } => list(context, json).await,
            Self::Remove { ids, force: false, wipe: false } => step(context, &ids, Move::Remove).await,
            Self::Remove { ids, wipe: true, .. } => step(context, &ids, Move::Wipe).await,
            Self::Remove { ids, force: true, wipe: false } => step(context, &ids, Move::ForceRemove).await,
            Self::Quarantine { ids } => step(context, &ids, Move::Quarantine).await,
            Self::Restore { ids } => step(context, &ids, Move::Restore).await,
            Self::Approve { ids } => step(context, &ids, Move::Approve).await,
            Self::Deny { ids } => step(context, &ids, Move::Deny).await,
            Self::Clones { json } => clones(context, json).await,
            Self::BreakGlass { id, life } => {
                let made = admin::break_glass::make(&context.admin, &id, life).await?;
                Ok(format!(
                    "{}\nholds until {}; on the device: countersign break-glass {}\n",
                    made.code, made.until, made.code
                ))
            }
            Self::Diagnostics { id } => {
                let request = admin::diagnostics::ask(&context.admin, &id).await?;
                Ok(format!(
                    "{}\nthe device learns it at its next keep-alive; `device bundles` shows what came of it\n",
                    request.id
                ))
            }
            Self::Bundles { id, json } => bundles(context, id.as_deref(), json).await,
            Self::Bundle { request, output: Some(output), .. } => {
                let bundle = admin::diagnostics::read(&context.admin, &request).await?;
                files::write_new_private(&output, &bundle).map_err(admin::AdminError::from)?;
                Ok(format!("wrote `{}`, {} octets\n", output.display(), bundle.len()))
            }
            Self::Bundle { request, output: None, .. } => {
                admin::diagnostics::delete(&context.admin, &request).await?;
                Ok(format!("deleted {request}\n"))
            }
            Self::CleanUp => {
                let removed = admin::device::clean_up(&context.admin.store, context.admin.now).await?;
                Ok(format!("removed {removed} devices\n"))
            }
        }
    }
}

/// Moves each device; fails at the end where one could not be moved.
async fn step(context: &Context, ids: &[String], step: Move) -> Result<String, CommandError> {
    let (mut text, mut failures) = (String::new(), Vec::new());
    for (id, result) in admin::device::step_each(&context.admin, ids, step).await {
        match result {
            Ok(state) => text.push_str(&format!("{id} is {state}\n")),
            Err(error) if ids.len() == 1 => return Err(error.into()),
            Err(error) => failures.push(format!("{id}: {error}")),
        }
    }
    if failures.is_empty() { Ok(text) } else { Err(CommandError::Several(text + &failures.join("\n"))) }
}

async fn bundles(context: &Context, device: Option<&str>, json: bool) -> Result<String, CommandError> {
    let requests = admin::diagnostics::list(&context.admin, device).await?;
    if json {
        return Ok(super::json(&requests));
    }
    let rows: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let octets = request.octets.map(|octets| octets.to_string()).unwrap_or_default();
            [request.id, request.device_id, request.state, octets, request.asked_at.to_string(), request.asked_by]
        })
        .collect();
    Ok(table(["REQUEST", "DEVICE", "STATE", "OCTETS", "ASKED", "BY"], &rows))
}

async fn clones(context: &Context, json: bool) -> Result<String, CommandError> {
    let found = admin::device::clones(&context.admin).await?;
    if json {
        let both = |(device, signs): &(Row, Vec<CloneSign>)| serde_json::json!({ "device": device, "signs": signs });
        return Ok(super::json(&found.iter().map(both).collect::<Vec<_>>()));
    }
    let mut text = String::new();
    for (device, signs) in &found {
        let Some(last) = signs.first() else { continue };
        text.push_str(&format!("{} ({}), {} signs\n", device.id, device.state, signs.len()));
        text.push_str(&table(["FACT", "THE ONE ON RECORD", "THE OTHER"], &admin::device::side_by_side(device, last)));
        text.push('\n');
    }
    Ok(if text.is_empty() { "no key is in two places, by what was heard\n".to_owned() } else { text })
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
            device.key_since.to_string(),
            device.enrolled_at.to_string(),
            device.last_seen_at.to_string(),
        ]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    Ok(table(["DEVICE", "STATE", "HOST", "PLATFORM", "KEY", "KEY SINCE", "ENROLLED", "LAST SEEN"], &rows))
}
