//! API keys: what programs show to administer.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::{StoreError, as_optional_text, as_text, doing};

/// What the portal knows of an API key. Its secret was shown once and is nowhere here.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ApiKey {
    /// The part of the key that names it.
    pub id: String,
    /// The one tenant that it may see and change; none: the whole cloud.
    pub tenant_id: Option<String>,
    /// SHA-256 of the secret part, hexadecimal.
    #[serde(skip)]
    pub hash: String,
    /// The administrator's words.
    pub description: String,
    /// What it may do, by name.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
    /// From when on it opens nothing.
    #[serde(serialize_with = "as_optional_text")]
    pub expires_at: Option<UtcTime>,
    /// When it was used last, to the minute.
    #[serde(serialize_with = "as_optional_text")]
    pub last_used_at: Option<UtcTime>,
    /// When it was revoked.
    #[serde(serialize_with = "as_optional_text")]
    pub revoked_at: Option<UtcTime>,
}

impl ApiKey {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "api_key", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.optional_text("tenant_id")?,
            hash: columns.text("hash")?,
            description: columns.text("description")?,
            scopes: columns.json("scopes")?,
            created_by: columns.text("created_by")?,
            created_at: columns.time("created_at")?,
            expires_at: columns.optional_time("expires_at")?,
            last_used_at: columns.optional_time("last_used_at")?,
            revoked_at: columns.optional_time("revoked_at")?,
        })
    }
}

/// Adds `key`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert(connection: &mut AnyConnection, key: &ApiKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO api_key (id, tenant_id, hash, description, scopes, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&key.id)
    .bind(&key.tenant_id)
    .bind(&key.hash)
    .bind(&key.description)
    .bind(json_text(&key.scopes))
    .bind(&key.created_by)
    .bind(key.created_at.unix_millis())
    .bind(key.expires_at.map(UtcTime::unix_millis))
    .execute(connection)
    .await
    .map_err(doing("add the API key"))?;
    Ok(())
}

/// The key with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query("SELECT * FROM api_key WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the API key up"))?.as_ref().map(ApiKey::from_row).transpose()
}

/// All keys, the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<ApiKey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM api_key ORDER BY created_at DESC, id").fetch_all(connection).await;
    rows.map_err(doing("list the API keys"))?.iter().map(ApiKey::from_row).collect()
}

/// Notes that the key was used at `now`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn touch(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE api_key SET last_used_at = $2 WHERE id = $1").bind(id).bind(now.unix_millis());
    done.execute(connection).await.map_err(doing("note the API key's use"))?;
    Ok(())
}

/// Revokes the key at `now`; a second revocation keeps the first one's time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn revoke(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE api_key SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1").bind(id);
    done.bind(now.unix_millis()).execute(connection).await.map_err(doing("revoke the API key"))?;
    Ok(())
}
