//! What a keep-alive says about break-glass codes: that a key is to be agreed on, or that a code was used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use saml::break_glass::{Half, KEY, PUBLIC_KEY, Parties, USED};
use saml::device::Evidence;
use saml::refusal::RefusalCode;
use sqlx::AnyConnection;

use crate::decision::{Question, Stop};
use crate::evidence;
use crate::store::audit::{self, Entry};
use crate::store::break_glass;
use crate::store::device::Device;

/// Hears what the keep-alive of `device` says, and returns the attributes that it is answered with.
pub(crate) async fn hear(
    connection: &mut AnyConnection,
    question: &Question,
    evidence: &Evidence,
    device: &Device,
) -> Result<Vec<(&'static str, String)>, Stop> {
    let said = |name: &str| evidence::value(&evidence.attributes, name);
    if let Some(used) = said(USED) {
        note_use(connection, question, device, used).await?;
    }
    let Some(half) = said(PUBLIC_KEY) else {
        let known = break_glass::of_device(connection, device.id.as_str()).await?;
        return Ok(vec![(KEY, known.map_or_else(|| "none".to_owned(), |known| known.key.name()))]);
    };
    let theirs = STANDARD.decode(half).map_err(|_| RefusalCode::Malformed)?;
    let ours = Half::new(&SystemRandom::new()).map_err(|_| RefusalCode::Busy)?;
    let answer = STANDARD.encode(ours.public());
    let parties = Parties { portal: question.cloud.entity_id(), device: &device.id };
    let key = ours.with_device(&theirs, parties).map_err(|_| RefusalCode::Malformed)?;
    break_glass::keep(connection, &device.id, &key, question.now).await?;
    Ok(vec![(KEY, key.name()), (PUBLIC_KEY, answer)])
}

/// Notes the use of a code once: the device says so until it has heard an answer.
async fn note_use(
    connection: &mut AnyConnection,
    question: &Question,
    device: &Device,
    said: &str,
) -> Result<(), Stop> {
    let (count, at) = said.split_once(' ').ok_or(RefusalCode::Malformed)?;
    let count: u64 = count.parse().map_err(|_| RefusalCode::Malformed)?;
    if !break_glass::note_used(connection, &device.id, count).await? {
        return Ok(());
    }
    // A holder of the key can make codes that nobody here has made.
    let made = break_glass::of_device(connection, device.id.as_str()).await?.map_or(0, |known| known.made);
    let entry = Entry {
        at: question.now,
        tenant_id: Some(device.tenant_id.clone()),
        actor: device.id.to_string(),
        action: "device.break-glass-used",
        subject: device.id.to_string(),
        result: if count <= made { "ok" } else { "not-made" }.to_owned(),
        detail: serde_json::json!({ "count": count, "at": at }),
    };
    Ok(audit::append(connection, entry).await?)
}
