//! The keys of devices: the present one, the next one that the device has brought, and those that were replaced.
//!
//! A request names its device by the key that signs it; the device keeps the name that it was registered by.

use saml::name::EntityId;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use super::columns::{Columns, base64_text};
use super::device::{self, Device};
use super::{StoreError, doing};

/// What a key is to its device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyRole {
    /// It signs.
    Present,
    /// It was brought, and its first use makes it the present one.
    Next,
    /// It was replaced: a device that still signs with it has a copy.
    Former,
}

/// A device that is known by a key.
#[derive(Clone, Debug)]
pub struct Known {
    /// The device.
    pub device: Device,
    /// What the key is to it.
    pub role: KeyRole,
    /// DER of the key's SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

/// The device that has, will have or has had the key called `name`.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn by_key(connection: &mut AnyConnection, name: &str) -> Result<Option<Known>, StoreError> {
    let row = sqlx::query("SELECT * FROM device WHERE key_name = $1 OR next_key_name = $1").bind(name);
    let row = row.fetch_optional(&mut *connection).await.map_err(doing("look the device up by its key"))?;
    if let Some(row) = row {
        let device = Device::from_row(&row)?;
        let next = device.next_key.as_ref().filter(|next| next.name.as_str() == name);
        let (role, public_key) = match next {
            Some(next) => (KeyRole::Next, next.public_key.clone()),
            None => (KeyRole::Present, device.public_key.clone()),
        };
        return Ok(Some(Known { device, role, public_key }));
    }
    let row = sqlx::query("SELECT device_id, public_key FROM former_device_key WHERE name = $1").bind(name);
    let row = row.fetch_optional(&mut *connection).await.map_err(doing("look for a key that was replaced"))?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns { table: "former_device_key", row: &row };
    let (id, public_key) = (columns.text("device_id")?, columns.bytes("public_key")?);
    let device = device::by_id(connection, &id).await?;
    Ok(device.map(|device| Known { device, role: KeyRole::Former, public_key }))
}

/// Notes the next key of the device `id`, in place of another that was not used.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn offer(
    connection: &mut AnyConnection,
    id: &EntityId,
    name: &EntityId,
    public_key: &[u8],
) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE device SET next_key_name = $2, next_public_key = $3 WHERE id = $1");
    let done = done.bind(id.as_str()).bind(name.as_str()).bind(base64_text(public_key)).execute(connection).await;
    done.map_err(doing("note the device's next key"))?;
    Ok(())
}

/// Makes the next key of `device` its present one; the one before counts no more.
///
/// # Errors
/// [`StoreError::Statement`].
pub async fn take_up(connection: &mut AnyConnection, device: &Device, now: UtcTime) -> Result<(), StoreError> {
    let former = sqlx::query(
        "INSERT INTO former_device_key (name, device_id, public_key, retired_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING",
    );
    let former = former.bind(device.key_name.as_str()).bind(device.id.as_str()).bind(base64_text(&device.public_key));
    former.bind(now.unix_millis()).execute(&mut *connection).await.map_err(doing("note the device's former key"))?;
    let done = sqlx::query(
        "UPDATE device SET key_name = next_key_name, public_key = next_public_key, next_key_name = NULL,
             next_public_key = NULL, key_since = $2
         WHERE id = $1 AND next_key_name IS NOT NULL",
    );
    let done = done.bind(device.id.as_str()).bind(now.unix_millis()).execute(connection).await;
    done.map_err(doing("take the device's next key up"))?;
    Ok(())
}
