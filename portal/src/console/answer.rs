//! What comes back about an administrator: verified, and decided in one transaction.

use saml::device::EvidenceGrade;
use saml::key::VerifyingKey;
use saml::name::{EntityId, NameId, NameIdFormat};
use saml::refusal::RefusalCode;
use saml::response::{Assertion, InResponseTo, ResponseExpectations, UnverifiedResponse};
use saml::time::UtcTime;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use super::LIFE_SECONDS;
use super::leaving::usable;
use crate::admin::account::{hash_of, new_secret};
use crate::admin::administrator_idp::may_speak_for;
use crate::admin::password::same;
use crate::browser::NotBegun;
use crate::cloud::Cloud;
use crate::external::believe;
use crate::grade::Grade;
use crate::sign_on::{Portal, SKEW_SECONDS};
use crate::store::administrator::{self, Administrator};
use crate::store::administrator_idp::{self, AdministratorIdp, Kind, SignOn};
use crate::store::administrator_session::{self as sessions, Session};
use crate::store::audit::{self, Entry};
use crate::store::service_session::{self, ServiceSession};
use crate::store::{StoreError, person, seen_request, tenant};

type Refusal = (RefusalCode, String);

/// Somebody who is signed in now.
pub(crate) struct SignedIn {
    /// What the session's cookie holds.
    pub(crate) secret: String,
    /// The page to go on with.
    pub(crate) next: String,
}

/// Takes the field `SAMLResponse`, which came from the browser whose cookie holds `browser`; begins a session.
///
/// # Errors
/// [`NotBegun`]; a refusal of an answer to a request of the pages' own has its row in the audit.
pub(crate) async fn answer(
    portal: &Portal,
    field: &str,
    browser: Option<&str>,
    now: UtcTime,
) -> Result<SignedIn, NotBegun> {
    let response = UnverifiedResponse::parse_post(field)?;
    let Some(id) = response.claimed_in_response_to() else {
        return Err(NotBegun::Refused(RefusalCode::ResponseUnsolicited, String::new()));
    };
    let sent = administrator_idp::sign_on(&mut *portal.store.read().await?, id.as_str()).await?;
    let over = || NotBegun::Refused(RefusalCode::SignOnOver, "this answers no request of these pages".to_owned());
    let sent = sent.ok_or_else(over)?;
    let idp = administrator_idp::by_id(&mut *portal.store.read().await?, &sent.idp_id).await?.ok_or_else(over)?;
    let known = match known(portal, &idp, now).await? {
        Ok(known) => known,
        Err(refusal) => return Err(refuse(portal, (&idp, &sent), refusal, now).await?),
    };
    match check(portal, response, (&sent, &idp, browser), (known, now)) {
        Ok(assertion) => decide(portal, Question { sent, idp, assertion, now }).await,
        Err(refusal) => Err(refuse(portal, (&idp, &sent), refusal, now).await?),
    }
}

/// A refusal, once it is in the audit.
async fn refuse(
    portal: &Portal,
    (idp, sent): (&AdministratorIdp, &SignOn),
    (code, why): Refusal,
    now: UtcTime,
) -> Result<NotBegun, StoreError> {
    let entry = entry(idp, sent, ("", &code.to_string()), json!({ "why": why }), now);
    portal.store.write(move |connection| Box::pin(audit::append(connection, entry))).await?;
    Ok(NotBegun::Refused(code, why))
}

/// Believes the Response if it is from the identity provider that the request went to, for these pages, this request and this browser.
fn check(
    portal: &Portal,
    response: UnverifiedResponse,
    (sent, idp, browser): (&SignOn, &AdministratorIdp, Option<&str>),
    ((issuer, keys), now): ((EntityId, Vec<VerifyingKey>), UtcTime),
) -> Result<Assertion, Refusal> {
    let refused = |code, why: &str| Err((code, why.to_owned()));
    let held = browser.map(hash_of).unwrap_or_default();
    if !same(held.as_bytes(), sent.browser.as_bytes()) {
        return refused(RefusalCode::SignOnOver, "it was begun in another browser, or this one has dropped its cookie");
    }
    if sent.used_at.is_some() {
        return refused(RefusalCode::Replayed, "");
    }
    if now > sent.created_at.plus_seconds(LIFE_SECONDS) {
        return refused(RefusalCode::SignOnOver, "it took too long");
    }
    let audience = audience(&portal.cloud, idp)?;
    let expect = ResponseExpectations {
        issuer: &issuer,
        audience: &audience,
        recipient: portal.cloud.console_acs_url(),
        in_response_to: InResponseTo::Exactly(&sent.id),
        now,
        max_skew_seconds: SKEW_SECONDS,
    };
    believe(response, &keys, &expect)
}

/// Who has to have signed, and with which keys.
async fn known(
    portal: &Portal,
    idp: &AdministratorIdp,
    now: UtcTime,
) -> Result<Result<(EntityId, Vec<VerifyingKey>), Refusal>, StoreError> {
    match &idp.kind {
        Kind::Devices { tenant_id, .. } => own_issuer(portal, tenant_id).await,
        Kind::External { metadata, .. } => Ok(known_from_metadata(metadata, now)),
    }
}

fn known_from_metadata(metadata: &str, now: UtcTime) -> Result<(EntityId, Vec<VerifyingKey>), Refusal> {
    let metadata = usable(metadata, now).map_err(|why| (RefusalCode::IdpDisabled, why))?;
    let keys = metadata.signing_keys().map_err(|error| (RefusalCode::BadSignature, error.to_string()))?;
    Ok((metadata.entity_id, keys))
}

/// The issuer for services of the tenant with the id `tenant_id`, and its keys: the portal checks what it has signed itself.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn own_issuer(
    portal: &Portal,
    tenant_id: &str,
) -> Result<Result<(EntityId, Vec<VerifyingKey>), Refusal>, StoreError> {
    let tenant = tenant::by_id(&mut *portal.store.read().await?, tenant_id).await?;
    let Some(tenant) = tenant else {
        return Ok(Err((RefusalCode::IdpDisabled, "its tenant was removed".to_owned())));
    };
    let certificates = portal.keys.now().issuer_certificates(tenant.issuer, tenant_id);
    let keys: Result<_, _> = certificates.iter().map(|one| VerifyingKey::from_certificate_der(one)).collect();
    let keys = keys.map_err(|error| (RefusalCode::BadSignature, error.to_string()));
    Ok(keys.map(|keys| (portal.cloud.issuer(tenant.issuer, tenant_id).entity_id, keys)))
}

/// What the pages are called there.
fn audience(cloud: &Cloud, idp: &AdministratorIdp) -> Result<EntityId, Refusal> {
    match &idp.kind {
        Kind::External { .. } => Ok(cloud.console_entity_id().clone()),
        Kind::Devices { service, .. } => service.parse().map_err(|_| (RefusalCode::ServiceUnknown, service.clone())),
    }
}

/// An assertion that is proven and wants a decision.
struct Question {
    sent: SignOn,
    idp: AdministratorIdp,
    assertion: Assertion,
    now: UtcTime,
}

/// What ends the way to a session.
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

async fn decide(portal: &Portal, question: Question) -> Result<SignedIn, NotBegun> {
    let (secret, id) = new_secret().map_err(|_| StoreError::Stopping)?;
    let (form_token, _) = new_secret().map_err(|_| StoreError::Stopping)?;
    let (cloud, next) = (portal.cloud.clone(), question.sent.next.clone());
    let decided = portal.store.write(move |connection| {
        Box::pin(async move {
            let mut seen = Seen { name: String::new(), device: None };
            let granted = grant(connection, &cloud, &question, &mut seen).await;
            let Question { sent, idp, assertion, now } = question;
            let detail = json!({ "at": assertion.authn_instant.to_string(), "context": assertion.authn_context, "device": seen.device });
            match granted {
                Ok((mut account, service_session)) => {
                    account.last_sign_in_at = Some(now);
                    administrator::update(connection, &account).await?;
                    let session = Session {
                        id,
                        administrator_id: account.id,
                        form_token,
                        created_at: now,
                        last_seen_at: now,
                        ends_at: assertion.session_not_on_or_after,
                        service_session,
                    };
                    sessions::delete(connection, &sent.earlier).await?;
                    sessions::insert(connection, &session).await?;
                    let mut entry = entry(&idp, &sent, (&account.name, "ok"), detail, now);
                    entry.tenant_id = account.tenant_id;
                    audit::append(connection, entry).await?;
                    Ok(Ok(()))
                }
                Err(Stop::Refused(code)) => {
                    audit::append(connection, entry(&idp, &sent, (&seen.name, &code.to_string()), detail, now)).await?;
                    Ok(Err((code, seen.name)))
                }
                Err(Stop::Failed(error)) => Err(error),
            }
        })
    });
    match decided.await? {
        Ok(()) => Ok(SignedIn { secret, next }),
        Err((code, name)) => Err(NotBegun::Refused(code, name)),
    }
}

/// A row of the audit about an answer to `sent`.
fn entry(
    idp: &AdministratorIdp,
    sent: &SignOn,
    (subject, result): (&str, &str),
    mut detail: Value,
    now: UtcTime,
) -> Entry {
    detail["request"] = json!(sent.id.as_str());
    Entry {
        at: now,
        tenant_id: idp.tenant_id.clone(),
        actor: format!("identity provider {}", idp.name),
        action: "account.sign-in",
        subject: subject.to_owned(),
        result: result.to_owned(),
        detail,
    }
}

/// What the audit says, however far it came.
struct Seen {
    name: String,
    device: Option<String>,
}

/// The account, and the session that a device has opened for it.
async fn grant(
    connection: &mut AnyConnection,
    cloud: &Cloud,
    question: &Question,
    seen: &mut Seen,
) -> Result<(Administrator, Option<String>), Stop> {
    let Question { sent, idp, assertion, now } = question;
    let forgotten_at = assertion.not_on_or_after.plus_seconds(2 * SKEW_SECONDS);
    let is_new = administrator_idp::use_up(connection, &sent.id, *now).await?
        && seen_request::remember(connection, &assertion.issuer, &assertion.id, forgotten_at).await?;
    if !is_new {
        return Err(RefusalCode::Replayed.into());
    }
    seen.name = subject(&assertion.subject).ok_or(RefusalCode::IdpName)?;
    let (is_fresh, opened) = match &idp.kind {
        Kind::External { .. } => {
            let names_us = |id: &EntityId| {
                cloud.is_own_issuer(id) || [cloud.sp_entity_id(), cloud.console_entity_id()].contains(&id)
            };
            if assertion.authenticating_authorities.iter().any(names_us) {
                return Err(RefusalCode::SignOnLoop.into());
            }
            (assertion.authn_instant >= sent.created_at.plus_seconds(-SKEW_SECONDS), None)
        }
        Kind::Devices { minimum_evidence, .. } => {
            let index = assertion.session_index.as_deref().unwrap_or_default();
            let opened = service_session::open(connection, index).await?.ok_or(RefusalCode::SignOnOver)?;
            check_grade(connection, assertion, minimum_evidence, &opened).await?;
            seen.device = Some(opened.opened_by.to_string());
            (true, Some(opened))
        }
    };
    if !is_fresh {
        return Err(RefusalCode::IdpRefused.into());
    }
    let account = administrator::by_idp(connection, (&idp.id, &seen.name)).await?;
    let account = account.filter(|account| may_speak_for(idp, account)).ok_or(RefusalCode::UserNotProvisioned)?;
    if !account.enabled {
        return Err(RefusalCode::UserSuspended.into());
    }
    let is_its = |device: &EntityId| account.idp_devices.iter().any(|id| id == device.as_str());
    if opened.as_ref().is_some_and(|opened| !is_its(&opened.opened_by)) {
        return Err(RefusalCode::DeviceNotCompliant.into());
    }
    Ok((account, opened.map(|opened| opened.id.as_str().to_owned())))
}

/// The name that the assertion gives, in lower case: an address, or what claims no format.
fn subject(subject: &NameId) -> Option<String> {
    let is_stable = matches!(subject.format, NameIdFormat::EmailAddress | NameIdFormat::Unspecified);
    is_stable.then(|| subject.value.trim().to_lowercase())
}

/// A device's session of the least grade; another identity provider's, which the portal would have passed on, is none. What was recorded before
/// there were grades demands a kind of the device's claim.
async fn check_grade(
    connection: &mut AnyConnection,
    assertion: &Assertion,
    minimum: &str,
    opened: &ServiceSession,
) -> Result<(), Stop> {
    let too_weak = || Stop::from(RefusalCode::EvidenceTooWeak);
    let grade = Grade::of_authn_context(&assertion.authn_context);
    let grade = grade.filter(|_| assertion.authenticating_authorities.is_empty()).ok_or_else(too_weak)?;
    if let Ok(minimum) = minimum.parse::<Grade>() {
        return if grade >= minimum { Ok(()) } else { Err(too_weak()) };
    }
    let minimum: EvidenceGrade = minimum.parse().map_err(|_| too_weak())?;
    let person = person::by_name_id(connection, &opened.person).await?.ok_or_else(too_weak)?;
    let offered = person::last_evidence(connection, opened.opened_by.as_str(), &person.id).await?;
    if offered.is_some_and(|offered| offered.claim >= minimum) { Ok(()) } else { Err(too_weak()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lasting_names_are_names() {
        let named = |format, value: &str| subject(&NameId { format, value: value.to_owned() });
        assert_eq!(named(NameIdFormat::EmailAddress, " Ada@Example.TEST"), Some("ada@example.test".to_owned()));
        assert_eq!(named(NameIdFormat::Unspecified, "ada"), Some("ada".to_owned()));
        assert_eq!(named(NameIdFormat::Transient, "ada"), None);
        assert_eq!(named(NameIdFormat::Persistent, "ada"), None);
    }
}
