//! Signs that a device's key is in two places: what was said in the request that showed it.

use std::fmt;
use std::str::FromStr;

use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::{Columns, json_text};
use super::device::Facts;
use super::{StoreError, as_text, doing};

/// Signs that are kept of one device: the newest.
const KEPT: i64 = 20;

/// What showed that a key is in two places.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// The request's number was not above the last.
    NumberWasThere,
    /// Its number was further ahead than an agent ever skips.
    Jump,
    /// It was signed with a key that the device has replaced.
    FormerKey,
    /// The device had left the cloud, and deletes its key when it does.
    HadLeft,
}

impl Why {
    const ALL: [Self; 4] = [Self::NumberWasThere, Self::Jump, Self::FormerKey, Self::HadLeft];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NumberWasThere => "number-was-there",
            Self::Jump => "jump",
            Self::FormerKey => "former-key",
            Self::HadLeft => "had-left",
        }
    }

    /// The same for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NumberWasThere => "a request came with a number that was there",
            Self::Jump => "a request came with a number further ahead than an agent skips",
            Self::FormerKey => "a request came with a key that the device has replaced",
            Self::HadLeft => "a request came from a device that had left the cloud",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Why {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|why| why.as_str() == text).ok_or(())
    }
}

/// A request that showed that a key is in two places.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CloneSign {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: UtcTime,
    /// What showed it.
    #[serde(serialize_with = "as_text")]
    pub why: Why,
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
        "INSERT INTO device_clone (device_id, at, sequence, expected, address, facts, why) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (device_id, at, sequence) DO NOTHING",
    )
    .bind(id)
    .bind(sign.at.unix_millis())
    .bind(sign.sequence)
    .bind(sign.expected)
    .bind(&sign.address)
    .bind(json_text(&sign.facts))
    .bind(sign.why.as_str())
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
            why: columns.parsed("why")?,
            sequence: columns.integer("sequence")?,
            expected: columns.integer("expected")?,
            address: columns.text("address")?,
            facts: columns.json("facts")?,
        })
    };
    rows.iter().map(sign).collect()
}

/// Forgets the signs at the device `id`, because an administrator has looked; says how many. The next number that comes is where the
/// device's count goes on: the last one may have been the copy's.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn resolve(connection: &mut AnyConnection, id: &str) -> Result<u64, StoreError> {
    let gone = sqlx::query("DELETE FROM device_clone WHERE device_id = $1").bind(id).execute(&mut *connection).await;
    let signs = gone.map_err(doing("forget the notes of a copied key"))?.rows_affected();
    let gone =
        sqlx::query("DELETE FROM device_overtaken WHERE device_id = $1").bind(id).execute(&mut *connection).await;
    gone.map_err(doing("forget an overtaken request"))?;
    if signs > 0 {
        let done = sqlx::query("UPDATE device SET sequence = 0 WHERE id = $1").bind(id).execute(&mut *connection).await;
        done.map_err(doing("begin the device's count anew"))?;
    }
    Ok(signs)
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
