//! Device tokens: what lets a device register its key.

use std::time::Duration;

use ipnet::IpNet;
use saml::time::UtcTime;
use saml::token::{DeviceToken, TokenId};
use serde_json::json;

use super::token_binding::Machines;
use super::{Admin, AdminError, Done, Noun, Right, domain_name};
use crate::random;
use crate::store::device;
use crate::store::page::{Cursor, Page};
use crate::store::token::{self, Approval, People, Token};

/// The platforms that a token can be limited to.
pub const PLATFORMS: [&str; 3] = ["linux", "macos", "windows"];
/// The most people that one token lists.
const MOST_PEOPLE: usize = 50_000;
/// The longest life of a token that ends at all.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 366 * 86_400);

/// How many devices a token enrols where nobody says otherwise.
pub const DEFAULT_USES: u32 = 1000;
/// How many of them within an hour.
pub const DEFAULT_PER_HOUR: u32 = 500;

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// A few words for the list.
    pub description: String,
    /// User domains that it may enrol for; none: all of the tenant's.
    pub domains: Vec<String>,
    /// Platforms that it may enrol, of [`PLATFORMS`]; none: all.
    pub platforms: Vec<String>,
    /// Networks that it enrols from, as blocks or addresses; none: from anywhere.
    pub networks: Vec<String>,
    /// The machines that it may enrol; none: any.
    pub machines: Machines,
    /// Whether a device that it enrols waits for an administrator.
    pub approval: Approval,
    /// Groups of the devices that it enrols.
    pub groups: Vec<String>,
    /// The people that its devices may sign in by their word alone.
    pub people: People,
    /// Those people, `user@domain` or a pattern with `*`, where they are listed.
    pub people_names: Vec<String>,
    /// Groups of such people.
    pub people_groups: Vec<String>,
    /// How many devices it may enrol; none: no limit.
    pub use_limit: Option<u32>,
    /// How many of them within an hour; none: no limit.
    pub hourly_limit: Option<u32>,
    /// How long it enrols devices; none: without end.
    pub life: Option<Duration>,
}

/// A token that was made. Its text is shown once, now: the portal keeps the public half only.
pub struct CreatedToken {
    /// What the portal knows of it from now on.
    pub token: Token,
    /// The token itself.
    pub secret: DeviceToken,
}

/// Makes a device token for `tenant`.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Invalid`] where a limit makes no sense.
pub async fn create(admin: &Admin, tenant: &str, new: NewToken) -> Result<CreatedToken, AdminError> {
    let new = checked(new)?;
    let networks = new.networks.iter().map(|given| network(given)).collect::<Result<Vec<_>, _>>()?;
    let machines = new.machines.clone();
    let tenant_id = admin.tenant_id(tenant).await?;
    let secret = DeviceToken::from_parts(TokenId::from_random(random::bytes()?), random::bytes()?);
    let lives_until = |life: Duration| admin.now.plus_seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
    let row = Token {
        id: secret.id().clone(),
        tenant_id,
        public_key: secret.public_key(),
        description: new.description,
        created_by: admin.actor.to_string(),
        domains: new.domains,
        platforms: new.platforms,
        networks,
        is_bound: !new.machines.is_empty(),
        approval: new.approval,
        groups: new.groups,
        people: new.people,
        people_names: new.people_names,
        people_groups: new.people_groups,
        hourly_limit: new.hourly_limit.map(i64::from),
        hour: 0,
        hour_uses: 0,
        rotated_from: None,
        use_limit: new.use_limit.map(i64::from),
        uses: 0,
        last_used_at: None,
        expires_at: new.life.map(lives_until),
        revoked_at: None,
        created_at: admin.now,
    };
    let name = row.id.to_string();
    let token = admin.change("token.create", (Noun::Token, &name), move |connection| {
Box::pin(async move {
            token::insert(connection, &row).await?;
                machines.bind(connection, &row.id).await?;
            let expires = row.expires_at.map(|time| time.to_string());
            let detail = json!({ "domains": row.domains, "platforms": row.platforms, "networks": row.networks, "machines": machines.serials.len() + machines.external_ids.len(),
                    "approval": row.approval.to_string(), "groups": row.groups, "people": row.people.to_string(), "people_listed": row.people_names.len() + row.people_groups.len(),
                    "uses": row.use_limit, "per_hour": row.hourly_limit, "expires": expires });
            Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail, value: row })
        })
}).await?;
    Ok(CreatedToken { token, secret })
}

fn network(given: &str) -> Result<IpNet, AdminError> {
    let wanted = "a network: write `192.0.2.0/24` or one address";
    crate::network::parse(given).map_err(|_| AdminError::Invalid { field: "networks", given: given.to_owned(), wanted })
}

fn checked(mut new: NewToken) -> Result<NewToken, AdminError> {
    let invalid = |field, given: String, wanted| Err(AdminError::Invalid { field, given, wanted });
    new.domains = new.domains.iter().map(|domain| domain_name(domain)).collect::<Result<_, _>>()?;
    if let Some(unknown) = new.platforms.iter().find(|platform| !PLATFORMS.contains(&platform.as_str())) {
        return invalid("platforms", unknown.clone(), "a platform: `linux`, `macos` or `windows`");
    }
    if new.use_limit == Some(0) {
        return invalid("uses", "0".to_owned(), "a number of devices: 1 at least, or leave it out for no limit");
    }
    if new.hourly_limit == Some(0) {
        return invalid("per_hour", "0".to_owned(), "a number of devices: 1 at least, or no limit");
    }
    new = checked_people(new)?;
    new.machines = new.machines.checked()?;
    if let Some(group) = new.groups.iter().find(|group| group.trim().is_empty() || group.chars().count() > 100) {
        return invalid("groups", group.clone(), "the name of a group: 1 to 100 characters");
    }
    if let Some(life) = new.life.filter(|life| life.as_secs() == 0 || *life > LONGEST_LIFE) {
        let given = humantime::format_duration(life).to_string();
        return invalid("expires", given, "the life of a token: between a second and ten years, or `never` ends");
    }
    if new.description.chars().count() > 200 {
        return invalid("description", new.description, "a description: 200 characters at most");
    }
    Ok(new)
}

fn checked_people(mut new: NewToken) -> Result<NewToken, AdminError> {
    let invalid = |given: String, wanted| Err(AdminError::Invalid { field: "people", given, wanted });
    for name in &mut new.people_names {
        *name = name.trim().to_lowercase();
        if name.len() > 320 || !name.contains('@') || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return invalid(name.clone(), "a person's name: write `user@domain`, with `*` for any text");
        }
    }
    let number = new.people_names.len() + new.people_groups.len();
    if new.people_names.len() > MOST_PEOPLE || new.people_groups.len() > 64 {
        return invalid(number.to_string(), "a list of people: 50000 names and 64 groups at most");
    }
    if (new.people == People::Listed) != (number > 0) {
        let wanted = "complete: `listed` needs names or a group, and only `listed` takes them";
        return invalid(new.people.to_string(), wanted);
    }
    Ok(new)
}

/// Lets the token enrol no more devices, and removes those that it has enrolled where `devices_too`; says how many.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn revoke(admin: &Admin, id: &TokenId, devices_too: bool) -> Result<u64, AdminError> {
    let (id, now, name) = (id.clone(), admin.now, id.to_string());
    admin
        .change("token.revoke", (Noun::Token, &name), move |connection| {
            Box::pin(async move {
                let row = token::by_id(connection, &id).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Token, &id.to_string()))?;
                token::revoke(connection, &id, now).await?;
                let removed = if devices_too { device::remove_of_token(connection, &id).await? } else { 0 };
                let detail = json!({ "devices_too": devices_too, "removed": removed });
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: removed })
            })
        })
        .await
}

/// The tokens in reach, the newest first, each with the number of its devices that are registered or wait.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list_with_devices(admin: &Admin) -> Result<Vec<(Token, i64)>, AdminError> {
    let tokens = list(admin).await?;
    let devices = token::devices_of_each(&mut *admin.store.read().await?).await?;
    let with = |token: Token| {
        let number = devices.get(token.id.as_str()).copied().unwrap_or_default();
        (token, number)
    };
    Ok(tokens.into_iter().map(with).collect())
}

/// The tokens in reach, the newest first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<Token>, AdminError> {
    let mut tokens = token::list(&mut *admin.store.read().await?).await?;
    tokens.retain(|token| admin.reach.as_deref().is_none_or(|reach| reach == token.tenant_id));
    Ok(tokens)
}

/// A portion of the tenant's tokens, the newest first.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn page(admin: &Admin, tenant: &str, after: Option<&Cursor>, limit: u16) -> Result<Page<Token>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    Ok(token::page(&mut *admin.store.read().await?, &tenant_id, after, limit).await?)
}

/// The token with that id.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn by_id(admin: &Admin, id: &TokenId) -> Result<Token, AdminError> {
    admin.demand(Right::Read)?;
    let row = token::by_id(&mut *admin.store.read().await?, id).await?;
    admin.within(row, |token| &token.tenant_id, Noun::Token, &id.to_string())
}

/// Where `token` stands at `now`: `active`, `revoked`, `expired` or `used up`.
#[must_use]
pub fn standing(token: &Token, now: UtcTime) -> &'static str {
    match token {
        Token { revoked_at: Some(_), .. } => "revoked",
        Token { expires_at: Some(expires_at), .. } if *expires_at <= now => "expired",
        Token { use_limit: Some(limit), uses, .. } if uses >= limit => "used up",
        _ => "active",
    }
}

/// Parses how long a token lives, as people write it: `12h`, `30d`, or `never` for no end.
///
/// # Errors
/// What is wrong with it.
pub fn parse_life(given: &str) -> Result<Option<Duration>, String> {
    if given == "never" {
        return Ok(None);
    }
    let parsed = humantime::parse_duration(given).map_err(|error| format!("{error}; write `12h`, `30d` or `never`"))?;
    if parsed.as_secs() == 0 || parsed > LONGEST_LIFE {
        return Err("a token lives between a second and ten years, or `never` ends".to_owned());
    }
    Ok(Some(parsed))
}
