//! The registered devices.

use serde_json::json;

use super::{Admin, AdminError, Done, Noun};
use crate::store::device::{self, Device, DeviceState};

/// Moves the device with that entity ID to `state`; it holds from its next request on.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn set_state(admin: &Admin, id: &str, state: DeviceState) -> Result<(), AdminError> {
    let action = match state {
        DeviceState::Removed => "device.remove",
        DeviceState::Quarantined => "device.quarantine",
        DeviceState::Registered => "device.restore",
    };
    let device = id.to_owned();
    admin
        .change(action, (Noun::Device, id), move |connection| {
            Box::pin(async move {
                let row = device::by_id(connection, &device).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Device, &device))?;
                device::set_state(connection, &device, state).await?;
                let detail = json!({ "from": row.state.to_string(), "to": state.to_string() });
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: () })
            })
        })
        .await
}

/// The devices in reach, the one heard last first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<Device>, AdminError> {
    let mut devices = device::list(&mut *admin.store.read().await?).await?;
    devices.retain(|device| admin.reach.as_deref().is_none_or(|reach| reach == device.tenant_id));
    Ok(devices)
}
