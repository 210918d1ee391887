//! The browser's side of a proof: what the person is asked, and how the sign-on goes on once they have proved who they are.

use saml::name::MessageId;
use saml::time::UtcTime;
use serde_json::json;
use sqlx::AnyConnection;

use super::{LIFE_SECONDS, code};
use crate::identity_provider::{Kind, Provider};
use crate::random;
use crate::sign_on::Portal;
use crate::store::audit::{self, Entry};
use crate::store::browser_sign_on::{self, BrowserSignOn};
use crate::store::person::{self, DeviceUse, UsesOf};
use crate::store::proof::{self, ProofRequest};
use crate::store::tenant::{self, Tenant};
use crate::store::{StoreError, person_passkey};

/// A question to a person, in the browser that it was put to.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Who, for which device and service.
    pub(crate) request: ProofRequest,
    /// The sign-on that waits.
    pub(crate) waiting: BrowserSignOn,
    /// For how many days the proof will hold.
    pub(crate) days: i64,
    /// The tenant's names of the identity providers at which the person may prove who they are now.
    pub(crate) idps: Vec<String>,
    /// The person's row id, where the tenant knows them.
    pub(crate) person_id: Option<String>,
}

/// The question with that id, if it was put to the browser `browser_id` and waits for an answer, or has one that was not brought back yet.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn asked(
    portal: &Portal,
    id: &str,
    browser_id: Option<&str>,
    now: UtcTime,
) -> Result<Option<Asked>, StoreError> {
    let Some(browser_id) = browser_id else { return Ok(None) };
    let asked = open(&mut *portal.store.read().await?, id, now).await?;
    Ok(asked.filter(|asked| asked.waiting.browser_id.as_deref() == Some(browser_id)))
}

/// The question with that id, if it is not over.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn open(connection: &mut AnyConnection, id: &str, now: UtcTime) -> Result<Option<Asked>, StoreError> {
    let Some(request) = proof::by_id(connection, id).await? else { return Ok(None) };
    if request.used_at.is_some() || now > request.created_at.plus_seconds(LIFE_SECONDS) {
        return Ok(None);
    }
    let waiting = browser_sign_on::by_id(connection, request.transaction_id.as_str()).await?;
    let Some(waiting) = waiting.filter(|waiting| waiting.browser_id.is_some()) else { return Ok(None) };
    let Some(tenant) = tenant::by_id(connection, &request.tenant_id).await? else { return Ok(None) };
    let known = person::by_name_id(connection, &request.name_id).await?;
    let known = known.filter(|person| person.tenant_id == tenant.id);
    Ok(Some(Asked {
        request,
        waiting,
        days: tenant.proof_days,
        idps: usable_idps(&tenant),
        person_id: known.map(|person| person.id),
    }))
}

/// The identity providers at which people of the tenant may prove who they are now.
fn usable_idps(tenant: &Tenant) -> Vec<String> {
    let is_usable = |one: &&Provider| {
        one.enabled && matches!(one.kind, Kind::External { .. }) && tenant.proof_idps.contains(&one.name)
    };
    let usable = tenant.providers.list.iter().filter(|_| tenant.idp_enabled).filter(is_usable);
    usable.map(|one| one.name.clone()).collect()
}

/// What the person may prove it with besides a code and an identity provider.
pub(crate) struct Own {
    /// They have a passkey.
    pub(crate) has_passkey: bool,
    /// They have another device on which they have proved it, and still have.
    pub(crate) has_other_device: bool,
}

/// What the person who is asked has of their own.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn own(portal: &Portal, asked: &Asked, now: UtcTime) -> Result<Own, StoreError> {
    let Some(person_id) = &asked.person_id else { return Ok(Own { has_passkey: false, has_other_device: false }) };
    let mut connection = portal.store.read().await?;
    let uses = person::uses(&mut connection, UsesOf::Person(person_id)).await?;
    let is_other = |one: &DeviceUse| {
        one.device_id != asked.request.device_id.as_str()
            && one.device_state == "registered"
            && one.proof_ends_at.is_some_and(|ends_at| now < ends_at)
    };
    Ok(Own {
        has_passkey: !person_passkey::of(&mut connection, person_id).await?.is_empty(),
        has_other_device: uses.iter().any(is_other),
    })
}

/// Takes a one-time code for the question; says whether it was good. A good one ends the question, see [`proved`].
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn take_code(
    portal: &Portal,
    asked: &Asked,
    given: &str,
    now: UtcTime,
) -> Result<Option<MessageId>, StoreError> {
    let (asked, given) = (asked.clone(), given.to_owned());
    let taken = portal.store.write(move |connection| {
        Box::pin(async move {
            let ProofRequest { tenant_id, name_id, device_id, .. } = &asked.request;
            if code::take(connection, tenant_id, name_id, device_id.as_str(), &given, now).await? {
                return proved(connection, &asked, code::METHOD, now).await;
            }
            proof::count_try(connection, &asked.request.id).await?;
            audit::append(connection, entry(&asked, code::METHOD, "proof-refused", now)).await?;
            Ok(None)
        })
    });
    taken.await
}

/// The person has proved who they are by `method`: notes it, and begins the sign-on that takes the proof to their device; none where somebody else
/// was faster.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn proved(
    connection: &mut AnyConnection,
    asked: &Asked,
    method: &str,
    now: UtcTime,
) -> Result<Option<MessageId>, StoreError> {
    let id = MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?);
    if !proof::prove(connection, &asked.request.id, method, &id, now).await? {
        return Ok(None);
    }
    let row = BrowserSignOn {
        id: id.clone(),
        elsewhere: None,
        proof_request: Some(asked.request.id.clone()),
        browser_id: None,
        port: None,
        created_at: now,
        deadline: None,
        used_at: None,
        ..asked.waiting.clone()
    };
    browser_sign_on::insert(connection, &row).await?;
    audit::append(connection, entry(asked, method, "ok", now)).await?;
    Ok(Some(id))
}

/// A row of the audit about a person who proves who they are.
pub(super) fn entry(asked: &Asked, method: &str, result: &str, now: UtcTime) -> Entry {
    let request = &asked.request;
    Entry {
        at: now,
        tenant_id: Some(request.tenant_id.clone()),
        actor: request.name_id.clone(),
        action: "user.prove",
        subject: request.name_id.clone(),
        result: result.to_owned(),
        detail: json!({
            "method": method,
            "device": request.device_id.as_str(),
            "hostname": request.hostname,
            "service": request.service,
            "address": request.address,
        }),
    }
}
