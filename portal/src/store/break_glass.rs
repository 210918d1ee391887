//! The keys of devices' break-glass codes, and how many of their codes were made and used.

use saml::break_glass::BreakGlassKey;
use saml::name::EntityId;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::{Columns, base64_text};
use super::{StoreError, doing};

/// A device's key, and what became of its codes.
#[derive(Debug)]
pub struct BreakGlass {
    /// The key.
    pub key: BreakGlassKey,
    /// The count of the last code that was made.
    pub made: u64,
    /// The highest count that the device has said it used.
    pub used: u64,
}

/// What the device `id` has, if a key was agreed on.
///
/// # Errors
/// [`StoreError::Statement`], [`StoreError::Unreadable`].
pub async fn of_device(connection: &mut AnyConnection, id: &str) -> Result<Option<BreakGlass>, StoreError> {
    let row = sqlx::query("SELECT secret, made, used FROM break_glass WHERE device_id = $1").bind(id);
    let row = row.fetch_optional(connection).await.map_err(doing("look the device's break-glass key up"))?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns { table: "break_glass", row: &row };
    let key = BreakGlassKey::from_octets(&columns.bytes("secret")?);
    let count = |column| Ok::<_, StoreError>(u64::try_from(columns.integer(column)?).unwrap_or_default());
    Ok(Some(BreakGlass {
        key: key.ok_or(StoreError::Unreadable { table: "break_glass", column: "secret" })?,
        made: count("made")?,
        used: count("used")?,
    }))
}

/// Keeps the key that was agreed on with the device `id`, in place of an earlier one, whose codes hold no more.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn keep(
    connection: &mut AnyConnection,
    id: &EntityId,
    key: &BreakGlassKey,
    now: UtcTime,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO break_glass (device_id, secret, agreed_at, made, used) VALUES ($1, $2, $3, 0, 0)
         ON CONFLICT (device_id) DO UPDATE SET secret = excluded.secret, agreed_at = excluded.agreed_at, made = 0, used = 0",
    );
    let done = done.bind(id.as_str()).bind(base64_text(key.octets())).bind(now.unix_millis());
    done.execute(connection).await.map_err(doing("keep the device's break-glass key"))?;
    Ok(())
}

/// Notes that the code number `made` of the device `id` was made.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_made(connection: &mut AnyConnection, id: &str, made: u64) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE break_glass SET made = $2 WHERE device_id = $1").bind(id).bind(stored(made));
    done.execute(connection).await.map_err(doing("count the device's break-glass codes"))?;
    Ok(())
}

/// Notes that the device `id` has used the code number `used`; says whether that is news.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_used(connection: &mut AnyConnection, id: &EntityId, used: u64) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE break_glass SET used = $2 WHERE device_id = $1 AND used < $2");
    let done = done.bind(id.as_str()).bind(stored(used)).execute(connection).await;
    Ok(done.map_err(doing("note that a break-glass code was used"))?.rows_affected() > 0)
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
