//! Signs that a device's key is in two places: what was said when the sequence number went back.

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::{Columns, json_text};
use super::device::Facts;
use super::{StoreError, as_text, doing};

/// Signs that are kept of one device: the newest.
const KEPT: i64 = 20;

/// A request whose sequence number was not above the last.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CloneSign {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: UtcTime,
    /// The number that it had.
    pub sequence: i64,
    /// The least that it should have had.
    pub expected: i64,
    /// Where it came from, if that is known.
    pub address: String,
    /// What it said about the device.
    pub facts: Facts,
}

/// Notes a sign at the device `id`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note(connection: &mut AnyConnection, id: &str, sign: &CloneSign) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_clone (device_id, at, sequence, expected, address, facts) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (device_id, at, sequence) DO NOTHING",
    )
    .bind(id)
    .bind(sign.at.unix_millis())
    .bind(sign.sequence)
    .bind(sign.expected)
    .bind(&sign.address)
    .bind(json_text(&sign.facts))
    .execute(&mut *connection)
    .await
    .map_err(doing("note a copied key"))?;
    sqlx::query(
        "DELETE FROM device_clone WHERE device_id = $1 AND at <
             (SELECT MIN(at) FROM (SELECT at FROM device_clone WHERE device_id = $1 ORDER BY at DESC LIMIT $2) AS newest)",
    )
    .bind(id)
    .bind(KEPT)
    .execute(connection)
    .await
    .map_err(doing("forget old notes of a copied key"))?;
    Ok(())
}

/// The signs at the device `id`, the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn of_device(connection: &mut AnyConnection, id: &str) -> Result<Vec<CloneSign>, StoreError> {
    let rows = sqlx::query("SELECT * FROM device_clone WHERE device_id = $1 ORDER BY at DESC, sequence DESC").bind(id);
    let rows = rows.fetch_all(connection).await.map_err(doing("read the notes of a copied key"))?;
    let sign = |row| {
        let columns = Columns { table: "device_clone", row };
        Ok(CloneSign {
            at: columns.time("at")?,
            sequence: columns.integer("sequence")?,
            expected: columns.integer("expected")?,
            address: columns.text("address")?,
            facts: columns.json("facts")?,
        })
    };
    rows.iter().map(sign).collect()
}

/// Entity IDs of the tenant's devices that have signs, the one with the newest first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn suspects(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let rows =
        sqlx::query("SELECT device_id, MAX(at) AS newest FROM device_clone GROUP BY device_id ORDER BY newest DESC");
    let rows = rows.fetch_all(connection).await.map_err(doing("read the notes of copied keys"))?;
    rows.iter().map(|row| Columns { table: "device_clone", row }.text("device_id")).collect()
}
