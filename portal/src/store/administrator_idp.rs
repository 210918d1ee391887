//! What may sign administrators in besides their passwords, and the requests of the pages' own that are still to be answered.

use saml::name::MessageId;
use saml::time::UtcTime;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::{StoreError, as_text, doing};

/// An identity provider for administrators.
#[derive(Clone, Debug, Serialize)]
pub struct AdministratorIdp {
    /// Random, stable.
    pub id: String,
    /// The one tenant whose accounts it may speak for; none: those of the whole cloud, and of every tenant.
    pub tenant_id: Option<String>,
    /// What the sign-in page calls it; unique in the cloud.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Who recorded it.
    pub created_by: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
}

/// What signs administrators in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Another identity provider, recorded by its metadata.
    External {
        /// Its entity ID.
        entity_id: String,
        /// Its metadata as it was given.
        metadata: String,
    },
    /// Devices of the portal's own.
    Devices {
        /// The id of the tenant whose they are.
        tenant_id: String,
        /// The entity ID of the pages, as a service of that tenant.
        service: String,
        /// The least grade; `local`, `managed`, `directory` of what was recorded before there were grades: a kind of the device's claim.
        minimum_evidence: String,
    },
}

impl AdministratorIdp {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "administrator_idp", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.optional_text("tenant_id")?,
            name: columns.text("name")?,
            kind: columns.json("kind")?,
            created_by: columns.text("created_by")?,
            created_at: columns.time("created_at")?,
        })
    }
}

/// Adds `row`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the name is taken.
pub async fn insert(connection: &mut AnyConnection, row: &AdministratorIdp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator_idp (id, tenant_id, name, kind, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&row.id)
    .bind(&row.tenant_id)
    .bind(&row.name)
    .bind(json_text(&row.kind))
    .bind(&row.created_by)
    .bind(row.created_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("record the identity provider for administrators"))?;
    Ok(())
}

/// Removes it; accounts that it has signed in are linked with nothing from then on.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    for statement in [
        "UPDATE administrator SET idp_id = NULL, idp_subject = NULL, idp_devices = '[]' WHERE idp_id = $1",
        "DELETE FROM administrator_sign_on WHERE idp_id = $1",
        "DELETE FROM administrator_idp WHERE id = $1",
    ] {
        let done = sqlx::query(statement).bind(id).execute(&mut *connection).await;
        done.map_err(doing("remove the identity provider for administrators"))?;
    }
    Ok(())
}

/// The one with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<AdministratorIdp>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator_idp WHERE id = $1").bind(id).fetch_optional(connection).await;
    let row = row.map_err(doing("look an identity provider for administrators up"))?;
    row.as_ref().map(AdministratorIdp::from_row).transpose()
}

/// All of them by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<AdministratorIdp>, StoreError> {
    let rows = sqlx::query("SELECT * FROM administrator_idp ORDER BY name").fetch_all(connection).await;
    let rows = rows.map_err(doing("list the identity providers for administrators"))?;
    rows.iter().map(AdministratorIdp::from_row).collect()
}

/// A request of the pages' own to what signs somebody in.
#[derive(Clone, Debug)]
pub struct SignOn {
    /// Its ID, which the Response has to answer.
    pub id: MessageId,
    /// Who is asked.
    pub idp_id: String,
    /// SHA-256 of what the browser's cookie holds, hexadecimal.
    pub browser: String,
    /// The id of the session that the browser had before; empty: none.
    pub earlier: String,
    /// The page to go on with.
    pub next: String,
    /// When the browser left.
    pub created_at: UtcTime,
    /// When the answer came.
    pub used_at: Option<UtcTime>,
}

/// Keeps a request that is about to be sent.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert_sign_on(connection: &mut AnyConnection, row: &SignOn) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator_sign_on (id, idp_id, browser, earlier, next, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(row.id.as_str())
    .bind(&row.idp_id)
    .bind(&row.browser)
    .bind(&row.earlier)
    .bind(&row.next)
    .bind(row.created_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("keep a request to sign an administrator in"))?;
    Ok(())
}

/// The request with that ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn sign_on(connection: &mut AnyConnection, id: &str) -> Result<Option<SignOn>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator_sign_on WHERE id = $1").bind(id).fetch_optional(connection);
    let row = row.await.map_err(doing("look a request to sign an administrator in up"))?;
    let read = |row| {
        let columns = Columns { table: "administrator_sign_on", row };
        Ok(SignOn {
            id: columns.parsed("id")?,
            idp_id: columns.text("idp_id")?,
            browser: columns.text("browser")?,
            earlier: columns.text("earlier")?,
            next: columns.text("next")?,
            created_at: columns.time("created_at")?,
            used_at: columns.optional_time("used_at")?,
        })
    };
    row.as_ref().map(read).transpose()
}

/// Marks the request as answered; says whether this was the first time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_up(connection: &mut AnyConnection, id: &MessageId, now: UtcTime) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE administrator_sign_on SET used_at = $2 WHERE id = $1 AND used_at IS NULL")
        .bind(id.as_str())
        .bind(now.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("use a request to sign an administrator in up"))?.rows_affected() == 1)
}

/// Forgets requests that were sent before `before`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_before(connection: &mut AnyConnection, before: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM administrator_sign_on WHERE created_at < $1").bind(before.unix_millis());
    done.execute(connection).await.map_err(doing("forget requests to sign administrators in"))?;
    Ok(())
}
