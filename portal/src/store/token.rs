//! Device tokens: the public half, the limits, and how far they are used up.

use saml::time::UtcTime;
use saml::token::{TokenId, TokenPublicKey};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text, json_text};
use super::{StoreError, as_optional_text, as_text, doing};

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
        "INSERT INTO device_token (id, tenant_id, public_key, description, created_by, domains, platforms, use_limit, uses, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
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
    sqlx::query("UPDATE device_token SET uses = uses + 1, last_used_at = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(now.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("count the use of the token"))?;
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
