//! Devices: one row for each registered key.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use saml::name::EntityId;
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::{Columns, base64_text, json_text};
use super::{StoreError, as_text, doing};

/// Where a device stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceState {
    /// It signs people in.
    Registered,
    /// An administrator has removed it; only a new enrolment brings it back.
    Removed,
    /// An administrator has shut it out; no enrolment brings it back.
    Quarantined,
}

impl fmt::Display for DeviceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Registered => "registered",
            Self::Removed => "removed",
            Self::Quarantined => "quarantined",
        })
    }
}

impl FromStr for DeviceState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "registered" => Ok(Self::Registered),
            "removed" => Ok(Self::Removed),
            "quarantined" => Ok(Self::Quarantined),
            _ => Err(()),
        }
    }
}

/// What a device says about itself: names of facts with their values. A claim, not a finding.
pub type Facts = BTreeMap<String, Vec<String>>;

/// A registered device.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Device {
    /// Its entity ID, made from its public key.
    #[serde(serialize_with = "as_text")]
    pub id: EntityId,
    /// Whose it is.
    pub tenant_id: String,
    /// The token that enrolled it.
    #[serde(serialize_with = "as_text")]
    pub token_id: TokenId,
    /// DER of the SubjectPublicKeyInfo.
    #[serde(skip)]
    pub public_key: Vec<u8>,
    /// Where it stands.
    #[serde(serialize_with = "as_text")]
    pub state: DeviceState,
    /// The highest sequence number that it has sent.
    pub sequence: i64,
    /// What it said about itself last.
    pub facts: Facts,
    /// When it was enrolled (again, after a removal).
    #[serde(serialize_with = "as_text")]
    pub enrolled_at: UtcTime,
    /// When it was heard last.
    #[serde(serialize_with = "as_text")]
    pub last_seen_at: UtcTime,
}

impl Device {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let columns = Columns { table: "device", row };
        Ok(Self {
            id: columns.parsed("id")?,
            tenant_id: columns.text("tenant_id")?,
            token_id: columns.parsed("token_id")?,
            public_key: columns.bytes("public_key")?,
            state: columns.parsed("state")?,
            sequence: columns.integer("sequence")?,
            facts: columns.json("facts")?,
            enrolled_at: columns.time("enrolled_at")?,
            last_seen_at: columns.time("last_seen_at")?,
        })
    }

    /// The value of a fact, the first one where there are several, or nothing.
    #[must_use]
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

/// Adds `device`, or registers it anew where it was removed.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn register(connection: &mut AnyConnection, device: &Device) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device (id, tenant_id, token_id, public_key, state, sequence, facts, enrolled_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET tenant_id = excluded.tenant_id, token_id = excluded.token_id, state = excluded.state,
             sequence = excluded.sequence, facts = excluded.facts, enrolled_at = excluded.enrolled_at, last_seen_at = excluded.last_seen_at",
    )
    .bind(device.id.as_str())
    .bind(&device.tenant_id)
    .bind(device.token_id.to_string())
    .bind(base64_text(&device.public_key))
    .bind(device.state.to_string())
    .bind(device.sequence)
    .bind(json_text(&device.facts))
    .bind(device.enrolled_at.unix_millis())
    .bind(device.last_seen_at.unix_millis())
    .execute(connection)
    .await
    .map_err(doing("register the device"))?;
    Ok(())
}

/// Notes that `device` was heard: its sequence number, facts and time.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn note_seen(connection: &mut AnyConnection, device: &Device) -> Result<(), StoreError> {
    sqlx::query("UPDATE device SET sequence = $2, facts = $3, last_seen_at = $4 WHERE id = $1")
        .bind(device.id.as_str())
        .bind(device.sequence)
        .bind(json_text(&device.facts))
        .bind(device.last_seen_at.unix_millis())
        .execute(connection)
        .await
        .map_err(doing("note that the device was seen"))?;
    Ok(())
}

/// Moves the device `id` to `state`; says whether there is such a device.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn set_state(connection: &mut AnyConnection, id: &str, state: DeviceState) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE device SET state = $2 WHERE id = $1").bind(id).bind(state.to_string());
    Ok(done.execute(connection).await.map_err(doing("change the device"))?.rows_affected() > 0)
}

/// Removes every registered device that `token` enrolled; says how many.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn remove_of_token(connection: &mut AnyConnection, token: &TokenId) -> Result<u64, StoreError> {
    let done = sqlx::query("UPDATE device SET state = 'removed' WHERE token_id = $1 AND state = 'registered'");
    let done = done.bind(token.to_string()).execute(connection).await;
    Ok(done.map_err(doing("remove the devices of the token"))?.rows_affected())
}

/// The device with that entity ID.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<Device>, StoreError> {
    let row = sqlx::query("SELECT * FROM device WHERE id = $1").bind(id).fetch_optional(connection).await;
    row.map_err(doing("look the device up"))?.as_ref().map(Device::from_row).transpose()
}

/// All devices, the one heard last first.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Device>, StoreError> {
    let rows = sqlx::query("SELECT * FROM device ORDER BY last_seen_at DESC, id").fetch_all(connection).await;
    rows.map_err(doing("list the devices"))?.iter().map(Device::from_row).collect()
}
