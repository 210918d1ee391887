//! What a keep-alive says about diagnostics: that the portal wants some, or that the device sends none.

use saml::device::Evidence;
use saml::diagnostics::{REFUSED, REQUEST};
use sqlx::AnyConnection;

use crate::decision::{Question, Stop};
use crate::evidence;
use crate::store::audit::{self, Entry};
use crate::store::device::Device;
use crate::store::diagnostics;

/// Hears what the keep-alive of `device` says, and returns the attributes that it is answered with.
pub(crate) async fn hear(
    connection: &mut AnyConnection,
    question: &Question,
    evidence: &Evidence,
    device: &Device,
) -> Result<Vec<(&'static str, String)>, Stop> {
    if let Some(id) = evidence::value(&evidence.attributes, REFUSED)
        && diagnostics::refuse(connection, id, &device.id, question.now).await?
    {
        let entry = Entry {
            at: question.now,
            tenant_id: Some(device.tenant_id.clone()),
            actor: device.id.to_string(),
            action: "device.diagnostics-refused",
            subject: device.id.to_string(),
            result: "ok".to_owned(),
            detail: serde_json::json!({ "request": id }),
        };
        audit::append(connection, entry).await?;
    }
    let open = diagnostics::open_of(connection, device.id.as_str(), question.now).await?;
    Ok(open.map(|request| (REQUEST, request.id)).into_iter().collect())
}
