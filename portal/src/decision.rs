//! The decision: everything between a verified request and the answer that needs the database, in one transaction.
//!
//! A refusal is a decision too and is kept (its request ID and its audit row); only a failure of the database undoes all.

use std::net::IpAddr;

use saml::name::{Attribute, EntityId, MessageId, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::request::{AuthnRequest, VerifiedRequest};
use saml::time::UtcTime;
use saml::token::TokenId;
use sqlx::AnyConnection;

use crate::break_glass;
use crate::cloud::Cloud;
use crate::demands::Demands;
use crate::diagnostics;
use crate::evidence;
use crate::grade::Assurance;
pub(crate) use crate::person_name::PersonName;
use crate::person_sign_on::{Case, settle};
use crate::proof;
use crate::random;
use crate::service_answer::ServiceAnswer;
use crate::sign_on::{REQUEST_LIFE_SECONDS, SKEW_SECONDS};
use crate::standing;
use crate::store::audit::{self, Entry};
use crate::store::device::{Device, DeviceState};
use crate::store::issuer::Issuer;
use crate::store::proof::ProofRequest;
use crate::store::service_provider::ServiceProvider;
use crate::store::{
    StoreError, browser, browser_sign_on, device_key, external_sign_on, seen_request, sign_on_count, tenant, token,
};

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
    /// Whose device it is.
    pub tenant_id: String,
    /// The issuer that vouches for the person towards a service.
    pub issuer: Issuer,
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
    /// Whose service waits.
    pub tenant_id: String,
    /// The issuer that it has asked.
    pub issuer: Issuer,
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
    /// Which person it asks for, and how they have to have signed in.
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

/// The tenant whose device or token it was, so that a refusal is seen by those that it concerns.
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
        tenant_id: begun.tenant_id,
        issuer: begun.issuer,
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
        tenant_id: tenant.id,
        issuer: tenant.issuer,
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
