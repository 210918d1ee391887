//! `countersign-portal token`: device tokens.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use saml::time::UtcTime;
use saml::token::{DeviceToken, TokenId};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{CommandError, Context, domain_name};
use crate::random;
use crate::store::token::{self, Token as Row};
use crate::store::{audit, device};
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
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = life)]
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

fn life(given: &str) -> Result<Life, String> {
    if given == "never" {
        return Ok(None);
    }
    let parsed = humantime::parse_duration(given).map_err(|error| format!("{error}; write `12h`, `30d` or `never`"))?;
    if parsed.is_zero() || parsed > Duration::from_secs(10 * 366 * 86_400) {
        return Err("a token lives between a second and ten years, or `never` ends".to_owned());
    }
    Ok(Some(parsed))
}

impl Token {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List { json } => list(context, json).await,
            Self::Revoke { id, devices_too } => revoke(context, id, devices_too).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<String, CommandError> {
        let tenant_id = context.tenant(&self.tenant).await?.id;
        let secret = DeviceToken::from_parts(TokenId::from_random(random::bytes()?), random::bytes()?);
        let lives_until = |life: Duration| context.now.plus_seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
        let platform = |platform: &Platform| platform.to_possible_value().map(|value| value.get_name().to_owned());
        let row = Row {
            id: secret.id().clone(),
            tenant_id: tenant_id.clone(),
            public_key: secret.public_key(),
            description: self.description,
            created_by: "command line".to_owned(),
            domains: self.domains,
            platforms: self.platforms.iter().filter_map(platform).collect(),
            use_limit: self.uses.map(i64::from),
            uses: 0,
            last_used_at: None,
            expires_at: self.expires.map(lives_until),
            revoked_at: None,
            created_at: context.now,
        };
        let id = row.id.to_string();
        let detail = json!({ "domains": row.domains, "platforms": row.platforms, "uses": row.use_limit });
        let entry = context.entry("token.create", &id, Some(tenant_id), detail);
        let expires = row.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
        context
            .store
            .write(move |connection| {
                Box::pin(async move {
                    token::insert(connection, &row).await?;
                    audit::append(connection, entry).await
                })
            })
            .await?;
        let text = secret.reveal();
        if self.json {
            return Ok(super::json(&json!({ "id": id, "expires_at": expires, "token": text.expose_secret() })));
        }
        Ok(format!("{}\n", text.expose_secret()))
    }
}

async fn revoke(context: &Context, id: TokenId, devices_too: bool) -> Result<String, CommandError> {
    let (name, now) = (id.to_string(), context.now);
    let entry = context.entry("token.revoke", &name, None, json!({ "devices_too": devices_too }));
    let removed = context
        .store
        .write(move |connection| {
            Box::pin(async move {
                if !token::revoke(connection, &id, now).await? {
                    return Ok(None);
                }
                let removed = if devices_too { device::remove_of_token(connection, &id).await? } else { 0 };
                audit::append(connection, entry).await?;
                Ok(Some(removed))
            })
        })
        .await?;
    match removed {
        None => Err(CommandError::NotFound { noun: "token", name, command: "token" }),
        Some(removed) if devices_too => Ok(format!("revoked {name} and removed {removed} devices\n")),
        Some(_) => Ok(format!("revoked {name}; the devices that it enrolled stay\n")),
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let tokens = token::list(&mut *context.store.read().await?).await?;
    if json {
        return Ok(super::json(&tokens));
    }
    let rows: Vec<_> = tokens.iter().map(|token| row(token, context.now)).collect();
    Ok(table(["TOKEN", "STATE", "USES", "DOMAINS", "EXPIRES", "LAST USED", "DESCRIPTION"], &rows))
}

fn row(token: &Row, now: UtcTime) -> [String; 7] {
    let state = match token {
        Row { revoked_at: Some(_), .. } => "revoked",
        Row { expires_at: Some(expires_at), .. } if *expires_at <= now => "expired",
        Row { use_limit: Some(limit), uses, .. } if uses >= limit => "used up",
        _ => "active",
    };
    let time = |time: Option<UtcTime>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    [
        token.id.to_string(),
        state.to_owned(),
        token.use_limit.map_or_else(|| token.uses.to_string(), |limit| format!("{}/{limit}", token.uses)),
        if token.domains.is_empty() { "all".to_owned() } else { token.domains.join(",") },
        time(token.expires_at),
        time(token.last_used_at),
        token.description.clone(),
    ]
}
