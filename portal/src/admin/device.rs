//! The registered devices.

use std::collections::BTreeSet;

use saml::time::UtcTime;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right};
use crate::evidence;
use crate::standing;
use crate::store::audit::AuditFilter;
use crate::store::device::{self, Device, DeviceFilter, DeviceState, Facet, Facts, Move};
use crate::store::device_clone::{self, CloneSign};
use crate::store::page::{Cursor, Page};
use crate::store::person::{self, DeviceUse, UsesOf};
use crate::store::{Store, StoreError, audit, tenant};

/// Devices that one transaction of the clean-up removes: others wait for it.
const PORTION: i64 = 200;

/// Moves the device with that entity ID; it holds from its next request on. Returns where it stands now.
///
/// A quarantine is of the machine: the tenant's other devices with the same fingerprint go with it.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Invalid`] where there is no such move from where the device stands.
pub async fn step(admin: &Admin, id: &str, step: Move) -> Result<DeviceState, AdminError> {
    let device = id.to_owned();
    let by = format!("by {}", admin.actor);
    admin
        .change(step.action(), (Noun::Device, id), move |connection| {
            Box::pin(async move {
                let row = device::by_id(connection, &device).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::Device, &device))?;
                let to = row.state.after(step).ok_or_else(|| no_such_move(row.state, step))?;
                device::move_to(connection, &device, to, &by).await?;
                // A device that is let in again is not to be wiped later; a removal leaves what was decided.
                if matches!(step, Move::Wipe | Move::Restore) {
                    device::set_wipe(connection, &device, step == Move::Wipe).await?;
                }
                // A quarantine leaves the question open which of two holders it was; everything else answers it.
                let signs = match step {
                    Move::Quarantine => 0,
                    Move::Remove | Move::Wipe | Move::ForceRemove | Move::Restore | Move::Approve | Move::Deny => {
                        device_clone::resolve(connection, &device).await?
                    }
                };
                let mut also = Vec::new();
                if to == DeviceState::Quarantined {
                    also = device::on_machine(connection, &row.tenant_id, &row.fingerprint).await?;
                    also.retain(|other| *other != device);
                    for other in &also {
                        device::move_to(connection, other, to, &format!("{by}, with {device} on the same machine"))
                            .await?;
                    }
                }
                let mut detail = json!({ "from": row.state.to_string(), "to": to.to_string(), "also": also });
                if signs > 0 {
                    detail["signs_of_a_copy"] = json!(signs);
                }
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: to })
            })
        })
        .await
}

/// Moves many devices, each for itself: what can't be moved holds nothing else up. In the order of `ids`.
pub async fn step_each(admin: &Admin, ids: &[String], how: Move) -> Vec<(String, Result<DeviceState, AdminError>)> {
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        results.push((id.clone(), step(admin, id, how).await));
    }
    results
}

fn no_such_move(from: DeviceState, step: Move) -> AdminError {
    let wanted = match (from, step) {
        (DeviceState::Quarantined, _) => "a state that this can be done in: restore the device first",
        (DeviceState::Pending, _) => "a state that this can be done in: approve or deny the device",
        (_, Move::Approve | Move::Deny) => {
            "a state that this can be done in: only a pending device is approved or denied"
        }
        _ => "a state that this can be done in",
    };
    AdminError::Invalid { field: "state", given: from.to_string(), wanted }
}

/// The device with that entity ID.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn named(admin: &Admin, id: &str) -> Result<Device, AdminError> {
    admin.demand(Right::Read)?;
    let row = device::by_id(&mut *admin.store.read().await?, id).await?;
    admin.within(row, |device| &device.tenant_id, Noun::Device, id)
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

/// The devices in reach whose key is in two places by what was heard, each with the signs of it, the newest first.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn clones(admin: &Admin) -> Result<Vec<(Device, Vec<CloneSign>)>, AdminError> {
    let mut connection = admin.store.read().await?;
    let mut found = Vec::new();
    for id in device_clone::suspects(&mut connection).await? {
        let device = device::by_id(&mut connection, &id).await?;
        let in_reach = |device: &Device| admin.reach.as_deref().is_none_or(|reach| reach == device.tenant_id);
        if let Some(device) = device.filter(in_reach) {
            let signs = device_clone::of_device(&mut connection, &id).await?;
            found.push((device, signs));
        }
    }
    Ok(found)
}

/// What the device on record says beside what the other holder of its key has said: fact, the one, the other.
#[must_use]
pub fn side_by_side(device: &Device, sign: &CloneSign) -> Vec<[String; 3]> {
    let mut rows = vec![
        ["sign".to_owned(), String::new(), sign.why.meaning().to_owned()],
        ["number".to_owned(), device.sequence.to_string(), sign.sequence.to_string()],
        ["heard".to_owned(), device.last_seen_at.to_string(), sign.at.to_string()],
        ["from".to_owned(), String::new(), sign.address.clone()],
    ];
    let names: BTreeSet<_> = device.facts.keys().chain(sign.facts.keys()).collect();
    rows.extend(names.into_iter().map(|name| {
        let of = |facts: &Facts| facts.get(name).map(|values| values.join(" ")).unwrap_or_default();
        [name.trim_start_matches(evidence::DEVICE).to_owned(), of(&device.facts), of(&sign.facts)]
    }));
    rows
}

/// Removes every tenant's registered devices that were not heard for as long as its policy says; says how many.
///
/// The portal does this by itself while it serves; several processes that do it at the same time remove each device once.
///
/// # Errors
/// [`StoreError`]; what was removed before stays removed.
pub async fn clean_up(store: &Store, now: UtcTime) -> Result<usize, StoreError> {
    let tenants = tenant::list(&mut *store.read().await?).await?;
    let mut removed = 0;
    for tenant in tenants.into_iter().filter(|tenant| tenant.policy.inactive_days > 0) {
        let days = tenant.policy.inactive_days;
        let before = now.plus_seconds(-86_400 * i64::from(days));
        loop {
            let id = tenant.id.clone();
            let portion = store.write(move |connection| Box::pin(remove_portion(connection, id, before, now, days)));
            match portion.await? {
                0 => break,
                more => removed += more,
            }
        }
    }
    Ok(removed)
}

async fn remove_portion(
    connection: &mut sqlx::AnyConnection,
    tenant_id: String,
    before: UtcTime,
    now: UtcTime,
    days: u32,
) -> Result<usize, StoreError> {
    let silent = device::not_heard_since(connection, &tenant_id, before, PORTION).await?;
    for device in &silent {
        let why = format!("it was not heard for {days} days");
        device::move_to(connection, device.id.as_str(), DeviceState::Removed, &why).await?;
        audit::append(connection, standing::removal(device, &why, now)).await?;
    }
    Ok(silent.len())
}

/// A portion of the tenant's devices.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn page(
    admin: &Admin,
    tenant: &str,
    filter: &DeviceFilter,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Device>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let search = filter.search.as_ref().map(|search| search.trim().to_lowercase()).filter(|search| !search.is_empty());
    let filter = DeviceFilter { search, ..filter.clone() };
    Ok(device::page(&mut *admin.store.read().await?, &tenant_id, &filter, after, limit).await?)
}

/// The platforms, protections of keys and versions of agents that the tenant's devices have, for filters.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn kinds(admin: &Admin, tenant: &str) -> Result<[Vec<String>; 3], AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let mut connection = admin.store.read().await?;
    let platforms = device::kinds(&mut connection, &tenant_id, Facet::Platform).await?;
    let keys = device::kinds(&mut connection, &tenant_id, Facet::KeyProtection).await?;
    Ok([platforms, keys, device::kinds(&mut connection, &tenant_id, Facet::AgentVersion).await?])
}

/// Everything that the portal knows of a device.
pub struct DeviceDetail {
    /// Its row.
    pub device: Device,
    /// Who signs on from it.
    pub people: Vec<DeviceUse>,
    /// What it asked for, the newest first.
    pub history: Vec<audit::Row>,
    /// What administrators did to it, the newest first.
    pub changes: Vec<audit::Row>,
}

/// The device with that entity ID, with its people and its latest history.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn detail(admin: &Admin, id: &str) -> Result<DeviceDetail, AdminError> {
    let device = named(admin, id).await?;
    let mut connection = admin.store.read().await?;
    let people = person::uses(&mut connection, UsesOf::Device(id)).await?;
    let by_it = AuditFilter { actor: Some(id.to_owned()), ..AuditFilter::default() };
    let about_it = AuditFilter { subject: Some(id.to_owned()), ..AuditFilter::default() };
    let history = audit::page(&mut connection, None, &by_it, None, 25).await?.rows;
    let changes = audit::page(&mut connection, None, &about_it, None, 25).await?.rows;
    Ok(DeviceDetail { device, people, history, changes })
}

#[cfg(test)]
mod tests {
    use saml::token::{TokenId, TokenPublicKey};

    use super::*;
    use crate::admin::{Actor, policy};
    use crate::policy::Policy;
    use crate::store::testing;
    use crate::store::token::{self, Token};

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_700_000_000);

    /// A tenant that removes devices after 30 days, and its three devices: heard 29, 31 and 400 days ago.
    async fn fleet() -> (tempfile::TempDir, Admin) {
        let (dir, store) = testing::store().await;
        let admin = Admin::whole(store, Actor::CommandLine, NOW);
        let tenant_id = super::super::tenant::create(&admin, "acme").await.unwrap().id;
        policy::replace(&admin, "acme", Policy { inactive_days: 30, ..Policy::default() }).await.unwrap();
        let token_id = TokenId::from_random([7; 10]);
        let token = Token::new(token_id.clone(), tenant_id.clone(), TokenPublicKey::from_bytes([1; 32]), NOW);
        let devices = [29, 31, 400].map(|days| Device {
            people: token::People::Any,
            id: format!("urn:countersign:device:{days}").parse().unwrap(),
            tenant_id: tenant_id.clone(),
            token_id: token_id.clone(),
            public_key: vec![u8::try_from(days % 256).unwrap()],
            key_name: format!("urn:countersign:device:{days}").parse().unwrap(),
            key_since: NOW.plus_seconds(-86_400 * days),
            next_key: None,
            state: DeviceState::Registered,
            wipe: false,
            state_note: String::new(),
            sequence: 1,
            facts: Facts::new(),
            fingerprint: String::new(),
            groups: Vec::new(),
            owner_id: None,
            enrolled_at: NOW.plus_seconds(-86_400 * days),
            last_seen_at: NOW.plus_seconds(-86_400 * days),
        });
        let written = admin.store.write(move |connection| {
            Box::pin(async move {
                token::insert(connection, &token).await?;
                for device in &devices {
                    device::register(connection, device).await?;
                }
                Ok(())
            })
        });
        written.await.unwrap();
        (dir, admin)
    }

    async fn states(admin: &Admin) -> Vec<DeviceState> {
        list(admin).await.unwrap().iter().map(|device| device.state).collect()
    }

    #[tokio::test]
    async fn devices_that_were_not_heard_for_as_long_as_the_policy_says_are_removed_once() {
        let (_dir, admin) = fleet().await;
        assert_eq!(clean_up(&admin.store, NOW).await.unwrap(), 2);
        assert_eq!(clean_up(&admin.store, NOW).await.unwrap(), 0);
        assert_eq!(states(&admin).await, [DeviceState::Registered, DeviceState::Removed, DeviceState::Removed]);
        let removals = audit::newest(&mut admin.store.read().await.unwrap(), 2).await.unwrap();
        assert!(removals.iter().all(|row| row.action == "device.remove" && row.actor == "portal"));
    }

    #[tokio::test]
    async fn many_are_moved_each_for_itself() {
        let (_dir, admin) = fleet().await;
        let ids: Vec<_> = list(&admin).await.unwrap().iter().map(|device| device.id.to_string()).collect();
        step(&admin, &ids[1], Move::Quarantine).await.unwrap();
        let results = step_each(&admin, &ids, Move::ForceRemove).await;
        assert!(results[0].1.is_ok() && results[1].1.is_err() && results[2].1.is_ok());
        assert_eq!(states(&admin).await, [DeviceState::Removed, DeviceState::Quarantined, DeviceState::Removed]);
    }
}
