//! Passkeys by which people prove who they are.

use saml::time::UtcTime;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text};
use super::{StoreError, doing};

/// A passkey that somebody has registered on their own page.
#[derive(Clone, Debug)]
pub struct PersonPasskey {
    /// The credential's ID, base64url.
    pub id: String,
    /// Whose it is: the person's row id.
    pub person_id: String,
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

impl PersonPasskey {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "person_passkey", row };
        Ok(Self {
            id: columns.text("id")?,
            person_id: columns.text("person_id")?,
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
pub async fn insert(connection: &mut AnyConnection, row: &PersonPasskey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person_passkey (id, person_id, name, public_key, sign_count, is_backed_up, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&row.id)
    .bind(&row.person_id)
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
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<PersonPasskey>, StoreError> {
    let row = sqlx::query("SELECT * FROM person_passkey WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the passkey up"))?.as_ref().map(PersonPasskey::from_row).transpose()
}

/// The person's passkeys, the oldest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of(connection: &mut AnyConnection, person_id: &str) -> Result<Vec<PersonPasskey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM person_passkey WHERE person_id = $1 ORDER BY created_at, id")
        .bind(person_id)
        .fetch_all(connection)
        .await;
    rows.map_err(doing("list the passkeys"))?.iter().map(PersonPasskey::from_row).collect()
}

/// Notes a use.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_use(connection: &mut AnyConnection, row: &PersonPasskey, now: UtcTime) -> Result<(), StoreError> {
    sqlx::query("UPDATE person_passkey SET sign_count = $2, is_backed_up = $3, last_used_at = $4 WHERE id = $1")
        .bind(&row.id)
        .bind(i64::from(row.sign_count))
        .bind(i64::from(row.is_backed_up))
        .bind(now.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("note the use of a passkey"))?;
    Ok(())
}

/// Removes all passkeys of the person; says how many there were.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete_of(connection: &mut AnyConnection, person_id: &str) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM person_passkey WHERE person_id = $1").bind(person_id).execute(connection).await;
    Ok(done.map_err(doing("remove the passkeys"))?.rows_affected())
}

/// Removes the passkey `id` of the person; says whether it was there.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn delete(connection: &mut AnyConnection, (id, person_id): (&str, &str)) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM person_passkey WHERE id = $1 AND person_id = $2").bind(id).bind(person_id);
    let done = done.execute(connection).await;
    Ok(done.map_err(doing("remove the passkey"))?.rows_affected() == 1)
}
