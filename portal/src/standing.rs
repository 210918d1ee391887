//! Where a device stands with its tenant: known by its key, vouched for by a token, or shut out.

use std::net::IpAddr;

use saml::device::Rotation;
use saml::refusal::RefusalCode;
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;

use crate::copied_key::{self, Shown};
use crate::decision::{Asked, Enrolling, PersonName, Question, Stop};
use crate::evidence;
use crate::network;
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::device::{self, Device, DeviceState, Facts, NextKey};
use crate::store::device_key::{self, KeyRole, Known};
use crate::store::person;
use crate::store::token::{self, Approval, Token};

/// A device as it will stand after the request, if nothing else speaks against it.
pub(crate) struct Standing {
    pub(crate) device: Device,
    /// The token that a registration costs a use of.
    spent: Option<TokenId>,
    /// What protected its key by what it said before.
    protection: String,
}

impl Standing {
    /// A registered device, as it would stand if it asked now.
    pub(crate) fn of_registered(device: Device) -> Result<Self, RefusalCode> {
        shut_out(&device)?;
        if !matches!(device.state, DeviceState::Registered | DeviceState::Pending) {
            return Err(RefusalCode::DeviceRemoved);
        }
        Ok(Self { device, spent: None, protection: String::new() })
    }

    /// Writes it down: a registration with its use of the token, or that the device was heard.
    pub(crate) async fn keep(&self, connection: &mut AnyConnection, now: UtcTime) -> Result<(), StoreError> {
        match &self.spent {
            Some(token) => {
                device::register(connection, &self.device).await?;
                // What was proved before belongs to another registration.
                person::void_proofs(connection, self.device.id.as_str()).await?;
                token::count_use(connection, token, now).await
            }
            None => device::note_seen(connection, &self.device).await,
        }
    }

    /// Notes the next key that the device brings and has proven to have; bringing it again changes nothing.
    pub(crate) async fn take_next_key(&self, connection: &mut AnyConnection, rotation: &Rotation) -> Result<(), Stop> {
        if evidence::is_weaker(&rotation.protection, &self.protection) {
            return Err(RefusalCode::KeyProtectionWeaker.into());
        }
        let name = saml::device::entity_id_of_key(&rotation.device_key_spki);
        match device_key::by_key(connection, name.as_str()).await? {
            Some(known) if known.role == KeyRole::Next && known.device.id == self.device.id => Ok(()),
            // A key that somebody has, or that was replaced, is nobody's next one.
            Some(_) => Err(RefusalCode::Malformed.into()),
            None => Ok(device_key::offer(connection, &self.device.id, &name, &rotation.device_key_spki).await?),
        }
    }
}

/// Finds out where the device that asks stands. What it is refused for is noted beside it where that is worth keeping.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    question: &Question,
    name: &PersonName,
    asked: &mut Asked,
) -> Result<Standing, Stop> {
    let content = question.request.request();
    let statement = content.device.as_ref().ok_or(RefusalCode::Malformed)?;
    let heard = Heard {
        sequence: i64::try_from(statement.sequence).map_err(|_| RefusalCode::Malformed)?,
        facts: evidence::facts(&statement.facts),
        address: question.address,
        now: question.now,
        issued_at: content.issue_instant,
        enrols: question.enrolling.is_some(),
    };
    let mut known = None;
    if let Some(found) = device_key::by_key(connection, content.issuer.as_str()).await? {
        asked.is_of(&found.device);
        check_known(connection, &found, &heard).await?;
        known = Some(with_key_in_use(connection, found, heard.now).await?);
    }
    let protection = known.as_ref().map(|known| known.fact(evidence::KEY_PROTECTION).to_owned()).unwrap_or_default();
    match (known, &question.enrolling) {
        // An enrolment that is repeated, because its answer was lost, finds its key registered: that costs no second use.
        (Some(known), _) if matches!(known.state, DeviceState::Registered | DeviceState::Pending) => {
            Ok(Standing { device: heard.noted_on(known), spent: None, protection })
        }
        (known, Some(enrolling)) => {
            let token = spend_token(connection, &enrolling.token_id, name, &heard).await?;
            asked.tenant_id = Some(token.tenant_id.clone());
            let id = known.map_or_else(|| content.issuer.clone(), |known| known.id);
            let device = Device { key_name: content.issuer.clone(), ..heard.registered(id, enrolling, &token, name) };
            if device::is_quarantined(connection, &device.tenant_id, &device.fingerprint).await? {
                return Err(RefusalCode::DeviceQuarantined.into());
            }
            Ok(Standing { device, spent: Some(token.id), protection })
        }
        (Some(known), None) => {
            hear_of_removal(connection, &known, heard.now).await?;
            Err(RefusalCode::DeviceRemoved.into())
        }
        (None, None) => Err(RefusalCode::DeviceUnknown.into()),
    }
}

/// What the device said about itself this time.
struct Heard {
    sequence: i64,
    facts: Facts,
    address: Option<IpAddr>,
    now: UtcTime,
    /// When the device says that it made the request.
    issued_at: UtcTime,
    enrols: bool,
}

impl Heard {
    fn noted_on(self, known: Device) -> Device {
        let fingerprint = evidence::fingerprint(&self.facts);
        Device { sequence: self.sequence, facts: self.facts, fingerprint, last_seen_at: self.now, ..known }
    }

    fn registered(self, id: saml::name::EntityId, enrolling: &Enrolling, token: &Token, name: &PersonName) -> Device {
        let (state, state_note) = match token.approval {
            Approval::Auto => (DeviceState::Registered, String::new()),
            Approval::Queue => (DeviceState::Pending, format!("{} asks for approval", name.name_id)),
        };
        Device {
            key_name: id.clone(),
            key_since: self.now,
            next_key: None,
            id,
            tenant_id: token.tenant_id.clone(),
            token_id: token.id.clone(),
            public_key: enrolling.public_key.clone(),
            state,
            wipe: false,
            state_note,
            sequence: self.sequence,
            fingerprint: evidence::fingerprint(&self.facts),
            facts: self.facts,
            groups: token.groups.clone(),
            people: token.people,
            owner_id: None,
            enrolled_at: self.now,
            last_seen_at: self.now,
        }
    }

    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }
}

/// The device as it is once the key that has just signed is in use: its first use makes a next key the present one.
async fn with_key_in_use(connection: &mut AnyConnection, known: Known, now: UtcTime) -> Result<Device, Stop> {
    let Some(next) = known.device.next_key.clone().filter(|_| known.role == KeyRole::Next) else {
        return Ok(known.device);
    };
    device_key::take_up(connection, &known.device, now).await?;
    let entry = Entry {
        at: now,
        tenant_id: Some(known.device.tenant_id.clone()),
        actor: known.device.id.to_string(),
        action: "device.rotate-key",
        subject: known.device.id.to_string(),
        result: "ok".to_owned(),
        detail: serde_json::json!({ "from": known.device.key_name.as_str(), "to": next.name.as_str() }),
    };
    audit::append(connection, entry).await?;
    let NextKey { name, public_key } = next;
    Ok(Device { key_name: name, public_key, key_since: now, next_key: None, ..known.device })
}

/// What no token helps against.
fn shut_out(known: &Device) -> Result<(), RefusalCode> {
    if known.state == DeviceState::Quarantined {
        return Err(RefusalCode::DeviceQuarantined);
    }
    if known.state == DeviceState::Cloned {
        return Err(RefusalCode::DeviceCloned);
    }
    // The key that asks is the one that is to be deleted.
    if known.wipe && matches!(known.state, DeviceState::RemovalPending | DeviceState::Removed) {
        return Err(RefusalCode::DeviceWiped);
    }
    Ok(())
}

async fn check_known(connection: &mut AnyConnection, found: &Known, heard: &Heard) -> Result<(), Stop> {
    let known = &found.device;
    if let Err(code) = shut_out(known) {
        hear_of_removal(connection, known, heard.now).await?;
        return Err(code.into());
    }
    let Heard { sequence, issued_at, enrols, ref facts, address, now } = *heard;
    copied_key::check(connection, found, Shown { sequence, issued_at, enrols, facts, address, now }).await
}

/// A device that was to be removed when it is heard next has been heard.
async fn hear_of_removal(connection: &mut AnyConnection, known: &Device, now: UtcTime) -> Result<(), StoreError> {
    if known.state != DeviceState::RemovalPending {
        return Ok(());
    }
    device::move_to(connection, known.id.as_str(), DeviceState::Removed, "it knows that it is removed").await?;
    let entry = removal(known, "it knows that it is removed", now);
    audit::append(connection, entry).await
}

/// The audit entry of a removal that the portal does by itself.
pub(crate) fn removal(device: &Device, why: &str, now: UtcTime) -> Entry {
    Entry {
        at: now,
        tenant_id: Some(device.tenant_id.clone()),
        actor: "portal".to_owned(),
        action: "device.remove",
        subject: device.id.to_string(),
        result: "ok".to_owned(),
        detail: serde_json::json!({ "from": device.state.to_string(), "why": why }),
    }
}

/// Checks that the token buys one more registration. The use is counted when all else has been decided.
async fn spend_token(
    connection: &mut AnyConnection,
    id: &TokenId,
    name: &PersonName,
    heard: &Heard,
) -> Result<Token, Stop> {
    let token = token::by_id(connection, id).await?.ok_or(RefusalCode::UnknownToken)?;
    if token.revoked_at.is_some() {
        return Err(RefusalCode::TokenRevoked.into());
    }
    if token.expires_at.is_some_and(|expires_at| heard.now >= expires_at) {
        return Err(RefusalCode::TokenExpired.into());
    }
    if token.use_limit.is_some_and(|limit| token.uses >= limit) {
        return Err(RefusalCode::TokenUsedUp.into());
    }
    let this_hour = if token.hour == token::hour_of(heard.now) { token.hour_uses } else { 0 };
    if token.hourly_limit.is_some_and(|limit| this_hour >= limit) {
        return Err(RefusalCode::TokenRate.into());
    }
    if !token.domains.is_empty() && !token.domains.contains(&name.domain) {
        return Err(RefusalCode::DomainNotAllowed.into());
    }
    let platform = heard.fact(evidence::PLATFORM);
    let platform_fits = token.platforms.is_empty() || token.platforms.iter().any(|allowed| allowed == platform);
    let network_fits = token.networks.is_empty() || network::holds(&token.networks, heard.address);
    if !platform_fits || !network_fits {
        return Err(RefusalCode::TokenScope.into());
    }
    if token.is_bound {
        let (serial, external_id) = (heard.fact(evidence::SERIAL), heard.fact(evidence::EXTERNAL_ID));
        if !token::is_bound_to(connection, id, serial, external_id).await? {
            return Err(RefusalCode::TokenScope.into());
        }
    }
    Ok(token)
}
