//! Break-glass codes: support reads one to somebody whose device can't reach the portal.

use std::time::Duration;

use saml::break_glass::{LONGEST_SECONDS, Permit};
use saml::time::UtcTime;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun};
use crate::store::break_glass;
use crate::store::device::{self, DeviceState};

/// A code that was made; it is shown to the administrator who made it and kept nowhere.
#[derive(Debug)]
pub struct Made {
    /// Sixteen characters in four groups.
    pub code: String,
    /// Until when it holds.
    pub until: UtcTime,
}

/// Makes a code that lets the device with that entity ID through for `life`, rounded up to a quarter of an hour. The audit has who made it, never the code.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where the life is no good, the device is not registered, or it has not been heard since it can have a key.
pub async fn make(admin: &Admin, id: &str, life: Duration) -> Result<Made, AdminError> {
    let (device, now) = (id.to_owned(), admin.now);
    admin
        .change("device.break-glass", (Noun::Device, id), move |connection| {
            Box::pin(async move {
                let row = device::by_id(connection, &device).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Device, &device))?;
                if row.state != DeviceState::Registered {
                    let wanted = "`registered`: a device that was shut out or removed is not let through";
                    return Err(AdminError::Invalid { field: "state", given: row.state.to_string(), wanted });
                }
                let known = break_glass::of_device(connection, &device).await?.ok_or_else(|| AdminError::Invalid {
                field: "break-glass key",
                given: "none".to_owned(),
                wanted: "one that was agreed on: the device does so in its first keep-alive, with an agent that can",
            })?;
                let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX).min(LONGEST_SECONDS + 1);
                let permit = Permit::new(known.made + 1, now, seconds).ok_or_else(|| AdminError::Invalid {
                    field: "for",
                    given: format!("{} seconds", life.as_secs()),
                    wanted: "a time from a quarter of an hour to 48 hours, such as `4h`",
                })?;
                break_glass::note_made(connection, &device, permit.count).await?;
                let detail = json!({ "count": permit.count, "until": permit.until.to_string() });
                let value = Made { code: known.key.code(&permit), until: permit.until };
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value })
            })
        })
        .await
}
