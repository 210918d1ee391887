//! `countersign-portal token`: device tokens.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use saml::time::UtcTime;
use saml::token::TokenId;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{CommandError, Context, domain_name};
use crate::admin;
use crate::store::token::Token as Row;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a device token. Its text is shown once, now, and can't be shown again: the portal doesn't keep it.
    Create(Create),
    /// Show the tokens, their limits and how far they are used up.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a token enrol no more devices.
    Revoke {
        /// The token's id: the part of its text that `token list` shows.
        id: TokenId,
        /// Remove the devices that it has enrolled, too.
        #[arg(long)]
        devices_too: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Whose devices it enrols.
    #[arg(long)]
    tenant: String,
    /// A user domain that it may enrol for; may be repeated; none: all of the tenant's.
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = domain_name)]
    domains: Vec<String>,
    /// A platform that it may enrol; may be repeated; none: all.
    #[arg(long = "platform", value_name = "PLATFORM")]
    platforms: Vec<Platform>,
    /// How many devices it may enrol; not given: no limit.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    /// How long it enrols devices, for example `12h` or `30d`; `never` for no end.
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = admin::token::parse_life)]
    expires: Life,
    /// A few words for the list.
    #[arg(long, default_value = "")]
    description: String,
    /// As JSON, with the token in `token`.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Platform {
    Linux,
    Macos,
    Windows,
}

/// How long a token enrols devices; none: without end.
type Life = Option<Duration>;

impl Token {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List { json } => list(context, json).await,
            Self::Revoke { id, devices_too } => revoke(context, &id, devices_too).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<String, CommandError> {
        let platform = |platform: &Platform| platform.to_possible_value().map(|value| value.get_name().to_owned());
        let new = admin::token::NewToken {
            description: self.description,
            domains: self.domains,
            platforms: self.platforms.iter().filter_map(platform).collect(),
            use_limit: self.uses,
            life: self.expires,
        };
        let made = admin::token::create(&context.admin, &self.tenant, new).await?;
        let text = made.secret.reveal();
        if self.json {
            let expires = made.token.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
            let shown =
                json!({ "id": made.token.id.to_string(), "expires_at": expires, "token": text.expose_secret() });
            return Ok(super::json(&shown));
        }
        Ok(format!("{}\n", text.expose_secret()))
    }
}

async fn revoke(context: &Context, id: &TokenId, devices_too: bool) -> Result<String, CommandError> {
    let removed = admin::token::revoke(&context.admin, id, devices_too).await?;
    Ok(if devices_too {
        format!("revoked {id} and removed {removed} devices\n")
    } else {
        format!("revoked {id}; the devices that it enrolled stay\n")
    })
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let tokens = admin::token::list(&context.admin).await?;
    if json {
        return Ok(super::json(&tokens));
    }
    let rows: Vec<_> = tokens.iter().map(|token| row(token, context.admin.now)).collect();
    Ok(table(["TOKEN", "STATE", "USES", "DOMAINS", "EXPIRES", "LAST USED", "DESCRIPTION"], &rows))
}

fn row(token: &Row, now: UtcTime) -> [String; 7] {
    let time = |time: Option<UtcTime>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    [
        token.id.to_string(),
        admin::token::standing(token, now).to_owned(),
        token.use_limit.map_or_else(|| token.uses.to_string(), |limit| format!("{}/{limit}", token.uses)),
        if token.domains.is_empty() { "all".to_owned() } else { token.domains.join(",") },
        time(token.expires_at),
        time(token.last_used_at),
        token.description.clone(),
    ]
}
