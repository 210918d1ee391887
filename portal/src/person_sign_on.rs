//! A person at a device that may sign people in: whether they are signed in, and what follows from it.

use saml::device::Evidence;
use saml::name::EntityId;
use saml::refusal::RefusalCode;
use saml::request::AuthnRequest;
use saml::time::UtcTime;
use sqlx::AnyConnection;

use crate::cloud::Cloud;
use crate::decision::{Awaited, Grant, PersonName, Stop, session_index};
use crate::demands::Present;
use crate::evidence;
use crate::grade::{Assurance, Grade};
use crate::groups;
use crate::identity_provider::Kind;
use crate::issuer_address::issuer_for;
use crate::me;
use crate::policy::{AtLimit, OtherPerson, SignOn};
use crate::proof::{self, Assessed, Subject};
use crate::random;
use crate::realm;
use crate::service_name;
use crate::service_settings::About;
use crate::standing::{self, Standing};
use crate::store::audit;
use crate::store::device::{self, Device, DeviceState};
use crate::store::person::{self, OnDevice, Origin, Person, PersonState, SignOnNote};
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::service_session::{self, ServiceSession};
use crate::store::tenant::{self, Tenant};
use crate::store::{directory, domain};

/// As many services are listed at the most.
const MOST_SERVICES: i64 = 500;

/// A person at a device that may sign people in.
pub(crate) struct Case<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) content: &'a AuthnRequest,
    pub(crate) evidence: &'a Evidence,
    pub(crate) name: PersonName,
    pub(crate) standing: Standing,
    pub(crate) awaited: Option<Awaited>,
    pub(crate) now: UtcTime,
}

/// Decides whether the person is signed in, and writes what follows from it.
pub(crate) async fn settle(connection: &mut AnyConnection, case: Case<'_>) -> Result<Grant, Stop> {
    let Case { cloud, content, evidence, name, mut standing, awaited, now } = case;
    let tenant = tenant::by_id(connection, &standing.device.tenant_id).await?.ok_or(RefusalCode::DomainNotMapped)?;
    let provisions = check_domain(connection, &tenant, &name).await?;
    evidence::check(evidence, &name.local_part, tenant.minimum_claim)?;
    let service = asked_service(connection, cloud, content.respond_to.as_ref(), &tenant).await?;
    let issuer = issuer_for(awaited.as_ref(), &tenant)?;
    let known = person::with_device(connection, &name.name_id, standing.device.id.as_str()).await?;
    let subject = Subject {
        tenant: &tenant,
        device: &standing.device,
        evidence,
        name: &name,
        known: known.as_ref().filter(|(person, _)| person.tenant_id == tenant.id),
        completing: awaited.as_ref().and_then(|awaited| awaited.proof_request.as_deref()),
        now,
    };
    let may_create = provisions && content.name_id_policy.as_ref().is_some_and(|policy| policy.allow_create);
    let assessed = subject.assess(connection).await;
    let may_open = |grade: Grade, service: Option<&ServiceProvider>| {
        tenant.policy.check(&SignOn {
            domain: &name.domain,
            service: service.map(|service| service.entity_id.as_str()),
            grade,
            claim: evidence.grade,
            facts: &standing.device.facts,
        })
    };
    let allowed = assessed.and_then(|assessed| {
        me::demand_proof(cloud, service.as_ref(), assessed.assurance.grade)?;
        may_open(assessed.assurance.grade, service.as_ref())?;
        Ok(assessed)
    });
    let Assessed { assurance, proof } = match allowed {
        // The device is registered no matter who is at it: that the person still has to prove who they are is no reason to spend the token again.
        Err(Stop::Refused(code)) if proof::helps(code) && standing.device.state != DeviceState::Pending => {
            // Nobody is asked for a proof who would be refused after it.
            of_tenant(known, &tenant, &name, may_create, now)?;
            standing.keep(connection, now).await?;
            return Err(code.into());
        }
        Err(Stop::Refused(code)) if !proof::helps(code) => return Err(code.into()),
        Err(Stop::Refused(_)) => Assessed { assurance: Assurance::claimed(evidence.grade), proof: None },
        allowed => allowed?,
    };
    if standing.device.state == DeviceState::Pending {
        standing.keep(connection, now).await?;
        return Err(RefusalCode::DevicePending.into());
    }
    let (person, is_known) = of_tenant(known, &tenant, &name, may_create, now)?;
    let groups = groups::of(connection, &tenant.policy, Some(&standing.device), &person).await?;
    if service.as_ref().is_some_and(|service| !service.settings.admits(&person.name_id, &groups)) {
        return Err(RefusalCode::ServiceNotAllowed.into());
    }
    realm::check(connection, &tenant.id, evidence, &name, now).await?;
    let heeded = match (&awaited, &service) {
        (Some(awaited), Some(service)) => {
            let present = Present { person: &person, service, context: assurance.grade.authn_context() };
            let heeded = awaited.demands.heed(connection, present).await?;
            Some(heeded.map_err(|unable| Stop::Unable(awaited.unable(unable)))?)
        }
        (_, Some(_) | None) => None,
    };
    let mut services = Vec::new();
    if content.respond_to.as_ref() == Some(cloud.entity_id()) {
        services = service_provider::of_tenant(connection, &tenant.id, MOST_SERVICES).await?;
        // What a proof opens is worth listing: the person is asked when they open it.
        services.retain(|service| {
            may_open(assurance.grade, Some(service)).map_or_else(proof::helps, |()| true)
                && service.settings.admits(&person.name_id, &groups)
        });
    }
    bind_to_owner(connection, &mut standing.device, &tenant, &person).await?;
    if is_known {
        make_room(connection, &tenant, &person, &standing.device, (&assurance, now)).await?;
    } else {
        person::insert(connection, &person).await?;
    }
    standing.keep(connection, now).await?;
    let device = standing.device;
    person::note_sign_on(connection, &sign_on_note(&device, &person, evidence, &assurance, now)).await?;
    if let Some(proof) = &proof {
        person::keep_proof(connection, device.id.as_str(), &person.id, proof).await?;
    }
    let demanded = awaited.as_ref().and_then(|awaited| awaited.name_format.clone());
    // The service has named the person already; a format that it demands besides comes first.
    let is_free = demanded.is_none();
    let format = demanded.or_else(|| service.as_ref().map(|service| service.settings.name_id_format.format()));
    let named = service.as_ref().map_or(content.issuer.clone(), |service| service.entity_id.clone());
    let (asked_for, told) = heeded.map(|heeded| (heeded.name, heeded.context)).unzip();
    let asked_for = asked_for.flatten().filter(|name| is_free || Some(&name.format) == format.as_ref());
    let subject = match asked_for {
        Some(name) => name,
        None => service_name::of(&person, &named, format.as_ref()).map_err(|_| RefusalCode::Busy)?,
    };
    let session_index = session_index()?;
    let wants = service.as_ref().is_some_and(|service| service.settings.wants_directory());
    let profile = directory::wanted_profile(connection, &person, wants).await?;
    let about = About {
        person: &person,
        groups: &groups,
        assurance: &assurance,
        device: Some(&device.id),
        profile: profile.as_ref(),
    };
    let attributes = service.as_ref().map(|service| service.settings.attributes(&about)).unwrap_or_default();
    if let Some(service) = &service {
        let session = ServiceSession {
            id: session_index.clone(),
            tenant_id: tenant.id.clone(),
            issuer,
            service: service.entity_id.clone(),
            person: person.name_id.clone(),
            opened_by: device.id.clone(),
            name_id: subject.clone(),
            browser_id: awaited.as_ref().and_then(|awaited: &Awaited| awaited.browser_id.clone()),
            ends_at: now.plus_seconds(tenant.session_seconds),
            logout_why: None,
            tries: 0,
        };
        service_session::insert(connection, &session).await?;
    }
    Ok(Grant {
        in_response_to: content.id.clone(),
        groups,
        device: content.issuer.clone(),
        device_id: device.id,
        key_since: None,
        tenant_id: tenant.id,
        issuer,
        subject,
        assurance,
        authn_context: told,
        attributes,
        service,
        awaited,
        session_index,
        services,
        session_seconds: tenant.session_seconds,
        told: Vec::new(),
    })
}

/// The first person owns the device; what happens to others is the tenant's decision.
async fn bind_to_owner(
    connection: &mut AnyConnection,
    device: &mut Device,
    tenant: &Tenant,
    person: &Person,
) -> Result<(), Stop> {
    let owner = device.owner_id.get_or_insert_with(|| person.id.clone());
    if *owner == person.id {
        return Ok(());
    }
    match tenant.policy.other_person {
        OtherPerson::Allow => Ok(()),
        OtherPerson::Queue => {
            let note = format!("{} signs on from somebody else's device", person.name_id);
            device::note_seen(connection, device).await?;
            device::move_to(connection, device.id.as_str(), DeviceState::Pending, &note).await?;
            Err(RefusalCode::DevicePending.into())
        }
        OtherPerson::Refuse => Err(RefusalCode::DeviceBound.into()),
    }
}

/// Sees that the person has fewer other devices than they may have, by the tenant's way of doing so.
async fn make_room(
    connection: &mut AnyConnection,
    tenant: &Tenant,
    person: &Person,
    device: &Device,
    (assurance, now): (&Assurance, UtcTime),
) -> Result<(), Stop> {
    let others = person::count_other_devices(connection, &person.id, device.id.as_str()).await?;
    let too_many = others + 1 - tenant.devices_per_user;
    if too_many <= 0 {
        return Ok(());
    }
    match tenant.policy.at_limit {
        AtLimit::Refuse => Err(RefusalCode::DeviceLimit.into()),
        // Nobody's word takes somebody's device away from them.
        AtLimit::RemoveOldest if assurance.grade == Grade::Claimed => Err(RefusalCode::DeviceLimit.into()),
        AtLimit::RemoveOldest => {
            for old in person::oldest_other_devices(connection, &person.id, device.id.as_str(), too_many).await? {
                let why = "its person has signed on from a newer one and has as many as the tenant allows";
                device::move_to(connection, old.id.as_str(), DeviceState::Removed, why).await?;
                audit::append(connection, standing::removal(&old, why, now)).await?;
            }
            Ok(())
        }
    }
}

/// Checks that the portal answers for the person's domain; says whether it may provision them.
async fn check_domain(connection: &mut AnyConnection, tenant: &Tenant, name: &PersonName) -> Result<bool, Stop> {
    let mapped = domain::by_name(connection, &name.domain).await?;
    if mapped.is_none_or(|domain| domain.tenant_id != tenant.id) {
        return Err(RefusalCode::DomainNotMapped.into());
    }
    let answering = tenant.providers.of_domain(&name.domain).ok_or(RefusalCode::DomainNotMapped)?;
    if let Kind::External { sign_on_url, .. } = &answering.kind {
        return Err(Stop::Elsewhere { provider: answering.name.clone(), address: sign_on_url.clone() });
    }
    if !tenant.idp_enabled || !answering.enabled {
        return Err(RefusalCode::IdpDisabled.into());
    }
    Ok(tenant.auto_provisioning && answering.auto_provisioning)
}

/// The service that the assertion is asked for. The portal itself, or nothing, means the device's own session.
async fn asked_service(
    connection: &mut AnyConnection,
    cloud: &Cloud,
    respond_to: Option<&EntityId>,
    tenant: &Tenant,
) -> Result<Option<ServiceProvider>, Stop> {
    let Some(entity_id) = respond_to.filter(|entity_id| *entity_id != cloud.entity_id()) else { return Ok(None) };
    if let Some(own_page) = me::service(cloud, entity_id, tenant) {
        return Ok(Some(own_page));
    }
    let service = service_provider::by_entity_id(connection, &tenant.id, entity_id.as_str()).await?;
    Ok(Some(service.ok_or(RefusalCode::ServiceUnknown)?))
}

/// The person, and whether they were known already.
pub(crate) async fn find_person(
    connection: &mut AnyConnection,
    tenant: &Tenant,
    name: &PersonName,
    may_create: bool,
    now: UtcTime,
) -> Result<(Person, bool), Stop> {
    let known = person::by_name_id(connection, &name.name_id).await?.map(|person| (person, None));
    of_tenant(known, tenant, name, may_create, now)
}

/// The person as the tenant knows them, or somebody new; and whether they were known already.
fn of_tenant(
    known: Option<(Person, Option<OnDevice>)>,
    tenant: &Tenant,
    name: &PersonName,
    may_create: bool,
    now: UtcTime,
) -> Result<(Person, bool), Stop> {
    if let Some((person, _)) = known {
        return match person.state {
            PersonState::Active if person.tenant_id == tenant.id => Ok((person, true)),
            PersonState::Suspended if person.tenant_id == tenant.id => Err(RefusalCode::UserSuspended.into()),
            PersonState::Active | PersonState::Suspended => Err(RefusalCode::DomainNotMapped.into()),
        };
    }
    if !may_create || !tenant.policy.may_provision(&name.name_id) {
        return Err(RefusalCode::UserNotProvisioned.into());
    }
    let id = random::row_id().map_err(|_| RefusalCode::Busy)?;
    Ok((Person::new(id, tenant.id.clone(), name.name_id.clone(), Origin::SignOn, now), false))
}

fn sign_on_note<'a>(
    device: &'a Device,
    person: &'a Person,
    evidence: &Evidence,
    assurance: &'a Assurance,
    now: UtcTime,
) -> SignOnNote<'a> {
    let offered = serde_json::json!({ "source": evidence.source, "attributes": evidence::facts(&evidence.attributes) });
    SignOnNote {
        device_id: device.id.as_str(),
        person_id: &person.id,
        evidence: offered.to_string(),
        claim: evidence.grade,
        assurance,
        now,
    }
}
