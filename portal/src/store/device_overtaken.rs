//! When a request of a device was last taken for one that a later one had overtaken on its way.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::Columns;
use super::{StoreError, doing};

/// When that was at the device `id`, if ever.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn at(connection: &mut AnyConnection, id: &str) -> Result<Option<UtcTime>, StoreError> {
    let row = sqlx::query("SELECT at FROM device_overtaken WHERE device_id = $1").bind(id).fetch_optional(connection);
    let row = row.await.map_err(doing("look for an overtaken request"))?;
    row.map(|row| Columns { table: "device_overtaken", row: &row }.time("at")).transpose()
}

/// Notes that it was now.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO device_overtaken (device_id, at) VALUES ($1, $2) ON CONFLICT (device_id) DO UPDATE SET at = excluded.at",
    );
    done.bind(id).bind(now.unix_millis()).execute(connection).await.map_err(doing("note an overtaken request"))?;
    Ok(())
}
