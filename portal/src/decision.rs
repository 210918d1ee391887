//! The decision: everything between a verified request and the answer that needs the database, in one transaction.
//!
//! A refusal is a decision too and is kept (its request ID and its audit row); only a failure of the database undoes all.

use saml::device::{DeviceStatement, Evidence, EvidenceGrade};
use saml::name::{EntityId, MessageId, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::VerifiedRequest;
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;

use crate::cloud::Cloud;
use crate::evidence;
use crate::random;
use crate::sign_on::{REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::store::audit::{self, Entry};
use crate::store::device::{self, Device, DeviceState};
use crate::store::person::{self, Person, PersonState, SignOnNote};
use crate::store::service_provider::{self, ServiceProvider};
use crate::store::tenant::{self, Tenant};
use crate::store::{StoreError, domain, seen_request, token};

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
    },
}

/// Everything that an assertion needs.
#[derive(Debug)]
pub struct Grant {
    /// The request's ID.
    pub in_response_to: MessageId,
    /// The device that asked.
    pub device: EntityId,
    /// The person.
    pub subject: NameId,
    /// The grade of the evidence, which travels on.
    pub grade: EvidenceGrade,
    /// The service that the assertion is for; none: the device's own session with the portal.
    pub service: Option<ServiceProvider>,
    /// Life of the session, in seconds.
    pub session_seconds: i64,
}

impl Decision {
    /// A refusal of the request.
    #[must_use]
    pub fn refused(in_response_to: MessageId, code: RefusalCode) -> Self {
        Self::Refused { in_response_to, code }
    }
}

/// What ends the way to a grant: a refusal, or the database.
enum Stop {
    Refused(RefusalCode),
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

/// Decides about `request` at `now` and writes what follows from it.
///
/// # Errors
/// [`StoreError`]; then nothing was written and nothing may be answered but "busy".
pub async fn decide(
    connection: &mut AnyConnection,
    cloud: Cloud,
    request: VerifiedRequest,
    enrolling: Option<Enrolling>,
    now: UtcTime,
) -> Result<Decision, StoreError> {
    let content = request.request();
    let mut asked = Asked { tenant_id: None, subject: String::new() };
    let enrolls = enrolling.is_some();
    let decided = grant(connection, &cloud, &request, enrolling, now, &mut asked).await;
    let (decision, result) = match decided {
        Ok(grant) => (Decision::Granted(Box::new(grant)), "ok".to_owned()),
        Err(Stop::Refused(code)) => (Decision::refused(content.id.clone(), code), code.to_string()),
        Err(Stop::Failed(error)) => return Err(error),
    };
    let service = content.respond_to.as_ref().map(EntityId::as_str);
    let entry = Entry {
        at: now,
        tenant_id: asked.tenant_id,
        actor: content.issuer.as_str().to_owned(),
        action: if enrolls { "enrol" } else { "sign-on" },
        subject: asked.subject,
        result,
        detail: serde_json::json!({ "request": content.id.as_str(), "service": service }),
    };
    audit::append(connection, entry).await?;
    Ok(decision)
}

/// What the audit says about a request however far it came.
struct Asked {
    tenant_id: Option<String>,
    subject: String,
}

async fn grant(
    connection: &mut AnyConnection,
    cloud: &Cloud,
    request: &VerifiedRequest,
    enrolling: Option<Enrolling>,
    now: UtcTime,
    asked: &mut Asked,
) -> Result<Grant, Stop> {
    let content = request.request();
    let statement = content.device.as_ref().ok_or(RefusalCode::Malformed)?;
    let forgotten_at = content.issue_instant.plus_seconds(REQUEST_LIFE_SECONDS + 2 * SKEW_SECONDS);
    if !seen_request::remember(connection, &content.issuer, &content.id, forgotten_at).await? {
        return Err(RefusalCode::Replayed.into());
    }
    let name = PersonName::of(content.subject.as_ref()).ok_or(RefusalCode::Malformed)?;
    asked.subject.clone_from(&name.name_id);

    let (device, is_new) = standing(connection, content.issuer.clone(), statement, enrolling, &name, now).await?;
    asked.tenant_id = Some(device.tenant_id.clone());
    let tenant = tenant::by_id(connection, &device.tenant_id).await?.ok_or(RefusalCode::DomainNotMapped)?;
    check_domain(connection, &tenant, &name).await?;
    evidence::check(&statement.evidence, &name.local_part, tenant.minimum_evidence)?;
    let service = asked_service(connection, cloud, content.respond_to.as_ref(), &tenant).await?;
    let may_create = content.name_id_policy.as_ref().is_some_and(|policy| policy.allow_create);
    let (person, is_known) = find_person(connection, &tenant, &name, may_create, now).await?;
    if person::count_other_devices(connection, &person.id, device.id.as_str()).await? >= tenant.devices_per_user {
        return Err(RefusalCode::DeviceLimit.into());
    }

    if !is_known {
        person::insert(connection, &person).await?;
    }
    if is_new {
        device::register(connection, &device).await?;
        token::count_use(connection, &device.token_id, now).await?;
    } else {
        device::note_seen(connection, &device).await?;
    }
    let note = sign_on_note(&device, &person, &statement.evidence, now);
    person::note_sign_on(connection, &note).await?;
    Ok(Grant {
        in_response_to: content.id.clone(),
        device: device.id,
        subject: NameId { format: NameIdFormat::EmailAddress, value: person.name_id },
        grade: statement.evidence.grade,
        service,
        session_seconds: tenant.session_seconds,
    })
}

/// The device as it will stand after this request, and whether that takes a registration.
async fn standing(
    connection: &mut AnyConnection,
    id: EntityId,
    statement: &DeviceStatement,
    enrolling: Option<Enrolling>,
    name: &PersonName,
    now: UtcTime,
) -> Result<(Device, bool), Stop> {
    let sequence = i64::try_from(statement.sequence).map_err(|_| RefusalCode::Malformed)?;
    let facts = evidence::facts(&statement.facts);
    let known = device::by_id(connection, id.as_str()).await?;
    if let Some(known) = &known {
        if known.state == DeviceState::Quarantined {
            return Err(RefusalCode::DeviceQuarantined.into());
        }
        if sequence <= known.sequence {
            return Err(RefusalCode::DeviceCloned.into());
        }
    }
    match (known, enrolling) {
        // An enrolment that is repeated, because its answer was lost, finds its key registered: that costs no second use.
        (Some(known), _) if known.state == DeviceState::Registered => {
            Ok((Device { sequence, facts, last_seen_at: now, ..known }, false))
        }
        (_, Some(enrolling)) => {
            let platform = facts.get(evidence::PLATFORM).and_then(|values| values.first()).map_or("", String::as_str);
            let tenant_id = spend_token(connection, &enrolling.token_id, name, platform, now).await?;
            let device = Device {
                id,
                tenant_id,
                token_id: enrolling.token_id,
                public_key: enrolling.public_key,
                state: DeviceState::Registered,
                sequence,
                facts,
                enrolled_at: now,
                last_seen_at: now,
            };
            Ok((device, true))
        }
        (Some(_), None) => Err(RefusalCode::DeviceRemoved.into()),
        (None, None) => Err(RefusalCode::DeviceUnknown.into()),
    }
}

/// Checks that the token buys one more registration, and says for which tenant. The use is counted when all else has
/// been decided.
async fn spend_token(
    connection: &mut AnyConnection,
    id: &TokenId,
    name: &PersonName,
    platform: &str,
    now: UtcTime,
) -> Result<String, Stop> {
    let token = token::by_id(connection, id).await?.ok_or(RefusalCode::UnknownToken)?;
    if token.revoked_at.is_some() {
        return Err(RefusalCode::TokenRevoked.into());
    }
    if token.expires_at.is_some_and(|expires_at| now >= expires_at) {
        return Err(RefusalCode::TokenExpired.into());
    }
    if token.use_limit.is_some_and(|limit| token.uses >= limit) {
        return Err(RefusalCode::TokenUsedUp.into());
    }
    if !token.domains.is_empty() && !token.domains.contains(&name.domain) {
        return Err(RefusalCode::DomainNotAllowed.into());
    }
    if !token.platforms.is_empty() && !token.platforms.iter().any(|allowed| allowed == platform) {
        return Err(RefusalCode::TokenScope.into());
    }
    Ok(token.tenant_id)
}

async fn check_domain(connection: &mut AnyConnection, tenant: &Tenant, name: &PersonName) -> Result<(), Stop> {
    let mapped = domain::by_name(connection, &name.domain).await?;
    if mapped.is_none_or(|domain| domain.tenant_id != tenant.id) {
        return Err(RefusalCode::DomainNotMapped.into());
    }
    if !tenant.idp_enabled {
        return Err(RefusalCode::IdpDisabled.into());
    }
    Ok(())
}

/// The service that the assertion is asked for. The portal itself, or nothing, means the device's own session.
async fn asked_service(
    connection: &mut AnyConnection,
    cloud: &Cloud,
    respond_to: Option<&EntityId>,
    tenant: &Tenant,
) -> Result<Option<ServiceProvider>, Stop> {
    let Some(entity_id) = respond_to.filter(|entity_id| *entity_id != cloud.entity_id()) else { return Ok(None) };
    let service = service_provider::by_entity_id(connection, entity_id.as_str()).await?;
    let service = service.filter(|service| service.tenant_id == tenant.id);
    Ok(Some(service.ok_or(RefusalCode::ServiceUnknown)?))
}

/// The person, and whether they were known already.
async fn find_person(
    connection: &mut AnyConnection,
    tenant: &Tenant,
    name: &PersonName,
    may_create: bool,
    now: UtcTime,
) -> Result<(Person, bool), Stop> {
    if let Some(person) = person::by_name_id(connection, &name.name_id).await? {
        return match person.state {
            PersonState::Active if person.tenant_id == tenant.id => Ok((person, true)),
            PersonState::Active => Err(RefusalCode::DomainNotMapped.into()),
            PersonState::Suspended => Err(RefusalCode::UserSuspended.into()),
        };
    }
    if !tenant.auto_provisioning || !may_create {
        return Err(RefusalCode::UserNotProvisioned.into());
    }
    let person = Person {
        id: random::row_id().map_err(|_| RefusalCode::Busy)?,
        tenant_id: tenant.id.clone(),
        name_id: name.name_id.clone(),
        state: PersonState::Active,
        created_at: now,
        last_sign_on_at: None,
    };
    Ok((person, false))
}

fn sign_on_note<'a>(device: &'a Device, person: &'a Person, evidence: &Evidence, now: UtcTime) -> SignOnNote<'a> {
    let offered = serde_json::json!({ "source": evidence.source, "attributes": evidence::facts(&evidence.attributes) });
    SignOnNote {
        device_id: device.id.as_str(),
        person_id: &person.id,
        evidence: offered.to_string(),
        grade: evidence.grade,
        now,
    }
}

/// `user@domain` in lower case, taken apart.
struct PersonName {
    name_id: String,
    local_part: String,
    domain: String,
}

impl PersonName {
    fn of(subject: Option<&NameId>) -> Option<Self> {
        let subject = subject.filter(|subject| subject.format == NameIdFormat::EmailAddress)?;
        let name_id = subject.value.to_ascii_lowercase();
        let (local_part, domain) = name_id.split_once('@')?;
        let sound = |part: &str| {
            !part.is_empty()
                && part.len() <= 255
                && !part.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@')
        };
        (sound(local_part) && sound(domain)).then(|| Self {
            local_part: local_part.to_owned(),
            domain: domain.to_owned(),
            name_id: name_id.clone(),
        })
    }
}
