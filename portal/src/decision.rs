//! The decision: everything between a verified request and the answer that needs the database, in one transaction.
//!
//! A refusal is a decision too and is kept (its request ID and its audit row); only a failure of the database undoes all.

use std::net::IpAddr;

use saml::device::Evidence;
use saml::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, VerifiedRequest};
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;

use crate::break_glass;
use crate::cloud::Cloud;
use crate::demands::{Demands, Present};
use crate::diagnostics;
use crate::evidence;
use crate::grade::{Assurance, Grade};
use crate::groups;
use crate::identity_provider::Kind;
use crate::me;
pub(crate) use crate::person_name::PersonName;
use crate::policy::{AtLimit, OtherPerson, SignOn};
use crate::proof::{self, Assessed, Subject};
use crate::random;
use crate::realm;
use crate::service_answer::ServiceAnswer;
use crate::service_name;
use crate::service_settings::About;
use crate::sign_on::{REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::standing::{self, Standing};
use crate::store::audit::{self, Entry};
use crate::store::device::{self, Device, DeviceState};
use crate::store::person::{self, OnDevice, Origin, Person, PersonState, SignOnNote};
use crate::store::proof::ProofRequest;
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::service_session::{self, ServiceSession};
use crate::store::tenant::{self, Tenant};
use crate::store::{
    StoreError, browser, browser_sign_on, device_key, directory, domain, external_sign_on, seen_request, sign_on_count,
    token,
};

/// As many services are listed at the most.
const MOST_SERVICES: i64 = 500;

/// A request that is proven and wants a decision.
pub struct Question {
    /// The cloud that is asked.
    pub cloud: Cloud,
    /// What is asked.
    pub request: VerifiedRequest,
    /// The key that is to be registered, in an enrolment.
    pub enrolling: Option<Enrolling>,
    /// Where the request comes from, if that is known.
    pub address: Option<IpAddr>,
    /// When it is decided.
    pub now: UtcTime,
}

/// An enrolment whose two signatures, the device's and the token's, are good.
pub struct Enrolling {
    /// The token that signed.
    pub token_id: TokenId,
    /// DER of the key that is to be registered.
    pub public_key: Vec<u8>,
}

/// How the portal answers.
#[derive(Debug)]
pub enum Decision {
    /// With an assertion.
    Granted(Box<Grant>),
    /// With a refusal.
    Refused {
        /// The request's ID.
        in_response_to: MessageId,
        /// Why.
        code: RefusalCode,
        /// Where people of that domain sign on instead, if it is somewhere else.
        elsewhere: Option<String>,
        /// Seconds after which it is worth another try.
        retry_after: Option<u32>,
    },
    /// With a Response for the service, which says what can't be done for it: who is at the device takes it there.
    Unable {
        /// What the service is told.
        answer: Box<ServiceAnswer>,
        /// The code that is nearest to it, for counting.
        code: RefusalCode,
    },
}

/// Everything that an assertion needs.
#[derive(Debug)]
pub struct Grant {
    /// The request's ID.
    pub in_response_to: MessageId,
    /// The device that asked, as it calls itself: by its present key.
    pub device: EntityId,
    /// The device as the portal calls it.
    pub device_id: EntityId,
    /// Since when it has its key, where the device itself is signed in.
    pub key_since: Option<UtcTime>,
    /// The person.
    pub subject: NameId,
    /// How far the portal has checked who they are, which travels on.
    pub assurance: Assurance,
    /// The authentication context class that the service is told, where it is another than the grade's.
    pub authn_context: Option<String>,
    /// Groups of the device.
    pub groups: Vec<String>,
    /// The service that the assertion is for; none: the device's own session with the portal.
    pub service: Option<ServiceProvider>,
    /// What the service itself has asked for; none: it gets a Response that it has not asked for.
    pub awaited: Option<Awaited>,
    /// What the session is called that the assertion opens.
    pub session_index: MessageId,
    /// The services that the person may open, where the person has asked for them.
    pub services: Vec<ServiceProvider>,
    /// Life of the session, in seconds.
    pub session_seconds: i64,
    /// What a service is told about the person besides their name.
    pub attributes: Vec<Attribute>,
    /// What else the device itself is told: names of attributes with their values.
    pub told: Vec<(&'static str, String)>,
}

/// What a service waits for that has begun the sign-on.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// The ID of its request.
    pub request_id: MessageId,
    /// The registered address where it waits.
    pub acs_url: String,
    /// The browser in which the person waits, if they wait in one.
    pub browser_id: Option<String>,
    /// In which format it wants the person named, where it says so.
    pub name_format: Option<NameIdFormat>,
    /// What the person has proved in the browser to go on: a proof request's id.
    pub proof_request: Option<String>,
    /// Whom it asks for, and how they have to have signed in.
    pub demands: Demands,
}

impl Decision {
    /// A refusal of the request.
    #[must_use]
    pub fn refused(in_response_to: MessageId, code: RefusalCode) -> Self {
        Self::Refused { in_response_to, code, elsewhere: None, retry_after: None }
    }
}

/// What ends the way to a grant: a refusal, or the database.
pub(crate) enum Stop {
    Refused(RefusalCode),
    /// Another identity provider answers for the person: `domain-not-mapped`, its name and its address.
    Elsewhere {
        provider: String,
        address: String,
    },
    /// The service itself is told.
    Unable(Box<ServiceAnswer>),
    Failed(StoreError),
}

impl From<RefusalCode> for Stop {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(code)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Decides about `question` and writes what follows from it.
///
/// # Errors
/// [`StoreError`]; then nothing was written and nothing may be answered but "busy".
pub async fn decide(connection: &mut AnyConnection, question: Question) -> Result<Decision, StoreError> {
    let content = question.request.request();
    let mut asked = Asked::of(content.issuer.to_string());
    let decided = grant(connection, &question, &mut asked).await;
    let (decision, result) = match decided {
        Ok(grant) => (Decision::Granted(Box::new(grant)), "ok".to_owned()),
        Err(Stop::Refused(code)) => {
            if code == RefusalCode::DomainNotMapped {
                note_elsewhere(connection, content, &asked, "").await?;
            }
            if proof::helps(code) {
                ask_for_proof(connection, &question, &asked).await?;
            }
            (Decision::refused(content.id.clone(), code), code.to_string())
        }
        Err(Stop::Elsewhere { provider, address }) => {
            note_elsewhere(connection, content, &asked, &provider).await?;
            let (in_response_to, code) = (content.id.clone(), RefusalCode::DomainNotMapped);
            (Decision::Refused { in_response_to, code, elsewhere: Some(address), retry_after: None }, code.to_string())
        }
        Err(Stop::Unable(answer)) => {
            let result = answer.unable.result().to_owned();
            (Decision::Unable { code: answer.unable.nearest(), answer }, result)
        }
        Err(Stop::Failed(error)) => return Err(error),
    };
    let keeps_alive = of_the_device_itself(content).is_some();
    if keeps_alive && result == "ok" {
        // A device says so every few minutes: `last_seen_at` keeps that, and the audit is for what somebody may have to account for.
        return Ok(decision);
    }
    if asked.tenant_id.is_none() {
        asked.tenant_id = tenant_of(connection, &question).await?;
    }
    if let Some(tenant_id) = &asked.tenant_id {
        sign_on_count::add(connection, tenant_id, question.now, &result).await?;
    }
    let service = content.respond_to.as_ref().map(EntityId::as_str);
    let address = question.address.map(|address| address.to_string());
    let entry = Entry {
        at: question.now,
        tenant_id: asked.tenant_id,
        actor: asked.device,
        action: match (question.enrolling.is_some(), keeps_alive) {
            (true, _) => "enrol",
            (false, true) => "keep-alive",
            (false, false) => "sign-on",
        },
        subject: asked.subject,
        result,
        detail: serde_json::json!({
            "request": content.id.as_str(),
            "service": service,
            "address": address,
            "transaction": content.transaction.as_ref().map(MessageId::as_str),
            "grade": asked.assurance.as_ref().map(|assurance| assurance.grade.as_str()),
            "origin": asked.assurance.as_ref().map(|assurance| assurance.origin.as_str()),
        }),
    };
    audit::append(connection, entry).await?;
    Ok(decision)
}

/// Notes in the sign-on that the request has used up who answers for the person, so that their browser can go on there.
async fn note_elsewhere(
    connection: &mut AnyConnection,
    content: &AuthnRequest,
    asked: &Asked,
    provider: &str,
) -> Result<(), StoreError> {
    let (Some(transaction), Some(tenant_id)) = (&content.transaction, &asked.tenant_id) else { return Ok(()) };
    browser_sign_on::answered_elsewhere(connection, (transaction, tenant_id), provider).await
}

/// Keeps that the person has to prove who they are, in the browser that waits for the sign-on.
async fn ask_for_proof(connection: &mut AnyConnection, question: &Question, asked: &Asked) -> Result<(), StoreError> {
    let content = question.request.request();
    let (Some(transaction), Some(tenant_id)) = (&content.transaction, &asked.tenant_id) else { return Ok(()) };
    let (Some(service), Some(statement)) = (&content.respond_to, &content.device) else { return Ok(()) };
    let Ok(device_id) = asked.device.parse() else { return Ok(()) };
    let row = ProofRequest {
        id: random::row_id().map_err(|_| StoreError::Stopping)?,
        tenant_id: tenant_id.clone(),
        device_id,
        hostname: evidence::value(&statement.facts, evidence::HOSTNAME).unwrap_or_default().chars().take(255).collect(),
        name_id: asked.subject.clone(),
        account: proof::account(&statement.evidence).to_owned(),
        address: question.address.map(|address| address.to_string()).unwrap_or_default(),
        service: service.to_string(),
        words: String::new(),
        transaction_id: transaction.clone(),
        completion_id: None,
        method: None,
        tries: 0,
        created_at: question.now,
        proved_at: None,
        used_at: None,
    };
    proof::ask(connection, row).await
}

/// What the audit says about a request however far it came.
pub(crate) struct Asked {
    pub(crate) tenant_id: Option<String>,
    device: String,
    subject: String,
    assurance: Option<Assurance>,
}

impl Asked {
    fn of(device: String) -> Self {
        Self { tenant_id: None, device, subject: String::new(), assurance: None }
    }

    /// It was this device.
    pub(crate) fn is_of(&mut self, device: &Device) {
        self.tenant_id = Some(device.tenant_id.clone());
        self.device = device.id.to_string();
    }
}

/// The tenant whose device or token it was, so that a refusal is seen by those whom it concerns.
async fn tenant_of(connection: &mut AnyConnection, question: &Question) -> Result<Option<String>, StoreError> {
    if let Some(known) = device_key::by_key(connection, question.request.request().issuer.as_str()).await? {
        return Ok(Some(known.device.tenant_id));
    }
    let Some(enrolling) = &question.enrolling else { return Ok(None) };
    Ok(token::by_id(connection, &enrolling.token_id).await?.map(|token| token.tenant_id))
}

async fn grant(connection: &mut AnyConnection, question: &Question, asked: &mut Asked) -> Result<Grant, Stop> {
    let (content, now) = (question.request.request(), question.now);
    let statement = content.device.as_ref().ok_or(RefusalCode::Malformed)?;
    let forgotten_at = content.issue_instant.plus_seconds(REQUEST_LIFE_SECONDS + 2 * SKEW_SECONDS);
    if !seen_request::remember(connection, &content.issuer, &content.id, forgotten_at).await? {
        return Err(RefusalCode::Replayed.into());
    }
    if let Some(subject) = of_the_device_itself(content) {
        asked.subject.clone_from(&subject.value);
        return keep_alive(connection, question, subject.clone(), asked).await;
    }
    if statement.rotation.is_some() {
        return Err(RefusalCode::Malformed.into());
    }
    let name = PersonName::of(content.subject.as_ref()).ok_or(RefusalCode::Malformed)?;
    asked.subject.clone_from(&name.name_id);

    let awaited = begun_by_service(connection, content, now).await?;
    let standing = standing::find(connection, question, &name, asked).await?;
    let granted = settle(
        connection,
        Case { cloud: &question.cloud, content, evidence: &statement.evidence, name, standing, awaited, now },
    )
    .await?;
    asked.assurance = Some(granted.assurance.clone());
    Ok(granted)
}

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
        // The device is registered whoever is at it: that the person still has to prove who they are is no reason to spend the token again.
        Err(Stop::Refused(code)) if proof::helps(code) && standing.device.state != DeviceState::Pending => {
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
    let may_create = provisions && content.name_id_policy.as_ref().is_some_and(|policy| policy.allow_create);
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

/// The sign-on that the request says it ends. It is used up however the request ends, so that nobody tries twice with one.
async fn begun_by_service(
    connection: &mut AnyConnection,
    content: &AuthnRequest,
    now: UtcTime,
) -> Result<Option<Awaited>, Stop> {
    let Some(id) = &content.transaction else { return Ok(None) };
    let begun = browser_sign_on::by_id(connection, id.as_str()).await?.ok_or(RefusalCode::SignOnOver)?;
    if !browser_sign_on::use_up(connection, id, now).await? {
        return Err(RefusalCode::Replayed.into());
    }
    if let (Some(browser), Some(port)) = (&begun.browser_id, begun.port) {
        browser::answered(connection, browser, port, now).await?;
        external_sign_on::forget_choice(connection, browser).await?;
    }
    let in_time = begun.deadline.is_some_and(|deadline| now <= deadline);
    if !in_time || content.respond_to.as_ref() != Some(&begun.service) {
        return Err(RefusalCode::SignOnOver.into());
    }
    Ok(Some(Awaited {
        request_id: begun.request_id,
        acs_url: begun.acs_url,
        browser_id: begun.browser_id,
        name_format: begun.name_format,
        proof_request: begun.proof_request,
        demands: begun.demands,
    }))
}

/// The subject of a request in which a device signs itself in: it is alive, and asks whether it still may sign people in.
fn of_the_device_itself(content: &AuthnRequest) -> Option<&NameId> {
    let subject = content.subject.as_ref().filter(|subject| subject.format == NameIdFormat::Entity)?;
    (subject.value == content.issuer.as_str() && content.respond_to.is_none()).then_some(subject)
}

/// The device is heard, and nobody is signed on: what stands against the device is all that is asked.
async fn keep_alive(
    connection: &mut AnyConnection,
    question: &Question,
    subject: NameId,
    asked: &mut Asked,
) -> Result<Grant, Stop> {
    let content = question.request.request();
    let statement = content.device.as_ref().ok_or(RefusalCode::Malformed)?;
    if question.enrolling.is_some() {
        return Err(RefusalCode::Malformed.into());
    }
    let nobody = PersonName { name_id: String::new(), local_part: String::new(), domain: String::new() };
    let standing = standing::find(connection, question, &nobody, asked).await?;
    let tenant = tenant::by_id(connection, &standing.device.tenant_id).await?.ok_or(RefusalCode::DomainNotMapped)?;
    standing.keep(connection, question.now).await?;
    if standing.device.state == DeviceState::Pending {
        return Err(RefusalCode::DevicePending.into());
    }
    if let Some(rotation) = &statement.rotation {
        standing.take_next_key(connection, rotation).await?;
    }
    let mut told = break_glass::hear(connection, question, &statement.evidence, &standing.device).await?;
    told.extend(diagnostics::hear(connection, question, &statement.evidence, &standing.device).await?);
    Ok(Grant {
        in_response_to: content.id.clone(),
        groups: Vec::new(),
        device: content.issuer.clone(),
        key_since: Some(standing.device.key_since),
        device_id: standing.device.id,
        subject,
        assurance: Assurance::claimed(statement.evidence.grade),
        authn_context: None,
        service: None,
        awaited: None,
        session_index: session_index()?,
        services: Vec::new(),
        session_seconds: tenant.session_seconds,
        attributes: Vec::new(),
        told,
    })
}

/// What a session is called at a service.
pub(crate) fn session_index() -> Result<MessageId, Stop> {
    random::bytes().map(MessageId::from_random).map_err(|_| RefusalCode::Busy.into())
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
    let service = service_provider::by_entity_id(connection, entity_id.as_str()).await?;
    let service = service.filter(|service| service.tenant_id == tenant.id);
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
            PersonState::Active => Err(RefusalCode::DomainNotMapped.into()),
            PersonState::Suspended => Err(RefusalCode::UserSuspended.into()),
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
