//! The people that the portal signs in.

use std::time::Duration;

use saml::name::UserName;
use saml::time::UtcTime;
use secrecy::SecretString;
use serde_json::json;

use super::{Admin, AdminError, Done, Noun, Right, domain_name};
use crate::proof::code;
use crate::store::audit::{self, AuditFilter};
use crate::store::device::{self, Move};
use crate::store::directory;
use crate::store::domain;
use crate::store::page::{Cursor, Page};
use crate::store::person::{self, DeviceUse, Origin, Person, PersonState, UsesOf};
use crate::store::person_passkey;
use crate::store::proof::{self, ProofCode};
use crate::{random, standing};

/// The longest life of a one-time code, in seconds: a week.
const LONGEST_CODE_LIFE_SECONDS: i64 = 7 * 86_400;

/// Provisions `name` (`user@domain`) by hand, for tenants that do without auto-provisioning.
///
/// # Errors
/// [`AdminError::Invalid`], [`AdminError::NotFound`] of the tenant, [`AdminError::Duplicate`].
pub async fn add(admin: &Admin, tenant: &str, name: &str) -> Result<Person, AdminError> {
    let name = name.trim().to_ascii_lowercase();
    if UserName::parse(&name).is_none_or(|name| domain_name(name.domain()).is_err()) {
        return Err(AdminError::Invalid { field: "name", given: name, wanted: UserName::FORM });
    }
    let tenant_id = admin.tenant_id(tenant).await?;
    let (_, domain) = name.split_once('@').unwrap_or_default();
    let mapped = domain::by_name(&mut *admin.store.read().await?, domain).await?;
    // Nobody takes the name of another tenant's person, nor learns of them by trying.
    if mapped.map_or(admin.reach.is_some(), |mapped| mapped.tenant_id != tenant_id) {
        let wanted = "a name in a domain of this tenant: add its domain to the tenant first";
        return Err(AdminError::Invalid { field: "name", given: name, wanted });
    }
    let row = Person::new(random::row_id()?, tenant_id, name.clone(), Origin::Administrator, admin.now);
    admin
        .change("user.add", (Noun::User, &name), move |connection| {
            Box::pin(async move {
                person::insert(connection, &row).await?;
                Ok(Done { tenant_id: Some(row.tenant_id.clone()), detail: json!({}), value: row })
            })
        })
        .await
}

/// Shuts somebody out from all their devices, or lets them in again, from the next request on.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn set_state(admin: &Admin, name: &str, state: PersonState) -> Result<(), AdminError> {
    let name = name.to_ascii_lowercase();
    let (person, now) = (name.clone(), admin.now);
    admin
        .change(action_of(state), (Noun::User, &name), move |connection| {
            Box::pin(async move {
                let row = person::by_name_id(connection, &person).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::User, &person))?;
                person::set_state(connection, &person, state, now).await?;
                Ok(Done { tenant_id: Some(row.tenant_id), detail: json!({}), value: () })
            })
        })
        .await
}

/// What the audit calls a move to `state`.
pub(super) fn action_of(state: PersonState) -> &'static str {
    match state {
        PersonState::Suspended => "user.suspend",
        PersonState::Active => "user.resume",
    }
}

/// Forgets somebody, whose sessions end; the devices that are theirs are removed. Returns the removed devices.
///
/// Devices in quarantine stay there. A person who may still be provisioned by signing on comes back as somebody new when they do.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn delete(admin: &Admin, name: &str) -> Result<Vec<String>, AdminError> {
    let name = name.to_ascii_lowercase();
    let (person, now) = (name.clone(), admin.now);
    admin
        .change("user.delete", (Noun::User, &name), move |connection| {
            Box::pin(async move {
                let row = person::by_name_id(connection, &person).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::User, &person))?;
                let mut removed = Vec::new();
                for device in person::own_devices(connection, &row.id).await? {
                    let Some(to) = device.state.after(Move::ForceRemove) else { continue };
                    let why = format!("its person, {}, was deleted", row.name_id);
                    device::move_to(connection, device.id.as_str(), to, &why).await?;
                    audit::append(connection, standing::removal(&device, &why, now)).await?;
                    removed.push(device.id.to_string());
                }
                directory::forget_person(connection, &row.id, now).await?;
                person::delete(connection, &row).await?;
                let detail = json!({ "devices": removed });
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: removed })
            })
        })
        .await
}

/// A one-time code by which somebody proves who they are on one device; it is shown to who made it and kept nowhere.
#[derive(Debug)]
pub struct ProofCodeMade {
    /// Three groups of four characters.
    pub code: SecretString,
    /// Until when it is good.
    pub until: UtcTime,
}

/// Makes a one-time code for the person of that name, good once within `life`; their earlier codes end. The audit has who made it, never the code.
///
/// Give it to the person alone: who has it can be them, on one device.
///
/// # Errors
/// [`AdminError::NotFound`]; [`AdminError::Invalid`] where the life is no good or the person is suspended.
pub async fn proof_code(admin: &Admin, name: &str, life: Duration) -> Result<ProofCodeMade, AdminError> {
    let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    if !(60..=LONGEST_CODE_LIFE_SECONDS).contains(&seconds) {
        let given = humantime::format_duration(life).to_string();
        return Err(AdminError::Invalid {
            field: "for",
            given,
            wanted: "a time from a minute to seven days, such as `24h`",
        });
    }
    let name = name.to_ascii_lowercase();
    let (person, now, made_by) = (name.clone(), admin.now, admin.actor.to_string());
    let text = code::new()?;
    let (id, until) = (code::digest_of(&text), admin.now.plus_seconds(seconds));
    let value = ProofCodeMade { code: text.into(), until };
    admin
        .change("user.code", (Noun::User, &name), move |connection| {
            Box::pin(async move {
                let row = person::by_name_id(connection, &person).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::User, &person))?;
                if row.state != PersonState::Active {
                    let wanted = "`active`: somebody who is suspended signs on nowhere";
                    return Err(AdminError::Invalid { field: "state", given: row.state.to_string(), wanted });
                }
                let (tenant_id, name_id) = (row.tenant_id.clone(), row.name_id);
                let made = ProofCode { id, tenant_id, name_id, made_by, created_at: now, expires_at: until };
                proof::insert_code(connection, &made).await?;
                Ok(Done { tenant_id: Some(row.tenant_id), detail: json!({ "until": until.to_string() }), value })
            })
        })
        .await
}

/// Forgets what the person has proved on any of their devices, their codes and their passkeys: they are asked again at the next sign-on. Says on how many.
///
/// # Errors
/// [`AdminError::NotFound`].
pub async fn ask_again(admin: &Admin, name: &str) -> Result<u64, AdminError> {
    let name = name.to_ascii_lowercase();
    let person = name.clone();
    admin
        .change("user.ask-again", (Noun::User, &name), move |connection| {
            Box::pin(async move {
                let row = person::by_name_id(connection, &person).await?;
                let row = row.ok_or_else(|| AdminError::missing(Noun::User, &person))?;
                let devices = person::void_proofs_of(connection, &row.id).await?;
                proof::revoke_codes(connection, &row.tenant_id, &row.name_id).await?;
                // Somebody else may have made one of them.
                let passkeys = person_passkey::delete_of(connection, &row.id).await?;
                let detail = json!({ "devices": devices, "passkeys": passkeys });
                Ok(Done { tenant_id: Some(row.tenant_id), detail, value: devices })
            })
        })
        .await
}

/// The people in reach, by name.
///
/// # Errors
/// [`AdminError::Store`].
pub async fn list(admin: &Admin) -> Result<Vec<Person>, AdminError> {
    let mut people = person::list(&mut *admin.store.read().await?).await?;
    people.retain(|person| admin.reach.as_deref().is_none_or(|reach| reach == person.tenant_id));
    Ok(people)
}

/// A portion of the tenant's people by name, all of them or those whose name begins with `search`.
///
/// # Errors
/// [`AdminError::NotFound`] of the tenant, [`AdminError::Forbidden`].
pub async fn page(
    admin: &Admin,
    tenant: &str,
    search: &str,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<Person>, AdminError> {
    admin.demand(Right::Read)?;
    let tenant_id = admin.tenant_id(tenant).await?;
    let search = search.trim().to_lowercase();
    let search = (!search.is_empty()).then_some(search.as_str());
    Ok(person::page(&mut *admin.store.read().await?, &tenant_id, search, after, limit).await?)
}

/// Everything that the portal knows of a person.
pub struct UserDetail {
    /// Their row.
    pub person: Person,
    /// What a directory says of them, if one does.
    pub profile: Option<directory::Profile>,
    /// The groups that a directory keeps them in, by name.
    pub groups: Vec<String>,
    /// Which devices they sign on from.
    pub devices: Vec<DeviceUse>,
    /// Sign-ons as them and changes of their account, the newest first.
    pub history: Vec<audit::Row>,
}

/// The person of that name, with their devices and latest history.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn detail(admin: &Admin, name: &str) -> Result<UserDetail, AdminError> {
    let person = by_name(admin, name).await?;
    let mut connection = admin.store.read().await?;
    let devices = person::uses(&mut connection, UsesOf::Person(&person.id)).await?;
    let about = AuditFilter { subject: Some(person.name_id.clone()), ..AuditFilter::default() };
    let history = audit::page(&mut connection, Some(&person.tenant_id), &about, None, 25).await?.rows;
    let groups = directory::group_names(&mut connection, &person.id).await?;
    let profile = directory::profile(&mut connection, &person.tenant_id, &person.id).await?;
    let profile = profile.filter(|_| person.origin == Origin::Directory);
    Ok(UserDetail { person, profile, groups, devices, history })
}

/// The person of that name.
///
/// # Errors
/// [`AdminError::NotFound`], [`AdminError::Forbidden`].
pub async fn by_name(admin: &Admin, name: &str) -> Result<Person, AdminError> {
    admin.demand(Right::Read)?;
    let row = person::by_name_id(&mut *admin.store.read().await?, &name.to_lowercase()).await?;
    admin.within(row, |person| &person.tenant_id, Noun::User, name)
}
