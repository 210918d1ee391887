//! Device tokens: the public half, the limits, and how far they are used up.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use saml::time::UtcTime;
use saml::token::{TokenId, TokenPublicKey};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text, json_text};
use super::page::{Cursor, Page, Select};
use super::{StoreError, as_optional_text, as_text, doing};

/// What becomes of a device that a token enrols.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Approval {
    /// It is registered.
    #[default]
    Auto,
    /// It waits until an administrator approves it.
    Queue,
}

impl fmt::Display for Approval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Queue => "queue",
        })
    }
}

impl FromStr for Approval {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "queue" => Ok(Self::Queue),
            _ => Err(()),
        }
    }
}

/// The people that the devices of a token may sign in by their word alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum People {
    /// Nobody: people prove who they are, once for each device.
    #[default]
    Proven,
    /// The people the token lists, and nobody else.
    Listed,
    /// Anybody: a stolen token then buys a device that names anybody the tenant does not know.
    Any,
}

impl fmt::Display for People {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Proven => "proven",
            Self::Listed => "listed",
            Self::Any => "any",
        })
    }
}

impl FromStr for People {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "proven" => Ok(Self::Proven),
            "listed" => Ok(Self::Listed),
            "any" => Ok(Self::Any),
            _ => Err(()),
        }
    }
}

/// What the portal knows of a device token. The secret half was shown once and is nowhere here.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Token {
    /// The id that is part of the token's text.
    #[serde(serialize_with = "as_text")]
    pub id: TokenId,
    /// Whose devices it enrols.
    pub tenant_id: String,
    /// Verifies enrolments by it.
    #[serde(skip)]
    pub public_key: TokenPublicKey,
    /// The administrator's words.
    pub description: String,
    /// Who made it.
    pub created_by: String,
    /// User domains that it may enrol for; empty: all of the tenant's.
    pub domains: Vec<String>,
    /// Platforms (`linux`, `macos`, `windows`) that it may enrol; empty: all.
    pub platforms: Vec<String>,
    /// Networks that it enrols from; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// Whether it enrols the machines of its list only, see [`bind`].
    pub is_bound: bool,
    /// Whether a device that it enrols waits for an administrator.
    #[serde(serialize_with = "as_text")]
    pub approval: Approval,
    /// Groups of the devices that it enrols.
    pub groups: Vec<String>,
    /// The people that its devices may sign in by their word alone.
    #[serde(serialize_with = "as_text")]
    pub people: People,
    /// Those people by name, `user@domain`, where they are listed.
    pub people_names: Vec<String>,
    /// Those people by group, where they are listed.
    pub people_groups: Vec<String>,
    /// How many devices it may enrol within an hour; none: no limit.
    pub hourly_limit: Option<i64>,
    /// The hour of its last enrolment, counted from 1970.
    #[serde(skip)]
    pub hour: i64,
    /// How many it has enrolled in that hour.
    #[serde(skip)]
    pub hour_uses: i64,
    /// The token that it takes the place of.
    #[serde(serialize_with = "as_optional_text")]
    pub rotated_from: Option<TokenId>,
    /// How many devices it may enrol; none: no limit.
    pub use_limit: Option<i64>,
    /// How many it has enrolled.
    pub uses: i64,
    /// When it enrolled the last one.
    #[serde(serialize_with = "as_optional_text")]
    pub last_used_at: Option<UtcTime>,
    /// From when on it enrols nothing; none: never.
    #[serde(serialize_with = "as_optional_text")]
    pub expires_at: Option<UtcTime>,
    /// When it was revoked.
    #[serde(serialize_with = "as_optional_text")]
    pub revoked_at: Option<UtcTime>,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

impl Token {
    /// An unlimited token of this id, made at `now` by nobody in particular.
    #[cfg(test)]
    pub(crate) fn new(id: TokenId, tenant_id: String, public_key: TokenPublicKey, now: UtcTime) -> Self {
        Self {
            id,
            tenant_id,
            public_key,
            description: String::new(),
            created_by: String::new(),
            domains: Vec::new(),
            platforms: Vec::new(),
            networks: Vec::new(),
            is_bound: false,
            approval: Approval::Auto,
            groups: Vec::new(),
            people: People::Any,
            people_names: Vec::new(),
            people_groups: Vec::new(),
            hourly_limit: None,
            hour: 0,
            hour_uses: 0,
            rotated_from: None,
            use_limit: None,
            uses: 0,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
            created_at: now,
        }
    }

    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "device_token", row };
        let unreadable = || StoreError::Unreadable { table: "device_token", column: "public_key" };
        let public_key: [u8; 32] = columns.bytes("public_key")?.try_into().map_err(|_| unreadable())?;
        Ok(Self {
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            public_key: TokenPublicKey::from_bytes(public_key),
            description: columns.text("description")?,
            created_by: columns.text("created_by")?,
            domains: columns.json("domains")?,
            platforms: columns.json("platforms")?,
            networks: columns.json("networks")?,
            is_bound: columns.flag("is_bound")?,
            approval: columns.parsed("approval")?,
            groups: columns.json("device_groups")?,
            people: columns.parsed("people")?,
            people_names: columns.json("people_names")?,
            people_groups: columns.json("people_groups")?,
            hourly_limit: columns.optional_integer("hourly_limit")?,
            hour: columns.integer("hour")?,
            hour_uses: columns.integer("hour_uses")?,
            rotated_from: columns.optional_parsed("rotated_from")?,
            use_limit: columns.optional_integer("use_limit")?,
            uses: columns.integer("uses")?,
            last_used_at: columns.optional_time("last_used_at")?,
            expires_at: columns.optional_time("expires_at")?,
            revoked_at: columns.optional_time("revoked_at")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds `token`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, token: &Token) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_token (id, tenant_id, public_key, description, created_by, domains, platforms, use_limit, uses, expires_at, created_at,
             networks, is_bound, approval, device_groups, rotated_from, people, people_names, people_groups, hourly_limit)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(token.id.to_string())
    .bind(&token.tenant_id)
    .bind(base64_text(token.public_key.as_bytes()))
    .bind(&token.description)
    .bind(&token.created_by)
    .bind(json_text(&token.domains))
    .bind(json_text(&token.platforms))
    .bind(token.use_limit)
    .bind(token.expires_at.map(UtcTime::unix_millis))
    .bind(token.created_at.unix_millis())
    .bind(json_text(&token.networks))
    .bind(i64::from(token.is_bound))
    .bind(token.approval.to_string())
    .bind(json_text(&token.groups))
    .bind(token.rotated_from.as_ref().map(ToString::to_string))
    .bind(token.people.to_string())
    .bind(json_text(&token.people_names))
    .bind(json_text(&token.people_groups))
    .bind(token.hourly_limit)
    .execute(connection)
    .await
    .map_err(doing("add the token"))?;
    Ok(())
}

/// The token with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &TokenId) -> Result<Option<Token>, StoreError> {
    let row = sqlx::query("SELECT * FROM device_token WHERE id = $1").bind(id.to_string()).fetch_optional(connection);
    row.await.map_err(doing("look the token up"))?.as_ref().map(Token::from_row).transpose()
}

/// All tokens, the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Token>, StoreError> {
    let rows = sqlx::query("SELECT * FROM device_token ORDER BY created_at DESC, id").fetch_all(connection).await;
    rows.map_err(doing("list the tokens"))?.iter().map(Token::from_row).collect()
}

/// Counts one use of the token at `now`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_use(connection: &mut AnyConnection, id: &TokenId, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE device_token SET uses = uses + 1, last_used_at = $2, hour_uses = CASE WHEN hour = $3 THEN hour_uses + 1 ELSE 1 END, hour = $3
         WHERE id = $1",
    )
        .bind(id.to_string())
        .bind(now.unix_millis())
        .bind(hour_of(now))
        .execute(connection)
        .await
        .map_err(doing("count the use of the token"))?;
    Ok(())
}

/// The hour of `at`, counted from 1970.
#[must_use]
pub fn hour_of(at: UtcTime) -> i64 {
    at.unix_seconds().div_euclid(3600)
}

/// A kind of name that machines are bound to tokens by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BindingKind {
    /// The maker's serial number.
    Serial,
    /// The management's own id.
    ExternalId,
}

impl BindingKind {
    /// The word for it, which is also the name of the fact.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::ExternalId => "external-id",
        }
    }
}

/// Lets the token, which is bound, enrol the machine with that serial number or external id too.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn bind(
    connection: &mut AnyConnection,
    id: &TokenId,
    kind: BindingKind,
    value: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO token_binding (token_id, kind, value) VALUES ($1, $2, $3) ON CONFLICT (token_id, kind, value) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(kind.as_str())
    .bind(value)
    .execute(connection)
    .await
    .map_err(doing("bind the token"))?;
    Ok(())
}

/// Lets the token enrol the machines that `from` may enrol.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn copy_bindings(connection: &mut AnyConnection, from: &TokenId, id: &TokenId) -> Result<(), StoreError> {
    let copy = sqlx::query(
        "INSERT INTO token_binding (token_id, kind, value) SELECT $2, kind, value FROM token_binding WHERE token_id = $1",
    );
    copy.bind(from.to_string()).bind(id.to_string()).execute(connection).await.map_err(doing("bind the token"))?;
    Ok(())
}

/// Whether the machine with this serial number or this external id is one of the token's; what is empty is nobody's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn is_bound_to(
    connection: &mut AnyConnection,
    id: &TokenId,
    serial: &str,
    external_id: &str,
) -> Result<bool, StoreError> {
    let found = sqlx::query(
        "SELECT value FROM token_binding WHERE token_id = $1 AND value <> ''
         AND ((kind = 'serial' AND value = $2) OR (kind = 'external-id' AND value = $3)) LIMIT 1",
    );
    let found = found.bind(id.to_string()).bind(serial).bind(external_id).fetch_optional(connection).await;
    Ok(found.map_err(doing("look the machine up"))?.is_some())
}

/// How many devices each token has enrolled that are registered or wait for approval.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn devices_of_each(connection: &mut AnyConnection) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT token_id, COUNT(*) AS devices FROM device WHERE state IN ('registered', 'pending') GROUP BY token_id",
    );
    let rows = rows.fetch_all(connection).await.map_err(doing("count the devices of the tokens"))?;
    let counted = rows.iter().map(|row| {
        let columns = Columns { table: "device", row };
        Ok((columns.text("token_id")?, columns.integer("devices")?))
    });
    counted.collect()
}

/// Lets the token end at `expires_at`, unless it ends before.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn end_at(connection: &mut AnyConnection, id: &TokenId, expires_at: UtcTime) -> Result<(), StoreError> {
    let end = sqlx::query(
        "UPDATE device_token SET expires_at = $2 WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2)",
    );
    let end = end.bind(id.to_string()).bind(expires_at.unix_millis()).execute(connection).await;
    end.map_err(doing("end the token"))?;
    Ok(())
}

/// Revokes the token at `now`: it enrols no new device. A second revocation keeps the first one's time.
/// Says whether there is such a token.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn revoke(connection: &mut AnyConnection, id: &TokenId, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE device_token SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1")
        .bind(id.to_string())
        .bind(now.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("revoke the token"))?.rows_affected() > 0)
}

/// A portion of the tenant's tokens, the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn page(
    connection: &mut AnyConnection,
    tenant_id: &str,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Token>, StoreError> {
    let mut select = Select::new("SELECT * FROM device_token WHERE 1 = 1");
    select.add(" AND tenant_id = ?", [tenant_id.into()]);
    if let Some(after) = after {
        select.add(" AND (created_at, id) < (?, ?)", [after.number.into(), after.id.as_str().into()]);
    }
    select.add(" ORDER BY created_at DESC, id DESC", []);
    let place = |token: &Token| Cursor {
        number: token.created_at.unix_millis(),
        text: String::new(),
        id: token.id.to_string(),
    };
    select.page(connection, limit, Token::from_row, place).await
}

/// How many of the tenant's tokens still enrol at `now` devices that are believed about who their person is.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn count_believing(connection: &mut AnyConnection, tenant_id: &str, now: UtcTime) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT COUNT(*) FROM device_token
         WHERE tenant_id = $1 AND people = 'any' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
             AND (use_limit IS NULL OR uses < use_limit)",
    );
    let count = count.bind(tenant_id).bind(now.unix_millis()).fetch_one(connection).await;
    count.map_err(doing("count the tokens"))
}

/// The tenant's tokens that still enrol at `now` and won't at `soon`, or have nine tenths of their uses behind them.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn near_their_end(
    connection: &mut AnyConnection,
    tenant_id: &str,
    now: UtcTime,
    soon: UtcTime,
) -> Result<Vec<Token>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM device_token
         WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
             AND (use_limit IS NULL OR uses < use_limit)
             AND (expires_at < $3 OR (use_limit IS NOT NULL AND uses * 10 >= use_limit * 9))
         ORDER BY created_at DESC, id DESC LIMIT 20",
    )
    .bind(tenant_id)
    .bind(now.unix_millis())
    .bind(soon.unix_millis())
    .fetch_all(connection)
    .await;
    rows.map_err(doing("list the tokens"))?.iter().map(Token::from_row).collect()
}
