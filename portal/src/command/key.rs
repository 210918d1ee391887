//! `countersign-portal key`: the keys that sign Responses.

use std::time::Duration;

use clap::Subcommand;

use super::{CommandError, Context};
use crate::admin;
use crate::store::signing_key::{Purpose, SigningKey};
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make the signing keys that are missing: RSA for services, P-256 for agents.
    Create,
    /// Make one more key, which is listed from now on and signs when the older ones have retired.
    Add {
        /// What it signs for: services or agents.
        #[arg(long = "for", value_name = "PURPOSE", value_parser = purpose)]
        purpose: Purpose,
        /// The tenant whose own issuer is to sign with it; not given: the cloud.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Have a key stop signing and being listed after a time in which everybody learns of the next one.
    Retire {
        /// The key, as `key list` shows it.
        id: String,
        /// After how long; `0s`: at once, for a key that was stolen. Agents that were not heard in between have to enrol again.
        #[arg(long = "in", value_name = "DURATION", value_parser = humantime::parse_duration)]
        after: Duration,
    },
    /// Show the signing keys: who signs, who is listed, who has retired.
    List,
}

impl Key {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create => {
                let mut made = admin::key::create_missing(&context.admin, &context.keys_dir()).await?;
                made.extend(
                    admin::key::create_missing_of_tenants(&context.admin, &context.keys_dir(), |_| true).await?,
                );
                if made.is_empty() {
                    return Ok("the portal has its signing keys already\n".to_owned());
                }
                let line = |key: &SigningKey| format!("made the {} signing key {}\n", key.purpose, key.id);
                Ok(made.iter().map(line).collect())
            }
            Self::Add { purpose, tenant } => {
                let asked = (purpose, tenant.as_deref());
                let key = admin::key::add(&context.admin, &context.keys_dir(), asked).await?;
                Ok(format!("{}\n", key.id))
            }
            Self::Retire { id, after } => {
                let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX / 2000);
                let at = context.admin.now.plus_seconds(seconds);
                let key = admin::key::retire(&context.admin, &id, at).await?;
                Ok(format!("{} retires at {at}\n", key.id))
            }
            Self::List => {
                let keys = admin::key::list(&context.admin).await?;
                let tenants = admin::tenant::list(&context.admin).await?;
                let whose = |key: &SigningKey| {
                    let tenant = tenants.iter().find(|tenant| Some(&tenant.id) == key.tenant_id.as_ref());
                    tenant.map_or_else(String::new, |tenant| tenant.name.clone())
                };
                let now = context.admin.now;
                let signs = |key: &SigningKey| {
                    let is_beside = |other: &SigningKey| {
                        other.purpose == key.purpose && other.tenant_id == key.tenant_id && other.holds(now)
                    };
                    let oldest = keys.iter().find(|other| is_beside(other));
                    oldest.is_some_and(|oldest| oldest.id == key.id)
                };
                let state = |key: &SigningKey| match (key.holds(now), signs(key)) {
                    (false, _) => "retired",
                    (true, true) => "signs",
                    (true, false) => "listed",
                };
                let row = |key: &SigningKey| {
                    let retires = key.retires_at.map(|at| at.to_string()).unwrap_or_default();
                    let (purpose, created) = (key.purpose.to_string(), key.created_at.to_string());
                    [key.id.clone(), purpose, state(key).to_owned(), created, retires, whose(key)]
                };
                let rows: Vec<_> = keys.iter().map(row).collect();
                Ok(table(["KEY", "SIGNS FOR", "STATE", "CREATED", "RETIRES", "TENANT"], &rows))
            }
        }
    }
}

fn purpose(given: &str) -> Result<Purpose, String> {
    given.parse().map_err(|()| "write `agent` or `service`".to_owned())
}
