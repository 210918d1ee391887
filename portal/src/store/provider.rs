//! Drafts and versions of the identity providers of tenants. What holds is in the tenant's row.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::{Columns, json_text};
use super::{StoreError, as_text, doing};
use crate::identity_provider::Providers;

/// A draft: what would hold if it were activated.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub providers: Providers,
    /// Who changed it last.
    pub changed_by: String,
    /// When.
    pub changed_at: UtcTime,
}

/// A version that holds or has held.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Version {
    /// Counts from 1.
    pub version: i64,
    /// What it says.
    pub providers: Providers,
    /// Who activated it.
    pub activated_by: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub activated_at: UtcTime,
}

/// The tenant's draft, if there is one.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn draft(connection: &mut AnyConnection, tenant_id: &str) -> Result<Option<Draft>, StoreError> {
    let row = sqlx::query("SELECT * FROM provider_draft WHERE tenant_id = $1").bind(tenant_id);
    let row = row.fetch_optional(connection).await.map_err(doing("read the draft"))?;
    let draft = |row| {
        let columns = Columns { table: "provider_draft", row };
        Ok(Draft {
            providers: columns.json("providers")?,
            changed_by: columns.text("changed_by")?,
            changed_at: columns.time("changed_at")?,
        })
    };
    row.as_ref().map(draft).transpose()
}

/// Keeps `draft` as the tenant's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn keep_draft(connection: &mut AnyConnection, tenant_id: &str, draft: &Draft) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO provider_draft (tenant_id, providers, changed_by, changed_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id) DO UPDATE SET providers = excluded.providers, changed_by = excluded.changed_by, changed_at = excluded.changed_at",
    )
    .bind(tenant_id)
    .bind(json_text(&draft.providers))
    .bind(&draft.changed_by)
    .bind(draft.changed_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("keep the draft"))?;
    Ok(())
}

/// Throws the tenant's draft away; says whether there was one.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn discard_draft(connection: &mut AnyConnection, tenant_id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM provider_draft WHERE tenant_id = $1").bind(tenant_id).execute(connection).await;
    Ok(done.map_err(doing("discard the draft"))?.rows_affected() > 0)
}

/// Adds `version`, lets it hold, and throws the draft away.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn activate(connection: &mut AnyConnection, tenant_id: &str, version: &Version) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO provider_version (tenant_id, version, providers, activated_by, activated_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant_id)
    .bind(version.version)
    .bind(json_text(&version.providers))
    .bind(&version.activated_by)
    .bind(version.activated_at.unix_millis())
    .execute(&mut *connection)
    .await
    .map_err(doing("keep the version"))?;
    sqlx::query("UPDATE tenant SET providers = $2, provider_version = $3 WHERE id = $1")
        .bind(tenant_id)
        .bind(json_text(&version.providers))
        .bind(version.version)
        .execute(&mut *connection)
        .await
        .map_err(doing("activate the version"))?;
    discard_draft(connection, tenant_id).await.map(drop)
}

/// The tenant's versions, the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn versions(connection: &mut AnyConnection, tenant_id: &str) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query("SELECT * FROM provider_version WHERE tenant_id = $1 ORDER BY version DESC").bind(tenant_id);
    let rows = rows.fetch_all(connection).await.map_err(doing("read the versions"))?;
    let version = |row| {
        let columns = Columns { table: "provider_version", row };
        Ok(Version {
            version: columns.integer("version")?,
            providers: columns.json("providers")?,
            activated_by: columns.text("activated_by")?,
            activated_at: columns.time("activated_at")?,
        })
    };
    rows.iter().map(version).collect()
}
