//! Diagnostics of a device, asked for from here: the device decides whether somebody at it has to allow it.

use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right};
use crate::random;
use crate::store::device::{self, DeviceState};
use crate::store::diagnostics::{self, DiagnosticsRequest, REQUEST_SECONDS};

/// Asks the device with that entity ID; it hears so in its next keep-alive. Where it was asked and has not answered, that request stands.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where the device is not registered.
pub async fn ask(admin: &Admin, id: &str) -> Result<DiagnosticsRequest, AdminError> {
    let (device, now, asked_by) = (id.to_owned(), admin.now, admin.actor.to_string());
    admin
        .change("device.diagnostics", (Noun::Device, id), move |connection| {
            Box::pin(async move {
                let row = device::by_id(connection, &device).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Device, &device))?;
                if row.state != DeviceState::Registered {
                    let wanted = "`registered`: another device would not learn it";
                    return Err(AdminError::Invalid { field: "state", given: row.state.to_string(), wanted });
                }
                let request = match diagnostics::open_of(connection, &device, now).await? {
                    Some(open) => open,
                    None => {
                        let request = DiagnosticsRequest {
                            id: random::row_id()?,
                            device_id: device,
                            tenant_id: row.tenant_id.clone(),
                            state: "asked".to_owned(),
                            asked_by,
                            asked_at: now,
                            expires_at: now.plus_seconds(REQUEST_SECONDS),
                            octets: None,
                        };
                        diagnostics::ask(connection, &request).await?;
                        request
                    }
                };
                let detail = json!({ "request": request.id });
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: request })
            })
        })
        .await
}

/// The requests in reach, the newest first; those for one device where it is named.
///
/// # Errors
/// [`AdminError::Forbidden`], [`AdminError::Store`].
pub async fn list(admin: &Admin, device: Option<&str>) -> Result<Vec<DiagnosticsRequest>, AdminError> {
    admin.demand(Right::Read)?;
    let mut requests = diagnostics::list(&mut *admin.store.read().await?, device).await?;
    requests.retain(|request| admin.reach.as_deref().is_none_or(|reach| reach == request.tenant_id));
    Ok(requests)
}

/// The bundle that answered the request `id`; the audit has who read it.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where none has come.
pub async fn read(admin: &Admin, id: &str) -> Result<Vec<u8>, AdminError> {
    let (request, device) = (id.to_owned(), device_of(admin, id).await?);
    let action = "device.diagnostics-read";
    admin
        .change(action, (Noun::Device, &device), move |connection| {
            Box::pin(async move {
                let known = diagnostics::by_id(connection, &request).await?;
                let known = known.ok_or_else(|| AdminError::missing(Noun::Diagnostics, &request))?;
                let bundle = diagnostics::bundle(connection, &request).await?.ok_or_else(|| {
                    let wanted = "`kept`: no bundle has come";
                    AdminError::Invalid { field: "state", given: known.state.clone(), wanted }
                })?;
                Ok(Done { tenant_id: Some(known.tenant_id), detail: json!({ "request": request }), value: bundle })
            })
        })
        .await
}

/// Deletes the request `id` with what answered it.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn delete(admin: &Admin, id: &str) -> Result<(), AdminError> {
    let (request, device) = (id.to_owned(), device_of(admin, id).await?);
    admin
        .change("device.diagnostics-delete", (Noun::Device, &device), move |connection| {
            Box::pin(async move {
                let known = diagnostics::by_id(connection, &request).await?;
                let known = known.ok_or_else(|| AdminError::missing(Noun::Diagnostics, &request))?;
                diagnostics::delete(connection, &request).await?;
                Ok(Done { tenant_id: Some(known.tenant_id), detail: json!({ "request": request }), value: () })
            })
        })
        .await
}

/// The device that the request `id` is about, if it lies in reach.
async fn device_of(admin: &Admin, id: &str) -> Result<String, AdminError> {
    let row = diagnostics::by_id(&mut *admin.store.read().await?, id).await?;
    Ok(admin.within(row, |request| &request.tenant_id, Noun::Diagnostics, id)?.device_id)
}
