//! Passkeys of administrators, and the challenges that are still to be answered.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text};
use super::{StoreError, doing};

/// A passkey that somebody has registered.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// The credential's ID, base64url.
    pub id: String,
    /// Whose it is.
    pub administrator_id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its public half as a COSE key.
    pub public_key: Vec<u8>,
    /// The authenticator's counter at the last use; 0 where it counts nothing.
    pub sign_count: u32,
    /// Whether it is kept outside of the device that made it, too.
    pub is_backed_up: bool,
    /// When it was registered.
    pub created_at: UtcTime,
    /// When it was used last.
    pub last_used_at: Option<UtcTime>,
}

impl Passkey {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "administrator_passkey", row };
        Ok(Self {
            id: columns.text("id")?,
            administrator_id: columns.text("administrator_id")?,
            name: columns.text("name")?,
            public_key: columns.bytes("public_key")?,
            sign_count: u32::try_from(columns.integer("sign_count")?).unwrap_or(u32::MAX),
            is_backed_up: columns.flag("is_backed_up")?,
            created_at: columns.time("created_at")?,
            last_used_at: columns.optional_time("last_used_at")?,
        })
    }
}

/// Adds `row`.
///
/// # Errors
/// A [`StoreError::Statement`] that [`StoreError::is_duplicate`] where the credential is registered already.
pub async fn insert(connection: &mut AnyConnection, row: &Passkey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO administrator_passkey (id, administrator_id, name, public_key, sign_count, is_backed_up, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&row.id)
    .bind(&row.administrator_id)
    .bind(&row.name)
    .bind(base64_text(&row.public_key))
    .bind(i64::from(row.sign_count))
    .bind(i64::from(row.is_backed_up))
    .bind(row.created_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("register the passkey"))?;
    Ok(())
}

/// The passkey with that credential ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Passkey>, StoreError> {
    let row = sqlx::query("SELECT * FROM administrator_passkey WHERE id = $1").bind(id).fetch_optional(connection);
    row.await.map_err(doing("look the passkey up"))?.as_ref().map(Passkey::from_row).transpose()
}

/// The passkeys of an administrator, the oldest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of(connection: &mut AnyConnection, administrator_id: &str) -> Result<Vec<Passkey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM administrator_passkey WHERE administrator_id = $1 ORDER BY created_at, id")
        .bind(administrator_id)
        .fetch_all(connection)
        .await;
    rows.map_err(doing("list the passkeys"))?.iter().map(Passkey::from_row).collect()
}

/// The ids of the administrators who have passkeys.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn owners(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT DISTINCT administrator_id FROM administrator_passkey").fetch_all(connection).await;
    let rows = rows.map_err(doing("look for passkeys"))?;
    rows.iter().map(|row| Columns { table: "administrator_passkey", row }.text("administrator_id")).collect()
}

/// Notes a use.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_use(connection: &mut AnyConnection, row: &Passkey, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query("UPDATE administrator_passkey SET sign_count = $2, is_backed_up = $3, last_used_at = $4 WHERE id = $1")
        .bind(&row.id)
        .bind(i64::from(row.sign_count))
        .bind(i64::from(row.is_backed_up))
        .bind(now.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("note the use of a passkey"))?;
    Ok(())
}

/// Removes the passkey `id` of the administrator; says whether it was there.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, (id, administrator_id): (&str, &str)) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM administrator_passkey WHERE id = $1 AND administrator_id = $2")
        .bind(id)
        .bind(administrator_id)
        .execute(connection)
        .await;
    Ok(done.map_err(doing("remove the passkey"))?.rows_affected() == 1)
}

/// Removes all passkeys of the administrator.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete_of(connection: &mut AnyConnection, administrator_id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM administrator_passkey WHERE administrator_id = $1").bind(administrator_id);
    done.execute(connection).await.map_err(doing("remove the passkeys"))?;
    Ok(())
}

/// Keeps a challenge by its SHA-256, for the holder of what `bound_to` is the hash of.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn insert_challenge(
    connection: &mut AnyConnection,
    (id, bound_to): (&str, &str),
    now: UtcTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO passkey_challenge (id, bound_to, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(bound_to)
        .bind(now.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("keep a challenge"))?;
    Ok(())
}

/// Uses a challenge up; says whether it was there for `bound_to`, made at `since` or later.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn use_challenge(
    connection: &mut AnyConnection,
    (id, bound_to): (&str, &str),
    since: UtcTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM passkey_challenge WHERE id = $1 AND bound_to = $2 AND created_at >= $3")
        .bind(id)
        .bind(bound_to)
        .bind(since.unix_millis())
        .execute(connection)
        .await;
    Ok(done.map_err(doing("use a challenge up"))?.rows_affected() == 1)
}

/// Forgets challenges that were made before `before`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn forget_challenges(connection: &mut AnyConnection, before: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM passkey_challenge WHERE created_at < $1").bind(before.unix_millis());
    done.execute(connection).await.map_err(doing("forget challenges"))?;
    Ok(())
}
