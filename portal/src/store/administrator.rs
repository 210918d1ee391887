//! Administrators: people who may sign in to the pages.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, json_text};
use super::{StoreError, as_optional_text, as_text, doing};
use crate::admin::Role;

/// An account of an administrator.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Administrator {
    /// Random, stable.
    pub id: String,
    /// The one tenant that they may see and change; none: the whole cloud.
    pub tenant_id: Option<String>,
    /// What they sign in with, lower case, unique in the cloud.
    pub name: String,
    /// What they may do.
    #[serde(serialize_with = "as_text")]
    pub role: Role,
    /// Whether they may sign in.
    pub enabled: bool,
    /// Argon2id hash; none: the invitation was not used yet.
    #[serde(skip)]
    pub password: Option<String>,
    /// Secret of the authenticator app, base32; none: there is no second factor.
    #[serde(skip)]
    pub totp_secret: Option<String>,
    /// The last time step whose code was used.
    #[serde(skip)]
    pub totp_used: i64,
    /// Wrong tries since the last right one.
    #[serde(skip)]
    pub failures: i64,
    /// No try is looked at before.
    #[serde(skip)]
    pub blocked_until: Option<UtcTime>,
    /// SHA-256 of the invitation's secret, hexadecimal.
    #[serde(skip)]
    pub invitation: Option<String>,
    /// Until when the invitation can be used.
    #[serde(skip)]
    pub invitation_until: Option<UtcTime>,
    /// Who has made the invitation, as the audit writes it.
    #[serde(skip)]
    pub invited_by: Option<String>,
    /// The identity provider that may sign them in, if one may.
    pub idp_id: Option<String>,
    /// Their name there, in lower case.
    pub idp_subject: Option<String>,
    /// The entity IDs of the devices that may sign them in, where the identity provider is devices.
    pub idp_devices: Vec<String>,
    /// Who made the account.
    pub created_by: String,
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub created_at: UtcTime,
    /// When they signed in last.
    #[serde(serialize_with = "as_optional_text")]
    pub last_sign_in_at: Option<UtcTime>,
}

impl Administrator {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "administrator", row };
        Ok(Self {
            id: columns.text("id")?,
            tenant_id: columns.optional_text("tenant_id")?,
            name: columns.text("name")?,
            role: columns.parsed("role")?,
            enabled: columns.flag("enabled")?,
            password: columns.optional_text("password")?,
            totp_secret: columns.optional_text("totp_secret")?,
            totp_used: columns.integer("totp_used")?,
            failures: columns.integer("failures")?,
            blocked_until: columns.optional_time("blocked_until")?,
            invitation: columns.optional_text("invitation")?,
            invitation_until: columns.optional_time("invitation_until")?,
            invited_by: columns.optional_text("invited_by")?,
            idp_id: columns.optional_text("idp_id")?,
            idp_subject: columns.optional_text("idp_subject")?,
            idp_devices: columns.json("idp_devices")?,
            created_by: columns.text("created_by")?,
            created_at: columns.time("created_at")?,
            last_sign_in_at: columns.optional_time("last_sign_in_at")?,
        })
    }
}

/// Adds `row`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the name is taken.
pub async fn insert(connection: &mut AnyConnection, row: &Administrator) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator (id, tenant_id, name, role, enabled, totp_used, failures, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7)",
    )
    .bind(&row.id)
    .bind(&row.tenant_id)
    .bind(&row.name)
    .bind(row.role.to_string())
    .bind(i64::from(row.enabled))
    .bind(&row.created_by)
    .bind(row.created_at.unix_millis())
    .execute(&mut *connection)
    .await
    .map_err(doing("add the administrator"))?;
    update(connection, row).await
}

/// Writes everything of `row` that can change.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn update(connection: &mut AnyConnection, row: &Administrator) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE administrator SET role = $2, enabled = $3, password = $4, totp_secret = $5, totp_used = $6, failures = $7,
             blocked_until = $8, invitation = $9, invitation_until = $10, last_sign_in_at = $11, idp_id = $12, idp_subject = $13,
             idp_devices = $14, invited_by = $15
         WHERE id = $1",
    )
    .bind(&row.id)
    .bind(row.role.to_string())
    .bind(i64::from(row.enabled))
    .bind(&row.password)
    .bind(&row.totp_secret)
    .bind(row.totp_used)
    .bind(row.failures)
    .bind(row.blocked_until.map(UtcTime::unix_millis))
    .bind(&row.invitation)
    .bind(row.invitation_until.map(UtcTime::unix_millis))
    .bind(row.last_sign_in_at.map(UtcTime::unix_millis))
    .bind(&row.idp_id)
    .bind(&row.idp_subject)
    .bind(json_text(&row.idp_devices))
    .bind(&row.invited_by)
    .execute(connection)
    .await
    .map_err(doing("change the administrator"))?;
    Ok(())
}

/// The administrator of that name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_name(connection: &mut AnyConnection, name: &str) -> Result<Option<Administrator>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator WHERE name = $1").bind(name).fetch_optional(connection).await;
    row.map_err(doing("look the administrator up"))?.as_ref().map(Administrator::from_row).transpose()
}

/// The administrator with that id.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Administrator>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the administrator up"))?.as_ref().map(Administrator::from_row).transpose()
}

/// The administrator whose invitation has that hash.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_invitation(connection: &mut AnyConnection, hash: &str) -> Result<Option<Administrator>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator WHERE invitation = $1").bind(hash).fetch_optional(connection);
    row.await.map_err(doing("look the invitation up"))?.as_ref().map(Administrator::from_row).transpose()
}

/// The administrator that this identity provider calls `subject`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_idp(
    connection: &mut AnyConnection,
    (idp_id, subject): (&str, &str),
) -> Result<Option<Administrator>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator WHERE idp_id = $1 AND idp_subject = $2")
        .bind(idp_id)
        .bind(subject)
        .fetch_optional(connection)
        .await;
    row.map_err(doing("look the administrator up"))?.as_ref().map(Administrator::from_row).transpose()
}

/// All administrators by name.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Administrator>, StoreError> {
    let rows = sqlx::query("SELECT * FROM administrator ORDER BY name").fetch_all(connection).await;
    rows.map_err(doing("list the administrators"))?.iter().map(Administrator::from_row).collect()
}
