//! `countersign-portal user`: the people that the portal signs in.

use std::time::Duration;

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{CommandError, Context};
use crate::admin;
use crate::store::person::{Person, PersonState};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Provision somebody by hand, for tenants that do without auto-provisioning.
    Add {
        /// `user@domain`.
        name: String,
        /// Whose they are.
        #[arg(long)]
        tenant: String,
    },
    /// Show the people.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shut somebody out from all their devices.
    Suspend {
        /// `user@domain`.
        name: String,
    },
    /// Let somebody sign on again.
    Resume {
        /// `user@domain`.
        name: String,
    },
    /// Make a one-time code by which somebody proves who they are on one device. It is shown once, now. Who has it can be them: give it to nobody else.
    Code {
        /// `user@domain`.
        name: String,
        /// How long it is good, from a minute to seven days.
        #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
        life: Duration,
        /// As JSON: `code` and `until`.
        #[arg(long)]
        json: bool,
    },
    /// Forget what somebody has proved on their devices, and their passkeys: they are asked once more on each.
    AskAgain {
        /// `user@domain`.
        name: String,
    },
    /// Forget somebody, and remove the devices that are theirs.
    Delete {
        /// `user@domain`.
        name: String,
    },
}

impl User {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add { name, tenant } => {
                let added = admin::user::add(&context.admin, &tenant, &name).await?;
                Ok(format!("provisioned {}\n", added.name_id))
            }
            Self::List { json } => list(context, json).await,
            Self::Suspend { name } => set_state(context, &name, PersonState::Suspended).await,
            Self::Resume { name } => set_state(context, &name, PersonState::Active).await,
            Self::Code { name, life, json } => {
                let made = admin::user::proof_code(&context.admin, &name, life).await?;
                let (code, until) = (made.code.expose_secret(), made.until.to_string());
                Ok(if json { super::json(&json!({ "code": code, "until": until })) } else { format!("{code}\n") })
            }
            Self::AskAgain { name } => {
                let devices = admin::user::ask_again(&context.admin, &name).await?;
                Ok(format!("{} is asked again on {devices} devices\n", name.to_ascii_lowercase()))
            }
            Self::Delete { name } => {
                let devices = admin::user::delete(&context.admin, &name).await?;
                Ok(format!("deleted {} and {} of their devices\n", name.to_ascii_lowercase(), devices.len()))
            }
        }
    }
}

async fn set_state(context: &Context, name: &str, state: PersonState) -> Result<String, CommandError> {
    admin::user::set_state(&context.admin, name, state).await?;
    Ok(format!("{} is {state}\n", name.to_ascii_lowercase()))
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let people = admin::user::list(&context.admin).await?;
    if json {
        return Ok(super::json(&people));
    }
    let row = |person: &Person| {
        let last = person.last_sign_on_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
        let from = person.origin.to_string();
        [person.name_id.clone(), person.state.to_string(), from, person.created_at.to_string(), last]
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    Ok(table(["USER", "STATE", "FROM", "PROVISIONED", "LAST SIGN-ON"], &rows))
}
