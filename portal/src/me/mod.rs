//! A person's own page, `/me`: who they are to the portal, their devices and passkeys, and approval of others of their devices.
//!
//! The portal is a service to itself, one in each tenant, which is in no list and has no row. The browser goes to its device ([`begin`]), whose answer
//! opens a session ([`answer`]); without a proof there is none, so opening the page is also how somebody proves who they are on a new device.

mod answer;
mod passkeys;
mod session;

use saml::metadata::{Binding, IndexedEndpoint, SpMetadata};
use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::time::UtcTime;

use crate::admin::account::new_secret;
use crate::browser::NotBegun;
use crate::cloud::Cloud;
use crate::grade::Grade;
use crate::policy::demand;
use crate::random;
use crate::service_settings::ServiceSettings;
use crate::sign_on::{Arrival, Portal};
use crate::store::browser_sign_on::{self, BrowserSignOn, Scope};
use crate::store::person_session::{self, PersonSignOn};
use crate::store::service_provider::ServiceProvider;
use crate::store::tenant::{self, Tenant};
use crate::store::{StoreError, domain};

pub(crate) use answer::answer;
pub(crate) use passkeys::{add_passkey, begin_passkey, remove_passkey};
pub(crate) use session::{Ended, Visitor, approve, end_at, make_code, sign_out, view, visitor};

/// For how long a session lasts at the longest, in seconds.
const SESSION_SECONDS: i64 = 8 * 3600;
/// For how long the device's answer is awaited, in seconds: somebody may be asked to prove who they are on the way.
pub(crate) const LIFE_SECONDS: i64 = 1800;

/// Whether the service with that entity ID is somebody's own page.
#[must_use]
pub(crate) fn is_own_page(cloud: &Cloud, entity_id: &str) -> bool {
    entity_id.strip_prefix(cloud.base()).is_some_and(|path| path.starts_with("/me/"))
}

/// The own page of the tenant's people as a service, if that is what is asked for.
#[must_use]
pub(crate) fn service(cloud: &Cloud, entity_id: &EntityId, tenant: &Tenant) -> Option<ServiceProvider> {
    if *entity_id != name(cloud, &tenant.id)? {
        return None;
    }
    let acs_url = acs_url(cloud);
    let acs = IndexedEndpoint { binding: Binding::Post, location: acs_url.clone(), index: 0, is_default: Some(true) };
    let metadata = SpMetadata {
        entity_id: entity_id.clone(),
        valid_until: None,
        signing_certificates: Vec::new(),
        acs: vec![acs],
        slo: Vec::new(),
        display_name: None,
        request_initiator: None,
        want_assertions_signed: true,
        authn_requests_signed: true,
        name_id_formats: vec![NameIdFormat::EmailAddress],
    };
    Some(ServiceProvider {
        entity_id: entity_id.clone(),
        tenant_id: tenant.id.clone(),
        acs_url,
        metadata: metadata.to_xml(),
        created_at: tenant.created_at,
        metadata_url: None,
        settings: ServiceSettings::default(),
    })
}

/// Nobody comes to their own page by a device's word alone: from there, other devices are let in.
///
/// # Errors
/// [`RefusalCode::ProofNeeded`].
pub(crate) fn demand_proof(cloud: &Cloud, service: Option<&ServiceProvider>, grade: Grade) -> Result<(), RefusalCode> {
    match service.is_some_and(|service| is_own_page(cloud, service.entity_id.as_str())) {
        true => demand(grade, Grade::Proved),
        false => Ok(()),
    }
}

fn name(cloud: &Cloud, tenant_id: &str) -> Option<EntityId> {
    format!("{}/me/{tenant_id}", cloud.base()).parse().ok()
}

fn acs_url(cloud: &Cloud) -> String {
    format!("{}/me/acs", cloud.base())
}

/// The tenant in which somebody is who gives their address; with one tenant alone there is nothing to ask.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn find_tenant(portal: &Portal, address: &str) -> Result<Option<Tenant>, StoreError> {
    let mut connection = portal.store.read().await?;
    let Some((_, domain)) = address.rsplit_once('@') else { return Ok(None) };
    let Some(found) = domain::by_name(&mut connection, &domain.trim().to_ascii_lowercase()).await? else {
        return Ok(None);
    };
    tenant::by_id(&mut connection, &found.tenant_id).await
}

/// The tenant that the browser was in before (its row id), that the address names, or the only one.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn known_tenant(
    portal: &Portal,
    (named, before): (&str, Option<&str>),
) -> Result<Option<Tenant>, StoreError> {
    let mut connection = portal.store.read().await?;
    if !named.is_empty() {
        return tenant::by_name(&mut connection, named).await;
    }
    if let Some(before) = before
        && let Some(tenant) = tenant::by_id(&mut connection, before).await?
    {
        return Ok(Some(tenant));
    }
    let mut all = tenant::list(&mut connection).await?;
    Ok(if all.len() == 1 { all.pop() } else { None })
}

/// Begins a sign-on at the tenant's own page; returns where the browser goes, and what its cookie has to hold when it comes back.
///
/// # Errors
/// [`NotBegun`].
pub(crate) async fn begin(portal: &Portal, tenant: &Tenant, arrival: Arrival) -> Result<(String, String), NotBegun> {
    let service = name(&portal.cloud, &tenant.id).ok_or(StoreError::Stopping)?;
    // Anybody can begin, and it leaves rows.
    portal.rates.take_unsigned(arrival.address, &service, arrival.instant).map_err(NotBegun::TooOften)?;
    let (secret, browser) = new_secret().map_err(|_| StoreError::Stopping)?;
    let sign_on =
        PersonSignOn { id: new_id()?, tenant_id: tenant.id.clone(), browser, created_at: arrival.now, used_at: None };
    let begun = for_device(portal, tenant, service, &sign_on)?;
    let to = format!("/saml/sso/continue?transaction={}&go=1", begun.id);
    let kept = portal.store.write(move |connection| {
        Box::pin(async move {
            browser_sign_on::insert(connection, &begun).await?;
            person_session::insert_sign_on(connection, &sign_on).await
        })
    });
    kept.await?;
    Ok((to, secret))
}

fn new_id() -> Result<MessageId, StoreError> {
    random::bytes().map(MessageId::from_random).map_err(|_| StoreError::Stopping)
}

/// A sign-on that the page begins as a service. It is not passed on to another identity provider: there is no device behind its answer.
fn for_device(
    portal: &Portal,
    tenant: &Tenant,
    service: EntityId,
    sign_on: &PersonSignOn,
) -> Result<BrowserSignOn, StoreError> {
    Ok(BrowserSignOn {
        id: new_id()?,
        tenant_id: sign_on.tenant_id.clone(),
        issuer: tenant.issuer,
        service,
        request_id: sign_on.id.clone(),
        acs_url: acs_url(&portal.cloud),
        relay_state: None,
        scope: Scope { requesters: Vec::new(), proxy_count: Some(0), force_authn: false },
        elsewhere: None,
        is_passive: false,
        name_format: Some(NameIdFormat::EmailAddress),
        proof_request: None,
        demands: crate::demands::Demands::default(),
        browser_id: None,
        port: None,
        created_at: sign_on.created_at,
        deadline: None,
        used_at: None,
    })
}

/// When a session ends that begins at `now`, with the device's, or after a day's work.
fn ends_at(now: UtcTime, devices: UtcTime) -> UtcTime {
    devices.min(now.plus_seconds(SESSION_SECONDS))
}
