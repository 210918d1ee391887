//! `countersign-portal api-key`: keys with which programs administer over `/api/v1`.

use std::time::Duration;

use clap::Subcommand;

use super::{CommandError, Context};
use crate::admin;
use crate::admin::api_key::{NewApiKey, parse_scopes};
use crate::store::api_key::ApiKey as Row;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum ApiKey {
    /// Make an API key. Its text is shown once, now: the portal keeps a hash of it.
    Create {
        /// What it may do, separated by commas: `read`, `audit`, `devices`, `users`, `tokens`, `services`, `domains`,
        /// `policy`, `tenants`, `administrators`, `keys`; `scim` for a directory, with `--tenant`.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// The one tenant that it may see and change; not given: the whole cloud.
        #[arg(long)]
        tenant: Option<String>,
        /// How long it opens the API, for example `90d`; `never` for no end.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = admin::token::parse_life)]
        expires: Life,
        /// A few words for the list.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Show the keys.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a key open nothing any more.
    Revoke {
        /// Its id: the part of its text that `api-key list` shows.
        id: String,
    },
}

/// How long a key lasts; none: without end.
type Life = Option<Duration>;

impl ApiKey {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create { scopes, tenant, expires, description } => {
                let scopes = parse_scopes(scopes.iter().map(String::as_str))?;
                let new = NewApiKey { description, scopes, tenant, life: expires };
                Ok(admin::api_key::create(&context.admin, new).await?.text + "\n")
            }
            Self::List { json } => list(context, json).await,
            Self::Revoke { id } => {
                admin::api_key::revoke(&context.admin, &id).await?;
                Ok(format!("revoked {id}\n"))
            }
        }
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let keys = admin::api_key::list(&context.admin).await?;
    if json {
        return Ok(super::json(&keys));
    }
    let time = |time: Option<saml::time::UtcTime>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    let row = |key: &Row| {
        let revoked = if key.revoked_at.is_some() { "revoked" } else { "active" };
        [
            key.id.clone(),
            revoked.to_owned(),
            key.scopes.join(","),
            time(key.expires_at),
            time(key.last_used_at),
            key.description.clone(),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    Ok(table(["KEY", "STATE", "SCOPES", "EXPIRES", "LAST USED", "DESCRIPTION"], &rows))
}
