//! The way to what signs an administrator in.

use saml::metadata::{Binding, IdpMetadata};
use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, NameIdPolicy};
use saml::time::UtcTime;

use crate::admin::account::{hash_of, new_secret};
use crate::browser::NotBegun;
use crate::demands::Demands;
use crate::external::{Leaving, for_browsers, take_along};
use crate::random;
use crate::sign_on::{Arrival, Portal};
use crate::store::StoreError;
use crate::store::administrator_idp::{self, AdministratorIdp, Kind, SignOn};
use crate::store::browser_sign_on::{self, BrowserSignOn, Scope};
use crate::store::service_provider;
use crate::store::tenant;

/// Where a browser comes from and goes on to.
pub(crate) struct Journey {
    /// What its session's cookie holds now, if it has one.
    pub(crate) session: Option<String>,
    /// The page to go on with.
    pub(crate) next: String,
}

/// Sends a browser to the identity provider with the id `idp_id`; returns how, and what its cookie has to hold when it comes back.
///
/// # Errors
/// [`NotBegun`].
pub(crate) async fn begin(
    portal: &Portal,
    idp_id: &str,
    journey: Journey,
    arrival: Arrival,
) -> Result<(Leaving, String), NotBegun> {
    let idp = administrator_idp::by_id(&mut *portal.store.read().await?, idp_id).await?;
    let idp = idp.ok_or_else(|| refused("no such identity provider"))?;
    // Anybody can begin, and it leaves a row.
    let pages = portal.cloud.console_entity_id();
    portal.rates.take_unsigned(arrival.address, pages, arrival.instant).map_err(NotBegun::TooOften)?;
    let (browser, browser_hash) = new_secret().map_err(|_| StoreError::Stopping)?;
    let sign_on = SignOn {
        id: new_id()?,
        idp_id: idp.id.clone(),
        browser: browser_hash,
        earlier: journey.session.map(|secret| hash_of(&secret)).unwrap_or_default(),
        next: journey.next,
        created_at: arrival.now,
        used_at: None,
    };
    let (leaving, for_device) = match &idp.kind {
        Kind::External { metadata, .. } => (elsewhere(portal, metadata, &sign_on)?, None),
        Kind::Devices { tenant_id, service, .. } => {
            let begun = for_device(portal, (tenant_id, service), &sign_on, &idp).await?;
            (Leaving::Redirect(format!("/saml/sso/continue?transaction={}&go=1", begun.id)), Some(begun))
        }
    };
    let kept = portal.store.write(move |connection| {
        Box::pin(async move {
            if let Some(begun) = for_device {
                browser_sign_on::insert(connection, &begun).await?;
            }
            administrator_idp::insert_sign_on(connection, &sign_on).await
        })
    });
    kept.await?;
    Ok((leaving, browser))
}

fn refused(why: &str) -> NotBegun {
    NotBegun::Refused(RefusalCode::IdpDisabled, why.to_owned())
}

fn new_id() -> Result<MessageId, StoreError> {
    random::bytes().map(MessageId::from_random).map_err(|_| StoreError::Stopping)
}

/// A signed request: the administrator proves anew who they are.
fn elsewhere(portal: &Portal, metadata: &str, sign_on: &SignOn) -> Result<Leaving, NotBegun> {
    let metadata = usable(metadata, sign_on.created_at).map_err(|why| refused(&why))?;
    let endpoint = for_browsers(&metadata).ok_or_else(|| refused("its metadata has no address for browsers"))?;
    let request = AuthnRequest {
        destination: Some(endpoint.location.clone()),
        force_authn: true,
        acs_url: Some(portal.cloud.console_acs_url().to_owned()),
        protocol_binding: Some(Binding::Post.uri().to_owned()),
        name_id_policy: Some(NameIdPolicy {
            format: Some(NameIdFormat::EmailAddress),
            sp_name_qualifier: None,
            allow_create: true,
        }),
        ..AuthnRequest::new(sign_on.id.clone(), sign_on.created_at, portal.cloud.console_entity_id().clone())
    };
    take_along(portal, &endpoint, &request)
}

/// The identity provider's metadata, if it still holds; else why not.
pub(super) fn usable(metadata: &str, now: UtcTime) -> Result<IdpMetadata, String> {
    let metadata = IdpMetadata::parse(metadata.as_bytes()).map_err(|rejection| rejection.to_string())?;
    metadata.check_valid(now).map_err(|rejection| format!("its metadata: {rejection}"))?;
    Ok(metadata)
}

/// A sign-on that the pages begin as a service. It is not passed on: what the tenant's other identity providers say is nothing here.
async fn for_device(
    portal: &Portal,
    (tenant_id, service): (&str, &str),
    sign_on: &SignOn,
    idp: &AdministratorIdp,
) -> Result<BrowserSignOn, NotBegun> {
    let (registered, tenant) = {
        let mut connection = portal.store.read().await?;
        let registered = service_provider::by_entity_id(&mut connection, tenant_id, service).await?;
        (registered, tenant::by_id(&mut connection, tenant_id).await?)
    };
    let ours = portal.cloud.console_acs_url();
    let registered = registered.filter(|row| row.acs_url == ours).zip(tenant);
    let (service, issuer): (EntityId, _) = match registered {
        Some((row, tenant)) => (row.entity_id, tenant.issuer),
        None => {
            let why = format!(
                "`{}` is not among the tenant's services any more; an owner removes it and adds it again",
                idp.name
            );
            return Err(refused(&why));
        }
    };
    Ok(BrowserSignOn {
        id: new_id()?,
        tenant_id: tenant_id.to_owned(),
        issuer,
        service,
        request_id: sign_on.id.clone(),
        acs_url: ours.to_owned(),
        relay_state: None,
        scope: Scope { requesters: Vec::new(), proxy_count: Some(0), force_authn: true },
        elsewhere: None,
        is_passive: false,
        name_format: Some(NameIdFormat::EmailAddress),
        proof_request: None,
        demands: Demands::default(),
        browser_id: None,
        port: None,
        created_at: sign_on.created_at,
        deadline: None,
        used_at: None,
    })
}
