//! The way to another identity provider: whether a browser goes there, and with what.

use saml::binding::post;
use saml::binding::redirect::{self, Direction, signed_query};
use saml::metadata::{Binding, Endpoint, IdpMetadata};
use saml::name::{EntityId, MessageId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, NameIdPolicy};
use saml::time::UtcTime;

use super::decision::Note;
use super::{LIFE_SECONDS, Leaving, unsigned};
use crate::browser::{NotBegun, PAGE_LIFE_SECONDS, TOGETHER_SECONDS};
use crate::identity_provider::{Kind, Provider};
use crate::post_form::PostForm;
use crate::random;
use crate::sign_on::Portal;
use crate::store::StoreError;
use crate::store::browser_sign_on::{self, BrowserSignOn};
use crate::store::external_sign_on::{self, ExternalSignOn};
use crate::store::service_provider;
use crate::store::signing_key::Purpose;
use crate::store::tenant::{self, Tenant};
use crate::web_address;

/// Further identity providers that the one that is asked may ask one after the other, where the service sets no limit.
pub(super) const MOST_PROXIES: u32 = 3;
/// A browser that comes back from an identity provider with a request of the same site's, so soon and without an answer, goes in a circle.
const CIRCLE_SECONDS: i64 = 60;
/// So often for the same service in so few seconds no person opens it.
const ROUNDS: usize = 3;
const ROUND_SECONDS: i64 = 20;

/// What the person has chosen on the page that asks.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// Nothing yet: what was good the last time.
    Open,
    /// To be asked, whatever was good the last time.
    Asked,
    /// Their device.
    Device,
    /// The identity provider of that name.
    Provider(&'a str),
}

/// An identity provider that the page offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the tenant calls it.
    pub name: String,
    /// Its entity ID.
    pub entity_id: String,
    /// Whether it answers for everybody that no other answers for.
    pub is_default: bool,
}

/// The other identity providers that may answer in this sign-on, the default first.
///
/// # Errors
/// [`StoreError`].
pub async fn offers(portal: &Portal, id: &str) -> Result<Vec<Offer>, StoreError> {
    let mut connection = portal.store.read().await?;
    let Some(begun) = browser_sign_on::by_id(&mut connection, id).await? else { return Ok(Vec::new()) };
    let tenant = tenant::by_id(&mut connection, &begun.tenant_id).await?;
    let Some(tenant) = tenant.filter(|tenant| tenant.idp_enabled && begun.scope.proxy_count != Some(0)) else {
        return Ok(Vec::new());
    };
    let offer = |one: Provider| match one.kind {
        Kind::External { entity_id, .. } if one.enabled => {
            Some(Offer { name: one.name, entity_id, is_default: one.is_default })
        }
        Kind::External { .. } | Kind::Countersign => None,
    };
    let mut offers: Vec<_> = tenant.providers.list.into_iter().filter_map(offer).collect();
    offers.sort_by_key(|one| (!one.is_default, one.name.to_lowercase()));
    Ok(offers)
}

/// Sends the browser to another identity provider, if the person or their device says so, or it was good the last time; none: it does not
/// go there.
///
/// # Errors
/// [`NotBegun`]; a refusal has its row in the audit.
pub async fn go_on(
    portal: &Portal,
    id: &str,
    (browser_id, wish): (&str, Wish<'_>),
    now: UtcTime,
) -> Result<Option<Leaving>, NotBegun> {
    let Some(begun) = browser_sign_on::by_id(&mut *portal.store.read().await?, id).await? else { return Ok(None) };
    // What a program has begun has its end from the beginning, and no browser.
    let is_programs = begun.deadline.is_some() && begun.browser_id.is_none();
    if is_programs || now > begun.created_at.plus_seconds(PAGE_LIFE_SECONDS) {
        return Ok(None);
    }
    if begun.scope.requesters.iter().any(|requester| requester == portal.cloud.sp_entity_id().as_str()) {
        let why = "the service asks because this portal has asked";
        return Err(refuse(portal, &begun, (RefusalCode::SignOnLoop, why), now).await?);
    }
    let name = match (&begun.elsewhere, begun.used_at, wish) {
        (Some(nobody), Some(_), _) if nobody.is_empty() => {
            return Err(NotBegun::Refused(RefusalCode::DomainNotMapped, String::new()));
        }
        (Some(name), Some(_), _) => name.clone(),
        (_, Some(_), _) | (_, None, Wish::Asked | Wish::Device) => return Ok(None),
        (_, None, Wish::Provider(name)) => name.chars().take(100).collect(),
        (_, None, Wish::Open) => match usable_choice(portal, &begun, browser_id, now).await? {
            Some(name) => name,
            None => return Ok(None),
        },
    };
    match prepare(portal, &begun, (browser_id, &name), now).await? {
        Ok((leaving, row)) => {
            portal
                .store
                .write(move |connection| Box::pin(async move { external_sign_on::insert(connection, &row).await }))
                .await?;
            Ok(Some(leaving))
        }
        Err((code, why)) => Err(refuse(portal, &begun, (code, &why), now).await?),
    }
}

/// The identity provider that was good in this browser the last time, if it may still answer, and nobody has waited for it since.
async fn usable_choice(
    portal: &Portal,
    begun: &BrowserSignOn,
    browser_id: &str,
    now: UtcTime,
) -> Result<Option<String>, StoreError> {
    let choice = {
        let mut connection = portal.store.read().await?;
        external_sign_on::remembered(&mut connection, (browser_id, &begun.tenant_id)).await?
    };
    let Some(name) = choice else { return Ok(None) };
    let offers = offers(portal, begun.id.as_str()).await?;
    let Some(offer) = offers.into_iter().find(|offer| offer.name == name) else { return Ok(None) };
    let mut connection = portal.store.read().await?;
    let since = now.plus_seconds(-LIFE_SECONDS);
    let waits = external_sign_on::unanswered(&mut connection, (browser_id, &offer.entity_id), since).await?;
    let is_given_up = waits.iter().any(|(_, at)| *at < now.plus_seconds(-TOGETHER_SECONDS));
    Ok(Some(offer.name).filter(|_| !is_given_up))
}

/// A refusal, once it is in the audit.
async fn refuse(
    portal: &Portal,
    begun: &BrowserSignOn,
    (code, why): (RefusalCode, &str),
    now: UtcTime,
) -> Result<NotBegun, StoreError> {
    let note = Note {
        at: now,
        tenant_id: begun.tenant_id.clone(),
        actor: begun.service.to_string(),
        person: String::new(),
        result: code.to_string(),
        detail: serde_json::json!({ "why": why, "service": begun.service.as_str(), "transaction": begun.id.as_str() }),
    };
    portal.store.write(move |connection| Box::pin(note.keep(connection))).await?;
    Ok(NotBegun::Refused(code, why.to_owned()))
}

type Refusal = (RefusalCode, String);

/// Checks that the browser may leave for the identity provider `name`, and makes what it takes along.
async fn prepare(
    portal: &Portal,
    begun: &BrowserSignOn,
    (browser_id, name): (&str, &str),
    now: UtcTime,
) -> Result<Result<(Leaving, ExternalSignOn), Refusal>, NotBegun> {
    let mut connection = portal.store.read().await?;
    let Some(tenant) = tenant::by_id(&mut connection, &begun.tenant_id).await? else {
        return Ok(Err((RefusalCode::IdpDisabled, "its tenant is gone".to_owned())));
    };
    if begun.scope.proxy_count == Some(0) {
        return Ok(Err((RefusalCode::ProxyNotAllowed, String::new())));
    }
    let (entity_id, endpoint) = match destination(&tenant, name, now) {
        Ok(found) => found,
        Err(why) => return Ok(Err((RefusalCode::IdpDisabled, why))),
    };
    let since = now.plus_seconds(-CIRCLE_SECONDS);
    let earlier = external_sign_on::unanswered(&mut connection, (browser_id, entity_id.as_str()), since).await?;
    drop(connection);
    let is_itself = portal.cloud.is_own_issuer(&entity_id);
    if is_itself || goes_in_a_circle(begun, &endpoint, &earlier, now) {
        return Ok(Err((RefusalCode::SignOnLoop, format!("`{name}` would ask this portal again"))));
    }
    let id = MessageId::from_random(random::bytes().map_err(|_| StoreError::Stopping)?);
    let mut connection = portal.store.read().await?;
    let service = service_provider::by_entity_id(&mut connection, &begun.tenant_id, begun.service.as_str()).await?;
    drop(connection);
    let allowed = service.map(|service| service.settings.authn_contexts).unwrap_or_default();
    let leaving = leave(portal, (begun, &allowed), (&id, &endpoint), now)?;
    let row = ExternalSignOn {
        id,
        sign_on: begun.id.clone(),
        tenant_id: tenant.id,
        provider: name.to_owned(),
        entity_id,
        service: begun.service.clone(),
        browser_id: browser_id.to_owned(),
        proof_request: None,
        created_at: now,
        used_at: None,
    };
    Ok(Ok((leaving, row)))
}

/// The identity provider's entity ID and where browsers are sent, or why none is.
pub(super) fn destination(tenant: &Tenant, name: &str, now: UtcTime) -> Result<(EntityId, Endpoint), String> {
    let metadata = usable(tenant, name, now)?;
    let endpoint = for_browsers(&metadata).ok_or("its metadata has no address for browsers")?;
    Ok((metadata.entity_id, endpoint))
}

/// Where the identity provider wants browsers sent, by Redirect rather than by POST.
pub(crate) fn for_browsers(metadata: &IdpMetadata) -> Option<Endpoint> {
    let by = |binding| metadata.sso.iter().find(|endpoint| endpoint.binding == binding);
    let endpoint = by(Binding::Redirect).or_else(|| by(Binding::Post));
    endpoint.filter(|endpoint| web_address::is_https(&endpoint.location)).cloned()
}

/// The metadata of the identity provider `name`, if it may answer for the tenant now; else why not.
pub(super) fn usable(tenant: &Tenant, name: &str, now: UtcTime) -> Result<IdpMetadata, String> {
    let provider = tenant.providers.list.iter().find(|one| one.name == name);
    let provider = provider.ok_or_else(|| format!("the tenant has no identity provider `{name}`"))?;
    let Kind::External { metadata, .. } = &provider.kind else {
        return Err(format!("`{name}` is this portal"));
    };
    if !tenant.idp_enabled || !provider.enabled {
        return Err(format!("`{name}` is disabled"));
    }
    let metadata = IdpMetadata::parse(metadata.as_bytes()).map_err(|rejection| rejection.to_string())?;
    metadata.check_valid(now).map_err(|rejection| format!("the metadata of `{name}`: {rejection}"))?;
    Ok(metadata)
}

/// Whether the browser comes round again: the one that it was sent to sends it back as a service, or it is here for the same service once
/// too often. `earlier` are the services for which it was sent there in the last minute, and is still awaited from there.
fn goes_in_a_circle(begun: &BrowserSignOn, endpoint: &Endpoint, earlier: &[(String, UtcTime)], now: UtcTime) -> bool {
    let comes_from_there = !earlier.is_empty() && origin(&begun.acs_url) == origin(&endpoint.location);
    let just_now = now.plus_seconds(-ROUND_SECONDS);
    let rounds = earlier.iter().filter(|(service, at)| service == begun.service.as_str() && *at >= just_now);
    comes_from_there || rounds.count() >= ROUNDS
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// The portal's own request, signed.
fn leave(
    portal: &Portal,
    (begun, allowed): (&BrowserSignOn, &[String]),
    (id, endpoint): (&MessageId, &Endpoint),
    now: UtcTime,
) -> Result<Leaving, NotBegun> {
    let scope = &begun.scope;
    let asked_before = scope.requesters.iter().filter_map(|requester| requester.parse().ok());
    let request = AuthnRequest {
        destination: Some(endpoint.location.clone()),
        force_authn: scope.force_authn,
        acs_url: Some(portal.cloud.acs_url().to_owned()),
        protocol_binding: Some(Binding::Post.uri().to_owned()),
        name_id_policy: Some(NameIdPolicy {
            format: Some(NameIdFormat::EmailAddress),
            sp_name_qualifier: None,
            allow_create: true,
        }),
        subject: begun.demands.address(),
        requested_authn_context: begun.demands.to_pass_on(allowed),
        proxy_count: Some(scope.proxy_count.map_or(MOST_PROXIES, |count| count.saturating_sub(1))),
        requesters: asked_before.chain([begun.service.clone()]).collect(),
        ..AuthnRequest::new(id.clone(), now, portal.cloud.sp_entity_id().clone())
    };
    take_along(portal, endpoint, &request)
}

/// How a browser takes `request` to `endpoint`, signed.
pub(crate) fn take_along(portal: &Portal, endpoint: &Endpoint, request: &AuthnRequest) -> Result<Leaving, NotBegun> {
    let keys = portal.keys.now();
    let signer = keys.identity(Purpose::Service).signer;
    if endpoint.binding == Binding::Post {
        let signed = request.sign(signer).map_err(|error| unsigned(&error))?;
        let value = post::encode(signed.xml());
        return Ok(Leaving::Post(PostForm {
            action: endpoint.location.clone(),
            field: "SAMLRequest",
            value,
            relay_state: None,
        }));
    }
    let query = signed_query(Direction::Request, &request.to_unsigned_xml(), None, signer);
    let query = query.map_err(|error| unsigned(&error))?;
    Ok(Leaving::Redirect(redirect::address(&endpoint.location, &query)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demands::Demands;
    use crate::store::browser_sign_on::Scope;

    const NOW: UtcTime = UtcTime::from_unix_seconds(1_795_300_370);

    fn begun(service: &str, acs_url: &str) -> BrowserSignOn {
        BrowserSignOn {
            id: MessageId::from_random([1; 20]),
            tenant_id: "t".to_owned(),
            issuer: crate::store::issuer::Issuer::Own,
            service: service.parse().unwrap(),
            request_id: MessageId::from_random([2; 20]),
            acs_url: acs_url.to_owned(),
            is_passive: false,
            name_format: None,
            proof_request: None,
            demands: Demands::default(),
            relay_state: None,
            scope: Scope::default(),
            elsewhere: None,
            browser_id: None,
            port: None,
            created_at: NOW,
            deadline: None,
            used_at: None,
        }
    }

    #[test]
    fn a_browser_that_comes_back_from_where_it_was_sent_goes_in_a_circle() {
        let endpoint = Endpoint { binding: Binding::Redirect, location: "https://other.test/sso?x".to_owned() };
        let (wiki, proxy) =
            (begun("https://wiki.test", "https://wiki.test/acs"), begun("https://o", "https://other.test/acs"));
        let waiting = [("https://wiki.test".to_owned(), NOW.plus_seconds(-5))];
        assert!(!goes_in_a_circle(&wiki, &endpoint, &[], NOW));
        assert!(!goes_in_a_circle(&proxy, &endpoint, &[], NOW), "nobody was sent there yet");
        assert!(!goes_in_a_circle(&wiki, &endpoint, &waiting, NOW), "a second tab");
        assert!(goes_in_a_circle(&proxy, &endpoint, &waiting, NOW));
        let often = |age: i64| vec![("https://wiki.test".to_owned(), NOW.plus_seconds(-age)); ROUNDS];
        assert!(goes_in_a_circle(&wiki, &endpoint, &often(5), NOW));
        assert!(!goes_in_a_circle(&wiki, &endpoint, &often(ROUND_SECONDS + 1), NOW));
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (url, wanted) in [
            ("https://a.test/x/y", "https://a.test"),
            ("https://a.test:8443", "https://a.test:8443"),
            ("https://a.test?x=/", "https://a.test"),
        ] {
            assert_eq!(origin(url), wanted);
        }
    }
}
