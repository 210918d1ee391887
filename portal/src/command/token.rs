//! `countersign-portal token`: device tokens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
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
    /// Let a token that is bound to machines enrol more of them.
    Bind {
        /// The token's id.
        id: TokenId,
        #[command(flatten)]
        machines: Machines,
    },
    /// Make a token with the same limits, and let this one end. The new one's text is shown once, now.
    Rotate {
        /// The token's id.
        id: TokenId,
        /// How long the old one goes on beside the new one, for example `14d`.
        #[arg(long, value_name = "DURATION", default_value = "14d", value_parser = humantime::parse_duration)]
        overlap: Duration,
        /// As JSON, with the token in `token`.
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
    /// A network that it enrols from, `192.0.2.0/24` or one address; may be repeated; none: from anywhere.
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    #[command(flatten)]
    machines: Machines,
    /// Whether a device that it enrols waits until `device approve`.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    approval: Approval,
    /// A group of the devices that it enrols; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The people that its devices may sign in by their word alone. `proven`: nobody; people prove who they are, once for each device, and
    /// are signed in silently from then on. `any`: zero touch; a stolen token then buys a device that signs in as anybody of the tenant's domains
    /// that the tenant does not know yet.
    #[arg(long, value_name = "WHO", default_value = "proven")]
    people: People,
    /// A file with those people, a name `user@domain` on each line (`--people listed`).
    #[arg(long, value_name = "FILE")]
    people_file: Option<PathBuf>,
    /// A group of such people, as a directory calls it; may be repeated (`--people listed`).
    #[arg(long = "people-group", value_name = "GROUP")]
    people_groups: Vec<String>,
    /// How many devices it may enrol, or `unlimited`.
    #[arg(long, value_name = "N", default_value_t = Limit(Some(admin::token::DEFAULT_USES)))]
    uses: Limit,
    /// How many of them within an hour, or `unlimited`.
    #[arg(long, value_name = "N", default_value_t = Limit(Some(admin::token::DEFAULT_PER_HOUR)))]
    per_hour: Limit,
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

/// The machines that a token may enrol.
#[derive(Debug, clap::Args)]
pub(super) struct Machines {
    /// A machine that it may enrol, by its maker's serial number; may be repeated.
    #[arg(long = "serial", value_name = "SERIAL")]
    serials: Vec<String>,
    /// A machine that it may enrol, by the management's id; may be repeated.
    #[arg(long = "external-id", value_name = "ID")]
    external_ids: Vec<String>,
    /// A list of such machines: comma-separated values whose first line names the columns `serial` or `external-id`.
    #[arg(long, value_name = "FILE")]
    machines: Option<PathBuf>,
}

impl Machines {
    fn read(self) -> Result<admin::token_binding::Machines, CommandError> {
        let mut machines = admin::token_binding::Machines::default();
        if let Some(file) = self.machines {
            let text = crate::files::read(&file)?;
            machines = admin::token_binding::Machines::from_csv(&String::from_utf8_lossy(&text))?;
        }
        machines.serials.extend(self.serials);
        machines.external_ids.extend(self.external_ids);
        Ok(machines)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Approval {
    /// The device is registered at once.
    Auto,
    /// An administrator approves it first.
    Queue,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Platform {
    Linux,
    Macos,
    Windows,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum People {
    /// Nobody: people prove who they are, once for each device.
    Proven,
    /// The people the token lists, and nobody else.
    Listed,
    /// Anybody the tenant does not know yet.
    Any,
}

/// A number of devices; none: without a limit.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<u32>);

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(formatter),
            None => formatter.write_str("unlimited"),
        }
    }
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(|number| Self(Some(number))).ok_or("write a number of devices, 1 at least, or `unlimited`")
    }
}

/// How long a token enrols devices; none: without end.
type Life = Option<Duration>;

impl Token {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List { json } => list(context, json).await,
            Self::Bind { id, machines } => {
                let number = admin::token_binding::bind(&context.admin, &id, machines.read()?).await?;
                Ok(format!("{id} may enrol {number} machines more\n"))
            }
            Self::Rotate { id, overlap, json } => {
                Ok(shown(&admin::token_binding::rotate(&context.admin, &id, overlap).await?, json))
            }
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
            networks: self.networks,
            machines: self.machines.read()?,
            approval: match self.approval {
                Approval::Auto => crate::store::token::Approval::Auto,
                Approval::Queue => crate::store::token::Approval::Queue,
            },
            groups: self.groups,
            people: match self.people {
                People::Proven => crate::store::token::People::Proven,
                People::Listed => crate::store::token::People::Listed,
                People::Any => crate::store::token::People::Any,
            },
            people_names: self.people_file.map(|file| names_in(&file)).transpose()?.unwrap_or_default(),
            people_groups: self.people_groups,
            use_limit: self.uses.0,
            hourly_limit: self.per_hour.0,
            life: self.expires,
        };
        let made = admin::token::create(&context.admin, &self.tenant, new).await?;
        Ok(shown(&made, self.json))
    }
}

/// The names in `file`: one on each line; empty lines and those that begin with `#` are passed over.
fn names_in(file: &Path) -> Result<Vec<String>, CommandError> {
    let text = crate::files::read(file)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

/// A new token's text, the only time that it is shown.
fn shown(made: &admin::token::CreatedToken, json: bool) -> String {
    let text = made.secret.reveal();
    if !json {
        return format!("{}\n", text.expose_secret());
    }
    let expires = made.token.expires_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
    super::json(&json!({ "id": made.token.id.to_string(), "expires_at": expires, "token": text.expose_secret() }))
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
    let tokens = admin::token::list_with_devices(&context.admin).await?;
    if json {
        let with_devices = |(token, devices): &(Row, i64)| {
            let mut row = serde_json::to_value(token).unwrap_or_default();
            row["devices"] = json!(devices);
            row
        };
        return Ok(super::json(&tokens.iter().map(with_devices).collect::<Vec<_>>()));
    }
    let rows: Vec<_> = tokens.iter().map(|(token, devices)| row(token, *devices, context.admin.now)).collect();
    let headings =
        ["TOKEN", "STATE", "USES", "DEVICES", "LIMITED TO", "EXPIRES", "LAST USED", "CREATED", "BY", "DESCRIPTION"];
    Ok(table(headings, &rows))
}

fn row(token: &Row, devices: i64, now: UtcTime) -> [String; 10] {
    let time = |time: Option<UtcTime>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    [
        token.id.to_string(),
        admin::token::standing(token, now).to_owned(),
        token.use_limit.map_or_else(|| token.uses.to_string(), |limit| format!("{}/{limit}", token.uses)),
        devices.to_string(),
        limits(token),
        time(token.expires_at),
        time(token.last_used_at),
        token.created_at.to_string(),
        token.created_by.clone(),
        token.description.clone(),
    ]
}

/// What a token is limited to, in a few words.
fn limits(token: &Row) -> String {
    let mut limits: Vec<String> = token.domains.iter().chain(&token.platforms).cloned().collect();
    limits.extend(token.networks.iter().map(ToString::to_string));
    if token.is_bound {
        limits.push("its machines".to_owned());
    }
    if token.approval == crate::store::token::Approval::Queue {
        limits.push("approval".to_owned());
    }
    limits.push(format!("people {}", token.people));
    limits.join(",")
}
